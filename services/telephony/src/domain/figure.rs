//! What the wallboard counts: which counts a call, an after-call work and an outcome add, under which scopes, and in which buckets of time.
//! Called by figures.rs (counts as events come) and by board.rs (reads windows); kept by store/figure.rs.

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// How soon an inbound call is to be answered, in microseconds.
pub const IN_TIME_MICROS: i64 = 20_000_000;
/// Length of a short bucket, in microseconds: five minutes.
pub const SHORT_MICROS: i64 = 300_000_000;
/// Short buckets of an hour.
const HOUR_BUCKETS: i64 = 12;
/// Days of a month.
const MONTH_DAYS: i64 = 30;

/// Counts, in the order of `NAMES`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts(pub [i64; NAMES.len()]);

/// Columns of the counts.
pub const NAMES: [&str; 13] = [
    "offered",
    "answered",
    "in_time",
    "wait_micros",
    "abandoned",
    "handled",
    "talk_micros",
    "wrap_micros",
    "placed",
    "live",
    "dropped",
    "held",
    "not_held",
];

/// Places in `Counts`.
pub mod at {
    #![expect(missing_docs, reason = "they are the names above")]
    pub const OFFERED: usize = 0;
    pub const ANSWERED: usize = 1;
    pub const IN_TIME: usize = 2;
    pub const WAIT: usize = 3;
    pub const ABANDONED: usize = 4;
    pub const HANDLED: usize = 5;
    pub const TALK: usize = 6;
    pub const WRAP: usize = 7;
    pub const PLACED: usize = 8;
    pub const LIVE: usize = 9;
    pub const DROPPED: usize = 10;
    pub const HELD: usize = 11;
    pub const NOT_HELD: usize = 12;
}

impl Counts {
    /// One count.
    pub fn one(place: usize) -> Counts {
        Counts::default().with(place, 1)
    }

    /// With a count raised.
    #[must_use]
    pub fn with(mut self, place: usize, by: i64) -> Counts {
        self.0[place] = self.0[place].saturating_add(by);
        self
    }

    /// Adds others `times` times: -1 takes them back.
    pub fn add(&mut self, others: &Counts, times: i64) {
        for (own, other) in self.0.iter_mut().zip(others.0) {
            *own = own.saturating_add(other.saturating_mul(times));
        }
    }

    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|count| *count == 0)
    }
}

/// What is known of a call that is over. Directions and outcomes are the API's numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OverCall {
    /// CallDirection.
    pub direction: i32,
    /// CallOutcome.
    pub outcome: i32,
    /// From its beginning to its answer, or to its end, in microseconds.
    pub wait: i64,
    /// How long people spoke, in microseconds.
    pub talk: i64,
    /// Whether one of us had it.
    pub has_user: bool,
}

const INBOUND: i32 = 1;
const OUTBOUND: i32 = 2;
const ANSWERED: i32 = 1;
const MISSED: i32 = 2;
const NO_ANSWER: i32 = 3;
const BUSY: i32 = 4;
const ABANDONED: i32 = 5;

/// What a call adds.
pub fn of_call(call: &OverCall) -> Counts {
    let mut counts = Counts::default();
    let answered = call.outcome == ANSWERED;
    match call.direction {
        INBOUND if matches!(call.outcome, ANSWERED | MISSED | NO_ANSWER | BUSY | ABANDONED) => {
            counts = counts.with(at::OFFERED, 1);
            if answered {
                counts = counts.with(at::ANSWERED, 1).with(at::WAIT, call.wait);
                counts = counts.with(at::IN_TIME, i64::from(call.wait <= IN_TIME_MICROS));
            } else {
                counts = counts.with(at::ABANDONED, i64::from(matches!(call.outcome, MISSED | ABANDONED)));
            }
        }
        OUTBOUND => {
            counts = counts.with(at::PLACED, 1);
            let dropped = call.outcome == ABANDONED || (answered && !call.has_user);
            counts =
                counts.with(at::LIVE, i64::from(answered || dropped)).with(at::DROPPED, i64::from(dropped));
        }
        _ => return counts,
    }
    if answered && call.has_user {
        counts = counts.with(at::HANDLED, 1).with(at::TALK, call.talk);
    }
    counts
}

/// A call's queue, and its call list: a list's name stands where a queue's would.
pub fn queue_or_list(queue: &str) -> (&str, &str) {
    if queue.starts_with("callLists/") { ("", queue) } else { (queue, "") }
}

/// Under which scopes something counts: all, and its queue or list.
pub fn scopes(queue: &str, call_list: &str) -> Vec<String> {
    let mut scopes = vec![String::new()];
    if !queue.is_empty() {
        scopes.push(format!("queues/{queue}"));
    }
    if !call_list.is_empty() {
        scopes.push(call_list.to_owned());
    }
    scopes
}

/// Length of a bucket. The numbers are those of the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Span {
    /// Five minutes.
    Short = 0,
    /// A day of the installation's time zone.
    Day = 1,
}

/// The beginning of the bucket that an instant lies in. Instants are in microseconds since 1970 UTC.
pub fn bucket(span: Span, time: i64, zone: &TimeZone) -> i64 {
    match span {
        Span::Short => time.div_euclid(SHORT_MICROS) * SHORT_MICROS,
        Span::Day => day(time, zone, 0),
    }
}

/// The beginning of the day `back` days before that of an instant.
fn day(time: i64, zone: &TimeZone, back: i64) -> i64 {
    let Ok(instant) = Timestamp::from_microsecond(time) else { return time };
    let date = zone.to_datetime(instant).date();
    let midnight = date
        .checked_sub(jiff::Span::new().days(back))
        .and_then(|date| zone.to_timestamp(date.at(0, 0, 0, 0)))
        .map(|midnight| midnight.as_microsecond());
    midnight.unwrap_or(time)
}

/// A stretch of time up to now. The numbers are those of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Window {
    /// The last hour.
    Hour = 1,
    /// Since midnight.
    Today = 2,
    /// Today and the 29 days before.
    Month = 3,
}

impl Window {
    /// All windows.
    pub const ALL: [Window; 3] = [Window::Hour, Window::Today, Window::Month];

    /// Of which buckets it is made, and from which on.
    pub fn buckets(self, now: i64, zone: &TimeZone) -> (Span, i64) {
        match self {
            Window::Hour => (Span::Short, bucket(Span::Short, now, zone) - (HOUR_BUCKETS - 1) * SHORT_MICROS),
            Window::Today => (Span::Day, day(now, zone, 0)),
            Window::Month => (Span::Day, day(now, zone, MONTH_DAYS - 1)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(direction: i32, outcome: i32) -> OverCall {
        OverCall { direction, outcome, wait: 20_000_000, talk: 7, has_user: true }
    }

    #[test]
    fn an_inbound_call_is_offered_and_answered_in_time_or_not() {
        let counts = of_call(&call(INBOUND, ANSWERED)).0;
        assert_eq!((counts[at::OFFERED], counts[at::IN_TIME], counts[at::TALK]), (1, 1, 7));
        let late = of_call(&OverCall { wait: 20_000_001, ..call(INBOUND, ANSWERED) }).0;
        assert_eq!((late[at::ANSWERED], late[at::IN_TIME]), (1, 0));
        for (outcome, given_up) in [(MISSED, 1), (ABANDONED, 1), (NO_ANSWER, 0), (BUSY, 0)] {
            let counts = of_call(&call(INBOUND, outcome)).0;
            assert_eq!((counts[at::OFFERED], counts[at::ABANDONED], counts[at::HANDLED]), (1, given_up, 0));
        }
        for outcome in [0, 6] {
            assert!(of_call(&call(INBOUND, outcome)).is_empty());
        }
    }

    #[test]
    fn an_outbound_call_that_finds_nobody_of_us_is_dropped() {
        let counts = of_call(&call(OUTBOUND, ANSWERED)).0;
        assert_eq!((counts[at::LIVE], counts[at::DROPPED], counts[at::HANDLED]), (1, 0, 1));
        for dropped in [OverCall { has_user: false, ..call(OUTBOUND, ANSWERED) }, call(OUTBOUND, ABANDONED)] {
            let counts = of_call(&dropped).0;
            assert_eq!((counts[at::LIVE], counts[at::DROPPED], counts[at::HANDLED]), (1, 1, 0));
        }
        assert_eq!(of_call(&call(OUTBOUND, NO_ANSWER)), Counts::one(at::PLACED));
        assert!(of_call(&call(3, ANSWERED)).is_empty());
    }

    #[test]
    fn days_are_those_of_the_zone_also_when_clocks_change() {
        let zone = TimeZone::get("Europe/Brussels").expect("a zone");
        let at = |text: &str| text.parse::<Timestamp>().expect("a time").as_microsecond();
        // Winter time began on 25 October 2026: that day had 25 hours.
        let noon = at("2026-10-25T12:00:00Z");
        assert_eq!(bucket(Span::Day, noon, &zone), at("2026-10-24T22:00:00Z"));
        assert_eq!(bucket(Span::Day, at("2026-10-25T22:59:59Z"), &zone), at("2026-10-24T22:00:00Z"));
        assert_eq!(Window::Month.buckets(noon, &zone), (Span::Day, at("2026-09-25T22:00:00Z")));
        assert_eq!(
            Window::Hour.buckets(at("2026-10-25T12:04:00Z"), &zone),
            (Span::Short, at("2026-10-25T11:05:00Z"))
        );
    }
}
