//! A call list: whose it is, how often, when and for how long its numbers are called.
//! Called by rpc/call_list.rs and by the rules of its entries; kept by store/call_list.rs.

use kontor_kit::auth::{Caller, Guard};
use kontor_kit::{Error, Result};

use super::hours::{Hours, Span};
use super::number::Region;

/// Microseconds of a second.
pub const SECOND: i64 = 1_000_000;
/// Entries and lists have priorities from 0 to this; it comes first.
pub const MAX_PRIORITY: i32 = 9;

/// Whether a list is called. The numbers are those of the API and of the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It is.
    Active = 1,
    /// Not now.
    Paused = 2,
    /// Not any more.
    Ended = 3,
    /// It is there for nobody any more. Not in the API.
    Deleted = 4,
}

impl State {
    /// Of its number.
    pub fn of(number: i64) -> Option<State> {
        [State::Active, State::Paused, State::Ended, State::Deleted]
            .into_iter()
            .find(|state| *state as i64 == number)
    }
}

/// A list of numbers that a team calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallList {
    /// Id.
    pub id: String,
    /// Version, seen as the etag.
    pub version: i64,
    /// Name for people.
    pub display_name: String,
    /// "teams/{team}".
    pub team: String,
    /// 0 to 9, 9 first.
    pub priority: i32,
    /// Whether it is called.
    pub state: State,
    /// Calls that were not held until an entry is cancelled.
    pub max_tries: i32,
    /// After how long a busy number is tried again: microseconds, as all lengths here.
    pub busy_delay: i64,
    /// After how long any other one is tried again.
    pub no_answer_delay: i64,
    /// When numbers are called.
    pub hours: Hours,
    /// How long a lease holds.
    pub lease: i64,
    /// How long a number must ring before nobody answered, in seconds.
    pub min_ring_seconds: i32,
    /// ISO 3166 country of national numbers; the installation's when empty.
    pub region: String,
    /// Microseconds since 1970 UTC.
    pub create_time: i64,
    /// Microseconds since 1970 UTC.
    pub update_time: i64,
}

impl CallList {
    /// With the usual settings.
    pub fn new(id: String, team: String, now: i64) -> CallList {
        CallList {
            id,
            version: 1,
            display_name: String::new(),
            team,
            priority: 0,
            state: State::Active,
            max_tries: 3,
            busy_delay: 15 * 60 * SECOND,
            no_answer_delay: 2 * 3_600 * SECOND,
            hours: Hours::default(),
            lease: 5 * 60 * SECOND,
            min_ring_seconds: 15,
            region: String::new(),
            create_time: now,
            update_time: now,
        }
    }

    /// Checks that it was not deleted.
    ///
    /// # Errors
    /// NOT_FOUND.
    pub fn must_be_there(&self) -> Result<()> {
        match self.state {
            State::Deleted => Err(Error::not_found(format!("callLists/{}", self.id))),
            State::Active | State::Paused | State::Ended => Ok(()),
        }
    }

    /// Who may see it and take calls from it.
    pub fn guard(&self) -> Guard {
        Guard::new("", &*self.team)
    }

    /// Whether the caller manages it.
    pub fn is_managed_by(&self, caller: &Caller) -> bool {
        caller.admin || caller.leads(&self.team)
    }

    /// Checks that the caller manages it.
    ///
    /// # Errors
    /// NOT_FOUND when it may not be seen, PERMISSION_DENIED for members of the team.
    pub fn must_be_managed_by(&self, caller: &Caller) -> Result<()> {
        let name = format!("callLists/{}", self.id);
        caller.must_read(&self.guard(), &name)?;
        if self.is_managed_by(caller) {
            return Ok(());
        }
        Err(Error::denied(format!("{name} is managed by the leaders of {}: ask one of them", self.team)))
    }

    /// Checks all settings.
    ///
    /// # Errors
    /// INVALID_ARGUMENT naming the field.
    pub fn check(&self) -> Result<()> {
        let wrong = |field: &str, message: String| Err(Error::invalid(format!("call_list.{field}"), message));
        let name = self.display_name.trim();
        if name.is_empty() || name.chars().count() > 200 || name.chars().any(char::is_control) {
            return wrong("display_name", "use 1 to 200 characters on one line".to_owned());
        }
        if !(0..=MAX_PRIORITY).contains(&self.priority) {
            return wrong("priority", format!("{} is not between 0 and {MAX_PRIORITY}", self.priority));
        }
        if !(1..=20).contains(&self.max_tries) {
            return wrong("max_tries", format!("{} is not between 1 and 20", self.max_tries));
        }
        for (field, delay) in
            [("busy_retry_delay", self.busy_delay), ("no_answer_retry_delay", self.no_answer_delay)]
        {
            if !(60 * SECOND..=30 * 86_400 * SECOND).contains(&delay) {
                return wrong(field, "use 1 minute to 30 days".to_owned());
            }
        }
        if !(30 * SECOND..=3_600 * SECOND).contains(&self.lease) {
            return wrong("lease_duration", "use 30 seconds to 1 hour".to_owned());
        }
        if !(0..=120).contains(&self.min_ring_seconds) {
            return wrong("min_ring_seconds", format!("{} is not between 0 and 120", self.min_ring_seconds));
        }
        if !self.region.is_empty()
            && let Err(cause) = Region::parse(&self.region)
        {
            return wrong("region", cause.to_string());
        }
        Ok(())
    }
}

/// Calling hours as one text, for the database and the audit: "1 08:00-20:00, 2 08:00-20:00".
pub fn hours_text(hours: &Hours) -> String {
    let days = hours.days().map(|(weekday, span)| {
        let (start, end) = span.texts();
        format!("{weekday} {start}-{end}")
    });
    days.collect::<Vec<_>>().join(", ")
}

/// Reads such a text.
///
/// # Errors
/// In words.
pub fn read_hours(text: &str, any: bool) -> std::result::Result<Hours, String> {
    let mut hours = Hours::none().with_any(any);
    for day in text.split(", ").filter(|day| !day.is_empty()) {
        let parts =
            day.split_once(' ').and_then(|(day, span)| Some((day.parse().ok()?, span.split_once('-')?)));
        let (weekday, (start, end)) = parts.ok_or_else(|| format!("{day:?} is no weekday with its hours"))?;
        hours.set(weekday, Span::parse(start, end)?)?;
    }
    Ok(hours)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_come_back_from_their_text() {
        let mut hours = Hours::none().with_any(true);
        hours.set(1, Span::parse("08:30", "12:00").unwrap()).unwrap();
        hours.set(7, Span::parse("00:00", "24:00").unwrap()).unwrap();
        assert_eq!(hours_text(&hours), "1 08:30-12:00, 7 00:00-24:00");
        assert_eq!(read_hours(&hours_text(&hours), true), Ok(hours));
        assert_eq!(read_hours("", false), Ok(Hours::none()));
        assert!(read_hours("monday", false).is_err());
    }

    #[test]
    fn settings_out_of_range_name_their_field() {
        let good = CallList {
            display_name: "Fair".to_owned(),
            ..CallList::new("a".to_owned(), "teams/a".to_owned(), 0)
        };
        assert!(good.check().is_ok());
        let cases = [
            ("call_list.display_name", CallList { display_name: String::new(), ..good.clone() }),
            ("call_list.priority", CallList { priority: 10, ..good.clone() }),
            ("call_list.max_tries", CallList { max_tries: 21, ..good.clone() }),
            ("call_list.busy_retry_delay", CallList { busy_delay: 1, ..good.clone() }),
            ("call_list.no_answer_retry_delay", CallList { no_answer_delay: i64::MAX, ..good.clone() }),
            ("call_list.lease_duration", CallList { lease: 0, ..good.clone() }),
            ("call_list.min_ring_seconds", CallList { min_ring_seconds: -1, ..good.clone() }),
            ("call_list.region", CallList { region: "XX".to_owned(), ..good.clone() }),
        ];
        for (field, list) in cases {
            assert_eq!(list.check().unwrap_err().field(), Some(field));
        }
    }
}
