//! Tokens: one at a time, renewed in time, and refusals that say what to do.

use futures::future::join_all;
use holdfast_graph::{Credential, Graph, Kind, certificate};
use jiff::SignedDuration;
use serde_json::json;

use crate::server::{Answer, Server, fault, ok, status, token};

fn refusal(code: u32) -> Answer {
    let text = format!("AADSTS{code}: for application ada@contoso.example");
    status(401)
        .json(json!({"error": "invalid_client", "error_description": text, "error_codes": [code]}))
}

fn form(body: &[u8]) -> Vec<(String, String)> {
    url::form_urlencoded::parse(body).into_owned().collect()
}

fn field<'a>(form: &'a [(String, String)], name: &str) -> &'a str {
    form.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
}

#[tokio::test]
async fn ten_callers_share_one_token() {
    let server = Server::start((0..10).map(|_| ok(json!({})))).await;
    let graph = server.graph();
    let calls = (0..10).map(|_| graph.get("/users").send_json());
    for answer in join_all(calls).await {
        answer.unwrap();
    }
    assert_eq!(server.sign_ins().len(), 1);
    let asked = &server.sign_ins()[0];
    assert_eq!(asked.path, "/contoso.example/oauth2/v2.0/token");
    let form = form(&asked.body);
    assert_eq!(field(&form, "grant_type"), "client_credentials");
    assert_eq!(field(&form, "client_id"), "app");
    assert_eq!(field(&form, "client_secret"), "s3cr3t");
    assert_eq!(field(&form, "scope"), server.link("/.default"));
}

#[tokio::test]
async fn a_token_is_renewed_five_minutes_before_its_end() {
    let server = Server::start((0..3).map(|_| ok(json!({})))).await;
    let graph = server.graph();
    for (minutes, sign_ins) in [(0, 1), (54, 1), (2, 2)] {
        server.clock.advance(SignedDuration::from_mins(minutes));
        graph.get("/users").send_json().await.unwrap();
        assert_eq!(server.sign_ins().len(), sign_ins);
    }
    let calls = server.calls();
    assert_eq!(calls[0].header("authorization"), calls[1].header("authorization"));
    assert_ne!(calls[1].header("authorization"), calls[2].header("authorization"));
}

/// Fault 40: the token expires, or is withdrawn, in the middle of a run.
#[tokio::test]
async fn fault_40_a_refused_token_is_renewed_once() {
    let refused = || fault(401, "InvalidAuthenticationToken");
    let server = Server::start([refused(), ok(json!({})), refused(), refused()]).await;
    let graph = server.graph();
    graph.get("/users").send_json().await.unwrap();
    assert_eq!((server.calls().len(), server.sign_ins().len()), (2, 2));
    assert!(server.waits().is_empty());
    let calls = server.calls();
    assert_ne!(calls[0].header("authorization"), calls[1].header("authorization"));

    let error = graph.get("/users").send_json().await.unwrap_err();
    assert_eq!((error.kind(), error.status()), (Kind::Denied, Some(401)));
    assert_eq!((server.calls().len(), server.sign_ins().len()), (4, 3));
}

#[tokio::test]
async fn refused_sign_ins_say_what_to_do() {
    for (code, words) in [
        (7_000_215, "secret is wrong"),
        (7_000_222, "secret has expired"),
        (90_002, "no such tenant"),
        (700_016, "does not know this application"),
        (700_027, "upload its .cer file"),
        (123, "check tenant id, client id and credential"),
    ] {
        let server = Server::start([]).await.sign_in([refusal(code)]);
        let error = server.graph().get("/users").send_json().await.unwrap_err();
        assert_eq!(error.kind(), Kind::Denied);
        let text = error.to_string();
        assert!(text.contains(words) && text.contains(&format!("AADSTS{code}")), "{text}");
        assert!(!text.contains("ada@"), "{text}");
        assert_eq!((server.sign_ins().len(), server.calls().len()), (1, 0));
    }
}

#[tokio::test]
async fn a_busy_sign_in_service_is_asked_again() {
    let busy = [status(503), status(429).header("retry-after", "9"), ok(json!({"no": "token"}))];
    let server = Server::start([ok(json!({}))]).await.sign_in(busy);
    server.graph().get("/users").send_json().await.unwrap();
    assert_eq!(server.sign_ins().len(), 4);
    assert!(server.waits()[1].as_secs() >= 9);
}

#[tokio::test]
async fn granted_roles_come_from_the_token() {
    let server = Server::start([]).await;
    assert_eq!(server.graph().granted_roles().await.unwrap(), ["Mail.Read", "User.ReadBasic.All"]);
    for text in ["opaque", "a.b.c", "a.W10.c"] {
        let odd = ok(json!({"access_token": text, "expires_in": 3600}));
        let server = Server::start([]).await.sign_in([odd]);
        let roles = server.graph().granted_roles().await;
        assert!(roles.map_or(true, |roles| roles.is_empty()), "{text}");
    }
}

#[tokio::test]
async fn short_lived_tokens_are_used_for_half_their_life() {
    let server = Server::start((0..3).map(|_| ok(json!({})))).await;
    let server = server.sign_in([token(1, 60), token(2, 60)]);
    let graph = server.graph();
    for (seconds, sign_ins) in [(0, 1), (29, 1), (2, 2)] {
        server.clock.advance(SignedDuration::from_secs(seconds));
        graph.get("/users").send_json().await.unwrap();
        assert_eq!(server.sign_ins().len(), sign_ins);
    }
}

#[tokio::test]
async fn a_certificate_signs_in_without_a_secret() {
    let server = Server::start([ok(json!({}))]).await;
    let made = certificate::make("Holdfast", server.clock.now(), 30).unwrap();
    let credential =
        Credential::Certificate { certificate_pem: made.certificate_pem, key_pem: made.key_pem };
    let graph = Graph::new(server.config(credential)).unwrap();
    graph.get("/users").send_json().await.unwrap();
    let form = form(&server.sign_ins()[0].body);
    assert_eq!(field(&form, "client_secret"), "");
    assert_eq!(
        field(&form, "client_assertion_type"),
        "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    );
    assert_eq!(field(&form, "client_assertion").split('.').count(), 3);
}
