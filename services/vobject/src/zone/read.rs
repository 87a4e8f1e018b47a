//! The zones of one calendar object: names that all know, else the object's own VTIMEZONE.
//! Made by `expand` for each object; keeps what it has found, so that a name is looked up once.

use std::collections::HashMap;
use std::sync::Arc;

use super::own::{Observance, OwnZone};
use super::{Zone, fits, names};
use crate::error::{Error, Result};
use crate::recur::{Budget, Rule, day};
use crate::tree::{Component, Document};
use crate::value::{DateValue, parse_utc_offset};

/// A TZID that was looked up.
#[derive(Debug, Clone)]
pub struct Resolved {
    /// The zone to use.
    pub zone: Zone,
    /// Nothing knows the TZID: `zone` is that of the calendar or user, as for a floating time.
    pub unknown: bool,
}

/// The zones of one object.
#[derive(Debug)]
pub struct Zones<'d> {
    document: Option<&'d Document<'d>>,
    default: Zone,
    found: HashMap<String, Resolved>,
    /// The object's VTIMEZONEs by TZID; filled when a name is first looked for there.
    described: Option<HashMap<String, Component<'d>>>,
    budget: Budget,
}

/// Work for all VTIMEZONEs of one object, about 5 ms.
const STEPS: u64 = 50_000;
/// Parts (STANDARD and DAYLIGHT) of one VTIMEZONE that are read. The longest histories have about 200.
const MAX_OBSERVANCES: usize = 1_000;

impl<'d> Zones<'d> {
    /// The zones of an object. `default` is that of its calendar or user; floating times and days are taken in it.
    pub fn of(document: &'d Document<'d>, default: Zone) -> Zones<'d> {
        Zones { document: Some(document), ..Zones::known(default) }
    }

    /// Zones without an object: only names that all know.
    pub fn known(default: Zone) -> Zones<'static> {
        let found = HashMap::new();
        Zones { document: None, default, found, described: None, budget: Budget::new(STEPS) }
    }

    /// The zone of the calendar or user.
    pub fn default_zone(&self) -> &Zone {
        &self.default
    }

    /// Whether a TZID came up that nothing knows.
    pub fn met_unknown(&self) -> bool {
        self.found.values().any(|resolved| resolved.unknown)
    }

    /// Looks a TZID up: the IANA database (with prefixes and Windows names), else the object's VTIMEZONE, else an
    /// offset in the name, else the default zone with `unknown` set.
    pub fn resolve(&mut self, tzid: &str) -> Resolved {
        if let Some(resolved) = self.found.get(tzid) {
            return resolved.clone();
        }
        let zone = names::known(tzid).or_else(|| self.own(tzid)).or_else(|| names::offset(tzid));
        let unknown = zone.is_none();
        let resolved = Resolved { zone: zone.unwrap_or_else(|| self.default.clone()), unknown };
        self.found.insert(tzid.to_owned(), resolved.clone());
        resolved
    }

    /// The zone in which a value's wall time stands.
    pub fn zone_of(&mut self, value: &DateValue) -> Zone {
        match value {
            DateValue::Date(_) | DateValue::Floating(_) => self.default.clone(),
            DateValue::Utc(_) => Zone::UTC,
            DateValue::Zoned { tzid, .. } => self.resolve(tzid).zone,
        }
    }

    fn own(&mut self, tzid: &str) -> Option<Zone> {
        let document = self.document?;
        let described = self.described.get_or_insert_with(|| {
            let zones =
                document.roots().flat_map(|root| root.components().filter(|zone| zone.is("VTIMEZONE")));
            zones.filter_map(|zone| Some((zone.text("TZID")?.trim().to_owned(), zone))).collect()
        });
        let described = *described.get(tzid.trim())?;
        if let Some(zone) = described.text("X-LIC-LOCATION").and_then(|name| names::known(&name)) {
            return Some(zone);
        }
        // A description that cannot be read is as good as none; the caller then sets `unknown`.
        let observances = described
            .components()
            .filter(|part| part.is("STANDARD") || part.is("DAYLIGHT"))
            .take(MAX_OBSERVANCES)
            .map(|part| observance(&part))
            .collect::<Result<Vec<_>>>()
            .ok()?;
        if observances.is_empty() {
            return None;
        }
        OwnZone::new(&observances, &mut self.budget).ok().map(|zone| Zone::Own(Arc::new(zone)))
    }
}

fn observance(part: &Component<'_>) -> Result<Observance> {
    let start = part.text("DTSTART").ok_or_else(|| Error::value("VTIMEZONE with DTSTART", ""))?;
    let mut rules = Vec::new();
    for rule in part.properties_named("RRULE") {
        rules.push(Rule::parse(rule.value())?);
    }
    let mut dates = Vec::new();
    for list in part.properties_named("RDATE") {
        let values = DateValue::parse_list(list.value(), None, None)?;
        dates.extend(values.iter().map(|value| day::seconds(value.civil())));
    }
    Ok(Observance {
        start: day::seconds(DateValue::parse(&start, None, None)?.civil()),
        offset_from: offset(part, "TZOFFSETFROM")?,
        offset_to: offset(part, "TZOFFSETTO")?,
        rules,
        dates,
    })
}

fn offset(part: &Component<'_>, name: &str) -> Result<i32> {
    let text = part.text(name).unwrap_or_default();
    let offset = parse_utc_offset(&text)?;
    if fits(offset) { Ok(offset) } else { Err(Error::value("utc-offset", &text)) }
}
