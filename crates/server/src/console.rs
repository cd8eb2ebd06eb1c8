//! The console: pages for people, built by themselves (`console/`) and part of the binary.
//!
//! Every address that is no file of it and none of the API's is a page of the console, which finds
//! its way itself. Where the binary was made without a console, one page says so.

use std::borrow::Cow;

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{Html, IntoResponse, Response};
use rust_embed::{EmbeddedFile, RustEmbed};

use crate::api::no_such_page;

#[derive(RustEmbed)]
#[folder = "../../console/dist/"]
#[allow_missing = true]
struct Files;

const INDEX: &str = "index.html";

/// Files whose name changes with their content.
const HASHED: &str = "assets/";

/// What a path stands for: a file of the console, or one of its pages.
pub(crate) async fn answer(request: Request) -> Response {
    let (method, headers) = (request.method(), request.headers());
    if !matches!(*method, Method::GET | Method::HEAD) || is_of_machines(request.uri()) {
        return no_such_page().await.into_response();
    }
    let path = request.uri().path().trim_start_matches('/');
    match Files::get(path).filter(|_| path != INDEX) {
        Some(found) => file(path, found, headers),
        // A file that another version had is no page.
        None if path.starts_with(HASHED) => no_such_page().await.into_response(),
        None => page(),
    }
}

fn is_of_machines(uri: &Uri) -> bool {
    uri.path() == "/api" || uri.path().starts_with("/api/")
}

fn file(path: &str, found: EmbeddedFile, asked: &HeaderMap) -> Response {
    // Weak: it stands for the plain and the compressed form.
    let tag = format!("W/\"{}\"", hex::encode(found.metadata.sha256_hash()));
    let mut answer = HeaderMap::new();
    let keep = if path.starts_with(HASHED) { "max-age=31536000, immutable" } else { "no-cache" };
    answer.insert(header::CACHE_CONTROL, HeaderValue::from_static(keep));
    answer.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        answer.insert(header::ETAG, tag);
    }
    if asked.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes()) {
        return (StatusCode::NOT_MODIFIED, answer).into_response();
    }
    answer.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind(path)));
    let packed = takes_brotli(asked).then(|| Files::get(&format!("{path}.br"))).flatten();
    let content = match packed {
        Some(packed) => {
            answer.insert(header::CONTENT_ENCODING, HeaderValue::from_static("br"));
            packed.data
        }
        None => found.data,
    };
    (answer, bytes_of(content)).into_response()
}

fn bytes_of(content: Cow<'static, [u8]>) -> bytes::Bytes {
    match content {
        Cow::Borrowed(content) => bytes::Bytes::from_static(content),
        Cow::Owned(content) => content.into(),
    }
}

fn takes_brotli(asked: &HeaderMap) -> bool {
    let accepted = asked.get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok());
    accepted.is_some_and(|text| text.split(',').any(|one| one.trim() == "br"))
}

fn kind(path: &str) -> &'static str {
    match path.rsplit('.').next() {
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("ico") => "image/x-icon",
        Some("woff2") => "font/woff2",
        Some("json" | "webmanifest") => "application/json",
        Some("txt") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

fn page() -> Response {
    let Some(index) = Files::get(INDEX) else { return without().into_response() };
    let headers = [
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        (HeaderName::from_static("permissions-policy"), HeaderValue::from_static(PERMISSIONS)),
        (header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
    ];
    (headers, bytes_of(index.data)).into_response()
}

/// Everything comes from here, and no script or style stands in a page. A preview is a frame with a
/// policy of its own.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                      img-src 'self' data:; frame-src 'self'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'; require-trusted-types-for 'script'";

/// Of what a browser can give, it needs passkeys and the clipboard (to copy a command) only.
const PERMISSIONS: &str = "publickey-credentials-get=(self), publickey-credentials-create=(self), \
                           clipboard-write=(self), camera=(), microphone=(), geolocation=(), \
                           usb=(), payment=()";

fn without() -> Html<&'static str> {
    Html(
        "<!doctype html><html lang=en><meta charset=utf-8><title>Holdfast</title>\
         <h1>This Holdfast was built without its console</h1>\
         <p>The API answers (/api/openapi.json), and so does the command line. To have the console, \
         run <code>console/build</code>, which needs Node, and build Holdfast again.",
    )
}
