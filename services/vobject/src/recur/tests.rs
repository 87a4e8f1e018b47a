//! Tests of rules: reading, what is refused, skipping ahead, days that do not exist, work.
//! Run by `cargo nextest run -p kontor-vobject`; the examples of the RFC are in tests/recur_examples.rs.

use jiff::civil::{DateTime, date};
use proptest::prelude::*;

use super::*;

fn plan(rule: &str, start: DateTime) -> Plan {
    Plan::new(&Rule::parse(rule).expect(rule), start, false).expect(rule)
}

fn first(rule: &str, start: DateTime, length: usize) -> Vec<DateTime> {
    let plan = plan(rule, start);
    let mut budget = Budget::default();
    let mut iter = Iter::new(&plan, None, &budget);
    let mut found = Vec::new();
    while let Some(at) = iter.next_civil(&mut budget).expect("within the budget") {
        found.push(at);
        if found.len() == length {
            break;
        }
    }
    found
}

fn days(rule: &str, start: (i16, i8, i8), length: usize) -> Vec<String> {
    let start = date(start.0, start.1, start.2).at(9, 0, 0, 0);
    first(rule, start, length).iter().map(|at| at.date().to_string()).collect()
}

#[test]
fn day_numbers_agree_with_jiff() {
    let mut day = date(1500, 1, 1);
    for _ in 0..300_000 {
        let number = day::number(day.year().into(), day.month().into(), day.day().into());
        assert_eq!(day::civil(number), (day.year().into(), day.month().into(), day.day().into()));
        assert_eq!(i8::try_from(day::weekday(number)).ok(), Some(day.weekday().to_monday_zero_offset()));
        assert_eq!(day::date_time(number * day::DAY).date(), day);
        day = day.tomorrow().expect("tomorrow");
    }
}

#[test]
fn rules_are_written_as_they_were_read() {
    for text in [
        "FREQ=YEARLY;COUNT=3;INTERVAL=2;BYDAY=-1SU,MO;BYMONTH=1,12",
        "FREQ=SECONDLY;UNTIL=20260101T000000Z;BYSECOND=0,59;BYMINUTE=1;BYHOUR=23",
        "FREQ=MONTHLY;UNTIL=20260101;BYDAY=MO,TU;BYMONTHDAY=-31,31;BYSETPOS=-1;WKST=SU",
        "RSCALE=GREGORIAN;SKIP=FORWARD;FREQ=YEARLY;BYYEARDAY=-366,366;BYWEEKNO=53",
    ] {
        assert_eq!(Rule::parse(text).expect(text).to_string(), text);
    }
    let odd = Rule::parse(" byday=mo ; freq=weekly;X-NAME=1;COUNT=-1; ").expect("odd but clear");
    assert_eq!(odd.to_string(), "FREQ=WEEKLY;BYDAY=MO");
}

#[test]
fn what_the_rfc_forbids_is_refused_with_its_part() {
    for (text, part) in [
        ("", "FREQ"),
        ("BYDAY=MO", "FREQ"),
        ("FREQ=FORTNIGHTLY", "RRULE FREQ"),
        ("FREQ=DAILY;FREQ=DAILY", "stands once"),
        ("FREQ=DAILY;COUNT=0", "RRULE COUNT"),
        ("FREQ=DAILY;COUNT=1;UNTIL=20260101", "COUNT and UNTIL"),
        ("FREQ=DAILY;INTERVAL=0", "RRULE INTERVAL"),
        ("FREQ=DAILY;INTERVAL=99999999999999999999", "RRULE INTERVAL"),
        ("FREQ=DAILY;UNTIL=20260230", "RRULE UNTIL"),
        ("FREQ=DAILY;BYHOUR=24", "RRULE BYHOUR"),
        ("FREQ=DAILY;BYMINUTE=60", "RRULE BYMINUTE"),
        ("FREQ=DAILY;BYSECOND=61", "RRULE BYSECOND"),
        ("FREQ=DAILY;BYMONTH=0", "RRULE BYMONTH"),
        ("FREQ=DAILY;BYMONTHDAY=32", "RRULE BYMONTHDAY"),
        ("FREQ=YEARLY;BYYEARDAY=0", "RRULE BYYEARDAY"),
        ("FREQ=YEARLY;BYWEEKNO=54", "RRULE BYWEEKNO"),
        ("FREQ=MONTHLY;BYDAY=54MO", "RRULE BYDAY"),
        ("FREQ=MONTHLY;BYDAY=1\u{20ac}", "RRULE BYDAY"),
        ("FREQ=WEEKLY;BYDAY=1MO", "BYDAY"),
        ("FREQ=YEARLY;BYWEEKNO=1;BYDAY=1MO", "BYWEEKNO"),
        ("FREQ=WEEKLY;BYMONTHDAY=1", "BYMONTHDAY"),
        ("FREQ=MONTHLY;BYYEARDAY=1", "BYYEARDAY"),
        ("FREQ=MONTHLY;BYWEEKNO=1", "BYWEEKNO"),
        ("FREQ=MONTHLY;BYSETPOS=1", "BYSETPOS"),
        ("FREQ=DAILY;WKST=XX", "RRULE WKST"),
        ("FREQ=DAILY;SKIP=OMIT", "RSCALE"),
        ("FREQ=DAILY;RSCALE=CHINESE", "RSCALE"),
        ("FREQ=DAILY;BYEASTER=1", "BYEASTER"),
    ] {
        let error = Rule::parse(text).expect_err(text).to_string();
        assert!(error.contains(part), "{text}: {error}");
    }
    let long = format!("FREQ=DAILY;BYHOUR={}", "1,".repeat(5000));
    assert!(Rule::parse(&long).is_err());
}

#[test]
fn a_day_is_not_repeated_within_itself() {
    let hourly = Rule::parse("FREQ=HOURLY").expect("rule");
    assert!(Plan::new(&hourly, date(2026, 1, 1).at(0, 0, 0, 0), true).is_err());
    // "These rule parts MUST be ignored" for a DATE (RFC 5545 3.3.10).
    let daily = Rule::parse("FREQ=DAILY;BYHOUR=5;COUNT=1").expect("rule");
    let plan = Plan::new(&daily, date(2026, 1, 1).at(0, 0, 0, 0), true).expect("plan");
    let mut budget = Budget::default();
    let found = Iter::new(&plan, None, &budget).next_civil(&mut budget).expect("within the budget");
    assert_eq!(found, Some(date(2026, 1, 1).at(0, 0, 0, 0)));
}

#[test]
fn days_that_do_not_exist_are_left_out_or_moved() {
    let start = (2027, 1, 31);
    let omitted = ["2027-01-31", "2027-03-31", "2027-05-31"];
    assert_eq!(days("FREQ=MONTHLY", start, 3), omitted);
    assert_eq!(days("FREQ=MONTHLY;RSCALE=GREGORIAN;SKIP=OMIT", start, 3), omitted);
    let backward = ["2027-01-31", "2027-02-28", "2027-03-31", "2027-04-30"];
    assert_eq!(days("FREQ=MONTHLY;RSCALE=GREGORIAN;SKIP=BACKWARD", start, 4), backward);
    let forward = ["2027-01-31", "2027-03-01", "2027-03-31", "2027-05-01"];
    assert_eq!(days("FREQ=MONTHLY;RSCALE=GREGORIAN;SKIP=FORWARD", start, 4), forward);
    let leap_day = (2024, 2, 29);
    assert_eq!(days("FREQ=YEARLY", leap_day, 3), ["2024-02-29", "2028-02-29", "2032-02-29"]);
    let moved = days("FREQ=YEARLY;RSCALE=GREGORIAN;SKIP=FORWARD", leap_day, 3);
    assert_eq!(moved, ["2024-02-29", "2025-03-01", "2026-03-01"]);
    // 2100 is no leap year.
    assert_eq!(days("FREQ=YEARLY", (2096, 2, 29), 2), ["2096-02-29", "2104-02-29"]);
}

#[test]
fn two_days_that_skip_makes_one_come_once() {
    let rule = "FREQ=MONTHLY;BYMONTHDAY=1,29,30,31;RSCALE=GREGORIAN;SKIP=FORWARD;COUNT=6";
    let expected = ["2027-01-29", "2027-01-30", "2027-01-31", "2027-02-01", "2027-03-01", "2027-03-29"];
    assert_eq!(days(rule, (2027, 1, 29), 99), expected);
}

#[test]
fn weeks_of_the_year_reach_over_its_ends() {
    let week_one = ["2026-12-31", "2027-01-07"];
    assert_eq!(days("FREQ=YEARLY;BYWEEKNO=53,1;BYDAY=TH", (2026, 12, 31), 2), week_one);
    // 2018-12-31 is the Monday of week 1 of 2019.
    assert_eq!(days("FREQ=YEARLY;BYWEEKNO=1;BYDAY=MO", (2018, 1, 1), 2), ["2018-01-01", "2018-12-31"]);
    assert_eq!(days("FREQ=YEARLY;BYWEEKNO=-1;BYDAY=SU", (2022, 1, 2), 2), ["2022-01-02", "2023-01-01"]);
    assert_eq!(days("FREQ=YEARLY;BYWEEKNO=20", (2026, 5, 13), 2), ["2026-05-13", "2027-05-19"]);
}

#[test]
fn count_counts_a_start_that_the_rule_does_not_make() {
    assert_eq!(days("FREQ=WEEKLY;BYDAY=MO;COUNT=3", (2026, 1, 1), 9), ["2026-01-05", "2026-01-12"]);
    assert_eq!(days("FREQ=WEEKLY;BYDAY=TH;COUNT=3", (2026, 1, 1), 9).len(), 3);
    assert_eq!(days("FREQ=WEEKLY;BYDAY=MO;COUNT=1", (2026, 1, 1), 9).len(), 0);
}

#[test]
fn rules_that_never_match_end_within_their_budget() {
    let start = date(2026, 1, 1).at(9, 0, 0, 0);
    for rule in [
        "FREQ=SECONDLY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=MINUTELY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=MONTHLY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=DAILY;INTERVAL=7;BYDAY=MO",
        "FREQ=HOURLY;INTERVAL=2;BYHOUR=2",
        "FREQ=SECONDLY;INTERVAL=60;BYSECOND=30",
        "FREQ=YEARLY;INTERVAL=1000000000;BYMONTHDAY=31;BYMONTH=2",
        "FREQ=SECONDLY;BYYEARDAY=366;BYMONTH=1",
        "FREQ=MONTHLY;BYDAY=MO;BYSETPOS=30",
    ] {
        let plan = plan(rule, start);
        let mut budget = Budget::default();
        let mut iter = Iter::new(&plan, None, &budget);
        assert_eq!(iter.next_civil(&mut budget).expect("ends by the last year"), None, "{rule}");
    }
    // One that is hard to see through ends by its budget.
    let plan = plan("FREQ=SECONDLY;INTERVAL=86401;BYHOUR=3;BYMINUTE=0;BYMONTH=2;BYMONTHDAY=30", start);
    let mut budget = Budget::new(1_000);
    assert!(Iter::new(&plan, None, &budget).next(&mut budget).is_err());
    assert_eq!(budget.left(), 0);
}

#[test]
fn a_far_range_costs_no_more_than_a_near_one() {
    let plan = plan("FREQ=DAILY", date(1990, 1, 1).at(9, 0, 0, 0));
    let mut budget = Budget::default();
    let mut iter = Iter::new(&plan, None, &budget);
    let from = day::seconds(date(2036, 1, 1).at(0, 0, 0, 0));
    iter.seek(from, &mut budget).expect("within the budget");
    assert_eq!(iter.next(&mut budget).expect("within the budget"), Some(from + 9 * 3600));
    assert!(Budget::default().left() - budget.left() < 5);
}

#[test]
fn a_far_range_of_a_counted_rule_is_counted_by_periods() {
    let plan = plan("FREQ=WEEKLY;BYDAY=MO,WE,FR;COUNT=9000", date(1990, 1, 1).at(9, 0, 0, 0));
    let mut budget = Budget::default();
    let mut iter = Iter::new(&plan, None, &budget);
    iter.seek(day::seconds(date(2040, 1, 1).at(0, 0, 0, 0)), &mut budget).expect("within the budget");
    assert_eq!(iter.next_civil(&mut budget).expect("in budget"), Some(date(2040, 1, 2).at(9, 0, 0, 0)));
    assert!(Budget::default().left() - budget.left() < 10);
}

/// Rules of every kind, most of which have instances.
fn any_rule() -> impl Strategy<Value = String> {
    let frequency =
        prop::sample::select(vec!["YEARLY", "MONTHLY", "WEEKLY", "DAILY", "HOURLY", "MINUTELY", "SECONDLY"]);
    let part = |texts: &'static [&'static str]| prop::sample::select(texts.to_vec());
    let slow = part(&[
        "",
        "",
        ";BYMONTHDAY=1,15,-1",
        ";BYDAY=MO,-1FR",
        ";BYDAY=TU",
        ";BYMONTHDAY=31",
        ";BYMONTHDAY=13;BYDAY=FR",
    ]);
    let fast = part(&["", "", ";BYDAY=MO,FR", ";BYDAY=SU"]);
    let shared = (
        part(&["", "", ";BYMONTH=2,9", ";BYMONTH=12"]),
        part(&["", "", ";BYHOUR=0,9,23", ";BYMINUTE=10,50;BYHOUR=4"]),
        part(&["", "", ";BYSETPOS=1", ";BYSETPOS=-1,1", ";BYSETPOS=-2"]),
        part(&["", "", ";COUNT=1", ";COUNT=40", ";COUNT=300"]),
        part(&["", ";WKST=SU"]),
        part(&["", "", "", ";RSCALE=GREGORIAN;SKIP=FORWARD", ";RSCALE=GREGORIAN;SKIP=BACKWARD"]),
    );
    (frequency, 1..9u32, slow, fast, shared).prop_map(|(frequency, interval, slow, fast, shared)| {
        let days = if matches!(frequency, "YEARLY" | "MONTHLY") { slow } else { fast };
        let (months, times, positions, count, week_start, skip) = shared;
        let positions = if format!("{days}{months}{times}").is_empty() { "" } else { positions };
        format!(
            "FREQ={frequency};INTERVAL={interval}{days}{months}{times}{positions}{count}{week_start}{skip}"
        )
    })
}

proptest! {
    /// Skipping ahead gives just what plain walking gives from there on.
    #[test]
    fn seeking_equals_walking(text in any_rule(), start in 0..20_000i64, time in 0..86_400i64, skip in 0..300usize, off in -100..100i64) {
        let start = day::date_time(start * day::DAY + time);
        let plan = plan(&text, start);
        let mut budget = Budget::new(3_000);
        let mut walked = Vec::new();
        let mut iter = Iter::new(&plan, None, &budget);
        while let Ok(Some(at)) = iter.next(&mut budget) {
            walked.push(at);
            if walked.len() == 330 {
                break;
            }
        }
        prop_assert!(walked.is_sorted_by(|a, b| a < b));
        let Some(from) = walked.get(skip.min(walked.len().saturating_sub(1))).map(|at| at + off) else { return Ok(()) };
        let mut budget = Budget::new(100_000);
        let mut iter = Iter::new(&plan, None, &budget);
        iter.seek(from, &mut budget).expect("within the budget");
        for expected in walked.iter().filter(|at| **at >= from) {
            prop_assert_eq!(iter.next(&mut budget).expect("within the budget"), Some(*expected), "{}", text);
        }
    }

    #[test]
    fn no_text_panics(text in "(FREQ=(YEARLY|SECONDLY|MONTHLY);)?([A-Z]{2,10}=[-0-9A-Z,]{0,12};){0,4}") {
        if let Ok(rule) = Rule::parse(&text) {
            let again = Rule::parse(&rule.to_string()).expect("what is written can be read");
            prop_assert_eq!(again, rule);
        }
    }
}
