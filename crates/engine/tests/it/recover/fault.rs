//! What is wrong with the kit, the store or the vault: the right answer, and nothing half made where
//! nothing can be had.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use holdfast_engine::browse::At;
use holdfast_engine::rebuild::rebuild;
use holdfast_engine::{Error, Exit, InitOptions, Storage, schedule};
use holdfast_lockstore::{Clock as ServerClock, s3};
use holdfast_policy::Schedule;
use holdfast_testkit::{Options, TENANT, TestContext, assert_same, live, stored};
use holdfast_vault::LockMode;

use super::{cut, kit, recovered};
use crate::objects::{BUCKET, START, attack, on_s3};

/// A small installation.
pub async fn other() -> TestContext {
    let t = TestContext::new(Options { users: 1, mails: 3, ..Options::default() }).await;
    t.backup().await;
    t
}

async fn fails(t: &TestContext, options: &InitOptions, exit: Exit, text: &str) {
    let error = t.recover(options).await.unwrap_err();
    assert_eq!(error.exit(), exit, "{error}");
    assert!(error.to_string().contains(text), "{error}");
    assert!(!t.scratch("recovered").exists(), "nothing is made: {error}");
    assert!(!t.scratch("recovered.key").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kit_that_does_not_fit_makes_nothing() {
    let (t, stranger) = (other().await, other().await);
    let own = kit(&t).await;
    t.lose_machine().await;
    let foreign = t.recover_options(&kit(&stranger).await);
    fails(&t, &foreign, Exit::Denied, "use the recovery kit of this vault").await;
    let none = t.recover_options(&t.scratch("nothing"));
    fails(&t, &none, Exit::NotFound, "").await;
    fs::write(own.join("vault-secret.hex"), "ab\n").unwrap();
    fails(&t, &t.recover_options(&own), Exit::NotFound, "").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_away_makes_no_new_vault() {
    let t = other().await;
    let options = t.recover_options(&kit(&t).await);
    t.lose_machine().await;
    let away = t.scratch("away");
    fs::rename(t.vault_dir(), &away).unwrap();
    let passphrase = InitOptions { unlock: t.passphrase(), ..options.clone() };
    fails(&t, &options, Exit::NotFound, "is not a vault").await;
    fails(&t, &passphrase, Exit::NotFound, "is not a vault").await;
    assert!(!t.vault_dir().join("vault.json").exists());
    let _ = fs::remove_dir_all(t.vault_dir());
    fs::rename(&away, t.vault_dir()).unwrap();
    t.recover(&passphrase).await.unwrap().finish().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_catalog_without_its_home_is_not_taken_over() {
    let t = other().await;
    let options = t.recover_options(&kit(&t).await);
    fs::create_dir(t.scratch("recovered")).unwrap();
    fs::write(t.scratch("recovered/catalog.db"), "somebody's").unwrap();
    let error = t.recover(&options).await.unwrap_err();
    assert!(matches!(error, Error::Usage(_)), "{error}");
    assert_eq!(fs::read(t.scratch("recovered/catalog.db")).unwrap(), b"somebody's");
}

/// The newest of the files that say what the state of the control repository is.
fn newest_head(t: &TestContext) -> PathBuf {
    let heads = fs::read_dir(t.vault_dir().join("control/heads")).unwrap();
    heads.map(|head| head.unwrap().path()).max().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_head_is_seen_through_and_a_lost_state_is_said() {
    let mut t = other().await;
    let quick = Schedule { name: "quick".into(), ..Schedule::default() };
    schedule::set(&t.home, TENANT, &quick).await.unwrap();
    let options = t.recover_options(&kit(&t).await);
    t.lose_machine().await;
    let head = newest_head(&t);
    let snapshot = fs::read_to_string(&head).unwrap();
    let file = t.vault_dir().join("control/snapshots").join(&snapshot);
    let bytes = fs::read(&file).unwrap();

    // The state that it named is lost: nobody decides for an older one but a person.
    fs::remove_file(&file).unwrap();
    fails(&t, &options, Exit::Damaged, "").await;
    fs::write(&head, "garbage").unwrap();
    fails(&t, &options, Exit::Damaged, "").await;
    // The state is there, and only its head is damaged.
    fs::write(&file, bytes).unwrap();
    assert_eq!(recovered(&mut t, &options).await.schedules, 1);

    // Who takes the head away gets the state before.
    t.home.catalog.close().await;
    fs::remove_dir_all(t.scratch("recovered")).unwrap();
    fs::remove_file(t.scratch("recovered.key")).unwrap();
    fs::remove_file(&file).unwrap();
    fs::remove_file(&head).unwrap();
    let older = recovered(&mut t, &options).await;
    assert_eq!((older.schedules, older.rebuilt.tenants), (0, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shard_that_is_not_there_is_said() {
    let mut t = other().await;
    let options = t.recover_options(&kit(&t).await);
    t.lose_machine().await;
    fs::rename(t.vault_dir().join("shards/1"), t.scratch("away")).unwrap();
    let report = recovered(&mut t, &options).await;
    let rebuilt = report.rebuilt;
    assert_eq!((rebuilt.resources, rebuilt.items, rebuilt.missing_shards), (1, 0, 1));
    fs::rename(t.scratch("away"), t.vault_dir().join("shards/1")).unwrap();
    let again = rebuild(&t.home).await.unwrap();
    assert!(again.items > 0 && again.is_whole(), "{again:?}");
}

/// An attacker with all credentials has overwritten and deleted what he could, heads of the control
/// repository among it; and where nothing happened, what was locked is locked as before.
#[tokio::test(flavor = "multi_thread")]
async fn it_reads_what_was_there_before_an_attack() {
    let clock = ServerClock::manual(START.parse().unwrap());
    let server = s3::start(s3::Options::new([s3::Bucket::locked(BUCKET)]).clock(&clock)).unwrap();
    let (location, mut storage) = on_s3(&server);
    storage.lock = Some((LockMode::Compliance, 30));
    let vault = Some((location.clone(), storage.clone()));
    let mut t = TestContext::new(Options { users: 1, mails: 5, vault, ..Options::default() }).await;
    t.backup().await;
    let upn = t.people().remove(0);
    let (expected, before) = (live(t.tenant(), &upn), t.home.clock.now());
    let options = t.recover_options(&kit(&t).await);
    t.lose_machine().await;

    let unlocked = Storage { lock: None, ..storage.clone() };
    let options = InitOptions { storage: unlocked.clone(), ..options };
    let recovery = t.recover(&options).await.unwrap();
    let report = recovery.finish().await.unwrap();
    assert_eq!(report.protection.lock_mode, Some(LockMode::Compliance), "nobody asked for it");
    assert_eq!(report.protection.lock_days, Some(30));
    cut(recovery).await;
    fs::remove_dir_all(t.scratch("recovered")).unwrap();

    for clocks in [Duration::from_secs(60), Duration::from_secs(86_400)] {
        t.advance(clocks);
        clock.set(t.home.clock.now());
    }
    attack(&location, &storage, &t.home.clock);
    t.recover(&options).await.unwrap_err();
    assert!(!t.scratch("recovered").exists());
    let as_of = Storage { as_of: Some(before), maintenance: None, ..unlocked };
    let report = recovered(&mut t, &InitOptions { storage: as_of, ..options }).await;
    assert_eq!(report.as_of, Some(before));
    assert_same(&stored(&t.home, &upn, &At::Latest).await.unwrap(), &expected, &upn);
}
