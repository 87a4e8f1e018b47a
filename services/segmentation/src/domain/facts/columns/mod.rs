//! The facts of all partners in columns, by the partners' numbers: a scan of a million runs over some dozen megabytes.
//! Called by the scan and by the membership engine.

pub(crate) mod bits;
pub(crate) mod cells;
pub(crate) mod narrow;
pub(crate) mod table;
mod words;

use std::collections::{BTreeMap, BTreeSet};

use bits::Bits;
use cells::Cells;
use table::Table;

use super::{Call, Facts, Field, FieldSet, List, Mail, Opportunity, Partner, Purchase, Texts, Value, Visit};
use crate::domain::rule::one::Source;

/// A part of a partner's facts that is replaced as a whole.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "one lives for a call, in a list of a few")]
pub enum Change {
    /// The plain fields.
    Partner(Partner),
    /// Tags, e-mail addresses or numbers.
    Texts(Texts, BTreeSet<String>),
    /// Deals.
    Opportunities(Vec<Opportunity>),
    /// Calls.
    Calls(Vec<Call>),
    /// Sales and refunds.
    Purchases(Vec<Purchase>),
    /// Mails.
    Mails(Vec<Mail>),
    /// Visits.
    Visits(Vec<Visit>),
    /// Answers.
    Answers(BTreeMap<String, BTreeSet<String>>),
}

/// Facts of all partners.
#[derive(Debug)]
pub struct Columns {
    present: Bits,
    plain: Vec<Cells>,
    texts: [Table; Texts::ALL.len()],
    lists: [Table; List::ALL.len()],
    answers: Table,
}

impl Default for Columns {
    fn default() -> Columns {
        Columns {
            present: Bits::default(),
            plain: Partner::COLUMNS.iter().map(Cells::of).collect(),
            texts: Texts::ALL.map(|_| Table::new(vec![Cells::texts()])),
            lists: List::ALL.map(|list| Table::new(list.columns().iter().map(Cells::of).collect())),
            answers: Table::new(vec![Cells::texts(), Cells::texts()]),
        }
    }
}

impl Columns {
    /// One more than the highest number of a partner.
    pub fn len(&self) -> usize {
        self.present.len()
    }

    /// Whether there never was a partner.
    pub fn is_empty(&self) -> bool {
        self.present.len() == 0
    }

    /// Whether there are facts of a partner.
    pub fn has(&self, ord: u32) -> bool {
        self.present.get(ord as usize)
    }

    /// Takes over all facts of a partner. Answers the fields that are not as before.
    pub fn put(&mut self, ord: u32, facts: &Facts) -> FieldSet {
        self.arrive(ord);
        let mut changed = self.put_plain(ord, &facts.partner);
        for texts in Texts::ALL {
            changed = changed.union(self.put_texts(ord, texts, facts.texts(texts)));
        }
        for list in List::ALL {
            let count = facts.count(list);
            changed =
                changed.union(self.put_list(ord, list, count, |at, column| facts.record(list, at, column)));
        }
        changed.union(self.put_answers(ord, &facts.answers))
    }

    /// Takes over a part of a partner's facts. Answers the fields that are not as before.
    pub fn change(&mut self, ord: u32, change: &Change) -> FieldSet {
        self.arrive(ord);
        match change {
            Change::Partner(partner) => self.put_plain(ord, partner),
            Change::Texts(texts, items) => self.put_texts(ord, *texts, items),
            Change::Opportunities(all) => {
                self.put_list(ord, List::Opportunities, all.len(), |at, column| all[at].value(column))
            }
            Change::Calls(all) => {
                self.put_list(ord, List::Calls, all.len(), |at, column| all[at].value(column))
            }
            Change::Purchases(all) => {
                self.put_list(ord, List::Purchases, all.len(), |at, column| all[at].value(column))
            }
            Change::Mails(all) => {
                self.put_list(ord, List::Mails, all.len(), |at, column| all[at].value(column))
            }
            Change::Visits(all) => {
                self.put_list(ord, List::Visits, all.len(), |at, column| all[at].value(column))
            }
            Change::Answers(answers) => self.put_answers(ord, answers),
        }
    }

    /// Forgets a partner.
    pub fn remove(&mut self, ord: u32) {
        if self.has(ord) {
            self.put(ord, &Facts::default());
            self.present.set(ord as usize, false);
        }
    }

    /// Gives back memory that was taken in advance, after many partners were put.
    pub fn shrink(&mut self) {
        self.plain.iter_mut().for_each(Cells::shrink);
        self.texts.iter_mut().chain(&mut self.lists).for_each(Table::shrink);
        self.answers.shrink();
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        let plain: usize = self.plain.iter().map(Cells::bytes).sum();
        let tables: usize = self.texts.iter().chain(&self.lists).map(Table::bytes).sum();
        self.present.bytes() + plain + tables + self.answers.bytes()
    }

    pub(crate) fn present(&self) -> &Bits {
        &self.present
    }

    pub(crate) fn plain(&self, column: usize) -> &Cells {
        &self.plain[column]
    }

    pub(crate) fn texts(&self, texts: Texts) -> &Table {
        &self.texts[texts as usize]
    }

    pub(crate) fn list(&self, list: List) -> &Table {
        &self.lists[list as usize]
    }

    /// Questions in the first column, choices in the second one.
    pub(crate) fn answers(&self) -> &Table {
        &self.answers
    }

    /// One partner's facts.
    pub(crate) fn partner(&self, ord: u32) -> View<'_> {
        View { columns: self, ord: ord as usize }
    }

    fn arrive(&mut self, ord: u32) {
        let ord = ord as usize;
        if ord >= self.present.len() {
            self.plain.iter_mut().for_each(|cells| cells.grow(ord + 1));
        }
        self.present.set(ord, true);
    }

    fn put_plain(&mut self, ord: u32, partner: &Partner) -> FieldSet {
        let mut changed = FieldSet::default();
        for (column, cells) in self.plain.iter_mut().enumerate() {
            let value = partner.value(column);
            if cells.get(ord as usize) != value {
                cells.set(ord as usize, value);
                changed.insert(Field::Plain(column as u8));
            }
        }
        changed
    }

    fn put_texts(&mut self, ord: u32, texts: Texts, items: &BTreeSet<String>) -> FieldSet {
        let items: Vec<&String> = items.iter().collect();
        let changed =
            self.texts[texts as usize].put(ord as usize, items.len(), |at, _| Value::Text(items[at]));
        one(changed, Field::Texts(texts))
    }

    fn put_list<'v>(
        &mut self,
        ord: u32,
        list: List,
        count: usize,
        value: impl Fn(usize, usize) -> Value<'v>,
    ) -> FieldSet {
        one(self.lists[list as usize].put(ord as usize, count, value), Field::List(list))
    }

    fn put_answers(&mut self, ord: u32, answers: &BTreeMap<String, BTreeSet<String>>) -> FieldSet {
        let given = answers
            .iter()
            .flat_map(|(question, choices)| choices.iter().map(move |choice| [question, choice]));
        let given: Vec<[&String; 2]> = given.collect();
        let changed =
            self.answers.put(ord as usize, given.len(), |at, column| Value::Text(given[at][column]));
        one(changed, Field::Answers)
    }
}

fn one(changed: bool, field: Field) -> FieldSet {
    let mut set = FieldSet::default();
    if changed {
        set.insert(field);
    }
    set
}

/// One partner in the columns.
pub(crate) struct View<'a> {
    columns: &'a Columns,
    ord: usize,
}

impl Source for View<'_> {
    fn plain(&self, column: usize) -> Value<'_> {
        self.columns.plain[column].get(self.ord)
    }

    fn count(&self, list: List) -> usize {
        self.columns.list(list).range(self.ord).len()
    }

    fn record(&self, list: List, at: usize, column: usize) -> Value<'_> {
        let table = self.columns.list(list);
        table.cells[column].get(table.range(self.ord).start + at)
    }

    fn texts(&self, texts: Texts) -> Vec<&str> {
        let table = self.columns.texts(texts);
        table.range(self.ord).filter_map(|row| text(&table.cells[0], row)).collect()
    }

    fn answers(&self, question: &str) -> Vec<&str> {
        let table = self.columns.answers();
        let own = table.range(self.ord).filter(|row| table.cells[0].get(*row) == Value::Text(question));
        own.filter_map(|row| text(&table.cells[1], row)).collect()
    }
}

fn text(cells: &Cells, row: usize) -> Option<&str> {
    match cells.get(row) {
        Value::Text(text) => Some(text),
        _ => None,
    }
}
