//! Text of a rule to tokens with their places.
//! Called by the parser.

use super::error::{Error, error};
use crate::domain::facts::Decimal;

/// Most bytes of a rule.
pub const TEXT_CAP: usize = 16 * 1024;

/// One token.
#[derive(Debug, Clone, PartialEq)]
pub enum Token {
    /// A name or a word like `true`.
    Word(String),
    /// A whole number.
    Int(i64),
    /// A number with a point.
    Decimal(Decimal),
    /// A text, its escapes read.
    Text(String),
    /// `&&`, `(` and so on.
    Sign(&'static str),
    /// Behind the last one.
    End,
}

/// A token, its first byte and the one after its last.
pub type Placed = (Token, (u32, u32));

const SIGNS: [&str; 19] =
    ["&&", "||", "==", "!=", "<=", ">=", "<", ">", "!", "(", ")", "[", "]", ",", ".", "+", "-", "?", ":"];

/// All tokens, the last one being `End`.
pub fn tokens(text: &str) -> Result<Vec<Placed>, Error> {
    if text.len() > TEXT_CAP {
        return Err(error(text, (0, 0), format!("the rule has {} bytes; at most {TEXT_CAP}", text.len())));
    }
    let mut lexer = Lexer { text, at: 0 };
    let mut all = Vec::new();
    loop {
        lexer.skip();
        let start = lexer.at;
        let token = lexer.token()?;
        let end = token == Token::End;
        all.push((token, (start as u32, lexer.at as u32)));
        if end {
            return Ok(all);
        }
    }
}

/// The place of a text in quotes in a part of a rule that was read: the first one, or the last one.
pub fn quoted(text: &str, span: (u32, u32), last: bool) -> Option<(u32, u32)> {
    let tokens = tokens(text.get(span.0 as usize..span.1 as usize)?).ok()?;
    let mut texts = tokens.into_iter().filter(|(token, _)| matches!(token, Token::Text(_)));
    let (_, (start, end)) = if last { texts.next_back() } else { texts.next() }?;
    Some((span.0 + start, span.0 + end))
}

/// The place of some bytes of a text's value in the rule that has the text in quotes at `span`: escapes are longer than what they stand for.
pub fn inside(text: &str, span: (u32, u32), bytes: (usize, usize)) -> (u32, u32) {
    let written = text.get(span.0 as usize..span.1 as usize).unwrap_or("");
    let raw = written.starts_with('r');
    let (mut lexer, mut value) = (Lexer { text: written, at: if raw { 2 } else { 1 } }, 0);
    let (mut start, mut end) = (None, None);
    // the quote at the end is the place behind the last one
    while lexer.at + 1 < written.len() && end.is_none() {
        if value >= bytes.0 && start.is_none() {
            start = Some(lexer.at);
        }
        if value >= bytes.1 {
            end = Some(lexer.at);
            break;
        }
        let at = lexer.at;
        let Some(next) = lexer.rest().chars().next() else { break };
        lexer.at += next.len_utf8();
        value += match next {
            '\\' if !raw => lexer.escape(at).map_or(1, char::len_utf8),
            _ => next.len_utf8(),
        };
    }
    let quote = written.len().saturating_sub(1);
    (span.0 + start.unwrap_or(quote) as u32, span.0 + end.unwrap_or(quote) as u32)
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Lexer<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    /// Takes characters as long as they pass.
    fn take(&mut self, passes: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let length = rest.find(|c| !passes(c)).unwrap_or(rest.len());
        self.at += length;
        &rest[..length]
    }

    fn skip(&mut self) {
        loop {
            self.take(|c| c.is_ascii_whitespace());
            if !self.rest().starts_with("//") {
                return;
            }
            self.take(|c| c != '\n');
        }
    }

    fn error<T>(&self, from: usize, what: impl Into<String>) -> Result<T, Error> {
        Err(error(self.text, (from as u32, self.at as u32), what))
    }

    fn token(&mut self) -> Result<Token, Error> {
        let start = self.at;
        let Some(first) = self.rest().chars().next() else {
            return Ok(Token::End);
        };
        if first.is_ascii_digit() {
            return self.number();
        }
        let raw = self.rest().starts_with("r\"") || self.rest().starts_with("r'");
        if raw {
            self.at += 1;
        }
        if raw || first == '"' || first == '\'' {
            return self.string(start, raw);
        }
        if first.is_ascii_alphabetic() || first == '_' {
            let word = self.take(|c| c.is_ascii_alphanumeric() || c == '_');
            return Ok(Token::Word(word.to_owned()));
        }
        if let Some(sign) = SIGNS.iter().find(|sign| self.rest().starts_with(**sign)) {
            self.at += sign.len();
            return Ok(Token::Sign(sign));
        }
        self.at += first.len_utf8();
        match first {
            '&' | '|' | '=' => self.error(start, format!("a single `{first}`; write `{first}{first}`")),
            _ => self.error(start, format!("`{}` has no meaning here", first.escape_default())),
        }
    }

    fn number(&mut self) -> Result<Token, Error> {
        let start = self.at;
        self.take(|c| c.is_ascii_digit());
        let mut rest = self.rest().chars();
        let point = rest.next() == Some('.') && rest.next().is_some_and(|c| c.is_ascii_digit());
        if point {
            self.at += 1;
            self.take(|c| c.is_ascii_digit());
        }
        let digits = &self.text[start..self.at];
        if self.rest().starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_') {
            self.take(|c| c.is_ascii_alphanumeric() || c == '_');
            let length = &self.text[start..self.at];
            return self.error(
                start,
                format!("`{length}` is no number; a length of time is written duration(\"30d\")"),
            );
        }
        if point {
            return match Decimal::parse(digits) {
                Some(decimal) => Ok(Token::Decimal(decimal)),
                None => {
                    self.error(start, "a decimal has at most four digits after the point, and 13 before it")
                }
            };
        }
        match digits.parse() {
            Ok(number) => Ok(Token::Int(number)),
            Err(_) => self.error(start, format!("{digits} is too large")),
        }
    }

    fn string(&mut self, start: usize, raw: bool) -> Result<Token, Error> {
        let quote = self.rest().chars().next().unwrap_or('"');
        self.at += 1;
        let mut value = String::new();
        loop {
            let escape = self.at;
            let Some(next) = self.rest().chars().next() else {
                self.at = start + 1;
                return self.error(start, "the text is not closed");
            };
            self.at += next.len_utf8();
            match next {
                _ if next == quote => return Ok(Token::Text(value)),
                '\n' | '\r' => {
                    self.at = start + 1;
                    return self.error(start, "the text is not closed on its line");
                }
                // a database keeps no text with it
                '\0' => return self.error(escape, "a text can't hold the character 0"),
                '\\' if !raw => value.push(self.escape(escape)?),
                _ => value.push(next),
            }
        }
    }

    /// Reads what follows a backslash.
    fn escape(&mut self, start: usize) -> Result<char, Error> {
        let Some(next) = self.rest().chars().next() else {
            return self.error(start, "the text ends in a backslash");
        };
        self.at += next.len_utf8();
        Ok(match next {
            '\\' | '"' | '\'' | '`' => next,
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => {
                let hex = self.rest().get(..4).filter(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()));
                let code = hex.and_then(|hex| u32::from_str_radix(hex, 16).ok());
                let Some(read) = code.and_then(char::from_u32).filter(|c| *c != '\0') else {
                    return self.error(start, "\\u needs four hexadecimal digits of a character");
                };
                self.at += 4;
                read
            }
            _ => {
                return self.error(
                    start,
                    format!(
                        "`\\{}` is no escape; a backslash is written `\\\\`, or the text r\"...\"",
                        next.escape_default()
                    ),
                );
            }
        })
    }
}
