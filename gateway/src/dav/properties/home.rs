//! Properties of a home: the folder of one user's calendars or address books.
//! Called by PROPFIND.

use kontor_proto::collection::v1::Collection;

use super::{Live, acl, common};
use crate::dav::path::{self, Kind};
use crate::dav::xml::Writer;

/// A home with what is known of it.
pub struct Home<'a> {
    /// Of calendars or of books.
    pub kind: Kind,
    /// Login name.
    pub user: &'a str,
    /// What stands in it; needed for `getctag` only.
    pub collections: Option<&'a [Collection]>,
    /// Working hours and absences, when they were asked for and something was said.
    pub availability: Option<&'a str>,
}

/// Writes a property.
pub fn write(live: Live, home: &Home<'_>, caller: &str, out: &mut Writer) -> bool {
    match live {
        Live::ResourceType => out.raw("<D:collection/>"),
        Live::DisplayName => out.raw(match home.kind {
            Kind::Calendar => "Calendars",
            Kind::Book => "Address books",
        }),
        Live::Owner => out.href(&path::principal(home.user)),
        Live::Acl => acl::home(home.user, out),
        Live::CalendarAvailability => match home.availability {
            Some(availability) => out.text(availability),
            None => return false,
        },
        // Empty: scheme and host of the home hold for attachments too (RFC 8607 section 6.1).
        Live::ManagedAttachmentsServer => return home.kind == Kind::Calendar,
        Live::CollectionTag => match home.collections {
            Some(collections) => out.text(&tag(collections)),
            None => return false,
        },
        Live::CurrentUserPrivilegeSet => {
            common::privileges(common::READ, out);
            if home.kind == Kind::Calendar {
                // Whoever is signed in may ask when somebody is busy.
                out.raw("<D:privilege><C:read-free-busy/></D:privilege>");
            }
            if home.user == caller {
                // DAVx5 offers to make a calendar only where it may bind.
                common::privileges(&["write-content", "bind", "unbind"], out);
            }
        }
        Live::SupportedReportSet if home.kind == Kind::Calendar => {
            common::reports(&["C:free-busy-query", "D:principal-match"], out)
        }
        Live::SupportedReportSet => common::reports(&["D:principal-match"], out),
        _ => return common::write(live, caller, out),
    }
    true
}

/// Moves when anything in the home moves: FNV-1a over ids and change numbers, the same in every process.
fn tag(collections: &[Collection]) -> String {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    let mut mix = |bytes: &[u8]| {
        for byte in bytes {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    };
    for collection in collections {
        mix(collection.id.as_bytes());
        mix(&collection.sequence.to_le_bytes());
        mix(collection.display_name.as_bytes());
        mix(&[0]);
        mix(collection.color.as_bytes());
        mix(&[u8::from(collection.shared)]);
    }
    format!("{hash:016x}")
}
