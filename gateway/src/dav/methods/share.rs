//! POST of a CS:share to a calendar or a book: its owner shares it, changes how, and ends shares (caldav-sharing of calendarserver.org,
//! section 5.3.2). Called by `order`. There are no invitations to accept: what is shared stands in the other's home at once.

use axum::body::Body;
use http::header::{CACHE_CONTROL, CONTENT_LENGTH};
use http::{HeaderValue, Response, StatusCode};
use kontor_proto::collection::v1::{Access, ChangeSharesRequest, Share};
use tonic::Code;

use crate::dav::error::{Condition, Failure};
use crate::dav::path::Location;
use crate::dav::sharees::Book;
use crate::dav::xml::share::{self, Step};
use crate::dav::{Call, contract_path, empty, if_header};

/// Answers POST with 200 when all was done, else nothing was.
pub async fn run(call: &Call<'_>, location: &Location, body: &[u8]) -> Result<Response<Body>, Failure> {
    let steps = share::share(body).map_err(|error| Failure::of_xml(&error, location.kind))?;
    if_header::check(call).await?;
    // Who may not share it learns nothing of addresses.
    if call.collection(location).await?.access() != Access::Owner {
        return Err(refused(location));
    }
    let message = changes(call, location, steps).await?;
    let answer = call.dav.collections(location.kind).change_shares(call.request(message)).await;
    answer.map_err(|status| match status.code() {
        Code::PermissionDenied => refused(location),
        _ => call.failure(&status),
    })?;
    let mut response = empty(StatusCode::OK);
    response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    Ok(response)
}

fn refused(location: &Location) -> Failure {
    Failure::need_privilege(location.href(), "all")
}

/// Who is meant. The last word on a sharee counts.
async fn changes(
    call: &Call<'_>,
    location: &Location,
    steps: Vec<Step>,
) -> Result<ChangeSharesRequest, Failure> {
    let mut book = Book::default();
    let (mut set, mut remove): (Vec<Share>, Vec<String>) = (Vec::new(), Vec::new());
    for step in steps {
        let (href, access) = match &step {
            Step::Set(href, true) => (href, Some(Access::Write)),
            Step::Set(href, false) => (href, Some(Access::Read)),
            Step::Remove(href) => (href, None),
        };
        let found = match access {
            Some(_) => book.find(call, href).await?,
            None => book.find_gone(call, href).await?,
        };
        let Some(grantee) = found else {
            if access.is_none() {
                // Nobody's share has ended already.
                continue;
            }
            let message = format!("{href:?} is no user and no team here");
            return Err(Failure::forbidden(Condition::RecognizedPrincipal, message));
        };
        set.retain(|share| share.grantee != grantee);
        remove.retain(|other| *other != grantee);
        match access {
            Some(access) => set.push(Share { grantee, access: access.into(), ..Share::default() }),
            None => remove.push(grantee),
        }
    }
    Ok(ChangeSharesRequest { path: Some(contract_path(location)), set, remove })
}
