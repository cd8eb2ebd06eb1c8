//! Tests of the vault from outside, with stock `restic` as the judge where it is installed.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "all of this is test code")]

mod azure;
mod campaign;
mod campaign_faults;
mod campaign_flips;
mod campaign_full;
mod campaign_fuzz;
mod campaign_kill;
mod campaign_power;
mod control;
mod copies;
mod corpus;
mod cost;
mod damage;
mod edits;
mod erase;
mod exclusion;
mod faulty;
mod freed;
mod history;
mod locked;
mod locks;
mod maintain;
mod prune;
mod repair;
mod restic;
mod s3;
mod store;
mod stores;
mod vaults;

use std::path::{Path, PathBuf};

use holdfast_model::{Clock, Fence, Secret, Seq, ShardId, Timestamp};
use holdfast_vault::{Shard, SnapshotKind, Tags, Vault, VaultSecret};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

const SHARD: ShardId = ShardId(1);

/// A vault with one shard in a temporary folder.
struct Fixture {
    dir: tempfile::TempDir,
    vault: Vault,
    secret: VaultSecret,
    clock: Clock,
}

impl Fixture {
    fn new() -> Self {
        Self::with_clock(Clock::manual(time(0)))
    }

    fn with_clock(clock: Clock) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("vault");
        let (vault, secret) = Vault::create(&path, &passphrase(), clock.clone()).unwrap();
        vault.create_shard(SHARD).unwrap();
        Self { dir, vault, secret, clock }
    }

    fn shard(&self) -> Shard {
        self.vault.shard(SHARD).unwrap()
    }

    fn path(&self) -> &Path {
        self.vault.store().folder().unwrap()
    }

    fn shard_path(&self) -> PathBuf {
        self.path().join("shards/1")
    }
}

fn passphrase() -> Secret {
    Secret::new("correct horse battery staple")
}

/// A moment some seconds after a fixed one.
fn time(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + seconds).unwrap()
}

fn tags(seq: u64) -> Tags {
    Tags {
        seq: Seq(seq),
        prev: (seq > 1).then(|| Seq(seq - 1)),
        fence: Fence(7),
        run: "0199-run".into(),
        kind: SnapshotKind::Final,
        rewrite: 0,
    }
}

fn random_bytes(seed: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    ChaCha8Rng::seed_from_u64(seed).fill(bytes.as_mut_slice());
    bytes
}

/// A file node of a content that was put.
fn file(name: &str, content: holdfast_vault::Content) -> holdfast_vault::Node {
    holdfast_vault::Node::file(name, content, time(60))
}
