//! What one guest is sent of a meeting: only the components that the guest is in, without the organizer's own notes.
//! Called by schedule/ for each group of guests that sees the same.

use kontor_kit::Result;
use kontor_vobject::Patch;
use kontor_vobject::content::ContentLine;
use kontor_vobject::ical::Item;
use kontor_vobject::tree::Component;
use kontor_vobject::value::DateValue;

use super::{PRIVATE, Read, set_params};
use crate::domain::event::PARTNER;
use crate::domain::time;

/// Which items of an object an address is invited to, by their place. Guests with the same list see the same text.
pub fn seen_by(read: &Read<'_>, address: &str) -> Vec<usize> {
    let is_guest = |item: &Item| item.attendees.iter().any(|guest| guest.address == address);
    let items = read.object.items.iter().enumerate();
    items.filter(|(_, item)| is_guest(item)).map(|(place, _)| place).collect()
}

/// The text that those see who are invited to these items: an object without METHOD, stamped with this moment. Instances of a series from
/// which they were left out are exceptions for them (RFC 6638 section 3.2.6). None when they see nothing.
pub fn view(read: &Read<'_>, seen: &[usize], now: i64) -> Option<Vec<u8>> {
    if seen.is_empty() {
        return None;
    }
    let mut patch = Patch::new(&read.document);
    let master = read.object.master.filter(|master| seen.contains(master));
    for (place, item) in read.object.items.iter().enumerate() {
        let component = read.component(item);
        if !seen.contains(&place) {
            patch.remove_component(&component);
            if let (Some(master), Some(id)) = (master, &item.recurrence_id) {
                let line = ContentLine::date("EXDATE", &id.at);
                patch.add(&read.component(&read.object.items[master]), line);
            }
            continue;
        }
        strip(&mut patch, &component);
        // RFC 5546: the stamp of a message is the moment in which it was made.
        patch.set(&component, ContentLine::date("DTSTAMP", &DateValue::Utc(time::stamp(now))));
    }
    Some(patch.apply())
}

/// Takes out what never leaves a calendar: alarms, partners, parameters between a client and its server.
pub(super) fn strip(patch: &mut Patch<'_>, component: &Component<'_>) {
    component.children("VALARM").for_each(|alarm| patch.remove_component(&alarm));
    component.properties_named(PARTNER).for_each(|line| patch.remove(&line));
    for name in ["ATTENDEE", "ORGANIZER"] {
        for person in component.properties_named(name) {
            if PRIVATE.iter().any(|private| person.param(private).is_some()) {
                set_params(patch, &person, &[], &PRIVATE);
            }
        }
    }
}

/// Takes MANAGED-ID from the attachments: it is a right to a file of this server, which no message gives or takes along. The rest of the lines stays.
pub(super) fn unmanage(patch: &mut Patch<'_>, component: &Component<'_>) {
    for line in component.properties_named("ATTACH").filter(|line| line.param("MANAGED-ID").is_some()) {
        let plain = ContentLine::new(line.name(), line.value());
        // These belong to the value, so the patch would not keep them.
        let plain = ["VALUE", "ENCODING"].iter().fold(plain, |plain, name| match line.param(name) {
            Some(value) => plain.param(name, value),
            None => plain,
        });
        patch.replace_without(&line, plain, &["MANAGED-ID"]);
    }
}

/// The text with a METHOD, and without MANAGED-IDs: the copies in calendars have them.
///
/// # Errors
/// INTERNAL for a text that can't be read.
pub fn with_method(bytes: &[u8], method: &str) -> Result<Vec<u8>> {
    let document = super::parse(bytes)?;
    let mut patch = Patch::new(&document);
    let root = document.root();
    patch.set(&root, ContentLine::new("METHOD", method));
    root.components().for_each(|component| unmanage(&mut patch, &component));
    Ok(patch.apply())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_names_files_without_the_right_to_them() {
        let text = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//test//EN\r\nBEGIN:VEVENT\r\nUID:m\r\nDTSTAMP:20261101T080000Z\r\n\
                    DTSTART:20261130T090000Z\r\nATTACH;MANAGED-ID=f1;FMTTYPE=text/plain;FILENAME=\"a;b.txt\";SIZE=4:https://x.test/f1\r\n\
                    ATTACH;MANAGED-ID=f2;VALUE=BINARY;ENCODING=BASE64:AAAA\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";
        let sent = String::from_utf8(with_method(text.as_bytes(), "REQUEST").unwrap()).unwrap();
        let sent = sent.replace("\r\n ", "");
        assert!(sent.contains("METHOD:REQUEST") && !sent.contains("MANAGED-ID"), "{sent}");
        let lines: Vec<&str> = sent.lines().filter(|line| line.starts_with("ATTACH")).collect();
        for part in ["FMTTYPE=text/plain", "FILENAME=\"a;b.txt\"", "SIZE=4", ":https://x.test/f1"] {
            assert!(lines[0].contains(part), "{sent}");
        }
        for part in ["VALUE=BINARY", "ENCODING=BASE64", ":AAAA"] {
            assert!(lines[1].contains(part), "{sent}");
        }
    }
}
