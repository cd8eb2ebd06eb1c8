//! Real mail: everything in the shared corpus goes in, comes out of the vault by stock restic, and
//! comes back into a mailbox.

use std::collections::BTreeMap;

use holdfast_engine::restore::RestoreReport;
use holdfast_model::Outcome;
use holdfast_testkit::sim::{Fault, FaultKind};
use holdfast_testkit::{Options, TestContext, mailbox_view, shared};

use crate::backup::{assert_equal_to_live, eml_files, live};

const EMPTY: &str = "empty@contoso.example";

async fn corpus(users: usize) -> Option<TestContext> {
    let Some(folder) = shared("corpus/mail") else {
        println!("the shared corpus is absent: real mail is not tested here");
        return None;
    };
    let options = Options { users, corpus: Some(folder), ..Options::default() };
    Some(TestContext::new(options).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn real_mail_comes_out_of_the_vault_byte_for_byte() {
    let Some(t) = corpus(3).await else { return };
    let report = t.backup().await;
    assert_eq!(report.outcome, Outcome::Complete, "{:#?}", report.resources);
    assert_eq!((report.counts.items_failed, report.counts.items_skipped), (0, 0));
    let people = t.people();
    let mut expected: Vec<Vec<u8>> =
        people.iter().flat_map(|upn| live(&t, upn)).map(|(_, mime)| mime).collect();
    assert!(expected.len() >= 1_700, "only {} messages", expected.len());
    assert_eq!(report.counts.items_new, expected.len() as u64);
    for upn in &people {
        assert_equal_to_live(&t, upn).await;
    }
    let Some(restic) = t.restic().await else { return };
    restic.check();
    let target = t.scratch("restic");
    restic.restore_latest(&target);
    let mut files = eml_files(&target);
    files.sort();
    expected.sort();
    assert!(files == expected, "{} files, {} messages", files.len(), expected.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn real_mail_comes_back_into_an_empty_mailbox() {
    let Some(t) = corpus(1).await else { return };
    t.tenant().user_add("Empty Person", EMPTY).unwrap();
    t.backup().await;
    let source = t.people().remove(0);
    let mut request = t.restore_of(&source);
    request.to = Some(EMPTY.to_owned());
    let report = t.restore(request).await;
    assert_eq!(report.items_restored as usize, live(&t, &source).len(), "{}", failures(&report));
    let folders = |upn: &str| -> BTreeMap<Vec<String>, usize> {
        let folders = t.tenant().folders(upn).unwrap().into_iter();
        folders.filter(|f| f.messages > 0).map(|f| (f.path, f.messages)).collect()
    };
    assert_eq!(folders(&source), folders(EMPTY));
    let before = mailbox_view(t.tenant(), &source);
    let mut after = mailbox_view(t.tenant(), EMPTY);
    let mut equal = 0;
    for message in &before {
        if let Ok(position) = after.binary_search(message) {
            after.remove(position);
            equal += 1;
        }
    }
    // The simulator reads MIME with another library than the product. Over the broken messages of
    // the corpus and the shapes of S/MIME the two may differ; over the others they may not.
    println!("{equal} of {} messages equal in the tenant's own view", before.len());
    assert!(equal >= 1_620, "only {equal} of {} equal", before.len());
}

/// Causes and their numbers; names of messages stay out of test output.
fn failures(report: &RestoreReport) -> String {
    let mut causes: BTreeMap<&str, usize> = BTreeMap::new();
    for item in report.items.iter().filter(|item| item.result == "failed") {
        *causes.entry(item.detail.as_deref().unwrap_or_default()).or_default() += 1;
    }
    format!("{causes:#?}")
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_that_graph_cannot_convert_are_kept_as_json() {
    let Some(t) = corpus(1).await else { return };
    t.tenant().faults().inject(Fault::always(FaultKind::MimeConversionFailedByClass, "$value"));
    let report = t.backup().await;
    assert_eq!(report.outcome, Outcome::Complete, "{:#?}", report.resources);
    assert_eq!((report.counts.items_failed, report.counts.items_skipped), (0, 0));
    let upn = t.people().remove(0);
    let stored = crate::backup::stored(&t, &upn).await;
    let json = stored.iter().filter(|(_, path, _)| path.ends_with(".json")).count();
    let classes = t.tenant().folders(&upn).unwrap().into_iter();
    let special = classes
        .flat_map(|folder| t.tenant().messages(&upn, &folder.id).unwrap())
        .filter(|m| m.class.starts_with("IPM.Note.SMIME") || m.class.starts_with("REPORT."))
        .count();
    assert!(special > 0, "the corpus holds signed mail and reports");
    assert_eq!(json, special);
}
