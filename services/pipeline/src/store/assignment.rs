//! Members, requirements and the log of assignments in the database.
//! Called by rpc/assignment.rs and rpc/assignment_batch.rs; `note` by whoever gives an opportunity to someone.

use std::collections::{HashMap, HashSet};

use kontor_kit::audit::{Action, Entry, Shown};
use kontor_kit::auth::Guard;
use kontor_kit::db::{Conn, Row, Tx, Value};
use kontor_kit::page::Kind;
use kontor_kit::resource::{self, Stored};
use kontor_kit::{Error, Result, args, audit, id};

use crate::domain::assignment::{Days, Item, Member, Need, Past, Point, Skill, WINDOW};
use crate::domain::opportunity::{Opportunity, Outcome};

/// Members of a team at most.
const TEAM: i64 = 1_000;

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

/// The members of a team by name, all 1,000 that it may have.
///
/// # Errors
/// Those of the database.
pub fn members(conn: &mut Conn<'_>, team: &str) -> Result<Vec<Member>> {
    members_with(conn, team, "")
}

/// The members of a team by name, as they are now, held until the commit: a second worker waits here. On SQLite there is one writer.
///
/// # Errors
/// Those of the database.
pub fn hold_members(tx: &mut Tx<'_>, team: &str) -> Result<Vec<Member>> {
    let lock = if tx.is_postgres() { " FOR UPDATE" } else { "" };
    members_with(tx, team, lock)
}

fn members_with(conn: &mut Conn<'_>, team: &str, lock: &str) -> Result<Vec<Member>> {
    let columns = Member::COLUMNS.join(", ");
    let sql =
        format!("SELECT {columns} FROM assignment_member WHERE team = $1 ORDER BY id LIMIT {TEAM}{lock}");
    conn.all(&sql, args![team], |row| Member::from_row(row, 0))
}

/// Checks that a team has room for this member, if it is not there yet. Two who come at the same time wait for each other at the team's first member,
/// so this comes before any other row is held.
///
/// # Errors
/// FAILED_PRECONDITION when it has 1,000 members.
pub fn must_have_room(tx: &mut Tx<'_>, team: &str, member: &str) -> Result<()> {
    let sql = "SELECT 1 FROM assignment_member WHERE id = $1 AND team = $2";
    if tx.one(sql, args![member, team], |_| Ok(()))?.is_some() {
        return Ok(());
    }
    if tx.is_postgres() {
        let sql = "SELECT 1 FROM assignment_member WHERE team = $1 ORDER BY id LIMIT 1 FOR UPDATE";
        tx.all(sql, args![team], |_| Ok(()))?;
    }
    let sql = "SELECT COUNT(*) FROM assignment_member WHERE team = $1";
    if tx.one(sql, args![team], |row| row.int(0))?.unwrap_or(0) < TEAM {
        return Ok(());
    }
    let message = format!("{team} has {TEAM} members, which is the limit: delete one, or use a second team");
    Err(Error::precondition("TEAM_FULL", message))
}

/// An opportunity that waits, and what its plan rests on.
pub struct Waiting {
    /// For the plan.
    pub item: Item,
    /// Its partner, whose other opportunities count as a relation.
    partner: String,
    /// Its place in the queue.
    place: Place,
}

/// A place in the queue: create time and id.
pub type Place = (i64, String);

impl Waiting {
    /// Its place in the queue.
    pub fn place(&self) -> &Place {
        &self.place
    }
}

/// The open opportunities of a team that nobody has, oldest first, a part at a time.
pub struct Queue {
    team: String,
    /// The last one that was read.
    after: Place,
    /// Members that have an opportunity of a partner.
    known: HashMap<String, Vec<String>>,
}

impl Queue {
    /// From the oldest on.
    pub fn new(team: &str) -> Self {
        Queue { team: team.to_owned(), after: (i64::MIN, String::new()), known: HashMap::new() }
    }

    /// Goes on behind a place.
    pub fn go_to(&mut self, place: Place) {
        self.after = place;
    }

    /// The next ones; fewer than `count` at the end.
    ///
    /// # Errors
    /// Those of the database.
    pub fn next(&mut self, conn: &mut Conn<'_>, count: usize) -> Result<Vec<Waiting>> {
        let sql = "SELECT o.id, o.create_time, o.partner, n.opportunity, n.skills, n.country, n.postcode, n.latitude, n.longitude, n.deadline
             FROM opportunity o LEFT JOIN assignment_need n ON n.opportunity = o.id
             WHERE o.assignee = '' AND o.state = 1 AND o.team = $1 AND (o.create_time, o.id) > ($2, $3)
             ORDER BY o.create_time, o.id LIMIT $4";
        let count = i64::try_from(count).map_err(Error::internal)?;
        let (after, mut last) = (self.after.clone(), None);
        let mut found = conn.all(sql, args![&self.team, after.0, after.1, count], |row| {
            let need = if row.opt_text(3)?.is_some() { need_from(row, 4)? } else { Need::default() };
            let id = row.string(0)?;
            let place = (row.int(1)?, id.clone());
            last = Some(place.clone());
            let item = Item { id, need, known: Vec::new() };
            Ok(Waiting { item, partner: row.string(2)?, place })
        })?;
        for waiting in &mut found {
            waiting.item.known = match self.known.get(&waiting.partner) {
                Some(users) => users.clone(),
                None => {
                    let users = known(conn, &waiting.partner, "")?;
                    self.known.insert(waiting.partner.clone(), users.clone());
                    users
                }
            };
        }
        if let Some(last) = last {
            self.after = last;
        }
        Ok(found)
    }
}

/// Where a team's batches go on behind the head of the queue; none when that was never needed, or they came to the end.
///
/// # Errors
/// Those of the database.
pub fn mark(conn: &mut Conn<'_>, team: &str) -> Result<Option<Place>> {
    let sql = "SELECT create_time, opportunity FROM assignment_mark WHERE team = $1";
    conn.one(sql, args![team], |row| Ok((row.int(0)?, row.string(1)?)))
}

/// Sets or takes away that mark.
///
/// # Errors
/// Those of the database.
pub fn set_mark(tx: &mut Tx<'_>, team: &str, mark: Option<&Place>) -> Result<()> {
    tx.execute("DELETE FROM assignment_mark WHERE team = $1", args![team])?;
    if let Some((time, id)) = mark {
        let sql = "INSERT INTO assignment_mark (team, create_time, opportunity) VALUES ($1, $2, $3)
                   ON CONFLICT (team) DO UPDATE SET create_time = excluded.create_time, opportunity = excluded.opportunity";
        tx.execute(sql, args![team, *time, id])?;
    }
    Ok(())
}

/// One that waited when the plan was made, held until the commit; none when anything that its plan rests on changed since, or somebody is changing it
/// now. Nobody is waited for: whoever changes it may hold others that this batch wants.
///
/// # Errors
/// Those of the database.
pub fn hold_waiting(tx: &mut Tx<'_>, team: &str, waiting: &Waiting) -> Result<Option<Opportunity>> {
    let lock = if tx.is_postgres() { " FOR UPDATE SKIP LOCKED" } else { "" };
    let columns = Opportunity::COLUMNS.join(", ");
    let sql = format!("SELECT {columns} FROM opportunity WHERE id = $1{lock}");
    let deal = tx.one(&sql, args![&waiting.item.id], |row| Opportunity::from_row(row, 0))?;
    let Some(deal) = deal else { return Ok(None) };
    let details = &deal.details;
    let waits = deal.outcome == Outcome::Open
        && details.assignee.is_empty()
        && details.team == team
        && details.partner == waiting.partner
        && need(tx, &deal.id)? == waiting.item.need;
    Ok(waits.then_some(deal))
}

/// What each member had in the window that ends now, and when it has time. Who came after the calendar was asked is left out.
///
/// # Errors
/// Those of the database.
pub fn with_past(
    conn: &mut Conn<'_>,
    members: Vec<Member>,
    days: &HashMap<String, Days>,
    disabled: &HashSet<String>,
    now: i64,
) -> Result<Vec<(Member, Past)>> {
    let mut found = Vec::with_capacity(members.len());
    for member in members {
        let disabled = disabled.contains(&member.id);
        let (away, free) = match days.get(&member.id) {
            Some(days) => (days.away_at(now), days.free_from(now)),
            // Nobody asks about who gets nothing anyway.
            None if !member.active || disabled => (None, None),
            None => continue,
        };
        let recent = recent(conn, &member.id, now)?;
        let sql = "SELECT COALESCE(MAX(time), 0) FROM assignment WHERE member = $1";
        let last = conn.one(sql, args![&member.id], |row| row.int(0))?.unwrap_or(0);
        found.push((member, Past { recent, last, away, free, now, disabled }));
    }
    Ok(found)
}

/// How many a member had in the window that ends at this instant.
///
/// # Errors
/// Those of the database.
pub fn recent(conn: &mut Conn<'_>, member: &str, now: i64) -> Result<i64> {
    let sql = "SELECT COUNT(*) FROM assignment WHERE member = $1 AND time > $2";
    Ok(conn.one(sql, args![member, now - WINDOW], |row| row.int(0))?.unwrap_or(0))
}

/// An opportunity with what an assignment has to know of it.
///
/// # Errors
/// Those of the database.
pub fn item(conn: &mut Conn<'_>, deal: &Opportunity) -> Result<Item> {
    let known = known(conn, &deal.details.partner, &deal.id)?;
    Ok(Item { id: deal.id.clone(), need: need(conn, &deal.id)?, known })
}

/// Users who have an opportunity of a partner, apart from this one.
fn known(conn: &mut Conn<'_>, partner: &str, but: &str) -> Result<Vec<String>> {
    // Most have no partner yet, and those are no relation of each other.
    if partner.is_empty() {
        return Ok(Vec::new());
    }
    let sql = "SELECT DISTINCT assignee FROM opportunity WHERE partner = $1 AND assignee <> '' AND id <> $2";
    let known = conn.all(sql, args![partner, but], |row| row.string(0))?;
    Ok(known.iter().filter_map(|user| user.strip_prefix("users/").map(str::to_owned)).collect())
}

/// What an opportunity asks for.
///
/// # Errors
/// Those of the database.
pub fn need(conn: &mut Conn<'_>, opportunity: &str) -> Result<Need> {
    let sql = "SELECT skills, country, postcode, latitude, longitude, deadline FROM assignment_need WHERE opportunity = $1";
    Ok(conn.one(sql, args![opportunity], |row| need_from(row, 0))?.unwrap_or_default())
}

fn need_from(row: &Row<'_>, from: usize) -> Result<Need> {
    Ok(Need {
        skills: split(row.text(from)?),
        country: row.string(from + 1)?,
        postcode: row.string(from + 2)?,
        place: point(row, from + 3)?,
        deadline: row.opt_int(from + 5)?,
    })
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

/// What an opportunity asks for goes, what was given stays counted. Called before the opportunity itself is deleted, so that the audit tells both as one.
///
/// # Errors
/// Those of the database.
pub fn forget_need(tx: &mut Tx<'_>, deal: &Opportunity) -> Result<()> {
    let old = need(tx, &deal.id)?;
    tx.audit(audit_need(Action::Update, deal, &old, &Need::default()));
    tx.execute("DELETE FROM assignment_need WHERE opportunity = $1", args![&deal.id])?;
    Ok(())
}

/// What an opportunity asks for was put back by a statement of another store.
///
/// # Errors
/// Those of the database.
pub fn note_need(tx: &mut Tx<'_>, deal: &Opportunity) -> Result<()> {
    let new = need(tx, &deal.id)?;
    tx.audit(audit_need(Action::Update, deal, &Need::default(), &new));
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
/// Those of the database.
pub fn give(tx: &mut Tx<'_>, deal: &mut Opportunity, member: &Member) -> Result<()> {
    deal.details.assignee = format!("users/{}", member.id);
    deal.update_time = tx.now();
    resource::update(tx, deal)?;
    note(tx, deal)
}
