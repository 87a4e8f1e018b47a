//! What a guest may change of a meeting in the own calendar (RFC 6638 section 3.2.2.1).
//! Called by schedule/ before a guest's change is stored.

use std::collections::BTreeSet;

use kontor_vobject::ical::{Item, RawDates};
use kontor_vobject::zone::Zones;

use super::compare::{has_moved, instants};
use super::{Addresses, Read, guests, partstat};
use crate::domain::event::end_of;
use crate::domain::time;

/// Checks a guest's change. The error is the name of what the guest may not change.
///
/// # Errors
/// The property.
pub fn check(before: &Read<'_>, after: &Read<'_>, own: &Addresses) -> Result<(), &'static str> {
    let (mut old_zones, mut new_zones) = (before.zones(), after.zones());
    let (old, new) = (before.by_instance(), after.by_instance());
    let old_master = before.object.master();
    for (instance, item) in &new {
        let same = old.iter().find(|(other, _)| other == instance).map(|(_, item)| *item);
        match (same, instance, old_master) {
            (Some(same), ..) => {
                if has_moved(same, &mut old_zones, item, &mut new_zones) {
                    return Err("DTSTART");
                }
                check_recurrence(same, &mut old_zones, item, &mut new_zones)?;
                check_item(before, same, after, item, own)?;
            }
            (None, Some(original), Some(master)) => {
                check_new_instance(*original, master, &mut old_zones, item, &mut new_zones)?;
                check_item(before, master, after, item, own)?;
            }
            _ => return Err("RECURRENCE-ID"),
        }
    }
    check_left_out(&old, &new, after, &mut new_zones)
}

/// An instance may go when an exception stands in its place; of single instances without their series any may.
fn check_left_out(
    old: &[(Option<i64>, &Item)],
    new: &[(Option<i64>, &Item)],
    after: &Read<'_>,
    zones: &mut Zones<'_>,
) -> Result<(), &'static str> {
    let excepted = after.object.master().map(|master| instants(&master.except_dates, zones));
    for (instance, _) in old.iter().filter(|(instance, _)| !new.iter().any(|(other, _)| other == instance)) {
        let may_go = match (instance, &excepted) {
            (Some(original), Some(excepted)) => excepted.contains(&Ok(*original)),
            (Some(_), None) => true,
            (None, _) => false,
        };
        if !may_go {
            return Err("RECURRENCE-ID");
        }
    }
    Ok(())
}

fn check_item(
    before: &Read<'_>,
    old: &Item,
    after: &Read<'_>,
    new: &Item,
    own: &Addresses,
) -> Result<(), &'static str> {
    let text = |text: &Option<String>| text.as_deref().unwrap_or_default().trim().to_owned();
    if text(&old.summary) != text(&new.summary) {
        return Err("SUMMARY");
    }
    if text(&old.location) != text(&new.location) {
        return Err("LOCATION");
    }
    let address = |item: &Item| item.organizer.as_ref().map(|organizer| organizer.address.clone());
    if address(old) != address(new) {
        return Err("ORGANIZER");
    }
    check_guests(before, old, after, new, own)
}

/// All guests stay. A guest may add those to whom the own part is delegated.
fn check_guests(
    before: &Read<'_>,
    old: &Item,
    after: &Read<'_>,
    new: &Item,
    own: &Addresses,
) -> Result<(), &'static str> {
    let old: BTreeSet<String> =
        guests(&before.component(old), old).into_iter().map(|(address, _)| address).collect();
    let delegates = new.attendees.iter().any(|guest| {
        own.has(&guest.address) && partstat(new, &guest.address).as_deref() == Some("DELEGATED")
    });
    let mut left = old.clone();
    for (address, property) in guests(&after.component(new), new) {
        left.remove(&address);
        let is_delegate = || {
            delegates
                && property.param_values("DELEGATED-FROM").any(|from| own.has(&super::answer::bare(&from)))
        };
        if !old.contains(&address) && !is_delegate() {
            return Err("ATTENDEE");
        }
    }
    if left.is_empty() { Ok(()) } else { Err("ATTENDEE") }
}

fn check_recurrence(
    old: &Item,
    old_zones: &mut Zones<'_>,
    new: &Item,
    new_zones: &mut Zones<'_>,
) -> Result<(), &'static str> {
    let parts = |rules: &[RawDates]| -> Vec<Vec<String>> {
        let rules = rules.iter().map(|rule| {
            let mut parts: Vec<String> =
                rule.value.split(';').map(|part| part.trim().to_ascii_uppercase()).collect();
            parts.sort();
            parts
        });
        rules.collect()
    };
    if parts(&old.rules) != parts(&new.rules) || parts(&old.except_rules) != parts(&new.except_rules) {
        return Err("RRULE");
    }
    if instants(&old.dates, old_zones) != instants(&new.dates, new_zones) {
        return Err("RDATE");
    }
    let kept = instants(&new.except_dates, new_zones);
    if instants(&old.except_dates, old_zones).is_subset(&kept) { Ok(()) } else { Err("EXDATE") }
}

/// A new override must be the instance as the series has it.
fn check_new_instance(
    original: i64,
    master: &Item,
    old_zones: &mut Zones<'_>,
    item: &Item,
    new_zones: &mut Zones<'_>,
) -> Result<(), &'static str> {
    let start = item.start.as_ref().map(|start| time::seconds(start, new_zones));
    if start.is_some_and(|start| start != original) {
        return Err("DTSTART");
    }
    let length = |item: &Item, zones: &mut Zones<'_>| {
        let start = time::seconds(item.start.as_ref()?, zones);
        Some(time::seconds(&end_of(item, zones)?, zones) - start)
    };
    match (length(master, old_zones), length(item, new_zones)) {
        // An instance in which the clocks change lasts an hour more or less.
        (Some(old), Some(new)) if (old - new).abs() <= 3_600 && (old - new) % 3_600 == 0 => Ok(()),
        (None, None) => Ok(()),
        _ => Err("DTEND"),
    }
}
