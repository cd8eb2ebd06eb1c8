//! Writes packs for maintenance: blobs come as they lie in another pack of the same repository, or
//! as plain content.

use bytes::Bytes;

use crate::backend::Kind;
use crate::compression::is_noise;
use crate::error::{Error, Result};
use crate::limits;
use crate::pack::{BlobKind, PackBuilder, PackInfo, PackedBlob};
use crate::repository::Repository;

/// Packs under construction and those that have been written. Nothing is in an index yet.
pub(super) struct Packer<'r> {
    repository: &'r Repository,
    open: [PackBuilder; 2],
    written: Vec<PackInfo>,
}

impl<'r> Packer<'r> {
    pub(super) fn new(repository: &'r Repository) -> Self {
        let open = [PackBuilder::new(BlobKind::Data), PackBuilder::new(BlobKind::Tree)];
        Self { repository, open, written: Vec::new() }
    }

    /// Adds content, which is encrypted here and compressed, unless that is in vain; what writers
    /// are told of compression is not known here.
    pub(super) fn add(&mut self, kind: BlobKind, id: [u8; 32], plain: &[u8]) -> Result<()> {
        let size = u32::try_from(plain.len()).ok().filter(|_| plain.len() <= limits::BLOB);
        let size = size.ok_or_else(|| Error::invalid("a blob is too long to be stored"))?;
        let compressed = match kind {
            BlobKind::Data if is_noise(plain) => None,
            _ => Some(self.repository.compress(plain)?),
        };
        let helps = |text: &Vec<u8>| kind == BlobKind::Tree || text.len() < plain.len();
        let compressed = compressed.filter(helps);
        let size = compressed.as_ref().map(|_| size);
        let sealed = self.repository.key.encrypt(compressed.as_deref().unwrap_or(plain));
        let sealed = Bytes::from(sealed);
        self.add_sealed(kind, id, size, sealed)
    }

    /// Adds an encrypted blob as it is; `size` as in [`PackedBlob`].
    pub(super) fn add_sealed(
        &mut self,
        kind: BlobKind,
        id: [u8; 32],
        size: Option<u32>,
        sealed: Bytes,
    ) -> Result<()> {
        let length = u32::try_from(sealed.len()).ok().filter(|n| *n <= limits::SEALED_BLOB);
        let length = length.ok_or_else(|| Error::invalid("a blob is too long to be stored"))?;
        // What is added to a pack that is not full stays far below the limit of packs.
        self.open[kind as usize].add(sealed, &[PackedBlob { id, offset: 0, length, size }]);
        match self.open[kind as usize].is_full() {
            true => self.close(kind),
            false => Ok(()),
        }
    }

    /// Writes what is still in memory; gives all packs, which the caller puts into an index.
    pub(super) fn finish(mut self) -> Result<Vec<PackInfo>> {
        for kind in BlobKind::ALL {
            self.close(kind)?;
        }
        Ok(self.written)
    }

    fn close(&mut self, kind: BlobKind) -> Result<()> {
        let open = &mut self.open[kind as usize];
        if open.is_empty() {
            return Ok(());
        }
        let builder = std::mem::replace(open, PackBuilder::new(kind));
        let (parts, info) = builder.seal(&self.repository.key);
        self.repository.backend.write_file(Kind::Pack, &info.id, &parts)?;
        self.written.push(info);
        Ok(())
    }
}
