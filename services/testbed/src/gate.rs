//! A gate before a real service: it can be shut, as when the service can't be reached, and it counts what goes through.
//! Called by tests that take a neighbour away.

use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::Request;
use kontor_kit::Error;
use kontor_kit::link::{self, Link};
use tonic::Status;
use tonic::body::Body;
use tonic::service::Routes;

/// Open at first. Cheap to clone: all clones are one gate.
#[derive(Clone, Default)]
pub struct Gate(Arc<State>);

#[derive(Default)]
struct State {
    shut: AtomicBool,
    loses: AtomicBool,
    /// "/kontor.directory.v1.PartnerService/GetPartner"
    passed: Mutex<Vec<String>>,
}

impl Gate {
    /// The same service behind this gate.
    pub fn before(&self, service: Link) -> Link {
        let gate = self.clone();
        let guard = tower::service_fn(move |request: Request| {
            let (gate, service) = (gate.clone(), service.clone());
            async move { Ok::<_, Infallible>(gate.pass(service, request).await) }
        });
        Link::local(Routes::from(Router::new().fallback_service(guard)))
    }

    async fn pass(&self, service: Link, request: Request) -> http::Response<Body> {
        if self.0.shut.load(Ordering::SeqCst) {
            return Status::from(Error::unavailable("the service can't be reached: the gate is shut"))
                .into_http();
        }
        let path = request.uri().path().to_owned();
        self.0.passed.lock().unwrap_or_else(PoisonError::into_inner).push(path);
        let answer = link::forward(service, request).await;
        if self.0.loses.load(Ordering::SeqCst) {
            if let Ok(answer) = answer {
                // To its end, so that all of it has its effect.
                let _ = axum::body::to_bytes(axum::body::Body::new(answer.into_body()), usize::MAX).await;
            }
            return Status::from(Error::unavailable("the answer is lost at the gate")).into_http();
        }
        answer.unwrap_or_else(|cause| Status::from(Error::unavailable(cause.to_string())).into_http())
    }

    /// From now on every call is answered with UNAVAILABLE.
    pub fn shut(&self) {
        self.0.shut.store(true, Ordering::SeqCst);
    }

    /// From now on calls go through again.
    pub fn open(&self) {
        self.0.shut.store(false, Ordering::SeqCst);
    }

    /// From now on calls go through and their answers are lost, as when a process ends in between; or, with false, no more.
    pub fn lose_answers(&self, lose: bool) {
        self.0.loses.store(lose, Ordering::SeqCst);
    }

    /// How many calls of a method went through: "LookupPartners".
    pub fn count(&self, method: &str) -> usize {
        let passed = self.0.passed.lock().unwrap_or_else(PoisonError::into_inner);
        passed.iter().filter(|path| path.rsplit('/').next() == Some(method)).count()
    }
}
