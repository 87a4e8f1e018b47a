//! The company calendar: calendars, events and tasks over the collection engine, and their recurrences.
//! Started by the composing binary through `start`.

mod attach;
mod call_backs;
mod deadlines;
mod directory;
pub mod domain;
mod erase;
mod events;
mod free_busy;
mod hook;
mod next_steps;
mod overview;
mod rpc;
mod schedule;
mod store;
mod tasks;
mod users;

use std::sync::Arc;

use kontor_kit::Result;
use kontor_kit::context::Context;
use kontor_kit::db::Migration;
use kontor_kit::link::Link;
use kontor_kit::near::Near;
use kontor_kit::unit::Unit;
use tokio::sync::Notify;

use directory::Directory;
use hook::CalendarHooks;
use overview::Overviews;
use rpc::Core;
use users::Users;

/// Settings.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// Bytes of attachments in all calendars of one owner; 1 GiB when nothing is said.
    pub attachment_bytes: Option<i64>,
}

/// The other services that this one asks.
#[derive(Clone)]
pub struct Peers {
    /// Finds partners by addresses. The calendar works without it; what could not be asked is asked later.
    pub directory: Link,
}

/// The tables of this service, for `Db::open`.
pub const MIGRATIONS: &[Migration] = kontor_collection::migrations![
    "0001_calendar",
    "0002_free_busy",
    "0003_scheduling",
    "0004_subscription",
    "0005_overview",
    "0006_attachment",
    "0007_proposal",
    "0008_next_step",
    "0009_erasure",
    "0010_pending",
    "0011_call_back"
];

/// Starts the service: database, background work, routes.
///
/// # Errors
/// Those of opening the database.
pub async fn start(context: &Context, peers: Peers, config: Config) -> Result<Unit> {
    let db = context.open_db("calendar", MIGRATIONS).await?;
    let hooks = CalendarHooks {
        clock: context.clock.clone(),
        directory: Directory::new(peers.directory.clone()),
        company_zone: Arc::from(context.company.time_zone.as_str()),
        wake: Arc::new(Notify::new()),
        quiet: false,
    };
    events::listen(context, &db, hooks.directory.clone(), hooks.wake.clone());
    deadlines::listen(context, &db, hooks.clone());
    next_steps::listen(context, &db, hooks.clone());
    call_backs::listen(context, &db, hooks.clone());
    erase::start(context, &db, hooks.clone());
    kontor_collection::tasks::start(context, &db);
    context.spawn(tasks::work_off(db.clone(), hooks.clone()));
    let attachment_bytes = config.attachment_bytes.unwrap_or(domain::attachment::MAX_TOTAL);
    let users = Users::new(peers.directory);
    let core =
        Core { context: context.clone(), db: db.clone(), hooks: hooks.clone(), users, attachment_bytes };
    let push = kontor_collection::Push::start(context, &db, hooks.directory.clone()).await?;
    let engine = kontor_collection::rpc::Server::new(context, &db, hooks.clone()).with_push(push);
    let collections = Overviews::new(engine, context, &db, hooks);
    let routes = rpc::routes(core).add_service(collections.clone().into_service());
    Ok(Unit::service("calendar", context, &db, routes).offer(Near::default().collections(collections)))
}
