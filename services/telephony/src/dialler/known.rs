//! What is known of a call list at a moment, as the rule of pacing asks for it.
//! Called by rpc/pacing.rs, which tells it, and by the dialler, which acts on it.

use jiff::tz::TimeZone;
use kontor_kit::Result;
use kontor_kit::db::Conn;

use crate::domain::figure::{Window, at};
use crate::domain::operator::{Operator, State};
use crate::domain::pacing::estimate::{AnswerRate, Busy, Handling};
use crate::domain::pacing::{self, Decision, Mode, Moment};
use crate::store;
use crate::store::pacing::{Pacing, seconds};

/// Calls that ring for each operator, where a list sets no limit.
const LINES: u32 = 20;

/// What is known of a list at a moment.
pub struct Known {
    pacing: Pacing,
    operators: Vec<Operator>,
    rate: AnswerRate,
    /// How long talks and after-call works are.
    pub handling: Handling,
    ringing: u32,
    live: u64,
    dropped: u64,
}

impl Known {
    /// Reads it. `zone` is the one whose days are counted.
    ///
    /// # Errors
    /// Those of the database.
    pub fn read(conn: &mut Conn<'_>, pacing: Pacing, now: i64, zone: &TimeZone) -> Result<Known> {
        let list = format!("callLists/{}", pacing.id);
        let mut operators = store::operator::at_work(conn)?;
        operators.retain(|it| it.state != State::Break && it.call_lists.contains(&list));
        let (span, bucket) = Window::Month.buckets(now, zone);
        let month = store::figure::of_scope(conn, span, bucket, &list)?;
        let count = |place: usize| u64::try_from(month.0[place]).unwrap_or(0);
        let uncounted = store::pacing::dropped_uncounted(conn, &list, now)?;
        let uncounted = u64::try_from(uncounted).unwrap_or(0);
        Ok(Known {
            rate: store::pacing::answer_rate(conn, &list, now, pacing.ring_seconds * 1_000_000)?,
            handling: store::pacing::handling(conn, &list)?,
            ringing: ringing(conn, &list, &operators, now)?,
            // with those that the figures do not know yet, for they count calls that are over
            live: count(at::LIVE) + uncounted,
            dropped: count(at::DROPPED) + uncounted,
            operators,
            pacing,
        })
    }

    fn operator_count(&self) -> u32 {
        u32::try_from(self.operators.len()).unwrap_or(u32::MAX)
    }

    /// The mode in force.
    pub fn mode(&self) -> Mode {
        match self.pacing.mode {
            1 => Mode::Preview,
            2 => Mode::Progressive,
            3 => Mode::Predictive,
            _ => Mode::usual(self.operator_count()),
        }
    }

    /// What the rule asks about.
    pub fn moment(&self, now: i64) -> Moment {
        let idle = self.operators.iter().filter(|it| it.state == State::Available).count();
        let freeing = self.operators.iter().filter_map(|operator| {
            let what = match operator.state {
                State::Talking => Busy::Talking,
                State::WrapUp => Busy::Wrapping,
                _ => return None,
            };
            let lasted = seconds(now.saturating_sub(operator.since));
            Some(self.handling.comes_free(what, lasted, self.pacing.ring_seconds as f64))
        });
        let operators = self.operator_count();
        let lines = u32::try_from(self.pacing.max_ringing).ok().filter(|lines| *lines > 0);
        Moment {
            operators,
            idle: u32::try_from(idle).unwrap_or(0),
            freeing: if self.handling.is_known(operators) { freeing.sum() } else { 0.0 },
            ringing: self.ringing,
            answer_rate: self.rate.cautious(),
            answered: self.live,
            dropped: self.dropped,
            lines: lines.unwrap_or(operators.saturating_mul(LINES)),
        }
    }

    /// The cap of dropped calls, as a share of 0 to 1.
    pub fn cap(&self) -> f64 {
        self.pacing.drop_cap_per_mille as f64 / 1_000.0
    }

    /// How many calls may be placed now, and why.
    pub fn decide(&self, now: i64) -> Decision {
        pacing::decide(self.mode(), self.cap(), &self.moment(now))
    }
}

/// Calls that ring without an operator: those of the list, and those of other lists that are dialled for some of the same operators. An operator who is free is
/// free for one of them only.
fn ringing(conn: &mut Conn<'_>, list: &str, operators: &[Operator], now: i64) -> Result<u32> {
    let mut count = store::pacing::ringing(conn, list, now)?;
    for other in store::dialler::running(conn)? {
        let other = format!("callLists/{other}");
        if other != list && operators.iter().any(|operator| operator.call_lists.contains(&other)) {
            count += store::pacing::ringing(conn, &other, now)?;
        }
    }
    Ok(u32::try_from(count).unwrap_or(u32::MAX))
}
