//! Mailings in the database.
//! Called by rpc and the sender.

use std::sync::Arc;

use kontor_kit::audit::{self, Shown};
use kontor_kit::auth::{Caller, Guard};
use kontor_kit::db::{Conn, Row, Tx, Value};
use kontor_kit::page::{Field, Kind, Listing, Page, Query, Scope};
use kontor_kit::resource::{self, Stored};
use kontor_kit::{Error, Result, args};

use crate::domain::hours::Hours;
use crate::domain::mailing::{Basis, Mailing, State};
use crate::domain::pace::Rate;

impl Stored for Mailing {
    const TABLE: &'static str = "mailing";
    const COLUMNS: &'static [&'static str] = &[
        "id",
        "version",
        "display_name",
        "template",
        "subject",
        "sender",
        "reply_to",
        "team",
        "owner",
        "basis",
        "purpose",
        "locale",
        "start_time",
        "end_time",
        "hours_from",
        "hours_until",
        "weekdays_only",
        "rate",
        "keep_open",
        "state",
        "pause_reason",
        "revision",
        "confirmed",
        "create_time",
        "update_time",
        "finish_time",
        // The last two stand in no list.
        "body",
        "fields",
    ];
    const COLLECTION: &'static str = "mailings";

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
        self.guard()
    }

    fn shown(column: &'static str) -> Shown {
        match column {
            "body" => Shown::As("text", Kind::Text),
            "sender" => Shown::As("from", Kind::Text),
            "basis" => Shown::As("basis", Kind::Enum(BASES)),
            "state" => Shown::As("state", Kind::Enum(STATES)),
            "hours_from" => Shown::As("daily_hours.from_minute", Kind::Int),
            "hours_until" => Shown::As("daily_hours.until_minute", Kind::Int),
            "weekdays_only" => Shown::As("daily_hours.weekdays_only", Kind::Bool),
            "rate" => Shown::As("messages_per_minute", Kind::Int),
            "keep_open" => Shown::As("keep_open", Kind::Bool),
            "confirmed" => Shown::As("expected_recipients", Kind::Int),
            // Values in bytes, which nobody reads.
            "fields" | "finish_time" => Shown::Not,
            other => audit::column(other),
        }
    }

    fn values(&self) -> Vec<Value> {
        args![
            &self.id,
            self.version,
            &self.display_name,
            &self.template,
            &self.subject,
            &self.sender,
            &self.reply_to,
            &self.team,
            &self.owner,
            self.basis as i64,
            &self.purpose,
            &self.locale,
            self.start_time,
            self.end_time,
            self.hours.map(|hours| hours.from),
            self.hours.map(|hours| hours.until),
            self.hours.is_some_and(|hours| hours.weekdays_only),
            self.rate,
            self.keep_open,
            self.state as i64,
            &self.pause_reason,
            &self.revision,
            self.confirmed,
            self.create_time,
            self.update_time,
            self.finish_time,
            &self.text,
            &self.fields[..],
        ]
        .to_vec()
    }

    fn from_row(row: &Row<'_>, from: usize) -> Result<Self> {
        let mut found = short(row, from)?;
        found.text = row.string(from + SHORT)?;
        found.fields = row.bytes(from + SHORT + 1)?.to_vec();
        Ok(found)
    }
}

/// Columns of `short`.
const SHORT: usize = 26;

/// Reads what a list shows (`LISTING.columns`): all but the text and the fields.
fn short(row: &Row<'_>, from: usize) -> Result<Mailing> {
    let weekdays_only = row.bool(from + 16)?;
    let hours = row.opt_int(from + 14)?.zip(row.opt_int(from + 15)?);
    let state = State::of(row.int(from + 19)?);
    Ok(Mailing {
        id: row.string(from)?,
        version: row.int(from + 1)?,
        display_name: row.string(from + 2)?,
        template: row.string(from + 3)?,
        subject: row.string(from + 4)?,
        text: String::new(),
        sender: row.string(from + 5)?,
        reply_to: row.string(from + 6)?,
        team: row.string(from + 7)?,
        owner: row.string(from + 8)?,
        basis: if row.int(from + 9)? == 2 { Basis::NotWithdrawn } else { Basis::Consent },
        purpose: row.string(from + 10)?,
        fields: Vec::new(),
        locale: row.string(from + 11)?,
        start_time: row.opt_int(from + 12)?,
        end_time: row.opt_int(from + 13)?,
        hours: hours.map(|(from, until)| Hours { from, until, weekdays_only }),
        rate: row.int(from + 17)?,
        keep_open: row.bool(from + 18)?,
        state: state.ok_or_else(|| Error::internal("a mailing has an unknown state"))?,
        pause_reason: row.string(from + 20)?,
        revision: row.string(from + 21)?,
        confirmed: row.int(from + 22)?,
        create_time: row.int(from + 23)?,
        update_time: row.int(from + 24)?,
        finish_time: row.opt_int(from + 25)?,
    })
}

const BASES: &[(&str, i64)] = &[("CONSENT", 1), ("NOT_WITHDRAWN", 2)];
const STATES: &[(&str, i64)] = &[
    ("DRAFT", 1),
    ("SCHEDULED", 2),
    ("RUNNING", 3),
    ("PAUSED", 4),
    ("COMPLETED", 5),
    ("CANCELLED", 6),
    ("EXPIRED", 7),
    ("MAILING_STATE_DRAFT", 1),
    ("MAILING_STATE_SCHEDULED", 2),
    ("MAILING_STATE_RUNNING", 3),
    ("MAILING_STATE_PAUSED", 4),
    ("MAILING_STATE_COMPLETED", 5),
    ("MAILING_STATE_CANCELLED", 6),
    ("MAILING_STATE_EXPIRED", 7),
];

const LISTING: Listing = Listing {
    table: "mailing",
    columns: "id, version, display_name, template, subject, sender, reply_to, team, owner, basis, purpose, locale, start_time, end_time, hours_from, hours_until, weekdays_only, rate, keep_open, state, pause_reason, revision, confirmed, create_time, update_time, finish_time",
    id: "id",
    by_key: false,
    fields: &[
        Field::both("display_name", "display_name", Kind::Text),
        Field::filter("state", "state", Kind::Enum(STATES)),
        Field::filter("owner", "owner", Kind::User),
        Field::filter("team", "team", Kind::Text),
        Field::filter("template", "template", Kind::Text),
        Field::order("create_time", "create_time", Kind::Time),
        Field::order("update_time", "update_time", Kind::Time),
    ],
    default_order: "create_time desc",
    default_size: 50,
    max_size: 1_000,
};

/// Those that the caller may see, without their texts and fields: a thousand of them would be gigabytes.
///
/// # Errors
/// INVALID_ARGUMENT naming page_size, page_token, filter or order_by.
pub fn list(conn: &mut Conn<'_>, caller: &Caller, query: &Query) -> Result<Page<Mailing>> {
    LISTING.run(conn, caller, query, Scope::of(caller, "owner", "team"), |row| short(row, 2))
}

/// One that the caller may see.
///
/// # Errors
/// NOT_FOUND.
pub fn get(conn: &mut Conn<'_>, caller: &Caller, id: &str) -> Result<Mailing> {
    let found: Mailing = resource::get(conn, id)?;
    caller.must_read(&found.guard(), &found.full_name())?;
    Ok(found)
}

/// One that the caller may change, held until the commit.
///
/// # Errors
/// NOT_FOUND, PERMISSION_DENIED, ABORTED for another etag.
pub fn hold(tx: &mut Tx<'_>, caller: &Caller, id: &str, etag: &str) -> Result<Mailing> {
    let found: Mailing = resource::hold(tx, id)?;
    caller.must_write(&found.guard(), &found.full_name())?;
    resource::check_etag(&found, etag)?;
    Ok(found)
}

/// Those that run, have a lane to look at, and may go now by their rate, and by their end and hours (`may_go`): `limit` of them, beginning with the one whose `turn` it is, so that none
/// is always the first. What is `known` in the same version is not read again.
///
/// # Errors
/// Those of the database.
pub fn ready(
    conn: &mut Conn<'_>,
    now: i64,
    (turn, limit): (usize, usize),
    may_go: impl Fn(Option<i64>, Option<Hours>) -> bool,
    known: &[Arc<Mailing>],
) -> Result<Vec<Arc<Mailing>>> {
    let sql = "SELECT id, version, end_time, hours_from, hours_until, weekdays_only, rate,
            COALESCE((SELECT used FROM pace WHERE pace.id = 'mailings/' || mailing.id), 0)
         FROM mailing WHERE state IN (2, 3, 4) AND state = 3
         AND EXISTS (SELECT 1 FROM lane WHERE lane.mailing = mailing.id AND lane.ready <= $1) ORDER BY id";
    let mut found = conn.all(sql, args![now], |row| {
        let weekdays_only = row.bool(5)?;
        let hours = row.opt_int(3)?.zip(row.opt_int(4)?);
        let hours = hours.map(|(from, until)| Hours { from, until, weekdays_only });
        // One whose rate is used up is not asked again by a write before that lets one go.
        let used = row.int(7)?;
        let has_rate = Rate::per_minute(row.int(6)?).is_none_or(|rate| rate.allows(used, now, 1) > 0);
        Ok((row.string(0)?, row.int(1)?, has_rate && may_go(row.opt_int(2)?, hours)))
    })?;
    found.retain(|(_, _, may_go)| *may_go);
    if !found.is_empty() {
        let turn = turn % found.len();
        found.rotate_left(turn);
    }
    let whole = |(id, version, _): &(String, i64, bool)| {
        let known = known.iter().find(|it| it.id == *id && it.version == *version);
        known.map_or_else(|| resource::get(conn, id).map(Arc::new), |known| Ok(known.clone()))
    };
    found.iter().take(limit).map(whole).collect()
}

/// All that are scheduled, run or are paused, without their texts and fields: they are looked at every second.
///
/// # Errors
/// Those of the database.
pub fn live(conn: &mut Conn<'_>) -> Result<Vec<Mailing>> {
    let columns = LISTING.columns;
    let sql = format!("SELECT {columns} FROM mailing WHERE state IN (2, 3, 4) ORDER BY id");
    conn.all(&sql, &[], |row| short(row, 0))
}
