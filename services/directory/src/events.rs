//! What the directory publishes of users, and what it hears for the partners' histories.
//! `listen` is called by lib.rs, the makers of events by the stores' callers.

use kontor_kit::auth::{Caller, Guard};
use kontor_kit::clock;
use kontor_kit::context::Context;
use kontor_kit::db::Db;
use kontor_kit::erase::{self, Plan};
use kontor_kit::outbox::{self, NewEvent, is, payload};
use kontor_proto::calendar::v1::{
    MeetingAnswered, MeetingChanged, MeetingCountered, MeetingRemoved, MeetingScheduled,
};
use kontor_proto::directory::v1::{
    ConsentChanged, ConsentState, PartnerDataErased, PartnerErasureBegun, UserCreated, UserUpdated,
};
use kontor_proto::pipeline::v1::{
    LeadConverted, LeadCreated, NextStepCompleted, OpportunityCreated, OpportunityDeleted, OpportunityLost,
    OpportunityMerged, OpportunityReopened, OpportunityStageMoved, OpportunityUnmerged, OpportunityWon,
};
use kontor_proto::telephony::v1::{CallCorrected, CallDirection, CallEnded, CallOutcome};
use kontor_proto::r#type::v1::{ErasedPayload, Event};
use prost::Name;
use prost_types::Timestamp;

use crate::domain::history::{self, Change, End, Entry, Way};
use crate::domain::user::User;
use crate::store;
use crate::store::card::Cards;

/// Sources that erase their own and have nothing for the history of partners.
const OTHER_SOURCES: [&str; 3] = ["segmentation", "templating", "mail"];

/// Other services whose events make the history of partners.
const HISTORY_SOURCES: [&str; 3] = ["pipeline", "calendar", "telephony"];

/// All services whose events make it: of its own, the directory tells what partners agreed to.
pub const REBUILT_SOURCES: [&str; 4] = ["directory", "pipeline", "calendar", "telephony"];

/// Follows the sources for as long as the process runs.
pub fn listen(context: &Context, db: &Db) {
    for source in HISTORY_SOURCES {
        let wants = |event: &Event| is::<PartnerDataErased>(event) || !changes(event).is_empty();
        context.bus.listen_for(context, source, "directory.timeline", db.clone(), wants, |tx, event| {
            if let Some(erased) = payload::<PartnerDataErased>(event) {
                store::erasure::report(tx, &event.source, &erased)?;
            }
            store::timeline::take_live(tx, event, &changes(event))
        });
    }
    for source in OTHER_SOURCES {
        let wants = |event: &Event| is::<PartnerDataErased>(event);
        context.bus.listen_for(context, source, "directory.report", db.clone(), wants, |tx, event| {
            match payload::<PartnerDataErased>(event) {
                Some(erased) => store::erasure::report(tx, &event.source, &erased),
                None => Ok(()),
            }
        });
    }
    let wants = |event: &Event| {
        is::<PartnerDataErased>(event) || is::<PartnerErasureBegun>(event) || is::<ConsentChanged>(event)
    };
    context.bus.listen_for(context, "directory", "directory.report", db.clone(), wants, |tx, event| {
        if let Some(erased) = payload::<PartnerDataErased>(event) {
            store::erasure::report(tx, &event.source, &erased)
        } else if let Some(begun) = payload::<PartnerErasureBegun>(event) {
            store::erasure::begun(tx, &begun, event.sequence)
        } else if is::<ConsentChanged>(event) {
            store::timeline::take_live(tx, event, &changes(event))
        } else {
            Ok(())
        }
    });
    let steps = store::erasure_steps::steps(&Cards::new(&context.company.region));
    let plan = Plan { service: "directory", consumer: "directory.erasure", waits_for: None, steps };
    erase::start(context, db, plan);
}

/// A user was created.
pub fn user_created(user: &User, caller: &Caller) -> NewEvent {
    let details = &user.details;
    let created = UserCreated {
        user: user.id.clone(),
        display_name: details.display_name.clone(),
        color: details.color.clone(),
        time_zone: details.time_zone.clone(),
        email: details.email.clone(),
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
        email: details.email.clone(),
    };
    NewEvent::new("directory", format!("users/{}", user.id), &Guard::company(), &updated).actor(caller.name())
}

/// What an event changes in the histories; nothing for events that do not belong there.
pub fn changes(event: &Event) -> Vec<Change> {
    if let Some(erased) = payload::<PartnerDataErased>(event) {
        return erased.records.into_iter().map(|subject| Change::Forget { subject }).collect();
    }
    if outbox::kind(event) == ErasedPayload::full_name() {
        return Vec::new();
    }
    match event.source.as_str() {
        "directory" => consent(event),
        "telephony" => call(event),
        "calendar" => meeting(event),
        "pipeline" => deal(event),
        _ => Vec::new(),
    }
}

/// A word about a purpose that changed what counts; what follows from a merge was told before.
fn consent(event: &Event) -> Vec<Change> {
    let Some(changed) = payload::<ConsentChanged>(event).filter(|it| !it.consent.is_empty()) else {
        return Vec::new();
    };
    let summary = match changed.state() {
        ConsentState::Granted => format!("agreed to {}", changed.purpose),
        ConsentState::Withdrawn => format!("withdrew from {}", changed.purpose),
        ConsentState::Unspecified => return Vec::new(),
    };
    let id = history::entry_of("consent", &changed.consent);
    let time = changed.state_time.or(event.occur_time);
    vec![Change::Put(Entry { subject: changed.consent, ..entry(event, id, "consent", time, summary) })]
}

/// A call has one entry, at one partner; corrections write it anew.
fn call(event: &Event) -> Vec<Change> {
    let facts = payload::<CallEnded>(event)
        .map(|ended| (ended.direction, ended.outcome, ended.number, ended.talk_duration, ended.start_time))
        .or_else(|| {
            payload::<CallCorrected>(event)
                .map(|call| (call.direction, call.outcome, call.number, call.talk_duration, call.start_time))
        });
    let Some((direction, outcome, number, talk, start)) = facts else { return Vec::new() };
    let way = match CallDirection::try_from(direction) {
        Ok(CallDirection::Outbound) => Way::Out,
        _ => Way::In,
    };
    let end = match CallOutcome::try_from(outcome) {
        Ok(CallOutcome::Answered) => End::Talked(talk.map_or(0, |talk| talk.seconds)),
        Ok(CallOutcome::Missed | CallOutcome::NoAnswer) => End::Missed,
        Ok(CallOutcome::Busy) => End::Busy,
        Ok(CallOutcome::Abandoned) => End::Abandoned,
        Ok(CallOutcome::Failed) => End::Failed,
        _ => End::Unknown,
    };
    let id = history::entry_of("call", &event.subject);
    let mut changes = vec![Change::OnlyAt { partner: event.partner.clone(), entry: id.clone() }];
    if !event.partner.is_empty() {
        let start = start.or(event.occur_time);
        changes.push(Change::Put(entry(event, id, "call", start, history::call_summary(way, end, &number))));
    }
    changes
}

/// A meeting has one entry at each of its partners; it stands at the meeting's start.
fn meeting(event: &Event) -> Vec<Change> {
    if event.partner.is_empty() {
        return Vec::new();
    }
    let id = history::entry_of("meeting", &event.subject);
    if let Some(answered) = payload::<MeetingAnswered>(event) {
        return vec![Change::Put(answer(event, &answered))];
    }
    if let Some(countered) = payload::<MeetingCountered>(event) {
        return vec![Change::Put(proposal(event, &countered))];
    }
    if payload::<MeetingRemoved>(event).is_some() {
        return vec![Change::Remove { partner: event.partner.clone(), entry: id }];
    }
    let facts = payload::<MeetingScheduled>(event)
        .map(|meeting| (meeting.summary, meeting.start_time))
        .or_else(|| payload::<MeetingChanged>(event).map(|meeting| (meeting.summary, meeting.start_time)));
    let Some((summary, start)) = facts else { return Vec::new() };
    let summary = history::one_line(&format!("meeting: {summary}"));
    vec![Change::Put(entry(event, id, "meeting", start.or(event.occur_time), summary))]
}

/// The answer of a guest stands beside the meeting; a later one of the same guest takes its place.
fn answer(event: &Event, answered: &MeetingAnswered) -> Entry {
    let said = match answered.participation.as_str() {
        "ACCEPTED" => "accepted",
        "DECLINED" => "declined",
        "TENTATIVE" => "perhaps",
        "DELEGATED" => "handed over",
        _ => "answered",
    };
    let instance = answered.original_start_time.as_ref().map_or(0, clock::from_proto);
    let id = history::entry_of("answer", &format!("{} {} {instance}", event.subject, answered.attendee));
    let summary = history::one_line(&format!("{said}: {}", answered.summary));
    entry(event, id, "answer", event.occur_time, summary)
}

/// Another time that a guest proposes stands beside the meeting; a later one of the same guest takes its place.
fn proposal(event: &Event, countered: &MeetingCountered) -> Entry {
    let instance = countered.original_start_time.as_ref().map_or(0, clock::from_proto);
    let id = history::entry_of("proposal", &format!("{} {} {instance}", event.subject, countered.attendee));
    let summary = history::one_line(&format!("proposes another time: {}", countered.summary));
    entry(event, id, "proposal", event.occur_time, summary)
}

/// Each step of a deal has an entry of its own, seen by those who may see the deal now.
fn deal(event: &Event) -> Vec<Change> {
    // A new lead is nobody's yet, and nothing stands anywhere that could follow it.
    if is::<LeadCreated>(event) {
        return Vec::new();
    }
    if outbox::kind(event) == OpportunityDeleted::full_name() {
        return vec![Change::Forget { subject: event.subject.clone() }];
    }
    if let Some(merged) = payload::<OpportunityMerged>(event) {
        return went(event, merged);
    }
    let audience = event.audience.clone().unwrap_or_default();
    let (owner, team) = if audience.company { Default::default() } else { (audience.owner, audience.team) };
    let mut changes = Vec::new();
    if payload::<OpportunityUnmerged>(event).is_some() {
        // Wherever it stands, also where nobody saw it because the survivor had no partner.
        let (partner, entry) = (String::new(), history::entry_of("merge", &event.subject));
        changes.push(Change::OnlyAt { partner: partner.clone(), entry: entry.clone() });
        changes.push(Change::Remove { partner, entry });
    }
    if let Some((kind, summary)) = step(event) {
        let summary = history::one_line(&summary);
        let step = entry(event, event.event_id.clone(), kind, event.occur_time, summary);
        changes.push(Change::Put(Entry { owner: owner.clone(), team: team.clone(), ..step }));
    }
    // A lead's events know no partner until it is converted, and its one entry then stays there.
    let partner = event.subject.starts_with("opportunities/").then(|| event.partner.clone());
    changes.push(Change::Follow { subject: event.subject.clone(), partner, owner, team });
    changes
}

/// A deal that went into another one: its history goes to where that one is, and has one entry about it. The event may come again, when the survivor goes elsewhere.
fn went(event: &Event, merged: OpportunityMerged) -> Vec<Change> {
    let (owner, team) = (merged.assignee, merged.team);
    let time = merged.merge_time.or(event.occur_time);
    let summary = history::one_line(&format!("merged into another opportunity: {}", merged.title));
    let id = history::entry_of("merge", &event.subject);
    let note =
        Entry { owner: owner.clone(), team: team.clone(), ..entry(event, id, "merged", time, summary) };
    // First what is there goes along, this entry too if it is there already.
    let follow =
        Change::Follow { subject: event.subject.clone(), partner: Some(event.partner.clone()), owner, team };
    vec![follow, Change::Put(note)]
}

fn step(event: &Event) -> Option<(&'static str, String)> {
    let created =
        payload::<OpportunityCreated>(event).map(|it| ("opportunity", format!("opportunity: {}", it.title)));
    let converted = || {
        payload::<LeadConverted>(event)
            .map(|it| ("lead", format!("lead became an opportunity: {}", it.title)))
    };
    let moved = || {
        payload::<OpportunityStageMoved>(event)
            .map(|it| ("stage_move", format!("{} → {}: {}", it.from_stage, it.to_stage, it.title)))
    };
    let reopened =
        || payload::<OpportunityReopened>(event).map(|it| ("reopened", format!("reopened: {}", it.title)));
    let won = || payload::<OpportunityWon>(event).map(|it| ("won", format!("won: {}", it.title)));
    let lost = || {
        payload::<OpportunityLost>(event).map(|it| match it.reason.as_str() {
            "" => ("lost", format!("lost: {}", it.title)),
            reason => ("lost", format!("lost ({reason}): {}", it.title)),
        })
    };
    let done = || {
        payload::<NextStepCompleted>(event)
            .and_then(|it| it.next_step)
            .map(|step| ("next_step", format!("done: {} ({})", step.title, step.opportunity_title)))
    };
    created.or_else(converted).or_else(moved).or_else(won).or_else(lost).or_else(reopened).or_else(done)
}

/// An entry that everyone who sees the partner may see.
fn entry(event: &Event, id: String, kind: &'static str, time: Option<Timestamp>, summary: String) -> Entry {
    Entry {
        partner: event.partner.clone(),
        entry: id,
        occur_time: time.as_ref().map_or(0, clock::from_proto),
        kind,
        subject: event.subject.clone(),
        summary,
        actor: event.actor.clone(),
        owner: String::new(),
        team: String::new(),
    }
}
