//! A place to run services in: a fresh database, a bus, and a clock that stands still until a test moves it.
//! Called through `on_both!`.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use kontor_kit::bus::Bus;
use kontor_kit::clock::Clock;
use kontor_kit::context::{Company, Context};
use kontor_kit::db::Db;

use crate::Database;

/// 2026-11-23T09:00:00Z in microseconds since 1970 UTC: what the clock shows at first.
pub const MONDAY: i64 = 1_795_424_400_000_000;
/// Microseconds of a second.
pub const SECOND: i64 = 1_000_000;

/// One process of one test. Services started over the same context find each other's events on its bus.
pub struct Place {
    /// For `start` of services.
    pub context: Context,
    time: Arc<AtomicI64>,
    /// Where its data is.
    pub database: Database,
}

impl Place {
    /// On SQLite.
    pub fn sqlite() -> Place {
        Place::on(Database::sqlite())
    }

    /// On PostgreSQL; none when no server is named by `KONTOR_TEST_POSTGRES`.
    pub async fn postgres() -> Option<Place> {
        Database::postgres().await.map(Place::on)
    }

    fn on(database: Database) -> Place {
        let time = Arc::new(AtomicI64::new(MONDAY));
        let context = Context {
            storage: database.storage.clone(),
            clock: Clock::Fixed(time.clone()),
            bus: Bus::default(),
            company: Company::default(),
            push: Default::default(),
            cluster_key: None,
            stop: Default::default(),
            tasks: Default::default(),
        };
        Place { context, time, database }
    }

    /// The database of a service that is not there, for a test to write its events.
    ///
    /// # Panics
    /// When it can't be opened.
    pub async fn fake(&self, service: &'static str) -> Db {
        if self.is_postgres() {
            // A database that was copied has its tables, which a service without migrations does not know.
            let sql = format!(
                "DO $$ BEGIN IF EXISTS (SELECT 1 FROM information_schema.tables WHERE table_schema = '{service}' AND table_name NOT LIKE 'kit_%')
                 THEN DROP SCHEMA {service} CASCADE; END IF; END $$"
            );
            self.database.administer(&sql).await;
        }
        self.context.open_db(service, &[]).await.expect("a database")
    }

    /// True when it is on PostgreSQL. A SQLite file belongs to one process.
    pub fn is_postgres(&self) -> bool {
        self.database.is_postgres()
    }

    /// The context of another process over the same data: only the database and the clock are shared.
    pub fn another_process(&self) -> Context {
        Context {
            bus: Bus::default(),
            stop: Default::default(),
            tasks: Default::default(),
            ..self.context.clone()
        }
    }

    /// What the clock shows: microseconds since 1970 UTC.
    pub fn now(&self) -> i64 {
        self.time.load(Ordering::SeqCst)
    }

    /// Moves the clock on by microseconds.
    pub fn pass(&self, micros: i64) {
        self.time.fetch_add(micros, Ordering::SeqCst);
    }

    /// Sets the clock to microseconds since 1970 UTC.
    pub fn set_clock(&self, micros: i64) {
        self.time.store(micros, Ordering::SeqCst);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.context.stop.cancel();
    }
}
