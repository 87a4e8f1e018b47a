//! DomainLimitService: how fast domains get messages.
//! Called by the gateway and by other programs.

use kontor_kit::auth::Caller;
use kontor_kit::db::{Conn, Tx};
use kontor_kit::page::Query;
use kontor_kit::{Error, Result, clock, replay, resource};
use kontor_proto::mail::v1 as proto;
use kontor_proto::mail::v1::domain_limit_service_server::DomainLimitService;
use tonic::{Request, Response};

use super::{Answer, House, must};
use crate::domain::address::domain_of;
use crate::sender::Sender;
use crate::store;
use crate::store::domain_limit::{Domain, DomainLimit};

/// The service.
pub struct DomainLimits {
    pub(super) house: House,
    pub(super) sender: Sender,
}

fn to_proto(row: &Domain, now: i64) -> proto::DomainLimit {
    proto::DomainLimit {
        name: format!("domainLimits/{}", row.name),
        messages_per_minute: row.rate,
        connections: row.connections,
        pause_end_time: (row.pace.until > now).then(|| clock::to_proto(row.pace.until)),
        refusals: row.pace.refusals,
        last_reply: row.pace.reply.clone(),
    }
}

fn domain(name: &str, field: &str) -> Result<String> {
    let wrong = || Error::invalid(field, format!("{name:?} is not a name like domainLimits/example.com"));
    let text = name.strip_prefix("domainLimits/").ok_or_else(wrong)?;
    domain_of(text).map_err(|why| Error::invalid(field, why))
}

fn one(conn: &mut Conn<'_>, name: &str) -> Result<Domain> {
    let limit: Option<DomainLimit> = resource::find(conn, name)?;
    let pace = store::pace::find(conn, name)?.unwrap_or_default();
    let (rate, connections) = limit.map_or((0, 0), |limit| (limit.rate, limit.connections));
    Ok(Domain { name: name.to_owned(), pace, rate, connections })
}

#[tonic::async_trait]
impl DomainLimitService for DomainLimits {
    async fn list_domain_limits(
        &self,
        request: Request<proto::ListDomainLimitsRequest>,
    ) -> Answer<proto::ListDomainLimitsResponse> {
        let caller = Caller::of(&request)?;
        let proto::ListDomainLimitsRequest { page_size, page_token } = request.into_inner();
        let query = Query { page_size, page_token, ..Default::default() };
        let now = self.house.db.clock().now();
        let page = self.house.db.read(move |conn| store::domain_limit::list(conn, &caller, &query)).await?;
        let page = page.map(|row| to_proto(&row, now));
        let (domain_limits, next_page_token) = (page.rows, page.next_page_token);
        Ok(Response::new(proto::ListDomainLimitsResponse { domain_limits, next_page_token }))
    }

    async fn get_domain_limit(
        &self,
        request: Request<proto::GetDomainLimitRequest>,
    ) -> Answer<proto::DomainLimit> {
        Caller::of(&request)?;
        let name = domain(&request.get_ref().name, "name")?;
        let now = self.house.db.clock().now();
        let found = self.house.db.read_few(move |conn| one(conn, &name)).await?;
        Ok(Response::new(to_proto(&found, now)))
    }

    async fn set_domain_limit(
        &self,
        request: Request<proto::SetDomainLimitRequest>,
    ) -> Answer<proto::DomainLimit> {
        let caller = Caller::of(&request)?;
        caller.must_be_admin()?;
        let request = request.into_inner();
        let given = must(request.domain_limit.as_ref(), "domain_limit")?;
        let name = domain(&given.name, "domain_limit.name")?;
        if !(0..=1_000_000).contains(&given.messages_per_minute) {
            let field = "domain_limit.messages_per_minute";
            return Err(Error::invalid(field, "use 1 to 1,000,000, or 0 for the setting's").into());
        }
        if !(0..=1_000).contains(&given.connections) {
            let field = "domain_limit.connections";
            return Err(Error::invalid(field, "use 1 to 1,000, or 0 for the setting's").into());
        }
        let write = self.house.db.write(move |tx| {
            replay::once(tx, &caller, &request.request_id, &request, |tx| set(tx, &name, &given))
        });
        let answer = write.await?;
        self.sender.wake();
        Ok(Response::new(answer))
    }

    async fn reset_domain_limit(&self, request: Request<proto::ResetDomainLimitRequest>) -> Answer<()> {
        let caller = Caller::of(&request)?;
        caller.must_be_admin()?;
        let request = request.into_inner();
        let name = domain(&request.name, "name")?;
        let write = self.house.db.write(move |tx| {
            replay::once(tx, &caller, &request.request_id, &request, |tx| {
                if let Some(limit) = resource::hold_if_there::<DomainLimit>(tx, &name)? {
                    resource::delete(tx, &limit)?;
                }
                store::pace::reset(tx, &name)
            })
        });
        write.await?;
        self.sender.wake();
        Ok(Response::new(()))
    }
}

fn set(tx: &mut Tx<'_>, name: &str, given: &proto::DomainLimit) -> Result<proto::DomainLimit> {
    let (rate, connections, now) = (given.messages_per_minute, given.connections, tx.now());
    match resource::hold_if_there::<DomainLimit>(tx, name)? {
        Some(mut limit) => {
            (limit.rate, limit.connections, limit.update_time) = (rate, connections, now);
            resource::update(tx, &mut limit)?;
        }
        None => {
            let (version, id) = (1, name.to_owned());
            let limit = DomainLimit { id, version, rate, connections, create_time: now, update_time: now };
            resource::insert(tx, &limit)?;
        }
    }
    // It stands in the list from now on.
    store::pace::hold(tx, name)?;
    Ok(to_proto(&one(tx, name)?, now))
}
