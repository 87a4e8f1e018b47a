//! A task as callers of the API see it, and how their changes come into its lines.
//! Called by rpc/tasks.rs.

use kontor_kit::mask::Mask;
use kontor_kit::{Error, Result};
use kontor_vobject::Patch;
use kontor_vobject::ical::{Item, ItemKind};
use kontor_vobject::recur::day;
use kontor_vobject::value::DateValue;
use kontor_vobject::zone::{Zone, Zones};

use super::event::check_text;
use super::{text, time};

/// Fields that UpdateTask can take over.
pub const FIELDS: [&str; 6] =
    ["summary", "description", "due", "priority", "percent_complete", "complete_time"];

/// What callers see and change.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[expect(missing_docs, reason = "the fields of Task in calendar.proto say it")]
pub struct Task {
    pub summary: String,
    pub description: String,
    pub due: Option<DateValue>,
    pub priority: i32,
    pub percent: i32,
    /// Microseconds UTC.
    pub completed: Option<i64>,
}

impl Task {
    /// Reads the item that speaks for the object.
    pub fn read(item: &Item, zones: &mut Zones<'_>) -> Task {
        Task {
            summary: item.summary.clone().unwrap_or_default(),
            description: item.description.clone().unwrap_or_default(),
            due: item.due.as_ref().map(|due| time::shown(due, zones)),
            priority: item.priority.map_or(0, i32::from),
            percent: item.percent.map_or(0, i32::from),
            completed: item.completed.as_ref().map(|at| time::seconds(at, zones) * time::MICROS),
        }
    }

    fn check(&self) -> Result<()> {
        check_text("task.summary", &self.summary)?;
        check_text("task.description", &self.description)?;
        if !(0..=9).contains(&self.priority) {
            return Err(Error::invalid("task.priority", format!("{} is not 0 to 9", self.priority)));
        }
        if !(0..=100).contains(&self.percent) {
            return Err(Error::invalid("task.percent_complete", format!("{} is not 0 to 100", self.percent)));
        }
        Ok(())
    }

    fn put_on(&self, old: &Item, mask: &Mask, zones: &mut Zones<'_>) -> Result<Item> {
        let mut item = Item { kind: ItemKind::Todo, ..old.clone() };
        for (field, given, place) in [
            ("summary", &self.summary, &mut item.summary),
            ("description", &self.description, &mut item.description),
        ] {
            if mask.has(field) && place.as_deref().unwrap_or_default() != given {
                *place = (!given.is_empty()).then(|| given.clone());
            }
        }
        if mask.has("due") {
            self.put_due(&mut item, zones)?;
        }
        if mask.has("priority") && item.priority.map_or(0, i32::from) != self.priority {
            item.priority = u8::try_from(self.priority).ok().filter(|priority| *priority > 0);
        }
        if mask.has("percent_complete") && item.percent.map_or(0, i32::from) != self.percent {
            item.percent = u8::try_from(self.percent).ok().filter(|percent| *percent > 0);
        }
        if mask.has("complete_time") {
            self.put_completed(&mut item, mask, zones);
        }
        Ok(item)
    }

    fn put_due(&self, item: &mut Item, zones: &mut Zones<'_>) -> Result<()> {
        if let Some(due) = &self.due {
            time::check_zone(due, zones, "task.due")?;
            if let Some(start) = &item.start {
                if start.is_date() != due.is_date() {
                    return Err(Error::invalid(
                        "task.due",
                        "it must be a date when the task starts on one, and a time when it starts at one",
                    ));
                }
                if time::seconds(due, zones) < time::seconds(start, zones) {
                    return Err(Error::invalid("task.due", "it is before the start"));
                }
            }
        }
        let unchanged = match (&item.due, &self.due) {
            (Some(old), Some(new)) => time::same(old, new, zones),
            (old, new) => old.is_none() && new.is_none(),
        };
        if !unchanged {
            item.due = self.due.clone();
            item.duration = None;
        }
        Ok(())
    }

    /// COMPLETED goes with STATUS and PERCENT-COMPLETE, for programs look at one or the other.
    fn put_completed(&self, item: &mut Item, mask: &Mask, zones: &mut Zones<'_>) {
        let before = item.completed.as_ref().map(|at| time::seconds(at, zones));
        let after = self.completed.map(|at| at.div_euclid(time::MICROS));
        if before == after {
            return;
        }
        item.completed = after.map(|utc| DateValue::Utc(day::date_time(utc)));
        item.status = Some(if after.is_some() { "COMPLETED" } else { "NEEDS-ACTION" }.to_owned());
        if !mask.has("percent_complete") || (after.is_some() && self.percent == 0) {
            item.percent = after.map(|_| 100);
        }
    }
}

/// The text of a new task.
///
/// # Errors
/// INVALID_ARGUMENT naming the field.
pub fn create(task: &Task, uid: &str, zone: &Zone, now: i64) -> Result<Vec<u8>> {
    task.check()?;
    let mut zones = Zones::known(zone.clone());
    let item = Item { kind: ItemKind::Todo, ..Item::default() };
    let item = task.put_on(&item, &Mask::read(None, &FIELDS, &FIELDS)?, &mut zones)?;
    text::create(uid, &item, &[], now)
}

/// The text with the masked fields taken over; the same bytes when nothing differs.
///
/// # Errors
/// INVALID_ARGUMENT naming the field; FAILED_PRECONDITION for an object without a master.
pub fn update(bytes: &[u8], task: &Task, mask: &Mask, zone: &Zone, now: i64) -> Result<Vec<u8>> {
    task.check()?;
    let (document, object) = text::stored(bytes)?;
    let mut zones = Zones::of(&document, zone.clone());
    let old = object.first();
    let new = task.put_on(old, mask, &mut zones)?;
    let mut patch = Patch::new(&document);
    text::change(&mut patch, &document, old, &new, None, now);
    Ok(patch.apply())
}
