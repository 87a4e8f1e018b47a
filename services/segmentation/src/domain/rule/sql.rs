//! A rule as SQL over the tables of facts: the slow and plain evaluator, which the other two must agree with.
//! Called by tests, by the check of a service's memberships against its tables, and by whoever needs a rule on the database.

use std::fmt::Write;

use super::Rule;
use super::plan::{Bag, Number, Over, Place, Test, Words, shifted};
use super::tree::{Comparison, Quantifier};
use crate::domain::facts::record::{Partner, Purchase, purchase};
use crate::domain::facts::{Kind, List, Micros, tables};

/// Most texts that a pattern may be found in, and members of a segment that are given by number.
const VALUES_CAP: usize = 10_000;
/// Most segments in each other; a graph without circles has less.
const NESTED_CAP: usize = 64;

/// A statement. Its arguments are all texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// `SELECT p.ord FROM fact_partner p WHERE ... ORDER BY p.ord`, with `$1` and so on.
    pub text: String,
    /// Arguments in order.
    pub args: Vec<String>,
}

/// Members of a segment that a rule names.
pub enum Members {
    /// Those whom a rule fits.
    Rule(Rule),
    /// These partners; at most 10,000.
    These(Vec<u32>),
}

/// A place of texts in the tables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The table.
    pub table: &'static str,
    /// The column.
    pub column: &'static str,
}

/// What a statement can't be made without.
pub trait Known {
    /// The members of a segment.
    fn members(&self, segment: &str) -> Members;
    /// All different texts of a column. Only asked for `matches`, which databases understand differently: the statement names the texts that match.
    fn texts(&self, source: &Source) -> Vec<String>;
}

/// Why there is no statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// More than 10,000 texts match, or members are in a segment.
    TooMany,
    /// Segments in each other without an end.
    TooDeep,
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Error::TooMany => "more than 10,000 values for one statement",
            Error::TooDeep => "segments are nested too deep",
        })
    }
}

impl std::error::Error for Error {}

/// The statement that finds the numbers of all partners whom a rule fits at an instant.
pub fn query(rule: &Rule, now: Micros, known: &dyn Known) -> Result<Query, Error> {
    let mut writer = Writer { now, known, args: Vec::new(), aliases: 0, depth: 0 };
    let condition = writer.rule(rule)?;
    let text = format!("SELECT p.ord FROM {} p WHERE {condition} ORDER BY p.ord", tables::PARTNER);
    Ok(Query { text, args: writer.args })
}

struct Writer<'a> {
    now: Micros,
    known: &'a dyn Known,
    args: Vec<String>,
    aliases: usize,
    depth: usize,
}

/// Names of the rows that stand for bound items, and where their text is.
type Rows = Vec<(String, &'static str, &'static str)>;

impl Writer<'_> {
    fn rule(&mut self, rule: &Rule) -> Result<String, Error> {
        if self.depth == NESTED_CAP {
            return Err(Error::TooDeep);
        }
        self.depth += 1;
        let text = self.test(rule, rule.test(), &mut Vec::new());
        self.depth -= 1;
        text
    }

    fn arg(&mut self, text: &str) -> String {
        let at = match self.args.iter().position(|arg| arg == text) {
            Some(at) => at,
            None => {
                self.args.push(text.to_owned());
                self.args.len() - 1
            }
        };
        format!("${}", at + 1)
    }

    fn test(&mut self, rule: &Rule, test: &Test, rows: &mut Rows) -> Result<String, Error> {
        Ok(match test {
            Test::Const(true) => "TRUE".to_owned(),
            Test::Const(false) => "FALSE".to_owned(),
            Test::And(parts) => self.joined(rule, parts, " AND ", rows)?,
            Test::Or(parts) => self.joined(rule, parts, " OR ", rows)?,
            Test::Not(inner) => format!("NOT {}", self.test(rule, inner, rows)?),
            Test::Flag(place) => format!("({} = 1)", self.place(*place, rows)),
            Test::Has(place) => {
                let column = self.place(*place, rows);
                if is_text(*place) { format!("({column} <> '')") } else { format!("({column} IS NOT NULL)") }
            }
            Test::Number { left, how, right } => {
                let (left, right) = (self.number(rule, left, rows)?, self.number(rule, right, rows)?);
                let absent = if *how == Comparison::NotEqual { "TRUE" } else { "FALSE" };
                format!("coalesce({left} {} {right}, {absent})", sign(*how))
            }
            Test::NumberIn { of, .. } if of.is_empty() => "FALSE".to_owned(),
            Test::NumberIn { item, of } => {
                let item = self.number(rule, item, rows)?;
                let of: Vec<String> = of.iter().map(|value| literal(*value)).collect();
                format!("coalesce({item} IN ({}), FALSE)", of.join(", "))
            }
            Test::Text { of, passes } => self.text(*of, passes, rows)?,
            Test::Member { choice, of } => {
                let over = Over { bag: of.clone(), level: rows.len(), filters: Vec::new() };
                let (from, condition) = self.over(rule, &over, rows)?;
                let (alias, _, column) = rows.last().cloned().unwrap_or_default();
                rows.pop();
                let choice = self.arg(choice);
                format!("EXISTS (SELECT 1 FROM {from} WHERE {condition} AND {alias}.{column} = {choice})")
            }
            Test::Quantify { how, over, test } => {
                let (from, condition) = self.over(rule, over, rows)?;
                let test = self.test(rule, test, rows);
                rows.pop();
                match (how, test?) {
                    (Quantifier::Exists, test) => {
                        format!("EXISTS (SELECT 1 FROM {from} WHERE {condition} AND {test})")
                    }
                    (Quantifier::All, test) => {
                        format!("(NOT EXISTS (SELECT 1 FROM {from} WHERE {condition} AND NOT {test}))")
                    }
                }
            }
            Test::Segment(segment) => match self.known.members(&rule.segments()[*segment]) {
                Members::Rule(nested) => self.rule(&nested)?,
                Members::These(ords) if ords.len() > VALUES_CAP => return Err(Error::TooMany),
                Members::These(ords) if ords.is_empty() => "FALSE".to_owned(),
                Members::These(ords) => {
                    let ords: Vec<String> = ords.iter().map(u32::to_string).collect();
                    format!("(p.ord IN ({}))", ords.join(", "))
                }
            },
        })
    }

    fn joined(
        &mut self,
        rule: &Rule,
        parts: &[Test],
        between: &str,
        rows: &mut Rows,
    ) -> Result<String, Error> {
        let parts: Result<Vec<String>, Error> =
            parts.iter().map(|part| self.test(rule, part, rows)).collect();
        Ok(format!("({})", parts?.join(between)))
    }

    /// What stands behind FROM and WHERE for a list; the item's row is bound.
    fn over(&mut self, rule: &Rule, over: &Over, rows: &mut Rows) -> Result<(String, String), Error> {
        self.aliases += 1;
        let alias = format!("r{}", self.aliases);
        let (table, column, own) = match &over.bag {
            Bag::Records(list) => (tables::of(*list), "", String::new()),
            Bag::Texts(texts) => (tables::TEXT, "value", format!(" AND {alias}.field = '{}'", texts.name())),
            Bag::Answers(question) => {
                (tables::ANSWER, "choice", format!(" AND {alias}.question = {}", self.arg(question)))
            }
        };
        let mut condition = format!("{alias}.ord = p.ord{own}");
        rows.push((alias.clone(), table, column));
        for filter in &over.filters {
            let filter = self.test(rule, filter, rows)?;
            let _ = write!(condition, " AND {filter}");
        }
        Ok((format!("{table} {alias}"), condition))
    }

    fn place(&self, place: Place, rows: &Rows) -> String {
        match place {
            Place::Partner(column) => format!("p.{}", Partner::COLUMNS[column].name),
            Place::Record { level, list, column } => {
                format!("{}.{}", rows[level].0, list.columns()[column].name)
            }
            Place::Item { level } => format!("{}.{}", rows[level].0, rows[level].2),
        }
    }

    fn number(&mut self, rule: &Rule, number: &Number, rows: &mut Rows) -> Result<String, Error> {
        Ok(match number {
            Number::Const(value) => literal(*value),
            Number::Now(shift) => literal(shifted(self.now, *shift)),
            Number::Field(place, 0) => self.place(*place, rows),
            Number::Field(place, shift) => format!("({} + {})", self.place(*place, rows), literal(*shift)),
            Number::Size(over) => {
                let (from, condition) = self.over(rule, over, rows)?;
                rows.pop();
                format!("(SELECT count(*) FROM {from} WHERE {condition})")
            }
            Number::Total { currency, window } => self.total(currency, *window),
        })
    }

    fn total(&mut self, currency: &str, window: Option<i64>) -> String {
        self.aliases += 1;
        let alias = format!("r{}", self.aliases);
        let name = |column: usize| format!("{alias}.{}", Purchase::COLUMNS[column].name);
        let (amount, kind, time) = (name(purchase::AMOUNT), name(purchase::KIND), name(purchase::TIME));
        let mut condition =
            format!("{alias}.ord = p.ord AND {} = 1 AND {time} <= {}", name(purchase::POSTED), self.now);
        let currency = self.arg(currency);
        let _ = write!(condition, " AND {} = {currency}", name(purchase::CURRENCY));
        if let Some(window) = window {
            let _ = write!(condition, " AND {time} > {}", literal(self.now.saturating_sub(window)));
        }
        let signed = format!("CASE {kind} WHEN 'SALE' THEN {amount} WHEN 'REFUND' THEN -{amount} ELSE 0 END");
        let table = tables::of(List::Purchases);
        format!("(SELECT coalesce(sum({signed}), 0) FROM {table} {alias} WHERE {condition})")
    }

    fn text(&mut self, of: Place, passes: &Words, rows: &Rows) -> Result<String, Error> {
        let column = self.place(of, rows);
        Ok(match passes {
            Words::Is(word) => format!("({column} = {})", self.arg(word)),
            Words::IsNot(word) => format!("({column} <> {})", self.arg(word)),
            Words::OneOf(words) => self.one_of(&column, words.iter().map(String::as_str)),
            Words::StartsWith(word) => {
                format!("(substr({column}, 1, {}) = {})", word.chars().count(), self.arg(word))
            }
            Words::EndsWith(word) => {
                let length = word.chars().count();
                let word = self.arg(word);
                format!(
                    "(length({column}) >= {length} AND substr({column}, length({column}) - {}) = {word})",
                    length - 1
                )
            }
            // taking the word away changes the text exactly when it is in there; both databases have it, and mind case
            Words::Contains(word) => format!("(replace({column}, {}, '') <> {column})", self.arg(word)),
            Words::Matches(pattern) => {
                let source = source(of, rows);
                let mut texts = self.known.texts(&source);
                // what is empty may stand in no row
                texts.push(String::new());
                texts.retain(|text| pattern.is_match(text));
                texts.sort();
                texts.dedup();
                if texts.len() > VALUES_CAP {
                    return Err(Error::TooMany);
                }
                self.one_of(&column, texts.iter().map(String::as_str))
            }
        })
    }

    fn one_of<'t>(&mut self, column: &str, words: impl Iterator<Item = &'t str>) -> String {
        let words: Vec<String> = words.map(|word| self.arg(word)).collect();
        if words.is_empty() { "FALSE".to_owned() } else { format!("({column} IN ({}))", words.join(", ")) }
    }
}

fn source(of: Place, rows: &Rows) -> Source {
    match of {
        Place::Partner(column) => Source { table: tables::PARTNER, column: Partner::COLUMNS[column].name },
        Place::Record { list, column, .. } => {
            Source { table: tables::of(list), column: list.columns()[column].name }
        }
        Place::Item { level } => Source { table: rows[level].1, column: rows[level].2 },
    }
}

fn is_text(place: Place) -> bool {
    match place {
        Place::Partner(column) => Partner::COLUMNS[column].kind == Kind::Text,
        Place::Record { list, column, .. } => list.columns()[column].kind == Kind::Text,
        Place::Item { .. } => true,
    }
}

/// A number as a literal; numbers hold nothing that must be quoted, and PostgreSQL knows their type then.
fn literal(value: i64) -> String {
    if value < 0 { format!("({value})") } else { value.to_string() }
}

fn sign(how: Comparison) -> &'static str {
    match how {
        Comparison::Equal => "=",
        Comparison::NotEqual => "<>",
        Comparison::Less => "<",
        Comparison::LessOrEqual => "<=",
        Comparison::Greater => ">",
        Comparison::GreaterOrEqual => ">=",
    }
}
