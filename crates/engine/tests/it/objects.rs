//! Backup and restore on object stores, and how an installation keeps its vaults.

use std::fs;
use std::path::Path;

use holdfast_engine::browse::At;
use holdfast_engine::doctor::doctor;
use holdfast_engine::rebuild::rebuild;
use holdfast_engine::{Error, Exit, Home, NewVault, Storage, Unlock};
use holdfast_lockstore::{azure, s3};
use holdfast_model::{Outcome, Secret, ShardId};
use holdfast_testkit::{
    Options, PASSPHRASE, TestContext, assert_same, by_folder, live, mailbox_view, stored,
};
use holdfast_vault::{Location, Vault};

const BUCKET: &str = "bucket";

fn on_s3(server: &s3::Running) -> (Location, Storage) {
    let location = format!("s3://{BUCKET}/contoso?endpoint={}", server.endpoint());
    let credentials = |role| {
        let of = s3::Credential::of(role);
        let (id, key) = (of.access_key, of.secret_key);
        Some(Secret::new(format!("AWS_ACCESS_KEY_ID={id}\nAWS_SECRET_ACCESS_KEY={key}\n")))
    };
    let storage = Storage {
        credentials: credentials(s3::Role::Writer),
        maintenance: credentials(s3::Role::Maintenance),
        ..Storage::default()
    };
    (location.parse().unwrap(), storage)
}

fn on_azure(server: &azure::Running) -> (Location, Storage) {
    let (account, endpoint) = (&server.account, &server.endpoint);
    let location = format!("azblob://vault/contoso?account={account}&endpoint={endpoint}");
    let sas = |token: String| Some(Secret::new(format!("AZURE_STORAGE_SAS_TOKEN={token}\n")));
    let storage = Storage {
        credentials: sas(server.writer("vault")),
        maintenance: sas(server.maintenance("vault")),
        ..Storage::default()
    };
    (location.parse().unwrap(), storage)
}

/// Backs up, loses a mailbox, restores it; loses the catalog, makes it again; looks at the home.
async fn a_tenant_lives_there(vault: (Location, Storage)) {
    let options = Options { users: 2, mails: 12, vault: Some(vault), ..Options::default() };
    let mut t = TestContext::new(options).await;
    let upn = t.people().remove(0);
    let report = t.backup().await;
    assert_eq!(report.outcome, Outcome::Complete, "{report:#?}");
    assert!(t.backup().await.counts.is_idle());
    let before = live(t.tenant(), &upn);
    let kept = stored(&t.home, &upn, &At::Latest).await.unwrap();
    assert_same(&kept, &before, "after the backup");
    let folders = by_folder(&mailbox_view(t.tenant(), &upn));
    for id in before.keys() {
        t.tenant().message_delete(&upn, id, true).unwrap();
    }
    let restored = t.restore(t.restore_of(&upn)).await;
    assert_eq!(restored.items_restored, before.len() as u64, "{restored:#?}");
    assert_eq!(by_folder(&mailbox_view(t.tenant(), &upn)), folders);
    let vault = t.home.vault(None).await.unwrap();
    let checked = tokio::task::block_in_place(|| {
        let report = vault.shard(ShardId(1)).unwrap().check(true).unwrap();
        assert!(!vault.store().can_remove(), "backups run with writing credentials");
        report
    });
    assert_eq!(checked.errors, Vec::<String>::new());
    assert!(t.home.vault_for_maintenance(None).await.unwrap().store().can_remove());

    t.home.catalog.close().await;
    no_secret_in(t.home.dir());
    fs::remove_file(t.home.dir().join("catalog.db")).unwrap();
    let home = Home::open_to_rebuild(t.home.dir(), None, t.home.clock.clone()).await.unwrap();
    let rebuilt = rebuild(&home).await.unwrap();
    assert_eq!((rebuilt.tenants, rebuilt.damaged), (1, 0));
    home.catalog.close().await;
    t.reopen().await;
    let listed = t.home.vaults().await.unwrap();
    assert!(listed[0].maintenance_credentials, "{listed:?}");
    let findings = doctor(&t.home).await.unwrap();
    let storage = findings.iter().find(|finding| finding.subject.starts_with("storage")).unwrap();
    assert!(storage.ok && storage.detail.contains("cannot delete"), "{storage:?}");
}

/// Credentials stand nowhere in clear, not in the home.
fn no_secret_in(home: &Path) {
    for entry in fs::read_dir(home).unwrap() {
        let path = entry.unwrap().path();
        let bytes = fs::read(&path).unwrap_or_default();
        for needle in [&b"secret/of+"[..], b"AWS_SECRET", b"AZURE_STORAGE", b"sig="] {
            assert!(!bytes.windows(needle.len()).any(|at| at == needle), "{}", path.display());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_lives_on_s3() {
    let server = s3::start(s3::Options::new([s3::Bucket::versioned(BUCKET)])).unwrap();
    a_tenant_lives_there(on_s3(&server)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_lives_on_azure() {
    let server = azure::start(azure::Options::default()).unwrap();
    a_tenant_lives_there(on_azure(&server)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn vaults_are_added_known_again_and_rekeyed() {
    let t = TestContext::new(Options { users: 1, mails: 2, ..Options::default() }).await;
    let server = s3::start(s3::Options::new([s3::Bucket::versioned(BUCKET)])).unwrap();
    let (location, storage) = on_s3(&server);
    let new = NewVault {
        name: "second".to_owned(),
        location,
        unlock: Unlock::Passphrase(Secret::new(PASSPHRASE)),
        storage,
    };
    let added = t.home.vault_add(&new).await.unwrap();
    assert!(added.created && !added.writer_removes);
    assert_eq!(added.maintenance_removes, Some(true));
    // The same again: other credentials for the vault that is there.
    let only =
        NewVault { storage: Storage { maintenance: None, ..new.storage.clone() }, ..new.clone() };
    assert!(!t.home.vault_add(&only).await.unwrap().created);
    assert!(!t.home.vaults().await.unwrap()[1].maintenance_credentials);
    let other = NewVault { name: "third".to_owned(), ..new.clone() };
    assert!(t.home.vault_add(&other).await.is_err(), "one vault has one name");
    let wrong = NewVault { unlock: Unlock::Passphrase(Secret::new("guess")), ..new.clone() };
    assert_eq!(t.home.vault_add(&wrong).await.unwrap_err().exit(), Exit::Denied);
    let locked = NewVault {
        storage: Storage { lock: Some((holdfast_vault::LockMode::Compliance, 7)), ..new.storage },
        ..new
    };
    assert!(matches!(t.home.vault_add(&locked).await, Err(Error::Vault(_))), "nothing locks here");

    t.home.vault_rekey(Some("second"), &Secret::new("a new one")).await.unwrap();
    let vault = t.home.vault(Some("second")).await.unwrap();
    tokio::task::block_in_place(|| {
        let unlock = |text: &str| Vault::unlock_in(&**vault.store(), &Secret::new(text));
        assert!(unlock(PASSPHRASE).is_err() && unlock("a new one").is_ok());
    });
}
