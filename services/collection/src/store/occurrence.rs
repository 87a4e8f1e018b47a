//! Rows of the engine's own indexes: occurrences and lookup values.
//! Called by `store::write` with each change, and by `tasks` when the window rolls on.

use kontor_kit::db::Tx;
use kontor_kit::{Result, args};

use crate::index::{Index, Span};
use crate::model::Object;
use crate::store::{lookup, rows};

/// Writes the rows of an object; those of its old state go first.
pub(crate) fn write(tx: &mut Tx<'_>, object: &Object, index: &Index, existed: bool) -> Result<()> {
    if object.component == "VCARD" {
        return lookup::write(tx, object, &index.lookups, existed);
    }
    if existed {
        if stands(tx, object, index)? {
            return Ok(());
        }
        clear(tx, object)?;
    }
    let spans = index.spans.iter().map(|span| {
        [object.coll.into(), span.class.into(), span.start.into(), object.num.into(), span.end.into()]
    });
    rows::insert(tx, "occurrence (coll, class, start_utc, object, end_utc)", spans)
}

/// Whether the rows of an object are there already: most changes leave its times as they were.
fn stands(tx: &mut Tx<'_>, object: &Object, index: &Index) -> Result<bool> {
    let sql = "SELECT class, start_utc, end_utc FROM occurrence WHERE object = $1";
    let mut kept = tx.all(sql, args![object.num], |row| {
        Ok(Span { class: row.int(0)?, start: row.int(1)?, end: row.int(2)? })
    })?;
    kept.sort_unstable();
    // A key that comes twice is kept once: such an object is written anew.
    Ok(index.spans.len() == kept.len() && {
        let mut new = index.spans.clone();
        new.sort_unstable();
        new == kept
    })
}

/// Takes all rows of an object along into another collection. They do not depend on the collection otherwise.
pub(super) fn carry(tx: &mut Tx<'_>, object: &Object, coll: i64) -> Result<()> {
    if object.component == "VCARD" {
        return lookup::carry(tx, object, coll);
    }
    tx.execute("UPDATE occurrence SET coll = $2 WHERE object = $1", args![object.num, coll])?;
    Ok(())
}

/// Removes all rows of an object.
pub(super) fn clear(tx: &mut Tx<'_>, object: &Object) -> Result<()> {
    if object.component == "VCARD" {
        return lookup::clear(tx, object);
    }
    tx.execute("DELETE FROM occurrence WHERE object = $1", args![object.num])?;
    Ok(())
}
