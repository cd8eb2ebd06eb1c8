//! What can go wrong with Graph, and what each failure means for the caller.
//!
//! Messages name the endpoint with its ids replaced by `{id}`, the status, Graph's error code and
//! the request id (for a support case). They never hold the query string, a body or Graph's own
//! sentence: those may carry tokens, subjects and addresses.

use std::fmt;
use std::time::Duration;

/// Result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Any error that can cross threads: what a caller's own source of bytes may fail with.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// What a failure means: decides retry, exit code and the caller's next step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The service or the line stumbled; every retry was used up. Later it may work.
    Transient,
    /// The service asks for less (429, 509, 503 with `Retry-After`); its wait is longer than a
    /// call may take. Try later.
    Throttled,
    /// Sign-in refused, or a permission is missing (401, 403).
    Denied,
    /// No such object (404).
    NotFound,
    /// The delta link or sync state has expired (410, `SyncStateNotFound`, `resyncRequired` …):
    /// start the round again without a token.
    Gone,
    /// The object exists already or was changed by somebody else (409, 412).
    Conflict,
    /// Exchange cannot read this one item (`ErrorMimeContentConversionFailed`,
    /// `ErrorContentConversionFailed`, `ErrorCorruptData`): repeating does not help.
    Corrupt,
    /// No room: the quota of the drive or mailbox is used up (507, `quotaLimitReached`,
    /// `insufficientStorage`).
    Full,
    /// The file was changed while it was downloaded: begin again.
    Changed,
    /// What was to be sent could not be read by the caller's own source.
    Source,
    /// The request itself is wrong for this service (other 4xx, 501, a redirect).
    Invalid,
    /// A call that must not be repeated got no clear answer: it may or may not have been done.
    Uncertain,
    /// No connection to the service at all (name, network, certificate).
    Unreachable,
    /// The service repeats the same page for ever.
    Loop,
    /// The answer breaks the protocol or a size limit.
    Protocol,
    /// The configuration cannot be used (credential, URL, certificate).
    Config,
}

/// A failure of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Graph answered with an error.
    #[error("{0}")]
    Answer(Box<Answer>),
    /// The sign-in service refused to give a token.
    #[error("{0}")]
    SignIn(SignIn),
    /// The request or its answer was lost on the line.
    #[error("{} {endpoint}: {}", .method, if *.connect { "no connection; check network, proxy and the certificate authority" } else { "connection lost or timed out" })]
    Transport {
        /// HTTP method.
        method: http::Method,
        /// Path with ids replaced.
        endpoint: String,
        /// True when not even a connection came about, so that nothing was sent.
        connect: bool,
        /// What the HTTP library says (without the URL).
        #[source]
        source: BoxError,
    },
    /// A call that must not be repeated ended without a clear answer.
    #[error("{endpoint}: no clear answer; it may or may not have been done, look before repeating")]
    Uncertain {
        /// Path with ids replaced.
        endpoint: String,
        /// What was seen instead of an answer.
        #[source]
        source: Box<Error>,
    },
    /// An upload session is gone before the last piece was sent: nothing was made, and a new
    /// session has to begin from the start.
    #[error("{endpoint}: the session is lost, make a new one")]
    SessionLost {
        /// Path with ids replaced.
        endpoint: String,
        /// What the session answered.
        #[source]
        source: Box<Error>,
    },
    /// The file became another one while it was downloaded.
    #[error("{endpoint}: the file was changed after {offset} bytes of it; begin again")]
    Changed {
        /// Path with ids replaced.
        endpoint: String,
        /// Bytes that were received of the former content.
        offset: u64,
    },
    /// The caller's source of bytes failed.
    #[error("{endpoint}: the bytes from {offset} on could not be read to be sent")]
    Source {
        /// Path with ids replaced.
        endpoint: String,
        /// Where the piece begins that could not be read.
        offset: u64,
        /// What the source says.
        #[source]
        source: BoxError,
    },
    /// A throttle wait would be longer than a call may take.
    #[error("{endpoint}: the service asks for a pause of {} s; try again after that", .retry_after.as_secs())]
    Paused {
        /// Path with ids replaced.
        endpoint: String,
        /// How long the service wants to be left alone.
        retry_after: Duration,
    },
    /// A success whose body is not what it must be (empty, not JSON, no list).
    #[error("{endpoint}: answer is {what}")]
    Malformed {
        /// Path with ids replaced.
        endpoint: String,
        /// What is wrong with it.
        what: &'static str,
    },
    /// A body above the size limit.
    #[error("{endpoint}: answer is larger than the limit of {limit} bytes")]
    TooLarge {
        /// Path with ids replaced.
        endpoint: String,
        /// The limit in bytes.
        limit: usize,
    },
    /// A link that leads away from the configured Graph, or is none.
    #[error("link to {to} is not below the configured graph address; it was not followed")]
    ForeignLink {
        /// Host and scheme of the link, or what is wrong with it.
        to: String,
    },
    /// The same link or page came again in one round.
    #[error("{endpoint}: the service repeats the same page; gave up after {pages} pages")]
    Loop {
        /// Path with ids replaced.
        endpoint: String,
        /// Pages read until then.
        pages: usize,
    },
    /// The configuration cannot be used.
    #[error("{what}")]
    Config {
        /// What is wrong and what to do.
        what: String,
    },
}

/// An error answer of Graph.
#[derive(Debug, Clone)]
pub struct Answer {
    pub(crate) kind: Kind,
    pub(crate) status: u16,
    pub(crate) code: Option<String>,
    pub(crate) detail: Option<String>,
    pub(crate) method: http::Method,
    pub(crate) endpoint: String,
    pub(crate) request_id: Option<String>,
    pub(crate) retry_after: Option<Duration>,
}

/// A refusal of the sign-in service (Entra ID).
#[derive(Debug, Clone)]
pub struct SignIn {
    /// HTTP status.
    pub status: u16,
    /// Number of the `AADSTS…` code.
    pub code: Option<u32>,
    /// What is wrong and what to do.
    pub advice: &'static str,
    pub(crate) retry_after: Option<Duration>,
}

impl fmt::Display for SignIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.code {
            Some(code) => write!(f, "sign-in refused (AADSTS{code}): {}", self.advice),
            None => write!(f, "sign-in refused (status {}): {}", self.status, self.advice),
        }
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: graph answered {}", self.method, self.endpoint, self.status)?;
        if let Some(code) = &self.code {
            write!(f, " {code}")?;
        }
        f.write_str(match (self.kind, self.status) {
            _ if self.code.as_deref() == Some(MALWARE) => {
                "; the service found malware in the file and does not give it out"
            }
            // Not a path of Graph, so a pre-authenticated address: the token was not there.
            (Kind::Denied, _) if !self.endpoint.starts_with('/') => {
                "; the address that was given for it is refused"
            }
            (Kind::Denied, 401) => "; the token was refused, check the registration",
            (Kind::Denied, _) => {
                "; the application lacks a permission for it, or may not see this resource"
            }
            (Kind::Gone, _) => "; the round must start again without its token",
            _ => "",
        })?;
        match &self.request_id {
            Some(id) => write!(f, " (request-id {id})"),
            None => Ok(()),
        }
    }
}

impl Error {
    /// What the failure means.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Answer(answer) => answer.kind,
            Self::SignIn(refusal) => match refusal.status {
                429 => Kind::Throttled,
                500.. => Kind::Transient,
                _ => Kind::Denied,
            },
            Self::Transport { connect: true, .. } => Kind::Unreachable,
            Self::Transport { .. } => Kind::Transient,
            Self::Malformed { .. } => Kind::Transient,
            Self::Uncertain { .. } => Kind::Uncertain,
            Self::SessionLost { .. } => Kind::NotFound,
            Self::Changed { .. } => Kind::Changed,
            Self::Source { .. } => Kind::Source,
            Self::Paused { .. } => Kind::Throttled,
            Self::TooLarge { .. } => Kind::Protocol,
            Self::ForeignLink { .. } => Kind::Protocol,
            Self::Loop { .. } => Kind::Loop,
            Self::Config { .. } => Kind::Config,
        }
    }

    /// Graph's error code, in Graph's spelling. Compare with [`Error::has_code`]: services differ
    /// in case.
    pub fn code(&self) -> Option<&str> {
        self.answer().and_then(|answer| answer.code.as_deref())
    }

    /// True when Graph's error code is `code`, case aside (and aside from the prefix `Error` that
    /// Exchange puts before some).
    pub fn has_code(&self, code: &str) -> bool {
        self.code().is_some_and(|own| same_code(own, code))
    }

    /// HTTP status of the answer, where there was one.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::SignIn(refusal) => Some(refusal.status),
            _ => self.answer().map(|answer| answer.status),
        }
    }

    /// How long the service wants to be left alone, where it said so.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Paused { retry_after, .. } => Some(*retry_after),
            Self::SignIn(refusal) => refusal.retry_after,
            _ => self.answer().and_then(|answer| answer.retry_after),
        }
    }

    /// Graph's `request-id`, for a support case.
    pub fn request_id(&self) -> Option<&str> {
        self.answer().and_then(|answer| answer.request_id.as_deref())
    }

    /// Graph's own sentence. It may hold names and addresses: for debug output and for telling
    /// apart errors that share a code, never for logs above debug.
    pub fn detail(&self) -> Option<&str> {
        self.answer().and_then(|answer| answer.detail.as_deref())
    }

    fn answer(&self) -> Option<&Answer> {
        match self {
            Self::Answer(answer) => Some(answer),
            Self::Uncertain { source, .. } | Self::SessionLost { source, .. } => source.answer(),
            _ => None,
        }
    }

    pub(crate) fn config(what: impl Into<String>) -> Self {
        Self::Config { what: what.into() }
    }
}

/// Equality of error codes: services differ in case, and Exchange says `ErrorItemNotFound` where
/// others say `itemNotFound`.
fn same_code(a: &str, b: &str) -> bool {
    let core = |code: &str| {
        let lower = code.to_ascii_lowercase();
        lower.strip_prefix("error").map_or(lower.clone(), str::to_owned)
    };
    core(a) == core(b)
}

/// Conversion failures of one item (alcionai/corso#5191, docs-contrib#7758, OpenArchiver#487).
const CORRUPT: [&str; 3] =
    ["ErrorMimeContentConversionFailed", "ErrorContentConversionFailed", "ErrorCorruptData"];

/// Codes of an expired delta token (docs#2350, onedrive-api-docs#1356, corso), whatever the status.
const RESYNC: [&str; 5] = [
    "SyncStateNotFound",
    "SyncStateInvalid",
    "resyncRequired",
    "resyncChangesApplyDifferences",
    "resyncChangesUploadDifferences",
];

/// Code of a file that is held back ([D] c/errors; rclone#9656).
pub(crate) const MALWARE: &str = "malwareDetected";

/// Codes of a used-up quota ([D] c/errors; api/driveitem-createuploadsession).
const FULL: [&str; 2] = ["quotaLimitReached", "insufficientStorage"];

/// The meaning of a status and code ([D] c/errors; docs-contrib#1060 for 503 as throttling).
pub(crate) fn kind_of(status: u16, code: Option<&str>, retry_after: bool) -> Kind {
    let is = |list: &[&str]| code.is_some_and(|c| list.iter().any(|l| same_code(l, c)));
    match status {
        410 => Kind::Gone,
        _ if is(&RESYNC) => Kind::Gone,
        _ if is(&CORRUPT) => Kind::Corrupt,
        507 => Kind::Full,
        _ if is(&FULL) => Kind::Full,
        401 | 403 => Kind::Denied,
        404 => Kind::NotFound,
        409 | 412 => Kind::Conflict,
        429 | 509 => Kind::Throttled,
        503 if retry_after => Kind::Throttled,
        408 | 500 | 502 | 503 | 504 => Kind::Transient,
        _ => Kind::Invalid,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_compare_without_case_and_prefix() {
        assert!(same_code("itemNotFound", "ErrorItemNotFound"));
        assert!(same_code("RESYNCREQUIRED", "resyncRequired"));
        assert!(!same_code("ErrorItemNotFound", "ErrorFolderNotFound"));
    }

    #[test]
    fn kinds_follow_status_and_code() {
        for (status, code, retry_after, kind) in [
            (410, None, false, Kind::Gone),
            (400, Some("syncstateinvalid"), false, Kind::Gone),
            (404, Some("ErrorItemNotFound"), false, Kind::NotFound),
            (500, Some("ErrorCorruptData"), false, Kind::Corrupt),
            (500, None, false, Kind::Transient),
            (503, None, false, Kind::Transient),
            (503, None, true, Kind::Throttled),
            (509, None, false, Kind::Throttled),
            (507, Some("quotaLimitReached"), false, Kind::Full),
            (507, None, false, Kind::Full),
            (403, Some("QuotaLimitReached"), false, Kind::Full),
            (409, Some("insufficientStorage"), false, Kind::Full),
            (302, None, false, Kind::Invalid),
            (412, None, false, Kind::Conflict),
        ] {
            assert_eq!(kind_of(status, code, retry_after), kind, "{status} {code:?}");
        }
    }
}
