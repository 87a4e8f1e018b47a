//! PurchaseStatisticsService: sums of purchases, and the RFM scores.
//! Called by the gateway and by other programs.

use std::collections::{BTreeMap, HashMap};

use kontor_kit::auth::Caller;
use kontor_kit::resource::{self, Stored};
use kontor_kit::{Error, Result, clock, currency, id, replay};
use kontor_proto::segmentation::v1 as proto;
use kontor_proto::segmentation::v1::purchase_statistics_service_server::PurchaseStatisticsService;
use kontor_proto::r#type::v1::Money;
use tonic::{Request, Response};

use super::{Answer, House, must};
use crate::domain::money;
use crate::domain::rfm::Scores;
use crate::rfm::span;
use crate::store;
use crate::store::rfm::Settings;

/// The service.
pub struct Purchases(pub(super) House);

/// Longest window in days.
const DAYS: i32 = 36_500;

fn amount(value: i128, code: &str) -> Option<Money> {
    Some(Money { currency_code: code.to_owned(), amount: money::text(value, code) })
}

fn settings_to_proto(settings: &Settings) -> proto::RfmSettings {
    proto::RfmSettings {
        currency_code: settings.currency.clone(),
        window_days: i32::try_from(settings.window_days).unwrap_or(0),
        etag: settings.etag(),
    }
}

#[tonic::async_trait]
impl PurchaseStatisticsService for Purchases {
    async fn get_purchase_statistics(
        &self,
        request: Request<proto::GetPurchaseStatisticsRequest>,
    ) -> Answer<proto::PurchaseStatistics> {
        Caller::of(&request)?;
        let request = request.into_inner();
        let code = self.0.code("currency_code", &request.currency_code)?;
        let partner = match request.partner.as_str() {
            "partners/-" => None,
            name => {
                id::parse("partners", name, "partner")?;
                Some(name.to_owned())
            }
        };
        let from = request.start_time.as_ref().map_or(i64::MIN, clock::from_proto);
        let end = request.end_time.as_ref().map_or(i64::MAX, clock::from_proto);
        if end <= from {
            return Err(Error::invalid("end_time", "it must be behind start_time").into());
        }
        let of = code.clone();
        let read = self.0.db.read(move |conn| {
            let ord = partner.map(|partner| store::partner::get(conn, &partner)).transpose()?;
            store::purchase::sums(conn, ord.map(|ords| ords.ord), &of, from, end)
        });
        let sums = read.await?;
        let average = (sums.sale_count > 0).then(|| money::divide(sums.sales, sums.sale_count.into(), &code));
        Ok(Response::new(proto::PurchaseStatistics {
            total: amount(sums.sales - sums.refunds, &code),
            sales: amount(sums.sales, &code),
            refunds: amount(sums.refunds, &code),
            sale_count: sums.sale_count,
            refund_count: sums.refund_count,
            average_sale: average.and_then(|average| amount(average, &code)),
            first_time: sums.first.map(clock::to_proto),
            last_time: sums.last.map(clock::to_proto),
            partner_count: sums.partners,
        }))
    }

    async fn get_rfm_score(&self, request: Request<proto::GetRfmScoreRequest>) -> Answer<proto::RfmScore> {
        Caller::of(&request)?;
        let partner = request.into_inner().partner;
        id::parse("partners", &partner, "partner")?;
        let (name, company, now) = (partner.clone(), self.0.currency.clone(), self.0.db.clock().now());
        let read = self.0.db.read(move |conn| {
            let ord = store::partner::get(conn, &name)?.ord;
            let (code, from) = span(&store::rfm::settings(conn)?, &company, now);
            let bought = store::purchase::bought(conn, Some(ord), &code, from, now + 1)?.pop();
            Ok((code, bought, store::rfm::of(conn, ord)?))
        });
        let (code, bought, scores) = read.await?;
        let score = |of: fn(&Scores) -> i64| scores.as_ref().map_or(0, of) as i32;
        Ok(Response::new(proto::RfmScore {
            partner,
            recency: score(|it| it.recency),
            frequency: score(|it| it.frequency),
            monetary: score(|it| it.monetary),
            last_time: bought.map(|it| clock::to_proto(it.last)),
            sale_count: bought.map_or(0, |it| it.count),
            total: amount(bought.map_or(0, |it| it.total.into()), &code),
        }))
    }

    async fn summarize_rfm(&self, request: Request<proto::SummarizeRfmRequest>) -> Answer<proto::RfmSummary> {
        Caller::of(&request)?;
        let (company, now) = (self.0.currency.clone(), self.0.db.clock().now());
        let read = self.0.db.read(move |conn| {
            let (code, from) = span(&store::rfm::settings(conn)?, &company, now);
            let bought = store::purchase::bought(conn, None, &code, from, now + 1)?;
            let (_, _, time) = store::rfm::state(conn)?;
            Ok((code, bought, store::rfm::scores(conn)?, time))
        });
        let (code, bought, scores, time) = read.await?;
        let totals: HashMap<u32, i64> = bought.iter().map(|it| (it.ord, it.total)).collect();
        let mut cells: BTreeMap<Scores, (i64, i128)> = BTreeMap::new();
        for (ord, score) in &scores {
            let (count, total) = cells.entry(*score).or_default();
            *count += 1;
            *total += i128::from(totals.get(ord).copied().unwrap_or(0));
        }
        let cells = cells.into_iter().map(|(score, (count, total))| proto::RfmCell {
            recency: score.recency as i32,
            frequency: score.frequency as i32,
            monetary: score.monetary as i32,
            count,
            total: amount(total, &code),
        });
        Ok(Response::new(proto::RfmSummary {
            cells: cells.collect(),
            compute_time: (time > 0).then(|| clock::to_proto(time)),
            partner_count: scores.len() as i64,
        }))
    }

    async fn get_rfm_settings(
        &self,
        request: Request<proto::GetRfmSettingsRequest>,
    ) -> Answer<proto::RfmSettings> {
        Caller::of(&request)?;
        let settings = self.0.db.read_few(store::rfm::settings).await?;
        Ok(Response::new(settings_to_proto(&settings)))
    }

    async fn update_rfm_settings(
        &self,
        request: Request<proto::UpdateRfmSettingsRequest>,
    ) -> Answer<proto::RfmSettings> {
        let caller = Caller::of(&request)?;
        caller.must_be_admin()?;
        let request = request.into_inner();
        let given = must(request.settings.as_ref(), "settings")?;
        if !given.currency_code.is_empty() {
            currency::check("settings.currency_code", &given.currency_code)?;
        }
        if !(0..=DAYS).contains(&given.window_days) {
            return Err(Error::invalid("settings.window_days", format!("use 0 to {DAYS}")).into());
        }
        let write = self.0.db.write(move |tx| {
            replay::once(tx, &caller, &request.request_id, &request, |tx| {
                let mut settings = store::rfm::settings(tx)?;
                resource::check_etag(&settings, &given.etag)?;
                settings.currency.clone_from(&given.currency_code);
                settings.window_days = given.window_days.into();
                if settings.version == 0 {
                    settings.version = 1;
                    resource::insert(tx, &settings)?;
                } else {
                    resource::update(tx, &mut settings)?;
                }
                store::rfm::stale(tx)?;
                Ok(settings_to_proto(&settings))
            })
        });
        Ok(Response::new(write.await?))
    }
}

impl House {
    /// A currency that was asked for, or the installation's.
    pub(super) fn code(&self, field: &str, code: &str) -> Result<String> {
        if code.is_empty() {
            return Ok(self.currency.clone());
        }
        currency::check(field, code)?;
        Ok(code.to_owned())
    }
}
