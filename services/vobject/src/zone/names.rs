//! From the many spellings of a TZID to a zone of the IANA database.
//! Called by `Zone::named` and by `Zones` before it looks at the object's own VTIMEZONE.

use super::windows;
use super::{Zone, fits};

/// The zone that a name is known by; offsets such as `UTC+01:00` are not among them.
pub(super) fn known(tzid: &str) -> Option<Zone> {
    const MAX_BYTES: usize = 256;
    let name = tzid.trim().trim_matches('"').trim();
    if name.is_empty() || name.len() > MAX_BYTES {
        return None;
    }
    if let Some(zone) = Zone::iana(name) {
        return Some(zone);
    }
    let utc = ["Z", "tzone://Microsoft/Utc", "Coordinated Universal Time"];
    if utc.iter().any(|utc| utc.eq_ignore_ascii_case(name)) {
        return Some(Zone::UTC);
    }
    if let Some(iana) = windows::iana_of_name(name).or_else(|| windows::iana_of_display(name)) {
        return Zone::iana(iana);
    }
    suffix(name)
}

/// `/freeassociation.sourceforge.net/Tzfile/Europe/Berlin`, `/mozilla.org/20050126_1/America/Indiana/Knox`: the
/// longest end of two or three places that names a zone. One place alone would find `UTC` in anything.
fn suffix(name: &str) -> Option<Zone> {
    let places: Vec<&str> = name.split('/').map(str::trim).collect();
    for count in [3, 2] {
        if places.len() > count {
            let end = places[places.len() - count..].join("/");
            if let Some(zone) = Zone::iana(&end) {
                return Some(zone);
            }
        }
    }
    let last = places.last().filter(|last| places.len() > 1 && last.eq_ignore_ascii_case("UTC"));
    last.map(|_| Zone::UTC)
}

/// `UTC+01:00`, `GMT-0330`, `(UTC+01:00) anything`, `+05:30`, `UTC+2`: always that offset.
pub(super) fn offset(tzid: &str) -> Option<Zone> {
    let name = tzid.trim().trim_start_matches('(');
    let upper = name.get(..3).map(str::to_ascii_uppercase);
    let rest = match upper.as_deref() {
        Some("UTC" | "GMT") => &name[3..],
        _ => name,
    };
    let (sign, digits) = match rest.trim_start().as_bytes() {
        [b'+', rest @ ..] => (1, rest),
        [b'-', rest @ ..] => (-1, rest),
        _ => return None,
    };
    let (hours, rest) = two_digits(digits)?;
    let rest = rest.strip_prefix(b":").or(rest.strip_prefix(b".")).unwrap_or(rest);
    let (minutes, rest) = two_digits(rest).unwrap_or((0, rest));
    let ended = rest.first().is_none_or(|byte| matches!(byte, b')' | b' '));
    let seconds = sign * (hours * 3600 + minutes * 60);
    (ended && hours <= 15 && minutes < 60 && fits(seconds)).then_some(Zone::Fixed(seconds))
}

/// One or two digits at the start, and what follows.
fn two_digits(text: &[u8]) -> Option<(i32, &[u8])> {
    let count = text.iter().take(2).take_while(|byte| byte.is_ascii_digit()).count();
    if count == 0 {
        return None;
    }
    let value = text[..count].iter().fold(0, |sum, byte| sum * 10 + i32::from(byte - b'0'));
    Some((value, &text[count..]))
}
