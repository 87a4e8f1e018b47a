//! Lists of calendars, over the engine's table of collections.
//! Called by rpc/calendars.rs and rpc/occurrences.rs.

use kontor_collection::store::share;
use kontor_collection::{COMPANY, Collection, Kind};
use kontor_kit::auth::Caller;
use kontor_kit::db::{Conn, Row, Tx, Value};
use kontor_kit::page::{Field, Listing, Page, Query};
use kontor_kit::{Error, Result, args, page};

const COLUMNS: &str = "num, id, owner, slug, display_name, description, color, place, time_zone, components, transparent, \
                       is_default, seq, floor_seq, object_count, dead_count, create_time, update_time, shares, object_properties, \
                       description_language, kind";

const LISTING: Listing = Listing {
    table: "collection",
    columns: COLUMNS,
    id: "id",
    by_key: false,
    fields: &[
        Field::order("order", "place", page::Kind::Int),
        Field::filter("owner", "('users/' || owner)", page::Kind::User),
        Field::filter("display_name", "display_name", page::Kind::Text),
    ],
    default_order: "order",
    default_size: 50,
    max_size: 1_000,
};

/// Calendars in one question at most.
const SEEN: i64 = 5_000;

/// One page of the calendars that the caller sees, lists of next steps and call-backs among them.
///
/// # Errors
/// INVALID_ARGUMENT naming page_size, page_token or filter.
pub fn list(conn: &mut Conn<'_>, caller: &Caller, query: &Query) -> Result<Page<Collection>> {
    let mut args = Vec::new();
    let condition = scope(caller, "1, 7, 8", &mut args);
    LISTING.run(conn, caller, query, (condition, args), |row| read(row, 2))
}

/// All calendars that the caller sees, call-backs and deadlines among them, of these owners (login names; none means all).
///
/// # Errors
/// FAILED_PRECONDITION when they are too many.
pub fn seen(conn: &mut Conn<'_>, caller: &Caller, owners: &[String]) -> Result<Vec<Collection>> {
    let mut args: Vec<Value> = Vec::new();
    let mut condition = scope(caller, "1, 6, 8", &mut args);
    // Where deadlines were once and none is now.
    condition.push_str(" AND (kind = 1 OR object_count > 0)");
    if !owners.is_empty() {
        let mut places = Vec::new();
        for owner in owners {
            args.push(owner.into());
            places.push(format!("${}", args.len()));
        }
        condition = format!("{condition} AND owner IN ({})", places.join(", "));
    }
    let sql = format!("SELECT {COLUMNS} FROM collection WHERE {condition} ORDER BY num LIMIT {}", SEEN + 1);
    let found = conn.all(&sql, &args, |row| read(row, 0))?;
    if i64::try_from(found.len()).unwrap_or(i64::MAX) > SEEN {
        let message = format!("these are more than {SEEN} calendars: name owners");
        return Err(Error::precondition("TOO_MANY_CALENDARS", message));
    }
    Ok(found)
}

/// The calendar that a user's new events go to: the default one, else the first that takes events.
///
/// # Errors
/// Those of the database.
pub fn default_of(conn: &mut Conn<'_>, login: &str) -> Result<Option<Collection>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM collection WHERE kind = 1 AND owner = $1 ORDER BY is_default DESC, place, num LIMIT 1"
    );
    conn.one(&sql, args![login], |row| read(row, 0))
}

/// The calendar in which a component of this kind comes to a user: the default one if it takes it, else the first that does.
///
/// # Errors
/// Those of the database.
pub fn for_component(conn: &mut Conn<'_>, login: &str, component: &str) -> Result<Option<Collection>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM collection WHERE kind = 1 AND owner = $1 ORDER BY is_default DESC, place, num LIMIT 500"
    );
    let all = conn.all(&sql, args![login], |row| read(row, 0))?;
    let takes = |calendar: &Collection| {
        calendar.components.is_empty() || calendar.components.iter().any(|taken| taken == component)
    };
    Ok(all.into_iter().find(takes))
}

/// A user's own calendars that count for free/busy, the call-backs among them.
///
/// # Errors
/// Those of the database.
pub fn counting(conn: &mut Conn<'_>, login: &str) -> Result<Vec<Collection>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM collection WHERE kind IN (1, 8) AND owner = $1 AND transparent = 0 ORDER BY num LIMIT {SEEN}"
    );
    conn.all(&sql, args![login], |row| read(row, 0))
}

/// Gives the calendars that had the user's old colour the new one.
///
/// # Errors
/// Those of the database.
pub fn recolor(tx: &mut Tx<'_>, login: &str, before: &str, after: &str) -> Result<()> {
    if before != after {
        let sql = "UPDATE collection SET color = $3, seq = seq + 1, update_time = $4 WHERE kind IN (1, 8) AND owner = $1 AND color = $2";
        let now = tx.now();
        tx.execute(sql, args![login, format!("{before}FF"), format!("{after}FF"), now])?;
    }
    Ok(())
}

/// Says that a user's calendars look otherwise: which invitations wait for an answer depends on the user's address.
///
/// # Errors
/// Those of the database.
pub fn touch(tx: &mut Tx<'_>, login: &str) -> Result<()> {
    let now = tx.now();
    let sql = "UPDATE collection SET seq = seq + 1, update_time = $2 WHERE kind = 1 AND owner = $1";
    tx.execute(sql, args![login, now])?;
    Ok(())
}

/// The rule of `kontor_collection::access` as a condition; `kinds` are numbers of `Kind`.
fn scope(caller: &Caller, kinds: &str, args: &mut Vec<Value>) -> String {
    if caller.admin {
        return format!("kind IN ({kinds})");
    }
    args.push(caller.user.as_str().into());
    let user = args.len();
    args.push(COMPANY.into());
    let own = format!("owner IN (${user}, ${})", args.len());
    let shared = share::condition(&share::grantees(caller), args);
    format!("kind IN ({kinds}) AND ({own} OR {shared})")
}

fn read(row: &Row<'_>, from: usize) -> Result<Collection> {
    let components = row.text(from + 9)?;
    Ok(Collection {
        num: row.int(from)?,
        id: row.string(from + 1)?,
        owner: row.string(from + 2)?,
        slug: row.string(from + 3)?,
        kind: match row.int(from + 21)? {
            6 => Kind::Deadlines,
            7 => Kind::NextSteps,
            8 => Kind::CallBacks,
            _ => Kind::Calendar,
        },
        display_name: row.string(from + 4)?,
        description: row.string(from + 5)?,
        color: row.string(from + 6)?,
        order: row.int(from + 7)?,
        time_zone: row.string(from + 8)?,
        components: components.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect(),
        transparent: row.bool(from + 10)?,
        is_default: row.bool(from + 11)?,
        seq: row.int(from + 12)?,
        floor_seq: row.int(from + 13)?,
        object_count: row.int(from + 14)?,
        dead_count: row.int(from + 15)?,
        create_time: row.int(from + 16)?,
        update_time: row.int(from + 17)?,
        shares: row.int(from + 18)?,
        object_properties: row.int(from + 19)?,
        description_language: row.string(from + 20)?,
    })
}
