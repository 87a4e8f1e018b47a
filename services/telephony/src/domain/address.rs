//! The address that a sender posted to, as its signature covers it.
//! Called by rpc/ingest.rs (to find it), domain/cloud.rs (to check it) and the connectors whose signatures cover it.

use kontor_kit::{Error, Result};

/// Longest address, in bytes.
const ADDRESS_BYTES: usize = 500;

/// Checks a public address: http or https, a host, and no query.
///
/// # Errors
/// INVALID_ARGUMENT naming `field`.
pub fn check(field: &str, address: &str) -> Result<()> {
    let wrong = || {
        let message = "use the address that the provider posts to, without a query: https://crm.example.com/telephony/twilio/events, or only https://crm.example.com";
        Error::invalid(field, message)
    };
    let plain = address.len() <= ADDRESS_BYTES && address.bytes().all(|byte| byte.is_ascii_graphic());
    if !plain || address.contains(['?', '#', '@']) {
        return Err(wrong());
    }
    let (_, authority, _) = parts(address).ok_or_else(wrong)?;
    let (host, port) = split_port(authority);
    let port_is_good = port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0));
    if host.is_empty() || !port_is_good { Err(wrong()) } else { Ok(()) }
}

/// The address of a post: the connector's, else the installation's; `path` goes behind one that has none. None when there is neither.
pub fn of(connector: &str, installation: &str, path: &str) -> Option<String> {
    let base = if connector.is_empty() { installation } else { connector };
    let (.., behind) = parts(base)?;
    let whole = !behind.is_empty() && behind != "/";
    // the installation may stand under a path of its own
    if whole && !connector.is_empty() {
        return Some(base.to_owned());
    }
    Some(format!("{}{path}", base.trim_end_matches('/')))
}

/// An address without its port and with it: Twilio signs now one, now the other.
pub fn with_and_without_port(address: &str) -> Option<[String; 2]> {
    let (scheme, authority, behind) = parts(address)?;
    let (host, port) = split_port(authority);
    let usual = if scheme.eq_ignore_ascii_case("https") { "443" } else { "80" };
    let port = port.unwrap_or(usual);
    Some([format!("{scheme}://{host}{behind}"), format!("{scheme}://{host}:{port}{behind}")])
}

/// Scheme, host with port, and what stands behind.
fn parts(address: &str) -> Option<(&str, &str, &str)> {
    let (scheme, rest) = address.split_once("://")?;
    if !["http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known)) {
        return None;
    }
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    Some((scheme, &rest[..end], &rest[end..]))
}

fn split_port(authority: &str) -> (&str, Option<&str>) {
    // the colons of an IPv6 address stand in brackets
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (authority, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn address_is_the_connectors_else_the_installations() {
        let path = "/telephony/twilio/events";
        let of = |connector: &str, installation: &str| of(connector, installation, path).unwrap_or_default();
        assert_eq!(of("https://a.example/hook", "https://b.example"), "https://a.example/hook");
        assert_eq!(of("https://a.example/", "https://b.example"), format!("https://a.example{path}"));
        assert_eq!(of("", "https://b.example:8443"), format!("https://b.example:8443{path}"));
        assert_eq!(of("", "https://b.example/kontor/"), format!("https://b.example/kontor{path}"));
        assert_eq!(of("", ""), "");
    }

    #[test]
    fn port_is_added_and_taken_away() {
        let both = |address: &str| with_and_without_port(address).expect("an address");
        assert_eq!(
            both("https://a.example/x?y=1"),
            ["https://a.example/x?y=1", "https://a.example:443/x?y=1"]
        );
        assert_eq!(both("http://a.example:8080/x"), ["http://a.example/x", "http://a.example:8080/x"]);
        assert_eq!(both("http://[::1]/"), ["http://[::1]/", "http://[::1]:80/"]);
        assert!(with_and_without_port("ftp://a.example/").is_none());
    }

    #[test]
    fn only_plain_web_addresses_are_taken() {
        let good = |address: &str| check("public_url", address).is_ok();
        assert!(good("https://a.example") && good("http://a.example:8420/x"));
        for bad in [
            "",
            "a.example",
            "https://",
            "https://a.example/?x",
            "https://a b",
            "https://u@a.example",
            "https://a:x/",
            "https://a:0/",
        ] {
            assert!(!good(bad), "{bad}");
        }
    }
}
