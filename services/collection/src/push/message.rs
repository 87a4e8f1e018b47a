//! The body of a push message, and its way into a request that only the client can read (RFC 8030, RFC 8291).
//! Called by deliver.rs.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderValue, Request, Uri, header};
use kontor_kit::tags::SYNC_TOKEN;
use kontor_kit::{Error, Result};
use sha2::{Digest, Sha256};
use web_push_native::p256::PublicKey;
use web_push_native::{Auth, WebPushBuilder};

use super::vapid::Key;
use crate::store::push::{Registration, Wants};

/// How long a push service keeps a message for a phone that is off. A phone that is on again syncs anyway.
const KEPT: Duration = Duration::from_secs(86_400);

/// What changed in a collection.
#[derive(Clone, Debug)]
pub struct News {
    /// Id of the collection.
    pub id: String,
    /// Its change number.
    pub seq: i64,
    /// What is told.
    pub what: Wants,
}

/// The message. Nothing in it comes from outside: id and number are ours.
pub fn body(news: &News) -> String {
    let mut text = format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<push-message xmlns=\"https://bitfire.at/webdav-push\" xmlns:D=\"DAV:\"><topic>{}</topic>",
        news.id
    );
    if news.what.content {
        let (id, seq) = (&news.id, news.seq);
        text.push_str(&format!(
            "<content-update><D:sync-token>{SYNC_TOKEN}{id}/{seq}</D:sync-token></content-update>"
        ));
    }
    if news.what.properties {
        text.push_str("<property-update/>");
    }
    text.push_str("</push-message>\n");
    text
}

/// The request to the push service, encrypted for the client and signed by `key`.
///
/// # Errors
/// INTERNAL when what was kept can't be used.
pub fn request(
    to: &Registration,
    news: &News,
    key: &Key,
    contact: &str,
    now: i64,
) -> Result<Request<Vec<u8>>> {
    let uri: Uri = to.address.parse().map_err(Error::internal)?;
    let origin = format!(
        "{}://{}",
        uri.scheme_str().unwrap_or_default(),
        uri.authority().map_or("", http::uri::Authority::as_str)
    );
    let public_key = PublicKey::from_sec1_bytes(&to.public_key).map_err(Error::internal)?;
    let auth: [u8; 16] = to.auth_secret.as_slice().try_into().map_err(Error::internal)?;
    let builder = WebPushBuilder::new(uri, public_key, Auth::from(auth)).with_valid_duration(KEPT);
    let mut request = builder.build(body(news)).map_err(Error::internal)?;
    let headers = request.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/xml; charset=utf-8"));
    headers.insert("urgency", HeaderValue::from_static("normal"));
    let mut signed =
        HeaderValue::try_from(key.authorization(&origin, contact, now)).map_err(Error::internal)?;
    signed.set_sensitive(true);
    headers.insert(header::AUTHORIZATION, signed);
    // A newer message of the same kind takes the place of one that was not delivered yet.
    if let Ok(topic) = HeaderValue::try_from(topic(news)) {
        headers.insert("topic", topic);
    }
    Ok(request)
}

/// 32 characters of base64url at most (RFC 8030 section 5.4); tells the push service nothing.
fn topic(news: &News) -> String {
    let mut hash = Sha256::new();
    hash.update(b"kontor push topic\0");
    hash.update(&news.id);
    hash.update([u8::from(news.what.content), u8::from(news.what.properties)]);
    URL_SAFE_NO_PAD.encode(&hash.finalize()[..24])
}

#[cfg(test)]
mod tests {
    use web_push_native::p256::SecretKey;
    use web_push_native::p256::elliptic_curve::sec1::ToEncodedPoint;

    use super::*;

    #[test]
    fn only_the_client_reads_the_message() {
        let client = SecretKey::from_slice(&Key::random()).unwrap();
        let to = Registration {
            address: "https://push.example:8443/abc".to_owned(),
            public_key: client.public_key().to_encoded_point(false).as_bytes().to_vec(),
            auth_secret: vec![7; 16],
            ..Registration::default()
        };
        let what = Wants { content: true, properties: true };
        let news = News { id: "0190".to_owned(), seq: 12, what };
        let key = Key::of_secret(&Key::random()).unwrap();
        let request = request(&to, &news, &key, "", 0).unwrap();
        assert_eq!(request.headers()["content-encoding"], "aes128gcm");
        assert_eq!(request.headers()["topic"].len(), 32);
        assert!(!request.body().windows(4).any(|bytes| bytes == b"0190"));
        let plain = web_push_native::decrypt(request.into_body(), &client, &Auth::from([7; 16])).unwrap();
        assert_eq!(String::from_utf8(plain).unwrap(), body(&news));
        assert!(body(&news).contains("<D:sync-token>http://kontor/ns/sync/0190/12</D:sync-token>"));
        assert_eq!(topic(&news), topic(&News { seq: 13, ..news.clone() }));
        assert_ne!(topic(&news), topic(&News { what: Wants { properties: false, ..what }, ..news }));
    }
}
