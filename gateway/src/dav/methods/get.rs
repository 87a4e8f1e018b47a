//! GET and HEAD: an object's bytes as they were stored; a page for people on everything else.
//! Called by the table of methods.

use axum::body::Body;
use futures_util::StreamExt;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, ETAG, LAST_MODIFIED, VARY};
use http::{HeaderValue, Response, StatusCode};
use kontor_proto::collection::v1::{GetObjectsRequest, Object};
use kontor_vobject::card;

use crate::dav::error::Failure;
use crate::dav::methods::accept;
use crate::dav::path::{Kind, Location, Place};
use crate::dav::properties::object;
use crate::dav::{Call, contract_path, empty, if_header, preconditions};

/// Answers GET; for HEAD without the body.
pub async fn run(call: &Call<'_>, head: bool) -> Result<Response<Body>, Failure> {
    let mut response = match call.place {
        Place::Object(location, name) => get_object(call, location, name).await?,
        Place::Collection(location) => {
            let it = call.collection(location).await?;
            let (what, program) = match location.kind {
                Kind::Calendar => ("Calendar", "calendar"),
                Kind::Book => ("Address book", "contacts"),
            };
            page(format!(
                "{what} \"{}\" of {}: {} objects.\nGive this address to your {program} program.\n",
                it.display_name, it.owner, it.object_count
            ))
        }
        _ => page(
            "Kontor's calendars and address books.\nGive the address of this server to your calendar or contacts program.\n"
                .to_owned(),
        ),
    };
    if head {
        let length = http_body::Body::size_hint(response.body()).exact().unwrap_or(0);
        *response.body_mut() = Body::empty();
        // Not for a 304, which has no length of its own.
        if response.status() == StatusCode::OK {
            response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
        }
    }
    Ok(response)
}

async fn get_object(call: &Call<'_>, location: &Location, name: &str) -> Result<Response<Body>, Failure> {
    let conditions = if_header::conditions_of_read(call).await?;
    let message = GetObjectsRequest {
        path: Some(contract_path(location)),
        names: vec![name.to_owned()],
        with_data: true,
        with_dead: false,
    };
    let answer = call.dav.near(location.kind).get_objects(call.request(message)).await;
    let mut chunks = answer.map_err(|status| call.failure(&status))?;
    let chunk = chunks.next().await.transpose().map_err(|status| call.failure(&status))?;
    let object = chunk.and_then(|chunk| chunk.objects.into_iter().next()).filter(|object| !object.missing);
    let object = object.ok_or_else(Failure::not_found)?;
    if preconditions::refused(&conditions, &object.etag, &object.schedule_tag) {
        return Err(Failure::precondition_failed("the object has another ETag"));
    }
    let unchanged = preconditions::not_modified(&conditions, &object.etag);
    let mut response =
        if unchanged { empty(StatusCode::NOT_MODIFIED) } else { whole(call, location.kind, &object)? };
    let headers = response.headers_mut();
    headers.insert(ETAG, header(format!("\"{}\"", object.etag))?);
    headers.insert(LAST_MODIFIED, header(object::http_date(&object))?);
    if !object.schedule_tag.is_empty() {
        headers.insert("schedule-tag", header(format!("\"{}\"", object.schedule_tag))?);
    }
    Ok(response)
}

/// The object, as it was written or, a card, in the version that Accept asks for.
fn whole(call: &Call<'_>, kind: Kind, object: &Object) -> Result<Response<Body>, Failure> {
    let version = match kind {
        Kind::Book => accept::card_version(call.headers, &object.data),
        Kind::Calendar => None,
    };
    let converted = version.and_then(|version| card::convert(&object.data, version));
    let media_type = match (version, &converted) {
        (Some(card::Version::V3), Some(_)) => "text/vcard; charset=utf-8; version=3.0".to_owned(),
        (Some(card::Version::V4), Some(_)) => "text/vcard; charset=utf-8; version=4.0".to_owned(),
        _ => content_type(kind, object),
    };
    let mut response = match converted {
        Some(converted) => Response::new(Body::from(converted)),
        None => Response::new(Body::from(object.data.clone())),
    };
    response.headers_mut().insert(CONTENT_TYPE, header(media_type)?);
    if version.is_some() {
        response.headers_mut().insert(VARY, HeaderValue::from_static("Accept"));
    }
    Ok(response)
}

fn content_type(kind: Kind, object: &Object) -> String {
    let plain = object::content_type(kind);
    let is_word = object.component.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if kind == Kind::Calendar && is_word && !object.component.is_empty() {
        return format!("{plain}; component={}", object.component);
    }
    plain.to_owned()
}

fn page(text: String) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

fn header(text: String) -> Result<HeaderValue, Failure> {
    HeaderValue::try_from(text)
        .map_err(|_| Failure::new(StatusCode::INTERNAL_SERVER_ERROR, "a value can't stand in a header"))
}
