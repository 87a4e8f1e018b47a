//! A database for one sandbox: a folder for SQLite, or a fresh database on the PostgreSQL server of the test run.
//! Called by `sandbox.rs`.

use kontor_kit::db::Storage;
use kontor_testbed::Database;
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
    /// Folder. On SQLite all data is in it.
    pub folder: TempDir,
    /// URL of the database on PostgreSQL.
    pub url: Option<String>,
    _database: Option<Database>,
}

impl Place {
    /// Makes one.
    pub async fn new(backend: Backend) -> Place {
        let folder = tempfile::Builder::new().prefix("kontor-test-").tempdir().expect("a temporary folder");
        let database = match backend {
            Backend::Sqlite => None,
            Backend::Postgres => Some(Database::postgres().await.expect(
                "KONTOR_TEST_POSTGRES names a PostgreSQL server to test on: run tests/run, which starts one",
            )),
        };
        let url = database.as_ref().and_then(|database| match &database.storage {
            Storage::Postgres(url) => Some(url.clone()),
            Storage::Sqlite(_) => None,
        });
        Place { folder, url, _database: database }
    }
}
