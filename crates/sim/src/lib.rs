//! The simulated tenant: an HTTPS server that speaks the token endpoint of Entra ID and the mail
//! and drive parts of Microsoft Graph v1.0, with the real semantics, limits and faults.
//!
//! It shares no code with the product it is used to test, so that a misreading of Graph is not
//! made on both sides: not even the library that reads MIME is the same. [`start`] runs it inside
//! a test or a command; [`Tenant`] is the handle by which tests change mail and files behind the
//! product's back, inject faults, turn the clock and read what was counted.
//!
//! What is simulated follows Microsoft's documentation and what users of the service reported;
//! nothing here was compared with a real tenant.

pub mod content;
pub mod mail;

mod address;
mod admin;
mod api;
mod assertion;
mod batch;
mod clock;
mod control;
#[cfg(test)]
mod desk;
mod error;
mod fault;
mod filter;
mod http;
mod office;
mod query;
mod registration;
mod render;
mod route;
mod seal;
mod seed;
mod serve;
mod state;
mod stats;
mod tenant;
mod throttle;
mod tls;
mod token;
mod units;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum_server::Handle;
use axum_server::accept::NoDelayAcceptor;
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use jiff::Timestamp;
use serde::Serialize;

pub use crate::clock::SimClock;
pub use crate::control::{
    DriveItemView, DriveView, Edit, FolderView, FullMessage, MessageView, RansomView, SiteView,
    UserView, VersionView,
};
pub use crate::error::{Refused, SimError};
pub use crate::fault::{Fault, FaultKind, FaultProfile, Faults, PlainBody, Resync, RetryAfter};
pub use crate::state::Flag;
pub use crate::state::drive::{FileBytes, Marks, Options as DriveOptions};
pub use crate::stats::Stats;
pub use crate::tenant::Tenant;
pub use crate::throttle::Limits;

/// How a simulated tenant is made and run.
#[derive(Clone, Debug)]
pub struct SimConfig {
    /// Where the server listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// How many people the company has.
    pub users: usize,
    /// Decides people, mail, ids, secrets and the faults of a profile.
    pub seed: u64,
    /// How many messages the generator makes per person.
    pub mails_per_user: usize,
    /// A folder of files to be used instead of the generator: `.eml` as mail, all others in drives.
    pub corpus: Option<PathBuf>,
    /// Where the state is kept; without it the tenant is gone when it stops.
    pub state: Option<PathBuf>,
    /// How the service misbehaves of its own accord.
    pub faults: FaultProfile,
    /// How long each request takes besides its work.
    pub latency: Duration,
    /// Further names in the certificate and in links.
    pub hosts: Vec<String>,
    /// Where the virtual clock stands until it is advanced; without it the machine's clock runs.
    pub now: Option<Timestamp>,
    /// The name in the addresses of downloads and uploads of files, as the service has another host
    /// for them; without it the one that the client used. One of `hosts`, or `localhost`.
    pub files_host: Option<String>,
    /// People without mail, drives without files.
    pub empty: bool,
    /// How many files the generator makes per person; with none nobody has a OneDrive.
    pub files_per_user: usize,
    /// How many team sites there are.
    pub sites: usize,
    /// What one application may do with one mailbox, and with SharePoint.
    pub limits: Limits,
    /// Whether message deltas take `$expand` (it is said of some tenants that they refuse it).
    pub delta_expands: bool,
}

impl Default for SimConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            users: 3,
            seed: 1,
            mails_per_user: 20,
            corpus: None,
            state: None,
            faults: FaultProfile::Calm,
            latency: Duration::ZERO,
            hosts: Vec::new(),
            files_host: None,
            now: None,
            empty: false,
            files_per_user: 0,
            sites: 0,
            limits: Limits::default(),
            delta_expands: true,
        }
    }
}

/// What a client has to know; as JSON the first line of `sim serve`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Info {
    /// The base of Graph, without the version.
    pub graph_url: String,
    /// The base of Entra ID.
    pub authority_url: String,
    /// The certificate of the tenant's own authority (PEM).
    pub ca_file: PathBuf,
    /// The tenant id.
    pub tenant_id: String,
    /// The application that may do everything.
    pub client_id: String,
    /// Its secret.
    pub client_secret: String,
    /// The application for backups: read permissions only.
    pub backup: Client,
    /// The application for restores.
    pub restore: Client,
}

/// An application's credentials.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Client {
    /// The client id.
    pub client_id: String,
    /// The client secret.
    pub client_secret: String,
}

/// A tenant whose server runs. Dropping it stops the server.
#[derive(Debug)]
pub struct RunningSim {
    /// What a client has to know.
    pub info: Info,
    tenant: Arc<Tenant>,
    ca_pem: String,
    handle: Handle<SocketAddr>,
    task: Option<tokio::task::JoinHandle<()>>,
    passing_folder: Option<PathBuf>,
}

/// The operations below `/v1.0` that the tenant knows, for example
/// `GET /users/{id}/messages/{id}/$value`: the names under which [`Stats::requests`] counts.
pub fn operations() -> Vec<String> {
    route::all().map(route::Route::name).collect()
}

/// Makes the tenant and starts its server.
pub async fn start(config: SimConfig) -> Result<RunningSim, SimError> {
    if let Some(folder) = &config.state {
        std::fs::create_dir_all(folder)
            .map_err(|source| SimError::State { path: folder.clone(), source })?;
    }
    let authority = tls::Authority::open(config.state.as_deref())?;
    let mut names = vec!["localhost".to_owned()];
    names.extend(config.hosts.iter().cloned());
    let mut addresses = vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
    let own = config.listen.ip();
    if !own.is_unspecified() && !addresses.contains(&own) {
        addresses.push(own);
    }
    let server_config = authority.server(&names, &addresses)?;
    let listener = listen(config.listen)?;
    let failed = |source| SimError::Listen { address: config.listen, source };
    let address = listener.local_addr().map_err(failed)?;
    let tenant = Arc::new(Tenant::open(&config, link_hosts(address, &names, &addresses))?);

    let app = axum::Router::new().fallback(serve::handle).with_state(Arc::clone(&tenant));
    let handle = Handle::new();
    // Without the delay of small answers that TCP makes by itself.
    let tls = RustlsAcceptor::new(RustlsConfig::from_config(Arc::new(server_config)));
    let server = axum_server::from_tcp(listener)
        .map_err(failed)?
        .acceptor(tls.acceptor(NoDelayAcceptor::new()))
        .handle(handle.clone())
        .serve(app.into_make_service());
    let task = tokio::spawn(async move {
        if let Err(error) = server.await {
            tracing::error!(%error, "the simulated tenant stopped");
        }
    });
    let (ca_file, passing_folder) = ca_file(&config, &authority.pem)?;
    Ok(RunningSim {
        info: info(&tenant, ca_file),
        tenant,
        ca_pem: authority.pem,
        handle,
        task: Some(task),
        passing_folder,
    })
}

fn listen(address: SocketAddr) -> Result<TcpListener, SimError> {
    let failed = |source| SimError::Listen { address, source };
    let listener = TcpListener::bind(address).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    Ok(listener)
}

/// The names that links may carry, the default first. Programs with fixed addresses reach the
/// tenant at the standard port, so the names also stand without one.
fn link_hosts(address: SocketAddr, names: &[String], addresses: &[IpAddr]) -> Vec<String> {
    let first =
        if address.ip().is_unspecified() { Ipv4Addr::LOCALHOST.into() } else { address.ip() };
    let mut hosts = vec![SocketAddr::new(first, address.port()).to_string()];
    hosts.extend(addresses.iter().map(|ip| SocketAddr::new(*ip, address.port()).to_string()));
    hosts.extend(names.iter().map(|name| format!("{name}:{}", address.port())));
    hosts
}

/// Where the authority's certificate lies; without a state folder in a passing one.
fn ca_file(config: &SimConfig, pem: &str) -> Result<(PathBuf, Option<PathBuf>), SimError> {
    if let Some(folder) = &config.state {
        return Ok((folder.join("ca.pem"), None));
    }
    let folder = std::env::temp_dir().join(format!("simulated-tenant-{}", seal::random_guid()));
    let path = folder.join("ca.pem");
    std::fs::create_dir_all(&folder)
        .and_then(|()| std::fs::write(&path, pem))
        .map_err(|source| SimError::State { path: path.clone(), source })?;
    Ok((path, Some(folder)))
}

fn info(tenant: &Tenant, ca_file: PathBuf) -> Info {
    let base = tenant.base_for(None);
    let state = tenant.state();
    let client = |index: usize| {
        let registration: &registration::Registration = &state.registrations[index];
        Client {
            client_id: registration.client_id.clone(),
            client_secret: registration.secret.clone(),
        }
    };
    let all = client(0);
    Info {
        graph_url: base.clone(),
        authority_url: base,
        ca_file,
        tenant_id: tenant.tenant_id().to_owned(),
        client_id: all.client_id,
        client_secret: all.client_secret,
        backup: client(1),
        restore: client(2),
    }
}

impl RunningSim {
    /// Control and inspection of the tenant.
    pub fn tenant(&self) -> &Arc<Tenant> {
        &self.tenant
    }

    /// The certificate of the tenant's own authority.
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// Runs until the server ends.
    pub async fn wait(mut self) {
        if let Some(task) = self.task.take() {
            // The task ends when the server does; a panic in it has been reported.
            let _ = task.await;
        }
    }

    /// Stops the server; connections are cut.
    pub async fn stop(mut self) {
        self.handle.shutdown();
        if let Some(task) = self.task.take() {
            let _ = task.await;
        }
    }
}

impl Drop for RunningSim {
    fn drop(&mut self) {
        self.handle.shutdown();
        if let Some(folder) = &self.passing_folder {
            // Nothing depends on the folder being gone.
            let _ = std::fs::remove_dir_all(folder);
        }
    }
}
