//! The table of live properties: which there are, on which kinds of resources, and what may be done with them.
//! Called by the XML bodies (names to properties) and by PROPFIND, PROPPATCH and the reports.

pub mod acl;
pub mod collection;
pub mod common;
pub mod home;
pub mod object;
pub mod overview;
pub mod principal;
pub mod propstat;
pub(super) mod record;
mod scheduling;
pub mod settable;
pub mod sharing;

use super::xml::{Name, Space};

/// Kinds of resources, as bits.
pub mod on {
    /// `/dav/` and the folders above homes and principals.
    pub const FOLDER: u8 = 1;
    /// A user or a team.
    pub const PRINCIPAL: u8 = 2;
    /// A user's calendars or address books.
    pub const HOME: u8 = 4;
    /// A calendar.
    pub const CALENDAR: u8 = 8;
    /// An address book.
    pub const BOOK: u8 = 16;
    /// An event or a task.
    pub const EVENT: u8 = 32;
    /// A card.
    pub const CARD: u8 = 64;
    /// A scheduling inbox or outbox.
    pub const SCHEDULING: u8 = 128;

    /// Calendars and address books.
    pub const COLLECTION: u8 = CALENDAR | BOOK;
    /// Events, tasks and cards.
    pub const OBJECT: u8 = EVENT | CARD;
    /// Everything.
    pub const ALL: u8 = FOLDER | PRINCIPAL | HOME | COLLECTION | OBJECT | SCHEDULING;
}

/// What may be done with a property.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// Computed by the server, and part of `allprop` (RFC 4918 section 9.1).
    Shown,
    /// Computed by the server.
    Protected,
    /// A client may set it, at creation and later, and it is part of `allprop`.
    ShownSettable,
    /// A client may set it, at creation and later.
    Settable,
    /// A client may set it at creation only (RFC 4791 section 5.2.3).
    AtCreation,
    /// Only in reports: the object's bytes.
    Data,
}

macro_rules! live {
    ($($variant:ident $space:ident $local:literal $on:expr, $use:ident;)*) => {
        /// A property that the server understands.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Live {
            $(#[doc = concat!("`", $local, "`")] $variant,)*
        }

        /// One row for each.
        const TABLE: &[Row] = &[
            $(Row { live: Live::$variant, space: Space::$space, local: $local, on: $on, usage: Use::$use },)*
        ];
    };
}

struct Row {
    live: Live,
    space: Space,
    local: &'static str,
    on: u8,
    usage: Use,
}

live! {
    ResourceType Dav "resourcetype" on::ALL, Shown;
    DisplayName Dav "displayname" on::ALL & !on::OBJECT, ShownSettable;
    CreationDate Dav "creationdate" on::COLLECTION | on::SCHEDULING | on::OBJECT, Shown;
    GetEtag Dav "getetag" on::OBJECT, Shown;
    GetContentType Dav "getcontenttype" on::OBJECT, Shown;
    GetContentLength Dav "getcontentlength" on::OBJECT, Shown;
    GetLastModified Dav "getlastmodified" on::OBJECT, Shown;
    CurrentUserPrincipal Dav "current-user-principal" on::ALL, Protected;
    CurrentUserPrivilegeSet Dav "current-user-privilege-set" on::ALL, Protected;
    Owner Dav "owner" on::ALL, Protected;
    Acl Dav "acl" on::ALL, Protected;
    SupportedPrivilegeSet Dav "supported-privilege-set" on::ALL, Protected;
    AclRestrictions Dav "acl-restrictions" on::ALL, Protected;
    InheritedAclSet Dav "inherited-acl-set" on::ALL, Protected;
    PrincipalCollectionSet Dav "principal-collection-set" on::ALL, Protected;
    PrincipalUrl Dav "principal-URL" on::PRINCIPAL, Protected;
    AlternateUriSet Dav "alternate-URI-set" on::PRINCIPAL, Protected;
    GroupMembership Dav "group-membership" on::PRINCIPAL, Protected;
    GroupMemberSet Dav "group-member-set" on::PRINCIPAL, Protected;
    SupportedReportSet Dav "supported-report-set" on::ALL, Protected;
    SupportedLiveProperties Dav "supported-live-property-set" on::ALL, Protected;
    SyncToken Dav "sync-token" on::COLLECTION | on::SCHEDULING, Protected;
    AddMember Dav "add-member" on::COLLECTION, Protected;
    CalendarHomeSet CalDav "calendar-home-set" on::PRINCIPAL, Protected;
    CalendarUserAddressSet CalDav "calendar-user-address-set" on::PRINCIPAL, Protected;
    CalendarUserType CalDav "calendar-user-type" on::PRINCIPAL, Protected;
    ScheduleInboxUrl CalDav "schedule-inbox-URL" on::PRINCIPAL, Protected;
    ScheduleOutboxUrl CalDav "schedule-outbox-URL" on::PRINCIPAL, Protected;
    ScheduleDefaultCalendar CalDav "schedule-default-calendar-URL" on::SCHEDULING, Protected;
    CalendarAvailability CalDav "calendar-availability" on::HOME | on::SCHEDULING, Settable;
    CalendarDescription CalDav "calendar-description" on::CALENDAR, Settable;
    CalendarTimeZone CalDav "calendar-timezone" on::CALENDAR, Settable;
    SupportedComponents CalDav "supported-calendar-component-set" on::CALENDAR, AtCreation;
    SupportedCalendarData CalDav "supported-calendar-data" on::CALENDAR | on::SCHEDULING, Protected;
    CalendarMaxSize CalDav "max-resource-size" on::CALENDAR | on::SCHEDULING, Protected;
    MaxAttendees CalDav "max-attendees-per-instance" on::CALENDAR, Protected;
    ManagedAttachmentsServer CalDav "managed-attachments-server-URL" on::HOME, Protected;
    MaxAttachmentSize CalDav "max-attachment-size" on::CALENDAR, Protected;
    MaxAttachments CalDav "max-attachments-per-resource" on::CALENDAR, Protected;
    CalendarCollations CalDav "supported-collation-set" on::CALENDAR | on::SCHEDULING, Protected;
    Transparency CalDav "schedule-calendar-transp" on::CALENDAR, Settable;
    ScheduleTag CalDav "schedule-tag" on::EVENT, Protected;
    CalendarData CalDav "calendar-data" on::EVENT, Data;
    BookHomeSet CardDav "addressbook-home-set" on::PRINCIPAL, Protected;
    BookDescription CardDav "addressbook-description" on::BOOK, Settable;
    SupportedAddressData CardDav "supported-address-data" on::BOOK, Protected;
    BookMaxSize CardDav "max-resource-size" on::BOOK, Protected;
    BookCollations CardDav "supported-collation-set" on::BOOK, Protected;
    AddressData CardDav "address-data" on::CARD, Data;
    CollectionTag CalendarServer "getctag" on::HOME | on::COLLECTION | on::SCHEDULING, Protected;
    EmailAddressSet CalendarServer "email-address-set" on::PRINCIPAL, Protected;
    Invite CalendarServer "invite" on::COLLECTION, Protected;
    AllowedSharingModes CalendarServer "allowed-sharing-modes" on::COLLECTION, Protected;
    SharedUrl CalendarServer "shared-url" on::COLLECTION, Protected;
    CalendarColor Apple "calendar-color" on::CALENDAR, Settable;
    CalendarOrder Apple "calendar-order" on::CALENDAR, Settable;
    PushTransports Push "transports" on::COLLECTION, Protected;
    PushTopic Push "topic" on::COLLECTION, Protected;
    PushTriggers Push "supported-triggers" on::COLLECTION, Protected;
}

impl Live {
    fn row(self) -> &'static Row {
        // The table is written in the order of the enum, by one macro.
        &TABLE[self as usize]
    }

    /// Its name.
    pub fn name(self) -> Name {
        let row = self.row();
        Name { space: row.space.clone(), local: row.local.to_owned() }
    }

    /// Prefix and local name as the writer needs them.
    pub fn tag(self) -> (&'static str, &'static str) {
        let row = self.row();
        (row.space.prefix().unwrap_or("D"), row.local)
    }

    /// Whether resources of this kind have it.
    pub fn is_on(self, kind: u8) -> bool {
        self.row().on & kind != 0
    }

    /// What may be done with it.
    pub fn usage(self) -> Use {
        self.row().usage
    }

    /// All properties of a kind of resource, for `propname`.
    pub fn all_on(kind: u8) -> impl Iterator<Item = Live> {
        TABLE.iter().filter(move |row| row.on & kind != 0 && row.usage != Use::Data).map(|row| row.live)
    }

    /// The properties of `allprop`.
    pub fn shown_on(kind: u8) -> impl Iterator<Item = Live> {
        TABLE
            .iter()
            .filter(move |row| row.on & kind != 0 && matches!(row.usage, Use::Shown | Use::ShownSettable))
            .map(|row| row.live)
    }
}

/// A property that a client names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Property {
    /// One that the server understands.
    Live(Live),
    /// Any other; it may be stored as a dead property.
    Other(Name),
}

impl Property {
    /// Finds the property of a name.
    pub fn of(space: &Space, local: &str) -> Property {
        match TABLE.iter().find(|row| row.local == local && row.space == *space) {
            Some(row) => Property::Live(row.live),
            None => Property::Other(Name { space: space.clone(), local: local.to_owned() }),
        }
    }

    /// Its name.
    pub fn name(&self) -> Name {
        match self {
            Property::Live(live) => live.name(),
            Property::Other(name) => name.clone(),
        }
    }
}

/// Which properties an answer carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// `allprop`, with the ones of `include`.
    All(Vec<Property>),
    /// `propname`: names only.
    Names,
    /// These.
    These(Vec<Property>),
}

impl Wanted {
    /// Whether dead properties may be among them.
    pub fn asks_dead(&self) -> bool {
        match self {
            Wanted::All(_) | Wanted::Names => true,
            Wanted::These(list) => list.iter().any(|property| matches!(property, Property::Other(_))),
        }
    }

    /// Whether this property was asked for by name.
    pub fn names(&self, live: Live) -> bool {
        match self {
            Wanted::All(list) | Wanted::These(list) => list.contains(&Property::Live(live)),
            Wanted::Names => false,
        }
    }
}
