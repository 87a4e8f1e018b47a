//! The settings of one ARI connector.
//! Made by the keeper from the connector; read by the session.

pub use crate::connectors::ami::config::{Rules, Trunks};
pub use crate::connectors::session::{Secret, Timing};
pub use crate::connectors::stream::Tls;

/// One Asterisk, by its REST interface.
#[derive(Debug, Clone)]
pub struct Config {
    /// The connector's name; becomes part of the key of each call.
    pub connector: String,
    /// Host name or address.
    pub host: String,
    /// TCP port of Asterisk's HTTP server; 8088, with TLS 8089.
    pub port: u16,
    /// The user in ari.conf.
    pub user: String,
    /// Its password.
    pub password: Secret,
    /// Name of the Stasis application that we subscribe as. Asterisk has one connection for each name: a second one takes the first one's place.
    pub application: String,
    /// How this Asterisk writes numbers and names channels.
    pub rules: Rules,
    /// How long to wait for what.
    pub timing: Timing,
    /// TLS, where the connection is encrypted.
    pub tls: Option<Tls>,
}

impl Config {
    /// Settings with the usual port and times.
    pub fn new(connector: &str, host: &str, user: &str, password: &str, rules: Rules) -> Self {
        Config {
            connector: connector.to_owned(),
            host: host.to_owned(),
            port: 8088,
            user: user.to_owned(),
            password: Secret(password.to_owned()),
            application: format!("kontor-{connector}"),
            rules,
            timing: Timing::default(),
            tls: None,
        }
    }
}
