//! Signatures, bodies follow in the next commit.
#![allow(missing_docs, unused_variables, clippy::unimplemented, clippy::needless_pass_by_value)]
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use holdfast_model::{Clock, Secret, ShardId, Timestamp};
use crate::*;

#[derive(Clone)]
pub struct Vault(Arc<()>);
impl Vault {
    pub fn create(dir: &Path, passphrase: &Secret, clock: Clock) -> Result<(Vault, VaultSecret)> { unimplemented!() }
    pub fn unlock(dir: &Path, passphrase: &Secret) -> Result<VaultSecret> { unimplemented!() }
    pub fn open(dir: &Path, secret: VaultSecret, clock: Clock) -> Result<Vault> { unimplemented!() }
    pub fn id(&self) -> &str { unimplemented!() }
    pub fn dir(&self) -> &Path { unimplemented!() }
    pub fn shard_ids(&self) -> Result<Vec<ShardId>> { unimplemented!() }
    pub fn create_shard(&self, id: ShardId) -> Result<()> { unimplemented!() }
    pub fn shard(&self, id: ShardId) -> Result<Shard> { unimplemented!() }
    pub fn shard_location(&self, id: ShardId) -> PathBuf { unimplemented!() }
    pub fn shard_password(&self, id: ShardId) -> Secret { unimplemented!() }
    pub fn control(&self) -> Result<Control> { unimplemented!() }
    pub fn recovery_kit(&self, dir: &Path) -> Result<Vec<PathBuf>> { unimplemented!() }
    pub fn verify_kit(&self, dir: &Path) -> Result<()> { unimplemented!() }
    pub fn secret_from_kit(dir: &Path) -> Result<VaultSecret> { unimplemented!() }
}
#[derive(Clone)]
pub struct VaultSecret([u8; 32]);
impl VaultSecret {
    pub fn from_bytes(bytes: [u8; 32]) -> Self { unimplemented!() }
    pub fn expose(&self) -> &[u8; 32] { unimplemented!() }
}
#[derive(Clone)]
pub struct Control(Arc<()>);
impl Control {
    pub fn load(&self) -> Result<BTreeMap<String, Vec<u8>>> { unimplemented!() }
    pub fn save(&self, changes: &[(String, Option<Vec<u8>>)]) -> Result<()> { unimplemented!() }
}
#[derive(Clone)]
pub struct Shard(Arc<()>);
impl Shard {
    pub fn id(&self) -> ShardId { unimplemented!() }
    pub fn snapshots(&self) -> Result<Vec<Snapshot>> { unimplemented!() }
    pub fn reader(&self) -> Result<Reader> { unimplemented!() }
    pub fn writer(&self) -> Result<Writer> { unimplemented!() }
    pub fn check(&self, read_data: bool) -> Result<CheckReport> { unimplemented!() }
}
#[derive(Clone, Debug, Default)]
pub struct CheckReport { pub snapshots: u64, pub trees: u64, pub blobs: u64, pub packs: u64, pub orphan_packs: u64, pub bytes: u64, pub errors: Vec<String> }
#[derive(Clone)]
pub struct Reader(Arc<()>);
impl Reader {
    pub fn node(&self, root: TreeId, path: &[&str]) -> Result<Option<Node>> { unimplemented!() }
    pub fn item(&self, root: TreeId, folder: &[&str], name: &str, fanout: &Fanout) -> Result<Option<Node>> { unimplemented!() }
    pub fn list(&self, tree: TreeId) -> Result<Vec<Node>> { unimplemented!() }
    pub fn read(&self, node: &Node, out: &mut dyn Write) -> Result<u64> { unimplemented!() }
    pub fn bytes(&self, node: &Node) -> Result<Vec<u8>> { unimplemented!() }
}
pub struct Writer(Arc<()>);
impl Writer {
    pub fn reader(&self) -> Reader { unimplemented!() }
    pub fn put(&self, content: &[u8], cut: Cut) -> Result<Content> { unimplemented!() }
    pub fn edit(&self, root: Option<TreeId>, fanout: Fanout) -> Edit<'_> { unimplemented!() }
    pub fn snapshot(&self, tree: TreeId, tags: &Tags, time: Timestamp, hostname: &str, paths: &[String]) -> Result<Snapshot> { unimplemented!() }
    pub fn stats(&self) -> WriterStats { unimplemented!() }
}
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WriterStats { pub blobs_new: u64, pub blobs_reused: u64, pub trees_new: u64, pub bytes_in: u64, pub bytes_new: u64, pub bytes_stored: u64, pub packs: u64 }
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut { Whole, Mime }
pub struct Edit<'w>(&'w Writer);
impl Edit<'_> {
    pub fn get(&mut self, path: &[&str]) -> Result<Option<Node>> { unimplemented!() }
    pub fn put(&mut self, dir: &[&str], node: Node) -> Result<()> { unimplemented!() }
    pub fn remove(&mut self, path: &[&str]) -> Result<Option<Node>> { unimplemented!() }
    pub fn get_item(&mut self, folder: &[&str], name: &str) -> Result<Option<Node>> { unimplemented!() }
    pub fn put_item(&mut self, folder: &[&str], node: Node) -> Result<()> { unimplemented!() }
    pub fn remove_item(&mut self, folder: &[&str], name: &str) -> Result<Option<Node>> { unimplemented!() }
    pub fn flush(&mut self) -> Result<()> { unimplemented!() }
    pub fn save(&mut self) -> Result<TreeId> { unimplemented!() }
}
