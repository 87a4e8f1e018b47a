//! Mail: mass mailings from templates through the configured relay, unsubscribing, and who gets nothing. Its queue is the one of all outgoing mail.
//! Composed by the `kontor` binary.

mod directory;
pub mod domain;
mod erase;
mod events;
mod rpc;
mod sender;
mod settings;
mod store;
mod tasks;
mod templates;

use std::sync::Arc;

use kontor_kit::context::Context;
use kontor_kit::db::Migration;
use kontor_kit::link::Link;
use kontor_kit::unit::Unit;
use kontor_kit::{Result, secret};

pub use settings::{Config, Settings};

/// The tables of this service, for `Db::open`.
pub const MIGRATIONS: &[Migration] =
    kontor_kit::migrations!["0001_mailing", "0002_erasure", "0003_wait", "0004_merge"];

/// Links to the services that mail calls.
#[derive(Clone)]
pub struct Peers {
    /// Partners, their addresses and consents.
    pub directory: Link,
    /// Messages from templates.
    pub templating: Link,
}

/// Starts the service.
///
/// # Errors
/// INVALID_ARGUMENT for a setting that can't be read; those of opening the database.
pub async fn start(context: &Context, peers: Peers, config: &Config) -> Result<Unit> {
    let settings = Arc::new(Settings::read(config)?);
    let db = context.open_db("mail", MIGRATIONS).await?;
    let random = secret::random();
    let keys = db.write(move |tx| store::key::get(tx, random)).await?;
    let directory = directory::Directory::new(peers.directory);
    let templates = templates::Templates::new(peers.templating);
    let house = rpc::House::new(context, &db, &settings, &keys, (&directory, &templates));
    let sender = sender::Sender::start(&house);
    events::listen(context, &db);
    erase::start(context, &db);
    tasks::start(context, &db, &directory, house.withdrawals());
    Ok(Unit::service("mail", context, &db, rpc::routes(house, &sender)))
}
