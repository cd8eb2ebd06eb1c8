//! Refusals of the service: HTTP status, error code and the XML that carries both.
//!
//! Codes and statuses: "Azure Blob Storage error codes" and "Common REST API error codes"
//! (learn.microsoft.com/rest/api/storageservices, read November 2026).

use bytes::Bytes;
use http::Response;

use super::xml;

/// One documented error code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code {
    /// The HTTP status.
    pub status: u16,
    /// The code, as in `x-ms-error-code`.
    pub name: &'static str,
    message: &'static str,
}

const fn code(status: u16, name: &'static str, message: &'static str) -> Code {
    Code { status, name, message }
}

pub(crate) const AUTHENTICATION_FAILED: Code =
    code(403, "AuthenticationFailed", "The signature does not belong to this request.");
pub(crate) const NO_AUTHENTICATION: Code =
    code(401, "NoAuthenticationInformation", "The request carries no authorization.");
pub(crate) const PERMISSION_MISMATCH: Code = code(
    403,
    "AuthorizationPermissionMismatch",
    "This request is not authorized to perform this operation using this permission.",
);
pub(crate) const PROTOCOL_MISMATCH: Code =
    code(403, "AuthorizationProtocolMismatch", "The signature does not allow this protocol.");
pub(crate) const UNAUTHORIZED_OVERWRITE: Code = code(
    403,
    "UnauthorizedBlobOverwrite",
    "This request is not authorized to perform blob overwrites.",
);
pub(crate) const ROOT_BLOB: Code = code(
    403,
    "OperationNotAllowedOnRootBlob",
    "The specified operation is not allowed on root blob.",
);
pub(crate) const BLOB_NOT_FOUND: Code =
    code(404, "BlobNotFound", "The specified blob does not exist.");
pub(crate) const CONTAINER_NOT_FOUND: Code =
    code(404, "ContainerNotFound", "The specified container does not exist.");
pub(crate) const BLOB_EXISTS: Code =
    code(409, "BlobAlreadyExists", "The specified blob already exists.");
pub(crate) const CONTAINER_EXISTS: Code =
    code(409, "ContainerAlreadyExists", "The specified container already exists.");
pub(crate) const CONTAINER_PROTECTED: Code = code(
    409,
    "ContainerProtectedFromDeletion",
    "The container supports version-level immutability and is not empty.",
);
pub(crate) const IMMUTABLE_POLICY: Code = code(
    409,
    "BlobImmutableDueToPolicy",
    "This operation is not permitted as the blob is immutable due to a policy.",
);
pub(crate) const IMMUTABLE_HOLD: Code = code(
    409,
    "BlobImmutableDueToLegalHold",
    "This operation is not permitted as the blob is immutable due to one or more legal holds.",
);
pub(crate) const NOT_SOFT_DELETED: Code =
    code(409, "BlobSnapshotNotSoftDeleted", "The version is not soft-deleted.");
pub(crate) const TOO_MANY_BLOCKS: Code =
    code(409, "BlockCountExceedsLimit", "The blob has too many uncommitted blocks.");
pub(crate) const NO_VERSION_LEVEL_WORM: Code = code(
    409,
    "BlobOperationNotSupported",
    "The container has no support for version-level immutability.",
);
pub(crate) const CONDITION_NOT_MET: Code = code(
    412,
    "ConditionNotMet",
    "The condition specified using HTTP conditional header(s) is not met.",
);
pub(crate) const NOT_MODIFIED: Code = code(
    304,
    "ConditionNotMet",
    "The condition specified using HTTP conditional header(s) is not met.",
);
pub(crate) const CONDITIONS_NOT_SUPPORTED: Code =
    code(400, "ConditionHeadersNotSupported", "Condition headers are not supported.");
pub(crate) const MISSING_HEADER: Code =
    code(400, "MissingRequiredHeader", "A required HTTP header was not specified.");
pub(crate) const MISSING_PARAMETER: Code =
    code(400, "MissingRequiredQueryParameter", "A required query parameter was not specified.");
pub(crate) const INVALID_HEADER: Code =
    code(400, "InvalidHeaderValue", "An HTTP header is not in the correct format.");
pub(crate) const UNSUPPORTED_HEADER: Code =
    code(400, "UnsupportedHeader", "An HTTP header is not supported in this request.");
pub(crate) const INVALID_PARAMETER: Code =
    code(400, "InvalidQueryParameterValue", "A query parameter is invalid.");
pub(crate) const PARAMETER_OUT_OF_RANGE: Code =
    code(400, "OutOfRangeQueryParameterValue", "A query parameter is out of range.");
pub(crate) const INVALID_URI: Code =
    code(400, "InvalidUri", "The requested URI does not represent any resource on the server.");
pub(crate) const INVALID_NAME: Code =
    code(400, "InvalidResourceName", "The specified resource name contains invalid characters.");
pub(crate) const INVALID_MD5: Code =
    code(400, "InvalidMd5", "The MD5 value specified in the request is invalid.");
pub(crate) const MD5_MISMATCH: Code = code(
    400,
    "Md5Mismatch",
    "The MD5 value specified in the request did not match the one calculated by the server.",
);
pub(crate) const CRC64_MISMATCH: Code = code(
    400,
    "Crc64Mismatch",
    "The CRC64 value specified in the request did not match the one calculated by the server.",
);
pub(crate) const INVALID_BLOCK_ID: Code =
    code(400, "InvalidQueryParameterValue", "The block id is not valid.");
pub(crate) const INVALID_BLOB_OR_BLOCK: Code =
    code(400, "InvalidBlobOrBlock", "The specified blob or block content is invalid.");
pub(crate) const INVALID_BLOCK_LIST: Code =
    code(400, "InvalidBlockList", "The specified block list is invalid.");
pub(crate) const BLOCK_LIST_TOO_LONG: Code =
    code(400, "BlockListTooLong", "The block list may not contain more than 50,000 blocks.");
pub(crate) const INVALID_XML: Code =
    code(400, "InvalidXmlDocument", "The specified XML is not syntactically valid.");
pub(crate) const INVALID_BATCH: Code = code(400, "InvalidInput", "The batch is not valid.");
pub(crate) const NO_LENGTH: Code =
    code(411, "MissingContentLengthHeader", "The content length header was not specified.");
pub(crate) const INVALID_RANGE: Code =
    code(416, "InvalidRange", "The range is not satisfiable for the size of the resource.");
pub(crate) const TOO_MANY_REQUESTS: Code =
    code(429, "TooManyRequests", "The account receives too many requests.");
pub(crate) const INTERNAL: Code =
    code(500, "InternalError", "The server encountered an internal error.");
pub(crate) const NOT_IMPLEMENTED: Code =
    code(501, "NotImplemented", "This simulated service does not know that.");
pub(crate) const SERVER_BUSY: Code =
    code(503, "ServerBusy", "The server is currently unable to receive requests.");

/// A request that the service refuses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What the service calls it.
    pub code: Code,
    /// Which header, parameter or name it was; may be empty.
    pub detail: String,
}

impl From<Code> for Refusal {
    fn from(code: Code) -> Self {
        Self { code, detail: String::new() }
    }
}

impl Code {
    pub(crate) fn about(self, detail: impl Into<String>) -> Refusal {
        Refusal { code: self, detail: detail.into() }
    }

    /// The error that the service sends with a status that a fault asks for.
    pub(crate) fn of_status(status: u16) -> Self {
        match status {
            429 => TOO_MANY_REQUESTS,
            503 => SERVER_BUSY,
            other => Self { status: other, ..INTERNAL },
        }
    }
}

impl Refusal {
    /// The answer: `x-ms-error-code` and, unless it may have no body, the XML.
    pub(crate) fn answer(&self, with_body: bool) -> Response<Bytes> {
        let Code { status, name, message } = self.code;
        let mut body = String::new();
        if with_body && status != 304 {
            let message = match self.detail.as_str() {
                "" => message.to_owned(),
                detail => format!("{message} ({detail})"),
            };
            body.push_str(xml::HEAD);
            body.push_str("<Error>");
            xml::element(&mut body, "Code", name);
            xml::element(&mut body, "Message", &message);
            body.push_str("</Error>");
        }
        let mut answer = Response::builder().status(status).header("x-ms-error-code", name);
        if !body.is_empty() {
            answer = answer.header("content-type", "application/xml");
        }
        answer.body(Bytes::from(body)).unwrap_or_else(|_| Response::new(Bytes::new()))
    }
}
