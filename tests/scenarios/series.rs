//! "This and following" over gRPC, as mail clients see it afterwards.
//! Row C4.

use kontor_proto::calendar::v1 as calendar;
use kontor_tests::both;
use tonic::Code;

use crate::support::{refused, texts};

const SERIES: &str = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//test//EN\r\nBEGIN:VEVENT\r\nUID:weekly\r\nDTSTAMP:20261101T080000Z\r\n\
    DTSTART:20261123T090000Z\r\nDTEND:20261123T100000Z\r\nRRULE:FREQ=WEEKLY;COUNT=6\r\nSUMMARY:Weekly\r\nX-MOZ-GENERATION:3\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";

fn at(text: &str) -> Option<prost_types::Timestamp> {
    let seconds = text.parse::<jiff::Timestamp>().expect("an instant").as_second();
    Some(prost_types::Timestamp { seconds, nanos: 0 })
}

both! {
    async fn c4_a_series_cut_over_grpc_is_two_objects_for_every_client(sandbox: Sandbox) {
        let (http, grpc) = (sandbox.http("sales"), sandbox.grpc("sales"));
        let path = "/dav/calendars/sales/work/weekly.ics";
        let etag = http.put(path, &[], SERIES).await.expect(201).header("etag").to_owned();
        let list = calendar::ListEventsRequest { parent: "calendars/default".into(), ..Default::default() };
        let name = grpc.events().list_events(list).await.expect("events").into_inner().events[0].name.clone();
        let request = calendar::SplitSeriesRequest {
            event: Some(calendar::Event { name: name.clone(), summary: "Weekly, bigger".into(), ..Default::default() }),
            original_start_time: at("2026-12-07T09:00:00Z"),
            ..Default::default()
        };
        refused(sandbox.grpc("neighbour").series().split_series(request.clone()).await, Code::NotFound, &name);
        let parts = grpc.series().split_series(request).await.expect("two parts").into_inner();
        let (before, after) = (parts.before.expect("before"), parts.after.expect("after"));
        assert_eq!(before.name, name);
        assert_eq!(after.recurrence_rule, "FREQ=WEEKLY;COUNT=4");

        let old = http.get(path).await.expect(200);
        assert_ne!(old.header("etag"), etag);
        assert!(old.text().contains("RRULE:FREQ=WEEKLY;UNTIL=20261207T085959Z\r\n") && old.text().contains("X-MOZ-GENERATION:3\r\n"), "{}", old.text());
        http.put(path, &[("if-match", &etag)], SERIES).await.expect(412);
        let expand = "<C:calendar-query xmlns:D=\"DAV:\" xmlns:C=\"urn:ietf:params:xml:ns:caldav\"><D:prop><C:calendar-data>\
            <C:expand start=\"20261101T000000Z\" end=\"20270201T000000Z\"/></C:calendar-data></D:prop>\
            <C:filter><C:comp-filter name=\"VCALENDAR\"/></C:filter></C:calendar-query>";
        let found = http.report("/dav/calendars/sales/work/", "1", expand).await.expect(207).text();
        let counts: Vec<(usize, bool)> = texts(&found, "calendar-data")
            .iter()
            .map(|data| (data.matches("BEGIN:VEVENT").count(), data.contains("SUMMARY:Weekly\\, bigger")))
            .collect();
        assert_eq!(counts, [(2, false), (4, true)]);
    }
}
