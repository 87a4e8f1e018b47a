//! The change of a stored card from its typed fields: only the lines that differ are touched.
//! Called by the directory service when a contact changes over gRPC.

use std::collections::{BTreeSet, HashMap, VecDeque};

use jiff::civil::DateTime;

use crate::card::{Address, Card, Email, Phone, Version, Violation};
use crate::content::ContentLine;
use crate::patch::Patch;
use crate::tree::{Component, Document, Property};
use crate::value::{escape_text, split_unescaped};

/// The text of `document` with the fields of `new`. Lines whose field did not change keep their bytes; REV is
/// set to `revised` (UTC) when anything changed, and without a change the bytes are the same.
///
/// Phones, e-mail and postal addresses are found by `place`. One without a place stands for the line with the
/// same value, if there is one that nobody else claims; else for the first such line of the same types, whose
/// value it replaces; else it is added. A line that no entry stands for is removed. An entry without a place and
/// without types leaves the types of its line alone. UID, version, kind, members, photo and labels are not
/// changed here. Fails when the document is not a card.
pub fn update(document: &Document<'_>, new: &Card, revised: DateTime) -> Result<Vec<u8>, Violation> {
    let component = document.root();
    let old = Card::read_component(&component)?;
    let mut patch = Patch::new(document);
    if old.formatted_name != new.formatted_name {
        patch.set(&component, ContentLine::text("FN", &new.formatted_name));
    }
    if old.name != new.name {
        match &new.name {
            Some(name) => {
                let before = old.name.clone().unwrap_or_default();
                parts(&mut patch, &component, "N", &before.parts(), &name.parts());
            }
            None => patch.remove_all(&component, "N"),
        }
    }
    if old.organization != new.organization {
        match new.organization.iter().all(String::is_empty) {
            true => patch.remove_all(&component, "ORG"),
            false => parts(&mut patch, &component, "ORG", &old.organization, &new.organization),
        }
    }
    for (name, before, after) in [("TITLE", &old.title, &new.title), ("NOTE", &old.note, &new.note)] {
        match after {
            _ if before == after => {}
            Some(text) => patch.set(&component, ContentLine::text(name, text)),
            None => patch.remove_all(&component, name),
        }
    }
    list(&mut patch, &component, "TEL", &old.phones, &new.phones, new.version);
    list(&mut patch, &component, "EMAIL", &old.emails, &new.emails, new.version);
    list(&mut patch, &component, "ADR", &old.addresses, &new.addresses, new.version);
    if !patch.is_empty() {
        patch.revise(&component, revised);
    }
    Ok(patch.apply())
}

/// Sets a structured property; the places that did not change keep their written form, and so do places that
/// this crate does not know.
fn parts<T: AsRef<str>>(patch: &mut Patch<'_>, component: &Component<'_>, name: &str, old: &[T], new: &[T]) {
    let property = component.property(name);
    let value = merged(property.map(|p| p.decoded().into_owned()).unwrap_or_default().as_str(), old, new);
    match property {
        Some(property) => patch.replace_value(&property, &value),
        None => patch.set(component, ContentLine::new(name, value)),
    }
}

fn merged<T: AsRef<str>>(written: &str, old: &[T], new: &[T]) -> String {
    // A line end can only come out of quoted-printable, which is not written again.
    let written = written.replace("\r\n", "\\n").replace('\n', "\\n");
    let mut places: Vec<String> = split_unescaped(&written, ';').map(str::to_owned).collect();
    // A lone backslash at the very end would escape the separator that may follow it now.
    if let Some(last) = places.last_mut().filter(|last| ends_in_lone_backslash(last)) {
        last.push('\\');
    }
    if places.len() <= old.len() {
        places.truncate(new.len());
    }
    for at in 0..old.len().max(new.len()) {
        let part = |parts: &[T]| parts.get(at).map(|part| part.as_ref().to_owned()).unwrap_or_default();
        if places.len() <= at {
            places.extend(new.get(at).map(|part| escape_text(part.as_ref())));
        } else if part(old) != part(new) {
            places[at] = escape_text(&part(new));
        }
    }
    places.join(";")
}

fn ends_in_lone_backslash(text: &str) -> bool {
    text.bytes().rev().take_while(|&byte| byte == b'\\').count() % 2 == 1
}

/// What TEL, EMAIL and ADR have in common.
trait Entry: PartialEq {
    fn place(&self) -> Option<usize>;
    fn types(&self) -> &BTreeSet<String>;
    fn preferred(&self) -> bool;
    fn same_value(&self, other: &Self) -> bool;
    /// The value as written, when it takes the place of `old`, which is written so in `property`.
    fn value(&self, old: Option<(&Self, &Property<'_>)>) -> String;
}

impl Entry for Phone {
    fn place(&self) -> Option<usize> {
        self.place
    }
    fn types(&self) -> &BTreeSet<String> {
        &self.types
    }
    fn preferred(&self) -> bool {
        self.preferred
    }
    fn same_value(&self, other: &Self) -> bool {
        self.number == other.number
    }
    fn value(&self, old: Option<(&Self, &Property<'_>)>) -> String {
        let is_uri = old.is_some_and(|(_, property)| {
            property.value().trim().get(..4).is_some_and(|scheme| scheme.eq_ignore_ascii_case("tel:"))
        });
        // RFC 3966 has no white space in a tel: URI; its visual separators are - . ( )
        if is_uri { format!("tel:{}", self.number.replace(' ', "-")) } else { escape_text(&self.number) }
    }
}

impl Entry for Email {
    fn place(&self) -> Option<usize> {
        self.place
    }
    fn types(&self) -> &BTreeSet<String> {
        &self.types
    }
    fn preferred(&self) -> bool {
        self.preferred
    }
    fn same_value(&self, other: &Self) -> bool {
        self.address == other.address
    }
    fn value(&self, _: Option<(&Self, &Property<'_>)>) -> String {
        escape_text(&self.address)
    }
}

impl Entry for Address {
    fn place(&self) -> Option<usize> {
        self.place
    }
    fn types(&self) -> &BTreeSet<String> {
        &self.types
    }
    fn preferred(&self) -> bool {
        self.preferred
    }
    fn same_value(&self, other: &Self) -> bool {
        self.parts() == other.parts()
    }
    fn value(&self, old: Option<(&Self, &Property<'_>)>) -> String {
        match old {
            Some((old, property)) => merged(&property.decoded(), &old.parts(), &self.parts()),
            None => merged("", &[""; 7], &self.parts()),
        }
    }
}

fn list<E: Entry>(
    patch: &mut Patch<'_>,
    component: &Component<'_>,
    name: &str,
    old: &[E],
    new: &[E],
    version: Version,
) {
    let places = places(old, new);
    let properties: Vec<Property<'_>> = component.properties_named(name).collect();
    for (entry, place) in new.iter().zip(&places) {
        match place {
            Some(place) => change(patch, &properties[*place], &old[*place], entry, version),
            None => {
                let line = ContentLine::new(name, entry.value(None));
                patch.add(component, with_types(line, entry, version));
            }
        }
    }
    let claimed: BTreeSet<usize> = places.into_iter().flatten().collect();
    let unclaimed = properties.iter().enumerate().filter(|(at, _)| !claimed.contains(at));
    remove_with_labels(patch, component, &unclaimed.map(|(_, property)| property).collect::<Vec<_>>());
}

/// Which old entry each new one stands for; see `update`.
fn places<E: Entry>(old: &[E], new: &[E]) -> Vec<Option<usize>> {
    let mut free = vec![true; old.len()];
    let mut claim = |place: usize| free.get_mut(place).is_some_and(std::mem::take);
    let mut places: Vec<Option<usize>> =
        new.iter().map(|e| e.place().filter(|&place| claim(place))).collect();
    let by_value = |entry: &E| entry.value(None);
    let by_types = |entry: &E| format!("{} {:?}", entry.preferred(), entry.types());
    for key in [&by_value as &dyn Fn(&E) -> String, &by_types] {
        let mut waiting: HashMap<String, VecDeque<usize>> = HashMap::new();
        for (place, entry) in old.iter().enumerate() {
            waiting.entry(key(entry)).or_default().push_back(place);
        }
        for (entry, place) in new.iter().zip(&mut places).filter(|(_, place)| place.is_none()) {
            let Some(queue) = waiting.get_mut(&key(entry)) else { continue };
            while let (None, Some(next)) = (&place, queue.pop_front()) {
                *place = Some(next).filter(|&next| claim(next));
            }
        }
    }
    places
}

fn change<E: Entry>(patch: &mut Patch<'_>, property: &Property<'_>, old: &E, new: &E, version: Version) {
    let types_are_left = new.place().is_none() && new.types().is_empty() && !new.preferred();
    let same_types = types_are_left || (old.types() == new.types() && old.preferred() == new.preferred());
    match (old.same_value(new), same_types) {
        (true, true) => {}
        (false, true) => patch.replace_value(property, &new.value(Some((old, property)))),
        (same, false) => {
            let value = if same { property.decoded().into_owned() } else { new.value(Some((old, property))) };
            let line = with_types(ContentLine::new(property.name(), value), new, version);
            // VALUE=uri speaks of the form of the value, and that stays.
            let line = match property.param("VALUE") {
                Some(kind) => line.param("VALUE", kind),
                None => line,
            };
            patch.replace_without(property, line, &["TYPE", "PREF"]);
        }
    }
}

fn with_types<E: Entry>(line: ContentLine, entry: &E, version: Version) -> ContentLine {
    let mut types: Vec<String> = entry.types().iter().cloned().collect();
    if version < Version::V4 {
        types.iter_mut().for_each(|one| one.make_ascii_uppercase());
        types.extend(entry.preferred().then(|| "PREF".to_owned()));
        return line.param_list("TYPE", types);
    }
    let line = line.param_list("TYPE", types);
    if entry.preferred() { line.param("PREF", "1") } else { line }
}

/// Removes properties, and the label of a group in which nothing else is left.
fn remove_with_labels(patch: &mut Patch<'_>, component: &Component<'_>, removed: &[&Property<'_>]) {
    removed.iter().for_each(|property| patch.remove(property));
    let group = |property: &Property<'_>| property.group().map(str::to_ascii_lowercase);
    let gone: BTreeSet<String> = removed.iter().filter_map(|property| group(property)).collect();
    if gone.is_empty() {
        return;
    }
    let ranges: BTreeSet<usize> = removed.iter().map(|property| property.raw_range().start).collect();
    let stays = |p: &Property<'_>| !p.is("X-ABLABEL") && !ranges.contains(&p.raw_range().start);
    let used: BTreeSet<String> = component.properties().filter(stays).filter_map(|p| group(&p)).collect();
    for label in component.properties_named("X-ABLABEL") {
        if group(&label).is_some_and(|group| gone.contains(&group) && !used.contains(&group)) {
            patch.remove(&label);
        }
    }
}

/// The lines of TEL, EMAIL and ADR of a new card.
pub(crate) fn list_lines(card: &Card) -> Vec<ContentLine> {
    fn lines<E: Entry>(name: &'static str, entries: &[E], version: Version) -> Vec<ContentLine> {
        let line = |entry: &E| with_types(ContentLine::new(name, entry.value(None)), entry, version);
        entries.iter().map(line).collect()
    }
    let mut all = lines("TEL", &card.phones, card.version);
    all.extend(lines("EMAIL", &card.emails, card.version));
    all.extend(lines("ADR", &card.addresses, card.version));
    all
}
