//! Erases a partner in segmentation: all facts of it, its answers, and the entries of lists that name it. Addresses and numbers on exclusion lists stay, for else
//! the person would be written to and called again. Memberships follow by the engine.
//! The plan is started by `start`; kit/src/erase.rs works it off.

use kontor_kit::context::Context;
use kontor_kit::db::{Db, Tx};
use kontor_kit::erase::{self, Plan, Step};

use crate::engine::Live;
use crate::store;

/// Hears of erasures for as long as the process runs.
pub fn start(context: &Context, db: &Db, live: &Live) {
    let live = live.clone();
    let steps = vec![
        Step::new("facts", store::erasure::partners, move |tx: &mut Tx<'_>, person, names| {
            let live = live.clone();
            tx.on_commit(move || live.wake());
            store::erasure::erase_partners(tx, person, names)
        }),
        Step::new("list entries", store::erasure::entries, store::erasure::erase_entries),
    ];
    let plan = Plan { service: "segmentation", consumer: "segmentation.erasure", waits_for: None, steps };
    erase::start(context, db, plan);
}
