//! CallListService: lists and their entries, protobuf to domain and back. The import stands in entry_import.rs.
//! Called by the gateway.

use kontor_kit::auth::Caller;
use kontor_kit::context::Context;
use kontor_kit::db::{Conn, Tx};
use kontor_kit::mask::Mask;
use kontor_kit::page::Query;
use kontor_kit::resource::{self, Stored};
use kontor_kit::{Error, Result, id, replay};
use kontor_proto::telephony::v1 as proto;
use kontor_proto::telephony::v1::call_list_service_server::CallListService;
use tonic::{Request, Response, Status, Streaming};

use super::plans::Plans;
use super::rows::Answers;
use super::{entry_import, list_convert, list_entry};
use crate::domain::call_list::{CallList, State};
use crate::domain::list_entry::{Cancel, ListEntry, State as EntryState};
use crate::intake::Intake;
use crate::store::lease::{self, Plan};
use crate::{list_events, store};
use kontor_kit::slots::Slots;

/// The service.
#[derive(Clone)]
pub struct CallLists {
    pub(super) context: Context,
    pub(super) intake: Intake,
    pub(super) plans: Plans,
    pub(super) slots: Slots,
}

pub(super) type Answer<T> = std::result::Result<Response<T>, Status>;

/// Callable entries are counted up to this.
const COUNTED: i64 = 10_000;

/// The id in "callLists/{list}".
pub(super) fn list_id(name: &str, field: &str) -> Result<String> {
    id::parse("callLists", name, field).map(str::to_owned)
}

/// The ids in "callLists/{list}/entries/{entry}".
pub(super) fn entry_ids(name: &str, field: &str) -> Result<(String, String)> {
    let (list, entry) = id::parse_child("callLists", "entries", name, field)?;
    Ok((list.to_owned(), entry.to_owned()))
}

#[tonic::async_trait]
impl CallListService for CallLists {
    type ImportCallListEntriesStream = Answers<entry_import::Run>;

    async fn list_call_lists(
        &self,
        request: Request<proto::ListCallListsRequest>,
    ) -> Answer<proto::ListCallListsResponse> {
        let caller = Caller::of(&request)?;
        let proto::ListCallListsRequest { page_size, page_token, filter, order_by } = request.into_inner();
        let query = Query { page_size, page_token, filter, order_by };
        let page = self
            .intake
            .db
            .read_list(query.kind(&caller), move |conn| store::call_list::list(conn, &caller, &query))
            .await?;
        let page = page.map(|list| list_convert::list(&list));
        let (call_lists, next_page_token) = (page.rows, page.next_page_token);
        Ok(Response::new(proto::ListCallListsResponse { call_lists, next_page_token }))
    }

    async fn get_call_list(&self, request: Request<proto::GetCallListRequest>) -> Answer<proto::CallList> {
        let caller = Caller::of(&request)?;
        let id = list_id(&request.get_ref().name, "name")?;
        let list = self.intake.db.read_few(move |conn| store::call_list::get(conn, &caller, &id)).await?;
        Ok(Response::new(list_convert::list(&list)))
    }

    async fn create_call_list(
        &self,
        request: Request<proto::CreateCallListRequest>,
    ) -> Answer<proto::CallList> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let given = request.call_list.clone().ok_or_else(|| Error::invalid("call_list", "it is missing"))?;
        let id = match request.call_list_id.as_str() {
            "" => id::new(),
            id => {
                id::check_chosen(id, "call_list_id")?;
                id.to_owned()
            }
        };
        self.check_team(&caller, &given.team).await?;
        let mut list = CallList::new(id, given.team.clone(), self.intake.db.clock().now());
        list_convert::read(&given, &Mask::read(None, &[], &list_convert::fields_set(&given))?, &mut list)?;
        list.check()?;
        if request.validate_only {
            let id = list.id.clone();
            let taken = self.intake.db.read_few(move |conn| match resource::get::<CallList>(conn, &id) {
                Ok(list) => Err(Error::already_exists(list.name())),
                Err(cause) if cause.is_not_found() => Ok(()),
                Err(cause) => Err(cause),
            });
            taken.await?;
            return Ok(Response::new(list_convert::list(&list)));
        }
        let answer = self.intake.db.write(move |tx| {
            replay::once(tx, &caller, &request.request_id, &request, |tx| {
                resource::insert(tx, &list)?;
                list_events::state_changed(tx, &list);
                Ok(list_convert::list(&list))
            })
        });
        Ok(Response::new(answer.await?))
    }

    async fn update_call_list(
        &self,
        request: Request<proto::UpdateCallListRequest>,
    ) -> Answer<proto::CallList> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let given = request.call_list.clone().ok_or_else(|| Error::invalid("call_list", "it is missing"))?;
        let id = list_id(&given.name, "call_list.name")?;
        let set = list_convert::fields_set(&given);
        let mask = Mask::read(request.update_mask.as_ref(), &list_convert::FIELDS, &set)?;
        if request.validate_only {
            let checked = self.intake.db.read(move |conn| {
                let list = resource::get::<CallList>(conn, &id)?;
                changed(&caller, &list, &given, &mask, list.update_time)
            });
            return Ok(Response::new(list_convert::list(&checked.await?)));
        }
        let plans = self.plans.clone();
        let answer = self.intake.db.write(move |tx| {
            replay::once(tx, &caller, &request.request_id, &request, |tx| {
                let old = resource::hold::<CallList>(tx, &id)?;
                let mut list = changed(&caller, &old, &given, &mask, tx.now())?;
                resource::update(tx, &mut list)?;
                if list.state != old.state {
                    list_events::state_changed(tx, &list);
                }
                let (plans, id) = (plans.clone(), id.clone());
                tx.on_commit(move || plans.forget(&id));
                Ok(list_convert::list(&list))
            })
        });
        Ok(Response::new(answer.await?))
    }

    async fn delete_call_list(&self, request: Request<proto::DeleteCallListRequest>) -> Answer<()> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let id = list_id(&request.name, "name")?;
        let plans = self.plans.clone();
        let write = self.intake.db.write(move |tx| {
            replay::once(tx, &caller, &request.request_id, &request, |tx| {
                let (plans, list) = (plans.clone(), id.clone());
                tx.on_commit(move || plans.forget(&list));
                delete(tx, &caller, &id, &request.etag)
            })
        });
        write.await?;
        Ok(Response::new(()))
    }

    async fn summarize_call_list(
        &self,
        request: Request<proto::SummarizeCallListRequest>,
    ) -> Answer<proto::SummarizeCallListResponse> {
        let caller = Caller::of(&request)?;
        let id = list_id(&request.get_ref().name, "name")?;
        let now = self.intake.db.clock().now();
        let read = move |conn: &mut Conn<'_>| {
            let list = store::call_list::get(conn, &caller, &id)?;
            let counts = store::call_list::counts(conn, &id)?;
            let callable_count = match list.state {
                State::Active => {
                    let plan = Plan::read(conn, &id)?;
                    lease::callable(conn, &plan, now, COUNTED)?
                }
                State::Paused | State::Ended | State::Deleted => 0,
            };
            let count = |number: i64| {
                counts.iter().find(|(state, _)| *state == number).map_or(0, |(_, count)| *count)
            };
            Ok(proto::SummarizeCallListResponse {
                open_count: count(1),
                leased_count: count(2),
                dialling_count: count(3),
                held_count: count(4),
                cancelled_count: count(5),
                callable_count,
            })
        };
        Ok(Response::new(self.intake.db.read(read).await?))
    }

    async fn list_call_list_entries(
        &self,
        request: Request<proto::ListCallListEntriesRequest>,
    ) -> Answer<proto::ListCallListEntriesResponse> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let list = match request.parent.as_str() {
            "callLists/-" => None,
            parent => Some(list_id(parent, "parent")?),
        };
        let proto::ListCallListEntriesRequest { parent, page_size, page_token, filter, order_by, .. } =
            request;
        let query = Query { page_size, page_token, filter, order_by };
        let kind = query.kind_under(&caller, &parent);
        let read = move |conn: &mut Conn<'_>| store::list_entry::list(conn, &caller, list.as_deref(), &query);
        let page = self.intake.db.read_list(kind, read).await?;
        let zone = &self.context.company.time_zone;
        let page = page.map(|entry| list_convert::entry(&entry, zone));
        let (entries, next_page_token) = (page.rows, page.next_page_token);
        Ok(Response::new(proto::ListCallListEntriesResponse { entries, next_page_token }))
    }

    async fn get_call_list_entry(
        &self,
        request: Request<proto::GetCallListEntryRequest>,
    ) -> Answer<proto::CallListEntry> {
        let caller = Caller::of(&request)?;
        let (list, entry) = entry_ids(&request.get_ref().name, "name")?;
        let read = move |conn: &mut Conn<'_>| store::list_entry::get(conn, &caller, &list, &entry);
        let (_, entry): (CallList, ListEntry) = self.intake.db.read_few(read).await?;
        Ok(Response::new(list_convert::entry(&entry, &self.context.company.time_zone)))
    }

    async fn update_call_list_entry(
        &self,
        request: Request<proto::UpdateCallListEntryRequest>,
    ) -> Answer<proto::CallListEntry> {
        let caller = Caller::of(&request)?;
        let update = list_entry::Update::read(request.into_inner())?;
        self.check_entry(&caller, &update).await?;
        let zone = self.context.company.time_zone.clone();
        let answer = self.intake.db.write(move |tx| {
            let request = &update.request;
            replay::once(tx, &caller, &request.request_id, request, |tx| update.run(tx, &caller, &zone))
        });
        Ok(Response::new(answer.await?))
    }

    async fn import_call_list_entries(
        &self,
        request: Request<Streaming<proto::ImportCallListEntriesRequest>>,
    ) -> Answer<Self::ImportCallListEntriesStream> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(self.import(caller, request.into_inner())?))
    }
}

/// Call-backs that end in one transaction.
const CALL_BACKS: i64 = 500;

/// Deletes a list that nobody calls at the moment. Its rows stay for what was counted and told of them.
fn delete(tx: &mut Tx<'_>, caller: &Caller, id: &str, etag: &str) -> Result<()> {
    let mut list = resource::hold::<CallList>(tx, id)?;
    list.must_be_there()?;
    list.must_be_managed_by(caller)?;
    resource::check_etag(&list, etag)?;
    if store::dialler::runs(tx, id)? {
        let message = format!("the dialler of {} runs: stop it first", list.name());
        return Err(Error::precondition("DIALLER_RUNS", message));
    }
    let dialling = store::call_list::counts(tx, id)?;
    if dialling.iter().any(|(state, count)| *state == EntryState::Dialling as i64 && *count > 0) {
        let message = format!("numbers of {} are being called: wait for their outcomes", list.name());
        return Err(Error::precondition("LIST_IN_USE", message));
    }
    let now = tx.now();
    loop {
        let some = store::call_list::call_backs(tx, id, CALL_BACKS)?;
        for old in &some {
            let mut entry = old.clone();
            let happened = entry.cancel(Cancel::ByHand, now)?;
            store::list_entry::update(tx, &list, old, &mut entry)?;
            list_events::happened(tx, &list, &entry, &caller.name(), happened);
        }
        if some.is_empty() {
            break;
        }
    }
    list.state = State::Deleted;
    list.update_time = now;
    resource::update(tx, &mut list)?;
    list_events::deleted(tx, &list, &caller.name());
    Ok(())
}

/// The list as it would be after a change.
fn changed(
    caller: &Caller,
    old: &CallList,
    given: &proto::CallList,
    mask: &Mask,
    now: i64,
) -> Result<CallList> {
    old.must_be_there()?;
    old.must_be_managed_by(caller)?;
    resource::check_etag(old, &given.etag)?;
    if old.state == State::Ended {
        return Err(Error::precondition("LIST_ENDED", format!("{} has ended: make a new one", old.name())));
    }
    let mut list = old.clone();
    list_convert::read(given, mask, &mut list)?;
    list.check()?;
    list.update_time = now;
    Ok(list)
}

impl CallLists {
    /// A list belongs to a team that the caller leads, or for administrators to any that there is.
    async fn check_team(&self, caller: &Caller, team: &str) -> Result<()> {
        id::parse("teams", team, "call_list.team")?;
        if caller.leads(team) {
            return Ok(());
        }
        if !caller.admin {
            return Err(Error::denied(format!(
                "only leaders of {team} and administrators make its call lists"
            )));
        }
        match self.intake.peers.team(caller, team).await {
            Err(cause) if cause.is_not_found() => {
                Err(Error::invalid("call_list.team", format!("{team} does not exist")))
            }
            found => found,
        }
    }

    /// Names that an update brings are looked up.
    async fn check_entry(&self, caller: &Caller, update: &list_entry::Update) -> Result<()> {
        let partner = update.partner();
        if !partner.is_empty() {
            id::parse("partners", partner, "entry.partner")?;
            if let Err(cause) = self.intake.peers.partner(caller, partner).await {
                if cause.is_not_found() {
                    return Err(Error::invalid("entry.partner", format!("{partner} does not exist")));
                }
                return Err(cause);
            }
        }
        let owner = update.owner();
        if !owner.is_empty() && owner != caller.name() {
            id::parse("users", owner, "entry.owner")?;
            if let Err(cause) = self.intake.users.teams(owner).await {
                if cause.is_not_found() {
                    return Err(Error::invalid("entry.owner", format!("{owner} does not exist")));
                }
                return Err(cause);
            }
        }
        Ok(())
    }
}
