//! Single terms over whole columns: the loops that a scan spends its time in.
//! Called by the scan.

use std::collections::BTreeSet;

use super::super::pattern::Whole;
use super::super::plan::Words;
use super::super::tree::Comparison;
use super::operand::Operand;
use super::parts::in_parts;
use crate::domain::facts::columns::bits::Bits;
use crate::domain::facts::columns::cells::Cells;
use crate::domain::facts::columns::narrow::{ABSENT, Numbers};

/// Different texts from which on a pattern is worth a whole automaton.
const MANY: usize = 20_000;

/// A flag is set.
pub fn flag(cells: &Cells) -> Bits {
    match cells {
        Cells::Flag(cells) => Bits::of(cells, |cell| cell),
        other => Bits::all(other.len(), false),
    }
}

/// A number is known, a text is not empty.
pub fn has(cells: &Cells) -> Bits {
    match cells {
        Cells::Flag(cells) => Bits::all(cells.len(), true),
        Cells::Int(cells) | Cells::Long(cells) => cells.bits(|cell| cell != ABSENT),
        Cells::Choice(cells, _) => Bits::of(cells, |cell| cell != 0),
        Cells::Text(cells, _) => cells.bits(|cell| cell != 0),
    }
}

/// A text is this one.
pub fn word_is(cells: &Cells, word: &str) -> Bits {
    match cells {
        Cells::Choice(cells, choices) => match choices.iter().position(|choice| *choice == word) {
            _ if word.is_empty() => Bits::of(cells, |cell| cell == 0),
            Some(at) => Bits::of(cells, |cell| usize::from(cell) == at + 1),
            None => Bits::all(cells.len(), false),
        },
        Cells::Text(cells, words) => match words.find(word) {
            Some(code) => cells.bits(|cell| cell == i64::from(code)),
            None => Bits::all(cells.len(), false),
        },
        other => Bits::all(other.len(), false),
    }
}

/// A text passes. Each different text is looked at once.
pub fn words(cells: &Cells, passes: &Words) -> Bits {
    match (cells, passes) {
        (_, Words::Is(word)) => word_is(cells, word),
        (_, Words::IsNot(word)) => {
            let mut bits = word_is(cells, word);
            bits.not();
            bits
        }
        (Cells::Choice(cells, choices), _) => {
            let mut good = [false; 256];
            good[0] = passes.pass("");
            for (code, choice) in choices.iter().enumerate() {
                good[code + 1] = passes.pass(choice);
            }
            Bits::of(cells, |cell| good[usize::from(cell)])
        }
        (Cells::Text(cells, words), Words::OneOf(wanted)) => {
            let codes: BTreeSet<u32> = wanted.iter().filter_map(|word| words.find(word)).collect();
            let mut good = vec![false; words.len()];
            codes.iter().for_each(|code| good[*code as usize] = true);
            cells.bits(|cell| good[cell as usize])
        }
        (Cells::Text(cells, words), _) => {
            let whole = match passes {
                Words::Matches(regex) if words.len() >= MANY => Some(Whole::new(regex)),
                _ => None,
            };
            let pass = |code: usize| {
                let text = words.text(code as u32);
                whole.as_ref().map_or_else(|| passes.pass(text), |whole| whole.is_match(text))
            };
            let good = in_parts(words.len(), |codes| codes.map(pass).collect::<Vec<bool>>()).concat();
            cells.bits(|cell| good[cell as usize])
        }
        (other, _) => Bits::all(other.len(), false),
    }
}

/// A number is one of these.
pub fn number_in(len: usize, item: &Operand<'_>, of: &BTreeSet<i64>) -> Bits {
    Bits::fill(len, |at| {
        let number = item.at(at);
        number != ABSENT && of.contains(&number)
    })
}

/// Two numbers compare so.
pub fn compare(len: usize, left: &Operand<'_>, how: Comparison, right: &Operand<'_>) -> Bits {
    match (left, right) {
        (Operand::Const(left), Operand::Const(right)) => Bits::all(len, passes(*left, how, *right)),
        (Operand::Cells(cells, shift), Operand::Const(value)) => {
            with(cells, how, value.saturating_sub(*shift))
        }
        (Operand::Const(value), Operand::Cells(cells, shift)) => {
            with(cells, how.turned(), value.saturating_sub(*shift))
        }
        (Operand::Many(values), Operand::Const(value)) => numbers(values, how, *value),
        _ => Bits::fill(len, |at| {
            let (left, right) = (left.at(at), right.at(at));
            if left == ABSENT || right == ABSENT {
                how == Comparison::NotEqual
            } else {
                passes(left, how, right)
            }
        }),
    }
}

fn with(cells: &Cells, how: Comparison, value: i64) -> Bits {
    match cells {
        Cells::Int(cells) | Cells::Long(cells) => numbers(cells, how, value),
        other => Bits::all(other.len(), how == Comparison::NotEqual),
    }
}

/// One loop for each comparison, so that none of them asks which one it is. `ABSENT` is less than all.
fn numbers(cells: &Numbers, how: Comparison, value: i64) -> Bits {
    match how {
        Comparison::Equal => cells.bits(|cell| cell == value),
        Comparison::NotEqual => cells.bits(|cell| cell != value),
        Comparison::Less => cells.bits(|cell| cell < value && cell != ABSENT),
        Comparison::LessOrEqual => cells.bits(|cell| cell <= value && cell != ABSENT),
        Comparison::Greater => cells.bits(|cell| cell > value),
        Comparison::GreaterOrEqual => cells.bits(|cell| cell >= value && cell != ABSENT),
    }
}

fn passes(left: i64, how: Comparison, right: i64) -> bool {
    super::super::plan::compare(Some(left), how, Some(right))
}
