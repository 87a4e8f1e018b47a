//! The pacing of call lists, and what is known of a list's calls at a moment, from the calls and the operators themselves.
//! Called by rpc/pacing.rs and board.rs.

use kontor_kit::auth::Guard;
use kontor_kit::db::{Conn, Row, Value};
use kontor_kit::resource::Stored;
use kontor_kit::{Result, args};

use crate::domain::operator::State;
use crate::domain::pacing::estimate::{AnswerRate, Busy, Handling};

/// How the calls of one list are placed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pacing {
    /// Id of the list.
    pub id: String,
    /// Raised by each change.
    pub version: i64,
    /// "teams/{team}"
    pub team: String,
    /// PacingMode; 0 by the size of the team.
    pub mode: i32,
    /// Dropped calls of 1,000 answered ones, at most.
    pub drop_cap_per_mille: i64,
    /// How long a number rings.
    pub ring_seconds: i64,
    /// Calls that ring at once at most; 0 is 20 for each operator.
    pub max_ringing: i64,
}

/// Dropped calls of 1,000 answered ones, unless a list sets its own.
pub const CAP_PER_MILLE: i64 = 30;
/// How long a number rings, unless a list sets its own.
pub const RING_SECONDS: i64 = 20;

impl Pacing {
    /// Of a list that sets nothing; version 0, for it is no row.
    pub fn usual(list: &str, team: &str) -> Pacing {
        Pacing {
            id: list.to_owned(),
            version: 0,
            team: team.to_owned(),
            mode: 0,
            drop_cap_per_mille: CAP_PER_MILLE,
            ring_seconds: RING_SECONDS,
            max_ringing: 0,
        }
    }
}

impl Stored for Pacing {
    const TABLE: &'static str = "pacing";
    const COLUMNS: &'static [&'static str] =
        &["id", "version", "team", "mode", "drop_cap_per_mille", "ring_seconds", "max_ringing"];
    const COLLECTION: &'static str = "callLists";

    fn id(&self) -> &str {
        &self.id
    }

    fn version(&self) -> i64 {
        self.version
    }

    fn set_version(&mut self, version: i64) {
        self.version = version;
    }

    fn audience(&self) -> Guard {
        Guard::new("", self.team.as_str())
    }

    fn name(&self) -> String {
        format!("callLists/{}/pacing", self.id)
    }

    fn values(&self) -> Vec<Value> {
        vec![
            (&self.id).into(),
            self.version.into(),
            (&self.team).into(),
            self.mode.into(),
            self.drop_cap_per_mille.into(),
            self.ring_seconds.into(),
            self.max_ringing.into(),
        ]
    }

    fn from_row(row: &Row<'_>, from: usize) -> Result<Self> {
        Ok(Pacing {
            id: row.string(from)?,
            version: row.int(from + 1)?,
            team: row.string(from + 2)?,
            mode: i32::try_from(row.int(from + 3)?).unwrap_or(0),
            drop_cap_per_mille: row.int(from + 4)?,
            ring_seconds: row.int(from + 5)?,
            max_ringing: row.int(from + 6)?,
        })
    }
}

/// Calls that the share of answered ones is learned from.
const CALLS: i64 = 400;
/// Stretches that talk and after-call work are learned from.
const PERIODS: i64 = 400;

/// The share of answered calls among the latest of a list whose ring time is over: placed at `now` less `ring` or before, both in microseconds.
///
/// # Errors
/// Those of the database.
pub fn answer_rate(conn: &mut Conn<'_>, call_list: &str, now: i64, ring: i64) -> Result<AnswerRate> {
    let sql = format!(
        "SELECT start_time, CASE WHEN answer_time IS NOT NULL OR outcome = 5 THEN 1 ELSE 0 END FROM call
         WHERE queue = $1 AND queue <> '' AND direction = 2 AND start_time <= $2 ORDER BY start_time DESC LIMIT {CALLS}"
    );
    let calls = conn.all(&sql, args![call_list, now - ring], |row| Ok((row.int(0)?, row.bool(1)?)))?;
    let first = calls.last().map_or(now, |(start, _)| *start);
    let mut rate = AnswerRate::default();
    for (start, answered) in calls.into_iter().rev() {
        rate.learn(answered, seconds(start - first));
    }
    Ok(rate)
}

/// How long the latest talks and after-call works of a list were.
///
/// # Errors
/// Those of the database.
pub fn handling(conn: &mut Conn<'_>, call_list: &str) -> Result<Handling> {
    let sql = format!(
        "SELECT state, start_time, end_time FROM operator_period
         WHERE call_list = $1 AND call_list <> '' AND end_time IS NOT NULL AND state IN (4, 5) ORDER BY start_time DESC LIMIT {PERIODS}"
    );
    let periods = conn.all(&sql, args![call_list], |row| Ok((row.int(0)?, row.int(1)?, row.int(2)?)))?;
    let mut handling = Handling::default();
    for (state, start, end) in periods.into_iter().rev() {
        let what = if state == State::Talking as i64 { Busy::Talking } else { Busy::Wrapping };
        handling.learn(what, seconds(end - start));
    }
    Ok(handling)
}

/// Calls that ring are not older than this, in microseconds: the end of an older one was missed.
const RINGING_MICROS: i64 = 600_000_000;

/// Calls of a list that ring without an operator.
///
/// # Errors
/// Those of the database.
pub fn ringing(conn: &mut Conn<'_>, call_list: &str, now: i64) -> Result<i64> {
    let sql = "SELECT COUNT(*) FROM call WHERE queue = $1 AND queue <> '' AND start_time > $2 AND state = 1 AND direction = 2 AND handler = ''";
    Ok(conn.one(sql, args![call_list, now - RINGING_MICROS], |row| row.int(0))?.unwrap_or(0))
}

/// Calls of a list that somebody answered for whom nobody was free, and that the figures do not have yet: they go on, or were over a moment ago.
///
/// # Errors
/// Those of the database.
pub fn dropped_uncounted(conn: &mut Conn<'_>, call_list: &str, now: i64) -> Result<i64> {
    let sql = "SELECT COUNT(*) FROM call WHERE queue = $1 AND queue <> '' AND start_time > $2 AND direction = 2 AND announced < 2
         AND ((state = 3 AND outcome = 5) OR (state = 2 AND handler = ''))";
    Ok(conn.one(sql, args![call_list, now - RINGING_MICROS], |row| row.int(0))?.unwrap_or(0))
}

/// Microseconds as seconds.
pub fn seconds(micros: i64) -> f64 {
    micros as f64 / 1e6
}
