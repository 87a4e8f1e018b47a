//! Dead properties of collections: kept for the client, understood by nobody. Those of objects are next door.
//! Called by `rpc` and by `store::collection`.

use kontor_kit::db::{Conn, Row, Tx};
use kontor_kit::{Error, Result, args};

use crate::store::collection::check_language;

/// Dead properties of one collection at most.
const COUNT: i64 = 200;
/// Largest value in bytes.
pub(super) const VALUE: usize = 64 * 1024;

/// A property that is only stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Property {
    /// XML namespace.
    pub namespace: String,
    /// Local name.
    pub name: String,
    /// Inner XML.
    pub value: String,
    /// Language in force on it (xml:lang), or empty.
    pub language: String,
}

/// The dead properties of a collection, in the order of their names.
///
/// # Errors
/// Those of the database.
pub fn list(conn: &mut Conn<'_>, coll: i64) -> Result<Vec<Property>> {
    conn.all(
        "SELECT namespace, name, value, language FROM dead_property WHERE coll = $1 ORDER BY namespace, name",
        args![coll],
        |row| read(row, 0),
    )
}

/// A property whose four columns begin at `from`.
pub(super) fn read(row: &Row<'_>, from: usize) -> Result<Property> {
    Ok(Property {
        namespace: row.string(from)?,
        name: row.string(from + 1)?,
        value: row.string(from + 2)?,
        language: row.string(from + 3)?,
    })
}

/// Removes some and sets some.
pub(super) fn change(
    tx: &mut Tx<'_>,
    coll: i64,
    set: &[Property],
    remove: &[(String, String)],
) -> Result<()> {
    for (namespace, name) in remove {
        tx.execute(
            "DELETE FROM dead_property WHERE coll = $1 AND namespace = $2 AND name = $3",
            args![coll, namespace, name],
        )?;
    }
    for property in set {
        check(property)?;
        tx.execute(
            "INSERT INTO dead_property (coll, namespace, name, value, language) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (coll, namespace, name) DO UPDATE SET value = excluded.value, language = excluded.language",
            args![coll, &property.namespace, &property.name, &property.value, &property.language],
        )?;
    }
    let count =
        tx.one("SELECT COUNT(*) FROM dead_property WHERE coll = $1", args![coll], |row| row.int(0))?;
    if count.unwrap_or(0) > COUNT {
        return Err(Error::invalid(
            "set_dead",
            format!("a collection keeps at most {COUNT} dead properties"),
        ));
    }
    Ok(())
}

pub(super) fn check(property: &Property) -> Result<()> {
    check_language(&property.language)?;
    let named = (1..=255).contains(&property.name.len()) && property.namespace.len() <= 1_000;
    if !named || property.value.len() > VALUE {
        return Err(Error::invalid("set_dead", format!("{:?} is too long", property.name)));
    }
    let texts = [&property.namespace, &property.name, &property.value];
    if texts.iter().any(|text| text.contains('\0')) {
        return Err(Error::invalid("set_dead", "it has a zero character"));
    }
    Ok(())
}
