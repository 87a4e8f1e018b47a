//! Cancelled: the same components with STATUS:CANCELLED.
//! Called by schedule/ when a meeting goes, or a guest is left out of it.

use kontor_kit::Result;
use kontor_vobject::Patch;
use kontor_vobject::content::ContentLine;
use kontor_vobject::value::DateValue;

use super::Read;
use crate::domain::time;

/// The text with every component cancelled, as a newer state of the meeting (RFC 5546 section 2.1.4).
///
/// # Errors
/// INTERNAL for a text that can't be read.
pub fn cancelled(bytes: &[u8], now: i64) -> Result<Vec<u8>> {
    let read = Read::of(bytes)?;
    let mut patch = Patch::new(&read.document);
    for item in &read.object.items {
        let component = read.component(item);
        patch.set(&component, ContentLine::new("STATUS", "CANCELLED"));
        patch.bump_sequence(&component);
        patch.set(&component, ContentLine::date("DTSTAMP", &DateValue::Utc(time::stamp(now))));
    }
    Ok(patch.apply())
}

/// Whether all of it is cancelled already.
pub fn is_cancelled(read: &Read<'_>) -> bool {
    read.object.items.iter().all(|item| item.status.as_deref() == Some("CANCELLED"))
}
