//! The key by which push services know this installation, and the header that it signs (VAPID, RFC 8292).
//! Called by mod.rs and deliver.rs.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kontor_kit::{Error, Result};
use web_push_native::p256::ecdsa::signature::Signer;
use web_push_native::p256::ecdsa::{Signature, SigningKey};

/// How long a signed header is good, in seconds; at most a day (RFC 8292 section 2).
const LIFE: i64 = 12 * 3_600;

/// The key of a service.
#[derive(Clone)]
pub struct Key(SigningKey);

impl Key {
    /// The secret of a new key.
    pub fn random() -> [u8; 32] {
        loop {
            let secret = kontor_kit::secret::random();
            // One in 2^32 is no number of the curve.
            if SigningKey::from_slice(&secret).is_ok() {
                return secret;
            }
        }
    }

    /// The key of a kept secret.
    ///
    /// # Errors
    /// INTERNAL when it is none.
    pub fn of_secret(secret: &[u8]) -> Result<Key> {
        SigningKey::from_slice(secret).map(Key).map_err(Error::internal)
    }

    /// The public key: an uncompressed point, base64url.
    pub fn public(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0.verifying_key().to_encoded_point(false).as_bytes())
    }

    /// The Authorization header for a push service at `origin` ("https://push.example:8443"). `now` in microseconds UTC.
    pub fn authorization(&self, origin: &str, contact: &str, now: i64) -> String {
        let mut claims = serde_json::json!({ "aud": origin, "exp": now / 1_000_000 + LIFE });
        if !contact.is_empty() {
            claims["sub"] = contact.into();
        }
        let header = URL_SAFE_NO_PAD.encode(br#"{"typ":"JWT","alg":"ES256"}"#);
        let signed = format!("{header}.{}", URL_SAFE_NO_PAD.encode(claims.to_string()));
        let signature: Signature = self.0.sign(signed.as_bytes());
        format!("vapid t={signed}.{}, k={}", URL_SAFE_NO_PAD.encode(signature.to_bytes()), self.public())
    }
}

#[cfg(test)]
mod tests {
    use web_push_native::p256::ecdsa::VerifyingKey;
    use web_push_native::p256::ecdsa::signature::Verifier;

    use super::*;

    #[test]
    fn a_push_service_can_check_the_header_with_the_key_in_it() {
        let key = Key::of_secret(&Key::random()).unwrap();
        let header = key.authorization("https://push.example:8443", "mailto:it@example.com", 1_000_000_000);
        let (token, public) = header.strip_prefix("vapid t=").unwrap().split_once(", k=").unwrap();
        assert_eq!(public, key.public());
        let point = URL_SAFE_NO_PAD.decode(public).unwrap();
        assert_eq!((point.len(), point[0]), (65, 4));
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let signature = Signature::from_slice(&URL_SAFE_NO_PAD.decode(signature).unwrap()).unwrap();
        let checks = VerifyingKey::from_sec1_bytes(&point).unwrap();
        checks.verify(signed.as_bytes(), &signature).unwrap();
        assert!(checks.verify(b"other", &signature).is_err());
        let claims = URL_SAFE_NO_PAD.decode(signed.split_once('.').unwrap().1).unwrap();
        let claims: serde_json::Value = serde_json::from_slice(&claims).unwrap();
        assert_eq!(
            claims,
            serde_json::json!({ "aud": "https://push.example:8443", "exp": 44_200, "sub": "mailto:it@example.com" })
        );
    }
}
