//! CollectionService, ready to be mounted: what the DAV edge asks of a service that keeps collections.
//! Made by `calendar` and `directory` at their start, each with its hooks.

mod convert;
mod dead;
mod objects;
mod properties;
mod push;
mod streams;
mod tags;

pub use convert::{conditions, target};

use std::pin::Pin;

use kontor_kit::auth::Caller;
use kontor_kit::context::Context;
use kontor_kit::db::Db;
use kontor_kit::link::MESSAGE_LIMIT;
use kontor_proto::collection::v1 as proto;
use kontor_proto::collection::v1::collection_service_server::{CollectionService, CollectionServiceServer};
use tonic::{Request, Response, Status};

use crate::hooks::Hooks;
use crate::push::Push;

type Stream<T> = Pin<Box<dyn futures_util::Stream<Item = Result<T, Status>> + Send>>;
type Answer<T> = Result<Response<T>, Status>;

/// The service over one database.
#[derive(Clone)]
pub struct Server<H> {
    context: Context,
    db: Db,
    hooks: H,
    push: Option<Push>,
}

impl<H: Hooks> Server<H> {
    /// A server over the service's database.
    pub fn new(context: &Context, db: &Db, hooks: H) -> Server<H> {
        Server { context: context.clone(), db: db.clone(), hooks, push: None }
    }

    /// The same with push messages, where they can be sent.
    #[must_use]
    pub fn with_push(self, push: Option<Push>) -> Server<H> {
        Server { push, ..self }
    }

    /// The tonic service, to be put among the unit's routes.
    pub fn into_service(self) -> CollectionServiceServer<Server<H>> {
        CollectionServiceServer::new(self)
            .max_decoding_message_size(MESSAGE_LIMIT)
            .max_encoding_message_size(MESSAGE_LIMIT)
    }
}

#[tonic::async_trait]
impl<H: Hooks> CollectionService for Server<H> {
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
        let caller = Caller::of(&request)?;
        Ok(Response::new(self.home(caller, request.into_inner()).await?))
    }

    async fn get_collection(
        &self,
        request: Request<proto::GetCollectionRequest>,
    ) -> Answer<proto::Collection> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(self.collection(caller, request.into_inner()).await?))
    }

    async fn create_collection(
        &self,
        request: Request<proto::CreateCollectionRequest>,
    ) -> Answer<proto::Collection> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(self.create(caller, request.into_inner()).await?))
    }

    async fn update_collection(
        &self,
        request: Request<proto::UpdateCollectionRequest>,
    ) -> Answer<proto::Collection> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(self.update(caller, request.into_inner()).await?))
    }

    async fn change_shares(
        &self,
        request: Request<proto::ChangeSharesRequest>,
    ) -> Answer<proto::ChangeSharesResponse> {
        let caller = Caller::of(&request)?;
        self.change_shares(caller, request.into_inner()).await?;
        Ok(Response::new(proto::ChangeSharesResponse {}))
    }

    async fn delete_collection(
        &self,
        request: Request<proto::DeleteCollectionRequest>,
    ) -> Answer<proto::DeleteCollectionResponse> {
        let caller = Caller::of(&request)?;
        self.delete(caller, request.into_inner()).await?;
        Ok(Response::new(proto::DeleteCollectionResponse {}))
    }

    async fn list_objects(
        &self,
        request: Request<proto::ListObjectsRequest>,
    ) -> Answer<Self::ListObjectsStream> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(self.list(caller, request.into_inner()).await?))
    }

    async fn get_objects(
        &self,
        request: Request<proto::GetObjectsRequest>,
    ) -> Answer<Self::GetObjectsStream> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(self.multiget(caller, request.into_inner()).await?))
    }

    async fn query_objects(
        &self,
        request: Request<proto::QueryObjectsRequest>,
    ) -> Answer<Self::QueryObjectsStream> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(self.query(caller, request.into_inner()).await?))
    }

    async fn sync_objects(
        &self,
        request: Request<proto::SyncObjectsRequest>,
    ) -> Answer<Self::SyncObjectsStream> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(self.sync(caller, request.into_inner()).await?))
    }

    async fn list_tags(&self, request: Request<proto::ListObjectsRequest>) -> Answer<Self::ListTagsStream> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(self.tags(caller, request.into_inner()).await?))
    }

    async fn sync_tags(&self, request: Request<proto::SyncObjectsRequest>) -> Answer<Self::SyncTagsStream> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(self.sync_of_tags(caller, request.into_inner()).await?))
    }

    async fn put_object(
        &self,
        request: Request<proto::PutObjectRequest>,
    ) -> Answer<proto::PutObjectResponse> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(self.put(caller, request.into_inner()).await?))
    }

    async fn update_object(
        &self,
        request: Request<proto::UpdateObjectRequest>,
    ) -> Answer<proto::UpdateObjectResponse> {
        let caller = Caller::of(&request)?;
        self.properties(caller, request.into_inner()).await?;
        Ok(Response::new(proto::UpdateObjectResponse {}))
    }

    async fn delete_object(
        &self,
        request: Request<proto::DeleteObjectRequest>,
    ) -> Answer<proto::DeleteObjectResponse> {
        let caller = Caller::of(&request)?;
        self.remove(caller, request.into_inner()).await?;
        Ok(Response::new(proto::DeleteObjectResponse {}))
    }

    async fn move_object(
        &self,
        request: Request<proto::MoveObjectRequest>,
    ) -> Answer<proto::MoveObjectResponse> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(self.transfer(caller, request.into_inner()).await?))
    }

    async fn describe_push(
        &self,
        request: Request<proto::DescribePushRequest>,
    ) -> Answer<proto::DescribePushResponse> {
        Caller::of(&request)?;
        Ok(Response::new(self.pushes()?))
    }

    async fn register_push(
        &self,
        request: Request<proto::RegisterPushRequest>,
    ) -> Answer<proto::RegisterPushResponse> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(self.register(caller, request.into_inner()).await?))
    }

    async fn unregister_push(
        &self,
        request: Request<proto::UnregisterPushRequest>,
    ) -> Answer<proto::UnregisterPushResponse> {
        let caller = Caller::of(&request)?;
        self.unregister(caller, request.into_inner()).await?;
        Ok(Response::new(proto::UnregisterPushResponse {}))
    }
}
