//! Templating: letters from templates of Word and LibreOffice, one for a partner or thousands as a merge.
//! Composed by the `kontor` binary. The pure engine stands in `domain`.

mod cache;
mod directory;
pub mod domain;
mod erase;
mod maker;
mod merges;
mod office;
mod rpc;
mod store;

use kontor_kit::Result;
use kontor_kit::context::Context;
use kontor_kit::db::Migration;
use kontor_kit::link::Link;
use kontor_kit::unit::Unit;

/// The tables of this service, for `Db::open`.
pub const MIGRATIONS: &[Migration] =
    kontor_kit::migrations!["0001_template", "0002_merge", "0003_erasure", "0004_file", "0005_aside"];

/// Links to the services that templating calls.
#[derive(Clone)]
pub struct Peers {
    /// Partners, their cards, and users.
    pub directory: Link,
}

/// Starts the service.
///
/// # Errors
/// Those of opening the database.
pub async fn start(context: &Context, peers: Peers) -> Result<Unit> {
    let db = context.open_db("templating", MIGRATIONS).await?;
    let cache = cache::Cache::new(&db);
    let directory = directory::Directory::new(peers.directory);
    let office = office::Office::new();
    let merges = merges::Merges::start(context, &db, (&cache, &directory, &office));
    erase::start(context, &db);
    let routes = rpc::routes(context, &db, (&cache, &directory, &office), &merges);
    Ok(Unit::service("templating", context, &db, routes))
}
