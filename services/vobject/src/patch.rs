//! Edits a text line by line: whatever is not touched stays as it was, byte for byte.
//! Called by the services when a change comes from the typed side.

use std::collections::HashMap;
use std::ops::Range;

use jiff::civil::DateTime;

use crate::content::{ContentLine, fold};
use crate::tree::{Component, Document, Property};
use crate::value::DateValue;

/// Changes to a document, collected and then applied at once.
///
/// When two changes meet, the one of the larger range wins, and of two on the same range the later one. So a
/// component that is removed stays removed, and a property that is set twice has its second value.
#[derive(Debug)]
pub struct Patch<'d> {
    document: &'d Document<'d>,
    edits: Vec<Edit>,
    /// Properties that `set` added because there were none, so that a second `set` finds them.
    added: HashMap<(usize, String), usize>,
}

#[derive(Debug)]
struct Edit {
    range: Range<usize>,
    text: Vec<u8>,
}

impl<'d> Patch<'d> {
    /// A patch that changes nothing yet.
    pub fn new(document: &'d Document<'d>) -> Patch<'d> {
        Patch { document, edits: Vec::new(), added: HashMap::new() }
    }

    /// Whether it changes nothing.
    pub fn is_empty(&self) -> bool {
        self.edits.is_empty()
    }

    /// Sets the first property of the line's name, or adds it. Group and the parameters that the new line does
    /// not name are kept, but not those that spoke of the old value: VALUE, TZID, ENCODING, CHARSET, ALTREP.
    pub fn set(&mut self, component: &Component<'_>, line: ContentLine) {
        if let Some(property) = component.property(&line.name) {
            return self.replace(&property, line);
        }
        let key = (component.index(), line.name.to_ascii_uppercase());
        match self.added.get(&key) {
            Some(&edit) => self.edits[edit].text = self.bytes_of(&line),
            None => {
                self.added.insert(key, self.edits.len());
                self.add(component, line);
            }
        }
    }

    /// Sets one property among several of its name; group and parameters are kept as by `set`.
    pub fn replace(&mut self, property: &Property<'_>, line: ContentLine) {
        self.replace_without(property, line, &[]);
    }

    /// As `replace`, but the named parameters of the old line are not kept either.
    pub fn replace_without(&mut self, property: &Property<'_>, mut line: ContentLine, dropped: &[&str]) {
        const OF_THE_OLD_VALUE: [&str; 5] = ["VALUE", "TZID", "ENCODING", "CHARSET", "ALTREP"];
        let named =
            |name: &str, line: &ContentLine| line.params.iter().any(|(n, _)| n.eq_ignore_ascii_case(name));
        let mut kept: Vec<(String, Vec<String>)> = Vec::new();
        for (name, value) in property.params() {
            let mut gone = OF_THE_OLD_VALUE.iter().chain(dropped);
            if gone.any(|old| name.eq_ignore_ascii_case(old)) || named(name, &line) {
                continue;
            }
            match kept.last_mut() {
                Some((last, values)) if last == name => values.push(value.into_owned()),
                _ => kept.push((name.to_owned(), vec![value.into_owned()])),
            }
        }
        kept.append(&mut line.params);
        line.params = kept;
        line.group = line.group.or_else(|| property.group().map(str::to_owned));
        let text = self.bytes_of(&line);
        self.edit(property.raw_range(), text);
    }

    /// Sets only the value, already in its written form; group, name and parameters stay as they are written.
    /// A value that was encoded is no longer, and then its line is written as by `replace`.
    pub fn replace_value(&mut self, property: &Property<'_>, value: &str) {
        if property.param("ENCODING").is_some() {
            return self.replace(property, ContentLine::new(property.name(), value));
        }
        let value: String = value.chars().filter(|c| *c == '\t' || !c.is_ascii_control()).collect();
        let line = format!("{}:{value}", property.head());
        let text = fold(&line, self.document.line_end()).into_bytes();
        self.edit(property.raw_range(), text);
    }

    /// Adds a property behind the last property that stands before the inner components.
    pub fn add(&mut self, component: &Component<'_>, line: ContentLine) {
        let inner =
            component.components().next().map_or(component.end_range().start, |c| c.raw_range().start);
        let last = component.properties().map(|p| p.raw_range().end).take_while(|&end| end <= inner).last();
        let at = last.unwrap_or(component.begin_range().end);
        let text = self.bytes_of(&line);
        self.edit(at..at, text);
    }

    /// Removes one property.
    pub fn remove(&mut self, property: &Property<'_>) {
        self.edit(property.raw_range(), Vec::new());
    }

    /// Removes all properties of a name, also one that this patch has set.
    pub fn remove_all(&mut self, component: &Component<'_>, name: &str) {
        for property in component.properties_named(name) {
            self.remove(&property);
        }
        if let Some(edit) = self.added.remove(&(component.index(), name.to_ascii_uppercase())) {
            self.edits[edit].text.clear();
        }
    }

    /// Puts a text in the place of a whole component.
    pub fn replace_component(&mut self, component: &Component<'_>, text: &[u8]) {
        let text = self.ended(text);
        self.edit(component.raw_range(), text);
    }

    /// Removes a whole component.
    pub fn remove_component(&mut self, component: &Component<'_>) {
        self.edit(component.raw_range(), Vec::new());
    }

    /// Puts a component, as text, before the END of another: an override into its VCALENDAR, for example.
    pub fn insert_component(&mut self, parent: &Component<'_>, text: &[u8]) {
        let at = parent.end_range().start;
        let text = self.ended(text);
        self.edit(at..at, text);
    }

    /// Raises SEQUENCE by one; a missing or unreadable one counts as 0 (RFC 5545 3.8.7.4).
    pub fn bump_sequence(&mut self, component: &Component<'_>) {
        let now =
            component.property("SEQUENCE").and_then(|p| p.value().trim().parse::<u32>().ok()).unwrap_or(0);
        self.set(component, ContentLine::new("SEQUENCE", now.saturating_add(1).to_string()));
    }

    /// Sets DTSTAMP and LAST-MODIFIED of a calendar component to a time in UTC.
    pub fn stamp(&mut self, component: &Component<'_>, utc: DateTime) {
        for name in ["DTSTAMP", "LAST-MODIFIED"] {
            self.set(component, ContentLine::date(name, &DateValue::Utc(utc)));
        }
    }

    /// Sets REV of a card to a time in UTC.
    pub fn revise(&mut self, card: &Component<'_>, utc: DateTime) {
        self.set(card, ContentLine::date("REV", &DateValue::Utc(utc)));
    }

    /// The text with all changes.
    pub fn apply(&self) -> Vec<u8> {
        let bytes = self.document.bytes();
        let mut order: Vec<(usize, &Edit)> = self.edits.iter().enumerate().collect();
        // What is inserted at a place comes before what is replaced there. Of replacements that begin together
        // the largest comes first, and of equal ones the latest; the others then lie inside it and fall away.
        order.sort_by_key(|(number, edit)| {
            let Range { start, end } = edit.range;
            (
                start,
                start != end,
                std::cmp::Reverse(end),
                if start == end { *number as i64 } else { -(*number as i64) },
            )
        });
        let mut out = Vec::with_capacity(bytes.len() + 256);
        let mut done = 0;
        for (_, edit) in order {
            if edit.range.start < done {
                continue;
            }
            out.extend_from_slice(&bytes[done..edit.range.start]);
            out.extend_from_slice(&edit.text);
            done = edit.range.end;
        }
        out.extend_from_slice(&bytes[done..]);
        out
    }

    fn edit(&mut self, range: Range<usize>, text: Vec<u8>) {
        self.edits.push(Edit { range, text });
    }

    fn bytes_of(&self, line: &ContentLine) -> Vec<u8> {
        line.write(self.document.line_end()).into_bytes()
    }

    /// A text with a line end at its end, for something may follow it.
    fn ended(&self, text: &[u8]) -> Vec<u8> {
        let mut text = text.to_vec();
        if !text.is_empty() && !text.ends_with(b"\n") {
            text.extend_from_slice(self.document.line_end().as_bytes());
        }
        text
    }
}

#[cfg(test)]
mod tests;
