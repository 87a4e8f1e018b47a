//! DoNotCallService: numbers that the company does not call. What waits for one of them is cancelled in the same transaction.
//! Called by the gateway; `add` by rpc/dispatch.rs.

use kontor_kit::audit;
use kontor_kit::auth::{Caller, Guard};
use kontor_kit::context::Context;
use kontor_kit::db::Tx;
use kontor_kit::outbox::NewEvent;
use kontor_kit::page::Query;
use kontor_kit::resource::{self, Stored};
use kontor_kit::{Error, Result, clock, id, replay};
use kontor_proto::telephony::v1 as proto;
use kontor_proto::telephony::v1::do_not_call_service_server::DoNotCallService;
use kontor_proto::telephony::v1::import_do_not_call_numbers_request::Part;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use super::call_list::Answer;
use super::rows::{self, ROWS_AT_ONCE, next};
use crate::domain::call_list::CallList;
use crate::domain::do_not_call::DoNotCall;
use crate::domain::entry_import::Fault;
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
type Answers = mpsc::Sender<std::result::Result<proto::ImportDoNotCallNumbersResponse, Status>>;

#[tonic::async_trait]
impl DoNotCallService for DoNotCalls {
    type ImportDoNotCallNumbersStream =
        ReceiverStream<std::result::Result<proto::ImportDoNotCallNumbersResponse, Status>>;

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
        let slot = self.slots.take(&caller.user)?;
        let mut messages = request.into_inner();
        let (sender, receiver) = mpsc::channel(rows::QUEUE);
        let service = self.clone();
        let run = async move {
            let stop = service.context.stop.clone();
            let outcome = tokio::select! {
                outcome = service.run(&caller, &mut messages, &sender) => outcome,
                () = stop.cancelled() => Err(rows::stopping()),
                () = sender.closed() => Ok(()),
            };
            // before the last word: who hears it may begin the next import at once
            drop(slot);
            rows::say_goodbye(outcome, &sender).await;
            drop(messages);
        };
        self.context.tasks.spawn(audit::acting(audit::here(), run));
        Ok(Response::new(ReceiverStream::new(receiver)))
    }
}

/// An import of numbers, as far as it is.
struct Run {
    caller: Caller,
    reason: i32,
    note: String,
    region: Region,
    left: usize,
    now: proto::ImportDoNotCallNumbersResponse,
}

impl DoNotCalls {
    async fn run(
        &self,
        caller: &Caller,
        messages: &mut Streaming<proto::ImportDoNotCallNumbersRequest>,
        answers: &Answers,
    ) -> Result<()> {
        let Some(Part::Settings(settings)) = next(messages).await?.and_then(|message| message.part) else {
            return Err(Error::invalid("settings", "they come first"));
        };
        check(settings.reason, &settings.note, "settings.")?;
        let code = if settings.region.is_empty() { &self.context.company.region } else { &settings.region };
        let mut run = Run {
            caller: caller.clone(),
            reason: settings.reason,
            note: settings.note.clone(),
            region: region(code)?,
            left: rows::reports(settings.max_reports)?,
            now: proto::ImportDoNotCallNumbersResponse::default(),
        };
        while let Some(message) = next(messages).await? {
            let Some(Part::Rows(some)) = message.part else {
                return Err(Error::invalid("rows", "settings come once; rows follow"));
            };
            rows::check_size(some.numbers.len(), run.now.received_rows)?;
            for some in some.numbers.chunks(ROWS_AT_ONCE) {
                self.take(&mut run, some).await?;
                rows::send(answers, run.now.clone()).await?;
                run.now.errors.clear();
            }
        }
        run.now.done = true;
        rows::send(answers, run.now).await
    }

    async fn take(&self, run: &mut Run, some: &[String]) -> Result<()> {
        let mut good = Vec::with_capacity(some.len());
        for text in some {
            run.now.received_rows += 1;
            match PhoneNumber::parse(text, run.region) {
                Ok(number) => good.push(number.e164().to_owned()),
                Err(cause) => run.refuse(&Fault::number(&cause)),
            }
        }
        let (caller, reason, note) = (run.caller.clone(), run.reason, run.note.clone());
        let count = i64::try_from(good.len()).unwrap_or(0);
        let write = move |tx: &mut Tx<'_>| {
            tx.act_for(&caller.name());
            let (mut created, mut cancelled) = (0, 0);
            for e164 in &good {
                let number = DoNotCall::new(e164, reason, &note, caller.name(), tx.now());
                if store::do_not_call::add(tx, &number)? {
                    created += 1;
                    cancelled += cancel_all(tx, e164, &number.user)?;
                }
            }
            if created > 0 {
                added(tx, "doNotCallNumbers", created);
            }
            Ok((created, cancelled))
        };
        let (created, cancelled) = self.intake.db.write(write).await?;
        run.now.created_rows += created;
        run.now.known_rows += count - created;
        run.now.cancelled_entries += cancelled;
        Ok(())
    }
}

impl Run {
    fn refuse(&mut self, fault: &Fault) {
        self.now.refused_rows += 1;
        if self.left == 0 {
            self.now.unreported_errors += 1;
            return;
        }
        self.left -= 1;
        let (reason, message) = (fault.reason.to_owned(), fault.message.clone());
        self.now.errors.push(proto::DoNotCallRowError { line: self.now.received_rows, reason, message });
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

fn added(tx: &mut Tx<'_>, subject: &str, count: i64) {
    let event = proto::DoNotCallNumbersAdded { count };
    tx.publish(NewEvent::new("telephony", subject, &Guard::company(), &event));
}

/// Cancels the entries of a number that wait or that nobody has dialled yet. A conversation goes on; its outcome looks at the list again.
fn cancel_all(tx: &mut Tx<'_>, e164: &str, user: &str) -> Result<i64> {
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

fn check(reason: i32, note: &str, place: &str) -> Result<()> {
    if proto::DoNotCallReason::try_from(reason).is_err() {
        return Err(Error::invalid(format!("{place}reason"), "use ASKED, REGISTER or COMPANY"));
    }
    if note.chars().count() > NOTE || note.contains('\0') {
        return Err(Error::invalid(format!("{place}note"), format!("use at most {NOTE} characters")));
    }
    Ok(())
}

fn region(code: &str) -> Result<Region> {
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
