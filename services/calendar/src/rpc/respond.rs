//! RespondToEvent: a guest answers an invitation. It is a change of the guest's own copy, so the organizer hears of it by the
//! rules of scheduling.
//! Called by rpc/events.rs.

use kontor_kit::auth::Caller;
use kontor_kit::clock::from_proto;
use kontor_kit::{Error, Result};
use kontor_proto::calendar::v1 as proto;

use super::Core;
use super::events::brief;
use super::objects::{EVENTS, Loaded};
use crate::domain::event::check_email;
use crate::domain::scheduling::Addresses;
use crate::domain::scheduling::respond::{Response, respond};
use crate::store::people;

/// What a guest may say.
const ANSWERS: [&str; 4] = ["ACCEPTED", "DECLINED", "TENTATIVE", DELEGATED];
/// Says that somebody else comes.
const DELEGATED: &str = "DELEGATED";
/// Bytes of a comment.
const COMMENT: usize = 10_000;

impl Core {
    pub(super) async fn respond(
        &self,
        caller: Caller,
        request: proto::RespondToEventRequest,
    ) -> Result<proto::Event> {
        if !ANSWERS.contains(&request.participation.as_str()) {
            let message = format!("{:?} is none of {}", request.participation, ANSWERS.join(", "));
            return Err(Error::invalid("participation", message));
        }
        if request.comment.len() > COMMENT {
            return Err(Error::invalid("comment", format!("use at most {COMMENT} bytes")));
        }
        let delegate = request.delegate_to.trim().to_owned();
        if (request.participation == DELEGATED) == delegate.is_empty() {
            let message = format!("name somebody with {DELEGATED}, and only with it");
            return Err(Error::invalid("delegate_to", message));
        }
        if !delegate.is_empty() {
            check_email("delegate_to", &delegate)?;
        }
        let response = Response {
            delegate,
            partstat: request.participation.clone(),
            comment: request.comment.clone(),
            instance: request.original_start_time.as_ref().map(|at| from_proto(at).div_euclid(1_000_000)),
        };
        let loaded = self.load(&caller, EVENTS, &request.name, "name").await?;
        let own = Addresses::of(&loaded.collection.owner, &self.address(&loaded).await?);
        if own.has(&response.delegate.to_lowercase()) {
            return Err(Error::invalid("delegate_to", "nobody hands a part over to himself"));
        }
        let now = self.hooks.clock.now();
        let change =
            |before: &Loaded| respond(&before.object.data, &before.name(EVENTS), &own, &response, now);
        let (request_id, name, etag) =
            (request.request_id.clone(), request.name.clone(), request.etag.clone());
        self.update(caller, request, &request_id, EVENTS, (&name, "name"), &etag, change, brief).await
    }

    /// E-mail address of the owner of an event's calendar; empty without one.
    pub(super) async fn address(&self, loaded: &Loaded) -> Result<String> {
        self.address_of(loaded.collection.owner.clone()).await
    }

    /// E-mail address of a user; empty without one.
    pub(super) async fn address_of(&self, login: String) -> Result<String> {
        self.db.read(move |conn| people::address(conn, &login)).await
    }
}
