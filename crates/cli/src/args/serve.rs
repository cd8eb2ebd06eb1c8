//! What can be typed about the server.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use clap::Args;
use url::Url;

#[derive(Debug, Args)]
pub struct ServerArgs {
    /// Where it listens; by default other machines do not reach it
    #[arg(long, default_value = "127.0.0.1:8443", value_name = "ADDRESS:PORT")]
    pub listen: SocketAddr,
    /// Address under which browsers reach it, with scheme and host
    /// [default: https://localhost and the port, or the address of --listen]
    #[arg(long, value_name = "URL")]
    pub origin: Option<Url>,
    /// Certificate chain (PEM) [default: one of its own, in the home folder]
    #[arg(long, value_name = "FILE", requires = "key")]
    pub certificate: Option<PathBuf>,
    /// Private key of the certificate (PEM), which only its owner can read
    #[arg(long, value_name = "FILE", requires = "certificate")]
    pub key: Option<PathBuf>,
    /// Address of a proxy that is believed when it names whom it speaks for; may be given several
    /// times
    #[arg(long, value_name = "ADDRESS")]
    pub trusted_proxy: Vec<IpAddr>,
    /// Jobs at the same time
    #[arg(long, default_value_t = 4, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=64))]
    pub slots: u8,
    /// Answer only; 'holdfast worker' on the same catalog does the work
    #[arg(long)]
    pub no_worker: bool,
    /// Do not look for what is due
    #[arg(long)]
    pub no_scheduler: bool,
}
