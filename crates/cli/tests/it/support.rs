//! The support bundle, the log at its most talkative and the metrics: none tells a name or a secret.

use std::fs::{self, File};
use std::process::Command;
use std::time::Instant;

use reqwest::{Certificate, Client, Method, RequestBuilder};
use serde_json::{Value, json};

use crate::running::{DEADLINE, Running};
use crate::site::{BINARY, Site, has};

const PASSWORD: &str = "violin harbour tundra 7 moss";
const USER: &str = "zebedee.quux";
const PATH: &str = "Inbox/Zyxwvut merger";

/// All files of a ZIP, name and content, as Python reads them.
const UNPACK: &str = "
import sys, zipfile
for info in zipfile.ZipFile(sys.argv[1]).infolist():
    print('=== ' + info.filename)
    print(zipfile.ZipFile(sys.argv[1]).read(info).decode())
";

fn unpacked(file: &str) -> String {
    let said = Command::new("python3").args(["-c", UNPACK, file]).output().unwrap();
    assert!(said.status.success(), "{said:?}");
    String::from_utf8(said.stdout).unwrap()
}

/// A file of an unpacked bundle.
fn part(bundle: &str, name: &str) -> Value {
    let (_, after) = bundle.split_once(&format!("=== {name}\n")).unwrap();
    serde_json::from_str(after.split("\n=== ").next().unwrap()).unwrap()
}

/// A server that logs all it can, and its administrator.
struct Server {
    running: Running,
    client: Client,
    base: String,
    /// Secrets that it gave.
    secrets: Vec<String>,
    cookie: String,
    csrf: String,
}

impl Server {
    async fn start(site: &Site) -> Self {
        let mut command = Command::new(BINARY);
        command.env("HOLDFAST_HOME", site.path("home")).env("HOLDFAST_LOG", "debug");
        command.args(["serve", "--listen", "127.0.0.1:0", "--no-scheduler", "--json"]);
        let out = site.path("started.json");
        let running = Running::start_to(command, File::create(&out).unwrap().into());
        let end = Instant::now() + DEADLINE;
        let started: Value = loop {
            match serde_json::from_slice(&fs::read(&out).unwrap()) {
                Ok(started) => break started,
                Err(_) => assert!(Instant::now() < end, "it does not start: {}", running.log()),
            }
            tokio::task::yield_now().await;
        };
        let ca = fs::read(started["certificate"].as_str().unwrap()).unwrap();
        let client = Client::builder().no_proxy();
        let client = client.tls_certs_only([Certificate::from_pem(&ca).unwrap()]).build().unwrap();
        let base = started["origin"].as_str().unwrap().trim_end_matches('/').to_owned();
        let link = started["setup_link"].as_str().unwrap();
        let secret = link.split_once('#').unwrap().1.to_owned();
        let (cookie, csrf) = (String::new(), String::new());
        let mut server =
            Self { running, client, base, secrets: vec![secret.clone()], cookie, csrf };
        let body = json!({
            "secret": secret, "name": USER, "display_name": "Zebedee Quux", "password": PASSWORD,
        });
        server.post("/api/v1/setup", &body).await;
        server.sign_in().await;
        server
    }

    async fn sign_in(&mut self) {
        let body = json!({ "name": USER, "password": PASSWORD });
        let answer = self.call(Method::POST, "/api/v1/session").json(&body).send().await.unwrap();
        let cookie = answer.headers()["set-cookie"].to_str().unwrap().to_owned();
        self.cookie = cookie.split_once(';').unwrap().0.to_owned();
        let body: Value = answer.json().await.unwrap();
        self.csrf = body["csrf"].as_str().unwrap().to_owned();
        self.secrets.push(self.cookie.split_once('=').unwrap().1.to_owned());
        self.secrets.push(self.csrf.clone());
    }

    fn call(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.client.request(method, format!("{}{path}", self.base));
        request.header("cookie", &self.cookie).header("x-holdfast-csrf", &self.csrf)
    }

    async fn bytes(&self, request: RequestBuilder) -> Vec<u8> {
        let answer = request.send().await.unwrap();
        let (status, url) = (answer.status(), answer.url().clone());
        let bytes = answer.bytes().await.unwrap().to_vec();
        assert!(status.is_success(), "{url}: {status}: {}", String::from_utf8_lossy(&bytes));
        bytes
    }

    async fn get(&self, path: &str) -> Value {
        serde_json::from_slice(&self.bytes(self.call(Method::GET, path)).await).unwrap()
    }

    async fn post(&self, path: &str, body: &Value) -> Value {
        let bytes = self.bytes(self.call(Method::POST, path).json(body)).await;
        serde_json::from_slice(&bytes).unwrap_or(Value::Null)
    }

    /// A job that fails for good; its error.
    async fn failed(&self, body: &Value) -> String {
        let job = self.post("/api/v1/restores", body).await;
        self.running.must_say("ending=\"failed\"");
        let path = format!("/api/v1/jobs/{}", job["job"].as_str().unwrap());
        self.get(&path).await["error"].as_str().unwrap().to_owned()
    }

    /// The metrics, asked for with a token.
    async fn metrics(&mut self) -> String {
        let all = json!({ "tenants": "all", "workloads": "all", "resources": "all" });
        let ends = holdfast_model::Clock::system().now() + std::time::Duration::from_secs(3_600);
        let body = json!({
            "label": "monitoring", "rights": ["view_system"], "scope": all, "expires_at": ends,
        });
        let made = self.post("/api/v1/tokens", &body).await;
        let token = made["text"].as_str().unwrap().to_owned();
        let request = self.client.get(format!("{}/metrics", self.base)).bearer_auth(&token);
        self.secrets.push(token);
        String::from_utf8(self.bytes(request).await).unwrap()
    }
}

/// What must be nowhere: names, and secrets.
fn hidden(site: &Site, ann: &str) -> Vec<String> {
    let info = &site.sim.info;
    let mut hidden: Vec<String> = [
        "contoso",
        "correct horse",
        PASSWORD,
        USER,
        "Quux",
        "Zyxwvut",
        "merger",
        &info.tenant_id,
        &info.backup.client_id,
        &info.backup.client_secret,
        &info.restore.client_id,
        &info.restore.client_secret,
    ]
    .map(str::to_owned)
    .into();
    for user in site.tenant().users() {
        hidden.extend([user.upn.clone(), user.id.clone(), user.display_name.clone()]);
    }
    let folders = site.tenant().folders(ann).unwrap();
    let messages = folders.iter().flat_map(|f| site.tenant().messages(ann, &f.id).unwrap());
    // Shorter ones are words that anything may hold.
    hidden.extend(messages.map(|message| message.subject).filter(|subject| subject.len() > 12));
    let key = fs::read_to_string(site.path("instance.key")).unwrap();
    hidden.push(key.trim().to_owned());
    hidden
}

#[tokio::test(flavor = "multi_thread")]
async fn no_name_and_no_secret_is_in_bundle_log_or_metrics() {
    if !has("python3") {
        return;
    }
    let site = Site::ready(2).await;
    let ann = site.user(0);
    let mut server = Server::start(&site).await;
    let queued = json!({ "tenant": "contoso" });
    server.post("/api/v1/backups", &queued).await;
    server.running.must_say("ending=\"done\"");
    let error = server.failed(&json!({ "resource": ann, "path": PATH })).await;
    assert!(error.contains("Zyxwvut"), "{error}");

    let metrics = server.metrics().await;
    assert!(metrics.contains("holdfast_jobs{"), "{metrics}");
    let bundle = server.bytes(server.call(Method::GET, "/api/v1/system/support-bundle")).await;
    fs::write(site.path("server.zip"), bundle).unwrap();
    let (from_server, out) = (unpacked(&site.arg("server.zip")), site.arg("command.zip"));
    site.ok(&["support-bundle", "--out", &out]);
    assert_eq!(site.run(&["support-bundle", "--out", &out]).code, 2);
    let from_command = unpacked(&out);
    let secrets = server.secrets.clone();
    let log = server.running.stop();

    // It says what helps.
    for bundle in [&from_server, &from_command] {
        let failed = part(bundle, "failed-jobs.json");
        assert_eq!((failed.as_array().unwrap().len(), &failed[0]["kind"]), (1, &json!("restore")));
        let error = failed[0]["error"].as_str().unwrap();
        assert!(error.contains("there is no ") && error.contains("name-"), "{error}");
        let counts = part(bundle, "counts.json");
        assert_eq!((&counts["tenants"], &counts["resources"]), (&json!(1), &json!(2)));
        assert_eq!(part(bundle, "about.json")["catalog"], "sqlite");
        assert_eq!(part(bundle, "configuration.json")["vaults"][0]["kind"], "folder");
        let findings = part(bundle, "doctor.json");
        assert!(findings.as_array().unwrap().iter().all(|f| f["ok"] == true), "{findings:#}");
        // Neither the folder of the installation nor the addresses that it asks.
        assert!(!bundle.contains(&site.arg("home")) && !bundle.contains("127.0.0.1"), "{bundle}");
    }
    assert!(from_server.contains("holdfast_http_requests_total{"), "{from_server}");
    // The same thing has the same name in both.
    let tenant = |bundle: &str| part(bundle, "failed-jobs.json")[0]["tenant"].clone();
    assert_eq!(tenant(&from_server), tenant(&from_command));

    let texts =
        [("log", log), ("metrics", metrics), ("bundle", from_server), ("file", from_command)];
    assert!(texts[0].1.contains("DEBUG") && texts[0].1.lines().count() > 50, "{}", texts[0].1);
    for hidden in hidden(&site, &ann).into_iter().chain(secrets) {
        for (place, text) in &texts {
            let line =
                text.lines().find(|line| line.to_lowercase().contains(&hidden.to_lowercase()));
            assert_eq!(line, None, "'{hidden}' is in the {place}");
        }
    }
    // The record tells who took it.
    let record = site.json(&["audit", "list"]);
    assert!(record.to_string().contains("installation.support_bundle"), "{record}");
}
