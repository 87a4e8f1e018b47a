//! Documents by their hash: each is kept once, as long as a revision or a merge needs it.
//! Called by the store of templates, by the merges and by the cache of compiled templates.

use kontor_kit::db::{Conn, Tx};
use kontor_kit::{Error, Result, args};

/// Keeps a document.
///
/// # Errors
/// Those of the database.
pub fn keep(tx: &mut Tx<'_>, sha256: &str, data: &[u8]) -> Result<()> {
    let sql = "INSERT INTO content (sha256, data) VALUES ($1, $2) ON CONFLICT (sha256) DO NOTHING";
    tx.execute(sql, args![sha256, data]).map(|_| ())
}

/// Forgets a document that nobody needs any more.
///
/// # Errors
/// Those of the database.
pub fn release(tx: &mut Tx<'_>, sha256: &str) -> Result<()> {
    let sql = "DELETE FROM content WHERE sha256 = $1
         AND NOT EXISTS (SELECT 1 FROM template_revision WHERE template_revision.sha256 = $1)
         AND NOT EXISTS (SELECT 1 FROM merge_run WHERE merge_run.sha256 = $1 AND state IN (1, 2, 3, 6))";
    tx.execute(sql, args![sha256]).map(|_| ())
}

/// The bytes of a document.
///
/// # Errors
/// NOT_FOUND.
pub fn data(conn: &mut Conn<'_>, sha256: &str) -> Result<Vec<u8>> {
    let found = conn
        .one("SELECT data FROM content WHERE sha256 = $1", args![sha256], |row| Ok(row.bytes(0)?.to_vec()))?;
    found.ok_or_else(|| Error::not_found(format!("the document {sha256}")))
}

/// Checks that a document is kept.
///
/// # Errors
/// ABORTED when it is gone: somebody saved the template so often that the revision was forgotten.
pub fn must_be_there(conn: &mut Conn<'_>, sha256: &str) -> Result<()> {
    let found = conn.one("SELECT 1 FROM content WHERE sha256 = $1", args![sha256], |_| Ok(()))?;
    found.ok_or_else(|| Error::etag_mismatch("the template"))
}
