//! Is what the service has now what is stored?

use std::fs::File;
use std::io::{BufReader, Seek, SeekFrom, Write};

use holdfast_vault::{Node, Reader};
use holdfast_workloads::drive::{DriveWriter, Live, QuickXor, Same, compare_files, is_office};

use crate::browse::Found;
use crate::compare::size;
use crate::home::blocking;
use crate::{Error, Result};

/// Largest Office file that is compared by its parts, for which both forms lie on the disk.
const OFFICE_SIZE: u64 = 256 << 20;

/// True where the service says that a file is the stored one: by hash and size of what was
/// received, by those that it listed then (of Office files in libraries they are others), or by the
/// same tag for the content of the same file.
pub(super) fn is_equal(live: &Live, found: &Found) -> Result<bool> {
    let meta = found.file()?;
    let has = |hash: Option<&String>, size: u64| {
        hash.is_some() && live.meta.xor.as_ref() == hash && live.meta.size == size
    };
    let is_received = has(meta.got_xor.as_ref().or(meta.xor.as_ref()), size(&found.node));
    let is_listed = has(meta.xor.as_ref(), meta.size);
    let is_same = live.id == meta.id && live.meta.ctag == meta.ctag && !meta.ctag.is_empty();
    Ok(is_received || is_listed || is_same)
}

/// `quickXorHash` of stored content.
pub(super) async fn hash_of(reader: &Reader, node: &Node) -> Result<String> {
    let (reader, node) = (reader.clone(), node.clone());
    blocking(move || {
        let mut hash = Hash(QuickXor::new());
        reader.read(&node, &mut hash)?;
        Ok(hash.0.finish())
    })
    .await
}

/// Compares a file that was written with what is stored (whose hash is `stored`). The service's hash
/// answers, or else the file is read back; Office files, which the service may change, are compared
/// by their parts.
pub(super) async fn compare(
    writer: &DriveWriter<'_>,
    live: &Live,
    (reader, node, stored): (&Reader, &Node, &str),
) -> Result<Same> {
    if live.meta.xor.as_deref() == Some(stored) && live.meta.size == size(node) {
        return Ok(Same::Bytes);
    }
    let is_office = is_office(&live.name) && live.meta.size.max(size(node)) < OFFICE_SIZE;
    let mut hash = QuickXor::new();
    let mut found = if is_office { Some(temporary()?) } else { None };
    let mut download = writer.content(&live.id);
    while let Some(piece) = download.next().await? {
        hash.update(&piece);
        if let Some(found) = &mut found {
            found.write_all(&piece).map_err(failed)?;
        }
    }
    if hash.finish() == stored {
        return Ok(Same::Bytes);
    }
    let Some(mut found) = found else { return Ok(Same::No) };
    let (reader, node) = (reader.clone(), node.clone());
    blocking(move || {
        let mut kept = temporary()?;
        reader.read(&node, &mut kept)?;
        for file in [&mut kept, &mut found] {
            file.seek(SeekFrom::Start(0)).map_err(failed)?;
        }
        Ok(compare_files(BufReader::new(kept), BufReader::new(found)))
    })
    .await
}

/// A file that has no name and is gone when it is closed.
fn temporary() -> Result<File> {
    tempfile::tempfile().map_err(failed)
}

fn failed(source: std::io::Error) -> Error {
    Error::File { action: "write a passing file in", path: std::env::temp_dir(), source }
}

struct Hash(QuickXor);

impl Write for Hash {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
