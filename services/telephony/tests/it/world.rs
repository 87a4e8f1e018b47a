//! A started telephony with its clients, its real neighbours beside it, and helpers to send events.
//! Used by the other files of this folder.

use std::collections::BTreeMap;
use std::time::Duration;

use hmac::{Hmac, Mac};
use kontor_kit::auth::Caller;
use kontor_kit::link::Link;
use kontor_kit::outbox;
use kontor_proto::telephony::v1 as proto;
use kontor_proto::telephony::v1::call_service_client::CallServiceClient;
use kontor_proto::telephony::v1::change_service_client::ChangeServiceClient;
use kontor_proto::telephony::v1::connector::Kind;
use kontor_proto::telephony::v1::connector_service_client::ConnectorServiceClient;
use kontor_proto::telephony::v1::ingest_service_client::IngestServiceClient;
use kontor_proto::r#type::v1::{Event, WatchChangesRequest};
use kontor_telephony::Config;
use kontor_testbed::{Place, SECOND, admin, caller};
use sha2::Sha256;
use tonic::{Response, Status};

use crate::neighbours::Neighbours;

/// Signing secret of the webhook "cloud".
pub const SECRET: &str = "0123456789abcdef0123";
/// The caller of most events, and our direct number.
pub const ANNA: &str = "+32475123456";

/// Telephony in another process.
pub struct Other {
    pub stop: tokio_util::sync::CancellationToken,
    pub link: Link,
    pub calls: CallServiceClient<Link>,
    pub connectors: ConnectorServiceClient<Link>,
    pub ingest: IngestServiceClient<Link>,
}

/// Telephony in one process.
pub struct World {
    pub place: Place,
    pub link: Link,
    pub neighbours: Neighbours,
    pub calls: CallServiceClient<Link>,
    pub connectors: ConnectorServiceClient<Link>,
    pub ingest: IngestServiceClient<Link>,
    pub changes: ChangeServiceClient<Link>,
}

impl World {
    /// With the users sales (101) and operator (102) of the team sales, and the connectors "cloud" (webhook) and "grpc".
    pub async fn start(place: Place) -> World {
        let neighbours = Neighbours::start(&place.context).await;
        neighbours.add_user("sales", "101").await;
        neighbours.add_user("operator", "102").await;
        neighbours.add_team("sales", &["sales", "operator"]).await;
        let world = World::join(place, neighbours).await;
        let cloud = Kind::Webhook(proto::WebhookSettings { secret: SECRET.to_owned() });
        world.add_connector("cloud", cloud).await.unwrap();
        let grpc = Kind::Grpc(proto::GrpcSettings { user: "users/pbx".to_owned() });
        world.add_connector("grpc", grpc).await.unwrap();
        world
    }

    /// Telephony over the same data as another process runs it: only the database is shared.
    pub async fn another_process(&self) -> Other {
        let context = self.place.another_process();
        let unit = kontor_telephony::start(&context, self.neighbours.peers()).await.unwrap();
        let link = Link::local(unit.routes);
        Other {
            stop: context.stop,
            link: link.clone(),
            calls: CallServiceClient::new(link.clone()),
            connectors: ConnectorServiceClient::new(link.clone()),
            ingest: IngestServiceClient::new(link),
        }
    }

    async fn join(place: Place, neighbours: Neighbours) -> World {
        // the clock stands still: what is due comes when a test moves it
        let config = Config { grace: Duration::from_secs(3), ..Config::default() };
        let unit = kontor_telephony::start_with(&place.context, neighbours.peers(), config).await.unwrap();
        let link = Link::local(unit.routes);
        World {
            place,
            link: link.clone(),
            neighbours,
            calls: CallServiceClient::new(link.clone()),
            connectors: ConnectorServiceClient::new(link.clone()),
            ingest: IngestServiceClient::new(link.clone()),
            changes: ChangeServiceClient::new(link),
        }
    }

    pub async fn add_connector(&self, id: &str, kind: Kind) -> Result<proto::Connector, Status> {
        let request = proto::CreateConnectorRequest {
            connector: Some(proto::Connector { kind: Some(kind), ..Default::default() }),
            connector_id: id.to_owned(),
            ..Default::default()
        };
        self.connectors.clone().create_connector(admin().request(request)).await.map(Response::into_inner)
    }

    pub async fn connector(&self, id: &str) -> proto::Connector {
        let request = proto::GetConnectorRequest { name: format!("connectors/{id}") };
        self.connectors.clone().get_connector(admin().request(request)).await.unwrap().into_inner()
    }

    pub fn now(&self) -> i64 {
        self.place.now()
    }

    pub fn pass(&self, seconds: i64) {
        self.place.pass(seconds * SECOND);
    }

    /// Posts a signed body to "cloud".
    pub async fn post(&self, body: &str) -> Result<proto::ReceiveWebhookResponse, Status> {
        let timestamp = (self.now() / SECOND).to_string();
        let headers = [
            ("x-kontor-timestamp".to_owned(), timestamp.clone()),
            ("x-kontor-signature".to_owned(), sign(SECRET, &timestamp, body)),
        ];
        self.post_with("cloud", BTreeMap::from(headers), body).await
    }

    pub async fn post_with(
        &self,
        connector: &str,
        headers: BTreeMap<String, String>,
        body: &str,
    ) -> Result<proto::ReceiveWebhookResponse, Status> {
        let request = proto::ReceiveWebhookRequest {
            connector: format!("connectors/{connector}"),
            headers,
            body: body.as_bytes().to_vec().into(),
            ..Default::default()
        };
        self.ingest.clone().receive_webhook(Caller::system().request(request)).await.map(Response::into_inner)
    }

    pub async fn list(&self, filter: &str) -> Vec<proto::Call> {
        let request = proto::ListCallsRequest { filter: filter.to_owned(), ..Default::default() };
        let request = caller("sales", &["sales"], &[]).request(request);
        self.calls.clone().list_calls(request).await.unwrap().into_inner().calls
    }

    /// The only call there is.
    pub async fn only_call(&self) -> proto::Call {
        let mut calls = self.list("").await;
        assert_eq!(calls.len(), 1, "{calls:#?}");
        calls.remove(0)
    }

    /// All events so far.
    pub async fn events(&self) -> Vec<Event> {
        let request =
            WatchChangesRequest { resume_token: "0".to_owned(), until_now: true, ..Default::default() };
        let mut stream =
            self.changes.clone().watch_changes(admin().request(request)).await.unwrap().into_inner();
        let mut events = Vec::new();
        while let Some(change) = stream.message().await.unwrap() {
            events.extend(change.event);
        }
        events
    }

    /// The kinds of all events so far, without their package.
    pub async fn kinds(&self) -> Vec<String> {
        let events = self.events().await;
        events.iter().map(|event| outbox::kind(event).rsplit('.').next().unwrap().to_owned()).collect()
    }

    /// Moves the clock past the grace period and waits for so many events.
    pub async fn settle(&self, wanted: usize) -> Vec<Event> {
        self.pass(4);
        for () in kontor_testbed::patience() {
            let events = self.events().await;
            if events.len() >= wanted {
                // one too many would come about now
                tokio::time::sleep(Duration::from_millis(60)).await;
                let events = self.events().await;
                assert_eq!(events.len(), wanted, "{events:#?}");
                return events;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{wanted} events were expected: {:?}", self.kinds().await);
    }
}

/// The value of `x-kontor-signature`.
pub fn sign(secret: &str, timestamp: &str, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(format!("{timestamp}.{body}").as_bytes());
    let hex: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("v1={hex}")
}

/// One event of a call from Anna to extension 101, so many seconds after nine o'clock.
pub fn event(call: &str, kind: &str, second: i64) -> String {
    format!(
        r#"{{"call_id": "{call}", "kind": "{kind}", "event_time": "2026-11-23T09:00:{second:02}Z",
            "direction": "INBOUND", "from": "0475 12 34 56", "from_name": "Anna P.", "to": "101", "extension": "101"}}"#
    )
}

/// Code and `ErrorInfo` reason of an error, and its sentence.
pub fn refusal<T: std::fmt::Debug>(answer: Result<T, Status>) -> (tonic::Code, String) {
    let status = answer.unwrap_err();
    assert!(kontor_kit::error::reason(&status).is_some(), "every error has ErrorInfo: {status:?}");
    (status.code(), status.message().to_owned())
}
