//! Certificates and permissions.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::json;

use crate::site::{Site, holdfast};

#[tokio::test(flavor = "multi_thread")]
async fn a_made_certificate_signs_in() {
    let site = Site::bare(2).await;
    site.init();
    let made = site.json(&["tenant", "certificate", "--out", &site.arg("cert"), "--days", "30"]);
    let (pem, key) = (made["certificate"].as_str().unwrap(), made["key"].as_str().unwrap());
    assert_eq!(fs::metadata(key).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(made["thumbprint_sha1"].as_str().unwrap().len(), 40);
    assert!(fs::read(made["upload"].as_str().unwrap()).unwrap().starts_with(&[0x30]));
    let again = site.run(&["tenant", "certificate", "--out", &site.arg("cert")]);
    assert_eq!(again.code, 2);

    let info = &site.sim.info;
    let add = [
        "tenant",
        "add",
        "contoso",
        "--tenant-id",
        &info.tenant_id,
        "--client-id",
        &info.client_id,
        "--certificate",
        pem,
        "--key",
        key,
        "--graph-url",
        &info.graph_url,
        "--authority-url",
        &info.authority_url,
        "--ca-file",
        info.ca_file.to_str().unwrap(),
    ];
    site.ok(&add);
    let unknown = site.run(&["tenant", "test", "--json"]);
    assert_eq!(unknown.code, 5);
    assert!(unknown.err.contains("AADSTS700027"), "{}", unknown.err);
    let text = fs::read_to_string(pem).unwrap();
    site.tenant().certificate_upload(&info.client_id, &text).unwrap();
    let tested = site.json(&["tenant", "test"]);
    assert_eq!(tested[0]["registrations"][0]["features"], json!(["backup", "restore"]));
    assert_eq!(tested[0]["ok"], true);
}

#[test]
fn permissions_are_listed_by_use() {
    let names = |arguments: &[&str]| {
        let answer = holdfast(&[&["tenant", "permissions", "--json"], arguments].concat());
        assert_eq!(answer.code, 0);
        let list = answer.json();
        let name = |p: &serde_json::Value| p["name"].as_str().unwrap().to_owned();
        list.as_array().unwrap().iter().map(name).collect::<Vec<_>>()
    };
    assert_eq!(
        names(&["--for", "backup"]),
        ["User.ReadBasic.All", "Mail.Read", "Files.Read.All", "Sites.Read.All"]
    );
    let restore = names(&["--for", "restore"]);
    assert!(restore.contains(&"Mail.ReadWrite".to_owned()));
    assert_eq!(names(&[]).len(), 4 + restore.len());
    assert_eq!(holdfast(&["tenant", "permissions", "--for", "fun"]).code, 2);
}
