//! Exports, read by others: the file system, Python's mailbox and zipfile modules.

mod names;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use holdfast_engine::browse::At;
use holdfast_engine::export::{
    ExportReport, ExportRequest, Format, Problem, ProblemKind, Target, export,
};
use holdfast_engine::{Error, Exit, Progress};
use holdfast_model::{Outcome, component};
use holdfast_testkit::sim::{Fault, FaultKind};
use holdfast_testkit::{Options, TestContext};

use crate::find::with_damaged_folders;

/// Folders and name of a file, and its bytes.
type Tree = BTreeMap<String, Vec<u8>>;

async fn context(mails: usize) -> (TestContext, String) {
    let t = TestContext::new(Options { users: 1, mails, ..Options::default() }).await;
    let upn = t.people().remove(0);
    (t, upn)
}

fn request(upn: &str, format: Format) -> ExportRequest {
    ExportRequest { resource: upn.to_owned(), format, ..ExportRequest::default() }
}

async fn to(t: &TestContext, request: &ExportRequest, path: &Path) -> Result<ExportReport, Error> {
    export(&t.home, request, Target::Path(path.to_owned()), &Progress::default()).await
}

async fn exported(t: &TestContext, upn: &str, format: Format) -> (ExportReport, PathBuf) {
    let path = t.scratch(&format!("export-{format}"));
    (to(t, &request(upn, format), &path).await.unwrap(), path)
}

fn tree(dir: &Path) -> Tree {
    fn walk(dir: &Path, above: &str, tree: &mut Tree) {
        for entry in fs::read_dir(dir).unwrap() {
            let entry = entry.unwrap();
            let path = format!("{above}{}", entry.file_name().to_str().unwrap());
            match entry.file_type().unwrap().is_dir() {
                true => walk(&entry.path(), &format!("{path}/"), tree),
                false => drop(tree.insert(path, fs::read(entry.path()).unwrap())),
            }
        }
    }
    let mut tree = Tree::new();
    walk(dir, "", &mut tree);
    tree
}

/// Enough to tell bytes apart, and short enough to be read in a failed assertion.
fn told(bytes: &[u8]) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes);
    let text = String::from_utf8_lossy(bytes);
    let subject = text.lines().find(|line| line.starts_with("Subject:")).unwrap_or_default();
    format!("{} {} {subject}", bytes.len(), &hex::encode(digest)[..16])
}

fn all_told(messages: &BTreeMap<String, Vec<Vec<u8>>>) -> BTreeMap<String, Vec<String>> {
    let tell = |bytes: &Vec<u8>| told(bytes);
    messages.iter().map(|(f, all)| (f.clone(), all.iter().map(tell).collect())).collect()
}

/// The messages of the tenant by folder, in an order of their own.
fn live(t: &TestContext, upn: &str) -> BTreeMap<String, Vec<Vec<u8>>> {
    let mut all = BTreeMap::new();
    for folder in t.tenant().folders(upn).unwrap() {
        let messages = t.tenant().messages(upn, &folder.id).unwrap();
        let mime = |id: &str| t.tenant().mime(upn, id).unwrap().to_vec();
        let mut messages: Vec<Vec<u8>> = messages.iter().map(|m| mime(&m.id)).collect();
        messages.sort();
        if !messages.is_empty() {
            let path: Vec<String> = folder.path.iter().map(|name| component(name, 255)).collect();
            all.insert(path.join("/"), messages);
        }
    }
    all
}

/// The files of a tree by folder, in an order of their own.
fn by_folder(tree: &Tree) -> BTreeMap<String, Vec<Vec<u8>>> {
    let mut all: BTreeMap<String, Vec<Vec<u8>>> = BTreeMap::new();
    for (path, bytes) in tree {
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        all.entry(folder.to_owned()).or_default().push(bytes.clone());
    }
    all.values_mut().for_each(|files| files.sort());
    all
}

/// What a Python script says; `None`, with a word, where there is no Python.
fn python(script: &str, arguments: &[&Path]) -> Option<String> {
    let Ok(output) = Command::new("python3").arg("-c").arg(script).args(arguments).output() else {
        println!("python3 is not installed: what it would prove is not proved here");
        return None;
    };
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    Some(String::from_utf8(output.stdout).unwrap())
}

/// Unpacks a ZIP, checksums verified; gives date and name of each file.
fn unzipped(zip: &Path, target: &Path) -> Option<Vec<String>> {
    const SCRIPT: &str = "import sys, zipfile\n\
        z = zipfile.ZipFile(sys.argv[1])\n\
        assert z.testzip() is None\n\
        z.extractall(sys.argv[2])\n\
        for i in z.infolist(): print('%04d%02d%02d-%02d%02d%02d' % i.date_time, i.filename)";
    let said = python(SCRIPT, &[zip, target])?;
    Some(said.lines().map(str::to_owned).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_tree_has_every_message_byte_for_byte_with_its_date() {
    let (t, upn) = context(60).await;
    t.backup().await;
    let progress = Progress::default();
    let path = t.scratch("mail/of/ann");
    let target = Target::Path(path.clone());
    let report = export(&t.home, &request(&upn, Format::Eml), target, &progress).await.unwrap();
    let (tree, live) = (tree(&path), live(&t, &upn));
    let count = live.values().map(Vec::len).sum::<usize>() as u64;
    assert_eq!(all_told(&by_folder(&tree)), all_told(&live));
    assert_eq!((report.outcome, report.items_failed), (Outcome::Complete, 0));
    assert_eq!((report.items_exported, report.files), (count, count));
    assert_eq!(report.bytes, tree.values().map(|bytes| bytes.len() as u64).sum::<u64>());
    assert_eq!(
        (report.problems.as_slice(), report.out.as_str()),
        (&[][..], path.to_str().unwrap())
    );
    let seen = progress.seen();
    assert_eq!((seen.items, seen.items_done, seen.bytes), (count, count, report.bytes));
    for name in tree.keys() {
        let modified = fs::metadata(path.join(name)).unwrap().modified().unwrap();
        let modified = jiff::Timestamp::try_from(modified).unwrap();
        let stamp = modified.strftime("%Y%m%d-%H%M%S").to_string();
        let file = name.rsplit_once('/').unwrap().1;
        assert!(file.starts_with(&stamp) && file.ends_with(".eml"), "{stamp}: {name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_folder_of_an_earlier_time_is_exported_alone() {
    let (t, upn) = context(30).await;
    t.backup().await;
    let before = (t.home.clock.now(), live(&t, &upn).remove("Inbox").unwrap());
    let inbox = t.tenant().folder_by_path(&upn, &["Inbox"]).unwrap();
    for message in t.tenant().messages(&upn, &inbox).unwrap() {
        t.tenant().message_delete(&upn, &message.id, true).unwrap();
    }
    t.backup().await;
    let mut request = request(&upn, Format::Files);
    (request.at, request.path) = (At::Time(before.0), Some("Inbox".to_owned()));
    let report = to(&t, &request, &t.scratch("inbox")).await.unwrap();
    assert_eq!(report.items_exported, before.1.len() as u64);
    assert!(report.restore_point <= before.0);
    let expected = BTreeMap::from([("Inbox".to_owned(), before.1)]);
    assert_eq!(all_told(&by_folder(&tree(&t.scratch("inbox")))), all_told(&expected));
}

/// Messages of an mbox file as Python splits them: the separator, then the message with its
/// quotes taken away.
fn mbox(path: &Path) -> Option<Vec<(String, Vec<u8>)>> {
    const SCRIPT: &str = "import sys, mailbox\n\
        box = mailbox.mbox(sys.argv[1], create=False)\n\
        for key in box.keys(): print(box.get_bytes(key, from_=True).hex())";
    let said = python(SCRIPT, &[path])?;
    let messages = said.lines().map(|line| {
        let bytes = hex::decode(line).unwrap();
        let end = bytes.iter().position(|byte| *byte == b'\n').unwrap();
        let separator = String::from_utf8(bytes[..end].to_vec()).unwrap();
        (separator, unquoted(&bytes[end + 1..]))
    });
    Some(messages.collect())
}

fn unquoted(text: &[u8]) -> Vec<u8> {
    let plain = |line: &[u8]| {
        let quotes = line.iter().take_while(|byte| **byte == b'>').count();
        let is_quoted = quotes > 0 && line[quotes..].starts_with(b"From ");
        line[usize::from(is_quoted)..].to_vec()
    };
    text.split_inclusive(|byte| *byte == b'\n').flat_map(plain).collect()
}

/// A message with the line ends of an mbox file.
fn with_lf(mime: &[u8]) -> Vec<u8> {
    let mut lines = mime.to_vec();
    let mut at = 0;
    lines.retain(|byte| {
        at += 1;
        *byte != b'\r' || mime.get(at) != Some(&b'\n')
    });
    if lines.last() != Some(&b'\n') {
        lines.push(b'\n');
    }
    lines
}

#[tokio::test(flavor = "multi_thread")]
async fn python_reads_the_mbox_files() {
    let (t, upn) = context(40).await;
    let hard = "From: b@contoso.example\r\nSubject: From here\r\n\r\nFrom the start\r\n\
        >From the middle\r\n>>From the end\r\nFromage\r\n\r\nFrom: last\r\nFrom x";
    t.tenant().deliver(&upn, "inbox", hard.as_bytes()).unwrap();
    t.tenant().deliver(&upn, "inbox", b"Subject: nobody\r\n\r\nx\r\n\r\n\r\n").unwrap();
    let inner = t.tenant().folder_by_path(&upn, &["Inbox"]).unwrap();
    let inner = t.tenant().folder_create(&upn, Some(&inner), "Inner").unwrap();
    t.tenant().folder_create(&upn, None, "Inbox.mbox").unwrap();
    let twin = t.tenant().folder_by_path(&upn, &["Inbox.mbox"]).unwrap();
    for folder in [&inner, &twin] {
        t.tenant().deliver(&upn, folder, hard.as_bytes()).unwrap();
    }
    t.backup().await;
    let live = live(&t, &upn);
    let (report, path) = exported(&t, &upn, Format::Mbox).await;
    assert_eq!(report.outcome, Outcome::Complete, "{:#?}", report.problems);
    let files: BTreeSet<String> = tree(&path).into_keys().collect();
    assert_eq!((files.len(), report.files), (live.len(), live.len() as u64));
    // A folder has the name that the file of another one would have.
    let renamed = |folder: &str| match folder {
        "Inbox" => "Inbox (2).mbox".to_owned(),
        folder => format!("{folder}.mbox"),
    };
    assert_eq!(files, live.keys().map(|folder| renamed(folder)).collect());
    assert!(files.contains("Inbox/Inner.mbox") && files.contains("Inbox.mbox.mbox"), "{files:?}");
    for (folder, messages) in &live {
        let Some(mut found) = mbox(&path.join(renamed(folder))) else { return };
        for (separator, _) in &found {
            let (from, date) = separator[5..].split_once(' ').unwrap();
            assert!(separator.starts_with("From ") && !from.is_empty(), "{separator}");
            let date = jiff::fmt::strtime::parse("%a %b %e %H:%M:%S %Y", date).unwrap();
            assert!(date.to_datetime().is_ok(), "{separator}");
        }
        found.sort_by(|a, b| a.1.cmp(&b.1));
        let mut messages: Vec<Vec<u8>> = messages.iter().map(|mime| with_lf(mime)).collect();
        messages.sort();
        let texts = |all: &[Vec<u8>]| -> Vec<String> { all.iter().map(|m| told(m)).collect() };
        let found: Vec<Vec<u8>> = found.into_iter().map(|(_, text)| text).collect();
        assert_eq!(texts(&found), texts(&messages), "{folder}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn python_unpacks_the_zip_to_the_folder_tree() {
    let (t, upn) = context(40).await;
    t.tenant().folder_create(&upn, None, "Überblick 日本").unwrap();
    let folder = t.tenant().folder_by_path(&upn, &["Überblick 日本"]).unwrap();
    let large = format!("Subject: large\r\n\r\n{}", "0123456789 large\r\n".repeat(200_000));
    t.tenant().deliver(&upn, &folder, large.as_bytes()).unwrap();
    t.backup().await;
    let (files, dir) = exported(&t, &upn, Format::Files).await;
    let (report, zip) = exported(&t, &upn, Format::Zip).await;
    let counts = |r: &ExportReport| (r.items_exported, r.bytes, r.files);
    assert_eq!(counts(&report), counts(&files));
    let mut piped = Vec::new();
    let target = Target::Stream(&mut piped);
    let request = request(&upn, Format::Zip);
    let report = export(&t.home, &request, target, &Progress::default()).await.unwrap();
    assert_eq!((counts(&report), report.out.as_str()), (counts(&files), "-"));
    assert!(piped == fs::read(&zip).unwrap(), "a pipe gets the same");
    assert!((piped.len() as u64) < report.bytes / 3, "{} bytes", piped.len());
    let Some(listed) = unzipped(&zip, &t.scratch("unzipped")) else { return };
    assert!(tree(&t.scratch("unzipped")) == tree(&dir));
    assert_eq!(listed.len() as u64, report.files);
    for line in listed {
        let (date, path) = line.split_once(' ').unwrap();
        let file = path.rsplit_once('/').unwrap().1;
        // Pairs of seconds.
        assert_eq!(file[..14], date[..14], "{line}");
        let second = |text: &str| text[13..15].parse::<u8>().unwrap();
        assert_eq!(second(file) / 2, second(date) / 2, "{line}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_is_there_is_left_alone() {
    let (t, upn) = context(5).await;
    t.backup().await;
    let dir = t.scratch("papers");
    fs::create_dir(&dir).unwrap();
    fs::write(dir.join("letter.txt"), "mine").unwrap();
    let file = dir.join("letter.txt");
    for format in [Format::Eml, Format::Mbox] {
        let error = to(&t, &request(&upn, format), &dir).await.unwrap_err();
        assert_eq!(error.exit(), Exit::Usage);
        assert!(error.to_string().contains("is not empty"), "{error}");
        let error = to(&t, &request(&upn, format), &file.join("below")).await.unwrap_err();
        assert!(matches!(error, Error::File { .. }), "{error:?}");
    }
    let zip = request(&upn, Format::Zip);
    let error = to(&t, &zip, &file).await.unwrap_err();
    assert!(error.exit() == Exit::Usage && error.to_string().contains("there already"), "{error}");
    std::os::unix::fs::symlink(t.scratch("elsewhere"), dir.join("link")).unwrap();
    let error = to(&t, &zip, &dir.join("link")).await.unwrap_err();
    assert_eq!(error.exit(), Exit::Usage);
    assert!(to(&t, &zip, &dir.join("no/where.zip")).await.is_err());
    let mut stream = Vec::new();
    let target = Target::Stream(&mut stream);
    let piped = export(&t.home, &request(&upn, Format::Mbox), target, &Progress::default()).await;
    assert_eq!(piped.unwrap_err().exit(), Exit::Usage);
    let left: Vec<String> = fs::read_dir(&dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(left.len(), 2, "{left:?}");
    assert_eq!(fs::read(&file).unwrap(), b"mine");
    assert!(!t.scratch("elsewhere").exists());
    // An empty folder is taken.
    fs::create_dir(t.scratch("empty")).unwrap();
    let report = to(&t, &request(&upn, Format::Eml), &t.scratch("empty")).await.unwrap();
    assert_eq!(report.items_exported, 5);
}

/// Takes so many bytes, like a disk that is full then.
struct Full(usize);

impl Write for Full {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0 == 0 {
            return Err(io::Error::from(io::ErrorKind::StorageFull));
        }
        let taken = bytes.len().min(self.0);
        self.0 -= taken;
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_takes_no_more_ends_the_export() {
    let (t, upn) = context(20).await;
    t.backup().await;
    for room in [0, 10, 5_000] {
        let mut full = Full(room);
        let target = Target::Stream(&mut full);
        let request = request(&upn, Format::Zip);
        let error = export(&t.home, &request, target, &Progress::default()).await.unwrap_err();
        let Error::File { source, .. } = &error else { panic!("{error:?}") };
        assert_eq!(source.kind(), io::ErrorKind::StorageFull);
        assert!(error.to_string().contains("standard output"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_message_is_told_and_the_rest_is_exported() {
    let (mut t, upn) = context(40).await;
    t.backup().await;
    let live: Vec<Vec<u8>> = live(&t, &upn).into_values().flatten().collect();
    let packs = tree(&t.vault_dir().join("shards/1/data"));
    let (pack, bytes) = packs.iter().max_by_key(|(_, bytes)| bytes.len()).unwrap();
    let mut bytes = bytes.clone();
    bytes[1000] ^= 0x10;
    fs::write(t.vault_dir().join("shards/1/data").join(pack), bytes).unwrap();
    t.reopen().await;
    for format in [Format::Eml, Format::Mbox, Format::Zip] {
        let (report, path) = exported(&t, &upn, format).await;
        assert_eq!(report.outcome, Outcome::Partial);
        let failed: Vec<&Problem> =
            report.problems.iter().filter(|p| p.kind == ProblemKind::Failed).collect();
        assert!(!failed.is_empty() && failed.iter().all(|p| p.path.ends_with(".eml")));
        assert_eq!(report.items_failed, failed.len() as u64);
        assert_eq!((report.items_exported + report.items_failed) as usize, live.len());
        let path = match format {
            Format::Zip if unzipped(&path, &t.scratch("unzipped")).is_some() => {
                t.scratch("unzipped")
            }
            Format::Zip => continue,
            _ => path,
        };
        if format != Format::Mbox {
            let tree = tree(&path);
            assert_eq!(tree.len() as u64, report.items_exported);
            assert!(tree.values().all(|bytes| live.contains(bytes)), "wrong bytes");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_without_mime_is_exported_as_json() {
    let (t, upn) = context(6).await;
    let folder = t.tenant().folders(&upn).unwrap().into_iter().find(|f| f.messages > 1).unwrap();
    let id = t.tenant().messages(&upn, &folder.id).unwrap().remove(0).id;
    let fault = Fault::always(FaultKind::MimeConversionFailed, &format!("{id}/$value"));
    t.tenant().faults().inject(fault);
    t.backup().await;
    for format in [Format::Eml, Format::Mbox] {
        let (report, path) = exported(&t, &upn, format).await;
        assert_eq!((report.outcome, report.items_exported), (Outcome::Complete, 6));
        let [problem] = report.problems.as_slice() else { panic!("{:#?}", report.problems) };
        assert_eq!(problem.kind, ProblemKind::NoMime);
        let tree = tree(&path);
        let json: Vec<&String> = tree.keys().filter(|path| path.ends_with(".json")).collect();
        assert_eq!(json.len(), 1);
        assert!(
            json[0].starts_with(&folder.path.join("/")) && problem.detail.ends_with(json[0]),
            "{problem:?}"
        );
        let message: serde_json::Value = serde_json::from_slice(&tree[json[0]]).unwrap();
        assert_eq!(message["id"], id);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_folder_is_told_and_the_others_are_exported() {
    let (t, upn) = with_damaged_folders().await;
    let (report, path) = exported(&t, &upn, Format::Eml).await;
    assert_eq!((report.outcome, report.items_exported), (Outcome::Partial, 1));
    assert_eq!(report.items_failed, report.problems.len() as u64);
    let inbox = report.problems.iter().find(|problem| problem.path == "Inbox/").unwrap();
    assert_eq!(inbox.kind, ProblemKind::Failed, "{report:#?}");
    let names: Vec<String> = tree(&path).into_keys().collect();
    assert!(matches!(names.as_slice(), [one] if one.starts_with("Later/")), "{names:?}");
}
