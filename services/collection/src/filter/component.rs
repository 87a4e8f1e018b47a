//! Filters on calendar objects (RFC 4791 9.7): components, properties, parameters and time ranges.
//! Called by `filter`.

use std::collections::HashSet;

use kontor_kit::{Error, Result};
use kontor_proto::collection::v1::{Collation, ComponentFilter, PropertyFilter};
use kontor_vobject::expand::{Alarm, Series};
use kontor_vobject::recur::Budget;
use kontor_vobject::value::{DateValue, parse_duration};
use kontor_vobject::zone::{Zone, Zones};
use kontor_vobject::{Component, Document, Property};

use super::{DEPTH, Range, check_properties, invalid, text};

const DEFAULT: Collation = Collation::AsciiCasemap;
/// How far behind its start an open range is unfolded to tell which components are in it.
const HORIZON: i64 = 2 * 366 * 86_400 * 1_000_000;

/// Properties of RFC 5545 whose values are no times. A range on any other may find something.
const UNTIMED: [&str; 28] = [
    "ACTION",
    "ATTACH",
    "ATTENDEE",
    "CALSCALE",
    "CATEGORIES",
    "CLASS",
    "COMMENT",
    "CONTACT",
    "DESCRIPTION",
    "DURATION",
    "EXRULE",
    "GEO",
    "LOCATION",
    "METHOD",
    "ORGANIZER",
    "PERCENT-COMPLETE",
    "PRIORITY",
    "PRODID",
    "RELATED-TO",
    "REPEAT",
    "RESOURCES",
    "RRULE",
    "SEQUENCE",
    "STATUS",
    "SUMMARY",
    "TRANSP",
    "UID",
    "URL",
];

/// Whether RFC 5545 lets a component stand in another one. Names that it does not know may stand anywhere.
fn may_stand_in(inner: &str, outer: &str) -> bool {
    let is = |name: &str, known: &[&str]| known.iter().any(|known| name.eq_ignore_ascii_case(known));
    let whole = ["VEVENT", "VTODO", "VJOURNAL", "VFREEBUSY", "VTIMEZONE"];
    if is(inner, &["VCALENDAR"]) {
        return false;
    }
    if is(inner, &whole) {
        return is(outer, &["VCALENDAR"]);
    }
    if is(inner, &["VALARM"]) {
        return !is(outer, &["VCALENDAR", "VJOURNAL", "VFREEBUSY", "VTIMEZONE"]);
    }
    true
}

/// Checks a filter once: its depth, its size, its ranges.
pub(super) fn check(filter: &ComponentFilter) -> Result<()> {
    let mut tests = 0;
    let mut waiting = vec![(filter, 1)];
    while let Some((filter, depth)) = waiting.pop() {
        for inner in &filter.components {
            if !may_stand_in(&inner.name, &filter.name) {
                return Err(invalid(format!("{} never stands in {}", inner.name, filter.name)));
            }
        }
        for property in filter.properties.iter().filter(|property| property.time_range.is_some()) {
            if UNTIMED.iter().any(|name| property.name.eq_ignore_ascii_case(name)) {
                return Err(invalid(format!("{} has no time", property.name)));
            }
        }
        if depth > DEPTH {
            return Err(invalid(format!("component filters are nested at most {DEPTH} deep")));
        }
        tests += 1;
        if let Some(range) = &filter.time_range {
            Range::read(range)?;
            if !["VEVENT", "VTODO", "VJOURNAL", "VALARM"]
                .iter()
                .any(|name| filter.name.eq_ignore_ascii_case(name))
            {
                let message = format!("a time range on {} can't be answered", filter.name);
                return Err(Error::new(tonic::Code::InvalidArgument, "SUPPORTED_FILTER", message)
                    .with("component", &filter.name));
            }
        }
        check_properties(&filter.properties, &mut tests)?;
        waiting.extend(filter.components.iter().map(|inner| (inner, depth + 1)));
    }
    Ok(())
}

/// Whether an object matches a filter on its VCALENDAR. An object whose expansion is too much work matches its time ranges.
pub(super) fn matches(
    document: &Document<'_>,
    filter: &ComponentFilter,
    zone: &Zone,
    budget: &mut Budget,
) -> bool {
    let mut asker = Asker { document, zone, budget, series: None };
    document.root().is(&filter.name) && asker.inside(&document.root(), filter)
}

/// Whether anything of an object overlaps a range.
pub(super) fn overlaps(document: &Document<'_>, range: Range, zone: &Zone, budget: &mut Budget) -> bool {
    let (from, to) = range.instants();
    match Series::of(document, zone.clone()) {
        Ok(series) => series.overlaps(from, to, budget).unwrap_or(true),
        Err(_) => false,
    }
}

struct Asker<'a, 'd> {
    document: &'d Document<'d>,
    zone: &'a Zone,
    budget: &'a mut Budget,
    series: Option<Option<Series>>,
}

impl<'d> Asker<'_, 'd> {
    /// Tests of one component. The depth of the recursion was checked to be at most four.
    fn inside(&mut self, component: &Component<'d>, filter: &ComponentFilter) -> bool {
        filter.properties.iter().all(|test| self.property(component, test))
            && filter.components.iter().all(|test| self.component(component, test))
    }

    fn component(&mut self, parent: &Component<'d>, filter: &ComponentFilter) -> bool {
        if filter.is_not_defined {
            return parent.children(&filter.name).next().is_none();
        }
        let range = filter.time_range.as_ref().and_then(|range| Range::read(range).ok());
        let children: Vec<Component<'d>> = parent.children(&filter.name).collect();
        if let Some(range) = range
            && filter.name.eq_ignore_ascii_case("VALARM")
        {
            return children
                .iter()
                .any(|alarm| self.rings(parent, alarm, range) && self.inside(alarm, filter));
        }
        let inside = range.map(|range| self.overlapping(range));
        children.iter().any(|child| {
            let timely = match &inside {
                Some(Overlap::These(components)) => components.contains(&child.index()),
                Some(Overlap::Unknown) | None => true,
            };
            timely && self.inside(child, filter)
        })
    }

    /// Whether an alarm of an event or task goes off in a range. One that is too much work does.
    fn rings(&mut self, parent: &Component<'d>, alarm: &Component<'d>, range: Range) -> bool {
        let (document, zone) = (self.document, self.zone);
        let Some(alarm) = Alarm::of(alarm, &mut Zones::of(document, zone.clone())) else { return false };
        let series = self.series.get_or_insert_with(|| Series::of(document, zone.clone()).ok());
        let Some(series) = series else { return false };
        series.rings(parent.index(), &alarm, range.instants(), self.budget).unwrap_or(true)
    }

    /// The components that overlap a range.
    fn overlapping(&mut self, range: Range) -> Overlap {
        let (document, zone) = (self.document, self.zone);
        let series = self.series.get_or_insert_with(|| Series::of(document, zone.clone()).ok());
        let Some(series) = series else { return Overlap::These(HashSet::new()) };
        let near = Range { from: range.from, to: range.to.min(range.from.saturating_add(HORIZON)) };
        let (from, to) = near.instants();
        let found = series.occurrences(from, to, self.budget).unwrap_or_default();
        let components: HashSet<usize> = found.iter().map(|occurrence| occurrence.component).collect();
        if !components.is_empty() {
            return Overlap::These(components);
        }
        // Too much work, beyond the horizon, or a task without dates: the object as a whole decides.
        let (from, to) = range.instants();
        match series.overlaps(from, to, self.budget) {
            Ok(false) => Overlap::These(HashSet::new()),
            _ => Overlap::Unknown,
        }
    }

    fn property(&self, component: &Component<'_>, filter: &PropertyFilter) -> bool {
        let mut named = component.properties_named(&filter.name);
        if filter.is_not_defined {
            return named.next().is_none();
        }
        named.any(|property| self.instance(&property, filter)) || self.by_length(component, filter)
    }

    /// Whether the end that only a DURATION says is in the range (RFC 4791 section 9.9). It has no text and no parameters of its own.
    fn by_length(&self, component: &Component<'_>, filter: &PropertyFilter) -> bool {
        let is_end = match filter.name.to_ascii_uppercase().as_str() {
            "DTEND" => component.is("VEVENT"),
            "DUE" => component.is("VTODO"),
            _ => false,
        };
        if !is_end
            || !filter.text_matches.is_empty()
            || !filter.parameters.is_empty()
            || component.properties_named(&filter.name).next().is_some()
        {
            return false;
        }
        let first = |name: &str| component.properties_named(name).next();
        let range = filter.time_range.as_ref().and_then(|range| Range::read(range).ok());
        let (Some(range), Some(start), Some(length)) = (range, first("DTSTART"), first("DURATION")) else {
            return false;
        };
        let Ok(length) = parse_duration(length.value()) else { return false };
        let Some((zone, civil)) = self.moment(&start) else { return false };
        // Days are days of the calendar, the rest is exact time (RFC 5545 section 3.3.6).
        let days = jiff::Span::new().try_days(length.signed_days());
        let Ok(day) = days.and_then(|days| civil.checked_add(days)) else { return false };
        let exact = jiff::SignedDuration::from_secs(length.signed_seconds());
        zone.instant(day).checked_add(exact).is_ok_and(|end| range.holds(end.as_microsecond()))
    }

    fn instance(&self, property: &Property<'_>, filter: &PropertyFilter) -> bool {
        let range = filter.time_range.as_ref().and_then(|range| Range::read(range).ok());
        range.is_none_or(|range| self.is_in(property, range))
            && filter.text_matches.iter().all(|test| text::matches(test, &property.text(), DEFAULT))
            && filter.parameters.iter().all(|test| text::parameter(test, property, DEFAULT))
    }

    /// Whether a property's time is in the range (RFC 4791 9.9 for properties of type DATE and DATE-TIME).
    fn is_in(&self, property: &Property<'_>, range: Range) -> bool {
        self.moment(property).is_some_and(|(zone, civil)| range.holds(zone.instant(civil).as_microsecond()))
    }

    /// The time of a property with the zone that it is in; none when it is no single time.
    fn moment(&self, property: &Property<'_>) -> Option<(Zone, jiff::civil::DateTime)> {
        let (kind, tzid) = (property.param("VALUE"), property.param("TZID"));
        let value = DateValue::parse(property.value(), kind.as_deref(), tzid.as_deref()).ok()?;
        let zone = Zones::of(self.document, self.zone.clone()).zone_of(&value);
        Some((zone, value.civil()))
    }
}

enum Overlap {
    /// Exactly these components.
    These(HashSet<usize>),
    /// The object as a whole does; which of its components is not known.
    Unknown,
}
