//! Letters in the database: their names in one table, their bytes in another; and the pieces of joined files.
//! Called by rpc/download.rs and the merges.

use kontor_kit::auth::Caller;
use kontor_kit::db::{Conn, Row as DbRow, Tx};
use kontor_kit::page::{Field, Kind, Listing, Page, Query, Scope};
use kontor_kit::{Result, args};

/// A letter, without its bytes.
#[derive(Clone, Debug, Default)]
pub struct Letter {
    /// Number of its recipient.
    pub number: i64,
    /// Name of its file.
    pub filename: String,
    /// "partners/{id}", or empty.
    pub partner: String,
    /// Bytes.
    pub size: i64,
}

fn read(row: &DbRow<'_>, from: usize) -> Result<Letter> {
    Ok(Letter {
        number: row.int(from)?,
        filename: row.string(from + 1)?,
        partner: row.string(from + 2)?,
        size: row.int(from + 3)?,
    })
}

/// Keeps letters with their bytes.
///
/// # Errors
/// Those of the database.
pub fn add(tx: &mut Tx<'_>, merge: &str, letters: &[(Letter, Vec<u8>)]) -> Result<()> {
    let rows = letters.iter().map(|(letter, _)| {
        args![merge, letter.number, &letter.filename, &letter.partner, letter.size].to_vec()
    });
    tx.insert_many("letter", "merge_id, number, filename, partner, size", rows, "")?;
    let bodies = letters.iter().map(|(letter, data)| args![merge, letter.number, &data[..]].to_vec());
    tx.insert_many("letter_body", "merge_id, number, data", bodies, "")
}

/// Keeps a piece of a joined file.
///
/// # Errors
/// Those of the database.
pub fn add_piece(tx: &mut Tx<'_>, merge: &str, number: i64, data: &[u8]) -> Result<()> {
    let sql = "INSERT INTO letter_body (merge_id, number, data) VALUES ($1, $2, $3)";
    tx.execute(sql, args![merge, number, data]).map(|_| ())
}

/// Letters behind a number, with their bytes: at most so many, and no more when they have so many bytes together.
///
/// # Errors
/// Those of the database.
pub fn after(
    conn: &mut Conn<'_>,
    merge: &str,
    number: i64,
    limit: i64,
    bytes: i64,
) -> Result<Vec<(Letter, Vec<u8>)>> {
    let sql = "SELECT number, filename, partner, size FROM letter WHERE merge_id = $1 AND number > $2 ORDER BY number LIMIT $3";
    let found = conn.all(sql, args![merge, number, limit], |row| read(row, 0))?;
    let (mut letters, mut sum) = (Vec::new(), 0);
    for letter in found {
        sum += letter.size;
        if !letters.is_empty() && sum > bytes {
            break;
        }
        if let Some(data) = piece(conn, merge, letter.number)? {
            letters.push((letter, data));
        }
    }
    Ok(letters)
}

/// The bytes of a letter, or a piece of a joined file.
///
/// # Errors
/// Those of the database.
pub fn piece(conn: &mut Conn<'_>, merge: &str, number: i64) -> Result<Option<Vec<u8>>> {
    let sql = "SELECT data FROM letter_body WHERE merge_id = $1 AND number = $2";
    conn.one(sql, args![merge, number], |row| Ok(row.bytes(0)?.to_vec()))
}

/// One letter.
///
/// # Errors
/// Those of the database.
pub fn find(conn: &mut Conn<'_>, merge: &str, number: i64) -> Result<Option<Letter>> {
    let sql = "SELECT number, filename, partner, size FROM letter WHERE merge_id = $1 AND number = $2";
    conn.one(sql, args![merge, number], |row| read(row, 0))
}

/// Takes out letters and pieces of a merge, 200 at most. How many rows.
///
/// # Errors
/// Those of the database.
pub fn drop_some(tx: &mut Tx<'_>, merge: &str) -> Result<u64> {
    let mut count = 0;
    for table in ["letter", "letter_body"] {
        let sql = format!(
            "DELETE FROM {table} WHERE merge_id = $1 AND number IN (SELECT number FROM {table} WHERE merge_id = $1 ORDER BY number LIMIT 200)"
        );
        count += tx.execute(&sql, args![merge])?;
    }
    Ok(count)
}

const LISTING: Listing = Listing {
    table: "letter",
    columns: "number, filename, partner, size",
    id: "CAST(number AS TEXT) || ''",
    by_key: false,
    fields: &[Field::order("number", "number", Kind::Int)],
    default_order: "number",
    default_size: 50,
    max_size: 1_000,
};

/// Letters of a merge.
///
/// # Errors
/// INVALID_ARGUMENT naming page_size or page_token.
pub fn list(conn: &mut Conn<'_>, caller: &Caller, merge: &str, query: &Query) -> Result<Page<Letter>> {
    let scope = Scope::from(("merge_id = $1".to_owned(), vec![merge.into()]));
    LISTING.run(conn, caller, query, scope, |row| read(row, 2))
}
