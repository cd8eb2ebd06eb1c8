//! Answers that fail: what is repeated, what is not, and what the caller learns.

use holdfast_graph::{Error, Kind};
use serde_json::json;

use crate::server::{Server, fault, ok, status};

/// Fault 3: 503 with an empty body or an HTML page.
#[tokio::test]
async fn fault_3_a_503_without_json_is_repeated() {
    let html = status(503).header("content-type", "text/html").text("<h1>{\"error\":{}}</h1>");
    let server = Server::start([status(503), html.clone(), ok(json!({"id": "1"}))]).await;
    let graph = server.graph();
    assert_eq!(graph.get("/users/1").send_json().await.unwrap()["id"], "1");
    assert_eq!(graph.stats().retries, 2);

    let liar = status(503).header("content-type", "text/html");
    let liar = liar.text("{\"error\":{\"code\":\"SyncStateNotFound\"}}");
    server.push((0..8).map(|_| liar.clone()));
    let error = graph.get("/users/1").send_json().await.unwrap_err();
    assert_eq!((error.kind(), error.code(), error.status()), (Kind::Transient, None, Some(503)));
    assert_eq!(server.calls().len(), 3 + 8, "the number of attempts has a limit");
}

/// Fault 4: 502 `BadGateway`.
#[tokio::test]
async fn fault_4_bad_gateway_is_repeated() {
    let server = Server::start([fault(502, "BadGateway"), status(504), ok(json!({}))]).await;
    server.graph().get("/teams").send_json().await.unwrap();
    assert_eq!(server.calls().len(), 3);
}

/// Fault 11: the sync state is gone; fault 12: what `Location` names is not asked.
#[tokio::test]
async fn faults_11_and_12_an_expired_delta_link_is_gone_at_once() {
    for (code, name) in [
        (410, "SyncStateNotFound"),
        (410, "SyncStateInvalid"),
        (410, "ResyncRequired"),
        (400, "syncStateNotFound"),
        (410, ""),
    ] {
        let answer = fault(code, name).header("location", "/v1.0/users/delta?$deltatoken=");
        let server = Server::start([answer, status(500)]).await;
        let graph = server.graph();
        let mut pages = graph.pages(graph.get("/v1.0/users/delta?$deltatoken=old"));
        let error = pages.next().await.unwrap_err();
        assert_eq!(error.kind(), Kind::Gone, "{code} {name}");
        assert_eq!(server.paths(), ["/v1.0/users/delta?$deltatoken=old"]);
        assert!(server.waits().is_empty());
    }
}

/// Fault 15: listed, then gone.
#[tokio::test]
async fn fault_15_a_missing_item_is_not_found_at_once() {
    let server = Server::start([fault(404, "ErrorItemNotFound")]).await;
    let error = server.graph().get("/users/1/messages/2").send_json().await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (Kind::NotFound, Some("ErrorItemNotFound")));
    assert!(error.has_code("itemnotfound") && !error.has_code("folderNotFound"));
    assert_eq!(server.calls().len(), 1);
}

/// Faults 16 to 18: a mail that Exchange cannot convert.
#[tokio::test]
async fn fault_18_conversion_failures_get_few_retries() {
    for code in
        ["ErrorMimeContentConversionFailed", "errorContentConversionFailed", "ErrorCorruptData"]
    {
        let server = Server::start((0..9).map(|_| fault(500, code))).await;
        let request = server.graph();
        let error = request.get("/users/1/messages/2/$value").send_bytes().await.unwrap_err();
        assert_eq!((error.kind(), error.code()), (Kind::Corrupt, Some(code)));
        assert_eq!(server.calls().len(), 3);
    }
}

/// Fault 19: 200 with an empty body. Bytes pass (the caller compares with the size), JSON cannot.
#[tokio::test]
async fn fault_19_an_empty_body_is_bytes_but_not_json() {
    let server = Server::start([status(200), status(200), ok(json!([]))]).await;
    let graph = server.graph();
    let body = graph.get("/users/1/messages/2/$value").send_bytes().await.unwrap();
    assert!(body.is_empty());
    assert_eq!(graph.get("/users/1").send_json().await.unwrap(), json!([]));
    assert_eq!(server.calls().len(), 3, "the empty JSON answer was asked for again");
    server.push((0..8).map(|_| status(200).text("{\"cut\":")));
    let error = graph.get("/users/1").send_json().await.unwrap_err();
    assert_eq!(error.kind(), Kind::Transient);
}

/// Fault 35: the connection breaks while the body runs.
#[tokio::test]
async fn fault_35_a_broken_body_is_asked_for_again() {
    let server = Server::start([ok(json!({})).text("more").broken(), ok(json!({"id": 7}))]).await;
    let graph = server.graph();
    assert_eq!(graph.get("/users/1").send_json().await.unwrap()["id"], 7);
    assert_eq!(server.calls().len(), 2);
}

#[tokio::test]
async fn a_create_is_never_repeated_after_an_unclear_answer() {
    let unclear =
        [status(500), status(502), status(503), status(504), status(201), status(201).broken()];
    for answer in unclear {
        let server = Server::start([answer, ok(json!({}))]).await;
        let graph = server.graph();
        let create = graph.post("/users/1/messages").json(&json!({})).once();
        let error = create.send_json().await.unwrap_err();
        assert_eq!(error.kind(), Kind::Uncertain, "{error:?}");
        assert!(matches!(error, Error::Uncertain { .. }));
        assert_eq!(server.calls().len(), 1);
    }
}

#[tokio::test]
async fn a_create_is_repeated_where_it_was_clearly_not_done() {
    let throttled = fault(429, "ApplicationThrottled").header("retry-after", "3");
    let expired = fault(401, "InvalidAuthenticationToken");
    let server = Server::start([throttled, expired, ok(json!({"id": "new"}))]).await;
    let create = server.graph();
    let made = create.post("/users/1/messages").json(&json!({})).once().send_json().await;
    assert_eq!(made.unwrap()["id"], "new");
    assert_eq!(server.calls().len(), 3);
}

/// A POST that was carried out must not run twice because its answer was garbled.
#[tokio::test]
async fn only_reads_are_repeated_after_a_garbled_success() {
    let server = Server::start([status(201).text("<html>"), ok(json!({}))]).await;
    let error = server.graph().post("/users/1/messages").send_json().await.unwrap_err();
    assert!(matches!(error, Error::Malformed { .. }), "{error:?}");
    assert_eq!(server.calls().len(), 1);
}

/// Fault 42 and its like: conflicts are the caller's business.
#[tokio::test]
async fn conflicts_and_refusals_are_final() {
    for (code, name, kind) in [
        (409, "ErrorFolderExists", Kind::Conflict),
        (412, "ErrorIrresolvableConflict", Kind::Conflict),
        (400, "ErrorInvalidRequest", Kind::Invalid),
        (405, "ErrorInvalidRequest", Kind::Invalid),
        (413, "RequestEntityTooLarge", Kind::Invalid),
        (403, "Authorization_RequestDenied", Kind::Denied),
        (404, "MailboxNotEnabledForRESTAPI", Kind::NotFound),
        (507, "quotaLimitReached", Kind::Full),
    ] {
        let server = Server::start([fault(code, name)]).await;
        let error = server.graph().post("/users/1/mailFolders").send_json().await.unwrap_err();
        assert_eq!((error.kind(), error.has_code(name)), (kind, true), "{name}");
        assert_eq!(server.calls().len(), 1, "{name}");
    }
}

/// Error bodies come from outside: none may harm.
#[tokio::test]
async fn hostile_error_bodies_do_no_harm() {
    let long = "x".repeat(5000);
    for body in [
        json!(null),
        json!([1]),
        json!({"error": "text"}),
        json!({"error": {"code": 5}}),
        json!({"error": {"code": "a\u{1b}[31m evil"}}),
        json!({"error": {"code": long}}),
    ] {
        let server = Server::start([status(400).json(body.clone())]).await;
        let error = server.graph().get("/users").send_json().await.unwrap_err();
        assert_eq!((error.kind(), error.code()), (Kind::Invalid, None), "{body}");
    }
}
