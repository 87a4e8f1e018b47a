//! Rows of the engine's own indexes: occurrences and lookup values.
//! Called by `store::write` with each change, and by `tasks` when the window rolls on.

use kontor_kit::db::{Tx, Value};
use kontor_kit::{Result, args};

use crate::index::Index;
use crate::model::Object;

/// Writes the rows of an object; those of its old state go first.
pub(crate) fn write(tx: &mut Tx<'_>, object: &Object, index: &Index, existed: bool) -> Result<()> {
    if existed {
        clear(tx, object.num)?;
    }
    let spans = index.spans.iter().map(|span| {
        [object.coll.into(), span.class.into(), span.start.into(), object.num.into(), span.end.into()]
    });
    insert(tx, "occurrence (coll, class, start_utc, object, end_utc)", spans)?;
    let lookups = index
        .lookups
        .iter()
        .map(|lookup| [object.coll.into(), lookup.kind.into(), (&lookup.value).into(), object.num.into()]);
    insert(tx, "lookup (coll, kind, value, object)", lookups)
}

/// Removes all rows of an object.
pub(super) fn clear(tx: &mut Tx<'_>, object: i64) -> Result<()> {
    tx.execute("DELETE FROM occurrence WHERE object = $1", args![object])?;
    tx.execute("DELETE FROM lookup WHERE object = $1", args![object])?;
    Ok(())
}

/// Inserts rows, many in one statement, for on PostgreSQL each statement is a way over the wire.
fn insert<const N: usize>(
    tx: &mut Tx<'_>,
    table: &str,
    mut rows: impl ExactSizeIterator<Item = [Value; N]>,
) -> Result<()> {
    while rows.len() > 0 {
        let count = [64, 8, 1].into_iter().find(|size| *size <= rows.len()).unwrap_or(1);
        let args: Vec<Value> = rows.by_ref().take(count).flatten().collect();
        let row = |row: usize| {
            let places: Vec<String> = (1..=N).map(|place| format!("${}", row * N + place)).collect();
            format!("({})", places.join(", "))
        };
        let values: Vec<String> = (0..count).map(row).collect();
        let sql = format!("INSERT INTO {table} VALUES {} ON CONFLICT DO NOTHING", values.join(", "));
        tx.execute(&sql, &args)?;
    }
    Ok(())
}
