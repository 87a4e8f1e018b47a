//! Values as they come from outside and as they are kept, turned into the engine's, with every cap checked.
//! Called by rpc at the door, and by the merges with what was kept.

use jiff::civil::{Date, DateTime};
use kontor_kit::{Error, Result};
use kontor_proto::templating::v1 as proto;
use kontor_proto::templating::v1::field_value::Kind as Given;
use rust_decimal::Decimal;

use super::declared::is_name;
use super::picture::Picture;
use super::value::{Money, Record, Value};

/// Fields of one group at most.
const FIELDS: usize = 200;
/// Characters of a text at most.
const TEXT: usize = 100_000;
/// Values of a list at most.
const VALUES: usize = 100_000;
/// Bytes of a picture at most.
const PICTURE: usize = 4 << 20;
/// Groups and lists inside of each other at most.
const DEPTH: usize = 8;

/// Reads a group of fields. `field` is its place in the request.
///
/// # Errors
/// INVALID_ARGUMENT naming the value.
pub fn record(fields: &proto::Fields, field: &str) -> Result<Record> {
    group(fields, field, 0)
}

fn group(fields: &proto::Fields, field: &str, depth: usize) -> Result<Record> {
    if fields.fields.len() > FIELDS {
        return Err(Error::invalid(field, format!("at most {FIELDS} fields stand in a group")));
    }
    let mut record = Record::new();
    for (name, value) in &fields.fields {
        let place = if field.is_empty() { name.clone() } else { format!("{field}.{name}") };
        if !is_name(name) {
            let message = "a name is 1 to 100 letters, digits and \"_\", and begins with a letter";
            return Err(Error::invalid(place, message));
        }
        record.set(name.as_str(), self::value(value, &place, depth)?);
    }
    Ok(record)
}

fn value(value: &proto::FieldValue, field: &str, depth: usize) -> Result<Value> {
    let wrong = |message: String| Error::invalid(field, message);
    let Some(kind) = &value.kind else { return Ok(Value::Empty) };
    if depth > DEPTH {
        return Err(wrong(format!("more than {DEPTH} groups and lists stand inside of each other")));
    }
    Ok(match kind {
        Given::Text(text) if text.chars().count() > TEXT => {
            return Err(wrong(format!("write at most {TEXT} characters")));
        }
        Given::Text(text) => text.as_str().into(),
        Given::Number(text) => decimal(text)
            .map(Value::Number)
            .ok_or_else(|| wrong(format!("{text:?} is no exact decimal number like \"-12.50\"")))?,
        Given::Money(given) => {
            let code = &given.currency_code;
            if code.len() != 3 || !code.bytes().all(|it| it.is_ascii_uppercase()) {
                return Err(wrong(format!("{code:?} is no currency like EUR")));
            }
            let amount = decimal(&given.amount)
                .ok_or_else(|| wrong(format!("{:?} is no exact amount like \"1250.00\"", given.amount)))?;
            Value::Money(Money { amount, currency: code.as_str().into() })
        }
        Given::Date(text) => {
            let date: Option<Date> = text.parse().ok().filter(|_| text.len() == 10);
            date.map(Value::Date).ok_or_else(|| wrong(format!("{text:?} is no day like \"2026-12-24\"")))?
        }
        Given::DateTime(text) => {
            let time: Option<DateTime> = text.parse().ok().filter(|_| text.len() >= 16);
            time.map(Value::DateTime)
                .ok_or_else(|| wrong(format!("{text:?} is no time like \"2026-12-24T18:30:00\"")))?
        }
        Given::Yes(yes) => (*yes).into(),
        Given::Picture(bytes) if bytes.len() > PICTURE => {
            return Err(wrong(format!("a picture has at most {PICTURE} bytes")));
        }
        Given::Picture(bytes) => Picture::parse(bytes.to_vec()).map_err(wrong)?.into(),
        Given::List(list) if list.values.len() > VALUES => {
            return Err(wrong(format!("a list has at most {VALUES} values")));
        }
        Given::List(list) => {
            let values = list.values.iter().enumerate();
            let values: Result<Vec<Value>> = values
                .map(|(place, value)| self::value(value, &format!("{field}[{place}]"), depth + 1))
                .collect();
            Value::List(values?)
        }
        Given::Group(fields) => Value::Record(group(fields, field, depth + 1)?),
    })
}

fn decimal(text: &str) -> Option<Decimal> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let plain = digits.bytes().all(|it| it.is_ascii_digit() || it == b'.') && digits.len() <= 29;
    plain.then(|| Decimal::from_str_exact(text).ok()).flatten()
}

/// A text as a value that can be kept; an empty one is empty.
pub fn text(text: &str) -> proto::FieldValue {
    let kind = (!text.is_empty()).then(|| Given::Text(text.chars().take(TEXT).collect()));
    proto::FieldValue { kind }
}

/// A group of fields in which those of the second stand over those of the first.
pub fn over(below: &Record, above: &Record) -> Record {
    let mut all = below.clone();
    for (name, value) in above.iter() {
        all.set(name, value.clone());
    }
    all
}
