//! The table of permissions against Microsoft's data.

use std::fmt::Write;
use std::path::PathBuf;

use holdfast_graph::permissions::{Feature, PERMISSIONS, compare};
use serde_json::Value;

fn names(granted: &[&str]) -> Vec<String> {
    granted.iter().map(|name| (*name).to_owned()).collect()
}

/// Each call of the table is allowed by its permission, and no narrower one would do.
///
/// Reads the Graph contract at `shared/graph` beside the workspace, and passes with a note where
/// that folder is not there.
#[test]
fn the_table_agrees_with_microsofts_permission_data() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/graph");
    let Ok(text) = std::fs::read_to_string(root.join("openapi-subset.json")) else {
        println!("skipped: no Graph contract beside the workspace");
        return;
    };
    let contract: Value = serde_json::from_str(&text).unwrap();
    let mut checked = 0;
    for permission in PERMISSIONS {
        for call in permission.needed_for {
            let (method, path) = call.split_once(' ').unwrap();
            let data = &contract["paths"][path][method.to_lowercase()]["x-permissions"];
            let Some(all) = data["application"]["all"].as_array() else {
                assert!(UNDOCUMENTED.contains(call), "{call} is not in the permission data");
                continue;
            };
            let allows = |name: &str| all.iter().any(|own| own == name);
            assert!(allows(permission.name), "{call} is not allowed by {}", permission.name);
            for wider in permission.instead {
                assert!(allows(wider), "{call} is not allowed by {wider}");
            }
            checked += 1;
        }
    }
    assert!(checked >= 40, "only {checked} calls were compared");
}

/// Calls without permission data in the contract; the reference gives Mail.Read and Mail.ReadWrite.
const UNDOCUMENTED: [&str; 2] = [
    "GET /users/{user-id}/messages/{message-id}/$value",
    "POST /users/{user-id}/messages/{message-id}/attachments/createUploadSession",
];

#[test]
fn what_is_missing_and_what_is_too_much() {
    let backup = ["User.ReadBasic.All", "mail.read", "Files.Read.All", "Sites.Read.All"];
    let report = compare(&names(&backup), &[Feature::Backup]);
    assert!(report.missing.is_empty() && report.excess.is_empty(), "{report:?}");

    let report = compare(&names(&["User.ReadBasic.All", "Calendars.Read"]), &[Feature::Restore]);
    let missing: Vec<&str> = report.missing.iter().map(|p| p.name).collect();
    assert_eq!(
        missing,
        ["Mail.Read", "Mail.ReadWrite", "Files.ReadWrite.All", "Sites.ReadWrite.All"]
    );
    assert_eq!(report.excess, ["Calendars.Read"]);

    // What restore needs is too much for a registration that only backs up.
    let writing = ["Mail.ReadWrite", "Files.ReadWrite.All", "Sites.ReadWrite.All"];
    let all = names(&[&backup[..], &writing].concat());
    assert_eq!(compare(&all, &[Feature::Backup]).excess, writing);
    let both = compare(&all, &[Feature::Backup, Feature::Restore]);
    assert_eq!((both.missing.len(), both.excess.len()), (0, 0));
    assert_eq!(compare(&[], &[Feature::Backup, Feature::Restore]).missing.len(), 7);

    // A wider permission serves, and is still wider than needed.
    let wide = ["User.Read.All", "Mail.Read", "Files.ReadWrite.All", "Sites.ReadWrite.All"];
    let wide = compare(&names(&wide), &[Feature::Backup]);
    assert!(wide.missing.is_empty());
    assert_eq!(wide.excess, ["User.Read.All", "Files.ReadWrite.All", "Sites.ReadWrite.All"]);
}

/// The page for people holds the same table as the code.
#[test]
fn the_page_shows_the_table() {
    let page = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/microsoft-365.md");
    let page = std::fs::read_to_string(page).unwrap();
    let mut table = String::from("| for | permission | why |\n|---|---|---|\n");
    for permission in PERMISSIONS {
        let (feature, name) = (permission.feature, permission.name);
        writeln!(table, "| {feature} | `{name}` | {} |", permission.reason).unwrap();
    }
    let shown = page.split_once("<!-- permissions -->\n").and_then(|(_, rest)| {
        rest.split_once("<!-- end of permissions -->").map(|(table, _)| table)
    });
    assert_eq!(shown, Some(table.as_str()), "docs/microsoft-365.md must hold:\n{table}");
}
