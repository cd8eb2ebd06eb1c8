//! The document of the API.

use std::collections::BTreeSet;
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
    let mut names = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        assert!(path.starts_with("/api/v1/"), "{path}");
        for (method, operation) in item.as_object().unwrap() {
            let text = |name: &str| operation[name].as_str().unwrap_or_default();
            assert!(!text("summary").is_empty(), "{method} {path} has no summary");
            let name = text("operationId").to_owned();
            assert!(names.insert(name.clone()), "two operations are called {name}");
            for status in ["400", "401", "403", "404", "409", "429", "500", "503"] {
                let body = &operation["responses"][status]["content"]["application/json"]["schema"];
                assert_eq!(body["$ref"], "#/components/schemas/FailureBody", "{method} {path}");
            }
        }
    }
}

/// All values of `$ref` below a value.
fn references(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            found.extend(fields.get("$ref").and_then(Value::as_str).map(str::to_owned));
            fields.values().for_each(|value| references(value, found));
        }
        Value::Array(values) => values.iter().for_each(|value| references(value, found)),
        _ => {}
    }
}

#[test]
fn what_the_document_refers_to_is_in_it() {
    let document: Value = serde_json::from_str(&holdfast_server::api::openapi()).unwrap();
    let mut found = Vec::new();
    references(&document, &mut found);
    assert!(found.len() > 500, "{}", found.len());
    for reference in found {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference} is not there");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_takes_as_many_entries_as_the_document_says() {
    let s = Service::start(Options { users: 1, mails: 0, ..Options::default() }).await;
    let root = s.sign_in("root").await;
    for path in ["/audit", "/jobs", "/resources", "/snapshots"] {
        let path = format!("/api/v1{path}");
        s.get(&root, &format!("{path}?limit=1000")).await;
        for limit in ["0", "1001", "4294967295", "-1", "x"] {
            let request = s.of(&root, Method::GET, &format!("{path}?limit={limit}"));
            answer(request, StatusCode::BAD_REQUEST).await;
        }
    }
    let late = s.of(&root, Method::GET, "/api/v1/audit?after=9223372036854775808");
    answer(late, StatusCode::BAD_REQUEST).await;
    s.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_method_that_a_client_makes_up_is_no_figure_of_its_own() {
    let s = Service::start(Options { mails: 0, ..Options::default() }).await;
    for method in ["ANN", "BOB"] {
        let request = s.call(Method::from_bytes(method.as_bytes()).unwrap(), "/api/v1/session");
        answer(request, StatusCode::METHOD_NOT_ALLOWED).await;
    }
    let root = s.sign_in("root").await;
    let text = s.of(&root, Method::GET, "/metrics").send().await.unwrap().text().await.unwrap();
    assert!(!text.contains("ANN") && !text.contains("BOB"), "{text}");
    let other = text.lines().find(|line| line.contains("method=\"other\"")).unwrap();
    assert!(other.ends_with(" 2"), "{other}");
    s.end().await;
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
