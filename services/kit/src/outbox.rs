//! The outbox: events written with the change itself, in commit order. It is the change stream.
//! Written by the database's writer thread; read by `bus.rs` and `changes.rs`.

use kontor_proto::r#type::v1::{Audience, Event};
use prost::{Message, Name};

use crate::auth::Guard;
use crate::db::{Conn, Value};
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
    (kind(event) == P::full_name()).then(|| P::decode(any.value.as_slice()).ok()).flatten()
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
    let mut rows = Vec::with_capacity(events.len());
    for (place, mut event) in events.into_iter().enumerate() {
        event.sequence = head - count + 1 + i64::try_from(place).unwrap_or(0);
        let time = event.occur_time.as_ref().map_or(0, clock::from_proto);
        let bytes = event.encode_to_vec();
        rows.push(args![event.sequence, &event.event_id, &event.partner, kind(&event), time, bytes].to_vec());
    }
    let at_once = if conn.is_postgres() { AT_ONCE } else { 1 };
    for some in rows.chunks(at_once) {
        insert(conn, some)?;
    }
    Ok(Some(head))
}

/// Events in one statement on PostgreSQL, where each statement is a way over the line.
const AT_ONCE: usize = 32;

fn insert(conn: &mut Conn<'_>, rows: &[Vec<Value>]) -> Result<()> {
    let mut args = Vec::new();
    let mut places = Vec::with_capacity(rows.len());
    for row in rows {
        let from = args.len();
        args.extend_from_slice(row);
        let row: Vec<String> = (from + 1..=args.len()).map(|place| format!("${place}")).collect();
        places.push(format!("({})", row.join(", ")));
    }
    let sql = format!(
        "INSERT INTO kit_outbox (sequence, event_id, partner, kind, time, event) VALUES {}",
        places.join(", ")
    );
    conn.execute(&sql, &args).map(|_| ())
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
