//! `X-Plivo-Signature-V3`: base64 of HMAC-SHA256 over the address, the sorted query and fields, and a nonce.
//! Called by rpc/ingest.rs before anything else is done with the post.

use hmac::{Hmac, Mac};
use kontor_kit::Result;
use sha2::Sha256;

use crate::connectors::web::fields::Fields;
use crate::connectors::web::{Post, signature, unsigned, wrong_signature};

/// Headers with signatures: by the account's token, and by that of the main account.
const HEADERS: [&str; 2] = ["x-plivo-signature-v3", "x-plivo-signature-ma-v3"];
/// Signatures looked at: while a token is changed there are two.
const SIGNATURES: usize = 8;

/// Checks the signature and reads the fields.
///
/// # Errors
/// UNAUTHENTICATED saying what is missing or wrong; INVALID_ARGUMENT naming the body.
pub fn verify(token: &str, post: &Post<'_>) -> Result<Fields> {
    post.check_size()?;
    let given: Vec<&str> = HEADERS.iter().filter_map(|name| post.header(name)).collect();
    if given.is_empty() {
        return Err(unsigned("the header x-plivo-signature-v3 is missing"));
    }
    let nonce = post.header("x-plivo-signature-v3-nonce");
    let nonce = nonce.ok_or_else(|| unsigned("the header x-plivo-signature-v3-nonce is missing"))?;
    post.address()?;
    let url = post.url.unwrap_or_default();
    let fields = Fields::form(post.body)?;
    let signed = signed(url, &Fields::form(post.query.as_bytes())?, &fields, nonce);
    let fits = |text: &str| {
        let mac = Hmac::<Sha256>::new_from_slice(token.as_bytes()).ok();
        let bytes = signature(text.trim());
        // the comparison takes the same time wherever the first wrong byte is
        mac.zip(bytes).is_some_and(|(mac, bytes)| mac.chain_update(&signed).verify_slice(&bytes).is_ok())
    };
    let mut all = given.iter().flat_map(|header| header.split(',')).take(SIGNATURES);
    if all.any(fits) {
        return Ok(fields);
    }
    Err(wrong_signature(format!(
        "x-plivo-signature-v3: it does not fit {url}: check the auth token, and that public_url is what is entered at Plivo"
    )))
}

fn signed(url: &str, query: &Fields, fields: &Fields, nonce: &str) -> String {
    let mut text = url.to_owned();
    let pairs: Vec<String> = query.sorted().iter().map(|(name, value)| format!("{name}={value}")).collect();
    if !query.is_empty() || !fields.is_empty() {
        text.push('?');
        text.push_str(&pairs.join("&"));
    }
    if !query.is_empty() && !fields.is_empty() {
        text.push('.');
    }
    text.extend(fields.sorted().into_iter().flat_map(|(name, value)| [name, value]));
    text.push('.');
    text.push_str(nonce);
    text
}
