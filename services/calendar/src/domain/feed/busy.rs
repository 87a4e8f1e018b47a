//! The busy times of one object, without a word on what it is.
//! Called by the writer in mod.rs.

use kontor_vobject::{Component, ContentLine, Document};
use sha2::{Digest, Sha256};

use super::{BusyOnly, END};

/// Properties that say when, and nothing else.
const TIMES: [&str; 7] = ["DTSTART", "DTEND", "DURATION", "RECURRENCE-ID", "RRULE", "RDATE", "EXDATE"];
/// Their parameters that say when.
const PARAMETERS: [&str; 3] = ["VALUE", "TZID", "RANGE"];

/// The object's events as busy times; empty when it leaves all its time free.
pub(super) fn items(document: &Document<'_>, only: &BusyOnly) -> String {
    let events: Vec<Component<'_>> = document.root().children("VEVENT").collect();
    if events.iter().all(|event| is_free(event, &only.owner)) {
        return String::new();
    }
    events.iter().map(|event| item(event, only)).collect()
}

/// Whether an event leaves its time free for the owner (RFC 4791 section 7.10).
fn is_free(event: &Component<'_>, owner: &str) -> bool {
    let says = |name: &str, value: &str| {
        event.property(name).is_some_and(|property| property.value().trim().eq_ignore_ascii_case(value))
    };
    let declined = event.properties_named("ATTENDEE").any(|attendee| {
        let address = attendee.value().trim().to_lowercase();
        let answer = attendee.param("PARTSTAT").unwrap_or_default().to_ascii_uppercase();
        !owner.is_empty()
            && address.strip_prefix("mailto:") == Some(owner)
            && matches!(answer.as_str(), "DECLINED" | "DELEGATED")
    });
    says("TRANSP", "TRANSPARENT") || says("STATUS", "CANCELLED") || declined
}

fn item(event: &Component<'_>, only: &BusyOnly) -> String {
    let mut text = String::from("BEGIN:VEVENT\r\n");
    let mut push = |line: ContentLine| text.push_str(&line.write(END));
    push(ContentLine::text("UID", &uid(&only.key, &event.text("UID").unwrap_or_default())));
    if let Some(stamp) = event.property("DTSTAMP").filter(|stamp| is_time(stamp.value())) {
        push(ContentLine::new("DTSTAMP", stamp.value()));
    }
    for property in event.properties() {
        let Some(name) = TIMES.into_iter().find(|name| property.is(name)) else { continue };
        if !is_time(property.value()) {
            continue;
        }
        let known = property
            .params()
            .filter(|(name, _)| PARAMETERS.iter().any(|known| name.eq_ignore_ascii_case(known)));
        push(
            known.fold(ContentLine::new(name, property.value()), |line, (name, value)| {
                line.param(name, value)
            }),
        );
    }
    let free = is_free(event, &only.owner);
    let tentative = event
        .property("STATUS")
        .is_some_and(|status| status.value().trim().eq_ignore_ascii_case("TENTATIVE"));
    push(ContentLine::new("SUMMARY", if free { "Free" } else { "Busy" }));
    push(ContentLine::new("TRANSP", if free { "TRANSPARENT" } else { "OPAQUE" }));
    push(ContentLine::new("STATUS", if tentative { "TENTATIVE" } else { "CONFIRMED" }));
    push(ContentLine::new("CLASS", "PRIVATE"));
    text.push_str("END:VEVENT\r\n");
    text
}

/// Dates, durations, periods and rules have these characters; whatever else came in such a line is not told.
fn is_time(value: &str) -> bool {
    value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b";=,+-:/ ".contains(&byte))
}

/// Always the same for the same event and address, and says nothing: a UID can hold a name or an address.
fn uid(key: &str, uid: &str) -> String {
    let mut hash = Sha256::new();
    hash.update(key.as_bytes());
    hash.update([0]);
    hash.update(uid.as_bytes());
    hash.finalize()[..16].iter().map(|byte| format!("{byte:02x}")).collect()
}
