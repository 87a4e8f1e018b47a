//! The small request headers: Depth and Prefer.
//! Called by PROPFIND, PROPPATCH, MKCOL, PUT, POST and the reports.

use http::{HeaderMap, HeaderValue};

use super::error::Failure;

/// How deep a request goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// The resource alone.
    Zero,
    /// With its members.
    One,
    /// All the way down.
    Infinity,
}

/// Reads Depth; `None` when it is absent.
///
/// # Errors
/// 400 for any other value.
pub fn depth(headers: &HeaderMap) -> Result<Option<Depth>, Failure> {
    let Some(value) = headers.get("depth") else { return Ok(None) };
    match value.to_str().map(str::trim) {
        Ok("0") => Ok(Some(Depth::Zero)),
        Ok("1") => Ok(Some(Depth::One)),
        Ok(text) if text.eq_ignore_ascii_case("infinity") => Ok(Some(Depth::Infinity)),
        // RFC 3744 and RFC 6578 know no other value either, but `1,noroot` was once sent by Microsoft's clients.
        Ok(text) if text.eq_ignore_ascii_case("1,noroot") => Ok(Some(Depth::One)),
        _ => Err(Failure::bad_request("Depth is neither 0, 1 nor infinity")),
    }
}

/// What the client prefers (RFC 7240, RFC 8144).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Preferences {
    /// `return=minimal`, or the older `Brief: t`: leave out what is not there.
    pub minimal: bool,
    /// `depth-noroot`: members only.
    pub no_root: bool,
    /// `return=representation`: send what stands there now.
    pub representation: bool,
}

/// Reads Prefer and Brief. What is unknown is passed over, as RFC 7240 wants.
pub fn preferences(headers: &HeaderMap) -> Preferences {
    let mut preferences = Preferences::default();
    for line in headers.get_all("prefer") {
        let Ok(line) = line.to_str() else { continue };
        for preference in line.split([',', ';']) {
            let compact: String = preference.chars().filter(|c| !c.is_whitespace() && *c != '"').collect();
            match compact.to_ascii_lowercase().as_str() {
                "return=minimal" | "return-minimal" => preferences.minimal = true,
                "return=representation" => preferences.representation = true,
                "depth-noroot" => preferences.no_root = true,
                _ => {}
            }
        }
    }
    if headers.get("brief").is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"t")) {
        preferences.minimal = true;
    }
    // The two exclude each other (RFC 7240 section 4.2).
    preferences.representation &= !preferences.minimal;
    preferences
}

impl Preferences {
    /// Says in the answer which preferences were honoured, and that other ones would have changed it (RFC 7240 section 2).
    pub fn acknowledge(self, headers: &mut HeaderMap) {
        headers.insert(http::header::VARY, HeaderValue::from_static("Prefer, Brief"));
        let applied = match (self.minimal, self.no_root) {
            (true, true) => "return=minimal, depth-noroot",
            (true, false) => "return=minimal",
            (false, true) => "depth-noroot",
            (false, false) => return,
        };
        headers.insert("preference-applied", HeaderValue::from_static(applied));
    }
}
