//! A place for the data of one test, and small things that several tests need.
//! Called by all test files.

use std::future::Future;
use std::time::Duration;

use kontor_kit::auth::{Caller, Guard};
use kontor_kit::bus::Bus;
use kontor_kit::clock::Clock;
use kontor_kit::context::{Company, Context};
use kontor_kit::db::{Db, Migration, Storage};
use kontor_kit::outbox::NewEvent;
use kontor_kit::{Result, args};
use kontor_proto::directory::v1::PartnerCreated;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Makes one test of each async function: on SQLite, and on PostgreSQL when there is one.
macro_rules! on_both {
    ($($name:ident),* $(,)?) => {$(
        mod $name {
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_sqlite() {
                super::$name($crate::support::Place::sqlite()).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_postgresql() {
                if let Some(place) = $crate::support::Place::postgres().await {
                    super::$name(place).await;
                }
            }
        }
    )*};
}

/// Storage that is gone when it is dropped.
pub struct Place {
    pub storage: Storage,
    _folder: Option<TempDir>,
}

impl Place {
    pub fn sqlite() -> Place {
        let folder = tempfile::Builder::new().prefix("kontor-kit-").tempdir().expect("a temporary folder");
        Place { storage: Storage::Sqlite(folder.path().to_owned()), _folder: Some(folder) }
    }

    /// A fresh database on the server of the test run; none, and a word about it, when no server is named.
    pub async fn postgres() -> Option<Place> {
        let Ok(server) = std::env::var("KONTOR_TEST_POSTGRES") else {
            eprintln!("not run on PostgreSQL: KONTOR_TEST_POSTGRES names no server");
            return None;
        };
        let name = format!("kit_{}", kontor_kit::id::new().replace('-', ""));
        run_on(&server, &format!("CREATE DATABASE {name}")).await;
        let base = server.rsplit_once('/').map_or(server.as_str(), |(base, _)| base);
        Some(Place { storage: Storage::Postgres(format!("{base}/{name}")), _folder: None })
    }

    pub fn is_postgres(&self) -> bool {
        matches!(self.storage, Storage::Postgres(_))
    }

    pub async fn open(&self) -> Db {
        self.open_as("it", NOTES).await.expect("the database opens")
    }

    pub async fn open_as(&self, service: &str, migrations: &'static [Migration]) -> Result<Db> {
        Db::open(&self.storage, service, migrations, Clock::System).await
    }

    pub fn context(&self) -> Context {
        Context {
            storage: self.storage.clone(),
            clock: Clock::System,
            bus: Bus::default(),
            company: Company::default(),
            cluster_key: None,
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
        }
    }

    /// Runs a statement on the PostgreSQL database, as its administrator would.
    pub async fn administer(&self, sql: &str) {
        let Storage::Postgres(url) = &self.storage else { panic!("only PostgreSQL has an administrator") };
        run_on(url, sql).await;
    }
}

async fn run_on(url: &str, sql: &str) {
    let mut conn = PgConnection::connect(url).await.expect("the PostgreSQL server answers");
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut conn).await.expect("the statement works");
}

/// One small table.
pub const NOTES: &[Migration] = &[Migration {
    name: "0001_notes",
    sqlite: "CREATE TABLE note (id TEXT PRIMARY KEY, number BIGINT NOT NULL, text TEXT NOT NULL)",
    postgres: "CREATE TABLE note (id TEXT PRIMARY KEY, number BIGINT NOT NULL, text TEXT NOT NULL)",
}];

/// Writes a note and its event.
pub fn note(tx: &mut kontor_kit::db::Tx<'_>, id: &str, number: i64) -> Result<()> {
    tx.execute("INSERT INTO note (id, number, text) VALUES ($1, $2, '')", args![id, number])?;
    tx.publish(event(id, &Guard::company()));
    Ok(())
}

pub fn event(subject: &str, guard: &Guard) -> NewEvent {
    NewEvent::new("it", subject, guard, &PartnerCreated { display_name: subject.to_owned() })
}

pub async fn count(db: &Db, sql: &'static str) -> i64 {
    db.read(move |conn| Ok(conn.one(sql, &[], |row| row.int(0))?.unwrap_or(-1)))
        .await
        .expect("the count is read")
}

/// A user in these teams, leading those.
pub fn user(name: &str, teams: &[&str], led: &[&str]) -> Caller {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    Caller {
        user: name.to_owned(),
        admin: false,
        system: false,
        teams: owned(teams),
        led_teams: owned(led),
        ..Caller::system()
    }
}

/// Asks again until it is true, for at most ten seconds.
pub async fn until<F: Future<Output = bool>>(what: &str, mut ask: impl FnMut() -> F) {
    for _ in 0..500 {
        if ask().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("waited ten seconds in vain: {what}");
}
