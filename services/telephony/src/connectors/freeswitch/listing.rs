//! The answer to `show channels as json`: which channels there are now.
//! Read by [`super::line`] after a connection and now and then; turned into facts by [`super::translate`].

use serde::Deserialize;

/// Most channels that are looked at.
pub const MAX_ROWS: usize = 20_000;

/// One channel.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Row {
    /// The leg.
    #[serde(deserialize_with = "text")]
    pub uuid: String,
    /// "inbound" when the far end called us.
    #[serde(deserialize_with = "text")]
    pub direction: String,
    /// When it began, in seconds since 1970.
    #[serde(deserialize_with = "text")]
    pub created_epoch: String,
    /// The channel's name.
    #[serde(deserialize_with = "text")]
    pub name: String,
    /// Who calls.
    #[serde(deserialize_with = "text")]
    pub cid_num: String,
    /// Who is called.
    #[serde(deserialize_with = "text")]
    pub dest: String,
    /// Dial plan context.
    #[serde(deserialize_with = "text")]
    pub context: String,
    /// "RINGING", "EARLY", "ACTIVE", "HELD".
    #[serde(deserialize_with = "text")]
    pub callstate: String,
    /// The leg that began the call; empty when it is this one.
    #[serde(deserialize_with = "text")]
    pub call_uuid: String,
}

impl Row {
    /// The call that it is in.
    pub(super) fn call(&self) -> &str {
        if self.call_uuid.is_empty() { &self.uuid } else { &self.call_uuid }
    }

    /// Whether it is open for speech.
    pub(super) fn speaks(&self) -> bool {
        matches!(self.callstate.as_str(), "ACTIVE" | "HELD" | "UNHELD")
    }
}

/// A text; a number becomes one, and what is none of both counts as empty.
fn text<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Ok(match serde_json::Value::deserialize(deserializer)? {
        serde_json::Value::String(text) => text,
        serde_json::Value::Number(number) => number.to_string(),
        _ => String::new(),
    })
}

#[derive(Deserialize)]
struct Listing {
    #[serde(default)]
    rows: Vec<Row>,
    #[serde(default)]
    row_count: Option<i64>,
}

/// Reads the listing.
///
/// # Errors
/// Words, when it is none: it must not count as "there are no channels".
pub fn read(body: &[u8]) -> Result<Vec<Row>, String> {
    let listing: Listing =
        serde_json::from_slice(body).map_err(|error| format!("the list of channels is no JSON: {error}"))?;
    if listing.row_count.is_none() {
        return Err("the list of channels has no row_count".to_owned());
    }
    if listing.rows.len() > MAX_ROWS {
        return Err(format!("there are more than {MAX_ROWS} channels"));
    }
    Ok(listing.rows.into_iter().filter(|row| !row.uuid.is_empty()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn none_and_some_and_garbage() {
        assert_eq!(read(br#"{"row_count":0}"#), Ok(Vec::new()));
        let body = br#"{"row_count":1,"rows":[{"uuid":"a","direction":"inbound","created_epoch":"1795427910","name":"sofia/external/1","state":"CS_EXECUTE","callstate":"ACTIVE","call_uuid":""}]}"#;
        let rows = read(body).expect("rows");
        assert_eq!((rows.len(), rows[0].uuid.as_str(), rows[0].callstate.as_str()), (1, "a", "ACTIVE"));
        for text in ["", "-ERR no reply\n", "[]", "{}", r#"{"rows":[]}"#, r#"{"row_count":1,"rows":[7]}"#] {
            assert!(read(text.as_bytes()).is_err(), "{text}");
        }
    }
}
