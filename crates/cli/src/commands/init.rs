//! `init`: makes an installation.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use holdfast_engine::{Home, InitOptions, Unlock};
use holdfast_model::{Clock, Secret};
use serde::Serialize;

use super::home_dir;
use crate::args::{Global, Init};
use crate::error::{Error, Result};
use crate::output::{Output, clean};

#[derive(Serialize)]
struct Report {
    home: PathBuf,
    instance_key: PathBuf,
    vault: PathBuf,
    vault_id: String,
    /// False when an existing vault was attached.
    vault_created: bool,
}

pub async fn run(global: &Global, args: &Init, out: Output) -> Result<u8> {
    let dir = home_dir(global)?;
    let vault = args.vault.clone().unwrap_or_else(|| dir.join("vault"));
    if vault.to_string_lossy().contains("://") {
        return Err(Error::Usage(
            "a vault lies in a local folder; object stores come later".into(),
        ));
    }
    let unlock = match (&args.kit, &args.passphrase_file) {
        (Some(kit), _) => Unlock::Kit(kit.clone()),
        (None, Some(file)) => Unlock::Passphrase(secret_file(file)?),
        (None, None) => Unlock::Passphrase(ask(&vault)?),
    };
    let options = InitOptions { vault, unlock, instance_key: global.instance_key.clone() };
    let (home, created) = Home::init(&dir, &options, Clock::system()).await?;
    let row = home.vault_row(None).await?;
    let report = Report {
        home: home.dir().to_owned(),
        instance_key: home.key_path().to_owned(),
        vault: row.location.into(),
        vault_id: row.id,
        vault_created: created,
    };
    out.show(&report, || human(&report))?;
    Ok(0)
}

fn human(report: &Report) -> String {
    let path = |path: &Path| clean(&path.display().to_string());
    let (done, next) = match report.vault_created {
        true => (
            "New vault made",
            "Connect a tenant:  holdfast tenant add NAME …  (see docs/microsoft-365.md)",
        ),
        false => (
            "Existing vault attached",
            "Bring its tenants, resources and restore points in:  holdfast catalog rebuild",
        ),
    };
    format!(
        "{done}: {}\n\
         Home: {}\n\
         Instance key (keep it secret, keep a copy): {}\n\n\
         Next\n  \
         1. Make the recovery kit and keep it away from this machine:  holdfast vault kit --out DIR\n     \
         Without the kit and without the passphrase nobody can read the vault, we neither.\n  \
         2. {next}\n",
        path(&report.vault),
        path(&report.home),
        path(&report.instance_key),
    )
}

/// A secret from a file, without the line end.
pub fn secret_file(path: &Path) -> Result<Secret> {
    let bytes = std::fs::read(path).map_err(Error::file("read", path))?;
    let end = bytes.iter().rposition(|b| !matches!(b, b'\r' | b'\n')).map_or(0, |last| last + 1);
    if end == 0 {
        return Err(Error::Usage(format!("{} is empty; it must hold a secret", path.display())));
    }
    Ok(Secret::new(&bytes[..end]))
}

/// Asks a person; twice for a new vault.
fn ask(vault: &Path) -> Result<Secret> {
    if !std::io::stdin().is_terminal() {
        return Err(Error::Usage(
            "give the passphrase with --passphrase-file; there is no terminal to ask at".into(),
        ));
    }
    let prompt = |text: &str| {
        rpassword::prompt_password(text)
            .map_err(|source| Error::System { what: "the terminal", source })
    };
    let first = prompt("Passphrase of the vault: ")?;
    let is_new = std::fs::read_dir(vault).map_or(true, |mut entries| entries.next().is_none());
    if is_new && prompt("Once more: ")? != first {
        return Err(Error::Usage("the two passphrases differ".into()));
    }
    if first.is_empty() {
        return Err(Error::Usage("an empty passphrase protects nothing".into()));
    }
    Ok(Secret::new(first))
}
