//! What a server, or what stands in its place, is not trusted with, and what it refuses.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;

use holdfast_sim::FileBytes;
use serde_json::json;

use crate::remote::Served;
use crate::site::{Answer, Site, command, holdfast};

fn message(answer: &Answer) -> String {
    answer.error()["message"].as_str().unwrap().to_owned()
}

#[test]
fn what_no_server_does_says_so_before_anything_is_asked() {
    let server = ["--server", "https://127.0.0.1:1", "--json"];
    for arguments in [
        &["init"][..],
        &["worker"],
        &["serve"],
        &["erase", "--resource", "a", "--reason", "x", "b"],
        &["catalog", "rebuild"],
        &["vault", "extend"],
        &["vault", "kit", "--out", "x"],
        &["audit", "export", "--out", "x"],
    ] {
        let answer = holdfast(&[arguments, &server[..]].concat());
        assert_eq!(answer.code, 2, "{arguments:?}: {answer:?}");
        assert!(message(&answer).contains("works on the server's machine only"), "{answer:?}");
    }
    let without = holdfast(&[&["doctor"], &server[..]].concat());
    assert_eq!(without.code, 2);
    assert!(message(&without).contains("--token-file"), "{without:?}");
    let nowhere = ["token", "list", "--user", "root", "--password-file", "x", "--json"];
    assert!(message(&holdfast(&nowhere)).contains("--server"));
    for address in ["http://127.0.0.1:1", "https://127.0.0.1:1/here", "https://a:b@127.0.0.1:1"] {
        let answer = holdfast(&["doctor", "--server", address, "--token-file", "x", "--json"]);
        assert_eq!(answer.code, 2, "{address}: {answer:?}");
        assert!(message(&answer).contains("https://HOST"), "{answer:?}");
    }
    // These concern neither a server nor a home.
    assert_eq!(holdfast(&["tenant", "permissions", "--server", "https://127.0.0.1:1"]).code, 0);
    for link in ["https://h/setup", "https://h/else#x", "https://h/invitation"] {
        assert_eq!(holdfast(&["user", "accept", link]).code, 2, "{link}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_without_the_right_is_5_and_names_it() {
    let site = Site::ready(1).await;
    let served = Served::with_token(&site, &["view_jobs"]);
    assert_eq!(served.json(&site, &["job", "list"]), json!([]));
    for (arguments, right) in [
        (&["backup"][..], "view_resources"),
        (&["backup", "--tenant", "contoso"], "run_backups"),
        (&["ls", "--resource", "nobody"], "read_content"),
        (&["find", "x"], "search"),
        (&["restore", "--resource", "nobody"], "restore"),
        (&["audit", "list"], "view_audit"),
        (&["vault", "list"], "view_system"),
        (&["job", "pause", "none"], "manage_jobs"),
    ] {
        let answer = served.run(&site, &[arguments, &["--json"]].concat());
        assert_eq!(answer.code, 5, "{arguments:?}: {answer:?}");
        assert!(message(&answer).contains(&format!("the right {right}")), "{answer:?}");
    }
    let refused = site.json(&["audit", "list", "--outcome", "refused", "--action", "item.search"]);
    assert_eq!(refused[0]["actor_kind"], "api_token");

    // Neither the token nor the password is in what is said.
    let secret = fs::read_to_string(site.path("token")).unwrap();
    let said = served.run(&site, &["find", "x"]).err + &served.running.log();
    assert!(!said.contains(secret.trim()) && !said.contains("violin"), "{said}");

    fs::set_permissions(site.path("token"), fs::Permissions::from_mode(0o640)).unwrap();
    let open = served.run(&site, &["job", "list", "--json"]);
    assert_eq!((open.code, message(&open).contains("chmod 600")), (5, true), "{open:?}");
    site.write("other", "hft_of_nobody\n");
    fs::set_permissions(site.path("other"), fs::Permissions::from_mode(0o600)).unwrap();
    let unknown = served.run_with(&site, "other", &["job", "list", "--json"]);
    assert_eq!(unknown.code, 5, "{unknown:?}");
    served.running.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_answers_must_be_the_server() {
    let site = Site::ready(1).await;
    let served = Served::with_token(&site, &["view_jobs"]);
    let ask = |server: &str, ca: Option<&str>| -> Answer {
        let mut program = command();
        program.args(["job", "list", "--json", "--server", server]);
        program.arg("--token-file").arg(site.path("token"));
        if let Some(ca) = ca {
            program.args(["--server-ca-file", ca]);
        }
        program.output().unwrap().into()
    };
    assert_eq!(ask(&served.origin, Some(&served.ca())).code, 0);
    let sim_ca = site.sim.info.ca_file.to_str().unwrap();
    for ca in [None, Some(sim_ca)] {
        let strange = ask(&served.origin, ca);
        assert_eq!(strange.code, 5, "{strange:?}");
        assert!(message(&strange).contains("is not trusted"), "{strange:?}");
    }
    let none = site.write("no.pem", "nothing\n");
    assert_eq!(ask(&served.origin, Some(&none)).code, 2);
    assert_eq!(ask(&served.origin, Some(&site.arg("missing.pem"))).code, 4);

    // The simulated tenant is a server too, but not this one.
    let other = url::Url::parse(&site.sim.info.graph_url).unwrap();
    let foreign = ask(&other.origin().ascii_serialization(), Some(sim_ca));
    assert_eq!(foreign.code, 1, "{foreign:?}");
    assert!(message(&foreign).contains("does not answer as a Holdfast server"), "{foreign:?}");

    // Something that speaks no TLS, and nothing at all.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let place = format!("https://127.0.0.1:{}", listener.local_addr().unwrap().port());
    let mute = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let _ = stream.read(&mut [0; 512]);
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
    });
    let plain = ask(&place, Some(&served.ca()));
    mute.join().unwrap();
    assert_eq!((plain.code, message(&plain).contains("cannot reach")), (6, true), "{plain:?}");
    let nothing = ask(&place, Some(&served.ca()));
    assert_eq!((nothing.code, message(&nothing).contains("cannot reach")), (6, true));
    served.running.stop();
}

/// Bytes of a file that lies in several packs.
const LARGE: u64 = 64 * 1024 * 1024;

#[tokio::test(flavor = "multi_thread")]
async fn content_that_breaks_off_is_10_and_what_came_is_its_beginning() {
    let site = Site::ready(1).await;
    let drive = site.tenant().onedrive_add(&site.user(0)).unwrap();
    let bytes = FileBytes::Made { seed: 3, size: LARGE };
    site.tenant().file_add(&drive.id, &drive.root, "film.bin", bytes).unwrap();
    site.json(&["backup"]);
    let rows = site.json(&["resources", "--offline"]);
    let row = rows.as_array().unwrap().iter().find(|row| row["workload"] == "onedrive").unwrap();
    let cat = ["cat", "--resource", row["id"].as_str().unwrap(), "film.bin", "--json"];
    let served = Served::with_token(&site, &["read_content"]);
    let whole = served.ok(&site, &cat).out;
    assert_eq!(whole.len() as u64, LARGE);

    // Each pack is away once: before the first byte it is a failure like any other, later a cut.
    let packs = files(&site.path("vault"));
    let packs = packs.into_iter().filter(|file| file.to_str().unwrap().contains("/data/"));
    let (mut early, mut cut) = (0, 0);
    for pack in packs {
        let away = site.path("away");
        fs::rename(&pack, &away).unwrap();
        let damaged = served.run(&site, &cat);
        fs::rename(&away, &pack).unwrap();
        if damaged.code == 0 {
            continue;
        }
        assert_eq!(damaged.code, 10, "{}", damaged.err);
        assert!(whole.starts_with(&damaged.out) && damaged.out.len() < whole.len());
        match damaged.out.len() {
            0 => early += 1,
            came => {
                let expected = format!("the content broke off after {came} bytes");
                assert!(message(&damaged).starts_with(&expected), "{}", damaged.err);
                cut += 1;
            }
        }
    }
    assert!(early > 0 && cut > 0, "{early} before the first byte, {cut} later");
    assert_eq!(served.ok(&site, &cat).out, whole);
    served.running.stop();
}

fn files(dir: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}
