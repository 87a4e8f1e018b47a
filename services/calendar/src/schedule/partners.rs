//! A partner has a meeting once on the timeline: from the organizer's calendar, not from each guest's.
//! Called by hook.rs and tasks.rs, where partners are found by addresses.

use kontor_collection::Collection;
use kontor_kit::Result;
use kontor_kit::db::Tx;

use super::addresses;
use crate::domain::scheduling::{Read, Role, organizer_of, role};
use crate::store::people;

/// Whether an object is the copy of a guest whose organizer is another user.
///
/// # Errors
/// Those of the database.
pub fn is_copy(tx: &mut Tx<'_>, collection: &Collection, data: &[u8]) -> Result<bool> {
    if collection.is_company() {
        return Ok(false);
    }
    let read = Read::of(data)?;
    let own = addresses(tx, &collection.owner)?;
    if role(&read.object, &own) != Role::Attendee {
        return Ok(false);
    }
    let organizer = organizer_of(&read.object);
    Ok(!people::users(tx, std::iter::once(organizer))?.is_empty())
}
