//! Stock restic opens a shard, with the password that we print and with the recovery kit.

use std::process::Command;

use serde_json::Value;

use crate::site::{BINARY, Site, has};

fn restic(repository: &str, password_command: &str, arguments: &[&str]) -> String {
    let mut command = Command::new("restic");
    command.args(["-r", repository, "--no-cache", "--password-command", password_command]);
    for name in ["RESTIC_PASSWORD", "RESTIC_PASSWORD_FILE", "RESTIC_PASSWORD_COMMAND"] {
        command.env_remove(name);
    }
    let output = command.args(arguments).output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {text}");
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn restic_opens_a_shard_with_our_password_and_with_the_kit() {
    if !has("restic") || !has("xxd") {
        return;
    }
    let site = Site::ready(2).await;
    let id = site.json(&["backup"])["snapshots"][0].as_str().unwrap().to_owned();
    let access = site.json(&["vault", "password", "--shard", "1"]);
    let repository = access["repository"].as_str().unwrap();
    let password = access["password"].as_str().unwrap();
    assert_eq!(password.len(), 64);
    assert_eq!(site.ok(&["vault", "password", "--shard", "1"]).text(), format!("{password}\n"));

    let own = format!("{BINARY} --home {} vault password --shard 1", site.arg("home"));
    let listed: Value =
        serde_json::from_str(&restic(repository, &own, &["snapshots", "--json"])).unwrap();
    assert_eq!(listed[0]["id"], id);
    let check = restic(repository, &own, &["check", "--no-lock", "--read-data"]);
    assert!(check.contains("no errors were found"), "{check}");

    let kit = site.json(&["vault", "kit", "--out", &site.arg("kit")]);
    assert_eq!(kit["files"].as_array().unwrap().len(), 3);
    let script = format!("{} 1", site.arg("kit/restic-password.sh"));
    let target = site.arg("restored");
    restic(repository, &script, &["restore", "--no-lock", "latest", "--target", &target]);

    // What restic brings back is what the tenant gave.
    let ann = site.user(0);
    let resources = site.json(&["resources", "--offline"]);
    let row = resources.as_array().unwrap().iter().find(|r| r["name"] == *ann).unwrap();
    let mailbox = site.path("restored/exchange").join(row["dir"].as_str().unwrap());
    let mut files = Vec::new();
    collect(&mailbox, &mut files);
    assert_eq!(files.len(), 30);
    for message in site.messages(&ann, &[]) {
        let name = message["path"].as_str().unwrap().rsplit('/').next().unwrap();
        let file = files.iter().find(|file| file.ends_with(name)).unwrap();
        let mime = site.tenant().mime(&ann, message["id"].as_str().unwrap()).unwrap();
        assert_eq!(std::fs::read(file).unwrap(), *mime);
    }

    // A kit is never overwritten.
    let again = site.run(&["vault", "kit", "--out", &site.arg("kit"), "--json"]);
    assert_ne!(again.code, 0);
    assert!(again.error()["message"].as_str().unwrap().contains("is not overwritten"));
}

fn collect(folder: &std::path::Path, files: &mut Vec<std::path::PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|ending| ending == "eml") {
            files.push(path);
        }
    }
}
