//! The bodies of REPORT as types.
//! Called by the reports; filters are read next door.

use kontor_proto::collection::v1 as rpc;
use kontor_vobject::expand::Span;
use kontor_vobject::recur::day;
use kontor_vobject::value::DateValue;

use super::filter;
use super::principals::{self, Expand, Search};
use super::reader::{Element, Error, Reader, clip, malformed};
use super::request::WantedReader;
use super::{Name, Space};
use crate::dav::limits;
use crate::dav::properties::{Property, Wanted};

/// A report that a client asks for.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// Which one, with what it needs.
    pub kind: Kind,
    /// Properties of each object in the answer.
    pub wanted: Wanted,
    /// How the objects' data should come; `None` when it was not asked for.
    pub data: Option<DataRequest>,
}

/// The reports.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// CALDAV:calendar-query (RFC 4791 section 7.8).
    CalendarQuery {
        /// Its filter.
        filter: rpc::ComponentFilter,
        /// VTIMEZONE text or IANA name; empty when absent.
        time_zone: String,
        /// At most so many objects (from DAV:limit); 0 means all.
        limit: i64,
    },
    /// CALDAV:calendar-multiget (section 7.9): hrefs as written.
    CalendarMultiget(Vec<String>),
    /// CARDDAV:addressbook-query (RFC 6352 section 8.6).
    BookQuery {
        /// Its filter.
        filter: rpc::CardFilter,
        /// At most so many cards; 0 means all.
        limit: i64,
    },
    /// CARDDAV:addressbook-multiget (section 8.7): hrefs as written.
    BookMultiget(Vec<String>),
    /// DAV:sync-collection (RFC 6578).
    SyncCollection {
        /// The client's token; empty for a first sync.
        token: String,
        /// At most so many changes; 0 means all.
        limit: i64,
    },
    /// DAV:expand-property (RFC 3253 section 3.8).
    ExpandProperty(Vec<Expand>),
    /// DAV:principal-property-search (RFC 3744 section 9.4).
    PrincipalPropertySearch(Search),
    /// DAV:principal-search-property-set (section 9.5).
    PrincipalSearchPropertySet,
    /// DAV:principal-match (section 9.3): `None` is `self`.
    PrincipalMatch(Option<Property>),
    /// DAV:acl-principal-prop-set (section 9.2).
    AclPrincipalPropSet,
    /// CALDAV:free-busy-query (section 7.10).
    FreeBusyQuery(Span),
    /// Any other.
    Other(Name),
}

/// What calendar-data or address-data asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DataRequest {
    /// Media type; empty means the usual one.
    pub content_type: String,
    /// Version: "2.0", "3.0", "4.0"; empty means any.
    pub version: String,
    /// Only these components and properties; `None` means everything.
    pub subset: Option<Subset>,
    /// `expand`, `limit-recurrence-set` and `limit-freebusy-set`.
    pub forms: Forms,
}

/// Forms of calendar data other than the stored one (RFC 4791 sections 9.6.5 to 9.6.7).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Forms {
    /// One component for each instance in the span.
    pub expand: Option<Span>,
    /// Only the overrides that matter in the span.
    pub limit_recurrence: Option<Span>,
    /// Only the periods of VFREEBUSY in the span.
    pub limit_free_busy: Option<Span>,
}

impl Forms {
    /// Whether the data is wanted as it is stored.
    pub fn is_plain(&self) -> bool {
        *self == Forms::default()
    }
}

/// A part of an object: one component with what is wanted of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subset {
    /// Component in capitals: "VCALENDAR", "VCARD".
    pub name: String,
    /// Every property.
    pub all_properties: bool,
    /// These properties; the flag says that only the name is wanted (`novalue`).
    pub properties: Vec<(String, bool)>,
    /// Every component inside.
    pub all_components: bool,
    /// These components.
    pub components: Vec<Subset>,
}

/// Reads a REPORT body.
pub fn report(body: &[u8]) -> Result<Report, Error> {
    let mut reader = Reader::new(body)?;
    let root = reader.root()?;
    let parsed = match (&root.space, root.local()) {
        (Space::CalDav, "calendar-query") => calendar_query(&mut reader)?,
        (Space::CalDav, "calendar-multiget") => multiget(&mut reader, Kind::CalendarMultiget)?,
        (Space::CalDav, "free-busy-query") => free_busy_query(&mut reader)?,
        (Space::CardDav, "addressbook-query") => book_query(&mut reader)?,
        (Space::CardDav, "addressbook-multiget") => multiget(&mut reader, Kind::BookMultiget)?,
        (Space::Dav, "sync-collection") => sync_collection(&mut reader)?,
        (Space::Dav, "expand-property") => principals::expand_property(&mut reader)?,
        (Space::Dav, "principal-property-search") => principals::property_search(&mut reader, &root)?,
        (Space::Dav, "principal-match") => principals::principal_match(&mut reader)?,
        (Space::Dav, "acl-principal-prop-set") => principals::acl_principals(&mut reader)?,
        (Space::Dav, "principal-search-property-set") => {
            reader.skip()?;
            let wanted = Wanted::These(Vec::new());
            Report { kind: Kind::PrincipalSearchPropertySet, wanted, data: None }
        }
        _ => {
            let name = root.name();
            reader.skip()?;
            Report { kind: Kind::Other(name), wanted: Wanted::These(Vec::new()), data: None }
        }
    };
    reader.finish()?;
    Ok(parsed)
}

fn calendar_query(reader: &mut Reader<'_>) -> Result<Report, Error> {
    let mut common = WantedReader::default();
    let mut filter = None;
    let mut time_zone = String::new();
    let mut limit = 0;
    while let Some(child) = reader.child()? {
        if common.take(reader, &child)? {
            continue;
        }
        match (&child.space, child.local()) {
            (Space::CalDav, "filter") => filter = Some(filter::calendar(reader)?),
            (Space::CalDav, "timezone" | "timezone-id") => time_zone = reader.text()?.trim().to_owned(),
            (Space::Dav, "limit") => limit = nresults(reader)?,
            _ => reader.skip()?,
        }
    }
    let filter = filter.ok_or_else(|| Error::Filter("calendar-query has no filter".to_owned()))?;
    finish(common, Kind::CalendarQuery { filter, time_zone, limit })
}

fn book_query(reader: &mut Reader<'_>) -> Result<Report, Error> {
    let mut common = WantedReader::default();
    let mut filter = rpc::CardFilter::default();
    let mut limit = 0;
    while let Some(child) = reader.child()? {
        if common.take(reader, &child)? {
            continue;
        }
        match (&child.space, child.local()) {
            // The schema demands a filter; clients that want all cards leave it out or empty, and mean "all".
            (Space::CardDav, "filter") => filter = filter::book(reader, &child)?,
            (Space::CardDav, "limit") => limit = nresults(reader)?,
            _ => reader.skip()?,
        }
    }
    finish(common, Kind::BookQuery { filter, limit })
}

fn multiget(reader: &mut Reader<'_>, kind: fn(Vec<String>) -> Kind) -> Result<Report, Error> {
    let mut common = WantedReader::default();
    let mut hrefs = Vec::new();
    while let Some(child) = reader.child()? {
        if common.take(reader, &child)? {
            continue;
        }
        if child.is(&Space::Dav, "href") {
            if hrefs.len() == limits::MULTIGET_NAMES {
                return Err(Error::Limit("hrefs"));
            }
            hrefs.push(reader.text()?.trim().to_owned());
        } else {
            reader.skip()?;
        }
    }
    finish(common, kind(hrefs))
}

fn sync_collection(reader: &mut Reader<'_>) -> Result<Report, Error> {
    let mut common = WantedReader::default();
    let (mut token, mut limit) = (String::new(), 0);
    while let Some(child) = reader.child()? {
        if common.take(reader, &child)? {
            continue;
        }
        match (&child.space, child.local()) {
            (Space::Dav, "sync-token") => token = reader.text()?.trim().to_owned(),
            (Space::Dav, "sync-level") => {
                // Nothing stands below the members of a calendar or a book, so every level tells the same (RFC 6578 section 3.3).
                match reader.text()?.trim() {
                    "1" | "" | "infinite" | "infinity" => {}
                    other => return Err(malformed(format!("sync-level {} is unknown", clip(other)))),
                }
            }
            (Space::Dav, "limit") => limit = nresults(reader)?,
            _ => reader.skip()?,
        }
    }
    finish(common, Kind::SyncCollection { token, limit })
}

fn free_busy_query(reader: &mut Reader<'_>) -> Result<Report, Error> {
    let mut range = None;
    while let Some(child) = reader.child()? {
        if child.is(&Space::CalDav, "time-range") {
            range = Some(span(&child)?);
        }
        reader.skip()?;
    }
    let range = range.ok_or_else(|| malformed("free-busy-query has no time-range"))?;
    Ok(Report { kind: Kind::FreeBusyQuery(range), wanted: Wanted::These(Vec::new()), data: None })
}

fn finish(mut common: WantedReader, kind: Kind) -> Result<Report, Error> {
    let wanted = common.finish()?.unwrap_or(Wanted::These(Vec::new()));
    Ok(Report { kind, wanted, data: common.data })
}

fn nresults(reader: &mut Reader<'_>) -> Result<i64, Error> {
    let mut limit = 0;
    while let Some(child) = reader.child()? {
        if child.local() != "nresults" {
            reader.skip()?;
            continue;
        }
        let text = reader.text()?;
        limit = match text.trim().parse::<u32>() {
            Ok(number) if number > 0 => i64::from(number),
            _ => return Err(malformed(format!("nresults {} is not a positive number", clip(text.trim())))),
        };
    }
    Ok(limit)
}

/// Reads calendar-data or address-data inside `prop`.
pub(super) fn data_request(reader: &mut Reader<'_>, element: &Element<'_>) -> Result<DataRequest, Error> {
    let mut request = DataRequest {
        content_type: element.attribute("content-type")?.unwrap_or_default(),
        version: element.attribute("version")?.unwrap_or_default(),
        ..DataRequest::default()
    };
    // address-data lists its properties directly, calendar-data inside comp.
    let mut card = Subset {
        name: "VCARD".to_owned(),
        all_properties: false,
        properties: Vec::new(),
        all_components: true,
        components: Vec::new(),
    };
    while let Some(child) = reader.child()? {
        match (&child.space, child.local()) {
            (Space::CalDav, "comp") => request.subset = Some(subset(reader, &child, 0)?),
            (Space::CalDav, "expand") => request.forms.expand = Some(span(&child)?),
            (Space::CalDav, "limit-recurrence-set") => request.forms.limit_recurrence = Some(span(&child)?),
            (Space::CalDav, "limit-freebusy-set") => request.forms.limit_free_busy = Some(span(&child)?),
            (Space::CardDav, "prop") => add_property(&mut card, &child)?,
            _ => {}
        }
        if !child.is(&Space::CalDav, "comp") {
            reader.skip()?;
        }
    }
    if !card.properties.is_empty() {
        request.subset = Some(card);
    }
    if request.forms.expand.is_some() && request.forms.limit_recurrence.is_some() {
        return Err(malformed("expand stands beside limit-recurrence-set"));
    }
    Ok(request)
}

/// The attributes `start` and `end` of a form, both of which must be there in UTC.
pub(super) fn span(element: &Element<'_>) -> Result<Span, Error> {
    let at = |name: &str| {
        let text = element.required(name)?;
        match DateValue::parse(&text, None, None) {
            Ok(DateValue::Utc(at)) => Ok(day::seconds(at)),
            _ => Err(malformed(format!("{} {} is no time in UTC", name, clip(&text)))),
        }
    };
    let span = Span { from: at("start")?, to: at("end")? };
    if span.from < span.to { Ok(span) } else { Err(malformed("end is not after start")) }
}

fn subset(reader: &mut Reader<'_>, element: &Element<'_>, depth: usize) -> Result<Subset, Error> {
    if depth > limits::FILTER_DEPTH {
        return Err(Error::Limit("depth of comp"));
    }
    let mut part = Subset {
        name: element.required("name")?.to_ascii_uppercase(),
        all_properties: false,
        properties: Vec::new(),
        all_components: false,
        components: Vec::new(),
    };
    let mut whole = true;
    while let Some(child) = reader.child()? {
        whole = false;
        match (&child.space, child.local()) {
            (Space::CalDav, "comp") => {
                if part.components.len() == limits::FILTER_CONDITIONS {
                    return Err(Error::Limit("comp"));
                }
                part.components.push(subset(reader, &child, depth + 1)?);
                continue;
            }
            (Space::CalDav, "prop") => add_property(&mut part, &child)?,
            (Space::CalDav, "allprop") => part.all_properties = true,
            (Space::CalDav, "allcomp") => part.all_components = true,
            _ => {}
        }
        reader.skip()?;
    }
    // RFC 4791 section 7.8.1 shows an empty comp standing for all of it.
    if whole {
        part.all_properties = true;
        part.all_components = true;
    }
    Ok(part)
}

fn add_property(part: &mut Subset, element: &Element<'_>) -> Result<(), Error> {
    if part.properties.len() == limits::PROPERTIES {
        return Err(Error::Limit("prop"));
    }
    let no_value = element.attribute("novalue")?.is_some_and(|value| value == "yes");
    part.properties.push((element.required("name")?.to_ascii_uppercase(), no_value));
    Ok(())
}
