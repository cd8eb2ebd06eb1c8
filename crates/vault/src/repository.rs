//! An opened repository: its files, its key, its chunker.

use std::io::Read;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use holdfast_model::{Clock, Secret};
use rustic_core::repofile::{ConfigFile, KeyFile};
use rustic_core::{
    ConfigOptions, Credentials, KeyOptions, OpenStatus, Repository as Engine, RepositoryBackends,
    RepositoryOptions, RusticResult,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use zstd::bulk::{Compressor, Decompressor};

use crate::backend::{Backend, Kind};
use crate::crypto::RepositoryKey;
use crate::error::{Error, Result};
use crate::id::{FileId, sha256};
use crate::limits;
use crate::rabin::Chunker;
use crate::store::MemoryStore;

/// zstd level of index files and snapshots, and of what a repair writes anew: restic's default.
/// Writers compress content and trees at a level of their own ([`crate::Compression`]).
const ZSTD_LEVEL: i32 = 3;

/// First byte of a compressed file of the restic format v2 (`doc/design.rst`, "Unpacked Data").
const COMPRESSED: u8 = 2;

/// An opened repository.
pub(crate) struct Repository {
    pub(crate) backend: Backend,
    pub(crate) key: RepositoryKey,
    /// Cuts large content by the repository's polynomial.
    pub(crate) chunker: Chunker,
    compressors: Mutex<Vec<Compressor<'static>>>,
    decompressors: Mutex<Vec<Decompressor<'static>>>,
}

impl Repository {
    /// Opens a repository whose key is known. [`Error::Damaged`] where the key does not fit.
    pub(crate) fn open(backend: Backend, key: RepositoryKey) -> Result<Self> {
        let id = FileId([0; 32]);
        let damaged = |what: &str| Error::damaged(backend.label(Kind::Config, &id), what);
        let sealed = backend.read_file(Kind::Config, &id)?;
        let plain = key
            .decrypt(&sealed)
            .ok_or_else(|| damaged("cannot be decrypted with the key of the repository"))?;
        let config: ConfigFile = serde_json::from_slice(
            &unpack(plain, limits::SMALL).ok_or_else(|| damaged("bad compression"))?,
        )
        .map_err(|_| damaged("not a repository configuration"))?;
        if config.version != 2 {
            return Err(damaged("not version 2 of the restic format"));
        }
        let polynomial = config.poly().map_err(|_| damaged("bad chunker polynomial"))?;
        let chunker = Chunker::new(polynomial).ok_or_else(|| damaged("bad chunker polynomial"))?;
        Ok(Self {
            backend,
            key,
            chunker,
            compressors: Mutex::default(),
            decompressors: Mutex::default(),
        })
    }

    /// Makes a new repository with a key. It is made in memory first; the `config`, which makes it
    /// one, is stored last, and only one of several makers can.
    ///
    /// # Errors
    /// [`Error::RepositoryExists`] where another maker was faster.
    pub(crate) fn init(backend: &Backend, password: &Secret, key: &RepositoryKey) -> Result<()> {
        let draft = Backend::new(Arc::new(MemoryStore::new(Clock::system())), backend.name());
        let password = password.expose_str().ok_or_else(|| Error::invalid("a password is text"))?;
        let options = KeyOptions::default();
        let made = engine(&draft).and_then(|engine| {
            let master = Credentials::Masterkey(key.to_master());
            engine.init(&master, &options, &ConfigOptions::default())?.add_key(password, &options)
        });
        made.map_err(|source| Error::Engine { action: "make a repository", source })?;
        let files = draft.files(Kind::Key)?;
        for (id, _) in &files {
            let file = draft.read_file(Kind::Key, id)?;
            backend.write_file(Kind::Key, id, &[file])?;
        }
        let config = FileId([0; 32]);
        let made = draft
            .read_file(Kind::Config, &config)
            .and_then(|file| backend.write_file(Kind::Config, &config, &[file]));
        if matches!(made, Err(Error::RepositoryExists { .. })) {
            // It opens the repository too, but one is enough.
            for (id, _) in &files {
                backend.remove_file(Kind::Key, id)?;
            }
        }
        made
    }

    /// Opens a repository by its password, the slow way (scrypt: 0.3 s, 130 MB a key file). Of
    /// several key files any does: all makers use the same master key.
    pub(crate) fn open_by_password(backend: &Backend, password: &Secret) -> Result<Self> {
        let damaged =
            |what: &str| Error::damaged(format!("{}/keys", backend.name()), what.to_owned());
        let mut failure = damaged("no key file opens with the password of the repository");
        for (id, _) in backend.files(Kind::Key)? {
            match key_of_file(backend, &id, password) {
                Ok(Some(key)) => match Self::open(backend.clone(), key) {
                    Ok(repository) => return Ok(repository),
                    Err(err) => failure = err,
                },
                Ok(None) => {}
                Err(err) => failure = err,
            }
        }
        Err(failure)
    }

    /// The repository as the engine sees it.
    pub(crate) fn engine(&self) -> RusticResult<Engine<OpenStatus>> {
        engine(&self.backend)?.open(&Credentials::Masterkey(self.key.to_master()))
    }

    /// Reads an encrypted JSON file.
    pub(crate) fn load<T: DeserializeOwned>(&self, kind: Kind, id: &FileId) -> Result<T> {
        let damaged = |what: &str| Error::damaged(self.backend.label(kind, id), what);
        let sealed = self.backend.read_file(kind, id)?;
        let plain = self.key.decrypt(&sealed).ok_or_else(|| damaged("cannot be decrypted"))?;
        let json = unpack(plain, kind.json_limit()).ok_or_else(|| damaged("bad compression"))?;
        serde_json::from_slice(&json).map_err(|_| damaged("holds unexpected JSON"))
    }

    /// Writes an encrypted JSON file, durably.
    pub(crate) fn store<T: Serialize>(&self, kind: Kind, value: &T) -> Result<FileId> {
        let json = serde_json::to_vec(value).expect("our files have only strings and numbers");
        if json.len() > kind.json_limit() {
            return Err(Error::invalid(format!(
                "a file of {}/ would be longer than is read again: split it",
                kind.dir()
            )));
        }
        let plain = match kind {
            Kind::Lock => json,
            _ => [&[COMPRESSED][..], &self.compress(&json)?].concat(),
        };
        let sealed = self.key.encrypt(&plain);
        let id = FileId(sha256(&sealed));
        self.backend.write_file(kind, &id, &[Bytes::from(sealed)])?;
        Ok(id)
    }

    /// Compresses with one of the contexts that are kept: making one costs as much as using it
    /// for a small mail.
    pub(crate) fn compress(&self, data: &[u8]) -> Result<Vec<u8>> {
        let failed = |source| Error::Engine { action: "compress", source: Box::new(source) };
        let kept = take(&self.compressors);
        let mut context = kept.map_or_else(|| Compressor::new(ZSTD_LEVEL), Ok).map_err(failed)?;
        let compressed = context.compress(data).map_err(failed)?;
        give_back(&self.compressors, context);
        Ok(compressed)
    }

    /// Reverse of [`Self::compress`]; `None` where the data is not `size` bytes of zstd.
    pub(crate) fn decompress(&self, data: &[u8], size: usize) -> Option<Vec<u8>> {
        if size > limits::BLOB {
            return None;
        }
        let mut context = take(&self.decompressors).or_else(|| Decompressor::new().ok())?;
        let plain = context.decompress(data, size).ok()?;
        give_back(&self.decompressors, context);
        (plain.len() == size).then_some(plain)
    }
}

/// The key that a key file gives with a password; `None` where it is another password's.
fn key_of_file(backend: &Backend, id: &FileId, password: &Secret) -> Result<Option<RepositoryKey>> {
    let damaged = || Error::damaged(backend.label(Kind::Key, id), "is no usable key file");
    let bytes = backend.read_file(Kind::Key, id)?;
    parse_key_file(&bytes).ok_or_else(damaged)?;
    let alone = Backend::new(Arc::new(MemoryStore::new(Clock::system())), backend.name());
    alone.write_file(Kind::Key, id, &[bytes])?;
    let config = FileId([0; 32]);
    alone.write_file(Kind::Config, &config, &[backend.read_file(Kind::Config, &config)?])?;
    match engine(&alone).and_then(|engine| engine.open(&credentials(password))) {
        Ok(engine) => Ok(RepositoryKey::from_master(&engine.key())),
        Err(err) if err.is_incorrect_password() => Ok(None),
        Err(err) => Err(Error::damaged(backend.label(Kind::Key, id), err.display_log())),
    }
}

/// A key file that the engine may see: it panics on some parameters and takes any amount of memory
/// for others.
pub(crate) fn parse_key_file(bytes: &[u8]) -> Option<KeyFile> {
    serde_json::from_slice(bytes).ok().filter(is_reasonable)
}

/// Parameters of scrypt that ask for at most 1 GiB.
fn is_reasonable(key: &KeyFile) -> bool {
    key.n.is_power_of_two()
        && (2..=1 << 20).contains(&key.n)
        && (1..=8).contains(&key.r)
        && (1..=4).contains(&key.p)
}

fn take<T>(kept: &Mutex<Vec<T>>) -> Option<T> {
    kept.lock().unwrap_or_else(PoisonError::into_inner).pop()
}

fn give_back<T>(kept: &Mutex<Vec<T>>, context: T) {
    kept.lock().unwrap_or_else(PoisonError::into_inner).push(context);
}

/// The JSON of a file; `None` where it is longer than `limit` or no zstd.
pub(crate) fn unpack(plain: Vec<u8>, limit: usize) -> Option<Vec<u8>> {
    match plain.first()? {
        b'{' | b'[' => Some(plain),
        &COMPRESSED => {
            let mut json = Vec::new();
            let decoder = zstd::Decoder::with_buffer(&plain[1..]).ok()?;
            decoder.take(limit as u64 + 1).read_to_end(&mut json).ok()?;
            (json.len() <= limit).then_some(json)
        }
        _ => None,
    }
}

fn engine(backend: &Backend) -> RusticResult<Engine<()>> {
    let backends = RepositoryBackends::new(Arc::new(backend.clone()), None);
    Engine::new(&RepositoryOptions::default().no_cache(true), &backends)
}

fn credentials(password: &Secret) -> Credentials {
    Credentials::password(password.expose_str().unwrap_or_default())
}
