//! Operators on values: exact numbers, amounts of one currency, days.
//! Called by evaluation.

use std::cmp::Ordering;

use jiff::civil::DateTime;
use jiff::{Span, ToSpan};
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

use super::eval::{Context, is_true, wrong};
use super::{Operator, show};
use crate::domain::finding::Problem;
use crate::domain::value::{Money, Value};

/// The result of an operator.
pub(super) fn binary(operator: Operator, left: &Value, right: &Value) -> Result<Value, Problem> {
    Ok(match operator {
        Operator::Equal => Value::Bool(equal(left, right)),
        Operator::Unequal => Value::Bool(!equal(left, right)),
        Operator::Less => Value::Bool(order(left, right)?.is_some_and(Ordering::is_lt)),
        Operator::LessOrEqual => Value::Bool(order(left, right)?.is_some_and(Ordering::is_le)),
        Operator::Greater => Value::Bool(order(left, right)?.is_some_and(Ordering::is_gt)),
        Operator::GreaterOrEqual => Value::Bool(order(left, right)?.is_some_and(Ordering::is_ge)),
        Operator::In => Value::Bool(is_in(left, right)?),
        Operator::NotIn => Value::Bool(!is_in(left, right)?),
        // These three are done where their sides are evaluated.
        Operator::And => Value::Bool(is_true(left) && is_true(right)),
        Operator::Or => Value::Bool(is_true(left) || is_true(right)),
        Operator::Join => return Err(wrong("~ joins texts".into())),
        Operator::Add | Operator::Subtract | Operator::Multiply | Operator::Divide | Operator::Remainder => {
            calculate(operator, left, right)?
        }
    })
}

pub(super) fn negate(value: &Value) -> Result<Value, Problem> {
    match value {
        Value::Empty => Ok(Value::Empty),
        Value::Number(number) => Ok(Value::Number(-number)),
        Value::Money(money) => {
            Ok(Value::Money(Money { amount: -money.amount, currency: money.currency.clone() }))
        }
        other => Err(wrong(format!("- takes a number, not {}", other.noun()))),
    }
}

fn equal(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Text(left), Value::Text(right)) => left == right,
        (Value::Money(left), Value::Money(right)) => left == right,
        (Value::Empty, other) | (other, Value::Empty) => {
            matches!(other, Value::Empty) || matches!(other, Value::Text(text) if text.is_empty())
        }
        _ => match order(left, right) {
            Ok(Some(found)) => found.is_eq(),
            _ => left == right,
        },
    }
}

/// How two values stand to each other. An empty one stands nowhere.
pub(super) fn order(left: &Value, right: &Value) -> Result<Option<Ordering>, Problem> {
    Ok(Some(match (left, right) {
        (Value::Empty, _) | (_, Value::Empty) => return Ok(None),
        (Value::Number(left), Value::Number(right)) => left.cmp(right),
        (Value::Money(left), Value::Money(right)) if left.currency == right.currency => {
            left.amount.cmp(&right.amount)
        }
        (Value::Money(left), Value::Money(right)) => {
            return Err(wrong(format!("{} and {} cannot be compared", left.currency, right.currency)));
        }
        (Value::Money(left), Value::Number(right)) => left.amount.cmp(right),
        (Value::Number(left), Value::Money(right)) => left.cmp(&right.amount),
        (Value::Text(left), Value::Text(right)) => left.cmp(right),
        (Value::Bool(left), Value::Bool(right)) => left.cmp(right),
        _ => match (moment(left), moment(right)) {
            (Some(left), Some(right)) => left.cmp(&right),
            _ => return Err(wrong(format!("{} and {} cannot be compared", left.noun(), right.noun()))),
        },
    }))
}

/// A day or a time, also written as `2026-03-01`.
pub(super) fn moment(value: &Value) -> Option<DateTime> {
    match value {
        Value::Date(day) => Some(day.at(0, 0, 0, 0)),
        Value::DateTime(at) => Some(*at),
        Value::Text(text) => {
            let text = text.trim();
            text.parse().ok().or_else(|| text.parse::<jiff::civil::Date>().ok().map(|day| day.at(0, 0, 0, 0)))
        }
        _ => None,
    }
}

fn is_in(left: &Value, right: &Value) -> Result<bool, Problem> {
    match (left, right) {
        (_, Value::Empty) => Ok(false),
        (_, Value::List(list)) => Ok(list.iter().any(|item| equal(left, item))),
        (Value::Text(part), Value::Text(whole)) => Ok(whole.contains(part.as_str())),
        _ => Err(wrong(format!("in looks into a list or a text, not into {}", right.noun()))),
    }
}

fn calculate(operator: Operator, left: &Value, right: &Value) -> Result<Value, Problem> {
    let unfit =
        || wrong(format!("{} and {} cannot be calculated with each other", left.noun(), right.noun()));
    Ok(match (left, right) {
        (Value::Number(left), Value::Number(right)) => Value::Number(decimal(operator, *left, *right)?),
        (Value::Money(left), Value::Money(right)) => {
            if left.currency != right.currency {
                return Err(wrong(format!(
                    "{} and {} cannot be calculated with each other",
                    left.currency, right.currency
                )));
            }
            let amount = match operator {
                Operator::Multiply => return Err(wrong("two amounts cannot be multiplied".into())),
                Operator::Divide => return Ok(Value::Number(decimal(operator, left.amount, right.amount)?)),
                _ => decimal(operator, left.amount, right.amount)?,
            };
            Value::Money(Money { amount, currency: left.currency.clone() })
        }
        (Value::Money(money), Value::Number(number))
            if matches!(operator, Operator::Multiply | Operator::Divide) =>
        {
            Value::Money(Money {
                amount: decimal(operator, money.amount, *number)?,
                currency: money.currency.clone(),
            })
        }
        (Value::Number(number), Value::Money(money)) if operator == Operator::Multiply => {
            Value::Money(Money {
                amount: decimal(operator, *number, money.amount)?,
                currency: money.currency.clone(),
            })
        }
        (Value::Text(left), Value::Text(right)) if operator == Operator::Add => {
            Value::Text(format!("{left}{right}"))
        }
        (Value::Date(day), Value::Number(days)) if matches!(operator, Operator::Add | Operator::Subtract) => {
            let span = days_span(*days)?;
            let moved = if operator == Operator::Add { day.checked_add(span) } else { day.checked_sub(span) };
            Value::Date(moved.map_err(|_| wrong("the date is too far away".into()))?)
        }
        (Value::DateTime(at), Value::Number(days))
            if matches!(operator, Operator::Add | Operator::Subtract) =>
        {
            let span = days_span(*days)?;
            let moved = if operator == Operator::Add { at.checked_add(span) } else { at.checked_sub(span) };
            Value::DateTime(moved.map_err(|_| wrong("the date is too far away".into()))?)
        }
        (Value::Date(_) | Value::DateTime(_), Value::Date(_) | Value::DateTime(_))
            if operator == Operator::Subtract =>
        {
            let days = match (moment(left), moment(right)) {
                (Some(left), Some(right)) => left.date().since(right.date()).map_err(|_| unfit())?.get_days(),
                _ => return Err(unfit()),
            };
            Value::Number(days.into())
        }
        (Value::Empty, _) | (_, Value::Empty) => Value::Empty,
        _ => return Err(unfit()),
    })
}

fn days_span(days: Decimal) -> Result<Span, Problem> {
    let days = days.to_i32().filter(|days| days.abs() < 4_000_000);
    Ok(days.ok_or_else(|| wrong("the date is too far away".into()))?.days())
}

fn decimal(operator: Operator, left: Decimal, right: Decimal) -> Result<Decimal, Problem> {
    let found = match operator {
        Operator::Add => left.checked_add(right),
        Operator::Subtract => left.checked_sub(right),
        Operator::Multiply => left.checked_mul(right),
        Operator::Divide if right.is_zero() => return Err(wrong("a number is divided by zero".into())),
        Operator::Remainder if right.is_zero() => return Err(wrong("a number is divided by zero".into())),
        Operator::Divide => left.checked_div(right),
        _ => left.checked_rem(right),
    };
    found.ok_or_else(|| wrong("the number is too large".into()))
}

/// A number, also one written as text with a point.
pub(super) fn as_number(value: &Value) -> Option<Decimal> {
    match value {
        Value::Number(number) => Some(*number),
        Value::Money(money) => Some(money.amount),
        Value::Text(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// Word's comparison in IF, NEXTIF and SKIPIF.
pub(super) fn word_compare(
    operator: Operator,
    left: &Value,
    right: &Value,
    cx: &Context<'_>,
) -> Result<bool, Problem> {
    let found = match (as_number(left), as_number(right)) {
        (Some(left), Some(right)) => left.cmp(&right),
        _ => match (moment(left), moment(right)) {
            (Some(left), Some(right)) => left.cmp(&right),
            _ => {
                let (left, right) = (show(left, cx.locale)?, show(right, cx.locale)?);
                if matches!(operator, Operator::Equal | Operator::Unequal) && right.contains(['*', '?']) {
                    cx.pay(1 + (left.len() as u64 * right.len() as u64) / 16)?;
                    return Ok(like(&left, &right) == (operator == Operator::Equal));
                }
                left.cmp(&right)
            }
        },
    };
    Ok(match operator {
        Operator::Equal => found.is_eq(),
        Operator::Unequal => found.is_ne(),
        Operator::Less => found.is_lt(),
        Operator::LessOrEqual => found.is_le(),
        Operator::Greater => found.is_gt(),
        _ => found.is_ge(),
    })
}

/// Whether a text fits a pattern with `*` and `?`. The last star is the only one gone back to, so it stays linear for most and never more
/// than the product of the lengths.
fn like(text: &str, pattern: &str) -> bool {
    let (text, pattern): (Vec<char>, Vec<char>) = (text.chars().collect(), pattern.chars().collect());
    let (mut at, mut want) = (0, 0);
    let mut star = None;
    while at < text.len() {
        match pattern.get(want) {
            Some('*') => {
                star = Some((want, at));
                want += 1;
            }
            Some(c) if *c == '?' || *c == text[at] => {
                at += 1;
                want += 1;
            }
            _ => {
                let Some((back, from)) = star else { return false };
                star = Some((back, from + 1));
                at = from + 1;
                want = back + 1;
            }
        }
    }
    pattern[want..].iter().all(|c| *c == '*')
}
