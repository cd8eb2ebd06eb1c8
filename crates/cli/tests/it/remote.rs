//! What a server does for the command line is what the command line does in a home.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use holdfast_sim::FileBytes;
use serde_json::{Value, json};

use crate::running::Running;
use crate::site::{Answer, Site, command};
use crate::workers::until;

/// A password that the rule takes.
const PASSWORD: &str = "violin harbour tundra 7 moss\n";

/// Everything that a token can do and these tests need.
const RIGHTS: [&str; 10] = [
    "view_resources",
    "view_jobs",
    "view_system",
    "run_backups",
    "manage_jobs",
    "manage_schedules",
    "manage_tenants",
    "read_content",
    "search",
    "view_audit",
];

/// A running server in the home of a site.
pub struct Served {
    pub running: Running,
    /// Where it answers.
    pub origin: String,
    pub told: Value,
}

impl Served {
    pub fn start(site: &Site, listen: &str, more: &[&str]) -> Self {
        let mut program = command();
        program.env("HOLDFAST_HOME", site.path("home")).args(["serve", "--listen", listen]);
        let (running, told) = Running::told({
            program.args(["--no-scheduler", "--json"]).args(more);
            program
        });
        let origin = told["origin"].as_str().unwrap().trim_end_matches('/').to_owned();
        Self { running, origin, told }
    }

    /// With the administrator `root`, and a token with these rights in the file `token`.
    pub fn with_token(site: &Site, rights: &[&str]) -> Self {
        let served = Self::start(site, "127.0.0.1:0", &[]);
        served.set_up(site);
        served.token(site, "token", rights);
        served
    }

    /// The server's own certificate.
    pub fn ca(&self) -> String {
        self.told["certificate"].as_str().unwrap().to_owned()
    }

    pub fn set_up(&self, site: &Site) {
        let (password, ca) = (site.write("root.password", PASSWORD), self.ca());
        let link = self.told["setup_link"].as_str().unwrap();
        let accept = ["user", "accept", link, "--name", "root", "--password-file", &password];
        let accepted = site.json(&[&accept[..], &["--server-ca-file", &ca]].concat());
        assert_eq!(accepted, json!({ "accepted": "setup", "server": self.origin }));
    }

    /// A command in which the administrator signs in.
    pub fn as_root(&self, site: &Site, arguments: &[&str]) -> Answer {
        let (password, ca) = (site.arg("root.password"), self.ca());
        let who = ["--user", "root", "--password-file", &password, "--json"];
        let server = ["--server", &self.origin, "--server-ca-file", &ca];
        site.run(&[arguments, &who[..], &server[..]].concat())
    }

    /// Makes a token; answers with its document.
    pub fn token(&self, site: &Site, file: &str, rights: &[&str]) -> Value {
        let out = site.arg(file);
        let mut create = vec!["token", "create", "--label", "tests", "--out", &out];
        create.extend(rights.iter().flat_map(|right| ["--right", right]));
        let made = self.as_root(site, &create);
        assert_eq!(made.code, 0, "{made:?}");
        made.json()
    }

    /// A command for the server, with the token in a file.
    pub fn client(&self, site: &Site, token: &str, arguments: &[&str]) -> Command {
        let mut program = command();
        program.env("HOLDFAST_SERVER", &self.origin).env("HOLDFAST_SERVER_CA_FILE", self.ca());
        program.env("HOLDFAST_TOKEN_FILE", site.path(token)).args(arguments);
        program
    }

    /// Lets the server do a command, with the token in a file.
    pub fn run_with(&self, site: &Site, token: &str, arguments: &[&str]) -> Answer {
        self.client(site, token, arguments).output().unwrap().into()
    }

    pub fn run(&self, site: &Site, arguments: &[&str]) -> Answer {
        self.run_with(site, "token", arguments)
    }

    pub fn ok(&self, site: &Site, arguments: &[&str]) -> Answer {
        let answer = self.run(site, arguments);
        assert_eq!(answer.code, 0, "{arguments:?}: {answer:?}");
        answer
    }

    pub fn json(&self, site: &Site, arguments: &[&str]) -> Value {
        self.ok(site, &[arguments, &["--json"]].concat()).json()
    }
}

/// Without what is another one at each look.
fn lasting(mut document: Value) -> Value {
    let rows = match &mut document {
        Value::Array(rows) => rows.iter_mut().collect(),
        one => vec![one],
    };
    for row in rows {
        for name in ["attained_ms", "worst_ms", "due", "last_polled"] {
            if let Some(value) = row.as_object_mut().and_then(|row| row.get_mut(name)) {
                assert!(!value.is_null(), "{name}");
                *value = Value::Null;
            }
        }
    }
    document
}

/// A message lost after the first of two backups: its path and id, and the first snapshot.
fn history_of(site: &Site) -> (String, String, String) {
    let ann = site.user(0);
    site.json(&["backup"]);
    let lost = site.messages(&ann, &[])[3].clone();
    let text = |name: &str| lost[name].as_str().unwrap().to_owned();
    site.tenant().message_delete(&ann, &text("id"), true).unwrap();
    site.json(&["backup"]);
    let first = site.json(&["snapshots"])[0]["id"].as_str().unwrap().to_owned();
    (text("path"), text("id"), first)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_shows_what_the_home_shows() {
    let site = Site::ready(2).await;
    let (ann, (path, id, first)) = (site.user(0), history_of(&site));
    site.json(&["schedule", "set", "bosses", "--rpo", "1h", "--resource", &ann]);
    site.json(&["backup", "--queue"]);
    site.json(&["worker", "--once", "--no-scheduler"]);
    let job = site.json(&["job", "list"])[0]["id"].as_str().unwrap().to_owned();
    let served = Served::with_token(&site, &RIGHTS);
    let now = site.json(&["audit", "list", "--limit", "1"])[0]["time"].clone();
    let now = now.as_str().unwrap();

    let from = ["--resource", &ann, "--at", &first];
    let words: Vec<&str> = path.rsplit('/').next().unwrap().split(['.', ' ']).collect();
    for arguments in [
        &["tenant", "list"][..],
        &["tenant", "test"],
        &["tenant", "set", "contoso", "--file-versions", "3"],
        &["resources", "--offline"],
        &["resources"],
        &["snapshots"],
        &["snapshots", "--resource", &ann],
        &["ls", "--resource", &ann, "-r"],
        &[&["ls"], &from[..], &["Inbox"]].concat(),
        &["find", words[0]],
        &["find", "--deleted", "*"],
        &["find", "--resource", &ann, "no such text"],
        &["history", "--resource", &ann, &id],
        &["diff", "--resource", &ann],
        &[&["diff"], &from[..]].concat(),
        &["schedule", "list"],
        &["schedule", "status"],
        &["schedule", "status", "--resource", &ann, "--tenant", "contoso"],
        &["schedule", "status", "--missed"],
        &NIGHT.split('|').collect::<Vec<_>>(),
        &["job", "list", "--state", "done", "--kind", "backup"],
        &["job", "show", &job],
        &["vault", "list"],
        &["vault", "stats"],
        &["vault", "stats", "--vault", "default"],
        &["audit", "list", "--until", now, "--limit", "7"],
        &["audit", "list", "--until", now, "--action", "backup.run"],
        &["doctor"],
    ] {
        let (here, there) = (site.json(arguments), served.json(&site, arguments));
        assert_eq!(lasting(there), lasting(here), "{arguments:?}");
    }
    for arguments in [
        &["tenant", "list"][..],
        &["resources", "--offline"],
        &["ls", "--resource", &ann, "-r"],
        &["diff", "--resource", &ann],
        &["schedule", "list"],
        &["job", "show", &job],
        &["vault", "list"],
        &["vault", "stats"],
        &["doctor"],
    ] {
        let (here, there) = (site.ok(arguments).text(), served.ok(&site, arguments).text());
        assert_eq!(there, here, "{arguments:?}");
    }
    let cat = [&["cat"], &from[..], &[&path]].concat();
    assert_eq!(served.ok(&site, &cat).out, site.ok(&cat).out);
    verifies_alike(&site, &served);
    let removed = served.json(&site, &["schedule", "remove", "night"]);
    assert_eq!(removed, json!({ "tenant": "contoso", "removed": "night" }));
    assert_eq!(site.run(&["schedule", "remove", "night"]).code, 4);
    served.running.stop();
}

/// A schedule with everything.
const NIGHT: &str = "schedule|set|night|--rpo|2d|--resource|nobody|--pause|mon-fri 08:00-18:00\
                     |--time-zone|Europe/Berlin";

/// The record is whole, here and there, and says so in the same words.
fn verifies_alike(site: &Site, served: &Served) {
    let there = served.json(site, &["audit", "verify"]);
    let here = site.json(&["audit", "verify"]);
    let names = |document: &Value| -> Vec<String> {
        document.as_object().unwrap().keys().cloned().collect()
    };
    assert_eq!((&there["ok"], names(&there)), (&json!(true), names(&here)));
    assert_eq!(there["public_key"], here["public_key"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn earlier_versions_of_a_file_are_listed_and_read_through_a_server() {
    let site = Site::ready(1).await;
    site.json(&["tenant", "set", "contoso", "--file-versions", "all"]);
    let drive = site.tenant().onedrive_add(&site.user(0)).unwrap();
    let bytes = |text: &str| FileBytes::Bytes(text.as_bytes().into());
    let file = site.tenant().file_add(&drive.id, &drive.root, "plan.txt", bytes("one")).unwrap();
    site.tenant().file_replace(&drive.id, &file, bytes("two and two")).unwrap();
    site.json(&["backup"]);
    let rows = site.json(&["resources", "--offline"]);
    let row = rows.as_array().unwrap().iter().find(|row| row["workload"] == "onedrive").unwrap();
    let name = row["id"].as_str().unwrap();

    let served = Served::with_token(&site, &["read_content"]);
    let ls = ["ls", "--versions", "--resource", name, "plan.txt"];
    let versions = served.json(&site, &ls);
    assert_eq!(versions, site.json(&ls));
    assert_eq!((versions.as_array().unwrap().len(), &versions[0]["size"]), (1, &json!(3)));
    let version = versions[0]["version"].as_str().unwrap();
    let cat = ["cat", "--resource", name, "plan.txt", "--version", version];
    assert_eq!(served.ok(&site, &cat).out, b"one");
    assert_eq!(served.ok(&site, &cat[..4]).out, b"two and two");
    served.running.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn work_is_queued_and_followed_to_its_end() {
    let site = Site::ready(2).await;
    let ann = site.user(0);
    let served = Served::with_token(&site, &[&RIGHTS[..], &["restore"]].concat());
    let done = served.json(&site, &["backup"]);
    assert_eq!((done.as_array().unwrap().len(), &done[0]["state"]), (1, &json!("done")));
    assert_eq!(done[0]["result"]["counts"]["items_new"], 60);
    assert_eq!(done[0]["requested_by"], "root");
    let idle = served.ok(&site, &["backup", "--resource", &ann]).text();
    assert!(idle.starts_with("Backup complete: 0 new, 0 changed"), "{idle}");

    // Lost, and brought back.
    let lost = site.messages(&ann, &[])[0].clone();
    site.tenant().message_delete(&ann, lost["id"].as_str().unwrap(), true).unwrap();
    let path = lost["path"].as_str().unwrap();
    let restore = ["restore", "--resource", &ann, "--path", path];
    let dry = served.ok(&site, &[&restore[..], &["--dry-run"]].concat()).text();
    assert!(dry.contains("Dry run, nothing was written: 1 message would be restored"), "{dry}");
    let report = served.json(&site, &restore);
    assert_eq!((&report["items_restored"], &report["outcome"]), (&json!(1), &json!("complete")));
    let folders = site.tenant().folders(&ann).unwrap();
    assert_eq!(folders.iter().map(|folder| folder.messages).sum::<usize>(), 30);
    let again = served.json(&site, &restore);
    assert_eq!((&again["items_restored"], &again["items_skipped"]), (&json!(0), &json!(1)));
    // To replace is for a person with a fresh proof.
    let replace = [&restore[..], &["--on-conflict", "replace", "--yes", "--json"]].concat();
    assert_eq!(served.run(&site, &replace).code, 5);

    let nobody = served.run(&site, &["backup", "--resource", "nobody", "--json"]);
    assert_eq!((nobody.code, &nobody.error()["exit_code"]), (4, &json!(4)));
    assert_eq!(served.run(&site, &["backup", "--tenant", "fabrikam"]).code, 4);
    assert_eq!(served.run(&site, &["job", "show", "none"]).code, 4);
    served.running.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn queued_jobs_are_paused_resumed_and_cancelled() {
    let site = Site::ready(1).await;
    let served = Served::start(&site, "127.0.0.1:0", &["--no-worker"]);
    served.set_up(&site);
    served.token(&site, "token", &[&RIGHTS[..], &["restore"]].concat());
    let queued = served.json(&site, &["backup", "--queue"]);
    let id = queued[0]["job"].as_str().unwrap();
    assert_eq!(queued, json!([{ "job": id, "kind": "backup", "tenant": "contoso" }]));
    for (order, state) in [("pause", "paused"), ("resume", "queued"), ("cancel", "cancelled")] {
        let changed = served.json(&site, &["job", order, id]);
        assert_eq!((&changed["id"], &changed["state"]), (&json!(id), &json!(state)));
    }
    let ended = served.run(&site, &["job", "cancel", id, "--json"]);
    assert!(ended.error()["message"].as_str().unwrap().contains("ended already"), "{ended:?}");
    let shown = served.json(&site, &["job", "show", id]);
    assert_eq!(shown, site.json(&["job", "show", id]));
    assert_eq!((&shown["result"], &shown["progress"]), (&Value::Null, &Value::Null));

    // Who follows a job that somebody ends learns of it.
    let mut following = Running::start(served.client(&site, "token", &["backup"]));
    let queued = ["job", "list", "--state", "queued"];
    until("it is queued", || served.json(&site, &queued) != json!([])).await;
    let id = served.json(&site, &queued)[0]["id"].as_str().unwrap().to_owned();
    served.ok(&site, &["job", "cancel", &id]);
    assert_eq!(following.end().code(), Some(1));
    following.must_say(&format!("job {id} was cancelled"));
    served.running.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn users_and_tokens_are_managed_from_the_command_line() {
    let site = Site::ready(1).await;
    let served = Served::with_token(&site, &["view_jobs"]);
    let mode = fs::metadata(site.path("token")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let root = |arguments: &[&str]| {
        let answer = served.as_root(&site, arguments);
        assert_eq!(answer.code, 0, "{arguments:?}: {answer:?}");
        answer.json()
    };
    let add = ["user", "add", "olga", "--role", "operator", "--tenant", "contoso"];
    let invited = root(&add);
    let link = invited["link"].as_str().unwrap();
    assert_eq!(invited["user"]["grants"][0]["scope"]["tenants"], json!({ "only": ["contoso"] }));
    let (password, ca) = (site.write("olga.password", PASSWORD), served.ca());
    let accept = ["user", "accept", link, "--password-file", &password, "--server-ca-file", &ca];
    assert_eq!(site.json(&accept)["accepted"], "invitation");
    assert_eq!(site.run(&accept).code, 4, "a link is good once");
    let olga = |out: &str, tenant: &[&str]| {
        let out = site.arg(out);
        let right = ["--right", "run_backups", "--right", "view_jobs", "--label", "x"];
        let who = ["--user", "olga", "--password-file", &password, "--server", &served.origin];
        let create = [&["token", "create", "--out", &out], &who[..], &right[..]].concat();
        site.run(&[&create[..], tenant, &["--server-ca-file", &ca, "--json"]].concat()).code
    };
    assert_eq!(olga("olga.token", &[]), 5, "all tenants are more than she has");
    assert!(!site.path("olga.token").exists(), "no empty file is left");
    let hers = ["--tenant", "contoso"];
    assert_eq!(olga("olga.token", &hers), 0);
    let backup = served.run_with(&site, "olga.token", &["backup", "--tenant", "contoso"]);
    assert_eq!(backup.code, 0, "{backup:?}");
    assert_eq!(olga("olga.token", &hers), 1, "a file is not overwritten");

    assert_eq!(root(&["user", "disable", "olga"])["disabled"], true);
    assert_eq!(served.run_with(&site, "olga.token", &["job", "list"]).code, 5);
    assert_eq!(olga("more.token", &hers), 5);
    assert_eq!(root(&["user", "enable", "olga"])["disabled"], false);
    assert!(root(&["user", "reset", "olga"])["link"].is_string());
    let users = root(&["user", "list"]);
    let states: Vec<_> = users.as_array().unwrap().iter().map(|user| &user["is_invited"]).collect();
    assert_eq!(states, [&json!(true), &json!(false)]);
    root(&["user", "remove", "olga"]);
    assert_eq!(root(&["user", "list"]).as_array().unwrap().len(), 1);
    assert_eq!(served.as_root(&site, &["user", "remove", "olga"]).code, 4);

    let tokens = root(&["token", "list"]);
    assert_eq!((&tokens[0]["label"], &tokens[0]["revoked_at"]), (&json!("tests"), &Value::Null));
    assert_eq!(served.run(&site, &["job", "list"]).code, 0);
    root(&["token", "revoke", tokens[0]["id"].as_str().unwrap()]);
    let revoked = served.run(&site, &["job", "list", "--json"]);
    assert_eq!(revoked.code, 5, "{revoked:?}");
    served.running.stop();
}
