//! A database for one sandbox: a folder for SQLite, or a fresh database on the PostgreSQL server of the test run.
//! Called by `sandbox.rs`.

use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tempfile::TempDir;

/// Which database a sandbox uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// Embedded.
    Sqlite,
    /// The server named by `KONTOR_TEST_POSTGRES`.
    Postgres,
}

/// A place for data that is gone when it is dropped.
pub struct Place {
    /// Folder.
    pub folder: TempDir,
    /// URL of the database on PostgreSQL.
    pub url: Option<String>,
}

impl Place {
    /// Makes one.
    pub async fn new(backend: Backend) -> Place {
        let folder = tempfile::Builder::new().prefix("kontor-test-").tempdir().expect("a temporary folder");
        let url = match backend {
            Backend::Sqlite => None,
            Backend::Postgres => Some(create_database().await),
        };
        Place { folder, url }
    }
}

fn server() -> String {
    std::env::var("KONTOR_TEST_POSTGRES")
        .expect("KONTOR_TEST_POSTGRES names a PostgreSQL server to test on: run tests/run, which starts one")
}

async fn create_database() -> String {
    let server = server();
    let name = format!("kontor_{}", kontor_kit::id::new().replace('-', ""));
    let mut conn = PgConnection::connect(&server).await.expect("the PostgreSQL server answers");
    sqlx::raw_sql(AssertSqlSafe(format!("CREATE DATABASE {name}")))
        .execute(&mut conn)
        .await
        .expect("a new database");
    let base = server.rsplit_once('/').map_or(server.as_str(), |(base, _)| base);
    format!("{base}/{name}")
}
