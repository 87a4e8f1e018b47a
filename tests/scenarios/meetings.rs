//! Meetings: the same row in every client and over gRPC, at the right time in any zone.
//! Rows C1, C2, C6, C11, and D2 from the other side.

use kontor_kit::clock;
use kontor_proto::calendar::v1::{
    CreateEventRequest, Event, EventTime, GetEventRequest, ListEventsRequest, ListOccurrencesRequest,
    UpdateEventRequest, UpdateOccurrenceRequest, event_time,
};
use kontor_tests::{Grpc, Http, both};
use tonic::Code;

use crate::support::{refused, texts};

fn instant(text: &str) -> prost_types::Timestamp {
    clock::to_proto(text.parse::<jiff::Timestamp>().expect("an instant").as_microsecond())
}

fn local(text: &str, zone: &str) -> Option<EventTime> {
    Some(EventTime { kind: Some(event_time::Kind::Local(text.into())), time_zone: zone.into() })
}

fn date(text: &str) -> Option<EventTime> {
    Some(EventTime { kind: Some(event_time::Kind::Date(text.into())), ..Default::default() })
}

async fn add(grpc: &Grpc, event: Event) -> Event {
    let request =
        CreateEventRequest { parent: "calendars/default".into(), event: Some(event), ..Default::default() };
    grpc.events().create_event(request).await.expect("a new event").into_inner()
}

async fn between(grpc: &Grpc, start: &str, end: &str) -> Vec<(String, String)> {
    let request = ListOccurrencesRequest {
        parent: "calendars/-".into(),
        start_time: Some(instant(start)),
        end_time: Some(instant(end)),
        ..Default::default()
    };
    let found = grpc.events().list_occurrences(request).await.expect("occurrences").into_inner().occurrences;
    found
        .into_iter()
        .map(|one| {
            let micros = clock::from_proto(&one.start_time.expect("a start"));
            (one.summary, jiff::Timestamp::from_microsecond(micros).expect("an instant").to_string())
        })
        .collect()
}

async fn calendar_path(http: &Http, user: &str) -> String {
    let home = format!("/dav/calendars/{user}/");
    let answer = http.propfind(&home, "1", "<D:resourcetype/>").await.expect(207).text();
    texts(&answer, "href").into_iter().find(|href| *href != home).expect("a calendar")
}

async fn time_range(http: &Http, path: &str, start: &str, end: &str) -> Vec<String> {
    let body = format!(
        "<C:calendar-query xmlns:D=\"DAV:\" xmlns:C=\"urn:ietf:params:xml:ns:caldav\"><D:prop><D:getetag/></D:prop><C:filter>\
         <C:comp-filter name=\"VCALENDAR\"><C:comp-filter name=\"VEVENT\"><C:time-range start=\"{start}\" end=\"{end}\"/>\
         </C:comp-filter></C:comp-filter></C:filter></C:calendar-query>"
    );
    let mut hrefs = texts(&http.report(path, "1", body).await.expect(207).text(), "href");
    hrefs.sort();
    hrefs.into_iter().map(|href| href.rsplit('/').next().unwrap_or_default().to_owned()).collect()
}

fn ics(uid: &str, lines: &str) -> String {
    format!(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//test//EN\r\nBEGIN:VEVENT\r\nUID:{uid}\r\nDTSTAMP:20261101T080000Z\r\n{lines}END:VEVENT\r\nEND:VCALENDAR\r\n"
    )
}

both! {
    async fn c1_an_event_that_ends_at_the_start_is_out_and_one_that_spans_is_in(sandbox: Sandbox) {
        let (grpc, http) = (sandbox.grpc("sales"), sandbox.http("sales"));
        let path = calendar_path(&http, "sales").await;
        for (uid, start, end) in [
            ("before", "20261123T080000Z", "20261123T090000Z"),
            ("spans", "20261122T080000Z", "20261130T090000Z"),
            ("inside", "20261123T100000Z", "20261123T110000Z"),
            ("at-the-end", "20261124T090000Z", "20261124T100000Z"),
        ] {
            let body = ics(uid, &format!("DTSTART:{start}\r\nDTEND:{end}\r\nSUMMARY:{uid}\r\n"));
            http.put(&format!("{path}{uid}.ics"), &[], body).await.expect(201);
        }
        let found = between(&grpc, "2026-11-23T09:00:00Z", "2026-11-24T09:00:00Z").await;
        let names: Vec<_> = found.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["spans", "inside"]);
        assert_eq!(time_range(&http, &path, "20261123T090000Z", "20261124T090000Z").await, ["inside.ics", "spans.ics"]);
    }

    async fn c1_the_week_in_which_the_clocks_change_is_right(sandbox: Sandbox) {
        let grpc = sandbox.grpc("sales");
        let daily = Event {
            summary: "Stand-up".into(),
            start: local("2026-10-19T09:00:00", "Europe/Brussels"),
            end: local("2026-10-19T09:15:00", "Europe/Brussels"),
            recurrence_rule: "FREQ=DAILY;COUNT=14".into(),
            ..Default::default()
        };
        add(&grpc, daily).await;
        // Summer time ends in Brussels on 25 October 2026 at 03:00.
        let week = between(&grpc, "2026-10-22T22:00:00Z", "2026-10-26T23:00:00Z").await;
        let starts: Vec<_> = week.iter().map(|(_, start)| start.as_str()).collect();
        assert_eq!(starts, ["2026-10-23T07:00:00Z", "2026-10-24T07:00:00Z", "2026-10-25T08:00:00Z", "2026-10-26T08:00:00Z"]);
    }

    async fn c2_all_day_over_three_days_is_dates_with_an_exclusive_end(sandbox: Sandbox) {
        let (grpc, http) = (sandbox.grpc("sales"), sandbox.http("sales"));
        let fair = add(&grpc, Event { summary: "Fair".into(), start: date("2026-12-01"), end: date("2026-12-04"), ..Default::default() }).await;
        let read = grpc.events().get_event(GetEventRequest { name: fair.name.clone() }).await.expect("it").into_inner();
        let text = String::from_utf8(read.icalendar.to_vec()).expect("text");
        assert!(text.contains("DTSTART;VALUE=DATE:20261201\r\n") && text.contains("DTEND;VALUE=DATE:20261204\r\n"), "{text}");
        let path = calendar_path(&http, "sales").await;
        let three = time_range(&http, &path, "20261203T100000Z", "20261203T110000Z").await;
        assert_eq!(three.len(), 1, "the third day is in");
        assert!(time_range(&http, &path, "20261204T100000Z", "20261204T110000Z").await.is_empty(), "the fourth is out");
        let wrong = Event { summary: "x".into(), start: date("2026-12-04"), end: date("2026-12-01"), ..Default::default() };
        let request = CreateEventRequest { parent: "calendars/default".into(), event: Some(wrong), ..Default::default() };
        refused(grpc.events().create_event(request).await, Code::InvalidArgument, "end");
    }

    async fn c4_moving_one_instance_writes_an_override_and_nothing_else(sandbox: Sandbox) {
        let (grpc, http) = (sandbox.grpc("sales"), sandbox.http("sales"));
        let path = format!("{}series.ics", calendar_path(&http, "sales").await);
        let body = ics("series", "DTSTART;TZID=Europe/Brussels:20261102T100000\r\nDTEND;TZID=Europe/Brussels:20261102T110000\r\nRRULE:FREQ=WEEKLY;COUNT=4\r\nSUMMARY:Weekly\r\nX-KEEP;X-A=b:as it is\r\n");
        http.put(&path, &[], body.clone()).await.expect(201);
        let request = ListEventsRequest { parent: "calendars/default".into(), ..Default::default() };
        let name = grpc.events().list_events(request).await.expect("events").into_inner().events[0].name.clone();
        let moved = Event { name: name.clone(), start: local("2026-11-10T15:00:00", "Europe/Brussels"), end: local("2026-11-10T16:00:00", "Europe/Brussels"), ..Default::default() };
        let request = UpdateOccurrenceRequest {
            event: Some(moved),
            original_start_time: Some(instant("2026-11-09T09:00:00Z")),
            update_mask: Some(prost_types::FieldMask { paths: vec!["start".into(), "end".into()] }),
            ..Default::default()
        };
        let answer = grpc.events().update_occurrence(request.clone()).await.expect("moved").into_inner();
        assert_eq!(answer.override_count, 1);
        let starts: Vec<_> = between(&grpc, "2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z").await.into_iter().map(|(_, start)| start).collect();
        assert_eq!(starts, ["2026-11-02T09:00:00Z", "2026-11-10T14:00:00Z", "2026-11-16T09:00:00Z", "2026-11-23T09:00:00Z"]);
        let text = http.get(&path).await.expect(200).text();
        let master = &body[body.find("BEGIN:VEVENT").expect("an event")..body.find("END:VCALENDAR").expect("an end")];
        assert!(text.contains(master), "the series' own lines are as they were:\n{text}");
        assert!(text.contains("RECURRENCE-ID;TZID=Europe/Brussels:20261109T100000"), "{text}");
        let no_such = UpdateOccurrenceRequest { original_start_time: Some(instant("2026-11-09T10:00:00Z")), ..request };
        refused(grpc.events().update_occurrence(no_such).await, Code::NotFound, "");
    }

    async fn c6_rules_dates_exceptions_and_overrides_give_the_right_occurrences(sandbox: Sandbox) {
        let (grpc, http) = (sandbox.grpc("sales"), sandbox.http("sales"));
        let path = calendar_path(&http, "sales").await;
        let body = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//test//EN\r\n\
            BEGIN:VEVENT\r\nUID:mixed\r\nDTSTAMP:20261101T080000Z\r\nSUMMARY:Mixed\r\nDTSTART;TZID=Europe/Brussels:20261005T090000\r\nDURATION:PT1H\r\n\
            RRULE:FREQ=MONTHLY;BYDAY=1MO;COUNT=4\r\nRDATE;TZID=Europe/Brussels:20261020T120000\r\nEXDATE;TZID=Europe/Brussels:20261102T090000\r\nEND:VEVENT\r\n\
            BEGIN:VEVENT\r\nUID:mixed\r\nRECURRENCE-ID;TZID=Europe/Brussels:20261207T090000\r\nDTSTAMP:20261101T080000Z\r\nSUMMARY:Moved\r\n\
            DTSTART;TZID=Europe/Brussels:20261208T140000\r\nDURATION:PT2H\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";
        http.put(&format!("{path}mixed.ics"), &[], body).await.expect(201);
        let found = between(&grpc, "2026-10-01T00:00:00Z", "2027-02-01T00:00:00Z").await;
        let expected = [
            ("Mixed", "2026-10-05T07:00:00Z"),
            ("Mixed", "2026-10-20T10:00:00Z"),
            ("Moved", "2026-12-08T13:00:00Z"),
            ("Mixed", "2027-01-04T08:00:00Z"),
        ];
        let found: Vec<_> = found.iter().map(|(name, start)| (name.as_str(), start.as_str())).collect();
        assert_eq!(found, expected);
        assert_eq!(time_range(&http, &path, "20261208T120000Z", "20261208T133000Z").await, ["mixed.ics"]);
        assert!(time_range(&http, &path, "20261207T000000Z", "20261207T230000Z").await.is_empty());
    }

    async fn c11_an_alarm_survives_byte_for_byte_a_change_over_grpc(sandbox: Sandbox) {
        let (grpc, http) = (sandbox.grpc("sales"), sandbox.http("sales"));
        let path = format!("{}alarm.ics", calendar_path(&http, "sales").await);
        let alarm = "BEGIN:VALARM\r\nACTION:DISPLAY\r\nTRIGGER;RELATED=START:-PT15M\r\nDESCRIPTION:Go\\, no\r\n w!\r\nX-MOZ-LASTACK:20261101T000000Z\r\nEND:VALARM\r\n";
        let body = ics("alarm", &format!("DTSTART:20261123T090000Z\r\nDTEND:20261123T100000Z\r\nSUMMARY:Old\r\n{alarm}"));
        let put = http.put(&path, &[], body.clone()).await.expect(201);
        assert_eq!(http.get(&path).await.expect(200).text(), body);
        let request = ListEventsRequest { parent: "calendars/default".into(), ..Default::default() };
        let event = grpc.events().list_events(request).await.expect("events").into_inner().events.remove(0);
        assert_eq!(format!("\"{}\"", event.etag), put.header("etag"));
        let request = UpdateEventRequest {
            event: Some(Event { name: event.name, summary: "New".into(), etag: event.etag, ..Default::default() }),
            update_mask: Some(prost_types::FieldMask { paths: vec!["summary".into()] }),
            ..Default::default()
        };
        let changed = grpc.events().update_event(request).await.expect("changed").into_inner();
        let now = http.get(&path).await.expect(200);
        assert_eq!(now.header("etag"), format!("\"{}\"", changed.etag));
        assert!(now.text().contains(alarm) && now.text().contains("SUMMARY:New\r\n"), "{}", now.text());
        http.put(&path, &[("if-match", put.header("etag"))], body).await.expect(412);
    }
}
