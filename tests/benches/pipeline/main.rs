//! The pipeline's calls over a million opportunities and leads, as ratios to a bare tonic server with the same SQL, taken in the same run.
//! Run: `cargo build --release && cargo bench -p kontor-tests --bench pipeline`. `KONTOR_TEST_OBJECTS` sets the number of rows (100,000).
//!
//! Kontor runs as its own process, and so does the floor (`floor.rs`), on a copy of the same database; one client asks both in turns.

mod data;
mod floor;
mod lists;

use std::future::Future;
use std::time::Instant;

use futures_util::stream::{self, StreamExt};
use kontor_proto::pipeline::v1::lead_service_client::LeadServiceClient;
use kontor_proto::pipeline::v1::opportunity_service_client::OpportunityServiceClient;
use kontor_proto::pipeline::v1::{CreateLeadRequest, GetOpportunityRequest, Lead, MoveStageRequest};
use kontor_tests::process::{calm, cpu_seconds_of, run};
use kontor_tests::{Grpc, Process};
use tonic::transport::Channel;

const PASSWORD: &str = "a bench password";
/// Turns that ours and the floor take at each operation: the best of each counts, for the machine's noise only ever adds.
const TURNS: usize = 3;

fn main() {
    let runtime = kontor_tests::bench::runtime();
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.iter().position(|argument| argument == "--floor") {
        Some(place) => runtime.block_on(floor::serve(std::path::Path::new(&arguments[place + 1]))),
        None => runtime.block_on(bench()),
    }
}

/// What one operation costs, in milliseconds.
#[derive(Clone, Copy)]
pub struct Cost {
    /// CPU of the server.
    pub cpu: f64,
    /// Wall time of all divided by their number.
    pub wall: f64,
}

impl Cost {
    fn best(self, other: Cost) -> Cost {
        Cost { cpu: self.cpu.min(other.cpu), wall: self.wall.min(other.wall) }
    }
}

/// One line of the table: what ours and the floor cost, and what part of the floor's speed ours has.
pub fn print(what: &str, ours: Cost, floor: Cost) {
    println!(
        "| {what} | {:.3} | {:.3} | {:.3} | {:.3} | {:.0} % | {:.0} % |",
        ours.wall,
        ours.cpu,
        floor.wall,
        floor.cpu,
        100.0 * floor.wall / ours.wall,
        100.0 * floor.cpu / ours.cpu
    );
}

/// Runs an operation `times` times, `at_once` of them at a time, against the process with this id.
pub async fn measure<F: Future<Output = ()>>(
    process: u32,
    (times, at_once): (usize, usize),
    operation: impl Fn(usize) -> F,
) -> Cost {
    operation(0).await;
    let (cpu, wall) = (cpu_seconds_of(process), Instant::now());
    stream::iter(1..=times).map(operation).buffer_unordered(at_once).collect::<Vec<()>>().await;
    let each = 1_000.0 / times as f64;
    // The clock ticks every 10 ms: less than one tick is one tick.
    Cost { cpu: (cpu_seconds_of(process) - cpu).max(0.01) * each, wall: wall.elapsed().as_secs_f64() * each }
}

async fn bench() {
    let size: usize = kontor_tests::bench::number("KONTOR_TEST_OBJECTS", 100_000);
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("kontor");
    let names = data::fill(&data, size).await;
    let copy = folder.path().join("floor.db");
    std::fs::copy(data.join("pipeline.db"), &copy).expect("a copy of the database");
    let process = Process::start(&data, &[]).await;
    let floor = floor::Floor::start(&copy).await;
    let admin = Grpc::new(&process.address, "bench", PASSWORD);
    println!(
        "\n{size} leads and opportunities; memory {:.0} MiB\n\n| operation | ms | CPU ms | floor ms | floor CPU ms | of the floor's speed | by CPU |\n|---|---|---|---|---|---|---|",
        process.memory_mib()
    );
    points(&process, &admin, &floor, &names).await;
    lists::figures(&process, &admin, &floor, &names).await;
    assert!(process.stop().await);
}

/// Single reads and writes with 1, 16 and 64 callers.
async fn points(process: &Process, admin: &Grpc, floor: &floor::Floor, names: &data::Names) {
    for (at_once, reads, writes) in [(1, 1_000, 300), (16, 10_000, 4_000), (64, 20_000, 8_000)] {
        let deal = |number: usize| names.deals[number * 37 % names.deals.len()].clone();
        let get = |number| GetOpportunityRequest { name: deal(number) };
        let lead = |number| CreateLeadRequest {
            lead: Some(Lead {
                title: format!("Lead {number}"),
                email: format!("someone{number}@example.com"),
                ..Default::default()
            }),
            ..Default::default()
        };
        let to = |number: usize, turn: usize| MoveStageRequest {
            name: deal(number),
            stage: names.stages[1 + (number + turn) % (names.stages.len() - 1)].clone(),
            ..Default::default()
        };
        let mut best: Option<[Cost; 6]> = None;
        for turn in 0..TURNS {
            let id = process.id();
            let costs = [
                alone(id, id, (reads, at_once), async |number| {
                    let answer = admin.opportunities().get_opportunity(get(number)).await.expect("it");
                    assert!(!answer.get_ref().title.is_empty());
                })
                .await,
                alone(id, floor.id, (reads, at_once), async |number| {
                    let answer = deals(floor).get_opportunity(get(number)).await.expect("it");
                    assert!(!answer.get_ref().title.is_empty());
                })
                .await,
                alone(id, id, (writes, at_once), async |number| {
                    admin.leads().create_lead(lead(number)).await.expect("made");
                })
                .await,
                alone(id, floor.id, (writes, at_once), async |number| {
                    LeadServiceClient::new(floor.channel.clone())
                        .create_lead(lead(number))
                        .await
                        .expect("made");
                })
                .await,
                alone(id, id, (writes, at_once), async |number| {
                    admin.opportunities().move_stage(to(number, turn)).await.expect("moved");
                })
                .await,
                alone(id, floor.id, (writes, at_once), async |number| {
                    deals(floor).move_stage(to(number, turn)).await.expect("moved");
                })
                .await,
            ];
            best = Some(match best {
                None => costs,
                Some(best) => std::array::from_fn(|at| best[at].best(costs[at])),
            });
        }
        let [get, get_floor, create, create_floor, moved, move_floor] = best.expect("a turn");
        let callers = if at_once == 1 { "1 caller".to_owned() } else { format!("{at_once} callers") };
        print(&format!("GetOpportunity, {callers}"), get, get_floor);
        print(&format!("CreateLead, {callers}"), create, create_floor);
        print(&format!("MoveStage, {callers}"), moved, move_floor);
    }
}

/// As `measure`, when Kontor has come to rest: the other services follow the events of what was written before.
async fn alone<F: Future<Output = ()>>(
    kontor: u32,
    process: u32,
    size: (usize, usize),
    operation: impl Fn(usize) -> F,
) -> Cost {
    calm(kontor).await;
    measure(process, size, operation).await
}

fn deals(floor: &floor::Floor) -> OpportunityServiceClient<Channel> {
    OpportunityServiceClient::new(floor.channel.clone())
}

/// Adds a user with the bench's password.
pub async fn add_user(data: &str, name: &str, more: &[&str]) {
    let arguments = [&["user", "add", name, "--password-stdin", "--data", data], more].concat();
    let (good, _, errors) = run(&arguments, &format!("{PASSWORD}\n")).await;
    assert!(good, "{errors}");
}
