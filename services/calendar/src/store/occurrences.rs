//! What happens in a range, over the engine's rows of occurrences; series that reach past their rows are read from their text.
//! Called by rpc/occurrences.rs.

use kontor_kit::Result;
use kontor_kit::db::{Conn, Row, Value};

/// One row: an occurrence with what describes it. Instants are microseconds UTC; floating ones as if their wall were UTC.
#[derive(Debug, Clone)]
pub struct Found {
    /// Number of the calendar.
    pub coll: i64,
    /// Id of the event.
    pub id: String,
    /// Start.
    pub start: i64,
    /// End, exclusive.
    pub end: i64,
    /// Start that the series gave it; none for what happens once.
    pub original: Option<i64>,
    /// SUMMARY
    pub summary: String,
    /// LOCATION
    pub location: String,
    /// Number of the status.
    pub status: i64,
    /// Whether it is made of days.
    pub all_day: bool,
    /// The engine's number of the event, when a guest's answer to it is missing.
    pub open: Option<i64>,
}

/// An event whose occurrences are not all among the rows.
#[derive(Debug, Clone)]
pub struct Unkept {
    /// Number of the calendar.
    pub coll: i64,
    /// Id of the event.
    pub id: String,
    /// The engine's number.
    pub object: i64,
}

/// What is asked for. Instants are microseconds UTC.
#[derive(Debug, Clone)]
pub struct Range {
    /// Numbers of the calendars.
    pub calendars: Vec<i64>,
    /// Inclusive.
    pub from: i64,
    /// Exclusive.
    pub to: i64,
    /// The last one that the page before has had.
    pub after: Option<Key>,
}

/// Place of an occurrence in the order of a list.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// Start.
    pub start: i64,
    /// Id of the event.
    pub id: String,
    /// Start that the series gave it, else its start.
    pub original: i64,
}

/// The most by which a wall may be off from UTC, in microseconds.
pub const WALL: i64 = 26 * 3_600 * 1_000_000;

/// Length up to which an occurrence is in class 0 and 1 (see `kontor_collection::index::Span`), with a little to spare.
pub(super) const REACH: [i64; 2] = [86_400 * 1_000_000 + 10, 31 * 86_400 * 1_000_000 + 10];

/// Rows with fixed instants that overlap the range, by start and id, at most `limit`.
///
/// # Errors
/// Those of the database.
pub fn fixed(conn: &mut Conn<'_>, range: &Range, limit: usize) -> Result<Vec<Found>> {
    let after = range.after.clone().unwrap_or(Key { start: i64::MIN, id: String::new(), original: i64::MIN });
    rows(conn, range, 0, (range.from, range.to), &after, Some(limit))
}

/// Rows with floating instants that may overlap the range in some zone.
///
/// # Errors
/// Those of the database.
pub fn floating(conn: &mut Conn<'_>, range: &Range) -> Result<Vec<Found>> {
    let since = range.after.as_ref().map_or(i64::MIN, |key| key.start.saturating_sub(WALL));
    let after = Key { start: since, id: String::new(), original: i64::MIN };
    rows(conn, range, 3, (range.from.saturating_sub(WALL), range.to.saturating_add(WALL)), &after, None)
}

fn rows(
    conn: &mut Conn<'_>,
    range: &Range,
    first_class: i64,
    (from, to): (i64, i64),
    after: &Key,
    limit: Option<usize>,
) -> Result<Vec<Found>> {
    let mut args: Vec<Value> =
        vec![from.into(), to.into(), after.start.into(), range.from.into(), range.to.into()];
    args.extend([after.id.as_str().into(), after.original.into()]);
    let calendars = calendars(range, &mut args);
    let mut parts = Vec::new();
    for class in 0..3 {
        let reach = usize::try_from(class).ok().and_then(|class| REACH.get(class));
        args.push(reach.map_or(i64::MIN, |reach| from.saturating_sub(*reach)).max(after.start).into());
        let begin = args.len();
        parts.push(format!(
            "SELECT coll, object, start_utc, end_utc FROM occurrence WHERE coll IN ({calendars}) \
             AND class = {} AND start_utc >= ${begin} AND start_utc < $2 AND end_utc > $1",
            class + first_class
        ));
    }
    let limit = limit.map(|limit| format!(" LIMIT {limit}")).unwrap_or_default();
    let sql = format!(
        "SELECT h.coll, o.id, h.start_utc, COALESCE(x.end_utc, h.end_utc), x.original, i.recurring,
         COALESCE(x.summary, i.summary), COALESCE(x.location, i.location), COALESCE(x.status, i.status),
         COALESCE(x.all_day, i.all_day),
         (SELECT MIN(a.object) FROM attendee a WHERE a.object = h.object AND a.partstat = 'NEEDS-ACTION')
         FROM ({}) h JOIN object o ON o.num = h.object JOIN item i ON i.object = h.object
         LEFT JOIN item_exception x ON x.object = h.object AND x.start_utc = h.start_utc
         WHERE i.kind = 1 AND i.ranged = 0 AND (o.partial = 0 OR (o.expanded_from <= $4 AND o.expanded_to >= $5))
         AND (h.start_utc > $3 OR (o.id, COALESCE(x.original, h.start_utc)) > ($6, $7))
         ORDER BY h.start_utc, o.id, COALESCE(x.original, h.start_utc){limit}",
        parts.join(" UNION ALL ")
    );
    let mut found = Vec::new();
    conn.each(&sql, &args, |row| {
        found.push(read(row)?);
        Ok(())
    })?;
    Ok(found)
}

/// Events whose rows don't tell all of the range, at most `limit`.
///
/// # Errors
/// Those of the database.
pub fn unkept(conn: &mut Conn<'_>, range: &Range, limit: usize) -> Result<Vec<Unkept>> {
    let (from, to) = (range.from.saturating_sub(WALL), range.to.saturating_add(WALL));
    let mut args: Vec<Value> = vec![from.into(), to.into(), range.from.into(), range.to.into()];
    let calendars = calendars(range, &mut args);
    let columns = "o.coll, o.id, o.num";
    // Without statistics SQLite would walk over all objects of a calendar to find the few.
    let (partial, ranged) = match conn.is_postgres() {
        true => ("", ""),
        false => (" INDEXED BY object_partial", " INDEXED BY item_ranged"),
    };
    let sql = format!(
        "SELECT {columns} FROM object o{partial} JOIN item i ON i.object = o.num
         WHERE o.coll IN ({calendars}) AND o.partial = 1 AND o.first_utc < $2 AND o.last_utc > $1 AND i.kind = 1
         AND NOT (o.expanded_from <= $3 AND o.expanded_to >= $4)
         UNION SELECT {columns} FROM item i{ranged} JOIN object o ON o.num = i.object
         WHERE i.coll IN ({calendars}) AND i.ranged = 1 AND i.kind = 1 AND o.first_utc < $2 AND o.last_utc > $1
         LIMIT {limit}"
    );
    conn.all(&sql, &args, |row| Ok(Unkept { coll: row.int(0)?, id: row.string(1)?, object: row.int(2)? }))
}

/// The addresses of those guests whose answers to these events are missing, each with the event's number.
///
/// # Errors
/// Those of the database.
pub fn unanswered(conn: &mut Conn<'_>, objects: &[i64]) -> Result<Vec<(i64, String)>> {
    let mut found = Vec::new();
    for part in objects.chunks(500) {
        let places: Vec<String> = (1..=part.len()).map(|place| format!("${place}")).collect();
        let args: Vec<Value> = part.iter().map(|object| (*object).into()).collect();
        let sql = format!(
            "SELECT object, address FROM attendee WHERE object IN ({}) AND partstat = 'NEEDS-ACTION'",
            places.join(", ")
        );
        found.extend(conn.all(&sql, &args, |row| Ok((row.int(0)?, row.string(1)?)))?);
    }
    Ok(found)
}

fn calendars(range: &Range, args: &mut Vec<Value>) -> String {
    let mut places = Vec::with_capacity(range.calendars.len());
    for calendar in &range.calendars {
        args.push((*calendar).into());
        places.push(format!("${}", args.len()));
    }
    places.join(", ")
}

fn read(row: &Row<'_>) -> Result<Found> {
    let (start, end) = (row.int(2)?, row.int(3)?);
    let original = row.opt_int(4)?;
    let original = if original.is_none() && row.bool(5)? { Some(start) } else { original };
    Ok(Found {
        coll: row.int(0)?,
        id: row.string(1)?,
        start,
        // The engine keeps what takes no time with a microsecond, so that one comparison finds it.
        end: if end == start + 1 { start } else { end },
        original,
        summary: row.string(6)?,
        location: row.string(7)?,
        status: row.int(8)?,
        all_day: row.bool(9)?,
        open: row.opt_int(10)?,
    })
}
