//! ExchangeRateService: protobuf to domain and back. Which rate an opportunity keeps stands in rates.rs.
//! Called by the gateway and by other services.

use std::collections::HashSet;

use kontor_kit::auth::{Caller, Guard};
use kontor_kit::db::{Conn, Db, Tx};
use kontor_kit::outbox::NewEvent;
use kontor_kit::page::Query;
use kontor_kit::resource::{self, Stored};
use kontor_kit::{Error, clock, id, replay};
use kontor_proto::pipeline::v1 as proto;
use kontor_proto::pipeline::v1::exchange_rate_service_server::ExchangeRateService;
use tonic::{Request, Response, Status};

use crate::domain::exchange::ExchangeRate;
use crate::rates::Rates;
use crate::store;

/// The service.
pub struct ExchangeRates {
    pub(super) db: Db,
    pub(super) rates: Rates,
}

type Answer<T> = Result<Response<T>, Status>;

/// A rate to be set, and the etag that it must have.
type Wanted = (ExchangeRate, String);

/// Rates of one call at most.
const ROWS: usize = 500;

#[tonic::async_trait]
impl ExchangeRateService for ExchangeRates {
    async fn list_exchange_rates(
        &self,
        request: Request<proto::ListExchangeRatesRequest>,
    ) -> Answer<proto::ListExchangeRatesResponse> {
        let caller = Caller::of(&request)?;
        let proto::ListExchangeRatesRequest { page_size, page_token, filter, order_by } =
            request.into_inner();
        let query = Query { page_size, page_token, filter, order_by };
        let page = self.db.read(move |conn| store::exchange_rate::list(conn, &caller, &query)).await?;
        let page = page.map(to_proto);
        Ok(Response::new(proto::ListExchangeRatesResponse {
            exchange_rates: page.rows,
            next_page_token: page.next_page_token,
        }))
    }

    async fn get_exchange_rate(
        &self,
        request: Request<proto::GetExchangeRateRequest>,
    ) -> Answer<proto::ExchangeRate> {
        Caller::of(&request)?;
        let rate = id::parse("exchangeRates", &request.get_ref().name, "name")?.to_owned();
        let rate = self.db.read_few(move |conn| resource::get::<ExchangeRate>(conn, &rate)).await?;
        Ok(Response::new(to_proto(rate)))
    }

    async fn set_exchange_rates(
        &self,
        request: Request<proto::SetExchangeRatesRequest>,
    ) -> Answer<proto::SetExchangeRatesResponse> {
        let caller = Caller::of(&request)?;
        must_manage(&caller)?;
        let request = request.into_inner();
        let wanted = wanted(&request.exchange_rates, self.rates.company())?;
        if request.validate_only {
            return Ok(Response::new(self.db.read(move |conn| checked(conn, &wanted)).await?));
        }
        let answer = self
            .db
            .write(move |tx| {
                replay::once(tx, &caller, &request.request_id, &request, |tx| set(tx, &caller, &wanted))
            })
            .await?;
        self.rates.wake();
        Ok(Response::new(answer))
    }

    async fn delete_exchange_rate(&self, request: Request<proto::DeleteExchangeRateRequest>) -> Answer<()> {
        let caller = Caller::of(&request)?;
        must_manage(&caller)?;
        let request = request.into_inner();
        let rate = id::parse("exchangeRates", &request.name, "name")?.to_owned();
        self.db
            .write(move |tx| {
                replay::once(tx, &caller, &request.request_id, &request, |tx| {
                    let rate = resource::hold::<ExchangeRate>(tx, &rate)?;
                    resource::check_etag(&rate, &request.etag)?;
                    resource::delete(tx, &rate)?;
                    let event = proto::ExchangeRateDeleted {
                        currency_code: rate.currency.clone(),
                        valid_from_date: rate.day.clone(),
                    };
                    let event = NewEvent::new("pipeline", rate.name(), &Guard::company(), &event);
                    tx.publish(event.actor(caller.name()));
                    Ok(())
                })
            })
            .await?;
        Ok(Response::new(()))
    }
}

fn must_manage(caller: &Caller) -> kontor_kit::Result<()> {
    if caller.admin || !caller.led_teams.is_empty() {
        return Ok(());
    }
    Err(Error::denied("only administrators and team leaders may change exchange rates"))
}

fn wanted(rates: &[proto::ExchangeRate], company: &str) -> kontor_kit::Result<Vec<Wanted>> {
    if rates.is_empty() || rates.len() > ROWS {
        return Err(Error::invalid("exchange_rates", format!("give 1 to {ROWS} rates")));
    }
    let mut seen = HashSet::new();
    let one = |(place, rate): (usize, &proto::ExchangeRate)| {
        let field = format!("exchange_rates[{place}]");
        let proto::ExchangeRate { currency_code, valid_from_date, .. } = rate;
        let new = ExchangeRate::new(&field, currency_code, valid_from_date, &rate.rate, company)?;
        if !rate.name.is_empty() && rate.name != new.name() {
            let message = format!("of this currency and day it is {}: leave it out", new.name());
            return Err(Error::invalid(format!("{field}.name"), message));
        }
        if !seen.insert(new.id.clone()) {
            return Err(Error::invalid(field, format!("{} is there twice", new.name())));
        }
        Ok((new, rate.etag.clone()))
    };
    rates.iter().enumerate().map(one).collect()
}

/// What `set` would answer, without a change.
fn checked(conn: &mut Conn<'_>, wanted: &[Wanted]) -> kontor_kit::Result<proto::SetExchangeRatesResponse> {
    let mut answer = proto::SetExchangeRatesResponse::default();
    for (rate, etag) in wanted {
        store::exchange_rate::present(conn, rate, etag)?;
        answer.exchange_rates.push(to_proto(rate.clone()));
    }
    Ok(answer)
}

fn set(
    tx: &mut Tx<'_>,
    caller: &Caller,
    wanted: &[Wanted],
) -> kontor_kit::Result<proto::SetExchangeRatesResponse> {
    let mut answer = proto::SetExchangeRatesResponse::default();
    for (rate, etag) in wanted {
        let (rate, new) = store::exchange_rate::set(tx, rate.clone(), etag)?;
        if new {
            let event = proto::ExchangeRateSet {
                currency_code: rate.currency.clone(),
                valid_from_date: rate.day.clone(),
                rate: rate.rate.clone(),
            };
            let event = NewEvent::new("pipeline", rate.name(), &Guard::company(), &event);
            tx.publish(event.actor(caller.name()));
        }
        answer.exchange_rates.push(to_proto(rate));
    }
    Ok(answer)
}

fn to_proto(rate: ExchangeRate) -> proto::ExchangeRate {
    let time = |time: i64| (time != 0).then(|| clock::to_proto(time));
    proto::ExchangeRate {
        name: rate.name(),
        etag: rate.etag(),
        currency_code: rate.currency,
        valid_from_date: rate.day,
        rate: rate.rate,
        company_currency_code: rate.base,
        create_time: time(rate.create_time),
        update_time: time(rate.update_time),
    }
}
