//! Who may come in, and what he may do.
//!
//! **In**: [`Access::sign_in`] (password), [`Access::second_factor`] (time-based code, passkey,
//! recovery code), [`Access::session`] and [`Access::token`] for each request after that. A wrong
//! name, a wrong password and a wrong code get one answer, after the same work, and are counted
//! against brute force (`limit`) before they are tried.
//!
//! **May**: [`authorise`] says whether a [`Principal`] has a [`Right`] on a [`Target`];
//! [`visible`] gives the filter by which lists, counts and searches show no more. Both are pure.
//!
//! Users are intent and change through [`holdfast_engine::users`] only. Everything else here is in
//! the catalog, secrets as hashes. `docs/access.md` is the page for people.

mod authorise;
mod error;
mod factor;
mod invite;
mod limit;
mod opaque;
mod passkey;
mod password;
mod recovery;
mod right;
mod session;
mod sign_in;
mod token;
mod totp;

use std::fmt;
use std::sync::Arc;

use holdfast_engine::Home;
use holdfast_model::Secret;
use tokio::sync::Semaphore;
use url::Url;
use webauthn_rs::{Webauthn, WebauthnBuilder};

pub use authorise::{Denied, Principal, Reason, Target, TokenLimit, authorise, visible};
pub use error::{Error, Kind, Result};
pub use factor::{Factor, Proof};
pub use limit::MAX_WAIT;
pub use passkey::PasskeyChallenge;
pub use password::{Cost, MIN_LENGTH, OWASP};
pub use right::Right;
pub use session::{ABSOLUTE, Entered, FRESH, IDLE, NewSession, Session};
pub use sign_in::{Caller, Pending, SignedIn};
pub use token::{ApiToken, MAX_AGE, NewToken};
pub use totp::TotpEnrolment;
pub use webauthn_rs::prelude::{
    CreationChallengeResponse, PublicKeyCredential, RegisterPublicKeyCredential,
    RequestChallengeResponse,
};

/// Passwords that are hashed at once: each takes the memory of [`Cost`], and the rest wait.
const HASHED_AT_ONCE: usize = 4;

/// What sign-in needs to know of the server.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Address under which browsers reach the server, such as `https://backup.example`. Passkeys
    /// belong to its host name; under an IP address there are none.
    pub origin: Url,
    /// What a password costs to try.
    pub cost: Cost,
}

/// The door: everything that lets people and programs in.
pub struct Access {
    home: Arc<Home>,
    origin: Url,
    passwords: password::Hasher,
    hashing: Semaphore,
    webauthn: Option<Webauthn>,
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Access").field("origin", &self.origin).finish_non_exhaustive()
    }
}

impl Access {
    /// Access to an installation. Calculates one password hash.
    ///
    /// # Errors
    /// [`Error::Invalid`] for an origin without a host, or a cost that Argon2 does not take.
    pub fn new(home: Arc<Home>, settings: Settings) -> Result<Self> {
        let Settings { origin, cost } = settings;
        let host = origin.host_str().ok_or_else(|| {
            Error::Invalid("the address of the server has no host name".to_owned())
        })?;
        let builder = WebauthnBuilder::new(host, &origin);
        let webauthn = builder.and_then(|builder| builder.rp_name("Holdfast").build()).ok();
        Ok(Self {
            passwords: password::Hasher::new(cost)?,
            hashing: Semaphore::new(HASHED_AT_ONCE),
            webauthn,
            origin,
            home,
        })
    }

    /// What the server does every few minutes: forgets sessions that have ended and attempts of long
    /// ago, and writes changes of users to the home vault that it was away for.
    ///
    /// # Errors
    /// What catalog and vault answer; the next call does what is left.
    pub async fn sweep(&self) -> Result<()> {
        self.sweep_sessions().await?;
        self.sweep_attempts().await?;
        holdfast_engine::users::flush(&self.home).await?;
        Ok(())
    }

    /// The address of a page of the server that takes the secret of a one-time link. The secret
    /// stands behind `#`, which browsers send to nobody.
    pub fn link_to(&self, page: &str, secret: &Secret) -> String {
        let origin = self.origin.as_str().trim_end_matches('/');
        format!("{origin}/{page}#{}", secret.expose_str().unwrap_or_default())
    }

    fn now(&self) -> holdfast_model::Timestamp {
        self.home.clock.now()
    }
}
