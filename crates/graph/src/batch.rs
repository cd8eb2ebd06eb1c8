//! `$batch`: up to 20 requests in one ([D] c/json-batching, read 2026-08).
//!
//! Each part is throttled and fails alone while the outer answer is 200. Exchange works on four
//! parts at a time, so a batch takes the mailbox's whole share of the budget. Parts that failed for
//! a passing reason are repeated singly, with all the rules of a single request.

use std::collections::HashMap;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::Method;
use serde_json::{Map, Value, json};

use crate::budget::Service;
use crate::endpoint::{self, VERSION};
use crate::error::{Error, Kind, Result};
use crate::exchange::{Graph, is_unclear, refusal};
use crate::request::{BODY_LIMIT, Parts, read_json};
use crate::retry;
use crate::stats::add;

/// Parts in one call.
const LARGEST: usize = 20;

/// One request of a batch.
#[derive(Clone, Debug)]
#[must_use = "a part does nothing until its batch is sent"]
pub struct BatchPart {
    parts: Parts,
    body: Option<Value>,
}

impl BatchPart {
    /// A request of any method; `path` as in [`Graph::request`].
    pub fn new(method: Method, path: impl Into<String>) -> Self {
        Self { parts: Parts::new(method, path.into()), body: None }
    }

    /// A GET request.
    pub fn get(path: impl Into<String>) -> Self {
        Self::new(Method::GET, path)
    }

    /// Adds a query parameter; both sides are percent-encoded here.
    pub fn query(mut self, key: &str, value: &str) -> Self {
        self.parts.query.push(endpoint::query_pair(key, value));
        self
    }

    /// Adds a header.
    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        self.parts.headers.push((name, value.to_owned()));
        self
    }

    /// Sends a JSON body.
    pub fn json(mut self, body: Value) -> Self {
        self.parts.body = Some(("application/json", Bytes::from(body.to_string())));
        self.body = Some(body);
        self
    }

    /// Restore priority for this part and its batch.
    pub fn restore(mut self) -> Self {
        self.parts.restore = true;
        self
    }

    /// Not repeated after an unclear answer, as [`Request::once`](crate::Request::once).
    pub fn once(mut self) -> Self {
        self.parts.once = true;
        self
    }

    fn to_json(&self, id: usize, graph: &Graph) -> Result<Value> {
        let url = self.parts.url(graph.base())?;
        let path = url.path().strip_prefix(VERSION).unwrap_or(url.path());
        let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
        let mut headers = Map::new();
        for (name, value) in &self.parts.headers {
            headers.insert((*name).to_owned(), json!(value));
        }
        headers.insert("Prefer".into(), json!(self.parts.prefer.join(", ")));
        let mut part = json!({
            "id": id.to_string(),
            "method": self.parts.method.as_str(),
            "url": format!("{path}{query}"),
        });
        if let Some(body) = &self.body {
            headers.insert("Content-Type".into(), json!("application/json"));
            part["body"] = body.clone();
        }
        part["headers"] = Value::Object(headers);
        Ok(part)
    }
}

/// The answer to one part.
#[derive(Debug)]
pub struct BatchAnswer(Result<Answered>);

#[derive(Debug)]
enum Answered {
    /// From a batch: JSON, or the base64 text of anything else.
    InBatch(Value),
    /// From a single repetition.
    Single(Bytes),
}

impl BatchAnswer {
    /// The JSON answer.
    pub fn into_json(self) -> Result<Value> {
        match self.0? {
            Answered::InBatch(Value::Null) => Err(malformed("empty where JSON is expected")),
            Answered::InBatch(value) => Ok(value),
            Answered::Single(bytes) => {
                serde_json::from_slice(&bytes).map_err(|_| malformed("not JSON"))
            }
        }
    }

    /// The bytes of an answer that is not JSON (`$value`). They may be empty although the service
    /// said 200.
    pub fn into_bytes(self) -> Result<Bytes> {
        match self.0? {
            Answered::InBatch(Value::Null) => Ok(Bytes::new()),
            Answered::InBatch(Value::String(text)) => {
                let bytes = STANDARD.decode(text).map_err(|_| malformed("not base64"))?;
                Ok(Bytes::from(bytes))
            }
            Answered::InBatch(_) => Err(malformed("JSON where bytes are expected")),
            Answered::Single(bytes) => Ok(bytes),
        }
    }

    /// Success or failure, without the body.
    pub fn into_empty(self) -> Result<()> {
        self.0.map(drop)
    }
}

fn malformed(what: &'static str) -> Error {
    Error::Malformed { endpoint: "/$batch".into(), what }
}

impl Graph {
    /// Sends requests that concern one mailbox in calls of at most 20 parts, and returns their
    /// answers in the same order. Fails as a whole only where a whole call fails.
    pub async fn batch(&self, mailbox: &str, parts: Vec<BatchPart>) -> Result<Vec<BatchAnswer>> {
        let mut answers = Vec::with_capacity(parts.len());
        for group in parts.chunks(LARGEST) {
            let mut seen = self.send_group(mailbox, group).await?;
            for asked in seen.iter().flatten().filter_map(throttle) {
                add(&self.counters().throttled, 1);
                self.pause_mailbox(mailbox, asked);
            }
            for (part, answer) in group.iter().zip(&mut seen) {
                answers.push(self.settle(mailbox, part, answer.take()).await);
            }
        }
        Ok(answers)
    }

    async fn send_group(
        &self,
        mailbox: &str,
        group: &[BatchPart],
    ) -> Result<Vec<Option<Result<Value>>>> {
        let requests: Vec<Value> = group
            .iter()
            .enumerate()
            .map(|(id, part)| part.to_json(id, self))
            .collect::<Result<_>>()?;
        let mut outer = Parts::new(Method::POST, "/$batch".into());
        outer.service = Service::Mailbox(mailbox.to_owned());
        outer.restore = group.iter().any(|part| part.parts.restore);
        outer.once = group.iter().any(|part| part.parts.once);
        outer.weight = group.len() as u32;
        let body = json!({ "requests": requests }).to_string();
        outer.body = Some(("application/json", Bytes::from(body)));
        let mut answer = self.run(&outer, BODY_LIMIT, read_json).await?;
        let Some(Value::Array(responses)) = answer.get_mut("responses").map(Value::take) else {
            return Err(malformed("without responses"));
        };
        let mut by_id: HashMap<String, Value> = HashMap::new();
        for response in responses {
            if let Some(id) = response.get("id").and_then(Value::as_str) {
                by_id.insert(id.to_owned(), response);
            }
        }
        let mut seen = Vec::with_capacity(group.len());
        for (id, part) in group.iter().enumerate() {
            let response = by_id.remove(&id.to_string());
            seen.push(response.map(|response| self.read_part(part, response)));
        }
        Ok(seen)
    }

    fn read_part(&self, part: &BatchPart, mut response: Value) -> Result<Value> {
        let status = response.get("status").and_then(Value::as_u64).unwrap_or_default();
        let status = u16::try_from(status).unwrap_or_default();
        let body = response.get_mut("body").map(Value::take).unwrap_or_default();
        if (200..300).contains(&status) {
            return Ok(body);
        }
        let header = |name: &str| {
            let headers = response.get("headers").and_then(Value::as_object)?;
            let (_, value) = headers.iter().find(|(own, _)| own.eq_ignore_ascii_case(name))?;
            // Some services write the number as a number.
            Some(value.as_str().map_or_else(|| value.to_string(), str::to_owned))
        };
        let retry_after = header("Retry-After");
        let asked = retry_after.and_then(|value| retry::parse_retry_after(&value, self.now()));
        let endpoint = endpoint::template(&part.parts.url(self.base())?);
        let place = (part.parts.method.clone(), endpoint);
        let request_id = header("request-id");
        Err(refusal(place, status, asked, request_id, body.to_string().as_bytes()))
    }

    /// The final answer of a part: what the batch said, or what a single repetition says.
    async fn settle(
        &self,
        mailbox: &str,
        part: &BatchPart,
        seen: Option<Result<Value>>,
    ) -> BatchAnswer {
        let error = match seen {
            Some(Ok(value)) => return BatchAnswer(Ok(Answered::InBatch(value))),
            Some(Err(error)) => error,
            None => malformed("without this part"),
        };
        if !matches!(error.kind(), Kind::Throttled | Kind::Transient) {
            return BatchAnswer(Err(error));
        }
        if part.parts.once && is_unclear(&error) {
            let endpoint = "/$batch".to_owned();
            return BatchAnswer(Err(Error::Uncertain { endpoint, source: Box::new(error) }));
        }
        add(&self.counters().retries, 1);
        let mut single = part.parts.clone();
        single.service = Service::Mailbox(mailbox.to_owned());
        let again = self.run(&single, BODY_LIMIT, |reply| Ok(reply.body.clone())).await;
        BatchAnswer(again.map(Answered::Single))
    }
}

/// The wait that a throttled part asks for.
fn throttle(seen: &Result<Value>) -> Option<Option<Duration>> {
    match seen {
        Err(error) if error.kind() == Kind::Throttled => Some(error.retry_after()),
        _ => None,
    }
}
