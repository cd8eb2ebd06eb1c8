//! The test context: a simulated tenant over HTTPS, an installation with its vault in a temporary
//! folder, and clocks that move only when told, so that a test waits for nothing.
//!
//! ```no_run
//! # async fn example() {
//! use holdfast_testkit::{Options, TestContext};
//!
//! let t = TestContext::new(Options { users: 2, ..Options::default() }).await;
//! let report = t.backup().await;
//! assert_eq!(report.counts.items_failed, 0);
//! # }
//! ```
#![allow(clippy::missing_panics_doc, reason = "a test context fails by panicking")]
#![allow(clippy::unwrap_used, reason = "a test context fails by panicking")]
#![allow(clippy::print_stdout, reason = "a test says what it leaves out")]

mod drives;
mod mailbox;
mod restic;
mod view;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use holdfast_engine::backup::{BackupReport, BackupRequest, backup};
use holdfast_engine::browse::At;
use holdfast_engine::recover::Recovery;
use holdfast_engine::restore::{RestoreReport, RestoreRequest, restore};
use holdfast_engine::tenant::{Login, NewTenant, add};
use holdfast_engine::{Error, Home, InitOptions, NewVault, Progress, Storage, Unlock};
use holdfast_graph::Sleep;
use holdfast_model::{Clock, Secret, Timestamp};
use holdfast_sim::{RunningSim, SimConfig, Tenant};
use holdfast_vault::Location;
use jiff::SignedDuration;
use tempfile::TempDir;

pub use drives::{
    Files, KeptFile, assert_same_files, live_files, live_folders, sha256, stored_files,
};
pub use holdfast_sim as sim;
pub use mailbox::{Kept, Mailbox, assert_same, kept, live, stored};
pub use restic::Restic;
pub use view::{Comparable, by_folder, mailbox_view, special};

/// Name of the tenant in every test.
pub const TENANT: &str = "contoso";

/// Passphrase of the vault in every test.
pub const PASSPHRASE: &str = "correct horse battery staple";

/// How the simulated tenant starts.
#[derive(Clone, Debug)]
pub struct Options {
    /// People.
    pub users: usize,
    /// Messages made per person; none makes empty mailboxes.
    pub mails: usize,
    /// Seed of content and ids.
    pub seed: u64,
    /// Folder of `.eml` files used instead of generated mail.
    pub corpus: Option<PathBuf>,
    /// Files made in the OneDrive of each person; none makes no OneDrives.
    pub files: usize,
    /// Team sites.
    pub sites: usize,
    /// Whether message deltas take `$expand`.
    pub delta_expands: bool,
    /// Where the vault lies; a temporary folder where absent.
    pub vault: Option<(Location, Storage)>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            users: 2,
            mails: 20,
            seed: 7,
            corpus: None,
            files: 0,
            sites: 0,
            delta_expands: true,
            vault: None,
        }
    }
}

/// Everything that a test of an operation needs.
pub struct TestContext {
    /// The simulated tenant.
    pub sim: RunningSim,
    /// The installation.
    pub home: Home,
    clock: Clock,
    init: InitOptions,
    dir: TempDir,
}

impl TestContext {
    /// Starts a tenant and makes an installation that protects it.
    pub async fn new(options: Options) -> Self {
        let start: Timestamp = "2026-03-02T08:00:00Z".parse().unwrap();
        let config = SimConfig {
            users: options.users,
            seed: options.seed,
            mails_per_user: options.mails,
            empty: options.mails == 0 && options.corpus.is_none(),
            corpus: options.corpus,
            files_per_user: options.files,
            sites: options.sites,
            delta_expands: options.delta_expands,
            now: Some(start),
            ..SimConfig::default()
        };
        let sim = holdfast_sim::start(config).await.unwrap();
        let dir = tempfile::tempdir().unwrap();
        let clock = Clock::manual(start);
        let mut init = init_options(dir.path());
        if let Some((vault, storage)) = options.vault {
            (init.vault, init.storage) = (vault, storage);
        }
        let (mut home, _) =
            Home::init(&dir.path().join("home"), &init, clock.clone()).await.unwrap();
        home.sleep = sleep(&sim, &clock);
        let context = Self { sim, home, clock, init, dir };
        add(&context.home, context.new_tenant()).await.unwrap();
        context
    }

    /// The tenant as `tenant add` takes it: the registration that may do all.
    pub fn new_tenant(&self) -> NewTenant {
        let info = &self.sim.info;
        NewTenant {
            name: TENANT.to_owned(),
            tenant_id: info.tenant_id.clone(),
            client_id: info.client_id.clone(),
            login: Login::Secret(Secret::new(info.client_secret.clone())),
            restore: None,
            vault: None,
            graph_url: info.graph_url.clone(),
            authority_url: info.authority_url.clone(),
            ca_pem: Some(self.sim.ca_pem().to_owned()),
            file_versions: None,
        }
    }

    /// Control of the simulated tenant.
    pub fn tenant(&self) -> &Arc<Tenant> {
        self.sim.tenant()
    }

    /// Sign-in names of all people.
    pub fn people(&self) -> Vec<String> {
        self.tenant().users().into_iter().map(|user| user.upn).collect()
    }

    /// Folder of the vault.
    pub fn vault_dir(&self) -> PathBuf {
        self.dir.path().join("vault")
    }

    /// A folder for the test's own files.
    pub fn scratch(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Moves both clocks.
    pub fn advance(&self, by: Duration) {
        self.sim.tenant().clock().advance(by);
        self.clock.advance(SignedDuration::try_from(by).unwrap());
    }

    /// Backs up everything.
    pub async fn backup(&self) -> BackupReport {
        self.advance(Duration::from_secs(60));
        backup(&self.home, &BackupRequest::default(), &Progress::default()).await.unwrap()
    }

    /// Restores.
    pub async fn restore(&self, request: RestoreRequest) -> RestoreReport {
        restore(&self.home, &request, &Progress::default()).await.unwrap()
    }

    /// A request to restore the newest state of a resource.
    pub fn restore_of(&self, resource: &str) -> RestoreRequest {
        RestoreRequest {
            resource: resource.to_owned(),
            at: At::Latest,
            ..RestoreRequest::default()
        }
    }

    /// Stock restic on the first shard.
    pub async fn restic(&self) -> Option<Restic> {
        let vault = self.home.vault(None).await.unwrap();
        Restic::find(&vault)
    }

    /// Makes another home on the same vault, as after the loss of the machine.
    pub async fn second_home(&self) -> Home {
        let path = self.dir.path().join("home2");
        let (mut home, made) = Home::init(&path, &self.init, self.clock.clone()).await.unwrap();
        assert!(!made, "the vault is attached, not made");
        home.sleep = sleep(&self.sim, &self.clock);
        home
    }

    /// What `recover` is told: this kit, and an instance key of its own.
    pub fn recover_options(&self, kit: &Path) -> InitOptions {
        let unlock = Unlock::Kit(kit.to_owned());
        let instance_key = Some(self.scratch("recovered.key"));
        InitOptions { unlock, instance_key, ..self.init.clone() }
    }

    /// What opens every vault that a test has made.
    pub fn passphrase(&self) -> Unlock {
        self.init.unlock.clone()
    }

    /// Begins to recover into the folder `recovered`.
    pub async fn recover(&self, options: &InitOptions) -> Result<Recovery, Error> {
        Recovery::begin(&self.scratch("recovered"), options, self.clock.clone()).await
    }

    /// The machine is lost: home and instance key are gone.
    pub async fn lose_machine(&self) {
        self.home.catalog.close().await;
        std::fs::remove_dir_all(self.home.dir()).unwrap();
        std::fs::remove_file(self.home.key_path()).unwrap();
    }

    /// Goes on in the home that was recovered.
    pub async fn take_recovered(&mut self) {
        let home = Home::open(&self.scratch("recovered"), None, self.clock.clone()).await;
        self.home = home.unwrap();
        self.home.sleep = sleep(&self.sim, &self.clock);
    }

    /// Adds a second vault to the installation, in a folder of its own; gives that folder.
    pub async fn second_vault(&self, name: &str) -> PathBuf {
        let folder = self.dir.path().join(name);
        let new = NewVault {
            name: name.to_owned(),
            location: folder.clone().into(),
            unlock: Unlock::Passphrase(Secret::new(PASSPHRASE)),
            storage: Storage::default(),
        };
        assert!(self.home.vault_add(&new).await.unwrap().created);
        folder
    }

    /// Makes another home on a vault in this folder.
    pub async fn home_on(&self, vault: &Path) -> Home {
        let path = self.dir.path().join("home3");
        let storage = Storage::default();
        let init = InitOptions { vault: vault.to_owned().into(), storage, ..self.init.clone() };
        let (mut home, made) = Home::init(&path, &init, self.clock.clone()).await.unwrap();
        assert!(!made, "the vault is attached, not made");
        home.sleep = sleep(&self.sim, &self.clock);
        home
    }

    /// Opens the home anew, as the next command does.
    pub async fn reopen(&mut self) {
        self.home = self.open_again().await;
    }

    /// The home as another process opens it beside this one.
    pub async fn open_again(&self) -> Home {
        let path = self.dir.path().join("home");
        let mut home = Home::open(&path, None, self.clock.clone()).await.unwrap();
        home.sleep = sleep(&self.sim, &self.clock);
        home
    }
}

fn init_options(dir: &Path) -> InitOptions {
    InitOptions {
        vault: dir.join("vault").into(),
        storage: Storage::default(),
        unlock: Unlock::Passphrase(Secret::new(PASSPHRASE)),
        instance_key: Some(dir.join("instance.key")),
        catalog_url: None,
    }
}

/// Waiting moves the clocks and takes no time.
fn sleep(sim: &RunningSim, clock: &Clock) -> Sleep {
    let (tenant, clock) = (Arc::clone(sim.tenant()), clock.clone());
    Sleep::new(move |wait| {
        tenant.clock().advance(wait);
        clock.advance(SignedDuration::try_from(wait).unwrap_or_default());
        std::future::ready(())
    })
}

/// The folder of shared test data beside the checkout, if it is there.
pub fn shared(part: &str) -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared").join(part);
    root.is_dir().then_some(root)
}
