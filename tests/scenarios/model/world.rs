//! The model: collections, objects and shares in memory, and the rules of the DAV documents as plain code. It has no change numbers
//! and no transactions; all it knows of time is a count of changes.
//! Called by the steps, which tell it what a client asks and compare its answer, and by the checks.

use std::collections::BTreeMap;

use bytes::Bytes;
use sha2::{Digest, Sha256};

/// Users of the model, each with the teams that it is in.
pub const USERS: [(&str, &str); 3] = [("sales", "sales"), ("colleague", "sales"), ("neighbour", "support")];
/// Owner and slug of the company's book.
pub const COMPANY: &str = "company";

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Calendar,
    Book,
}

/// Names a collection: kind, owner, slug.
pub type ShelfId = (Kind, String, String);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    Read,
    Write,
    Owner,
}

/// An object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thing {
    pub uid: String,
    pub component: &'static str,
    pub summary: String,
    /// Weeks of a series; 0 for what happens once.
    pub series: usize,
    pub bytes: Bytes,
}

impl Thing {
    /// With its quotes, as docs/dav.md says.
    pub fn etag(&self) -> String {
        let digest = Sha256::digest(&self.bytes);
        let hex: String = digest[..16].iter().map(|byte| format!("{byte:02x}")).collect();
        format!("\"{hex}\"")
    }
}

/// A collection.
#[derive(Clone, Debug, Default)]
pub struct Shelf {
    /// Components taken; empty takes all.
    pub components: Vec<&'static str>,
    pub things: BTreeMap<String, Thing>,
    /// Grantees, and whether they may write.
    pub shares: BTreeMap<String, bool>,
    /// The change of the world that made it.
    pub born: u64,
    /// Grows by each change of it and of what is in it.
    pub version: u64,
    /// The last change of each name, of those that are gone too.
    pub touched: BTreeMap<String, u64>,
    /// Sync token and getctag as the server gave them at `tagged`.
    pub token: String,
    pub ctag: String,
    pub tagged: u64,
}

/// A condition of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    None,
    Match(String),
    MatchAny,
    NoneAny,
    /// `If` with an ETag.
    Tagged(String),
    /// `If` with the sync token of the collection that the object is in.
    Token(String),
}

impl Condition {
    pub fn holds(&self, shelf: &Shelf, present: Option<&Thing>) -> bool {
        match self {
            Condition::None => true,
            Condition::Match(etag) | Condition::Tagged(etag) => {
                present.is_some_and(|thing| thing.etag() == *etag)
            }
            Condition::MatchAny => present.is_some(),
            Condition::NoneAny => present.is_none(),
            Condition::Token(token) => shelf.token == *token,
        }
    }
}

/// A move or a copy.
pub struct Transfer<'a> {
    pub from: &'a ShelfId,
    pub name: &'a str,
    pub to: &'a ShelfId,
    pub to_name: &'a str,
    pub copy: bool,
    pub overwrite: bool,
    pub condition: &'a Condition,
}

/// Everything.
#[derive(Default)]
pub struct World {
    pub shelves: BTreeMap<ShelfId, Shelf>,
    /// Counts changes.
    pub now: u64,
}

impl World {
    /// What every new Kontor has.
    pub fn new() -> World {
        let mut world = World::default();
        for (user, _) in USERS {
            world.found(&(Kind::Calendar, user.into(), "work".into()), &["VEVENT", "VTODO"]);
            world.found(&(Kind::Book, user.into(), "contacts".into()), &[]);
        }
        world.found(&(Kind::Book, COMPANY.into(), COMPANY.into()), &[]);
        world
    }

    fn found(&mut self, id: &ShelfId, components: &[&'static str]) {
        self.now += 1;
        let shelf =
            Shelf { components: components.to_vec(), born: self.now, version: self.now, ..Shelf::default() };
        self.shelves.insert(id.clone(), shelf);
    }

    pub fn access(&self, user: &str, id: &ShelfId) -> Option<Access> {
        let shelf = self.shelves.get(id)?;
        if id.1 == user {
            return Some(Access::Owner);
        }
        if id.1 == COMPANY {
            return Some(Access::Write);
        }
        let team = USERS.iter().find(|(name, _)| *name == user).map_or("", |(_, team)| team);
        let grants = [format!("users/{user}"), format!("teams/{team}")];
        let level = grants.iter().filter_map(|grantee| shelf.shares.get(grantee)).max()?;
        Some(if *level { Access::Write } else { Access::Read })
    }

    pub fn may_write(&self, user: &str, id: &ShelfId) -> bool {
        self.access(user, id) >= Some(Access::Write)
    }

    /// The object, if the user may see it.
    pub fn see(&self, user: &str, id: &ShelfId, name: &str) -> Option<&Thing> {
        self.access(user, id)?;
        self.shelves.get(id)?.things.get(name)
    }

    fn shelf(&mut self, id: &ShelfId) -> &mut Shelf {
        self.shelves.get_mut(id).expect("the rules looked before")
    }

    /// Something of the collection changed; `name` is the object that did.
    pub fn touch(&mut self, id: &ShelfId, name: Option<&str>) {
        self.now += 1;
        let now = self.now;
        let shelf = self.shelf(id);
        shelf.version = now;
        if let Some(name) = name {
            shelf.touched.insert(name.to_owned(), now);
        }
    }

    /// Puts an object into its place, whatever stood there.
    pub fn place(&mut self, id: &ShelfId, name: &str, thing: Thing) {
        self.shelf(id).things.insert(name.to_owned(), thing);
        self.touch(id, Some(name));
    }

    pub fn take(&mut self, id: &ShelfId, name: &str) {
        self.shelf(id).things.remove(name);
        self.touch(id, Some(name));
    }

    /// PUT: the status that it must have; the object is in its place after a success.
    pub fn put(
        &mut self,
        user: &str,
        id: &ShelfId,
        name: &str,
        body: Option<&Thing>,
        condition: &Condition,
    ) -> u16 {
        let Some(thing) = body else { return 403 };
        match self.access(user, id) {
            None => return 409,
            Some(Access::Read) => return 403,
            Some(Access::Write | Access::Owner) => {}
        }
        let shelf = &self.shelves[id];
        let old = shelf.things.get(name);
        if !takes(shelf, thing.component) {
            return 403;
        }
        if !condition.holds(shelf, old) {
            return 412;
        }
        if self.holder(id, name, &thing.uid).is_some() || old.is_some_and(|old| old.uid != thing.uid) {
            return 409;
        }
        let status = if old.is_some() { 204 } else { 201 };
        self.place(id, name, thing.clone());
        status
    }

    pub fn delete(&mut self, user: &str, id: &ShelfId, name: &str, condition: &Condition) -> u16 {
        match self.access(user, id) {
            None => return 404,
            Some(Access::Read) => return 403,
            Some(Access::Write | Access::Owner) => {}
        }
        let shelf = &self.shelves[id];
        let Some(old) = shelf.things.get(name) else { return 404 };
        if !condition.holds(shelf, Some(old)) {
            return 412;
        }
        self.take(id, name);
        204
    }

    /// COPY and MOVE (RFC 4918 sections 9.8 and 9.9), with what docs/dav.md says of them.
    pub fn transfer(&mut self, user: &str, plan: &Transfer<'_>) -> u16 {
        if plan.from.0 != plan.to.0 {
            return 403;
        }
        let Some(source) = self.see(user, plan.from, plan.name).cloned() else { return 404 };
        if self.access(user, plan.to).is_none() {
            return 409;
        }
        if !self.may_write(user, plan.to) || (!plan.copy && !self.may_write(user, plan.from)) {
            return 403;
        }
        if plan.from == plan.to && plan.name == plan.to_name {
            return 403;
        }
        let (from, to) = (&self.shelves[plan.from], &self.shelves[plan.to]);
        let old = to.things.get(plan.to_name);
        if !plan.condition.holds(from, Some(&source)) || (old.is_some() && !plan.overwrite) {
            return 412;
        }
        if !takes(to, source.component) {
            return 403;
        }
        let itself = !plan.copy && plan.from == plan.to;
        let holder = self.holder(plan.to, plan.to_name, &source.uid);
        if holder.is_some_and(|holder| !(itself && holder == plan.name)) {
            return 409;
        }
        // A partner does not leave the company's book.
        if !plan.copy && plan.from != plan.to && plan.from.1 == COMPANY {
            return 403;
        }
        let status = if old.is_some() { 204 } else { 201 };
        if !plan.copy {
            self.take(plan.from, plan.name);
        }
        self.place(plan.to, plan.to_name, source);
        status
    }

    /// The name of another object that has the UID.
    pub fn holder(&self, id: &ShelfId, name: &str, uid: &str) -> Option<&str> {
        let things = &self.shelves[id].things;
        things
            .iter()
            .find(|(other, thing)| *other != name && thing.uid == uid)
            .map(|(other, _)| other.as_str())
    }

    /// MKCALENDAR and MKCOL in the home of the owner that `id` names.
    pub fn make(&mut self, user: &str, id: &ShelfId, components: &[&'static str]) -> u16 {
        if user != id.1 {
            return 403;
        }
        if self.shelves.contains_key(id) {
            return 405;
        }
        self.found(id, components);
        201
    }

    /// DELETE of a collection: who has it by a share leaves the share.
    pub fn remove(&mut self, user: &str, id: &ShelfId) -> u16 {
        match self.access(user, id) {
            None => return 404,
            Some(_) if id.1 == COMPANY => return 403,
            Some(Access::Owner) => {
                self.shelves.remove(id);
                self.now += 1;
            }
            Some(Access::Read | Access::Write) => {
                if self.shelf(id).shares.remove(&format!("users/{user}")).is_none() {
                    return 403;
                }
            }
        }
        204
    }

    /// Collections that stand in a user's home.
    pub fn home(&self, user: &str, kind: Kind) -> Vec<ShelfId> {
        let all = self.shelves.keys().filter(|id| id.0 == kind && self.access(user, id).is_some());
        all.cloned().collect()
    }
}

fn takes(shelf: &Shelf, component: &str) -> bool {
    shelf.components.is_empty() || shelf.components.contains(&component)
}
