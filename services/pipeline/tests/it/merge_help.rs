//! Clients of merges, what is there, and what is put there.
//! Used by the files about merges.

use std::time::Duration;

use kontor_kit::auth::Caller;
use kontor_proto::directory::v1 as directory;
use kontor_proto::pipeline::v1 as proto;
use kontor_proto::pipeline::v1::assignment_service_client::AssignmentServiceClient;
use kontor_proto::pipeline::v1::merge_service_client::MergeServiceClient;
use kontor_proto::pipeline::v1::next_step::Due;
use kontor_proto::pipeline::v1::next_step_service_client::NextStepServiceClient;
use kontor_testbed::admin;
use tonic::Status;

use crate::world::World;

pub async fn merge_leads(
    world: &World,
    caller: &Caller,
    survivor: &str,
    others: &[&str],
) -> Result<proto::MergeLeadsResponse, Status> {
    let request = proto::MergeLeadsRequest {
        name: survivor.to_owned(),
        others: others.iter().map(|&other| other.to_owned()).collect(),
        ..Default::default()
    };
    let mut client = MergeServiceClient::new(world.link.clone());
    client.merge_leads(caller.request(request)).await.map(|answer| answer.into_inner())
}

pub async fn unmerge_leads(world: &World, caller: &Caller, name: &str) -> Result<Vec<proto::Lead>, Status> {
    let request = proto::UnmergeLeadsRequest { name: name.to_owned(), request_id: String::new() };
    let mut client = MergeServiceClient::new(world.link.clone());
    client.unmerge_leads(caller.request(request)).await.map(|answer| answer.into_inner().leads)
}

pub async fn merge_deals(
    world: &World,
    caller: &Caller,
    survivor: &str,
    others: &[&str],
) -> Result<proto::MergeOpportunitiesResponse, Status> {
    let request = proto::MergeOpportunitiesRequest {
        name: survivor.to_owned(),
        others: others.iter().map(|&other| other.to_owned()).collect(),
        ..Default::default()
    };
    let mut client = MergeServiceClient::new(world.link.clone());
    client.merge_opportunities(caller.request(request)).await.map(|answer| answer.into_inner())
}

pub async fn unmerge_deals(
    world: &World,
    caller: &Caller,
    name: &str,
) -> Result<Vec<proto::Opportunity>, Status> {
    let request = proto::UnmergeOpportunitiesRequest { name: name.to_owned(), request_id: String::new() };
    let mut client = MergeServiceClient::new(world.link.clone());
    client
        .unmerge_opportunities(caller.request(request))
        .await
        .map(|answer| answer.into_inner().opportunities)
}

/// All leads as they are, without their versions.
pub async fn leads(world: &World) -> Vec<proto::Lead> {
    let request = proto::ListLeadsRequest { order_by: "create_time".to_owned(), ..Default::default() };
    let page = world.leads.clone().list_leads(admin().request(request)).await.unwrap().into_inner();
    page.leads
        .into_iter()
        .map(|lead| proto::Lead { etag: String::new(), update_time: None, ..lead })
        .collect()
}

/// All opportunities as they are, and what they ask for, without their versions and when those came.
pub async fn deals(world: &World) -> Vec<(proto::Opportunity, proto::Requirements)> {
    let request =
        proto::ListOpportunitiesRequest { order_by: "create_time".to_owned(), ..Default::default() };
    let page = world.deals.clone().list_opportunities(admin().request(request)).await.unwrap().into_inner();
    let mut all = Vec::new();
    for deal in page.opportunities {
        let request = proto::GetRequirementsRequest { opportunity: deal.name.clone() };
        let mut assignments = AssignmentServiceClient::new(world.link.clone());
        let needs = assignments.get_requirements(admin().request(request)).await.unwrap().into_inner();
        let next_step =
            deal.next_step.map(|step| proto::NextStep { etag: String::new(), update_time: None, ..step });
        all.push((proto::Opportunity { etag: String::new(), update_time: None, next_step, ..deal }, needs));
    }
    all
}

/// All next steps as they are, without their versions.
pub async fn steps(world: &World) -> Vec<proto::NextStep> {
    let request = proto::ListNextStepsRequest {
        parent: "opportunities/-".to_owned(),
        order_by: "create_time".to_owned(),
        page_size: 1_000,
        ..Default::default()
    };
    let mut client = NextStepServiceClient::new(world.link.clone());
    let page = client.list_next_steps(admin().request(request)).await.unwrap().into_inner();
    page.next_steps
        .into_iter()
        .map(|step| proto::NextStep { etag: String::new(), update_time: None, ..step })
        .collect()
}

pub async fn add_step(world: &World, parent: &str, title: &str, day: &str) -> proto::NextStep {
    let step = proto::NextStep {
        title: title.to_owned(),
        due: Some(Due::DueDate(day.to_owned())),
        ..Default::default()
    };
    let request = proto::CreateNextStepRequest {
        parent: parent.to_owned(),
        next_step: Some(step),
        ..Default::default()
    };
    let mut client = NextStepServiceClient::new(world.link.clone());
    client.create_next_step(admin().request(request)).await.unwrap().into_inner()
}

pub async fn complete(world: &World, name: &str) {
    let request = proto::CompleteNextStepRequest { name: name.to_owned(), ..Default::default() };
    let mut client = NextStepServiceClient::new(world.link.clone());
    client.complete_next_step(admin().request(request)).await.unwrap();
}

pub async fn require(world: &World, opportunity: &str, country: &str) {
    let requirements = proto::Requirements {
        opportunity: opportunity.to_owned(),
        country: country.to_owned(),
        skills: vec![proto::Skill { name: "lang:nl".to_owned(), level: 3 }],
        ..Default::default()
    };
    let request =
        proto::SetRequirementsRequest { requirements: Some(requirements), request_id: String::new() };
    let mut client = AssignmentServiceClient::new(world.link.clone());
    client.set_requirements(admin().request(request)).await.unwrap();
}

pub async fn partner(world: &World, display_name: &str) -> String {
    let partner = directory::Partner { display_name: display_name.to_owned(), ..Default::default() };
    let request = directory::CreatePartnerRequest { partner: Some(partner), ..Default::default() };
    world.partners.clone().create_partner(admin().request(request)).await.unwrap().into_inner().name
}

pub async fn convert(world: &World, lead: &str) -> Result<proto::Opportunity, Status> {
    let request = proto::ConvertLeadRequest { name: lead.to_owned(), ..Default::default() };
    let answer = world.leads.clone().convert_lead(admin().request(request)).await?;
    Ok(answer.into_inner().opportunity.unwrap())
}

pub fn tags(tags: &[&str]) -> Vec<String> {
    tags.iter().map(|&tag| tag.to_owned()).collect()
}

pub async fn eventually<T: PartialEq + std::fmt::Debug>(expected: T, mut look: impl AsyncFnMut() -> T) {
    for () in kontor_testbed::patience() {
        if look().await == expected {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(look().await, expected);
}
