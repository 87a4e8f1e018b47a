//! Properties of a user.
//! Called by PROPFIND.

use kontor_proto::directory::v1::User;

use super::{Live, Wanted, common};
use crate::dav::path::{self, Kind};
use crate::dav::xml::Writer;

/// Whether the user's record is needed, or the login name is enough.
pub fn needs_record(wanted: &Wanted) -> bool {
    match wanted {
        Wanted::All(_) => true,
        Wanted::Names => false,
        Wanted::These(_) => wanted.names(Live::DisplayName) || wanted.names(Live::CalendarUserAddressSet),
    }
}

/// Writes a property. `user` is the login name; the record may be empty where `needs_record` said no.
pub fn write(live: Live, user: &str, record: &User, caller: &str, out: &mut Writer) -> bool {
    match live {
        Live::ResourceType => out.raw("<D:collection/><D:principal/>"),
        Live::DisplayName => {
            out.text(if record.display_name.is_empty() { user } else { &record.display_name });
        }
        Live::PrincipalUrl => out.href(&path::principal(user)),
        // Both must be there, even when empty (RFC 3744 sections 4.1 and 4.4).
        Live::AlternateUriSet | Live::GroupMembership => {}
        Live::CalendarHomeSet => out.href(&path::home(Kind::Calendar, user)),
        Live::BookHomeSet => out.href(&path::home(Kind::Book, user)),
        Live::CalendarUserAddressSet => {
            if !record.email.is_empty() {
                out.raw("<D:href>mailto:");
                out.text(&record.email);
                out.raw("</D:href>");
            }
            out.href(&path::principal(user));
        }
        Live::CalendarUserType => out.raw("INDIVIDUAL"),
        Live::CurrentUserPrivilegeSet => {
            common::privileges(&["read", "read-current-user-privilege-set"], out);
        }
        Live::SupportedReportSet => common::reports(&[], out),
        _ => return common::write(live, caller, out),
    }
    true
}
