//! Mailings, recipients and counts as the API shows them, and what callers write of mailings.
//! Called by the other files of this folder.

use kontor_kit::mask::Mask;
use kontor_kit::resource::Stored;
use kontor_kit::{Error, Result, clock, id};
use kontor_proto::mail::v1 as proto;
use prost::Message;

use crate::domain::hours::Hours;
use crate::domain::mailing::{Basis, Mailing};
use crate::domain::recipient::{Outgoing, State};

/// Fields of a mailing that callers write.
pub(super) const FIELDS: [&str; 16] = [
    "display_name",
    "template",
    "subject",
    "text",
    "from",
    "reply_to",
    "team",
    "basis",
    "purpose",
    "fields",
    "locale",
    "start_time",
    "end_time",
    "daily_hours",
    "messages_per_minute",
    "keep_open",
];

/// Those of them that change after the start too.
pub(super) const LATER: [&str; 4] = ["end_time", "daily_hours", "messages_per_minute", "keep_open"];

/// The fields that a message has set.
pub(super) fn fields_set(given: &proto::Mailing) -> Vec<&'static str> {
    let set = [
        !given.display_name.is_empty(),
        !given.template.is_empty(),
        !given.subject.is_empty(),
        !given.text.is_empty(),
        !given.from.is_empty(),
        !given.reply_to.is_empty(),
        !given.team.is_empty(),
        given.basis != 0,
        !given.purpose.is_empty(),
        given.fields.is_some(),
        !given.locale.is_empty(),
        given.start_time.is_some(),
        given.end_time.is_some(),
        given.daily_hours.is_some(),
        given.messages_per_minute != 0,
        given.keep_open,
    ];
    FIELDS.into_iter().zip(set).filter_map(|(field, set)| set.then_some(field)).collect()
}

/// Takes over what a caller wrote.
///
/// # Errors
/// INVALID_ARGUMENT naming the field.
pub(super) fn read(given: &proto::Mailing, mask: &Mask, row: &mut Mailing) -> Result<()> {
    let texts: [(&str, &String, &mut String); 8] = [
        ("display_name", &given.display_name, &mut row.display_name),
        ("template", &given.template, &mut row.template),
        ("subject", &given.subject, &mut row.subject),
        ("text", &given.text, &mut row.text),
        ("from", &given.from, &mut row.sender),
        ("reply_to", &given.reply_to, &mut row.reply_to),
        ("purpose", &given.purpose, &mut row.purpose),
        ("locale", &given.locale, &mut row.locale),
    ];
    for (field, new, old) in texts {
        if mask.has(field) {
            *old = if field == "text" { new.clone() } else { new.trim_matches(' ').to_owned() };
        }
    }
    if mask.has("template") {
        let base = row.template.split("/revisions/").next().unwrap_or_default();
        id::parse("templates", base, "mailing.template")?;
        if row.template.contains("/revisions/") {
            id::parse_child("templates", "revisions", &row.template, "mailing.template")?;
        }
    }
    if mask.has("basis") {
        row.basis = match given.basis() {
            proto::MailingBasis::NotWithdrawn => Basis::NotWithdrawn,
            proto::MailingBasis::Consent | proto::MailingBasis::Unspecified => Basis::Consent,
        };
    }
    if row.purpose.is_empty() {
        row.purpose = "mailings".to_owned();
    }
    if mask.has("fields") {
        row.fields = given.fields.clone().unwrap_or_default().encode_to_vec();
        if row.fields.len() > 1_000_000 {
            return Err(Error::invalid("mailing.fields", "they are larger than 1 MB"));
        }
    }
    if mask.has("start_time") {
        row.start_time = given.start_time.as_ref().map(clock::from_proto);
    }
    if mask.has("end_time") {
        row.end_time = given.end_time.as_ref().map(clock::from_proto);
    }
    if mask.has("daily_hours") {
        row.hours = given.daily_hours.as_ref().map(|hours| Hours {
            from: hours.from_minute.into(),
            until: hours.until_minute.into(),
            weekdays_only: hours.weekdays_only,
        });
    }
    if mask.has("messages_per_minute") {
        row.rate = given.messages_per_minute;
    }
    if mask.has("keep_open") {
        row.keep_open = given.keep_open;
    }
    row.check()
}

/// A mailing without its counts, and without what it waits for.
pub(super) fn to_proto(row: &Mailing) -> proto::Mailing {
    let minutes = |minutes: i64| i32::try_from(minutes).unwrap_or(0);
    proto::Mailing {
        name: row.full_name(),
        display_name: row.display_name.clone(),
        template: row.template.clone(),
        subject: row.subject.clone(),
        text: row.text.clone(),
        from: row.sender.clone(),
        reply_to: row.reply_to.clone(),
        team: row.team.clone(),
        owner: row.owner.clone(),
        basis: i32::try_from(row.basis as i64).unwrap_or(0),
        purpose: row.purpose.clone(),
        fields: Message::decode(&row.fields[..]).ok().filter(|_| !row.fields.is_empty()),
        locale: row.locale.clone(),
        start_time: row.start_time.map(clock::to_proto),
        end_time: row.end_time.map(clock::to_proto),
        daily_hours: row.hours.map(|hours| proto::DailyHours {
            from_minute: minutes(hours.from),
            until_minute: minutes(hours.until),
            weekdays_only: hours.weekdays_only,
        }),
        messages_per_minute: row.rate,
        keep_open: row.keep_open,
        state: i32::try_from(row.state as i64).unwrap_or(0),
        pause_reason: row.pause_reason.clone(),
        revision: row.revision.clone(),
        counts: None,
        etag: row.etag(),
        create_time: Some(clock::to_proto(row.create_time)),
        update_time: Some(clock::to_proto(row.update_time)),
        finish_time: row.finish_time.map(clock::to_proto),
        waits: Vec::new(),
    }
}

/// Counts, from those of the states.
pub(super) fn counts(states: &[(State, i64)], unsubscribed: i64) -> proto::MailingCounts {
    let of = |wanted: State| states.iter().find(|(state, _)| *state == wanted).map_or(0, |(_, count)| *count);
    proto::MailingCounts {
        recipients: states.iter().map(|(_, count)| count).sum(),
        waiting: of(State::Pending) + of(State::Sending) + of(State::Deferred),
        deferred: of(State::Deferred),
        sent: of(State::Sent),
        failed: of(State::Failed),
        suppressed: of(State::Suppressed),
        without_consent: of(State::NoConsent),
        without_address: of(State::NoAddress),
        duplicates: of(State::Duplicate),
        not_made: of(State::NotMade),
        removed: of(State::Removed),
        unsubscribed,
    }
}

/// A state as the API has it.
pub(super) fn state(state: State) -> i32 {
    i32::try_from(state as i64).unwrap_or(0)
}

/// A recipient.
pub(super) fn recipient(row: Outgoing) -> proto::Recipient {
    let is_waiting = row.state.is_waiting();
    proto::Recipient {
        name: format!("mailings/{}/recipients/{}", row.mailing, row.id),
        partner: row.partner,
        address: row.address,
        state: state(row.state),
        reason: row.reason,
        reply_code: row.reply_code,
        message_id: row.message_id,
        due_time: is_waiting.then(|| clock::to_proto(row.due)),
        try_count: i32::try_from(row.tries).unwrap_or(i32::MAX),
        update_time: Some(clock::to_proto(row.update_time)),
        unsubscribe_time: row.unsubscribe_time.map(clock::to_proto),
    }
}
