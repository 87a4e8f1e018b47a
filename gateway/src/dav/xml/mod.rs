//! XML of the DAV protocols: namespaces, a bounded reader, typed request bodies, a writer.
//! Called by the methods and reports; needs no network and no service, so that it can be fuzzed alone.

pub mod filter;
mod fragment;
pub mod principals;
pub mod push;
pub mod reader;
pub mod report;
pub mod request;
pub mod share;
pub mod writer;

pub use reader::{Element, Error, Reader};
pub use writer::Writer;

/// A namespace. The six that the protocols use are told apart without a comparison of texts.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Space {
    /// `DAV:`
    Dav,
    /// `urn:ietf:params:xml:ns:caldav`
    CalDav,
    /// `urn:ietf:params:xml:ns:carddav`
    CardDav,
    /// `http://calendarserver.org/ns/`
    CalendarServer,
    /// `http://apple.com/ns/ical/`
    Apple,
    /// `https://bitfire.at/webdav-push`
    Push,
    /// No namespace.
    None,
    /// Any other.
    Other(String),
}

impl Space {
    /// Finds the namespace of an address.
    pub fn of(address: &str) -> Space {
        match address {
            "DAV:" => Space::Dav,
            "urn:ietf:params:xml:ns:caldav" => Space::CalDav,
            "urn:ietf:params:xml:ns:carddav" => Space::CardDav,
            "http://calendarserver.org/ns/" => Space::CalendarServer,
            "http://apple.com/ns/ical/" => Space::Apple,
            "https://bitfire.at/webdav-push" => Space::Push,
            "" => Space::None,
            other => Space::Other(other.to_owned()),
        }
    }

    /// The address; empty for no namespace.
    pub fn address(&self) -> &str {
        match self {
            Space::Dav => "DAV:",
            Space::CalDav => "urn:ietf:params:xml:ns:caldav",
            Space::CardDav => "urn:ietf:params:xml:ns:carddav",
            Space::CalendarServer => "http://calendarserver.org/ns/",
            Space::Apple => "http://apple.com/ns/ical/",
            Space::Push => "https://bitfire.at/webdav-push",
            Space::None => "",
            Space::Other(address) => address,
        }
    }

    /// The prefix that the writer declares for it on the root element.
    pub fn prefix(&self) -> Option<&'static str> {
        match self {
            Space::Dav => Some("D"),
            Space::CalDav => Some("C"),
            Space::CardDav => Some("CR"),
            Space::CalendarServer => Some("CS"),
            Space::Apple => Some("ICAL"),
            Space::Push => Some("P"),
            Space::None | Space::Other(_) => None,
        }
    }
}

/// A name with its namespace.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Name {
    /// Namespace.
    pub space: Space,
    /// Local name.
    pub local: String,
}
