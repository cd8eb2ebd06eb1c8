//! What can be typed about vaults and their storage.

use std::num::NonZeroU32;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use holdfast_model::Timestamp;
use holdfast_policy::Period;
use holdfast_vault::{Compression, Location};

/// How the storage of a vault is used.
#[derive(Debug, Default, Args)]
pub struct StorageArgs {
    /// File of credentials that read and write: lines like AWS_ACCESS_KEY_ID=… or
    /// AZURE_STORAGE_SAS_TOKEN=…; without it those of the environment serve
    #[arg(long, value_name = "FILE")]
    pub credentials_file: Option<PathBuf>,
    /// File of credentials that may delete too, used by prune and erase only
    #[arg(long, value_name = "FILE", requires = "credentials_file")]
    pub maintenance_credentials_file: Option<PathBuf>,
    /// Lock what is written: S3 Object Lock, or version-level immutability of Azure
    #[arg(long, value_enum, value_name = "MODE", requires = "lock_days")]
    pub lock: Option<Lock>,
    /// For how many days everything that is needed stays locked
    #[arg(long, value_name = "N", requires = "lock", value_parser = clap::value_parser!(u32).range(1..=36_500))]
    pub lock_days: Option<u32>,
    /// Remove nothing but in prune and erase
    #[arg(long)]
    pub append_only: bool,
    /// Give the files of a folder the immutable flag (needs CAP_LINUX_IMMUTABLE)
    #[arg(long)]
    pub immutable: bool,
    /// Compress backups: off, or the level of zstd from 1 (fast, the default) to 19 (small)
    #[arg(long, value_name = "LEVEL")]
    pub compression: Option<Compression>,
    /// Send at most so much a second: 500K, 20M (bytes)
    #[arg(long, value_name = "RATE", value_parser = rate)]
    pub limit_upload: Option<u64>,
    /// Receive at most so much a second
    #[arg(long, value_name = "RATE", value_parser = rate)]
    pub limit_download: Option<u64>,
    /// Read the vault as it was at this time, whatever was deleted or overwritten since, and write
    /// nothing to it: 2026-11-22T03:00:00Z (S3 and Azure with versions)
    #[arg(long, value_name = "TIME", conflicts_with_all = ["lock", "append_only", "immutable"])]
    pub as_of: Option<Timestamp>,
    /// Further certificate authority to trust for this storage (PEM)
    #[arg(long, value_name = "FILE")]
    pub vault_ca_file: Option<PathBuf>,
}

/// How strict locks are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Lock {
    // Credentials with a right of their own may lift them.
    Governance,
    // Nobody may lift or shorten them.
    Compliance,
}

/// Bytes in a second: a number, or one with K, M or G (1024 each).
fn rate(text: &str) -> Result<u64, String> {
    let (digits, unit) = match text.char_indices().last() {
        Some((at, 'K' | 'k')) => (&text[..at], 1 << 10),
        Some((at, 'M' | 'm')) => (&text[..at], 1 << 20),
        Some((at, 'G' | 'g')) => (&text[..at], 1 << 30),
        _ => (text, 1),
    };
    let number = digits.parse::<u64>().ok().and_then(|number| number.checked_mul(unit));
    number.ok_or_else(|| "give a number of bytes, or one with K, M or G".to_owned())
}

#[derive(Debug, Args)]
pub struct VaultAdd {
    /// Name under which Holdfast knows the vault
    pub name: String,
    /// A folder, s3://BUCKET/PREFIX[?endpoint=URL&region=R] or
    /// azblob://CONTAINER/PREFIX?account=ACCOUNT
    pub location: Location,
    #[command(flatten)]
    pub storage: StorageArgs,
    #[command(flatten)]
    pub unlock: UnlockArgs,
}

/// What opens a vault.
#[derive(Debug, Args)]
pub struct UnlockArgs {
    /// File that holds the passphrase of the vault; without it you are asked
    #[arg(long, value_name = "FILE")]
    pub passphrase_file: Option<PathBuf>,
    /// Recovery kit that opens an existing vault in place of the passphrase
    #[arg(long, value_name = "DIR", conflicts_with = "passphrase_file")]
    pub kit: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub enum Vault {
    /// Make a further vault, or attach one that is there; or use a known one's storage in a new way
    Add(Box<VaultAdd>),
    /// List the vaults
    List,
    /// Put a vault behind another passphrase
    ///
    /// This helps when a passphrase is leaked or leaves with a person. It does not help when a
    /// recovery kit is leaked: see docs/leaked-kit.md.
    Rekey {
        /// File that holds the new passphrase; without it you are asked
        #[arg(long, value_name = "FILE")]
        passphrase_file: Option<PathBuf>,
        /// The vault by name or id; the first where absent
        #[arg(long, value_name = "NAME")]
        vault: Option<String>,
    },
    /// Prolong the locks of everything that is needed (backups do that too)
    Extend {
        /// The vault by name or id; the first where absent
        #[arg(long, value_name = "NAME")]
        vault: Option<String>,
    },
    /// Look for damage
    Check {
        /// Read all data too, and compare it with its hashes
        #[arg(long)]
        read_data: bool,
        /// Read today's share: after so many daily checks all data was read
        #[arg(
            long,
            value_name = "DAYS",
            conflicts_with = "read_data",
            value_parser = clap::value_parser!(u32).range(1..=366)
        )]
        read_share: Option<u32>,
        /// The vault by name or id; the first where absent
        #[arg(long, value_name = "NAME")]
        vault: Option<String>,
    },
    /// Forget snapshots by rules (none keeps all) and remove what nothing needs
    Prune(Prune),
    /// Mend what is damaged: from a second vault, or from the tenant with the next backup
    ///
    /// Index files are made again from the packs, what is sound in damaged packs is saved, and
    /// what is lost comes from the second vault where that has it. Messages that are damaged in
    /// their newest version are fetched again by the next backup. Nothing is deleted.
    Repair(Repair),
    /// Copy a vault to a second one: only what that lacks
    Copy {
        /// The vault that takes the copy, by name or id; it takes no backups itself
        #[arg(long, value_name = "NAME")]
        to: String,
        /// The vault that is copied, by name or id; the first where absent
        #[arg(long, value_name = "NAME")]
        vault: Option<String>,
    },
    /// Show what the vault holds, what that takes, and how it grows
    Stats {
        /// The vault by name or id; the first where absent
        #[arg(long, value_name = "NAME")]
        vault: Option<String>,
    },
    /// Print the password with which stock restic opens a shard
    Password {
        /// Number of the shard
        #[arg(long, value_name = "N")]
        shard: u32,
        /// The vault by name or id; the first where absent
        #[arg(long, value_name = "NAME")]
        vault: Option<String>,
    },
    /// Write the recovery kit: it opens the vault without this machine
    Kit {
        /// Folder that takes it
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
        /// The vault by name or id; the first where absent
        #[arg(long, value_name = "NAME")]
        vault: Option<String>,
    },
}

#[derive(Debug, Args)]
pub struct Prune {
    /// The vault by name or id; the first where absent
    #[arg(long, value_name = "NAME")]
    pub vault: Option<String>,
    /// Keep the newest N snapshots of finished backups
    #[arg(long, value_name = "N")]
    pub keep_last: Option<NonZeroU32>,
    /// Keep what is younger than this, counted from the newest: 36h, 30d, 7y
    #[arg(long, value_name = "TIME")]
    pub keep_within: Option<Period>,
    /// Only say what would be done
    #[arg(long)]
    pub dry_run: bool,
    /// Do not ask before snapshots are forgotten
    #[arg(long, short)]
    pub yes: bool,
}

#[derive(Debug, Args)]
pub struct Repair {
    /// The vault by name or id; the first where absent
    #[arg(long, value_name = "NAME")]
    pub vault: Option<String>,
    /// A second vault, made by `vault copy`, that may have what is lost
    #[arg(long, value_name = "NAME")]
    pub from: Option<String>,
}
