//! Exit codes and what errors say: scripts decide by them.

use std::fs;

use holdfast_sim::{Fault, FaultKind, RetryAfter};
use serde_json::json;

use crate::site::{Site, holdfast, largest};

fn message(answer: &crate::site::Answer) -> String {
    answer.error()["message"].as_str().unwrap().to_owned()
}

#[test]
fn a_command_line_without_sense_is_2() {
    for arguments in [
        &["nonsense"][..],
        &["ls"],
        &["cat", "--resource", "a", "--at", "yesterday", "x"],
        &["tenant", "add", "x", "--tenant-id", "t", "--client-id", "c"],
        &["restore", "--resource", "a", "--on-conflict", "perhaps"],
        &["demo", "--users", "1"],
        &["sim", "serve", "--faults", "dreadful"],
    ] {
        let answer = holdfast(arguments);
        assert_eq!(answer.code, 2, "{arguments:?}: {answer:?}");
        assert!(answer.err.starts_with("error: "), "{answer:?}");
        assert!(answer.out.is_empty());
        let answer = holdfast(&[arguments, &["--json"]].concat());
        assert_eq!(answer.code, 2);
        assert!(!message(&answer).is_empty());
    }
    let at = holdfast(&["cat", "--resource", "a", "--at", "yesterday", "x", "--json"]);
    assert!(message(&at).contains("'yesterday' is neither a time"), "{at:?}");
}

#[test]
fn a_folder_that_is_no_home_is_2() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().to_str().unwrap();
    let answer = holdfast(&["--home", home, "snapshots"]);
    assert_eq!(answer.code, 2);
    assert!(answer.err.contains("is not a Holdfast home; run 'holdfast init' first"));
}

#[test]
fn a_vault_is_not_made_where_something_else_lies() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    fs::create_dir(path("photos")).unwrap();
    fs::write(path("photos/cat.jpg"), "miaow").unwrap();
    fs::write(path("pass"), "secret").unwrap();
    fs::write(path("empty"), "\n").unwrap();
    let (home, pass) = (path("home"), path("pass"));
    let init = |vault: &str, pass: &str| {
        let key = path("key");
        let init = ["--home", &home, "init", "--instance-key", &key, "--json"];
        holdfast(&[&init[..], &["--vault", vault, "--passphrase-file", pass]].concat())
    };
    let not_a_vault = init(&path("photos"), &pass);
    assert_eq!(not_a_vault.code, 4);
    assert!(message(&not_a_vault).contains("is not a vault"));
    assert_eq!(fs::read_dir(path("photos")).unwrap().count(), 1);
    let no_file = init(&path("vault"), &path("missing"));
    assert_eq!(no_file.code, 4);
    assert_eq!(no_file.error()["causes"].as_array().unwrap().len(), 1);
    assert_eq!(init(&path("vault"), &path("empty")).code, 2);
    assert_eq!(init("gs://bucket", &pass).code, 2);
    assert!(!dir.path().join("home").exists());
    // Without a passphrase file nobody is asked where there is no terminal.
    let unasked = holdfast(&["--home", &home, "init", "--vault", &path("vault"), "--json"]);
    assert_eq!(unasked.code, 2);
    assert!(message(&unasked).contains("--passphrase-file"));
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_and_passphrases_that_do_not_fit_are_5() {
    let site = Site::ready(2).await;
    assert_eq!(site.run(&["init", "--passphrase-file", &site.arg("passphrase")]).code, 2);

    let (home, vault) = (site.arg("home2"), site.arg("vault"));
    let wrong = site.write("wrong", "incorrect horse\n");
    let key = site.arg("second.key");
    let init = ["--home", &home, "init", "--vault", &vault, "--instance-key", &key, "--json"];
    let answer = site.run(&[&init[..], &["--passphrase-file", &wrong]].concat());
    assert_eq!(answer.code, 5);
    assert!(message(&answer).contains("the passphrase does not open the vault"));

    let other = site.write("other.key", &"ab".repeat(32));
    let answer = site.run(&["--instance-key", &other, "vault", "check", "--json"]);
    assert_eq!(answer.code, 5, "{answer:?}"); // 0644
    assert!(message(&answer).contains("can be read by others"));
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(&other, fs::Permissions::from_mode(0o600)).unwrap();
    let answer = site.run(&["--instance-key", &other, "vault", "check", "--json"]);
    assert_eq!(answer.code, 5);
    assert!(message(&answer).contains("does not belong to this home"), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_do_not_exist_are_4() {
    let site = Site::ready(2).await;
    site.json(&["backup"]);
    let ann = site.user(0);
    for arguments in [
        &["ls", "--resource", "nobody@contoso.example"][..],
        &["backup", "--resource", "nobody@contoso.example"],
        &["backup", "--tenant", "fabrikam"],
        &["tenant", "test", "fabrikam"],
        &["ls", "--resource", &ann, "Inbox/No such folder"],
        &["ls", "--resource", &ann, "--at", "deadbeef"],
        &["ls", "--resource", &ann, "--at", "2001-01-01T00:00:00Z"],
        &["cat", "--resource", &ann, "Inbox/nothing.eml"],
        &["restore", "--resource", &ann, "--path", "No such folder"],
        &["vault", "password", "--shard", "9"],
        &["vault", "check", "--vault", "attic"],
    ] {
        let answer = site.run(&[arguments, &["--json"]].concat());
        assert_eq!(answer.code, 4, "{arguments:?}: {answer:?}");
        assert!(answer.out.is_empty(), "{arguments:?}");
        assert!(!message(&answer).is_empty());
    }
    let folder = site.run(&["cat", "--resource", &ann, "Inbox"]);
    assert_eq!(folder.code, 2);
    assert!(folder.err.contains("'Inbox' is a folder"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_permission_is_5_and_named() {
    let site = Site::ready(2).await;
    let backup = &site.sim.info.backup.client_id;
    site.tenant().registration_revoke(backup, "Mail.Read").unwrap();
    let answer = site.run(&["tenant", "test", "contoso", "--json"]);
    assert_eq!(answer.code, 5);
    let tested = answer.json();
    assert_eq!(tested[0]["ok"], false);
    let registration = &tested[0]["registrations"][0];
    assert_eq!(registration["missing"][0]["name"], "Mail.Read");
    let url = registration["consent_url"].as_str().unwrap();
    assert!(url.ends_with(&format!("adminconsent?client_id={backup}")), "{url}");
    let people = site.run(&["tenant", "test"]);
    assert_eq!(people.code, 5);
    assert!(people.text().contains("missing   Mail.Read: reads folders"), "{}", people.text());
    let doctor = site.run(&["doctor", "--json"]);
    assert_eq!((doctor.code, &doctor.json()["ok"]), (1, &json!(false)));
    assert!(doctor.text().contains("lacks Mail.Read"));

    site.tenant().registration_grant(backup, "Mail.Read").unwrap();
    site.tenant().registration_grant(backup, "Mail.ReadWrite").unwrap();
    let tested = site.json(&["tenant", "test"]);
    let excess = tested[0]["registrations"][0]["excess"].as_array().unwrap();
    assert!(excess.contains(&json!("Mail.ReadWrite")), "{excess:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_or_expired_secret_is_5() {
    let site = Site::ready(2).await;
    let backup = site.sim.info.backup.client_id.clone();
    let before = "2020-01-01T00:00:00Z".parse().unwrap();
    site.tenant().secret_expires(&backup, before).unwrap();
    let answer = site.run(&["backup", "--json"]);
    assert_eq!(answer.code, 5);
    assert!(answer.err.contains("7000222"), "{}", answer.err);
    assert!(!answer.err.contains(&site.sim.info.backup.client_secret));
}

#[tokio::test(flavor = "multi_thread")]
async fn throttled_for_long_is_6() {
    let site = Site::ready(2).await;
    let pause = FaultKind::Throttle(RetryAfter::Seconds(86_400));
    site.tenant().faults().inject(Fault::always(pause, "/users"));
    let answer = site.run(&["resources", "--json"]);
    assert_eq!(answer.code, 6, "{answer:?}");
    assert!(message(&answer).contains("429"), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mailbox_that_fails_makes_the_backup_partial() {
    let site = Site::ready(3).await;
    let ann = site.user(0);
    let fault = Fault::always(FaultKind::ServerError(400), "/delta").user(&ann);
    site.tenant().faults().inject(fault);
    let answer = site.run(&["backup", "--json"]);
    assert_eq!(answer.code, 3, "{answer:?}");
    let report = answer.json();
    assert_eq!((&report["outcome"], &report["items_new"]), (&json!("partial"), &json!(60)));
    let failed = report["resources"].as_array().unwrap();
    let failed: Vec<_> = failed.iter().filter(|r| r["outcome"] != "complete").collect();
    assert_eq!((failed.len(), &failed[0]["name"]), (1, &json!(ann)));

    // Once the trouble is over everything is there.
    site.tenant().faults().clear();
    assert_eq!(site.json(&["backup"])["items_new"], 30);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mailbox_without_licence_is_skipped_with_its_reason() {
    let site = Site::ready(3).await;
    let ann = site.user(0);
    site.tenant().mailbox_disable(&ann, true).unwrap();
    let report = site.json(&["backup"]);
    assert_eq!((&report["outcome"], &report["items_new"]), (&json!("complete"), &json!(60)));
    let resources = site.json(&["resources"]);
    let skipped = resources.as_array().unwrap().iter().find(|r| r["name"] == *ann).unwrap();
    assert_eq!(skipped["status"], "unavailable");
    assert_eq!(skipped["skip_cause"], "no_mailbox");
    assert!(site.ok(&["backup"]).text().contains("no mailbox in Exchange Online"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_pack_is_10() {
    let site = Site::ready(2).await;
    site.json(&["backup"]);
    let sound = site.json(&["vault", "check", "--read-data"]);
    assert_eq!((&sound["errors"], &sound["read_data"]), (&json!(0), &json!(true)));
    assert_eq!(sound["shards"][0]["snapshots"], 1);

    let pack = largest(&site.path("vault/shards/1/data"));
    let mut bytes = fs::read(&pack).unwrap();
    bytes[1000] ^= 0x10;
    fs::remove_file(&pack).unwrap();
    fs::write(&pack, bytes).unwrap();
    let answer = site.run(&["vault", "check", "--read-data", "--json"]);
    assert_eq!(answer.code, 10);
    let report = answer.json();
    let error = report["shards"][0]["errors"][0].as_str().unwrap();
    assert!(error.contains(pack.file_name().unwrap().to_str().unwrap()), "{error}");
    // Some message cannot be read: told as damage, with nothing wrong given out.
    let ann = site.user(0);
    let mut damaged = 0;
    for user in [&ann, &site.user(1)] {
        for message in site.messages(user, &[]) {
            let path = message["path"].as_str().unwrap();
            let answer = site.run(&["cat", "--resource", user, path]);
            damaged += usize::from(answer.code == 10);
            assert!(answer.code == 0 || answer.code == 10, "{answer:?}");
        }
    }
    assert!(damaged > 0);
}
