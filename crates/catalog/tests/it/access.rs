//! Accounts, sessions, tokens, links, attempts, and what lists may show.

use std::time::Duration;

use holdfast_catalog::{
    AccountChange, AccountRow, InvitationRow, Kind, Rebuilt, ResourceFilter, SessionRow, SignInRow,
    TokenRow,
};
use holdfast_model::{Grant, Limit, ResourceId, Role, Scope, UserId, Workload};
use jiff::SignedDuration;

use crate::{Home, On, on_both, resource, tenant, time};

const DAY: Duration = Duration::from_secs(86_400);

fn account(id: &str, name: &str, revision: u64) -> AccountRow {
    AccountRow {
        id: id.into(),
        name: name.into(),
        display_name: "Ada".into(),
        grants: vec![Grant::everywhere(Role::Operator)],
        disabled: false,
        password_hash: Some("$argon2id$secret".into()),
        sealed_factors: vec![7, 0, 255],
        recovery_codes: vec!["aa".into()],
        created_at: time(3),
        revision,
        saved_revision: revision,
    }
}

fn session(hash: &str, id: &str, account: &str) -> SessionRow {
    SessionRow {
        hash: hash.into(),
        id: id.into(),
        account: account.into(),
        address: "192.0.2.1".into(),
        agent: "Browser".into(),
        created_at: time(1_000),
        seen_at: time(1_000),
        proved_at: time(1_000),
    }
}

async fn an_account_is_found_by_its_name_in_any_case_and_has_it_alone(on: On) {
    let home = Home::new(&on).await;
    let ada = account("1", "Ada", 1);
    home.catalog.account_put(&ada).await.unwrap();
    assert!(home.catalog.account_by_name("aDA").await.unwrap().as_ref() == Some(&ada));
    let other = home.catalog.account_put(&account("2", "ADA", 1)).await.unwrap_err();
    assert_eq!(other.kind(), Kind::Conflict);
    assert_eq!(home.catalog.account_list().await.unwrap().len(), 1);
}

async fn of_two_changes_of_one_revision_the_second_is_told(on: On) {
    let home = Home::new(&on).await;
    home.catalog.account_put(&account("1", "ada", 1)).await.unwrap();
    let first = AccountRow { disabled: true, ..account("1", "ada", 2) };
    assert_eq!(home.catalog.account_replace(&first, 1).await.unwrap(), AccountChange::Done);
    let second = account("1", "bob", 2);
    assert_eq!(home.catalog.account_replace(&second, 1).await.unwrap(), AccountChange::Outrun);
    home.catalog.account_put(&account("1", "old", 1)).await.unwrap();
    let kept = home.catalog.account_find(&"1".into()).await.unwrap();
    assert_eq!((kept.name.as_str(), kept.disabled, kept.revision), ("ada", true, 2));
}

async fn a_rebuild_keeps_what_the_vault_does_not_have_yet(on: On) {
    let home = Home::new(&on).await;
    let unsaved = AccountRow { saved_revision: 1, disabled: true, ..account("1", "ada", 2) };
    for row in [&unsaved, &account("2", "gone", 1), &account("3", "older", 1)] {
        home.catalog.account_put(row).await.unwrap();
    }
    assert_eq!(home.catalog.account_unsaved().await.unwrap().len(), 1);
    let accounts = vec![account("1", "ada", 1), account("3", "newer", 4)];
    home.catalog.replace_all(Rebuilt { accounts, ..Rebuilt::default() }).await.unwrap();
    let found = home.catalog.account_list().await.unwrap();
    assert!(found == [unsaved, account("3", "newer", 4)], "{found:?}");
    home.catalog.account_saved(&"1".into(), 2).await.unwrap();
    assert_eq!(home.catalog.account_unsaved().await.unwrap(), []);
}

async fn one_process_at_a_time_changes_accounts_in_the_vault(on: On) {
    let home = Home::new(&on).await;
    let ttl = Duration::from_secs(60);
    assert!(home.catalog.account_lease_take("a", ttl).await.unwrap());
    assert!(!home.catalog.account_lease_take("b", ttl).await.unwrap());
    assert_eq!(home.catalog.account_lease_owner().await.unwrap().as_deref(), Some("a"));
    home.catalog.account_lease_release("b").await.unwrap();
    assert!(!home.catalog.account_lease_take("b", ttl).await.unwrap());
    home.clock.advance(SignedDuration::from_secs(60));
    assert!(home.catalog.account_lease_take("b", ttl).await.unwrap(), "a has let it expire");
    home.catalog.account_lease_release("b").await.unwrap();
    assert!(home.catalog.account_lease_take("a", ttl).await.unwrap());
}

async fn a_step_of_a_code_is_taken_once_and_in_order(on: On) {
    let home = Home::new(&on).await;
    let ada = UserId("1".into());
    assert!(home.catalog.totp_take(&ada, 7).await.unwrap());
    assert!(!home.catalog.totp_take(&ada, 7).await.unwrap());
    assert!(!home.catalog.totp_take(&ada, 6).await.unwrap());
    assert!(home.catalog.totp_take(&"2".into(), 6).await.unwrap());
    assert!(home.catalog.totp_take(&ada, 8).await.unwrap());
}

async fn sessions_are_renewed_ended_and_swept(on: On) {
    let home = Home::new(&on).await;
    let catalog = &home.catalog;
    for (hash, id, account) in [("h1", "s1", "1"), ("h2", "s2", "1"), ("h3", "s3", "2")] {
        catalog.session_add(&session(hash, id, account)).await.unwrap();
    }
    assert!(catalog.session_renew("h1", "h9", time(1_100)).await.unwrap());
    assert!(!catalog.session_renew("h1", "h8", time(1_100)).await.unwrap(), "the old one is void");
    assert_eq!(catalog.session_get("h1").await.unwrap(), None);
    let renewed = catalog.session_get("h9").await.unwrap().unwrap();
    assert_eq!((renewed.id.as_str(), renewed.proved_at), ("s1", time(1_100)));
    assert!(!catalog.session_end(&"2".into(), "s1").await.unwrap(), "another one's");
    assert_eq!(catalog.session_end_all(&"1".into(), Some("s2")).await.unwrap(), 1);
    catalog.session_seen("h2", time(2_000)).await.unwrap();
    assert_eq!(catalog.session_sweep(time(1_500), time(10)).await.unwrap(), 1, "s3");
    assert_eq!(catalog.session_list(&"1".into()).await.unwrap().len(), 1);
    catalog.account_put(&account("1", "ada", 1)).await.unwrap();
    catalog.account_remove(&"1".into()).await.unwrap();
    assert_eq!(catalog.session_get("h2").await.unwrap(), None);
}

async fn tokens_come_back_and_are_revoked_once(on: On) {
    let home = Home::new(&on).await;
    let token = TokenRow {
        id: "t1".into(),
        hash: "h".into(),
        account: "1".into(),
        label: "ci".into(),
        rights: vec!["view_resources".into()],
        scope: Scope { workloads: Limit::only([Workload::Exchange]), ..Scope::ALL },
        created_at: time(1),
        expires_at: time(2),
        used_at: None,
        revoked_at: None,
    };
    home.catalog.token_add(&token).await.unwrap();
    assert_eq!(home.catalog.token_get("h").await.unwrap().as_ref(), Some(&token));
    home.catalog.token_used("t1", time(9)).await.unwrap();
    assert!(!home.catalog.token_revoke(&"2".into(), "t1", time(10)).await.unwrap());
    assert!(home.catalog.token_revoke(&"1".into(), "t1", time(10)).await.unwrap());
    assert!(!home.catalog.token_revoke(&"1".into(), "t1", time(11)).await.unwrap());
    let kept = home.catalog.token_list(&"1".into()).await.unwrap();
    assert_eq!((kept[0].used_at, kept[0].revoked_at), (Some(time(9)), Some(time(10))));
}

async fn a_link_is_used_once_and_replaced_by_the_next(on: On) {
    let home = Home::new(&on).await;
    let link = |hash: &str, account: Option<&str>| InvitationRow {
        hash: hash.into(),
        account: account.map(UserId::from),
        created_by: None,
        created_at: time(1_000),
        until: time(1_060),
    };
    for row in [link("a", None), link("b", None), link("c", Some("1"))] {
        home.catalog.invitation_add(&row).await.unwrap();
    }
    assert_eq!(home.catalog.invitation_take("a").await.unwrap(), None, "b took its place");
    assert_eq!(home.catalog.invitation_take("b").await.unwrap(), Some(link("b", None)));
    assert_eq!(home.catalog.invitation_take("b").await.unwrap(), None);
    home.clock.advance(SignedDuration::from_secs(60));
    assert_eq!(home.catalog.invitation_get("c").await.unwrap(), None);
    assert_eq!(home.catalog.invitation_take("c").await.unwrap(), None);
}

async fn a_sign_in_under_way_is_good_for_its_purpose_only(on: On) {
    let home = Home::new(&on).await;
    let row = SignInRow {
        hash: "h".into(),
        account: "1".into(),
        purpose: "second_factor".into(),
        sealed_state: vec![1, 2],
        until: time(1_300),
    };
    home.catalog.sign_in_add(&row).await.unwrap();
    assert_eq!(home.catalog.sign_in_take("h", "passkey").await.unwrap(), None);
    let found = home.catalog.sign_in_get("h", "second_factor").await.unwrap();
    assert_eq!(found.as_ref(), Some(&row));
    assert_eq!(home.catalog.sign_in_take("h", "second_factor").await.unwrap(), Some(row));
    assert_eq!(home.catalog.sign_in_take("h", "second_factor").await.unwrap(), None);
}

async fn attempts_are_counted_over_processes_and_refused_while_blocked(on: On) {
    let home = Home::new(&on).await;
    let second = home.open_again().await;
    let wait = |count| Duration::from_secs(if count > 2 { 30 } else { 0 });
    let first = home.catalog.attempt_begin("ada", DAY, wait).await.unwrap().unwrap();
    let next = second.attempt_begin("ada", DAY, wait).await.unwrap().unwrap();
    assert_eq!((first.failures, next.failures), (1, 2));
    let third = second.attempt_begin("ada", DAY, wait).await.unwrap().unwrap();
    assert_eq!((third.failures, third.blocked_until), (3, time(1_030)));
    let refused = home.catalog.attempt_begin("ada", DAY, wait).await.unwrap();
    assert_eq!(refused, Err(time(1_030)));
    assert_eq!(home.catalog.attempt_get("ada").await.unwrap().unwrap().failures, 3);
    home.clock.advance(SignedDuration::from_secs(30));
    assert_eq!(home.catalog.attempt_begin("ada", DAY, wait).await.unwrap().unwrap().failures, 4);
    home.catalog.attempt_forgive("ada").await.unwrap();
    assert_eq!(home.catalog.attempt_get("ada").await.unwrap().unwrap().failures, 3);
    home.clock.advance(SignedDuration::from_hours(24));
    assert_eq!(home.catalog.attempt_begin("ada", DAY, wait).await.unwrap().unwrap().failures, 1);
    assert_eq!(home.catalog.attempt_sweep(time(0)).await.unwrap(), 0);
    home.catalog.attempt_clear("ada").await.unwrap();
    assert_eq!(home.catalog.attempt_get("ada").await.unwrap(), None);
}

async fn lists_and_counts_show_what_the_filter_permits(on: On) {
    let home = Home::new(&on).await;
    home.catalog.tenant_put(&tenant("contoso")).await.unwrap();
    home.catalog.tenant_put(&tenant("fabrikam")).await.unwrap();
    for id in ["ada", "bob", "cleo"] {
        home.catalog.resource_put(&resource(id)).await.unwrap();
    }
    let mut foreign = resource("dan");
    foreign.tenant = "fabrikam".into();
    home.catalog.resource_put(&foreign).await.unwrap();

    let id = |name: &str| ResourceId(format!("exchange/{name}"));
    let contoso = Scope { tenants: Limit::only(["contoso".to_owned()]), ..Scope::ALL };
    let bob = Scope { resources: Limit::only([id("bob"), id("dan")]), ..contoso.clone() };
    let dan = Scope { resources: Limit::only([id("dan")]), ..Scope::ALL };
    let nothing = Scope { workloads: Limit::only([Workload::OneDrive]), ..Scope::ALL };
    let cases: [(Vec<Scope>, &[&str]); 6] = [
        (vec![Scope::ALL], &["ada", "bob", "cleo", "dan"]),
        (vec![contoso.clone()], &["ada", "bob", "cleo"]),
        (vec![bob.clone()], &["bob"]),
        (vec![bob, dan], &["bob", "dan"]),
        (vec![nothing], &[]),
        (vec![], &[]),
    ];
    for (scopes, expected) in cases {
        let filter = ResourceFilter::new(scopes);
        let rows = home.catalog.resource_page(&filter, None, None, 10).await.unwrap();
        let shown: Vec<ResourceId> = rows.iter().map(|row| row.id.clone()).collect();
        assert_eq!(shown, expected.iter().map(|name| id(name)).collect::<Vec<_>>());
        let count = home.catalog.resource_count(&filter).await.unwrap();
        assert_eq!(count as usize, expected.len());
        assert!(rows.iter().all(|r| filter.permits(&r.tenant, r.workload, &r.id)));
    }
    let page = ResourceFilter::new(vec![contoso]);
    let page = home.catalog.resource_page(&page, None, Some(&id("ada")), 1).await.unwrap();
    assert_eq!(page.iter().map(|row| row.id.clone()).collect::<Vec<_>>(), [id("bob")]);
}

#[test]
fn rows_show_no_secrets() {
    let shown = format!("{:?} {:?}", account("1", "ada", 1), session("hash-of-it", "s", "1"));
    for secret in ["$argon2id", "hash-of-it", "255"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

on_both! {
    an_account_is_found_by_its_name_in_any_case_and_has_it_alone,
    of_two_changes_of_one_revision_the_second_is_told,
    a_rebuild_keeps_what_the_vault_does_not_have_yet,
    one_process_at_a_time_changes_accounts_in_the_vault,
    a_step_of_a_code_is_taken_once_and_in_order,
    sessions_are_renewed_ended_and_swept,
    tokens_come_back_and_are_revoked_once,
    a_link_is_used_once_and_replaced_by_the_next,
    a_sign_in_under_way_is_good_for_its_purpose_only,
    attempts_are_counted_over_processes_and_refused_while_blocked,
    lists_and_counts_show_what_the_filter_permits,
}
