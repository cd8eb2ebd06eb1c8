//! The errors of S3: status, code and message, in S3's XML form.
//!
//! Codes and statuses: Amazon S3 API Reference, "Error responses" (2026-11).

use bytes::Bytes;
use http::{Response, StatusCode};

/// An error as S3 answers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Error {
    /// The HTTP status.
    pub status: u16,
    /// The code in the answer's `Code` element.
    pub code: &'static str,
    /// For people.
    pub message: &'static str,
}

impl Error {
    /// An error with this status, code and message.
    pub const fn new(status: u16, code: &'static str, message: &'static str) -> Self {
        Self { status, code, message }
    }

    /// 400 with a code of its own.
    pub const fn bad(code: &'static str, message: &'static str) -> Self {
        Self::new(400, code, message)
    }

    /// 400 `InvalidArgument`.
    pub const fn argument(message: &'static str) -> Self {
        Self::bad("InvalidArgument", message)
    }

    /// 400 `InvalidRequest`.
    pub const fn request(message: &'static str) -> Self {
        Self::bad("InvalidRequest", message)
    }

    /// The error that a fault with this status answers.
    pub fn of_status(status: u16) -> Self {
        match status {
            503 => Self::new(503, "SlowDown", "Please reduce your request rate."),
            429 => Self::new(429, "TooManyRequests", "Please reduce your request rate."),
            409 => CONDITIONAL_CONFLICT,
            412 => PRECONDITION_FAILED,
            403 => ACCESS_DENIED,
            400 => Self::bad("RequestTimeout", "Your socket connection was not read in time."),
            _ => Self::new(status, "InternalError", "We encountered an internal error."),
        }
    }

    /// The answer for it. `resource` is the request's path.
    pub fn response(&self, resource: &str) -> Response<Bytes> {
        let body = format!(
            "{}<Error><Code>{}</Code><Message>{}</Message><Resource>{}</Resource></Error>",
            super::xml::PROLOG,
            self.code,
            super::xml::escape(self.message),
            super::xml::escape(resource),
        );
        let mut response = Response::new(Bytes::from(body));
        *response.status_mut() =
            StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        super::xml::mark(response.headers_mut());
        response
    }
}

pub(crate) const ACCESS_DENIED: Error = Error::new(403, "AccessDenied", "Access Denied");
pub(crate) const LOCKED: Error =
    Error::new(403, "AccessDenied", "Access Denied because object protected by object lock.");
pub(crate) const PRECONDITION_FAILED: Error = Error::new(
    412,
    "PreconditionFailed",
    "At least one of the pre-conditions you specified did not hold",
);
pub(crate) const CONDITIONAL_CONFLICT: Error = Error::new(
    409,
    "ConditionalRequestConflict",
    "The conditional request cannot succeed due to a conflicting operation against this resource.",
);
pub(crate) const NO_SUCH_BUCKET: Error =
    Error::new(404, "NoSuchBucket", "The specified bucket does not exist");
pub(crate) const NO_SUCH_KEY: Error =
    Error::new(404, "NoSuchKey", "The specified key does not exist.");
pub(crate) const NO_SUCH_VERSION: Error =
    Error::new(404, "NoSuchVersion", "The specified version does not exist.");
pub(crate) const NO_SUCH_UPLOAD: Error = Error::new(
    404,
    "NoSuchUpload",
    "The specified upload does not exist. It may have been aborted or completed.",
);
pub(crate) const METHOD_NOT_ALLOWED: Error = Error::new(
    405,
    "MethodNotAllowed",
    "The specified method is not allowed against this resource.",
);
pub(crate) const NOT_IMPLEMENTED: Error = Error::new(
    501,
    "NotImplemented",
    "A header or parameter you provided implies functionality that is not implemented",
);
pub(crate) const MALFORMED_XML: Error =
    Error::bad("MalformedXML", "The XML you provided was not well-formed or did not validate");
