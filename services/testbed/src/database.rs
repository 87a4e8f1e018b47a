//! A fresh SQLite folder or a fresh PostgreSQL database, gone when it is dropped.
//! Called by place.rs, the Sandbox, and tests that make their own context.

use kontor_kit::db::Storage;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tempfile::TempDir;

/// Variable with the URL of a PostgreSQL server to test on: "postgres://postgres@127.0.0.1:5432/postgres".
pub const SERVER: &str = "KONTOR_TEST_POSTGRES";

/// Variable with the name of a database on that server with all tables and no rows: it is copied, which is faster than making the tables again for each test.
pub const TEMPLATE: &str = "KONTOR_TEST_TEMPLATE";

/// Whose tests start most of the services: making their tables takes a second, a copy a fifth of one. For a service or two the copy is the slower way.
const COPIES: [&str; 6] = [
    "kontor-pipeline",
    "kontor-telephony",
    "kontor-segmentation",
    "kontor-templating",
    "kontor-mail",
    "kontor-tests",
];

/// Storage of one test.
pub struct Database {
    /// For `Context` or `Db::open`.
    pub storage: Storage,
    home: Home,
}

enum Home {
    Folder(#[expect(dead_code, reason = "its drop removes the folder")] TempDir),
    Server { server: String, name: String },
}

impl Database {
    /// A folder for SQLite files.
    ///
    /// # Panics
    /// When there is no temporary folder to be had.
    pub fn sqlite() -> Database {
        let folder = tempfile::Builder::new().prefix("kontor-test-").tempdir().expect("a temporary folder");
        Database { storage: Storage::Sqlite(folder.path().to_owned()), home: Home::Folder(folder) }
    }

    /// A database on the server of the test run; none, and a word about it, when no server is named.
    ///
    /// # Panics
    /// When the named server does not answer.
    pub async fn postgres() -> Option<Database> {
        let Ok(server) = std::env::var(SERVER) else {
            eprintln!("not run on PostgreSQL: {SERVER} names no server");
            return None;
        };
        let name = format!("kontor_test_{}", kontor_kit::id::new().replace('-', ""));
        let is_large = std::env::var("CARGO_PKG_NAME").is_ok_and(|package| COPIES.contains(&&*package));
        let template = std::env::var(TEMPLATE).ok().filter(|_| is_large);
        let like = template.map_or_else(String::new, |from| format!(" TEMPLATE {from}"));
        run_on(&server, &format!("CREATE DATABASE {name}{like}")).await.expect("a new database");
        let base = server.rsplit_once('/').map_or(server.as_str(), |(base, _)| base);
        let storage = Storage::Postgres(format!("{base}/{name}"));
        Some(Database { storage, home: Home::Server { server, name } })
    }

    /// True when it is on PostgreSQL.
    pub fn is_postgres(&self) -> bool {
        matches!(self.storage, Storage::Postgres(_))
    }

    /// Runs a statement on the PostgreSQL database, as its administrator would.
    ///
    /// # Panics
    /// When it is on SQLite, or the statement fails.
    pub async fn administer(&self, sql: &str) {
        let Storage::Postgres(url) = &self.storage else { panic!("only PostgreSQL has an administrator") };
        run_on(url, sql).await.expect("the statement works");
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let Home::Server { server, name } = &self.home else { return };
        let (server, sql) = (server.clone(), format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"));
        // a thread of its own: the test's runtime may be the one that drops it
        let work = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(run_on(&server, &sql)).expect("the database is dropped");
        });
        // no second panic while a test fails
        if work.join().is_err() {
            eprintln!("the database {name} stays behind");
        }
    }
}

async fn run_on(url: &str, sql: &str) -> sqlx::Result<()> {
    let mut conn = PgConnection::connect(url).await?;
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut conn).await?;
    conn.close().await
}
