//! Packs: many blobs of one kind in one file (restic `doc/design.rst`, "Pack Format").

use aws_lc_rs::digest::{Context, SHA256};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::crypto::{OVERHEAD, RepositoryKey};
use crate::id::FileId;

/// What a blob is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum BlobKind {
    Data,
    Tree,
}

impl BlobKind {
    pub(crate) const ALL: [Self; 2] = [Self::Data, Self::Tree];

    /// Size at which a pack is closed: 16 MiB for data, as restic does by default, since packs under
    /// way are held in memory; less for trees, which are read one by one.
    pub(crate) const fn target(self) -> u64 {
        match self {
            Self::Data => 16 << 20,
            Self::Tree => 8 << 20,
        }
    }
}

/// A blob inside a pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PackedBlob {
    pub(crate) id: [u8; 32],
    pub(crate) offset: u32,
    pub(crate) length: u32,
    /// Size before compression; `None` for a blob that is stored as it is (restic does that).
    pub(crate) size: Option<u32>,
}

/// A pack that has been written.
#[derive(Clone, Debug)]
pub(crate) struct PackInfo {
    pub(crate) id: FileId,
    pub(crate) kind: BlobKind,
    pub(crate) blobs: Vec<PackedBlob>,
}

/// Bytes of a header entry of a compressed blob: kind, length, size, id.
const ENTRY: usize = 1 + 4 + 4 + 32;
/// The same of a blob that is not compressed: kind, length, id.
const PLAIN_ENTRY: usize = 1 + 4 + 32;

/// Added to the kind of a blob that is compressed: 0 and 2 are data, 1 and 3 trees.
const COMPRESSED: u8 = 2;

/// A pack under construction.
pub(crate) struct PackBuilder {
    kind: BlobKind,
    parts: Vec<Bytes>,
    blobs: Vec<PackedBlob>,
    length: u32,
}

impl PackBuilder {
    pub(crate) fn new(kind: BlobKind) -> Self {
        Self { kind, parts: Vec::new(), blobs: Vec::new(), length: 0 }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.blobs.is_empty()
    }

    /// True when the pack should be closed.
    pub(crate) fn is_full(&self) -> bool {
        u64::from(self.length) >= self.kind.target()
    }

    /// Bytes so far.
    pub(crate) fn length(&self) -> usize {
        self.length as usize
    }

    /// Adds encrypted blobs that lie one after the other in `sealed`, as their offsets tell.
    pub(crate) fn add(&mut self, sealed: Bytes, blobs: &[PackedBlob]) {
        let shifted = |blob: &PackedBlob| PackedBlob { offset: self.length + blob.offset, ..*blob };
        self.blobs.extend(blobs.iter().map(shifted));
        self.length += sealed.len() as u32;
        self.parts.push(sealed);
    }

    /// Adds the header; gives the pack's bytes and its description.
    pub(crate) fn seal(mut self, key: &RepositoryKey) -> (Vec<Bytes>, PackInfo) {
        let header = key.encrypt(&self.header());
        let length = (header.len() as u32).to_le_bytes();
        self.parts.push(Bytes::from(header));
        self.parts.push(Bytes::copy_from_slice(&length));
        let mut hash = Context::new(&SHA256);
        for part in &self.parts {
            hash.update(part);
        }
        let mut id = [0; 32];
        id.copy_from_slice(hash.finish().as_ref());
        (self.parts, PackInfo { id: FileId(id), kind: self.kind, blobs: self.blobs })
    }

    fn header(&self) -> Vec<u8> {
        let mut header = Vec::with_capacity(self.blobs.len() * ENTRY);
        for blob in &self.blobs {
            header.push(self.kind as u8 + if blob.size.is_some() { COMPRESSED } else { 0 });
            header.extend_from_slice(&blob.length.to_le_bytes());
            header.extend(blob.size.iter().flat_map(|size| size.to_le_bytes()));
            header.extend_from_slice(&blob.id);
        }
        header
    }
}

/// Reads the header at the end of a pack; `None` where it is not whole.
pub(crate) fn parse_header(
    pack: &[u8],
    key: &RepositoryKey,
) -> Option<Vec<(BlobKind, PackedBlob)>> {
    parse_tail(pack, pack.len() as u64, key)
}

/// The same from the last bytes of a pack of `size` bytes.
pub(crate) fn parse_tail(
    tail: &[u8],
    size: u64,
    key: &RepositoryKey,
) -> Option<Vec<(BlobKind, PackedBlob)>> {
    let (rest, length) = tail.split_at_checked(tail.len().checked_sub(4)?)?;
    let length = u32::from_le_bytes(length.try_into().ok()?) as usize;
    let (_, header) = rest.split_at_checked(rest.len().checked_sub(length)?)?;
    let header = key.decrypt(header)?;
    let mut header = header.as_slice();
    let mut blobs = Vec::with_capacity(header.len() / ENTRY);
    let mut offset = 0_u32;
    while !header.is_empty() {
        let (kind, blob) = parse_entry(&mut header, offset)?;
        offset = offset.checked_add(blob.length)?;
        blobs.push((kind, blob));
    }
    let rest = (header_size(&blobs) + OVERHEAD + 4) as u64;
    (u64::from(offset) + rest == size).then_some(blobs)
}

fn header_size(blobs: &[(BlobKind, PackedBlob)]) -> usize {
    blobs.iter().map(|(_, blob)| if blob.size.is_some() { ENTRY } else { PLAIN_ENTRY }).sum()
}

fn parse_entry(header: &mut &[u8], offset: u32) -> Option<(BlobKind, PackedBlob)> {
    let number = |header: &mut &[u8]| {
        let (bytes, rest) = header.split_first_chunk::<4>()?;
        *header = rest;
        Some(u32::from_le_bytes(*bytes))
    };
    let (kind, rest) = header.split_first()?;
    *header = rest;
    let length = number(header)?;
    let (kind, size) = match kind {
        0 => (BlobKind::Data, None),
        1 => (BlobKind::Tree, None),
        2 => (BlobKind::Data, Some(number(header)?)),
        3 => (BlobKind::Tree, Some(number(header)?)),
        _ => return None,
    };
    let (id, rest) = header.split_first_chunk::<32>()?;
    *header = rest;
    Some((kind, PackedBlob { id: *id, offset, length, size }))
}
