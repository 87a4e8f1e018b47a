//! The directory and the pipeline that telephony stands beside, and the calendar, each of the first two behind a gate, and what tests put into them.
//! Used by world.rs.

use std::time::Duration;

use kontor_kit::context::Context;
use kontor_kit::link::Link;
use kontor_proto::directory::v1 as directory;
use kontor_proto::directory::v1::erasure_service_client::ErasureServiceClient;
use kontor_proto::directory::v1::partner_merge_service_client::PartnerMergeServiceClient;
use kontor_proto::directory::v1::partner_service_client::PartnerServiceClient;
use kontor_proto::directory::v1::team_service_client::TeamServiceClient;
use kontor_proto::directory::v1::user_service_client::UserServiceClient;
use kontor_proto::pipeline::v1::opportunity_service_client::OpportunityServiceClient;
use kontor_proto::pipeline::v1::{
    CreateOpportunityRequest, GetOpportunityRequest, ListOpportunitiesRequest, Opportunity,
};
use kontor_proto::r#type::v1::Phone;
use kontor_telephony::Peers;
use kontor_testbed::{Gate, admin, caller};

/// These services, running.
pub struct Neighbours {
    pub directory: Link,
    pub calendar: Link,
    pipeline: Link,
    /// Telephony's way to the directory.
    pub directory_gate: Gate,
    /// Telephony's way to the pipeline.
    pub pipeline_gate: Gate,
}

impl Neighbours {
    pub async fn start(context: &Context) -> Neighbours {
        let directory = Link::local(kontor_directory::start(context).await.unwrap().routes);
        let peers = kontor_calendar::Peers { directory: directory.clone() };
        let calendar =
            kontor_calendar::start(context, peers, kontor_calendar::Config::default()).await.unwrap();
        let calendar = Link::local(calendar.routes);
        let peers = kontor_pipeline::Peers { directory: directory.clone(), calendar: calendar.clone() };
        let pipeline = Link::local(kontor_pipeline::start(context, peers).await.unwrap().routes);
        let (directory_gate, pipeline_gate) = (Gate::default(), Gate::default());
        Neighbours { directory, calendar, pipeline, directory_gate, pipeline_gate }
    }

    pub fn peers(&self) -> Peers {
        Peers {
            directory: self.directory_gate.before(self.directory.clone()),
            pipeline: self.pipeline_gate.before(self.pipeline.clone()),
        }
    }

    pub async fn add_user(&self, user_id: &str, extension: &str) {
        let user = directory::User {
            display_name: user_id.to_owned(),
            extension: extension.to_owned(),
            ..Default::default()
        };
        let request = directory::CreateUserRequest {
            user: Some(user),
            user_id: user_id.to_owned(),
            ..Default::default()
        };
        UserServiceClient::new(self.directory.clone()).create_user(admin().request(request)).await.unwrap();
    }

    pub async fn add_team(&self, team_id: &str, members: &[&str]) {
        let team = directory::Team {
            display_name: team_id.to_owned(),
            members: members.iter().map(|user| format!("users/{user}")).collect(),
            ..Default::default()
        };
        let request = directory::CreateTeamRequest {
            team: Some(team),
            team_id: team_id.to_owned(),
            ..Default::default()
        };
        TeamServiceClient::new(self.directory.clone()).create_team(admin().request(request)).await.unwrap();
    }

    /// Gives the partner's name: "partners/{id}".
    pub async fn add_partner(&self, display_name: &str, number: &str) -> String {
        let partner = directory::Partner {
            display_name: display_name.to_owned(),
            phones: vec![Phone { number: number.to_owned(), ..Default::default() }],
            ..Default::default()
        };
        let request = directory::CreatePartnerRequest { partner: Some(partner), ..Default::default() };
        let mut client = PartnerServiceClient::new(self.directory.clone());
        client.create_partner(admin().request(request)).await.unwrap().into_inner().name
    }

    /// Gives the merge's name.
    pub async fn merge_partners(&self, survivor: &str, other: &str) -> String {
        let request = directory::MergePartnersRequest {
            name: survivor.to_owned(),
            others: vec![other.to_owned()],
            ..Default::default()
        };
        let mut client = PartnerMergeServiceClient::new(self.directory.clone());
        let answer = client.merge_partners(admin().request(request)).await.unwrap().into_inner();
        answer.merge.unwrap().name
    }

    pub async fn erase_partner(&self, name: &str) {
        let request = directory::ErasePartnerRequest {
            name: name.to_owned(),
            reason: directory::ErasureReason::Requested.into(),
            ..Default::default()
        };
        ErasureServiceClient::new(self.directory.clone())
            .erase_partner(admin().request(request))
            .await
            .unwrap();
    }

    pub async fn unmerge_partners(&self, merge: &str) {
        let request = directory::UnmergePartnersRequest { name: merge.to_owned(), request_id: String::new() };
        let mut client = PartnerMergeServiceClient::new(self.directory.clone());
        client.unmerge_partners(admin().request(request)).await.unwrap();
    }

    /// An open opportunity of the user "sales". Gives its name: "opportunities/{id}".
    pub async fn add_opportunity(&self, partner: &str, title: &str) -> String {
        let deal = Opportunity { title: title.to_owned(), partner: partner.to_owned(), ..Default::default() };
        let request = CreateOpportunityRequest { opportunity: Some(deal), ..Default::default() };
        let request = caller("sales", &["sales"], &[]).request(request);
        let mut client = OpportunityServiceClient::new(self.pipeline.clone());
        client.create_opportunity(request).await.unwrap().into_inner().name
    }

    pub async fn opportunity(&self, name: &str) -> Opportunity {
        let request = admin().request(GetOpportunityRequest { name: name.to_owned() });
        let mut client = OpportunityServiceClient::new(self.pipeline.clone());
        client.get_opportunity(request).await.unwrap().into_inner()
    }

    pub async fn opportunities(&self) -> Vec<Opportunity> {
        let request = admin().request(ListOpportunitiesRequest::default());
        let mut client = OpportunityServiceClient::new(self.pipeline.clone());
        client.list_opportunities(request).await.unwrap().into_inner().opportunities
    }

    /// The partner's history as "sales" sees it, newest first, as soon as it has so many entries.
    pub async fn history(&self, partner: &str, entries: usize) -> Vec<directory::TimelineEntry> {
        let request =
            directory::ListTimelineEntriesRequest { parent: partner.to_owned(), ..Default::default() };
        let mut client = PartnerServiceClient::new(self.directory.clone());
        for () in kontor_testbed::patience() {
            let request = caller("sales", &["sales"], &[]).request(request.clone());
            let found = client.list_timeline_entries(request).await.unwrap().into_inner().timeline_entries;
            if found.len() >= entries {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("{partner} has fewer than {entries} entries in its history");
    }
}
