//! Properties of the unified calendar: a calendar that is only read, and that nobody is told of by push messages.
//! Called by `collection::write`, which has what it shares with other calendars.

use kontor_proto::collection::v1::{Collection, CollectionKind};

use super::{Live, acl};
use crate::dav::xml::Writer;

/// Whether it is one.
pub fn is_overview(it: &Collection) -> bool {
    it.kind() == CollectionKind::Overview
}

/// Writes a property that is another one than on a calendar; None for the others.
pub fn write(live: Live, it: &Collection, out: &mut Writer) -> Option<bool> {
    match live {
        Live::Acl => {
            acl::reader(&it.owner, None, out);
            Some(true)
        }
        // Nothing is added to it, it is not shared, and its changes are found by asking.
        Live::AddMember
        | Live::PushTransports
        | Live::PushTopic
        | Live::PushTriggers
        | Live::Invite
        | Live::AllowedSharingModes
        | Live::SharedUrl => Some(false),
        _ => None,
    }
}
