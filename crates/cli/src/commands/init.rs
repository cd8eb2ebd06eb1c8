//! `init`: makes an installation.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use holdfast_engine::{Home, InitOptions, Storage, Unlock, catalog_url};
use holdfast_model::audit::Action;
use holdfast_model::{Clock, Secret};
use holdfast_vault::{Bandwidth, Location, LockMode};
use serde::Serialize;

use super::{home_dir, record};
use crate::args::{Global, Init, Lock, StorageArgs, UnlockArgs};
use crate::error::{Error, Result};
use crate::output::{Output, clean};

#[derive(Serialize)]
struct Report {
    home: PathBuf,
    instance_key: PathBuf,
    vault: String,
    vault_id: String,
    /// False when an existing vault was attached.
    vault_created: bool,
}

pub async fn run(global: &Global, args: &Init, out: Output) -> Result<u8> {
    let dir = home_dir(global)?;
    let vault = args.vault.clone().unwrap_or_else(|| dir.join("vault").into());
    let options = InitOptions {
        unlock: unlock(&args.unlock, &vault)?,
        storage: storage(&args.storage)?,
        vault,
        instance_key: global.instance_key.clone(),
        catalog_url: args.catalog_url_file.as_deref().map(catalog_url).transpose()?,
    };
    let (home, created) = Home::init(&dir, &options, Clock::system()).await?;
    let row = home.vault_row(None).await?;
    let report = Report {
        home: home.dir().to_owned(),
        instance_key: home.key_path().to_owned(),
        vault: row.location,
        vault_id: row.id,
        vault_created: created,
    };
    let details = [
        ("vault".to_owned(), report.vault.clone()),
        ("vault_created".to_owned(), created.to_string()),
    ];
    record::done(&home, Action::InstallationInit, details.into()).await?;
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
        clean(&report.vault),
        path(&report.home),
        path(&report.instance_key),
    )
}

/// What opens a vault, asked for where it is not given.
pub fn unlock(args: &UnlockArgs, vault: &Location) -> Result<Unlock> {
    Ok(match (&args.kit, &args.passphrase_file) {
        (Some(kit), _) => Unlock::Kit(kit.clone()),
        (None, Some(file)) => Unlock::Passphrase(secret_file(file)?),
        (None, None) => Unlock::Passphrase(ask(vault)?),
    })
}

/// How the storage of a vault is to be used.
pub fn storage(args: &StorageArgs) -> Result<Storage> {
    let file = |path: &Option<PathBuf>| path.as_deref().map(secret_file).transpose();
    let ca_pem = args
        .vault_ca_file
        .as_deref()
        .map(|path| std::fs::read_to_string(path).map_err(Error::file("read", path)));
    let mode = |lock| match lock {
        Lock::Governance => LockMode::Governance,
        Lock::Compliance => LockMode::Compliance,
    };
    Ok(Storage {
        credentials: file(&args.credentials_file)?,
        maintenance: file(&args.maintenance_credentials_file)?,
        lock: args.lock.map(mode).zip(args.lock_days),
        append_only: args.append_only,
        immutable: args.immutable,
        bandwidth: Bandwidth { up: args.limit_upload, down: args.limit_download },
        ca_pem: ca_pem.transpose()?,
        compression: args.compression.unwrap_or_default(),
        as_of: args.as_of,
    })
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

/// Asks a person; twice for a new vault. Whether one is there is known of folders only.
fn ask(vault: &Location) -> Result<Secret> {
    let is_new = match vault {
        Location::Folder(path) => {
            std::fs::read_dir(path).map_or(true, |mut entries| entries.next().is_none())
        }
        _ => true,
    };
    ask_passphrase("Passphrase of the vault: ", is_new)
}

/// Asks a person for a passphrase, twice where it is a new one.
pub fn ask_passphrase(text: &str, is_new: bool) -> Result<Secret> {
    if !std::io::stdin().is_terminal() {
        return Err(Error::Usage(
            "give the passphrase with --passphrase-file; there is no terminal to ask at".into(),
        ));
    }
    let prompt = |text: &str| {
        rpassword::prompt_password(text)
            .map_err(|source| Error::System { what: "the terminal", source })
    };
    let first = prompt(text)?;
    if is_new && prompt("Once more: ")? != first {
        return Err(Error::Usage("the two passphrases differ".into()));
    }
    if first.is_empty() {
        return Err(Error::Usage("an empty passphrase protects nothing".into()));
    }
    Ok(Secret::new(first))
}
