//! POST to a collection's address for new members (RFC 5995): the server chooses the name.
//! Called by the table of methods. The address is the property `DAV:add-member`.

use axum::body::Body;
use http::header::{CONTENT_LENGTH, LOCATION};
use http::{HeaderValue, Response, StatusCode};
use kontor_proto::collection::v1::{Conditions, PutObjectRequest};
use tonic::{Code, Status};

use crate::dav::error::Failure;
use crate::dav::methods::{options, push, put, representation};
use crate::dav::path::{ADD_MEMBER, Kind, Location, Place};
use crate::dav::{Call, body, contract_path, empty, headers, if_header, limits};

/// Answers POST with 201, the new object's address and its ETag.
pub async fn run(call: &Call<'_>, body: Body) -> Result<Response<Body>, Failure> {
    let location = match call.place {
        Place::Collection(location) if call.uri.query() == ADD_MEMBER.strip_prefix('?') => location,
        _ => return Err(Failure::method_not_allowed(options::allow(call.place))),
    };
    put::check_media_type(call.headers, location.kind)?;
    // The member that is made has no state yet, so only an `If` header on the collection says anything.
    let conditions = Conditions { if_lists: if_header::conditions(call, None).await?.if_lists, ..absent() };
    let too_large = || Failure::too_large(location.kind);
    let data = body::read(call.headers, body, limits::OBJECT_BYTES, too_large).await?;
    let sent = data.clone();
    let name = format!("{}.{}", kontor_kit::id::new(), ending(location.kind));
    let place = Place::Object(location.clone(), name.clone());
    let message = PutObjectRequest {
        path: Some(contract_path(location)),
        name: name.clone(),
        data,
        conditions: Some(conditions),
        silent_registrations: push::silent(call.headers),
    };
    let answer = call.dav.collections(location.kind).put_object(call.request(message)).await;
    let answer = answer.map_err(|status| refused(&status, location, &place))?.into_inner();
    let mut response = empty(StatusCode::CREATED);
    response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
    if let Ok(href) = HeaderValue::try_from(place.href()) {
        response.headers_mut().insert(LOCATION, href);
    }
    put::tags(response.headers_mut(), &answer);
    if headers::preferences(call.headers).representation {
        return representation::of_write(call, location, &name, sent, &answer, response).await;
    }
    Ok(response)
}

fn absent() -> Conditions {
    Conditions { if_absent: true, ..Conditions::default() }
}

fn ending(kind: Kind) -> &'static str {
    match kind {
        Kind::Calendar => "ics",
        Kind::Book => "vcf",
    }
}

fn refused(status: &Status, location: &Location, place: &Place) -> Failure {
    match status.code() {
        Code::PermissionDenied => Failure::need_privilege(location.href(), "bind").because(status),
        _ => Failure::of_status(status, location.kind, &place.href()),
    }
}
