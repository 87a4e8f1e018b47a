//! Leads in the database.
//! Called by rpc/lead.rs and rpc/convert.rs.

use kontor_kit::audit::Shown;
use kontor_kit::auth::{Caller, Guard};
use kontor_kit::db::{Conn, Row, Tx, Value};
use kontor_kit::page::{Field, Kind, Listing, Page, Query, Scope};
use kontor_kit::resource::{self, Stored};
use kontor_kit::{Result, audit};

use super::{join, join_map, merge_rows, split, split_map};
use crate::domain::lead::{Details, Lead, State};

impl Stored for Lead {
    const TABLE: &'static str = "lead";
    const COLUMNS: &'static [&'static str] = &[
        "id",
        "version",
        "title",
        "contact_name",
        "company_name",
        "email",
        "phone",
        "region",
        "source",
        "description",
        "assignee",
        "team",
        "state",
        "tags",
        "opportunity",
        "create_time",
        "update_time",
        "attributes",
    ];
    const COLLECTION: &'static str = "leads";

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

    fn shown(column: &'static str) -> Shown {
        match column {
            "state" => Shown::As("state", Kind::Enum(STATES)),
            other => audit::column(other),
        }
    }

    fn values(&self) -> Vec<Value> {
        let details = &self.details;
        vec![
            (&self.id).into(),
            self.version.into(),
            (&details.title).into(),
            (&details.contact_name).into(),
            (&details.company_name).into(),
            (&details.email).into(),
            (&details.phone).into(),
            (&details.region).into(),
            (&details.source).into(),
            (&details.description).into(),
            (&details.assignee).into(),
            (&details.team).into(),
            (details.state as i64).into(),
            join(&details.tags).into(),
            (&self.opportunity).into(),
            self.create_time.into(),
            self.update_time.into(),
            join_map(&details.attributes).into(),
        ]
    }

    fn from_row(row: &Row<'_>, from: usize) -> Result<Self> {
        Ok(Lead {
            id: row.string(from)?,
            version: row.int(from + 1)?,
            details: Details {
                title: row.string(from + 2)?,
                contact_name: row.string(from + 3)?,
                company_name: row.string(from + 4)?,
                email: row.string(from + 5)?,
                phone: row.string(from + 6)?,
                region: row.string(from + 7)?,
                source: row.string(from + 8)?,
                description: row.string(from + 9)?,
                assignee: row.string(from + 10)?,
                team: row.string(from + 11)?,
                state: State::from_number("lead.state", row.int(from + 12)?)?,
                tags: split(row.text(from + 13)?),
                attributes: split_map(row.text(from + 17)?),
            },
            opportunity: row.string(from + 14)?,
            create_time: row.int(from + 15)?,
            update_time: row.int(from + 16)?,
        })
    }
}

/// Names of the states in filters.
const STATES: &[(&str, i64)] = &[
    ("OPEN", 1),
    ("CONVERTED", 2),
    ("DISQUALIFIED", 3),
    ("LEAD_STATE_OPEN", 1),
    ("LEAD_STATE_CONVERTED", 2),
    ("LEAD_STATE_DISQUALIFIED", 3),
];

/// What ListLeads offers.
const LISTING: Listing = Listing {
    table: "lead",
    columns: "id, version, title, contact_name, company_name, email, phone, region, source, description, assignee, team, state, tags, opportunity, create_time, update_time, attributes",
    id: "id",
    by_key: true,
    fields: &[
        Field::filter("state", "state", Kind::Enum(STATES)),
        Field::filter("assignee", "assignee", Kind::User),
        Field::filter("team", "team", Kind::Text),
        Field::filter("source", "source", Kind::Text),
        Field::both("title", "title", Kind::Text),
        Field::filter("email", "email", Kind::Text),
        Field::order("create_time", "create_time", Kind::Time),
        Field::order("update_time", "update_time", Kind::Time),
    ],
    default_order: "create_time desc",
    default_size: 50,
    max_size: 1_000,
};

/// Lists the leads that the caller may see.
///
/// # Errors
/// INVALID_ARGUMENT naming page_size, page_token, filter or order_by.
pub fn list(conn: &mut Conn<'_>, caller: &Caller, query: &Query) -> Result<Page<Lead>> {
    resource::list(conn, &LISTING, caller, query, Scope::of(caller, "assignee", "team"))
}

/// One lead that the caller may see; of one that went into another, that one.
///
/// # Errors
/// NOT_FOUND.
pub fn get(conn: &mut Conn<'_>, caller: &Caller, id: &str) -> Result<Lead> {
    let lead = merge_rows::resolve::<Lead>(conn, id)?;
    caller.must_read(&lead.guard(), &format!("leads/{id}"))?;
    Ok(lead)
}

/// One lead that the caller may change, for a look before the change.
///
/// # Errors
/// NOT_FOUND, with reason MERGED when it went into another; PERMISSION_DENIED.
pub fn get_to_change(conn: &mut Conn<'_>, caller: &Caller, id: &str) -> Result<Lead> {
    let lead = resource::get::<Lead>(conn, id)
        .map_err(|cause| merge_rows::missing::<Lead>(conn, caller, id, cause))?;
    caller.must_write(&lead.guard(), &lead.name())?;
    Ok(lead)
}

/// One lead that the caller may change, held until the commit: two conversions at once come one after the other.
///
/// # Errors
/// Those of `get_to_change`.
pub fn get_for_change(tx: &mut Tx<'_>, caller: &Caller, id: &str) -> Result<Lead> {
    let lead =
        resource::hold::<Lead>(tx, id).map_err(|cause| merge_rows::missing::<Lead>(tx, caller, id, cause))?;
    caller.must_write(&lead.guard(), &lead.name())?;
    Ok(lead)
}
