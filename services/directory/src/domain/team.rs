//! A team: its id, its name, its members and leaders.
//! Called by rpc/team.rs, store/team.rs and admin.rs.

use std::collections::BTreeSet;

use kontor_kit::{Error, Result, id};

use super::user::check_line;

/// Members at most.
pub const MEMBERS: usize = 1_000;

/// A group of users.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Team {
    /// Id.
    pub id: String,
    /// Version, seen as the etag.
    pub version: i64,
    /// Name for people.
    pub display_name: String,
    /// Login names of all members, the leaders among them.
    pub members: BTreeSet<String>,
    /// Login names of the leaders.
    pub leaders: BTreeSet<String>,
    /// Microseconds since 1970 UTC.
    pub create_time: i64,
}

impl Team {
    /// The same, trimmed, with the leaders among the members, when all is right.
    ///
    /// # Errors
    /// INVALID_ARGUMENT naming the field.
    pub fn checked(mut self) -> Result<Team> {
        check_team_id(&self.id)?;
        self.display_name = check_line("team.display_name", &self.display_name, 200)?;
        self.members.extend(self.leaders.iter().cloned());
        if self.members.len() > MEMBERS {
            return Err(Error::invalid("team.members", format!("a team has at most {MEMBERS} members")));
        }
        Ok(self)
    }
}

/// Checks a chosen id: 1 to 64 of a-z, 0-9, "-".
///
/// # Errors
/// INVALID_ARGUMENT naming team_id.
pub fn check_team_id(team_id: &str) -> Result<()> {
    id::check_chosen(team_id, "team_id")?;
    if team_id.contains(['.', '_']) {
        return Err(Error::invalid("team_id", format!("{team_id:?} is no id: use a-z, 0-9 and \"-\"")));
    }
    Ok(())
}
