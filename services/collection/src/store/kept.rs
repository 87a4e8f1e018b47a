//! Collections that the server keeps of its own accord: overviews, which a user may put away, and deadlines, which a team reads.
//! Called by the calendar service.

use kontor_kit::auth::Caller;
use kontor_kit::db::Tx;
use kontor_kit::{Error, Result, args};

use crate::model::{Collection, Kind, Target};
use crate::store::collection::{self, New};

/// Opens a collection of deadlines to the members and leaders of a team ("teams/{team}"), for reading.
///
/// # Errors
/// Those of the database.
pub fn open_to_team(tx: &mut Tx<'_>, collection: &Collection, team: &str) -> Result<()> {
    let now = tx.now();
    tx.execute(
        "INSERT INTO share (coll, grantee, level, create_time) VALUES ($1, $2, 1, $3) ON CONFLICT (coll, grantee) DO NOTHING",
        args![collection.num, team, now],
    )?;
    tx.execute("UPDATE collection SET shares = 1 WHERE num = $1", args![collection.num])?;
    Ok(())
}

/// Takes an overview out of its home.
///
/// # Errors
/// NOT_FOUND when there is none or the caller may not see it.
pub fn put_away(tx: &mut Tx<'_>, caller: &Caller, target: &Target) -> Result<()> {
    let (found, _) = collection::find(tx, caller, target)?;
    if found.kind != Kind::Overview {
        return Err(Error::not_found(target));
    }
    tx.execute("DELETE FROM collection WHERE num = $1", args![found.num])?;
    Ok(())
}

/// Brings an overview back into its home.
///
/// # Errors
/// ALREADY_EXISTS when it is there; PERMISSION_DENIED in another one's home.
pub fn bring_back(tx: &mut Tx<'_>, caller: &Caller, new: &New) -> Result<Collection> {
    let target = Target::path(&new.owner, &new.slug);
    if !caller.admin && caller.user != new.owner {
        return Err(Error::denied(format!("only {} may make collections in that home", new.owner)));
    }
    if collection::by_target(tx, &target)?.is_some() {
        return Err(Error::already_exists(&target));
    }
    collection::ensure(tx, new)
}
