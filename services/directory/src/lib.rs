//! Directory: users, teams and credentials; partners, contacts and the history of partners.
//! Started by the composing binary; the command line uses `admin`.

pub mod admin;
mod domain;
mod events;
mod rpc;
mod store;

use kontor_kit::Result;
use kontor_kit::context::Context;
use kontor_kit::db::Migration;
use kontor_kit::unit::Unit;

/// The tables of this service, for `Db::open`.
pub const MIGRATIONS: &[Migration] = kontor_collection::migrations![
    "0001_users",
    "0002_cards",
    "0003_timeline",
    "0004_merge",
    "0005_erasure",
    "0006_timeline_subject",
    "0007_consent",
    "0008_erasure_waits"
];

/// Starts the service. It calls no other service: what it hears comes as events.
///
/// # Errors
/// Those of opening the database.
pub async fn start(context: &Context) -> Result<Unit> {
    let db = context.open_db("directory", MIGRATIONS).await?;
    store::timeline::drop_unfinished(&db).await?;
    store::card::ensure_company_book(&db).await?;
    events::listen(context, &db);
    rpc::unit(context, &db).await
}
