//! The server from outside: over HTTPS, on a real catalog and vault, beside the simulated tenant.

mod events;
mod flow;
mod maintain;
mod openapi;
mod pages;
mod roles;
mod security;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use holdfast_engine::Home;
use holdfast_jobs::{ServiceOptions, WorkerOptions, stop_signal};
use holdfast_model::{Grant, Limit, Role, Scope};
use holdfast_server::access::Cost;
use holdfast_server::{ServeOptions, Started, serve};
use holdfast_testkit::{Options, TestContext};
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// A password that the rule takes.
const PASSWORD: &str = "violin harbour tundra 7 moss";

/// Cheap: what it costs is not what these tests are about.
const CHEAP: Cost = Cost { memory: 8, passes: 1, lanes: 1 };

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server with an administrator.
struct Service {
    context: TestContext,
    home: Arc<Home>,
    started: Started,
    client: Client,
    stop: tokio::sync::watch::Sender<bool>,
    task: JoinHandle<holdfast_server::Result<()>>,
}

/// Somebody who is signed in.
#[derive(Clone)]
struct Signed {
    cookie: String,
    csrf: String,
}

impl Service {
    async fn start(options: Options) -> Self {
        let context = TestContext::new(options).await;
        let home = Arc::new(context.open_again().await);
        let service = Self::over(context, home, ServeOptions::default()).await;
        service.set_up().await;
        service
    }

    async fn over(context: TestContext, home: Arc<Home>, options: ServeOptions) -> Self {
        let (stop, told) = stop_signal();
        let (tell, started) = oneshot::channel();
        let worker = WorkerOptions { poll: Duration::from_millis(20), ..WorkerOptions::default() };
        let options = ServeOptions {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            work: options.work.map(|work| ServiceOptions { worker, is_scheduling: false, ..work }),
            password_cost: CHEAP,
            ..options
        };
        let served = Arc::clone(&home);
        let task = tokio::spawn(async move {
            let tell = |started: &Started| drop(tell.send(started.clone()));
            serve(served, options, tell, told).await
        });
        let started = started.await.unwrap();
        let ca = std::fs::read(started.own_certificate.as_ref().unwrap()).unwrap();
        let ca = reqwest::Certificate::from_pem(&ca).unwrap();
        let client = Client::builder()
            .tls_certs_only([ca])
            .resolve("localhost", started.address)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .unwrap();
        Self { context, home, started, client, stop, task }
    }

    /// Makes the administrator `root` by the link of the first start.
    async fn set_up(&self) {
        let link = self.started.setup_link.as_ref().unwrap();
        let (page, secret) = link.split_once('#').unwrap();
        assert_eq!(page, self.url("/setup"));
        let body = json!({
            "secret": secret, "name": "root", "display_name": "Root", "password": PASSWORD,
        });
        let answer = self.call(Method::POST, "/api/v1/setup").json(&body).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::NO_CONTENT);
    }

    fn url(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.started.address.port())
    }

    fn call(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, self.url(path))
    }

    /// A request of somebody.
    fn of(&self, who: &Signed, method: Method, path: &str) -> RequestBuilder {
        let cookie = format!("{COOKIE}={}", who.cookie);
        self.call(method, path).header("cookie", cookie).header("x-holdfast-csrf", &who.csrf)
    }

    /// What somebody is shown.
    async fn get(&self, who: &Signed, path: &str) -> Value {
        answer(self.of(who, Method::GET, path), StatusCode::OK).await
    }

    async fn post(&self, who: &Signed, path: &str, body: Value, status: StatusCode) -> Value {
        answer(self.of(who, Method::POST, path).json(&body), status).await
    }

    async fn sign_in(&self, name: &str) -> Signed {
        let body = json!({ "name": name, "password": PASSWORD });
        let answer = self.call(Method::POST, "/api/v1/session").json(&body).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        signed(answer).await
    }

    /// A user with a role in a scope, who has accepted the invitation.
    async fn user(&self, name: &str, role: Role, scope: Scope) -> Signed {
        let root = self.sign_in("root").await;
        let grant = Grant { role, scope };
        let grants = json!([holdfast_server::api::view::GrantView::from(&grant)]);
        let body = json!({ "name": name, "display_name": name, "grants": grants });
        let made = self.post(&root, "/api/v1/users", body, StatusCode::CREATED).await;
        let (_, secret) = made["link"].as_str().unwrap().split_once('#').unwrap();
        let body = json!({ "secret": secret, "password": PASSWORD });
        let accepted = self.call(Method::POST, "/api/v1/invitation").json(&body);
        assert_eq!(accepted.send().await.unwrap().status(), StatusCode::NO_CONTENT);
        self.sign_in(name).await
    }

    /// Waits for the end of a job.
    async fn ended(&self, who: &Signed, job: &Value) -> Value {
        let path = format!("/api/v1/jobs/{}", job["job"].as_str().unwrap());
        let last = tokio::time::Instant::now() + PATIENCE;
        loop {
            let job = self.get(who, &path).await;
            match job["state"].as_str().unwrap() {
                "queued" | "running" if tokio::time::Instant::now() < last => {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                "queued" | "running" => panic!("the job does not end: {job:#}"),
                _ => return job,
            }
        }
    }

    /// Tells the server to stop and waits until it has.
    async fn end(self) -> TestContext {
        self.stop.send_replace(true);
        self.task.await.unwrap().unwrap();
        self.context
    }
}

const COOKIE: &str = "__Host-holdfast";

async fn answer(request: RequestBuilder, status: StatusCode) -> Value {
    let answer = request.send().await.unwrap();
    let (found, url) = (answer.status(), answer.url().clone());
    let text = answer.text().await.unwrap();
    assert_eq!(found, status, "{url}: {text}");
    serde_json::from_str(&text).unwrap_or(Value::Null)
}

/// What a sign-in or step-up gave.
async fn signed(answer: Response) -> Signed {
    let cookie = answer.headers()["set-cookie"].to_str().unwrap().to_owned();
    let (name, rest) = cookie.split_once('=').unwrap();
    assert_eq!(name, COOKIE);
    let (value, attributes) = rest.split_once(';').unwrap();
    assert_eq!(attributes, " Path=/; Secure; HttpOnly; SameSite=Strict");
    let body: Value = answer.json().await.unwrap();
    assert_eq!(body["state"], "signed_in");
    Signed { cookie: value.to_owned(), csrf: body["csrf"].as_str().unwrap().to_owned() }
}

/// Only one mailbox of the tenant.
fn only(resource: &str) -> Scope {
    let id = holdfast_model::ResourceId(resource.to_owned());
    Scope { resources: Limit::only([id]), ..Scope::ALL }
}
