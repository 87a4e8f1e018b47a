//! Bad input: each fault has its own clear answer, in bounded time and memory, and the server goes on.
//! Rows D2, D3, T2 from their dark side.

use std::time::{Duration, Instant};

use kontor_tests::{Grpc, Http, Sandbox, both};
use tonic::Code;

use crate::support::texts;

async fn first_child(http: &Http, home: &str) -> String {
    let answer = http.propfind(home, "1", "<D:resourcetype/>").await.expect(207).text();
    texts(&answer, "href").into_iter().find(|href| href != home).expect("a collection")
}

fn calendar(lines: &str) -> String {
    format!("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//t//EN\r\n{lines}END:VCALENDAR\r\n")
}

async fn still_serves(sandbox: &Sandbox) {
    sandbox.http("sales").propfind("/dav/calendars/sales/", "0", "<D:displayname/>").await.expect(207);
}

both! {
    async fn broken_calendars_and_cards_are_403_with_the_right_precondition(sandbox: Sandbox) {
        let http = sandbox.http("sales");
        let path = first_child(&http, "/dav/calendars/sales/").await;
        let nested = "BEGIN:X\r\n".repeat(100_000);
        let event = |lines: &str| calendar(&format!("BEGIN:VEVENT\r\nUID:a\r\nDTSTAMP:20261101T080000Z\r\n{lines}END:VEVENT\r\n"));
        for (body, element) in [
            ("not a calendar at all".to_owned(), "valid-calendar-data"),
            (event("DTSTART:rubbish\r\n"), "valid-calendar-data"),
            (calendar(&nested), "valid-calendar-data"),
            (event("DTSTART:20261123T090000Z\r\nRRULE:FREQ=SOMETIMES\r\n"), "valid-calendar-data"),
            (calendar("BEGIN:VEVENT\r\nDTSTAMP:20261101T080000Z\r\nDTSTART:20261123T090000Z\r\nEND:VEVENT\r\n"), "valid-calendar-object-resource"),
            (event("DTSTART:20261123T090000Z\r\nEND:VEVENT\r\nBEGIN:VEVENT\r\nUID:b\r\nDTSTAMP:20261101T080000Z\r\nDTSTART:20261123T090000Z\r\n"), "valid-calendar-object-resource"),
        ] {
            let started = Instant::now();
            let answer = http.put(&format!("{path}bad.ics"), &[], body).await.expect(403);
            assert!(answer.text().contains(element), "{element}: {}", answer.text());
            assert!(started.elapsed() < Duration::from_secs(5));
        }
        http.get(&format!("{path}bad.ics")).await.expect(404);
        let book = first_child(&http, "/dav/addressbooks/sales/").await;
        for body in ["rubbish", "BEGIN:VCARD\r\nVERSION:3.0\r\nUID:a\r\nEND:VCARD\r\nBEGIN:VCARD\r\nVERSION:3.0\r\nUID:b\r\nFN:B\r\nEND:VCARD\r\n"] {
            let answer = http.put(&format!("{book}bad.vcf"), &[], body).await.expect(403);
            assert!(answer.text().contains("valid-address-data"), "{}", answer.text());
        }
        // One UID once in a calendar: the answer says where it is.
        let good = event("DTSTART:20261123T090000Z\r\n");
        http.put(&format!("{path}first.ics"), &[], good.clone()).await.expect(201);
        let twin = http.put(&format!("{path}twin.ics"), &[], good).await.expect(409);
        assert!(twin.text().contains("no-uid-conflict") && twin.text().contains("first.ics"), "{}", twin.text());
        still_serves(&sandbox).await;
    }

    async fn a_body_over_ten_megabytes_is_413(sandbox: Sandbox) {
        let http = sandbox.http("sales");
        let path = first_child(&http, "/dav/calendars/sales/").await;
        let body = calendar(&format!("X-LONG:{}\r\n", "x".repeat(11 * 1024 * 1024)));
        http.put(&format!("{path}big.ics"), &[], body).await.expect(413);
        still_serves(&sandbox).await;
    }

    async fn an_endless_rule_costs_bounded_time(sandbox: Sandbox) {
        let http = sandbox.http("sales");
        let path = first_child(&http, "/dav/calendars/sales/").await;
        for (number, rule) in ["FREQ=SECONDLY", "FREQ=SECONDLY;BYMONTH=2;BYMONTHDAY=30", "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30", "FREQ=MINUTELY;BYSECOND=0,1,2,3,4,5,6,7,8,9"].iter().enumerate() {
            let started = Instant::now();
            let event = format!("BEGIN:VEVENT\r\nUID:endless{number}\r\nDTSTAMP:20261101T080000Z\r\nDTSTART:19900101T090000Z\r\nRRULE:{rule}\r\nEND:VEVENT\r\n");
            let answer = http.put(&format!("{path}endless{number}.ics"), &[], calendar(&event)).await;
            assert!([201, 403].contains(&answer.status.as_u16()), "{rule}: {} {}", answer.status, answer.text());
            let query = "<C:calendar-query xmlns:D=\"DAV:\" xmlns:C=\"urn:ietf:params:xml:ns:caldav\"><D:prop><D:getetag/></D:prop><C:filter><C:comp-filter name=\"VCALENDAR\">\
                <C:comp-filter name=\"VEVENT\"><C:time-range start=\"20361201T000000Z\" end=\"20361202T000000Z\"/></C:comp-filter></C:comp-filter></C:filter></C:calendar-query>";
            http.report(&path, "1", query).await.expect(207);
            assert!(started.elapsed() < Duration::from_secs(10), "{rule}: {:?}", started.elapsed());
        }
        still_serves(&sandbox).await;
    }

    async fn xml_bombs_and_depths_are_refused(sandbox: Sandbox) {
        let http = sandbox.http("sales");
        let deep = format!("<D:propfind xmlns:D=\"DAV:\">{}{}</D:propfind>", "<D:prop>".repeat(100_000), "</D:prop>".repeat(100_000));
        let bomb = "<?xml version=\"1.0\"?><!DOCTYPE x [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;\">]><D:propfind xmlns:D=\"DAV:\"><D:prop>&b;</D:prop></D:propfind>";
        for body in [deep.as_str(), bomb, "<D:propfind", "no xml"] {
            let answer = http.send("PROPFIND", "/dav/calendars/sales/", &[("depth", "0")], body.to_owned()).await;
            assert!(answer.status.is_client_error(), "{}", answer.status);
        }
        let infinity = http.send("PROPFIND", "/dav/calendars/sales/", &[("depth", "infinity")], "").await.expect(403);
        assert!(infinity.text().contains("propfind-finite-depth"), "{}", infinity.text());
        still_serves(&sandbox).await;
    }

    async fn wrong_passwords_are_limited_for_user_and_address_and_no_other_user_is_shut_out(sandbox: Sandbox) {
        let wrong = Http::new(&sandbox.address()).sign_in("sales", "guess");
        let mut limited = 0;
        for number in 0..40 {
            let answer = wrong.sign_in_guess(number).await;
            match answer.status.as_u16() {
                401 => {}
                429 => {
                    assert!(!answer.header("retry-after").is_empty());
                    limited += 1;
                }
                other => panic!("{other}"),
            }
        }
        assert!(limited > 0, "guessing was never limited");
        // Another user of the same house is not shut out.
        sandbox.http("manager").propfind("/dav/calendars/manager/", "0", "<D:displayname/>").await.expect(207);
    }

    async fn an_unknown_method_is_unimplemented_in_grpc_and_404_in_http(sandbox: Sandbox) {
        let http = sandbox.http("sales");
        let answer = http.send("POST", "/kontor.pipeline.v1.LeadService/NoSuchMethod", &[("content-type", "application/grpc"), ("te", "trailers")], "").await.expect(200);
        assert_eq!(answer.header("grpc-status"), "12");
        let hidden = http.send("POST", "/kontor.collection.v1.CollectionService/PutObject", &[("content-type", "application/grpc"), ("te", "trailers")], "").await.expect(200);
        assert_eq!(hidden.header("grpc-status"), "12");
        http.send("POST", "/kontor.pipeline.v1.LeadService/CreateLead", &[], "").await.expect(404);
        let sent = Grpc::new(&sandbox.address(), "sales", "correct horse").leads().get_lead(kontor_proto::pipeline::v1::GetLeadRequest { name: "rubbish".into() }).await;
        crate::support::refused(sent, Code::InvalidArgument, "name");
    }
}

trait Guess {
    async fn sign_in_guess(&self, number: u32) -> kontor_tests::Answer;
}

impl Guess for Http {
    /// A new guess each time, so that no cache of answers is what is tested.
    async fn sign_in_guess(&self, number: u32) -> kontor_tests::Answer {
        self.clone()
            .sign_in("sales", &format!("guess {number}"))
            .propfind("/dav/calendars/sales/", "0", "<D:displayname/>")
            .await
    }
}
