//! What Outlook sends through CalDav Synchronizer, in its order, written from its public source (no Outlook runs here).
//! Row D13.

use kontor_proto::calendar::v1::{ListEventsRequest, ListOccurrencesRequest, Occurrence, UpdateEventRequest};
use kontor_tests::{Answer, Grpc, Http, both};

use crate::support::texts;

const XML: (&str, &str) = ("content-type", "application/xml");
const AGENT: (&str, &str) = ("user-agent", "CalDavSynchronizer/4.4");
const CALENDAR: &str = "/dav/calendars/sales/work/";

/// A weekly meeting as Outlook has it: a Windows zone with spaces in its name, one instance moved, one cancelled by EXDATE, and its own
/// properties. The two VEVENTs of one UID come in one PUT.
const MEETING: &str = "BEGIN:VCALENDAR\r\nPRODID:-//CalDavSynchronizer//EN\r\nVERSION:2.0\r\nX-WR-RELCALID:{0000002E-7C5A-4B1E-8F6B-0A1B2C3D4E5F}\r\nX-MS-OLK-FORCEINSPECTOROPEN:TRUE\r\n\
    BEGIN:VTIMEZONE\r\nTZID:W. Europe Standard Time\r\nBEGIN:STANDARD\r\nDTSTART:16010101T030000\r\nRRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=10\r\nTZOFFSETFROM:+0200\r\nTZOFFSETTO:+0100\r\n\
    END:STANDARD\r\nBEGIN:DAYLIGHT\r\nDTSTART:16010101T020000\r\nRRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=3\r\nTZOFFSETFROM:+0100\r\nTZOFFSETTO:+0200\r\nEND:DAYLIGHT\r\nEND:VTIMEZONE\r\n\
    BEGIN:VEVENT\r\nCLASS:PUBLIC\r\nCREATED:20260901T080000Z\r\nDTEND;TZID=\"W. Europe Standard Time\":20261019T100000\r\nDTSTAMP:20260901T080000Z\r\n\
    DTSTART;TZID=\"W. Europe Standard Time\":20261019T090000\r\nEXDATE;TZID=W. Europe Standard Time:20261026T090000\r\nLAST-MODIFIED:20260901T080000Z\r\nPRIORITY:5\r\n\
    RRULE:FREQ=WEEKLY;COUNT=4;BYDAY=MO\r\nSEQUENCE:0\r\nSUMMARY;LANGUAGE=de:Jour fixe\r\nTRANSP:OPAQUE\r\nUID:040000008200E00074C5B7101A82E00800000000A0\r\n\
    X-ALT-DESC;FMTTYPE=text/html:<html><body>Guten\\nTag</body></html>\r\nX-MICROSOFT-CDO-BUSYSTATUS:BUSY\r\nX-MICROSOFT-CDO-IMPORTANCE:1\r\nX-MICROSOFT-DISALLOW-COUNTER:FALSE\r\n\
    X-MS-OLK-AUTOFILLLOCATION:FALSE\r\nX-MS-OLK-CONFTYPE:0\r\nBEGIN:VALARM\r\nTRIGGER:-PT15M\r\nACTION:DISPLAY\r\nDESCRIPTION:Reminder\r\nEND:VALARM\r\nEND:VEVENT\r\n\
    BEGIN:VEVENT\r\nDTEND;TZID= W. Europe Standard Time :20261103T150000\r\nDTSTAMP:20260901T080000Z\r\nDTSTART;TZID= W. Europe Standard Time :20261103T140000\r\n\
    RECURRENCE-ID;TZID=W. Europe Standard Time:20261102T090000\r\nSEQUENCE:0\r\nSUMMARY;LANGUAGE=de:Jour fixe (verschoben)\r\nUID:040000008200E00074C5B7101A82E00800000000A0\r\n\
    X-MICROSOFT-CDO-BUSYSTATUS:OOF\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";

async fn ask(http: &Http, method: &str, path: &str, depth: &str, body: &str) -> Answer {
    let headers = [("depth", depth), ("accept-charset", "utf-8"), XML, AGENT];
    http.send(method, path, &headers, format!("<?xml version='1.0'?>\r\n{body}")).await
}

async fn propfind(http: &Http, path: &str, depth: &str, properties: &str) -> String {
    let body = format!(
        "<D:propfind xmlns:D=\"DAV:\" xmlns:C=\"urn:ietf:params:xml:ns:caldav\"><D:prop>{properties}</D:prop></D:propfind>"
    );
    ask(http, "PROPFIND", path, depth, &body).await.expect(207).text()
}

/// All that is between two days, with ETags alone.
async fn versions(http: &Http, from: &str, to: &str) -> String {
    let body = format!(
        "<C:calendar-query xmlns:C=\"urn:ietf:params:xml:ns:caldav\"><D:prop xmlns:D=\"DAV:\"><D:getetag/></D:prop><C:filter><C:comp-filter name=\"VCALENDAR\">\
         <C:comp-filter name=\"VEVENT\"><C:time-range start=\"{from}T000000Z\" end=\"{to}T000000Z\"/></C:comp-filter></C:comp-filter></C:filter></C:calendar-query>"
    );
    ask(http, "REPORT", CALENDAR, "1", &body).await.expect(207).text()
}

fn multiget(hrefs: impl Iterator<Item = String>) -> String {
    let hrefs: String = hrefs.map(|href| format!("<D:href>{href}</D:href>\r\n")).collect();
    format!(
        "<C:calendar-multiget xmlns:C=\"urn:ietf:params:xml:ns:caldav\" xmlns:D=\"DAV:\"><D:prop><D:getetag/><D:displayname/><C:calendar-data/></D:prop>{hrefs}</C:calendar-multiget>"
    )
}

async fn sync(http: &Http, token: &str) -> Answer {
    let body = format!(
        "<D:sync-collection xmlns:D=\"DAV:\"><D:sync-token>{token}</D:sync-token><D:sync-level>1</D:sync-level><D:prop><D:getetag/></D:prop></D:sync-collection>"
    );
    ask(http, "REPORT", CALENDAR, "0", &body).await
}

async fn occurrences(grpc: &Grpc) -> Vec<Occurrence> {
    let instant = |text: &str| {
        kontor_kit::clock::to_proto(text.parse::<jiff::Timestamp>().expect("an instant").as_microsecond())
    };
    let request = ListOccurrencesRequest {
        parent: "calendars/default".into(),
        start_time: Some(instant("2026-10-01T00:00:00Z")),
        end_time: Some(instant("2026-12-01T00:00:00Z")),
        ..Default::default()
    };
    grpc.events().list_occurrences(request).await.expect("occurrences").into_inner().occurrences
}

/// Starts in UTC, as text.
fn starts(occurrences: &[Occurrence]) -> Vec<String> {
    let start =
        |occurrence: &Occurrence| occurrence.start_time.as_ref().map_or(0, kontor_kit::clock::from_proto);
    occurrences
        .iter()
        .map(|it| jiff::Timestamp::from_microsecond(start(it)).expect("a time").to_string())
        .collect()
}

both! {
    async fn d13_outlook_finds_the_calendar_and_sees_what_it_may(sandbox: Sandbox) {
        let http = sandbox.http("sales");
        let found = propfind(&http, "/dav/", "0", "<D:current-user-principal/><D:principal-URL/><D:resourcetype/>").await;
        let principal = found.split("current-user-principal><D:href>").nth(1).and_then(|rest| rest.split('<').next()).expect("a principal").to_owned();
        let found = propfind(&http, &principal, "0", "<C:calendar-home-set/>").await;
        assert!(found.contains("/dav/calendars/sales/"), "{found}");
        let listed = propfind(&http, "/dav/calendars/sales/", "1", "<D:resourcetype /><D:displayname /><C:supported-calendar-component-set />").await;
        assert!(listed.contains(CALENDAR) && listed.contains("<C:calendar/>") && listed.contains("VTODO"), "{listed}");
        // The test of the connection: the DAV header, the type by allprop, the report and the privileges.
        let options = http.send("OPTIONS", CALENDAR, &[AGENT], "").await.expect(200);
        assert!(options.header("dav").split(',').any(|option| option.trim() == "calendar-access"));
        let all = ask(&http, "PROPFIND", CALENDAR, "0", "<D:propfind xmlns:D=\"DAV:\"><D:allprop/></D:propfind>").await.expect(207).text();
        assert!(all.contains("<C:calendar/>"), "{all}");
        let may = propfind(&http, CALENDAR, "0", "<D:supported-report-set/><D:current-user-privilege-set/>").await;
        for element in ["<C:calendar-query/>", "<C:calendar-multiget/>", "<D:sync-collection/>", "<D:write-content/>", "<D:bind/>", "<D:unbind/>"] {
            assert!(may.contains(element), "{element} in {may}");
        }
        // Nothing there is no error.
        assert_eq!(texts(&versions(&http, "20261001", "20261201").await, "href"), Vec::<String>::new());
    }

    async fn d13_what_outlook_writes_stays_and_happens_at_the_right_time(sandbox: Sandbox) {
        let http = sandbox.http("sales");
        let path = format!("{CALENDAR}c7e0a1d2-5a55-4c8e-9d1b-3f2a.ics");
        let kind = ("content-type", "text/calendar; charset=utf-8");
        let made = http.send("PUT", &path, &[("if-none-match", "*"), kind, AGENT], MEETING).await.expect(201);
        assert!(!made.header("etag").is_empty(), "the bytes are stored as they came");
        http.send("PUT", &path, &[("if-none-match", "*"), kind, AGENT], MEETING).await.expect(412);
        assert_eq!(http.get(&path).await.expect(200).text(), MEETING);
        let listed = versions(&http, "20261101", "20261108").await;
        assert!(listed.contains(&path) && listed.contains(made.header("etag").trim_matches('"')), "{listed}");
        let read = ask(&http, "REPORT", CALENDAR, "1", &multiget([path.clone()].into_iter())).await.expect(207).text();
        for part in ["X-MICROSOFT-CDO-BUSYSTATUS:OOF", "X-MS-OLK-CONFTYPE:0", "TZID= W. Europe Standard Time :20261103T140000", "TZID:W. Europe Standard Time", "RECURRENCE-ID"] {
            assert!(read.contains(part), "{part} in {read}");
        }
        // 19 October is summer time, 9 November is not; 26 October is excepted, 2 November moved.
        let found = occurrences(&sandbox.grpc("sales")).await;
        assert_eq!(starts(&found), ["2026-10-19T07:00:00Z", "2026-11-03T13:00:00Z", "2026-11-09T08:00:00Z"]);
        assert_eq!(found[1].summary, "Jour fixe (verschoben)");
        // A change over gRPC leaves every line that it does not concern; the next update of Outlook needs the new ETag.
        let grpc = sandbox.grpc("sales");
        let list = ListEventsRequest { parent: "calendars/default".into(), ..Default::default() };
        let mut event = grpc.events().list_events(list).await.expect("events").into_inner().events.remove(0);
        event.location = "Raum 1".into();
        event.etag = String::new();
        let update_mask = Some(prost_types::FieldMask { paths: vec!["location".into()] });
        grpc.events().update_event(UpdateEventRequest { event: Some(event), update_mask, ..Default::default() }).await.expect("changed");
        let now = http.get(&path).await.expect(200);
        let text = now.text();
        assert!(text.contains("LOCATION:Raum 1\r\n"), "{text}");
        for line in MEETING.lines().filter(|line| ["X-", "DTSTART", "DTEND", "RRULE", "EXDATE", "TZID", "RECURRENCE-ID", "SUMMARY", "UID"].iter().any(|name| line.starts_with(name))) {
            assert!(text.contains(&format!("{line}\r\n")), "{line} in {text}");
        }
        let etag = now.header("etag").to_owned();
        http.send("PUT", &path, &[("if-match", made.header("etag")), kind, AGENT], MEETING).await.expect(412);
        let updated = http.send("PUT", &path, &[("if-match", &etag), kind, AGENT], MEETING.replace("Jour fixe\r", "Besprechung\r")).await.expect(204);
        assert!(!updated.header("etag").is_empty());
        assert_eq!(starts(&occurrences(&grpc).await).len(), 3);
        http.send("DELETE", &path, &[("if-match", updated.header("etag")), AGENT], "").await.expect(204);
        assert!(occurrences(&grpc).await.is_empty());
    }

    async fn d13_a_token_that_is_not_known_starts_outlook_over(sandbox: Sandbox) {
        let http = sandbox.http("sales");
        let path = format!("{CALENDAR}a.ics");
        http.put(&path, &[], MEETING).await.expect(201);
        let first = sync(&http, "").await.expect(207).text();
        let token = texts(&first, "sync-token").pop().expect("a token");
        assert!(first.contains(&path), "{first}");
        let (start, number) = token.rsplit_once('/').expect("it ends with a number");
        let number: i64 = number.parse().expect("a number");
        for wrong in [format!("{start}/{}", number + 1_000), "urn:other:server:token".to_owned(), format!("http://kontor/ns/sync/0/{number}")] {
            let refused = sync(&http, &wrong).await.expect(403);
            assert!(refused.text().contains("valid-sync-token"), "{}", refused.text());
        }
        let again = sync(&http, "").await.expect(207).text();
        assert!(again.contains(&path) && texts(&again, "sync-token") == [token.clone()], "{again}");
        http.send("DELETE", &path, &[], "").await.expect(204);
        let gone = sync(&http, &token).await.expect(207).text();
        assert!(gone.contains(&path) && gone.contains("404"), "{gone}");
    }

    async fn d13_a_multiget_of_megabytes_is_answered(sandbox: Sandbox) {
        let http = sandbox.http("sales");
        let path = format!("{CALENDAR}there.ics");
        http.put(&path, &[], MEETING).await.expect(201);
        let hrefs = (0..20_000).map(|number| format!("{CALENDAR}{number:0>8}-5a55-4c8e-9d1b-3f2a7b1c9e60-0a1b2c3d4e5f-{number:0>40}.ics"));
        let body = multiget(hrefs.chain([path.clone()]));
        assert!(body.len() > 2 * 1024 * 1024, "{}", body.len());
        let answer = ask(&http, "REPORT", CALENDAR, "1", &body).await.expect(207).text();
        assert_eq!(answer.matches("<D:response>").count(), 20_001);
        assert_eq!(answer.matches("<C:calendar-data").count(), 1);
        assert!(answer.contains("X-MICROSOFT-CDO-BUSYSTATUS:OOF"));
    }
}
