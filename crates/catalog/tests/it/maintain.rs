//! Forgetting, rewriting and erasing in the catalog.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use holdfast_catalog::{
    Catalog, Kind, Lease, ResourceRow, RestoreItemRow, RestoreRow, RestoreState, Rewriting,
    RunProblem, TenantRow,
};
use holdfast_model::{ItemId, RunId, Seq, ShardId, short_id};
use proptest::prelude::*;

use crate::{
    Home, On, SHARD, VAULT, for_cases, on_both, point, resource, small_commit, snapshot, tenant,
    time,
};

async fn lease(home: &Home) -> Lease {
    home.catalog.tenant_put(&tenant("contoso")).await.unwrap();
    home.catalog.lease_take(VAULT, SHARD, "me", Duration::from_secs(60)).await.unwrap()
}

fn seqs(numbers: &[u64]) -> BTreeSet<Seq> {
    numbers.iter().copied().map(Seq).collect()
}

async fn points(catalog: &Catalog, resource: &ResourceRow) -> Vec<(u64, String)> {
    let rows = catalog.restore_point_list(&resource.id).await.unwrap();
    rows.into_iter().map(|row| (row.seq.0, row.tree)).collect()
}

/// Commits a snapshot in which these resources changed.
async fn commit(home: &Home, lease: &Lease, seq: u64, changed: &[&ResourceRow]) {
    let mut commit = small_commit(seq, lease.fence, changed[0]);
    commit.resources.truncate(0);
    for resource in changed {
        commit.resources.append(&mut small_commit(seq, lease.fence, resource).resources);
    }
    home.catalog.commit(commit).await.unwrap();
}

async fn restore_points_move_to_the_next_snapshot_that_shows_the_same(on: On) {
    let home = Home::new(&on).await;
    let lease = lease(&home).await;
    let (ada, bob) = (resource("ada"), resource("bob"));
    // A namesake shard of another vault is left alone.
    let mut eve = resource("eve");
    eve.tenant = "other".into();
    let other = TenantRow { vault_id: "other".into(), ..tenant("other") };
    home.catalog.tenant_put(&other).await.unwrap();
    for (seq, changed) in
        [(1, &[&ada, &bob, &eve][..]), (2, &[&ada]), (3, &[&bob]), (4, &[&ada]), (5, &[&ada])]
    {
        commit(&home, &lease, seq, changed).await;
    }
    home.catalog.forget(&lease, &seqs(&[1, 3, 4])).await.unwrap();
    let kept = home.catalog.snapshot_list(None).await.unwrap();
    assert_eq!(kept.iter().map(|row| row.seq.0).collect::<Vec<_>>(), [2, 5]);
    let tree = |seq| format!("tree {seq}");
    assert_eq!(points(&home.catalog, &ada).await, [(2, tree(2)), (5, tree(5))]);
    assert_eq!(points(&home.catalog, &bob).await, [(2, tree(1)), (5, tree(3))]);
    assert_eq!(points(&home.catalog, &eve).await, [(1, tree(1))]);
    // The head stays whatever is asked, and a late holder changes nothing.
    let head = home.catalog.forget(&lease, &seqs(&[2, 5])).await;
    assert_eq!(head.unwrap_err().kind(), Kind::Conflict);
    let late = Lease { fence: holdfast_model::Fence(99), ..lease.clone() };
    let late = home.catalog.forget(&late, &seqs(&[2])).await;
    assert_eq!(late.unwrap_err().kind(), Kind::FenceLost);
    assert_eq!(home.catalog.snapshot_list(None).await.unwrap().len(), 2);
    // Forgetting twice is no error.
    home.catalog.forget(&lease, &seqs(&[1, 2])).await.unwrap();
    assert_eq!(home.catalog.snapshot_list(None).await.unwrap().len(), 1);
    assert_eq!(points(&home.catalog, &bob).await, [(5, tree(3))]);
}

/// What each remaining snapshot shows of a resource is the same before and after.
fn what_stays_shows_the_same(on: &On) {
    let strategy = (
        proptest::collection::vec(any::<(bool, bool)>(), 1..9),
        proptest::collection::btree_set(1_u64..9, 0..8),
    );
    for_cases(on, &strategy, async |(changes, gone)| {
        let home = Home::new(on).await;
        let lease = lease(&home).await;
        let (ada, bob) = (resource("ada"), resource("bob"));
        for (n, (of_ada, of_bob)) in changes.iter().enumerate() {
            let changed: Vec<_> =
                [(of_ada, &ada), (of_bob, &bob)].into_iter().filter(|(c, _)| **c).collect();
            let seq = n as u64 + 1;
            let mut commit = small_commit(seq, lease.fence, &ada);
            commit.resources.clear();
            for (_, resource) in changed {
                commit.resources.append(&mut small_commit(seq, lease.fence, resource).resources);
            }
            home.catalog.commit(commit).await.unwrap();
        }
        let head = changes.len() as u64;
        let gone: BTreeSet<Seq> = gone.into_iter().filter(|seq| *seq < head).map(Seq).collect();
        let before = shown(&home.catalog, &[&ada, &bob], head).await;
        home.catalog.forget(&lease, &gone).await.unwrap();
        let after = shown(&home.catalog, &[&ada, &bob], head).await;
        for (place, tree) in after {
            if !gone.contains(&Seq(place.1)) {
                assert_eq!(before[&place], tree, "{place:?}");
            }
        }
        let left: BTreeSet<u64> =
            home.catalog.snapshot_list(None).await.unwrap().iter().map(|row| row.seq.0).collect();
        for resource in [&ada, &bob] {
            let points = points(&home.catalog, resource).await;
            assert!(points.iter().all(|(seq, _)| left.contains(seq)), "no point hangs loose");
        }
    });
}

async fn shown(
    catalog: &Catalog,
    resources: &[&ResourceRow],
    head: u64,
) -> BTreeMap<(String, u64), Option<String>> {
    let mut shown = BTreeMap::new();
    for resource in resources {
        for seq in 1..=head {
            let point = catalog.restore_point_in(&resource.id, SHARD, Seq(seq)).await.unwrap();
            shown.insert((resource.name.clone(), seq), point.map(|point| point.tree));
        }
    }
    shown
}

async fn rewritten_snapshots_take_the_place_of_the_old_ones(on: On) {
    let home = Home::new(&on).await;
    let lease = lease(&home).await;
    let ada = resource("ada");
    commit(&home, &lease, 1, &[&ada]).await;
    commit(&home, &lease, 2, &[&ada]).await;
    let rewriting = Rewriting {
        snapshots: [1, 2].map(|seq| (Seq(seq), format!("new {seq}"), format!("root {seq}"))).into(),
        points: vec![(ada.id.clone(), Seq(2), "smaller".into())],
        erased: Vec::new(),
    };
    home.catalog.rewrite(&lease, &rewriting).await.unwrap();
    let rows = home.catalog.snapshot_list(None).await.unwrap();
    let seen: Vec<_> = rows.iter().map(|row| (&*row.id, &*row.tree)).collect();
    assert_eq!(seen, [("new 1", "root 1"), ("new 2", "root 2")]);
    assert_eq!(rows[1].time, snapshot(2, lease.fence).time);
    let shard = home.catalog.shard_get(VAULT, SHARD).await.unwrap();
    assert_eq!(shard.head_snapshot.as_deref(), Some("new 2"));
    assert_eq!(shard.head_tree.as_deref(), Some("root 2"));
    let points = points(&home.catalog, &ada).await;
    assert_eq!(points, [(1, "tree 1".to_owned()), (2, "smaller".to_owned())]);
}

/// Whether these bytes are in the files of the catalog.
fn is_in_files(home: &Home, text: &str) -> bool {
    if let Some(database) = &home.database {
        database.psql("CHECKPOINT");
        let found = database.psql(&format!(
            "SELECT COUNT(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace AND \
             position('{text}'::bytea IN pg_read_binary_file(pg_relation_filepath(oid))) > 0"
        ));
        return found != "0";
    }
    let files = ["catalog.db", "catalog.db-wal"].map(|name| home.folder.path().join(name));
    let bytes = files.map(|file| std::fs::read(file).unwrap_or_default()).concat();
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

async fn an_erased_item_leaves_no_trace_in_the_files(on: On) {
    let home = Home::new(&on).await;
    let lease = lease(&home).await;
    let ada = resource("ada");
    let secret = "Confidential-subject-5d1f";
    let mut first = small_commit(1, lease.fence, &ada);
    let erased = ItemId::from("erased-item-id-77aa");
    let mut rows: Vec<_> =
        (0..300).map(|n| crate::item(&ada, "inbox", &format!("other {n}"))).collect();
    rows.push(crate::item(&ada, "inbox", erased.as_str()));
    rows[300].name = format!("20260101-000000 {secret} ~{}.eml", short_id(erased.as_str()));
    first.resources[0].items_put = rows.clone();
    home.catalog.commit(first).await.unwrap();
    let inbox = rows[300].container.clone();
    let noted = [erased.clone(), ItemId::from("noted-item")];
    home.catalog.retry_add(&ada.id, &inbox, &noted).await.unwrap();
    traces(&home, &ada, &erased, &rows[300].name).await;

    let items = vec![short_id(erased.as_str())];
    let rewriting = Rewriting { erased: vec![(ada.id.clone(), items)], ..Rewriting::default() };
    let seen = |text: &str| is_in_files(&home, text);
    assert!(seen(secret) && seen(erased.as_str()), "the search finds what is there");
    home.catalog.rewrite(&lease, &rewriting).await.unwrap();
    assert_eq!(home.catalog.item_count(&ada.id).await.unwrap(), 300);
    // On a server that others use, too, what a transaction of the same moment might see stays.
    for _ in 0..20 {
        home.catalog.purge().await.unwrap();
        if !seen(secret) && !seen(erased.as_str()) {
            break;
        }
    }
    assert!(!seen(secret) && !seen(erased.as_str()));
    assert!(seen("other 299.eml"));
    let containers = home.catalog.container_list(&ada.id).await.unwrap();
    let retry = containers.iter().find(|row| row.id == inbox).unwrap().retry.as_deref();
    assert_eq!(retry, Some(r#"["noted-item"]"#));
    // What belongs to others stays.
    let run = home.catalog.run_problem_list(&RunId::from("run")).await.unwrap();
    assert_eq!(run.len(), 1);
    assert_eq!(home.catalog.restore_item_list("restore").await.unwrap().len(), 1);
    assert_eq!(home.catalog.restore_get("restore").await.unwrap().path, None);
}

/// What runs and restores have written of an item, and of another one.
async fn traces(home: &Home, ada: &ResourceRow, erased: &ItemId, path: &str) {
    let restore = RestoreRow {
        id: "restore".into(),
        resource: ada.id.clone(),
        target: ada.id.clone(),
        at: None,
        path: Some(format!("Inbox/{path}")),
        started_at: time(1),
        finished_at: None,
        outcome: None,
    };
    home.catalog.restore_start(&restore).await.unwrap();
    let ttl = Duration::from_secs(60);
    let lease = home.catalog.restore_lease_take(&ada.id, None, "me", ttl).await.unwrap();
    home.catalog.run_start(&RunId::from("run"), "contoso").await.unwrap();
    for id in [erased.clone(), ItemId::from("other 1")] {
        let item = RestoreItemRow {
            restore: "restore".into(),
            source: id.clone(),
            target: None,
            state: RestoreState::Planned,
            detail: None,
        };
        home.catalog.restore_item_put(&lease, &[item]).await.unwrap();
        let problem = RunProblem {
            run: RunId::from("run"),
            resource: ada.id.clone(),
            item: Some(id),
            cause: "503".into(),
            skipped: false,
        };
        home.catalog.run_problem_add(&[problem]).await.unwrap();
    }
}

async fn complete_restore_points_are_found_by_snapshot(on: On) {
    let home = Home::new(&on).await;
    let lease = lease(&home).await;
    let ada = resource("ada");
    for (seq, complete) in [(1, false), (2, true), (3, false)] {
        let mut next = small_commit(seq, lease.fence, &ada);
        next.resources[0].restore_point = Some(point(&ada, seq, 1, complete));
        home.catalog.commit(next).await.unwrap();
    }
    for (first, last, found) in [(1, 1, false), (1, 2, true), (2, 3, true), (3, 9, false)] {
        let asked = home
            .catalog
            .restore_point_complete_in(VAULT, SHARD, Seq(first), Seq(last))
            .await
            .unwrap();
        assert_eq!(asked, found, "{first} to {last}");
    }
    let elsewhere =
        home.catalog.restore_point_complete_in(VAULT, ShardId(2), Seq(1), Seq(9)).await.unwrap();
    assert!(!elsewhere);
}

on_both!(
    restore_points_move_to_the_next_snapshot_that_shows_the_same,
    rewritten_snapshots_take_the_place_of_the_old_ones,
    complete_restore_points_are_found_by_snapshot,
    an_erased_item_leaves_no_trace_in_the_files,
);

on_both!(cases: what_stays_shows_the_same,);
