//! 3CX's reports as facts. They have no id of the call, so it is made of the number and of when the call began.
//! Called by rpc/ingest.rs after the token was checked; the names of the fields are those of `deploy/3cx/kontor.xml`.

use kontor_kit::{Error, Result};

use crate::connectors::web::fields::Fields;
use crate::connectors::web::time;
use crate::domain::call::{Direction, Outcome};
use crate::domain::fact::{CallFact, CallKey, FactKind, Micros};
use crate::domain::number::{MAX_RAW_BYTES, NumberRules, Party};
use crate::domain::record::Item;

/// Turns one report into items.
///
/// # Errors
/// INVALID_ARGUMENT naming the field.
pub fn items(fields: &Fields, connector: &str, rules: &NumberRules, now: i64) -> Result<Vec<Item>> {
    let number = fields.get("number");
    if number.is_empty() || number.len() > MAX_RAW_BYTES || number.chars().any(char::is_control) {
        return Err(Error::invalid(
            "number",
            "it is missing or has more than 96 bytes: the call is known by it",
        ));
    }
    let instant = |field: &str| time::instant(field, fields.get(field), now);
    let start =
        instant("start")?.ok_or_else(|| Error::invalid("start", "it is missing: the call is known by it"))?;
    let talked = time::seconds("duration", fields.get("duration"))?.unwrap_or(0) * 1_000_000;
    let (direction, answered, outcome) = kind(fields.get("type"))?;
    let established = instant("established")?.filter(|_| answered);
    let end = instant("end")?;
    let taken = || established.or_else(|| end.map(|end| end.plus(-talked))).unwrap_or(start);
    let taken = if answered { Some(taken().max(start)) } else { None };
    let end = end.unwrap_or_else(|| taken.unwrap_or(start).plus(talked)).max(taken.unwrap_or(start));
    let agent = fields.get("agent");
    if agent.len() > 32 || agent.chars().any(char::is_control) {
        return Err(Error::invalid("agent", "an extension has at most 32 bytes"));
    }
    let outside = match direction {
        Direction::Outbound => rules.dialled(number),
        _ => rules.caller(number),
    };
    let inside = Some(agent).filter(|agent| !agent.is_empty()).map(|agent| Party::Internal(agent.to_owned()));
    let key = CallKey { connector: connector.to_owned(), call: call_id(outside.as_ref(), number, start) };
    let (from, to) = if direction == Direction::Outbound { (inside, outside) } else { (outside, inside) };
    let mut facts =
        vec![(start, FactKind::Offered { direction: Some(direction), from, to }), (start, FactKind::Ringing)];
    facts.extend(taken.map(|taken| (taken, FactKind::Answered)));
    facts.push((end, FactKind::HungUp { outcome }));
    let plain = |text: &str| {
        Some(text.to_owned()).filter(|text| !text.is_empty() && !text.chars().any(char::is_control))
    };
    let (caller_name, extension) = (plain(fields.get("name")), plain(agent));
    let item = |(time, kind)| Item {
        fact: CallFact { key: key.clone(), time, kind },
        caller_name: caller_name.clone(),
        extension: extension.clone(),
    };
    Ok(facts.into_iter().map(item).collect())
}

/// Which way it went, whether anybody took it, and how it ended when nobody did.
fn kind(text: &str) -> Result<(Direction, bool, Option<Outcome>)> {
    match text.to_ascii_lowercase().as_str() {
        "inbound" => Ok((Direction::Inbound, true, None)),
        "outbound" => Ok((Direction::Outbound, true, None)),
        "missed" => Ok((Direction::Inbound, false, Some(Outcome::Missed))),
        "notanswered" => Ok((Direction::Outbound, false, Some(Outcome::NoAnswer))),
        _ => Err(Error::invalid("type", "it is not one of Inbound, Outbound, Missed, Notanswered")),
    }
}

/// The same number is written in many ways, so the call is known by its international form. Two calls of one number do not begin in the same second.
fn call_id(outside: Option<&Party>, number: &str, start: Micros) -> String {
    let number = outside.and_then(Party::e164).unwrap_or(number);
    format!("{number} {}", jiff::Timestamp::from(Micros(start.0 - start.0.rem_euclid(1_000_000))))
}
