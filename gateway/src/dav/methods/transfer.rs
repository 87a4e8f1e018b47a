//! COPY and MOVE of an object (RFC 4918 sections 9.8 and 9.9), inside a collection or to another one of the same kind.
//! Called by the table of methods. All conditions are checked by the service in the transaction that moves.

use axum::body::Body;
use http::header::{CONTENT_LENGTH, HOST};
use http::uri::Authority;
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use kontor_proto::collection::v1::MoveObjectRequest;
use tonic::{Code, Status};

use crate::dav::error::{Condition, Failure};
use crate::dav::headers::{self, Depth};
use crate::dav::methods::{options, representation};
use crate::dav::path::{Location, Lost, Place};
use crate::dav::{Call, contract_path, empty, if_header};

/// Answers COPY and MOVE: 201 when nothing stood at the destination, else 204.
pub async fn run(call: &Call<'_>, copy: bool) -> Result<Response<Body>, Failure> {
    let (location, name) = match call.place {
        Place::Object(location, name) => (location, name),
        Place::Collection(_) => return Err(whole_collection()),
        _ => return Err(Failure::method_not_allowed(options::allow(call.place))),
    };
    if headers::depth(call.headers)? == Some(Depth::One) {
        return Err(Failure::bad_request("COPY and MOVE take Depth 0 or infinity"));
    }
    let overwrite = overwrite(call.headers)?;
    let place = destination(call)?;
    let (to, to_name) = target(&place, location)?;
    let message = MoveObjectRequest {
        path: Some(contract_path(location)),
        name: name.clone(),
        to_path: Some(contract_path(to)),
        to_name: to_name.to_owned(),
        conditions: Some(if_header::conditions(call, Some(&place)).await?),
        overwrite,
        copy,
    };
    let answer = call.dav.collections(location.kind).move_object(call.request(message)).await;
    let answer = answer.map_err(|status| refused(call, &status, location, &place, to))?.into_inner();
    let mut response = empty(if answer.created { StatusCode::CREATED } else { StatusCode::NO_CONTENT });
    super::put::tag(response.headers_mut(), "schedule-tag", &answer.schedule_tag);
    if answer.created {
        response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
    }
    if headers::preferences(call.headers).representation {
        return representation::of_transfer(call, to, to_name, response).await;
    }
    Ok(response)
}

fn whole_collection() -> Failure {
    let message = "a whole calendar or address book can't be moved or copied: its name for people is changed with PROPPATCH";
    Failure::new(StatusCode::FORBIDDEN, message)
}

/// Only an object inside a collection of the same kind can be a destination.
fn target<'a>(place: &'a Place, from: &Location) -> Result<(&'a Location, &'a str), Failure> {
    match place {
        Place::Object(to, name) if to.kind == from.kind => Ok((to, name)),
        Place::Object(to, _) => {
            let message = "events don't fit into address books, nor cards into calendars";
            Err(Failure::forbidden(Condition::SupportedData(to.kind), message))
        }
        _ => Err(Failure::new(
            StatusCode::FORBIDDEN,
            "an object goes into a calendar or an address book: name it behind the collection's path",
        )),
    }
}

fn overwrite(headers: &HeaderMap) -> Result<bool, Failure> {
    match headers.get("overwrite").map(|value| value.as_bytes().trim_ascii()) {
        None | Some(b"T" | b"t") => Ok(true),
        Some(b"F" | b"f") => Ok(false),
        Some(_) => Err(Failure::bad_request("Overwrite is neither T nor F")),
    }
}

/// Where the Destination header leads (RFC 4918 section 10.3): a path, or an address of this very host.
fn destination(call: &Call<'_>) -> Result<Place, Failure> {
    let header =
        call.headers.get("destination").ok_or_else(|| Failure::bad_request("Destination is missing"))?;
    let text = std::str::from_utf8(header.as_bytes())
        .map_err(|_| Failure::bad_request("Destination is not UTF-8"))?
        .trim();
    if let Some((scheme, rest)) = text.split_once("://")
        && !scheme.contains('/')
    {
        let host = rest.split('/').next().unwrap_or_default();
        if !matches!(scheme.to_ascii_lowercase().as_str(), "http" | "https") || !is_this_host(call, host) {
            return Err(Failure::new(StatusCode::BAD_GATEWAY, "Destination is on another server"));
        }
    } else if !text.starts_with('/') {
        return Err(Failure::bad_request("Destination is neither an address nor a path"));
    }
    Place::of_href(text).map_err(|lost| match lost {
        Lost::Malformed => Failure::bad_request("Destination is not valid"),
        Lost::Nowhere => Failure::new(StatusCode::CONFLICT, "there is no collection at Destination"),
    })
}

/// Whether a host is the one that the client spoke to. A proxy before Kontor hands it on in Host or in X-Forwarded-Host.
fn is_this_host(call: &Call<'_>, host: &str) -> bool {
    let asked = call.uri.authority().map(Authority::as_str);
    let headers = [call.headers.get(HOST), call.headers.get("x-forwarded-host")];
    let named = headers.into_iter().flatten().filter_map(|value| value.to_str().ok());
    named.chain(asked).any(|known| plain(known).eq_ignore_ascii_case(plain(host)))
}

/// Host and port without what is the same for all: the user, the ports of HTTP and HTTPS.
fn plain(host: &str) -> &str {
    let host = host.rsplit('@').next().unwrap_or(host).trim();
    host.strip_suffix(":443").or_else(|| host.strip_suffix(":80")).unwrap_or(host)
}

fn refused(call: &Call<'_>, status: &Status, from: &Location, place: &Place, to: &Location) -> Failure {
    let (reason, metadata) = kontor_kit::error::reason(status).unwrap_or_default();
    match reason.as_str() {
        "NO_DESTINATION" => Failure::new(StatusCode::CONFLICT, status.message()),
        "DESTINATION_EXISTS" => Failure::precondition_failed(status.message()),
        "SAME_OBJECT" | "COMPANY_PARTNER" => Failure::new(StatusCode::FORBIDDEN, status.message()),
        _ if status.code() == Code::PermissionDenied => {
            let at_source = metadata.get("at").is_some_and(|at| at == "source");
            let (location, privilege) = if at_source { (from, "unbind") } else { (to, "bind") };
            Failure::need_privilege(location.href(), privilege).because(status)
        }
        // The source is what the path of the request names; every other complaint is about the destination.
        _ if status.code() == Code::NotFound => call.failure(status),
        _ => Failure::of_status(status, to.kind, &place.href()),
    }
}
