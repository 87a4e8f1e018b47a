//! What the fuzz targets run, with the properties that must hold for any bytes: scheduling (iTIP), changes of series, working hours.
//! Called by the targets beside this folder and by the ordinary test over the corpus.

use std::collections::{BTreeMap, HashMap};

use kontor_calendar::domain::event::Event;
use kontor_calendar::domain::scheduling::answer::Answer;
use kontor_calendar::domain::scheduling::compare::{Difference, difference};
use kontor_calendar::domain::scheduling::respond::{Response, respond};
use kontor_calendar::domain::scheduling::{Addresses, Read, Role};
use kontor_calendar::domain::scheduling::{
    allowed, answer, cancel, copy, counter, itip, message as sent_message, organizer, role,
};
use kontor_calendar::domain::split::Parts;
use kontor_calendar::domain::{availability, change, split};
use kontor_kit::mask::Mask;
use kontor_vobject::expand::Series;
use kontor_vobject::recur::Budget;
use kontor_vobject::zone::Zone;
use kontor_vobject::{Document, Limits};

/// 2026-11-23T08:00:00Z in microseconds.
const NOW: i64 = 1_795_420_800_000_000;
/// Bytes of one text: more is only slow.
const BYTES: usize = 64 * 1024;

/// Two texts, behind each other with a zero between: a meeting before and after a change, or an organizer's object and a guest's.
/// What one user writes is what another one's object is made of, so that everything that comes out must be a calendar object again.
pub fn meeting(bytes: &[u8]) {
    let mut texts = bytes.splitn(2, |byte| *byte == 0);
    let first = texts.next().unwrap_or_default();
    let second = texts.next().unwrap_or(first);
    let (Some(before), Some(after)) = (stored(first), stored(second)) else { return };
    if [&before, &after].into_iter().any(organizer::has_too_many_guests) {
        return;
    }
    let host = Addresses::of("sales", "sales@example.com");
    let guest = Addresses::of("neighbour", "neighbour@example.com");
    let _ = (role(&before.object, &host), difference(first, second).expect("both are objects"));
    assert_eq!(difference(first, first).expect("it is an object"), Difference::None);
    organize(&before, &after, &host);
    attend(first, (&before, &after), &host, &guest);
    for own in [&host, &guest] {
        let response = Response {
            partstat: "ACCEPTED".into(),
            comment: "Yes; of course".into(),
            instance: None,
            delegate: String::new(),
        };
        if let Ok(answered) = respond(second, "events/1", own, &response, NOW) {
            let answered = must_be_stored(&answered);
            assert_ne!(answered.object.items.len(), 0);
        }
    }
}

/// A message from outside, a zero, and the object that it is about: read, and worked into it as guests and organizers may. What comes out must be
/// a calendar object again, and a message a message.
pub fn message(bytes: &[u8]) {
    let mut texts = bytes.splitn(2, |byte| *byte == 0);
    let (first, second) = (texts.next().unwrap_or_default(), texts.next().unwrap_or_default());
    let Ok(message) = itip::message(first) else { return };
    let object = itip::object_of(&message);
    let own = Addresses::only("outside@example.org");
    let Some(present) = stored(second) else { return };
    if organizer::has_too_many_guests(&present) {
        return;
    }
    for sender in ["outside@example.org", "office@example.org", "sales@example.com"] {
        let _ = itip::is_organizer(&present, sender);
        let Some(guest) = itip::guest_of(&message, Some(&present), sender) else { continue };
        if let Ok(proposal) = counter::of_message(&message, &guest) {
            propose(&proposal, second, &Addresses::only(&guest));
        }
    }
    for item in &message.object.items {
        if let Ok(stamp) = itip::stamp_of(&message, item, NOW) {
            assert!(stamp <= NOW / 1_000_000);
        }
    }
    if let Ok(answers) = answer::of_message(&message, &own) {
        let answers: Vec<Answer> = answers.into_iter().take(20).collect();
        let applied = answer::apply(second, &own, &answers, NOW).expect("it is an object");
        let read = must_be_stored(&applied.bytes);
        let _ = answer::delegators(&read, &own);
    }
    // What can't be stored is refused before it comes near a copy.
    let Some(news) = stored(&object) else { return };
    assert!(news.document.root().property("METHOD").is_none());
    let guest = Addresses::of("neighbour", "neighbour@example.com");
    let kept = itip::keep_answers(&news, &present, &guest);
    let merged = copy::merge(&kept, second, &guest).expect("both are objects");
    let merged = must_be_stored(&merged);
    if news.object.master().is_none() && news.object.uid == present.object.uid {
        let _ = Read::of(&itip::with_components(&present, &merged));
    }
    let instances: Vec<Option<i64>> = news.instances().into_iter().map(|(instance, _)| instance).collect();
    if let Ok(cancelled) = itip::cancel(second, &instances[..instances.len().min(20)], 7, NOW) {
        must_be_stored(&cancelled);
    }
}

/// A proposal is a message that says the same when it is read again, and what comes of it is a meeting.
fn propose(proposal: &counter::Proposal, organized: &[u8], own: &Addresses) {
    let text = proposal.text("COUNTER", &proposal.comment, NOW).expect("it can be written");
    let again = itip::message(&text).expect("a message");
    let again = counter::of_message(&again, &proposal.attendee).expect("a proposal");
    assert_eq!((again.span(), again.instance), (proposal.span(), proposal.instance));
    must_be_stored(&proposal.text("", "", NOW).expect("it can be written"));
    let present = must_be_stored(organized);
    let _ = counter::standing(&present, proposal, own);
    let zone = Zone::iana("Europe/Brussels").expect("Brussels is a zone");
    if let Ok(moved) = counter::accepted(organized, "events/1", proposal, &zone, NOW) {
        must_be_stored(&moved);
    }
}

/// What the organizer's change brings to the guests.
fn organize(before: &Read<'_>, after: &Read<'_>, host: &Addresses) {
    let _ = organizer::new_answers(before, after, host);
    let logins = [("neighbour@example.com", "neighbour"), ("/dav/principals/users/neighbour/", "neighbour")];
    let users: HashMap<String, String> =
        logins.into_iter().map(|(address, login)| (address.to_owned(), login.to_owned())).collect();
    let settled = organizer::settle(Some(before), after, host, &users);
    let settled = must_be_stored(&settled);
    assert_eq!(settled.object.items.len(), after.object.items.len());
    let guests = organizer::all_guests(&settled, host);
    let statuses: BTreeMap<String, &'static str> =
        guests.keys().map(|address| (address.clone(), "1.2")).collect();
    let marked = organizer::mark(settled.document.bytes(), &statuses).expect("it is an object");
    must_be_stored(&marked);
    for address in guests.keys().take(5) {
        let seen = sent_message::seen_by(&settled, address);
        let Some(view) = sent_message::view(&settled, &seen, NOW) else { continue };
        let shown = must_be_stored(&view);
        assert!(
            !shown
                .document
                .root()
                .components()
                .any(|component| component.property("X-KONTOR-PARTNER").is_some())
        );
        assert_eq!(difference(&view, &view).expect("it is an object"), Difference::None);
        let cancelled = cancel::cancelled(&view, NOW).expect("it is an object");
        assert!(cancel::is_cancelled(&must_be_stored(&cancelled)));
        let sent = sent_message::with_method(&view, "REQUEST").expect("it is an object");
        let sent = Document::parse(&sent, &Limits::default()).expect("a message can be read");
        assert_eq!(sent.root().text("METHOD").as_deref(), Some("REQUEST"));
        let kept = copy::merge(&view, before.document.bytes(), host).expect("both are objects");
        must_be_stored(&kept);
    }
}

/// What a guest's change brings to the organizer.
fn attend(organized: &[u8], (before, after): (&Read<'_>, &Read<'_>), host: &Addresses, guest: &Addresses) {
    let _ = allowed::check(before, after, guest);
    let with_others = copy::with_others(before, after, guest);
    let after = must_be_stored(&with_others);
    let mut all: Vec<Answer> = answer::answers(Some(before), &after, guest);
    all.extend(answer::answers(None, &after, guest));
    all.extend(answer::refusal(before, guest));
    all.truncate(20);
    let reply = answer::message(&after, guest, &all, NOW);
    let reply = Document::parse(&reply, &Limits::default()).expect("a reply can be read");
    assert_eq!(reply.root().components().count(), all.len());
    let applied = answer::apply(organized, guest, &all, NOW).expect("it is an object");
    let read = must_be_stored(&applied.bytes);
    if applied.taken.is_empty() {
        assert_eq!(applied.bytes, organized);
    }
    if role(&before.object, host) == Role::Organizer {
        assert_eq!(role(&read.object, host), Role::Organizer);
    }
    let marked = answer::mark_organizer(&with_others, "1.2").expect("it is an object");
    must_be_stored(&marked);
}

/// A series that is changed over the API: the whole, one instance, this one and those behind it.
pub fn series(bytes: &[u8]) {
    let Some(before) = stored(bytes) else { return };
    let event = Event { summary: "A, new; title".into(), location: "Zürich".into(), ..Event::default() };
    let mask = Mask::read(None, &[], &["summary", "location"]).expect("both can be changed");
    for zone in [Zone::UTC, Zone::iana("Europe/Brussels").expect("Brussels is a zone")] {
        if let Ok(changed) = change::update(bytes, &event, &mask, &[], &zone, NOW) {
            let changed = must_be_stored(&changed);
            let master = changed.object.master().expect("it had one");
            assert_eq!(master.summary.as_deref(), Some("A, new; title"));
            assert_eq!(changed.object.items.len(), before.object.items.len());
        }
        let Ok(series) = Series::of(&before.document, zone.clone()) else { continue };
        let (from, to) = (1_760_000_000, 1_860_000_000);
        let at = |second| jiff_instant(second);
        let Ok(found) = series.occurrences(at(from), at(to), &mut Budget::new(20_000)) else { continue };
        for original in found.iter().take(40).step_by(7).filter_map(|occurrence| occurrence.recurrence_id) {
            let micros = original.as_microsecond();
            if let Ok(changed) =
                change::update_occurrence(bytes, "events/1", micros, &event, &mask, &zone, NOW)
            {
                must_be_stored(&changed);
            }
            if let Ok(Parts::Two { before, after }) =
                split::split(bytes, "events/1", micros, "new-uid", &zone, NOW)
            {
                must_be_stored(&before);
                assert_eq!(must_be_stored(&after).object.uid, "new-uid");
            }
        }
    }
}

fn jiff_instant(second: i64) -> jiff::Timestamp {
    jiff::Timestamp::from_second(second).expect("a time that can be")
}

/// Working hours and absences that a program wrote: what the API shows of them, written again, is the same.
pub fn week(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if availability::check_text(text, "availability.icalendar").is_err() {
        return;
    }
    let week = availability::read(text, "Europe/Brussels").expect("it was checked");
    if week.custom || week.check().is_err() {
        return;
    }
    let again = availability::write(&week, NOW);
    availability::check_text(&again, "availability.icalendar").expect("what is written can be read");
    assert_eq!(availability::read(&again, "Europe/Brussels").expect("it was checked"), week);
}

/// An object as it is stored: what a PUT would take.
fn stored(bytes: &[u8]) -> Option<Read<'_>> {
    if bytes.len() > BYTES {
        return None;
    }
    Read::of(bytes).ok()
}

fn must_be_stored(bytes: &[u8]) -> Read<'_> {
    Read::of(bytes).unwrap_or_else(|cause| panic!("{cause} in {}", String::from_utf8_lossy(bytes)))
}
