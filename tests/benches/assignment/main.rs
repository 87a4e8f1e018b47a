//! 10,000 opportunities to 200 members in ten batches of 1,000, through the interface: asked, planned, given, with every event. The aim is five seconds.
//! Run: `cargo build --release && cargo bench -p kontor-tests --bench assignment`. Kontor runs as its own process, on SQLite.

mod data;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use kontor_proto::pipeline::v1::AssignOpportunitiesRequest;
use kontor_tests::process::cpu_seconds_of;
use kontor_tests::{Grpc, Process};

const PASSWORD: &str = "a bench password";
/// Opportunities of a batch.
const BATCH: i32 = 1_000;

fn main() {
    let runtime = kontor_tests::bench::runtime();
    runtime.block_on(bench());
}

async fn bench() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("kontor");
    data::fill(&path).await;
    let process = Process::start(&path, &[]).await;
    let admin = Grpc::new(&process.address, "bench", PASSWORD);
    let batch = |dry_run| AssignOpportunitiesRequest {
        team: data::TEAM.to_owned(),
        max_count: BATCH,
        seed: 7,
        dry_run,
        ..AssignOpportunitiesRequest::default()
    };
    // Signs in, and brings the first pages into memory; nothing is written.
    let promised = admin.assignments().assign_opportunities(batch(true)).await.expect("a plan").into_inner();
    println!("\n| batch | ms | CPU ms | given |\n|---|---|---|---|");
    let (mut owners, mut shares) = (BTreeSet::new(), BTreeMap::new());
    let (cpu, wall) = (cpu_seconds_of(process.id()), Instant::now());
    for number in 1..=data::DEALS / BATCH as usize {
        let (batch_cpu, batch_wall) = (cpu_seconds_of(process.id()), Instant::now());
        let done = admin.assignments().assign_opportunities(batch(false)).await.expect("given").into_inner();
        println!(
            "| {number} | {:.0} | {:.0} | {} |",
            batch_wall.elapsed().as_secs_f64() * 1_000.0,
            (cpu_seconds_of(process.id()) - batch_cpu) * 1_000.0,
            done.assigned.len()
        );
        assert!(number > 1 || done == promised, "a dry run promises what is done");
        for one in done.assigned {
            assert!(owners.insert(one.opportunity), "given twice");
            *shares.entry(one.member).or_insert(0) += 1;
        }
    }
    let seconds = wall.elapsed().as_secs_f64();
    println!(
        "\n{} opportunities to {} members in {seconds:.2} s, {:.2} s of CPU; the aim is 5 s",
        owners.len(),
        shares.len(),
        cpu_seconds_of(process.id()) - cpu
    );
    assert_eq!(owners.len(), data::DEALS, "every one has somebody");
    assert!(shares.values().all(|share| *share <= data::CAPACITY), "{shares:?}");
    assert!(process.stop().await);
}
