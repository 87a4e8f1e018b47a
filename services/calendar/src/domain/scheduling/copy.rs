//! A guest's copy of a meeting: the organizer's text with what is the guest's own.
//! Called by schedule/ when a message comes to a user, and when a guest changes the copy.

use kontor_kit::Result;
use kontor_vobject::Patch;
use kontor_vobject::content::ContentLine;
use kontor_vobject::ical::Item;
use kontor_vobject::tree::{Component, Property};

use super::compare::instants;
use super::{Addresses, Read, guests, partstat, set_params};

/// What a guest keeps of the copy when a new text comes: alarms, TRANSP, the state of a task, lines of the guest's program, and
/// the instances that were taken out.
///
/// # Errors
/// INTERNAL for a text that can't be read.
pub fn merge(message: &[u8], copy: &[u8], own: &Addresses) -> Result<Vec<u8>> {
    let (new, old) = (Read::of(message)?, Read::of(copy)?);
    let mut old_zones = old.zones();
    let taken_out =
        old.object.master().map(|master| instants(&master.except_dates, &mut old_zones)).unwrap_or_default();
    let old_items = old.by_instance();
    let mut patch = Patch::new(&new.document);
    for (instance, item) in new.by_instance() {
        let component = new.component(item);
        if let (Some(master), Some(original)) = (new.object.master(), instance)
            && taken_out.contains(&Ok(original))
            && is_declined(item, own)
            && let Some(id) = &item.recurrence_id
        {
            patch.remove_component(&component);
            patch.add(&new.component(master), ContentLine::date("EXDATE", &id.at));
            continue;
        }
        let same = old_items.iter().find(|(other, _)| *other == instance);
        // A new instance has the alarms of its series.
        let Some((_, kept)) = same.or_else(|| old_items.iter().find(|(other, _)| other.is_none())) else {
            continue;
        };
        keep(&mut patch, &component, &old.component(kept));
    }
    Ok(patch.apply())
}

fn is_declined(item: &Item, own: &Addresses) -> bool {
    item.attendees
        .iter()
        .any(|guest| own.has(&guest.address) && partstat(item, &guest.address).as_deref() == Some("DECLINED"))
}

/// Lines that belong to the guest, not to the meeting.
const OWN: [&str; 3] = ["TRANSP", "PERCENT-COMPLETE", "COMPLETED"];

fn keep(patch: &mut Patch<'_>, into: &Component<'_>, from: &Component<'_>) {
    for property in from.properties() {
        if OWN.iter().any(|own| property.is(own)) {
            patch.set(into, as_written(&property));
        } else if is_of_program(&property) && into.property(property.name()).is_none() {
            patch.add(into, as_written(&property));
        }
    }
    for alarm in from.children("VALARM") {
        patch.insert_component(into, alarm.raw());
    }
}

fn is_of_program(property: &Property<'_>) -> bool {
    property.name().get(..2).is_some_and(|start| start.eq_ignore_ascii_case("X-"))
}

fn as_written(property: &Property<'_>) -> ContentLine {
    property.params().fold(ContentLine::new(property.name(), property.value()), |line, (name, value)| {
        line.param(name, value)
    })
}

/// A guest's changed text with the answers of the others as they stand: the guest's program may not have seen the newest ones.
pub fn with_others(before: &Read<'_>, after: &Read<'_>, own: &Addresses) -> Vec<u8> {
    let old = before.by_instance();
    let mut patch = Patch::new(&after.document);
    for (instance, item) in after.by_instance() {
        let same = old.iter().find(|(other, _)| *other == instance);
        let Some((_, known)) = same.or_else(|| old.iter().find(|(other, _)| other.is_none())) else {
            continue;
        };
        for (address, line) in guests(&after.component(item), item) {
            if own.has(&address) {
                continue;
            }
            if let Some(said) = partstat(known, &address)
                && partstat(item, &address).as_deref() != Some(said.as_str())
            {
                set_params(&mut patch, &line, &[("PARTSTAT", &said)], &[]);
            }
        }
    }
    patch.apply()
}

/// Whether the guest has declined every part of it, so that a deleted copy is not put back.
pub fn is_refused(read: &Read<'_>, own: &Addresses) -> bool {
    read.object.items.iter().all(|item| is_declined(item, own))
}
