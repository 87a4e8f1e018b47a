//! ListTags and SyncTags: names and ETags alone, for the listings that clients ask for most.
//! Called by the server in `rpc/mod.rs`.

use kontor_kit::auth::Caller;
use kontor_kit::db::Conn;
use kontor_kit::{Error, Result};
use kontor_proto::collection::v1 as proto;

use super::streams::{Reader, Size};
use super::{Server, Stream, convert};
use crate::hooks::Hooks;
use crate::model::Collection;
use crate::store::sync::Course;
use crate::store::tags;

impl<H: Hooks> Server<H> {
    pub(super) async fn tags(
        &self,
        caller: Caller,
        request: proto::ListObjectsRequest,
    ) -> Result<Stream<proto::TagChunk>> {
        let target = convert::target(request.path)?;
        let begin = move |_: &mut Conn<'_>, collection: Collection| Ok(ByName::new(collection.num, None));
        self.stream(caller, target, Size::Names, begin).await
    }

    pub(super) async fn sync_of_tags(
        &self,
        caller: Caller,
        request: proto::SyncObjectsRequest,
    ) -> Result<Stream<proto::TagChunk>> {
        let target = convert::target(request.path)?;
        let (id, since, limit) = (request.collection_id, request.since, request.limit);
        let (first_until, with_dead) = (request.first_until, request.with_dead);
        if since == -1 && limit == 0 {
            return self
                .stream(caller, target, Size::Names, move |_, collection| {
                    check_dead(&collection, with_dead)?;
                    Ok(ByName::new(collection.num, Some(collection)))
                })
                .await;
        }
        let left = if limit > 0 { limit } else { i64::MAX };
        self.stream(caller, target, Size::Names, move |_, collection| {
            check_dead(&collection, with_dead)?;
            let course = Course::begin(&collection, &id, since, first_until)?;
            Ok(ByNumber { id: collection.id, course, left, done: false })
        })
        .await
    }
}

/// Tags have no room for dead properties: where there are some, the client is told them by SyncObjects.
fn check_dead(collection: &Collection, wanted: bool) -> Result<()> {
    if wanted && collection.object_properties > 0 {
        return Err(Error::precondition("OBJECT_PROPERTIES", "objects here have properties of their own"));
    }
    Ok(())
}

/// Everything, in the order of names. As a first sync it ends with the change number from before it began: what changes meanwhile is told
/// again by the next sync, what is deleted meanwhile has its tombstone behind that number.
struct ByName {
    coll: i64,
    after: String,
    sync: Option<Collection>,
    done: bool,
}

impl ByName {
    fn new(coll: i64, sync: Option<Collection>) -> ByName {
        ByName { coll, after: String::new(), sync, done: false }
    }
}

impl Reader for ByName {
    type Chunk = proto::TagChunk;

    fn is_done(&self) -> bool {
        self.done
    }

    fn next(&mut self, conn: &mut Conn<'_>) -> Result<Option<proto::TagChunk>> {
        if self.done {
            return Ok(None);
        }
        let part = tags::list(conn, self.coll, &self.after, tags::CHUNK)?;
        self.done = !part.more;
        self.after = part.last_name;
        let mut chunk = proto::TagChunk { tags: part.run.into(), last: self.done, ..Default::default() };
        if let Some(collection) = self.sync.as_ref().filter(|_| self.done) {
            chunk.sequence = collection.seq;
            chunk.collection_id.clone_from(&collection.id);
        }
        Ok(Some(chunk))
    }
}

/// Changes, in their order.
struct ByNumber {
    id: String,
    course: Course,
    left: i64,
    done: bool,
}

impl Reader for ByNumber {
    type Chunk = proto::TagChunk;

    fn is_done(&self) -> bool {
        self.done
    }

    fn next(&mut self, conn: &mut Conn<'_>) -> Result<Option<proto::TagChunk>> {
        if self.done {
            return Ok(None);
        }
        let wanted = self.left.min(tags::CHUNK);
        let part = tags::changes(conn, &self.course, wanted)?;
        if part.count > 0 {
            self.course.at = part.last_seq;
        }
        self.left -= part.count;
        let truncated = part.more && self.left == 0;
        self.done = !part.more || truncated;
        let mut chunk = proto::TagChunk { tags: part.run.into(), last: self.done, ..Default::default() };
        if self.done {
            chunk.sequence = if truncated { self.course.at } else { self.course.until };
            chunk.first_until = if truncated { self.course.cut_off() } else { 0 };
            chunk.truncated = truncated;
            chunk.collection_id = std::mem::take(&mut self.id);
        }
        Ok(Some(chunk))
    }
}
