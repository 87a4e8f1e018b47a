//! A place for the data of one test, and small things that several tests need.
//! Called by all test files.

use std::future::Future;
use std::time::Duration;

use kontor_kit::auth::Guard;
use kontor_kit::clock::Clock;
use kontor_kit::context::Context;
use kontor_kit::db::{Db, Migration};
use kontor_kit::outbox::NewEvent;
use kontor_kit::{Result, args};
use kontor_proto::directory::v1::PartnerCreated;

/// The place of a test, by the machine's clock: what is due here comes by itself.
pub struct Place(kontor_testbed::Place);

impl Place {
    pub async fn start(place: kontor_testbed::Place) -> Place {
        Place(place)
    }

    pub fn sqlite() -> Place {
        Place(kontor_testbed::Place::sqlite())
    }

    pub async fn postgres() -> Option<Place> {
        kontor_testbed::Place::postgres().await.map(Place)
    }

    pub fn is_postgres(&self) -> bool {
        self.0.is_postgres()
    }

    pub async fn open(&self) -> Db {
        self.open_as("it", NOTES).await.expect("the database opens")
    }

    pub async fn open_as(&self, service: &str, migrations: &'static [Migration]) -> Result<Db> {
        Db::open(&self.0.context.storage, service, migrations, Clock::System).await
    }

    /// That of a process of its own.
    pub fn context(&self) -> Context {
        Context { clock: Clock::System, ..self.0.another_process() }
    }

    /// Runs a statement on the PostgreSQL database, as its administrator would.
    pub async fn administer(&self, sql: &str) {
        self.0.database.administer(sql).await;
    }
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

/// Asks again until it is true, for at most ten seconds.
pub async fn until<F: Future<Output = bool>>(what: &str, mut ask: impl FnMut() -> F) {
    for () in kontor_testbed::patience() {
        if ask().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("waited in vain: {what}");
}
