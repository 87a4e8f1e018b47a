//! Where the addresses of a person who is erased stand, and their way out.
//! Called by erase.rs.

use kontor_kit::db::{Conn, Tx};
use kontor_kit::erase::{Batch, ERASED, Person, is_one_of};
use kontor_kit::{Result, args};

use crate::domain::Address;

/// The person's addresses, as this service writes them.
fn keys_of(person: &Person) -> Vec<String> {
    person
        .emails
        .iter()
        .map(|it| Address::parse(it).map_or_else(|_| it.to_lowercase(), |it| it.key()))
        .collect()
}

/// Recipients that are the person: by its partners and its addresses.
///
/// # Errors
/// Those of the database.
pub fn recipients(conn: &mut Conn<'_>, person: &Person, limit: i64) -> Result<Vec<String>> {
    let emails = keys_of(person);
    let mut found = Vec::new();
    for (column, values) in [("partner", &person.partners), ("address_key", &emails)] {
        let mut args = args![limit].to_vec();
        let named = is_one_of(column, values, &mut args);
        let sql = format!("SELECT id FROM outgoing WHERE {column} <> '' AND {named} LIMIT $1");
        found.extend(conn.all(&sql, &args, |row| row.string(0))?);
    }
    found.sort();
    found.dedup();
    found.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    Ok(found)
}

/// Takes the partner and the address out. One that waits gets nothing any more; what became of the others stays, and so does the keyed hash: by it somebody
/// still unsubscribes.
///
/// # Errors
/// Those of the database.
pub fn erase_recipients(tx: &mut Tx<'_>, _: &Person, ids: &[String]) -> Result<Batch> {
    let now = tx.now();
    let mut count = 0;
    for id in ids {
        let sql = "UPDATE outgoing SET partner = '', address = '', address_key = '', reason = $2,
                    state = CASE WHEN state IN (1, 2, 4) THEN 11 ELSE state END, update_time = CASE WHEN state IN (1, 2, 4) THEN $3 ELSE update_time END WHERE id = $1";
        count += tx.execute(sql, args![id, ERASED, now])?;
        tx.execute("DELETE FROM outgoing_move WHERE outgoing = $1", args![id])?;
        tx.execute("DELETE FROM outgoing_halt WHERE outgoing = $1", args![id])?;
    }
    Ok(Batch::of("recipients", i64::try_from(count).unwrap_or(0)))
}

/// Suppressions of the person's addresses that still show them.
///
/// # Errors
/// Those of the database.
pub fn suppressions(conn: &mut Conn<'_>, person: &Person, limit: i64) -> Result<Vec<String>> {
    let emails = keys_of(person);
    let mut args = args![limit].to_vec();
    let named = is_one_of("address", &emails, &mut args);
    let sql = format!("SELECT id FROM suppression WHERE address <> '' AND {named} LIMIT $1");
    conn.all(&sql, &args, |row| row.string(0))
}

/// Takes the address and the text out; the keyed hash stays, and still suppresses.
///
/// # Errors
/// Those of the database.
pub fn erase_suppressions(tx: &mut Tx<'_>, _: &Person, ids: &[String]) -> Result<Batch> {
    let mut count = 0;
    for id in ids {
        let sql = "UPDATE suppression SET address = '', note = '', version = version + 1 WHERE id = $1";
        count += tx.execute(sql, args![id])?;
    }
    let records = ids.iter().map(|id| format!("suppressions/{id}")).collect();
    Ok(Batch { counts: vec![("suppressions", i64::try_from(count).unwrap_or(0))], records })
}

/// Withdrawals that are still to be told.
///
/// # Errors
/// Those of the database.
pub fn withdrawals(conn: &mut Conn<'_>, person: &Person, limit: i64) -> Result<Vec<String>> {
    let mut args = args![limit].to_vec();
    let named = is_one_of("partner", &person.partners, &mut args);
    conn.all(&format!("SELECT id FROM withdrawal WHERE {named} LIMIT $1"), &args, |row| row.string(0))
}

/// Forgets them: nobody is there whose consent it would be.
///
/// # Errors
/// Those of the database.
pub fn erase_withdrawals(tx: &mut Tx<'_>, _: &Person, ids: &[String]) -> Result<Batch> {
    for id in ids {
        tx.execute("DELETE FROM withdrawal WHERE id = $1", args![id])?;
    }
    Ok(Batch::of("withdrawals", i64::try_from(ids.len()).unwrap_or(0)))
}
