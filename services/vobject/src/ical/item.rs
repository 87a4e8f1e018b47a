//! One VEVENT, VTODO, VJOURNAL or VFREEBUSY with its values typed.
//! Read by `CalendarObject`; filled by whoever writes or changes an item.

use crate::error::{Error, Kind};
use crate::ical::{ItemKind, Violation};
use crate::tree::{Component, Property};
use crate::value::{DateValue, DurationValue, parse_duration, text_list};

/// One item. Fields are empty or None where the text has nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Item {
    /// What it is.
    pub kind: ItemKind,
    /// Its component, as a number for `Document::component`; 0 in an item that was not read.
    pub component: usize,
    /// The line of its BEGIN; 0 in an item that was not read.
    pub line: usize,
    /// Which instance of the series it overrides.
    pub recurrence_id: Option<RecurrenceId>,
    /// SUMMARY
    pub summary: Option<String>,
    /// DESCRIPTION
    pub description: Option<String>,
    /// LOCATION
    pub location: Option<String>,
    /// URL
    pub url: Option<String>,
    /// DTSTART
    pub start: Option<DateValue>,
    /// DTEND, which is not part of the event. It beats a DURATION beside it.
    pub end: Option<DateValue>,
    /// DUE of a task.
    pub due: Option<DateValue>,
    /// DURATION; never negative.
    pub duration: Option<DurationValue>,
    /// COMPLETED of a task.
    pub completed: Option<DateValue>,
    /// PERCENT-COMPLETE, 0 to 100.
    pub percent: Option<u8>,
    /// PRIORITY: 1 is the highest, 9 the lowest, 0 none.
    pub priority: Option<u8>,
    /// STATUS in capitals.
    pub status: Option<String>,
    /// Whether TRANSP says that the time is free.
    pub transparent: bool,
    /// CLASS in capitals.
    pub class: Option<String>,
    /// SEQUENCE; 0 when missing or unreadable.
    pub sequence: u32,
    /// ORGANIZER
    pub organizer: Option<Person>,
    /// ATTENDEEs
    pub attendees: Vec<Person>,
    /// CATEGORIES of all lines.
    pub categories: Vec<String>,
    /// How many VALARMs it has.
    pub alarms: usize,
    /// RRULEs as written.
    pub rules: Vec<RawDates>,
    /// EXRULEs as written; RFC 5545 gave them up, old texts have them.
    pub except_rules: Vec<RawDates>,
    /// RDATEs as written.
    pub dates: Vec<RawDates>,
    /// EXDATEs as written.
    pub except_dates: Vec<RawDates>,
}

/// RECURRENCE-ID (RFC 5545 3.8.4.4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecurrenceId {
    /// The start that the rule gave to the instance.
    pub at: DateValue,
    /// RANGE=THISANDFUTURE
    pub this_and_future: bool,
}

/// A property of recurrence, left for `recur` to read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RawDates {
    /// The value as written.
    pub value: String,
    /// TZID, without spaces at its ends.
    pub tzid: Option<String>,
    /// VALUE in capitals.
    pub value_type: Option<String>,
    /// Its line; 0 when it was not read.
    pub line: usize,
}

/// An ATTENDEE or ORGANIZER (RFC 5545 3.8.4.1, 3.8.4.3).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Person {
    /// The e-mail address in lower case without `mailto:`, or the URI as written when it is none.
    pub address: String,
    /// CN
    pub name: Option<String>,
    /// PARTSTAT in capitals.
    pub partstat: Option<String>,
    /// ROLE in capitals.
    pub role: Option<String>,
    /// CUTYPE in capitals.
    pub user_type: Option<String>,
    /// RSVP=TRUE
    pub rsvp: bool,
}

impl Item {
    /// Reads a component. Fails when a date, time or duration cannot be read, when one of them stands twice,
    /// and when the end is before the start; other slips (a SEQUENCE of "x") read as missing.
    pub fn read(component: &Component<'_>) -> Result<Item, Violation> {
        let capitals = |name| component.text(name).map(|text| text.trim().to_ascii_uppercase());
        let text = |name| component.text(name).map(|text| text.into_owned());
        let number = |name| component.property(name).and_then(|p| p.value().trim().parse::<u8>().ok());
        let people = |name| component.properties_named(name).map(|p| Person::read(&p));
        let raw = |name| component.properties_named(name).map(|p| RawDates::read(&p)).collect();
        let item = Item {
            kind: ItemKind::of(component.name()).unwrap_or_default(),
            component: component.index(),
            line: component.line(),
            recurrence_id: recurrence_id(component)?,
            summary: text("SUMMARY"),
            description: text("DESCRIPTION"),
            location: text("LOCATION"),
            url: component.property("URL").map(|p| p.value().trim().to_owned()),
            start: date(component, "DTSTART")?,
            end: date(component, "DTEND")?,
            due: date(component, "DUE")?,
            duration: duration(component)?,
            // Only for show, so a slip in it refuses nothing.
            completed: component.property("COMPLETED").and_then(|p| read_date(&p).ok()),
            percent: number("PERCENT-COMPLETE").filter(|percent| *percent <= 100),
            priority: number("PRIORITY").filter(|priority| *priority <= 9),
            status: capitals("STATUS"),
            transparent: capitals("TRANSP").is_some_and(|transp| transp == "TRANSPARENT"),
            class: capitals("CLASS"),
            sequence: component.property("SEQUENCE").and_then(|p| p.value().trim().parse().ok()).unwrap_or(0),
            organizer: people("ORGANIZER").next(),
            attendees: people("ATTENDEE").collect(),
            categories: component.properties_named("CATEGORIES").flat_map(|p| text_list(p.value())).collect(),
            alarms: component.children("VALARM").count(),
            rules: raw("RRULE"),
            except_rules: raw("EXRULE"),
            dates: raw("RDATE"),
            except_dates: raw("EXDATE"),
        };
        item.check_end(component)?;
        Ok(item)
    }

    /// Checks that DTEND is of DTSTART's type and not before it, where the text alone tells.
    fn check_end(&self, component: &Component<'_>) -> Result<(), Violation> {
        let (Some(start), Some(end)) = (&self.start, &self.end) else { return Ok(()) };
        let line = component.property("DTEND").map_or(0, |property| property.line());
        let data = |why: &str| Err(Violation::ValidCalendarData(why.to_owned(), line));
        if start.is_date() != end.is_date() {
            return data("one of DTSTART and DTEND is a date and the other is a time");
        }
        match end.compare_as_written(start) {
            Some(std::cmp::Ordering::Less) => data("DTEND is before DTSTART"),
            _ => Ok(()),
        }
    }
}

/// A property that may stand once; twice is an error, for no reading of it would be right.
fn once<'d>(component: &Component<'d>, name: &'static str) -> Result<Option<Property<'d>>, Violation> {
    let mut found = component.properties_named(name);
    match (found.next(), found.next()) {
        (_, Some(second)) => {
            Err(Violation::ValidCalendarData(format!("a second {name} in one component"), second.line()))
        }
        (first, None) => Ok(first),
    }
}

fn read_date(property: &Property<'_>) -> Result<DateValue, Error> {
    let (kind, tzid) = (property.param("VALUE"), property.param("TZID"));
    DateValue::parse(property.value(), kind.as_deref(), tzid.as_deref()).map_err(|e| e.on(property.line()))
}

fn date(component: &Component<'_>, name: &'static str) -> Result<Option<DateValue>, Violation> {
    Ok(once(component, name)?.map(|property| read_date(&property)).transpose()?)
}

fn duration(component: &Component<'_>) -> Result<Option<DurationValue>, Violation> {
    let Some(property) = once(component, "DURATION")? else { return Ok(None) };
    let duration = parse_duration(property.value()).map_err(|e| e.on(property.line()))?;
    if duration.negative && !duration.is_zero() {
        let kind = Kind::BadValue { what: "duration of an event or task", value: duration.to_string() };
        return Err(Error::at(property.line(), kind).into());
    }
    Ok(Some(duration))
}

fn recurrence_id(component: &Component<'_>) -> Result<Option<RecurrenceId>, Violation> {
    let Some(property) = once(component, "RECURRENCE-ID")? else { return Ok(None) };
    let this_and_future =
        property.param("RANGE").is_some_and(|range| range.eq_ignore_ascii_case("THISANDFUTURE"));
    Ok(Some(RecurrenceId { at: read_date(&property)?, this_and_future }))
}

impl RawDates {
    fn read(property: &Property<'_>) -> RawDates {
        RawDates {
            value: property.value().trim().to_owned(),
            tzid: property.param("TZID").map(|tzid| tzid.trim().to_owned()).filter(|tzid| !tzid.is_empty()),
            value_type: property.param("VALUE").map(|kind| kind.trim().to_ascii_uppercase()),
            line: property.line(),
        }
    }
}

impl Person {
    fn read(property: &Property<'_>) -> Person {
        let capitals = |name| property.param(name).map(|value| value.trim().to_ascii_uppercase());
        let uri = property.value().trim();
        // Apple names people by urn:uuid and puts the address into EMAIL.
        let address = match (mail_address(uri), property.param("EMAIL")) {
            (Some(address), _) => address.to_lowercase(),
            (None, Some(email)) if !email.trim().is_empty() => email.trim().to_lowercase(),
            _ if uri.contains('@') && !uri.contains(':') => uri.to_lowercase(),
            _ => uri.to_owned(),
        };
        Person {
            address,
            name: property.param("CN").map(|name| name.into_owned()),
            partstat: capitals("PARTSTAT"),
            role: capitals("ROLE"),
            user_type: capitals("CUTYPE"),
            rsvp: capitals("RSVP").is_some_and(|rsvp| rsvp == "TRUE"),
        }
    }
}

/// What stands behind `mailto:`.
fn mail_address(uri: &str) -> Option<&str> {
    let scheme = uri.get(..7)?;
    scheme.eq_ignore_ascii_case("mailto:").then(|| uri[7..].trim())
}
