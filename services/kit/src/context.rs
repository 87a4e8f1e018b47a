//! What a service gets from the process: storage, clock, bus, the company's settings, and how to stop.
//! Made by the binary, one for each company; nothing hangs on a global.

use jiff::tz::TimeZone;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::Result;
use crate::auth::ClusterKey;
use crate::bus::Bus;
use crate::clock::Clock;
use crate::db::{Db, Migration, Storage};

/// Surroundings of a service. Cheap to clone.
#[derive(Clone)]
pub struct Context {
    /// Where data is kept.
    pub storage: Storage,
    /// The clock.
    pub clock: Clock,
    /// Events between services.
    pub bus: Bus,
    /// The company's settings.
    pub company: Company,
    /// Settings of push messages.
    pub push: Push,
    /// Trust between processes; none when all runs in one.
    pub cluster_key: Option<ClusterKey>,
    /// Cancelled when the process is asked to stop: background work ends, streams end.
    pub stop: CancellationToken,
    /// Background work, waited for before the process ends.
    pub tasks: TaskTracker,
}

/// Settings of the company that the installation serves.
#[derive(Clone, Debug)]
pub struct Company {
    /// ISO 3166 country for national telephone numbers: "BE".
    pub region: String,
    /// IANA zone: "Europe/Brussels".
    pub time_zone: String,
    /// ISO 4217 currency: "EUR".
    pub currency: String,
    /// The company's name, as letters show it; may be empty.
    pub name: String,
    /// BCP 47 tag of the language in which letters are written to whoever has none: "de-AT".
    pub locale: String,
}

/// Settings of the messages that tell phones of changes (WebDAV-Push).
#[derive(Clone, Debug, Default)]
pub struct Push {
    /// Whether any are sent. Nothing is announced else.
    pub enabled: bool,
    /// Also to addresses of the own network, and without TLS: for a push server inside the house, and for tests.
    pub private_addresses: bool,
    /// How the operators of push services reach who runs this installation: "mailto:..." or "https://..."; may be empty.
    pub contact: String,
}

impl Default for Company {
    fn default() -> Self {
        Company {
            region: "BE".to_owned(),
            time_zone: "Europe/Brussels".to_owned(),
            currency: "EUR".to_owned(),
            name: String::new(),
            locale: "en".to_owned(),
        }
    }
}

impl Context {
    /// Opens the service's database and offers its outbox on the bus.
    ///
    /// # Errors
    /// Those of `Db::open`.
    pub async fn open_db(&self, service: &'static str, migrations: &'static [Migration]) -> Result<Db> {
        let db = Db::open(&self.storage, service, migrations, self.clock.clone()).await?;
        self.bus.offer(service, db.clone());
        self.spawn(crate::replay::forget_old(db.clone()));
        Ok(db)
    }

    /// The company's zone; UTC when nobody knows its name.
    pub fn zone(&self) -> TimeZone {
        TimeZone::get(&self.company.time_zone).unwrap_or(TimeZone::UTC)
    }

    /// Runs background work until it ends or the process stops.
    pub fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let stop = self.stop.clone();
        self.tasks.spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = work => {}
            }
        });
    }
}
