//! Working hours and absences as text (VAVAILABILITY, RFC 7953), and what of it a week can show.
//! Called by free_busy.rs and rpc/availability.rs; the text is what is kept, whoever wrote it.

use kontor_kit::{Error, Result};
use kontor_vobject::Limits;
use kontor_vobject::availability::Availability;
use kontor_vobject::content::ContentLine;
use kontor_vobject::recur::{End, Frequency, Rule, day};
use kontor_vobject::tree::{Component, Document};
use kontor_vobject::value::DateValue;
use kontor_vobject::write::PRODUCT;
use kontor_vobject::zone::{Zone, vtimezone_for};

use super::time;

/// Bytes of one text.
const TEXT: usize = 256 * 1024;
/// Working hours of a week, and absences, at most.
const HOURS: usize = 50;
const ABSENCES: usize = 200;
const SUMMARY: usize = 1_000;
/// Minutes of a day.
const DAY: u16 = 24 * 60;
/// Monday, 3 January 2000, in days since 1970: the hours hold from that week on.
const FIRST_MONDAY: i64 = 10_959;
const WEEKDAYS: [&str; 7] = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"];

/// A week's hours with absences.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Week {
    /// IANA zone of the hours.
    pub zone: String,
    /// In order.
    pub hours: Vec<Hours>,
    /// In the order of the text.
    pub absences: Vec<Absence>,
    /// Whether the text says something that this can't: then `hours` is empty.
    pub custom: bool,
}

/// Hours of one day of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hours {
    /// 0 is Monday.
    pub day: u8,
    /// Minutes since midnight.
    pub start: u16,
    /// Minutes since midnight, exclusive, up to 1,440.
    pub end: u16,
}

/// A time away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Absence {
    /// First day or moment.
    pub start: DateValue,
    /// Day or moment after the last.
    pub end: DateValue,
    /// Why; may be empty.
    pub summary: String,
}

/// Hours of who has said nothing: Monday to Friday, nine to five.
pub fn usual_hours() -> Vec<Hours> {
    (0..5).map(|day| Hours { day, start: 9 * 60, end: 17 * 60 }).collect()
}

/// The text of who has said nothing.
pub fn usual(zone: &str) -> String {
    write(&Week { zone: zone.to_owned(), hours: usual_hours(), ..Week::default() }, 0)
}

/// Checks a text that a program wrote.
///
/// # Errors
/// INVALID_ARGUMENT naming `field`.
pub fn check_text(text: &str, field: &str) -> Result<()> {
    if text.len() > TEXT {
        return Err(Error::invalid(field, format!("it is longer than {TEXT} bytes")));
    }
    let document =
        Document::parse(text.as_bytes(), &Limits::default()).map_err(|cause| Error::invalid(field, cause))?;
    if !document.root().is("VCALENDAR") || document.roots().len() != 1 {
        return Err(Error::invalid(field, "it is not one VCALENDAR"));
    }
    Availability::read(&document, Zone::UTC).map_err(|cause| Error::invalid(field, cause))?;
    Ok(())
}

impl Week {
    /// Checks what a caller gave.
    ///
    /// # Errors
    /// INVALID_ARGUMENT naming the field.
    pub fn check(&self) -> Result<()> {
        if Zone::iana(&self.zone).is_none() {
            let message =
                format!("{:?} is no zone of the IANA database, like \"Europe/Brussels\"", self.zone);
            return Err(Error::invalid("availability.time_zone", message));
        }
        if self.hours.len() > HOURS {
            return Err(Error::invalid("availability.hours", format!("at most {HOURS} are taken")));
        }
        if self.hours.iter().any(|hours| hours.day > 6 || hours.start >= hours.end || hours.end > DAY) {
            return Err(Error::invalid("availability.hours", "end must be after start on the same day"));
        }
        if self.absences.len() > ABSENCES {
            return Err(Error::invalid("availability.absences", format!("at most {ABSENCES} are taken")));
        }
        let mut zones = kontor_vobject::zone::Zones::known(Zone::UTC);
        for absence in &self.absences {
            let bad = |message: &str| Error::invalid("availability.absences", message);
            time::check_zone(&absence.start, &mut zones, "availability.absences.start")?;
            time::check_zone(&absence.end, &mut zones, "availability.absences.end")?;
            if absence.start.is_date() != absence.end.is_date() {
                return Err(bad("start and end must both be dates or both be times"));
            }
            if time::seconds(&absence.end, &mut zones) <= time::seconds(&absence.start, &mut zones) {
                return Err(bad("end must be after start"));
            }
            if absence.summary.len() > SUMMARY {
                return Err(bad("a summary has at most 1,000 bytes"));
            }
        }
        Ok(())
    }
}

/// The text of a week that has hours, absences or both; `now` in microseconds UTC.
pub fn write(week: &Week, now: i64) -> String {
    let stamp = DateValue::Utc(time::stamp(now));
    let mut text = format!("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:{PRODUCT}\r\n");
    let mut zones = vec![week.zone.clone()];
    let times = week.absences.iter().flat_map(|absence| [&absence.start, &absence.end]);
    zones.extend(times.filter_map(DateValue::tzid).map(str::to_owned));
    zones.sort();
    zones.dedup();
    zones
        .iter()
        .filter_map(|zone| vtimezone_for(zone, 2000))
        .for_each(|zone| text.extend(zone.trim().lines().flat_map(|line| [line, "\r\n"])));
    if !week.hours.is_empty() {
        write_hours(week, &stamp, &mut text);
    }
    let mut push = |line: ContentLine| text.push_str(&line.write("\r\n"));
    for (number, absence) in week.absences.iter().enumerate() {
        push(ContentLine::new("BEGIN", "VAVAILABILITY"));
        push(ContentLine::new("UID", format!("kontor-absence-{number}")));
        push(ContentLine::date("DTSTAMP", &stamp));
        push(ContentLine::new("PRIORITY", "1"));
        push(ContentLine::date("DTSTART", &absence.start));
        push(ContentLine::date("DTEND", &absence.end));
        if !absence.summary.is_empty() {
            push(ContentLine::text("SUMMARY", &absence.summary));
        }
        push(ContentLine::new("END", "VAVAILABILITY"));
    }
    push(ContentLine::new("END", "VCALENDAR"));
    text
}

/// One VAVAILABILITY with an AVAILABLE for each time of day. Without any it would say that nobody is there for all time.
fn write_hours(week: &Week, stamp: &DateValue, text: &mut String) {
    let mut push = |line: ContentLine| text.push_str(&line.write("\r\n"));
    push(ContentLine::new("BEGIN", "VAVAILABILITY"));
    push(ContentLine::new("UID", "kontor-hours"));
    push(ContentLine::date("DTSTAMP", stamp));
    let mut spans: Vec<(u16, u16)> = week.hours.iter().map(|hours| (hours.start, hours.end)).collect();
    spans.sort_unstable();
    spans.dedup();
    for (number, (start, end)) in spans.into_iter().enumerate() {
        let mut days: Vec<u8> = week
            .hours
            .iter()
            .filter(|hours| (hours.start, hours.end) == (start, end))
            .map(|hours| hours.day)
            .collect();
        days.sort_unstable();
        days.dedup();
        let first = FIRST_MONDAY + i64::from(days.first().copied().unwrap_or(0));
        let at = |minutes: u16| DateValue::Zoned {
            at: day::date_time(first * day::DAY + i64::from(minutes) * 60),
            tzid: week.zone.clone(),
        };
        let names: Vec<&str> = days.iter().map(|day| WEEKDAYS[usize::from(*day % 7)]).collect();
        push(ContentLine::new("BEGIN", "AVAILABLE"));
        push(ContentLine::new("UID", format!("kontor-hours-{number}")));
        push(ContentLine::date("DTSTAMP", stamp));
        push(ContentLine::date("DTSTART", &at(start)));
        push(ContentLine::date("DTEND", &at(end)));
        push(ContentLine::new("RRULE", format!("FREQ=WEEKLY;BYDAY={}", names.join(","))));
        push(ContentLine::new("END", "AVAILABLE"));
    }
    push(ContentLine::new("END", "VAVAILABILITY"));
}

/// What of a text a week can show. `zone` is the user's.
///
/// # Errors
/// INTERNAL: what is kept was checked when it came.
pub fn read(text: &str, zone: &str) -> Result<Week> {
    let document = Document::parse(text.as_bytes(), &Limits::default()).map_err(Error::internal)?;
    let mut week = Week { zone: zone.to_owned(), ..Week::default() };
    let mut with_hours = 0;
    for component in document.root().children("VAVAILABILITY") {
        if component.children("AVAILABLE").next().is_none() {
            match absence(&component) {
                Some(absence) => week.absences.push(absence),
                None => week.custom = true,
            }
            continue;
        }
        with_hours += 1;
        let bounded = ["DTSTART", "DTEND", "DURATION"].iter().any(|name| component.property(name).is_some());
        week.custom |= bounded || with_hours > 1;
        for available in component.children("AVAILABLE") {
            match hours(&available) {
                Some((tzid, hours)) if with_hours == 1 && (week.hours.is_empty() || week.zone == tzid) => {
                    week.zone = tzid;
                    week.hours.extend(hours);
                }
                _ => week.custom = true,
            }
        }
    }
    if week.custom {
        week.hours.clear();
    }
    week.hours.sort_unstable();
    Ok(week)
}

fn date(component: &Component<'_>, name: &str) -> Option<DateValue> {
    let property = component.property(name)?;
    let (kind, tzid) = (property.param("VALUE"), property.param("TZID"));
    DateValue::parse(property.value(), kind.as_deref(), tzid.as_deref()).ok()
}

fn absence(component: &Component<'_>) -> Option<Absence> {
    Some(Absence {
        start: date(component, "DTSTART")?,
        end: date(component, "DTEND")?,
        summary: component.text("SUMMARY").unwrap_or_default().into_owned(),
    })
}

/// Zone and hours of an AVAILABLE that comes every week in the same way.
fn hours(available: &Component<'_>) -> Option<(String, Vec<Hours>)> {
    if ["RDATE", "EXDATE", "RECURRENCE-ID"].iter().any(|name| available.property(name).is_some()) {
        return None;
    }
    let start = date(available, "DTSTART")?;
    let (first, end) = (day::seconds(start.civil()), day::seconds(date(available, "DTEND")?.civil()));
    let tzid = Zone::named(start.tzid()?)?.iana_name()?.to_owned();
    let rule = Rule::parse(available.property("RRULE")?.value()).ok()?;
    let own = day::weekday(first.div_euclid(day::DAY));
    let plain = Rule {
        frequency: Frequency::Weekly,
        interval: 1,
        end: End::Never,
        weekdays: rule.weekdays.clone(),
        week_start: rule.week_start,
        ..Rule::parse("FREQ=WEEKLY").ok()?
    };
    let minutes = |seconds: i64| u16::try_from(seconds / 60).ok();
    let midnight = first.div_euclid(day::DAY) * day::DAY;
    let (start, end) = (minutes(first - midnight)?, minutes(end - midnight)?);
    if rule != plain || start >= end || end > DAY {
        return None;
    }
    let days: Vec<u8> = match rule.weekdays.as_slice() {
        [] => vec![own],
        days => days.iter().map(|day| day.weekday).collect(),
    };
    Some((tzid, days.into_iter().map(|day| Hours { day, start, end }).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_week_is_read_back_as_it_was_written() {
        let date = |text: &str| DateValue::parse(text, None, None).expect("a date");
        let week = Week {
            zone: "Europe/Brussels".to_owned(),
            hours: vec![
                Hours { day: 0, start: 540, end: 720 },
                Hours { day: 0, start: 780, end: 1_020 },
                Hours { day: 2, start: 540, end: 720 },
                Hours { day: 6, start: 1_200, end: 1_440 },
            ],
            absences: vec![Absence {
                start: date("20261221"),
                end: date("20270104"),
                summary: "Skiing, far; away".to_owned(),
            }],
            custom: false,
        };
        week.check().expect("it is good");
        let text = write(&week, 0);
        check_text(&text, "text").expect("it is good");
        assert_eq!(read(&text, "UTC").expect("it is read"), week);
        assert_eq!(read(&usual("Asia/Tokyo"), "UTC").expect("it is read").hours, usual_hours());
    }

    #[test]
    fn absences_alone_do_not_become_an_absence_for_ever() {
        let date = |text: &str| DateValue::parse(text, None, None).expect("a date");
        let absence = Absence { start: date("20261221"), end: date("20270104"), summary: String::new() };
        let week = Week { zone: "UTC".to_owned(), absences: vec![absence], ..Week::default() };
        let text = write(&week, 0);
        check_text(&text, "text").expect("it is good");
        assert_eq!(read(&text, "UTC").expect("it is read"), week);
    }

    #[test]
    fn hours_that_no_week_can_show_are_custom() {
        let text = usual("Europe/Brussels").replace("FREQ=WEEKLY;", "FREQ=WEEKLY;INTERVAL=2;");
        let week = read(&text, "UTC").expect("it is read");
        assert!(week.custom && week.hours.is_empty());
    }

    #[test]
    fn what_is_no_availability_is_refused() {
        for text in [
            "",
            "BEGIN:VCARD\r\nEND:VCARD\r\n",
            "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nEND:VCALENDAR\r\n",
            "BEGIN:VCALENDAR\r\nBEGIN:VAVAILABILITY\r\nDTSTART:x\r\nEND:VAVAILABILITY\r\nEND:VCALENDAR\r\n",
        ] {
            assert!(check_text(text, "text").is_err(), "{text}");
        }
        let week = Week {
            zone: "UTC".to_owned(),
            hours: vec![Hours { day: 0, start: 10, end: 10 }],
            ..Week::default()
        };
        assert!(week.check().is_err());
    }
}
