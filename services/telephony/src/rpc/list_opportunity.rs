//! CreateOpportunityFromEntry: a conversation that took place becomes an opportunity of the pipeline, once, linked both ways.
//! Called by rpc/dispatch.rs.

use kontor_kit::auth::Caller;
use kontor_kit::db::{Conn, Tx};
use kontor_kit::{Error, Result, replay};
use kontor_proto::telephony::v1 as proto;

use super::call_list::entry_ids;
use super::dispatch::Dispatch;
use super::list_convert;
use crate::domain::call_list::CallList;
use crate::domain::list_entry::{ListEntry, State};
use crate::{list_events, store};

impl Dispatch {
    pub(super) async fn convert(
        &self,
        caller: &Caller,
        request: proto::CreateOpportunityFromEntryRequest,
    ) -> Result<proto::CallListEntry> {
        let names = entry_ids(&request.name, "name")?;
        let zone = self.context.company.time_zone.clone();
        let (reader, wanted) = (caller.clone(), names.clone());
        let read = move |conn: &mut Conn<'_>| store::list_entry::get(conn, &reader, &wanted.0, &wanted.1);
        let (list, entry) = self.intake.db.read_few(read).await?;
        if entry.operator != caller.name() && !list.is_managed_by(caller) {
            let message =
                format!("{} was held by somebody else: ask them or the team's leader", entry.full_name());
            return Err(Error::denied(message));
        }
        if entry.state != State::Held {
            let message =
                format!("{} was not held: only a conversation becomes an opportunity", entry.full_name());
            return Err(Error::precondition("NOT_HELD", message));
        }
        if !entry.opportunity.is_empty() {
            return Ok(list_convert::entry(&entry, &zone));
        }
        let opportunity = self.opportunity(caller, &list, &entry, &request.title).await?;
        let caller = caller.clone();
        let write = move |tx: &mut Tx<'_>| {
            replay::once(tx, &caller, &request.request_id, &request, |tx| {
                let (list, old) = store::list_entry::hold(tx, &caller, &names.0, &names.1)?;
                let mut entry = old.clone();
                if entry.opportunity.is_empty() {
                    entry.opportunity.clone_from(&opportunity);
                    entry.update_time = tx.now();
                    store::list_entry::update(tx, &list, &old, &mut entry)?;
                    list_events::converted(tx, &list, &entry, &caller.name());
                }
                Ok(list_convert::entry(&entry, &zone))
            })
        };
        self.intake.db.write(write).await
    }

    /// Makes the opportunity in the pipeline, or finds the one that an earlier try made: its origin is the entry, and an origin is there once.
    async fn opportunity(
        &self,
        caller: &Caller,
        list: &CallList,
        entry: &ListEntry,
        title: &str,
    ) -> Result<String> {
        let peers = &self.intake.peers;
        let mut partner = entry.partner.clone();
        if partner.is_empty() && !entry.e164.is_empty() {
            let found = peers.find_now(&entry.e164).await?;
            if let [only] = found.partners.as_slice() {
                partner.clone_from(only);
            }
        }
        let whom = if entry.display_name.is_empty() { &entry.e164 } else { &entry.display_name };
        let title = match title.trim() {
            "" => format!("{}: {whom}", list.display_name),
            title => title.to_owned(),
        };
        let deal = kontor_proto::pipeline::v1::Opportunity {
            title,
            partner,
            assignee: caller.name(),
            team: list.team.clone(),
            source: list.display_name.chars().take(100).collect(),
            origin: entry.full_name(),
            ..Default::default()
        };
        peers.create_opportunity(caller, deal).await
    }
}
