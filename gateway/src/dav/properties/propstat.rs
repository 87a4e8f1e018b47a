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

/// Writes a whole response. `value` writes a property's content and says whether the resource has it.
pub fn response(
    out: &mut Writer,
    href: &str,
    ask: &Ask,
    kind: u8,
    dead: &[DeadProperty],
    value: impl FnMut(Live, &mut Writer) -> bool,
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
pub fn propstats(
    out: &mut Writer,
    ask: &Ask,
    kind: u8,
    dead: &[DeadProperty],
    mut value: impl FnMut(Live, &mut Writer) -> bool,
) {
    let begin = out.len();
    out.raw("<D:propstat><D:prop>");
    let empty = out.len();
    let mut absent = Vec::new();
    match &ask.wanted {
        Wanted::Names => names(out, kind, dead),
        Wanted::All(include) => {
            for live in Live::shown_on(kind) {
                element(out, live, &mut value);
            }
            for property in dead {
                write_dead(out, property);
            }
            // Each once: what allprop has already is not written again.
            let more = include.iter().filter(|property| match property {
                Property::Live(live) => !Live::shown_on(kind).any(|shown| shown == *live),
                Property::Other(_) => false,
            });
            these(out, more, kind, dead, &mut value, &mut absent);
        }
        Wanted::These(list) => these(out, list.iter(), kind, dead, &mut value, &mut absent),
    }
    let found = out.len() > empty;
    if found || absent.is_empty() || ask.minimal {
        out.raw("</D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat>");
    } else {
        out.truncate(begin);
    }
    if !absent.is_empty() && !ask.minimal {
        out.raw("<D:propstat><D:prop>");
        for property in absent {
            empty_element(out, property);
        }
        out.raw("</D:prop><D:status>HTTP/1.1 404 Not Found</D:status></D:propstat>");
    }
}

fn these<'a>(
    out: &mut Writer,
    list: impl Iterator<Item = &'a Property>,
    kind: u8,
    dead: &[DeadProperty],
    value: &mut impl FnMut(Live, &mut Writer) -> bool,
    absent: &mut Vec<&'a Property>,
) {
    for property in list {
        let found = match property {
            Property::Live(live) => live.is_on(kind) && element(out, *live, value),
            Property::Other(name) => match dead.iter().find(|stored| is_same(stored, name)) {
                Some(stored) => {
                    write_dead(out, stored);
                    true
                }
                None => false,
            },
        };
        if !found {
            absent.push(property);
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
fn element(out: &mut Writer, live: Live, value: &mut impl FnMut(Live, &mut Writer) -> bool) -> bool {
    let begin = out.len();
    let (prefix, local) = live.tag();
    out.raw("<");
    out.raw(prefix);
    out.raw(":");
    out.raw(local);
    out.raw(">");
    if !value(live, out) {
        out.truncate(begin);
        return false;
    }
    out.raw("</");
    out.raw(prefix);
    out.raw(":");
    out.raw(local);
    out.raw(">");
    true
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
