//! Recipients of merges in the database.
//! Called by rpc/merge.rs and the merges.

use kontor_kit::auth::Caller;
use kontor_kit::db::{Conn, Row as DbRow, Tx};
use kontor_kit::page::{Field, Kind, Listing, Page, Query, Scope};
use kontor_kit::{Result, args};

use crate::domain::merge::Row;

const COLUMNS: &str = "number, partner, display_name, locale, fields, card, state, reason";

fn read(row: &DbRow<'_>, from: usize) -> Result<Row> {
    Ok(Row {
        number: row.int(from)?,
        partner: row.string(from + 1)?,
        display_name: row.string(from + 2)?,
        locale: row.string(from + 3)?,
        fields: row.bytes(from + 4)?.to_vec(),
        card: row.opt_bytes(from + 5)?.map(<[u8]>::to_vec),
        state: row.int(from + 6)?,
        reason: row.string(from + 7)?,
    })
}

/// Adds recipients.
///
/// # Errors
/// Those of the database.
pub fn add(tx: &mut Tx<'_>, merge: &str, rows: &[Row]) -> Result<()> {
    let values = rows.iter().map(|row| {
        args![
            merge,
            row.number,
            &row.partner,
            &row.display_name,
            &row.locale,
            &row.fields[..],
            row.card.clone(),
            row.state,
            &row.reason
        ]
        .to_vec()
    });
    let columns = "merge_id, number, partner, display_name, locale, fields, card, state, reason";
    tx.insert_many("merge_row", columns, values, "")
}

/// Recipients behind a number, at most so many.
///
/// # Errors
/// Those of the database.
pub fn after(conn: &mut Conn<'_>, merge: &str, number: i64, limit: i64) -> Result<Vec<Row>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM merge_row WHERE merge_id = $1 AND number > $2 ORDER BY number LIMIT $3"
    );
    conn.all(&sql, args![merge, number, limit], |row| read(row, 0))
}

/// Notes what was looked up of a recipient.
///
/// # Errors
/// Those of the database.
pub fn set_card(tx: &mut Tx<'_>, merge: &str, row: &Row) -> Result<()> {
    let sql = "UPDATE merge_row SET partner = $3, display_name = $4, card = $5, state = $6, reason = $7 WHERE merge_id = $1 AND number = $2";
    let card = row.card.clone();
    tx.execute(sql, args![merge, row.number, &row.partner, &row.display_name, card, row.state, &row.reason])
        .map(|_| ())
}

/// Notes what came of a recipient: 1 made, 2 failed, 3 skipped.
///
/// # Errors
/// Those of the database.
pub fn set_state(tx: &mut Tx<'_>, merge: &str, number: i64, state: i64, reason: &str) -> Result<()> {
    let sql = "UPDATE merge_row SET state = $3, reason = $4 WHERE merge_id = $1 AND number = $2";
    tx.execute(sql, args![merge, number, state, reason]).map(|_| ())
}

/// Notes that letters were made of all that still wait, from a number to another one.
///
/// # Errors
/// Those of the database.
pub fn made(tx: &mut Tx<'_>, merge: &str, from: i64, to: i64) -> Result<()> {
    let sql =
        "UPDATE merge_row SET state = 1 WHERE merge_id = $1 AND number >= $2 AND number <= $3 AND state = 0";
    tx.execute(sql, args![merge, from, to]).map(|_| ())
}

/// Forgets the data of all recipients, when the letters are made.
///
/// # Errors
/// Those of the database.
pub fn forget_data(tx: &mut Tx<'_>, merge: &str, from: i64, to: i64) -> Result<()> {
    let none: Vec<u8> = Vec::new();
    let sql =
        "UPDATE merge_row SET fields = $4, card = NULL WHERE merge_id = $1 AND number >= $2 AND number <= $3";
    tx.execute(sql, args![merge, from, to, none]).map(|_| ())
}

const FAILURES: Listing = Listing {
    table: "merge_row",
    columns: "number, partner, display_name, locale, fields, card, state, reason",
    id: "CAST(number AS TEXT) || ''",
    by_key: false,
    fields: &[Field::order("number", "number", Kind::Int)],
    default_order: "number",
    default_size: 50,
    max_size: 1_000,
};

/// Recipients without a letter.
///
/// # Errors
/// INVALID_ARGUMENT naming page_size or page_token.
pub fn failures(conn: &mut Conn<'_>, caller: &Caller, merge: &str, query: &Query) -> Result<Page<Row>> {
    let scope = Scope::from(("merge_id = $1 AND state = 2".to_owned(), vec![merge.into()]));
    FAILURES.run(conn, caller, query, scope, |row| read(row, 2))
}

/// The first recipient without a letter.
///
/// # Errors
/// Those of the database.
pub fn first_failure(conn: &mut Conn<'_>, merge: &str) -> Result<Option<Row>> {
    let sql =
        format!("SELECT {COLUMNS} FROM merge_row WHERE merge_id = $1 AND state = 2 ORDER BY number LIMIT 1");
    conn.one(&sql, args![merge], |row| read(row, 0))
}
