//! What segmentation hears of partners, opportunities, calls and mails. Calls, and who bounced or unsubscribed, are in their events; of the others an event says only that they changed, and pulls.rs reads them.
//! Started by lib.rs. A new installation hears all events from the first one on, so an old one is filled the same way.

use kontor_kit::context::Context;
use kontor_kit::db::{Db, Tx};
use kontor_kit::outbox::{is, kind, payload};
use kontor_kit::{Result, clock};
use kontor_proto::directory::v1::{
    PartnerCreated, PartnerDeleted, PartnerMerged, PartnerUnmerged, PartnerUpdated,
};
use kontor_proto::mail::v1::{RecipientSuppressed, SuppressionCause};
use kontor_proto::pipeline::v1::OpportunityDeleted;
use kontor_proto::telephony::v1::{
    CallCorrected, CallDirection, CallEnded, CallOutcome, DoNotCallNumberRemoved, DoNotCallNumbersAdded,
};
use kontor_proto::r#type::v1::Event;

use crate::domain::facts::{Call, List, Mail};
use crate::engine::Live;
use crate::store;
use crate::store::facts::Record;

/// Follows the sources for as long as the process runs.
pub fn listen(context: &Context, db: &Db, live: &Live) {
    let waking = |take: fn(&mut Tx<'_>, &Event) -> Result<()>| {
        let live = live.clone();
        move |tx: &mut Tx<'_>, event: &Event| {
            take(tx, event)?;
            let live = live.clone();
            tx.on_commit(move || live.wake());
            Ok(())
        }
    };
    let wants = |event: &Event| kind(event).starts_with("kontor.directory.v1.Partner");
    context.bus.listen_for(context, "directory", "segmentation.partners", db.clone(), wants, waking(partner));
    let wants = |event: &Event| kind(event).starts_with("kontor.pipeline.v1.Opportunity");
    context.bus.listen_for(context, "pipeline", "segmentation.deals", db.clone(), wants, waking(opportunity));
    let wants = |event: &Event| {
        is::<CallEnded>(event)
            || is::<CallCorrected>(event)
            || is::<DoNotCallNumbersAdded>(event)
            || is::<DoNotCallNumberRemoved>(event)
    };
    context.bus.listen_for(context, "telephony", "segmentation.calls", db.clone(), wants, waking(call));
    let wants = |event: &Event| is::<RecipientSuppressed>(event) && !event.partner.is_empty();
    context.bus.listen_for(context, "mail", "segmentation.mails", db.clone(), wants, waking(mail));
}

fn partner(tx: &mut Tx<'_>, event: &Event) -> Result<()> {
    let name = &event.subject;
    if is::<PartnerCreated>(event) || is::<PartnerUpdated>(event) {
        store::pull::want(tx, name)
    } else if is::<PartnerDeleted>(event) {
        store::pull::forget(tx, name)?;
        match store::partner::find(tx, name)? {
            Some(ords) => {
                store::facts::remove_partner(tx, ords.owner)?;
                store::book::tell_again(tx, ords.owner)
            }
            None => Ok(()),
        }
    } else if let Some(merged) = payload::<PartnerMerged>(event) {
        store::pull::forget(tx, name)?;
        let own = store::partner::find(tx, name)?;
        store::partner::merged(tx, name, &merged.survivor)?;
        tell_again(tx, own)?;
        store::rfm::stale(tx)?;
        store::pull::want(tx, &merged.survivor)
    } else if let Some(unmerged) = payload::<PartnerUnmerged>(event) {
        let own = store::partner::find(tx, name)?;
        store::partner::unmerged(tx, name)?;
        tell_again(tx, own)?;
        store::rfm::stale(tx)?;
        store::pull::want(tx, name)?;
        store::pull::want(tx, &unmerged.survivor)
    } else {
        Ok(())
    }
}

/// The directory takes a card that goes away out of all books by itself, so a book that has it again is told so anew.
fn tell_again(tx: &mut Tx<'_>, own: Option<store::partner::Ords>) -> Result<()> {
    match own {
        Some(ords) => store::book::tell_again(tx, ords.owner),
        None => Ok(()),
    }
}

fn opportunity(tx: &mut Tx<'_>, event: &Event) -> Result<()> {
    if is::<OpportunityDeleted>(event) {
        store::pull::forget(tx, &event.subject)?;
        return store::facts::remove(tx, List::Opportunities, &event.subject).map(|_| ());
    }
    store::pull::want(tx, &event.subject)
}

fn call(tx: &mut Tx<'_>, event: &Event) -> Result<()> {
    if let Some(removed) = event
        .subject
        .strip_prefix("doNotCallNumbers/")
        .filter(|digits| digits.bytes().all(|it| it.is_ascii_digit()))
    {
        let (e164, is_listed) = (format!("+{removed}"), is::<DoNotCallNumbersAdded>(event));
        if !is_listed {
            // A list that is being read may have it still.
            store::pull::anew(tx, store::pull::DO_NOT_CALL)?;
        }
        return store::heard::set_do_not_call(tx, &e164, is_listed);
    }
    if is::<DoNotCallNumbersAdded>(event) {
        // An import: which ones is not in the event.
        return store::pull::want(tx, store::pull::DO_NOT_CALL);
    }
    let Some(ended) = payload::<CallEnded>(event).or_else(|| payload::<CallCorrected>(event).map(ended))
    else {
        return Ok(());
    };
    let ords = match event.partner.as_str() {
        "" => None,
        partner => store::partner::find_or_add(tx, partner)?,
    };
    let Some(ords) = ords else {
        return store::facts::remove(tx, List::Calls, &event.subject).map(|_| ());
    };
    let call = Call {
        direction: name(
            CallDirection::try_from(ended.direction).map_or("", |it| it.as_str_name()),
            "CALL_DIRECTION_",
        ),
        result: name(CallOutcome::try_from(ended.outcome).map_or("", |it| it.as_str_name()), "CALL_OUTCOME_"),
        taken_by: ended.user,
        talk_seconds: ended.talk_duration.map(|talk| talk.seconds),
        start_time: ended.start_time.or(event.occur_time).as_ref().map(clock::from_proto),
    };
    store::facts::put(tx, &event.subject, ords, &Record::Call(call)).map(|_| ())
}

/// Somebody unsubscribed from a mailing, or has no such address: once a mailing and partner.
fn mail(tx: &mut Tx<'_>, event: &Event) -> Result<()> {
    let Some(suppressed) = payload::<RecipientSuppressed>(event) else { return Ok(()) };
    let kind = match suppressed.cause() {
        SuppressionCause::Unsubscribed => "UNSUBSCRIBED",
        SuppressionCause::HardBounce => "BOUNCED",
        _ => return Ok(()),
    };
    let Some(ords) = store::partner::find_or_add(tx, &event.partner)? else { return Ok(()) };
    let time = event.occur_time.as_ref().map(clock::from_proto);
    let fact = Mail { kind: kind.to_owned(), time };
    let id = format!("{} {} {kind}", event.subject, event.partner);
    store::facts::put(tx, &id, ords, &Record::Mail(fact)).map(|_| ())
}

/// What a correction says of the end, as the end says it.
fn ended(call: CallCorrected) -> CallEnded {
    CallEnded {
        direction: call.direction,
        outcome: call.outcome,
        talk_duration: call.talk_duration,
        start_time: call.start_time,
        user: call.user,
        ..CallEnded::default()
    }
}

/// The name of an enum's value as rules write it; empty for the unspecified one.
pub fn name(value: &str, prefix: &str) -> String {
    value.strip_prefix(prefix).filter(|name| *name != "UNSPECIFIED").unwrap_or_default().to_owned()
}
