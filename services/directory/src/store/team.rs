//! Teams and their members in the database.
//! Called by rpc/team.rs and admin.rs.

use std::collections::BTreeSet;

use kontor_kit::audit::{Action, Entry};
use kontor_kit::auth::{Caller, Guard};
use kontor_kit::db::{Conn, Row, Tx, Value};
use kontor_kit::page::{Field, Kind, Listing, Page, Query};
use kontor_kit::resource::{self, Stored};
use kontor_kit::{Error, Result, args};

use super::{credential, user};
use crate::domain::team::Team;

impl Stored for Team {
    const TABLE: &'static str = "team";
    const COLUMNS: &'static [&'static str] = &["id", "version", "display_name", "create_time"];
    const COLLECTION: &'static str = "teams";

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
        Guard::company()
    }

    fn values(&self) -> Vec<Value> {
        vec![(&self.id).into(), self.version.into(), (&self.display_name).into(), self.create_time.into()]
    }

    /// Without its members: `get` and `list` add them.
    fn from_row(row: &Row<'_>, from: usize) -> Result<Self> {
        Ok(Team {
            id: row.string(from)?,
            version: row.int(from + 1)?,
            display_name: row.string(from + 2)?,
            create_time: row.int(from + 3)?,
            members: BTreeSet::new(),
            leaders: BTreeSet::new(),
        })
    }
}

/// What ListTeams offers.
const LISTING: Listing = Listing {
    table: "team",
    columns: "id, version, display_name, create_time",
    id: "id",
    by_key: false,
    fields: &[Field::order("display_name", "display_name", Kind::Text)],
    default_order: "display_name",
    default_size: 50,
    max_size: 1_000,
};

/// Lists teams by name, with their members.
///
/// # Errors
/// INVALID_ARGUMENT naming page_size or page_token.
pub fn list(conn: &mut Conn<'_>, caller: &Caller, query: &Query) -> Result<Page<Team>> {
    let mut page = resource::list::<Team>(conn, &LISTING, caller, query, ("1 = 1".to_owned(), Vec::new()))?;
    page.rows.iter_mut().try_for_each(|team| add_members(conn, team))?;
    Ok(page)
}

/// One team with its members.
///
/// # Errors
/// NOT_FOUND.
pub fn get(conn: &mut Conn<'_>, team: &str) -> Result<Team> {
    let mut team = resource::get::<Team>(conn, team)?;
    add_members(conn, &mut team)?;
    Ok(team)
}

/// Whether a team exists.
///
/// # Errors
/// Those of the database.
pub fn exists(conn: &mut Conn<'_>, team: &str) -> Result<bool> {
    Ok(conn.one("SELECT 1 FROM team WHERE id = $1", args![team], |_| Ok(()))?.is_some())
}

fn add_members(conn: &mut Conn<'_>, team: &mut Team) -> Result<()> {
    let members =
        conn.all("SELECT account, leader FROM team_member WHERE team = $1", args![&team.id], |row| {
            Ok((row.string(0)?, row.bool(1)?))
        })?;
    team.leaders = members.iter().filter(|(_, leader)| *leader).map(|(user, _)| user.clone()).collect();
    team.members = members.into_iter().map(|(user, _)| user).collect();
    Ok(())
}

/// Checks what only the database knows: the members exist.
///
/// # Errors
/// INVALID_ARGUMENT naming members or leaders.
pub fn check_members(conn: &mut Conn<'_>, team: &Team) -> Result<()> {
    let Some(unknown) = user::first_unknown(conn, &team.members)? else { return Ok(()) };
    let field = if team.leaders.contains(unknown) { "team.leaders" } else { "team.members" };
    Err(Error::invalid(field, format!("users/{unknown} does not exist")))
}

/// Writes a new team. Returns the users whose cached sign-ins end.
///
/// # Errors
/// ALREADY_EXISTS; INVALID_ARGUMENT when a member does not exist.
pub fn create(tx: &mut Tx<'_>, team: &Team) -> Result<Vec<String>> {
    check_members(tx, team)?;
    resource::insert(tx, team)?;
    audit_members(tx, Action::Update, team, None, Some(team));
    write_members(tx, team, &BTreeSet::new())
}

/// Writes a changed team. Returns the users whose cached sign-ins end.
///
/// # Errors
/// ABORTED; INVALID_ARGUMENT when a member does not exist.
pub fn update(tx: &mut Tx<'_>, team: &mut Team, before: &BTreeSet<String>) -> Result<Vec<String>> {
    check_members(tx, team)?;
    let old = get(tx, &team.id)?;
    resource::update(tx, team)?;
    audit_members(tx, Action::Update, team, Some(&old), Some(team));
    tx.execute("DELETE FROM team_member WHERE team = $1", args![&team.id])?;
    write_members(tx, team, before)
}

/// Deletes a team. Returns the users whose cached sign-ins end.
///
/// # Errors
/// ABORTED.
pub fn delete(tx: &mut Tx<'_>, team: &Team) -> Result<Vec<String>> {
    resource::delete(tx, team)?;
    audit_members(tx, Action::Delete, team, Some(team), None);
    tx.execute("DELETE FROM team_member WHERE team = $1", args![&team.id])?;
    concerned(tx, &team.members, &BTreeSet::new())
}

fn audit_members(tx: &mut Tx<'_>, action: Action, team: &Team, old: Option<&Team>, new: Option<&Team>) {
    let lines = |users: Option<&BTreeSet<String>>| {
        let lines: Vec<String> = users.into_iter().flatten().map(|user| format!("users/{user}")).collect();
        lines.join("\n")
    };
    let of =
        |team: Option<&Team>| (lines(team.map(|team| &team.members)), lines(team.map(|team| &team.leaders)));
    let (old, new) = (of(old), of(new));
    let entry = Entry::new(action, team.name(), &team.audience());
    tx.audit(entry.field("members", old.0, new.0).field("leaders", old.1, new.1));
}

fn write_members(tx: &mut Tx<'_>, team: &Team, before: &BTreeSet<String>) -> Result<Vec<String>> {
    for member in &team.members {
        tx.execute(
            "INSERT INTO team_member (team, account, leader) VALUES ($1, $2, $3)",
            args![&team.id, member, team.leaders.contains(member)],
        )?;
    }
    concerned(tx, &team.members, before)
}

fn concerned(tx: &mut Tx<'_>, now: &BTreeSet<String>, before: &BTreeSet<String>) -> Result<Vec<String>> {
    let users: Vec<String> = now.union(before).cloned().collect();
    users.iter().try_for_each(|user| credential::raise_generation(tx, user))?;
    Ok(users)
}
