//! WebDAV-Push (draft-bitfire-webdav-push-00): POST of push-register to a collection, and DELETE of a registration.
//! Called by `order` and by `Dav::handle`. The services keep the registrations and send the messages.

use axum::body::Body;
use http::header::{ALLOW, CONTENT_LENGTH, EXPIRES, HOST, LOCATION};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use kontor_kit::auth::Caller;
use kontor_proto::collection::v1::{DescribePushRequest, RegisterPushRequest, UnregisterPushRequest};
use tonic::Code;

use crate::dav::error::{Condition, Failure};
use crate::dav::path::{Kind, Location};
use crate::dav::properties::object;
use crate::dav::xml::push;
use crate::dav::{Call, Dav, contract_path, empty, limits};

/// Where the registrations are, by kind of their collections.
const CALENDARS: &str = "/dav/push/calendars/";
const BOOKS: &str = "/dav/push/addressbooks/";
/// The header of a client that made a change itself (section 4.2).
const DONT_NOTIFY: &str = "push-dont-notify";

/// Answers push-register: 201 for a new registration, 204 for one that is renewed.
pub async fn register(call: &Call<'_>, location: &Location, body: &[u8]) -> Result<Response<Body>, Failure> {
    let wish = push::register(body).map_err(|error| Failure::of_xml(&error, location.kind))?;
    if !wish.content_updates && !wish.property_updates {
        let message = "content-update and property-update are told, nothing else";
        return Err(Failure::forbidden(Condition::NoSupportedTrigger, message));
    }
    if wish.push_resource.is_empty()
        || wish.content_encoding.as_ref().is_some_and(|encoding| !encoding.eq_ignore_ascii_case("aes128gcm"))
    {
        let message = "a web-push-subscription with push-resource and the encoding aes128gcm is needed";
        return Err(Failure::forbidden(Condition::InvalidSubscription, message));
    }
    let expires = jiff::fmt::rfc2822::parse(&wish.expires).ok().map(|at| at.timestamp().as_second());
    let message = RegisterPushRequest {
        path: Some(contract_path(location)),
        push_resource: wish.push_resource,
        public_key: wish.public_key.into(),
        auth_secret: wish.auth_secret.into(),
        content_updates: wish.content_updates,
        property_updates: wish.property_updates,
        expire_time: expires.map(|seconds| prost_types::Timestamp { seconds, nanos: 0 }),
    };
    let answer = call.dav.collections(location.kind).register_push(call.request(message)).await;
    let answer = answer.map_err(|status| call.failure(&status))?.into_inner();
    let mut response = empty(if answer.created { StatusCode::CREATED } else { StatusCode::NO_CONTENT });
    let headers = response.headers_mut();
    if answer.created {
        headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
    }
    let expires = object::date(answer.expire_time.map_or(0, |time| time.seconds));
    for (name, value) in [(LOCATION, address(call, location.kind, &answer.id)), (EXPIRES, expires)] {
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(name, value);
        }
    }
    Ok(response)
}

/// The registration of a path.
pub fn registration(path: &str) -> Option<(Kind, &str)> {
    let of = |folder, kind| path.strip_prefix(folder).map(|id| (kind, id.trim_end_matches('/')));
    of(CALENDARS, Kind::Calendar).or_else(|| of(BOOKS, Kind::Book))
}

/// Answers a method on a registration: DELETE with 204.
pub async fn unregister(
    dav: &Dav,
    caller: &Caller,
    method: &Method,
    kind: Kind,
    id: &str,
) -> Result<Response<Body>, Failure> {
    if *method != Method::DELETE {
        let mut response = empty(StatusCode::METHOD_NOT_ALLOWED);
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("OPTIONS, DELETE"));
        return Ok(response);
    }
    let message = caller.request(UnregisterPushRequest { id: id.to_owned() });
    match dav.collections(kind).unregister_push(message).await {
        Ok(_) => Ok(empty(StatusCode::NO_CONTENT)),
        Err(status) => Err(Failure::of_status(&status, kind, "")),
    }
}

/// The public key of push messages about this kind of collections; empty when none are sent.
pub async fn public_key(call: &Call<'_>, kind: Kind) -> Result<String, Failure> {
    match call.dav.collections(kind).describe_push(call.request(DescribePushRequest {})).await {
        Ok(answer) => Ok(answer.into_inner().public_key),
        Err(status) if status.code() == Code::Unimplemented => Ok(String::new()),
        Err(status) => Err(call.failure(&status)),
    }
}

/// Ids of the registrations that a client wants left out, or "*".
pub fn silent(headers: &HeaderMap) -> Vec<String> {
    let values = headers.get_all(DONT_NOTIFY).iter().filter_map(|value| value.to_str().ok());
    let addresses = values.flat_map(|value| value.split(',')).map(|part| part.trim().trim_matches('"'));
    let ids = addresses.filter_map(|address| address.trim_end_matches('/').rsplit('/').next());
    ids.filter(|id| !id.is_empty() && id.len() <= 64)
        .take(limits::SILENT_REGISTRATIONS)
        .map(str::to_owned)
        .collect()
}

/// The address of a registration. DAVx5 keeps whole addresses only; a proxy that ends TLS must say so in X-Forwarded-Proto, without it only the
/// path is told, for a wrong scheme would lead nowhere.
fn address(call: &Call<'_>, kind: Kind, id: &str) -> String {
    let folder = match kind {
        Kind::Calendar => CALENDARS,
        Kind::Book => BOOKS,
    };
    let text = |name: &str| call.headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let scheme = text("x-forwarded-proto").filter(|scheme| matches!(*scheme, "http" | "https"));
    let host = text("x-forwarded-host")
        .or_else(|| text(HOST.as_str()))
        .or_else(|| call.uri.authority().map(|it| it.as_str()));
    match (scheme, host) {
        (Some(scheme), Some(host)) if !host.is_empty() => format!("{scheme}://{host}{folder}{id}"),
        _ => format!("{folder}{id}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registrations_are_known_by_the_end_of_their_address() {
        let headers = HeaderMap::from_iter([(
            http::HeaderName::from_static(DONT_NOTIFY),
            HeaderValue::from_static(
                "\"https://a.example/dav/push/calendars/1\", /dav/push/calendars/2/ ,,*",
            ),
        )]);
        assert_eq!(silent(&headers), ["1", "2", "*"]);
        assert!(silent(&HeaderMap::new()).is_empty());
        assert_eq!(registration("/dav/push/addressbooks/7"), Some((Kind::Book, "7")));
        assert_eq!(registration("/dav/push/"), None);
    }
}
