//! An exported record is verified with nothing but the file.

use std::fs;
use std::path::PathBuf;

use holdfast_engine::audit::{self, FaultKind, Verification};

use super::attack::Record;

async fn exported(record: &Record) -> (PathBuf, Vec<String>) {
    let path = record.dir.path().join("record.ndjson");
    let report = audit::export(&record.home, &path).await.unwrap();
    assert_eq!((report.entries, report.heads, report.last), (12, 3, 12));
    let lines = fs::read_to_string(&path).unwrap().lines().map(str::to_owned).collect();
    (path, lines)
}

async fn verify(path: &PathBuf, lines: &[String]) -> Verification {
    fs::write(path, lines.join("\n") + "\n").unwrap();
    audit::verify_file(path, None).await.unwrap()
}

#[tokio::test]
async fn the_file_alone_is_enough() {
    let record = Record::full().await;
    let (path, lines) = exported(&record).await;
    assert_eq!(lines.len(), 1 + 3 + 12 + 1);
    let found = audit::verify_file(&path, None).await.unwrap();
    assert!(found.ok, "{found:?}");
    assert_eq!((found.entries, found.heads, found.signed_up_to), (12, 3, 12));
    let key = record.home.vault(None).await.unwrap().audit_key().public();
    assert_eq!(found.public_key, hex::encode(key));
    assert!(audit::verify_file(&path, Some(key)).await.unwrap().ok);
    let stranger = audit::verify_file(&path, Some([7; 32])).await.unwrap();
    assert_eq!((stranger.ok, stranger.faults_in_all), (false, 12 + 3));
    // It is not written over.
    audit::export(&record.home, &path).await.unwrap_err();
}

#[tokio::test]
async fn a_file_that_was_tampered_with_is_found() {
    let record = Record::full().await;
    let (path, lines) = exported(&record).await;
    let entry = |number: usize| 3 + number;
    let kinds = |found: &Verification| (found.first_fault, found.faults[0].kind);

    let mut changed = lines.clone();
    changed[entry(5)] = changed[entry(5)].replace("Ann", "Bob");
    assert_eq!(kinds(&verify(&path, &changed).await), (Some(5), FaultKind::Changed));
    let mut removed = lines.clone();
    removed.remove(entry(5));
    assert_eq!(kinds(&verify(&path, &removed).await), (Some(5), FaultKind::Missing));
    let mut swapped = lines.clone();
    swapped.swap(entry(5), entry(6));
    assert_eq!(kinds(&verify(&path, &swapped).await), (Some(5), FaultKind::Missing));
    let mut twice = lines.clone();
    twice.insert(entry(5), lines[entry(5)].clone());
    assert_eq!(kinds(&verify(&path, &twice).await), (Some(5), FaultKind::Reordered));
    let mut nonsense = lines.clone();
    nonsense[entry(5)] = "{\"type\":\"entry\"}".to_owned();
    assert_eq!(kinds(&verify(&path, &nonsense).await), (Some(5), FaultKind::Changed));
    // Numbers of any size are read, and counted on from.
    let mut huge = lines.clone();
    huge[entry(5)] = huge[entry(5)].replace("\"number\":5", "\"number\":18446744073709551615");
    assert_eq!(kinds(&verify(&path, &huge).await), (Some(5), FaultKind::Missing));
    let mut endless = lines.clone();
    endless[entry(12) + 1] =
        endless[entry(12) + 1].replace("\"number\":12", "\"number\":18446744073709551615");
    assert_eq!(kinds(&verify(&path, &endless).await), (Some(13), FaultKind::Missing));
    let cut = &lines[..entry(9)];
    assert_eq!(kinds(&verify(&path, cut).await), (Some(9), FaultKind::Missing));
    let mut headless = lines.clone();
    headless[2] = headless[2].replace("\"since\":4", "\"since\":5");
    assert_eq!(kinds(&verify(&path, &headless).await), (Some(8), FaultKind::ForgedHead));
    assert!(verify(&path, &lines).await.ok);
}

#[tokio::test]
async fn what_is_no_record_is_refused() {
    let record = Record::new().await;
    let path = record.dir.path().join("record.ndjson");
    for text in [
        "",
        "{}",
        "hello\n",
        "{\"type\":\"record\",\"form\":\"x\",\"vault\":\"\",\"public_key\":\"zz\"}",
    ] {
        fs::write(&path, text).unwrap();
        let error = audit::verify_file(&path, None).await.unwrap_err();
        assert!(error.to_string().contains("is no audit record"), "{text}: {error}");
    }
}
