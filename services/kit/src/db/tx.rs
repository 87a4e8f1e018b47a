//! One write: a connection, the instant of the write, and the events that go out with it.
//! Called by every store's writing functions.

use std::ops::{Deref, DerefMut};

use kontor_proto::r#type::v1::Event;

use super::Conn;
use crate::outbox::NewEvent;

/// A transaction. It is committed when the job returns `Ok`.
pub struct Tx<'a> {
    conn: Conn<'a>,
    now: i64,
    events: Vec<Event>,
    hooks: Vec<Box<dyn FnOnce() + Send>>,
}

impl<'a> Tx<'a> {
    pub(super) fn new(conn: Conn<'a>, now: i64) -> Self {
        Tx { conn, now, events: Vec::new(), hooks: Vec::new() }
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

    #[expect(clippy::type_complexity, reason = "taken apart in one place only")]
    pub(super) fn into_parts(self) -> (Conn<'a>, Vec<Event>, Vec<Box<dyn FnOnce() + Send>>) {
        (self.conn, self.events, self.hooks)
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
