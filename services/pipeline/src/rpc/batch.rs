//! BatchChangeLeads: many leads in one call, each row for itself.
//! Called by rpc/lead.rs, whose service it belongs to.

use kontor_kit::auth::Caller;
use kontor_kit::db::Tx;
use kontor_kit::{Error, Result, id, replay};
use kontor_proto::pipeline::v1 as proto;

use super::lead::{Leads, write};
use crate::domain::lead::{Details, State};
use crate::domain::text;
use crate::store;

/// Rows of one call at most.
const ROWS: usize = 1_000;

impl Leads {
    pub(super) async fn change_many(
        &self,
        caller: Caller,
        mut request: proto::BatchChangeLeadsRequest,
    ) -> Result<proto::BatchChangeLeadsResponse> {
        if request.names.is_empty() || request.names.len() > ROWS {
            return Err(Error::invalid("names", format!("name 1 to {ROWS} leads")));
        }
        if let Some(assignee) = &mut request.assignee {
            *assignee = self.directory.assignee(&caller, "assignee", assignee).await?;
        }
        if let Some(team) = &request.team {
            self.directory.team(&caller, "team", team).await?;
        }
        request.add_tags = text::tags("add_tags", &request.add_tags)?;
        request.remove_tags = text::tags("remove_tags", &request.remove_tags)?;
        if request.state() == proto::LeadState::Converted {
            return Err(Error::invalid("state", "a lead is converted by ConvertLead"));
        }
        self.db
            .write(move |tx| {
                replay::once(tx, &caller, &request.request_id, &request, |tx| {
                    let rows = request.names.iter().enumerate();
                    let results = rows.map(|(index, name)| row(tx, &caller, index, name, &request));
                    Ok(proto::BatchChangeLeadsResponse { results: results.collect::<Result<_>>()? })
                })
            })
            .await
    }
}

/// One row. What is wrong with the row is its result; what is wrong with the database ends the call, and nothing is written.
fn row(
    tx: &mut Tx<'_>,
    caller: &Caller,
    index: usize,
    name: &str,
    request: &proto::BatchChangeLeadsRequest,
) -> Result<proto::BatchChangeLeadsResult> {
    let index = i32::try_from(index).unwrap_or(i32::MAX);
    let changed = id::parse("leads", name, "name").map(str::to_owned).and_then(|lead| {
        let lead = store::lead::get_for_change(tx, caller, &lead)?;
        let details = wanted(&lead.details, request)?;
        write(tx, caller, lead, details)
    });
    match changed {
        Ok(lead) => Ok(proto::BatchChangeLeadsResult { index, lead: Some(lead), error: None }),
        Err(cause) if is_of_the_row(&cause) => {
            let error = proto::BatchError {
                code: cause.code().into(),
                reason: cause.reason().to_owned(),
                message: cause.message().to_owned(),
            };
            Ok(proto::BatchChangeLeadsResult { index, lead: None, error: Some(error) })
        }
        Err(cause) => Err(cause),
    }
}

/// Whether an error is about the row alone, and the transaction goes on.
pub(super) fn is_of_the_row(cause: &Error) -> bool {
    use tonic::Code;
    matches!(
        cause.code(),
        Code::NotFound | Code::PermissionDenied | Code::FailedPrecondition | Code::InvalidArgument
    )
}

fn wanted(old: &Details, request: &proto::BatchChangeLeadsRequest) -> Result<Details> {
    let mut new = old.clone();
    if let Some(assignee) = &request.assignee {
        new.assignee.clone_from(assignee);
    }
    if let Some(team) = &request.team {
        new.team.clone_from(team);
    }
    new.tags.retain(|tag| !request.remove_tags.contains(tag));
    for tag in &request.add_tags {
        if !new.tags.contains(tag) {
            new.tags.push(tag.clone());
        }
    }
    if request.state != 0 {
        new.state = State::from_number("state", i64::from(request.state))?;
    }
    new.checked()
}
