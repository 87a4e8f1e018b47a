//! One AMI message: its headers, and the door that drops most messages before they are looked at.
//! Called by [`super::link`]; read by [`super::translate`].

use std::borrow::Cow;

use crate::domain::fact::Micros;

/// Whether a message is worth reading. 100 calls make 9,870 events; about 1,500 of them matter.
pub fn is_wanted(message: &[u8]) -> bool {
    let first = message.split(|byte| *byte == b'\n').next().unwrap_or_default().trim_ascii_end();
    let Some(name) = first.strip_prefix(b"Event:") else {
        return first.starts_with(b"Response:");
    };
    match name.trim_ascii_start() {
        // CEL is told for every step of a channel; only its last word on a call is news
        b"CEL" => contains(message, b"LINKEDID_END"),
        b"DialState" => contains(message, b"RINGING"),
        b"Newchannel"
        | b"Newstate"
        | b"DialBegin"
        | b"DialEnd"
        | b"BridgeEnter"
        | b"BridgeLeave"
        | b"Hangup"
        | b"QueueCallerJoin"
        | b"QueueCallerAbandon"
        | b"QueueCallerLeave"
        | b"AgentConnect"
        | b"BlindTransfer"
        | b"AttendedTransfer"
        | b"OriginateResponse"
        | b"FullyBooted"
        | b"Shutdown"
        | b"CoreShowChannel"
        | b"CoreShowChannelsComplete"
        | b"QueueEntry"
        | b"QueueStatusComplete" => true,
        _ => false,
    }
}

fn contains(message: &[u8], word: &[u8]) -> bool {
    message.windows(word.len()).any(|window| window == word)
}

/// One message. Keys are compared without case, as Asterisk itself writes them both ways.
#[derive(Debug, Clone)]
pub struct Message<'a> {
    headers: Vec<(&'a [u8], Cow<'a, str>)>,
}

impl<'a> Message<'a> {
    /// Reads a message that [`super::wire::Decoder`] cut out. Bytes that are not UTF-8 become U+FFFD.
    pub fn read(message: &'a [u8]) -> Self {
        let lines = message.split(|byte| *byte == b'\n');
        let headers = lines.filter_map(|line| {
            let colon = line.iter().position(|byte| *byte == b':')?;
            Some((&line[..colon], String::from_utf8_lossy(line[colon + 1..].trim_ascii())))
        });
        Message { headers: headers.collect() }
    }

    /// A message of these headers, for what another interface of Asterisk told.
    pub fn of(headers: Vec<(&'static str, Cow<'a, str>)>) -> Self {
        Message { headers: headers.into_iter().map(|(key, value)| (key.as_bytes(), value)).collect() }
    }

    /// The value of the first header of that name; none when it is absent, empty, `<unknown>`, or `<null>` as older releases of Asterisk say it.
    pub fn get(&self, key: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case(key.as_bytes()));
        found.map(|(_, value)| &**value).filter(|value| !matches!(*value, "" | "<unknown>" | "<null>"))
    }

    /// The name of the event; none for a response.
    pub fn event(&self) -> Option<&str> {
        self.get("Event")
    }

    /// The time of the event by the clock of the Asterisk; needs `timestampevents=yes` there.
    pub fn time(&self) -> Option<Micros> {
        read_time(self.get("Timestamp")?)
    }

    /// When a channel in a list began, where the list says it to the microsecond (that of ARI does).
    pub fn began(&self) -> Option<Micros> {
        read_time(self.get("Began")?)
    }
}

/// Reads seconds since 1970 with up to six digits of fraction.
fn read_time(text: &str) -> Option<Micros> {
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if seconds.is_empty() || seconds.len() > 12 || !digits(seconds) || !digits(fraction) {
        return None;
    }
    let micros = fraction.bytes().chain(std::iter::repeat(b'0')).take(6);
    let micros = micros.fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0'));
    Some(Micros(seconds.parse::<i64>().ok()? * 1_000_000 + micros))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_found_in_any_case_and_unknown_is_nothing() {
        let message =
            Message::read(b"Event: Cdr\r\nUniqueID: 1.2\r\nCallerIDNum: <unknown>\r\nOldUniqueid: <null>\r\nName: caf\xe9\r\n");
        assert_eq!(message.get("Uniqueid"), Some("1.2"));
        assert_eq!(message.get("CallerIDNum"), None);
        assert_eq!(message.get("OldUniqueid"), None);
        assert_eq!(message.get("Name"), Some("caf\u{fffd}"));
    }

    #[test]
    fn times_have_microseconds() {
        assert_eq!(read_time("1795427910.594394"), Some(Micros(1_795_427_910_594_394)));
        assert_eq!(read_time("1795427910.5"), Some(Micros(1_795_427_910_500_000)));
        assert_eq!(read_time("1795427910"), Some(Micros(1_795_427_910_000_000)));
        for text in ["", ".5", "-1", "1e9", "9999999999999", "1.-5"] {
            assert_eq!(read_time(text), None, "{text}");
        }
    }

    #[test]
    fn the_door_drops_noise() {
        assert!(!is_wanted(b"Event: VarSet\r\nValue: Newchannel\r\n"));
        assert!(!is_wanted(b"Event: CEL\r\nEventName: CHAN_END\r\n"));
        assert!(is_wanted(b"Event: CEL\r\nEventName: LINKEDID_END\r\n"));
        assert!(is_wanted(b"Event: Hangup\r\n") && is_wanted(b"Response: Success\r\n"));
        assert!(!is_wanted(b"") && !is_wanted(b"Foo: bar\n"));
    }
}
