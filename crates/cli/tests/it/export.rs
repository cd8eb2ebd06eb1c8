//! `export`, `find` and `restore --deleted-since` from outside.

use std::fs;
use std::process::Command;

use holdfast_model::Timestamp;
use serde_json::{Value, json};

use crate::site::{Answer, BINARY, Site, has, largest};

#[tokio::test(flavor = "multi_thread")]
async fn a_mailbox_is_exported_in_each_form() {
    let site = Site::ready(2).await;
    let ann = site.user(0);
    site.json(&["backup"]);
    let export = |format: &str, out: &str| {
        site.run(&["export", "--resource", &ann, "--format", format, "--out", out, "--json"])
    };
    let out = site.arg("eml");
    let report = export("eml", &out).json();
    assert_eq!((&report["items_exported"], &report["items_failed"]), (&json!(30), &json!(0)));
    assert_eq!((&report["outcome"], &report["files"]), (&json!("complete"), &json!(30)));
    assert_eq!((&report["out"], &report["format"]), (&json!(out), &json!("eml")));
    assert_eq!((&report["resource"], &report["problems"]), (&json!(ann), &json!([])));
    assert!(report["bytes"].as_u64() > Some(10_000), "{report}");
    let again = export("eml", &out);
    assert_eq!(again.code, 2);
    let message = again.error()["message"].as_str().unwrap().to_owned();
    assert!(message.contains("is not empty"), "{message}");
    let boxes = export("mbox", &site.arg("mbox")).json();
    assert_eq!(boxes["items_exported"], 30);
    assert!(boxes["files"].as_u64() < Some(30) && site.path("mbox/Inbox.mbox").exists());

    // A ZIP to standard output: the report goes beside it.
    let piped = export("zip", "-");
    assert_eq!(piped.code, 0, "{}", piped.err);
    assert!(piped.out.starts_with(b"PK\x03\x04"));
    let beside: Value = serde_json::from_str(&piped.err).unwrap();
    assert_eq!((&beside["items_exported"], &beside["out"]), (&json!(30), &json!("-")));
    assert_eq!(export("zip", &site.arg("mail.zip")).json()["items_exported"], 30);
    assert!(fs::read(site.path("mail.zip")).unwrap() == piped.out);
    let refused = export("mbox", "-");
    assert_eq!((refused.code, refused.out.len()), (2, 0));

    let args = ["export", "--resource", &ann, "--path", "Inbox", "--out", &site.arg("inbox")];
    let people = site.ok(&args).text();
    assert!(people.starts_with("Export complete: ") && people.contains(" 0 failed; "), "{people}");
    let nowhere = site.run(&["export", "--resource", &ann, "--path", "No", "--out", "x", "--json"]);
    assert_eq!(nowhere.code, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_deleted_is_found_exported_and_restored() {
    let site = Site::ready(2).await;
    let ann = site.user(0);
    site.json(&["backup"]);
    let since = site.json(&["snapshots"])[0]["time"].as_str().unwrap().to_owned();
    let lost = site.messages(&ann, &[]).remove(3);
    let (id, path) = (lost["id"].as_str().unwrap(), lost["path"].as_str().unwrap());
    let (title, bytes) = (lost["title"].as_str().unwrap(), site.tenant().mime(&ann, id).unwrap());
    let found = site.json(&["find", "--resource", &ann, title]);
    assert!(found.as_array().unwrap().iter().any(|hit| hit["id"] == id), "{found}");
    site.tenant().message_delete(&ann, id, true).unwrap();
    site.json(&["backup"]);

    let found = site.json(&["find", "--deleted", "*"]);
    let [hit] = found.as_array().unwrap().as_slice() else { panic!("{found}") };
    assert_eq!((&hit["path"], &hit["resource"]), (&lost["path"], &json!(ann)));
    assert_eq!((&hit["size"], &hit["received"]), (&lost["size"], &lost["received"]));
    let time = |name: &str| hit[name].as_str().unwrap().parse::<Timestamp>().unwrap();
    assert!(time("deleted") > time("restore_point"));
    let at = hit["restore_point"].as_str().unwrap();
    assert_eq!(site.ok(&["cat", "--resource", &ann, "--at", at, path]).out, *bytes);
    let people = site.ok(&["find", "--deleted", "*"]).text();
    assert!(people.starts_with("last seen ") && people.ends_with("\n1 hit\n"), "{people}");

    let out = site.arg("deleted");
    let args = ["export", "--resource", &ann, "--deleted-since", &since, "--out", &out];
    assert_eq!(site.json(&args)["items_exported"], 1);
    assert_eq!(fs::read(largest(&site.path("deleted"))).unwrap(), *bytes);
    let args = ["restore", "--resource", &ann, "--deleted-since", &since];
    assert_eq!(site.json(&args)["items_restored"], 1);
    let count = site.tenant().folders(&ann).unwrap().iter().map(|f| f.messages).sum::<usize>();
    assert_eq!(count, 30);
    let both = site.run(&[&args[..], &["--at", &since]].concat());
    assert_eq!(both.code, 2);
    let wrong = site.run(&["restore", "--resource", &ann, "--deleted-since", "tuesday", "--json"]);
    assert_eq!(wrong.code, 2);
    assert!(wrong.err.contains("neither a time"), "{}", wrong.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_message_makes_the_export_partial() {
    let site = Site::ready(2).await;
    site.json(&["backup"]);
    let pack = largest(&site.path("vault/shards/1/data"));
    let mut bytes = fs::read(&pack).unwrap();
    bytes[1000] ^= 0x10;
    fs::remove_file(&pack).unwrap();
    fs::write(&pack, bytes).unwrap();
    let mut failed = 0;
    for user in [site.user(0), site.user(1)] {
        let out = site.arg(&user);
        let answer = site.run(&["export", "--resource", &user, "--out", &out, "--json"]);
        let report = answer.json();
        let damaged = report["items_failed"].as_u64().unwrap();
        assert_eq!(report["items_exported"].as_u64().unwrap() + damaged, 30);
        assert_eq!(answer.code, if damaged > 0 { 3 } else { 0 });
        let people = site.run(&["export", "--resource", &user, "--out", &format!("{out}2")]).text();
        assert_eq!(people.contains("failed: "), damaged > 0, "{people}");
        failed += damaged;
    }
    assert!(failed > 0);
}

/// The binary where files can grow to this many KiB: like a disk that is full.
fn within(site: &Site, kib: u32, arguments: &[&str]) -> Answer {
    let script = format!("trap '' XFSZ; ulimit -f {kib}; exec \"$0\" \"$@\"");
    let mut command = Command::new("bash");
    command.env("HOLDFAST_HOME", site.path("home")).args(["-c", &script, BINARY]);
    command.args(arguments).output().unwrap().into()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_fit_leaves_no_half_file() {
    if !has("bash") {
        return;
    }
    let site = Site::ready(2).await;
    let ann = site.user(0);
    // More than the catalog needs, less than the message.
    let large: String = (0..600_000_u64).map(|n| format!("{:x}\r\n", n * n)).collect();
    let large = format!("Subject: large\r\n\r\n{large}");
    site.tenant().deliver(&ann, "inbox", large.as_bytes()).unwrap();
    site.json(&["backup"]);
    for format in ["eml", "mbox", "zip"] {
        let out = site.arg(format);
        let args = ["export", "--resource", &ann, "--format", format, "--out", &out, "--json"];
        let answer = within(&site, 2048, &args);
        assert_eq!(answer.code, 1, "{answer:?}");
        let error = answer.error();
        assert!(error["message"].as_str().unwrap().contains("cannot write"), "{error}");
        assert!(error["causes"][0].as_str().unwrap().contains("too large"), "{error}");
        let mut folders = vec![site.path("")];
        folders.extend(site.path(format).is_dir().then(|| site.path(format)));
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                let name = path.file_name().unwrap().to_str().unwrap().to_owned();
                let half = name.contains(".part") || name.contains("large") || name == "zip";
                assert!(!half && name != "Inbox.mbox", "{path:?}");
                folders.extend((path.starts_with(&out) && path.is_dir()).then_some(path));
            }
        }
    }
}
