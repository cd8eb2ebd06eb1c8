//! What can be typed about the audit record.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use holdfast_engine::deleted::Since;
use holdfast_model::audit::{Action, Outcome};

#[derive(Debug, Subcommand)]
pub enum Audit {
    /// List what was done, newest first
    List(AuditList),
    /// Look for entries that were changed, removed, added or put in another order
    ///
    /// Entries are compared with their hashes, with the key of the first vault, and with the signed
    /// heads in it. Exit code 10 where something is wrong.
    Verify {
        /// Verify a file that `audit export` wrote, without this installation
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
        /// Public key that the file must be signed with, 64 hexadecimal digits [default: the one
        /// that the file names]
        #[arg(long, value_name = "KEY", requires = "file", value_parser = public_key)]
        public_key: Option<[u8; 32]>,
    },
    /// Write the whole record to a file that can be verified without Holdfast
    Export {
        /// A file that is absent; lines of JSON
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
}

#[derive(Debug, Args)]
pub struct AuditList {
    /// From this time on: 2026-11-22T09:00:00Z, or a day
    #[arg(long, value_name = "TIME")]
    pub since: Option<Since>,
    /// Before this time
    #[arg(long, value_name = "TIME")]
    pub until: Option<Since>,
    /// Only by this actor: name or id
    #[arg(long, value_name = "WHO")]
    pub actor: Option<String>,
    /// Only this: item.read, item.restore, vault.prune …
    #[arg(long, value_name = "ACTION")]
    pub action: Option<Action>,
    /// Only with this outcome: begun, done, partial, refused or failed
    #[arg(long, value_name = "OUTCOME")]
    pub outcome: Option<Outcome>,
    /// Only of this tenant
    #[arg(long, value_name = "NAME")]
    pub tenant: Option<String>,
    /// Only about this resource, by name
    #[arg(long, value_name = "R")]
    pub resource: Option<String>,
    /// At most so many entries
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub limit: u32,
    /// Only with a lower number: the last one of the page before
    #[arg(long, value_name = "NUMBER")]
    pub before: Option<u64>,
}

fn public_key(text: &str) -> Result<[u8; 32], String> {
    let digit = |at: usize| text.get(at..at + 2).and_then(|two| u8::from_str_radix(two, 16).ok());
    let bytes: Option<Vec<u8>> = (0..text.len()).step_by(2).map(digit).collect();
    let bytes = bytes.and_then(|bytes| bytes.try_into().ok());
    bytes.ok_or_else(|| "a public key has 64 hexadecimal digits".to_owned())
}
