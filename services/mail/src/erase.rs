//! Erases a person in mail: its addresses in recipients and suppressions. A suppression goes on as a keyed hash, so that the address still gets nothing.
//! The plan is started by `start`; kit/src/erase.rs works it off.

use kontor_kit::context::Context;
use kontor_kit::db::Db;
use kontor_kit::erase::{self, Plan, Step};

use crate::store::erasure;

/// Hears of erasures for as long as the process runs.
pub fn start(context: &Context, db: &Db) {
    let steps = vec![
        Step::new("recipients", erasure::recipients, erasure::erase_recipients),
        Step::new("suppressions", erasure::suppressions, erasure::erase_suppressions),
        Step::new("withdrawals", erasure::withdrawals, erasure::erase_withdrawals),
    ];
    let plan = Plan { service: "mail", consumer: "mail.erasure", waits_for: None, steps };
    erase::start(context, db, plan);
}
