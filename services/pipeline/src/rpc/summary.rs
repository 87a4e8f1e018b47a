//! SummarizeOpportunities: sums as the API shows them.
//! Called by rpc/opportunity.rs, whose service it belongs to.

use std::collections::BTreeMap;

use kontor_kit::Result;
use kontor_kit::auth::Caller;
use kontor_proto::pipeline::v1 as proto;
use kontor_proto::r#type::v1 as shared;

use super::deal_answer::rounded;
use super::opportunity::Opportunities;
use crate::domain::decimal::Decimal;
use crate::domain::summary::Summary;
use crate::domain::worth::Sum;
use crate::store;

impl Opportunities {
    pub(super) async fn summarize(
        &self,
        caller: Caller,
        request: proto::SummarizeOpportunitiesRequest,
    ) -> Result<proto::SummarizeOpportunitiesResponse> {
        let rotting_at = request.rotting.then(|| self.db.clock().now());
        let company = self.rates.company().to_owned();
        let read = move |conn: &mut kontor_kit::db::Conn<'_>| {
            let summary = store::summary::summary(conn, &caller, &request.filter, rotting_at, &company)?;
            Ok(to_proto(&summary, &company))
        };
        self.db.read(read).await
    }
}

fn to_proto(summary: &Summary, company: &str) -> proto::SummarizeOpportunitiesResponse {
    let all = |by: &BTreeMap<String, Sum>| by.iter().map(|(code, sum)| sums(code, sum)).collect();
    proto::SummarizeOpportunitiesResponse {
        count: summary.count,
        without_amount_count: summary.without_amount,
        company: Some(sums(company, &summary.company)),
        currencies: all(&summary.currencies),
        without_rate: all(&summary.without_rate),
    }
}

fn sums(code: &str, sum: &Sum) -> proto::OpportunitySums {
    let money = |value: Decimal| -> Option<shared::Money> { rounded(code, value) };
    proto::OpportunitySums {
        currency_code: code.to_owned(),
        count: sum.count,
        total: money(sum.total()),
        weighted: money(sum.weighted()),
        monthly_recurring: money(sum.monthly()),
        weighted_monthly_recurring: money(sum.weighted_monthly()),
    }
}
