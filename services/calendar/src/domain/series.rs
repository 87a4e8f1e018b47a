//! What follows when a whole series is moved: its exceptions and overrides keep naming the same instances.
//! Called by change.rs.

use kontor_vobject::Patch;
use kontor_vobject::content::ContentLine;
use kontor_vobject::ical::{CalendarObject, Item, RawDates};
use kontor_vobject::recur::day;
use kontor_vobject::tree::Document;
use kontor_vobject::value::DateValue;
use kontor_vobject::zone::Zones;

use super::time;

/// When the start of a series moves, moves EXDATEs, RDATEs and RECURRENCE-IDs by the same time on the wall, and the start
/// of overrides that had not been moved themselves. EXDATE and RDATE go into `new`, the overrides into the patch.
pub fn follow(
    patch: &mut Patch<'_>,
    document: &Document<'_>,
    object: &CalendarObject,
    old: &Item,
    new: &mut Item,
    zones: &mut Zones<'_>,
) {
    let (Some(before), Some(after)) = (&old.start, &new.start) else { return };
    if before == after || (old.except_dates.is_empty() && old.dates.is_empty() && object.overrides.is_empty())
    {
        return;
    }
    let shift = Shift {
        seconds: day::seconds(after.civil()) - day::seconds(before.civil()),
        before: before.clone(),
        after: after.clone(),
    };
    new.except_dates = new.except_dates.iter().map(|raw| shift.raw(raw, zones)).collect();
    new.dates = new.dates.iter().map(|raw| shift.raw(raw, zones)).collect();
    for item in object.overrides() {
        let Some(id) = &item.recurrence_id else { continue };
        let component = document.component(item.component);
        let mut line = ContentLine::date("RECURRENCE-ID", &shift.value(&id.at, zones));
        if id.this_and_future {
            line = line.param("RANGE", "THISANDFUTURE");
        }
        patch.set(&component, line);
        let Some(start) = item.start.as_ref().filter(|start| time::same(start, &id.at, zones)) else {
            continue;
        };
        patch.set(&component, ContentLine::date("DTSTART", &shift.value(start, zones)));
        if let Some(end) = &item.end {
            patch.set(&component, ContentLine::date("DTEND", &shift.value(end, zones)));
        }
    }
}

struct Shift {
    /// On the wall.
    seconds: i64,
    before: DateValue,
    after: DateValue,
}

impl Shift {
    /// A value of the old series in the new one: read on the old wall, moved, written as the new start is.
    fn value(&self, value: &DateValue, zones: &mut Zones<'_>) -> DateValue {
        let utc = time::seconds(value, zones);
        let wall = match value {
            DateValue::Date(_) | DateValue::Floating(_) => day::seconds(value.civil()),
            _ => zones.zone_of(&self.before).to_wall(utc),
        };
        time::with_civil(&self.after, day::date_time(wall + self.seconds))
    }

    /// A list of dates; one that can't be read (a list of periods) stays.
    fn raw(&self, raw: &RawDates, zones: &mut Zones<'_>) -> RawDates {
        let values = DateValue::parse_list(&raw.value, raw.value_type.as_deref(), raw.tzid.as_deref());
        let Ok(values) = values else { return raw.clone() };
        let moved: Vec<DateValue> = values.iter().map(|value| self.value(value, zones)).collect();
        let texts: Vec<String> = moved.iter().map(|value| value.format().0).collect();
        RawDates {
            value: texts.join(","),
            tzid: self.after.tzid().map(str::to_owned),
            value_type: self.after.is_date().then(|| "DATE".to_owned()),
            line: raw.line,
        }
    }
}
