//! What the machine gives without us, in CPU milliseconds an operation: a bare hyper and SQLite server (`server.rs`) in a process of its own, asked by
//! the client that asks Kontor; and a bare tonic method with a raw read beside it.

use std::path::Path;
use std::process::Stdio;

use futures_util::stream::{self, StreamExt};
use kontor_tests::Http;
use kontor_tests::process::cpu_seconds_of;
use tokio::io::{AsyncBufReadExt, BufReader};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use crate::data::event;

/// CPU milliseconds of each.
pub struct Floors {
    list: f64,
    get: f64,
    fifty: f64,
    put: [f64; 2],
    echo: f64,
    read: f64,
    row: f64,
}

impl Floors {
    pub fn list(&self) -> (&'static str, f64) {
        ("bare server: all names and ETags", self.list)
    }
    pub fn get(&self) -> (&'static str, f64) {
        ("bare server: GET", self.get)
    }
    pub fn fifty(&self) -> (&'static str, f64) {
        ("bare server: 50 texts", self.fifty)
    }
    pub fn put(&self, at_once: usize) -> (&'static str, f64) {
        ("bare server: PUT", self.put[usize::from(at_once > 1)])
    }
    pub fn call(&self) -> (&'static str, f64) {
        ("bare tonic method and a raw read", self.echo + self.read)
    }
    pub fn row(&self) -> (&'static str, f64) {
        ("raw SQLite: one durable row", self.row)
    }

    /// Fills a database with `size` events and measures.
    pub async fn measure(folder: &Path, size: usize) -> Floors {
        let file = folder.join("floor.db");
        let conn = fill(&file, size);
        let read = cpu_ms(50_000, |number| {
            let mut statement =
                conn.prepare_cached("SELECT data FROM object WHERE name = $1").expect("a statement");
            let name = format!("event-{}.ics", number * 37 % size);
            let length = statement.query_row([name], |row| Ok(row.get_ref(0)?.as_bytes()?.len()));
            assert!(length.expect("a row") > 100);
        });
        let row = cpu_ms(300, |number| {
            let row = (format!("{number:032x}"), format!("event-{}.ics", number * 41 % size));
            conn.execute("UPDATE object SET etag = $1 WHERE name = $2", row).expect("written");
        });
        drop(conn);
        let server = Server::start(&file).await;
        let http = Http::new(&server.addresses[0]);
        let list = server.cost(20, 1, |_| async {
            assert!(http.get("/").await.expect(207).body.len() > size * 50);
        });
        let list = list.await;
        let get = server.cost(10_000, 8, |number| {
            let (http, path) = (http.clone(), format!("/event-{}.ics", number * 37 % size));
            async move {
                http.get(&path).await.expect(200);
            }
        });
        let get = get.await;
        let fifty = server.cost(200, 1, |number| {
            let names: Vec<String> =
                (0..50).map(|step| format!("event-{}.ics", (number * 53 + step * 7) % size)).collect();
            let (http, names) = (http.clone(), names.join(" "));
            async move {
                assert!(
                    http.send("REPORT", "/", &[], names)
                        .await
                        .expect(207)
                        .text()
                        .matches("END:VCALENDAR")
                        .count()
                        == 50
                );
            }
        });
        let fifty = fifty.await;
        let mut put = [0.0; 2];
        for (cost, (at_once, times)) in put.iter_mut().zip([(1, 300), (8, 4_000)]) {
            let puts = server.cost(times, at_once, |number| {
                let number = number * 41 % size;
                let (http, path) = (http.clone(), format!("/event-{number}.ics"));
                async move {
                    http.put(&path, &[], event(number)).await.expect(204);
                }
            });
            *cost = puts.await;
        }
        let channel = tonic::transport::Endpoint::from_shared(format!("http://{}", server.addresses[1]))
            .expect("an address")
            .connect_lazy();
        let echo = server.cost(10_000, 16, |_| {
            let mut client = HealthClient::new(channel.clone());
            async move {
                client.check(HealthCheckRequest::default()).await.expect("an answer");
            }
        });
        Floors { list, get, fifty, put, echo: echo.await, read, row }
    }
}

fn fill(file: &Path, size: usize) -> rusqlite::Connection {
    let conn = rusqlite::Connection::open(file).expect("a database");
    conn.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
         CREATE TABLE object (name TEXT PRIMARY KEY, etag TEXT, data BLOB) WITHOUT ROWID; BEGIN",
    )
    .expect("a table");
    for number in 0..size {
        let row = (format!("event-{number}.ics"), format!("{number:032x}"), event(number).into_bytes());
        conn.execute("INSERT INTO object VALUES ($1, $2, $3)", row).expect("a row");
    }
    conn.execute_batch("COMMIT").expect("committed");
    conn
}

fn cpu_ms(times: usize, operation: impl Fn(usize)) -> f64 {
    let own = std::process::id();
    let cpu = cpu_seconds_of(own);
    (0..times).for_each(operation);
    // The clock ticks every 10 ms: less than one tick is one tick.
    ((cpu_seconds_of(own) - cpu).max(0.01)) * 1_000.0 / times as f64
}

/// The bare server in its process; it ends with this.
struct Server {
    child: tokio::process::Child,
    /// Of hyper, and of tonic.
    addresses: Vec<String>,
}

impl Server {
    async fn start(file: &Path) -> Server {
        let program = std::env::current_exe().expect("the path of this bench");
        let mut child = tokio::process::Command::new(program)
            .arg("--floor")
            .arg(file)
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("it starts");
        let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        let mut addresses = Vec::new();
        while addresses.len() < 2 {
            addresses.push(lines.next_line().await.expect("text").expect("an address"));
        }
        Server { child, addresses }
    }

    async fn cost<F: Future<Output = ()>>(
        &self,
        times: usize,
        at_once: usize,
        operation: impl Fn(usize) -> F,
    ) -> f64 {
        let id = self.child.id().expect("it runs");
        operation(0).await;
        let cpu = cpu_seconds_of(id);
        stream::iter(1..=times).map(operation).buffer_unordered(at_once).collect::<Vec<()>>().await;
        (cpu_seconds_of(id) - cpu).max(0.01) * 1_000.0 / times as f64
    }
}
