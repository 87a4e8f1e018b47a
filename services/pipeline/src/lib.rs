//! Pipeline: leads and opportunities, the pipelines and stages that they go through.
//! Started by the composing binary.

mod domain;
mod erase;
mod events;
mod next_steps;
mod partners;
mod rates;
mod rpc;
mod store;

use std::time::Duration;

// The readers of files and amounts from outside are fuzzed, and stand alone.
pub use domain::{csv, money};

use kontor_kit::Result;
use kontor_kit::context::Context;
use kontor_kit::db::{Db, Migration};
use kontor_kit::link::Link;
use kontor_kit::unit::Unit;

/// The tables of this service, for `Db::open`.
pub const MIGRATIONS: &[Migration] = kontor_kit::migrations![
    "0001_pipeline",
    "0002_core",
    "0003_score",
    "0004_assignment",
    "0007_next_step",
    "0008_forecast",
    "0009_partner_move",
    "0010_money",
    "0011_duplicate",
    "0012_merge",
    "0013_import",
    "0014_erasure",
    "0015_list",
    "0016_assignment",
    "0017_partner_merged",
    "0018_origin",
    "0019_closed",
    "0020_import",
    "0021_walks"
];

/// The services that this one calls.
pub struct Peers {
    /// Users, teams and partners.
    pub directory: Link,
    /// Who is away, and who has time when.
    pub calendar: Link,
}

/// Starts the service. The first start makes the default pipeline.
///
/// # Errors
/// Those of opening the database.
pub async fn start(context: &Context, peers: Peers) -> Result<Unit> {
    let rates = rates::Rates::new(context)?;
    let db = context.open_db("pipeline", MIGRATIONS).await?;
    db.write(store::pipeline::ensure_default).await?;
    let scores = db.read(store::score_cache::Scores::read).await?;
    let region = context.company.region.clone();
    db.write(move |tx| store::duplicate::begin(tx, &region)).await?;
    context.spawn(fill_keys(db.clone()));
    next_steps::listen(context, &db);
    partners::listen(context, &db);
    rates::follow(context, &db, &rates);
    erase::start(context, &db);
    Ok(Unit::service("pipeline", context, &db, rpc::routes(context, &db, peers, scores, rates)))
}

/// Gives leads from before their keys for duplicates.
async fn fill_keys(db: Db) {
    while let Err(cause) = store::duplicate::fill(&db).await {
        tracing::warn!(cause = %cause, "leads from before have no keys for duplicates yet: trying again in a minute");
        tokio::time::sleep(Duration::from_secs(60)).await;
    }
}
