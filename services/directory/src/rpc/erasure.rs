//! ErasureService: protobuf to domain and back.
//! Called by administrators.

use kontor_kit::auth::Caller;
use kontor_kit::bus::Bus;
use kontor_kit::db::Db;
use kontor_kit::page::Query;
use kontor_kit::{clock, id, replay};
use kontor_proto::directory::v1 as proto;
use kontor_proto::directory::v1::erasure_service_server::ErasureService;
use tonic::{Request, Response, Status};

use crate::domain::erasure::why;
use crate::store::card::Cards;
use crate::store::erasure::{self, Erasure, Part, Wish};

type Answer<T> = Result<Response<T>, Status>;

/// The service.
pub struct Erasures {
    pub(super) db: Db,
    pub(super) cards: Cards,
    pub(super) bus: Bus,
}

#[tonic::async_trait]
impl ErasureService for Erasures {
    async fn erase_partner(&self, request: Request<proto::ErasePartnerRequest>) -> Answer<proto::Erasure> {
        let caller = Caller::of(&request)?;
        caller.must_be_admin()?;
        let request = request.into_inner();
        let partner = id::parse("partners", &request.name, "name")?.to_owned();
        let (reason, note) = why(request.reason, &request.note)?;
        // Every service whose events can be heard keeps data and erases its own.
        let wish = Wish { etag: request.etag.clone(), reason, note, services: self.bus.sources() };
        if request.validate_only {
            let now = self.db.clock().now();
            let read = self.db.read(move |conn| erasure::preview(conn, &caller, &partner, &wish, now));
            return Ok(Response::new(to_proto(read.await?)));
        }
        let cards = self.cards.clone();
        let write = self.db.write(move |tx| {
            replay::once(tx, &caller, &request.request_id, &request, |tx| {
                erasure::begin(tx, &cards, &caller, &partner, &wish).map(to_proto)
            })
        });
        Ok(Response::new(write.await?))
    }

    async fn get_erasure(&self, request: Request<proto::GetErasureRequest>) -> Answer<proto::Erasure> {
        Caller::of(&request)?.must_be_admin()?;
        let id = id::parse("erasures", &request.get_ref().name, "name")?.to_owned();
        let found = self.db.read(move |conn| erasure::get(conn, &id)).await?;
        Ok(Response::new(to_proto(found)))
    }

    async fn list_erasures(
        &self,
        request: Request<proto::ListErasuresRequest>,
    ) -> Answer<proto::ListErasuresResponse> {
        let caller = Caller::of(&request)?;
        caller.must_be_admin()?;
        let proto::ListErasuresRequest { page_size, page_token } = request.into_inner();
        let query = Query { page_size, page_token, filter: String::new(), order_by: String::new() };
        let page = self.db.read(move |conn| erasure::list(conn, &caller, &query)).await?.map(to_proto);
        Ok(Response::new(proto::ListErasuresResponse {
            erasures: page.rows,
            next_page_token: page.next_page_token,
        }))
    }
}

fn to_proto(erasure: Erasure) -> proto::Erasure {
    let name = if erasure.id.is_empty() { String::new() } else { format!("erasures/{}", erasure.id) };
    proto::Erasure {
        name,
        partner: erasure.partner,
        merged_partners: erasure.merged,
        actor: erasure.actor,
        reason: i32::try_from(erasure.reason).unwrap_or(0),
        note: erasure.note,
        create_time: Some(clock::to_proto(erasure.create_time)),
        state: state(erasure.done_time),
        done_time: time(erasure.done_time),
        services: erasure.services.into_iter().map(part).collect(),
    }
}

fn part(part: Part) -> proto::ServiceErasure {
    proto::ServiceErasure {
        service: part.service,
        state: state(part.done_time),
        time: time(part.done_time),
        counts: part.counts,
        waits_for: part.waits_for,
    }
}

fn state(done_time: i64) -> i32 {
    let state = if done_time > 0 { proto::ErasureState::Done } else { proto::ErasureState::Pending };
    state.into()
}

fn time(micros: i64) -> Option<prost_types::Timestamp> {
    (micros > 0).then(|| clock::to_proto(micros))
}
