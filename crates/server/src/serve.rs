//! The process: API, scheduler and worker, from the first start to a stop that loses no work.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum_server::Handle;
use axum_server::accept::NoDelayAcceptor;
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use holdfast_engine::audit::{self, Audit};
use holdfast_engine::{Home, users};
use holdfast_jobs::{ServiceOptions, Stop};
use holdfast_model::audit::{Action, Actor, Event};
use hyper_util::rt::TokioTimer;
use tokio::time::sleep;
use url::Url;

use crate::access::{Access, Cost, OWASP, Settings};
use crate::api::{Api, router};
use crate::certificate::{Certificate, names};
use crate::chores;
use crate::error::{Error, Result};
use crate::measure::Measure;

/// How long answers may go on after the server was told to stop.
const LAST_ANSWERS: Duration = Duration::from_secs(10);

/// How long what was begun may go on after that.
const LAST_ACTS: Duration = Duration::from_secs(60);

/// How long the head of a request may take.
const HEADERS: Duration = Duration::from_secs(30);

/// How often the certificate is read again.
const RENEWED: Duration = Duration::from_secs(12 * 3600);

/// How the server runs.
#[derive(Clone, Debug)]
pub struct ServeOptions {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Address under which browsers reach it; made of `listen` where absent.
    pub origin: Option<Url>,
    /// Certificate chain and private key (PEM); one of its own where absent.
    pub certificate: Option<(PathBuf, PathBuf)>,
    /// Proxies that are believed when they name the address that they speak for.
    pub trusted_proxies: Vec<IpAddr>,
    /// How it works on jobs and looks for what is due; not at all where absent.
    pub work: Option<ServiceOptions>,
    /// What a password costs to try.
    pub password_cost: Cost,
}

impl Default for ServeOptions {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8443)),
            origin: None,
            certificate: None,
            trusted_proxies: Vec::new(),
            work: Some(ServiceOptions::default()),
            password_cost: OWASP,
        }
    }
}

/// What is known once it answers.
#[derive(Clone, Debug)]
pub struct Started {
    /// Where it listens.
    pub address: SocketAddr,
    /// Address under which browsers reach it.
    pub origin: Url,
    /// The link by which the first administrator comes in, where there is none yet.
    pub setup_link: Option<String>,
    /// The certificate that clients must trust, where it is the server's own.
    pub own_certificate: Option<PathBuf>,
    /// SHA-256 of the certificate in hexadecimal.
    pub fingerprint: String,
}

/// Answers, schedules and works until it is told to stop; then it ends what it can in a minute and
/// gives the rest back to the queue.
///
/// # Errors
/// [`Error`] where it cannot start. What fails later is in the log, in jobs and in answers.
pub async fn serve(
    home: Arc<Home>,
    options: ServeOptions,
    started: impl FnOnce(&Started),
    stop: Stop,
) -> Result<()> {
    audit::resume(&home).await?;
    users::reconcile(&home).await?;
    let listener = listen(options.listen)?;
    let address = listener.local_addr().map_err(failed(options.listen))?;
    let origin = match options.origin.clone() {
        Some(origin) => origin,
        None => origin_of(address)?,
    };
    let names = names(origin.host_str().unwrap_or("localhost"), address.ip());
    let (given, served) = (options.certificate.clone(), Arc::clone(&home));
    let load = move || match &given {
        Some((certificate, key)) => Certificate::given(certificate, key),
        None => Certificate::own(served.dir(), &names, served.clock.now()),
    };
    let certificate = load()?;
    let settings = Settings { origin: origin.clone(), cost: options.password_cost };
    let access = Access::new(Arc::clone(&home), settings)?;
    let proxies = options.trusted_proxies.clone();
    let api = Api::new(Arc::clone(&home), access, Measure::new()?, &proxies, stop.clone());
    let api = Arc::new(api);
    note(&home, Action::ServerStart).await?;
    let link = api.access.setup_link().await?;
    let handle = Handle::new();
    let tls = RustlsConfig::from_config(Arc::new(certificate.config));
    let mut answering =
        tokio::spawn(answer(listener, tls.clone(), Arc::clone(&api), handle.clone()));
    let renewing = tokio::spawn(renew(tls, load));
    started(&Started {
        address,
        setup_link: link.map(|secret| api.access.link_to("setup", &secret)),
        origin,
        own_certificate: certificate.own,
        fingerprint: certificate.fingerprint,
    });
    let mut working = Box::pin(work(&home, &api, &options, stop, &handle));
    let ended = tokio::select! {
        () = &mut working => None,
        ended = &mut answering => Some(ended),
    };
    renewing.abort();
    match ended {
        Some(Ok(Err(source))) => return Err(Error::Listen { address, source }),
        // Told to stop, it has given the last answer; jobs still come to an end or are given back.
        Some(Ok(Ok(()))) => working.await,
        Some(Err(_)) => {}
        None => drop(answering.await),
    }
    // What somebody has asked for goes on after he is cut off.
    if tokio::time::timeout(LAST_ACTS, api.settle()).await.is_err() {
        tracing::warn!("what was asked for is still under way; the record has its beginning");
    }
    note(&home, Action::ServerStop).await?;
    Audit::open(&home).await?.save_head_or_warn().await;
    Ok(())
}

/// Works until the stop, and then until everything is ended or given back.
async fn work(
    home: &Arc<Home>,
    api: &Arc<Api>,
    options: &ServeOptions,
    mut stop: Stop,
    handle: &Handle<SocketAddr>,
) {
    let mut tasks = chores::start(api, &stop);
    if let Some(service) = options.work.clone() {
        let (home, stop) = (Arc::clone(home), stop.clone());
        tasks.spawn(async move {
            holdfast_jobs::serve(&home, &service, stop).await;
        });
    }
    // Where nobody is left to tell, it is time to stop too.
    let _ = stop.wait_for(|stop| *stop).await;
    handle.graceful_shutdown(Some(LAST_ANSWERS));
    while tasks.join_next().await.is_some() {}
}

/// Takes a certificate up that was renewed, its own or the given one.
async fn renew(tls: RustlsConfig, load: impl Fn() -> Result<Certificate>) {
    loop {
        sleep(RENEWED).await;
        match load() {
            Ok(certificate) => tls.reload_from_config(Arc::new(certificate.config)),
            Err(error) => tracing::error!(%error, "the certificate could not be read again"),
        }
    }
}

async fn answer(
    listener: TcpListener,
    tls: RustlsConfig,
    api: Arc<Api>,
    handle: Handle<SocketAddr>,
) -> std::io::Result<()> {
    let mut server = axum_server::from_tcp(listener)?
        .acceptor(RustlsAcceptor::new(tls).acceptor(NoDelayAcceptor::new()))
        .handle(handle);
    // Who connects and sends nothing is let go.
    let mut http = server.http_builder().http1();
    http.timer(TokioTimer::new()).header_read_timeout(HEADERS);
    server.serve(router(api).into_make_service_with_connect_info::<SocketAddr>()).await
}

async fn note(home: &Home, action: Action) -> Result<()> {
    let event = Event::new(Actor::system("server"), "local", action);
    Audit::open(home).await?.record(event).await?;
    Ok(())
}

fn listen(address: SocketAddr) -> Result<TcpListener> {
    let listener = TcpListener::bind(address).map_err(failed(address))?;
    listener.set_nonblocking(true).map_err(failed(address))?;
    Ok(listener)
}

fn failed(address: SocketAddr) -> impl Fn(std::io::Error) -> Error {
    move |source| Error::Listen { address, source }
}

/// `https://localhost:PORT` for a server of this machine only, so that passkeys work; else the
/// address on which it listens.
fn origin_of(address: SocketAddr) -> Result<Url> {
    let host = match address.ip() {
        ip if ip.is_loopback() || ip.is_unspecified() => "localhost".to_owned(),
        IpAddr::V6(ip) => format!("[{ip}]"),
        IpAddr::V4(ip) => ip.to_string(),
    };
    let origin = Url::parse(&format!("https://{host}:{}", address.port()));
    origin.map_err(|error| Error::Certificate(error.to_string()))
}
