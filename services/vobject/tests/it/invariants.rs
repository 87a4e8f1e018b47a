//! What must hold for every text that can be read. The fuzz targets include this file too.
//! Called by the corpus test, the random tests and `fuzz/fuzz_targets`.

use kontor_vobject::card::{self, Card, Version};
use kontor_vobject::ical::CalendarObject;
use kontor_vobject::{Component, ContentLine, Document, Limits, Patch};

/// Reads a text in every way and checks that ranges lie in order and inside one another. A text that cannot be
/// read must say so without a panic; returns whether it could.
pub fn check_document(bytes: &[u8]) -> bool {
    let Ok(document) = Document::parse(bytes, &Limits::default()) else { return false };
    assert_eq!(Patch::new(&document).apply(), bytes, "an empty patch changes nothing");
    let mut waiting: Vec<Component<'_>> = document.roots().collect();
    while let Some(component) = waiting.pop() {
        check_component(&component);
        waiting.extend(component.components());
    }
    if let Ok(object) = CalendarObject::read(&document) {
        assert!(!object.items.is_empty() && !object.uid.is_empty());
        for item in &object.items {
            assert!(document.component(item.component).is(object.kind.name()));
        }
    }
    if let Ok(card) = Card::read(&document) {
        let same = card::update(&document, &card, jiff::civil::DateTime::MIN).expect("it was read before");
        assert_eq!(same, bytes, "an update without a change changes nothing");
        check_convert(bytes, &card);
        check_update(&document, card);
    }
    true
}

/// Converts a card and checks that what both versions can say is said.
fn check_convert(bytes: &[u8], card: &Card) {
    let plain = |text: &str| text.chars().filter(|c| *c == '\n' || !c.is_ascii_control()).collect::<String>();
    let members = |card: &Card| {
        let mut members = card.members.clone();
        members.sort();
        members
    };
    for to in [Version::V3, Version::V4] {
        let Some(text) = card::convert(bytes, to) else { continue };
        let limits = Limits { bytes: usize::MAX, lines: usize::MAX, ..Limits::default() };
        let read = Document::parse(&text, &limits).expect("a converted card must be readable");
        let read = Card::read(&read).expect("a converted card must be a card");
        // A tab may stay, other control characters do not.
        assert_eq!((read.version, plain(&read.uid).trim()), (to, plain(&card.uid).trim()));
        assert_eq!((read.phones.len(), read.emails.len()), (card.phones.len(), card.emails.len()));
        assert_eq!((read.addresses.len(), read.urls.len()), (card.addresses.len(), card.urls.len()));
        assert_eq!((members(&read), read.has_photo), (members(card), card.has_photo));
        assert_eq!(read.note.as_deref().map(plain), card.note.as_deref().map(plain));
        assert_eq!(card::convert(&text, to), None);
    }
}

/// Changes a card and checks that it reads back with the change, and with everything else as it was.
fn check_update(document: &Document<'_>, mut card: Card) {
    // Quoted-printable can say control characters, which are not written: what comes back is another text then.
    if format!("{card:?}").contains("\\u{") {
        return;
    }
    for (place, phone) in card.phones.iter_mut().enumerate() {
        phone.number = format!("+49 30 {place}");
    }
    card.emails.reverse();
    card.emails.pop();
    card.formatted_name = "A; B, C".to_owned();
    card.note = None;
    card.organization.truncate(1);
    if let Some(name) = &mut card.name {
        name.given = "Eva, x".to_owned();
    }
    let after =
        card::update(document, &card, jiff::civil::date(2026, 1, 2).at(3, 4, 5, 0)).expect("it is a card");
    let limits = Limits { bytes: usize::MAX, lines: usize::MAX, ..Limits::default() };
    let read = Document::parse(&after, &limits).expect("a changed card must be readable");
    let read = Card::read(&read).expect("a changed card must be a card");
    // A number that is a tel: URI has no spaces.
    let plain = |number: &str| number.replace('-', " ");
    for (meant, found) in card.phones.iter().zip(&read.phones) {
        assert_eq!(plain(&found.number), plain(&meant.number));
        assert_eq!(
            (&found.types, found.preferred, &found.label),
            (&meant.types, meant.preferred, &meant.label)
        );
    }
    let mails = |card: &Card| {
        let mut mails: Vec<String> = card.emails.iter().map(|mail| mail.address.clone()).collect();
        mails.sort();
        mails
    };
    assert_eq!(mails(&read), mails(&card));
    assert_eq!((&read.formatted_name, &read.note), (&card.formatted_name, &card.note));
    assert_eq!((&read.name, &read.uid, &read.categories), (&card.name, &card.uid, &card.categories));
    assert_eq!((&read.addresses, &read.urls, read.has_photo), (&card.addresses, &card.urls, card.has_photo));
    let unit = card.organization.first().filter(|unit| !unit.is_empty());
    assert_eq!(read.organization.first(), unit);
}

fn check_component(component: &Component<'_>) {
    let whole = component.raw_range();
    let mut last = component.begin_range().end;
    for property in component.properties() {
        let raw = property.raw_range();
        assert!(raw.start >= last && raw.end <= component.end_range().start, "{raw:?} in {whole:?}");
        last = raw.end;
        assert_eq!(property.params().count(), property.params().filter(|(name, _)| !name.is_empty()).count());
        let _ = (property.text(), property.group(), property.head());
    }
    for inner in component.components() {
        let raw = inner.raw_range();
        assert!(raw.start >= component.begin_range().end && raw.end <= component.end_range().start);
        assert_eq!(inner.parent().map(|parent| parent.index()), Some(component.index()));
    }
}

/// Sets, adds and removes properties of the first component, and checks that every other line keeps its bytes.
pub fn check_patch(bytes: &[u8], name: &str, value: &str) {
    let Ok(document) = Document::parse(bytes, &Limits::default()) else { return };
    let root = document.root();
    let mut patch = Patch::new(&document);
    patch.set(&root, ContentLine::text(name, value).param("X-P", value));
    let after = patch.apply();
    let read = Document::parse(&after, &Limits { bytes: usize::MAX, lines: usize::MAX, ..Limits::default() });
    let read = read.unwrap_or_else(|e| panic!("a patched text must be readable: {e}"));
    assert_eq!(cut_first(&document, name), cut_first(&read, name), "only {name} may change");
    let set = read.root().property(name).expect("it was set");
    assert!(set.raw().split(|&b| b == b'\n').all(|line| line.len() <= 76), "75 octets and a CR");
    let meant: String = value.replace("\r\n", "\n").replace('\r', "\n");
    let meant: String = meant.chars().filter(|c| matches!(c, '\n' | '\t') || !c.is_ascii_control()).collect();
    assert_eq!(set.text(), meant);

    let mut patch = Patch::new(&document);
    patch.remove_all(&root, name);
    let mut rest = bytes.to_vec();
    for property in root.properties_named(name).collect::<Vec<_>>().iter().rev() {
        rest.drain(property.raw_range());
    }
    assert_eq!(patch.apply(), rest);
}

/// The text without the first property of a name in its first component.
fn cut_first(document: &Document<'_>, name: &str) -> Vec<u8> {
    let mut bytes = document.bytes().to_vec();
    if let Some(property) = document.root().property(name) {
        bytes.drain(property.raw_range());
    }
    bytes
}
