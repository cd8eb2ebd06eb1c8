//! Exports and the maintenance of vaults through a server: what comes is what comes in a home.

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::remote::Served;
use crate::site::Site;

/// What maintenance needs of a token.
const RIGHTS: [&str; 3] = ["run_maintenance", "view_jobs", "view_system"];

/// The data packs of the vault, the largest first.
fn packs(site: &Site) -> Vec<PathBuf> {
    fn files(dir: &std::path::Path) -> Vec<PathBuf> {
        let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
        entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
    }
    let mut packs = files(&site.path("vault"));
    packs.retain(|file| file.to_str().unwrap().contains("/shards/"));
    packs.retain(|file| file.to_str().unwrap().contains("/data/"));
    packs.sort_by_key(|file| std::cmp::Reverse(fs::metadata(file).unwrap().len()));
    packs
}

/// A report without where it was written.
fn without_out(mut report: Value) -> Value {
    report.as_object_mut().unwrap().remove("out").unwrap();
    report
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_through_a_server_is_that_of_a_home_and_has_its_report() {
    let site = Site::ready(2).await;
    let ann = site.user(0);
    site.json(&["backup"]);
    let served = Served::with_token(&site, &["export"]);
    let export = |out: &str| {
        let out = out.to_owned();
        let arguments = ["export", "--resource", &ann, "--format", "zip", "--out", &out, "--json"];
        arguments.map(str::to_owned)
    };
    let with = |out: &str, more: &[&str]| -> Vec<String> {
        export(out).into_iter().chain(more.iter().map(|&text| text.to_owned())).collect()
    };
    let here = |out: &str, more: &[&str]| {
        let arguments = with(out, more);
        site.run(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let there = |out: &str, more: &[&str]| {
        let arguments = with(out, more);
        served.run(&site, &arguments.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let (own, remote) = (site.arg("own.zip"), site.arg("remote.zip"));
    let (a, b) = (here(&own, &[]), there(&remote, &[]));
    assert_eq!((a.code, b.code), (0, 0), "{b:?}");
    assert_eq!(b.json()["items_exported"], 30);
    assert_eq!(b.json()["out"], json!(remote));
    assert_eq!(without_out(b.json()), without_out(a.json()));
    // The same files; then the report, where the other has its directory.
    let (own, remote) = (fs::read(&own).unwrap(), fs::read(&remote).unwrap());
    let same = own.iter().zip(&remote).take_while(|(a, b)| a == b).count();
    assert_eq!(
        (&own[same - 2..same + 2], &remote[same..same + 2]),
        (&b"PK\x01\x02"[..], &b"\x03\x04"[..])
    );
    let names = String::from_utf8_lossy(&remote[same..]).matches("holdfast-export.json").count();
    assert_eq!(names, 2, "once before the report, once in the directory");

    let piped = there("-", &["--path", "Inbox"]);
    assert_eq!(piped.code, 0, "{}", piped.err);
    assert!(piped.out.starts_with(b"PK\x03\x04"));
    let beside: Value = serde_json::from_str(&piped.err).unwrap();
    assert_eq!((&beside["out"], &beside["outcome"]), (&json!("-"), &json!("complete")));

    // What is there is not overwritten, a folder tree is none of a server's, nobody is nobody.
    assert_eq!(there(&site.arg("own.zip"), &[]).code, 2);
    let tree = served.run(&site, &["export", "--resource", &ann, "--out", "x", "--json"]);
    assert!(tree.code == 2 && tree.err.contains("--format zip"), "{tree:?}");
    assert_eq!(there(&site.arg("none.zip"), &["--path", "No such"]).code, 4);
    assert!(!site.path("none.zip").exists());

    // What is damaged is not in it, and it says so.
    let lost = packs(&site).remove(0);
    fs::rename(&lost, site.path("away")).unwrap();
    let (a, b) = (here(&site.arg("own2.zip"), &[]), there(&site.arg("remote2.zip"), &[]));
    fs::rename(site.path("away"), &lost).unwrap();
    assert_eq!((a.code, b.code), (a.code.max(1), a.code), "{b:?}");
    assert_eq!(without_out(b.json()), without_out(a.json()));
    assert!(b.json()["items_failed"].as_u64() > Some(0), "{b:?}");
    served.running.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn vaults_are_checked_pruned_repaired_and_copied_through_a_server() {
    let site = Site::ready(2).await;
    site.json(&["backup"]);
    site.tenant()
        .message_delete(
            &site.user(0),
            site.messages(&site.user(0), &[])[0]["id"].as_str().unwrap(),
            true,
        )
        .unwrap();
    site.json(&["backup"]);
    let passphrase = site.write("offsite.pass", "correct horse battery staple\n");
    let offsite = site.arg("offsite");
    site.json(&["vault", "add", "offsite", &offsite, "--passphrase-file", &passphrase]);
    let served = Served::with_token(&site, &RIGHTS);
    let copied = served.json(&site, &["vault", "copy", "--to", "offsite"]);
    assert_eq!(copied["shards"][0]["snapshots_copied"], 2, "{copied}");
    for arguments in [
        &["vault", "check"][..],
        &["vault", "check", "--read-data"],
        &["vault", "check", "--read-share", "3", "--vault", "offsite"],
        &["vault", "prune", "--dry-run", "--keep-last", "1"],
        &["vault", "repair"],
        &["vault", "repair", "--from", "offsite"],
        &["vault", "copy", "--to", "offsite"],
    ] {
        let text = served.ok(&site, arguments).text();
        assert_eq!(text, site.ok(arguments).text(), "{arguments:?}");
        let (there, here) = (served.json(&site, arguments), site.json(arguments));
        match arguments.contains(&"prune") {
            // The plan names the time at which it was made.
            true => assert_eq!(there["shards"][0]["snapshots"], here["shards"][0]["snapshots"]),
            false => assert_eq!(there, here, "{arguments:?}"),
        }
    }
    let dry = served.ok(&site, &["vault", "prune", "--dry-run", "--keep-last", "1"]).text();
    assert!(dry.contains("1 snapshot would be forgotten"), "{dry}");
    // To forget is for a person with a fresh proof; without rules nothing that is kept goes.
    let forget = served.run(&site, &["vault", "prune", "--keep-last", "1", "--yes", "--json"]);
    assert_eq!(forget.code, 5, "{forget:?}");
    let pruned = served.json(&site, &["vault", "prune"]);
    assert_eq!((&pruned["dry_run"], &pruned["shards"][0]["rules"]), (&json!(false), &json!([])));
    assert_eq!(site.json(&["snapshots"]).as_array().unwrap().len(), 2);

    damage_is_found_there_as_it_is_here(&site, &served);
    assert_eq!(served.run(&site, &["vault", "check", "--vault", "none"]).code, 4);
    assert_eq!(served.run(&site, &["vault", "copy", "--to", "default"]).code, 2);
    let kinds = ["check", "prune", "repair", "copy"];
    for kind in kinds {
        let jobs = site.json(&["job", "list", "--kind", kind]);
        let jobs = jobs.as_array().unwrap();
        assert!(!jobs.is_empty() && jobs.iter().all(|job| job["class"] == "routine"), "{jobs:?}");
    }
    served.running.stop();
}

fn damage_is_found_there_as_it_is_here(site: &Site, served: &Served) {
    let lost = packs(site).remove(0);
    fs::rename(&lost, site.path("away")).unwrap();
    let (there, here) =
        (served.run(site, &["vault", "check", "--json"]), site.run(&["vault", "check", "--json"]));
    assert_eq!((there.code, here.code), (10, 10));
    let (there, here) = (there.json(), here.json());
    assert_eq!(
        (&there["errors"], &there["control_errors"]),
        (&here["errors"], &here["control_errors"])
    );
    // Who may not see items learns how many, and of whom, and not which.
    let (items, known) = (&there["shards"][0]["damaged"], &here["shards"][0]["damaged"]);
    assert_eq!(items.as_array().unwrap().len(), known.as_array().unwrap().len());
    assert_eq!(items[0]["resource"], known[0]["resource"]);
    assert!(!there.to_string().contains(known[0]["title"].as_str().unwrap()), "{there}");
    served.token(site, "reader", &[&RIGHTS[..], &["read_content"]].concat());
    let seen = served.run_with(site, "reader", &["vault", "check", "--json"]).json();
    assert_eq!(&seen["shards"][0]["damaged"], known);
}
