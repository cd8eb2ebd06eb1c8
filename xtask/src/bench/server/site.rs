//! A server over a simulated tenant, and what is done with it before and beside the load.

use std::io::BufReader;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Stdio};

use anyhow::{Context, Result, ensure};
use reqwest::{Certificate, Client, Method, RequestBuilder};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::bench::product::Installation;
use crate::bench::say;
use crate::bench::tenant::Tenant;

const PASSWORD: &str = "violin harbour tundra 7 moss";
const COOKIE: &str = "__Host-holdfast";

/// What the tokens of the users may do.
const RIGHTS: [&str; 6] =
    ["view_resources", "view_jobs", "view_system", "read_content", "search", "view_audit"];

/// A server, its tenant, and who stops both.
pub(super) struct Site {
    tenant: Tenant,
    server: Server,
    started: Started,
    certificate: Certificate,
}

/// A process that ends with this value.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself; its state is of no use to anybody.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What `serve --json` says.
#[derive(Debug, Deserialize)]
struct Started {
    address: SocketAddr,
    setup_link: Option<String>,
    certificate: String,
}

/// A session.
#[derive(Clone)]
pub(super) struct Signed {
    cookie: String,
    csrf: String,
}

/// What the users ask about.
pub(super) struct Known {
    resource: String,
    path: String,
}

impl Known {
    /// The requests of which each user makes one after the other.
    pub(super) fn paths(&self) -> Vec<(&'static str, String)> {
        let Self { resource, path } = self;
        vec![
            ("GET /session", "/session".to_owned()),
            ("GET /system", "/system".to_owned()),
            ("GET /resources", "/resources".to_owned()),
            ("GET /resources/{resource}", format!("/resources/{resource}")),
            ("GET /objectives", "/objectives".to_owned()),
            ("GET /jobs", "/jobs".to_owned()),
            ("GET /snapshots", "/snapshots".to_owned()),
            ("GET /vaults", "/vaults".to_owned()),
            ("GET /audit", "/audit".to_owned()),
            ("GET /resources/{resource}/items", format!("/resources/{resource}/items")),
            (
                "GET /resources/{resource}/content",
                format!("/resources/{resource}/content?path={path}"),
            ),
            ("GET /search", format!("/search?query=report&resource={resource}")),
        ]
    }
}

impl Site {
    /// An installation whose first mailbox is backed up, and the server over it.
    pub(super) fn make(binary: &Path, dir: &Path, mailboxes: u64, mails: u64) -> Result<Self> {
        say(&format!("a tenant of {mailboxes} people"));
        let (mailboxes, mails) = (mailboxes.to_string(), mails.to_string());
        let options = ["--users", &mailboxes, "--mails-per-user", &mails, "--seed", "7"];
        let options = options.into_iter().chain(["--files", "0", "--sites", "0"]);
        let options: Vec<_> = options.map(std::ffi::OsStr::new).collect();
        let tenant = Tenant::start(binary, dir, &options)?;
        let installation = Installation::make(binary, dir.join("installation"), &tenant)?;
        let (people, _) = tenant.people()?;
        let first = people.first().context("the tenant has nobody")?;
        crate::bench::process::run(&mut installation.command(&["resources"]))?;
        crate::bench::process::run(&mut installation.command(&["backup", "--resource", first]))?;
        let mut command =
            installation.command(&["serve", "--listen", "127.0.0.1:0", "--no-scheduler", "--json"]);
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().context("no server")?;
        let out = BufReader::new(child.stdout.take().context("its output is a pipe")?);
        let server = Server(child);
        let mut said = serde_json::Deserializer::from_reader(out).into_iter::<Started>();
        let started = said.next().context("the server did not start")??;
        let certificate = Certificate::from_pem(&std::fs::read(&started.certificate)?)?;
        Ok(Self { tenant, server, started, certificate })
    }

    /// A client with connections of its own.
    pub(super) fn client(&self) -> Result<Client> {
        let client = Client::builder().no_proxy().tls_certs_only([self.certificate.clone()]);
        Ok(client.resolve("localhost", self.started.address).build()?)
    }

    /// Where the API lies.
    pub(super) fn base(&self) -> String {
        format!("https://localhost:{}/api/v1", self.started.address.port())
    }

    /// The first administrator.
    pub(super) async fn root(&self) -> Result<Signed> {
        let link = self.started.setup_link.as_ref().context("there is an administrator already")?;
        let (_, secret) = link.split_once('#').context("the link has no secret")?;
        let body = json!({
            "secret": secret, "name": "root", "display_name": "Root", "password": PASSWORD,
        });
        self.said(self.call(Method::POST, "/setup")?.json(&body)).await?;
        self.sign_in("root").await
    }

    async fn sign_in(&self, name: &str) -> Result<Signed> {
        let body = json!({ "name": name, "password": PASSWORD });
        let answer = self.call(Method::POST, "/session")?.json(&body).send().await?;
        let cookie = answer.headers().get("set-cookie").context("no cookie")?.to_str()?;
        let (cookie, _) = cookie.split_once(';').context("no cookie")?;
        let cookie = cookie.trim_start_matches(COOKIE).trim_start_matches('=').to_owned();
        let body: Value = answer.json().await?;
        let csrf = body["csrf"].as_str().context("no session")?.to_owned();
        Ok(Signed { cookie, csrf })
    }

    /// A token of each of so many new users.
    pub(super) async fn tokens(&self, root: &Signed, users: usize) -> Result<Vec<String>> {
        let all = json!({ "tenants": "all", "workloads": "all", "resources": "all" });
        let grants = json!([{ "role": "administrator", "scope": all }]);
        let mut tokens = Vec::new();
        let mut root = root.clone();
        for number in 0..users {
            // To invite somebody needs a proof of a few minutes' age.
            if number % 50 == 49 {
                root = self.sign_in("root").await?;
            }
            let name = format!("user{number}");
            let body = json!({ "name": name, "display_name": name, "grants": grants });
            let made = self.said(self.of(&root, Method::POST, "/users")?.json(&body)).await?;
            let link = made["link"].as_str().and_then(|link| link.split_once('#'));
            let (_, secret) = link.context("an invitation has a link")?;
            let body = json!({ "secret": secret, "password": PASSWORD });
            self.said(self.call(Method::POST, "/invitation")?.json(&body)).await?;
            tokens.push(self.token(&self.sign_in(&name).await?, &all).await?);
        }
        Ok(tokens)
    }

    async fn token(&self, who: &Signed, scope: &Value) -> Result<String> {
        let ends = holdfast_model::Clock::system().now() + std::time::Duration::from_secs(86_400);
        let body = json!({ "label": "load", "rights": RIGHTS, "scope": scope, "expires_at": ends });
        let made = self.said(self.of(who, Method::POST, "/tokens")?.json(&body)).await?;
        Ok(made["text"].as_str().context("a token has a text")?.to_owned())
    }

    /// The mailbox that is backed up, and a message in it.
    pub(super) async fn known(&self, root: &Signed) -> Result<Known> {
        let (people, _) = self.tenant_people()?;
        let id = format!("exchange%2F{}", people.first().context("the tenant has nobody")?);
        let path = format!("/resources/{id}/items?recursive=true&limit=50");
        let items = self.said(self.of(root, Method::GET, &path)?).await?;
        let entries = items["entries"].as_array().context("items are a list")?;
        let message = entries.iter().find(|entry| entry["kind"] != "folder");
        let path = message.and_then(|entry| entry["path"].as_str()).context("no message")?;
        Ok(Known { resource: id, path: path.replace('/', "%2F").replace(' ', "%20") })
    }

    fn tenant_people(&self) -> Result<(Vec<String>, usize)> {
        // The tenant's client blocks on a runtime of its own.
        std::thread::scope(|scope| {
            let asked = scope.spawn(|| self.tenant.people()).join();
            asked.map_err(|_| anyhow::anyhow!("the tenant did not answer"))?
        })
    }

    /// Begins the backup of everything; the id of its job.
    pub(super) async fn begin_backup(&self, root: &Signed) -> Result<String> {
        let body = json!({ "tenant": "bench" });
        let job = self.said(self.of(root, Method::POST, "/backups")?.json(&body)).await?;
        Ok(job["job"].as_str().context("a job has an id")?.to_owned())
    }

    /// How the backup stands, and what it has stored.
    pub(super) async fn backup(&self, root: &Signed, job: &str) -> Result<(String, u64)> {
        let job = self.said(self.of(root, Method::GET, &format!("/jobs/{job}"))?).await?;
        let state = job["state"].as_str().unwrap_or_default().to_owned();
        ensure!(["running", "done"].contains(&state.as_str()), "the backup was {job}");
        let stored = [&job["progress"]["items_done"], &job["result"]["counts"]["items_new"]];
        let stored = stored.into_iter().filter_map(Value::as_u64).max();
        Ok((state, stored.unwrap_or_default()))
    }

    /// The largest resident set of the server until now, in MB.
    pub(super) fn peak(&self) -> Result<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.server.0.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib: f64 = line
            .and_then(|line| line.split_whitespace().next())
            .context("the kernel does not tell the peak")?
            .parse()?;
        Ok(kib * 1024.0 / 1e6)
    }

    fn call(&self, method: Method, path: &str) -> Result<RequestBuilder> {
        Ok(self.client()?.request(method, format!("{}{path}", self.base())))
    }

    fn of(&self, who: &Signed, method: Method, path: &str) -> Result<RequestBuilder> {
        let request = self.call(method, path)?;
        let cookie = format!("{COOKIE}={}", who.cookie);
        Ok(request.header("cookie", cookie).header("x-holdfast-csrf", &who.csrf))
    }

    /// The answer, which must be a success.
    async fn said(&self, request: RequestBuilder) -> Result<Value> {
        let answer = request.send().await?;
        let (status, url) = (answer.status(), answer.url().clone());
        let text = answer.text().await?;
        ensure!(status.is_success(), "{url}: {status}: {text}");
        Ok(serde_json::from_str(&text).unwrap_or(Value::Null))
    }
}
