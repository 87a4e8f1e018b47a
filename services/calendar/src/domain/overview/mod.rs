//! The unified calendar of a user: what an object of one of the calendars looks like in it, and under which name.
//! Called by overview/ and, for the kinds, by rpc/occurrences.rs.

pub mod token;

use kontor_vobject::ical::CalendarObject;
use kontor_vobject::{Component, ContentLine, Document, Limits, Patch};
use sha2::{Digest, Sha256};

use super::feed::color_name;
use super::index;
use super::scheduling::Addresses;

/// Raised when the same objects look otherwise, so that programs read them anew.
const FORM: u8 = 1;
/// Longest name of an object, in bytes.
const NAME_BYTES: usize = 255;

/// What stands in the company calendar. Maintenance gets its place here when there is a service that has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A meeting or another event.
    Meeting,
    /// An invitation that the calendar's owner has not answered.
    Request,
    /// The day on which an opportunity is expected to close.
    Deadline,
    /// When somebody is to be called back.
    CallBack,
}

impl Kind {
    /// The kind of an event in a calendar of such: `waits` is set when the owner's answer to it is missing. A meeting that is cancelled asks
    /// nothing any more.
    pub fn of(self, waits: bool, is_cancelled: bool) -> Kind {
        if self == Kind::Meeting && waits && !is_cancelled { Kind::Request } else { self }
    }

    /// For people, as one of CATEGORIES.
    pub fn word(self) -> &'static str {
        match self {
            Kind::Meeting => "Meeting",
            Kind::Request => "Meeting request",
            Kind::Deadline => "Deadline",
            Kind::CallBack => "Call-back",
        }
    }

    /// For programs, in X-KONTOR-KIND: the name of `EventKind` in calendar.proto.
    pub fn token(self) -> &'static str {
        match self {
            Kind::Meeting => "MEETING",
            Kind::Request => "MEETING-REQUEST",
            Kind::Deadline => "DEADLINE",
            Kind::CallBack => "CALL-BACK",
        }
    }
}

/// How the objects of one calendar look.
#[derive(Clone, Debug)]
pub struct Look {
    /// Stands before the names and UIDs of its objects: the same meeting may stand in two calendars, and a UID is one of its kind in a
    /// collection (RFC 4791 section 4.1).
    key: String,
    calendar: String,
    color: &'static str,
    kind: Kind,
    own: Addresses,
    stamp: [u8; 32],
}

/// A calendar, as far as its objects look otherwise because of it.
#[derive(Clone, Copy, Debug)]
pub struct About<'a> {
    /// Its id.
    pub id: &'a str,
    /// Login name of its owner.
    pub owner: &'a str,
    /// The owner's e-mail address; may be empty.
    pub email: &'a str,
    /// "#RRGGBB" or "#RRGGBBAA", as who reads has it; may be empty.
    pub color: &'a str,
    /// What it holds; a request stands among meetings.
    pub kind: Kind,
}

impl Look {
    /// The look of a calendar's objects.
    pub fn new(about: About<'_>) -> Look {
        let About { id, owner, email, color, kind } = about;
        let color = color_name::nearest(color).unwrap_or_default();
        let mut stamp = Sha256::new_with_prefix([FORM]);
        for part in [id, owner, email, color] {
            stamp.update(part.as_bytes());
            stamp.update([0]);
        }
        Look {
            key: key(id).to_owned(),
            calendar: id.to_owned(),
            color,
            kind,
            own: Addresses::of(owner, email),
            stamp: stamp.finalize().into(),
        }
    }

    /// See the field.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The name of an object. One that would be too long is told by its hash.
    pub fn name(&self, name: &str) -> String {
        if self.key.len() + 1 + name.len() <= NAME_BYTES {
            format!("{}-{name}", self.key)
        } else {
            format!("{}={}.ics", self.key, hex(&Sha256::digest(name.as_bytes())))
        }
    }

    /// The strong ETag of an object, made of all that its text is made of: 32 hexadecimal digits.
    pub fn etag(&self, object: &str, etag: &str) -> String {
        let mut hash = Sha256::new_with_prefix(self.stamp);
        hash.update(object.as_bytes());
        hash.update([0]);
        hash.update(etag.as_bytes());
        hex(&hash.finalize())
    }

    /// An object's text: times, title and whatever else is said of the event as they are, without alarms, which would go off twice, and
    /// without organizer and guests, so that no program takes it for an invitation. None when the text can't be read.
    pub fn show(&self, object: &str, data: &[u8]) -> Option<Vec<u8>> {
        let document = Document::parse(data, &Limits::default()).ok()?;
        let read = CalendarObject::read(&document).ok()?;
        let waits = index::answers(&read).any(|(address, answer)| waits(&self.own, address, answer));
        let event = format!("calendars/{}/events/{object}", self.calendar);
        let mut patch = Patch::new(&document);
        patch.remove_all(&document.root(), "METHOD");
        for component in document.root().children("VEVENT") {
            let is_cancelled = component
                .property("STATUS")
                .is_some_and(|status| status.value().trim().eq_ignore_ascii_case("CANCELLED"));
            let kind = self.kind.of(waits, is_cancelled);
            self.show_event(&mut patch, &component, kind, &event);
        }
        Some(patch.apply())
    }

    fn show_event(&self, patch: &mut Patch<'_>, component: &Component<'_>, kind: Kind, event: &str) {
        for name in ["ORGANIZER", "ATTENDEE", "REQUEST-STATUS", "X-KONTOR-KIND", "X-KONTOR-EVENT"] {
            patch.remove_all(component, name);
        }
        component.children("VALARM").for_each(|alarm| patch.remove_component(&alarm));
        let uid = component.text("UID").unwrap_or_default();
        patch.set(component, ContentLine::text("UID", &format!("{}-{uid}", self.key)));
        patch.set(component, ContentLine::new("TRANSP", "TRANSPARENT"));
        if self.color.is_empty() {
            patch.remove_all(component, "COLOR");
        } else {
            patch.set(component, ContentLine::new("COLOR", self.color));
        }
        patch.add(component, ContentLine::text("CATEGORIES", kind.word()));
        patch.add(component, ContentLine::new("X-KONTOR-KIND", kind.token()));
        patch.add(component, ContentLine::new("X-KONTOR-EVENT", event));
    }
}

/// Whether a guest's answer is the missing one of the user with these addresses.
pub fn waits(own: &Addresses, address: &str, answer: &str) -> bool {
    answer == "NEEDS-ACTION" && own.has(address)
}

/// The end of a calendar's id: 48 random bits, enough among a home's calendars.
pub fn key(id: &str) -> &str {
    id.rsplit('-').next().unwrap_or(id)
}

/// How an object is named in a calendar, from its name in the overview.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Name<'a> {
    /// Its name.
    Plain(&'a str),
    /// It is too long, and told by its hash.
    Hashed,
}

/// Takes a name in the overview apart into the calendar's key and the object's name there; none when no object has such a name.
pub fn split(name: &str) -> Option<(&str, Name<'_>)> {
    let at = name.find(['-', '='])?;
    let (key, rest) = (&name[..at], &name[at + 1..]);
    let hashed = name.as_bytes()[at] == b'=';
    Some((key, if hashed { Name::Hashed } else { Name::Plain(rest) }))
}

fn hex(digest: &[u8]) -> String {
    digest[..16].iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests;
