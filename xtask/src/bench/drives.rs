//! `cargo xtask bench drives`: OneDrive through the engine, against the simulated tenant over
//! HTTPS, and stock restic on the same files in a folder.
//!
//! The tenant is a process, each backup another one (`child`): this program, built for release,
//! on an installation that the product's command line made.

mod child;
mod content;
mod cost;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use serde_json::json;
use tempfile::TempDir;

use self::child::{Ids, SHARED, Share};
pub(crate) use self::child::{Task, run as run_child};
use self::cost::Cost;
use super::page::{self, Machine, Report, Section, Target, mb};
use super::process::{Measured, measure, middle, run as run_command};
use super::product::{Backup, Installation};
use super::rival::Restic;
use super::tenant::Tenant;
use super::{print, say};

/// The file with the ids of the tenant that runs.
const IDS: &str = "ids.json";
/// Files that change before an incremental.
const CHANGES: u64 = 1000;
/// Large files, and the size of each.
const LARGE: u64 = 4;
const LARGE_BYTES: u64 = 500_000_000;
/// How often the connection breaks in the largest file.
const BREAKS: u64 = 5;
/// Files of the backup that has to wait for the budget.
const WAITING: u64 = 20_000;
/// What backups may use in a minute of the smallest tenant: of its 1,250 units the broker uses
/// 80 %, a tenth of which is kept for restores.
const BACKUP_UNITS: f64 = 900.0;
const TENANT_UNITS: f64 = 1_250.0;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    Small,
    Many,
    Large,
    Waiting,
}

/// How much is measured.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Scale {
    /// Measure this part alone
    #[arg(long, value_name = "PART", conflicts_with = "write")]
    only: Option<Part>,
    /// Small files in one OneDrive
    #[arg(long, default_value_t = 10_000, value_name = "N")]
    files: u64,
    /// Files of the backup of which the memory is a target; 0 leaves it out
    #[arg(long, default_value_t = 100_000, value_name = "N")]
    many: u64,
    /// Size of the file whose download breaks five times
    #[arg(long, default_value_t = 5, value_name = "GB")]
    large: u64,
    /// Runs of the first backup; the one with the median CPU time counts
    #[arg(long, default_value_t = 3, value_name = "N")]
    runs: usize,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
    /// Write the tables into docs/performance.md
    #[arg(long)]
    write: bool,
}

/// Measures and prints: a table, or one JSON document.
pub(crate) fn run(root: &Path, scale: Scale) -> Result<ExitCode> {
    let dir = tempfile::Builder::new().prefix("holdfast-bench-").tempdir()?;
    let copied = |built: PathBuf, name: &str| -> Result<PathBuf> {
        let copy = dir.path().join(name);
        fs::copy(built, &copy).context("cannot copy the binary")?;
        Ok(copy)
    };
    let holdfast = copied(super::build(root, &["--bin", "holdfast"], "holdfast")?, "holdfast")?;
    let xtask = copied(super::this_for_release(root)?, "xtask")?;
    let machine = Machine::here(&run_command(Command::new(&holdfast).arg("--version"))?)?;
    let Scale { files, many, large, runs, .. } = &scale;
    let options = format!("--files {files} --many {many} --large {large} --runs {runs}");
    let command = format!("cargo xtask bench drives {options}");
    let report = Report::new(machine, &command);
    let mut bench = Bench { holdfast, xtask, dir, scale, report, backups: 0 };
    for (part, measured) in Bench::PARTS {
        if bench.scale.only.is_none_or(|only| only == part) {
            measured(&mut bench)?;
        }
    }
    let text = bench.report.markdown();
    match bench.scale.json {
        true => print(&serde_json::to_string_pretty(&bench.report.json())?),
        false => print(&text),
    }
    if bench.scale.write {
        page::write(&root.join("docs/performance.md"), Section::Drives, &text)?;
    }
    Ok(ExitCode::SUCCESS)
}

struct Bench {
    holdfast: PathBuf,
    xtask: PathBuf,
    dir: TempDir,
    scale: Scale,
    report: Report,
    /// Backups so far: each has its clock some hours after the last one's.
    backups: u64,
}

/// A backup: what its process used, what it says, what it cost.
struct Done {
    used: Measured,
    backup: Backup,
    cost: Cost,
}

/// Carries out and reports one part.
type Measuring = fn(&mut Bench) -> Result<()>;

impl Bench {
    const PARTS: [(Part, Measuring); 4] = [
        (Part::Small, Self::small_files),
        (Part::Many, Self::many_files),
        (Part::Large, Self::large_files),
        (Part::Waiting, Self::waiting),
    ];

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// This program as a child that carries out a task.
    fn child(&self, dir: &Path, task: &[&str]) -> Command {
        let mut command = Command::new(&self.xtask);
        command.arg("bench-drives").arg(dir).args(task);
        command
    }

    fn tenant(&self, files: &Path, made: u64) -> Result<Tenant> {
        let mut command = self.child(files, &["tenant"]);
        command.arg(self.path(IDS)).arg(made.to_string());
        command.env("TMPDIR", self.dir.path());
        Tenant::run(command)
    }

    /// What there is in the drive of the tenant that was started last.
    fn ids(&self) -> Result<Ids> {
        Ok(serde_json::from_slice(&fs::read(self.path(IDS))?)?)
    }

    /// Adds a large file to its drive.
    fn add_made(&self, tenant: &Tenant, seed: u64, size: u64) -> Result<()> {
        let bytes = json!({"made": {"seed": seed, "size": size}});
        let name = format!("large {seed}.bin");
        let body = json!({"action": "file_add", "drive": self.ids()?.drive, "parent": "root",
                          "name": name, "bytes": bytes});
        tenant.control(Method::POST, "drives", &body).map(|_| ())
    }

    fn install(&self, name: &str, tenant: &Tenant) -> Result<Installation> {
        Installation::make(&self.holdfast, self.path(name), tenant)
    }

    fn back_up(&mut self, installation: &Installation, tenant: &Tenant) -> Result<Done> {
        self.backups += 1;
        let hours = (24 * self.backups).to_string();
        Cost::take(tenant)?;
        let command = self.child(installation.dir(), &["backup", &hours]);
        let used = measure(&command, self.dir.path())?;
        let backup: Backup = serde_json::from_str(&used.stdout).context("a report")?;
        ensure!(backup.items_failed == 0, "{} files failed", backup.items_failed);
        let cost = Cost::take(tenant)?;
        let (told, counted) = (backup.resource_units, cost.units());
        // The client may fear more (a page of an enumeration by its link), never less.
        ensure!(told >= counted, "{told} units told, {counted} counted by the tenant");
        Ok(Done { used, backup, cost })
    }

    /// Many small files, then changes, then a folder that moves.
    fn small_files(&mut self) -> Result<()> {
        let (count, files) = (self.scale.files, self.path("files"));
        let bytes = content::write(&files, count)?;
        let tenant = self.tenant(&files, 0)?;
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        let mut kept: Option<(Installation, Restic)> = None;
        for number in 1..=self.scale.runs.max(1) {
            say(&format!("first backup of {count} files, run {number}"));
            if let Some((installation, restic)) = kept.take() {
                installation.remove()?;
                restic.remove()?;
            }
            let installation = self.install("small", &tenant)?;
            let done = self.back_up(&installation, &tenant)?;
            ensure!(done.backup.items_new == count, "{} files stored", done.backup.items_new);
            if number == 1 {
                self.report_cost(count, &done);
            }
            ours.push(done.used);
            let restic = Restic::init(self.path("restic"))?;
            theirs.push(restic.back_up(&files)?);
            kept = Some((installation, restic));
        }
        self.report_first(count, bytes, &middle(ours), &middle(theirs));
        let (installation, restic) = kept.context("there was a run")?;
        self.changes(&tenant, &installation, &restic, &files)?;
        self.move_of_all(&tenant, &installation, &restic, &files)?;
        installation.remove()?;
        restic.remove()?;
        Ok(fs::remove_dir_all(files)?)
    }

    fn report_cost(&mut self, count: u64, done: &Done) {
        let (cost, files) = (&done.cost, count as f64);
        let each = cost.files as f64 / files;
        let work = "resource units per new file, content and metadata";
        self.report.name("units_per_file", each);
        self.report.row(
            work,
            &format!("{each:.3} ({} for {count} files)", cost.files),
            "–",
            Target::at_most(each, 1.1, "1.1"),
        );
        let all = cost.units() as f64 / files;
        let work = format!("the same with all else, {} files shared", count as usize / SHARED);
        let told = done.backup.resource_units;
        let beyond = format!("{all:.3}: {} (the client counted {told} in all)", cost.beyond());
        self.report.row(&work, &beyond, "–", Target::without(all));
        let requests = cost.requests as f64 / files;
        self.report.row(
            "requests per new file",
            &format!("{requests:.3} to Graph, {:.3} downloads", cost.downloads as f64 / files),
            "–",
            Target::without((cost.requests + cost.downloads) as f64 / files),
        );
    }

    fn report_first(&mut self, count: u64, bytes: u64, ours: &Measured, restic: &Measured) {
        let work = format!("first backup, {count} files of 4 to 40 KB, {}", mb(bytes));
        self.report.used(&format!("{work}: Holdfast"), ours);
        self.report.used(&format!("{work}: restic"), restic);
        let ratio = ours.cpu / restic.cpu;
        self.report.name("cpu_ratio_vs_restic", ratio);
        let cpu = |used: &Measured| format!("{:.2} CPU-s", used.cpu);
        let target = Target::at_most(ratio, 0.5, "0.5 × restic");
        self.report.row(&work, &cpu(ours), &cpu(restic), target);
        let speed = |used: &Measured| count as f64 / used.wall;
        self.report.row(
            "files a second, without the waits for the budget",
            &format!("{:.0}", speed(ours)),
            &format!("{:.0}", speed(restic)),
            Target::without(speed(ours)),
        );
        self.report.row(
            &format!("memory, first backup of {count} files"),
            &format!("{:.0} MB", ours.peak),
            &format!("{:.0} MB", restic.peak),
            Target::at_most(ours.peak, 300.0, "300 MB"),
        );
    }

    /// New content for some of the files, evenly spread.
    fn changes(
        &mut self,
        tenant: &Tenant,
        installation: &Installation,
        restic: &Restic,
        files: &Path,
    ) -> Result<()> {
        let (count, changes) = (self.scale.files, CHANGES.min(self.scale.files));
        say(&format!("{changes} changes in {count} files"));
        let Ids { drive, items } = self.ids()?;
        let step = count / changes;
        for change in 0..changes {
            let number = change * step;
            let path = content::path(number);
            let bytes = content::bytes(number, 1);
            let item = &items[&path];
            let made = json!({"base64": STANDARD.encode(&bytes)});
            let body =
                json!({"action": "file_replace", "drive": drive, "item": item, "bytes": made});
            tenant.control(Method::POST, "drives", &body)?;
            fs::write(files.join(path), bytes)?;
        }
        let done = self.back_up(installation, tenant)?;
        ensure!(done.backup.items_changed == changes, "{} changed", done.backup.items_changed);
        let work = format!("incremental, {changes} changes in {count} files");
        self.compare(&work, &done, &restic.back_up(files)?);
        let each = done.cost.files as f64 / changes as f64;
        self.report.row(
            "resource units per changed file, content and metadata",
            &format!("{each:.3}; {} downloads; {}", done.cost.downloads, done.cost.beyond()),
            "–",
            Target::at_most(each, 1.1, "1.1"),
        );
        Ok(())
    }

    /// The folder of all files goes into another one.
    fn move_of_all(
        &mut self,
        tenant: &Tenant,
        installation: &Installation,
        restic: &Restic,
        files: &Path,
    ) -> Result<()> {
        let count = self.scale.files;
        say(&format!("a folder of {count} files moves"));
        let Ids { drive, items } = self.ids()?;
        let add = json!({"action": "folder_add", "drive": drive, "parent": "root", "name": "Past"});
        let made = tenant.control(Method::POST, "drives", &add)?;
        let (item, parent) = (&items[Path::new(content::TOP)], &made["id"]);
        let body = json!({"action": "move", "drive": drive, "item": item, "parent": parent});
        tenant.control(Method::POST, "drives", &body)?;
        fs::create_dir(files.join("Past"))?;
        fs::rename(files.join(content::TOP), files.join("Past").join(content::TOP))?;
        let done = self.back_up(installation, tenant)?;
        let work = format!("a folder of {count} files moved");
        self.compare(&work, &done, &restic.back_up(files)?);
        let downloads = done.cost.downloads;
        self.report.row(
            "downloads for it",
            &format!("{downloads}; {} requests, {} units", done.cost.requests, done.cost.units()),
            "–",
            Target::at_most(downloads as f64, 0.0, "0"),
        );
        Ok(())
    }

    fn compare(&mut self, work: &str, done: &Done, restic: &Measured) {
        self.report.used(&format!("{work}: Holdfast"), &done.used);
        self.report.used(&format!("{work}: restic"), restic);
        let target = Target::at_most(done.used.cpu / restic.cpu, 0.4, "0.4 × restic");
        let cpu = |used: &Measured| format!("{:.2} CPU-s", used.cpu);
        self.report.row(work, &cpu(&done.used), &cpu(restic), target);
    }

    /// Memory where the files are many.
    fn many_files(&mut self) -> Result<()> {
        let count = self.scale.many;
        if count == 0 {
            return Ok(());
        }
        say(&format!("first backup of {count} files of 4 KB"));
        let empty = self.path("nothing");
        fs::create_dir_all(&empty)?;
        let tenant = self.tenant(&empty, count)?;
        let installation = self.install("many", &tenant)?;
        let done = self.back_up(&installation, &tenant)?;
        ensure!(done.backup.items_new == count, "{} files stored", done.backup.items_new);
        let work = format!("first backup, {count} files of 4 KB");
        self.report.used(&work, &done.used);
        self.report.row(
            &format!("memory, {work}"),
            &format!("{:.0} MB", done.used.peak),
            "–",
            Target::at_most(done.used.peak, 300.0, "300 MB"),
        );
        installation.remove()
    }

    /// Few large files, then a larger one on a line that breaks. The vault has its shard by then:
    /// what deriving its key takes (128 MB) is not theirs.
    fn large_files(&mut self) -> Result<()> {
        let empty = self.path("nothing");
        fs::create_dir_all(&empty)?;
        let tenant = self.tenant(&empty, 1)?;
        let installation = self.install("large", &tenant)?;
        self.back_up(&installation, &tenant)?;
        (0..LARGE).try_for_each(|seed| self.add_made(&tenant, 1 + seed, LARGE_BYTES))?;
        let work = format!("{LARGE} files of {}", mb(LARGE_BYTES));
        let done = self.large(&work, LARGE * LARGE_BYTES, &installation, &tenant)?;
        ensure!(done.cost.downloads == LARGE, "{} downloads", done.cost.downloads);

        let size = self.scale.large * 1_000_000_000;
        self.add_made(&tenant, 1 + LARGE, size)?;
        let fault = json!({"kind": {"broken_after": size / (BREAKS + 2)}, "times": BREAKS});
        tenant.control(Method::POST, "faults", &fault)?;
        let work = format!("a file of {} GB, the line cut {BREAKS} times", self.scale.large);
        let done = self.large(&work, size, &installation, &tenant)?;
        let (struck, asked) = (tenant.get("faults")?["struck"].clone(), done.cost.downloads);
        ensure!(struck == BREAKS && asked == BREAKS + 1, "{struck} breaks, {asked} downloads");
        installation.remove()
    }

    fn large(
        &mut self,
        work: &str,
        bytes: u64,
        installation: &Installation,
        tenant: &Tenant,
    ) -> Result<Done> {
        say(work);
        let done = self.back_up(installation, tenant)?;
        ensure!(done.backup.bytes == bytes, "{} of {bytes} bytes stored", done.backup.bytes);
        self.report.used(work, &done.used);
        let speed = bytes as f64 / 1e6 / done.used.wall;
        let cost = &done.cost;
        self.report.row(
            &format!("{work}: speed"),
            &format!(
                "{speed:.0} MB/s, {:.2} CPU-s, {} downloads, {} units",
                done.used.cpu,
                cost.downloads,
                cost.units()
            ),
            "–",
            Target::without(speed),
        );
        self.report.row(
            &format!("{work}: memory"),
            &format!("{:.0} MB", done.used.peak),
            "–",
            Target::at_most(done.used.peak, 100.0, "100 MB"),
        );
        Ok(done)
    }

    /// How a backup that has to wait uses what the service allows.
    fn waiting(&mut self) -> Result<()> {
        say(&format!("{WAITING} files within the limits of the service"));
        let task = self.child(self.dir.path(), &["share", &WAITING.to_string()]);
        let used = measure(&task, self.dir.path())?;
        let share: Share = serde_json::from_str(&used.stdout).context("figures of the budget")?;
        let minutes = share.seconds as f64 / 60.0;
        let of_budget = share.units as f64 / minutes / BACKUP_UNITS;
        let of_tenant = share.units as f64 / minutes / TENANT_UNITS;
        let words = format!(
            "{:.1} %; {:.1} % of the tenant's 1,250 units; {:.1} virtual minutes",
            of_budget * 100.0,
            of_tenant * 100.0,
            minutes
        );
        let work = format!("budget used while {WAITING} files wait (900 units a minute)");
        self.report.row(&work, &words, "–", Target::between(of_budget, 0.95, 1.05, "0.95 to 1.05"));
        let throttled = share.throttled as f64 / share.requests as f64 * 100.0;
        self.report.row(
            "requests throttled meanwhile",
            &format!("{} of {}, {} units", share.throttled, share.requests, share.all_units),
            "–",
            Target::at_most(throttled, 1.0, "1 %"),
        );
        Ok(())
    }
}
