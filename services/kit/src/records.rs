//! AuditService and ChangeService, which are the same in every service but for its package: who wrote what, and the outbox as a stream.
//! Added to a service's routes by `Unit::service`.

use axum::Router;
use axum::body::Body;
use axum::routing::post;
use http::Request as HttpRequest;
use prost::Message;
use tonic::server::Grpc;
use tonic::service::Routes;
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;
use tower::service_fn;

use crate::auth::Caller;
use crate::context::Context;
use crate::db::Db;
use crate::{audit, changes};

/// Routes with "kontor.{name}.v1.AuditService" and "kontor.{name}.v1.ChangeService" beside the given ones.
pub(crate) fn add(name: &str, context: &Context, db: &Db, routes: Routes) -> Routes {
    let (list_db, verify_db, watch_db) = (db.clone(), db.clone(), db.clone());
    let (verify_context, watch_context) = (context.clone(), context.clone());
    let list = async move |request: HttpRequest<Body>| {
        let list = service_fn(move |request: Request<_>| {
            let db = list_db.clone();
            async move {
                let caller = Caller::of(&request)?;
                Ok::<_, Status>(Response::new(audit::list(&db, caller, request.into_inner()).await?))
            }
        });
        grpc().unary(list, request).await
    };
    let verify = async move |request: HttpRequest<Body>| {
        let verify = service_fn(move |request: Request<_>| {
            let (context, db) = (verify_context.clone(), verify_db.clone());
            async move {
                let caller = Caller::of(&request)?;
                let stream = audit::verify(&context, &db, &caller, request.into_inner()).await?;
                Ok::<_, Status>(Response::new(stream))
            }
        });
        grpc().server_streaming(verify, request).await
    };
    let watch = async move |request: HttpRequest<Body>| {
        let watch = service_fn(move |request: Request<_>| {
            let (context, db) = (watch_context.clone(), watch_db.clone());
            async move {
                let caller = Caller::of(&request)?;
                let stream = changes::watch(&context, &db, caller, request.into_inner()).await?;
                Ok::<_, Status>(Response::new(stream))
            }
        });
        grpc().server_streaming(watch, request).await
    };
    let path = |method: &str| format!("/kontor.{name}.v1.{method}");
    let records = Router::new()
        .route(&path("AuditService/ListAuditEntries"), post(list))
        .route(&path("AuditService/VerifyAudit"), post(verify))
        .route(&path("ChangeService/WatchChanges"), post(watch));
    Routes::from(routes.into_axum_router().merge(records))
}

fn grpc<Q, A>() -> Grpc<ProstCodec<A, Q>>
where
    Q: Message + Default + Send + 'static,
    A: Message + Default + Send + 'static,
{
    Grpc::new(ProstCodec::default())
}
