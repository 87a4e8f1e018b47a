//! Rows of a file as leads.
//! Called by the second pass.

use kontor_kit::auth::Caller;
use kontor_kit::db::{Conn, Tx};
use kontor_kit::resource::{self, Stored};
use kontor_kit::{Error, Result};

use super::write::Becomes;
use crate::domain::import::{Columns, Row};
use crate::domain::lead::{Details, Lead, State};
use crate::rpc::lead;
use crate::store;

/// Rows become leads.
#[derive(Clone)]
pub(super) struct Leads;

impl Becomes for Leads {
    type Made = Details;
    type New = Lead;
    type Seen = ();

    fn make(&self, _: &mut Conn<'_>, (): &mut (), row: &Row<Details>, id: String, now: i64) -> Result<Lead> {
        Ok(Lead {
            id,
            version: 1,
            details: row.made.clone(),
            opportunity: String::new(),
            create_time: now,
            update_time: now,
        })
    }

    fn create(&self, tx: &mut Tx<'_>, caller: &Caller, new: Lead) -> Result<()> {
        lead::create(tx, caller, &new)
    }

    fn change(
        &self,
        tx: &mut Tx<'_>,
        caller: &Caller,
        record: &str,
        row: &Row<Details>,
        columns: &Columns,
    ) -> Result<bool> {
        let lead = store::lead::get_for_change(tx, caller, record)?;
        let new = wanted(row, &lead, columns)?;
        let differs = lead.details != new;
        lead::write(tx, caller, lead, new)?;
        Ok(differs)
    }

    fn foresee(
        &self,
        conn: &mut Conn<'_>,
        caller: &Caller,
        record: &str,
        row: &Row<Details>,
        columns: &Columns,
    ) -> Result<bool> {
        let lead = resource::get::<Lead>(conn, record)?;
        caller.must_write(&lead.guard(), &lead.name())?;
        Ok(lead.details != wanted(row, &lead, columns)?)
    }
}

fn wanted(row: &Row<Details>, lead: &Lead, columns: &Columns) -> Result<Details> {
    if lead.details.state == State::Converted {
        let message = format!("{} was converted: change its opportunity instead", lead.name());
        return Err(Error::precondition("LEAD_CONVERTED", message));
    }
    row.merged(&lead.details, columns).checked()
}
