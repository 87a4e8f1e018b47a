//! The bodies of expand-property (RFC 3253 section 3.8) and of the reports on principals (RFC 3744 section 9) as types.
//! Called by the report bodies.

use super::reader::{Element, Error, Reader, clip, malformed};
use super::report::{Kind, Report};
use super::request::WantedReader;
use super::{Name, Space};
use crate::dav::limits;
use crate::dav::properties::{Property, Wanted};

/// A property to be expanded: each href in its value becomes the resource, with the properties inside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expand {
    /// Which property.
    pub property: Property,
    /// Properties of the resources that it names; none leaves its hrefs as they are.
    pub inside: Vec<Expand>,
}

/// A principal-property-search.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Search {
    /// One test is enough (`test="anyof"`, of calendarserver); else all must hold.
    pub any_of: bool,
    /// None finds all.
    pub tests: Vec<SearchTest>,
    /// Look everywhere, not only below the resource that was asked.
    pub everywhere: bool,
}

/// A property-search: all its properties must match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SearchTest {
    /// Which properties.
    pub properties: Vec<Property>,
    /// Text to look for, in lower case.
    pub text: String,
    /// How it must match.
    pub how: How,
}

/// How a text matches; the attribute `match-type` is of calendarserver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// Anywhere.
    Contains,
    /// From the beginning.
    StartsWith,
    /// To the end.
    EndsWith,
    /// All of it.
    Equals,
}

impl How {
    /// Whether a text, in lower case, matches.
    pub fn matches(self, text: &str, wanted: &str) -> bool {
        match self {
            How::Contains => text.contains(wanted),
            How::StartsWith => text.starts_with(wanted),
            How::EndsWith => text.ends_with(wanted),
            How::Equals => text == wanted,
        }
    }
}

/// Reads DAV:expand-property, inside which the reader stands.
pub(super) fn expand_property(reader: &mut Reader<'_>) -> Result<Report, Error> {
    let mut count = 0;
    let kind = Kind::ExpandProperty(expand(reader, 0, &mut count)?);
    Ok(Report { kind, wanted: Wanted::These(Vec::new()), data: None })
}

/// The DAV:property elements of one level. Calls itself at most `limits::EXPAND_DEPTH` deep.
fn expand(reader: &mut Reader<'_>, depth: usize, count: &mut usize) -> Result<Vec<Expand>, Error> {
    let mut list: Vec<Expand> = Vec::new();
    while let Some(child) = reader.child()? {
        if !child.is(&Space::Dav, "property") {
            reader.skip()?;
            continue;
        }
        *count += 1;
        if *count > limits::PROPERTIES || depth == limits::EXPAND_DEPTH {
            return Err(Error::Limit("DAV:property"));
        }
        let property = named(&child)?;
        let inside = expand(reader, depth + 1, count)?;
        if !list.iter().any(|other| other.property == property) {
            list.push(Expand { property, inside });
        }
    }
    Ok(list)
}

/// The property that the attributes name.
fn named(element: &Element<'_>) -> Result<Property, Error> {
    let local = element.required("name")?;
    // The name may come back in the answer, where it must be one.
    if !local.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
        || !local.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_')
    {
        return Err(malformed(format!("{} is no name of a property", clip(&local))));
    }
    let space = element.attribute("namespace")?.map_or(Space::Dav, |address| Space::of(&address));
    match Property::of(&space, &local) {
        Property::Live(live) => Ok(Property::Live(live)),
        Property::Other(_) => Ok(Property::Other(Name { space, local })),
    }
}

/// Reads DAV:principal-property-search, inside which the reader stands.
pub(super) fn property_search(reader: &mut Reader<'_>, root: &Element<'_>) -> Result<Report, Error> {
    let any_of = match root.attribute("test")?.as_deref() {
        None | Some("allof") => false,
        Some("anyof") => true,
        Some(other) => return Err(malformed(format!("test {} is unknown", clip(other)))),
    };
    let mut common = WantedReader::default();
    let mut search = Search { any_of, tests: Vec::new(), everywhere: false };
    while let Some(child) = reader.child()? {
        if common.take(reader, &child)? {
            continue;
        }
        match (&child.space, child.local()) {
            (Space::Dav, "property-search") => {
                if search.tests.len() == limits::PRINCIPAL_SEARCHES {
                    return Err(Error::Limit("property-search"));
                }
                search.tests.push(search_test(reader)?);
                continue;
            }
            (Space::Dav, "apply-to-principal-collection-set") => search.everywhere = true,
            _ => {}
        }
        reader.skip()?;
    }
    // RFC 3744 section 9.4 asks for at least one property-search. python-caldav sends none when it wants all, and an empty
    // condition holds for all.
    let wanted = common.finish()?.unwrap_or(Wanted::These(Vec::new()));
    Ok(Report { kind: Kind::PrincipalPropertySearch(search), wanted, data: None })
}

fn search_test(reader: &mut Reader<'_>) -> Result<SearchTest, Error> {
    let (mut properties, mut found) = (Vec::new(), None);
    while let Some(child) = reader.child()? {
        if child.is(&Space::Dav, "prop") {
            properties = names(reader)?;
        } else if child.is(&Space::Dav, "match") {
            let how = match child.attribute("match-type")?.as_deref() {
                None | Some("contains") => How::Contains,
                Some("starts-with") => How::StartsWith,
                Some("ends-with") => How::EndsWith,
                Some("equals") => How::Equals,
                Some(other) => return Err(malformed(format!("match-type {} is unknown", clip(other)))),
            };
            let text = reader.text()?.trim().to_lowercase();
            if text.len() > limits::FILTER_TEXT_BYTES {
                return Err(Error::Limit("bytes of a match"));
            }
            found = Some((text, how));
        } else {
            reader.skip()?;
        }
    }
    match found {
        Some((text, how)) if !properties.is_empty() => Ok(SearchTest { properties, text, how }),
        _ => Err(malformed("property-search needs prop and match")),
    }
}

/// Reads DAV:principal-match, inside which the reader stands: `None` asks for the caller, else for what has the caller in a property.
pub(super) fn principal_match(reader: &mut Reader<'_>) -> Result<Report, Error> {
    let mut common = WantedReader::default();
    let mut by: Option<Option<Property>> = None;
    while let Some(child) = reader.child()? {
        if common.take(reader, &child)? {
            continue;
        }
        if child.is(&Space::Dav, "principal-property") {
            by = Some(names(reader)?.into_iter().next());
            continue;
        }
        if child.is(&Space::Dav, "self") {
            by = Some(None);
        }
        reader.skip()?;
    }
    let by = by.ok_or_else(|| malformed("principal-match has neither self nor principal-property"))?;
    let wanted = common.finish()?.unwrap_or(Wanted::These(Vec::new()));
    Ok(Report { kind: Kind::PrincipalMatch(by), wanted, data: None })
}

/// Reads DAV:acl-principal-prop-set, inside which the reader stands.
pub(super) fn acl_principals(reader: &mut Reader<'_>) -> Result<Report, Error> {
    let mut common = WantedReader::default();
    while let Some(child) = reader.child()? {
        if !common.take(reader, &child)? {
            reader.skip()?;
        }
    }
    let wanted = common.finish()?.unwrap_or(Wanted::These(Vec::new()));
    Ok(Report { kind: Kind::AclPrincipalPropSet, wanted, data: None })
}

fn names(reader: &mut Reader<'_>) -> Result<Vec<Property>, Error> {
    let mut names = Vec::new();
    while let Some(child) = reader.child()? {
        if names.len() == limits::PROPERTIES {
            return Err(Error::Limit("names of properties"));
        }
        names.push(Property::of(&child.space, child.local()));
        reader.skip()?;
    }
    Ok(names)
}
