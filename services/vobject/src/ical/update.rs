//! The lines of an item, and the change of a stored item from its typed fields.
//! Called by the calendar service through `ical::update`, and by `write` for new items.

use std::collections::HashMap;

use crate::content::ContentLine;
use crate::ical::{Item, ItemKind, Person, RawDates};
use crate::patch::Patch;
use crate::tree::{Component, Property};
use crate::value::{DateValue, escape_text};

/// Sets the lines of `component` that tell `new` apart from `old`, and no other; returns whether there were any.
///
/// `old` is what was read from the component. SEQUENCE and the stamps are left to `Patch::bump_sequence` and
/// `Patch::stamp`, for it depends on the change whether they move. Kind and alarms are not changed here.
pub fn update(patch: &mut Patch<'_>, component: &Component<'_>, old: &Item, new: &Item) -> bool {
    let mut changed = false;
    for ((name, before), (_, after)) in single_lines(old).into_iter().zip(single_lines(new)) {
        if before == after {
            continue;
        }
        changed = true;
        match after {
            Some(line) => patch.set(component, line),
            None => patch.remove_all(component, name),
        }
    }
    for (name, before, after) in [
        ("RRULE", &old.rules, &new.rules),
        ("EXRULE", &old.except_rules, &new.except_rules),
        ("RDATE", &old.dates, &new.dates),
        ("EXDATE", &old.except_dates, &new.except_dates),
    ] {
        let lines = |raw: &[RawDates]| raw.iter().map(|raw| raw.line(name)).collect::<Vec<_>>();
        let (before, after) = (lines(before), lines(after));
        if before != after {
            changed = true;
            replace_all(patch, component, name, &before, after);
        }
    }
    if old.categories != new.categories {
        changed = true;
        patch.remove_all(component, "CATEGORIES");
        if let Some(line) = categories(new) {
            patch.add(component, line);
        }
    }
    attendees(patch, component, old, new) || changed
}

/// Lines that stayed keep their bytes; the others go, and new ones come.
fn replace_all(
    patch: &mut Patch<'_>,
    component: &Component<'_>,
    name: &str,
    before: &[ContentLine],
    after: Vec<ContentLine>,
) {
    for (property, line) in component.properties_named(name).zip(before) {
        if !after.contains(line) {
            patch.remove(&property);
        }
    }
    for line in after.into_iter().filter(|line| !before.contains(line)) {
        patch.add(component, line);
    }
}

fn attendees(patch: &mut Patch<'_>, component: &Component<'_>, old: &Item, new: &Item) -> bool {
    if old.attendees == new.attendees {
        return false;
    }
    let properties: Vec<Property<'_>> = component.properties_named("ATTENDEE").collect();
    let mut places: HashMap<&str, (usize, &Person)> = old
        .attendees
        .iter()
        .enumerate()
        .map(|(place, person)| (person.address.as_str(), (place, person)))
        .collect();
    let mut kept = vec![false; properties.len()];
    for person in &new.attendees {
        let place = places.remove(person.address.as_str()).filter(|(place, _)| *place < properties.len());
        let Some((place, before)) = place else {
            patch.add(component, person.line("ATTENDEE"));
            continue;
        };
        kept[place] = true;
        if before != person {
            let line = ContentLine { value: properties[place].value().to_owned(), ..person.line("ATTENDEE") };
            patch.replace_without(&properties[place], line, &PERSON_PARAMETERS);
        }
    }
    for (property, _) in properties.iter().zip(kept).filter(|(_, kept)| !kept) {
        patch.remove(property);
    }
    true
}

const PERSON_PARAMETERS: [&str; 5] = ["CN", "PARTSTAT", "ROLE", "CUTYPE", "RSVP"];

/// The lines of an item that stand once at most, by name, always in the same order.
pub(crate) fn single_lines(item: &Item) -> Vec<(&'static str, Option<ContentLine>)> {
    let text = |name, value: &Option<String>| (name, value.as_deref().map(|v| ContentLine::text(name, v)));
    let plain = |name, value: Option<String>| (name, value.map(|v| ContentLine::new(name, v)));
    let date = |name, value: &Option<DateValue>| (name, value.as_ref().map(|v| ContentLine::date(name, v)));
    // DTEND beats a DURATION beside it, and never may both be written.
    let duration = item.duration.filter(|_| item.end.is_none() && item.due.is_none());
    vec![
        (
            "RECURRENCE-ID",
            item.recurrence_id.as_ref().map(|id| {
                let line = ContentLine::date("RECURRENCE-ID", &id.at);
                if id.this_and_future { line.param("RANGE", "THISANDFUTURE") } else { line }
            }),
        ),
        date("DTSTART", &item.start),
        date("DTEND", &item.end),
        date("DUE", &item.due),
        plain("DURATION", duration.map(|duration| duration.to_string())),
        text("SUMMARY", &item.summary),
        text("DESCRIPTION", &item.description),
        text("LOCATION", &item.location),
        plain("URL", item.url.clone()),
        text("STATUS", &item.status),
        text("CLASS", &item.class),
        plain("TRANSP", item.transparent.then(|| "TRANSPARENT".to_owned())),
        date("COMPLETED", &item.completed),
        plain("PERCENT-COMPLETE", item.percent.map(|percent| percent.to_string())),
        plain("PRIORITY", item.priority.map(|priority| priority.to_string())),
        ("ORGANIZER", item.organizer.as_ref().map(|person| person.line("ORGANIZER"))),
    ]
}

/// All lines of a new item, without UID, SEQUENCE and stamps.
pub(crate) fn all_lines(item: &Item) -> Vec<ContentLine> {
    let mut lines: Vec<ContentLine> = single_lines(item).into_iter().filter_map(|(_, line)| line).collect();
    for (name, raw) in [
        ("RRULE", &item.rules),
        ("EXRULE", &item.except_rules),
        ("RDATE", &item.dates),
        ("EXDATE", &item.except_dates),
    ] {
        lines.extend(raw.iter().map(|raw| raw.line(name)));
    }
    lines.extend(categories(item));
    lines.extend(item.attendees.iter().map(|person| person.line("ATTENDEE")));
    // An event that is written by us says that its time is busy, for some clients guess otherwise.
    if item.kind == ItemKind::Event && !item.transparent {
        lines.push(ContentLine::new("TRANSP", "OPAQUE"));
    }
    lines
}

fn categories(item: &Item) -> Option<ContentLine> {
    let list: Vec<String> = item.categories.iter().map(|category| escape_text(category)).collect();
    (!list.is_empty()).then(|| ContentLine::new("CATEGORIES", list.join(",")))
}

impl RawDates {
    fn line(&self, name: &str) -> ContentLine {
        let mut line = ContentLine::new(name, self.value.as_str());
        if let Some(tzid) = &self.tzid {
            line = line.param("TZID", tzid.as_str());
        }
        if let Some(kind) = &self.value_type {
            line = line.param("VALUE", kind.as_str());
        }
        line
    }
}

impl Person {
    fn line(&self, name: &str) -> ContentLine {
        let scheme = if self.address.contains(':') { "" } else { "mailto:" };
        let mut line = ContentLine::new(name, format!("{scheme}{}", self.address));
        let rsvp = self.rsvp.then(|| "TRUE".to_owned());
        let values = [&self.name, &self.partstat, &self.role, &self.user_type, &rsvp];
        for (name, value) in PERSON_PARAMETERS.into_iter().zip(values) {
            if let Some(value) = value {
                line = line.param(name, value.as_str());
            }
        }
        line
    }
}
