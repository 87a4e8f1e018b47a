//! IngestService: call events over a gRPC stream and as signed webhooks.
//! Called by telephone systems (the stream) and by the gateway (webhooks).

use std::collections::{BTreeMap, HashMap};

use futures_util::FutureExt;
use kontor_kit::auth::Caller;
use kontor_kit::context::Context;
use kontor_kit::{Error, Result, id, resource};
use kontor_proto::telephony::v1 as proto;
use kontor_proto::telephony::v1::ingest_service_server::IngestService;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Request, Response, Status, Streaming};

use super::convert;
use super::refusals::Refusals;
use crate::connectors::freeswitch::cdr::{self, Cdr};
use crate::connectors::freeswitch::config::rules;
use crate::connectors::{plivo, threecx, twilio, vonage, web};
use crate::domain::address;
use crate::domain::cloud::{Cloud, Provider};
use crate::domain::connector::{Connector, FreeSwitch, Kind};
use crate::domain::post;
use crate::domain::record::Item;
use crate::intake::Intake;

/// Events of a stream stored in one transaction.
const GROUP: usize = 256;

/// The service.
#[derive(Clone)]
pub struct Ingest {
    context: Context,
    intake: Intake,
    refusals: Refusals,
}

type Answers = mpsc::Sender<std::result::Result<proto::PushCallEventsResponse, Status>>;

impl Ingest {
    pub(super) fn new(context: &Context, intake: &Intake) -> Self {
        let refusals = Refusals::new(context, &intake.db);
        Ingest { context: context.clone(), intake: intake.clone(), refusals }
    }
}

#[tonic::async_trait]
impl IngestService for Ingest {
    type PushCallEventsStream = ReceiverStream<std::result::Result<proto::PushCallEventsResponse, Status>>;

    async fn push_call_events(
        &self,
        request: Request<Streaming<proto::PushCallEventsRequest>>,
    ) -> std::result::Result<Response<Self::PushCallEventsStream>, Status> {
        let caller = Caller::of(&request)?;
        let events = request.into_inner();
        let (sender, receiver) = mpsc::channel(GROUP);
        let ingest = self.clone();
        self.context.spawn(async move {
            if let Err(cause) = ingest.pump(&caller, events, &sender).await {
                let _ = sender.send(Err(cause)).await;
            }
        });
        Ok(Response::new(ReceiverStream::new(receiver)))
    }

    async fn receive_webhook(
        &self,
        request: Request<proto::ReceiveWebhookRequest>,
    ) -> std::result::Result<Response<proto::ReceiveWebhookResponse>, Status> {
        Caller::of(&request)?.must_be_system()?;
        let request = request.into_inner();
        let connector = self.webhook(&request.connector).await?;
        let taken = match self.take_post(&connector, &request).await {
            Ok(taken) => taken,
            Err(cause) => {
                self.refusals.note(&connector.id, &cause).await;
                return Err(cause.into());
            }
        };
        let calls = taken.into_values().map(|id| format!("calls/{id}")).collect();
        Ok(Response::new(proto::ReceiveWebhookResponse { calls }))
    }
}

impl Ingest {
    /// Takes what waits, stores it in one transaction, and acknowledges each event after that.
    async fn pump(
        &self,
        caller: &Caller,
        mut events: Streaming<proto::PushCallEventsRequest>,
        sender: &Answers,
    ) -> std::result::Result<(), Status> {
        while let Some(first) = events.message().await? {
            let mut group = vec![first];
            let mut end = None;
            while group.len() < GROUP && end.is_none() {
                match events.message().now_or_never() {
                    None => break,
                    Some(Ok(Some(event))) => group.push(event),
                    Some(Ok(None)) => end = Some(Ok(())),
                    // what came before the fault is stored
                    Some(Err(cause)) => end = Some(Err(cause)),
                }
            }
            for answer in self.take_group(caller, group).await? {
                if sender.send(Ok(answer)).await.is_err() {
                    return Ok(());
                }
            }
            if let Some(end) = end {
                return end;
            }
        }
        Ok(())
    }

    async fn take_group(
        &self,
        caller: &Caller,
        group: Vec<proto::PushCallEventsRequest>,
    ) -> Result<Vec<proto::PushCallEventsResponse>> {
        let now = self.intake.db.clock().now();
        let mut doors: HashMap<String, Result<Connector>> = HashMap::new();
        let mut waiting: BTreeMap<String, Vec<Item>> = BTreeMap::new();
        let mut read = Vec::with_capacity(group.len());
        for request in group {
            if !doors.contains_key(&request.connector) {
                let door = self.door(caller, &request.connector).await;
                if let Err(cause) = &door
                    && matches!(cause.code(), Code::Unavailable | Code::Internal)
                {
                    return Err(cause.clone());
                }
                doors.insert(request.connector.clone(), door);
            }
            let door = doors[&request.connector].as_ref().map_err(Clone::clone);
            let items = door.and_then(|connector| self.items(connector, request.event, now));
            read.push((
                request.sequence,
                items.map(|(connector, call, items)| {
                    waiting.entry(connector.clone()).or_default().extend(items);
                    (connector, call)
                }),
            ));
        }
        let mut taken = HashMap::new();
        for (connector, items) in waiting {
            let calls = self.intake.take(&connector, items).await?;
            taken.insert(connector, calls);
        }
        let call_of = |(connector, call): (String, String)| {
            taken.get(&connector).and_then(|calls| calls.get(&call)).map(|id| format!("calls/{id}"))
        };
        let answers = read.into_iter().map(|(sequence, outcome)| match outcome {
            Ok(place) => proto::PushCallEventsResponse {
                sequence,
                call: call_of(place).unwrap_or_default(),
                error: String::new(),
            },
            Err(cause) => proto::PushCallEventsResponse {
                sequence,
                call: String::new(),
                error: cause.message().to_owned(),
            },
        });
        Ok(answers.collect())
    }

    fn items(
        &self,
        connector: &Connector,
        event: Option<proto::CallEvent>,
        now: i64,
    ) -> Result<(String, String, Vec<Item>)> {
        let event = event.ok_or_else(|| Error::invalid("event", "it is missing"))?;
        let call = event.call_id.clone();
        let rules = connector.numbers(&self.context.company.region)?;
        let items = convert::told(event)?.items(&connector.id, &rules, now, "")?;
        Ok((connector.id.clone(), call, items))
    }

    /// The gRPC connector of that name, if the caller may push to it.
    async fn door(&self, caller: &Caller, name: &str) -> Result<Connector> {
        let connector = self.connector(name).await?;
        let Kind::Grpc { user } = &connector.kind else {
            return Err(Error::invalid("connector", format!("{name} takes no gRPC stream")));
        };
        if !caller.admin && (user.is_empty() || *user != caller.name()) {
            return Err(Error::denied(format!("only an administrator or the user of {name} may push to it")));
        }
        must_be_on(&connector)?;
        Ok(connector)
    }

    async fn connector(&self, name: &str) -> Result<Connector> {
        let id = id::parse("connectors", name, "connector").map_err(|_| Error::not_found(name))?.to_owned();
        self.intake.db.read(move |conn| resource::get(conn, &id)).await
    }

    /// The webhook connector of that name. One of another kind does not exist here.
    async fn webhook(&self, name: &str) -> Result<Connector> {
        let connector = self.connector(name).await?;
        match &connector.kind {
            Kind::Webhook { .. } | Kind::Cloud(_) => Ok(connector),
            Kind::FreeSwitch(freeswitch) if !freeswitch.post_secret.is_empty() => Ok(connector),
            _ => Err(Error::not_found(name)),
        }
    }

    /// All events of a post or none.
    async fn take_post(
        &self,
        connector: &Connector,
        request: &proto::ReceiveWebhookRequest,
    ) -> Result<BTreeMap<String, String>> {
        let secret = match &connector.kind {
            Kind::Webhook { secret } => secret,
            Kind::FreeSwitch(freeswitch) => return self.take_cdr(connector, freeswitch, request).await,
            Kind::Cloud(cloud) => return self.take_cloud(connector, cloud, request).await,
            _ => return Err(Error::not_found(connector.name())),
        };
        let now = self.intake.db.clock().now();
        let header = |name: &str| request.headers.get(name).map(String::as_str);
        let (timestamp, signature) = (header("x-kontor-timestamp"), header("x-kontor-signature"));
        post::verify(secret, timestamp, signature, &request.body, now)?;
        must_be_on(connector)?;
        let rules = connector.numbers(&self.context.company.region)?;
        let mut items = Vec::new();
        for (place, told) in post::read(&request.body)? {
            items.extend(told.items(&connector.id, &rules, now, &place)?);
        }
        self.intake.take(&connector.id, items).await
    }

    /// One record of mod_json_cdr.
    async fn take_cdr(
        &self,
        connector: &Connector,
        freeswitch: &FreeSwitch,
        request: &proto::ReceiveWebhookRequest,
    ) -> Result<BTreeMap<String, String>> {
        let header = |name: &str| request.headers.get(name).map(String::as_str);
        cdr::verify(&freeswitch.post_secret, header("authorization"), header("x-kontor-secret"))?;
        must_be_on(connector)?;
        let rules = rules(connector, freeswitch, &self.context.company.region)?;
        let facts = Cdr::read(&request.body)?.facts(&connector.id, &rules, self.intake.db.clock().now())?;
        self.intake.take(&connector.id, facts.into_iter().map(Into::into).collect()).await
    }

    /// One post of a cloud telephone system, checked and read as it says it.
    async fn take_cloud(
        &self,
        connector: &Connector,
        cloud: &Cloud,
        request: &proto::ReceiveWebhookRequest,
    ) -> Result<BTreeMap<String, String>> {
        let now = self.intake.db.clock().now();
        let url = address::of(&cloud.public_url, &self.intake.public_url, &request.path);
        let post = web::Post {
            headers: &request.headers,
            url: url.as_deref(),
            query: &request.query,
            body: &request.body,
        };
        let rules = connector.numbers(&self.context.company.region)?;
        let (id, secret) = (connector.id.as_str(), cloud.secret.as_str());
        let mut nonce = None;
        let items = match cloud.provider {
            Provider::Twilio => {
                let fields = twilio::verify(secret, &post)?;
                must_be_on(connector)?;
                twilio::items(&fields, id, &rules, now)?
            }
            Provider::Plivo => {
                let fields = plivo::verify(secret, &post)?;
                must_be_on(connector)?;
                plivo::items(&fields, id, &rules, now)?
            }
            Provider::Vonage => {
                nonce = Some(vonage::verify(secret, &post, now)?);
                must_be_on(connector)?;
                vonage::items(&web::fields::Fields::json(post.body)?, id, &rules, now)?
            }
            Provider::ThreeCx => {
                let fields = threecx::verify(secret, &post)?;
                must_be_on(connector)?;
                threecx::items(&fields, id, &rules, now)?
            }
        };
        self.intake.take_once(id, nonce, items).await
    }
}

fn must_be_on(connector: &Connector) -> Result<()> {
    if connector.disabled {
        return Err(Error::precondition("CONNECTOR_DISABLED", format!("{} is disabled", connector.name())));
    }
    Ok(())
}
