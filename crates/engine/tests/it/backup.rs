//! Full and incremental backups.

use holdfast_model::Outcome;
use holdfast_testkit::{Options, TestContext};

#[tokio::test(flavor = "multi_thread")]
async fn a_first_backup_stores_every_message_and_restic_reads_it() {
    let t = TestContext::new(Options::default()).await;
    let people = t.people();
    let report = t.backup().await;
    assert_eq!(report.outcome, Outcome::Complete, "{report:#?}");
    let held: usize = people
        .iter()
        .flat_map(|upn| t.tenant().folders(upn).unwrap())
        .map(|folder| folder.messages)
        .sum();
    assert!(held > 0);
    assert_eq!(report.counts.items_new, held as u64);
    assert_eq!(report.snapshots.len(), 1);
    if let Some(restic) = t.restic().await {
        restic.check();
    }
    let idle = t.backup().await;
    assert!(idle.counts.is_idle(), "{idle:#?}");
    assert!(idle.snapshots.is_empty(), "an idle poll writes no snapshot");
}
