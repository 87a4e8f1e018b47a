//! Personal call-backs of call lists as events in their operator's calendar (C10), both ways. What telephony says of a call-back is put into its
//! event; when the user moves or deletes the event, that is published, and telephony, which hears it, moves the call-back or opens it to everybody.
//! `listen` is started by `start`; `admit` and `removed` are called by the hook for the user's writes.
//!
//! As with next steps, what the server writes because of news passes the hook quietly, and telephony is the one that decides: its last news make
//! both sides the same. Title and text belong to the user, once the event is made.

use kontor_collection::store::collection::{self, New};
use kontor_collection::store::object;
use kontor_collection::{Admission, Collection, Conditions, Kind, Prepared, Removal, Target, write};
use kontor_kit::auth::{Caller, Guard};
use kontor_kit::clock::{from_proto, to_proto};
use kontor_kit::context::Context;
use kontor_kit::db::{Db, Tx};
use kontor_kit::outbox::{self, NewEvent};
use kontor_kit::{Error, Result};
use kontor_proto::calendar::v1::{CallBackEventChanged, call_back_event_changed};
use kontor_proto::telephony::v1::{CallBackEnded, CallBackMoved, CallBackPlanned};
use kontor_proto::r#type::v1::Event;
use tonic::Code;

use crate::domain::call_back::{self as domain, CallBack};
use crate::domain::time::MICROS;
use crate::events::{LAST, with_opacity};
use crate::hook::{CalendarHooks, Parsed, read};
use crate::store::call_backs::{self, Place};
use crate::store::people;

/// Slug of the calendar; a number behind it where a user has made a calendar of that name.
const SLUG: &str = "call-backs";
/// Slugs that are tried.
const SLUGS: usize = 20;

/// What telephony says of a call-back.
enum News {
    /// It was agreed: for this user, or for everybody when that is none.
    Planned(Option<String>, CallBack),
    /// It is at another time (seconds UTC), for this user or for everybody.
    Moved(Option<String>, i64),
    /// It is over.
    Ended,
}

/// Follows telephony from its first event on.
pub fn listen(context: &Context, db: &Db, hooks: CalendarHooks) {
    let hooks = CalendarHooks { quiet: true, ..hooks };
    let wants = |event: &Event| news(event).is_some();
    context.bus.listen_for(
        context,
        "telephony",
        "calendar.call_backs",
        db.clone(),
        wants,
        move |tx, event| {
            let said = event.occur_time.as_ref().map_or(0, from_proto);
            match news(event) {
                Some(News::Planned(Some(login), call_back)) => plan(tx, &hooks, &login, &call_back, said),
                Some(News::Moved(Some(_), start)) => shift(tx, &hooks, &event.subject, start),
                // One that is everybody's stands in nobody's calendar.
                Some(News::Planned(None, _) | News::Moved(None, _) | News::Ended) => {
                    call_backs::find(tx, &event.subject)?.map_or(Ok(()), |place| remove(tx, &hooks, &place))
                }
                None => Ok(()),
            }
        },
    );
}

fn news(event: &Event) -> Option<News> {
    let login = |operator: &str, personal: bool| {
        let login = operator.strip_prefix("users/").filter(|login| personal && !login.is_empty());
        login.map(str::to_owned)
    };
    let seconds = |time: &prost_types::Timestamp| from_proto(time).div_euclid(MICROS);
    if let Some(planned) = outbox::payload::<CallBackPlanned>(event) {
        let call_back = CallBack {
            entry: event.subject.clone(),
            start: seconds(planned.call_back_time.as_ref()?),
            display_name: planned.display_name,
            number: planned.number,
        };
        return Some(News::Planned(login(&planned.operator, planned.personal), call_back));
    }
    if let Some(moved) = outbox::payload::<CallBackMoved>(event) {
        let start = seconds(moved.call_back_time.as_ref()?);
        return Some(News::Moved(login(&moved.operator, moved.personal), start));
    }
    outbox::payload::<CallBackEnded>(event).map(|_| News::Ended)
}

/// Puts a call-back into its operator's calendar, and takes it from where it stood.
fn plan(tx: &mut Tx<'_>, hooks: &CalendarHooks, login: &str, call_back: &CallBack, said: i64) -> Result<()> {
    let calendar = calendar_of(tx, login)?;
    if let Some(present) = call_backs::find(tx, &call_back.entry)? {
        if present.collection == calendar.id {
            return shift(tx, hooks, &call_back.entry, call_back.start);
        }
        remove(tx, hooks, &present)?;
    }
    let id = call_back.entry.rsplit('/').next().unwrap_or_default();
    let place =
        Place { entry: call_back.entry.clone(), collection: calendar.id.clone(), name: format!("{id}.ics") };
    put(tx, hooks, &place, domain::create(id, call_back, said).as_bytes())?;
    call_backs::keep(tx, &place)
}

/// Moves the event of a call-back, if it is not there already. One that its user has deleted has none: telephony hears of that.
fn shift(tx: &mut Tx<'_>, hooks: &CalendarHooks, entry: &str, start: i64) -> Result<()> {
    let Some(place) = call_backs::find(tx, entry)? else { return Ok(()) };
    let target = Target::id(&place.collection);
    // Locked before it is read: the user may be writing to it in another process.
    collection::lock(tx, &target)?;
    let Some(calendar) = collection::by_target(tx, &target)? else { return Ok(()) };
    let Some(present) = object::whole(tx, calendar.num, &place.name)? else { return Ok(()) };
    let zone = kontor_collection::Hooks::zone(hooks, tx, &calendar)?;
    let now = tx.now();
    let text = domain::move_to(&present.data, start, &zone, now)?;
    if text[..] == present.data[..] { Ok(()) } else { put(tx, hooks, &place, &text) }
}

fn put(tx: &mut Tx<'_>, hooks: &CalendarHooks, place: &Place, text: &[u8]) -> Result<()> {
    let now = tx.now();
    let (index, typed) = read(text, now)?;
    let prepared = Prepared {
        uid: typed.uid.clone(),
        component: typed.kind.name().to_owned(),
        schedule_tag: String::new(),
        index,
        typed: Parsed { typed, found: Some(Vec::new()) },
    };
    let (caller, target) = (Caller::system(), Target::id(&place.collection));
    write::put(tx, hooks, &caller, &target, &place.name, text, &Conditions::none(), &prepared)?;
    Ok(())
}

fn remove(tx: &mut Tx<'_>, hooks: &CalendarHooks, place: &Place) -> Result<()> {
    let target = Target::id(&place.collection);
    match write::delete(tx, hooks, &Caller::system(), &target, &place.name, &Conditions::none()) {
        Err(cause) if cause.code() != Code::NotFound => return Err(cause),
        _ => {}
    }
    call_backs::forget(tx, &place.entry)
}

/// The user's calendar of call-backs; made with the first one. It counts for free/busy.
fn calendar_of(tx: &mut Tx<'_>, login: &str) -> Result<Collection> {
    let color = with_opacity(&people::get(tx, login)?.color);
    for number in 0..SLUGS {
        let slug = if number == 0 { SLUG.to_owned() } else { format!("{SLUG}-{number}") };
        let new = New {
            order: LAST - 2,
            color: color.clone(),
            components: vec!["VEVENT".to_owned()],
            description: "Whom you have agreed to call back.".to_owned(),
            ..New::named(login, &slug, Kind::CallBacks, "Call-backs")
        };
        let found = collection::ensure(tx, &new)?;
        if found.kind == Kind::CallBacks {
            return Ok(found);
        }
    }
    Err(Error::internal(format!("there is no name for the call-backs of {login}")))
}

/// Looks at a user's write to the calendar, and publishes a move.
///
/// # Errors
/// PERMISSION_DENIED for what a call-back can't be.
pub fn admit(tx: &mut Tx<'_>, hooks: &CalendarHooks, admission: &Admission<'_, Parsed>) -> Result<()> {
    let calendar = admission.collection;
    let place = call_backs::at(tx, &calendar.id, admission.name)?;
    let (Some(old), Some(place)) = (admission.old, place) else {
        return Err(Error::denied(
            "this calendar has the call-backs of call lists: agree on one there, and put other events into your calendar",
        ));
    };
    if !admission.prepared.typed.typed.managed.is_empty() {
        return Err(Error::denied("a call-back has no attachments"));
    }
    let zone = kontor_collection::Hooks::zone(hooks, tx, calendar)?;
    let before = object::data(tx, old.num)?;
    if let Some(start) = domain::moved(&before, admission.data, &zone)? {
        let time = to_proto(start.saturating_mul(MICROS));
        let change = call_back_event_changed::Change::CallBackTime(time);
        publish(tx, calendar, &place, admission.caller, change);
    }
    Ok(())
}

/// Publishes that a user deleted an event: the call-back is everybody's then.
///
/// # Errors
/// Those of the database.
pub fn removed(tx: &mut Tx<'_>, removal: &Removal<'_>) -> Result<()> {
    let Some(place) = call_backs::at(tx, &removal.collection.id, &removal.object.name)? else {
        return Ok(());
    };
    let change = call_back_event_changed::Change::Deleted(true);
    publish(tx, removal.collection, &place, removal.caller, change);
    call_backs::forget(tx, &place.entry)
}

fn publish(
    tx: &mut Tx<'_>,
    calendar: &Collection,
    place: &Place,
    caller: &Caller,
    change: call_back_event_changed::Change,
) {
    let guard = Guard::new(format!("users/{}", calendar.owner), "");
    let payload = CallBackEventChanged { change: Some(change) };
    tx.publish(NewEvent::new("calendar", &place.entry, &guard, &payload).actor(caller.name()));
}
