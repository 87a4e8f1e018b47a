//! Checks single terms: comparisons, `in`, and what is asked of texts.
//! Called by the checker.

use std::collections::BTreeSet;

use super::super::error::{Error, error, nearest};
use super::super::lex;
use super::super::pattern;
use super::super::plan::{Bag, Number, Place, Test, Words};
use super::super::tree::{Comparison, Expr, Match, Node};
use super::Checker;
use super::kinds::{Typed, article, bag_name, number, suggest};
use crate::domain::facts::{Decimal, Kind, List, Purchase};

impl Checker<'_> {
    pub(super) fn comparison(
        &mut self,
        expr: &Expr,
        how: Comparison,
        left: &Expr,
        right: &Expr,
    ) -> Result<Test, Error> {
        let (a, b) = (self.typed(left)?, self.typed(right)?);
        match (a, b) {
            (Typed::Plain(Kind::Text, of, choices), Typed::Text(word)) => {
                self.word(expr, of, choices, how, word, right)
            }
            (Typed::Text(word), Typed::Plain(Kind::Text, of, choices)) => {
                self.word(expr, of, choices, how, word, left)
            }
            (Typed::Plain(Kind::Bool, place, _), Typed::Bool(value))
            | (Typed::Bool(value), Typed::Plain(Kind::Bool, place, _)) => match how {
                Comparison::Equal if value => Ok(Test::Flag(place)),
                Comparison::NotEqual if !value => Ok(Test::Flag(place)),
                Comparison::Equal | Comparison::NotEqual => Ok(Test::Not(Box::new(Test::Flag(place)))),
                _ => self.error(expr, "a bool is neither less nor greater"),
            },
            (Typed::Plain(Kind::Text, ..), Typed::Plain(Kind::Text, ..)) => {
                self.error(right, "a string is compared with a text in quotes, not with another field")
            }
            (a, b) => self.numbers(expr, how, (a, left), (b, right)),
        }
    }

    fn word(
        &self,
        expr: &Expr,
        of: Place,
        choices: &[&str],
        how: Comparison,
        word: String,
        literal: &Expr,
    ) -> Result<Test, Error> {
        self.choice(choices, &word, literal)?;
        self.known(of, &word, literal)?;
        let passes = match how {
            Comparison::Equal => Words::Is(word),
            Comparison::NotEqual => Words::IsNot(word),
            _ => {
                let what =
                    "strings are only compared by == and !=, in, startsWith, endsWith, contains and matches";
                return self.error(expr, what);
            }
        };
        Ok(Test::Text { of, passes })
    }

    /// A literal beside a field with choices must be one of them, or empty.
    fn choice(&self, choices: &[&str], word: &str, literal: &Expr) -> Result<(), Error> {
        if choices.is_empty() || word.is_empty() || choices.contains(&word) {
            return Ok(());
        }
        let mut fits = nearest(word, choices.iter().map(|choice| (*choice).to_owned()));
        let rest: Vec<&str> =
            choices.iter().copied().filter(|choice| !fits.iter().any(|fit| fit == choice)).collect();
        fits.extend(rest.into_iter().map(str::to_owned));
        let what = format!("\"{}\" is none of the choices", word.escape_debug());
        Err(error(self.text, literal.span, what).fits(fits.into_iter().map(|fit| format!("\"{fit}\""))))
    }

    /// A literal beside a currency or an answer must be one that is there.
    fn known(&self, of: Place, word: &str, literal: &Expr) -> Result<(), Error> {
        match of {
            Place::Record { list: List::Purchases, column, .. } if !word.is_empty() => {
                if Purchase::COLUMNS[column].name != "currency" {
                    return Ok(());
                }
                let found = self.catalogue.currency(word);
                self.there(literal, found, || format!("there is no currency \"{}\"", word.escape_debug()))
            }
            Place::Item { level } => match &self.scope[level].1 {
                Bag::Answers(question) => self.offered(question, word, literal),
                _ => Ok(()),
            },
            _ => Ok(()),
        }
    }

    fn offered(&self, question: &str, choice: &str, literal: &Expr) -> Result<(), Error> {
        let found = self.catalogue.choice(question, choice);
        let what = || format!("\"{}\" is no choice of \"{question}\"", choice.escape_debug());
        self.there(literal, found, what)
    }

    fn numbers(
        &mut self,
        expr: &Expr,
        how: Comparison,
        (a, left): (Typed, &Expr),
        (b, right): (Typed, &Expr),
    ) -> Result<Test, Error> {
        let (a_name, b_name) = (a.name(), b.name());
        let wrong = |place: &Expr, found: &str, wanted: &str| {
            let what = format!("this is {found}; {wanted} should be here");
            Err(error(self.text, place.span, what).fits(suggest(wanted)))
        };
        let (Some((a_kind, a)), Some((b_kind, b))) = (number(a), number(b)) else {
            // the side that can be compared says what the other one should be
            return if !suggest(&a_name).is_empty() {
                wrong(right, &b_name, &a_name)
            } else if !suggest(&b_name).is_empty() {
                wrong(left, &a_name, &b_name)
            } else {
                self.error(expr, format!("{a_name} can't be compared with {b_name}"))
            };
        };
        let (left, right) = match (a_kind, b_kind) {
            _ if a_kind == b_kind => (a, b),
            (Kind::Decimal, Kind::Int) => (a, self.widened(right, b)?),
            (Kind::Int, Kind::Decimal) => (self.widened(left, a)?, b),
            _ => return wrong(right, &b_name, &a_name),
        };
        Ok(Test::Number { left, how, right })
    }

    /// A whole number as a decimal.
    fn widened(&self, expr: &Expr, number: Number) -> Result<Number, Error> {
        match number {
            Number::Const(number) => match number.checked_mul(Decimal::ONE) {
                Some(wide) => Ok(Number::Const(wide)),
                None => self.error(expr, format!("{number} is too large for a decimal")),
            },
            _ => self.error(expr, "this is an int; a decimal should be here"),
        }
    }

    pub(super) fn within(&mut self, item: &Expr, of: &Expr) -> Result<Test, Error> {
        let Node::List(items) = &of.node else {
            let over = self.over(of)?;
            if let Bag::Records(list) = over.bag {
                let fits = [format!("{}.exists(x, ...)", list.name())];
                return Err(error(self.text, of.span, "`in` looks into lists of strings").fits(fits));
            }
            let Node::Text(choice) = &item.node else {
                return self.error(item, "a text in quotes should be here");
            };
            if !over.filters.is_empty() {
                return self.error(of, "`in` takes a list that is not filtered");
            }
            if let Bag::Answers(question) = &over.bag {
                self.offered(question, choice, item)?;
            }
            return Ok(Test::Member { choice: choice.clone(), of: over.bag });
        };
        match self.typed(item)? {
            Typed::Plain(Kind::Text, place, choices) => {
                let mut words = BTreeSet::new();
                for literal in items {
                    let Node::Text(word) = &literal.node else {
                        return self.error(literal, "a text in quotes should be here");
                    };
                    self.choice(choices, word, literal)?;
                    self.known(place, word, literal)?;
                    words.insert(word.clone());
                }
                Ok(Test::Text { of: place, passes: Words::OneOf(words) })
            }
            other => self.number_within(item, other, items),
        }
    }

    fn number_within(&mut self, item: &Expr, typed: Typed, items: &[Expr]) -> Result<Test, Error> {
        let name = typed.name();
        let Some((kind, number)) = number(typed) else {
            return self.error(item, format!("this is {name}; a field should be here"));
        };
        let mut of = BTreeSet::new();
        for literal in items {
            let value = match (&literal.node, kind) {
                (Node::Int(value), Kind::Int) => *value,
                (Node::Int(value), Kind::Decimal) => match self.widened(literal, Number::Const(*value))? {
                    Number::Const(wide) => wide,
                    _ => *value,
                },
                (Node::Decimal(value), Kind::Decimal) => value.0,
                _ => {
                    return self.error(
                        literal,
                        format!("{} should be here; instants are compared by < and >=", article(kind)),
                    );
                }
            };
            of.insert(value);
        }
        Ok(Test::NumberIn { item: number, of })
    }

    pub(super) fn matching(
        &mut self,
        expr: &Expr,
        text: &Expr,
        how: Match,
        with: &str,
    ) -> Result<Test, Error> {
        let of = match self.typed(text)? {
            Typed::Plain(Kind::Text, place, _) => place,
            Typed::List(over) => {
                let fits = [format!("{}.exists(x, x.contains(...))", bag_name(&over.bag))];
                return Err(error(self.text, text.span, "this is a list; its items are strings").fits(fits));
            }
            Typed::Text(_) => return self.error(text, "this is a text in quotes; a field should be here"),
            other => return self.error(text, format!("this is {}; a string should be here", other.name())),
        };
        let literal = lex::quoted(self.text, expr.span, true).unwrap_or(expr.span);
        if with.is_empty() {
            return Err(error(self.text, literal, "an empty text is in every string"));
        }
        let with = with.to_owned();
        let passes = match how {
            Match::StartsWith => Words::StartsWith(with),
            Match::EndsWith => Words::EndsWith(with),
            Match::Contains => Words::Contains(with),
            Match::Matches => {
                self.patterns += 1;
                let pattern = pattern::read(&with, self.patterns);
                Words::Matches(pattern.map_err(|wrong| {
                    let place = wrong.bytes.map(|bytes| lex::inside(self.text, literal, bytes));
                    error(self.text, place.unwrap_or(literal), wrong.what)
                })?)
            }
        };
        Ok(Test::Text { of, passes })
    }
}
