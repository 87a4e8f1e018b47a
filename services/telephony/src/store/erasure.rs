//! Calls, entries of call lists and notes of an erased partner: found by partner and number. Row by row they lose who it was; when, how long and how they ended stays.
//! Called by erase.rs. What only has the number, and began after the erasure was asked for, is somebody new's.

use kontor_kit::db::{Conn, Tx};
use kontor_kit::erase::{Person, is_one_of, until};
use kontor_kit::resource::Stored;
use kontor_kit::{Result, args};

use crate::domain::entry::Entry;

/// Ids of calls that speak of the partner.
///
/// # Errors
/// Those of the database.
pub fn calls(conn: &mut Conn<'_>, person: &Person, limit: i64) -> Result<Vec<String>> {
    // Ids grow with time: a call that was told before is taken too, wherever its start lies.
    let before = person.erasure.strip_prefix("erasures/").filter(|id| id.len() == 36).unwrap_or_default();
    let mut args = args![limit, until(person), before].to_vec();
    let mut any = vec![is_one_of("partner", &person.partners, &mut args)];
    for column in ["e164", "caller_e164", "callee_e164", "linked_e164"] {
        any.push(format!(
            "({} AND (start_time <= $2 OR id < $3))",
            is_one_of(column, &person.phones, &mut args)
        ));
    }
    for name in &person.partners {
        args.push(format!("% {name} %").into());
        any.push(format!("(' ' || candidates || ' ') LIKE ${}", args.len()));
    }
    for number in &person.phones {
        // As JSON has a text.
        args.push(format!("%\"{number}\"%").into());
        any.push(format!("(transfers LIKE ${} AND (start_time <= $2 OR id < $3))", args.len()));
    }
    let sql = format!("SELECT id FROM call WHERE {} ORDER BY id LIMIT $1", any.join(" OR "));
    conn.all(&sql, &args, |row| row.string(0))
}

/// A call, held until the commit; none when it is not there.
///
/// # Errors
/// Those of the database.
pub fn hold(tx: &mut Tx<'_>, id: &str) -> Result<Option<Entry>> {
    let lock = if tx.is_postgres() { " FOR UPDATE" } else { "" };
    let sql = format!("SELECT {} FROM call WHERE id = $1{lock}", Entry::COLUMNS.join(", "));
    tx.one(&sql, args![id], |row| Entry::from_row(row, 0))
}

/// Ids of entries of call lists that are the partner's, or have its number.
///
/// # Errors
/// Those of the database.
pub fn list_entries(conn: &mut Conn<'_>, person: &Person, limit: i64) -> Result<Vec<String>> {
    let mut args = args![limit, until(person)].to_vec();
    let partner = is_one_of("partner", &person.partners, &mut args);
    let number = is_one_of("e164", &person.phones, &mut args);
    let sql = format!(
        "SELECT id FROM call_entry WHERE (partner <> '' AND {partner}) OR (e164 <> '' AND {number} AND create_time <= $2) ORDER BY id LIMIT $1"
    );
    conn.all(&sql, &args, |row| row.string(0))
}

/// Ids of the partner's numbers that are not to be called, and why is written there.
///
/// # Errors
/// Those of the database.
pub fn do_not_call_notes(conn: &mut Conn<'_>, person: &Person, limit: i64) -> Result<Vec<String>> {
    let mut args = args![limit, until(person)].to_vec();
    let number = is_one_of("e164", &person.phones, &mut args);
    let sql = format!(
        "SELECT id FROM do_not_call WHERE {number} AND note <> '' AND create_time <= $2 ORDER BY id LIMIT $1"
    );
    conn.all(&sql, &args, |row| row.string(0))
}
