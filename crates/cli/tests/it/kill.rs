//! `kill -9` at every stage of backup and restore: after a new start nothing is lost and nothing is
//! doubled, in the vault and in the mailbox.
//!
//! The binary says on its log which stage it enters; the test kills it on a line of its choice, so
//! no stage is left to chance and nothing waits. `HOLDFAST_SOAK_KILLS` says how many kills,
//! `HOLDFAST_SOAK_FROM` from which seed, `HOLDFAST_SOAK_BINARY` of which binary.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
#![allow(clippy::print_stdout, reason = "a campaign tells its kills and its figures")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use holdfast_engine::Home;
use holdfast_engine::browse::At;
use holdfast_model::{Clock, Seq, ShardId};
use holdfast_testkit::sim::{FolderView, MessageView, RunningSim, SimConfig, Tenant};
use holdfast_testkit::{
    Comparable, Mailbox, PASSPHRASE, Restic, assert_same, live, mailbox_view, stored,
};
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tokio::runtime::Handle;
use tokio::task::block_in_place;

/// The stages of a backup.
const BACKUP: [&str; 5] = ["fetch", "pack", "index", "snapshot", "catalog"];

/// The stage of a restore.
const RESTORE: &str = "restore write";

/// Kills after which a new tenant and a new vault are taken.
const KILLS_PER_TENANT: usize = 50;

/// Kills between two runs of `restic check --read-data`.
const KILLS_PER_CHECK: usize = 10;

/// Most messages of a mailbox.
const MESSAGES: usize = 14;

/// How a run of the binary ended.
enum End {
    /// With true while the test held the catalog.
    Killed(bool),
    /// With its exit code and what it printed.
    Finished(i32, String),
}

/// A moment: the n-th line of a stage, from 0, and a little later.
struct Moment {
    stage: &'static str,
    nth: usize,
    spins: u32,
    /// The catalog, locked by the test while the snapshot is written: the kill then falls between
    /// snapshot and catalog, which few would otherwise hit.
    hold: Option<Home>,
}

/// An installation beside a tenant that runs in this process.
struct Place {
    sim: RunningSim,
    dir: tempfile::TempDir,
}

impl Place {
    async fn new(seed: u64) -> Self {
        let config = SimConfig { users: 2, seed, mails_per_user: 6, ..SimConfig::default() };
        let sim = holdfast_testkit::sim::start(config).await.unwrap();
        let place = Self { sim, dir: tempfile::tempdir().unwrap() };
        fs::write(place.path("passphrase"), PASSPHRASE).unwrap();
        fs::write(place.path("secret"), &place.sim.info.client_secret).unwrap();
        let (vault, passphrase) = (place.arg("vault"), place.arg("passphrase"));
        place.done(&["init", "--vault", &vault, "--passphrase-file", &passphrase]);
        let (secret, info) = (place.arg("secret"), &place.sim.info);
        let ca = info.ca_file.display().to_string();
        place.done(&[
            "tenant",
            "add",
            "contoso",
            "--tenant-id",
            &info.tenant_id,
            "--client-id",
            &info.client_id,
            "--client-secret-file",
            &secret,
            "--graph-url",
            &info.graph_url,
            "--authority-url",
            &info.authority_url,
            "--ca-file",
            &ca,
        ]);
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn arg(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    fn tenant(&self) -> &Tenant {
        self.sim.tenant()
    }

    /// Runs the binary, killed at a moment if it comes.
    fn run(&self, arguments: &[&str], moment: Option<&Moment>) -> End {
        let out = self.path("stdout");
        let before = moment.and_then(|m| m.hold.as_ref()).map_or(Seq(0), |home| wait(head(home)));
        let mut child = Command::new(binary())
            .arg("--home")
            .arg(self.path("home"))
            .arg("--instance-key")
            .arg(self.path("instance.key"))
            .arg("--json")
            .args(arguments)
            .env("HOLDFAST_LOG", "holdfast::stage=debug,holdfast_engine=info")
            .stdin(Stdio::null())
            .stdout(File::create(&out).unwrap())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = String::new();
        let (mut seen, mut fetched, mut held) = (0, false, None);
        for line in BufReader::new(child.stderr.take().unwrap()).lines() {
            let line = line.unwrap();
            // Before the first fetch it is the control repository that is written.
            fetched |= is_stage(&line, "fetch");
            let hold = moment.and_then(|moment| moment.hold.as_ref());
            if let Some(home) = hold.filter(|_| fetched && is_stage(&line, "pack")) {
                held = held.or_else(|| Some(wait(home.catalog.rebuild()).unwrap()));
            }
            if let Some(moment) = moment.filter(|moment| is_stage(&line, moment.stage)) {
                if seen == moment.nth {
                    (0..moment.spins).for_each(|_| std::hint::spin_loop());
                    child.kill().unwrap();
                }
                seen += 1;
            }
            log.push_str(&line);
            log.push('\n');
        }
        let status = child.wait().unwrap();
        // The lock may have come too late: then the catalog has the new head.
        let hold = moment.and_then(|moment| moment.hold.as_ref()).filter(|_| held.is_some());
        let was_held = hold.is_some_and(|home| wait(head(home)) == before);
        drop(held); // without an end it changes nothing
        match status.code() {
            Some(code) => End::Finished(code, fs::read_to_string(&out).unwrap() + &log),
            None => {
                assert_eq!(status.signal(), Some(9), "{log}");
                End::Killed(was_held)
            }
        }
    }

    /// Runs the binary to its end, which must be good.
    fn done(&self, arguments: &[&str]) -> String {
        match self.run(arguments, None) {
            End::Finished(0, out) => out,
            End::Finished(code, out) => panic!("{arguments:?} ends with {code}: {out}"),
            End::Killed(_) => panic!("{arguments:?} was killed"),
        }
    }

    fn cat(&self, upn: &str, path: &str) -> Vec<u8> {
        let output = Command::new(binary())
            .arg("--home")
            .arg(self.path("home"))
            .arg("--instance-key")
            .arg(self.path("instance.key"))
            .args(["cat", "--resource", upn, path])
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    async fn home(&self) -> Home {
        let key = self.path("instance.key");
        Home::open(&self.path("home"), Some(&key), Clock::system()).await.unwrap()
    }
}

fn wait<T>(work: impl Future<Output = T>) -> T {
    block_in_place(|| Handle::current().block_on(work))
}

/// The head of the shard as the catalog has it.
async fn head(home: &Home) -> Seq {
    let vault = home.vault_row(None).await.unwrap().id;
    let row = home.catalog.shard_get(&vault, ShardId(1)).await;
    row.map_or(Seq(0), |row| row.head_seq)
}

/// The binary of this build, or the one that `HOLDFAST_SOAK_BINARY` names.
fn binary() -> PathBuf {
    let named = std::env::var_os("HOLDFAST_SOAK_BINARY");
    named.map_or_else(|| env!("CARGO_BIN_EXE_holdfast").into(), PathBuf::from)
}

fn is_stage(line: &str, stage: &str) -> bool {
    line.contains("holdfast::stage") && line.contains(&format!("stage=\"{stage}\""))
}

/// A run of kills.
struct Campaign {
    rng: ChaCha8Rng,
    wanted: usize,
    kills: BTreeMap<&'static str, usize>,
    /// Runs that came to their end before the moment did.
    missed: usize,
    /// A second kill before the work was done.
    again: usize,
    adopted: usize,
    orphans: usize,
    edits: usize,
    checks: usize,
}

impl Campaign {
    fn count(&self) -> usize {
        self.kills.values().sum()
    }

    fn is_over(&self) -> bool {
        self.count() >= self.wanted
    }

    /// A moment in one of the first `within` lines of a stage: at once, or up to some milliseconds
    /// later, short times more often than long ones.
    fn moment(&mut self, stage: &'static str, within: usize) -> Moment {
        let spins = if self.rng.random() { 0 } else { 1 << self.rng.random_range(6..18) };
        Moment { stage, nth: self.rng.random_range(0..within), spins, hold: None }
    }

    /// Kills a backup until it is allowed to finish. What a kill
    /// between snapshot and catalog has left must be adopted then.
    async fn killed(&mut self, place: &Place, stage: &'static str) {
        let mut kills = 0;
        let mut hold = stage == "catalog" && self.rng.random_bool(0.6);
        // Also false where the edits came to nothing, so that no snapshot was written.
        let mut must_adopt = false;
        while !self.is_over() && (kills == 0 || (!must_adopt && self.rng.random_bool(0.25))) {
            let within = if ["fetch", "pack"].contains(&stage) { 2 } else { 1 };
            let mut moment = self.moment(stage, within);
            if std::mem::take(&mut hold) {
                moment = Moment { hold: Some(place.home().await), spins: 0, ..moment };
            }
            let Moment { nth, spins, .. } = moment;
            let end = place.run(&["backup"], Some(&moment));
            if let Some(home) = moment.hold {
                home.catalog.close().await;
            }
            match end {
                End::Killed(held) => {
                    must_adopt = held;
                    *self.kills.entry(stage).or_default() += 1;
                    self.again += usize::from(kills > 0);
                    kills += 1;
                    println!("kill {}: {stage} {nth} + {spins}", self.count());
                }
                End::Finished(0, _) => {
                    self.missed += 1;
                    break;
                }
                End::Finished(code, out) => panic!("backup ends with {code}: {out}"),
            }
        }
        let out = place.done(&["backup"]);
        let adopted = out.matches("adopting the snapshot").count();
        assert!(adopted == 1 || !must_adopt, "nothing was adopted: {out}");
        self.adopted += adopted;
    }

    async fn on_one_tenant(&mut self, place: &Place) {
        let until = self.wanted.min(self.count() + KILLS_PER_TENANT);
        let people: Vec<String> = place.tenant().users().into_iter().map(|u| u.upn).collect();
        let mut person = 0;
        let mut next_check = self.count() + KILLS_PER_CHECK;
        while self.count() < until {
            let mut stages = BACKUP;
            stages.shuffle(&mut self.rng);
            for stage in stages {
                for upn in &people {
                    self.edit(place.tenant(), upn);
                }
                self.killed(place, stage).await;
                self.compare_vault(place).await;
            }
            person += 1;
            self.restore(place, &people[person % people.len()], person).await;
            if self.count() >= next_check || self.count() >= until {
                next_check = self.count() + KILLS_PER_CHECK;
                self.check(place).await;
            }
        }
    }

    /// A mailbox is restored into an empty one, which is then equal.
    async fn restore(&mut self, place: &Place, source: &str, number: usize) {
        let target = format!("target{number}@contoso.example");
        place.tenant().user_add("Empty Person", &target).unwrap();
        // The directory is asked, and the newest state known.
        place.done(&["backup"]);
        let rule = ["skip", "replace", "copy"][number % 3];
        let arguments =
            ["restore", "--resource", source, "--to", &target, "--on-conflict", rule, "--yes"];
        let messages = live(place.tenant(), source).len();
        let killed = (0..2).all(|_| self.kill_restore(place, &arguments, messages));
        if killed {
            place.done(&arguments);
        }
        compare_mailboxes(place.tenant(), source, &target);
        place.tenant().user_remove(&target).unwrap();
    }

    /// False when the restore came to its end.
    fn kill_restore(&mut self, place: &Place, arguments: &[&str], messages: usize) -> bool {
        let moment = self.moment(RESTORE, messages);
        match place.run(arguments, Some(&moment)) {
            End::Killed(_) => {
                *self.kills.entry(RESTORE).or_default() += 1;
                let (number, Moment { nth, spins, .. }) = (self.count(), moment);
                println!("kill {number}: {RESTORE} {nth} + {spins}, {}", arguments[6]);
                true
            }
            End::Finished(0, _) => {
                self.missed += 1;
                false
            }
            End::Finished(code, out) => panic!("{arguments:?} ends with {code}: {out}"),
        }
    }

    /// Every message of everybody lies in the vault once, byte for byte, and no snapshot is
    /// unknown but those of a run that died while it took over from another.
    async fn compare_vault(&mut self, place: &Place) {
        let home = place.home().await;
        for user in place.tenant().users() {
            let stored = stored(&home, &user.upn, &At::Latest).await.unwrap_or_default();
            assert_same(&stored, &live(place.tenant(), &user.upn), &user.upn);
        }
        let known = home.catalog.snapshot_list(None).await.unwrap();
        let seqs: Vec<u64> = known.iter().map(|row| row.seq.0).collect();
        assert_eq!(seqs, (1..=known.len() as u64).collect::<Vec<_>>(), "the history has gaps");
        let known: BTreeSet<String> = known.into_iter().map(|row| row.id).collect();
        let shard = home.vault(None).await.unwrap().shard(ShardId(1)).unwrap();
        let all: BTreeSet<String> =
            shard.snapshots().unwrap().into_iter().map(|snapshot| snapshot.id).collect();
        assert!(known.is_subset(&all), "a committed snapshot is not in the vault");
        self.orphans = all.len() - known.len();
        assert!(self.orphans <= self.again, "{} orphans", self.orphans);
        home.catalog.close().await;
    }

    /// Stock restic and our own check find nothing, and the command line shows what is there.
    async fn check(&mut self, place: &Place) {
        self.checks += 1;
        let home = place.home().await;
        let vault = home.vault(None).await.unwrap();
        if let Some(restic) = Restic::find(&vault) {
            restic.check();
        }
        let report = vault.control().unwrap().check(true).unwrap();
        assert!(report.errors.is_empty(), "{report:?}");
        home.catalog.close().await;
        for user in place.tenant().users() {
            compare_listing(place, &user.upn);
        }
    }

    /// A few changes, so that there is something to back up; large mailboxes get smaller.
    fn edit(&mut self, tenant: &Tenant, upn: &str) {
        let folders: Vec<FolderView> = tenant.folders(upn).unwrap();
        let mut messages: Vec<MessageView> =
            folders.iter().flat_map(|f| tenant.messages(upn, &f.id).unwrap()).collect();
        messages.shuffle(&mut self.rng);
        while messages.len() > MESSAGES {
            tenant.message_delete(upn, &messages.pop().unwrap().id, true).unwrap();
        }
        for _ in 0..self.rng.random_range(1..4) {
            self.edits += 1;
            let folder = &folders.choose(&mut self.rng).unwrap().id;
            let message = messages.choose(&mut self.rng).map(|m| m.id.clone());
            match (self.rng.random_range(0..6), message) {
                (0, Some(id)) => tenant.message_move(upn, &id, folder).unwrap(),
                // Twins: equal subject, sender and date.
                (1, Some(id)) => drop(tenant.message_copy(upn, &id, folder).unwrap()),
                (2, Some(id)) => {
                    tenant.message_update(upn, &id, |edit| edit.is_read = !edit.is_read).unwrap();
                }
                _ => {
                    let large = self.rng.random_bool(0.02);
                    let mime = mime(self.edits, if large { 4_500_000 } else { 60_000 });
                    drop(tenant.deliver(upn, folder, mime.as_bytes()).unwrap());
                }
            }
        }
    }
}

fn mime(number: usize, size: usize) -> String {
    let line = "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWZnaGlqa2xtbm9wcXJzdHV2d3h5ejAxMjM0\r\n";
    format!(
        "From: sender@contoso.example\r\nTo: all@contoso.example\r\nSubject: Number {number}\r\n\
         Message-ID: <{number}@kill.example>\r\nDate: Mon, 2 Mar 2026 08:00:00 +0000\r\n\
         MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n\
         --b\r\nContent-Type: text/plain\r\n\r\nText {number}\r\n\
         --b\r\nContent-Type: application/octet-stream; name=a.bin\r\n\
         Content-Disposition: attachment; filename=a.bin\r\n\
         Content-Transfer-Encoding: base64\r\n\r\n{}--b--\r\n",
        line.repeat(size / line.len())
    )
}

/// Restored mail is the source's: each message once, whole, in its folder. How odd messages of the
/// generator come back is the matter of other tests: of those it is folder, subject and Message-ID.
fn compare_mailboxes(tenant: &Tenant, source: &str, target: &str) {
    let view = |upn: &str| -> Vec<Comparable> {
        let mut all = mailbox_view(tenant, upn);
        for message in &mut all {
            let id = message.threading[0].as_deref().unwrap_or_default();
            if !id.ends_with("@kill.example>") {
                message.attachments.clear();
                message.body = Default::default();
                message.people.clear();
            }
            message.dates = Default::default();
            message.state.clear();
        }
        all.sort();
        all
    };
    let (before, after) = (view(source), view(target));
    for (before, after) in before.iter().zip(&after) {
        assert_eq!(before, after, "left: {source}, right: {target}");
    }
    assert_eq!(before.len(), after.len(), "messages of {source} and {target}");
}

/// `ls` lists each message once, and `cat` gives its bytes.
fn compare_listing(place: &Place, upn: &str) {
    let out = place.done(&["ls", "--resource", upn, "--recursive"]);
    let document = out.lines().take_while(|line| !line.contains("holdfast::stage"));
    let listing: serde_json::Value =
        serde_json::from_str(&document.collect::<Vec<_>>().join("\n")).unwrap();
    let entries = listing.as_array().or_else(|| listing["entries"].as_array()).unwrap();
    let messages: Vec<_> = entries.iter().filter(|entry| entry["kind"] == "message").collect();
    let live: Mailbox = live(place.tenant(), upn);
    let listed: BTreeSet<&str> = messages.iter().map(|m| m["id"].as_str().unwrap()).collect();
    assert_eq!(listed, live.keys().map(String::as_str).collect());
    assert_eq!(messages.len(), live.len());
    let Some(first) = messages.first() else { return };
    let mime = place.tenant().mime(upn, first["id"].as_str().unwrap()).unwrap();
    assert_eq!(place.cat(upn, first["path"].as_str().unwrap()), &mime[..]);
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |text| text.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_every_stage_nothing_is_lost_or_doubled() {
    let wanted = usize::try_from(number("HOLDFAST_SOAK_KILLS", 50)).unwrap();
    let first = number("HOLDFAST_SOAK_FROM", 1);
    let mut campaign = Campaign {
        rng: ChaCha8Rng::seed_from_u64(first),
        wanted,
        kills: BTreeMap::new(),
        missed: 0,
        again: 0,
        adopted: 0,
        orphans: 0,
        edits: 0,
        checks: 0,
    };
    for seed in first.. {
        if campaign.is_over() {
            break;
        }
        println!("tenant of seed {seed}, kills of seed {first}");
        campaign.on_one_tenant(&Place::new(seed).await).await;
    }
    let Campaign { kills, missed, again, adopted, edits, checks, .. } = &campaign;
    println!("{} kills: {kills:?}; {missed} moments did not come", campaign.count());
    println!("{again} second kills, {adopted} adoptions, {edits} edits, {checks} checks by restic");
    let all = BACKUP.iter().chain([&RESTORE]);
    let missing: Vec<_> = all.filter(|stage| !kills.contains_key(**stage)).collect();
    assert!(missing.is_empty(), "no kill hit {missing:?}");
    assert!(*adopted > 0, "no snapshot was adopted");
}
