//! An account that runs, and what tests may do behind its interface.

use std::io;
use std::sync::{Arc, Mutex};

use jiff::{SignedDuration, Timestamp};
use rand::{RngCore as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::auth::Owner;
use super::call::is_container_name;
use super::rules::DefaultPolicy;
use super::service::Service;
use super::state::{Account, Container};
use crate::clock::Clock;
use crate::fault::Faults;
use crate::serve::Server;

/// How an account is made.
#[derive(Clone, Debug)]
pub struct Options {
    /// The account's name: 3 to 24 lower-case letters and digits.
    pub account: String,
    /// The containers that exist from the start.
    pub containers: Vec<ContainerOptions>,
    /// Whether the account keeps versions.
    pub versioning: bool,
    /// The time of day.
    pub clock: Clock,
    /// Decides the key and the chances of faults.
    pub seed: u64,
    /// Most entries of a page of a listing; clients may ask for fewer.
    pub page: usize,
}

impl Default for Options {
    /// An account `holdfast` with versions and the container `vault`, which supports version-level
    /// immutability and has no default policy; the machine's clock.
    fn default() -> Self {
        Self {
            account: "holdfast".to_owned(),
            containers: vec![ContainerOptions::immutable("vault")],
            versioning: true,
            clock: Clock::system(),
            seed: 1,
            page: 5000,
        }
    }
}

/// How a container is made.
#[derive(Clone, Debug)]
pub struct ContainerOptions {
    /// Its name.
    pub name: String,
    /// Whether it supports version-level immutability.
    pub version_level: bool,
    /// What blobs get that are written without a policy of their own.
    pub default_policy: Option<DefaultPolicy>,
}

impl ContainerOptions {
    /// With support for version-level immutability, without a default policy.
    pub fn immutable(name: &str) -> Self {
        Self { name: name.to_owned(), version_level: true, default_policy: None }
    }

    /// Without support for immutability.
    pub fn plain(name: &str) -> Self {
        Self { version_level: false, ..Self::immutable(name) }
    }
}

/// An account whose server runs. Dropping it stops the server; what it holds is gone.
///
/// `object_store` reaches it by `MicrosoftAzureBuilder` with `with_endpoint(running.endpoint)`,
/// `with_allow_http(true)`, `with_account`, and the account key or a SAS of [`Running::writer`].
#[derive(Debug)]
pub struct Running {
    /// Where it listens, the account included: `http://127.0.0.1:PORT/ACCOUNT`. Requests may also
    /// leave the account out of the path.
    pub endpoint: String,
    /// The account's name.
    pub account: String,
    /// The account key (base64), with which everything is allowed that the rules allow.
    pub key: String,
    pub(super) service: Arc<Service>,
    _server: Server,
}

/// Starts an account; needs no runtime and may be called from one.
///
/// # Errors
/// `InvalidInput` when the options contradict each other or Azure's rules for names; else when no
/// port, thread or runtime can be had.
pub fn start(options: Options) -> io::Result<Running> {
    check(&options)?;
    let mut key = [0; 64];
    ChaCha8Rng::seed_from_u64(options.seed).fill_bytes(&mut key);
    let mut account = Account::new(options.versioning);
    for container in options.containers {
        account.containers.insert(container.name.clone(), made(&container));
    }
    let service = Arc::new(Service {
        owner: Owner::new(&options.account, &key),
        clock: options.clock,
        faults: Faults::new(options.seed),
        page: options.page.max(1),
        account: Mutex::new(account),
    });
    let handler = Arc::clone(&service);
    let server = Server::start(move |request| {
        let service = Arc::clone(&handler);
        async move { service.reply(request).await }
    })?;
    Ok(Running {
        endpoint: format!("{}/{}", server.endpoint(), options.account),
        key: service.owner.key(),
        account: options.account,
        service,
        _server: server,
    })
}

fn check(options: &Options) -> io::Result<()> {
    let name = &options.account;
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    if !(3..=24).contains(&name.len()) || !name.bytes().all(plain) {
        return Err(invalid(format!("no name for an account: {name}")));
    }
    for container in &options.containers {
        check_container(container, options.versioning)?;
        if container.name == *name {
            return Err(invalid(format!("a container cannot be named like the account: {name}")));
        }
    }
    Ok(())
}

fn check_container(container: &ContainerOptions, versioning: bool) -> io::Result<()> {
    let ContainerOptions { name, version_level, default_policy } = container;
    if !is_container_name(name) {
        return Err(invalid(format!("no name for a container: {name}")));
    }
    if *version_level && !versioning {
        return Err(invalid(format!("version-level immutability of {name} needs versioning")));
    }
    if default_policy.is_some() && !version_level {
        return Err(invalid(format!(
            "a default policy of {name} needs version-level immutability"
        )));
    }
    Ok(())
}

fn invalid(text: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, text)
}

fn made(options: &ContainerOptions) -> Container {
    Container {
        version_level: options.version_level,
        default_policy: options.default_policy,
        ..Container::default()
    }
}

impl Running {
    /// The account's clock.
    pub fn clock(&self) -> &Clock {
        &self.service.clock
    }

    /// Faults and the statistics of requests, by the names of the documentation: `Put Blob`, `Put
    /// Block`, `Put Block List`, `Set Blob Metadata`, `Get Blob`, `Get Blob Properties`, `List
    /// Blobs`, `Delete Blob`, `Set Blob Immutability Policy`, `Delete Blob Immutability Policy`,
    /// `Set Blob Legal Hold`, `Create Container`, `Get Container Properties`, `Delete Container`,
    /// `Blob Batch`; the key is the blob's name, without the container.
    pub fn faults(&self) -> &Faults {
        &self.service.faults
    }

    /// A SAS for a container with these permissions, as a query string without question mark,
    /// valid for a hundred years of the account's clock.
    pub fn sas(&self, container: &str, permissions: &str) -> String {
        let now = self.service.clock.now();
        let ends = now.saturating_add(SignedDuration::from_hours(36_500 * 24));
        self.sas_until(container, permissions, ends.unwrap_or(Timestamp::MAX))
    }

    /// A SAS that ends at this time.
    pub fn sas_until(&self, container: &str, permissions: &str, ends: Timestamp) -> String {
        self.service.owner.container_sas(container, permissions, ends)
    }

    /// A SAS that reads and lists.
    pub fn reader(&self, container: &str) -> String {
        self.sas(container, "rl")
    }

    /// A SAS that reads, lists, writes and sets policies and holds, but deletes nothing. Azure has
    /// no permission that only prolongs: its bearer can shorten and delete *unlocked* policies and
    /// lift holds. Only locked policies keep it out.
    pub fn writer(&self, container: &str) -> String {
        self.sas(container, "rcwli")
    }

    /// A SAS that can also delete blobs and versions.
    pub fn maintenance(&self, container: &str) -> String {
        self.sas(container, "rcwdxli")
    }

    /// Makes a container, as the management interface does.
    ///
    /// # Errors
    /// `InvalidInput` when its options contradict each other; `AlreadyExists`.
    pub fn add_container(&self, options: &ContainerOptions) -> io::Result<()> {
        let mut account = self.service.account();
        check_container(options, account.versioning)?;
        if account.containers.contains_key(&options.name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        account.containers.insert(options.name.clone(), made(options));
        Ok(())
    }

    /// Sets or removes a container's default policy, as the management interface does. False when
    /// there is no such container or it does not support policies.
    pub fn set_default_policy(&self, container: &str, policy: Option<DefaultPolicy>) -> bool {
        let mut account = self.service.account();
        let container = account.containers.get_mut(container).filter(|c| c.version_level);
        container.map(|container| container.default_policy = policy).is_some()
    }
}
