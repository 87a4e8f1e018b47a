//! Templates that somebody moves away in order to put another document in their place, as Word saves on a drive.
//! Called by rpc/file_write.rs.

use kontor_kit::auth::Caller;
use kontor_kit::{Error, Result, id};

use super::House;
use super::file_place::{Place, find, read_only, template_place};
use super::file_write::{find_if_there, must_have_folder};
use crate::domain::tree;
use crate::store;
use crate::store::lock::Lock;

/// How long a template is set aside at most, in microseconds.
const ASIDE: i64 = 60_000_000;

/// Whether a file is given a name beside its own that programs use only on the way: "~WRL0001.tmp".
pub(super) fn is_on_the_way(from: &str, to: &str) -> bool {
    let name = to.rsplit('/').next().unwrap_or_default();
    let passing = name.starts_with('~') || name.to_ascii_lowercase().ends_with(".tmp");
    passing && tree::parent(from) == tree::parent(to)
}

impl House {
    /// Sets a template aside: its user sees a file of the own with its content at the new path and nothing at the old one, until something is put there
    /// or the time is over; others see what they saw, and can't write it. The template itself is left as it is, whatever becomes of the file.
    pub(super) async fn set_aside(&self, caller: Caller, from: String, to: String) -> Result<()> {
        let write = self.db.write(move |tx| {
            let now = tx.now();
            must_have_folder(tx, &caller, &to)?;
            let Place::Template(template) = find(tx, &caller, &from, now)? else {
                return Err(Error::etag_mismatch(format!("the file {from:?}")));
            };
            let template = store::template::hold(tx, &caller, &template.id, "")?;
            let place = template_place(&template.id);
            store::lock::serialize(tx)?;
            if store::lock::covering(tx, &place, now)?.iter().any(|lock| lock.user != caller.user) {
                return Err(Error::denied(format!("somebody else has locked the file {from:?}")));
            }
            match find_if_there(tx, &caller, &to)? {
                None => {}
                Some(Place::Own(node)) if !node.folder => {}
                Some(_) => return Err(read_only(&to)),
            }
            let data = store::content::data(tx, &template.document.sha256)?;
            let content = Some((template.document.sha256.as_str(), &data[..]));
            let copy = store::file::put(tx, &caller.user, &to, content)?;
            store::file::copy_properties(tx, &place, &format!("f:{}", copy.id))?;
            // Locks do not go with what is moved, and end where nothing is seen any more (RFC 4918 sections 6.1 and 7.6).
            store::lock::drop_all(tx, &place)?;
            let lock = Lock {
                token: format!("urn:uuid:{}", id::new()),
                place,
                path: from.clone(),
                user: caller.user.clone(),
                owner: Vec::new(),
                shared: false,
                deep: false,
                aside: true,
                until: now + ASIDE,
            };
            store::lock::add(tx, &lock)
        });
        write.await
    }
}
