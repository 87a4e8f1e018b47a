//! One write: a connection, the instant of the write, the events that go out with it, and what the audit keeps of it.
//! Called by every store's writing functions.

use std::ops::{Deref, DerefMut};

use kontor_proto::r#type::v1::Event;

use super::Conn;
use crate::audit::{Book, Entry, Pending, Who};
use crate::outbox::NewEvent;

/// A transaction. It is committed when the job returns `Ok`.
pub struct Tx<'a> {
    conn: Conn<'a>,
    now: i64,
    events: Vec<Event>,
    hooks: Vec<Box<dyn FnOnce() + Send>>,
    book: Book,
}

/// What a write leaves behind for the end of the transaction.
#[derive(Default)]
pub(super) struct Left {
    pub(super) events: Vec<Event>,
    pub(super) hooks: Vec<Box<dyn FnOnce() + Send>>,
    pub(super) entries: Vec<Pending>,
}

impl<'a> Tx<'a> {
    pub(super) fn new(conn: Conn<'a>, now: i64, who: Who) -> Self {
        Tx { conn, now, events: Vec::new(), hooks: Vec::new(), book: Book::new(who, now) }
    }

    /// The instant of this write: microseconds since 1970 UTC.
    pub fn now(&self) -> i64 {
        self.now
    }

    /// Puts an event into the outbox. It is there exactly when the write is.
    pub fn publish(&mut self, event: NewEvent) {
        self.events.push(event.seal(self.now));
    }

    /// Runs after the commit, before the caller is answered: for caches that the writer keeps true.
    pub fn on_commit(&mut self, hook: impl FnOnce() + Send + 'static) {
        self.hooks.push(Box::new(hook));
    }

    /// Puts an entry into the audit, where `kit::resource` does not do it. It is there exactly when the write is. An update that changed no
    /// field is none, and several entries about one record become one.
    pub fn audit(&mut self, entry: Entry) {
        self.book.keep(entry);
    }

    /// Says who acts from here on. Only for work that no request and no event brought, but someone: both are known.
    pub fn act_as(&mut self, who: Who) {
        self.book.act_as(who);
    }

    /// Says whose doing this is ("users/{user}", "connectors/{connector}"); what brought it stays.
    pub fn act_for(&mut self, actor: &str) {
        self.book.act_for(actor);
    }

    pub(crate) fn erase_audit(&mut self, subject: &str) {
        self.book.erase(subject);
    }

    pub(super) fn into_parts(self) -> (Conn<'a>, Left) {
        let left = Left { events: self.events, hooks: self.hooks, entries: self.book.close() };
        (self.conn, left)
    }
}

impl<'a> Deref for Tx<'a> {
    type Target = Conn<'a>;
    fn deref(&self) -> &Conn<'a> {
        &self.conn
    }
}

impl<'a> DerefMut for Tx<'a> {
    fn deref_mut(&mut self) -> &mut Conn<'a> {
        &mut self.conn
    }
}
