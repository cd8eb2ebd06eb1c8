//! Names: every character and length that OneDrive takes goes into the vault and comes back as it
//! was, and what lies in the vault is safe on every file system.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use holdfast_engine::Progress;
use holdfast_engine::browse::{At, cat, ls};
use holdfast_engine::export::{ExportRequest, Target, export};
use holdfast_engine::restore::RestoreRequest;
use holdfast_model::{Outcome, is_reserved};
use holdfast_testkit::sim::DriveView;
use holdfast_testkit::{
    Options, TestContext, assert_same_files, live_files, live_folders, sha256, stored_files,
};

use crate::drives::{bytes, onedrive};

/// Characters of a made name.
const CHUNK: usize = 120;

/// Names that need care somewhere.
fn odd_names() -> Vec<String> {
    let plain = [
        "con.txt",
        "NUL.tar.gz",
        "com10",
        "lpt1.docx",
        "aux .txt",
        ".hidden",
        "..a",
        "a..b",
        "~x.docx",
        "~kept",
        "~about",
        "~versions",
        "~state.json",
        "~a",
        "x~$y.docx",
        "lock",
        "x.lock",
        "Thumbs.db",
        "#%&{}'`^!@()[]+=,;$ .txt",
        "two  spaces",
        "Caf\u{e9}.txt",
        "Cafe\u{301}.txt",
        "stra\u{df}e.txt",
        "strasse.txt",
        "\u{212a}elvin.txt",
        "\u{3a3}\u{3c2}.txt",
        "\u{fb01}n.txt",
        "rtl \u{202e}cod.exe",
        "zero\u{200b}width.txt",
        "bom\u{feff}.txt",
        "\u{1f600}\u{1f469}\u{200d}\u{1f4bb}.txt",
        "a\u{300}\u{301}\u{302}.txt",
        "soft\u{ad}hyphen",
        "2026-11-22",
        "v1.0 x",
        "plan ~0123456789abcdef.txt",
        "fullwidth\u{ff0f}slash",
        "\u{2024}\u{2025}",
        "tab\u{85}next",
        "nbsp\u{a0}x",
    ];
    let mut names: Vec<String> = plain.into_iter().map(str::to_owned).collect();
    // 255 UTF-16 units, of which an emoji is two.
    for (letter, most) in [("a", 255), ("\u{e4}", 255), ("\u{6f22}", 255), ("\u{1f600}", 127)] {
        names.push(letter.repeat(most));
        names.push(format!("{}.docx", letter.repeat(most - 5)));
        names.push(format!("{}1.docx", letter.repeat(most - 6)));
        names.push(format!("{}.{}", letter.repeat(4), letter.repeat(most - 5)));
    }
    names
}

/// Names in which each character that the service takes stands once.
fn all_characters() -> Vec<String> {
    let forbidden = ['"', '*', ':', '<', '>', '?', '/', '\\', '|'];
    let planes = [0x20..0xd800, 0xe000..0x1_0000, 0x1_f300..0x1_f700, 0x2_0000..0x2_0080];
    let all: Vec<char> = planes
        .into_iter()
        .flatten()
        .filter_map(char::from_u32)
        .filter(|letter| !forbidden.contains(letter))
        .collect();
    // Something around them, for not all may begin or end a name.
    all.chunks(CHUNK).map(|chunk| format!("x{}x", chunk.iter().collect::<String>())).collect()
}

struct Named {
    t: TestContext,
    drive: DriveView,
}

impl Named {
    /// A drive with these names, each of a file and (of every tenth) of a folder with a file.
    async fn new(names: &[String], folder_each: usize) -> Self {
        let t = TestContext::new(Options { users: 2, mails: 0, ..Options::default() }).await;
        let upn = t.people().remove(0);
        let drive = t.tenant().onedrive_add(&upn).unwrap();
        let tenant = t.tenant();
        let top = tenant.drive_folder_add(&drive.id, &drive.root, "f").unwrap();
        let dirs = tenant.drive_folder_add(&drive.id, &drive.root, "d").unwrap();
        for (number, name) in names.iter().enumerate() {
            let text = format!("{number}: {name}");
            tenant.file_add(&drive.id, &top, name, bytes(&text)).unwrap();
            if number % folder_each == 0 {
                let dir = tenant.drive_folder_add(&drive.id, &dirs, name).unwrap();
                tenant.file_add(&drive.id, &dir, "in it", bytes(&format!("in {text}"))).unwrap();
            }
        }
        Self { t, drive }
    }

    /// Everything that shall hold of a drive with odd names.
    async fn check(&self) {
        let t = &self.t;
        let report = t.backup().await;
        assert_eq!(report.outcome, Outcome::Complete, "{report:#?}");
        assert_eq!((report.counts.items_failed, report.counts.items_skipped), (0, 0));
        let live = live_files(t.tenant(), &self.drive.site);
        let stored = stored_files(&t.home, &onedrive(t), &At::Latest).await.unwrap();
        assert_same_files(&stored, &live, "names");
        assert!(t.backup().await.counts.is_idle(), "no name is taken for another one");
        self.browse().await;
        self.restore_elsewhere().await;
        let mut expected: Vec<String> = live.into_values().map(|file| file.sha256).collect();
        expected.sort();
        let target = t.scratch("export");
        let request = ExportRequest { resource: onedrive(t), ..ExportRequest::default() };
        let path = Target::Path(target.clone());
        let report = export(&t.home, &request, path, &Progress::default()).await.unwrap();
        assert_eq!(report.items_exported, expected.len() as u64, "{report:#?}");
        assert_eq!(safe_files(&target), expected, "the export");
        let Some(restic) = t.restic().await else { return };
        restic.check();
        let target = t.scratch("restic");
        restic.restore_latest(&target);
        assert_eq!(safe_files(&target.join("onedrive")), expected, "restic");
    }

    /// `ls` shows the real names, and its paths lead to the bytes.
    async fn browse(&self) {
        let (t, name) = (&self.t, onedrive(&self.t));
        let listed = ls(&t.home, None, &name, &At::Latest, "", true).await.unwrap();
        let live = live_files(t.tenant(), &self.drive.site);
        let files: Vec<_> = listed.iter().filter(|entry| entry.kind == "file").collect();
        assert_eq!(files.len(), live.len());
        for entry in files.iter().step_by(7) {
            let file = &live[&entry.id];
            assert!(file.path.last().unwrap().starts_with(&entry.title), "{}", entry.title);
            let mut out = Vec::new();
            cat(&t.home, None, &name, &At::Latest, &entry.path, &mut out).await.unwrap();
            assert_eq!(sha256(&out), file.sha256, "{}", entry.path);
        }
    }

    /// In an empty drive every file and folder gets its own name again.
    async fn restore_elsewhere(&self) {
        let t = &self.t;
        let other = t.people().remove(1);
        let target = t.tenant().onedrive_add(&other).unwrap();
        let to = Some(format!("onedrive/{other}"));
        let request = RestoreRequest { to, ..t.restore_of(&onedrive(t)) };
        t.backup().await;
        let report = t.restore(request.clone()).await;
        assert_eq!((report.outcome, report.items_failed), (Outcome::Complete, 0), "{report:#?}");
        let told = |site: &str| -> BTreeMap<Vec<String>, String> {
            let files = live_files(t.tenant(), site).into_values();
            files.map(|file| (file.path, file.sha256)).collect()
        };
        assert!(told(&target.site) == told(&self.drive.site), "{report:#?}");
        let folders = |site: &str| live_folders(t.tenant(), site);
        assert_eq!(folders(&target.site), folders(&self.drive.site));
        // Each finds itself, and not its twin.
        let again = t.restore(request).await;
        let found = (again.items_restored, again.items_failed);
        assert_eq!(found, (0, 0), "{again:#?}");
        let unlike = again
            .items
            .iter()
            .find(|item| item.detail.as_deref() != Some("the target has it, unchanged"));
        assert!(unlike.is_none(), "{unlike:#?}");
    }
}

/// Hashes of the files of a folder, all of whose names every system takes.
fn safe_files(top: &Path) -> Vec<String> {
    let (mut found, mut open) = (Vec::new(), vec![top.to_owned()]);
    while let Some(dir) = open.pop() {
        let mut names = BTreeSet::new();
        for entry in fs::read_dir(&dir).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            if ["~state.json", "~about", "~versions"].contains(&name.as_str()) {
                continue;
            }
            // A file system without case that takes `ss` for `ß` gets other names by the export.
            assert!(names.insert(name.to_lowercase()), "{name} and its twin");
            assert!(name.len() <= 255 && !is_reserved(&name), "{name}");
            assert!(!name.ends_with(['.', ' ']) && !name.starts_with(' '), "{name}");
            assert!(!name.contains(['"', '*', ':', '<', '>', '?', '\\', '|']), "{name}");
            assert!(!name.chars().any(char::is_control), "{name}");
            match entry.file_type().unwrap().is_dir() {
                true => open.push(entry.path()),
                false => found.push(sha256(&fs::read(entry.path()).unwrap())),
            }
        }
    }
    found.sort();
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn every_character_goes_in_and_comes_back() {
    Named::new(&all_characters(), 50).await.check().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn odd_and_long_names_and_twins_go_in_and_come_back() {
    Named::new(&odd_names(), 1).await.check().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn paths_of_400_characters_go_in_and_come_back() {
    let named = Named::new(&[], 1).await;
    let (tenant, drive) = (named.t.tenant(), &named.drive);
    let mut folder = drive.root.clone();
    for level in 0..7 {
        folder =
            tenant.drive_folder_add(&drive.id, &folder, &format!("{level}").repeat(50)).unwrap();
    }
    // Nine folders' slashes and the drive's own part are left; the longest name that goes is taken.
    let longest = (1..60).rev().find(|length| {
        let name = "\u{6f22}".repeat(*length);
        tenant.file_add(&drive.id, &folder, &name, bytes("deep")).is_ok()
    });
    assert!(longest.is_some_and(|length| length > 5), "{longest:?}");
    named.check().await;
}
