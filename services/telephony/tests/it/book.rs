//! A directory and a pipeline that can be taken away: the few methods that telephony calls, over the real wire types.
//! Used by world.rs. The real ones are tried with telephony in the end-to-end crate.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard};

use axum::Router;
use kontor_kit::link::Link;
use kontor_proto::directory::v1 as directory;
use kontor_proto::pipeline::v1 as pipeline;
use prost::Message;
use tonic::service::Routes;
use tonic::{Request, Response, Status};

/// What is in the book.
#[derive(Default)]
pub struct Pages {
    pub away: bool,
    pub users: Vec<directory::User>,
    /// Partner and its number in E.164.
    pub partners: Vec<(directory::Partner, String)>,
    pub history: Vec<directory::TimelineEntry>,
    pub opportunities: Vec<pipeline::Opportunity>,
    pub look_ups: usize,
}

#[derive(Clone, Default)]
pub struct Book(Arc<Mutex<Pages>>);

impl Book {
    pub fn open(&self) -> MutexGuard<'_, Pages> {
        self.0.lock().unwrap()
    }

    pub fn add_partner(&self, id: &str, display_name: &str, e164: &str) {
        let partner = directory::Partner {
            name: format!("partners/{id}"),
            display_name: display_name.to_owned(),
            ..Default::default()
        };
        self.open().partners.push((partner, e164.to_owned()));
    }

    pub fn add_user(&self, user: &str, extension: &str, team: &str) {
        let user = directory::User {
            name: format!("users/{user}"),
            extension: extension.to_owned(),
            teams: vec![format!("teams/{team}")],
            ..Default::default()
        };
        self.open().users.push(user);
    }

    pub fn add_opportunity(&self, id: &str, partner: &str, title: &str) {
        let opportunity = pipeline::Opportunity {
            name: format!("opportunities/{id}"),
            partner: format!("partners/{partner}"),
            title: title.to_owned(),
            stage: "pipelines/sales/stages/offer".to_owned(),
            state: pipeline::OpportunityState::Open.into(),
            ..Default::default()
        };
        self.open().opportunities.push(opportunity);
    }

    pub fn link(&self) -> Link {
        let router = Router::new();
        let router = self.answer(router, "directory.v1.PartnerService/LookupPartners", look_up);
        let router = self.answer(router, "directory.v1.PartnerService/GetPartner", partner);
        let router = self.answer(router, "directory.v1.PartnerService/ListTimelineEntries", history);
        let router = self.answer(router, "directory.v1.UserService/ListUsers", users);
        let router = self.answer(router, "directory.v1.UserService/GetUser", user);
        let router = self.answer(router, "pipeline.v1.OpportunityService/ListOpportunities", opportunities);
        let router = self.answer(router, "pipeline.v1.OpportunityService/GetOpportunity", opportunity);
        let router = self.answer(router, "pipeline.v1.PipelineService/ListPipelines", pipelines);
        Link::local(Routes::from(router).prepare())
    }

    fn answer<Q, A>(
        &self,
        router: Router,
        path: &str,
        method: fn(&mut Pages, Q) -> Result<A, Status>,
    ) -> Router
    where
        Q: Message + Default + Send + Sync + 'static,
        A: Message + Default + Send + Sync + 'static,
    {
        let book = self.clone();
        let service = tower::service_fn(move |request: axum::extract::Request| {
            let book = book.clone();
            async move {
                let unary = tower::service_fn(move |request: Request<Q>| {
                    let mut pages = book.open();
                    let answer = if pages.away {
                        Err(Status::unavailable("away"))
                    } else {
                        method(&mut pages, request.into_inner())
                    };
                    std::future::ready(answer.map(Response::new))
                });
                let codec = tonic_prost::ProstCodec::<A, Q>::default();
                Ok::<_, Infallible>(tonic::server::Grpc::new(codec).unary(unary, request).await)
            }
        });
        router.route_service(&format!("/kontor.{path}"), service)
    }
}

fn look_up(
    pages: &mut Pages,
    request: directory::LookupPartnersRequest,
) -> Result<directory::LookupPartnersResponse, Status> {
    pages.look_ups += 1;
    let e164 = request.phone_number;
    let found = pages.partners.iter().filter(|(_, number)| *number == e164);
    Ok(directory::LookupPartnersResponse {
        partners: found.map(|(partner, _)| partner.clone()).collect(),
        e164,
    })
}

fn partner(pages: &mut Pages, request: directory::GetPartnerRequest) -> Result<directory::Partner, Status> {
    let found = pages.partners.iter().find(|(partner, _)| partner.name == request.name);
    found.map(|(partner, _)| partner.clone()).ok_or_else(|| Status::not_found("no partner"))
}

fn history(
    pages: &mut Pages,
    request: directory::ListTimelineEntriesRequest,
) -> Result<directory::ListTimelineEntriesResponse, Status> {
    let own = pages.history.iter().filter(|entry| entry.name.starts_with(&request.parent));
    let size = usize::try_from(request.page_size).unwrap();
    let timeline_entries = own.take(size).cloned().collect();
    Ok(directory::ListTimelineEntriesResponse { timeline_entries, ..Default::default() })
}

fn users(pages: &mut Pages, _: directory::ListUsersRequest) -> Result<directory::ListUsersResponse, Status> {
    Ok(directory::ListUsersResponse { users: pages.users.clone(), ..Default::default() })
}

fn user(pages: &mut Pages, request: directory::GetUserRequest) -> Result<directory::User, Status> {
    let found = pages.users.iter().find(|user| user.name == request.name);
    found.cloned().ok_or_else(|| Status::not_found("no user"))
}

fn opportunities(
    pages: &mut Pages,
    request: pipeline::ListOpportunitiesRequest,
) -> Result<pipeline::ListOpportunitiesResponse, Status> {
    let wanted = |it: &&pipeline::Opportunity| {
        request.filter == format!("partner = \"{}\" AND state = OPEN", it.partner)
    };
    let opportunities = pages.opportunities.iter().filter(wanted).cloned().collect();
    Ok(pipeline::ListOpportunitiesResponse { opportunities, ..Default::default() })
}

fn opportunity(
    pages: &mut Pages,
    request: pipeline::GetOpportunityRequest,
) -> Result<pipeline::Opportunity, Status> {
    let found = pages.opportunities.iter().find(|it| it.name == request.name);
    found.cloned().ok_or_else(|| Status::not_found("no opportunity"))
}

fn pipelines(
    _: &mut Pages,
    _: pipeline::ListPipelinesRequest,
) -> Result<pipeline::ListPipelinesResponse, Status> {
    let stage = pipeline::Stage {
        name: "pipelines/sales/stages/offer".to_owned(),
        display_name: "Offer sent".to_owned(),
        probability: 50,
    };
    let pipeline = pipeline::Pipeline { stages: vec![stage], ..Default::default() };
    Ok(pipeline::ListPipelinesResponse { pipelines: vec![pipeline], ..Default::default() })
}
