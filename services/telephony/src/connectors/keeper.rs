//! Runs one session for each enabled connector that we connect to (Asterisk by AMI or ARI, FreeSWITCH), in one process at a time, and writes down how it is doing.
//! Started by lib.rs; rpc/connector.rs wakes it after a change.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use kontor_kit::context::Context;
use kontor_kit::{Error, Result, id};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::dialler::{self, Dialler, Sent};
use super::session::{Closed, Handle, Phase, Resume, Status, Storing};
use super::stream::Tls;
use super::{ami, ari, freeswitch};
use crate::domain::connector::{Connector, Kind, PeerTls};
use crate::domain::fact::{CallFact, Micros};
use crate::intake::Intake;
use crate::store;
use crate::store::state::Live;

/// How long a process may hold a session without saying that it lives.
const LEASE_MICROS: i64 = 10_000_000;
/// How often it says so, and how soon another process takes over after that.
const ROUND: Duration = Duration::from_secs(2);
/// Pause between reports of a session that changes all the time.
const REPORT: Duration = Duration::from_millis(250);
/// Open calls that are caught up with after a restart.
const OPEN_CALLS: i64 = 1_000;
/// Tries to store a batch that the database refuses as such.
const TRIES: u32 = 5;

/// Wakes the sessions' keeper. Cheap to clone.
#[derive(Clone)]
pub struct Keeper(Arc<Notify>);

impl Keeper {
    /// Starts keeping sessions for as long as the process runs.
    pub fn start(context: &Context, intake: &Intake) -> Keeper {
        let wake = Arc::new(Notify::new());
        let mut desk = Desk {
            context: context.clone(),
            intake: intake.clone(),
            owner: id::new(),
            running: HashMap::new(),
        };
        let woken = wake.clone();
        // not `context.spawn`: after the stop there is still something to give back
        context.tasks.spawn(async move {
            let stop = desk.context.stop.clone();
            loop {
                if let Err(cause) = desk.round().await {
                    tracing::warn!(cause = %cause, "telephone connectors can't be looked after");
                }
                if let Err(cause) = dialler::expire(&desk.intake).await {
                    tracing::warn!(cause = %cause, "late clicks to call can't be ended");
                }
                tokio::select! {
                    () = stop.cancelled() => break,
                    () = tokio::time::sleep(ROUND) => {}
                    () = woken.notified() => {}
                }
            }
            desk.close().await;
        });
        Keeper(wake)
    }

    /// Looks at the connectors now.
    pub fn wake(&self) {
        self.0.notify_one();
    }
}

struct Desk {
    context: Context,
    intake: Intake,
    owner: String,
    running: HashMap<String, Running>,
}

struct Running {
    /// As it was when it was last looked at.
    connector: Connector,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Desk {
    /// Renews what is held, starts what is new or came free, stops what changed or went.
    async fn round(&mut self) -> Result<()> {
        let connectors = self.intake.db.read(store::connector::sessions).await?;
        let wanted: HashMap<&str, &Connector> = connectors.iter().map(|it| (it.id.as_str(), it)).collect();
        let over: Vec<String> = self
            .running
            .iter()
            .filter(|(id, running)| {
                let goes_on = wanted.get(id.as_str()).is_some_and(|now| now.goes_on(&running.connector));
                !goes_on || running.task.is_finished()
            })
            .map(|(id, _)| id.clone())
            .collect();
        for id in over {
            self.stop(&id, !wanted.contains_key(id.as_str())).await?;
        }
        for connector in &connectors {
            let held = self.lease(&connector.id).await?;
            let runs = self.running.contains_key(&connector.id);
            if held && !runs {
                self.begin(connector).await?;
            } else if let Some(running) = self.running.get_mut(&connector.id).filter(|_| held) {
                running.connector.clone_from(connector);
            } else if !held && runs {
                self.stop(&connector.id, false).await?;
            }
        }
        Ok(())
    }

    async fn lease(&self, connector: &str) -> Result<bool> {
        let (connector, owner) = (connector.to_owned(), self.owner.clone());
        self.intake
            .db
            .write(move |tx| {
                let until = tx.now() + LEASE_MICROS;
                store::state::lease(tx, &connector, &owner, until)
            })
            .await
    }

    async fn begin(&mut self, connector: &Connector) -> Result<()> {
        let Some(peer) = peer(connector, &self.context.company.region)? else { return Ok(()) };
        let resume = self.resume(&connector.id).await?;
        let stop = self.context.stop.child_token();
        let shared = matches!(self.context.storage, kontor_kit::db::Storage::Postgres(_));
        let seat = Seat {
            intake: self.intake.clone(),
            connector: connector.id.clone(),
            owner: self.owner.clone(),
            place: peer.place(),
            shared,
        };
        let work = seat.work(peer, resume, stop.clone());
        let task = self.context.tasks.spawn(work);
        self.running.insert(connector.id.clone(), Running { connector: connector.clone(), stop, task });
        Ok(())
    }

    /// What an earlier session left open.
    async fn resume(&self, connector: &str) -> Result<Resume> {
        let connector = connector.to_owned();
        let job = move |conn: &mut kontor_kit::db::Conn<'_>| {
            let calls = store::call::open(conn, &connector, OPEN_CALLS)?;
            Ok((calls, store::state::get(conn, &connector)?.startup))
        };
        let (calls, startup) = self.intake.db.read(job).await?;
        let legs = calls.iter().filter_map(|call| Some((call, call.record.as_ref()?)));
        let open = legs.flat_map(|(call, record)| {
            record.open_legs().map(|leg| (call.external_id.clone(), leg.to_owned()))
        });
        Ok(Resume { open: open.collect(), startup: Some(startup).filter(|text| !text.is_empty()) })
    }

    async fn stop(&mut self, connector: &str, give_back: bool) -> Result<()> {
        let Some(running) = self.running.remove(connector) else { return Ok(()) };
        running.stop.cancel();
        // it ends at its next wait; a batch that is being stored is stored
        let _ = running.task.await;
        if give_back {
            self.give_back(connector).await?;
        }
        Ok(())
    }

    async fn give_back(&self, connector: &str) -> Result<()> {
        let (connector, owner) = (connector.to_owned(), self.owner.clone());
        self.intake.db.write(move |tx| store::state::release(tx, &connector, &owner)).await
    }

    async fn close(&mut self) {
        let held: Vec<String> = self.running.keys().cloned().collect();
        for connector in held {
            if let Err(cause) = self.stop(&connector, true).await {
                tracing::debug!(cause = %cause, "a telephone connector was not given back");
            }
        }
    }
}

/// The other end of a session.
enum Peer {
    Asterisk(Box<ami::config::Config>),
    Ari(Box<ari::config::Config>),
    FreeSwitch(Box<freeswitch::config::Config>),
}

/// The other end of a connector's session; none for a connector that has none.
fn peer(connector: &Connector, region: &str) -> Result<Option<Peer>> {
    let port = |port: i32, usual: u16| if port == 0 { usual } else { u16::try_from(port).unwrap_or(usual) };
    let secured = |tls: &Option<PeerTls>| tls.as_ref().map(|tls| Tls::new(&tls.certificates)).transpose();
    let bad = |words| Error::invalid("tls.certificates", words);
    let rules = |trunk_prefixes: &[String]| -> Result<ami::config::Rules> {
        let trunks = ami::config::Trunks { channel_prefixes: trunk_prefixes.to_vec(), contexts: Vec::new() };
        Ok(ami::config::Rules { numbers: connector.numbers(region)?, trunks })
    };
    Ok(match &connector.kind {
        Kind::Asterisk(it) => {
            let rules = rules(&it.trunk_prefixes)?;
            let mut config =
                ami::config::Config::new(&connector.id, &it.host, &it.username, &it.secret, rules);
            config.tls = secured(&it.tls).map_err(bad)?;
            config.port = port(it.port, if it.tls.is_some() { 5039 } else { config.port });
            Some(Peer::Asterisk(Box::new(config)))
        }
        Kind::Ari(it) => {
            let rules = rules(&it.trunk_prefixes)?;
            let mut config =
                ari::config::Config::new(&connector.id, &it.host, &it.username, &it.password, rules);
            config.tls = secured(&it.tls).map_err(bad)?;
            config.port = port(it.port, if it.tls.is_some() { 8089 } else { config.port });
            Some(Peer::Ari(Box::new(config)))
        }
        Kind::FreeSwitch(it) => {
            let rules = freeswitch::config::rules(connector, it, region)?;
            let mut config = freeswitch::config::Config::new(&connector.id, &it.host, &it.password, rules);
            config.tls = secured(&it.tls).map_err(bad)?;
            config.port = port(it.port, config.port);
            Some(Peer::FreeSwitch(Box::new(config)))
        }
        Kind::Webhook { .. } | Kind::Grpc { .. } | Kind::Cloud(_) => None,
    })
}

impl Peer {
    /// Where it is.
    fn place(&self) -> String {
        match self {
            Peer::Asterisk(config) => format!("{}:{}", config.host, config.port),
            Peer::Ari(config) => format!("{}:{}", config.host, config.port),
            Peer::FreeSwitch(config) => format!("{}:{}", config.host, config.port),
        }
    }
}

/// What one session needs of this process.
struct Seat {
    intake: Intake,
    connector: String,
    owner: String,
    place: String,
    shared: bool,
}

impl Seat {
    /// One session until it is stopped, with its reports and its dialler beside it.
    async fn work(self, peer: Peer, resume: Resume, stop: CancellationToken) {
        let (intake, connector) = (self.intake.clone(), self.connector.clone());
        let sink = move |batch: Vec<CallFact>| -> Storing {
            let (intake, connector) = (intake.clone(), connector.clone());
            Box::pin(async move { store_batch(&intake, &connector, batch).await })
        };
        match peer {
            Peer::Asterisk(config) => {
                let (session, handle) = ami::session::Session::new(*config, resume);
                self.both(session.run(sink, stop.cancelled()), handle).await;
            }
            Peer::Ari(config) => {
                let (session, handle) = ari::session::Session::new(*config, resume);
                self.both(session.run(sink, stop.cancelled()), handle).await;
            }
            Peer::FreeSwitch(config) => {
                let (session, handle) = freeswitch::session::Session::new(*config, resume);
                self.both(session.run(sink, stop.cancelled()), handle).await;
            }
        }
    }

    async fn both(&self, session: impl Future<Output = ()>, handle: Handle) {
        tokio::select! {
            () = session => {}
            () = self.beside(handle) => {}
        }
    }

    async fn beside(&self, handle: Handle) {
        let dialler = Dialler {
            intake: self.intake.clone(),
            connector: self.connector.clone(),
            owner: self.owner.clone(),
            handle: handle.clone(),
            shared: self.shared,
            sent: Sent::default(),
        };
        tokio::join!(dialler.run(), self.report(handle));
    }

    /// Writes down how the session is doing.
    async fn report(&self, handle: Handle) {
        let mut status = handle.status();
        loop {
            let live = live(&status.borrow_and_update().clone(), &self.place);
            let (name, owner) = (self.connector.clone(), self.owner.clone());
            let wrote = self.intake.db.write(move |tx| store::state::report(tx, &name, &owner, &live)).await;
            if let Err(cause) = wrote {
                tracing::debug!(cause = %cause, "the state of a telephone connector was not written");
            }
            tokio::time::sleep(REPORT).await;
            if status.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }
}

/// Stores a batch; only then the session reads on. While the database is away, the telephone system waits.
async fn store_batch(
    intake: &Intake,
    connector: &str,
    batch: Vec<CallFact>,
) -> std::result::Result<(), Closed> {
    let mut pause = Duration::from_millis(50);
    let mut tried = 0;
    loop {
        let items = batch.iter().cloned().map(Into::into).collect();
        let Err(cause) = intake.take(connector, items).await else { return Ok(()) };
        tried += 1;
        let away = cause.code() == tonic::Code::Unavailable;
        tracing::warn!(connector, cause = %cause, "call events can't be stored");
        if !away && tried >= TRIES {
            // the keeper begins anew, and asks the telephone system how things stand
            return Err(Closed);
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_secs(5));
    }
}

fn live(status: &Status, place: &str) -> Live {
    let error = status.last_error.clone().unwrap_or_default();
    let since = |time: Micros| jiff::Timestamp::from(time).strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let description = match status.phase {
        Phase::Connecting => format!("connecting to {place}"),
        Phase::CatchingUp => format!("connected to {place}, catching up"),
        Phase::Connected => {
            let since = status.connected_since.map(since).unwrap_or_default();
            let advice = status.advice.map(|advice| format!("; {advice}")).unwrap_or_default();
            format!("connected since {since}{advice}")
        }
        Phase::Waiting => format!("not connected to {place}, tries again: {error}"),
    };
    Live {
        connected: status.phase == Phase::Connected,
        description,
        last_error: error,
        startup: status.startup.clone().unwrap_or_default(),
        ..Live::default()
    }
}
