//! A gate before a real service: it can be shut, as when the service can't be reached, and it counts what goes through.
//! Called by tests that take a neighbour away.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use http::Request;
use http_body_util::BodyExt;
use kontor_kit::Error;
use kontor_kit::link::Link;
use kontor_kit::routes::{Answer, Answers};
use tonic::Status;
use tonic::body::Body;

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
        Link::local(Guarded { gate: self.clone(), service })
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

struct Guarded {
    gate: Gate,
    service: Link,
}

impl Answers for Guarded {
    fn answer(&self, request: Request<Body>) -> Answer {
        let state = self.gate.0.clone();
        if state.shut.load(Ordering::SeqCst) {
            let refusal = Error::unavailable("the service can't be reached: the gate is shut");
            return Box::pin(async { Ok(Status::from(refusal).into_http()) });
        }
        let path = request.uri().path().to_owned();
        state.passed.lock().unwrap_or_else(PoisonError::into_inner).push(path);
        let answer = self.service.answer(request);
        Box::pin(async move {
            let answer = answer.await?;
            if !state.loses.load(Ordering::SeqCst) {
                return Ok(answer);
            }
            // To its end, so that all of it has its effect.
            let _ = answer.into_body().collect().await;
            Ok(Status::from(Error::unavailable("the answer is lost at the gate")).into_http())
        })
    }
}
