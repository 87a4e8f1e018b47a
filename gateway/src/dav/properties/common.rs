//! Properties that every kind of resource has in the same way, and small pieces of markup.
//! Called by the property files of each kind.

use kontor_proto::collection::v1::Access;

use super::{Live, acl};
use crate::dav::path::{self, Kind};
use crate::dav::xml::Writer;

/// What everyone may do with what they see, one by one: `read` holds the other two.
pub const READ: &[&str] = &["read", "read-acl", "read-current-user-privilege-set"];

/// Writes what depends on the caller alone. False for a property that is not among these.
pub fn write(live: Live, caller: &str, out: &mut Writer) -> bool {
    match live {
        Live::CurrentUserPrincipal => out.href(&path::principal(caller)),
        Live::PrincipalCollectionSet => out.href(path::PRINCIPALS),
        Live::SupportedPrivilegeSet => acl::supported(out),
        Live::AclRestrictions => acl::restrictions(out),
        // What stands on its own; objects say otherwise.
        Live::InheritedAclSet => {}
        _ => return false,
    }
    true
}

/// When something was made, as RFC 3339 writes it (RFC 4918 section 15.1).
pub fn created(time: Option<&prost_types::Timestamp>, out: &mut Writer) -> bool {
    let moment = time.and_then(|time| jiff::Timestamp::from_second(time.seconds).ok());
    if let Some(moment) = moment {
        out.number(moment);
    }
    moment.is_some()
}

/// Properties of the folders above homes and principals: `/dav/`, `/dav/principals/users/`, `/dav/calendars/`.
pub fn folder(live: Live, title: &'static str, caller: &str, out: &mut Writer) -> bool {
    match live {
        Live::ResourceType => out.raw("<D:collection/>"),
        Live::DisplayName => out.raw(title),
        Live::CurrentUserPrivilegeSet => privileges(READ, out),
        Live::SupportedReportSet => reports(&["D:principal-match"], out),
        // Nobody's (RFC 3744 section 5.1).
        Live::Owner => {}
        Live::Acl => acl::everyone_reads(out),
        _ => return write(live, caller, out),
    }
    true
}

/// Writes privileges of RFC 3744 by their local names.
pub fn privileges(names: &[&'static str], out: &mut Writer) {
    for name in names {
        out.raw("<D:privilege><D:");
        out.raw(name);
        out.raw("/></D:privilege>");
    }
}

/// What those may do with whom something is shared: with whom else it is shared is not shown to them.
const READ_SHARED: &[&str] = &["read", "read-current-user-privilege-set"];

/// What the caller may do with a collection. `write` is left out where properties can't be changed, because it would
/// promise that; Thunderbird and Outlook look for `write-content`, `bind` and `unbind` then. Who reads a shared one sets its name and colour
/// too, for their own eyes, but `write-properties` is not shown to them: Thunderbird would take the whole calendar for writable.
pub fn collection_privileges(access: Access, shared: bool, kind: Kind, out: &mut Writer) {
    privileges(if shared { READ_SHARED } else { READ }, out);
    if kind == Kind::Calendar {
        out.raw("<D:privilege><C:read-free-busy/></D:privilege>");
    }
    match access {
        Access::Owner => privileges(&["write", "write-properties", "write-content", "bind", "unbind"], out),
        Access::Write if shared => privileges(&["write-properties", "write-content", "bind", "unbind"], out),
        Access::Write => privileges(&["write-content", "bind", "unbind"], out),
        Access::Read | Access::Unspecified => {}
    }
}

/// What the caller may do with an object.
pub fn object_privileges(access: Access, shared: bool, out: &mut Writer) {
    privileges(if shared { READ_SHARED } else { READ }, out);
    if matches!(access, Access::Owner | Access::Write) {
        privileges(&["write-properties", "write-content"], out);
    }
}

/// What every resource answers.
const EVERYWHERE: [&str; 4] = [
    "D:expand-property",
    "D:principal-property-search",
    "D:principal-search-property-set",
    "D:acl-principal-prop-set",
];

/// Writes the reports that a resource answers, each as prefixed name: these, and what every resource answers.
pub fn reports(names: &[&'static str], out: &mut Writer) {
    for name in names.iter().chain(&EVERYWHERE) {
        out.raw("<D:supported-report><D:report><");
        out.raw(name);
        out.raw("/></D:report></D:supported-report>");
    }
}

/// The reports of an event, a task or a card.
pub fn object_reports(kind: Kind, out: &mut Writer) {
    reports(
        match kind {
            Kind::Calendar => &["C:calendar-query", "C:calendar-multiget"],
            Kind::Book => &["CR:addressbook-query", "CR:addressbook-multiget"],
        },
        out,
    );
}

/// The reports of a collection.
pub fn collection_reports(kind: Kind, out: &mut Writer) {
    match kind {
        Kind::Calendar => reports(
            &["C:calendar-query", "C:calendar-multiget", "C:free-busy-query", "D:sync-collection"],
            out,
        ),
        Kind::Book => reports(&["CR:addressbook-query", "CR:addressbook-multiget", "D:sync-collection"], out),
    }
}
