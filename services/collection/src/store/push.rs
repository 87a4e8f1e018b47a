//! Push registrations: who wants to hear of a collection, and how far each was told.
//! Called by `rpc` and by `push`.

use kontor_kit::db::{Conn, Db, Row, Tx};
use kontor_kit::{Error, Result, args, id};

use crate::model::Collection;
use crate::push::Wish;

/// Registrations that one user may have. A phone has one for each collection that it shows.
const MOST: i64 = 1_000;
/// How long nobody else takes a registration whose message is on its way, in microseconds.
const CLAIM: i64 = 60_000_000;

/// Kinds of news.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wants {
    /// Objects are new, changed or gone.
    pub content: bool,
    /// Properties of the collection changed.
    pub properties: bool,
}

impl Wants {
    fn number(self) -> i64 {
        i64::from(self.content) + 2 * i64::from(self.properties)
    }

    fn of_number(number: i64) -> Wants {
        Wants { content: number & 1 != 0, properties: number & 2 != 0 }
    }
}

/// A registration.
#[derive(Clone, Debug, Default)]
pub struct Registration {
    /// Id.
    pub id: String,
    /// Number of its collection.
    pub coll: i64,
    /// Id of its collection.
    pub collection: String,
    /// Login name of who registered.
    pub login: String,
    /// Where messages are posted to. A secret of the client.
    pub address: String,
    /// The client's public key.
    pub public_key: Vec<u8>,
    /// The client's authentication secret.
    pub auth_secret: Vec<u8>,
    /// What it is told.
    pub wants: Wants,
    /// Change number up to which it was told.
    pub seq: i64,
    /// The same for properties: their last change that it was told.
    pub properties_time: i64,
    /// Failures since the last message that went out.
    pub tries: i64,
    /// When it is looked at again; microseconds UTC.
    pub next_time: i64,
}

const COLUMNS: &str = "r.id, r.coll, c.id, r.login, r.address, r.public_key, r.auth_secret, r.wants, r.seq, \
                       r.properties_time, r.tries, r.next_time";

/// The service's private key; `fresh` becomes it when there is none.
///
/// # Errors
/// Those of the database.
pub fn key(tx: &mut Tx<'_>, fresh: &[u8; 32]) -> Result<Vec<u8>> {
    tx.execute(
        "INSERT INTO push_key (id, secret) VALUES (1, $1) ON CONFLICT (id) DO NOTHING",
        args![&fresh[..]],
    )?;
    let kept = tx.one("SELECT secret FROM push_key WHERE id = 1", &[], |row| Ok(row.bytes(0)?.to_vec()))?;
    kept.ok_or_else(|| Error::internal("the key of push messages was not kept"))
}

/// Registers, or renews what this user has for this collection and address. Gives its id and whether it is new. What changed before
/// is not told.
///
/// # Errors
/// FAILED_PRECONDITION with reason PUSH_NOT_AVAILABLE when the user has too many.
pub(crate) fn register(
    tx: &mut Tx<'_>,
    login: &str,
    collection: &Collection,
    wish: &Wish,
) -> Result<(String, bool)> {
    let now = tx.now();
    let key = args![collection.num, login, &wish.address];
    let sql = "SELECT id FROM push_registration WHERE coll = $1 AND login = $2 AND address = $3";
    let present = tx.one(sql, key, |row| row.string(0))?;
    if let Some(id) = present {
        tx.execute(
            "UPDATE push_registration SET public_key = $2, auth_secret = $3, wants = $4, expire_time = $5, tries = 0, \
             next_time = $6 WHERE id = $1",
            args![&id, &wish.public_key[..], &wish.auth_secret[..], wish.wants.number(), wish.expire_time, now],
        )?;
        return Ok((id, false));
    }
    let sql = "SELECT COUNT(*) FROM push_registration WHERE login = $1 AND expire_time > $2";
    if tx.one(sql, args![login, now], |row| row.int(0))?.unwrap_or(0) >= MOST {
        let message = format!("{login} has {MOST} push registrations already");
        return Err(Error::precondition("PUSH_NOT_AVAILABLE", message));
    }
    let id = id::new();
    tx.execute(
        "INSERT INTO push_registration (id, coll, login, address, public_key, auth_secret, wants, expire_time, seq, \
         properties_time, tries, next_time) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 0, $11)",
        args![
            &id,
            collection.num,
            login,
            &wish.address,
            &wish.public_key[..],
            &wish.auth_secret[..],
            wish.wants.number(),
            wish.expire_time,
            collection.seq,
            collection.update_time,
            now
        ],
    )?;
    Ok((id, true))
}

/// Ends a registration of a user.
///
/// # Errors
/// NOT_FOUND, also for one that has expired.
pub fn unregister(tx: &mut Tx<'_>, login: &str, id: &str) -> Result<()> {
    let now = tx.now();
    let sql = "DELETE FROM push_registration WHERE id = $1 AND login = $2 AND expire_time > $3";
    match tx.execute(sql, args![id, login, now])? {
        0 => Err(Error::not_found("this push registration")),
        _ => Ok(()),
    }
}

/// Registrations whose collection changed since they were told, at most so many; they are this process's own for a minute. Also
/// whether there is any registration at all. What has expired goes.
///
/// # Errors
/// Those of the database.
pub async fn due(db: &Db, now: i64, most: usize) -> Result<(Vec<Registration>, bool)> {
    let most = i64::try_from(most).unwrap_or(0);
    let (due, any, expired) = db
        .read(move |conn| {
            let oldest = conn.one("SELECT MIN(expire_time) FROM push_registration", &[], |row| row.opt_int(0))?;
            let Some(oldest) = oldest.flatten() else { return Ok((Vec::new(), false, false)) };
            let sql = format!(
                "SELECT {COLUMNS} FROM push_registration r JOIN collection c ON c.num = r.coll \
                 WHERE r.seq < c.seq AND r.next_time <= $1 AND r.expire_time > $1 ORDER BY r.next_time, r.id LIMIT $2"
            );
            Ok((conn.all(&sql, args![now, most], read)?, true, oldest <= now))
        })
        .await?;
    if due.is_empty() && !expired {
        return Ok((due, any));
    }
    let claimed = db
        .write(move |tx| {
            tx.execute("DELETE FROM push_registration WHERE expire_time <= $1", args![now])?;
            let mut claimed = Vec::new();
            for registration in &due {
                let sql = "UPDATE push_registration SET next_time = $3 WHERE id = $1 AND next_time = $2";
                if tx.execute(sql, args![&registration.id, registration.next_time, now + CLAIM])? == 1 {
                    claimed.push(registration.clone());
                }
            }
            Ok(claimed)
        })
        .await?;
    Ok((claimed, any))
}

/// What of the news in a collection a registration wants to hear.
///
/// # Errors
/// Those of the database.
pub fn news(conn: &mut Conn<'_>, registration: &Registration, collection: &Collection) -> Result<Wants> {
    let mut changed = false;
    for table in ["object", "tombstone"] {
        let sql = format!("SELECT 1 FROM {table} WHERE coll = $1 AND seq > $2 LIMIT 1");
        changed |= conn.one(&sql, args![collection.num, registration.seq], |_| Ok(()))?.is_some();
    }
    let properties = collection.update_time != registration.properties_time;
    Ok(Wants {
        content: registration.wants.content && changed,
        properties: registration.wants.properties && properties,
    })
}

/// Its client was told up to this state of the collection. It is not looked at before `next_time`.
///
/// # Errors
/// Those of the database.
pub fn told(tx: &mut Tx<'_>, id: &str, collection: &Collection, next_time: i64) -> Result<()> {
    tx.execute(
        "UPDATE push_registration SET seq = $2, properties_time = $3, tries = 0, next_time = $4 WHERE id = $1 AND seq <= $2",
        args![id, collection.seq, collection.update_time, next_time],
    )?;
    Ok(())
}

/// It could not be told. It is not looked at before `next_time`.
///
/// # Errors
/// Those of the database.
pub fn failed(tx: &mut Tx<'_>, id: &str, next_time: i64) -> Result<()> {
    tx.execute(
        "UPDATE push_registration SET tries = tries + 1, next_time = $2 WHERE id = $1",
        args![id, next_time],
    )?;
    Ok(())
}

/// Takes a registration out.
///
/// # Errors
/// Those of the database.
pub fn remove(tx: &mut Tx<'_>, id: &str) -> Result<()> {
    tx.execute("DELETE FROM push_registration WHERE id = $1", args![id])?;
    Ok(())
}

/// The registrations of a user that made this change itself hear nothing of it ("*" means all of the user's). Those that have something
/// else to hear still do.
///
/// # Errors
/// Those of the database.
pub fn silence(tx: &mut Tx<'_>, login: &str, collection: &Collection, ids: &[String]) -> Result<()> {
    for id in ids {
        tx.execute(
            "UPDATE push_registration SET seq = $3 WHERE coll = $1 AND login = $2 AND seq = $3 - 1 AND ($4 = '*' OR id = $4)",
            args![collection.num, login, collection.seq, id],
        )?;
    }
    Ok(())
}

fn read(row: &Row<'_>) -> Result<Registration> {
    Ok(Registration {
        id: row.string(0)?,
        coll: row.int(1)?,
        collection: row.string(2)?,
        login: row.string(3)?,
        address: row.string(4)?,
        public_key: row.bytes(5)?.to_vec(),
        auth_secret: row.bytes(6)?.to_vec(),
        wants: Wants::of_number(row.int(7)?),
        seq: row.int(8)?,
        properties_time: row.int(9)?,
        tries: row.int(10)?,
        next_time: row.int(11)?,
    })
}
