//! Numbers of many partners or rows, to be compared.
//! Called by the scan.

use super::super::plan::{Bag, Number, Over, Place, number_levels, shifted};
use super::{Frame, Scan, texts};
use crate::domain::facts::columns::Columns;
use crate::domain::facts::columns::cells::Cells;
use crate::domain::facts::columns::narrow::{ABSENT, Numbers};
use crate::domain::facts::columns::table::Table;
use crate::domain::facts::record::purchase;
use crate::domain::facts::{List, Value};

/// One side of a comparison.
pub(super) enum Operand<'a> {
    /// The same for all.
    Const(i64),
    /// A column and what is added to it.
    Cells(&'a Cells, i64),
    /// One for each; `ABSENT` where there is none.
    Many(Numbers),
}

impl Operand<'_> {
    /// The number at a place; `ABSENT` where there is none.
    #[inline]
    pub fn at(&self, at: usize) -> i64 {
        match self {
            Operand::Const(value) => *value,
            Operand::Cells(cells, shift) => moved(cells.number(at), *shift),
            Operand::Many(values) => values.get(at),
        }
    }
}

fn moved(value: i64, shift: i64) -> i64 {
    if value == ABSENT { ABSENT } else { shifted(value, shift) }
}

/// Whether a number counts a list by what is bound at a level.
pub(super) fn nested(number: &Number, level: usize) -> bool {
    matches!(number, Number::Size(_)) && number_levels(number) & (1 << level) != 0
}

impl<'a> Frame<'a> {
    pub fn len(&self, columns: &Columns) -> usize {
        match self {
            Frame::Partners => columns.len(),
            Frame::Rows { table, .. } => table.rows(),
        }
    }

    /// The column of a place in this frame.
    pub fn cells(&self, columns: &'a Columns, place: Place) -> &'a Cells {
        match (place, self) {
            (Place::Record { column, .. }, Frame::Rows { table, .. }) => &table.cells[column],
            (Place::Item { .. }, Frame::Rows { table, .. }) => texts(table),
            (Place::Partner(column) | Place::Record { column, .. }, _) => columns.plain(column),
            (Place::Item { .. }, Frame::Partners) => columns.plain(0),
        }
    }
}

impl<'a> Scan<'a> {
    pub(super) fn operand(&self, frame: Frame<'a>, number: &Number) -> Operand<'a> {
        match number {
            Number::Const(value) => Operand::Const(*value),
            Number::Now(shift) => Operand::Const(shifted(self.now, *shift)),
            Number::Field(place @ Place::Partner(column), shift) => match frame {
                Frame::Partners => Operand::Cells(frame.cells(self.columns, *place), *shift),
                Frame::Rows { table, .. } => {
                    let cells = self.columns.plain(*column);
                    spread(table, |ord| moved(cells.number(ord), *shift))
                }
            },
            Number::Field(place, shift) => Operand::Cells(frame.cells(self.columns, *place), *shift),
            Number::Size(over) => self.each(frame, self.sizes(over)),
            Number::Total { currency, window } => self.each(frame, self.totals(currency, *window)),
        }
    }

    /// Numbers of partners in a frame.
    fn each(&self, frame: Frame<'a>, partners: Vec<i64>) -> Operand<'a> {
        match frame {
            Frame::Partners => Operand::Many(Numbers::Eight(partners)),
            Frame::Rows { table, .. } => spread(table, |ord| partners[ord]),
        }
    }

    /// How many items of a list pass, for each partner.
    fn sizes(&self, over: &Over) -> Vec<i64> {
        let table = self.table(&over.bag);
        let partners = 0..self.columns.len();
        if over.filters.is_empty() && !matches!(over.bag, Bag::Answers(_)) {
            return partners.map(|ord| table.range(ord).len() as i64).collect();
        }
        match self.passing(over) {
            Some(rows) => partners.map(|ord| i64::from(rows.count(table.range(ord)))).collect(),
            None => vec![0; self.columns.len()],
        }
    }

    /// Posted sales less refunds in one currency, for each partner.
    fn totals(&self, currency: &str, window: Option<i64>) -> Vec<i64> {
        let table = self.columns.list(List::Purchases);
        let cells = &table.cells;
        let Cells::Text(currencies, words) = &cells[purchase::CURRENCY] else {
            return vec![0; self.columns.len()];
        };
        let Some(currency) = words.find(currency).map(i64::from) else {
            return vec![0; self.columns.len()];
        };
        let from = window.map(|window| self.now.saturating_sub(window));
        let signed = |row: usize| {
            let (time, amount) = (cells[purchase::TIME].number(row), cells[purchase::AMOUNT].number(row));
            let counts = currencies.get(row) == currency
                && time != ABSENT
                && amount != ABSENT
                && time <= self.now
                && from.is_none_or(|from| time > from)
                && cells[purchase::POSTED].get(row) == Value::Bool(true);
            match cells[purchase::KIND].get(row) {
                Value::Text("SALE") if counts => amount,
                Value::Text("REFUND") if counts => -amount,
                _ => 0,
            }
        };
        let sum = |ord| table.range(ord).fold(0_i64, |sum, row| sum.saturating_add(signed(row)));
        (0..self.columns.len()).map(sum).collect()
    }
}

/// Numbers of partners, for each of their rows.
fn spread<'a>(table: &Table, number: impl Fn(usize) -> i64) -> Operand<'a> {
    let mut values = vec![ABSENT; table.rows()];
    for (ord, range) in table.ranges().enumerate() {
        if !range.is_empty() {
            let number = number(ord);
            values[range].fill(number);
        }
    }
    Operand::Many(Numbers::Eight(values))
}
