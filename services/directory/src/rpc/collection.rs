//! The address books as the DAV edge asks for them: the engine's service with the directory's hooks.
//! Mounted by rpc/mod.rs.

use kontor_collection::rpc::Server;
use kontor_kit::context::Context;
use kontor_kit::db::Db;

use crate::store::card::Cards;

/// The service, and its background work.
pub fn service(context: &Context, db: &Db, cards: &Cards) -> Server<Cards> {
    kontor_collection::tasks::start(context, db);
    Server::new(context, db, cards.clone())
}
