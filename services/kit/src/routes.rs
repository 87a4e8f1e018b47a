//! gRPC services by their names: what a call goes through on its way to a method, and nothing besides.
//! Made by each service's `rpc/`; a `Unit` puts its layer before them, a `Link` leads to them.
//!
//! A router of paths would do the same with more: it copies its services and boxes what they answer at every floor.
//! See "One call" in docs/performance.md.

use std::collections::HashMap;
use std::convert::Infallible;
use std::future::ready;
use std::pin::Pin;
use std::sync::Arc;

use http::{Request, Response};
use tonic::Status;
use tonic::body::Body;
use tonic::server::NamedService;
use tower::Service;

/// What comes of a call: always an answer, for a refusal is one too.
pub type Answer = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

/// Something that answers gRPC calls.
pub trait Answers: Send + Sync + 'static {
    /// Answers one call.
    fn answer(&self, request: Request<Body>) -> Answer;
}

/// A generated server: cheap to clone, and always ready.
impl<S> Answers for S
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible, Future = Answer>,
    S: Clone + Send + Sync + 'static,
{
    fn answer(&self, request: Request<Body>) -> Answer {
        self.clone().call(request)
    }
}

/// gRPC services by their names. Cheap to call, and to be made once.
#[derive(Default)]
pub struct Routes(HashMap<String, Arc<dyn Answers>>);

impl Routes {
    /// With one service.
    pub fn new(service: impl Answers + NamedService) -> Routes {
        Routes::default().add_service(service)
    }

    /// And another one, under its own name.
    #[must_use]
    pub fn add_service<S: Answers + NamedService>(self, service: S) -> Routes {
        self.add(S::NAME, service)
    }

    /// And another one: "kontor.pipeline.v1.LeadService".
    #[must_use]
    pub fn add(mut self, name: impl Into<String>, service: impl Answers) -> Routes {
        self.0.insert(name.into(), Arc::new(service));
        self
    }
}

impl Answers for Routes {
    fn answer(&self, request: Request<Body>) -> Answer {
        let path = request.uri().path();
        match self.0.get(service_of(path)) {
            Some(service) => service.answer(request),
            None => Box::pin(ready(Ok(unknown(path)))),
        }
    }
}

/// The answer to a call of a method that is not there.
pub fn unknown(path: &str) -> Response<Body> {
    Status::unimplemented(format!("there is no method {path}")).into_http()
}

/// The service that a path names: of "/kontor.pipeline.v1.LeadService/GetLead" the part before the method.
pub fn service_of(path: &str) -> &str {
    path.strip_prefix('/').and_then(|path| path.split_once('/')).map_or("", |(service, _)| service)
}
