//! The examples of RFC 5545 3.8.5.3, each as the RFC lists it. Where the RFC ends a list with "..." so does the test.
//! Run by `cargo nextest run -p kontor-vobject`.

use jiff::civil::{DateTime, date};
use kontor_vobject::recur::{Budget, End, Iter, Plan, Rule, Until};

/// The months of a list: `1997-09: 2 3 4` is three days at the time of DTSTART, `2T0920` one at another time.
fn listed(text: &str, start: DateTime) -> Vec<DateTime> {
    let mut all = Vec::new();
    for month in text.split(';').map(str::trim).filter(|month| !month.is_empty()) {
        let (month, days) = month.split_once(':').expect("a month and its days");
        let (year, month) = month.split_once('-').expect("year-month");
        let (year, month) = (year.parse().expect("year"), month.parse().expect("month"));
        for item in days.split_whitespace() {
            let (days, time) = item.split_once('T').unwrap_or((item, ""));
            let (first, last) = days.split_once('-').unwrap_or((days, days));
            for day in first.parse::<i8>().expect("day")..=last.parse().expect("day") {
                let day = date(year, month, day);
                all.push(if time.is_empty() {
                    day.to_datetime(start.time())
                } else {
                    day.at(time[..2].parse().expect("hour"), time[2..].parse().expect("minute"), 0, 0)
                });
            }
        }
    }
    all
}

/// What a rule gives from its start on, as far as the list goes; with one more, unless the RFC's list goes on.
fn generated(rule: &str, start: DateTime, length: usize) -> Vec<DateTime> {
    let rule = Rule::parse(rule).expect(rule);
    let plan = Plan::new(&rule, start, false).expect("plan");
    // The UTC UNTILs of the examples are 4 or 5 hours ahead of New York; none has an instance in between.
    let until = match rule.end {
        End::Until(Until::Utc(at)) => Some(at.duration_since(date(1970, 1, 1).at(4, 0, 0, 0)).as_secs()),
        _ => None,
    };
    let mut budget = Budget::default();
    let mut instances = Iter::new(&plan, until, &budget);
    let mut all = Vec::new();
    while all.len() < length {
        match instances.next_civil(&mut budget).expect("within the budget") {
            Some(at) => all.push(at),
            None => break,
        }
    }
    all
}

fn check(rule: &str, start: DateTime, list: &str) {
    let (list, goes_on) = match list.strip_suffix("...") {
        Some(list) => (list, true),
        None => (list, false),
    };
    let expected = listed(list, start);
    let found = generated(rule, start, expected.len() + usize::from(!goes_on));
    assert_eq!(found, expected, "{rule}");
}

#[test]
fn rfc_5545_examples() {
    let start = date(1997, 9, 2).at(9, 0, 0, 0);
    for (rule, list) in EXAMPLES {
        check(rule, start, list);
    }
}

#[test]
fn rfc_5545_examples_with_their_own_start() {
    for (rule, (year, month, day), list) in OWN_START {
        check(rule, date(*year, *month, *day).at(9, 0, 0, 0), list);
    }
}

/// "Every day in January, for 3 years": the same by two rules.
#[test]
fn every_day_in_january_by_two_rules() {
    let start = date(1998, 1, 1).at(9, 0, 0, 0);
    let list = "1998-1: 1-31; 1999-1: 1-31; 2000-1: 1-31";
    check("FREQ=YEARLY;UNTIL=20000131T140000Z;BYMONTH=1;BYDAY=SU,MO,TU,WE,TH,FR,SA", start, list);
    check("FREQ=DAILY;UNTIL=20000131T140000Z;BYMONTH=1", start, list);
}

/// DTSTART 1997-09-02T09:00:00 in America/New_York.
const EXAMPLES: &[(&str, &str)] = &[
    ("FREQ=DAILY;COUNT=10", "1997-9: 2-11"),
    ("FREQ=DAILY;UNTIL=19971224T000000Z", "1997-9: 2-30; 1997-10: 1-31; 1997-11: 1-30; 1997-12: 1-23"),
    ("FREQ=DAILY;INTERVAL=2", "1997-9: 2 4 6 8 10 12 14 16 18 20 22 24 26 28 30; 1997-10: 2 4 6 ..."),
    ("FREQ=DAILY;INTERVAL=10;COUNT=5", "1997-9: 2 12 22; 1997-10: 2 12"),
    ("FREQ=WEEKLY;COUNT=10", "1997-9: 2 9 16 23 30; 1997-10: 7 14 21 28; 1997-11: 4"),
    (
        "FREQ=WEEKLY;UNTIL=19971224T000000Z",
        "1997-9: 2 9 16 23 30; 1997-10: 7 14 21 28; 1997-11: 4 11 18 25; 1997-12: 2 9 16 23",
    ),
    (
        "FREQ=WEEKLY;INTERVAL=2;WKST=SU",
        "1997-9: 2 16 30; 1997-10: 14 28; 1997-11: 11 25; 1997-12: 9 23; 1998-1: 6 20; 1998-2: 3 17 ...",
    ),
    ("FREQ=WEEKLY;UNTIL=19971007T000000Z;WKST=SU;BYDAY=TU,TH", "1997-9: 2 4 9 11 16 18 23 25 30; 1997-10: 2"),
    ("FREQ=WEEKLY;COUNT=10;WKST=SU;BYDAY=TU,TH", "1997-9: 2 4 9 11 16 18 23 25 30; 1997-10: 2"),
    ("FREQ=WEEKLY;INTERVAL=2;COUNT=8;WKST=SU;BYDAY=TU,TH", "1997-9: 2 4 16 18 30; 1997-10: 2 14 16"),
    (
        "FREQ=MONTHLY;COUNT=10;BYMONTHDAY=2,15",
        "1997-9: 2 15; 1997-10: 2 15; 1997-11: 2 15; 1997-12: 2 15; 1998-1: 2 15",
    ),
    (
        "FREQ=MONTHLY;INTERVAL=2;BYDAY=TU",
        "1997-9: 2 9 16 23 30; 1997-11: 4 11 18 25; 1998-1: 6 13 20 27; 1998-3: 3 10 17 24 31 ...",
    ),
    (
        "FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13",
        "1998-2: 13; 1998-3: 13; 1998-11: 13; 1999-8: 13; 2000-10: 13 ...",
    ),
    ("FREQ=HOURLY;INTERVAL=3;UNTIL=19970902T210000Z", "1997-9: 2T0900 2T1200 2T1500"),
    ("FREQ=MINUTELY;INTERVAL=15;COUNT=6", "1997-9: 2T0900 2T0915 2T0930 2T0945 2T1000 2T1015"),
    ("FREQ=MINUTELY;INTERVAL=90;COUNT=4", "1997-9: 2T0900 2T1030 2T1200 2T1330"),
    (
        "FREQ=DAILY;BYHOUR=9,10,11,12,13,14,15,16;BYMINUTE=0,20,40",
        "1997-9: 2T0900 2T0920 2T0940 2T1000 2T1020 2T1040 2T1100 2T1120 2T1140 2T1200 2T1220 2T1240 2T1300 2T1320 \
         2T1340 2T1400 2T1420 2T1440 2T1500 2T1520 2T1540 2T1600 2T1620 2T1640 3T0900 3T0920 ...",
    ),
    (
        "FREQ=MINUTELY;INTERVAL=20;BYHOUR=9,10,11,12,13,14,15,16",
        "1997-9: 2T0900 2T0920 2T0940 2T1000 2T1020 2T1040 2T1100 2T1120 2T1140 2T1200 2T1220 2T1240 2T1300 2T1320 \
         2T1340 2T1400 2T1420 2T1440 2T1500 2T1520 2T1540 2T1600 2T1620 2T1640 3T0900 3T0920 ...",
    ),
];

/// Rule, DTSTART's day (at 09:00), list.
type OwnStart = (&'static str, (i16, i8, i8), &'static str);
const OWN_START: &[OwnStart] = &[
    (
        "FREQ=MONTHLY;BYMONTHDAY=-3",
        (1997, 9, 28),
        "1997-9: 28; 1997-10: 29; 1997-11: 28; 1997-12: 29; 1998-1: 29; 1998-2: 26 ...",
    ),
    (
        "FREQ=MONTHLY;INTERVAL=18;COUNT=10;BYMONTHDAY=10,11,12,13,14,15",
        (1997, 9, 10),
        "1997-9: 10-15; 1999-3: 10-13",
    ),
    ("FREQ=MONTHLY;COUNT=3;BYDAY=TU,WE,TH;BYSETPOS=3", (1997, 9, 4), "1997-9: 4; 1997-10: 7; 1997-11: 6"),
    (
        "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-2",
        (1997, 9, 29),
        "1997-9: 29; 1997-10: 30; 1997-11: 27; 1997-12: 30; 1998-1: 29; 1998-2: 26; 1998-3: 30 ...",
    ),
    (
        "FREQ=WEEKLY;INTERVAL=2;UNTIL=19971224T000000Z;WKST=SU;BYDAY=MO,WE,FR",
        (1997, 9, 1),
        "1997-9: 1 3 5 15 17 19 29; 1997-10: 1 3 13 15 17 27 29 31; 1997-11: 10 12 14 24 26 28; 1997-12: 8 10 12 22",
    ),
    (
        "FREQ=MONTHLY;COUNT=10;BYDAY=1FR",
        (1997, 9, 5),
        "1997-9: 5; 1997-10: 3; 1997-11: 7; 1997-12: 5; 1998-1: 2; 1998-2: 6; 1998-3: 6; 1998-4: 3; 1998-5: 1; 1998-6: 5",
    ),
    (
        "FREQ=MONTHLY;UNTIL=19971224T000000Z;BYDAY=1FR",
        (1997, 9, 5),
        "1997-9: 5; 1997-10: 3; 1997-11: 7; 1997-12: 5",
    ),
    (
        "FREQ=MONTHLY;INTERVAL=2;COUNT=10;BYDAY=1SU,-1SU",
        (1997, 9, 7),
        "1997-9: 7 28; 1997-11: 2 30; 1998-1: 4 25; 1998-3: 1 29; 1998-5: 3 31",
    ),
    (
        "FREQ=MONTHLY;COUNT=6;BYDAY=-2MO",
        (1997, 9, 22),
        "1997-9: 22; 1997-10: 20; 1997-11: 17; 1997-12: 22; 1998-1: 19; 1998-2: 16",
    ),
    (
        "FREQ=MONTHLY;COUNT=10;BYMONTHDAY=1,-1",
        (1997, 9, 30),
        "1997-9: 30; 1997-10: 1 31; 1997-11: 1 30; 1997-12: 1 31; 1998-1: 1 31; 1998-2: 1",
    ),
    (
        "FREQ=YEARLY;COUNT=10;BYMONTH=6,7",
        (1997, 6, 10),
        "1997-6: 10; 1997-7: 10; 1998-6: 10; 1998-7: 10; 1999-6: 10; 1999-7: 10; 2000-6: 10; 2000-7: 10; 2001-6: 10; 2001-7: 10",
    ),
    (
        "FREQ=YEARLY;INTERVAL=2;COUNT=10;BYMONTH=1,2,3",
        (1997, 3, 10),
        "1997-3: 10; 1999-1: 10; 1999-2: 10; 1999-3: 10; 2001-1: 10; 2001-2: 10; 2001-3: 10; 2003-1: 10; 2003-2: 10; 2003-3: 10",
    ),
    (
        "FREQ=YEARLY;INTERVAL=3;COUNT=10;BYYEARDAY=1,100,200",
        (1997, 1, 1),
        "1997-1: 1; 1997-4: 10; 1997-7: 19; 2000-1: 1; 2000-4: 9; 2000-7: 18; 2003-1: 1; 2003-4: 10; 2003-7: 19; 2006-1: 1",
    ),
    ("FREQ=YEARLY;BYDAY=20MO", (1997, 5, 19), "1997-5: 19; 1998-5: 18; 1999-5: 17 ..."),
    ("FREQ=YEARLY;BYWEEKNO=20;BYDAY=MO", (1997, 5, 12), "1997-5: 12; 1998-5: 11; 1999-5: 17 ..."),
    (
        "FREQ=YEARLY;BYMONTH=3;BYDAY=TH",
        (1997, 3, 13),
        "1997-3: 13 20 27; 1998-3: 5 12 19 26; 1999-3: 4 11 18 25 ...",
    ),
    (
        "FREQ=YEARLY;BYDAY=TH;BYMONTH=6,7,8",
        (1997, 6, 5),
        "1997-6: 5 12 19 26; 1997-7: 3 10 17 24 31; 1997-8: 7 14 21 28; 1998-6: 4 11 18 25; 1998-7: 2 9 16 23 30; \
         1998-8: 6 13 20 27; 1999-6: 3 10 17 24; 1999-7: 1 8 15 22 29; 1999-8: 5 12 19 26 ...",
    ),
    (
        "FREQ=MONTHLY;BYDAY=SA;BYMONTHDAY=7,8,9,10,11,12,13",
        (1997, 9, 13),
        "1997-9: 13; 1997-10: 11; 1997-11: 8; 1997-12: 13; 1998-1: 10; 1998-2: 7; 1998-3: 7; 1998-4: 11; 1998-5: 9; 1998-6: 13 ...",
    ),
    (
        "FREQ=YEARLY;INTERVAL=4;BYMONTH=11;BYDAY=TU;BYMONTHDAY=2,3,4,5,6,7,8",
        (1996, 11, 5),
        "1996-11: 5; 2000-11: 7; 2004-11: 2 ...",
    ),
    ("FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=MO", (1997, 8, 5), "1997-8: 5 10 19 24"),
    ("FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=SU", (1997, 8, 5), "1997-8: 5 17 19 31"),
    ("FREQ=MONTHLY;BYMONTHDAY=15,30;COUNT=5", (2007, 1, 15), "2007-1: 15 30; 2007-2: 15; 2007-3: 15 30"),
];
