//! What went wrong, as an HTTP answer with the precondition element that clients look for.
//! Called everywhere in the DAV layer; the one map from a service's status to HTTP.

use std::collections::HashMap;

use axum::body::Body;
use http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, Response, StatusCode};
use tonic::Code;

use super::path::{self, Kind};
use super::xml::{self, Writer};

/// An answer that is not a success.
#[derive(Clone, Debug)]
pub struct Failure(Box<Inner>);

#[derive(Clone, Debug)]
struct Inner {
    status: StatusCode,
    condition: Option<Condition>,
    message: String,
    allow: Option<&'static str>,
    retry_after_seconds: Option<u64>,
}

/// The elements of `DAV:error` that Kontor sends. Where calendars and books have their own, the kind chooses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// RFC 4918 section 9.1.
    PropfindFiniteDepth,
    /// RFC 6578 section 3.2.
    ValidSyncToken,
    /// RFC 3253 section 3.6.
    SupportedReport,
    /// RFC 3253; RFC 4791 section 5.3.1.
    ResourceMustBeNull,
    /// RFC 5689 section 3.
    ValidResourcetype,
    /// RFC 4918 section 16.
    NoExternalEntities,
    /// RFC 5323; too many names.
    NumberOfMatchesWithinLimits,
    /// RFC 3744 section 7.1.1: href of the resource and the privilege's local name.
    NeedPrivileges(String, &'static str),
    /// RFC 3744 section 8.1.1: an href names no user and no team.
    RecognizedPrincipal,
    /// RFC 3744 section 8.1.1: this one can't be shared with, or this can't be shared.
    AllowedPrincipal,
    /// RFC 4791 section 5.3.2.1, RFC 6352 section 6.3.2.1: href of the object that has the UID.
    NoUidConflict(Kind, Option<String>),
    /// valid-calendar-data, valid-address-data.
    ValidData(Kind),
    /// valid-calendar-object-resource; a book has only valid-address-data.
    ValidObjectResource(Kind),
    /// supported-calendar-data, supported-address-data.
    SupportedData(Kind),
    /// supported-calendar-component.
    SupportedComponent,
    /// RFC 6638 section 3.2.4.1: href of the object that the meeting has already.
    UniqueSchedulingObject(Option<String>),
    /// RFC 6638 section 3.2.4.2.
    SameOrganizer,
    /// RFC 6638 section 3.2.4.3.
    AllowedOrganizerChange,
    /// RFC 6638 section 3.2.4.4.
    AllowedAttendeeChange,
    /// RFC 4791 section 5.2.9.
    MaxAttendees,
    /// RFC 6638 section 5.1: what was posted is no message that is taken.
    ValidSchedulingMessage,
    /// RFC 6638 section 5.1: the organizer of the message is not the owner of the outbox.
    ValidOrganizer,
    /// max-resource-size.
    MaxResourceSize(Kind),
    /// calendar-collection-location-ok, addressbook-collection-location-ok.
    LocationOk(Kind),
    /// valid-filter; RFC 6352 calls it supported-filter.
    ValidFilter(Kind),
    /// supported-filter, with the component that can't be asked so (RFC 4791 section 7.8).
    SupportedFilter(Kind, Option<String>),
    /// supported-collation.
    SupportedCollation(Kind),
    /// RFC 8607 section 3.11.
    ValidAction,
    /// RFC 8607 section 3.11: there is no such instance.
    ValidRid,
    /// RFC 8607 section 3.11: there is no such attachment.
    ValidManagedId,
    /// RFC 8607 section 3.11: an object that was put has a MANAGED-ID that the client may not use.
    ValidManagedIdParameter,
    /// RFC 8607 section 6.2.
    MaxAttachmentSize,
    /// RFC 8607 section 6.3.
    MaxAttachments,
    /// RFC 4331 section 6.
    QuotaNotExceeded,
    /// WebDAV-Push: the address or the keys can't be used.
    InvalidSubscription,
    /// WebDAV-Push: nothing that is asked for is told.
    NoSupportedTrigger,
    /// WebDAV-Push: not here, or no more.
    PushNotAvailable,
}

impl Failure {
    /// A status with a sentence.
    pub fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Failure(Box::new(Inner {
            status,
            condition: None,
            message: message.into(),
            allow: None,
            retry_after_seconds: None,
        }))
    }

    /// A status with a precondition element.
    pub fn condition(status: StatusCode, condition: Condition, message: impl Into<String>) -> Self {
        let mut failure = Failure::new(status, message);
        failure.0.condition = Some(condition);
        failure
    }

    /// 403 with a precondition element.
    pub fn forbidden(condition: Condition, message: impl Into<String>) -> Self {
        Failure::condition(StatusCode::FORBIDDEN, condition, message)
    }

    /// 400.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Failure::new(StatusCode::BAD_REQUEST, message)
    }

    /// 404.
    pub fn not_found() -> Self {
        Failure::new(StatusCode::NOT_FOUND, "there is nothing here, or you may not see it")
    }

    /// 412.
    pub fn precondition_failed(message: impl Into<String>) -> Self {
        Failure::new(StatusCode::PRECONDITION_FAILED, message)
    }

    /// 405 with what is allowed.
    pub fn method_not_allowed(allow: &'static str) -> Self {
        let mut failure = Failure::new(StatusCode::METHOD_NOT_ALLOWED, "this resource does not do that");
        failure.0.allow = Some(allow);
        failure
    }

    /// 403: the caller lacks a privilege on a resource.
    pub fn need_privilege(href: impl Into<String>, privilege: &'static str) -> Self {
        Failure::forbidden(
            Condition::NeedPrivileges(href.into(), privilege),
            format!("you need the privilege {privilege} here"),
        )
    }

    /// With what the service said of it.
    pub fn because(mut self, status: &tonic::Status) -> Self {
        if !status.message().is_empty() {
            self.0.message = format!("{}: {}", self.0.message, status.message());
        }
        self
    }

    /// 413 for an object over the limit.
    pub fn too_large(kind: Kind) -> Self {
        Failure::condition(
            StatusCode::PAYLOAD_TOO_LARGE,
            Condition::MaxResourceSize(kind),
            format!("an object has at most {} bytes", super::limits::OBJECT_BYTES),
        )
    }

    /// What a body of XML that was not understood is answered with.
    pub fn of_xml(error: &xml::Error, kind: Kind) -> Self {
        let message = error.to_string();
        match error {
            xml::Error::Filter(_) => Failure::forbidden(Condition::ValidFilter(kind), message),
            xml::Error::Collation(_) => Failure::forbidden(Condition::SupportedCollation(kind), message),
            xml::Error::Outside => Failure::forbidden(Condition::NoExternalEntities, message),
            xml::Error::Malformed(_) | xml::Error::Doctype | xml::Error::Limit(_) => {
                Failure::bad_request(message)
            }
        }
    }

    /// The one map from a service's answer. `kind` and `href` are those of the resource that was asked for.
    pub fn of_status(status: &tonic::Status, kind: Kind, href: &str) -> Self {
        let (reason, metadata) = kontor_kit::error::reason(status).unwrap_or_default();
        let message = status.message();
        let forbidden = |condition| Failure::forbidden(condition, message);
        match reason.as_str() {
            "ETAG_MISMATCH" => return Failure::precondition_failed(message),
            "VALID_SYNC_TOKEN" => return forbidden(Condition::ValidSyncToken),
            "VALID_DATA" => return forbidden(Condition::ValidData(kind)),
            "VALID_OBJECT_RESOURCE" => return forbidden(Condition::ValidObjectResource(kind)),
            "SUPPORTED_COMPONENT" => return forbidden(Condition::SupportedComponent),
            "SUPPORTED_FILTER" => {
                return forbidden(Condition::SupportedFilter(kind, metadata.get("component").cloned()));
            }
            "VALID_FILTER" => return forbidden(Condition::ValidFilter(kind)),
            "SUPPORTED_COLLATION" => return forbidden(Condition::SupportedCollation(kind)),
            "SUPPORTED_DATA" => return forbidden(Condition::SupportedData(kind)),
            "TOO_MANY_INSTANCES" => return forbidden(Condition::NumberOfMatchesWithinLimits),
            "TOO_LARGE" => return Failure::too_large(kind),
            "NOT_SHAREABLE" => return forbidden(Condition::AllowedPrincipal),
            "SAME_ORGANIZER" => return forbidden(Condition::SameOrganizer),
            "ALLOWED_ORGANIZER_CHANGE" => return forbidden(Condition::AllowedOrganizerChange),
            "ALLOWED_ATTENDEE_CHANGE" => return forbidden(Condition::AllowedAttendeeChange),
            "MAX_ATTENDEES" => return forbidden(Condition::MaxAttendees),
            "VALID_RID" => return forbidden(Condition::ValidRid),
            "VALID_MANAGED_ID" => return forbidden(Condition::ValidManagedId),
            "VALID_MANAGED_ID_PARAMETER" => return forbidden(Condition::ValidManagedIdParameter),
            "MAX_ATTACHMENT_SIZE" => return forbidden(Condition::MaxAttachmentSize),
            "MAX_ATTACHMENTS" => return forbidden(Condition::MaxAttachments),
            "QUOTA" => {
                let condition = Condition::QuotaNotExceeded;
                return Failure::condition(StatusCode::INSUFFICIENT_STORAGE, condition, message);
            }
            "UNIQUE_SCHEDULING_OBJECT" => {
                let other = metadata.get("slug").zip(metadata.get("name"));
                let other = other.map(|(slug, name)| sibling_href(href, slug, name));
                return forbidden(Condition::UniqueSchedulingObject(other));
            }
            "INVALID_SUBSCRIPTION" => return forbidden(Condition::InvalidSubscription),
            "PUSH_NOT_AVAILABLE" => return forbidden(Condition::PushNotAvailable),
            "COMPANY_COLLECTION" | "SERVER_COLLECTION" => return Failure::need_privilege(href, "unbind"),
            "UID_CONFLICT" => {
                let other = conflict_href(&metadata, href);
                let condition = Condition::NoUidConflict(kind, other);
                return Failure::condition(StatusCode::CONFLICT, condition, message);
            }
            _ => {}
        }
        let status_code = match status.code() {
            Code::NotFound => StatusCode::NOT_FOUND,
            Code::PermissionDenied => return Failure::need_privilege(href, "write"),
            Code::Unauthenticated => StatusCode::UNAUTHORIZED,
            Code::InvalidArgument | Code::OutOfRange => StatusCode::BAD_REQUEST,
            Code::AlreadyExists | Code::FailedPrecondition => StatusCode::CONFLICT,
            Code::Aborted => StatusCode::PRECONDITION_FAILED,
            Code::Unimplemented => StatusCode::NOT_IMPLEMENTED,
            // A filter or an expansion over its budget (RFC 4791 section 7.8).
            Code::ResourceExhausted if reason != "RATE_LIMITED" => {
                let condition = Condition::NumberOfMatchesWithinLimits;
                return Failure::condition(StatusCode::INSUFFICIENT_STORAGE, condition, message);
            }
            Code::Unavailable | Code::ResourceExhausted | Code::DeadlineExceeded | Code::Cancelled => {
                return Failure::busy(message);
            }
            _ => {
                tracing::error!(code = %status.code(), message, href, "a service failed a DAV request");
                return Failure::new(StatusCode::INTERNAL_SERVER_ERROR, "internal error");
            }
        };
        Failure::new(status_code, message)
    }

    /// 503: try again in a moment.
    pub fn busy(message: &str) -> Self {
        let mut failure = Failure::new(StatusCode::SERVICE_UNAVAILABLE, message);
        failure.0.retry_after_seconds = Some(5);
        failure
    }

    /// Its status.
    pub fn status(&self) -> StatusCode {
        self.0.status
    }

    /// Its precondition element.
    pub fn condition_named(&self) -> Option<&Condition> {
        self.0.condition.as_ref()
    }

    /// The same with another status.
    #[must_use]
    pub fn with_status(mut self, status: StatusCode) -> Self {
        self.0.status = status;
        self
    }

    /// The answer.
    pub fn into_response(self) -> Response<Body> {
        let inner = *self.0;
        let (kind, body) = match &inner.condition {
            Some(condition) => ("application/xml; charset=utf-8", body(condition, &inner.message)),
            None => ("text/plain; charset=utf-8", format!("{}\n", inner.message).into()),
        };
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = inner.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        if let Some(allow) = inner.allow {
            headers.insert(ALLOW, HeaderValue::from_static(allow));
        }
        if let Some(seconds) = inner.retry_after_seconds {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// The service knows the other object's name; the client needs a path beside the one that it asked for.
fn conflict_href(metadata: &HashMap<String, String>, asked: &str) -> Option<String> {
    let folder = asked.rfind('/').map_or(asked, |at| &asked[..=at]);
    let by_name = metadata.get("name").map(|name| format!("{folder}{}", path::encode(name)));
    by_name.or_else(|| metadata.get("href").filter(|href| href.starts_with('/')).cloned())
}

/// An object in another collection of the home that was asked for.
fn sibling_href(asked: &str, slug: &str, name: &str) -> String {
    let mut ends = asked.match_indices('/').map(|(at, _)| at + 1);
    // "/dav/calendars/{home}/"
    let home = ends.nth(3).map_or(asked, |end| &asked[..end]);
    format!("{home}{}/{}", path::encode(slug), path::encode(name))
}

fn body(condition: &Condition, message: &str) -> bytes::Bytes {
    let mut out = Writer::document("D:error");
    condition.write(&mut out);
    out.raw("<K:message xmlns:K=\"http://kontor/ns/\">");
    out.text(message);
    out.raw("</K:message></D:error>\n");
    out.into_bytes()
}

impl Condition {
    /// Writes the element.
    pub fn write(&self, out: &mut Writer) {
        let by_kind = |kind: Kind, calendar, book| match kind {
            Kind::Calendar => calendar,
            Kind::Book => book,
        };
        out.raw(match self {
            Condition::PropfindFiniteDepth => "<D:propfind-finite-depth/>",
            Condition::ValidSyncToken => "<D:valid-sync-token/>",
            Condition::SupportedReport => "<D:supported-report/>",
            Condition::ResourceMustBeNull => "<D:resource-must-be-null/>",
            Condition::NoExternalEntities => "<D:no-external-entities/>",
            Condition::ValidResourcetype => "<D:valid-resourcetype/>",
            Condition::NumberOfMatchesWithinLimits => "<D:number-of-matches-within-limits/>",
            Condition::SupportedComponent => "<C:supported-calendar-component/>",
            Condition::RecognizedPrincipal => "<D:recognized-principal/>",
            Condition::AllowedPrincipal => "<D:allowed-principal/>",
            Condition::SameOrganizer => "<C:same-organizer-in-all-components/>",
            Condition::AllowedOrganizerChange => "<C:allowed-organizer-scheduling-object-change/>",
            Condition::AllowedAttendeeChange => "<C:allowed-attendee-scheduling-object-change/>",
            Condition::MaxAttendees => "<C:max-attendees-per-instance/>",
            Condition::ValidSchedulingMessage => "<C:valid-scheduling-message/>",
            Condition::ValidOrganizer => "<C:valid-organizer/>",
            Condition::ValidAction => "<C:valid-action/>",
            Condition::ValidRid => "<C:valid-rid/>",
            Condition::ValidManagedId => "<C:valid-managed-id/>",
            Condition::ValidManagedIdParameter => "<C:valid-managed-id-parameter/>",
            Condition::MaxAttachmentSize => "<C:max-attachment-size/>",
            Condition::MaxAttachments => "<C:max-attachments-per-resource/>",
            Condition::QuotaNotExceeded => "<D:quota-not-exceeded/>",
            Condition::InvalidSubscription => "<P:invalid-subscription/>",
            Condition::NoSupportedTrigger => "<P:no-supported-trigger/>",
            Condition::PushNotAvailable => "<P:push-not-available/>",
            Condition::ValidData(kind) => {
                by_kind(*kind, "<C:valid-calendar-data/>", "<CR:valid-address-data/>")
            }
            Condition::ValidObjectResource(kind) => {
                by_kind(*kind, "<C:valid-calendar-object-resource/>", "<CR:valid-address-data/>")
            }
            Condition::SupportedData(kind) => {
                by_kind(*kind, "<C:supported-calendar-data/>", "<CR:supported-address-data/>")
            }
            Condition::MaxResourceSize(kind) => {
                by_kind(*kind, "<C:max-resource-size/>", "<CR:max-resource-size/>")
            }
            Condition::LocationOk(kind) => by_kind(
                *kind,
                "<C:calendar-collection-location-ok/>",
                "<CR:addressbook-collection-location-ok/>",
            ),
            Condition::ValidFilter(kind) => by_kind(*kind, "<C:valid-filter/>", "<CR:supported-filter/>"),
            Condition::SupportedFilter(kind, component) => {
                return supported_filter(*kind, component.as_deref(), out);
            }
            Condition::SupportedCollation(kind) => {
                by_kind(*kind, "<C:supported-collation/>", "<CR:supported-collation/>")
            }
            Condition::NeedPrivileges(href, privilege) => return need_privileges(href, privilege, out),
            Condition::UniqueSchedulingObject(href) => return unique_object(href.as_deref(), out),
            Condition::NoUidConflict(kind, href) => return no_uid_conflict(*kind, href.as_deref(), out),
        });
    }
}

fn supported_filter(kind: Kind, component: Option<&str>, out: &mut Writer) {
    match (kind, component) {
        (Kind::Calendar, Some(component)) => {
            out.raw("<C:supported-filter><C:comp-filter name=\"");
            out.text(component);
            out.raw("\"/></C:supported-filter>");
        }
        (Kind::Calendar, None) => out.raw("<C:supported-filter/>"),
        (Kind::Book, _) => out.raw("<CR:supported-filter/>"),
    }
}

fn unique_object(href: Option<&str>, out: &mut Writer) {
    out.raw("<C:unique-scheduling-object-resource>");
    href.iter().for_each(|href| out.href(href));
    out.raw("</C:unique-scheduling-object-resource>");
}

fn need_privileges(href: &str, privilege: &'static str, out: &mut Writer) {
    out.raw("<D:need-privileges><D:resource>");
    out.href(href);
    out.raw("<D:privilege><D:");
    out.raw(privilege);
    out.raw("/></D:privilege></D:resource></D:need-privileges>");
}

fn no_uid_conflict(kind: Kind, href: Option<&str>, out: &mut Writer) {
    let (open, close) = match kind {
        Kind::Calendar => ("<C:no-uid-conflict>", "</C:no-uid-conflict>"),
        Kind::Book => ("<CR:no-uid-conflict>", "</CR:no-uid-conflict>"),
    };
    out.raw(open);
    if let Some(href) = href {
        out.href(href);
    }
    out.raw(close);
}
