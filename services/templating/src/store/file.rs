//! Folders and files of users, and the properties that clients give files and templates.
//! Called by rpc/file_place.rs and rpc/file_write.rs.

use kontor_kit::auth::Caller;
use kontor_kit::db::{Conn, Row, Tx, Value};
use kontor_kit::{Error, Result, args, id};

use crate::domain::tree;

/// Files and folders of a user at most, and bytes of them.
const FILES: i64 = 2_000;
const BYTES: i64 = 512 << 20;
/// Properties of a file at most.
const PROPERTIES: i64 = 100;

/// A folder or a file.
#[derive(Clone, Debug, Default)]
pub struct Node {
    /// Id.
    pub id: String,
    /// Its path.
    pub path: String,
    /// It is a folder.
    pub folder: bool,
    /// Hash of its bytes; empty for a folder.
    pub sha256: String,
    /// Bytes.
    pub size: i64,
    /// Microseconds UTC.
    pub create_time: i64,
    /// Microseconds UTC.
    pub update_time: i64,
}

const COLUMNS: &str = "id, path, folder, sha256, size, create_time, update_time";

fn read(row: &Row<'_>) -> Result<Node> {
    Ok(Node {
        id: row.string(0)?,
        path: row.string(1)?,
        folder: row.bool(2)?,
        sha256: row.string(3)?,
        size: row.int(4)?,
        create_time: row.int(5)?,
        update_time: row.int(6)?,
    })
}

/// What of a user's own stands at a path.
///
/// # Errors
/// Those of the database.
pub fn find(conn: &mut Conn<'_>, owner: &str, path: &str) -> Result<Option<Node>> {
    let sql = format!("SELECT {COLUMNS} FROM file WHERE owner = $1 AND path = $2");
    conn.one(&sql, args![owner, path], read)
}

/// What of a user's own is in a folder.
///
/// # Errors
/// Those of the database.
pub fn list(conn: &mut Conn<'_>, owner: &str, parent: &str) -> Result<Vec<Node>> {
    let sql =
        format!("SELECT {COLUMNS} FROM file WHERE owner = $1 AND parent = $2 ORDER BY path LIMIT {FILES}");
    conn.all(&sql, args![owner, parent], read)
}

/// The bytes of a file.
///
/// # Errors
/// Those of the database.
pub fn data(conn: &mut Conn<'_>, id: &str) -> Result<Vec<u8>> {
    let found =
        conn.one("SELECT data FROM file_body WHERE id = $1", args![id], |row| Ok(row.bytes(0)?.to_vec()))?;
    Ok(found.unwrap_or_default())
}

/// Writes a file or makes a folder (without bytes).
///
/// # Errors
/// RESOURCE_EXHAUSTED when the user keeps too much.
pub fn put(tx: &mut Tx<'_>, owner: &str, path: &str, content: Option<(&str, &[u8])>) -> Result<Node> {
    let now = tx.now();
    let size = content.map_or(0, |(_, data)| i64::try_from(data.len()).unwrap_or(i64::MAX));
    let sha256 = content.map_or("", |(sha256, _)| sha256);
    let sql = "SELECT COUNT(*), CAST(COALESCE(SUM(size), 0) AS BIGINT) FROM file WHERE owner = $1";
    let (count, bytes) = tx.one(sql, args![owner], |row| Ok((row.int(0)?, row.int(1)?)))?.unwrap_or_default();
    if count >= FILES || bytes + size > BYTES {
        let message =
            format!("at most {FILES} files with {BYTES} bytes are kept for a user beside the templates");
        return Err(Error::exhausted(message, std::time::Duration::from_secs(3_600)));
    }
    if let Some(old) = find(tx, owner, path)? {
        let sql = "UPDATE file SET sha256 = $2, size = $3, update_time = $4 WHERE id = $1";
        tx.execute(sql, args![&old.id, sha256, size, now])?;
        if let Some((_, data)) = content {
            tx.execute("UPDATE file_body SET data = $2 WHERE id = $1", args![&old.id, data])?;
        }
        return Ok(Node { sha256: sha256.to_owned(), size, update_time: now, ..old });
    }
    let node = Node {
        id: id::new(),
        path: path.to_owned(),
        folder: content.is_none(),
        sha256: sha256.to_owned(),
        size,
        create_time: now,
        update_time: now,
    };
    let parent = tree::parent(path).unwrap_or_default();
    tx.execute(
        "INSERT INTO file (id, owner, path, parent, folder, sha256, size, create_time, update_time) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8)",
        args![&node.id, owner, path, parent, node.folder, sha256, size, now],
    )?;
    if let Some((_, data)) = content {
        tx.execute("INSERT INTO file_body (id, data) VALUES ($1, $2)", args![&node.id, data])?;
    }
    Ok(node)
}

/// Removes one, with its properties.
///
/// # Errors
/// Those of the database.
pub fn remove(tx: &mut Tx<'_>, node: &Node) -> Result<()> {
    tx.execute("DELETE FROM file WHERE id = $1", args![&node.id])?;
    tx.execute("DELETE FROM file_body WHERE id = $1", args![&node.id])?;
    drop_properties(tx, &format!("f:{}", node.id))
}

/// Gives one another path, with all that is in it.
///
/// # Errors
/// Those of the database.
pub fn rename(tx: &mut Tx<'_>, owner: &str, node: &Node, to: &str) -> Result<()> {
    let from = format!("{}/", node.path);
    let length = i64::try_from(from.chars().count()).unwrap_or(i64::MAX);
    // No range: the databases do not put texts into the same order.
    let sql = "SELECT id, path FROM file WHERE owner = $1 AND (path = $2 OR substr(path, 1, CAST($4 AS INTEGER)) = $3)";
    let below =
        tx.all(sql, args![owner, &node.path, &from, length], |row| Ok((row.string(0)?, row.string(1)?)))?;
    for (id, path) in below {
        let path = format!("{to}{}", &path[node.path.len()..]);
        let parent = tree::parent(&path).unwrap_or_default().to_owned();
        tx.execute("UPDATE file SET path = $2, parent = $3 WHERE id = $1", args![&id, &path, &parent])?;
    }
    Ok(())
}

/// A property: name, prefix, XML.
pub type Property = (String, String, Vec<u8>);

/// The properties of a resource.
///
/// # Errors
/// Those of the database.
pub fn properties(conn: &mut Conn<'_>, resource: &str) -> Result<Vec<Property>> {
    let sql = "SELECT name, prefix, xml FROM file_property WHERE resource = $1 ORDER BY name";
    conn.all(sql, args![resource], |row| Ok((row.string(0)?, row.string(1)?, row.bytes(2)?.to_vec())))
}

/// Sets and removes properties.
///
/// # Errors
/// RESOURCE_EXHAUSTED when there are too many.
pub fn change_properties(tx: &mut Tx<'_>, resource: &str, set: &[Property], remove: &[String]) -> Result<()> {
    for name in remove {
        tx.execute("DELETE FROM file_property WHERE resource = $1 AND name = $2", args![resource, name])?;
    }
    for (name, prefix, xml) in set {
        tx.execute(
            "INSERT INTO file_property (resource, name, prefix, xml) VALUES ($1, $2, $3, $4)
             ON CONFLICT (resource, name) DO UPDATE SET prefix = excluded.prefix, xml = excluded.xml",
            args![resource, name, prefix, &xml[..]],
        )?;
    }
    let sql = "SELECT COUNT(*) FROM file_property WHERE resource = $1";
    if tx.one(sql, args![resource], |row| row.int(0))?.unwrap_or(0) > PROPERTIES {
        let message = format!("a file has at most {PROPERTIES} properties");
        return Err(Error::exhausted(message, std::time::Duration::from_secs(3_600)));
    }
    Ok(())
}

/// Gives a resource the properties of another one.
///
/// # Errors
/// Those of the database.
pub fn copy_properties(tx: &mut Tx<'_>, from: &str, to: &str) -> Result<()> {
    drop_properties(tx, to)?;
    let set = properties(tx, from)?;
    change_properties(tx, to, &set, &[])
}

/// Forgets the properties of a resource.
///
/// # Errors
/// Those of the database.
pub fn drop_properties(tx: &mut Tx<'_>, resource: &str) -> Result<()> {
    tx.execute("DELETE FROM file_property WHERE resource = $1", args![resource]).map(|_| ())
}

/// Partners with letters that the caller may see: name and name for people.
///
/// # Errors
/// Those of the database.
pub fn partners(conn: &mut Conn<'_>, caller: &Caller) -> Result<Vec<(String, String)>> {
    let mut args: Vec<Value> = Vec::new();
    let scope = caller.scope("m.owner", "m.team", &mut args);
    let sql = format!(
        "SELECT l.partner, MAX(r.display_name) FROM letter l JOIN merge_run m ON m.id = l.merge_id
         JOIN merge_row r ON r.merge_id = l.merge_id AND r.number = l.number
         WHERE m.state = 4 AND l.partner <> '' AND {scope} GROUP BY l.partner ORDER BY l.partner LIMIT 10000"
    );
    conn.all(&sql, &args, |row| Ok((row.string(0)?, row.string(1)?)))
}

/// A letter in its partner's folder.
#[derive(Clone, Debug)]
pub struct LetterFile {
    /// Id of its merge.
    pub merge: String,
    /// Its number.
    pub number: i64,
    /// Bytes.
    pub size: i64,
    /// Name of its file in the merge.
    pub filename: String,
    /// Name of its template.
    pub template: String,
    /// When the merge began.
    pub create_time: i64,
}

/// The letters to a partner that the caller may see, newest first.
///
/// # Errors
/// Those of the database.
pub fn letters_to(conn: &mut Conn<'_>, caller: &Caller, partner: &str) -> Result<Vec<LetterFile>> {
    let mut args: Vec<Value> = vec![partner.into()];
    let scope = caller.scope("m.owner", "m.team", &mut args);
    let sql = format!(
        "SELECT l.merge_id, l.number, l.size, l.filename, m.template_name, m.create_time FROM letter l JOIN merge_run m ON m.id = l.merge_id
         WHERE l.partner = $1 AND m.state = 4 AND {scope} ORDER BY m.create_time DESC, l.merge_id, l.number LIMIT 1000"
    );
    conn.all(&sql, &args, |row| {
        Ok(LetterFile {
            merge: row.string(0)?,
            number: row.int(1)?,
            size: row.int(2)?,
            filename: row.string(3)?,
            template: row.string(4)?,
            create_time: row.int(5)?,
        })
    })
}
