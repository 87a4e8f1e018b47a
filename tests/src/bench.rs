//! What every bench begins with.
//! Called by the benches.

use tokio::runtime::Runtime;

/// A runtime of two threads, as the machine of the figures has cores.
pub fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime")
}

/// A number from the environment: `KONTOR_TEST_OBJECTS`, say.
pub fn number(variable: &str, usual: usize) -> usize {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}
