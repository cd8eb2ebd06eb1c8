//! Stock `restic`, the independent judge of what the vault writes.

use std::path::Path;
use std::process::{Command, Output};

use holdfast_model::ShardId;
use holdfast_vault::Vault;

/// `restic` with the repository and the password of a shard.
pub struct Restic {
    repository: String,
    password: String,
}

impl Restic {
    /// On the first shard of a vault; `None`, with a word, where restic is not installed.
    pub fn find(vault: &Vault) -> Option<Self> {
        Self::on(vault, ShardId(1))
    }

    /// On a shard of a vault; `None`, with a word, where restic is not installed.
    pub fn on(vault: &Vault, shard: ShardId) -> Option<Self> {
        let installed = Command::new("restic").arg("version").output().is_ok();
        if !installed {
            println!("restic is not installed: what it would prove is not proved here");
            return None;
        }
        let password = vault.shard_password(shard);
        Some(Self {
            repository: vault.shard_location(shard),
            password: password.expose_str().unwrap().to_owned(),
        })
    }

    /// Runs a command; fails the test when restic fails.
    pub fn run(&self, arguments: &[&str]) -> String {
        let output = self.output(arguments);
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        assert!(output.status.success(), "restic {arguments:?}: {out}\n{err}");
        out
    }

    /// Runs a command, whatever comes of it.
    pub fn output(&self, arguments: &[&str]) -> Output {
        Command::new("restic")
            .arg("--no-cache")
            .arg("--repo")
            .arg(&self.repository)
            .args(arguments)
            .env("RESTIC_PASSWORD", &self.password)
            .output()
            .unwrap()
    }

    /// `check --read-data` finds nothing wrong.
    pub fn check(&self) {
        let out = self.run(&["check", "--read-data", "--no-lock"]);
        assert!(out.contains("no errors were found"), "{out}");
    }

    /// `restore latest` into a folder.
    pub fn restore_latest(&self, target: &Path) {
        self.run(&["restore", "latest", "--no-lock", "--target", &target.display().to_string()]);
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
