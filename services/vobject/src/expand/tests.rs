//! Tests of expansion: sets, exceptions, overrides, ranges, summer time, tasks, bounds, work.
//! Run by `cargo nextest run -p kontor-vobject`; comparison with other programs is in tests/oracle.

use super::*;
use crate::limits::Limits;
use crate::tree::Document;

/// A calendar of components, each given as its lines; the component's name comes first.
fn calendar(components: &[&[&str]]) -> String {
    let mut text = String::from("BEGIN:VCALENDAR\r\n");
    for lines in components {
        let (name, lines) = lines.split_first().expect("a name");
        text += &format!("BEGIN:{name}\r\nUID:u\r\n");
        lines.iter().for_each(|line| text += &format!("{line}\r\n"));
        text += &format!("END:{name}\r\n");
    }
    text + "END:VCALENDAR\r\n"
}

fn series(components: &[&[&str]]) -> Series {
    let text = calendar(components);
    let document = Document::parse(text.as_bytes(), &Limits::default()).expect("calendar");
    Series::of(&document, Zone::iana("Europe/Berlin").expect("Berlin")).expect(&text)
}

fn at(text: &str) -> Timestamp {
    let text = if text.len() == 10 { format!("{text}T00:00Z") } else { format!("{text}Z") };
    text.parse().expect(&text)
}

/// Starts and ends as `06-01T09:00/10:30`, in UTC.
fn shown(series: &Series, from: &str, to: &str) -> Vec<String> {
    let found = series.occurrences(at(from), at(to), &mut Budget::default()).expect("within the budget");
    found.iter().map(|o| format!("{}/{}", o.start.strftime("%m-%dT%H:%M"), o.end.strftime("%H:%M"))).collect()
}

#[test]
fn an_event_at_the_ends_of_the_range_is_out() {
    let event = series(&[&["VEVENT", "DTSTART:20260601T090000Z", "DTEND:20260601T100000Z"]]);
    let any = |from: &str, to: &str| !shown(&event, from, to).is_empty();
    assert!(!any("2026-06-01T08:00", "2026-06-01T09:00"));
    assert!(any("2026-06-01T08:00", "2026-06-01T09:01"));
    assert!(any("2026-06-01T09:59", "2026-06-01T12:00"));
    assert!(!any("2026-06-01T10:00", "2026-06-01T12:00"));
    assert!(any("2026-06-01T09:20", "2026-06-01T09:30"));
}

#[test]
fn an_event_without_length_is_in_at_the_start_of_the_range() {
    let event = series(&[&["VEVENT", "DTSTART:20260601T090000Z"]]);
    assert_eq!(shown(&event, "2026-06-01T09:00", "2026-06-01T10:00"), ["06-01T09:00/09:00"]);
    assert!(shown(&event, "2026-06-01T08:00", "2026-06-01T09:00").is_empty());
}

#[test]
fn days_are_days_of_the_users_zone() {
    let event = series(&[&["VEVENT", "DTSTART;VALUE=DATE:20260328", "DTEND;VALUE=DATE:20260331"]]);
    let found =
        event.occurrences(at("2026-03-01"), at("2026-04-01"), &mut Budget::default()).expect("in budget");
    let [day] = &found[..] else { panic!("{found:?}") };
    // Berlin's clock goes forward on the 29th, so the three days have 71 hours.
    assert_eq!((day.start, day.end), (at("2026-03-27T23:00"), at("2026-03-30T22:00")));
    let (first, after) = day.days.expect("whole days");
    assert_eq!((first.to_string(), after.to_string()), ("2026-03-28".to_owned(), "2026-03-31".to_owned()));
    assert!(day.is_all_day() && day.recurrence_id.is_none());
}

#[test]
fn dtend_is_exact_and_duration_nominal_over_summer_time() {
    let zoned = "DTSTART;TZID=Europe/Berlin:20260327T120000";
    let exact =
        series(&[&["VEVENT", zoned, "DTEND;TZID=Europe/Berlin:20260328T120000", "RRULE:FREQ=DAILY;COUNT=2"]]);
    assert_eq!(shown(&exact, "2026-03-01", "2026-04-01"), ["03-27T11:00/11:00", "03-28T11:00/11:00"]);
    let nominal = series(&[&["VEVENT", zoned, "DURATION:P1D", "RRULE:FREQ=DAILY;COUNT=2"]]);
    assert_eq!(shown(&nominal, "2026-03-01", "2026-04-01"), ["03-27T11:00/11:00", "03-28T11:00/10:00"]);
}

#[test]
fn times_in_a_gap_and_in_an_overlap_are_those_of_the_rfc() {
    let gap =
        series(&[&["VEVENT", "DTSTART;TZID=America/New_York:20070310T023000", "RRULE:FREQ=DAILY;COUNT=3"]]);
    let expected = ["03-10T07:30/07:30", "03-11T07:30/07:30", "03-12T06:30/06:30"];
    assert_eq!(shown(&gap, "2007-03-01", "2007-04-01"), expected);
    let overlap = series(&[&["VEVENT", "DTSTART;TZID=America/New_York:20071104T013000"]]);
    assert_eq!(shown(&overlap, "2007-11-01", "2007-12-01"), ["11-04T05:30/05:30"]);
}

#[test]
fn sets_join_rules_dates_and_exceptions() {
    let set = series(&[&[
        "VEVENT",
        "DTSTART;TZID=Europe/Berlin:20260601T100000",
        "DTEND;TZID=Europe/Berlin:20260601T110000",
        "RRULE:FREQ=DAILY;COUNT=3",
        "RRULE:FREQ=WEEKLY;COUNT=2",
        "RDATE:20260620T080000Z,20260602T080000Z",
        "RDATE;VALUE=PERIOD:20260621T080000Z/PT3H,20260622T080000Z/20260622T120000Z",
        "EXDATE:20260603T080000Z",
        "EXDATE;TZID=Europe/Berlin:20260608T100000",
        "RRULE:",
    ]]);
    let expected = [
        "06-01T08:00/09:00",
        "06-02T08:00/09:00",
        "06-20T08:00/09:00",
        "06-21T08:00/11:00",
        "06-22T08:00/12:00",
    ];
    assert_eq!(shown(&set, "2026-06-01", "2026-07-01"), expected);
}

#[test]
fn an_exception_without_time_takes_the_whole_day() {
    let set = series(&[&[
        "VEVENT",
        "DTSTART;TZID=America/New_York:20260601T220000",
        "RRULE:FREQ=DAILY;COUNT=3",
        "EXDATE;VALUE=DATE:20260602",
    ]]);
    assert_eq!(shown(&set, "2026-06-01", "2026-07-01"), ["06-02T02:00/02:00", "06-04T02:00/02:00"]);
}

#[test]
fn until_is_a_day_or_an_instant() {
    let berlin = "DTSTART;TZID=Europe/Berlin:20260601T100000";
    for (until, count) in
        [("20260603", 3), ("20260603T080000Z", 3), ("20260603T075959Z", 2), ("20260603T100000", 3)]
    {
        let set = series(&[&["VEVENT", berlin, &format!("RRULE:FREQ=DAILY;UNTIL={until}")]]);
        assert_eq!(shown(&set, "2026-06-01", "2026-07-01").len(), count, "{until}");
    }
    let days =
        series(&[&["VEVENT", "DTSTART;VALUE=DATE:20260601", "RRULE:FREQ=DAILY;UNTIL=20260603T100000Z"]]);
    assert_eq!(shown(&days, "2026-06-01", "2026-07-01").len(), 3);
}

#[test]
fn the_start_is_an_instance_even_if_the_rule_says_otherwise() {
    let set = series(&[&["VEVENT", "DTSTART:20260601T090000Z", "RRULE:FREQ=WEEKLY;BYDAY=TU;COUNT=2"]]);
    assert_eq!(shown(&set, "2026-06-01", "2026-07-01"), ["06-01T09:00/09:00", "06-02T09:00/09:00"]);
}

const WEEKLY: &[&str] = &[
    "VEVENT",
    "DTSTART;TZID=Europe/Berlin:20260601T100000",
    "DURATION:PT1H",
    "RRULE:FREQ=WEEKLY",
    "SEQUENCE:7",
];

#[test]
fn an_override_moves_out_of_and_into_a_range() {
    let set = series(&[
        WEEKLY,
        &["VEVENT", "RECURRENCE-ID:20260608T080000Z", "DTSTART:20260818T120000Z", "DTEND:20260818T130000Z"],
    ]);
    assert_eq!(shown(&set, "2026-06-08", "2026-06-16"), ["06-15T08:00/09:00"]);
    assert_eq!(shown(&set, "2026-08-18", "2026-08-19"), ["08-18T12:00/13:00"]);
    let found =
        set.occurrences(at("2026-08-18"), at("2026-08-19"), &mut Budget::default()).expect("in budget");
    assert_eq!(found[0].recurrence_id, Some(at("2026-06-08T08:00")));
}

#[test]
fn the_newest_of_two_overrides_holds() {
    let old: &[&str] =
        &["VEVENT", "RECURRENCE-ID:20260608T080000Z", "SEQUENCE:1", "DTSTART:20260608T100000Z"];
    let new: &[&str] =
        &["VEVENT", "RECURRENCE-ID:20260608T080000Z", "SEQUENCE:2", "DTSTART:20260608T200000Z"];
    for order in [[WEEKLY, old, new], [new, old, WEEKLY]] {
        assert_eq!(shown(&series(&order), "2026-06-08", "2026-06-09"), ["06-08T20:00/20:00"]);
    }
}

#[test]
fn this_and_future_moves_all_later_ones_on_the_wall() {
    let set = series(&[
        &["VEVENT", "DTSTART;TZID=Europe/Berlin:20261005T100000", "DURATION:PT1H", "RRULE:FREQ=WEEKLY"],
        &[
            "VEVENT",
            "RECURRENCE-ID;RANGE=THISANDFUTURE;TZID=Europe/Berlin:20261019T100000",
            "DTSTART;TZID=Europe/Berlin:20261020T123000",
            "DTEND;TZID=Europe/Berlin:20261020T140000",
        ],
        &["VEVENT", "RECURRENCE-ID;TZID=Europe/Berlin:20261102T100000", "DTSTART:20261103T060000Z"],
    ]);
    let expected = [
        "10-05T08:00/09:00",
        "10-12T08:00/09:00",
        "10-20T10:30/12:00",
        "10-27T11:30/13:00",
        "11-03T06:00/06:00",
        "11-10T11:30/13:00",
    ];
    assert_eq!(shown(&set, "2026-10-01", "2026-11-12"), expected);
    // The last one, asked for alone: its place in the set lies outside of the range.
    assert_eq!(shown(&set, "2026-11-10", "2026-11-11"), ["11-10T11:30/13:00"]);
}

#[test]
fn overrides_without_a_master_are_all_there_is() {
    let set = series(&[
        &["VEVENT", "RECURRENCE-ID:20260608T080000Z", "DTSTART:20260608T100000Z"],
        &["VEVENT", "RECURRENCE-ID:20260615T080000Z", "DTSTART:20260615T100000Z"],
    ]);
    assert_eq!(shown(&set, "2026-06-01", "2026-07-01"), ["06-08T10:00/10:00", "06-15T10:00/10:00"]);
    let bounds = set.bounds(&mut Budget::default());
    assert_eq!((bounds.first, bounds.last), (at("2026-06-08T10:00"), Some(at("2026-06-15T10:00"))));
}

#[test]
fn a_recurrence_id_without_time_names_the_day() {
    let set = series(&[WEEKLY, &["VEVENT", "RECURRENCE-ID;VALUE=DATE:20260608", "DTSTART:20260609T100000Z"]]);
    assert_eq!(shown(&set, "2026-06-07", "2026-06-14"), ["06-09T10:00/10:00"]);
    let days = series(&[
        &["VEVENT", "DTSTART;VALUE=DATE:20260601", "RRULE:FREQ=DAILY;COUNT=2"],
        &["VEVENT", "RECURRENCE-ID:20260602T000000", "DTSTART;VALUE=DATE:20260610"],
    ]);
    assert_eq!(shown(&days, "2026-05-01", "2026-07-01"), ["05-31T22:00/22:00", "06-09T22:00/22:00"]);
}

#[test]
fn an_unknown_zone_is_that_of_the_user() {
    let set = series(&[&["VEVENT", "DTSTART;TZID=Nowhere:20260601T100000"]]);
    assert!(set.has_unknown_zone());
    assert_eq!(shown(&set, "2026-06-01", "2026-06-02"), ["06-01T08:00/08:00"]);
    assert!(!series(&[WEEKLY]).has_unknown_zone());
}

#[test]
fn tasks_overlap_as_rfc_4791_says() {
    let overlaps = |lines: &[&str], from: &str, to: &str| {
        let lines: Vec<&str> = ["VTODO"].iter().chain(lines).copied().collect();
        series(&[&lines]).overlaps(at(from), at(to), &mut Budget::default()).expect("within the budget")
    };
    let due: &[&str] = &["DUE:20260610T120000Z"];
    assert!(overlaps(due, "2026-06-10T11:00", "2026-06-10T12:00"));
    assert!(!overlaps(due, "2026-06-10T12:00", "2026-06-10T13:00"));
    let both: &[&str] = &["DTSTART:20260610T100000Z", "DUE:20260610T120000Z"];
    assert!(overlaps(both, "2026-06-10T11:00", "2026-06-10T11:30"));
    assert!(!overlaps(both, "2026-06-10T12:00", "2026-06-10T13:00"));
    let lasting: &[&str] = &["DTSTART:20260610T100000Z", "DURATION:PT2H"];
    assert!(overlaps(lasting, "2026-06-10T12:00", "2026-06-10T13:00"));
    let start: &[&str] = &["DTSTART:20260610T100000Z"];
    assert!(overlaps(start, "2026-06-10T10:00", "2026-06-10T11:00"));
    assert!(!overlaps(start, "2026-06-10T10:01", "2026-06-10T11:00"));
    assert!(overlaps(&[], "2026-06-10", "2026-06-11"));
    assert!(!overlaps(&["CREATED:20260610T100000Z"], "2026-06-01", "2026-06-10"));
    assert!(overlaps(&["CREATED:20260610T100000Z"], "2027-06-01", "2027-06-10"));
    let done: &[&str] = &["CREATED:20260610T100000Z", "COMPLETED:20260612T100000Z"];
    assert!(overlaps(done, "2026-06-11", "2026-06-12"));
    assert!(!overlaps(done, "2026-06-13", "2026-06-14"));
}

#[test]
fn bounds_hold_the_whole_set() {
    let bounds = |components: &[&[&str]]| series(components).bounds(&mut Budget::default());
    assert_eq!(bounds(&[WEEKLY]).last, None);
    for rule in ["FREQ=DAILY;COUNT=5", "FREQ=DAILY;UNTIL=20260605T080000Z", "FREQ=DAILY;UNTIL=20260605"] {
        let rule = format!("RRULE:{rule}");
        let bounds = bounds(&[&["VEVENT", "DTSTART:20260601T080000Z", "DTEND:20260601T090000Z", &rule]]);
        let last = bounds.last.expect("an end");
        assert!(bounds.first <= at("2026-06-01T08:00") && bounds.first > at("2026-05-31"), "{bounds:?}");
        assert!(last >= at("2026-06-05T09:00") && last < at("2026-06-06T12:00"), "{bounds:?}");
    }
    assert_eq!(bounds(&[&["VTODO", "SUMMARY:x"]]), Bounds { first: Timestamp::MIN, last: None });
}

#[test]
fn broken_values_are_told_with_their_line() {
    for lines in [
        &["VEVENT", "SUMMARY:no start"][..],
        &["VEVENT", "DTSTART:20260601T080000Z", "RRULE:FREQ=OFTEN"],
        &["VEVENT", "DTSTART:2026"],
        &["VEVENT", "DTSTART:20260601T080000Z", "EXDATE:never"],
        &["VEVENT", "DTSTART:20260601T080000Z", "RDATE:x/y"],
        &["VEVENT", "DTSTART:20260601T080000Z", "DURATION:long"],
    ] {
        let text = calendar(&[lines]);
        let document = Document::parse(text.as_bytes(), &Limits::default()).expect("calendar");
        let error = Series::of(&document, Zone::UTC).expect_err(&text);
        assert!(error.line > 0, "{error}");
    }
}

#[test]
fn work_is_bounded() {
    let seconds = series(&[&["VEVENT", "DTSTART:19900101T000000Z", "RRULE:FREQ=SECONDLY"]]);
    let mut budget = Budget::default();
    assert!(seconds.occurrences(at("2026-01-01"), at("2027-01-01"), &mut budget).is_err());
    assert_eq!(shown(&seconds, "2026-01-01T00:00:00", "2026-01-01T00:00:05").len(), 5);
    let mut budget = Budget::default();
    let weekly = series(&[WEEKLY]);
    assert_eq!(
        weekly.occurrences(at("2046-06-01"), at("2046-07-01"), &mut budget).expect("in budget").len(),
        4
    );
    assert!(Budget::default().left() - budget.left() < 20);
}

#[test]
fn many_overrides_and_dates_take_linear_time() {
    let mut text = String::from(
        "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nUID:u\r\nDTSTART:20000101T000000Z\r\nRRULE:FREQ=HOURLY\r\n",
    );
    for index in 0..15_000 {
        let at = day::date_time(946_684_800 + index * 7200).strftime("%Y%m%dT%H%M%S").to_string();
        text += &format!("EXDATE:{at}Z\r\n");
    }
    text += "END:VEVENT\r\n";
    for index in 0..15_000 {
        let at = day::date_time(946_688_400 + index * 7200).strftime("%Y%m%dT%H%M%S").to_string();
        text += &format!("BEGIN:VEVENT\r\nUID:u\r\nRECURRENCE-ID:{at}Z\r\nDTSTART:{at}Z\r\nEND:VEVENT\r\n");
    }
    text += "END:VCALENDAR\r\n";
    let document = Document::parse(text.as_bytes(), &Limits::default()).expect("calendar");
    let begun = std::time::Instant::now();
    let set = Series::of(&document, Zone::UTC).expect("series");
    assert_eq!(shown(&set, "2000-01-01", "2000-02-01").len(), 31 * 12);
    // A generous bound for slow machines; in quadratic time this took minutes.
    assert!(begun.elapsed().as_secs() < 10);
}
