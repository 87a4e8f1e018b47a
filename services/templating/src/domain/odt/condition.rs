//! LibreOffice's formulas in conditions, such as `ooow:[db.table.city] == "Paris" AND NOT [db.table.vip]`.
//! Called for conditional and hidden texts.

use crate::domain::expression::{MergeName, Operator};
use crate::domain::finding::Problem;
use crate::domain::markup::{Compare, Merge, Piece, Source};

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Name(String),
    Text(String),
    Sign(&'static str),
}

const SIGNS: [&str; 14] = ["==", "!=", "<>", "<=", ">=", "&&", "||", "=", "<", ">", "(", ")", "!", "-"];
/// Parentheses inside of each other.
const DEEPEST: usize = 30;

/// Reads a condition.
pub(super) fn parse(text: &str) -> Result<Compare, Problem> {
    let body = text
        .split_once(':')
        .filter(|(prefix, _)| matches!(*prefix, "ooow" | "of" | "msoxl"))
        .map_or(text, |(_, body)| body);
    let tokens = tokens(body)?;
    let mut parser = Parser { tokens, at: 0, depth: 0 };
    let found = parser.any()?;
    if parser.at < parser.tokens.len() {
        Err(wrong("the condition goes on where it should end"))
    } else {
        Ok(found)
    }
}

/// The piece for a column.
pub(super) fn column(name: &str) -> Piece {
    Piece::Merge(Merge { source: Source::Name(MergeName::column(name)), filters: Vec::new() })
}

fn wrong(why: &str) -> Problem {
    Problem::Syntax { at: 0, why: why.to_owned() }
}

fn tokens(text: &str) -> Result<Vec<Token>, Problem> {
    let mut found = Vec::new();
    let mut rest = text.trim();
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '"' | '“' => {
                let end = rest[first.len_utf8()..]
                    .find(['"', '”'])
                    .ok_or_else(|| wrong("a quote is not closed"))?;
                let begin = first.len_utf8();
                found.push(Token::Text(rest[begin..begin + end].to_owned()));
                let closer = rest[begin + end..].chars().next().map_or(1, char::len_utf8);
                begin + end + closer
            }
            '[' => {
                let end = rest.find(']').ok_or_else(|| wrong("a [ is not closed"))?;
                found.push(Token::Name(rest[1..end].to_owned()));
                end + 1
            }
            c if c.is_alphanumeric() || c == '_' => {
                let is_part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.');
                let end = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
                found.push(word(&rest[..end]));
                end
            }
            _ => {
                let sign = SIGNS
                    .iter()
                    .find(|sign| rest.starts_with(**sign))
                    .ok_or_else(|| wrong(&format!("{first:?} has no meaning in a condition")))?;
                found.push(Token::Sign(sign));
                sign.len()
            }
        };
        rest = rest[length..].trim_start();
    }
    Ok(found)
}

fn word(text: &str) -> Token {
    match text.to_uppercase().as_str() {
        "EQ" => Token::Sign("=="),
        "NEQ" => Token::Sign("!="),
        "L" => Token::Sign("<"),
        "G" => Token::Sign(">"),
        "LEQ" => Token::Sign("<="),
        "GEQ" => Token::Sign(">="),
        "AND" => Token::Sign("&&"),
        "OR" => Token::Sign("||"),
        "NOT" => Token::Sign("!"),
        "TRUE" => Token::Text("1".into()),
        "FALSE" => Token::Text(String::new()),
        _ if text.starts_with(|c: char| c.is_ascii_digit()) => Token::Text(text.to_owned()),
        _ => Token::Name(text.to_owned()),
    }
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
}

impl Parser {
    fn take(&mut self, sign: &str) -> bool {
        let is = matches!(self.tokens.get(self.at), Some(Token::Sign(found)) if *found == sign);
        self.at += usize::from(is);
        is
    }

    fn any(&mut self) -> Result<Compare, Problem> {
        let mut parts = vec![self.all()?];
        while self.take("||") {
            parts.push(self.all()?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Compare::Any(parts) })
    }

    fn all(&mut self) -> Result<Compare, Problem> {
        let mut parts = vec![self.one()?];
        while self.take("&&") {
            parts.push(self.one()?);
        }
        if parts.len() > DEEPEST {
            return Err(Problem::Limit(format!("more than {DEEPEST} conditions one after the other")));
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Compare::All(parts) })
    }

    fn one(&mut self) -> Result<Compare, Problem> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(Problem::Limit(format!("more than {DEEPEST} parentheses inside of each other")));
        }
        let found = if self.take("!") {
            Compare::Not(Box::new(self.one()?))
        } else if self.take("(") {
            let inner = self.any()?;
            if !self.take(")") {
                return Err(wrong("a ) is missing"));
            }
            inner
        } else {
            self.comparison()?
        };
        self.depth -= 1;
        Ok(found)
    }

    fn comparison(&mut self) -> Result<Compare, Problem> {
        let left = self.value()?;
        let operator = match self.tokens.get(self.at) {
            Some(Token::Sign("==" | "=")) => Operator::Equal,
            Some(Token::Sign("!=" | "<>")) => Operator::Unequal,
            Some(Token::Sign("<")) => Operator::Less,
            Some(Token::Sign("<=")) => Operator::LessOrEqual,
            Some(Token::Sign(">")) => Operator::Greater,
            Some(Token::Sign(">=")) => Operator::GreaterOrEqual,
            _ => return Ok(Compare::Holds(left)),
        };
        self.at += 1;
        let right = self.value()?;
        Ok(Compare::Sides(operator, vec![left], vec![right]))
    }

    fn value(&mut self) -> Result<Piece, Problem> {
        let is_negative = self.take("-");
        let token = self.tokens.get(self.at).cloned();
        self.at += 1;
        match token {
            Some(Token::Text(text)) if is_negative => Ok(Piece::Text(format!("-{text}"))),
            Some(Token::Text(text)) => Ok(Piece::Text(text)),
            Some(Token::Name(name)) if !is_negative => Ok(column(&name)),
            _ => Err(wrong("a value is missing in the condition")),
        }
    }
}
