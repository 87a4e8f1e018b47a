//! The plain signed JSON webhook: its signature and its body.
//! Called by rpc/ingest.rs; pure, so that the clock and the secret are passed in.

use hmac::{Hmac, Mac};
use kontor_kit::{Error, Result};
use serde_json::{Map, Value};
use sha2::Sha256;

use super::call::{Direction, Outcome};
use super::told::{Kind, Told};

/// Largest body, in bytes.
pub const BODY_BYTES: usize = 256 * 1024;
/// Events in one body at most.
pub const MAX_EVENTS: usize = 1_000;
/// How far the timestamp may be from our clock, in seconds.
pub const SKEW_SECONDS: i64 = 300;

/// Checks `x-kontor-timestamp` and `x-kontor-signature` of a body at `now` (microseconds since 1970 UTC).
///
/// # Errors
/// UNAUTHENTICATED saying which header is missing or wrong; it never tells the right signature.
pub fn verify(
    secret: &str,
    timestamp: Option<&str>,
    signature: Option<&str>,
    body: &[u8],
    now: i64,
) -> Result<()> {
    let missing = |name: &str| Error::refused("UNSIGNED", format!("the header {name} is missing"));
    let timestamp = timestamp.map(str::trim).ok_or_else(|| missing("x-kontor-timestamp"))?;
    let signature = signature.map(str::trim).ok_or_else(|| missing("x-kontor-signature"))?;
    let sent: i64 = timestamp.parse().map_err(|_| {
        Error::refused("WRONG_TIME", "x-kontor-timestamp: it is not a number of Unix seconds")
    })?;
    let hex = signature
        .strip_prefix("v1=")
        .ok_or_else(|| Error::refused("WRONG_SIGNATURE", "x-kontor-signature: it does not begin with v1="))?;
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).map_err(Error::internal)?;
    mac.update(timestamp.as_bytes());
    mac.update(b".");
    mac.update(body);
    // the comparison takes the same time wherever the first wrong byte is
    let good = read_hex(hex).is_some_and(|bytes| mac.verify_slice(&bytes).is_ok());
    if !good {
        return Err(Error::refused(
            "WRONG_SIGNATURE",
            "x-kontor-signature: it does not fit the body: check the secret, and sign the bytes as they are sent",
        ));
    }
    // after the signature, so that nobody learns our clock without the secret
    let apart = (now / 1_000_000).saturating_sub(sent);
    if !(-SKEW_SECONDS..=SKEW_SECONDS).contains(&apart) {
        let (seconds, way) = (apart.unsigned_abs(), if apart < 0 { "ahead" } else { "old" });
        let message = format!(
            "x-kontor-timestamp: it is {seconds} s {way}, at most {SKEW_SECONDS} are taken: check the clock"
        );
        return Err(Error::refused("WRONG_TIME", message));
    }
    Ok(())
}

fn read_hex(text: &str) -> Option<Vec<u8>> {
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    let digits = text.as_bytes().chunks(2);
    digits.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}

/// Reads a body: one event or `{"events": [...]}`. Answers each event with its place for errors ("events[3].").
///
/// # Errors
/// INVALID_ARGUMENT naming the field.
pub fn read(body: &[u8]) -> Result<Vec<(String, Told)>> {
    if body.len() > BODY_BYTES {
        return Err(Error::invalid(
            "body",
            format!("it has {} bytes, at most {BODY_BYTES} are taken", body.len()),
        ));
    }
    // the reader stops at 128 brackets in brackets
    let value: Value = serde_json::from_slice(body).map_err(|cause| Error::invalid("body", cause))?;
    let Value::Object(mut fields) = value else {
        return Err(Error::invalid("body", "it is not a JSON object"));
    };
    match fields.remove("events") {
        None => Ok(vec![(String::new(), event(&fields, "")?)]),
        Some(Value::Array(events)) if events.len() <= MAX_EVENTS => {
            check_names(&fields, "", &["events"])?;
            events.iter().enumerate().map(|(number, value)| listed(number, value)).collect()
        }
        Some(Value::Array(events)) => Err(Error::invalid(
            "events",
            format!("it has {} events, at most {MAX_EVENTS} are taken", events.len()),
        )),
        Some(_) => Err(Error::invalid("events", "it is not a list")),
    }
}

fn listed(number: usize, value: &Value) -> Result<(String, Told)> {
    let place = format!("events[{number}].");
    match value {
        Value::Object(fields) => event(fields, &place).map(|told| (place, told)),
        _ => Err(Error::invalid(format!("events[{number}]"), "it is not a JSON object")),
    }
}

/// The fields of an event.
const FIELDS: [&str; 11] = [
    "call_id",
    "kind",
    "event_time",
    "direction",
    "from",
    "to",
    "from_name",
    "outcome",
    "extension",
    "transfer_to",
    "queue",
];

/// A misspelt field would be a call without its number, and nobody would know why. What a sender has to say for itself begins with x- or x_.
fn check_names(fields: &Map<String, Value>, place: &str, known: &[&str]) -> Result<()> {
    let unknown = |name: &&String| {
        !known.contains(&name.as_str()) && !name.starts_with("x-") && !name.starts_with("x_")
    };
    let Some(name) = fields.keys().find(unknown) else { return Ok(()) };
    let name = cut(name);
    // nothing would be near to a word that is in other letters or another style
    let plain = name.to_lowercase().replace(['-', '_', ' '], "");
    let apart = |known: &str| strsim::damerau_levenshtein(&plain, &known.replace('_', ""));
    let nearest = known.iter().min_by_key(|known| apart(known)).copied().unwrap_or_default();
    let message = format!(
        "there is no such field; the nearest is {nearest} (fields of your own begin with \"x_\" and are left alone)"
    );
    Err(Error::invalid(format!("{place}{name}"), message))
}

fn event(fields: &Map<String, Value>, place: &str) -> Result<Told> {
    check_names(fields, place, &FIELDS)?;
    let reader = Reader { fields, place };
    Ok(Told {
        call_id: reader.text("call_id")?,
        kind: reader.choice("kind", &KINDS)?,
        time: reader.time("event_time")?,
        direction: reader.choice("direction", &DIRECTIONS)?,
        from: reader.text("from")?,
        to: reader.text("to")?,
        from_name: reader.text("from_name")?,
        outcome: reader.choice("outcome", &OUTCOMES)?,
        extension: reader.text("extension")?,
        transfer_to: reader.text("transfer_to")?,
        queue: reader.text("queue")?,
    })
}

type Choice<T> = (&'static str, &'static str, T);

const KINDS: [Choice<Kind>; 4] = [
    ("RINGING", "CALL_EVENT_KIND_RINGING", Kind::Ringing),
    ("ANSWERED", "CALL_EVENT_KIND_ANSWERED", Kind::Answered),
    ("HUNGUP", "CALL_EVENT_KIND_HUNGUP", Kind::HungUp),
    ("TRANSFERRED", "CALL_EVENT_KIND_TRANSFERRED", Kind::Transferred),
];
const DIRECTIONS: [Choice<Direction>; 3] = [
    ("INBOUND", "CALL_DIRECTION_INBOUND", Direction::Inbound),
    ("OUTBOUND", "CALL_DIRECTION_OUTBOUND", Direction::Outbound),
    ("INTERNAL", "CALL_DIRECTION_INTERNAL", Direction::Internal),
];
const OUTCOMES: [Choice<Outcome>; 6] = [
    ("ANSWERED", "CALL_OUTCOME_ANSWERED", Outcome::Answered),
    ("MISSED", "CALL_OUTCOME_MISSED", Outcome::Missed),
    ("NO_ANSWER", "CALL_OUTCOME_NO_ANSWER", Outcome::NoAnswer),
    ("BUSY", "CALL_OUTCOME_BUSY", Outcome::Busy),
    ("ABANDONED", "CALL_OUTCOME_ABANDONED", Outcome::Abandoned),
    ("FAILED", "CALL_OUTCOME_FAILED", Outcome::Failed),
];

struct Reader<'a> {
    fields: &'a Map<String, Value>,
    place: &'a str,
}

impl Reader<'_> {
    fn wrong(&self, field: &str, message: impl std::fmt::Display) -> Error {
        Error::invalid(format!("{}{field}", self.place), message)
    }

    /// A text; empty when it is left out or null. A number is taken too: many systems send extensions and ids as such.
    fn text(&self, field: &str) -> Result<String> {
        match self.fields.get(field) {
            None | Some(Value::Null) => Ok(String::new()),
            Some(Value::String(text)) => Ok(text.clone()),
            Some(Value::Number(number)) => Ok(number.to_string()),
            Some(_) => Err(self.wrong(field, "it is not a text")),
        }
    }

    fn choice<T: Copy>(&self, field: &str, choices: &[Choice<T>]) -> Result<Option<T>> {
        let text = self.text(field)?;
        if text.is_empty() {
            return Ok(None);
        }
        let found = choices.iter().find(|(short, long, _)| text == *short || text == *long);
        let names = || choices.iter().map(|(short, ..)| *short).collect::<Vec<_>>().join(", ");
        match found {
            Some((.., value)) => Ok(Some(*value)),
            None => Err(self.wrong(field, format!("{:?} is not one of {}", cut(&text), names()))),
        }
    }

    fn time(&self, field: &str) -> Result<Option<i64>> {
        let text = self.text(field)?;
        if text.is_empty() {
            return Ok(None);
        }
        let time = text.parse::<jiff::Timestamp>().map_err(|_| {
            self.wrong(field, format!("{:?} is not an instant like 2026-11-23T09:00:00Z", cut(&text)))
        })?;
        Ok(Some(time.as_microsecond()))
    }
}

/// The beginning of a text, for an error.
fn cut(text: &str) -> String {
    text.chars().take(60).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "0123456789abcdef";
    const NOW: i64 = 1_795_420_000_000_000;

    fn sign(timestamp: &str, body: &[u8]) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).expect("any key length");
        mac.update(timestamp.as_bytes());
        mac.update(b".");
        mac.update(body);
        let bytes = mac.finalize().into_bytes();
        format!("v1={}", bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
    }

    #[test]
    fn signature_fits_the_timestamp_and_the_body_only() {
        let (time, body) = ("1795420000", b"{}".as_slice());
        let signature = sign(time, body);
        assert!(verify(SECRET, Some(time), Some(&signature), body, NOW).is_ok());
        assert!(verify(SECRET, Some("1795420001"), Some(&signature), body, NOW).is_err());
        assert!(verify(SECRET, Some(time), Some(&signature), b"{ }", NOW).is_err());
        assert!(verify("another secret 123", Some(time), Some(&signature), body, NOW).is_err());
        assert!(verify(SECRET, Some(time), None, body, NOW).is_err());
        assert!(verify(SECRET, Some(time), Some("v1=é"), body, NOW).is_err());
    }

    #[test]
    fn signature_of_more_than_five_minutes_ago_is_refused() {
        let signature = sign("1795420000", b"{}");
        let at = |seconds: i64| {
            verify(SECRET, Some("1795420000"), Some(&signature), b"{}", NOW + seconds * 1_000_000)
        };
        assert!(at(300).is_ok() && at(-300).is_ok());
        assert!(at(301).is_err_and(|cause| cause.message().contains("301 s old")));
        assert!(at(-301).is_err());
    }

    #[test]
    fn errors_name_the_field_and_its_place() {
        let error = |body: &str| read(body.as_bytes()).expect_err("it is wrong").message().to_owned();
        assert!(
            error(r#"{"events": [{"kind": "RINGING"}, {"kind": "RANG"}]}"#)
                .starts_with("events[1].kind: \"RANG\"")
        );
        assert!(error(r#"{"event_time": "yesterday"}"#).starts_with("event_time: \"yesterday\""));
        assert!(error(r#"{"from": {}}"#).starts_with("from: it is not a text"));
        assert!(error("[]").starts_with("body: "));
        assert!(error(&"[".repeat(100_000)).starts_with("body: "));
        assert!(
            error(&format!("{{\"events\": [{}{{}}]}}", "{},".repeat(1_000)))
                .starts_with("events: it has 1001")
        );
    }
}
