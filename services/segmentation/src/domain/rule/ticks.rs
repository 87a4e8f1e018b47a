//! Which fields make a rule change by time alone, and when.
//! Called by the checker.

use std::collections::BTreeSet;

use super::plan::{Number, Over, Place, Test, Tick};
use super::tree::Comparison;
use crate::domain::facts::List;
use crate::domain::facts::record::purchase;

/// All ticks of a test. Instants that are literals stand in none: see `literals`.
pub fn of(test: &Test) -> Vec<Tick> {
    let mut found = BTreeSet::new();
    walk(test, &mut |left, how, right| add(left, how, right, &mut found));
    found.into_iter().collect()
}

/// The instants at which comparisons of `now` with literals change.
pub fn literals(test: &Test) -> Vec<i64> {
    let mut found = BTreeSet::new();
    walk(test, &mut |left, how, right| {
        if let (Number::Now(shift), Number::Const(instant)) | (Number::Const(instant), Number::Now(shift)) =
            (left, right)
        {
            let how = if matches!(left, Number::Now(_)) { how } else { how.turned() };
            found.extend(steps(how).iter().map(|step| instant.saturating_sub(*shift).saturating_add(*step)));
        }
    });
    found.into_iter().collect()
}

fn add(left: &Number, how: Comparison, right: &Number, found: &mut BTreeSet<Tick>) {
    for number in [left, right] {
        if let Number::Total { window, .. } = number {
            for after in [Some(0), *window].into_iter().flatten() {
                found.insert(Tick { list: Some(List::Purchases), column: purchase::TIME, after });
            }
        }
    }
    let (now, field, how) = match (left, right) {
        (Number::Now(now), Number::Field(place, shift)) => (now, (place, shift), how),
        (Number::Field(place, shift), Number::Now(now)) => (now, (place, shift), how.turned()),
        _ => return,
    };
    let (list, column) = match field.0 {
        Place::Partner(column) => (None, *column),
        Place::Record { list, column, .. } => (Some(*list), *column),
        Place::Item { .. } => return,
    };
    // now + a < value + b is now < value + (b - a)
    let after = field.1.saturating_sub(*now);
    for step in steps(how) {
        found.insert(Tick { list, column, after: after.saturating_add(*step) });
    }
}

/// How many microseconds after the instant that `now` is compared with the answer changes.
fn steps(how: Comparison) -> &'static [i64] {
    match how {
        Comparison::Less | Comparison::GreaterOrEqual => &[0],
        Comparison::LessOrEqual | Comparison::Greater => &[1],
        Comparison::Equal | Comparison::NotEqual => &[0, 1],
    }
}

fn walk(test: &Test, seen: &mut impl FnMut(&Number, Comparison, &Number)) {
    match test {
        Test::And(parts) | Test::Or(parts) => parts.iter().for_each(|part| walk(part, seen)),
        Test::Not(inner) => walk(inner, seen),
        Test::Number { left, how, right } => {
            seen(left, *how, right);
            inside(left, seen);
            inside(right, seen);
        }
        Test::NumberIn { item, .. } => {
            seen(item, Comparison::Equal, &Number::Const(0));
            inside(item, seen);
        }
        Test::Quantify { over, test, .. } => {
            filters(over, seen);
            walk(test, seen);
        }
        Test::Const(_)
        | Test::Flag(_)
        | Test::Has(_)
        | Test::Text { .. }
        | Test::Member { .. }
        | Test::Segment(_) => {}
    }
}

fn inside(number: &Number, seen: &mut impl FnMut(&Number, Comparison, &Number)) {
    if let Number::Size(over) = number {
        filters(over, seen);
    }
}

fn filters(over: &Over, seen: &mut impl FnMut(&Number, Comparison, &Number)) {
    over.filters.iter().for_each(|filter| walk(filter, seen));
}
