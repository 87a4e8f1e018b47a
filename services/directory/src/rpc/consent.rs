//! ConsentService: protobuf to domain and back.
//! Called by the gateway, by other programs and by mail, whose messages have links to unsubscribe.

use kontor_kit::auth::Caller;
use kontor_kit::db::Db;
use kontor_kit::page::Query;
use kontor_kit::{Error, clock, id, replay};
use kontor_proto::directory::v1 as proto;
use kontor_proto::directory::v1::consent_service_server::ConsentService;
use tonic::{Request, Response, Status};

use crate::domain::consent::{self, Standing, State};
use crate::store;
use crate::store::consent::Consent;

type Answer<T> = Result<Response<T>, Status>;

/// The service.
pub struct Consents {
    pub(super) db: Db,
}

#[tonic::async_trait]
impl ConsentService for Consents {
    async fn set_consent(&self, request: Request<proto::SetConsentRequest>) -> Answer<proto::Consent> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let partner = id::parse("partners", &request.partner, "partner")?.to_owned();
        consent::check_purpose("purpose", &request.purpose)?;
        let state = State::of(request.state.into())
            .ok_or_else(|| Error::invalid("state", "say GRANTED or WITHDRAWN"))?;
        let source = consent::check_source(&request.source)?;
        let given = request.state_time.as_ref().map(clock::from_proto);
        let said = Consent {
            id: String::new(),
            partner,
            purpose: request.purpose.clone(),
            state,
            state_time: consent::check_time(given, self.db.clock().now())?,
            source,
            actor: String::new(),
            create_time: 0,
            present: false,
        };
        let write = self.db.write(move |tx| {
            replay::once(tx, &caller, &request.request_id, &request, |tx| {
                store::consent::set(tx, &caller, said.clone()).map(to_proto)
            })
        });
        Ok(Response::new(write.await?))
    }

    async fn list_consents(
        &self,
        request: Request<proto::ListConsentsRequest>,
    ) -> Answer<proto::ListConsentsResponse> {
        let caller = Caller::of(&request)?;
        let proto::ListConsentsRequest { parent, page_size, page_token, filter } = request.into_inner();
        let id = id::parse("partners", &parent, "parent")?.to_owned();
        let query = Query { page_size, page_token, filter, order_by: String::new() };
        let page = self.db.read(move |conn| store::consent::list(conn, &caller, &id, &query)).await?;
        let page = page.map(to_proto);
        Ok(Response::new(proto::ListConsentsResponse {
            consents: page.rows,
            next_page_token: page.next_page_token,
        }))
    }
}

fn to_proto(consent: Consent) -> proto::Consent {
    proto::Consent {
        name: consent.full_name(),
        purpose: consent.purpose,
        state: consent.state as i32,
        state_time: Some(clock::to_proto(consent.state_time)),
        source: consent.source,
        actor: consent.actor,
        create_time: Some(clock::to_proto(consent.create_time)),
        present: consent.present,
    }
}

/// What counts, as a partner shows it.
pub(super) fn standing(standing: Standing) -> proto::ConsentStanding {
    proto::ConsentStanding {
        purpose: standing.purpose,
        state: standing.state as i32,
        state_time: Some(clock::to_proto(standing.state_time)),
    }
}
