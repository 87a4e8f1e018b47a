//! A merge of leads or of opportunities in the database, and the way back. The rows of those that went stand as bytes beside the merge.
//! Called by rpc/merge_leads.rs and rpc/merge_deals.rs, which do what differs between the two.

use kontor_kit::auth::Caller;
use kontor_kit::db::{Tx, Value};
use kontor_kit::resource;
use kontor_kit::{Error, Result, args, id};

use super::merge_rows::{GONE, Merge, Merged, all_gone, guard, missing};
use super::snapshot::{Snapshot, pack_texts, unpack_texts};
use crate::domain::merge::{Past, Rule, Texts};

/// Which records are to become one, by id, with the etags that their callers saw.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Which stays.
    pub survivor: (String, String),
    /// Which go, in order.
    pub others: Vec<(String, String)>,
}

/// Holds all records until the commit, in the order of their ids, so that two merges that cross wait for each other and never both.
///
/// # Errors
/// NOT_FOUND, PERMISSION_DENIED, ABORTED; FAILED_PRECONDITION with reason TOO_MUCH when too many went into them before.
pub fn hold<T: Merged>(tx: &mut Tx<'_>, caller: &Caller, asked: &Asked) -> Result<(T, Vec<T>)> {
    let mut ids: Vec<&(String, String)> = std::iter::once(&asked.survivor).chain(&asked.others).collect();
    ids.sort();
    let sql = format!("UPDATE {} SET version = version WHERE id = $1", T::TABLE);
    for (id, _) in ids {
        tx.execute(&sql, args![id])?;
    }
    let mut gone = 0;
    let mut read = |tx: &mut Tx<'_>, (id, etag): &(String, String)| {
        let row = resource::get::<T>(tx, id).map_err(|cause| missing::<T>(tx, caller, id, cause))?;
        caller.must_write(&row.guard(), &row.name())?;
        resource::check_etag(&row, etag)?;
        gone += 1 + all_gone::<T>(tx, id)?.len();
        Ok::<_, Error>(row)
    };
    let survivor = read(tx, &asked.survivor)?;
    let others = asked.others.iter().map(|other| read(tx, other)).collect::<Result<Vec<T>>>()?;
    if gone > GONE + 1 {
        let message = format!("more than {GONE} would be in {}: choose another survivor", survivor.name());
        return Err(Error::precondition("TOO_MUCH", message));
    }
    Ok((survivor, others))
}

/// What of a row a merge may fill.
pub fn texts<T: Merged>(row: &T) -> Texts {
    let columns = T::RULES.iter().flat_map(|rule| match rule {
        Rule::Fill(columns) => columns.to_vec(),
        Rule::Append(column) | Rule::Union(column) | Rule::Map(column) => vec![*column],
    });
    Snapshot::of(row).texts(columns)
}

/// Writes what a merge filled, or what it no longer fills, into a held row. Either is a change of now: when a row was changed never goes back.
///
/// # Errors
/// Those of the database.
pub fn write_texts<T: Merged>(tx: &mut Tx<'_>, row: &T, texts: &Texts) -> Result<T> {
    let mut values: Vec<Value> = vec![row.id().into(), tx.now().into()];
    let mut sets = String::new();
    for (column, text) in texts.iter().filter(|(column, _)| T::COLUMNS.contains(&column.as_str())) {
        let value = match column.as_str() {
            // The only number among them.
            "recurring_months" => text.parse::<i64>().map_err(Error::internal)?.into(),
            _ => Value::from(text),
        };
        values.push(value);
        sets.push_str(&format!(", {column} = ${}", values.len()));
    }
    let sql = format!("UPDATE {} SET version = version + 1, update_time = $2{sets} WHERE id = $1", T::TABLE);
    tx.execute(&sql, &values)?;
    let written = resource::get(tx, row.id())?;
    resource::note(tx, Some(row), Some(&written));
    Ok(written)
}

/// Remembers a merge: the survivor before and after, and the rows of those that went, each with what of it a merge may fill.
///
/// # Errors
/// Those of the database.
pub fn remember<T: Merged>(
    tx: &mut Tx<'_>,
    caller: &Caller,
    survivor: &T,
    (before, after): (&Texts, &Texts),
    others: &[(T, Texts)],
) -> Result<Merge> {
    let merge = Merge {
        id: id::new(),
        survivor: survivor.id().to_owned(),
        actor: caller.name(),
        create_time: tx.now(),
        merged: others.iter().map(|(other, _)| other.id().to_owned()).collect(),
    };
    let sql = "SELECT COALESCE(MAX(number), 0) FROM record_merge WHERE kind = $1 AND survivor = $2";
    let number = tx.one(sql, args![T::KIND, &merge.survivor], |row| row.int(0))?.unwrap_or(0) + 1;
    let guard = survivor.guard();
    tx.execute(
        "INSERT INTO record_merge (id, kind, survivor, number, before, after, owner, team, actor, create_time)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        args![
            &merge.id,
            T::KIND,
            &merge.survivor,
            number,
            pack_texts(before),
            pack_texts(after),
            guard.owner,
            guard.team,
            &merge.actor,
            merge.create_time
        ],
    )?;
    for (place, (other, fields)) in others.iter().enumerate() {
        let data = Snapshot::of(other).pack();
        tx.execute(
            "INSERT INTO record_merged (kind, record, merge, place, survivor, partner, title, merge_time, data, fields)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
            args![
                T::KIND,
                other.id(),
                &merge.id,
                i64::try_from(place).unwrap_or(0),
                &merge.survivor,
                other.partner(),
                other.title(),
                merge.create_time,
                data,
                pack_texts(fields)
            ],
        )?;
    }
    Ok(merge)
}

/// A merge that is taken back.
pub struct Undone<T> {
    /// Id.
    pub id: String,
    /// Name of the one that stayed.
    pub survivor_name: String,
    /// It, held; none when it was deleted.
    pub survivor: Option<T>,
    /// What it did.
    pub past: Past,
    /// The survivor's merges that came later, with their ids.
    pub later: Vec<(String, Past)>,
    /// The rows of those that went, in order, with what is no column of theirs.
    pub gone: Vec<(Snapshot, Texts)>,
}

/// Holds a merge and its survivor and forgets the merge.
///
/// # Errors
/// NOT_FOUND; PERMISSION_DENIED when the caller may not change all of them; FAILED_PRECONDITION with reason MERGED_AGAIN.
pub fn undo<T: Merged>(tx: &mut Tx<'_>, caller: &Caller, merge: &str) -> Result<Undone<T>> {
    let name = format!("{}/{merge}", T::MERGES);
    let sql = "SELECT survivor FROM record_merge WHERE id = $1 AND kind = $2";
    let found = tx.one(sql, args![merge, T::KIND], |row| row.string(0))?;
    let survivor_id = found.ok_or_else(|| Error::not_found(&name))?;
    // The survivor first, as merges do; then the merge, that only one takes back.
    tx.execute(&format!("UPDATE {} SET version = version WHERE id = $1", T::TABLE), args![&survivor_id])?;
    let sql = "UPDATE record_merge SET id = id WHERE id = $1 RETURNING number, before, after, owner, team";
    let held = tx.one(sql, args![merge], |row| {
        let guard = kontor_kit::auth::Guard::new(row.string(3)?, row.string(4)?);
        Ok((row.int(0)?, unpack_texts(row.bytes(1)?)?, unpack_texts(row.bytes(2)?)?, guard))
    })?;
    let (number, before, after, old_guard) = held.ok_or_else(|| Error::not_found(&name))?;
    let survivor = match resource::get::<T>(tx, &survivor_id) {
        Ok(survivor) => Some(survivor),
        Err(cause) if cause.is_not_found() => None,
        Err(cause) => return Err(cause),
    };
    caller.must_write(&survivor.as_ref().map_or(old_guard, Merged::guard), &name)?;
    let survivor_name = format!("{}/{survivor_id}", T::COLLECTION);
    let sql = "SELECT merge FROM record_merged WHERE kind = $1 AND record = $2";
    if let Some(again) = tx.one(sql, args![T::KIND, &survivor_id], |row| row.string(0))? {
        let message =
            format!("{survivor_name} went into another one itself: take {}/{again} back first", T::MERGES);
        return Err(Error::precondition("MERGED_AGAIN", message));
    }
    let gone = gone_of(tx, merge)?;
    for (snapshot, _) in &gone {
        caller.must_write(&guard(snapshot), &name)?;
    }
    let later = later::<T>(tx, &survivor_id, number)?;
    tx.execute("DELETE FROM record_merged WHERE merge = $1", args![merge])?;
    tx.execute("DELETE FROM record_merge WHERE id = $1", args![merge])?;
    let others = gone.iter().map(|(_, fields)| fields.clone()).collect();
    let past = Past { before, after, others };
    Ok(Undone { id: merge.to_owned(), survivor_name, survivor, past, later, gone })
}

fn gone_of(tx: &mut Tx<'_>, merge: &str) -> Result<Vec<(Snapshot, Texts)>> {
    let sql = "SELECT data, fields FROM record_merged WHERE merge = $1 ORDER BY place";
    tx.all(sql, args![merge], |row| Ok((Snapshot::unpack(row.bytes(0)?)?, unpack_texts(row.bytes(1)?)?)))
}

fn later<T: Merged>(tx: &mut Tx<'_>, survivor: &str, number: i64) -> Result<Vec<(String, Past)>> {
    let sql = "SELECT id, before, after FROM record_merge WHERE kind = $1 AND survivor = $2 AND number > $3 ORDER BY number";
    let merges = tx.all(sql, args![T::KIND, survivor, number], |row| {
        Ok((row.string(0)?, unpack_texts(row.bytes(1)?)?, unpack_texts(row.bytes(2)?)?))
    })?;
    let mut later = Vec::with_capacity(merges.len());
    for (merge, before, after) in merges {
        let others = gone_of(tx, &merge)?.into_iter().map(|(_, fields)| fields).collect();
        later.push((merge, Past { before, after, others }));
    }
    Ok(later)
}

/// Keeps what the later merges come to without the one that was taken back.
///
/// # Errors
/// Those of the database.
pub fn keep_later(tx: &mut Tx<'_>, later: &[(String, Past)]) -> Result<()> {
    for (merge, past) in later {
        let sql = "UPDATE record_merge SET before = $2, after = $3 WHERE id = $1";
        tx.execute(sql, args![merge, pack_texts(&past.before), pack_texts(&past.after)])?;
    }
    Ok(())
}

/// Puts a row back. Its version rises, so that an etag from before the merge is known to be old.
///
/// # Errors
/// Those of the database.
pub fn bring_back<T: Merged>(tx: &mut Tx<'_>, mut snapshot: Snapshot) -> Result<T> {
    let version = snapshot.int("version") + 1;
    snapshot.set("version", version);
    // It was away, and who reads what changed since then must find it.
    snapshot.set("update_time", tx.now());
    snapshot.insert(tx)
}
