//! What can go wrong between this machine and a server, and the exit code of it.

use std::error::Error as StdError;
use std::io;

use holdfast_engine::Exit;
use holdfast_engine::export::REPORT;
use holdfast_server::api::Code;
use reqwest::StatusCode;

/// The failure of a request to a server.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The server says no, or that it failed.
    #[error("{message}{}", hinted(hint.as_deref()))]
    Answered {
        /// What kind of failure.
        code: Code,
        /// What failed, on what.
        message: String,
        /// What to do about it.
        hint: Option<String>,
    },
    /// Nothing answers.
    #[error("cannot reach the server {server}; is it running, and is the address right?")]
    Unreachable {
        /// Its address.
        server: String,
        /// Why.
        source: reqwest::Error,
    },
    /// Its certificate is not trusted.
    #[error(
        "the certificate of {server} is not trusted: {why}; give the file of its authority (a \
         server's own is server.pem in its home) with --server-ca-file"
    )]
    Certificate {
        /// Its address.
        server: String,
        /// What is wrong with it.
        why: String,
    },
    /// The connection broke while it answered.
    #[error("the connection to {server} broke off")]
    Broken {
        /// Its address.
        server: String,
        /// Why.
        source: reqwest::Error,
    },
    /// What answers is no Holdfast server.
    #[error("{url} does not answer as a Holdfast server does ({status}: {why})")]
    Foreign {
        /// The address that was asked.
        url: String,
        /// What it answered with.
        status: StatusCode,
        /// What is wrong with that.
        why: String,
    },
    /// Content that was being sent ended early.
    #[error(
        "the content broke off after {bytes} bytes: the vault is damaged, or the connection was \
         lost; what was written is not whole"
    )]
    Cut {
        /// Bytes that came.
        bytes: u64,
        /// How it ended.
        source: reqwest::Error,
    },
    /// An export that ended without its report.
    #[error("the ZIP of the server ends without its report {REPORT}: it is not whole")]
    NoReport,
    /// Ctrl-C while a job was followed.
    #[error("stopped looking; the server goes on with {}", .jobs.join(", "))]
    Left {
        /// The jobs.
        jobs: Vec<String>,
    },
    /// A job did not come to its end.
    #[error("job {id} {why}")]
    Job {
        /// Its id.
        id: String,
        /// What became of it.
        why: String,
    },
    /// The client cannot be made.
    #[error("the TLS client cannot start")]
    Client(#[source] reqwest::Error),
}

fn hinted(hint: Option<&str>) -> String {
    hint.map_or_else(String::new, |hint| format!(" ({hint})"))
}

impl Failure {
    /// A request that got no answer.
    pub fn of(server: &str, error: reqwest::Error) -> Self {
        let server = server.to_owned();
        match certificate(&error) {
            Some(why) => Self::Certificate { server, why },
            None => Self::Unreachable { server, source: error },
        }
    }

    /// The exit code.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Answered { code, .. } => match code {
                Code::NotSignedIn | Code::StepUp | Code::Denied | Code::Refused => Exit::Denied,
                Code::Invalid => Exit::Usage,
                Code::NotFound => Exit::NotFound,
                Code::Later => Exit::Later,
                Code::Damaged => Exit::Damaged,
                Code::Failed => Exit::Error,
            },
            Self::Unreachable { .. } | Self::Broken { .. } => Exit::Later,
            Self::Certificate { .. } => Exit::Denied,
            Self::Cut { .. } | Self::NoReport => Exit::Damaged,
            Self::Foreign { .. } | Self::Left { .. } | Self::Job { .. } | Self::Client(_) => {
                Exit::Error
            }
        }
    }

    /// True where the same may succeed in a moment: the server starts anew, say.
    pub fn may_pass(&self) -> bool {
        self.exit() == Exit::Later
    }
}

/// What TLS has against a certificate, where that is why something failed. I/O errors hide what
/// they hold from `source`.
fn certificate(error: &(dyn StdError + 'static)) -> Option<String> {
    if let Some(rustls::Error::InvalidCertificate(why)) = error.downcast_ref() {
        return Some(why.to_string());
    }
    let held = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    match held {
        Some(held) => certificate(held),
        None => certificate(error.source()?),
    }
}
