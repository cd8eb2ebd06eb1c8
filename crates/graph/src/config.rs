//! What a connection to one tenant needs, and the two test seams: sleep and clock.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use holdfast_model::{Clock, Secret};
use url::Url;

type Nap = Pin<Box<dyn Future<Output = ()> + Send>>;

/// How the client waits: tokio's timer, or whatever a test puts in its place.
#[derive(Clone)]
pub struct Sleep(Arc<dyn Fn(Duration) -> Nap + Send + Sync>);

impl Sleep {
    /// Waits through `sleep` instead of the timer. A test may record the durations, and should
    /// move its clock by them.
    pub fn new<F, Fut>(sleep: F) -> Self
    where
        F: Fn(Duration) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        Self(Arc::new(move |duration| Box::pin(sleep(duration))))
    }

    pub(crate) async fn sleep(&self, duration: Duration) {
        (self.0)(duration).await;
    }
}

impl Default for Sleep {
    fn default() -> Self {
        Self::new(tokio::time::sleep)
    }
}

impl fmt::Debug for Sleep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sleep")
    }
}

/// What the application proves its identity with.
#[derive(Clone, Debug)]
pub enum Credential {
    /// A client secret (its value, not its id).
    Secret(Secret),
    /// A certificate whose public half is registered with the application. Preferred: no secret
    /// ever travels.
    Certificate {
        /// The certificate, PEM.
        certificate_pem: String,
        /// Its RSA key, PEM (PKCS#8 or PKCS#1), not encrypted.
        key_pem: Secret,
    },
}

/// One registered application in one tenant.
#[derive(Clone, Debug)]
pub struct Config {
    /// Address of Graph: `https://graph.microsoft.com`, a national cloud, or a simulated tenant.
    pub graph_url: Url,
    /// Address of the sign-in service: `https://login.microsoftonline.com` or as above.
    pub authority_url: Url,
    /// Directory (tenant) id, or a verified domain of the tenant.
    pub tenant_id: String,
    /// Application (client) id.
    pub client_id: String,
    /// The application's proof of identity.
    pub credential: Credential,
    /// Certificate authorities that are trusted besides those of the system, PEM.
    pub ca_pem: Option<Vec<u8>>,
    /// How to wait.
    pub sleep: Sleep,
    /// What time it is.
    pub clock: Clock,
}

impl Config {
    /// An application in Microsoft's global cloud.
    pub fn new(
        tenant_id: impl Into<String>,
        client_id: impl Into<String>,
        credential: Credential,
    ) -> Self {
        let url = |text| Url::parse(text).expect("the constant is a URL");
        Self {
            graph_url: url("https://graph.microsoft.com"),
            authority_url: url("https://login.microsoftonline.com"),
            tenant_id: tenant_id.into(),
            client_id: client_id.into(),
            credential,
            ca_pem: None,
            sleep: Sleep::default(),
            clock: Clock::system(),
        }
    }
}
