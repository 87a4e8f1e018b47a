//! The key of this installation.
//! Called at the start.

use kontor_kit::db::Tx;
use kontor_kit::{Error, Result, args};

use crate::domain::keys::{KEY, Keys};

/// The key; made of these random bytes at the first start.
///
/// # Errors
/// Those of the database.
pub fn get(tx: &mut Tx<'_>, random: [u8; KEY]) -> Result<Keys> {
    let sql = "INSERT INTO installation (id, secret) VALUES (1, $1) ON CONFLICT (id) DO NOTHING";
    tx.execute(sql, args![&random[..]])?;
    let found =
        tx.one("SELECT secret FROM installation WHERE id = 1", &[], |row| Ok(row.bytes(0)?.to_vec()))?;
    let key = found.and_then(|bytes| <[u8; KEY]>::try_from(bytes).ok());
    key.map(Keys::new).ok_or_else(|| Error::internal("the key of the installation is damaged"))
}
