//! The client itself: sends one request until it succeeds or its error is final.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::Method;
use http::header::{CONTENT_TYPE, HeaderMap, LOCATION, RETRY_AFTER};
use jiff::Timestamp;
use serde::Deserialize;
use url::Url;
use uuid::Uuid;

use crate::budget::{Budget, Permit, RateLimit, Scope, Service};
use crate::config::Config;
use crate::endpoint::{self, UPLOAD};
use crate::error::{Answer, Error, Kind, MALWARE, Result, kind_of};
use crate::request::{Parts, Request};
use crate::retry::{self, Next};
use crate::stats::{Counters, Stats, add};
use crate::token::TokenSource;

/// Marks the traffic as Microsoft asks for ("How to avoid getting throttled", SharePoint docs).
const USER_AGENT: &str = concat!("NONISV|Holdfast|Holdfast/", env!("CARGO_PKG_VERSION"));

const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);
/// Longest silence while an answer is awaited or read.
const READ_TIMEOUT: Duration = Duration::from_secs(100);
/// Longest time for one attempt: the largest body that is read whole, at 2.2 Mbit/s. Downloads are
/// read piece by piece and have no such end, only that of silence.
pub(crate) const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(600);

/// Error bodies above this size are not read.
pub(crate) const ERROR_LIMIT: usize = 256 * 1024;

/// A client for one application in one tenant. Clones share tokens, budget and figures.
#[derive(Clone, Debug)]
pub struct Graph(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    config: Config,
    http: reqwest::Client,
    token: TokenSource,
    budget: Budget,
    counters: Arc<Counters>,
}

/// A successful answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub status: u16,
    pub body: Bytes,
    /// Where a redirect leads, as it was written.
    pub location: Option<String>,
}

impl Graph {
    /// Makes a client. Nothing is sent yet; the credential and the addresses are checked.
    pub fn new(config: Config) -> Result<Self> {
        for url in [&config.graph_url, &config.authority_url] {
            if url.scheme() != "https" || !url.has_host() {
                return Err(Error::config(format!("the address {url} must begin with https://")));
            }
        }
        let http = http_client(&config)?;
        let token = TokenSource::new(&config, http.clone())?;
        let counters = Arc::new(Counters::default());
        let budget = Budget::new(config.clock.clone(), config.sleep.clone(), Arc::clone(&counters));
        Ok(Self(Arc::new(Inner { config, http, token, budget, counters })))
    }

    /// A request of any method. `path` lies below `/v1.0` (`/users/{id}/mailFolders`; encode ids
    /// with [`segment`](crate::segment)), or is a stored link (`/v1.0/users/…?$deltatoken=…`), or
    /// a full URL of the same origin. Other hosts are [`Error::ForeignLink`].
    pub fn request(&self, method: Method, path: impl Into<String>) -> Request<'_> {
        Request::new(self, method, path.into())
    }

    /// A GET request; `path` as in [`Graph::request`].
    pub fn get(&self, path: impl Into<String>) -> Request<'_> {
        self.request(Method::GET, path)
    }

    /// A POST request; `path` as in [`Graph::request`].
    pub fn post(&self, path: impl Into<String>) -> Request<'_> {
        self.request(Method::POST, path)
    }

    /// A PATCH request; `path` as in [`Graph::request`].
    pub fn patch(&self, path: impl Into<String>) -> Request<'_> {
        self.request(Method::PATCH, path)
    }

    /// A PUT request; `path` as in [`Graph::request`].
    pub fn put(&self, path: impl Into<String>) -> Request<'_> {
        self.request(Method::PUT, path)
    }

    /// A DELETE request; `path` as in [`Graph::request`].
    pub fn delete(&self, path: impl Into<String>) -> Request<'_> {
        self.request(Method::DELETE, path)
    }

    /// The traffic so far.
    pub fn stats(&self) -> Stats {
        self.0.counters.read()
    }

    /// The application permissions that the tenant has granted: the `roles` claim of the access
    /// token, in alphabetical order. The token is decoded and not verified: it is our own.
    pub async fn granted_roles(&self) -> Result<Vec<String>> {
        self.0.token.roles().await
    }

    pub(crate) fn base(&self) -> &Url {
        &self.0.config.graph_url
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.0.config.clock.now()
    }

    pub(crate) fn counters(&self) -> &Counters {
        &self.0.counters
    }

    /// Makes a mailbox's scope wait because a part of a batch was throttled.
    pub(crate) fn pause_mailbox(&self, mailbox: &str, asked: Option<Duration>) {
        let pause = retry::pause(Kind::Throttled, asked, 1, rand::random());
        let scope = self.0.budget.scope(&Service::Mailbox(mailbox.to_owned()));
        self.0.budget.throttled(&scope, pause);
    }

    pub(crate) fn budget(&self) -> &Budget {
        &self.0.budget
    }

    pub(crate) fn http(&self) -> &reqwest::Client {
        &self.0.http
    }

    /// Counts an attempt.
    pub(crate) fn count(&self, parts: &Parts, again: bool) {
        let counters = self.counters();
        add(&counters.requests, u64::from(parts.weight));
        add(&counters.resource_units, u64::from(parts.units));
        add(&counters.retries, u64::from(again));
    }

    /// Takes what any answer tells about the limits of its service.
    pub(crate) fn learn(&self, scope: &Scope, headers: &HeaderMap) {
        if let Some(limit) = RateLimit::read(headers) {
            self.0.budget.told(scope, limit);
        }
    }

    /// Sends until it succeeds or the error is final. `read` turns the answer into its value, or
    /// says what is wrong with it.
    pub(crate) async fn run<T>(
        &self,
        parts: &Parts,
        limit: usize,
        read: impl Fn(&Reply) -> std::result::Result<T, &'static str> + Send + Sync,
    ) -> Result<T> {
        let url = parts.url(self.base())?;
        let mut call = Call {
            graph: self,
            parts,
            headers: parts.header_map()?,
            endpoint: if parts.authorised { endpoint::template(&url) } else { UPLOAD.into() },
            url,
            started: self.now(),
            waited: Duration::ZERO,
            failures: 0,
            refreshed: false,
        };
        loop {
            let token = if parts.authorised { Some(self.0.token.get().await?) } else { None };
            let permit = call.permit().await?;
            let seen =
                call.attempt(token.as_deref(), limit, permit.scope()).await.and_then(|reply| {
                    read(&reply)
                        .map_err(|what| Error::Malformed { endpoint: call.endpoint.clone(), what })
                });
            match seen {
                Ok(value) => {
                    permit.scope().succeeded();
                    return Ok(value);
                }
                Err(error) => call.after(error, permit, token.as_deref()).await?,
            }
        }
    }
}

/// One call of a caller: all attempts together.
struct Call<'a> {
    graph: &'a Graph,
    parts: &'a Parts,
    url: Url,
    headers: HeaderMap,
    endpoint: String,
    started: Timestamp,
    waited: Duration,
    failures: u32,
    refreshed: bool,
}

impl Call<'_> {
    /// Waits for the budget, within what is left of the deadline.
    async fn permit(&mut self) -> Result<Permit> {
        let budget = &self.graph.0.budget;
        let scope = budget.scope(&self.parts.service);
        let need = self.parts.need();
        let permit = budget.acquire(&scope, need, &mut self.waited, retry::DEADLINE).await;
        permit.map_err(|retry_after| Error::Paused { endpoint: self.endpoint.clone(), retry_after })
    }

    async fn attempt(&self, token: Option<&str>, limit: usize, scope: &Scope) -> Result<Reply> {
        self.graph.count(self.parts, self.failures > 0);
        let id = Uuid::new_v4().to_string();
        let http = &self.graph.0.http;
        let mut request = http
            .request(self.parts.method.clone(), self.url.clone())
            .headers(self.headers.clone())
            .header("client-request-id", &id)
            .timeout(ATTEMPT_TIMEOUT);
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        if let Some((_, bytes)) = &self.parts.body {
            request = request.body(bytes.clone());
        }
        let place = (self.parts.method.clone(), self.endpoint.clone());
        let response = request.send().await.map_err(|error| lost(&place, error))?;
        let status = response.status();
        tracing::debug!(method = %self.parts.method, endpoint = self.endpoint,
            status = status.as_u16(), attempt = self.failures + 1, client_request_id = id, "graph");
        self.graph.learn(scope, response.headers());
        if self.parts.redirect && status.is_redirection() && !is_infected(response.headers()) {
            let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
            let location = location.map(str::to_owned);
            return Ok(Reply { status: status.as_u16(), body: Bytes::new(), location });
        }
        if status.is_success() {
            let body = read_body(&place, response, limit, self.graph.counters()).await?;
            return Ok(Reply { status: status.as_u16(), body, location: None });
        }
        Err(read_refusal(place, response, self.graph.now(), self.graph.counters()).await)
    }

    /// Waits until the next attempt, or returns the error as final.
    async fn after(&mut self, error: Error, permit: Permit, token: Option<&str>) -> Result<()> {
        if let Some(token) = token.filter(|_| error.status() == Some(401) && !self.refreshed) {
            self.refreshed = true;
            self.graph.0.token.discard(token).await;
            return Ok(());
        }
        self.failures += 1;
        let (kind, asked) = (error.kind(), error.retry_after());
        let elapsed = self.waited.max(retry::between(self.started, self.graph.now()));
        let unit: f64 = rand::random();
        if kind == Kind::Throttled {
            add(&self.graph.counters().throttled, 1);
            let pause = retry::pause(kind, asked, self.failures, unit);
            self.graph.0.budget.throttled(permit.scope(), pause);
        }
        drop(permit);
        if self.parts.once && is_unclear(&error) {
            let endpoint = self.endpoint.clone();
            return Err(Error::Uncertain { endpoint, source: Box::new(error) });
        }
        if matches!(error, Error::Malformed { .. }) && self.parts.method != Method::GET {
            return Err(error);
        }
        match retry::next(kind, asked, self.failures, elapsed, unit) {
            Next::GiveUp => Err(error),
            // The scope is blocked already: the budget makes this call wait with all others.
            Next::Pause(_) => Ok(()),
            Next::Wait(wait) => {
                self.graph.0.budget.rest(wait).await;
                self.waited += wait;
                Ok(())
            }
        }
    }
}

/// What is asked, for messages: method and path with ids replaced.
pub(crate) type Place = (Method, String);

/// Reads a body of at most `limit` bytes and counts it.
pub(crate) async fn read_body(
    place: &Place,
    mut response: reqwest::Response,
    limit: usize,
    counters: &Counters,
) -> Result<Bytes> {
    let too_large = || Error::TooLarge { endpoint: place.1.clone(), limit };
    if response.content_length().is_some_and(|length| length > limit as u64) {
        return Err(too_large());
    }
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| lost(place, error))? {
        add(&counters.bytes_received, chunk.len() as u64);
        if body.len() + chunk.len() > limit {
            return Err(too_large());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

/// A request or an answer that was lost on the line.
pub(crate) fn lost((method, endpoint): &Place, error: reqwest::Error) -> Error {
    Error::Transport {
        method: method.clone(),
        endpoint: endpoint.clone(),
        connect: error.is_connect(),
        source: Box::new(error.without_url()),
    }
}

/// The error that an answer stands for, read with its body.
pub(crate) async fn read_refusal(
    place: Place,
    response: reqwest::Response,
    now: Timestamp,
    counters: &Counters,
) -> Error {
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    // An error counts as what its status says even where its body is lost on the way.
    let body = read_body(&place, response, ERROR_LIMIT, counters).await.unwrap_or_default();
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let is_json = text(CONTENT_TYPE.as_str()).is_some_and(|kind| kind.contains("json"));
    let asked = text(RETRY_AFTER.as_str());
    let asked = asked.and_then(|value| retry::parse_retry_after(value, now));
    let request_id = text("request-id").map(str::to_owned);
    let body = if is_json { &body[..] } else { &[] };
    if is_infected(&headers) {
        return infected(place, status, request_id);
    }
    refusal(place, status, asked, request_id, body)
}

/// True where a request may have been carried out although it failed.
pub(crate) fn is_unclear(error: &Error) -> bool {
    match error {
        Error::Transport { connect, .. } => !connect,
        Error::Malformed { .. } | Error::TooLarge { .. } => true,
        Error::Answer(answer) => matches!(answer.status, 408 | 500 | 502 | 503 | 504 | 509),
        _ => false,
    }
}

/// Graph's error body: `{"error":{"code","message",…}}` ([D] c/errors).
#[derive(Deserialize)]
struct Body {
    error: Option<Fault>,
}

#[derive(Deserialize)]
struct Fault {
    code: Option<String>,
    message: Option<String>,
}

/// Longest error code that is believed to be one.
const CODE_LENGTH: usize = 100;

/// An error answer from its parts; `body` empty where it is not JSON.
pub(crate) fn refusal(
    (method, endpoint): Place,
    status: u16,
    retry_after: Option<Duration>,
    request_id: Option<String>,
    body: &[u8],
) -> Error {
    let fault = serde_json::from_slice::<Body>(body).ok().and_then(|body| body.error);
    let (code, detail) = fault.map_or((None, None), |fault| (fault.code, fault.message));
    let code = code.filter(|code| code.len() <= CODE_LENGTH && code.bytes().all(is_word));
    let request_id = request_id.filter(|id| id.len() <= CODE_LENGTH && id.bytes().all(is_word));
    let kind = kind_of(status, code.as_deref(), retry_after.is_some());
    let answer = Answer { kind, status, code, detail, method, endpoint, request_id, retry_after };
    Error::Answer(Box::new(answer))
}

/// True where the answer is about a file in which the service found malware. The header comes with
/// 403, and has come with a 200 whose short body was no file (rclone#7934, onedrive-api-docs#1626).
pub(crate) fn is_infected(headers: &HeaderMap) -> bool {
    headers
        .get("x-virus-infected")
        .is_some_and(|value| !value.as_bytes().eq_ignore_ascii_case(b"false"))
}

/// Graph's error for a file with malware, whatever else the answer said.
pub(crate) fn infected(
    (method, endpoint): Place,
    status: u16,
    request_id: Option<String>,
) -> Error {
    Error::Answer(Box::new(Answer {
        kind: Kind::Denied,
        status,
        code: Some(MALWARE.to_owned()),
        detail: None,
        method,
        endpoint,
        request_id,
        retry_after: None,
    }))
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.')
}

fn http_client(config: &Config) -> Result<reqwest::Client> {
    let mut builder = reqwest::Client::builder()
        .user_agent(USER_AGENT)
        .https_only(true)
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT_TIMEOUT)
        .read_timeout(READ_TIMEOUT);
    // A simulated tenant on this machine is not behind the company's proxy.
    if config.graph_url.host_str().is_some_and(is_this_machine) {
        builder = builder.no_proxy();
    }
    if let Some(pem) = &config.ca_pem {
        let wrong = || Error::config("the certificate authority file holds no PEM certificate");
        let list = reqwest::Certificate::from_pem_bundle(pem).map_err(|_| wrong())?;
        if list.is_empty() {
            return Err(wrong());
        }
        builder = builder.tls_certs_merge(list);
    }
    builder.build().map_err(|error| Error::config(format!("the TLS client cannot start: {error}")))
}

fn is_this_machine(host: &str) -> bool {
    host == "localhost" || host == "[::1]" || host.starts_with("127.")
}
