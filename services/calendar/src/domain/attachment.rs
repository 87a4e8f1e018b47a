//! ATTACH lines of files that the server keeps (RFC 8607): which an object has, and how it gets and loses them.
//! Called by attach.rs for what clients write, and by rpc/attachments.rs for what the server does.

use kontor_kit::{Error, Result};
use kontor_vobject::Patch;
use kontor_vobject::content::ContentLine;
use kontor_vobject::ical::{CalendarObject, Item};
use kontor_vobject::tree::{Component, Document, Property};
use kontor_vobject::value::DateValue;
use kontor_vobject::zone::{Zone, Zones};

use super::change::instance_text;
use super::{text, time};

/// Largest file in bytes.
pub const MAX_BYTES: usize = 10 * 1024 * 1024;
/// Bytes of all files in the calendars of one owner, unless the installation says otherwise.
pub const MAX_TOTAL: i64 = 1024 * 1024 * 1024;
/// Files of one object at most.
pub const MAX_FILES: usize = 50;
/// Instances that one request may name.
pub const MAX_INSTANCES: usize = 50;
/// Where the gateway shows the files.
const FILES: &str = "/dav/attachments/";
/// The series itself among the instances of a request (RFC 8607 section 3.3.2).
const MASTER: &str = "M";

/// A file, as its ATTACH line tells of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attachment {
    /// MANAGED-ID.
    pub id: String,
    /// Owner of the calendar that it came to.
    pub owner: String,
    /// FILENAME.
    pub filename: String,
    /// Media type, perhaps with its charset; FMTTYPE is the type alone.
    pub media_type: String,
    /// SIZE.
    pub size: i64,
    /// Of the bytes.
    pub etag: String,
    /// The value of the line.
    pub uri: String,
    /// Microseconds UTC.
    pub create_time: i64,
}

impl Attachment {
    fn kind(&self) -> &str {
        self.media_type.split(';').next().unwrap_or_default().trim()
    }

    fn line(&self) -> ContentLine {
        ContentLine::new("ATTACH", self.uri.as_str())
            .param("MANAGED-ID", self.id.as_str())
            .param("FMTTYPE", self.kind())
            .param("FILENAME", self.filename.as_str())
            .param("SIZE", self.size.to_string())
    }

    /// Whether a line says of the file what it said when the server wrote it. The host may be another: the file has one path on all of them.
    fn is_told_by(&self, property: &Property<'_>) -> bool {
        let is = |name: &str, value: &str| property.param(name).is_some_and(|found| found == value);
        is("FILENAME", &self.filename)
            && is("SIZE", &self.size.to_string())
            && property.param("FMTTYPE").is_some_and(|found| found.eq_ignore_ascii_case(self.kind()))
            && property.param("ENCODING").is_none()
            && path_of(property.value()) == path_of(&self.uri)
    }
}

/// Path of a web address; none of anything else.
fn path_of(uri: &str) -> Option<&str> {
    let (scheme, rest) = uri.trim().split_once("://")?;
    let is_web = scheme.eq_ignore_ascii_case("https") || scheme.eq_ignore_ascii_case("http");
    rest.find('/').filter(|_| is_web).map(|at| &rest[at..])
}

/// The address of a file. `base` is scheme and host.
pub fn uri(base: &str, id: &str, filename: &str) -> String {
    let mut uri = format!("{base}{FILES}{id}/");
    for byte in filename.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => uri.push(char::from(byte)),
            _ => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri
}

/// The files that an object refers to, each once, in order.
pub fn managed(document: &Document<'_>, object: &CalendarObject) -> Vec<String> {
    let mut all = Vec::new();
    for item in &object.items {
        all.extend(lines(&document.component(item.component)).map(|(id, _)| id));
    }
    if all.len() > 1 {
        all.sort();
        all.dedup();
    }
    all
}

fn lines<'d>(component: &Component<'d>) -> impl Iterator<Item = (String, Property<'d>)> {
    let attached = component.properties().filter(|property| property.is("ATTACH"));
    attached.filter_map(|property| Some((property.param("MANAGED-ID")?.trim().to_owned(), property)))
}

/// The text with the lines of these files as the server wrote them; none when they are so.
///
/// # Errors
/// INTERNAL for a text that was not checked.
pub fn restored(bytes: &[u8], known: &[Attachment]) -> Result<Option<Vec<u8>>> {
    let (document, object) = text::stored(bytes)?;
    let mut patch = Patch::new(&document);
    for item in &object.items {
        for (id, property) in lines(&document.component(item.component)) {
            let file = known.iter().find(|file| file.id == id);
            if let Some(file) = file.filter(|file| !file.is_told_by(&property)) {
                patch.replace(&property, file.line());
            }
        }
    }
    Ok((!patch.is_empty()).then(|| patch.apply()))
}

/// What is done with an object.
#[derive(Debug, Clone)]
pub enum Edit {
    /// A new file, in these instances; in all for none.
    Add(Attachment, Vec<String>),
    /// Another file in the place of this one.
    Replace(String, Attachment),
    /// This file goes from these instances; from all for none.
    Remove(String, Vec<String>),
}

impl Edit {
    fn instances(&self) -> &[String] {
        match self {
            Edit::Add(_, instances) | Edit::Remove(_, instances) => instances,
            Edit::Replace(..) => &[],
        }
    }

    /// Whether anything was there to be changed.
    fn on(&self, patch: &mut Patch<'_>, component: &Component<'_>) -> bool {
        let mut found = false;
        match self {
            Edit::Add(file, _) => {
                patch.add(component, file.line());
                found = true;
            }
            Edit::Replace(id, file) => {
                for (_, property) in lines(component).filter(|(present, _)| present == id) {
                    patch.replace(&property, file.line());
                    found = true;
                }
            }
            Edit::Remove(id, _) => {
                for (_, property) in lines(component).filter(|(present, _)| present == id) {
                    patch.remove(&property);
                    found = true;
                }
            }
        }
        found
    }
}

/// The text with an edit. An instance that has no component of its own gets one (RFC 8607 section 3.4).
///
/// # Errors
/// FAILED_PRECONDITION with reason VALID_RID for an instance that there is not, VALID_MANAGED_ID for a file that is not there.
pub fn edited(bytes: &[u8], edit: &Edit, zone: &Zone, now: i64) -> Result<Vec<u8>> {
    let wanted = Instances::of(edit.instances())?;
    let apart = with_instances(bytes, &wanted, zone, now)?;
    let bytes = apart.as_deref().unwrap_or(bytes);
    let (document, object) = text::stored(bytes)?;
    let mut zones = Zones::of(&document, zone.clone());
    let start = object.master().and_then(|master| master.start.clone());
    let mut patch = Patch::new(&document);
    let mut found = false;
    for item in &object.items {
        let component = document.component(item.component);
        if wanted.have(item, start.as_ref(), &mut zones) && edit.on(&mut patch, &component) {
            patch.stamp(&component, time::stamp(now));
            found = true;
        }
    }
    if found {
        return Ok(patch.apply());
    }
    Err(Error::precondition("VALID_MANAGED_ID", "there is no attachment of this MANAGED-ID"))
}

/// The text with a component for each instance that is named; none when all have one.
fn with_instances(bytes: &[u8], wanted: &Instances, zone: &Zone, now: i64) -> Result<Option<Vec<u8>>> {
    let (document, object) = text::stored(bytes)?;
    if wanted.master && object.master().is_none() {
        return Err(no_instance(MASTER));
    }
    let mut zones = Zones::of(&document, zone.clone());
    let start = object.master().and_then(|master| master.start.clone());
    let present: Vec<i64> = object.overrides().filter_map(|item| original(item, &mut zones)).collect();
    let mut patch = Patch::new(&document);
    let mut made = Vec::new();
    for (text, at) in &wanted.single {
        let original = instant(at, start.as_ref(), &mut zones).ok_or_else(|| no_instance(text))?;
        if present.contains(&original) || made.contains(&original) {
            continue;
        }
        let component = instance_text(&document, &object, zone, original, now)?;
        patch.insert_component(&document.root(), &component.ok_or_else(|| no_instance(text))?);
        made.push(original);
    }
    Ok((!made.is_empty()).then(|| patch.apply()))
}

/// Which instances a request means.
struct Instances {
    master: bool,
    single: Vec<(String, DateValue)>,
}

impl Instances {
    fn of(texts: &[String]) -> Result<Instances> {
        if texts.len() > MAX_INSTANCES {
            let message = format!("name {MAX_INSTANCES} instances at most");
            return Err(Error::precondition("VALID_RID", message));
        }
        let mut all = Instances { master: false, single: Vec::new() };
        for text in texts {
            if text == MASTER {
                all.master = true;
                continue;
            }
            let at = DateValue::parse(text, None, None).map_err(|_| no_instance(text))?;
            all.single.push((text.clone(), at));
        }
        Ok(all)
    }

    fn have(&self, item: &Item, start: Option<&DateValue>, zones: &mut Zones<'_>) -> bool {
        if !self.master && self.single.is_empty() {
            return true;
        }
        match original(item, zones) {
            None => self.master,
            Some(original) => self.single.iter().any(|(_, at)| instant(at, start, zones) == Some(original)),
        }
    }
}

fn original(item: &Item, zones: &mut Zones<'_>) -> Option<i64> {
    item.recurrence_id.as_ref().map(|id| time::seconds(&id.at, zones))
}

/// The instant of a RECURRENCE-ID: UTC, a day, or a time on the wall of the series. A series of days has no instance at a time, nor the other way
/// round.
fn instant(at: &DateValue, start: Option<&DateValue>, zones: &mut Zones<'_>) -> Option<i64> {
    match (at, start) {
        (at, Some(start)) if at.is_date() != start.is_date() => None,
        (DateValue::Floating(wall), Some(start)) => {
            Some(time::seconds(&time::with_civil(start, *wall), zones))
        }
        _ => Some(time::seconds(at, zones)),
    }
}

fn no_instance(text: &str) -> Error {
    let shown: String = text.chars().filter(|c| !c.is_control()).take(40).collect();
    Error::precondition("VALID_RID", format!("there is no instance {shown:?}"))
}

/// Checks the name of a file: what a line and a header can hold.
///
/// # Errors
/// INVALID_ARGUMENT.
pub fn filename(text: &str) -> Result<String> {
    let name = text.trim();
    if name.len() > 255 || name.contains(['/', '\\']) || name.chars().any(char::is_control) {
        let message = "use at most 255 bytes on one line, without / and \\";
        return Err(Error::invalid("attachment.filename", message));
    }
    Ok(if matches!(name, "" | "." | "..") { "attachment".to_owned() } else { name.to_owned() })
}

/// Checks a media type and keeps its charset; other parameters are left out.
///
/// # Errors
/// INVALID_ARGUMENT.
pub fn media_type(text: &str) -> Result<String> {
    let mut parts = text.split(';').map(str::trim);
    let kind = parts.next().unwrap_or_default().to_ascii_lowercase();
    if kind.is_empty() {
        return Ok("application/octet-stream".to_owned());
    }
    if !kind.split_once('/').is_some_and(|(kind, of)| is_token(kind) && is_token(of)) {
        return Err(Error::invalid("attachment.media_type", "use a type as \"application/pdf\""));
    }
    let charset = parts.find_map(|part| {
        let (name, value) = part.split_once('=')?;
        let value = value.trim().trim_matches('"');
        (name.trim().eq_ignore_ascii_case("charset") && is_token(value)).then(|| value.to_ascii_lowercase())
    });
    Ok(charset.map_or(kind.clone(), |charset| format!("{kind}; charset={charset}")))
}

/// A name of RFC 6838 section 4.2.
fn is_token(text: &str) -> bool {
    (1..=100).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&byte))
}

/// Checks scheme and host of this server, as a caller names them.
///
/// # Errors
/// INVALID_ARGUMENT.
pub fn base(text: &str) -> Result<&str> {
    let base = text.trim_end_matches('/');
    let host = base.strip_prefix("https://").or_else(|| base.strip_prefix("http://")).unwrap_or_default();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-:[]_".contains(&byte);
    if (1..=255).contains(&host.len()) && host.bytes().all(plain) {
        return Ok(base);
    }
    Err(Error::invalid("attachment.base_uri", "use scheme and host alone: https://kontor.example.com"))
}

#[cfg(test)]
#[path = "attachment_tests.rs"]
mod tests;
