//! Properties of a calendar or an address book.
//! Called by PROPFIND on a collection and on a home.

use kontor_kit::tags::SYNC_TOKEN;
use kontor_proto::collection::v1::Collection;

use kontor_vobject::zone::vtimezone_for;

use super::propstat::Found;
use super::{Live, acl, common, on, overview, scheduling, sharing};
use crate::dav::limits;
use crate::dav::path::{self, Kind, Location};
use crate::dav::xml::Writer;

/// Year around which the rules of a zone are written out.
const ZONE_YEAR: i16 = 2020;

/// Which kind of resource it is, for the table.
pub fn kind_bit(kind: Kind) -> u8 {
    match kind {
        Kind::Calendar => on::CALENDAR,
        Kind::Book => on::BOOK,
    }
}

/// The same for one collection: a scheduling inbox or outbox is no calendar.
pub fn bit_of(kind: Kind, it: &Collection) -> u8 {
    if scheduling::is_scheduling(it) { on::SCHEDULING } else { kind_bit(kind) }
}

/// Writes a property.
pub fn write(live: Live, kind: Kind, it: &Collection, caller: &str, out: &mut Writer) -> bool {
    if scheduling::is_scheduling(it)
        && let Some(written) = scheduling::write(live, it, out)
    {
        return written;
    }
    if overview::is_overview(it)
        && let Some(written) = overview::write(live, it, out)
    {
        return written;
    }
    match live {
        Live::ResourceType => {
            out.raw(match kind {
                Kind::Calendar => "<D:collection/><C:calendar/>",
                Kind::Book => "<D:collection/><CR:addressbook/>",
            });
            if sharing::is_shared(it, caller) {
                out.raw("<CS:shared/>");
            } else if it.shared && it.owner != path::NOBODY {
                out.raw("<CS:shared-owner/>");
            }
        }
        Live::DisplayName => out.text(if it.display_name.is_empty() { &it.slug } else { &it.display_name }),
        // Empty for the company's collection, which no user owns (RFC 3744 section 5.1).
        Live::Owner if it.owner == path::COMPANY || it.owner == path::NOBODY => {}
        Live::Owner => out.href(&path::principal(&it.owner)),
        Live::Acl if it.owner == path::NOBODY => acl::reader(caller, None, out),
        Live::Acl => acl::collection(&it.owner, &it.shares, out),
        Live::CurrentUserPrivilegeSet => {
            common::collection_privileges(it.access(), sharing::is_shared(it, caller), kind, out);
        }
        Live::SupportedReportSet => common::collection_reports(kind, out),
        Live::AddMember => {
            let mut href = Location::new(kind, caller, &it.owner, &it.slug).href();
            href.push_str(path::ADD_MEMBER);
            out.href(&href);
        }
        Live::SyncToken => sync_token(&it.id, it.sequence, 0, out),
        Live::CollectionTag => {
            out.text(&it.id);
            out.raw("-");
            out.number(it.sequence);
        }
        Live::PushTopic => out.text(&it.id),
        Live::PushTriggers => out.raw(
            "<P:content-update><D:depth>1</D:depth></P:content-update>\
             <P:property-update><D:depth>0</D:depth></P:property-update>",
        ),
        Live::CalendarDescription | Live::BookDescription => {
            out.language(&it.description_language);
            return text(&it.description, out);
        }
        Live::CreationDate => return common::created(it.create_time.as_ref(), out),
        Live::CalendarTimeZone => return time_zone(it, out),
        Live::CalendarColor => return text(&it.color, out),
        Live::CalendarOrder => out.number(it.order),
        Live::Transparency => {
            out.raw(if it.transparent { "<C:transparent/>" } else { "<C:opaque/>" });
        }
        Live::CalendarMaxSize | Live::BookMaxSize => out.number(limits::OBJECT_BYTES),
        Live::MaxAttendees => out.number(limits::ATTENDEES),
        Live::MaxAttachmentSize => out.number(limits::ATTACHMENT_BYTES),
        Live::MaxAttachments => out.number(limits::ATTACHMENTS),
        Live::Invite | Live::AllowedSharingModes | Live::SharedUrl => {
            return sharing::write(live, kind, it, caller, out);
        }
        _ => return formats(live, it, out) || common::write(live, caller, out),
    }
    true
}

/// Writes how push messages are sent, with the public key of the service that sends them.
pub fn push_transports(public_key: &str, out: &mut Writer) -> bool {
    out.raw("<P:web-push><P:vapid-public-key type=\"p256ecdsa\">");
    out.text(public_key);
    out.raw("</P:vapid-public-key></P:web-push>");
    !public_key.is_empty()
}

/// Writes a property, or says why not: who reads a shared collection does not read with whom else it is shared (RFC 3744 section 5.5).
pub fn answer(live: Live, kind: Kind, it: &Collection, caller: &str, out: &mut Writer) -> Found {
    if live == Live::Acl && sharing::is_shared(it, caller) {
        return Found::Denied;
    }
    write(live, kind, it, caller, out).into()
}

/// What objects may look like.
fn formats(live: Live, it: &Collection, out: &mut Writer) -> bool {
    match live {
        Live::SupportedComponents => {
            for component in &it.components {
                out.raw("<C:comp name=\"");
                out.text(component);
                out.raw("\"/>");
            }
        }
        Live::SupportedCalendarData => {
            out.raw("<C:calendar-data content-type=\"text/calendar\" version=\"2.0\"/>");
        }
        Live::CalendarCollations => out.raw(
            "<C:supported-collation>i;ascii-casemap</C:supported-collation>\
             <C:supported-collation>i;octet</C:supported-collation>\
             <C:supported-collation>i;unicode-casemap</C:supported-collation>",
        ),
        // A card comes as it was written, or in the version that the client asks for.
        Live::SupportedAddressData => out.raw(
            "<CR:address-data-type content-type=\"text/vcard\" version=\"3.0\"/>\
             <CR:address-data-type content-type=\"text/vcard\" version=\"4.0\"/>",
        ),
        Live::BookCollations => out.raw(
            "<CR:supported-collation>i;ascii-casemap</CR:supported-collation>\
             <CR:supported-collation>i;octet</CR:supported-collation>\
             <CR:supported-collation>i;unicode-casemap</CR:supported-collation>",
        ),
        _ => return false,
    }
    true
}

/// The zone that was set, else the one in which the service takes floating times: its owner's. That one is known only when the property was
/// asked for by name.
fn time_zone(it: &Collection, out: &mut Writer) -> bool {
    if !it.time_zone.is_empty() || it.zone.is_empty() {
        return text(&it.time_zone, out);
    }
    let Some(zone) = vtimezone_for(&it.zone, ZONE_YEAR) else { return false };
    out.raw("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:");
    out.text(kontor_vobject::write::PRODUCT);
    out.raw("\r\n");
    out.text(&zone);
    out.raw("END:VCALENDAR\r\n");
    true
}

/// A text that is only there when it was set.
fn text(value: &str, out: &mut Writer) -> bool {
    out.text(value);
    !value.is_empty()
}

/// Writes the sync token of a collection at a change number; of a first sync that was cut off also the number when it began, else 0.
pub fn sync_token(id: &str, sequence: i64, first_until: i64, out: &mut Writer) {
    out.raw(SYNC_TOKEN);
    out.text(id);
    out.raw("/");
    out.number(sequence);
    if first_until > 0 {
        out.raw("-");
        out.number(first_until);
    }
}

/// A sync token taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SyncToken<'a> {
    /// The collection's id.
    pub id: &'a str,
    /// The change number that was reached.
    pub sequence: i64,
    /// The collection's number when the first sync began, if that was cut off; else 0.
    pub first_until: i64,
}

impl SyncToken<'_> {
    /// Takes a sync token apart; `None` when it is none of ours.
    pub fn parse(token: &str) -> Option<SyncToken<'_>> {
        let number = |text: &str| -> Option<i64> {
            if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
        };
        let (id, numbers) = token.strip_prefix(SYNC_TOKEN)?.split_once('/')?;
        let (sequence, first_until) = numbers.split_once('-').unwrap_or((numbers, "0"));
        let token = SyncToken { id, sequence: number(sequence)?, first_until: number(first_until)? };
        (!id.is_empty()).then_some(token)
    }
}
