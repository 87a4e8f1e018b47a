//! What takes time in a range, over the engine's rows of occurrences, without a look at titles or texts.
//! Called by free_busy.rs.

use kontor_kit::Result;
use kontor_kit::db::{Conn, Value};

use super::occurrences::{REACH, WALL};

/// A row that takes time. Instants are microseconds UTC; floating ones as if their wall were UTC.
#[derive(Debug, Clone, Copy)]
pub struct Taken {
    /// Number of the calendar.
    pub coll: i64,
    /// The engine's number of the event.
    pub object: i64,
    /// Start.
    pub start: i64,
    /// End, exclusive.
    pub end: i64,
}

/// Which rows are asked for. Instants are microseconds UTC.
#[derive(Debug, Clone)]
pub struct Range<'a> {
    /// Numbers of the calendars.
    pub calendars: &'a [i64],
    /// Inclusive.
    pub from: i64,
    /// Exclusive.
    pub to: i64,
    /// E-mail address of whose time it is, in lower case; may be empty.
    pub address: &'a str,
}

/// Calls with each row in the range, its number of `Busy` and how the person answered. Floating ones only may overlap it, in
/// some zone. Rows of objects that `unkept` names are among them and must be left out.
///
/// # Errors
/// Those of the database and of `look`.
pub fn rows(
    conn: &mut Conn<'_>,
    range: &Range<'_>,
    floating: bool,
    mut look: impl FnMut(Taken, i64, &str) -> Result<()>,
) -> Result<()> {
    let (first_class, wall) = if floating { (3, WALL) } else { (0, 0) };
    let (from, to) = (range.from.saturating_sub(wall), range.to.saturating_add(wall));
    let mut args: Vec<Value> = vec![from.into(), to.into(), range.address.into()];
    let calendars = places(range.calendars, &mut args);
    let mut parts = Vec::new();
    for class in 0..3_usize {
        args.push(REACH.get(class).map_or(i64::MIN, |reach| from.saturating_sub(*reach)).into());
        parts.push(format!(
            "SELECT coll, object, start_utc, end_utc FROM occurrence WHERE coll IN ({calendars}) \
             AND class = {} AND start_utc >= ${} AND start_utc < $2 AND end_utc > $1",
            first_class + class,
            args.len()
        ));
    }
    let sql = format!(
        "SELECT h.coll, h.object, h.start_utc, COALESCE(x.end_utc, h.end_utc), COALESCE(x.busy, i.busy), a.partstat
         FROM ({}) h JOIN item i ON i.object = h.object
         LEFT JOIN item_exception x ON x.object = h.object AND x.start_utc = h.start_utc
         LEFT JOIN attendee a ON a.object = h.object AND a.address = $3
         WHERE i.kind = 1 AND i.ranged = 0 AND i.apart = 0 AND COALESCE(x.busy, i.busy) > 0",
        parts.join(" UNION ALL ")
    );
    conn.each(&sql, &args, |row| {
        let (start, end) = (row.int(2)?, row.int(3)?);
        let taken = Taken { coll: row.int(0)?, object: row.int(1)?, start, end };
        // The engine keeps what takes no time with a microsecond; it makes nobody busy.
        if end > start + 1 { look(taken, row.int(4)?, row.opt_text(5)?.unwrap_or_default()) } else { Ok(()) }
    })
}

/// Calendar and number of events whose rows don't tell all of the range, at most `limit`.
///
/// # Errors
/// Those of the database.
pub fn unkept(conn: &mut Conn<'_>, range: &Range<'_>, limit: usize) -> Result<Vec<(i64, i64)>> {
    let (from, to) = (range.from.saturating_sub(WALL), range.to.saturating_add(WALL));
    let mut args: Vec<Value> = vec![from.into(), to.into(), range.from.into(), range.to.into()];
    let calendars = places(range.calendars, &mut args);
    // Without statistics SQLite would walk over all objects of a calendar to find the few.
    let (partial, ranged, apart) = match conn.is_postgres() {
        true => ("", "", ""),
        false => (" INDEXED BY object_partial", " INDEXED BY item_ranged", " INDEXED BY item_apart"),
    };
    let of_items = |index: &str, column: &str| {
        format!(
            "SELECT o.coll, o.num FROM item i{index} JOIN object o ON o.num = i.object
             WHERE i.coll IN ({calendars}) AND i.{column} = 1 AND i.kind = 1 AND o.first_utc < $2 AND o.last_utc > $1"
        )
    };
    let sql = format!(
        "SELECT o.coll, o.num FROM object o{partial}
         WHERE o.coll IN ({calendars}) AND o.partial = 1 AND o.comp = 'VEVENT' AND o.first_utc < $2 AND o.last_utc > $1
         AND NOT (o.expanded_from <= $3 AND o.expanded_to >= $4)
         UNION {} UNION {} LIMIT {limit}",
        of_items(ranged, "ranged"),
        of_items(apart, "apart")
    );
    conn.all(&sql, &args, |row| Ok((row.int(0)?, row.int(1)?)))
}

/// Numbers of the objects with a UID in these calendars.
///
/// # Errors
/// Those of the database.
pub fn with_uid(conn: &mut Conn<'_>, calendars: &[i64], uid: &str) -> Result<Vec<i64>> {
    let mut args: Vec<Value> = vec![uid.into()];
    let calendars = places(calendars, &mut args);
    let sql = format!("SELECT num FROM object WHERE coll IN ({calendars}) AND uid = $1");
    conn.all(&sql, &args, |row| row.int(0))
}

fn places(calendars: &[i64], args: &mut Vec<Value>) -> String {
    let mut places = Vec::with_capacity(calendars.len());
    for calendar in calendars {
        args.push((*calendar).into());
        places.push(format!("${}", args.len()));
    }
    places.join(", ")
}
