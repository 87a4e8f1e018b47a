//! Clicks to call and a dialler's calls on their way to the telephone system: stored first, given once to the process that holds the connection.
//! Called by intake/dial.rs (writes), connectors/dialler.rs (takes, puts back and closes) and dialler/ (takes its own back).

use std::time::Duration;

use kontor_kit::db::{Conn, Row, Tx};
use kontor_kit::{Result, args};

use crate::domain::dial::Originate;

/// Waits for the process that holds the connection.
const WAITING: i64 = 0;
/// Was given to it, to be sent once.
const GIVEN: i64 = 1;

/// One call to make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dial {
    /// Id of its call.
    pub call: String,
    /// Id of the connector.
    pub connector: String,
    /// When it was asked for, in microseconds since 1970 UTC.
    pub made: i64,
    /// When it is too late to send it.
    pub until: i64,
    /// What is ordered; its id is the telephone system's id of the call. Without device and number once it was given.
    pub order: Originate,
    /// The list for which a dialler calls: "callLists/{list}"; empty for a click to call.
    pub call_list: String,
    /// The number in E.164 that a dialler calls; empty for a click to call, and once it was given.
    pub e164: String,
}

const COLUMNS: &str = "call, connector, external_id, made_time, until_time, device, context, exten, caller_id, ring_millis, call_list, e164";

fn dial(row: &Row<'_>) -> Result<Dial> {
    Ok(Dial {
        call: row.string(0)?,
        connector: row.string(1)?,
        made: row.int(3)?,
        until: row.int(4)?,
        order: Originate {
            id: row.string(2)?,
            channel: row.string(5)?,
            context: row.string(6)?,
            exten: row.string(7)?,
            caller_id: Some(row.string(8)?).filter(|text| !text.is_empty()),
            ring: Duration::from_millis(row.int(9)?.unsigned_abs()),
        },
        call_list: row.string(10)?,
        e164: row.string(11)?,
    })
}

/// Adds one that waits.
///
/// # Errors
/// Those of the database.
pub fn add(tx: &mut Tx<'_>, dial: &Dial) -> Result<()> {
    let order = &dial.order;
    let caller_id = order.caller_id.as_deref().unwrap_or_default();
    let ring = i64::try_from(order.ring.as_millis()).unwrap_or(0);
    tx.execute(
        "INSERT INTO dial (call, connector, external_id, state, made_time, until_time, device, context, exten, caller_id, ring_millis, call_list, e164)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
        args![
            &dial.call,
            &dial.connector,
            &order.id,
            WAITING,
            dial.made,
            dial.until,
            &order.channel,
            &order.context,
            &order.exten,
            caller_id,
            ring,
            &dial.call_list,
            &dial.e164
        ],
    )?;
    Ok(())
}

/// Whether any waits for this connector.
///
/// # Errors
/// Those of the database.
pub fn waits(conn: &mut Conn<'_>, connector: &str) -> Result<bool> {
    let sql = "SELECT 1 FROM dial WHERE connector = $1 AND state = $2 LIMIT 1";
    Ok(conn.one(sql, args![connector, WAITING], |_| Ok(()))?.is_some())
}

/// How many wait for this connector.
///
/// # Errors
/// Those of the database.
pub fn count(conn: &mut Conn<'_>, connector: &str) -> Result<i64> {
    let sql = "SELECT COUNT(*) FROM dial WHERE connector = $1 AND state = $2";
    Ok(conn.one(sql, args![connector, WAITING], |row| row.int(0))?.unwrap_or(0))
}

/// What a take gives.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// To be sent now.
    pub orders: Vec<Dial>,
    /// Of a dialler, to numbers that came onto the do-not-call list since they were stored: they are given and never sent.
    pub withheld: Vec<Dial>,
}

/// Takes those that wait, oldest first, if `owner` holds the connector's session now. Whoever gets one is the only one, and gets it once.
///
/// # Errors
/// Those of the database.
pub fn take(tx: &mut Tx<'_>, connector: &str, owner: &str, limit: i64) -> Result<Taken> {
    let now = tx.now();
    if !super::state::holds(tx, connector, owner)? {
        return Ok(Taken::default());
    }
    let sql = format!(
        "SELECT {COLUMNS} FROM dial WHERE connector = $1 AND state = $2 AND until_time > $3 ORDER BY made_time LIMIT $4"
    );
    let waiting = tx.all(&sql, args![connector, WAITING, now, limit], dial)?;
    let mut taken = Taken::default();
    for dial in waiting {
        let sql = "UPDATE dial SET state = $2, device = '', exten = '', caller_id = '', e164 = '' WHERE call = $1 AND state = $3";
        if tx.execute(sql, args![&dial.call, GIVEN, WAITING])? == 1 {
            let withheld = !dial.e164.is_empty() && super::do_not_call::has(tx, &dial.e164)?;
            if withheld { taken.withheld.push(dial) } else { taken.orders.push(dial) }
        }
    }
    Ok(taken)
}

/// Takes away those of a list's dialler that wait still: ids of their calls.
///
/// # Errors
/// Those of the database.
pub fn withdraw(tx: &mut Tx<'_>, call_list: &str) -> Result<Vec<String>> {
    let sql = "DELETE FROM dial WHERE call_list = $1 AND call_list <> '' AND state = $2 RETURNING call";
    tx.all(sql, args![call_list, WAITING], |row| row.string(0))
}

/// Puts one back that did not get onto the wire.
///
/// # Errors
/// Those of the database.
pub fn put_back(tx: &mut Tx<'_>, dial: &Dial) -> Result<()> {
    if close(tx, &dial.call)? { add(tx, dial) } else { Ok(()) }
}

/// Takes away one that was given; false when it is gone.
///
/// # Errors
/// Those of the database.
pub fn close(tx: &mut Tx<'_>, call: &str) -> Result<bool> {
    Ok(tx.execute("DELETE FROM dial WHERE call = $1 AND state = $2", args![call, GIVEN])? == 1)
}

/// Takes away one for which it is too late; false when it was given or is gone.
///
/// # Errors
/// Those of the database.
pub fn expire(tx: &mut Tx<'_>, call: &str) -> Result<bool> {
    let now = tx.now();
    let sql = "DELETE FROM dial WHERE call = $1 AND state = $2 AND until_time <= $3";
    Ok(tx.execute(sql, args![call, WAITING, now])? == 1)
}

/// Those for which it is too late at `now`: call and connector.
///
/// # Errors
/// Those of the database.
pub fn overdue(conn: &mut Conn<'_>, now: i64, limit: i64) -> Result<Vec<(String, String)>> {
    let sql =
        "SELECT call, connector FROM dial WHERE state = $1 AND until_time <= $2 ORDER BY until_time LIMIT $3";
    conn.all(sql, args![WAITING, now, limit], |row| Ok((row.string(0)?, row.string(1)?)))
}

/// Forgets those that were given before an instant, to a connector that went away since.
///
/// # Errors
/// Those of the database.
pub fn forget(tx: &mut Tx<'_>, before: i64) -> Result<()> {
    tx.execute("DELETE FROM dial WHERE state = $1 AND made_time < $2", args![GIVEN, before])?;
    Ok(())
}

/// Those that were given to the process that holds the connection, oldest first.
///
/// # Errors
/// Those of the database.
pub fn given(conn: &mut Conn<'_>, connector: &str, limit: i64) -> Result<Vec<Dial>> {
    let sql =
        format!("SELECT {COLUMNS} FROM dial WHERE connector = $1 AND state = $2 ORDER BY made_time LIMIT $3");
    conn.all(&sql, args![connector, GIVEN, limit], dial)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use kontor_kit::db::Db;
    use kontor_testbed::Place;

    use super::*;
    use crate::domain::do_not_call::{ASKED, DoNotCall};
    use crate::store::state;

    async fn places() -> Vec<Place> {
        [Some(Place::sqlite()), Place::postgres().await].into_iter().flatten().collect()
    }

    async fn open(place: &Place) -> Db {
        place.context.open_db("telephony", crate::MIGRATIONS).await.expect("a database")
    }

    fn waiting(now: i64) -> Dial {
        let order = Originate {
            id: "kontor-1".into(),
            channel: "PJSIP/101".into(),
            context: "internal".into(),
            exten: "90145559876".into(),
            caller_id: Some("Kontor <90145559876>".into()),
            ring: Duration::from_secs(30),
        };
        let (call, connector) = ("1".into(), "office".into());
        Dial {
            call,
            connector,
            made: now,
            until: now + 10,
            order,
            call_list: String::new(),
            e164: String::new(),
        }
    }

    async fn add_and_lease(db: &Db, owner: &'static str) -> Dial {
        let job = move |tx: &mut Tx<'_>| {
            let dial = waiting(tx.now());
            state::create(tx, "office")?;
            let until = tx.now() + 1_000_000;
            assert!(state::lease(tx, "office", owner, until)?);
            add(tx, &dial)?;
            Ok(dial)
        };
        db.write(job).await.expect("written")
    }

    async fn taken(db: &Db, owner: &'static str) -> Vec<Dial> {
        db.write(move |tx| take(tx, "office", owner, 10)).await.expect("taken").orders
    }

    #[tokio::test]
    async fn it_is_given_once_to_whoever_holds_the_session_and_its_number_is_blanked() {
        for place in places().await {
            let db = open(&place).await;
            let dial = add_and_lease(&db, "me").await;
            assert_eq!(taken(&db, "another").await, []);
            assert_eq!(taken(&db, "me").await, std::slice::from_ref(&dial));
            assert_eq!(taken(&db, "me").await, []);
            let kept = db.read(|conn| given(conn, "office", 10)).await.expect("read");
            assert_eq!(kept.len(), 1);
            assert!(!format!("{kept:?}").contains("45559876"), "{kept:?}");
            let back = dial.clone();
            db.write(move |tx| put_back(tx, &back)).await.expect("put back");
            assert_eq!(taken(&db, "me").await, [dial]);
            let before = place.now();
            db.write(move |tx| forget(tx, before)).await.expect("it is not old");
            assert!(db.write(|tx| close(tx, "1")).await.expect("closed"));
            assert!(!db.write(|tx| close(tx, "1")).await.expect("closed"));
        }
    }

    #[tokio::test]
    async fn a_diallers_order_is_withheld_when_its_number_is_not_to_be_called_by_then() {
        for place in places().await {
            let db = open(&place).await;
            add_and_lease(&db, "me").await;
            let job = |tx: &mut Tx<'_>| {
                let of_list = |call: &str, e164: &str| {
                    let (call, e164) = (call.to_owned(), e164.to_owned());
                    Dial { call, e164, call_list: "callLists/fair".into(), ..waiting(tx.now()) }
                };
                let (two, three) = (of_list("2", "+32470000000"), of_list("3", "+32470000001"));
                add(tx, &two)?;
                add(tx, &three)?;
                let number = DoNotCall::new("+32470000000", ASKED, "", "users/ann".into(), tx.now());
                crate::store::do_not_call::add(tx, &number)
            };
            assert!(db.write(job).await.expect("written"));
            let taken = db.write(|tx| take(tx, "office", "me", 10)).await.expect("taken");
            let calls = |dials: &[Dial]| dials.iter().map(|dial| dial.call.clone()).collect::<BTreeSet<_>>();
            assert_eq!(calls(&taken.orders), ["1".into(), "3".into()].into());
            assert_eq!(calls(&taken.withheld), ["2".into()].into());
            let none = db.write(|tx| withdraw(tx, "callLists/fair")).await.expect("nothing waits");
            assert_eq!(none, Vec::<String>::new());
        }
    }

    #[tokio::test]
    async fn it_is_never_given_after_its_time() {
        for place in places().await {
            let db = open(&place).await;
            add_and_lease(&db, "me").await;
            assert!(!db.write(|tx| expire(tx, "1")).await.expect("too soon"));
            place.pass(10);
            assert_eq!(taken(&db, "me").await, []);
            let now = place.now();
            let late = db.read(move |conn| overdue(conn, now, 10)).await.expect("read");
            assert_eq!(late, [("1".to_owned(), "office".to_owned())]);
            assert!(db.write(|tx| expire(tx, "1")).await.expect("expired"));
            assert!(!db.read(|conn| waits(conn, "office")).await.expect("read"));
        }
    }
}
