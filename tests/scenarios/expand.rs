//! Calendar data in other forms than the stored one: expanded, limited, in parts.
//! Row D5.

use kontor_tests::{Answer, Http, both};

use crate::support::texts;

const WORK: &str = "/dav/calendars/sales/work/";

const SERIES: &str = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//test//EN\r\n\
    BEGIN:VEVENT\r\nUID:series\r\nDTSTAMP:20260101T000000Z\r\nDTSTART;TZID=Europe/Brussels:20260323T090000\r\n\
    DTEND;TZID=Europe/Brussels:20260323T100000\r\nRRULE:FREQ=DAILY\r\nEXDATE;TZID=Europe/Brussels:20260328T090000\r\nSUMMARY:Stand-up\r\nEND:VEVENT\r\n\
    BEGIN:VEVENT\r\nUID:series\r\nDTSTAMP:20260101T000000Z\r\nRECURRENCE-ID;TZID=Europe/Brussels:20260330T090000\r\n\
    DTSTART;TZID=Europe/Brussels:20260330T150000\r\nDTEND;TZID=Europe/Brussels:20260330T160000\r\nSUMMARY:Later\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";

/// calendar-query for events in a range, with calendar-data in a form.
async fn query(http: &Http, form: &str, (from, to): (&str, &str), more: &str) -> Answer {
    let body = format!(
        "<C:calendar-query xmlns:D=\"DAV:\" xmlns:C=\"urn:ietf:params:xml:ns:caldav\"><D:prop><D:getetag/><C:calendar-data>{form}</C:calendar-data></D:prop>\
         <C:filter><C:comp-filter name=\"VCALENDAR\"><C:comp-filter name=\"VEVENT\"><C:time-range start=\"{from}\" end=\"{to}\"/></C:comp-filter></C:comp-filter></C:filter>{more}</C:calendar-query>"
    );
    http.report(WORK, "1", body).await
}

fn form(name: &str, (from, to): (&str, &str)) -> String {
    format!("<C:{name} start=\"{from}\" end=\"{to}\"/>")
}

const WEEKEND: (&str, &str) = ("20260327T000000Z", "20260331T000000Z");

/// What the weekend with the change of the clock holds.
fn check_weekend(data: &str) {
    assert_eq!(data.matches("BEGIN:VEVENT").count(), 3, "{data}");
    for part in [
        "DTSTART:20260327T080000Z\r\nRECURRENCE-ID:20260327T080000Z\r\nDTEND:20260327T090000Z\r\n",
        "DTSTART:20260329T070000Z\r\nRECURRENCE-ID:20260329T070000Z\r\nDTEND:20260329T080000Z\r\n",
        "DTSTART:20260330T130000Z\r\nRECURRENCE-ID:20260330T070000Z\r\nDTEND:20260330T140000Z\r\nSUMMARY:Later\r\n",
    ] {
        assert!(data.contains(part), "{part} is not in {data}");
    }
    for gone in ["RRULE", "EXDATE", "TZID", "VTIMEZONE"] {
        assert!(!data.contains(gone), "{gone} is in {data}");
    }
}

both! {
    async fn d5_expand_gives_each_instance_in_query_multiget_and_sync(sandbox: Sandbox) {
        let http = sandbox.http("sales");
        http.put(&format!("{WORK}series.ics"), &[], SERIES).await.expect(201);
        let expand = form("expand", WEEKEND);
        let found = query(&http, &expand, WEEKEND, "").await.expect(207).text();
        check_weekend(&texts(&found, "calendar-data")[0]);

        let multiget = format!(
            "<C:calendar-multiget xmlns:D=\"DAV:\" xmlns:C=\"urn:ietf:params:xml:ns:caldav\"><D:prop><C:calendar-data>{expand}</C:calendar-data></D:prop>\
             <D:href>{WORK}series.ics</D:href></C:calendar-multiget>"
        );
        let found = http.report(WORK, "1", multiget).await.expect(207).text();
        check_weekend(&texts(&found, "calendar-data")[0]);

        let sync = format!(
            "<D:sync-collection xmlns:D=\"DAV:\" xmlns:C=\"urn:ietf:params:xml:ns:caldav\"><D:sync-token/><D:sync-level>1</D:sync-level>\
             <D:prop><C:calendar-data>{expand}</C:calendar-data></D:prop></D:sync-collection>"
        );
        let found = http.report(WORK, "1", sync).await.expect(207).text();
        check_weekend(&texts(&found, "calendar-data")[0]);
        assert_eq!(texts(&found, "sync-token").len(), 1);

        // In parts: only what was named of each instance.
        let parts = format!(
            "{expand}<C:comp name=\"VCALENDAR\"><C:prop name=\"VERSION\"/><C:comp name=\"VEVENT\"><C:prop name=\"UID\"/><C:prop name=\"RECURRENCE-ID\"/></C:comp></C:comp>"
        );
        let found = query(&http, &parts, WEEKEND, "").await.expect(207).text();
        let data = &texts(&found, "calendar-data")[0];
        assert!(data.contains("BEGIN:VEVENT\r\nUID:series\r\nRECURRENCE-ID:20260327T080000Z\r\nEND:VEVENT\r\n"), "{data}");
        assert_eq!(data.matches("RECURRENCE-ID").count(), 3);
        assert!(!data.contains("SUMMARY") && !data.contains("PRODID"), "{data}");

        // The bytes themselves are as they were.
        assert_eq!(http.get(&format!("{WORK}series.ics")).await.expect(200).text(), SERIES);
    }

    async fn d5_floating_times_and_days_expand_in_the_zone_of_the_calendar_or_of_the_query(sandbox: Sandbox) {
        let http = sandbox.http("sales");
        let zone = "<D:propertyupdate xmlns:D=\"DAV:\" xmlns:C=\"urn:ietf:params:xml:ns:caldav\"><D:set><D:prop><C:calendar-timezone>BEGIN:VCALENDAR&#13;\n\
            VERSION:2.0&#13;\nPRODID:x&#13;\nBEGIN:VTIMEZONE&#13;\nTZID:Asia/Tokyo&#13;\nBEGIN:STANDARD&#13;\nDTSTART:19700101T000000&#13;\nTZOFFSETFROM:+0900&#13;\n\
            TZOFFSETTO:+0900&#13;\nEND:STANDARD&#13;\nEND:VTIMEZONE&#13;\nEND:VCALENDAR&#13;\n</C:calendar-timezone></D:prop></D:set></D:propertyupdate>";
        http.send("PROPPATCH", WORK, &[("content-type", "application/xml")], zone).await.expect(207);
        let floating = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//test//EN\r\nBEGIN:VEVENT\r\nUID:f\r\nDTSTAMP:20260101T000000Z\r\n\
            DTSTART:20260323T090000\r\nDTEND:20260323T100000\r\nRRULE:FREQ=DAILY\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";
        http.put(&format!("{WORK}f.ics"), &[], floating).await.expect(201);
        // 09:00 in Tokyo is 00:00 UTC.
        let hour = ("20260325T000000Z", "20260325T010000Z");
        let found = query(&http, &form("expand", hour), hour, "").await.expect(207).text();
        let data = &texts(&found, "calendar-data")[0];
        assert!(data.contains("DTSTART:20260325T090000\r\nRECURRENCE-ID:20260325T090000\r\nDTEND:20260325T100000\r\n"), "{data}");
        assert_eq!(data.matches("BEGIN:VEVENT").count(), 1);
        let hour = ("20260325T140000Z", "20260325T150000Z");
        let zone = "<C:timezone-id>America/New_York</C:timezone-id>";
        assert!(texts(&query(&http, &form("expand", hour), hour, "").await.expect(207).text(), "calendar-data").is_empty());
        let hour = ("20260325T130000Z", "20260325T140000Z");
        let found = query(&http, &form("expand", hour), hour, zone).await.expect(207).text();
        assert!(texts(&found, "calendar-data")[0].contains("DTSTART:20260325T090000\r\n"), "{found}");
    }

    async fn d5_limit_recurrence_set_leaves_out_what_does_not_matter(sandbox: Sandbox) {
        let http = sandbox.http("sales");
        http.put(&format!("{WORK}series.ics"), &[], SERIES).await.expect(201);
        let found = query(&http, &form("limit-recurrence-set", WEEKEND), WEEKEND, "").await.expect(207).text();
        assert_eq!(texts(&found, "calendar-data")[0], SERIES);
        let later = ("20260401T000000Z", "20260402T000000Z");
        let found = query(&http, &form("limit-recurrence-set", later), later, "").await.expect(207).text();
        let cut = SERIES.rfind("BEGIN:VEVENT").expect("the override");
        assert_eq!(texts(&found, "calendar-data")[0], format!("{}END:VCALENDAR\r\n", &SERIES[..cut]));
        let found = query(&http, &form("limit-freebusy-set", later), later, "").await.expect(207).text();
        assert_eq!(texts(&found, "calendar-data")[0], SERIES);
        for bad in ["<C:expand/>".to_owned(), form("expand", ("20260402T000000Z", "20260401T000000Z"))] {
            query(&http, &bad, WEEKEND, "").await.expect(400);
        }
    }

    async fn d5_an_endless_rule_in_a_small_report_costs_little(sandbox: Sandbox) {
        let http = sandbox.http("sales");
        let endless = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//test//EN\r\nBEGIN:VEVENT\r\nUID:e\r\nDTSTAMP:20260101T000000Z\r\n\
            DTSTART:20000101T000000Z\r\nDURATION:PT1S\r\nRRULE:FREQ=SECONDLY\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";
        http.put(&format!("{WORK}a.ics"), &[], endless).await.expect(201);
        let ages = ("20000101T000000Z", "29990101T000000Z");
        let begin = std::time::Instant::now();
        let refused = query(&http, &form("expand", ages), ages, "").await.expect(403).text();
        assert!(refused.contains("number-of-matches-within-limits"), "{refused}");
        // Behind others that were written already the answer ends with the same.
        http.put(&format!("{WORK}b.ics"), &[], endless.replace("UID:e", "UID:b")).await.expect(201);
        http.put(&format!("{WORK}a.ics"), &[], SERIES.replace("UID:series", "UID:e").replace("FREQ=DAILY", "FREQ=DAILY;COUNT=3")).await.expect(204);
        let cut = query(&http, &form("expand", ages), ages, "").await.expect(207).text();
        assert_eq!(texts(&cut, "calendar-data").len(), 1, "{cut}");
        assert!(cut.contains("507 Insufficient Storage") && cut.contains("number-of-matches-within-limits"), "{cut}");
        assert!(begin.elapsed() < std::time::Duration::from_secs(10), "{:?}", begin.elapsed());
    }
}
