//! Next steps and leads that go along with an opportunity into another one, and come back with it; and what an opportunity asks for, as one text.
//! Called by rpc/merge_deals.rs.

use kontor_kit::db::{Conn, Tx};
use kontor_kit::resource::{self, Stored};
use kontor_kit::{Result, args};

use super::snapshot::Snapshot;
use crate::domain::lead::Lead;
use crate::domain::next_step::NextStep;
use crate::domain::opportunity::Opportunity;

/// A step that went along.
pub struct Moved {
    /// Its row before.
    pub before: Snapshot,
    /// Whether the merge gave it up, because the survivor had an open one.
    pub is_dropped: bool,
}

/// The steps of an opportunity ("opportunities/{id}"), at most `most`.
///
/// # Errors
/// Those of the database.
pub fn steps_of(conn: &mut Conn<'_>, opportunity: &str, most: i64) -> Result<Vec<NextStep>> {
    let columns = NextStep::COLUMNS.join(", ");
    let sql = format!("SELECT {columns} FROM next_step WHERE opportunity = $1 ORDER BY due, id LIMIT $2");
    conn.all(&sql, args![opportunity, most], |row| NextStep::from_row(row, 0))
}

/// Remembers a step as it was before it went along.
///
/// # Errors
/// Those of the database.
pub fn note_step(tx: &mut Tx<'_>, merge: &str, step: &NextStep, is_dropped: bool) -> Result<()> {
    tx.execute(
        "INSERT INTO record_merge_step (merge, step, opportunity, dropped, data) VALUES ($1, $2, $3, $4, $5)",
        args![merge, &step.id, &step.opportunity, is_dropped, Snapshot::of(step).pack()],
    )?;
    Ok(())
}

/// The steps that went along with an opportunity; they are forgotten here.
///
/// # Errors
/// Those of the database.
pub fn take_steps(tx: &mut Tx<'_>, merge: &str, opportunity: &str) -> Result<Vec<Moved>> {
    let sql =
        "SELECT dropped, data FROM record_merge_step WHERE merge = $1 AND opportunity = $2 ORDER BY step";
    let moved = tx.all(sql, args![merge, opportunity], |row| {
        Ok(Moved { is_dropped: row.bool(0)?, before: Snapshot::unpack(row.bytes(1)?)? })
    })?;
    let sql = "DELETE FROM record_merge_step WHERE merge = $1 AND opportunity = $2";
    tx.execute(sql, args![merge, opportunity])?;
    Ok(moved)
}

/// A step by its id, wherever it is now.
///
/// # Errors
/// Those of the database.
pub fn step(conn: &mut Conn<'_>, id: &str) -> Result<Option<NextStep>> {
    let sql = format!("SELECT {} FROM next_step WHERE id = $1", NextStep::COLUMNS.join(", "));
    conn.one(&sql, args![id], |row| NextStep::from_row(row, 0))
}

/// Gives the leads of an opportunity to another one, and returns them.
///
/// # Errors
/// Those of the database.
pub fn give_leads(tx: &mut Tx<'_>, merge: &str, from: &str, to: &str) -> Result<Vec<Lead>> {
    let sql = "SELECT id FROM lead WHERE opportunity = $1 AND opportunity <> '' ORDER BY id";
    let ids = tx.all(sql, args![from], |row| row.string(0))?;
    for id in &ids {
        let sql = "INSERT INTO record_merge_lead (merge, lead, opportunity) VALUES ($1, $2, $3)";
        tx.execute(sql, args![merge, id, from])?;
    }
    relink(tx, &ids, from, to)
}

/// Gives those leads back that still belong to the survivor.
///
/// # Errors
/// Those of the database.
pub fn take_leads(tx: &mut Tx<'_>, merge: &str, opportunity: &str, survivor: &str) -> Result<Vec<Lead>> {
    let sql = "SELECT lead FROM record_merge_lead WHERE merge = $1 AND opportunity = $2 ORDER BY lead";
    let ids = tx.all(sql, args![merge, opportunity], |row| row.string(0))?;
    tx.execute(
        "DELETE FROM record_merge_lead WHERE merge = $1 AND opportunity = $2",
        args![merge, opportunity],
    )?;
    relink(tx, &ids, survivor, opportunity)
}

fn relink(tx: &mut Tx<'_>, leads: &[String], from: &str, to: &str) -> Result<Vec<Lead>> {
    let mut changed = Vec::with_capacity(leads.len());
    for id in leads {
        let Some(mut lead) = resource::hold_if_there::<Lead>(tx, id)? else { continue };
        if lead.opportunity == from {
            to.clone_into(&mut lead.opportunity);
            resource::update(tx, &mut lead)?;
            changed.push(lead);
        }
    }
    Ok(changed)
}

/// What parts the columns of requirements in one text.
const PART: char = '\u{1f}';

/// What an opportunity asks of who gets it, as one text; empty for nothing.
///
/// # Errors
/// Those of the database.
pub fn requirements(conn: &mut Conn<'_>, opportunity: &str) -> Result<String> {
    let sql = "SELECT skills, country, postcode, latitude, longitude, deadline FROM assignment_need WHERE opportunity = $1";
    let found = conn.one(sql, args![opportunity], |row| {
        let number = |column| {
            Ok::<_, kontor_kit::Error>(row.opt_int(column)?.map_or(String::new(), |it| it.to_string()))
        };
        let parts = [row.string(0)?, row.string(1)?, row.string(2)?, number(3)?, number(4)?, number(5)?];
        Ok(parts.join(&PART.to_string()))
    })?;
    Ok(found.unwrap_or_default())
}

/// Writes them from such a text.
///
/// # Errors
/// Those of the database.
pub fn set_requirements(tx: &mut Tx<'_>, deal: &Opportunity, text: &str) -> Result<()> {
    super::assignment::forget_need(tx, deal)?;
    if text.is_empty() {
        return Ok(());
    }
    let parts: Vec<&str> = text.split(PART).collect();
    let text = |place: usize| parts.get(place).copied().unwrap_or_default();
    let number = |place: usize| text(place).parse::<i64>().ok();
    tx.execute(
        "INSERT INTO assignment_need (opportunity, skills, country, postcode, latitude, longitude, deadline) VALUES ($1, $2, $3, $4, $5, $6, $7)",
        args![&deal.id, text(0), text(1), text(2), number(3), number(4), number(5)],
    )?;
    super::assignment::note_need(tx, deal)
}
