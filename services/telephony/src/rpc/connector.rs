//! ConnectorService: protobuf to domain and back. Secrets come in and never go out, but once for a new webhook.
//! Called by the gateway.

use kontor_kit::auth::Caller;
use kontor_kit::db::Tx;
use kontor_kit::mask::Mask;
use kontor_kit::page::Query;
use kontor_kit::resource;
use kontor_kit::{Error, Result, id, replay};
use kontor_proto::telephony::v1 as proto;
use kontor_proto::telephony::v1::connector::Kind as ProtoKind;
use kontor_proto::telephony::v1::connector_service_server::ConnectorService;
use tonic::{Request, Response, Status};

use super::cloud;
use super::connector_settings::{FIELDS, apply, check, check_settings, fields_set, new};
use super::connector_state::{Now, seen, to_proto};
use crate::connectors::keeper::Keeper;
use crate::domain::cloud::Provider;
use crate::domain::connector::{Connector, Kind};
use crate::intake::Intake;
use crate::store;
use crate::store::state::Live;

/// The service.
pub struct Connectors {
    pub(super) intake: Intake,
    pub(super) keeper: Keeper,
}

impl Connectors {
    fn now(&self) -> Now {
        Now { time: self.intake.db.clock().now(), public_url: !self.intake.public_url.is_empty() }
    }
}

type Answer<T> = std::result::Result<Response<T>, Status>;

#[tonic::async_trait]
impl ConnectorService for Connectors {
    async fn list_connectors(
        &self,
        request: Request<proto::ListConnectorsRequest>,
    ) -> Answer<proto::ListConnectorsResponse> {
        let caller = Caller::of(&request)?;
        let proto::ListConnectorsRequest { page_size, page_token } = request.into_inner();
        let query = Query { page_size, page_token, ..Query::default() };
        let reader = caller.clone();
        let job = move |conn: &mut kontor_kit::db::Conn<'_>| {
            let page = store::connector::list(conn, &reader, &query)?;
            let mut connectors = Vec::with_capacity(page.rows.len());
            for connector in page.rows {
                let live = store::state::get(conn, &connector.id)?;
                connectors.push((connector, live));
            }
            Ok((connectors, page.next_page_token))
        };
        let (connectors, next_page_token) = self.intake.db.read(job).await?;
        let now = self.now();
        let connectors = connectors.iter().map(|(connector, live)| seen(&caller, connector, live, now));
        let connectors = connectors.collect();
        Ok(Response::new(proto::ListConnectorsResponse { connectors, next_page_token }))
    }

    async fn get_connector(&self, request: Request<proto::GetConnectorRequest>) -> Answer<proto::Connector> {
        let caller = Caller::of(&request)?;
        let id = id::parse("connectors", &request.get_ref().name, "name")?.to_owned();
        let job = move |conn: &mut kontor_kit::db::Conn<'_>| {
            Ok((resource::get::<Connector>(conn, &id)?, store::state::get(conn, &id)?))
        };
        let (connector, live) = self.intake.db.read(job).await?;
        Ok(Response::new(seen(&caller, &connector, &live, self.now())))
    }

    async fn create_connector(
        &self,
        request: Request<proto::CreateConnectorRequest>,
    ) -> Answer<proto::Connector> {
        let caller = Caller::of(&request)?;
        caller.must_be_admin()?;
        let request = request.into_inner();
        check_id(&request.connector_id)?;
        let connector = new(&request)?;
        let now = self.now();
        if request.validate_only {
            let id = connector.id.clone();
            let taken = self.intake.db.read(move |conn| match resource::get::<Connector>(conn, &id) {
                Ok(connector) => Err(Error::already_exists(connector.name())),
                Err(cause) if cause.code() == tonic::Code::NotFound => Ok(()),
                Err(cause) => Err(cause),
            });
            taken.await?;
            return Ok(Response::new(to_proto(&connector, &Live::default(), now)));
        }
        let draft = connector.clone();
        let (mut answer, is_new) = self
            .intake
            .db
            .write(move |tx| {
                let mut is_new = false;
                let answer = replay::once(tx, &caller, &request.request_id, &request, |tx| {
                    is_new = true;
                    resource::insert(tx, &draft)?;
                    store::state::create(tx, &draft.id)?;
                    // what is kept for a repeat has no secret in it
                    Ok(to_proto(&draft, &Live::default(), now))
                })?;
                Ok((answer, is_new))
            })
            .await?;
        match &connector.kind {
            Kind::Webhook { secret } if is_new => {
                answer.kind = Some(ProtoKind::Webhook(proto::WebhookSettings { secret: secret.clone() }));
            }
            Kind::Cloud(of) if is_new && of.provider == Provider::ThreeCx => {
                answer.kind = Some(cloud::shown(of, &of.secret));
            }
            _ => {}
        }
        self.keeper.wake();
        Ok(Response::new(answer))
    }

    async fn update_connector(
        &self,
        request: Request<proto::UpdateConnectorRequest>,
    ) -> Answer<proto::Connector> {
        let caller = Caller::of(&request)?;
        caller.must_be_admin()?;
        let request = request.into_inner();
        let given = request.connector.clone().ok_or_else(|| Error::invalid("connector", "it is missing"))?;
        let id = id::parse("connectors", &given.name, "connector.name")?.to_owned();
        let mask = Mask::read(request.update_mask.as_ref(), &FIELDS, &fields_set(&given))?;
        check_settings(request.update_mask.as_ref(), &given)?;
        let now = self.now();
        let answer = self
            .intake
            .db
            .write(move |tx| {
                replay::once(tx, &caller, &request.request_id, &request, |tx| {
                    let mut connector = resource::hold::<Connector>(tx, &id)?;
                    resource::check_etag(&connector, &given.etag)?;
                    apply(&mask, &given, &mut connector)?;
                    check(&connector)?;
                    resource::update(tx, &mut connector)?;
                    Ok(to_proto(&connector, &store::state::get(tx, &id)?, now))
                })
            })
            .await?;
        self.keeper.wake();
        Ok(Response::new(answer))
    }

    async fn delete_connector(&self, request: Request<proto::DeleteConnectorRequest>) -> Answer<()> {
        let caller = Caller::of(&request)?;
        caller.must_be_admin()?;
        let request = request.into_inner();
        let id = id::parse("connectors", &request.name, "name")?.to_owned();
        self.intake
            .db
            .write(move |tx| {
                replay::once(tx, &caller, &request.request_id, &request, |tx| delete(tx, &id, &request.etag))
            })
            .await?;
        self.keeper.wake();
        Ok(Response::new(()))
    }
}

fn delete(tx: &mut Tx<'_>, id: &str, etag: &str) -> Result<()> {
    let connector = resource::hold::<Connector>(tx, id)?;
    resource::check_etag(&connector, etag)?;
    resource::delete(tx, &connector)?;
    store::state::delete(tx, id)
}

fn check_id(id: &str) -> Result<()> {
    id::check_chosen(id, "connector_id")?;
    if id.contains(['.', '_']) {
        return Err(Error::invalid(
            "connector_id",
            format!("{id:?} is no id: use 1 to 64 of a-z, 0-9, \"-\""),
        ));
    }
    Ok(())
}
