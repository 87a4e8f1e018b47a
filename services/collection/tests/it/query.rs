//! Queries: time ranges by the index against ranges by expansion, filters on components and cards, limits.

use jiff::Timestamp;
use kontor_proto::collection::v1 as proto;
use kontor_vobject::expand::Series;
use kontor_vobject::recur::Budget;
use kontor_vobject::zone::Zone;
use kontor_vobject::{Document, Limits};

use crate::bed::{Bed, component, event, reason, with_lines};

kontor_testbed::on_both! { Bed;
    a_range_gives_what_expansion_gives,
    tasks_follow_the_table_of_the_rfc,
    properties_and_parameters_are_tested,
    filters_have_limits,
    a_filter_that_can_never_match_is_refused,
    an_end_that_only_a_duration_says_counts,
    one_object_may_be_asked_alone,
    endless_rules_end_in_bounded_time,
}

const DAY: i64 = 86_400;

/// Seconds of a day of November 2026 at midnight UTC.
fn november(day: i64) -> i64 {
    1_793_491_200 + (day - 1) * DAY
}

fn range(from: Option<i64>, to: Option<i64>) -> proto::TimeRange {
    let time = |seconds: i64| prost_types::Timestamp { seconds, nanos: 0 };
    proto::TimeRange { start_time: from.map(time), end_time: to.map(time) }
}

fn asking(component: proto::ComponentFilter) -> proto::QueryObjectsRequest {
    let filter = proto::ComponentFilter {
        name: "VCALENDAR".to_owned(),
        components: vec![component],
        ..Default::default()
    };
    proto::QueryObjectsRequest { component_filter: Some(filter), ..Default::default() }
}

fn of(name: &str) -> proto::ComponentFilter {
    proto::ComponentFilter { name: name.to_owned(), ..Default::default() }
}

fn in_time(name: &str, from: Option<i64>, to: Option<i64>, zone: &str) -> proto::QueryObjectsRequest {
    let filter = proto::ComponentFilter { time_range: Some(range(from, to)), ..of(name) };
    proto::QueryObjectsRequest { time_zone: zone.to_owned(), ..asking(filter) }
}

/// Odd events on purpose: lengths, zones, floating times, days, endless and past rules, overrides, no length at all.
fn odd_events() -> Vec<(String, String)> {
    let lines = [
        "DTSTART:20261123T090000Z\r\nDTEND:20261123T100000Z\r\n",
        "DTSTART:20261123T090000Z\r\n",
        "DTSTART;VALUE=DATE:20261124\r\n",
        "DTSTART;VALUE=DATE:20261120\r\nDTEND;VALUE=DATE:20261127\r\n",
        "DTSTART;VALUE=DATE:20261001\r\nDTEND;VALUE=DATE:20270115\r\n",
        "DTSTART:20261125T233000\r\nDURATION:PT30M\r\n",
        "DTSTART;TZID=Asia/Tokyo:20261124T003000\r\nDTEND;TZID=Asia/Tokyo:20261124T013000\r\n",
        "DTSTART;TZID=Nowhere/Land:20261124T003000\r\nDTEND;TZID=Nowhere/Land:20261124T013000\r\n",
        "DTSTART;TZID=Europe/Paris:20200106T093000\r\nDURATION:PT1H\r\nRRULE:FREQ=WEEKLY;BYDAY=MO,TH\r\n",
        "DTSTART:19900101T120000Z\r\nDURATION:PT15M\r\nRRULE:FREQ=DAILY\r\nEXDATE:20261123T120000Z\r\n",
        "DTSTART;VALUE=DATE:20261102\r\nRRULE:FREQ=DAILY;INTERVAL=9;COUNT=3\r\n",
        "DTSTART:20240101T080000Z\r\nDURATION:PT1H\r\nRRULE:FREQ=DAILY;UNTIL=20261124T080000Z\r\nEXDATE:20261124T080000Z\r\n",
        "DTSTART:20301101T080000Z\r\nDURATION:PT1H\r\nRRULE:FREQ=MONTHLY\r\n",
        "DTSTART:20261031T080000Z\r\nDURATION:P40D\r\nRRULE:FREQ=YEARLY\r\n",
        "DTSTART:20261123T080000Z\r\nDURATION:P1D\r\n",
        "DTSTART:20261123T080000Z\r\nDURATION:PT24H1S\r\n",
    ];
    let mut all: Vec<(String, String)> = lines
        .iter()
        .enumerate()
        .map(|(number, lines)| (format!("{number:02}.ics"), with_lines(&format!("u{number}"), lines)))
        .collect();
    let moved = with_lines("moved", "DTSTART:20261109T090000Z\r\nDURATION:PT1H\r\nRRULE:FREQ=WEEKLY;COUNT=3\r\n").replace(
        "END:VCALENDAR",
        "BEGIN:VEVENT\r\nUID:moved\r\nDTSTAMP:20260101T000000Z\r\nRECURRENCE-ID:20261123T090000Z\r\nDTSTART:20261230T090000Z\r\nDURATION:PT1H\r\nEND:VEVENT\r\nEND:VCALENDAR",
    );
    all.push(("moved.ics".to_owned(), moved));
    all
}

async fn a_range_gives_what_expansion_gives(bed: Bed) {
    let events = odd_events();
    for (name, data) in &events {
        bed.put(name, data.clone()).await.unwrap_or_else(|status| panic!("{name}: {status}"));
    }
    bed.put("task.ics", component("VTODO", "t", "DTSTART:20261123T090000Z\r\n")).await.unwrap();
    let edges = [-4000, 1, 20, 23, 24, 25, 26, 33, 500, 1500];
    let mut asked = 0;
    for zone in ["", "Asia/Tokyo", "America/New_York"] {
        for (place, from) in edges.iter().enumerate() {
            for to in &edges[place + 1..] {
                for shift in [0, 9 * 3_600, 9 * 3_600 + 1] {
                    let (from, to) = (november(*from) + shift, november(*to) + shift);
                    check(&bed, &events, Some(from), Some(to), zone).await;
                    asked += 1;
                }
            }
            check(&bed, &events, Some(november(*from)), None, zone).await;
            check(&bed, &events, None, Some(november(*from)), zone).await;
        }
    }
    assert!(asked > 350);
}

async fn check(bed: &Bed, events: &[(String, String)], from: Option<i64>, to: Option<i64>, zone: &str) {
    let found = bed.query(in_time("VEVENT", from, to, zone)).await.unwrap();
    let zone = Zone::named(zone).unwrap_or(Zone::UTC);
    let at = |seconds: i64| Timestamp::from_second(seconds).unwrap();
    let (first, last) = (from.map_or(at(-5_000_000_000), at), to.map_or(at(6_000_000_000), at));
    let mut expected = Vec::new();
    for (name, data) in events {
        let document = Document::parse(data.as_bytes(), &Limits::default()).unwrap();
        let series = Series::of(&document, zone.clone()).unwrap();
        if series.overlaps(first, last, &mut Budget::new(1_000_000)).unwrap() {
            expected.push(name.clone());
        }
    }
    expected.sort();
    assert_eq!(found, expected, "{from:?} to {to:?} in {zone:?}");
}

async fn tasks_follow_the_table_of_the_rfc(bed: Bed) {
    let tasks = [
        ("start-due.ics", "DTSTART:20261123T090000Z\r\nDUE:20261123T100000Z\r\n"),
        ("start-length.ics", "DTSTART:20261123T090000Z\r\nDURATION:PT1H\r\n"),
        ("start.ics", "DTSTART:20261123T090000Z\r\n"),
        ("due.ics", "DUE:20261123T090000Z\r\n"),
        ("due-day.ics", "DUE;VALUE=DATE:20261123\r\n"),
        ("none.ics", ""),
        ("created.ics", "CREATED:20261123T090000Z\r\n"),
        ("completed.ics", "COMPLETED:20261123T090000Z\r\n"),
        ("both.ics", "CREATED:20261123T090000Z\r\nCOMPLETED:20261123T100000Z\r\n"),
    ];
    for (name, lines) in tasks {
        bed.put(name, component("VTODO", name, lines)).await.unwrap();
    }
    let nine = november(23) + 9 * 3_600;
    for from in
        [nine - 7_200, nine - 3_600, nine - 1, nine, nine + 1, nine + 3_600, nine + 3_601, november(23)]
    {
        for length in [1, 3_600, 7_200, 90_000] {
            let found = bed.query(in_time("VTODO", Some(from), Some(from + length), "")).await.unwrap();
            let at = |seconds: i64| Timestamp::from_second(seconds).unwrap();
            let mut expected = Vec::new();
            for (name, lines) in tasks {
                let data = component("VTODO", name, lines);
                let document = Document::parse(data.as_bytes(), &Limits::default()).unwrap();
                let series = Series::of(&document, Zone::UTC).unwrap();
                if series.overlaps(at(from), at(from + length), &mut Budget::default()).unwrap() {
                    expected.push(name.to_owned());
                }
            }
            expected.sort();
            assert_eq!(found, expected, "{} for {length}", from - nine);
        }
    }
}

pub fn property(name: &str, text: &str, match_type: proto::MatchType, negate: bool) -> proto::PropertyFilter {
    let test =
        proto::TextMatch { text: text.to_owned(), match_type: match_type.into(), negate, collation: 0 };
    proto::PropertyFilter { name: name.to_owned(), text_matches: vec![test], ..Default::default() }
}

async fn properties_and_parameters_are_tested(bed: Bed) {
    use proto::MatchType::{Contains, Equals, StartsWith};
    let lines = |more: &str| format!("DTSTART:20261123T090000Z\r\n{more}");
    bed.put("a.ics", with_lines("a", &lines("SUMMARY:Board meeting\r\nCATEGORIES:WORK\r\n"))).await.unwrap();
    bed.put(
        "b.ics",
        with_lines("b", &lines("SUMMARY:board games\r\nATTENDEE;PARTSTAT=ACCEPTED:mailto:x@y.be\r\n")),
    )
    .await
    .unwrap();
    bed.put("c.ics", with_lines("c", &lines("COMPLETED:20261124T000000Z\r\n"))).await.unwrap();
    bed.put(
        "d.ics",
        component(
            "VTODO",
            "d",
            "SUMMARY:board\r\nBEGIN:VALARM\r\nACTION:AUDIO\r\nTRIGGER:-PT5M\r\nEND:VALARM\r\n",
        ),
    )
    .await
    .unwrap();
    let ask = async |name: &str, properties: Vec<proto::PropertyFilter>| {
        let filter = proto::ComponentFilter { properties, ..of(name) };
        bed.query(asking(filter)).await.unwrap()
    };
    assert_eq!(ask("VEVENT", vec![property("SUMMARY", "BOARD", Contains, false)]).await, ["a.ics", "b.ics"]);
    assert_eq!(ask("VEVENT", vec![property("SUMMARY", "board g", StartsWith, false)]).await, ["b.ics"]);
    assert_eq!(ask("VEVENT", vec![property("SUMMARY", "board", Equals, false)]).await, [""; 0]);
    assert_eq!(ask("VEVENT", vec![property("SUMMARY", "games", Contains, true)]).await, ["a.ics"]);
    let both =
        vec![property("SUMMARY", "board", Contains, false), property("CATEGORIES", "work", Contains, false)];
    assert_eq!(ask("VEVENT", both).await, ["a.ics"]);
    let absent =
        proto::PropertyFilter { name: "SUMMARY".to_owned(), is_not_defined: true, ..Default::default() };
    assert_eq!(ask("VEVENT", vec![absent]).await, ["c.ics"]);
    let timed = proto::PropertyFilter {
        name: "COMPLETED".to_owned(),
        time_range: Some(range(Some(november(24)), Some(november(25)))),
        ..Default::default()
    };
    assert_eq!(ask("VEVENT", vec![timed]).await, ["c.ics"]);
    let parameter = proto::ParameterFilter {
        name: "PARTSTAT".to_owned(),
        text_match: Some(proto::TextMatch { text: "accepted".to_owned(), ..Default::default() }),
        ..Default::default()
    };
    let attendee = proto::PropertyFilter {
        name: "ATTENDEE".to_owned(),
        parameters: vec![parameter],
        ..Default::default()
    };
    assert_eq!(ask("VEVENT", vec![attendee]).await, ["b.ics"]);
    let alarm = |absent: bool| {
        let alarm = proto::ComponentFilter { is_not_defined: absent, ..of("VALARM") };
        asking(proto::ComponentFilter { components: vec![alarm], ..of("VTODO") })
    };
    assert_eq!(bed.query(alarm(false)).await.unwrap(), ["d.ics"]);
    assert_eq!(bed.query(alarm(true)).await.unwrap(), [""; 0]);
    bed.put(
        "e.ics",
        with_lines("e", &lines("BEGIN:VALARM\r\nACTION:AUDIO\r\nTRIGGER:-PT15M\r\nEND:VALARM\r\n")),
    )
    .await
    .unwrap();
    let rings = |from: i64, to: i64| {
        let minutes = |count: i64| Some(november(23) + (9 * 60 + count) * 60);
        let alarm =
            proto::ComponentFilter { time_range: Some(range(minutes(from), minutes(to))), ..of("VALARM") };
        asking(proto::ComponentFilter { components: vec![alarm], ..of("VEVENT") })
    };
    assert_eq!(bed.query(rings(-20, -10)).await.unwrap(), ["e.ics"]);
    assert_eq!(bed.query(rings(-14, 60)).await.unwrap(), [""; 0]);
    bed.delete("e.ics").await.unwrap();
    let without = proto::ComponentFilter { is_not_defined: true, ..of("VTODO") };
    assert_eq!(bed.query(asking(without)).await.unwrap(), ["a.ics", "b.ics", "c.ics"]);
    assert_eq!(bed.query(Default::default()).await.unwrap().len(), 4);
    // The range and the properties must hold for the same component.
    let timely = proto::ComponentFilter {
        time_range: Some(range(Some(november(23)), Some(november(24)))),
        properties: vec![property("SUMMARY", "games", Contains, false)],
        ..of("VEVENT")
    };
    assert_eq!(bed.query(asking(timely)).await.unwrap(), ["b.ics"]);
    let few = proto::QueryObjectsRequest { limit: 2, ..Default::default() };
    assert_eq!(bed.query(few).await.unwrap().len(), 2);
}

async fn filters_have_limits(bed: Bed) {
    bed.put("a.ics", event("a", "20261123")).await.unwrap();
    let mut deep = of("VALARM");
    for _ in 0..4 {
        deep = proto::ComponentFilter { components: vec![deep], ..of("VEVENT") };
    }
    assert_eq!(reason(bed.query(asking(deep)).await), "VALID_FILTER");
    let long = proto::ComponentFilter {
        properties: vec![property("SUMMARY", &"x".repeat(1_001), proto::MatchType::Contains, false)],
        ..of("VEVENT")
    };
    assert_eq!(reason(bed.query(asking(long)).await), "VALID_FILTER");
    assert_eq!(reason(bed.query(in_time("VEVENT", Some(10), Some(10), "")).await), "VALID_FILTER");
    assert_eq!(reason(bed.query(in_time("VEVENT", Some(10), Some(20), "Nowhere")).await), "VALID_DATA");
    let alarm = proto::ComponentFilter {
        components: vec![proto::ComponentFilter { time_range: Some(range(Some(0), None)), ..of("X-OWN") }],
        ..of("VEVENT")
    };
    assert_eq!(reason(bed.query(asking(alarm)).await), "SUPPORTED_FILTER");
    let card = proto::QueryObjectsRequest { card_filter: Some(Default::default()), ..Default::default() };
    assert_eq!(reason(bed.query(card).await), "VALID_FILTER");
    let zone = "BEGIN:VTIMEZONE\r\nTZID:Own\r\nBEGIN:STANDARD\r\nDTSTART:19700101T000000\r\nTZOFFSETFROM:+0200\r\nTZOFFSETTO:+0200\r\nEND:STANDARD\r\nEND:VTIMEZONE";
    bed.put("f.ics", with_lines("f", "DTSTART:20261123T010000\r\nDURATION:PT1H\r\n")).await.unwrap();
    let found =
        bed.query(in_time("VEVENT", Some(november(23) - 3_600), Some(november(23)), zone)).await.unwrap();
    assert_eq!(found, ["f.ics"]);
}

async fn a_filter_that_can_never_match_is_refused(bed: Bed) {
    for (inner, outer) in
        [("VEVENT", "VTODO"), ("VCALENDAR", "VEVENT"), ("VALARM", "VJOURNAL"), ("VTIMEZONE", "VEVENT")]
    {
        let filter = proto::ComponentFilter { components: vec![of(inner)], ..of(outer) };
        assert_eq!(reason(bed.query(asking(filter)).await), "VALID_FILTER", "{inner} in {outer}");
    }
    for (inner, outer) in [("VALARM", "VTODO"), ("X-OWN", "VEVENT"), ("STANDARD", "VTIMEZONE")] {
        let filter = proto::ComponentFilter { components: vec![of(inner)], ..of(outer) };
        bed.query(asking(filter)).await.unwrap();
    }
    let timed = |name: &str| {
        let time_range = Some(range(Some(november(1)), Some(november(2))));
        let property = proto::PropertyFilter { name: name.to_owned(), time_range, ..Default::default() };
        asking(proto::ComponentFilter { properties: vec![property], ..of("VEVENT") })
    };
    for name in ["SUMMARY", "uid", "DURATION"] {
        assert_eq!(reason(bed.query(timed(name)).await), "VALID_FILTER", "{name}");
    }
    for name in ["DTSTART", "X-WHEN", "LAST-MODIFIED"] {
        bed.query(timed(name)).await.unwrap();
    }
}

async fn an_end_that_only_a_duration_says_counts(bed: Bed) {
    bed.put("a.ics", with_lines("a", "DTSTART:20261123T230000Z\r\nDURATION:PT2H\r\n")).await.unwrap();
    bed.put("b.ics", with_lines("b", "DTSTART:20261123T230000Z\r\nDTEND:20261123T233000Z\r\n"))
        .await
        .unwrap();
    // A day and an hour over the end of summer time in Paris: 2026-10-25 has 25 hours.
    bed.put("c.ics", with_lines("c", "DTSTART;TZID=Europe/Paris:20261024T120000\r\nDURATION:P1DT1H\r\n"))
        .await
        .unwrap();
    bed.put("d.ics", component("VTODO", "d", "DTSTART;VALUE=DATE:20261123\r\nDURATION:P1D\r\n"))
        .await
        .unwrap();
    let ends = async |component: &str, name: &str, from: i64, to: i64| {
        let time_range = Some(range(Some(from), Some(to)));
        let end = proto::PropertyFilter { name: name.to_owned(), time_range, ..Default::default() };
        bed.query(asking(proto::ComponentFilter { properties: vec![end], ..of(component) })).await.unwrap()
    };
    assert_eq!(ends("VEVENT", "DTEND", november(24), november(25)).await, ["a.ics"]);
    assert_eq!(ends("VEVENT", "DTEND", november(23), november(24)).await, ["b.ics"]);
    let noon_utc = november(-6) + 12 * 3_600;
    assert_eq!(ends("VEVENT", "DTEND", noon_utc, noon_utc + 1).await, ["c.ics"]);
    assert_eq!(ends("VTODO", "DUE", november(24), november(24) + 1).await, ["d.ics"]);
    assert_eq!(ends("VTODO", "DTEND", november(1), november(30)).await, [""; 0]);
}

async fn one_object_may_be_asked_alone(bed: Bed) {
    bed.put("a.ics", event("a", "20261123")).await.unwrap();
    bed.put("b.ics", event("b", "20261123")).await.unwrap();
    let ask = async |name: &str, from: i64, to: i64| {
        let request = in_time("VEVENT", Some(november(from)), Some(november(to)), "");
        bed.query(proto::QueryObjectsRequest { name: name.to_owned(), ..request }).await
    };
    assert_eq!(ask("b.ics", 23, 24).await.unwrap(), ["b.ics"]);
    assert_eq!(ask("b.ics", 24, 25).await.unwrap(), [""; 0]);
    assert_eq!(ask("none.ics", 23, 24).await.unwrap_err().code(), tonic::Code::NotFound);
    let tasks = proto::QueryObjectsRequest { name: "a.ics".to_owned(), ..asking(of("VTODO")) };
    assert_eq!(bed.query(tasks).await.unwrap(), [""; 0]);
}

async fn endless_rules_end_in_bounded_time(bed: Bed) {
    for number in 0..50 {
        let lines = "DTSTART:20000101T000000Z\r\nRRULE:FREQ=SECONDLY;BYMONTH=2;BYMONTHDAY=30\r\n";
        bed.put(&format!("{number}.ics"), with_lines(&format!("u{number}"), lines)).await.unwrap();
    }
    bed.put("a.ics", event("a", "20261123")).await.unwrap();
    let started = std::time::Instant::now();
    let found = bed.query(in_time("VEVENT", Some(november(20)), Some(november(27)), "")).await.unwrap();
    assert!(found.contains(&"a.ics".to_owned()));
    assert!(started.elapsed().as_secs() < 20, "took {:?}", started.elapsed());
}
