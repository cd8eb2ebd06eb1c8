//! Faults of the real service, reproduced on demand.
//!
//! Each kind was seen by somebody in production; the numbers are those of the project's list of
//! observed faults. A [`Fault`] strikes the requests that it matches, after some have passed and
//! as often as told; a [`FaultProfile`] strikes at random, from the tenant's seed.

mod drive;
mod profile;

use std::sync::{Mutex, PoisonError};

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

pub use self::drive::{Resync, resync};
pub use self::profile::FaultProfile;
use crate::http::{Call, GraphError, Reply};

/// What goes wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// 1: 429 with or without `Retry-After`. Over HTTP the header is in lower case, always.
    Throttle(RetryAfter),
    /// 2: 429 `ApplicationThrottled` naming MailboxConcurrency, though nothing runs in parallel.
    MailboxConcurrency,
    /// 3: 503 with a body that is not JSON.
    Unavailable(PlainBody),
    /// 4: 502 `BadGateway`.
    BadGateway,
    /// 5: 500 or 503 in the middle of an enumeration (match `skiptoken` in the path).
    ServerError(u16),
    /// 6: the page's nextLink leads to the same page.
    RepeatPage,
    /// 7: a page without items, with a nextLink that goes on.
    EmptyPage,
    /// 8: a page of almost twice the size asked for; the surplus comes again on the next one.
    OversizedPage,
    /// 9: each item of a page twice: first as it was known before, then as it is.
    DuplicateItems,
    /// 10: `$top` on a message delta ends the round early (without the fault it is refused).
    TopEndsRound,
    /// 11: 410 with this code: `SyncStateNotFound`, `SyncStateInvalid` or `ResyncRequired`.
    SyncStateGone(String),
    /// 12: 410 with a `Location` whose target answers 500.
    ResyncLocationFails,
    /// 13: a delta link answers 404 `itemNotFound`.
    DeltaNotFound,
    /// 15: an item that was listed answers 404 `ErrorItemNotFound`, in drives `itemNotFound`.
    ItemGone,
    /// 16: 500 `ErrorCorruptData`.
    CorruptData,
    /// 17: the message with this immutable id makes every page that contains it 500, and alone
    /// answers `ErrorContentConversionFailed`.
    CorruptItem(String),
    /// 18: `$value` answers 500 `ErrorMimeContentConversionFailed`.
    MimeConversionFailed,
    /// 18: the same for every message of the classes `IPM.Note.SMIME*` and `REPORT.*`.
    MimeConversionFailedByClass,
    /// 19: `$value` answers 200 with nothing.
    EmptyMime,
    /// 20: reading answers 400 `ErrorInvalidRecipients`.
    InvalidRecipients,
    /// 21: an attachment answers 500 `ErrorCannotOpenFileAttachment`.
    CannotOpenAttachment,
    /// 21: a page of attachments answers 400 `ErrorInvalidAttachmentId`.
    InvalidAttachmentId,
    /// 22: 404 `MailboxNotEnabledForRESTAPI`.
    MailboxNotEnabled,
    /// 23: reading a full mailbox answers 403 `ErrorQuotaExceeded`.
    QuotaExceeded,
    /// 35: the connection breaks after half of the answer's body.
    BrokenBody,
    /// 35: the request is carried out, then the connection breaks before the answer: the client
    /// cannot know what happened.
    AnswerLost,
    /// 40: 401 `InvalidAuthenticationToken` before the token's time, with a claims challenge.
    TokenExpired,
    /// 42: creating a folder answers 409 `ErrorFolderExists`.
    FolderExists,
    /// 27: 403 `malwareDetected` with the header `X-Virus-Infected`.
    MalwareDetected,
    /// 27: a download answers 200 with a short page instead of the file.
    MalwareBody,
    /// 28: reading a notebook's file answers this status, 503 or 404.
    NotebookFails(u16),
    /// 29: a download address answers 401 as if its hour was over.
    DownloadExpired,
    /// 30: a download address answers 401 and yet gives the bytes.
    DownloadUnauthorisedWithBytes,
    /// 31: an item shows this many bytes more than its download has.
    SizeDiffers(u32),
    /// 31: an item shows a hash that its download does not have.
    HashDiffers,
    /// 32: files have no hashes.
    HashMissing,
    /// 32: folders have a negative size.
    NegativeFolderSize,
    /// 33: a delta leaves out what was deleted.
    LostTombstones,
    /// 34: the upload session is gone: 404 `itemNotFound`.
    UploadSessionLost,
    /// 34: 409 `nameAlreadyExists`; at an upload address with the last piece only.
    NameTaken,
    /// 34: 416 `invalidRange` with the inner code `fragmentOverlap`, though the piece was the
    /// right one.
    UploadOverlap,
    /// 35: the connection breaks after so many bytes of a download.
    BrokenAfter(u64),
    /// 11: 410 `resyncRequired` with a `Location` to begin again at.
    Resync(Resync),
    /// 41: 423 `resourceLocked`.
    ResourceLocked,
    /// 41: 403 `notAllowed`.
    NotAllowed,
    /// 41: 403 with the inner code `sharingDisabled`.
    SharingDisabled,
    /// 507 `insufficientStorage`.
    QuotaReached,
}

/// The `Retry-After` of a throttled answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RetryAfter {
    /// This many seconds.
    Seconds(u32),
    /// No header.
    Missing,
    /// An HTTP date so many seconds ahead.
    Date(u32),
    /// No number and no date.
    Nonsense,
}

/// A body without JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PlainBody {
    /// Nothing.
    Empty,
    /// A page for people.
    Html,
}

/// A fault and the requests that it strikes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// What goes wrong.
    pub kind: FaultKind,
    /// Only requests with this method.
    #[serde(default)]
    pub method: Option<String>,
    /// Only requests whose path and query contain this text, compared after decoding. The path of
    /// a download is `/download/v1.0/drives/{id}/items/{id}/content` here, `/versions/{id}` before
    /// `/content` for a version: with the id of an item in it a fault is one of that item.
    #[serde(default)]
    pub path: String,
    /// Only requests for this user (object id or user principal name), or for the user's OneDrive.
    #[serde(default)]
    pub user: Option<String>,
    /// How many matching requests pass first.
    #[serde(default)]
    pub after: usize,
    /// How many are struck; `usize::MAX` for all.
    #[serde(default = "once")]
    pub times: usize,
}

fn once() -> usize {
    1
}

impl Fault {
    /// A fault that strikes the next request whose path contains `path`, once.
    pub fn once(kind: FaultKind, path: &str) -> Self {
        Self { kind, method: None, path: path.to_owned(), user: None, after: 0, times: 1 }
    }

    /// A fault that strikes every request whose path contains `path`.
    pub fn always(kind: FaultKind, path: &str) -> Self {
        Self { times: usize::MAX, ..Self::once(kind, path) }
    }

    /// Strikes only after so many matching requests have passed.
    pub fn after(self, after: usize) -> Self {
        Self { after, ..self }
    }

    /// Strikes so many times.
    pub fn times(self, times: usize) -> Self {
        Self { times, ..self }
    }

    /// Strikes only this method.
    pub fn method(self, method: &str) -> Self {
        Self { method: Some(method.to_owned()), ..self }
    }

    /// Strikes only this user.
    pub fn user(self, user: &str) -> Self {
        Self { user: Some(user.to_owned()), ..self }
    }

    fn matches(&self, request: &Request<'_>) -> bool {
        let Request { call, path, user, .. } = *request;
        let method = self.method.as_ref();
        let wanted = self.user.as_ref();
        method.is_none_or(|method| method.eq_ignore_ascii_case(&call.method))
            && path.contains(&self.path)
            && self.strikes_here(request)
            && wanted.is_none_or(|wanted| user.iter().any(|name| name.eq_ignore_ascii_case(wanted)))
    }
}

impl Fault {
    /// Whether the fault is one of this kind of request. What strikes any request strikes a
    /// download only if its path says `/download/`, or if no request went before it.
    fn strikes_here(&self, request: &Request<'_>) -> bool {
        let is_named = request.is_download && self.path.contains("/download/");
        self.kind.is_of_download() == request.is_download || is_named || request.is_listed
    }
}

/// A request as faults see it.
#[derive(Clone, Copy)]
struct Request<'a> {
    call: &'a Call,
    path: &'a str,
    user: [&'a str; 2],
    is_download: bool,
    /// A download whose address came with a listing.
    is_listed: bool,
}

/// The faults in force.
#[derive(Debug)]
pub struct Faults {
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    faults: Vec<Fault>,
    profile: FaultProfile,
    random: ChaCha8Rng,
    struck: u64,
}

impl Faults {
    /// Only those of the profile.
    pub fn new(profile: FaultProfile, seed: u64) -> Self {
        let random = ChaCha8Rng::seed_from_u64(seed);
        Self { inner: Mutex::new(Inner { faults: Vec::new(), profile, random, struck: 0 }) }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a fault.
    pub fn inject(&self, fault: Fault) {
        self.lock().faults.push(fault);
    }

    /// Takes all faults away and sets a profile.
    pub fn set_profile(&self, profile: FaultProfile) {
        let mut inner = self.lock();
        inner.faults.clear();
        inner.profile = profile;
    }

    /// Takes all injected faults away.
    pub fn clear(&self) {
        self.lock().faults.clear();
    }

    /// How many times a fault struck.
    pub fn struck(&self) -> u64 {
        self.lock().struck
    }

    /// The faults that strike this request of this user (object id and name); counts it.
    pub fn strike(&self, call: &Call, user: [&str; 2]) -> Vec<FaultKind> {
        let path = percent_encoding::percent_decode_str(&call.target).decode_utf8_lossy();
        self.strike_request(&Request {
            call,
            path: &path,
            user,
            is_download: false,
            is_listed: false,
        })
    }

    /// The faults that strike a download, `path` being that of the request which gave its address,
    /// or would have where a listing did.
    pub fn strike_download(
        &self,
        call: &Call,
        path: &str,
        user: [&str; 2],
        is_listed: bool,
    ) -> Vec<FaultKind> {
        self.strike_request(&Request { call, path, user, is_download: true, is_listed })
    }

    fn strike_request(&self, request: &Request<'_>) -> Vec<FaultKind> {
        let mut inner = self.lock();
        let mut struck = Vec::new();
        for fault in &mut inner.faults {
            if !fault.matches(request) {
                continue;
            }
            if fault.after > 0 {
                fault.after -= 1;
            } else if fault.times > 0 {
                fault.times = if fault.times == usize::MAX { usize::MAX } else { fault.times - 1 };
                struck.push(fault.kind.clone());
            }
        }
        if let Some(kind) = inner.by_profile(request) {
            struck.push(kind);
        }
        inner.struck += struck.len() as u64;
        struck
    }
}

impl Inner {
    /// What the profile does to a request. Writes are struck only in ways that leave no doubt
    /// whether they were carried out, but for the storm.
    fn by_profile(&mut self, request: &Request<'_>) -> Option<FaultKind> {
        let (call, path) = (request.call, request.path);
        let percent = match self.profile {
            FaultProfile::Calm => return None,
            FaultProfile::Flaky => 3,
            FaultProfile::Storm => 15,
        };
        let storm = self.profile == FaultProfile::Storm;
        if storm && path.ends_with("/$value") && self.random.random_ratio(85, 100) {
            return Some(FaultKind::MimeConversionFailedByClass);
        }
        if !self.random.random_ratio(percent, 100) {
            return None;
        }
        if request.is_download {
            return Some(match self.random.random_range(0..if storm { 5 } else { 4 }) {
                0 => FaultKind::DownloadExpired,
                1 => FaultKind::BrokenAfter(self.random.random_range(0..100_000)),
                2 => FaultKind::Throttle(RetryAfter::Seconds(1)),
                3 => FaultKind::Unavailable(PlainBody::Html),
                _ => FaultKind::DownloadUnauthorisedWithBytes,
            });
        }
        let is_list = path.contains("/messages") || path.contains("/children");
        let is_delta = path.contains("root/delta");
        let page = call.method == "GET" && (is_list || is_delta) && !path.contains("$value");
        match self.random.random_range(0..if storm { 9 } else { 5 }) {
            0 => Some(FaultKind::Throttle(RetryAfter::Seconds(1))),
            1 => Some(FaultKind::Throttle(RetryAfter::Missing)),
            2 => Some(FaultKind::Unavailable(PlainBody::Empty)),
            3 => Some(FaultKind::Unavailable(PlainBody::Html)),
            4 if page => Some(FaultKind::EmptyPage),
            5 if page => Some(FaultKind::OversizedPage),
            6 if page => Some(FaultKind::DuplicateItems),
            7 => Some(FaultKind::BrokenBody),
            8 => Some(FaultKind::ServerError(500)),
            _ => Some(FaultKind::BadGateway),
        }
    }
}

/// The answer that a fault gives instead of the request being carried out; `None` for faults
/// that change a page or a body.
pub fn refuse(call: &Call, now: jiff::Timestamp) -> Option<Reply> {
    call.faults.iter().find_map(|kind| match kind {
        FaultKind::Unavailable(body) => Some(unavailable(*body)),
        FaultKind::TokenExpired => Some(token_expired(call, now)),
        FaultKind::ResyncLocationFails if is_delta(call) => Some(resync_location(call, now)),
        kind => error(kind, call, now).map(|error| error.reply(call, now)),
    })
}

/// Whether the request reads a delta round.
fn is_delta(call: &Call) -> bool {
    call.segments.last().is_some_and(|last| last.eq_ignore_ascii_case("delta"))
}

fn error(kind: &FaultKind, call: &Call, now: jiff::Timestamp) -> Option<GraphError> {
    let store = |status, code, message: &str| Some(GraphError::new(status, code, message));
    if let Some(error) = drive::error(kind, call) {
        return Some(error);
    }
    match kind {
        FaultKind::Throttle(retry_after) => Some(throttled(*retry_after, now)),
        FaultKind::MailboxConcurrency => Some(concurrency()),
        FaultKind::BadGateway => store(502, "BadGateway", "Failed to execute backend request."),
        FaultKind::ServerError(503) => {
            store(503, "ServiceUnavailable", "The service is temporarily unavailable.")
        }
        FaultKind::ServerError(status) => {
            store(*status, "InternalServerError", "The server encountered an internal error.")
        }
        FaultKind::SyncStateGone(code) if is_delta(call) => Some(sync_state_gone(code)),
        FaultKind::DeltaNotFound if is_delta(call) => {
            store(404, "itemNotFound", "The resource could not be found.")
        }
        FaultKind::ItemGone => {
            store(404, "ErrorItemNotFound", "The specified object was not found in the store.")
        }
        FaultKind::CorruptData => {
            store(500, "ErrorCorruptData", "Data is corrupt., Invalid global object ID")
        }
        FaultKind::InvalidRecipients => {
            store(400, "ErrorInvalidRecipients", "At least one recipient isn't valid.")
        }
        FaultKind::MailboxNotEnabled => Some(crate::error::Refused::MailboxDisabled.into()),
        FaultKind::QuotaExceeded => {
            store(403, "ErrorQuotaExceeded", "Mailbox has exceeded maximum mailbox size.")
        }
        FaultKind::FolderExists => Some(crate::error::Refused::FolderExists.into()),
        FaultKind::CannotOpenAttachment => {
            store(500, "ErrorCannotOpenFileAttachment", "OLE conversion failed.")
        }
        FaultKind::InvalidAttachmentId => {
            store(400, "ErrorInvalidAttachmentId", "The attachment identifier is invalid.")
        }
        _ => None,
    }
}

/// 410 for a delta token that the service no longer knows.
pub fn sync_state_gone(code: &str) -> GraphError {
    let message = "The sync state generation is not found; generation=149; please restart the \
                   synchronization.";
    GraphError::new(410, code, message)
}

/// 429 of the fifth request at once for one mailbox.
pub fn concurrency() -> GraphError {
    let message = "Application is over its MailboxConcurrency limit.";
    GraphError::new(429, "ApplicationThrottled", message).with("retry-after", "1")
}

fn throttled(retry_after: RetryAfter, now: jiff::Timestamp) -> GraphError {
    let error = GraphError::new(429, "TooManyRequests", "Too many requests, please wait.");
    match retry_after {
        RetryAfter::Missing => error,
        RetryAfter::Seconds(seconds) => error.with("retry-after", seconds.to_string()),
        RetryAfter::Nonsense => error.with("retry-after", "soon"),
        RetryAfter::Date(ahead) => {
            let at = now.as_second().saturating_add(i64::from(ahead));
            let at = jiff::Timestamp::from_second(at).unwrap_or(now);
            error.with("retry-after", at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string())
        }
    }
}

fn unavailable(body: PlainBody) -> Reply {
    let text = match body {
        PlainBody::Empty => return Reply::empty(503),
        PlainBody::Html => {
            "<!DOCTYPE html><html><head><title>Service Unavailable</title></head>\
             <body><h2>Service Unavailable</h2><p>HTTP Error 503.</p></body></html>"
        }
    };
    let mut reply = Reply::bytes("text/html", text);
    reply.status = 503;
    reply
}

fn token_expired(call: &Call, now: jiff::Timestamp) -> Reply {
    let message = "Continuous access evaluation resulted in challenge.";
    GraphError::new(401, "InvalidAuthenticationToken", message)
        .with(
            "www-authenticate",
            "Bearer realm=\"\", error=\"insufficient_claims\", \
             claims=\"eyJhY2Nlc3NfdG9rZW4iOnsibmJmIjp7ImVzc2VudGlhbCI6dHJ1ZX19fQ==\"",
        )
        .reply(call, now)
}

/// The mark of a link to which a client was sent by fault 12.
const BAD_LOCATION: &str = "resync=restart";

fn resync_location(call: &Call, now: jiff::Timestamp) -> Reply {
    if call.target.contains(BAD_LOCATION) {
        let error = GraphError::new(500, "InternalServerError", "The server failed to restart.");
        return error.reply(call, now);
    }
    let location = format!("{}/v1.0/{}?{BAD_LOCATION}", call.base, drive::delta_path(call));
    let code = if drive::is_drive(call) { "resyncRequired" } else { "ResyncRequired" };
    sync_state_gone(code).with("location", location).reply(call, now)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::HeaderMap;

    use super::*;

    fn call(method: &str, target: &str) -> Call {
        Call::new(method, target, HeaderMap::new(), Bytes::new(), "https://x")
    }

    #[test]
    fn a_fault_strikes_after_some_and_as_often_as_told() {
        let faults = Faults::new(FaultProfile::Calm, 1);
        faults.inject(Fault::once(FaultKind::BadGateway, "/delta").after(1).times(2).method("GET"));
        let strikes = |method: &str, target: &str| {
            faults.strike(&call(method, target), ["id", "a@b.example"]).len()
        };
        assert_eq!(strikes("GET", "/v1.0/users/a/messages"), 0);
        assert_eq!(strikes("POST", "/v1.0/x/delta"), 0);
        let runs: Vec<usize> = (0..4).map(|_| strikes("GET", "/v1.0/x/delta")).collect();
        assert_eq!(runs, [0, 1, 1, 0]);
        assert_eq!(faults.struck(), 2);
    }

    #[test]
    fn a_fault_for_a_user_spares_the_others() {
        let faults = Faults::new(FaultProfile::Calm, 1);
        faults.inject(Fault::always(FaultKind::ItemGone, "").user("A@b.example"));
        let get = call("GET", "/v1.0/users/x/messages");
        assert_eq!(faults.strike(&get, ["id", "a@b.example"]), [FaultKind::ItemGone]);
        assert_eq!(faults.strike(&get, ["id", "c@b.example"]), []);
    }

    #[test]
    fn profiles_strike_by_the_seed() {
        let count = |profile, seed| {
            let faults = Faults::new(profile, seed);
            let get = call("GET", "/v1.0/users/x/mailFolders");
            (0..1000).map(|_| faults.strike(&get, ["", ""]).len()).collect::<Vec<_>>()
        };
        assert_eq!(count(FaultProfile::Calm, 1).iter().sum::<usize>(), 0);
        assert_eq!(count(FaultProfile::Storm, 1), count(FaultProfile::Storm, 1));
        assert_ne!(count(FaultProfile::Storm, 1), count(FaultProfile::Storm, 2));
        let flaky: usize = count(FaultProfile::Flaky, 1).iter().sum();
        assert!((10..80).contains(&flaky), "{flaky}");
    }

    #[test]
    fn faults_are_written_as_json() {
        let text = r#"{"kind":{"throttle":{"seconds":1}},"path":"/delta","times":3}"#;
        let fault: Fault = serde_json::from_str(text).unwrap();
        let kind = FaultKind::Throttle(RetryAfter::Seconds(1));
        assert_eq!(fault, Fault::once(kind, "/delta").times(3));
    }
}
