//! `recover` through the binary: what it prints can be done as it stands, and killed at any step the
//! same command goes on.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::Stdio;

use holdfast_pgtest::Database;
use serde_json::{Value, json};

use crate::postgres::url_file;
use crate::site::{Answer, BINARY, Site, command};

/// A site with a backup and its kit, whose machine is lost.
async fn lost() -> (Site, Value, Value) {
    let site = Site::ready(2).await;
    site.json(&["backup"]);
    site.json(&["vault", "kit", "--out", &site.arg("kit")]);
    let was = (site.json(&["snapshots"]), json!(site.messages(&site.user(0), &[])));
    fs::remove_dir_all(site.path("home")).unwrap();
    fs::remove_file(site.path("instance.key")).unwrap();
    (site, was.0, was.1)
}

/// The command; the home of the site is recovered.
fn arguments(site: &Site) -> Vec<String> {
    let (vault, kit, key) = (site.arg("vault"), site.arg("kit"), site.arg("instance.key"));
    ["recover", "--vault", &vault, "--kit", &kit, "--instance-key", &key, "--json"]
        .map(str::to_owned)
        .into()
}

fn recover(site: &Site) -> Answer {
    let arguments = arguments(site);
    site.run(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
}

/// Does what a step says, with the files put in.
fn follow(site: &Site, step: &Value) -> Answer {
    let mut text = step["command"].as_str().unwrap().replacen("holdfast", BINARY, 1);
    for (blank, file) in [
        ("--restore-certificate FILE --restore-key FILE", "--restore-client-secret-file restore"),
        ("--certificate FILE --key FILE", "--client-secret-file backup"),
    ] {
        let file = match file.rsplit_once(' ') {
            Some((option, name)) => format!("{option} {}", site.arg(&format!("{name}.secret"))),
            None => String::new(),
        };
        text = text.replace(blank, &file);
    }
    let ca = format!("--ca-file {}", site.sim.info.ca_file.display());
    text = text.replace("--ca-file FILE", &ca);
    let mut shell = std::process::Command::new("sh");
    for name in ["HOLDFAST_HOME", "HOLDFAST_INSTANCE_KEY", "HOLDFAST_LOG"] {
        shell.env_remove(name);
    }
    shell.args(["-c", &format!("{text} --json")]).stdin(Stdio::null()).output().unwrap().into()
}

#[tokio::test(flavor = "multi_thread")]
async fn its_steps_lead_back_to_work() {
    let (site, snapshots, messages) = lost().await;
    let answer = recover(&site);
    assert_eq!(answer.code, 0, "{answer:?}");
    let report = answer.json();
    assert_eq!((&report["tenants"], &report["resources"]), (&json!(1), &json!(2)));
    assert_eq!((&report["items"], &report["snapshots"]), (&json!(60), &json!(1)));
    assert_eq!(report["missing_vaults"], json!([]));
    assert_eq!(report["without_credential"][0]["name"], "contoso");
    assert_eq!(site.json(&["snapshots"])[0]["id"], snapshots[0]["id"]);
    assert_eq!(json!(site.messages(&site.user(0), &[])), messages);
    assert_eq!(site.run(&["backup", "--json"]).code, 5, "no credential yet");
    let answers: Vec<Value> = report["to_do"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| {
            let answer = follow(&site, step);
            assert_eq!(answer.code, 0, "{step}: {answer:?}");
            answer.json()
        })
        .collect();
    let [added, backup, verified] = &answers[..] else { panic!("{report}") };
    assert_eq!((&added["name"], &added["has_credentials"]), (&json!("contoso"), &json!(true)));
    assert_eq!((&backup["outcome"], &backup["items_new"]), (&json!("complete"), &json!(0)));
    assert_eq!(verified["ok"], true, "{verified}");

    let listed = site.json(&["audit", "list", "--limit", "1000"]);
    let mut entries: Vec<&Value> = listed.as_array().unwrap().iter().collect();
    entries.reverse();
    let first: Vec<_> = entries.iter().take(3).map(|e| (&e["action"], &e["outcome"])).collect();
    let recover = json!("installation.recover");
    assert_eq!(
        first,
        [
            (&json!("chain.resume"), &json!("done")),
            (&recover, &json!("begun")),
            (&recover, &json!("done")),
        ]
    );
    assert_eq!(entries[0]["number"], report["audit"]["entry"]);
    assert_eq!(entries[2]["details"]["items"], "60");
    let text = site.ok(&["audit", "verify"]).text();
    assert!(text.contains("Entries that were not signed in the vault yet may be lost"), "{text}");
    assert_eq!(recover_again(&site), 2);
}

fn recover_again(site: &Site) -> i32 {
    let answer = recover(site);
    let error = answer.error();
    assert!(error["message"].as_str().unwrap().contains("is a Holdfast home already"), "{error}");
    answer.code
}

#[tokio::test(flavor = "multi_thread")]
async fn people_read_what_is_left_to_do() {
    let (site, ..) = lost().await;
    let arguments = arguments(&site);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let text = site.ok(&arguments[..arguments.len() - 1]).text();
    for part in [
        "1 tenant, 2 resources, 1 shard, 1 snapshot, 2 restore points, 60 items.",
        "Instance key (keep it secret, keep a copy): ",
        "Audit record: goes on with entry ",
        "Still to do\n  1. Give 'contoso' its credential",
        " tenant add contoso --tenant-id ",
        "  2. Go on from the last restore point\n",
        "  3. Look at the audit record",
    ] {
        assert!(text.contains(part), "{part} is not in: {text}");
    }
}

/// Runs it, killed as soon as it says that it has come to this stage.
fn killed_at(site: &Site, arguments: &[String], stage: &str) {
    let mut child = command()
        .env("HOLDFAST_HOME", site.path("home"))
        .env("HOLDFAST_LOG", "holdfast::stage=debug")
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut came = false;
    for line in BufReader::new(child.stderr.take().unwrap()).lines() {
        if line.unwrap().contains(&format!("stage=\"{stage}\"")) {
            came = true;
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();
    assert!(came, "{stage} was never reached");
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_step_the_same_command_goes_on() {
    let (site, snapshots, messages) = lost().await;
    let stages = ["home", "catalog", "audit", "rebuild", "report", "end"];
    for stage in stages {
        let _ = fs::remove_dir_all(site.path("home"));
        let _ = fs::remove_file(site.path("instance.key"));
        killed_at(&site, &arguments(&site), &format!("recover {stage}"));
        let other = site.run(&["snapshots", "--json"]);
        // It lives on for a moment: then there is no home yet, or a whole one.
        if other.code != 0 {
            let message = other.error()["message"].as_str().unwrap().to_owned();
            let text = if other.code == 2 { "is not a Holdfast home" } else { "has not ended" };
            assert!(message.contains(text), "{stage}: {other:?}");
        }
        let answer = recover(&site);
        match other.code {
            0 => assert_eq!(answer.code, 2, "{stage}: {answer:?}"),
            _ => assert_eq!(answer.json()["items"], 60, "{stage}: {answer:?}"),
        }
        assert_eq!(site.json(&["snapshots"])[0]["id"], snapshots[0]["id"], "{stage}");
        assert_eq!(json!(site.messages(&site.user(0), &[])), messages, "{stage}");
        assert_eq!(site.json(&["audit", "verify"])["ok"], true, "{stage}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vault_that_is_missing_is_3_and_a_wrong_kit_5() {
    let site = Site::ready(2).await;
    let (legal, passphrase) = (site.arg("legal vault"), site.arg("passphrase"));
    site.json(&["vault", "add", "legal", &legal, "--passphrase-file", &passphrase]);
    site.json(&["backup"]);
    site.json(&["vault", "kit", "--vault", "legal", "--out", &site.arg("kit of legal")]);
    site.json(&["vault", "kit", "--out", &site.arg("kit")]);
    fs::remove_dir_all(site.path("home")).unwrap();
    fs::remove_file(site.path("instance.key")).unwrap();

    let wrong = site.arg("kit of legal");
    let mut foreign = arguments(&site);
    foreign[4] = wrong.clone();
    let answer = site.run(&foreign.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(answer.code, 5, "{answer:?}");
    assert!(!site.path("home").exists());

    let answer = recover(&site);
    assert_eq!(answer.code, 3, "{answer:?}");
    let report = answer.json();
    assert_eq!(report["missing_vaults"][0]["name"], "legal");
    let step = report["to_do"][0].clone();
    assert!(step["what"].as_str().unwrap().contains("'legal'"), "{step}");
    let command =
        step["command"].as_str().unwrap().replace("--kit DIR", &format!("--kit '{wrong}'"));
    let attached = follow(&site, &json!({ "command": command }));
    assert_eq!(attached.code, 0, "{attached:?}");
    assert_eq!(attached.json()["created"], false);
    assert_eq!(follow(&site, &report["to_do"][1]).code, 0);
    assert_eq!(site.json(&["vault", "list"]).as_array().unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn its_catalog_may_lie_on_postgresql() {
    let Some(server) = holdfast_pgtest::server() else { return };
    let (site, snapshots, messages) = lost().await;
    let (taken, database) = (Database::new(&server), Database::new(&server));
    let file = url_file(&site, "url of another", taken.url());
    let other = ["--home", &site.arg("other"), "init", "--instance-key", &site.arg("other.key")];
    let passphrase = ["--passphrase-file", &site.arg("passphrase"), "--catalog-url-file", &file];
    site.json(&[&other[..], &passphrase].concat());
    let run =
        |arguments: &[String]| site.run(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    let with = |file: String| {
        let more = ["--catalog-url-file".to_owned(), file];
        [arguments(&site), more.to_vec()].concat()
    };
    let refused = run(&with(file));
    assert_eq!(refused.code, 2, "{refused:?}");
    assert!(refused.err.contains("holds a catalog already"), "{refused:?}");
    assert!(!site.path("home").exists());

    let arguments = with(url_file(&site, "url", database.url()));
    for stage in ["recover home", "recover rebuild"] {
        killed_at(&site, &arguments, stage);
    }
    if site.run(&["snapshots"]).code != 0 {
        assert_eq!(run(&arguments).code, 0);
    }
    assert_eq!(database.psql("SELECT COUNT(*) FROM item"), "60");
    assert!(!site.path("home").join("catalog.db").exists());
    assert_eq!(site.json(&["snapshots"])[0]["id"], snapshots[0]["id"]);
    assert_eq!(json!(site.messages(&site.user(0), &[])), messages);
}
