//! Telephony: calls from telephone systems, folded into one call each, with their partner, and pops for whoever is called.
//! Composed by the `kontor` binary.

mod board;
mod call_backs;
pub mod connectors;
mod dialler;
pub mod domain;
mod erase;
mod events;
mod figures;
mod intake;
mod list_events;
mod operators;
mod rpc;
mod store;
mod tasks;

use std::sync::Arc;
use std::time::Duration;

use kontor_kit::Result;
use kontor_kit::context::Context;
use kontor_kit::db::Migration;
use kontor_kit::link::Link;
use kontor_kit::unit::Unit;

/// The tables of this service, for `Db::open`.
pub const MIGRATIONS: &[Migration] = kontor_kit::migrations![
    "0001_calls",
    "0002_erasure",
    "0003_partner_move",
    "0004_call_list",
    "0005_do_not_call",
    "0009_dial",
    "0012_cloud",
    "0015_operator",
    "0016_figure",
    "0021_dialler",
    "0022_peer_tls"
];

/// Links to the services that telephony calls.
#[derive(Clone)]
pub struct Peers {
    /// Partners by number, histories, users by extension.
    pub directory: Link,
    /// Open opportunities of a partner.
    pub pipeline: Link,
}

/// Settings of the service.
#[derive(Clone, Debug)]
pub struct Config {
    /// How long to wait after the last news of an ended call before saying how it ended.
    pub grace: Duration,
    /// Address by which the installation is reached from outside, or empty: some signatures of posts cover it.
    pub public_url: String,
}

impl Default for Config {
    fn default() -> Self {
        Config { grace: Duration::from_micros(domain::summary::GRACE_MICROS), public_url: String::new() }
    }
}

/// Starts the service with the usual settings.
///
/// # Errors
/// Those of opening the database.
pub async fn start(context: &Context, peers: Peers) -> Result<Unit> {
    start_with(context, peers, Config::default()).await
}

/// Starts the service.
///
/// # Errors
/// Those of opening the database.
pub async fn start_with(context: &Context, peers: Peers, config: Config) -> Result<Unit> {
    let db = context.open_db("telephony", MIGRATIONS).await?;
    let users = intake::users::Users::new(peers.directory.clone());
    users.listen(context, &db);
    erase::start(context, &db);
    events::listen(context, &db);
    call_backs::listen(context, &db);
    let intake = intake::Intake {
        db: db.clone(),
        peers: intake::peers::Peers::new(peers.directory, peers.pipeline),
        users,
        hub: intake::hub::Hub::default(),
        wake: Arc::default(),
        dials: intake::dial::Dials::default(),
        clocks: Arc::default(),
        public_url: config.public_url.into(),
        grace: i64::try_from(config.grace.as_micros()).unwrap_or(domain::entry::GRACE_MICROS),
    };
    tasks::start(context, &intake);
    operators::start(context, &db);
    figures::start(context, &db);
    let board = board::Hub::start(context, &db);
    let keeper = connectors::keeper::Keeper::start(context, &intake);
    let wake = dialler::start(context, &intake);
    Ok(Unit::service("telephony", context, &db, rpc::routes(context, &intake, &keeper, &board, &wake)))
}
