//! Many tasks on many connections write at once: nothing is given out twice, nothing is lost, and
//! no deadlock reaches a caller.

use std::collections::BTreeSet;
use std::time::Duration;

use holdfast_catalog::{
    Catalog, Commit, Error, Kind, Lease, ResourceCommit, ResourceRow, Rewriting, RunProblem,
    ShardRow,
};
use holdfast_model::{ContainerId, Fence, ItemId, RunId, Seq, ShardId, short_id};
use tokio::task::JoinSet;

use crate::{Home, On, SHARD, VAULT, container, item, on_both, point, resource, snapshot, tenant};

const TTL: Duration = Duration::from_secs(60);
const TASKS: u64 = 8;
const ROUNDS: u64 = 6;

/// Connections as of two processes, spread over the tasks.
async fn catalogs(home: &Home) -> Vec<Catalog> {
    let other = home.open_again().await;
    (0..TASKS).map(|n| if n % 2 == 0 { home.catalog.clone() } else { other.clone() }).collect()
}

/// Waits for all; what one of them fails with is the failure of the test.
async fn all<T: 'static>(mut tasks: JoinSet<T>) -> Vec<T> {
    let mut results = Vec::new();
    while let Some(result) = tasks.join_next().await {
        results.push(result.unwrap());
    }
    results
}

/// Takes the lease, however often others have it.
async fn take(catalog: &Catalog, shard: ShardId, owner: &str) -> Lease {
    loop {
        match catalog.lease_take(VAULT, shard, owner, TTL).await {
            Err(error) if error.kind() == Kind::LeaseHeld => tokio::task::yield_now().await,
            other => return other.unwrap(),
        }
    }
}

/// The next snapshot of a shard, with one new resource, two folders and two items.
fn next(lease: &Lease, seq: u64, resource: &ResourceRow) -> Commit {
    let mut taken = snapshot(seq, lease.fence);
    taken.shard = lease.shard;
    taken.id = format!("{seq}");
    let mut seen = point(resource, seq, 1_000, true);
    seen.shard = lease.shard;
    let change = ResourceCommit {
        containers_put: vec![container(resource, "inbox"), container(resource, "sent")],
        items_put: vec![item(resource, "inbox", "a"), item(resource, "sent", "b")],
        restore_point: Some(seen),
        ..ResourceCommit::new(resource.clone())
    };
    Commit {
        vault_id: VAULT.into(),
        shard: lease.shard,
        fence: lease.fence,
        snapshot: Some(taken),
        resources: vec![change],
    }
}

async fn of_many_writers_each_commits_under_a_fence_of_its_own(on: On) {
    let home = Home::new(&on).await;
    let shards = [SHARD, ShardId(2)];
    home.catalog.shard_put(&ShardRow::new(VAULT, shards[1])).await.unwrap();
    let mut tasks = JoinSet::new();
    for (number, catalog) in catalogs(&home).await.into_iter().enumerate() {
        tasks.spawn(async move {
            let mut fences = Vec::new();
            for round in 0..ROUNDS {
                let shard = shards[(number + round as usize) % 2];
                let lease = take(&catalog, shard, &format!("task {number}")).await;
                let lease = catalog.lease_renew(&lease, TTL).await.unwrap();
                let head = catalog.shard_get(VAULT, shard).await.unwrap().head_seq.0;
                let mut row = resource(&format!("{number}-{round}"));
                row.shard = Some(shard);
                catalog.commit(next(&lease, head + 1, &row)).await.unwrap();
                catalog.lease_release(&lease).await.unwrap();
                // What comes after giving it back comes too late for the next holder.
                let late = catalog.commit(next(&lease, head + 2, &row)).await;
                let late = late.map_err(|error| error.kind());
                assert!(matches!(late, Ok(()) | Err(Kind::FenceLost | Kind::Conflict)), "{late:?}");
                fences.push((shard, lease.fence));
            }
            fences
        });
    }
    let fences: Vec<(ShardId, Fence)> = all(tasks).await.into_iter().flatten().collect();
    assert_eq!(fences.len() as u64, TASKS * ROUNDS);
    let different: BTreeSet<_> = fences.iter().collect();
    assert_eq!(different.len(), fences.len(), "no fence was given out twice");
    let resources = home.catalog.resource_list(None).await.unwrap();
    assert_eq!(resources.len() as u64, TASKS * ROUNDS);
    for row in &resources {
        assert_eq!(home.catalog.item_count(&row.id).await.unwrap(), 2, "{}", row.id);
    }
    for shard in shards {
        let row = home.catalog.shard_get(VAULT, shard).await.unwrap();
        let snapshots = home.catalog.snapshot_list(Some(VAULT)).await.unwrap();
        let seqs: Vec<_> = snapshots.iter().filter(|s| s.shard == shard).map(|s| s.seq).collect();
        assert_eq!(seqs, (1..=row.head_seq.0).map(Seq).collect::<Vec<_>>());
    }
    assert_eq!(home.catalog.check().await.unwrap(), [""; 0], "numbers are different");
}

async fn resources_are_numbered_by_many_at_once(on: On) {
    let home = Home::new(&on).await;
    let mut tasks = JoinSet::new();
    for (number, catalog) in catalogs(&home).await.into_iter().enumerate() {
        tasks.spawn(async move {
            for round in 0..ROUNDS {
                // Each has one of its own; one is the same for all.
                let own = resource(&format!("{number}-{round}"));
                for row in [own, resource(&format!("shared {round}"))] {
                    catalog.resource_put(&row).await.unwrap();
                    catalog.resource_describe(&row).await.unwrap();
                }
            }
        });
    }
    all(tasks).await;
    let resources = home.catalog.resource_list(None).await.unwrap();
    assert_eq!(resources.len() as u64, TASKS * ROUNDS + ROUNDS);
    for row in resources {
        assert_eq!(home.catalog.epoch_list(&row.id).await.unwrap().len(), 1);
    }
    assert_eq!(home.catalog.check().await.unwrap(), [""; 0]);
}

async fn what_many_add_to_one_list_is_all_there(on: On) {
    let home = Home::new(&on).await;
    let lease = take(&home.catalog, SHARD, "me").await;
    let ada = resource("ada");
    home.catalog.commit(next(&lease, 1, &ada)).await.unwrap();
    let run = RunId::from("run");
    home.catalog.run_start(&run, "contoso").await.unwrap();
    let mut tasks = JoinSet::new();
    for (number, catalog) in catalogs(&home).await.into_iter().enumerate() {
        let (ada, run) = (ada.id.clone(), run.clone());
        tasks.spawn(async move {
            for round in 0..ROUNDS {
                let id = ItemId(format!("{number}-{round}"));
                let problem = RunProblem {
                    run: run.clone(),
                    resource: ada.clone(),
                    item: Some(id.clone()),
                    cause: "503".into(),
                    skipped: false,
                };
                catalog.run_problem_add(&[problem.clone(), problem]).await.unwrap();
                catalog.retry_add(&ada, &ContainerId::from("inbox"), &[id]).await.unwrap();
            }
        });
    }
    all(tasks).await;
    let problems = home.catalog.run_problem_list(&run).await.unwrap();
    assert_eq!(problems.len() as u64, 2 * TASKS * ROUNDS);
    let containers = home.catalog.container_list(&ada.id).await.unwrap();
    let noted = containers.iter().find(|row| row.id.as_str() == "inbox").unwrap();
    let noted: Vec<String> = serde_json::from_str(noted.retry.as_deref().unwrap()).unwrap();
    assert_eq!(noted.len() as u64, TASKS * ROUNDS);
}

async fn an_eraser_beside_the_writer_of_the_next_shard_is_whole(on: On) {
    let home = Home::new(&on).await;
    let next_shard = ShardId(2);
    home.catalog.shard_put(&ShardRow::new(VAULT, next_shard)).await.unwrap();
    let eraser = take(&home.catalog, SHARD, "eraser").await;
    let writer = take(&home.catalog, next_shard, "writer").await;
    let people: Vec<_> = (0..4).map(|n| resource(&format!("{n}"))).collect();
    let ids: Vec<_> = (0..40).map(|n| format!("{n:02}")).collect();
    // The writer goes backwards through the people and their items.
    let all_of = |seq: u64| {
        let of = |row: &ResourceRow| {
            let mut change = next(&writer, seq, row).resources.remove(0);
            change.resource.shard = Some(next_shard);
            change.items_put = ids.iter().rev().map(|id| item(row, "inbox", id)).collect();
            change
        };
        let resources = people.iter().rev().map(of).collect();
        Commit { resources, ..next(&writer, seq, &people[0]) }
    };
    home.catalog.commit(all_of(1)).await.unwrap();
    let gone: Vec<_> = ids.iter().map(|id| short_id(id)).collect();
    for round in 1..=ROUNDS {
        let (catalog, commit) = (home.open_again().await, all_of(round + 1));
        let writing = tokio::spawn(async move { catalog.commit(commit).await });
        let erased = people.iter().map(|row| (row.id.clone(), gone.clone())).collect();
        let rewriting = Rewriting { erased, ..Rewriting::default() };
        home.catalog.rewrite(&eraser, &rewriting).await.unwrap();
        writing.await.unwrap().unwrap();
        for row in &people {
            let left = home.catalog.item_count(&row.id).await.unwrap();
            assert!([0, 40].contains(&left), "round {round}: {left}");
        }
    }
}

async fn a_tenant_goes_whole_or_stays(on: On) {
    let home = Home::new(&on).await;
    for round in 0..ROUNDS {
        home.catalog.tenant_put(&tenant("contoso")).await.unwrap();
        let mut ada = resource(&format!("ada {round}"));
        ada.shard = None;
        home.catalog.resource_put(&ada).await.unwrap();
        let (catalog, placed) = (home.open_again().await, resource(&format!("ada {round}")));
        let placing = tokio::spawn(async move { catalog.resource_describe(&placed).await });
        let removed = home.catalog.tenant_remove("contoso").await;
        placing.await.unwrap().unwrap();
        let left = home.catalog.resource_list(None).await.unwrap();
        match removed {
            Ok(()) => assert_eq!(left, []),
            Err(Error::Conflict(_)) => {
                assert_eq!(left.len(), 1);
                assert_eq!(left[0].shard, Some(SHARD));
                home.catalog.resource_put(&ada).await.unwrap();
                home.catalog.tenant_remove("contoso").await.unwrap();
            }
            Err(other) => panic!("{other:?}"),
        }
    }
}

on_both!(
    of_many_writers_each_commits_under_a_fence_of_its_own,
    resources_are_numbered_by_many_at_once,
    what_many_add_to_one_list_is_all_there,
    an_eraser_beside_the_writer_of_the_next_shard_is_whole,
    a_tenant_goes_whole_or_stays,
);
