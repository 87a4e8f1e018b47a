//! ForecastService: protobuf to domain and back.
//! Called by the gateway.

use kontor_kit::auth::Caller;
use kontor_kit::db::Db;
use kontor_kit::{Error, clock, id};
use kontor_proto::pipeline::v1 as proto;
use kontor_proto::pipeline::v1::ForecastGroup;
use kontor_proto::pipeline::v1::forecast_service_server::ForecastService;
use tonic::{Request, Response, Status};

use crate::domain::currency;
use crate::domain::forecast::{Forecast, Groups, Key, month};
use crate::domain::worth::Sum;
use crate::rates::Rates;
use crate::store;
use crate::store::forecast::Question;

/// The service.
pub struct Forecasts {
    pub(super) db: Db,
    pub(super) rates: Rates,
}

#[tonic::async_trait]
impl ForecastService for Forecasts {
    async fn get_forecast(
        &self,
        request: Request<proto::GetForecastRequest>,
    ) -> Result<Response<proto::Forecast>, Status> {
        let caller = Caller::of(&request)?;
        let question = question(request.get_ref(), self.rates.company(), self.db.clock().now())?;
        let as_of = question.as_of;
        let forecast = self.db.read(move |conn| store::forecast::forecast(conn, &caller, &question)).await?;
        Ok(Response::new(to_proto(forecast, as_of)))
    }
}

fn question(request: &proto::GetForecastRequest, company: &str, now: i64) -> kontor_kit::Result<Question> {
    let as_of = request.as_of_time.as_ref().map_or(now, clock::from_proto);
    if as_of > now {
        return Err(Error::invalid("as_of_time", "it is in the future"));
    }
    if !request.pipeline.is_empty() {
        id::parse("pipelines", &request.pipeline, "pipeline")?;
    }
    month("start_month", &request.start_month)?;
    month("end_month", &request.end_month)?;
    if !request.end_month.is_empty() && request.start_month > request.end_month {
        return Err(Error::invalid("end_month", "it is before start_month"));
    }
    let code = request.currency_code.as_str();
    if !code.is_empty() && code != company {
        currency::check("currency_code", code)?;
        let message = format!("amounts are brought into the company's currency only: {company}");
        return Err(Error::invalid("currency_code", message));
    }
    Ok(Question {
        company: Some(code.to_owned()).filter(|code| !code.is_empty()),
        as_of,
        groups: groups(request)?,
        pipeline: request.pipeline.clone(),
        start_month: request.start_month.clone(),
        end_month: request.end_month.clone(),
    })
}

fn groups(request: &proto::GetForecastRequest) -> kontor_kit::Result<Groups> {
    let mut groups = Groups::default();
    for number in &request.group_by {
        let place = match ForecastGroup::try_from(*number) {
            Ok(ForecastGroup::Month) => &mut groups.month,
            Ok(ForecastGroup::Team) => &mut groups.team,
            Ok(ForecastGroup::Owner) => &mut groups.owner,
            Ok(ForecastGroup::Unspecified) | Err(_) => {
                let names = "FORECAST_GROUP_MONTH, FORECAST_GROUP_TEAM, FORECAST_GROUP_OWNER";
                return Err(Error::invalid("group_by", format!("{number} is none of {names}")));
            }
        };
        if std::mem::replace(place, true) {
            return Err(Error::invalid("group_by", "each may be there once"));
        }
    }
    groups.month |= request.group_by.is_empty();
    Ok(groups)
}

fn to_proto(forecast: Forecast, as_of: i64) -> proto::Forecast {
    let row = |(key, sum): (Key, Sum)| proto::ForecastRow {
        total: sum.total().to_string(),
        weighted: sum.weighted().to_string(),
        monthly_recurring: sum.monthly().to_string(),
        weighted_monthly_recurring: sum.weighted_monthly().to_string(),
        count: sum.count,
        month: key.month,
        team: key.team,
        owner: key.owner,
        currency_code: key.currency,
    };
    proto::Forecast {
        as_of_time: Some(clock::to_proto(as_of)),
        rows: forecast.sums.into_iter().map(row).collect(),
    }
}
