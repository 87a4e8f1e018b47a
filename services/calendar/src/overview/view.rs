//! Which calendars an overview shows: those that stand in its user's home, call-backs among them, and the deadlines that the user may see.
//! Called by the server in mod.rs. Nothing is kept of it, so nothing can leak or grow stale.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use kontor_collection::store::collection;
use kontor_collection::{Collection, Kind, Object, Target};
use kontor_kit::auth::Caller;
use kontor_kit::clock::{from_proto, to_proto};
use kontor_kit::db::Conn;
use kontor_kit::{Error, Result};
use kontor_proto::collection::v1 as proto;

use crate::domain::overview::token::{self, At, Part};
use crate::domain::overview::{About, Kind as Held, Look, Name, split};
use crate::events::OVERVIEW_SLUG;
use crate::store::{overview, people};

/// The component that overviews are made of.
pub(super) const COMPONENT: &str = "VEVENT";

/// A calendar in an overview.
pub(super) struct Member {
    pub collection: Collection,
    pub look: Look,
}

/// By the place of their calendar: names in the overview, and what they stand for.
pub(super) type LongNames = HashMap<usize, HashMap<String, String>>;

/// An overview at one moment.
pub(super) struct View {
    /// Its own row.
    pub row: Collection,
    /// In the order of their keys.
    pub members: Vec<Member>,
    digest: String,
}

impl View {
    /// Reads it as the caller sees it.
    ///
    /// # Errors
    /// NOT_FOUND when there is none, or it is somebody else's.
    pub fn read(conn: &mut Conn<'_>, caller: &Caller, owner: &str) -> Result<View> {
        let mut row = None;
        let mut found = HashMap::new();
        for (it, _) in collection::home(conn, caller, owner)? {
            if it.kind == Kind::Overview {
                row = Some(it);
            } else if held(it.kind).is_some() && takes_events(&it.components) {
                found.insert(it.id.clone(), it);
            }
        }
        let row = row.ok_or_else(|| Error::not_found(Target::path(owner, OVERVIEW_SLUG)))?;
        let mut parts: Vec<Part> = found.values().map(part).collect();
        token::sort(&mut parts);
        let digest = token::digest(&row.id, &parts);
        let mut emails = HashMap::new();
        let mut members = Vec::with_capacity(parts.len());
        for collection in parts.iter().filter_map(|part| found.remove(&part.id)) {
            let owner = &collection.owner;
            let kind = held(collection.kind).unwrap_or(Held::Meeting);
            // Only meetings have guests.
            if kind == Held::Meeting && !emails.contains_key(owner) {
                emails.insert(owner.clone(), people::get(conn, owner)?.email);
            }
            let look = Look::new(About {
                id: &collection.id,
                owner,
                email: emails.get(owner).filter(|_| kind == Held::Meeting).map_or("", String::as_str),
                color: &collection.color,
                kind,
            });
            members.push(Member { collection, look });
        }
        Ok(View { row, members, digest })
    }

    /// How far a program is with each calendar, from its token; the start of all when it has none.
    ///
    /// # Errors
    /// FAILED_PRECONDITION with reason VALID_SYNC_TOKEN when calendars came or went since, or one looks otherwise.
    pub fn progress(&self, id: &str, since: i64) -> Result<Vec<At>> {
        if since == -1 && id.is_empty() {
            return Ok(vec![At { seq: -1, first_until: 0 }; self.members.len()]);
        }
        token::read(id, since, &self.digest, self.members.len()).ok_or_else(|| {
            Error::precondition(
                "VALID_SYNC_TOKEN",
                "this sync token is of another state: sync from the start",
            )
        })
    }

    /// Id and change number of a state.
    pub fn token(&self, all: &[At]) -> (String, i64) {
        token::write(&self.digest, all)
    }

    /// The calendar and the name in it that a name in the overview leads to. `long` keeps what was looked up for names that are told by
    /// their hash.
    pub fn locate(
        &self,
        conn: &mut Conn<'_>,
        long: &mut LongNames,
        name: &str,
    ) -> Result<Option<(usize, String)>> {
        let Some((key, rest)) = split(name) else { return Ok(None) };
        let Ok(at) = self.members.binary_search_by(|member| member.look.key().cmp(key)) else {
            return Ok(None);
        };
        if let Name::Plain(rest) = rest {
            return Ok(Some((at, rest.to_owned())));
        }
        if let Entry::Vacant(place) = long.entry(at) {
            let member = &self.members[at];
            let names = overview::long_names(conn, member.collection.num)?;
            let told = names.into_iter().map(|long| (member.look.name(&long), long));
            place.insert(told.filter(|(told, _)| matches!(split(told), Some((_, Name::Hashed)))).collect());
        }
        Ok(long.get(&at).and_then(|names| names.get(name)).map(|long| (at, long.clone())))
    }
}

impl Member {
    /// An object as the overview tells it; with its body when that was read.
    pub fn tell(&self, object: Object) -> proto::Object {
        let data = if object.data.is_empty() { None } else { self.look.show(&object.id, &object.data) };
        self.tell_shown(object, data.unwrap_or_default().into())
    }

    /// The same with the text that it has in the overview; empty without one.
    pub fn tell_shown(&self, object: Object, data: bytes::Bytes) -> proto::Object {
        proto::Object {
            name: self.look.name(&object.name),
            etag: self.look.etag(&object.id, &object.etag),
            sequence: object.seq,
            size: i64::try_from(data.len()).unwrap_or(i64::MAX),
            component: object.component,
            update_time: Some(to_proto(object.update_time)),
            data,
            missing: false,
            schedule_tag: String::new(),
            dead_properties: Vec::new(),
            create_time: Some(to_proto(object.create_time)),
        }
    }
}

/// One that is not there.
pub(super) fn missing(name: String, sequence: i64) -> proto::Object {
    proto::Object { name, sequence, missing: true, ..proto::Object::default() }
}

/// A home as clients see it: what only overviews show is taken out, and the overview says how far its calendars are. From the rows that
/// were read anyway, for clients poll their homes all day.
pub(super) fn put_into_home(home: &mut Vec<proto::Collection>) {
    use proto::CollectionKind as Kind;
    if let Some(at) = home.iter().position(|it| it.kind() == Kind::Overview) {
        let is_member = |it: &&proto::Collection| {
            matches!(it.kind(), Kind::Calendar | Kind::Deadlines | Kind::CallBacks)
                && takes_events(&it.components)
        };
        let mut parts: Vec<Part> = home
            .iter()
            .filter(is_member)
            .map(|it| Part {
                id: it.id.clone(),
                color: it.color.clone(),
                update_time: it.update_time.as_ref().map_or(0, from_proto),
                seq: it.sequence,
            })
            .collect();
        token::sort(&mut parts);
        stamp(&mut home[at], &parts);
    }
    home.retain(|it| it.kind() != Kind::Deadlines);
}

/// The same for the overview alone.
pub(super) fn stamp_of(it: &mut proto::Collection, view: &View) {
    let parts: Vec<Part> = view.members.iter().map(|member| part(&member.collection)).collect();
    stamp(it, &parts);
    it.object_count = view.members.iter().map(|member| member.collection.object_count).sum();
}

fn stamp(it: &mut proto::Collection, parts: &[Part]) {
    let digest = token::digest(&it.id, parts);
    let all: Vec<At> = parts.iter().map(|part| At { seq: part.seq, first_until: 0 }).collect();
    (it.id, it.sequence) = token::write(&digest, &all);
}

fn part(it: &Collection) -> Part {
    Part { id: it.id.clone(), color: it.color.clone(), update_time: it.update_time, seq: it.seq }
}

/// What the events of such a collection are in an overview; none when it stands in none.
pub(crate) fn held(kind: Kind) -> Option<Held> {
    match kind {
        Kind::Calendar => Some(Held::Meeting),
        Kind::Deadlines => Some(Held::Deadline),
        Kind::CallBacks => Some(Held::CallBack),
        _ => None,
    }
}

fn takes_events(components: &[String]) -> bool {
    components.is_empty() || components.iter().any(|name| name == COMPONENT)
}
