//! Speed as ratios to a floor taken in the same run: raw SQLite reads, a bare tonic method, raw durable writes.
//! Run: `cargo build --release && cargo bench -p kontor-tests`. `KONTOR_TEST_OBJECTS` sets the size (20,000): what must not grow with it shows by a
//! run with 1,000 and one with 200,000.
//!
//! Kontor runs as its own process; the figures are its CPU time, which noise of the machine moves less than wall time does.

mod data;
mod dav;
mod floor;
mod grpc;
mod server;

use std::future::Future;
use std::sync::Mutex;
use std::time::Instant;

use floor::Floors;
use futures_util::stream::{self, StreamExt};
use kontor_tests::process::run;
use kontor_tests::{Grpc, Http, Process};

const PASSWORD: &str = "a bench password";

fn main() {
    let runtime = kontor_tests::bench::runtime();
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.iter().position(|argument| argument == "--floor") {
        Some(place) => runtime.block_on(server::serve(std::path::Path::new(&arguments[place + 1]))),
        None => runtime.block_on(bench()),
    }
}

/// What one operation costs.
#[derive(Clone, Copy)]
struct Cost {
    /// CPU of the server, milliseconds.
    cpu_ms: f64,
    /// Wall time of all divided by their number, milliseconds.
    wall_ms: f64,
    /// The time that 99 of 100 stay under, milliseconds.
    p99_ms: f64,
}

/// Costs, each with the floor that it is held against.
#[derive(Default)]
struct Figures(Vec<(&'static str, Cost, &'static str, f64)>);

impl Figures {
    fn add(&mut self, what: &'static str, cost: Cost, (floor, floor_ms): (&'static str, f64)) {
        self.0.push((what, cost, floor, floor_ms));
    }

    fn print(&self) {
        println!(
            "| operation | CPU ms | wall ms | p99 ms | floor | floor ms | ratio |\n|---|---|---|---|---|---|---|"
        );
        for (what, Cost { cpu_ms, wall_ms, p99_ms }, floor, floor_ms) in &self.0 {
            let ratio = cpu_ms / floor_ms;
            println!(
                "| {what} | {cpu_ms:.3} | {wall_ms:.3} | {p99_ms:.1} | {floor} | {floor_ms:.3} | {ratio:.1} |"
            );
        }
    }
}

async fn bench() {
    let size: usize = kontor_tests::bench::number("KONTOR_TEST_OBJECTS", 20_000);
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
    let (calendar, book) = data::fill(&process, &http, size).await;
    let mut figures = Figures::default();
    let bench = dav::Bench { process: &process, http: &http, calendar, book, size, floors: &floors };
    bench.listings(&mut figures).await;
    bench.queries(&mut figures).await;
    bench.searches(&mut figures).await;
    bench.points(&mut figures).await;
    grpc::figures(&process, &grpc, &floors, &mut figures).await;
    println!("\n{size} events and {size} cards; memory {:.0} MiB\n", process.memory_mib());
    figures.print();
    assert!(process.stop().await);
}

/// Runs an operation `times` times, `at_once` of them at a time.
async fn measure<F: Future<Output = ()>>(
    process: &Process,
    times: usize,
    at_once: usize,
    operation: impl Fn(usize) -> F,
) -> Cost {
    operation(0).await;
    let took = Mutex::new(Vec::with_capacity(times));
    let timed = async |number| {
        let begun = Instant::now();
        operation(number).await;
        took.lock().expect("nothing panicked").push(begun.elapsed().as_secs_f64() * 1_000.0);
    };
    let (cpu, wall) = (process.cpu_seconds(), Instant::now());
    stream::iter(1..=times).map(timed).buffer_unordered(at_once).collect::<Vec<()>>().await;
    let each = 1_000.0 / times as f64;
    let (cpu_ms, wall_ms) = ((process.cpu_seconds() - cpu) * each, wall.elapsed().as_secs_f64() * each);
    let mut took = took.into_inner().expect("nothing panicked");
    took.sort_by(f64::total_cmp);
    Cost { cpu_ms, wall_ms, p99_ms: took[(times * 99).div_ceil(100) - 1] }
}
