//! Signing in at the edge: the `authorization` header becomes a `Caller`, by asking directory, which keeps a cache. A connection that goes on
//! with the same header asks once a second, and at once after a sign-in has ended.
//! Called for gRPC and for DAV.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::body::Body;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use kontor_kit::auth::Caller;
use kontor_kit::clock::Clock;
use kontor_kit::link::Link;
use kontor_kit::near::Credentials;
use kontor_proto::directory::v1::CheckCredentialRequest;
use subtle::ConstantTimeEq;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use super::plain;

/// Longest header that is looked at, in bytes.
const LENGTH: usize = 2_000;

/// How long a connection's last sign-in is good without asking, when nothing is heard of its end.
const TRUST: i64 = 1_000_000;

/// One connection: where it comes from, and who signed in on it last.
pub(super) struct Peer {
    pub(super) address: IpAddr,
    last: Mutex<Option<Last>>,
}

/// A right sign-in. HTTP/2 holds the header for as long, in the table of its compression.
struct Last {
    header: HeaderValue,
    caller: Caller,
    ended: u64,
    checked_time: i64,
}

impl Peer {
    pub(super) fn new(address: IpAddr) -> Peer {
        Peer { address, last: Mutex::default() }
    }

    fn last(&self) -> MutexGuard<'_, Option<Last>> {
        // Nothing can panic while it is held.
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) struct SignIn {
    directory: Arc<dyn Credentials>,
    /// Moves when a sign-in ends. Without it, because directory is elsewhere, every request asks.
    ended: Option<Arc<AtomicU64>>,
    clock: Clock,
}

impl SignIn {
    pub(super) fn new(directory: &Link, clock: Clock) -> Self {
        SignIn { directory: directory.credentials(), ended: directory.sign_ins_ended(), clock }
    }

    /// How many sign-ins have ended so far; none where directory is elsewhere.
    pub(super) fn ends_so_far(&self) -> Option<u64> {
        self.ended.as_ref().map(|ended| ended.load(Ordering::SeqCst))
    }

    /// Who asks; none without a header. UNAUTHENTICATED or RESOURCE_EXHAUSTED when the secret is wrong.
    pub(super) async fn check(&self, headers: &HeaderMap, peer: &Peer) -> Result<Option<Caller>, Status> {
        match headers.get(header::AUTHORIZATION) {
            Some(header) => self.check_header(header, peer).await,
            None => Ok(None),
        }
    }

    /// Who asks with this `authorization` header.
    pub(super) async fn check_header(
        &self,
        header: &HeaderValue,
        peer: &Peer,
    ) -> Result<Option<Caller>, Status> {
        // Read before directory is asked: what ends meanwhile is not kept.
        let ended = self.ends_so_far();
        let now = self.clock.now();
        if let Some(last) = &*peer.last()
            && Some(last.ended) == ended
            && (0..TRUST).contains(&now.saturating_sub(last.checked_time))
            && bool::from(last.header.as_bytes().ct_eq(header.as_bytes()))
        {
            return Ok(Some(last.caller.clone()));
        }
        let (user, secret) = read(header).ok_or_else(|| {
            Status::unauthenticated(
                "the authorization header is neither `Bearer TOKEN` nor `Basic base64(user:secret)`",
            )
        })?;
        let request = CheckCredentialRequest { user, secret, peer: peer.address.to_string() };
        let answer = self.directory.check_credential(Caller::system().request(request)).await?;
        let caller = answer.user.map(Caller::of_user);
        if let (Some(caller), Some(ended)) = (&caller, ended) {
            let (header, caller) = (header.clone(), caller.clone());
            *peer.last() = Some(Last { header, caller, ended, checked_time: now });
        }
        Ok(caller)
    }
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
