//! SuppressionService: who gets nothing.
//! Called by the gateway and by other programs.

use kontor_kit::auth::Caller;
use kontor_kit::page::Query;
use kontor_kit::resource::{self, Stored};
use kontor_kit::{Error, Result, clock, id, replay};
use kontor_proto::mail::v1 as proto;
use kontor_proto::mail::v1::suppression_service_server::SuppressionService;
use tonic::{Request, Response};

use super::{Answer, House, must};
use crate::domain::Address;
use crate::domain::address::domain_of;
use crate::domain::suppression::{Cause, Suppression};
use crate::store;

/// The service.
pub struct Suppressions(pub(super) House);

fn to_proto(row: &Suppression) -> proto::Suppression {
    proto::Suppression {
        name: row.name(),
        address: row.address.clone(),
        domain: row.domain.clone(),
        cause: i32::try_from(row.cause as i64).unwrap_or(0),
        note: row.note.clone(),
        mailing: row.mailing.clone(),
        user: row.user.clone(),
        create_time: Some(clock::to_proto(row.create_time)),
    }
}

#[tonic::async_trait]
impl SuppressionService for Suppressions {
    async fn list_suppressions(
        &self,
        request: Request<proto::ListSuppressionsRequest>,
    ) -> Answer<proto::ListSuppressionsResponse> {
        let caller = Caller::of(&request)?;
        let proto::ListSuppressionsRequest { page_size, page_token, filter, order_by } = request.into_inner();
        let query = Query { page_size, page_token, filter, order_by };
        let page = self.0.db.read(move |conn| store::suppression::list(conn, &caller, &query)).await?;
        let page = page.map(|row| to_proto(&row));
        let (suppressions, next_page_token) = (page.rows, page.next_page_token);
        Ok(Response::new(proto::ListSuppressionsResponse { suppressions, next_page_token }))
    }

    async fn get_suppression(
        &self,
        request: Request<proto::GetSuppressionRequest>,
    ) -> Answer<proto::Suppression> {
        Caller::of(&request)?;
        let id = id::parse("suppressions", &request.get_ref().name, "name")?.to_owned();
        let row: Suppression = self.0.db.read_few(move |conn| resource::get(conn, &id)).await?;
        Ok(Response::new(to_proto(&row)))
    }

    async fn find_suppression(
        &self,
        request: Request<proto::FindSuppressionRequest>,
    ) -> Answer<proto::Suppression> {
        Caller::of(&request)?;
        let address = Address::parse(&request.get_ref().address);
        let address = address.map_err(|why| Error::invalid("address", why))?;
        let hashes = (self.0.keys.address_hash(&address), self.0.keys.domain_hash(address.domain()));
        let find =
            move |conn: &mut kontor_kit::db::Conn<'_>| store::suppression::find(conn, (&hashes.0, &hashes.1));
        let found = self.0.db.read_few(find).await?;
        let found = found.ok_or_else(|| Error::not_found(format!("a suppression of {address}")))?;
        Ok(Response::new(to_proto(&found)))
    }

    async fn create_suppression(
        &self,
        request: Request<proto::CreateSuppressionRequest>,
    ) -> Answer<proto::Suppression> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(self.0.suppress(caller, request.into_inner()).await?))
    }

    async fn delete_suppression(&self, request: Request<proto::DeleteSuppressionRequest>) -> Answer<()> {
        let caller = Caller::of(&request)?;
        caller.must_be_admin()?;
        let request = request.into_inner();
        let id = id::parse("suppressions", &request.name, "name")?.to_owned();
        let write = self.0.db.write(move |tx| {
            replay::once(tx, &caller, &request.request_id, &request, |tx| {
                let row: Suppression = resource::hold(tx, &id)?;
                resource::delete(tx, &row)
            })
        });
        write.await?;
        Ok(Response::new(()))
    }
}

impl House {
    async fn suppress(
        &self,
        caller: Caller,
        request: proto::CreateSuppressionRequest,
    ) -> Result<proto::Suppression> {
        let given = must(request.suppression.as_ref(), "suppression")?;
        let (id, address, domain) = match (given.address.as_str(), given.domain.as_str()) {
            (address, "") => {
                let address =
                    Address::parse(address).map_err(|why| Error::invalid("suppression.address", why))?;
                (self.keys.address_hash(&address), address.key(), String::new())
            }
            ("", domain) => {
                let domain = domain_of(domain).map_err(|why| Error::invalid("suppression.domain", why))?;
                (self.keys.domain_hash(&domain), String::new(), domain)
            }
            _ => return Err(Error::invalid("suppression.domain", "name an address or a domain, not both")),
        };
        let new = Suppression {
            id,
            version: 1,
            address,
            domain,
            cause: Cause::of(given.cause.into()).unwrap_or(Cause::Manual),
            note: given.note.clone(),
            mailing: String::new(),
            user: caller.name(),
            create_time: self.db.clock().now(),
        };
        new.check()?;
        let write = self.db.write(move |tx| {
            replay::once(tx, &caller, &request.request_id, &request, |tx| {
                Ok(to_proto(&store::suppression::add(tx, &new)?.0))
            })
        });
        write.await
    }
}
