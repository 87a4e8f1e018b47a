//! Typed rows of objects: titles, exceptions, guests, partners. Written with the object in one transaction.
//! Called by hook.rs, tasks.rs and the rpc files.

use kontor_collection::store::rows;
use kontor_kit::audit::{self, Entry};
use kontor_kit::db::{Conn, Tx};
use kontor_kit::{Result, args};
use kontor_vobject::ical::ItemKind;

use crate::domain::busy::Busy;
use crate::domain::event::Status;
use crate::domain::index::Typed;

/// A partner that a meeting is with, and the address by which it was found; empty when it was given in the object.
pub type With = (String, String);

/// The row that was there before a change.
#[derive(Debug, Clone, Default)]
pub struct Before {
    /// Partners that have the meeting on their timelines.
    pub partners: Vec<String>,
    /// All of them with their addresses, also of a cancelled meeting.
    pub with: Vec<With>,
    /// See `Typed::stamp`.
    pub stamp: i64,
    /// The title that timelines were told: see `Face::told`.
    pub told: String,
    /// Whether it has a row, and that one alone: no exceptions, guests, partners, and nothing that waits.
    pub plain: bool,
    /// Whether it uses attachments.
    pub attached: bool,
}

/// What the audit says of an object beside its ETag.
#[derive(Debug, Clone, Default)]
pub struct Face {
    summary: String,
    location: String,
    status: String,
    start: String,
}

impl Face {
    /// The fields that differ.
    pub fn against(&self, new: &Face, entry: Entry) -> Entry {
        entry
            .field("summary", &self.summary, &new.summary)
            .field("location", &self.location, &new.location)
            .field("status", &self.status, &new.status)
            .field("start", &self.start, &new.start)
    }
}

/// What is kept of an object, as the audit shows it.
///
/// # Errors
/// Those of the database.
pub fn face(conn: &mut Conn<'_>, object: i64) -> Result<Face> {
    let sql = "SELECT summary, location, status, start_utc, floating FROM item WHERE object = $1";
    let found = conn.one(sql, args![object], |row| {
        let (status, start) = (status_name(row.int(2)?), start_of(row.int(3)?, row.bool(4)?));
        Ok(Face { summary: row.string(0)?, location: row.string(1)?, status, start })
    })?;
    Ok(found.unwrap_or_default())
}

/// The same of what is about to be kept.
pub fn face_of(typed: &Typed) -> Face {
    Face {
        summary: clean(&typed.face.summary),
        location: clean(&typed.face.location),
        status: status_name(status_number(typed.face.status)),
        start: start_of(typed.start, typed.floating),
    }
}

fn status_name(number: i64) -> String {
    ["", "CONFIRMED", "TENTATIVE", "CANCELLED"]
        .get(usize::try_from(number).unwrap_or(0))
        .map_or_else(String::new, |name| (*name).to_owned())
}

/// A floating time and a day have no zone.
fn start_of(start: i64, floating: bool) -> String {
    let text = audit::instant(start);
    if floating { text.trim_end_matches('Z').to_owned() } else { text }
}

/// STATUS as the number that is kept: that of EventStatus in calendar.proto.
pub fn status_number(status: Status) -> i64 {
    match status {
        Status::Unset => 0,
        Status::Confirmed => 1,
        Status::Tentative => 2,
        Status::Cancelled => 3,
    }
}

/// Kinds as the numbers that are kept.
pub fn kind_number(kind: ItemKind) -> i64 {
    match kind {
        ItemKind::Event => 1,
        ItemKind::Todo => 2,
        ItemKind::Journal | ItemKind::FreeBusy => 3,
    }
}

/// What an event makes of its time, as the number that is kept.
fn busy_number(busy: Option<Busy>) -> i64 {
    busy.map_or(0, |busy| busy as i64)
}

/// What is kept of an object.
///
/// # Errors
/// Those of the database.
pub fn before(conn: &mut Conn<'_>, object: i64) -> Result<Before> {
    let row = conn.one(BEFORE, args![object], |row| {
        let takes_place = row.int(2)? == 1 && row.int(3)? != 3;
        let before = Before {
            stamp: row.int(0)?,
            told: row.string(1)?,
            plain: row.bool(4)?,
            attached: row.bool(5)?,
            ..Before::default()
        };
        Ok((before, takes_place))
    })?;
    let Some((before, takes_place)) = row else { return Ok(Before::default()) };
    if before.plain {
        return Ok(before);
    }
    let with = conn.all(
        "SELECT partner, address FROM item_partner WHERE object = $1 ORDER BY partner, address",
        args![object],
        |row| Ok((row.string(0)?, row.string(1)?)),
    )?;
    let partners = if takes_place { names(&with) } else { Vec::new() };
    Ok(Before { partners, with, ..before })
}

const BEFORE: &str = "SELECT stamp, told, kind, status,
    CASE WHEN EXISTS (SELECT 1 FROM item_partner WHERE object = $1) OR EXISTS (SELECT 1 FROM attendee WHERE object = $1)
    OR EXISTS (SELECT 1 FROM item_exception WHERE object = $1) OR EXISTS (SELECT 1 FROM pending_object WHERE object = $1)
    THEN 0 ELSE 1 END, attached FROM item WHERE object = $1";

/// Writes all rows of an object anew.
///
/// # Errors
/// Those of the database.
pub fn write(
    tx: &mut Tx<'_>,
    object: i64,
    coll: i64,
    typed: &Typed,
    with: &[With],
    old: Option<&Before>,
) -> Result<()> {
    // Most objects have one row, before and after: one statement then does for all.
    let plain = old.is_none_or(|before| before.plain);
    if !plain {
        remove(tx, object)?;
    }
    let face = &typed.face;
    tx.execute(
        "INSERT INTO item (object, coll, kind, summary, location, status, all_day, start_utc, floating, recurring, ranged, stamp, told, busy, apart, attached)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
         ON CONFLICT (object) DO UPDATE SET kind = $3, summary = $4, location = $5, status = $6, all_day = $7, start_utc = $8,
         floating = $9, recurring = $10, ranged = $11, stamp = $12, told = $13, busy = $14, apart = $15, attached = $16",
        args![
            object,
            coll,
            kind_number(typed.kind),
            clean(&face.summary),
            clean(&face.location),
            status_number(face.status),
            face.all_day,
            typed.start,
            typed.floating,
            typed.recurring,
            typed.ranged,
            typed.stamp,
            clean(face.told()),
            busy_number(typed.busy),
            typed.apart,
            !typed.managed.is_empty()
        ],
    )?;
    let exceptions = typed.exceptions.iter().map(|exception| {
        let face = &exception.face;
        [
            object.into(),
            exception.start.into(),
            exception.original.into(),
            exception.end.into(),
            clean(&face.summary).into(),
            clean(&face.location).into(),
            status_number(face.status).into(),
            face.all_day.into(),
            busy_number(exception.busy).into(),
        ]
    });
    let columns =
        "item_exception (object, start_utc, original, end_utc, summary, location, status, all_day, busy)";
    rows::insert(tx, columns, exceptions)?;
    let people = typed.people.iter();
    let people =
        people.map(|(address, partstat)| [object.into(), clean(address).into(), clean(partstat).into()]);
    rows::insert(tx, "attendee (object, address, partstat)", people)?;
    write_partners(tx, object, with)
}

/// Writes the partners of an object that has none.
///
/// # Errors
/// Those of the database.
pub fn write_partners(tx: &mut Tx<'_>, object: i64, with: &[With]) -> Result<()> {
    let with = with.iter().map(|(partner, address)| [object.into(), partner.into(), address.into()]);
    rows::insert(tx, "item_partner (object, partner, address)", with)
}

/// Removes the partners of an object.
///
/// # Errors
/// Those of the database.
pub fn remove_partners(tx: &mut Tx<'_>, object: i64) -> Result<()> {
    tx.execute("DELETE FROM item_partner WHERE object = $1", args![object])?;
    Ok(())
}

/// Removes all rows of an object.
///
/// # Errors
/// Those of the database.
pub fn remove(tx: &mut Tx<'_>, object: i64) -> Result<()> {
    for sql in [
        "DELETE FROM item WHERE object = $1",
        "DELETE FROM item_exception WHERE object = $1",
        "DELETE FROM attendee WHERE object = $1",
        "DELETE FROM item_partner WHERE object = $1",
        "DELETE FROM pending_object WHERE object = $1",
    ] {
        tx.execute(sql, args![object])?;
    }
    Ok(())
}

/// Partners of an object, each once, in order.
///
/// # Errors
/// Those of the database.
pub fn partners(conn: &mut Conn<'_>, object: i64) -> Result<Vec<String>> {
    let sql = "SELECT DISTINCT partner FROM item_partner WHERE object = $1 ORDER BY partner";
    conn.all(sql, args![object], |row| row.string(0))
}

/// Partners that an object has by one address.
///
/// # Errors
/// Those of the database.
pub fn partners_of_address(conn: &mut Conn<'_>, object: i64, address: &str) -> Result<Vec<String>> {
    let sql = "SELECT partner FROM item_partner WHERE object = $1 AND address = $2 ORDER BY partner";
    conn.all(sql, args![object, address], |row| row.string(0))
}

/// Partners that an object has only by addresses.
///
/// # Errors
/// Those of the database.
pub fn found_partners(conn: &mut Conn<'_>, object: i64) -> Result<Vec<String>> {
    let sql =
        "SELECT DISTINCT partner FROM item_partner WHERE object = $1 AND address <> '' ORDER BY partner";
    conn.all(sql, args![object], |row| row.string(0))
}

/// Names of partners, each once, in order.
pub fn names(with: &[With]) -> Vec<String> {
    let mut names: Vec<String> = with.iter().map(|(partner, _)| partner.clone()).collect();
    names.sort();
    names.dedup();
    names
}

/// PostgreSQL takes no zero character in a text; iCalendar has none, so this only guards.
fn clean(text: &str) -> String {
    text.replace('\0', "")
}
