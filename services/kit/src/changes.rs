//! The change stream that callers watch (X2): the outbox from a token on, only what the caller may see.
//! Called by every service's ChangeService.

use std::collections::HashSet;
use std::sync::LazyLock;
use std::time::Duration;

use kontor_proto::r#type::v1::{Audience, Event, WatchChangesRequest, WatchChangesResponse};
use prost::Message;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status};

use crate::auth::{Caller, Guard};
use crate::context::Context;
use crate::db::Db;
use crate::{Error, Result, outbox};

/// What WatchChanges answers.
pub type ChangeStream = ReceiverStream<std::result::Result<WatchChangesResponse, Status>>;

const BATCH: i64 = 200;
const HEARTBEAT: Duration = Duration::from_secs(15);
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// Every message of the contracts: whoever waits for another one waits for ever.
static MESSAGES: LazyLock<HashSet<String>> = LazyLock::new(|| {
    let files = prost_types::FileDescriptorSet::decode(kontor_proto::DESCRIPTORS).unwrap_or_default().file;
    let named = files.iter().flat_map(|file| file.message_type.iter().map(move |message| (file, message)));
    named.map(|(file, message)| format!("{}.{}", file.package(), message.name())).collect()
});

/// Starts a stream.
///
/// # Errors
/// INVALID_ARGUMENT for an unknown token or type, OUT_OF_RANGE for one older than what is kept.
pub async fn watch(
    context: &Context,
    db: &Db,
    caller: Caller,
    request: WatchChangesRequest,
) -> Result<ChangeStream> {
    if request.types.len() > 50 {
        return Err(Error::invalid("types", "name at most 50 types"));
    }
    if let Some(unknown) = request.types.iter().find(|name| !MESSAGES.contains(*name)) {
        let shown: String = unknown.chars().take(100).collect();
        let message = format!("{shown:?} is no event: use full names like kontor.pipeline.v1.OpportunityWon");
        return Err(Error::invalid("types", message));
    }
    let (oldest, head) = db.read(|conn| Ok((outbox::oldest(conn)?, outbox::head(conn)?))).await?;
    let from = match request.resume_token.as_str() {
        "" => head,
        text => text
            .parse::<i64>()
            .ok()
            .filter(|number| (0..=head).contains(number))
            .ok_or_else(|| Error::invalid("resume_token", "it is not a token of this stream"))?,
    };
    if from > 0 && from + 1 < oldest {
        let message = "resume_token: the events after it are no longer kept: read the resources anew, then watch without a token";
        return Err(Error::new(Code::OutOfRange, "TOKEN_TOO_OLD", message));
    }
    let (sender, receiver) = mpsc::channel(64);
    let db = db.clone();
    context.spawn(async move {
        if let Err(cause) = pump(&db, &caller, &request, from, &sender).await {
            let _ = sender.send(Err(cause.into())).await;
        }
    });
    Ok(ReceiverStream::new(receiver))
}

type Sender = mpsc::Sender<std::result::Result<WatchChangesResponse, Status>>;

async fn pump(
    db: &Db,
    caller: &Caller,
    request: &WatchChangesRequest,
    mut at: i64,
    sender: &Sender,
) -> Result<()> {
    let mut published = db.published();
    let mut last_sent = tokio::time::Instant::now();
    if request.resume_token.is_empty() {
        // Where the stream begins, so that a caller who loses it before the first event can resume too.
        let begin = WatchChangesResponse { event: None, resume_token: at.to_string() };
        if sender.send(Ok(begin)).await.is_err() {
            return Ok(());
        }
    }
    loop {
        published.mark_unchanged();
        let events = db.read(move |conn| outbox::after(conn, at, BATCH)).await?;
        let done = events.is_empty() && request.until_now;
        for event in events {
            at = event.sequence;
            if wanted(request, &event) && may_see(caller, &event) {
                let message = WatchChangesResponse { resume_token: at.to_string(), event: Some(event) };
                if sender.send(Ok(message)).await.is_err() {
                    return Ok(());
                }
                last_sent = tokio::time::Instant::now();
            }
        }
        if done {
            return Ok(());
        }
        if last_sent.elapsed() >= HEARTBEAT {
            let beat = WatchChangesResponse { event: None, resume_token: at.to_string() };
            if sender.send(Ok(beat)).await.is_err() {
                return Ok(());
            }
            last_sent = tokio::time::Instant::now();
        }
        if *published.borrow() <= at {
            tokio::select! {
                _ = tokio::time::timeout(LOOK_AGAIN, published.changed()) => {}
                () = sender.closed() => return Ok(()),
            }
        }
    }
}

fn wanted(request: &WatchChangesRequest, event: &Event) -> bool {
    (request.partner.is_empty() || request.partner == event.partner)
        && (request.types.is_empty() || request.types.iter().any(|kind| kind == outbox::kind(event)))
}

fn may_see(caller: &Caller, event: &Event) -> bool {
    // Every source says who may see its events. Of one that does not, only administrators are told.
    let Some(Audience { company, owner, team }) = event.audience.clone() else { return caller.admin };
    company || caller.may_read(&Guard::new(owner, team))
}
