//! What commands put on record, and that they do nothing where that cannot be done.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use holdfast_catalog::AuditChain;
use holdfast_engine::Home;
use holdfast_engine::hold;
use holdfast_model::Clock;
use holdfast_policy::{Hold, HoldScope};
use serde_json::{Value, json};

use crate::site::{Site, command, has};

/// The record, oldest first.
fn entries(site: &Site, more: &[&str]) -> Vec<Value> {
    let listed = site.json(&[&["audit", "list", "--limit", "10000"], more].concat());
    let mut entries = listed.as_array().unwrap().clone();
    entries.reverse();
    entries
}

fn verify(site: &Site) -> Value {
    site.json(&["audit", "verify"])
}

async fn home(site: &Site) -> Home {
    Home::open(&site.path("home"), None, Clock::system()).await.unwrap()
}

/// One of each kind of command, two that find nothing among them, about one message of Ann.
fn a_day(site: &Site, ann: &str, bob: &str) -> Value {
    site.json(&["backup"]);
    let message = site.messages(ann, &[])[0].clone();
    let path = message["path"].as_str().unwrap();
    site.ok(&["cat", "--resource", ann, path]);
    site.json(&["find", "budget", "--resource", ann]);
    site.json(&["restore", "--resource", ann, "--path", path, "--to", bob]);
    site.json(&["export", "--resource", ann, "--path", path, "--out", &site.arg("export")]);
    site.run(&["cat", "--resource", ann, "Inbox/nothing.eml"]);
    site.run(&["ls", "--resource", "nobody@contoso.example"]);
    site.json(&["erase", "--resource", ann, path, "--reason", "order 7", "--yes"]);
    site.json(&["vault", "password", "--shard", "1"]);
    site.json(&["catalog", "rebuild"]);
    site.json(&["tenant", "certificate", "--out", &site.arg("certificate")]);
    // This shows nothing of anybody.
    site.json(&["tenant", "permissions"]);
    message
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_is_on_record() {
    let site = Site::ready(2).await;
    let message = a_day(&site, &site.user(0), &site.user(1));
    let list = site.ok(&["audit", "list", "--before", "28"]).text();
    let filters = [
        (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ", "[time]"),
        (r"time +who +from", "time    who     from"),
        (r"\[time\]  .*  local ", "[time]  [user]  local "),
        (r" +\n", "\n"),
    ];
    insta::with_settings!({filters => filters}, { insta::assert_snapshot!("audit_list", list) });
    let subject = message["title"].as_str().unwrap();
    let whole = site.ok(&["audit", "list", "--json"]).text();
    assert!(!subject.is_empty() && !whole.contains(subject), "{subject}: {whole}");
    let found = verify(&site);
    assert_eq!((&found["ok"], &found["open_in_all"]), (&json!(true), &json!(0)), "{found}");
    // All but the beginning of the verification itself.
    let behind = found["last"].as_u64().unwrap() - found["signed_up_to"].as_u64().unwrap();
    assert_eq!(behind, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_says_what_its_command_was_about() {
    let site = Site::ready(2).await;
    let (ann, bob) = (site.user(0), site.user(1));
    a_day(&site, &ann, &bob);
    let all = entries(&site, &[]);
    for (at, entry) in all.iter().enumerate() {
        assert_eq!(entry["number"], at as u64 + 1);
        assert_eq!([&entry["actor_kind"], &entry["from"]], ["command_line", "local"]);
    }
    let of = |action: &str| -> Vec<&Value> {
        all.iter().filter(|entry| entry["action"] == action).collect()
    };
    let restore = of("item.restore");
    assert_eq!(restore.len(), 2);
    assert_eq!(restore[0]["resources"], json!([ann, bob]));
    assert_eq!(restore[0]["tenant"], "contoso");
    assert_eq!(restore[0]["details"]["other_target"], "yes");
    assert_eq!(restore[1]["ends"], restore[0]["number"]);
    assert_eq!(restore[1]["details"]["items_restored"], "1");
    let erase = of("item.erase");
    assert_eq!(
        (&erase[1]["outcome"], &erase[0]["details"]["reason"]),
        (&json!("done"), &json!("order 7"))
    );
    assert_eq!(erase[1]["details"]["items_erased"], "1");
    assert!(erase[0]["items"][0].as_str().unwrap().contains(" … ~"), "{erase:?}");
    let missing = of("item.read")[3];
    assert_eq!([&missing["outcome"], &missing["cause"]], ["failed", "notfound"]);
    assert_eq!(of("item.search")[0]["details"]["query"], "budget");
    let exports = entries(&site, &["--resource", &ann, "--action", "item.export"]);
    assert_eq!(exports.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_are_on_record() {
    let site = Site::ready(2).await;
    site.json(&["backup"]);
    let ann = site.user(0);
    let messages = site.messages(&ann, &[]);
    let path = messages[0]["path"].as_str().unwrap();
    let all = Hold { case: "case 7".to_owned(), resources: HoldScope::All };
    hold::place(&home(&site).await, None, &all).await.unwrap();
    let answer = site.run(&["erase", "--resource", &ann, path, "--reason", "r", "--yes"]);
    assert_eq!(answer.code, 5, "{answer:?}");
    let erase = entries(&site, &["--action", "item.erase", "--outcome", "refused"]);
    assert_eq!((erase.len(), &erase[0]["cause"]), (1, &json!("denied")));
    let backup = site.sim.info.backup.client_id.clone();
    site.tenant().secret_expires(&backup, "2020-01-01T00:00:00Z".parse().unwrap()).unwrap();
    assert_eq!(site.run(&["backup"]).code, 5);
    assert_eq!(entries(&site, &["--action", "backup.run", "--outcome", "refused"]).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_that_record_at_once_leave_no_gap() {
    let site = Site::ready(2).await;
    let before = entries(&site, &[]).len() as u64;
    let start = || {
        let mut command = command();
        command.env("HOLDFAST_HOME", site.path("home")).args(["tenant", "list"]);
        command.stdout(Stdio::null()).spawn().unwrap()
    };
    let running: Vec<_> = (0..8).map(|_| start()).collect();
    for mut process in running {
        assert!(process.wait().unwrap().success());
    }
    let found = verify(&site);
    assert_eq!((&found["ok"], &found["open_in_all"]), (&json!(true), &json!(0)), "{found}");
    // The end of the list before, the eight, the beginning of the verification.
    assert_eq!(found["entries"], before + 1 + 16 + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_shown_or_done_that_cannot_be_recorded() {
    let site = Site::ready(2).await;
    site.json(&["backup"]);
    let ann = site.user(0);
    let path = site.messages(&ann, &[])[0]["path"].as_str().unwrap().to_owned();
    {
        let home = home(&site).await;
        let all = home.catalog.audit_after(0, 1_000).await.unwrap();
        let chain = home.catalog.audit_chain().await.unwrap();
        // The next number is taken: no append succeeds.
        let end = AuditChain { number: chain.number - 1, ..chain };
        home.catalog.audit_overwrite(&all, &end).await.unwrap();
        home.catalog.close().await;
    }
    let answer = site.run(&["cat", "--resource", &ann, &path]);
    assert_eq!((answer.code, answer.out.len()), (1, 0), "{answer:?}");
    site.tenant().stats_reset();
    let requests = site.tenant().stats().total();
    assert_eq!(site.run(&["backup"]).code, 1);
    assert_eq!(site.tenant().stats().total(), requests, "nothing was asked of Graph");
    let export = site.arg("export");
    assert_eq!(site.run(&["export", "--resource", &ann, "--out", &export]).code, 1);
    assert!(!site.path("export").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_command_has_a_beginning_and_no_end() {
    let site = Site::ready(2).await;
    let mut child = command()
        .env("HOLDFAST_HOME", site.path("home"))
        .env("HOLDFAST_LOG", "holdfast::stage=debug")
        .args(["backup"])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
    let fetched = log.find(|line| line.as_ref().unwrap().contains("fetch"));
    assert!(fetched.is_some());
    child.kill().unwrap();
    child.wait().unwrap();
    let found = verify(&site);
    assert_eq!((&found["ok"], &found["open_in_all"]), (&json!(true), &json!(1)), "{found}");
    let begun = entries(&site, &["--action", "backup.run"]);
    assert_eq!((begun.len(), &begun[0]["number"]), (1, &found["open"][0]));
    assert!(site.ok(&["audit", "verify"]).text().contains("Begun and not ended"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vault_that_is_away_takes_the_head_later() {
    let site = Site::ready(2).await;
    site.json(&["backup"]);
    let (vault, away) = (site.path("vault"), site.path("away"));
    fs::rename(&vault, &away).unwrap();
    let refused = site.run(&["ls", "--resource", &site.user(0), "--json"]);
    // Nothing beside the error document.
    assert_eq!(refused.error()["exit_code"], refused.code);
    let listed = site.ok(&["tenant", "list"]);
    assert!(listed.err.contains("not signed in the vault yet"), "{listed:?}");
    fs::rename(&away, &vault).unwrap();
    assert_eq!(site.ok(&["tenant", "list"]).err, "");
    let found = verify(&site);
    assert_eq!(found["ok"], true);
    assert_eq!(found["last"].as_u64().unwrap() - found["signed_up_to"].as_u64().unwrap(), 1);
}

/// The commands of docs/audit.md, as an outsider runs them.
#[tokio::test(flavor = "multi_thread")]
async fn an_outsider_verifies_an_export_with_standard_tools() {
    let site = Site::ready(2).await;
    site.json(&["backup"]);
    let file = site.arg("record.ndjson");
    let exported = site.json(&["audit", "export", "--out", &file]);
    let key = exported["public_key"].as_str().unwrap();
    // Without any home.
    let alone = |more: &[&str]| {
        crate::site::holdfast(&[&["audit", "verify", "--json", "--file", &file], more].concat())
    };
    let found = alone(&["--public-key", key]);
    assert_eq!(found.code, 0, "{found:?}");
    assert_eq!(found.json()["entries"], exported["entries"]);
    assert_eq!(alone(&["--public-key", &"00".repeat(32)]).code, 10);

    let page =
        fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/audit.md")).unwrap();
    let script = page.split("```sh\n").nth(1).unwrap().split("```").next().unwrap();
    let script = site.write("verify.sh", script);
    if !["jq", "openssl", "xxd"].into_iter().all(has) {
        return;
    }
    let run = || Command::new("sh").args([&script, &file, key]).output().unwrap();
    let sound = run();
    let text = String::from_utf8_lossy(&sound.stdout).into_owned();
    assert!(sound.status.success(), "{text}{}", String::from_utf8_lossy(&sound.stderr));
    assert_eq!(
        text,
        format!("{} entries, {} heads: sound\n", exported["entries"], exported["heads"])
    );
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replacen("tenant.add", "tenant.set", 1)).unwrap();
    assert!(!run().status.success());
    assert_eq!(alone(&[]).code, 10);
}
