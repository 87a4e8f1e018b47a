//! A call to be made is stored here before anything rings: the call, and the order to the telephone system, in one transaction.
//! Called by rpc/start_call.rs (click to call) and the dialler of call lists. Both have asked whether the number may be called at all.

use std::sync::Arc;
use std::time::Duration;

use kontor_kit::db::Tx;
use kontor_kit::{Error, Result, id, resource};
use tokio::sync::watch;

use super::Intake;
use crate::domain::dial::{Originate, PATIENCE_MICROS};
use crate::domain::entry::{Entry, Match};
use crate::domain::fact::{CallKey, Micros};
use crate::domain::number::Party;
use crate::domain::record::Record;
use crate::store::dial::Dial;
use crate::{events, store};

/// Most clicks to call that wait for one connector.
pub const MOST_WAITING: i64 = 500;

/// Wakes who sends clicks to call. Cheap to clone.
#[derive(Clone)]
pub struct Dials(Arc<watch::Sender<u64>>);

impl Default for Dials {
    fn default() -> Self {
        Dials(Arc::new(watch::channel(0).0))
    }
}

impl Dials {
    /// Says that there is one more.
    pub fn wake(&self) {
        self.0.send_modify(|number| *number = number.wrapping_add(1));
    }

    /// Changes with each new one.
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.0.subscribe()
    }
}

/// A call to be made, checked: a click to call, or one of a dialler.
#[derive(Clone, Debug)]
pub struct Start {
    /// Id of the connector.
    pub connector: String,
    /// What is ordered; its id is the telephone system's id of the call.
    pub order: Originate,
    /// "users/{user}" whose telephone rings first; empty for a dialler.
    pub user: String,
    /// That user's first team, or the list's: "teams/{team}", or empty.
    pub team: String,
    /// That user's extension; empty for a dialler.
    pub extension: String,
    /// Who is called.
    pub to: Party,
    /// Partner that was named: "partners/{id}", or empty.
    pub partner: String,
    /// Opportunity that was named: "opportunities/{id}", or empty.
    pub opportunity: String,
    /// Who has the number; none when that could not be found out.
    pub found: Option<Match>,
    /// Entry of a call list that it is for, or empty.
    pub list_entry: String,
    /// A dialler's call: who is called outside is rung first.
    pub outside_first: bool,
    /// The number is not to be called, and the user knows.
    pub overrides_do_not_call: bool,
}

impl Start {
    /// The call as it is before anything rings.
    pub fn call(&self, now: i64) -> Entry {
        let key = CallKey { connector: self.connector.clone(), call: self.order.id.clone() };
        let mut record = if self.outside_first {
            Record::placed(key, Micros(now), &self.to, &self.list_entry)
        } else {
            Record::asked(key, Micros(now), &self.extension, &self.to, &self.list_entry)
        };
        if self.overrides_do_not_call {
            record.override_do_not_call();
        }
        let view = record.view(Micros(now));
        let mut call = Entry::new(id::new(), &self.connector, &self.order.id, Some(record));
        call.show(view);
        call.user.clone_from(&self.user);
        call.team.clone_from(&self.team);
        call.opportunity_by_hand = !self.opportunity.is_empty();
        call.opportunity.clone_from(&self.opportunity);
        match &self.found {
            Some(found) => call.link(found, now),
            None if call.wants_link() => call.link_later(now),
            None => {}
        }
        call.partner_by_hand = !self.partner.is_empty();
        call
    }
}

impl Intake {
    /// Stores a call to be made. Who holds the connection takes it up at once after the commit.
    ///
    /// # Errors
    /// RESOURCE_EXHAUSTED when very many wait.
    pub fn place(&self, tx: &mut Tx<'_>, start: &Start) -> Result<Entry> {
        if store::dial::count(tx, &start.connector)? >= MOST_WAITING {
            let message = format!("connectors/{} has {MOST_WAITING} calls to make already", start.connector);
            return Err(Error::exhausted(message, Duration::from_secs(5)));
        }
        let now = tx.now();
        let mut call = start.call(now);
        events::began(tx, &mut call);
        call.plan(now, self.grace, false);
        resource::insert(tx, &call)?;
        let dial = Dial {
            call: call.id.clone(),
            connector: start.connector.clone(),
            made: now,
            until: now.saturating_add(PATIENCE_MICROS),
            order: start.order.clone(),
            call_list: if start.outside_first { call.queue.clone() } else { String::new() },
            e164: if start.outside_first { call.e164.clone() } else { String::new() },
        };
        store::dial::add(tx, &dial)?;
        let dials = self.dials.clone();
        tx.on_commit(move || dials.wake());
        Ok(call)
    }
}

/// Ends a call that was not carried out: for sure, or because nothing is known of it any more.
///
/// # Errors
/// Those of the database.
pub fn not_carried_out(
    tx: &mut Tx<'_>,
    call: &mut Entry,
    grace: i64,
    words: &str,
    for_sure: bool,
) -> Result<()> {
    let now = tx.now();
    let Some(record) = call.record.as_mut().filter(|record| !record.has_legs()) else { return Ok(()) };
    record.not_carried_out(Micros(now), words, for_sure);
    let view = record.view(Micros(now));
    call.show(view);
    events::began(tx, call);
    let said_is_true = events::said_is_true(call);
    call.plan(now, grace, said_is_true);
    resource::update(tx, call)
}
