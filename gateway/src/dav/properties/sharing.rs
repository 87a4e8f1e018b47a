//! Properties by which Apple's programs show shares (caldav-sharing of calendarserver.org, sections 5.2.1 to 5.2.4). Calendars and books alike.
//! Called by `collection::write`; PROPFIND and the other readers say with `needs_shares` when the shares have to be read.

use kontor_proto::collection::v1::{Access, Collection, CollectionKind, Share};

use super::{Live, Wanted};
use crate::dav::path::{self, Kind, Location};
use crate::dav::xml::Writer;

/// Whether with whom collections are shared has to be read for this.
pub fn needs_shares(wanted: &Wanted) -> bool {
    wanted.names(Live::Invite) || wanted.names(Live::Acl)
}

/// Whether it is somebody else's, and stands in the caller's home by a share.
pub fn is_shared(it: &Collection, caller: &str) -> bool {
    let others = it.owner != caller
        && it.owner != path::COMPANY
        && it.owner != path::NOBODY
        && it.kind() != CollectionKind::Overview;
    others && matches!(it.access(), Access::Read | Access::Write)
}

/// Writes a property; false where there is nothing to say.
pub fn write(live: Live, kind: Kind, it: &Collection, caller: &str, out: &mut Writer) -> bool {
    let shared = is_shared(it, caller);
    match live {
        Live::SharedUrl if shared => out.href(&Location::new(kind, &it.owner, &it.owner, &it.slug).href()),
        Live::AllowedSharingModes if can_be_shared(it) => out.raw("<CS:can-be-shared/>"),
        Live::Invite if shared => {
            organizer(it, out);
            // Others with whom it is shared are none of the caller's business (section 5.2.2).
            let own = Share { grantee: format!("users/{caller}"), access: it.access, ..Share::default() };
            user(&own, out);
        }
        Live::Invite if it.shared && it.access() == Access::Owner => {
            organizer(it, out);
            it.shares.iter().for_each(|share| user(share, out));
        }
        _ => return false,
    }
    true
}

/// Its owner shares a calendar or a book; everyone has the company's, and nobody shares an inbox.
fn can_be_shared(it: &Collection) -> bool {
    let kept = matches!(it.kind(), CollectionKind::Calendar | CollectionKind::AddressBook);
    kept && it.access() == Access::Owner && it.owner != path::COMPANY
}

fn organizer(it: &Collection, out: &mut Writer) {
    out.raw("<CS:organizer>");
    out.href(&path::principal(&it.owner));
    out.raw("</CS:organizer>");
}

/// Whom it is shared with has accepted: a share stands in the home at once, and leaves it by DELETE.
fn user(share: &Share, out: &mut Writer) {
    out.raw("<CS:user>");
    out.href(&path::grantee(&share.grantee));
    if !share.display_name.is_empty() {
        out.raw("<CS:common-name>");
        out.text(&share.display_name);
        out.raw("</CS:common-name>");
    }
    out.raw("<CS:invite-accepted/><CS:access>");
    out.raw(if share.access() == Access::Write { "<CS:read-write/>" } else { "<CS:read/>" });
    out.raw("</CS:access></CS:user>");
}
