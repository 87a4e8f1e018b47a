//! From words to an expression, with the place of what is wrong.
//! Called by the compilers for each tag.

use super::filter::Filter;
use super::lexer::{Token, syntax, tokens};
use super::{Expr, Operator, Path, Root};
use crate::domain::finding::{Problem, nearest};
use crate::domain::value::Value;

/// Parentheses and the like inside of each other.
const DEEPEST: usize = 40;

/// The variables of the loops around a tag; a variable's number is its slot.
#[derive(Debug, Clone, Default)]
pub struct Scope(Vec<Box<str>>);

impl Scope {
    /// Enters a loop and gives its slot.
    pub fn enter(&mut self, name: &str) -> usize {
        self.0.push(name.into());
        self.0.len() - 1
    }

    /// Leaves the innermost loop.
    pub fn leave(&mut self) {
        self.0.pop();
    }

    /// How many loops are around.
    pub fn depth(&self) -> usize {
        self.0.len()
    }

    pub(super) fn find(&self, name: &str) -> Option<usize> {
        self.0.iter().rposition(|known| **known == *name)
    }
}

/// Reads an expression. `offset` is added to positions: where the text begins in its tag, in characters.
pub fn parse(text: &str, offset: usize, scope: &Scope) -> Result<Expr, Problem> {
    let mut parser = Parser { tokens: tokens(text, offset)?, at: 0, depth: 0, scope };
    if parser.peek() == &Token::End {
        return Err(syntax(offset, "the tag is empty"));
    }
    let expr = parser.choice()?;
    parser.expect_end()?;
    Ok(expr)
}

/// Reads `name in list` of a loop.
pub fn parse_for(text: &str, offset: usize, scope: &Scope) -> Result<(String, Expr), Problem> {
    let mut parser = Parser { tokens: tokens(text, offset)?, at: 0, depth: 0, scope };
    let name = parser.name("a name for each element, as in: for line in deal.lines")?;
    if KEYWORDS.contains(&name.as_str()) {
        return Err(syntax(offset, format!("{name} cannot be a name")));
    }
    if !parser.take_name("in") {
        return Err(syntax(parser.position(), "in is missing, as in: for line in deal.lines"));
    }
    let list = parser.choice()?;
    parser.expect_end()?;
    Ok((name, list))
}

const KEYWORDS: [&str; 13] =
    ["and", "or", "not", "in", "if", "else", "true", "false", "none", "loop", "for", "is", "salutation"];

struct Parser<'s> {
    tokens: Vec<(usize, Token)>,
    at: usize,
    depth: usize,
    scope: &'s Scope,
}

impl Parser<'_> {
    fn peek(&self) -> &Token {
        &self.tokens[self.at].1
    }

    fn position(&self) -> usize {
        self.tokens[self.at].0
    }

    fn next(&mut self) -> Token {
        let token = self.peek().clone();
        if token != Token::End {
            self.at += 1;
        }
        token
    }

    fn take_sign(&mut self, sign: &str) -> bool {
        let is = matches!(self.peek(), Token::Sign(found) if *found == sign);
        self.at += usize::from(is);
        is
    }

    fn take_name(&mut self, name: &str) -> bool {
        let is = matches!(self.peek(), Token::Name(found) if found == name);
        self.at += usize::from(is);
        is
    }

    fn expect_sign(&mut self, sign: &str) -> Result<(), Problem> {
        if self.take_sign(sign) { Ok(()) } else { Err(syntax(self.position(), format!("{sign} is missing"))) }
    }

    fn expect_end(&self) -> Result<(), Problem> {
        match self.peek() {
            Token::End => Ok(()),
            Token::Name(name) => Err(syntax(self.position(), format!("{name} is not expected here"))),
            Token::Number(number) => Err(syntax(self.position(), format!("{number} is not expected here"))),
            Token::Text(text) => Err(syntax(self.position(), format!("{text:?} is not expected here"))),
            Token::Sign("=") => Err(syntax(self.position(), "two values are compared by ==")),
            Token::Sign(sign) => Err(syntax(self.position(), format!("{sign} is not expected here"))),
        }
    }

    fn name(&mut self, what: &str) -> Result<String, Problem> {
        let at = self.position();
        match self.next() {
            Token::Name(name) => Ok(name),
            _ => Err(syntax(at, format!("{what} is missing"))),
        }
    }

    fn choice(&mut self) -> Result<Expr, Problem> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(Problem::Limit(format!("more than {DEEPEST} parentheses inside of each other")));
        }
        let yes = self.binary(0)?;
        let whole = if self.take_name("if") {
            let condition = self.binary(0)?;
            let no = if self.take_name("else") { self.choice()? } else { Expr::Literal(Value::Empty) };
            Expr::Choose(Box::new([condition, yes, no]))
        } else {
            yes
        };
        self.depth -= 1;
        Ok(whole)
    }

    /// Operators by their strength: or, and, not, comparisons, sums, products.
    fn binary(&mut self, strength: u8) -> Result<Expr, Problem> {
        if strength == 2 && self.take_name("not") {
            self.deeper()?;
            let inner = self.binary(2)?;
            self.depth -= 1;
            return Ok(Expr::Not(Box::new(inner)));
        }
        if strength == 6 {
            return self.unary();
        }
        let mut left = self.binary(strength + 1)?;
        let mut length = 0;
        while let Some(operator) = self.operator(strength) {
            length += 1;
            if length > DEEPEST {
                return Err(Problem::Limit(format!("more than {DEEPEST} operators one after the other")));
            }
            let right = self.binary(strength + 1)?;
            left = Expr::Binary(operator, Box::new(left), Box::new(right));
            if strength == 3 {
                break;
            }
        }
        Ok(left)
    }

    fn deeper(&mut self) -> Result<(), Problem> {
        self.depth += 1;
        if self.depth > DEEPEST {
            Err(Problem::Limit(format!("more than {DEEPEST} parentheses inside of each other")))
        } else {
            Ok(())
        }
    }

    fn operator(&mut self, strength: u8) -> Option<Operator> {
        let operator = match (strength, self.peek()) {
            (0, Token::Name(name)) if name == "or" => Operator::Or,
            (1, Token::Name(name)) if name == "and" => Operator::And,
            (3, Token::Name(name)) if name == "in" => Operator::In,
            (3, Token::Name(name)) if name == "not" => {
                let follows = self.tokens.get(self.at + 1).map(|(_, token)| token);
                if follows != Some(&Token::Name("in".into())) {
                    return None;
                }
                self.at += 1;
                Operator::NotIn
            }
            (3, Token::Sign("==")) => Operator::Equal,
            (3, Token::Sign("!=" | "<>")) => Operator::Unequal,
            (3, Token::Sign("<")) => Operator::Less,
            (3, Token::Sign("<=")) => Operator::LessOrEqual,
            (3, Token::Sign(">")) => Operator::Greater,
            (3, Token::Sign(">=")) => Operator::GreaterOrEqual,
            (4, Token::Sign("+")) => Operator::Add,
            (4, Token::Sign("-")) => Operator::Subtract,
            (4, Token::Sign("~")) => Operator::Join,
            (5, Token::Sign("*")) => Operator::Multiply,
            (5, Token::Sign("/")) => Operator::Divide,
            (5, Token::Sign("%")) => Operator::Remainder,
            _ => return None,
        };
        self.at += 1;
        Some(operator)
    }

    fn unary(&mut self) -> Result<Expr, Problem> {
        if self.take_sign("-") {
            self.deeper()?;
            let inner = self.unary()?;
            self.depth -= 1;
            return Ok(Expr::Negate(Box::new(inner)));
        }
        let mut expr = self.primary()?;
        let mut length = 0;
        loop {
            length += 1;
            if length > DEEPEST {
                return Err(Problem::Limit(format!("more than {DEEPEST} steps one after the other")));
            }
            if self.take_sign("|") {
                expr = self.filter(expr)?;
            } else if self.take_sign(".") {
                expr = Expr::Member(Box::new(expr), self.name("a field's name behind the dot")?.into());
            } else if self.take_sign("[") {
                let index = self.choice()?;
                self.expect_sign("]")?;
                expr = Expr::Index(Box::new(expr), Box::new(index));
            } else {
                return Ok(expr);
            }
        }
    }

    fn filter(&mut self, base: Expr) -> Result<Expr, Problem> {
        let at = self.position();
        let name = self.name("a filter's name behind |")?;
        let Some((filter, least, most)) = Filter::named(&name) else {
            let near = nearest(&name, Filter::names())
                .map_or(String::new(), |near| format!("; the nearest is {near}"));
            return Err(syntax(at, format!("there is no filter {name}{near}")));
        };
        let arguments = if self.take_sign("(") { self.arguments()? } else { Vec::new() };
        if !(least..=most).contains(&arguments.len()) {
            let wants = if least == most { least.to_string() } else { format!("{least} to {most}") };
            return Err(syntax(
                at,
                format!("{name} takes {wants} values in parentheses, not {}", arguments.len()),
            ));
        }
        Ok(Expr::Filter(Box::new(base), filter, arguments))
    }

    fn arguments(&mut self) -> Result<Vec<Expr>, Problem> {
        let mut found = Vec::new();
        if self.take_sign(")") {
            return Ok(found);
        }
        loop {
            found.push(self.choice()?);
            if self.take_sign(")") {
                return Ok(found);
            }
            self.expect_sign(",")?;
        }
    }

    fn primary(&mut self) -> Result<Expr, Problem> {
        let at = self.position();
        match self.next() {
            Token::Number(number) => Ok(Expr::Literal(Value::Number(number))),
            Token::Text(text) => Ok(Expr::Literal(Value::Text(text))),
            Token::Sign("(") => {
                let inner = self.choice()?;
                self.expect_sign(")")?;
                Ok(inner)
            }
            Token::Name(name) => self.named(name, at),
            Token::End => Err(syntax(at, "a value is missing")),
            Token::Sign(sign) => Err(syntax(at, format!("a value is missing before {sign}"))),
        }
    }

    fn named(&mut self, name: String, at: usize) -> Result<Expr, Problem> {
        if self.take_sign("(") {
            return self.function(&name, at);
        }
        match name.as_str() {
            "true" | "True" => return Ok(Expr::Literal(Value::Bool(true))),
            "false" | "False" => return Ok(Expr::Literal(Value::Bool(false))),
            "none" | "None" | "null" => return Ok(Expr::Literal(Value::Empty)),
            "and" | "or" | "not" | "in" | "if" | "else" => {
                return Err(syntax(at, format!("a value is missing before {name}")));
            }
            _ => {}
        }
        let mut steps: Vec<Box<str>> = Vec::new();
        let mut text = name.clone();
        while self.take_sign(".") {
            let step = self.name("a field's name behind the dot")?;
            text = format!("{text}.{step}");
            steps.push(step.into());
            if steps.len() > DEEPEST {
                return Err(Problem::Limit(format!("more than {DEEPEST} steps in a path")));
            }
        }
        let root = match (self.scope.find(&name), name.as_str()) {
            (Some(slot), _) => Root::Local(slot),
            (None, "loop") => return self.loop_path(steps, text, at),
            (None, _) => {
                steps.insert(0, name.into());
                Root::Record
            }
        };
        Ok(Expr::Path(Path { root, steps, text: text.into() }))
    }

    fn loop_path(&self, steps: Vec<Box<str>>, text: String, at: usize) -> Result<Expr, Problem> {
        const KNOWN: [&str; 5] = ["index", "index0", "first", "last", "length"];
        let Some(slot) = self.scope.depth().checked_sub(1) else {
            return Err(syntax(at, "loop is known only inside of a for"));
        };
        match steps.as_slice() {
            [step] if KNOWN.contains(&&**step) => {
                Ok(Expr::Path(Path { root: Root::Loop(slot), steps, text: text.into() }))
            }
            _ => Err(syntax(at, format!("loop has only {}", KNOWN.join(", ")))),
        }
    }

    fn function(&mut self, name: &str, at: usize) -> Result<Expr, Problem> {
        let mut arguments = self.arguments()?;
        match (name, arguments.len()) {
            ("salutation", 1) => Ok(Expr::Salutation(Box::new(arguments.remove(0)))),
            ("today", 0) => Ok(Expr::Today),
            ("now", 0) => Ok(Expr::Now),
            ("salutation", _) => Err(syntax(at, "salutation takes one person, as in salutation(partner)")),
            ("today" | "now", _) => Err(syntax(at, format!("{name} takes nothing in its parentheses"))),
            _ => Err(syntax(at, format!("there is no function {name}; there are salutation, today and now"))),
        }
    }
}
