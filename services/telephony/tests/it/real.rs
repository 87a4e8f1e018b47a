//! T3, T4 and T5 with the real directory and the real pipeline beside telephony.

use std::time::Duration;

use kontor_kit::link::Link;
use kontor_proto::directory::v1 as directory;
use kontor_proto::directory::v1::partner_service_client::PartnerServiceClient;
use kontor_proto::directory::v1::user_service_client::UserServiceClient;
use kontor_proto::pipeline::v1::opportunity_service_client::OpportunityServiceClient;
use kontor_proto::pipeline::v1::{CreateOpportunityRequest, Opportunity};
use kontor_proto::telephony::v1 as proto;
use kontor_proto::telephony::v1::call_service_client::CallServiceClient;
use kontor_proto::telephony::v1::connector::Kind;
use kontor_proto::telephony::v1::connector_service_client::ConnectorServiceClient;
use kontor_proto::telephony::v1::ingest_service_client::IngestServiceClient;
use kontor_proto::r#type::v1::Phone;
use kontor_telephony::Peers;

use crate::place::{Place, SECOND, admin, caller};
use crate::world::{SECRET, event, sign};

crate::on_both! { Suite;
    t5_real_neighbours_know_the_call,
}

struct Suite {
    place: Place,
    directory: Link,
    pipeline: Link,
    telephony: Link,
}

impl Suite {
    async fn start(place: Place) -> Suite {
        let context = &place.context;
        let directory = Link::local(kontor_directory::start(context).await.unwrap().routes);
        let peers = kontor_pipeline::Peers { directory: directory.clone() };
        let pipeline = Link::local(kontor_pipeline::start(context, peers).await.unwrap().routes);
        let peers = Peers { directory: directory.clone(), pipeline: pipeline.clone() };
        let telephony = Link::local(kontor_telephony::start(context, peers).await.unwrap().routes);
        Suite { place, directory, pipeline, telephony }
    }

    async fn fill(&self) -> (directory::Partner, Opportunity) {
        let user = directory::CreateUserRequest {
            user: Some(directory::User {
                display_name: "Sales".to_owned(),
                extension: "101".to_owned(),
                ..Default::default()
            }),
            user_id: "sales".to_owned(),
            ..Default::default()
        };
        UserServiceClient::new(self.directory.clone()).create_user(admin().request(user)).await.unwrap();
        let partner = directory::Partner {
            display_name: "Anna Peeters".to_owned(),
            phones: vec![Phone { number: "+32 475 12 34 56".to_owned(), ..Default::default() }],
            ..Default::default()
        };
        let partner = directory::CreatePartnerRequest { partner: Some(partner), ..Default::default() };
        let mut client = PartnerServiceClient::new(self.directory.clone());
        let partner = client.create_partner(admin().request(partner)).await.unwrap().into_inner();
        let deal = Opportunity {
            title: "New machine".to_owned(),
            partner: partner.name.clone(),
            ..Default::default()
        };
        let deal = CreateOpportunityRequest { opportunity: Some(deal), ..Default::default() };
        let mut client = OpportunityServiceClient::new(self.pipeline.clone());
        let deal = client.create_opportunity(admin().request(deal)).await.unwrap().into_inner();
        let webhook = proto::Connector {
            kind: Some(Kind::Webhook(proto::WebhookSettings { secret: SECRET.to_owned() })),
            ..Default::default()
        };
        let webhook = proto::CreateConnectorRequest {
            connector: Some(webhook),
            connector_id: "cloud".to_owned(),
            ..Default::default()
        };
        let mut client = ConnectorServiceClient::new(self.telephony.clone());
        client.create_connector(admin().request(webhook)).await.unwrap();
        (partner, deal)
    }

    async fn post(&self, kind: &str, second: i64) {
        let body = event("c", kind, second);
        let timestamp = (self.place.context.clock.now() / SECOND).to_string();
        let headers = [
            ("x-kontor-timestamp".to_owned(), timestamp.clone()),
            ("x-kontor-signature".to_owned(), sign(SECRET, &timestamp, &body)),
        ];
        let request = proto::ReceiveWebhookRequest {
            connector: "connectors/cloud".to_owned(),
            headers: headers.into(),
            body: body.into(),
        };
        let request = kontor_kit::auth::Caller::system().request(request);
        IngestServiceClient::new(self.telephony.clone()).receive_webhook(request).await.unwrap();
    }

    async fn history(&self, partner: &str) -> Vec<directory::TimelineEntry> {
        let request =
            directory::ListTimelineEntriesRequest { parent: partner.to_owned(), ..Default::default() };
        let mut client = PartnerServiceClient::new(self.directory.clone());
        let answer = client.list_timeline_entries(admin().request(request)).await.unwrap().into_inner();
        answer.timeline_entries.into_iter().filter(|entry| entry.kind == "call").collect()
    }
}

async fn t5_real_neighbours_know_the_call(suite: Suite) {
    let (partner, deal) = suite.fill().await;
    let mut client = CallServiceClient::new(suite.telephony.clone());
    let request = caller("sales", &[], &[]).request(proto::WatchCallPopsRequest::default());
    let mut pops = client.watch_call_pops(request).await.unwrap().into_inner();
    suite.post("RINGING", 10).await;
    let pop = tokio::time::timeout(Duration::from_secs(5), pops.message()).await.expect("it rings");
    let pop = pop.unwrap().unwrap();
    let call = pop.call.unwrap();
    assert_eq!((call.partner.as_str(), pop.partner_display_name.as_str()), (&*partner.name, "Anna Peeters"));
    assert_eq!(call.opportunity, deal.name);
    for (kind, second) in [("HUNGUP", 35), ("ANSWERED", 15), ("HUNGUP", 35)] {
        suite.post(kind, second).await;
    }
    suite.place.time.fetch_add(4 * SECOND, std::sync::atomic::Ordering::SeqCst);
    let mut tries = 0;
    while suite.history(&partner.name).await.is_empty() {
        tries += 1;
        assert!(tries < 300, "the call is not on the timeline");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    let entries = suite.history(&partner.name).await;
    assert_eq!(entries.len(), 1, "{entries:?}");
    assert_eq!((entries[0].subject.as_str(), entries[0].actor.as_str()), (&*call.name, "users/sales"));
    assert_eq!(entries[0].summary, "call from +32475123456, 20 s");
}
