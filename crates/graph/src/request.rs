//! One request to Graph, built step by step.

use bytes::Bytes;
use http::Method;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;
use url::Url;

use crate::budget::{Need, Service};
use crate::endpoint;
use crate::error::{Error, Result};
use crate::exchange::{Graph, Reply};

/// Largest JSON answer that is read, in bytes.
pub(crate) const JSON_LIMIT: usize = 32 * 1024 * 1024;

/// Largest other body that is read, in bytes. Exchange Online takes messages of at most 150 MB
/// (Microsoft, "Exchange Online limits", message size); what is larger is an error that names the
/// limit.
pub(crate) const BODY_LIMIT: usize = 160 * 1024 * 1024;

/// Ids that stay the same when a message moves inside its mailbox ([D] c/outlook-immutable-id).
const IMMUTABLE: &str = "IdType=\"ImmutableId\"";

/// A request that is being built. Nothing is sent before one of the `send` calls.
#[derive(Debug)]
#[must_use = "a request does nothing until it is sent"]
pub struct Request<'g> {
    graph: &'g Graph,
    pub(crate) parts: Parts,
}

/// What is sent, independent of the client that sends it.
#[derive(Clone, Debug)]
pub(crate) struct Parts {
    pub method: Method,
    pub path: String,
    pub query: Vec<String>,
    pub service: Service,
    pub restore: bool,
    pub once: bool,
    /// Requests that this counts for (parts of a batch).
    pub weight: u32,
    /// Resource units that this counts for, where the service counts in them.
    pub units: u32,
    /// True where the answer that is wanted is a redirect, which is not followed.
    pub redirect: bool,
    /// False for pre-authenticated addresses, which need not be Graph's.
    pub authorised: bool,
    pub headers: Vec<(&'static str, String)>,
    pub prefer: Vec<String>,
    pub body: Option<(&'static str, Bytes)>,
}

impl Parts {
    pub fn new(method: Method, path: String) -> Self {
        Self {
            method,
            path,
            query: Vec::new(),
            service: Service::Directory,
            restore: false,
            once: false,
            weight: 1,
            units: 0,
            redirect: false,
            authorised: true,
            headers: Vec::new(),
            prefer: vec![IMMUTABLE.to_owned()],
            body: None,
        }
    }

    /// What it needs of the budget.
    pub fn need(&self) -> Need {
        let (restore, requests) = (self.restore, self.weight);
        let cost = if self.service == Service::Drives { self.units } else { requests };
        Need { restore, requests, cost }
    }

    /// The address, checked to be Graph's own where the token travels with it.
    pub fn url(&self, graph: &Url) -> Result<Url> {
        let mut url = if self.authorised {
            endpoint::resolve(graph, &self.path)?
        } else {
            session_url(&self.path)?
        };
        if !self.query.is_empty() {
            let own = url.query().filter(|query| !query.is_empty());
            let query: Vec<&str> = own.into_iter().chain(self.query.iter().map(|q| &**q)).collect();
            let query = query.join("&");
            url.set_query(Some(&query));
        }
        Ok(url)
    }

    /// Headers except those that change with each attempt.
    pub fn header_map(&self) -> Result<HeaderMap> {
        let mut map = HeaderMap::new();
        let mut put = |name: &str, value: &str| {
            let pair = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value));
            let (Ok(name), Ok(value)) = pair else {
                return Err(Error::config(format!("header {name} cannot carry this value")));
            };
            map.insert(name, value);
            Ok(())
        };
        for (name, value) in &self.headers {
            put(name, value)?;
        }
        if self.authorised {
            put("prefer", &self.prefer.join(", "))?;
        }
        if let Some((content_type, _)) = &self.body {
            put("content-type", content_type)?;
        }
        Ok(map)
    }
}

/// The URL of a pre-authenticated address: any host, but only with TLS, and without a password that
/// would become an `Authorization` header.
pub(crate) fn session_url(text: &str) -> Result<Url> {
    let foreign = |to: &str| Error::ForeignLink { to: to.to_owned() };
    let url = Url::parse(text).map_err(|_| foreign("a place that is not a URL"))?;
    if url.scheme() != "https" {
        return Err(foreign("an address without TLS"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(foreign("an address with a password"));
    }
    Ok(url)
}

impl<'g> Request<'g> {
    pub(crate) fn new(graph: &'g Graph, method: Method, path: String) -> Self {
        Self { graph, parts: Parts::new(method, path) }
    }

    /// Counts against the budget of this mailbox (4 at a time, 10,000 per 10 minutes). Use the
    /// same form of the user's id everywhere. Without it the tenant's shared budget counts.
    pub fn mailbox(mut self, user_id: &str) -> Self {
        self.parts.service = Service::Mailbox(user_id.to_owned());
        self
    }

    /// Counts `units` resource units against the tenant's SharePoint budget; OneDrive and
    /// SharePoint are one service. A unit is SharePoint's measure of work: 1 for a single item, a
    /// delta with a token and a download; 2 for a list, the first delta, and whatever creates,
    /// updates, deletes or uploads; 5 for anything about permissions, also in an `$expand`
    /// (Microsoft, "Avoid getting throttled or blocked in SharePoint Online", read 2026-08).
    pub fn drive(mut self, units: u32) -> Self {
        self.parts.service = Service::Drives;
        self.parts.units = units;
        self
    }

    /// Restore priority: may use the share of the budget that backups leave free.
    pub fn restore(mut self) -> Self {
        self.parts.restore = true;
        self
    }

    /// Adds a query parameter; both sides are percent-encoded here.
    pub fn query(mut self, key: &str, value: &str) -> Self {
        self.parts.query.push(endpoint::query_pair(key, value));
        self
    }

    /// Adds a header; the last one of a name counts.
    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        self.parts.headers.push((name, value.to_owned()));
        self
    }

    /// Adds a preference (`odata.maxpagesize=50`). All go into one `Prefer` header together with
    /// `IdType="ImmutableId"`, which is always there.
    pub fn prefer(mut self, value: &str) -> Self {
        self.parts.prefer.push(value.to_owned());
        self
    }

    /// Sends a JSON body.
    pub fn json(self, body: &Value) -> Self {
        self.body("application/json", Bytes::from(body.to_string()))
    }

    /// Sends any body.
    pub fn body(mut self, content_type: &'static str, bytes: Bytes) -> Self {
        self.parts.body = Some((content_type, bytes));
        self
    }

    /// Never repeats the request after an unclear answer (a lost connection, 500, 502, 503, 504):
    /// the error has kind [`Uncertain`](crate::Kind::Uncertain) and the caller looks before it tries again.
    /// For everything that creates.
    pub fn once(mut self) -> Self {
        self.parts.once = true;
        self
    }

    /// Sends and reads a JSON answer of at most 32 MB. An empty or broken one is an error.
    pub async fn send_json(self) -> Result<Value> {
        self.graph.run(&self.parts, JSON_LIMIT, read_json).await
    }

    /// Sends and returns the body as it came, at most 160 MB. It may be empty although the
    /// service said 200 (sdk-java#722): compare with the size that is known.
    pub async fn send_bytes(self) -> Result<Bytes> {
        self.graph.run(&self.parts, BODY_LIMIT, |reply| Ok(reply.body.clone())).await
    }

    /// Sends and ignores the body of the answer.
    pub async fn send_empty(self) -> Result<()> {
        self.graph.run(&self.parts, JSON_LIMIT, |_| Ok(())).await
    }
}

/// Reads the body of an answer as JSON.
pub(crate) fn read_json(reply: &Reply) -> std::result::Result<Value, &'static str> {
    if reply.body.is_empty() {
        return Err("empty where JSON is expected");
    }
    serde_json::from_slice(&reply.body).map_err(|_| "not JSON")
}
