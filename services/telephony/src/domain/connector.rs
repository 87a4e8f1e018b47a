//! Connectors: which telephone systems there are and how each speaks. Secrets are kept readable, for they sign and log in.
//! Called by rpc/connector.rs (which checks new values), the intake and the keeper.

use kontor_kit::{Error, Result, id};

use super::cloud::Cloud;
use super::dial;
use super::number::{NumberRules, Region};

/// Shortest signing secret, in characters.
const SECRET_CHARACTERS: usize = 16;
/// Most bytes of the certificates that one connector trusts.
const CERTIFICATE_BYTES: usize = 64 * 1024;
/// Extensions have at most so many digits unless configured.
const EXTENSION_DIGITS: i32 = 4;

/// A telephone system. It has no `Debug`, so that no secret gets into a log.
#[derive(Clone, PartialEq, Eq)]
pub struct Connector {
    /// Chosen id.
    pub id: String,
    /// Raised by each change.
    pub version: i64,
    /// Name for people.
    pub display_name: String,
    /// Takes nothing and connects nowhere.
    pub disabled: bool,
    /// How it speaks.
    pub kind: Kind,
    /// ISO 3166 country of national numbers; the installation's when empty.
    pub region: String,
    /// Digits before an outside number, or empty.
    pub outside_prefix: String,
    /// Numbers of at most so many digits are extensions; 4 when 0.
    pub extension_digits: i32,
    /// How it makes calls.
    pub dial: dial::Settings,
}

/// How a connector speaks.
#[derive(Clone, PartialEq, Eq)]
pub enum Kind {
    /// Signed JSON posts.
    Webhook {
        /// Signs the posts.
        secret: String,
    },
    /// gRPC stream.
    Grpc {
        /// "users/{user}" who may push, or empty: admins only.
        user: String,
    },
    /// Asterisk manager interface.
    Asterisk(Asterisk),
    /// FreeSWITCH event socket, and posts of mod_json_cdr.
    FreeSwitch(FreeSwitch),
    /// Posts of a cloud telephone system.
    Cloud(Cloud),
    /// Asterisk REST interface.
    Ari(Ari),
}

/// The connection is encrypted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PeerTls {
    /// PEM of what is trusted; empty for the system's.
    pub certificates: String,
}

/// Where an Asterisk is and how to log in.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Asterisk {
    /// Host name or address.
    pub host: String,
    /// Port; 5038 when 0.
    pub port: i32,
    /// Manager user.
    pub username: String,
    /// Manager secret.
    pub secret: String,
    /// Channels that lead outside.
    pub trunk_prefixes: Vec<String>,
    /// TLS, or none.
    pub tls: Option<PeerTls>,
}

/// Where the REST interface of an Asterisk is and how to log in.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Ari {
    /// Host name or address.
    pub host: String,
    /// Port; 8088 when 0.
    pub port: i32,
    /// User in ari.conf.
    pub username: String,
    /// Its password.
    pub password: String,
    /// Channels that lead outside.
    pub trunk_prefixes: Vec<String>,
    /// TLS, or none.
    pub tls: Option<PeerTls>,
}

/// Where a FreeSWITCH is and how to log in.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct FreeSwitch {
    /// Host name or address.
    pub host: String,
    /// Port; 8021 when 0.
    pub port: i32,
    /// Password of the event socket.
    pub password: String,
    /// Channels that lead outside.
    pub trunk_prefixes: Vec<String>,
    /// Contexts in which calls from outside begin.
    pub trunk_contexts: Vec<String>,
    /// Secret of the posts of mod_json_cdr; empty when none are taken.
    pub post_secret: String,
    /// TLS, or none.
    pub tls: Option<PeerTls>,
}

impl Connector {
    /// Resource name.
    pub fn name(&self) -> String {
        format!("connectors/{}", self.id)
    }

    /// Checks all values.
    ///
    /// # Errors
    /// INVALID_ARGUMENT naming the field.
    pub fn check(&self) -> Result<()> {
        if self.display_name.chars().count() > 200 || self.display_name.chars().any(char::is_control) {
            let message = "use at most 200 characters on one line";
            return Err(Error::invalid("connector.display_name", message));
        }
        if !self.region.is_empty() {
            Region::parse(&self.region).map_err(|cause| Error::invalid("connector.region", cause))?;
        }
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit() || b"*#+".contains(&byte));
        if self.outside_prefix.len() > 8 || !digits(&self.outside_prefix) {
            let message = format!("{:?} is not up to 8 digits", self.outside_prefix);
            return Err(Error::invalid("connector.outside_prefix", message));
        }
        if !(0..=10).contains(&self.extension_digits) {
            let message = format!("{} is not from 0 to 10", self.extension_digits);
            return Err(Error::invalid("connector.extension_digits", message));
        }
        self.dial.check()?;
        if matches!(self.kind, Kind::Ari(_)) && !self.dial.list_device.is_empty() {
            let message = "ARI hands no call on to an operator: lists are dialled by a connector with `asterisk` or `freeswitch`";
            return Err(Error::invalid("connector.dial.list_device", message));
        }
        if self.dial.can_dial() && !self.kind.makes_calls() {
            let message = "only an Asterisk or a FreeSWITCH makes calls";
            return Err(Error::invalid("connector.dial", message));
        }
        self.kind.check()
    }

    /// Whether a session that began with `before` goes on: nothing of the connection and of how its news are read is another. How calls are made is
    /// read for each call. One that is deleted and made anew begins with the first version again, and is another one.
    pub fn goes_on(&self, before: &Connector) -> bool {
        let same = Connector {
            version: before.version,
            display_name: before.display_name.clone(),
            dial: before.dial.clone(),
            ..self.clone()
        };
        (self.version > before.version || self == before) && same == *before
    }

    /// How this telephone system writes numbers; `company` is the installation's country.
    ///
    /// # Errors
    /// INVALID_ARGUMENT when the installation's country is none.
    pub fn numbers(&self, company: &str) -> Result<NumberRules> {
        let code = if self.region.is_empty() { company } else { &self.region };
        let region = Region::parse(code).map_err(|cause| Error::invalid("region", cause))?;
        let digits = if self.extension_digits == 0 { EXTENSION_DIGITS } else { self.extension_digits };
        let internal_digits = usize::try_from(digits).unwrap_or(0);
        Ok(NumberRules { region, outside_prefix: self.outside_prefix.clone(), internal_digits })
    }
}

impl Kind {
    /// Whether a telephone system of this kind can be told to make calls.
    pub fn makes_calls(&self) -> bool {
        matches!(self, Kind::Asterisk(_) | Kind::Ari(_) | Kind::FreeSwitch(_))
    }

    /// Whether our ids of calls must be bare UUIDs there.
    pub fn wants_bare_ids(&self) -> bool {
        matches!(self, Kind::FreeSwitch(_))
    }

    fn check(&self) -> Result<()> {
        match self {
            Kind::Webhook { secret } => {
                let or_none = "or none to have one made";
                check_secret("connector.webhook.secret", secret, or_none)
            }
            Kind::Grpc { user } if user.is_empty() => Ok(()),
            Kind::Grpc { user } => id::parse("users", user, "connector.grpc.user").map(|_| ()),
            Kind::Asterisk(asterisk) => asterisk.check(),
            Kind::Ari(ari) => ari.check(),
            Kind::FreeSwitch(freeswitch) => freeswitch.check(),
            Kind::Cloud(cloud) => cloud.check(),
        }
    }
}

fn check_secret(field: &str, secret: &str, or_none: &str) -> Result<()> {
    let short = secret.chars().count() < SECRET_CHARACTERS;
    if short || secret.len() > 1_000 || secret.chars().any(char::is_control) {
        let message = format!("use {SECRET_CHARACTERS} to 1,000 characters, {or_none}");
        return Err(Error::invalid(field, message));
    }
    Ok(())
}

/// Checks one word of the settings of a kind.
fn check_word(field: &str, text: &str) -> Result<()> {
    let good = (1..=255).contains(&text.len()) && !text.chars().any(|it| it.is_control() || it == ' ');
    let message = "use 1 to 255 characters without blanks";
    if good { Ok(()) } else { Err(Error::invalid(format!("connector.{field}"), message)) }
}

fn check_port(field: &str, port: i32) -> Result<()> {
    if (0..=65_535).contains(&port) {
        return Ok(());
    }
    Err(Error::invalid(format!("connector.{field}"), format!("{port} is no TCP port")))
}

fn check_tls(field: &str, tls: Option<&PeerTls>) -> Result<()> {
    if tls.is_some_and(|tls| tls.certificates.len() > CERTIFICATE_BYTES) {
        let message = format!("use at most {CERTIFICATE_BYTES} bytes");
        return Err(Error::invalid(format!("connector.{field}.certificates"), message));
    }
    Ok(())
}

fn check_words(field: &str, words: &[String]) -> Result<()> {
    if words.len() > 50 {
        return Err(Error::invalid(format!("connector.{field}"), "give at most 50"));
    }
    words.iter().try_for_each(|word| check_word(field, word))
}

impl Asterisk {
    fn check(&self) -> Result<()> {
        check_word("asterisk.host", &self.host)?;
        check_word("asterisk.username", &self.username)?;
        check_word("asterisk.secret", &self.secret)?;
        check_port("asterisk.port", self.port)?;
        check_tls("asterisk.tls", self.tls.as_ref())?;
        check_words("asterisk.trunk_prefixes", &self.trunk_prefixes)
    }
}

impl Ari {
    fn check(&self) -> Result<()> {
        check_word("ari.host", &self.host)?;
        check_word("ari.username", &self.username)?;
        check_word("ari.password", &self.password)?;
        if self.username.contains(':') {
            // HTTP would take what follows for the password
            return Err(Error::invalid("connector.ari.username", "it has a colon in it"));
        }
        check_port("ari.port", self.port)?;
        check_tls("ari.tls", self.tls.as_ref())?;
        check_words("ari.trunk_prefixes", &self.trunk_prefixes)
    }
}

impl FreeSwitch {
    fn check(&self) -> Result<()> {
        check_word("freeswitch.host", &self.host)?;
        check_word("freeswitch.password", &self.password)?;
        check_port("freeswitch.port", self.port)?;
        check_tls("freeswitch.tls", self.tls.as_ref())?;
        check_words("freeswitch.trunk_prefixes", &self.trunk_prefixes)?;
        check_words("freeswitch.trunk_contexts", &self.trunk_contexts)?;
        if self.post_secret.is_empty() {
            return Ok(());
        }
        check_secret("connector.freeswitch.post_secret", &self.post_secret, "or none to take no posts")
    }
}
