//! ImportCallListEntries: rows over a stream, written in batches, with the progress as the answer.
//! Called by rpc/call_list.rs.

use std::collections::HashMap;
use std::sync::Arc;

use kontor_kit::audit;
use kontor_kit::auth::Caller;
use kontor_kit::db::{Conn, Tx};
use kontor_kit::resource::Stored;
use kontor_kit::{Error, Result, clock, id};
use kontor_proto::telephony::v1 as proto;
use kontor_proto::telephony::v1::import_call_list_entries_request::Part as Given;
use tonic::Streaming;

use super::call_list::{CallLists, list_id};
use super::rows::{self, Answers, Import, Part, Reports};
use crate::domain::call_list::{CallList, State};
use crate::domain::entry_import::{Fault, Row, Target, merge};
use crate::domain::list_entry::ListEntry;
use crate::domain::number::Region;
use crate::domain::zones;
use crate::{list_events, store};

/// Longest key, in characters.
const KEY: usize = 100;

impl CallLists {
    /// Answers at once; what is wrong comes as the end of the stream.
    pub(super) fn import(
        &self,
        caller: Caller,
        messages: Streaming<proto::ImportCallListEntriesRequest>,
    ) -> Result<Answers<Run>> {
        let slot = self.slots.take(&caller.user)?;
        let service = self.clone();
        let begin = move |settings| async move { service.begin(caller, &settings).await };
        Ok(rows::start(&self.context, slot, messages, begin))
    }

    async fn begin(&self, caller: Caller, settings: &proto::CallListImport) -> Result<Run> {
        let id = list_id(&settings.parent, "settings.parent")?;
        let key = settings.import_key.clone();
        if key.chars().count() > KEY || key.chars().any(char::is_control) {
            return Err(Error::invalid(
                "settings.import_key",
                format!("use at most {KEY} characters on one line"),
            ));
        }
        let (errors, doubles) = (Reports::new(settings.max_reports)?, Reports::new(settings.max_reports)?);
        let (reader, list_key) = (caller.clone(), key.clone());
        let read = move |conn: &mut Conn<'_>| {
            let list = store::call_list::get(conn, &reader, &id)?;
            let line = if list_key.is_empty() { 0 } else { store::entry_import::line(conn, &id, &list_key)? };
            Ok((list, line))
        };
        let (list, line) = self.intake.db.read_few(read).await?;
        list.must_be_managed_by(&caller)?;
        if list.state == State::Ended {
            return Err(Error::precondition("LIST_ENDED", format!("{} has ended", list.name())));
        }
        let code = [&settings.region, &list.region].into_iter().find(|code| !code.is_empty());
        let code = code.unwrap_or(&self.context.company.region);
        let region = Region::parse(code).map_err(|cause| Error::invalid("settings.region", cause))?;
        Ok(Run {
            service: self.clone(),
            caller,
            list: Arc::new(list),
            key,
            validate_only: settings.validate_only,
            region,
            zone: self.context.company.time_zone.clone(),
            resume: line + 1,
            line: 0,
            errors,
            doubles,
            now: proto::ImportCallListEntriesResponse { resume_line: line + 1, ..Default::default() },
        })
    }
}

#[tonic::async_trait]
impl Import for Run {
    type Message = proto::ImportCallListEntriesRequest;
    type Settings = proto::CallListImport;
    type Row = proto::CallListRow;
    type Progress = proto::ImportCallListEntriesResponse;

    fn part(message: Self::Message) -> Part<Self::Settings, Self::Row> {
        match message.part {
            Some(Given::Settings(settings)) => Part::Settings(settings),
            Some(Given::Rows(rows)) => Part::Rows(rows.rows),
            None => Part::Nothing,
        }
    }

    fn first(&self) -> Option<Self::Progress> {
        Some(self.now.clone())
    }

    fn received(&self) -> i64 {
        self.now.received_rows
    }

    fn progress(&mut self, done: bool) -> Self::Progress {
        self.now.done = done;
        let told = self.now.clone();
        self.now.errors.clear();
        self.now.doubles.clear();
        told
    }

    async fn take(&mut self, rows: Vec<proto::CallListRow>) -> Result<()> {
        let mut batch = Vec::with_capacity(rows.len());
        for row in rows {
            self.now.received_rows += 1;
            let line = if row.line == 0 { self.line + 1 } else { row.line };
            if line <= self.line {
                return Err(Error::invalid(
                    "rows.line",
                    format!("line {line} comes after line {}", self.line),
                ));
            }
            self.line = line;
            if line < self.resume {
                self.now.skipped_rows += 1;
                continue;
            }
            match self.entry(row, self.service.intake.db.clock().now()) {
                Ok(entry) => batch.push((line, entry)),
                Err(fault) => self.refuse(line, &fault),
            }
        }
        let batch = Batch {
            caller: self.caller.clone(),
            list: self.list.clone(),
            key: self.key.clone(),
            zone: self.zone.clone(),
            last_line: if self.line < self.resume { 0 } else { self.line },
            rows: batch,
        };
        let done = if self.validate_only {
            self.service.intake.db.read(move |conn| batch.foresee(conn)).await?
        } else {
            let plans = self.service.plans.clone();
            self.service
                .intake
                .db
                .write(move |tx| {
                    let (done, new_zones) = batch.write(tx)?;
                    if new_zones {
                        let (plans, list) = (plans.clone(), batch.list.id.clone());
                        tx.on_commit(move || plans.forget(&list));
                    }
                    Ok(done)
                })
                .await?
        };
        for (line, outcome) in done {
            self.count(line, outcome);
        }
        Ok(())
    }
}

/// An import, as far as it is.
pub struct Run {
    service: CallLists,
    caller: Caller,
    list: Arc<CallList>,
    key: String,
    validate_only: bool,
    region: Region,
    zone: String,
    resume: i64,
    line: i64,
    errors: Reports,
    doubles: Reports,
    now: proto::ImportCallListEntriesResponse,
}

/// What came of a row.
enum Outcome {
    Created,
    Merged(proto::CallListDouble),
    Refused(Fault),
}

type Done = Vec<(i64, Outcome)>;

impl Run {
    fn entry(&self, row: proto::CallListRow, now: i64) -> std::result::Result<ListEntry, Fault> {
        let into = Target { list: &self.list.id, region: self.region, fallback: &self.zone, now };
        let row = Row {
            number: row.number,
            display_name: row.display_name,
            partner: row.partner,
            priority: row.priority,
            due: row.due_time.as_ref().map(clock::from_proto),
            note: row.note,
        };
        row.entry(id::new(), &into)
    }

    fn count(&mut self, line: i64, outcome: Outcome) {
        match outcome {
            Outcome::Created => self.now.created_rows += 1,
            Outcome::Refused(fault) => self.refuse(line, &fault),
            Outcome::Merged(double) => {
                let now = &mut self.now;
                now.merged_rows += 1;
                self.doubles.add(double, &mut now.doubles, &mut now.unreported_doubles);
            }
        }
    }

    fn refuse(&mut self, line: i64, fault: &Fault) {
        let now = &mut self.now;
        now.refused_rows += 1;
        let error = proto::CallListRowError {
            line,
            field: fault.field.to_owned(),
            reason: fault.reason.to_owned(),
            message: fault.message.clone(),
        };
        self.errors.add(error, &mut now.errors, &mut now.unreported_errors);
    }
}

/// The rows of one transaction.
struct Batch {
    caller: Caller,
    list: Arc<CallList>,
    key: String,
    zone: String,
    last_line: i64,
    rows: Vec<(i64, ListEntry)>,
}

/// Rows of a batch, told apart.
struct Sorted<'a> {
    done: Done,
    /// First of their number.
    new: Vec<(i64, &'a ListEntry)>,
    /// What is there, as it will be; and whether that is other than it was.
    known: HashMap<String, (ListEntry, bool)>,
    /// Of numbers that are known: to be merged in the order of lines.
    doubles: Vec<(i64, &'a ListEntry)>,
}

impl Batch {
    fn sort(&self, conn: &mut Conn<'_>) -> Result<Sorted<'_>> {
        let numbers: Vec<&str> = self.rows.iter().map(|(_, entry)| entry.e164.as_str()).collect();
        let refused = store::do_not_call::among(conn, &numbers)?;
        let known = store::entry_import::find(conn, &self.list.id, &numbers)?;
        let known = known.into_iter().map(|(number, entry)| (number, (entry, false))).collect();
        let mut sorted = Sorted { done: Vec::new(), new: Vec::new(), known, doubles: Vec::new() };
        let mut firsts: HashMap<&str, ()> = HashMap::new();
        for (line, entry) in &self.rows {
            if refused.contains(&entry.e164) {
                sorted.done.push((*line, Outcome::Refused(Fault::do_not_call(&entry.e164))));
            } else if sorted.known.contains_key(&entry.e164)
                || firsts.insert(entry.e164.as_str(), ()).is_some()
            {
                sorted.doubles.push((*line, entry));
            } else {
                sorted.new.push((*line, entry));
            }
        }
        Ok(sorted)
    }

    /// Writes it. True with it when there are time zones that the list did not have.
    fn write(&self, tx: &mut Tx<'_>) -> Result<(Done, bool)> {
        tx.act_for(&self.caller.name());
        let mut sorted = self.sort(tx)?;
        let mut new_zones = false;
        let mut keys: HashMap<i64, &str> = HashMap::new();
        for (_, entry) in &sorted.new {
            keys.entry(entry.zone_key).or_insert_with(|| zones::of_number(&entry.e164, &self.zone));
        }
        for (key, names) in keys {
            new_zones |= store::call_list::add_zones(tx, &self.list.id, key, names)?;
        }
        let entries: Vec<&ListEntry> = sorted.new.iter().map(|(_, entry)| *entry).collect();
        let written = store::entry_import::insert(tx, &entries)?;
        let created = i64::try_from(written.len()).unwrap_or(0);
        if written.len() < entries.len() {
            // another process wrote some of the numbers in the same moment
            let lost: Vec<(i64, &ListEntry)> =
                sorted.new.iter().filter(|(_, entry)| !written.contains(&entry.id)).copied().collect();
            let numbers: Vec<&str> = lost.iter().map(|(_, entry)| entry.e164.as_str()).collect();
            let found = store::entry_import::find(tx, &self.list.id, &numbers)?;
            sorted.known.extend(found.into_iter().map(|(number, entry)| (number, (entry, false))));
            sorted.new.retain(|(_, entry)| written.contains(&entry.id));
            sorted.doubles.extend(lost);
            sorted.doubles.sort_by_key(|(line, _)| *line);
        }
        for (line, entry) in std::mem::take(&mut sorted.new) {
            sorted.done.push((line, Outcome::Created));
            sorted.known.insert(entry.e164.clone(), (entry.clone(), false));
        }
        let before: HashMap<String, ListEntry> =
            sorted.known.iter().map(|(number, (entry, _))| (number.clone(), entry.clone())).collect();
        self.merge(&mut sorted);
        let mut merged: Vec<(ListEntry, bool)> = sorted.known.into_values().collect();
        merged.sort_by(|one, other| one.0.id.cmp(&other.0.id));
        for (mut entry, changed) in merged {
            if changed {
                entry.update_time = tx.now();
                store::list_entry::update(tx, &self.list, &before[&entry.e164], &mut entry)?;
            }
        }
        let doubles = i64::try_from(sorted.doubles.len()).unwrap_or(0);
        if created > 0 || doubles > 0 {
            list_events::imported(tx, &self.list, created, doubles);
            let entry = audit::Entry::new(audit::Action::Update, self.list.name(), &self.list.guard());
            tx.audit(entry.field("imported_entries", "", created.to_string()));
        }
        if !self.key.is_empty() && self.last_line > 0 {
            store::entry_import::note_line(tx, &self.list.id, &self.key, self.last_line)?;
        }
        Ok((in_order(sorted.done), new_zones))
    }

    /// What `write` would do.
    fn foresee(&self, conn: &mut Conn<'_>) -> Result<Done> {
        let mut sorted = self.sort(conn)?;
        for (line, entry) in std::mem::take(&mut sorted.new) {
            sorted.done.push((line, Outcome::Created));
            let nameless = ListEntry { id: String::new(), ..entry.clone() };
            sorted.known.insert(entry.e164.clone(), (nameless, false));
        }
        self.merge(&mut sorted);
        Ok(in_order(sorted.done))
    }

    fn merge(&self, sorted: &mut Sorted<'_>) {
        for (line, double) in &sorted.doubles {
            let Some((entry, changed)) = sorted.known.get_mut(&double.e164) else { continue };
            let new = merge(entry, double);
            *changed |= new;
            let name = if entry.id.is_empty() { String::new() } else { entry.full_name() };
            let told =
                proto::CallListDouble { line: *line, e164: double.e164.clone(), entry: name, changed: new };
            sorted.done.push((*line, Outcome::Merged(told)));
        }
    }
}

fn in_order(mut done: Done) -> Done {
    done.sort_by_key(|(line, _)| *line);
    done
}
