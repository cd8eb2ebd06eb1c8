//! The record over the life of an installation: acts that were cut off, a full database, a catalog
//! that was lost.

use std::collections::BTreeMap;

use holdfast_catalog::AuditChain;
use holdfast_engine::Home;
use holdfast_engine::audit::{self, Audit, FaultKind};
use holdfast_engine::rebuild::rebuild;
use holdfast_model::audit::{Action, Outcome};

use super::attack::{Record, event, home_in};

#[tokio::test]
async fn an_act_has_a_beginning_and_an_end() {
    let record = Record::new().await;
    let audit = record.audit().await;
    let begun = audit.begin(event(1)).await.unwrap();
    assert_eq!(begun.number(), 1);
    let details = BTreeMap::from([("items".to_owned(), "3".to_owned())]);
    begun.end(Outcome::Partial, "throttled", details).await.unwrap();
    let entries = record.entries().await;
    assert_eq!((entries[0].outcome.as_str(), entries[0].ends), ("begun", 0));
    let end = &entries[1];
    assert_eq!((end.outcome.as_str(), end.cause.as_str(), end.ends), ("partial", "throttled", 1));
    assert_eq!(end.details, r#"{"items":"3"}"#);
    assert_eq!((&end.action, &end.items), (&entries[0].action, &entries[0].items));
    assert_eq!(record.verify().await.open_in_all, 0);
}

#[tokio::test]
async fn an_act_that_was_cut_off_is_named_and_no_fault() {
    let record = Record::new().await;
    let audit = record.audit().await;
    drop(audit.begin(event(1)).await.unwrap());
    audit.record(event(2)).await.unwrap();
    let found = record.verify().await;
    assert!(found.ok);
    assert_eq!((found.open_in_all, found.open), (1, vec![1]));
}

#[tokio::test]
async fn what_cannot_be_recorded_cannot_begin() {
    let record = Record::full().await;
    let audit = record.audit().await;
    // The end cannot be taken from an entry that is not the last: as a full disk, every append
    // fails.
    let end = AuditChain { number: 11, ..record.chain().await };
    record.home.catalog.audit_overwrite(&record.entries().await, &end).await.unwrap();
    audit.begin(event(12)).await.unwrap_err();
    assert_eq!(record.chain().await, end, "nothing is half done");
}

#[tokio::test]
async fn a_head_comes_by_itself_after_a_thousand_entries() {
    let record = Record::new().await;
    let audit = record.audit().await;
    for n in 1..=1_001 {
        audit.record(event(n)).await.unwrap();
    }
    let found = record.verify().await;
    assert_eq!((found.ok, found.entries, found.heads, found.signed_up_to), (true, 1_001, 1, 1_000));
    assert_eq!(audit.save_head().await.unwrap().unwrap().since, 1);
    assert_eq!(audit.save_head().await.unwrap(), None, "nothing is new");
}

/// Opens the home as `catalog rebuild` does.
async fn reopened(record: &Record) -> Home {
    let dir = record.home.dir();
    Home::open_to_rebuild(dir, None, record.home.clock.clone()).await.unwrap()
}

async fn lose_catalog(record: &Record) {
    record.home.catalog.close().await;
    for side in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(record.home.dir().join(format!("catalog.db{side}")));
    }
}

#[tokio::test]
async fn after_a_loss_the_record_goes_on_and_says_so() {
    let record = Record::full().await;
    record.add(13).await;
    lose_catalog(&record).await;
    let home = reopened(&record).await;
    rebuild(&home).await.unwrap();
    let audit = Audit::open(&home).await.unwrap();
    assert_eq!(audit.record(event(14)).await.unwrap(), 14);
    let found = audit::verify(&home).await.unwrap();
    assert!(found.ok, "{found:?}");
    let resumed = &found.resumed[..];
    assert_eq!(resumed.len(), 1);
    assert_eq!((resumed[0].number, resumed[0].after, resumed[0].missing), (13, 0, 12));
    assert_eq!((found.entries, found.last, found.signed_up_to), (2, 14, 13));
    // Once is enough.
    let home = reopened(&record).await;
    assert_eq!(audit::verify(&home).await.unwrap().resumed.len(), 1);
    let first = home.catalog.audit_get(13).await.unwrap().unwrap();
    assert_eq!((first.action.as_str(), first.actor_kind.as_str()), ("chain.resume", "system"));
}

#[tokio::test]
async fn an_older_database_goes_on_behind_the_newest_head() {
    let record = Record::full().await;
    let older = record.entries().await[..6].to_vec();
    record.replace_all(&older).await;
    assert_eq!(record.verify().await.faults[0].kind, FaultKind::OlderThanHead);
    assert_eq!(audit::resume(&record.home).await.unwrap(), Some(13));
    assert_eq!(audit::resume(&record.home).await.unwrap(), None);
    record.add(14).await;
    let found = record.verify().await;
    assert!(found.ok, "{found:?}");
    assert_eq!((found.resumed[0].after, found.resumed[0].missing), (6, 6));
    // What is taken away later is not what the entry speaks of.
    let mut fewer = record.entries().await;
    fewer.remove(5);
    record.replace_all(&fewer).await;
    assert_eq!(record.verify().await.first_fault, Some(6));
}

#[tokio::test]
async fn nobody_without_the_key_explains_a_loss() {
    let record = Record::full().await;
    let (mut entries, head) = (record.entries().await[..4].to_vec(), record.chain().await);
    let event = event(1).detail("after", "4").detail("head_number", "12");
    let event = event.detail("head_hash", &head.hash).detail("missing", "8");
    let event = holdfast_model::audit::Event { action: Action::ChainResume, ..event };
    entries.push(event.into_entry(13, record.home.clock.now(), &head.hash));
    record.replace_all(&entries).await;
    let found = record.verify().await;
    assert_eq!((found.first_fault, found.resumed.len()), (Some(5), 0), "{found:?}");
}

#[tokio::test]
async fn another_installation_on_the_vault_goes_on_too() {
    let record = Record::full().await;
    let second = home_in(&record.dir, "second").await;
    let audit = Audit::open(&second).await.unwrap();
    assert_eq!(audit.record(event(14)).await.unwrap(), 14);
    assert!(audit::verify(&second).await.unwrap().ok);
    // The first one lives on beside it: that it is not alone comes out.
    record.add(13).await;
    record.head().await;
    assert!(!record.verify().await.ok);
}
