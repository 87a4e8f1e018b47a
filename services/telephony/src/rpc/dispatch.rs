//! DispatchService: who calls whom next, and what came of it.
//! Called by the gateway.

use std::sync::Arc;

use kontor_kit::auth::Caller;
use kontor_kit::context::Context;
use kontor_kit::db::{Conn, Tx};
use kontor_kit::resource::{self, Stored};
use kontor_kit::{Error, Result, clock, id, replay};
use kontor_proto::telephony::v1 as proto;
use kontor_proto::telephony::v1::dispatch_service_server::DispatchService;
use tonic::{Request, Response, Status};

use super::call_list::{Answer, entry_ids, list_id};
use super::list_convert;
use super::plans::Plans;
use super::takes::{self, Takes};
use crate::domain::call_list::{CallList, State};
use crate::domain::do_not_call::{ASKED, DoNotCall};
use crate::domain::entry::Entry as Call;
use crate::domain::entry_import::check_note;
use crate::domain::list_entry::{Cancel, ListEntry, Outcome, Reason, State as EntryState, do_not_call};
use crate::intake::Intake;
use crate::store::lease::{self, PLAN_IS_OLD, Plan, Taker};
use crate::{list_events, store};

/// The service. Cheap to clone.
#[derive(Clone)]
pub struct Dispatch {
    pub(super) context: Context,
    pub(super) intake: Intake,
    pub(super) plans: Plans,
    pub(super) takes: Takes,
}

/// Lists that one take looks through.
const LISTS: i64 = 20;
/// How often a take looks again when lists change under it.
const TRIES: usize = 4;

#[tonic::async_trait]
impl DispatchService for Dispatch {
    async fn take_next_call(
        &self,
        request: Request<proto::TakeNextCallRequest>,
    ) -> Answer<proto::TakeNextCallResponse> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(self.take(&caller, request.into_inner()).await?))
    }

    async fn start_dial(&self, request: Request<proto::StartDialRequest>) -> Answer<proto::CallListEntry> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let names = entry_ids(&request.name, "name")?;
        let zone = self.context.company.time_zone.clone();
        let answer = self.intake.db.write(move |tx| {
            replay::once(tx, &caller, &request.request_id, &request, |tx| {
                let (list, old) = leased(tx, &caller, &names, &request.lease_token)?;
                if store::do_not_call::has(tx, &old.e164)? {
                    return Err(do_not_call(&old.full_name()));
                }
                let mut entry = old.clone();
                let happened = entry.start_dial(&list, &zone, tx.now())?;
                store::list_entry::update(tx, &list, &old, &mut entry)?;
                list_events::happened(tx, &list, &entry, &caller.name(), vec![happened]);
                Ok(list_convert::entry(&entry, &zone))
            })
        });
        Ok(Response::new(answer.await?))
    }

    async fn extend_lease(
        &self,
        request: Request<proto::ExtendLeaseRequest>,
    ) -> Answer<proto::ExtendLeaseResponse> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let names = entry_ids(&request.name, "name")?;
        let answer = self.intake.db.write(move |tx| {
            let (list, mut entry) = leased(tx, &caller, &names, &request.lease_token)?;
            let until = entry.extend(&list, tx.now());
            lease::give_back(tx, &mut entry)?;
            Ok(proto::ExtendLeaseResponse { lease_expire_time: Some(clock::to_proto(until)) })
        });
        Ok(Response::new(answer.await?))
    }

    async fn release_entry(
        &self,
        request: Request<proto::ReleaseEntryRequest>,
    ) -> Answer<proto::CallListEntry> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let names = entry_ids(&request.name, "name")?;
        let zone = self.context.company.time_zone.clone();
        let answer = self.intake.db.write(move |tx| {
            replay::once(tx, &caller, &request.request_id, &request, |tx| {
                let (list, mut entry) = leased(tx, &caller, &names, &request.lease_token)?;
                let happened = entry.release(false, tx.now())?;
                lease::give_back(tx, &mut entry)?;
                list_events::happened(tx, &list, &entry, &caller.name(), vec![happened]);
                Ok(list_convert::entry(&entry, &zone))
            })
        });
        Ok(Response::new(answer.await?))
    }

    async fn record_outcome(
        &self,
        request: Request<proto::RecordOutcomeRequest>,
    ) -> Answer<proto::CallListEntry> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let names = entry_ids(&request.name, "name")?;
        let outcome = list_convert::outcome(&request)?;
        check_note(&request.note).map_err(|fault| Error::invalid("note", fault.message))?;
        if !request.call.is_empty() {
            id::parse("calls", &request.call, "call")?;
        }
        let zone = self.context.company.time_zone.clone();
        let answer = self.intake.db.write(move |tx| {
            replay::once(tx, &caller, &request.request_id, &request, |tx| {
                let (list, old) = leased(tx, &caller, &names, &request.lease_token)?;
                let entry = record(tx, &caller, &list, &old, &request, outcome, &zone)?;
                Ok(list_convert::entry(&entry, &zone))
            })
        });
        Ok(Response::new(answer.await?))
    }

    async fn get_lease(&self, request: Request<proto::GetLeaseRequest>) -> Answer<proto::GetLeaseResponse> {
        let caller = Caller::of(&request)?;
        let (list, id) = entry_ids(&request.get_ref().name, "name")?;
        let now = self.intake.db.clock().now();
        let read = move |conn: &mut Conn<'_>| {
            let (_, entry) = store::list_entry::get(conn, &caller, &list, &id)?;
            entry.must_be_of(&caller.name(), now)?;
            Ok(entry)
        };
        let entry = self.intake.db.read_few(read).await?;
        let lease_token = entry.token();
        let entry = Some(list_convert::entry(&entry, &self.context.company.time_zone));
        Ok(Response::new(proto::GetLeaseResponse { entry, lease_token }))
    }

    async fn cancel_call_list_entry(
        &self,
        request: Request<proto::CancelCallListEntryRequest>,
    ) -> Answer<proto::CallListEntry> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let (list, entry) = entry_ids(&request.name, "name")?;
        let zone = self.context.company.time_zone.clone();
        let answer = self.intake.db.write(move |tx| {
            replay::once(tx, &caller, &request.request_id, &request, |tx| {
                let (list, old) = store::list_entry::hold(tx, &caller, &list, &entry)?;
                list.must_be_managed_by(&caller)?;
                if !request.etag.is_empty() && request.etag != old.etag() {
                    return Err(Error::etag_mismatch(old.full_name()));
                }
                if old.is_leased() && old.ready.is_some_and(|until| until > tx.now()) {
                    let message = format!("{} is being called: wait for the outcome", old.full_name());
                    return Err(Error::precondition("ENTRY_LEASED", message));
                }
                let mut entry = old.clone();
                let happened = entry.cancel(Cancel::ByHand, tx.now())?;
                store::list_entry::update(tx, &list, &old, &mut entry)?;
                list_events::happened(tx, &list, &entry, &caller.name(), happened);
                Ok(list_convert::entry(&entry, &zone))
            })
        });
        Ok(Response::new(answer.await?))
    }

    async fn create_opportunity_from_entry(
        &self,
        request: Request<proto::CreateOpportunityFromEntryRequest>,
    ) -> std::result::Result<Response<proto::CallListEntry>, Status> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(self.convert(&caller, request.into_inner()).await?))
    }
}

impl Dispatch {
    async fn take(
        &self,
        caller: &Caller,
        request: proto::TakeNextCallRequest,
    ) -> Result<proto::TakeNextCallResponse> {
        let db = &self.intake.db;
        let all = request.parent == "callLists/-";
        let ids = if all {
            let reader = caller.clone();
            db.read_few(move |conn| store::call_list::active(conn, &reader, LISTS)).await?
        } else {
            vec![list_id(&request.parent, "parent")?]
        };
        let mut anew = false;
        for _ in 0..TRIES {
            let (plans, fresh) = self.plans(caller, &ids, all, anew).await?;
            match self.take_from(caller, &plans, &request).await {
                Ok(answer) if answer.entry.is_some() => return Ok(answer),
                Ok(_) if fresh => return self.nothing(&plans).await,
                Ok(_) => {}
                Err(cause) if cause.reason() == PLAN_IS_OLD => {}
                Err(cause) => return Err(cause),
            }
            anew = true;
        }
        Err(Error::unavailable("the call lists change too often at the moment: try again"))
    }

    /// The plans of active lists, and whether all were read just now.
    async fn plans(
        &self,
        caller: &Caller,
        ids: &[String],
        all: bool,
        anew: bool,
    ) -> Result<(Vec<Arc<Plan>>, bool)> {
        let (mut plans, mut all_fresh) = (Vec::with_capacity(ids.len()), true);
        for id in ids {
            let (mut plan, mut fresh) = if anew {
                (self.plans.read(&self.intake.db, id).await?, true)
            } else {
                self.plans.get(&self.intake.db, id).await?
            };
            caller.must_read(&plan.list.guard(), &plan.list.name())?;
            if plan.list.state != State::Active && !fresh {
                (plan, fresh) = (self.plans.read(&self.intake.db, id).await?, true);
            }
            if plan.list.state == State::Active {
                plans.push(plan);
            } else if !all {
                let message = format!("{} is not active: its leaders resume it", plan.list.name());
                return Err(Error::precondition("LIST_NOT_ACTIVE", message));
            }
            all_fresh &= fresh;
        }
        Ok((plans, all_fresh))
    }

    async fn take_from(
        &self,
        caller: &Caller,
        plans: &[Arc<Plan>],
        request: &proto::TakeNextCallRequest,
    ) -> Result<proto::TakeNextCallResponse> {
        let zone = self.context.company.time_zone.clone();
        if let ([plan], true) = (plans, request.request_id.is_empty())
            && let Some(entry) = self.takes.next(&self.intake.db, plan, &caller.name(), &zone).await
        {
            return Ok(leased_answer(&entry, &zone));
        }
        let (caller, plans, request) = (caller.clone(), plans.to_vec(), request.clone());
        let secret = lease::secret()?;
        let take = move |tx: &mut Tx<'_>| {
            let answer = replay::once(tx, &caller, &request.request_id, &request, |tx| {
                let operator = caller.name();
                let taker = Taker { operator: &operator, secret: &secret };
                for plan in &plans {
                    if let Some(entry) = takes::take_one(tx, plan, taker, &zone)? {
                        return Ok(leased_answer(&entry, &zone));
                    }
                }
                Ok(proto::TakeNextCallResponse::default())
            })?;
            if answer.entry.is_none() && !request.request_id.is_empty() {
                // nothing to be repeated: the same request may find one later
                replay::forget::<proto::TakeNextCallRequest>(tx, &caller, &request.request_id)?;
            }
            Ok(answer)
        };
        self.intake.db.write(take).await
    }

    /// The answer without an entry: when to ask again.
    async fn nothing(&self, plans: &[Arc<Plan>]) -> Result<proto::TakeNextCallResponse> {
        let now = self.intake.db.clock().now();
        let plans = plans.to_vec();
        let next = self.intake.db.read_few(move |conn| {
            let mut next: Option<i64> = None;
            for plan in &plans {
                let due = lease::next_due(conn, &plan.list.id)?;
                next = next.into_iter().chain(due).chain(plan.next_opening(now)).min();
            }
            Ok(next)
        });
        let retry_time = next.await?.map(|next| clock::to_proto(next.max(now)));
        Ok(proto::TakeNextCallResponse { entry: None, lease_token: String::new(), retry_time })
    }
}

fn leased_answer(entry: &ListEntry, zone: &str) -> proto::TakeNextCallResponse {
    proto::TakeNextCallResponse {
        entry: Some(list_convert::entry(entry, zone)),
        lease_token: entry.token(),
        retry_time: None,
    }
}

/// The entry, held until the commit, if the token is that of its lease.
fn leased(
    tx: &mut Tx<'_>,
    caller: &Caller,
    (list, entry): &(String, String),
    token: &str,
) -> Result<(CallList, ListEntry)> {
    let (list, entry) = store::list_entry::hold(tx, caller, list, entry)?;
    entry.must_be_held_by(token, tx.now())?;
    Ok((list, entry))
}

fn record(
    tx: &mut Tx<'_>,
    caller: &Caller,
    list: &CallList,
    old: &ListEntry,
    request: &proto::RecordOutcomeRequest,
    outcome: Outcome,
    zone: &str,
) -> Result<ListEntry> {
    let now = tx.now();
    let mut entry = old.clone();
    if !request.note.is_empty() {
        entry.note.clone_from(&request.note);
    }
    if !request.call.is_empty() {
        must_be_of(tx, &request.call, caller, old)?;
        entry.call.clone_from(&request.call);
    }
    let mut happened = entry.record(list, zone, outcome, &caller.name(), now)?;
    // the number may have come onto the list while it was spoken with
    if entry.state == EntryState::Open && store::do_not_call::has(tx, &entry.e164)? {
        happened.extend(entry.cancel(Cancel::DoNotCall, now)?);
    }
    store::list_entry::update(tx, list, old, &mut entry)?;
    list_events::happened(tx, list, &entry, &caller.name(), happened);
    if outcome == Outcome::NotHeld(Reason::DoNotCall) {
        let number = DoNotCall::new(&entry.e164, ASKED, "", caller.name(), now);
        super::do_not_call::add(tx, &number)?;
    }
    Ok(entry)
}

/// Checks that a call is there, and is the operator's own or one of this entry.
fn must_be_of(conn: &mut Conn<'_>, name: &str, caller: &Caller, entry: &ListEntry) -> Result<()> {
    let wrong = |message: String| Err(Error::invalid("call", message));
    let Some(call) = resource::find::<Call>(conn, id::parse("calls", name, "call")?)? else {
        return wrong(format!("{name} does not exist"));
    };
    let of_entry = call.record.as_ref().is_some_and(|record| record.list_entry() == entry.full_name());
    if of_entry || call.user == caller.name() || entry.call == name {
        return Ok(());
    }
    wrong(format!("{name} is neither your own nor one of {}", entry.full_name()))
}
