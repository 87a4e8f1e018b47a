//! One column of values, as narrow as its kind and what stands in it allow.
//! Called by the tables and the scan.

use super::narrow::{ABSENT, Codes, Numbers};
use super::words::Words;
use crate::domain::facts::{Column, Kind, Value};

/// A column.
#[derive(Debug)]
pub(crate) enum Cells {
    Flag(Vec<bool>),
    Int(Numbers),
    Long(Numbers),
    /// 0 is empty, others count from 1 in the choices.
    Choice(Vec<u8>, &'static [&'static str]),
    Text(Codes, Words),
}

impl Cells {
    pub fn of(column: &Column) -> Cells {
        match column.kind {
            Kind::Bool => Cells::Flag(Vec::new()),
            Kind::Int => Cells::Int(Numbers::default()),
            Kind::Decimal | Kind::Time => Cells::Long(Numbers::default()),
            Kind::Text if column.choices.is_empty() => Cells::texts(),
            Kind::Text => Cells::Choice(Vec::new(), column.choices),
        }
    }

    pub fn texts() -> Cells {
        Cells::Text(Codes::default(), Words::new())
    }

    pub fn get(&self, at: usize) -> Value<'_> {
        match self {
            Cells::Flag(cells) => Value::Bool(cells[at]),
            Cells::Int(_) | Cells::Long(_) => match self.number(at) {
                ABSENT => Value::Absent,
                number => Value::Number(number),
            },
            Cells::Choice(cells, choices) => match cells[at] {
                0 => Value::Text(""),
                code => Value::Text(choices[usize::from(code) - 1]),
            },
            Cells::Text(cells, words) => Value::Text(words.text(cells.get(at) as u32)),
        }
    }

    /// A number or `ABSENT`.
    #[inline]
    pub fn number(&self, at: usize) -> i64 {
        match self {
            Cells::Int(cells) | Cells::Long(cells) => cells.get(at),
            Cells::Flag(_) | Cells::Choice(..) | Cells::Text(..) => ABSENT,
        }
    }

    pub fn set(&mut self, at: usize, value: Value<'_>) {
        match self {
            Cells::Flag(cells) => cells[at] = value == Value::Bool(true),
            Cells::Int(cells) => cells.set(at, int(value)),
            Cells::Long(cells) => cells.set(at, long(value)),
            Cells::Choice(cells, choices) => cells[at] = choice(value, choices),
            Cells::Text(cells, words) => {
                cells.set(at, i64::from(words.intern(text(value))));
                if words.is_full() {
                    words.clean(cells);
                }
            }
        }
    }

    /// Makes it longer, with what stands for nothing known.
    pub fn grow(&mut self, len: usize) {
        match self {
            Cells::Flag(cells) => cells.resize(len, false),
            Cells::Int(cells) | Cells::Long(cells) => cells.grow(len),
            Cells::Choice(cells, _) => cells.resize(len, 0),
            Cells::Text(cells, _) => cells.grow(len),
        }
    }

    pub fn len(&self) -> usize {
        match self {
            Cells::Flag(cells) => cells.len(),
            Cells::Int(cells) | Cells::Long(cells) => cells.len(),
            Cells::Choice(cells, _) => cells.len(),
            Cells::Text(cells, _) => cells.len(),
        }
    }

    /// Keeps the cells at these places, in this order.
    pub fn keep(&mut self, places: &[u32]) {
        match self {
            Cells::Flag(cells) => *cells = places.iter().map(|place| cells[*place as usize]).collect(),
            Cells::Int(cells) | Cells::Long(cells) => cells.keep(places),
            Cells::Choice(cells, _) => *cells = places.iter().map(|place| cells[*place as usize]).collect(),
            Cells::Text(cells, _) => cells.keep(places),
        }
    }

    pub fn shrink(&mut self) {
        match self {
            Cells::Flag(cells) => cells.shrink_to_fit(),
            Cells::Int(cells) | Cells::Long(cells) => cells.shrink(),
            Cells::Choice(cells, _) => cells.shrink_to_fit(),
            Cells::Text(cells, words) => {
                cells.shrink();
                words.shrink();
            }
        }
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        match self {
            Cells::Flag(cells) => cells.capacity(),
            Cells::Int(cells) | Cells::Long(cells) => cells.bytes(),
            Cells::Choice(cells, _) => cells.capacity(),
            Cells::Text(cells, words) => cells.bytes() + words.bytes(),
        }
    }
}

fn int(value: Value<'_>) -> i64 {
    match value {
        Value::Number(number) => number.clamp(i64::from(-i32::MAX), i64::from(i32::MAX)),
        _ => ABSENT,
    }
}

fn long(value: Value<'_>) -> i64 {
    match value {
        Value::Number(number) => number.max(-i64::MAX),
        _ => ABSENT,
    }
}

/// What is none of the choices counts as not known.
fn choice(value: Value<'_>, choices: &[&str]) -> u8 {
    let found = choices.iter().position(|choice| Value::Text(choice) == value);
    found.map_or(0, |at| at as u8 + 1)
}

fn text(value: Value<'_>) -> &str {
    match value {
        Value::Text(text) => text,
        _ => "",
    }
}
