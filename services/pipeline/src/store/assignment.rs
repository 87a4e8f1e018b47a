//! Members, requirements and the log of assignments in the database.
//! Called by rpc/assignment.rs; `note` by whoever gives an opportunity to someone.

use std::collections::HashMap;

use kontor_kit::audit::{Action, Entry, Shown};
use kontor_kit::auth::Guard;
use kontor_kit::db::{Conn, Row, Tx, Value};
use kontor_kit::page::Kind;
use kontor_kit::resource::{self, Stored};
use kontor_kit::{Result, args, audit, id};

use crate::domain::assignment::{Days, Item, Member, Need, Past, Point, Skill, WINDOW};
use crate::domain::opportunity::Opportunity;

impl Stored for Member {
    const TABLE: &'static str = "assignment_member";
    const COLUMNS: &'static [&'static str] = &[
        "id",
        "version",
        "team",
        "active",
        "capacity",
        "skills",
        "territories",
        "latitude",
        "longitude",
        "radius_km",
        "preference",
    ];
    const COLLECTION: &'static str = "members";

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
        Guard::new(format!("users/{}", self.id), self.team.as_str())
    }

    fn shown(column: &'static str) -> Shown {
        match column {
            "active" => Shown::As("active", Kind::Bool),
            "latitude" => Shown::As("home.latitude", Kind::Text),
            "longitude" => Shown::As("home.longitude", Kind::Text),
            other => audit::column(other),
        }
    }

    fn values(&self) -> Vec<Value> {
        vec![
            (&self.id).into(),
            self.version.into(),
            (&self.team).into(),
            self.active.into(),
            self.capacity.into(),
            join(&self.skills).into(),
            super::join(&self.territories).into(),
            self.home.map(|home| home.latitude).into(),
            self.home.map(|home| home.longitude).into(),
            self.radius_km.into(),
            self.preference.into(),
        ]
    }

    fn from_row(row: &Row<'_>, from: usize) -> Result<Self> {
        let small = |at: usize| i32::try_from(row.int(from + at)?).map_err(kontor_kit::Error::internal);
        Ok(Member {
            id: row.string(from)?,
            version: row.int(from + 1)?,
            team: row.string(from + 2)?,
            active: row.bool(from + 3)?,
            capacity: small(4)?,
            skills: split(row.text(from + 5)?),
            territories: super::split(row.text(from + 6)?),
            home: point(row, from + 7)?,
            radius_km: small(9)?,
            preference: small(10)?,
        })
    }
}

fn join(skills: &[Skill]) -> String {
    skills.iter().map(|(name, level)| format!("{name}={level}\n")).collect()
}

fn split(text: &str) -> Vec<Skill> {
    let skill = |line: &str| {
        let (name, level) = line.split_once('=')?;
        Some((name.to_owned(), level.parse().ok()?))
    };
    text.lines().filter_map(skill).collect()
}

fn point(row: &Row<'_>, at: usize) -> Result<Option<Point>> {
    let (latitude, longitude) = (row.opt_int(at)?, row.opt_int(at + 1)?);
    Ok(latitude.zip(longitude).map(|(latitude, longitude)| Point { latitude, longitude }))
}

/// The members of a team by name, 1,000 at most.
///
/// # Errors
/// Those of the database.
pub fn members(conn: &mut Conn<'_>, team: &str) -> Result<Vec<Member>> {
    let columns = Member::COLUMNS.join(", ");
    let sql = format!("SELECT {columns} FROM assignment_member WHERE team = $1 ORDER BY id LIMIT 1000");
    conn.all(&sql, args![team], |row| Member::from_row(row, 0))
}

/// Holds the members of a team and then its queue until the commit, both in a fixed order: a second worker waits here and then
/// sees what the first one gave. On SQLite there is one writer.
///
/// # Errors
/// Those of the database.
pub fn hold(tx: &mut Tx<'_>, team: &str, count: i64) -> Result<()> {
    if tx.is_postgres() {
        let sql = "SELECT 1 FROM assignment_member WHERE team = $1 ORDER BY id FOR UPDATE";
        tx.all(sql, args![team], |_| Ok(()))?;
        let sql = "SELECT 1 FROM opportunity WHERE assignee = '' AND state = 1 AND team = $1 ORDER BY create_time, id LIMIT $2 FOR UPDATE";
        tx.all(sql, args![team, count], |_| Ok(()))?;
    }
    Ok(())
}

/// The oldest open opportunities of a team that nobody has.
///
/// # Errors
/// Those of the database.
pub fn queue(conn: &mut Conn<'_>, team: &str, count: i64) -> Result<Vec<Opportunity>> {
    let columns = Opportunity::COLUMNS.join(", ");
    let sql = format!(
        "SELECT {columns} FROM opportunity WHERE assignee = '' AND state = 1 AND team = $1 ORDER BY create_time, id LIMIT $2"
    );
    conn.all(&sql, args![team, count], |row| Opportunity::from_row(row, 0))
}

/// What each member had in the window that ends now, and when it has time. Who came after the calendar was asked is left out.
///
/// # Errors
/// Those of the database.
pub fn with_past(
    conn: &mut Conn<'_>,
    members: Vec<Member>,
    days: &HashMap<String, Days>,
    now: i64,
) -> Result<Vec<(Member, Past)>> {
    let sql = "SELECT COUNT(CASE WHEN time > $2 THEN 1 END), COALESCE(MAX(time), 0) FROM assignment WHERE member = $1";
    let mut found = Vec::with_capacity(members.len());
    for member in members {
        let (away, free) = match days.get(&member.id) {
            Some(days) => (days.away_at(now), days.free_from(now)),
            // Nobody asks about who gets nothing anyway.
            None if !member.active => (None, None),
            None => continue,
        };
        let past = conn.one(sql, args![&member.id, now - WINDOW], |row| {
            Ok(Past { recent: row.int(0)?, last: row.int(1)?, away, free, now })
        })?;
        found.push((member, past.unwrap_or_default()));
    }
    Ok(found)
}

/// An opportunity with what an assignment has to know of it.
///
/// # Errors
/// Those of the database.
pub fn item(conn: &mut Conn<'_>, deal: &Opportunity) -> Result<Item> {
    let sql = "SELECT DISTINCT assignee FROM opportunity WHERE partner = $1 AND partner <> '' AND assignee <> '' AND id <> $2";
    let known = conn.all(sql, args![&deal.details.partner, &deal.id], |row| row.string(0))?;
    let known = known.iter().filter_map(|user| user.strip_prefix("users/").map(str::to_owned)).collect();
    Ok(Item { id: deal.id.clone(), need: need(conn, &deal.id)?, known })
}

/// What an opportunity asks for.
///
/// # Errors
/// Those of the database.
pub fn need(conn: &mut Conn<'_>, opportunity: &str) -> Result<Need> {
    let sql = "SELECT skills, country, postcode, latitude, longitude, deadline FROM assignment_need WHERE opportunity = $1";
    let found = conn.one(sql, args![opportunity], |row| {
        let place = point(row, 3)?;
        Ok(Need {
            skills: split(row.text(0)?),
            country: row.string(1)?,
            postcode: row.string(2)?,
            place,
            deadline: row.opt_int(5)?,
        })
    })?;
    Ok(found.unwrap_or_default())
}

/// Replaces what an opportunity asks for. Its row is held by the caller.
///
/// # Errors
/// Those of the database.
pub fn set_need(tx: &mut Tx<'_>, deal: &Opportunity, need: &Need) -> Result<()> {
    let opportunity = deal.id.as_str();
    let old = self::need(tx, opportunity)?;
    tx.audit(audit_need(Action::Update, deal, &old, need));
    tx.execute("DELETE FROM assignment_need WHERE opportunity = $1", args![opportunity])?;
    let (latitude, longitude) = need.place.map(|place| (place.latitude, place.longitude)).unzip();
    let sql = "INSERT INTO assignment_need (opportunity, skills, country, postcode, latitude, longitude, deadline) VALUES ($1, $2, $3, $4, $5, $6, $7)";
    let skills = join(&need.skills);
    tx.execute(
        sql,
        args![opportunity, skills, &need.country, &need.postcode, latitude, longitude, need.deadline],
    )?;
    Ok(())
}

/// An opportunity was deleted: what it asked for goes, what was given stays counted.
///
/// # Errors
/// Those of the database.
pub fn forget_need(tx: &mut Tx<'_>, deal: &Opportunity) -> Result<()> {
    let old = need(tx, &deal.id)?;
    tx.audit(audit_need(Action::Delete, deal, &old, &Need::default()));
    tx.execute("DELETE FROM assignment_need WHERE opportunity = $1", args![&deal.id])?;
    Ok(())
}

fn audit_need(action: Action, deal: &Opportunity, old: &Need, new: &Need) -> Entry {
    let facts = |need: &Need| {
        let place = need.place.map(|place| format!("{}, {}", place.latitude, place.longitude));
        [
            ("requirements.skills", join(&need.skills)),
            ("requirements.country", need.country.clone()),
            ("requirements.postcode", need.postcode.clone()),
            ("requirements.place", place.unwrap_or_default()),
            ("requirements.response_deadline", need.deadline.map(audit::instant).unwrap_or_default()),
        ]
    };
    let entry = Entry::new(action, deal.name(), &deal.guard()).partner(&deal.details.partner);
    facts(old)
        .into_iter()
        .zip(facts(new))
        .fold(entry, |entry, ((name, old), (_, new))| entry.field(name, old, new))
}

/// Logs that an opportunity was given to its assignee, by a batch or by hand: both fill the windows.
///
/// # Errors
/// Those of the database.
pub fn note(tx: &mut Tx<'_>, deal: &Opportunity) -> Result<()> {
    if let Some(member) = deal.details.assignee.strip_prefix("users/") {
        let now = tx.now();
        let sql = "INSERT INTO assignment (id, opportunity, member, time) VALUES ($1, $2, $3, $4)";
        tx.execute(sql, args![id::new(), &deal.id, member, now])?;
    }
    Ok(())
}

/// The member as it is now, held until the commit; none when there is none.
///
/// # Errors
/// Those of the database.
pub fn find_for_change(tx: &mut Tx<'_>, member: &str) -> Result<Option<Member>> {
    tx.execute("UPDATE assignment_member SET version = version WHERE id = $1", args![member])?;
    let sql = format!("SELECT {} FROM assignment_member WHERE id = $1", Member::COLUMNS.join(", "));
    tx.one(&sql, args![member], |row| Member::from_row(row, 0))
}

/// Gives a held opportunity to a member.
///
/// # Errors
/// ABORTED when someone changed it since.
pub fn give(tx: &mut Tx<'_>, deal: &mut Opportunity, member: &Member) -> Result<()> {
    deal.details.assignee = format!("users/{}", member.id);
    deal.update_time = tx.now();
    resource::update(tx, deal)?;
    note(tx, deal)
}
