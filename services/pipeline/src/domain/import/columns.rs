//! The heading line: which column is which field of a lead or an opportunity.
//! Called by rpc/import; rows are read by it.

use std::collections::BTreeMap;

use kontor_kit::{Error, Result};

/// What rows become. The numbers are those of the API and of the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Leads.
    Leads = 1,
    /// Opportunities.
    Opportunities = 2,
}

/// What a column is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// What the record is about.
    Title,
    /// Person's name.
    ContactName,
    /// Company's name.
    CompanyName,
    /// E-mail address.
    Email,
    /// Telephone number.
    Phone,
    /// Country of the number.
    Region,
    /// Partner, by name, id or e-mail address.
    Partner,
    /// Pipeline, by name, id or display name.
    Pipeline,
    /// Stage of the pipeline, by name, id or display name.
    Stage,
    /// Expected amount.
    Amount,
    /// Expected revenue that comes again.
    RecurringAmount,
    /// For how many months that is.
    RecurringMonths,
    /// Currency of both.
    Currency,
    /// Percent.
    Probability,
    /// Day on which it should be closed.
    ExpectedCloseDate,
    /// Where the record came from.
    Source,
    /// Free text.
    Description,
    /// User, with or without "users/".
    Assignee,
    /// Team, with or without "teams/".
    Team,
    /// Tags, by comma, semicolon or bar.
    Tags,
    /// What the row is called where the file comes from.
    ExternalId,
    /// Free category of this key.
    Attribute(String),
    /// Nothing.
    Ignored,
}

/// Names of the fields that a column may be, but for free categories.
const NAMES: [(&str, Target); 21] = [
    ("title", Target::Title),
    ("contact_name", Target::ContactName),
    ("company_name", Target::CompanyName),
    ("email", Target::Email),
    ("phone", Target::Phone),
    ("region", Target::Region),
    ("partner", Target::Partner),
    ("pipeline", Target::Pipeline),
    ("stage", Target::Stage),
    ("amount", Target::Amount),
    ("recurring_amount", Target::RecurringAmount),
    ("recurring_months", Target::RecurringMonths),
    ("currency", Target::Currency),
    ("probability", Target::Probability),
    ("expected_close_date", Target::ExpectedCloseDate),
    ("source", Target::Source),
    ("description", Target::Description),
    ("assignee", Target::Assignee),
    ("team", Target::Team),
    ("tags", Target::Tags),
    ("external_id", Target::ExternalId),
];

impl Kind {
    /// As the API calls one: "lead".
    pub fn one(self) -> &'static str {
        match self {
            Kind::Leads => "lead",
            Kind::Opportunities => "opportunity",
        }
    }

    /// As a sentence calls one: "a lead".
    fn a(self) -> &'static str {
        match self {
            Kind::Leads => "a lead",
            Kind::Opportunities => "an opportunity",
        }
    }

    /// As the command calls many: "leads".
    fn many(self) -> &'static str {
        match self {
            Kind::Leads => "leads",
            Kind::Opportunities => "opportunities",
        }
    }

    fn has(self, target: &Target) -> bool {
        use Target as T;
        match self {
            Kind::Leads => !matches!(
                target,
                T::Partner
                    | T::Pipeline
                    | T::Stage
                    | T::Amount
                    | T::RecurringAmount
                    | T::RecurringMonths
                    | T::Currency
                    | T::Probability
                    | T::ExpectedCloseDate
            ),
            Kind::Opportunities => {
                !matches!(target, T::ContactName | T::CompanyName | T::Email | T::Phone | T::Region)
            }
        }
    }

    fn names(self) -> impl Iterator<Item = &'static (&'static str, Target)> {
        NAMES.iter().filter(move |(_, target)| self.has(target))
    }
}

/// What a column of free categories begins with.
const ATTRIBUTE: &str = "attributes.";

impl Target {
    fn parse(kind: Kind, name: &str) -> Option<Target> {
        if name == "-" {
            return Some(Target::Ignored);
        }
        if let Some(key) = name.strip_prefix(ATTRIBUTE) {
            let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
            let good = (1..=64).contains(&key.len()) && key.bytes().all(plain);
            return good.then(|| Target::Attribute(key.to_owned()));
        }
        kind.names().find(|(known, _)| *known == name).map(|(_, target)| target.clone())
    }

    /// Its name, as errors and digests have it: "email", "attributes[industry]".
    pub fn path(&self) -> String {
        match self {
            Target::Attribute(key) => format!("attributes[{key}]"),
            Target::Ignored => "-".to_owned(),
            other => {
                let name = NAMES.iter().find(|(_, target)| target == other).map(|(name, _)| *name);
                name.unwrap_or_default().to_owned()
            }
        }
    }
}

/// The columns of one file.
#[derive(Clone, Debug)]
pub struct Columns(Vec<Column>);

#[derive(Clone, Debug)]
struct Column {
    heading: String,
    path: String,
    target: Target,
}

impl Columns {
    /// Reads the headings. `mapping` says for a heading which field it is, "-" for none; the others are fields' names themselves, with blanks and
    /// capitals as people write them.
    ///
    /// # Errors
    /// INVALID_ARGUMENT naming the column that is no field, or one that is there twice.
    pub fn read(
        kind: Kind,
        headings: &[String],
        mapping: &BTreeMap<String, String>,
        ignore_unknown: bool,
    ) -> Result<Columns> {
        let mut columns: Vec<Column> = Vec::with_capacity(headings.len());
        for (place, heading) in headings.iter().enumerate() {
            let number = place + 1;
            let heading = heading.trim();
            let target = match mapping.iter().find(|(from, _)| same(from, heading)) {
                Some((from, to)) => Target::parse(kind, to.trim()).ok_or_else(|| {
                    Error::invalid(
                        format!("settings.columns[{from}]"),
                        format!("{to:?} is no field: {}", known(kind)),
                    )
                })?,
                None => match Target::parse(kind, &plain(heading)) {
                    Some(target) => target,
                    None if ignore_unknown => Target::Ignored,
                    None => {
                        return Err(refused(
                            number,
                            heading,
                            &format!(
                                "it is no field of {}: map it to one ({}), or to \"-\" to leave it out (settings.columns; `--column HEADING=FIELD` of `kontor import {}`)",
                                kind.a(),
                                known(kind),
                                kind.many()
                            ),
                        ));
                    }
                },
            };
            if target != Target::Ignored
                && let Some(other) = columns.iter().position(|column| column.target == target)
            {
                let message = format!(
                    "it is {:?}, and so is column {}: leave one of them out",
                    target.path(),
                    other + 1
                );
                return Err(refused(number, heading, &message));
            }
            columns.push(Column { heading: heading.to_owned(), path: target.path(), target });
        }
        if let Some(from) =
            mapping.keys().find(|from| !columns.iter().any(|column| same(from, &column.heading)))
        {
            let message = "the file has no column with this heading";
            return Err(Error::invalid(format!("settings.columns[{from}]"), message));
        }
        if columns.iter().all(|column| matches!(column.target, Target::Ignored | Target::ExternalId)) {
            let message = format!("line 1: no column is a field of {}: {}", kind.a(), known(kind));
            return Err(Error::invalid("data", message).with("line", "1"));
        }
        if kind == Kind::Opportunities && !columns.iter().any(|column| column.target == Target::Title) {
            let message = "line 1: no column is the title, which an opportunity needs";
            return Err(Error::invalid("data", message).with("line", "1"));
        }
        Ok(Columns(columns))
    }

    /// Their number, 1 at least.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// What they are, in their order.
    pub fn targets(&self) -> impl Iterator<Item = &Target> {
        self.0.iter().map(|column| &column.target)
    }

    /// Whether one of them is this.
    pub fn has(&self, target: &Target) -> bool {
        self.targets().any(|known| known == target)
    }

    /// Number from 1 and heading of the column of a field.
    pub fn find(&self, path: &str) -> Option<(usize, &str)> {
        let place = self.0.iter().position(|column| column.path == path)?;
        Some((place + 1, self.0[place].heading.as_str()))
    }

    /// Heading of a column by its number from 1.
    pub fn heading(&self, number: usize) -> Option<&str> {
        self.0.get(number.checked_sub(1)?).map(|column| column.heading.as_str())
    }
}

/// Whether a heading of the mapping means this one.
fn same(mapped: &str, heading: &str) -> bool {
    plain(mapped.trim()) == plain(heading)
}

fn plain(heading: &str) -> String {
    heading.to_lowercase().replace([' ', '-'], "_")
}

fn known(kind: Kind) -> String {
    let names: Vec<&str> = kind.names().map(|(name, _)| *name).collect();
    format!("{}, {ATTRIBUTE}KEY with KEY of a-z, 0-9 and \"_\"", names.join(", "))
}

fn refused(number: usize, heading: &str, message: &str) -> Error {
    let shown: String = heading.chars().take(100).collect();
    let message = format!("line 1, column {number}, {shown:?}: {message}");
    Error::invalid("data", message).with("line", "1").with("column", number.to_string()).with("field", shown)
}
