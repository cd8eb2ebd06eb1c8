//! Names that no file system takes, or that would lead elsewhere.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_engine::export::{Format, ProblemKind};
use holdfast_model::fold;

use super::{Tree, context, exported, tree, unzipped};

const HOSTILE: [&str; 12] = [
    "CON",
    "a/b",
    "..",
    "x:y*?\"<>|",
    "Twin",
    "tWIN",
    "Caf\u{e9}",
    "Cafe\u{301}",
    "report \u{202e}fdp.exe",
    "~kept",
    "dot. . ",
    ".holdfast-export.part",
];

fn is_harmless(path: &str) {
    const DEVICES: [&str; 4] = ["CON", "NUL", "PRN", "AUX"];
    let units = path.encode_utf16().count();
    assert!(units < 240, "{units} characters: {path}");
    for name in path.split('/') {
        let stem = name.split('.').next().unwrap().to_uppercase();
        assert!(!DEVICES.contains(&stem.as_str()), "{path}");
        assert!(!name.is_empty() && name != "." && name != "..", "{path}");
        assert!(!name.ends_with(['.', ' ']) && name.len() <= 255, "{path}");
        let odd = |c: char| c.is_control() || "\\:*?\"<>|\u{202e}".contains(c);
        assert!(!name.chars().any(odd), "{path}");
    }
}

/// No two names in a folder are equal on a file system that knows neither case nor composition.
fn are_unique(tree: &Tree) {
    let mut names = BTreeMap::new();
    for path in tree.keys() {
        let ends = path.match_indices('/').map(|(at, _)| at).chain([path.len()]);
        for end in ends {
            let twin = names.insert(fold(&path[..end]), path[..end].to_owned());
            assert!(twin.as_ref().is_none_or(|twin| *twin == path[..end]), "{twin:?} {path}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_names_become_harmless_and_lose_nothing() {
    let (t, upn) = context(0).await;
    let tenant = t.tenant();
    let long = "long ".repeat(50);
    let mut expected = Vec::new();
    let mut deliver = |folder: &str, subject: &str| {
        let number = expected.len();
        let mime = format!("Subject: {subject}\r\n\r\nnumber {number}\r\n");
        let id = tenant.deliver(&upn, folder, mime.as_bytes()).unwrap();
        expected.push(tenant.mime(&upn, &id).unwrap().to_vec());
    };
    for name in HOSTILE.into_iter().chain([long.trim_end()]) {
        let folder = tenant.folder_create(&upn, None, name).unwrap();
        deliver(&folder, name);
        HOSTILE.iter().for_each(|subject| deliver("inbox", subject));
    }
    deliver("inbox", &"日本".repeat(150));
    let mut deep = None;
    for level in 0..9 {
        let name = format!("level {level} {}", "x".repeat(40));
        let folder = tenant.folder_create(&upn, deep.as_deref(), &name).unwrap();
        deliver(&folder, &long);
        deep = Some(folder);
    }
    t.backup().await;
    expected.sort();
    for format in [Format::Eml, Format::Zip, Format::Mbox] {
        let (report, path) = exported(&t, &upn, format).await;
        assert_eq!(report.items_exported, expected.len() as u64, "{:#?}", report.problems);
        let path = match format {
            Format::Zip if unzipped(&path, &t.scratch("unzipped")).is_some() => {
                t.scratch("unzipped")
            }
            Format::Zip => continue,
            _ => path,
        };
        let tree = tree(&path);
        tree.keys().for_each(|path| is_harmless(path));
        are_unique(&tree);
        assert_eq!(tree.len() as u64, report.files);
        let shortened = report.problems.iter().filter(|p| p.kind == ProblemKind::Shortened);
        assert!(shortened.count() >= 9 && report.problems.len() < 60, "{:#?}", report.problems);
        for problem in &report.problems {
            assert_eq!(problem.kind, ProblemKind::Shortened);
            let made = problem.detail.split_once(": ").unwrap().1;
            let is_there = path.join(made).exists() || path.join(format!("{made}.mbox")).exists();
            assert!(is_there, "{problem:?}");
        }
        if format != Format::Mbox {
            let mut found: Vec<Vec<u8>> = tree.values().cloned().collect();
            found.sort();
            assert!(found == expected, "{format}");
            let names: BTreeSet<&str> =
                tree.keys().filter_map(|p| p.split_once('/')).map(|p| p.0).collect();
            for name in ["_CON", "a_b", "_", "Twin", "tWIN (2)", "Caf\u{e9}", "Caf\u{e9} (2)"] {
                assert!(names.contains(name), "{name}: {names:?}");
            }
        }
    }
    // Beside the target nothing was made.
    assert!(!t.scratch("etc").exists() && !t.scratch("fdp.exe").exists());
}
