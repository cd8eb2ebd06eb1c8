//! An installation with several vaults: the first one knows of the others.

use std::fs;

use holdfast_engine::copy::copy;
use holdfast_engine::rebuild::rebuild;
use holdfast_engine::tenant::{self, Login, NewTenant};
use holdfast_engine::{InitOptions, NewVault, Progress, Storage};
use holdfast_model::{Outcome, Secret};
use holdfast_testkit::sim::{RunningSim, SimConfig};
use holdfast_testkit::{Options, TestContext};

use super::{kit, recovered};
use crate::rebuild::{assert_known, known};

/// A second company.
async fn fabrikam(t: &TestContext) -> RunningSim {
    let now = Some(t.home.clock.now());
    let config = SimConfig { users: 1, seed: 99, mails_per_user: 4, now, ..SimConfig::default() };
    holdfast_testkit::sim::start(config).await.unwrap()
}

fn second(sim: &RunningSim, vault: Option<&str>) -> NewTenant {
    let info = &sim.info;
    NewTenant {
        name: "fabrikam".to_owned(),
        tenant_id: info.tenant_id.clone(),
        client_id: info.client_id.clone(),
        login: Login::Secret(Secret::new(info.client_secret.clone())),
        restore: None,
        vault: vault.map(str::to_owned),
        graph_url: info.graph_url.clone(),
        authority_url: info.authority_url.clone(),
        ca_pem: Some(sim.ca_pem().to_owned()),
        file_versions: None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_vault_knows_the_others() {
    let mut t = TestContext::new(Options { users: 1, mails: 4, ..Options::default() }).await;
    let legal = t.second_vault("legal").await;
    let sim = fabrikam(&t).await;
    tenant::add(&t.home, second(&sim, Some("legal"))).await.unwrap();
    assert_eq!(t.backup().await.outcome, Outcome::Complete);
    let options = t.recover_options(&kit(&t).await);
    let was = known(&t.home).await;
    t.lose_machine().await;

    let report = recovered(&mut t, &options).await;
    assert_eq!(report.rebuilt.tenants, 1);
    let missing = &report.missing_vaults[..];
    assert_eq!((missing.len(), missing[0].name.as_str()), (1, "legal"));
    assert_eq!(missing[0].location, legal.display().to_string());
    assert!(!missing[0].is_copy && !missing[0].is_source);
    // Its history must not go on in another vault.
    let error = tenant::add(&t.home, second(&sim, None)).await.unwrap_err();
    assert!(error.to_string().contains("the vault 'legal' at"), "{error}");

    let new = NewVault {
        name: "legal".to_owned(),
        location: legal.into(),
        unlock: t.passphrase(),
        storage: Storage::default(),
    };
    assert!(!t.home.vault_add(&new).await.unwrap().created);
    assert_eq!(rebuild(&t.home).await.unwrap().tenants, 2);
    assert_known(&known(&t.home).await, &was);
    tenant::add(&t.home, t.new_tenant()).await.unwrap();
    tenant::add(&t.home, second(&sim, None)).await.unwrap();
    let next = t.backup().await;
    assert_eq!((next.outcome, next.counts.items_new), (Outcome::Complete, 0), "{next:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_takes_the_place_of_the_lost_vault() {
    let mut t = TestContext::new(Options { users: 1, mails: 4, ..Options::default() }).await;
    let offsite = t.second_vault("offsite").await;
    t.backup().await;
    copy(&t.home, None, "offsite", &Progress::default()).await.unwrap();
    t.backup().await;
    copy(&t.home, None, "offsite", &Progress::default()).await.unwrap();
    let kit_of_copy = t.scratch("kit of copy");
    t.home.vault(Some("offsite")).await.unwrap().recovery_kit(&kit_of_copy).unwrap();
    let first = recovered_first(&mut t).await;
    assert_eq!((first.len(), first[0].is_copy, first[0].name.as_str()), (1, true, "offsite"));

    t.home.catalog.close().await;
    for gone in [t.vault_dir(), t.scratch("recovered")] {
        fs::remove_dir_all(gone).unwrap();
    }
    let vault = offsite.into();
    let options = InitOptions { vault, ..t.recover_options(&kit_of_copy) };
    let report = recovered(&mut t, &options).await;
    let missing = &report.missing_vaults[..];
    assert_eq!((missing.len(), missing[0].is_source), (1, true), "{missing:?}");
    assert_eq!(report.audit, None, "the record of the first vault is not in its copy");
    assert_eq!((report.rebuilt.tenants, report.without_credential.len()), (1, 1));
    tenant::add(&t.home, t.new_tenant()).await.unwrap();
    let next = t.backup().await;
    assert_eq!((next.outcome, next.counts.items_new), (Outcome::Complete, 0), "{next:#?}");
}

/// Recovers from the first vault; gives the vaults that are missing.
async fn recovered_first(t: &mut TestContext) -> Vec<holdfast_engine::recover::MissingVault> {
    let options = t.recover_options(&kit(t).await);
    t.lose_machine().await;
    recovered(t, &options).await.missing_vaults
}
