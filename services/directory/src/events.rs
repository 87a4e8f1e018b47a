//! What the directory publishes of users, and what it hears for the partners' histories.
//! `listen` is called by lib.rs, the makers of events by the stores' callers.

use kontor_kit::auth::{Caller, Guard};
use kontor_kit::context::Context;
use kontor_kit::db::Db;
use kontor_kit::outbox::NewEvent;
use kontor_proto::directory::v1::{UserCreated, UserUpdated};

use crate::domain::user::User;
use crate::store;

/// Sources whose events make the history of partners.
pub const HISTORY_SOURCES: [&str; 3] = ["pipeline", "calendar", "telephony"];

/// Follows the sources for as long as the process runs.
pub fn listen(context: &Context, db: &Db) {
    for source in HISTORY_SOURCES {
        context.bus.listen(context, source, "directory.timeline", db.clone(), |tx, event| {
            store::timeline::take_live(tx, event)
        });
    }
}

/// A user was created.
pub fn user_created(user: &User, caller: &Caller) -> NewEvent {
    let details = &user.details;
    let created = UserCreated {
        user: user.id.clone(),
        display_name: details.display_name.clone(),
        color: details.color.clone(),
        time_zone: details.time_zone.clone(),
    };
    NewEvent::new("directory", format!("users/{}", user.id), &Guard::company(), &created).actor(caller.name())
}

/// A user changed.
pub fn user_updated(user: &User, caller: &Caller) -> NewEvent {
    let details = &user.details;
    let updated = UserUpdated {
        user: user.id.clone(),
        display_name: details.display_name.clone(),
        color: details.color.clone(),
        time_zone: details.time_zone.clone(),
        disabled: details.disabled,
    };
    NewEvent::new("directory", format!("users/{}", user.id), &Guard::company(), &updated).actor(caller.name())
}
