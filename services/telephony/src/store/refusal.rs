//! Posts that were refused, counted by reason, and the ids of posts that may come once only.
//! Called by rpc/refusals.rs, the intake (ids) and the tasks (to forget them).

use kontor_kit::db::{Conn, Tx};
use kontor_kit::{Result, args};

/// Posts that were refused for one reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// For programs.
    pub reason: String,
    /// The last one in words.
    pub description: String,
    /// How many.
    pub posts: i64,
    /// When the last one came, in microseconds since 1970 UTC.
    pub last_time: i64,
}

/// All reasons of a connector; there are less than ten.
///
/// # Errors
/// Those of the database.
pub fn all(conn: &mut Conn<'_>, connector: &str) -> Result<Vec<Refused>> {
    let sql = "SELECT reason, description, posts, last_time FROM connector_refusal WHERE connector = $1 ORDER BY reason";
    conn.all(sql, args![connector], |row| {
        Ok(Refused {
            reason: row.string(0)?,
            description: row.string(1)?,
            posts: row.int(2)?,
            last_time: row.int(3)?,
        })
    })
}

/// Counts posts that were refused, the last one just now.
///
/// # Errors
/// Those of the database.
pub fn add(tx: &mut Tx<'_>, connector: &str, reason: &str, description: &str, posts: i64) -> Result<()> {
    let now = tx.now();
    tx.execute(
        "INSERT INTO connector_refusal (connector, reason, description, posts, last_time) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (connector, reason) DO UPDATE SET description = excluded.description, posts = connector_refusal.posts + excluded.posts, last_time = excluded.last_time",
        args![connector, reason, description, posts, now],
    )?;
    Ok(())
}

/// Remembers a post's id; false when it was here before.
///
/// # Errors
/// Those of the database.
pub fn see(tx: &mut Tx<'_>, connector: &str, nonce: &str) -> Result<bool> {
    let now = tx.now();
    let sql = "INSERT INTO post_seen (connector, nonce, time) VALUES ($1, $2, $3) ON CONFLICT (connector, nonce) DO NOTHING";
    Ok(tx.execute(sql, args![connector, nonce, now])? == 1)
}

/// Forgets up to 500 ids from before an instant; tells how many.
///
/// # Errors
/// Those of the database.
pub fn forget(tx: &mut Tx<'_>, before: i64) -> Result<u64> {
    let sql = "DELETE FROM post_seen WHERE time < $1 AND (connector, nonce) IN (SELECT connector, nonce FROM post_seen WHERE time < $1 ORDER BY time LIMIT 500)";
    tx.execute(sql, args![before])
}

/// Takes away what belongs to a deleted connector. Its ids go with time.
///
/// # Errors
/// Those of the database.
pub fn delete(tx: &mut Tx<'_>, connector: &str) -> Result<()> {
    tx.execute("DELETE FROM connector_refusal WHERE connector = $1", args![connector])?;
    Ok(())
}
