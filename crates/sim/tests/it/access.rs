//! Who gets a token, what it opens, and for how long.

use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaEncoding, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use crate::session::{Answer, Session};

const SCOPE: (&str, &str) = ("scope", "https://graph.microsoft.com/.default");
const GRANT: (&str, &str) = ("grant_type", "client_credentials");

#[track_caller]
fn assert_refused(answer: &Answer, code: u64) {
    assert_eq!(answer.json["error_codes"], json!([code]), "{}", answer.json);
    assert!(answer.text("error_description").starts_with(&format!("AADSTS{code}: ")));
}

#[tokio::test]
async fn secrets_are_checked() {
    let session = Session::start().await;
    let info = session.sim.info.clone();
    let ask = |id: String, secret: String| {
        let session = &session;
        async move {
            let form = [GRANT, SCOPE, ("client_id", id.as_str()), ("client_secret", &secret)];
            session.ask_token(&form).await
        }
    };
    let good = ask(info.client_id.clone(), info.client_secret.clone()).await.expect(200);
    let life = good.json["expires_in"].as_u64().unwrap();
    assert!((3600..=5400).contains(&life), "{life}");
    let wrong = ask(info.client_id.clone(), "wrong".to_owned()).await;
    assert_refused(&wrong.expect(401), 7_000_215);
    let unknown = ask("00000000-0000-0000-0000-000000000000".to_owned(), "x".to_owned()).await;
    assert_refused(&unknown.expect(400), 700_016);
    let yesterday = session.sim.tenant().clock().now() - SignedDuration::from_hours(24);
    session.sim.tenant().secret_expires(&info.client_id, yesterday).unwrap();
    let expired = ask(info.client_id.clone(), info.client_secret.clone()).await;
    assert_refused(&expired.expect(401), 7_000_222);
    let url = format!("{}/other.example/oauth2/v2.0/token", info.authority_url);
    let elsewhere = session.http.post(url).form(&[GRANT, SCOPE, ("client_id", "x")]);
    assert_refused(&session.send(elsewhere).await.expect(400), 90_002);
}

#[tokio::test]
async fn discovery_and_a_query_on_the_token_endpoint() {
    let session = Session::start().await;
    let info = &session.sim.info;
    let base = format!("{}/{}", info.authority_url, info.tenant_id);
    let found = session.http.get(format!("{base}/v2.0/.well-known/openid-configuration"));
    let found = session.send(found).await.expect(200);
    assert_eq!(found.text("token_endpoint"), format!("{base}/oauth2/v2.0/token"));
    session.send(session.http.get(found.text("jwks_uri"))).await.expect(200);
    // msal-node sends one (reference: SDK run).
    let url = format!("{base}/oauth2/v2.0/token?client-request-id=1");
    let (id, secret) = (info.client_id.as_str(), info.client_secret.as_str());
    let form = [GRANT, SCOPE, ("client_id", id), ("client_secret", secret)];
    session.send(session.http.post(url).form(&form)).await.expect(200);
}

#[tokio::test]
async fn tokens_end_with_the_virtual_clock() {
    let session = Session::start().await;
    session.get("users").await.expect(200);
    session.sim.tenant().clock().advance(Duration::from_secs(91 * 60));
    let late = session.get("users").await.expect(401);
    assert_eq!(late.code(), "InvalidAuthenticationToken");
    assert!(late.header("www-authenticate").starts_with("Bearer"));
    let none = session.send(session.http.get(session.url("users"))).await.expect(401);
    assert_eq!(none.code(), "InvalidAuthenticationToken");
    let forged = session.http.get(session.url("users")).bearer_auth("a.b.c");
    session.send(forged).await.expect(401);
}

#[tokio::test]
async fn each_application_does_what_it_was_granted() {
    let mut session = Session::start().await;
    let (backup, restore) = (session.sim.info.backup.clone(), session.sim.info.restore.clone());
    let user = session.user();
    let messages = format!("{user}/messages");
    let body = json!({"subject": "x"});
    session.act_as(&backup).await;
    session.get("users").await.expect(200);
    let id = session.get(&messages).await.expect(200).values()[0]["id"].clone();
    let one = format!("{messages}/{}", id.as_str().unwrap());
    session.get(&format!("{one}/$value")).await.expect(200);
    let denied = session.post(&messages, &body).await.expect(403);
    assert_eq!(denied.code(), "ErrorAccessDenied");
    session.delete(&one).await.expect(403);
    session.act_as(&restore).await;
    session.post(&messages, &body).await.expect(201);
    let tenant = session.sim.tenant();
    tenant.registration_revoke(&backup.client_id, "User.ReadBasic.All").unwrap();
    tenant.registration_revoke(&backup.client_id, "Mail.Read").unwrap();
    tenant.registration_grant(&backup.client_id, "Mail.ReadBasic.All").unwrap();
    session.act_as(&backup).await;
    let denied = session.get("users").await.expect(403);
    assert_eq!(denied.code(), "Authorization_RequestDenied");
    session.get(&messages).await.expect(200);
    assert_eq!(session.get(&format!("{one}/$value")).await.expect(403).code(), "ErrorAccessDenied");
}

/// A key with its certificate, and assertions signed by it.
struct Signer {
    key: RsaKeyPair,
    pem: String,
    thumbprint: String,
}

impl Signer {
    fn new() -> Self {
        let key =
            rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048)
                .unwrap();
        let certificate = rcgen::CertificateParams::default().self_signed(&key).unwrap();
        let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, certificate.der());
        Self {
            key: RsaKeyPair::from_pkcs8(&key.serialize_der()).unwrap(),
            pem: certificate.pem(),
            thumbprint: URL_SAFE_NO_PAD.encode(hash),
        }
    }

    fn assertion(
        &self,
        algorithm: &str,
        client: &str,
        audience: &str,
        expires: Timestamp,
    ) -> String {
        let part = |value: serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let header = json!({"alg": algorithm, "typ": "JWT", "x5t#S256": self.thumbprint});
        let claims = json!({
            "aud": audience, "iss": client, "sub": client, "jti": "1",
            "nbf": expires.as_second() - 600, "exp": expires.as_second(),
        });
        let text = format!("{}.{}", part(header), part(claims));
        let encoding: &'static dyn RsaEncoding =
            if algorithm == "PS256" { &RSA_PSS_SHA256 } else { &RSA_PKCS1_SHA256 };
        let mut signature = vec![0; self.key.public_modulus_len()];
        self.key.sign(encoding, &SystemRandom::new(), text.as_bytes(), &mut signature).unwrap();
        format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

#[tokio::test]
async fn certificates_sign_assertions() {
    let session = Session::start().await;
    let info = session.sim.info.clone();
    let client = info.backup.client_id.as_str();
    let audience = format!("{}/{}/oauth2/v2.0/token", info.authority_url, info.tenant_id);
    let now = session.sim.tenant().clock().now();
    let (soon, past) = (now + SignedDuration::from_mins(5), now - SignedDuration::from_mins(60));
    let ask = |assertion: String| {
        let session = &session;
        let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
        async move {
            let form = [
                GRANT,
                SCOPE,
                ("client_id", client),
                ("client_assertion_type", kind),
                ("client_assertion", &assertion),
            ];
            session.ask_token(&form).await
        }
    };
    let (known, stranger) = (Signer::new(), Signer::new());
    assert_eq!(known.key.public_modulus_len() * 8, KeySize::Rsa2048.len() * 8);
    let early = ask(known.assertion("PS256", client, &audience, soon)).await.expect(401);
    assert_refused(&early, 700_027);
    session.sim.tenant().certificate_upload(client, &known.pem).unwrap();
    for algorithm in ["PS256", "RS256"] {
        ask(known.assertion(algorithm, client, &audience, soon)).await.expect(200);
    }
    for bad in [
        stranger.assertion("PS256", client, &audience, soon),
        known.assertion("PS256", client, "https://elsewhere.example", soon),
        known.assertion("PS256", client, &audience, past),
        known.assertion("PS256", &info.client_id, &audience, soon),
        known.assertion("PS256", client, &audience, soon) + "AA",
        "nonsense".to_owned(),
    ] {
        let refused = ask(bad).await;
        assert!(matches!(refused.status, 400 | 401), "{}", refused.json);
    }
}
