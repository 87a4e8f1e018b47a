//! The index of a calendar object: its occurrences around today, and where they end.
//! Called by the hooks of `calendar` on every change, and by `tasks` when the window rolls on.

use std::collections::HashSet;

use jiff::Timestamp;
use kontor_kit::Error;
use kontor_vobject::Document;
use kontor_vobject::expand::{Occurrence, Series};
use kontor_vobject::ical::{CalendarObject, Item, ItemKind, Violation};
use kontor_vobject::recur::{Budget, day};
use kontor_vobject::value::DateValue;
use kontor_vobject::zone::{Zone, Zones};
use tonic::Code;

use super::{Index, Span};

/// Occurrences of one object in the table at most.
const SPANS: usize = 400;
/// Steps that an expansion may cost when an object is stored.
const STEPS: u64 = 50_000;
const DAY: i64 = 86_400 * 1_000_000;
/// How far before and behind now the occurrences of long series are kept.
const BEFORE: i64 = 100 * DAY;
const BEHIND: i64 = 400 * DAY;

impl Index {
    /// The index of a calendar object that was read. `now` in microseconds UTC.
    ///
    /// # Errors
    /// INVALID_ARGUMENT with reason VALID_DATA for a rule or time that can't be read.
    pub fn calendar(document: &Document<'_>, object: &CalendarObject, now: i64) -> Result<Index, Error> {
        if let [item] = object.items.as_slice()
            && item.start.is_none()
            && item.due.is_none()
        {
            return Ok(undated(document, item));
        }
        let series = Series::of(document, Zone::UTC).map_err(|cause| calendar_error(&cause.into()))?;
        let shapes = Shapes::of(document, object);
        let mut index = Index::timeless();
        let bounds = series.bounds(&mut Budget::new(STEPS));
        index.first = bounds.first.as_microsecond().saturating_sub(1);
        index.last = bounds.last.map_or(i64::MAX, |last| last.as_microsecond().saturating_add(1));
        index.floating = shapes.any_floating();
        let all = bounds.last.and_then(|last| whole(&series, bounds.first, last));
        let occurrences = match all {
            Some(all) => all,
            None => window(&series, now, &mut index),
        };
        index.spans = occurrences.iter().map(|occurrence| shapes.span(occurrence)).collect();
        index.spans.sort();
        // The longest of those that begin together answers for all.
        index.spans.reverse();
        index.spans.dedup_by_key(|span| (span.class, span.start));
        if !index.partial {
            // What was left out by exceptions may have been the outermost.
            index.first = index.spans.iter().map(|span| span.start).min().unwrap_or(0);
            index.last = index.spans.iter().map(|span| span.end).max().unwrap_or(0);
        }
        Ok(index)
    }
}

/// All occurrences, when they are few.
fn whole(series: &Series, first: Timestamp, last: Timestamp) -> Option<Vec<Occurrence>> {
    let second =
        |at: Timestamp, more| Timestamp::from_second(at.as_second().saturating_add(more)).unwrap_or(at);
    let all = series.occurrences(second(first, -1), second(last, 2), &mut Budget::new(STEPS)).ok()?;
    (all.len() <= SPANS).then_some(all)
}

/// The occurrences around now, as many as may be kept; sets the range in which they are all there.
fn window(series: &Series, now: i64, index: &mut Index) -> Vec<Occurrence> {
    index.partial = true;
    // A series of the past or of the far future has its window at its own end.
    let middle = now.clamp(index.first, index.last.max(index.first));
    index.expanded_from = middle.saturating_sub(BEFORE);
    index.expanded_to = middle.saturating_add(BEHIND);
    let at = |micros: i64| Timestamp::from_second(micros.div_euclid(1_000_000)).unwrap_or(Timestamp::MAX);
    let (from, to) = (at(index.expanded_from), at(index.expanded_to));
    match series.occurrences(from, to, &mut Budget::new(STEPS)) {
        Ok(mut found) => {
            (index.expanded_from, index.expanded_to) = (from.as_microsecond(), to.as_microsecond());
            if found.len() > SPANS {
                // Complete up to the start of the first one that is left out.
                index.expanded_to = found[SPANS].start.as_microsecond();
                found.truncate(SPANS);
            }
            found
        }
        Err(_) => {
            (index.expanded_from, index.expanded_to) = (i64::MAX, i64::MIN);
            Vec::new()
        }
    }
}

/// A task without start and due: RFC 4791 9.9 looks at CREATED and COMPLETED.
fn undated(document: &Document<'_>, item: &Item) -> Index {
    let mut zones = Zones::of(document, Zone::UTC);
    let mut micros = |value: &DateValue| {
        let zone = zones.zone_of(value);
        zone.instant(value.civil()).as_microsecond()
    };
    let mut index = Index::timeless();
    let created = document.component(item.component).property("CREATED");
    let created = created.and_then(|property| {
        let (kind, tzid) = (property.param("VALUE"), property.param("TZID"));
        DateValue::parse(property.value(), kind.as_deref(), tzid.as_deref()).ok()
    });
    let (completed, created) = (item.completed.as_ref().map(&mut micros), created.as_ref().map(&mut micros));
    let (start, end) = match (completed, created) {
        (Some(a), Some(b)) => (a.min(b) - 1, a.max(b) + 1),
        (Some(at), None) => (at - 1, at + 1),
        (None, Some(at)) => (at, i64::MAX),
        (None, None) => (i64::MIN, i64::MAX),
    };
    if item.kind == ItemKind::Todo {
        (index.first, index.last) = (start, end);
        index.spans.push(Span::new(start, end, false));
    }
    index
}

/// How each component of the object turns its occurrences into spans.
struct Shapes {
    tasks: Vec<(usize, TaskShape)>,
    floating: HashSet<usize>,
}

#[derive(Clone, Copy)]
enum TaskShape {
    StartAndDuration,
    StartAndDue,
    DueOnly,
}

impl Shapes {
    fn of(document: &Document<'_>, object: &CalendarObject) -> Shapes {
        let mut zones = Zones::of(document, Zone::UTC);
        let mut shapes = Shapes { tasks: Vec::new(), floating: HashSet::new() };
        for item in &object.items {
            let floats = match item.start.as_ref().or(item.due.as_ref()) {
                Some(DateValue::Date(_) | DateValue::Floating(_)) => true,
                Some(DateValue::Zoned { tzid, .. }) => zones.resolve(tzid).unknown,
                _ => false,
            };
            if floats {
                shapes.floating.insert(item.component);
            }
            let shape = match (item.start.is_some(), item.due.is_some(), item.duration.is_some()) {
                _ if item.kind != ItemKind::Todo => continue,
                (true, true, _) => TaskShape::StartAndDue,
                (true, false, true) => TaskShape::StartAndDuration,
                (false, true, _) => TaskShape::DueOnly,
                _ => continue,
            };
            shapes.tasks.push((item.component, shape));
        }
        shapes
    }

    fn any_floating(&self) -> bool {
        !self.floating.is_empty()
    }

    /// The tables of RFC 4791 9.9 as one comparison: `start < to` and `end > from`.
    fn span(&self, occurrence: &Occurrence) -> Span {
        let (start, end) = (occurrence.start.as_microsecond(), occurrence.end.as_microsecond());
        let shape = self.tasks.iter().find(|(component, _)| *component == occurrence.component);
        let (start, end) = match shape.map(|(_, shape)| *shape) {
            None => (start, end.max(start + 1)),
            Some(TaskShape::StartAndDuration) if start == end => (start - 1, end + 1),
            Some(TaskShape::StartAndDuration) => (start, end + 1),
            Some(TaskShape::StartAndDue) if start == end => (start - 1, end + 1),
            Some(TaskShape::StartAndDue) => (start, end),
            Some(TaskShape::DueOnly) => (start - 1, end),
        };
        let floating = occurrence.is_all_day() || self.floating.contains(&occurrence.component);
        Span::new(start, end, floating)
    }
}

/// The error of a calendar object that may not be stored: INVALID_ARGUMENT with the reason that the edge turns into the
/// precondition, VALID_DATA, VALID_OBJECT_RESOURCE or SUPPORTED_COMPONENT.
pub fn calendar_error(violation: &Violation) -> Error {
    let reason = match violation {
        Violation::ValidCalendarData(..) => "VALID_DATA",
        Violation::ValidCalendarObjectResource(_) => "VALID_OBJECT_RESOURCE",
        Violation::SupportedComponent(_) => "SUPPORTED_COMPONENT",
    };
    Error::new(Code::InvalidArgument, reason, violation.to_string())
}

/// Seconds on the wall of a time, for whoever compares floating times.
pub(crate) fn wall(zone: &Zone, utc_micros: i64) -> i64 {
    let seconds = utc_micros.div_euclid(1_000_000);
    let limit = day::seconds(jiff::civil::DateTime::MAX) - 2 * 86_400;
    if !(-limit..=limit).contains(&seconds) {
        return utc_micros;
    }
    zone.to_wall(seconds).saturating_mul(1_000_000).saturating_add(utc_micros.rem_euclid(1_000_000))
}
