//! What happens to next steps, each with its event: set, changed, done, dropped; what an opportunity's own changes bring to its step; and what
//! users change in their task lists, as the calendar's events tell it.
//! Called by rpc/next_step.rs and events.rs; `listen` by `start`.

use jiff::tz::TimeZone;
use kontor_kit::auth::Caller;
use kontor_kit::clock::{from_proto, to_proto};
use kontor_kit::context::Context;
use kontor_kit::db::{Db, Tx};
use kontor_kit::outbox::{self, NewEvent};
use kontor_kit::resource::{self, Stored};
use kontor_kit::{Result, id};
use kontor_proto::calendar::v1::{NextStepTaskChanged, next_step_task_changed};
use kontor_proto::pipeline::v1 as proto;
use kontor_proto::pipeline::v1::next_step;
use kontor_proto::r#type::v1::Event;
use prost::{Message, Name};

use crate::domain::next_step::{Due, Facts, NextStep, State};
use crate::domain::opportunity::{Opportunity, Outcome};
use crate::store;

/// Sets the next step of an opportunity, which is held.
///
/// # Errors
/// FAILED_PRECONDITION when the opportunity is closed or has one.
pub fn create(tx: &mut Tx<'_>, caller: &Caller, deal: &Opportunity, facts: Facts) -> Result<NextStep> {
    let step = NextStep::new(id::new(), deal, facts, tx.now())?;
    store::next_step::insert(tx, &step)?;
    let next_step = Some(message(&step));
    publish(tx, &caller.name(), deal, &proto::NextStepCreated { next_step });
    Ok(step)
}

/// Changes an open step. Nothing is told when nothing differs.
///
/// # Errors
/// FAILED_PRECONDITION when it is closed; ABORTED when it was changed meanwhile.
pub fn change(
    tx: &mut Tx<'_>,
    actor: &str,
    deal: &Opportunity,
    step: &mut NextStep,
    facts: Facts,
) -> Result<()> {
    if step.change(facts, tx.now())? {
        resource::update(tx, step)?;
        let next_step = Some(message(step));
        publish(tx, actor, deal, &proto::NextStepUpdated { next_step });
    }
    Ok(())
}

/// Completes an open step.
///
/// # Errors
/// FAILED_PRECONDITION when it is closed; ABORTED when it was changed meanwhile.
pub fn complete(
    tx: &mut Tx<'_>,
    actor: &str,
    deal: &Opportunity,
    step: &mut NextStep,
    is_followed: bool,
) -> Result<()> {
    step.complete(actor, tx.now())?;
    resource::update(tx, step)?;
    let next_step = Some(message(step));
    publish(tx, actor, deal, &proto::NextStepCompleted { next_step, needs_next_step: !is_followed });
    Ok(())
}

/// Gives an open step up.
///
/// # Errors
/// FAILED_PRECONDITION when it is closed; ABORTED when it was changed meanwhile.
pub fn give_up(
    tx: &mut Tx<'_>,
    actor: &str,
    deal: &Opportunity,
    step: &mut NextStep,
    opportunity_closed: bool,
) -> Result<()> {
    step.give_up(actor, tx.now())?;
    resource::update(tx, step)?;
    let next_step = Some(message(step));
    publish(tx, actor, deal, &proto::NextStepDropped { next_step, opportunity_closed });
    Ok(())
}

/// Brings the steps of a changed opportunity in line with it. `gone` says that it is deleted.
///
/// # Errors
/// Those of the database.
pub fn follow(tx: &mut Tx<'_>, caller: &Caller, deal: &Opportunity, gone: bool) -> Result<()> {
    let changed = store::next_step::follow(tx, deal)?;
    let over = gone || deal.outcome != Outcome::Open;
    if !changed && !over {
        return Ok(());
    }
    if let Some(mut step) = store::next_step::open_of(tx, &deal.name())? {
        if over {
            give_up(tx, &caller.name(), deal, &mut step, true)?;
        } else {
            let next_step = Some(message(&step));
            publish(tx, &caller.name(), deal, &proto::NextStepUpdated { next_step });
        }
    }
    if gone { store::next_step::forget(tx, &deal.name()) } else { Ok(()) }
}

/// Tells how a step is now, because its opportunity was erased.
pub fn tell(tx: &mut Tx<'_>, deal: &Opportunity, step: &NextStep) {
    let next_step = Some(message(step));
    publish(tx, "", deal, &proto::NextStepUpdated { next_step });
}

/// An open step leaves an opportunity for another one: under this name there is nothing to be done any more.
pub fn leave(tx: &mut Tx<'_>, actor: &str, deal: &Opportunity, step: &NextStep) {
    let over = NextStep { state: State::Dropped(tx.now(), actor.to_owned()), ..step.clone() };
    let next_step = Some(message(&over));
    publish(tx, actor, deal, &proto::NextStepDropped { next_step, opportunity_closed: false });
}

/// An open step came to an opportunity from another one.
pub fn arrive(tx: &mut Tx<'_>, actor: &str, deal: &Opportunity, step: &NextStep) {
    let next_step = Some(message(step));
    publish(tx, actor, deal, &proto::NextStepCreated { next_step });
}

fn publish<P: Message + Name>(tx: &mut Tx<'_>, actor: &str, deal: &Opportunity, payload: &P) {
    let event = NewEvent::new("pipeline", deal.name(), &deal.guard(), payload);
    tx.publish(event.partner(&deal.details.partner).actor(actor));
}

/// A step as the API shows it.
pub fn message(step: &NextStep) -> proto::NextStep {
    let (close_time, closed_by) = match &step.state {
        State::Open => (None, String::new()),
        State::Done(time, by) | State::Dropped(time, by) => (Some(to_proto(*time)), by.clone()),
    };
    let due = &step.facts.due;
    let due = match due.day.as_str() {
        "" => next_step::Due::DueTime(to_proto(due.late)),
        day => next_step::Due::DueDate(day.to_owned()),
    };
    proto::NextStep {
        name: step.name(),
        title: step.facts.title.clone(),
        note: step.facts.note.clone(),
        due: Some(due),
        assignee: step.assignee.clone(),
        state: i32::try_from(step.state.number()).unwrap_or(0),
        late_time: Some(to_proto(step.facts.due.late)),
        opportunity_title: step.deal_title.clone(),
        close_time,
        closed_by,
        etag: step.etag(),
        create_time: Some(to_proto(step.create_time)),
        update_time: Some(to_proto(step.update_time)),
    }
}

/// Follows the calendar from its first event on: what users change in their task lists.
pub fn listen(context: &Context, db: &Db) {
    let zone = context.zone();
    let wants = |event: &Event| outbox::kind(event) == NextStepTaskChanged::full_name();
    context.bus.listen_for(context, "calendar", "pipeline.calendar", db.clone(), wants, move |tx, event| {
        match outbox::payload::<NextStepTaskChanged>(event) {
            Some(changed) => take(tx, event, &changed, &zone),
            None => Ok(()),
        }
    });
}

/// Applies what a user changed in a task. The calendar has checked that the list is the user's; here it is checked that the step still stands in
/// it. Whoever comes last wins, field by field.
fn take(tx: &mut Tx<'_>, event: &Event, changed: &NextStepTaskChanged, zone: &TimeZone) -> Result<()> {
    // What is wrong in an event would be wrong at every repeat, so it is left out.
    let Ok((deal, _)) = id::parse_child("opportunities", "nextSteps", &event.subject, "subject") else {
        return Ok(());
    };
    let Some(deal) = resource::hold_if_there::<Opportunity>(tx, deal)? else { return Ok(()) };
    let Some(mut step) = store::next_step::find(tx, &event.subject, "subject")? else { return Ok(()) };
    let list = event.audience.as_ref().map_or("", |audience| audience.owner.as_str());
    if step.state != State::Open || step.assignee != list {
        // The calendar has the news of that, or they are on their way.
        return Ok(());
    }
    let said = event.occur_time.as_ref().map_or(0, from_proto);
    if store::erasure::is_erased_since(tx, &deal.name(), said)? {
        // What the task said then is what was erased: it becomes again what the step is.
        tell(tx, &deal, &step);
        return Ok(());
    }
    let has = |field: &str| {
        changed.changed.as_ref().is_some_and(|mask| mask.paths.iter().any(|path| path == field))
    };
    match merged(&step.facts, changed, has, zone) {
        Ok(facts) => change(tx, &event.actor, &deal, &mut step, facts)?,
        // The calendar lets nothing of that kind through; if it does, the task becomes again what the step is.
        Err(_) => {
            let next_step = Some(message(&step));
            publish(tx, &event.actor, &deal, &proto::NextStepUpdated { next_step });
        }
    }
    if has("done") {
        complete(tx, &event.actor, &deal, &mut step, false)?;
    }
    Ok(())
}

/// The facts with those that the user changed.
fn merged(
    old: &Facts,
    changed: &NextStepTaskChanged,
    has: impl Fn(&str) -> bool,
    zone: &TimeZone,
) -> Result<Facts> {
    let mut facts = old.clone();
    if has("title") {
        facts.title.clone_from(&changed.title);
    }
    if has("note") {
        facts.note.clone_from(&changed.note);
    }
    if let Some(due) = changed.due.as_ref().filter(|_| has("due")) {
        facts.due = match due {
            next_step_task_changed::Due::DueDate(day) => Due::day("due", day, zone)?,
            next_step_task_changed::Due::DueTime(time) => Due::time("due", from_proto(time))?,
        };
    }
    facts.checked("task")
}

/// The facts of a request's step. `field` is its name there.
///
/// # Errors
/// INVALID_ARGUMENT naming the field.
pub fn facts(new: &proto::NextStep, field: &str, zone: &TimeZone) -> Result<Facts> {
    let due = due(new, field, zone)?;
    Facts { title: new.title.clone(), note: new.note.clone(), due }.checked(field)
}

/// When a request's step is due.
///
/// # Errors
/// INVALID_ARGUMENT naming the field.
pub fn due(new: &proto::NextStep, field: &str, zone: &TimeZone) -> Result<Due> {
    match &new.due {
        Some(next_step::Due::DueDate(day)) => Due::day(&format!("{field}.due_date"), day, zone),
        Some(next_step::Due::DueTime(time)) => Due::time(&format!("{field}.due_time"), from_proto(time)),
        None => Err(kontor_kit::Error::invalid(
            format!("{field}.due_date"),
            "say by when: set due_date or due_time",
        )),
    }
}
