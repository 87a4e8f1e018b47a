//! When somebody can be met at all: VAVAILABILITY with its AVAILABLE parts (RFC 7953).
//! Called by the calendar service for working hours and absences.

use std::collections::{BTreeMap, HashMap};

use crate::error::{Error, Kind, Result};
use crate::expand::Series;
use crate::recur::{Budget, day};
use crate::tree::{Component, Document};
use crate::value::{DateValue, parse_duration};
use crate::zone::{Zone, Zones, timestamp};

/// VAVAILABILITY components of one text at most, and AVAILABLE components of all of them.
const MAX_PARTS: usize = 500;
const MAX_AVAILABLE: usize = 2_000;

/// BUSYTYPE (RFC 7953 section 3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BusyType {
    /// BUSY
    Busy,
    /// BUSY-TENTATIVE
    Tentative,
    /// BUSY-UNAVAILABLE, which holds when nothing is said.
    #[default]
    Unavailable,
}

/// A time at which somebody can't be met; seconds UTC, the end exclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unavailable {
    /// Start.
    pub from: i64,
    /// End; after the start.
    pub to: i64,
    /// As what it counts.
    pub kind: BusyType,
}

/// All VAVAILABILITY components of a text.
#[derive(Debug, Clone, Default)]
pub struct Availability {
    /// The least important first (PRIORITY), and behind them those that are absences.
    parts: Vec<Part>,
}

#[derive(Debug, Clone)]
struct Part {
    /// Without AVAILABLE there is nothing but absence.
    is_absence: bool,
    /// 1 is the highest, 10 stands for none.
    priority: u8,
    kind: BusyType,
    from: i64,
    to: i64,
    available: Vec<Series>,
}

impl Availability {
    /// Reads a VCALENDAR with VAVAILABILITY components. `default` is the zone of floating times.
    ///
    /// # Errors
    /// With the line, on a time or rule that can't be read; when there is no VAVAILABILITY or there are too many parts.
    pub fn read(document: &Document<'_>, default: Zone) -> Result<Availability> {
        let mut zones = Zones::of(document, default);
        let mut parts = Vec::new();
        let mut count = 0;
        for component in document.root().children("VAVAILABILITY") {
            count += component.children("AVAILABLE").count();
            if parts.len() == MAX_PARTS || count > MAX_AVAILABLE {
                return Err(Error::new(Kind::TooMany { what: "parts of an availability", limit: MAX_PARTS }));
            }
            parts.push(Part::read(&component, &mut zones)?);
        }
        if parts.is_empty() {
            return Err(Error::new(Kind::Missing("VAVAILABILITY")));
        }
        parts.sort_by_key(|part| (part.is_absence, std::cmp::Reverse(part.priority)));
        Ok(Availability { parts })
    }

    /// The times in the range at which the person can't be met, in order and without overlaps; without `hours` only absences.
    ///
    /// # Errors
    /// When the budget is spent.
    pub fn unavailable(
        &self,
        from: i64,
        to: i64,
        hours: bool,
        budget: &mut Budget,
    ) -> Result<Vec<Unavailable>> {
        let mut line = Line(BTreeMap::from([(from, None)]));
        for part in self.parts.iter().filter(|part| hours || part.is_absence) {
            let (start, end) = (part.from.max(from), part.to.min(to));
            if start >= end {
                continue;
            }
            line.paint(start, end, Some(part.kind));
            for series in &part.available {
                for found in series.occurrences(timestamp(start), timestamp(end), budget)? {
                    let (from, to) = (found.start.as_second().max(start), found.end.as_second().min(end));
                    line.paint(from, to, None);
                }
            }
        }
        Ok(line.told(to))
    }
}

impl Part {
    fn read(component: &Component<'_>, zones: &mut Zones<'_>) -> Result<Part> {
        let from = instant(component, "DTSTART", zones)?;
        let end = instant(component, "DTEND", zones)?;
        let length = component
            .property("DURATION")
            .map(|property| parse_duration(property.value()).map_err(|error| error.on(property.line())))
            .transpose()?;
        let end = end.or_else(|| {
            let length = length?;
            Some(from? + length.signed_days() * day::DAY + length.signed_seconds())
        });
        let mut groups: HashMap<String, Vec<Component<'_>>> = HashMap::new();
        for (number, part) in component.children("AVAILABLE").enumerate() {
            let uid = part.text("UID").map_or_else(|| format!("#{number}"), |uid| uid.trim().to_owned());
            groups.entry(uid).or_default().push(part);
        }
        let available = groups.into_values().map(|group| Series::read(group.into_iter(), zones));
        let priority = component.property("PRIORITY").and_then(|p| p.value().trim().parse::<u8>().ok());
        let kind = match component.text("BUSYTYPE").unwrap_or_default().trim().to_ascii_uppercase().as_str() {
            "BUSY" => BusyType::Busy,
            "BUSY-TENTATIVE" => BusyType::Tentative,
            _ => BusyType::Unavailable,
        };
        Ok(Part {
            is_absence: component.children("AVAILABLE").next().is_none(),
            priority: priority.filter(|priority| (1..=9).contains(priority)).unwrap_or(10),
            kind,
            from: from.unwrap_or(i64::MIN),
            to: end.unwrap_or(i64::MAX),
            available: available.collect::<Result<_>>()?,
        })
    }
}

fn instant(component: &Component<'_>, name: &str, zones: &mut Zones<'_>) -> Result<Option<i64>> {
    let Some(property) = component.property(name) else { return Ok(None) };
    let (kind, tzid) = (property.param("VALUE"), property.param("TZID"));
    let value = DateValue::parse(property.value(), kind.as_deref(), tzid.as_deref())
        .map_err(|error| error.on(property.line()))?;
    Ok(Some(zones.zone_of(&value).to_utc(day::seconds(value.civil()))))
}

/// What holds from each of these moments on.
struct Line(BTreeMap<i64, Option<BusyType>>);

impl Line {
    fn paint(&mut self, from: i64, to: i64, state: Option<BusyType>) {
        if from >= to {
            return;
        }
        let behind = self.0.range(..=to).next_back().and_then(|(_, state)| *state);
        let covered: Vec<i64> = self.0.range(from..to).map(|(at, _)| *at).collect();
        covered.iter().for_each(|at| {
            self.0.remove(at);
        });
        self.0.insert(from, state);
        self.0.insert(to, behind);
    }

    fn told(&self, end: i64) -> Vec<Unavailable> {
        let mut told: Vec<Unavailable> = Vec::new();
        let ends = self.0.keys().skip(1).copied().chain([end]);
        for ((from, state), to) in self.0.iter().zip(ends) {
            let Some(kind) = *state else { continue };
            match told.last_mut() {
                Some(last) if last.to == *from && last.kind == kind => last.to = to,
                _ if *from < to => told.push(Unavailable { from: *from, to, kind }),
                _ => {}
            }
        }
        told
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;

    fn shown(text: &str, from: &str, to: &str, hours: bool) -> Vec<String> {
        let text = format!("BEGIN:VCALENDAR\nVERSION:2.0\n{text}END:VCALENDAR\n");
        let document = Document::parse(text.as_bytes(), &Limits::default()).expect("a calendar");
        let read =
            Availability::read(&document, Zone::iana("Europe/Berlin").expect("Berlin")).expect("it is read");
        let at = |text: &str| text.parse::<jiff::Timestamp>().expect("an instant").as_second();
        let found =
            read.unavailable(at(from), at(to), hours, &mut Budget::default()).expect("within the budget");
        let moment = |at: i64| timestamp(at).strftime("%dT%H:%M").to_string();
        found.iter().map(|one| format!("{}/{} {:?}", moment(one.from), moment(one.to), one.kind)).collect()
    }

    const HOURS: &str = "BEGIN:VAVAILABILITY
UID:a
BEGIN:AVAILABLE
UID:1
DTSTART;TZID=Europe/Berlin:20260302T090000
DTEND;TZID=Europe/Berlin:20260302T170000
RRULE:FREQ=WEEKLY;BYDAY=MO,TU
END:AVAILABLE
END:VAVAILABILITY
";
    const AWAY: &str = "BEGIN:VAVAILABILITY
UID:b
PRIORITY:1
DTSTART:20260310T110000Z
DTEND:20260310T120000Z
BUSYTYPE:BUSY
END:VAVAILABILITY
";

    #[test]
    fn what_is_not_available_is_unavailable_and_an_absence_always() {
        let (from, to) = ("2026-03-09T00:00:00Z", "2026-03-11T00:00:00Z");
        let text = format!("{AWAY}{HOURS}");
        let wanted = [
            "09T00:00/09T08:00 Unavailable",
            "09T16:00/10T08:00 Unavailable",
            "10T11:00/10T12:00 Busy",
            "10T16:00/11T00:00 Unavailable",
        ];
        assert_eq!(shown(&text, from, to, true), wanted);
        assert_eq!(shown(&text, from, to, false), ["10T11:00/10T12:00 Busy"]);
    }

    #[test]
    fn a_week_with_a_change_of_the_clock_has_its_own_hours() {
        let found = shown(HOURS, "2026-03-30T00:00:00Z", "2026-03-31T00:00:00Z", true);
        assert_eq!(found, ["30T00:00/30T07:00 Unavailable", "30T15:00/31T00:00 Unavailable"]);
    }

    #[test]
    fn the_more_important_one_holds_where_both_do() {
        let special = "BEGIN:VAVAILABILITY\nUID:c\nPRIORITY:2\nDTSTART:20260309T000000Z\nDURATION:P1D\nBEGIN:AVAILABLE\nUID:2\n\
            DTSTART:20260309T200000Z\nDTEND:20260309T210000Z\nEND:AVAILABLE\nEND:VAVAILABILITY\n";
        for text in [format!("{special}{HOURS}"), format!("{HOURS}{special}")] {
            let found = shown(&text, "2026-03-09T00:00:00Z", "2026-03-10T09:00:00Z", true);
            assert_eq!(found, ["09T00:00/09T20:00 Unavailable", "09T21:00/10T08:00 Unavailable"]);
        }
    }

    #[test]
    fn a_text_without_availability_is_refused() {
        let text = "BEGIN:VCALENDAR\nVERSION:2.0\nEND:VCALENDAR\n";
        let document = Document::parse(text.as_bytes(), &Limits::default()).expect("a calendar");
        assert!(Availability::read(&document, Zone::UTC).is_err());
    }
}
