//! The simulated tenant as a process of its own, and its control over `/_sim`.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};
use reqwest::{Certificate, Client, Method};
use serde::Deserialize;
use serde_json::Value;
use tokio::runtime::Runtime;

/// What `sim serve` says on its first line.
#[derive(Debug, Deserialize)]
pub(crate) struct Info {
    pub(crate) graph_url: String,
    pub(crate) authority_url: String,
    pub(crate) ca_file: String,
    pub(crate) tenant_id: String,
    client_id: String,
    client_secret: String,
    pub(crate) backup: Login,
}

/// A registration of the tenant.
#[derive(Debug, Deserialize)]
pub(crate) struct Login {
    pub(crate) client_id: String,
    pub(crate) client_secret: String,
}

/// A running tenant; dropping it ends the process.
pub(crate) struct Tenant {
    pub(crate) info: Info,
    child: Child,
    runtime: Runtime,
    client: Client,
    token: String,
}

impl Drop for Tenant {
    fn drop(&mut self) {
        // It may have ended by itself; its state is of no use to anybody.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Tenant {
    /// Starts `holdfast sim serve` with these options; what it writes lies in `scratch`.
    pub(crate) fn start(binary: &Path, scratch: &Path, options: &[&OsStr]) -> Result<Self> {
        let mut command = Command::new(binary);
        command.args(["sim", "serve"]).args(options).env("TMPDIR", scratch);
        Self::run(command)
    }

    /// The tenant that this command serves.
    pub(crate) fn run(mut command: Command) -> Result<Self> {
        let mut child =
            command.stdout(Stdio::piped()).spawn().context("cannot start the simulated tenant")?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().context("its output is a pipe")?)
            .read_line(&mut line)?;
        let info: Info =
            serde_json::from_str(&line).context("the simulated tenant did not start")?;
        let ca = Certificate::from_pem(&std::fs::read(&info.ca_file)?)?;
        let client = Client::builder().no_proxy().tls_certs_merge([ca]).build()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let token = runtime.block_on(token(&client, &info))?;
        Ok(Self { info, child, runtime, client, token })
    }

    /// Sends a request to the control API; an empty answer is null.
    pub(crate) fn control(&self, method: Method, path: &str, body: &Value) -> Result<Value> {
        let url = format!("{}/_sim/{path}", self.info.graph_url);
        let request = self.client.request(method, url).bearer_auth(&self.token);
        let request = if body.is_null() { request } else { request.json(body) };
        self.runtime.block_on(async {
            let answer = request.send().await?;
            let (status, text) = (answer.status(), answer.text().await?);
            ensure!(status.is_success(), "the simulated tenant answered {status}: {text}");
            Ok(if text.is_empty() { Value::Null } else { serde_json::from_str(&text)? })
        })
    }

    pub(crate) fn get(&self, path: &str) -> Result<Value> {
        self.control(Method::GET, path, &Value::Null)
    }

    /// Carries out a change (`action` names it).
    pub(crate) fn change(&self, body: &Value) -> Result<()> {
        self.control(Method::POST, "tenant", body).map(|_| ())
    }

    /// The requests since the last call, by route.
    pub(crate) fn take_requests(&self) -> Result<Requests> {
        let stats = self.get("stats")?;
        self.control(Method::DELETE, "stats", &Value::Null)?;
        Ok(Requests::of(&stats))
    }

    /// Object ids of the people, and how many folders they have together.
    pub(crate) fn people(&self) -> Result<(Vec<String>, usize)> {
        let users = self.get("tenant/users")?;
        let mut ids = Vec::new();
        let mut folders = 0;
        for user in users.as_array().context("users are a list")? {
            let id = user["id"].as_str().context("a user has an id")?.to_owned();
            let list = self.get(&format!("tenant/users/{id}/folders"))?;
            folders += list.as_array().map_or(0, Vec::len);
            ids.push(id);
        }
        Ok((ids, folders))
    }
}

async fn token(client: &Client, info: &Info) -> Result<String> {
    let url = format!("{}/{}/oauth2/v2.0/token", info.authority_url, info.tenant_id);
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", &info.client_id),
        ("client_secret", &info.client_secret),
        ("scope", "https://graph.microsoft.com/.default"),
    ];
    let answer: Value = client.post(url).form(&form).send().await?.json().await?;
    Ok(answer["access_token"].as_str().context("the simulated tenant gave no token")?.to_owned())
}

/// Requests below `/v1.0` as the tenant counted them, parts of a batch singly.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Requests {
    pub(crate) total: u64,
    /// Pages of deltas and lists: what finds changes.
    pub(crate) pages: u64,
    /// Answers 429.
    pub(crate) throttled: u64,
}

impl Requests {
    fn of(stats: &Value) -> Self {
        let mut requests = Self { throttled: number(&stats["throttled"]), ..Self::default() };
        for (route, by_status) in stats["requests"].as_object().into_iter().flatten() {
            let count: u64 =
                by_status.as_object().into_iter().flatten().map(|(_, n)| number(n)).sum();
            requests.total += count;
            // A request for one item names it at the end, or a part of it (`$value`).
            if !route.ends_with('}') && !route.ends_with("$value") {
                requests.pages += count;
            }
        }
        requests
    }

    /// What is asked for single items.
    pub(crate) fn single(&self) -> u64 {
        self.total - self.pages
    }
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn requests_are_pages_or_for_single_items() {
        let stats = json!({"throttled": 2, "requests": {
            "GET /users/{id}/mailFolders/{id}/messages/delta": {"200": 7, "429": 2},
            "GET /users": {"200": 1},
            "GET /users/{id}/messages/{id}": {"200": 3},
            "GET /users/{id}/messages/{id}/$value": {"200": 90, "404": 1},
        }});
        let requests = Requests::of(&stats);
        assert_eq!(requests, Requests { total: 104, pages: 10, throttled: 2 });
        assert_eq!(requests.single(), 94);
    }
}
