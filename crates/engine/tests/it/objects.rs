//! Backup and restore on object stores, and how an installation keeps its vaults.

use std::fs;
use std::num::NonZeroU32;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use holdfast_engine::browse::{At, snapshots};
use holdfast_engine::copy::copy;
use holdfast_engine::doctor::doctor;
use holdfast_engine::maintain::{EraseRequest, PruneRequest, erase, prune};
use holdfast_engine::rebuild::rebuild;
use holdfast_engine::stats::stats;
use holdfast_engine::{
    Error, Exit, Home, InitOptions, NewVault, Progress, Storage, Unlock, hold, verify,
};
use holdfast_lockstore::{Clock as ServerClock, azure, s3};
use holdfast_model::{Clock, Outcome, Secret, ShardId};
use holdfast_policy::{Hold, HoldScope, KeepRule, Rules, Verdict};
use holdfast_testkit::{
    Options, PASSPHRASE, TestContext, assert_same, by_folder, live, mailbox_view, stored,
};
use holdfast_vault::{
    Credentials, Location, LockMode, StoreOptions, Vault, open_for_maintenance, open_store,
};

pub const BUCKET: &str = "bucket";

/// When the clocks of a test begin.
pub const START: &str = "2026-03-02T08:00:00Z";

pub fn on_s3(server: &s3::Running) -> (Location, Storage) {
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
        storage: Storage { lock: Some((LockMode::Compliance, 7)), ..new.storage },
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

/// With the writing credentials everything is overwritten, with those for maintenance hidden behind
/// deletions; a new installation reads what was there before, and copies it to another place.
#[tokio::test(flavor = "multi_thread")]
async fn everything_comes_back_as_of_before_the_attack() {
    let clock = ServerClock::manual(START.parse().unwrap());
    let bucket = s3::Bucket::locked(BUCKET);
    let server = s3::start(s3::Options::new([bucket]).clock(&clock)).unwrap();
    let (location, mut storage) = on_s3(&server);
    storage.lock = Some((LockMode::Compliance, 30));
    let vault = Some((location.clone(), storage.clone()));
    let options = Options { users: 2, mails: 10, vault, ..Options::default() };
    let t = TestContext::new(options).await;
    assert_eq!(t.backup().await.outcome, Outcome::Complete);
    let kept: Vec<_> = t.people().into_iter().map(|upn| (live(t.tenant(), &upn), upn)).collect();
    let before = t.home.clock.now();
    for clocks in [Duration::from_secs(60), Duration::from_secs(86_400)] {
        t.advance(clocks);
        clock.set(t.home.clock.now());
    }
    attack(&location, &storage, &t.home.clock);
    assert!(t.home.vault(None).await.is_err(), "the attack took the vault");

    let as_of = Storage { as_of: Some(before), lock: None, maintenance: None, ..storage };
    let init = InitOptions {
        vault: location,
        storage: as_of,
        unlock: Unlock::Passphrase(Secret::new(PASSPHRASE)),
        instance_key: Some(t.scratch("key")),
        catalog_url: None,
    };
    let home = Home::init(&t.scratch("rescue"), &init, t.home.clock.clone()).await.unwrap().0;
    rebuild(&home).await.unwrap();
    for (expected, upn) in &kept {
        assert_same(&stored(&home, upn, &At::Latest).await.unwrap(), expected, upn);
    }
    assert_eq!(verify::check(&home, None, true, &Progress::default()).await.unwrap().errors, 0);
    assert!(doctor(&home).await.unwrap().iter().any(|f| f.detail.contains("read as it was at")));
    let prune = prune(&home, &PruneRequest::default(), &Progress::default()).await.unwrap_err();
    assert_eq!(prune.exit(), Exit::Denied, "{prune}");
    let folder = t.scratch("elsewhere");
    let new = NewVault {
        name: "rescued".to_owned(),
        location: folder.clone().into(),
        unlock: Unlock::Passphrase(Secret::new(PASSPHRASE)),
        storage: Storage::default(),
    };
    home.vault_add(&new).await.unwrap();
    copy(&home, None, "rescued", &Progress::default()).await.unwrap();
    let alone = t.home_on(&folder).await;
    rebuild(&alone).await.unwrap();
    for (expected, upn) in &kept {
        assert_same(&stored(&alone, upn, &At::Latest).await.unwrap(), expected, upn);
    }
}

/// Overwrites every file and deletes every second one, as far as the store lets: that brings the
/// locked version below to light, so the file without which nothing opens is left overwritten.
pub fn attack(location: &Location, storage: &Storage, clock: &Clock) {
    let credentials = |text: &Option<Secret>| Credentials::parse(text.as_ref().unwrap()).unwrap();
    let options = StoreOptions {
        credentials: Some(credentials(&storage.credentials)),
        maintenance: Some(credentials(&storage.maintenance)),
        ..StoreOptions::default()
    };
    tokio::task::block_in_place(|| {
        let store = open_store(location, &options, clock.clone()).unwrap();
        let files = store.list("").unwrap();
        for file in &files {
            assert!(store.remove(&file.key).is_err(), "{} could be removed", file.key);
            store.replace(&file.key, &Bytes::from_static(b"garbage")).unwrap();
        }
        let store = open_for_maintenance(location, &options, clock.clone()).unwrap();
        for file in files.iter().filter(|file| file.key != "vault.json").step_by(2) {
            let _ = store.remove(&file.key);
        }
    });
}

/// Snapshots that retention lets go wait for their locks, which nobody prolongs, and then go,
/// while backups run on.
#[tokio::test(flavor = "multi_thread")]
async fn retention_waits_for_locks_and_then_forgets() {
    let clock = ServerClock::manual(START.parse().unwrap());
    let server = s3::start(s3::Options::new([s3::Bucket::locked(BUCKET)]).clock(&clock)).unwrap();
    let (location, mut storage) = on_s3(&server);
    storage.lock = Some((LockMode::Compliance, 10));
    let vault = Some((location, storage));
    let t = TestContext::new(Options { users: 1, mails: 3, vault, ..Options::default() }).await;
    let upn = t.people().remove(0);
    let rules = Rules::new([KeepRule::Last(NonZeroU32::new(2).unwrap())]);
    let (mut waited, mut last) = (0, String::new());
    for day in (0..45).step_by(5) {
        t.advance(Duration::from_secs(5 * 86_400));
        clock.set(t.home.clock.now());
        let mime = format!("From: a@b.example\r\nSubject: Day {day}\r\n\r\nText\r\n");
        last = t.tenant().deliver(&upn, "inbox", mime.as_bytes()).unwrap();
        assert_eq!(t.backup().await.outcome, Outcome::Complete);
        clock.set(t.home.clock.now());
        let request = PruneRequest { rules: rules.clone(), ..PruneRequest::default() };
        let report = prune(&t.home, &request, &Progress::default()).await.unwrap();
        let waits = |verdict: &Verdict| matches!(verdict, Verdict::Waits { .. });
        let snapshots = &report.shards[0].evaluation.snapshots;
        waited += snapshots.iter().filter(|judged| waits(&judged.verdict)).count();
    }
    assert!(waited > 4, "{waited}");
    // A snapshot leaves the rules ten days after it was made, was locked again for twenty on that
    // day, before the prune, and goes after these: of nine the first three are gone.
    let left: Vec<_> = snapshots(&t.home).await.unwrap().iter().map(|view| view.seq).collect();
    assert_eq!(left, [4, 5, 6, 7, 8, 9]);
    let newest = stored(&t.home, &upn, &At::Latest).await.unwrap();
    assert_same(&newest, &live(t.tenant(), &upn), "the newest");
    assert_eq!(verify::check(&t.home, None, true, &Progress::default()).await.unwrap().errors, 0);
    let locks = stats(&t.home, None).await.unwrap().locks.unwrap();
    assert!(!locks.warn && locks.unlocked == 0 && locks.tampered.is_empty(), "{locks:?}");

    // So do the old writings of an erasure.
    let vault = t.home.vault(None).await.unwrap();
    let released = || {
        let records = tokio::task::block_in_place(|| vault.control().unwrap().load()).unwrap();
        records.get("released/1.json").map(|bytes| String::from_utf8(bytes.clone()).unwrap())
    };
    let request = EraseRequest::new(&upn, vec![last], "request 9");
    let report = erase(&t.home, &request).await.unwrap();
    let old = &report.shards[0].report.locked;
    assert!(!report.complete && !old.is_empty() && report.waits_until.is_some(), "{report:#?}");
    let noted = released().unwrap();
    assert!(old.iter().all(|id| noted.contains(id)), "{noted}");

    // A hold takes back what was released.
    let everybody = Hold { case: "Merger".to_owned(), resources: HoldScope::All };
    hold::place(&t.home, None, &everybody).await.unwrap();
    assert_eq!(released(), None);
}
