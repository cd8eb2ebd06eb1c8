//! The installation itself: what may be lost, and what may not be mixed up.

use std::path::Path;

use holdfast_engine::backup::{BackupRequest, backup};
use holdfast_engine::browse::{At, ls};
use holdfast_engine::rebuild::rebuild;
use holdfast_engine::tenant::{Login, NewTenant, add};
use holdfast_engine::{Error, Exit, Home, InitOptions, Progress, Storage, Unlock};
use holdfast_model::{Clock, Secret};
use holdfast_testkit::{Options, TestContext};

use crate::backup::assert_equal_to_live;

async fn small() -> TestContext {
    TestContext::new(Options { users: 1, mails: 12, ..Options::default() }).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_catalog_is_made_again_in_the_same_home() {
    let mut t = small().await;
    t.backup().await;
    let upn = t.people().remove(0);
    t.home.catalog.close().await;
    let dir = t.home.dir().to_owned();
    std::fs::remove_file(dir.join("catalog.db")).unwrap();
    let lost = Home::open(&dir, None, Clock::system()).await.unwrap_err();
    assert!(matches!(lost, Error::NoCatalog(_)) && lost.to_string().contains("catalog rebuild"));
    let home = Home::open_to_rebuild(&dir, None, Clock::system()).await.unwrap();
    let report = rebuild(&home).await.unwrap();
    assert_eq!((report.tenants, report.resources, report.damaged), (1, 1, 0));
    home.catalog.close().await;
    t.reopen().await;
    assert_equal_to_live(&t, &upn).await;
    let (request, progress) = (BackupRequest::default(), Progress::default());
    let refused = backup(&t.home, &request, &progress).await.unwrap_err();
    assert_eq!(refused.exit(), Exit::Denied, "credentials are never in a vault");
    add(&t.home, t.new_tenant()).await.unwrap();
    assert!(t.backup().await.counts.is_idle());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recovery_kit_opens_the_vault_in_a_new_home() {
    let t = small().await;
    t.backup().await;
    let kit = t.scratch("kit");
    t.home.vault(None).await.unwrap().recovery_kit(&kit).unwrap();
    let options = |kit: &Path| InitOptions {
        vault: t.vault_dir().into(),
        storage: Storage::default(),
        unlock: Unlock::Kit(kit.to_owned()),
        instance_key: Some(t.scratch("second.key")),
        catalog_url: None,
    };
    let clock = Clock::system();
    let nowhere = Home::init(&t.scratch("no"), &options(&t.scratch("x")), clock.clone()).await;
    assert_eq!(nowhere.unwrap_err().exit(), Exit::NotFound);
    let (home, made) = Home::init(&t.scratch("new"), &options(&kit), clock).await.unwrap();
    assert!(!made);
    let report = rebuild(&home).await.unwrap();
    assert_eq!(report.items as u64, home.catalog.item_count(&first(&home).await).await.unwrap());
    assert!(report.items > 0);
}

async fn first(home: &Home) -> holdfast_model::ResourceId {
    home.catalog.resource_list(None).await.unwrap().remove(0).id
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_is_checked_before_it_replaces_a_good_one() {
    let t = small().await;
    t.backup().await;
    let good = t.new_tenant();
    let bad: [(&str, NewTenant); 4] = [
        ("a vault of its own", NewTenant { tenant_id: "other".into(), ..good.clone() }),
        ("letters", NewTenant { name: "a/b ../x".into(), ..good.clone() }),
        ("not an address", NewTenant { authority_url: "nonsense".into(), ..good.clone() }),
        ("certificate", NewTenant { login: swapped(), ..good.clone() }),
    ];
    for (words, tenant) in bad {
        let refused = add(&t.home, tenant).await.unwrap_err().to_string();
        assert!(refused.contains(words), "{refused}");
    }
    assert!(t.backup().await.counts.is_idle(), "the good one still works");
}

/// Key and certificate in each other's place.
fn swapped() -> Login {
    let clock = Clock::system();
    let made = holdfast_graph::certificate::make("test", clock.now(), 30).unwrap();
    Login::Certificate {
        certificate_pem: made.key_pem.expose_str().unwrap().to_owned(),
        key_pem: Secret::new(made.certificate_pem),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn folders_are_found_by_the_names_that_people_know() {
    let t = small().await;
    let upn = t.people().remove(0);
    let folder = t.tenant().folder_create(&upn, None, "What? <now>").unwrap();
    t.tenant().deliver(&upn, &folder, b"Subject: x\r\n\r\nx\r\n").unwrap();
    t.backup().await;
    for path in ["What_ _now_", "What? <now>", "what? <NOW>"] {
        let entries = ls(&t.home, None, &upn, &At::Latest, path, false).await.unwrap();
        assert_eq!(entries.len(), 1, "{path}");
    }
    let missing = ls(&t.home, None, &upn, &At::Latest, "Nowhere", false).await.unwrap_err();
    assert!(missing.to_string().contains("--at"), "{missing}");
}

#[test]
fn times_are_taken_as_they_are_shown() {
    let time = |text: &str| match text.parse() {
        Ok(At::Time(time)) => time.to_string(),
        other => panic!("{text}: {other:?}"),
    };
    assert_eq!(time("2026-11-22T06:46:47Z"), "2026-11-22T06:46:47.999Z");
    assert_eq!(time("2026-11-22 06:46:47Z"), "2026-11-22T06:46:47.999Z");
    assert_eq!(time("2026-11-22T06:46:47.3Z"), "2026-11-22T06:46:47.3Z");
    assert_eq!(time("2026-11-22T08:46:47+02:00"), "2026-11-22T06:46:47.999Z");
    assert_eq!(time("2026-11-22T06:46"), "2026-11-22T06:46:00.999Z");
    assert_eq!(time("2026-11-22"), "2026-11-22T23:59:59.999Z");
    assert_eq!("88c6c320".parse(), Ok(At::Snapshot("88c6c320".to_owned())));
    assert!("yesterday".parse::<At>().is_err());
}
