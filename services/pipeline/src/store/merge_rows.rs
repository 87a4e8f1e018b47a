//! Who went into whom: what a name leads to, all that went into a record, and the list of merges.
//! Called by the stores of leads and opportunities, by store/merge.rs, events.rs and rpc/merge.rs.

use kontor_kit::auth::{Caller, Guard};
use kontor_kit::db::{Conn, Tx};
use kontor_kit::page::{self, Field, Listing, Page, Query};
use kontor_kit::resource::{self, Stored};
use kontor_kit::{Error, Result, args};

use super::snapshot::{Snapshot, pack_texts, unpack_texts};
use crate::domain::lead::Lead;
use crate::domain::merge::Rule;
use crate::domain::opportunity::Opportunity;

/// Steps from one name to the next: merges of merges of merges.
const STEPS: usize = 100;
/// Records that may have gone into one, all in all.
pub const GONE: usize = 200;

/// A record that can be merged.
pub trait Merged: Stored {
    /// Number in the tables of merges.
    const KIND: i64;
    /// Collection of its merges in resource names.
    const MERGES: &'static str;
    /// What a merge fills.
    const RULES: &'static [Rule];

    /// Whose it is.
    fn guard(&self) -> Guard;
    /// What it is about.
    fn title(&self) -> &str;
    /// "partners/{id}", or empty.
    fn partner(&self) -> &str;
}

impl Merged for Lead {
    const KIND: i64 = 1;
    const MERGES: &'static str = "leadMerges";
    const RULES: &'static [Rule] = &[
        Rule::Fill(&["contact_name"]),
        Rule::Fill(&["company_name"]),
        Rule::Fill(&["email"]),
        // A national number without its country would be another one.
        Rule::Fill(&["phone", "region"]),
        Rule::Fill(&["source"]),
        Rule::Append("description"),
        Rule::Union("tags"),
        Rule::Map("attributes"),
    ];

    fn guard(&self) -> Guard {
        Lead::guard(self)
    }

    fn title(&self) -> &str {
        &self.details.title
    }

    fn partner(&self) -> &str {
        ""
    }
}

/// Columns of an opportunity's amounts.
const MONEY: &[&str] =
    &["currency", "amount", "recurring_amount", "recurring_months", "rate", "rate_date", "rate_currency"];

impl Merged for Opportunity {
    const KIND: i64 = 2;
    const MERGES: &'static str = "opportunityMerges";
    const RULES: &'static [Rule] = &[
        Rule::Fill(&["partner"]),
        // All in one currency, with the rate that was kept for it.
        Rule::Fill(MONEY),
        Rule::Fill(&["expected_close_date"]),
        Rule::Fill(&["source"]),
        Rule::Fill(&["lead", "contact"]),
        // No column: what it asks of who gets it.
        Rule::Fill(&["requirements"]),
        Rule::Append("description"),
        Rule::Union("tags"),
        Rule::Map("attributes"),
    ];

    fn guard(&self) -> Guard {
        Opportunity::guard(self)
    }

    fn title(&self) -> &str {
        &self.details.title
    }

    fn partner(&self) -> &str {
        &self.details.partner
    }
}

/// A merge.
#[derive(Clone, Debug)]
pub struct Merge {
    /// Id.
    pub id: String,
    /// Id of the one that stayed.
    pub survivor: String,
    /// "users/{user}".
    pub actor: String,
    /// Microseconds UTC.
    pub create_time: i64,
    /// Ids of those that went, in their order.
    pub merged: Vec<String>,
}

/// One that went.
#[derive(Clone, Debug)]
pub struct Gone {
    /// Its id.
    pub id: String,
    /// Id of the one that it went into.
    pub survivor: String,
    /// What it was about.
    pub title: String,
    /// Whose it was.
    pub guard: Guard,
    /// Microseconds UTC.
    pub merge_time: i64,
}

/// The record that a name leads to: itself, or the one that it went into.
///
/// # Errors
/// NOT_FOUND.
pub fn resolve<T: Merged>(conn: &mut Conn<'_>, id: &str) -> Result<T> {
    match resource::get(conn, id) {
        Err(cause) if cause.is_not_found() => {
            let last = last_survivor::<T>(conn, id)?;
            last.ok_or(cause).and_then(|last| resource::get(conn, &last).map_err(|_| not_found::<T>(id)))
        }
        outcome => outcome,
    }
}

/// What a change by a name that is there no more gets: where it went, when the caller may see that.
pub fn missing<T: Merged>(conn: &mut Conn<'_>, caller: &Caller, id: &str, cause: Error) -> Error {
    if !cause.is_not_found() {
        return cause;
    }
    match resolve::<T>(conn, id) {
        Ok(survivor) if caller.may_read(&survivor.guard()) => {
            Error::merged(format_args!("{}/{id}", T::COLLECTION), survivor.name())
        }
        Ok(_) => cause,
        Err(other) if other.is_not_found() => cause,
        Err(other) => other,
    }
}

fn last_survivor<T: Merged>(conn: &mut Conn<'_>, id: &str) -> Result<Option<String>> {
    let mut last = None;
    let mut at = id.to_owned();
    for _ in 0..STEPS {
        let sql = "SELECT survivor FROM record_merged WHERE kind = $1 AND record = $2";
        match conn.one(sql, args![T::KIND, &at], |row| row.string(0))? {
            Some(next) => {
                at.clone_from(&next);
                last = Some(next);
            }
            None => return Ok(last),
        }
    }
    Err(Error::internal(format!("{}/{id} went into more than {STEPS}", T::COLLECTION)))
}

fn not_found<T: Stored>(id: &str) -> Error {
    Error::not_found(format!("{}/{id}", T::COLLECTION))
}

/// All that went into a record, and into those.
///
/// # Errors
/// Those of the database.
pub fn all_gone<T: Merged>(conn: &mut Conn<'_>, id: &str) -> Result<Vec<Gone>> {
    let sql = "WITH RECURSIVE gone(record) AS (SELECT record FROM record_merged WHERE kind = $1 AND survivor = $2
         UNION SELECT m.record FROM gone CROSS JOIN record_merged m WHERE m.kind = $1 AND m.survivor = gone.record)
         SELECT m.record, m.survivor, m.title, m.merge_time, m.data FROM gone CROSS JOIN record_merged m
         WHERE m.kind = $1 AND m.record = gone.record ORDER BY m.record LIMIT $3";
    let most = i64::try_from(GONE).unwrap_or(i64::MAX) + 1;
    conn.all(sql, args![T::KIND, id, most], |row| {
        let snapshot = Snapshot::unpack(row.bytes(4)?)?;
        Ok(Gone {
            id: row.string(0)?,
            survivor: row.string(1)?,
            title: row.string(2)?,
            guard: guard(&snapshot),
            merge_time: row.int(3)?,
        })
    })
}

/// Whose a record was.
pub fn guard(snapshot: &Snapshot) -> Guard {
    Guard::new(snapshot.text("assignee"), snapshot.text("team"))
}

/// Ids of some opportunities with a partner that went into others.
///
/// # Errors
/// Those of the database.
pub fn gone_of_partner(conn: &mut Conn<'_>, partner: &str, most: usize) -> Result<Vec<String>> {
    let sql = format!(
        "SELECT record FROM record_merged WHERE partner = $1 AND partner <> '' ORDER BY record LIMIT {most}"
    );
    conn.all(&sql, args![partner], |row| row.string(0))
}

/// An opportunity's partner got another name: also where merges remember it, be it one that went or one that others went into.
///
/// # Errors
/// Those of the database.
pub fn rename_partner(tx: &mut Tx<'_>, opportunity: &str, from: &str, to: &str) -> Result<()> {
    let kind = Opportunity::KIND;
    let sql = "SELECT data, fields FROM record_merged WHERE kind = $1 AND record = $2 AND partner = $3";
    let gone = tx.one(sql, args![kind, opportunity, from], |row| {
        Ok((Snapshot::unpack(row.bytes(0)?)?, renamed(row.bytes(1)?, from, to)?))
    })?;
    if let Some((mut snapshot, fields)) = gone {
        snapshot.set("partner", to);
        let sql =
            "UPDATE record_merged SET partner = $3, data = $4, fields = $5 WHERE kind = $1 AND record = $2";
        tx.execute(sql, args![kind, opportunity, to, snapshot.pack(), fields])?;
    }
    let sql = "SELECT id, before, after FROM record_merge WHERE kind = $1 AND survivor = $2";
    let merges = tx.all(sql, args![kind, opportunity], |row| {
        Ok((row.string(0)?, renamed(row.bytes(1)?, from, to)?, renamed(row.bytes(2)?, from, to)?))
    })?;
    for (merge, before, after) in merges {
        let sql = "UPDATE record_merge SET before = $2, after = $3 WHERE id = $1";
        tx.execute(sql, args![merge, before, after])?;
    }
    Ok(())
}

fn renamed(packed: &[u8], from: &str, to: &str) -> Result<Vec<u8>> {
    let mut texts = unpack_texts(packed)?;
    if let Some(partner) = texts.get_mut("partner").filter(|partner| *partner == from) {
        to.clone_into(partner);
    }
    Ok(pack_texts(&texts))
}

const FIELDS: &[Field] = &[Field::order("create_time", "m.create_time", page::Kind::Time)];
const LEAD_MERGES: Listing = listing("record_merge m LEFT JOIN lead s ON s.id = m.survivor");
const DEAL_MERGES: Listing = listing("record_merge m LEFT JOIN opportunity s ON s.id = m.survivor");

const fn listing(table: &'static str) -> Listing {
    Listing {
        table,
        columns: "m.survivor, m.actor, m.create_time",
        id: "m.id",
        by_key: false,
        fields: FIELDS,
        default_order: "create_time desc",
        default_size: 50,
        max_size: 1_000,
    }
}

/// Merges into a record, or all, whose survivor the caller may see.
///
/// # Errors
/// INVALID_ARGUMENT naming page_size or page_token.
pub fn list<T: Merged>(
    conn: &mut Conn<'_>,
    caller: &Caller,
    survivor: Option<&str>,
    query: &Query,
) -> Result<Page<Merge>> {
    let mut args = vec![T::KIND.into()];
    let scope = caller.scope("COALESCE(s.assignee, m.owner)", "COALESCE(s.team, m.team)", &mut args);
    let mut condition = format!("m.kind = $1 AND {scope}");
    if let Some(survivor) = survivor {
        args.push(survivor.into());
        condition = format!("{condition} AND m.survivor = ${}", args.len());
    }
    let listing = if T::KIND == Lead::KIND { &LEAD_MERGES } else { &DEAL_MERGES };
    let mut page = listing.run(conn, caller, query, (condition, args), |row| {
        Ok(Merge {
            id: row.string(1)?,
            survivor: row.string(2)?,
            actor: row.string(3)?,
            create_time: row.int(4)?,
            merged: Vec::new(),
        })
    })?;
    for merge in &mut page.rows {
        let sql = "SELECT record FROM record_merged WHERE merge = $1 ORDER BY place";
        merge.merged = conn.all(sql, args![&merge.id], |row| row.string(0))?;
    }
    Ok(page)
}
