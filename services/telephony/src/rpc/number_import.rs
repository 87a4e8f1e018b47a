//! ImportDoNotCallNumbers: numbers over a stream, as of a register, with the progress as the answer.
//! Called by rpc/do_not_call.rs.

use kontor_kit::Result;
use kontor_kit::auth::Caller;
use kontor_kit::db::Tx;
use kontor_proto::telephony::v1 as proto;
use kontor_proto::telephony::v1::import_do_not_call_numbers_request::Part as Given;
use tonic::Streaming;

use super::do_not_call::{DoNotCalls, added, cancel_all, check, region};
use super::rows::{self, Answers, Import, Part, Reports};
use crate::domain::do_not_call::DoNotCall;
use crate::domain::entry_import::Fault;
use crate::domain::number::{PhoneNumber, Region};
use crate::store;

impl DoNotCalls {
    /// Answers at once; what is wrong comes as the end of the stream.
    pub(super) fn import(
        &self,
        caller: Caller,
        messages: Streaming<proto::ImportDoNotCallNumbersRequest>,
    ) -> Result<Answers<Run>> {
        let slot = self.slots.take(&caller.user)?;
        let service = self.clone();
        let begin = move |settings| async move { service.begin(caller, settings) };
        Ok(rows::start(&self.context, slot, messages, begin))
    }

    fn begin(&self, caller: Caller, settings: proto::DoNotCallImport) -> Result<Run> {
        check(settings.reason, &settings.note, "settings.")?;
        let code = if settings.region.is_empty() { &self.context.company.region } else { &settings.region };
        Ok(Run {
            region: region(code)?,
            service: self.clone(),
            caller,
            reason: settings.reason,
            note: settings.note,
            errors: Reports::new(settings.max_reports)?,
            now: proto::ImportDoNotCallNumbersResponse::default(),
        })
    }
}

/// An import of numbers, as far as it is.
pub struct Run {
    service: DoNotCalls,
    caller: Caller,
    reason: i32,
    note: String,
    region: Region,
    errors: Reports,
    now: proto::ImportDoNotCallNumbersResponse,
}

#[tonic::async_trait]
impl Import for Run {
    type Message = proto::ImportDoNotCallNumbersRequest;
    type Settings = proto::DoNotCallImport;
    type Row = String;
    type Progress = proto::ImportDoNotCallNumbersResponse;

    fn part(message: Self::Message) -> Part<Self::Settings, Self::Row> {
        match message.part {
            Some(Given::Settings(settings)) => Part::Settings(settings),
            Some(Given::Rows(rows)) => Part::Rows(rows.numbers),
            None => Part::Nothing,
        }
    }

    fn first(&self) -> Option<Self::Progress> {
        None
    }

    fn received(&self) -> i64 {
        self.now.received_rows
    }

    fn progress(&mut self, done: bool) -> Self::Progress {
        self.now.done = done;
        let told = self.now.clone();
        self.now.errors.clear();
        told
    }

    async fn take(&mut self, rows: Vec<String>) -> Result<()> {
        let mut good = Vec::with_capacity(rows.len());
        for text in rows {
            self.now.received_rows += 1;
            match PhoneNumber::parse(&text, self.region) {
                Ok(number) => good.push(number.e164().to_owned()),
                Err(cause) => self.refuse(&Fault::number(&cause)),
            }
        }
        let (caller, reason, note) = (self.caller.clone(), self.reason, self.note.clone());
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
        let (created, cancelled) = self.service.intake.db.write(write).await?;
        self.now.created_rows += created;
        self.now.known_rows += count - created;
        self.now.cancelled_entries += cancelled;
        Ok(())
    }
}

impl Run {
    fn refuse(&mut self, fault: &Fault) {
        let now = &mut self.now;
        now.refused_rows += 1;
        let (reason, message) = (fault.reason.to_owned(), fault.message.clone());
        let error = proto::DoNotCallRowError { line: now.received_rows, reason, message };
        self.errors.add(error, &mut now.errors, &mut now.unreported_errors);
    }
}
