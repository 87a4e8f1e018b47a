//! What mail publishes, and what it hears of partners that become one.
//! `listen` is called by lib.rs; the others by rpc and the sender inside their transactions.

use kontor_kit::context::Context;
use kontor_kit::db::{Db, Tx};
use kontor_kit::outbox::{NewEvent, is, payload};
use kontor_proto::directory::v1::{PartnerMerged, PartnerUnmerged};
use kontor_proto::mail::v1 as proto;
use kontor_proto::r#type::v1::Event;

use crate::domain::mailing::Mailing;
use crate::domain::suppression::Cause;
use crate::store::partner_moves;

/// Hears of merges of partners for as long as the process runs: recipients go along, and come back when a merge is taken back.
pub fn listen(context: &Context, db: &Db) {
    let wants = |event: &Event| is::<PartnerMerged>(event) || is::<PartnerUnmerged>(event);
    context.bus.listen_for(context, "directory", "mail.partners", db.clone(), wants, |tx, event| {
        if let Some(merged) = payload::<PartnerMerged>(event) {
            partner_moves::merged(tx, &event.subject, &merged.survivor)
        } else if let Some(unmerged) = payload::<PartnerUnmerged>(event) {
            partner_moves::unmerged(tx, &event.subject, &unmerged.survivor)
        } else {
            Ok(())
        }
    });
}

/// Tells that the state of a mailing is another one.
pub fn state_changed(tx: &mut Tx<'_>, mailing: &Mailing) {
    let event = proto::MailingStateChanged {
        state: i32::try_from(mailing.state as i64).unwrap_or(0),
        display_name: mailing.display_name.clone(),
        pause_reason: mailing.pause_reason.clone(),
    };
    tx.publish(NewEvent::new("mail", mailing.full_name(), &mailing.guard(), &event));
}

/// Tells that a recipient gets nothing any more.
pub fn suppressed(tx: &mut Tx<'_>, mailing: &Mailing, partner: &str, cause: Cause) {
    let event = proto::RecipientSuppressed { cause: i32::try_from(cause as i64).unwrap_or(0) };
    tx.publish(NewEvent::new("mail", mailing.full_name(), &mailing.guard(), &event).partner(partner));
}
