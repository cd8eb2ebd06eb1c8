use std::net::SocketAddr;
use std::path::PathBuf;

use holdfast_engine::Exit;

use crate::access;

/// Result of running the server.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why the server cannot start or go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The engine failed.
    #[error(transparent)]
    Engine(#[from] holdfast_engine::Error),
    /// Sign-in cannot be set up.
    #[error(transparent)]
    Access(#[from] access::Error),
    /// The address is taken, or not one of this machine.
    #[error("cannot listen on {address}; give another one with --listen")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// A file of the certificate cannot be read or written.
    #[error("cannot {action} {}", path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// Why it failed.
        source: std::io::Error,
    },
    /// Certificate and key do not make a server.
    #[error("certificate and key cannot be used: {0}")]
    Certificate(String),
    /// The private key of the certificate can be read by others.
    #[error("the key {} can be read by others; run 'chmod 600 {}'", .0.display(), .0.display())]
    KeyExposed(PathBuf),
    /// The figures cannot be collected.
    #[error("the metrics cannot be set up: {0}")]
    Measure(String),
}

impl From<holdfast_catalog::Error> for Error {
    fn from(error: holdfast_catalog::Error) -> Self {
        Self::Engine(error.into())
    }
}

impl Error {
    /// The exit code that goes with this error.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Engine(error) | Self::Access(access::Error::Engine(error)) => error.exit(),
            Self::KeyExposed(_) => Exit::Denied,
            Self::Certificate(_) => Exit::Usage,
            _ => Exit::Error,
        }
    }
}
