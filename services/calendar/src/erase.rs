//! Erases a partner in users' calendars: meetings stay, without the guest or organizer that it was, and without its name in their texts.
//! The plan is started by `start`; kit/src/erase.rs works it off.
//!
//! Deadlines and next steps follow the pipeline's events, call-backs telephony's, so this service reports behind those.

use kontor_collection::store::object;
use kontor_collection::{Conditions, Prepared, Target, Tell, write};
use kontor_kit::Result;
use kontor_kit::auth::Caller;
use kontor_kit::context::Context;
use kontor_kit::db::{Db, Tx};
use kontor_kit::erase::{self, Batch, Person, Plan, Step, WaitsFor};

use crate::domain::erasure;
use crate::hook::{CalendarHooks, Parsed, read};
use crate::store::erasure::{self as rows, Place};
use crate::store::items;

/// Whose records it has copies of, and who keeps them.
const FOLLOWED: &[WaitsFor] = &[
    WaitsFor { source: "pipeline", consumers: &["calendar.pipeline", "calendar.next_steps"] },
    WaitsFor { source: "telephony", consumers: &["calendar.call_backs"] },
];

/// Hears of erasures for as long as the process runs.
pub fn start(context: &Context, db: &Db, hooks: CalendarHooks) {
    let hooks = CalendarHooks { quiet: true, ..hooks };
    let of_messages = hooks.clone();
    let steps = vec![
        Step::new("meetings", rows::objects, move |tx, person, objects| {
            erase_objects(tx, &hooks, person, objects)
        }),
        Step::new("scheduling messages", rows::messages, move |tx, _, messages| {
            erase_messages(tx, &of_messages, messages)
        }),
        Step::new("scheduling", rows::scheduling, rows::erase_scheduling),
    ];
    let plan = Plan { service: "calendar", consumer: "calendar.erasure", waits_for: Some(FOLLOWED), steps };
    erase::start(context, db, plan);
}

fn erase_objects(
    tx: &mut Tx<'_>,
    hooks: &CalendarHooks,
    person: &Person,
    objects: &[String],
) -> Result<Batch> {
    let mut count = 0;
    for num in objects.iter().filter_map(|num| num.parse().ok()) {
        if let Some(place) = rows::place(tx, num)? {
            erase_object(tx, hooks, person, num, &place)?;
        }
        rows::unlink(tx, person, num)?;
        count += 1;
    }
    let directory = hooks.directory.clone();
    tx.on_commit(move || directory.forget());
    Ok(Batch::of("meetings", count))
}

/// A new version of the object, so that phones and mail clients get it; nobody is sent a message.
fn erase_object(
    tx: &mut Tx<'_>,
    hooks: &CalendarHooks,
    person: &Person,
    num: i64,
    place: &Place,
) -> Result<()> {
    let data = object::data(tx, num)?;
    let Some(erased) = erasure::erase(&data, person)? else { return Ok(()) };
    let now = tx.now();
    let (index, typed) = read(&erased, now)?;
    let mut found = items::before(tx, num)?.with;
    found.retain(|(partner, address)| !address.is_empty() && !person.partners.contains(partner));
    let prepared = Prepared {
        uid: typed.uid.clone(),
        component: typed.kind.name().to_owned(),
        // RFC 6638 section 3.2.10: the tag is for what guests and organizers change.
        schedule_tag: place.schedule_tag.clone(),
        index,
        typed: Parsed { typed, found: Some(found) },
    };
    let (target, none) = (Target::id(&place.collection), Conditions::none());
    write::put(tx, hooks, &Caller::system(), &target, &place.name, &erased, &none, &prepared)?;
    Ok(())
}

/// A message in an inbox has done its work when the meeting has it.
fn erase_messages(tx: &mut Tx<'_>, hooks: &CalendarHooks, messages: &[String]) -> Result<Batch> {
    let mut count = 0;
    for num in messages.iter().filter_map(|num| num.parse().ok()) {
        let Some(place) = rows::place(tx, num)? else { continue };
        let (target, none) = (Target::id(&place.collection), Conditions::none());
        write::delete_as(tx, hooks, &Caller::system(), &target, &place.name, &none, Tell::Nobody)?;
        count += 1;
    }
    Ok(Batch::of("scheduling messages", count))
}
