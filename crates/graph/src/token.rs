//! Access tokens by the client credentials grant (Microsoft identity platform, "OAuth 2.0 client
//! credentials flow", read 2026-08).
//!
//! One token at a time, fetched by one caller while the others wait, renewed before it ends.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::RETRY_AFTER;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::Mutex;
use url::Url;

use crate::assertion::Signer;
use crate::config::{Config, Credential};
use crate::endpoint::segment;
use crate::error::{Error, Result, SignIn};
use crate::exchange::ATTEMPT_TIMEOUT;
use crate::retry::{self, Next};

/// A token is renewed this long before its end (or at half of its life where that is later).
const MARGIN: Duration = Duration::from_secs(300);

/// Longest life of a token that is believed; Entra gives 60 to 90 minutes.
const LONGEST_LIFE: u64 = 24 * 3600;

/// Answers above this size are none of the sign-in service's.
const ANSWER_LIMIT: usize = 256 * 1024;

const ENDPOINT: &str = "sign-in";

#[derive(Debug)]
pub(crate) struct TokenSource {
    config: Config,
    http: reqwest::Client,
    url: Url,
    signer: Option<Signer>,
    held: Mutex<Option<Token>>,
}

struct Token {
    value: String,
    renew_at: Timestamp,
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Token(…, {})", self.renew_at)
    }
}

#[derive(Deserialize)]
struct Granted {
    access_token: String,
    expires_in: Value,
}

#[derive(Default, Deserialize)]
struct Refused {
    #[serde(default)]
    error_codes: Vec<u32>,
}

impl TokenSource {
    pub fn new(config: &Config, http: reqwest::Client) -> Result<Self> {
        let origin = config.authority_url.origin().ascii_serialization();
        let path = format!("{origin}/{}/oauth2/v2.0/token", segment(&config.tenant_id));
        let url = Url::parse(&path).map_err(|_| Error::config("the tenant id is not usable"))?;
        let signer = match &config.credential {
            Credential::Secret(secret) if secret.expose_str().is_some() => None,
            Credential::Secret(_) => return Err(Error::config("the client secret is not text")),
            Credential::Certificate { certificate_pem, key_pem } => {
                Some(Signer::new(certificate_pem, key_pem)?)
            }
        };
        Ok(Self { config: config.clone(), http, url, signer, held: Mutex::default() })
    }

    /// A token that is good for some minutes.
    pub async fn get(&self) -> Result<String> {
        let mut held = self.held.lock().await;
        let now = self.config.clock.now();
        match &*held {
            Some(token) if now < token.renew_at => Ok(token.value.clone()),
            _ => {
                let token = self.fetch().await?;
                let value = token.value.clone();
                *held = Some(token);
                Ok(value)
            }
        }
    }

    /// Forgets a token that Graph refused, unless a newer one is there already.
    pub async fn discard(&self, value: &str) {
        let mut held = self.held.lock().await;
        if held.as_ref().is_some_and(|token| token.value == value) {
            *held = None;
        }
    }

    /// The `roles` claim, sorted.
    pub async fn roles(&self) -> Result<Vec<String>> {
        let token = self.get().await?;
        let claims = token.split('.').nth(1).and_then(|part| {
            let bytes = URL_SAFE_NO_PAD.decode(part.trim_end_matches('=')).ok()?;
            serde_json::from_slice::<Value>(&bytes).ok()
        });
        let Some(claims) = claims else {
            return Err(Error::Malformed { endpoint: ENDPOINT.into(), what: "no readable token" });
        };
        let roles = claims.get("roles").and_then(Value::as_array);
        let mut roles: Vec<String> =
            roles.into_iter().flatten().filter_map(|r| r.as_str().map(str::to_owned)).collect();
        roles.sort();
        Ok(roles)
    }

    async fn fetch(&self) -> Result<Token> {
        let started = self.config.clock.now();
        let (mut failures, mut waited) = (0, Duration::ZERO);
        loop {
            let error = match self.ask().await {
                Ok(token) => return Ok(token),
                Err(error) => error,
            };
            failures += 1;
            let elapsed = waited.max(retry::between(started, self.config.clock.now()));
            let (kind, asked) = (error.kind(), error.retry_after());
            match retry::next(kind, asked, failures, elapsed, rand::random()) {
                Next::GiveUp => return Err(error),
                Next::Wait(wait) | Next::Pause(wait) => {
                    self.config.sleep.sleep(wait).await;
                    waited += wait;
                }
            }
        }
    }

    async fn ask(&self) -> Result<Token> {
        let now = self.config.clock.now();
        let request = self.http.post(self.url.clone()).form(&self.form(now)?);
        let request = request.timeout(ATTEMPT_TIMEOUT);
        let mut response = request.send().await.map_err(lost)?;
        let status = response.status().as_u16();
        let retry_after = response.headers().get(RETRY_AFTER).and_then(|v| v.to_str().ok());
        let retry_after = retry_after.and_then(|value| retry::parse_retry_after(value, now));
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(lost)? {
            body.extend_from_slice(&chunk);
            if body.len() > ANSWER_LIMIT {
                return Err(Error::TooLarge { endpoint: ENDPOINT.into(), limit: ANSWER_LIMIT });
            }
        }
        tracing::debug!(status, "sign-in");
        if status == 200 { granted(&body, now) } else { Err(refused(status, retry_after, &body)) }
    }

    fn form(&self, now: Timestamp) -> Result<Vec<(&'static str, String)>> {
        let scope = format!("{}/.default", self.config.graph_url.origin().ascii_serialization());
        let mut form = vec![
            ("grant_type", "client_credentials".to_owned()),
            ("client_id", self.config.client_id.clone()),
            ("scope", scope),
        ];
        match (&self.signer, &self.config.credential) {
            (Some(signer), _) => {
                let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
                form.push(("client_assertion_type", kind.to_owned()));
                let assertion = signer.assertion(&self.config.client_id, self.url.as_str(), now)?;
                form.push(("client_assertion", assertion));
            }
            (None, Credential::Secret(secret)) => {
                form.push(("client_secret", secret.expose_str().unwrap_or_default().to_owned()));
            }
            (None, Credential::Certificate { .. }) => {
                return Err(Error::config("the certificate was not read"));
            }
        }
        Ok(form)
    }
}

fn lost(error: reqwest::Error) -> Error {
    Error::Transport {
        method: http::Method::POST,
        endpoint: ENDPOINT.into(),
        connect: error.is_connect(),
        source: Box::new(error.without_url()),
    }
}

fn granted(body: &[u8], now: Timestamp) -> Result<Token> {
    let malformed = |what| Error::Malformed { endpoint: ENDPOINT.into(), what };
    let answer: Granted = serde_json::from_slice(body).map_err(|_| malformed("without a token"))?;
    // Version 1 endpoints send the number as text.
    let seconds = match &answer.expires_in {
        Value::String(text) => text.parse().ok(),
        other => other.as_u64(),
    };
    let life = seconds.ok_or_else(|| malformed("without an expiry"))?.min(LONGEST_LIFE);
    let life = Duration::from_secs(life);
    let usable = life.saturating_sub(MARGIN).max(life / 2);
    Ok(Token { value: answer.access_token, renew_at: retry::after(now, usable) })
}

fn refused(status: u16, retry_after: Option<Duration>, body: &[u8]) -> Error {
    let refused: Refused = serde_json::from_slice(body).unwrap_or_default();
    let code = refused.error_codes.first().copied();
    Error::SignIn(SignIn { status, code, advice: advice(code, status), retry_after })
}

/// What to do about a code (Microsoft, "Microsoft Entra authentication and authorization error
/// codes", read 2026-08).
fn advice(code: Option<u32>, status: u16) -> &'static str {
    match code {
        Some(7_000_215) => {
            "the client secret is wrong; give the secret's value, not its id, or make a new one"
        }
        Some(7_000_222) => {
            "the client secret has expired; make a new one in the app registration and add it again"
        }
        Some(90_002 | 900_023) => {
            "there is no such tenant; check the directory (tenant) id and the cloud it is in"
        }
        Some(700_016) => {
            "the tenant does not know this application; check the client id and the tenant id"
        }
        Some(700_027) => {
            "the certificate is not registered with the application; upload its .cer file there"
        }
        Some(700_024 | 1_000_502) => {
            "the certificate or its proof is out of its time; check the expiry and this clock"
        }
        Some(7_000_229) => {
            "the application has no service principal here; give administrator consent first"
        }
        Some(7_000_112) => "the application is disabled in the tenant; an administrator enables it",
        Some(53_003) => "a conditional access policy of the tenant blocks this application",
        _ if status >= 500 || status == 429 => "the sign-in service is busy; try again later",
        _ => "check tenant id, client id and credential in the app registration",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    fn renew_after(expires_in: &str) -> Result<i64> {
        let now = Timestamp::UNIX_EPOCH;
        let body = format!(r#"{{"access_token":"t","expires_in":{expires_in}}}"#);
        granted(body.as_bytes(), now).map(|token| token.renew_at.as_second())
    }

    #[test]
    fn tokens_are_renewed_before_their_end() {
        assert_eq!(renew_after("3600").unwrap(), 3300);
        assert_eq!(renew_after("\"3599\"").unwrap(), 3299);
        assert_eq!(renew_after("60").unwrap(), 30);
        assert_eq!(renew_after("18446744073709551615").unwrap(), 24 * 3600 - 300);
        assert_eq!(renew_after("null").unwrap_err().kind(), Kind::Transient);
    }

    #[test]
    fn refusals_say_what_to_do() {
        for (code, word) in [(7_000_215, "wrong"), (7_000_222, "expired"), (90_002, "tenant")] {
            let body = format!(r#"{{"error":"invalid_client","error_codes":[{code}]}}"#);
            let error = refused(401, None, body.as_bytes());
            assert_eq!(error.kind(), Kind::Denied);
            let text = error.to_string();
            assert!(text.contains(word) && text.contains(&format!("AADSTS{code}")), "{text}");
        }
        assert_eq!(refused(503, None, b"<html>").kind(), Kind::Transient);
    }

    #[test]
    fn debug_output_hides_the_token() {
        let token = Token { value: "eyJ-secret".into(), renew_at: Timestamp::UNIX_EPOCH };
        assert!(!format!("{token:?}").contains("eyJ"));
    }
}
