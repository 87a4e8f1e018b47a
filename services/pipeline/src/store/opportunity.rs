//! Opportunities in the database.
//! Called by rpc/opportunity.rs and rpc/convert.rs.

use kontor_kit::audit::Shown;
use kontor_kit::auth::{Caller, Guard};
use kontor_kit::db::{Conn, Row, Tx, Value};
use kontor_kit::page::{Field, Kind, Listing, Page, Query, Scope};
use kontor_kit::resource::{self, Stored};
use kontor_kit::{Error, Result, args, audit};

use super::{join, join_map, merge_rows, split, split_map};
use crate::domain::exchange::Kept;
use crate::domain::lead::Lead;
use crate::domain::money::Money;
use crate::domain::opportunity::{Details, Opportunity, Outcome};

impl Stored for Opportunity {
    const TABLE: &'static str = "opportunity";
    const COLUMNS: &'static [&'static str] = &[
        "id",
        "version",
        "title",
        "partner",
        "pipeline",
        "stage",
        "state",
        "currency",
        "amount",
        "probability",
        "assignee",
        "team",
        "expected_close_date",
        "description",
        "tags",
        "lead",
        "lost_reason",
        "close_time",
        "stage_time",
        "create_time",
        "update_time",
        "attributes",
        "source",
        "contact",
        "rot_time",
        "recurring_amount",
        "recurring_months",
        "rate",
        "rate_date",
        "rate_currency",
        "origin",
    ];
    const COLLECTION: &'static str = "opportunities";

    fn id(&self) -> &str {
        &self.id
    }

    fn version(&self) -> i64 {
        self.version
    }

    fn set_version(&mut self, version: i64) {
        self.version = version;
    }

    fn audience(&self) -> Guard {
        self.guard()
    }

    fn concerned_partner(&self) -> &str {
        &self.details.partner
    }

    fn shown(column: &'static str) -> Shown {
        match column {
            "state" => Shown::As("state", Kind::Enum(STATES)),
            "currency" => Shown::As("amount.currency_code", Kind::Text),
            "amount" => Shown::As("amount.amount", Kind::Text),
            // They follow from the stage and from the lead.
            "stage_time" | "rot_time" | "contact" => Shown::Not,
            other => audit::column(other),
        }
    }

    fn values(&self) -> Vec<Value> {
        let details = &self.details;
        let amount = details.amount.as_ref().map_or("", |money| money.amount.as_str());
        let recurring = details.recurring_amount.as_ref().map_or("", |money| money.amount.as_str());
        let (rate, rate_date, rate_currency) = match &self.exchange {
            Some(kept) => (kept.rate.as_str(), kept.day.as_str(), kept.base.as_str()),
            None => ("", "", ""),
        };
        let (close_time, lost_reason) = match &self.outcome {
            Outcome::Open => (None, ""),
            Outcome::Won(time) => (Some(*time), ""),
            Outcome::Lost(time, reason) => (Some(*time), reason.as_str()),
        };
        vec![
            (&self.id).into(),
            self.version.into(),
            (&details.title).into(),
            (&details.partner).into(),
            (&self.pipeline).into(),
            (&self.stage).into(),
            self.outcome.number().into(),
            details.currency().unwrap_or("").into(),
            amount.into(),
            details.probability.map(i64::from).into(),
            (&details.assignee).into(),
            (&details.team).into(),
            (&details.expected_close_date).into(),
            (&details.description).into(),
            join(&details.tags).into(),
            (&self.lead).into(),
            lost_reason.into(),
            close_time.into(),
            self.stage_time.into(),
            self.create_time.into(),
            self.update_time.into(),
            join_map(&details.attributes).into(),
            (&details.source).into(),
            (&self.contact).into(),
            self.rot_time.into(),
            recurring.into(),
            details.recurring_months.into(),
            rate.into(),
            rate_date.into(),
            rate_currency.into(),
            (&self.origin).into(),
        ]
    }

    fn from_row(row: &Row<'_>, from: usize) -> Result<Self> {
        let currency = row.text(from + 7)?;
        let money = |amount: &str| {
            (!amount.is_empty()).then(|| Money { currency: currency.to_owned(), amount: amount.to_owned() })
        };
        let exchange = match row.text(from + 27)? {
            "" => None,
            rate => Some(Kept {
                rate: rate.to_owned(),
                day: row.string(from + 28)?,
                base: row.string(from + 29)?,
            }),
        };
        let probability = row.opt_int(from + 9)?.map(i32::try_from).transpose().map_err(Error::internal)?;
        Ok(Opportunity {
            id: row.string(from)?,
            version: row.int(from + 1)?,
            pipeline: row.string(from + 4)?,
            stage: row.string(from + 5)?,
            outcome: outcome(row.int(from + 6)?, row.opt_int(from + 17)?, row.text(from + 16)?)?,
            details: Details {
                title: row.string(from + 2)?,
                partner: row.string(from + 3)?,
                amount: money(row.text(from + 8)?),
                recurring_amount: money(row.text(from + 25)?),
                recurring_months: i32::try_from(row.int(from + 26)?).map_err(Error::internal)?,
                probability,
                assignee: row.string(from + 10)?,
                team: row.string(from + 11)?,
                expected_close_date: row.string(from + 12)?,
                description: row.string(from + 13)?,
                tags: split(row.text(from + 14)?),
                attributes: split_map(row.text(from + 21)?),
                source: row.string(from + 22)?,
            },
            lead: row.string(from + 15)?,
            contact: row.string(from + 23)?,
            origin: row.string(from + 30)?,
            exchange,
            rot_time: row.opt_int(from + 24)?,
            stage_time: row.int(from + 18)?,
            create_time: row.int(from + 19)?,
            update_time: row.int(from + 20)?,
        })
    }
}

fn outcome(state: i64, close_time: Option<i64>, lost_reason: &str) -> Result<Outcome> {
    match (state, close_time) {
        (1, None) => Ok(Outcome::Open),
        (2, Some(time)) => Ok(Outcome::Won(time)),
        (3, Some(time)) => Ok(Outcome::Lost(time, lost_reason.to_owned())),
        other => Err(Error::internal(format!("an opportunity has the state {other:?}"))),
    }
}

/// Names of the states in filters.
const STATES: &[(&str, i64)] = &[
    ("OPEN", 1),
    ("WON", 2),
    ("LOST", 3),
    ("OPPORTUNITY_STATE_OPEN", 1),
    ("OPPORTUNITY_STATE_WON", 2),
    ("OPPORTUNITY_STATE_LOST", 3),
];

/// Whether an opportunity is open and has no next step.
const NEEDS_NEXT_STEP: &str = "(CASE WHEN state = 1 AND NOT EXISTS (SELECT 1 FROM next_step n WHERE n.opportunity = 'opportunities/' || opportunity.id AND n.state = 1) THEN 1 ELSE 0 END)";

/// What ListOpportunities offers.
const LISTING: Listing = Listing {
    table: "opportunity",
    columns: "id, version, title, partner, pipeline, stage, state, currency, amount, probability, assignee, team, expected_close_date, description, tags, lead, lost_reason, close_time, stage_time, create_time, update_time, attributes, source, contact, rot_time, recurring_amount, recurring_months, rate, rate_date, rate_currency, origin",
    id: "id",
    by_key: true,
    fields: &[
        Field::filter("state", "state", Kind::Enum(STATES)),
        Field::filter("assignee", "assignee", Kind::User),
        Field::filter("team", "team", Kind::Text),
        Field::filter("pipeline", "pipeline", Kind::Text),
        Field::filter("stage", "stage", Kind::Text).common(),
        Field::filter("partner", "partner", Kind::Text),
        Field::filter("origin", "origin", Kind::Text),
        Field::filter("needs_next_step", NEEDS_NEXT_STEP, Kind::Bool),
        Field::both("title", "title", Kind::Text),
        Field::order("create_time", "create_time", Kind::Time),
        Field::order("update_time", "update_time", Kind::Time),
        Field::order("expected_close_date", "expected_close_date", Kind::Text),
        Field::order("stage_time", "stage_time", Kind::Time),
    ],
    default_order: "create_time desc",
    default_size: 50,
    max_size: 1_000,
};

/// The condition for the opportunities that the caller may see and that a filter of ListOpportunities lets through; only those that rot at this
/// instant when one is given.
///
/// # Errors
/// INVALID_ARGUMENT naming filter.
pub fn condition(caller: &Caller, filter: &str, rotting_at: Option<i64>) -> Result<(String, Vec<Value>)> {
    let mut args = Vec::new();
    let mut condition = caller.scope("assignee", "team", &mut args);
    if let Some(now) = rotting_at {
        args.push(now.into());
        condition = format!("rot_time < ${} AND {condition}", args.len());
    }
    if !filter.trim().is_empty() {
        let filter = kontor_kit::filter::to_sql(filter, LISTING.fields, caller, &mut args, |_, _| Ok(false))?;
        condition = format!("{condition} AND ({filter})");
    }
    Ok((condition, args))
}

/// Lists the opportunities that the caller may see; only those that rot at this instant when one is given.
///
/// # Errors
/// INVALID_ARGUMENT naming page_size, page_token, filter or order_by.
pub fn list(
    conn: &mut Conn<'_>,
    caller: &Caller,
    query: &Query,
    rotting_at: Option<i64>,
) -> Result<Page<Opportunity>> {
    let mut scope = Scope::of(caller, "assignee", "team");
    if let Some(now) = rotting_at {
        scope = scope.and("rot_time < {}", now);
    }
    LISTING.run(conn, caller, query, scope, |row| Opportunity::from_row(row, 2))
}

/// One opportunity that the caller may see; of one that went into another, that one.
///
/// # Errors
/// NOT_FOUND.
pub fn get(conn: &mut Conn<'_>, caller: &Caller, id: &str) -> Result<Opportunity> {
    let opportunity = merge_rows::resolve::<Opportunity>(conn, id)?;
    caller.must_read(&opportunity.guard(), &format!("opportunities/{id}"))?;
    Ok(opportunity)
}

/// One opportunity that the caller may change and that has this etag (any, when empty), held until the commit.
///
/// # Errors
/// NOT_FOUND, with reason MERGED when it went into another; PERMISSION_DENIED, ABORTED.
pub fn get_for_change(tx: &mut Tx<'_>, caller: &Caller, id: &str, etag: &str) -> Result<Opportunity> {
    let opportunity = resource::hold::<Opportunity>(tx, id)
        .map_err(|cause| merge_rows::missing::<Opportunity>(tx, caller, id, cause))?;
    caller.must_write(&opportunity.guard(), &opportunity.name())?;
    resource::check_etag(&opportunity, etag)?;
    Ok(opportunity)
}

/// The same for a look before the change.
///
/// # Errors
/// NOT_FOUND, with reason MERGED when it went into another; PERMISSION_DENIED.
pub fn get_to_change(conn: &mut Conn<'_>, caller: &Caller, id: &str) -> Result<Opportunity> {
    let opportunity = resource::get::<Opportunity>(conn, id)
        .map_err(|cause| merge_rows::missing::<Opportunity>(conn, caller, id, cause))?;
    caller.must_write(&opportunity.guard(), &opportunity.name())?;
    Ok(opportunity)
}

/// Checks that no opportunity came from this record of another service yet.
///
/// # Errors
/// ALREADY_EXISTS.
pub fn must_be_first_of(conn: &mut Conn<'_>, origin: &str) -> Result<()> {
    let sql = "SELECT 1 FROM opportunity WHERE origin = $1 AND origin <> ''";
    match conn.one(sql, args![origin], |_| Ok(()))? {
        Some(()) => Err(Error::already_exists(format!("the opportunity of {origin}"))),
        None => Ok(()),
    }
}

/// The opportunity that a lead became, or that this one went into; none when it was deleted since.
///
/// # Errors
/// Those of the database.
pub fn find_of_lead(conn: &mut Conn<'_>, lead: &Lead) -> Result<Option<Opportunity>> {
    let id = lead.opportunity.strip_prefix("opportunities/").unwrap_or_default();
    let sql = format!("SELECT {} FROM opportunity WHERE id = $1", Opportunity::COLUMNS.join(", "));
    conn.one(&sql, args![id], |row| Opportunity::from_row(row, 0))
}
