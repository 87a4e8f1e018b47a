//! Settings of an Asterisk (AMI and ARI) between protobuf and domain, and of TLS to any telephone system.
//! Called by rpc/connector_settings.rs, rpc/connector_state.rs and rpc/switch.rs.

use kontor_proto::telephony::v1 as proto;

use crate::domain::connector::{Ari, Asterisk, PeerTls};

/// The settings of a new one, by AMI.
pub(super) fn new(given: proto::AsteriskSettings) -> Asterisk {
    Asterisk {
        host: given.host,
        port: given.port,
        username: given.username,
        secret: given.secret,
        trunk_prefixes: given.trunk_prefixes,
        tls: given.tls.map(tls),
    }
}

/// The settings of a new one, by ARI.
pub(super) fn new_ari(given: proto::AriSettings) -> Ari {
    Ari {
        host: given.host,
        port: given.port,
        username: given.username,
        password: given.password,
        trunk_prefixes: given.trunk_prefixes,
        tls: given.tls.map(tls),
    }
}

/// TLS as it was given.
pub(super) fn tls(given: proto::PeerTls) -> PeerTls {
    PeerTls { certificates: given.certificates }
}

/// Takes the named settings over. An empty secret keeps the one there is: nobody can read it to send it back.
pub(super) fn apply(takes: impl Fn(&str, &str) -> bool, from: &proto::AsteriskSettings, to: &mut Asterisk) {
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
    apply_tls(|part| takes("asterisk", part), from.tls.as_ref(), &mut to.tls);
}

/// As [`apply`].
pub(super) fn apply_ari(takes: impl Fn(&str, &str) -> bool, from: &proto::AriSettings, to: &mut Ari) {
    if takes("ari", "host") {
        to.host.clone_from(&from.host);
    }
    if takes("ari", "port") {
        to.port = from.port;
    }
    if takes("ari", "username") {
        to.username.clone_from(&from.username);
    }
    if takes("ari", "password") && !from.password.is_empty() {
        to.password.clone_from(&from.password);
    }
    if takes("ari", "trunk_prefixes") {
        to.trunk_prefixes.clone_from(&from.trunk_prefixes);
    }
    apply_tls(|part| takes("ari", part), from.tls.as_ref(), &mut to.tls);
}

/// Takes TLS over: on with a message, off without one.
pub(super) fn apply_tls(
    takes: impl Fn(&str) -> bool,
    from: Option<&proto::PeerTls>,
    to: &mut Option<PeerTls>,
) {
    if takes("tls") || takes("tls.certificates") {
        *to = from.cloned().map(tls);
    }
}

/// The settings as administrators see them.
pub(super) fn to_proto(it: &Asterisk) -> proto::AsteriskSettings {
    proto::AsteriskSettings {
        host: it.host.clone(),
        port: it.port,
        username: it.username.clone(),
        secret: String::new(),
        trunk_prefixes: it.trunk_prefixes.clone(),
        tls: it.tls.as_ref().map(tls_to_proto),
    }
}

/// As [`to_proto`].
pub(super) fn ari_to_proto(it: &Ari) -> proto::AriSettings {
    proto::AriSettings {
        host: it.host.clone(),
        port: it.port,
        username: it.username.clone(),
        password: String::new(),
        trunk_prefixes: it.trunk_prefixes.clone(),
        tls: it.tls.as_ref().map(tls_to_proto),
    }
}

/// Certificates are no secret.
pub(super) fn tls_to_proto(tls: &PeerTls) -> proto::PeerTls {
    proto::PeerTls { certificates: tls.certificates.clone() }
}
