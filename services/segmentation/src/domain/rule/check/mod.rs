//! Looks names up and checks kinds: the tree of a rule becomes a plan.
//! Called by `Rule`.

mod kinds;
mod terms;

use super::catalogue::Catalogue;
use super::error::{Error, error, nearest};
use super::lex;
use super::plan::{Bag, Number, Over, Place, Test, Tick};
use super::ticks;
use super::tree::{Expr, Node};
use crate::domain::facts::record::Partner;
use crate::domain::facts::{Column, Field, FieldSet, Kind, List};
use kinds::{Typed, suggest_test};

/// Most lists in each other: `calls.exists(c, opportunities.exists(o, ...))` are two.
pub const LEVEL_CAP: usize = 3;
/// Most characters of a name of a segment or question.
const NAME_CAP: usize = 200;

/// A checked rule.
#[derive(Debug, Clone)]
pub(crate) struct Checked {
    pub test: Test,
    pub fields: FieldSet,
    pub segments: Vec<String>,
    pub ticks: Vec<Tick>,
}

/// Checks a tree that was read from `text`.
pub(crate) fn check(text: &str, expr: &Expr, catalogue: &dyn Catalogue) -> Result<Checked, Error> {
    let (scope, segments) = (Vec::new(), Vec::new());
    let fields = FieldSet::default();
    let mut checker = Checker { text, catalogue, scope, fields, segments, patterns: 0 };
    let test = checker.test(expr)?;
    let ticks = ticks::of(&test);
    Ok(Checked { test, fields: checker.fields, segments: checker.segments, ticks })
}

struct Checker<'a> {
    text: &'a str,
    catalogue: &'a dyn Catalogue,
    /// Variables and what they are items of, outermost first.
    scope: Vec<(String, Bag)>,
    fields: FieldSet,
    segments: Vec<String>,
    patterns: usize,
}

impl Checker<'_> {
    fn error<T>(&self, expr: &Expr, what: impl Into<String>) -> Result<T, Error> {
        Err(error(self.text, expr.span, what))
    }

    /// A tree that must be true or false.
    fn test(&mut self, expr: &Expr) -> Result<Test, Error> {
        match &expr.node {
            Node::Bool(value) => Ok(Test::Const(*value)),
            Node::And(parts) => Ok(Test::And(self.tests(parts)?)),
            Node::Or(parts) => Ok(Test::Or(self.tests(parts)?)),
            Node::Not(inner) => Ok(Test::Not(Box::new(self.test(inner)?))),
            Node::Compare { how, left, right } => self.comparison(expr, *how, left, right),
            Node::In { item, of } => self.within(item, of),
            Node::Match { text, how, with } => self.matching(expr, text, *how, with),
            Node::Has(inner) => self.has(inner),
            Node::Quantify { how, over, variable, test } => {
                let over = self.over(over)?;
                let test = self.bound(expr, variable, &over, test)?;
                Ok(Test::Quantify { how: *how, over, test: Box::new(test) })
            }
            Node::InSegment(segment) => self.segment(expr, segment),
            _ => match self.typed(expr)? {
                Typed::Plain(Kind::Bool, place, _) => Ok(Test::Flag(place)),
                other => {
                    let what = format!("this is {}; a bool should be here", other.name());
                    Err(error(self.text, expr.span, what).fits(suggest_test(&other)))
                }
            },
        }
    }

    fn tests(&mut self, parts: &[Expr]) -> Result<Vec<Test>, Error> {
        parts.iter().map(|part| self.test(part)).collect()
    }

    /// Any other tree.
    fn typed(&mut self, expr: &Expr) -> Result<Typed, Error> {
        Ok(match &expr.node {
            Node::Int(number) => Typed::Number(Kind::Int, Number::Const(*number)),
            Node::Decimal(decimal) => Typed::Number(Kind::Decimal, Number::Const(decimal.0)),
            Node::Timestamp(instant) => Typed::Number(Kind::Time, Number::Const(*instant)),
            Node::Now => Typed::Number(Kind::Time, Number::Now(0)),
            Node::Text(text) => Typed::Text(text.clone()),
            Node::Duration(_) => Typed::Duration,
            Node::Bool(value) => Typed::Bool(*value),
            Node::List(_) => Typed::Items,
            Node::Name(name) => self.name(expr, name)?,
            Node::Select { of, field } => self.select(expr, of, field)?,
            Node::Answers(_) | Node::Filter { .. } => Typed::List(self.over(expr)?),
            Node::Size(of) => Typed::Number(Kind::Int, Number::Size(Box::new(self.over(of)?))),
            Node::Shift { time, back, by } => self.shift(time, if *back { -by } else { *by })?,
            Node::Total { currency, window } => self.total(expr, currency, *window)?,
            _ => {
                self.test(expr)?;
                Typed::Test
            }
        })
    }

    fn name(&mut self, expr: &Expr, name: &str) -> Result<Typed, Error> {
        if let Some(level) = self.scope.iter().position(|(variable, _)| variable == name) {
            return Ok(match &self.scope[level].1 {
                Bag::Records(list) => Typed::Record(*list),
                Bag::Texts(_) | Bag::Answers(_) => Typed::Plain(Kind::Text, Place::Item { level }, &[]),
            });
        }
        match Field::named(name) {
            Some(Field::Answers) => {
                self.error(expr, "answers are read by question: answers[\"questions/...\"]")
            }
            Some(field) => Ok(self.field(field)),
            None => self.unknown(expr, name),
        }
    }

    fn unknown<T>(&self, expr: &Expr, name: &str) -> Result<T, Error> {
        let variables = self.scope.iter().map(|(variable, _)| variable.clone());
        let fits = nearest(name, variables.chain(Field::all().map(Field::name)));
        Err(error(self.text, expr.span, format!("no field `{name}`")).fits(fits))
    }

    fn field(&mut self, field: Field) -> Typed {
        self.fields.insert(field);
        let level = self.scope.len();
        match field {
            Field::Plain(column) => {
                let Column { kind, choices, .. } = &Partner::COLUMNS[usize::from(column)];
                Typed::Plain(*kind, Place::Partner(usize::from(column)), choices)
            }
            Field::Texts(texts) => Typed::List(Over { bag: Bag::Texts(texts), level, filters: Vec::new() }),
            Field::List(list) => Typed::List(Over { bag: Bag::Records(list), level, filters: Vec::new() }),
            Field::Answers => Typed::Items,
        }
    }

    fn select(&mut self, expr: &Expr, of: &str, field: &str) -> Result<Typed, Error> {
        let Some(level) = self.scope.iter().position(|(variable, _)| variable == of) else {
            let whole = format!("{of}.{field}");
            return match Field::named(&whole) {
                Some(field) => Ok(self.field(field)),
                None if List::ALL.iter().any(|list| list.name() == of) => {
                    let fits =
                        [format!("{of}.exists(x, x.{field} ...)"), format!("{of}.filter(x, x.{field} ...)")];
                    Err(error(self.text, expr.span, format!("`{of}` is a list; its items have fields"))
                        .fits(fits))
                }
                None => self.unknown(expr, &whole),
            };
        };
        let Bag::Records(list) = self.scope[level].1 else {
            return self.error(expr, format!("`{of}` is a string and has no fields"));
        };
        let Some(column) = list.columns().iter().position(|column| column.name == field) else {
            let fits = nearest(field, list.columns().iter().map(|column| column.name.to_owned()));
            return Err(
                error(self.text, expr.span, format!("{} have no field `{field}`", list.name())).fits(fits)
            );
        };
        let Column { kind, choices, .. } = &list.columns()[column];
        Ok(Typed::Plain(*kind, Place::Record { level, list, column }, choices))
    }

    /// A tree that must be a list of the partner.
    fn over(&mut self, expr: &Expr) -> Result<Over, Error> {
        match &expr.node {
            Node::Filter { over, variable, test } => {
                let mut over = self.over(over)?;
                let test = self.bound(expr, variable, &over, test)?;
                over.filters.push(test);
                Ok(over)
            }
            Node::Answers(question) => {
                self.resource(expr, question, "questions/")?;
                let found = self.catalogue.question(question);
                self.there(expr, found, || format!("there is no question \"{question}\""))?;
                self.fields.insert(Field::Answers);
                Ok(Over { bag: Bag::Answers(question.clone()), level: self.scope.len(), filters: Vec::new() })
            }
            _ => match self.typed(expr)? {
                Typed::List(over) => Ok(over),
                other => {
                    let fits = List::ALL.map(List::name);
                    let what = format!("this is {}; a list of the partner should be here", other.name());
                    Err(error(self.text, expr.span, what).fits(fits))
                }
            },
        }
    }

    /// A test that sees one item of a list by a name.
    fn bound(&mut self, expr: &Expr, variable: &str, over: &Over, test: &Expr) -> Result<Test, Error> {
        if self.scope.len() == LEVEL_CAP {
            return self.error(expr, format!("more than {LEVEL_CAP} lists in each other"));
        }
        let taken = self.scope.iter().any(|(other, _)| other == variable)
            || Field::all().any(|field| field.name() == variable)
            || variable == "rfm";
        if taken {
            return self.error(expr, format!("the name `{variable}` is taken; choose another one"));
        }
        self.scope.push((variable.to_owned(), over.bag.clone()));
        let test = self.test(test);
        self.scope.pop();
        test
    }

    fn shift(&mut self, time: &Expr, by: i64) -> Result<Typed, Error> {
        let moved = match self.typed(time)? {
            Typed::Number(Kind::Time, Number::Const(instant)) => Number::Const(instant.saturating_add(by)),
            Typed::Number(Kind::Time, Number::Now(shift)) => Number::Now(shift.saturating_add(by)),
            Typed::Number(Kind::Time, Number::Field(place, shift)) => {
                Number::Field(place, shift.saturating_add(by))
            }
            Typed::Plain(Kind::Time, place, _) => Number::Field(place, by),
            other => {
                let what = format!("this is {}; a duration goes with a timestamp", other.name());
                return Err(error(self.text, time.span, what).fits(["now"]));
            }
        };
        Ok(Typed::Number(Kind::Time, moved))
    }

    fn total(&mut self, expr: &Expr, currency: &str, window: Option<i64>) -> Result<Typed, Error> {
        if currency.len() != 3 || !currency.bytes().all(|b| b.is_ascii_uppercase()) {
            let what = format!("\"{}\" is no currency code of three capitals", currency.escape_debug());
            return Err(error(self.text, self.literal(expr), what).fits(["\"EUR\""]));
        }
        let found = self.catalogue.currency(currency);
        self.there(expr, found, || format!("there is no currency \"{currency}\""))?;
        self.fields.insert(Field::List(List::Purchases));
        Ok(Typed::Number(Kind::Decimal, Number::Total { currency: currency.to_owned(), window }))
    }

    fn segment(&mut self, expr: &Expr, segment: &str) -> Result<Test, Error> {
        self.resource(expr, segment, "segments/")?;
        let found = self.catalogue.segment(segment);
        self.there(expr, found, || format!("\"{segment}\" does not exist or you may not see it"))?;
        let known = self.segments.iter().position(|known| known == segment);
        Ok(Test::Segment(known.unwrap_or_else(|| {
            self.segments.push(segment.to_owned());
            self.segments.len() - 1
        })))
    }

    fn resource(&self, expr: &Expr, name: &str, start: &str) -> Result<(), Error> {
        let rest = name.strip_prefix(start).unwrap_or("");
        let good = !rest.is_empty()
            && name.len() <= NAME_CAP
            && !rest.contains(|c: char| c == '/' || c.is_control());
        if good {
            return Ok(());
        }
        let what = format!("\"{}\" is no name; write \"{start}...\"", name.escape_debug());
        Err(error(self.text, self.literal(expr), what))
    }

    /// Where the text in quotes of a function stands.
    fn literal(&self, expr: &Expr) -> (u32, u32) {
        lex::quoted(self.text, expr.span, false).unwrap_or(expr.span)
    }

    /// What the catalogue says of a name in quotes.
    fn there(
        &self,
        expr: &Expr,
        found: Result<(), Vec<String>>,
        what: impl FnOnce() -> String,
    ) -> Result<(), Error> {
        let Err(fits) = found else { return Ok(()) };
        let fits = fits.into_iter().map(|fit| format!("\"{fit}\""));
        Err(error(self.text, self.literal(expr), what()).fits(fits))
    }

    fn has(&mut self, inner: &Expr) -> Result<Test, Error> {
        match self.typed(inner)? {
            Typed::Plain(kind, place, _) if kind != Kind::Bool => Ok(Test::Has(place)),
            Typed::List(_) => {
                let fits = [format!("size({inner}) > 0")];
                Err(error(self.text, inner.span, "a list is always known").fits(fits))
            }
            other => {
                self.error(inner, format!("this is {}; has() takes a field that may be absent", other.name()))
            }
        }
    }
}
