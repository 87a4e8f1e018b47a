//! One event of ARI: its JSON, with caps, and the door that drops most events before they are read.
//! Called by [`super::line`] and [`super::replay`]; read by [`super::translate`].

use std::borrow::Cow;
use std::collections::HashMap;

use serde::Deserialize;

use crate::domain::fact::Micros;

/// Largest event, in bytes. Asterisk's largest hold some channels of 1 KB.
pub const MAX_BYTES: usize = 256 * 1024;
/// Brackets in brackets; Asterisk's events have five.
pub const MAX_DEPTH: usize = 32;
/// The kinds that are wanted; Asterisk is asked for these alone, where it can (16 and later).
pub const WANTED: [&str; 11] = [
    "ApplicationReplaced",
    "BridgeAttendedTransfer",
    "BridgeBlindTransfer",
    "ChannelCreated",
    "ChannelDestroyed",
    "ChannelDialplan",
    "ChannelEnteredBridge",
    "ChannelHangupRequest",
    "ChannelLeftBridge",
    "ChannelStateChange",
    "Dial",
];
/// The variable that ari.conf shows with each channel, so that a leg tells its call.
const LINKED: &str = "CHANNEL(linkedid)";

/// An event. What is not wanted of it is not read.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Event {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) timestamp: String,
    pub(super) channel: Option<Channel>,
    pub(super) caller: Option<Channel>,
    pub(super) peer: Option<Channel>,
    pub(super) transferer_first_leg: Option<Channel>,
    pub(super) transferer_second_leg: Option<Channel>,
    pub(super) transfer_target: Option<Channel>,
    pub(super) bridge: Option<Bridge>,
    pub(super) dialstatus: String,
    pub(super) dialstring: String,
    pub(super) dialplan_app: String,
    pub(super) dialplan_app_data: String,
    pub(super) exten: String,
    pub(super) result: String,
    pub(super) cause: Option<i64>,
}

/// A channel, in events and lists.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Channel {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) state: String,
    pub(super) caller: Number,
    pub(super) connected: Number,
    pub(super) dialplan: Place,
    pub(super) creationtime: String,
    channelvars: HashMap<String, String>,
}

impl Channel {
    /// The call that the leg is in, where ari.conf shows it.
    pub(super) fn linked(&self) -> Option<&str> {
        self.channelvars.get(LINKED).map(String::as_str).filter(|id| !id.is_empty())
    }
}

/// A number of a channel.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Number {
    pub(super) number: String,
}

/// Where a channel is in the dial plan.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Place {
    pub(super) context: String,
    pub(super) exten: String,
    pub(super) app_name: String,
    pub(super) app_data: String,
}

/// A bridge, in events and lists.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Bridge {
    pub(super) id: String,
    pub(super) bridge_type: String,
    pub(super) channels: Vec<String>,
}

#[derive(Deserialize)]
struct Head<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
}

impl Event {
    /// Reads an event; none for one that is not wanted.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn read(text: &str) -> Result<Option<Event>, String> {
        check(text.as_bytes(), MAX_BYTES)?;
        let head: Head<'_> = serde_json::from_str(text).map_err(|cause| cause.to_string())?;
        if !WANTED.contains(&&*head.kind) {
            return Ok(None);
        }
        serde_json::from_str(text).map(Some).map_err(|cause| cause.to_string())
    }

    /// When it happened, by the clock of the Asterisk.
    pub fn time(&self) -> Option<Micros> {
        read_time(&self.timestamp)
    }
}

/// Checks size and depth, before anything is built of it.
pub(super) fn check(json: &[u8], bytes: usize) -> Result<(), String> {
    if json.len() > bytes {
        return Err(format!("it has {} bytes, at most {bytes} are taken", json.len()));
    }
    let (mut depth, mut text, mut escaped) = (0_usize, false, false);
    for byte in json {
        match (byte, text) {
            _ if escaped => escaped = false,
            (b'\\', true) => escaped = true,
            (b'"', _) => text = !text,
            (b'{' | b'[', false) => depth += 1,
            (b'}' | b']', false) => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MAX_DEPTH {
            return Err(format!("it has more than {MAX_DEPTH} brackets in brackets"));
        }
    }
    Ok(())
}

/// Reads an instant such as `2026-11-30T05:42:44.483+0000`.
pub(super) fn read_time(text: &str) -> Option<Micros> {
    let time = jiff::fmt::strtime::parse("%Y-%m-%dT%H:%M:%S%.f%z", text).ok()?;
    time.to_timestamp().ok().map(Micros::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_milliseconds_and_a_zone() {
        assert_eq!(read_time("2026-11-30T05:42:44.483+0000"), Some(Micros(1_796_017_364_483_000)));
        assert_eq!(read_time("2026-11-30T06:42:44.483+0100"), Some(Micros(1_796_017_364_483_000)));
        assert_eq!(read_time("2026-11-30"), None);
        assert_eq!(read_time(""), None);
    }

    #[test]
    fn size_and_depth_are_bounded_and_noise_is_not_read() {
        let deep = format!(r#"{{"type":"Dial","x":{}1{}}}"#, "[".repeat(40), "]".repeat(40));
        assert!(Event::read(&deep).unwrap_err().contains("32 brackets"));
        let brackets = format!(r#"{{"type":"Dial","x":"{}\"["}}"#, "[".repeat(40));
        assert!(Event::read(&brackets).unwrap().is_some(), "brackets in a text are none");
        assert!(Event::read(&" ".repeat(MAX_BYTES + 1)).is_err());
        assert!(Event::read(r#"{"type":"ChannelVarset","channel":1}"#).unwrap().is_none());
        assert!(Event::read(r#"{"type":"Dial","peer":1}"#).is_err());
        assert!(Event::read("").is_err() && Event::read("{}").is_err() && Event::read("[]").is_err());
    }
}
