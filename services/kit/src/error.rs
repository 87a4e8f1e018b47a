//! The one error type of all services and its one map to `tonic::Status` with `ErrorInfo` details (AIP-193).
//! Called everywhere; the gateway maps the status on to HTTP and DAV.

use std::collections::HashMap;
use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

/// Result with the kit's error.
pub type Result<T> = std::result::Result<T, Error>;

/// What went wrong, for the caller: a code, a reason in capitals for programs, a sentence for people.
#[derive(Debug, Clone)]
pub struct Error(Box<Inner>);

#[derive(Debug, Clone)]
struct Inner {
    code: Code,
    reason: &'static str,
    message: String,
    metadata: HashMap<String, String>,
    field: Option<String>,
    retry_after: Option<Duration>,
}

impl Error {
    /// An error with its code, its reason for programs (`ETAG_MISMATCH`) and its sentence.
    pub fn new(code: Code, reason: &'static str, message: impl Into<String>) -> Self {
        Error(Box::new(Inner {
            code,
            reason,
            message: message.into(),
            metadata: HashMap::new(),
            field: None,
            retry_after: None,
        }))
    }

    /// INVALID_ARGUMENT at a field.
    pub fn invalid(field: impl Into<String>, message: impl std::fmt::Display) -> Self {
        let field = field.into();
        let mut error = Error::new(Code::InvalidArgument, "INVALID_FIELD", format!("{field}: {message}"))
            .with("field", field.clone());
        error.0.field = Some(field);
        error
    }

    /// NOT_FOUND for a resource name; also for what the caller may not see.
    pub fn not_found(name: impl std::fmt::Display) -> Self {
        Error::new(Code::NotFound, "NOT_FOUND", format!("{name} does not exist or you may not see it"))
    }

    /// NOT_FOUND for a record that went into another one, which is in its metadata as "survivor".
    pub fn merged(name: impl std::fmt::Display, survivor: impl Into<String>) -> Self {
        let survivor = survivor.into();
        let message = format!("{name} went into {survivor}: use that name, or take the merge back");
        Error::new(Code::NotFound, "MERGED", message).with("survivor", survivor)
    }

    /// ALREADY_EXISTS for a resource name.
    pub fn already_exists(name: impl std::fmt::Display) -> Self {
        Error::new(Code::AlreadyExists, "ALREADY_EXISTS", format!("{name} already exists"))
    }

    /// ABORTED because the caller's etag is not the present one.
    pub fn etag_mismatch(name: impl std::fmt::Display) -> Self {
        let message = format!("{name} was changed by someone else: read it again, then repeat the change");
        Error::new(Code::Aborted, "ETAG_MISMATCH", message)
    }

    /// FAILED_PRECONDITION with its reason.
    pub fn precondition(reason: &'static str, message: impl Into<String>) -> Self {
        Error::new(Code::FailedPrecondition, reason, message)
    }

    /// PERMISSION_DENIED.
    pub fn denied(message: impl Into<String>) -> Self {
        Error::new(Code::PermissionDenied, "PERMISSION_DENIED", message)
    }

    /// UNAUTHENTICATED.
    pub fn unauthenticated(message: impl Into<String>) -> Self {
        Error::new(Code::Unauthenticated, "UNAUTHENTICATED", message)
    }

    /// UNAUTHENTICATED with its reason: why a signature or its time is not taken.
    pub fn refused(reason: &'static str, message: impl Into<String>) -> Self {
        Error::new(Code::Unauthenticated, reason, message)
    }

    /// RESOURCE_EXHAUSTED, with the time to wait.
    pub fn exhausted(message: impl Into<String>, retry_after: Duration) -> Self {
        let mut error = Error::new(Code::ResourceExhausted, "RATE_LIMITED", message);
        error.0.retry_after = Some(retry_after);
        error
    }

    /// UNAVAILABLE: try again later.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Error::new(Code::Unavailable, "UNAVAILABLE", message)
    }

    /// INTERNAL: a fault of ours. The cause goes to the log, the caller gets a plain sentence.
    pub fn internal(cause: impl std::fmt::Display) -> Self {
        tracing::error!(cause = %cause, "internal error");
        Error::new(Code::Internal, "INTERNAL", "internal error: see the server's log")
    }

    /// Adds a value for programs to the `ErrorInfo`.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<String>) -> Self {
        self.0.metadata.insert(key.to_owned(), value.into());
        self
    }

    /// gRPC code.
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// Whether something does not exist, for stores, which know nothing of gRPC.
    pub fn is_not_found(&self) -> bool {
        self.0.code == Code::NotFound
    }

    /// Reason for programs, in capitals.
    pub fn reason(&self) -> &'static str {
        self.0.reason
    }

    /// The field that is wrong, when it is one.
    pub fn field(&self) -> Option<&str> {
        self.0.field.as_deref()
    }

    /// Sentence for people.
    pub fn message(&self) -> &str {
        &self.0.message
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.0.message)
    }
}

impl std::error::Error for Error {}

impl From<Error> for Status {
    fn from(error: Error) -> Status {
        let inner = *error.0;
        let mut details = ErrorDetails::with_error_info(inner.reason, "kontor", inner.metadata);
        if let Some(field) = inner.field {
            details.add_bad_request_violation(field, inner.message.clone());
        }
        if let Some(wait) = inner.retry_after {
            details.set_retry_info(Some(wait));
        }
        Status::with_error_details(inner.code, inner.message, details)
    }
}

/// Keeps the code, the reason and the sentence of an answer that another service gave.
impl From<Status> for Error {
    fn from(status: Status) -> Error {
        let mut error = Error::new(status.code(), "UPSTREAM", status.message());
        if let Some((reason, metadata)) = reason(&status) {
            error.0.metadata = metadata;
            error.0.reason =
                KNOWN_REASONS.iter().find(|known| **known == reason).copied().unwrap_or("UPSTREAM");
            error.0.field = error.0.metadata.get("field").cloned();
        }
        error.0.retry_after = status.get_details_retry_info().and_then(|info| info.retry_delay);
        error
    }
}

const KNOWN_REASONS: &[&str] = &[
    "INVALID_FIELD",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "ETAG_MISMATCH",
    "PERMISSION_DENIED",
    "UNAUTHENTICATED",
    "RATE_LIMITED",
    "UNAVAILABLE",
    "INTERNAL",
];

/// Reads reason and metadata of a status' `ErrorInfo`.
pub fn reason(status: &Status) -> Option<(String, HashMap<String, String>)> {
    status.get_details_error_info().map(|info| (info.reason, info.metadata))
}

impl From<rusqlite::Error> for Error {
    fn from(cause: rusqlite::Error) -> Self {
        if let rusqlite::Error::SqliteFailure(failure, _) = &cause {
            match failure.code {
                rusqlite::ErrorCode::ConstraintViolation => return unique_violation(&cause),
                rusqlite::ErrorCode::DatabaseBusy | rusqlite::ErrorCode::DatabaseLocked => {
                    return Error::unavailable("the database is busy: try again");
                }
                // Only `db::here` stops statements, and begins them again elsewhere.
                rusqlite::ErrorCode::OperationInterrupted => {
                    return Error::unavailable("the read was stopped");
                }
                rusqlite::ErrorCode::DiskFull => {
                    return Error::unavailable("the disk is full: nothing was written");
                }
                _ => {}
            }
        }
        Error::internal(cause)
    }
}

impl From<sqlx::Error> for Error {
    fn from(cause: sqlx::Error) -> Self {
        if let sqlx::Error::Database(failure) = &cause {
            match failure.code().as_deref() {
                Some("23505") => return unique_violation(&cause),
                Some("40001" | "40P01") => {
                    return Error::new(
                        Code::Unavailable,
                        RETRY,
                        "the database was busy with the same rows: try again",
                    );
                }
                // PostgreSQL keeps no NUL in a text. It can only come from outside.
                Some("22021" | "22P05") => {
                    return Error::invalid("text", "it has the character U+0000, which can't be kept");
                }
                Some(code) if is_shutdown(code) => {
                    return Error::unavailable("the database is stopping or starting: try again");
                }
                _ => {}
            }
        }
        if matches!(cause, sqlx::Error::Io(_) | sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed) {
            return Error::unavailable(format!("the database can't be reached: {cause}"));
        }
        Error::internal(cause)
    }
}

/// Reason of errors after which the same transaction may simply be tried again.
pub(crate) const RETRY: &str = "TRY_AGAIN";

/// Reason of an error that leaves open whether the change was kept.
pub(crate) const UNSURE: &str = "UNSURE";

/// Whether PostgreSQL's code says that the connection is over: it stops, it starts, someone ended the session.
pub(crate) fn is_shutdown(code: &str) -> bool {
    matches!(code, "57P01" | "57P02" | "57P03" | "57P05") || code.starts_with("08")
}

/// Reason of an error from a unique index; stores turn it into the resource's own ALREADY_EXISTS.
pub const UNIQUE: &str = "UNIQUE_VIOLATION";

fn unique_violation(cause: &dyn std::fmt::Display) -> Error {
    tracing::debug!(cause = %cause, "unique violation");
    Error::new(Code::AlreadyExists, UNIQUE, "this already exists")
}
