//! Tests of expanded and limited data: forms of times, overrides, periods, caps.
//! Run by `cargo nextest run -p kontor-vobject`.

use super::*;
use crate::error::Kind;

fn calendar(components: &str) -> String {
    format!("BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:x\n{components}END:VCALENDAR\n").replace('\n', "\r\n")
}

fn span(from: &str, to: &str) -> Span {
    let at = |text: &str| text.parse::<jiff::Timestamp>().expect("an instant").as_second();
    Span { from: at(from), to: at(to) }
}

fn berlin() -> Zone {
    Zone::iana("Europe/Berlin").expect("Berlin")
}

fn expand(components: &str, span: Span) -> String {
    let text = calendar(components);
    let out = expanded(text.as_bytes(), span, &berlin(), &mut Allowance::default()).expect(components);
    // What comes out can be read again and has no rules left.
    let document = Document::parse(&out, &Limits::default()).expect("it can be read");
    for component in document.root().components() {
        assert!(!component.is("VTIMEZONE"));
        assert!(DROPPED[..4].iter().all(|name| component.property(name).is_none()));
        assert!(component.properties().all(|property| property.param("TZID").is_none()));
    }
    String::from_utf8(out).expect("text").replace("\r\n", "\n")
}

const SERIES: &str = "BEGIN:VTIMEZONE
TZID:Europe/Berlin
BEGIN:STANDARD
DTSTART:19700101T000000
TZOFFSETFROM:+0100
TZOFFSETTO:+0100
END:STANDARD
END:VTIMEZONE
BEGIN:VEVENT
UID:1
DTSTART;TZID=Europe/Berlin:20260326T090000
DTEND;TZID=Europe/Berlin:20260326T100000
RRULE:FREQ=DAILY
EXDATE;TZID=Europe/Berlin:20260328T090000
SUMMARY:Stand
 up
BEGIN:VALARM
TRIGGER:-PT5M
END:VALARM
END:VEVENT
BEGIN:VEVENT
UID:1
RECURRENCE-ID;TZID=Europe/Berlin:20260330T090000
DTSTART;TZID=Europe/Berlin:20260330T150000
DTEND;TZID=Europe/Berlin:20260330T160000
SUMMARY:Later
END:VEVENT
";

#[test]
fn each_instance_is_a_component_of_its_own_in_utc() {
    let found = expand(SERIES, span("2026-03-27T00:00:00Z", "2026-03-31T00:00:00Z"));
    let wanted = "BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:x\n\
        BEGIN:VEVENT\nUID:1\nDTSTART:20260327T080000Z\nRECURRENCE-ID:20260327T080000Z\nDTEND:20260327T090000Z\n\
        SUMMARY:Stand\n up\nBEGIN:VALARM\nTRIGGER:-PT5M\nEND:VALARM\nEND:VEVENT\n\
        BEGIN:VEVENT\nUID:1\nDTSTART:20260329T070000Z\nRECURRENCE-ID:20260329T070000Z\nDTEND:20260329T080000Z\n\
        SUMMARY:Stand\n up\nBEGIN:VALARM\nTRIGGER:-PT5M\nEND:VALARM\nEND:VEVENT\n\
        BEGIN:VEVENT\nUID:1\nDTSTART:20260330T130000Z\nRECURRENCE-ID:20260330T070000Z\nDTEND:20260330T140000Z\n\
        SUMMARY:Later\nEND:VEVENT\nEND:VCALENDAR\n";
    assert_eq!(found, wanted);
}

#[test]
fn what_happens_once_has_no_recurrence_id_and_is_there_only_when_it_overlaps() {
    let once = "BEGIN:VEVENT\nUID:1\nDTSTART;TZID=Europe/Berlin:20260326T090000\nDURATION:PT1H\nEND:VEVENT\n";
    let found = expand(once, span("2026-03-26T00:00:00Z", "2026-03-27T00:00:00Z"));
    assert!(found.contains("DTSTART:20260326T080000Z\nDURATION:PT1H\nEND:VEVENT"), "{found}");
    assert!(!found.contains("RECURRENCE-ID"));
    let none = expand(once, span("2026-03-27T00:00:00Z", "2026-03-28T00:00:00Z"));
    assert_eq!(none, "BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:x\nEND:VCALENDAR\n");
}

#[test]
fn days_stay_days_and_floating_times_stay_floating() {
    let days = "BEGIN:VEVENT\nUID:1\nDTSTART;VALUE=DATE:20260301\nDTEND;VALUE=DATE:20260303\nRRULE:FREQ=WEEKLY\nEND:VEVENT\n";
    let found = expand(days, span("2026-03-08T12:00:00Z", "2026-03-09T12:00:00Z"));
    assert!(
        found.contains(
            "DTSTART;VALUE=DATE:20260308\nRECURRENCE-ID;VALUE=DATE:20260308\nDTEND;VALUE=DATE:20260310\n"
        ),
        "{found}"
    );
    let floating =
        "BEGIN:VEVENT\nUID:1\nDTSTART:20260301T090000\nDTEND:20260301T100000\nRRULE:FREQ=DAILY\nEND:VEVENT\n";
    // 09:00 in Berlin is 08:00 UTC.
    let found = expand(floating, span("2026-03-08T08:30:00Z", "2026-03-08T08:40:00Z"));
    assert!(
        found.contains("DTSTART:20260308T090000\nRECURRENCE-ID:20260308T090000\nDTEND:20260308T100000\n"),
        "{found}"
    );
}

#[test]
fn a_nominal_day_over_a_change_of_the_clock_becomes_exact() {
    let day = "BEGIN:VEVENT\nUID:1\nDTSTART;TZID=Europe/Berlin:20260327T120000\nDURATION:P1D\nRRULE:FREQ=DAILY\nEND:VEVENT\n";
    let found = expand(day, span("2026-03-28T12:00:00Z", "2026-03-28T13:00:00Z"));
    assert!(found.contains("DTSTART:20260328T110000Z\n") && found.contains("DURATION:PT23H\n"), "{found}");
    let found = expand(day, span("2026-03-30T12:00:00Z", "2026-03-30T13:00:00Z"));
    assert!(found.contains("DURATION:P1D\n"), "{found}");
}

#[test]
fn a_period_has_its_own_end_and_other_times_lose_their_zone() {
    let text = "BEGIN:VEVENT\nUID:1\nDTSTART;TZID=Europe/Berlin:20260301T090000\n\
        RDATE;VALUE=PERIOD;TZID=Europe/Berlin:20260302T090000/PT3H\nX-WHEN;TZID=Europe/Berlin;X-A=b:20260301T080000\nEND:VEVENT\n";
    let found = expand(text, span("2026-03-01T00:00:00Z", "2026-03-03T00:00:00Z"));
    assert!(
        found.contains("DTSTART:20260302T080000Z\nRECURRENCE-ID:20260302T080000Z\nX-WHEN;X-A=b:20260301T070000Z\nDTEND:20260302T110000Z\n"),
        "{found}"
    );
    assert_eq!(found.matches("DTEND").count(), 1, "{found}");
}

#[test]
fn tasks_expand_by_due_and_one_without_times_stays() {
    let due =
        "BEGIN:VTODO\nUID:1\nDUE;TZID=Europe/Berlin:20260301T090000\nRRULE:FREQ=DAILY;COUNT=3\nEND:VTODO\n";
    let found = expand(due, span("2026-03-02T00:00:00Z", "2026-03-03T00:00:00Z"));
    assert!(found.contains("DUE:20260302T080000Z\nRECURRENCE-ID:20260302T080000Z\n"), "{found}");
    assert_eq!(found.matches("BEGIN:VTODO").count(), 1);
    let undated = expand(
        "BEGIN:VTODO\nUID:1\nSUMMARY:x\nEND:VTODO\n",
        span("2026-03-02T00:00:00Z", "2026-03-03T00:00:00Z"),
    );
    assert!(undated.contains("SUMMARY:x\n"), "{undated}");
}

#[test]
fn too_many_instances_or_too_much_work_is_refused() {
    let ages = span("2000-01-01T00:00:00Z", "2999-01-01T00:00:00Z");
    for rule in ["SECONDLY", "MINUTELY", "DAILY"] {
        let text = calendar(&format!(
            "BEGIN:VEVENT\nUID:1\nDTSTART:20000101T000000Z\nRRULE:FREQ={rule}\nEND:VEVENT\n"
        ));
        let refused = expanded(text.as_bytes(), ages, &Zone::UTC, &mut Allowance::default());
        assert!(
            matches!(refused, Err(Error { kind: Kind::OverBudget(_), .. })),
            "{rule}: {:?}",
            refused.map(|out| out.len())
        );
    }
}

#[test]
fn an_answer_has_caps_over_all_of_its_objects() {
    let text = calendar(SERIES);
    let week = span("2026-04-06T00:00:00Z", "2026-04-13T00:00:00Z");
    let mut allowance = Allowance::new(15, 1_000_000, 1_000_000);
    let outcomes: Vec<bool> =
        (0..3).map(|_| expanded(text.as_bytes(), week, &berlin(), &mut allowance).is_ok()).collect();
    assert_eq!(outcomes, [true, true, false]);
    let mut allowance = Allowance::new(1_000, 2_000, 1_000_000);
    let outcomes: Vec<bool> =
        (0..3).map(|_| expanded(text.as_bytes(), week, &berlin(), &mut allowance).is_ok()).collect();
    assert_eq!(outcomes, [true, false, false]);
}

#[test]
fn overrides_that_touch_nothing_in_the_span_are_left_out() {
    let text = calendar(SERIES);
    let limit =
        |from: &str, to: &str| limited(text.as_bytes(), span(from, to), &berlin()).expect("it can be read");
    // Where it was, where it is, and where it neither is nor was.
    assert_eq!(limit("2026-03-30T07:30:00Z", "2026-03-30T07:40:00Z"), None);
    assert_eq!(limit("2026-03-30T13:30:00Z", "2026-03-30T13:40:00Z"), None);
    let out = limit("2026-03-31T00:00:00Z", "2026-04-01T00:00:00Z").expect("one is left out");
    let cut = SERIES.find("BEGIN:VEVENT\nUID:1\nRECURRENCE-ID").expect("the override");
    assert_eq!(String::from_utf8(out).expect("text"), calendar(&SERIES[..cut]));
}

#[test]
fn an_override_for_the_future_stays() {
    let text = calendar(SERIES).replace("RECURRENCE-ID;", "RECURRENCE-ID;RANGE=THISANDFUTURE;");
    let later = span("2026-05-01T00:00:00Z", "2026-05-02T00:00:00Z");
    assert_eq!(limited(text.as_bytes(), later, &berlin()).expect("it can be read"), None);
    let earlier = span("2026-03-01T00:00:00Z", "2026-03-02T00:00:00Z");
    assert!(limited(text.as_bytes(), earlier, &berlin()).expect("it can be read").is_some());
}

#[test]
fn periods_of_free_busy_outside_of_the_span_are_left_out() {
    let text = calendar(
        "BEGIN:VFREEBUSY\nUID:1\nFREEBUSY;FBTYPE=BUSY:20260301T090000Z/PT1H,20260302T090000Z/20260302T100000Z\n\
         FREEBUSY:20260304T090000Z/PT1H\nEND:VFREEBUSY\n",
    );
    let out =
        limited_free_busy(text.as_bytes(), span("2026-03-02T00:00:00Z", "2026-03-03T00:00:00Z"), &Zone::UTC);
    let out = String::from_utf8(out.expect("it can be read").expect("some are left out")).expect("text");
    assert_eq!(out.matches("FREEBUSY").count(), 3, "{out}");
    assert!(out.contains("FREEBUSY;FBTYPE=BUSY:20260302T090000Z/20260302T100000Z\r\n"), "{out}");
}

#[test]
fn what_is_expanded_happens_at_the_same_times_as_the_series() {
    let times = [
        "DTSTART;TZID=America/New_York:20260301T013000\nDTEND;TZID=America/New_York:20260301T040000",
        "DTSTART;TZID=Europe/Berlin:20260301T230000\nDURATION:P1DT2H",
        "DTSTART:20260301T090000\nDTEND:20260301T093000",
        "DTSTART:20260301T090000Z",
        "DTSTART;VALUE=DATE:20260301\nDTEND;VALUE=DATE:20260304",
        "DTSTART;VALUE=DATE:20260301",
    ];
    let rules = [
        "RRULE:FREQ=DAILY;INTERVAL=2",
        "RRULE:FREQ=WEEKLY;BYDAY=SU,WE;COUNT=9",
        "RRULE:FREQ=MONTHLY;BYDAY=-1SU;UNTIL=20260801",
        "RDATE;VALUE=DATE:20260305,20260329\nRRULE:FREQ=MONTHLY",
        "X-NONE:1",
    ];
    let spans = [
        span("2026-02-27T00:00:00Z", "2026-03-02T02:00:00Z"),
        span("2026-03-05T00:00:00Z", "2026-04-20T12:00:00Z"),
        span("2026-10-20T00:00:00Z", "2026-11-10T00:00:00Z"),
    ];
    let mut compared = 0;
    for (time, rule, span) in times
        .iter()
        .flat_map(|time| rules.iter().flat_map(move |rule| spans.map(|span| (*time, *rule, span))))
    {
        let text = calendar(&format!("BEGIN:VEVENT\nUID:1\n{time}\n{rule}\nEND:VEVENT\n"));
        let happenings = |bytes: &[u8]| {
            let document = Document::parse(bytes, &Limits::default()).expect("a calendar");
            let series = Series::of(&document, berlin()).expect("a series");
            let found = series.occurrences(timestamp(span.from), timestamp(span.to), &mut Budget::default());
            let found = found.expect("within the budget").into_iter();
            found.map(|one| (one.start, one.end, one.days)).collect::<Vec<_>>()
        };
        let wanted = happenings(text.as_bytes());
        let out = expanded(text.as_bytes(), span, &berlin(), &mut Allowance::default()).expect(&text);
        compared += wanted.len();
        assert_eq!(happenings(&out), wanted, "{text}{}", String::from_utf8_lossy(&out));
    }
    assert!(compared > 300, "only {compared} were compared");
}

#[test]
fn a_task_without_times_comes_without_its_rule() {
    let task = "BEGIN:VTODO\nUID:1\nRRULE:FREQ=DAILY\nSUMMARY:Any time\nBEGIN:VALARM\nACTION:DISPLAY\nEND:VALARM\nEND:VTODO\n";
    let out = expand(task, span("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"));
    let wanted =
        "BEGIN:VTODO\nUID:1\nSUMMARY:Any time\nBEGIN:VALARM\nACTION:DISPLAY\nEND:VALARM\nEND:VTODO\n";
    assert!(out.contains(wanted), "{out}");
}
