//! The measurements, one function each. Each adds rows to the report.

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::time::Instant;

use anyhow::{Result, ensure};

use super::changes::{Changes, write_small};
use super::mix::Mix;
use super::page::{Target, mb};
use super::process::{Measured, median, middle, run};
use super::product::{Backup, Installation};
use super::rival::{self, Restic};
use super::tenant::Tenant;
use super::{Bench, say};

/// People, mail and ids of the simulated tenants.
const SEED: u64 = 7;

/// What one set of changes cost both sides.
struct Incremental {
    ours: Measured,
    requests: u64,
    /// Bytes by which the repositories grew.
    growth: [u64; 2],
    restic: Measured,
}

impl Bench {
    /// A tenant with mail alone: files have their own measurements (`bench drives`).
    fn tenant(&self, users: u64, mails: u64, more: &[&OsStr]) -> Result<Tenant> {
        say(&format!("a tenant of {users} people"));
        let numbers = [users.to_string(), mails.to_string(), SEED.to_string()];
        let names = ["--users", "--mails-per-user", "--seed"];
        let pairs = names.iter().zip(&numbers).flat_map(|(name, value)| [*name, value.as_str()]);
        let mail_alone = ["--files", "0", "--sites", "0"];
        let mut options: Vec<&OsStr> = pairs.chain(mail_alone).map(OsStr::new).collect();
        options.extend(more);
        Tenant::start(&self.binary, self.dir.path(), &options)
    }

    fn install(&self, name: &str, tenant: &Tenant) -> Result<Installation> {
        Installation::make(&self.binary, self.path(name), tenant)
    }

    /// How long the shortest commands take.
    pub(super) fn starts(&mut self) -> Result<()> {
        say("starts of commands");
        let tenant = self.tenant(2, 20, &[])?;
        let installation = self.install("starts", &tenant)?;
        installation.back_up()?;
        for arguments in [["--version"].as_slice(), &["snapshots", "--json"]] {
            let mut times = Vec::new();
            for _ in 0..self.scale.starts {
                let mut command = installation.command(arguments);
                let start = Instant::now();
                run(&mut command)?;
                times.push(start.elapsed().as_secs_f64() * 1000.0);
            }
            let least = times.iter().copied().fold(f64::INFINITY, f64::min);
            let middle = median(times);
            self.report.row(
                &format!("start: `holdfast {}`", arguments.join(" ")),
                &format!("{middle:.1} ms (least {least:.1})"),
                "–",
                Target::at_most(middle, 50.0, "50 ms"),
            );
        }
        installation.remove()
    }

    /// Requests where the service refuses `$expand` on message deltas.
    pub(super) fn requests(&mut self) -> Result<()> {
        let users = self.scale.mixed[0];
        let tenant = self.tenant(users, self.scale.counted, &[OsStr::new("--plain-deltas")])?;
        let installation = self.install("plain", &tenant)?;
        tenant.take_requests()?;
        let (_, backup) = installation.back_up()?;
        self.count_requests("refuses the properties", 2.1, &tenant, &backup)?;
        installation.remove()
    }

    fn count_requests(
        &mut self,
        when: &str,
        target: f64,
        tenant: &Tenant,
        backup: &Backup,
    ) -> Result<()> {
        let requests = tenant.take_requests()?;
        ensure!(requests.throttled == 0, "the backup was throttled: the figures would not count");
        ensure!(backup.items_failed == 0, "{} items failed", backup.items_failed);
        let each = requests.single() as f64 / backup.items_new as f64;
        self.report.row(
            &format!("requests per new message, the service {when}"),
            &format!(
                "{each:.3} beyond the pages ({} for {} messages, {} pages)",
                requests.single(),
                backup.items_new,
                requests.pages
            ),
            "–",
            Target::at_most(each, target, &format!("{target}")),
        );
        Ok(())
    }

    /// The first backup of mixed mail, its size, and a poll that finds nothing.
    pub(super) fn ingest(&mut self) -> Result<()> {
        let [users, mails] = self.scale.mixed;
        let tenant = self.tenant(users, mails, &[])?;
        let messages = self.path("mixed");
        let (mut ours, mut restic) = (Vec::new(), Vec::new());
        let (mut stored, mut stored_by_restic) = (0, 0);
        for number in 0..self.scale.runs {
            say(&format!("first backup of {users} × {mails} messages, run {}", number + 1));
            let installation = self.install("ingest", &tenant)?;
            tenant.take_requests()?;
            let (used, backup) = installation.back_up()?;
            ours.push(used);
            stored = installation.stored()?.1;
            if number == 0 {
                self.count_requests("gives the properties", 1.1, &tenant, &backup)?;
                self.idle(&tenant, &installation)?;
                rival::take_out(&installation.shard()?, self.dir.path(), &messages)?;
            }
            installation.remove()?;
            let repository = Restic::init(self.path("restic"))?;
            restic.push(repository.back_up(&messages)?);
            stored_by_restic = repository.stored()?.1;
            repository.remove()?;
        }
        let mix = Mix::of(&messages)?;
        let floors = (0..self.scale.runs).map(|_| rival::floor(&messages));
        let floor = median(floors.collect::<Result<Vec<f64>>>()?);
        self.report_ingest(&mix, &middle(ours), &middle(restic), floor);
        self.report_storage(&mix, stored, stored_by_restic);
        Ok(std::fs::remove_dir_all(messages)?)
    }

    fn report_ingest(&mut self, mix: &Mix, ours: &Measured, restic: &Measured, floor: f64) {
        let work = format!("first backup, {} mixed messages, {}", mix.messages, mb(mix.bytes));
        self.report.used(&format!("{work}: Holdfast"), ours);
        self.report.used(&format!("{work}: restic"), restic);
        let target = Target::at_most(ours.cpu / restic.cpu, 0.5, "0.5 × restic");
        let cpu = |used: &Measured| format!("{:.2} CPU-s", used.cpu);
        self.report.row(&work, &cpu(ours), &cpu(restic), target);
        self.report.row(
            "the same against bare SHA-256 + zstd-3 + AES",
            &cpu(ours),
            &format!("bare: {floor:.2} CPU-s"),
            Target::at_most(ours.cpu / floor, 1.6, "1.6 × bare"),
        );
    }

    fn report_storage(&mut self, mix: &Mix, ours: u64, restic: u64) {
        let shared = mix.shared_percent();
        let ratio = ours as f64 / restic as f64;
        let target = match shared >= 40.0 {
            true => Target::at_most(ratio, 0.6, "0.6 × restic"),
            false => Target::none(ratio, "0.6 × restic, at ≥ 40 % shared"),
        };
        self.report.row(
            &format!("storage, {shared:.0} % of the bytes in shared attachments"),
            &mb(ours),
            &mb(restic),
            target,
        );
        let copies = 100.0 * mix.copies as f64 / mix.bytes.max(1) as f64;
        self.report.note(&format!(
            "Mixed mail: {} people × {} messages of the simulated tenant's generator, seed {SEED}: \
             {} messages, {}, {:.1} KB on average; {copies:.0} % of the bytes are whole messages \
             that another mailbox has too; {shared:.0} % are base64 bodies of 16 KiB or more that \
             stand in at least two different messages.",
            self.scale.mixed[0],
            self.scale.mixed[1],
            mix.messages,
            mb(mix.bytes),
            mix.bytes as f64 / 1e3 / mix.messages.max(1) as f64,
        ));
    }

    /// A backup when nothing has changed.
    fn idle(&mut self, tenant: &Tenant, installation: &Installation) -> Result<()> {
        let (people, folders) = tenant.people()?;
        let (used, backup) = installation.back_up()?;
        let requests = tenant.take_requests()?;
        ensure!(backup.items_new + backup.items_changed == 0, "the tenant was not idle");
        // The messages of each folder are a delta container, and so are the folders of each
        // person, and the people.
        let containers = (folders + people.len() + 1) as f64;
        self.report.used(&format!("poll of {} idle mailboxes", people.len()), &used);
        self.report.row(
            &format!("requests of an idle poll, {} mailboxes, {folders} folders", people.len()),
            &format!(
                "{}, {:.2} for each container",
                requests.total,
                requests.total as f64 / containers
            ),
            "–",
            Target::at_most(requests.total as f64 / containers, 1.0, "1 for each delta container"),
        );
        Ok(())
    }

    /// Memory of a first backup and cost of changes, in a small and a large tenant.
    pub(super) fn incrementals(&mut self) -> Result<()> {
        let mut costs = Vec::new();
        for count in self.scale.small {
            costs.push((count, self.incremental(count)?));
        }
        let changes = self.scale.changes;
        for (count, cost) in &costs {
            let ratio = cost.ours.cpu / cost.restic.cpu;
            self.report.row(
                &format!("incremental, {changes} changes in {count} items"),
                &format!("{:.2} CPU-s, {} written", cost.ours.cpu, mb(cost.growth[0])),
                &format!("{:.2} CPU-s, {} written", cost.restic.cpu, mb(cost.growth[1])),
                Target::at_most(ratio, 0.4, "0.4 × restic"),
            );
        }
        let [(few, small), (many, large)] = &costs[..] else { return Ok(()) };
        let share = large.ours.cpu / small.ours.cpu;
        self.report.row(
            &format!("{changes} changes in {many} items against {few}"),
            &format!("{share:.2} × the CPU, {} and {} requests", large.requests, small.requests),
            &format!("{:.2} × the CPU", large.restic.cpu / small.restic.cpu),
            Target::between(share, 0.7, 1.3, "0.7 to 1.3 ×"),
        );
        Ok(())
    }

    fn incremental(&mut self, count: u64) -> Result<Incremental> {
        let messages = self.path("small");
        write_small(&messages, count)?;
        let options: [OsString; 2] = ["--corpus".into(), messages.clone().into()];
        let options: Vec<&OsStr> = options.iter().map(OsString::as_os_str).collect();
        let tenant = self.tenant(self.scale.mailboxes, 0, &options)?;
        let installation = self.install("incremental", &tenant)?;
        say(&format!("first backup of {count} small messages"));
        let first = self.first_small(count, &installation)?;
        let repository = Restic::init(self.path("restic"))?;
        let restic = repository.back_up(&messages)?;
        self.report.used(&format!("first backup of {count} small messages: Holdfast"), &first);
        self.report.used(&format!("first backup of {count} small messages: restic"), &restic);
        let cost = self.change_often(count, &tenant, &installation, &repository, &messages)?;
        self.report.used(&format!("incremental in {count} items: Holdfast"), &cost.ours);
        self.report.used(&format!("incremental in {count} items: restic"), &cost.restic);
        installation.remove()?;
        repository.remove()?;
        std::fs::remove_dir_all(messages)?;
        Ok(cost)
    }

    /// The first backup, whose memory is a target in the larger tenant.
    fn first_small(&mut self, count: u64, installation: &Installation) -> Result<Measured> {
        let (used, backup) = installation.back_up()?;
        ensure!(backup.items_new == count, "{} of {count} messages stored", backup.items_new);
        ensure!(backup.waited_ms == 0, "throttled for {} ms", backup.waited_ms);
        if count == self.scale.small[1] {
            self.report.note(&format!(
                "Small mail: {count} text messages of {:.1} KB on average in {} mailboxes.",
                backup.bytes as f64 / 1e3 / count as f64,
                self.scale.mailboxes
            ));
            self.report.row(
                &format!("memory, first backup of {count} small messages"),
                &format!("{:.0} MB", used.peak),
                "–",
                Target::at_most(used.peak, 300.0, "300 MB"),
            );
        }
        Ok(used)
    }

    /// Several rounds of changes; the one with the median CPU time of each side.
    fn change_often(
        &self,
        count: u64,
        tenant: &Tenant,
        installation: &Installation,
        repository: &Restic,
        messages: &Path,
    ) -> Result<Incremental> {
        let changes = Changes::of(self.scale.changes);
        let (mut ours, mut restic) = (Vec::new(), Vec::new());
        let (mut requests, mut growth) = (0, [0, 0]);
        for number in 0..self.scale.runs {
            say(&format!("{} changes, run {}", changes.total(), number + 1));
            changes.carry_out(tenant)?;
            let before = [installation.stored()?.1, repository.stored()?.1];
            let (used, backup) = installation.back_up()?;
            let counted = backup.items_new + backup.items_changed + backup.items_deleted;
            ensure!(counted == changes.total(), "{counted} of {} changes seen", changes.total());
            ours.push(used);
            requests = backup.requests;
            changes.carry_out_on_files(messages, count, number as u64)?;
            restic.push(repository.back_up(messages)?);
            growth = [
                installation.stored()?.1.saturating_sub(before[0]),
                repository.stored()?.1.saturating_sub(before[1]),
            ];
        }
        Ok(Incremental { ours: middle(ours), requests, growth, restic: middle(restic) })
    }
}
