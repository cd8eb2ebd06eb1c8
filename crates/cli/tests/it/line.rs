//! The main line: from nothing to restored mail and back from the vault alone.

use serde_json::json;

use crate::site::Site;

#[tokio::test(flavor = "multi_thread")]
async fn from_nothing_to_a_readable_vault() {
    let site = Site::bare(2).await;
    let ann = site.user(0);

    let made = site.init();
    assert_eq!(made["vault_created"], true);
    assert_eq!(made["vault"], site.arg("vault"));
    assert_eq!(made["home"], site.arg("home"));
    let added = site.add_tenant();
    assert_eq!(added["name"], "contoso");
    assert_eq!(added["has_credentials"], true);
    let tested = site.json(&["tenant", "test"]);
    assert_eq!(tested[0]["ok"], true);
    assert_eq!(tested[0]["registrations"][0]["features"], json!(["backup"]));
    assert_eq!(tested[0]["registrations"][1]["features"], json!(["restore"]));
    assert_eq!(site.json(&["resources", "--offline"]), json!([]));
    let resources = site.json(&["resources"]);
    assert_eq!(resources.as_array().unwrap().len(), 2);
    assert!(resources.as_array().unwrap().iter().any(|r| r["name"] == *ann));
    assert_eq!(resources[0]["restore_point"], json!(null));

    site.tenant().stats_reset();
    let first = site.json(&["backup"]);
    assert_eq!(first["outcome"], "complete");
    assert_eq!(first["items_new"], 60);
    assert_eq!(first["items_failed"], 0);
    assert_eq!(first["resources"].as_array().unwrap().len(), 2);
    assert_eq!(first["requests"], site.tenant().stats().total());
    let snapshots = site.json(&["snapshots"]);
    assert_eq!(snapshots.as_array().unwrap().len(), 1);
    assert_eq!(snapshots[0]["id"], first["snapshots"][0]);
    assert_eq!(snapshots[0]["kind"], "final");
    assert_eq!(snapshots[0]["resources"].as_array().unwrap().len(), 2);

    // Every message is in the listing, and comes out byte for byte.
    let messages = site.messages(&ann, &[]);
    assert_eq!(messages.len(), 30);
    for message in &messages {
        let path = message["path"].as_str().unwrap();
        let bytes = site.ok(&["cat", "--resource", &ann, path]).out;
        let id = message["id"].as_str().unwrap();
        assert_eq!(bytes, *site.tenant().mime(&ann, id).unwrap(), "{path}");
    }

    // Nothing changed: no item, no snapshot.
    let idle = site.json(&["backup"]);
    assert_eq!((&idle["items_new"], &idle["items_changed"]), (&json!(0), &json!(0)));
    assert_eq!(idle["snapshots"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_message_comes_back_under_each_rule() {
    let site = Site::ready(2).await;
    let (ann, bob) = (site.user(0), site.user(1));
    site.json(&["backup"]);
    let snapshots = site.json(&["snapshots"]);
    let messages = site.messages(&ann, &[]);
    let lost = &messages[0];
    let (path, id) = (lost["path"].as_str().unwrap(), lost["id"].as_str().unwrap());
    let subject = site.tenant().message(&ann, id).unwrap().view.subject;
    site.tenant().message_delete(&ann, id, true).unwrap();
    let after = site.json(&["backup", "--resource", &ann]);
    assert_eq!(after["items_deleted"], 1);
    assert_eq!(site.messages(&ann, &[]).len(), 29);
    let at = snapshots[0]["id"].as_str().unwrap();
    assert_eq!(site.messages(&ann, &["--at", &at[..8]]).len(), 30);
    let time = snapshots[0]["time"].as_str().unwrap();
    assert_eq!(site.messages(&ann, &["--at", time]).len(), 30);

    let source = ["restore", "--resource", &ann, "--at", at, "--path", path];
    let dry = site.json(&[&source[..], &["--dry-run"]].concat());
    assert_eq!((&dry["items_restored"], &dry["dry_run"]), (&json!(1), &json!(true)));
    let count = |user: &str| -> usize {
        site.tenant().folders(user).unwrap().iter().map(|folder| folder.messages).sum()
    };
    assert_eq!(count(&ann), 29);
    let done = site.json(&source);
    assert_eq!((&done["items_restored"], &done["outcome"]), (&json!(1), &json!("complete")));
    assert_eq!(count(&ann), 30);
    let folders = site.tenant().folders(&ann).unwrap();
    let all = folders.iter().flat_map(|f| site.tenant().messages(&ann, &f.id).unwrap());
    assert!(all.into_iter().any(|message| message.subject == subject && message.id != id));
    // Once more: it is there already, whatever its new id.
    let again = site.json(&source);
    assert_eq!((&again["items_restored"], &again["items_skipped"]), (&json!(0), &json!(1)));
    let copy = site.json(&[&source[..], &["--on-conflict", "copy"]].concat());
    assert_eq!(copy["items_restored"], 1);
    // What is replaced goes to Deleted Items, as with every deletion through Graph.
    let discarded = || site.tenant().messages(&ann, "deleteditems").unwrap().len();
    let before = discarded();
    let replace = site.json(&[&source[..], &["--on-conflict", "replace", "--yes"]].concat());
    assert_eq!(replace["items_restored"], 1);
    assert_eq!((count(&ann), discarded()), (32, before + 1));

    // A whole mailbox into another one.
    let moved = site.json(&["restore", "--resource", &ann, "--at", at, "--to", &bob]);
    assert_eq!((&moved["items_failed"], &moved["target"]), (&json!(0), &json!(bob)));
    let restored = moved["items_restored"].as_u64().unwrap();
    assert_eq!(restored + moved["items_skipped"].as_u64().unwrap(), 30);
    assert_eq!(count(&bob), 30 + restored as usize);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_catalog_comes_back_from_the_vault() {
    let site = Site::ready(2).await;
    let ann = site.user(0);
    site.json(&["backup"]);
    let before = (site.messages(&ann, &[]), site.json(&["snapshots"]));

    // A new home on another machine has the vault and the passphrase, and nothing else.
    let (home, vault) = (site.arg("home2"), site.arg("vault"));
    let (passphrase, key) = (site.arg("passphrase"), site.arg("second.key"));
    let init = ["--home", &home, "init", "--vault", &vault, "--passphrase-file", &passphrase];
    let made = site.json(&[&init[..], &["--instance-key", &key]].concat());
    assert_eq!(made["vault_created"], false);
    let rebuilt = site.json(&["--home", &home, "catalog", "rebuild"]);
    assert_eq!((&rebuilt["tenants"], &rebuilt["resources"]), (&json!(1), &json!(2)));
    assert_eq!((&rebuilt["snapshots"], &rebuilt["items"]), (&json!(1), &json!(60)));
    let second = |more: &[&str]| site.messages(&ann, &[&["--home", &home], more].concat());
    assert_eq!(second(&[]), before.0);
    let snapshots = site.json(&["--home", &home, "snapshots"]);
    assert_eq!(snapshots[0]["id"], before.1[0]["id"]);

    // Credentials were never in the vault.
    let tenants = site.json(&["--home", &home, "tenant", "list"]);
    assert_eq!(tenants[0]["has_credentials"], false);
    let refused = site.run(&["--home", &home, "backup", "--json"]);
    assert_eq!(refused.code, 5);
    assert!(refused.error()["message"].as_str().unwrap().contains("holdfast tenant add contoso"));

    // In the first home nothing is lost by a rebuild, credentials included.
    site.json(&["catalog", "rebuild"]);
    assert_eq!(site.messages(&ann, &[]), before.0);
    assert_eq!(site.json(&["backup"])["items_new"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn people_get_tables_and_sentences() {
    let site = Site::ready(2).await;
    let ann = site.user(0);
    let backup = site.ok(&["backup"]).text();
    assert!(backup.contains("Backup complete: 60 new, 0 changed, 0 deleted, 0 failed"), "{backup}");
    assert!(site.ok(&["backup"]).text().contains("2 resources without change"));
    let resources = site.ok(&["resources"]).text();
    assert!(resources.ends_with("2 resources\n"), "{resources}");
    let listed = site.ok(&["ls", "--resource", &ann, "Inbox"]).text();
    assert!(listed.starts_with("received "), "{listed}");
    assert!(listed.trim_end().ends_with("messages"), "{listed}");
    let doctor = site.ok(&["doctor"]).text();
    assert_eq!(doctor.lines().filter(|line| line.starts_with("ok ")).count(), 4, "{doctor}");
    let dry = site.ok(&["restore", "--resource", &ann, "--dry-run"]).text();
    assert!(
        dry.contains(
            "Dry run, nothing was written: 0 messages would be restored, 30 there already"
        )
    );
    // Nothing is drawn where nobody looks.
    let quiet = site.ok(&["backup"]);
    assert_eq!(quiet.err, "");
    assert!(!backup.contains('\u{1b}'));
}
