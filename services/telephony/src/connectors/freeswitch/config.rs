//! The settings of one FreeSWITCH connector.
//! Made by the keeper from the connector; read by the session and the translation.

pub use crate::connectors::session::{Secret, Timing};
pub use crate::connectors::stream::Tls;
use crate::domain::connector::{Connector, FreeSwitch};
use crate::domain::fact::Side;
use crate::domain::number::NumberRules;

/// One FreeSWITCH.
#[derive(Debug, Clone)]
pub struct Config {
    /// The connector's name; becomes part of the key of each call.
    pub connector: String,
    /// Host name or address.
    pub host: String,
    /// TCP port; the event socket listens on 8021.
    pub port: u16,
    /// Its password.
    pub password: Secret,
    /// How this FreeSWITCH writes numbers and names channels.
    pub rules: Rules,
    /// How long to wait for what.
    pub timing: Timing,
    /// How often it is asked which channels there are: it drops events when it is busy, and its numbers do not tell.
    pub survey: std::time::Duration,
    /// TLS, where the connection is encrypted.
    pub tls: Option<Tls>,
}

impl Config {
    /// Settings with the usual port and times.
    pub fn new(connector: &str, host: &str, password: &str, rules: Rules) -> Self {
        Config {
            connector: connector.to_owned(),
            host: host.to_owned(),
            port: 8021,
            password: Secret(password.to_owned()),
            rules,
            timing: Timing::default(),
            survey: std::time::Duration::from_secs(60),
            tls: None,
        }
    }
}

/// How one FreeSWITCH writes numbers and names channels.
#[derive(Debug, Clone)]
pub struct Rules {
    /// How it writes numbers.
    pub numbers: NumberRules,
    /// Which channels lead outside.
    pub trunks: Trunks,
}

/// The rules of a connector; `region` is the installation's country.
///
/// # Errors
/// INVALID_ARGUMENT when the country is none.
pub(crate) fn rules(connector: &Connector, it: &FreeSwitch, region: &str) -> kontor_kit::Result<Rules> {
    let trunks = Trunks { channel_prefixes: it.trunk_prefixes.clone(), contexts: it.trunk_contexts.clone() };
    Ok(Rules { numbers: connector.numbers(region)?, trunks })
}

/// Which channels lead outside: those whose name begins with a prefix, or that call in a context.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trunks {
    /// Beginnings of channel names, such as `sofia/external/`.
    pub channel_prefixes: Vec<String>,
    /// Dial plan contexts of calls from outside, such as `public`.
    pub contexts: Vec<String>,
}

impl Trunks {
    /// What is at the far end of a channel of this name. The context only tells of channels that call us.
    pub fn side(&self, channel: &str, context: Option<&str>, arriving: bool) -> Side {
        if channel.starts_with("loopback/") {
            Side::Relay
        } else if self.channel_prefixes.iter().any(|prefix| channel.starts_with(prefix.as_str()))
            || (arriving && context.is_some_and(|context| self.contexts.iter().any(|it| it == context)))
        {
            Side::Trunk
        } else {
            Side::Phone
        }
    }
}
