//! The relay, as the setting `mail.relay` names it.
//! Called by the settings, which are read once.

use percent_encoding::percent_decode_str;

/// How the connection is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Security {
    /// Not at all: for a relay on this machine or in the own network.
    Plain,
    /// TLS before anything is said; by STARTTLS.
    StartTls,
    /// TLS from the first byte.
    Tls,
}

/// A mail server that takes our messages.
#[derive(Clone, PartialEq, Eq)]
pub struct Relay {
    /// Name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// How it is reached.
    pub security: Security,
    /// User and secret, when it wants them.
    pub credentials: Option<(String, String)>,
}

/// Without the secret: it ends up in logs.
impl std::fmt::Debug for Relay {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{:?} {}:{}", self.security, self.host, self.port)
    }
}

impl Relay {
    /// Reads "smtp://host:25", "smtp+starttls://user:secret@host:587" or "smtps://user:secret@host:465". Blanks and signs in user and secret are written as %XX.
    ///
    /// # Errors
    /// In words, what is wrong; without the secret.
    pub fn parse(text: &str) -> Result<Relay, String> {
        const FORM: &str =
            "write smtp://host:25, smtp+starttls://user:secret@host:587 or smtps://user:secret@host:465";
        let (scheme, rest) = text.split_once("://").ok_or(FORM)?;
        let (security, port) = match scheme {
            "smtp" => (Security::Plain, 25),
            "smtp+starttls" => (Security::StartTls, 587),
            "smtps" => (Security::Tls, 465),
            _ => return Err(FORM.to_owned()),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (credentials, place) = match rest.rsplit_once('@') {
            None => (None, rest),
            Some((who, place)) => {
                let (user, secret) = who.split_once(':').ok_or("a user needs a secret: user:secret@host")?;
                let plain = |text: &str| {
                    let text = percent_decode_str(text).decode_utf8();
                    text.map(|text| text.into_owned()).map_err(|_| "user and secret must be UTF-8".to_owned())
                };
                (Some((plain(user)?, plain(secret)?)), place)
            }
        };
        if credentials.is_some() && security == Security::Plain && !is_here(host_of(place)) {
            return Err(
                "smtp:// would send the secret in the open: use smtp+starttls:// or smtps://".to_owned()
            );
        }
        let (host, port) = match place.rsplit_once(':') {
            Some((host, digits)) if !digits.ends_with(']') => (
                host,
                digits
                    .parse()
                    .map_err(|_| format!("what stands behind the last colon is no port: {FORM}"))?,
            ),
            _ => (place, port),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let is_host =
            !host.is_empty() && host.bytes().all(|it| it.is_ascii_alphanumeric() || b".-_:".contains(&it));
        if !is_host {
            return Err(format!("it has no host: {FORM}"));
        }
        Ok(Relay { host, port, security, credentials })
    }
}

fn host_of(place: &str) -> &str {
    place.rsplit_once(':').map_or(place, |(host, _)| host)
}

fn is_here(host: &str) -> bool {
    host == "localhost" || host == "[::1]" || host.starts_with("127.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relay_is_read_and_its_secret_is_shown_nowhere() {
        let relay = Relay::parse("smtp+starttls://an%40na:s%20ecret@mail.example.com").unwrap();
        assert_eq!(
            (relay.host.as_str(), relay.port, relay.security),
            ("mail.example.com", 587, Security::StartTls)
        );
        assert_eq!(relay.credentials, Some(("an@na".to_owned(), "s ecret".to_owned())));
        assert_eq!(format!("{relay:?}"), "StartTls mail.example.com:587");
        assert_eq!(Relay::parse("smtp://[::1]:2525/").unwrap().host, "::1");
        assert_eq!(Relay::parse("smtps://mail.example.com").unwrap().port, 465);
        assert!(Relay::parse("smtp://a:b@127.0.0.1:25").is_ok());
        for wrong in [
            "mail.example.com",
            "http://x",
            "smtp://",
            "smtps://user@host",
            "smtp://host:x",
            "smtp://a:topsecret@host",
            "smtps://a:topsecret/host",
        ] {
            let told = Relay::parse(wrong).unwrap_err();
            assert!(!told.contains("topsecret"), "{told}");
        }
    }
}
