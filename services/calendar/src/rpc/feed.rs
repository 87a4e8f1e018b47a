//! FeedService: the text behind a secret address, for the gateway.
//! Mounted by `start`. Memory holds one chunk of objects and its text.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures_util::{Stream, stream};
use kontor_collection::store::{collection, object};
use kontor_collection::{Collection, Target};
use kontor_kit::auth::Caller;
use kontor_kit::db::Db;
use kontor_kit::secret::Secret;
use kontor_kit::window::Window;
use kontor_kit::{Error, Result};
use kontor_proto::calendar::v1::feed_service_server::FeedService;
use kontor_proto::calendar::v1::{ReadFeedRequest, ReadFeedResponse};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::{Code, Request, Response, Status};

use super::Core;
use super::subscriptions::PURPOSE;
use crate::domain::feed::{About, BusyOnly, Feed};
use crate::store::people;
use crate::store::subscriptions::{self, Subscription};

/// Wrong secrets from one address in a minute.
const WRONG: usize = 100;
/// Texts that are written at once.
const AT_ONCE: usize = 64;
/// Objects of a calendar that is given in one text at most.
const OBJECTS: i64 = 100_000;
/// Bytes of one text at most; it breaks off behind them, for a text that ends early would look like deletions.
const BYTES: usize = 256 * 1024 * 1024;
/// How often the use of an address is noted, in microseconds.
const HOUR: i64 = 3_600_000_000;
/// Raised when the same objects make another text, so that programs read it anew.
const FORM: u32 = 1;

/// The service.
#[derive(Clone)]
pub struct Feeds {
    core: Core,
    wrong: Arc<Mutex<Window>>,
    places: Arc<Semaphore>,
}

impl Feeds {
    /// The service over the calendar's own.
    pub fn new(core: Core) -> Feeds {
        let wrong = Arc::new(Mutex::new(Window::new(WRONG)));
        Feeds { core, wrong, places: Arc::new(Semaphore::new(AT_ONCE)) }
    }

    /// What a secret opens now.
    async fn open(&self, secret: &str, peer: &str) -> Result<Opened> {
        let found = match Secret::read(secret) {
            Some(secret) => {
                let hash = secret.hash(PURPOSE);
                self.core.db.read(move |conn| subscriptions::by_hash(conn, hash)).await?
            }
            None => None,
        };
        let Some(subscription) = found else { return Err(self.wrong(peer)) };
        // Looked up at each fetch: a user may be disabled and a team may be left at any time.
        let Some(caller) = self.core.hooks.directory.caller(&subscription.login).await? else {
            return Err(self.wrong(peer));
        };
        let hooks = self.core.hooks.clone();
        let read = self.core.db.read(move |conn| {
            let (calendar, _) = collection::find(conn, &caller, &Target::id(&subscription.calendar))?;
            let owner = people::get(conn, &calendar.owner)?;
            let zone = hooks.zone_of(&calendar, &owner).iana_name().unwrap_or_default().to_owned();
            let owner =
                if subscription.busy_only { people::address(conn, &calendar.owner)? } else { String::new() };
            Ok(Opened { subscription, calendar, zone, owner })
        });
        match read.await {
            Err(cause) if cause.code() == Code::NotFound => Err(self.wrong(peer)),
            opened => opened,
        }
    }

    /// The one answer to everything that opens nothing. A right secret is never held up by wrong ones of its neighbours.
    fn wrong(&self, peer: &str) -> Error {
        let now = self.core.context.clock.now();
        let mut window = self.wrong.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(wait) = window.wait(peer, now) {
            return Error::exhausted("too many wrong addresses: wait, then try again", wait);
        }
        window.note(peer, now);
        tracing::info!(peer, "wrong calendar address");
        Error::not_found("a calendar at this address")
    }

    /// Notes the use of an address, without letting the caller wait for the disk.
    fn mark_used(&self, subscription: &Subscription) {
        if self.core.context.clock.now().saturating_sub(subscription.last_use_time) < HOUR {
            return;
        }
        let (db, id) = (self.core.db.clone(), subscription.id.clone());
        self.core.context.spawn(async move {
            if let Err(cause) = db.write(move |tx| subscriptions::mark_used(tx, &id)).await {
                tracing::warn!(cause = %cause, "could not note the use of a calendar address");
            }
        });
    }
}

/// A calendar that a secret opened.
struct Opened {
    subscription: Subscription,
    calendar: Collection,
    zone: String,
    /// E-mail address of the calendar's owner; asked for only where it matters.
    owner: String,
}

impl Opened {
    /// From the change number: it tells the text apart without a look at the objects.
    fn etag(&self) -> String {
        let form = if self.subscription.busy_only { "b" } else { "a" };
        format!("{}-{}-{form}{FORM}", self.calendar.id, self.calendar.seq)
    }

    fn about(&self) -> About {
        About {
            name: self.calendar.display_name.clone(),
            description: self.calendar.description.clone(),
            color: self.calendar.color.clone(),
            zone: self.zone.clone(),
        }
    }

    fn busy_only(&self) -> Option<BusyOnly> {
        let key = self.subscription.id.clone();
        self.subscription.busy_only.then(|| BusyOnly { key, owner: self.owner.clone() })
    }
}

type Parts = Pin<Box<dyn Stream<Item = std::result::Result<ReadFeedResponse, Status>> + Send>>;

#[tonic::async_trait]
impl FeedService for Feeds {
    type ReadFeedStream = Parts;

    async fn read_feed(
        &self,
        request: Request<ReadFeedRequest>,
    ) -> std::result::Result<Response<Parts>, Status> {
        Caller::of(&request)?.must_be_system()?;
        let request = request.into_inner();
        let opened = self.open(&request.secret, &request.peer).await?;
        self.mark_used(&opened.subscription);
        let etag = opened.etag();
        let not_modified = request.known_etags.iter().take(100).any(|known| known == "*" || *known == etag);
        let head = ReadFeedResponse { etag, not_modified, data: Bytes::new() };
        if not_modified {
            return Ok(Response::new(Box::pin(stream::iter([Ok(head)]))));
        }
        if opened.calendar.object_count > OBJECTS {
            let message = format!("calendars of over {OBJECTS} objects are not given in one text");
            return Err(Error::new(Code::ResourceExhausted, "TOO_LARGE", message).into());
        }
        if request.head_only {
            return Ok(Response::new(Box::pin(stream::iter([Ok(head)]))));
        }
        let place = self.places.clone().try_acquire_owned();
        let place =
            place.map_err(|_| Error::unavailable("too many calendars are read at once: try again"))?;
        let feed = Feed::new(opened.busy_only());
        let text = feed.begin(&opened.about());
        let first = ReadFeedResponse { data: text.into(), ..head };
        let writer = Writer {
            db: self.core.db.clone(),
            coll: opened.calendar.num,
            feed,
            after: String::new(),
            written: 0,
            _place: place,
        };
        let rest = stream::try_unfold(Some(writer), next);
        Ok(Response::new(Box::pin(stream::StreamExt::chain(stream::iter([Ok(first)]), rest))))
    }
}

/// What is written so far.
struct Writer {
    db: Db,
    coll: i64,
    feed: Feed,
    /// Name of the last object.
    after: String,
    written: usize,
    /// Given back when the text ends, or nobody wants it any more.
    _place: OwnedSemaphorePermit,
}

/// Writes the next chunk of objects. Reading and writing are done on the database's thread.
async fn next(
    writer: Option<Writer>,
) -> std::result::Result<Option<(ReadFeedResponse, Option<Writer>)>, Status> {
    let Some(mut writer) = writer else { return Ok(None) };
    let db = writer.db.clone();
    let read = db.read(move |conn| {
        let mut found = object::list(conn, writer.coll, &writer.after, object::CHUNK_WITH_DATA)?;
        found.truncate(object::cut(found.iter().map(Some)));
        object::load(conn, found.iter_mut())?;
        let mut text = Vec::new();
        for object in &found {
            writer.feed.object(&object.data, &mut text);
        }
        let over = match found.last() {
            Some(last) => {
                writer.after.clone_from(&last.name);
                false
            }
            None => true,
        };
        if over {
            text.extend_from_slice(writer.feed.end().as_bytes());
        }
        writer.written += text.len();
        Ok((text, (!over).then_some(writer)))
    });
    let (text, writer) = read.await?;
    if writer.as_ref().is_some_and(|writer| writer.written > BYTES) {
        return Err(Status::resource_exhausted("the calendar is too large for one text"));
    }
    Ok(Some((ReadFeedResponse { data: text.into(), ..ReadFeedResponse::default() }, writer)))
}
