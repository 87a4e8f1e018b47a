//! Properties of a scheduling inbox and outbox (RFC 6638 section 2). They stand in the home beside the calendars.
//! Called by `collection::write`, which has what they share with calendars.

use kontor_proto::collection::v1::{Collection, CollectionKind};

use super::{Live, common};
use crate::dav::path::{self, Kind, Location};
use crate::dav::xml::Writer;

/// Whether it is an inbox or an outbox.
pub fn is_scheduling(it: &Collection) -> bool {
    matches!(it.kind(), CollectionKind::ScheduleInbox | CollectionKind::ScheduleOutbox)
}

/// Writes a property that is another one than on a calendar; None for the others.
pub fn write(live: Live, it: &Collection, out: &mut Writer) -> Option<bool> {
    let is_inbox = it.kind() == CollectionKind::ScheduleInbox;
    match live {
        Live::ResourceType if is_inbox => out.raw("<D:collection/><C:schedule-inbox/>"),
        Live::ResourceType => out.raw("<D:collection/><C:schedule-outbox/>"),
        Live::CurrentUserPrivilegeSet => {
            common::privileges(&["read", "read-current-user-privilege-set"], out);
            if is_inbox {
                common::privileges(&["unbind", "write-properties"], out);
            }
            let names = if is_inbox { &DELIVER } else { &SEND };
            for name in names {
                out.raw("<D:privilege><C:");
                out.raw(name);
                out.raw("/></D:privilege>");
            }
        }
        // Not free-busy-query: what waits here makes nobody busy (RFC 6638 section 2.3).
        Live::SupportedReportSet if is_inbox => {
            common::reports(&["C:calendar-query", "C:calendar-multiget", "D:sync-collection"], out);
        }
        Live::SupportedReportSet => common::reports(&[], out),
        Live::ScheduleDefaultCalendar if is_inbox && !it.default_calendar.is_empty() => {
            out.href(&Location::new(Kind::Calendar, &it.owner, &it.owner, &it.default_calendar).href());
        }
        Live::ScheduleDefaultCalendar => return Some(false),
        _ => return None,
    }
    Some(true)
}

/// Everyone who has an account may invite and answer (RFC 6638 section 6.1).
const DELIVER: [&str; 4] =
    ["schedule-deliver", "schedule-deliver-invite", "schedule-deliver-reply", "schedule-query-freebusy"];
/// The owner sends (RFC 6638 section 6.2).
const SEND: [&str; 4] =
    ["schedule-send", "schedule-send-invite", "schedule-send-reply", "schedule-send-freebusy"];

/// Href of a user's inbox.
pub fn inbox(user: &str) -> String {
    format!("{}inbox/", path::home(Kind::Calendar, user))
}

/// Href of a user's outbox.
pub fn outbox(user: &str) -> String {
    format!("{}outbox/", path::home(Kind::Calendar, user))
}
