//! A simulated tenant and a folder for an installation, and the binary run in it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use holdfast_sim::{RunningSim, SimConfig, Tenant};
use serde_json::Value;
use tempfile::TempDir;

pub const BINARY: &str = env!("CARGO_BIN_EXE_holdfast");

/// What the binary answered.
#[derive(Debug)]
pub struct Answer {
    pub code: i32,
    pub out: Vec<u8>,
    pub err: String,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8(self.out.clone()).unwrap()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The error document on standard error.
    pub fn error(&self) -> Value {
        let document: Value = serde_json::from_str(&self.err).unwrap();
        assert_eq!(document["error"]["exit_code"], self.code, "{document}");
        document["error"].clone()
    }
}

impl From<Output> for Answer {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap(),
            out: output.stdout,
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// Settings of whoever runs the tests.
const SETTINGS: [&str; 6] = [
    "HOLDFAST_HOME",
    "HOLDFAST_INSTANCE_KEY",
    "HOLDFAST_LOG",
    "HOLDFAST_SERVER",
    "HOLDFAST_SERVER_CA_FILE",
    "HOLDFAST_TOKEN_FILE",
];

/// A command that does not see the settings of whoever runs the tests.
pub fn command() -> Command {
    let mut command = Command::new(BINARY);
    for name in SETTINGS {
        command.env_remove(name);
    }
    command.stdin(std::process::Stdio::null());
    command
}

/// Runs the binary without a home.
pub fn holdfast(arguments: &[&str]) -> Answer {
    command().args(arguments).output().unwrap().into()
}

/// A tenant, an installation that knows it, and the folder of both.
pub struct Site {
    pub sim: RunningSim,
    dir: TempDir,
}

impl Site {
    /// Two people (or more) with 30 messages each; nothing installed yet.
    pub async fn bare(users: usize) -> Self {
        Self::of(SimConfig { users, seed: 7, mails_per_user: 30, ..SimConfig::default() }).await
    }

    /// A service that takes its time for each request, so that something can happen meanwhile.
    pub async fn slow(users: usize, mails_per_user: usize) -> Self {
        let latency = std::time::Duration::from_millis(25);
        Self::of(SimConfig { users, seed: 7, mails_per_user, latency, ..SimConfig::default() })
            .await
    }

    async fn of(config: SimConfig) -> Self {
        let sim = holdfast_sim::start(config).await.unwrap();
        Self { sim, dir: tempfile::tempdir().unwrap() }
    }

    /// With vault and tenant.
    pub async fn ready(users: usize) -> Self {
        let site = Self::bare(users).await;
        site.init();
        site.add_tenant();
        site
    }

    pub fn tenant(&self) -> &Tenant {
        self.sim.tenant()
    }

    /// The user principal name of a person.
    pub fn user(&self, index: usize) -> String {
        self.tenant().users()[index].upn.clone()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A path as an argument.
    pub fn arg(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    pub fn write(&self, name: &str, content: &str) -> String {
        fs::write(self.path(name), content).unwrap();
        self.arg(name)
    }

    /// Runs the binary in the home of this site.
    pub fn run(&self, arguments: &[&str]) -> Answer {
        let home = self.path("home");
        command().env("HOLDFAST_HOME", home).args(arguments).output().unwrap().into()
    }

    /// Runs it and expects success.
    pub fn ok(&self, arguments: &[&str]) -> Answer {
        let answer = self.run(arguments);
        assert_eq!(answer.code, 0, "{arguments:?}: {answer:?}");
        answer
    }

    /// Runs it with `--json` and expects success.
    pub fn json(&self, arguments: &[&str]) -> Value {
        self.ok(&[arguments, &["--json"]].concat()).json()
    }

    pub fn init(&self) -> Value {
        let passphrase = self.write("passphrase", "correct horse\n");
        let (vault, key) = (self.arg("vault"), self.arg("instance.key"));
        self.json(&[
            "init",
            "--vault",
            &vault,
            "--passphrase-file",
            &passphrase,
            "--instance-key",
            &key,
        ])
    }

    pub fn add_tenant(&self) -> Value {
        let info = &self.sim.info;
        let backup = self.write("backup.secret", &info.backup.client_secret);
        let restore = self.write("restore.secret", &format!("{}\n", info.restore.client_secret));
        self.json(&[
            "tenant",
            "add",
            "contoso",
            "--tenant-id",
            &info.tenant_id,
            "--client-id",
            &info.backup.client_id,
            "--client-secret-file",
            &backup,
            "--restore-client-id",
            &info.restore.client_id,
            "--restore-client-secret-file",
            &restore,
            "--graph-url",
            &info.graph_url,
            "--authority-url",
            &info.authority_url,
            "--ca-file",
            info.ca_file.to_str().unwrap(),
        ])
    }

    /// All messages of a listing of a whole resource.
    pub fn messages(&self, user: &str, more: &[&str]) -> Vec<Value> {
        let listed = self.json(&[&["ls", "--resource", user, "-r"], more].concat());
        let entries = listed.as_array().unwrap().clone();
        entries.into_iter().filter(|entry| entry["kind"] == "message").collect()
    }
}

/// Whether a program that some tests need is here; a note where it is not.
pub fn has(program: &str) -> bool {
    let found = Command::new(program).arg("--version").output().is_ok();
    if !found {
        println!("{program} is not installed: this test shows nothing here");
    }
    found
}

/// The largest file below a folder.
pub fn largest(dir: &Path) -> PathBuf {
    let mut files = Vec::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files.into_iter().max_by_key(|file| fs::metadata(file).unwrap().len()).unwrap()
}
