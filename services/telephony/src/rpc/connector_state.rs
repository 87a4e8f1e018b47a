//! A connector as callers see it: its settings without secrets, and how it is doing in words.
//! Called by rpc/connector.rs.

use kontor_kit::auth::Caller;
use kontor_kit::clock;
use kontor_kit::resource::Stored;
use kontor_proto::telephony::v1 as proto;
use kontor_proto::telephony::v1::connector::Kind as ProtoKind;

use super::{asterisk, cloud, switch};
use crate::domain::connector::{Connector, Kind};
use crate::domain::skew;
use crate::store::refusal::Refused;
use crate::store::state::Live;

/// What the live state depends on beside the database.
#[derive(Clone, Copy)]
pub(super) struct Now {
    /// Microseconds since 1970 UTC.
    pub(super) time: i64,
    /// Whether the installation knows by which address it is reached.
    pub(super) public_url: bool,
}

/// Admins see all but secrets, others only names.
pub(super) fn seen(caller: &Caller, connector: &Connector, live: &Live, now: Now) -> proto::Connector {
    if caller.admin {
        return to_proto(connector, live, now);
    }
    proto::Connector {
        name: connector.name(),
        display_name: connector.display_name.clone(),
        ..Default::default()
    }
}

/// As administrators see it.
pub(super) fn to_proto(connector: &Connector, live: &Live, now: Now) -> proto::Connector {
    let kind = match &connector.kind {
        Kind::Webhook { .. } => ProtoKind::Webhook(proto::WebhookSettings::default()),
        Kind::Grpc { user } => ProtoKind::Grpc(proto::GrpcSettings { user: user.clone() }),
        Kind::Asterisk(it) => ProtoKind::Asterisk(asterisk::to_proto(it)),
        Kind::Ari(it) => ProtoKind::Ari(asterisk::ari_to_proto(it)),
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
        Kind::Asterisk(_) | Kind::Ari(_) | Kind::FreeSwitch(_) if live.lease_until < now.time => {
            (false, "not connected: no process holds the session".to_owned())
        }
        Kind::Asterisk(_) | Kind::Ari(_) | Kind::FreeSwitch(_) => (live.connected, live.description.clone()),
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
