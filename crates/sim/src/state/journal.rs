//! The state folder: one line of JSON per change, appended before the change is answered.
//!
//! The mail that the tenant was born with is not in it: it follows from the options, which stand
//! in `tenant.json`. A line cut off by a kill was never answered and is dropped. The file is not
//! synced: it survives the end of the process, not of the machine.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::op::Op;
use crate::error::SimError;

#[derive(Serialize, Deserialize)]
struct Line {
    at: Timestamp,
    #[serde(flatten)]
    op: Op,
}

/// The open journal of a tenant.
#[derive(Debug)]
pub struct Journal {
    file: File,
}

impl Journal {
    /// Opens or makes the journal in `folder` and gives the changes in it.
    pub fn open(folder: &Path) -> Result<(Self, Vec<(Timestamp, Op)>), SimError> {
        let path = folder.join("journal.ndjson");
        let failed = |source| SimError::State { path: path.clone(), source };
        let mut file =
            OpenOptions::new().create(true).read(true).append(true).open(&path).map_err(failed)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(failed)?;
        let complete = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        if complete < bytes.len() {
            file.set_len(complete as u64).map_err(failed)?;
        }
        let ops = read_lines(&bytes[..complete], &path)?;
        Ok((Self { file }, ops))
    }

    /// Adds one change.
    pub fn append(&mut self, at: Timestamp, op: &Op) -> std::io::Result<()> {
        let mut line = serde_json::to_vec(&Line { at, op: op.clone() })?;
        line.push(b'\n');
        self.file.write_all(&line)
    }
}

fn read_lines(bytes: &[u8], path: &Path) -> Result<Vec<(Timestamp, Op)>, SimError> {
    let mut ops = Vec::new();
    for (index, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        if line.is_empty() {
            continue;
        }
        let line: Line = serde_json::from_slice(line)
            .map_err(|_| SimError::Journal { path: PathBuf::from(path), line: index + 1 })?;
        ops.push((line.at, line.op));
    }
    Ok(ops)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_torn_last_line_is_dropped_and_a_damaged_one_refused() {
        let folder = tempfile::tempdir().unwrap();
        let at = Timestamp::UNIX_EPOCH;
        let (mut journal, ops) = Journal::open(folder.path()).unwrap();
        assert_eq!(ops.len(), 0);
        journal.append(at, &Op::UserRemove { user: 1 }).unwrap();
        journal.append(at, &Op::UserRemove { user: 2 }).unwrap();
        let path = folder.path().join("journal.ndjson");
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, &whole[..whole.len() - 3]).unwrap();
        let (mut journal, ops) = Journal::open(folder.path()).unwrap();
        assert_eq!(ops.len(), 1);
        journal.append(at, &Op::UserRemove { user: 3 }).unwrap();
        assert_eq!(Journal::open(folder.path()).unwrap().1.len(), 2);
        std::fs::write(&path, b"{\"at\":1}\n").unwrap();
        assert!(matches!(Journal::open(folder.path()), Err(SimError::Journal { line: 1, .. })));
    }
}
