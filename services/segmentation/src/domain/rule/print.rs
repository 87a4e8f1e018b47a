//! The tree of a rule as text. Reading the text gives the same tree.
//! Called by `Rule` and by explanations.

use std::fmt;

use super::tree::{Comparison, Expr, Match, Node, Quantifier};
use super::when;

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.node {
            Node::Bool(value) => write!(f, "{value}"),
            Node::Int(number) => write!(f, "{number}"),
            Node::Decimal(decimal) => write!(f, "{decimal}"),
            Node::Text(text) => quoted(f, text),
            Node::Duration(by) => write!(f, "duration(\"{}\")", when::duration_text(*by)),
            Node::Timestamp(instant) => write!(f, "timestamp(\"{}\")", when::instant_text(*instant)),
            Node::Now => f.write_str("now"),
            Node::List(items) => {
                f.write_str("[")?;
                joined(f, items, ", ", |_| false)?;
                f.write_str("]")
            }
            Node::Name(name) => f.write_str(name),
            Node::Select { of, field } => write!(f, "{of}.{field}"),
            Node::Answers(question) => {
                f.write_str("answers[")?;
                quoted(f, question)?;
                f.write_str("]")
            }
            // an `&&` in an `&&` was in parentheses, and stays so
            Node::And(parts) => joined(f, parts, " && ", |part| matches!(part, Node::And(_) | Node::Or(_))),
            Node::Or(parts) => joined(f, parts, " || ", |part| matches!(part, Node::Or(_))),
            Node::Not(inner) => {
                f.write_str("!")?;
                wrapped(f, inner, loose(&inner.node))
            }
            Node::Compare { how, left, right } => {
                wrapped(f, left, joins(&left.node))?;
                write!(f, " {} ", sign(*how))?;
                wrapped(f, right, joins(&right.node))
            }
            Node::In { item, of } => {
                wrapped(f, item, joins(&item.node))?;
                f.write_str(" in ")?;
                wrapped(f, of, joins(&of.node))
            }
            Node::Match { text, how, with } => {
                wrapped(f, text, loose(&text.node))?;
                write!(f, ".{}(", method(*how))?;
                quoted(f, with)?;
                f.write_str(")")
            }
            Node::Has(what) => write!(f, "has({what})"),
            Node::Quantify { how, over, variable, test } => {
                let how = match how {
                    Quantifier::Exists => "exists",
                    Quantifier::All => "all",
                };
                wrapped(f, over, loose(&over.node))?;
                write!(f, ".{how}({variable}, {test})")
            }
            Node::Filter { over, variable, test } => {
                wrapped(f, over, loose(&over.node))?;
                write!(f, ".filter({variable}, {test})")
            }
            Node::Size(of) => write!(f, "size({of})"),
            Node::Shift { time, back, by } => {
                wrapped(f, time, joins(&time.node))?;
                write!(f, " {} duration(\"{}\")", if *back { '-' } else { '+' }, when::duration_text(*by))
            }
            Node::InSegment(segment) => {
                f.write_str("in_segment(")?;
                quoted(f, segment)?;
                f.write_str(")")
            }
            Node::Total { currency, window } => {
                f.write_str("purchases.total(")?;
                quoted(f, currency)?;
                match window {
                    Some(window) => write!(f, ", duration(\"{}\"))", when::duration_text(*window)),
                    None => f.write_str(")"),
                }
            }
        }
    }
}

/// Whether it binds less than a sum.
fn joins(node: &Node) -> bool {
    matches!(node, Node::And(_) | Node::Or(_) | Node::Compare { .. } | Node::In { .. })
}

/// Whether it binds less than a point.
fn loose(node: &Node) -> bool {
    joins(node) || matches!(node, Node::Shift { .. })
}

fn wrapped(f: &mut fmt::Formatter<'_>, expr: &Expr, wrap: bool) -> fmt::Result {
    if wrap { write!(f, "({expr})") } else { write!(f, "{expr}") }
}

fn joined(f: &mut fmt::Formatter<'_>, parts: &[Expr], between: &str, wrap: fn(&Node) -> bool) -> fmt::Result {
    for (at, part) in parts.iter().enumerate() {
        if at > 0 {
            f.write_str(between)?;
        }
        wrapped(f, part, wrap(&part.node))?;
    }
    Ok(())
}

fn quoted(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    f.write_str("\"")?;
    for c in text.chars() {
        match c {
            '"' | '\\' => write!(f, "\\{c}")?,
            '\n' => f.write_str("\\n")?,
            '\r' => f.write_str("\\r")?,
            '\t' => f.write_str("\\t")?,
            _ if c.is_ascii_control() => write!(f, "\\u{:04x}", c as u32)?,
            _ => write!(f, "{c}")?,
        }
    }
    f.write_str("\"")
}

/// How a comparison is written.
pub(super) fn sign(how: Comparison) -> &'static str {
    match how {
        Comparison::Equal => "==",
        Comparison::NotEqual => "!=",
        Comparison::Less => "<",
        Comparison::LessOrEqual => "<=",
        Comparison::Greater => ">",
        Comparison::GreaterOrEqual => ">=",
    }
}

fn method(how: Match) -> &'static str {
    match how {
        Match::StartsWith => "startsWith",
        Match::EndsWith => "endsWith",
        Match::Contains => "contains",
        Match::Matches => "matches",
    }
}
