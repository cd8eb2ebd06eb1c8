//! A scripted HTTPS server: it answers each call with the next line of its script and writes down
//! what it was asked. It knows nothing of Graph, so it cannot share a misreading with the client.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::response::Response;
use axum_server::tls_rustls::RustlsConfig;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures::{StreamExt, stream};
use holdfast_graph::{Config, Credential, Graph, Sleep};
use holdfast_model::{Clock, Secret};
use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::{Value, json};
use tokio::sync::{Barrier, watch};
use url::Url;

pub const START: &str = "2026-11-22T10:00:00Z";

/// One line of the script.
#[derive(Clone)]
pub struct Answer {
    status: u16,
    headers: Vec<(&'static str, String)>,
    chunks: Vec<Result<Bytes, ()>>,
    streamed: bool,
    broken_at: Option<usize>,
    meet: Option<Arc<Barrier>>,
}

pub fn status(status: u16) -> Answer {
    let (headers, chunks) = (Vec::new(), Vec::new());
    Answer { status, headers, chunks, streamed: false, broken_at: None, meet: None }
}

pub fn ok(body: Value) -> Answer {
    status(200).json(body)
}

/// An error in Graph's form.
pub fn fault(code: u16, name: &str) -> Answer {
    status(code).json(json!({"error": {"code": name, "message": "Ada Lovelace's mail, refused"}}))
}

impl Answer {
    pub fn json(self, body: Value) -> Self {
        self.header("content-type", "application/json").text(&body.to_string())
    }

    pub fn text(mut self, text: &str) -> Self {
        self.chunks.push(Ok(Bytes::copy_from_slice(text.as_bytes())));
        self
    }

    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    /// The connection breaks after what was said so far.
    pub fn broken(mut self) -> Self {
        self.chunks.push(Err(()));
        self
    }

    /// The connection breaks as soon as the client has read `total` bytes in all, counted over its
    /// calls by [`Server::has_read`]. Broken at once, what was said would be lost on the way.
    pub fn broken_at(mut self, total: usize) -> Self {
        self.broken_at = Some(total);
        self
    }

    /// Sends the body without saying its length first.
    pub fn streamed(mut self) -> Self {
        self.streamed = true;
        self
    }

    /// Answers only when as many calls as the barrier wants are there.
    pub fn together(mut self, barrier: &Arc<Barrier>) -> Self {
        self.meet = Some(Arc::clone(barrier));
        self
    }
}

/// One call as the server saw it.
#[derive(Clone, Debug)]
pub struct Call {
    pub method: String,
    pub path: String,
    pub headers: http::HeaderMap,
    pub body: Bytes,
}

impl Call {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

#[derive(Default)]
struct Desk {
    script: Mutex<VecDeque<Answer>>,
    /// Answers of the token endpoint; a good token where empty.
    sign_in: Mutex<VecDeque<Answer>>,
    calls: Mutex<Vec<Call>>,
    sign_ins: Mutex<Vec<Call>>,
    read: watch::Sender<usize>,
    running: AtomicUsize,
    peak: AtomicUsize,
}

/// The running server, its clock and the waits of its clients.
pub struct Server {
    desk: Arc<Desk>,
    pub url: Url,
    pub ca_pem: String,
    pub clock: Clock,
    waits: Arc<Mutex<Vec<Duration>>>,
}

impl Server {
    pub async fn start(script: impl IntoIterator<Item = Answer>) -> Self {
        let key = KeyPair::generate().unwrap();
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let certificate = CertificateParams::new(names).unwrap().self_signed(&key).unwrap();
        let desk =
            Arc::new(Desk { script: Mutex::new(script.into_iter().collect()), ..Desk::default() });
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let mut tls = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
        let app = Router::new().fallback(answer).with_state(Arc::clone(&desk));
        let tls = RustlsConfig::from_config(Arc::new(tls));
        let server = axum_server::from_tcp_rustls(listener, tls).unwrap();
        tokio::spawn(server.serve(app.into_make_service()));
        Self {
            desk,
            url: Url::parse(&url).unwrap(),
            ca_pem: certificate.pem(),
            clock: Clock::manual(START.parse().unwrap()),
            waits: Arc::default(),
        }
    }

    /// Puts answers of the token endpoint in front of the good token.
    pub fn sign_in(self, answers: impl IntoIterator<Item = Answer>) -> Self {
        self.desk.sign_in.lock().unwrap().extend(answers);
        self
    }

    pub fn push(&self, answers: impl IntoIterator<Item = Answer>) {
        self.desk.script.lock().unwrap().extend(answers);
    }

    pub fn config(&self, credential: Credential) -> Config {
        let (clock, waits) = (self.clock.clone(), Arc::clone(&self.waits));
        let sleep = Sleep::new(move |pause: Duration| {
            clock.advance(pause.try_into().unwrap());
            waits.lock().unwrap().push(pause);
            std::future::ready(())
        });
        Config {
            graph_url: self.url.clone(),
            authority_url: self.url.clone(),
            ca_pem: Some(self.ca_pem.clone().into_bytes()),
            sleep,
            clock: self.clock.clone(),
            ..Config::new("contoso.example", "app", credential)
        }
    }

    pub fn graph(&self) -> Graph {
        Graph::new(self.config(Credential::Secret(Secret::new("s3cr3t")))).unwrap()
    }

    /// Calls in order: method and path with query.
    pub fn calls(&self) -> Vec<Call> {
        self.desk.calls.lock().unwrap().clone()
    }

    pub fn paths(&self) -> Vec<String> {
        self.calls().into_iter().map(|call| call.path).collect()
    }

    pub fn sign_ins(&self) -> Vec<Call> {
        self.desk.sign_ins.lock().unwrap().clone()
    }

    /// What the client slept, in order.
    pub fn waits(&self) -> Vec<Duration> {
        self.waits.lock().unwrap().clone()
    }

    /// Most calls that were under way at a time.
    pub fn peak(&self) -> usize {
        self.desk.peak.load(Ordering::SeqCst)
    }

    /// The client has read so many bytes in all.
    pub fn has_read(&self, total: usize) {
        self.desk.read.send_replace(total);
    }

    /// A full link of this server.
    pub fn link(&self, path: &str) -> String {
        format!("{}{path}", self.url.origin().ascii_serialization())
    }
}

async fn answer(State(desk): State<Arc<Desk>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let path = head.uri.path_and_query().map_or("", |path| path.as_str()).to_owned();
    let body = axum::body::to_bytes(body, 64 << 20).await.unwrap_or_default();
    let is_token = path.contains("/oauth2/v2.0/token");
    let call = Call { method: head.method.to_string(), path, headers: head.headers, body };
    if is_token {
        let count = {
            let mut calls = desk.sign_ins.lock().unwrap();
            calls.push(call);
            calls.len()
        };
        let line = desk.sign_in.lock().unwrap().pop_front();
        return say(line.unwrap_or_else(|| token(count, 3600)), &desk);
    }
    desk.calls.lock().unwrap().push(call);
    let line = desk.script.lock().unwrap().pop_front();
    let running = desk.running.fetch_add(1, Ordering::SeqCst) + 1;
    desk.peak.fetch_max(running, Ordering::SeqCst);
    if let Some(barrier) = line.as_ref().and_then(|line| line.meet.as_ref()) {
        barrier.wait().await;
    }
    desk.running.fetch_sub(1, Ordering::SeqCst);
    say(line.unwrap_or_else(|| fault(418, "TheScriptIsOver")), &desk)
}

/// A token whose text is `header.claims.number`.
pub fn token(number: usize, expires_in: u64) -> Answer {
    let claims = json!({"roles": ["User.ReadBasic.All", "Mail.Read"]}).to_string();
    let text = format!("e30.{}.{number}", URL_SAFE_NO_PAD.encode(claims));
    ok(json!({"token_type": "Bearer", "access_token": text, "expires_in": expires_in}))
}

fn say(line: Answer, desk: &Desk) -> Response {
    let mut response = Response::builder().status(line.status);
    for (name, value) in line.headers {
        response = response.header(name, value);
    }
    let whole = line.chunks.iter().all(Result::is_ok);
    let body = if let Some(total) = line.broken_at {
        let mut read = desk.read.subscribe();
        let cut = stream::once(async move {
            read.wait_for(|read| *read >= total).await.map_err(io::Error::other)?;
            Err(io::Error::other("cut"))
        });
        let chunks = line.chunks.into_iter().map(|c| c.map_err(|()| io::Error::other("cut")));
        Body::from_stream(stream::iter(chunks).chain(cut))
    } else if whole && !line.streamed {
        Body::from(line.chunks.into_iter().flatten().flatten().collect::<Vec<u8>>())
    } else {
        let chunks = line.chunks.into_iter().map(|c| c.map_err(|()| io::Error::other("cut")));
        Body::from_stream(stream::iter(chunks))
    };
    response.body(body).unwrap()
}
