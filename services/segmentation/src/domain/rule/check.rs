//! Looks names up and checks kinds: the tree of a rule becomes a plan.
//! Called by `Rule`.

use std::collections::BTreeSet;

use super::error::{Error, error, nearest};
use super::plan::{Bag, Number, Over, Place, Test, Tick, Words};
use super::tree::{Comparison, Expr, Match, Node};
use super::{pattern, ticks};
use crate::domain::facts::record::Partner;
use crate::domain::facts::{Column, Decimal, Field, FieldSet, Kind, List, Texts};

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
pub(crate) fn check(text: &str, expr: &Expr) -> Result<Checked, Error> {
    let mut checker =
        Checker { text, scope: Vec::new(), fields: FieldSet::default(), segments: Vec::new(), patterns: 0 };
    let test = checker.test(expr)?;
    let ticks = ticks::of(&test);
    Ok(Checked { test, fields: checker.fields, segments: checker.segments, ticks })
}

struct Checker<'a> {
    text: &'a str,
    /// Variables and what they are items of, outermost first.
    scope: Vec<(String, Bag)>,
    fields: FieldSet,
    segments: Vec<String>,
    patterns: usize,
}

/// What an expression is, besides a test.
enum Typed {
    /// Of a kind, at a place.
    Plain(Kind, Place, &'static [&'static str]),
    Number(Kind, Number),
    Text(String),
    Bool(bool),
    Duration,
    List(Over),
    Items,
    Record(List),
    Test,
}

impl Typed {
    fn name(&self) -> String {
        match self {
            Typed::Plain(kind, ..) | Typed::Number(kind, _) => kind.to_string(),
            Typed::Text(_) => Kind::Text.to_string(),
            Typed::Bool(_) | Typed::Test => Kind::Bool.to_string(),
            Typed::Duration => "duration".to_owned(),
            Typed::List(over) => match &over.bag {
                Bag::Records(list) => format!("list of {}", list.name()),
                Bag::Texts(_) | Bag::Answers(_) => "list of strings".to_owned(),
            },
            Typed::Items => "list".to_owned(),
            Typed::Record(list) => format!("one of {}", list.name()),
        }
    }
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
                    let what = format!("this is a {}; a bool should be here", other.name());
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
                self.fields.insert(Field::Answers);
                Ok(Over { bag: Bag::Answers(question.clone()), level: self.scope.len(), filters: Vec::new() })
            }
            _ => match self.typed(expr)? {
                Typed::List(over) => Ok(over),
                other => {
                    let fits = List::ALL.map(List::name);
                    let what = format!("this is a {}; a list of the partner should be here", other.name());
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
                let what = format!("this is a {}; a duration goes with a timestamp", other.name());
                return Err(error(self.text, time.span, what).fits(["now"]));
            }
        };
        Ok(Typed::Number(Kind::Time, moved))
    }

    fn total(&mut self, expr: &Expr, currency: &str, window: Option<i64>) -> Result<Typed, Error> {
        if currency.len() != 3 || !currency.bytes().all(|b| b.is_ascii_uppercase()) {
            let what = format!("\"{}\" is no currency code of three capitals", currency.escape_debug());
            return Err(error(self.text, expr.span, what).fits(["\"EUR\""]));
        }
        self.fields.insert(Field::List(List::Purchases));
        Ok(Typed::Number(Kind::Decimal, Number::Total { currency: currency.to_owned(), window }))
    }

    fn segment(&mut self, expr: &Expr, segment: &str) -> Result<Test, Error> {
        self.resource(expr, segment, "segments/")?;
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
        self.error(expr, what)
    }

    fn has(&mut self, inner: &Expr) -> Result<Test, Error> {
        match self.typed(inner)? {
            Typed::Plain(kind, place, _) if kind != Kind::Bool => Ok(Test::Has(place)),
            Typed::List(_) => {
                let fits = [format!("size({inner}) > 0")];
                Err(error(self.text, inner.span, "a list is always known").fits(fits))
            }
            other => self
                .error(inner, format!("this is a {}; has() takes a field that may be absent", other.name())),
        }
    }

    fn comparison(&mut self, expr: &Expr, how: Comparison, left: &Expr, right: &Expr) -> Result<Test, Error> {
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
        fits.extend(
            choices
                .iter()
                .filter(|choice| !fits.iter().any(|fit| fit == **choice))
                .map(|c| (*c).to_owned())
                .collect::<Vec<_>>(),
        );
        let what = format!("\"{}\" is none of the choices", word.escape_debug());
        Err(error(self.text, literal.span, what).fits(fits.into_iter().map(|fit| format!("\"{fit}\""))))
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
            let what = format!("this is a {found}; a {wanted} should be here");
            Err(error(self.text, place.span, what).fits(suggest(wanted)))
        };
        let (Some((a_kind, a)), Some((b_kind, b))) = (number(a), number(b)) else {
            // the side that can be compared says what the other one should be
            return match comparable(&a_name) {
                true => wrong(right, &b_name, &a_name),
                false if comparable(&b_name) => wrong(left, &a_name, &b_name),
                false => self.error(expr, format!("a {a_name} can't be compared with a {b_name}")),
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

    fn within(&mut self, item: &Expr, of: &Expr) -> Result<Test, Error> {
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
            return self.error(item, format!("this is a {name}; a field should be here"));
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
                        format!("a {kind} should be here; instants are compared by < and >="),
                    );
                }
            };
            of.insert(value);
        }
        Ok(Test::NumberIn { item: number, of })
    }

    fn matching(&mut self, expr: &Expr, text: &Expr, how: Match, with: &str) -> Result<Test, Error> {
        let of = match self.typed(text)? {
            Typed::Plain(Kind::Text, place, _) => place,
            Typed::List(over) => {
                let fits = [format!("{}.exists(x, x.contains(...))", bag_name(&over.bag))];
                return Err(error(self.text, text.span, "this is a list; its items are strings").fits(fits));
            }
            other => return self.error(text, format!("this is a {}; a string should be here", other.name())),
        };
        if with.is_empty() {
            return self.error(expr, "an empty text is in every string");
        }
        let with = with.to_owned();
        let passes = match how {
            Match::StartsWith => Words::StartsWith(with),
            Match::EndsWith => Words::EndsWith(with),
            Match::Contains => Words::Contains(with),
            Match::Matches => {
                self.patterns += 1;
                let pattern = pattern::read(&with, self.patterns);
                Words::Matches(pattern.or_else(|what| self.error(expr, what))?)
            }
        };
        Ok(Test::Text { of, passes })
    }
}

/// The number in it, when it is one.
fn number(typed: Typed) -> Option<(Kind, Number)> {
    match typed {
        Typed::Number(kind, number) => Some((kind, number)),
        Typed::Plain(kind @ (Kind::Int | Kind::Decimal | Kind::Time), place, _) => {
            Some((kind, Number::Field(place, 0)))
        }
        _ => None,
    }
}

fn comparable(name: &str) -> bool {
    matches!(name, "int" | "decimal" | "timestamp" | "string" | "bool")
}

fn bag_name(bag: &Bag) -> String {
    match bag {
        Bag::Texts(texts) => Texts::name(*texts).to_owned(),
        Bag::Answers(question) => format!("answers[{question:?}]"),
        Bag::Records(list) => list.name().to_owned(),
    }
}

/// What a value of a kind looks like.
fn suggest(kind: &str) -> Vec<&'static str> {
    match kind {
        "int" => vec!["3"],
        "decimal" => vec!["1250.00"],
        "timestamp" => vec!["now - duration(\"30d\")", "timestamp(\"2026-01-31T00:00:00Z\")"],
        "string" => vec!["\"...\""],
        "bool" => vec!["true", "false"],
        _ => Vec::new(),
    }
}

/// How something that is no bool becomes one.
fn suggest_test(typed: &Typed) -> Vec<&'static str> {
    match typed {
        Typed::Plain(Kind::Text, ..) => vec!["== \"...\"", "in [\"...\"]"],
        Typed::Plain(..) | Typed::Number(..) => vec!["== ...", "< ...", "> ..."],
        Typed::List(_) => vec!["size(...) > 0", ".exists(x, ...)"],
        _ => Vec::new(),
    }
}
