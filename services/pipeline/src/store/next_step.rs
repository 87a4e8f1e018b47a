//! Next steps in the database.
//! Called by rpc/next_step.rs and next_steps.rs.

use std::borrow::Cow;
use std::sync::LazyLock;

use kontor_kit::audit::Shown;
use kontor_kit::auth::{Caller, Guard};
use kontor_kit::db::{Conn, Row, Tx, Value};
use kontor_kit::page::{Field, Kind, Listing, Page, Query, Scope};
use kontor_kit::resource::{self, Stored};
use kontor_kit::{Error, Result, args, audit, id};

use super::merge_rows;
use crate::domain::next_step::{Due, Facts, NextStep, State};
use crate::domain::opportunity::Opportunity;

impl Stored for NextStep {
    const TABLE: &'static str = "next_step";
    const COLUMNS: &'static [&'static str] = &[
        "id",
        "version",
        "opportunity",
        "title",
        "note",
        "due",
        "due_date",
        "state",
        "deal_title",
        "assignee",
        "team",
        "close_time",
        "closed_by",
        "create_time",
        "update_time",
    ];
    const COLLECTION: &'static str = "nextSteps";

    fn id(&self) -> &str {
        &self.id
    }

    fn version(&self) -> i64 {
        self.version
    }

    fn set_version(&mut self, version: i64) {
        self.version = version;
    }

    fn name(&self) -> String {
        format!("{}/nextSteps/{}", self.opportunity, self.id)
    }

    fn audience(&self) -> Guard {
        self.guard()
    }

    fn shown(column: &'static str) -> Shown {
        match column {
            "state" => Shown::As("state", Kind::Enum(STATES)),
            "due" => Shown::As("due_time", Kind::Time),
            // Copies of what the opportunity has.
            "deal_title" | "assignee" | "team" => Shown::Not,
            other => audit::column(other),
        }
    }

    fn values(&self) -> Vec<Value> {
        let (close_time, closed_by) = match &self.state {
            State::Open => (0, ""),
            State::Done(time, by) | State::Dropped(time, by) => (*time, by.as_str()),
        };
        vec![
            (&self.id).into(),
            self.version.into(),
            (&self.opportunity).into(),
            (&self.facts.title).into(),
            (&self.facts.note).into(),
            self.facts.due.late.into(),
            (&self.facts.due.day).into(),
            self.state.number().into(),
            (&self.deal_title).into(),
            (&self.assignee).into(),
            (&self.team).into(),
            close_time.into(),
            closed_by.into(),
            self.create_time.into(),
            self.update_time.into(),
        ]
    }

    fn from_row(row: &Row<'_>, from: usize) -> Result<Self> {
        let closed = || Ok::<_, Error>((row.int(from + 11)?, row.string(from + 12)?));
        let state = match row.int(from + 7)? {
            1 => State::Open,
            2 => closed().map(|(time, by)| State::Done(time, by))?,
            3 => closed().map(|(time, by)| State::Dropped(time, by))?,
            other => return Err(Error::internal(format!("a next step has the state {other}"))),
        };
        Ok(NextStep {
            id: row.string(from)?,
            version: row.int(from + 1)?,
            opportunity: row.string(from + 2)?,
            facts: Facts {
                title: row.string(from + 3)?,
                note: row.string(from + 4)?,
                due: Due { late: row.int(from + 5)?, day: row.string(from + 6)? },
            },
            state,
            deal_title: row.string(from + 8)?,
            assignee: row.string(from + 9)?,
            team: row.string(from + 10)?,
            create_time: row.int(from + 13)?,
            update_time: row.int(from + 14)?,
        })
    }
}

/// Names of the states in filters.
const STATES: &[(&str, i64)] = &[
    ("OPEN", 1),
    ("DONE", 2),
    ("DROPPED", 3),
    ("NEXT_STEP_STATE_OPEN", 1),
    ("NEXT_STEP_STATE_DONE", 2),
    ("NEXT_STEP_STATE_DROPPED", 3),
];

/// What ListNextSteps offers.
const LISTING: Listing = Listing {
    table: "next_step",
    columns: "id, version, opportunity, title, note, due, due_date, state, deal_title, assignee, team, close_time, closed_by, create_time, update_time",
    id: "id",
    by_key: true,
    fields: &[
        Field::filter("state", "state", Kind::Enum(STATES)),
        Field::filter("assignee", "assignee", Kind::User),
        Field::filter("title", "title", Kind::Text),
        Field::both("due", "due", Kind::Time),
        Field::order("create_time", "create_time", Kind::Time),
        Field::order("close_time", "close_time", Kind::Time),
    ],
    default_order: "due",
    default_size: 50,
    max_size: 1_000,
};

/// Lists the steps that the caller may see: of one opportunity (all when empty), and only those that are late at an instant when one is given.
///
/// # Errors
/// INVALID_ARGUMENT naming page_size, page_token, filter or order_by.
pub fn list(
    conn: &mut Conn<'_>,
    caller: &Caller,
    query: &Query,
    opportunity: &str,
    late: Option<i64>,
) -> Result<Page<NextStep>> {
    let mut scope = Scope::of(caller, "assignee", "team");
    if !opportunity.is_empty() {
        scope = scope.and("opportunity = {}", opportunity);
    }
    if let Some(now) = late {
        scope = scope.and("state = 1 AND due <= {}", now);
    }
    resource::list(conn, &LISTING, caller, query, scope)
}

/// One step that the caller may see, by its name, or by the one that it had before its opportunity went into another.
///
/// # Errors
/// INVALID_ARGUMENT for a name of another form, NOT_FOUND.
pub fn get(conn: &mut Conn<'_>, caller: &Caller, name: &str, field: &str) -> Result<NextStep> {
    let found = match find(conn, name, field)? {
        None => find_moved(conn, name, field)?,
        found => found,
    };
    let step = found.ok_or_else(|| Error::not_found(name))?;
    caller.must_read(&step.guard(), name)?;
    Ok(step)
}

fn find_moved(conn: &mut Conn<'_>, name: &str, field: &str) -> Result<Option<NextStep>> {
    let (deal, id) = id::parse_child("opportunities", "nextSteps", name, field)?;
    match merge_rows::resolve::<Opportunity>(conn, deal) {
        Ok(survivor) if survivor.id != deal => {
            find(conn, &format!("{}/nextSteps/{id}", survivor.name()), field)
        }
        Ok(_) => Ok(None),
        Err(cause) if cause.is_not_found() => Ok(None),
        Err(cause) => Err(cause),
    }
}

/// One step by its name, whoever asks.
///
/// # Errors
/// INVALID_ARGUMENT for a name of another form.
pub fn find(conn: &mut Conn<'_>, name: &str, field: &str) -> Result<Option<NextStep>> {
    let (deal, id) = id::parse_child("opportunities", "nextSteps", name, field)?;
    let sql =
        format!("SELECT {} FROM next_step WHERE id = $1 AND opportunity = $2", NextStep::COLUMNS.join(", "));
    conn.one(&sql, args![id, format!("opportunities/{deal}")], |row| NextStep::from_row(row, 0))
}

/// The open step of an opportunity ("opportunities/{id}").
///
/// # Errors
/// Those of the database.
pub fn open_of(conn: &mut Conn<'_>, opportunity: &str) -> Result<Option<NextStep>> {
    let sql = format!(
        "SELECT {} FROM next_step WHERE opportunity = $1 AND state = 1",
        NextStep::COLUMNS.join(", ")
    );
    conn.one(&sql, args![opportunity], |row| NextStep::from_row(row, 0))
}

/// The open steps of these opportunities.
///
/// # Errors
/// Those of the database.
pub fn open_of_all(conn: &mut Conn<'_>, opportunities: &[String]) -> Result<Vec<NextStep>> {
    if opportunities.is_empty() {
        return Ok(Vec::new());
    }
    // Few sizes, so that the statement is prepared already: the places that are left look for nothing.
    let known = OPEN_OF_ALL.iter().find(|(size, _)| *size >= opportunities.len());
    let (size, sql) = match known {
        Some((size, sql)) => (*size, Cow::from(sql)),
        None => (opportunities.len(), text_of_open(opportunities.len()).into()),
    };
    let nothing = std::iter::repeat_with(|| Value::from(""));
    let args: Vec<Value> = opportunities.iter().map(Value::from).chain(nothing).take(size).collect();
    conn.all(&sql, &args, |row| NextStep::from_row(row, 0))
}

/// The texts for a page: to put one together takes as long as to look for some of its steps.
static OPEN_OF_ALL: LazyLock<[(usize, String); 4]> =
    LazyLock::new(|| [1, 16, 64, 256].map(|size| (size, text_of_open(size))));

fn text_of_open(size: usize) -> String {
    let places: Vec<String> = (1..=size).map(|place| format!("${place}")).collect();
    format!(
        "SELECT {} FROM next_step WHERE state = 1 AND opportunity IN ({})",
        NextStep::COLUMNS.join(", "),
        places.join(", ")
    )
}

/// Writes a new one.
///
/// # Errors
/// FAILED_PRECONDITION when the opportunity has an open one.
pub fn insert(tx: &mut Tx<'_>, step: &NextStep) -> Result<()> {
    if let Some(open) = open_of(tx, &step.opportunity)? {
        let message = format!("{} has {} to be done: complete or change it", step.opportunity, open.name());
        return Err(Error::precondition("NEXT_STEP_EXISTS", message).with("next_step", open.name()));
    }
    resource::insert(tx, step)
}

/// Gives the steps of an opportunity its title, assignee and team. False when they had them.
///
/// # Errors
/// Those of the database.
pub fn follow(tx: &mut Tx<'_>, deal: &Opportunity) -> Result<bool> {
    let details = &deal.details;
    let changed = tx.execute(
        "UPDATE next_step SET deal_title = $2, assignee = $3, team = $4, version = version + 1
         WHERE opportunity = $1 AND (deal_title <> $2 OR assignee <> $3 OR team <> $4)",
        args![deal.name(), &details.title, &details.assignee, &details.team],
    )?;
    Ok(changed > 0)
}

/// Forgets the steps of an opportunity that goes.
///
/// # Errors
/// Those of the database.
pub fn forget(tx: &mut Tx<'_>, opportunity: &str) -> Result<()> {
    let sql = format!("SELECT {} FROM next_step WHERE opportunity = $1", NextStep::COLUMNS.join(", "));
    let steps = tx.all(&sql, args![opportunity], |row| NextStep::from_row(row, 0))?;
    steps.iter().try_for_each(|step| resource::delete(tx, step))
}
