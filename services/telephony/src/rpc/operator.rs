//! OperatorService: protobuf to domain and back.
//! Called by the gateway: by operators' screens, team leaders and administrators.

use kontor_kit::auth::Caller;
use kontor_kit::db::{Conn, Db, Tx};
use kontor_kit::mask::Mask;
use kontor_kit::page::Query;
use kontor_kit::resource::{self, Stored};
use kontor_kit::{Error, Result, clock, id, replay};
use kontor_proto::telephony::v1 as proto;
use kontor_proto::telephony::v1::operator_service_server::OperatorService;
use tonic::{Request, Response, Status};

use crate::domain::operator::{MAX_SCOPES, MAX_WRAP_SECONDS, Operator, SILENCE_MICROS, State, TEXT};
use crate::store::operator::{Period, guard};
use crate::{operators, store};

/// The service.
pub struct Operators {
    pub(super) db: Db,
}

type Answer<T> = std::result::Result<Response<T>, Status>;

const FIELDS: [&str; 3] = ["queues", "call_lists", "wrap_up_duration"];

#[tonic::async_trait]
impl OperatorService for Operators {
    async fn list_operators(
        &self,
        request: Request<proto::ListOperatorsRequest>,
    ) -> Answer<proto::ListOperatorsResponse> {
        let caller = Caller::of(&request)?;
        let proto::ListOperatorsRequest { page_size, page_token, filter, order_by } = request.into_inner();
        let query = Query { page_size, page_token, filter, order_by };
        let page = self.db.read(move |conn| store::operator::list(conn, &caller, &query)).await?;
        let page = page.map(|operator| to_proto(&operator));
        let (operators, next_page_token) = (page.rows, page.next_page_token);
        Ok(Response::new(proto::ListOperatorsResponse { operators, next_page_token }))
    }

    async fn get_operator(&self, request: Request<proto::GetOperatorRequest>) -> Answer<proto::Operator> {
        let caller = Caller::of(&request)?;
        let name = request.into_inner().name;
        Ok(Response::new(to_proto(&self.read(caller, name).await?)))
    }

    async fn update_operator(
        &self,
        request: Request<proto::UpdateOperatorRequest>,
    ) -> Answer<proto::Operator> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let given = request.operator.clone().ok_or_else(|| Error::invalid("operator", "it is missing"))?;
        let id = operator_id(&caller, &given.name, "operator.name")?;
        let mask = Mask::read(request.update_mask.as_ref(), &FIELDS, &fields_set(&given))?;
        let change = Change::read(&mask, &given)?;
        let answer = self
            .db
            .write(move |tx| {
                replay::once(tx, &caller, &request.request_id, &request, |tx| {
                    let (mut operator, is_new) = hold(tx, &caller, &id, &given.name)?;
                    resource::check_etag(&operator, &given.etag)?;
                    change.must_be_seen(tx, &caller, &operator)?;
                    change.apply(&mut operator);
                    if is_new {
                        resource::insert(tx, &operator)?;
                    } else {
                        resource::update(tx, &mut operator)?;
                    }
                    Ok(to_proto(&operator))
                })
            })
            .await?;
        Ok(Response::new(answer))
    }

    async fn set_operator_state(
        &self,
        request: Request<proto::SetOperatorStateRequest>,
    ) -> Answer<proto::Operator> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let id = operator_id(&caller, &request.name, "name")?;
        let state = State::from_number(request.state)
            .ok_or_else(|| Error::invalid("state", "give AVAILABLE, BREAK or OFFLINE"))?;
        let reason = reason(state, &request.break_reason)?;
        let answer = self
            .db
            .write(move |tx| {
                replay::once(tx, &caller, &request.request_id, &request, |tx| {
                    let (before, is_new) = hold(tx, &caller, &id, &request.name)?;
                    resource::check_etag(&before, &request.etag)?;
                    let mut operator = before.clone();
                    if caller.user == id && !caller.belongs_to(&operator.team) {
                        operator.team = caller.first_team();
                    }
                    operator.set(state, &reason, tx.now())?;
                    let before = (!is_new).then_some(&before);
                    operators::change(tx, before, &mut operator, &caller.name())?;
                    Ok(to_proto(&operator))
                })
            })
            .await?;
        Ok(Response::new(answer))
    }

    async fn send_heartbeat(
        &self,
        request: Request<proto::SendHeartbeatRequest>,
    ) -> Answer<proto::SendHeartbeatResponse> {
        let caller = Caller::of(&request)?;
        let id = operator_id(&caller, &request.get_ref().name, "name")?;
        if id != caller.user {
            return Err(Error::denied("a sign of life can only be one's own").into());
        }
        let seen = self.db.write(move |tx| Ok((store::operator::seen(tx, &id)?, tx.now()))).await?;
        let expire_time = seen.0.then(|| clock::to_proto(seen.1 + SILENCE_MICROS));
        Ok(Response::new(proto::SendHeartbeatResponse { expire_time }))
    }

    async fn list_operator_states(
        &self,
        request: Request<proto::ListOperatorStatesRequest>,
    ) -> Answer<proto::ListOperatorStatesResponse> {
        let caller = Caller::of(&request)?;
        let proto::ListOperatorStatesRequest { parent, page_size, page_token } = request.into_inner();
        let operator = self.read(caller.clone(), parent).await?;
        let query = Query { page_size, page_token, ..Query::default() };
        let page =
            self.db.read(move |conn| store::operator::periods(conn, &caller, &operator.id, &query)).await?;
        let page = page.map(period_to_proto);
        let (periods, next_page_token) = (page.rows, page.next_page_token);
        Ok(Response::new(proto::ListOperatorStatesResponse { periods, next_page_token }))
    }
}

impl Operators {
    /// One that the caller may see.
    async fn read(&self, caller: Caller, name: String) -> Result<Operator> {
        let id = operator_id(&caller, &name, "name")?;
        let now = self.db.clock().now();
        self.db
            .read_few(move |conn| {
                let found = resource::get::<Operator>(conn, &id);
                let operator = match found {
                    Err(cause) if cause.is_not_found() && id == caller.user => {
                        Operator::new(&id, &caller.first_team(), now)
                    }
                    found => found.map_err(|cause| hidden(cause, &name))?,
                };
                caller.must_read(&guard(&operator), &name)?;
                Ok(operator)
            })
            .await
    }
}

fn hidden(cause: Error, name: &str) -> Error {
    if cause.is_not_found() { Error::not_found(name) } else { cause }
}

/// The operator to be changed, and whether it is new: only the user makes it, by the first call.
fn hold(tx: &mut Tx<'_>, caller: &Caller, id: &str, name: &str) -> Result<(Operator, bool)> {
    let now = tx.now();
    match store::operator::hold(tx, id)? {
        Some(operator) => {
            caller.must_write(&guard(&operator), name)?;
            Ok((operator, false))
        }
        None if id == caller.user => Ok((Operator::new(id, &caller.first_team(), now), true)),
        None => Err(Error::not_found(name)),
    }
}

/// The id in an operator's name; "operators/me" is the caller.
fn operator_id(caller: &Caller, name: &str, field: &str) -> Result<String> {
    match id::parse("operators", name, field)? {
        "me" if caller.user.is_empty() => Err(Error::not_found(name)),
        "me" => Ok(caller.user.clone()),
        operator => Ok(operator.to_owned()),
    }
}

fn reason(state: State, given: &str) -> Result<String> {
    let given = given.trim();
    if given.chars().count() > TEXT || given.chars().any(char::is_control) {
        return Err(Error::invalid("break_reason", format!("use at most {TEXT} characters on one line")));
    }
    match (state, given) {
        (State::Break, "") => Err(Error::invalid("break_reason", "say why, for example \"lunch\"")),
        (State::Break, given) => Ok(given.to_owned()),
        (_, "") => Ok(String::new()),
        _ => Err(Error::invalid("break_reason", "only a break has one")),
    }
}

fn fields_set(given: &proto::Operator) -> Vec<&'static str> {
    let set = [
        ("queues", !given.queues.is_empty()),
        ("call_lists", !given.call_lists.is_empty()),
        ("wrap_up_duration", given.wrap_up_duration.is_some()),
    ];
    set.into_iter().filter(|(_, is_set)| *is_set).map(|(field, _)| field).collect()
}

/// New values, checked.
struct Change {
    queues: Option<Vec<String>>,
    call_lists: Option<Vec<String>>,
    wrap_seconds: Option<i64>,
}

impl Change {
    fn read(mask: &Mask, given: &proto::Operator) -> Result<Change> {
        let queues = mask.has("queues").then(|| queues(&given.queues)).transpose()?;
        let call_lists = mask.has("call_lists").then(|| call_lists(&given.call_lists)).transpose()?;
        let wrap_seconds = mask.has("wrap_up_duration").then(|| wrap(given)).transpose()?;
        Ok(Change { queues, call_lists, wrap_seconds })
    }

    /// A dialler gives calls of these lists to the operator: whoever says so must see those that are new.
    fn must_be_seen(&self, conn: &mut Conn<'_>, caller: &Caller, operator: &Operator) -> Result<()> {
        let wanted = self.call_lists.iter().flatten();
        for name in wanted.filter(|name| !operator.call_lists.contains(name)) {
            let list = id::parse("callLists", name, "operator.call_lists")?;
            if let Err(cause) = store::call_list::get(conn, caller, list) {
                let missing = || Error::invalid("operator.call_lists", format!("{name} does not exist"));
                return Err(if cause.is_not_found() { missing() } else { cause });
            }
        }
        Ok(())
    }

    fn apply(&self, operator: &mut Operator) {
        if let Some(queues) = &self.queues {
            operator.queues.clone_from(queues);
        }
        if let Some(call_lists) = &self.call_lists {
            operator.call_lists.clone_from(call_lists);
        }
        if let Some(seconds) = self.wrap_seconds {
            operator.wrap_seconds = seconds;
        }
    }
}

fn queues(given: &[String]) -> Result<Vec<String>> {
    let bad = |queue: &&String| {
        queue.trim().is_empty() || queue.chars().count() > TEXT || queue.chars().any(char::is_control)
    };
    if let Some(queue) = given.iter().find(bad) {
        let message = format!("{queue:?} is no queue: use 1 to {TEXT} characters on one line");
        return Err(Error::invalid("operator.queues", message));
    }
    few("operator.queues", given.iter().map(|queue| queue.trim().to_owned()).collect())
}

fn call_lists(given: &[String]) -> Result<Vec<String>> {
    for call_list in given {
        id::parse("callLists", call_list, "operator.call_lists")?;
    }
    few("operator.call_lists", given.to_vec())
}

fn few(field: &str, mut names: Vec<String>) -> Result<Vec<String>> {
    names.sort();
    names.dedup();
    if names.len() > MAX_SCOPES {
        return Err(Error::invalid(field, format!("name at most {MAX_SCOPES}")));
    }
    Ok(names)
}

fn wrap(given: &proto::Operator) -> Result<i64> {
    let duration = given.wrap_up_duration.unwrap_or_default();
    if duration.nanos != 0 || !(0..=MAX_WRAP_SECONDS).contains(&duration.seconds) {
        let message = format!("use 0 to {MAX_WRAP_SECONDS} whole seconds");
        return Err(Error::invalid("operator.wrap_up_duration", message));
    }
    Ok(duration.seconds)
}

/// An operator as callers see it.
pub(super) fn to_proto(operator: &Operator) -> proto::Operator {
    let of = &operator.of;
    proto::Operator {
        name: operator.name(),
        state: operator.state as i32,
        break_reason: operator.reason.clone(),
        since_time: Some(clock::to_proto(operator.since)),
        call: call_name(&of.call),
        call_list: of.call_list.clone(),
        queue: of.queue.clone(),
        wrap_up_end_time: operator.due.map(clock::to_proto),
        queues: operator.queues.clone(),
        call_lists: operator.call_lists.clone(),
        wrap_up_duration: Some(prost_types::Duration { seconds: operator.wrap_seconds, nanos: 0 }),
        team: operator.team.clone(),
        etag: operator.etag(),
    }
}

fn call_name(id: &str) -> String {
    if id.is_empty() { String::new() } else { format!("calls/{id}") }
}

fn period_to_proto(period: Period) -> proto::OperatorStatePeriod {
    proto::OperatorStatePeriod {
        state: period.state as i32,
        break_reason: period.reason,
        start_time: Some(clock::to_proto(period.start)),
        end_time: period.end.map(clock::to_proto),
        call: call_name(&period.call),
        actor: period.actor,
    }
}
