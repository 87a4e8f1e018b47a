//! Entries of call lists in the database.
//! Called by rpc/, the store of leases and the erasure.

use kontor_kit::audit;
use kontor_kit::auth::{Caller, Guard};
use kontor_kit::db::{Conn, Row, Tx, Value};
use kontor_kit::page::{self, Field, Listing, Page, Query};
use kontor_kit::resource::{self, Stored};
use kontor_kit::{Error, Result, args};

use crate::domain::call_list::CallList;
use crate::domain::list_entry::{CallBack, Cancel, ListEntry, Reason, State};

/// All columns; the macro keeps the trait's list and the statements' text the same.
macro_rules! columns {
    ($($name:literal),* $(,)?) => {
        const COLUMNS: &[&str] = &[$($name),*];
        /// All columns, as text.
        pub const COLUMNS_TEXT: &str = columns!(@text $($name),*);
    };
    (@text $first:literal $(, $rest:literal)*) => {
        concat!($first $(, ", ", $rest)*)
    };
}

columns![
    "id",
    "version",
    "list",
    "number",
    "e164",
    "extension",
    "partner",
    "display_name",
    "priority",
    "state",
    "queued",
    "ready_time",
    "due_time",
    "tries",
    "reason",
    "outcome_time",
    "cancel_reason",
    "owner",
    "call_back",
    "planner",
    "operator",
    "secret",
    "dial_time",
    "opportunity",
    "call",
    "note",
    "zone_key",
    "create_time",
    "update_time",
];

/// States by their names in the API.
const STATES: &[(&str, i64)] = &[
    ("OPEN", 1),
    ("LEASED", 2),
    ("DIALLING", 3),
    ("HELD", 4),
    ("CANCELLED", 5),
    ("CALL_LIST_ENTRY_STATE_OPEN", 1),
    ("CALL_LIST_ENTRY_STATE_LEASED", 2),
    ("CALL_LIST_ENTRY_STATE_DIALLING", 3),
    ("CALL_LIST_ENTRY_STATE_HELD", 4),
    ("CALL_LIST_ENTRY_STATE_CANCELLED", 5),
];
const REASONS: &[(&str, i64)] = &[
    ("", 0),
    ("BUSY", 1),
    ("NO_ANSWER", 2),
    ("ANSWERING_MACHINE", 3),
    ("FAILED", 4),
    ("CALL_BACK", 5),
    ("WRONG_NUMBER", 6),
    ("REFUSED", 7),
    ("DO_NOT_CALL", 8),
    ("LOST", 9),
    ("DROPPED", 10),
];
const CANCELS: &[(&str, i64)] = &[
    ("", 0),
    ("BY_HAND", 1),
    ("MAX_ATTEMPTS", 2),
    ("DO_NOT_CALL", 3),
    ("WRONG_NUMBER", 4),
    ("REFUSED", 5),
    ("ERASED", 6),
];

const NO_CALL_BACK: i64 = 0;
const OPEN_CALL_BACK: i64 = 1;
const PERSONAL_CALL_BACK: i64 = 2;

impl Stored for ListEntry {
    const TABLE: &'static str = "call_entry";
    const COLUMNS: &'static [&'static str] = COLUMNS;
    const COLLECTION: &'static str = "callLists/-/entries";

    fn id(&self) -> &str {
        &self.id
    }

    fn version(&self) -> i64 {
        self.version
    }

    fn set_version(&mut self, version: i64) {
        self.version = version;
    }

    fn name(&self) -> String {
        self.full_name()
    }

    /// Its team's is said by who writes it: see `update`.
    fn audience(&self) -> Guard {
        Guard::administrators()
    }

    fn concerned_partner(&self) -> &str {
        &self.partner
    }

    fn values(&self) -> Vec<Value> {
        let (kind, planner) = match &self.call_back {
            None => (NO_CALL_BACK, ""),
            Some(it) if it.personal => (PERSONAL_CALL_BACK, it.operator.as_str()),
            Some(it) => (OPEN_CALL_BACK, it.operator.as_str()),
        };
        vec![
            (&self.id).into(),
            self.version.into(),
            (&self.list).into(),
            (&self.number).into(),
            (&self.e164).into(),
            (&self.extension).into(),
            (&self.partner).into(),
            (&self.display_name).into(),
            self.priority.into(),
            (self.state as i64).into(),
            self.queued.into(),
            self.ready.into(),
            self.due.into(),
            self.tries.into(),
            self.reason.map_or(0, |reason| reason as i64).into(),
            self.outcome_time.into(),
            self.cancel.map_or(0, |cancel| cancel as i64).into(),
            self.owner().into(),
            kind.into(),
            planner.into(),
            (&self.operator).into(),
            (&self.secret).into(),
            self.dial_time.into(),
            (&self.opportunity).into(),
            (&self.call).into(),
            (&self.note).into(),
            self.zone_key.into(),
            self.create_time.into(),
            self.update_time.into(),
        ]
    }

    fn from_row(row: &Row<'_>, from: usize) -> Result<Self> {
        let small = |column: usize| row.int(from + column).map(|value| i32::try_from(value).unwrap_or(0));
        let text = |column: usize| row.string(from + column);
        let call_back = match row.int(from + 18)? {
            NO_CALL_BACK => None,
            kind => Some(CallBack { operator: text(19)?, personal: kind == PERSONAL_CALL_BACK }),
        };
        let state = State::of(row.int(from + 9)?);
        Ok(ListEntry {
            id: text(0)?,
            version: row.int(from + 1)?,
            list: text(2)?,
            number: text(3)?,
            e164: text(4)?,
            extension: text(5)?,
            partner: text(6)?,
            display_name: text(7)?,
            priority: small(8)?,
            state: state.ok_or_else(|| Error::internal("an entry of a call list has an unknown state"))?,
            queued: row.bool(from + 10)?,
            ready: row.opt_int(from + 11)?,
            due: row.opt_int(from + 12)?,
            tries: small(13)?,
            reason: Reason::of(row.int(from + 14)?),
            outcome_time: row.opt_int(from + 15)?,
            cancel: Cancel::of(row.int(from + 16)?),
            call_back,
            operator: text(20)?,
            secret: text(21)?,
            dial_time: row.opt_int(from + 22)?,
            opportunity: text(23)?,
            call: text(24)?,
            note: text(25)?,
            zone_key: row.int(from + 26)?,
            create_time: row.int(from + 27)?,
            update_time: row.int(from + 28)?,
        })
    }
}

/// What ListCallListEntries offers.
const LISTING: Listing = Listing {
    table: "call_entry",
    columns: COLUMNS_TEXT,
    id: "id",
    by_key: false,
    fields: &[
        Field::filter("state", "state", page::Kind::Enum(STATES)),
        Field::both("e164", "e164", page::Kind::Text),
        Field::filter("partner", "partner", page::Kind::Text),
        Field::filter("owner", "owner", page::Kind::User),
        Field::filter("operator", "operator", page::Kind::User),
        Field::filter("call_back", "CASE WHEN call_back = 0 THEN 0 ELSE 1 END", page::Kind::Bool),
        Field::filter("opportunity", "opportunity", page::Kind::Text),
        Field::filter("tries", "tries", page::Kind::Int),
        Field::both("due_time", "COALESCE(due_time, 0)", page::Kind::Time),
    ],
    default_order: "e164",
    default_size: 50,
    max_size: 1_000,
};

/// Lists the entries of one list, or with none of all that the caller may see.
///
/// # Errors
/// NOT_FOUND; INVALID_ARGUMENT naming page_size, page_token, filter or order_by.
pub fn list(
    conn: &mut Conn<'_>,
    caller: &Caller,
    list: Option<&str>,
    query: &Query,
) -> Result<Page<ListEntry>> {
    let scope = match list {
        Some(list) => {
            super::call_list::get(conn, caller, list)?;
            ("list = $1".to_owned(), args![list].to_vec())
        }
        None => {
            let mut args = Vec::new();
            let seen = caller.scope("''", "team", &mut args);
            (format!("list IN (SELECT id FROM call_list WHERE {seen} AND state <> 4)"), args)
        }
    };
    resource::list(conn, &LISTING, caller, query, scope)
}

/// An entry of a list that the caller may see, with the list.
///
/// # Errors
/// NOT_FOUND.
pub fn get(conn: &mut Conn<'_>, caller: &Caller, list: &str, id: &str) -> Result<(CallList, ListEntry)> {
    let entry: ListEntry = resource::get(conn, id).map_err(|cause| named(cause, list, id))?;
    of_list(conn, caller, list, entry)
}

/// As `get`, and holds the row until the commit.
///
/// # Errors
/// NOT_FOUND.
pub fn hold(tx: &mut Tx<'_>, caller: &Caller, list: &str, id: &str) -> Result<(CallList, ListEntry)> {
    let entry: ListEntry = resource::hold(tx, id).map_err(|cause| named(cause, list, id))?;
    of_list(tx, caller, list, entry)
}

fn of_list(
    conn: &mut Conn<'_>,
    caller: &Caller,
    list: &str,
    entry: ListEntry,
) -> Result<(CallList, ListEntry)> {
    let missing = || Error::not_found(format!("callLists/{list}/entries/{}", entry.id));
    if entry.list != list {
        return Err(missing());
    }
    let list: CallList = resource::get(conn, list)?;
    if list.must_be_there().is_err() || !caller.may_read(&list.guard()) {
        return Err(missing());
    }
    Ok((list, entry))
}

fn named(cause: Error, list: &str, id: &str) -> Error {
    if cause.is_not_found() { Error::not_found(format!("callLists/{list}/entries/{id}")) } else { cause }
}

/// Writes a changed entry; the audit's entry is for who may see the list.
///
/// # Errors
/// ABORTED when someone changed it since it was read.
pub fn update(tx: &mut Tx<'_>, list: &CallList, old: &ListEntry, entry: &mut ListEntry) -> Result<()> {
    entry.version = old.version + 1;
    let mut args = entry.values();
    let sets: Vec<String> =
        COLUMNS.iter().enumerate().skip(1).map(|(at, column)| format!("{column} = ${}", at + 1)).collect();
    args.push(old.version.into());
    let sql =
        format!("UPDATE call_entry SET {} WHERE id = $1 AND version = ${}", sets.join(", "), args.len());
    if tx.execute(&sql, &args)? == 0 {
        return Err(Error::etag_mismatch(entry.full_name()));
    }
    audit_change(tx, list, old, entry);
    Ok(())
}

fn audit_change(tx: &mut Tx<'_>, list: &CallList, old: &ListEntry, new: &ListEntry) {
    let entry =
        audit::Entry::new(audit::Action::Update, new.full_name(), &list.guard()).partner(&new.partner);
    let time = |time: Option<i64>| audit::instant(time.unwrap_or(0));
    let reason = |reason: Option<Reason>| word(REASONS, reason.map_or(0, |reason| reason as i64));
    let cancel = |cancel: Option<Cancel>| word(CANCELS, cancel.map_or(0, |cancel| cancel as i64));
    tx.audit(
        entry
            .field("state", word(STATES, old.state as i64), word(STATES, new.state as i64))
            .field("number", &*old.number, &*new.number)
            .field("display_name", &*old.display_name, &*new.display_name)
            .field("partner", &*old.partner, &*new.partner)
            .field("priority", old.priority.to_string(), new.priority.to_string())
            .field("due_time", time(old.due), time(new.due))
            .field("tries", old.tries.to_string(), new.tries.to_string())
            .field("last_reason", reason(old.reason), reason(new.reason))
            .field("cancel_reason", cancel(old.cancel), cancel(new.cancel))
            .field("owner", old.owner(), new.owner())
            .field("operator", &*old.operator, &*new.operator)
            .field("dial_time", time(old.dial_time), time(new.dial_time))
            .field("opportunity", &*old.opportunity, &*new.opportunity)
            .field("call", &*old.call, &*new.call)
            .field("note", &*old.note, &*new.note),
    );
}

fn word(words: &[(&'static str, i64)], number: i64) -> &'static str {
    words.iter().find(|(_, known)| *known == number).map_or("", |(word, _)| word)
}

/// Entries of a number that are not closed, in all lists, held until the commit.
///
/// # Errors
/// Those of the database.
pub fn open_of_number(tx: &mut Tx<'_>, e164: &str) -> Result<Vec<ListEntry>> {
    let lock = if tx.is_postgres() { " FOR UPDATE" } else { "" };
    let sql = format!(
        "SELECT {COLUMNS_TEXT} FROM call_entry WHERE e164 = $1 AND e164 <> '' AND state <= 3 ORDER BY id{lock}"
    );
    tx.all(&sql, args![e164], |row| ListEntry::from_row(row, 0))
}
