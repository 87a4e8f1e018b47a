//! Managed attachments in what clients write (RFC 8607 sections 3.7 and 3.11): only files that the writer may use, told as the server tells of them.
//! Called by hook.rs, for objects that have or had some; others never come here.

use bytes::Bytes;
use kontor_collection::store::object;
use kontor_collection::{Admission, Admitted, Prepared, Removal, Tell};
use kontor_kit::db::Tx;
use kontor_kit::{Error, Result};

use crate::domain::attachment::{self, MAX_FILES};
use crate::hook::{Parsed, read};
use crate::store::attachments;

/// Looks at an object with MANAGED-IDs before it is stored. Some when lines had to be put right.
///
/// # Errors
/// FAILED_PRECONDITION with reason VALID_MANAGED_ID_PARAMETER for a file that the writer may not use or that there is not, MAX_ATTACHMENTS.
pub fn admit(tx: &mut Tx<'_>, admission: &Admission<'_, Parsed>) -> Result<Option<Admitted<Parsed>>> {
    let wanted = &admission.prepared.typed.typed.managed;
    if wanted.len() > MAX_FILES {
        let message = format!("an object has at most {MAX_FILES} attachments");
        return Err(Error::precondition("MAX_ATTACHMENTS", message));
    }
    let mut known = Vec::with_capacity(wanted.len());
    for id in wanted {
        let file = attachments::get(tx, id)?;
        if file.is_none() && had(tx, admission, id)? {
            // Another server's, from before: it means nothing here, and must not keep anybody from an answer.
            continue;
        }
        let present = admission.old.map(|old| old.num);
        let usable = file.is_some()
            && (attachments::is_at_hand(tx, id, present)?
                || attachments::is_readable(tx, admission.caller, id)?);
        match file.filter(|_| usable) {
            Some(file) => known.push(file),
            None => {
                let message = "an ATTACH line has a MANAGED-ID that is not known here";
                return Err(Error::precondition("VALID_MANAGED_ID_PARAMETER", message));
            }
        }
    }
    let Some(data) = attachment::restored(admission.data, &known)? else { return Ok(None) };
    let (index, typed) = read(&data, tx.now())?;
    let found = admission.prepared.typed.found.clone();
    let prepared = Prepared { index, typed: Parsed { typed, found }, ..admission.prepared.clone() };
    Ok(Some(Admitted { data: Some(Bytes::from(data)), prepared }))
}

/// Whether the object as it stands has the id in its text.
fn had(tx: &mut Tx<'_>, admission: &Admission<'_, Parsed>, id: &str) -> Result<bool> {
    let Some(old) = admission.old else { return Ok(false) };
    let data = object::data(tx, old.num)?;
    let unfolded = String::from_utf8_lossy(&data).replace("\r\n ", "").replace("\r\n\t", "");
    Ok(unfolded.contains(id))
}

/// Ends what a deleted object used.
///
/// # Errors
/// Those of the database.
pub fn removed(tx: &mut Tx<'_>, removal: &Removal<'_>) -> Result<()> {
    match removal.tell {
        // It only goes to another place, where it is stored next.
        Tell::Nobody => attachments::carry(tx, removal.object.num),
        Tell::Everyone | Tell::Guests => attachments::release(tx, removal.object.num),
    }
}
