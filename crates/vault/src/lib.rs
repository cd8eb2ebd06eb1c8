//! Shards in the restic format: writer, reader, check, keys, control repository.
#![allow(dead_code)]

mod api;
mod error;
mod fanout;
mod id;
mod node;
mod snapshot;

pub use api::*;
pub use error::{Error, ErrorKind, Result};
pub use fanout::Fanout;
pub use id::{BlobId, TreeId};
pub use node::{Content, MAX_META_BYTES, META_XATTR, Node, NodeKind};
pub use snapshot::{Snapshot, SnapshotKind, Tags};
