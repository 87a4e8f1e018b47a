//! From the components of a document to a `Series`: which is master, which override, and what each value means.
//! Called by whoever has a document and wants its occurrences.

use std::collections::HashMap;

use super::overlap::{Shape, Undated};
use super::times::{Item, Length};
use super::{Override, Series, Start};
use crate::error::{Error, Kind, Result};
use crate::recur::day::{self, DAY};
use crate::recur::{End, Plan, Rule, Until};
use crate::tree::{Component, Document, Property};
use crate::value::{DateValue, DurationValue, PeriodEnd, parse_duration, parse_period};
use crate::zone::{Zone, Zones};

/// A rule bound to the master's start, and where UNTIL ends it.
#[derive(Debug, Clone)]
pub(super) struct BoundRule {
    pub plan: Plan,
    /// Seconds on the master's wall, inclusive; the greatest number without UNTIL.
    pub until_wall: i64,
    /// Seconds UTC, inclusive, for an UNTIL that is an instant.
    pub until_utc: Option<i64>,
}

/// RRULEs of one component. The RFC wants one; more are joined.
const MAX_RULES: usize = 16;

impl Series {
    /// Reads the object of a document with one UID, as CalDAV stores it. `default` is the zone of its calendar or
    /// user: floating times and days are taken in it.
    pub fn of(document: &Document<'_>, default: Zone) -> Result<Series> {
        let mut zones = Zones::of(document, default);
        let root = document.root();
        Series::read(root.components().filter(is_dated), &mut zones)
    }

    /// Reads every object of a document with many, by component name and UID, in the order of their first
    /// appearance. A broken one does not hide the others.
    pub fn all(document: &Document<'_>, default: Zone) -> Vec<(String, Result<Series>)> {
        let mut zones = Zones::of(document, default);
        let mut order = Vec::new();
        let mut groups: HashMap<(String, String), Vec<Component<'_>>> = HashMap::new();
        for component in document.roots().flat_map(|root| root.components()).filter(is_dated) {
            let uid = component.text("UID").map(|uid| uid.trim().to_owned());
            let uid = uid.unwrap_or_else(|| format!("#{}", component.index()));
            let key = (component.name().to_ascii_uppercase(), uid);
            let group = groups.entry(key.clone()).or_default();
            if group.is_empty() {
                order.push(key);
            }
            group.push(component);
        }
        let read = |key: (String, String)| {
            let components = groups.remove(&key).unwrap_or_default();
            (key.1, Series::read(components.into_iter(), &mut zones))
        };
        order.into_iter().map(read).collect()
    }

    /// Reads the components of one UID and kind. Fails, with the line, on a rule or time that is none, and on an
    /// event without DTSTART.
    pub fn read<'d>(
        components: impl Iterator<Item = Component<'d>>,
        zones: &mut Zones<'_>,
    ) -> Result<Series> {
        let mut series = Series {
            master: None,
            rules: Vec::new(),
            dates: Vec::new(),
            except: Vec::new(),
            except_days: Vec::new(),
            overrides: Vec::new(),
            override_ids: Vec::new(),
            override_days: Vec::new(),
            futures: Vec::new(),
            reach: (0, 0),
            undated: None,
            unknown_zone: false,
        };
        let (overrides, masters): (Vec<_>, Vec<_>) =
            components.partition(|component| component.property("RECURRENCE-ID").is_some());
        let mut chosen = None;
        for component in masters {
            match item(&component, zones)? {
                None => series.undated = undated(&component).or(series.undated.take()),
                Some(item) => {
                    if series.master.as_ref().is_none_or(|master| item.rank >= master.rank) {
                        series.master = Some(item);
                        chosen = Some(component);
                    }
                }
            }
        }
        if let Some(component) = chosen {
            series.undated = None;
            series.read_set(&component, zones)?;
        }
        for component in overrides {
            series.read_override(&component, zones)?;
        }
        series.order_overrides();
        series.reach = series.find_reach();
        series.unknown_zone = zones.met_unknown();
        Ok(series)
    }

    /// RRULE, RDATE and EXDATE of the master.
    fn read_set(&mut self, component: &Component<'_>, zones: &mut Zones<'_>) -> Result<()> {
        let Some(master) = self.master.clone() else { return Ok(()) };
        for property in component.properties() {
            let line = property.line();
            if property.value().trim().is_empty() {
                continue; // some programs write the names of what they do not have
            }
            if property.is("RRULE") {
                if self.rules.len() == MAX_RULES {
                    return Err(Error::at(line, Kind::TooMany { what: "RRULE", limit: MAX_RULES }));
                }
                self.rules.push(bind(property.value(), &master).map_err(|error| error.on(line))?);
            } else if property.is("RDATE") {
                self.read_dates(&property, &master, zones).map_err(|error| error.on(line))?;
            } else if property.is("EXDATE") {
                for value in date_list(&property).map_err(|error| error.on(line))? {
                    match self.key(&value, zones) {
                        (_, Some(number)) => self.except_days.push(number),
                        (utc, None) => self.except.push(utc),
                    }
                }
            }
        }
        self.except.sort_unstable();
        self.except_days.sort_unstable();
        self.dates.sort_by_key(|date| date.utc);
        Ok(())
    }

    fn read_dates(&mut self, property: &Property<'_>, master: &Item, zones: &mut Zones<'_>) -> Result<()> {
        let is_period = |text: &str| text.contains('/');
        let (tzid, kind) = (property.param("TZID"), property.param("VALUE"));
        for text in property.value().split(',').map(str::trim).filter(|text| !text.is_empty()) {
            let (value, end) = if is_period(text) {
                let period = parse_period(text, tzid.as_deref())?;
                (period.start, Some(period.end))
            } else {
                (DateValue::parse(text, kind.as_deref(), tzid.as_deref())?, None)
            };
            let utc = self.instance(&value, master, zones);
            let length = match end {
                None => None,
                Some(PeriodEnd::For(duration)) => Some(nominal(&duration)),
                Some(PeriodEnd::At(end)) => Some(Length::Exact(self.instance(&end, master, zones) - utc)),
            };
            self.dates.push(Start { utc, wall: master.zone.to_wall(utc), length });
        }
        Ok(())
    }

    fn read_override(&mut self, component: &Component<'_>, zones: &mut Zones<'_>) -> Result<()> {
        let Some(property) = component.property("RECURRENCE-ID") else { return Ok(()) };
        let (id, id_day) = self.key(&date(&property)?, zones);
        let Some(item) = item(component, zones)? else { return Ok(()) };
        let future =
            property.param("RANGE").is_some_and(|range| range.trim().eq_ignore_ascii_case("THISANDFUTURE"));
        let shift = future.then(|| item.wall - item.zone.to_wall(id));
        let change = Override { item, id, id_day, shift };
        self.overrides.push(change);
        Ok(())
    }

    /// Keeps the newest override of each instance, and notes where each is found.
    fn order_overrides(&mut self) {
        self.overrides.sort_by_key(|change| (change.id, change.id_day, change.item.rank));
        self.overrides.reverse();
        self.overrides.dedup_by_key(|change| (change.id, change.id_day));
        self.overrides.reverse();
        self.override_days = self.overrides.iter().filter_map(|change| change.id_day).collect();
        let exact = self.overrides.iter().filter(|change| change.id_day.is_none());
        self.override_ids = exact.map(|change| change.id).collect();
        let future = self.overrides.iter().enumerate();
        self.futures = future.filter_map(|(place, change)| Some((change.id, place, change.shift?))).collect();
    }

    /// The instance that an EXDATE or RECURRENCE-ID names: an instant, or a day on the master's wall when the value
    /// has no time and the master has.
    fn key(&self, value: &DateValue, zones: &mut Zones<'_>) -> (i64, Option<i64>) {
        let written = day::seconds(value.civil());
        match &self.master {
            // A set of days has days as instances; a time beside it can only mean the day it is written with.
            Some(master) if master.all_day => (master.zone.to_utc(written.div_euclid(DAY) * DAY), None),
            Some(master) => match value {
                DateValue::Date(_) => (master.zone.to_utc(written), Some(written.div_euclid(DAY))),
                DateValue::Floating(_) => (master.zone.to_utc(written), None),
                _ => (zones.zone_of(value).to_utc(written), None),
            },
            None => (zones.zone_of(value).to_utc(written), None),
        }
    }

    /// The instant of an RDATE, which stands in the master's zone when it has none itself.
    fn instance(&self, value: &DateValue, master: &Item, zones: &mut Zones<'_>) -> i64 {
        match value {
            DateValue::Date(date) => master.zone.to_utc(day::midnight(*date)),
            other => self.key(other, zones).0,
        }
    }
}

pub(super) fn is_dated(component: &Component<'_>) -> bool {
    ["VEVENT", "VTODO", "VJOURNAL"].iter().any(|name| component.is(name))
}

/// The times of a component; none for a task or journal without dates.
fn item(component: &Component<'_>, zones: &mut Zones<'_>) -> Result<Option<Item>> {
    let todo = component.is("VTODO");
    let read = |name: &str| component.property(name).map(|property| date(&property)).transpose();
    let (start, end) = (read("DTSTART")?, read(if todo { "DUE" } else { "DTEND" })?);
    let duration = component
        .property("DURATION")
        .map(|property| parse_duration(property.value()).map_err(|error| error.on(property.line())));
    let duration = if end.is_some() { None } else { duration.transpose()? };
    let (start, shape) = match (start, &end, todo) {
        (Some(start), _, false) => (start, Shape::Event),
        (Some(start), Some(_), true) => (start, Shape::StartAndDue),
        (Some(start), None, true) if duration.is_some() => (start, Shape::StartAndDuration),
        (Some(start), None, true) => (start, Shape::StartOnly),
        (None, Some(due), true) => (due.clone(), Shape::DueOnly),
        (None, _, _) if component.is("VEVENT") => {
            return Err(Error::at(component.line(), Kind::Missing("DTSTART")));
        }
        (None, _, _) => return Ok(None),
    };
    // A day with an end in time, which the RFC does not allow, begins at midnight where that end is.
    let timed_end = end.as_ref().filter(|end| !end.is_date() && start.is_date());
    let zone = zones.zone_of(timed_end.unwrap_or(&start));
    let all_day = start.is_date() && timed_end.is_none();
    let wall = day::seconds(start.civil());
    let utc = zone.to_utc(wall);
    let length = match (&end, duration) {
        (Some(end), _) if all_day => {
            let days = (day::seconds(end.civil()) - wall).div_euclid(DAY);
            Length::Nominal { days: days.max(0), seconds: 0 }
        }
        (Some(end), _) => {
            let end_zone = if matches!(end, DateValue::Date(_) | DateValue::Floating(_)) {
                zone.clone()
            } else {
                zones.zone_of(end)
            };
            Length::Exact((end_zone.to_utc(day::seconds(end.civil())) - utc).max(0))
        }
        (None, Some(duration)) => nominal(&duration),
        // "The event's duration is taken to be one day" (RFC 5545 3.6.1); for a time it has none.
        (None, None) if all_day && !todo => Length::Nominal { days: 1, seconds: 0 },
        (None, None) => Length::Exact(0),
    };
    let component_rank = rank(component);
    Ok(Some(Item {
        component: component.index(),
        wall,
        utc,
        zone,
        all_day,
        length,
        shape,
        rank: component_rank,
    }))
}

fn nominal(duration: &DurationValue) -> Length {
    Length::Nominal { days: duration.signed_days(), seconds: duration.signed_seconds() }
}

fn rank(component: &Component<'_>) -> (i64, i64) {
    let sequence = component.property("SEQUENCE").and_then(|text| text.value().trim().parse().ok());
    let stamp = component.property("DTSTAMP").and_then(|property| date(&property).ok());
    (sequence.unwrap_or(0), stamp.map_or(i64::MIN, |stamp| day::seconds(stamp.civil())))
}

fn undated(component: &Component<'_>) -> Option<Undated> {
    let read = |name: &str| {
        let value = date(&component.property(name)?).ok()?;
        Some(day::seconds(value.civil()))
    };
    component.is("VTODO").then(|| Undated { completed: read("COMPLETED"), created: read("CREATED") })
}

fn date(property: &Property<'_>) -> Result<DateValue> {
    let (kind, tzid) = (property.param("VALUE"), property.param("TZID"));
    DateValue::parse(property.value(), kind.as_deref(), tzid.as_deref())
        .map_err(|error| error.on(property.line()))
}

fn date_list(property: &Property<'_>) -> Result<Vec<DateValue>> {
    let (kind, tzid) = (property.param("VALUE"), property.param("TZID"));
    DateValue::parse_list(property.value(), kind.as_deref(), tzid.as_deref())
}

/// Binds a rule to the master. What UNTIL means hangs on the start: beside a day only its date counts; beside a time a
/// date is that whole day, and an instant is an instant.
fn bind(text: &str, master: &Item) -> Result<BoundRule> {
    let rule = Rule::parse(text)?;
    let plan = Plan::new(&rule, day::date_time(master.wall), master.all_day)?;
    let (until_wall, until_utc) = match rule.end {
        End::Until(until) if master.all_day => (until.wall_seconds().div_euclid(DAY) * DAY, None),
        End::Until(until @ Until::Utc(_)) => (i64::MAX, Some(until.wall_seconds())),
        End::Until(until) => (until.wall_seconds(), None),
        _ => (i64::MAX, None),
    };
    Ok(BoundRule { plan, until_wall, until_utc })
}
