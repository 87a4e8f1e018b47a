//! Campaigns in the database, and what became of each partner that one has seen.
//! Called by rpc/campaign.rs and by the campaigns' work.

use std::collections::BTreeMap;

use kontor_kit::audit::{self, Shown};
use kontor_kit::auth::{Caller, Guard};
use kontor_kit::db::{Conn, Row, Tx, Value};
use kontor_kit::page::{Field, Kind, Listing, Page, Query, Scope};
use kontor_kit::resource::{self, Stored};
use kontor_kit::{Error, Result, args};
use roaring::RoaringBitmap;

use crate::domain::campaign::{Campaign, Fate, State};

impl Stored for Campaign {
    const TABLE: &'static str = "campaign";
    const COLUMNS: &'static [&'static str] = &[
        "id",
        "version",
        "display_name",
        "segment",
        "call_list",
        "team",
        "excluded",
        "leavers",
        "priority",
        "state",
        "confirmed",
        "cancelling",
        "pause_reason",
        "creator",
        "create_time",
        "update_time",
        "start_time",
        "fill_time",
        "mailing",
    ];
    const COLLECTION: &'static str = "campaigns";

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
            "creator" | "fill_time" | "start_time" => Shown::Not,
            "excluded" => Shown::As("excluded_segments", Kind::Text),
            "leavers" => Shown::As("leavers", Kind::Enum(LEAVERS)),
            "state" => Shown::As("state", Kind::Enum(STATES)),
            "priority" => Shown::As("priority", Kind::Int),
            "confirmed" => Shown::As("expected_members", Kind::Int),
            "cancelling" => Shown::As("cancel_waiting", Kind::Bool),
            other => audit::column(other),
        }
    }

    fn values(&self) -> Vec<Value> {
        args![
            &self.id,
            self.version,
            &self.display_name,
            &self.segment,
            &self.call_list,
            &self.team,
            self.excluded.join("\n"),
            1 + i64::from(self.keeps_leavers),
            self.priority,
            self.state as i64,
            self.confirmed,
            self.cancelling,
            &self.pause_reason,
            &self.creator,
            self.create_time,
            self.update_time,
            self.start_time,
            self.fill_time,
            &self.mailing,
        ]
        .to_vec()
    }

    fn from_row(row: &Row<'_>, from: usize) -> Result<Self> {
        let state = State::of(row.int(from + 9)?);
        Ok(Campaign {
            id: row.string(from)?,
            version: row.int(from + 1)?,
            display_name: row.string(from + 2)?,
            segment: row.string(from + 3)?,
            call_list: row.string(from + 4)?,
            team: row.string(from + 5)?,
            excluded: row.text(from + 6)?.lines().map(str::to_owned).collect(),
            keeps_leavers: row.int(from + 7)? == 2,
            priority: i32::try_from(row.int(from + 8)?).map_err(Error::internal)?,
            state: state.ok_or_else(|| Error::internal("a campaign has an unknown state"))?,
            confirmed: row.int(from + 10)?,
            cancelling: row.bool(from + 11)?,
            pause_reason: row.string(from + 12)?,
            creator: row.string(from + 13)?,
            create_time: row.int(from + 14)?,
            update_time: row.int(from + 15)?,
            start_time: row.opt_int(from + 16)?,
            fill_time: row.opt_int(from + 17)?,
            mailing: row.string(from + 18)?,
        })
    }
}

/// States by their names in the API.
const STATES: &[(&str, i64)] = &[
    ("DRAFT", 1),
    ("RUNNING", 2),
    ("PAUSED", 3),
    ("ENDED", 4),
    ("CAMPAIGN_STATE_DRAFT", 1),
    ("CAMPAIGN_STATE_RUNNING", 2),
    ("CAMPAIGN_STATE_PAUSED", 3),
    ("CAMPAIGN_STATE_ENDED", 4),
];
const LEAVERS: &[(&str, i64)] = &[("CANCEL", 1), ("KEEP", 2)];

const LISTING: Listing = Listing {
    table: "campaign",
    columns: "id, version, display_name, segment, call_list, team, excluded, leavers, priority, state, confirmed, cancelling, pause_reason, creator, create_time, update_time, start_time, fill_time, mailing",
    id: "id",
    by_key: false,
    fields: &[
        Field::both("display_name", "display_name", Kind::Text),
        Field::filter("state", "state", Kind::Enum(STATES)),
        Field::filter("segment", "('segments/' || segment)", Kind::Text),
        Field::filter("call_list", "call_list", Kind::Text),
        Field::filter("mailing", "mailing", Kind::Text),
        Field::filter("team", "team", Kind::Text),
        Field::order("create_time", "create_time", Kind::Time),
    ],
    default_order: "display_name",
    default_size: 50,
    max_size: 1_000,
};

/// Lists those that the caller may see.
///
/// # Errors
/// INVALID_ARGUMENT naming page_size, page_token, filter or order_by.
pub fn list(conn: &mut Conn<'_>, caller: &Caller, query: &Query) -> Result<Page<Campaign>> {
    resource::list(conn, &LISTING, caller, query, Scope::of(caller, "''", "team"))
}

/// One that the caller may see.
///
/// # Errors
/// NOT_FOUND.
pub fn get(conn: &mut Conn<'_>, caller: &Caller, id: &str) -> Result<Campaign> {
    let campaign: Campaign = resource::get(conn, id)?;
    caller.must_read(&campaign.guard(), &campaign.full_name())?;
    Ok(campaign)
}

/// Those that have work.
///
/// # Errors
/// Those of the database.
pub fn busy(conn: &mut Conn<'_>) -> Result<Vec<Campaign>> {
    let columns = Campaign::COLUMNS.join(", ");
    let sql = format!("SELECT {columns} FROM campaign WHERE state = 2 OR cancelling = 1 ORDER BY id");
    conn.all(&sql, &[], |row| Campaign::from_row(row, 0))
}

/// A campaign that has not ended and needs a segment.
///
/// # Errors
/// Those of the database.
pub fn of_segment(conn: &mut Conn<'_>, segment: &str) -> Result<Option<String>> {
    let sql = "SELECT id, segment, excluded FROM campaign WHERE state <> 4 ORDER BY id";
    let all = conn.all(sql, &[], |row| {
        let is_used = row.text(1)? == segment || row.text(2)?.lines().any(|it| it == segment);
        Ok(is_used.then_some(format!("campaigns/{}", row.text(0)?)))
    })?;
    Ok(all.into_iter().flatten().next())
}

/// A partner of a campaign.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Its number.
    pub ord: u32,
    /// "partners/{id}".
    pub partner: String,
    /// Name for people.
    pub display_name: String,
    /// What became of it.
    pub fate: Fate,
    /// E.164, or empty.
    pub number: String,
    /// When.
    pub time: i64,
}

fn seen(row: &Row<'_>) -> Result<Seen> {
    Ok(Seen {
        ord: u32::try_from(row.int(0)?).map_err(Error::internal)?,
        partner: row.string(1)?,
        display_name: row.string(2)?,
        fate: fate(row.int(3)?)?,
        number: row.string(4)?,
        time: row.int(5)?,
    })
}

pub(super) fn fate(number: i64) -> Result<Fate> {
    Fate::of(number).ok_or_else(|| Error::internal("a partner of a campaign has an unknown state"))
}

/// Partners of a campaign behind a number, in order; with a fate only those.
///
/// # Errors
/// Those of the database.
pub fn partners(
    conn: &mut Conn<'_>,
    campaign: &str,
    fate: Option<Fate>,
    after: i64,
    limit: i64,
) -> Result<Vec<Seen>> {
    let mut args = args![campaign, after, limit].to_vec();
    let mut only = "";
    if let Some(fate) = fate {
        let also = if fate == Fate::Listed { Fate::Duplicate } else { fate };
        args.extend([(fate as i64).into(), (also as i64).into()]);
        only = " AND state IN ($4, $5)";
    }
    let sql = format!(
        "SELECT it.ord, partner, COALESCE(display_name, ''), state, number, time FROM campaign_partner AS it
         JOIN partner_ord ON partner_ord.ord = it.ord LEFT JOIN fact_partner ON fact_partner.ord = it.ord
         WHERE campaign = $1 AND it.ord > $2{only} ORDER BY it.ord LIMIT $3"
    );
    conn.all(&sql, &args, seen)
}

/// One partner of a campaign.
///
/// # Errors
/// Those of the database.
pub fn one(conn: &mut Conn<'_>, campaign: &str, ord: u32) -> Result<Option<(Fate, String)>> {
    let sql = "SELECT state, number FROM campaign_partner WHERE campaign = $1 AND ord = $2";
    conn.one(sql, args![campaign, ord], |row| Ok((fate(row.int(0)?)?, row.string(1)?)))
}

/// The partners of a campaign, by what became of them.
///
/// # Errors
/// Those of the database.
pub fn all(conn: &mut Conn<'_>, campaign: &str) -> Result<BTreeMap<Fate, RoaringBitmap>> {
    let mut all: BTreeMap<Fate, RoaringBitmap> = BTreeMap::new();
    let sql = "SELECT state, ord FROM campaign_partner WHERE campaign = $1 ORDER BY state, ord";
    conn.each(sql, args![campaign], |row| {
        let ord = u32::try_from(row.int(1)?).map_err(Error::internal)?;
        all.entry(fate(row.int(0)?)?).or_default().insert(ord);
        Ok(())
    })?;
    Ok(all)
}

/// Partners behind a number that had no number to call and have one now, and those whose number was not to be called and may be called now.
///
/// # Errors
/// Those of the database.
pub fn with_number_now(
    conn: &mut Conn<'_>,
    campaign: &str,
    after: Option<u32>,
    limit: i64,
) -> Result<Vec<u32>> {
    let sql = "SELECT ord FROM campaign_partner AS it WHERE campaign = $1 AND state = 4 AND ord > $3
         AND EXISTS (SELECT 1 FROM fact_text WHERE fact_text.ord = it.ord AND field = 'phones')
         UNION ALL SELECT ord FROM campaign_partner AS it WHERE campaign = $1 AND state = 5 AND ord > $3
         AND NOT EXISTS (SELECT 1 FROM do_not_call WHERE e164 = it.number) ORDER BY ord LIMIT $2";
    let after = after.map_or(-1, i64::from);
    conn.all(sql, args![campaign, limit, after], |row| u32::try_from(row.int(0)?).map_err(Error::internal))
}

/// Writes what became of partners.
///
/// # Errors
/// Those of the database.
pub fn put(tx: &mut Tx<'_>, campaign: &str, all: &[(u32, Fate, String)]) -> Result<()> {
    let now = tx.now();
    let rows =
        all.iter().map(|(ord, fate, number)| args![campaign, *ord, *fate as i64, number, now].to_vec());
    let rows: Vec<_> = rows.collect();
    tx.insert_many(
        "campaign_partner",
        "campaign, ord, state, number, time",
        rows.into_iter(),
        "ON CONFLICT (campaign, ord) DO UPDATE SET state = excluded.state, number = excluded.number, time = excluded.time",
    )
}
