//! Tokens to the tree of a rule. The grammar is a part of CEL's; docs/segments.md says which.
//! Called by `Rule` and by the fuzz target.

use super::error::{Error, error, nearest};
use super::lex::{Placed, Token, tokens};
use super::tree::{Comparison, Expr, Match, Node, Quantifier};
use super::when;
use crate::domain::facts::Decimal;

/// Most parentheses, calls and `!` in each other.
pub const DEPTH_CAP: usize = 32;
/// Most nodes of a rule.
pub const NODE_CAP: usize = 2_000;

const WORDS: [&str; 6] = ["true", "false", "null", "in", "now", "has"];
const FUNCTIONS: [&str; 5] = ["duration", "has", "in_segment", "size", "timestamp"];
const METHODS: [&str; 9] =
    ["all", "contains", "endsWith", "exists", "filter", "matches", "size", "startsWith", "total"];

/// Reads a rule. Its names and types are not looked at yet.
pub fn parse(text: &str) -> Result<Expr, Error> {
    let mut parser = Parser { text, tokens: tokens(text)?, at: 0, depth: 0, nodes: 0 };
    if parser.tokens.len() == 1 {
        return Err(error(text, (0, 0), "the rule is empty"));
    }
    let expr = parser.any()?;
    match parser.peek() {
        Token::End => Ok(expr),
        _ => Err(parser.unexpected("`&&`, `||` or the end")),
    }
}

struct Parser<'a> {
    text: &'a str,
    tokens: Vec<Placed>,
    at: usize,
    depth: usize,
    nodes: usize,
}

impl Parser<'_> {
    fn peek(&self) -> &Token {
        &self.tokens[self.at].0
    }

    fn span(&self) -> (u32, u32) {
        self.tokens[self.at].1
    }

    /// Takes the next token; the last one stays.
    fn next(&mut self) -> Token {
        let token = self.tokens[self.at].0.clone();
        self.at = (self.at + 1).min(self.tokens.len() - 1);
        token
    }

    fn sign(&mut self, sign: &str) -> bool {
        let found = matches!(self.peek(), Token::Sign(next) if *next == sign);
        if found {
            self.next();
        }
        found
    }

    fn demand(&mut self, sign: &'static str) -> Result<(), Error> {
        if self.sign(sign) { Ok(()) } else { Err(self.unexpected(&format!("`{sign}`"))) }
    }

    fn unexpected(&self, wanted: &str) -> Error {
        let found = match self.peek() {
            Token::End => "the end".to_owned(),
            Token::Text(_) => "a text".to_owned(),
            Token::Word(word) => format!("`{word}`"),
            Token::Sign(sign) => format!("`{sign}`"),
            Token::Int(number) => number.to_string(),
            Token::Decimal(decimal) => decimal.to_string(),
        };
        error(self.text, self.span(), format!("{found} where {wanted} should be"))
    }

    /// Makes a node that begins at `start` and ends before the next token.
    fn node(&mut self, start: u32, node: Node) -> Result<Expr, Error> {
        let end = self.tokens[self.at.saturating_sub(1)].1.1;
        self.nodes += 1;
        if self.nodes > NODE_CAP {
            return Err(error(self.text, (start, end), format!("the rule has more than {NODE_CAP} parts")));
        }
        Ok(Expr { node, span: (start, end) })
    }

    /// One level down.
    fn any(&mut self) -> Result<Expr, Error> {
        self.deeper(Parser::either)
    }

    fn deeper(&mut self, read: impl FnOnce(&mut Self) -> Result<Expr, Error>) -> Result<Expr, Error> {
        if self.depth == DEPTH_CAP {
            return Err(error(
                self.text,
                self.span(),
                format!("the rule is nested more than {DEPTH_CAP} deep"),
            ));
        }
        self.depth += 1;
        let read = read(self);
        self.depth -= 1;
        read
    }

    fn either(&mut self) -> Result<Expr, Error> {
        self.chain("||", Parser::both, Node::Or)
    }

    fn both(&mut self) -> Result<Expr, Error> {
        self.chain("&&", Parser::relation, Node::And)
    }

    fn chain(
        &mut self,
        sign: &'static str,
        part: fn(&mut Self) -> Result<Expr, Error>,
        join: fn(Vec<Expr>) -> Node,
    ) -> Result<Expr, Error> {
        let start = self.span().0;
        let mut parts = vec![part(self)?];
        while self.sign(sign) {
            parts.push(part(self)?);
        }
        match parts.len() {
            1 => Ok(parts.remove(0)),
            _ => self.node(start, join(parts)),
        }
    }

    fn relation(&mut self) -> Result<Expr, Error> {
        let start = self.span().0;
        let left = self.sum()?;
        let how = match self.peek() {
            Token::Sign("==") => Comparison::Equal,
            Token::Sign("!=") => Comparison::NotEqual,
            Token::Sign("<") => Comparison::Less,
            Token::Sign("<=") => Comparison::LessOrEqual,
            Token::Sign(">") => Comparison::Greater,
            Token::Sign(">=") => Comparison::GreaterOrEqual,
            Token::Word(word) if word == "in" => {
                self.next();
                let of = self.sum()?;
                return self.node(start, Node::In { item: left.into(), of: of.into() });
            }
            _ => return Ok(left),
        };
        self.next();
        let right = self.sum()?;
        self.node(start, Node::Compare { how, left: left.into(), right: right.into() })
    }

    fn sum(&mut self) -> Result<Expr, Error> {
        let start = self.span().0;
        let mut left = self.unary()?;
        loop {
            let back = match self.peek() {
                Token::Sign("+") => false,
                Token::Sign("-") => true,
                _ => return Ok(left),
            };
            self.next();
            let right = self.unary()?;
            let Node::Duration(by) = right.node else {
                let what = "only a duration can be added or taken away, as in now - duration(\"30d\")";
                return Err(error(self.text, right.span, what));
            };
            left = self.node(start, Node::Shift { time: left.into(), back, by })?;
        }
    }

    fn unary(&mut self) -> Result<Expr, Error> {
        let start = self.span().0;
        if self.sign("!") {
            let inner = self.deeper(Parser::unary)?;
            return self.node(start, Node::Not(inner.into()));
        }
        if self.sign("-") {
            let node = match *self.peek() {
                Token::Int(number) => Node::Int(-number),
                Token::Decimal(Decimal(number)) => Node::Decimal(Decimal(-number)),
                _ => return Err(self.unexpected("a number")),
            };
            self.next();
            return self.node(start, node);
        }
        let mut expr = self.primary()?;
        while self.sign(".") {
            expr = self.member(start, expr)?;
        }
        Ok(expr)
    }

    fn primary(&mut self) -> Result<Expr, Error> {
        let (start, end) = self.span();
        if let Token::End | Token::Sign(_) = self.peek()
            && !matches!(self.peek(), Token::Sign("(" | "["))
        {
            return Err(self.unexpected("a field, a value or `(`"));
        }
        let node = match self.next() {
            Token::Int(number) => Node::Int(number),
            Token::Decimal(decimal) => Node::Decimal(decimal),
            Token::Text(text) => Node::Text(text),
            Token::Sign("(") => {
                let inner = self.any()?;
                self.demand(")")?;
                return Ok(inner);
            }
            Token::Word(word) => match word.as_str() {
                "true" => Node::Bool(true),
                "false" => Node::Bool(false),
                "now" => Node::Now,
                "null" => {
                    let what = "there is no null; has(x) tells whether x is known";
                    return Err(error(self.text, (start, end), what));
                }
                _ if self.sign("(") => self.call((start, end), &word)?,
                "answers" if self.sign("[") => {
                    let question = self.literal("the name of a question, \"questions/...\"")?;
                    self.demand("]")?;
                    Node::Answers(question)
                }
                _ => Node::Name(word),
            },
            // a `[`, as was looked at above
            Token::Sign(_) | Token::End => Node::List(self.items()?),
        };
        self.node(start, node)
    }

    fn items(&mut self) -> Result<Vec<Expr>, Error> {
        let mut items = Vec::new();
        while !self.sign("]") {
            items.push(self.deeper(Parser::unary)?);
            if !self.sign(",") {
                self.demand("]")?;
                break;
            }
        }
        Ok(items)
    }

    fn literal(&mut self, wanted: &str) -> Result<String, Error> {
        match self.peek() {
            Token::Text(text) => {
                let text = text.clone();
                self.next();
                Ok(text)
            }
            _ => Err(self.unexpected(wanted)),
        }
    }

    /// A function, its parenthesis taken.
    fn call(&mut self, span: (u32, u32), name: &str) -> Result<Node, Error> {
        let place = self.span();
        let node = match name {
            "size" => Node::Size(self.any()?.into()),
            "has" => Node::Has(self.any()?.into()),
            "in_segment" => Node::InSegment(self.literal("the name of a segment, \"segments/...\"")?),
            "duration" => Node::Duration(self.duration_text()?),
            "timestamp" => {
                let text = self.literal("an instant, \"2026-01-31T00:00:00Z\"")?;
                let instant = when::instant(&text).map_err(|what| error(self.text, place, what))?;
                Node::Timestamp(instant)
            }
            _ => {
                let fits = nearest(name, FUNCTIONS.map(str::to_owned));
                return Err(error(self.text, span, format!("no function `{name}`")).fits(fits));
            }
        };
        self.demand(")")?;
        Ok(node)
    }

    fn duration_text(&mut self) -> Result<i64, Error> {
        let place = self.span();
        let text = self.literal("a length of time, \"30d\"")?;
        when::duration(&text).map_err(|what| error(self.text, place, what))
    }

    /// A field or a method, its point taken.
    fn member(&mut self, start: u32, of: Expr) -> Result<Expr, Error> {
        let span = self.span();
        let Token::Word(name) = self.peek().clone() else {
            return Err(self.unexpected("a name"));
        };
        self.next();
        if self.sign("(") {
            let node = self.method(span, &name, of)?;
            self.demand(")")?;
            return self.node(start, node);
        }
        match of.node {
            Node::Name(of) => self.node(start, Node::Select { of, field: name }),
            _ => {
                Err(error(self.text, span, "only variables of exists, all and filter have fields, and `rfm`"))
            }
        }
    }

    fn method(&mut self, span: (u32, u32), name: &str, of: Expr) -> Result<Node, Error> {
        let of = Box::new(of);
        let matched = |how| Some(how);
        let how = match name {
            "startsWith" => matched(Match::StartsWith),
            "endsWith" => matched(Match::EndsWith),
            "contains" => matched(Match::Contains),
            "matches" => matched(Match::Matches),
            _ => None,
        };
        if let Some(how) = how {
            return Ok(Node::Match { text: of, how, with: self.literal("a text")? });
        }
        match name {
            "size" => Ok(Node::Size(of)),
            "total" => self.total(&of),
            "exists" | "all" | "filter" => {
                let variable = self.variable()?;
                self.demand(",")?;
                let test = Box::new(self.any()?);
                Ok(match name {
                    "exists" => Node::Quantify { how: Quantifier::Exists, over: of, variable, test },
                    "all" => Node::Quantify { how: Quantifier::All, over: of, variable, test },
                    _ => Node::Filter { over: of, variable, test },
                })
            }
            _ => {
                let fits = nearest(name, METHODS.map(str::to_owned));
                Err(error(self.text, span, format!("no method `{name}`")).fits(fits))
            }
        }
    }

    fn variable(&mut self) -> Result<String, Error> {
        match self.peek().clone() {
            Token::Word(word) if !WORDS.contains(&word.as_str()) => {
                self.next();
                Ok(word)
            }
            _ => Err(self.unexpected("a name for one item, as in calls.exists(c, ...),")),
        }
    }

    fn total(&mut self, of: &Expr) -> Result<Node, Error> {
        if of.node != Node::Name("purchases".to_owned()) {
            return Err(error(self.text, of.span, "only purchases have a total").fits(["purchases"]));
        }
        let currency = self.literal("a currency, \"EUR\"")?;
        if !self.sign(",") {
            return Ok(Node::Total { currency, window: None });
        }
        let place = self.span();
        match self.deeper(Parser::unary)?.node {
            Node::Duration(window) => Ok(Node::Total { currency, window: Some(window) }),
            _ => Err(error(self.text, place, "a window is a duration").fits(["duration(\"180d\")"])),
        }
    }
}
