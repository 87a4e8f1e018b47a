//! What must hold for objects of outsiders that reports and free/busy work on: instances, limited sets, working hours, time zones, cards.
//! The fuzz targets include this file too. Called by the corpus test and `fuzz/fuzz_targets`.

use jiff::Timestamp;
use kontor_vobject::availability::Availability;
use kontor_vobject::card::{self, Card, Version};
use kontor_vobject::expand::{Allowance, Series, Span, expanded, limited, limited_free_busy};
use kontor_vobject::free_busy::{self, Period};
use kontor_vobject::recur::Budget;
use kontor_vobject::zone::{Zone, Zones};
use kontor_vobject::{Document, Limits};

const DAY: i64 = 86_400;
/// 2026-01-01T00:00:00Z
const YEAR_2026: i64 = 1_767_225_600;

/// A year, a day with a change of the clock, and all of time.
fn spans() -> [Span; 3] {
    [
        Span { from: YEAR_2026, to: YEAR_2026 + 365 * DAY },
        Span { from: YEAR_2026 + 87 * DAY, to: YEAR_2026 + 88 * DAY },
        Span { from: Timestamp::MIN.as_second(), to: Timestamp::MAX.as_second() },
    ]
}

fn zones() -> [Zone; 2] {
    [Zone::UTC, Zone::iana("Europe/Brussels").expect("Brussels is a zone")]
}

fn any_size() -> Limits {
    Limits { bytes: usize::MAX, lines: usize::MAX, ..Limits::default() }
}

/// Forms of calendar data that a report can ask for (RFC 4791 section 9.6).
pub fn check_expand(bytes: &[u8]) {
    for (span, zone) in spans().into_iter().zip(zones().into_iter().cycle()) {
        let all = instances(bytes, span, &zone);
        if let Some(all) = &all {
            let read = Document::parse(all, &any_size()).expect("instances can be read");
            for component in read.root().components().filter(|component| !component.is("VFREEBUSY")) {
                assert!(!component.is("VTIMEZONE"), "times are in UTC");
                for rule in ["RRULE", "RDATE", "EXRULE", "EXDATE"] {
                    assert!(component.property(rule).is_none(), "{rule} in {}", String::from_utf8_lossy(all));
                }
                for time in ["DTSTART", "DTEND", "DUE", "RECURRENCE-ID"] {
                    let zoned = component.property(time).is_some_and(|time| time.param("TZID").is_some());
                    assert!(!zoned, "{time} in {}", String::from_utf8_lossy(all));
                }
            }
        }
        if let Ok(Some(fewer)) = limited(bytes, span, &zone) {
            assert!(fewer.len() < bytes.len());
            Document::parse(&fewer, &Limits::default()).expect("a limited set can be read");
            assert_eq!(limited(&fewer, span, &zone).ok().flatten(), None, "it is limited already");
        }
        if let Ok(Some(fewer)) = limited_free_busy(bytes, span, &zone) {
            Document::parse(&fewer, &Limits::default()).expect("limited free-busy can be read");
            assert_eq!(limited_free_busy(&fewer, span, &zone).ok().flatten(), None, "it is limited already");
        }
        check_overlaps(bytes, span, &zone);
    }
}

fn instances(bytes: &[u8], span: Span, zone: &Zone) -> Option<Vec<u8>> {
    expanded(bytes, span, zone, &mut Allowance::new(300, 1024 * 1024, 50_000)).ok()
}

/// What is asked in three ways has one answer.
fn check_overlaps(bytes: &[u8], span: Span, zone: &Zone) {
    let Ok(document) = Document::parse(bytes, &Limits::default()) else { return };
    let (from, to) = (instant(span.from), instant(span.to));
    for (_, series) in Series::all(&document, zone.clone()).into_iter().take(20) {
        let Ok(series) = series else { continue };
        let budget = || Budget::new(50_000);
        let bounds = series.bounds(&mut budget());
        let Ok(found) = series.occurrences(from, to, &mut budget()) else { continue };
        if let Ok(overlaps) = series.overlaps(from, to, &mut budget()) {
            assert!(overlaps || found.is_empty(), "{found:?} do not overlap");
        }
        for occurrence in &found {
            assert!(occurrence.start <= occurrence.end, "{occurrence:?}");
        }
        // Bounds decide what a query looks at.
        let _ = bounds;
    }
}

fn instant(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).expect("a time that can be")
}

/// Working hours and absences (RFC 7953), and the VFREEBUSY that tells them.
pub fn check_availability(bytes: &[u8]) {
    let Ok(document) = Document::parse(bytes, &Limits::default()) else { return };
    for (span, zone) in spans().into_iter().zip(zones().into_iter().cycle()) {
        let Ok(read) = Availability::read(&document, zone) else { return };
        for hours in [true, false] {
            let Ok(away) = read.unavailable(span.from, span.to, hours, &mut Budget::new(50_000)) else {
                continue;
            };
            let mut last = span.from;
            for time in &away {
                assert!(
                    last <= time.from && time.from < time.to && time.to <= span.to,
                    "{time:?} of {away:?}"
                );
                last = time.to;
            }
            let touches =
                away.windows(2).any(|pair| pair[0].to == pair[1].from && pair[0].kind == pair[1].kind);
            assert!(!touches, "one time, told as two: {away:?}");
            let periods: Vec<Period> =
                away.iter().map(|time| Period { from: time.from, to: time.to, kind: time.kind }).collect();
            let text = free_busy::write(Some("REPLY"), "uid", 0, (span.from, span.to), &[], &periods);
            let read = Document::parse(text.as_bytes(), &any_size()).expect("free-busy can be read");
            let root = read.root();
            let told: usize = root
                .children("VFREEBUSY")
                .map(|component| {
                    component
                        .properties_named("FREEBUSY")
                        .map(|line| line.value().split(',').count())
                        .sum::<usize>()
                })
                .sum();
            assert_eq!(told, periods.len());
        }
    }
}

/// A zone that an outsider describes or names.
pub fn check_zone(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Some(zone) = Zone::of_text(text) {
        check_clock(&zone);
    }
    let Ok(document) = Document::parse(bytes, &Limits::default()) else { return };
    let mut zones = Zones::of(&document, Zone::UTC);
    for described in document.root().children("VTIMEZONE").take(20) {
        if let Some(name) = described.text("TZID") {
            check_clock(&zones.resolve(name.trim()).zone);
        }
    }
}

/// A time on the wall that there is leads back to itself.
fn check_clock(zone: &Zone) {
    let steps = (-40..60).map(|half_year| YEAR_2026 + half_year * 182 * DAY);
    let ends = [Timestamp::MIN.as_second(), -1, 0, Timestamp::MAX.as_second()];
    for utc in steps.chain(ends) {
        let offset = i64::from(zone.offset_at(utc));
        assert!(offset.abs() <= 26 * 3_600, "{offset}");
        let wall = zone.to_wall(utc);
        if utc.abs() < 200_000_000_000 {
            assert_eq!(zone.to_wall(zone.to_utc(wall)), wall, "at {utc}");
        }
    }
}

/// A card in the other version and back says the same.
pub fn check_card(bytes: &[u8]) {
    let Ok(document) = Document::parse(bytes, &Limits::default()) else { return };
    let Ok(card) = Card::read(&document) else { return };
    let other = if card.version == Version::V4 { Version::V3 } else { Version::V4 };
    let Some(there) = card::convert(bytes, other) else { return };
    let before = read(&there);
    let Some(back) = card::convert(&there, if other == Version::V4 { Version::V3 } else { Version::V4 })
    else {
        panic!("what was converted can be converted")
    };
    let after = read(&back);
    assert_eq!((&before.uid, &before.formatted_name), (&after.uid, &after.formatted_name));
    // 3.0 must have N, so that one is made.
    assert!(before.name.is_none() || before.name == after.name, "{:?} and {:?}", before.name, after.name);
    assert_eq!(before.organization, after.organization);
    let numbers = |card: &Card| card.phones.iter().map(|phone| phone.number.clone()).collect::<Vec<_>>();
    let mails = |card: &Card| card.emails.iter().map(|mail| mail.address.clone()).collect::<Vec<_>>();
    assert_eq!((numbers(&before), mails(&before)), (numbers(&after), mails(&after)));
    assert_eq!(
        (&before.note, &before.title, &before.categories),
        (&after.note, &after.title, &after.categories)
    );
}

fn read(bytes: &[u8]) -> Card {
    let document = Document::parse(bytes, &any_size()).expect("a converted card can be read");
    Card::read(&document).expect("a converted card is a card")
}
