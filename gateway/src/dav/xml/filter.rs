//! Filters of calendar-query (RFC 4791 section 9.7) and addressbook-query (RFC 6352 section 10.5), read into the contract's types.
//! Called by the report bodies.

use kontor_proto::collection::v1::{
    CardFilter, Collation, ComponentFilter, MatchType, ParameterFilter, PropertyFilter, TextMatch, TimeRange,
};

use super::Space;
use super::reader::{Element, Error, Reader, clip};
use crate::dav::limits;

/// Reads CALDAV:filter, inside which the reader stands.
pub(super) fn calendar(reader: &mut Reader<'_>) -> Result<ComponentFilter, Error> {
    let mut count = Count::default();
    let mut top = None;
    while let Some(child) = reader.child()? {
        if !child.is(&Space::CalDav, "comp-filter") {
            return Err(invalid(format!("{} stands in filter", clip(child.local()))));
        }
        if top.is_some() {
            return Err(invalid("there is more than one comp-filter at the top"));
        }
        top = Some(component(reader, &child, 0, &mut count)?);
    }
    match top {
        Some(top) if top.name == "VCALENDAR" => Ok(top),
        _ => Err(invalid("the filter does not begin with VCALENDAR")),
    }
}

/// Reads CARDDAV:filter, inside which the reader stands.
pub(super) fn book(reader: &mut Reader<'_>, element: &Element<'_>) -> Result<CardFilter, Error> {
    let mut count = Count::default();
    let mut filter = CardFilter { all_of: all_of(element)?, ..CardFilter::default() };
    while let Some(child) = reader.child()? {
        if !child.is(&Space::CardDav, "prop-filter") {
            return Err(invalid(format!("{} stands in filter", clip(child.local()))));
        }
        filter.properties.push(property(reader, &child, false, &mut count)?);
    }
    Ok(filter)
}

/// Conditions read so far, over all levels.
#[derive(Default)]
struct Count(usize);

impl Count {
    fn one_more(&mut self) -> Result<(), Error> {
        self.0 += 1;
        if self.0 > limits::FILTER_CONDITIONS { Err(Error::Limit("conditions of a filter")) } else { Ok(()) }
    }
}

fn component(
    reader: &mut Reader<'_>,
    element: &Element<'_>,
    depth: usize,
    count: &mut Count,
) -> Result<ComponentFilter, Error> {
    count.one_more()?;
    if depth > limits::FILTER_DEPTH {
        return Err(Error::Limit("depth of comp-filter"));
    }
    let mut filter = ComponentFilter { name: name(element)?, ..ComponentFilter::default() };
    while let Some(child) = reader.child()? {
        match (&child.space, child.local()) {
            (Space::CalDav, "is-not-defined") => {
                filter.is_not_defined = true;
                reader.skip()?;
            }
            (Space::CalDav, "time-range") => {
                filter.time_range = Some(time_range(&child)?);
                reader.skip()?;
            }
            (Space::CalDav, "prop-filter") => filter.properties.push(property(reader, &child, true, count)?),
            (Space::CalDav, "comp-filter") => {
                filter.components.push(component(reader, &child, depth + 1, count)?);
            }
            (_, other) => return Err(invalid(format!("{} stands in comp-filter", clip(other)))),
        }
    }
    let more = filter.time_range.is_some() || !filter.properties.is_empty() || !filter.components.is_empty();
    if filter.is_not_defined && more {
        return Err(invalid("is-not-defined stands beside other conditions"));
    }
    Ok(filter)
}

fn property(
    reader: &mut Reader<'_>,
    element: &Element<'_>,
    calendar: bool,
    count: &mut Count,
) -> Result<PropertyFilter, Error> {
    count.one_more()?;
    let own = if calendar { Space::CalDav } else { Space::CardDav };
    let mut filter = PropertyFilter {
        name: name(element)?,
        // In a calendar every part of a prop-filter must hold; in a book the client chooses.
        all_of: calendar || all_of(element)?,
        ..PropertyFilter::default()
    };
    while let Some(child) = reader.child()? {
        if child.space != own {
            return Err(invalid(format!("{} stands in prop-filter", clip(child.local()))));
        }
        match child.local() {
            "is-not-defined" => {
                filter.is_not_defined = true;
                reader.skip()?;
            }
            "time-range" if calendar => {
                filter.time_range = Some(time_range(&child)?);
                reader.skip()?;
            }
            "text-match" => {
                count.one_more()?;
                filter.text_matches.push(text_match(reader, &child)?);
            }
            "param-filter" => filter.parameters.push(parameter(reader, &child, &own, count)?),
            other => return Err(invalid(format!("{} stands in prop-filter", clip(other)))),
        }
    }
    let more =
        filter.time_range.is_some() || !filter.text_matches.is_empty() || !filter.parameters.is_empty();
    if filter.is_not_defined && more {
        return Err(invalid("is-not-defined stands beside other conditions"));
    }
    if calendar && filter.text_matches.len() > 1 {
        return Err(invalid("prop-filter has more than one text-match"));
    }
    Ok(filter)
}

fn parameter(
    reader: &mut Reader<'_>,
    element: &Element<'_>,
    own: &Space,
    count: &mut Count,
) -> Result<ParameterFilter, Error> {
    count.one_more()?;
    let mut filter = ParameterFilter { name: name(element)?, ..ParameterFilter::default() };
    while let Some(child) = reader.child()? {
        if child.is(own, "is-not-defined") {
            filter.is_not_defined = true;
            reader.skip()?;
        } else if child.is(own, "text-match") && filter.text_match.is_none() {
            filter.text_match = Some(text_match(reader, &child)?);
        } else {
            return Err(invalid(format!("{} stands in param-filter", clip(child.local()))));
        }
    }
    if filter.is_not_defined && filter.text_match.is_some() {
        return Err(invalid("is-not-defined stands beside other conditions"));
    }
    Ok(filter)
}

fn text_match(reader: &mut Reader<'_>, element: &Element<'_>) -> Result<TextMatch, Error> {
    let collation = match element.attribute("collation")?.as_deref() {
        None | Some("default") => Collation::Unspecified,
        Some("i;ascii-casemap") => Collation::AsciiCasemap,
        Some("i;octet") => Collation::Octet,
        Some("i;unicode-casemap") => Collation::UnicodeCasemap,
        Some(other) => return Err(Error::Collation(clip(other))),
    };
    let match_type = match element.attribute("match-type")?.as_deref() {
        None | Some("contains") => MatchType::Contains,
        Some("equals") => MatchType::Equals,
        Some("starts-with") => MatchType::StartsWith,
        Some("ends-with") => MatchType::EndsWith,
        Some(other) => return Err(invalid(format!("match-type {} is unknown", clip(other)))),
    };
    let negate = match element.attribute("negate-condition")?.as_deref() {
        None | Some("no") => false,
        Some("yes") => true,
        Some(other) => return Err(invalid(format!("negate-condition {} is unknown", clip(other)))),
    };
    let text = reader.text()?.into_owned();
    if text.len() > limits::FILTER_TEXT_BYTES {
        return Err(Error::Limit("bytes of a text-match"));
    }
    Ok(TextMatch { text, collation: collation.into(), match_type: match_type.into(), negate })
}

/// Reads a time-range (RFC 4791 section 9.9): UTC, at least one bound, the end after the start.
fn time_range(element: &Element<'_>) -> Result<TimeRange, Error> {
    let bound = |name: &str| element.attribute(name)?.map(|text| instant(&text)).transpose();
    let (start, end) = (bound("start")?, bound("end")?);
    match (start, end) {
        (None, None) => return Err(invalid("time-range has neither start nor end")),
        (Some(start), Some(end)) if end <= start => {
            return Err(invalid("time-range ends before it starts"));
        }
        _ => {}
    }
    let stamp = |seconds| prost_types::Timestamp { seconds, nanos: 0 };
    Ok(TimeRange { start_time: start.map(stamp), end_time: end.map(stamp) })
}

/// Seconds since 1970 of "20260104T000000Z".
fn instant(text: &str) -> Result<i64, Error> {
    let bad = || invalid(format!("{} is not a UTC date-time", clip(text)));
    let digits = text.strip_suffix('Z').ok_or_else(bad)?;
    let moment = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%S", digits).map_err(|_| bad())?;
    let moment = jiff::tz::TimeZone::UTC.to_timestamp(moment).map_err(|_| bad())?;
    Ok(moment.as_second())
}

fn all_of(element: &Element<'_>) -> Result<bool, Error> {
    match element.attribute("test")?.as_deref() {
        None | Some("anyof") => Ok(false),
        Some("allof") => Ok(true),
        Some(other) => Err(invalid(format!("test {} is unknown", clip(other)))),
    }
}

fn name(element: &Element<'_>) -> Result<String, Error> {
    match element.attribute("name")? {
        Some(name) if !name.is_empty() => Ok(name.to_ascii_uppercase()),
        _ => Err(invalid(format!("{} has no name", clip(element.local())))),
    }
}

fn invalid(what: impl Into<String>) -> Error {
    Error::Filter(what.into())
}
