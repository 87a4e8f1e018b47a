//! Paths of the DAV tree: from a request's path or an href to a place, and from a place to an href.
//! Called by every method and report.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::limits;

/// What stays as it is in an href: RFC 3986's unreserved characters, and those that clients leave alone too.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'@')
    .remove(b':')
    .remove(b'(')
    .remove(b')');

/// Where the tree begins.
pub const ROOT: &str = "/dav/";
/// Users and teams.
pub const PRINCIPALS: &str = "/dav/principals/";
/// Where the users are.
pub const USERS: &str = "/dav/principals/users/";
/// Where the teams are.
pub const TEAMS: &str = "/dav/principals/teams/";

/// What stands behind a collection's path in the address for new members (RFC 5995).
pub const ADD_MEMBER: &str = "?add-member";

/// Calendars or address books.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// `/dav/calendars/`
    Calendar,
    /// `/dav/addressbooks/`
    Book,
}

impl Kind {
    /// The path above the homes.
    pub fn homes(self) -> &'static str {
        match self {
            Kind::Calendar => "/dav/calendars/",
            Kind::Book => "/dav/addressbooks/",
        }
    }
}

/// A resource by its path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// `/` or `/dav/`
    Root,
    /// `/dav/principals/`
    Principals,
    /// `/dav/principals/users/`
    Users,
    /// `/dav/principals/users/{user}/`
    Principal(String),
    /// `/dav/principals/teams/`
    Teams,
    /// `/dav/principals/teams/{team}/`
    Team(String),
    /// `/dav/calendars/` or `/dav/addressbooks/`
    Homes(Kind),
    /// One user's home.
    Home(Kind, String),
    /// A calendar or an address book.
    Collection(Location),
    /// An object by its name.
    Object(Location, String),
}

/// Where a collection stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// Calendar or address book.
    pub kind: Kind,
    /// In whose home the path leads.
    pub home: String,
    /// Whose collection it is. Another user than `home` when it is shared.
    pub owner: String,
    /// Last segment in the owner's home.
    pub slug: String,
}

/// Between owner and slug in the name of a shared collection. Apple's clients honour one home only, so what others share
/// stands in it as `{owner}~{slug}`. A login name never holds this character.
const SHARED: char = '~';

/// Owner and slug of the collection that belongs to the whole company. The services know it under every home.
pub const COMPANY: &str = "company";

/// Owner of what the server shows to teams, books of segments among it. The services know it under every home, by slugs that begin with `SHOWN`.
pub const NOBODY: &str = "~";

/// How the slug of a book of a segment begins.
const SHOWN: &str = "~segment-";

/// Slug of the unified calendar in every home of calendars. Nobody writes to it.
const OVERVIEW: &str = "overview";

impl Location {
    /// Whether it is a unified calendar.
    pub fn is_overview(&self) -> bool {
        self.kind == Kind::Calendar && self.slug == OVERVIEW
    }

    /// A collection of this home, as the service lists it.
    pub fn new(kind: Kind, home: &str, owner: &str, slug: &str) -> Self {
        let owner = if owner == COMPANY || owner == NOBODY { home } else { owner };
        Location { kind, home: home.to_owned(), owner: owner.to_owned(), slug: slug.to_owned() }
    }

    fn of_segment(kind: Kind, home: String, segment: String) -> Self {
        match segment.split_once(SHARED) {
            Some((owner, slug)) if is_login(owner) && !slug.is_empty() && owner != home => {
                Location { kind, owner: owner.to_owned(), slug: slug.to_owned(), home }
            }
            _ => Location { kind, owner: home.clone(), slug: segment, home },
        }
    }

    /// Percent-encoded, with the slash at the end.
    pub fn href(&self) -> String {
        let slug = encode(&self.slug);
        if self.owner == self.home {
            format!("{}{}/{slug}/", self.kind.homes(), encode(&self.home))
        } else {
            format!("{}{}/{}{SHARED}{slug}/", self.kind.homes(), encode(&self.home), encode(&self.owner))
        }
    }

    /// Href of the owner's principal; `None` for the company's collection, which no user owns.
    pub fn owner_href(&self) -> Option<String> {
        (self.slug != COMPANY && !self.is_shown()).then(|| principal(&self.owner))
    }

    /// Whether it shows what is in another one. Nobody writes to it, and no user owns it.
    pub fn is_shown(&self) -> bool {
        self.slug.starts_with(SHOWN)
    }

    /// Whether it belongs to the whole company.
    pub fn is_company(&self) -> bool {
        self.slug == COMPANY
    }

    /// Whether a new collection may have this slug: it must come back as the same path.
    pub fn is_own(&self) -> bool {
        self.owner == self.home
    }
}

/// Why a path leads nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lost {
    /// There is no such place: 404.
    Nowhere,
    /// It holds something that no path holds: 400.
    Malformed,
}

impl Place {
    /// Reads a request's path or the path of an href. Takes what is not percent-encoded as it stands, passes over
    /// doubled slashes, and needs no slash at the end.
    pub fn parse(path: &str) -> Result<Place, Lost> {
        let mut segments = Vec::with_capacity(5);
        for raw in path.split('/').filter(|segment| !segment.is_empty()) {
            if segments.len() == 5 {
                return Err(Lost::Nowhere);
            }
            segments.push(decode(raw)?);
        }
        Place::of(segments)
    }

    /// Reads an href: an address with scheme and host, or a path.
    pub fn of_href(href: &str) -> Result<Place, Lost> {
        let path = match href.split_once("://") {
            Some((scheme, rest)) if scheme.chars().all(|c| c.is_ascii_alphanumeric()) => {
                rest.find('/').map_or("", |at| &rest[at..])
            }
            _ => href,
        };
        Place::parse(path)
    }

    fn of(segments: Vec<String>) -> Result<Place, Lost> {
        let mut rest = segments.into_iter();
        let mut next = || rest.next();
        match next().as_deref() {
            None => return Ok(Place::Root),
            Some("dav") => {}
            Some(_) => return Err(Lost::Nowhere),
        }
        let kind = match next().as_deref() {
            None => return Ok(Place::Root),
            Some("calendars") => Kind::Calendar,
            Some("addressbooks") => Kind::Book,
            Some("principals") => {
                return match (next().as_deref(), next(), next()) {
                    (None, ..) => Ok(Place::Principals),
                    (Some("users"), None, _) => Ok(Place::Users),
                    (Some("users"), Some(user), None) => Ok(Place::Principal(user)),
                    (Some("teams"), None, _) => Ok(Place::Teams),
                    (Some("teams"), Some(team), None) => Ok(Place::Team(team)),
                    _ => Err(Lost::Nowhere),
                };
            }
            Some(_) => return Err(Lost::Nowhere),
        };
        Ok(match (next(), next(), next()) {
            (None, ..) => Place::Homes(kind),
            (Some(home), None, _) => Place::Home(kind, home),
            (Some(home), Some(slug), None) => Place::Collection(Location::of_segment(kind, home, slug)),
            (Some(home), Some(slug), Some(name)) => {
                Place::Object(Location::of_segment(kind, home, slug), name)
            }
        })
    }

    /// Its href: percent-encoded, with a slash at the end of everything but an object.
    pub fn href(&self) -> String {
        match self {
            Place::Root => ROOT.to_owned(),
            Place::Principals => PRINCIPALS.to_owned(),
            Place::Users => USERS.to_owned(),
            Place::Principal(user) => principal(user),
            Place::Teams => TEAMS.to_owned(),
            Place::Team(team) => self::team(team),
            Place::Homes(kind) => kind.homes().to_owned(),
            Place::Home(kind, user) => home(*kind, user),
            Place::Collection(location) => location.href(),
            Place::Object(location, name) => location.href() + &encode(name),
        }
    }

    /// Whose tree it is in, for the words of an error.
    pub fn kind(&self) -> Option<Kind> {
        match self {
            Place::Homes(kind) | Place::Home(kind, _) => Some(*kind),
            Place::Collection(location) | Place::Object(location, _) => Some(location.kind),
            _ => None,
        }
    }
}

/// Href of a user.
pub fn principal(user: &str) -> String {
    format!("{USERS}{}/", encode(user))
}

/// Href of a team.
pub fn team(team: &str) -> String {
    format!("{TEAMS}{}/", encode(team))
}

/// Href of a user or a team by the name that the services give them: "users/{user}" or "teams/{team}".
pub fn grantee(name: &str) -> String {
    match name.split_once('/') {
        Some(("teams", team)) => self::team(team),
        Some((_, user)) => principal(user),
        None => principal(name),
    }
}

/// Href of a user's calendars or address books.
pub fn home(kind: Kind, user: &str) -> String {
    format!("{}{}/", kind.homes(), encode(user))
}

/// Percent-encodes one segment.
pub fn encode(segment: &str) -> Cow<'_, str> {
    utf8_percent_encode(segment, SEGMENT).into()
}

/// Percent-encodes one segment on to the end of a buffer.
pub fn encode_onto(segment: &str, out: &mut super::xml::Writer) {
    // Most names are plain.
    if segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_')) {
        return out.ready(segment.as_bytes());
    }
    for piece in utf8_percent_encode(segment, SEGMENT) {
        // None of the characters that stay or come in needs escaping in XML.
        out.ready(piece.as_bytes());
    }
}

fn decode(raw: &str) -> Result<String, Lost> {
    let segment =
        percent_encoding::percent_decode_str(raw).decode_utf8().map_err(|_| Lost::Malformed)?.into_owned();
    if segment == "." || segment == ".." || segment.chars().any(char::is_control) {
        return Err(Lost::Malformed);
    }
    // XML has no way to write these two, and a segment with a slash would come back as two.
    if segment.contains(['/', '\u{FFFE}', '\u{FFFF}']) || segment.len() > limits::SEGMENT_BYTES {
        return Err(Lost::Nowhere);
    }
    Ok(segment)
}

fn is_login(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-'))
}
