//! MergeService: protobuf to domain and back. What happens in the transaction stands in merge_leads.rs and merge_deals.rs.
//! Called by other programs.

use std::collections::HashSet;

use kontor_kit::auth::Caller;
use kontor_kit::db::{Conn, Db};
use kontor_kit::page::Query;
use kontor_kit::{Error, clock, id, replay};
use kontor_proto::pipeline::v1 as proto;
use kontor_proto::pipeline::v1::merge_service_server::MergeService;
use tonic::{Request, Response, Status};

use super::{merge_deals, merge_leads};
use crate::domain::lead::Lead;
use crate::domain::opportunity::Opportunity;
use crate::store;
use crate::store::merge::Asked;
use crate::store::merge_rows::{Merge, Merged};
use crate::store::score_cache::Scores;

type Answer<T> = Result<Response<T>, Status>;

/// Records that go into another one at once.
const OTHERS: usize = 50;

/// The service.
pub struct Merges {
    pub(super) db: Db,
    pub(super) scores: Scores,
}

#[tonic::async_trait]
impl MergeService for Merges {
    async fn merge_leads(
        &self,
        request: Request<proto::MergeLeadsRequest>,
    ) -> Answer<proto::MergeLeadsResponse> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let asked = asked::<Lead>(&request.name, &request.etag, &request.others, &request.other_etags)?;
        let write = self.db.write(move |tx| {
            replay::once(tx, &caller, &request.request_id, &request, |tx| {
                merge_leads::merge(tx, &caller, &asked)
            })
        });
        Ok(Response::new(write.await?))
    }

    async fn unmerge_leads(
        &self,
        request: Request<proto::UnmergeLeadsRequest>,
    ) -> Answer<proto::UnmergeLeadsResponse> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let merge = id::parse(Lead::MERGES, &request.name, "name")?.to_owned();
        let write = self.db.write(move |tx| {
            replay::once(tx, &caller, &request.request_id, &request, |tx| {
                merge_leads::unmerge(tx, &caller, &merge)
            })
        });
        Ok(Response::new(write.await?))
    }

    async fn merge_opportunities(
        &self,
        request: Request<proto::MergeOpportunitiesRequest>,
    ) -> Answer<proto::MergeOpportunitiesResponse> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let asked =
            asked::<Opportunity>(&request.name, &request.etag, &request.others, &request.other_etags)?;
        let scores = self.scores.clone();
        let write = self.db.write(move |tx| {
            replay::once(tx, &caller, &request.request_id, &request, |tx| {
                merge_deals::merge(tx, &scores, &caller, &asked)
            })
        });
        Ok(Response::new(write.await?))
    }

    async fn unmerge_opportunities(
        &self,
        request: Request<proto::UnmergeOpportunitiesRequest>,
    ) -> Answer<proto::UnmergeOpportunitiesResponse> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let merge = id::parse(Opportunity::MERGES, &request.name, "name")?.to_owned();
        let scores = self.scores.clone();
        let write = self.db.write(move |tx| {
            replay::once(tx, &caller, &request.request_id, &request, |tx| {
                merge_deals::unmerge(tx, &scores, &caller, &merge)
            })
        });
        Ok(Response::new(write.await?))
    }

    async fn list_merges(
        &self,
        request: Request<proto::ListMergesRequest>,
    ) -> Answer<proto::ListMergesResponse> {
        let caller = Caller::of(&request)?;
        let proto::ListMergesRequest { parent, page_size, page_token } = request.into_inner();
        let query = Query { page_size, page_token, filter: String::new(), order_by: String::new() };
        let of_leads = parent.starts_with("leads/");
        let collection = if of_leads { "leads" } else { "opportunities" };
        let survivor = id::parse(collection, &parent, "parent")?.to_owned();
        let survivor = Some(survivor).filter(|id| id != "-");
        let page = if of_leads {
            let list = move |conn: &mut Conn<'_>| {
                store::merge_rows::list::<Lead>(conn, &caller, survivor.as_deref(), &query)
            };
            self.db.read(list).await?.map(to_proto::<Lead>)
        } else {
            let list = move |conn: &mut Conn<'_>| {
                store::merge_rows::list::<Opportunity>(conn, &caller, survivor.as_deref(), &query)
            };
            self.db.read(list).await?.map(to_proto::<Opportunity>)
        };
        Ok(Response::new(proto::ListMergesResponse {
            merges: page.rows,
            next_page_token: page.next_page_token,
        }))
    }
}

fn asked<T: Merged>(
    survivor: &str,
    etag: &str,
    others: &[String],
    etags: &[String],
) -> kontor_kit::Result<Asked> {
    let survivor = id::parse(T::COLLECTION, survivor, "name")?;
    if others.is_empty() || others.len() > OTHERS {
        return Err(Error::invalid("others", format!("name 1 to {OTHERS} {}", T::COLLECTION)));
    }
    if !etags.is_empty() && etags.len() != others.len() {
        return Err(Error::invalid("other_etags", "give none, or one for each of the others"));
    }
    let mut seen = HashSet::from([survivor]);
    let mut parsed = Vec::with_capacity(others.len());
    for (place, name) in others.iter().enumerate() {
        let field = format!("others[{place}]");
        let other = id::parse(T::COLLECTION, name, &field)?;
        if !seen.insert(other) {
            return Err(Error::invalid(field, format!("{name} is there twice, or the survivor itself")));
        }
        parsed.push((other.to_owned(), etags.get(place).cloned().unwrap_or_default()));
    }
    Ok(Asked { survivor: (survivor.to_owned(), etag.to_owned()), others: parsed })
}

/// A merge as the API shows it.
pub fn to_proto<T: Merged>(merge: Merge) -> proto::Merge {
    proto::Merge {
        name: format!("{}/{}", T::MERGES, merge.id),
        survivor: format!("{}/{}", T::COLLECTION, merge.survivor),
        merged: merge.merged.iter().map(|id| format!("{}/{id}", T::COLLECTION)).collect(),
        actor: merge.actor,
        create_time: Some(clock::to_proto(merge.create_time)),
    }
}

/// Names of the API's fields for columns that a merge changed.
pub fn fields(columns: Vec<String>) -> Vec<String> {
    let mut fields: Vec<String> = Vec::with_capacity(columns.len());
    for column in columns {
        let field = match column.as_str() {
            "contact" => continue,
            "currency" => "amount".to_owned(),
            _ => column,
        };
        if !fields.contains(&field) {
            fields.push(field);
        }
    }
    fields
}
