//! PartnerMergeService: protobuf to domain and back.
//! Called by other programs.

use std::collections::HashSet;

use kontor_kit::auth::Caller;
use kontor_kit::db::Db;
use kontor_kit::page::Query;
use kontor_kit::{Error, clock, id, replay};
use kontor_proto::directory::v1 as proto;
use kontor_proto::directory::v1::partner_merge_service_server::PartnerMergeService;
use tonic::{Request, Response, Status};

use super::partner;
use crate::store;
use crate::store::card::Cards;
use crate::store::merge::Merge;

type Answer<T> = Result<Response<T>, Status>;

/// Partners that go into another one at once.
const OTHERS: usize = 100;

/// The service.
pub struct Merges {
    pub(super) db: Db,
    pub(super) cards: Cards,
}

#[tonic::async_trait]
impl PartnerMergeService for Merges {
    async fn merge_partners(
        &self,
        request: Request<proto::MergePartnersRequest>,
    ) -> Answer<proto::MergePartnersResponse> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let survivor = id::parse("partners", &request.name, "name")?.to_owned();
        let others = others(&request, &survivor)?;
        let cards = self.cards.clone();
        let write = self.db.write(move |tx| {
            replay::once(tx, &caller, &request.request_id, &request, |tx| {
                let (row, merge) =
                    store::merge::merge(tx, &cards, &caller, &survivor, &others, &request.etag)?;
                Ok(proto::MergePartnersResponse {
                    partner: Some(partner::shown_one(tx, row)?),
                    merge: Some(to_proto(merge)),
                })
            })
        });
        Ok(Response::new(write.await?))
    }

    async fn unmerge_partners(
        &self,
        request: Request<proto::UnmergePartnersRequest>,
    ) -> Answer<proto::UnmergePartnersResponse> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let merge = id::parse("partnerMerges", &request.name, "name")?.to_owned();
        let cards = self.cards.clone();
        let write = self.db.write(move |tx| {
            replay::once(tx, &caller, &request.request_id, &request, |tx| {
                let back = store::merge::unmerge(tx, &cards, &caller, &merge)?;
                let partners = partner::shown(tx, back)?;
                Ok(proto::UnmergePartnersResponse { partners })
            })
        });
        Ok(Response::new(write.await?))
    }

    async fn list_partner_merges(
        &self,
        request: Request<proto::ListPartnerMergesRequest>,
    ) -> Answer<proto::ListPartnerMergesResponse> {
        let caller = Caller::of(&request)?;
        let proto::ListPartnerMergesRequest { parent, page_size, page_token } = request.into_inner();
        let survivor = match parent.as_str() {
            "partners/-" => None,
            parent => Some(id::parse("partners", parent, "parent")?.to_owned()),
        };
        let query = Query { page_size, page_token, filter: String::new(), order_by: String::new() };
        let read = self.db.read(move |conn| store::merge::list(conn, &caller, survivor.as_deref(), &query));
        let page = read.await?.map(to_proto);
        Ok(Response::new(proto::ListPartnerMergesResponse {
            merges: page.rows,
            next_page_token: page.next_page_token,
        }))
    }
}

fn others(request: &proto::MergePartnersRequest, survivor: &str) -> kontor_kit::Result<Vec<String>> {
    if request.others.is_empty() || request.others.len() > OTHERS {
        return Err(Error::invalid("others", format!("name 1 to {OTHERS} partners")));
    }
    let mut seen = HashSet::from([survivor]);
    let mut others = Vec::with_capacity(request.others.len());
    for (place, name) in request.others.iter().enumerate() {
        let field = format!("others[{place}]");
        let other = id::parse("partners", name, &field)?;
        if !seen.insert(other) {
            return Err(Error::invalid(field, format!("{name} is there twice, or the survivor itself")));
        }
        others.push(other.to_owned());
    }
    Ok(others)
}

fn to_proto(merge: Merge) -> proto::PartnerMerge {
    proto::PartnerMerge {
        name: format!("partnerMerges/{}", merge.id),
        survivor: format!("partners/{}", merge.survivor),
        partners: merge.partners.iter().map(|partner| format!("partners/{partner}")).collect(),
        actor: merge.actor,
        create_time: Some(clock::to_proto(merge.create_time)),
    }
}
