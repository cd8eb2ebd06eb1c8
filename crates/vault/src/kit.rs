//! The recovery kit: what a person needs to read the vault when everything else is gone.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::crypto::VaultSecret;
use crate::error::{Error, Result};
use crate::store::{create_dir, sync_dir};
use crate::vault::Vault;

const README: &str = "README.txt";
const SECRET: &str = "vault-secret.hex";
const SCRIPT: &str = "restic-password.sh";

impl Vault {
    /// Writes the recovery kit into a folder: a README, the vault secret (mode 0600) and a script
    /// that makes the password of any shard for stock restic (mode 0755). It covers shards that
    /// are made later.
    ///
    /// # Errors
    /// [`Error::Exists`] where one of the files is there already: then none is written.
    pub fn recovery_kit(&self, dir: &Path) -> Result<Vec<PathBuf>> {
        let files = self.kit_files();
        create_dir(dir)?;
        if let Some((name, ..)) = files.iter().find(|(name, ..)| dir.join(name).exists()) {
            return Err(Error::Exists { path: dir.join(name) });
        }
        let mut written = Vec::new();
        for (name, text, mode) in files {
            let path = dir.join(name);
            write_new(&path, &text, mode).map_err(|err| Error::io("write", &path, err))?;
            written.push(path);
        }
        sync_dir(dir)?;
        Ok(written)
    }

    /// The files of the recovery kit: name, text and mode.
    pub fn kit_files(&self) -> [(&'static str, Zeroizing<String>, u32); 3] {
        let hex = Zeroizing::new(hex::encode(self.secret().expose()));
        [
            (README, Zeroizing::new(readme(self.id())), 0o644),
            (SECRET, Zeroizing::new(format!("{}\n", *hex)), 0o600),
            (SCRIPT, Zeroizing::new(include_str!("restic-password.sh").to_owned()), 0o755),
        ]
    }

    /// The vault secret from a recovery kit.
    ///
    /// # Errors
    /// [`Error::NotAKit`] where the folder holds no secret.
    pub fn secret_from_kit(dir: &Path) -> Result<VaultSecret> {
        let text = fs::read(dir.join(SECRET)).ok().map(Zeroizing::new);
        text.and_then(|text| VaultSecret::from_kit_text(&text))
            .ok_or_else(|| Error::NotAKit { path: dir.to_owned() })
    }

    /// Whether a recovery kit belongs to this vault.
    ///
    /// # Errors
    /// [`Error::NotAKit`]; [`Error::WrongSecret`] where it is another vault's.
    pub fn verify_kit(&self, dir: &Path) -> Result<()> {
        match Self::secret_from_kit(dir)? == *self.secret() {
            true => Ok(()),
            false => Err(Error::WrongSecret { location: self.location() }),
        }
    }
}

fn write_new(path: &Path, text: &str, mode: u32) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
    let mut file = options.open(path)?;
    // The umask has taken bits away from a new file; the script must be executable.
    #[cfg(unix)]
    file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(mode))?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

fn readme(vault: &str) -> String {
    include_str!("kit-readme.txt").replace("{vault}", vault)
}
