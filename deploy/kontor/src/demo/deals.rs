//! Opportunities and leads of the sample company.
//! Called by mod.rs.

use futures_util::stream::{self, StreamExt, TryStreamExt};
use kontor_kit::auth::Caller;
use kontor_kit::context::Context;
use kontor_kit::link::Link;
use kontor_kit::{Error, Result};
use kontor_proto::directory::v1::Partner;
use kontor_proto::pipeline::v1::exchange_rate_service_client::ExchangeRateServiceClient;
use kontor_proto::pipeline::v1::lead_service_client::LeadServiceClient;
use kontor_proto::pipeline::v1::opportunity_service_client::OpportunityServiceClient;
use kontor_proto::pipeline::v1::pipeline_service_client::PipelineServiceClient;
use kontor_proto::pipeline::v1::{
    CreateLeadRequest, CreateOpportunityRequest, ExchangeRate, Lead, ListPipelinesRequest,
    LoseOpportunityRequest, Opportunity, SetExchangeRatesRequest, WinOpportunityRequest,
};
use kontor_proto::r#type::v1::Money;

use super::{AT_ONCE, caller, today};

/// 25 opportunities over the stages, some won, some lost, some nobody's, most to be closed in the next weeks; and 8 leads.
pub(super) async fn add(link: Link, context: &Context, partners: &[Partner]) -> Result<()> {
    let today = today(context)?;
    let pipelines = PipelineServiceClient::new(link.clone())
        .list_pipelines(Caller::system().request(ListPipelinesRequest::default()))
        .await?
        .into_inner()
        .pipelines;
    let pipeline = pipelines.into_iter().next().ok_or_else(|| Error::internal("there is no pipeline"))?;
    if context.company.currency == "EUR" {
        let rate = ExchangeRate {
            currency_code: "USD".to_owned(),
            valid_from_date: today.first_of_month().to_string(),
            rate: "0.90".to_owned(),
            ..Default::default()
        };
        let request = SetExchangeRatesRequest { exchange_rates: vec![rate], ..Default::default() };
        let mut rates = ExchangeRateServiceClient::new(link.clone());
        rates.set_exchange_rates(Caller::system().request(request)).await?;
    }
    let client = OpportunityServiceClient::new(link.clone());
    let wanted: Vec<_> = (0..25_usize)
        .map(|place| {
            let partner = &partners[(place * 7) % partners.len()];
            Opportunity {
                title: format!(
                    "{} for {}",
                    ["Maintenance contract", "New machine", "Spare parts", "Training"][place % 4],
                    partner.display_name
                ),
                partner: partner.name.clone(),
                stage: pipeline.stages[place % pipeline.stages.len()].name.clone(),
                amount: Some(Money {
                    currency_code: ["EUR", "USD"][usize::from(place == 6)].to_owned(),
                    amount: format!("{}.00", 1_500 + place * 850),
                }),
                assignee: ["users/sales", "users/manager", ""][place % 3].to_owned(),
                team: "teams/sales".to_owned(),
                expected_close_date: match place % 5 {
                    0 => String::new(),
                    _ => today
                        .checked_add(jiff::Span::new().days(place as i64 * 2))
                        .map_or(String::new(), |day| day.to_string()),
                },
                ..Default::default()
            }
        })
        .collect();
    let added = stream::iter(wanted.into_iter().enumerate())
        .map(|(place, opportunity)| add_deal(client.clone(), place, opportunity));
    added.buffer_unordered(AT_ONCE).try_collect::<Vec<()>>().await?;
    let leads = LeadServiceClient::new(link);
    stream::iter(0..8_usize)
        .map(|place| {
            let mut leads = leads.clone();
            let lead = Lead {
                title: ["Asks for a price list", "Met at the fair", "Wants a call back", "Web form"]
                    [place % 4]
                    .to_owned(),
                contact_name: format!("Visitor {}", place + 1),
                email: format!("visitor{}@lead.example", place + 1),
                phone: format!("0478 12 34 {:02}", 10 + place),
                source: ["web", "fair"][place % 2].to_owned(),
                team: "teams/sales".to_owned(),
                ..Default::default()
            };
            async move {
                let request = CreateLeadRequest { lead: Some(lead), ..Default::default() };
                leads.create_lead(caller("manager").request(request)).await.map(|_| ()).map_err(Error::from)
            }
        })
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await
}

async fn add_deal(
    mut client: OpportunityServiceClient<Link>,
    place: usize,
    opportunity: Opportunity,
) -> Result<()> {
    let request = CreateOpportunityRequest { opportunity: Some(opportunity), ..Default::default() };
    let name = client.create_opportunity(Caller::system().request(request)).await?.into_inner().name;
    match place % 6 {
        4 => {
            let request = WinOpportunityRequest { name, ..Default::default() };
            client.win_opportunity(Caller::system().request(request)).await?;
        }
        5 => {
            let request =
                LoseOpportunityRequest { name, reason: "Price too high".to_owned(), ..Default::default() };
            client.lose_opportunity(Caller::system().request(request)).await?;
        }
        _ => {}
    }
    Ok(())
}
