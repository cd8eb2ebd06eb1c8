//! The main line with the catalog on PostgreSQL.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use holdfast_pgtest::Database;
use serde_json::json;

use crate::site::{Answer, Site};

fn protect(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// Writes the URL of a database into a file as its owner would.
pub fn url_file(site: &Site, name: &str, url: &str) -> String {
    let file = site.write(name, &format!("{url}\n"));
    protect(&site.path(name), 0o600);
    file
}

/// `init` of a home with its catalog at the URL in this file.
fn init(site: &Site, home: &str, url_file: &str) -> Answer {
    let passphrase = site.write("passphrase", "correct horse\n");
    let (home, vault, key) = (site.arg(home), site.arg("vault"), site.arg("instance.key"));
    let options = ["--vault", &vault, "--passphrase-file", &passphrase, "--instance-key", &key];
    let catalog = ["--catalog-url-file", url_file, "--json"];
    site.run(&[&["--home", &home, "init"], &options[..], &catalog].concat())
}

fn message(answer: &Answer) -> String {
    answer.error()["message"].as_str().unwrap().to_owned()
}

/// Nothing that the program has said shows the password.
fn assert_silent(answer: &Answer, url: &str) {
    let password = url.split([':', '@']).nth(2).unwrap();
    assert!(!answer.err.contains(password) && !answer.text().contains(password), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn from_nothing_to_restored_mail_on_postgresql() {
    let Some(server) = holdfast_pgtest::server() else { return };
    let (database, site) = (Database::new(&server), Site::bare(2).await);
    let ann = site.user(0);
    let file = url_file(&site, "url", database.url());
    let made = init(&site, "home", &file);
    assert_eq!(made.code, 0, "{made:?}");
    assert_silent(&made, database.url());
    assert!(!site.path("home").join("catalog.db").exists());
    let kept = fs::metadata(site.path("home").join("catalog.url")).unwrap();
    assert_eq!(kept.permissions().mode() & 0o777, 0o600);
    let note = fs::read_to_string(site.path("home").join("home.json")).unwrap();
    assert!(!note.contains("postgres://"), "{note}");

    site.add_tenant();
    assert_eq!(site.json(&["backup"])["items_new"], 60);
    assert_eq!(database.psql("SELECT COUNT(*) FROM item"), "60");
    let messages = site.messages(&ann, &[]);
    assert_eq!(messages.len(), 30);
    let at = site.json(&["snapshots"])[0]["id"].as_str().unwrap().to_owned();
    let (path, id) = (messages[0]["path"].as_str().unwrap(), messages[0]["id"].as_str().unwrap());
    site.tenant().message_delete(&ann, id, true).unwrap();
    assert_eq!(site.json(&["backup"])["items_deleted"], 1);
    let restored = site.json(&["restore", "--resource", &ann, "--at", &at, "--path", path]);
    assert_eq!(
        (&restored["items_restored"], &restored["outcome"]),
        (&json!(1), &json!("complete"))
    );

    // The catalog is sound, and the same once more from the vault.
    let doctor = site.json(&["doctor"]);
    assert_eq!(doctor["ok"], true, "{doctor}");
    let before = (site.messages(&ann, &[]), site.json(&["snapshots"]));
    site.json(&["catalog", "rebuild"]);
    assert_eq!((site.messages(&ann, &[]), site.json(&["snapshots"])), before);
    database.psql("UPDATE counter SET last = 0");
    let doctor = site.run(&["doctor", "--json"]);
    assert_eq!(doctor.code, 1);
    assert!(doctor.text().contains("numbers above the last one given out"), "{doctor:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_database_is_made_again_from_the_vault() {
    let Some(server) = holdfast_pgtest::server() else { return };
    let (database, site) = (Database::new(&server), Site::bare(1).await);
    let file = url_file(&site, "url", database.url());
    assert_eq!(init(&site, "home", &file).code, 0);
    site.add_tenant();
    site.json(&["backup"]);
    let before = site.messages(&site.user(0), &[]);
    database.psql("DROP SCHEMA public CASCADE; CREATE SCHEMA public");
    let rebuilt = site.json(&["catalog", "rebuild"]);
    assert_eq!((&rebuilt["items"], &rebuilt["snapshots"]), (&json!(30), &json!(1)));
    assert_eq!(site.messages(&site.user(0), &[]), before);

    // Where it was is not known any more: nothing is made in another place.
    let kept = site.path("home").join("catalog.url");
    fs::rename(&kept, site.path("moved")).unwrap();
    let lost = site.run(&["catalog", "rebuild", "--json"]);
    assert_eq!(lost.code, 4);
    assert!(message(&lost).contains("catalog.url is not there"), "{lost:?}");
    assert!(!site.path("home").join("catalog.db").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_cannot_be_used_is_refused_before_anything_is_made() {
    let Some(server) = holdfast_pgtest::server() else { return };
    let (database, site) = (Database::new(&server), Site::bare(1).await);
    let url = database.url();
    let password = url.split([':', '@']).nth(2).unwrap();
    for (name, url, mode, code, said) in [
        ("exposed", url.to_owned(), 0o644, 5, "can be read by others; run 'chmod 600"),
        ("password", url.replace(password, "guess"), 0o600, 5, "user name or password are wrong"),
        ("database", url.replace(database.name(), "none"), 0o600, 5, "there is no such database"),
        ("server", url.replace("host=/", "host=/none/"), 0o600, 6, "is it running?"),
        ("scheme", url.replace("postgres:", "mysql:"), 0o600, 5, "does not start with postgres://"),
    ] {
        let file = url_file(&site, name, &url);
        protect(&site.path(name), mode);
        let refused = init(&site, "home", &file);
        assert_eq!(refused.code, code, "{name}: {refused:?}");
        assert!(message(&refused).contains(said), "{name}: {refused:?}");
        assert_silent(&refused, &url);
        assert!(!site.path("home").exists() && !site.path("vault").exists(), "{name}");
    }
    // A second installation does not take the catalog of the first.
    let file = url_file(&site, "url", url);
    assert_eq!(init(&site, "home", &file).code, 0);
    let taken = init(&site, "home2", &file);
    assert_eq!(taken.code, 2, "{taken:?}");
    assert!(message(&taken).contains("holds a catalog already"), "{taken:?}");
    assert_eq!(database.psql("SELECT COUNT(*) FROM vault"), "1");
    // Made readable by others later on, the URL is not used.
    protect(&site.path("home").join("catalog.url"), 0o640);
    let exposed = site.run(&["resources", "--offline", "--json"]);
    assert_eq!(exposed.code, 5, "{exposed:?}");
}
