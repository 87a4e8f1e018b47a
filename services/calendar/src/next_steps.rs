//! The next steps of a user's opportunities as a task list among the user's calendars (C9), both ways. What the pipeline says of a step is put
//! into its task; what the user changes in the task is published, and the pipeline, which hears it, changes the step.
//! `listen` is started by `start`; `admit` and `removed` are called by the hook for the user's writes.
//!
//! What the server writes because of the pipeline's news passes the hook quietly, so nothing comes back for ever. The pipeline is the one that
//! decides: whatever two sides change at once, its last news make both the same.

use kontor_collection::store::collection::{self, New};
use kontor_collection::store::object;
use kontor_collection::{Admission, Collection, Conditions, Kind, Prepared, Removal, Target, write};
use kontor_kit::auth::{Caller, Guard};
use kontor_kit::clock::{from_proto, to_proto};
use kontor_kit::context::Context;
use kontor_kit::db::{Db, Tx};
use kontor_kit::outbox::{self, NewEvent};
use kontor_kit::{Error, Result};
use kontor_proto::calendar::v1::{NextStepTaskChanged, next_step_task_changed};
use kontor_proto::pipeline::v1::{
    NextStep, NextStepCompleted, NextStepCreated, NextStepDropped, NextStepState, NextStepUpdated, next_step,
};
use kontor_proto::r#type::v1::Event;
use tonic::Code;

use crate::domain::next_step::{self as domain, Due, Step};
use crate::domain::time::MICROS;
use crate::events::LAST;
use crate::hook::{CalendarHooks, Parsed, read};
use crate::store::next_steps::{self, Place};

/// Slug of the list; a number behind it where a user has made a calendar of that name.
const SLUG: &str = "next-steps";
/// Slugs that are tried.
const SLUGS: usize = 20;
/// How long a task that is done stays in the list: 30 days in microseconds.
const KEPT: i64 = 30 * 24 * 3_600 * MICROS;
/// Old tasks that are taken away in one go.
const SWEEP: i64 = 20;

/// Follows the pipeline from its first event on.
pub fn listen(context: &Context, db: &Db, hooks: CalendarHooks) {
    let hooks = CalendarHooks { quiet: true, ..hooks };
    let wants = |event: &Event| news(event).is_some();
    context.bus.listen_for(
        context,
        "pipeline",
        "calendar.next_steps",
        db.clone(),
        wants,
        move |tx, event| match news(event) {
            Some(step) => keep(tx, &hooks, event, &step),
            None => Ok(()),
        },
    );
}

/// The step that an event is about, as it is now.
fn news(event: &Event) -> Option<NextStep> {
    let created = outbox::payload::<NextStepCreated>(event).map(|it| it.next_step);
    let updated = || outbox::payload::<NextStepUpdated>(event).map(|it| it.next_step);
    let completed = || outbox::payload::<NextStepCompleted>(event).map(|it| it.next_step);
    let dropped = || outbox::payload::<NextStepDropped>(event).map(|it| it.next_step);
    created.or_else(updated).or_else(completed).or_else(dropped).flatten()
}

/// Puts a step where it belongs now, and takes it from where it stood.
fn keep(tx: &mut Tx<'_>, hooks: &CalendarHooks, event: &Event, step: &NextStep) -> Result<()> {
    let present = next_steps::find(tx, &step.name)?;
    let login = step.assignee.strip_prefix("users/").unwrap_or_default();
    let wanted = match (step.state(), &present) {
        (NextStepState::Open, _) => wanted(step),
        // Its user may have taken it away since.
        (NextStepState::Done, Some(_)) => wanted(step),
        _ => None,
    };
    let (Some(wanted), false) = (wanted, login.is_empty()) else {
        return present.map_or(Ok(()), |present| remove(tx, hooks, &present));
    };
    let list = list_of(tx, login)?;
    if let Some(present) = present.as_ref().filter(|present| present.collection != list.id) {
        remove(tx, hooks, present)?;
    }
    let said = event.occur_time.as_ref().map_or(0, from_proto);
    let place = Place {
        step: step.name.clone(),
        collection: list.id.clone(),
        name: format!("{}.ics", id_of(&step.name)),
        done: wanted.done.then(|| step.close_time.as_ref().map_or(said, from_proto)),
    };
    put(tx, hooks, &list, &place, &wanted, said)?;
    if present.as_ref() != Some(&place) {
        next_steps::keep(tx, &place)?;
    }
    sweep(tx, hooks, &list)
}

/// A step as its task has it; none when the pipeline says something that can't be.
fn wanted(step: &NextStep) -> Option<Step> {
    let due = match step.due.as_ref()? {
        next_step::Due::DueDate(day) => Due::Day(day.parse().ok()?),
        next_step::Due::DueTime(time) => Due::At(from_proto(time).div_euclid(MICROS)),
    };
    let done = step.state() == NextStepState::Done;
    Some(Step { title: step.title.clone(), note: step.note.clone(), due, done })
}

/// Writes the task, if it is not so already.
fn put(
    tx: &mut Tx<'_>,
    hooks: &CalendarHooks,
    list: &Collection,
    place: &Place,
    wanted: &Step,
    said: i64,
) -> Result<()> {
    let now = tx.now();
    let (opportunity, _) = place.step.split_once("/nextSteps/").unwrap_or_default();
    let made = || domain::create(opportunity, id_of(&place.step), wanted, said).into_bytes();
    // Locked before it is read: the user may be writing to it in another process.
    collection::lock(tx, &Target::id(&list.id))?;
    let text = match object::whole(tx, list.num, &place.name)? {
        None => made(),
        Some(present) => {
            let zone = kontor_collection::Hooks::zone(hooks, tx, list)?;
            // What the user wrote beside it may not go together with the news; then it is written anew.
            let text = domain::update(&present.data, wanted, &zone, now).unwrap_or_else(|_| made());
            if text[..] == present.data[..] {
                return Ok(());
            }
            text
        }
    };
    let (index, typed) = read(&text, now)?;
    let prepared = Prepared {
        uid: typed.uid.clone(),
        component: typed.kind.name().to_owned(),
        schedule_tag: String::new(),
        index,
        typed: Parsed { typed, found: Some(Vec::new()) },
    };
    let (caller, target) = (Caller::system(), Target::id(&list.id));
    write::put(tx, hooks, &caller, &target, &place.name, &text, &Conditions::none(), &prepared)?;
    Ok(())
}

fn remove(tx: &mut Tx<'_>, hooks: &CalendarHooks, place: &Place) -> Result<()> {
    let target = Target::id(&place.collection);
    match write::delete(tx, hooks, &Caller::system(), &target, &place.name, &Conditions::none()) {
        Err(cause) if cause.code() != Code::NotFound => return Err(cause),
        _ => {}
    }
    next_steps::forget(tx, &place.step)
}

/// Takes away what was done long ago.
fn sweep(tx: &mut Tx<'_>, hooks: &CalendarHooks, list: &Collection) -> Result<()> {
    let before = tx.now() - KEPT;
    let old = next_steps::done_before(tx, &list.id, before, SWEEP)?;
    old.iter().try_for_each(|place| remove(tx, hooks, place))
}

/// The user's list; made with the first step.
fn list_of(tx: &mut Tx<'_>, login: &str) -> Result<Collection> {
    for number in 0..SLUGS {
        let slug = if number == 0 { SLUG.to_owned() } else { format!("{SLUG}-{number}") };
        let new = New {
            order: LAST - 1,
            components: vec!["VTODO".to_owned()],
            transparent: true,
            description: "What is to be done for your opportunities.".to_owned(),
            ..New::named(login, &slug, Kind::NextSteps, "Next steps")
        };
        let found = collection::ensure(tx, &new)?;
        if found.kind == Kind::NextSteps {
            return Ok(found);
        }
    }
    Err(Error::internal(format!("there is no name for the next steps of {login}")))
}

fn id_of(step: &str) -> &str {
    step.rsplit('/').next().unwrap_or(step)
}

/// Looks at a user's write to the list, and publishes what it means for the step.
///
/// # Errors
/// PERMISSION_DENIED for what a step can't be.
pub fn admit(tx: &mut Tx<'_>, hooks: &CalendarHooks, admission: &Admission<'_, Parsed>) -> Result<()> {
    let list = admission.collection;
    let place = next_steps::at(tx, &list.id, admission.name)?;
    let (Some(old), Some(place)) = (admission.old, place) else {
        return Err(Error::denied(
            "this list has the next steps of opportunities: set one there, and put other tasks into your calendar",
        ));
    };
    if !admission.prepared.typed.typed.managed.is_empty() {
        return Err(Error::denied("a next step has no attachments"));
    }
    let zone = kontor_collection::Hooks::zone(hooks, tx, list)?;
    let before = object::data(tx, old.num)?;
    let changes = domain::changes(&before, admission.data, &zone)?;
    if changes.is_empty() {
        return Ok(());
    }
    if changes.done {
        let done = Some(tx.now());
        next_steps::keep(tx, &Place { done, ..place.clone() })?;
    }
    let guard = Guard::new(format!("users/{}", list.owner), "");
    let event = NewEvent::new("calendar", &place.step, &guard, &told(changes));
    tx.publish(event.actor(admission.caller.name()));
    Ok(())
}

fn told(changes: domain::Changes) -> NextStepTaskChanged {
    let fields = [
        ("title", changes.title.is_some()),
        ("note", changes.note.is_some()),
        ("due", changes.due.is_some()),
        ("done", changes.done),
    ];
    let paths =
        fields.into_iter().filter(|(_, changed)| *changed).map(|(field, _)| field.to_owned()).collect();
    NextStepTaskChanged {
        changed: Some(prost_types::FieldMask { paths }),
        title: changes.title.unwrap_or_default(),
        note: changes.note.unwrap_or_default(),
        due: changes.due.map(|due| match due {
            Due::Day(day) => next_step_task_changed::Due::DueDate(day.to_string()),
            Due::At(at) => next_step_task_changed::Due::DueTime(to_proto(at.saturating_mul(MICROS))),
        }),
    }
}

/// Looks at a user's deletion from the list. What is done may go, as programs clear their lists; what is to be done stays.
///
/// # Errors
/// PERMISSION_DENIED for an open step.
pub fn removed(tx: &mut Tx<'_>, removal: &Removal<'_>) -> Result<()> {
    let Some(place) = next_steps::at(tx, &removal.collection.id, &removal.object.name)? else {
        return Ok(());
    };
    if place.done.is_none() {
        return Err(Error::denied(
            "this is still to be done for an opportunity: complete it here, or drop it there",
        ));
    }
    next_steps::forget(tx, &place.step)
}
