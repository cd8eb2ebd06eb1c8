//! How much stored data may ask for.
//!
//! What is stored comes from outside: sizes in it may be lies, and a few hundred bytes of zstd can
//! stand for gigabytes. Each limit lies well above what Holdfast and restic write; what is longer
//! is refused when it is written and is damage when it is read.

/// A blob before compression. Data blobs have at most 8 MiB, a directory of 10,000 files is a tree
/// of some 10 MB.
pub(crate) const BLOB: usize = 256 << 20;

/// The same encrypted: zstd makes what it cannot compress longer by less than 1 %.
pub(crate) const SEALED_BLOB: u32 = (BLOB + BLOB / 64) as u32;

/// A pack: restic makes them up to 128 MiB, one blob may stand above that.
pub(crate) const PACK: u64 = 1 << 30;

/// An index file, before and after compression: 1.3 million blobs, where restic and we write
/// 50,000.
pub(crate) const INDEX: usize = 256 << 20;

/// A snapshot, before and after compression.
pub(crate) const SNAPSHOT: usize = 16 << 20;

/// Every other file: configuration, keys, locks, `vault.json`, heads.
pub(crate) const SMALL: usize = 1 << 20;

/// Content that is read into memory as one piece, not streamed.
pub(crate) const IN_MEMORY: u64 = 1 << 30;

/// Paths in the control repository, their length, and the bytes behind them.
pub(crate) const CONTROL_PATHS: usize = 1_000_000;
pub(crate) const CONTROL_PATH: usize = 4_096;
pub(crate) const CONTROL_BYTES: u64 = 1 << 30;

/// Highest `seq` and `fence` that are believed, so that counting on from them cannot overflow.
pub(crate) const COUNTER: u64 = 1 << 62;
