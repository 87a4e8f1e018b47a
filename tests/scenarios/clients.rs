//! Real mail clients against a whole Kontor: Thunderbird, vdirsyncer, khal, khard. They get the address, user and password.
//! Rows D1, D2, D3, D7, D9, C2, C6, C7, C11. The scripts are in tests/clients/.

use std::path::PathBuf;
use std::process::Stdio;

use kontor_proto::directory::v1::LookupPartnersRequest;
use kontor_tests::{Backend, Sandbox};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, Command};

use crate::scheduling::{answer_of, events, with_addresses};
use crate::support::{add_partner, eventually};

fn python() -> PathBuf {
    let venv = std::env::var("KONTOR_TEST_VENV")
        .expect("KONTOR_TEST_VENV names the tests' Python: run tests/run, which makes it");
    PathBuf::from(venv).join("bin/python")
}

fn script(name: &str, sandbox: &Sandbox) -> Command {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("clients").join(name);
    let mut command = Command::new(python());
    command.arg(path).args([
        "--url",
        &format!("http://{}/", sandbox.address()),
        "--user",
        "sales",
        "--password",
        "correct horse",
    ]);
    command.kill_on_drop(true);
    command
}

async fn all_steps_pass(name: &str, backend: Backend) {
    let sandbox = Sandbox::start(backend).await;
    let output = script(name, &sandbox).output().await.expect("the script runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains(" 0 failed"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d1_thunderbird_finds_and_syncs_all_from_the_address_alone() {
    all_steps_pass("run_thunderbird.py", Backend::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d1_thunderbird_does_so_on_postgresql_too() {
    all_steps_pass("run_thunderbird.py", Backend::Postgres).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d2_vdirsyncer_khal_and_khard_sync_both_ways() {
    all_steps_pass("run_vdirsyncer.py", Backend::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d2_vdirsyncer_khal_and_khard_do_so_on_postgresql_too() {
    all_steps_pass("run_vdirsyncer.py", Backend::Postgres).await;
}

/// Two Thunderbirds of two users: invite, accept, decline, move a meeting and one instance of a series, cancel. Over gRPC the answer is the same.
async fn two_thunderbirds_meet(backend: Backend) {
    let sandbox = Sandbox::start(backend).await;
    with_addresses(&sandbox).await;
    let output = script("run_invitations.py", &sandbox).args(["--guest", "manager"]).output().await;
    let output = output.expect("the script runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    let meetings = events(&sandbox.grpc("sales")).await;
    let told: Vec<_> = meetings
        .iter()
        .map(|meeting| (meeting.summary.as_str(), answer_of(meeting, "manager@kontor.test")))
        .collect();
    assert!(told.contains(&("Stays accepted", "ACCEPTED".to_owned())), "{told:?}");
    assert!(told.contains(&("Is declined", "DECLINED".to_owned())), "{told:?}");
    assert!(!told.iter().any(|(title, _)| *title == "Every week"), "{told:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d9_c7_two_thunderbirds_invite_answer_move_and_cancel() {
    two_thunderbirds_meet(Backend::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c7_d9_two_thunderbirds_do_so_on_postgresql_too() {
    two_thunderbirds_meet(Backend::Postgres).await;
}

/// Thunderbird that does what it is told, one JSON line each way.
struct Thunderbird {
    child: Child,
    lines: tokio::io::Lines<BufReader<tokio::process::ChildStdout>>,
    books: serde_json::Value,
}

impl Thunderbird {
    async fn start(sandbox: &Sandbox) -> Thunderbird {
        let mut child = script("thunderbird_session.py", sandbox)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        let first = answer(&mut lines).await;
        Thunderbird { child, lines, books: first["books"].clone() }
    }

    async fn call(&mut self, function: &str, arguments: serde_json::Value) -> serde_json::Value {
        let line = serde_json::json!({ "call": function, "arguments": arguments }).to_string() + "\n";
        self.child.stdin.as_mut().expect("its input").write_all(line.as_bytes()).await.expect("it listens");
        answer(&mut self.lines).await
    }
}

async fn answer(lines: &mut tokio::io::Lines<BufReader<tokio::process::ChildStdout>>) -> serde_json::Value {
    let waited = tokio::time::timeout(std::time::Duration::from_secs(180), lines.next_line()).await;
    let line = waited.expect("an answer in time").expect("text").expect("Thunderbird goes on");
    let answer: serde_json::Value = serde_json::from_str(&line).expect("JSON");
    assert!(answer.get("problem").is_none(), "{line}");
    answer["value"].clone()
}

/// The main promise: a contact made over gRPC is a card in Thunderbird, and a number changed there is the partner's number here.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d3_a_number_changed_in_thunderbird_is_the_partners_number_over_grpc() {
    let sandbox = Sandbox::start(Backend::Sqlite).await;
    let grpc = sandbox.grpc("sales");
    let partner = add_partner(&grpc, "Anna Peeters", "+32 471 11 22 33", "anna@example.com").await;
    let mut thunderbird = Thunderbird::start(&sandbox).await;
    let books = thunderbird.books.as_array().expect("books").clone();
    let company = books
        .iter()
        .find(|book| book.to_string().to_lowercase().contains("company"))
        .expect("the company book")
        .clone();
    let book = company["id"].clone();
    let cards = thunderbird.call("cards", serde_json::json!([book])).await;
    let card = cards
        .as_array()
        .expect("cards")
        .iter()
        .find(|card| card.to_string().contains("Anna Peeters"))
        .expect("her card")
        .clone();
    thunderbird
        .call("changeCard", serde_json::json!([book, card["uid"], { "phones": ["+32 471 44 55 66"] }]))
        .await;
    let request = LookupPartnersRequest { phone_number: "+32471445566".into(), ..Default::default() };
    eventually("the partner's new number", async || {
        let found =
            grpc.partners().lookup_partners(request.clone()).await.expect("an answer").into_inner().partners;
        found.first().map(|found| assert_eq!(found.name, partner.name))
    })
    .await;
}
