//! Rows of imports: written by the batch, doubles found by list and number, and how far an import was.
//! Called by rpc/entry_import.rs.

use std::collections::HashMap;

use kontor_kit::db::{Conn, Tx, Value};
use kontor_kit::resource::Stored;
use kontor_kit::{Result, args};

use super::list_entry::COLUMNS_TEXT;
use crate::domain::list_entry::ListEntry;

/// Numbers in one statement that finds.
const FIND: usize = 100;
/// Rows in one statement that writes: some 300 values.
const WRITE: usize = 10;

/// The entries of a list that have these numbers, by number.
///
/// # Errors
/// Those of the database.
pub fn find(conn: &mut Conn<'_>, list: &str, numbers: &[&str]) -> Result<HashMap<String, ListEntry>> {
    let mut found = HashMap::new();
    for some in numbers.chunks(FIND) {
        let mut args = args![list].to_vec();
        args.extend(some.iter().map(|number| Value::from(*number)));
        let places: Vec<String> = (2..=args.len()).map(|place| format!("${place}")).collect();
        let sql = format!(
            "SELECT {COLUMNS_TEXT} FROM call_entry WHERE list = $1 AND e164 <> '' AND e164 IN ({})",
            places.join(", ")
        );
        conn.each(&sql, &args, |row| {
            let entry = ListEntry::from_row(row, 0)?;
            found.insert(entry.e164.clone(), entry);
            Ok(())
        })?;
    }
    Ok(found)
}

/// Writes new entries. Those whose number another process wrote in the same moment are left out: the ids that were written come back.
///
/// # Errors
/// Those of the database.
pub fn insert(tx: &mut Tx<'_>, entries: &[&ListEntry]) -> Result<Vec<String>> {
    let mut written = Vec::with_capacity(entries.len());
    for some in entries.chunks(WRITE) {
        let mut args = Vec::new();
        let mut rows = Vec::with_capacity(some.len());
        for entry in some {
            let from = args.len();
            args.extend(entry.values());
            let places: Vec<String> = (from + 1..=args.len()).map(|place| format!("${place}")).collect();
            rows.push(format!("({})", places.join(", ")));
        }
        let sql = format!(
            "INSERT INTO call_entry ({COLUMNS_TEXT}) VALUES {} ON CONFLICT (list, e164) WHERE e164 <> '' DO NOTHING RETURNING id",
            rows.join(", ")
        );
        written.extend(tx.all(&sql, &args, |row| row.string(0))?);
    }
    Ok(written)
}

/// The last line that an import with this key has done; 0 when none.
///
/// # Errors
/// Those of the database.
pub fn line(conn: &mut Conn<'_>, list: &str, key: &str) -> Result<i64> {
    let sql = "SELECT line FROM call_import WHERE list = $1 AND import_key = $2";
    Ok(conn.one(sql, args![list, key], |row| row.int(0))?.unwrap_or(0))
}

/// Notes how far an import is.
///
/// # Errors
/// Those of the database.
pub fn note_line(tx: &mut Tx<'_>, list: &str, key: &str, line: i64) -> Result<()> {
    let now = tx.now();
    tx.execute(
        "INSERT INTO call_import (list, import_key, line, time) VALUES ($1, $2, $3, $4)
         ON CONFLICT (list, import_key) DO UPDATE SET line = CASE WHEN call_import.line > excluded.line THEN call_import.line ELSE excluded.line END, time = excluded.time",
        args![list, key, line, now],
    )?;
    Ok(())
}
