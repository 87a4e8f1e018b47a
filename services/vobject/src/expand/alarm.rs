//! When the alarms of an object go off (RFC 5545 3.6.6), and whether that is in a range (RFC 4791 9.9).
//! Called by calendar queries.

use jiff::Timestamp;

use super::Series;
use crate::error::Result;
use crate::recur::Budget;
use crate::recur::day::DAY;
use crate::tree::Component;
use crate::value::{DateValue, parse_duration};
use crate::zone::Zones;

/// How far behind its start a range is looked through first: an endless series most often has its answer there.
const NEAR: i64 = 400 * DAY;

/// The TRIGGER, REPEAT and DURATION of a VALARM.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Alarm {
    trigger: Trigger,
    /// How often more it goes off, each time so many seconds later.
    repeat: i64,
    pause: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trigger {
    /// Once, at this second (UTC), however often the event is.
    At(i64),
    /// With each instance: so many days on the wall and then seconds from its start or end.
    With { days: i64, seconds: i64, end: bool },
}

impl Alarm {
    /// Reads a VALARM. None without a TRIGGER that can be read.
    pub fn of(component: &Component<'_>, zones: &mut Zones<'_>) -> Option<Alarm> {
        let property = component.property("TRIGGER")?;
        let trigger = match parse_duration(property.value()) {
            Ok(duration) => {
                let end = property.param("RELATED").is_some_and(|side| side.eq_ignore_ascii_case("END"));
                let (days, seconds) = (duration.signed_days(), duration.signed_seconds());
                Trigger::With { days, seconds, end }
            }
            Err(_) => {
                let tzid = property.param("TZID");
                let value = DateValue::parse(property.value(), Some("DATE-TIME"), tzid.as_deref()).ok()?;
                Trigger::At(zones.zone_of(&value).instant(value.civil()).as_second())
            }
        };
        let repeat = component.property("REPEAT").and_then(|count| count.value().trim().parse::<u32>().ok());
        let pause = component.property("DURATION").and_then(|pause| parse_duration(pause.value()).ok());
        // Days are taken for 24 hours here: whoever is reminded again and again counts no summer time.
        let pause = pause.map_or(0, |pause| pause.signed_days() * DAY + pause.signed_seconds());
        let repeat = if pause > 0 { repeat.map_or(0, i64::from) } else { 0 };
        Some(Alarm { trigger, repeat, pause })
    }

    /// Whether it goes off in `[from, to)` when it does so first at `first`; seconds UTC.
    fn is_in(&self, first: i64, from: i64, to: i64) -> bool {
        if first >= from || self.repeat == 0 {
            return (from..to).contains(&first);
        }
        let missing = from.saturating_sub(first);
        let number = missing / self.pause + i64::from(missing % self.pause != 0);
        number <= self.repeat && first.saturating_add(number.saturating_mul(self.pause)) < to
    }
}

impl Series {
    /// Whether the alarm of a component goes off in `[from, to)`, with whichever instance the component describes.
    ///
    /// Fails when the budget is spent.
    pub fn rings(
        &self,
        component: usize,
        alarm: &Alarm,
        (from, to): (Timestamp, Timestamp),
        budget: &mut Budget,
    ) -> Result<bool> {
        let (from, to) = (from.as_second(), to.as_second());
        let Trigger::With { days, seconds, end } = alarm.trigger else {
            let Trigger::At(at) = alarm.trigger else { return Ok(false) };
            return Ok(alarm.is_in(at, from, to));
        };
        let items = self.master.iter().chain(self.overrides.iter().map(|change| &change.item));
        let Some(zone) = items.into_iter().find(|item| item.component == component).map(|item| &item.zone)
        else {
            return Ok(false);
        };
        let first = |at: i64| match days {
            0 => at.saturating_add(seconds),
            days => zone.to_utc(zone.to_wall(at) + days * DAY).saturating_add(seconds),
        };
        let offset = days * DAY + seconds;
        let last = alarm.repeat.saturating_mul(alarm.pause);
        // A day for a clock that was put forward or back between the alarm and the event, and seconds for what takes no time.
        let low = from.saturating_sub(offset).saturating_sub(last).saturating_sub(DAY);
        let high = to.saturating_sub(offset).saturating_add(DAY);
        let start = low.max(self.bounds(budget).first.as_second());
        let mut found = false;
        for high in [start.saturating_add(NEAR).min(high), high] {
            self.visit(low, high, budget, &mut |occurrence| {
                let base = if end { occurrence.end } else { occurrence.start };
                found = occurrence.component == component && alarm.is_in(first(base.as_second()), from, to);
                !found
            })?;
            if found {
                break;
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;
    use crate::tree::Document;
    use crate::zone::Zone;

    /// Whether the alarm of an event (its lines) goes off between two times, in Berlin.
    fn rings(event: &str, alarm: &str, from: &str, to: &str) -> bool {
        let text = format!(
            "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nUID:u\r\n{event}\r\nBEGIN:VALARM\r\nACTION:DISPLAY\r\n{alarm}\r\nEND:VALARM\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
        );
        let document = Document::parse(text.as_bytes(), &Limits::default()).expect("a calendar");
        let zone = Zone::iana("Europe/Berlin").expect("Berlin");
        let series = Series::of(&document, zone.clone()).expect("times");
        let event = document.root().children("VEVENT").next().expect("an event");
        let alarm = event.children("VALARM").next().expect("an alarm");
        let alarm = Alarm::of(&alarm, &mut Zones::of(&document, zone)).expect("a trigger");
        let at = |text: &str| format!("{text}:00Z").parse::<Timestamp>().expect("a time");
        series.rings(event.index(), &alarm, (at(from), at(to)), &mut Budget::default()).expect("in budget")
    }

    const NINE: &str = "DTSTART:20260601T090000Z\r\nDTEND:20260601T100000Z";

    #[test]
    fn an_alarm_counts_from_the_start_or_the_end() {
        assert!(rings(NINE, "TRIGGER:-PT15M", "2026-06-01T08:45", "2026-06-01T08:46"));
        assert!(!rings(NINE, "TRIGGER:-PT15M", "2026-06-01T08:46", "2026-06-01T23:00"));
        assert!(!rings(NINE, "TRIGGER:-PT15M", "2026-06-01T08:00", "2026-06-01T08:45"));
        assert!(rings(NINE, "TRIGGER;RELATED=END:PT5M", "2026-06-01T10:05", "2026-06-01T10:06"));
        assert!(!rings(NINE, "TRIGGER;RELATED=END:PT5M", "2026-06-01T09:00", "2026-06-01T10:05"));
        assert!(rings("DTSTART:20260601T090000Z", "TRIGGER:PT0S", "2026-06-01T09:00", "2026-06-01T09:01"));
    }

    #[test]
    fn an_alarm_with_a_time_of_its_own_goes_off_then_only() {
        let daily = format!("{NINE}\r\nRRULE:FREQ=DAILY");
        let alarm = "TRIGGER;VALUE=DATE-TIME:20260501T120000Z";
        assert!(rings(&daily, alarm, "2026-05-01T11:00", "2026-05-01T13:00"));
        assert!(!rings(&daily, alarm, "2026-06-01T00:00", "2026-07-01T00:00"));
    }

    #[test]
    fn an_alarm_goes_off_with_each_instance_and_again() {
        let yearly = format!("{NINE}\r\nRRULE:FREQ=YEARLY;INTERVAL=3");
        assert!(rings(&yearly, "TRIGGER:-PT1H", "2035-06-01T08:00", "2035-06-01T08:01"));
        assert!(!rings(&yearly, "TRIGGER:-PT1H", "2034-06-01T00:00", "2035-06-01T08:00"));
        // Nothing near the start of the range, but later.
        assert!(rings(&yearly, "TRIGGER:-PT1H", "2033-06-01T00:00", "2036-06-01T00:00"));
        let again = "TRIGGER:-PT1H\r\nREPEAT:3\r\nDURATION:PT10M";
        assert!(rings(NINE, again, "2026-06-01T08:30", "2026-06-01T08:31"));
        assert!(!rings(NINE, again, "2026-06-01T08:31", "2026-06-01T09:00"));
        assert!(!rings(NINE, again, "2026-06-01T08:21", "2026-06-01T08:30"));
    }

    #[test]
    fn a_day_before_is_the_same_time_on_the_wall() {
        // Berlin's clock goes forward in the night before the event.
        let event = "DTSTART;TZID=Europe/Berlin:20260329T120000";
        assert!(rings(event, "TRIGGER:-P1D", "2026-03-28T11:00", "2026-03-28T11:01"));
        assert!(rings(event, "TRIGGER:-PT24H", "2026-03-28T10:00", "2026-03-28T10:01"));
    }
}
