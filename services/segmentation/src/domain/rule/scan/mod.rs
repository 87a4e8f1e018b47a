//! Evaluates a rule for all partners at once, column by column, into a bitmap.
//! Called by the membership engine for previews, new rules and rebuilds.

mod leaf;
mod operand;
mod parts;

use roaring::RoaringBitmap;

use super::Rule;
use super::one::{Bound, Item, One};
use super::plan::{Bag, Over, Test, levels};
use super::tree::Quantifier;
use crate::domain::facts::columns::Columns;
use crate::domain::facts::columns::bits::Bits;
use crate::domain::facts::columns::cells::Cells;
use crate::domain::facts::columns::table::Table;
use crate::domain::facts::{Micros, Value};

/// All partners whom a rule fits at an instant. `members` gives the members of the segments that it names; a segment that is not there has none.
pub fn scan<'m>(
    columns: &Columns,
    rule: &Rule,
    now: Micros,
    members: &dyn Fn(&str) -> Option<&'m RoaringBitmap>,
) -> RoaringBitmap {
    let segments: Vec<Option<&RoaringBitmap>> =
        rule.segments().iter().map(|segment| members(segment)).collect();
    let scan = Scan { columns, now, segments: &segments };
    let mut bits = scan.partners(rule.test());
    bits.and(columns.present());
    bits.to_bitmap()
}

/// One evaluation.
struct Scan<'a> {
    columns: &'a Columns,
    now: Micros,
    segments: &'a [Option<&'a RoaringBitmap>],
}

/// What one bit stands for.
#[derive(Clone, Copy)]
enum Frame<'a> {
    /// A partner.
    Partners,
    /// A row of a table, bound at a level.
    Rows { table: &'a Table, bag: &'a Bag, level: usize },
}

impl<'a> Scan<'a> {
    /// A test that sees no item: one bit a partner.
    fn partners(&self, test: &Test) -> Bits {
        let len = self.columns.len();
        match test {
            Test::Segment(segment) => match self.segments[*segment] {
                Some(members) => Bits::of_bitmap(members, len),
                None => Bits::all(len, false),
            },
            Test::Member { choice, of } => {
                let table = self.table(of);
                let Some(own) = self.own(of) else {
                    return Bits::all(len, false);
                };
                let mut rows = leaf::word_is(texts(table), choice);
                if let Some(own) = own {
                    rows.and(&own);
                }
                self.any(table, &rows)
            }
            Test::Quantify { how, over, test } => {
                let table = self.table(&over.bag);
                let Some(mut rows) = self.passing(over) else {
                    return Bits::all(len, *how == Quantifier::All);
                };
                let mut passed = self.rows(over, test);
                match how {
                    Quantifier::Exists => {
                        rows.and(&passed);
                        self.any(table, &rows)
                    }
                    Quantifier::All => {
                        passed.not();
                        rows.and(&passed);
                        let mut bits = self.any(table, &rows);
                        bits.not();
                        bits
                    }
                }
            }
            _ => self.framed(Frame::Partners, test),
        }
    }

    /// What all frames have in common.
    fn framed(&self, frame: Frame<'a>, test: &Test) -> Bits {
        let len = frame.len(self.columns);
        let part = |part: &Test| match frame {
            Frame::Partners => self.partners(part),
            Frame::Rows { table, bag, level } => self.row_bits(table, bag, level, part),
        };
        match test {
            Test::Const(value) => Bits::all(len, *value),
            Test::And(parts) => {
                let mut bits = Bits::all(len, true);
                parts.iter().for_each(|one| bits.and(&part(one)));
                bits
            }
            Test::Or(parts) => {
                let mut bits = Bits::all(len, false);
                parts.iter().for_each(|one| bits.or(&part(one)));
                bits
            }
            Test::Not(inner) => {
                let mut bits = part(inner);
                bits.not();
                bits
            }
            Test::Flag(place) => leaf::flag(frame.cells(self.columns, *place)),
            Test::Has(place) => leaf::has(frame.cells(self.columns, *place)),
            Test::Text { of, passes } => leaf::words(frame.cells(self.columns, *of), passes),
            Test::Number { left, how, right } => {
                let (left, right) = (self.operand(frame, left), self.operand(frame, right));
                leaf::compare(len, &left, *how, &right)
            }
            Test::NumberIn { item, of } => leaf::number_in(len, &self.operand(frame, item), of),
            // both see no item of this frame, or were done one by one
            Test::Member { .. } | Test::Quantify { .. } | Test::Segment(_) => self.partners(test),
        }
    }

    /// A test about the items of a list: one bit a row.
    fn rows(&self, over: &Over, test: &Test) -> Bits {
        self.row_bits(self.table(&over.bag), &over.bag, over.level, test)
    }

    fn row_bits(&self, table: &'a Table, bag: &Bag, level: usize, test: &Test) -> Bits {
        if levels(test) & (1 << level) == 0 {
            return self.spread(table, &self.partners(test));
        }
        if let Test::And(_) | Test::Or(_) | Test::Not(_) = test {
            return self.framed_rows(table, bag, level, test);
        }
        let nested = match test {
            Test::Quantify { .. } => true,
            Test::Number { left, right, .. } => operand::nested(left, level) || operand::nested(right, level),
            Test::NumberIn { item, .. } => operand::nested(item, level),
            _ => false,
        };
        if nested {
            self.one_by_one(table, bag, level, test)
        } else {
            self.framed_rows(table, bag, level, test)
        }
    }

    fn framed_rows(&self, table: &'a Table, bag: &Bag, level: usize, test: &Test) -> Bits {
        // the frame lives as long as this call
        let scan: &Scan<'_> = self;
        scan.framed(Frame::Rows { table, bag, level }, test)
    }

    /// A test that looks from one list into another: each row for itself.
    fn one_by_one(&self, table: &Table, bag: &Bag, level: usize, test: &Test) -> Bits {
        let parts = parts::in_parts(self.columns.len(), |ords| {
            let mut bits = Bits::all(table.rows(), false);
            for ord in ords {
                self.rows_of_one(table, bag, level, test, ord, &mut bits);
            }
            bits
        });
        let all = parts.into_iter().reduce(|mut all, part| {
            all.or(&part);
            all
        });
        all.unwrap_or_else(|| Bits::all(table.rows(), false))
    }

    fn rows_of_one(&self, table: &Table, bag: &Bag, level: usize, test: &Test, ord: usize, bits: &mut Bits) {
        let view = self.columns.partner(ord as u32);
        let member =
            |segment: usize| self.segments[segment].is_some_and(|members| members.contains(ord as u32));
        let one = One { source: &view, now: self.now, member: &member };
        for (at, row) in table.range(ord).enumerate() {
            let mut bound = Bound::default();
            bound[level] = Some(match bag {
                Bag::Records(_) => Item::Record(at),
                Bag::Texts(_) | Bag::Answers(_) => match texts(table).get(row) {
                    Value::Text(text) => Item::Text(text),
                    _ => Item::Text(""),
                },
            });
            if one.holds(test, &bound) {
                bits.set(row, true);
            }
        }
    }

    /// The rows that pass a list's filters; none when it has no rows at all.
    fn passing(&self, over: &Over) -> Option<Bits> {
        let table = self.table(&over.bag);
        let mut rows = self.own(&over.bag)?.unwrap_or_else(|| Bits::all(table.rows(), true));
        over.filters.iter().for_each(|filter| rows.and(&self.rows(over, filter)));
        Some(rows)
    }

    /// The rows of the table that belong to the list, when that are not all; nothing when there are none.
    fn own(&self, bag: &Bag) -> Option<Option<Bits>> {
        let Bag::Answers(question) = bag else {
            return Some(None);
        };
        match &self.columns.answers().cells[0] {
            Cells::Text(cells, words) => {
                let code = i64::from(words.find(question)?);
                Some(Some(cells.bits(|cell| cell == code)))
            }
            _ => None,
        }
    }

    fn table(&self, bag: &Bag) -> &'a Table {
        match bag {
            Bag::Texts(texts) => self.columns.texts(*texts),
            Bag::Answers(_) => self.columns.answers(),
            Bag::Records(list) => self.columns.list(*list),
        }
    }

    /// From rows to partners: whether one of theirs is set.
    fn any(&self, table: &Table, rows: &Bits) -> Bits {
        Bits::fill(self.columns.len(), |ord| rows.count(table.range(ord)) > 0)
    }

    /// From partners to rows.
    fn spread(&self, table: &Table, partners: &Bits) -> Bits {
        let mut bits = Bits::all(table.rows(), false);
        for (ord, range) in table.ranges().enumerate() {
            if partners.get(ord) {
                bits.set_range(range);
            }
        }
        bits
    }
}

/// The column of a table of texts that has them.
fn texts(table: &Table) -> &Cells {
    &table.cells[table.cells.len() - 1]
}
