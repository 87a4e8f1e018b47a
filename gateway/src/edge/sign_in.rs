//! Signing in at the edge: the `authorization` header becomes a `Caller`, by asking directory, which keeps a cache.
//! Called for gRPC and for DAV.

use std::net::IpAddr;
use std::sync::Arc;

use axum::body::Body;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use kontor_kit::auth::Caller;
use kontor_kit::link::Link;
use kontor_kit::near::Credentials;
use kontor_proto::directory::v1::CheckCredentialRequest;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use super::plain;

/// Longest header that is looked at, in bytes.
const LENGTH: usize = 2_000;

pub(super) struct SignIn(Arc<dyn Credentials>);

impl SignIn {
    pub(super) fn new(directory: &Link) -> Self {
        SignIn(directory.credentials())
    }

    /// Who asks; none without a header. UNAUTHENTICATED or RESOURCE_EXHAUSTED when the secret is wrong.
    pub(super) async fn check(&self, headers: &HeaderMap, peer: IpAddr) -> Result<Option<Caller>, Status> {
        let Some(header) = headers.get(header::AUTHORIZATION) else { return Ok(None) };
        let (user, secret) = read(header).ok_or_else(|| {
            Status::unauthenticated(
                "the authorization header is neither `Bearer TOKEN` nor `Basic base64(user:secret)`",
            )
        })?;
        let request = CheckCredentialRequest { user, secret, peer: peer.to_string() };
        let answer = self.0.check_credential(Caller::system().request(request)).await?;
        Ok(answer.user.map(Caller::of_user))
    }
}

/// The header that signs in, alone: for a later check of the same sign-in.
pub(super) fn only(headers: &HeaderMap) -> HeaderMap {
    let value = headers.get(header::AUTHORIZATION).cloned();
    value.map(|value| (header::AUTHORIZATION, value)).into_iter().collect()
}

fn read(header: &HeaderValue) -> Option<(String, String)> {
    let text = header.to_str().ok().filter(|text| text.len() <= LENGTH)?;
    let (scheme, rest) = text.split_once(' ')?;
    let rest = rest.trim();
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some((String::new(), rest.to_owned()));
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let text = String::from_utf8(STANDARD.decode(rest).ok()?).ok()?;
    let (user, secret) = text.split_once(':')?;
    // Some phones write the name with blanks around it or with a capital.
    Some((user.trim().to_lowercase(), secret.to_owned()))
}

/// 401 with a realm that never changes: Thunderbird keeps passwords by origin and realm.
pub(super) fn challenge(text: &'static str) -> Response<Body> {
    let mut response = plain(StatusCode::UNAUTHORIZED, text);
    let realm = HeaderValue::from_static("Basic realm=\"Kontor\", charset=\"UTF-8\"");
    response.headers_mut().insert(header::WWW_AUTHENTICATE, realm);
    response
}

/// The HTTP answer to a failed sign-in.
pub(super) fn refuse(status: &Status) -> Response<Body> {
    match status.code() {
        Code::Unauthenticated => challenge("wrong user name or password\n"),
        Code::ResourceExhausted => {
            let wait = status.get_details_retry_info().and_then(|info| info.retry_delay);
            let seconds = wait.map_or(60, |wait| wait.as_secs().max(1));
            let mut response =
                plain(StatusCode::TOO_MANY_REQUESTS, "too many wrong passwords: wait, then try again\n");
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
            response
        }
        _ => plain(StatusCode::SERVICE_UNAVAILABLE, "sign-in does not work at the moment: try again\n"),
    }
}
