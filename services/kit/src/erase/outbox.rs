//! Events and kept answers that speak of an erased partner lose what they say, and stay: no number is missing, no request runs anew.
//! Called by erase.rs, and by the directory for its own event.

use kontor_proto::directory::v1 as directory;
use kontor_proto::r#type::v1::{ErasedPayload, Event};
use prost::{Message, Name};

use super::{Person, note};
use crate::db::{Conn, Db, Tx};
use crate::{Error, Result, args, clock, outbox};

use super::matcher::Matcher;

/// Rows that are looked at in one read.
const LOOK: i64 = 500;
/// Events of erasures have no personal data, or lose it when all is done.
const OWN: [&str; 4] = ["PartnerErased", "PartnerErasureBegun", "PartnerDataErased", "PartnerErasureDone"];

/// Empties every event and every kept answer that speaks of the person, or of a record that was erased.
pub(super) async fn forget(db: &Db, person: &Person) -> Result<()> {
    let erasure = person.erasure.clone();
    let sql = "SELECT record FROM erasure_record WHERE erasure = $1";
    let records = db.read(move |conn| conn.all(sql, args![&erasure], |row| row.string(0))).await?;
    let matcher = std::sync::Arc::new(Matcher::new(person, records));
    let mut at = 0;
    loop {
        let looking = matcher.clone();
        let (hits, last) = db.read(move |conn| events(conn, &looking, at)).await?;
        if !hits.is_empty() {
            let erasure = person.erasure.clone();
            db.write(move |tx| {
                hits.iter().try_for_each(|sequence| empty(tx, *sequence))?;
                note(tx, &erasure, "events", hits.len() as i64)
            })
            .await?;
        }
        match last {
            Some(last) => at = last,
            None => break,
        }
    }
    let mut at = Key::default();
    loop {
        let (looking, from) = (matcher.clone(), at.clone());
        let (hits, last) = db.read(move |conn| answers(conn, &looking, &from)).await?;
        if !hits.is_empty() {
            let erasure = person.erasure.clone();
            db.write(move |tx| {
                for (caller, method, request) in &hits {
                    let none: &[u8] = &[];
                    tx.execute(
                        "UPDATE kit_request SET digest = $4, answer = $4 WHERE caller = $1 AND method = $2 AND request_id = $3",
                        args![caller, method, request, none],
                    )?;
                }
                note(tx, &erasure, "answers to requests", hits.len() as i64)
            })
            .await?;
        }
        match last {
            Some(last) => at = last,
            None => return Ok(()),
        }
    }
}

/// Empties the payload of one event; all else of it stays.
///
/// # Errors
/// Those of the database.
pub fn empty(tx: &mut Tx<'_>, sequence: i64) -> Result<()> {
    let found = tx.one("SELECT event FROM kit_outbox WHERE sequence = $1", args![sequence], |row| {
        Event::decode(row.bytes(0)?).map_err(Error::internal)
    })?;
    let Some(mut event) = found else { return Ok(()) };
    let kind = outbox::kind(&event).to_owned();
    if kind == ErasedPayload::full_name() {
        return Ok(());
    }
    event.payload = Some(prost_types::Any {
        type_url: format!("type.googleapis.com/{}", ErasedPayload::full_name()),
        value: ErasedPayload { r#type: kind }.encode_to_vec(),
    });
    tx.execute(
        "UPDATE kit_outbox SET kind = $2, event = $3 WHERE sequence = $1",
        args![sequence, ErasedPayload::full_name(), event.encode_to_vec()],
    )?;
    Ok(())
}

/// Numbers of events to empty behind a number, and the last number that was looked at; none at the end.
fn events(conn: &mut Conn<'_>, matcher: &Matcher, after: i64) -> Result<(Vec<i64>, Option<i64>)> {
    let (mut hits, mut last) = (Vec::new(), None);
    for event in outbox::after(conn, after, LOOK)? {
        last = Some(event.sequence);
        let kind = outbox::kind(&event);
        let own = OWN.iter().any(|own| kind.strip_prefix("kontor.directory.v1.") == Some(own));
        if own || kind == ErasedPayload::full_name() {
            continue;
        }
        let time = event.occur_time.as_ref().map_or(0, clock::from_proto);
        let says =
            |event: &Event| event.payload.as_ref().is_some_and(|any| matcher.is_said(&any.value, time));
        if matcher.is_partner(&event.partner) || matcher.is_record(&event.subject) || says(&event) {
            hits.push(event.sequence);
        }
    }
    Ok((hits, last))
}

/// Primary key of a kept answer.
type Key = (String, String, String);

fn answers(conn: &mut Conn<'_>, matcher: &Matcher, after: &Key) -> Result<(Vec<Key>, Option<Key>)> {
    let (mut hits, mut last) = (Vec::new(), None);
    // An erasure's own answer has no personal data.
    let own = directory::ErasePartnerRequest::full_name();
    conn.each(
        "SELECT caller, method, request_id, answer, time FROM kit_request WHERE (caller, method, request_id) > ($1, $2, $3)
         ORDER BY caller, method, request_id LIMIT $4",
        args![&after.0, &after.1, &after.2, LOOK],
        |row| {
            let key = (row.string(0)?, row.string(1)?, row.string(2)?);
            let (answer, time) = (row.bytes(3)?, row.int(4)?);
            if key.1 != own && (matcher.is_said(answer, time) || matcher.is_named_in(answer)) {
                hits.push(key.clone());
            }
            last = Some(key);
            Ok(())
        },
    )?;
    Ok((hits, last))
}
