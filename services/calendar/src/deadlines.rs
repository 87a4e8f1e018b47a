//! Follows the pipeline: an open opportunity with an expected day of closing stands in the company calendar on that day.
//! Started by `start`. Without the pipeline the calendar works on, and catches up when it is there again.
//!
//! There is one collection for each pair of assignee and team, for these two say who may see an opportunity. It is the server's own.

use kontor_collection::store::collection::{self, New};
use kontor_collection::store::kept;
use kontor_collection::{COMPANY, Collection, Conditions, Kind, NOBODY, Prepared, Target, write};
use kontor_kit::Result;
use kontor_kit::auth::Caller;
use kontor_kit::clock::from_proto;
use kontor_kit::context::Context;
use kontor_kit::db::{Db, Tx};
use kontor_kit::outbox::payload;
use kontor_proto::pipeline::v1::{
    OpportunityCreated, OpportunityDeleted, OpportunityLost, OpportunityMerged, OpportunityReopened,
    OpportunityState, OpportunityUnmerged, OpportunityUpdated, OpportunityWon,
};
use kontor_proto::r#type::v1::{Audience, Event};
use tonic::Code;

use crate::domain::deadline;
use crate::events::LAST;
use crate::hook::{CalendarHooks, Parsed, read};
use crate::store::overview::{self, Deadline};

/// Follows the pipeline from its first event on.
pub fn listen(context: &Context, db: &Db, hooks: CalendarHooks) {
    let hooks = CalendarHooks { quiet: true, ..hooks };
    let wants = |event: &Event| news(event).is_some();
    context.bus.listen_for(context, "pipeline", "calendar.pipeline", db.clone(), wants, move |tx, event| {
        match news(event) {
            Some(News::Open(title, day)) => keep(tx, &hooks, event, &title, &day),
            Some(News::Over) => remove(tx, &hooks, &event.subject),
            None => Ok(()),
        }
    });
}

/// What an event says of a deadline.
enum News {
    /// Title and day; the day may be empty.
    Open(String, String),
    /// There is none any more.
    Over,
}

fn news(event: &Event) -> Option<News> {
    if let Some(it) = payload::<OpportunityCreated>(event) {
        return Some(News::Open(it.title, it.expected_close_date));
    }
    if let Some(it) = payload::<OpportunityReopened>(event) {
        return Some(News::Open(it.title, it.expected_close_date));
    }
    // Open before it went into another one, open again.
    if let Some(it) = payload::<OpportunityUnmerged>(event) {
        return Some(News::Open(it.title, it.expected_close_date));
    }
    if let Some(it) = payload::<OpportunityUpdated>(event) {
        return match it.state() {
            OpportunityState::Open => Some(News::Open(it.title, it.expected_close_date)),
            OpportunityState::Won | OpportunityState::Lost => Some(News::Over),
            // Written before the event said it.
            OpportunityState::Unspecified => None,
        };
    }
    let is_over = payload::<OpportunityWon>(event).is_some()
        || payload::<OpportunityLost>(event).is_some()
        || payload::<OpportunityDeleted>(event).is_some()
        || payload::<OpportunityMerged>(event).is_some();
    is_over.then_some(News::Over)
}

/// Puts the deadline where those stand who may see the opportunity now, and takes it from where it stood.
fn keep(tx: &mut Tx<'_>, hooks: &CalendarHooks, event: &Event, title: &str, day: &str) -> Result<()> {
    let opportunity = &event.subject;
    let stamped = event.occur_time.as_ref().map_or(0, from_proto);
    let Some(text) = deadline::event(opportunity, title, day, stamped) else {
        return remove(tx, hooks, opportunity);
    };
    let collection = home(tx, event.audience.as_ref())?;
    let wanted = Deadline {
        opportunity: opportunity.clone(),
        collection: collection.id,
        title: title.to_owned(),
        day: day.to_owned(),
    };
    let present = overview::deadline(tx, opportunity)?;
    if present.as_ref() == Some(&wanted) {
        return Ok(());
    }
    if present.is_some_and(|present| present.collection != wanted.collection) {
        remove(tx, hooks, opportunity)?;
    }
    let now = tx.now();
    let (index, typed) = read(text.as_bytes(), now)?;
    let prepared = Prepared {
        uid: typed.uid.clone(),
        component: typed.kind.name().to_owned(),
        schedule_tag: String::new(),
        index,
        typed: Parsed { typed, found: Some(Vec::new()) },
    };
    let (caller, target, name) = (Caller::system(), Target::id(&wanted.collection), name(opportunity));
    write::put(tx, hooks, &caller, &target, &name, text.as_bytes(), &Conditions::none(), &prepared)?;
    overview::keep_deadline(tx, &wanted)
}

fn remove(tx: &mut Tx<'_>, hooks: &CalendarHooks, opportunity: &str) -> Result<()> {
    let Some(present) = overview::deadline(tx, opportunity)? else { return Ok(()) };
    let target = Target::id(&present.collection);
    match write::delete(tx, hooks, &Caller::system(), &target, &name(opportunity), &Conditions::none()) {
        Err(cause) if cause.code() != Code::NotFound => return Err(cause),
        _ => {}
    }
    overview::forget_deadline(tx, opportunity)
}

fn name(opportunity: &str) -> String {
    format!("{}.ics", opportunity.rsplit('/').next().unwrap_or(opportunity))
}

/// The collection for those who may see an opportunity: its assignee, its team, and everyone when it has neither.
fn home(tx: &mut Tx<'_>, audience: Option<&Audience>) -> Result<Collection> {
    let (owner, team) = audience.map_or(("", ""), |it| (it.owner.as_str(), it.team.as_str()));
    let owner = match (owner.strip_prefix("users/").unwrap_or(owner), team, audience) {
        ("", "", Some(audience)) if audience.company => COMPANY,
        ("", ..) => NOBODY,
        (owner, ..) => owner,
    };
    let slug = format!("{NOBODY}{}", team.strip_prefix("teams/").unwrap_or(team));
    let new = New {
        order: LAST + 3,
        components: vec!["VEVENT".to_owned()],
        transparent: true,
        ..New::named(owner, &slug, Kind::Deadlines, "Deadlines")
    };
    let found = collection::ensure(tx, &new)?;
    if !team.is_empty() && found.shares == 0 {
        kept::open_to_team(tx, &found, team)?;
    }
    Ok(found)
}
