//! Which addresses messages may go to: never into the own network, unless the operator allows it.
//! Called when a client registers, and by post.rs for every address that a name leads to, at the moment of the connection.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use http::Uri;
use kontor_kit::context::Push as Settings;

/// Longest address in bytes.
const LONGEST: usize = 2_000;

/// Checks the address of a push resource.
///
/// # Errors
/// Why it can't be used.
pub fn check(address: &str, settings: &Settings) -> Result<Uri, &'static str> {
    if address.len() > LONGEST {
        return Err("it is longer than 2,000 bytes");
    }
    let uri: Uri = address.parse().map_err(|_| "it is no address")?;
    match uri.scheme_str() {
        Some("https") => {}
        Some("http") if settings.private_addresses => {}
        _ => return Err("it does not begin with https://"),
    }
    let authority = uri.authority().ok_or("it has no host")?;
    if authority.as_str().contains('@') {
        return Err("it has a user name in it");
    }
    let host = authority.host();
    if host.is_empty() {
        return Err("it has no host");
    }
    let literal = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    match literal {
        Ok(ip) if !settings.private_addresses && !is_public(ip) => Err("it leads into a private network"),
        _ => Ok(uri),
    }
}

/// Whether an address is one of the open Internet (the registries of RFC 6890).
pub fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => is_public_v6(ip),
    }
}

fn is_public_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    !(ip.is_private()
        || ip.is_loopback()
        || ip.is_link_local()
        || ip.is_multicast()
        || ip.is_documentation()
        || a == 0
        || a >= 240
        // Shared by providers, protocol assignments, benchmarks.
        || (a == 100 && (64..128).contains(&b))
        || (a == 192 && b == 0 && c == 0)
        || (a == 198 && (18..20).contains(&b)))
}

/// Only what is given out for the Internet (2000::/3), without what leads elsewhere in disguise.
fn is_public_v6(ip: Ipv6Addr) -> bool {
    if let Some(inner) = ip.to_ipv4_mapped() {
        return is_public_v4(inner);
    }
    let [first, second, third, ..] = ip.segments();
    match (first, second) {
        // 6to4 holds an IPv4 address.
        (0x2002, _) => {
            let ([a, b], [c, d]) = (second.to_be_bytes(), third.to_be_bytes());
            is_public_v4(Ipv4Addr::new(a, b, c, d))
        }
        // Protocol assignments, Teredo among them; documentation.
        (0x2001, second) if second < 0x0200 || second == 0x0db8 => false,
        (0x3fff, second) if second < 0x1000 => false,
        _ => (0x2000..0x4000).contains(&first),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_networks_are_told_from_the_internet() {
        for private in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "255.255.255.255",
            "224.0.0.1",
            "198.18.0.1",
            "192.0.0.8",
            "::",
            "::1",
            "fe80::1",
            "fc00::1",
            "fd12::1",
            "ff02::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "64:ff9b::a00:1",
            "2002:7f00:1::",
            "2001:0:1::1",
            "2001:db8::1",
            "::7f00:1",
        ] {
            assert!(!is_public(private.parse().unwrap()), "{private}");
        }
        for public in ["9.9.9.9", "100.128.0.1", "2a00:1450::1", "::ffff:9.9.9.9", "2002:909:909::1"] {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
    }

    fn with(private_addresses: bool) -> Settings {
        Settings { enabled: true, private_addresses, ..Settings::default() }
    }

    #[test]
    fn only_plain_https_addresses_are_taken() {
        for good in [
            "https://push.example/abc?d=e",
            "https://push.example:8443/",
            "https://9.9.9.9/x",
            "https://[2a00:1450::1]/x",
        ] {
            assert!(check(good, &with(false)).is_ok(), "{good}");
        }
        let long = format!("https://push.example/{}", "a".repeat(2_000));
        for bad in [
            "http://push.example/",
            "https://127.0.0.1/",
            "https://[::1]/",
            "https://[::ffff:10.0.0.1]:443/",
            "https://a@push.example/",
            "ftp://push.example/",
            "/abc",
            "push.example",
            "",
            "https:///abc",
            "https://a b/",
            "https://push.example/\u{e9}\n",
            long.as_str(),
        ] {
            assert!(check(bad, &with(false)).is_err(), "{bad}");
        }
        assert!(check("http://127.0.0.1:81/", &with(true)).is_ok());
        assert!(check("file:///etc/passwd", &with(true)).is_err());
    }
}
