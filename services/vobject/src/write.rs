//! New objects from typed fields: a calendar object and a card.
//! Called by the services when something is made over gRPC; what is there already is patched, never written anew.

use jiff::civil::DateTime;

use crate::card::{Card, Version};
use crate::content::ContentLine;
use crate::ical::{self, Item};
use crate::value::{DateValue, escape_text};

/// PRODID of all that is written here.
pub const PRODUCT: &str = "-//Kontor//EN";

const END: &str = "\r\n";

/// A calendar object (VERSION 2.0, CR LF) of the items of one UID: a master, overrides, or both.
///
/// `stamped` is the time of DTSTAMP, in UTC. `time_zones` are whole VTIMEZONE texts, one for every TZID that the
/// items use. Alarms are not written.
pub fn calendar<'t>(
    uid: &str,
    items: &[Item],
    stamped: DateTime,
    time_zones: impl IntoIterator<Item = &'t str>,
) -> String {
    let mut text = String::new();
    push(&mut text, ContentLine::new("BEGIN", "VCALENDAR"));
    push(&mut text, ContentLine::new("VERSION", "2.0"));
    push(&mut text, ContentLine::new("PRODID", PRODUCT));
    for zone in time_zones {
        text.extend(zone.trim().lines().flat_map(|line| [line, END]));
    }
    for item in items {
        text.push_str(&component(uid, item, stamped));
    }
    push(&mut text, ContentLine::new("END", "VCALENDAR"));
    text
}

/// One component of a calendar object, to be put in a VCALENDAR with `Patch::insert_component`.
pub fn component(uid: &str, item: &Item, stamped: DateTime) -> String {
    let mut text = String::new();
    push(&mut text, ContentLine::new("BEGIN", item.kind.name()));
    push(&mut text, ContentLine::text("UID", uid));
    push(&mut text, ContentLine::date("DTSTAMP", &DateValue::Utc(stamped)));
    for line in ical::all_lines(item) {
        push(&mut text, line);
    }
    if item.sequence > 0 {
        push(&mut text, ContentLine::new("SEQUENCE", item.sequence.to_string()));
    }
    push(&mut text, ContentLine::new("END", item.kind.name()));
    text
}

/// A card (CR LF) of version 3.0, or of 4.0 when the card says so. `revised` is the time of REV, in UTC.
///
/// Photo and labels are not written; N is made from FN when the card has none, for version 3.0 demands it.
pub fn card(card: &Card, revised: DateTime) -> String {
    let four = card.version == Version::V4;
    let mut text = String::new();
    push(&mut text, ContentLine::new("BEGIN", "VCARD"));
    push(&mut text, ContentLine::new("VERSION", if four { "4.0" } else { "3.0" }));
    push(&mut text, ContentLine::new("PRODID", PRODUCT));
    push(&mut text, ContentLine::new("UID", card.uid.as_str()));
    push(&mut text, ContentLine::text("FN", &card.formatted_name));
    push(&mut text, name(card));
    if card.is_group() {
        push(&mut text, ContentLine::new(if four { "KIND" } else { "X-ADDRESSBOOKSERVER-KIND" }, "group"));
    } else if four && card.kind != "individual" && !card.kind.is_empty() {
        push(&mut text, ContentLine::text("KIND", &card.kind));
    }
    if !card.organization.is_empty() {
        let units: Vec<String> = card.organization.iter().map(|unit| escape_text(unit)).collect();
        push(&mut text, ContentLine::new("ORG", units.join(";")));
    }
    for (name, value) in [("TITLE", &card.title), ("NOTE", &card.note)] {
        if let Some(value) = value {
            push(&mut text, ContentLine::text(name, value));
        }
    }
    for line in crate::card::list_lines(card) {
        push(&mut text, line);
    }
    for url in &card.urls {
        push(&mut text, ContentLine::new("URL", url.as_str()));
    }
    if let Some(birthday) = &card.birthday {
        push(&mut text, ContentLine::new("BDAY", birthday.as_str()));
    }
    if !card.categories.is_empty() {
        let categories: Vec<String> = card.categories.iter().map(|category| escape_text(category)).collect();
        push(&mut text, ContentLine::new("CATEGORIES", categories.join(",")));
    }
    for member in &card.members {
        push(
            &mut text,
            ContentLine::new(if four { "MEMBER" } else { "X-ADDRESSBOOKSERVER-MEMBER" }, member.as_str()),
        );
    }
    push(&mut text, ContentLine::date("REV", &DateValue::Utc(revised)));
    push(&mut text, ContentLine::new("END", "VCARD"));
    text
}

fn name(card: &Card) -> ContentLine {
    let Some(name) = &card.name else {
        // Without better knowledge the whole name is the family name, which every program shows.
        return ContentLine::new("N", escape_text(&card.formatted_name) + ";;;;");
    };
    ContentLine::new("N", name.parts().map(escape_text).join(";"))
}

fn push(text: &mut String, line: ContentLine) {
    text.push_str(&line.write(END));
}

#[cfg(test)]
mod tests;
