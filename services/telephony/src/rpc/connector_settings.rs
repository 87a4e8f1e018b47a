//! A connector's settings between protobuf and domain: a new one, and what an update takes over. Secrets come in and never go out.
//! Called by rpc/connector.rs; each kind's own settings are in asterisk.rs, switch.rs and cloud.rs.

use kontor_kit::mask::Mask;
use kontor_kit::{Error, Result};
use kontor_proto::telephony::v1 as proto;
use kontor_proto::telephony::v1::connector::Kind as ProtoKind;

use super::{asterisk, cloud, switch};
use crate::connectors::stream::Tls;
use crate::domain::cloud::Provider;
use crate::domain::connector::{Connector, Kind};

/// Fields that an update may name.
pub(super) const FIELDS: [&str; 54] = [
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
    "asterisk.tls",
    "asterisk.tls.certificates",
    "ari",
    "ari.host",
    "ari.port",
    "ari.username",
    "ari.password",
    "ari.trunk_prefixes",
    "ari.tls",
    "ari.tls.certificates",
    "freeswitch",
    "freeswitch.host",
    "freeswitch.port",
    "freeswitch.password",
    "freeswitch.trunk_prefixes",
    "freeswitch.trunk_contexts",
    "freeswitch.post_secret",
    "freeswitch.tls",
    "freeswitch.tls.certificates",
    "dial",
    "dial.device",
    "dial.context",
    "dial.caller_id",
    "dial.ring_timeout",
    "dial.number_form",
    "dial.list_device",
    "dial.wait_extension",
    "dial.list_caller_id",
    "dial.list_number_form",
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

/// Checks all values, certificates among them.
///
/// # Errors
/// INVALID_ARGUMENT naming the field.
pub(super) fn check(connector: &Connector) -> Result<()> {
    connector.check()?;
    let (kind, tls) = match &connector.kind {
        Kind::Asterisk(it) => ("asterisk", &it.tls),
        Kind::Ari(it) => ("ari", &it.tls),
        Kind::FreeSwitch(it) => ("freeswitch", &it.tls),
        Kind::Webhook { .. } | Kind::Grpc { .. } | Kind::Cloud(_) => return Ok(()),
    };
    let Some(tls) = tls else { return Ok(()) };
    let wrong = |words| Error::invalid(format!("connector.{kind}.tls.certificates"), words);
    Tls::new(&tls.certificates).map(|_| ()).map_err(wrong)
}

/// A new connector.
///
/// # Errors
/// INVALID_ARGUMENT naming the field.
pub(super) fn new(request: &proto::CreateConnectorRequest) -> Result<Connector> {
    let given = request.connector.clone().ok_or_else(|| Error::invalid("connector", "it is missing"))?;
    let kind = match given.kind {
        Some(ProtoKind::Webhook(webhook)) if webhook.secret.is_empty() => {
            Kind::Webhook { secret: new_secret()? }
        }
        Some(ProtoKind::Webhook(webhook)) => Kind::Webhook { secret: webhook.secret },
        Some(ProtoKind::Grpc(grpc)) => Kind::Grpc { user: grpc.user },
        Some(ProtoKind::Asterisk(settings)) => Kind::Asterisk(asterisk::new(settings)),
        Some(ProtoKind::Ari(settings)) => Kind::Ari(asterisk::new_ari(settings)),
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
            let message = "say how it speaks: webhook, grpc, asterisk, ari, freeswitch, twilio, plivo, vonage or threecx";
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
    check(&connector)?;
    Ok(connector)
}

/// 32 random bytes as 64 letters.
fn new_secret() -> Result<String> {
    let mut bytes = [0_u8; 32];
    getrandom::fill(&mut bytes).map_err(Error::internal)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

pub(super) fn fields_set(given: &proto::Connector) -> Vec<&'static str> {
    let kind = match &given.kind {
        Some(ProtoKind::Webhook(_)) => "webhook",
        Some(ProtoKind::Grpc(_)) => "grpc",
        Some(ProtoKind::Asterisk(_)) => "asterisk",
        Some(ProtoKind::Ari(_)) => "ari",
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
pub(super) fn check_settings(mask: Option<&prost_types::FieldMask>, given: &proto::Connector) -> Result<()> {
    let mut paths = mask.into_iter().flat_map(|mask| &mask.paths);
    let kinds = ["webhook", "grpc", "asterisk", "ari", "freeswitch", "twilio", "plivo", "vonage", "threecx"];
    let named = paths.find_map(|path| path.split('.').next().filter(|kind| kinds.contains(kind)));
    match (named, &given.kind) {
        (Some(kind), None) => {
            Err(Error::invalid(format!("connector.{kind}"), "update_mask names it, but it is missing"))
        }
        _ => Ok(()),
    }
}

pub(super) fn apply(mask: &Mask, given: &proto::Connector, to: &mut Connector) -> Result<()> {
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
        (ProtoKind::Asterisk(from), Kind::Asterisk(to)) => asterisk::apply(takes, from, to),
        (ProtoKind::Ari(from), Kind::Ari(to)) => asterisk::apply_ari(takes, from, to),
        (ProtoKind::Freeswitch(from), Kind::FreeSwitch(freeswitch)) => switch::apply(takes, from, freeswitch),
        (from, Kind::Cloud(cloud)) => cloud::apply(takes, from, cloud)?,
        _ => return Err(Error::invalid("connector.kind", "a connector keeps its kind: make a new one")),
    }
    Ok(())
}
