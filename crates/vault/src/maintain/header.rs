//! What a pack says of itself, read from its end.

use crate::backend::Kind;
use crate::error::{Error, Result};
use crate::id::FileId;
use crate::pack::{self, BlobKind, PackInfo, PackedBlob};
use crate::repository::Repository;

/// Longest header that is read, as restic has it (`internal/pack/pack.go`, 0.14): 400,000 blobs.
const MAX_HEADER: u64 = 16 << 20;

/// The blobs of a pack of `size` bytes.
///
/// # Errors
/// [`Error::Damaged`] where the header cannot be read.
pub(crate) fn pack_blobs(
    repository: &Repository,
    id: &FileId,
    size: u64,
) -> Result<Vec<(BlobKind, PackedBlob)>> {
    let damaged =
        || Error::damaged(repository.backend.label(Kind::Pack, id), "its header cannot be read");
    let at = size.checked_sub(4).ok_or_else(damaged)?;
    let length = repository.backend.read_part(Kind::Pack, id, at, 4)?;
    let length = length.as_ref().try_into().map(u32::from_le_bytes).map_err(|_| damaged())?;
    let length = u64::from(length) + 4;
    if length > MAX_HEADER || length > size {
        return Err(damaged());
    }
    let tail = repository.backend.read_part(Kind::Pack, id, size - length, length as usize)?;
    pack::parse_tail(&tail, size, &repository.key).ok_or_else(damaged)
}

/// The same as an index file has it: once for each kind of blob.
///
/// # Errors
/// As [`pack_blobs`].
pub(crate) fn pack_infos(repository: &Repository, id: &FileId, size: u64) -> Result<Vec<PackInfo>> {
    let blobs = pack_blobs(repository, id, size)?;
    let of_kind = |kind| PackInfo {
        id: *id,
        kind,
        blobs: blobs.iter().filter(|(other, _)| *other == kind).map(|(_, blob)| *blob).collect(),
    };
    Ok(BlobKind::ALL.map(of_kind).into_iter().filter(|pack| !pack.blobs.is_empty()).collect())
}
