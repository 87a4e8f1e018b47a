//! Why a rule is true or false for a partner: each term with what was found.
//! Called by `Rule::explain`.

use super::one::{Bound, Item, One, Source};
use super::plan::{Number, Over, Place, Test};
use super::tree::{Expr, Node, Quantifier};
use super::when::instant_text;
use crate::domain::facts::{Decimal, Kind, Partner, Value};

/// Most characters of a value shown.
const SHOWN_CAP: usize = 200;

/// A term of a rule and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Term {
    /// The term as it is written.
    pub text: String,
    /// Whether it is true.
    pub holds: bool,
    /// What was found, for terms without parts: "BE", "2 of 5 pass", "1250.5".
    pub found: String,
    /// The parts of `&&`, `||` and `!`.
    pub parts: Vec<Term>,
}

/// Explains a test by its tree, which has the same shape.
pub(crate) fn term<S: Source>(one: &One<'_, S>, expr: &Expr, test: &Test) -> Term {
    let bound = Bound::default();
    let holds = one.holds(test, &bound);
    let parts = match (&expr.node, test) {
        (Node::And(exprs), Test::And(tests)) | (Node::Or(exprs), Test::Or(tests)) => {
            exprs.iter().zip(tests).map(|(expr, test)| term(one, expr, test)).collect()
        }
        (Node::Not(expr), Test::Not(test)) => vec![term(one, expr, test)],
        _ => Vec::new(),
    };
    let found = if parts.is_empty() { found(one, test) } else { String::new() };
    Term { text: expr.to_string(), holds, found, parts }
}

fn found<S: Source>(one: &One<'_, S>, test: &Test) -> String {
    let bound = Bound::default();
    match test {
        Test::Flag(place) | Test::Has(place) | Test::Text { of: place, .. } => value(one, *place),
        Test::Number { left, right, .. } => match (left, right) {
            // a literal is in the text of the term
            (Number::Const(_), other) | (other, Number::Const(_)) => number(one, other, kind(left, right)),
            _ => format!(
                "{} and {}",
                number(one, left, kind(left, right)),
                number(one, right, kind(left, right))
            ),
        },
        Test::NumberIn { item, .. } => number(one, item, kind(item, item)),
        Test::Member { of, .. } => {
            let mut items = Vec::new();
            let all = Over { bag: of.clone(), level: 0, filters: Vec::new() };
            one.each(&all, &bound, &mut |bound| {
                if let Some(Item::Text(text)) = bound[0] {
                    items.push(text);
                }
                items.len() < 20
            });
            short(&items.join(", "))
        }
        Test::Quantify { how, over, test } => {
            let (mut all, mut passed) = (0, 0);
            one.each(over, &bound, &mut |bound| {
                all += 1;
                passed += usize::from(one.holds(test, bound));
                true
            });
            let wanted = if *how == Quantifier::Exists { "one is enough" } else { "all must" };
            format!("{passed} of {all} pass; {wanted}")
        }
        Test::Not(inner) => found(one, inner),
        Test::Segment(_) => if one.holds(test, &bound) { "a member" } else { "no member" }.to_owned(),
        Test::Const(_) | Test::And(_) | Test::Or(_) => String::new(),
    }
}

fn value<S: Source>(one: &One<'_, S>, place: Place) -> String {
    let kind = place_kind(place);
    match one.value(place, &Bound::default()) {
        Value::Absent => "not known".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Number(number) => written(number, kind),
        Value::Text("") => "empty".to_owned(),
        Value::Text(text) => short(text),
    }
}

fn number<S: Source>(one: &One<'_, S>, number: &Number, kind: Kind) -> String {
    match one.number(number, &Bound::default()) {
        None => "not known".to_owned(),
        Some(number) => written(number, kind),
    }
}

fn written(number: i64, kind: Kind) -> String {
    match kind {
        Kind::Decimal => Decimal(number).to_string(),
        Kind::Time => instant_text(number),
        Kind::Bool | Kind::Int | Kind::Text => number.to_string(),
    }
}

/// Kind of the two sides of a comparison, by the side that has one.
fn kind(left: &Number, right: &Number) -> Kind {
    let own = |number: &Number| match number {
        Number::Const(_) => None,
        Number::Now(_) => Some(Kind::Time),
        Number::Field(place, _) => Some(place_kind(*place)),
        Number::Size(_) => Some(Kind::Int),
        Number::Total { .. } => Some(Kind::Decimal),
    };
    own(left).or_else(|| own(right)).unwrap_or(Kind::Int)
}

fn place_kind(place: Place) -> Kind {
    match place {
        Place::Partner(column) => Partner::COLUMNS[column].kind,
        Place::Record { list, column, .. } => list.columns()[column].kind,
        Place::Item { .. } => Kind::Text,
    }
}

fn short(text: &str) -> String {
    match text.char_indices().nth(SHOWN_CAP) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}
