//! A recovery that is cut off at any step is gone on with by the same command; until then the home
//! does nothing else.

use std::fs;

use holdfast_engine::audit;
use holdfast_engine::{Error, Exit, Home, InitOptions};
use holdfast_testkit::TestContext;

use super::{cut, kit, lost, record, recovered};
use crate::rebuild::{assert_known, known};

async fn is_refused(t: &TestContext, options: &InitOptions) {
    let (dir, clock) = (t.scratch("recovered"), t.home.clock.clone());
    for refused in [
        Home::open(&dir, None, clock.clone()).await,
        Home::open_to_rebuild(&dir, None, clock.clone()).await,
        Home::init(&dir, options, clock).await.map(|(home, _)| home),
    ] {
        let error = refused.unwrap_err();
        assert!(matches!(&error, Error::Recovering(at) if *at == dir), "{error}");
        assert_eq!(error.exit(), Exit::Later);
        assert!(error.to_string().contains("the same 'holdfast recover' command again"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_goes_on_after_each_step() {
    let (mut t, kit, was, _) = lost().await;
    let options = t.recover_options(&kit);
    let home_file = t.scratch("recovered").join("home.json");
    // Cut off before the catalog was made.
    cut(t.recover(&options).await.unwrap()).await;
    let id = fs::read_to_string(&home_file).unwrap();
    for name in ["catalog.db", "catalog.db-wal", "catalog.db-shm"] {
        let _ = fs::remove_file(t.scratch("recovered").join(name));
    }
    is_refused(&t, &options).await;
    // Cut off between the entry that resumes the record and its head.
    cut(t.recover(&options).await.unwrap()).await;
    let heads = t.vault_dir().join("control/audit");
    let mut names: Vec<_> = fs::read_dir(&heads).unwrap().map(|f| f.unwrap().path()).collect();
    names.sort();
    assert_eq!(names.len(), 3, "the head of 5, and those of two that went on from it");
    fs::remove_file(&names[2]).unwrap();
    // Cut off while the vault was read.
    let recovery = t.recover(&options).await.unwrap();
    let config = t.vault_dir().join("shards/1/config");
    let bytes = fs::read(&config).unwrap();
    fs::write(&config, "garbage").unwrap();
    recovery.finish().await.unwrap_err();
    cut(recovery).await;
    fs::write(&config, bytes).unwrap();
    is_refused(&t, &options).await;
    // Cut off before its end was noted.
    let recovery = t.recover(&options).await.unwrap();
    recovery.finish().await.unwrap();
    cut(recovery).await;
    let finished = fs::read_to_string(&home_file).unwrap();
    fs::write(&home_file, finished.replacen('{', "{\n  \"recovering\": true,", 1)).unwrap();
    is_refused(&t, &options).await;

    recovered(&mut t, &options).await;
    record(&t.home, 1, 0).await;
    assert_known(&known(&t.home).await, &was);
    let found = audit::verify(&t.home).await.unwrap();
    assert!(found.ok, "{found:?}");
    assert_eq!(found.resumed.len(), 1, "once is enough: {found:?}");
    let now = fs::read_to_string(&home_file).unwrap();
    let of = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap()["id"].clone();
    assert_eq!(of(&now), of(&id), "it is the same home all the time");
    let again = t.recover(&options).await.unwrap_err();
    assert!(matches!(again, Error::HomeExists(_)), "{again}");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_at_once_do_not_meet() {
    let (t, kit, ..) = lost().await;
    let options = t.recover_options(&kit);
    let first = t.recover(&options).await.unwrap();
    let second = t.recover(&options).await.unwrap_err();
    assert!(matches!(second, Error::RecoverRunning(_)), "{second}");
    assert_eq!(second.exit(), Exit::Later);
    first.finish().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_half_made_home_is_no_other_vaults() {
    let (t, kit_of_first, ..) = lost().await;
    let other = super::fault::other().await;
    cut(t.recover(&t.recover_options(&kit_of_first)).await.unwrap()).await;
    let foreign =
        InitOptions { vault: other.vault_dir().into(), ..t.recover_options(&kit(&other).await) };
    let error = t.recover(&foreign).await.unwrap_err();
    assert!(error.to_string().contains("is half recovered from another vault"), "{error}");
    assert_eq!(error.exit(), Exit::Usage);
    t.recover(&t.recover_options(&kit_of_first)).await.unwrap().finish().await.unwrap();
}
