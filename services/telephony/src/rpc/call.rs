//! CallService: calls from telephone systems and calls logged by hand.
//! Called by the gateway and by other services.
//!
//! Everyone in the company sees all calls. A call is changed by its user, that user's team leaders and admins;
//! one that nobody had, by everyone.

use kontor_kit::auth::{Caller, Guard};
use kontor_kit::context::Context;
use kontor_kit::mask::Mask;
use kontor_kit::page::Query;
use kontor_kit::{Error, Result, id, replay, resource};
use kontor_proto::telephony::v1 as proto;
use kontor_proto::telephony::v1::call_service_server::CallService;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Request, Response, Status};

use super::{convert, draft, pop};
use crate::domain::entry::{Entry, Match};
use crate::intake::Intake;
use crate::{events, store};

/// The service.
pub struct Calls {
    pub(super) context: Context,
    pub(super) intake: Intake,
    pops: pop::Pops,
}

type Answer<T> = std::result::Result<Response<T>, Status>;

const FIELDS: [&str; 3] = ["note", "partner", "opportunity"];
/// Patience for the one open opportunity of a partner.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(2);

impl Calls {
    pub(super) fn new(context: &Context, intake: &Intake) -> Self {
        Calls { context: context.clone(), intake: intake.clone(), pops: pop::Pops::new(context, intake) }
    }

    /// The partner, when one is named, must be there for the caller; so must the opportunity.
    async fn check_links(&self, caller: &Caller, partner: &str, opportunity: &str) -> Result<()> {
        if !partner.is_empty() {
            id::parse("partners", partner, "call.partner")?;
            let found = self.intake.peers.partner(caller, partner).await;
            found.map_err(|cause| absent("call.partner", partner, cause))?;
        }
        if !opportunity.is_empty() {
            id::parse("opportunities", opportunity, "call.opportunity")?;
            let found = self.intake.peers.opportunity(caller, opportunity).await;
            found.map_err(|cause| absent("call.opportunity", opportunity, cause))?;
        }
        Ok(())
    }

    /// Partner and opportunity of a call logged by hand: those that are given, else those of its number.
    async fn link_new(&self, call: &mut Entry, given: &proto::Call, caller: &Caller) -> Result<()> {
        self.check_links(caller, &given.partner, &given.opportunity).await?;
        let now = self.intake.db.clock().now();
        call.opportunity_by_hand = !given.opportunity.is_empty();
        call.opportunity.clone_from(&given.opportunity);
        if !given.partner.is_empty() {
            call.partner_by_hand = true;
            call.partner.clone_from(&given.partner);
            if !call.opportunity_by_hand {
                call.opportunity = self.only_open(&given.partner).await;
            }
            return Ok(());
        }
        match self.intake.peers.find_now(&call.e164).await {
            Ok(found) => call.link(&found, now),
            // the call is kept in any case; its partner follows
            Err(_) => call.link_later(now),
        }
        Ok(())
    }

    pub(super) async fn only_open(&self, partner: &str) -> String {
        self.intake.peers.only_open(partner, PATIENCE).await.unwrap_or_default()
    }
}

pub(super) fn absent(field: &str, name: &str, cause: Error) -> Error {
    match cause.code() {
        Code::NotFound => Error::invalid(field, format!("{name} does not exist or you may not see it")),
        _ => cause,
    }
}

#[tonic::async_trait]
impl CallService for Calls {
    type WatchCallPopsStream = ReceiverStream<std::result::Result<proto::CallPop, Status>>;

    async fn list_calls(
        &self,
        request: Request<proto::ListCallsRequest>,
    ) -> Answer<proto::ListCallsResponse> {
        let caller = Caller::of(&request)?;
        let proto::ListCallsRequest { page_size, page_token, filter, order_by } = request.into_inner();
        let query = Query { page_size, page_token, filter, order_by };
        let page = self
            .intake
            .db
            .read_list(query.kind(&caller), move |conn| store::call::list(conn, &caller, &query))
            .await?;
        let page = page.map(|call| convert::call(&call));
        let (calls, next_page_token) = (page.rows, page.next_page_token);
        Ok(Response::new(proto::ListCallsResponse { calls, next_page_token }))
    }

    async fn get_call(&self, request: Request<proto::GetCallRequest>) -> Answer<proto::Call> {
        Caller::of(&request)?;
        let id = id::parse("calls", &request.get_ref().name, "name")?.to_owned();
        let call: Entry = self.intake.db.read_few(move |conn| resource::get(conn, &id)).await?;
        Ok(Response::new(convert::call(&call)))
    }

    async fn create_call(&self, request: Request<proto::CreateCallRequest>) -> Answer<proto::Call> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let given = request.call.clone().ok_or_else(|| Error::invalid("call", "it is missing"))?;
        let now = self.intake.db.clock().now();
        let mut call = draft::read(&given, &caller, &self.context.company.region, now)?;
        self.link_new(&mut call, &given, &caller).await?;
        if request.validate_only {
            return Ok(Response::new(convert::call(&call)));
        }
        let answer = self
            .intake
            .db
            .write(move |tx| {
                replay::once(tx, &caller, &request.request_id, &request, |tx| {
                    let mut call = call.clone();
                    events::ended(tx, &mut call);
                    resource::insert(tx, &call)?;
                    Ok(convert::call(&call))
                })
            })
            .await?;
        Ok(Response::new(answer))
    }

    async fn update_call(&self, request: Request<proto::UpdateCallRequest>) -> Answer<proto::Call> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let given = request.call.clone().ok_or_else(|| Error::invalid("call", "it is missing"))?;
        let id = id::parse("calls", &given.name, "call.name")?.to_owned();
        let mask = Mask::read(request.update_mask.as_ref(), &FIELDS, &fields_set(&given))?;
        draft::check_note(&given.note)?;
        let named = |field: &str, value: &str| if mask.has(field) { value.to_owned() } else { String::new() };
        let (partner, opportunity) =
            (named("partner", &given.partner), named("opportunity", &given.opportunity));
        self.check_links(&caller, &partner, &opportunity).await?;
        let only_open = if partner.is_empty() { String::new() } else { self.only_open(&partner).await };
        let answer = self
            .intake
            .db
            .write(move |tx| {
                replay::once(tx, &caller, &request.request_id, &request, |tx| {
                    let mut call = store::call::hold(tx, &id)?;
                    may_change(&caller, &call)?;
                    resource::check_etag(&call, &given.etag)?;
                    apply(&mask, &given, &only_open, &mut call);
                    if call.is_ended() && call.due.is_none() {
                        events::ended(tx, &mut call);
                    }
                    resource::update(tx, &mut call)?;
                    Ok(convert::call(&call))
                })
            })
            .await?;
        Ok(Response::new(answer))
    }

    async fn start_call(&self, request: Request<proto::StartCallRequest>) -> Answer<proto::Call> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(self.start(caller, request.into_inner()).await?))
    }

    async fn watch_call_pops(
        &self,
        request: Request<proto::WatchCallPopsRequest>,
    ) -> Answer<Self::WatchCallPopsStream> {
        let caller = Caller::of(&request)?;
        let stream = self.pops.watch(caller, &request.get_ref().user).await?;
        Ok(Response::new(stream))
    }
}

fn may_change(caller: &Caller, call: &Entry) -> Result<()> {
    if caller.may_write(&Guard::new(&call.user, &call.team)) || call.user.is_empty() {
        return Ok(());
    }
    Err(Error::denied(format!(
        "{} is the call of {}: ask them or their team's leader",
        call.name(),
        call.user
    )))
}

fn fields_set(given: &proto::Call) -> Vec<&'static str> {
    let set = [("note", &given.note), ("partner", &given.partner), ("opportunity", &given.opportunity)];
    set.into_iter().filter(|(_, value)| !value.is_empty()).map(|(field, _)| field).collect()
}

fn apply(mask: &Mask, given: &proto::Call, only_open: &str, call: &mut Entry) {
    if mask.has("note") {
        call.note.clone_from(&given.note);
    }
    if mask.has("opportunity") {
        call.opportunity.clone_from(&given.opportunity);
        call.opportunity_by_hand = true;
    }
    if mask.has("partner") {
        // the opportunity follows the partner, unless a person chose it
        let partners = Some(given.partner.clone()).filter(|name| !name.is_empty());
        let found = Match {
            partners: partners.into_iter().collect(),
            opportunity: only_open.to_owned(),
            complete: true,
        };
        call.partner_by_hand = false;
        call.link(&found, 0);
        call.partner_by_hand = true;
    }
}
