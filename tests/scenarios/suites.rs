//! The outside test suites against a whole Kontor: litmus, caldav-server-tester, python-caldav; and what they found.
//! Rows D2, D5, D6, D7, D9. The scripts, and the list of what does not apply, are in tests/clients/.

use std::path::PathBuf;
use std::time::Duration;

use kontor_tests::{Sandbox, both};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::Command;

use crate::scheduling::with_addresses;
use crate::support::texts;

/// Runs a script of tests/clients with the suites' own Python.
async fn all_steps_pass(script: &str, sandbox: &Sandbox, more: &[&str]) {
    let venv =
        std::env::var("KONTOR_TEST_VENV").expect("KONTOR_TEST_VENV names the tests' Python: run tests/run");
    steps_pass(&format!("{venv}-suites/bin/python"), script, sandbox, more).await;
}

async fn steps_pass(python: &str, script: &str, sandbox: &Sandbox, more: &[&str]) {
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("clients").join(script);
    let mut command = Command::new(python);
    let url = format!("http://{}/", sandbox.address());
    command.arg(script).args(["--url", &url, "--user", "sales", "--password", "correct horse"]).args(more);
    let output = command.kill_on_drop(true).output().await.expect("the script runs: tests/install brings it");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains(" 0 failed"), "{said}");
}

/// An answer as it comes over the wire.
async fn read_answer(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let whole = async {
        loop {
            let mut piece = [0; 4096];
            let length = stream.read(&mut piece).await.expect("the connection holds");
            assert_ne!(length, 0, "the connection is closed: {}", String::from_utf8_lossy(&answer));
            answer.extend_from_slice(&piece[..length]);
            let text = String::from_utf8_lossy(&answer);
            let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
            if body.len() >= length.unwrap_or(0) {
                return text.into_owned();
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(30), whole).await.expect("an answer in time")
}

both! {
    async fn d7_litmus_finds_no_fault(sandbox: Sandbox) {
        all_steps_pass("run_litmus.py", &sandbox, &[]).await;
    }

    async fn d14_litmus_finds_no_fault_among_the_documents(sandbox: Sandbox) {
        all_steps_pass("run_litmus.py", &sandbox, &["--files"]).await;
    }

    async fn d14_libreoffice_opens_locks_and_saves_a_template_in_place(sandbox: Sandbox) {
        // Debian's own Python: LibreOffice's bridge is made for that one.
        steps_pass("/usr/bin/python3", "run_office.py", &sandbox, &[]).await;
    }

    async fn d5_caldav_server_tester_and_python_caldav_find_no_fault(sandbox: Sandbox) {
        with_addresses(&sandbox).await;
        all_steps_pass("run_caldav_suites.py", &sandbox, &["--guest", "manager", "--guest", "colleague"]).await;
    }

    /// python-caldav sends the body a moment after the headers, and its next request on the same connection.
    async fn d1_a_connection_lives_on_when_the_answer_comes_before_the_body(sandbox: Sandbox) {
        for (path, status) in [("/dav/", "401"), ("/.well-known/caldav", "301"), ("/nothing", "404")] {
            let mut stream = TcpStream::connect(sandbox.address()).await.expect("a connection");
            for _ in 0..3 {
                let head = format!("PROPFIND {path} HTTP/1.1\r\nhost: kontor\r\ndepth: 0\r\ncontent-length: 40\r\n\r\n");
                stream.write_all(head.as_bytes()).await.expect("it is open");
                tokio::time::sleep(Duration::from_millis(100)).await;
                stream.write_all(&[b' '; 40]).await.expect("it is open still");
                let answer = read_answer(&mut stream).await;
                assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{path}: {answer}");
            }
        }
    }

    async fn d7_what_has_no_parent_is_409_and_what_is_not_xml_415(sandbox: Sandbox) {
        let http = sandbox.http("sales");
        let card = "BEGIN:VCARD\r\nVERSION:4.0\r\nUID:a\r\nFN:A\r\nEND:VCARD\r\n";
        http.put("/dav/addressbooks/sales/none/such/a.vcf", &[], card).await.expect(409);
        http.send("MKCOL", "/dav/addressbooks/sales/none/such/book/", &[], "").await.expect(409);
        http.send("MKCALENDAR", "/dav/calendars/sales/none/such/calendar/", &[], "").await.expect(409);
        http.send("MKCOL", "/dav/addressbooks/sales/odd/", &[("content-type", "text/plain")], "a book, please").await.expect(415);
        http.send("MKCOL", "/dav/addressbooks/sales/odd/", &[("content-type", "text/xml")], "a book, please").await.expect(400);
        http.get("/dav/addressbooks/sales/odd/").await.expect(404);
        // Clients are careless with the name of XML.
        let body = "<D:mkcol xmlns:D=\"DAV:\"><D:set><D:prop><D:displayname>Odd</D:displayname></D:prop></D:set></D:mkcol>";
        http.send("MKCOL", "/dav/addressbooks/sales/odd/", &[("content-type", "text/plain")], body).await.expect(201);
    }

    async fn d5_alarms_are_found_by_when_they_go_off(sandbox: Sandbox) {
        let http = sandbox.http("sales");
        let event = |uid: &str, rule: &str, trigger: &str| {
            format!(
                "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//t//EN\r\nBEGIN:VEVENT\r\nUID:{uid}\r\nDTSTAMP:20261101T080000Z\r\nDTSTART:20261123T090000Z\r\n\
                 DTEND:20261123T100000Z\r\n{rule}BEGIN:VALARM\r\nACTION:DISPLAY\r\nDESCRIPTION:Go\r\n{trigger}\r\nEND:VALARM\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
            )
        };
        for (uid, rule, trigger) in [
            ("before", "", "TRIGGER:-PT15M"),
            ("behind", "", "TRIGGER;RELATED=END:PT5M"),
            ("daily", "RRULE:FREQ=DAILY\r\n", "TRIGGER:-PT30M"),
            ("fixed", "", "TRIGGER;VALUE=DATE-TIME:20261101T120000Z"),
        ] {
            http.put(&format!("/dav/calendars/sales/work/{uid}.ics"), &[], event(uid, rule, trigger)).await.expect(201);
        }
        for (from, to, found) in [
            ("20261123T084500Z", "20261123T084501Z", vec!["before"]),
            ("20261123T084501Z", "20261123T100500Z", vec![]),
            ("20261123T100500Z", "20261123T110000Z", vec!["behind"]),
            ("20291123T083000Z", "20291123T083001Z", vec!["daily"]),
            ("20261101T000000Z", "20261102T000000Z", vec!["fixed"]),
        ] {
            let query = format!(
                "<C:calendar-query xmlns:D=\"DAV:\" xmlns:C=\"urn:ietf:params:xml:ns:caldav\"><D:prop><D:getetag/></D:prop><C:filter><C:comp-filter name=\"VCALENDAR\">\
                 <C:comp-filter name=\"VEVENT\"><C:comp-filter name=\"VALARM\"><C:time-range start=\"{from}\" end=\"{to}\"/></C:comp-filter></C:comp-filter></C:comp-filter></C:filter></C:calendar-query>"
            );
            let answer = http.report("/dav/calendars/sales/work/", "1", query).await.expect(207).text();
            let wanted: Vec<String> = found.iter().map(|uid| format!("/dav/calendars/sales/work/{uid}.ics")).collect();
            assert_eq!(texts(&answer, "href"), wanted, "{from}");
        }
    }
}
