//! One event of the event socket, as JSON or plain: only the fields that are looked at are kept.
//! Made from the bodies that [`super::wire`] cut out; read by [`super::translate`].

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::domain::fact::Micros;

/// Events that are asked for; all others stay where they are.
pub const WANTED: &str = "CHANNEL_CREATE CHANNEL_ORIGINATE CHANNEL_PROGRESS CHANNEL_PROGRESS_MEDIA CHANNEL_ANSWER CHANNEL_BRIDGE \
CHANNEL_UNBRIDGE CHANNEL_HANGUP BACKGROUND_JOB HEARTBEAT SHUTDOWN CUSTOM callcenter::info";

/// Fields that are looked at.
const FIELDS: [&str; 36] = [
    "Event-Name",
    "Event-Subclass",
    "Event-Date-Timestamp",
    "Event-Sequence",
    "Core-UUID",
    "FreeSWITCH-Version",
    "Unique-ID",
    "Channel-Name",
    "Channel-Call-UUID",
    "Call-Direction",
    "Other-Type",
    "Other-Leg-Unique-ID",
    "Bridge-A-Unique-ID",
    "Bridge-B-Unique-ID",
    "Caller-Caller-ID-Number",
    "Caller-Callee-ID-Number",
    "Caller-Destination-Number",
    "Caller-Context",
    "Caller-Channel-Answered-Time",
    "Hangup-Cause",
    "variable_hangup_cause_q850",
    "variable_endpoint_disposition",
    "variable_sip_refer_to",
    "variable_originating_leg_uuid",
    "variable_cc_member_session_uuid",
    "Job-UUID",
    "Job-Command",
    "Job-Command-Arg",
    "_body",
    "CC-Action",
    "CC-Queue",
    "CC-Cause",
    "CC-Cancel-Reason",
    "CC-Member-Session-UUID",
    "CC-Agent-UUID",
    "Answer-State",
];
/// Longest value that is kept, in bytes; a longer one counts as absent.
const MAX_VALUE_BYTES: usize = 4 * 1024;

/// One event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event<'a> {
    fields: Vec<(&'static str, Cow<'a, str>)>,
}

impl<'a> Event<'a> {
    /// Reads the body of a `text/event-json` frame.
    ///
    /// # Errors
    /// Words, when it is not one JSON object.
    pub fn json(body: &'a [u8]) -> Result<Self, String> {
        let mut reader = serde_json::Deserializer::from_slice(body);
        let fields =
            reader.deserialize_map(Fields).map_err(|error| format!("an event is no JSON: {error}"))?;
        reader.end().map_err(|error| format!("there is something behind an event: {error}"))?;
        Ok(Event { fields })
    }

    /// Reads the body of a `text/event-plain` frame: lines of `Key: value`, values as in URLs, then perhaps a body of its own.
    pub fn plain(body: &'a [u8]) -> Self {
        let end = body.windows(2).position(|pair| pair == b"\n\n").unwrap_or(body.len());
        let mut fields = Vec::new();
        for line in body[..end].split(|byte| *byte == b'\n') {
            let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
            let key = std::str::from_utf8(&line[..colon]).unwrap_or_default();
            keep(&mut fields, key, Cow::Owned(decode(line[colon + 1..].trim_ascii(), false)));
        }
        let own = body.get(end + 2..).unwrap_or_default();
        if !own.is_empty() {
            keep(&mut fields, "_body", String::from_utf8_lossy(own));
        }
        Event { fields }
    }

    /// The value of a field; none when it is absent or empty.
    pub fn get(&self, key: &str) -> Option<&str> {
        let found = self.fields.iter().find(|(name, _)| *name == key);
        found.map(|(_, value)| &**value).filter(|value| !value.is_empty())
    }

    /// Its name.
    pub fn name(&self) -> &str {
        self.get("Event-Name").unwrap_or_default()
    }

    /// When it happened, by the clock of the FreeSWITCH.
    pub fn time(&self) -> Option<Micros> {
        self.get("Event-Date-Timestamp")?.parse().ok().filter(|time| *time > 0).map(Micros)
    }
}

fn keep<'a>(fields: &mut Vec<(&'static str, Cow<'a, str>)>, key: &str, value: Cow<'a, str>) {
    let Some(name) = FIELDS.iter().find(|name| **name == key) else { return };
    if value.len() <= MAX_VALUE_BYTES && !fields.iter().any(|(known, _)| known == name) {
        fields.push((name, value));
    }
}

/// Text as in URLs: `%20` is a blank; `+` is one too in forms.
pub(super) fn decode(bytes: &[u8], form: bool) -> String {
    let mut text = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let hex = |place: usize| bytes.get(place).and_then(|digit| char::from(*digit).to_digit(16));
        match (byte, hex(at + 1), hex(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                text.push(u8::try_from(high * 16 + low).unwrap_or(b'?'));
                at += 3;
                continue;
            }
            (b'+', ..) if form => text.push(b' '),
            _ => text.push(*byte),
        }
        at += 1;
    }
    String::from_utf8_lossy(&text).into_owned()
}

struct Fields;

impl<'de> Visitor<'de> for Fields {
    type Value = Vec<(&'static str, Cow<'de, str>)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an event: one object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut fields = Vec::new();
        while let Some(Text(key)) = map.next_key::<Text<'de>>()? {
            if FIELDS.contains(&&*key) {
                if let Value(Some(value)) = map.next_value::<Value<'de>>()? {
                    keep(&mut fields, &key, value);
                }
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(fields)
    }
}

/// A text that is borrowed where it can be.
struct Text<'de>(Cow<'de, str>);

impl<'de> serde::Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = Text<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Read)
    }
}

/// A value; one that is no text counts as absent.
struct Value<'de>(Option<Cow<'de, str>>);

impl<'de> serde::Deserialize<'de> for Value<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue)
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = Value<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Value<'de>, E> {
        Ok(Value(Some(Cow::Borrowed(text))))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value<'de>, E> {
        Ok(Value(Some(Cow::Owned(text.to_owned()))))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Value<'de>, E> {
        Ok(Value(None))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Value<'de>, E> {
        Ok(Value(None))
    }

    fn visit_u64<E>(self, _: u64) -> Result<Value<'de>, E> {
        Ok(Value(None))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Value<'de>, E> {
        Ok(Value(None))
    }

    fn visit_unit<E>(self) -> Result<Value<'de>, E> {
        Ok(Value(None))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value<'de>, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Value(None))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value<'de>, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Value(None))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_and_plain_give_the_same_fields() {
        let json = Event::json(br#"{"Event-Name": "CHANNEL_CREATE", "Caller-Caller-ID-Number": "+33 1", "variable_x": ["a"], "Unique-ID": "\u0061b", "Core-UUID": 7, "Event-Date-Timestamp": "1795427910594394"}"#);
        let json = json.expect("an event");
        let plain = Event::plain(b"Event-Name: CHANNEL_CREATE\nCaller-Caller-ID-Number: %2B33%201\nUnique-ID: ab\nEvent-Date-Timestamp: 1795427910594394\n\n");
        for key in ["Event-Name", "Caller-Caller-ID-Number", "Unique-ID", "Core-UUID", "Nothing"] {
            assert_eq!(json.get(key), plain.get(key), "{key}");
        }
        assert_eq!((json.name(), json.get("Unique-ID")), ("CHANNEL_CREATE", Some("ab")));
        assert_eq!(json.time(), Some(Micros(1_795_427_910_594_394)));
    }

    #[test]
    fn garbage_is_told_in_words_and_depth_is_bounded() {
        for text in ["", "[]", "7", "{", "{} {}", "{\"Event-Name\": }"] {
            assert!(Event::json(text.as_bytes()).is_err(), "{text}");
        }
        for key in ["x", "Unique-ID"] {
            let deep = format!("{{\"{key}\": {}1{}}}", "[".repeat(100_000), "]".repeat(100_000));
            assert!(Event::json(deep.as_bytes()).map_or(true, |event| event.get(key).is_none()), "{key}");
        }
        let long = format!("{{\"Unique-ID\": \"{}\"}}", "x".repeat(MAX_VALUE_BYTES + 1));
        assert_eq!(Event::json(long.as_bytes()).expect("an event").get("Unique-ID"), None);
    }

    #[test]
    fn body_of_a_plain_event_is_found() {
        let event =
            Event::plain(b"Event-Name: BACKGROUND_JOB\nJob-UUID: 7\nContent-Length: 15\n\n-ERR USER_BUSY\n");
        assert_eq!(event.get("_body"), Some("-ERR USER_BUSY\n"));
        assert_eq!(decode(b"a%2", false), "a%2");
        assert_eq!((decode(b"a+b%zz", true), decode(b"a+b", false)), ("a b%zz".into(), "a+b".into()));
    }
}
