//! The bearer token of Vonage's posts: a JWT (RFC 7519) signed with HS256 that holds a hash of the body, a time, and an id that is used once.
//! Called by rpc/ingest.rs before anything else is done with the post; fuzzed by `fuzz/fuzz_targets/post.rs`.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use kontor_kit::{Error, Result};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::connectors::web::{Post, hex, same, unsigned, wrong_signature};

/// Longest token, in bytes.
const TOKEN_BYTES: usize = 4 * 1024;
/// How far the token's time may be from our clock, in seconds. For so long its id is remembered, on both sides.
pub const WINDOW_SECONDS: i64 = 300;

/// Checks the token. Answers with its id, which must not have been seen before.
///
/// # Errors
/// UNAUTHENTICATED saying what is missing or wrong.
pub fn verify(secret: &str, post: &Post<'_>, now: i64) -> Result<String> {
    post.check_size()?;
    let header =
        post.header("authorization").ok_or_else(|| unsigned("the header authorization is missing"))?;
    let (scheme, token) = header.split_once(' ').unwrap_or((header, ""));
    let token = token.trim();
    if !scheme.eq_ignore_ascii_case("bearer") || token.is_empty() {
        return Err(unsigned("authorization: it is not `Bearer TOKEN`: turn signed webhooks on at Vonage"));
    }
    let broken = || wrong_signature("authorization: the token is not a JWT");
    if token.len() > TOKEN_BYTES {
        return Err(broken());
    }
    let mut parts = token.split('.');
    let (Some(head), Some(claims), Some(signature), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(broken());
    };
    let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| broken());
    let json = |part: &str| serde_json::from_slice::<Value>(&decode(part)?).map_err(|_| broken());
    let algorithm = json(head)?;
    // the token must not choose how it is checked: "none" and public keys are the classic holes
    if algorithm.get("alg").and_then(Value::as_str) != Some("HS256") {
        return Err(wrong_signature("authorization: the token is not signed with HS256"));
    }
    let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).map_err(Error::internal)?;
    let mac = mac.chain_update(head).chain_update(".").chain_update(claims);
    if mac.verify_slice(&decode(signature)?).is_err() {
        return Err(wrong_signature("authorization: the token is not signed with this signature secret"));
    }
    check(&json(claims)?, post, now)
}

/// After the signature, so that nobody learns our clock without the secret.
fn check(claims: &Value, post: &Post<'_>, now: i64) -> Result<String> {
    let text = |name: &str| claims.get(name).and_then(Value::as_str).unwrap_or_default();
    if !same(&text("payload_hash").to_ascii_lowercase(), &hex(&Sha256::digest(post.body))) {
        return Err(wrong_signature("authorization: payload_hash is not that of the body"));
    }
    let wrong_time = |message: String| Error::refused("WRONG_TIME", message);
    let seconds =
        |name: &str| claims.get(name).and_then(|value| value.as_i64().or(value.as_f64().map(|it| it as i64)));
    let issued =
        seconds("iat").ok_or_else(|| wrong_time("authorization: the token has no iat".to_owned()))?;
    let now = now / 1_000_000;
    let apart = now.saturating_sub(issued);
    if !(-WINDOW_SECONDS..=WINDOW_SECONDS).contains(&apart) {
        let (seconds, way) = (apart.unsigned_abs(), if apart < 0 { "ahead" } else { "old" });
        return Err(wrong_time(format!(
            "authorization: the token is {seconds} s {way}, at most {WINDOW_SECONDS} are taken: check the clock"
        )));
    }
    if seconds("exp").is_some_and(|until| until < now.saturating_sub(WINDOW_SECONDS)) {
        return Err(wrong_time("authorization: the token has expired".to_owned()));
    }
    let id = text("jti");
    if !(1..=200).contains(&id.len()) || id.chars().any(char::is_control) {
        return Err(wrong_signature("authorization: the token has no jti of 1 to 200 characters"));
    }
    Ok(id.to_owned())
}
