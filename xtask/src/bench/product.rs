//! An installation of the product, used through its command line.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use serde::Deserialize;

use super::files;
use super::process::{Measured, measure, run};
use super::tenant::Tenant;

/// A home folder with a vault, connected to a simulated tenant.
pub(crate) struct Installation {
    binary: PathBuf,
    dir: PathBuf,
}

/// What `backup --json` reports.
#[derive(Debug, Deserialize)]
pub(crate) struct Backup {
    pub(crate) items_new: u64,
    pub(crate) items_changed: u64,
    pub(crate) items_deleted: u64,
    pub(crate) items_failed: u64,
    pub(crate) bytes: u64,
    pub(crate) requests: u64,
    pub(crate) resource_units: u64,
    pub(crate) waited_ms: u64,
}

/// What stock restic needs to open the shard.
#[derive(Debug, Deserialize)]
pub(crate) struct Shard {
    pub(crate) repository: PathBuf,
    pub(crate) password: String,
}

impl Installation {
    /// Makes the installation in `dir`, which must not exist.
    pub(crate) fn make(binary: &Path, dir: PathBuf, tenant: &Tenant) -> Result<Self> {
        fs::create_dir_all(&dir)?;
        let one = Self { binary: binary.to_owned(), dir };
        let (passphrase, secret) = (one.dir.join("passphrase"), one.dir.join("secret"));
        fs::write(&passphrase, "a passphrase for measurements\n")?;
        fs::write(&secret, &tenant.info.backup.client_secret)?;
        for file in [&passphrase, &secret] {
            run(Command::new("chmod").arg("600").arg(file))?;
        }
        run(one.command(&["init", "--passphrase-file"]).arg(&passphrase))?;
        let info = &tenant.info;
        let mut add = one.command(&["tenant", "add", "bench", "--tenant-id", &info.tenant_id]);
        add.args(["--client-id", &info.backup.client_id, "--client-secret-file"]).arg(&secret);
        add.args(["--graph-url", &info.graph_url, "--authority-url", &info.authority_url]);
        run(add.args(["--ca-file", &info.ca_file]))?;
        Ok(one)
    }

    /// Its folder: `home` and `instance.key` lie in it.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// A command of the product in this installation.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        command.env("HOLDFAST_HOME", self.dir.join("home"));
        command.env("HOLDFAST_INSTANCE_KEY", self.dir.join("instance.key"));
        command.args(arguments);
        command
    }

    /// A backup, and what its process used.
    pub(crate) fn back_up(&self) -> Result<(Measured, Backup)> {
        let used = measure(&self.command(&["backup", "--json"]), &self.dir)?;
        let report = serde_json::from_str(&used.stdout).context("the report of a backup")?;
        Ok((used, report))
    }

    /// The repository that holds the mail.
    pub(crate) fn shard(&self) -> Result<Shard> {
        let text = run(&mut self.command(&["vault", "password", "--shard", "1", "--json"]))?;
        serde_json::from_str(&text).context("the password of shard 1")
    }

    /// Files and bytes of the repository that holds the mail.
    pub(crate) fn stored(&self) -> Result<(usize, u64)> {
        files::size(&self.shard()?.repository)
    }

    /// Takes all of it off the disk.
    pub(crate) fn remove(self) -> Result<()> {
        fs::remove_dir_all(&self.dir).context("cannot remove an installation")
    }
}
