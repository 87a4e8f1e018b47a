//! The unified calendar (C5): all calendars of a user's home in one that is only read. It stands before the engine's server and answers for the
//! path of the overview, as the same caller; everything else goes on to the engine as it came. Mounted by `start`.
//!
//! The overview has a row of its own in its user's home, without objects, so the engine decides who may see it and refuses all writes.

mod read;
mod view;

use std::pin::Pin;

use kontor_collection::rpc::Server;
use kontor_collection::store::kept;
use kontor_collection::{Hooks, Kind, NOBODY, Question, Target};
use kontor_kit::auth::Caller;
use kontor_kit::context::Context;
use kontor_kit::db::{Conn, Db};
use kontor_kit::link::MESSAGE_LIMIT;
use kontor_kit::{Error, Result};
use kontor_proto::collection::v1 as proto;
use kontor_proto::collection::v1::collection_service_server::{CollectionService, CollectionServiceServer};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use crate::events::{self, OVERVIEW_SLUG};
use crate::hook::CalendarHooks;
use read::{List, Named, Part, Query, Reader, Sync};
use view::View;
pub(crate) use view::held;

/// Names in one multiget at most.
const NAMES: usize = 100_000;

type Stream<T> = Pin<Box<dyn futures_util::Stream<Item = std::result::Result<T, Status>> + Send>>;
type Answer<T> = std::result::Result<Response<T>, Status>;

/// The service. Cheap to clone.
#[derive(Clone)]
pub struct Overviews {
    engine: Server<CalendarHooks>,
    context: Context,
    db: Db,
    hooks: CalendarHooks,
}

impl Overviews {
    /// The service in front of the engine's own over the same database.
    pub fn new(engine: Server<CalendarHooks>, context: &Context, db: &Db, hooks: CalendarHooks) -> Overviews {
        Overviews { engine, context: context.clone(), db: db.clone(), hooks }
    }

    /// The tonic service, to be put among the unit's routes.
    pub fn into_service(self) -> CollectionServiceServer<Overviews> {
        CollectionServiceServer::new(self)
            .max_decoding_message_size(MESSAGE_LIMIT)
            .max_encoding_message_size(MESSAGE_LIMIT)
    }

    async fn describe(&self, caller: Caller, mut it: proto::Collection) -> Result<proto::Collection> {
        let owner = it.owner.clone();
        let view = self.db.read_few(move |conn| View::read(conn, &caller, &owner)).await?;
        view::stamp_of(&mut it, &view);
        Ok(it)
    }

    /// Brings the overview back into its home.
    async fn show(&self, caller: Caller, asked: proto::Collection) -> Result<proto::Collection> {
        let new = events::overview(&asked.owner);
        let same = |asked: &str, has: &str| asked.is_empty() || asked == has;
        let plain = same(&asked.display_name, &new.display_name)
            && same(&asked.color, &new.color)
            && asked.description.is_empty()
            && asked.time_zone.is_empty()
            && asked.dead_properties.is_empty()
            && (asked.components.is_empty() || asked.components == new.components);
        if !plain {
            return Err(Error::denied("the overview's properties are the server's: ask without any"));
        }
        let by = caller.clone();
        self.db.write(move |tx| kept::bring_back(tx, &by, &new).map(|_| ())).await?;
        let path = Some(proto::CollectionPath { owner: asked.owner, slug: OVERVIEW_SLUG.to_owned() });
        let request = caller.request(proto::GetCollectionRequest { path, ..Default::default() });
        let it = self.engine.get_collection(request).await.map_err(Error::from)?.into_inner();
        self.describe(caller, it).await
    }

    /// Reads the view and the first part of the answer in one read; short answers end there.
    async fn stream<R: Reader, C: From<Part> + Send + 'static>(
        &self,
        caller: Caller,
        path: Option<proto::CollectionPath>,
        begin: impl FnOnce(&mut Conn<'_>, View) -> Result<R> + Send + 'static,
    ) -> Answer<Stream<C>> {
        let owner = path.unwrap_or_default().owner;
        let first = move |conn: &mut Conn<'_>| {
            let view = View::read(conn, &caller, &owner)?;
            let mut reader = begin(conn, view)?;
            let part = reader.next(conn)?;
            Ok((reader, part))
        };
        let (reader, part) = self.db.read(first).await?;
        let (sender, receiver) = mpsc::channel(2);
        let last = part.last;
        // There is room: nothing was sent yet.
        let _ = sender.try_send(Ok(part.into()));
        if !last {
            self.context.spawn(pump(self.db.clone(), reader, sender));
        }
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }
}

async fn pump<R: Reader, C: From<Part>>(
    db: Db,
    mut reader: R,
    sender: mpsc::Sender<std::result::Result<C, Status>>,
) {
    loop {
        // The place is taken first, so that a slow receiver holds no part and no database thread.
        let Ok(place) = sender.reserve().await else { return };
        let read = db.read(move |conn| {
            let part = reader.next(conn)?;
            Ok((reader, part))
        });
        match read.await {
            Ok((next, part)) => {
                reader = next;
                let last = part.last;
                place.send(Ok(part.into()));
                if last {
                    return;
                }
            }
            Err(cause) => return place.send(Err(cause.into())),
        }
    }
}

/// Whether a path is that of an overview.
///
/// # Errors
/// NOT_FOUND for what only overviews show: it has no path.
fn is_overview(path: Option<&proto::CollectionPath>) -> Result<bool> {
    let Some(path) = path else { return Ok(false) };
    if path.slug.starts_with(NOBODY) {
        return Err(Error::not_found(Target::path(&path.owner, &path.slug)));
    }
    Ok(path.slug == OVERVIEW_SLUG)
}

#[tonic::async_trait]
impl CollectionService for Overviews {
    type ListObjectsStream = Stream<proto::ObjectChunk>;
    type GetObjectsStream = Stream<proto::ObjectChunk>;
    type QueryObjectsStream = Stream<proto::ObjectChunk>;
    type SyncObjectsStream = Stream<proto::SyncChunk>;
    type ListTagsStream = Stream<proto::TagChunk>;
    type SyncTagsStream = Stream<proto::TagChunk>;

    async fn list_collections(
        &self,
        request: Request<proto::ListCollectionsRequest>,
    ) -> Answer<proto::ListCollectionsResponse> {
        let mut answer = self.engine.list_collections(request).await?;
        view::put_into_home(&mut answer.get_mut().collections);
        Ok(answer)
    }

    async fn get_collection(
        &self,
        request: Request<proto::GetCollectionRequest>,
    ) -> Answer<proto::Collection> {
        if !is_overview(request.get_ref().path.as_ref())? {
            return self.engine.get_collection(request).await;
        }
        let caller = Caller::of(&request)?;
        let it = self.engine.get_collection(request).await?.into_inner();
        Ok(Response::new(self.describe(caller, it).await?))
    }

    async fn create_collection(
        &self,
        request: Request<proto::CreateCollectionRequest>,
    ) -> Answer<proto::Collection> {
        let asked = request.get_ref().collection.as_ref();
        if asked.is_none_or(|asked| asked.slug != OVERVIEW_SLUG) {
            return self.engine.create_collection(request).await;
        }
        let caller = Caller::of(&request)?;
        let asked = request.into_inner().collection.unwrap_or_default();
        Ok(Response::new(self.show(caller, asked).await?))
    }

    async fn update_collection(
        &self,
        request: Request<proto::UpdateCollectionRequest>,
    ) -> Answer<proto::Collection> {
        is_overview(request.get_ref().path.as_ref())?;
        self.engine.update_collection(request).await
    }

    async fn change_shares(
        &self,
        request: Request<proto::ChangeSharesRequest>,
    ) -> Answer<proto::ChangeSharesResponse> {
        is_overview(request.get_ref().path.as_ref())?;
        self.engine.change_shares(request).await
    }

    async fn delete_collection(
        &self,
        request: Request<proto::DeleteCollectionRequest>,
    ) -> Answer<proto::DeleteCollectionResponse> {
        if !is_overview(request.get_ref().path.as_ref())? {
            return self.engine.delete_collection(request).await;
        }
        let caller = Caller::of(&request)?;
        let target = Target::path(request.into_inner().path.unwrap_or_default().owner, OVERVIEW_SLUG);
        self.db.write(move |tx| kept::put_away(tx, &caller, &target)).await?;
        Ok(Response::new(proto::DeleteCollectionResponse {}))
    }

    async fn list_objects(
        &self,
        request: Request<proto::ListObjectsRequest>,
    ) -> Answer<Self::ListObjectsStream> {
        if !is_overview(request.get_ref().path.as_ref())? {
            return self.engine.list_objects(request).await;
        }
        let caller = Caller::of(&request)?;
        let proto::ListObjectsRequest { path, with_data, .. } = request.into_inner();
        self.stream(caller, path, move |_, view| Ok(List::new(view, with_data))).await
    }

    async fn get_objects(
        &self,
        request: Request<proto::GetObjectsRequest>,
    ) -> Answer<Self::GetObjectsStream> {
        if !is_overview(request.get_ref().path.as_ref())? {
            return self.engine.get_objects(request).await;
        }
        let caller = Caller::of(&request)?;
        let proto::GetObjectsRequest { path, names, with_data, .. } = request.into_inner();
        if names.len() > NAMES {
            return Err(Error::invalid("names", format!("ask for at most {NAMES} at once")).into());
        }
        self.stream(caller, path, move |_, view| Ok(Named::new(view, names, with_data))).await
    }

    async fn query_objects(
        &self,
        request: Request<proto::QueryObjectsRequest>,
    ) -> Answer<Self::QueryObjectsStream> {
        if !is_overview(request.get_ref().path.as_ref())? {
            return self.engine.query_objects(request).await;
        }
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let question = Question::of(&request, Kind::Calendar)?;
        let hooks = self.hooks.clone();
        let proto::QueryObjectsRequest { path, limit, with_data, name, .. } = request;
        self.stream(caller, path, move |conn, view| {
            let question = question.in_zone(|| hooks.zone(conn, &view.row))?;
            Ok(Query::new(view, question, limit, with_data, name))
        })
        .await
    }

    async fn sync_objects(
        &self,
        request: Request<proto::SyncObjectsRequest>,
    ) -> Answer<Self::SyncObjectsStream> {
        if !is_overview(request.get_ref().path.as_ref())? {
            return self.engine.sync_objects(request).await;
        }
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        self.stream(caller, request.path.clone(), move |_, view| Sync::begin(view, &request)).await
    }

    async fn list_tags(&self, request: Request<proto::ListObjectsRequest>) -> Answer<Self::ListTagsStream> {
        if !is_overview(request.get_ref().path.as_ref())? {
            return self.engine.list_tags(request).await;
        }
        let caller = Caller::of(&request)?;
        self.stream(caller, request.into_inner().path, |_, view| Ok(List::new(view, false))).await
    }

    async fn sync_tags(&self, request: Request<proto::SyncObjectsRequest>) -> Answer<Self::SyncTagsStream> {
        if !is_overview(request.get_ref().path.as_ref())? {
            return self.engine.sync_tags(request).await;
        }
        let caller = Caller::of(&request)?;
        let request = proto::SyncObjectsRequest { with_data: false, ..request.into_inner() };
        self.stream(caller, request.path.clone(), move |_, view| Sync::begin(view, &request)).await
    }

    async fn put_object(
        &self,
        request: Request<proto::PutObjectRequest>,
    ) -> Answer<proto::PutObjectResponse> {
        is_overview(request.get_ref().path.as_ref())?;
        self.engine.put_object(request).await
    }

    async fn update_object(
        &self,
        request: Request<proto::UpdateObjectRequest>,
    ) -> Answer<proto::UpdateObjectResponse> {
        is_overview(request.get_ref().path.as_ref())?;
        self.engine.update_object(request).await
    }

    async fn delete_object(
        &self,
        request: Request<proto::DeleteObjectRequest>,
    ) -> Answer<proto::DeleteObjectResponse> {
        is_overview(request.get_ref().path.as_ref())?;
        self.engine.delete_object(request).await
    }

    async fn move_object(
        &self,
        request: Request<proto::MoveObjectRequest>,
    ) -> Answer<proto::MoveObjectResponse> {
        is_overview(request.get_ref().to_path.as_ref())?;
        if !is_overview(request.get_ref().path.as_ref())? {
            return self.engine.move_object(request).await;
        }
        let caller = Caller::of(&request)?;
        let owner = request.into_inner().path.unwrap_or_default().owner;
        self.db.read_few(move |conn| View::read(conn, &caller, &owner).map(|_| ())).await?;
        // A copy too: what is read here is not what its own calendar has.
        let message = "an overview is only open for reading: take the event from its own calendar";
        Err(Error::denied(message).with("at", "source").into())
    }

    async fn describe_push(
        &self,
        request: Request<proto::DescribePushRequest>,
    ) -> Answer<proto::DescribePushResponse> {
        self.engine.describe_push(request).await
    }

    async fn register_push(
        &self,
        request: Request<proto::RegisterPushRequest>,
    ) -> Answer<proto::RegisterPushResponse> {
        is_overview(request.get_ref().path.as_ref())?;
        self.engine.register_push(request).await
    }

    async fn unregister_push(
        &self,
        request: Request<proto::UnregisterPushRequest>,
    ) -> Answer<proto::UnregisterPushResponse> {
        self.engine.unregister_push(request).await
    }
}
