//! The demo's witness from outside: stock restic reads what Holdfast wrote.

use std::path::Path;
use std::process::Stdio;

use serde::Serialize;
use tokio::process::Command;

use crate::error::{Error, Result};

/// Settings of the environment that would get in the way of ours.
const OTHERS: [&str; 5] = [
    "RESTIC_REPOSITORY",
    "RESTIC_REPOSITORY_FILE",
    "RESTIC_PASSWORD",
    "RESTIC_PASSWORD_FILE",
    "RESTIC_PASSWORD_COMMAND",
];

/// What restic said.
#[derive(Clone, Debug, Serialize)]
pub struct Witness {
    /// `restic version`.
    pub version: String,
    /// `restic snapshots`.
    pub snapshots: String,
    /// `restic check --read-data`.
    pub check: String,
    /// Whether both ended well.
    pub ok: bool,
}

/// Asks restic, where it is installed.
pub async fn ask(home: &Path, repository: &str, shard: u32) -> Result<Option<Witness>> {
    let Ok(version) = Command::new("restic").arg("version").output().await else {
        return Ok(None);
    };
    let own = std::env::current_exe()
        .map_err(|source| Error::System { what: "the path of this program", source })?;
    let password =
        format!("{} --home {} vault password --shard {shard}", quoted(&own), quoted(home));
    let run = async |arguments: &[&str]| {
        let mut command = Command::new("restic");
        command.arg("-r").arg(repository).args(["--no-cache", "--password-command", &password]);
        command.args(arguments).stdin(Stdio::null()).kill_on_drop(true);
        for name in OTHERS {
            command.env_remove(name);
        }
        command.output().await.map_err(|source| Error::System { what: "to start restic", source })
    };
    let snapshots = run(&["snapshots", "--no-lock", "--compact"]).await?;
    let check = run(&["check", "--no-lock", "--read-data"]).await?;
    let text = |output: &std::process::Output| {
        let both = [output.stdout.as_slice(), &output.stderr].concat();
        String::from_utf8_lossy(&both).trim().to_owned()
    };
    Ok(Some(Witness {
        version: text(&version),
        ok: snapshots.status.success() && check.status.success(),
        snapshots: text(&snapshots),
        check: text(&check),
    }))
}

/// A path as restic's splitting of commands takes it.
fn quoted(path: &Path) -> String {
    format!("\"{}\"", path.display())
}
