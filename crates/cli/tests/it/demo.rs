//! The demo proves itself, and leaves nothing behind.

use std::fs;

use serde_json::{Value, json};

use crate::site::{Answer, command};

fn demo(arguments: &[&str]) -> (Answer, usize) {
    let dir = tempfile::tempdir().unwrap();
    let answer = command()
        .args(["demo", "--once", "--users", "3"])
        .args(arguments)
        .env("TMPDIR", dir.path())
        .output()
        .unwrap();
    (answer.into(), fs::read_dir(dir.path()).unwrap().count())
}

#[test]
fn the_demo_ends_with_its_proof() {
    let (answer, left) = demo(&["--json"]);
    assert_eq!((answer.code, left), (0, 0), "{answer:?}");
    let report = answer.json();
    assert_eq!((&report["ok"], &report["messages"]), (&json!(true), &json!(630)));
    let resources = report["first_backup"]["resources"].as_array().unwrap();
    let new = |workload: &str| {
        let own = resources.iter().filter(|one| one["id"].as_str().unwrap().starts_with(workload));
        own.map(|one| one["items_new"].as_u64().unwrap()).sum::<u64>()
    };
    assert_eq!(new("exchange/"), 630);
    assert!(new("onedrive/") > 30 && new("sharepoint/") > 10, "{resources:#?}");
    let files = &report["files"];
    assert!(files["struck"].as_u64().unwrap() > 5, "{files}");
    assert_eq!(files["back"], files["files"]);
    let comparison = &report["comparison"];
    let lost = comparison["lost"].as_u64().unwrap();
    assert!(lost >= 5, "{lost}");
    assert_eq!((&comparison["found"], &comparison["surplus"]), (&json!(lost), &json!(0)));
    assert_eq!(report["restore"]["items_restored"], lost);
    assert_eq!(report["equal_in_vault"], lost);
    for field in comparison["fields"].as_array().unwrap() {
        let (equal, announced) = (&field["equal"], &field["announced"]);
        assert_eq!(equal.as_u64().unwrap() + announced.as_u64().unwrap(), lost, "{field}");
    }
    // What happened to the colleague is what the incremental backup found.
    let (changes, incremental) = (&report["changes"], &report["incremental"]);
    let number = |name: &str| changes[name].as_u64().unwrap();
    assert_eq!(incremental["items_new"], number("arrived"));
    let changed = number("marked") + number("categorised") + number("moved") + number("discarded");
    assert_eq!(incremental["items_changed"], changed);
    assert_eq!(incremental["items_deleted"], number("deleted") + lost);
    let cost = |report: &Value| report["requests"].as_u64().unwrap();
    assert!(cost(incremental) * 5 < cost(&report["first_backup"]));
}

#[test]
fn the_demo_tells_each_step() {
    let (answer, _) = demo(&["--seed", "11"]);
    assert_eq!(answer.code, 0, "{answer:?}");
    let text = answer.text();
    for words in [
        "1. A company with mail",
        "3 mailboxes, 630 messages",
        "11. The files come back",
        "at their paths, byte for byte",
        "deleted for good",
        "Dry run, nothing was written",
        "read back and found equal",
        "attachments, byte by byte",
        "no unexpected difference",
    ] {
        assert!(text.contains(words), "{words} is missing in:\n{text}");
    }
    assert!(!text.contains("DIFFERENT") && !text.contains('\u{1b}'));
}
