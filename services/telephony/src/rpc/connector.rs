//! ConnectorService: protobuf to domain and back. Secrets come in and never go out, but once for a new webhook.
//! Called by the gateway.

use kontor_kit::auth::Caller;
use kontor_kit::db::Tx;
use kontor_kit::mask::Mask;
use kontor_kit::page::Query;
use kontor_kit::resource::{self, Stored};
use kontor_kit::{Error, Result, clock, id, replay};
use kontor_proto::telephony::v1 as proto;
use kontor_proto::telephony::v1::connector::Kind as ProtoKind;
use kontor_proto::telephony::v1::connector_service_server::ConnectorService;
use tonic::{Request, Response, Status};

use super::{cloud, switch};
use crate::connectors::keeper::Keeper;
use crate::domain::cloud::Provider;
use crate::domain::connector::{Asterisk, Connector, Kind};
use crate::domain::skew;
use crate::intake::Intake;
use crate::store;
use crate::store::refusal::Refused;
use crate::store::state::Live;

/// What the live state depends on beside the database.
#[derive(Clone, Copy)]
struct Now {
    /// Microseconds since 1970 UTC.
    time: i64,
    /// Whether the installation knows by which address it is reached.
    public_url: bool,
}

/// The service.
pub struct Connectors {
    pub(super) intake: Intake,
    pub(super) keeper: Keeper,
}

impl Connectors {
    fn now(&self) -> Now {
        Now { time: self.intake.db.clock().now(), public_url: !self.intake.public_url.is_empty() }
    }
}

type Answer<T> = std::result::Result<Response<T>, Status>;

/// Fields that an update may name.
const FIELDS: [&str; 41] = [
    "display_name",
    "disabled",
    "region",
    "outside_prefix",
    "extension_digits",
    "webhook",
    "webhook.secret",
    "grpc",
    "grpc.user",
    "asterisk",
    "asterisk.host",
    "asterisk.port",
    "asterisk.username",
    "asterisk.secret",
    "asterisk.trunk_prefixes",
    "freeswitch",
    "freeswitch.host",
    "freeswitch.port",
    "freeswitch.password",
    "freeswitch.trunk_prefixes",
    "freeswitch.trunk_contexts",
    "freeswitch.post_secret",
    "dial",
    "dial.device",
    "dial.context",
    "dial.caller_id",
    "dial.ring_timeout",
    "dial.number_form",
    "dial.list_device",
    "dial.wait_extension",
    "dial.list_caller_id",
    "twilio",
    "twilio.auth_token",
    "twilio.public_url",
    "plivo",
    "plivo.auth_token",
    "plivo.public_url",
    "vonage",
    "vonage.signature_secret",
    "threecx",
    "threecx.token",
];

#[tonic::async_trait]
impl ConnectorService for Connectors {
    async fn list_connectors(
        &self,
        request: Request<proto::ListConnectorsRequest>,
    ) -> Answer<proto::ListConnectorsResponse> {
        let caller = Caller::of(&request)?;
        let proto::ListConnectorsRequest { page_size, page_token } = request.into_inner();
        let query = Query { page_size, page_token, ..Query::default() };
        let reader = caller.clone();
        let job = move |conn: &mut kontor_kit::db::Conn<'_>| {
            let page = store::connector::list(conn, &reader, &query)?;
            let mut connectors = Vec::with_capacity(page.rows.len());
            for connector in page.rows {
                let live = store::state::get(conn, &connector.id)?;
                connectors.push((connector, live));
            }
            Ok((connectors, page.next_page_token))
        };
        let (connectors, next_page_token) = self.intake.db.read(job).await?;
        let now = self.now();
        let connectors = connectors.iter().map(|(connector, live)| seen(&caller, connector, live, now));
        let connectors = connectors.collect();
        Ok(Response::new(proto::ListConnectorsResponse { connectors, next_page_token }))
    }

    async fn get_connector(&self, request: Request<proto::GetConnectorRequest>) -> Answer<proto::Connector> {
        let caller = Caller::of(&request)?;
        let id = id::parse("connectors", &request.get_ref().name, "name")?.to_owned();
        let job = move |conn: &mut kontor_kit::db::Conn<'_>| {
            Ok((resource::get::<Connector>(conn, &id)?, store::state::get(conn, &id)?))
        };
        let (connector, live) = self.intake.db.read(job).await?;
        Ok(Response::new(seen(&caller, &connector, &live, self.now())))
    }

    async fn create_connector(
        &self,
        request: Request<proto::CreateConnectorRequest>,
    ) -> Answer<proto::Connector> {
        let caller = Caller::of(&request)?;
        caller.must_be_admin()?;
        let request = request.into_inner();
        check_id(&request.connector_id)?;
        let connector = new(&request)?;
        let now = self.now();
        if request.validate_only {
            let id = connector.id.clone();
            let taken = self.intake.db.read(move |conn| match resource::get::<Connector>(conn, &id) {
                Ok(connector) => Err(Error::already_exists(connector.name())),
                Err(cause) if cause.code() == tonic::Code::NotFound => Ok(()),
                Err(cause) => Err(cause),
            });
            taken.await?;
            return Ok(Response::new(to_proto(&connector, &Live::default(), now)));
        }
        let draft = connector.clone();
        let (mut answer, is_new) = self
            .intake
            .db
            .write(move |tx| {
                let mut is_new = false;
                let answer = replay::once(tx, &caller, &request.request_id, &request, |tx| {
                    is_new = true;
                    resource::insert(tx, &draft)?;
                    store::state::create(tx, &draft.id)?;
                    // what is kept for a repeat has no secret in it
                    Ok(to_proto(&draft, &Live::default(), now))
                })?;
                Ok((answer, is_new))
            })
            .await?;
        match &connector.kind {
            Kind::Webhook { secret } if is_new => {
                answer.kind = Some(ProtoKind::Webhook(proto::WebhookSettings { secret: secret.clone() }));
            }
            Kind::Cloud(of) if is_new && of.provider == Provider::ThreeCx => {
                answer.kind = Some(cloud::shown(of, &of.secret));
            }
            _ => {}
        }
        self.keeper.wake();
        Ok(Response::new(answer))
    }

    async fn update_connector(
        &self,
        request: Request<proto::UpdateConnectorRequest>,
    ) -> Answer<proto::Connector> {
        let caller = Caller::of(&request)?;
        caller.must_be_admin()?;
        let request = request.into_inner();
        let given = request.connector.clone().ok_or_else(|| Error::invalid("connector", "it is missing"))?;
        let id = id::parse("connectors", &given.name, "connector.name")?.to_owned();
        let mask = Mask::read(request.update_mask.as_ref(), &FIELDS, &fields_set(&given))?;
        check_settings(request.update_mask.as_ref(), &given)?;
        let now = self.now();
        let answer = self
            .intake
            .db
            .write(move |tx| {
                replay::once(tx, &caller, &request.request_id, &request, |tx| {
                    let mut connector = resource::hold::<Connector>(tx, &id)?;
                    resource::check_etag(&connector, &given.etag)?;
                    apply(&mask, &given, &mut connector)?;
                    connector.check()?;
                    resource::update(tx, &mut connector)?;
                    Ok(to_proto(&connector, &store::state::get(tx, &id)?, now))
                })
            })
            .await?;
        self.keeper.wake();
        Ok(Response::new(answer))
    }

    async fn delete_connector(&self, request: Request<proto::DeleteConnectorRequest>) -> Answer<()> {
        let caller = Caller::of(&request)?;
        caller.must_be_admin()?;
        let request = request.into_inner();
        let id = id::parse("connectors", &request.name, "name")?.to_owned();
        self.intake
            .db
            .write(move |tx| {
                replay::once(tx, &caller, &request.request_id, &request, |tx| delete(tx, &id, &request.etag))
            })
            .await?;
        self.keeper.wake();
        Ok(Response::new(()))
    }
}

fn delete(tx: &mut Tx<'_>, id: &str, etag: &str) -> Result<()> {
    let connector = resource::hold::<Connector>(tx, id)?;
    resource::check_etag(&connector, etag)?;
    resource::delete(tx, &connector)?;
    store::state::delete(tx, id)
}

fn check_id(id: &str) -> Result<()> {
    id::check_chosen(id, "connector_id")?;
    if id.contains(['.', '_']) {
        return Err(Error::invalid(
            "connector_id",
            format!("{id:?} is no id: use 1 to 64 of a-z, 0-9, \"-\""),
        ));
    }
    Ok(())
}

fn new(request: &proto::CreateConnectorRequest) -> Result<Connector> {
    let given = request.connector.clone().ok_or_else(|| Error::invalid("connector", "it is missing"))?;
    let kind = match given.kind {
        Some(ProtoKind::Webhook(webhook)) if webhook.secret.is_empty() => {
            Kind::Webhook { secret: new_secret()? }
        }
        Some(ProtoKind::Webhook(webhook)) => Kind::Webhook { secret: webhook.secret },
        Some(ProtoKind::Grpc(grpc)) => Kind::Grpc { user: grpc.user },
        Some(ProtoKind::Asterisk(settings)) => Kind::Asterisk(Asterisk {
            host: settings.host,
            port: settings.port,
            username: settings.username,
            secret: settings.secret,
            trunk_prefixes: settings.trunk_prefixes,
        }),
        Some(ProtoKind::Freeswitch(settings)) => Kind::FreeSwitch(switch::new(settings)),
        Some(other) => {
            let mut cloud =
                cloud::read(&other).ok_or_else(|| Error::invalid("connector.kind", "it is not known"))?;
            if cloud.provider == Provider::ThreeCx && cloud.secret.is_empty() {
                cloud.secret = new_secret()?;
            }
            Kind::Cloud(cloud)
        }
        None => {
            let message =
                "say how it speaks: webhook, grpc, asterisk, freeswitch, twilio, plivo, vonage or threecx";
            return Err(Error::invalid("connector.kind", message));
        }
    };
    let connector = Connector {
        id: request.connector_id.clone(),
        version: 1,
        display_name: given.display_name,
        disabled: given.disabled,
        kind,
        region: given.region.to_uppercase(),
        outside_prefix: given.outside_prefix,
        extension_digits: given.extension_digits,
        dial: switch::dial(given.dial.as_ref())?,
    };
    connector.check()?;
    Ok(connector)
}

/// 32 random bytes as 64 letters.
fn new_secret() -> Result<String> {
    let mut bytes = [0_u8; 32];
    getrandom::fill(&mut bytes).map_err(Error::internal)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn fields_set(given: &proto::Connector) -> Vec<&'static str> {
    let kind = match &given.kind {
        Some(ProtoKind::Webhook(_)) => "webhook",
        Some(ProtoKind::Grpc(_)) => "grpc",
        Some(ProtoKind::Asterisk(_)) => "asterisk",
        Some(ProtoKind::Freeswitch(_)) => "freeswitch",
        Some(other) => cloud::read(other).map_or("", |cloud| cloud.provider.field()),
        None => "",
    };
    let set = [
        ("display_name", !given.display_name.is_empty()),
        ("disabled", given.disabled),
        ("region", !given.region.is_empty()),
        ("outside_prefix", !given.outside_prefix.is_empty()),
        ("extension_digits", given.extension_digits != 0),
        ("dial", given.dial.is_some()),
        (kind, !kind.is_empty()),
    ];
    set.into_iter().filter(|(_, set)| *set).map(|(field, _)| field).collect()
}

/// Settings that the mask names must be there: nothing would be taken over, and nobody would know.
fn check_settings(mask: Option<&prost_types::FieldMask>, given: &proto::Connector) -> Result<()> {
    let mut paths = mask.into_iter().flat_map(|mask| &mask.paths);
    let kinds = ["webhook", "grpc", "asterisk", "freeswitch", "twilio", "plivo", "vonage", "threecx"];
    let named = paths.find_map(|path| path.split('.').next().filter(|kind| kinds.contains(kind)));
    match (named, &given.kind) {
        (Some(kind), None) => {
            Err(Error::invalid(format!("connector.{kind}"), "update_mask names it, but it is missing"))
        }
        _ => Ok(()),
    }
}

fn apply(mask: &Mask, given: &proto::Connector, to: &mut Connector) -> Result<()> {
    if mask.has("display_name") {
        to.display_name.clone_from(&given.display_name);
    }
    if mask.has("disabled") {
        to.disabled = given.disabled;
    }
    if mask.has("region") {
        to.region = given.region.to_uppercase();
    }
    if mask.has("outside_prefix") {
        to.outside_prefix.clone_from(&given.outside_prefix);
    }
    if mask.has("extension_digits") {
        to.extension_digits = given.extension_digits;
    }
    let takes = |whole: &str, part: &str| mask.has(whole) || mask.has(&format!("{whole}.{part}"));
    switch::apply_dial(takes, given.dial.as_ref(), &mut to.dial)?;
    let Some(kind) = &given.kind else { return Ok(()) };
    match (kind, &mut to.kind) {
        // an empty secret keeps the one there is: nobody can read it to send it back
        (ProtoKind::Webhook(from), Kind::Webhook { secret }) => {
            if takes("webhook", "secret") && !from.secret.is_empty() {
                secret.clone_from(&from.secret);
            }
        }
        (ProtoKind::Grpc(from), Kind::Grpc { user }) => {
            if takes("grpc", "user") {
                user.clone_from(&from.user);
            }
        }
        (ProtoKind::Asterisk(from), Kind::Asterisk(asterisk)) => apply_asterisk(takes, from, asterisk),
        (ProtoKind::Freeswitch(from), Kind::FreeSwitch(freeswitch)) => switch::apply(takes, from, freeswitch),
        (from, Kind::Cloud(cloud)) => cloud::apply(takes, from, cloud)?,
        _ => return Err(Error::invalid("connector.kind", "a connector keeps its kind: make a new one")),
    }
    Ok(())
}

fn apply_asterisk(takes: impl Fn(&str, &str) -> bool, from: &proto::AsteriskSettings, to: &mut Asterisk) {
    if takes("asterisk", "host") {
        to.host.clone_from(&from.host);
    }
    if takes("asterisk", "port") {
        to.port = from.port;
    }
    if takes("asterisk", "username") {
        to.username.clone_from(&from.username);
    }
    if takes("asterisk", "secret") && !from.secret.is_empty() {
        to.secret.clone_from(&from.secret);
    }
    if takes("asterisk", "trunk_prefixes") {
        to.trunk_prefixes.clone_from(&from.trunk_prefixes);
    }
}

/// Admins see all but secrets, others only names.
fn seen(caller: &Caller, connector: &Connector, live: &Live, now: Now) -> proto::Connector {
    if caller.admin {
        return to_proto(connector, live, now);
    }
    proto::Connector {
        name: connector.name(),
        display_name: connector.display_name.clone(),
        ..Default::default()
    }
}

fn to_proto(connector: &Connector, live: &Live, now: Now) -> proto::Connector {
    let kind = match &connector.kind {
        Kind::Webhook { .. } => ProtoKind::Webhook(proto::WebhookSettings::default()),
        Kind::Grpc { user } => ProtoKind::Grpc(proto::GrpcSettings { user: user.clone() }),
        Kind::Asterisk(asterisk) => ProtoKind::Asterisk(proto::AsteriskSettings {
            host: asterisk.host.clone(),
            port: asterisk.port,
            username: asterisk.username.clone(),
            secret: String::new(),
            trunk_prefixes: asterisk.trunk_prefixes.clone(),
        }),
        Kind::FreeSwitch(freeswitch) => ProtoKind::Freeswitch(switch::to_proto(freeswitch)),
        Kind::Cloud(cloud) => cloud::shown(cloud, ""),
    };
    proto::Connector {
        name: connector.name(),
        display_name: connector.display_name.clone(),
        disabled: connector.disabled,
        kind: Some(kind),
        region: connector.region.clone(),
        outside_prefix: connector.outside_prefix.clone(),
        extension_digits: connector.extension_digits,
        state: Some(state(connector, live, now)),
        etag: connector.etag(),
        dial: switch::dial_to_proto(&connector.dial),
    }
}

fn state(connector: &Connector, live: &Live, now: Now) -> proto::ConnectorState {
    let (connected, description) = match &connector.kind {
        _ if connector.disabled => (false, "disabled".to_owned()),
        Kind::Cloud(cloud)
            if cloud.provider.signs_address() && cloud.public_url.is_empty() && !now.public_url =>
        {
            let message = "takes no posts: their signature covers the public address, and Kontor does not know it: set public_url, or public.address of the installation";
            (false, message.to_owned())
        }
        Kind::Webhook { .. } | Kind::Cloud(_) => (true, "ready to take posts".to_owned()),
        Kind::Grpc { .. } => (true, "ready to take a stream".to_owned()),
        Kind::Asterisk(_) | Kind::FreeSwitch(_) if live.lease_until < now.time => {
            (false, "not connected: no process holds the session".to_owned())
        }
        Kind::Asterisk(_) | Kind::FreeSwitch(_) => (live.connected, live.description.clone()),
    };
    let clock = if connector.disabled { String::new() } else { skew::words(live.clock_behind) };
    let description = if clock.is_empty() { description } else { format!("{description}; {clock}") };
    proto::ConnectorState {
        connected,
        description,
        last_event_time: live.last_event.map(clock::to_proto),
        last_error: live.last_error.clone(),
        clock_behind: Some(live.clock_behind).filter(|_| !clock.is_empty()).map(crate::events::duration),
        refused_posts: live.refused.iter().map(refused).collect(),
    }
}

fn refused(of: &Refused) -> proto::RefusedPosts {
    proto::RefusedPosts {
        reason: of.reason.clone(),
        description: of.description.clone(),
        count: of.posts,
        last_time: Some(clock::to_proto(of.last_time)),
    }
}
