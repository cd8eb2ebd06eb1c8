//! Chunks of content that comes as a stream.

use std::io::{ErrorKind, Read};

use bytes::Bytes;

use super::room::Room;
use crate::error::{Error, Result};
use crate::rabin::{Chunker, MAX_CHUNK};

/// Bytes that are read at once: less than the smallest chunk.
const READ_BYTES: usize = 256 << 10;

/// Cuts a stream where its bytes say so.
pub(super) struct Chunks<'a> {
    chunker: &'a Chunker,
    content: &'a mut dyn Read,
    /// What was read beyond the last chunk: less than [`READ_BYTES`].
    rest: Vec<u8>,
}

impl<'a> Chunks<'a> {
    pub(super) fn new(chunker: &'a Chunker, content: &'a mut dyn Read) -> Self {
        Self { chunker, content, rest: Vec::new() }
    }

    /// The next chunk, empty at the end of the stream.
    ///
    /// # Errors
    /// [`Error::Input`] where the stream fails.
    pub(super) fn next(&mut self) -> Result<Bytes> {
        let mut room = Room::new(MAX_CHUNK + READ_BYTES)?;
        let mut filled = self.rest.len();
        room[..filled].copy_from_slice(&self.rest);
        let mut searched = 0;
        let end = loop {
            let window = &room[..filled.min(MAX_CHUNK)];
            match self.chunker.boundary(window, searched) {
                Some(end) => break end,
                None if filled >= MAX_CHUNK => break MAX_CHUNK,
                None => searched = window.len(),
            }
            match fill(self.content, &mut room[filled..][..READ_BYTES])? {
                0 => break filled,
                more => filled += more,
            }
        };
        self.rest.clear();
        self.rest.extend_from_slice(&room[end..filled]);
        Ok(room.into_bytes(end))
    }
}

/// Reads until `room` is full or the stream has ended.
fn fill(content: &mut dyn Read, room: &mut [u8]) -> Result<usize> {
    let mut filled = 0;
    while filled < room.len() {
        match content.read(&mut room[filled..]) {
            Ok(0) => break,
            Ok(more) => filled += more,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(Error::Input(error)),
        }
    }
    Ok(filled)
}
