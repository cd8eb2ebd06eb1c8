//! Vaults: where backups are kept, in a form that stock `restic` reads.
//!
//! A [`Vault`] is a [`Store`] (a folder, a bucket) with a secret, numbered [`Shard`]s and a [`Control`] repository. Each
//! of these is a restic repository (format version 2). A [`Writer`] stores content and trees and
//! ends with a [`Snapshot`]; an [`Edit`] changes a tree at a cost that follows the change; a
//! [`Reader`] brings items back.
//!
//! The crate is synchronous: it uses the threads of its callers. It knows nothing of Graph, SQL
//! or mail, but for the rule by which messages are cut into blobs ([`Cut::Mime`]). It is the only
//! crate that names `rustic_core`, with which repositories are made, opened by password and
//! checked; what is read and written every day goes through our own code, which verifies each
//! blob against its name and names the damaged file in its errors.
//!
//! What lies on disk is described in `docs/format.md`.

mod audit;
mod backend;
mod blobs;
mod check;
mod compression;
mod control;
mod crypto;
mod cut;
mod edit;
mod error;
mod extend;
mod fanout;
#[doc(hidden)]
pub mod fuzzing;
mod graft;
mod id;
mod index;
mod instance;
mod keys;
mod kit;
mod limits;
mod lock;
mod maintain;
mod mime;
mod node;
mod pack;
mod rabin;
mod reader;
mod repository;
mod shard;
mod snapshot;
mod store;
mod usage;
mod vault;
mod writer;

pub use audit::{AuditKey, audit_signature_holds};
pub use check::{CheckReport, DamagedItem, ReadData};
pub use compression::Compression;
pub use control::Control;
pub use crypto::VaultSecret;
pub use cut::{CUT_RULE, Cut};
pub use edit::Edit;
pub use error::{Error, ErrorKind, Result};
pub use extend::{ExtendReport, LockReport};
pub use fanout::{Fanout, Fanouts};
pub use graft::Grafted;
pub use id::{BlobId, TreeId};
pub use maintain::{
    CopyReport, EraseReport, ErasedItems, ForgetReport, LinkedVersions, MendReport, PruneOptions,
    PruneReport, RepairIndexReport, RepairSnapshotsReport, ThinReport,
};
pub use node::{Content, MAX_META_BYTES, META_XATTR, Node, NodeKind};
pub use reader::Reader;
pub use shard::Shard;
pub use snapshot::{Snapshot, SnapshotKind, Tags};
pub use store::{
    AzureLocation, Bandwidth, Creation, Credentials, FileVersion, Guard, LocalStore, Location,
    LockMode, LockPolicy, Locks, MemoryStore, Pause, Rights, S3Location, Store, StoreOptions,
    Stored, open_for_maintenance, open_store, probe,
};
#[doc(hidden)]
pub use store::{Disk, DiskFile};
pub use usage::Usage;
pub use vault::Vault;
pub use writer::{Writer, WriterStats};
