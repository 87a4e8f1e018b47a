//! The address books as the DAV edge asks for them: the engine's service with the directory's hooks.
//! Mounted by rpc/mod.rs.

use kontor_collection::rpc::Server;
use kontor_collection::{Accounts, Push};
use kontor_kit::Result;
use kontor_kit::auth::Caller;
use kontor_kit::context::Context;
use kontor_kit::db::Db;

use super::user::to_proto;
use crate::store;
use crate::store::card::Cards;

/// The service, and its background work.
///
/// # Errors
/// Those of the database.
pub async fn service(context: &Context, db: &Db, cards: &Cards) -> Result<Server<Cards>> {
    kontor_collection::tasks::start(context, db);
    let push = Push::start(context, db, Here(db.clone())).await?;
    Ok(Server::new(context, db, cards.clone()).with_push(push))
}

/// The users of this very service.
#[derive(Clone)]
struct Here(Db);

impl Accounts for Here {
    async fn caller(&self, login: &str) -> Result<Option<Caller>> {
        let login = login.to_owned();
        let found = self.0.read(move |conn| store::user::find(conn, &login)).await?;
        Ok(found.filter(|it| !it.user.details.disabled).map(|it| Caller::of_user(to_proto(it))))
    }
}
