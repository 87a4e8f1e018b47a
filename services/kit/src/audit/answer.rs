//! What every service's AuditService answers: a page of entries that the caller may read, and the check of the chain.
//! Called by records.rs.

use kontor_proto::r#type::v1::{
    AuditDamage, AuditEntry, AuditField, AuditValue, ListAuditEntriesRequest, ListAuditEntriesResponse,
    VerifyAuditRequest, VerifyAuditResponse,
};
use prost::Message;
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use super::chain::{Body, COLUMNS, Link, Text, Values, Walk};
use crate::auth::Caller;
use crate::context::Context;
use crate::db::{Conn, Db, Value};
use crate::page::{bad_token, read_token, write_token};
use crate::{Error, Result, clock, id};

/// What VerifyAudit answers.
pub type VerifyStream = ReceiverStream<std::result::Result<VerifyAuditResponse, Status>>;

/// Entries that one page looks through at most: who may see few of them must not walk through all.
const WINDOW: i64 = 10_000;
/// Entries checked in one read.
const BATCH: i64 = 500;

/// A page of entries, newest first.
///
/// # Errors
/// INVALID_ARGUMENT naming page_size, page_token, subject, partner, actor, start_time or end_time.
pub async fn list(
    db: &Db,
    caller: Caller,
    request: ListAuditEntriesRequest,
) -> Result<ListAuditEntriesResponse> {
    let asked = Asked::read(&caller, &request)?;
    db.read(move |conn| asked.answer(conn, &caller)).await
}

struct Asked {
    size: usize,
    stamp: [u8; 8],
    /// What an index finds.
    near: (String, Vec<Value>),
    actor: String,
}

impl Asked {
    fn read(caller: &Caller, request: &ListAuditEntriesRequest) -> Result<Asked> {
        let size = match request.page_size {
            0 => 50,
            asked => usize::try_from(asked.min(1_000))
                .map_err(|_| Error::invalid("page_size", "it can't be negative"))?,
        };
        let actor = match request.actor.as_str() {
            "users/me" => caller.name(),
            actor => actor.to_owned(),
        };
        if !actor.is_empty() && !actor.starts_with("users/") && !actor.starts_with("connectors/") {
            return Err(Error::invalid("actor", "name one like users/{user} or connectors/{connector}"));
        }
        let stamp = stamp(caller, request);
        let (start, end) = (request.start_time.as_ref(), request.end_time.as_ref());
        let (start, end) = (start.map(clock::from_proto), end.map(clock::from_proto));
        if start.zip(end).is_some_and(|(start, end)| end <= start) {
            return Err(Error::invalid("end_time", "it must be after start_time"));
        }
        let (mut near, mut args) = ("1 = 1".to_owned(), Vec::new());
        let mut and = |condition: &str, arg: Value| {
            args.push(arg);
            near.push_str(&format!(" AND {condition} ${}", args.len()));
        };
        if !request.subject.is_empty() {
            if !id::is_name(&request.subject) {
                let message = format!("{:?} is no resource name like opportunities/{{id}}", request.subject);
                return Err(Error::invalid("subject", message));
            }
            and("subject =", (&request.subject).into());
        }
        if !request.partner.is_empty() {
            id::parse("partners", &request.partner, "partner")?;
            // The index has no entries without a partner.
            and("partner <> '' AND partner =", (&request.partner).into());
        }
        if let Some(start) = start {
            and("time >=", start.into());
        }
        if let Some(end) = end {
            and("time <", end.into());
        }
        if !request.page_token.is_empty() {
            let (time, sequence) = read_token(&request.page_token, stamp)?;
            let number = |text: String| text.parse::<i64>().map_err(|_| bad_token());
            args.push(number(time)?.into());
            args.push(number(sequence)?.into());
            near.push_str(&format!(" AND (time, sequence) < (${}, ${})", args.len() - 1, args.len()));
        }
        Ok(Asked { size, stamp, near: (near, args), actor })
    }

    fn answer(&self, conn: &mut Conn<'_>, caller: &Caller) -> Result<ListAuditEntriesResponse> {
        let (near, mut args) = self.near.clone();
        const ORDER: &str = "ORDER BY time DESC, sequence DESC";
        let mut condition = caller.scope("owner", "team", &mut args);
        if !self.actor.is_empty() {
            args.push((&self.actor).into());
            condition.push_str(&format!(" AND actor = ${}", args.len()));
        }
        let sql = format!(
            "SELECT {COLUMNS} FROM kit_audit WHERE sequence IN (SELECT sequence FROM
             (SELECT sequence, time, actor, owner, team FROM kit_audit WHERE {near} {ORDER} LIMIT {WINDOW}) AS near
             WHERE {condition} {ORDER} LIMIT {limit}) {ORDER}",
            limit = self.size + 1
        );
        let mut links = conn.all(&sql, &args, Link::read)?;
        let last = if links.len() > self.size {
            links.truncate(self.size);
            links.last().map(|link| (link.time, link.sequence))
        } else {
            // The page goes on where it stopped looking.
            let sql = format!(
                "SELECT time, sequence FROM kit_audit WHERE {near} {ORDER} LIMIT 1 OFFSET {}",
                WINDOW - 1
            );
            conn.one(&sql, &self.near.1, |row| Ok((row.int(0)?, row.int(1)?)))?
        };
        let next_page_token = last.map_or_else(String::new, |(time, sequence)| {
            write_token(self.stamp, &time.to_string(), &sequence.to_string())
        });
        let entries = links.into_iter().map(shown).collect::<Result<_>>()?;
        Ok(ListAuditEntriesResponse { entries, next_page_token })
    }
}

/// Ties a token to the filters that it was made for.
fn stamp(caller: &Caller, request: &ListAuditEntriesRequest) -> [u8; 8] {
    let asked = ListAuditEntriesRequest { page_size: 0, page_token: String::new(), ..request.clone() };
    let mut hash = Sha256::new();
    hash.update(asked.encode_to_vec());
    if asked.actor == "users/me" {
        hash.update(caller.name());
    }
    let mut stamp = [0; 8];
    stamp.copy_from_slice(&hash.finalize()[..8]);
    stamp
}

fn shown(link: Link) -> Result<AuditEntry> {
    let body = Body::decode(link.body.as_slice()).map_err(Error::internal)?;
    let erased = link.value_data.is_empty();
    let values = Values::decode(link.value_data.as_slice()).map_err(Error::internal)?;
    let mut changes = values.changes.into_iter();
    let fields = body.fields.into_iter().map(|field| {
        let change = changes.next().unwrap_or_default();
        AuditField { field, old_value: change.old.map(value), new_value: change.new.map(value) }
    });
    Ok(AuditEntry {
        sequence: link.sequence,
        write_time: Some(clock::to_proto(link.time)),
        cause: body.cause,
        action: i32::try_from(link.action).unwrap_or(0),
        fields: fields.collect(),
        actor: link.actor,
        subject: link.subject,
        partner: link.partner,
        erased,
        hash: link.hash.into(),
    })
}

fn value(kept: Text) -> AuditValue {
    AuditValue { text: kept.text, size_bytes: kept.size, sha256: kept.sha256.into() }
}

/// Starts the check of the chain, up to where it is now.
///
/// # Errors
/// PERMISSION_DENIED for who is no administrator; INVALID_ARGUMENT naming noted_sequence or noted_hash.
pub async fn verify(
    context: &Context,
    db: &Db,
    caller: &Caller,
    request: VerifyAuditRequest,
) -> Result<VerifyStream> {
    caller.must_be_admin()?;
    let VerifyAuditRequest { noted_sequence, noted_hash } = request;
    if noted_sequence < 0 {
        return Err(Error::invalid("noted_sequence", "it can't be negative"));
    }
    let length = if noted_sequence == 0 { 0 } else { 32 };
    if noted_hash.len() != length {
        let message = "set it together with noted_sequence: the 32 bytes of that entry's hash";
        return Err(Error::invalid("noted_hash", message));
    }
    let noted = (noted_sequence, noted_hash.to_vec());
    let walk = db.read(move |conn| Walk::begin(conn, noted)).await?;
    let (sender, receiver) = mpsc::channel(8);
    let db = db.clone();
    context.spawn(async move {
        if let Err(cause) = pump(&db, walk, &sender).await {
            let _ = sender.send(Err(cause.into())).await;
        }
    });
    Ok(ReceiverStream::new(receiver))
}

type Sender = mpsc::Sender<std::result::Result<VerifyAuditResponse, Status>>;

async fn pump(db: &Db, walk: std::result::Result<Walk, AuditDamage>, sender: &Sender) -> Result<()> {
    let mut walk = match walk {
        Ok(walk) => walk,
        Err(damage) => {
            let found = VerifyAuditResponse { done: true, damage: Some(damage), ..Default::default() };
            let _ = sender.send(Ok(found)).await;
            return Ok(());
        }
    };
    loop {
        let (now, state) = db
            .read(move |conn| {
                let state = walk.go_on(conn, BATCH)?;
                Ok((walk, state))
            })
            .await?;
        walk = now;
        let answer = VerifyAuditResponse {
            checked_count: walk.sequence,
            entry_count: walk.end(),
            hash: walk.hash.clone().into(),
            erased_count: walk.erased,
            done: state != Ok(false),
            damage: state.err(),
        };
        let done = answer.done;
        if sender.send(Ok(answer)).await.is_err() || done {
            return Ok(());
        }
    }
}
