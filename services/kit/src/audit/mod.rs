//! The audit: who wrote what, when, and each field's value before and after, in one chain of hashes a service (H4).
//! Written by `resource.rs` for what is one row, by `Tx::audit` for all else; sealed by the database's writer thread.
//!
//! `book.rs` collects the entries of a transaction, `chain.rs` seals, erases and checks them, `shown.rs` makes texts of values,
//! `who.rs` knows who acts, `answer.rs` is what every service's AuditService answers.

mod answer;
mod book;
mod chain;
mod shown;
mod who;

use crate::auth::Guard;
use crate::db::{Conn, Tx};
use crate::{Result, args};

pub use answer::{VerifyStream, list, verify};
pub(crate) use book::{Book, Pending};
pub(crate) use chain::write;
pub(crate) use shown::row;
pub use shown::{SECRET, Shown, column, instant};
pub use who::{Who, acting, here};

/// What a write did to a record. The numbers are those of the API and of the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// It was made.
    Create = 1,
    /// Fields of it changed.
    Update = 2,
    /// It was deleted.
    Delete = 3,
    /// The values of earlier entries were erased.
    Erase = 4,
}

/// What one write did to one record. `Tx::audit` keeps it.
#[derive(Clone, Debug)]
pub struct Entry {
    action: Action,
    subject: String,
    partner: String,
    guard: Guard,
    fields: Vec<Field>,
}

/// A field that changed; empty is "not there".
#[derive(Clone, Debug, PartialEq, Eq)]
struct Field {
    name: String,
    old: String,
    new: String,
}

impl Entry {
    /// An entry about `subject` ("opportunities/{id}"), read by those who may read by `guard`.
    pub fn new(action: Action, subject: impl Into<String>, guard: &Guard) -> Entry {
        Entry {
            action,
            subject: subject.into(),
            partner: String::new(),
            guard: guard.clone(),
            fields: Vec::new(),
        }
    }

    /// The partner that it concerns: "partners/{id}"; empty is none.
    #[must_use]
    pub fn partner(mut self, partner: impl Into<String>) -> Entry {
        self.partner = partner.into();
        self
    }

    /// A field with its value before and after, as text; empty is "not there". Left out when nothing differs.
    #[must_use]
    pub fn field(mut self, name: impl Into<String>, old: impl Into<String>, new: impl Into<String>) -> Entry {
        self.push(name.into(), old.into(), new.into());
        self
    }

    /// A secret: only whether there was one, and that it changed.
    #[must_use]
    pub fn secret(mut self, name: impl Into<String>, was: bool, is: bool) -> Entry {
        let shown = |there: bool| if there { SECRET.to_owned() } else { String::new() };
        self.fields.push(Field { name: name.into(), old: shown(was), new: shown(is) });
        self
    }

    fn push(&mut self, name: String, old: String, new: String) {
        if old != new {
            self.fields.push(Field { name, old, new });
        }
    }

    /// Whether it tells anything: an update without a changed field does not.
    fn is_empty(&self) -> bool {
        self.action == Action::Update && self.fields.is_empty()
    }
}

/// Erases the values of all entries about a record, and of all that concern it when it is a partner ("partners/{id}"), at the end of this
/// transaction; those of the transaction itself too. Who, when and which fields stay, and the chain stays whole. Returns how many values there
/// are to erase; an entry says that they were.
///
/// # Errors
/// Those of the database.
pub fn forget(tx: &mut Tx<'_>, subject: &str) -> Result<i64> {
    let count = value_count(tx, subject)?;
    tx.erase_audit(subject);
    Ok(count)
}

/// How many values the entries about a record, and those that concern it, still hold.
///
/// # Errors
/// Those of the database.
pub fn value_count(conn: &mut Conn<'_>, subject: &str) -> Result<i64> {
    let sql = "SELECT CAST(COALESCE(SUM(value_count), 0) AS BIGINT) FROM kit_audit WHERE subject = $1";
    let own = conn.one(sql, args![subject], |row| row.int(0))?.unwrap_or(0);
    let sql = "SELECT CAST(COALESCE(SUM(value_count), 0) AS BIGINT) FROM kit_audit WHERE partner = $1 AND partner <> '' AND subject <> $1";
    Ok(own + conn.one(sql, args![subject], |row| row.int(0))?.unwrap_or(0))
}
