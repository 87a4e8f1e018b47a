//! One connection inside a read or a write: the portable SQL calls that stores use.
//! Called by every store; the two back ends make it.

use std::cell::RefCell;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::{Deref, DerefMut};
use std::time::{Duration, Instant};

use super::postgres::Session;
use super::{Row, Value};
use crate::{Error, Result};

/// A connection during one read or one transaction. Placeholders are `$1`, `$2`, ... on both databases.
pub struct Conn<'a>(pub(super) Backend<'a>);

pub(super) enum Backend<'a> {
    Sqlite(&'a File),
    Postgres(&'a mut Session),
}

/// How long a finding about the data of a file is good.
const FINDING_FOR: Duration = Duration::from_secs(60);
/// Findings that are kept at most.
const FINDINGS: usize = 4_096;

/// A connection to a file of SQLite, and what a read found out about its data lately.
pub(super) struct File {
    conn: rusqlite::Connection,
    found: RefCell<HashMap<u64, Instant>>,
}

impl File {
    pub fn new(conn: rusqlite::Connection) -> File {
        File { conn, found: RefCell::default() }
    }
}

impl Deref for File {
    type Target = rusqlite::Connection;

    fn deref(&self) -> &rusqlite::Connection {
        &self.conn
    }
}

impl DerefMut for File {
    fn deref_mut(&mut self) -> &mut rusqlite::Connection {
        &mut self.conn
    }
}

impl Conn<'_> {
    /// True on PostgreSQL, for the rare statement that must differ.
    pub fn is_postgres(&self) -> bool {
        matches!(self.0, Backend::Postgres(_))
    }

    /// Whether `look` says so, or said so within the last minute for the same key: for what changes how a statement is asked, and not its answer.
    ///
    /// # Errors
    /// Those of `look`.
    pub(crate) fn lately(
        &mut self,
        key: &impl Hash,
        look: impl FnOnce(&mut Self) -> Result<bool>,
    ) -> Result<bool> {
        let mut hash = DefaultHasher::new();
        key.hash(&mut hash);
        let key = hash.finish();
        if let Backend::Sqlite(file) = self.0
            && file.found.borrow().get(&key).is_some_and(|since| since.elapsed() < FINDING_FOR)
        {
            return Ok(true);
        }
        let says = look(self)?;
        if let Backend::Sqlite(file) = self.0
            && says
        {
            let mut found = file.found.borrow_mut();
            if found.len() >= FINDINGS {
                found.clear();
            }
            found.insert(key, Instant::now());
        }
        Ok(says)
    }

    /// Runs a statement and returns the number of rows that it touched.
    ///
    /// # Errors
    /// ALREADY_EXISTS (reason `error::UNIQUE`) on a unique index, UNAVAILABLE, INTERNAL.
    pub fn execute(&mut self, sql: &str, args: &[Value]) -> Result<u64> {
        match &mut self.0 {
            Backend::Sqlite(conn) => {
                let mut statement = conn.prepare_cached(sql)?;
                bind(&mut statement, args)?;
                Ok(statement.raw_execute()? as u64)
            }
            Backend::Postgres(session) => session.execute(sql, args),
        }
    }

    /// Calls `look` with each row as it comes.
    ///
    /// # Errors
    /// Those of the database and of `look`.
    pub fn each(
        &mut self,
        sql: &str,
        args: &[Value],
        mut look: impl FnMut(&Row<'_>) -> Result<()>,
    ) -> Result<()> {
        match &mut self.0 {
            Backend::Sqlite(conn) => {
                let mut statement = conn.prepare_cached(sql)?;
                bind(&mut statement, args)?;
                let mut rows = statement.raw_query();
                while let Some(row) = rows.next()? {
                    look(&Row::Sqlite(row))?;
                }
                Ok(())
            }
            Backend::Postgres(session) => session.each(sql, args, |row| look(&Row::Postgres(row))),
        }
    }

    /// All rows, mapped. The statement bounds their number.
    ///
    /// # Errors
    /// Those of the database and of `map`.
    pub fn all<T>(
        &mut self,
        sql: &str,
        args: &[Value],
        mut map: impl FnMut(&Row<'_>) -> Result<T>,
    ) -> Result<Vec<T>> {
        let mut found = Vec::new();
        self.each(sql, args, |row| {
            found.push(map(row)?);
            Ok(())
        })?;
        Ok(found)
    }

    /// The first row, mapped, or none.
    ///
    /// # Errors
    /// Those of the database and of `map`.
    pub fn one<T>(
        &mut self,
        sql: &str,
        args: &[Value],
        map: impl FnOnce(&Row<'_>) -> Result<T>,
    ) -> Result<Option<T>> {
        match &mut self.0 {
            Backend::Sqlite(conn) => {
                let mut statement = conn.prepare_cached(sql)?;
                bind(&mut statement, args)?;
                let mut rows = statement.raw_query();
                rows.next()?.map(|row| map(&Row::Sqlite(row))).transpose()
            }
            Backend::Postgres(session) => {
                session.fetch(sql, args)?.first().map(|row| map(&Row::Postgres(row))).transpose()
            }
        }
    }

    /// Writes rows of as many values as there are columns, many in one statement, for on PostgreSQL each statement is a way over the wire.
    /// `end` comes behind the values: "ON CONFLICT DO NOTHING", or nothing.
    ///
    /// # Errors
    /// Those of the database.
    pub fn insert_many(
        &mut self,
        table: &str,
        columns: &str,
        rows: impl ExactSizeIterator<Item = Vec<Value>>,
        end: &str,
    ) -> Result<()> {
        let mut rows = rows;
        while rows.len() > 0 {
            // Few sizes, so that few statements are prepared.
            let count = [32, 4, 1].into_iter().find(|count| *count <= rows.len()).unwrap_or(1);
            let values: Vec<Value> = rows.by_ref().take(count).flatten().collect();
            let each = values.len() / count;
            let row = |row: usize| {
                let places: Vec<String> =
                    (1..=each).map(|place| format!("${}", row * each + place)).collect();
                format!("({})", places.join(", "))
            };
            let places: Vec<String> = (0..count).map(row).collect();
            let sql = format!("INSERT INTO {table} ({columns}) VALUES {} {end}", places.join(", "));
            self.execute(&sql, &values)?;
        }
        Ok(())
    }

    /// Checks that the transaction can still be committed. After a failed statement PostgreSQL answers a COMMIT with a silent
    /// rollback, and SQLite ends the transaction itself when the disk is full: neither may be acknowledged.
    pub(super) fn must_be_whole(&self) -> Result<()> {
        let broken = match &self.0 {
            Backend::Sqlite(conn) => conn.is_autocommit(),
            Backend::Postgres(session) => session.has_failed(),
        };
        if broken { Err(Error::internal("a write went on after a statement had failed")) } else { Ok(()) }
    }

    /// Runs one statement without arguments that comes again and again: BEGIN, COMMIT, SAVEPOINT.
    pub(super) fn control(&mut self, sql: &str) -> Result<()> {
        match &mut self.0 {
            Backend::Sqlite(conn) => {
                conn.prepare_cached(sql)?.raw_execute()?;
                Ok(())
            }
            Backend::Postgres(session) => session.script(sql),
        }
    }

    /// Runs several statements without arguments: migrations.
    pub(super) fn script(&mut self, sql: &str) -> Result<()> {
        match &mut self.0 {
            Backend::Sqlite(conn) => Ok(conn.execute_batch(sql)?),
            Backend::Postgres(session) => session.script(sql),
        }
    }
}

/// Names of the placeholders. SQLite numbers `$n` by first appearance, so each is bound by its name.
const NAMES: [&str; 64] = [
    "$1", "$2", "$3", "$4", "$5", "$6", "$7", "$8", "$9", "$10", "$11", "$12", "$13", "$14", "$15", "$16",
    "$17", "$18", "$19", "$20", "$21", "$22", "$23", "$24", "$25", "$26", "$27", "$28", "$29", "$30", "$31",
    "$32", "$33", "$34", "$35", "$36", "$37", "$38", "$39", "$40", "$41", "$42", "$43", "$44", "$45", "$46",
    "$47", "$48", "$49", "$50", "$51", "$52", "$53", "$54", "$55", "$56", "$57", "$58", "$59", "$60", "$61",
    "$62", "$63", "$64",
];

fn bind(statement: &mut rusqlite::CachedStatement<'_>, args: &[Value]) -> Result<()> {
    let many;
    let names: &mut dyn Iterator<Item = &str> = if args.len() <= NAMES.len() {
        &mut NAMES.iter().copied()
    } else {
        many = (1..=args.len()).map(|number| format!("${number}")).collect::<Vec<_>>();
        &mut many.iter().map(String::as_str)
    };
    for (name, arg) in names.zip(args) {
        let index = statement
            .parameter_index(name)?
            .ok_or_else(|| Error::internal(format!("statement has no placeholder {name}")))?;
        match arg {
            Value::Int(value) => statement.raw_bind_parameter(index, value)?,
            Value::Real(value) => statement.raw_bind_parameter(index, value)?,
            Value::Text(value) => statement.raw_bind_parameter(index, value)?,
            Value::Bytes(value) => statement.raw_bind_parameter(index, value)?,
        }
    }
    Ok(())
}
