//! Calls in the database.
//! Called by rpc/call.rs, the intake and the tasks.

use kontor_kit::audit::Shown;
use kontor_kit::auth::{Caller, Guard};
use kontor_kit::db::{Conn, Row, Tx, Value};
use kontor_kit::page::{Field, Kind, Listing, Page, Query};
use kontor_kit::resource::{self, Stored};
use kontor_kit::{Error, Result, args};

use crate::domain::entry::{Announced, Entry};
use crate::domain::record::End;

/// All columns; the macro keeps the trait's list and the listing's text the same.
macro_rules! columns {
    ($($name:literal),* $(,)?) => {
        const COLUMNS: &[&str] = &[$($name),*];
        const COLUMNS_TEXT: &str = columns!(@text $($name),*);
    };
    (@text $first:literal $(, $rest:literal)*) => {
        concat!($first $(, ", ", $rest)*)
    };
}

columns![
    "id",
    "version",
    "connector",
    "external_id",
    "direction",
    "state",
    "outcome",
    "caller_number",
    "caller_e164",
    "caller_name",
    "callee_number",
    "callee_e164",
    "callee_name",
    "number",
    "e164",
    "partner",
    "candidates",
    "opportunity",
    "handler",
    "team",
    "start_time",
    "answer_time",
    "end_time",
    "ring_micros",
    "talk_micros",
    "queue",
    "transfers",
    "note",
    "announced",
    "said",
    "partner_by_hand",
    "opportunity_by_hand",
    "due_time",
    "linked_e164",
    "link_time",
    "link_tries",
    "record",
];

impl Stored for Entry {
    const TABLE: &'static str = "call";
    const COLUMNS: &'static [&'static str] = COLUMNS;
    const COLLECTION: &'static str = "calls";

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
        Guard::company()
    }

    fn concerned_partner(&self) -> &str {
        &self.partner
    }

    /// What people set, and who called whom. How the call went on is told by the telephone system and stands in the call itself.
    fn shown(column: &'static str) -> Shown {
        match column {
            "connector" | "external_id" | "caller_number" | "caller_name" | "callee_number"
            | "callee_name" | "partner" | "opportunity" | "team" | "note" => Shown::As(column, Kind::Text),
            "direction" => Shown::As("direction", Kind::Enum(DIRECTIONS)),
            "outcome" => Shown::As("outcome", Kind::Enum(OUTCOMES)),
            "handler" => Shown::As("user", Kind::Text),
            "start_time" => Shown::As("start_time", Kind::Time),
            _ => Shown::Not,
        }
    }

    fn values(&self) -> Vec<Value> {
        let record = self.record.as_ref().and_then(|record| serde_json::to_vec(record).ok());
        vec![
            (&self.id).into(),
            self.version.into(),
            (&self.connector).into(),
            (&self.external_id).into(),
            self.direction.into(),
            self.state.into(),
            self.outcome.into(),
            (&self.caller.number).into(),
            (&self.caller.e164).into(),
            (&self.caller.name).into(),
            (&self.callee.number).into(),
            (&self.callee.e164).into(),
            (&self.callee.name).into(),
            (&self.number).into(),
            (&self.e164).into(),
            (&self.partner).into(),
            self.candidates.join(" ").into(),
            (&self.opportunity).into(),
            (&self.user).into(),
            (&self.team).into(),
            self.start.into(),
            self.answer.into(),
            self.end.into(),
            self.ring.into(),
            self.talk.into(),
            (&self.queue).into(),
            serde_json::to_string(&self.transfers).unwrap_or_default().into(),
            (&self.note).into(),
            (self.announced as i64).into(),
            Value::Bytes(Some(self.said.clone())),
            self.partner_by_hand.into(),
            self.opportunity_by_hand.into(),
            self.due.into(),
            (&self.linked_e164).into(),
            self.link_time.into(),
            self.link_tries.into(),
            Value::Bytes(record),
        ]
    }

    fn from_row(row: &Row<'_>, from: usize) -> Result<Self> {
        let number = |column: usize| row.int(from + column).map(|value| i32::try_from(value).unwrap_or(0));
        let text = |column: usize| row.string(from + column);
        let end = |column: usize| {
            Ok::<_, Error>(End { number: text(column)?, e164: text(column + 1)?, name: text(column + 2)? })
        };
        let record = row.opt_bytes(from + 36)?.map(serde_json::from_slice).transpose();
        Ok(Entry {
            id: text(0)?,
            version: row.int(from + 1)?,
            connector: text(2)?,
            external_id: text(3)?,
            direction: number(4)?,
            state: number(5)?,
            outcome: number(6)?,
            caller: end(7)?,
            callee: end(10)?,
            number: text(13)?,
            e164: text(14)?,
            partner: text(15)?,
            candidates: row.text(from + 16)?.split_whitespace().map(str::to_owned).collect(),
            opportunity: text(17)?,
            user: text(18)?,
            team: text(19)?,
            start: row.int(from + 20)?,
            answer: row.opt_int(from + 21)?,
            end: row.opt_int(from + 22)?,
            ring: row.opt_int(from + 23)?,
            talk: row.opt_int(from + 24)?,
            queue: text(25)?,
            transfers: serde_json::from_str(row.text(from + 26)?).map_err(Error::internal)?,
            note: text(27)?,
            announced: match row.int(from + 28)? {
                0 => Announced::Nothing,
                1 => Announced::Began,
                _ => Announced::Ended,
            },
            said: row.opt_bytes(from + 29)?.unwrap_or_default().to_vec(),
            partner_by_hand: row.bool(from + 30)?,
            opportunity_by_hand: row.bool(from + 31)?,
            due: row.opt_int(from + 32)?,
            linked_e164: text(33)?,
            link_time: row.opt_int(from + 34)?,
            link_tries: row.int(from + 35)?,
            record: record.map_err(Error::internal)?,
        })
    }
}

const DIRECTIONS: &[(&str, i64)] = &[
    ("INBOUND", 1),
    ("OUTBOUND", 2),
    ("INTERNAL", 3),
    ("CALL_DIRECTION_INBOUND", 1),
    ("CALL_DIRECTION_OUTBOUND", 2),
    ("CALL_DIRECTION_INTERNAL", 3),
];
const STATES: &[(&str, i64)] = &[
    ("RINGING", 1),
    ("ANSWERED", 2),
    ("ENDED", 3),
    ("CALL_STATE_RINGING", 1),
    ("CALL_STATE_ANSWERED", 2),
    ("CALL_STATE_ENDED", 3),
];
const OUTCOMES: &[(&str, i64)] = &[
    ("ANSWERED", 1),
    ("MISSED", 2),
    ("NO_ANSWER", 3),
    ("BUSY", 4),
    ("ABANDONED", 5),
    ("FAILED", 6),
    ("CALL_OUTCOME_ANSWERED", 1),
    ("CALL_OUTCOME_MISSED", 2),
    ("CALL_OUTCOME_NO_ANSWER", 3),
    ("CALL_OUTCOME_BUSY", 4),
    ("CALL_OUTCOME_ABANDONED", 5),
    ("CALL_OUTCOME_FAILED", 6),
];

/// What ListCalls offers.
const LISTING: Listing = Listing {
    table: "call",
    columns: COLUMNS_TEXT,
    id: "id",
    by_key: false,
    fields: &[
        Field::order("start_time", "start_time", Kind::Time),
        Field::filter("partner", "partner", Kind::Text),
        Field::filter("user", "handler", Kind::User),
        Field::filter("direction", "direction", Kind::Enum(DIRECTIONS)),
        Field::filter("outcome", "outcome", Kind::Enum(OUTCOMES)),
        Field::filter("state", "state", Kind::Enum(STATES)),
        Field::filter(
            "connector",
            "CASE WHEN connector = '' THEN '' ELSE 'connectors/' || connector END",
            Kind::Text,
        ),
        Field::filter("external_id", "external_id", Kind::Text),
        Field::filter("opportunity", "opportunity", Kind::Text),
    ],
    default_order: "start_time desc",
    default_size: 50,
    max_size: 1_000,
};

/// Lists calls. Everyone in the company may see them.
///
/// # Errors
/// INVALID_ARGUMENT naming page_size, page_token, filter or order_by.
pub fn list(conn: &mut Conn<'_>, caller: &Caller, query: &Query) -> Result<Page<Entry>> {
    resource::list(conn, &LISTING, caller, query, ("1 = 1".to_owned(), Vec::new()))
}

/// The call of a telephone system, held until the commit, or none.
///
/// # Errors
/// Those of the database.
pub fn find(tx: &mut Tx<'_>, connector: &str, external_id: &str) -> Result<Option<Entry>> {
    let lock = lock(tx);
    let sql = format!(
        "SELECT {COLUMNS_TEXT} FROM call WHERE connector = $1 AND external_id = $2 AND connector <> ''{lock}"
    );
    tx.one(&sql, args![connector, external_id], |row| Entry::from_row(row, 0))
}

/// One call, held until the commit.
///
/// # Errors
/// NOT_FOUND.
pub fn hold(tx: &mut Tx<'_>, id: &str) -> Result<Entry> {
    let lock = lock(tx);
    let sql = format!("SELECT {COLUMNS_TEXT} FROM call WHERE id = $1{lock}");
    let found = tx.one(&sql, args![id], |row| Entry::from_row(row, 0))?;
    found.ok_or_else(|| Error::not_found(format!("calls/{id}")))
}

/// On SQLite there is one writer, so nothing needs to be held.
fn lock(conn: &Conn<'_>) -> &'static str {
    if conn.is_postgres() { " FOR UPDATE" } else { "" }
}

/// The E.164 that each of these calls is linked for; calls that are not there or not linked are left out.
///
/// # Errors
/// Those of the database.
pub fn linked(
    conn: &mut Conn<'_>,
    connector: &str,
    external_ids: &[String],
) -> Result<Vec<(String, String)>> {
    let sql = "SELECT linked_e164 FROM call WHERE connector = $1 AND external_id = $2 AND connector <> '' AND linked_e164 <> ''";
    let mut found = Vec::new();
    for external_id in external_ids {
        let e164 = conn.one(sql, args![connector, external_id], |row| row.string(0))?;
        found.extend(e164.map(|e164| (external_id.clone(), e164)));
    }
    Ok(found)
}

/// Calls to look at again by `now`, and when the next one is.
///
/// # Errors
/// Those of the database.
pub fn due(conn: &mut Conn<'_>, now: i64, limit: i64) -> Result<(Vec<String>, Option<i64>)> {
    let sql = "SELECT id FROM call WHERE due_time <= $1 ORDER BY due_time LIMIT $2";
    let ids = conn.all(sql, args![now, limit], |row| row.string(0))?;
    let next =
        conn.one("SELECT MIN(due_time) FROM call WHERE due_time > $1", args![now], |row| row.opt_int(0))?;
    Ok((ids, next.flatten()))
}

/// Calls whose number is to be looked up by `now`: id and E.164.
///
/// # Errors
/// Those of the database.
pub fn to_link(conn: &mut Conn<'_>, now: i64, limit: i64) -> Result<Vec<(String, String)>> {
    let sql = "SELECT id, e164 FROM call WHERE link_time <= $1 ORDER BY link_time LIMIT $2";
    conn.all(sql, args![now, limit], |row| Ok((row.string(0)?, row.string(1)?)))
}

/// The open calls of a connector, newest first; at most `limit`.
///
/// # Errors
/// Those of the database.
pub fn open(conn: &mut Conn<'_>, connector: &str, limit: i64) -> Result<Vec<Entry>> {
    let sql = format!(
        "SELECT {COLUMNS_TEXT} FROM call WHERE connector = $1 AND state <> 3 ORDER BY start_time DESC LIMIT $2"
    );
    conn.all(&sql, args![connector, limit], |row| Entry::from_row(row, 0))
}
