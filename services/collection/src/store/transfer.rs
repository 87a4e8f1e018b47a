//! Moving and copying an object inside a collection or to another one, in one transaction (RFC 4918 sections 9.8 and 9.9).
//! Called by `rpc`. A moved object keeps its id, number, bytes and ETag; only where it stands and since when changes.

use kontor_kit::auth::Caller;
use kontor_kit::db::{Conn, Tx};
use kontor_kit::{Error, Result, args};
use tonic::Code;

use crate::hooks::{Change, Hooks, Prepared, Removal, Tell};
use crate::model::{Access, Collection, Conditions, Kind, Object, Present, Target};
use crate::store::collection::{self, bump, check_segment};
use crate::store::dead::Property;
use crate::store::write::{self, Outcome};
use crate::store::{audit, object, object_property, occurrence, share, shown};

/// Reason of the error when the source is not what was read and checked before: the caller reads it again.
pub const CHANGED: &str = "CHANGED_MEANWHILE";

/// What is to be moved or copied, and whereto.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The object's collection.
    pub from: Target,
    /// Its name there.
    pub name: String,
    /// The collection that it goes to.
    pub to: Target,
    /// Its name there.
    pub to_name: String,
    /// Conditions on the source; their lists may speak of the destination.
    pub conditions: Conditions,
    /// Whether what stands at the destination goes.
    pub overwrite: bool,
    /// Whether the source stays.
    pub copy: bool,
}

/// The object to be moved or copied, with its body.
///
/// # Errors
/// NOT_FOUND.
pub fn source(conn: &mut Conn<'_>, caller: &Caller, plan: &Plan) -> Result<Object> {
    let (collection, _) = collection::find(conn, caller, &plan.from)?;
    let found = object::named(conn, collection.num, &plan.name)?;
    let mut object = found.ok_or_else(|| Error::not_found(&plan.name))?;
    object.data = object::data(conn, object.num)?;
    Ok(object)
}

/// Moves or copies, if the conditions hold at this moment. `read` is the source as it was read, `prepared` what its bytes say.
///
/// # Errors
/// Those that MoveObject of the contract names; ABORTED with reason `CHANGED`; those of the hooks.
pub fn run<H: Hooks>(
    tx: &mut Tx<'_>,
    hooks: &H,
    caller: &Caller,
    plan: &Plan,
    read: &Object,
    prepared: &Prepared<H::Typed>,
) -> Result<Outcome> {
    check_segment(&plan.to_name, "to_name")?;
    let (from, to) = ends(tx, caller, plan)?;
    if from.num == to.num && plan.name == plan.to_name {
        return Err(Error::precondition("SAME_OBJECT", "source and destination are the same object"));
    }
    let source = object::named(tx, from.num, &plan.name)?.ok_or_else(|| Error::not_found(&plan.name))?;
    let (old, holder) = write::present(tx, to.num, &plan.to_name, &source.uid)?;
    let here = Present { collection: &from, seq: from.seq, object: Some(&source) };
    let there = Present { collection: &to, seq: to.seq, object: old.as_ref() };
    if !plan.conditions.hold_at(here, Some(there)) {
        return Err(Error::etag_mismatch(&plan.name));
    }
    if old.is_some() && !plan.overwrite {
        let message = format!("{} exists and may not be overwritten", plan.to_name);
        return Err(Error::precondition("DESTINATION_EXISTS", message));
    }
    if source.num != read.num || source.etag != read.etag {
        return Err(Error::new(Code::Aborted, CHANGED, "the object changed while it was read"));
    }
    write::check_component(&to, &source.component)?;
    // A move inside a collection takes the UID along; a copy would double it.
    let itself = !plan.copy && from.num == to.num;
    if let Some(holder) = holder.filter(|holder| !(itself && *holder == plan.name)) {
        return Err(write::uid_conflict(&source.uid, &holder));
    }
    // What the server keeps has its names from the server.
    if !plan.copy && (from.num != to.num || from.kind.is_of_server()) {
        hooks.may_move(tx, &from, &to, &source)?;
    }
    let dead =
        if from.object_properties > 0 { object_property::of(tx, from.num, source.num)? } else { Vec::new() };
    let transfer = Transfer { hooks, caller, plan, read, prepared, dead };
    match old {
        // The same object in another state, as after an export: it stays the row that others refer to.
        Some(old) if old.uid == source.uid => {
            if !plan.copy {
                let from = raised(tx, &from)?;
                let tell = Tell::Nobody;
                write::take_away(tx, hooks, &Removal { caller, collection: &from, object: &source, tell })?;
            }
            transfer.put(tx, &to)
        }
        old => {
            let created = old.is_none();
            if let Some(old) = old {
                let to = raised(tx, &to)?;
                let tell = Tell::Everyone;
                write::take_away(tx, hooks, &Removal { caller, collection: &to, object: &old, tell })?;
            }
            let done =
                if plan.copy { transfer.put(tx, &to)? } else { transfer.carry(tx, &from, &to, &source)? };
            Ok(Outcome { created, ..done })
        }
    }
}

/// Both collections, those that are written to locked. In the order of their rows, so that two moves in opposite directions
/// don't wait for each other.
fn ends(tx: &mut Tx<'_>, caller: &Caller, plan: &Plan) -> Result<(Collection, Collection)> {
    let (from, _) = collection::find(tx, caller, &plan.from)?;
    let (to, _) = collection::find(tx, caller, &plan.to).map_err(|cause| match cause.code() {
        Code::NotFound => no_destination(plan),
        _ => cause,
    })?;
    let mut wanted = vec![to.num];
    if !plan.copy && from.num != to.num {
        wanted.push(from.num);
        wanted.sort_unstable();
    }
    let (mut from, mut to) = (from, to);
    for num in wanted {
        let known = if num == to.num { &mut to } else { &mut from };
        let locked = collection::locked(tx, &Target::id(&known.id))?;
        *known = locked.ok_or_else(|| Error::not_found(&plan.from))?;
    }
    if from.num == to.num {
        from.clone_from(&to);
    }
    let may_write = |tx: &mut Tx<'_>, collection: &Collection| -> Result<bool> {
        Ok(collection.kind != Kind::Shown && share::access(tx, caller, collection)? >= Some(Access::Write))
    };
    if !may_write(tx, &to)? {
        return Err(Error::denied(format!("{} is only open for reading", plan.to)).with("at", "destination"));
    }
    if !plan.copy && !may_write(tx, &from)? {
        return Err(Error::denied(format!("{} is only open for reading", plan.from)).with("at", "source"));
    }
    Ok((from, to))
}

fn no_destination(plan: &Plan) -> Error {
    Error::precondition("NO_DESTINATION", format!("{} does not exist or you may not see it", plan.to))
}

fn raised(tx: &mut Tx<'_>, collection: &Collection) -> Result<Collection> {
    let target = Target::id(&collection.id);
    bump(tx, &target)?.ok_or_else(|| Error::not_found(target))
}

/// What both ways of it need.
struct Transfer<'a, H: Hooks> {
    hooks: &'a H,
    caller: &'a Caller,
    plan: &'a Plan,
    read: &'a Object,
    prepared: &'a Prepared<H::Typed>,
    /// Dead properties of the source.
    dead: Vec<Property>,
}

impl<H: Hooks> Transfer<'_, H> {
    /// Writes the bytes at the destination, and the dead properties that the source had.
    fn put(&self, tx: &mut Tx<'_>, to: &Collection) -> Result<Outcome> {
        let (target, none) = (Target::id(&to.id), Conditions::none());
        let (name, data) = (&self.plan.to_name, &self.read.data);
        let outcome = write::put(tx, self.hooks, self.caller, &target, name, data, &none, self.prepared)?;
        if to.object_properties > 0 || !self.dead.is_empty() {
            object_property::replace(tx, &outcome.collection, &outcome.object, &self.dead)?;
        }
        Ok(outcome)
    }

    /// Takes the row to the destination, where nothing stands.
    fn carry(&self, tx: &mut Tx<'_>, from: &Collection, to: &Collection, source: &Object) -> Result<Outcome> {
        // Each end has a number of its own, also in one collection: a sync that is cut between the two must tell both.
        let from = raised(tx, from)?;
        write::bury(tx, &from, &source.name)?;
        let to = raised(tx, to)?;
        // The time of the address must not go back behind that of what stood there (RFC 4918 section 8.8).
        let update_time = tx.now();
        let (name, seq) = (self.plan.to_name.clone(), to.seq);
        let object = Object { coll: to.num, name, seq, update_time, ..source.clone() };
        let changed = tx.execute(
            "UPDATE object SET coll = $3, name = $4, seq = $5, update_time = $6 WHERE coll = $1 AND name = $2",
            args![source.coll, &source.name, object.coll, &object.name, object.seq, update_time],
        )?;
        if changed != 1 {
            return Err(Error::internal("an object vanished while it was moved"));
        }
        tx.execute("DELETE FROM tombstone WHERE coll = $1 AND name = $2", args![object.coll, &object.name])?;
        tx.execute("UPDATE collection SET object_count = object_count + 1 WHERE num = $1", args![to.num])?;
        audit::object(tx, self.hooks, Some((&from, source)), Some((&to, &object)));
        if from.num != to.num {
            shown::gone(tx, &from, source.num)?;
            occurrence::carry(tx, source, to.num)?;
            if !self.dead.is_empty() {
                object_property::carry(tx, source, to.num)?;
            }
            let change = Change {
                caller: self.caller,
                collection: &to,
                object: &object,
                old: Some(source),
                data: &self.read.data,
                prepared: self.prepared,
            };
            self.hooks.moved(tx, &from, &change)?;
        }
        Ok(Outcome { object, collection: to, created: true, altered: None })
    }
}
