//! Brings a database up to date: numbered scripts, the same numbers for SQLite and PostgreSQL.
//! Called by the database threads before anything else runs.

use super::Conn;
use crate::{Error, Result, args};

/// One step. Make the list with `migrations!["0001_init", ...]`.
pub struct Migration {
    /// "0001_init"
    pub name: &'static str,
    /// Script for SQLite.
    pub sqlite: &'static str,
    /// Script for PostgreSQL.
    pub postgres: &'static str,
}

/// Lists a crate's migrations from `migrations/sqlite/` and `migrations/postgres/`.
#[macro_export]
macro_rules! migrations {
    ($($name:literal),* $(,)?) => {
        &[$($crate::db::Migration {
            name: $name,
            sqlite: include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/migrations/sqlite/", $name, ".sql")),
            postgres: include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/migrations/postgres/", $name, ".sql")),
        }),*] as &'static [$crate::db::Migration]
    };
}

/// The kit's own tables, in every service's database.
const KIT: &[Migration] = migrations!["0001_kit", "0002_audit"];

/// Processes that start at the same moment wait for each other. The number is Kontor's own, nothing more.
const BEGIN_POSTGRES: &str = "BEGIN; SELECT pg_advisory_xact_lock(5662683)";

pub(super) fn run(
    conn: &mut Conn<'_>,
    service: &str,
    migrations: &'static [Migration],
    now: i64,
) -> Result<()> {
    conn.script(if conn.is_postgres() { BEGIN_POSTGRES } else { "BEGIN IMMEDIATE" })?;
    let outcome = run_all(conn, migrations, now);
    conn.script(if outcome.is_ok() { "COMMIT" } else { "ROLLBACK" })?;
    let steps = outcome?;
    if let Some(last) = steps.last() {
        tracing::info!(service, steps = steps.len(), last, "the database was brought up to date");
    }
    Ok(())
}

/// Answers what it ran.
fn run_all(conn: &mut Conn<'_>, migrations: &'static [Migration], now: i64) -> Result<Vec<&'static str>> {
    conn.script("CREATE TABLE IF NOT EXISTS kit_migration (name TEXT PRIMARY KEY, time BIGINT NOT NULL)")?;
    let done = conn.all("SELECT name FROM kit_migration ORDER BY name", &[], |row| row.string(0))?;
    let known = || KIT.iter().chain(migrations);
    if let Some(newer) = done.iter().find(|name| !known().any(|migration| migration.name == *name)) {
        return Err(Error::precondition(
            "NEWER_DATA",
            format!(
                "the data has the migration {newer}, which this program does not know: use the newer program"
            ),
        ));
    }
    let mut steps = Vec::new();
    for migration in known().filter(|migration| !done.iter().any(|name| name == migration.name)) {
        conn.script(if conn.is_postgres() { migration.postgres } else { migration.sqlite })?;
        conn.execute("INSERT INTO kit_migration (name, time) VALUES ($1, $2)", args![migration.name, now])?;
        tracing::debug!(migration = migration.name, "migrated");
        steps.push(migration.name);
    }
    Ok(steps)
}
