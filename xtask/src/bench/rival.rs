//! Stock restic over the same messages as plain files, and the bare cost of the primitives.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use aes256ctr_poly1305aes::aead::Aead;
use aes256ctr_poly1305aes::{Aes256CtrPoly1305Aes, Key, Nonce};
use anyhow::{Context, Result, anyhow};
use aws_lc_rs::digest::{SHA256, digest};
use zstd::bulk::Compressor;

use super::files;
use super::process::{Measured, measure, run};
use super::product::Shard;

/// A restic repository of its own.
pub(crate) struct Restic {
    dir: PathBuf,
}

impl Restic {
    /// A new repository of format 2 (the one with compression) in `dir`.
    pub(crate) fn init(dir: PathBuf) -> Result<Self> {
        fs::create_dir_all(&dir)?;
        let one = Self { dir };
        run(&mut one.command(&["init", "--quiet", "--repository-version", "2"]))?;
        Ok(one)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("restic");
        command.env("RESTIC_REPOSITORY", self.dir.join("repository"));
        command.env("RESTIC_CACHE_DIR", self.dir.join("cache"));
        command.env("RESTIC_PASSWORD", "measurements");
        command.args(arguments);
        command
    }

    /// A backup of a folder, and what its process used.
    pub(crate) fn back_up(&self, messages: &Path) -> Result<Measured> {
        let mut command = self.command(&["backup", "--quiet"]);
        command.arg(messages);
        measure(&command, &self.dir)
    }

    /// Files and bytes of the repository.
    pub(crate) fn stored(&self) -> Result<(usize, u64)> {
        files::size(&self.dir.join("repository"))
    }

    /// Takes it off the disk.
    pub(crate) fn remove(self) -> Result<()> {
        fs::remove_dir_all(&self.dir).context("cannot remove a repository")
    }
}

/// A borg repository of its own (encrypted, zstd level 3), where borg is installed.
pub(crate) struct Borg {
    dir: PathBuf,
    archives: u32,
}

impl Borg {
    /// A new repository in `dir`; `None` without borg.
    pub(crate) fn init(dir: PathBuf) -> Result<Option<Self>> {
        if borg_version().is_none() {
            return Ok(None);
        }
        fs::create_dir_all(&dir)?;
        let one = Self { dir, archives: 0 };
        run(&mut one.command(&["init", "--encryption", "repokey"]))?;
        Ok(Some(one))
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("borg");
        command.env("BORG_REPO", self.dir.join("repository"));
        command.env("BORG_BASE_DIR", self.dir.join("base"));
        command.env("BORG_PASSPHRASE", "measurements");
        command.args(arguments);
        command
    }

    /// A backup of a folder, and what its process used.
    pub(crate) fn back_up(&mut self, messages: &Path) -> Result<Measured> {
        self.archives += 1;
        let mut command = self.command(&["create", "--compression", "zstd,3"]);
        command.arg(format!("::{}", self.archives)).arg(messages);
        measure(&command, &self.dir)
    }

    /// Files and bytes of the repository.
    pub(crate) fn stored(&self) -> Result<(usize, u64)> {
        files::size(&self.dir.join("repository"))
    }
}

/// The version line of the borg in use, if there is one.
pub(crate) fn borg_version() -> Option<String> {
    Some(run(Command::new("borg").arg("--version")).ok()?.trim().to_owned())
}

/// The version line of the restic in use.
pub(crate) fn version() -> Result<String> {
    run(Command::new("restic").arg("version"))
}

/// Takes the newest state out of a vault with stock restic, and makes `target` equal to it: plain
/// `.eml` files without the metadata.
pub(crate) fn take_out(shard: &Shard, scratch: &Path, target: &Path) -> Result<files::Mirrored> {
    let out = scratch.join("restored");
    let mut command = Command::new("restic");
    command.env("RESTIC_PASSWORD", &shard.password);
    command.args(["--no-cache", "--no-lock", "--quiet", "restore", "latest"]);
    command.arg("--repo").arg(&shard.repository).arg("--target").arg(&out);
    run(&mut command)?;
    let done = files::mirror(&out, target);
    fs::remove_dir_all(&out)?;
    done
}

/// The primitives of the format without anything around them: SHA-256 of every message, and
/// zstd, AES-256-CTR and Poly1305-AES of each different one, messages not cut.
pub(crate) struct Bare {
    cipher: Aes256CtrPoly1305Aes,
    compressor: Compressor<'static>,
    seen: HashSet<Vec<u8>>,
}

impl Bare {
    pub(crate) fn new(level: i32) -> Result<Self> {
        Ok(Self {
            cipher: Aes256CtrPoly1305Aes::new(Key::from_slice(&[7; 64])),
            compressor: Compressor::new(level)?,
            seen: HashSet::new(),
        })
    }

    pub(crate) fn take(&mut self, message: &[u8]) -> Result<()> {
        if self.seen.insert(digest(&SHA256, message).as_ref().to_vec()) {
            let small = self.compressor.compress(message)?;
            let sealed = self.cipher.encrypt(Nonce::from_slice(&[9; 16]), small.as_slice());
            std::hint::black_box(sealed.map_err(|_| anyhow!("cannot encrypt"))?);
        }
        Ok(())
    }
}

/// Messages that the floor reads before it takes the time: the kernel counts in ticks.
const AT_ONCE: usize = 1000;

/// CPU seconds of the primitives over every message below a folder, zstd at level 3, on one
/// thread.
pub(crate) fn floor(dir: &Path) -> Result<f64> {
    let paths: Vec<PathBuf> = files::messages(dir)?.into_iter().collect();
    let mut bare = Bare::new(3)?;
    let mut used = 0;
    for some in paths.chunks(AT_ONCE) {
        let messages: Vec<_> =
            some.iter().map(|p| fs::read(dir.join(p))).collect::<Result<_, _>>()?;
        let start = thread_cpu()?;
        messages.iter().try_for_each(|message| bare.take(message))?;
        used += thread_cpu()? - start;
    }
    Ok(used as f64 / 1e9)
}

/// Nanoseconds that this thread ran (Linux, `/proc/PID/schedstat`, first field).
pub(crate) fn thread_cpu() -> Result<u64> {
    let text = fs::read_to_string("/proc/thread-self/schedstat")?;
    let first = text.split_whitespace().next().context("an empty schedstat")?;
    Ok(first.parse()?)
}
