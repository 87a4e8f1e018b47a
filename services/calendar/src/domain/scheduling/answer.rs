//! Answers of guests: what a guest's change says, the REPLY that carries it, and what it does to the organizer's object.
//! Called by schedule/ for changes of users, and for replies from outside.

use kontor_kit::{Error, Result};
use kontor_vobject::Patch;
use kontor_vobject::content::ContentLine;
use kontor_vobject::ical::Item;
use kontor_vobject::value::DateValue;
use kontor_vobject::write::PRODUCT;
use kontor_vobject::zone::Zone;

use super::compare::instants;
use super::{Addresses, NEEDS_ACTION, Read, agent, forces, guests, in_utc, is_marked, set_params};
use crate::domain::{change, time};

/// Instances in one reply at most.
const INSTANCES: usize = 1_000;
/// Delegates of one guest at most.
const DELEGATES: usize = 20;

/// What a guest says of the whole meeting or of one instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Seconds UTC of the instance's RECURRENCE-ID; none for all of it.
    pub instance: Option<i64>,
    /// The same as it is written, in UTC when it is an instant.
    pub recurrence_id: Option<DateValue>,
    /// PARTSTAT in capitals.
    pub partstat: String,
    /// SEQUENCE of what the guest answers.
    pub sequence: u32,
    /// Written text of the guest (COMMENT); may be empty.
    pub comment: String,
    /// Addresses and ATTENDEE lines of those to whom the guest hands the part over. The lines have no answer: each gives it for itself.
    pub delegates: Vec<(String, ContentLine)>,
    /// DELEGATED-TO, as written.
    pub delegated_to: Vec<String>,
}

/// What a guest's change says to the organizer. All of it when there was nothing before, or the client asks for it (SCHEDULE-FORCE-SEND).
pub fn answers(before: Option<&Read<'_>>, after: &Read<'_>, own: &Addresses) -> Vec<Answer> {
    let old = before.map(Read::by_instance).unwrap_or_default();
    let forced = after.object.items.iter().any(|item| {
        after.component(item).properties_named("ORGANIZER").any(|organizer| forces(&organizer, "REPLY"))
    });
    let mut zones = after.zones();
    let mut found = Vec::new();
    for (instance, item) in after.by_instance().into_iter().take(INSTANCES) {
        let Some(answer) = of_item(after, item, instance, own, &mut zones) else { continue };
        let same = old.iter().find(|(other, _)| *other == instance);
        let known = same.or_else(|| old.iter().find(|(other, _)| other.is_none()));
        let said = known.and_then(|(_, item)| own_partstat(item, own));
        let said = said.unwrap_or_else(|| NEEDS_ACTION.to_owned());
        if forced || said != answer.partstat {
            found.push(answer);
        }
    }
    if let Some(before) = before {
        found.extend(declined(before, after));
    }
    found.truncate(INSTANCES);
    found
}

/// Instances that the guest took out: by an exception, or by leaving out the component of a single one.
fn declined(before: &Read<'_>, after: &Read<'_>) -> Vec<Answer> {
    let (mut old_zones, mut new_zones) = (before.zones(), after.zones());
    let sequence = after.object.first().sequence;
    let decline = |instance: i64, at: DateValue| Answer {
        instance: Some(instance),
        recurrence_id: Some(at),
        partstat: "DECLINED".to_owned(),
        sequence,
        comment: String::new(),
        delegates: Vec::new(),
        delegated_to: Vec::new(),
    };
    let Some(new) = after.object.master() else {
        let (old, kept) = (before.by_instance(), after.by_instance());
        let gone = old.into_iter().filter(|(instance, _)| !kept.iter().any(|(other, _)| other == instance));
        return gone
            .filter_map(|(instance, item)| {
                let at = in_utc(&item.recurrence_id.as_ref()?.at, &mut old_zones);
                Some(decline(instance?, at))
            })
            .collect();
    };
    let Some(old) = before.object.master() else { return Vec::new() };
    let known = instants(&old.except_dates, &mut old_zones);
    let is_day = new.start.as_ref().is_some_and(DateValue::is_date);
    let added = instants(&new.except_dates, &mut new_zones).into_iter().filter(|date| !known.contains(date));
    added
        .filter_map(std::result::Result::ok)
        .map(|instance| {
            let at = kontor_vobject::recur::day::date_time(instance);
            decline(instance, if is_day { DateValue::Date(at.date()) } else { DateValue::Utc(at) })
        })
        .collect()
}

/// What the REPLY of a guest outside says.
///
/// # Errors
/// INVALID_ARGUMENT naming `icalendar`, when a component does not have this guest, or PARTSTAT is no word.
pub fn of_message(message: &Read<'_>, own: &Addresses) -> Result<Vec<Answer>> {
    let bad = |why: &str| Error::invalid("icalendar", why);
    let mut zones = message.zones();
    let mut all = Vec::new();
    for (instance, item) in message.by_instance() {
        let answer = of_item(message, item, instance, own, &mut zones);
        let mut answer = answer.ok_or_else(|| bad("every component must have the guest who answers"))?;
        let is_word = |word: &str| {
            word.len() <= 60 && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        };
        if !is_word(&answer.partstat) {
            return Err(bad("PARTSTAT is no word"));
        }
        answer.comment = super::counter::clipped(&answer.comment);
        all.push(answer);
    }
    Ok(all)
}

/// That a guest declines all of a meeting, for the object is deleted. Nothing when that was said before, or it is cancelled.
pub fn refusal(before: &Read<'_>, own: &Addresses) -> Vec<Answer> {
    let mut zones = before.zones();
    let items = before.by_instance();
    let all = items.into_iter().filter(|(_, item)| item.status.as_deref() != Some("CANCELLED"));
    let mut found: Vec<Answer> =
        all.filter_map(|(instance, item)| of_item(before, item, instance, own, &mut zones)).collect();
    found.retain(|answer| answer.partstat != "DECLINED");
    for answer in &mut found {
        "DECLINED".clone_into(&mut answer.partstat);
        answer.delegates.clear();
        answer.delegated_to.clear();
    }
    found.truncate(INSTANCES);
    found
}

fn own_partstat(item: &Item, own: &Addresses) -> Option<String> {
    let guest = item.attendees.iter().find(|guest| own.has(&guest.address))?;
    Some(guest.partstat.clone().unwrap_or_else(|| NEEDS_ACTION.to_owned()))
}

fn of_item(
    read: &Read<'_>,
    item: &Item,
    instance: Option<i64>,
    own: &Addresses,
    zones: &mut kontor_vobject::zone::Zones<'_>,
) -> Option<Answer> {
    let component = read.component(item);
    let people = guests(&component, item);
    let (_, line) = people.iter().find(|(address, _)| own.has(address))?;
    let is_delegate = |property: &kontor_vobject::tree::Property<'_>| {
        property.param_values("DELEGATED-FROM").any(|from| own.has(&bare(&from)))
    };
    let delegates = people.iter().filter(|(address, property)| !own.has(address) && is_delegate(property));
    Some(Answer {
        instance,
        recurrence_id: item.recurrence_id.as_ref().map(|id| in_utc(&id.at, zones)),
        partstat: own_partstat(item, own)?,
        sequence: item.sequence,
        comment: component.text("COMMENT").map(std::borrow::Cow::into_owned).unwrap_or_default(),
        delegates: delegates
            .take(DELEGATES)
            .map(|(address, property)| (address.clone(), unanswered(property)))
            .collect(),
        delegated_to: line.param_values("DELEGATED-TO").take(DELEGATES).map(|to| to.into_owned()).collect(),
    })
}

/// A line as it is, to be written elsewhere.
fn rewritten(property: &kontor_vobject::tree::Property<'_>) -> ContentLine {
    without(property, &[])
}

/// The line of a delegate: what the delegator says of the answer, and of who may speak for the delegate, is not believed.
fn unanswered(property: &kontor_vobject::tree::Property<'_>) -> ContentLine {
    without(property, &["PARTSTAT", "SENT-BY"]).param("PARTSTAT", NEEDS_ACTION)
}

fn without(property: &kontor_vobject::tree::Property<'_>, dropped: &[&str]) -> ContentLine {
    let is_dropped =
        |name: &str| super::PRIVATE.iter().chain(dropped).any(|other| name.eq_ignore_ascii_case(other));
    let params = property.params().filter(|(name, _)| !is_dropped(name));
    params.fold(ContentLine::new(property.name(), property.value()), |line, (name, value)| {
        line.param(name, value)
    })
}

/// An address in a parameter as `Person::address` has it.
pub fn bare(uri: &str) -> String {
    let uri = uri.trim();
    match uri.get(..7) {
        Some(scheme) if scheme.eq_ignore_ascii_case("mailto:") => uri[7..].trim().to_lowercase(),
        _ if uri.contains('@') && !uri.contains(':') => uri.to_lowercase(),
        _ => uri.to_owned(),
    }
}

/// The REPLY that carries the answers: METHOD, and for each a component with organizer and guest (RFC 5546 section 3.2.3).
pub fn message(read: &Read<'_>, own: &Addresses, answers: &[Answer], now: i64) -> Vec<u8> {
    let mut text = String::new();
    let mut push = |line: ContentLine| text.push_str(&line.write("\r\n"));
    push(ContentLine::new("BEGIN", "VCALENDAR"));
    push(ContentLine::new("VERSION", "2.0"));
    push(ContentLine::new("PRODID", PRODUCT));
    push(ContentLine::new("METHOD", "REPLY"));
    let first = read.object.first();
    let component = read.component(first);
    let people = guests(&component, first);
    let kind = read.object.kind.name();
    for answer in answers {
        push(ContentLine::new("BEGIN", kind));
        push(ContentLine::text("UID", &read.object.uid));
        push(ContentLine::date("DTSTAMP", &DateValue::Utc(time::stamp(now))));
        push(ContentLine::new("SEQUENCE", answer.sequence.to_string()));
        if let Some(at) = &answer.recurrence_id {
            push(ContentLine::date("RECURRENCE-ID", at));
        }
        if let Some(summary) = &first.summary {
            push(ContentLine::text("SUMMARY", summary));
        }
        if !answer.comment.is_empty() {
            push(ContentLine::text("COMMENT", &answer.comment));
        }
        if let Some(organizer) = component.property("ORGANIZER") {
            push(rewritten(&organizer));
        }
        if let Some((address, _)) = people.iter().find(|(address, _)| own.has(address)) {
            let guest = kontor_vobject::ical::Person { address: address.clone(), ..Default::default() };
            push(attendee(&guest.address, answer));
        }
        answer.delegates.iter().for_each(|(_, line)| push(line.clone()));
        push(ContentLine::new("REQUEST-STATUS", "2.0;Success"));
        push(ContentLine::new("END", kind));
    }
    push(ContentLine::new("END", "VCALENDAR"));
    text.into_bytes()
}

fn attendee(address: &str, answer: &Answer) -> ContentLine {
    let scheme = if address.contains(':') || address.starts_with('/') { "" } else { "mailto:" };
    let line = ContentLine::new("ATTENDEE", format!("{scheme}{address}"));
    line.param("PARTSTAT", answer.partstat.as_str()).param_list("DELEGATED-TO", answer.delegated_to.clone())
}

/// Addresses of those who handed their part over to these (DELEGATED-FROM).
pub fn delegators(read: &Read<'_>, own: &Addresses) -> Vec<String> {
    let mut all = Vec::new();
    for item in &read.object.items {
        let people = guests(&read.component(item), item);
        for (_, line) in people.iter().filter(|(address, _)| own.has(address)) {
            all.extend(line.param_values("DELEGATED-FROM").take(DELEGATES).map(|from| bare(&from)));
        }
    }
    all.sort();
    all.dedup();
    all
}

/// What a reply did to the organizer's object.
pub struct Applied {
    /// The text; the same bytes when nothing changed.
    pub bytes: Vec<u8>,
    /// The answers that counted. One to an older SEQUENCE does not, nor one of somebody who is not invited.
    pub taken: Vec<Answer>,
}

/// Applies answers to the organizer's object (RFC 6638 section 4.2). An instance that has no component of its own gets one.
///
/// # Errors
/// INTERNAL for a text that can't be read.
pub fn apply(bytes: &[u8], own: &Addresses, answers: &[Answer], now: i64) -> Result<Applied> {
    let with_instances = add_instances(bytes, own, answers, now)?;
    let read = Read::of(&with_instances)?;
    let items = read.by_instance();
    let mut patch = Patch::new(&read.document);
    let mut taken = Vec::new();
    for answer in answers {
        let Some((_, item)) = items.iter().find(|(instance, _)| *instance == answer.instance) else {
            continue;
        };
        if answer.sequence < item.sequence {
            continue;
        }
        let component = read.component(item);
        let people = guests(&component, item);
        let Some((_, line)) = people.iter().find(|(address, _)| own.has(address)) else { continue };
        if agent(line) != super::Agent::Server {
            continue;
        }
        let organizer = item.organizer.as_ref().map_or("", |organizer| organizer.address.as_str());
        take(&mut patch, &component, &people, (line, organizer), answer);
        taken.push(answer.clone());
    }
    let bytes = if taken.is_empty() { bytes.to_vec() } else { patch.apply() };
    Ok(Applied { bytes, taken })
}

fn take<'d>(
    patch: &mut Patch<'_>,
    component: &kontor_vobject::tree::Component<'d>,
    people: &[(String, kontor_vobject::tree::Property<'d>)],
    (line, organizer): (&kontor_vobject::tree::Property<'d>, &str),
    answer: &Answer,
) {
    let mut new = ContentLine::new(line.name(), line.value())
        .param("PARTSTAT", answer.partstat.as_str())
        .param("SCHEDULE-STATUS", "2.0");
    new = new.param_list("DELEGATED-TO", answer.delegated_to.clone());
    patch.replace_without(line, new, &["DELEGATED-TO"]);
    let own_value = line.value().trim().to_owned();
    for (place, (address, delegate)) in answer.delegates.iter().enumerate() {
        let is_known = answer.delegates[..place].iter().any(|(other, _)| other == address);
        // The organizer takes no part over: a line would make a guest of the organizer.
        if is_known || Addresses::only(organizer).has(address) {
            continue;
        }
        match people.iter().find(|(known, _)| known == address) {
            // Who is invited already only learns from whom there is another part.
            Some((_, known)) => {
                let line = ContentLine::new(known.name(), known.value());
                patch.replace(known, line.param_list("DELEGATED-FROM", vec![own_value.clone()]));
            }
            None => patch.add(component, delegate.clone()),
        }
    }
}

/// The text with a component for each instance that is answered apart.
fn add_instances(bytes: &[u8], own: &Addresses, answers: &[Answer], now: i64) -> Result<Vec<u8>> {
    let read = Read::of(bytes)?;
    let items = read.by_instance();
    let is_guest = |item: &Item| item.attendees.iter().any(|guest| own.has(&guest.address));
    let Some(master) = read.object.master().filter(|master| is_guest(master)) else {
        return Ok(bytes.to_vec());
    };
    let mut patch = Patch::new(&read.document);
    for answer in answers.iter().filter(|answer| answer.sequence >= master.sequence) {
        let Some(original) = answer.instance else { continue };
        if items.iter().any(|(instance, _)| *instance == Some(original)) {
            continue;
        }
        if let Some(text) = change::instance_text(&read.document, &read.object, &Zone::UTC, original, now)? {
            patch.insert_component(&read.document.root(), &text);
        }
    }
    Ok(patch.apply())
}

/// Writes what became of a message to the organizer into a guest's object.
///
/// # Errors
/// INTERNAL for a text that can't be read.
pub fn mark_organizer(bytes: &[u8], status: &str) -> Result<Vec<u8>> {
    let read = Read::of(bytes)?;
    let mut patch = Patch::new(&read.document);
    for item in &read.object.items {
        for organizer in read.component(item).properties_named("ORGANIZER") {
            if !is_marked(&organizer, status) {
                set_params(&mut patch, &organizer, &[("SCHEDULE-STATUS", status)], &["SCHEDULE-FORCE-SEND"]);
            }
        }
    }
    Ok(patch.apply())
}

/// Whether the organizer's line asks for an answer by a method that is none (RFC 6638 section 7.2).
pub fn is_wrongly_forced(read: &Read<'_>) -> bool {
    let mut lines = read.object.items.iter().filter_map(|item| read.component(item).property("ORGANIZER"));
    lines.any(|organizer| super::forces_nothing(&organizer))
}

/// Whether the client or nobody answers for the guest of this object: SCHEDULE-AGENT of its organizer.
pub fn is_left_to_client(read: &Read<'_>) -> bool {
    let mut lines = read.object.items.iter().filter_map(|item| read.component(item).property("ORGANIZER"));
    lines.any(|organizer| agent(&organizer) != super::Agent::Server)
}
