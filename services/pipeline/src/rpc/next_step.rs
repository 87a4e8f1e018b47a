//! NextStepService: protobuf to domain and back. What happens to a step, with its event, stands in next_steps.rs.
//! Called by the gateway and by other services.

use std::sync::{Arc, Mutex, PoisonError};

use jiff::tz::TimeZone;
use kontor_kit::auth::Caller;
use kontor_kit::db::{Db, Tx};
use kontor_kit::mask::Mask;
use kontor_kit::page::Query;
use kontor_kit::resource::{self, Stored};
use kontor_kit::{Error, Result, id, replay};
use kontor_proto::pipeline::v1 as proto;
use kontor_proto::pipeline::v1::next_step::Due;
use kontor_proto::pipeline::v1::next_step_service_server::NextStepService;
use prost::{Message, Name};
use tonic::{Code, Request, Response, Status};

use crate::domain::next_step::{Facts, NextStep};
use crate::domain::opportunity::Opportunity;
use crate::{next_steps, store};

/// The service.
pub struct NextSteps {
    pub(super) db: Db,
    /// The company's, in which days end.
    pub(super) zone: TimeZone,
}

type Answer<T> = std::result::Result<Response<T>, Status>;

/// Fields that UpdateNextStep takes.
const FIELDS: [&str; 4] = ["title", "note", "due_date", "due_time"];
/// Reason of the error that takes a rehearsal back.
const REHEARSAL: &str = "REHEARSAL";

#[tonic::async_trait]
impl NextStepService for NextSteps {
    async fn list_next_steps(
        &self,
        request: Request<proto::ListNextStepsRequest>,
    ) -> Answer<proto::ListNextStepsResponse> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let deal = id::parse("opportunities", &request.parent, "parent")?.to_owned();
        let late = request.overdue.then(|| self.db.clock().now());
        let query = Query {
            page_size: request.page_size,
            page_token: request.page_token,
            filter: request.filter,
            order_by: request.order_by,
        };
        let page = self
            .db
            .read(move |conn| {
                if deal == "-" {
                    return store::next_step::list(conn, &caller, &query, "", late);
                }
                let deal = store::opportunity::get(conn, &caller, &deal)?;
                store::next_step::list(conn, &caller, &query, &deal.name(), late)
            })
            .await?
            .map(|step| next_steps::message(&step));
        Ok(Response::new(proto::ListNextStepsResponse {
            next_steps: page.rows,
            next_page_token: page.next_page_token,
        }))
    }

    async fn get_next_step(&self, request: Request<proto::GetNextStepRequest>) -> Answer<proto::NextStep> {
        let caller = Caller::of(&request)?;
        let name = request.into_inner().name;
        let step = self.db.read_few(move |conn| store::next_step::get(conn, &caller, &name, "name")).await?;
        Ok(Response::new(next_steps::message(&step)))
    }

    async fn create_next_step(
        &self,
        request: Request<proto::CreateNextStepRequest>,
    ) -> Answer<proto::NextStep> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let deal = id::parse("opportunities", &request.parent, "parent")?.to_owned();
        let new = request.next_step.as_ref();
        let new = new.ok_or_else(|| Error::invalid("next_step", "it is missing"))?;
        let facts = next_steps::facts(new, "next_step", &self.zone)?;
        let (rehearse, request_id) = (request.validate_only, request.request_id.clone());
        let answer = self
            .write(rehearse, &caller.clone(), &request_id, request, move |tx| {
                let deal = store::opportunity::get_for_change(tx, &caller, &deal, "")?;
                let step = next_steps::create(tx, &caller, &deal, facts.clone())?;
                Ok(next_steps::message(&step))
            })
            .await?;
        Ok(Response::new(answer))
    }

    async fn update_next_step(
        &self,
        request: Request<proto::UpdateNextStepRequest>,
    ) -> Answer<proto::NextStep> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let new = request.next_step.clone();
        let new = new.ok_or_else(|| Error::invalid("next_step", "it is missing"))?;
        let mask = Mask::read(request.update_mask.as_ref(), &FIELDS, &fields_set(&new))?;
        let (rehearse, request_id, zone) =
            (request.validate_only, request.request_id.clone(), self.zone.clone());
        let answer = self
            .write(rehearse, &caller.clone(), &request_id, request, move |tx| {
                let (deal, mut step) = held(tx, &caller, &new.name, "next_step.name", &new.etag)?;
                let facts = merged(&step, &new, &mask, &zone)?;
                next_steps::change(tx, &caller.name(), &deal, &mut step, facts)?;
                Ok(next_steps::message(&step))
            })
            .await?;
        Ok(Response::new(answer))
    }

    async fn complete_next_step(
        &self,
        request: Request<proto::CompleteNextStepRequest>,
    ) -> Answer<proto::CompleteNextStepResponse> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let following = request.following.as_ref();
        let following = following.map(|new| next_steps::facts(new, "following", &self.zone)).transpose()?;
        let (rehearse, request_id) = (request.validate_only, request.request_id.clone());
        let (name, etag) = (request.name.clone(), request.etag.clone());
        let answer = self
            .write(rehearse, &caller.clone(), &request_id, request, move |tx| {
                let (deal, mut step) = held(tx, &caller, &name, "name", &etag)?;
                next_steps::complete(tx, &caller.name(), &deal, &mut step, following.is_some())?;
                let following = following.clone();
                let following =
                    following.map(|facts| next_steps::create(tx, &caller, &deal, facts)).transpose()?;
                Ok(proto::CompleteNextStepResponse {
                    completed: Some(next_steps::message(&step)),
                    needs_next_step: following.is_none(),
                    following: following.as_ref().map(next_steps::message),
                })
            })
            .await?;
        Ok(Response::new(answer))
    }

    async fn drop_next_step(&self, request: Request<proto::DropNextStepRequest>) -> Answer<proto::NextStep> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let (rehearse, request_id) = (request.validate_only, request.request_id.clone());
        let (name, etag) = (request.name.clone(), request.etag.clone());
        let answer = self
            .write(rehearse, &caller.clone(), &request_id, request, move |tx| {
                let (deal, mut step) = held(tx, &caller, &name, "name", &etag)?;
                next_steps::give_up(tx, &caller.name(), &deal, &mut step, false)?;
                Ok(next_steps::message(&step))
            })
            .await?;
        Ok(Response::new(answer))
    }
}

impl NextSteps {
    /// Runs a write once for its request id; a rehearsal (`validate_only`) answers the same and is taken back.
    async fn write<Q, A, F>(
        &self,
        rehearse: bool,
        caller: &Caller,
        request_id: &str,
        request: Q,
        mut job: F,
    ) -> Result<A>
    where
        Q: Message + Name + 'static,
        A: Message + Default + Clone + 'static,
        F: FnMut(&mut Tx<'_>) -> Result<A> + Send + 'static,
    {
        let (caller, request_id) = (caller.clone(), request_id.to_owned());
        if !rehearse {
            let run = move |tx: &mut Tx<'_>| replay::once(tx, &caller, &request_id, &request, &mut job);
            return self.db.write(run).await;
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

/// A step that the caller may change and that has this etag (any, when empty), with its opportunity, held until the commit.
fn held(
    tx: &mut Tx<'_>,
    caller: &Caller,
    name: &str,
    field: &str,
    etag: &str,
) -> Result<(Opportunity, NextStep)> {
    let (deal, _) = id::parse_child("opportunities", "nextSteps", name, field)?;
    let missing = |cause: Error| match cause.code() {
        Code::NotFound => Error::not_found(name),
        _ => cause,
    };
    let deal = store::opportunity::get_for_change(tx, caller, deal, "").map_err(missing)?;
    let step = store::next_step::get(tx, caller, name, field)?;
    resource::check_etag(&step, etag)?;
    Ok((deal, step))
}

/// The fields that a message has set.
fn fields_set(step: &proto::NextStep) -> Vec<&'static str> {
    let set = [
        !step.title.is_empty(),
        !step.note.is_empty(),
        matches!(step.due, Some(Due::DueDate(_))),
        matches!(step.due, Some(Due::DueTime(_))),
    ];
    FIELDS.into_iter().zip(set).filter(|(_, set)| *set).map(|(field, _)| field).collect()
}

/// The old facts with those of the mask taken from the message.
fn merged(old: &NextStep, new: &proto::NextStep, mask: &Mask, zone: &TimeZone) -> Result<Facts> {
    let mut facts = old.facts.clone();
    if mask.has("title") {
        facts.title.clone_from(&new.title);
    }
    if mask.has("note") {
        facts.note.clone_from(&new.note);
    }
    // One mask may name both, as "*" does: the one that is set counts.
    if mask.has("due_date") || mask.has("due_time") {
        let named = match &new.due {
            Some(Due::DueDate(_)) => mask.has("due_date"),
            Some(Due::DueTime(_)) => mask.has("due_time"),
            None => false,
        };
        if !named {
            return Err(Error::invalid(
                "next_step.due_date",
                "say by when: set due_date or due_time, and name it in the mask",
            ));
        }
        facts.due = next_steps::due(new, "next_step", zone)?;
    }
    facts.checked("next_step")
}
