//! The filters of expressions and the switches of Word's fields.
//! Named by the parser, applied by evaluation.

use rust_decimal::prelude::ToPrimitive;
use rust_decimal::{Decimal, RoundingStrategy};

use super::arithmetic::{as_number, binary, moment, order};
use super::eval::{Context, Val, wrong};
use super::{Operator, show};
use crate::domain::finding::Problem;
use crate::domain::format::locale::Locale;
use crate::domain::format::{date, number, plural};
use crate::domain::picture::Picture;
use crate::domain::value::{Money, Value};

/// How letters are changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Case {
    /// ALL CAPITALS
    Upper,
    /// no capitals
    Lower,
    /// The first letter is one
    First,
    /// Each Word Begins With One
    Title,
}

/// A filter.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the table below says what each does")]
pub enum Filter {
    Case(Case),
    Trim,
    Replace,
    Truncate,
    Default,
    Join,
    First,
    Last,
    Length,
    Sum,
    Sort,
    Reverse,
    Number,
    Money,
    Percent,
    Round,
    Abs,
    Date,
    Time,
    DateTime,
    Plural,
    Qr,
    /// Word's `\#`.
    NumberPicture(Box<str>),
    /// Word's `\@`.
    DatePicture(Box<str>),
    /// Word's `\b` and `\f`: text before and behind, when there is something between.
    Around(Box<str>, Box<str>),
    /// The text of a value; for parts of a link each sign that means something there is written as `%XX`.
    Address,
}

/// Name, filter, fewest and most values in parentheses.
const TABLE: [(&str, Filter, usize, usize); 28] = [
    ("upper", Filter::Case(Case::Upper), 0, 0),
    ("lower", Filter::Case(Case::Lower), 0, 0),
    ("capitalize", Filter::Case(Case::First), 0, 0),
    ("title", Filter::Case(Case::Title), 0, 0),
    ("trim", Filter::Trim, 0, 0),
    ("replace", Filter::Replace, 2, 2),
    ("truncate", Filter::Truncate, 1, 1),
    ("default", Filter::Default, 1, 1),
    ("join", Filter::Join, 0, 2),
    ("first", Filter::First, 0, 0),
    ("last", Filter::Last, 0, 0),
    ("length", Filter::Length, 0, 0),
    ("count", Filter::Length, 0, 0),
    ("sum", Filter::Sum, 0, 1),
    ("sort", Filter::Sort, 0, 1),
    ("reverse", Filter::Reverse, 0, 0),
    ("number", Filter::Number, 0, 1),
    ("money", Filter::Money, 0, 1),
    ("percent", Filter::Percent, 0, 1),
    ("round", Filter::Round, 0, 1),
    ("abs", Filter::Abs, 0, 0),
    ("date", Filter::Date, 0, 1),
    ("time", Filter::Time, 0, 1),
    ("datetime", Filter::DateTime, 0, 1),
    ("plural", Filter::Plural, 2, 4),
    ("qr", Filter::Qr, 0, 0),
    ("urlencode", Filter::Address, 0, 0),
    ("text", Filter::Join, 0, 0),
];

impl Filter {
    /// A filter by its name, with how many values it takes.
    pub(super) fn named(name: &str) -> Option<(Self, usize, usize)> {
        let (_, filter, least, most) = TABLE.iter().find(|(known, ..)| *known == name)?;
        Some((filter.clone(), *least, *most))
    }

    pub(super) fn names() -> impl Iterator<Item = &'static str> {
        TABLE.iter().map(|(name, ..)| *name)
    }

    /// The filter's result.
    pub(super) fn apply<'d>(
        &self,
        base: Val<'d>,
        arguments: &[Val<'d>],
        cx: &Context<'d>,
    ) -> Result<Val<'d>, Problem> {
        let first = arguments.first().map(|argument| &**argument);
        Ok(match self {
            Self::Default => {
                let is_missing = matches!(&*base, Value::Empty)
                    || matches!(&*base, Value::Text(text) if text.trim().is_empty());
                if is_missing { arguments[0].clone() } else { base }
            }
            Self::First => element(base, Decimal::ZERO),
            Self::Last => element(base, Decimal::NEGATIVE_ONE),
            Self::Sort | Self::Reverse => Val::Own(Value::List(self.reordered(base, first, cx)?)),
            _ if matches!(&*base, Value::Empty)
                && !matches!(self, Self::Length | Self::Sum | Self::Join | Self::Plural) =>
            {
                base
            }
            Self::Length => Val::Own(Value::Number(length(&base)?.into())),
            Self::Sum => Val::Own(sum(&base, first, cx)?),
            Self::Qr => Val::Own(Picture::qr(&show(&base, cx.locale)?).map_err(wrong)?.into()),
            Self::Abs | Self::Round => Val::Own(self.calculated(&base, first)?),
            _ => Val::Own(Value::Text(cx.capped(self.text(&base, arguments, cx)?)?)),
        })
    }

    /// The filters whose result is a text.
    fn text(&self, base: &Value, arguments: &[Val<'_>], cx: &Context<'_>) -> Result<String, Problem> {
        let locale = cx.locale;
        let first = arguments.first().map(|argument| &**argument);
        Ok(match self {
            Self::Case(case) => cased(&show(base, locale)?, *case),
            Self::Trim => show(base, locale)?.trim().to_owned(),
            Self::Replace => {
                let (from, to) = (text_of(&arguments[0])?, text_of(&arguments[1])?);
                let text = show(base, locale)?;
                let most = if from.is_empty() { 0 } else { text.matches(from).count() };
                if text.len() + most * to.len() > cx.limits.text_bytes {
                    return Err(Problem::Limit(format!(
                        "a text of more than {} bytes",
                        cx.limits.text_bytes
                    )));
                }
                cx.pay(1 + (most * to.len()) as u64 / 64)?;
                if from.is_empty() { text.into_owned() } else { text.replace(from, to) }
            }
            Self::Truncate => {
                let most = count(&arguments[0])?;
                let text = show(base, locale)?;
                match text.char_indices().nth(most) {
                    Some((end, _)) => format!("{}…", text[..end].trim_end()),
                    None => text.into_owned(),
                }
            }
            Self::Join => join(base, arguments, cx)?,
            Self::Number => {
                let value = number_of(base)?;
                let own = value.normalize().scale();
                number::number(value, digits(first)?.unwrap_or(own), locale)
            }
            Self::Money => money(base, first, locale)?,
            Self::Percent => number::percent(number_of(base)?, digits(first)?.unwrap_or(0), locale),
            Self::Date => date::date(moment_of(base)?, first.map_or(Ok("medium"), text_of)?, locale),
            Self::Time => date::time(moment_of(base)?, first.map_or(Ok("short"), text_of)?, locale),
            Self::DateTime => date::date_time(moment_of(base)?, first.map_or(Ok("medium"), text_of)?, locale),
            Self::Plural => {
                let forms = arguments.iter().map(|form| text_of(form)).collect::<Result<Vec<_>, _>>()?;
                let counted = if let Value::List(list) = base { list.len().into() } else { number_of(base)? };
                plural::choose(counted, &forms, locale).to_owned()
            }
            // Word shows what it cannot format as it is.
            Self::NumberPicture(picture) => match as_number(base) {
                Some(value) => number::by_picture(value, picture, locale),
                None => show(base, locale)?.into_owned(),
            },
            Self::DatePicture(picture) => match moment(base) {
                Some(at) => date::by_pattern(at, picture, locale),
                None => show(base, locale)?.into_owned(),
            },
            Self::Around(before, behind) => {
                let text = show(base, locale)?;
                if text.is_empty() { String::new() } else { format!("{before}{text}{behind}") }
            }
            Self::Address => percent_encoded(&show(base, locale)?),
            _ => return Err(wrong("this filter has no text".into())),
        })
    }

    fn calculated(&self, base: &Value, digits_wanted: Option<&Value>) -> Result<Value, Problem> {
        let digits = digits(digits_wanted)?.unwrap_or(0);
        let change = |value: Decimal| match self {
            Self::Abs => value.abs(),
            _ => value.round_dp_with_strategy(digits, RoundingStrategy::MidpointAwayFromZero),
        };
        Ok(match base {
            Value::Money(money) => {
                Value::Money(Money { amount: change(money.amount), currency: money.currency.clone() })
            }
            other => Value::Number(change(number_of(other)?)),
        })
    }

    fn reordered(
        &self,
        base: Val<'_>,
        field: Option<&Value>,
        cx: &Context<'_>,
    ) -> Result<Vec<Value>, Problem> {
        let mut list = match base.into_value() {
            Value::List(list) => list,
            Value::Empty => Vec::new(),
            other => return Err(wrong(format!("sort and reverse take a list, not {}", other.noun()))),
        };
        // A copy of a list is paid for: a loop in a loop could copy it again and again.
        let length = list.len() as u64;
        cx.pay(length * u64::from(length.max(1).ilog2() + 1))?;
        if *self == Self::Reverse {
            list.reverse();
            return Ok(list);
        }
        let mut fault = None;
        let name = field.map(text_of).transpose()?;
        list.sort_by(|left, right| {
            let (left, right) = (part(left, name), part(right, name));
            match order(left, right) {
                Ok(Some(found)) => found,
                // What is empty comes last.
                Ok(None) => matches!(left, Value::Empty).cmp(&matches!(right, Value::Empty)),
                Err(problem) => {
                    fault.get_or_insert(problem);
                    std::cmp::Ordering::Equal
                }
            }
        });
        fault.map_or(Ok(list), Err)
    }
}

/// The element of a list by its number from 0; a negative one counts from the end. Outside there is nothing.
pub(super) fn element<'d>(base: Val<'d>, at: Decimal) -> Val<'d> {
    let place = |length: usize| {
        let at = at.to_i64()?;
        let at = if at < 0 { at.checked_add(length as i64)? } else { at };
        usize::try_from(at).ok().filter(|at| *at < length)
    };
    match base {
        Val::Ref(Value::List(list)) => {
            place(list.len()).map_or(Val::Own(Value::Empty), |at| Val::Ref(&list[at]))
        }
        Val::Own(Value::List(mut list)) => {
            Val::Own(place(list.len()).map_or(Value::Empty, |at| list.swap_remove(at)))
        }
        _ => Val::Own(Value::Empty),
    }
}

fn part<'v>(value: &'v Value, name: Option<&str>) -> &'v Value {
    match (value, name) {
        (value, None) => value,
        (Value::Record(record), Some(name)) => record.get(name).unwrap_or(&Value::Empty),
        _ => &Value::Empty,
    }
}

fn length(value: &Value) -> Result<u64, Problem> {
    match value {
        Value::Empty => Ok(0),
        Value::List(list) => Ok(list.len() as u64),
        Value::Text(text) => Ok(text.chars().count() as u64),
        other => Err(wrong(format!("length takes a list or a text, not {}", other.noun()))),
    }
}

fn sum(value: &Value, field: Option<&Value>, cx: &Context<'_>) -> Result<Value, Problem> {
    let list = match value {
        Value::List(list) => list,
        Value::Empty => return Ok(Value::Number(Decimal::ZERO)),
        other => return Err(wrong(format!("sum takes a list, not {}", other.noun()))),
    };
    cx.pay(list.len() as u64)?;
    let name = field.map(text_of).transpose()?;
    let mut total: Option<Value> = None;
    for item in list {
        let item = part(item, name);
        match (&total, item) {
            (_, Value::Empty) => {}
            (None, Value::Number(_) | Value::Money(_)) => total = Some(item.clone()),
            (None, other) => return Err(wrong(format!("sum adds numbers, not {}", other.noun()))),
            (Some(so_far), item) => total = Some(binary(Operator::Add, so_far, item)?),
        }
    }
    Ok(total.unwrap_or(Value::Number(Decimal::ZERO)))
}

/// Elements with a text between them; with a second value, only that field of each.
fn join(base: &Value, arguments: &[Val<'_>], cx: &Context<'_>) -> Result<String, Problem> {
    let between = arguments.first().map_or(Ok(""), |between| text_of(between))?;
    let name = arguments.get(1).map(|name| text_of(name)).transpose()?;
    let Value::List(list) = base else { return Ok(show(base, cx.locale)?.into_owned()) };
    cx.pay(list.len() as u64)?;
    let mut out = String::new();
    for (at, item) in list.iter().enumerate() {
        if at > 0 {
            out.push_str(between);
        }
        out.push_str(&show(part(item, name), cx.locale)?);
        if out.len() > cx.limits.text_bytes {
            return Err(Problem::Limit(format!("a text of more than {} bytes", cx.limits.text_bytes)));
        }
    }
    Ok(out)
}

fn money(base: &Value, currency: Option<&Value>, locale: Locale) -> Result<String, Problem> {
    let currency = currency.map(text_of).transpose()?;
    match (base, currency) {
        (Value::Money(money), None) => Ok(number::money(money.amount, &money.currency, locale)),
        (Value::Money(money), Some(code)) if *money.currency == *code => {
            Ok(number::money(money.amount, code, locale))
        }
        (Value::Money(money), Some(code)) => {
            Err(wrong(format!("the amount is in {}, not in {code}", money.currency)))
        }
        (other, Some(code)) => Ok(number::money(number_of(other)?, code, locale)),
        (other, None) => {
            Err(wrong(format!("money needs a currency for {}, as in money(\"EUR\")", other.noun())))
        }
    }
}

fn number_of(value: &Value) -> Result<Decimal, Problem> {
    as_number(value).ok_or_else(|| wrong(format!("a number is needed, this is {}", value.noun())))
}

fn moment_of(value: &Value) -> Result<jiff::civil::DateTime, Problem> {
    moment(value).ok_or_else(|| wrong(format!("a date is needed, this is {}", value.noun())))
}

fn text_of(value: &Value) -> Result<&str, Problem> {
    match value {
        Value::Text(text) => Ok(text),
        Value::Empty => Ok(""),
        other => Err(wrong(format!("a text is needed in the parentheses, this is {}", other.noun()))),
    }
}

fn count(value: &Value) -> Result<usize, Problem> {
    let found = if let Value::Number(number) = value { number.to_usize() } else { None };
    found.ok_or_else(|| wrong("a whole number is needed in the parentheses".into()))
}

fn digits(value: Option<&Value>) -> Result<Option<u32>, Problem> {
    let Some(value) = value else { return Ok(None) };
    let found = count(value)?;
    if found > 20 {
        Err(wrong("at most 20 digits behind the decimal sign".into()))
    } else {
        Ok(Some(found as u32))
    }
}

fn cased(text: &str, case: Case) -> String {
    let first_up = |word: &str| {
        let mut chars = word.chars();
        chars.next().map_or(String::new(), |first| first.to_uppercase().chain(chars).collect())
    };
    match case {
        Case::Upper => text.to_uppercase(),
        Case::Lower => text.to_lowercase(),
        Case::First => first_up(text),
        Case::Title => text.split_inclusive(|c: char| c.is_whitespace() || c == '-').map(first_up).collect(),
    }
}

pub(super) fn percent_encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}
