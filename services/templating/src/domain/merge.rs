//! A merge: what it makes of what, for whom, and how far it is.
//! Called by rpc/merge.rs, the merges and the store.

use kontor_kit::auth::Guard;
use kontor_kit::{Error, Result};

/// Recipients of a merge at most.
pub const RECIPIENTS: usize = 100_000;

/// How far a merge is. The numbers are those of the API and of the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Recipients are looked up.
    Gathering = 1,
    /// Letters are made.
    Making = 2,
    /// They are put into one file.
    Joining = 3,
    /// The letters are there.
    Done = 4,
    /// It could not.
    Failed = 5,
    /// Somebody stopped it.
    Cancelled = 6,
}

impl State {
    const ALL: [State; 6] =
        [State::Gathering, State::Making, State::Joining, State::Done, State::Failed, State::Cancelled];

    /// Of its number.
    ///
    /// # Errors
    /// INTERNAL when there is none.
    pub fn of(number: i64) -> Result<State> {
        let found = State::ALL.into_iter().find(|it| *it as i64 == number);
        found.ok_or_else(|| Error::internal(format!("a merge has the state {number}")))
    }

    /// Nothing goes on by itself.
    pub fn is_over(self) -> bool {
        matches!(self, State::Done | State::Failed | State::Cancelled)
    }
}

/// A merge.
#[derive(Clone, Debug)]
pub struct Merge {
    /// Id.
    pub id: String,
    /// Version.
    pub version: i64,
    /// Id of the template.
    pub template: String,
    /// The template's name for people, as it was.
    pub template_name: String,
    /// Number of the revision.
    pub revision: i64,
    /// Hash of its document.
    pub sha256: String,
    /// One file with all letters.
    pub joined: bool,
    /// Files are PDF.
    pub pdf: bool,
    /// The others get theirs when a letter can't be made.
    pub skips: bool,
    /// Tag of all letters, or empty.
    pub locale: String,
    /// Filter of the directory's list; empty when there is none, or it was read to its end.
    pub filter: String,
    /// Where the list goes on.
    pub page_token: String,
    /// Values for all letters (protobuf).
    pub fields: Vec<u8>,
    /// The sender's fields (protobuf).
    pub sender: Vec<u8>,
    /// "users/{user}".
    pub owner: String,
    /// "teams/{team}", or empty.
    pub team: String,
    /// How far it is.
    pub state: State,
    /// Where a cancelled one goes on.
    pub resume: i64,
    /// Recipients found so far.
    pub recipients: i64,
    /// Recipients whose partners were looked up.
    pub gathered: i64,
    /// Recipients that were worked off.
    pub done: i64,
    /// Letters made.
    pub letters: i64,
    /// Recipients without one.
    pub failed: i64,
    /// Recipients that the template leaves out.
    pub skipped: i64,
    /// Why it failed.
    pub failure: String,
    /// Bytes of its files.
    pub size: i64,
    /// Microseconds UTC.
    pub create_time: i64,
    /// Microseconds UTC.
    pub update_time: i64,
    /// Microseconds UTC.
    pub end_time: Option<i64>,
}

impl Merge {
    /// Resource name.
    pub fn full_name(&self) -> String {
        format!("merges/{}", self.id)
    }

    /// Who may see and steer it.
    pub fn guard(&self) -> Guard {
        Guard::new(&*self.owner, &*self.team)
    }

    /// Checks that its letters are there.
    ///
    /// # Errors
    /// FAILED_PRECONDITION.
    pub fn must_be_done(&self) -> Result<()> {
        if self.state == State::Done {
            return Ok(());
        }
        let message = format!("{} is not done: its letters are there when all are made", self.full_name());
        Err(Error::precondition("NOT_DONE", message))
    }
}

/// One recipient.
#[derive(Clone, Debug, Default)]
pub struct Row {
    /// Place among the recipients, from 1.
    pub number: i64,
    /// "partners/{id}", or empty.
    pub partner: String,
    /// Name for people.
    pub display_name: String,
    /// Tag of this letter, or empty.
    pub locale: String,
    /// Its own values (protobuf).
    pub fields: Vec<u8>,
    /// The partner's fields (protobuf); none before it was looked up.
    pub card: Option<Vec<u8>>,
    /// It was tried, and why no letter came of it.
    pub reason: String,
    /// 0 waits, 1 made, 2 failed, 3 skipped.
    pub state: i64,
}

/// The name of a letter's file: its number, and whom it is for.
pub fn filename(number: i64, recipient: &str, extension: &str) -> String {
    match clean(recipient) {
        none if none.is_empty() => format!("{number:05}.{extension}"),
        clean => format!("{number:05} {clean}.{extension}"),
    }
}

/// The name of a file with all letters: that of their template.
pub fn joined_filename(template: &str, extension: &str) -> String {
    match clean(template) {
        none if none.is_empty() => format!("letters.{extension}"),
        clean => format!("{clean}.{extension}"),
    }
}

/// What may stand in the name of a file everywhere.
fn clean(text: &str) -> String {
    let clean: String = text
        .chars()
        .map(|it| if it.is_control() || "/\\:*?\"<>|".contains(it) { ' ' } else { it })
        .take(80)
        .collect();
    let clean = clean.split_whitespace().collect::<Vec<_>>().join(" ");
    clean.trim_end_matches('.').to_owned()
}
