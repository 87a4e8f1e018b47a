//! The outbox: events written with the change itself, in commit order. It is the change stream.
//! Written by the database's writer thread; read by `bus.rs` and `changes.rs`.

use kontor_proto::r#type::v1::{Audience, Event};
use prost::{Message, Name};

use crate::auth::Guard;
use crate::db::Conn;
use crate::{Error, Result, args, clock, id};

/// An event as a service makes it. `Tx::publish` gives it its id, time and place.
#[derive(Debug, Clone)]
pub struct NewEvent {
    source: &'static str,
    subject: String,
    partner: String,
    actor: String,
    audience: Audience,
    payload: prost_types::Any,
}

impl NewEvent {
    /// An event of `source` ("pipeline") about `subject` ("opportunities/{id}"), seen by those who may read by `guard`.
    pub fn new<P: Message + Name>(
        source: &'static str,
        subject: impl Into<String>,
        guard: &Guard,
        payload: &P,
    ) -> Self {
        NewEvent {
            source,
            subject: subject.into(),
            partner: String::new(),
            actor: String::new(),
            audience: Audience {
                company: guard.is_company(),
                owner: guard.owner.clone(),
                team: guard.team.clone(),
            },
            payload: prost_types::Any {
                type_url: format!("type.googleapis.com/{}", P::full_name()),
                value: payload.encode_to_vec(),
            },
        }
    }

    /// The partner that it concerns: "partners/{id}".
    #[must_use]
    pub fn partner(mut self, partner: impl Into<String>) -> Self {
        self.partner = partner.into();
        self
    }

    /// Who did it: "users/{user}".
    #[must_use]
    pub fn actor(mut self, actor: impl Into<String>) -> Self {
        self.actor = actor.into();
        self
    }

    pub(crate) fn seal(self, now: i64) -> Event {
        Event {
            event_id: id::new(),
            source: self.source.to_owned(),
            sequence: 0,
            subject: self.subject,
            partner: self.partner,
            actor: self.actor,
            occur_time: Some(clock::to_proto(now)),
            payload: Some(self.payload),
            audience: Some(self.audience),
        }
    }
}

/// Reads the payload when the event is of this kind.
pub fn payload<P: Message + Name + Default>(event: &Event) -> Option<P> {
    let any = event.payload.as_ref()?;
    is::<P>(event).then(|| P::decode(any.value.as_slice()).ok()).flatten()
}

/// Whether the payload is of this kind.
pub fn is<P: Name>(event: &Event) -> bool {
    kind(event) == P::full_name()
}

/// Full name of the payload: "kontor.pipeline.v1.OpportunityWon".
pub fn kind(event: &Event) -> &str {
    let url = event.payload.as_ref().map_or("", |any| any.type_url.as_str());
    url.rsplit('/').next().unwrap_or(url)
}

/// Writes a transaction's events. The head row is locked until the commit, so numbers appear in commit order
/// over several processes too: a reader that has seen n will never find a smaller one later.
pub(crate) fn write(conn: &mut Conn<'_>, events: Vec<Event>) -> Result<Option<i64>> {
    if events.is_empty() {
        return Ok(None);
    }
    let count = i64::try_from(events.len()).unwrap_or(i64::MAX);
    let head = conn
        .one(
            "UPDATE kit_outbox_head SET sequence = sequence + $1 WHERE id = 1 RETURNING sequence",
            args![count],
            |row| row.int(0),
        )?
        .ok_or_else(|| Error::internal("the outbox has no head row"))?;
    let mut sequence = head - count;
    let rows = events.into_iter().map(|mut event| {
        sequence += 1;
        event.sequence = sequence;
        let time = event.occur_time.as_ref().map_or(0, clock::from_proto);
        args![sequence, &event.event_id, &event.partner, kind(&event), time, event.encode_to_vec()].to_vec()
    });
    conn.insert_many("kit_outbox", "sequence, event_id, partner, kind, time, event", rows, "")?;
    Ok(Some(head))
}

/// Events after a number, at most `limit`, in order.
///
/// # Errors
/// Those of the database.
pub fn after(conn: &mut Conn<'_>, sequence: i64, limit: i64) -> Result<Vec<Event>> {
    conn.all(
        "SELECT event FROM kit_outbox WHERE sequence > $1 ORDER BY sequence LIMIT $2",
        args![sequence, limit],
        |row| Event::decode(row.bytes(0)?).map_err(Error::internal),
    )
}

/// Number of the newest event.
///
/// # Errors
/// Those of the database.
pub fn head(conn: &mut Conn<'_>) -> Result<i64> {
    Ok(conn.one("SELECT sequence FROM kit_outbox_head WHERE id = 1", &[], |row| row.int(0))?.unwrap_or(0))
}

/// Number of the oldest event kept; head + 1 when none is kept.
///
/// # Errors
/// Those of the database.
pub fn oldest(conn: &mut Conn<'_>) -> Result<i64> {
    let head = head(conn)?;
    let oldest = conn.one("SELECT MIN(sequence) FROM kit_outbox", &[], |row| row.opt_int(0))?.flatten();
    Ok(oldest.unwrap_or(head + 1))
}
