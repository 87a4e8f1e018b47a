//! A card in another version: 3.0 (RFC 2426) to 4.0 (RFC 6350) and back; 2.1 only as the source. What has no other form there stays.
//! Called by the gateway when a client names a version. The UID never changes, for by it a client knows the card again.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap, VecDeque};

use super::binary::{is_base64, kind_of, media_type, of_data_uri};
use super::{Card, Version, types, version};
use crate::content::ContentLine;
use crate::limits::Limits;
use crate::tree::{Component, Document, Property};
use crate::value::{escape_text, unescape_text};

mod moments;

/// The year that Apple's programs write when there is none.
const NO_YEAR: &str = "1604";

/// The version that a card says it has, by a look at its lines; nothing else is read. None when it names no known one.
pub fn version_of(data: &[u8]) -> Option<Version> {
    let line = data
        .split(|byte| *byte == b'\n')
        .find(|line| line.get(..8).is_some_and(|begin| begin.eq_ignore_ascii_case(b"VERSION:")))?;
    match line[8..].trim_ascii() {
        b"2.1" => Some(Version::V2),
        b"3.0" => Some(Version::V3),
        b"4.0" => Some(Version::V4),
        _ => None,
    }
}

/// The card in version `to`. None when it is of that version already, when that is 2.1, or when the text is no card; then it is to be
/// given as it is. Takes linear time.
pub fn convert(data: &[u8], to: Version) -> Option<Vec<u8>> {
    if to == Version::V2 || version_of(data) == Some(to) {
        return None;
    }
    let document = Document::parse(data, &Limits::default()).ok()?;
    let component = document.root();
    // Of several cards, or of one inside another, none may get lost.
    if document.roots().len() > 1 || component.components().len() > 0 {
        return None;
    }
    let from = version(&component).ok().filter(|from| *from != to)?;
    let mut writer = Writer::new(&document, &component, to);
    for property in component.properties() {
        if to == Version::V4 { writer.in_four(&property) } else { writer.in_three(&property, from) }
    }
    Some(writer.finish(&component))
}

/// The new text as it grows.
struct Writer<'d> {
    document: &'d Document<'d>,
    end: &'static str,
    text: Vec<u8>,
    to: Version,
    /// 3.0: labels of addresses, by their types, in their order; each goes to the first address of the same types.
    labels: HashMap<BTreeSet<String>, VecDeque<String>>,
    /// How many of them are given to addresses and not passed yet.
    given: HashMap<BTreeSet<String>, usize>,
    /// 3.0: SORT-STRING, which is a parameter of N in 4.0.
    sort: Option<String>,
    /// Whether SORT-STRING goes there.
    sorts: bool,
    has_name: bool,
    has_kind: bool,
}

impl<'d> Writer<'d> {
    fn new(document: &'d Document<'d>, component: &Component<'d>, to: Version) -> Self {
        let four = to == Version::V4;
        let mut labels: HashMap<BTreeSet<String>, VecDeque<String>> = HashMap::new();
        if four {
            // A label is an address only where there is one of its kind; the others stay properties.
            let mut places: HashMap<BTreeSet<String>, usize> = HashMap::new();
            for address in component.properties_named("ADR") {
                *places.entry(types(&address).0).or_default() += 1;
            }
            for label in component.properties_named("LABEL") {
                let kind = types(&label).0;
                if let Some(left) = places.get_mut(&kind).filter(|left| **left > 0) {
                    *left -= 1;
                    labels.entry(kind).or_default().push_back(label.text().into_owned());
                }
            }
        }
        let has_name = component.property("N").is_some();
        let sort = component.text("SORT-STRING").filter(|_| four && has_name).map(Cow::into_owned);
        let mut writer = Writer {
            document,
            end: document.line_end(),
            text: Vec::with_capacity(document.bytes().len() + 256),
            to,
            given: labels.iter().map(|(kind, texts)| (kind.clone(), texts.len())).collect(),
            labels,
            sorts: sort.is_some(),
            sort,
            has_name,
            has_kind: component.property("KIND").is_some(),
        };
        writer.push(&ContentLine::new("BEGIN", "VCARD"));
        writer.push(&ContentLine::new("VERSION", if four { "4.0" } else { "3.0" }));
        writer
    }

    fn push(&mut self, line: &ContentLine) {
        self.text.extend_from_slice(line.write(self.end).as_bytes());
    }

    /// The line's own bytes.
    fn keep(&mut self, property: &Property<'_>) {
        let raw = &self.document.bytes()[property.raw_range()];
        self.text.extend_from_slice(raw);
        // The last line of a text may lack its end, but END comes behind.
        if !raw.ends_with(b"\n") {
            self.text.extend_from_slice(self.end.as_bytes());
        }
    }

    fn finish(mut self, component: &Component<'_>) -> Vec<u8> {
        // 3.0 demands N (RFC 2426 3.1.2); without better knowledge the whole name is the family name. 4.0 demands FN.
        if self.to == Version::V3 && !self.has_name {
            let name = component.text("FN").unwrap_or_default();
            self.push(&ContentLine::new("N", escape_text(&name) + ";;;;"));
        }
        if component.property("FN").is_none() {
            let name = Card::read_component(component).map(|card| card.formatted_name).unwrap_or_default();
            self.push(&ContentLine::text("FN", &name));
        }
        self.push(&ContentLine::new("END", "VCARD"));
        self.text
    }

    fn in_four(&mut self, property: &Property<'_>) {
        let name = property.name().to_ascii_uppercase();
        let value = plain(property);
        let mut line = line(property, &name, value.as_ref(), &["ENCODING", "CHARSET", "TYPE", "PREF"]);
        let (mut kinds, preferred) = written_types(property);
        match name.as_str() {
            "VERSION" => return,
            "SORT-STRING" if self.sorts => return,
            "LABEL" if self.takes_label(property) => return,
            "X-ADDRESSBOOKSERVER-KIND" if self.has_kind => return,
            "X-ADDRESSBOOKSERVER-KIND" => line.name = "KIND".to_owned(),
            "X-ADDRESSBOOKSERVER-MEMBER" => line.name = "MEMBER".to_owned(),
            "X-ANNIVERSARY" => {
                line = moments::to_four(line);
                line.name = "ANNIVERSARY".to_owned();
            }
            "X-GENDER" => line.name = "GENDER".to_owned(),
            "BDAY" | "ANNIVERSARY" => line = moments::to_four(line),
            "REV" => line.value = moments::basic(&line.value).unwrap_or(line.value),
            "UID" if !is_uri(&line.value) => line = replace(line, "VALUE", Some("text")),
            "TZ" if moments::is_offset(&line.value) => {
                line.value = line.value.replace(':', "");
                line = replace(line, "VALUE", Some("utc-offset"));
            }
            "GEO" => {
                if let Some((latitude, longitude)) = line.value.split_once(';') {
                    line.value = format!("geo:{},{}", latitude.trim(), longitude.trim());
                }
            }
            "PHOTO" | "LOGO" | "SOUND" | "KEY" => {
                let inline = property.param("ENCODING").is_some() || !is_uri(&line.value);
                let kind = kinds.first().cloned().unwrap_or_default();
                if inline && is_base64(&line.value) {
                    let data: String = line.value.split_ascii_whitespace().collect();
                    line.value = format!("data:{};base64,{data}", media_type(&name, &kind));
                    line = replace(line, "VALUE", None);
                } else if !kind.is_empty() {
                    line = line.param("MEDIATYPE", media_type(&name, &kind));
                }
                kinds.clear();
            }
            "EMAIL" => kinds.retain(|kind| !kind.eq_ignore_ascii_case("internet")),
            "N" => {
                if let Some(sort) = self.sort.take() {
                    line = line.param("SORT-AS", sort);
                }
            }
            "ADR" => {
                if let Some(label) = self.labels.get_mut(&types(property).0).and_then(VecDeque::pop_front) {
                    line = line.param("LABEL", label);
                }
            }
            _ if keeps_form(property) && !preferred => return self.keep(property),
            _ => {}
        }
        line = line.param_list("TYPE", kinds);
        if preferred {
            line = line.param("PREF", "1");
        } else if let Some(rank) = property.param("PREF") {
            line = line.param("PREF", rank);
        }
        self.push(&line);
    }

    /// Whether this label stands in an address: of each kind, as many of the first ones as there are addresses.
    fn takes_label(&mut self, property: &Property<'_>) -> bool {
        let left = self.given.get_mut(&types(property).0).filter(|left| **left > 0);
        left.is_some_and(|left| {
            *left -= 1;
            true
        })
    }

    fn in_three(&mut self, property: &Property<'_>, from: Version) {
        let name = property.name().to_ascii_uppercase();
        let value = plain(property);
        let drop = ["ENCODING", "CHARSET", "TYPE", "PREF", "SORT-AS", "LABEL", "MEDIATYPE"];
        let mut line = line(property, &name, value.as_ref(), &drop);
        let (mut kinds, mut preferred) = written_types(property);
        let rank = property.param("PREF");
        preferred |= rank.as_ref().is_some_and(|rank| rank.trim() == "1");
        match name.as_str() {
            "VERSION" => return,
            "X-ADDRESSBOOKSERVER-KIND" if self.has_kind => return,
            "KIND" => line.name = "X-ADDRESSBOOKSERVER-KIND".to_owned(),
            "MEMBER" => line.name = "X-ADDRESSBOOKSERVER-MEMBER".to_owned(),
            "ANNIVERSARY" => {
                line = moments::to_three(line);
                line.name = "X-ANNIVERSARY".to_owned();
            }
            "GENDER" => line.name = "X-GENDER".to_owned(),
            "BDAY" => line = moments::to_three(line),
            "REV" => line.value = moments::extended(&line.value).unwrap_or(line.value),
            "UID" => line = replace(line, "VALUE", None),
            "TZ" if says(property, "VALUE", "utc-offset") => {
                line.value = moments::offset(&line.value);
                line = replace(line, "VALUE", None);
            }
            "TZ" if from == Version::V4 && !moments::is_offset(&line.value) => {
                line = replace(line, "VALUE", Some("text"));
            }
            "GEO" => {
                if let Some((latitude, longitude)) = geo(&line.value) {
                    line.value = format!("{latitude};{longitude}");
                    line = replace(line, "VALUE", None);
                }
            }
            "TEL" if starts_with(&line.value, "tel:") => {
                // The parts of a URI, `;ext=` first, are text for people here.
                line.value = escape_text(&line.value["tel:".len()..].replace(";ext=", " ext. "));
                line = replace(line, "VALUE", None);
            }
            "PHOTO" | "LOGO" | "SOUND" | "KEY" => {
                let data = of_data_uri(&line.value).map(|(kind, data)| (kind.to_owned(), data.to_owned()));
                if let Some((kind, data)) = data.filter(|(_, data)| is_base64(data)) {
                    kinds.clear();
                    kinds.extend(kind_of(&name, &kind));
                    line.value = data;
                    line = replace(line, "VALUE", None).param("ENCODING", "b");
                } else if from == Version::V2 && is_base64(&line.value) {
                    line.value = line.value.split_ascii_whitespace().collect();
                    line = line.param("ENCODING", "b");
                } else if is_uri(&line.value) {
                    kinds.extend(property.param("MEDIATYPE").and_then(|kind| kind_of(&name, &kind)));
                    line = replace(line, "VALUE", Some("uri"));
                }
            }
            "N" => {
                if let Some(sort) = property.param("SORT-AS").filter(|_| from == Version::V4) {
                    self.push(&ContentLine::text("SORT-STRING", &sort));
                }
            }
            "ADR" => {
                if let Some(label) = property.param("LABEL") {
                    let label =
                        ContentLine::text("LABEL", &unescape_text(&label)).param_list("TYPE", kinds.clone());
                    self.push(&ContentLine { group: line.group.clone(), ..label });
                }
            }
            _ if keeps_form(property) && from == Version::V4 && rank.is_none() => return self.keep(property),
            _ => {}
        }
        if preferred {
            kinds.push("pref".to_owned());
        } else if let Some(rank) = rank {
            line = line.param("PREF", rank);
        }
        self.push(&line.param_list("TYPE", kinds));
    }
}

/// A line with the same group and parameters, without those named.
fn line(property: &Property<'_>, name: &str, value: &str, without: &[&str]) -> ContentLine {
    let mut line = ContentLine::new(name, value);
    line.group = property.group().map(str::to_owned);
    let kept =
        property.params().filter(|(param, _)| !without.iter().any(|name| param.eq_ignore_ascii_case(name)));
    for (param, value) in kept {
        // Several values of one parameter stay together.
        match line.params.last_mut() {
            Some((last, values)) if last.eq_ignore_ascii_case(param) => values.push(value.into_owned()),
            _ => line.params.push((param.to_owned(), vec![value.into_owned()])),
        }
    }
    line
}

/// Sets a parameter, or takes it away.
fn replace(mut line: ContentLine, param: &str, value: Option<&str>) -> ContentLine {
    line.params.retain(|(name, _)| !name.eq_ignore_ascii_case(param));
    match value {
        Some(value) => line.param(param, value),
        None => line,
    }
}

/// The written value; quoted-printable, which only 2.1 has, is decoded and its line ends escaped.
fn plain<'d>(property: &Property<'d>) -> Cow<'d, str> {
    match property.decoded() {
        Cow::Owned(text) => Cow::Owned(text.replace("\r\n", "\\n").replace(['\n', '\r'], "\\n")),
        borrowed => borrowed,
    }
}

/// TYPEs as written, one by one, without `pref`, and whether that was among them.
fn written_types(property: &Property<'_>) -> (Vec<String>, bool) {
    let mut kinds: Vec<String> = Vec::new();
    let mut preferred = false;
    for value in property.param_values("TYPE") {
        for kind in value.split(',').map(str::trim).filter(|kind| !kind.is_empty()) {
            if kind.eq_ignore_ascii_case("pref") {
                preferred = true;
            } else {
                kinds.push(kind.to_owned());
            }
        }
    }
    (kinds, preferred)
}

/// Whether a line has nothing that differs between 3.0 and 4.0 in every property: then it stays byte for byte.
fn keeps_form(property: &Property<'_>) -> bool {
    ["ENCODING", "CHARSET"].into_iter().all(|name| property.param(name).is_none())
        && !property.params().any(|(_, value)| value.eq_ignore_ascii_case("pref"))
}

/// The first value of a parameter of a line that is being made.
fn says_line<'l>(line: &'l ContentLine, param: &str) -> Option<&'l str> {
    let values =
        line.params.iter().find(|(name, _)| name.eq_ignore_ascii_case(param)).map(|(_, values)| values)?;
    values.first().map(String::as_str)
}

fn says(property: &Property<'_>, param: &str, value: &str) -> bool {
    property.param(param).is_some_and(|said| said.trim().eq_ignore_ascii_case(value))
}

fn starts_with(text: &str, begin: &str) -> bool {
    text.get(..begin.len()).is_some_and(|start| start.eq_ignore_ascii_case(begin))
}

/// Whether a text begins with a scheme (RFC 3986 3.1).
fn is_uri(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else { return false };
    !rest.is_empty()
        && scheme.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
}

/// Latitude and longitude of a `geo:` URI.
fn geo(uri: &str) -> Option<(String, String)> {
    let place = starts_with(uri, "geo:").then(|| &uri["geo:".len()..])?;
    let place = unescape_text(place.split(';').next().unwrap_or_default()).into_owned();
    let mut parts = place.split(',');
    let (latitude, longitude) = (parts.next()?.trim(), parts.next()?.trim());
    (!latitude.is_empty() && !longitude.is_empty()).then(|| (latitude.to_owned(), longitude.to_owned()))
}

#[cfg(test)]
mod tests;
