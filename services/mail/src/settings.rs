//! The settings of mail, read once: the relay, the sender, the return path, DKIM, and how fast.
//! Made at the start; the binary checks them with the others.

use kontor_kit::{Error, Result};
use lettre::message::dkim::{
    DkimCanonicalization, DkimCanonicalizationType, DkimConfig, DkimSigningAlgorithm, DkimSigningKey,
};
use lettre::message::header::HeaderName;
use rsa::pkcs1::EncodeRsaPrivateKey;
use rsa::pkcs8::DecodePrivateKey;

use crate::domain::address::domain_of;
use crate::domain::relay::Relay;
use crate::domain::{Address, Mailbox};
use crate::store::lease::Defaults;

/// Headers that DKIM covers. Both of List-Unsubscribe, as RFC 8058 section 4 asks. Not those of the body's parts, which the library does not see as the message's.
const SIGNED: [&str; 10] = [
    "From",
    "To",
    "Reply-To",
    "Subject",
    "Date",
    "Message-ID",
    "MIME-Version",
    "Precedence",
    "List-Unsubscribe",
    "List-Unsubscribe-Post",
];

/// Settings as they are written; empty is not set.
#[derive(Clone, Debug)]
pub struct Config {
    /// `mail.relay`. Holds a secret.
    pub relay: String,
    /// `mail.from`.
    pub from: String,
    /// `mail.return_path`.
    pub return_path: String,
    /// `mail.connections`.
    pub connections: String,
    /// `mail.domain_rate`.
    pub domain_rate: String,
    /// `mail.domain_connections`.
    pub domain_connections: String,
    /// `mail.dkim.domain`.
    pub dkim_domain: String,
    /// `mail.dkim.selector`.
    pub dkim_selector: String,
    /// `mail.dkim.key_file`.
    pub dkim_key_file: String,
    /// `public.address`.
    pub public_address: String,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            relay: String::new(),
            from: String::new(),
            return_path: String::new(),
            connections: "8".to_owned(),
            domain_rate: "600".to_owned(),
            domain_connections: "8".to_owned(),
            dkim_domain: String::new(),
            dkim_selector: String::new(),
            dkim_key_file: String::new(),
            public_address: String::new(),
        }
    }
}

/// Settings in force.
pub struct Settings {
    /// The relay; none where nothing is sent.
    pub relay: Option<Relay>,
    /// From of mailings that name none.
    pub from: Option<Mailbox>,
    /// Where bounces go, without a tag.
    pub return_path: Option<Address>,
    /// Connections to the relay at once.
    pub connections: usize,
    /// Limits of domains that have none of their own.
    pub defaults: Defaults,
    /// How messages are signed.
    pub dkim: Option<DkimConfig>,
    /// "https://crm.example.com", without a slash at its end; may be empty.
    pub public_address: String,
}

impl Settings {
    /// Reads and checks them.
    ///
    /// # Errors
    /// INVALID_ARGUMENT naming the setting; without secrets.
    pub fn read(config: &Config) -> Result<Settings> {
        let wrong = |key: &'static str| move |why: String| Error::invalid(key, why);
        let relay = match config.relay.as_str() {
            "" => None,
            relay => Some(Relay::parse(relay).map_err(wrong("mail.relay"))?),
        };
        let from = match config.from.as_str() {
            "" => None,
            from => Some(Mailbox::parse(from).map_err(wrong("mail.from"))?),
        };
        let return_path = match config.return_path.as_str() {
            "" => None,
            path => Some(Address::parse(path).map_err(wrong("mail.return_path"))?),
        };
        if return_path.as_ref().is_some_and(|path| path.local().len() > 24) {
            let why = "at most 24 characters before the @: a tag of 40 follows them".to_owned();
            return Err(wrong("mail.return_path")(why));
        }
        let connections = number("mail.connections", &config.connections, 1, 200)?;
        Ok(Settings {
            relay,
            from,
            return_path,
            connections: usize::try_from(connections).map_err(Error::internal)?,
            defaults: Defaults {
                rate: number("mail.domain_rate", &config.domain_rate, 0, 1_000_000)?,
                connections: number("mail.domain_connections", &config.domain_connections, 1, 1_000)?,
            },
            dkim: dkim(config)?,
            public_address: config.public_address.trim_end_matches('/').to_owned(),
        })
    }

    /// Checks them, and reads no file: the process that runs mail does.
    ///
    /// # Errors
    /// As `read`.
    pub fn check(config: &Config) -> Result<()> {
        let config = Config {
            dkim_domain: String::new(),
            dkim_selector: String::new(),
            dkim_key_file: String::new(),
            ..config.clone()
        };
        Settings::read(&config).map(|_| ())
    }

    /// Who a mailing is from: its own sender, or the setting's.
    ///
    /// # Errors
    /// FAILED_PRECONDITION with reason NO_SENDER; INTERNAL when a stored one can't be read.
    pub fn sender(&self, own: &str) -> Result<Mailbox> {
        if !own.is_empty() {
            return Mailbox::parse(own).map_err(Error::internal);
        }
        self.from.clone().ok_or_else(|| {
            let message = "nobody is named as the sender: set mailing.from, or the setting mail.from";
            Error::precondition("NO_SENDER", message)
        })
    }

    /// The relay.
    ///
    /// # Errors
    /// FAILED_PRECONDITION with reason NO_RELAY.
    pub fn relay(&self) -> Result<&Relay> {
        self.relay.as_ref().ok_or_else(|| {
            let message = "there is no relay that takes mail: set mail.relay, as in smtp+starttls://user:secret@mail.example.com:587 (docs/mailings.md)";
            Error::precondition("NO_RELAY", message)
        })
    }

    /// Where people unsubscribe.
    ///
    /// # Errors
    /// FAILED_PRECONDITION with reason NO_PUBLIC_ADDRESS.
    pub fn unsubscribe_root(&self) -> Result<String> {
        if self.public_address.is_empty() {
            let message = "nobody could unsubscribe: set public.address, as in https://crm.example.com";
            return Err(Error::precondition("NO_PUBLIC_ADDRESS", message));
        }
        Ok(format!("{}/unsubscribe/", self.public_address))
    }

    /// The domain of Message-IDs, and of our greeting to the relay.
    pub fn own_domain(&self) -> String {
        let host = || {
            let rest = self.public_address.split_once("://")?.1;
            domain_of(rest.split(['/', ':']).next()?).ok()
        };
        match &self.from {
            Some(from) => from.address.domain().to_owned(),
            None => host().unwrap_or_else(|| "kontor.invalid".to_owned()),
        }
    }
}

fn number(key: &'static str, text: &str, least: i64, most: i64) -> Result<i64> {
    let found = text.trim().parse().ok().filter(|number| (least..=most).contains(number));
    found.ok_or_else(|| Error::invalid(key, format!("{text:?} is no number from {least} to {most}")))
}

/// Reads the key of DKIM: RSA or Ed25519 in PEM, as OpenSSL writes them.
fn dkim(config: &Config) -> Result<Option<DkimConfig>> {
    let given = [&config.dkim_domain, &config.dkim_selector, &config.dkim_key_file];
    if given.iter().all(|text| text.is_empty()) {
        return Ok(None);
    }
    let keys = ["mail.dkim.domain", "mail.dkim.selector", "mail.dkim.key_file"];
    if let Some((key, _)) = keys.iter().zip(given).find(|(_, text)| text.is_empty()) {
        return Err(Error::invalid(
            *key,
            "set all three of mail.dkim.domain, selector and key_file, or none",
        ));
    }
    let domain = domain_of(&config.dkim_domain).map_err(|why| Error::invalid("mail.dkim.domain", why))?;
    let is_label = |it: u8| it.is_ascii_alphanumeric() || b"-._".contains(&it);
    if config.dkim_selector.len() > 63 || !config.dkim_selector.bytes().all(is_label) {
        return Err(Error::invalid(
            "mail.dkim.selector",
            "use at most 63 of a-z, 0-9, \"-\", \".\" and \"_\"",
        ));
    }
    let wrong = |why: String| Error::invalid("mail.dkim.key_file", why);
    let pem = std::fs::read_to_string(&config.dkim_key_file)
        .map_err(|cause| wrong(format!("can't read {}: {cause}", config.dkim_key_file)))?;
    let key = signing_key(pem.trim()).map_err(wrong)?;
    let headers = SIGNED.map(HeaderName::new_from_ascii_str).to_vec();
    let relaxed = DkimCanonicalization {
        header: DkimCanonicalizationType::Relaxed,
        body: DkimCanonicalizationType::Relaxed,
    };
    Ok(Some(DkimConfig::new(config.dkim_selector.clone(), domain, key, headers, relaxed)))
}

fn signing_key(pem: &str) -> std::result::Result<DkimSigningKey, String> {
    const FORM: &str = "it is no private key in PEM: make one with openssl genrsa 2048, or openssl genpkey -algorithm ed25519";
    if pem.contains("BEGIN RSA PRIVATE KEY") {
        return DkimSigningKey::new(pem, DkimSigningAlgorithm::Rsa).map_err(|_| FORM.to_owned());
    }
    if let Ok(key) = rsa::RsaPrivateKey::from_pkcs8_pem(pem) {
        let pem = key.to_pkcs1_pem(Default::default()).map_err(|_| FORM.to_owned())?;
        return DkimSigningKey::new(&pem, DkimSigningAlgorithm::Rsa).map_err(|_| FORM.to_owned());
    }
    // An Ed25519 key in PKCS 8 is a fixed head of 16 bytes and the 32 of the seed (RFC 8410).
    let (label, document) = rsa::pkcs8::SecretDocument::from_pem(pem).map_err(|_| FORM.to_owned())?;
    let seed =
        document.as_bytes().strip_prefix(b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20");
    match seed.filter(|seed| label == "PRIVATE KEY" && seed.len() == 32) {
        Some(seed) => {
            let text = base64(seed);
            DkimSigningKey::new(&text, DkimSigningAlgorithm::Ed25519).map_err(|_| FORM.to_owned())
        }
        None => Err(FORM.to_owned()),
    }
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_refused_by_their_name() {
        let bad =
            |config: Config| Settings::read(&config).err().unwrap().field().unwrap_or_default().to_owned();
        let base = Config::default;
        assert_eq!(bad(Config { relay: "mail.example.com".to_owned(), ..base() }), "mail.relay");
        assert_eq!(bad(Config { from: "anna".to_owned(), ..base() }), "mail.from");
        assert_eq!(
            bad(Config { return_path: format!("{}@example.com", "b".repeat(25)), ..base() }),
            "mail.return_path"
        );
        assert_eq!(bad(Config { connections: "0".to_owned(), ..base() }), "mail.connections");
        assert_eq!(bad(Config { domain_rate: "x".to_owned(), ..base() }), "mail.domain_rate");
        assert_eq!(bad(Config { dkim_domain: "example.com".to_owned(), ..base() }), "mail.dkim.selector");
        let full = Config {
            dkim_domain: "example.com".to_owned(),
            dkim_selector: "k1".to_owned(),
            dkim_key_file: "/nowhere/key.pem".to_owned(),
            ..base()
        };
        assert_eq!(bad(full), "mail.dkim.key_file");
        let nothing = Settings::read(&base()).ok().unwrap();
        assert_eq!(nothing.relay().unwrap_err().reason(), "NO_RELAY");
        assert_eq!(nothing.sender("").unwrap_err().reason(), "NO_SENDER");
        assert_eq!(nothing.unsubscribe_root().unwrap_err().reason(), "NO_PUBLIC_ADDRESS");
    }
}
