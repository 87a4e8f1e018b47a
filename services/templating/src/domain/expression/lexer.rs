//! From a tag's text to words. Knows the quotes into which Word turns what people type.
//! Called by the parser.

use rust_decimal::Decimal;

use crate::domain::finding::Problem;

/// A word of an expression.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    Name(String),
    Number(Decimal),
    Text(String),
    Sign(&'static str),
    End,
}

/// Characters in a tag.
const LONGEST: usize = 4_000;
/// Longer signs first.
const SIGNS: [&str; 20] =
    ["==", "!=", "<=", ">=", "<>", "<", ">", "=", "(", ")", "[", "]", ",", ".", "|", "+", "-", "~", "*", "/"];
const DOUBLE: &str = "\"“”„‟«»";
const SINGLE: &str = "'‘’‚‛‹›";

pub(super) fn syntax(at: usize, why: impl Into<String>) -> Problem {
    Problem::Syntax { at, why: why.into() }
}

/// Cuts a text into words, each with its position in characters from `offset`.
pub(super) fn tokens(text: &str, offset: usize) -> Result<Vec<(usize, Token)>, Problem> {
    let chars: Vec<char> = text.chars().collect();
    if chars.len() > LONGEST {
        return Err(Problem::Limit(format!("the tag has {} characters, {LONGEST} are allowed", chars.len())));
    }
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(&c) = chars.get(at) {
        let begin = at + offset;
        if c.is_whitespace() || c == '\u{200b}' {
            at += 1;
        } else if c.is_alphabetic() || c == '_' {
            let end = end_of(&chars, at, |c| c.is_alphanumeric() || c == '_');
            found.push((begin, Token::Name(chars[at..end].iter().collect())));
            at = end;
        } else if c.is_ascii_digit() {
            let whole = end_of(&chars, at, |c| c.is_ascii_digit());
            let has_part =
                chars.get(whole) == Some(&'.') && chars.get(whole + 1).is_some_and(char::is_ascii_digit);
            let end = if has_part { end_of(&chars, whole + 1, |c| c.is_ascii_digit()) } else { whole };
            let digits: String = chars[at..end].iter().collect();
            let number = digits.parse().map_err(|_| syntax(begin, "the number is too long"))?;
            found.push((begin, Token::Number(number)));
            at = end;
        } else if let Some(closers) = [DOUBLE, SINGLE].into_iter().find(|quotes| quotes.contains(c)) {
            let (text, end) =
                quoted(&chars, at, closers).ok_or_else(|| syntax(begin, "the quote is not closed"))?;
            found.push((begin, Token::Text(text)));
            at = end;
        } else {
            let sign = SIGNS
                .iter()
                .find(|sign| sign.chars().enumerate().all(|(n, s)| chars.get(at + n) == Some(&s)));
            let sign = match (sign, c) {
                (Some(sign), _) => sign,
                (None, '%') => "%",
                (None, '–' | '−') => "-",
                _ => return Err(syntax(begin, format!("{c:?} has no meaning here"))),
            };
            found.push((begin, Token::Sign(sign)));
            at += sign.chars().count();
        }
    }
    found.push((at + offset, Token::End));
    Ok(found)
}

fn end_of(chars: &[char], from: usize, belongs: impl Fn(char) -> bool) -> usize {
    (from..chars.len()).find(|at| !belongs(chars[*at])).unwrap_or(chars.len())
}

fn quoted(chars: &[char], at: usize, closers: &str) -> Option<(String, usize)> {
    let mut text = String::new();
    let mut at = at + 1;
    loop {
        match *chars.get(at)? {
            '\\' => {
                at += 1;
                text.push(match *chars.get(at)? {
                    'n' => '\n',
                    't' => '\t',
                    other => other,
                });
            }
            c if closers.contains(c) => return Some((text, at + 1)),
            c => text.push(c),
        }
        at += 1;
    }
}
