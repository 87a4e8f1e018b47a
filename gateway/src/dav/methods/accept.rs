//! The Accept header of a GET of a card: which version the client would rather have (RFC 6352 section 5.1.1, RFC 9110 section 12.5.1).
//! Called by GET; REPORT asks it for the version of a client that names none.

use http::HeaderMap;
use http::header::{ACCEPT, USER_AGENT};
use kontor_vobject::card::{Version, version_of};

/// Most media ranges that are looked at.
const RANGES: usize = 32;

/// The version for a client that names none: as it was written, save for Apple's programs, which refuse 4.0 and with one such card
/// give up the whole book, again and again.
pub fn usual_version(headers: &HeaderMap) -> Option<Version> {
    let agent = headers.get(USER_AGENT)?.to_str().ok()?;
    let apples = ["iOS/", "iPadOS/", "macOS/", "Mac OS X/", "Mac_OS_X/", "visionOS/", "AddressBook"];
    apples.into_iter().any(|begin| agent.starts_with(begin)).then_some(Version::V3)
}

/// The version to convert to; none when the card may come as it was written.
pub fn card_version(headers: &HeaderMap, data: &[u8]) -> Option<Version> {
    // Nearly no request has one that matters, so look before anything is read.
    let lines = || headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    if !lines().any(|line| line.contains("version")) {
        return usual_version(headers);
    }
    let ranges: Vec<Range> =
        lines().flat_map(|line| line.split(',')).take(RANGES).filter_map(range).collect();
    let three = quality(&ranges, Version::V3);
    let four = quality(&ranges, Version::V4);
    let (best, other) = if three >= four { (Version::V3, four) } else { (Version::V4, three) };
    let written = version_of(data);
    // As it was written, unless the client likes the other version more.
    let is_fine =
        written == Some(best) || (three == four && written.is_some_and(|written| written != Version::V2));
    (!is_fine && quality(&ranges, best) > 0 && quality(&ranges, best) >= other).then_some(best)
}

/// A media range that takes cards.
struct Range {
    version: Option<Version>,
    /// `text/vcard` says more than `text/*`, and that more than `*/*`.
    exact: u8,
    /// Thousandths.
    quality: u16,
}

fn range(text: &str) -> Option<Range> {
    let mut parts = text.split(';').map(str::trim);
    let exact = match parts.next()?.to_ascii_lowercase().as_str() {
        "text/vcard" => 2,
        "text/*" => 1,
        "*/*" => 0,
        _ => return None,
    };
    let mut range = Range { version: None, exact, quality: 1_000 };
    for part in parts {
        let Some((name, value)) = part.split_once('=') else { continue };
        let value = value.trim().trim_matches('"');
        match name.trim().to_ascii_lowercase().as_str() {
            "q" => {
                let quality: f32 = value.parse().ok().filter(|quality| (0.0..=1.0).contains(quality))?;
                range.quality = (quality * 1_000.0) as u16;
            }
            "version" => match value {
                "3.0" => range.version = Some(Version::V3),
                "4.0" => range.version = Some(Version::V4),
                // A version that is not given here.
                _ => return None,
            },
            _ => {}
        }
    }
    Some(range)
}

/// How much a version is liked: the most exact range that takes it says so.
fn quality(ranges: &[Range], version: Version) -> u16 {
    let fitting = ranges.iter().filter(|range| range.version.is_none_or(|wanted| wanted == version));
    fitting
        .max_by_key(|range| (range.exact, range.version.is_some(), range.quality))
        .map_or(0, |range| range.quality)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn apples_programs_get_three_unless_they_say_otherwise() {
        for (agent, version) in [
            ("iOS/17.0 (21A329) dataaccessd/1.0", Some(Version::V3)),
            ("macOS/15.5 (24F74) AddressBookCore/2695", Some(Version::V3)),
            ("Mac OS X/10.11 (15A284) AddressBook/9.0", Some(Version::V3)),
            ("DAVx5/4.5 (Android; not iOS/17)", None),
            ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15) Thunderbird/140.0", None),
        ] {
            let headers: HeaderMap = [(USER_AGENT, agent.parse().unwrap())].into_iter().collect();
            assert_eq!(usual_version(&headers), version, "{agent}");
        }
    }

    #[test]
    fn a_version_is_chosen_only_when_it_is_asked_for() {
        const THREE: &[u8] = b"BEGIN:VCARD\r\nVERSION:3.0\r\n";
        const FOUR: &[u8] = b"BEGIN:VCARD\r\nVERSION:4.0\r\n";
        for (accept, of_three, of_four) in [
            ("*/*", None, None),
            ("text/vcard", None, None),
            ("text/vcard; version=3.0", None, Some(Version::V3)),
            ("text/vcard;version=\"4.0\"", Some(Version::V4), None),
            ("text/vcard;version=4.0, text/vcard;version=3.0", None, None),
            ("text/vcard;version=4.0, text/vcard;version=3.0;q=0.5", Some(Version::V4), None),
            ("text/vcard;version=4.0, text/vcard;q=0.5", Some(Version::V4), None),
            ("text/html;version=4.0", None, None),
            ("text/vcard;version=5.0", None, None),
            ("text/vcard;version=3.0;q=0", None, None),
        ] {
            let headers: HeaderMap = [(ACCEPT, accept.parse().unwrap())].into_iter().collect();
            assert_eq!(card_version(&headers, THREE), of_three, "{accept} of 3.0");
            assert_eq!(card_version(&headers, FOUR), of_four, "{accept} of 4.0");
        }
    }
}
