//! A tenant and a client whose every answer is checked against the contract.

use std::collections::BTreeSet;
use std::sync::Mutex;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use holdfast_sim::{Client, RunningSim, SimConfig};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::contract::{Contract, Exchange};

/// A running tenant, a token, and what was asked of it.
pub struct Session {
    pub sim: RunningSim,
    pub http: reqwest::Client,
    token: String,
    seen: Mutex<BTreeSet<String>>,
}

/// A checked answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub bytes: Vec<u8>,
    /// The document; null where the answer is none.
    pub json: Value,
}

impl Answer {
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.bytes));
        self
    }

    /// The code of an error.
    pub fn code(&self) -> &str {
        self.json["error"]["code"].as_str().unwrap_or_default()
    }

    pub fn text(&self, name: &str) -> &str {
        self.json[name].as_str().unwrap_or_default()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    pub fn values(&self) -> &[Value] {
        self.json["value"].as_array().map(Vec::as_slice).unwrap_or_default()
    }
}

/// A small tenant whose clock stands still.
pub fn config() -> SimConfig {
    SimConfig {
        users: 3,
        seed: 7,
        mails_per_user: 30,
        now: Some("2026-11-02T08:00:00Z".parse().unwrap()),
        ..SimConfig::default()
    }
}

impl Session {
    pub async fn start() -> Self {
        Self::with(config()).await
    }

    pub async fn with(config: SimConfig) -> Self {
        let sim = holdfast_sim::start(config).await.unwrap();
        let certificate = reqwest::Certificate::from_pem(sim.ca_pem().as_bytes()).unwrap();
        let http = reqwest::Client::builder()
            .tls_certs_only([certificate])
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .unwrap();
        let seen = Mutex::default();
        let mut session = Self { sim, http, token: String::new(), seen };
        let all = Client {
            client_id: session.sim.info.client_id.clone(),
            client_secret: session.sim.info.client_secret.clone(),
        };
        session.token = session.token_of(&all).await;
        session
    }

    /// A token for an application.
    pub async fn token_of(&self, client: &Client) -> String {
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", &client.client_id),
            ("client_secret", &client.client_secret),
            ("scope", "https://graph.microsoft.com/.default"),
        ];
        self.ask_token(&form).await.expect(200).text("access_token").to_owned()
    }

    pub async fn ask_token(&self, form: &[(&str, &str)]) -> Answer {
        let tenant = &self.sim.info.tenant_id;
        let url = format!("{}/{tenant}/oauth2/v2.0/token", self.sim.info.authority_url);
        self.send(self.http.post(url).form(form)).await
    }

    /// The same tenant seen by another application.
    pub async fn act_as(&mut self, client: &Client) {
        self.token = self.token_of(client).await;
    }

    /// The address of a path below `/v1.0`; links stay as they are.
    pub fn url(&self, path: &str) -> String {
        match path.starts_with("https://") {
            true => path.to_owned(),
            false => format!("{}/v1.0/{path}", self.sim.info.graph_url),
        }
    }

    pub fn request(&self, method: &str, path: &str) -> RequestBuilder {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        self.http
            .request(method, self.url(path))
            .bearer_auth(&self.token)
            .header("Prefer", "IdType=\"ImmutableId\"")
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(self.request("GET", path)).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(self.request("POST", path).json(body)).await
    }

    pub async fn patch(&self, path: &str, body: &Value) -> Answer {
        self.send(self.request("PATCH", path).json(body)).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.send(self.request("DELETE", path)).await
    }

    pub async fn post_mime(&self, path: &str, mime: &[u8]) -> Answer {
        let body = STANDARD.encode(mime);
        let request = self.request("POST", path).header("Content-Type", "text/plain").body(body);
        self.send(request).await
    }

    /// A batch; the bodies of its parts are checked like answers of their own.
    pub async fn batch(&self, requests: &[Value]) -> Answer {
        let answer = self.post("$batch", &json!({"requests": requests})).await;
        for part in answer.json["responses"].as_array().into_iter().flatten() {
            let request = requests.iter().find(|request| request["id"] == part["id"]).unwrap();
            self.check_part(request, part);
        }
        answer
    }

    fn check_part(&self, request: &Value, part: &Value) {
        let Some(contract) = Contract::get() else { return };
        let url = request["url"].as_str().unwrap();
        let body = part.get("body").map(Value::to_string).unwrap_or_default();
        let content_type = part["headers"]["Content-Type"].as_str().unwrap_or_default();
        let exchange = Exchange {
            method: request["method"].as_str().unwrap(),
            path: url.split('?').next().unwrap(),
            sent: "",
            status: u16::try_from(part["status"].as_u64().unwrap()).unwrap(),
            content_type,
            body: body.as_bytes(),
        };
        contract.check(&exchange).unwrap_or_else(|error| panic!("part of a batch: {error}"));
    }

    pub async fn put(&self, path: &str, body: Vec<u8>) -> Answer {
        self.send(self.request("PUT", path).body(body)).await
    }

    /// Follows the redirect of a download, without the token.
    pub async fn download(&self, path: &str) -> Answer {
        let redirect = self.get(path).await.expect(302);
        self.send(self.http.get(redirect.header("location"))).await
    }

    /// Sends a request and checks what comes back.
    pub async fn send(&self, request: RequestBuilder) -> Answer {
        let request = request.build().unwrap();
        let (method, url) = (request.method().clone(), request.url().clone());
        let sent = request.headers().get("content-type").and_then(|value| value.to_str().ok());
        let sent = sent.unwrap_or_default().split(';').next().unwrap_or_default().to_owned();
        let response = self.http.execute(request).await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let bytes = response.bytes().await.unwrap().to_vec();
        let json = serde_json::from_slice(&bytes).unwrap_or_default();
        let answer = Answer { status, headers, bytes, json };
        let path = percent_encoding::percent_decode_str(url.path()).decode_utf8().unwrap();
        if let Some(contract) = Contract::get() {
            let exchange = Exchange {
                method: method.as_str(),
                path: &path,
                sent: &sent,
                status,
                content_type: answer.header("content-type"),
                body: &answer.bytes,
            };
            let name = contract.check(&exchange).unwrap_or_else(|error| {
                panic!("{method} {url}: {error}\n{}", String::from_utf8_lossy(&answer.bytes))
            });
            if status < 400 {
                self.seen.lock().unwrap().insert(with_plain_placeholders(&name));
            }
        }
        check_headers(&answer, &path);
        answer
    }

    /// The operations that succeeded so far, placeholders as `{id}`.
    pub fn seen(&self) -> BTreeSet<String> {
        self.seen.lock().unwrap().clone()
    }

    /// The first user's path, `users/{id}`.
    pub fn user(&self) -> String {
        format!("users/{}", self.sim.tenant().users()[0].id)
    }

    /// Every page of a collection or delta round; gives its values and its delta link.
    pub async fn pages(&self, first: &str, page_size: usize) -> (Vec<Value>, String) {
        let (mut values, mut link, mut pages) = (Vec::new(), first.to_owned(), 0);
        loop {
            let prefer = format!("IdType=\"ImmutableId\", odata.maxpagesize={page_size}");
            let mut request = self.request("GET", &link).build().unwrap();
            request.headers_mut().insert("prefer", prefer.parse().unwrap());
            let answer = self.send(RequestBuilder::from_parts(self.http.clone(), request)).await;
            let answer = answer.expect(200);
            assert!(answer.values().len() <= page_size, "page of {}", answer.values().len());
            values.extend_from_slice(answer.values());
            pages += 1;
            assert!(pages < 1000, "the pages do not end");
            match answer.json["@odata.nextLink"].as_str() {
                Some(next) => link = next.to_owned(),
                None => return (values, answer.text("@odata.deltaLink").to_owned()),
            }
        }
    }
}

fn with_plain_placeholders(name: &str) -> String {
    let (name, _) = name.split_once(" text/plain").unwrap_or((name, ""));
    let parts = name.split('/').map(|part| match part {
        "{path}" | "{path}:" => part,
        part if part.starts_with('{') && part.ends_with(':') => "{id}:",
        part if part.starts_with('{') => "{id}",
        part => part,
    });
    parts.collect::<Vec<_>>().join("/")
}

/// What every answer of Graph carries (reference: Graph, "Microsoft Graph error responses").
fn check_headers(answer: &Answer, path: &str) {
    if path.starts_with("/v1.0") {
        for name in ["request-id", "client-request-id", "x-ms-ags-diagnostic", "date"] {
            assert!(!answer.header(name).is_empty(), "{path} has no {name}");
        }
        let is_ok = answer.status < 300;
        assert!(!is_ok || answer.header("odata-version") == "4.0", "{path} has no OData-Version");
        let error = &answer.json["error"]["innerError"]["request-id"];
        assert!(
            answer.status < 400 || error == answer.header("request-id"),
            "{path}: another request-id"
        );
    }
}
