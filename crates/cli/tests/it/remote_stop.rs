//! A server that stops in the middle of a job: another one goes on with it, and nothing is lost.

use serde_json::json;

use crate::remote::Served;
use crate::running::Running;
use crate::site::Site;
use crate::workers::until;

/// Messages in the mailbox that is backed up.
const MAILS: usize = 80;

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_server_gives_its_job_back_and_the_next_one_ends_it() {
    let site = Site::slow(1, MAILS).await;
    site.init();
    site.add_tenant();
    let first = Served::with_token(&site, &["view_resources", "view_jobs", "run_backups"]);
    // Somebody follows the job all the while.
    let mut following = Running::start(first.client(&site, "token", &["backup"]));
    until("messages are fetched", || site.tenant().stats().total() >= 20).await;
    let id = site.json(&["job", "list"])[0]["id"].as_str().unwrap().to_owned();
    let place = first.told["address"].as_str().unwrap().to_owned();
    let log = first.running.stop();
    assert!(log.contains("told to stop"), "{log}");
    let job = site.json(&["job", "show", &id]);
    assert_eq!((&job["state"], &job["attempts"]), (&json!("queued"), &json!(0)), "{job:#}");

    let second = Served::start(&site, &place, &[]);
    assert_eq!(second.told["setup_link"], json!(null), "it has an administrator");
    assert!(following.end().success(), "{}", following.log());
    let job = site.json(&["job", "show", &id]);
    assert_eq!((&job["state"], &job["requested_by"]), (&json!("done"), &json!("root")));
    assert_eq!(site.messages(&site.user(0), &[]).len(), MAILS);
    assert_eq!(site.json(&["backup"])["items_new"], 0, "nothing was left out");
    second.running.stop();
    let checked = site.json(&["vault", "check", "--read-data"]);
    assert_eq!(checked["errors"], 0);
    let verified = site.json(&["audit", "verify"]);
    assert_eq!((&verified["ok"], &verified["open_in_all"]), (&json!(true), &json!(0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_ends_the_looking_and_not_the_job() {
    let site = Site::slow(1, MAILS).await;
    site.init();
    site.add_tenant();
    let rights = ["view_resources", "view_jobs", "run_backups"];
    let served = Served::with_token(&site, &rights);
    let mut following = Running::start(served.client(&site, "token", &["backup"]));
    until("messages are fetched", || site.tenant().stats().total() >= 20).await;
    following.signal("INT");
    assert_eq!(following.end().code(), Some(1));
    following.must_say("stopped looking; the server goes on with");
    let id = site.json(&["job", "list"])[0]["id"].as_str().unwrap().to_owned();
    assert!(following.log().contains(&id), "{}", following.log());
    // Asked for again it is the same job, if it still lives; in the end all is there.
    assert_eq!(served.run(&site, &["backup"]).code, 0);
    assert_eq!(site.json(&["job", "show", &id])["state"], "done");
    assert_eq!(site.messages(&site.user(0), &[]).len(), MAILS);
    served.running.stop();
}
