//! Many rows of one table at once.
//! Called by `store::occurrence` and by the services for their own typed rows.

use kontor_kit::Result;
use kontor_kit::db::{Tx, Value};

/// Inserts rows, many in one statement, for on PostgreSQL each statement is a way over the wire. `table` is its name with the
/// columns. A row whose key is there already is passed over.
///
/// # Errors
/// Those of the database.
pub fn insert<const N: usize>(
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
