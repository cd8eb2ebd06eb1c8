//! Several workers on one PostgreSQL and one vault.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Instant;

use holdfast_pgtest::{Database, Server};
use serde_json::{Value, json};

use crate::jobs::worker;
use crate::postgres::url_file;
use crate::running::DEADLINE;
use crate::site::{Answer, Site};

/// Joins a second home to the database with the URL in this file.
fn join(site: &Site, home: &str, url_file: &str, key: &str) -> Answer {
    let (home, key) = (site.arg(home), site.arg(key));
    let options = ["--catalog-url-file", url_file, "--instance-key", &key, "--json"];
    site.run(&[&["--home", &home, "join"], &options[..]].concat())
}

fn message(answer: &Answer) -> String {
    answer.error()["message"].as_str().unwrap().to_owned()
}

/// A site whose first home has its catalog on PostgreSQL and a tenant, and a second home on it.
pub fn two_homes(site: &Site, database: &Database) {
    let file = url_file(site, "url", database.url());
    let passphrase = site.write("passphrase", "correct horse\n");
    let (vault, key) = (site.arg("vault"), site.arg("instance.key"));
    let options = ["--vault", &vault, "--passphrase-file", &passphrase, "--instance-key", &key];
    site.json(&[&["init", "--catalog-url-file", &file], &options[..]].concat());
    site.add_tenant();
    let joined = join(site, "home2", &file, "instance.key");
    assert_eq!(joined.code, 0, "{joined:?}");
    assert_eq!(
        (&joined.json()["vaults"][0]["name"], &joined.json()["tenants"]),
        (&json!("default"), &json!(1))
    );
}

/// Polls until something holds.
pub async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + DEADLINE;
    while !holds() {
        assert!(Instant::now() < end, "in vain: {what}");
        tokio::task::yield_now().await;
    }
}

fn job(site: &Site, id: &str) -> Value {
    site.json(&["job", "show", id])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_slept_past_its_lease_commits_nothing() {
    let Some(server) = holdfast_pgtest::server() else { return };
    let (database, site) = (Database::new(&server), Site::slow(1, 80).await);
    two_homes(&site, &database);
    let ann = site.user(0);
    let id = site.ok(&["backup", "--queue"]).text().trim().to_owned();
    let short = ["--no-scheduler", "--lease-seconds", "3"];
    let sleeper = worker(&site, "home", &short);
    sleeper.must_say("stage=\"fetch\"");
    let asked = site.tenant().stats().total();
    until("messages are fetched", || site.tenant().stats().total() >= asked + 10).await;
    sleeper.signal("STOP");
    let asleep = job(&site, &id);
    assert_eq!((&asleep["state"], &asleep["attempts"]), (&json!("running"), &json!(1)));
    assert_eq!(site.json(&["snapshots"]), json!([]), "it sleeps before its commit");

    let other = worker(&site, "home2", &short);
    other.must_say("ending=\"done\"");
    let done = job(&site, &id);
    assert_eq!(
        (&done["state"], &done["result"]["counts"]["items_new"]),
        (&json!("done"), &json!(80))
    );
    let before = (site.json(&["snapshots"]), done);
    assert_eq!(before.0.as_array().unwrap().len(), 1);

    sleeper.signal("CONT");
    sleeper.must_say("was lost to another worker");
    let log = sleeper.stop();
    assert!(!log.contains("ending="), "it ends no job: {log}");
    assert!(other.stop().contains("ending=\"done\""));
    assert_eq!((site.json(&["snapshots"]), job(&site, &id)), before, "nothing came of it");
    let fences = "SELECT fence, state FROM job";
    let tenures: i64 = database.psql(fences).split('|').next().unwrap().parse().unwrap();
    assert!(tenures >= 2, "{tenures} tenures");
    assert_eq!(database.psql("SELECT COUNT(*) FROM item"), "80");
    assert_eq!(site.messages(&ann, &[]).len(), 80);
    assert_eq!(site.json(&["vault", "check", "--read-data"])["errors"], 0);
    let verified = site.json(&["audit", "verify"]);
    assert_eq!((&verified["ok"], &verified["open_in_all"]), (&json!(true), &json!(0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_that_slept_past_its_lease_is_done_by_another_and_doubles_nothing() {
    let Some(server) = holdfast_pgtest::server() else { return };
    let (database, site) = (Database::new(&server), Site::slow(1, 40).await);
    two_homes(&site, &database);
    let (ann, target) = (site.user(0), "empty@contoso.example");
    site.tenant().user_add("Empty Person", target).unwrap();
    site.json(&["backup"]);
    let queued = site.json(&["restore", "--resource", &ann, "--to", target, "--queue"]);
    let id = queued[0]["job"].as_str().unwrap();
    let there = || -> usize {
        site.tenant().folders(target).unwrap().iter().map(|folder| folder.messages).sum()
    };
    let short = ["--no-scheduler", "--lease-seconds", "3"];
    let sleeper = worker(&site, "home", &short);
    until("messages are restored", || there() >= 8).await;
    sleeper.signal("STOP");
    assert!(there() < 40, "it sleeps in the middle");

    let other = worker(&site, "home2", &short);
    other.must_say("ending=\"done\"");
    let done = job(&site, id);
    let figure = |name: &str| done["result"][name].as_u64().unwrap();
    assert_eq!(figure("items_restored") + figure("items_skipped"), 40, "{done}");
    assert_eq!((done["state"].as_str(), there()), (Some("done"), 40));
    sleeper.signal("CONT");
    sleeper.must_say("was lost to another");
    sleeper.stop();
    other.stop();
    assert_eq!((job(&site, id), there()), (done, 40), "the one that woke wrote nothing more");
    let restores = "SELECT COUNT(*), COUNT(finished_at) FROM restore_run";
    assert_eq!(database.psql(restores), "1|1");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_joined_is_named_and_nothing_is_made() {
    let Some(server) = holdfast_pgtest::server() else { return };
    let (database, site) = (Database::new(&server), Site::bare(1).await);
    two_homes(&site, &database);
    let file = site.arg("url");
    let refused = |home: &str, file: &str, key: &str, code: i32, said: &str| {
        let answer = join(&site, home, file, key);
        assert_eq!(answer.code, code, "{said}: {answer:?}");
        assert!(message(&answer).contains(said), "{said}: {answer:?}");
        assert!(home == "home2" || !site.path(home).exists(), "{said}");
    };
    refused("home2", &file, "instance.key", 2, "is a Holdfast home already");
    refused("home3", &file, "no.key", 5, "is not there");
    site.write("other.key", &format!("{}\n", "ab".repeat(32)));
    fs::set_permissions(site.path("other.key"), fs::Permissions::from_mode(0o600)).unwrap();
    refused("home3", &file, "other.key", 5, "is not the one of this catalog");
    let keyless = site.run(&["--home", &site.arg("home3"), "join", "--catalog-url-file", &file]);
    assert_eq!((keyless.code, keyless.err.contains("--instance-key")), (2, true), "{keyless:?}");

    empty_and_other_versions(&site, &server, &database, &refused);

    // A folder that is not shared under the same path.
    fs::rename(site.path("vault"), site.path("elsewhere")).unwrap();
    refused("home3", &file, "instance.key", 4, "the vault 'default'");
    fs::rename(site.path("elsewhere"), site.path("vault")).unwrap();
    assert_eq!(join(&site, "home3", &file, "instance.key").code, 0);
    let resources = site.json(&["--home", &site.arg("home3"), "resources"]);
    assert_eq!(resources.as_array().unwrap().len(), 1);
    let inits = site.json(&["audit", "list", "--action", "installation.init"]);
    let joined: Vec<_> =
        inits.as_array().unwrap().iter().map(|e| &e["details"]["joined"]).collect();
    assert_eq!(joined, [&json!("yes"), &json!("yes"), &json!(null)]);
}

type Refused<'a> = &'a dyn Fn(&str, &str, &str, i32, &str);

/// Databases in which there is no catalog, or one of another Holdfast: none is changed.
fn empty_and_other_versions(
    site: &Site,
    server: &std::sync::Arc<Server>,
    database: &Database,
    refused: Refused<'_>,
) {
    let empty = Database::new(server);
    let nothing = url_file(site, "empty", empty.url());
    refused("home3", &nothing, "instance.key", 4, "the database holds no catalog");
    assert_eq!(empty.psql("SELECT COUNT(*) FROM pg_tables WHERE schemaname = 'public'"), "0");
    let file = site.arg("url");
    let newest = database.psql("SELECT MAX(version) FROM _sqlx_migrations");
    for (to, said) in [("99", "which this Holdfast does not know"), ("1", "older than the")] {
        let set = |version: &str, to: &str| {
            format!("UPDATE _sqlx_migrations SET version = {to} WHERE version = {version}")
        };
        let hidden = "DELETE FROM _sqlx_migrations WHERE version > 1";
        let kept = "CREATE TABLE kept AS SELECT * FROM _sqlx_migrations";
        database.psql(kept);
        database.psql(&if to == "99" { set(&newest, to) } else { hidden.to_owned() });
        refused("home3", &file, "instance.key", 1, said);
        database.psql(
            "DELETE FROM _sqlx_migrations; INSERT INTO _sqlx_migrations SELECT * FROM kept; \
             DROP TABLE kept",
        );
    }
}
