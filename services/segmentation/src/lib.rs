//! Segmentation: groups of partners by anything known of them, kept as they change; questionnaires, purchase statistics, price lists,
//! campaigns by telephone and by mail.
//! Composed by the `kontor` binary.

mod books;
mod campaigns;
pub mod domain;
mod engine;
mod erase;
mod events;
mod pulls;
mod rfm;
mod rpc;
mod store;

use kontor_kit::Result;
use kontor_kit::context::Context;
use kontor_kit::db::Migration;
use kontor_kit::link::Link;
use kontor_kit::unit::Unit;

/// The tables of this service, for `Db::open`.
pub const MIGRATIONS: &[Migration] = kontor_kit::migrations![
    "0001_facts",
    "0002_segment",
    "0003_questionnaire",
    "0004_rfm",
    "0005_price_list",
    "0006_erasure",
    "0007_campaign",
    "0008_segment_book",
    "0009_mailing",
    "0010_campaign_move",
    "0011_segment_book_again"
];

/// Links to the services that segmentation reads facts from.
#[derive(Clone)]
pub struct Peers {
    /// Partners.
    pub directory: Link,
    /// Opportunities; none where the pipeline is not run.
    pub pipeline: Option<Link>,
    /// Numbers that are not called, and the call lists of campaigns; none where telephony is not run.
    pub telephony: Option<Link>,
    /// The mailings of campaigns; none where mail is not run.
    pub mail: Option<Link>,
}

/// Starts the service.
///
/// # Errors
/// Those of opening the database.
pub async fn start(context: &Context, peers: Peers) -> Result<Unit> {
    let db = context.open_db("segmentation", MIGRATIONS).await?;
    let live = engine::Live::start(context, &db);
    let sources = pulls::Sources::new(context, peers);
    events::listen(context, &db, &live);
    pulls::start(context, &db, &live, &sources);
    rfm::start(context, &db, &live);
    erase::start(context, &db, &live);
    books::start(context, &db, &live, &sources);
    campaigns::start(context, &db, &live, &sources);
    Ok(Unit::service("segmentation", context, &db, rpc::routes(context, &db, &live, &sources)))
}
