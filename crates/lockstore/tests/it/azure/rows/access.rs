//! Who may do what.

use super::super::client::{Client, Identity};
use super::super::conformance::date;
use super::Where::{FakeOnly, NotAzurite};
use super::{Row, row};
use jiff::SignedDuration;

const SAS: &str = "the SAS comes from the fake";

#[rustfmt::skip]
pub const ROWS: &[Row] = &[
    row("signature", NotAzurite("its code is AuthorizationFailure"), |t| {
        t.put("b", b"data", &[]).is(201);
        let wrong = Identity::Key("d3Jvbmc=".into());
        t.client.as_identity(wrong).send("GET", &t.path("b"), &[], b"").refused(403, "AuthenticationFailed");
        // Signed for one blob, sent to another.
        let mut request = t.client.request("DELETE", &t.path("c"), &[], b"");
        let url = request.url().as_str().replace("/c", "/b");
        *request.url_mut() = url.parse().unwrap();
        assert_eq!(sent(request), 403);
        t.get("b", &[]).is(200);
    }),
    row("anonymous", FakeOnly("Azurite and accounts with public access answer otherwise"), |t| {
        t.client.as_identity(Identity::None).send("GET", &t.path("b"), &[], b"").refused(401, "NoAuthenticationInformation");
    }),
    row("sas-rights", FakeOnly(SAS), |t| {
        let old = t.put("b", b"one", &[]).is(201).header("x-ms-version-id").to_owned();
        t.put("b", b"two", &[]).is(201);
        let path = t.path("b");
        let version = format!("{path}?versionid={}", super::super::conformance::encoded(&old));
        let list = format!("{}?restype=container&comp=list", t.container);
        let hold = format!("{path}?comp=legalhold");
        let block = format!("{path}?comp=block&blockid=AA%3D%3D");
        let calls: &[(&str, &str, &str)] = &[
            ("r", "GET", &path), ("r", "HEAD", &path), ("l", "GET", &list), ("w", "PUT", &path),
            ("w", "PUT", &block), ("i", "PUT", &hold), ("x", "DELETE", &version), ("d", "DELETE", &path),
        ];
        for (needed, method, path) in calls {
            let others: String = "racwdxli".chars().filter(|letter| letter != &needed.chars().next().unwrap()).collect();
            let others = if *needed == "w" { others.replace('c', "") } else { others };
            call(&t.as_bearer(&others), method, path).refused(403, "AuthorizationPermissionMismatch");
        }
        for (needed, method, path) in calls {
            let status = call(&t.as_bearer(needed), method, path).status;
            assert!((200..300).contains(&status), "{needed} {method} {path}: {status}");
        }
    }),
    row("sas-create-only", FakeOnly(SAS), |t| {
        let creator = t.as_bearer("c");
        call(&creator, "PUT", &t.path("b")).is(201);
        call(&creator, "PUT", &t.path("b")).refused(403, "UnauthorizedBlobOverwrite");
    }),
    row("sas-lock-on-write", FakeOnly(SAS), |t| {
        let until = t.after(60);
        let headers = [("x-ms-blob-type", "BlockBlob"), ("x-ms-immutability-policy-until-date", until.as_str()), ("x-ms-immutability-policy-mode", "Locked")];
        t.as_bearer("cw").send("PUT", &t.path("b"), &headers, b"x").refused(403, "AuthorizationPermissionMismatch");
        t.head("b").refused(404, "BlobNotFound");
        t.as_bearer("cwi").send("PUT", &t.path("b"), &headers, b"x").is(201);
    }),
    row("sas-expiry", FakeOnly(SAS), |t| {
        t.put("b", b"data", &[]).is(201);
        let ends = t.now() + SignedDuration::from_secs(60);
        let sas = t.running().sas_until(&t.container, "r", ends);
        let bearer = t.client.as_identity(Identity::Sas(sas.clone()));
        let more = t.client.as_identity(Identity::Sas(sas.replace("sp=r", "sp=rd")));
        let other = t.client.as_identity(Identity::Sas(sas));
        call(&bearer, "GET", &t.path("b")).is(200);
        call(&more, "GET", &t.path("b")).refused(403, "AuthenticationFailed");
        call(&other, "GET", "plain/b").refused(403, "AuthenticationFailed");
        t.advance(60);
        call(&bearer, "GET", &t.path("b")).refused(403, "AuthenticationFailed");
    }),
    row("api-version", FakeOnly("real services keep old versions of the interface for years"), |t| {
        t.put("b", b"data", &[]).is(201);
        let old = [("x-ms-version", "2019-12-12"), ("x-ms-legal-hold", "true")];
        let sas = t.as_bearer("i");
        let mut request = sas.request("PUT", &format!("{}?comp=legalhold", t.path("b")), &old[1..], b"");
        request.headers_mut().insert("x-ms-version", old[0].1.parse().unwrap());
        assert_eq!(sent(request), 400);
        assert_eq!(t.head("b").header("x-ms-legal-hold"), "");
        assert_eq!(date(t.now()), t.head("b").header("date"));
    }),
];

/// A request with what its operation needs, so that only rights can refuse it.
fn call(client: &Client, method: &str, path: &str) -> super::super::client::Answer {
    let headers: &[(&str, &str)] = match method {
        "PUT" if path.contains("comp=legalhold") => &[("x-ms-legal-hold", "false")],
        "PUT" if !path.contains('?') => &[("x-ms-blob-type", "BlockBlob")],
        _ => &[],
    };
    client.send(method, path, headers, b"")
}

fn sent(request: reqwest::Request) -> u16 {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        reqwest::Client::new().execute(request).await.unwrap().status().as_u16()
    })
}
