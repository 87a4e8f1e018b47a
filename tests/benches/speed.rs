//! Speed as ratios to a floor taken in the same run: raw SQLite reads, a bare tonic method, raw durable writes.
//! Run: `cargo build --release && cargo bench -p kontor-tests`. `KONTOR_TEST_OBJECTS` sets the size (20,000).
//!
//! Kontor runs as its own process; the figures are its CPU time, which noise of the machine moves less than wall time does.

use std::future::Future;
use std::path::Path;
use std::time::Instant;

use futures_util::stream::{self, StreamExt};
use kontor_proto::directory::v1::{GetContactRequest, ListContactsRequest};
use kontor_proto::pipeline::v1::{CreateLeadRequest, Lead};
use kontor_tests::process::{cpu_seconds_of, run};
use kontor_tests::{Grpc, Http, Process};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

const PASSWORD: &str = "a bench password";

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    if std::env::args().any(|argument| argument == "--echo") {
        runtime.block_on(echo_server());
    } else {
        runtime.block_on(bench());
    }
}

/// One figure: what, CPU of the server and wall time an operation, and the floor that it is held against.
struct Figure {
    what: &'static str,
    cpu_ms: f64,
    wall_ms: f64,
    floor: &'static str,
    floor_ms: f64,
}

async fn bench() {
    let size: usize =
        std::env::var("KONTOR_TEST_OBJECTS").ok().and_then(|text| text.parse().ok()).unwrap_or(20_000);
    let folder = tempfile::tempdir().expect("a folder");
    let floors = Floors::measure(folder.path(), size).await;
    let data = folder.path().join("kontor");
    let process = Process::start(&data, &[]).await;
    let arguments =
        ["user", "add", "bench", "--password-stdin", "--data", data.to_str().expect("a plain path")];
    let (good, _, errors) = run(&arguments, &format!("{PASSWORD}\n")).await;
    assert!(good, "{errors}");
    let http = Http::new(&process.address).sign_in("bench", PASSWORD);
    let grpc = Grpc::new(&process.address, "bench", PASSWORD);
    let (calendar, book) = fill(&process, &http, size).await;
    let mut figures = dav_figures(&process, &http, &calendar, &book, size, &floors).await;
    figures.extend(grpc_figures(&process, &grpc, &floors).await);
    println!("\n{size} events and {size} cards; memory {:.0} MiB\n", process.memory_mib());
    println!("| operation | CPU ms | wall ms | floor | floor ms | ratio |\n|---|---|---|---|---|---|");
    for Figure { what, cpu_ms, wall_ms, floor, floor_ms } in figures {
        println!(
            "| {what} | {cpu_ms:.3} | {wall_ms:.3} | {floor} | {floor_ms:.3} | {:.1} |",
            cpu_ms / floor_ms
        );
    }
    assert!(process.stop().await);
}

/// Runs an operation `times` times, `at_once` of them at a time; returns CPU and wall milliseconds an operation.
async fn measure<F: Future<Output = ()>>(
    process: &Process,
    times: usize,
    at_once: usize,
    operation: impl Fn(usize) -> F,
) -> (f64, f64) {
    operation(0).await;
    let (cpu, wall) = (process.cpu_seconds(), Instant::now());
    stream::iter(1..=times).map(operation).buffer_unordered(at_once).collect::<Vec<()>>().await;
    let each = 1_000.0 / times as f64;
    ((process.cpu_seconds() - cpu) * each, wall.elapsed().as_secs_f64() * each)
}

fn event(number: usize) -> String {
    let day = 1 + number % 28;
    let month = 1 + (number / 28) % 12;
    let year = 2025 + (number / 336) % 3;
    let rule = if number.is_multiple_of(20) { "RRULE:FREQ=WEEKLY;COUNT=30\r\n" } else { "" };
    format!(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//bench//EN\r\nBEGIN:VEVENT\r\nUID:event-{number}\r\nDTSTAMP:20261101T080000Z\r\n\
         DTSTART;TZID=Europe/Brussels:{year}{month:02}{day:02}T{hour:02}0000\r\nDURATION:PT1H\r\n{rule}SUMMARY:Meeting number {number}\r\n\
         DESCRIPTION:What we talk about in meeting {number}\\, and what comes of it\r\nLOCATION:Room {room}\r\n\
         BEGIN:VALARM\r\nACTION:DISPLAY\r\nTRIGGER:-PT15M\r\nDESCRIPTION:Reminder\r\nEND:VALARM\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n",
        hour = 8 + number % 10,
        room = number % 40
    )
}

fn card(number: usize) -> String {
    format!(
        "BEGIN:VCARD\r\nVERSION:3.0\r\nUID:card-{number}\r\nFN:Person {number}\r\nN:{number};Person;;;\r\nORG:Company {}\r\n\
         TEL;TYPE=CELL:+32471{number:06}\r\nEMAIL;TYPE=WORK:person{number}@company.example\r\nNOTE:Met at the fair\r\nEND:VCARD\r\n",
        number % 500
    )
}

/// Puts `size` events and cards; returns the paths of the calendar and the book.
async fn fill(process: &Process, http: &Http, size: usize) -> (String, String) {
    let calendar = "/dav/calendars/bench/bench/";
    for _ in 0..200 {
        if http.send("MKCALENDAR", calendar, &[], "").await.status == 201 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let book = "/dav/addressbooks/bench/bench/";
    let make = "<D:mkcol xmlns:D=\"DAV:\" xmlns:R=\"urn:ietf:params:xml:ns:carddav\"><D:set><D:prop><D:resourcetype><D:collection/><R:addressbook/></D:resourcetype></D:prop></D:set></D:mkcol>";
    http.send("MKCOL", book, &[("content-type", "application/xml")], make).await.expect(201);
    let filled = Instant::now();
    let put = |path: String, body: String| {
        let http = http.clone();
        async move {
            http.put(&path, &[], body).await.expect(201);
        }
    };
    let events = (0..size).map(|number| (format!("{calendar}event-{number}.ics"), event(number)));
    let cards = (0..size).map(|number| (format!("{book}card-{number}.vcf"), card(number)));
    stream::iter(events.chain(cards))
        .map(|(path, body)| put(path, body))
        .buffer_unordered(64)
        .collect::<Vec<()>>()
        .await;
    println!("filled in {:.1} s, {:.1} s CPU", filled.elapsed().as_secs_f64(), process.cpu_seconds());
    (calendar.to_owned(), book.to_owned())
}

fn sync_body(token: &str) -> String {
    format!(
        "<D:sync-collection xmlns:D=\"DAV:\"><D:sync-token>{token}</D:sync-token><D:sync-level>1</D:sync-level><D:prop><D:getetag/></D:prop></D:sync-collection>"
    )
}

fn multiget(calendar: &str, size: usize, start: usize) -> String {
    let hrefs: String = (0..50)
        .map(|step| format!("<D:href>{calendar}event-{}.ics</D:href>", (start * 53 + step * 7) % size))
        .collect();
    format!(
        "<C:calendar-multiget xmlns:D=\"DAV:\" xmlns:C=\"urn:ietf:params:xml:ns:caldav\"><D:prop><D:getetag/><C:calendar-data/></D:prop>{hrefs}</C:calendar-multiget>"
    )
}

const WEEK: &str = "<C:calendar-query xmlns:D=\"DAV:\" xmlns:C=\"urn:ietf:params:xml:ns:caldav\"><D:prop><D:getetag/><C:calendar-data/></D:prop><C:filter><C:comp-filter name=\"VCALENDAR\">\
    <C:comp-filter name=\"VEVENT\"><C:time-range start=\"20260601T000000Z\" end=\"20260608T000000Z\"/></C:comp-filter></C:comp-filter></C:filter></C:calendar-query>";
const POLL: &str = "<D:propfind xmlns:D=\"DAV:\" xmlns:S=\"http://calendarserver.org/ns/\"><D:prop><D:displayname/><S:getctag/><D:sync-token/></D:prop></D:propfind>";

async fn dav_figures(
    process: &Process,
    http: &Http,
    calendar: &str,
    book: &str,
    size: usize,
    floors: &Floors,
) -> Vec<Figure> {
    let mut figures = Vec::new();
    let mut add = |what, (cpu_ms, wall_ms), (floor, floor_ms)| {
        figures.push(Figure { what, cpu_ms, wall_ms, floor, floor_ms })
    };
    for (what, path) in [("all ETags of the calendar", calendar), ("all ETags of the book", book)] {
        let listed = measure(process, 20, 1, |_| async {
            assert!(http.propfind(path, "1", "<D:getetag/>").await.expect(207).body.len() > size * 50)
        });
        add(what, listed.await, floors.list());
    }
    let first = measure(process, 20, 1, |_| async {
        assert!(http.report(calendar, "0", sync_body("")).await.expect(207).body.len() > size * 50)
    });
    add("first sync", first.await, floors.list());
    let body = http.report(calendar, "0", sync_body("")).await.expect(207).text();
    let token = body
        .rsplit_once("sync-token>")
        .and_then(|(before, _)| before.rsplit_once('>'))
        .map(|(_, token)| token.trim_end_matches("</D:").to_owned())
        .expect("a token");
    for number in 0..10 {
        http.put(
            &format!("{calendar}event-{}.ics", number * 11),
            &[],
            event(number * 11).replace("Meeting", "Changed"),
        )
        .await
        .expect(204);
    }
    let after = measure(process, 400, 1, |_| async {
        let answer = http.report(calendar, "0", sync_body(&token)).await.expect(207).text();
        assert_eq!(answer.matches("<D:href>").count(), 10, "{answer}");
    });
    add("sync after 10 changes", after.await, floors.point());
    let many = measure(process, 200, 1, |number| async move {
        assert!(
            http.report(calendar, "1", multiget(calendar, size, number)).await.expect(207).body.len()
                > 50 * 400
        )
    });
    add("multiget of 50", many.await, floors.fifty());
    let week = measure(process, 50, 1, |_| async {
        assert!(http.report(calendar, "1", WEEK).await.expect(207).body.len() > 1_000)
    });
    add("a week's query with data", week.await, floors.fifty());
    let poll = measure(process, 2_000, 8, |_| async {
        http.send("PROPFIND", "/dav/calendars/bench/", &[("depth", "1")], POLL).await.expect(207);
    });
    add("home poll, 8 connections", poll.await, floors.point());
    let get = measure(process, 4_000, 8, |number| async move {
        http.get(&format!("{calendar}event-{}.ics", number * 37 % size)).await.expect(200);
    });
    add("GET, 8 connections", get.await, floors.point());
    for (what, at_once, times) in [("PUT, 1 connection", 1, 300), ("PUT, 8 connections", 8, 2_000)] {
        let put = measure(process, times, at_once, |number| async move {
            let number = (number * 41 + at_once) % size;
            http.put(
                &format!("{calendar}event-{number}.ics"),
                &[],
                event(number).replace("Room", &format!("Place {at_once}")),
            )
            .await
            .expect(204);
        });
        add(what, put.await, floors.write());
    }
    figures
}

async fn grpc_figures(process: &Process, grpc: &Grpc, floors: &Floors) -> Vec<Figure> {
    let book = ListContactsRequest { parent: "addressBooks/company".into(), ..Default::default() };
    let partner = kontor_proto::directory::v1::Partner { display_name: "One".into(), ..Default::default() };
    let request =
        kontor_proto::directory::v1::CreatePartnerRequest { partner: Some(partner), ..Default::default() };
    grpc.partners().create_partner(request).await.expect("a partner");
    let name =
        grpc.contacts().list_contacts(book).await.expect("contacts").into_inner().contacts[0].name.clone();
    let mut figures = Vec::new();
    let mut add = |what, (cpu_ms, wall_ms), (floor, floor_ms)| {
        figures.push(Figure { what, cpu_ms, wall_ms, floor, floor_ms })
    };
    for (what, at_once, times) in [("GetContact, 1 caller", 1, 1_000), ("GetContact, 16 callers", 16, 5_000)]
    {
        let get = measure(process, times, at_once, |_| async {
            grpc.contacts().get_contact(GetContactRequest { name: name.clone() }).await.expect("it");
        });
        add(what, get.await, floors.point());
    }
    for (what, at_once, times) in [("CreateLead, 1 caller", 1, 500), ("CreateLead, 16 callers", 16, 5_000)] {
        let create = measure(process, times, at_once, |number| async move {
            let lead =
                Lead { title: format!("Lead {number}"), email: "x@example.com".into(), ..Default::default() };
            grpc.leads()
                .create_lead(CreateLeadRequest { lead: Some(lead), ..Default::default() })
                .await
                .expect("made");
        });
        add(what, create.await, floors.write());
    }
    figures
}

/// What the machine gives without us, in CPU milliseconds an operation.
struct Floors {
    list: f64,
    point: f64,
    fifty: f64,
    write: f64,
    echo: f64,
}

impl Floors {
    fn list(&self) -> (&'static str, f64) {
        ("raw SQLite: all names and ETags", self.list)
    }
    fn point(&self) -> (&'static str, f64) {
        ("bare tonic method and a raw read", self.echo + self.point)
    }
    fn fifty(&self) -> (&'static str, f64) {
        ("raw SQLite: 50 bodies", self.fifty)
    }
    fn write(&self) -> (&'static str, f64) {
        ("raw SQLite: one durable row", self.write)
    }

    async fn measure(folder: &Path, size: usize) -> Floors {
        let conn = rusqlite::Connection::open(folder.join("floor.db")).expect("a database");
        conn.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE object (name TEXT PRIMARY KEY, etag TEXT, data BLOB) WITHOUT ROWID; BEGIN")
            .expect("a table");
        for number in 0..size {
            conn.execute(
                "INSERT INTO object VALUES ($1, $2, $3)",
                (format!("event-{number}.ics"), format!("{number:032x}"), event(number).into_bytes()),
            )
            .expect("a row");
        }
        conn.execute_batch("COMMIT").expect("committed");
        let list = cpu_ms(20, |_| {
            let mut statement = conn.prepare_cached("SELECT name, etag FROM object").expect("a statement");
            let mut rows = statement.query(()).expect("rows");
            let mut bytes = 0;
            while let Some(row) = rows.next().expect("a row") {
                bytes += row.get_ref(0).and_then(|name| Ok(name.as_str()?.len())).expect("a name")
                    + row.get_ref(1).and_then(|etag| Ok(etag.as_str()?.len())).expect("an etag");
            }
            assert!(bytes > size * 40);
        });
        let read = |number: usize| -> usize {
            let mut statement =
                conn.prepare_cached("SELECT data FROM object WHERE name = $1").expect("a statement");
            statement
                .query_row([format!("event-{}.ics", number % size)], |row| {
                    Ok(row.get_ref(0)?.as_bytes()?.len())
                })
                .expect("a row")
        };
        let point = cpu_ms(50_000, |number| assert!(read(number * 37) > 100));
        let fifty = cpu_ms(2_000, |number| {
            assert!((0..50).map(|step| read(number * 53 + step * 7)).sum::<usize>() > 5_000)
        });
        let write = cpu_ms(300, |number| {
            conn.execute(
                "UPDATE object SET etag = $1 WHERE name = $2",
                (format!("{number:032x}"), format!("event-{}.ics", number * 41 % size)),
            )
            .expect("written");
        });
        Floors { list, point, fifty, write, echo: echo_floor().await }
    }
}

fn cpu_ms(times: usize, operation: impl Fn(usize)) -> f64 {
    let own = std::process::id();
    let cpu = cpu_seconds_of(own);
    (0..times).for_each(operation);
    // The clock ticks every 10 ms: less than one tick is one tick.
    ((cpu_seconds_of(own) - cpu).max(0.01)) * 1_000.0 / times as f64
}

/// A bare tonic server in its own process: the health check, which does nothing.
async fn echo_server() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    println!("{}", listener.local_addr().expect("its address"));
    let (_reporter, service) = tonic_health::server::health_reporter();
    let incoming = tonic::transport::server::TcpIncoming::from(listener);
    tonic::transport::Server::builder()
        .add_service(service)
        .serve_with_incoming(incoming)
        .await
        .expect("it serves");
}

async fn echo_floor() -> f64 {
    use tokio::io::{AsyncBufReadExt, BufReader};
    let program = std::env::current_exe().expect("the path of this bench");
    let mut child = tokio::process::Command::new(program)
        .arg("--echo")
        .stdout(std::process::Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("it starts");
    let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
    let address = lines.next_line().await.expect("text").expect("an address");
    let channel = tonic::transport::Endpoint::from_shared(format!("http://{address}"))
        .expect("an address")
        .connect_lazy();
    let id = child.id().expect("it runs");
    let call = || async {
        HealthClient::new(channel.clone()).check(HealthCheckRequest::default()).await.expect("an answer");
    };
    call().await;
    let cpu = cpu_seconds_of(id);
    let times = 10_000;
    stream::iter(0..times).map(|_| call()).buffer_unordered(16).collect::<Vec<()>>().await;
    (cpu_seconds_of(id) - cpu) * 1_000.0 / f64::from(times)
}
