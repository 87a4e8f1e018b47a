//! How long a test waits for what comes by itself: until it is there, and no test fails because the machine is busy.
//! Called by all tests that wait.

use std::time::{Duration, Instant};

/// After that what did not come is not awaited any more.
const LONGEST: Duration = Duration::from_mins(1);

/// Turns of a loop that looks, sleeps a little and looks again: a minute's worth of them, however long each takes.
///
/// ```ignore
/// for () in patience() {
///     if there().await { return; }
///     tokio::time::sleep(Duration::from_millis(20)).await;
/// }
/// panic!("it never came");
/// ```
pub fn patience() -> impl Iterator<Item = ()> {
    let end = Instant::now() + LONGEST;
    std::iter::from_fn(move || (Instant::now() < end).then_some(()))
}
