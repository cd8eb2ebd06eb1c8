//! The document of the API.

use std::path::Path;

use super::*;

/// `docs/openapi.json` is what the code says. `HOLDFAST_BLESS=1` writes it anew.
#[test]
fn the_committed_document_is_that_of_the_code() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/openapi.json");
    let document = holdfast_server::api::openapi();
    if std::env::var_os("HOLDFAST_BLESS").is_some() {
        std::fs::write(&path, &document).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == document, "docs/openapi.json is old: run this test with HOLDFAST_BLESS=1");
}

#[test]
fn the_document_is_openapi_3_1_and_describes_every_failure_and_operation() {
    let document: Value = serde_json::from_str(&holdfast_server::api::openapi()).unwrap();
    assert_eq!(document["openapi"], "3.1.0");
    for (path, item) in document["paths"].as_object().unwrap() {
        assert!(path.starts_with("/api/v1/"), "{path}");
        for (method, operation) in item.as_object().unwrap() {
            let text = |name: &str| operation[name].as_str().unwrap_or_default();
            assert!(!text("summary").is_empty(), "{method} {path} has no summary");
            for status in ["400", "401", "403", "404", "409", "429", "500", "503"] {
                let body = &operation["responses"][status]["content"]["application/json"]["schema"];
                assert_eq!(body["$ref"], "#/components/schemas/FailureBody", "{method} {path}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_is_open_to_all_and_what_is_not_in_it_is_a_failure_of_the_same_shape() {
    let s = Service::start(Options { mails: 0, ..Options::default() }).await;
    let served = s.call(Method::GET, "/api/openapi.json").send().await.unwrap();
    assert_eq!(served.text().await.unwrap(), holdfast_server::api::openapi());
    let unknown = answer(s.call(Method::GET, "/api/v1/nothing"), StatusCode::NOT_FOUND).await;
    assert_eq!(unknown["error"]["code"], "not_found");
    let method = s.call(Method::PATCH, "/api/v1/session");
    let method = answer(method, StatusCode::METHOD_NOT_ALLOWED).await;
    assert_eq!(method["error"]["code"], "invalid");
    let root = s.sign_in("root").await;
    let body = s.of(&root, Method::POST, "/api/v1/backups").json(&json!({ "tenants": "x" }));
    let body = answer(body, StatusCode::BAD_REQUEST).await;
    assert!(body["error"]["message"].as_str().unwrap().contains("tenants"), "{body}");
    assert_eq!(answer(s.call(Method::GET, "/livez"), StatusCode::OK).await, Value::Null);
    let ready = answer(s.call(Method::GET, "/readyz"), StatusCode::OK).await;
    assert_eq!(ready["ok"], true);
    // Metrics are for who may see the system.
    answer(s.call(Method::GET, "/metrics"), StatusCode::UNAUTHORIZED).await;
    let text = s.of(&root, Method::GET, "/metrics").send().await.unwrap().text().await.unwrap();
    assert!(text.contains("holdfast_http_requests_total{"), "{text}");
    s.end().await;
}
