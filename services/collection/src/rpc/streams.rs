//! Long answers over CollectionService: list, multiget, query and sync, in chunks read by key.
//! Called by the server in `rpc/mod.rs`. Memory holds one chunk of each answer and, of those with bodies, two more on their way.

use futures_util::{StreamExt, stream};
use kontor_kit::auth::Caller;
use kontor_kit::db::{Conn, Db};
use kontor_kit::{Error, Result};
use kontor_proto::collection::v1 as proto;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use super::dead::Dead;
use super::{Server, Stream, convert};
use crate::filter::Question;
use crate::hooks::Hooks;
use crate::model::{Collection, Object, Target};
use crate::store::query::{self, Candidates};
use crate::store::sync::{self, Course, Step};
use crate::store::{collection, object};

/// Names in one multiget at most.
const NAMES: usize = 100_000;

/// A long answer: each call reads the next chunk, none when all is told. It moves between the database's threads and the stream.
pub(super) trait Reader: Send + Sized + 'static {
    type Chunk: Send + 'static;
    fn next(&mut self, conn: &mut Conn<'_>) -> Result<Option<Self::Chunk>>;
    /// Whether surely nothing follows, so that a short answer costs one read.
    fn is_done(&self) -> bool;
}

/// How much an answer reads.
pub(super) enum Size {
    /// Some rows by their keys in its first chunk, which is most often all.
    Few,
    /// Names and ETags, a few hundred a chunk: each is read when the answer has room for it, where it is asked for.
    Names,
    /// Much, or nobody knows.
    Many,
}

impl Size {
    /// Of a sync of names and ETags: what a client that was here before has missed is seldom much, and a chunk of these is small even
    /// then. Bodies are not, and the first sync tells everything.
    pub fn of_sync(since: i64, with_data: bool) -> Size {
        if since == -1 || with_data { Size::Many } else { Size::Few }
    }
}

impl<H: Hooks> Server<H> {
    pub(super) async fn list(
        &self,
        caller: Caller,
        request: proto::ListObjectsRequest,
    ) -> Result<Stream<proto::ObjectChunk>> {
        let target = convert::target(request.path)?;
        let (with_data, with_dead) = (request.with_data, request.with_dead);
        self.stream(caller, target, Size::Many, move |_, collection| {
            let dead = Dead::of(&collection, with_dead);
            Ok(List { coll: collection.num, after: String::new(), with_data, dead, done: false })
        })
        .await
    }

    pub(super) async fn multiget(
        &self,
        caller: Caller,
        request: proto::GetObjectsRequest,
    ) -> Result<Stream<proto::ObjectChunk>> {
        let target = convert::target(request.path)?;
        if request.names.len() > NAMES {
            return Err(Error::invalid("names", format!("ask for at most {NAMES} at once")));
        }
        let (names, with_data, with_dead) = (request.names, request.with_data, request.with_dead);
        let size = if names.len() == 1 { Size::Few } else { Size::Many };
        self.stream(caller, target, size, move |_, collection| {
            let dead = Dead::of(&collection, with_dead);
            Ok(Named { coll: collection.num, names, at: 0, with_data, dead })
        })
        .await
    }

    pub(super) async fn query(
        &self,
        caller: Caller,
        request: proto::QueryObjectsRequest,
    ) -> Result<Stream<proto::ObjectChunk>> {
        let target = convert::target(request.path.clone())?;
        let question = Question::of(&request, H::KIND)?;
        let left = if request.limit > 0 { request.limit } else { i64::MAX };
        let (with_data, with_dead) = (request.with_data, request.with_dead);
        let hooks = self.hooks.clone();
        self.stream(caller, target, Size::Many, move |conn, collection| {
            let question = question.in_zone(|| hooks.zone(conn, &collection))?;
            let candidates = match request.name.as_str() {
                "" => query::candidates(conn, &collection, &question)?,
                name => query::only(conn, collection.num, name, &question)?,
            };
            let dead = Dead::of(&collection, with_dead);
            Ok(Query { collection, question, candidates, left, with_data, dead })
        })
        .await
    }

    pub(super) async fn sync(
        &self,
        caller: Caller,
        request: proto::SyncObjectsRequest,
    ) -> Result<Stream<proto::SyncChunk>> {
        let target = convert::target(request.path)?;
        let (id, since, with_data) = (request.collection_id, request.since, request.with_data);
        let (first_until, with_dead) = (request.first_until, request.with_dead);
        let left = if request.limit > 0 { request.limit } else { i64::MAX };
        self.stream(caller, target, Size::of_sync(since, with_data), move |_, collection| {
            let course = Course::begin(&collection, &id, since, first_until)?;
            let dead = Dead::of(&collection, with_dead);
            Ok(Sync { id: collection.id, course, left, with_data, dead, done: false })
        })
        .await
    }

    /// Finds the collection, begins the answer and reads its first chunk in one read; short answers end there.
    /// The chunks of `Size::Many` are read ahead on the database's threads.
    pub(super) async fn stream<R: Reader>(
        &self,
        caller: Caller,
        target: Target,
        size: Size,
        begin: impl FnOnce(&mut Conn<'_>, Collection) -> Result<R> + Send + 'static,
    ) -> Result<Stream<R::Chunk>> {
        let first = move |conn: &mut Conn<'_>| {
            let (collection, _) = collection::find(conn, &caller, &target)?;
            let mut reader = begin(conn, collection)?;
            let chunk = reader.next(conn)?;
            Ok((reader, chunk))
        };
        let (reader, chunk) = match size {
            Size::Few | Size::Names => self.db.read_few(first).await?,
            Size::Many => self.db.read(first).await?,
        };
        let going_on = chunk.is_some() && !reader.is_done();
        let first = stream::iter(chunk.map(Ok));
        if !going_on {
            return Ok(Box::pin(first));
        }
        if matches!(size, Size::Names) {
            return Ok(Box::pin(first.chain(pulled(self.db.clone(), reader))));
        }
        let (sender, receiver) = mpsc::channel(2);
        self.context.spawn(pump(self.db.clone(), reader, sender));
        Ok(Box::pin(first.chain(ReceiverStream::new(receiver))))
    }
}

/// The chunks behind the first, each read when it is asked for.
fn pulled<R: Reader>(
    db: Db,
    reader: R,
) -> impl futures_util::Stream<Item = std::result::Result<R::Chunk, Status>> {
    stream::try_unfold((db, reader), async |(db, mut reader)| {
        if reader.is_done() {
            return Ok(None);
        }
        // A fast receiver would keep this thread of the runtime from everybody else.
        tokio::task::yield_now().await;
        let read = db.read_few(move |conn| {
            let chunk = reader.next(conn)?;
            Ok((reader, chunk))
        });
        let (reader, chunk) = read.await?;
        Ok(chunk.map(|chunk| (chunk, (db, reader))))
    })
}

async fn pump<R: Reader>(db: Db, mut reader: R, sender: mpsc::Sender<std::result::Result<R::Chunk, Status>>) {
    loop {
        // The place is taken first, so that a slow receiver holds no chunk and no database thread.
        let Ok(place) = sender.reserve().await else { return };
        let read = db.read(move |conn| {
            let chunk = reader.next(conn)?;
            Ok((reader, chunk))
        });
        match read.await {
            Ok((next, Some(chunk))) => {
                reader = next;
                place.send(Ok(chunk));
            }
            Ok((_, None)) => return,
            Err(cause) => return place.send(Err(cause.into())),
        }
    }
}

struct List {
    coll: i64,
    after: String,
    with_data: bool,
    dead: Dead,
    done: bool,
}

impl Reader for List {
    type Chunk = proto::ObjectChunk;

    fn is_done(&self) -> bool {
        self.done
    }

    fn next(&mut self, conn: &mut Conn<'_>) -> Result<Option<proto::ObjectChunk>> {
        if self.done {
            return Ok(None);
        }
        let wanted = self.dead.chunk(self.with_data);
        let mut found = object::list(conn, self.coll, &self.after, wanted)?;
        self.done = (found.len() as i64) < wanted;
        if self.with_data {
            let fit = object::cut(found.iter().map(Some));
            self.done &= fit == found.len();
            found.truncate(fit);
            object::load(conn, found.iter_mut())?;
        }
        if let Some(last) = found.last() {
            self.after.clone_from(&last.name);
        }
        let told = self.dead.load(conn, found.iter())?;
        Ok(chunk(found.into_iter().map(|found| told.object(found))))
    }
}

struct Named {
    coll: i64,
    names: Vec<String>,
    at: usize,
    with_data: bool,
    dead: Dead,
}

impl Reader for Named {
    type Chunk = proto::ObjectChunk;

    fn is_done(&self) -> bool {
        self.at == self.names.len()
    }

    fn next(&mut self, conn: &mut Conn<'_>) -> Result<Option<proto::ObjectChunk>> {
        let rest = &self.names[self.at..];
        let names = &rest[..rest.len().min(self.dead.chunk(self.with_data) as usize)];
        if names.is_empty() {
            return Ok(None);
        }
        let mut found = match names {
            [name] if self.with_data => vec![object::whole(conn, self.coll, name)?],
            names => object::all_named(conn, self.coll, names)?,
        };
        if self.with_data && names.len() > 1 {
            found.truncate(object::cut(found.iter().map(Option::as_ref)));
            load_once(conn, &mut found)?;
        }
        let told = found.len();
        let dead = self.dead.load(conn, found.iter().flatten())?;
        let objects = found.into_iter().zip(names).map(|(found, name)| match found {
            Some(found) => dead.object(found),
            None => convert::missing(name.clone(), 0),
        });
        let chunk = chunk(objects);
        self.at += told;
        Ok(chunk)
    }
}

/// Loads bodies where a name may have been asked for twice: each body is read once.
fn load_once(conn: &mut Conn<'_>, found: &mut [Option<Object>]) -> Result<()> {
    let mut seen = std::collections::HashMap::new();
    let mut again = Vec::new();
    for (place, object) in found.iter().enumerate() {
        let Some(object) = object else { continue };
        if let Some(first) = seen.insert(object.num, place) {
            seen.insert(object.num, first);
            again.push((place, first));
        }
    }
    let doubles: std::collections::HashSet<usize> = again.iter().map(|(place, _)| *place).collect();
    let firsts = found.iter_mut().enumerate().filter(|(place, _)| !doubles.contains(place));
    object::load(conn, firsts.filter_map(|(_, object)| object.as_mut()))?;
    for (place, first) in again {
        found[place].clone_from(&found[first].clone());
    }
    Ok(())
}

struct Query {
    collection: Collection,
    question: Question,
    candidates: Candidates,
    left: i64,
    with_data: bool,
    dead: Dead,
}

impl Reader for Query {
    type Chunk = proto::ObjectChunk;

    fn is_done(&self) -> bool {
        self.left == 0 || self.candidates.is_empty()
    }

    fn next(&mut self, conn: &mut Conn<'_>) -> Result<Option<proto::ObjectChunk>> {
        // A group may have no hit, and an empty chunk tells nobody anything.
        while self.left > 0 {
            let group = query::next(
                conn,
                &self.collection,
                &mut self.question,
                &mut self.candidates,
                self.with_data,
                self.dead.chunk(self.with_data),
            )?;
            let Some(mut hits) = group else { return Ok(None) };
            hits.truncate(usize::try_from(self.left).unwrap_or(usize::MAX));
            self.left -= hits.len() as i64;
            let told = self.dead.load(conn, hits.iter())?;
            if let Some(chunk) = chunk(hits.into_iter().map(|hit| told.object(hit))) {
                return Ok(Some(chunk));
            }
        }
        Ok(None)
    }
}

struct Sync {
    id: String,
    course: Course,
    left: i64,
    with_data: bool,
    dead: Dead,
    done: bool,
}

impl Reader for Sync {
    type Chunk = proto::SyncChunk;

    fn is_done(&self) -> bool {
        self.done
    }

    fn next(&mut self, conn: &mut Conn<'_>) -> Result<Option<proto::SyncChunk>> {
        if self.done {
            return Ok(None);
        }
        // One more than is told, so that the last chunk knows it.
        let wanted = self.left.min(self.dead.chunk(self.with_data));
        let mut steps = sync::changes(conn, &self.course, wanted + 1)?;
        let mut told = steps.len().min(wanted as usize);
        if self.with_data {
            told = object::cut(steps[..told].iter().map(Step::object));
        }
        let more = steps.len() > told;
        steps.truncate(told);
        if self.with_data {
            sync::load(conn, &mut steps)?;
        }
        self.left -= told as i64;
        self.course.at = steps.last().map_or(self.course.at, Step::seq);
        let truncated = more && self.left == 0;
        self.done = !more || truncated;
        let dead = self.dead.load(conn, steps.iter().filter_map(Step::object))?;
        let mut chunk = proto::SyncChunk {
            objects: steps.into_iter().map(|step| dead.step(step)).collect(),
            last: self.done,
            ..proto::SyncChunk::default()
        };
        if self.done {
            chunk.sequence = if truncated { self.course.at } else { self.course.until };
            chunk.first_until = if truncated { self.course.cut_off() } else { 0 };
            chunk.truncated = truncated;
            chunk.collection_id = std::mem::take(&mut self.id);
        }
        Ok(Some(chunk))
    }
}

fn chunk(objects: impl Iterator<Item = proto::Object>) -> Option<proto::ObjectChunk> {
    let objects: Vec<proto::Object> = objects.collect();
    (!objects.is_empty()).then_some(proto::ObjectChunk { objects })
}
