//! The rule language: text and tree, checked once, read by three evaluators that agree.
//! Called by the membership engine, the store and the RPCs.

pub mod catalogue;
mod check;
pub mod error;
pub mod explain;
mod lex;
pub(crate) mod one;
mod parse;
mod pattern;
pub(crate) mod plan;
mod print;
pub mod scan;
pub mod sql;
mod ticks;
pub mod tree;
mod when;

use std::fmt;
use std::sync::Arc;

pub use error::{Error, Position};
pub use explain::Term;
pub use lex::TEXT_CAP;
pub use parse::{DEPTH_CAP, NODE_CAP, parse};
pub use tree::{Comparison, Expr, Match, Node, Quantifier};

use super::facts::{Facts, FieldSet, Micros};
use catalogue::{Catalogue, Everything};
use check::Checked;
use one::{Bound, One, Source, strikes};

/// Most instants that `next_flip` tries; it answers the last one then, where the answer may stay.
const FLIPS_TRIED: usize = 256;

/// A rule that was checked. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Rule(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    expr: Expr,
    checked: Checked,
    literals: Vec<Micros>,
}

impl Rule {
    /// Reads and checks a text. Whether what it names is there is not looked at.
    pub fn parse(text: &str) -> Result<Rule, Error> {
        Rule::parse_known(text, &Everything)
    }

    /// Reads and checks a text, and whether what it names is there.
    pub fn parse_known(text: &str, catalogue: &dyn Catalogue) -> Result<Rule, Error> {
        let expr = parse(text)?;
        let checked = check::check(text, &expr, catalogue)?;
        let literals = ticks::literals(&checked.test);
        Ok(Rule(Arc::new(Inner { expr, checked, literals })))
    }

    /// Checks a tree. Places in the error are those of the tree's text.
    pub fn from_tree(tree: &Expr) -> Result<Rule, Error> {
        Rule::from_tree_known(tree, &Everything)
    }

    /// Checks a tree, and whether what it names is there.
    pub fn from_tree_known(tree: &Expr, catalogue: &dyn Catalogue) -> Result<Rule, Error> {
        let text = tree.to_string();
        let rule = Rule::parse_known(&text, catalogue)?;
        if rule.0.expr == *tree {
            return Ok(rule);
        }
        // a name with blanks in it, an `&&` with one part, parts of a second
        Err(error::error(&text, (0, text.len() as u32), "the tree holds what can't be written as text"))
    }

    /// The tree; its text is the rule's canonical one.
    pub fn tree(&self) -> &Expr {
        &self.0.expr
    }

    /// The fields of a partner that it reads.
    pub fn fields(&self) -> FieldSet {
        self.0.checked.fields
    }

    /// The segments that it names, each once.
    pub fn segments(&self) -> &[String] {
        &self.0.checked.segments
    }

    /// Whether its answer can change by time alone.
    pub fn watches_clock(&self) -> bool {
        !self.0.checked.ticks.is_empty() || !self.0.literals.is_empty()
    }

    /// Whether a partner passes. `member` tells whether it is in a segment.
    pub fn holds(&self, facts: &Facts, now: Micros, member: &dyn Fn(&str) -> bool) -> bool {
        self.holds_for(facts, now, member)
    }

    /// Why it passes or not, term by term. The root's `holds` is the answer.
    pub fn explain(&self, facts: &Facts, now: Micros, member: &dyn Fn(&str) -> bool) -> Term {
        self.explain_for(facts, now, member)
    }

    /// The next instant after `now` at which the answer becomes another one by time alone. Segments are taken to stay as they are.
    pub fn next_flip(&self, facts: &Facts, now: Micros, member: &dyn Fn(&str) -> bool) -> Option<Micros> {
        self.next_flip_for(facts, now, member)
    }

    pub(crate) fn holds_for<S: Source>(
        &self,
        source: &S,
        now: Micros,
        member: &dyn Fn(&str) -> bool,
    ) -> bool {
        let member = |segment: usize| member(&self.0.checked.segments[segment]);
        One { source, now, member: &member }.holds(self.test(), &Bound::default())
    }

    pub(crate) fn explain_for<S: Source>(
        &self,
        source: &S,
        now: Micros,
        member: &dyn Fn(&str) -> bool,
    ) -> Term {
        let member = |segment: usize| member(&self.0.checked.segments[segment]);
        explain::term(&One { source, now, member: &member }, &self.0.expr, self.test())
    }

    pub(crate) fn next_flip_for<S: Source>(
        &self,
        source: &S,
        now: Micros,
        member: &dyn Fn(&str) -> bool,
    ) -> Option<Micros> {
        let mut instants: Vec<Micros> = self.0.literals.clone();
        for tick in self.ticks() {
            strikes(source, tick, |instant| instants.push(instant));
        }
        instants.retain(|instant| *instant > now);
        instants.sort_unstable();
        instants.dedup();
        let today = self.holds_for(source, now, member);
        let flips = |instant: &Micros| self.holds_for(source, *instant, member) != today;
        match instants.iter().take(FLIPS_TRIED).copied().find(flips) {
            Some(instant) => Some(instant),
            None => instants.get(FLIPS_TRIED).copied(),
        }
    }

    pub(crate) fn test(&self) -> &plan::Test {
        &self.0.checked.test
    }

    pub(crate) fn ticks(&self) -> &[plan::Tick] {
        &self.0.checked.ticks
    }

    /// Instants at which it may change for all partners at once.
    pub(crate) fn literals(&self) -> &[Micros] {
        &self.0.literals
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.expr.fmt(f)
    }
}

impl PartialEq for Rule {
    fn eq(&self, other: &Rule) -> bool {
        self.0.expr == other.0.expr
    }
}
