use holdfast_engine as engine;
use holdfast_model::Timestamp;

use super::{Denied, Right};

/// Result of every call to this module.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why somebody is not let in, or may not do something. No message holds a secret, or says whether
/// a user exists.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Name, password, code, passkey or token is wrong: one answer for all.
    #[error("the name, the password or the code is not right")]
    Refused,
    /// Too many attempts.
    #[error("too many attempts; try again after {until}")]
    TooMany {
        /// When the next one is taken.
        until: Timestamp,
    },
    /// The session, or the sign-in under way, has ended.
    #[error("the session has ended; sign in again")]
    Ended,
    /// The act needs a proof of a few minutes' age.
    #[error("prove again who you are, with a second factor or the password")]
    StepUp,
    /// The request does not come from our own pages.
    #[error("the request lacks the token of its session; load the page again")]
    Forged,
    /// A right is missing.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// A password that is guessed too easily.
    #[error("{0}")]
    Weak(String),
    /// A one-time link that was used, has ended, or never was.
    #[error("the link is not valid any more; ask for a new one")]
    Link,
    /// A request that makes no sense.
    #[error("{0}")]
    Invalid(String),
    /// A token that could do what its maker cannot, or what only people do.
    #[error("a token of yours cannot have the right {} there", .0.as_str())]
    Exceeds(Right),
    /// The server is reached by an IP address.
    #[error("passkeys need a host name; reach the server by one, and set its address")]
    NoPasskeys,
    /// A session, token, passkey or user that is not there.
    #[error("there is no {what} with this id")]
    NotFound {
        /// What kind of thing.
        what: &'static str,
    },
    /// Vault, catalog or machine failed, or refused a change of users.
    #[error(transparent)]
    Engine(#[from] engine::Error),
}

impl From<holdfast_catalog::Error> for Error {
    fn from(error: holdfast_catalog::Error) -> Self {
        Self::Engine(error.into())
    }
}

/// What kind of failure an [`Error`] is: decides the answer of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Not let in, or no longer in.
    NotSignedIn,
    /// Try later.
    TooMany,
    /// In, but a fresh proof is needed.
    StepUp,
    /// In, but without the right.
    Denied,
    /// The request makes no sense.
    Invalid,
    /// What was named is not there.
    NotFound,
    /// Anything else: see the exit code of the engine's error.
    Failed,
}

impl Error {
    /// The kind of failure.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Refused | Self::Ended => Kind::NotSignedIn,
            Self::TooMany { .. } => Kind::TooMany,
            Self::StepUp => Kind::StepUp,
            Self::Denied(_) | Self::Exceeds(_) | Self::Forged => Kind::Denied,
            Self::Weak(_) | Self::Invalid(_) | Self::NoPasskeys => Kind::Invalid,
            Self::Link | Self::NotFound { .. } => Kind::NotFound,
            Self::Engine(error) => match error.exit() {
                engine::Exit::NotFound => Kind::NotFound,
                engine::Exit::Usage => Kind::Invalid,
                engine::Exit::Denied => Kind::Denied,
                engine::Exit::Later => Kind::TooMany,
                _ => Kind::Failed,
            },
        }
    }
}
