//! The gRPC services of the calendar: proto to domain and back, one file a resource.
//! Mounted by `start`.

mod attachments;
mod availability;
mod calendars;
mod convert;
mod events;
mod feed;
mod free_busy;
mod list;
mod messages;
mod objects;
mod occurrences;
mod proposals;
mod respond;
mod routes;
mod series;
mod shares;
mod subscriptions;
mod tasks;

pub use routes::routes;

use std::sync::{Arc, Mutex, PoisonError};

use kontor_kit::context::Context;
use kontor_kit::db::{Db, Tx};
use kontor_kit::{Error, Result};
use tonic::Code;

use crate::hook::CalendarHooks;
use crate::users::Users;

/// What all services here stand on. Cheap to clone.
#[derive(Clone)]
pub struct Core {
    /// Surroundings.
    pub context: Context,
    /// The calendar's database.
    pub db: Db,
    /// The calendar's part of every write.
    pub hooks: CalendarHooks,
    /// Addresses of users.
    pub users: Users,
    /// Bytes of attachments in all calendars of one owner.
    pub attachment_bytes: i64,
}

/// What a method answers.
type Answer<T> = std::result::Result<tonic::Response<T>, tonic::Status>;

/// Reason of the error that takes a rehearsal back.
const REHEARSAL: &str = "REHEARSAL";

impl Core {
    /// Runs a write; a rehearsal (`validate_only`) answers the same and is taken back.
    async fn write<A, F>(&self, rehearse: bool, mut job: F) -> Result<A>
    where
        A: Send + 'static,
        F: FnMut(&mut Tx<'_>) -> Result<A> + Send + 'static,
    {
        if !rehearse {
            return self.db.write(job).await;
        }
        let kept = Arc::new(Mutex::new(None));
        let keep = kept.clone();
        let outcome: Result<()> = self
            .db
            .write(move |tx| {
                let answer = job(tx)?;
                *keep.lock().unwrap_or_else(PoisonError::into_inner) = Some(answer);
                Err(Error::new(Code::Aborted, REHEARSAL, "taken back"))
            })
            .await;
        match outcome {
            Err(cause) if cause.reason() == REHEARSAL => {
                let answer = kept.lock().unwrap_or_else(PoisonError::into_inner).take();
                answer.ok_or_else(|| Error::internal("a rehearsal ended without an answer"))
            }
            Err(cause) => Err(cause),
            Ok(()) => Err(Error::internal("a rehearsal was not taken back")),
        }
    }
}
