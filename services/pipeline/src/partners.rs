//! Opportunities follow their partner into a merge, and come back when that is taken back. Started by `start`.
//!
//! A partner may have many thousands, and the writer serves others too: they go in batches, one merge after the other, each batch in a transaction of its own. What the
//! merge changes at once is where a name leads (`partner_moves::survivor`), so a new opportunity is of the survivor from then on, and the old ones are of the old
//! name until their batch comes: each is of exactly one partner at any time. A stop in between is gone on from.

use std::sync::Arc;
use std::time::Duration;

use kontor_kit::audit::Who;
use kontor_kit::auth::Caller;
use kontor_kit::context::Context;
use kontor_kit::db::{Db, Tx};
use kontor_kit::outbox::{is, payload};
use kontor_kit::{Result, resource};
use kontor_proto::directory::v1::{PartnerMerged, PartnerUnmerged};
use kontor_proto::r#type::v1::Event;
use tokio::sync::Notify;

use crate::domain::opportunity::Opportunity;
use crate::events;
use crate::store::merge_rows;
use crate::store::partner_moves::{self as moves, Walk};

/// Opportunities of one transaction.
const BATCH: usize = 100;
/// How often somebody looks whether another process left a walk behind.
const LOOK_AGAIN: Duration = Duration::from_secs(60);
/// Pause after an error.
const PAUSE: Duration = Duration::from_secs(5);

/// Hears of merges of partners for as long as the process runs.
pub fn listen(context: &Context, db: &Db) {
    let wake = Arc::new(Notify::new());
    let (woken, walked) = (wake.clone(), db.clone());
    context.spawn(async move {
        loop {
            match walk(&walked).await {
                // An event that comes before this waits leaves a permit, so none is missed.
                Ok(()) => drop(tokio::time::timeout(LOOK_AGAIN, woken.notified()).await),
                Err(cause) => {
                    tracing::warn!(cause = %cause, "opportunities wait to follow their partner");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    });
    let wants = |event: &Event| is::<PartnerMerged>(event) || is::<PartnerUnmerged>(event);
    context.bus.listen_for(context, "directory", "pipeline.partners", db.clone(), wants, move |tx, event| {
        let begin = |survivor: String, back: bool| Walk {
            partner: event.subject.clone(),
            survivor,
            back,
            actor: event.actor.clone(),
            cause: format!("event {}", event.event_id),
        };
        if let Some(merged) = payload::<PartnerMerged>(event) {
            moves::merged(tx, &event.subject, &merged.survivor)?;
            moves::begin(tx, &begin(merged.survivor, false))?;
        } else if let Some(unmerged) = payload::<PartnerUnmerged>(event) {
            moves::unmerged(tx, &event.subject)?;
            moves::begin(tx, &begin(unmerged.survivor, true))?;
        }
        wake.notify_one();
        Ok(())
    });
}

/// Goes all walks to their end.
async fn walk(db: &Db) -> Result<()> {
    while db.write(step).await? {}
    Ok(())
}

/// One batch of the oldest walk. False when there is none.
///
/// # Errors
/// Those of the database.
pub fn step(tx: &mut Tx<'_>) -> Result<bool> {
    let Some(walk) = moves::oldest(tx)? else { return Ok(false) };
    // What follows from an event is the doing of who brought it about.
    tx.act_as(Who::new(&walk.actor, walk.cause.clone()));
    let moved = if walk.back { come_back(tx, &walk)? } else { go_along(tx, &walk)? };
    if moved < BATCH {
        moves::end(tx, &walk)?;
    }
    Ok(true)
}

fn go_along(tx: &mut Tx<'_>, walk: &Walk) -> Result<usize> {
    let deals = moves::of_partner(tx, &walk.partner, BATCH)?;
    let mut moved = deals.len();
    for mut deal in deals {
        moves::note(tx, &deal.id, &walk.partner, &walk.survivor)?;
        move_to(tx, &mut deal, &walk.survivor)?;
    }
    for gone in merge_rows::gone_of_partner(tx, &walk.partner, BATCH - moved)? {
        moved += 1;
        moves::note(tx, &gone, &walk.partner, &walk.survivor)?;
        merge_rows::rename_partner(tx, &gone, &walk.partner, &walk.survivor)?;
    }
    Ok(moved)
}

fn come_back(tx: &mut Tx<'_>, walk: &Walk) -> Result<usize> {
    let moved = moves::take_moved(tx, &walk.partner, &walk.survivor, BATCH)?;
    for id in &moved {
        match resource::hold_if_there::<Opportunity>(tx, id)? {
            // Somebody may have given it to another partner since.
            Some(mut deal) if deal.details.partner == walk.survivor => move_to(tx, &mut deal, &walk.partner)?,
            Some(_) => {}
            // It is deleted, or went into another one: then what the merge remembers has its partner.
            None => merge_rows::rename_partner(tx, id, &walk.survivor, &walk.partner)?,
        }
    }
    Ok(moved.len())
}

fn move_to(tx: &mut Tx<'_>, opportunity: &mut Opportunity, partner: &str) -> Result<()> {
    merge_rows::rename_partner(tx, &opportunity.id, &opportunity.details.partner, partner)?;
    partner.clone_into(&mut opportunity.details.partner);
    opportunity.update_time = tx.now();
    resource::update(tx, opportunity)?;
    events::updated(tx, &Caller::system(), opportunity, vec!["partner".to_owned()])
}
