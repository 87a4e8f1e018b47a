//! Tests of the values.
//! Run by cargo.

use jiff::civil::{date, datetime};

use super::*;

fn parse(value: &str) -> Result<DateValue> {
    DateValue::parse(value, None, None)
}

#[test]
fn every_form_of_a_date_is_told_apart() {
    let at = datetime(2026, 3, 29, 2, 30, 0, 0);
    assert_eq!(parse("20260329").unwrap(), DateValue::Date(date(2026, 3, 29)));
    assert_eq!(parse("20260329T023000").unwrap(), DateValue::Floating(at));
    assert_eq!(parse("20260329T023000Z").unwrap(), DateValue::Utc(at));
    let zoned = DateValue::parse("20260329T023000", Some("DATE-TIME"), Some("Europe/Berlin  ")).unwrap();
    assert_eq!(zoned, DateValue::Zoned { at, tzid: "Europe/Berlin".to_owned() });
    let utc = DateValue::parse("20260329T023000Z", None, Some("Europe/Berlin")).unwrap();
    assert_eq!(utc, DateValue::Utc(at), "a Z beats the parameter");
}

#[test]
fn a_date_is_written_as_it_was_read() {
    for (value, kind, tzid) in [
        ("00010203", Some("DATE"), None),
        ("20260329T023000", None, None),
        ("20260329T023000Z", None, None),
        ("20260329T023000", None, Some("Europe/Berlin")),
    ] {
        let read = DateValue::parse(value, kind, tzid).unwrap();
        let (written, params) = read.format();
        assert_eq!(written, value);
        let param = |name| params.iter().find(|(n, _)| *n == name).map(|(_, v)| v.as_str());
        assert_eq!((param("VALUE"), param("TZID")), (kind, tzid));
    }
}

#[test]
fn the_leap_second_is_the_second_before_it() {
    assert_eq!(parse("20161231T235960Z").unwrap(), DateValue::Utc(datetime(2016, 12, 31, 23, 59, 59, 0)));
}

#[test]
fn what_is_no_date_is_refused() {
    for value in [
        "",
        "2026",
        "20260230",
        "20261301",
        "2026-03-29",
        "20260329T240000",
        "20260329T236000",
        "20260329T235961",
        "20260329T2359",
        "20260329 235959",
        "+0260329",
        "2026032é",
        "20260329T02300é",
    ] {
        let error = parse(value).unwrap_err();
        assert!(error.to_string().contains("is not a date"), "{value}: {error}");
    }
    assert!(DateValue::parse("20260329T000000", Some("DATE"), None).is_err());
}

#[test]
fn order_is_told_only_where_no_zone_is_needed() {
    let zoned = |value, tzid| DateValue::parse(value, None, Some(tzid)).unwrap();
    let (early, late) = (zoned("20260101T100000", "A"), zoned("20260101T110000", "A"));
    assert_eq!(early.compare_as_written(&late), Some(std::cmp::Ordering::Less));
    assert_eq!(early.compare_as_written(&zoned("20260101T110000", "B")), None);
    assert_eq!(early.compare_as_written(&parse("20260101").unwrap()), None);
}

#[test]
fn durations_keep_days_apart_from_seconds() {
    let read = |value| parse_duration(value).unwrap();
    assert_eq!(
        read("P15DT5H0M20S"),
        DurationValue { negative: false, weeks: 0, days: 15, seconds: 5 * 3600 + 20 }
    );
    assert_eq!(read("-P7W"), DurationValue { negative: true, weeks: 7, ..DurationValue::default() });
    assert_eq!(read("+PT15M").seconds, 900);
    assert_eq!(read("-P1DT1S").signed_days(), -1);
    assert_eq!(read("-P1DT1S").signed_seconds(), -1);
    assert!(read("PT0S").is_zero() && read("-P0D").is_zero());
}

#[test]
fn durations_are_written_in_their_grammar() {
    for value in ["P15DT5H0M20S", "-P7W", "PT15M", "PT0S", "P1D", "-PT1H", "PT1H0M1S"] {
        assert_eq!(parse_duration(value).unwrap().to_string(), value);
    }
    assert_eq!(parse_duration("PT3600S").unwrap().to_string(), "PT1H");
    assert_eq!(parse_duration("P1W1D").unwrap().to_string(), "P8D");
}

#[test]
fn what_is_no_duration_is_refused() {
    for value in [
        "",
        "P",
        "PT",
        "P1",
        "1D",
        "P1DT",
        "P1H",
        "PT1D",
        "PT1S1M",
        "PT1M1M",
        "P-1D",
        "P1234567890D",
        "PTT1S",
    ] {
        assert!(parse_duration(value).is_err(), "{value}");
    }
}

#[test]
fn periods_end_at_a_time_or_after_a_duration() {
    let period = parse_period("19970101T180000Z/PT5H30M", None).unwrap();
    assert!(matches!(period.end, PeriodEnd::For(d) if d.seconds == 19_800));
    let period = parse_period("19970101T180000/19970102T070000", Some("X")).unwrap();
    assert!(matches!(period.end, PeriodEnd::At(DateValue::Zoned { .. })));
    for value in ["", "/", "19970101T180000Z", "19970101/P1D", "19970101T180000Z/", "x/PT1H"] {
        assert!(parse_period(value, None).is_err(), "{value}");
    }
}

#[test]
fn offsets_are_seconds_east_of_utc() {
    assert_eq!(parse_utc_offset("+0530").unwrap(), 19_800);
    assert_eq!(parse_utc_offset("-045602").unwrap(), -(4 * 3600 + 56 * 60 + 2));
    assert_eq!(parse_utc_offset("-0000").unwrap(), 0);
    for value in ["+0530", "-045602", "+0000", "-0100"] {
        assert_eq!(format_utc_offset(parse_utc_offset(value).unwrap()), value);
    }
    for value in ["", "+", "0530", "+053", "+05300", "+2400", "+0060", "+05:30", "+0530x1"] {
        assert!(parse_utc_offset(value).is_err(), "{value}");
    }
}

#[test]
fn text_is_escaped_and_read_back() {
    let text = "a,b;c\\d\nnext \"q\": ü";
    assert_eq!(escape_text(text), "a\\,b\\;c\\\\d\\nnext \"q\": ü");
    assert_eq!(unescape_text(&escape_text(text)), text);
    assert_eq!(unescape_text("C:\\temp\\N\\"), "C:\\temp\n\\");
    assert_eq!(escape_text("a\r\nb\rc\u{0}\u{7f}d"), "a\\nb\\ncd");
    assert!(matches!(unescape_text("plain"), std::borrow::Cow::Borrowed("plain")));
}

#[test]
fn lists_split_where_no_backslash_stands() {
    assert_eq!(text_list("a\\,b, c ,,d\\\\,e"), ["a,b", "c", "d\\", "e"]);
    assert_eq!(
        structured("Doe;Jane;A,B;;Dr\\;x"),
        [vec!["Doe"], vec!["Jane"], vec!["A", "B"], vec![], vec!["Dr;x"]]
    );
    assert_eq!(split_unescaped("", ';').collect::<Vec<_>>(), [""]);
    assert_eq!(split_unescaped("a;", ';').collect::<Vec<_>>(), ["a", ""]);
}
