//! `X-Twilio-Signature`: base64 of an HMAC over the address and the sorted fields. SHA-1 with the auth token; SHA-256 where a second header says so.
//! Called by rpc/ingest.rs before anything else is done with the post.

use hmac::{Hmac, Mac};
use kontor_kit::{Error, Result};
use sha1::Sha1;
use sha2::{Digest, Sha256};

use crate::connectors::web::fields::Fields;
use crate::connectors::web::{Post, hex, same, signature, unsigned, wrong_signature};
use crate::domain::address::with_and_without_port;

/// Checks the signature and reads the fields.
///
/// # Errors
/// UNAUTHENTICATED saying what is missing or wrong; INVALID_ARGUMENT naming the body.
pub fn verify(token: &str, post: &Post<'_>) -> Result<Fields> {
    post.check_size()?;
    let given = post
        .header("x-twilio-signature")
        .ok_or_else(|| unsigned("the header x-twilio-signature is missing"))?;
    let given = signature(given).ok_or_else(|| wrong_signature("x-twilio-signature: it is not base64"))?;
    let address = post.address()?;
    let query = Fields::form(post.query.as_bytes())?;
    let hash = query.get("bodySHA256");
    // a body that is no form is signed by its hash in the address
    let (fields, signed) = if hash.is_empty() {
        let fields = Fields::form(post.body)?;
        let signed = signed(&fields);
        (fields, signed)
    } else {
        if !same(hash, &hex(&Sha256::digest(post.body))) {
            return Err(wrong_signature("bodySHA256: it is not that of the body"));
        }
        (Fields::default(), String::new())
    };
    let algorithm = Algorithm::of(post)?;
    let addresses = with_and_without_port(&address)
        .ok_or_else(|| Error::invalid("public_url", "it is not a web address"))?;
    let good =
        addresses.iter().fold(false, |good, address| good | algorithm.fits(token, address, &signed, &given));
    if !good {
        return Err(wrong_signature(format!(
            "x-twilio-signature: it does not fit {}: check the auth token, and that public_url is what is entered at Twilio",
            post.url.unwrap_or_default()
        )));
    }
    if hash.is_empty() { Ok(fields) } else { Fields::json(post.body) }
}

/// Each name with its values, sorted; a name that comes twice with the same value counts once.
fn signed(fields: &Fields) -> String {
    let mut sorted = fields.sorted();
    sorted.dedup();
    sorted.into_iter().flat_map(|(name, value)| [name, value]).collect()
}

#[derive(Clone, Copy)]
enum Algorithm {
    Sha1,
    Sha256,
}

impl Algorithm {
    fn of(post: &Post<'_>) -> Result<Algorithm> {
        let settings = post.header("x-twilio-webhooks-signature-settings").unwrap_or_default();
        let pairs = settings.split(',').filter_map(|part| part.split_once('='));
        let named =
            pairs.into_iter().find(|(name, _)| name.trim() == "algorithm").map(|(_, value)| value.trim());
        match named.unwrap_or_default().to_ascii_uppercase().as_str() {
            "" | "HMAC_SHA1" => Ok(Algorithm::Sha1),
            "HMAC_SHA256" => Ok(Algorithm::Sha256),
            _ => Err(wrong_signature(
                "x-twilio-webhooks-signature-settings: its algorithm is neither HMAC_SHA1 nor HMAC_SHA256",
            )),
        }
    }

    /// In a time that does not depend on where the first wrong byte is.
    fn fits(self, token: &str, address: &str, signed: &str, given: &[u8]) -> bool {
        let key = token.as_bytes();
        match self {
            Algorithm::Sha1 => Hmac::<Sha1>::new_from_slice(key)
                .is_ok_and(|mac| mac.chain_update(address).chain_update(signed).verify_slice(given).is_ok()),
            Algorithm::Sha256 => Hmac::<Sha256>::new_from_slice(key)
                .is_ok_and(|mac| mac.chain_update(address).chain_update(signed).verify_slice(given).is_ok()),
        }
    }
}
