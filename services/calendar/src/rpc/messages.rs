//! MessageService: scheduling messages that come as such, from the mail service and from the outbox of the gateway.
//! Mounted by `start`.

use kontor_collection::store::collection;
use kontor_collection::{Access, Target};
use kontor_kit::auth::Caller;
use kontor_kit::db::Tx;
use kontor_kit::{Error, Result, id, replay};
use kontor_proto::calendar::v1 as proto;
use kontor_proto::calendar::v1::message_service_server::MessageService;
use tonic::{Request, Response};

use super::{Answer, Core};
use crate::domain::event::check_email;
use crate::domain::scheduling::counter::{Standing, of_message};
use crate::domain::scheduling::{Addresses, Read, itip};
use crate::events::OUTBOX_SLUG;
use crate::hook::CalendarHooks;
use crate::schedule::counter::{Became, decline_posted, propose};
use crate::schedule::receive::{Incoming, Outcome};
use crate::store::people;

#[tonic::async_trait]
impl MessageService for Core {
    async fn receive_message(
        &self,
        request: Request<proto::ReceiveMessageRequest>,
    ) -> Answer<proto::ReceiveMessageResponse> {
        let caller = Caller::of(&request)?;
        caller.must_be_system()?;
        let request = request.into_inner();
        let login = id::parse("users", &request.user, "user")?.to_owned();
        check_email("sender", &request.sender)?;
        let sender = request.sender.trim().to_lowercase();
        itip::message(&request.icalendar)?;
        let hooks = self.hooks.clone();
        let answer = self.db.write(move |tx| {
            replay::once(tx, &caller, &request.request_id, &request, |tx| {
                if !people::is_known(tx, &login)? {
                    return Err(Error::not_found(&request.user));
                }
                let message = itip::message(&request.icalendar)?;
                let incoming = Incoming { hooks: &hooks, login: &login, sender: &sender, message: &message };
                let outcome = incoming.receive(tx)?;
                Ok(proto::ReceiveMessageResponse {
                    outcome: number(outcome).into(),
                    method: message.object.method.clone().unwrap_or_default(),
                    uid: message.object.uid.clone(),
                })
            })
        });
        Ok(Response::new(answer.await?))
    }

    async fn post_message(
        &self,
        request: Request<proto::PostMessageRequest>,
    ) -> Answer<proto::PostMessageResponse> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        itip::message(&request.icalendar)?;
        let hooks = self.hooks.clone();
        let answer = self.db.write(move |tx| post(tx, &hooks, &caller, &request));
        Ok(Response::new(answer.await?))
    }
}

fn number(outcome: Outcome) -> proto::MessageOutcome {
    match outcome {
        Outcome::Applied => proto::MessageOutcome::Applied,
        Outcome::Outdated => proto::MessageOutcome::Outdated,
        Outcome::Unknown => proto::MessageOutcome::UnknownMeeting,
    }
}

fn post(
    tx: &mut Tx<'_>,
    hooks: &CalendarHooks,
    caller: &Caller,
    request: &proto::PostMessageRequest,
) -> Result<proto::PostMessageResponse> {
    let target = Target::path(&request.owner, OUTBOX_SLUG);
    let (outbox, access) = collection::find(tx, caller, &target)?;
    if access != Access::Owner {
        return Err(Error::not_found(target));
    }
    let message = itip::message(&request.icalendar)?;
    let own = Addresses::of(&outbox.owner, &people::address(tx, &outbox.owner)?);
    let item = message.object.first();
    let recipients = match message.object.method.as_deref() {
        Some("COUNTER") => {
            let guest = item.attendees.iter().find(|guest| own.has(&guest.address));
            let guest = guest.ok_or_else(|| Error::denied("ATTENDEE is not the owner of this outbox"))?;
            let proposal = of_message(&message, &guest.address)?;
            let became = propose(tx, hooks, caller, &outbox, &proposal)?;
            vec![recipient(written(&message, "ORGANIZER", 0), status(&became))]
        }
        Some("DECLINECOUNTER") => {
            if !item.organizer.as_ref().is_some_and(|organizer| own.has(&organizer.address)) {
                return Err(Error::denied("ORGANIZER is not the owner of this outbox"));
            }
            if item.attendees.is_empty() || item.attendees.len() > 100 {
                return Err(Error::invalid("icalendar", "name 1 to 100 guests in ATTENDEE"));
            }
            let mut recipients = Vec::new();
            for (place, guest) in item.attendees.iter().enumerate() {
                let told = decline_posted(tx, hooks, caller, &outbox, &message, &guest.address)?;
                let status = if told { SUCCESS } else { "3.7;There is no open proposal of this guest" };
                recipients.push(recipient(written(&message, "ATTENDEE", place), status));
            }
            recipients
        }
        _ => return Err(Error::invalid("icalendar", "METHOD is neither COUNTER nor DECLINECOUNTER")),
    };
    Ok(proto::PostMessageResponse { recipients })
}

const SUCCESS: &str = "2.0;Success";

fn recipient(address: String, status: &str) -> proto::Recipient {
    proto::Recipient { address, status: status.to_owned() }
}

/// A person as the message writes it.
fn written(message: &Read<'_>, name: &str, place: usize) -> String {
    let component = message.component(message.object.first());
    component
        .properties_named(name)
        .nth(place)
        .map_or_else(String::new, |line| line.value().trim().to_owned())
}

fn status(became: &Became) -> &'static str {
    match became {
        Became::Open => SUCCESS,
        Became::Mailed => "1.0;It waits for the mail service",
        Became::NoUser => "3.7;Invalid calendar user",
        Became::NoMeeting => "5.1;The organizer has no such meeting",
        Became::Refused(Standing::NotInvited) => "3.8;The guest is not invited",
        Became::Refused(Standing::NoInstance) => "3.0;The series has no such instance",
        Became::Refused(Standing::Outdated) => "2.8;The meeting changed meanwhile",
        Became::Refused(Standing::Same | Standing::Open) => "3.0;Nothing differs from the meeting",
    }
}
