//! Telephony under load: next calls of a list, call pops, and an Asterisk that talks fast. Kontor runs as its own process.
//! Run: `cargo build --release && cargo bench -p kontor-tests --bench telephony`. With `KONTOR_TEST_POSTGRES` on a fresh database there, else on SQLite.
//! For no double in a million: `KONTOR_TEST_OBJECTS=1000000 KONTOR_TEST_SECONDS=1200`; for the memory of a million calls: `KONTOR_TEST_CALLS=1000000`. `KONTOR_TEST_ONLY`
//! runs one of `next-calls`, `pops`, `asterisk`.

mod asterisk;
mod next_calls;
mod pops;

use kontor_testbed::Database;
use kontor_tests::bench::number;
use kontor_tests::process::run;
use kontor_tests::{Grpc, Process};

const PASSWORD: &str = "a bench password";

fn main() {
    let runtime = kontor_tests::bench::runtime();
    runtime.block_on(bench());
}

/// A Kontor with an administrator who may do all.
pub struct Bed {
    /// The running process.
    pub process: Process,
    /// As the administrator "bench" of the team "sales".
    pub admin: Grpc,
}

async fn bench() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("kontor").display().to_string();
    let database = Database::postgres().await;
    let url = database.as_ref().and_then(|database| match &database.storage {
        kontor_kit::db::Storage::Postgres(url) => Some(url.clone()),
        kontor_kit::db::Storage::Sqlite(_) => None,
    });
    let variables: Vec<(String, String)> =
        url.into_iter().map(|url| ("KONTOR_DATABASE_URL".to_owned(), url)).collect();
    let arguments = ["--listen", "127.0.0.1:0", "--data", &data];
    let process = Process::start_as(&arguments, &variables).await;
    let mut add = vec!["user", "add", "bench", "--team", "sales", "--admin", "--password-stdin"];
    // What the settings file would say: the command has no option for the database.
    let settings = folder.path().join("kontor.toml");
    let text =
        variables.first().map_or_else(String::new, |(_, url)| format!("[database]\nurl = \"{url}\"\n"));
    std::fs::write(&settings, text).expect("a settings file");
    let settings = settings.display().to_string();
    add.extend(["--data", &data, "--config", &settings]);
    let (good, _, errors) = run(&add, &format!("{PASSWORD}\n")).await;
    assert!(good, "{errors}");
    let admin = Grpc::new(&process.address, "bench", PASSWORD);
    let bed = Bed { process, admin };
    println!("\non {}", if variables.is_empty() { "SQLite" } else { "PostgreSQL" });
    let only = std::env::var("KONTOR_TEST_ONLY").unwrap_or_default();
    let wanted = |name: &str| only.is_empty() || only == name;
    if wanted("next-calls") {
        next_calls::figures(&bed).await;
    }
    if wanted("pops") {
        pops::figures(&bed).await;
    }
    if wanted("asterisk") {
        asterisk::figures(&bed).await;
    }
    assert!(bed.process.stop().await);
}
