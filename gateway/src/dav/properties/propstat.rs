//! Writes one `DAV:response` with its propstats from a list of wanted properties.
//! Called by PROPFIND for everything but long listings, and once a request to make the template of those.

use kontor_proto::collection::v1::DeadProperty;

use super::{Live, Property, Wanted};
use crate::dav::xml::{Name, Space, Writer};

/// What is common to all responses of one answer.
#[derive(Clone, Debug)]
pub struct Ask {
    /// Properties.
    pub wanted: Wanted,
    /// `Prefer: return=minimal`: no propstat for what is not there.
    pub minimal: bool,
}

/// What became of a property.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// Its content was written.
    Here,
    /// The resource lacks it: 404.
    Absent,
    /// The caller may not read it: 403.
    Denied,
}

impl From<bool> for Found {
    fn from(is_here: bool) -> Self {
        if is_here { Found::Here } else { Found::Absent }
    }
}

/// Properties without a value, by the reason.
#[derive(Default)]
struct Without<'a> {
    absent: Vec<&'a Property>,
    denied: Vec<&'a Property>,
}

/// Writes a whole response. `value` writes a property's content and says whether the resource has it.
pub fn response<F: Into<Found>>(
    out: &mut Writer,
    href: &str,
    ask: &Ask,
    kind: u8,
    dead: &[DeadProperty],
    value: impl FnMut(Live, &mut Writer) -> F,
) {
    out.raw("<D:response>");
    out.href(href);
    propstats(out, ask, kind, dead, value);
    out.raw("</D:response>\n");
}

/// A response that is only a status: 404 for what is not there.
pub fn missing(out: &mut Writer, href: &str) {
    out.raw("<D:response>");
    out.href(href);
    out.raw("<D:status>HTTP/1.1 404 Not Found</D:status></D:response>\n");
}

/// Writes the propstats of one resource.
pub fn propstats<F: Into<Found>>(
    out: &mut Writer,
    ask: &Ask,
    kind: u8,
    dead: &[DeadProperty],
    mut value: impl FnMut(Live, &mut Writer) -> F,
) {
    let begin = out.len();
    out.raw("<D:propstat><D:prop>");
    let empty = out.len();
    let mut without = Without::default();
    match &ask.wanted {
        Wanted::Names => names(out, kind, dead),
        Wanted::All(include) => {
            for live in Live::shown_on(kind) {
                element(out, live, kind, &mut value);
            }
            for property in dead {
                write_dead(out, property);
            }
            // Each once: what allprop has already is not written again.
            let more = include.iter().filter(|property| match property {
                Property::Live(live) => !Live::shown_on(kind).any(|shown| shown == *live),
                Property::Other(_) => false,
            });
            these(out, more, kind, dead, &mut value, &mut without);
        }
        Wanted::These(list) => these(out, list.iter(), kind, dead, &mut value, &mut without),
    }
    let found = out.len() > empty;
    let Without { absent, denied } = without;
    if found || (absent.is_empty() && denied.is_empty()) || ask.minimal {
        out.raw("</D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat>");
    } else {
        out.truncate(begin);
    }
    if !ask.minimal {
        valueless(out, &absent, "</D:prop><D:status>HTTP/1.1 404 Not Found</D:status></D:propstat>");
        valueless(out, &denied, "</D:prop><D:status>HTTP/1.1 403 Forbidden</D:status></D:propstat>");
    }
}

fn valueless(out: &mut Writer, properties: &[&Property], end: &'static str) {
    if properties.is_empty() {
        return;
    }
    out.raw("<D:propstat><D:prop>");
    for property in properties {
        empty_element(out, property);
    }
    out.raw(end);
}

fn these<'a, F: Into<Found>>(
    out: &mut Writer,
    list: impl Iterator<Item = &'a Property>,
    kind: u8,
    dead: &[DeadProperty],
    value: &mut impl FnMut(Live, &mut Writer) -> F,
    without: &mut Without<'a>,
) {
    for property in list {
        let found = match property {
            Property::Live(live) if live.is_on(kind) => element(out, *live, kind, value),
            Property::Live(_) => Found::Absent,
            Property::Other(name) => match dead.iter().find(|stored| is_same(stored, name)) {
                Some(stored) => {
                    write_dead(out, stored);
                    Found::Here
                }
                None => Found::Absent,
            },
        };
        match found {
            Found::Here => {}
            Found::Absent => without.absent.push(property),
            Found::Denied => without.denied.push(property),
        }
    }
}

fn names(out: &mut Writer, kind: u8, dead: &[DeadProperty]) {
    for live in Live::all_on(kind) {
        let (prefix, local) = live.tag();
        out.raw("<");
        out.raw(prefix);
        out.raw(":");
        out.raw(local);
        out.raw("/>");
    }
    for property in dead {
        out.empty(&dead_name(property));
    }
}

/// Writes a live property, or nothing when the resource lacks it.
fn element<F: Into<Found>>(
    out: &mut Writer,
    live: Live,
    kind: u8,
    value: &mut impl FnMut(Live, &mut Writer) -> F,
) -> Found {
    let begin = out.len();
    let (prefix, local) = live.tag();
    out.raw("<");
    out.raw(prefix);
    out.raw(":");
    out.raw(local);
    out.raw(">");
    let found = match live {
        Live::SupportedLiveProperties => supported(out, kind),
        _ => value(live, out).into(),
    };
    if found != Found::Here {
        out.truncate(begin);
        return found;
    }
    out.raw("</");
    out.raw(prefix);
    out.raw(":");
    out.raw(local);
    out.raw(">");
    Found::Here
}

/// The live properties of a kind of resource (RFC 3253 section 3.1.4).
fn supported(out: &mut Writer, kind: u8) -> Found {
    for live in Live::all_on(kind) {
        out.raw("<D:supported-live-property><D:prop>");
        out.empty(&live.name());
        out.raw("</D:prop></D:supported-live-property>");
    }
    Found::Here
}

/// Writes a property's name alone.
pub fn empty_element(out: &mut Writer, property: &Property) {
    match property {
        Property::Other(name) => out.empty(name),
        Property::Live(live) => out.empty(&live.name()),
    }
}

fn write_dead(out: &mut Writer, property: &DeadProperty) {
    let name = dead_name(property);
    out.open(&name);
    out.language(&property.language);
    // Inner XML that `Reader::inner_xml` made.
    out.ready(property.value.as_bytes());
    out.close(&name);
}

fn dead_name(property: &DeadProperty) -> Name {
    Name { space: Space::of(&property.namespace), local: property.name.clone() }
}

fn is_same(stored: &DeadProperty, name: &Name) -> bool {
    stored.name == name.local && stored.namespace == name.space.address()
}
