//! Erases a partner in templating: letters to it, joined files that it is in, and its data in merges that still run. Templates hold no data of partners.
//! The plan is started by `start`; kit/src/erase.rs works it off.

use kontor_kit::context::Context;
use kontor_kit::db::Db;
use kontor_kit::erase::{self, Plan, Step};

use crate::store;

/// Hears of erasures for as long as the process runs.
pub fn start(context: &Context, db: &Db) {
    let steps = vec![Step::new("letters", store::erasure::recipients, store::erasure::erase)];
    let plan = Plan { service: "templating", consumer: "templating.erasure", waits_for: None, steps };
    erase::start(context, db, plan);
}
