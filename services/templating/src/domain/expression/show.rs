//! How a value looks in a letter when no filter says otherwise.
//! Called for each output of a field.

use std::borrow::Cow;

use crate::domain::finding::Problem;
use crate::domain::format::locale::{Language, Locale};
use crate::domain::format::{date, number};
use crate::domain::value::Value;

/// The text of a value in a locale. Lists, groups and pictures have none.
pub fn show(value: &Value, locale: Locale) -> Result<Cow<'_, str>, Problem> {
    Ok(match value {
        Value::Empty => Cow::Borrowed(""),
        Value::Text(text) => Cow::Borrowed(text),
        Value::Bool(is) => Cow::Borrowed(yes_or_no(*is, locale)),
        Value::Number(value) => Cow::Owned(number::plain(*value, locale)),
        Value::Money(money) => Cow::Owned(number::money(money.amount, &money.currency, locale)),
        Value::Date(day) => Cow::Owned(date::date(day.at(0, 0, 0, 0), "medium", locale)),
        Value::DateTime(at) => Cow::Owned(date::date_time(*at, "medium", locale)),
        Value::List(_) => {
            return Err(Problem::WrongType("this is a list: show it by a loop or by the filter join".into()));
        }
        Value::Record(_) => {
            return Err(Problem::WrongType("this is a group of fields: name one of them".into()));
        }
        Value::Picture(_) => {
            return Err(Problem::WrongType(
                "this is a picture: write the tag into the alternative text of a picture".into(),
            ));
        }
    })
}

fn yes_or_no(is: bool, locale: Locale) -> &'static str {
    let [yes, no] = match locale.language() {
        Language::English => ["yes", "no"],
        Language::German => ["ja", "nein"],
        Language::French => ["oui", "non"],
        Language::Dutch => ["ja", "nee"],
        Language::Spanish => ["sí", "no"],
        Language::Italian => ["sì", "no"],
        Language::Polish => ["tak", "nie"],
    };
    if is { yes } else { no }
}
