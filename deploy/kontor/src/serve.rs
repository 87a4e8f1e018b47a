//! Starts the services of one process, the gateway before them, and stops them in order.
//! Called by `main.rs` (until a signal) and by the tests' Sandbox (until it is dropped).

use std::fs::File;
use std::net::SocketAddr;

use kontor_gateway::{Gateway, Links, RenderMetrics};
use kontor_kit::auth::ClusterKey;
use kontor_kit::bus::Bus;
use kontor_kit::clock::Clock;
use kontor_kit::context::Context;
use kontor_kit::db::{Db, Storage};
use kontor_kit::link::Link;
use kontor_kit::{Error, Result};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::Config;
use crate::demo;
use crate::services::{self, SERVICES};

/// A running process.
pub struct Running {
    /// Where it listens.
    pub address: SocketAddr,
    /// Ways to its services.
    pub links: Links,
    /// Its surroundings.
    pub context: Context,
    edge: JoinHandle<()>,
    /// Files that say that nobody else serves this folder; freed by the system however the process ends.
    _held: Vec<File>,
}

/// Files that may be open at once, one for each connection: what we ask the system for, and what is too few for a company's devices.
const FILES: (u64, u64) = (65_536, 4_096);

/// Raises the limit of open files as far as the system lets us: the usual 1,024 are used up by a thousand phones.
fn allow_many_connections() {
    let (wanted, few) = FILES;
    match rlimit::increase_nofile_limit(wanted) {
        Ok(limit) if limit >= few => {}
        Ok(limit) => {
            tracing::warn!(
                limit,
                "few files may be open at once: raise the hard limit (ulimit -Hn) for more devices"
            );
        }
        Err(cause) => tracing::warn!(%cause, "can't raise the limit of open files"),
    }
}

/// Makes the data folder.
///
/// # Errors
/// INVALID_ARGUMENT when it can't be made.
pub fn make_folder(config: &Config) -> Result<()> {
    if let Storage::Sqlite(folder) = config.storage() {
        // It holds password hashes and the secrets of connectors: only for whoever runs Kontor.
        let mut maker = std::fs::DirBuilder::new();
        std::os::unix::fs::DirBuilderExt::mode(&mut maker, 0o700);
        maker
            .recursive(true)
            .create(&folder)
            .map_err(|cause| Error::invalid("data", format!("can't make {}: {cause}", folder.display())))?;
    }
    Ok(())
}

/// Takes the databases of the wanted services for this process. Two writers on one SQLite file would each keep caches that the other makes wrong.
fn hold_folder(config: &Config) -> Result<Vec<File>> {
    let Storage::Sqlite(folder) = config.storage() else { return Ok(Vec::new()) };
    let hold = |service: &'static str| {
        let path = folder.join(format!("{service}.lock"));
        let file = File::create(&path)
            .map_err(|cause| Error::invalid("data", format!("can't make {}: {cause}", path.display())))?;
        file.try_lock().map_err(|_| {
            let message = format!(
                "another kontor serves {service} from {}: stop it, or use another folder",
                folder.display()
            );
            Error::unavailable(format!("data: {message}"))
        })?;
        Ok(file)
    };
    config.services()?.into_iter().filter(|service| *service != "gateway").map(hold).collect()
}

/// Brings the databases of the wanted services up to date, and starts nothing.
///
/// # Errors
/// UNAVAILABLE while a program serves the folder; those of opening a database.
pub async fn migrate(config: &Config) -> Result<()> {
    make_folder(config)?;
    let _held = hold_folder(config)?;
    for name in config.services()? {
        let Some(service) = services::find(name) else { continue };
        Db::open(&config.storage(), name, service.migrations, Clock::System).await?;
        println!("{name} is up to date");
    }
    Ok(())
}

/// Serves until Ctrl-C or SIGTERM, then drains.
///
/// # Errors
/// Those of the start.
pub async fn until_signal(config: Config, metrics: RenderMetrics) -> Result<()> {
    allow_many_connections();
    let running = Running::start(&config, Clock::System, metrics).await?;
    greet(&config, &running);
    wait_for_signal().await;
    tracing::info!("stopping: open requests may end");
    running.stop().await;
    tracing::info!("stopped");
    Ok(())
}

impl Running {
    /// Binds the port first, then starts the services, then serves.
    ///
    /// # Errors
    /// INVALID_ARGUMENT for a bad setting, UNAVAILABLE when the port or the database can't be had.
    pub async fn start(config: &Config, clock: Clock, metrics: RenderMetrics) -> Result<Running> {
        let listen = config.get("listen");
        let listener = TcpListener::bind(listen)
            .await
            .map_err(|cause| Error::unavailable(format!("listen: can't listen on {listen}: {cause}")))?;
        let address = listener.local_addr().map_err(Error::internal)?;
        make_folder(config)?;
        let held = hold_folder(config)?;
        let context = context(config, clock)?;
        let links = start_services(config, &context).await?;
        if config.demo() {
            demo::fill(&links, &context).await?;
        }
        let outside = config.services()?.contains(&"gateway");
        let gateway = Gateway::new(&context, links.clone(), outside, metrics)?;
        let edge = tokio::spawn(kontor_gateway::serve(gateway, listener, context.stop.clone()));
        Ok(Running { address, links, context, edge, _held: held })
    }

    /// Takes no more requests, lets the open ones end, then ends the background work.
    pub async fn stop(self) {
        self.context.stop.cancel();
        let _ = self.edge.await;
        self.context.tasks.close();
        self.context.tasks.wait().await;
    }
}

fn context(config: &Config, clock: Clock) -> Result<Context> {
    let cluster_key = match config.get("cluster.key") {
        "" => None,
        key => Some(ClusterKey::new(key.as_bytes())?),
    };
    Ok(Context {
        storage: config.storage(),
        clock,
        bus: Bus::default(),
        company: config.company(),
        push: config.push(),
        cluster_key,
        stop: CancellationToken::new(),
        tasks: TaskTracker::new(),
    })
}

/// Starts the wanted services from the ground up: each gets links to those that it calls.
async fn start_services(config: &Config, context: &Context) -> Result<Links> {
    let wanted = config.services()?;
    let mut links = remote_links(config, context, &wanted)?;
    for service in SERVICES.iter().filter(|service| wanted.contains(&service.name)) {
        let unit = (service.start)(config, context, &links).await?;
        links.insert(unit.name, unit.link());
    }
    Ok(links)
}

/// Links to the services that run elsewhere, and their events.
fn remote_links(config: &Config, context: &Context, wanted: &[&str]) -> Result<Links> {
    let mut links = Links::new();
    for service in SERVICES.iter().filter(|service| !wanted.contains(&service.name)) {
        let address = config.get(service.peer);
        if address.is_empty() {
            continue;
        }
        let key = context.cluster_key.clone().ok_or_else(|| {
            Error::invalid("cluster.key", "it is needed when services run in several processes")
        })?;
        let link = Link::remote(service.name, address, key, context.clock.clone())?;
        context.bus.offer_remote(service.name, link.clone());
        links.insert(service.name, link);
    }
    Ok(links)
}

fn greet(config: &Config, running: &Running) {
    let address = running.address;
    // Nobody reaches 0.0.0.0: what clients are given is this machine's name or address.
    let given = if address.ip().is_unspecified() {
        format!("THIS-MACHINE:{}", address.port())
    } else {
        address.to_string()
    };
    println!("Kontor is ready at http://{address}/");
    println!(
        "  Calendars and contacts: give your mail client or phone http://{given}/ and your name and password."
    );
    println!("  gRPC:                   grpcurl -plaintext -H 'authorization: Bearer TOKEN' {given} list");
    println!("  Telephone webhooks:     POST http://{given}/telephony/CONNECTOR/events");
    println!("  Operation:              http://{given}/healthz /readyz /metrics");
    if config.demo() {
        println!("  Sign in as manager, sales, operator or admin, with the password demo.");
        if !address.ip().is_loopback() {
            eprintln!(
                "kontor: warning: everyone who reaches {address} can sign in with these; use --demo for trying only"
            );
        }
    } else {
        println!("  Add an account: kontor user add NAME --data {}", config.get("data"));
    }
}

async fn wait_for_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        let _ = tokio::signal::ctrl_c().await;
        return;
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}
