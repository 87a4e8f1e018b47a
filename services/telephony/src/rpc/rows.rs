//! Manners of imports over a stream: how much at once, how long one waits for the other side, how a run ends.
//! Called by rpc/entry_import.rs and rpc/do_not_call.rs.

use std::time::Duration;

use kontor_kit::{Error, Result};
use tokio::sync::mpsc;
use tonic::{Code, Status, Streaming};

/// Rows of one transaction: the writer serves all callers.
pub(super) const ROWS_AT_ONCE: usize = 500;
/// Answers that wait for a slow caller. The run waits for it then.
pub(super) const QUEUE: usize = 4;
/// Rows of one message.
const MESSAGE: usize = 1_000;
/// Rows of one import.
const ROWS: i64 = 1_000_000;
/// How long the next message is waited for, and how long a caller who does not read.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long the end of a run waits until the caller has read all.
const GOODBYE: Duration = Duration::from_secs(10);

/// The next message; none when the caller has closed its side.
pub(super) async fn next<T>(messages: &mut Streaming<T>) -> Result<Option<T>> {
    let late = |_| {
        let message = "the rows did not come in time: send them again, nothing is added twice";
        Error::new(Code::DeadlineExceeded, "DEADLINE_EXCEEDED", message)
    };
    Ok(tokio::time::timeout(PATIENCE, messages.message()).await.map_err(late)??)
}

/// Sends the progress; a caller who does not read is waited for, not for ever.
pub(super) async fn send<T>(
    answers: &mpsc::Sender<std::result::Result<T, Status>>,
    message: T,
) -> Result<()> {
    match tokio::time::timeout(PATIENCE, answers.send(Ok(message))).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) => Err(Error::new(Code::Cancelled, "CANCELLED", "the caller has gone")),
        Err(_) => {
            let message = "the answers were not read in time: send the same rows again to go on";
            Err(Error::new(Code::DeadlineExceeded, "DEADLINE_EXCEEDED", message))
        }
    }
}

/// Sends what went wrong, and waits until it was read.
pub(super) async fn say_goodbye<T>(
    outcome: Result<()>,
    answers: &mpsc::Sender<std::result::Result<T, Status>>,
) {
    if let Err(cause) = outcome {
        let _ = tokio::time::timeout(GOODBYE, answers.send(Err(cause.into()))).await;
        let _ = tokio::time::timeout(GOODBYE, answers.closed()).await;
    }
}

/// Errors and doubles that are reported.
pub(super) fn reports(asked: i32) -> Result<usize> {
    match asked {
        0 => Ok(1_000),
        1..=100_000 => Ok(usize::try_from(asked).unwrap_or(1_000)),
        _ => Err(Error::invalid("settings.max_reports", "use 1 to 100,000")),
    }
}

/// Checks how many rows a message and an import have.
pub(super) fn check_size(rows: usize, received: i64) -> Result<()> {
    if rows > MESSAGE {
        return Err(Error::invalid("rows", format!("send at most {MESSAGE} in a message")));
    }
    if received + i64::try_from(rows).unwrap_or(ROWS) > ROWS {
        return Err(Error::invalid(
            "rows",
            format!("an import has at most {ROWS}: send the rest as another one"),
        ));
    }
    Ok(())
}

/// What callers hear when the server stops.
pub(super) fn stopping() -> Error {
    Error::unavailable("the server is stopping: send the same rows again, nothing is added twice")
}
