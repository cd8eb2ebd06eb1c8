//! `$batch`: up to 20 requests in one (source: Graph, "Combine multiple HTTP requests using JSON
//! batching", read 2026-11). Each part is throttled alone; four run at once.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures::StreamExt;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Map, Value, json};

use crate::http::{Call, GraphError, Reply};
use crate::serve;
use crate::tenant::Tenant;

/// Requests in a batch at most.
const PARTS_MAX: usize = 20;

/// How many Outlook runs at once.
const PARALLEL: usize = 4;

/// A part, read and checked.
struct Part {
    id: String,
    after: Vec<String>,
    call: Call,
}

fn bad(message: impl Into<String>) -> GraphError {
    GraphError::new(400, "BadRequest", message)
}

/// Answers a batch.
pub async fn answer(tenant: &Tenant, call: &Call) -> Result<Reply, GraphError> {
    let parts = read(call)?;
    let mut answers: BTreeMap<String, Reply> = BTreeMap::new();
    let mut waiting: Vec<Part> = parts;
    let mut order = Vec::new();
    while !waiting.is_empty() {
        let is_ready = |part: &Part| part.after.iter().all(|id| answers.contains_key(id));
        let (ready, rest): (Vec<Part>, Vec<Part>) = waiting.into_iter().partition(is_ready);
        waiting = rest;
        let done: Vec<(String, Reply)> = futures::stream::iter(ready)
            .map(|part| run(tenant, part, &answers))
            .buffer_unordered(PARALLEL)
            .collect()
            .await;
        for (id, reply) in done {
            order.push(id.clone());
            answers.insert(id, reply);
        }
    }
    let shown = order.iter().filter_map(|id| answers.get(id).map(|reply| part_json(id, reply)));
    Ok(Reply::json(200, json!({"responses": shown.collect::<Vec<_>>()})))
}

async fn run(tenant: &Tenant, part: Part, done: &BTreeMap<String, Reply>) -> (String, Reply) {
    let failed = |id: &String| done.get(id).is_some_and(|reply| reply.status >= 400);
    if part.after.iter().any(failed) {
        let message = "A request that this one depends on failed.";
        let error = GraphError::new(424, "FailedDependency", message);
        return (part.id, error.reply(&part.call, tenant.clock().now()));
    }
    (part.id, serve::graph(tenant, part.call, true).await)
}

fn part_json(id: &str, reply: &Reply) -> Value {
    let headers: Map<String, Value> =
        reply.headers.iter().map(|(name, value)| (title_case(name), json!(value))).collect();
    let mut part = json!({"id": id, "status": reply.status, "headers": headers});
    if let Some(document) = &reply.json {
        part["body"] = document.clone();
    } else if !reply.body.is_empty() {
        // What is not JSON comes as base64.
        part["body"] = json!(STANDARD.encode(&reply.body));
    }
    part
}

/// Header names in a batch are written as people write them.
fn title_case(name: &str) -> String {
    let words = name.split('-').map(|word| {
        let mut letters = word.chars();
        let first = letters.next().map(|letter| letter.to_ascii_uppercase());
        first.into_iter().chain(letters).collect::<String>()
    });
    words.collect::<Vec<_>>().join("-")
}

fn read(call: &Call) -> Result<Vec<Part>, GraphError> {
    let body = call.json()?;
    let requests = body.get("requests").and_then(Value::as_array);
    let requests = requests.ok_or_else(|| bad("The property 'requests' is missing."))?;
    if requests.is_empty() || requests.len() > PARTS_MAX {
        return Err(bad(format!(
            "Number of batch request steps must be between 1 and the maximum value of {PARTS_MAX}."
        )));
    }
    let mut parts = Vec::new();
    let mut ids = BTreeSet::new();
    for request in requests {
        let part = read_part(call, request)?;
        if !ids.insert(part.id.clone()) {
            return Err(bad(format!("Duplicate request id '{}' in the batch.", part.id)));
        }
        parts.push(part);
    }
    check_dependencies(&parts)?;
    Ok(parts)
}

/// A part may wait only for parts that stand before it.
fn check_dependencies(parts: &[Part]) -> Result<(), GraphError> {
    let mut before = BTreeSet::new();
    for part in parts {
        if let Some(unknown) = part.after.iter().find(|id| !before.contains(id.as_str())) {
            return Err(bad(format!("dependsOn names '{unknown}', which is no earlier request.")));
        }
        before.insert(part.id.as_str());
    }
    Ok(())
}

fn read_part(call: &Call, request: &Value) -> Result<Part, GraphError> {
    let text = |name: &str| request.get(name).and_then(Value::as_str).unwrap_or("").to_owned();
    let (id, method, url) = (text("id"), text("method").to_uppercase(), text("url"));
    if id.is_empty() || method.is_empty() || url.is_empty() {
        return Err(bad("A request of a batch needs id, method and url."));
    }
    let mut headers = HeaderMap::new();
    for (name, value) in request.get("headers").and_then(Value::as_object).into_iter().flatten() {
        let name = HeaderName::try_from(name).map_err(|_| bad("A header name is invalid."))?;
        let value = HeaderValue::try_from(value.as_str().unwrap_or(""))
            .map_err(|_| bad("A header value is invalid."))?;
        headers.append(name, value);
    }
    if let Some(token) = call.headers.get("authorization") {
        headers.insert("authorization", token.clone());
    }
    let target = format!("/v1.0/{}", url.trim_start_matches('/'));
    let body = part_body(request, &headers)?;
    let after = request.get("dependsOn").and_then(Value::as_array).into_iter().flatten();
    Ok(Part {
        id,
        after: after.filter_map(Value::as_str).map(str::to_owned).collect(),
        call: Call::new(&method, &target, headers, body, &call.base),
    })
}

fn part_body(request: &Value, headers: &HeaderMap) -> Result<Bytes, GraphError> {
    let Some(body) = request.get("body").filter(|body| !body.is_null()) else {
        return Ok(Bytes::new());
    };
    let kind = headers.get("content-type").and_then(|kind| kind.to_str().ok()).unwrap_or("");
    if kind.is_empty() {
        return Err(bad("A request with a body needs the header Content-Type."));
    }
    match body {
        // MIME is base64 in a request of its own, too: it is taken as it stands.
        Value::String(text) if kind.starts_with("text/plain") => {
            Ok(Bytes::from(text.clone().into_bytes()))
        }
        Value::String(text) => {
            let bytes = STANDARD.decode(text).map_err(|_| bad("A body is not valid base64."))?;
            Ok(Bytes::from(bytes))
        }
        document => Ok(Bytes::from(document.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::desk::Desk;

    async fn batch(desk: &Desk, requests: Value) -> Result<Vec<Value>, u16> {
        let body = Bytes::from(json!({"requests": requests}).to_string());
        let call = Call::new("POST", "/v1.0/$batch", HeaderMap::new(), body, "https://x");
        let reply = answer(&desk.tenant, &call).await.map_err(|error| error.status)?;
        Ok(reply.json.unwrap()["responses"].as_array().unwrap().clone())
    }

    fn get(id: &str, url: &str) -> Value {
        json!({"id": id, "method": "GET", "url": url})
    }

    #[tokio::test]
    async fn parts_stand_for_themselves() {
        let desk = Desk::empty(1);
        // Without a token each part is refused by itself; who depends on one fails with it.
        let mut third = get("3", "/users");
        third["dependsOn"] = json!(["1"]);
        let answers =
            batch(&desk, json!([get("1", "/users"), get("2", "/x"), third])).await.unwrap();
        let mut statuses: Vec<(&str, i64)> = answers
            .iter()
            .map(|part| (part["id"].as_str().unwrap(), part["status"].as_i64().unwrap()))
            .collect();
        statuses.sort_unstable();
        assert_eq!(statuses, [("1", 401), ("2", 400), ("3", 424)]);
        assert_eq!(desk.tenant.stats().batch_parts, 2);
    }

    #[tokio::test]
    async fn malformed_batches_are_refused_whole() {
        let desk = Desk::empty(1);
        let many: Vec<Value> = (0..21).map(|id| get(&id.to_string(), "/users")).collect();
        assert_eq!(batch(&desk, json!(many)).await.unwrap_err(), 400);
        assert_eq!(batch(&desk, json!([])).await.unwrap_err(), 400);
        let twice = json!([get("1", "/users"), get("1", "/users")]);
        assert_eq!(batch(&desk, twice).await.unwrap_err(), 400);
        let mut early = get("1", "/users");
        early["dependsOn"] = json!(["2"]);
        assert_eq!(batch(&desk, json!([early, get("2", "/users")])).await.unwrap_err(), 400);
    }
}
