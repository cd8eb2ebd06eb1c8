//! A strict S3 with Object Lock, on a port of 127.0.0.1.
//!
//! Path-style addresses, SigV4 in the `Authorization` header, one region. What is not known is
//! answered with 501 and never ignored. Objects live in memory.

mod buckets;
mod call;
mod error;
mod inspect;
mod list;
mod locks;
mod multipart;
mod objects;
mod payload;
mod request;
mod rights;
pub mod rules;
mod service;
mod signature;
mod state;
mod xml;

use std::io;
use std::sync::{Arc, Mutex};

pub use error::Error;
pub use inspect::{Object, ObjectVersion};
pub use rights::{Credential, Right, Role};
pub use rules::{DefaultRetention, Lock, Mode, Period, Retention};

use crate::clock::Clock;
use crate::fault::Faults;
use crate::serve::Server;
use rules::{BucketLock, Versioning};
use service::Service;
use state::Store;

/// The region that every fake is in.
pub const REGION: &str = "us-east-1";

/// How a fake starts.
#[derive(Clone, Debug)]
pub struct Options {
    /// The buckets that are there from the beginning.
    pub buckets: Vec<Bucket>,
    /// Who may send requests: one credential of each [`Role`] unless changed.
    pub credentials: Vec<Credential>,
    /// Stamps versions and judges locks.
    pub clock: Clock,
    /// For the chances of faults.
    pub seed: u64,
    /// The most entries on one page of a listing: 1,000 as in S3, or fewer, which S3 may do too.
    pub page: usize,
}

impl Options {
    /// These buckets, the four usual credentials, the machine's clock.
    pub fn new(buckets: impl IntoIterator<Item = Bucket>) -> Self {
        Self {
            buckets: buckets.into_iter().collect(),
            credentials: Role::ALL.map(Credential::of).to_vec(),
            clock: Clock::system(),
            seed: 0,
            page: 1000,
        }
    }

    /// With another clock.
    #[must_use]
    pub fn clock(mut self, clock: &Clock) -> Self {
        self.clock = clock.clone();
        self
    }

    /// With one more credential.
    #[must_use]
    pub fn credential(mut self, credential: Credential) -> Self {
        self.credentials.push(credential);
        self
    }

    /// With another seed.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// With shorter pages.
    #[must_use]
    pub fn page(mut self, entries: usize) -> Self {
        self.page = entries;
        self
    }
}

/// A bucket as it is at the beginning.
#[derive(Clone, Debug)]
pub struct Bucket {
    name: String,
    versioning: Versioning,
    lock: Option<BucketLock>,
}

impl Bucket {
    /// Without versions.
    pub fn plain(name: &str) -> Self {
        Self { name: name.to_owned(), versioning: Versioning::Off, lock: None }
    }

    /// With versions, without Object Lock.
    pub fn versioned(name: &str) -> Self {
        Self { versioning: Versioning::Enabled, ..Self::plain(name) }
    }

    /// With Object Lock, and so with versions; only what asks for it is locked.
    pub fn locked(name: &str) -> Self {
        Self { lock: Some(BucketLock::default()), ..Self::versioned(name) }
    }

    /// With Object Lock and a retention for what brings none.
    pub fn locked_by_default(name: &str, mode: Mode, period: Period) -> Self {
        let lock = BucketLock { default: Some(DefaultRetention { mode, period }) };
        Self { lock: Some(lock), ..Self::versioned(name) }
    }
}

/// A running fake; it ends when dropped.
pub struct Running {
    service: Arc<Service>,
    server: Server,
}

impl std::fmt::Debug for Running {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Running").field("endpoint", &self.endpoint()).finish()
    }
}

/// Starts a fake on a thread of its own, for synchronous and asynchronous tests alike.
///
/// # Errors
/// If no port, thread or runtime can be had.
pub fn start(options: Options) -> io::Result<Running> {
    let mut store = Store::default();
    for Bucket { name, versioning, lock } in options.buckets {
        let bucket = state::Bucket { versioning, lock, ..state::Bucket::default() };
        store.buckets.insert(name, bucket);
    }
    let service = Arc::new(Service {
        store: Mutex::new(store),
        credentials: options.credentials,
        region: REGION.to_owned(),
        page: options.page.max(1),
        clock: options.clock,
        faults: Faults::new(options.seed),
    });
    let server = Server::start({
        let service = Arc::clone(&service);
        move |request| Arc::clone(&service).handle(request)
    })?;
    Ok(Running { service, server })
}

impl Running {
    /// `http://127.0.0.1:PORT`, for path-style requests.
    pub fn endpoint(&self) -> String {
        self.server.endpoint()
    }

    /// The credential of a role.
    pub fn credential(&self, role: Role) -> Credential {
        Credential::of(role)
    }

    /// Its faults and statistics.
    pub fn faults(&self) -> &Faults {
        &self.service.faults
    }

    /// Its clock.
    pub fn clock(&self) -> &Clock {
        &self.service.clock
    }
}
