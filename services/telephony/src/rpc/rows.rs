//! Imports over a stream: settings first, then rows, written in batches, with the progress as the answers. What a row is, each kind of import says.
//! Used by rpc/entry_import.rs and rpc/number_import.rs.

use std::time::Duration;

use kontor_kit::context::Context;
use kontor_kit::slots::Slot;
use kontor_kit::{Error, Result, audit};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status, Streaming};

/// Rows of one transaction: the writer serves all callers.
const ROWS_AT_ONCE: usize = 500;
/// Answers that wait for a slow caller. The run waits for it then.
const QUEUE: usize = 4;
/// Rows of one message.
const MESSAGE: usize = 1_000;
/// Rows of one import.
const ROWS: i64 = 1_000_000;
/// How long the next message is waited for, and how long a caller who does not read.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long the end of a run waits until the caller has read all.
const GOODBYE: Duration = Duration::from_secs(10);

/// What a message of an import has.
pub enum Part<S, R> {
    /// How rows are to be taken.
    Settings(S),
    /// The next rows.
    Rows(Vec<R>),
    /// Neither.
    Nothing,
}

/// An import of one kind of rows, as far as it is.
#[tonic::async_trait]
pub trait Import: Send {
    /// A message of the caller.
    type Message: Send;
    /// What comes first.
    type Settings: Send;
    /// What follows.
    type Row: Send;
    /// An answer.
    type Progress: Send + 'static;

    /// What a message has.
    fn part(message: Self::Message) -> Part<Self::Settings, Self::Row>;
    /// The answer before any row, where there is one.
    fn first(&self) -> Option<Self::Progress>;
    /// Rows that came so far.
    fn received(&self) -> i64;
    /// Takes rows in one transaction.
    async fn take(&mut self, rows: Vec<Self::Row>) -> Result<()>;
    /// The progress since the last one; the last of all says that it is done.
    fn progress(&mut self, done: bool) -> Self::Progress;
}

/// The answers of an import.
pub type Answers<I> = ReceiverStream<std::result::Result<<I as Import>::Progress, Status>>;

/// Runs an import that `begin` makes of its settings. Answers at once; what is wrong comes as the end of the stream.
pub(super) fn start<I, F>(
    context: &Context,
    slot: Slot,
    mut messages: Streaming<I::Message>,
    begin: impl FnOnce(I::Settings) -> F + Send + 'static,
) -> Answers<I>
where
    I: Import + 'static,
    F: Future<Output = Result<I>> + Send + 'static,
{
    let (sender, receiver) = mpsc::channel(QUEUE);
    let stop = context.stop.clone();
    let run = async move {
        let outcome = tokio::select! {
            outcome = run::<I, F>(&mut messages, &sender, begin) => outcome,
            () = stop.cancelled() => Err(stopping()),
            () = sender.closed() => Ok(()),
        };
        // before the last word: who hears it may begin the next import at once
        drop(slot);
        say_goodbye(outcome, &sender).await;
        // were it dropped before the caller has read our last word, it would only see a broken stream
        drop(messages);
    };
    // not through `Context::spawn`, which would end it without a word when the server stops
    context.tasks.spawn(audit::acting(audit::here(), run));
    ReceiverStream::new(receiver)
}

async fn run<I, F>(
    messages: &mut Streaming<I::Message>,
    answers: &mpsc::Sender<std::result::Result<I::Progress, Status>>,
    begin: impl FnOnce(I::Settings) -> F + Send,
) -> Result<()>
where
    I: Import,
    F: Future<Output = Result<I>> + Send,
{
    let Some(Part::Settings(settings)) = next(messages).await?.map(I::part) else {
        return Err(Error::invalid("settings", "they come first"));
    };
    let mut import = begin(settings).await?;
    if let Some(first) = import.first() {
        send(answers, first).await?;
    }
    while let Some(message) = next(messages).await? {
        let Part::Rows(mut rows) = I::part(message) else {
            return Err(Error::invalid("rows", "settings come once; rows follow"));
        };
        check_size(rows.len(), import.received())?;
        while !rows.is_empty() {
            let rest = rows.split_off(rows.len().min(ROWS_AT_ONCE));
            import.take(std::mem::replace(&mut rows, rest)).await?;
            send(answers, import.progress(false)).await?;
        }
    }
    send(answers, import.progress(true)).await
}

/// How many errors, or doubles, are still reported; those beyond are counted.
pub(super) struct Reports(usize);

impl Reports {
    /// So many as the settings say.
    ///
    /// # Errors
    /// INVALID_ARGUMENT naming settings.max_reports.
    pub(super) fn new(asked: i32) -> Result<Reports> {
        match asked {
            0 => Ok(Reports(1_000)),
            1..=100_000 => Ok(Reports(usize::try_from(asked).unwrap_or(1_000))),
            _ => Err(Error::invalid("settings.max_reports", "use 1 to 100,000")),
        }
    }

    /// Adds one, or counts it.
    pub(super) fn add<T>(&mut self, report: T, to: &mut Vec<T>, beyond: &mut i64) {
        if self.0 == 0 {
            *beyond += 1;
        } else {
            self.0 -= 1;
            to.push(report);
        }
    }
}

/// The next message; none when the caller has closed its side.
async fn next<T>(messages: &mut Streaming<T>) -> Result<Option<T>> {
    let late = |_| {
        let message = "the rows did not come in time: send them again, nothing is added twice";
        Error::new(Code::DeadlineExceeded, "DEADLINE_EXCEEDED", message)
    };
    Ok(tokio::time::timeout(PATIENCE, messages.message()).await.map_err(late)??)
}

/// Sends the progress; a caller who does not read is waited for, not for ever.
async fn send<T>(answers: &mpsc::Sender<std::result::Result<T, Status>>, message: T) -> Result<()> {
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
async fn say_goodbye<T>(outcome: Result<()>, answers: &mpsc::Sender<std::result::Result<T, Status>>) {
    if let Err(cause) = outcome {
        let _ = tokio::time::timeout(GOODBYE, answers.send(Err(cause.into()))).await;
        let _ = tokio::time::timeout(GOODBYE, answers.closed()).await;
    }
}

/// Checks how many rows a message and an import have.
fn check_size(rows: usize, received: i64) -> Result<()> {
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
fn stopping() -> Error {
    Error::unavailable("the server is stopping: send the same rows again, nothing is added twice")
}
