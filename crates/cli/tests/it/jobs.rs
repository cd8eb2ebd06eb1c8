//! Schedules, jobs and workers at the command line.

use serde_json::{Value, json};

use crate::running::Running;
use crate::site::{Site, command};

fn message(answer: &crate::site::Answer) -> String {
    answer.error()["message"].as_str().unwrap().to_owned()
}

/// A worker in the home of a site.
pub fn worker(site: &Site, home: &str, more: &[&str]) -> Running {
    let mut program = command();
    program.env("HOLDFAST_HOME", site.path(home)).arg("worker").args(more);
    program.env("HOLDFAST_LOG", "holdfast=info,holdfast::stage=debug");
    Running::start(program)
}

fn actions(site: &Site, action: &str) -> Vec<Value> {
    let listed = site.json(&["audit", "list", "--action", action]);
    listed.as_array().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn schedules_are_set_followed_and_removed() {
    let site = Site::ready(2).await;
    let (ann, bob) = (site.user(0), site.user(1));
    site.json(&["resources"]);
    let listed = site.json(&["schedule", "list"]);
    assert_eq!(listed[0]["name"], "default");
    assert_eq!((&listed[0]["is_set"], &listed[0]["rpo"]), (&json!(false), &json!("24h")));

    let bosses = ["schedule", "set", "bosses", "--rpo", "1h", "--resource", &ann];
    let hours = ["--pause", "mon-fri 08:00-18:00", "--press", "22:00-06:00"];
    let zoneless = site.run(&[&bosses[..], &hours[..], &["--json"]].concat());
    assert_eq!(zoneless.code, 2, "hours without a time zone: {zoneless:?}");
    let zone = ["--time-zone", "Europe/Atlantis"];
    let unknown = site.run(&[&bosses[..], &hours[..], &zone[..], &["--json"]].concat());
    assert_eq!(unknown.code, 2, "{unknown:?}");
    assert!(message(&unknown).contains("is no time zone"), "{unknown:?}");
    let wanted = [&bosses[..], &["--resource", "nobody"], &hours[..]].concat();
    let set = site.json(&[&wanted[..], &["--time-zone", "Europe/Berlin"]].concat());
    assert_eq!((&set["tenant"], &set["rpo"]), (&json!("contoso"), &json!("1h")));
    assert_eq!((&set["followers"], &set["unknown"]), (&json!(1), &json!(["nobody"])));
    assert_eq!(
        set["hours"],
        json!([
            {"days": ["monday", "tuesday", "wednesday", "thursday", "friday"],
             "from": "08:00:00", "to": "18:00:00", "pace": "off"},
            {"from": "22:00:00", "to": "06:00:00", "pace": "hard"},
        ])
    );
    let table = site.ok(&["schedule", "list"]).text();
    assert!(
        table.contains("not mon-fri 08:00-18:00; press 22:00-06:00 (Europe/Berlin)"),
        "{table}"
    );

    let status = |name: &str| site.json(&["schedule", "status", "--resource", name])[0].clone();
    let first = status(&ann);
    assert_eq!((&first["schedule"], &first["standing"]), (&json!("bosses"), &json!("first")));
    assert_eq!((&first["attained_ms"], &first["worst_ms"]), (&json!(null), &json!(null)));
    assert_eq!(status(&bob)["schedule"], "default");
    site.json(&["backup"]);
    let kept = status(&ann);
    assert_eq!((&kept["standing"], &kept["missed"]), (&json!("kept"), &json!(0)));
    assert_eq!((&kept["rpo"], &kept["objective_ms"]), (&json!("1h"), &json!(3_600_000)));
    let attained = kept["attained_ms"].as_u64().unwrap();
    assert!(attained < 600_000, "{attained} ms");
    assert_eq!(site.json(&["schedule", "status"]).as_array().unwrap().len(), 2);
    assert_eq!(site.json(&["schedule", "status", "--missed"]), json!([]));

    site.json(&["schedule", "remove", "bosses"]);
    assert_eq!(status(&ann)["schedule"], "default");
    let gone = site.run(&["schedule", "remove", "bosses", "--json"]);
    assert_eq!(gone.code, 4, "{gone:?}");
    let changes = actions(&site, "policy.change");
    let done = changes.iter().filter(|entry| entry["outcome"] == "done");
    let done: Vec<_> = done.map(|entry| entry["resources"].clone()).collect();
    assert_eq!(done, [json!([]), json!([ann, "nobody"])], "newest first");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_queued_is_done_by_a_worker_and_told() {
    let site = Site::ready(2).await;
    let ann = site.user(0);
    let queued = site.json(&["backup", "--queue"]);
    let id = queued[0]["job"].as_str().unwrap();
    assert_eq!((&queued[0]["kind"], &queued[0]["tenant"]), (&json!("backup"), &json!("contoso")));
    assert_eq!(site.ok(&["backup", "--queue"]).text().trim(), id, "the same wish is one job");
    assert_eq!(site.json(&["job", "pause", id])["state"], "paused");
    let work = ["worker", "--once", "--no-scheduler"];
    assert_eq!(site.json(&work), json!({"jobs": 0}), "it is paused");
    assert_eq!(site.json(&["job", "resume", id])["state"], "queued");
    assert_eq!(site.json(&work), json!({"jobs": 1}));
    let job = site.json(&["job", "show", id]);
    assert_eq!((&job["state"], &job["error"]), (&json!("done"), &json!(null)));
    assert_eq!((&job["class"], &job["attempts"]), (&json!("on_demand"), &json!(1)));
    assert_eq!(job["result"]["counts"]["items_new"], 60);
    let text = site.ok(&["job", "show", id]).text();
    assert!(text.contains("state        done"), "{text}");

    // A restore of what is lost.
    let lost = site.messages(&ann, &[])[0].clone();
    let (path, message_id) = (lost["path"].as_str().unwrap(), lost["id"].as_str().unwrap());
    site.tenant().message_delete(&ann, message_id, true).unwrap();
    let nobody = site.run(&["restore", "--resource", "nobody", "--queue", "--json"]);
    assert_eq!(nobody.code, 4, "told at once: {nobody:?}");
    let queued = site.json(&["restore", "--resource", &ann, "--path", path, "--queue"]);
    let restore = queued[0]["job"].as_str().unwrap();
    let waiting = site.json(&["job", "list", "--state", "queued"]);
    assert_eq!(waiting.as_array().unwrap().len(), 1);
    assert_eq!((&waiting[0]["id"], &waiting[0]["kind"]), (&json!(restore), &json!("restore")));
    assert_eq!(site.json(&work), json!({"jobs": 1}));
    let job = site.json(&["job", "show", restore]);
    assert_eq!((&job["state"], &job["result"]["items_restored"]), (&json!("done"), &json!(1)));
    let folders = site.tenant().folders(&ann).unwrap();
    assert_eq!(folders.iter().map(|folder| folder.messages).sum::<usize>(), 30);

    let ended = site.run(&["job", "cancel", restore, "--json"]);
    assert_eq!((ended.code, message(&ended).contains("ended already")), (1, true), "{ended:?}");
    assert_eq!(site.run(&["job", "show", "none"]).code, 4);
    assert_eq!(site.run(&["job", "list", "--state", "lost"]).code, 2);
    let both = site.json(&["job", "list", "--tenant", "contoso", "--limit", "1"]);
    assert_eq!(both[0]["id"], restore, "newest first");
    let older = site.json(&["job", "list", "--before", restore]);
    assert_eq!((older.as_array().unwrap().len(), &older[0]["id"]), (1, &json!(id)));

    on_record(&site, restore);
}

/// Who asked and who did it are on record, and what the worker did names the job.
fn on_record(site: &Site, restore: &str) {
    let restores = actions(site, "item.restore");
    let by: Vec<_> =
        restores.iter().map(|entry| (&entry["actor_kind"], &entry["outcome"])).collect();
    let (line, system) = (json!("command_line"), json!("system"));
    let (begun, done, failed) = (json!("begun"), json!("done"), json!("failed"));
    assert_eq!(
        by,
        [
            (&system, &done),
            (&system, &begun),
            (&line, &done),
            (&line, &begun),
            (&line, &failed),
            (&line, &begun)
        ]
    );
    assert_eq!(
        (&restores[1]["details"]["job"], &restores[1]["items"][0]),
        (&json!(restore), &restores[2]["items"][0])
    );
    let workers = actions(site, "worker.run");
    assert_eq!((workers.len(), &workers[0]["actor_name"]), (6, &json!("worker")));
    assert_eq!(workers[0]["details"]["jobs"], "1");
    assert_eq!(site.json(&["audit", "verify"])["ok"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_with_its_scheduler_finds_out_and_backs_up_what_is_due() {
    let site = Site::ready(2).await;
    assert_eq!(site.json(&["worker", "--once"]), json!({"jobs": 2}), "discovery, first backup");
    let status = site.json(&["schedule", "status"]);
    let standing: Vec<_> =
        status.as_array().unwrap().iter().map(|row| row["standing"].as_str().unwrap()).collect();
    assert_eq!(standing, ["kept", "kept"]);
    assert_eq!(site.json(&["worker", "--once"]), json!({"jobs": 0}), "nothing is due");
    let kinds = site.json(&["job", "list"]);
    let kinds: Vec<_> = kinds.as_array().unwrap().iter().map(|job| &job["kind"]).collect();
    assert_eq!(kinds, ["backup", "discover"]);
    assert_eq!(site.messages(&site.user(1), &[]).len(), 30);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_is_told_to_stop_gives_back_what_it_has() {
    let site = Site::slow(1, 60).await;
    site.init();
    site.add_tenant();
    let id = site.ok(&["backup", "--queue"]).text().trim().to_owned();
    let working = worker(&site, "home", &["--no-scheduler"]);
    working.must_say("stage=\"fetch\"");
    let log = working.stop();
    assert!(log.contains("told to stop") && log.contains("ending=\"stopped\""), "{log}");
    assert!(!log.contains(&site.user(0)), "no names of people: {log}");
    let job = site.json(&["job", "show", &id]);
    assert_eq!((&job["state"], &job["attempts"]), (&json!("queued"), &json!(0)));
    assert_eq!((&job["worker"], &job["lease_until"]), (&json!(null), &json!(null)));
    assert_eq!(site.json(&["worker", "--once", "--no-scheduler"]), json!({"jobs": 1}));
    assert_eq!(site.json(&["job", "show", &id])["state"], "done");
    assert_eq!(site.messages(&site.user(0), &[]).len(), 60);
    assert_eq!(site.json(&["audit", "verify"])["open_in_all"], 0, "each worker said that it ended");
}
