//! The settings of one Asterisk connector.
//! Made by the telephony service from its configuration; read by the session and the translation.

pub use crate::connectors::session::{Secret, Timing};
pub use crate::connectors::stream::Tls;
use crate::domain::fact::Side;
use crate::domain::number::NumberRules;

/// One Asterisk.
#[derive(Debug, Clone)]
pub struct Config {
    /// The connector's name; becomes part of the key of each call.
    pub connector: String,
    /// Host name or address.
    pub host: String,
    /// TCP port; Asterisk listens on 5038, with TLS on 5039.
    pub port: u16,
    /// The manager user; needs `read = call,agent,system` and `write = call,originate,reporting,system`.
    pub user: String,
    /// Its secret.
    pub secret: Secret,
    /// How to prove that we know the secret.
    pub login: Login,
    /// Which events to ask for.
    pub event_mask: String,
    /// How this Asterisk writes numbers and names channels.
    pub rules: Rules,
    /// How long to wait for what.
    pub timing: Timing,
    /// TLS, where the connection is encrypted.
    pub tls: Option<Tls>,
}

impl Config {
    /// Settings with the usual port, events and times.
    pub fn new(connector: &str, host: &str, user: &str, secret: &str, rules: Rules) -> Self {
        Config {
            connector: connector.to_owned(),
            host: host.to_owned(),
            port: 5038,
            user: user.to_owned(),
            secret: Secret(secret.to_owned()),
            login: Login::Md5,
            event_mask: "call,agent,system".to_owned(),
            rules,
            timing: Timing::default(),
            tls: None,
        }
    }
}

/// How to log in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Login {
    /// The secret goes over the wire.
    Plain,
    /// Asterisk sends a challenge; the secret stays here. This hides the secret, not the events.
    Md5,
}

/// How one Asterisk writes numbers and names channels.
#[derive(Debug, Clone)]
pub struct Rules {
    /// How it writes numbers.
    pub numbers: NumberRules,
    /// Which channels lead outside.
    pub trunks: Trunks,
}

/// Which channels lead outside: those whose name begins with a prefix, or that start in a context.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trunks {
    /// Beginnings of channel names, such as `PJSIP/trunk-`.
    pub channel_prefixes: Vec<String>,
    /// Dial plan contexts of calls from outside, such as `from-trunk`.
    pub contexts: Vec<String>,
}

/// Channels that join others, with nobody behind them.
const RELAYS: [&str; 1] = ["Local/"];
/// Channels of Asterisk's own machinery.
const HELPERS: [&str; 9] = [
    "Announcer/",
    "AsyncGoto/",
    "Bridge/",
    "CBAnn/",
    "CBRec/",
    "ConfBridgeRecorder/",
    "Message/",
    "Recorder/",
    "Surrogate/",
];

impl Trunks {
    /// What is at the far end of a channel of this name that is, as far as known, in this context.
    pub fn side(&self, channel: &str, context: Option<&str>) -> Side {
        let begins = |prefixes: &[&str]| prefixes.iter().any(|prefix| channel.starts_with(prefix));
        if begins(&HELPERS) {
            Side::Helper
        } else if begins(&RELAYS) {
            Side::Relay
        } else if self.channel_prefixes.iter().any(|prefix| channel.starts_with(prefix.as_str()))
            || context.is_some_and(|context| self.contexts.iter().any(|it| it == context))
        {
            Side::Trunk
        } else {
            Side::Phone
        }
    }
}
