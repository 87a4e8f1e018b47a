//! Merges in the database: what they are, how far they are, and which process works on them.
//! Called by rpc/merge.rs and the merges.

use kontor_kit::audit::{self, Shown};
use kontor_kit::auth::{Caller, Guard};
use kontor_kit::db::{Conn, Row, Tx, Value};
use kontor_kit::page::{Field, Kind, Listing, Page, Query, Scope};
use kontor_kit::resource::{self, Stored};
use kontor_kit::{Error, Result, args};

use crate::domain::merge::{Merge, State};

/// How long a process works alone without a sign of life, in microseconds.
pub const LEASE: i64 = 30_000_000;

impl Stored for Merge {
    const TABLE: &'static str = "merge_run";
    const COLUMNS: &'static [&'static str] = &[
        "id",
        "version",
        "template",
        "template_name",
        "revision",
        "sha256",
        "output",
        "pdf",
        "policy",
        "locale",
        "filter",
        "page_token",
        "fields",
        "sender",
        "owner",
        "team",
        "state",
        "resume",
        "recipients",
        "gathered",
        "done",
        "letters",
        "failed",
        "skipped",
        "failure",
        "size",
        "create_time",
        "update_time",
        "end_time",
        "holder",
        "until",
    ];
    const COLLECTION: &'static str = "merges";

    fn id(&self) -> &str {
        &self.id
    }

    fn version(&self) -> i64 {
        self.version
    }

    fn set_version(&mut self, version: i64) {
        self.version = version;
    }

    fn audience(&self) -> Guard {
        self.guard()
    }

    fn shown(column: &'static str) -> Shown {
        match column {
            "template" | "owner" | "team" | "locale" | "filter" => audit::column(column),
            "recipients" => Shown::As("recipient_count", Kind::Int),
            "revision" => Shown::As("revision", Kind::Int),
            // How far it is; and personal data, which stands in the letters.
            _ => Shown::Not,
        }
    }

    fn values(&self) -> Vec<Value> {
        args![
            &self.id,
            self.version,
            &self.template,
            &self.template_name,
            self.revision,
            &self.sha256,
            if self.joined { 2 } else { 1 },
            self.pdf,
            if self.skips { 2 } else { 1 },
            &self.locale,
            &self.filter,
            &self.page_token,
            &self.fields[..],
            &self.sender[..],
            &self.owner,
            &self.team,
            self.state as i64,
            self.resume,
            self.recipients,
            self.gathered,
            self.done,
            self.letters,
            self.failed,
            self.skipped,
            &self.failure,
            self.size,
            self.create_time,
            self.update_time,
            self.end_time,
            "",
            0,
        ]
        .to_vec()
    }

    fn from_row(row: &Row<'_>, from: usize) -> Result<Self> {
        Ok(Merge {
            id: row.string(from)?,
            version: row.int(from + 1)?,
            template: row.string(from + 2)?,
            template_name: row.string(from + 3)?,
            revision: row.int(from + 4)?,
            sha256: row.string(from + 5)?,
            joined: row.int(from + 6)? == 2,
            pdf: row.bool(from + 7)?,
            skips: row.int(from + 8)? == 2,
            locale: row.string(from + 9)?,
            filter: row.string(from + 10)?,
            page_token: row.string(from + 11)?,
            fields: row.bytes(from + 12)?.to_vec(),
            sender: row.bytes(from + 13)?.to_vec(),
            owner: row.string(from + 14)?,
            team: row.string(from + 15)?,
            state: State::of(row.int(from + 16)?)?,
            resume: row.int(from + 17)?,
            recipients: row.int(from + 18)?,
            gathered: row.int(from + 19)?,
            done: row.int(from + 20)?,
            letters: row.int(from + 21)?,
            failed: row.int(from + 22)?,
            skipped: row.int(from + 23)?,
            failure: row.string(from + 24)?,
            size: row.int(from + 25)?,
            create_time: row.int(from + 26)?,
            update_time: row.int(from + 27)?,
            end_time: row.opt_int(from + 28)?,
        })
    }
}

const STATES: &[(&str, i64)] =
    &[("GATHERING", 1), ("MAKING", 2), ("JOINING", 3), ("DONE", 4), ("FAILED", 5), ("CANCELLED", 6)];

const LISTING: Listing = Listing {
    table: "merge_run",
    columns: "id, version, template, template_name, revision, sha256, output, pdf, policy, locale, filter, page_token, fields, sender, owner, team, state, resume, recipients, gathered, done, letters, failed, skipped, failure, size, create_time, update_time, end_time",
    id: "id",
    by_key: false,
    fields: &[
        Field::filter("template", "'templates/' || template", Kind::Text),
        Field::filter("state", "state", Kind::Enum(STATES)),
        Field::filter("owner", "owner", Kind::User),
        Field::order("create_time", "create_time", Kind::Time),
    ],
    default_order: "create_time desc",
    default_size: 50,
    max_size: 1_000,
};

/// Those that the caller may see.
///
/// # Errors
/// INVALID_ARGUMENT naming page_size, page_token, filter or order_by.
pub fn list(conn: &mut Conn<'_>, caller: &Caller, query: &Query) -> Result<Page<Merge>> {
    resource::list(conn, &LISTING, caller, query, Scope::of(caller, "owner", "team"))
}

/// One that the caller may see.
///
/// # Errors
/// NOT_FOUND.
pub fn get(conn: &mut Conn<'_>, caller: &Caller, id: &str) -> Result<Merge> {
    let found: Merge = resource::get(conn, id)?;
    caller.must_read(&found.guard(), &found.full_name())?;
    Ok(found)
}

/// One that the caller may steer, held until the commit.
///
/// # Errors
/// NOT_FOUND, PERMISSION_DENIED.
pub fn hold(tx: &mut Tx<'_>, caller: &Caller, id: &str) -> Result<Merge> {
    let found: Merge = resource::hold(tx, id)?;
    caller.must_write(&found.guard(), &found.full_name())?;
    Ok(found)
}

/// Whether a merge of a template goes on, or may.
///
/// # Errors
/// Those of the database.
pub fn uses(conn: &mut Conn<'_>, template: &str) -> Result<bool> {
    let sql = "SELECT 1 FROM merge_run WHERE template = $1 AND state IN (1, 2, 3, 6) LIMIT 1";
    Ok(conn.one(sql, args![template], |_| Ok(()))?.is_some())
}

/// Takes the oldest merge that nobody works on.
///
/// # Errors
/// Those of the database.
pub fn take(tx: &mut Tx<'_>, holder: &str) -> Result<Option<Merge>> {
    let now = tx.now();
    // A SQLite file belongs to one process, so whoever else had it is gone.
    let (free, lock) = if tx.is_postgres() {
        ("until < $2 AND $1 = $1", " FOR UPDATE SKIP LOCKED")
    } else {
        ("(until < $2 OR holder <> $1)", "")
    };
    let sql =
        format!("SELECT id FROM merge_run WHERE state < 4 AND {free} ORDER BY create_time, id LIMIT 1{lock}");
    let Some(id) = tx.one(&sql, args![holder, now], |row| row.string(0))? else { return Ok(None) };
    let sql = "UPDATE merge_run SET holder = $2, until = $3 WHERE id = $1";
    tx.execute(sql, args![&id, holder, now + LEASE])?;
    resource::find(tx, &id)
}

/// Gives it back, for another try.
///
/// # Errors
/// Those of the database.
pub fn give_back(tx: &mut Tx<'_>, id: &str, holder: &str, until: i64) -> Result<()> {
    let sql = "UPDATE merge_run SET until = $3 WHERE id = $1 AND holder = $2";
    tx.execute(sql, args![id, holder, until]).map(|_| ())
}

/// Writes how far it is, if it is still in the state that it was in and ours. False when not: somebody cancelled it, or another process has it.
///
/// # Errors
/// Those of the database.
pub fn advance(tx: &mut Tx<'_>, before: State, merge: &Merge, holder: &str) -> Result<bool> {
    let now = tx.now();
    let sql = "UPDATE merge_run SET state = $4, recipients = $5, gathered = $6, done = $7, letters = $8, failed = $9, skipped = $10, failure = $11, size = $12,
                filter = $13, page_token = $14, until = $15, update_time = $16, end_time = $17
         WHERE id = $1 AND state = $2 AND holder = $3";
    let end_time = merge.state.is_over().then_some(now);
    let count = tx.execute(
        sql,
        args![
            &merge.id,
            before as i64,
            holder,
            merge.state as i64,
            merge.recipients,
            merge.gathered,
            merge.done,
            merge.letters,
            merge.failed,
            merge.skipped,
            &merge.failure,
            merge.size,
            &merge.filter,
            &merge.page_token,
            now + LEASE,
            now,
            end_time
        ],
    )?;
    Ok(count > 0)
}

/// Stops one that goes on.
///
/// # Errors
/// FAILED_PRECONDITION when it has ended.
pub fn cancel(tx: &mut Tx<'_>, merge: &mut Merge) -> Result<()> {
    if merge.state.is_over() {
        return Err(Error::precondition("ENDED", format!("{} has ended", merge.full_name())));
    }
    merge.resume = merge.state as i64;
    merge.state = State::Cancelled;
    merge.end_time = Some(tx.now());
    set_state(tx, merge)
}

/// Lets a cancelled one go on.
///
/// # Errors
/// FAILED_PRECONDITION when it was not cancelled.
pub fn resume(tx: &mut Tx<'_>, merge: &mut Merge) -> Result<()> {
    if merge.state != State::Cancelled {
        let message = format!("{} was not cancelled", merge.full_name());
        return Err(Error::precondition("NOT_CANCELLED", message));
    }
    merge.state = State::of(merge.resume)?;
    merge.end_time = None;
    set_state(tx, merge)
}

fn set_state(tx: &mut Tx<'_>, merge: &mut Merge) -> Result<()> {
    merge.update_time = tx.now();
    let sql = "UPDATE merge_run SET state = $2, resume = $3, end_time = $4, update_time = $5, holder = '', until = 0 WHERE id = $1";
    let args = args![&merge.id, merge.state as i64, merge.resume, merge.end_time, merge.update_time];
    tx.execute(sql, args).map(|_| ())
}

/// Says that a deleted merge's letters are on their way out.
///
/// # Errors
/// Those of the database.
pub fn gone(tx: &mut Tx<'_>, id: &str) -> Result<()> {
    let sql = "INSERT INTO merge_gone (id) VALUES ($1) ON CONFLICT (id) DO NOTHING";
    tx.execute(sql, args![id]).map(|_| ())
}

/// Takes out a part of what a deleted merge left. False when there is nothing any more.
///
/// # Errors
/// Those of the database.
pub fn sweep(tx: &mut Tx<'_>) -> Result<bool> {
    let Some(id) = tx.one("SELECT id FROM merge_gone ORDER BY id LIMIT 1", &[], |row| row.string(0))? else {
        return Ok(false);
    };
    let mut count = super::letter::drop_some(tx, &id)?;
    count += tx.execute(
        "DELETE FROM merge_row WHERE merge_id = $1 AND number IN (SELECT number FROM merge_row WHERE merge_id = $1 ORDER BY number LIMIT 1000)",
        args![&id],
    )?;
    if count == 0 {
        tx.execute("DELETE FROM merge_gone WHERE id = $1", args![&id])?;
    }
    Ok(true)
}
