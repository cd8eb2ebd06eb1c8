//! Maintenance that was cut off.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn an_erasure_that_was_cut_off_is_done_by_the_next_prune() {
    let t = TestContext::new(Options { users: 2, mails: 8, ..Options::default() }).await;
    let [ada, bob] = t.people().try_into().unwrap();
    let secret = deliver(&t, &ada, &message("Unfinished-business"));
    t.backup().await;
    deliver(&t, &bob, &message("Second"));
    t.backup().await;
    cut_off(&t, &ada, &secret).await;
    // A reader and a backup find the catalog where the vault is.
    let newest = stored(&t.home, &ada, &At::Latest).await.unwrap();
    assert!(!newest.contains_key(&secret) && !newest.is_empty());
    deliver(&t, &bob, &message("Third"));
    assert_eq!(t.backup().await.outcome, Outcome::Complete);
    let report = pruned(&t, &PruneRequest::default()).await;
    let [erasure] = &report.shards[0].erasures[..] else { panic!("{report:#?}") };
    assert!(erasure.complete, "{erasure:#?}");
    assert_eq!(snapshots(&t.home).await.unwrap().len(), 3);
    assert!(!in_home(&t.home, "Unfinished-business") && !in_home(&t.home, &secret));
    if let Some(files) = all_files(&t, "finished").await {
        assert!(!holds_text(&files, "Unfinished-business"));
        assert!(unneeded(&t).await.unwrap().contains("0 blobs / 0 B"));
    }
    let left: BTreeSet<_> = stored(&t.home, &ada, &At::Latest).await.unwrap().into_keys().collect();
    let mut expected: BTreeSet<_> = live(t.tenant(), &ada).into_keys().collect();
    expected.remove(&secret);
    assert_eq!(left, expected);
    let report = pruned(&t, &PruneRequest::default()).await;
    assert!(report.shards[0].erasures.is_empty(), "it is done");
    let all_kept = |v: &Verdict| matches!(v, Verdict::Kept { .. });
    assert!(report.shards[0].evaluation.snapshots.iter().all(|s| all_kept(&s.verdict)));
}

/// Records an erasure and has the vault rewritten, as far as a process got that died then.
async fn cut_off(t: &TestContext, upn: &str, item: &str) {
    let vault = t.home.vault(None).await.unwrap();
    let resource = resource_id(t, upn);
    let row = t.home.catalog.resource_get(&resource).await.unwrap();
    let record = serde_json::json!({
        "v": 1, "id": "0193", "resource": resource, "items": [short_id(item)],
        "reason": "request 23", "ordered_at": t.home.clock.now(), "open": [1], "done_at": null,
    });
    let facts = holdfast_policy::Facts {
        vault: vault.id().to_owned(),
        shard: SHARD,
        now: t.home.clock.now(),
        snapshots: Vec::new(),
        left_behind: None,
        resources: vec![holdfast_policy::ResourceFact {
            id: resource.clone(),
            path: Some(vec!["exchange".to_owned(), row.dir.unwrap()]),
        }],
        holds: Vec::new(),
    };
    let request = holdfast_policy::ErasureRequest {
        resource,
        items: vec![short_id(item)],
        reason: "request 23".to_owned(),
    };
    let plan = holdfast_policy::evaluate_erasure(&facts, &[request]).unwrap().into_plan();
    let mark = format!("erasing {} {SHARD}", vault.id());
    t.home.catalog.meta_set(&mark, "0193").await.unwrap();
    tokio::task::block_in_place(|| {
        let record = Some(record.to_string().into_bytes());
        vault.control().unwrap().save(&[("erasures/0193.json".to_owned(), record)]).unwrap();
        let options = holdfast_vault::PruneOptions { instant: true, ..Default::default() };
        vault.shard(SHARD).unwrap().erase(&plan, &options).unwrap();
    });
}
