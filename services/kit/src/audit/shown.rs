//! Values of columns as texts that people read, and the entry that a row makes.
//! Called by `resource.rs`, and by stores that write entries by hand.

use jiff::Timestamp;

use super::{Action, Entry};
use crate::db::Value;
use crate::page::Kind;
use crate::resource::Stored;

/// What stands for a secret: there is one, and nothing of it is kept.
pub const SECRET: &str = "(secret)";

/// How the audit shows a column.
#[derive(Clone, Copy, Debug)]
pub enum Shown {
    /// Under this name of the API.
    As(&'static str, Kind),
    /// As a secret: only that it changed.
    Secret(&'static str),
    /// Not at all: it follows from others, or tells nothing.
    Not,
}

/// How a column is shown that nothing is said about: by its name; not the id, the version, and when the row was written.
pub fn column(name: &'static str) -> Shown {
    match name {
        "id" | "version" | "create_time" | "update_time" => Shown::Not,
        time if time.ends_with("_time") => Shown::As(time, Kind::Time),
        other => Shown::As(other, Kind::Text),
    }
}

/// The entry of a row: from its old values to its new ones; none for one that was not there or is gone.
pub(crate) fn row<T: Stored>(action: Action, row: &T, old: Option<&[Value]>, new: Option<&[Value]>) -> Entry {
    let mut entry = Entry::new(action, row.name(), &row.audience()).partner(row.concerned_partner());
    for (at, name) in T::COLUMNS.iter().enumerate() {
        let (old, new) = (old.and_then(|old| old.get(at)), new.and_then(|new| new.get(at)));
        if old == new {
            continue;
        }
        match T::shown(name) {
            Shown::Not => {}
            Shown::As(name, kind) => entry.push(name.to_owned(), text(kind, old), text(kind, new)),
            Shown::Secret(name) => {
                let there = |value| !text(Kind::Text, value).is_empty();
                if there(old) || there(new) {
                    entry = entry.secret(name, there(old), there(new));
                }
            }
        }
    }
    entry
}

fn text(kind: Kind, value: Option<&Value>) -> String {
    match (value, kind) {
        (Some(Value::Int(Some(number))), Kind::Bool) => (*number != 0).to_string(),
        (Some(Value::Int(Some(number))), Kind::Time) => instant(*number),
        (Some(Value::Int(Some(number))), Kind::Enum(names)) => {
            match names.iter().find(|(_, known)| known == number) {
                Some((name, _)) => (*name).to_owned(),
                // As the API calls it, without the prefix; filters do not offer it.
                None if *number == 0 => "UNSPECIFIED".to_owned(),
                None => number.to_string(),
            }
        }
        (Some(Value::Int(Some(number))), _) => number.to_string(),
        (Some(Value::Real(Some(number))), _) => number.to_string(),
        (Some(Value::Text(Some(text))), _) => text.clone(),
        (Some(Value::Bytes(Some(bytes))), _) => String::from_utf8_lossy(bytes).into_owned(),
        _ => String::new(),
    }
}

/// An instant in RFC 3339; 0 is none.
pub fn instant(micros: i64) -> String {
    match Timestamp::from_microsecond(micros) {
        Ok(_) if micros == 0 => String::new(),
        Ok(time) => time.to_string(),
        Err(_) => micros.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_enums_numbers_are_shown_by_name_and_nothing_as_unspecified() {
        let shown = |number: i64| text(Kind::Enum(&[("OPEN", 1), ("STATE_OPEN", 1)]), Some(&number.into()));
        assert_eq!([shown(1), shown(0), shown(7)], ["OPEN", "UNSPECIFIED", "7"]);
        let none = text(Kind::Enum(&[("", 0), ("BUSY", 1)]), Some(&0_i64.into()));
        assert_eq!(none, "", "where a list says itself what nothing is");
    }
}
