use std::path::PathBuf;

use holdfast_catalog as catalog;
use holdfast_graph as graph;
use holdfast_model::{ShardId, Timestamp};
use holdfast_policy as policy;
use holdfast_vault as vault;
use holdfast_workloads as workloads;

/// What an operation can fail with. The message says what failed, on what, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Microsoft Graph refused or could not be reached.
    #[error(transparent)]
    Graph(#[from] graph::Error),
    /// The vault refused or is damaged.
    #[error(transparent)]
    Vault(#[from] vault::Error),
    /// The catalog failed.
    #[error(transparent)]
    Catalog(#[from] catalog::Error),
    /// The policy refused: a hold, or a request without meaning.
    #[error(transparent)]
    Policy(#[from] policy::Error),
    /// A workload failed.
    #[error(transparent)]
    Workload(workloads::Error),
    /// No installation lies in the home folder.
    #[error("{} is not a Holdfast home; run 'holdfast init' first", .0.display())]
    NotAHome(PathBuf),
    /// The catalog of the home is gone.
    #[error("the catalog {} is not there; 'holdfast catalog rebuild' makes it again from the vault", .0.display())]
    NoCatalog(PathBuf),
    /// The home's catalog lies on PostgreSQL, and where is not known any more.
    #[error("{} is not there; write the URL of the catalog's PostgreSQL database into it", .0.display())]
    NoCatalogUrl(PathBuf),
    /// The file with the URL of the catalog, which holds a password, can be read by others.
    #[error(
        "the catalog URL in {} can be read by others; run 'chmod 600 {}'", .0.display(), .0.display()
    )]
    CatalogUrlExposed(PathBuf),
    /// The database is that of another installation.
    #[error("the database of the catalog URL holds a catalog already; name an empty database")]
    CatalogTaken,
    /// Another installation writes to the vault now.
    #[error(
        "another machine has recovered this installation from its vault and writes to it now: this \
         one stores and deletes nothing any more; switch it off, or run 'holdfast catalog rebuild' \
         to make it the one that writes again"
    )]
    Superseded,
    /// A vault that the catalog knows cannot be opened from this machine.
    #[error(
        "the vault '{name}' at {location} cannot be opened from here; make it reachable under the \
         same location, then try again"
    )]
    VaultAway {
        /// Its name.
        name: String,
        /// Where the catalog says that it lies.
        location: String,
        /// Why.
        source: Box<Error>,
    },
    /// No tenant has been added.
    #[error("there is no tenant yet; add one with 'holdfast tenant add'")]
    NoTenant,
    /// The home folder is taken.
    #[error("{} is a Holdfast home already", .0.display())]
    HomeExists(PathBuf),
    /// `recover` has begun in the home folder and was cut off.
    #[error("the recovery of {} has not ended; give the same 'holdfast recover' command again", .0.display())]
    Recovering(PathBuf),
    /// Another process recovers in the home folder.
    #[error("another 'holdfast recover' is at work in {}; wait for it", .0.display())]
    RecoverRunning(PathBuf),
    /// A file of the home could not be read or written.
    #[error("cannot {action} {}", path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// Why it failed.
        source: std::io::Error,
    },
    /// The instance key can be read by other users.
    #[error(
        "the instance key {} can be read by others; run 'chmod 600 {}'", .0.display(), .0.display()
    )]
    KeyExposed(PathBuf),
    /// The instance key is missing or is not the one of this home.
    #[error("the instance key {} {problem}", path.display())]
    InstanceKey {
        /// Where it was looked for.
        path: PathBuf,
        /// What is wrong and what to do.
        problem: &'static str,
    },
    /// Something that the caller named does not exist.
    #[error("there is no {what} '{name}'{hint}")]
    NotFound {
        /// What kind of thing.
        what: &'static str,
        /// The name given.
        name: String,
        /// What to do, starting with a separator; may be empty.
        hint: &'static str,
    },
    /// A name that fits several things.
    #[error("'{name}' fits {count} {what}; give the id")]
    Ambiguous {
        /// What kind of things.
        what: &'static str,
        /// The name given.
        name: String,
        /// How many.
        count: usize,
    },
    /// The request makes no sense.
    #[error("{0}")]
    Usage(String),
    /// A credential is not there: after a rebuild it must be given again.
    #[error(
        "tenant '{tenant}' has no credential for {purpose} here; \
         run 'holdfast tenant add {tenant} …' with it"
    )]
    NoCredential {
        /// The tenant.
        tenant: String,
        /// `backup` or `restore`.
        purpose: &'static str,
    },
    /// Intent in the vault's control repository that this version cannot read.
    #[error("the record '{path}' of the control repository cannot be read")]
    Intent {
        /// Path of the record.
        path: String,
        /// Why.
        source: serde_json::Error,
    },
    /// The vault holds snapshots that were written after the catalog's state.
    #[error(
        "the catalog is older than shard {0} of the vault; run 'holdfast catalog rebuild' first"
    )]
    CatalogBehind(ShardId),
    /// The catalog counts snapshots that the vault does not have.
    #[error(
        "shard {0} lacks snapshots that the catalog counts, so nothing is deleted; \
         run 'holdfast vault check', then 'holdfast catalog rebuild'"
    )]
    HistoryDiffers(ShardId),
    /// Somebody deletes from the storage: locks keep the former versions.
    #[error(
        "{count} files of the vault were deleted or overwritten by somebody, such as {file}; their \
         former versions are locked: change the credentials and see docs/leaked-kit.md"
    )]
    Tampered {
        /// How many files.
        count: usize,
        /// One of them.
        file: String,
    },
    /// The control repository of the vault is empty.
    #[error(
        "the control repository of the vault knows no tenant, so nothing is deleted; \
         run 'holdfast vault check'"
    )]
    NoIntent,
    /// Another restore writes into the same mailbox, drive or site.
    #[error("another restore into it is running ({owner}); wait until that is done")]
    RestoreRunning {
        /// Who, in words for people.
        owner: String,
        /// When he is taken to be dead, unless he gives a sign of life.
        until: Timestamp,
    },
    /// Somebody asked the operation to stop.
    #[error("it was stopped; what it had read is kept, and the next run goes on from there")]
    Stopped,
    /// Another process changes users.
    #[error("another change of users is under way; try again in a minute")]
    UsersBusy,
    /// Without this user nobody could manage the installation.
    #[error("'{0}' is the last administrator who can sign in; make another one first")]
    LastAdministrator(String),
    /// A helper thread ended early.
    #[error("a worker thread ended before its work was done")]
    Thread,
}

/// What the process should answer with (DESIGN: exit codes).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Any other failure.
    Error = 1,
    /// The command line or the request makes no sense.
    Usage = 2,
    /// Part of the work failed.
    Partial = 3,
    /// What was named does not exist.
    NotFound = 4,
    /// Rights or credentials are missing.
    Denied = 5,
    /// Try later: throttled, or another process holds the shard.
    Later = 6,
    /// The vault is damaged.
    Damaged = 10,
}

/// The cause in a report of what was stopped.
pub(crate) const STOPPED: &str = "stopped";

impl Error {
    /// The exit code that goes with this error.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Graph(error) => graph_exit(error.kind()),
            Self::Workload(error) => error.graph_kind().map_or(Exit::Error, graph_exit),
            Self::VaultAway { source, .. } => source.exit(),
            Self::Vault(vault::Error::Busy { .. }) => Exit::Later,
            Self::Vault(error) => vault_exit(error.kind()),
            Self::Catalog(error) => match error.kind() {
                catalog::Kind::NotFound => Exit::NotFound,
                catalog::Kind::LeaseHeld
                | catalog::Kind::FenceLost
                | catalog::Kind::Unavailable => Exit::Later,
                catalog::Kind::Refused => Exit::Denied,
                _ => Exit::Error,
            },
            Self::Policy(error) => match error.kind() {
                policy::ErrorKind::Denied => Exit::Denied,
                policy::ErrorKind::NotFound => Exit::NotFound,
                policy::ErrorKind::Invalid => Exit::Usage,
            },
            Self::NotFound { .. } | Self::NoTenant | Self::NoCatalog(_) | Self::NoCatalogUrl(_) => {
                Exit::NotFound
            }
            Self::RestoreRunning { .. }
            | Self::Stopped
            | Self::UsersBusy
            | Self::Recovering(_)
            | Self::RecoverRunning(_) => Exit::Later,
            Self::Ambiguous { .. } | Self::Usage(_) | Self::HomeExists(_) => Exit::Usage,
            Self::KeyExposed(_)
            | Self::CatalogUrlExposed(_)
            | Self::InstanceKey { .. }
            | Self::NoCredential { .. }
            | Self::Superseded
            | Self::LastAdministrator(_) => Exit::Denied,
            Self::Intent { .. }
            | Self::HistoryDiffers(_)
            | Self::NoIntent
            | Self::Tampered { .. } => Exit::Damaged,
            Self::NotAHome(_) | Self::CatalogTaken => Exit::Usage,
            Self::File { .. } | Self::CatalogBehind(_) | Self::Thread => Exit::Error,
        }
    }

    pub(crate) fn not_found(what: &'static str, name: impl Into<String>) -> Self {
        Self::NotFound { what, name: name.into(), hint: "" }
    }

    /// A short cause for reports: Graph's code where there is one.
    pub fn cause(&self) -> String {
        match self {
            Self::Workload(error) => error.cause(),
            Self::Graph(error) => match error.code() {
                Some(code) => code.to_owned(),
                None => format!("{:?}", error.kind()).to_lowercase(),
            },
            Self::Stopped => STOPPED.to_owned(),
            _ => self.kind_name(),
        }
    }

    fn kind_name(&self) -> String {
        format!("{:?}", self.exit()).to_lowercase()
    }

    /// True where nothing is wrong with the request: it may be tried again, and go well.
    pub fn may_pass(&self) -> bool {
        let outage = self.graph().is_some_and(|error| {
            matches!(error.kind(), graph::Kind::Transient | graph::Kind::Unreachable)
        });
        let is_away =
            matches!(self, Self::Catalog(error) if error.kind() == catalog::Kind::Unavailable);
        outage || is_away || self.exit() == Exit::Later
    }

    /// True for failures of the vault, the catalog or this machine: after one of them nothing of a
    /// run may be committed. What Graph answered concerns an item, a folder or a mailbox; what was
    /// stopped goes on another time.
    pub(crate) fn stops_run(&self) -> bool {
        !matches!(self, Self::Graph(_) | Self::Workload(_) | Self::Stopped)
    }

    /// The Graph error behind this one.
    pub(crate) fn graph(&self) -> Option<&graph::Error> {
        match self {
            Self::Graph(error) | Self::Workload(workloads::Error::Graph(error)) => Some(error),
            _ => None,
        }
    }
}

impl From<workloads::Error> for Error {
    fn from(error: workloads::Error) -> Self {
        match error {
            workloads::Error::Graph(error) => Self::Graph(error),
            other => Self::Workload(other),
        }
    }
}

fn graph_exit(kind: graph::Kind) -> Exit {
    match kind {
        graph::Kind::Denied => Exit::Denied,
        graph::Kind::NotFound => Exit::NotFound,
        graph::Kind::Throttled => Exit::Later,
        _ => Exit::Error,
    }
}

fn vault_exit(kind: vault::ErrorKind) -> Exit {
    match kind {
        vault::ErrorKind::Damaged => Exit::Damaged,
        vault::ErrorKind::WrongKey | vault::ErrorKind::Denied => Exit::Denied,
        vault::ErrorKind::NotFound => Exit::NotFound,
        _ => Exit::Error,
    }
}

/// Shorthand of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;
