//! `audit export`: the record and its heads as lines of JSON, to be verified without Holdfast.

use std::fs::OpenOptions;
use std::io::{BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use holdfast_model::audit::{Entry, FORM, GENESIS};
use serde::{Deserialize, Serialize};

use super::Audit;
use super::head::{Head, named};
use super::verify::PAGE;
use crate::{Error, Home, Result};

/// A line of an exported record: one of the first kind, heads, entries, one of the last kind.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Line {
    /// What follows.
    Record {
        /// Name of the form over which hashes are made.
        form: String,
        /// Id of the home vault.
        vault: String,
        /// Public half of its key, hexadecimal.
        public_key: String,
    },
    Head(Head),
    Entry(Box<Entry>),
    /// Number and hash of the last entry.
    End {
        number: u64,
        hash: String,
    },
}

/// What was exported.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Exported {
    /// The file.
    pub file: PathBuf,
    /// Entries in it.
    pub entries: u64,
    /// Heads in it.
    pub heads: u64,
    /// Number of the last entry.
    pub last: u64,
    /// Public half of the key, hexadecimal: an outsider needs it from a second source.
    pub public_key: String,
}

/// Writes the whole record to a new file that only its owner can read. Heads that are not signed
/// with the key of the vault are left out; `audit verify` names them.
///
/// # Errors
/// [`Error::File`] where there is a file already.
pub async fn export(home: &Home, path: &Path) -> Result<Exported> {
    let failed = |source| Error::File { action: "write", path: path.to_owned(), source };
    let public = Audit::open(home).await?.key.public();
    let vault = home.vault(None).await?;
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let mut out = BufWriter::new(file.map_err(failed)?);
    let mut report = Exported {
        file: path.to_owned(),
        entries: 0,
        heads: 0,
        last: 0,
        public_key: hex::encode(public),
    };
    let record = Line::Record {
        form: FORM.to_owned(),
        vault: vault.id().to_owned(),
        public_key: report.public_key.clone(),
    };
    write(&mut out, &record).map_err(failed)?;
    // Before the entries: what has a head has its entry.
    for name in named(&vault).await?.0 {
        if let Some(head) = name.load(&vault, &public).await? {
            report.heads += 1;
            write(&mut out, &Line::Head(head)).map_err(failed)?;
        }
    }
    let mut hash = GENESIS.to_owned();
    loop {
        let page = home.catalog.audit_after(report.last, PAGE).await?;
        let Some(last) = page.last() else { break };
        (report.last, hash) = (last.number, last.hash.clone());
        report.entries += page.len() as u64;
        for entry in page {
            write(&mut out, &Line::Entry(Box::new(entry))).map_err(failed)?;
        }
    }
    write(&mut out, &Line::End { number: report.last, hash }).map_err(failed)?;
    out.flush().and_then(|()| out.get_ref().sync_all()).map_err(failed)?;
    Ok(report)
}

fn write(out: &mut impl Write, line: &Line) -> std::io::Result<()> {
    serde_json::to_writer(&mut *out, line)?;
    out.write_all(b"\n")
}
