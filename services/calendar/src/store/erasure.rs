//! Where a partner stands in the calendars: meetings, scheduling messages, proposals, and what was heard of guests.
//! Called by erase.rs.

use kontor_kit::db::{Conn, Tx};
use kontor_kit::erase::{Batch, Person, is_in, is_one_of};
use kontor_kit::{Result, args};

/// Messages that are looked at in one statement.
const LOOK: i64 = 200;
/// The number of inboxes among the engine's kinds of collections.
const INBOX: i64 = 3;

/// Numbers of objects that are with the partner or have one of its addresses.
///
/// # Errors
/// Those of the database.
pub fn objects(conn: &mut Conn<'_>, person: &Person, limit: i64) -> Result<Vec<String>> {
    let mut args = args![limit].to_vec();
    let with = is_one_of("partner", &person.partners, &mut args);
    let address = is_one_of("address", &person.emails, &mut args);
    let sql = format!(
        "SELECT object FROM item_partner WHERE {with} UNION SELECT object FROM attendee WHERE {address} ORDER BY 1 LIMIT $1"
    );
    conn.all(&sql, &args, |row| row.int(0).map(|object| object.to_string()))
}

/// Where an object stands.
pub struct Place {
    /// Id of its collection.
    pub collection: String,
    /// Its name there.
    pub name: String,
    /// Its tag for scheduling.
    pub schedule_tag: String,
}

/// Where an object stands; none when it is gone. Its collection is held until the commit.
///
/// # Errors
/// Those of the database.
pub fn place(tx: &mut Tx<'_>, object: i64) -> Result<Option<Place>> {
    let lock = if tx.is_postgres() { " FOR UPDATE OF c" } else { "" };
    let sql = format!(
        "SELECT c.id, o.name, o.schedule_tag FROM object o JOIN collection c ON c.num = o.coll WHERE o.num = $1{lock}"
    );
    tx.one(&sql, args![object], |row| {
        Ok(Place { collection: row.string(0)?, name: row.string(1)?, schedule_tag: row.string(2)? })
    })
}

/// Takes away what links an object to the partner, whatever its bytes say.
///
/// # Errors
/// Those of the database.
pub fn unlink(tx: &mut Tx<'_>, person: &Person, object: i64) -> Result<()> {
    for (table, column, values) in
        [("item_partner", "partner", &person.partners), ("attendee", "address", &person.emails)]
    {
        let mut args = args![object].to_vec();
        let of = is_one_of(column, values, &mut args);
        tx.execute(&format!("DELETE FROM {table} WHERE object = $1 AND {of}"), &args)?;
    }
    Ok(())
}

/// Numbers of messages in users' inboxes that have an address or a number of the partner.
///
/// # Errors
/// Those of the database.
pub fn messages(conn: &mut Conn<'_>, person: &Person, limit: i64) -> Result<Vec<String>> {
    let (mut found, mut after) = (Vec::new(), 0);
    let sql =
        "SELECT b.num, b.data FROM body b JOIN object o ON o.num = b.num JOIN collection c ON c.num = o.coll
               WHERE b.num > $1 AND c.kind = $2 ORDER BY b.num LIMIT $3";
    loop {
        let mut seen = 0;
        conn.each(sql, args![after, INBOX, LOOK], |row| {
            seen += 1;
            after = row.int(0)?;
            if is_in(row.bytes(1)?, person) {
                found.push(after.to_string());
            }
            Ok(())
        })?;
        if seen < LOOK || found.len() as i64 >= limit {
            found.truncate(usize::try_from(limit).unwrap_or(1));
            return Ok(found);
        }
    }
}

/// Whether a proposal, or what was last heard, is of one of the partner's addresses.
///
/// # Errors
/// Those of the database.
pub fn scheduling(conn: &mut Conn<'_>, person: &Person, _: i64) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for (table, column) in [("proposal", "attendee"), ("heard", "address")] {
        let mut args = Vec::new();
        let sql =
            format!("SELECT 1 FROM {table} WHERE {} LIMIT 1", is_one_of(column, &person.emails, &mut args));
        if conn.one(&sql, &args, |_| Ok(()))?.is_some() {
            found.push(table.to_owned());
        }
    }
    Ok(found)
}

/// Takes those away.
///
/// # Errors
/// Those of the database.
pub fn erase_scheduling(tx: &mut Tx<'_>, person: &Person, _: &[String]) -> Result<Batch> {
    let mut args = Vec::new();
    let sql = format!("DELETE FROM proposal WHERE {}", is_one_of("attendee", &person.emails, &mut args));
    let proposals = tx.execute(&sql, &args)?;
    let mut args = Vec::new();
    let sql = format!("DELETE FROM heard WHERE {}", is_one_of("address", &person.emails, &mut args));
    let heard = tx.execute(&sql, &args)?;
    let count = |count: u64| i64::try_from(count).unwrap_or(0);
    let counts = vec![("proposals", count(proposals)), ("answers of guests", count(heard))];
    Ok(Batch { counts, records: Vec::new() })
}
