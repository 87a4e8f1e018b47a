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
use kontor_proto::calendar::v1::{MeetingChanged, MeetingRemoved, MeetingScheduled};
use kontor_proto::directory::v1::{PartnerCreated, PartnerDeleted, PartnerUpdated, UserCreated, UserUpdated};
use kontor_proto::r#type::v1::Event;
use tokio::sync::Notify;

use crate::directory::Directory;
use crate::domain::meeting::{Effect, effects};
use crate::store::{calendars, pending, people};

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
        // Apple's property has the opacity too.
        color: if color.len() == 7 { format!("{color}FF") } else { color.to_owned() },
        components: vec!["VEVENT".to_owned(), "VTODO".to_owned()],
        is_default: true,
        ..New::named(owner, DEFAULT_SLUG, Kind::Calendar, "Calendar")
    }
}

/// Follows the directory from its first event on: users get their calendar, colours and zones are kept, and meetings find
/// the partners whose addresses changed.
pub fn listen(context: &Context, db: &Db, directory: Directory, wake: Arc<Notify>) {
    context.bus.listen(context, "directory", "calendar.directory", db.clone(), move |tx, event| {
        if let Some(user) = outbox::payload::<UserCreated>(event) {
            people::keep(tx, &user.user, &user.color, &user.time_zone)?;
            let color = people::get(tx, &user.user)?.color;
            collection::ensure(tx, &default_calendar(&user.user, &color))?;
        } else if let Some(user) = outbox::payload::<UserUpdated>(event) {
            let before = people::get(tx, &user.user)?.color;
            people::keep(tx, &user.user, &user.color, &user.time_zone)?;
            let after = people::get(tx, &user.user)?.color;
            calendars::recolor(tx, &user.user, &before, &after)?;
        } else if concerns_addresses(event) {
            recheck(tx, event, &directory, &wake)?;
        }
        Ok(())
    });
}

fn concerns_addresses(event: &Event) -> bool {
    let updated = outbox::payload::<PartnerUpdated>(event);
    outbox::payload::<PartnerCreated>(event).is_some()
        || outbox::payload::<PartnerDeleted>(event).is_some()
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
