//! Random clients against a whole Kontor, compared with a simple model in memory after every step: objects, conditions, sync, gRPC,
//! shares, collections. Rows D2, D3, D4, D7, D8.
//!
//! After each step: status, ETag and bytes of what it concerned, as its owner and somebody else see it, and that the tokens of its
//! collections changed exactly when the model says so. Every `WHOLE` steps, and at the end, everything: all homes, listings, bytes,
//! tokens, every client's mirror after its sync, and the rows that gRPC lists. docs/model-test.md says how to run it for long and how to repeat a run.

mod bodies;
mod client;
mod grpc;
mod overview;
mod random;
mod reads;
mod run;
mod shares;
mod whole;
mod world;
mod writes;

use kontor_tests::{Sandbox, both};

use run::Run;

/// Steps in CI, each of the four runs.
const STEPS: usize = 600;
/// A seed that every run of CI has.
const SEED: u64 = 20_261_123;

/// A number from the environment.
fn given<T: std::str::FromStr>(name: &str) -> Option<T> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is no number: {text:?}")))
}

async fn go(sandbox: Sandbox, seed: u64) {
    let steps = given("KONTOR_MODEL_STEPS").unwrap_or(STEPS);
    println!("the model's run has seed {seed} and {steps} steps");
    let begin = std::time::Instant::now();
    Run::new(sandbox, seed).await.steps(steps).await;
    println!("the model's run with seed {seed} took {} s", begin.elapsed().as_secs());
}

fn seed_of_the_clock() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a clock");
    now.as_secs()
}

both! {
    /// With a fixed seed, or that of KONTOR_MODEL_SEED.
    async fn seeded(sandbox: Sandbox) {
        go(sandbox, given("KONTOR_MODEL_SEED").unwrap_or(SEED)).await;
    }

    /// With another seed each time.
    async fn of_the_clock(sandbox: Sandbox) {
        go(sandbox, seed_of_the_clock()).await;
    }
}
