//! Flipped bits in every kind of file: each is found by the check with all data, no wrong byte is
//! ever given out, and what is not damaged can be restored.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use holdfast_vault::{BlobId, ErrorKind, MemoryStore, NodeKind, Reader, Result, Store, TreeId};
use rand::Rng;
use rand::seq::IndexedRandom;

use super::campaign::{Ledger, OnPanic, amount, content, first_seed, run};
use super::*;

/// Where a bit is flipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    DataBlob,
    TreeBlob,
    PackHeader,
    Index,
    Snapshot,
    Key,
    Config,
    SealedKey,
    VaultFile,
    ControlHead,
}

const PLACES: [Place; 10] = [
    Place::DataBlob,
    Place::TreeBlob,
    Place::PackHeader,
    Place::Index,
    Place::Snapshot,
    Place::Key,
    Place::Config,
    Place::SealedKey,
    Place::VaultFile,
    Place::ControlHead,
];

/// A sound vault in memory, and what is in it.
struct Sound {
    store: Arc<MemoryStore>,
    secret: VaultSecret,
    ledger: Ledger,
    packs: Vec<Pack>,
}

/// A pack: its key, whether it holds trees, its size and where its header begins.
struct Pack {
    key: String,
    trees: bool,
    header: usize,
    size: usize,
}

impl Sound {
    fn new() -> Self {
        let store = Arc::new(MemoryStore::new(Clock::manual(time(0))));
        let shared = Arc::<MemoryStore>::clone(&store);
        let (vault, secret) =
            Vault::create_in(shared, &passphrase(), Clock::manual(time(0))).unwrap();
        vault.create_shard(SHARD).unwrap();
        let (mut rng, mut ledger) = (ChaCha8Rng::seed_from_u64(0), Ledger::default());
        for n in 0..4_u8 {
            run(&vault, &mut rng, &mut ledger).unwrap();
            let control = vault.control().unwrap();
            control.save(&[("state".to_owned(), Some(vec![n]))]).unwrap();
        }
        let mut sound = Self { store, secret, ledger, packs: Vec::new() };
        sound.packs = sound.keys("shards/1/data").iter().map(|key| sound.pack(key)).collect();
        sound
    }

    fn keys(&self, prefix: &str) -> Vec<String> {
        let files = self.store.list(prefix).unwrap();
        files.into_iter().map(|file| file.key).collect()
    }

    /// A pack holds trees where damage to all of its blobs leaves no tree to be read.
    fn pack(&self, key: &str) -> Pack {
        let bytes = self.store.get(key).unwrap().unwrap();
        let length = u32::from_le_bytes(bytes[bytes.len() - 4..].try_into().unwrap()) as usize;
        let header = bytes.len() - 4 - length;
        let mut flipped = bytes.to_vec();
        flipped[..header].iter_mut().for_each(|byte| *byte ^= 1);
        let trees = self.with(key, &flipped, || {
            let reader = self.vault().unwrap().shard(SHARD).unwrap().reader().unwrap();
            let found: Vec<_> =
                self.ledger.trees.keys().map(|tree| directories(&reader, *tree)).collect();
            found.iter().any(|found| found.1 > 0)
        });
        Pack { key: key.to_owned(), trees, header, size: bytes.len() }
    }

    fn vault(&self) -> Result<Vault> {
        let store = Arc::<MemoryStore>::clone(&self.store);
        Vault::open_in(store, self.secret.clone(), Clock::manual(time(9)))
    }

    /// Does something while a file is damaged.
    fn with<T>(&self, key: &str, damaged: &[u8], act: impl FnOnce() -> T) -> T {
        let sound = self.store.get(key).unwrap().unwrap();
        self.store.replace(key, &Bytes::copy_from_slice(damaged)).unwrap();
        let outcome = act();
        self.store.replace(key, &sound).unwrap();
        outcome
    }

    /// A bit of a place: the file, and the number of the bit.
    fn bit(&self, place: Place, rng: &mut ChaCha8Rng) -> (String, usize) {
        let keys = match place {
            Place::DataBlob | Place::TreeBlob | Place::PackHeader => {
                let fits = |pack: &&Pack| match place {
                    Place::DataBlob => !pack.trees,
                    Place::TreeBlob => pack.trees,
                    _ => true,
                };
                let packs: Vec<&Pack> = self.packs.iter().filter(fits).collect();
                let pack = packs.choose(rng).unwrap();
                let bytes = match place {
                    Place::PackHeader => pack.header..pack.size,
                    _ => 0..pack.header,
                };
                return (pack.key.clone(), rng.random_range(bytes.start * 8..bytes.end * 8));
            }
            Place::Index => self.keys("shards/1/index"),
            Place::Snapshot => self.keys("shards/1/snapshots"),
            Place::Key => self.keys("shards/1/keys"),
            Place::Config => vec!["shards/1/config".to_owned()],
            Place::SealedKey => vec!["keys/1.json".to_owned()],
            Place::VaultFile => vec!["vault.json".to_owned()],
            Place::ControlHead => self.keys("control/heads"),
        };
        let key = keys.choose(rng).unwrap().clone();
        let size = self.store.get(&key).unwrap().unwrap().len();
        (key, rng.random_range(0..size * 8))
    }

    /// The check must find it; reading must never lie.
    fn flip(&self, place: Place, rng: &mut ChaCha8Rng, figures: &mut Figures) {
        let (key, bit) = self.bit(place, rng);
        let mut flipped = self.store.get(&key).unwrap().unwrap().to_vec();
        flipped[bit / 8] ^= 1 << (bit % 8);
        self.with(&key, &flipped, || {
            let shard = self.vault().and_then(|vault| vault.shard(SHARD));
            assert!(self.is_found(&shard), "{place:?}: bit {bit} of {key} is not found");
            let (damaged, read) = self.read_all(place, shard);
            figures.flips += 1;
            figures.damaged += damaged;
            figures.read += read;
        });
    }

    /// By opening, or by the checks of the shard and of the control repository.
    fn is_found(&self, shard: &Result<Shard>) -> bool {
        let shard = match shard {
            Ok(shard) => shard,
            Err(err) => return err.kind() == ErrorKind::Damaged,
        };
        let control = self.vault().unwrap().control().and_then(|control| control.check(true));
        [shard.check(true), control].iter().any(|report| match report {
            Ok(report) => !report.errors.is_empty(),
            Err(err) => err.kind() == ErrorKind::Damaged,
        })
    }

    /// Files that cannot be restored, and those that are right.
    fn read_all(&self, place: Place, shard: Result<Shard>) -> (u64, u64) {
        let reader = match shard.and_then(|shard| shard.reader()) {
            Ok(reader) => reader,
            Err(err) => {
                assert_eq!(err.kind(), ErrorKind::Damaged, "{err}");
                // The recovery kit and stock restic open the shards without vault.json.
                assert!(matches!(place, Place::Config | Place::VaultFile), "{place:?}: {err}");
                return (self.ledger.trees.len() as u64, 0);
            }
        };
        let (mut bad_blobs, mut bad_trees, mut read) = (Vec::new(), 0, 0);
        for tree in self.ledger.trees.keys() {
            let (files, unreadable) = directories(&reader, *tree);
            bad_trees += unreadable;
            for (name, blobs, bytes) in files {
                match bytes {
                    Some(bytes) => assert!(bytes == content(&name), "{place:?}: wrong bytes"),
                    None => bad_blobs.push(blobs),
                }
                read += u64::from(bad_blobs.is_empty());
            }
        }
        // One blob or one tree is damaged; what does not lean on it is there.
        if let Some((first, others)) = bad_blobs.split_first() {
            assert_eq!(place, Place::DataBlob);
            let shared = |blob: &&BlobId| others.iter().all(|blobs| blobs.contains(blob));
            assert!(first.iter().any(|blob| shared(&blob)), "more than one blob is lost");
        }
        assert!(bad_trees == 0 || place == Place::TreeBlob, "{place:?}: a tree is lost");
        (bad_blobs.len() as u64 + bad_trees, read)
    }
}

type File = (String, Vec<BlobId>, Option<Vec<u8>>);

/// The files below a tree, without content where they are damaged, and the number of trees that
/// cannot be read.
fn directories(reader: &Reader, tree: TreeId) -> (Vec<File>, u64) {
    let (mut files, mut unreadable, mut queue) = (Vec::new(), HashSet::new(), vec![tree]);
    while let Some(tree) = queue.pop() {
        let nodes = match reader.list(tree) {
            Ok(nodes) => nodes,
            Err(err) => {
                assert_eq!(err.kind(), ErrorKind::Damaged, "{err}");
                unreadable.insert(tree);
                continue;
            }
        };
        for node in nodes {
            match &node.kind {
                NodeKind::Dir { tree } => queue.extend(*tree),
                NodeKind::File { content, .. } => {
                    let bytes = reader.bytes(&node);
                    if let Err(err) = &bytes {
                        assert_eq!(err.kind(), ErrorKind::Damaged, "{err}");
                    }
                    files.push((node.name.clone(), content.clone(), bytes.ok()));
                }
            }
        }
    }
    (files, unreadable.len() as u64)
}

/// What a campaign came to.
#[derive(Clone, Copy, Debug, Default)]
struct Figures {
    flips: u64,
    /// Files and trees that could not be read.
    damaged: u64,
    /// Files that were read and compared.
    read: u64,
}

#[test]
fn flipped_bits_are_found_and_never_restored() {
    let (flips, from) = (amount("HOLDFAST_SOAK_FLIPS", 6), first_seed());
    let (sound, mut figures) = (Sound::new(), BTreeMap::new());
    for place in PLACES {
        let mut of_place = Figures::default();
        for seed in from..from + flips {
            let _seed = OnPanic(format!("flips: {place:?}, seed {seed}"));
            let mut rng = ChaCha8Rng::seed_from_u64(seed * 16 + place as u64);
            sound.flip(place, &mut rng, &mut of_place);
        }
        println!("flips: {place:?} from seed {from}: {of_place:?}");
        figures.insert(place, of_place);
    }
    sound.ledger.verify(&sound.vault().unwrap()).unwrap();
    assert!(figures.values().all(|found| found.flips == flips));
    assert!(figures[&Place::DataBlob].damaged > 0 && figures[&Place::TreeBlob].damaged > 0);
}
