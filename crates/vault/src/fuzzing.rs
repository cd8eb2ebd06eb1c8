//! Everything that parses stored data, as plain functions of bytes.
//!
//! They are called with coverage guidance by the targets in `fuzz/`, and with seeded mutations by
//! the tests. None may panic or take memory without limit, whatever the bytes are. Where a file is
//! encrypted the bytes are what is inside: whoever forges a repository has its key.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use bytes::Bytes;
use holdfast_model::{Clock, Secret, ShardId, Timestamp};

use crate::backend::Kind;
use crate::blobs::Blobs;
use crate::cut::{self, Cut};
use crate::fanout::Fanout;
use crate::id::{FileId, TreeId, sha256};
use crate::index::IndexFiles;
use crate::node::{Node, parse_tree, serialize_tree};
use crate::pack::{BlobKind, PackedBlob, parse_header};
use crate::repository::{Repository, unpack};
use crate::snapshot::{SnapshotKind, Tags};
use crate::store::{MemoryStore, Store};
use crate::vault::Vault;
use crate::{VaultSecret, index, keys, limits, lock, shard};

/// A target: its name, what it does with bytes, and examples of sound input.
pub struct Target {
    /// Name of the target in `fuzz/`.
    pub name: &'static str,
    /// Takes any bytes.
    pub run: fn(&[u8]),
    /// Sound inputs, from which mutations begin.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

/// All of them.
pub const TARGETS: [Target; 12] = [
    Target { name: "pack_header", run: pack_header, seeds: pack_seeds },
    Target { name: "index_file", run: index_file, seeds: || seeds_of(Kind::Index) },
    Target { name: "snapshot", run: snapshot, seeds: || seeds_of(Kind::Snapshot) },
    Target { name: "config", run: config, seeds: config_seeds },
    Target { name: "lock_file", run: lock_file, seeds: lock_seeds },
    Target { name: "key_file", run: key_file, seeds: || vec![stored("shards/1/keys")] },
    Target { name: "sealed_key", run: sealed_key, seeds: || vec![stored("keys")] },
    Target { name: "vault_file", run: vault_file, seeds: vault_seeds },
    Target { name: "control_head", run: control_head, seeds: || vec![stored("control/heads")] },
    Target { name: "tree", run: tree, seeds: tree_seeds },
    Target { name: "mime", run: mime, seeds: mime_seeds },
    Target { name: "zstd_frame", run: zstd_frame, seeds: zstd_seeds },
];

/// A vault in memory with a shard, a snapshot and a state of intent.
struct Sound {
    store: Arc<MemoryStore>,
    vault: Vault,
    secret: VaultSecret,
    repository: Arc<Repository>,
}

/// The vault that all targets share, one at a time.
fn sound() -> MutexGuard<'static, Sound> {
    static SOUND: OnceLock<Mutex<Sound>> = OnceLock::new();
    let sound = SOUND.get_or_init(|| Mutex::new(Sound::new().expect("memory holds a vault")));
    sound.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Sound {
    fn new() -> crate::Result<Self> {
        let clock = Clock::manual(Timestamp::UNIX_EPOCH);
        let store = Arc::new(MemoryStore::new(clock.clone()));
        let shared: Arc<dyn Store> = Arc::<MemoryStore>::clone(&store);
        let (vault, secret) = Vault::create_in(shared, &passphrase(), clock)?;
        vault.create_shard(ShardId(1))?;
        vault.control()?.save(&[("a/b".to_owned(), Some(b"intent".to_vec()))])?;
        let shard = vault.shard(ShardId(1))?;
        let writer = shard.writer()?;
        let mut edit = writer.edit(None, Fanout::FLAT);
        for n in 0..3_u8 {
            let content = writer.put(&[n; 3_000], Cut::Whole)?;
            let node = Node::file(format!("{n}\"\n"), content, Timestamp::UNIX_EPOCH);
            edit.put(&["d"], node.with_meta("{}"))?;
        }
        let tags = Tags {
            seq: holdfast_model::Seq(1),
            prev: None,
            fence: holdfast_model::Fence(1),
            run: "r".into(),
            kind: SnapshotKind::Final,
            rewrite: 0,
        };
        writer.snapshot(edit.save()?, &tags, Timestamp::UNIX_EPOCH, "h", &["/".to_owned()])?;
        drop(edit);
        drop(writer);
        let repository = Arc::clone(shard.repository());
        Ok(Self { store, vault, secret, repository })
    }

    /// Stores a file with these bytes inside, looks on, removes it.
    fn with_file(&self, kind: Kind, plain: &[u8], look: impl FnOnce(&FileId)) {
        let id = forge(&self.repository, kind, plain).expect("memory takes files");
        look(&id);
        let _ = self.repository.backend.remove_file(kind, &id);
    }
}

fn passphrase() -> Secret {
    Secret::new("p")
}

/// Writes a file with any bytes inside.
fn forge(repository: &Repository, kind: Kind, plain: &[u8]) -> crate::Result<FileId> {
    let sealed = repository.key.encrypt(plain);
    let id = FileId(sha256(&sealed));
    repository.backend.write_file(kind, &id, &[Bytes::from(sealed)])?;
    Ok(id)
}

/// Writes files into a shard whose content nobody would write.
pub struct Forger(Arc<Repository>);

impl Forger {
    /// For a shard.
    pub fn of_shard(shard: &crate::Shard) -> Self {
        Self(Arc::clone(shard.repository()))
    }

    /// For the control repository.
    pub fn of_control(control: &crate::Control) -> Self {
        Self(Arc::clone(control.repository()))
    }

    /// An index file with these bytes inside.
    pub fn index(&self, plain: &[u8]) -> crate::Result<FileId> {
        forge(&self.0, Kind::Index, plain)
    }

    /// A snapshot with these bytes inside.
    pub fn snapshot(&self, plain: &[u8]) -> crate::Result<FileId> {
        forge(&self.0, Kind::Snapshot, plain)
    }

    /// The bytes inside a file.
    pub fn plain(&self, key: &str) -> crate::Result<Vec<u8>> {
        let sealed = self.0.backend.store().get(key)?.unwrap_or_default();
        Ok(self.0.key.decrypt(&sealed).unwrap_or_default())
    }

    /// A tree that is what it is said to be, in a pack and index of its own.
    pub fn trees(&self, trees: &[Vec<u8>]) -> crate::Result<Vec<TreeId>> {
        let mut pack = crate::pack::PackBuilder::new(BlobKind::Tree);
        let mut ids = Vec::new();
        for bytes in trees {
            let id = sha256(bytes);
            let sealed = self.0.key.encrypt(&self.0.compress(bytes)?);
            let (length, size) = (sealed.len() as u32, Some(bytes.len() as u32));
            pack.add(Bytes::from(sealed), &[PackedBlob { id, offset: 0, length, size }]);
            ids.push(TreeId(id));
        }
        let (parts, info) = pack.seal(&self.0.key);
        self.0.backend.write_file(Kind::Pack, &info.id, &parts)?;
        index::write(&self.0, &[info])?;
        Ok(ids)
    }
}

/// A pack as it lies in the store, and a pack with this header.
pub fn pack_header(data: &[u8]) {
    let sound = sound();
    let key = &sound.repository.key;
    parse_header(data, key);
    let (length, header) = data.split_at(data.len().min(2));
    let length = length.iter().fold(0, |n, byte| n << 8 | usize::from(*byte));
    let mut pack = vec![0; length];
    let header = key.encrypt(header);
    pack.extend_from_slice(&header);
    pack.extend_from_slice(&(header.len() as u32).to_le_bytes());
    if let Some(blobs) = parse_header(&pack, key) {
        let end = blobs.last().map_or(0, |(_, blob)| blob.offset + blob.length);
        assert_eq!(end as usize, length, "blobs outside of their pack");
    }
}

/// An index file, and the blobs that it names.
pub fn index_file(data: &[u8]) {
    let sound = sound();
    sound.with_file(Kind::Index, data, |id| {
        let Ok(files) = IndexFiles::read_listed(&sound.repository, [*id]) else { return };
        let Ok(blobs) = Blobs::load(Arc::clone(&sound.repository)) else { return };
        for pack in files.in_force.into_iter().flat_map(|(_, file)| file.packs) {
            for blob in pack.blobs.iter().take(8) {
                if let Ok(bytes) = blobs.read(pack.kind, &blob.id) {
                    assert_eq!(sha256(&bytes), blob.id, "wrong bytes");
                }
            }
        }
    });
}

/// A snapshot, as the history of a shard is read.
pub fn snapshot(data: &[u8]) {
    let sound = sound();
    sound.with_file(Kind::Snapshot, data, |_| {
        for found in shard::snapshots(&sound.repository).unwrap_or_default() {
            let next = found.tags.seq.0 + 1;
            assert!(next > found.tags.seq.0 && found.tags.fence.0 < u64::MAX);
        }
    });
}

/// A repository's configuration.
pub fn config(data: &[u8]) {
    let sound = sound();
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new(Clock::manual(Timestamp::UNIX_EPOCH)));
    let backend = crate::backend::Backend::new(store, "shards/1");
    let sealed = Bytes::from(sound.repository.key.encrypt(data));
    let id = FileId([0; 32]);
    backend.write_file(Kind::Config, &id, &[sealed]).expect("memory takes files");
    if let Ok(repository) = Repository::open(backend, sound.repository.key.clone()) {
        let content = data.repeat((1 << 20) / data.len().max(1));
        assert_pieces(&content, Cut::Whole, &repository);
    }
}

/// A restic lock, as a new writer looks through them.
pub fn lock_file(data: &[u8]) {
    let sound = sound();
    sound.with_file(Kind::Lock, data, |_| {
        let clock = sound.vault.clock();
        let host = sound.vault.lock_host();
        lock::sweep_locks(&sound.repository, &host, clock, true).expect("memory removes files");
    });
}

/// A key file of restic's.
pub fn key_file(data: &[u8]) {
    let sound = sound();
    // Higher costs are believed too, but take too long here.
    if crate::repository::parse_key_file(data).is_some_and(|file| file.n > 16 || file.r > 1) {
        return;
    }
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new(Clock::manual(Timestamp::UNIX_EPOCH)));
    let backend = crate::backend::Backend::new(store, "shards/1");
    let id = FileId([0; 32]);
    let config = sound.repository.backend.read_file(Kind::Config, &id).expect("is sound");
    backend.write_file(Kind::Config, &id, &[config]).expect("memory takes files");
    let id = FileId(sha256(data));
    backend
        .write_file(Kind::Key, &id, &[Bytes::copy_from_slice(data)])
        .expect("memory takes files");
    let _ = Repository::open_by_password(&backend, &passphrase());
}

/// A key sealed under the vault secret.
pub fn sealed_key(data: &[u8]) {
    let sound = sound();
    let store = MemoryStore::new(Clock::manual(Timestamp::UNIX_EPOCH));
    store.replace("keys/1.json", &Bytes::copy_from_slice(data)).expect("memory takes files");
    if let Ok(Some(key)) = keys::load(&store, &sound.secret, "1") {
        assert_eq!(key.as_bytes(), sound.repository.key.as_bytes(), "another key");
    }
}

/// As it is, and with the checksum that its other values ask for.
pub fn vault_file(data: &[u8]) {
    let sound = sound();
    let mended = serde_json::from_slice(data).ok().map(|mut json: serde_json::Value| {
        if let Some(sum) = json.get_mut("sha256") {
            *sum = "".into();
            let checksum =
                hex::encode(sha256(&serde_json::to_vec_pretty(&json).unwrap_or_default()));
            json["sha256"] = checksum.into();
        }
        serde_json::to_vec_pretty(&json).unwrap_or_default()
    });
    for bytes in [Some(data.to_vec()), mended].into_iter().flatten() {
        let store = Arc::new(MemoryStore::new(Clock::manual(Timestamp::UNIX_EPOCH)));
        store.replace("vault.json", &Bytes::from(bytes)).expect("memory takes files");
        let clock = sound.vault.clock().clone();
        let _ = Vault::open_in(store, sound.secret.clone(), clock);
    }
}

/// A file that names the present state of intent.
pub fn control_head(data: &[u8]) {
    let sound = sound();
    let key = format!("control/heads/{:020}", 2);
    sound.store.replace(&key, &Bytes::copy_from_slice(data)).expect("memory takes files");
    if let Ok(control) = sound.vault.control() {
        let state = control.load().unwrap_or_default();
        assert!(state.values().all(|value| value == b"intent"), "another state");
        let _ = control.check(false);
    }
    sound.store.remove(&key).expect("memory removes files");
}

/// A tree.
pub fn tree(data: &[u8]) {
    let Ok(mut nodes) = parse_tree(TreeId([0; 32]), data) else { return };
    nodes.sort_by(|a, b| a.name.cmp(&b.name));
    let (bytes, id) = serialize_tree(nodes.iter());
    if let Ok(again) = parse_tree(id, &bytes) {
        assert_eq!(again.len(), nodes.len(), "nodes were lost");
    }
}

/// A message that is cut into blobs.
pub fn mime(data: &[u8]) {
    assert_pieces(data, Cut::Mime, &sound().repository);
}

fn assert_pieces(content: &[u8], cut: Cut, repository: &Repository) {
    let mut end = 0;
    for piece in cut::pieces(content, cut, &repository.chunker) {
        assert!(piece.start == end && piece.end > end, "a gap or an empty piece");
        end = piece.end;
    }
    assert_eq!(end, content.len(), "the pieces are not the content");
}

/// A frame with a size that may be a lie, and a file of the format v2.
pub fn zstd_frame(data: &[u8]) {
    let sound = sound();
    if let Some((size, frame)) = data.split_first_chunk::<4>() {
        let size = u32::from_le_bytes(*size) as usize;
        if let Some(plain) = sound.repository.decompress(frame, size) {
            assert!(plain.len() == size && size <= limits::BLOB, "another size");
        }
    }
    let file = [&[2], data].concat();
    assert!(unpack(file, 1 << 16).is_none_or(|plain| plain.len() <= 1 << 16), "no limit");
}

/// The bytes of the first file below a prefix.
fn stored(prefix: &str) -> Vec<u8> {
    let store = Arc::clone(&sound().store);
    let first = store.list(prefix).ok().and_then(|files| files.into_iter().next());
    first.and_then(|file| store.get(&file.key).ok().flatten()).unwrap_or_default().to_vec()
}

/// What is inside the files of a kind: as JSON and as it is stored.
fn seeds_of(kind: Kind) -> Vec<Vec<u8>> {
    let sound = sound();
    let files = sound.repository.backend.files(kind).unwrap_or_default();
    let plain = |id| {
        let sealed = sound.repository.backend.read_file(kind, &id).ok()?;
        sound.repository.key.decrypt(&sealed)
    };
    let stored: Vec<_> = files.into_iter().filter_map(|(id, _)| plain(id)).collect();
    let json = stored.iter().filter_map(|bytes| unpack(bytes.clone(), 1 << 20));
    json.chain(stored.iter().cloned()).collect()
}

fn config_seeds() -> Vec<Vec<u8>> {
    let sealed = stored("shards/1/config");
    let sealed = match sealed.is_empty() {
        true => sound().store.get("shards/1/config").ok().flatten().unwrap_or_default().to_vec(),
        false => sealed,
    };
    let plain = sound().repository.key.decrypt(&sealed).unwrap_or_default();
    vec![unpack(plain.clone(), 1 << 20).unwrap_or_default(), plain]
}

fn lock_seeds() -> Vec<Vec<u8>> {
    let host = sound().vault.lock_host();
    vec![
        format!(
            r#"{{"time":"2026-01-01T00:00:00Z","exclusive":false,"hostname":"{host}","pid":1}}"#
        )
        .into_bytes(),
    ]
}

fn pack_seeds() -> Vec<Vec<u8>> {
    let entry = |kind: u8, rest: &[u8]| [&[kind], rest, &[7; 32]].concat();
    let plain = entry(0, &40_u32.to_le_bytes());
    let packed = entry(2, &[40_u32.to_le_bytes(), 900_u32.to_le_bytes()].concat());
    vec![
        [&[0, 80], plain.as_slice(), &packed].concat(),
        [&[255, 255], plain.as_slice()].concat(),
        stored("shards/1/data"),
    ]
}

fn vault_seeds() -> Vec<Vec<u8>> {
    vec![sound().store.get("vault.json").ok().flatten().unwrap_or_default().to_vec()]
}

fn tree_seeds() -> Vec<Vec<u8>> {
    let content = crate::Content { blobs: vec![crate::BlobId([3; 32]); 2], size: 9 };
    let file = Node::file("a\\\"\u{e9}\n", content, Timestamp::UNIX_EPOCH).with_meta("{\"a\":1}");
    let kind = crate::NodeKind::Dir { tree: Some(TreeId([1; 32])) };
    let dir = Node { kind, ..Node::dir("d", Timestamp::UNIX_EPOCH) };
    vec![serialize_tree([&file, &dir].into_iter()).0]
}

fn mime_seeds() -> Vec<Vec<u8>> {
    let body = "QUJD".repeat(5_000);
    let message = format!(
        "Subject: x\r\nContent-Type: multipart/mixed;\r\n boundary=\"b b\"\r\n\r\n--b b\r\n\
         Content-Type: message/rfc822\r\n\r\nContent-Type: multipart/related; boundary=c\r\n\r\n\
         --c\r\nContent-Transfer-Encoding: base64\r\n\r\n{body}\r\n--c--\r\n--b b\r\n\r\nend\r\n\
         --b b--\r\n"
    );
    vec![message.replace("QUJD", "").into_bytes(), message.into_bytes()]
}

fn zstd_seeds() -> Vec<Vec<u8>> {
    let frame = |data: &[u8]| {
        let packed = sound().repository.compress(data).unwrap_or_default();
        [&(data.len() as u32).to_le_bytes()[..], &packed].concat()
    };
    vec![frame(b"some text, some text"), frame(&[0; 1 << 20]), frame(&[])]
}
