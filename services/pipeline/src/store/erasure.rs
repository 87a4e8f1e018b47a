//! What of a partner stands in the pipeline, and what goes of it row by row.
//! Called by erase.rs; next_steps.rs asks when an opportunity was erased.

use kontor_kit::db::{Conn, Tx, Value};
use kontor_kit::erase::{Batch, ERASED, Person, is_one_of};
use kontor_kit::resource::Stored;
use kontor_kit::{Result, args};

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

/// Ids of leads with an address or an international number of the partner.
///
/// # Errors
/// Those of the database.
pub fn leads(conn: &mut Conn<'_>, person: &Person, limit: i64) -> Result<Vec<String>> {
    let mut args = args![limit].to_vec();
    let email = is_one_of("LOWER(email)", &person.emails, &mut args);
    let phone = is_one_of(PHONE, &person.phones, &mut args);
    let sql = format!("SELECT id FROM lead WHERE {email} OR {phone} ORDER BY id LIMIT $1");
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
