//! What was heard of other services and is kept as it is: numbers that are not called.
//! Called by events.rs and pulls.rs.

use kontor_kit::db::{Conn, Tx};
use kontor_kit::{Error, Result, args};

use super::{engine, facts};

/// A number is not to be called, or is to be called again.
///
/// # Errors
/// Those of the database.
pub fn set_do_not_call(tx: &mut Tx<'_>, e164: &str, is_listed: bool) -> Result<()> {
    let changed = if is_listed {
        tx.execute("INSERT INTO do_not_call (e164) VALUES ($1) ON CONFLICT DO NOTHING", args![e164])?
    } else {
        tx.execute("DELETE FROM do_not_call WHERE e164 = $1", args![e164])?
    };
    if changed == 0 {
        return Ok(());
    }
    for ord in with_phone(tx, e164)? {
        if facts::set_do_not_call(tx, ord)? {
            engine::partners_changed(tx, &[ord])?;
        }
    }
    Ok(())
}

fn with_phone(conn: &mut Conn<'_>, e164: &str) -> Result<Vec<u32>> {
    let sql = "SELECT ord FROM fact_text WHERE field = 'phones' AND value = $1";
    conn.all(sql, args![e164], |row| u32::try_from(row.int(0)?).map_err(Error::internal))
}
