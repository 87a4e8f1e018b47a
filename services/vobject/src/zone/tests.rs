//! Tests of zones: names, a zone's own rules, gaps and overlaps, and the VTIMEZONEs that we write.
//! Run by `cargo nextest run -p kontor-vobject`.

use jiff::civil::date;

use super::windows::ZONES;
use super::*;
use crate::limits::Limits;
use crate::tree::Document;

fn name(tzid: &str) -> Option<String> {
    Zone::named(tzid).and_then(|zone| zone.iana_name().map(str::to_owned))
}

#[test]
fn every_windows_name_has_its_zone() {
    assert!(ZONES.len() > 140);
    for (windows, iana, places) in ZONES {
        assert_eq!(name(windows).as_deref(), Zone::iana(iana).expect(iana).iana_name(), "{windows}");
        assert!(!places.is_empty());
        assert_eq!(ZONES.iter().filter(|row| row.0 == *windows).count(), 1, "{windows}");
    }
    assert_eq!(name("w. europe standard time").as_deref(), Some("Europe/Berlin"));
    assert_eq!(name("W. Europe Daylight Time").as_deref(), Some("Europe/Berlin"));
}

#[test]
fn what_outlook_shows_names_a_zone() {
    for (text, iana) in [
        ("(UTC+01:00) Amsterdam, Berlin, Bern, Rome, Stockholm, Vienna", "Europe/Berlin"),
        ("(GMT+01.00) Amsterdam / Berlin / Bern / Rome / Stockholm / Vienna", "Europe/Berlin"),
        ("(UTC-05:00) Eastern Time (US & Canada)", "America/New_York"),
        ("(GMT -05:00) Eastern Time (US and Canada)", ""),
        ("(UTC) Dublin, Edinburgh, Lisbon, London", "Europe/London"),
        ("(UTC+05:30) Chennai, Kolkata, Mumbai, New Delhi", "Asia/Kolkata"),
    ] {
        if iana.is_empty() {
            assert!(matches!(Zone::named(text), Some(Zone::Fixed(-18_000))), "{text}");
        } else {
            assert_eq!(name(text).as_deref(), Some(iana), "{text}");
        }
    }
}

#[test]
fn prefixes_spaces_and_case_do_not_matter() {
    for (text, iana) in [
        ("/freeassociation.sourceforge.net/Tzfile/Europe/Berlin", "Europe/Berlin"),
        ("/citadel.org/20210210_1/Europe/Berlin", "Europe/Berlin"),
        ("/mozilla.org/20050126_1/America/Argentina/Buenos_Aires", "America/Argentina/Buenos_Aires"),
        (" Europe/Berlin ", "Europe/Berlin"),
        ("\"Europe/Berlin\"", "Europe/Berlin"),
        ("europe/berlin", "Europe/Berlin"),
        ("tzone://Microsoft/Utc", "UTC"),
        ("Etc/UTC", "UTC"),
        ("UTC", "UTC"),
    ] {
        assert_eq!(name(text).as_deref(), Some(iana), "{text}");
    }
    for text in
        ["", "Mars/Olympus", "Customized Time Zone", "tzone://Microsoft/Custom", "//", "\u{20ac}\u{20ac}"]
    {
        assert!(Zone::named(text).is_none(), "{text}");
    }
    assert!(Zone::named(&"Europe/".repeat(100_000)).is_none());
}

#[test]
fn offsets_are_zones_too() {
    for (text, seconds) in [
        ("UTC+01:00", 3600),
        ("GMT-0330", -12_600),
        ("+05:30", 19_800),
        ("UTC+2", 7200),
        ("(GMT+01:00) X", 3600),
    ] {
        assert!(matches!(Zone::named(text), Some(Zone::Fixed(found)) if found == seconds), "{text}");
    }
    for text in ["UTC+99:00", "UTC+1x", "+", "GMT+01:75"] {
        assert!(Zone::named(text).is_none(), "{text}");
    }
}

const DESCRIBED: &str = "BEGIN:VCALENDAR
BEGIN:VTIMEZONE
TZID:Our own
BEGIN:DAYLIGHT
TZOFFSETFROM:+0100
TZOFFSETTO:+0200
DTSTART:19810329T020000
RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU
END:DAYLIGHT
BEGIN:STANDARD
TZOFFSETFROM:+0200
TZOFFSETTO:+0100
DTSTART:19961027T030000
RRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU
END:STANDARD
END:VTIMEZONE
BEGIN:VTIMEZONE
TZID:Hinted
X-LIC-LOCATION:America/New_York
END:VTIMEZONE
BEGIN:VTIMEZONE
TZID:Europe/Paris
BEGIN:STANDARD
TZOFFSETFROM:+0000
TZOFFSETTO:+0000
DTSTART:19700101T000000
END:STANDARD
END:VTIMEZONE
BEGIN:VTIMEZONE
TZID:Broken
BEGIN:STANDARD
TZOFFSETFROM:soon
TZOFFSETTO:+0000
DTSTART:19700101T000000
END:STANDARD
END:VTIMEZONE
BEGIN:VTIMEZONE
TZID:Endless work
BEGIN:STANDARD
TZOFFSETFROM:+0100
TZOFFSETTO:+0000
DTSTART:19700101T000000
RRULE:FREQ=SECONDLY;INTERVAL=86401;BYHOUR=3;BYMINUTE=0;BYMONTHDAY=30;BYMONTH=2
END:STANDARD
END:VTIMEZONE
END:VCALENDAR
";

#[test]
fn a_zone_of_its_own_follows_its_rules() {
    let document = Document::parse(DESCRIBED.as_bytes(), &Limits::default()).expect("calendar");
    let mut zones = Zones::of(&document, Zone::UTC);
    let resolved = zones.resolve("Our own");
    assert!(!resolved.unknown && matches!(resolved.zone, Zone::Own(_)));
    let berlin = Zone::iana("Europe/Berlin").expect("Berlin");
    for (from, to) in [(1997, 1999), (2038, 2040)] {
        let mut wall = day::seconds(date(from, 1, 1).at(0, 0, 0, 0));
        while wall < day::seconds(date(to, 1, 1).at(0, 0, 0, 0)) {
            assert_eq!(resolved.zone.to_utc(wall), berlin.to_utc(wall), "{}", day::date_time(wall));
            assert_eq!(resolved.zone.to_wall(wall), berlin.to_wall(wall), "{}", day::date_time(wall));
            wall += 1800;
        }
    }
}

#[test]
fn known_names_go_before_the_objects_own_rules() {
    let document = Document::parse(DESCRIBED.as_bytes(), &Limits::default()).expect("calendar");
    let mut zones = Zones::of(&document, Zone::iana("Asia/Tokyo").expect("Tokyo"));
    assert_eq!(zones.resolve("Europe/Paris").zone.iana_name(), Some("Europe/Paris"));
    assert_eq!(zones.resolve("Hinted").zone.iana_name(), Some("America/New_York"));
    assert!(!zones.met_unknown());
    for unknown in ["Nowhere", "Broken"] {
        let resolved = zones.resolve(unknown);
        assert!(resolved.unknown, "{unknown}");
        assert_eq!(resolved.zone.iana_name(), Some("Asia/Tokyo"));
    }
    assert!(zones.met_unknown());
    // Its rule never matches; the search ends in 2150, and what remains is its DTSTART.
    let sparse = zones.resolve("Endless work");
    assert!(!sparse.unknown);
    assert_eq!((sparse.zone.offset_at(-7200), sparse.zone.offset_at(0)), (3600, 0));
}

#[test]
fn gaps_and_overlaps_take_the_offset_before_the_change() {
    let new_york = Zone::iana("America/New_York").expect("New York");
    // RFC 5545 3.3.5 has these two: 01:30 EDT and, for 02:30, 03:30 EDT.
    let overlap = new_york.instant(date(2007, 11, 4).at(1, 30, 0, 0));
    assert_eq!(overlap.to_string(), "2007-11-04T05:30:00Z");
    let gap = new_york.instant(date(2007, 3, 11).at(2, 30, 0, 0));
    assert_eq!(gap.to_string(), "2007-03-11T07:30:00Z");
}

#[test]
fn a_vtimezone_that_we_write_means_the_zone() {
    for tzid in [
        "Europe/Berlin",
        "Europe/Dublin",
        "America/New_York",
        "America/St_Johns",
        "Australia/Lord_Howe",
        "Australia/Sydney",
        "Asia/Kolkata",
        "Africa/Casablanca",
        "Asia/Gaza",
        "America/Sao_Paulo",
        "Asia/Jerusalem",
        "Pacific/Apia",
        "Europe/Moscow",
        "America/Nuuk",
        "Asia/Tehran",
        "UTC",
        "America/Santiago",
    ] {
        for year in [1999, 2012, 2026] {
            let text = vtimezone_for(tzid, year).expect(tzid).replace(&format!("TZID:{tzid}"), "TZID:mine");
            assert!(text.lines().count() < 300, "{text}");
            let text = format!("BEGIN:VCALENDAR\r\n{text}END:VCALENDAR\r\n");
            let document = Document::parse(text.as_bytes(), &Limits::default()).expect("calendar");
            let mine = Zones::of(&document, Zone::UTC).resolve("mine");
            assert!(!mine.unknown, "{text}");
            let zone = Zone::iana(tzid).expect(tzid);
            let mut at = day::seconds(date(year - 5, 1, 2).at(0, 0, 0, 0));
            while at < day::seconds(date(year + 12, 12, 30).at(0, 0, 0, 0)) {
                assert_eq!(
                    mine.zone.offset_at(at),
                    zone.offset_at(at),
                    "{tzid} {} {text}",
                    day::date_time(at)
                );
                at += 6 * 3600 + 1;
            }
        }
    }
    assert!(vtimezone_for("Mars/Olympus", 2026).is_none());
    let berlin = vtimezone_for("Europe/Berlin", 2026).expect("Berlin");
    assert!(berlin.contains("RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU\r\n"), "{berlin}");
    assert!(berlin.lines().count() < 30, "{berlin}");
}
