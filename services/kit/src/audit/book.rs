//! The entries of one transaction, before they are sealed: one for each record and cause, however often it is written.
//! Owned by `Tx`.

use std::collections::HashMap;

use super::{Action, Entry, Who};
use crate::auth::Guard;

/// An entry that waits for its place in the chain.
#[derive(Clone, Debug)]
pub(crate) struct Pending {
    pub(super) time: i64,
    pub(super) who: Who,
    pub(super) entry: Entry,
    /// An erasure in the same commit took its values.
    pub(super) erased: bool,
}

/// The entries of a transaction.
pub(crate) struct Book {
    who: Who,
    time: i64,
    entries: Vec<Pending>,
    /// The last entry about each subject.
    last: HashMap<String, usize>,
    erased: Vec<String>,
}

impl Book {
    pub(crate) fn new(who: Who, time: i64) -> Book {
        Book { who, time, entries: Vec::new(), last: HashMap::new(), erased: Vec::new() }
    }

    pub(crate) fn act_as(&mut self, who: Who) {
        self.who = who;
    }

    pub(crate) fn act_for(&mut self, actor: &str) {
        if *self.who.actor != *actor {
            self.who.actor = actor.into();
        }
    }

    pub(crate) fn erase(&mut self, subject: &str) {
        self.erased.push(subject.to_owned());
    }

    /// Keeps an entry. A record that is written twice in one transaction has one entry, from its first value to its last.
    pub(crate) fn keep(&mut self, entry: Entry) {
        let last = self.last.get(&entry.subject).and_then(|at| self.entries.get_mut(*at));
        match last {
            Some(last) if last.who == self.who && last.entry.takes(&entry) => {
                last.entry.go_on(entry);
            }
            _ => {
                self.last.insert(entry.subject.clone(), self.entries.len());
                self.entries.push(Pending { time: self.time, who: self.who.clone(), entry, erased: false });
            }
        }
    }

    /// All that tells something, in order; erasures last, for they take the values of what stands before them.
    pub(crate) fn close(self) -> Vec<Pending> {
        let Book { who, time, entries, erased, .. } = self;
        let erasures = erased.into_iter().map(|subject| Pending {
            time,
            who: who.clone(),
            entry: Entry::new(Action::Erase, subject, &Guard::administrators()),
            erased: false,
        });
        entries.into_iter().filter(|pending| !pending.entry.is_empty()).chain(erasures).collect()
    }
}

impl Entry {
    /// Whether a later one can be told with it: for the same readers, and without a beginning or an end in between.
    fn takes(&self, later: &Entry) -> bool {
        let one_after_other = matches!(
            (self.action, later.action),
            (Action::Create | Action::Update, Action::Update)
                | (Action::Update | Action::Delete, Action::Delete)
        );
        one_after_other && self.guard == later.guard
    }

    fn go_on(&mut self, later: Entry) {
        for field in later.fields {
            match self.fields.iter_mut().find(|known| known.name == field.name) {
                Some(known) => known.new = field.new,
                None => self.fields.push(field),
            }
        }
        // A secret that changed has the same value twice, and has changed.
        self.fields.retain(|field| field.old != field.new || field.old == super::SECRET);
        self.action = if later.action == Action::Delete { Action::Delete } else { self.action };
        if !later.partner.is_empty() {
            self.partner = later.partner;
        }
    }
}
