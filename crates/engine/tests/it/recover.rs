//! The machine is lost; kit and store are left. What is in the vault comes back row for row, and the
//! next backup goes on from the last one.

mod cut;
mod fault;
mod two;
mod vaults;

use std::path::PathBuf;
use std::time::Duration;

use holdfast_catalog::{AccountRow, EpochRow, ScheduleRow, TenantRow};
use holdfast_engine::audit::{self, Audit};
use holdfast_engine::backup::{BackupRequest, backup};
use holdfast_engine::browse::At;
use holdfast_engine::recover::{AuditGap, RecoverReport, Recovery};
use holdfast_engine::users::{self, Effect, Passkey};
use holdfast_engine::{Home, InitOptions, Progress, hold, schedule, tenant};
use holdfast_model::audit::{Action, Actor, Event};
use holdfast_model::{Grant, Outcome, Role, Secret, Timestamp};
use holdfast_policy::{Hold, HoldScope, Schedule};
use holdfast_testkit::{
    Options, TENANT, TestContext, assert_same, by_folder, live, mailbox_view, stored,
};

use crate::rebuild::{Known, assert_known, known};

const HASH: &str = "$argon2id$v=19$m=19456$hash";

/// What beside [`Known`] must be as it was, without what is sealed under the lost instance key.
#[derive(Debug, PartialEq)]
struct Around {
    tenants: Vec<TenantRow>,
    schedules: Vec<ScheduleRow>,
    followed: Vec<(Option<String>, Option<u64>)>,
    epochs: Vec<EpochRow>,
    accounts: Vec<AccountRow>,
    holds: Vec<Hold>,
}

async fn around(home: &Home) -> Around {
    let catalog = &home.catalog;
    let tenants = catalog.tenant_list().await.unwrap().into_iter();
    let accounts = catalog.account_list().await.unwrap().into_iter();
    let stands = catalog.stand_list().await.unwrap().into_iter();
    let mut epochs = Vec::new();
    for row in catalog.resource_list(None).await.unwrap() {
        epochs.extend(catalog.epoch_list(&row.id).await.unwrap());
    }
    Around {
        tenants: tenants
            .map(|row| TenantRow {
                sealed_credential: None,
                sealed_restore_credential: None,
                ..row
            })
            .collect(),
        schedules: catalog.schedule_list(None).await.unwrap(),
        followed: stands.map(|stand| (stand.schedule, stand.objective_ms)).collect(),
        epochs,
        accounts: accounts.map(|row| AccountRow { sealed_factors: vec![], ..row }).collect(),
        holds: hold::list(home, None).await.unwrap(),
    }
}

pub fn event(n: u64) -> Event {
    Event::new(Actor::system("test"), "local", Action::ItemRead).detail("n", n.to_string())
}

/// Entries, a signed head, and some more behind it that nobody has signed.
pub async fn record(home: &Home, signed: u64, unsigned: u64) {
    let audit = Audit::open(home).await.unwrap();
    for n in 0..signed {
        audit.record(event(n)).await.unwrap();
    }
    audit.save_head().await.unwrap();
    for n in 0..unsigned {
        audit.record(event(n)).await.unwrap();
    }
}

async fn with_users(home: &Home) {
    for (name, role) in [("ada", Role::Administrator), ("bob", Role::Auditor)] {
        let grants = vec![Grant::everywhere(role)];
        let password = |user: &mut users::User| user.password_hash = Some(Secret::new(HASH));
        let user = users::create(home, name, name, grants, password).await.unwrap();
        let factors = |user: &mut users::User| {
            user.totp = Some(Secret::new(format!("totp of {name}")));
            user.passkeys = vec![Passkey {
                id: format!("k-{name}"),
                label: "key".into(),
                credential: Secret::new(r#"{"public":"p"}"#),
                created_at: Timestamp::UNIX_EPOCH,
            }];
            user.recovery_codes = vec!["c0ffee".into()];
            true
        };
        users::change(home, &user.id, Effect::Waits, factors).await.unwrap();
    }
}

/// The kit of the first vault.
pub async fn kit(t: &TestContext) -> PathBuf {
    let kit = t.scratch("kit");
    t.home.vault(None).await.unwrap().recovery_kit(&kit).unwrap();
    kit
}

/// The process ends here.
pub async fn cut(recovery: Recovery) {
    recovery.home().catalog.close().await;
}

/// Recovers in one go, and goes on in the new home.
pub async fn recovered(t: &mut TestContext, options: &InitOptions) -> RecoverReport {
    let recovery = t.recover(options).await.unwrap();
    let report = recovery.finish().await.unwrap();
    cut(recovery).await;
    t.take_recovered().await;
    report
}

fn deliver(t: &TestContext, upn: &str, subject: &str) {
    let mail = format!("From: a@b.example\r\nSubject: {subject}\r\n\r\nText\r\n");
    t.tenant().deliver(upn, "inbox", mail.as_bytes()).unwrap();
}

/// An installation with something of everything, and what it knew last.
async fn lost() -> (TestContext, PathBuf, Known, Around) {
    let options = Options { users: 2, mails: 12, files: 4, ..Options::default() };
    let t = TestContext::new(options).await;
    t.backup().await;
    deliver(&t, &t.people()[0], "before the loss");
    t.backup().await;
    let quick =
        Schedule { name: "quick".into(), rpo: "1h".parse().unwrap(), ..Schedule::default() };
    schedule::set(&t.home, TENANT, &quick).await.unwrap();
    let case = Hold { case: "case 7".to_owned(), resources: HoldScope::All };
    hold::place(&t.home, None, &case).await.unwrap();
    with_users(&t.home).await;
    record(&t.home, 5, 2).await;
    let kit = kit(&t).await;
    let (known, around) = (known(&t.home).await, around(&t.home).await);
    t.lose_machine().await;
    (t, kit, known, around)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_vault_knows_comes_back_row_for_row() {
    let (mut t, kit, was, was_around) = lost().await;
    let options = t.recover_options(&kit);
    let report = recovered(&mut t, &options).await;
    assert_known(&known(&t.home).await, &was);
    assert_eq!(around(&t.home).await, was_around);
    assert_eq!(was_around.followed[0], (Some("quick".to_owned()), Some(3_600_000)));
    assert_eq!(was_around.accounts.len(), 2);
    assert_eq!((report.schedules, report.holds, report.rebuilt.users), (1, 1, 2));
    assert!(report.rebuilt.items > 30, "{report:?}");

    // Both factors of both users, opened under the new instance key.
    for user in users::list(&t.home).await.unwrap() {
        assert_eq!(user.password_hash.unwrap().expose(), HASH.as_bytes());
        assert_eq!(user.totp.unwrap().expose(), format!("totp of {}", user.name).as_bytes());
        assert_eq!(user.passkeys[0].id, format!("k-{}", user.name));
    }
    let names: Vec<_> = report.accounts.iter().map(|user| user.name.as_str()).collect();
    assert_eq!(names, ["ada", "bob"]);
    assert!(report.accounts.iter().all(|user| user.password && user.totp && user.passkeys == 1));
    let locked = &report.without_credential[..];
    assert_eq!((locked.len(), locked[0].name.as_str(), locked[0].has_ca), (1, TENANT, true));
    assert!(report.missing_vaults.is_empty());
    assert_eq!(report.protection_before, Some(report.protection.clone()));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_audit_record_goes_on_behind_the_signed_head() {
    let (mut t, kit, ..) = lost().await;
    let recovery = t.recover(&t.recover_options(&kit)).await.unwrap();
    // The command puts itself on record here: the first entry behind the one that says so.
    let audit = Audit::open(recovery.home()).await.unwrap();
    let begun = Event::new(Actor::system("test"), "local", Action::InstallationRecover);
    assert_eq!(audit.begin(begun).await.unwrap().number(), 7);
    let report = recovery.finish().await.unwrap();
    assert_eq!(report.audit, Some(AuditGap { entry: 6, head: 5, missing: 5 }));
    recovery.home().catalog.close().await;
    drop(recovery);
    t.take_recovered().await;
    record(&t.home, 3, 0).await;
    let found = audit::verify(&t.home).await.unwrap();
    assert!(found.ok, "{found:?}");
    assert_eq!((found.entries, found.last, found.signed_up_to), (5, 10, 10));
    let resumed: Vec<_> = found.resumed.iter().map(|r| (r.number, r.after, r.missing)).collect();
    assert_eq!(resumed, [(6, 0, 5)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_backup_goes_on_and_fetches_no_body_again() {
    let (mut t, kit, ..) = lost().await;
    let options = t.recover_options(&kit);
    recovered(&mut t, &options).await;
    let refused = backup(&t.home, &BackupRequest::default(), &Progress::default()).await;
    assert!(refused.unwrap_err().to_string().contains("holdfast tenant add contoso"));
    tenant::add(&t.home, t.new_tenant()).await.unwrap();
    t.tenant().stats_reset();
    let first = t.backup().await;
    assert_eq!(first.outcome, Outcome::Complete, "{first:#?}");
    let counts = &first.counts;
    assert_eq!((counts.items_new, counts.items_changed, counts.items_deleted), (0, 0, 0));
    let stats = t.tenant().stats();
    let bodies = |requests: &holdfast_testkit::sim::Stats| -> u64 {
        let is_body = |route: &str| route.ends_with("/$value") || route.ends_with("/content");
        requests.requests.keys().filter(|route| is_body(route)).map(|r| requests.of(r)).sum()
    };
    assert_eq!((bodies(&stats), stats.downloads), (0, 0), "{:#?}", stats.requests);

    let upn = t.people().remove(0);
    deliver(&t, &upn, "after the loss");
    t.tenant().stats_reset();
    let second = t.backup().await;
    assert_eq!((second.outcome, second.counts.items_new), (Outcome::Complete, 1), "{second:#?}");
    assert_eq!((second.counts.items_changed, second.counts.items_deleted), (0, 0));
    let stats = t.tenant().stats();
    assert_eq!((bodies(&stats), stats.downloads), (1, 0), "{:#?}", stats.requests);
    for upn in t.people() {
        let kept = stored(&t.home, &upn, &At::Latest).await.unwrap();
        assert_same(&kept, &live(t.tenant(), &upn), &upn);
    }
    if let Some(restic) = t.restic().await {
        restic.check();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_there_before_the_loss_is_restored_byte_for_byte() {
    let (mut t, kit, ..) = lost().await;
    let upn = t.people().remove(0);
    let (before, folders) = (live(t.tenant(), &upn), by_folder(&mailbox_view(t.tenant(), &upn)));
    let options = t.recover_options(&kit);
    recovered(&mut t, &options).await;
    let kept = stored(&t.home, &upn, &At::Latest).await.unwrap();
    assert_same(&kept, &before, "of before the loss");
    tenant::add(&t.home, t.new_tenant()).await.unwrap();
    for id in before.keys() {
        t.tenant().message_delete(&upn, id, true).unwrap();
    }
    t.advance(Duration::from_secs(60));
    let restored = t.restore(t.restore_of(&upn)).await;
    assert_eq!(restored.items_restored, before.len() as u64, "{restored:#?}");
    assert_eq!(by_folder(&mailbox_view(t.tenant(), &upn)), folders);
}
