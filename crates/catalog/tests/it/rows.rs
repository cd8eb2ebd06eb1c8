//! What goes in comes out.

use holdfast_catalog::{
    Kind, ResourceStatus, RestoreItemRow, RestoreRow, RestoreState, RunProblem, VaultRow,
};
use holdfast_model::{Counts, ItemId, Outcome, ResourceId, RunId, SkipCause};
use jiff::SignedDuration;

use crate::{Home, On, VAULT, on_both, resource, tenant, time};

const HOSTILE: [&str; 6] = [
    "nul\0inside\0",
    "it's \"quoted\" \\ ; DROP TABLE item; --",
    "\u{202e}right to left \u{1a}0 \u{1a}",
    "../../etc",
    "",
    "\u{1F600}\u{0301}",
];

async fn hostile_names_come_back_unchanged(on: On) {
    let home = Home::new(&on).await;
    let (long, key) = ("x".repeat(300_000), "x".repeat(2_500));
    for (number, name) in HOSTILE.into_iter().chain([key.as_str()]).enumerate() {
        let mut row = resource(&format!("{number}"));
        row.id = ResourceId(format!("exchange/{name}{number}"));
        row.name = name.into();
        row.display_name = format!("{name}{long}");
        row.dir = Some(format!("{name}{long}"));
        home.catalog.resource_put(&row).await.unwrap();
        assert_eq!(home.catalog.resource_get(&row.id).await.unwrap(), row);
        assert!(home.catalog.resource_find(None, name).await.unwrap().contains(&row));
        home.catalog.meta_set(name, name).await.unwrap();
        assert_eq!(home.catalog.meta_get(name).await.unwrap().as_deref(), Some(name));
    }
    assert_eq!(home.catalog.resource_list(None).await.unwrap().len(), 7);
    // PostgreSQL takes no key of any length: it says so, and goes on.
    let mut row = resource("long");
    row.name = long;
    let put = home.catalog.resource_put(&row).await;
    match on {
        On::Sqlite => put.unwrap(),
        On::Postgres(_) => assert_eq!(put.unwrap_err().kind(), Kind::Conflict),
    }
    home.catalog.resource_put(&resource("next")).await.unwrap();
}

async fn migrations_are_told_in_order(on: On) {
    let home = Home::new(&on).await;
    let applied = home.catalog.migrations().await.unwrap();
    assert_eq!(applied[..2], [(1, "catalog".to_owned()), (2, "shards".to_owned())]);
    let numbers: Vec<u64> = applied.iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers, (1..=applied.len() as u64).collect::<Vec<_>>());
}

async fn vaults_have_unique_names_and_ids(on: On) {
    let home = Home::new(&on).await;
    let vault = VaultRow {
        id: VAULT.into(),
        name: "main".into(),
        location: "/srv/vault".into(),
        sealed_secret: vec![0, 1, 254, 255],
        sealed_storage: Some(vec![254]),
        created_at: time(7),
    };
    home.catalog.vault_add(&vault).await.unwrap();
    assert!(home.catalog.vault_get("main").await.unwrap() == vault);
    assert!(home.catalog.vault_get(VAULT).await.unwrap() == vault);
    let moved = VaultRow { location: "s3://b".into(), sealed_storage: None, ..vault.clone() };
    home.catalog.vault_update(&moved).await.unwrap();
    assert!(home.catalog.vault_get(VAULT).await.unwrap() == moved);
    home.catalog.vault_update(&vault).await.unwrap();
    let unknown = VaultRow { id: "other".into(), ..vault.clone() };
    assert_eq!(home.catalog.vault_update(&unknown).await.unwrap_err().kind(), Kind::NotFound);
    let same_name = VaultRow { id: "other".into(), ..vault.clone() };
    assert_eq!(home.catalog.vault_add(&same_name).await.unwrap_err().kind(), Kind::Conflict);
    assert_eq!(home.catalog.vault_add(&vault).await.unwrap_err().kind(), Kind::Conflict);
    assert_eq!(home.catalog.vault_list().await.unwrap().len(), 1);
    let error = home.catalog.vault_get("none").await.unwrap_err();
    assert_eq!(error.to_string(), "vault 'none' is not in the catalog");
    assert!(!format!("{vault:?}").contains("254"), "the sealed secret is not shown");
}

async fn tenants_are_replaced_and_removed(on: On) {
    let home = Home::new(&on).await;
    let mut contoso = tenant("contoso");
    home.catalog.tenant_put(&contoso).await.unwrap();
    contoso.client_id = "another".into();
    contoso.sealed_credential = None;
    contoso.sealed_restore_credential = Some(vec![9]);
    home.catalog.tenant_put(&contoso).await.unwrap();
    home.catalog.tenant_put(&tenant("fabrikam")).await.unwrap();
    assert_eq!(home.catalog.tenant_get("contoso").await.unwrap(), contoso);
    assert_eq!(home.catalog.tenant_list().await.unwrap(), [contoso, tenant("fabrikam")]);

    let mut ada = resource("ada");
    home.catalog.resource_put(&ada).await.unwrap();
    let refused = home.catalog.tenant_remove("contoso").await.unwrap_err();
    assert_eq!(refused.kind(), Kind::Conflict);
    ada.shard = None;
    home.catalog.resource_put(&ada).await.unwrap();
    home.catalog.tenant_remove("contoso").await.unwrap();
    assert_eq!(home.catalog.resource_list(None).await.unwrap(), []);
    assert_eq!(home.catalog.tenant_list().await.unwrap(), [tenant("fabrikam")]);
    let gone = home.catalog.tenant_remove("contoso").await.unwrap_err();
    assert_eq!(gone.kind(), Kind::NotFound);
}

async fn every_status_and_skip_cause_comes_back(on: On) {
    let home = Home::new(&on).await;
    let causes = [
        SkipCause::DeletedInFlight,
        SkipCause::CorruptInService,
        SkipCause::InvalidRecipients,
        SkipCause::NoMailbox,
    ];
    for status in [ResourceStatus::Active, ResourceStatus::Gone, ResourceStatus::Unavailable] {
        for cause in causes.into_iter().map(Some).chain([None]) {
            let row = holdfast_catalog::ResourceRow {
                status,
                skip_cause: cause,
                stale: true,
                restore_point: None,
                last_polled: None,
                list_link: None,
                ..resource("ada")
            };
            home.catalog.resource_put(&row).await.unwrap();
            assert_eq!(home.catalog.resource_get(&row.id).await.unwrap(), row);
        }
    }
}

async fn a_run_keeps_its_figures_and_problems(on: On) {
    let home = Home::new(&on).await;
    let mut run = home.catalog.run_start(&RunId::from("run 1"), "contoso").await.unwrap();
    assert_eq!(home.catalog.run_list(5).await.unwrap(), std::slice::from_ref(&run));
    let again = home.catalog.run_start(&run.id, "contoso").await.unwrap_err();
    assert_eq!(again.kind(), Kind::Conflict);

    home.clock.advance(SignedDuration::from_secs(30));
    run.outcome = Some(Outcome::Partial);
    run.counts = Counts {
        items_new: 1,
        items_changed: 2,
        items_deleted: 3,
        items_failed: 4,
        items_skipped: 5,
        bytes: 1 << 42,
    };
    (run.requests, run.waited_ms, run.error) = (6, 7, Some("one folder failed".into()));
    home.catalog.run_finish(&run).await.unwrap();
    run.finished_at = Some(time(1_030));
    let later = home.catalog.run_start(&RunId::from("run 2"), "contoso").await.unwrap();
    assert_eq!(home.catalog.run_list(5).await.unwrap(), [later.clone(), run.clone()]);
    assert_eq!(home.catalog.run_list(1).await.unwrap(), [later]);

    let problem = |item: Option<&str>, cause: &str, skipped| RunProblem {
        run: run.id.clone(),
        resource: ResourceId::from("exchange/ada"),
        item: item.map(ItemId::from),
        cause: cause.into(),
        skipped,
    };
    let first = [problem(Some("b"), "deleted_in_flight", true), problem(None, "429", false)];
    home.catalog.run_problem_add(&first).await.unwrap();
    home.catalog.run_problem_add(&[problem(Some("a"), "ErrorX", false)]).await.unwrap();
    let [one, two] = first;
    let all = [one, two, problem(Some("a"), "ErrorX", false)];
    assert_eq!(home.catalog.run_problem_list(&run.id).await.unwrap(), all);
    assert_eq!(home.catalog.run_problem_list(&RunId::from("run 2")).await.unwrap(), []);
}

async fn a_restore_knows_how_far_it_got(on: On) {
    let home = Home::new(&on).await;
    let restore = RestoreRow {
        id: "restore 1".into(),
        resource: ResourceId::from("exchange/ada"),
        target: ResourceId::from("exchange/bob"),
        at: Some(time(12)),
        path: Some("/Inbox".into()),
        started_at: time(1_000),
        finished_at: None,
        outcome: None,
    };
    let ttl = std::time::Duration::from_secs(60);
    let taken = home.catalog.restore_lease_take(&restore.target, None, "me", ttl).await;
    let lease = &taken.unwrap();
    home.catalog.restore_start(&restore).await.unwrap();
    let again = home.catalog.restore_start(&restore).await.unwrap_err();
    assert_eq!(again.kind(), Kind::Conflict);
    let row = |source: &str, state, target: Option<&str>| RestoreItemRow {
        restore: restore.id.clone(),
        source: ItemId::from(source),
        target: target.map(ItemId::from),
        state,
        detail: None,
    };
    let states = [
        ("a", RestoreState::Planned),
        ("b", RestoreState::Created),
        ("c", RestoreState::Done),
        ("d", RestoreState::Failed),
        ("e", RestoreState::Skipped),
    ];
    let planned = states.map(|(source, state)| row(source, state, None));
    home.catalog.restore_item_put(lease, &planned).await.unwrap();
    assert_eq!(home.catalog.restore_item_list(&restore.id).await.unwrap(), planned);
    let done = row("a", RestoreState::Done, Some("new id"));
    home.catalog.restore_item_put(lease, std::slice::from_ref(&done)).await.unwrap();
    assert_eq!(home.catalog.restore_item_list(&restore.id).await.unwrap()[0], done);
    let mut lost = row("z", RestoreState::Planned, None);
    lost.restore = "never started".into();
    let batch = [row("f", RestoreState::Planned, None), lost];
    let dangling = home.catalog.restore_item_put(lease, &batch).await.unwrap_err();
    assert_eq!(dangling.kind(), Kind::Conflict);
    assert_eq!(home.catalog.restore_item_list(&restore.id).await.unwrap().len(), 5);

    let unfinished = home.catalog.restore_unfinished(&restore.target).await.unwrap();
    assert_eq!(unfinished, std::slice::from_ref(&restore));
    assert_eq!(home.catalog.restore_unfinished(&restore.resource).await.unwrap(), []);
    home.catalog.restore_finish(lease, &restore.id, Outcome::Complete).await.unwrap();
    assert_eq!(home.catalog.restore_unfinished(&restore.target).await.unwrap(), []);
    let ended = home.catalog.restore_get(&restore.id).await.unwrap();
    assert_eq!((ended.finished_at, ended.outcome), (Some(time(1_000)), Some(Outcome::Complete)));
    assert_eq!(home.catalog.restore_list(9).await.unwrap(), [ended]);
    let unknown = home.catalog.restore_finish(lease, "none", Outcome::Failed).await.unwrap_err();
    assert_eq!(unknown.kind(), Kind::NotFound);
}

on_both!(
    hostile_names_come_back_unchanged,
    migrations_are_told_in_order,
    vaults_have_unique_names_and_ids,
    tenants_are_replaced_and_removed,
    every_status_and_skip_cause_comes_back,
    a_run_keeps_its_figures_and_problems,
    a_restore_knows_how_far_it_got,
);
