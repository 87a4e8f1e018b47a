//! The organizer's object: whose answers stand in it, and what became of the messages.
//! Called by schedule/ before a change of the organizer is stored, and after its messages went out.

use std::collections::{BTreeMap, HashMap};

use kontor_kit::Result;
use kontor_vobject::Patch;
use kontor_vobject::content::ContentLine;
use kontor_vobject::ical::Item;
use kontor_vobject::zone::Zones;

use super::compare::{has_moved, is_rescheduled};
use super::{
    Addresses, Agent, NEEDS_ACTION, Read, agent, forces, forces_nothing, guests, is_marked, partstat,
    set_params,
};
use crate::domain::time;

/// Invited at most to one component (CALDAV:max-attendees-per-instance).
pub const MAX_GUESTS: usize = 1_000;

/// Someone invited anywhere in an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Guest {
    /// Who sends messages.
    pub agent: Agent,
    /// Whether the client wants a message in any case.
    pub forced: bool,
}

/// All guests of an object but the organizer, by address.
pub fn all_guests(read: &Read<'_>, own: &Addresses) -> BTreeMap<String, Guest> {
    let mut all: BTreeMap<String, Guest> = BTreeMap::new();
    for item in &read.object.items {
        for (address, line) in guests(&read.component(item), item) {
            if own.has(&address) {
                continue;
            }
            let found = Guest { agent: agent(&line), forced: forces(&line, "REQUEST") };
            let known = all.entry(address).or_insert(found);
            known.forced |= found.forced;
            if found.agent == Agent::Server {
                known.agent = Agent::Server;
            }
        }
    }
    all
}

/// Guests whose line asks for a message by a method that is none (SCHEDULE-FORCE-SEND, RFC 6638 section 7.2).
pub fn wrongly_forced(read: &Read<'_>) -> Vec<String> {
    let lines = read.object.items.iter().flat_map(|item| guests(&read.component(item), item));
    lines.filter(|(_, line)| forces_nothing(line)).map(|(address, _)| address).collect()
}

/// Whether a component has more guests than are taken, or all together name more than ten times as many: each of these is looked at for
/// each guest.
pub fn has_too_many_guests(read: &Read<'_>) -> bool {
    let named = read.object.items.iter().map(|item| item.attendees.len());
    named.clone().any(|guests| guests > MAX_GUESTS) || named.sum::<usize>() > 10 * MAX_GUESTS
}

/// The organizer's text with the answers that the guests themselves gave: a client that has not seen them must not undo them, and
/// a component that happens at another time has to be answered again (RFC 6638 sections 3.2.1 and 3.2.8). Of guests outside the
/// organizer says what they answered, for their answers come to the organizer's client. `users` are the login names behind the addresses of
/// both texts: who is named by another address than before has answered already.
///
/// A change of time that left SEQUENCE as it was raises it (RFC 5546 section 2.1.4), or guests' programs take the message for an old one.
pub fn settle(
    before: Option<&Read<'_>>,
    after: &Read<'_>,
    own: &Addresses,
    users: &HashMap<String, String>,
) -> Vec<u8> {
    let old = before.map(Read::by_instance).unwrap_or_default();
    let mut old_zones = before.map(Read::zones);
    let mut zones = after.zones();
    let mut patch = Patch::new(&after.document);
    for (instance, item) in after.by_instance() {
        let same = old.iter().find(|(other, _)| *other == instance).map(|(_, item)| *item);
        let master = old.iter().find(|(other, _)| other.is_none()).map(|(_, item)| *item);
        let rescheduled = match (same, master, &mut old_zones) {
            (Some(same), _, Some(old_zones)) => is_rescheduled(same, old_zones, item, &mut zones),
            (None, Some(master), Some(old_zones)) => {
                is_moved_instance(instance, master, old_zones, item, &mut zones)
            }
            _ => false,
        };
        let known = same.or(master).map_or(0, |item| item.sequence);
        if rescheduled && item.sequence <= known && !item.attendees.is_empty() {
            let raised = ContentLine::new("SEQUENCE", known.saturating_add(1).to_string());
            patch.set(&after.component(item), raised);
        }
        for (address, line) in guests(&after.component(item), item) {
            if own.has(&address) || agent(&line) != Agent::Server {
                continue;
            }
            let written = partstat(item, &address).unwrap_or_default();
            let said = same.or(master).and_then(|item| said_by(item, &address, users));
            let right = if rescheduled || (forces(&line, "REQUEST") && written == NEEDS_ACTION) {
                NEEDS_ACTION.to_owned()
            } else if users.contains_key(&address) {
                said.unwrap_or_else(|| NEEDS_ACTION.to_owned())
            } else {
                continue;
            };
            if right != written {
                set_params(&mut patch, &line, &[("PARTSTAT", &right)], &[]);
            }
        }
    }
    patch.apply()
}

/// PARTSTAT of an address in an item, or that of another address of the same user.
fn said_by(item: &Item, address: &str, users: &HashMap<String, String>) -> Option<String> {
    partstat(item, address).or_else(|| {
        let user = users.get(address)?;
        let other = item.attendees.iter().find(|guest| users.get(&guest.address) == Some(user))?;
        partstat(item, &other.address)
    })
}

fn is_moved_instance(
    instance: Option<i64>,
    master: &Item,
    old_zones: &mut Zones<'_>,
    item: &Item,
    zones: &mut Zones<'_>,
) -> bool {
    let start = item.start.as_ref().map(|start| time::seconds(start, zones));
    if start != instance {
        return true;
    }
    // As long as the series' own: its start is put where the instance is.
    let mut placed = master.clone();
    let length = |item: &Item, zones: &mut Zones<'_>| {
        let start = time::seconds(item.start.as_ref()?, zones);
        let end = crate::domain::event::end_of(item, zones)?;
        Some(time::seconds(&end, zones) - start)
    };
    placed.rules.clear();
    match (length(&placed, old_zones), length(item, zones)) {
        (Some(old), Some(new)) => (old - new).abs() > 3_600 || (old - new) % 3_600 != 0,
        _ => has_moved(&placed, old_zones, item, zones),
    }
}

/// Writes what became of the messages into the organizer's text: SCHEDULE-STATUS of each address that was sent one.
///
/// # Errors
/// INTERNAL for a text that can't be read.
pub fn mark(bytes: &[u8], statuses: &BTreeMap<String, &'static str>) -> Result<Vec<u8>> {
    if statuses.is_empty() {
        return Ok(bytes.to_vec());
    }
    let read = Read::of(bytes)?;
    let mut patch = Patch::new(&read.document);
    for item in &read.object.items {
        for (address, line) in guests(&read.component(item), item) {
            if let Some(status) = statuses.get(&address)
                && !is_marked(&line, status)
            {
                set_params(&mut patch, &line, &[("SCHEDULE-STATUS", status)], &["SCHEDULE-FORCE-SEND"]);
            }
        }
    }
    Ok(patch.apply())
}

/// Answers of guests that differ between two texts: address, PARTSTAT, and the instance in seconds UTC.
pub fn new_answers(
    before: &Read<'_>,
    after: &Read<'_>,
    own: &Addresses,
) -> Vec<(String, String, Option<i64>)> {
    let old = before.by_instance();
    let mut found = Vec::new();
    for (instance, item) in after.by_instance() {
        let same = old.iter().find(|(other, _)| *other == instance);
        let known = same.or_else(|| old.iter().find(|(other, _)| other.is_none()));
        for guest in &item.attendees {
            let Some(said) = known.and_then(|(_, item)| partstat(item, &guest.address)) else { continue };
            let says = guest.partstat.clone().unwrap_or_default();
            if !own.has(&guest.address) && said != says && !says.is_empty() && says != NEEDS_ACTION {
                found.push((guest.address.clone(), says, instance));
            }
        }
    }
    found
}
