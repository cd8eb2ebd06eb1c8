//! The HTTP API under `/api/v1`.
//!
//! One file per noun. A request comes in as a `who::Who` (cookie or token), says in an
//! `act::Act` what it is about, and is done by `act`, which asks `authorise`, puts it on record
//! and lets the engine work: there is no other way from a request to the engine. Answers are the
//! plain types of [`view`], which the command line prints too; every failure is a
//! [`problem::Problem`].
//!
//! What is documented is what is routed: `utoipa` makes the document from the handlers.

mod act;
mod audit;
mod events;
mod items;
mod jobs;
mod maintenance;
mod overview;
mod page;
mod preview;
mod problem;
mod resources;
mod schedules;
mod session;
mod system;
mod tenants;
mod tokens;
mod users;
mod vaults;
pub mod view;
mod who;

use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::{HeaderName, HeaderValue, Method, header};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::Response;
use axum::routing::get;
use holdfast_engine::Home;
use holdfast_jobs::Stop;
use holdfast_model::Timestamp;
use tokio::sync::{Mutex, Semaphore};
use utoipa::OpenApi;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa_axum::router::OpenApiRouter;

use crate::access::Access;
use crate::api::events::Hub;
use crate::console;
use crate::measure::Measure;

pub use page::Page;
pub(crate) use problem::no_such_page;
pub use problem::{Code, Failure, FailureBody, Problem};

/// Where the API lies.
const BASE: &str = "/api/v1";

/// Largest body of a request, in bytes.
const MAX_BODY: usize = 1024 * 1024;

/// Requests that read the vault at the same time; the rest wait.
const READS: usize = 8;

/// Downloads at the same time: a slow reader keeps no place of those who look.
const DOWNLOADS: usize = 32;

/// Requests that work at the same time: each takes a thread.
const ACTS: u32 = 128;

/// Open streams of events.
const STREAMS: usize = 500;

/// What requests share.
pub(crate) struct Api {
    pub(crate) home: Arc<Home>,
    pub(crate) access: Access,
    pub(crate) hub: Hub,
    pub(crate) measure: Measure,
    pub(crate) started_at: Timestamp,
    /// Proxies that are believed when they name the address that they speak for.
    pub(crate) trusted_proxies: Vec<IpAddr>,
    /// Tells that the server stops.
    pub(crate) stop: Stop,
    ready: Mutex<Option<(Timestamp, Vec<view::PartView>)>>,
    acts: Arc<Semaphore>,
    reads: Arc<Semaphore>,
    downloads: Arc<Semaphore>,
    streams: Arc<Semaphore>,
}

type Shared = axum::extract::State<Arc<Api>>;

impl Api {
    pub(crate) fn new(
        home: Arc<Home>,
        access: Access,
        measure: Measure,
        trusted_proxies: &[IpAddr],
        stop: Stop,
    ) -> Self {
        let started_at = home.clock.now();
        let places = |number| Arc::new(Semaphore::new(number));
        Self {
            trusted_proxies: trusted_proxies.iter().map(IpAddr::to_canonical).collect(),
            hub: Hub::default(),
            ready: Mutex::default(),
            acts: places(ACTS as usize),
            reads: places(READS),
            downloads: places(DOWNLOADS),
            streams: places(STREAMS),
            home,
            access,
            measure,
            started_at,
            stop,
        }
    }
}

/// What stands at the head of the document.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Holdfast",
        description = "Backup and recovery of Microsoft 365. Signed in by cookie (with the header \
                       `X-Holdfast-Csrf` where something changes) or by an API token. Lists come in \
                       pages: `next` is the `after` of the following one. Long work is a job.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    security(("cookie" = []), ("token" = [])),
    // What only `Failures` names is not found by itself.
    components(schemas(problem::FailureBody)),
)]
struct Head;

fn routes() -> OpenApiRouter<Arc<Api>> {
    let v1 = OpenApiRouter::new()
        .merge(session::routes())
        .merge(users::routes())
        .merge(tokens::routes())
        .merge(overview::routes())
        .merge(tenants::routes())
        .merge(resources::routes())
        .merge(schedules::routes())
        .merge(jobs::routes())
        .merge(items::routes())
        .merge(preview::routes())
        .merge(vaults::routes())
        .merge(maintenance::routes())
        .merge(audit::routes())
        .merge(events::routes())
        .merge(system::routes());
    OpenApiRouter::with_openapi(Head::openapi()).nest(BASE, v1)
}

/// The document of the API, as `GET /api/openapi.json` gives it and `docs/openapi.json` keeps it.
pub fn openapi() -> String {
    let (_, mut document) = routes().split_for_parts();
    let schemes = [
        ("cookie", SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::new(who::COOKIE)))),
        ("token", SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build())),
    ];
    let components = document.components.get_or_insert_default();
    components
        .security_schemes
        .extend(schemes.map(|(name, scheme)| (name.to_owned(), scheme.into())));
    name_operations(&mut document);
    let mut text = document.to_pretty_json().unwrap_or_default();
    text.push('\n');
    text
}

/// Names each operation by method and path: handlers of several nouns are called alike.
fn name_operations(document: &mut utoipa::openapi::OpenApi) {
    for (path, item) in &mut document.paths.paths {
        let nouns = path.trim_start_matches(BASE).replace(['/', '-'], "_").replace(['{', '}'], "");
        let operations = [
            ("get", &mut item.get),
            ("put", &mut item.put),
            ("post", &mut item.post),
            ("delete", &mut item.delete),
            ("patch", &mut item.patch),
        ];
        for (method, operation) in operations {
            if let Some(operation) = operation {
                operation.operation_id = Some(format!("{method}{nouns}"));
            }
        }
    }
}

/// The whole service: the API, its document, and what machines ask.
pub(crate) fn router(api: Arc<Api>) -> Router {
    let (router, _) = routes().split_for_parts();
    let document = openapi();
    router
        .route("/api/openapi.json", get(move || async move { (JSON_TYPE, document) }))
        .merge(system::probes())
        .fallback(console::answer)
        .method_not_allowed_fallback(problem::no_such_method)
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(from_fn(harden))
        .layer(from_fn_with_state(Arc::clone(&api), crate::measure::watch))
        .with_state(api)
}

const JSON_TYPE: [(HeaderName, &str); 1] = [(header::CONTENT_TYPE, "application/json")];

/// What every answer says to browsers: it is no page, nobody frames it, nothing keeps it.
const HEADERS: [(HeaderName, &str); 6] = [
    (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'; sandbox"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CACHE_CONTROL, "no-store"),
    (header::STRICT_TRANSPORT_SECURITY, "max-age=31536000"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

async fn harden(request: Request, next: Next) -> Response {
    let mut answer = next.run(request).await;
    for (name, value) in HEADERS {
        answer.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    answer
}

/// True for requests that change nothing.
fn only_looks(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}
