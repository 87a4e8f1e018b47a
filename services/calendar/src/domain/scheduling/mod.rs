//! The rules of implicit scheduling between calendar users (RFC 6638, RFC 5546): texts in, texts out.
//! Called by schedule/, which finds the users and stores what comes out.

pub mod allowed;
pub mod answer;
pub mod cancel;
pub mod compare;
pub mod copy;
pub mod counter;
pub mod itip;
pub mod message;
pub mod organizer;
pub mod respond;

use kontor_vobject::content::ContentLine;
use kontor_vobject::ical::{CalendarObject, Item};
use kontor_vobject::tree::{Component, Document, Property};
use kontor_vobject::value::DateValue;
use kontor_vobject::zone::{Zone, Zones};
use kontor_vobject::{Limits, Patch};

use super::time;

/// Calendar user addresses of one user, as `Person::address` has them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Addresses(Vec<String>);

impl Addresses {
    /// Those of a user: the e-mail address (may be empty) and the principal's path.
    pub fn of(login: &str, email: &str) -> Addresses {
        let mut all = vec![format!("{PRINCIPALS}{login}")];
        if !email.is_empty() {
            all.push(email.to_lowercase());
        }
        Addresses(all)
    }

    /// One address of somebody outside.
    pub fn only(address: &str) -> Addresses {
        Addresses(vec![address.to_owned()])
    }

    /// Whether an address is one of these.
    pub fn has(&self, address: &str) -> bool {
        self.0.iter().any(|own| own == address || principal(address).is_some_and(|path| *own == path))
    }
}

/// Where the gateway shows principals: a principal's address is a calendar user address too (RFC 6638 section 2.4.1).
const PRINCIPALS: &str = "/dav/principals/users/";

/// The login name of a principal's address: its path, or a web address of it, whatever the host. No other address has a principal's
/// path somewhere inside.
pub fn login_of(address: &str) -> Option<&str> {
    let path = match address.split_once("://") {
        Some((scheme, rest)) => {
            let is_web = scheme.eq_ignore_ascii_case("https") || scheme.eq_ignore_ascii_case("http");
            &rest[rest.find('/').filter(|_| is_web)?..]
        }
        None => address,
    };
    let login = path.strip_prefix(PRINCIPALS)?.trim_end_matches('/');
    (!login.is_empty() && !login.contains('/')).then_some(login)
}

fn principal(address: &str) -> Option<String> {
    login_of(address).map(|login| format!("{PRINCIPALS}{login}"))
}

/// Who sends messages for an address (SCHEDULE-AGENT, RFC 6638 section 7.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Agent {
    /// The server; also when nothing is said, and for what is not known.
    Server,
    /// The client itself.
    Client,
    /// Nobody.
    None,
}

/// SCHEDULE-AGENT of an ATTENDEE or ORGANIZER.
pub fn agent(property: &Property<'_>) -> Agent {
    match property.param("SCHEDULE-AGENT").map(|agent| agent.trim().to_ascii_uppercase()).as_deref() {
        Some("SERVER") | None => Agent::Server,
        Some("CLIENT") => Agent::Client,
        // One that we do not know is treated as NONE (RFC 6638 section 7.1).
        Some(_) => Agent::None,
    }
}

/// Whether SCHEDULE-FORCE-SEND asks for this method (RFC 6638 section 7.2).
fn forces(property: &Property<'_>, method: &str) -> bool {
    property.param("SCHEDULE-FORCE-SEND").is_some_and(|asked| asked.trim().eq_ignore_ascii_case(method))
}

/// Whether SCHEDULE-FORCE-SEND asks for what is no method of its own.
fn forces_nothing(property: &Property<'_>) -> bool {
    property.param("SCHEDULE-FORCE-SEND").is_some()
        && !forces(property, "REQUEST")
        && !forces(property, "REPLY")
}

/// What an object is to the owner of the calendar in which it stands (RFC 6638 section 3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The owner organizes it.
    Organizer,
    /// The owner is invited by someone else.
    Attendee,
    /// Nothing is scheduled by it.
    Neither,
}

/// The role of an object's owner.
pub fn role(object: &CalendarObject, own: &Addresses) -> Role {
    let organizers = || object.items.iter().filter_map(|item| item.organizer.as_ref());
    let is_guest = |item: &Item| item.attendees.iter().any(|guest| own.has(&guest.address));
    if object.items.iter().all(|item| item.attendees.is_empty()) {
        Role::Neither
    } else if organizers().any(|organizer| own.has(&organizer.address)) {
        Role::Organizer
    } else if organizers().next().is_some() && object.items.iter().any(is_guest) {
        Role::Attendee
    } else {
        Role::Neither
    }
}

/// Whether an object can be a scheduling object at all: it has an organizer and guests.
pub fn may_schedule(object: &CalendarObject) -> bool {
    object.items.iter().any(|item| item.organizer.is_some())
        && object.items.iter().any(|item| !item.attendees.is_empty())
}

/// Whether it names no organizer and no guest.
pub fn has_nobody(object: &CalendarObject) -> bool {
    object.items.iter().all(|item| item.organizer.is_none() && item.attendees.is_empty())
}

/// Address of the organizer; empty without one.
pub fn organizer_of(object: &CalendarObject) -> &str {
    let mut organizers = object.items.iter().filter_map(|item| item.organizer.as_ref());
    organizers.next().map_or("", |organizer| organizer.address.as_str())
}

/// Whether all components name the same organizer (CALDAV:same-organizer-in-all-components).
pub fn has_one_organizer(object: &CalendarObject) -> bool {
    let address = |item: &Item| item.organizer.as_ref().map(|organizer| organizer.address.clone());
    let first = address(object.first());
    object.items.iter().all(|item| address(item) == first)
}

/// Which instance an item describes, in seconds UTC; none for the master.
fn instance(item: &Item, zones: &mut Zones<'_>) -> Option<i64> {
    item.recurrence_id.as_ref().map(|id| time::seconds(&id.at, zones))
}

/// An object that was read, with its text.
pub struct Read<'a> {
    /// The text.
    pub document: Document<'a>,
    /// What was read.
    pub object: CalendarObject,
}

impl<'a> Read<'a> {
    /// Reads a text that was checked before.
    ///
    /// # Errors
    /// INTERNAL: what is stored was checked when it came.
    pub fn of(bytes: &'a [u8]) -> kontor_kit::Result<Read<'a>> {
        let (document, object) = super::text::stored(bytes)?;
        Ok(Read { document, object })
    }

    /// The component of an item.
    pub fn component(&self, item: &Item) -> Component<'_> {
        self.document.component(item.component)
    }

    /// As `by_instance`, for those who only compare.
    pub fn instances(&self) -> Vec<(Option<i64>, &Item)> {
        self.by_instance()
    }

    fn zones(&self) -> Zones<'_> {
        Zones::of(&self.document, Zone::UTC)
    }

    /// Each item with the instance that it describes.
    fn by_instance(&self) -> Vec<(Option<i64>, &Item)> {
        let mut zones = self.zones();
        self.object.items.iter().map(|item| (instance(item, &mut zones), item)).collect()
    }
}

/// The ATTENDEE lines of an item, each with its address.
fn guests<'d>(component: &Component<'d>, item: &Item) -> Vec<(String, Property<'d>)> {
    let addresses = item.attendees.iter().map(|guest| guest.address.clone());
    addresses.zip(component.properties_named("ATTENDEE")).collect()
}

/// PARTSTAT of an address in an item; NEEDS-ACTION when it is not written.
fn partstat(item: &Item, address: &str) -> Option<String> {
    let guest = item.attendees.iter().find(|guest| guest.address == address)?;
    Some(guest.partstat.clone().unwrap_or_else(|| NEEDS_ACTION.to_owned()))
}

/// PARTSTAT of who has not answered.
pub const NEEDS_ACTION: &str = "NEEDS-ACTION";

/// Parameters that are between a client and its server and never leave it (RFC 6638 section 7).
const PRIVATE: [&str; 3] = ["SCHEDULE-AGENT", "SCHEDULE-STATUS", "SCHEDULE-FORCE-SEND"];

/// Writes an ATTENDEE or ORGANIZER anew with these parameters set and those removed. Others stay.
fn set_params(patch: &mut Patch<'_>, property: &Property<'_>, set: &[(&str, &str)], remove: &[&str]) {
    let line = ContentLine::new(property.name(), property.value());
    let line = set.iter().fold(line, |line, (name, value)| line.param(name, *value));
    patch.replace_without(property, line, remove);
}

/// Whether a line has this SCHEDULE-STATUS already, so that it need not be written anew.
fn is_marked(property: &Property<'_>, status: &str) -> bool {
    property.param("SCHEDULE-STATUS").as_deref() == Some(status)
        && property.param("SCHEDULE-FORCE-SEND").is_none()
}

/// The value as an instant in UTC where it is one, so that a message needs no VTIMEZONE for it.
fn in_utc(value: &DateValue, zones: &mut Zones<'_>) -> DateValue {
    match value {
        DateValue::Zoned { .. } => {
            DateValue::Utc(kontor_vobject::recur::day::date_time(time::seconds(value, zones)))
        }
        other => other.clone(),
    }
}

/// Reads a text that this program has just written.
fn parse(bytes: &[u8]) -> kontor_kit::Result<Document<'_>> {
    Document::parse(bytes, &Limits::default()).map_err(kontor_kit::Error::internal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_path_is_a_principal() {
        for address in [
            "/dav/principals/users/anna",
            "/dav/principals/users/anna/",
            "https://kontor.test/dav/principals/users/anna/",
            "HTTP://127.0.0.1:8080/dav/principals/users/anna",
        ] {
            assert_eq!(login_of(address), Some("anna"), "{address}");
        }
        for address in [
            "/other/dav/principals/users/anna",
            "https://elsewhere.test/proxy/dav/principals/users/anna/",
            "x/dav/principals/users/anna@example.com",
            "urn:x:/dav/principals/users/anna",
            "ftp://kontor.test/dav/principals/users/anna",
            "https://kontor.test",
            "/dav/principals/users/",
            "/dav/principals/users/anna/x",
        ] {
            assert_eq!(login_of(address), None, "{address}");
        }
        assert!(Addresses::of("anna", "").has("https://kontor.test/dav/principals/users/anna/"));
        assert!(!Addresses::of("anna", "").has("mailto:x/dav/principals/users/anna"));
    }
}
