//! What of a partner stands in the pipeline, and what goes of it row by row.
//! Called by erase.rs; next_steps.rs asks when an opportunity was erased.

use std::collections::BTreeSet;

use kontor_kit::db::{Conn, Tx, Value};
use kontor_kit::erase::{Batch, ERASED, Person, is_in, is_one_of, until};
use kontor_kit::resource::Stored;
use kontor_kit::{Result, args};

use super::merge_rows::Merged;
use crate::domain::lead::Lead;
use crate::domain::next_step::NextStep;

/// Numbers as people write them, without what stands between the digits.
const PHONE: &str = "REPLACE(REPLACE(REPLACE(REPLACE(REPLACE(REPLACE(phone, ' ', ''), '-', ''), '.', ''), '/', ''), '(', ''), ')', '')";

/// Ids of the partner's opportunities.
///
/// # Errors
/// Those of the database.
pub fn opportunities(conn: &mut Conn<'_>, person: &Person, limit: i64) -> Result<Vec<String>> {
    let mut args = args![limit].to_vec();
    let of = is_one_of("partner", &person.partners, &mut args);
    let sql = format!("SELECT id FROM opportunity WHERE {of} ORDER BY id LIMIT $1");
    conn.all(&sql, &args, |row| row.string(0))
}

/// Clocks of two computers differ: a lead that came so little after an erasure began, in microseconds, is the person's.
const CLOCKS: i64 = 5_000_000;

/// Whether a lead was there when the erasure began, by `$2`; or took one in that may have been.
const WAS_THERE: &str = "(lead.create_time <= $2 OR EXISTS (SELECT 1 FROM record_merge WHERE record_merge.kind = $3 AND record_merge.survivor = lead.id))";

/// Ids of leads with an address or a number of the partner that were there when the erasure began, found by the keys for duplicates; in the leads
/// themselves while those are not all there.
///
/// # Errors
/// Those of the database.
pub fn leads(conn: &mut Conn<'_>, person: &Person, limit: i64) -> Result<Vec<String>> {
    let before = args![limit, until(person).saturating_add(CLOCKS), <Lead as Merged>::KIND];
    let mut args = before.to_vec();
    let email = is_one_of("value", &person.emails, &mut args);
    let phone = is_one_of("value", &person.phones, &mut args);
    let sql = format!(
        "SELECT DISTINCT record FROM duplicate_key WHERE ((kind = 1 AND {email}) OR (kind = 2 AND {phone})) AND EXISTS (SELECT 1 FROM lead WHERE lead.id = duplicate_key.record AND {WAS_THERE}) ORDER BY record LIMIT $1"
    );
    let found = conn.all(&sql, &args, |row| row.string(0))?;
    let has_keys = conn.one("SELECT done FROM duplicate_state WHERE id = 1", &[], |row| row.bool(0))?;
    if !found.is_empty() || has_keys == Some(true) {
        return Ok(found);
    }
    let mut args = before.to_vec();
    let email = is_one_of("LOWER(email)", &person.emails, &mut args);
    let phone = is_one_of(PHONE, &person.phones, &mut args);
    let sql = format!("SELECT id FROM lead WHERE ({email} OR {phone}) AND {WAS_THERE} ORDER BY id LIMIT $1");
    conn.all(&sql, &args, |row| row.string(0))
}

/// Whether opportunities still follow a merge of the partner.
///
/// # Errors
/// Those of the database.
pub fn walks(conn: &mut Conn<'_>, person: &Person, _: i64) -> Result<Vec<String>> {
    let mut args = Vec::new();
    let of = of_person(person, &mut args);
    let sql = format!("SELECT partner FROM partner_walk WHERE {of} LIMIT 1");
    conn.all(&sql, &args, |row| row.string(0))
}

/// Whether an opportunity went from or to the partner by a merge.
///
/// # Errors
/// Those of the database.
pub fn moves(conn: &mut Conn<'_>, person: &Person, _: i64) -> Result<Vec<String>> {
    let mut args = Vec::new();
    let of = of_person(person, &mut args);
    let sql = format!(
        "SELECT 1 FROM partner_move WHERE {of} UNION ALL SELECT 1 FROM partner_merged WHERE {of} LIMIT 1"
    );
    conn.all(&sql, &args, |_| Ok("moves".to_owned()))
}

/// Forgets those moves: a merge of the partner can't be taken back.
///
/// # Errors
/// Those of the database.
pub fn erase_moves(tx: &mut Tx<'_>, person: &Person, _: &[String]) -> Result<Batch> {
    let mut args = Vec::new();
    let of = of_person(person, &mut args);
    let gone = tx.execute(&format!("DELETE FROM partner_move WHERE {of}"), &args)?
        + tx.execute(&format!("DELETE FROM partner_merged WHERE {of}"), &args)?;
    Ok(Batch::of("moves between partners", i64::try_from(gone).unwrap_or(0)))
}

/// Merges into which something of the partner went: its opportunities, or leads with its address or number. They hold the rows as they were.
///
/// # Errors
/// Those of the database.
pub fn merges(conn: &mut Conn<'_>, person: &Person, limit: i64) -> Result<Vec<String>> {
    let mut args = args![limit].to_vec();
    let of = is_one_of("partner", &person.partners, &mut args);
    let sql = format!("SELECT DISTINCT merge FROM record_merged WHERE {of} ORDER BY merge LIMIT $1");
    let found = conn.all(&sql, &args, |row| row.string(0))?;
    if !found.is_empty() {
        return Ok(found);
    }
    let mut found = BTreeSet::new();
    let most = usize::try_from(limit).unwrap_or(1);
    conn.each("SELECT merge, data, fields FROM record_merged ORDER BY merge, place", &[], |row| {
        if found.len() < most && (is_in(row.bytes(1)?, person) || is_in(row.bytes(2)?, person)) {
            found.insert(row.string(0)?);
        }
        Ok(())
    })?;
    Ok(found.into_iter().collect())
}

/// Forgets merges for good, with all that went: they can't be taken back, and their old names lead nowhere.
///
/// # Errors
/// Those of the database.
pub fn erase_merges(tx: &mut Tx<'_>, _: &Person, merges: &[String]) -> Result<Batch> {
    let mut gone = 0;
    for merge in merges {
        gone += erase_merge(tx, merge)?;
    }
    Ok(Batch::of("merges", gone))
}

/// Forgets the merges into a record that is erased: they hold what it was before.
///
/// # Errors
/// Those of the database.
pub fn erase_merges_into<T: Merged>(tx: &mut Tx<'_>, survivor: &str) -> Result<()> {
    let sql = "SELECT id FROM record_merge WHERE kind = $1 AND survivor = $2 ORDER BY id";
    for merge in tx.all(sql, args![T::KIND, survivor], |row| row.string(0))? {
        erase_merge(tx, &merge)?;
    }
    Ok(())
}

fn erase_merge(tx: &mut Tx<'_>, merge: &str) -> Result<i64> {
    for table in ["record_merged", "record_merge_step", "record_merge_lead"] {
        tx.execute(&format!("DELETE FROM {table} WHERE merge = $1"), args![merge])?;
    }
    let gone = tx.execute("DELETE FROM record_merge WHERE id = $1", args![merge])?;
    Ok(i64::try_from(gone).unwrap_or(0))
}

fn of_person(person: &Person, args: &mut Vec<Value>) -> String {
    let from = is_one_of("partner", &person.partners, args);
    let to = is_one_of("survivor", &person.partners, args);
    format!("{from} OR {to}")
}

/// Empties the texts of an opportunity's steps ("opportunities/{id}"), and answers those that task lists may have.
///
/// # Errors
/// Those of the database.
pub fn erase_steps(tx: &mut Tx<'_>, opportunity: &str) -> Result<Vec<NextStep>> {
    tx.execute(
        "UPDATE next_step SET title = $2, note = '', version = version + 1 WHERE opportunity = $1",
        args![opportunity, ERASED],
    )?;
    let columns = NextStep::COLUMNS.join(", ");
    let sql = format!("SELECT {columns} FROM next_step WHERE opportunity = $1 ORDER BY id");
    tx.all(&sql, args![opportunity], |row| NextStep::from_row(row, 0))
}

/// Notes that an opportunity ("opportunities/{id}") is erased now.
///
/// # Errors
/// Those of the database.
pub fn note(tx: &mut Tx<'_>, opportunity: &str) -> Result<()> {
    let now = tx.now();
    tx.execute(
        "INSERT INTO erased_opportunity (opportunity, time) VALUES ($1, $2)
         ON CONFLICT (opportunity) DO UPDATE SET time = excluded.time",
        args![opportunity, now],
    )?;
    Ok(())
}

/// Whether an opportunity was erased at an instant or after it.
///
/// # Errors
/// Those of the database.
pub fn is_erased_since(conn: &mut Conn<'_>, opportunity: &str, time: i64) -> Result<bool> {
    let sql = "SELECT 1 FROM erased_opportunity WHERE opportunity = $1 AND time >= $2";
    Ok(conn.one(sql, args![opportunity, time], |_| Ok(()))?.is_some())
}
