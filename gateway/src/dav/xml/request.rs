//! The bodies of PROPFIND, PROPPATCH, MKCOL and MKCALENDAR as types.
//! Called by the methods of the same names.

use super::reader::{Element, Error, Reader, malformed};
use super::{Name, Space};
use crate::dav::limits;
use crate::dav::properties::{Live, Property, Use, Wanted};

/// Reads a PROPFIND body (RFC 4918 section 9.1). An empty one asks for everything.
pub fn propfind(body: &[u8]) -> Result<Wanted, Error> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(Wanted::All(Vec::new()));
    }
    let mut reader = Reader::new(body)?;
    let root = reader.root()?;
    if !root.is(&Space::Dav, "propfind") {
        return Err(malformed("the root element is not DAV:propfind"));
    }
    let mut wanted = WantedReader::default();
    while let Some(child) = reader.child()? {
        if !wanted.take(&mut reader, &child)? {
            reader.skip()?;
        }
    }
    reader.finish()?;
    wanted.finish()?.ok_or_else(|| malformed("DAV:propfind names neither prop, allprop nor propname"))
}

/// Collects `prop`, `allprop`, `propname` and `include`, in PROPFIND and in reports.
#[derive(Default)]
pub(super) struct WantedReader {
    wanted: Option<Wanted>,
    include: Vec<Property>,
    /// Set when the properties hold calendar-data or address-data.
    pub(super) data: Option<super::report::DataRequest>,
}

impl WantedReader {
    /// Takes the element when it is one of the four.
    pub(super) fn take(&mut self, reader: &mut Reader<'_>, element: &Element<'_>) -> Result<bool, Error> {
        let found = match (&element.space, element.local()) {
            (Space::Dav, "prop") => Wanted::These(self.names(reader)?),
            (Space::Dav, "include") => {
                self.include = self.names(reader)?;
                return Ok(true);
            }
            (Space::Dav, "allprop") => {
                reader.skip()?;
                Wanted::All(Vec::new())
            }
            (Space::Dav, "propname") => {
                reader.skip()?;
                Wanted::Names
            }
            _ => return Ok(false),
        };
        if self.wanted.replace(found).is_some() {
            return Err(malformed("more than one of prop, allprop and propname"));
        }
        Ok(true)
    }

    /// What was asked for; `None` when nothing was.
    pub(super) fn finish(&mut self) -> Result<Option<Wanted>, Error> {
        let include = std::mem::take(&mut self.include);
        match self.wanted.take() {
            Some(Wanted::All(_)) => Ok(Some(Wanted::All(include))),
            Some(_) if !include.is_empty() => Err(malformed("include goes with allprop only")),
            other => Ok(other),
        }
    }

    fn names(&mut self, reader: &mut Reader<'_>) -> Result<Vec<Property>, Error> {
        let mut names: Vec<Property> = Vec::new();
        let mut bytes = 0;
        while let Some(element) = reader.child()? {
            let property = Property::of(&element.space, element.local());
            if matches!(&property, Property::Live(live) if live.usage() == Use::Data) {
                self.data = Some(super::report::data_request(reader, &element)?);
            } else {
                reader.skip()?;
            }
            bytes += element.local().len() + element.space.address().len();
            if names.len() == limits::PROPERTIES || bytes > limits::PROPERTY_NAME_BYTES {
                return Err(Error::Limit("names of properties"));
            }
            if !names.contains(&property) {
                names.push(property);
            }
        }
        Ok(names)
    }
}

/// One step of a PROPPATCH, or one property of a new collection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Which property.
    pub property: Property,
    /// Its new value; `None` removes it.
    pub value: Option<Value>,
    /// Language in force on it (`xml:lang`); empty when there is none.
    pub language: String,
}

/// The value of a property that a client sets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Text of a live property; of one that holds an address, the text of its DAV:href.
    Text(String),
    /// Names of the elements inside: resourcetype, schedule-calendar-transp.
    Elements(Vec<Name>),
    /// Names of CALDAV:comp in supported-calendar-component-set.
    Components(Vec<String>),
    /// Inner XML of a dead property.
    Xml(String),
}

/// Reads a PROPPATCH body (RFC 4918 section 9.2). The steps keep their order.
pub fn proppatch(body: &[u8]) -> Result<Vec<Change>, Error> {
    let changes = update(body, |root| root.is(&Space::Dav, "propertyupdate"), "DAV:propertyupdate", true)?;
    if changes.is_empty() {
        return Err(malformed("DAV:propertyupdate changes nothing"));
    }
    Ok(changes)
}

/// Reads the body of an extended MKCOL (RFC 5689) or MKCALENDAR (RFC 4791 section 5.3.1); an empty one sets nothing.
pub fn make_collection(body: &[u8], calendar: bool) -> Result<Vec<Change>, Error> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(Vec::new());
    }
    if calendar {
        update(body, |root| root.is(&Space::CalDav, "mkcalendar"), "CALDAV:mkcalendar", false)
    } else {
        update(body, |root| root.is(&Space::Dav, "mkcol"), "DAV:mkcol", false)
    }
}

fn update(
    body: &[u8],
    is_root: impl Fn(&Element<'_>) -> bool,
    name: &str,
    may_remove: bool,
) -> Result<Vec<Change>, Error> {
    let mut reader = Reader::new(body)?;
    let root = reader.root()?;
    if !is_root(&root) {
        return Err(malformed(format!("the root element is not {name}")));
    }
    let mut changes = Vec::new();
    while let Some(step) = reader.child()? {
        let sets = step.is(&Space::Dav, "set");
        let removes = may_remove && step.is(&Space::Dav, "remove");
        if !(sets || removes) {
            reader.skip()?;
            continue;
        }
        while let Some(prop) = reader.child()? {
            if !prop.is(&Space::Dav, "prop") {
                reader.skip()?;
                continue;
            }
            while let Some(element) = reader.child()? {
                if changes.len() == limits::PROPERTIES {
                    return Err(Error::Limit("properties"));
                }
                changes.push(change(&mut reader, &element, sets)?);
            }
        }
    }
    reader.finish()?;
    Ok(changes)
}

fn change(reader: &mut Reader<'_>, element: &Element<'_>, sets: bool) -> Result<Change, Error> {
    let property = Property::of(&element.space, element.local());
    let language = reader.language().to_owned();
    let value = if sets {
        Some(value(reader, &property)?)
    } else {
        reader.skip()?;
        None
    };
    Ok(Change { property, value, language })
}

fn value(reader: &mut Reader<'_>, property: &Property) -> Result<Value, Error> {
    match property {
        Property::Live(Live::ResourceType | Live::Transparency) => {
            let mut names = Vec::new();
            while let Some(child) = reader.child()? {
                names.push(child.name());
                reader.skip()?;
            }
            Ok(Value::Elements(names))
        }
        Property::Live(Live::SupportedComponents) => {
            let mut names = Vec::new();
            while let Some(child) = reader.child()? {
                if child.is(&Space::CalDav, "comp") {
                    names.push(child.required("name")?.to_ascii_uppercase());
                }
                reader.skip()?;
            }
            Ok(Value::Components(names))
        }
        Property::Live(Live::ScheduleDefaultCalendar) => {
            let mut href = String::new();
            while let Some(child) = reader.child()? {
                if child.is(&Space::Dav, "href") && href.is_empty() {
                    href = reader.text()?.trim().to_owned();
                } else {
                    reader.skip()?;
                }
            }
            Ok(Value::Text(href))
        }
        Property::Live(live) if matches!(live.usage(), Use::Settable | Use::ShownSettable) => {
            Ok(Value::Text(reader.text()?.into_owned()))
        }
        _ => Ok(Value::Xml(reader.inner_xml(limits::DEAD_VALUE_BYTES)?)),
    }
}
