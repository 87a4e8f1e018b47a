//! What the calendar publishes (meetings, one event a partner) and what it hears from the directory.
//! Called by the hook and tasks.rs; `listen` by `start`.

use std::sync::Arc;

use kontor_collection::store::collection::{self, New};
use kontor_collection::{Collection, Kind};
use kontor_kit::Result;
use kontor_kit::auth::Guard;
use kontor_kit::clock::to_proto;
use kontor_kit::context::Context;
use kontor_kit::db::{Db, Tx};
use kontor_kit::outbox::{self, NewEvent};
use kontor_proto::calendar::v1::{
    MeetingAnswered, MeetingChanged, MeetingCountered, MeetingRemoved, MeetingScheduled, SchedulingMessage,
};
use kontor_proto::directory::v1::{
    PartnerCreated, PartnerDeleted, PartnerMerged, PartnerUnmerged, PartnerUpdated, UserCreated, UserUpdated,
};
use kontor_proto::r#type::v1::Event;
use tokio::sync::Notify;

use crate::directory::Directory;
use crate::domain::meeting::{Effect, effects};
use crate::domain::scheduling::counter::Proposal;
use crate::store::{calendars, items, pending, people};

/// Slug of the calendar that every user gets.
pub const DEFAULT_SLUG: &str = "work";

/// A meeting that changed.
pub struct Meeting<'a> {
    /// Where it stands.
    pub collection: &'a Collection,
    /// Id of the object.
    pub object: &'a str,
    /// Who did it.
    pub actor: String,
    /// Title.
    pub summary: &'a str,
    /// Start; microseconds UTC.
    pub start: i64,
}

/// Tells each partner once what happened to the meeting.
pub fn publish(tx: &mut Tx<'_>, meeting: &Meeting<'_>, before: &[String], after: &[String], changed: bool) {
    let collection = meeting.collection;
    let guard = guard(collection);
    let subject = format!("calendars/{}/events/{}", collection.id, meeting.object);
    let (summary, start_time) = (meeting.summary.to_owned(), Some(to_proto(meeting.start)));
    for (partner, effect) in effects(before, after, changed) {
        let event = match effect {
            Effect::Scheduled => {
                let payload = MeetingScheduled { summary: summary.clone(), start_time };
                NewEvent::new("calendar", &subject, &guard, &payload)
            }
            Effect::Changed => {
                let payload = MeetingChanged { summary: summary.clone(), start_time };
                NewEvent::new("calendar", &subject, &guard, &payload)
            }
            Effect::Removed => {
                NewEvent::new("calendar", &subject, &guard, &MeetingRemoved { summary: summary.clone() })
            }
        };
        tx.publish(event.partner(partner).actor(meeting.actor.clone()));
    }
}

/// Who answered a meeting.
pub struct Answered<'a> {
    /// Number of the organizer's object.
    pub num: i64,
    /// Address of the guest.
    pub attendee: &'a str,
    /// PARTSTAT in capitals.
    pub participation: &'a str,
    /// Seconds UTC of the instance; none for all of it.
    pub instance: Option<i64>,
    /// Written text; may be empty.
    pub comment: &'a str,
}

/// Tells that a guest answered: once for each partner who has the guest's address, and once when none has.
///
/// # Errors
/// Those of the database.
pub fn publish_answer(tx: &mut Tx<'_>, meeting: &Meeting<'_>, answered: &Answered<'_>) -> Result<()> {
    let payload = MeetingAnswered {
        summary: meeting.summary.to_owned(),
        attendee: answered.attendee.to_owned(),
        participation: answered.participation.to_owned(),
        original_start_time: answered.instance.map(|at| to_proto(at.saturating_mul(1_000_000))),
        comment: answered.comment.to_owned(),
    };
    let subject = format!("calendars/{}/events/{}", meeting.collection.id, meeting.object);
    let guard = guard(meeting.collection);
    let event = || NewEvent::new("calendar", &subject, &guard, &payload).actor(meeting.actor.clone());
    let partners = items::partners_of_address(tx, answered.num, answered.attendee)?;
    if partners.is_empty() {
        tx.publish(event());
    }
    partners.into_iter().for_each(|partner| tx.publish(event().partner(partner)));
    Ok(())
}

/// Tells that a guest proposed another time, as `publish_answer`. `num` is the organizer's object.
///
/// # Errors
/// Those of the database.
pub fn publish_counter(tx: &mut Tx<'_>, meeting: &Meeting<'_>, num: i64, proposal: &Proposal) -> Result<()> {
    let at = |seconds: i64| Some(to_proto(seconds.saturating_mul(1_000_000)));
    let (start, end) = proposal.span();
    let payload = MeetingCountered {
        summary: meeting.summary.to_owned(),
        attendee: proposal.attendee.clone(),
        original_start_time: proposal.instance.and_then(at),
        start_time: at(start),
        end_time: at(end),
        location: proposal.location.clone(),
        comment: proposal.comment.clone(),
    };
    let subject = format!("calendars/{}/events/{}", meeting.collection.id, meeting.object);
    let guard = guard(meeting.collection);
    let event = || NewEvent::new("calendar", &subject, &guard, &payload).actor(meeting.actor.clone());
    let partners = items::partners_of_address(tx, num, &proposal.attendee)?;
    if partners.is_empty() {
        tx.publish(event());
    }
    partners.into_iter().for_each(|partner| tx.publish(event().partner(partner)));
    Ok(())
}

/// A message to people outside, for the service that sends mail.
pub struct Outgoing<'a> {
    /// Where the object stands.
    pub collection: &'a Collection,
    /// Who did it.
    pub actor: String,
    /// METHOD.
    pub method: &'a str,
    /// UID of the meeting.
    pub uid: &'a str,
    /// Address of the user.
    pub sender: &'a str,
    /// Addresses, as `Person::address` has them.
    pub recipients: Vec<String>,
    /// The message, with its METHOD.
    pub icalendar: Vec<u8>,
}

/// Puts a message to people outside into the outbox of events.
pub fn publish_message(tx: &mut Tx<'_>, outgoing: Outgoing<'_>) {
    let payload = SchedulingMessage {
        method: outgoing.method.to_owned(),
        uid: outgoing.uid.to_owned(),
        sender: outgoing.sender.to_owned(),
        recipients: outgoing.recipients,
        icalendar: outgoing.icalendar.into(),
    };
    let subject = format!("calendars/{}", outgoing.collection.id);
    let event = NewEvent::new("calendar", subject, &guard(outgoing.collection), &payload);
    tx.publish(event.actor(outgoing.actor));
}

/// Who may see what happens in a calendar.
pub fn guard(collection: &Collection) -> Guard {
    if collection.is_company() {
        Guard::company()
    } else {
        Guard::new(format!("users/{}", collection.owner), "")
    }
}

/// The calendar that every user gets: one for events and tasks, for some programs show only one.
pub fn default_calendar(owner: &str, color: &str) -> New {
    New {
        color: with_opacity(color),
        components: vec!["VEVENT".to_owned(), "VTODO".to_owned()],
        is_default: true,
        ..New::named(owner, DEFAULT_SLUG, Kind::Calendar, "Calendar")
    }
}

/// A user's colour as calendars have it: Apple's property has the opacity too.
pub fn with_opacity(color: &str) -> String {
    if color.len() == 7 { format!("{color}FF") } else { color.to_owned() }
}

/// Slugs of the collections for scheduling messages.
pub const INBOX_SLUG: &str = "inbox";
/// Where programs ask for busy times.
pub const OUTBOX_SLUG: &str = "outbox";

/// Behind all calendars, for some programs take the first collection that they see.
pub const LAST: i64 = 1 << 31;

/// Where messages come for a user.
pub fn inbox(owner: &str) -> New {
    New { order: LAST, ..New::named(owner, INBOX_SLUG, Kind::Inbox, "Invitations") }
}

fn outbox(owner: &str) -> New {
    New { order: LAST + 1, ..New::named(owner, OUTBOX_SLUG, Kind::Outbox, "Outgoing invitations") }
}

/// Slug of the unified calendar that every user has.
pub const OVERVIEW_SLUG: &str = "overview";

/// The unified calendar of a user: all that stands in the home, for reading.
pub fn overview(owner: &str) -> New {
    New {
        color: "#7F7F7FFF".to_owned(),
        order: LAST + 2,
        components: vec!["VEVENT".to_owned()],
        transparent: true,
        ..New::named(owner, OVERVIEW_SLUG, Kind::Overview, "Overview")
    }
}

/// Follows the directory from its first event on: users get their calendar, colours and zones are kept, and meetings find
/// the partners whose addresses changed.
pub fn listen(context: &Context, db: &Db, directory: Directory, wake: Arc<Notify>) {
    let wants = |event: &Event| {
        outbox::is::<UserCreated>(event) || outbox::is::<UserUpdated>(event) || concerns_addresses(event)
    };
    context.bus.listen_for(
        context,
        "directory",
        "calendar.directory",
        db.clone(),
        wants,
        move |tx, event| {
            if let Some(user) = outbox::payload::<UserCreated>(event) {
                people::keep(tx, &user.user, &user.color, &user.time_zone)?;
                let color = people::get(tx, &user.user)?.color;
                if people::keep_address(tx, &user.user, &user.email)? {
                    calendars::touch(tx, &user.user)?;
                }
                collection::ensure(tx, &default_calendar(&user.user, &color))?;
                collection::ensure(tx, &inbox(&user.user))?;
                collection::ensure(tx, &outbox(&user.user))?;
                collection::ensure(tx, &overview(&user.user))?;
            } else if let Some(user) = outbox::payload::<UserUpdated>(event) {
                let before = people::get(tx, &user.user)?.color;
                people::keep(tx, &user.user, &user.color, &user.time_zone)?;
                if people::keep_address(tx, &user.user, &user.email)? {
                    calendars::touch(tx, &user.user)?;
                }
                let after = people::get(tx, &user.user)?.color;
                calendars::recolor(tx, &user.user, &before, &after)?;
            } else if concerns_addresses(event) {
                recheck(tx, event, &directory, &wake)?;
            }
            Ok(())
        },
    );
}

fn concerns_addresses(event: &Event) -> bool {
    let updated = outbox::payload::<PartnerUpdated>(event);
    outbox::payload::<PartnerCreated>(event).is_some()
        || outbox::payload::<PartnerDeleted>(event).is_some()
        || outbox::payload::<PartnerMerged>(event).is_some()
        || outbox::payload::<PartnerUnmerged>(event).is_some()
        || updated.is_some_and(|updated| {
            updated.fields.is_empty() || updated.fields.iter().any(|field| field == "emails")
        })
}

fn recheck(tx: &mut Tx<'_>, event: &Event, directory: &Directory, wake: &Arc<Notify>) -> Result<()> {
    let partner = if event.partner.is_empty() { &event.subject } else { &event.partner };
    pending::add_partner(tx, partner)?;
    let (directory, wake) = (directory.clone(), wake.clone());
    tx.on_commit(move || {
        directory.forget();
        wake.notify_one();
    });
    Ok(())
}
