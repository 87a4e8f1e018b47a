//! Places calls of a list: entries are leased, marked as dialled and ordered in one transaction. Who sends the orders is connectors/dialler.rs.
//! Called by the dialler's rounds.

use std::time::Duration;

use kontor_kit::db::Tx;
use kontor_kit::resource;
use kontor_kit::{Error, Result};

use super::look::{Look, Order};
use super::{Desk, lease as renew};
use crate::domain::dial;
use crate::domain::dialler::Dialler;
use crate::domain::entry::Match;
use crate::domain::list_entry::{ListEntry, Reason};
use crate::intake::dial::{MOST_WAITING, Start};
use crate::store::lease::{self, Taker};
use crate::{list_events, store};

/// Calls of one transaction.
const AT_ONCE: u32 = 50;

/// Places as many calls as are allowed now: all is looked at once more, for an operator or the list may be gone since.
///
/// # Errors
/// Those of the database.
pub fn run(tx: &mut Tx<'_>, desk: &Desk, list: &str, secret: &str) -> Result<()> {
    // from here on no other process can place any
    if !renew(tx, &desk.owner)? {
        return Ok(());
    }
    let now = tx.now();
    let dialler = resource::hold_if_there::<Dialler>(tx, list)?.filter(|dialler| dialler.running);
    let Some(dialler) = dialler else { return Ok(()) };
    let Look::Place(order) = desk.look(tx, &dialler, now)? else { return Ok(()) };
    tx.act_for(&dialler.user);
    let waiting = store::dial::count(tx, &order.connector.id)?;
    let room = u32::try_from(MOST_WAITING - waiting).unwrap_or(0);
    let count = usize::try_from(order.count.min(AT_ONCE).min(room)).unwrap_or(0);
    if count == 0 {
        return Ok(());
    }
    // a dialler takes no personal call-backs: their owners do
    let taker = Taker { operator: "", secret };
    let taken = match lease::take(tx, &order.plan, taker, count, &desk.fallback) {
        Err(cause) if cause.reason() == lease::PLAN_IS_OLD => return Ok(()),
        taken => taken?,
    };
    for (entry, happened) in taken.others {
        list_events::happened(tx, &order.plan.list, &entry, "", happened);
    }
    for entry in taken.entries {
        place_one(tx, desk, &order, entry)?;
    }
    Ok(())
}

fn place_one(tx: &mut Tx<'_>, desk: &Desk, order: &Order, old: ListEntry) -> Result<()> {
    let (now, list) = (tx.now(), &order.plan.list);
    list_events::leased(tx, list, &old);
    let mut entry = old.clone();
    let mut happened = vec![entry.start_dial(list, &desk.fallback, now)?];
    match start(desk, order, &old) {
        Ok(start) => entry.call = desk.intake.place(tx, &start)?.name(),
        // no telephone system of this kind can dial it
        Err(cause) => {
            tracing::info!(entry = old.full_name(), cause = %cause, "a number can't be dialled");
            happened.extend(entry.dialled_in_vain(list, &desk.fallback, Reason::Failed, now)?);
        }
    }
    store::list_entry::update(tx, list, &old, &mut entry)?;
    list_events::happened(tx, list, &entry, "", happened);
    Ok(())
}

/// The call of an entry.
fn start(desk: &Desk, order: &Order, entry: &ListEntry) -> Result<Start> {
    let connector = &order.connector;
    let rules = connector.numbers(&desk.region)?;
    let unknown = || Error::invalid("number", format!("{:?} is not a telephone number", entry.e164));
    let to = rules.caller(&entry.e164).ok_or_else(unknown)?;
    let order_id = dial::new_id(connector.kind.wants_bare_ids());
    let ring = Duration::from_secs(order.ring_seconds.unsigned_abs());
    let ordered = connector.dial.outside_first(&order_id, &to, &rules, ring)?;
    // the entry says whose number it is; what is open with them is looked up afterwards
    let found = (!entry.partner.is_empty()).then(|| Match {
        partners: vec![entry.partner.clone()],
        opportunity: entry.opportunity.clone(),
        complete: false,
    });
    Ok(Start {
        connector: connector.id.clone(),
        order: ordered,
        user: String::new(),
        team: order.plan.list.team.clone(),
        extension: String::new(),
        to,
        partner: entry.partner.clone(),
        opportunity: entry.opportunity.clone(),
        found,
        list_entry: entry.full_name(),
        outside_first: true,
        overrides_do_not_call: false,
    })
}
