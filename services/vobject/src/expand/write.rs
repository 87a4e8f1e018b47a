//! Calendar data in the form that a report asks for: one component an occurrence (RFC 4791 9.6.5), or only the overrides
//! that matter in a range (9.6.6). Called by the gateway for each object of an answer.

use std::collections::HashMap;

use super::overlap::overlaps;
use super::{Occurrence, Series};
use crate::content::ContentLine;
use crate::error::{Error, Kind, Result};
use crate::limits::Limits;
use crate::patch::Patch;
use crate::recur::{Budget, day};
use crate::tree::{Component, Document, Property};
use crate::value::{DateValue, DurationValue, parse_duration};
use crate::zone::{Zone, Zones, timestamp};

/// A range of time in seconds UTC, the end exclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Start.
    pub from: i64,
    /// End; after the start.
    pub to: i64,
}

/// What one answer may still cost. Every object has caps of its own beside it.
#[derive(Debug, Clone)]
pub struct Allowance {
    instances: usize,
    bytes: usize,
    steps: u64,
}

/// Instances of one object in one answer.
const OBJECT_INSTANCES: usize = 10_000;
/// Bytes that one object may become.
const OBJECT_BYTES: usize = 10 * 1024 * 1024;
/// Steps of work for one object, about 10 ms.
const OBJECT_STEPS: u64 = 100_000;

impl Default for Allowance {
    /// Enough for a year of a full calendar of 20,000 events.
    fn default() -> Self {
        Allowance { instances: 100_000, bytes: 64 * 1024 * 1024, steps: 4_000_000 }
    }
}

impl Allowance {
    /// An allowance of so many instances, bytes and steps of work (see `Budget`).
    pub fn new(instances: usize, bytes: usize, steps: u64) -> Allowance {
        Allowance { instances, bytes, steps }
    }

    fn spend(&mut self, instances: usize, bytes: usize) -> Result<()> {
        let left = |left: usize, spent: usize, what| {
            left.checked_sub(spent).ok_or_else(|| Error::new(Kind::OverBudget(what)))
        };
        self.instances = left(self.instances, instances, "number of instances")?;
        self.bytes = left(self.bytes, bytes, "size of the instances")?;
        Ok(())
    }
}

/// The object as one component for each occurrence that overlaps the span: times in UTC, no rules, dates, exceptions or time
/// zones; days stay days and floating times stay floating. `zone` is that of the calendar, for days and floating times.
///
/// # Errors
/// `OverBudget` when the instances, their bytes or the work are over a cap; those of a text that can't be read.
pub fn expanded(bytes: &[u8], span: Span, zone: &Zone, allowance: &mut Allowance) -> Result<Vec<u8>> {
    let document = Document::parse(bytes, &Limits::default())?;
    let root = document.root();
    let mut zones = Zones::of(&document, zone.clone());
    let series = Series::read(root.components().filter(super::read::is_dated), &mut zones)?;
    let found = instances(&series, span, allowance)?;
    let mut out = Vec::with_capacity(bytes.len());
    out.extend_from_slice(&bytes[root.begin_range()]);
    for property in root.properties() {
        out.extend_from_slice(property.raw());
    }
    let mut molds: HashMap<usize, Mold<'_>> = HashMap::new();
    let id_form = root
        .components()
        .find(|component| super::read::is_dated(component) && component.property("RECURRENCE-ID").is_none())
        .and_then(|master| master.property("DTSTART").or_else(|| master.property("DUE")))
        .map(|property| Form::of(&property));
    for occurrence in &found {
        let mold = molds
            .entry(occurrence.component)
            .or_insert_with(|| Mold::of(document.component(occurrence.component), id_form, &mut zones));
        mold.cast(occurrence, zone, document.line_end(), &mut out);
        if out.len() > OBJECT_BYTES.min(allowance.bytes) {
            return Err(Error::new(Kind::OverBudget("size of the instances")));
        }
    }
    if let Some(undated) = &series.undated
        && undated.overlaps(span.from, span.to)
    {
        // A task without times has one instance, which is the task.
        for task in root.children("VTODO").filter(|task| task.property("RECURRENCE-ID").is_none()) {
            Mold::of(task, None, &mut zones).cast_undated(&mut out);
        }
    }
    out.extend_from_slice(&bytes[root.end_range()]);
    allowance.spend(found.len(), out.len())?;
    Ok(out)
}

/// The object without the overrides that touch nothing in the span, neither where they stand nor where the series had them
/// (RFC 4791 9.6.6). None when nothing is left out.
///
/// # Errors
/// Those of a text that can't be read.
pub fn limited(bytes: &[u8], span: Span, zone: &Zone) -> Result<Option<Vec<u8>>> {
    let document = Document::parse(bytes, &Limits::default())?;
    let series = Series::of(&document, zone.clone())?;
    let mut patch = Patch::new(&document);
    let touches = |item: &super::Item, wall: i64, utc: i64| {
        overlaps(item.shape, utc, item.length.end(wall, utc, &item.zone), span.from, span.to)
    };
    for change in &series.overrides {
        let (wall, utc) = change.item.start();
        let original = series.master.as_ref().unwrap_or(&change.item);
        let future = change.shift.is_some() && change.id < span.to;
        let matters = future
            || touches(&change.item, wall, utc)
            || touches(original, original.zone.to_wall(change.id), change.id);
        if !matters {
            patch.remove_component(&document.component(change.item.component));
        }
    }
    Ok((!patch.is_empty()).then(|| patch.apply()))
}

/// The object with only those periods of its VFREEBUSY components that overlap the span (RFC 4791 9.6.7). None when it
/// has no such component.
///
/// # Errors
/// Those of a text that can't be read.
pub fn limited_free_busy(bytes: &[u8], span: Span, zone: &Zone) -> Result<Option<Vec<u8>>> {
    let document = Document::parse(bytes, &Limits::default())?;
    let mut zones = Zones::of(&document, zone.clone());
    let mut patch = Patch::new(&document);
    for component in document.root().children("VFREEBUSY") {
        for property in component.properties_named("FREEBUSY") {
            let all: Vec<&str> = property.value().split(',').collect();
            let kept: Vec<&str> =
                all.iter().copied().filter(|period| period_overlaps(period, span, &mut zones)).collect();
            if kept.is_empty() {
                patch.remove(&property);
            } else if kept.len() < all.len() {
                patch.replace_value(&property, &kept.join(","));
            }
        }
    }
    Ok((!patch.is_empty()).then(|| patch.apply()))
}

/// Whether a PERIOD overlaps. One that can't be read stays where it is.
fn period_overlaps(period: &str, span: Span, zones: &mut Zones<'_>) -> bool {
    let Ok(period) = crate::value::parse_period(period.trim(), None) else { return true };
    let mut utc = |value: &DateValue| zones.zone_of(value).to_utc(day::seconds(value.civil()));
    let start = utc(&period.start);
    let end = match &period.end {
        crate::value::PeriodEnd::At(end) => utc(end),
        crate::value::PeriodEnd::For(length) => {
            start + length.signed_days() * day::DAY + length.signed_seconds()
        }
    };
    start < span.to && end > span.from
}

fn instances(series: &Series, span: Span, allowance: &mut Allowance) -> Result<Vec<Occurrence>> {
    let most = OBJECT_INSTANCES.min(allowance.instances);
    let steps = OBJECT_STEPS.min(allowance.steps);
    let mut budget = Budget::new(steps);
    let mut found = Vec::new();
    let outcome = series.visit(span.from, span.to, &mut budget, &mut |occurrence| {
        found.push(occurrence);
        found.len() <= most
    });
    allowance.steps -= steps - budget.left();
    outcome?;
    if found.len() > most {
        return Err(Error::new(Kind::OverBudget("number of instances")));
    }
    found.sort_by_key(|occurrence| (occurrence.start, occurrence.end));
    Ok(found)
}

/// How a time is written in the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Day,
    Floating,
    Utc,
}

impl Form {
    fn of(property: &Property<'_>) -> Form {
        match read(property).first() {
            Some(DateValue::Date(_)) => Form::Day,
            Some(DateValue::Floating(_)) => Form::Floating,
            _ => Form::Utc,
        }
    }

    /// The value of an instant. Days and floating times are taken in `zone`.
    fn value(self, utc: i64, zone: &Zone) -> DateValue {
        match self {
            Form::Day => DateValue::Date(day::date_time(zone.to_wall(utc)).date()),
            Form::Floating => DateValue::Floating(day::date_time(zone.to_wall(utc))),
            Form::Utc => DateValue::Utc(day::date_time(utc)),
        }
    }
}

fn read(property: &Property<'_>) -> Vec<DateValue> {
    let (kind, tzid) = (property.param("VALUE"), property.param("TZID"));
    DateValue::parse_list(property.value(), kind.as_deref(), tzid.as_deref()).unwrap_or_default()
}

/// A component with holes where its instances differ.
struct Mold<'d> {
    parts: Vec<Part<'d>>,
    id_form: Option<Form>,
}

enum Part<'d> {
    Bytes(&'d [u8]),
    Written(String),
    Start(Form),
    End(&'static str, Form),
    Duration(&'d [u8], DurationValue),
    /// Where RECURRENCE-ID goes.
    Id,
}

/// What belongs to the whole series, or is written anew.
const DROPPED: [&str; 5] = ["RRULE", "RDATE", "EXDATE", "EXRULE", "RECURRENCE-ID"];

impl<'d> Mold<'d> {
    fn of(component: Component<'d>, id_form: Option<Form>, zones: &mut Zones<'_>) -> Mold<'d> {
        let own_id = component.property("RECURRENCE-ID").map(|property| Form::of(&property));
        let mut parts = vec![Part::Bytes(raw(component, component.begin_range()))];
        let (mut timed, mut ended) = (None, component.is("VJOURNAL"));
        for property in component.properties() {
            let is = |name: &&str| property.is(name);
            if DROPPED.iter().any(is) {
                continue;
            }
            let form = Form::of(&property);
            if property.is("DTSTART") {
                timed = Some(form);
                parts.extend([Part::Start(form), Part::Id]);
            } else if let Some(name) = ["DTEND", "DUE"].into_iter().find(|name| property.is(name)) {
                ended = true;
                parts.push(Part::End(name, form));
            } else if let (true, Ok(length)) = (property.is("DURATION"), parse_duration(property.value())) {
                ended = true;
                parts.push(Part::Duration(property.raw(), length));
            } else if property.param("TZID").is_some() {
                parts.push(in_utc(&property, zones));
            } else {
                parts.push(Part::Bytes(property.raw()));
            }
        }
        if timed.is_none() {
            parts.push(Part::Id);
        }
        if let (false, Some(form @ (Form::Utc | Form::Floating))) = (ended, timed) {
            // Only an instance from an RDATE that is a period has one.
            parts.push(Part::End("", form));
        }
        parts.extend(component.components().map(|inner| Part::Bytes(inner.raw())));
        parts.push(Part::Bytes(raw(component, component.end_range())));
        Mold { parts, id_form: id_form.or(own_id) }
    }

    /// Without an occurrence there are no times to be written, and still no rules.
    fn cast_undated(&self, out: &mut Vec<u8>) {
        for part in &self.parts {
            match part {
                Part::Bytes(bytes) | Part::Duration(bytes, _) => out.extend_from_slice(bytes),
                Part::Written(line) => out.extend_from_slice(line.as_bytes()),
                Part::Start(_) | Part::End(..) | Part::Id => {}
            }
        }
    }

    fn cast(&self, occurrence: &Occurrence, zone: &Zone, line_end: &str, out: &mut Vec<u8>) {
        let (start, end) = (occurrence.start.as_second(), occurrence.end.as_second());
        let push = |out: &mut Vec<u8>, name: &str, value: &DateValue| {
            out.extend_from_slice(ContentLine::date(name, value).write(line_end).as_bytes());
        };
        for part in &self.parts {
            match part {
                Part::Bytes(bytes) => out.extend_from_slice(bytes),
                Part::Written(line) => out.extend_from_slice(line.as_bytes()),
                Part::Start(form) => match occurrence.days {
                    Some((first, _)) => push(out, "DTSTART", &DateValue::Date(first)),
                    // A day that ends at a time begins at a time.
                    None if *form == Form::Day => push(out, "DTSTART", &Form::Utc.value(start, zone)),
                    None => push(out, "DTSTART", &form.value(start, zone)),
                },
                Part::End("", _) if end == start || occurrence.is_all_day() => {}
                Part::End(name, form) => {
                    let name = if name.is_empty() { "DTEND" } else { name };
                    match occurrence.days {
                        Some((_, behind)) => push(out, name, &DateValue::Date(behind)),
                        None if *form == Form::Day => push(out, name, &Form::Utc.value(end, zone)),
                        None => push(out, name, &form.value(end, zone)),
                    }
                }
                Part::Duration(raw, length) => match exact(occurrence, *length) {
                    None => out.extend_from_slice(raw),
                    Some(length) => {
                        let line = ContentLine::new("DURATION", length.to_string());
                        out.extend_from_slice(line.write(line_end).as_bytes());
                    }
                },
                Part::Id => {
                    if let Some(id) = occurrence.recurrence_id {
                        let form = self.id_form.unwrap_or(Form::Utc);
                        push(out, "RECURRENCE-ID", &form.value(id.as_second(), zone));
                    }
                }
            }
        }
    }
}

fn raw<'d>(component: Component<'d>, range: std::ops::Range<usize>) -> &'d [u8] {
    let whole = component.raw_range();
    &component.raw()[range.start - whole.start..range.end - whole.start]
}

/// A property with a time zone, written in UTC. One that is no list of times stays as it is.
fn in_utc<'d>(property: &Property<'d>, zones: &mut Zones<'_>) -> Part<'d> {
    let values = read(property);
    if values.is_empty() {
        return Part::Bytes(property.raw());
    }
    let mut texts = Vec::with_capacity(values.len());
    for value in &values {
        let utc = zones.zone_of(value).to_utc(day::seconds(value.civil()));
        texts.push(match value {
            DateValue::Date(_) => value.format().0,
            _ => DateValue::Utc(day::date_time(timestamp(utc).as_second())).format().0,
        });
    }
    let mut line = ContentLine::new(property.name(), texts.join(","));
    for (name, value) in property.params().filter(|(name, _)| !name.eq_ignore_ascii_case("TZID")) {
        line = line.param(name, value);
    }
    let end = if property.raw().ends_with(b"\r\n") { "\r\n" } else { "\n" };
    Part::Written(line.write(end))
}

/// The length of an instance, when the one that is written no longer says it: a day of 23 hours in UTC, or a period.
fn exact(occurrence: &Occurrence, written: DurationValue) -> Option<DurationValue> {
    if occurrence.is_all_day() {
        return None;
    }
    let seconds = occurrence.end.as_second() - occurrence.start.as_second();
    let same = written.signed_days() * day::DAY + written.signed_seconds() == seconds;
    (!same).then(|| DurationValue { seconds, ..DurationValue::default() })
}

#[cfg(test)]
mod tests;
