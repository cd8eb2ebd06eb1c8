//! `cargo xtask bench ingest` and `bench vault`: the vault alone, without Graph, catalog and
//! network, against stock restic (and borg, where it is installed) over the same bytes as files.
//!
//! Each measurement is a process of its own (`child`): this program, built for release.

mod child;
mod source;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};
use tempfile::TempDir;

pub(crate) use self::child::Task;
use self::child::{Reads, Round};
use self::source::{Kind, Source};
use super::numbers::Numbers;
use super::page::{self, Machine, Report, Section, Target, mb};
use super::process::{Measured, mean, middle, run as run_command};
use super::rival::{Borg, Restic};
use super::{files, print, say};

/// Rounds of changes; their mean counts, since one alone is a few ticks of the kernel's clock.
const ROUNDS: u64 = 3;
/// Changes before an incremental.
const CHANGES: u64 = 1000;
/// Size of one large file.
const FILE_BYTES: u64 = 250_000_000;
/// Single items that are read.
const READS: u64 = 1000;
/// Level of zstd that the writer uses unless told otherwise.
const LEVEL: &str = "1";

/// How much is measured.
#[derive(Clone, Debug)]
pub(crate) struct Scale {
    /// Sets of small items; the largest one is changed and read too.
    pub(crate) items: Vec<u64>,
    /// Items of the set with shared attachments.
    pub(crate) shared: u64,
    /// Large files.
    pub(crate) files: u64,
    /// Runs of each first backup; the one with the median CPU time counts.
    pub(crate) runs: usize,
    /// Whether borg is measured too, where it is installed.
    pub(crate) borg: bool,
    /// Whether the page is written.
    pub(crate) write: bool,
}

/// Measures and prints: a table, or one JSON document.
pub(crate) fn run(root: &Path, scale: Scale, json: bool, command: &str) -> Result<ExitCode> {
    let dir = tempfile::Builder::new().prefix("holdfast-bench-").tempdir()?;
    let binary = dir.path().join("xtask");
    fs::copy(super::this_for_release(root)?, &binary)?;
    let machine = Machine::here(&format!("holdfast-vault {}", env!("CARGO_PKG_VERSION")))?;
    let mut bench = Bench { binary, dir, scale, report: Report::new(machine, command) };
    bench.whole()?;
    let text = bench.report.markdown();
    if json {
        print(&serde_json::to_string_pretty(&bench.report.json())?);
    } else {
        print(&text);
    }
    if bench.scale.write {
        page::write(&root.join("docs/performance.md"), Section::Vault, &text)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Runs as a child and prints what the task gives.
pub(crate) fn run_child(dir: &Path, task: Task) -> Result<ExitCode> {
    if let Some(text) = child::run(dir, task)? {
        print(&text);
    }
    Ok(ExitCode::SUCCESS)
}

struct Bench {
    binary: PathBuf,
    dir: TempDir,
    scale: Scale,
    report: Report,
}

/// A first backup by each side, what it used and stored.
struct First {
    ours: Measured,
    restic: Measured,
    stored: [u64; 2],
    repository: Restic,
}

impl Bench {
    fn whole(&mut self) -> Result<()> {
        let mut incrementals = Vec::new();
        for (at, items) in self.scale.items.clone().into_iter().enumerate() {
            let is_last = at + 1 == self.scale.items.len();
            incrementals.push((items, self.small(items, is_last)?));
        }
        self.compare_incrementals(&incrementals);
        if self.scale.shared > 0 {
            self.shared()?;
        }
        if self.scale.files > 0 {
            self.large_files()?;
        }
        Ok(())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A process of ours that works on the vault in the folder `vault`.
    fn child(&self, arguments: &[&str]) -> Result<Measured> {
        let mut command = Command::new(&self.binary);
        command.arg("bench-child").arg(self.path("vault")).args(arguments);
        super::process::measure(&command, self.dir.path())
    }

    fn make_vault(&self) -> Result<()> {
        let dir = self.path("vault");
        if dir.exists() {
            fs::remove_dir_all(&dir)?;
        }
        fs::create_dir_all(&dir)?;
        self.child(&["make"]).map(|_| ())
    }

    fn stored(&self) -> Result<u64> {
        Ok(files::size(&self.path("vault/vault/shards/1"))?.1)
    }

    /// First backups of a set by both sides, in turn; both repositories stay.
    fn first(&mut self, kind: Kind, items: u64, files: &Path) -> Result<First> {
        let (mut ours, mut restic, mut last) = (Vec::new(), Vec::new(), None);
        let word = word(kind);
        for number in 0..self.scale.runs {
            say(&format!("{items} {word} items, run {}", number + 1));
            self.make_vault()?;
            ours.push(self.child(&["ingest", word, &items.to_string(), LEVEL])?);
            if let Some(old) = Option::take(&mut last) {
                Restic::remove(old)?;
            }
            let repository = Restic::init(self.path("restic"))?;
            restic.push(repository.back_up(files)?);
            last = Some(repository);
        }
        let repository = last.context("at least one run")?;
        let stored = [self.stored()?, repository.stored()?.1];
        Ok(First { ours: middle(ours), restic: middle(restic), stored, repository })
    }

    /// Everything about one set of small items; gives the cost of changes to both sides.
    fn small(&mut self, items: u64, is_last: bool) -> Result<[Measured; 2]> {
        let source = Source::new(Kind::Small);
        let files = self.path("files");
        let bytes = write_files(&source, items, &files)?;
        let first = self.first(Kind::Small, items, &files)?;
        let work = format!("first backup, {items} small items, {}", mb(bytes));
        self.report_first(&work, &first, is_last);
        if is_last {
            self.bare(Kind::Small, items, &first)?;
            self.memory(items, &first);
        }
        if self.scale.borg && items <= 100_000 {
            self.borg(&work, &files)?;
        }
        if is_last {
            self.reads(items)?;
        }
        let cost = self.changes(items, &source, &files, &first.repository)?;
        first.repository.remove()?;
        fs::remove_dir_all(files)?;
        Ok(cost)
    }

    fn report_first(&mut self, work: &str, first: &First, is_named: bool) {
        let ratio = first.ours.cpu / first.restic.cpu;
        self.report.used(&format!("{work}: Holdfast"), &first.ours);
        self.report.used(&format!("{work}: restic"), &first.restic);
        let side = |used: &Measured, at: usize| {
            format!("{:.2} CPU-s, {} stored", used.cpu, mb(first.stored[at]))
        };
        let (ours, restic) = (side(&first.ours, 0), side(&first.restic, 1));
        self.report.row(work, &ours, &restic, Target::at_most(ratio, 0.5, "0.5 × restic"));
        if is_named {
            self.report.name("cpu_ratio_vs_restic", ratio);
        }
    }

    /// The primitives alone, and the source alone.
    fn bare(&mut self, kind: Kind, items: u64, first: &First) -> Result<()> {
        let (word, items) = (word(kind), items.to_string());
        let runs = |arguments: &[&str]| -> Result<Measured> {
            let runs = (0..self.scale.runs).map(|_| self.child(arguments));
            Ok(middle(runs.collect::<Result<_>>()?))
        };
        let bare = runs(&["bare", word, &items, LEVEL])?;
        let source = runs(&["source", word, &items])?;
        self.report.used(&format!("bare SHA-256 + zstd-{LEVEL} + AES of them"), &bare);
        self.report.used("making the items, part of Holdfast's and of the bare figure", &source);
        let ratio = (first.ours.cpu - source.cpu) / (bare.cpu - source.cpu);
        self.report.row(
            &format!("the same against bare SHA-256 + zstd-{LEVEL} + AES"),
            &format!("{:.2} CPU-s", first.ours.cpu - source.cpu),
            &format!("bare: {:.2} CPU-s", bare.cpu - source.cpu),
            Target::at_most(ratio, 1.6, "1.6 × bare"),
        );
        self.report.name("cpu_ratio_vs_bare", ratio);
        Ok(())
    }

    fn memory(&mut self, items: u64, first: &First) {
        let peak = first.ours.peak;
        let target = match items <= 100_000 {
            true => Target::at_most(peak, 300.0, "300 MB at 100,000 items"),
            false => Target::none(peak, "300 MB at 100,000 items"),
        };
        self.report.row(
            &format!("memory of that backup, {items} items"),
            &format!("{peak:.0} MB"),
            &format!("{:.0} MB", first.restic.peak),
            target,
        );
    }

    fn borg(&mut self, work: &str, files: &Path) -> Result<()> {
        let dir = self.path("borg");
        let Some(mut borg) = Borg::init(dir.clone())? else { return Ok(()) };
        let used = borg.back_up(files)?;
        let stored = mb(borg.stored()?.1);
        self.report.used(&format!("{work}: borg (zstd-3), {stored} stored"), &used);
        Ok(fs::remove_dir_all(dir)?)
    }

    /// Rounds of changes, on the vault and on the files.
    fn changes(
        &self,
        items: u64,
        source: &Source,
        files: &Path,
        repository: &Restic,
    ) -> Result<[Measured; 2]> {
        let (mut ours, mut restic) = (Vec::new(), Vec::new());
        for number in 0..ROUNDS {
            say(&format!("{CHANGES} changes in {items} items, round {}", number + 1));
            let arguments = [items, CHANGES, number].map(|number| number.to_string());
            ours.push(self.child(&["change", &arguments[0], &arguments[1], &arguments[2]])?);
            change_files(source, &Round::new(items, CHANGES, number), files)?;
            restic.push(repository.back_up(files)?);
        }
        Ok([mean(&ours), mean(&restic)])
    }

    fn compare_incrementals(&mut self, sets: &[(u64, [Measured; 2])]) {
        for (items, [ours, restic]) in sets {
            self.report.used(&format!("incremental in {items} items: Holdfast"), ours);
            self.report.used(&format!("incremental in {items} items: restic"), restic);
            self.report.row(
                &format!("incremental, {CHANGES} changes in {items} items"),
                &format!("{:.3} CPU-s", ours.cpu),
                &format!("{:.3} CPU-s", restic.cpu),
                Target::at_most(ours.cpu / restic.cpu, 0.4, "0.4 × restic"),
            );
        }
        let Some((few, [least, least_of_restic])) = sets.first() else { return };
        for (items, [ours, restic]) in &sets[1..] {
            let share = ours.cpu / least.cpu;
            self.report.row(
                &format!("{CHANGES} changes in {items} items against {few}"),
                &format!("{share:.2} × the CPU"),
                &format!("{:.2} × the CPU", restic.cpu / least_of_restic.cpu),
                Target::between(share, 0.7, 1.3, "0.7 to 1.3 ×"),
            );
        }
    }

    fn reads(&mut self, items: u64) -> Result<()> {
        let used = self.child(&["read", &items.to_string(), &READS.to_string()])?;
        let reads: Reads = serde_json::from_str(&used.stdout)?;
        let target = Target::at_most(reads.one_ms, 5.0, "5 ms");
        let ours = format!("{:.2} ms", reads.one_ms);
        let cpu = reads.all_cpu_ms;
        self.report.row(&format!("one item by path, of {items}"), &ours, "–", target);
        let target = Target::at_most(reads.all_ms, 150.0, "150 ms");
        let ours = format!("{:.0} ms, {cpu:.0} ms of CPU", reads.all_ms);
        self.report.row(&format!("{READS} random items of {items}"), &ours, "–", target);
        // In a small set the memory for reading the files of the index is most of it.
        let target = match reads.blobs >= 1_000_000 {
            true => Target::at_most(reads.index_bytes, 50.0, "50 bytes"),
            false => Target::none(reads.index_bytes, "50 bytes at a million blobs"),
        };
        let ours = format!("{:.0} bytes, {:.0} ms to open", reads.index_bytes, reads.open_ms);
        let work = format!("memory for each of {} known blobs", reads.blobs);
        self.report.row(&work, &ours, "–", target);
        Ok(())
    }

    /// Mail in which 30 % of the messages carry one of 50 attachments.
    fn shared(&mut self) -> Result<()> {
        let (items, files) = (self.scale.shared, self.path("files"));
        let source = Source::new(Kind::Shared);
        let bytes = write_files(&source, items, &files)?;
        let first = self.first(Kind::Shared, items, &files)?;
        let share = super::mix::Mix::of(&files)?.shared_percent();
        let work = format!(
            "first backup, {items} messages of which 30 % carry one of 50 attachments, {}",
            mb(bytes)
        );
        self.report_first(&work, &first, false);
        let ratio = first.stored[0] as f64 / first.stored[1] as f64;
        self.report.row(
            &format!("storage of them, {share:.0} % of the bytes in shared attachments"),
            &mb(first.stored[0]),
            &mb(first.stored[1]),
            Target::at_most(ratio, 0.6, "0.6 × restic"),
        );
        if self.scale.borg {
            self.borg(&work, &files)?;
        }
        first.repository.remove()?;
        Ok(fs::remove_dir_all(files)?)
    }

    /// Large files as streams: two in five parts are text, the others noise.
    fn large_files(&mut self) -> Result<()> {
        let files = self.path("large");
        write_large(&files, self.scale.files)?;
        let bytes = files::size(&files)?.1;
        let from = files.to_str().context("the folder is UTF-8")?;
        let (mut ours, mut restic) = (Vec::new(), Vec::new());
        for number in 0..self.scale.runs.min(2) {
            say(&format!("{} of large files, run {}", mb(bytes), number + 1));
            self.make_vault()?;
            ours.push(self.child(&["files", from])?);
            let repository = Restic::init(self.path("restic"))?;
            restic.push(repository.back_up(&files)?);
            repository.remove()?;
        }
        let (ours, restic) = (middle(ours), middle(restic));
        let work = format!("first backup, {} large files, {}", self.scale.files, mb(bytes));
        self.report.used(&format!("{work}: Holdfast"), &ours);
        self.report.used(&format!("{work}: restic"), &restic);
        let cpu = |used: &Measured| format!("{:.2} CPU-s, {:.0} MB of memory", used.cpu, used.peak);
        let target = Target::without(ours.cpu / restic.cpu);
        self.report.row(&work, &cpu(&ours), &cpu(&restic), target);
        Ok(fs::remove_dir_all(files)?)
    }
}

fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::Small => "small",
        Kind::Shared => "shared",
    }
}

/// Writes a set as files; gives its bytes.
fn write_files(source: &Source, items: u64, dir: &Path) -> Result<u64> {
    say(&format!("writing {items} files for the rivals"));
    let mut bytes = 0;
    for number in 0..items {
        let content = source.content(number);
        bytes += content.len() as u64;
        write_file(&dir.join(source.place(number).path()), &content)?;
    }
    // What is still to be written would strike the first process that is measured.
    run_command(&mut Command::new("sync"))?;
    Ok(bytes)
}

fn write_file(path: &Path, content: &[u8]) -> Result<()> {
    let written = fs::write(path, content);
    if written.is_err() {
        fs::create_dir_all(path.parent().context("a file lies in a folder")?)?;
        fs::write(path, content)?;
    }
    Ok(())
}

/// Does to the files what the child does to the vault. A file knows no read state.
fn change_files(source: &Source, round: &Round, dir: &Path) -> Result<()> {
    for (number, mailbox) in round.delivered() {
        let mut place = source.new_place(number, mailbox);
        place.folder = "Inbox";
        write_file(&dir.join(place.path()), &source.content(number))?;
    }
    for number in round.moved() {
        let mut place = source.place(number);
        let old = dir.join(place.path());
        place.folder = "Archive";
        let new = dir.join(place.path());
        fs::create_dir_all(new.parent().context("a file lies in a folder")?)?;
        fs::rename(&old, &new).with_context(|| format!("cannot move {}", old.display()))?;
    }
    for number in round.deleted() {
        fs::remove_file(dir.join(source.place(number).path()))?;
    }
    Ok(())
}

/// Writes large files: blocks of 10 MB, two of each five of text, the others of noise.
fn write_large(dir: &Path, count: u64) -> Result<()> {
    const BLOCK: u64 = 10_000_000;
    say(&format!("writing {count} large files"));
    fs::create_dir_all(dir)?;
    let source = Source::new(Kind::Small);
    let mut number = 0;
    for file in 0..count {
        let mut out = std::io::BufWriter::new(fs::File::create(dir.join(format!("{file}.bin")))?);
        for block in 0..FILE_BYTES / BLOCK {
            let mut left = BLOCK;
            while block % 5 < 2 && left > 0 {
                number += 1;
                let text = source.content(number);
                let length = text.len().min(left as usize);
                out.write_all(&text[..length])?;
                left -= length as u64;
            }
            let mut numbers = Numbers::of(file << 32 | block);
            (0..left / 8).try_for_each(|_| out.write_all(&numbers.next().to_le_bytes()))?;
        }
        out.flush()?;
    }
    run_command(&mut Command::new("sync")).map(|_| ())
}
