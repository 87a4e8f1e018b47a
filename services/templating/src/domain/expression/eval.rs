//! Running an expression over a letter's data. Every step is paid from the letter's fuel.
//! Called by the machine.

use std::cell::Cell;
use std::ops::Deref;

use jiff::civil::DateTime;

use super::{Expr, Operator, Path, Root, arithmetic, filter, show};
use crate::domain::finding::{Problem, nearest};
use crate::domain::format::locale::Locale;
use crate::domain::format::salutation::{Person, salutation};
use crate::domain::limits::Limits;
use crate::domain::value::{Record, Value};

/// A value that is borrowed from the data or the template, or made on the way.
#[derive(Debug, Clone)]
pub enum Val<'d> {
    /// Borrowed.
    Ref(&'d Value),
    /// Made.
    Own(Value),
}

impl Deref for Val<'_> {
    type Target = Value;
    fn deref(&self) -> &Value {
        match self {
            Self::Ref(value) => value,
            Self::Own(value) => value,
        }
    }
}

impl Val<'_> {
    /// The value as one's own.
    pub fn into_value(self) -> Value {
        match self {
            Self::Ref(value) => value.clone(),
            Self::Own(value) => value,
        }
    }
}

/// What a loop stands at.
#[derive(Debug)]
pub struct Slot<'d> {
    /// The element.
    pub value: Val<'d>,
    /// Its number from 0.
    pub index: usize,
    /// How many there are.
    pub length: usize,
}

/// What an expression may see.
pub struct Context<'d> {
    /// The letter's data; nothing when a label sheet has more labels than there are records.
    pub record: Option<&'d Record>,
    /// The reader's language.
    pub locale: Locale,
    /// The time of the letter, handed in.
    pub now: DateTime,
    /// The number of the record in its job, from 1.
    pub number: u64,
    /// The loops around, outermost first.
    pub slots: Vec<Slot<'d>>,
    /// Steps that are left.
    pub steps: Cell<u64>,
    /// The caps.
    pub limits: &'d Limits,
}

static EMPTY: Value = Value::Empty;

impl<'d> Context<'d> {
    /// Pays for work.
    pub fn pay(&self, steps: u64) -> Result<(), Problem> {
        let left = self.steps.get().checked_sub(steps);
        let Some(left) = left else {
            return Err(Problem::Limit(format!(
                "the letter needs more than {} steps of work",
                self.limits.steps
            )));
        };
        self.steps.set(left);
        Ok(())
    }

    /// The value of an expression.
    pub fn eval(&self, expr: &'d Expr) -> Result<Val<'d>, Problem> {
        self.pay(1)?;
        Ok(match expr {
            Expr::Literal(value) => Val::Ref(value),
            Expr::Path(path) => self.path(path)?,
            Expr::Merge(name) => match self.record {
                None => Val::Ref(&EMPTY),
                Some(record) => Val::Ref(name.find(record).ok_or_else(|| unknown(name.text(), record))?),
            },
            Expr::Member(base, name) => field(self.eval(base)?, name, name)?,
            Expr::Index(base, index) => {
                let index = self.eval(index)?;
                match &*index {
                    Value::Number(at) => filter::element(self.eval(base)?, *at),
                    Value::Text(name) => field(self.eval(base)?, name, name)?,
                    other => return Err(wrong(format!("{} is no number of an element", other.noun()))),
                }
            }
            Expr::Not(inner) => Val::Own(Value::Bool(!is_true(&*self.eval(inner)?))),
            Expr::Negate(inner) => Val::Own(arithmetic::negate(&*self.eval(inner)?)?),
            Expr::Binary(operator, left, right) => self.binary(*operator, left, right)?,
            Expr::Choose(parts) => {
                let [condition, yes, no] = &**parts;
                if is_true(&*self.eval(condition)?) { self.eval(yes)? } else { self.eval(no)? }
            }
            Expr::Filter(base, filter, arguments) => {
                let base = self.eval(base)?;
                let arguments =
                    arguments.iter().map(|argument| self.eval(argument)).collect::<Result<Vec<_>, _>>()?;
                filter.apply(base, &arguments, self)?
            }
            Expr::Concat(parts) => match parts.as_slice() {
                [one] => self.eval(one)?,
                parts => Val::Own(Value::Text(self.concat(parts)?)),
            },
            Expr::Salutation(person) => Val::Own(Value::Text(self.salutation(&*self.eval(person)?)?)),
            Expr::Today => Val::Own(Value::Date(self.now.date())),
            Expr::Now => Val::Own(Value::DateTime(self.now)),
            Expr::WordCompare(operator, left, right) => {
                let (left, right) = (self.eval(left)?, self.eval(right)?);
                Val::Own(Value::Bool(arithmetic::word_compare(*operator, &left, &right, self)?))
            }
            Expr::RecordNumber => Val::Own(Value::Number(self.number.into())),
        })
    }

    /// Whether an expression holds.
    pub fn is_true(&self, expr: &'d Expr) -> Result<bool, Problem> {
        Ok(is_true(&*self.eval(expr)?))
    }

    fn path(&self, path: &'d Path) -> Result<Val<'d>, Problem> {
        let mut value = match path.root {
            Root::Record => {
                let Some(record) = self.record else { return Ok(Val::Ref(&EMPTY)) };
                let (first, rest) = path.steps.split_first().ok_or_else(|| wrong("an empty path".into()))?;
                let value = record.get(first).ok_or_else(|| unknown(&path.text, record))?;
                return walk(value, rest, &path.text).map(Val::Ref);
            }
            Root::Loop(slot) => return Ok(Val::Own(self.slots[slot].says(&path.steps[0]))),
            Root::Local(slot) => match &self.slots[slot].value {
                Val::Ref(value) => return walk(value, &path.steps, &path.text).map(Val::Ref),
                Val::Own(value) => value,
            },
        };
        value = walk(value, &path.steps, &path.text)?;
        Ok(Val::Own(value.clone()))
    }

    fn binary(&self, operator: Operator, left: &'d Expr, right: &'d Expr) -> Result<Val<'d>, Problem> {
        let left = self.eval(left)?;
        match operator {
            Operator::And if !is_true(&left) => return Ok(left),
            Operator::Or if is_true(&left) => return Ok(left),
            Operator::And | Operator::Or => return self.eval(right),
            _ => {}
        }
        let right = self.eval(right)?;
        if operator == Operator::Join {
            let mut text = show(&left, self.locale)?.into_owned();
            text.push_str(&show(&right, self.locale)?);
            return Ok(Val::Own(Value::Text(self.capped(text)?)));
        }
        if let (Value::List(list), Operator::In | Operator::NotIn) = (&*right, operator) {
            self.pay(list.len() as u64)?;
        }
        arithmetic::binary(operator, &left, &right).map(Val::Own)
    }

    fn concat(&self, parts: &'d [Expr]) -> Result<String, Problem> {
        let mut text = String::new();
        for part in parts {
            text.push_str(&show(&*self.eval(part)?, self.locale)?);
        }
        self.capped(text)
    }

    /// A text within its cap; longer ones cost more.
    pub(super) fn capped(&self, text: String) -> Result<String, Problem> {
        if text.len() > self.limits.text_bytes {
            return Err(Problem::Limit(format!(
                "a text of {} bytes, {} are allowed",
                text.len(),
                self.limits.text_bytes
            )));
        }
        self.pay(text.len() as u64 / 64)?;
        Ok(text)
    }

    fn salutation(&self, value: &Value) -> Result<String, Problem> {
        let record = match value {
            Value::Record(record) => record,
            Value::Empty => return Ok(salutation(Person::default(), self.locale)),
            other => return Err(wrong(format!("salutation takes a person, not {}", other.noun()))),
        };
        let text = |name: &str| match record.get(name) {
            Some(Value::Text(text)) => text.as_str(),
            _ => "",
        };
        // What a person wants to be called goes before any rule.
        if !text("salutation").is_empty() {
            return Ok(text("salutation").to_owned());
        }
        let person = Person {
            gender: text("gender"),
            title: text("title"),
            first_name: text("first_name"),
            last_name: text("last_name"),
        };
        Ok(salutation(person, self.locale))
    }
}

impl Slot<'_> {
    fn says(&self, name: &str) -> Value {
        match name {
            "index" => Value::Number((self.index as u64 + 1).into()),
            "index0" => Value::Number((self.index as u64).into()),
            "first" => Value::Bool(self.index == 0),
            "last" => Value::Bool(self.index + 1 == self.length),
            _ => Value::Number((self.length as u64).into()),
        }
    }
}

/// Goes down a path. What is empty has only empty fields.
fn walk<'v>(value: &'v Value, steps: &[Box<str>], text: &str) -> Result<&'v Value, Problem> {
    let mut value = value;
    for step in steps {
        value = match value {
            Value::Record(record) => record.get(step).ok_or_else(|| unknown(text, record))?,
            Value::Empty => return Ok(value),
            other => return Err(wrong(format!("{text}: {} has no field {step}", other.noun()))),
        };
    }
    Ok(value)
}

fn field<'d>(base: Val<'d>, name: &str, text: &str) -> Result<Val<'d>, Problem> {
    let step = [Box::from(name)];
    match base {
        Val::Ref(value) => walk(value, &step, text).map(Val::Ref),
        Val::Own(value) => walk(&value, &step, text).map(|found| Val::Own(found.clone())),
    }
}

fn unknown(path: &str, record: &Record) -> Problem {
    let last = path.rsplit('.').next().unwrap_or(path);
    let near = nearest(last, record.iter().map(|(name, _)| name)).map(str::to_owned);
    Problem::UnknownField { name: path.to_owned(), nearest: near }
}

pub(super) fn wrong(why: String) -> Problem {
    Problem::WrongType(why)
}

/// What counts as yes: all but nothing, no, zero, an empty text and an empty list.
pub(super) fn is_true(value: &Value) -> bool {
    match value {
        Value::Empty => false,
        Value::Bool(is) => *is,
        Value::Number(number) => !number.is_zero(),
        Value::Money(money) => !money.amount.is_zero(),
        Value::Text(text) => !text.is_empty(),
        Value::List(list) => !list.is_empty(),
        Value::Date(_) | Value::DateTime(_) | Value::Picture(_) | Value::Record(_) => true,
    }
}
