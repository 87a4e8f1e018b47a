//! Properties of a user or a team.
//! Called by PROPFIND and by the reports on principals.

use kontor_proto::directory::v1::{Team, User};

use super::{Live, Wanted, acl, common, scheduling};
use crate::dav::path::{self, Kind};
use crate::dav::xml::Writer;

/// Whether the user's record is needed, or the login name is enough.
pub fn needs_record(wanted: &Wanted) -> bool {
    const OF_RECORD: [Live; 4] =
        [Live::DisplayName, Live::CalendarUserAddressSet, Live::EmailAddressSet, Live::GroupMembership];
    match wanted {
        Wanted::All(_) => true,
        Wanted::Names => false,
        Wanted::These(_) => OF_RECORD.into_iter().any(|live| wanted.names(live)),
    }
}

/// Writes a property. `user` is the login name; the record may be empty where `needs_record` said no.
pub fn write(live: Live, user: &str, record: &User, caller: &str, out: &mut Writer) -> bool {
    match live {
        Live::DisplayName => {
            out.text(if record.display_name.is_empty() { user } else { &record.display_name });
        }
        Live::PrincipalUrl | Live::Owner => out.href(&path::principal(user)),
        Live::GroupMembership => {
            for team in record.teams.iter().filter_map(|name| name.strip_prefix("teams/")) {
                out.href(&path::team(team));
            }
        }
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
        Live::EmailAddressSet => {
            if !record.email.is_empty() {
                out.raw("<CS:email-address>");
                out.text(&record.email);
                out.raw("</CS:email-address>");
            }
        }
        Live::ScheduleInboxUrl => out.href(&scheduling::inbox(user)),
        Live::ScheduleOutboxUrl => out.href(&scheduling::outbox(user)),
        Live::CalendarUserType => out.raw("INDIVIDUAL"),
        // A user is no group.
        Live::GroupMemberSet => return false,
        _ => return either(live, caller, out),
    }
    true
}

/// Writes a property of a team.
pub fn write_team(live: Live, team: &str, record: &Team, caller: &str, out: &mut Writer) -> bool {
    match live {
        Live::DisplayName => {
            out.text(if record.display_name.is_empty() { team } else { &record.display_name });
        }
        Live::PrincipalUrl => out.href(&path::team(team)),
        Live::Owner | Live::GroupMembership => {}
        Live::GroupMemberSet => {
            for user in record.members.iter().filter_map(|name| name.strip_prefix("users/")) {
                out.href(&path::principal(user));
            }
        }
        Live::CalendarUserAddressSet => out.href(&path::team(team)),
        Live::CalendarUserType => out.raw("GROUP"),
        // A team has neither calendars nor an address of its own.
        Live::CalendarHomeSet | Live::BookHomeSet | Live::EmailAddressSet => return false,
        Live::ScheduleInboxUrl | Live::ScheduleOutboxUrl => return false,
        _ => return either(live, caller, out),
    }
    true
}

/// What users and teams have alike.
fn either(live: Live, caller: &str, out: &mut Writer) -> bool {
    match live {
        Live::ResourceType => out.raw("<D:collection/><D:principal/>"),
        // Must be there, even when empty (RFC 3744 section 4.1).
        Live::AlternateUriSet => {}
        Live::Acl => acl::everyone_reads(out),
        Live::CurrentUserPrivilegeSet => {
            common::privileges(common::READ, out);
        }
        Live::SupportedReportSet => common::reports(&[], out),
        _ => return common::write(live, caller, out),
    }
    true
}
