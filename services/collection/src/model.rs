//! Collections and objects as the engine keeps them, and the one rule of who may do what with them.
//! Used by every file here and by the hooks of the services.

use bytes::Bytes;
use kontor_kit::auth::Caller;

/// Owner of what the server keeps for a team and no user. No login name has this character.
pub const NOBODY: &str = "~";

/// How the slugs of collections that show objects of another one begin. No client makes one that begins so.
pub const SHOWN: &str = "~segment-";

/// Owner of what belongs to everyone, and the slug of the company's address book in every home.
pub const COMPANY: &str = "company";

/// What kind of objects a collection holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// iCalendar objects.
    Calendar,
    /// vCards.
    AddressBook,
    /// Scheduling messages that came for its owner (RFC 6638 section 2.2). Only the server puts objects into it.
    Inbox,
    /// Where a client posts scheduling messages (RFC 6638 section 2.1). It never holds an object.
    Outbox,
    /// All calendars of its owner's home in one. It holds no object: the service makes them when they are read.
    Overview,
    /// Dates that the server takes from other records. It stands in no home of its own: overviews show what is in it.
    Deadlines,
    /// The next steps of its owner's opportunities as tasks. The server makes and takes them; its owner changes and completes them.
    NextSteps,
    /// The call-backs of its owner as events. The server makes and takes them; its owner moves, changes and deletes them.
    CallBacks,
    /// Objects of another collection that the server shows in this one. It holds none of its own, and nobody writes to it.
    Shown,
}

impl Kind {
    /// The number that is kept.
    pub(crate) fn number(self) -> i64 {
        match self {
            Kind::Calendar => 1,
            Kind::AddressBook => 2,
            Kind::Inbox => 3,
            Kind::Outbox => 4,
            Kind::Overview => 5,
            Kind::Deadlines => 6,
            Kind::NextSteps => 7,
            Kind::CallBacks => 8,
            Kind::Shown => 9,
        }
    }

    pub(crate) fn of_number(number: i64) -> Kind {
        match number {
            1 => Kind::Calendar,
            3 => Kind::Inbox,
            4 => Kind::Outbox,
            5 => Kind::Overview,
            6 => Kind::Deadlines,
            7 => Kind::NextSteps,
            8 => Kind::CallBacks,
            9 => Kind::Shown,
            _ => Kind::AddressBook,
        }
    }

    /// Whether the server keeps it for itself: clients neither make nor delete it, nor put new objects into it.
    pub fn is_of_server(self) -> bool {
        self.is_scheduling()
            || matches!(
                self,
                Kind::Overview | Kind::Deadlines | Kind::NextSteps | Kind::CallBacks | Kind::Shown
            )
    }

    /// Whether it is for scheduling messages.
    pub fn is_scheduling(self) -> bool {
        matches!(self, Kind::Inbox | Kind::Outbox)
    }
}

/// A calendar or an address book.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Collection {
    /// Number of its row.
    pub num: i64,
    /// Opaque id (UUIDv7).
    pub id: String,
    /// Login name of its owner, or `COMPANY`.
    pub owner: String,
    /// Last segment of its path.
    pub slug: String,
    /// What it holds.
    pub kind: Kind,
    /// Name for people.
    pub display_name: String,
    /// Text for people.
    pub description: String,
    /// "#RRGGBBAA" or empty.
    pub color: String,
    /// Place in lists.
    pub order: i64,
    /// VTIMEZONE text or IANA name, as the client wrote it; may be empty.
    pub time_zone: String,
    /// Component kinds taken; empty takes all.
    pub components: Vec<String>,
    /// Whether its events are left out of free/busy.
    pub transparent: bool,
    /// Whether it is the one that clients use by default.
    pub is_default: bool,
    /// Its change number: raised by every change of it and of what is in it.
    pub seq: i64,
    /// Oldest number from which a sync can start.
    pub floor_seq: i64,
    /// Number of objects.
    pub object_count: i64,
    /// Number of its own dead properties.
    pub dead_count: i64,
    /// Microseconds UTC.
    pub create_time: i64,
    /// Last change of its properties; microseconds UTC.
    pub update_time: i64,
    /// Number of users and teams that it is shared with.
    pub shares: i64,
    /// Number of dead properties that its objects have together.
    pub object_properties: i64,
    /// Language of `description` (xml:lang), or empty.
    pub description_language: String,
}

impl Collection {
    /// Whether it belongs to the whole company.
    pub fn is_company(&self) -> bool {
        self.owner == COMPANY
    }
}

/// One object. Lists leave `data` empty unless asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// Number of its row and body.
    pub num: i64,
    /// Number of its collection's row.
    pub coll: i64,
    /// Opaque id (UUIDv7), stable as long as the object lives. Typed rows have the same id.
    pub id: String,
    /// Last segment of its path, decoded.
    pub name: String,
    /// Its UID.
    pub uid: String,
    /// 32 hexadecimal digits of the SHA-256 of its bytes.
    pub etag: String,
    /// Schedule tag, or empty.
    pub schedule_tag: String,
    /// "VEVENT", "VTODO", "VCARD", ...
    pub component: String,
    /// Change number of its last change.
    pub seq: i64,
    /// Bytes of its body.
    pub size: i64,
    /// Microseconds UTC.
    pub create_time: i64,
    /// Microseconds UTC.
    pub update_time: i64,
    /// The body, where it was asked for.
    pub data: Bytes,
}

/// Names a collection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// By owner and slug. The slug "company" leads to the company's own collection from every home.
    Path {
        /// Login name of the home's user.
        owner: String,
        /// Last segment of the path.
        slug: String,
    },
    /// By its id.
    Id(String),
}

impl Target {
    /// A target by its path.
    pub fn path(owner: impl Into<String>, slug: impl Into<String>) -> Target {
        Target::Path { owner: owner.into(), slug: slug.into() }
    }

    /// A target by its id.
    pub fn id(id: impl Into<String>) -> Target {
        Target::Id(id.into())
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Target::Path { owner, slug } => write!(f, "collection {owner}/{slug}"),
            Target::Id(id) => write!(f, "collection {id}"),
        }
    }
}

/// Conditions of a write; all that are set must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conditions {
    /// The present ETag is one of these.
    pub if_match: Vec<String>,
    /// The object exists.
    pub if_exists: bool,
    /// The object does not exist.
    pub if_absent: bool,
    /// The present ETag is none of these.
    pub if_none_match: Vec<String>,
    /// The present schedule tag is this; empty asks nothing.
    pub if_schedule_tag: String,
    /// One of these lists holds, each with all its tests; empty asks nothing (RFC 4918 section 10.4).
    pub if_lists: Vec<Vec<Test>>,
}

/// One test of an `If` header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Test {
    /// Turns the result round.
    pub negate: bool,
    /// Looks at the destination of a move.
    pub destination: bool,
    /// What must be so.
    pub state: State,
}

/// What a test asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// The object has this ETag.
    Etag(String),
    /// The collection of this id stood at this change number before the write.
    Sequence(String, i64),
}

/// What stands at a place before a write.
#[derive(Clone, Copy, Debug)]
pub struct Present<'a> {
    /// The collection.
    pub collection: &'a Collection,
    /// Its change number before this write.
    pub seq: i64,
    /// The object, if there is one.
    pub object: Option<&'a Object>,
}

impl Test {
    fn holds(&self, here: Present<'_>, there: Option<Present<'_>>) -> bool {
        let present = if self.destination { there } else { Some(here) };
        let so = present.is_some_and(|present| match &self.state {
            State::Etag(etag) => present.object.is_some_and(|object| object.etag == *etag),
            State::Sequence(id, seq) => present.collection.id == *id && present.seq == *seq,
        });
        so != self.negate
    }
}

impl Conditions {
    /// No condition.
    pub fn none() -> Self {
        Conditions::default()
    }

    /// The object must be as it was when its ETag was read; an empty one asks nothing.
    pub fn etag(etag: &str) -> Self {
        let if_match = if etag.is_empty() { Vec::new() } else { vec![etag.to_owned()] };
        Conditions { if_match, ..Conditions::default() }
    }

    /// The object must be new.
    pub fn absent() -> Self {
        Conditions { if_absent: true, ..Conditions::default() }
    }

    /// Whether they hold, the lists of an `If` header too. `there` is the destination of a move.
    pub fn hold_at(&self, here: Present<'_>, there: Option<Present<'_>>) -> bool {
        let lists = &self.if_lists;
        self.hold(here.object)
            && (lists.is_empty() || lists.iter().any(|list| list.iter().all(|test| test.holds(here, there))))
    }

    /// Whether all but the lists of an `If` header hold for the present object.
    pub fn hold(&self, present: Option<&Object>) -> bool {
        let etag = present.map(|object| object.etag.as_str());
        let tag = present.map_or("", |object| object.schedule_tag.as_str());
        (self.if_match.is_empty() || self.if_match.iter().any(|wanted| Some(wanted.as_str()) == etag))
            && (!self.if_exists || present.is_some())
            && (!self.if_absent || present.is_none())
            && !self.if_none_match.iter().any(|unwanted| Some(unwanted.as_str()) == etag)
            && (self.if_schedule_tag.is_empty() || self.if_schedule_tag == tag)
    }
}

/// What a caller may do with a collection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    /// Read.
    Read,
    /// Read and write objects.
    Write,
    /// Also properties and deletion.
    Owner,
}

/// What the caller may do with a collection; none when it may not even be seen. The only place that decides it. `shared` is what it is
/// shared for with the caller or a team of the caller: see `store::share::access`.
pub(crate) fn access(caller: &Caller, collection: &Collection, shared: Option<Access>) -> Option<Access> {
    if matches!(collection.kind, Kind::Overview | Kind::Deadlines | Kind::Shown) {
        return kept(caller, collection, shared);
    }
    if caller.admin || (!caller.user.is_empty() && caller.user == collection.owner) {
        return Some(Access::Owner);
    }
    if collection.is_company() {
        return Some(Access::Write);
    }
    // A share never makes an owner, and nobody looks into the inbox of another.
    shared.filter(|_| !collection.kind.is_of_server()).map(|shared| shared.min(Access::Write))
}

/// The same for what the server makes of other things: nobody writes to it, not even administrators. Deadlines have the rule of the
/// records that they come from (`Caller::may_read`): owner, team, and everyone when there is neither. What is shown of another collection is open to those it is shared with.
fn kept(caller: &Caller, collection: &Collection, shared: Option<Access>) -> Option<Access> {
    if caller.system {
        return Some(Access::Write);
    }
    let own = !caller.user.is_empty() && caller.user == collection.owner;
    let of_all = match collection.kind {
        Kind::Deadlines => collection.is_company() || shared.is_some(),
        Kind::Shown => shared.is_some(),
        _ => false,
    };
    (caller.admin || own || of_all).then_some(Access::Read)
}
