//! What the edge asks at every request, called directly when the service runs in this process: the contract's messages, without the wire's
//! encoding between. Offered by a `Unit`, found through its `Link`, used by the gateway.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use futures_util::Stream;
use kontor_proto::collection::v1::collection_service_client::CollectionServiceClient;
use kontor_proto::collection::v1::collection_service_server::CollectionService;
use kontor_proto::collection::v1::{
    Collection, DeleteObjectRequest, DeleteObjectResponse, GetCollectionRequest, GetObjectsRequest,
    ListCollectionsRequest, ListCollectionsResponse, ListObjectsRequest, ObjectChunk, PutObjectRequest,
    PutObjectResponse, QueryObjectsRequest, SyncChunk, SyncObjectsRequest, TagChunk,
};
use kontor_proto::directory::v1::credential_service_client::CredentialServiceClient;
use kontor_proto::directory::v1::credential_service_server::CredentialService;
use kontor_proto::directory::v1::{CheckCredentialRequest, CheckCredentialResponse};
use tonic::{Request, Status};

use crate::audit::{self, Who};
use crate::auth::Caller;
use crate::layer::DEFAULT_DEADLINE;
use crate::link::{Link, MESSAGE_LIMIT};

/// A long answer.
pub type Chunks<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// What a unit offers to be called directly. Cheap to clone.
#[derive(Clone, Default)]
pub struct Near {
    collections: Option<Arc<dyn Collections>>,
    credentials: Option<Arc<dyn Credentials>>,
    sign_ins_ended: Option<Arc<AtomicU64>>,
}

impl Near {
    /// With a service of collections.
    #[must_use]
    pub fn collections(mut self, service: impl CollectionService) -> Near {
        self.collections = Some(Arc::new(Here(service)));
        self
    }

    /// With a service of credentials. `ended` is raised by it before an answer that it once gave is no longer true.
    #[must_use]
    pub fn credentials(mut self, service: impl CredentialService, ended: Arc<AtomicU64>) -> Near {
        self.credentials = Some(Arc::new(Here(service)));
        self.sign_ins_ended = Some(ended);
        self
    }
}

impl Link {
    /// Its collections: directly, or over the wire.
    pub fn collections(&self) -> Arc<dyn Collections> {
        self.near().collections.clone().unwrap_or_else(|| {
            let client = CollectionServiceClient::new(self.clone());
            Arc::new(client.max_decoding_message_size(MESSAGE_LIMIT).max_encoding_message_size(MESSAGE_LIMIT))
        })
    }

    /// A number that moves when an answer of its check of secrets is no longer true. Nothing when it runs in another process.
    pub fn sign_ins_ended(&self) -> Option<Arc<AtomicU64>> {
        self.near().sign_ins_ended.clone()
    }

    /// Its check of secrets: directly, or over the wire.
    pub fn credentials(&self) -> Arc<dyn Credentials> {
        let far = || Arc::new(CredentialServiceClient::new(self.clone())) as Arc<dyn Credentials>;
        self.near().credentials.clone().unwrap_or_else(far)
    }
}

/// A service in this process.
struct Here<S>(S);

/// The deadline, and the name of who acts, that `ServiceStack` gives to calls over the wire.
async fn in_time<T>(who: Option<Who>, answer: impl Future<Output = Result<T, Status>>) -> Result<T, Status> {
    const DEADLINE: Duration = DEFAULT_DEADLINE;
    tokio::time::timeout(DEADLINE, audit::acting(who.unwrap_or_else(Who::system), answer))
        .await
        .unwrap_or_else(|_| Err(Status::deadline_exceeded("the deadline passed before the answer was ready")))
}

fn who<T>(request: &Request<T>, method: &'static str) -> Option<Who> {
    request.extensions().get::<Caller>().map(|caller| Who::caller(caller, method))
}

/// Writes a trait with some methods of a service, and its two makings: here and over the wire.
macro_rules! face {
    ($(#[$doc:meta])* $face:ident of $service:ident and $client:ident:
     $(call $one:ident as $one_name:literal ($one_in:ty) -> $one_out:ty;)*
     $(stream $many:ident as $many_name:literal ($many_in:ty) -> $many_out:ty;)*) => {
        $(#[$doc])*
        #[tonic::async_trait]
        pub trait $face: Send + Sync + 'static {
            $(
                /// As in the contract. The request carries its `Caller`.
                async fn $one(&self, request: Request<$one_in>) -> Result<$one_out, Status>;
            )*
            $(
                /// As in the contract. The request carries its `Caller`.
                async fn $many(&self, request: Request<$many_in>) -> Result<Chunks<$many_out>, Status>;
            )*
        }

        #[tonic::async_trait]
        impl<S: $service> $face for Here<S> {
            $(async fn $one(&self, request: Request<$one_in>) -> Result<$one_out, Status> {
                let who = who(&request, $one_name);
                in_time(who, self.0.$one(request)).await.map(tonic::Response::into_inner)
            })*
            $(async fn $many(&self, request: Request<$many_in>) -> Result<Chunks<$many_out>, Status> {
                let who = who(&request, $many_name);
                let stream = in_time(who, self.0.$many(request)).await?.into_inner();
                Ok(Box::pin(stream))
            })*
        }

        #[tonic::async_trait]
        impl $face for $client<Link> {
            $(async fn $one(&self, request: Request<$one_in>) -> Result<$one_out, Status> {
                $client::<Link>::$one(&mut self.clone(), request).await.map(tonic::Response::into_inner)
            })*
            $(async fn $many(&self, request: Request<$many_in>) -> Result<Chunks<$many_out>, Status> {
                let stream = $client::<Link>::$many(&mut self.clone(), request).await?.into_inner();
                Ok(Box::pin(stream))
            })*
        }
    };
}

face! {
    /// The methods of CollectionService that clients use all day.
    Collections of CollectionService and CollectionServiceClient:
    call list_collections as "kontor.collection.v1.CollectionService/ListCollections" (ListCollectionsRequest) -> ListCollectionsResponse;
    call get_collection as "kontor.collection.v1.CollectionService/GetCollection" (GetCollectionRequest) -> Collection;
    call put_object as "kontor.collection.v1.CollectionService/PutObject" (PutObjectRequest) -> PutObjectResponse;
    call delete_object as "kontor.collection.v1.CollectionService/DeleteObject" (DeleteObjectRequest) -> DeleteObjectResponse;
    stream list_objects as "kontor.collection.v1.CollectionService/ListObjects" (ListObjectsRequest) -> ObjectChunk;
    stream get_objects as "kontor.collection.v1.CollectionService/GetObjects" (GetObjectsRequest) -> ObjectChunk;
    stream query_objects as "kontor.collection.v1.CollectionService/QueryObjects" (QueryObjectsRequest) -> ObjectChunk;
    stream sync_objects as "kontor.collection.v1.CollectionService/SyncObjects" (SyncObjectsRequest) -> SyncChunk;
    stream list_tags as "kontor.collection.v1.CollectionService/ListTags" (ListObjectsRequest) -> TagChunk;
    stream sync_tags as "kontor.collection.v1.CollectionService/SyncTags" (SyncObjectsRequest) -> TagChunk;
}

face! {
    /// CredentialService: who signs in.
    Credentials of CredentialService and CredentialServiceClient:
    call check_credential as "kontor.directory.v1.CredentialService/CheckCredential" (CheckCredentialRequest) -> CheckCredentialResponse;
}
