//! From the wire to the handlers and back.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use bytes::Bytes;
use futures::StreamExt;

use crate::fault::FaultKind;
use crate::http::{self, Call, GraphError, Reply, Stream};
use crate::tenant::Tenant;
use crate::{admin, api, batch, fault, route, token, units};

/// The largest body that is read at all.
const BODY_MAX: usize = 16 * 1024 * 1024;

/// The largest body of a file: 250 MB in one request (source: Graph, "driveItem: upload or
/// replace", read 2026-11).
const FILE_MAX: usize = 250 * 1024 * 1024;

/// Bytes of a streamed body that are made at once.
const PIECE: u64 = 256 * 1024;

/// What answers an address that the tenant gave out; the text is its secret part.
type PreAuthenticated = fn(&Tenant, &Call, &str) -> http::Answer;

/// Answers a request.
pub async fn handle(State(tenant): State<Arc<Tenant>>, request: Request<Body>) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
    let host = parts.headers.get("host").and_then(|host| host.to_str().ok());
    // HTTP/2 has no Host header, the address carries it.
    let authority = parts.uri.authority().map(Authority::as_str);
    let base = tenant.base_for(host.or(authority));
    let method = parts.method.as_str();
    let mut call = Call::new(method, target, parts.headers.clone(), Bytes::new(), &base);
    let is_file = call.method == "PUT" && !call.segments.iter().any(|part| part == "attachments");
    let most = if is_file { FILE_MAX } else { BODY_MAX };
    let reply = match axum::body::to_bytes(body, most).await {
        Ok(bytes) => {
            tenant.counters().count(|stats| stats.bytes_in += bytes.len() as u64);
            call.body = bytes;
            dispatch(&tenant, call.clone()).await
        }
        Err(_) => api::create::too_large().reply(&call, tenant.clock().now()),
    };
    let sent = reply.stream.as_ref().map_or(reply.body.len() as u64, |stream| stream.len);
    tenant.counters().count(|stats| stats.bytes_out += sent);
    respond(&tenant, &call, reply)
}

async fn dispatch(tenant: &Tenant, mut call: Call) -> Reply {
    let now = tenant.clock().now();
    let first = call.segments.first().cloned().unwrap_or_default();
    if first == "_sim" {
        return admin::answer(tenant, &call).unwrap_or_else(|error| error.reply(&call, now));
    }
    if is_pre_authenticated(&call) {
        wait(tenant).await;
        return pre_authenticated(tenant, &mut call);
    }
    if first == "v1.0" {
        if call.method == "POST" && call.segments.get(1).is_some_and(|part| part == "$batch") {
            return batched(tenant, &call).await;
        }
        return graph(tenant, call, false).await;
    }
    if call.segments.last().is_some_and(|last| last == "token") {
        tenant.counters().count(|stats| stats.tokens += 1);
    }
    token::answer(tenant, &call).unwrap_or_else(|| {
        GraphError::new(404, "ResourceNotFound", "Invalid version.").reply(&call, now)
    })
}

/// Whether the address is one that the tenant gave out, which needs no token.
fn is_pre_authenticated(call: &Call) -> bool {
    let parts: Vec<&str> = call.segments.iter().map(String::as_str).collect();
    matches!(parts.as_slice(), ["attachments", "upload", _] | ["upload" | "download", _])
}

/// Answers an address that the tenant gave out.
fn pre_authenticated(tenant: &Tenant, call: &mut Call) -> Reply {
    let now = tenant.clock().now();
    let id = call.segments.last().cloned().unwrap_or_default();
    let handler: PreAuthenticated = match call.segments[0].as_str() {
        "attachments" => api::upload::answer,
        "upload" => api::drive::upload::answer,
        _ => api::drive::download::answer,
    };
    // A download finds its faults by what its address stands for.
    if call.segments[0] != "download" {
        call.faults = tenant.faults().strike(call, ["", ""]);
    }
    if let Some(reply) = fault::refuse(call, now) {
        return reply;
    }
    let answer = handler(tenant, call, &id);
    after(call, answer.unwrap_or_else(|error| error.reply(call, now)))
}

/// Waits as long as each request is to take.
async fn wait(tenant: &Tenant) {
    if !tenant.latency().is_zero() {
        tokio::time::sleep(tenant.latency()).await;
    }
}

async fn batched(tenant: &Tenant, call: &Call) -> Reply {
    tenant.counters().count(|stats| stats.batches += 1);
    let now = tenant.clock().now();
    if let Err(error) = authenticate(tenant, call) {
        return error.reply(call, now);
    }
    batch::answer(tenant, call).await.unwrap_or_else(|error| error.reply(call, now))
}

/// Answers a request below `/v1.0`, or a part of a batch.
pub async fn graph(tenant: &Tenant, mut call: Call, part: bool) -> Reply {
    let route = match route::find(&mut call) {
        Ok(route) => route,
        Err(error) => {
            tenant.counters().request("unknown", error.status, part);
            return error.reply(&call, tenant.clock().now());
        }
    };
    let answer = carry_out(tenant, &mut call, route).await;
    let now = tenant.clock().now();
    let reply = after(&call, answer.unwrap_or_else(|error| error.reply(&call, now)));
    tenant.counters().request(&route.name(), reply.status, part);
    reply
}

async fn carry_out(
    tenant: &Tenant,
    call: &mut Call,
    route: &'static route::Route,
) -> Result<Reply, GraphError> {
    let claims = authenticate(tenant, call)?;
    (call.app, call.roles) = (claims.appid, claims.roles);
    let now = tenant.clock().now();
    let limits = units::spend(tenant, &call.app, &route.name(), units::cost(route, call))?;
    let mut reply =
        admitted(tenant, call, route).await.unwrap_or_else(|error| error.reply(call, now));
    reply.headers.extend(limits);
    Ok(reply)
}

/// Carries out a request for which there is budget.
async fn admitted(
    tenant: &Tenant,
    call: &mut Call,
    route: &'static route::Route,
) -> Result<Reply, GraphError> {
    let user = tenant.user_names(call.param(0));
    let names = [user.0.as_str(), user.1.as_str()];
    let now = tenant.clock().now();
    let bytes = call.body.len() as u64;
    let is_mail = route.path.starts_with("users/{id}/") && route.units == 0;
    let _running = if is_mail {
        let running = tenant.throttle().enter(&call.app, &user.0, bytes, now)?;
        tenant.counters().count(|stats| {
            stats.mailbox_concurrency_peak = stats.mailbox_concurrency_peak.max(running.in_flight);
        });
        Some(running)
    } else {
        None
    };
    wait(tenant).await;
    call.faults = tenant.faults().strike(call, names);
    if let Some(reply) = fault::refuse(call, now) {
        return Ok(reply);
    }
    if !route.roles.iter().any(|role| call.roles.contains(*role)) {
        return Err(route::denied(route));
    }
    (route.handler)(tenant, call)
}

fn authenticate(tenant: &Tenant, call: &Call) -> Result<token::Claims, GraphError> {
    token::check_bearer(tenant, call.header("authorization")).map_err(|message| {
        GraphError::new(401, "InvalidAuthenticationToken", message).with(
            "www-authenticate",
            format!(
                "Bearer realm=\"\", authorization_uri=\"{}/{}/oauth2/v2.0/authorize\"",
                call.base,
                tenant.tenant_id()
            ),
        )
    })
}

/// The faults that strike a finished answer.
fn after(call: &Call, mut reply: Reply) -> Reply {
    let broken = |kind: &FaultKind| matches!(kind, FaultKind::BrokenBody | FaultKind::AnswerLost);
    reply.broken |= call.struck(broken);
    if reply.broken && reply.body.is_empty() {
        // An answer without a body cannot break in its middle.
        (reply.status, reply.body) = (200, Bytes::from_static(b"{}"));
    }
    reply
}

fn respond(tenant: &Tenant, call: &Call, reply: Reply) -> Response<Body> {
    let body = match reply.stream {
        Some(stream) => streamed(stream),
        None if reply.broken => broken(&reply.body),
        None => Body::from(reply.body),
    };
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::BAD_REQUEST);
    let headers = response.headers_mut();
    for (name, value) in &reply.headers {
        set(headers, name, value);
    }
    let client_id = call.header("client-request-id").unwrap_or(&call.request_id);
    set(headers, "request-id", &call.request_id);
    set(headers, "client-request-id", client_id);
    set(headers, "cache-control", "no-cache");
    set(headers, "strict-transport-security", "max-age=31536000");
    set(
        headers,
        "x-ms-ags-diagnostic",
        r#"{"ServerInfo":{"DataCenter":"Simulated","Slice":"E","Ring":"0","ScaleUnit":"000"}}"#,
    );
    if reply.status < 300 {
        set(headers, "odata-version", "4.0");
        if let Some(applied) = call.prefer().applied() {
            set(headers, "preference-applied", &applied);
        }
    }
    let date = tenant.clock().now().strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    set(headers, "date", &date);
    response
}

fn set(headers: &mut HeaderMap, name: &str, value: &str) {
    if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::from_str(value)) {
        headers.insert(name, value);
    }
}

/// A range of a file, made while it is sent; where a fault says so the connection is cut.
fn streamed(stream: Stream) -> Body {
    let sent = stream.breaks_after.unwrap_or(stream.len);
    let (file, start) = (stream.file, stream.start);
    let starts = (0..sent).step_by(PIECE as usize);
    let pieces = starts.map(move |at| Ok(file.read(start + at, PIECE.min(sent - at))));
    let whole = futures::stream::iter(pieces);
    if stream.breaks_after.is_none() {
        return Body::from_stream(whole);
    }
    Body::from_stream(whole.chain(cut()).boxed())
}

/// The end of a connection in the middle of a body.
fn cut() -> impl futures::Stream<Item = std::io::Result<Bytes>> {
    futures::stream::once(async {
        tokio::time::sleep(HALF_SENT).await;
        Err(std::io::Error::new(std::io::ErrorKind::ConnectionReset, "cut by a fault"))
    })
}

/// How long the first half of a broken body gets to leave: HTTP/2 drops what still waits to be
/// sent together with its stream, and the client would see no answer at all.
const HALF_SENT: std::time::Duration = std::time::Duration::from_millis(50);

/// A body that ends in the middle with an error, whereupon the connection is cut.
fn broken(body: &Bytes) -> Body {
    let half = futures::stream::iter([Ok(body.slice(..body.len() / 2))]);
    Body::from_stream(half.chain(cut()).boxed())
}
