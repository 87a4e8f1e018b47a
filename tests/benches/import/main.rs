//! How fast a file of leads is imported, and that memory stays flat: rows a second, as a ratio to the same rows put into SQLite by hand in the same
//! run, and the resident memory of the server before, during and after.
//!
//! Run: `cargo build --release && cargo bench -p kontor-tests --bench import`, with `-- ROWS` for another number than 100,000.

use std::time::{Duration, Instant};

use kontor_proto::pipeline::v1 as proto;
use kontor_proto::pipeline::v1::import_leads_request::Part;
use kontor_tests::process::run;
use kontor_tests::{Grpc, Process};
use tokio_stream::wrappers::ReceiverStream;

const PASSWORD: &str = "a bench password";
const ROWS: usize = 100_000;
/// Rows of one transaction, on both sides.
const BATCH: usize = 500;
/// Bytes of a message.
const PIECE: usize = 256 * 1024;
/// Runs of the server that are warmed up before memory counts.
const WARM: usize = 5_000;

fn main() {
    let asked = std::env::args().skip(1).find_map(|argument| argument.parse().ok());
    let rows: usize = asked.unwrap_or(ROWS);
    kontor_tests::bench::runtime().block_on(bench(rows));
}

async fn bench(rows: usize) {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("kontor");
    let process = Process::start(&data, &[]).await;
    let data = data.to_str().expect("a plain path");
    let arguments = ["user", "add", "bench", "--team", "sales", "--password-stdin", "--data", data];
    let (good, _, errors) = run(&arguments, &format!("{PASSWORD}\n")).await;
    assert!(good, "{errors}");
    let grpc = Grpc::new(&process.address, "bench", PASSWORD);
    import(&process, &grpc, "warm", WARM).await;
    let text = file(rows);
    println!("\n{rows} rows, {:.1} MiB", text.len() as f64 / 1_048_576.0);
    let floor = floor(folder.path(), rows);
    let first = import(&process, &grpc, "bench", rows).await;
    assert_eq!((first.end.created_rows, first.end.failed_rows), (number(rows), 0));
    let again = import(&process, &grpc, "bench", rows).await;
    assert_eq!((again.end.created_rows, again.end.unchanged_rows), (0, number(rows)));
    println!(
        "\n| run | rows/s | of the floor | server's CPU, µs a row | MiB before | most | after |\n|---|---|---|---|---|---|---|"
    );
    let each = |seconds: f64| rows as f64 / seconds;
    println!("| raw SQLite, {BATCH} rows a commit | {:.0} | 100 % | | | | |", each(floor));
    for (name, it) in [("first", first), ("again", again)] {
        let [before, most, after] = it.memory;
        println!(
            "| {name} | {:.0} | {:.0} % | {:.0} | {before:.0} | {most:.0} | {after:.0} |",
            each(it.seconds),
            100.0 * floor / it.seconds,
            1e6 * it.cpu / rows as f64,
        );
    }
    assert!(process.stop().await);
}

/// How one run went.
struct Ran {
    end: proto::ImportLeadsResponse,
    seconds: f64,
    cpu: f64,
    memory: [f64; 3],
}

async fn import(process: &Process, grpc: &Grpc, source: &str, rows: usize) -> Ran {
    let text = file(rows);
    let (sender, receiver) = tokio::sync::mpsc::channel(4);
    let settings = proto::LeadImport { source: source.to_owned(), ..Default::default() };
    let sending = tokio::spawn(async move {
        let pieces =
            text.as_bytes().chunks(PIECE).map(|piece| Part::Data(bytes::Bytes::copy_from_slice(piece)));
        for part in std::iter::once(Part::Settings(settings)).chain(pieces) {
            sender.send(proto::ImportLeadsRequest { part: Some(part) }).await.expect("it is taken");
        }
    });
    let (before, cpu, begun) = (process.memory_mib(), process.cpu_seconds(), Instant::now());
    let answer = grpc.imports().import_leads(ReceiverStream::new(receiver)).await;
    let mut stream = answer.expect("it begins").into_inner();
    let (mut most, mut end) = (before, proto::ImportLeadsResponse::default());
    while let Some(message) = stream.message().await.expect("it goes on") {
        most = most.max(process.memory_mib());
        end = message;
    }
    assert_eq!(end.phase(), proto::ImportPhase::Done);
    let (seconds, cpu) = (begun.elapsed().as_secs_f64(), process.cpu_seconds() - cpu);
    sending.await.expect("it was sent");
    tokio::time::sleep(Duration::from_secs(1)).await;
    Ran { end, seconds, cpu, memory: [before, most, process.memory_mib()] }
}

fn fields(row: usize) -> [String; 5] {
    [
        format!("Roof number {row}"),
        format!("Person {row}"),
        format!("Company {}", row % 1_000),
        format!("lead{row}@example.com"),
        format!("04{row:08}"),
    ]
}

fn file(rows: usize) -> String {
    let mut text = "external_id,title,contact_name,company_name,email,phone\n".to_owned();
    for row in 0..rows {
        text.push_str(&format!("x{row},{}\n", fields(row).join(",")));
    }
    text
}

fn number(rows: usize) -> i64 {
    i64::try_from(rows).expect("it fits")
}

/// Seconds for the same rows by hand: the lead, its event and its key as three rows, in commits of the same size with the same pragmas. No checks, no
/// reading of the file.
fn floor(folder: &std::path::Path, rows: usize) -> f64 {
    let mut conn = rusqlite::Connection::open(folder.join("floor.db")).expect("a database");
    conn.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -4000;
         CREATE TABLE lead (id TEXT PRIMARY KEY, version BIGINT, title TEXT, contact_name TEXT, company_name TEXT, email TEXT, phone TEXT,
            team TEXT, assignee TEXT, state BIGINT, create_time BIGINT, update_time BIGINT) WITHOUT ROWID;
         CREATE INDEX lead_create_time ON lead (create_time, id);
         CREATE INDEX lead_assignee ON lead (assignee, state, create_time, id);
         CREATE INDEX lead_team ON lead (team, state, create_time, id);
         CREATE TABLE outbox (sequence INTEGER PRIMARY KEY, event_id TEXT, event BLOB);
         CREATE TABLE import_row (row_key TEXT PRIMARY KEY, digest TEXT, lead TEXT) WITHOUT ROWID;",
    )
    .expect("tables");
    let begun = Instant::now();
    for batch in (0..rows).step_by(BATCH) {
        let transaction = conn.transaction().expect("a transaction");
        for row in batch..rows.min(batch + BATCH) {
            put(&transaction, row).expect("a row");
        }
        transaction.commit().expect("committed");
    }
    begun.elapsed().as_secs_f64()
}

fn put(conn: &rusqlite::Connection, row: usize) -> rusqlite::Result<()> {
    let id = kontor_kit::id::new();
    let [title, contact, company, email, phone] = fields(row);
    let now = 1_795_424_400_000_000_i64 + number(row / BATCH);
    conn.prepare_cached("INSERT INTO lead VALUES (?1, 1, ?2, ?3, ?4, ?5, ?6, 'teams/sales', '', 1, ?7, ?7)")?
        .execute((&id, title, contact, company, email, phone, now))?;
    conn.prepare_cached("INSERT INTO outbox (event_id, event) VALUES (?1, ?2)")?
        .execute((kontor_kit::id::new(), vec![0_u8; 250]))?;
    let key = format!("{row:032x}");
    conn.prepare_cached("INSERT INTO import_row VALUES (?1, ?2, ?3)")?.execute((&key, &key, &id))?;
    Ok(())
}
