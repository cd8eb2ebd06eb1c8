//! What a command can fail with, and the exit code that goes with it.

use std::error::Error as _;
use std::io;
use std::path::{Path, PathBuf};

use holdfast_engine as engine;
use holdfast_engine::Exit;
use serde_json::{Value, json};

use crate::remote::Failure;

/// The failure of a command.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An operation failed.
    #[error(transparent)]
    Engine(#[from] engine::Error),
    /// A job cannot be read.
    #[error(transparent)]
    Job(holdfast_jobs::Error),
    /// The server cannot start or go on.
    #[error(transparent)]
    Server(#[from] holdfast_server::Error),
    /// A server refuses or cannot be asked.
    #[error(transparent)]
    Remote(#[from] Failure),
    /// The simulated tenant cannot start.
    #[error(transparent)]
    Sim(#[from] holdfast_sim::SimError),
    /// The simulated tenant refuses an order of the demo.
    #[error("the simulated tenant refuses what the demo wants to change")]
    Scene(#[from] holdfast_sim::Refused),
    /// The request makes no sense.
    #[error("{0}")]
    Usage(String),
    /// A file that the caller named cannot be used.
    #[error("cannot {action} {}", path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// Standard output takes nothing more.
    #[error("cannot write to standard output")]
    Output(#[source] io::Error),
    /// The operating system gives no threads or signals.
    #[error("cannot start: the operating system refuses {what}")]
    System {
        /// What it refuses.
        what: &'static str,
        /// Why.
        source: io::Error,
    },
    /// A report is not what it says of itself.
    #[error("the report of the command cannot be shown")]
    Report(#[source] serde_json::Error),
    /// The demo's proof failed.
    #[error("{0}")]
    Proof(String),
    /// The user stopped the command.
    #[error("stopped")]
    Stopped,
}

/// Result of a command.
pub type Result<T> = std::result::Result<T, Error>;

impl From<holdfast_graph::Error> for Error {
    fn from(error: holdfast_graph::Error) -> Self {
        Self::Engine(error.into())
    }
}

impl From<holdfast_jobs::Error> for Error {
    fn from(error: holdfast_jobs::Error) -> Self {
        match error {
            holdfast_jobs::Error::Engine(error) => Self::Engine(error),
            holdfast_jobs::Error::Catalog(error) => Self::Engine(error.into()),
            error => Self::Job(error),
        }
    }
}

impl From<holdfast_vault::Error> for Error {
    fn from(error: holdfast_vault::Error) -> Self {
        Self::Engine(error.into())
    }
}

impl From<holdfast_catalog::Error> for Error {
    fn from(error: holdfast_catalog::Error) -> Self {
        Self::Engine(error.into())
    }
}

impl Error {
    /// Makes an I/O error one of a file.
    pub fn file(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { action, path, source }
    }

    /// The exit code.
    pub fn exit_code(&self) -> u8 {
        let exit = match self {
            Self::Engine(error) => error.exit(),
            Self::Server(error) => error.exit(),
            Self::Remote(failure) => failure.exit(),
            Self::Usage(_) => Exit::Usage,
            Self::File { source, .. } => match source.kind() {
                io::ErrorKind::NotFound => Exit::NotFound,
                io::ErrorKind::PermissionDenied => Exit::Denied,
                _ => Exit::Error,
            },
            _ => Exit::Error,
        };
        exit as u8
    }

    /// A short cause for the audit record, without names.
    pub fn cause(&self) -> String {
        match self {
            Self::Engine(error) => error.cause(),
            Self::Usage(_) => "usage".to_owned(),
            Self::Server(_) => "server".to_owned(),
            Self::Remote(_) => "remote".to_owned(),
            Self::Job(_) => "job".to_owned(),
            Self::File { source, .. } => source.kind().to_string(),
            Self::Stopped => "stopped".to_owned(),
            Self::Sim(_) | Self::Scene(_) | Self::Proof(_) => "demo".to_owned(),
            Self::Output(_) | Self::Report(_) | Self::System { .. } => "system".to_owned(),
        }
    }

    /// True when the reader of our output went away, which is no news for anybody.
    pub fn is_closed_pipe(&self) -> bool {
        matches!(self, Self::Output(source) if source.kind() == io::ErrorKind::BrokenPipe)
    }

    /// The messages of the causes, nearest first.
    pub fn causes(&self) -> Vec<String> {
        let mut causes = Vec::new();
        let mut next = self.source();
        while let Some(error) = next {
            causes.push(error.to_string());
            next = error.source();
        }
        causes
    }

    /// The `--json` form.
    pub fn to_json(&self) -> Value {
        document(&self.to_string(), &self.causes(), self.exit_code())
    }
}

/// The `--json` form of an error.
pub fn document(message: &str, causes: &[String], exit_code: u8) -> Value {
    json!({"error": {"message": message, "causes": causes, "exit_code": exit_code}})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_file_is_not_found_and_names_its_cause() {
        let missing = io::Error::from(io::ErrorKind::NotFound);
        let error = Error::file("read", Path::new("secret.txt"))(missing);
        assert_eq!(error.exit_code(), 4);
        assert_eq!(error.to_string(), "cannot read secret.txt");
        assert_eq!(error.to_json()["error"]["causes"][0], "entity not found");
        assert_eq!(error.to_json()["error"]["exit_code"], 4);
    }
}
