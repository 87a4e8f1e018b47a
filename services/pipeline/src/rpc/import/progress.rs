//! How far a run is, as the caller sees it: counts that never fall, and the errors of rows, bounded in each message and in all.
//! Called by the two passes.

use std::time::Duration;

use kontor_kit::{Error, Result};
use kontor_proto::pipeline::v1 as proto;
use tonic::Code;

use super::{Answers, gone};
use crate::domain::import::Fault;
use crate::store::import_run::Counts;

/// Errors in one message at most.
const ERRORS: usize = 100;
/// Bytes received between two messages about it.
const STEP: u64 = 1024 * 1024;
/// How long a caller who does not read is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// What came of a row.
#[derive(Clone, Debug)]
pub(super) enum Outcome {
    Created,
    Updated,
    Unchanged,
    Failed(Fault),
}

pub(super) struct Progress {
    answers: Answers,
    now: proto::ImportLeadsResponse,
    /// Errors that may still be reported.
    left: usize,
    /// Bytes received when that was last said.
    said: u64,
    pub received: u64,
    pub rows: u64,
}

impl Progress {
    pub(super) fn new(answers: Answers, max_errors: usize) -> Progress {
        Progress {
            answers,
            now: proto::ImportLeadsResponse::default(),
            left: max_errors,
            said: 0,
            received: 0,
            rows: 0,
        }
    }

    /// The record of the run, in all messages from now on.
    pub(super) fn is_of(&mut self, run: &str) {
        self.now.import = format!("imports/{run}");
    }

    /// Id of that record; empty without one.
    pub(super) fn run(&self) -> String {
        self.now.import.strip_prefix("imports/").unwrap_or_default().to_owned()
    }

    /// What came of the rows so far.
    pub(super) fn counts(&self) -> Counts {
        Counts {
            total: number(self.rows),
            created: self.now.created_rows,
            updated: self.now.updated_rows,
            unchanged: self.now.unchanged_rows,
            failed: self.now.failed_rows,
        }
    }

    /// More has come. A caller who does not listen yet is not waited for: many send the whole file first.
    pub(super) fn received(&mut self) {
        if self.received - self.said < STEP {
            return;
        }
        self.said = self.received;
        self.fill(proto::ImportPhase::Receiving);
        let _ = self.answers.try_send(Ok(self.now.clone()));
    }

    /// The whole file is there.
    ///
    /// # Errors
    /// CANCELLED when nobody listens, DEADLINE_EXCEEDED when nobody reads.
    pub(super) async fn all_received(&mut self) -> Result<()> {
        self.fill(proto::ImportPhase::Receiving);
        self.send().await
    }

    /// Rows are done.
    ///
    /// # Errors
    /// CANCELLED when nobody listens, DEADLINE_EXCEEDED when nobody reads.
    pub(super) async fn rows(&mut self, outcomes: Vec<Outcome>) -> Result<()> {
        self.fill(proto::ImportPhase::Writing);
        let mut errors = Vec::new();
        for outcome in outcomes {
            self.now.done_rows += 1;
            match outcome {
                Outcome::Created => self.now.created_rows += 1,
                Outcome::Updated => self.now.updated_rows += 1,
                Outcome::Unchanged => self.now.unchanged_rows += 1,
                Outcome::Failed(fault) => {
                    self.now.failed_rows += 1;
                    if self.left > 0 {
                        self.left -= 1;
                        errors.push(to_proto(fault));
                    } else {
                        self.now.unreported_errors += 1;
                    }
                }
            }
        }
        while errors.len() > ERRORS {
            let rest = errors.split_off(ERRORS);
            self.now.errors = std::mem::replace(&mut errors, rest);
            self.send().await?;
        }
        self.now.errors = errors;
        self.send().await
    }

    /// All is done.
    ///
    /// # Errors
    /// CANCELLED when nobody listens, DEADLINE_EXCEEDED when nobody reads.
    pub(super) async fn done(&mut self) -> Result<()> {
        self.fill(proto::ImportPhase::Done);
        self.send().await
    }

    fn fill(&mut self, phase: proto::ImportPhase) {
        self.now.set_phase(phase);
        self.now.received_bytes = number(self.received);
        self.now.total_rows = number(self.rows);
    }

    async fn send(&mut self) -> Result<()> {
        let message = self.now.clone();
        self.now.errors.clear();
        match tokio::time::timeout(PATIENCE, self.answers.send(Ok(message))).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(gone()),
            Err(_) => {
                let message = "the answers were not read in time: send the same file again to go on";
                Err(Error::new(Code::DeadlineExceeded, "DEADLINE_EXCEEDED", message))
            }
        }
    }
}

impl Outcome {
    /// Counts it.
    pub(super) fn count(&self, counts: &mut Counts) {
        match self {
            Outcome::Created => counts.created += 1,
            Outcome::Updated => counts.updated += 1,
            Outcome::Unchanged => counts.unchanged += 1,
            Outcome::Failed(_) => counts.failed += 1,
        }
    }
}

fn number(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn to_proto(fault: Fault) -> proto::ImportError {
    proto::ImportError {
        line: i64::try_from(fault.line).unwrap_or(i64::MAX),
        column: i32::try_from(fault.column).unwrap_or(i32::MAX),
        field: fault.field,
        reason: fault.reason,
        message: fault.message,
    }
}
