//! Room for large content, which the system gives and takes back.
//!
//! Chunks have all sizes from 512 KiB to 8 MiB and pass from thread to thread. An allocator keeps
//! the gaps between them: after 20 GB it held half as much again as was in use. Pages of such room
//! that were never written take no memory.

use bytes::Bytes;
use memmap2::MmapMut;

use crate::error::{Error, Result};

/// Zeros that can be written.
pub(crate) struct Room(MmapMut);

impl Room {
    /// Room of `size` bytes, at least one.
    ///
    /// # Errors
    /// [`Error::Engine`] where the system has no more.
    pub(crate) fn new(size: usize) -> Result<Self> {
        let map = MmapMut::map_anon(size);
        map.map(Self)
            .map_err(|source| Error::Engine { action: "take memory", source: Box::new(source) })
    }

    /// The first `length` bytes, which go back to the system when the last of their users is gone.
    pub(crate) fn into_bytes(self, length: usize) -> Bytes {
        Bytes::from_owner(self.0).slice(..length)
    }
}

impl std::ops::Deref for Room {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl std::ops::DerefMut for Room {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}
