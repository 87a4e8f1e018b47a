//! Actions: what we ask of an Asterisk, and how it is written on the wire.
//! Made by [`super::session`] and by whoever holds its handle; rendered by [`super::link`].

use std::fmt;

pub use crate::domain::dial::Originate;

/// One action without its id. Values cannot smuggle in a second header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Action {
    name: &'static str,
    id: Option<String>,
    headers: Vec<(&'static str, String)>,
}

impl Action {
    /// An action of that name, with no headers.
    pub fn new(name: &'static str) -> Self {
        Action { name, id: None, headers: Vec::new() }
    }

    /// Adds a header.
    #[must_use]
    pub fn with(mut self, key: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((key, value.into()));
        self
    }

    /// Sets the id by which its answer is known; without one the session chooses it.
    #[must_use]
    pub fn with_id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// The id that was set.
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// The bytes on the wire, under this id.
    ///
    /// # Errors
    /// [`BadValue`] when a value has a line break or another control character in it.
    pub fn render(&self, id: &str) -> Result<Vec<u8>, BadValue> {
        let mut text = format!("Action: {}\r\n", self.name);
        let headers = self.headers.iter().map(|(key, value)| (*key, value.as_str()));
        for (key, value) in headers.chain([("ActionID", id)]) {
            if value.chars().any(char::is_control) || value.len() > 1_000 {
                return Err(BadValue { key });
            }
            text.push_str(&format!("{key}: {value}\r\n"));
        }
        text.push_str("\r\n");
        Ok(text.into_bytes())
    }
}

/// A value that cannot be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadValue {
    /// The header that it is the value of.
    pub key: &'static str,
}

impl fmt::Display for BadValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the value of {} has a control character or more than 1000 bytes", self.key)
    }
}

impl std::error::Error for BadValue {}

/// The action for a click to call. ChannelId becomes the id of the call.
pub(super) fn originate(order: &Originate) -> Action {
    let action = Action::new("Originate")
        .with_id(&order.id)
        .with("Channel", &order.channel)
        .with("Context", &order.context)
        .with("Exten", &order.exten)
        .with("Priority", "1")
        .with("Timeout", order.ring.as_millis().to_string())
        .with("ChannelId", &order.id)
        .with("Async", "true");
    match &order.caller_id {
        Some(caller_id) => action.with("CallerID", caller_id),
        None => action,
    }
}

/// The action that sends a channel on. Asterisk finds it by its name and by its Uniqueid.
pub(super) fn redirect(channel: &str, context: &str, exten: &str) -> Action {
    let action = Action::new("Redirect").with("Channel", channel).with("Context", context);
    action.with("Exten", exten).with("Priority", "1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn action_ends_with_a_blank_line_and_has_its_id() {
        let bytes =
            Action::new("Ping").render("kontor-1").map(|it| String::from_utf8_lossy(&it).into_owned());
        assert_eq!(bytes, Ok("Action: Ping\r\nActionID: kontor-1\r\n\r\n".into()));
    }

    #[test]
    fn value_with_a_line_break_is_refused() {
        let action = Action::new("Originate").with("Exten", "100\r\nAction: Command");
        assert_eq!(action.render("1"), Err(BadValue { key: "Exten" }));
        assert!(Action::new("Ping").render("1\n").is_err());
    }
}
