//! A started pipeline, linked to a started directory, with a few users: manager leads the sales team of anna and ben; carl is in support.
//! Used by the other files of this folder.

use kontor_kit::auth::Caller;
use kontor_kit::link::Link;
use kontor_kit::outbox;
use kontor_proto::directory::v1 as directory;
use kontor_proto::directory::v1::partner_service_client::PartnerServiceClient;
use kontor_proto::directory::v1::team_service_client::TeamServiceClient;
use kontor_proto::directory::v1::user_service_client::UserServiceClient;
use kontor_proto::pipeline::v1 as proto;
use kontor_proto::pipeline::v1::change_service_client::ChangeServiceClient;
use kontor_proto::pipeline::v1::lead_service_client::LeadServiceClient;
use kontor_proto::pipeline::v1::opportunity_service_client::OpportunityServiceClient;
use kontor_proto::pipeline::v1::pipeline_service_client::PipelineServiceClient;
use kontor_proto::r#type::v1::{Event, WatchChangesRequest};
use kontor_testbed::{Place, admin, caller};
use prost_types::FieldMask;

/// Both services in one process.
pub struct World {
    pub place: Place,
    pub link: Link,
    pub leads: LeadServiceClient<Link>,
    pub deals: OpportunityServiceClient<Link>,
    pub pipelines: PipelineServiceClient<Link>,
    pub partners: PartnerServiceClient<Link>,
    pub directory: Link,
    pub calendar: Link,
}

impl World {
    pub async fn start(place: Place) -> World {
        let directory = Link::local(kontor_directory::start(&place.context).await.unwrap().routes);
        people(&directory).await;
        let peers = kontor_calendar::Peers { directory: directory.clone() };
        let config = kontor_calendar::Config::default();
        let calendar =
            Link::local(kontor_calendar::start(&place.context, peers, config).await.unwrap().routes);
        let peers = kontor_pipeline::Peers { directory: directory.clone(), calendar: calendar.clone() };
        let link = Link::local(kontor_pipeline::start(&place.context, peers).await.unwrap().routes);
        World {
            place,
            leads: LeadServiceClient::new(link.clone()),
            deals: OpportunityServiceClient::new(link.clone()),
            pipelines: PipelineServiceClient::new(link.clone()),
            partners: PartnerServiceClient::new(directory.clone()),
            directory,
            calendar,
            link,
        }
    }

    pub fn pass(&self, micros: i64) {
        self.place.pass(micros);
    }

    pub async fn add_lead(&self, caller: &Caller, lead: proto::Lead) -> proto::Lead {
        let request = proto::CreateLeadRequest { lead: Some(lead), ..Default::default() };
        self.leads.clone().create_lead(caller.request(request)).await.unwrap().into_inner()
    }

    pub async fn add_deal(&self, caller: &Caller, deal: proto::Opportunity) -> proto::Opportunity {
        let request = proto::CreateOpportunityRequest { opportunity: Some(deal), ..Default::default() };
        self.deals.clone().create_opportunity(caller.request(request)).await.unwrap().into_inner()
    }

    pub async fn deal(&self, name: &str) -> proto::Opportunity {
        let request = proto::GetOpportunityRequest { name: name.to_owned() };
        self.deals.clone().get_opportunity(admin().request(request)).await.unwrap().into_inner()
    }

    pub async fn lead(&self, name: &str) -> proto::Lead {
        let request = proto::GetLeadRequest { name: name.to_owned() };
        self.leads.clone().get_lead(admin().request(request)).await.unwrap().into_inner()
    }

    /// All events so far that this caller may see.
    pub async fn events(&self, caller: &Caller) -> Vec<Event> {
        let request =
            WatchChangesRequest { resume_token: "0".to_owned(), until_now: true, ..Default::default() };
        let mut client = ChangeServiceClient::new(self.link.clone());
        let mut stream = client.watch_changes(caller.request(request)).await.unwrap().into_inner();
        let mut events = Vec::new();
        while let Some(change) = stream.message().await.unwrap() {
            events.extend(change.event);
        }
        events
    }

    /// Short names of all events about a subject, in order.
    pub async fn kinds(&self, subject: &str) -> Vec<String> {
        let events = self.events(&admin()).await;
        let of_subject = events.iter().filter(|event| event.subject == subject);
        of_subject.map(|event| outbox::kind(event).rsplit('.').next().unwrap().to_owned()).collect()
    }
}

async fn people(link: &Link) {
    let mut users = UserServiceClient::new(link.clone());
    for user_id in ["manager", "anna", "ben", "carl"] {
        let user = directory::User { display_name: user_id.to_owned(), ..Default::default() };
        let request = directory::CreateUserRequest {
            user: Some(user),
            user_id: user_id.to_owned(),
            ..Default::default()
        };
        users.create_user(admin().request(request)).await.unwrap();
    }
    let mut teams = TeamServiceClient::new(link.clone());
    for (team_id, members, leaders) in [
        ("sales", vec!["users/anna", "users/ben"], vec!["users/manager"]),
        ("support", vec!["users/carl"], vec![]),
    ] {
        let names = |users: Vec<&str>| users.into_iter().map(str::to_owned).collect();
        let team = directory::Team {
            display_name: team_id.to_owned(),
            members: names(members),
            leaders: names(leaders),
            ..Default::default()
        };
        let request = directory::CreateTeamRequest {
            team: Some(team),
            team_id: team_id.to_owned(),
            ..Default::default()
        };
        teams.create_team(admin().request(request)).await.unwrap();
    }
}

pub fn manager() -> Caller {
    caller("manager", &["sales"], &["sales"])
}

pub fn anna() -> Caller {
    caller("anna", &["sales"], &[])
}

pub fn ben() -> Caller {
    caller("ben", &["sales"], &[])
}

pub fn carl() -> Caller {
    caller("carl", &["support"], &[])
}

pub fn lead(title: &str) -> proto::Lead {
    proto::Lead { title: title.to_owned(), ..Default::default() }
}

pub fn deal(title: &str) -> proto::Opportunity {
    proto::Opportunity { title: title.to_owned(), ..Default::default() }
}

pub fn mask(paths: &[&str]) -> Option<FieldMask> {
    Some(FieldMask { paths: paths.iter().map(|path| (*path).to_owned()).collect() })
}
