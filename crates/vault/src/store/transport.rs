//! Requests to an object store: sent, watched, repeated.
//!
//! Callers block: the requests run on threads of their own, so that neither a caller's runtime
//! nor the lack of one matters.

use std::future::Future;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, mpsc};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::stream;
use holdfast_model::Clock;
use http::header::{CONTENT_LENGTH, RETRY_AFTER};
use http::{HeaderMap, Method, StatusCode};
use object_store::RetryConfig;
use object_store::client::{HttpRequest, HttpRequestBody};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use tokio::runtime::{self, Runtime};
use url::Url;

use super::StoreOptions;
use super::limit::{Bucket, Pause};
use super::xml::Element;
use crate::crypto::fill_random;
use crate::error::{Error, Result};

/// Between attempts: this doubled each time, up to the longest, times a random share.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(20);
/// A store that asks for more patience than this gets no more.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(300);

/// No page of a listing is longer.
const LONGEST_ANSWER: u64 = 64 << 20;

/// How much is sent between two looks at the bandwidth limit.
const CHUNK: usize = 64 * 1024;

/// All but the unreserved characters of RFC 3986.
const STRICT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
/// The same for paths.
const STRICT_PATH: &AsciiSet = &STRICT.remove(b'/');

/// Threads for the requests of all stores of the process.
static RUNTIME: LazyLock<io::Result<Runtime>> = LazyLock::new(|| {
    let mut builder = runtime::Builder::new_multi_thread();
    builder.worker_threads(2).thread_name("object-store").enable_all().build()
});

/// Runs a request on the threads for requests and waits for its end.
pub(super) fn block<T, F>(work: F) -> Result<T>
where
    T: Send + 'static,
    F: Future<Output = Result<T>> + Send + 'static,
{
    let failed = |what: &str| Error::Engine { action: "run a request", source: what.into() };
    let runtime = RUNTIME.as_ref().map_err(|err| failed(&err.to_string()))?;
    let (send, receive) = mpsc::sync_channel(1);
    runtime.spawn(async move {
        // Nobody waits for the answer of a request whose caller is gone.
        let _ = send.send(work.await);
    });
    receive.recv().map_err(|_| failed("it ended without an answer"))?
}

/// The address of a key below a base without a slash at its end.
pub(super) fn address(base: &str, key: &str) -> Result<Url> {
    let path = utf8_percent_encode(key, STRICT_PATH);
    let url = Url::parse(&format!("{base}/{path}"));
    // `.` and `..` would be taken for steps.
    let stepped = key.split('/').any(|part| matches!(part, "." | ".."));
    url.ok()
        .filter(|_| !stepped)
        .ok_or_else(|| Error::invalid("a key cannot be part of an address"))
}

/// A request before it is signed.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<Bytes>,
    /// SHA-256 of the body, where it is known.
    pub(super) sha256: Option<[u8; 32]>,
    /// No more bytes of an answer are read.
    pub(super) limit: u64,
    /// What it does to which file, for errors.
    pub(super) action: &'static str,
    pub(super) key: String,
}

impl Call {
    pub(super) fn new(method: Method, url: Url, action: &'static str, key: &str) -> Self {
        let (headers, body) = (HeaderMap::new(), Vec::new());
        let (sha256, limit) = (None, LONGEST_ANSWER);
        Self { method, url, headers, body, sha256, limit, action, key: key.to_owned() }
    }

    /// Sets a header. Values are made of ASCII: names we gave, numbers, dates, what a store sent.
    pub(super) fn header(mut self, name: &'static str, value: &str) -> Self {
        if let Ok(value) = value.parse() {
            self.headers.insert(name, value);
        }
        self
    }

    /// Adds a parameter to the query. A space is `%20`: not every signature check takes `+`.
    pub(super) fn query(mut self, name: &str, value: &str) -> Self {
        let pair = format!("{name}={}", utf8_percent_encode(value, STRICT));
        let query = match self.url.query() {
            Some(query) => format!("{query}&{pair}"),
            None => pair,
        };
        self.url.set_query(Some(&query));
        self
    }

    pub(super) fn size(&self) -> u64 {
        self.body.iter().map(|part| part.len() as u64).sum()
    }

    /// The head of the request, to be signed.
    fn unsigned(&self) -> Result<HttpRequest> {
        let mut request = http::Request::builder()
            .method(self.method.clone())
            .uri(self.url.as_str())
            .body(HttpRequestBody::empty())
            .map_err(|_| Error::invalid(format!("{} cannot be part of an address", self.key)))?;
        *request.headers_mut() = self.headers.clone();
        if !self.body.is_empty() || self.method == Method::PUT || self.method == Method::POST {
            request.headers_mut().insert(CONTENT_LENGTH, self.size().into());
        }
        Ok(request)
    }

    pub(super) fn error(
        &self,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Error {
        Error::io(self.action, self.key.as_ref(), io::Error::other(source))
    }
}

/// A whole answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    /// An earlier attempt ended without a clear answer: it may have taken effect.
    pub(super) doubt: bool,
    /// There was more than the limit of the request.
    pub(super) too_long: bool,
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The store's name for what went wrong (`NoSuchKey`, `BlobNotFound`).
    pub(super) fn code(&self) -> String {
        match self.header("x-ms-error-code") {
            Some(code) => code.to_owned(),
            None => self.problem().0,
        }
    }

    fn problem(&self) -> (String, String) {
        let short =
            |text: &str| text.trim().chars().filter(|c| !c.is_control()).take(200).collect();
        match Element::parse(&self.body).filter(|root| root.name == "Error") {
            Some(root) => (short(root.text_of("Code")), short(root.text_of("Message"))),
            None => Default::default(),
        }
    }

    /// The error for an answer that is none of the expected ones.
    pub(super) fn refusal(&self, call: &Call) -> Error {
        let (_, message) = self.problem();
        let text = format!("{} {}: {message}", self.status.as_u16(), self.code());
        let text = text.trim_end_matches([' ', ':']).to_owned();
        let file = call.key.clone();
        match self.status {
            _ if self.code() == "QuotaExceeded" => full(call, text),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                Error::Denied { action: call.action, file, source: text.into() }
            }
            StatusCode::INSUFFICIENT_STORAGE => full(call, text),
            _ => call.error(format!("the storage answered {text}")),
        }
    }
}

fn full(call: &Call, text: String) -> Error {
    let source = io::Error::new(io::ErrorKind::StorageFull, text);
    Error::io(call.action, call.key.as_ref(), source)
}

/// How long the environment is searched for credentials: a machine without a role does not answer.
pub(super) fn lookup() -> RetryConfig {
    RetryConfig { max_retries: 1, retry_timeout: Duration::from_secs(10), ..RetryConfig::default() }
}

/// Adds what proves who sends a request.
pub(super) trait Signer: Send + Sync {
    /// Signs; `sha256` is the hash of the body where it is known.
    fn sign(
        &self,
        request: &mut HttpRequest,
        sha256: Option<[u8; 32]>,
    ) -> impl Future<Output = object_store::Result<()>> + Send;
}

/// An HTTP client of one store.
#[derive(Debug)]
pub(super) struct Transport {
    client: reqwest::Client,
    pause: Pause,
    up: Option<Arc<Bucket>>,
    down: Option<Arc<Bucket>>,
    stall: Duration,
    attempts: u32,
    pub(super) clock: Clock,
}

impl Transport {
    pub(super) fn new(base: &Url, options: &StoreOptions, clock: Clock) -> Result<Self> {
        let bandwidth = options.bandwidth.check()?;
        let bucket = |rate| Arc::new(Bucket::new(rate, options.pause.clone()));
        Ok(Self {
            client: client(base, options)?,
            pause: options.pause.clone(),
            up: bandwidth.up.map(bucket),
            down: bandwidth.down.map(bucket),
            stall: options.stall_timeout,
            attempts: options.attempts.max(1),
            clock,
        })
    }

    /// Sends a request until there is a clear answer, and gives that, whatever it says.
    ///
    /// # Errors
    /// [`Error::Io`] where every attempt failed.
    pub(super) async fn exchange(&self, call: &Call, signer: &impl Signer) -> Result<Answer> {
        let mut doubt = false;
        for attempt in 1.. {
            let outcome = self.attempt(call, signer).await?;
            let (failure, patience) = match outcome {
                Ok(answer) if !is_passing(&call.method, &answer) => {
                    return Ok(Answer { doubt, ..answer });
                }
                Ok(answer) => (answer.refusal(call), retry_after(&answer, &self.clock)),
                Err(text) => (call.error(text), None),
            };
            doubt = true;
            if attempt >= self.attempts {
                return Err(failure);
            }
            tracing::debug!(attempt, action = call.action, error = %Chain(&failure), "again");
            self.pause.wait(patience.unwrap_or_else(|| backoff(attempt))).await;
        }
        unreachable!("the loop ends with an answer or an error")
    }

    /// One attempt: an answer, or in words why there is none.
    async fn attempt(&self, call: &Call, signer: &impl Signer) -> Result<Result<Answer, String>> {
        let mut request = call.unsigned()?;
        if let Err(err) = signer.sign(&mut request, call.sha256).await {
            return Err(call.error(format!("no credentials: {err}")));
        }
        let moved = Arc::new(AtomicU64::new(0));
        let (head, _) = request.into_parts();
        let sending = async {
            let url = Url::parse(&head.uri.to_string()).map_err(|err| err.to_string())?;
            let request = self.client.request(head.method, url).headers(head.headers);
            let body = self.outgoing(call.body.clone(), Arc::clone(&moved));
            let request = if call.body.is_empty() { request } else { request.body(body) };
            let response = request.send().await.map_err(|err| words(&err))?;
            self.receive(response, call.limit, &moved).await
        };
        Ok(watch(sending, &moved, self.stall).await)
    }

    /// The body as a stream that keeps to the limit.
    fn outgoing(&self, parts: Vec<Bytes>, moved: Arc<AtomicU64>) -> reqwest::Body {
        let state = (parts.into_iter(), Bytes::new(), self.up.clone(), moved);
        let chunks = stream::unfold(state, |(mut parts, mut rest, bucket, moved)| async move {
            while rest.is_empty() {
                rest = parts.next()?;
            }
            let chunk = rest.split_to(rest.len().min(CHUNK));
            if let Some(bucket) = &bucket {
                bucket.take(chunk.len(), &moved).await;
            }
            moved.fetch_add(1, Ordering::Relaxed);
            Some((Ok::<_, io::Error>(chunk), (parts, rest, bucket, moved)))
        });
        reqwest::Body::wrap_stream(chunks)
    }

    async fn receive(
        &self,
        mut response: reqwest::Response,
        limit: u64,
        moved: &AtomicU64,
    ) -> Result<Answer, String> {
        let status = response.status();
        let headers = std::mem::take(response.headers_mut());
        let announced = response.content_length().unwrap_or(0);
        let mut body = BytesMut::with_capacity(announced.min(1 << 24) as usize);
        while let Some(chunk) = response.chunk().await.map_err(|err| words(&err))? {
            moved.fetch_add(1, Ordering::Relaxed);
            if let Some(bucket) = &self.down {
                bucket.take(chunk.len(), moved).await;
            }
            body.extend_from_slice(&chunk);
            if body.len() as u64 > limit {
                return Ok(Answer {
                    status,
                    headers,
                    body: body.freeze(),
                    doubt: false,
                    too_long: true,
                });
            }
        }
        Ok(Answer { status, headers, body: body.freeze(), doubt: false, too_long: false })
    }
}

/// Ends a transfer that does not move.
async fn watch(
    work: impl Future<Output = Result<Answer, String>>,
    moved: &AtomicU64,
    stall: Duration,
) -> Result<Answer, String> {
    let mut work = std::pin::pin!(work);
    loop {
        let before = moved.load(Ordering::Relaxed);
        match tokio::time::timeout(stall, &mut work).await {
            Ok(outcome) => return outcome,
            Err(_) if moved.load(Ordering::Relaxed) == before => {
                return Err(format!("nothing moved for {} s", stall.as_secs_f32()));
            }
            Err(_) => {}
        }
    }
}

/// Answers that another attempt may change (S3 "Error responses", Azure "Common REST API error
/// codes", 2026). S3 sends the status of a long POST before the outcome is known, and then an
/// error as its body (S3 API Reference, `CompleteMultipartUpload`, 2026).
fn is_passing(method: &Method, answer: &Answer) -> bool {
    match answer.status.as_u16() {
        200 if method == Method::POST => {
            matches!(&*answer.code(), "InternalError" | "ServiceUnavailable" | "SlowDown")
        }
        408 | 429 | 500 | 502 | 503 | 504 => true,
        400 => answer.code() == "RequestTimeout",
        409 => matches!(&*answer.code(), "ConditionalRequestConflict" | "OperationAborted"),
        _ => false,
    }
}

/// How long the store asks to wait, in seconds or until a time.
fn retry_after(answer: &Answer, clock: &Clock) -> Option<Duration> {
    let text = answer.header(RETRY_AFTER.as_str())?;
    let wait = match text.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let until = super::object::http_date(text)?;
            Duration::try_from(until.duration_since(clock.now())).unwrap_or_default()
        }
    };
    Some(wait.min(LONGEST_RETRY_AFTER))
}

/// Exponential, with full jitter but never less than a tenth.
fn backoff(attempt: u32) -> Duration {
    let most = FIRST_PAUSE.saturating_mul(1 << (attempt - 1).min(16)).min(LONGEST_PAUSE);
    let mut random = [0; 2];
    fill_random(&mut random);
    most.mul_f64(0.1 + 0.9 * f64::from(u16::from_le_bytes(random)) / f64::from(u16::MAX))
}

/// An error of the HTTP client without the address, which may carry a signature.
fn words(err: &reqwest::Error) -> String {
    let mut source: &dyn std::error::Error = err;
    while let Some(deeper) = source.source() {
        source = deeper;
    }
    let what = match err {
        _ if err.is_connect() => "cannot connect",
        _ if err.is_timeout() => "timed out",
        _ => "the connection broke",
    };
    match std::ptr::eq(source, std::ptr::from_ref::<dyn std::error::Error>(err)) {
        true => what.to_owned(),
        false => format!("{what}: {source}"),
    }
}

fn client(base: &Url, options: &StoreOptions) -> Result<reqwest::Client> {
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("holdfast/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(options.connect_timeout)
        // A connection for each request at a time: stores balance by connection.
        .http1_only();
    let host = base.host_str().unwrap_or_default();
    if host == "localhost" || host == "[::1]" || host.starts_with("127.") {
        builder = builder.no_proxy();
    }
    if let Some(pem) = &options.ca_pem {
        let wrong = || Error::invalid("the certificate authority file holds no PEM certificate");
        let list = reqwest::Certificate::from_pem_bundle(pem).map_err(|_| wrong())?;
        if list.is_empty() {
            return Err(wrong());
        }
        builder = builder.tls_certs_merge(list);
    }
    builder.build().map_err(|err| Error::invalid(format!("the TLS client cannot start: {err}")))
}

/// An error with its causes.
struct Chain<'a>(&'a Error);

impl std::fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)?;
        let mut source = std::error::Error::source(self.0);
        while let Some(err) = source {
            write!(f, ": {err}")?;
            source = err.source();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_late_error_of_a_long_request_passes() {
        let answer = |code: &str| Answer {
            status: StatusCode::OK,
            headers: HeaderMap::new(),
            body: Bytes::from(format!("<Error><Code>{code}</Code></Error>")),
            doubt: false,
            too_long: false,
        };
        for code in ["InternalError", "ServiceUnavailable", "SlowDown"] {
            assert!(is_passing(&Method::POST, &answer(code)), "{code}");
            assert!(!is_passing(&Method::GET, &answer(code)), "a file may look like that");
        }
        assert!(!is_passing(&Method::POST, &answer("InvalidPart")));
    }

    #[test]
    fn pauses_grow_and_end() {
        for attempt in 1..=40 {
            let pause = backoff(attempt);
            assert!(pause >= FIRST_PAUSE / 11 && pause <= LONGEST_PAUSE, "{attempt}: {pause:?}");
        }
        assert!(backoff(1) <= FIRST_PAUSE);
    }

    #[test]
    fn a_caller_inside_a_runtime_may_block() {
        let caller = runtime::Builder::new_current_thread().build().unwrap();
        assert_eq!(caller.block_on(async { block(async { Ok(7) }) }).unwrap(), 7);
        assert!(block::<(), _>(async { panic!("no answer") }).is_err());
    }
}
