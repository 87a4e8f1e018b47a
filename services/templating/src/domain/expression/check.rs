//! What kind of value an expression will give, before there is data: unknown fields and unfit filters are found here.
//! Called by `Template::check`.

use super::filter::Filter;
use super::{Expr, Operator, Path, Root};
use crate::domain::finding::{Problem, nearest};
use crate::domain::value::{Fields, Kind, Value};

/// The kinds that a place in a template sees: the fields and the variables of the loops around it.
pub struct Kinds<'f> {
    fields: &'f Fields,
    locals: Vec<Kind>,
    problems: Vec<Problem>,
}

impl<'f> Kinds<'f> {
    /// Begins with the fields that exist.
    pub fn new(fields: &'f Fields) -> Self {
        Self { fields, locals: Vec::new(), problems: Vec::new() }
    }

    /// What was found since the last time.
    pub fn take(&mut self) -> Vec<Problem> {
        std::mem::take(&mut self.problems)
    }

    /// Enters a loop over a list.
    pub fn enter(&mut self, list: &Expr) {
        let kind = match self.kind(list) {
            Kind::List(item) => *item,
            Kind::Any => Kind::Any,
            other => {
                self.wrong(format!("for goes over a list, and this is {}", noun(&other)));
                Kind::Any
            }
        };
        self.locals.push(kind);
    }

    /// Leaves the innermost loop.
    pub fn leave(&mut self) {
        self.locals.pop();
    }

    /// Checks an expression that is shown as text.
    pub fn shown(&mut self, expr: &Expr) {
        match self.kind(expr) {
            Kind::List(_) => self.wrong("this is a list: show it by a loop or by the filter join".into()),
            Kind::Record(_) => self.wrong("this is a group of fields: name one of them".into()),
            Kind::Picture => {
                self.wrong("this is a picture: write the tag into the alternative text of a picture".into());
            }
            _ => {}
        }
    }

    /// Checks an expression that must give a picture.
    pub fn picture(&mut self, expr: &Expr) {
        match self.kind(expr) {
            Kind::Picture | Kind::Any => {}
            other => self.wrong(format!("a picture is needed here, and this is {}", noun(&other))),
        }
    }

    /// The kind of an expression; what is wrong in it is noted.
    pub fn kind(&mut self, expr: &Expr) -> Kind {
        match expr {
            Expr::Literal(value) => of_value(value),
            Expr::Path(path) => self.path(path),
            Expr::Merge(name) => match name.find(self.fields) {
                Some(kind) => kind.clone(),
                None => self.unknown(name.text(), &Kind::Any),
            },
            Expr::Member(base, name) => {
                let base = self.kind(base);
                self.step(base, name, name)
            }
            Expr::Index(base, index) => {
                self.kind(index);
                match self.kind(base) {
                    Kind::List(item) => *item,
                    _ => Kind::Any,
                }
            }
            Expr::Not(inner) => {
                self.kind(inner);
                Kind::Bool
            }
            Expr::Negate(inner) => self.kind(inner),
            Expr::Binary(operator, left, right) => {
                let (left, right) = (self.kind(left), self.kind(right));
                self.binary(*operator, left, right)
            }
            Expr::WordCompare(_, left, right) => {
                self.kind(left);
                self.kind(right);
                Kind::Bool
            }
            Expr::Choose(parts) => {
                let [condition, yes, no] = &**parts;
                self.kind(condition);
                let (yes, no) = (self.kind(yes), self.kind(no));
                if yes == no { yes } else { Kind::Any }
            }
            Expr::Filter(base, filter, arguments) => {
                let base = self.kind(base);
                for argument in arguments {
                    self.kind(argument);
                }
                self.filter(&base, filter, arguments)
            }
            Expr::Concat(parts) => {
                let kinds: Vec<Kind> = parts.iter().map(|part| self.kind(part)).collect();
                if let [one] = kinds.as_slice() { one.clone() } else { Kind::Text }
            }
            Expr::Salutation(person) => {
                match self.kind(person) {
                    Kind::Record(_) | Kind::Any => {}
                    other => self.wrong(format!("salutation takes a person, and this is {}", noun(&other))),
                }
                Kind::Text
            }
            Expr::Today => Kind::Date,
            Expr::Now => Kind::DateTime,
            Expr::RecordNumber => Kind::Number,
        }
    }

    fn path(&mut self, path: &Path) -> Kind {
        let (mut kind, steps) = match path.root {
            Root::Loop(_) => {
                return if matches!(&*path.steps[0], "first" | "last") { Kind::Bool } else { Kind::Number };
            }
            Root::Local(slot) => (self.locals.get(slot).cloned().unwrap_or(Kind::Any), path.steps.as_slice()),
            Root::Record => {
                let Some((first, rest)) = path.steps.split_first() else { return Kind::Any };
                match self.fields.get(first) {
                    Some(kind) => (kind.clone(), rest),
                    None => return self.unknown(&path.text, &Kind::Any),
                }
            }
        };
        for step in steps {
            kind = self.step(kind, step, &path.text);
        }
        kind
    }

    fn step(&mut self, kind: Kind, step: &str, path: &str) -> Kind {
        match &kind {
            Kind::Any => Kind::Any,
            Kind::Record(fields) => match fields.get(step) {
                Some(found) => found.clone(),
                None => self.unknown(path, &kind),
            },
            Kind::List(_) => {
                self.wrong(format!("{path}: this is a list: its fields are known inside of a for"));
                Kind::Any
            }
            other => {
                self.wrong(format!("{path}: {} has no field {step}", noun(other)));
                Kind::Any
            }
        }
    }

    /// Notes an unknown field with the nearest: in its own group first, then anywhere.
    fn unknown(&mut self, path: &str, group: &Kind) -> Kind {
        let (before, last) = path.rsplit_once('.').unwrap_or(("", path));
        let own = match group {
            Kind::Record(fields) => nearest(last, fields.iter().map(|(name, _)| name))
                .map(|near| if before.is_empty() { near.to_owned() } else { format!("{before}.{near}") }),
            _ => None,
        };
        let all = self.fields.paths();
        let roots = self.fields.iter().map(|(name, _)| name);
        let found = own
            .or_else(|| nearest(path, all.iter().map(String::as_str).chain(roots)).map(str::to_owned))
            .or_else(|| all.iter().find(|known| known.ends_with(&format!(".{last}"))).cloned());
        self.problems.push(Problem::UnknownField { name: path.to_owned(), nearest: found });
        Kind::Any
    }

    fn wrong(&mut self, why: String) {
        self.problems.push(Problem::WrongType(why));
    }

    fn binary(&mut self, operator: Operator, left: Kind, right: Kind) -> Kind {
        match operator {
            Operator::Or | Operator::And => {
                if left == right {
                    left
                } else {
                    Kind::Any
                }
            }
            Operator::Join => Kind::Text,
            Operator::Equal | Operator::Unequal | Operator::In | Operator::NotIn => Kind::Bool,
            Operator::Less | Operator::LessOrEqual | Operator::Greater | Operator::GreaterOrEqual => {
                if !comparable(&left, &right) {
                    self.wrong(format!("{} and {} cannot be compared", noun(&left), noun(&right)));
                }
                Kind::Bool
            }
            _ => self.calculated(operator, left, right),
        }
    }

    fn calculated(&mut self, operator: Operator, left: Kind, right: Kind) -> Kind {
        match (&left, &right) {
            (Kind::Any, _) | (_, Kind::Any) => Kind::Any,
            (Kind::Number, Kind::Number) => Kind::Number,
            (Kind::Money, Kind::Money) if operator == Operator::Divide => Kind::Number,
            (Kind::Money, Kind::Money) if operator != Operator::Multiply => Kind::Money,
            (Kind::Money, Kind::Number) if matches!(operator, Operator::Multiply | Operator::Divide) => {
                Kind::Money
            }
            (Kind::Number, Kind::Money) if operator == Operator::Multiply => Kind::Money,
            (Kind::Text, Kind::Text) if operator == Operator::Add => Kind::Text,
            (Kind::Date | Kind::DateTime, Kind::Number)
                if matches!(operator, Operator::Add | Operator::Subtract) =>
            {
                left
            }
            (Kind::Date | Kind::DateTime, Kind::Date | Kind::DateTime) if operator == Operator::Subtract => {
                Kind::Number
            }
            _ => {
                self.wrong(format!(
                    "{} and {} cannot be calculated with each other",
                    noun(&left),
                    noun(&right)
                ));
                Kind::Any
            }
        }
    }

    fn filter(&mut self, base: &Kind, filter: &Filter, arguments: &[Expr]) -> Kind {
        let needs = |fits: bool, what: &str, this: &mut Self| {
            if !fits && *base != Kind::Any {
                this.wrong(format!("{what} is needed here, and this is {}", noun(base)));
            }
        };
        match filter {
            Filter::Number | Filter::Percent | Filter::Round | Filter::Abs => {
                // Texts that hold a number are known only with the data.
                needs(matches!(base, Kind::Number | Kind::Money | Kind::Text), "a number", self);
                match filter {
                    Filter::Round | Filter::Abs if *base == Kind::Money => Kind::Money,
                    Filter::Round | Filter::Abs => Kind::Number,
                    _ => Kind::Text,
                }
            }
            Filter::Money => {
                let fits = matches!(base, Kind::Money)
                    || (matches!(base, Kind::Number | Kind::Text) && !arguments.is_empty());
                needs(fits, "an amount, or a number with money(\"EUR\"),", self);
                Kind::Text
            }
            Filter::Date | Filter::Time | Filter::DateTime => {
                needs(matches!(base, Kind::Date | Kind::DateTime | Kind::Text), "a date", self);
                Kind::Text
            }
            Filter::Plural => {
                needs(matches!(base, Kind::Number | Kind::List(_) | Kind::Text), "a number", self);
                Kind::Text
            }
            Filter::Sum | Filter::Sort | Filter::Reverse => {
                needs(matches!(base, Kind::List(_)), "a list", self);
                self.of_list(base, filter, arguments)
            }
            Filter::First | Filter::Last => match base {
                Kind::List(item) => (**item).clone(),
                _ => Kind::Any,
            },
            Filter::Length => {
                needs(matches!(base, Kind::List(_) | Kind::Text), "a list or a text", self);
                Kind::Number
            }
            Filter::Default => match arguments.first() {
                Some(Expr::Literal(value)) if of_value(value) == *base => base.clone(),
                _ => Kind::Any,
            },
            Filter::Qr => Kind::Picture,
            Filter::Join => {
                if let (Kind::List(_), Some(Expr::Literal(Value::Text(name)))) = (base, arguments.get(1)) {
                    self.of_item(base, name);
                }
                Kind::Text
            }
            _ => {
                needs(!matches!(base, Kind::List(_) | Kind::Record(_) | Kind::Picture), "a text", self);
                Kind::Text
            }
        }
    }

    fn of_list(&mut self, base: &Kind, filter: &Filter, arguments: &[Expr]) -> Kind {
        let field = match arguments.first() {
            Some(Expr::Literal(Value::Text(name))) => Some(self.of_item(base, name)),
            _ => None,
        };
        match (filter, base) {
            (Filter::Sum, Kind::List(item)) => field.unwrap_or_else(|| (**item).clone()),
            (Filter::Sum, _) => Kind::Any,
            (_, base) => base.clone(),
        }
    }

    fn of_item(&mut self, list: &Kind, name: &str) -> Kind {
        match list {
            Kind::List(item) => self.step((**item).clone(), name, name),
            _ => Kind::Any,
        }
    }
}

fn comparable(left: &Kind, right: &Kind) -> bool {
    use Kind::{Any, Date, DateTime, Money, Number, Text};
    matches!(
        (left, right),
        (Any, _)
            | (_, Any)
            | (Number | Money, Number | Money)
            | (Text | Date | DateTime, Text | Date | DateTime)
    ) || left == right
}

fn of_value(value: &Value) -> Kind {
    match value {
        Value::Empty | Value::List(_) | Value::Record(_) => Kind::Any,
        Value::Bool(_) => Kind::Bool,
        Value::Number(_) => Kind::Number,
        Value::Money(_) => Kind::Money,
        Value::Text(_) => Kind::Text,
        Value::Date(_) => Kind::Date,
        Value::DateTime(_) => Kind::DateTime,
        Value::Picture(_) => Kind::Picture,
    }
}

fn noun(kind: &Kind) -> &'static str {
    match kind {
        Kind::Bool => "a yes or no",
        Kind::Number => "a number",
        Kind::Money => "an amount",
        Kind::Text => "a text",
        Kind::Date => "a date",
        Kind::DateTime => "a time",
        Kind::Picture => "a picture",
        Kind::List(_) => "a list",
        Kind::Record(_) => "a group of fields",
        Kind::Any => "any value",
    }
}
