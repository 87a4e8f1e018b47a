//! The `filter` of list methods: a part of AIP-160 made into an SQL condition over the columns that a listing offers.
//! Called by `page.rs`.
//!
//! `state = OPEN AND (assignee = me OR assignee = none) AND NOT title : "test"`. A colon looks for a part, without case.

use crate::auth::Caller;
use crate::db::Value;
use crate::page::{Field, Kind};
use crate::{Error, Result};

/// Longest filter, in bytes.
const LENGTH: usize = 2_000;
/// Comparisons in a filter at most.
const TERMS: usize = 50;
/// Brackets in brackets at most.
const DEPTH: usize = 10;

/// Turns a filter into a condition; its arguments are added to `args`. SQLite keeps an index away from each field and value that is `common`.
///
/// # Errors
/// INVALID_ARGUMENT naming the place (in characters from 1) and what is offered.
pub fn to_sql(
    filter: &str,
    fields: &[Field],
    caller: &Caller,
    args: &mut Vec<Value>,
    mut common: impl FnMut(&Field, &Value) -> Result<bool>,
) -> Result<String> {
    if filter.len() > LENGTH {
        return Err(Error::invalid("filter", format!("it is longer than {LENGTH} bytes")));
    }
    let tokens = tokens(filter)?;
    let mut parser = Parser { tokens: &tokens, at: 0, terms: 0, fields, caller, args, common: &mut common };
    let sql = parser.any(0)?;
    match parser.peek() {
        None => Ok(sql),
        Some(token) => Err(at(token.place, format!("{:?} is not expected here", token.text))),
    }
}

#[derive(Debug)]
struct Token {
    place: usize,
    text: String,
    quoted: bool,
}

impl Token {
    /// Whether it is this word or sign, not a text in quotes.
    fn is(&self, word: &str) -> bool {
        !self.quoted && self.text == word
    }

    fn is_sign(&self) -> bool {
        !self.quoted && self.text.starts_with(['(', ')', '=', '!', '<', '>', ':'])
    }
}

fn at(place: usize, message: impl std::fmt::Display) -> Error {
    Error::invalid("filter", format!("at character {place}: {message}"))
}

fn tokens(filter: &str) -> Result<Vec<Token>> {
    let chars: Vec<char> = filter.chars().collect();
    let mut tokens = Vec::new();
    let mut here = 0;
    while here < chars.len() {
        let place = here + 1;
        let (text, quoted) = match chars[here] {
            blank if blank.is_whitespace() => {
                here += 1;
                continue;
            }
            quote @ ('"' | '\'') => (quoted_text(&chars, &mut here, quote)?, true),
            '(' | ')' | ':' | '=' => (take(&chars, &mut here, 1), false),
            '!' | '<' | '>' => {
                let length = if chars.get(here + 1) == Some(&'=') { 2 } else { 1 };
                (take(&chars, &mut here, length), false)
            }
            _ => {
                let length = chars[here..]
                    .iter()
                    .take_while(|letter| !letter.is_whitespace() && !"()=!<>:\"'".contains(**letter))
                    .count();
                (take(&chars, &mut here, length), false)
            }
        };
        tokens.push(Token { place, text, quoted });
    }
    Ok(tokens)
}

fn take(chars: &[char], here: &mut usize, length: usize) -> String {
    let text = chars[*here..*here + length].iter().collect();
    *here += length;
    text
}

fn quoted_text(chars: &[char], here: &mut usize, quote: char) -> Result<String> {
    let start = *here + 1;
    let mut text = String::new();
    let mut rest = chars[start..].iter();
    *here = start;
    while let Some(letter) = rest.next() {
        *here += 1;
        match letter {
            letter if *letter == quote => return Ok(text),
            '\\' => {
                *here += 1;
                text.extend(rest.next());
            }
            letter => text.push(*letter),
        }
    }
    Err(at(start, "the quote is not closed"))
}

struct Parser<'a> {
    tokens: &'a [Token],
    at: usize,
    terms: usize,
    fields: &'a [Field],
    caller: &'a Caller,
    args: &'a mut Vec<Value>,
    common: &'a mut dyn FnMut(&Field, &Value) -> Result<bool>,
}

impl<'a> Parser<'a> {
    fn peek(&self) -> Option<&'a Token> {
        self.tokens.get(self.at)
    }

    fn next(&mut self, wanted: &str) -> Result<&'a Token> {
        let token = self.tokens.get(self.at);
        self.at += 1;
        token.ok_or_else(|| Error::invalid("filter", format!("it ends where {wanted} is expected")))
    }

    fn is_word(&self, word: &str) -> bool {
        self.peek().is_some_and(|token| token.is(word))
    }

    fn any(&mut self, depth: usize) -> Result<String> {
        self.joined("OR", depth, |parser| parser.joined("AND", depth, |parser| parser.term(depth)))
    }

    fn joined(
        &mut self,
        word: &str,
        _depth: usize,
        part: impl Fn(&mut Self) -> Result<String>,
    ) -> Result<String> {
        let mut sql = part(self)?;
        while self.is_word(word) {
            self.at += 1;
            sql = format!("({sql} {word} {})", part(self)?);
        }
        Ok(sql)
    }

    fn term(&mut self, depth: usize) -> Result<String> {
        if depth > DEPTH {
            return Err(Error::invalid("filter", format!("brackets are nested deeper than {DEPTH}")));
        }
        if self.is_word("NOT") {
            self.at += 1;
            return Ok(format!("NOT ({})", self.term(depth + 1)?));
        }
        if self.is_word("(") {
            self.at += 1;
            let sql = self.any(depth + 1)?;
            let close = self.next("\")\"")?;
            return if close.is(")") { Ok(sql) } else { Err(at(close.place, "\")\" is expected here")) };
        }
        self.comparison()
    }

    fn comparison(&mut self) -> Result<String> {
        self.terms += 1;
        if self.terms > TERMS {
            return Err(Error::invalid("filter", format!("it has more than {TERMS} comparisons")));
        }
        let name = self.next("a field")?;
        let field =
            self.fields.iter().find(|field| field.filter && field.name == name.text).ok_or_else(|| {
                let offered: Vec<_> =
                    self.fields.iter().filter(|field| field.filter).map(|field| field.name).collect();
                at(
                    name.place,
                    format!("{:?} is not a field to filter by; those are {}", name.text, offered.join(", ")),
                )
            })?;
        let operator = self.next("a comparison")?;
        let value = self.next("a value")?;
        let column = field.column;
        if value.is_sign() {
            return Err(at(value.place, format!("{:?} is no value: put it in quotes", value.text)));
        }
        if !operator.is_sign() {
            return Err(at(
                operator.place,
                format!("{:?} is no comparison: use = != < <= > >= :", operator.text),
            ));
        }
        if operator.text == ":" {
            return self.part(field, value);
        }
        let sign = match operator.text.as_str() {
            sign @ ("=" | "<" | "<=" | ">" | ">=") => sign,
            "!=" => "<>",
            other => {
                return Err(at(operator.place, format!("{other:?} is no comparison: use = != < <= > >= :")));
            }
        };
        let bound = self.value(field, value)?;
        // A sign before a column means nothing but that no index is used for it.
        let column = if sign == "=" && (self.common)(field, &bound)? {
            format!("+{column}")
        } else {
            column.to_owned()
        };
        self.args.push(bound);
        Ok(format!("{column} {sign} ${}", self.args.len()))
    }

    /// `title : "part"`.
    fn part(&mut self, field: &Field, value: &Token) -> Result<String> {
        if !matches!(field.kind, Kind::Text) {
            return Err(at(value.place, format!("{} has no parts to look for: use =", field.name)));
        }
        let escaped = value.text.to_lowercase().replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
        self.args.push(format!("%{escaped}%").into());
        Ok(format!("LOWER({}) LIKE ${} ESCAPE '\\'", field.column, self.args.len()))
    }

    fn value(&self, field: &Field, token: &Token) -> Result<Value> {
        let text = token.text.as_str();
        let wrong = |wanted: &str| at(token.place, format!("{text:?} is not {wanted}"));
        Ok(match field.kind {
            Kind::Text => text.into(),
            Kind::User => match text {
                "me" if !token.quoted => self.caller.name().into(),
                "none" if !token.quoted => "".into(),
                user if user.is_empty() || user.starts_with("users/") => user.into(),
                user => format!("users/{user}").into(),
            },
            Kind::Int => text.parse::<i64>().map_err(|_| wrong("a whole number"))?.into(),
            Kind::Bool => match text {
                "true" => true.into(),
                "false" => false.into(),
                _ => return Err(wrong("true or false")),
            },
            Kind::Time => text
                .parse::<jiff::Timestamp>()
                .map_err(|_| wrong("an instant like 2026-11-23T09:00:00Z"))?
                .as_microsecond()
                .into(),
            Kind::Enum(values) => {
                let found = values.iter().find(|(name, _)| *name == text);
                let names = || values.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
                found.map(|(_, number)| *number).ok_or_else(|| wrong(&format!("one of {}", names())))?.into()
            }
        })
    }
}
