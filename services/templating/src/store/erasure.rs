//! Where letters and recipients of a partner that is erased stand, and their way out.
//! Called by erase.rs.

use kontor_kit::db::{Conn, Tx};
use kontor_kit::erase::{Batch, ERASED, Person, is_one_of};
use kontor_kit::{Result, args};

/// Recipients that are the partner: "{merge} {number}".
///
/// # Errors
/// Those of the database.
pub fn recipients(conn: &mut Conn<'_>, person: &Person, limit: i64) -> Result<Vec<String>> {
    let mut args = args![limit].to_vec();
    let named = is_one_of("partner", &person.partners, &mut args);
    let sql =
        format!("SELECT merge_id, number FROM merge_row WHERE {named} ORDER BY merge_id, number LIMIT $1");
    conn.all(&sql, &args, |row| Ok(format!("{} {}", row.text(0)?, row.int(1)?)))
}

/// Erases letters to the partner, and its data in merges. A joined file that it is in goes whole: a part of it can't be taken out.
///
/// # Errors
/// Those of the database.
pub fn erase(tx: &mut Tx<'_>, _: &Person, keys: &[String]) -> Result<Batch> {
    let (mut letters, none) = (0, Vec::<u8>::new());
    for key in keys {
        let Some((merge, number)) = key.split_once(' ') else { continue };
        let number: i64 = number.parse().unwrap_or(0);
        let joined = "SELECT 1 FROM merge_run WHERE id = $1 AND output = 2";
        if tx.one(joined, args![merge], |_| Ok(()))?.is_some() {
            letters += tx.execute("DELETE FROM letter_body WHERE merge_id = $1", args![merge])?.min(1);
            tx.execute("UPDATE merge_run SET size = 0 WHERE id = $1", args![merge])?;
        } else {
            tx.execute("DELETE FROM letter_body WHERE merge_id = $1 AND number = $2", args![merge, number])?;
            letters +=
                tx.execute("DELETE FROM letter WHERE merge_id = $1 AND number = $2", args![merge, number])?;
        }
        // One that waits gets no letter any more.
        tx.execute(
            "UPDATE merge_row SET partner = '', display_name = '', fields = $3, card = $3, reason = $4, state = 3 WHERE merge_id = $1 AND number = $2",
            args![merge, number, &none[..], ERASED],
        )?;
    }
    Ok(Batch::of("letters", i64::try_from(letters).unwrap_or(0)))
}
