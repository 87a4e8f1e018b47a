//! POST to a calendar object: managed attachments come, change and go (RFC 8607 section 3).
//! Called by the table of methods.

use axum::body::Body;
use http::header::{CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_TYPE, HOST, LOCATION};
use http::{HeaderValue, Response, StatusCode};
use kontor_proto::calendar::v1 as proto;
use tonic::{Code, Status};

use crate::dav::attachment_query::Wish;
use crate::dav::error::{Condition, Failure};
use crate::dav::methods::representation;
use crate::dav::path::{Kind, Location, Place};
use crate::dav::{Call, body, contract_path, disposition, empty, headers, if_header, limits};

/// Whether a POST is one: to an event or a task.
pub fn takes(call: &Call<'_>) -> bool {
    matches!(call.place, Place::Object(location, _) if location.kind == Kind::Calendar)
}

/// Answers POST: 201 for a new attachment, 204 for a change, 200 with the object when it is asked for.
pub async fn run(call: &Call<'_>, body: Body) -> Result<Response<Body>, Failure> {
    let Place::Object(location, name) = call.place else { return Err(Failure::not_found()) };
    let wish = Wish::parse(call.uri.query().unwrap_or_default())?;
    let conditions = if_header::conditions(call, None).await?;
    let place = Some(proto::AttachmentPlace {
        path: Some(contract_path(location)),
        name: name.clone(),
        conditions: Some(conditions),
    });
    let mut client = call.dav.attachments.clone();
    let is_new = matches!(wish, Wish::Add(_));
    let answer = match wish {
        Wish::Add(recurrence_ids) => {
            let attachment = Some(upload(call, body).await?);
            let message =
                proto::AddAttachmentRequest { place, attachment, recurrence_ids, ..Default::default() };
            client.add_attachment(call.request(message)).await
        }
        Wish::Update(managed_id) => {
            let attachment = Some(upload(call, body).await?);
            let message =
                proto::UpdateAttachmentRequest { place, managed_id, attachment, ..Default::default() };
            client.update_attachment(call.request(message)).await
        }
        Wish::Remove(managed_id, recurrence_ids) => {
            let message =
                proto::RemoveAttachmentRequest { place, managed_id, recurrence_ids, ..Default::default() };
            client.remove_attachment(call.request(message)).await
        }
    };
    let wanted = headers::preferences(call.headers).representation;
    let answer = match answer {
        Ok(answer) => answer.into_inner(),
        Err(status) if wanted && representation::is_conflict(&status) => {
            return representation::of_conflict(call, location, name, refused(call, &status)).await;
        }
        Err(status) => return Err(refused(call, &status)),
    };
    answered(call, location, name, answer, is_new, wanted).await
}

async fn answered(
    call: &Call<'_>,
    location: &Location,
    name: &str,
    answer: proto::ChangeAttachmentResponse,
    is_new: bool,
    wanted: bool,
) -> Result<Response<Body>, Failure> {
    let mut response = empty(if is_new { StatusCode::CREATED } else { StatusCode::NO_CONTENT });
    let headers = response.headers_mut();
    if is_new {
        headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
    }
    let file = answer.attachment.unwrap_or_default();
    let id = file.name.rsplit('/').next().unwrap_or_default();
    let location_of = if is_new { file.uri.as_str() } else { "" };
    let schedule_tag =
        if answer.schedule_tag.is_empty() { String::new() } else { format!("\"{}\"", answer.schedule_tag) };
    for (header, value) in
        [("cal-managed-id", id), (LOCATION.as_str(), location_of), ("schedule-tag", &schedule_tag)]
    {
        if let Ok(value) = HeaderValue::try_from(value)
            && !value.is_empty()
        {
            headers.insert(header, value);
        }
    }
    if wanted {
        // Without an ETag the helper reads the object again, for the server wrote it.
        let read = kontor_proto::collection::v1::PutObjectResponse::default();
        return representation::of_write(call, location, name, bytes::Bytes::new(), &read, response).await;
    }
    Ok(response)
}

/// The file of a request.
async fn upload(call: &Call<'_>, body: Body) -> Result<proto::NewAttachment, Failure> {
    let text = |name: &str| call.headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let name = call.headers.get(CONTENT_DISPOSITION).map(|value| disposition::filename(value.as_bytes()));
    // A type that is none says nothing.
    let media_type = text(CONTENT_TYPE.as_str()).filter(|kind| is_media_type(kind)).unwrap_or_default();
    let too_large = || {
        let message = format!("an attachment has at most {} bytes", limits::ATTACHMENT_BYTES);
        Failure::forbidden(Condition::MaxAttachmentSize, message)
    };
    let data = body::read(call.headers, body, limits::ATTACHMENT_BYTES, too_large).await?;
    // Clients put scheme and host of the home in their place (RFC 8607 section 6.1), so a guess does no harm.
    let scheme = text("x-forwarded-proto").filter(|scheme| matches!(*scheme, "http" | "https"));
    let host = text("x-forwarded-host")
        .or_else(|| text(HOST.as_str()))
        .or_else(|| call.uri.authority().map(|it| it.as_str()))
        .ok_or_else(|| Failure::bad_request("the request names no host"))?;
    Ok(proto::NewAttachment {
        filename: name.unwrap_or_default(),
        media_type: media_type.to_owned(),
        data,
        base_uri: format!("{}://{host}", scheme.unwrap_or("https")),
    })
}

fn is_media_type(text: &str) -> bool {
    let kind = text.split(';').next().unwrap_or_default().trim();
    let is_token = |part: &str| {
        (1..=100).contains(&part.len())
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&byte))
    };
    kind.split_once('/').is_some_and(|(kind, of)| is_token(kind) && is_token(of))
}

fn refused(call: &Call<'_>, status: &Status) -> Failure {
    match status.code() {
        Code::PermissionDenied => Failure::need_privilege(call.place.href(), "write-content").because(status),
        _ => call.failure(status),
    }
}
