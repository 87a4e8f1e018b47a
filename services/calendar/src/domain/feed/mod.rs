//! A whole calendar as one iCalendar text (RFC 5545, RFC 7986), written object by object.
//! Called by rpc/feed.rs. The objects' lines stay as they are; only what may stand once in a text is written once.

mod busy;
pub mod color_name;

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use kontor_vobject::zone::{Zone, vtimezone_for};
use kontor_vobject::{Component, ContentLine, Document, Limits, Patch};
use sha2::{Digest, Sha256};

/// How often programs should look again.
const REFRESH: &str = "PT1H";
/// Time zones that are told apart. Those behind get names of their own each time, so that memory stays bounded.
const ZONES: usize = 1_000;
/// Year around which the rules of a zone are written out that an object names without describing it.
const ZONE_YEAR: i16 = 2020;
const END: &str = "\r\n";

/// What is said of the calendar as a whole.
#[derive(Clone, Debug, Default)]
pub struct About {
    /// Name for people.
    pub name: String,
    /// Text for people; may be empty.
    pub description: String,
    /// "#RRGGBB" or "#RRGGBBAA"; may be empty.
    pub color: String,
    /// IANA name of the zone of floating times; may be empty.
    pub zone: String,
}

/// Who may see what, when only busy times are told.
#[derive(Clone, Debug)]
pub struct BusyOnly {
    /// Keys the UIDs that are told, for a UID can hold a name or an address.
    pub key: String,
    /// The owner's e-mail address: what the owner declined is no busy time. May be empty.
    pub owner: String,
}

/// Writes one text.
#[derive(Debug)]
pub struct Feed {
    busy_only: Option<BusyOnly>,
    /// TZIDs that were written, with what stood in their description.
    zones: HashMap<String, [u8; 8]>,
    /// Number for the next zone that gets a name of its own.
    next_zone: usize,
}

impl Feed {
    /// A text with all, or with busy times only.
    pub fn new(busy_only: Option<BusyOnly>) -> Feed {
        Feed { busy_only, zones: HashMap::new(), next_zone: 0 }
    }

    /// What stands before the objects.
    pub fn begin(&self, about: &About) -> String {
        let mut text = format!(
            "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:{}\r\nCALSCALE:GREGORIAN\r\n",
            kontor_vobject::write::PRODUCT
        );
        let mut line = |line: ContentLine| text.push_str(&line.write(END));
        for name in ["X-WR-CALNAME", "NAME"] {
            line(ContentLine::text(name, &about.name));
        }
        if !about.description.is_empty() && self.busy_only.is_none() {
            line(ContentLine::text("X-WR-CALDESC", &about.description));
            line(ContentLine::text("DESCRIPTION", &about.description));
        }
        if !about.zone.is_empty() {
            line(ContentLine::text("X-WR-TIMEZONE", &about.zone));
        }
        if let Some(name) = color_name::nearest(&about.color) {
            line(ContentLine::new("COLOR", name));
            if about.color.starts_with('#') {
                line(ContentLine::new("X-APPLE-CALENDAR-COLOR", about.color.get(..7).unwrap_or_default()));
            }
        }
        line(ContentLine::new("REFRESH-INTERVAL", REFRESH).param("VALUE", "DURATION"));
        line(ContentLine::new("X-PUBLISHED-TTL", REFRESH));
        text
    }

    /// What stands behind them.
    pub fn end(&self) -> &'static str {
        "END:VCALENDAR\r\n"
    }

    /// Writes one object on to the end of `out`. One that can't be read is left out: it is better that one is missing than all.
    pub fn object(&mut self, data: &[u8], out: &mut Vec<u8>) {
        let Ok(document) = Document::parse(data, &Limits::default()) else { return };
        let times = self.busy_only.as_ref().map(|only| busy::items(&document, only));
        if times.as_ref().is_some_and(String::is_empty) {
            return;
        }
        let renamed = self.write_zones(&document, out);
        match (times, renamed.as_slice()) {
            (None, []) => write_items(&document, out),
            (None, renamed) => write_renamed(&document, renamed, out),
            (Some(times), []) => out.extend_from_slice(times.as_bytes()),
            (Some(times), renamed) => {
                let text = wrapped(&times);
                if let Ok(document) = Document::parse(text.as_bytes(), &Limits::default()) {
                    write_renamed(&document, renamed, out);
                }
            }
        }
    }

    /// Writes the zones that the object needs and that are not there yet. Returns those that need another name here: (old, new).
    fn write_zones(&mut self, document: &Document<'_>, out: &mut Vec<u8>) -> Vec<(String, String)> {
        let (mut described, mut renamed) = (Vec::new(), Vec::new());
        for zone in document.root().children("VTIMEZONE") {
            let Some(tzid) = zone.text("TZID").map(|tzid| tzid.trim().to_owned()) else { continue };
            if described.contains(&tzid) {
                continue;
            }
            if let Some(other) = self.write_zone(&zone, &tzid, out) {
                renamed.push((tzid.clone(), other));
            }
            described.push(tzid);
        }
        // A program that takes names of the IANA database for granted writes no description (RFC 7809).
        for tzid in named_zones(document) {
            if described.contains(&tzid) || self.zones.contains_key(&tzid) || self.zones.len() >= ZONES {
                continue;
            }
            if let Some(text) = standard_zone(&tzid) {
                out.extend_from_slice(text.as_bytes());
                self.zones.insert(tzid.clone(), [0; 8]);
            }
            described.push(tzid);
        }
        renamed
    }

    /// Writes a zone unless it is there. Returns the name that it got instead of its own, when another one has that.
    fn write_zone(&mut self, zone: &Component<'_>, tzid: &str, out: &mut Vec<u8>) -> Option<String> {
        let mut lines = Vec::new();
        write_lines(zone.raw(), &mut lines);
        let room = self.zones.len() < ZONES;
        match self.zones.entry(tzid.to_owned()) {
            Entry::Occupied(present) => {
                // A name that all know means the same whatever its description says, here as on the server.
                if *present.get() == hash(&lines) || Zone::named(tzid).is_some() {
                    return None;
                }
            }
            Entry::Vacant(place) if room => {
                place.insert(hash(&lines));
                out.extend_from_slice(&lines);
                return None;
            }
            Entry::Vacant(_) => {}
        }
        self.next_zone += 1;
        let other = format!("{tzid} ({})", self.next_zone);
        let whole = wrapped(&String::from_utf8_lossy(&lines));
        let document = Document::parse(whole.as_bytes(), &Limits::default()).ok()?;
        let zone = document.root().children("VTIMEZONE").next()?;
        let mut patch = Patch::new(&document);
        patch.replace(&zone.property("TZID")?, ContentLine::text("TZID", &other));
        let patched = patch.apply();
        let document = Document::parse(&patched, &Limits::default()).ok()?;
        out.extend_from_slice(document.root().children("VTIMEZONE").next()?.raw());
        Some(other)
    }
}

/// Writes what is no zone, as it is.
fn write_items(document: &Document<'_>, out: &mut Vec<u8>) {
    for item in document.root().components().filter(|component| !component.is("VTIMEZONE")) {
        write_lines(item.raw(), out);
    }
}

/// The same with other names in the TZID parameters.
fn write_renamed(document: &Document<'_>, renamed: &[(String, String)], out: &mut Vec<u8>) {
    let mut patch = Patch::new(document);
    let mut waiting: Vec<Component<'_>> = document.root().components().collect();
    while let Some(component) = waiting.pop() {
        for property in component.properties() {
            let Some(tzid) = property.param("TZID") else { continue };
            let Some((_, other)) = renamed.iter().find(|(old, _)| *old == tzid.trim()) else { continue };
            let mut line = ContentLine::new(property.name(), property.value()).param("TZID", other.as_str());
            // `replace` keeps the other parameters, but not this one.
            if let Some(kind) = property.param("VALUE") {
                line = line.param("VALUE", kind);
            }
            patch.replace(&property, line);
        }
        waiting.extend(component.components());
    }
    if let Ok(document) = Document::parse(&patch.apply(), &Limits::default()) {
        write_items(&document, out);
    }
}

fn wrapped(text: &str) -> String {
    format!("BEGIN:VCALENDAR\r\n{text}END:VCALENDAR\r\n")
}

/// The zones that the object's times name.
fn named_zones(document: &Document<'_>) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut waiting: Vec<Component<'_>> =
        document.root().components().filter(|component| !component.is("VTIMEZONE")).collect();
    while let Some(component) = waiting.pop() {
        for tzid in component.properties().filter_map(|property| property.param("TZID")) {
            if found.len() < ZONES && !found.iter().any(|known| known == tzid.trim()) {
                found.push(tzid.trim().to_owned());
            }
        }
        waiting.extend(component.components());
    }
    found
}

/// The description of a zone that all know, under the name that the object has for it.
fn standard_zone(tzid: &str) -> Option<String> {
    let zone = Zone::named(tzid)?;
    let iana = zone.iana_name()?.to_owned();
    let text = vtimezone_for(&iana, ZONE_YEAR)?;
    let own = ContentLine::text("TZID", tzid).write(END);
    Some(text.replacen(&format!("TZID:{iana}\r\n"), &own, 1))
}

fn hash(bytes: &[u8]) -> [u8; 8] {
    let digest = Sha256::digest(bytes);
    let mut short = [0; 8];
    short.copy_from_slice(&digest[..8]);
    short
}

/// Writes lines as they are, each ended by CR LF. Empty ones, which some programs write, are left out.
fn write_lines(lines: &[u8], out: &mut Vec<u8>) {
    for line in lines.split(|byte| *byte == b'\n') {
        let length = line.iter().rposition(|byte| *byte != b'\r').map_or(0, |last| last + 1);
        if length > 0 {
            out.extend_from_slice(&line[..length]);
            out.extend_from_slice(END.as_bytes());
        }
    }
}

#[cfg(test)]
mod tests;
