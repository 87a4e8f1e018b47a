//! How a merge begins: its recipients and their values are checked before anything is made.
//! Called by rpc/merge.rs.

use kontor_kit::auth::Caller;
use kontor_kit::{Error, Result, id, replay, resource};
use kontor_proto::templating::v1 as proto;
use prost::Message;

use super::{House, merge, template_or_revision};
use crate::domain::declared::Declared;
use crate::domain::merge::{Merge, RECIPIENTS, Row, State};
use crate::maker::{self, Maker};
use crate::{office, store};

impl House {
    pub(super) async fn begin(
        &self,
        caller: Caller,
        request: proto::CreateMergeRequest,
    ) -> Result<proto::Merge> {
        let (_, number) = template_or_revision(&request.template, "template")?;
        let (stored, sha256) = self.find(&caller, &request.template).await?;
        let template = self.ready(&stored, &sha256).await?.letter()?;
        let joined = request.output() == proto::MergeOutput::Joined;
        if joined && let Err(finding) = template.joins() {
            return Err(Error::precondition("NOT_JOINABLE", finding.to_string()));
        }
        if request.pdf && !self.office.is_there() {
            return Err(Error::precondition("NO_PDF", office::missing().message()));
        }
        let declared = Declared::from_text(&stored.fields)?;
        let shared = request.fields.clone().unwrap_or_default();
        let locale = maker::locale("locale", &request.locale)?;
        let sender = self.directory.sender(&caller).await?;
        let now = self.db.clock().now();
        let about = (&self.company, &self.context.zone());
        let maker = Maker::new(template, declared.fields()?, (&shared, &sender), locale, about, now)?;
        let checked = request.clone();
        let rows = tokio::task::spawn_blocking(move || recipients(&checked, &maker));
        let rows = rows.await.map_err(Error::internal)??;
        if !request.filter.is_empty() {
            // A filter that is none is told at once.
            self.directory.page(&request.filter, "", false).await.map_err(|cause| {
                if cause.code() == tonic::Code::InvalidArgument {
                    Error::invalid("filter", cause.message())
                } else {
                    cause
                }
            })?;
        }
        let row = Merge {
            id: id::new(),
            version: 1,
            template: stored.id.clone(),
            template_name: stored.display_name.clone(),
            revision: number.unwrap_or(stored.revision),
            sha256,
            joined,
            pdf: request.pdf,
            skips: request.failure_policy() == proto::FailurePolicy::Skip,
            locale: request.locale.clone(),
            filter: request.filter.clone(),
            page_token: String::new(),
            fields: shared.encode_to_vec(),
            sender: sender.encode_to_vec(),
            owner: caller.name(),
            team: stored.team.clone(),
            state: State::Gathering,
            resume: State::Gathering as i64,
            recipients: i64::try_from(rows.len()).map_err(Error::internal)?,
            gathered: 0,
            done: 0,
            letters: 0,
            failed: 0,
            skipped: 0,
            failure: String::new(),
            size: 0,
            create_time: now,
            update_time: now,
            end_time: None,
        };
        let write = self.db.write(move |tx| {
            replay::once(tx, &caller, &request.request_id, &request, |tx| {
                // The template, and the document that was checked, must still be there.
                store::template::get(tx, &caller, &row.template)?;
                store::content::must_be_there(tx, &row.sha256)?;
                resource::insert(tx, &row)?;
                store::row::add(tx, &row.id, &rows)?;
                Ok(merge::to_proto(&row))
            })
        });
        let answer = write.await?;
        self.merges.wake();
        Ok(answer)
    }
}

/// Reads and checks who gets a letter.
fn recipients(request: &proto::CreateMergeRequest, maker: &Maker) -> Result<Vec<Row>> {
    let given = [!request.partners.is_empty(), !request.filter.is_empty(), !request.rows.is_empty()];
    if given.iter().filter(|given| **given).count() != 1 {
        return Err(Error::invalid("partners", "send partners, a filter or rows: exactly one of them"));
    }
    let count = request.partners.len().max(request.rows.len());
    if count > RECIPIENTS {
        return Err(Error::invalid("rows", format!("{count} recipients are more than {RECIPIENTS}")));
    }
    if request.rows.is_empty() {
        // All have the same values of the template's own fields: one look is enough.
        maker.data(None, &proto::Fields::default(), None, "fields")?;
    }
    let mut rows = Vec::with_capacity(count);
    for (place, partner) in request.partners.iter().enumerate() {
        id::parse("partners", partner, &format!("partners[{place}]"))?;
        rows.push(Row { number: number(place), partner: partner.clone(), ..Row::default() });
    }
    for (place, given) in request.rows.iter().enumerate() {
        let field = format!("rows[{place}]");
        if !given.partner.is_empty() {
            id::parse("partners", &given.partner, &format!("{field}.partner"))?;
        }
        let own = given.fields.clone().unwrap_or_default();
        let locale = maker::locale(&format!("{field}.locale"), &given.locale)?;
        maker.data(None, &own, locale, &format!("{field}.fields"))?;
        rows.push(Row {
            number: number(place),
            partner: given.partner.clone(),
            locale: given.locale.clone(),
            fields: own.encode_to_vec(),
            ..Row::default()
        });
    }
    Ok(rows)
}

fn number(place: usize) -> i64 {
    i64::try_from(place).unwrap_or(i64::MAX - 1) + 1
}
