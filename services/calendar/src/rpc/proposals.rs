//! ProposalService: other times and places that guests propose.
//! Mounted by `start`.

use kontor_collection::{Conditions, Hooks, Target, write};
use kontor_kit::auth::Caller;
use kontor_kit::clock::{from_proto, to_proto};
use kontor_kit::db::Conn;
use kontor_kit::{Error, Result, id, replay};
use kontor_proto::calendar::v1 as proto;
use kontor_proto::calendar::v1::proposal_service_server::ProposalService;
use tonic::{Request, Response};

use super::events::brief;
use super::objects::{EVENTS, Loaded, TRIES, load, named, stored};
use super::{Answer, Core, convert};
use crate::domain::scheduling::counter::{self, COMMENT, Proposal, Standing, Wish};
use crate::domain::scheduling::{Addresses, Read, Role, role};
use crate::schedule::counter::{Became, decline, proposal_of, propose};
use crate::store::people;
use crate::store::proposals::{self, Kept};

#[tonic::async_trait]
impl ProposalService for Core {
    async fn propose_time(&self, request: Request<proto::ProposeTimeRequest>) -> Answer<proto::Proposal> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        id::parse_child("calendars", EVENTS.collection, &request.name, "name")?;
        let wish = Wish {
            instance: request.original_start_time.as_ref().map(|at| from_proto(at).div_euclid(1_000_000)),
            start: convert::time(request.start.as_ref(), "start")?,
            end: convert::time(request.end.as_ref(), "end")?,
            location: request.location.trim().to_owned(),
            comment: request.comment.clone(),
        };
        let hooks = self.hooks.clone();
        let answer = self.db.write(move |tx| {
            replay::once(tx, &caller, &request.request_id, &request, |tx| {
                let copy = load(tx, &hooks, &caller, EVENTS, &request.name)?;
                copy.must_be_writable(EVENTS)?;
                let own = own(tx, &copy)?;
                let read = Read::of(&copy.object.data)?;
                if role(&read.object, &own) != Role::Attendee {
                    let message = format!("the owner of the calendar is no guest of {}", request.name);
                    return Err(Error::precondition("NOT_INVITED", message));
                }
                let now = tx.now();
                let proposal = counter::wished(&copy.object.data, &request.name, &own, &wish, now)?;
                let became = propose(tx, &hooks, &caller, &copy.collection, &proposal)?;
                must_be_sent(&became, &request.name)?;
                Ok(message(String::new(), &proposal, now))
            })
        });
        Ok(Response::new(answer.await?))
    }

    async fn list_proposals(
        &self,
        request: Request<proto::ListProposalsRequest>,
    ) -> Answer<proto::ListProposalsResponse> {
        let caller = Caller::of(&request)?;
        let parent = request.into_inner().parent;
        id::parse_child("calendars", EVENTS.collection, &parent, "parent")?;
        let hooks = self.hooks.clone();
        let read = self.db.read(move |conn| {
            let event = load(conn, &hooks, &caller, EVENTS, &parent)?;
            let kept = proposals::list(conn, event.object.num)?;
            let one = |kept: &Kept| {
                let name = format!("{parent}/proposals/{}", kept.id);
                match proposal_of(kept) {
                    Ok(proposal) => Some(message(name, &proposal, kept.create_time)),
                    // One that can't be read must not hide the others.
                    Err(cause) => {
                        tracing::warn!(cause = %cause, proposal.name = name, "left out a proposal that can't be read");
                        None
                    }
                }
            };
            Ok(proto::ListProposalsResponse { proposals: kept.iter().filter_map(one).collect() })
        });
        Ok(Response::new(read.await?))
    }

    async fn accept_proposal(&self, request: Request<proto::AcceptProposalRequest>) -> Answer<proto::Event> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        split(&request.name)?;
        let mut tries = 0;
        loop {
            tries += 1;
            let work = self.accepted(&caller, &request.name).await;
            let (caller, request, hooks) = (caller.clone(), request.clone(), self.hooks.clone());
            let outcome = self
                .db
                .write(move |tx| {
                    replay::once(tx, &caller, &request.request_id, &request, |tx| {
                        let Work { event, kept, data, prepared } = work.as_ref().map_err(Error::clone)?;
                        let open = proposals::get(tx, event.object.num, &kept.id)?;
                        open.ok_or_else(|| Error::not_found(&request.name))?;
                        if !proposals::remove(tx, kept)? {
                            return Err(Error::not_found(&request.name));
                        }
                        let target = Target::id(&event.collection.id);
                        let same = Conditions::etag(&event.object.etag);
                        let name = &event.object.name;
                        let outcome = write::put(tx, &hooks, &caller, &target, name, data, &same, prepared)
                            .map_err(|cause| named(cause, &event.name(EVENTS)))?;
                        brief(&stored(tx, &hooks, outcome, data)?)
                    })
                })
                .await;
            match outcome {
                Err(cause) if cause.reason() == "ETAG_MISMATCH" && tries < TRIES => {}
                outcome => return Ok(Response::new(outcome?)),
            }
        }
    }

    async fn decline_proposal(&self, request: Request<proto::DeclineProposalRequest>) -> Answer<()> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        split(&request.name)?;
        if request.comment.len() > COMMENT {
            return Err(Error::invalid("comment", format!("use at most {COMMENT} bytes")).into());
        }
        let hooks = self.hooks.clone();
        let done = self.db.write(move |tx| {
            replay::once(tx, &caller, &request.request_id, &request, |tx| {
                let (event, kept) = find(tx, &hooks, &caller, &request.name)?;
                event.must_be_writable(EVENTS)?;
                let proposal = proposal_of(&kept)?;
                decline(tx, &hooks, &caller, &event.collection, (&kept, &proposal), &request.comment)
                    .map_err(|cause| named(cause, &request.name))
            })
        });
        done.await?;
        Ok(Response::new(()))
    }
}

/// An accepted proposal, before it is stored.
struct Work {
    event: Loaded,
    kept: Kept,
    data: Vec<u8>,
    prepared: kontor_collection::Prepared<crate::hook::Parsed>,
}

impl Core {
    async fn accepted(&self, caller: &Caller, name: &str) -> Result<Work> {
        let (hooks, asking, wanted) = (self.hooks.clone(), caller.clone(), name.to_owned());
        let (event, kept) = self.db.read_few(move |conn| find(conn, &hooks, &asking, &wanted)).await?;
        event.must_be_writable(EVENTS)?;
        let proposal = proposal_of(&kept)?;
        let now = self.hooks.clock.now();
        let data = counter::accepted(&event.object.data, &event.name(EVENTS), &proposal, &event.zone, now)?;
        let prepared = self.hooks.prepare(caller, data.clone().into()).await?;
        Ok(Work { event, kept, data, prepared })
    }
}

fn find(
    conn: &mut Conn<'_>,
    hooks: &crate::hook::CalendarHooks,
    caller: &Caller,
    name: &str,
) -> Result<(Loaded, Kept)> {
    let (event, id) = split(name)?;
    let missing = || Error::not_found(name);
    let event = load(conn, hooks, caller, EVENTS, event).map_err(|cause| match cause.reason() {
        "NOT_FOUND" => missing(),
        _ => cause,
    })?;
    let kept = proposals::get(conn, event.object.num, id)?.ok_or_else(missing)?;
    Ok((event, kept))
}

/// The event's name and the proposal's id.
fn split(name: &str) -> Result<(&str, &str)> {
    let bad = || {
        let like = "calendars/{calendar}/events/{event}/proposals/{id}";
        Error::invalid("name", format!("{name:?} is not a name like {like}"))
    };
    let (event, id) = name.rsplit_once("/proposals/").ok_or_else(bad)?;
    id::parse_child("calendars", EVENTS.collection, event, "name").map_err(|_| bad())?;
    if id.is_empty() || id.len() > 64 { Err(bad()) } else { Ok((event, id)) }
}

fn own(conn: &mut Conn<'_>, copy: &Loaded) -> Result<Addresses> {
    let owner = &copy.collection.owner;
    Ok(Addresses::of(owner, &people::address(conn, owner)?))
}

/// Refuses what reached nobody.
fn must_be_sent(became: &Became, name: &str) -> Result<()> {
    let refused = |reason, why: &str| Err(Error::precondition(reason, why));
    match became {
        Became::Open | Became::Mailed => Ok(()),
        Became::NoUser | Became::NoMeeting => {
            refused("NO_SUCH_MEETING", "the organizer has no such meeting any more")
        }
        Became::Refused(Standing::NoInstance) => Err(Error::not_found(format!("the instance of {name}"))),
        Became::Refused(Standing::NotInvited) => {
            refused("NOT_INVITED", "the organizer's meeting does not name this guest")
        }
        Became::Refused(Standing::Outdated) => {
            refused("OUTDATED", "the meeting changed meanwhile: look at it again")
        }
        Became::Refused(Standing::Same | Standing::Open) => {
            Err(Error::invalid("start", "nothing differs from the meeting: propose another time or place"))
        }
    }
}

fn message(name: String, proposal: &Proposal, create_time: i64) -> proto::Proposal {
    proto::Proposal {
        name,
        attendee: proposal.attendee.clone(),
        original_start_time: proposal.instance.map(|at| to_proto(at.saturating_mul(1_000_000))),
        start: Some(convert::time_message(&proposal.start)),
        end: proposal.end.as_ref().map(convert::time_message),
        location: proposal.location.clone(),
        comment: proposal.comment.clone(),
        create_time: Some(to_proto(create_time)),
    }
}
