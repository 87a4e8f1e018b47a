//! What telephony asks of others: who has a number, and what deals are open with them.
//! Called by the intake (with little patience), the linking task and rpc/ (pops, calls by hand).

use std::collections::HashMap;
use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use kontor_kit::auth::Caller;
use kontor_kit::link::{Link, MESSAGE_LIMIT};
use kontor_kit::{Error, Result};
use kontor_proto::directory::v1::partner_service_client::PartnerServiceClient;
use kontor_proto::directory::v1::team_service_client::TeamServiceClient;
use kontor_proto::directory::v1::{
    GetPartnerRequest, GetTeamRequest, ListTimelineEntriesRequest, LookupPartnersRequest, Partner,
    TimelineEntry,
};
use kontor_proto::pipeline::v1::opportunity_service_client::OpportunityServiceClient;
use kontor_proto::pipeline::v1::pipeline_service_client::PipelineServiceClient;
use kontor_proto::pipeline::v1::{
    CreateOpportunityRequest, GetOpportunityRequest, ListOpportunitiesRequest, ListPipelinesRequest,
    Opportunity,
};
use tonic::{Code, Request};

use crate::domain::entry::Match;

/// Patience before a batch is stored: a call comes first, its partner can follow.
const SOON: Duration = Duration::from_millis(400);
/// Patience everywhere else.
const PATIENCE: Duration = Duration::from_secs(5);
/// Look-ups at once.
const AT_ONCE: usize = 8;
/// Open opportunities shown in a pop.
pub const BRIEFS: i32 = 10;

/// Clients of directory and pipeline.
#[derive(Clone)]
pub struct Peers {
    partners: PartnerServiceClient<Link>,
    teams: TeamServiceClient<Link>,
    opportunities: OpportunityServiceClient<Link>,
    pipelines: PipelineServiceClient<Link>,
}

impl Peers {
    /// Clients over these links.
    pub fn new(directory: Link, pipeline: Link) -> Self {
        Peers {
            teams: TeamServiceClient::new(directory.clone()),
            partners: PartnerServiceClient::new(directory).max_decoding_message_size(MESSAGE_LIMIT),
            opportunities: OpportunityServiceClient::new(pipeline.clone())
                .max_decoding_message_size(MESSAGE_LIMIT),
            pipelines: PipelineServiceClient::new(pipeline).max_decoding_message_size(MESSAGE_LIMIT),
        }
    }

    /// Who has each of these numbers (E.164). Numbers that can't be answered for in time are left out.
    pub async fn find_soon(&self, numbers: Vec<String>) -> HashMap<String, Match> {
        let asked = stream::iter(numbers).map(|e164| async move {
            let found = self.find(&e164, SOON).await.ok()?;
            Some((e164, found))
        });
        let found = asked.buffer_unordered(AT_ONCE).filter_map(std::future::ready);
        let mut all = HashMap::new();
        let mut found = std::pin::pin!(found);
        let end = tokio::time::Instant::now() + SOON;
        while let Ok(Some((e164, found))) = tokio::time::timeout_at(end, found.next()).await {
            all.insert(e164, found);
        }
        all
    }

    /// Who has a number, with the usual patience.
    ///
    /// # Errors
    /// UNAVAILABLE and others of directory.
    pub async fn find_now(&self, e164: &str) -> Result<Match> {
        self.find(e164, PATIENCE).await
    }

    async fn find(&self, e164: &str, patience: Duration) -> Result<Match> {
        let message = LookupPartnersRequest { phone_number: e164.to_owned(), ..Default::default() };
        let request = patient(&Caller::system(), message, patience);
        let mut client = self.partners.clone();
        let answer = in_time(patience, client.lookup_partners(request)).await?;
        let partners: Vec<String> = answer.partners.into_iter().map(|partner| partner.name).collect();
        let [partner] = partners.as_slice() else {
            return Ok(Match { partners, complete: true, ..Match::default() });
        };
        let (opportunity, complete) = match self.only_open(partner, patience).await {
            Ok(only) => (only, true),
            Err(_) => (String::new(), false),
        };
        Ok(Match { partners, opportunity, complete })
    }

    /// The one open opportunity of a partner; empty when there is none or there are several.
    ///
    /// # Errors
    /// UNAVAILABLE and others of pipeline.
    pub async fn only_open(&self, partner: &str, patience: Duration) -> Result<String> {
        let open = self.open(&Caller::system(), partner, 2, patience).await?;
        Ok(match open.as_slice() {
            [only] => only.name.clone(),
            _ => String::new(),
        })
    }

    async fn open(
        &self,
        caller: &Caller,
        partner: &str,
        limit: i32,
        patience: Duration,
    ) -> Result<Vec<Opportunity>> {
        let message = ListOpportunitiesRequest {
            page_size: limit,
            filter: format!("partner = \"{partner}\" AND state = OPEN"),
            ..Default::default()
        };
        let mut client = self.opportunities.clone();
        let request = patient(caller, message, patience);
        match in_time(patience, client.list_opportunities(request)).await {
            Ok(answer) => Ok(answer.opportunities),
            // an installation without a pipeline has no deals
            Err(cause) if cause.code() == Code::Unimplemented => Ok(Vec::new()),
            Err(cause) => Err(cause),
        }
    }

    /// Open opportunities of a partner that the caller may see.
    ///
    /// # Errors
    /// UNAVAILABLE and others of pipeline.
    pub async fn open_for(&self, caller: &Caller, partner: &str) -> Result<Vec<Opportunity>> {
        self.open(caller, partner, BRIEFS, PATIENCE).await
    }

    /// The last entries of a partner's history that the caller may see, newest first.
    ///
    /// # Errors
    /// UNAVAILABLE and others of directory.
    pub async fn last_contacts(&self, caller: &Caller, partner: &str) -> Result<Vec<TimelineEntry>> {
        let message =
            ListTimelineEntriesRequest { parent: partner.to_owned(), page_size: 3, ..Default::default() };
        let mut client = self.partners.clone();
        let request = patient(caller, message, PATIENCE);
        Ok(in_time(PATIENCE, client.list_timeline_entries(request)).await?.timeline_entries)
    }

    /// A partner as the caller sees it.
    ///
    /// # Errors
    /// NOT_FOUND; UNAVAILABLE and others of directory.
    pub async fn partner(&self, caller: &Caller, name: &str) -> Result<Partner> {
        let mut client = self.partners.clone();
        let request = patient(caller, GetPartnerRequest { name: name.to_owned() }, PATIENCE);
        in_time(PATIENCE, client.get_partner(request)).await
    }

    /// An opportunity as the caller sees it.
    ///
    /// # Errors
    /// NOT_FOUND; UNAVAILABLE and others of pipeline.
    pub async fn opportunity(&self, caller: &Caller, name: &str) -> Result<Opportunity> {
        let mut client = self.opportunities.clone();
        let request = patient(caller, GetOpportunityRequest { name: name.to_owned() }, PATIENCE);
        in_time(PATIENCE, client.get_opportunity(request)).await
    }

    /// Whether a team is there for the caller.
    ///
    /// # Errors
    /// NOT_FOUND; UNAVAILABLE and others of directory.
    pub async fn team(&self, caller: &Caller, name: &str) -> Result<()> {
        let mut client = self.teams.clone();
        let request = patient(caller, GetTeamRequest { name: name.to_owned() }, PATIENCE);
        in_time(PATIENCE, client.get_team(request)).await.map(|_| ())
    }

    /// Makes an opportunity that comes from a record here, once: a repeat finds the one that is there. Gives its name.
    ///
    /// # Errors
    /// UNAVAILABLE and others of pipeline.
    pub async fn create_opportunity(&self, caller: &Caller, deal: Opportunity) -> Result<String> {
        let origin = deal.origin.clone();
        let message = CreateOpportunityRequest { opportunity: Some(deal), ..Default::default() };
        let mut client = self.opportunities.clone();
        let made = in_time(PATIENCE, client.create_opportunity(patient(caller, message, PATIENCE))).await;
        match made {
            Err(cause) if cause.code() == Code::AlreadyExists => {}
            made => return Ok(made?.name),
        }
        let message = ListOpportunitiesRequest {
            page_size: 1,
            filter: format!("origin = \"{origin}\""),
            ..Default::default()
        };
        let request = patient(&Caller::system(), message, PATIENCE);
        let found = in_time(PATIENCE, client.list_opportunities(request)).await?.opportunities;
        let found = found.into_iter().next().map(|deal| deal.name);
        found.ok_or_else(|| Error::unavailable("its opportunity is just being made: try again"))
    }

    /// Names for people of all stages, by resource name.
    ///
    /// # Errors
    /// UNAVAILABLE and others of pipeline.
    pub async fn stages(&self) -> Result<HashMap<String, String>> {
        let mut client = self.pipelines.clone();
        let message = ListPipelinesRequest { page_size: 50, ..Default::default() };
        let request = patient(&Caller::system(), message, PATIENCE);
        let answer = in_time(PATIENCE, client.list_pipelines(request)).await?;
        let stages = answer.pipelines.into_iter().flat_map(|pipeline| pipeline.stages);
        Ok(stages.map(|stage| (stage.name, stage.display_name)).collect())
    }
}

fn patient<T>(caller: &Caller, message: T, patience: Duration) -> Request<T> {
    let mut request = caller.request(message);
    request.set_timeout(patience);
    request
}

/// The deadline goes with the request; this one holds when the way itself is stuck.
async fn in_time<T>(
    patience: Duration,
    answer: impl Future<Output = std::result::Result<tonic::Response<T>, tonic::Status>>,
) -> Result<T> {
    match tokio::time::timeout(patience, answer).await {
        Ok(answer) => Ok(answer?.into_inner()),
        Err(_) => Err(Error::unavailable("the answer took too long")),
    }
}
