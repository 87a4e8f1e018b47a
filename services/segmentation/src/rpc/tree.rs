//! Rules as trees of protobuf, node by node, and back.
//! Called by rpc/definition.rs and rpc/preview.rs.

use kontor_kit::{Error, Result, clock};
use kontor_proto::segmentation::v1 as proto;
use kontor_proto::segmentation::v1::expression::Kind;

use crate::domain::facts::Decimal;
use crate::domain::rule::{Comparison, DEPTH_CAP, Expr, Match, NODE_CAP, Node, Quantifier};

/// A tree as protobuf.
pub fn to_proto(expr: &Expr) -> proto::Expression {
    let boxed = |expr: &Expr| Box::new(to_proto(expr));
    let list = |all: &[Expr]| proto::ExpressionList { values: all.iter().map(to_proto).collect() };
    let kind = match &expr.node {
        Node::Bool(value) => Kind::Truth(*value),
        Node::Int(value) => Kind::Integer(*value),
        Node::Decimal(value) => Kind::Decimal(value.to_string()),
        Node::Text(value) => Kind::Text(value.clone()),
        Node::Duration(micros) => Kind::Duration(duration(*micros)),
        Node::Timestamp(micros) => Kind::Timestamp(clock::to_proto(*micros)),
        Node::Now => Kind::Now(proto::Now {}),
        Node::List(all) => Kind::List(list(all)),
        Node::Name(name) => Kind::Name(name.clone()),
        Node::Select { of, field } => Kind::Select(proto::Selection { of: of.clone(), field: field.clone() }),
        Node::Answers(question) => Kind::Answers(question.clone()),
        Node::And(all) => Kind::And(list(all)),
        Node::Or(all) => Kind::Or(list(all)),
        Node::Not(one) => Kind::Not(boxed(one)),
        Node::Compare { how, left, right } => Kind::Compare(Box::new(proto::Comparison {
            how: comparison(*how).into(),
            left: Some(boxed(left)),
            right: Some(boxed(right)),
        })),
        Node::In { item, of } => {
            Kind::In(Box::new(proto::Containment { item: Some(boxed(item)), of: Some(boxed(of)) }))
        }
        Node::Match { text, how, with } => Kind::Match(Box::new(proto::TextMatch {
            text: Some(boxed(text)),
            how: matching(*how).into(),
            with: with.clone(),
        })),
        Node::Has(one) => Kind::Has(boxed(one)),
        Node::Quantify { how, over, variable, test } => Kind::Quantify(Box::new(proto::Quantification {
            over: Some(boxed(over)),
            variable: variable.clone(),
            test: Some(boxed(test)),
            all: *how == Quantifier::All,
        })),
        Node::Filter { over, variable, test } => Kind::Filter(Box::new(proto::Quantification {
            over: Some(boxed(over)),
            variable: variable.clone(),
            test: Some(boxed(test)),
            all: false,
        })),
        Node::Size(one) => Kind::Size(boxed(one)),
        Node::Shift { time, back, by } => Kind::Shift(Box::new(proto::Shift {
            time: Some(boxed(time)),
            back: *back,
            by: Some(duration(*by)),
        })),
        Node::InSegment(name) => Kind::InSegment(name.clone()),
        Node::Total { currency, window } => {
            Kind::Total(proto::Total { currency_code: currency.clone(), window: window.map(duration) })
        }
    };
    proto::Expression { kind: Some(kind) }
}

fn duration(micros: i64) -> prost_types::Duration {
    prost_types::Duration {
        seconds: micros.div_euclid(1_000_000),
        nanos: i32::try_from(micros.rem_euclid(1_000_000) * 1_000).unwrap_or(0),
    }
}

fn comparison(how: Comparison) -> proto::ComparisonKind {
    match how {
        Comparison::Equal => proto::ComparisonKind::Equal,
        Comparison::NotEqual => proto::ComparisonKind::NotEqual,
        Comparison::Less => proto::ComparisonKind::Less,
        Comparison::LessOrEqual => proto::ComparisonKind::LessOrEqual,
        Comparison::Greater => proto::ComparisonKind::Greater,
        Comparison::GreaterOrEqual => proto::ComparisonKind::GreaterOrEqual,
    }
}

fn matching(how: Match) -> proto::MatchKind {
    match how {
        Match::StartsWith => proto::MatchKind::StartsWith,
        Match::EndsWith => proto::MatchKind::EndsWith,
        Match::Contains => proto::MatchKind::Contains,
        Match::Matches => proto::MatchKind::Matches,
    }
}

/// Reads a tree. Whether it is a rule is checked by whoever takes it.
///
/// # Errors
/// INVALID_ARGUMENT naming `field` for a node without its parts, and for one that is too large or too deep.
pub fn from_proto(field: &str, tree: &proto::Expression) -> Result<Expr> {
    Reader { field, nodes: 0 }.expr(tree, 0)
}

struct Reader<'f> {
    field: &'f str,
    nodes: usize,
}

impl Reader<'_> {
    fn wrong(&self, what: &str) -> Error {
        Error::invalid(self.field, what)
    }

    fn expr(&mut self, tree: &proto::Expression, depth: usize) -> Result<Expr> {
        self.nodes += 1;
        if self.nodes > NODE_CAP || depth > DEPTH_CAP {
            return Err(
                self.wrong(&format!("it has more than {NODE_CAP} nodes, or is deeper than {DEPTH_CAP}"))
            );
        }
        let kind = tree.kind.as_ref().ok_or_else(|| self.wrong("a node says nothing"))?;
        let depth = depth + 1;
        let node = match kind {
            Kind::Truth(value) => Node::Bool(*value),
            Kind::Integer(value) => Node::Int(*value),
            Kind::Decimal(text) => Node::Decimal(
                Decimal::parse(text).ok_or_else(|| self.wrong(&format!("{text:?} is no decimal")))?,
            ),
            Kind::Text(value) => Node::Text(value.clone()),
            Kind::Duration(value) => Node::Duration(self.micros(value)?),
            Kind::Timestamp(value) => Node::Timestamp(clock::from_proto(value)),
            Kind::Now(_) => Node::Now,
            Kind::List(list) => Node::List(self.list(list, depth)?),
            Kind::Name(name) => Node::Name(name.clone()),
            Kind::Select(select) => Node::Select { of: select.of.clone(), field: select.field.clone() },
            Kind::Answers(question) => Node::Answers(question.clone()),
            Kind::And(list) => Node::And(self.list(list, depth)?),
            Kind::Or(list) => Node::Or(self.list(list, depth)?),
            Kind::Not(one) => Node::Not(Box::new(self.expr(one, depth)?)),
            Kind::Compare(compare) => Node::Compare {
                how: self.comparison(compare.how)?,
                left: self.part(compare.left.as_deref(), depth)?,
                right: self.part(compare.right.as_deref(), depth)?,
            },
            Kind::In(part) => Node::In {
                item: self.part(part.item.as_deref(), depth)?,
                of: self.part(part.of.as_deref(), depth)?,
            },
            Kind::Match(part) => Node::Match {
                text: self.part(part.text.as_deref(), depth)?,
                how: self.matching(part.how)?,
                with: part.with.clone(),
            },
            Kind::Has(one) => Node::Has(Box::new(self.expr(one, depth)?)),
            Kind::Quantify(part) => Node::Quantify {
                how: if part.all { Quantifier::All } else { Quantifier::Exists },
                over: self.part(part.over.as_deref(), depth)?,
                variable: part.variable.clone(),
                test: self.part(part.test.as_deref(), depth)?,
            },
            Kind::Filter(part) => Node::Filter {
                over: self.part(part.over.as_deref(), depth)?,
                variable: part.variable.clone(),
                test: self.part(part.test.as_deref(), depth)?,
            },
            Kind::Size(one) => Node::Size(Box::new(self.expr(one, depth)?)),
            Kind::Shift(part) => {
                let by = part.by.as_ref().ok_or_else(|| self.wrong("a shift does not say by how much"))?;
                Node::Shift {
                    time: self.part(part.time.as_deref(), depth)?,
                    back: part.back,
                    by: self.micros(by)?,
                }
            }
            Kind::InSegment(name) => Node::InSegment(name.clone()),
            Kind::Total(total) => Node::Total {
                currency: total.currency_code.clone(),
                window: total.window.as_ref().map(|window| self.micros(window)).transpose()?,
            },
        };
        Ok(node.into())
    }

    fn list(&mut self, list: &proto::ExpressionList, depth: usize) -> Result<Vec<Expr>> {
        list.values.iter().map(|value| self.expr(value, depth)).collect()
    }

    fn part(&mut self, part: Option<&proto::Expression>, depth: usize) -> Result<Box<Expr>> {
        let part = part.ok_or_else(|| self.wrong("a part of a node is missing"))?;
        self.expr(part, depth).map(Box::new)
    }

    fn micros(&self, duration: &prost_types::Duration) -> Result<i64> {
        let micros =
            duration.seconds.checked_mul(1_000_000).map(|all| all + i64::from(duration.nanos) / 1_000);
        micros.filter(|micros| *micros >= 0).ok_or_else(|| self.wrong("a duration is negative or too long"))
    }

    fn comparison(&self, how: i32) -> Result<Comparison> {
        Ok(match proto::ComparisonKind::try_from(how) {
            Ok(proto::ComparisonKind::Equal) => Comparison::Equal,
            Ok(proto::ComparisonKind::NotEqual) => Comparison::NotEqual,
            Ok(proto::ComparisonKind::Less) => Comparison::Less,
            Ok(proto::ComparisonKind::LessOrEqual) => Comparison::LessOrEqual,
            Ok(proto::ComparisonKind::Greater) => Comparison::Greater,
            Ok(proto::ComparisonKind::GreaterOrEqual) => Comparison::GreaterOrEqual,
            _ => return Err(self.wrong("a comparison does not say how")),
        })
    }

    fn matching(&self, how: i32) -> Result<Match> {
        Ok(match proto::MatchKind::try_from(how) {
            Ok(proto::MatchKind::StartsWith) => Match::StartsWith,
            Ok(proto::MatchKind::EndsWith) => Match::EndsWith,
            Ok(proto::MatchKind::Contains) => Match::Contains,
            Ok(proto::MatchKind::Matches) => Match::Matches,
            _ => return Err(self.wrong("a match does not say how")),
        })
    }
}
