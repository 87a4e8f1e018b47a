//! Evaluates a plan for one partner, term by term.
//! Called by `Rule::holds`, by the membership engine for each change, and by the scan for what it can't do in columns.

use super::plan::{Bag, Number, Over, Place, Test, Tick, compare, shifted};
use super::tree::Quantifier;
use crate::domain::facts::record::purchase;
use crate::domain::facts::{Facts, List, Micros, Texts, Value};

use super::check::LEVEL_CAP;

/// What one partner's facts can be asked.
pub(crate) trait Source {
    /// A field of the partner.
    fn plain(&self, column: usize) -> Value<'_>;
    /// How many records a list has.
    fn count(&self, list: List) -> usize;
    /// A field of a record.
    fn record(&self, list: List, at: usize, column: usize) -> Value<'_>;
    /// The items of a list of texts.
    fn texts(&self, texts: Texts) -> Vec<&str>;
    /// The choices made in the answer to a question.
    fn answers(&self, question: &str) -> Vec<&str>;
}

impl Source for Facts {
    fn plain(&self, column: usize) -> Value<'_> {
        self.partner.value(column)
    }

    fn count(&self, list: List) -> usize {
        Facts::count(self, list)
    }

    fn record(&self, list: List, at: usize, column: usize) -> Value<'_> {
        Facts::record(self, list, at, column)
    }

    fn texts(&self, texts: Texts) -> Vec<&str> {
        Facts::texts(self, texts).iter().map(String::as_str).collect()
    }

    fn answers(&self, question: &str) -> Vec<&str> {
        self.answers
            .get(question)
            .map(|choices| choices.iter().map(String::as_str).collect())
            .unwrap_or_default()
    }
}

/// An item that a list's test sees.
#[derive(Clone, Copy)]
pub(crate) enum Item<'a> {
    /// A record by its place in its list.
    Record(usize),
    /// A text.
    Text(&'a str),
}

/// The items bound by now.
pub(crate) type Bound<'a> = [Option<Item<'a>>; LEVEL_CAP];

/// One partner at one instant.
pub(crate) struct One<'a, S> {
    pub source: &'a S,
    pub now: Micros,
    /// Whether the partner is a member of the segment, counted in `Checked::segments`.
    pub member: &'a dyn Fn(usize) -> bool,
}

impl<'a, S: Source> One<'a, S> {
    /// Whether a test is true.
    pub fn holds(&self, test: &Test, bound: &Bound<'a>) -> bool {
        match test {
            Test::Const(value) => *value,
            Test::And(parts) => parts.iter().all(|part| self.holds(part, bound)),
            Test::Or(parts) => parts.iter().any(|part| self.holds(part, bound)),
            Test::Not(inner) => !self.holds(inner, bound),
            Test::Flag(place) => self.value(*place, bound) == Value::Bool(true),
            Test::Has(place) => !matches!(self.value(*place, bound), Value::Absent | Value::Text("")),
            Test::Number { left, how, right } => {
                compare(self.number(left, bound), *how, self.number(right, bound))
            }
            Test::NumberIn { item, of } => {
                self.number(item, bound).is_some_and(|number| of.contains(&number))
            }
            Test::Text { of, passes } => match self.value(*of, bound) {
                Value::Text(text) => passes.pass(text),
                _ => false,
            },
            Test::Member { choice, of } => match of {
                Bag::Texts(texts) => self.source.texts(*texts).contains(&choice.as_str()),
                Bag::Answers(question) => self.source.answers(question).contains(&choice.as_str()),
                Bag::Records(_) => false,
            },
            Test::Quantify { how, over, test } => {
                let wanted = *how == Quantifier::Exists;
                let mut found = false;
                self.each(over, bound, &mut |bound| {
                    found = self.holds(test, bound) == wanted;
                    !found
                });
                found == wanted
            }
            Test::Segment(segment) => (self.member)(*segment),
        }
    }

    /// Shows the items that pass a list's filters, until told to stop by false.
    pub fn each(&self, over: &Over, bound: &Bound<'a>, seen: &mut dyn FnMut(&Bound<'a>) -> bool) {
        let mut bound = *bound;
        let mut show = |item| {
            bound[over.level] = Some(item);
            let passes = over.filters.iter().all(|filter| self.holds(filter, &bound));
            !passes || seen(&bound)
        };
        match &over.bag {
            Bag::Records(list) => (0..self.source.count(*list)).all(|at| show(Item::Record(at))),
            Bag::Texts(texts) => self.source.texts(*texts).into_iter().all(|text| show(Item::Text(text))),
            Bag::Answers(question) => {
                self.source.answers(question).into_iter().all(|text| show(Item::Text(text)))
            }
        };
    }

    /// How many items pass a list's filters.
    pub fn size(&self, over: &Over, bound: &Bound<'a>) -> usize {
        if let (Bag::Records(list), true) = (&over.bag, over.filters.is_empty()) {
            return self.source.count(*list);
        }
        let mut size = 0;
        self.each(over, bound, &mut |_| {
            size += 1;
            true
        });
        size
    }

    /// A plain value.
    pub fn value(&self, place: Place, bound: &Bound<'a>) -> Value<'a> {
        match place {
            Place::Partner(column) => self.source.plain(column),
            Place::Record { level, list, column } => match bound[level] {
                Some(Item::Record(at)) => self.source.record(list, at, column),
                _ => Value::Absent,
            },
            Place::Item { level } => match bound[level] {
                Some(Item::Text(text)) => Value::Text(text),
                _ => Value::Absent,
            },
        }
    }

    /// A number; none when it is absent.
    pub fn number(&self, number: &Number, bound: &Bound<'a>) -> Option<i64> {
        match number {
            Number::Const(value) => Some(*value),
            Number::Now(shift) => Some(shifted(self.now, *shift)),
            Number::Field(place, shift) => match self.value(*place, bound) {
                Value::Number(value) => Some(shifted(value, *shift)),
                _ => None,
            },
            Number::Size(over) => Some(self.size(over, bound) as i64),
            Number::Total { currency, window } => Some(total(self.source, self.now, currency, *window)),
        }
    }
}

/// Posted sales less refunds in one currency, of the time up to now.
fn total(source: &impl Source, now: Micros, currency: &str, window: Option<i64>) -> i64 {
    let field = |at, column| source.record(List::Purchases, at, column);
    let mut sum = 0_i64;
    for at in 0..source.count(List::Purchases) {
        let (Value::Number(amount), Value::Number(time)) =
            (field(at, purchase::AMOUNT), field(at, purchase::TIME))
        else {
            continue;
        };
        let inside = time <= now && window.is_none_or(|window| shifted(time, window) > now);
        if inside
            && field(at, purchase::POSTED) == Value::Bool(true)
            && field(at, purchase::CURRENCY) == Value::Text(currency)
        {
            match field(at, purchase::KIND) {
                Value::Text("SALE") => sum = sum.saturating_add(amount),
                Value::Text("REFUND") => sum = sum.saturating_sub(amount),
                _ => {}
            }
        }
    }
    sum
}

/// Shows the instants at which a tick strikes for a partner.
pub(crate) fn strikes(source: &impl Source, tick: &Tick, mut seen: impl FnMut(Micros)) {
    let mut show = |value| {
        if let Value::Number(value) = value {
            seen(shifted(value, tick.after));
        }
    };
    match tick.list {
        None => show(source.plain(tick.column)),
        Some(list) => (0..source.count(list)).for_each(|at| show(source.record(list, at, tick.column))),
    }
}
