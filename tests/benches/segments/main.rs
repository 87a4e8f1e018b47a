//! Segments as the service has them: filled from nothing, previews, overlaps, and 500 changes a second until they are in every segment; at the end each
//! segment's members beside those that SQL written by hand finds. Kontor runs as its own process on SQLite.
//! Run: `cargo build --release && cargo bench -p kontor-tests --bench segments`. `KONTOR_TEST_OBJECTS` sets the number of partners (20,000), `KONTOR_TEST_SEGMENTS` that of
//! segments (500), `KONTOR_TEST_SECONDS` how long changes come (10), `KONTOR_TEST_RATE` how many a second (500). In `KONTOR_TEST_FOLDER` the filled data stays for the next run.

mod changes;
mod data;
mod oracle;
mod reads;
mod rules;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use kontor_proto::segmentation::v1::{
    AddSegmentEntriesRequest, Choice, CreateQuestionnaireRequest, CreateSegmentRequest, PreviewRuleRequest,
    Question, Questionnaire, Segment, SegmentEntry, SegmentList, segment_entry,
};
use kontor_tests::bench::number;
use kontor_tests::{Grpc, Process};
use rules::Rule;
use rusqlite::{Connection, OpenFlags};

const PASSWORD: &str = "a bench password";
/// How long a process may take to come to rest.
const REST: Duration = Duration::from_secs(180);

fn main() {
    let runtime = kontor_tests::bench::runtime();
    runtime.block_on(bench());
}

/// A line of the table.
fn line(what: &str, value: impl std::fmt::Display) {
    println!("| {what} | {value} |");
}

fn seconds(since: Instant) -> String {
    format!("{:.2} s", since.elapsed().as_secs_f64())
}

fn memory(process: &Process) -> String {
    format!("{:.0} MiB", process.memory_mib())
}

async fn bench() {
    let (size, count) = (number("KONTOR_TEST_OBJECTS", 20_000), number("KONTOR_TEST_SEGMENTS", 500));
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("kontor");
    filled(&data, size).await;
    let rules = rules::all(count);
    println!("\n{size} partners, {count} segments\n\n| what | figure |\n|---|---|");

    let empty = Process::start(&folder.path().join("empty"), &[]).await;
    line("memory of a process without partners", memory(&empty));
    assert!(empty.stop().await);

    let (process, admin) = start(&data, "facts are loaded, no segments").await;
    scored(&data).await;
    assert!(process.stop().await);
    let (process, admin) = {
        drop(admin);
        start(&data, "the same, with scores").await
    };
    line("memory with facts, without segments", memory(&process));

    ask(&admin).await;
    create(&admin, &rules).await;
    line("memory with segments", memory(&process));
    quiet(&process, "the directory has the books of the segments, after").await;
    idle(&process).await;
    reads::figures(&admin, count).await;
    changes::figures(&process, &admin, size).await;
    quiet(&process, "all is quiet again, after").await;
    line("memory after the changes", memory(&process));
    oracle::compare(&data, &admin, &rules).await;
    assert!(process.stop().await);

    forget(&data);
    let begun = Instant::now();
    let (process, admin) = start(&data, "all segments rebuilt from nothing at a start").await;
    until(
        &data,
        "SELECT COUNT(*) >= (SELECT COUNT(*) FROM segment WHERE delete_time IS NULL) FROM segment_count",
    )
    .await;
    line("and written", seconds(begun));
    quiet(&process, "all is quiet again, after").await;
    line("memory after that", memory(&process));
    // The same again, where that takes seconds.
    if size <= 200_000 {
        oracle::compare(&data, &admin, &rules).await;
    }
    assert!(process.stop().await);
    let begun = Instant::now();
    let (process, _admin) = start(&data, "a start with memberships that are written").await;
    quiet(&process, "all is quiet, after").await;
    line("from the start on", seconds(begun));
    line("memory", memory(&process));
    assert!(process.stop().await);
}

/// Filled data: made, or copied from where it was kept.
async fn filled(data: &Path, size: usize) {
    let kept = std::env::var_os("KONTOR_TEST_FOLDER")
        .map(|folder| PathBuf::from(folder).join(format!("partners-{size}")));
    let Some(kept) = kept else {
        data::fill(data, size).await;
        return;
    };
    if !kept.join("filled").exists() {
        let _ = std::fs::remove_dir_all(&kept);
        std::fs::create_dir_all(&kept).expect("a folder");
        data::fill(&kept, size).await;
        std::fs::write(kept.join("filled"), "").expect("a mark");
    }
    copied(&kept, data);
}

fn copied(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        let place = to.join(entry.file_name());
        if entry.file_type().expect("a type").is_dir() {
            copied(&entry.path(), &place);
        } else {
            std::fs::copy(entry.path(), place).expect("copied");
        }
    }
}

/// Starts and waits until the engine answers.
async fn start(data: &Path, what: &str) -> (Process, Grpc) {
    let begun = Instant::now();
    let process = Process::start(data, &[]).await;
    let admin = Grpc::new(&process.address, "bench", PASSWORD);
    let request = || PreviewRuleRequest { rule: "country == \"BE\"".into(), ..Default::default() };
    while admin.segments().preview_rule(request()).await.is_err() {
        assert!(begun.elapsed() < Duration::from_secs(300), "segments are not loaded");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    line(&format!("{what}: engine answers after"), seconds(begun));
    (process, admin)
}

fn reader(data: &Path) -> Connection {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(data.join("segmentation.db"), flags).expect("the database");
    conn.busy_timeout(Duration::from_secs(10)).expect("a pause");
    conn
}

/// Waits until a statement says 1.
async fn until(data: &Path, sql: &str) {
    let begun = Instant::now();
    while reader(data).query_row(sql, (), |row| row.get::<_, i64>(0)).expect("a row") != 1 {
        assert!(begun.elapsed() < Duration::from_secs(600), "waited in vain for {sql}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn scored(data: &Path) {
    let begun = Instant::now();
    until(data, "SELECT dirty = done FROM rfm_state").await;
    line("scores of all who bought, from nothing", seconds(begun));
    until(data, "SELECT head = done FROM engine").await;
    line("and in the engine", seconds(begun));
}

/// Waits until the process has nothing to do.
async fn quiet(process: &Process, what: &str) {
    let (begun, mut calm, mut last) = (Instant::now(), 0, process.cpu_seconds());
    while calm < 3 {
        if begun.elapsed() > REST {
            line(what, format!("not within {} s", REST.as_secs()));
            return;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        let now = process.cpu_seconds();
        calm = if now - last < 0.25 { calm + 1 } else { 0 };
        last = now;
    }
    line(what, format!("{:.0} s", begun.elapsed().as_secs_f64() - 3.0));
}

async fn idle(process: &Process) {
    let before = process.cpu_seconds();
    tokio::time::sleep(Duration::from_secs(10)).await;
    line("CPU while nothing happens", format!("{:.1} % of a core", (process.cpu_seconds() - before) * 10.0));
}

/// The questions that rules name; the answers are written with the partners.
async fn ask(admin: &Grpc) {
    let choice = |at: usize| Choice { id: format!("c{at}"), text: format!("Choice {at}") };
    let question = |at: usize| Question {
        id: format!("q{at}"),
        text: format!("Question {at}"),
        choices: (0..5).map(choice).collect(),
        multiple: false,
    };
    let questionnaire = Questionnaire {
        display_name: "Questions".to_owned(),
        questions: (0..10).map(question).collect(),
        ..Default::default()
    };
    let request = CreateQuestionnaireRequest { questionnaire: Some(questionnaire), ..Default::default() };
    admin.questionnaires().create_questionnaire(request).await.expect("a questionnaire");
}

async fn create(admin: &Grpc, rules: &[Rule]) {
    let (begun, mut times) = (Instant::now(), Vec::new());
    for rule in rules {
        let segment = Segment {
            display_name: rule.id.clone(),
            rule: rule.text.clone(),
            parents: rule.parent.map(rules::name).into_iter().collect(),
            ..Default::default()
        };
        let request = CreateSegmentRequest {
            segment: Some(segment),
            segment_id: rule.id.clone(),
            ..Default::default()
        };
        let each = Instant::now();
        admin.segments().create_segment(request).await.expect("a segment");
        times.push(each.elapsed());
        if let Some(domain) = &rule.excluded {
            let who = Some(segment_entry::Who::Domain(domain.clone()));
            let entries = vec![SegmentEntry { list: SegmentList::Exclusion.into(), who }];
            let parent = format!("segments/{}", rule.id);
            let request = AddSegmentEntriesRequest { parent, entries, ..Default::default() };
            admin.segments().add_segment_entries(request).await.expect("an entry");
        }
    }
    line("all segments made over gRPC, one after the other", seconds(begun));
    line("  one of them, median / p99 / worst", spread(times));
}

/// Median, p99 and worst in milliseconds.
fn spread(mut times: Vec<Duration>) -> String {
    if times.is_empty() {
        return "none".into();
    }
    times.sort();
    let at = |part: usize| times[(times.len() * part / 1_000).min(times.len() - 1)].as_secs_f64() * 1e3;
    format!("{:.2} / {:.2} / {:.2} ms", at(500), at(990), at(1_000))
}

/// Takes all memberships away, as if they had never been written.
fn forget(data: &Path) {
    let conn = Connection::open(data.join("segmentation.db")).expect("the database");
    conn.execute_batch("DELETE FROM member_chunk; DELETE FROM member_delta; DELETE FROM segment_count; PRAGMA wal_checkpoint(TRUNCATE)")
        .expect("forgotten");
}
