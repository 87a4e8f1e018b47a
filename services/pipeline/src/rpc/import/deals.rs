//! Rows of a file as opportunities, and the answers of their import.
//! Called by the second pass.

use std::collections::HashMap;

use kontor_kit::auth::Caller;
use kontor_kit::db::{Conn, Tx};
use kontor_kit::resource::Stored;
use kontor_kit::{Error, Result, id};
use kontor_proto::pipeline::v1 as proto;

use super::write::Becomes;
use crate::domain::import::{Columns, Row, Wanted};
use crate::domain::opportunity::{Details, Opportunity};
use crate::domain::pipeline::{Pipeline, Stage};
use crate::rates::Rates;
use crate::rpc::{opportunity, progress};
use crate::store;

/// Rows become opportunities.
#[derive(Clone)]
pub(super) struct Deals {
    pub rates: Rates,
}

impl Becomes for Deals {
    type Made = Wanted;
    type New = (Opportunity, Stage);
    /// Pipelines, as rows call them.
    type Seen = HashMap<String, Result<Pipeline>>;

    fn make(
        &self,
        conn: &mut Conn<'_>,
        seen: &mut Self::Seen,
        row: &Row<Wanted>,
        id: String,
        now: i64,
    ) -> Result<Self::New> {
        let (wanted, called) = (&row.made, row.made.pipeline.as_str());
        if !seen.contains_key(called) {
            let found = store::pipeline::called_or_default(conn, "opportunity.pipeline", called);
            seen.insert(called.to_owned(), found);
        }
        let pipeline = seen[called].clone()?;
        let stage = stage_of(&pipeline, &wanted.stage)?;
        let mut deal = opportunity::drafted(id, &pipeline, stage, wanted.details.clone(), now)?;
        self.rates.take(conn, &mut deal, now)?;
        Ok((deal, stage.clone()))
    }

    fn create(&self, tx: &mut Tx<'_>, caller: &Caller, (mut deal, stage): Self::New) -> Result<()> {
        opportunity::create(tx, caller, &mut deal, &stage)
    }

    fn change(
        &self,
        tx: &mut Tx<'_>,
        caller: &Caller,
        record: &str,
        row: &Row<Wanted>,
        columns: &Columns,
    ) -> Result<bool> {
        let deal = store::opportunity::get_for_change(tx, caller, record, "")?;
        let Plan { details, stage, to } = plan(tx, &deal, row, columns)?;
        let (mut deal, differs) = opportunity::write(tx, &self.rates, caller, deal, &stage, details)?;
        let moved = match to {
            Some((pipeline, to)) => progress::go_to(tx, caller, &mut deal, &pipeline, &to)?,
            None => false,
        };
        Ok(differs || moved)
    }

    fn foresee(
        &self,
        conn: &mut Conn<'_>,
        caller: &Caller,
        record: &str,
        row: &Row<Wanted>,
        columns: &Columns,
    ) -> Result<bool> {
        let deal = store::opportunity::get_to_change(conn, caller, record)?;
        let plan = plan(conn, &deal, row, columns)?;
        Ok(plan.details != deal.details || plan.to.is_some())
    }
}

/// What a row makes of an opportunity that it made before.
struct Plan {
    details: Details,
    /// Where it stands.
    stage: Stage,
    /// Where it goes, when that is another.
    to: Option<(Pipeline, Stage)>,
}

/// Checks all of it, so that nothing is written of a row that is refused.
fn plan(conn: &mut Conn<'_>, deal: &Opportunity, row: &Row<Wanted>, columns: &Columns) -> Result<Plan> {
    deal.must_be_open()?;
    let details = row.merged(&deal.details, columns).checked()?;
    let stage = store::pipeline::stage(conn, &deal.stage)?;
    stage.must_keep(&deal.details, &details)?;
    let wanted = &row.made;
    if !wanted.own_pipeline && wanted.stage.is_empty() {
        return Ok(Plan { details, stage, to: None });
    }
    let pipeline = store::pipeline::get(conn, id::parse("pipelines", &deal.pipeline, "pipeline")?)?;
    if wanted.own_pipeline {
        let asked = store::pipeline::called_or_default(conn, "opportunity.pipeline", &wanted.pipeline)?;
        if asked.id != pipeline.id {
            let message = format!("{} is in {}, and stays in it", deal.name(), deal.pipeline);
            return Err(Error::invalid("opportunity.pipeline", message));
        }
    }
    if wanted.stage.is_empty() {
        return Ok(Plan { details, stage, to: None });
    }
    let to = stage_of(&pipeline, &wanted.stage)?.clone();
    if to.name == deal.stage {
        return Ok(Plan { details, stage, to: None });
    }
    to.must_have(&Opportunity { details: details.clone(), ..deal.clone() })?;
    Ok(Plan { details, stage, to: Some((pipeline, to)) })
}

fn stage_of<'a>(pipeline: &'a Pipeline, called: &str) -> Result<&'a Stage> {
    if called.is_empty() {
        pipeline.first_stage()
    } else {
        pipeline.stage_called("opportunity.stage", called)
    }
}

/// What a run says, as the answer of ImportOpportunities.
pub(super) fn answer(said: proto::ImportLeadsResponse) -> proto::ImportOpportunitiesResponse {
    proto::ImportOpportunitiesResponse {
        phase: said.phase,
        received_bytes: said.received_bytes,
        total_rows: said.total_rows,
        done_rows: said.done_rows,
        created_rows: said.created_rows,
        updated_rows: said.updated_rows,
        unchanged_rows: said.unchanged_rows,
        failed_rows: said.failed_rows,
        errors: said.errors,
        unreported_errors: said.unreported_errors,
        import: said.import,
    }
}
