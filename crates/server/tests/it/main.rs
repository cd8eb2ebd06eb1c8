//! Access from outside, on a real catalog and vault, with a clock that moves only when told.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod api;
mod authorise;
mod brute_force;
mod factor;
mod invite;
mod passkey;
mod session;
mod sign_in;
mod token;

use std::path::Path;
use std::sync::Arc;

use holdfast_engine::users::{self, User};
use holdfast_engine::{Home, InitOptions, Storage, Unlock};
use holdfast_model::{Clock, Grant, Role, Secret};
use holdfast_server::access::{
    Access, Caller, Cost, Entered, Error, NewSession, Settings, SignedIn,
};
use jiff::SignedDuration;
use tempfile::TempDir;

/// A password that the rule takes.
const PASSWORD: &str = "violin harbour tundra 7 moss";

/// Cheap: what it costs is not what these tests are about.
const CHEAP: Cost = Cost { memory: 8, passes: 1, lanes: 1 };

const ORIGIN: &str = "https://backup.example";

struct Door {
    dir: TempDir,
    clock: Clock,
    home: Arc<Home>,
    access: Access,
}

impl Door {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = Clock::manual("2026-03-02T08:00:00Z".parse().unwrap());
        let home = init(dir.path(), "home", &clock).await;
        let access = access(&home, CHEAP);
        Self { dir, clock, home, access }
    }

    async fn user(&self, name: &str, role: Role) -> User {
        let grants = vec![Grant::everywhere(role)];
        let invited = users::create(&self.home, name, "Some Body", grants, |_| {}).await.unwrap();
        let link = self.access.invite(&invited.id, &invited.id).await.unwrap();
        self.access.accept(&link, &secret(PASSWORD)).await.unwrap()
    }

    async fn try_in(&self, name: &str, password: &str) -> Result<SignedIn, Error> {
        self.access.sign_in(name, &secret(password), &caller()).await
    }

    /// Signs a user without a second factor in.
    async fn sign_in(&self, name: &str) -> NewSession {
        match self.try_in(name, PASSWORD).await.unwrap() {
            SignedIn::Session(session) => session,
            SignedIn::SecondFactor(pending) => panic!("{pending:?}"),
        }
    }

    async fn enter(&self, name: &str) -> Entered {
        self.access.session(&self.sign_in(name).await.secret).await.unwrap()
    }

    /// Signs a user with a second factor in half; gives the handle.
    async fn half_in(&self, name: &str) -> Secret {
        match self.try_in(name, PASSWORD).await.unwrap() {
            SignedIn::SecondFactor(pending) => pending.handle,
            SignedIn::Session(session) => panic!("{session:?}"),
        }
    }

    fn advance(&self, seconds: i64) {
        self.clock.advance(SignedDuration::from_secs(seconds));
    }
}

async fn init(dir: &Path, name: &str, clock: &Clock) -> Arc<Home> {
    let options = InitOptions {
        vault: dir.join("vault").into(),
        storage: Storage::default(),
        unlock: Unlock::Passphrase(secret("correct horse battery staple")),
        instance_key: Some(dir.join(format!("{name}.key"))),
        catalog_url: None,
    };
    let (home, _) = Home::init(&dir.join(name), &options, clock.clone()).await.unwrap();
    Arc::new(home)
}

fn access(home: &Arc<Home>, cost: Cost) -> Access {
    let settings = Settings { origin: ORIGIN.parse().unwrap(), cost };
    Access::new(Arc::clone(home), settings).unwrap()
}

fn caller() -> Caller {
    from("192.0.2.7")
}

fn from(address: &str) -> Caller {
    Caller { address: address.parse().unwrap(), agent: "Browser\r\n1".to_owned() }
}

fn secret(text: &str) -> Secret {
    Secret::new(text)
}

fn text(secret: &Secret) -> &str {
    secret.expose_str().unwrap()
}
