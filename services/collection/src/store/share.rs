//! With whom collections are shared. Who may do what by it is decided in `model::access`, from what is read here.
//! Called by the other files here, and by the services to show and to change shares.

use kontor_kit::auth::Caller;
use kontor_kit::db::{Conn, Tx, Value};
use kontor_kit::{Error, Result, args};
use tonic::Code;

use crate::model::{self, Access, COMPANY, Collection, Target};
use crate::store::object::{padded, places};
use crate::store::{audit, collection};

/// Users and teams that one collection is shared with at most.
const SHARES: i64 = 1_000;

/// One user or team that a collection is shared with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Share {
    /// "users/{user}" or "teams/{team}".
    pub grantee: String,
    /// Read or Write.
    pub access: Access,
}

/// What the caller may do with a collection; none when it may not even be seen. Shares are looked up only where they decide.
///
/// # Errors
/// Those of the database.
pub fn access(conn: &mut Conn<'_>, caller: &Caller, collection: &Collection) -> Result<Option<Access>> {
    let alone = model::access(caller, collection, None);
    if alone.is_some() || caller.user.is_empty() {
        return Ok(alone);
    }
    let shared = shared(conn, caller, collection)?;
    Ok(model::access(caller, collection, shared))
}

/// What a collection is shared for with the caller or a team of the caller.
fn shared(conn: &mut Conn<'_>, caller: &Caller, collection: &Collection) -> Result<Option<Access>> {
    let grantees = grantees(caller);
    let (names, count) = places(grantees.len(), 2);
    let mut args: Vec<Value> = vec![collection.num.into()];
    args.extend(padded(grantees.iter().map(Value::from), count));
    let sql = format!("SELECT MAX(level) FROM share WHERE coll = $1 AND grantee IN ({names})");
    let level = conn.one(&sql, &args, |row| row.opt_int(0))?.flatten();
    Ok(level.map(of_level))
}

/// Whether a collection of somebody else is shared with the caller, who may be an administrator.
///
/// # Errors
/// Those of the database.
pub fn is_shared_with(conn: &mut Conn<'_>, caller: &Caller, collection: &Collection) -> Result<bool> {
    if collection.shares == 0 || caller.user.is_empty() || caller.user == collection.owner {
        return Ok(false);
    }
    Ok(shared(conn, caller, collection)?.is_some())
}

/// The names under which something may be shared with the caller.
pub fn grantees(caller: &Caller) -> Vec<String> {
    let mut all = vec![caller.name()];
    for team in caller.teams.iter().chain(&caller.led_teams) {
        all.push(format!("teams/{team}"));
    }
    // What the server shows to everyone.
    all.push(COMPANY.to_owned());
    all
}

/// A condition on the column `num` of a collection: it is shared with one of these. Adds its arguments.
pub fn condition(grantees: &[String], args: &mut Vec<Value>) -> String {
    let (names, count) = places(grantees.len(), args.len() + 1);
    args.extend(padded(grantees.iter().map(Value::from), count));
    format!("num IN (SELECT coll FROM share WHERE grantee IN ({names}))")
}

fn of_level(level: i64) -> Access {
    if level >= 2 { Access::Write } else { Access::Read }
}

/// All shares of a collection, in the order of their names. For its owner only.
///
/// # Errors
/// NOT_FOUND, PERMISSION_DENIED.
pub fn list(conn: &mut Conn<'_>, caller: &Caller, target: &Target) -> Result<Vec<Share>> {
    let (found, access) = collection::find(conn, caller, target)?;
    if access != Access::Owner {
        return Err(Error::denied(format!("{target} belongs to someone else")));
    }
    of(conn, found.num)
}

/// All shares of the collection of this number, in the order of their names. For who is known to be its owner.
pub(crate) fn of(conn: &mut Conn<'_>, coll: i64) -> Result<Vec<Share>> {
    conn.all("SELECT grantee, level FROM share WHERE coll = $1 ORDER BY grantee", args![coll], |row| {
        Ok(Share { grantee: row.string(0)?, access: of_level(row.int(1)?) })
    })
}

/// Sets some shares and ends others; one that is not there is ended already.
///
/// # Errors
/// Those of `put`.
pub fn change(
    tx: &mut Tx<'_>,
    caller: &Caller,
    target: &Target,
    set: &[Share],
    remove: &[String],
) -> Result<()> {
    let found = collection::owned(tx, caller, target)?;
    for grantee in remove {
        take(tx, &found, grantee)?;
    }
    set.iter().try_for_each(|share| put(tx, caller, target, share))
}

/// Shares a collection, or changes how.
///
/// # Errors
/// NOT_FOUND; PERMISSION_DENIED; FAILED_PRECONDITION with reason NOT_SHAREABLE for what belongs to everyone or to the server;
/// RESOURCE_EXHAUSTED with reason TOO_MANY_SHARES.
pub fn put(tx: &mut Tx<'_>, caller: &Caller, target: &Target, share: &Share) -> Result<()> {
    let found = collection::owned(tx, caller, target)?;
    if found.is_company() || found.kind.is_of_server() || share.grantee == format!("users/{}", found.owner) {
        return Err(Error::precondition(
            "NOT_SHAREABLE",
            format!("{target} can't be shared with {}", share.grantee),
        ));
    }
    let sql = "SELECT COUNT(*) FROM share WHERE coll = $1 AND grantee <> $2";
    let others = tx.one(sql, args![found.num, &share.grantee], |row| row.int(0))?.unwrap_or(0);
    if others >= SHARES {
        let message = format!("{target} is shared with {SHARES} already");
        return Err(Error::new(Code::ResourceExhausted, "TOO_MANY_SHARES", message));
    }
    let level = if share.access >= Access::Write { 2 } else { 1 };
    let old = of(tx, found.num)?.into_iter().find(|old| old.grantee == share.grantee);
    audit::share(tx, &found, old.as_ref(), Some(&Share { access: of_level(level), ..share.clone() }));
    let now = tx.now();
    tx.execute(
        "INSERT INTO share (coll, grantee, level, create_time) VALUES ($1, $2, $3, $4)
         ON CONFLICT (coll, grantee) DO UPDATE SET level = excluded.level",
        args![found.num, &share.grantee, level, now],
    )?;
    tx.execute("UPDATE collection SET shares = $2 WHERE num = $1", args![found.num, others + 1])?;
    Ok(())
}

/// Ends a share. It holds from the next request on, also for those who have a sync token.
///
/// # Errors
/// NOT_FOUND for the collection and for the share; PERMISSION_DENIED.
pub fn remove(tx: &mut Tx<'_>, caller: &Caller, target: &Target, grantee: &str) -> Result<()> {
    let found = collection::owned(tx, caller, target)?;
    if take(tx, &found, grantee)? {
        return Ok(());
    }
    Err(Error::not_found(format!("the share of {target} with {grantee}")))
}

/// Whether there was such a share; it is gone then.
pub(super) fn take(tx: &mut Tx<'_>, collection: &Collection, grantee: &str) -> Result<bool> {
    let coll = collection.num;
    let sql = "DELETE FROM share WHERE coll = $1 AND grantee = $2 RETURNING level";
    let gone = tx.one(sql, args![coll, grantee], |row| row.int(0))?;
    if let Some(level) = gone {
        let share = Share { grantee: grantee.to_owned(), access: of_level(level) };
        audit::share(tx, collection, Some(&share), None);
        tx.execute("UPDATE collection SET shares = shares - 1 WHERE num = $1", args![coll])?;
        let login = grantee.strip_prefix("users/").unwrap_or_default();
        tx.execute("DELETE FROM share_view WHERE coll = $1 AND login = $2", args![coll, login])?;
    }
    Ok(gone.is_some())
}
