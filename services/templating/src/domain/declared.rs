//! The fields that letters may use: those of every template, and those that a template declares with their paths and kinds.
//! Called by rpc and the merges; read by the engine's check.

use std::collections::BTreeMap;

use kontor_kit::{Error, Result};

use super::message::with_own_fields;
use super::template::Format;
use super::value::{Fields, Kind, Record, Value};

/// Declarations of a template at most.
pub const MOST: usize = 500;
/// Groups that are always there.
const OWN: [&str; 3] = ["partner", "user", "company"];
/// The group that only messages have.
pub const MESSAGE: &str = "message";
/// Levels of a path at most.
const LEVELS: usize = 8;

/// What a declared field holds. The numbers are those of the API.
const KINDS: [(i32, &str, Kind); 7] = [
    (1, "TEXT", Kind::Text),
    (2, "NUMBER", Kind::Number),
    (3, "MONEY", Kind::Money),
    (4, "DATE", Kind::Date),
    (5, "DATE_TIME", Kind::DateTime),
    (6, "YES", Kind::Bool),
    (7, "PICTURE", Kind::Picture),
];

/// The fields that every template has.
const PARTNER: [&str; 18] = [
    "city",
    "country",
    "email",
    "first_name",
    "gender",
    "job_title",
    "kind",
    "language",
    "last_name",
    "name",
    "note",
    "organization",
    "phone",
    "postal_code",
    "region",
    "salutation",
    "street",
    "title",
];
const USER: [&str; 4] = ["email", "extension", "login", "name"];
const COMPANY: [&str; 5] = ["currency", "language", "name", "region", "time_zone"];

/// The fields of every template; the partner's photo is one that costs, so who looks at it says so.
pub fn standard(photo: bool) -> Fields {
    let texts =
        |names: &[&str]| names.iter().fold(Fields::new(), |fields, name| fields.with(name, Kind::Text));
    let mut partner = texts(&PARTNER);
    if photo {
        partner = partner.with("photo", Kind::Picture);
    }
    Fields::new().group("partner", partner).group("user", texts(&USER)).group("company", texts(&COMPANY))
}

/// The partner of a letter to nobody we know: all fields, empty.
pub fn nobody() -> Record {
    PARTNER.iter().chain(&["photo"]).map(|name| (*name, Value::Empty)).collect()
}

/// Fields that a template declares.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Declared(Vec<(String, usize)>);

impl Declared {
    /// Reads paths and numbers of kinds as the API has them.
    ///
    /// # Errors
    /// INVALID_ARGUMENT naming the declaration.
    pub fn new(given: impl IntoIterator<Item = (String, i32)>) -> Result<Declared> {
        let mut all = Vec::new();
        for (place, (path, kind)) in given.into_iter().enumerate() {
            let field = format!("template.fields[{place}]");
            if place >= MOST {
                return Err(Error::invalid("template.fields", format!("declare at most {MOST}")));
            }
            check_path(&field, &path)?;
            let kind = if kind == 0 { 1 } else { kind };
            let kind = KINDS.iter().position(|(number, _, _)| *number == kind);
            let kind =
                kind.ok_or_else(|| Error::invalid(format!("{field}.kind"), "there is no such kind"))?;
            all.push((path, kind));
        }
        all.sort();
        let declared = Declared(all);
        declared.tree()?;
        Ok(declared)
    }

    /// As they are kept.
    pub fn to_text(&self) -> String {
        let line = |(path, kind): &(String, usize)| format!("{path} {}", KINDS[*kind].1);
        self.0.iter().map(line).collect::<Vec<_>>().join("\n")
    }

    /// Of what `to_text` gave.
    ///
    /// # Errors
    /// INTERNAL when it is damaged.
    pub fn from_text(text: &str) -> Result<Declared> {
        let line = |line: &str| {
            let (path, kind) = line.split_once(' ')?;
            Some((path.to_owned(), KINDS.iter().position(|(_, name, _)| *name == kind)?))
        };
        let all: Option<Vec<_>> = text.lines().map(line).collect();
        all.map(Declared).ok_or_else(|| Error::internal("declarations of a template are damaged"))
    }

    /// Paths and numbers of kinds.
    pub fn iter(&self) -> impl Iterator<Item = (&str, i32)> {
        self.0.iter().map(|(path, kind)| (path.as_str(), KINDS[*kind].0))
    }

    /// With the fields of every template: what the engine checks against.
    ///
    /// # Errors
    /// As `new`.
    pub fn with_standard(&self, photo: bool) -> Result<Fields> {
        let own = self.fields()?;
        let all = standard(photo);
        Ok(own.iter().fold(all, |all, (name, kind)| all.with(name, kind.clone())))
    }

    /// What the engine checks a template of this kind against: those of messages have fields of their own.
    ///
    /// # Errors
    /// INVALID_ARGUMENT when a template of messages declares what they have.
    pub fn for_format(&self, format: Format) -> Result<Fields> {
        let fields = self.with_standard(!format.is_message())?;
        if !format.is_message() {
            return Ok(fields);
        }
        if fields.get(MESSAGE).is_some() {
            let message = format!("{MESSAGE} is there already in messages: choose another name");
            return Err(Error::invalid("template.fields", message));
        }
        Ok(with_own_fields(fields, true))
    }

    /// The declared fields alone.
    ///
    /// # Errors
    /// As `new`.
    pub fn fields(&self) -> Result<Fields> {
        Ok(self.tree()?.into_fields())
    }

    fn tree(&self) -> Result<Tree> {
        let mut tree = Tree::default();
        for (path, kind) in &self.0 {
            let steps: Vec<&str> = path.split('.').collect();
            if !tree.put(&steps, &KINDS[*kind].2) {
                let message = format!("{path:?} stands beside a field of another shape with the same name");
                return Err(Error::invalid("template.fields", message));
            }
        }
        Ok(tree)
    }
}

/// All fields of every template, as declarations.
pub fn standard_paths() -> Vec<(String, i32)> {
    standard(true)
        .iter()
        .flat_map(|(group, kind)| {
            let Kind::Record(fields) = kind else { return Vec::new() };
            let number = |kind: &Kind| KINDS.iter().find(|(_, _, known)| known == kind).map_or(1, |it| it.0);
            fields.iter().map(|(name, kind)| (format!("{group}.{name}"), number(kind))).collect()
        })
        .collect()
}

/// Whether this is a name of a field.
pub fn is_name(name: &str) -> bool {
    let mut characters = name.chars();
    characters.next().is_some_and(char::is_alphabetic)
        && name.chars().count() <= 100
        && characters.all(|it| it.is_alphanumeric() || it == '_')
}

fn check_path(field: &str, path: &str) -> Result<()> {
    let steps: Vec<&str> = path.split('.').collect();
    let good =
        steps.len() <= LEVELS && steps.iter().all(|step| is_name(step.strip_suffix("[]").unwrap_or(step)));
    if !good {
        let message = format!("{path:?} is no path like \"deal.total\" or \"lines[].price\"");
        return Err(Error::invalid(format!("{field}.path"), message));
    }
    let first = steps[0].strip_suffix("[]").unwrap_or(steps[0]);
    if OWN.contains(&first) {
        let message = format!("{first} is there already, with fields of its own: choose another name");
        return Err(Error::invalid(format!("{field}.path"), message));
    }
    Ok(())
}

#[derive(Default)]
struct Tree(BTreeMap<String, Node>);

enum Node {
    Leaf(Kind),
    Values(Kind),
    Group(Tree),
    Rows(Tree),
}

impl Tree {
    /// False when something else stands there.
    fn put(&mut self, steps: &[&str], kind: &Kind) -> bool {
        let Some((first, rest)) = steps.split_first() else { return false };
        let (name, is_list) = match first.strip_suffix("[]") {
            Some(name) => (name, true),
            None => (*first, false),
        };
        if rest.is_empty() {
            let node = if is_list { Node::Values(kind.clone()) } else { Node::Leaf(kind.clone()) };
            return self.0.insert(name.to_owned(), node).is_none();
        }
        let new = || if is_list { Node::Rows(Tree::default()) } else { Node::Group(Tree::default()) };
        match (self.0.entry(name.to_owned()).or_insert_with(new), is_list) {
            (Node::Group(tree), false) | (Node::Rows(tree), true) => tree.put(rest, kind),
            _ => false,
        }
    }

    fn into_fields(self) -> Fields {
        self.0.into_iter().fold(Fields::new(), |fields, (name, node)| match node {
            Node::Leaf(kind) => fields.with(&name, kind),
            Node::Values(kind) => fields.with(&name, Kind::List(Box::new(kind))),
            Node::Group(tree) => fields.group(&name, tree.into_fields()),
            Node::Rows(tree) => fields.list(&name, tree.into_fields()),
        })
    }
}

/// Checks values against declared fields: each is there and of its kind, and nothing else is. Says which one is wrong.
///
/// # Errors
/// The path and what is wrong with it.
pub fn fit(fields: &Fields, record: &Record, before: &str) -> std::result::Result<(), (String, String)> {
    let path = |name: &str| if before.is_empty() { name.to_owned() } else { format!("{before}.{name}") };
    for (name, _) in record.iter() {
        if fields.get(name).is_none() {
            return Err((path(name), "the template declares no such field".to_owned()));
        }
    }
    for (name, kind) in fields.iter() {
        let Some(value) = record.get(name) else {
            return Err((
                path(name),
                "it is missing; a field that is there without a value is empty".to_owned(),
            ));
        };
        fit_value(kind, value, &path(name))?;
    }
    Ok(())
}

fn fit_value(kind: &Kind, value: &Value, path: &str) -> std::result::Result<(), (String, String)> {
    match (kind, value) {
        (Kind::Record(fields), Value::Record(record)) => fit(fields, record, path),
        (Kind::List(kind), Value::List(values)) => values
            .iter()
            .enumerate()
            .try_for_each(|(place, value)| fit_value(kind, value, &format!("{path}[{place}]"))),
        (Kind::Record(_) | Kind::List(_), _) => {
            let wanted = if matches!(kind, Kind::List(_)) { "a list" } else { "a group of fields" };
            Err((path.to_owned(), format!("it is {}, and the template wants {wanted}", value.noun())))
        }
        (_, Value::Empty)
        | (Kind::Any, _)
        | (Kind::Text, Value::Text(_))
        | (Kind::Number, Value::Number(_))
        | (Kind::Money, Value::Money(_))
        | (Kind::Date, Value::Date(_))
        | (Kind::DateTime, Value::DateTime(_))
        | (Kind::Bool, Value::Bool(_))
        | (Kind::Picture, Value::Picture(_)) => Ok(()),
        (kind, value) => {
            let wanted = KINDS.iter().find(|(_, _, known)| known == kind).map_or("", |it| it.1);
            Err((path.to_owned(), format!("it is {}, and the template wants {wanted}", value.noun())))
        }
    }
}
