//! DoNotCallService: numbers that the company does not call. What waits for one of them is cancelled in the same transaction.
//! Called by the gateway; `add` by rpc/dispatch.rs. The import stands in number_import.rs.

use kontor_kit::auth::{Caller, Guard};
use kontor_kit::context::Context;
use kontor_kit::db::Tx;
use kontor_kit::outbox::NewEvent;
use kontor_kit::page::Query;
use kontor_kit::resource::{self, Stored};
use kontor_kit::{Error, Result, clock, id, replay};
use kontor_proto::telephony::v1 as proto;
use kontor_proto::telephony::v1::do_not_call_service_server::DoNotCallService;
use tonic::{Request, Response, Streaming};

use super::call_list::Answer;
use super::number_import;
use super::rows::Answers;
use crate::domain::call_list::CallList;
use crate::domain::do_not_call::DoNotCall;
use crate::domain::list_entry::{Cancel, State};
use crate::domain::number::{PhoneNumber, Region};
use crate::intake::Intake;
use crate::{list_events, store};
use kontor_kit::slots::Slots;

/// The service. Cheap to clone.
#[derive(Clone)]
pub struct DoNotCalls {
    pub(super) context: Context,
    pub(super) intake: Intake,
    pub(super) slots: Slots,
}

/// Longest note, in characters.
const NOTE: usize = 1_000;

#[tonic::async_trait]
impl DoNotCallService for DoNotCalls {
    type ImportDoNotCallNumbersStream = Answers<number_import::Run>;

    async fn list_do_not_call_numbers(
        &self,
        request: Request<proto::ListDoNotCallNumbersRequest>,
    ) -> Answer<proto::ListDoNotCallNumbersResponse> {
        let caller = Caller::of(&request)?;
        let proto::ListDoNotCallNumbersRequest { page_size, page_token, filter, order_by } =
            request.into_inner();
        let query = Query { page_size, page_token, filter, order_by };
        let page = self.intake.db.read(move |conn| store::do_not_call::list(conn, &caller, &query)).await?;
        let page = page.map(|number| to_proto(&number));
        let (do_not_call_numbers, next_page_token) = (page.rows, page.next_page_token);
        Ok(Response::new(proto::ListDoNotCallNumbersResponse { do_not_call_numbers, next_page_token }))
    }

    async fn get_do_not_call_number(
        &self,
        request: Request<proto::GetDoNotCallNumberRequest>,
    ) -> Answer<proto::DoNotCallNumber> {
        Caller::of(&request)?;
        let id = id::parse("doNotCallNumbers", &request.get_ref().name, "name")?.to_owned();
        let number: DoNotCall = self.intake.db.read_few(move |conn| resource::get(conn, &id)).await?;
        Ok(Response::new(to_proto(&number)))
    }

    async fn create_do_not_call_number(
        &self,
        request: Request<proto::CreateDoNotCallNumberRequest>,
    ) -> Answer<proto::DoNotCallNumber> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let given = request.do_not_call_number.clone();
        let given = given.ok_or_else(|| Error::invalid("do_not_call_number", "it is missing"))?;
        check(given.reason, &given.note, "do_not_call_number.")?;
        let region = region(&self.context.company.region)?;
        let number = PhoneNumber::parse(&given.number, region)
            .map_err(|cause| Error::invalid("do_not_call_number.number", cause))?;
        let answer = self.intake.db.write(move |tx| {
            replay::once(tx, &caller, &request.request_id, &request, |tx| {
                let new = DoNotCall::new(number.e164(), given.reason, &given.note, caller.name(), tx.now());
                add(tx, &new)?;
                Ok(to_proto(&resource::get::<DoNotCall>(tx, &new.id)?))
            })
        });
        Ok(Response::new(answer.await?))
    }

    async fn delete_do_not_call_number(
        &self,
        request: Request<proto::DeleteDoNotCallNumberRequest>,
    ) -> Answer<()> {
        let caller = Caller::of(&request)?;
        caller.must_be_admin()?;
        let request = request.into_inner();
        let id = id::parse("doNotCallNumbers", &request.name, "name")?.to_owned();
        let answer = self.intake.db.write(move |tx| {
            replay::once(tx, &caller, &request.request_id, &request, |tx| {
                let number = resource::hold::<DoNotCall>(tx, &id)?;
                resource::delete(tx, &number)?;
                let event = proto::DoNotCallNumberRemoved { reason: number.reason };
                tx.publish(
                    NewEvent::new("telephony", number.name(), &Guard::company(), &event).actor(caller.name()),
                );
                Ok(())
            })
        });
        Ok(Response::new(answer.await?))
    }

    async fn import_do_not_call_numbers(
        &self,
        request: Request<Streaming<proto::ImportDoNotCallNumbersRequest>>,
    ) -> Answer<Self::ImportDoNotCallNumbersStream> {
        let caller = Caller::of(&request)?;
        if !caller.admin && caller.led_teams.is_empty() {
            return Err(Error::denied("only leaders of a team and administrators import numbers").into());
        }
        Ok(Response::new(self.import(caller, request.into_inner())?))
    }
}

/// Adds a number, and cancels what waits for it in all lists.
///
/// # Errors
/// Those of the database.
pub(super) fn add(tx: &mut Tx<'_>, number: &DoNotCall) -> Result<()> {
    if store::do_not_call::add(tx, number)? {
        cancel_all(tx, &number.e164, &number.user)?;
        added(tx, &number.name(), 1);
    }
    Ok(())
}

pub(super) fn added(tx: &mut Tx<'_>, subject: &str, count: i64) {
    let event = proto::DoNotCallNumbersAdded { count };
    tx.publish(NewEvent::new("telephony", subject, &Guard::company(), &event));
}

/// Cancels the entries of a number that wait or that nobody has dialled yet. A conversation goes on; its outcome looks at the list again.
pub(super) fn cancel_all(tx: &mut Tx<'_>, e164: &str, user: &str) -> Result<i64> {
    let mut count = 0;
    for old in store::list_entry::open_of_number(tx, e164)? {
        if old.state == State::Dialling {
            continue;
        }
        let list = resource::get::<CallList>(tx, &old.list)?;
        let mut entry = old.clone();
        let happened = entry.cancel(Cancel::DoNotCall, tx.now())?;
        store::list_entry::update(tx, &list, &old, &mut entry)?;
        list_events::happened(tx, &list, &entry, user, happened);
        count += 1;
    }
    Ok(count)
}

pub(super) fn check(reason: i32, note: &str, place: &str) -> Result<()> {
    if proto::DoNotCallReason::try_from(reason).is_err() {
        return Err(Error::invalid(format!("{place}reason"), "use ASKED, REGISTER or COMPANY"));
    }
    if note.chars().count() > NOTE || note.contains('\0') {
        return Err(Error::invalid(format!("{place}note"), format!("use at most {NOTE} characters")));
    }
    Ok(())
}

pub(super) fn region(code: &str) -> Result<Region> {
    Region::parse(code).map_err(|cause| Error::invalid("region", cause))
}

fn to_proto(number: &DoNotCall) -> proto::DoNotCallNumber {
    proto::DoNotCallNumber {
        name: number.name(),
        number: number.e164.clone(),
        reason: number.reason,
        note: number.note.clone(),
        user: number.user.clone(),
        create_time: Some(clock::to_proto(number.create_time)),
    }
}
