//! A calendar object as CalDAV stores it: one UID, one kind, a master and its overrides (RFC 4791 4.1).
//! Called on PUT, on import of scheduling messages, and by the calendar service.

mod item;
mod update;

pub use item::{Item, Person, RawDates, RecurrenceId};
pub(crate) use update::all_lines;
pub use update::update;

use std::fmt;

use crate::error::{Error, clip};
use crate::tree::{Component, Document};

/// What a calendar object is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ItemKind {
    /// VEVENT
    #[default]
    Event,
    /// VTODO
    Todo,
    /// VJOURNAL
    Journal,
    /// VFREEBUSY
    FreeBusy,
}

impl ItemKind {
    /// All kinds.
    pub const ALL: [ItemKind; 4] = [ItemKind::Event, ItemKind::Todo, ItemKind::Journal, ItemKind::FreeBusy];

    /// The component's name, as in `VEVENT`.
    pub fn name(self) -> &'static str {
        match self {
            ItemKind::Event => "VEVENT",
            ItemKind::Todo => "VTODO",
            ItemKind::Journal => "VJOURNAL",
            ItemKind::FreeBusy => "VFREEBUSY",
        }
    }

    /// The kind of a component's name, whatever the case.
    pub fn of(name: &str) -> Option<ItemKind> {
        Self::ALL.into_iter().find(|kind| name.eq_ignore_ascii_case(kind.name()))
    }
}

/// Which precondition of a PUT a text violates (RFC 4791 5.3.2.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Violation {
    /// `valid-calendar-data`: not iCalendar; why, and the line (0 when it is the whole text).
    ValidCalendarData(String, usize),
    /// `valid-calendar-object-resource`: iCalendar, but not one object as RFC 4791 4.1 has it.
    ValidCalendarObjectResource(String),
    /// `supported-calendar-component`: the name of a component that no calendar here takes.
    SupportedComponent(String),
}

impl From<Error> for Violation {
    fn from(error: Error) -> Violation {
        Violation::ValidCalendarData(error.kind.to_string(), error.line)
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Violation::ValidCalendarData(why, 0) => f.write_str(why),
            Violation::ValidCalendarData(why, line) => write!(f, "line {line}: {why}"),
            Violation::ValidCalendarObjectResource(why) => f.write_str(why),
            Violation::SupportedComponent(name) => write!(f, "component {name} is not taken here"),
        }
    }
}

impl std::error::Error for Violation {}

/// A calendar object that was read and checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CalendarObject {
    /// What it is about.
    pub kind: ItemKind,
    /// The one UID of all its items.
    pub uid: String,
    /// METHOD; only scheduling messages have it.
    pub method: Option<String>,
    /// All its items, in their order in the text; there is one at least.
    pub items: Vec<Item>,
    /// Which item has no RECURRENCE-ID. None when only some instances are known, as to an invited guest.
    pub master: Option<usize>,
    /// Which items are overrides, in their order in the text.
    pub overrides: Vec<usize>,
    /// The VTIMEZONEs, as numbers for `Document::component`.
    pub time_zones: Vec<usize>,
}

impl CalendarObject {
    /// Reads an object that is to be stored, and tells the precondition that it violates.
    pub fn read(document: &Document<'_>) -> Result<CalendarObject, Violation> {
        let object = CalendarObject::read_message(document)?;
        let resource = |why: &str| Err(Violation::ValidCalendarObjectResource(why.to_owned()));
        if object.method.is_some() {
            return resource("a stored object has no METHOD");
        }
        if object.items.iter().filter(|item| item.recurrence_id.is_none()).count() > 1 {
            return resource("more than one component without RECURRENCE-ID");
        }
        // Tasks are often without a start (RFC 5545 3.6.2), and some programs repeat them by DUE alone.
        let without = object.items.iter().find(|item| object.kind == ItemKind::Event && item.start.is_none());
        match without {
            Some(item) => Err(Violation::ValidCalendarData("DTSTART is missing".to_owned(), item.line)),
            None => Ok(object),
        }
    }

    /// Reads a scheduling message (RFC 5546): as `read`, but METHOD may be there and DTSTART may be missing.
    pub fn read_message(document: &Document<'_>) -> Result<CalendarObject, Violation> {
        let root = calendar(document)?;
        let (mut items, mut time_zones) = (Vec::new(), Vec::new());
        let mut found: Option<(ItemKind, String)> = None;
        for component in root.components() {
            if component.is("VTIMEZONE") {
                time_zones.push(component.index());
                continue;
            }
            let Some(kind) = ItemKind::of(component.name()) else {
                // RFC 5545 3.6: what is not known and begins with X- is passed over.
                if component.name().to_ascii_uppercase().starts_with("X-") {
                    continue;
                }
                return Err(Violation::SupportedComponent(clip(component.name())));
            };
            let uid = uid(&component)?;
            match &found {
                None => found = Some((kind, uid)),
                Some(first) => same_object(first, kind, &uid)?,
            }
            items.push(Item::read(&component)?);
        }
        let Some((kind, uid)) = found else {
            return Err(Violation::ValidCalendarObjectResource("no event, task or journal".to_owned()));
        };
        let master = items.iter().position(|item| item.recurrence_id.is_none());
        let overrides = (0..items.len()).filter(|&i| items[i].recurrence_id.is_some()).collect();
        let method = root.text("METHOD").map(|method| method.trim().to_ascii_uppercase());
        Ok(CalendarObject { kind, uid, method, items, master, overrides, time_zones })
    }

    /// The item without RECURRENCE-ID.
    pub fn master(&self) -> Option<&Item> {
        self.master.map(|index| &self.items[index])
    }

    /// The overrides, in their order in the text.
    pub fn overrides(&self) -> impl Iterator<Item = &Item> {
        self.overrides.iter().map(|&index| &self.items[index])
    }

    /// The master, or else the first override: what speaks for the whole object.
    pub fn first(&self) -> &Item {
        &self.items[self.master.unwrap_or(0)]
    }
}

/// The one VCALENDAR of a text, with VERSION 2.0.
fn calendar<'d>(document: &'d Document<'_>) -> Result<Component<'d>, Violation> {
    let root = document.root();
    let data = |why: String, line| Err(Violation::ValidCalendarData(why, line));
    if !root.is("VCALENDAR") {
        return data(format!("{} is not a VCALENDAR", clip(root.name())), root.line());
    }
    if let Some(second) = document.roots().nth(1) {
        return data("more than one component at the top".to_owned(), second.line());
    }
    match root.property("VERSION") {
        Some(version) if version.value().trim() == "2.0" => Ok(root),
        Some(version) => data(format!("VERSION {:?} is not 2.0", clip(version.value())), version.line()),
        None => data("VERSION is missing".to_owned(), root.line()),
    }
}

fn uid(component: &Component<'_>) -> Result<String, Violation> {
    let resource = |why: String| Err(Violation::ValidCalendarObjectResource(why));
    let mut uids = component.properties_named("UID");
    match (uids.next(), uids.next()) {
        (Some(uid), None) if !uid.value().trim().is_empty() => Ok(uid.text().trim().to_owned()),
        (_, Some(second)) => {
            resource(format!("{} has a second UID on line {}", component.name(), second.line()))
        }
        _ => resource(format!("{} on line {} has no UID", component.name(), component.line())),
    }
}

fn same_object(first: &(ItemKind, String), kind: ItemKind, uid: &str) -> Result<(), Violation> {
    let resource = |why: String| Err(Violation::ValidCalendarObjectResource(why));
    if first.0 != kind {
        return resource(format!("{} and {} in one object", first.0.name(), kind.name()));
    }
    if first.1 != uid {
        return resource(format!("uid {:?} beside uid {:?} in one object", clip(uid), clip(&first.1)));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
