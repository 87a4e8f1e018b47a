//! Settings of cloud telephone systems between protobuf and domain. Secrets come in and never go out, but for a new token of 3CX, once.
//! Called by rpc/connector.rs.

use kontor_kit::{Error, Result};
use kontor_proto::telephony::v1 as proto;
use kontor_proto::telephony::v1::connector::Kind as ProtoKind;

use crate::domain::cloud::{Cloud, Provider};

/// The settings, when they are of a cloud telephone system. The secret is as it was given.
pub(super) fn read(kind: &ProtoKind) -> Option<Cloud> {
    let (provider, secret, public_url) = match kind {
        ProtoKind::Twilio(it) => (Provider::Twilio, &it.auth_token, it.public_url.clone()),
        ProtoKind::Plivo(it) => (Provider::Plivo, &it.auth_token, it.public_url.clone()),
        ProtoKind::Vonage(it) => (Provider::Vonage, &it.signature_secret, String::new()),
        ProtoKind::Threecx(it) => (Provider::ThreeCx, &it.token, String::new()),
        _ => return None,
    };
    Some(Cloud { provider, secret: secret.clone(), public_url })
}

/// The settings as administrators see them, with `secret` where it is to be seen.
pub(super) fn shown(cloud: &Cloud, secret: &str) -> ProtoKind {
    let (secret, public_url) = (secret.to_owned(), cloud.public_url.clone());
    match cloud.provider {
        Provider::Twilio => ProtoKind::Twilio(proto::TwilioSettings { auth_token: secret, public_url }),
        Provider::Plivo => ProtoKind::Plivo(proto::PlivoSettings { auth_token: secret, public_url }),
        Provider::Vonage => ProtoKind::Vonage(proto::VonageSettings { signature_secret: secret }),
        Provider::ThreeCx => ProtoKind::Threecx(proto::ThreeCxSettings { token: secret }),
    }
}

/// Takes over what `takes` names. An empty secret keeps the present one: nobody can read it to send it back.
///
/// # Errors
/// INVALID_ARGUMENT when it is another kind.
pub(super) fn apply(takes: impl Fn(&str, &str) -> bool, from: &ProtoKind, to: &mut Cloud) -> Result<()> {
    let from = read(from).filter(|from| from.provider == to.provider).ok_or_else(other_kind)?;
    let kind = to.provider.field();
    if takes(kind, to.provider.secret_field()) && !from.secret.is_empty() {
        to.secret = from.secret;
    }
    if takes(kind, "public_url") {
        to.public_url = from.public_url;
    }
    Ok(())
}

fn other_kind() -> Error {
    Error::invalid("connector.kind", "a connector keeps its kind: make a new one")
}
