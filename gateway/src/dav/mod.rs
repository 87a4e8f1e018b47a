//! CalDAV and CardDAV: the entry to the DAV tree, and which method goes where.
//! Called by the edge with a signed-in caller; talks to the services through the collection contract.

pub mod attachment_query;
mod body;
pub mod disposition;
mod error;
mod files;
mod headers;
pub mod if_header;
pub mod limits;
mod methods;
pub mod path;
pub mod preconditions;
pub mod properties;
mod reports;
mod sharees;
mod stream;
mod tags;
pub mod xml;

use std::sync::Arc;

use axum::body::Body;
use http::header::CONTENT_LOCATION;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use kontor_kit::auth::Caller;
use kontor_kit::link::Link;
use kontor_kit::near::Collections;
use kontor_proto::calendar::v1::attachment_service_client::AttachmentServiceClient;
use kontor_proto::calendar::v1::availability_service_client::AvailabilityServiceClient;
use kontor_proto::calendar::v1::free_busy_service_client::FreeBusyServiceClient;
use kontor_proto::calendar::v1::message_service_client::MessageServiceClient;
use kontor_proto::collection::v1::collection_service_client::CollectionServiceClient;
use kontor_proto::collection::v1::{Collection, CollectionPath, GetCollectionRequest};
use kontor_proto::directory::v1::team_service_client::TeamServiceClient;
use kontor_proto::directory::v1::user_service_client::UserServiceClient;

pub use error::Failure;
use path::{Kind, Location, Lost, Place};

/// The way to a service of collections: the methods of every day directly where that can be, the others over the link.
#[derive(Clone)]
struct Way {
    near: Arc<dyn Collections>,
    client: CollectionServiceClient<Link>,
}

impl Way {
    fn new(link: Link) -> Way {
        let near = link.collections();
        let client = CollectionServiceClient::new(link)
            .max_decoding_message_size(limits::MESSAGE_BYTES)
            .max_encoding_message_size(limits::MESSAGE_BYTES);
        Way { near, client }
    }
}

/// The DAV tree over the services behind it.
#[derive(Clone)]
pub struct Dav {
    calendars: Way,
    books: Way,
    users: UserServiceClient<Link>,
    teams: TeamServiceClient<Link>,
    free_busy: FreeBusyServiceClient<Link>,
    attachments: AttachmentServiceClient<Link>,
    availability: AvailabilityServiceClient<Link>,
    messages: MessageServiceClient<Link>,
    files: Option<files::Files>,
    push: bool,
}

impl Dav {
    /// The tree over the calendar service (calendars) and the directory service (address books and users).
    pub fn new(calendar: Link, directory: Link) -> Self {
        Dav {
            attachments: AttachmentServiceClient::new(calendar.clone())
                .max_decoding_message_size(limits::MESSAGE_BYTES)
                .max_encoding_message_size(limits::MESSAGE_BYTES),
            availability: AvailabilityServiceClient::new(calendar.clone()),
            messages: MessageServiceClient::new(calendar.clone()),
            free_busy: FreeBusyServiceClient::new(calendar.clone())
                .max_decoding_message_size(limits::MESSAGE_BYTES),
            calendars: Way::new(calendar),
            books: Way::new(directory.clone()),
            users: UserServiceClient::new(directory.clone()),
            teams: TeamServiceClient::new(directory),
            files: None,
            push: false,
        }
    }

    /// The same that tells whether push messages are sent.
    #[must_use]
    pub fn with_push(self, push: bool) -> Dav {
        Dav { push, ..self }
    }

    /// The same with documents, where templating can be reached.
    #[must_use]
    pub fn with_files(self, templating: Option<Link>) -> Dav {
        Dav { files: templating.map(files::Files::new), ..self }
    }

    /// Whether this request is DAV's: the tree itself, the two addresses that lead to it, and what clients try first.
    pub fn takes(method: &Method, path: &str) -> bool {
        match path {
            "/" => *method == Method::OPTIONS || method.as_str() == "PROPFIND",
            // GNOME recognises a DAV server by OPTIONS on this path.
            "/remote.php/dav" | "/remote.php/dav/" => *method == Method::OPTIONS,
            "/dav" => true,
            _ => path.starts_with(path::ROOT) || is_well_known(path),
        }
    }

    /// Answers what needs no sign-in: OPTIONS anywhere (Thunderbird asks without credentials), and the well-known addresses.
    pub fn anonymous(&self, request: &http::request::Parts) -> Option<Response<Body>> {
        let path = request.uri.path();
        if request.method == Method::OPTIONS && self.files.is_some() && files::takes(path) {
            return Some(files::options());
        }
        if request.method == Method::OPTIONS {
            return Some(methods::options::answer(path, self.push));
        }
        is_well_known(path).then(methods::options::well_known)
    }

    /// Answers a request of a signed-in caller.
    pub async fn handle(&self, caller: Caller, request: http::Request<Body>) -> Response<Body> {
        let (parts, body) = request.into_parts();
        if let Some(answer) = self.anonymous(&parts) {
            return answer;
        }
        if let Some(files) = self.files.as_ref().filter(|_| files::takes(parts.uri.path())) {
            // Large, and rare: see `edge::Gateway::route`.
            return Box::pin(files.handle(caller, http::Request::from_parts(parts, body))).await;
        }
        if let Some((kind, id)) = methods::push::registration(parts.uri.path()) {
            let ended = methods::push::unregister(self, &caller, &parts.method, kind, id).await;
            return ended.unwrap_or_else(Failure::into_response);
        }
        if let Some(id) = methods::attached::id_of(parts.uri.path()) {
            let answer = methods::attached::run(self, &caller, &parts.method, &parts.headers, id).await;
            return answer.unwrap_or_else(Failure::into_response);
        }
        let place = match Place::parse(parts.uri.path()) {
            Ok(place) => place,
            // There can be no collection to put it in (RFC 4918 sections 9.3.1 and 9.7.1).
            Err(Lost::Nowhere) if matches!(parts.method.as_str(), "PUT" | "MKCOL" | "MKCALENDAR") => {
                return Failure::not_found().with_status(StatusCode::CONFLICT).into_response();
            }
            Err(Lost::Nowhere) => return Failure::not_found().into_response(),
            Err(Lost::Malformed) => return Failure::bad_request("the path is not valid").into_response(),
        };
        let call =
            Call { dav: self, caller: &caller, place: &place, headers: &parts.headers, uri: &parts.uri };
        let mut answer =
            methods::dispatch(&call, &parts.method, body).await.unwrap_or_else(Failure::into_response);
        if !parts.uri.path().ends_with('/') && !matches!(place, Place::Object(..)) {
            say_where(&place, answer.headers_mut());
        }
        answer
    }

    /// The service that keeps this kind of collections: the methods that clients use all day.
    fn near(&self, kind: Kind) -> &dyn Collections {
        &*self.way(kind).near
    }

    /// The same service with all its methods.
    fn collections(&self, kind: Kind) -> CollectionServiceClient<Link> {
        self.way(kind).client.clone()
    }

    fn way(&self, kind: Kind) -> &Way {
        match kind {
            Kind::Calendar => &self.calendars,
            Kind::Book => &self.books,
        }
    }
}

/// What was asked for without its slash has one all the same (RFC 4918 section 5.2).
fn say_where(place: &Place, headers: &mut HeaderMap) {
    if let Ok(href) = HeaderValue::try_from(place.href()) {
        headers.entry(CONTENT_LOCATION).or_insert(href);
    }
}

fn is_well_known(path: &str) -> bool {
    matches!(path.trim_end_matches('/'), "/.well-known/caldav" | "/.well-known/carddav")
}

/// One request on its way through the methods.
struct Call<'a> {
    dav: &'a Dav,
    caller: &'a Caller,
    place: &'a Place,
    headers: &'a HeaderMap,
    uri: &'a http::Uri,
}

impl Call<'_> {
    /// Login name of the caller.
    fn user(&self) -> &str {
        &self.caller.user
    }

    /// A message to a service on the caller's behalf.
    fn request<T>(&self, message: T) -> tonic::Request<T> {
        self.caller.request(message)
    }

    /// Reads a collection with its properties.
    async fn collection(&self, location: &Location) -> Result<Collection, Failure> {
        self.collection_with(location, false).await
    }

    /// The same, with its shares when they are asked for.
    async fn collection_with(&self, location: &Location, with_shares: bool) -> Result<Collection, Failure> {
        self.collection_for(location, with_shares, false).await
    }

    /// The same, with its zone too when that is asked for.
    async fn collection_for(
        &self,
        location: &Location,
        with_shares: bool,
        with_zone: bool,
    ) -> Result<Collection, Failure> {
        let path = Some(contract_path(location));
        let request = self.request(GetCollectionRequest { path, with_shares, with_zone });
        let answer = self.dav.near(location.kind).get_collection(request).await;
        answer.map_err(|status| Failure::of_status(&status, location.kind, &location.href()))
    }

    /// Makes the failure for a service's answer about this place.
    fn failure(&self, status: &tonic::Status) -> Failure {
        Failure::of_status(status, self.place.kind().unwrap_or(Kind::Calendar), &self.place.href())
    }
}

/// Names a collection in the contract.
fn contract_path(location: &Location) -> CollectionPath {
    CollectionPath { owner: location.owner.clone(), slug: location.slug.clone() }
}

/// An answer without a body.
fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}
