//! The floor: hyper and SQLite, XML written by hand, writes on disk in groups, and nothing else. No sign-in, no checks, no index but the name.
//! GET of a name answers its text, of "/" all names and ETags; REPORT the texts of the names in its body; PUT writes. Beside it a tonic method.

use std::convert::Infallible;
use std::fmt::Write;
use std::path::Path;
use std::sync::{Arc, Mutex, mpsc};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rusqlite::Connection;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

struct Write1 {
    name: String,
    data: Bytes,
    done: oneshot::Sender<()>,
}

struct Inner {
    readers: Mutex<Vec<Connection>>,
    writes: mpsc::Sender<Write1>,
}

fn open(file: &Path) -> Connection {
    let conn = Connection::open(file).expect("the database");
    conn.execute_batch("PRAGMA synchronous = FULL; PRAGMA cache_size = -4000").expect("a setting");
    conn
}

/// Serves until it is killed; prints the addresses of hyper and of tonic.
pub async fn serve(file: &Path) {
    let (writes, waiting) = mpsc::channel();
    let writer = open(file);
    std::thread::spawn(move || write_in_groups(&writer, &waiting));
    let inner = Arc::new(Inner { readers: Mutex::new(vec![open(file), open(file)]), writes });
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let for_tonic = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    println!(
        "{}\n{}",
        listener.local_addr().expect("its address"),
        for_tonic.local_addr().expect("its address")
    );
    let (_reporter, service) = tonic_health::server::health_reporter();
    let incoming = tonic::transport::server::TcpIncoming::from(for_tonic);
    tokio::spawn(tonic::transport::Server::builder().add_service(service).serve_with_incoming(incoming));
    loop {
        let (stream, _) = listener.accept().await.expect("a connection");
        let _ = stream.set_nodelay(true);
        let inner = inner.clone();
        let service = service_fn(move |request| {
            let inner = inner.clone();
            async move { Ok::<_, Infallible>(answer(&inner, request).await) }
        });
        tokio::spawn(
            hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service),
        );
    }
}

fn write_in_groups(conn: &Connection, waiting: &mpsc::Receiver<Write1>) {
    while let Ok(first) = waiting.recv() {
        let group: Vec<Write1> = std::iter::once(first).chain(waiting.try_iter()).collect();
        conn.execute_batch("BEGIN IMMEDIATE").expect("begun");
        for write in &group {
            let etag = format!("{:032x}", write.data.len());
            let mut statement = conn
                .prepare_cached("UPDATE object SET etag = $2, data = $3 WHERE name = $1")
                .expect("a statement");
            statement.execute((&write.name, etag, &write.data[..])).expect("written");
        }
        conn.execute_batch("COMMIT").expect("on disk");
        for write in group {
            let _ = write.done.send(());
        }
    }
}

async fn answer(inner: &Inner, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let (parts, body) = request.into_parts();
    let name = parts.uri.path()[1..].to_owned();
    let (status, body) = match (parts.method.as_str(), name.is_empty()) {
        ("GET", true) => (207, inner.read(list)),
        ("GET", false) => (200, inner.read(|conn| text(conn, &name))),
        ("REPORT", _) => {
            let names = body.collect().await.expect("a body").to_bytes();
            let names = std::str::from_utf8(&names).expect("text").to_owned();
            (207, inner.read(|conn| many(conn, &names)))
        }
        _ => {
            let (done, written) = oneshot::channel();
            let data = body.collect().await.expect("a body").to_bytes();
            inner.writes.send(Write1 { name, data, done }).expect("the writer runs");
            written.await.expect("written");
            (204, Vec::new())
        }
    };
    Response::builder().status(status).body(Full::from(body)).expect("an answer")
}

impl Inner {
    fn read(&self, job: impl FnOnce(&Connection) -> Vec<u8>) -> Vec<u8> {
        let conn = self.readers.lock().expect("nothing panicked").pop().expect("one for each thread");
        let answer = job(&conn);
        self.readers.lock().expect("nothing panicked").push(conn);
        answer
    }
}

fn text(conn: &Connection, name: &str) -> Vec<u8> {
    let mut statement = conn.prepare_cached("SELECT data FROM object WHERE name = $1").expect("a statement");
    statement.query_row([name], |row| row.get(0)).expect("a row")
}

fn list(conn: &Connection) -> Vec<u8> {
    let mut out = String::from("<D:multistatus xmlns:D=\"DAV:\">\n");
    let mut statement = conn.prepare_cached("SELECT name, etag FROM object").expect("a statement");
    let mut rows = statement.query(()).expect("rows");
    while let Some(row) = rows.next().expect("a row") {
        let (name, etag) = (row.get_ref(0).expect("a name"), row.get_ref(1).expect("an ETag"));
        let (name, etag) = (name.as_str().expect("text"), etag.as_str().expect("text"));
        writeln!(out, "<D:response><D:href>/{name}</D:href><D:propstat><D:prop><D:getetag>\"{etag}\"</D:getetag></D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat></D:response>")
            .expect("it grows");
    }
    out.push_str("</D:multistatus>");
    out.into_bytes()
}

fn many(conn: &Connection, names: &str) -> Vec<u8> {
    let mut out = String::from("<D:multistatus xmlns:D=\"DAV:\">\n");
    for name in names.split(' ') {
        let data = String::from_utf8(text(conn, name)).expect("text");
        let data = data.replace('&', "&amp;").replace('<', "&lt;").replace('\r', "&#13;");
        writeln!(out, "<D:response><D:href>/{name}</D:href><D:propstat><D:prop><C:calendar-data>{data}</C:calendar-data></D:prop></D:propstat></D:response>")
            .expect("it grows");
    }
    out.push_str("</D:multistatus>");
    out.into_bytes()
}
