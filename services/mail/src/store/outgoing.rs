//! The queue of outgoing mail: recipients as they are added, taken off and listed.
//! Called by rpc; what the sender does with them stands in lease.rs and mark.rs.

use std::collections::BTreeSet;

use kontor_kit::auth::Caller;
use kontor_kit::db::{Conn, Row, Tx, Value};
use kontor_kit::erase::is_one_of;
use kontor_kit::page::{Field, Kind, Listing, Page, Query, Scope};
use kontor_kit::{Error, Result, args};

use super::lane;
use crate::domain::Address;
use crate::domain::keys::Keys;
use crate::domain::recipient::{MAILING, Outgoing, State};

/// The columns that `read` reads.
pub(super) const COLUMNS: &str = "id, mailing, partner, address, domain, message_id, state, reason, reply_code, due, tries, first_time, update_time, unsubscribe_time";

/// Reads a row whose columns begin at `from`.
pub(super) fn read(row: &Row<'_>, from: usize) -> Result<Outgoing> {
    Ok(Outgoing {
        id: row.string(from)?,
        mailing: row.string(from + 1)?,
        partner: row.string(from + 2)?,
        address: row.string(from + 3)?,
        domain: row.string(from + 4)?,
        message_id: row.string(from + 5)?,
        state: state(row.int(from + 6)?)?,
        reason: row.string(from + 7)?,
        reply_code: i32::try_from(row.int(from + 8)?).unwrap_or(0),
        due: row.int(from + 9)?,
        tries: row.int(from + 10)?,
        first_time: row.int(from + 11)?,
        update_time: row.int(from + 12)?,
        unsubscribe_time: row.opt_int(from + 13)?,
    })
}

pub(super) fn state(number: i64) -> Result<State> {
    State::of(number).ok_or_else(|| Error::internal("an outgoing message has an unknown state"))
}

/// Which of these values the recipients of a mailing have in a column.
///
/// # Errors
/// Those of the database.
pub fn known(
    conn: &mut Conn<'_>,
    mailing: &str,
    column: &str,
    values: &[String],
) -> Result<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    for part in values.chunks(100) {
        let mut args = args![mailing].to_vec();
        let named = is_one_of(column, part, &mut args);
        let sql = format!("SELECT {column} FROM outgoing WHERE mailing = $1 AND {column} <> '' AND {named}");
        found.extend(conn.all(&sql, &args, |row| row.string(0))?);
    }
    Ok(found)
}

/// A recipient to add.
#[derive(Clone, Debug)]
pub struct New {
    /// Id.
    pub id: String,
    /// "partners/{id}", or empty.
    pub partner: String,
    /// Where it goes; none when there is no address.
    pub address: Option<Address>,
    /// Message-ID, with its angle brackets.
    pub message_id: String,
    /// Pending, NoAddress or Duplicate.
    pub state: State,
    /// Why.
    pub reason: String,
}

/// Adds recipients, and the lanes of those that wait. Who is there already was left out before, under the held mailing.
///
/// # Errors
/// Those of the database.
pub fn add(tx: &mut Tx<'_>, keys: &Keys, mailing: &str, all: &[New]) -> Result<()> {
    let now = tx.now();
    let row = |new: &New| {
        let address = new.address.as_ref();
        let key = address.filter(|_| new.state == State::Pending).map(Address::key).unwrap_or_default();
        args![
            &new.id,
            MAILING,
            mailing,
            &new.partner,
            address.map(ToString::to_string).unwrap_or_default(),
            key,
            address.map(|it| it.domain().to_owned()).unwrap_or_default(),
            address.map(|it| keys.address_hash(it)).unwrap_or_default(),
            &new.message_id,
            Keys::token_hash(&keys.token(&new.id)),
            new.state as i64,
            &new.reason,
            0,
            now,
            0,
            0,
            "",
            now
        ]
        .to_vec()
    };
    let rows: Vec<Vec<Value>> = all.iter().map(row).collect();
    let columns = "id, kind, mailing, partner, address, address_key, domain, address_hash, message_id, token_hash, state, reason, reply_code, due, tries, first_time, holder, update_time";
    tx.insert_many("outgoing", columns, rows.into_iter(), "")?;
    let waiting = all.iter().filter(|new| new.state == State::Pending);
    let domains: BTreeSet<&str> = waiting.filter_map(|new| Some(new.address.as_ref()?.domain())).collect();
    lane::open(tx, domains.into_iter().map(|domain| (mailing, domain)), now)
}

/// Gives a recipient that this process holds another address: its partner has a new one. When another recipient has that, it becomes a double. False when the
/// process holds it no more. The mailing must be held, so that nobody adds the same address meanwhile.
///
/// # Errors
/// Those of the database.
pub fn set_address(
    tx: &mut Tx<'_>,
    keys: &Keys,
    holder: &str,
    row: &Outgoing,
    address: &Address,
) -> Result<bool> {
    let key = address.key();
    let sql =
        "SELECT 1 FROM outgoing WHERE mailing = $1 AND address_key = $2 AND address_key <> '' AND id <> $3";
    let taken = tx.one(sql, args![&row.mailing, &key, &row.id], |_| Ok(()))?.is_some();
    let now = tx.now();
    let sql = "UPDATE outgoing SET address = $2, address_key = $3, domain = $4, address_hash = $5, state = $6, reason = $7, holder = '', due = $8, update_time = $8 WHERE id = $1 AND state = 2 AND holder = $9";
    let (state, reason) = if taken { (State::Duplicate, DUPLICATE) } else { (State::Pending, "") };
    let count = tx.execute(
        sql,
        args![
            &row.id,
            address.to_string(),
            if taken { "" } else { key.as_str() },
            address.domain(),
            keys.address_hash(address),
            state as i64,
            reason,
            now,
            holder
        ],
    )?;
    if count > 0 && !taken {
        lane::open(tx, [(row.mailing.as_str(), address.domain())].into_iter(), now)?;
    }
    Ok(count > 0)
}

/// What a double is told.
pub const DUPLICATE: &str = "another recipient of this mailing has the same address";

/// Takes a partner off, also by its name before it went into another one: what it had is that one's now. Its state before, none when it is no recipient.
///
/// # Errors
/// Those of the database.
pub fn remove(tx: &mut Tx<'_>, mailing: &str, partner: &str, reason: &str) -> Result<Option<State>> {
    let lock = if tx.is_postgres() { " FOR UPDATE" } else { "" };
    let own = "partner = $2 AND partner <> ''";
    let moved = "partner <> $2 AND id IN (SELECT outgoing FROM outgoing_move WHERE partner = $2)";
    let mut found = None;
    for whose in [own, moved] {
        let sql = format!("SELECT id, state FROM outgoing WHERE mailing = $1 AND {whose} LIMIT 1{lock}");
        found = tx.one(&sql, args![mailing, partner], |row| Ok((row.string(0)?, state(row.int(1)?)?)))?;
        if found.is_some() {
            break;
        }
    }
    let Some((id, before)) = found else { return Ok(None) };
    if matches!(before, State::Pending | State::Deferred) {
        let now = tx.now();
        let sql = "UPDATE outgoing SET state = $2, reason = $3, update_time = $4 WHERE id = $1";
        tx.execute(sql, args![&id, State::Removed as i64, reason, now])?;
    }
    // One that a merge put out does not come back.
    tx.execute("DELETE FROM outgoing_halt WHERE outgoing = $1", args![&id])?;
    Ok(Some(before))
}

/// Takes all recipients of a draft out, 1,000 at most. How many.
///
/// # Errors
/// Those of the database.
pub fn drop_some(tx: &mut Tx<'_>, mailing: &str) -> Result<u64> {
    let sql = "DELETE FROM outgoing WHERE id IN (SELECT id FROM outgoing WHERE mailing = $1 ORDER BY mailing, state, id LIMIT 1000)";
    let count = tx.execute(sql, args![mailing])?;
    if count == 0 {
        tx.execute("DELETE FROM lane WHERE mailing = $1", args![mailing])?;
    }
    Ok(count)
}

const STATES: &[(&str, i64)] = &[
    ("PENDING", 1),
    ("SENDING", 2),
    ("SENT", 3),
    ("DEFERRED", 4),
    ("FAILED", 5),
    ("SUPPRESSED", 6),
    ("NO_CONSENT", 7),
    ("NO_ADDRESS", 8),
    ("DUPLICATE", 9),
    ("NOT_MADE", 10),
    ("REMOVED", 11),
];

const LISTING: Listing = Listing {
    table: "outgoing",
    columns: COLUMNS,
    id: "id",
    by_key: false,
    fields: &[
        Field::filter("state", "state", Kind::Enum(STATES)),
        Field::filter("domain", "domain", Kind::Text),
        Field::filter("partner", "partner", Kind::Text),
        Field::filter("address", "address", Kind::Text),
        Field::filter("reply_code", "reply_code", Kind::Int),
        Field::filter("unsubscribed", "(CASE WHEN unsubscribe_time IS NULL THEN 0 ELSE 1 END)", Kind::Bool),
        Field::order("add", "id", Kind::Text),
    ],
    default_order: "add",
    default_size: 50,
    max_size: 1_000,
};

/// Recipients of a mailing, as they were added.
///
/// # Errors
/// INVALID_ARGUMENT naming page_size, page_token or filter.
pub fn list(conn: &mut Conn<'_>, caller: &Caller, mailing: &str, query: &Query) -> Result<Page<Outgoing>> {
    let scope = Scope::from(("mailing = $1".to_owned(), vec![mailing.into()]));
    LISTING.run(conn, caller, query, scope, |row| read(row, 2))
}

/// Recipients that wait, behind an id, at most so many.
///
/// # Errors
/// Those of the database.
pub fn waiting(conn: &mut Conn<'_>, mailing: &str, after: &str, limit: i64) -> Result<Vec<Outgoing>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM outgoing WHERE mailing = $1 AND state IN (1, 2, 4) AND id > $2 ORDER BY id LIMIT $3"
    );
    conn.all(&sql, args![mailing, after, limit], |row| read(row, 0))
}

/// A message that somebody unsubscribes by.
#[derive(Clone, Debug)]
pub struct OfToken {
    /// Its id.
    pub id: String,
    /// Id of its mailing.
    pub mailing: String,
    /// "partners/{id}", or empty.
    pub partner: String,
    /// The address; empty when it was erased.
    pub address: String,
    /// Its keyed hash.
    pub address_hash: String,
    /// When it was used already.
    pub unsubscribe_time: Option<i64>,
}

/// The message of a token.
///
/// # Errors
/// Those of the database.
pub fn of_token(conn: &mut Conn<'_>, hash: &[u8]) -> Result<Option<OfToken>> {
    let sql = "SELECT id, mailing, partner, address, address_hash, unsubscribe_time FROM outgoing WHERE token_hash = $1";
    conn.one(sql, args![hash], |row| {
        Ok(OfToken {
            id: row.string(0)?,
            mailing: row.string(1)?,
            partner: row.string(2)?,
            address: row.string(3)?,
            address_hash: row.string(4)?,
            unsubscribe_time: row.opt_int(5)?,
        })
    })
}

/// Notes that a message's recipient unsubscribed.
///
/// # Errors
/// Those of the database.
pub fn set_unsubscribed(tx: &mut Tx<'_>, id: &str) -> Result<bool> {
    let now = tx.now();
    let sql = "UPDATE outgoing SET unsubscribe_time = $2 WHERE id = $1 AND unsubscribe_time IS NULL";
    Ok(tx.execute(sql, args![id, now])? > 0)
}
