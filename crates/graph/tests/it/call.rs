//! One call: headers, addresses, redirects, TLS, limits, secrecy.

use bytes::Bytes;
use holdfast_graph::{Config, Credential, Error, Graph, Kind};
use holdfast_model::Secret;
use serde_json::json;

use crate::server::{Server, fault, ok, status};

#[tokio::test]
async fn headers_and_query_are_as_graph_wants_them() {
    let server = Server::start([ok(json!({"a": 1})), status(204)]).await;
    let graph = server.graph();
    let got = graph
        .get("/users/1/messages")
        .query("$select", "id,subject")
        .query("$filter", "subject eq 'a&b'")
        .prefer("odata.maxpagesize=50")
        .header("accept", "application/json;odata.metadata=none")
        .send_json()
        .await
        .unwrap();
    assert_eq!(got, json!({"a": 1}));
    graph.patch("/users/1").json(&json!({"x": "ü"})).send_empty().await.unwrap();

    let calls = server.calls();
    assert_eq!(
        calls[0].path,
        "/v1.0/users/1/messages?$select=id,subject&$filter=subject%20eq%20%27a%26b%27"
    );
    assert_eq!(calls[0].header("prefer"), "IdType=\"ImmutableId\", odata.maxpagesize=50");
    assert_eq!(calls[0].header("accept"), "application/json;odata.metadata=none");
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(calls[0].header("user-agent"), format!("NONISV|Holdfast|Holdfast/{version}"));
    assert!(calls[0].header("authorization").starts_with("Bearer e30."));
    assert_eq!(calls[0].header("client-request-id").len(), 36);
    assert_ne!(calls[0].header("client-request-id"), calls[1].header("client-request-id"));
    assert_eq!((calls[1].method.as_str(), calls[1].json()), ("PATCH", json!({"x": "ü"})));
    assert_eq!(calls[1].header("content-type"), "application/json");
    let stats = graph.stats();
    assert_eq!((stats.requests, stats.retries, stats.waited_ms), (2, 0, 0));
    assert_eq!(stats.bytes_received, 7);
}

#[tokio::test]
async fn bodies_of_any_type_go_out_and_come_back_unchanged() {
    let server = Server::start([status(200).text("From: x\r\n\r\nbody")]).await;
    let mime = Bytes::from_static(b"RnJvbTogeA==");
    let got = server.graph().post("/users/1/messages").body("text/plain", mime).send_bytes().await;
    assert_eq!(got.unwrap(), "From: x\r\n\r\nbody");
    assert_eq!(server.calls()[0].header("content-type"), "text/plain");
    assert_eq!(server.calls()[0].body, "RnJvbTogeA==");
}

#[tokio::test]
async fn the_token_never_follows_a_redirect() {
    let other = Server::start([ok(json!({}))]).await;
    let away = status(302).header("location", other.url.as_str());
    let server = Server::start([away]).await;
    let error = server.graph().get("/users").send_json().await.unwrap_err();
    assert_eq!((error.kind(), error.status()), (Kind::Invalid, Some(302)));
    assert!(other.calls().is_empty());
}

#[tokio::test]
async fn links_to_other_hosts_are_not_asked() {
    let server = Server::start([]).await;
    let graph = server.graph();
    let error = graph.get("https://evil.example/v1.0/users").send_json().await.unwrap_err();
    assert!(matches!(error, Error::ForeignLink { .. }), "{error}");
    assert!(server.sign_ins().is_empty(), "not even a token was asked for");
}

#[tokio::test]
async fn errors_name_the_endpoint_and_no_secrets() {
    let denied = fault(403, "ErrorAccessDenied").header("request-id", "5f1c-77");
    let server = Server::start([denied, status(200).text("{").broken()]).await;
    let graph = server.graph();
    let link =
        "/v1.0/users/ada@contoso.example/mailFolders/AAMk7=/messages/delta?$deltatoken=T0K3N";
    let error = graph.get(link).send_json().await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains("GET /users/{id}/mailFolders/{id}/messages/delta"), "{text}");
    assert!(
        text.contains("403 ErrorAccessDenied") && text.contains("lacks a permission"),
        "{text}"
    );
    assert_eq!(error.request_id(), Some("5f1c-77"));
    assert!(text.contains("5f1c-77"), "{text}");
    let lost = graph.patch(link).once().send_json().await.unwrap_err();
    for text in [text, format!("{lost} {lost:?}")] {
        for secret in ["ada@", "AAMk7", "T0K3N", "Lovelace", "e30.", "s3cr3t"] {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
    }
    assert!(!format!("{graph:?}").contains("s3cr3t"));
}

#[tokio::test]
async fn an_endless_answer_stops_at_the_limit() {
    let megabyte = "x".repeat(1 << 20);
    let huge = (0..34).fold(status(200), |answer, _| answer.text(&megabyte));
    for answer in [huge.clone(), huge.streamed()] {
        let server = Server::start([answer]).await;
        let error = server.graph().get("/users").send_json().await.unwrap_err();
        assert_eq!((error.kind(), server.calls().len()), (Kind::Protocol, 1));
        assert!(error.to_string().contains("33554432"), "{error}");
    }
}

#[tokio::test]
async fn nobody_there_is_unreachable_after_a_few_tries() {
    let server = Server::start([]).await;
    let unused = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut config = server.config(Credential::Secret(Secret::new("s")));
    config.graph_url = format!("https://localhost:{}", unused.port()).parse().unwrap();
    let graph = Graph::new(config).unwrap();
    let error = graph.post("/users").once().send_json().await.unwrap_err();
    assert_eq!(error.kind(), Kind::Unreachable, "{error}");
    assert_eq!(graph.stats().requests, 5, "nothing was sent, so even `once` is repeated");
}

#[tokio::test]
async fn a_certificate_of_nobody_known_is_refused() {
    let server = Server::start([]).await;
    let stranger = Server::start([]).await;
    let mut config = server.config(Credential::Secret(Secret::new("s")));
    config.ca_pem = Some(stranger.ca_pem.clone().into_bytes());
    let error = Graph::new(config).unwrap().get("/users").send_json().await.unwrap_err();
    assert_eq!(error.kind(), Kind::Unreachable);
    assert!(server.sign_ins().is_empty());
}

#[tokio::test]
async fn addresses_without_tls_and_broken_authorities_are_refused() {
    let mut config = Config::new("t", "c", Credential::Secret(Secret::new("s")));
    config.graph_url = "http://127.0.0.1:1".parse().unwrap();
    assert_eq!(Graph::new(config.clone()).unwrap_err().kind(), Kind::Config);
    config.graph_url = "https://127.0.0.1:1".parse().unwrap();
    config.ca_pem = Some(b"no certificate".to_vec());
    assert_eq!(Graph::new(config).unwrap_err().kind(), Kind::Config);
}
