//! Erases a partner in its calls, which stay for what is counted: number, name, note and links to the partner go.
//! The plan is started by `start`; kit/src/erase.rs works it off.

use kontor_kit::Result;
use kontor_kit::context::Context;
use kontor_kit::db::{Db, Tx};
use kontor_kit::erase::{self, Batch, Person, Plan, Step};
use kontor_kit::resource;

use crate::domain::erasure;
use crate::{events, store};

/// Hears of erasures for as long as the process runs.
pub fn start(context: &Context, db: &Db) {
    let steps = vec![Step::new("calls", store::erasure::calls, erase_calls)];
    let plan = Plan { service: "telephony", consumer: "telephony.erasure", waits_for: None, steps };
    erase::start(context, db, plan);
}

/// A call that goes on is left until it is over.
fn erase_calls(tx: &mut Tx<'_>, person: &Person, ids: &[String]) -> Result<Batch> {
    let mut records = Vec::new();
    for id in ids {
        let Some(mut call) = store::erasure::hold(tx, id)?.filter(erasure::is_over) else { continue };
        erasure::erase(&mut call, &person.partners, &person.phones);
        events::set_said(&mut call);
        resource::update(tx, &mut call)?;
        records.push(call.name());
    }
    let counts = vec![("calls", i64::try_from(records.len()).unwrap_or(0))];
    Ok(Batch { counts, records })
}
