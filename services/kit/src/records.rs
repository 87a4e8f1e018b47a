//! AuditService and ChangeService, which are the same in every service but for its package: who wrote what, and the outbox as a stream.
//! Added to a service's routes by `Unit::service`.

use std::convert::Infallible;
use std::future::ready;

use http::{Request as HttpRequest, Response as HttpResponse};
use prost::Message;
use tonic::body::Body;
use tonic::server::Grpc;
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;
use tower::service_fn;

use crate::auth::Caller;
use crate::context::Context;
use crate::db::Db;
use crate::routes::{Answer, Answers, Routes, unknown};
use crate::{audit, changes};

/// Routes with "kontor.{name}.v1.AuditService" and "kontor.{name}.v1.ChangeService" beside the given ones.
pub(crate) fn add(name: &str, context: &Context, db: &Db, routes: Routes) -> Routes {
    let (context, db) = (context.clone(), db.clone());
    routes
        .add(format!("kontor.{name}.v1.AuditService"), Audits { context: context.clone(), db: db.clone() })
        .add(format!("kontor.{name}.v1.ChangeService"), Changes { context, db })
}

struct Audits {
    context: Context,
    db: Db,
}

struct Changes {
    context: Context,
    db: Db,
}

impl Answers for Audits {
    fn answer(&self, request: HttpRequest<Body>) -> Answer {
        let (context, db) = (self.context.clone(), self.db.clone());
        match method_of(&request) {
            "ListAuditEntries" => {
                let list = service_fn(move |request: Request<_>| {
                    let db = db.clone();
                    async move {
                        let caller = Caller::of(&request)?;
                        Ok::<_, Status>(Response::new(audit::list(&db, caller, request.into_inner()).await?))
                    }
                });
                answer(async move { grpc().unary(list, request).await })
            }
            "VerifyAudit" => {
                let verify = service_fn(move |request: Request<_>| {
                    let (context, db) = (context.clone(), db.clone());
                    async move {
                        let caller = Caller::of(&request)?;
                        let stream = audit::verify(&context, &db, &caller, request.into_inner()).await?;
                        Ok::<_, Status>(Response::new(stream))
                    }
                });
                answer(async move { grpc().server_streaming(verify, request).await })
            }
            _ => Box::pin(ready(Ok(unknown(request.uri().path())))),
        }
    }
}

impl Answers for Changes {
    fn answer(&self, request: HttpRequest<Body>) -> Answer {
        if method_of(&request) != "WatchChanges" {
            return Box::pin(ready(Ok(unknown(request.uri().path()))));
        }
        let (context, db) = (self.context.clone(), self.db.clone());
        let watch = service_fn(move |request: Request<_>| {
            let (context, db) = (context.clone(), db.clone());
            async move {
                let caller = Caller::of(&request)?;
                let stream = changes::watch(&context, &db, caller, request.into_inner()).await?;
                Ok::<_, Status>(Response::new(stream))
            }
        });
        answer(async move { grpc().server_streaming(watch, request).await })
    }
}

/// All behind the service's name: of more than a method's name nothing is known.
fn method_of(request: &HttpRequest<Body>) -> &str {
    request.uri().path().splitn(3, '/').nth(2).unwrap_or_default()
}

fn answer(work: impl Future<Output = HttpResponse<Body>> + Send + 'static) -> Answer {
    Box::pin(async move { Ok::<_, Infallible>(work.await) })
}

fn grpc<Q, A>() -> Grpc<ProstCodec<A, Q>>
where
    Q: Message + Default + Send + 'static,
    A: Message + Default + Send + 'static,
{
    Grpc::new(ProstCodec::default())
}
