//! A place to run services in: a fresh SQLite folder or a fresh PostgreSQL database, gone when the test ends.
//! Used by world.rs.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;

use kontor_kit::auth::Caller;
use kontor_kit::bus::Bus;
use kontor_kit::clock::Clock;
use kontor_kit::context::{Company, Context};
use kontor_kit::db::Storage;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

/// 2026-11-23T09:00:00Z in microseconds.
pub const MONDAY: i64 = 1_795_424_400_000_000;
/// Microseconds of a second.
pub const SECOND: i64 = 1_000_000;

/// The place and its hand-moved clock.
pub struct Place {
    pub context: Context,
    pub time: Arc<AtomicI64>,
    home: Home,
}

enum Home {
    Folder(PathBuf),
    Database { server: String, name: String },
}

impl Place {
    pub async fn sqlite() -> Place {
        let folder = std::env::temp_dir().join(format!("kontor-test-{}", uuid::Uuid::now_v7()));
        std::fs::create_dir_all(&folder).unwrap();
        Place::new(Storage::Sqlite(folder.clone()), Home::Folder(folder))
    }

    /// None when no server is named by KONTOR_TEST_POSTGRES.
    pub async fn postgres() -> Option<Place> {
        let server = std::env::var("KONTOR_TEST_POSTGRES").ok()?;
        let name = format!("kontor_test_{}", uuid::Uuid::now_v7().simple());
        let mut conn = PgConnection::connect(&server).await.unwrap();
        let create = format!("CREATE DATABASE {name}");
        sqlx::raw_sql(AssertSqlSafe(create)).execute(&mut conn).await.unwrap();
        let url = format!("{}/{name}", server.rsplit_once('/').unwrap().0);
        Some(Place::new(Storage::Postgres(url), Home::Database { server, name }))
    }

    fn new(storage: Storage, home: Home) -> Place {
        let time = Arc::new(AtomicI64::new(MONDAY));
        let context = Context {
            storage,
            clock: Clock::Fixed(time.clone()),
            bus: Bus::default(),
            company: Company::default(),
            cluster_key: None,
            stop: Default::default(),
            tasks: Default::default(),
        };
        Place { context, time, home }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.context.stop.cancel();
        match &self.home {
            Home::Folder(folder) => drop(std::fs::remove_dir_all(folder)),
            Home::Database { server, name } => {
                let (server, drop_it) = (server.clone(), format!("DROP DATABASE {name} WITH (FORCE)"));
                let work = std::thread::spawn(move || {
                    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                    runtime.block_on(async {
                        let mut conn = PgConnection::connect(&server).await.unwrap();
                        sqlx::raw_sql(AssertSqlSafe(drop_it)).execute(&mut conn).await.unwrap();
                    });
                });
                work.join().unwrap();
            }
        }
    }
}

/// A user as the gateway would find it.
pub fn caller(user: &str, teams: &[&str], led_teams: &[&str]) -> Caller {
    let owned = |teams: &[&str]| teams.iter().map(|team| (*team).to_owned()).collect();
    Caller {
        user: user.to_owned(),
        display_name: user.to_owned(),
        admin: false,
        teams: owned(teams),
        led_teams: owned(led_teams),
        time_zone: String::new(),
        system: false,
    }
}

/// An administrator.
pub fn admin() -> Caller {
    Caller { admin: true, ..caller("admin", &[], &[]) }
}

/// Runs each test on SQLite, and on PostgreSQL when there is one.
#[macro_export]
macro_rules! on_both {
    ($world:ident; $($test:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$test(super::$world::start($crate::place::Place::sqlite().await).await).await;
            })*
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                if let Some(place) = $crate::place::Place::postgres().await {
                    super::$test(super::$world::start(place).await).await;
                }
            })*
        }
    };
}
