//! Seeded sequences: random edits of a tenant and incrementals, each compared with the tenant and
//! with what was recorded of earlier times.
//!
//! `HOLDFAST_SOAK_SEEDS` says how many seeds are run, `HOLDFAST_SOAK_FROM` which is the first.

#![allow(clippy::print_stdout, reason = "a campaign tells its figures")]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use holdfast_engine::browse::At;
use holdfast_model::{Outcome, ShardId, Timestamp};
use holdfast_testkit::sim::mail::Importance;
use holdfast_testkit::sim::{Flag, FolderView, MessageView, Tenant};
use holdfast_testkit::{Mailbox, Options, TestContext, assert_same, kept, live, stored};
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Incrementals of a sequence.
const STEPS: usize = 20;

/// Changes mailboxes at random: the same seed on the same tenant makes the same changes.
pub struct Edits {
    rng: ChaCha8Rng,
    made: u64,
}

impl Edits {
    pub fn new(seed: u64) -> Self {
        Self { rng: ChaCha8Rng::seed_from_u64(seed), made: 0 }
    }

    /// A few changes of one mailbox.
    pub fn change(&mut self, tenant: &Tenant, upn: &str) {
        for _ in 0..self.rng.random_range(1..12) {
            self.made += 1;
            match self.rng.random_range(0..100) {
                0..60 => self.change_message(tenant, upn),
                60..80 => self.deliver(tenant, upn),
                _ => self.change_folder(tenant, upn),
            }
        }
    }

    fn folder(&mut self, tenant: &Tenant, upn: &str) -> FolderView {
        let folders = tenant.folders(upn).unwrap();
        folders.choose(&mut self.rng).unwrap().clone()
    }

    fn message(&mut self, tenant: &Tenant, upn: &str) -> Option<MessageView> {
        let folders = tenant.folders(upn).unwrap().into_iter().filter(|f| f.messages > 0);
        let folder = folders.collect::<Vec<_>>().choose(&mut self.rng)?.id.clone();
        tenant.messages(upn, &folder).unwrap().choose(&mut self.rng).cloned()
    }

    fn deliver(&mut self, tenant: &Tenant, upn: &str) {
        let folder = self.folder(tenant, upn).id;
        let mime = mime(&mut self.rng, self.made);
        tenant.deliver(upn, &folder, mime.as_bytes()).unwrap();
    }

    fn change_message(&mut self, tenant: &Tenant, upn: &str) {
        let Some(MessageView { id, .. }) = self.message(tenant, upn) else { return };
        let folder = self.folder(tenant, upn).id;
        let number = self.made;
        match self.rng.random_range(0..12) {
            0..3 => tenant.message_move(upn, &id, &folder).unwrap(),
            3 => drop(tenant.message_copy(upn, &id, &folder).unwrap()),
            4 => tenant.message_delete(upn, &id, false).unwrap(),
            5 => tenant.message_delete(upn, &id, true).unwrap(),
            kind => {
                let update = |edit: &mut holdfast_testkit::sim::Edit| match kind {
                    6 | 7 => edit.is_read = !edit.is_read,
                    8 if edit.flag == Flag::default() => edit.flag = Flag::flagged(),
                    8 => edit.flag = Flag::default(),
                    9 if edit.categories.is_empty() => edit.categories = vec!["Blue".to_owned()],
                    9 => edit.categories.push(format!("Nr {number}")),
                    10 if edit.importance == Importance::High => edit.importance = Importance::Low,
                    10 => edit.importance = Importance::High,
                    _ => {
                        edit.is_draft = true;
                        edit.content.subject = format!("Draft {number}");
                        edit.content.body.content.push_str(&format!("\r\nline {number}\r\n"));
                    }
                };
                tenant.message_update(upn, &id, update).unwrap();
            }
        }
    }

    /// Exchange refuses some of these (its own folders, cycles, equal names): then nothing happens.
    fn change_folder(&mut self, tenant: &Tenant, upn: &str) {
        let (one, other) = (self.folder(tenant, upn), self.folder(tenant, upn));
        let name = format!("{} {}", ["Orders", "orders", "Ideas/2026", "~x", "."][self.pick(5)], {
            self.pick(4)
        });
        match self.rng.random_range(0..10) {
            0..3 => drop(tenant.folder_create(upn, Some(&one.id), &name)),
            3 => drop(tenant.folder_create(upn, None, &name)),
            4 | 5 => drop(tenant.folder_rename(upn, &one.id, &name)),
            6 => drop(tenant.folder_move(upn, &one.id, Some(&other.id))),
            7 => drop(tenant.folder_move(upn, &one.id, None)),
            8 => swap(tenant, upn, &one, &other),
            _ => {
                let for_good = self.rng.random();
                drop(tenant.folder_delete(upn, &one.id, for_good));
            }
        }
    }

    fn pick(&mut self, below: usize) -> usize {
        self.rng.random_range(0..below)
    }
}

/// Two folders exchange their names, and their places where Exchange lets them.
fn swap(tenant: &Tenant, upn: &str, one: &FolderView, other: &FolderView) {
    let (Some(a), Some(b)) = (one.path.last(), other.path.last()) else { return };
    if tenant.folder_rename(upn, &one.id, "passing").is_ok() {
        drop(tenant.folder_rename(upn, &other.id, a));
        drop(tenant.folder_rename(upn, &one.id, b));
    }
}

fn mime(rng: &mut ChaCha8Rng, number: u64) -> String {
    let words: Vec<String> = (0..rng.random_range(1..200)).map(|_| word(rng)).collect();
    let text = words.join(" ");
    let head = format!(
        "From: Sender {number} <s{number}@contoso.example>\r\nTo: all@contoso.example\r\n\
         Subject: {}\r\nMessage-ID: <{number}@contoso.example>\r\n\
         Date: Mon, 2 Mar 2026 08:00:00 +0000\r\nMIME-Version: 1.0\r\n",
        if number.is_multiple_of(7) { "x".repeat(300) } else { format!("Message {number}") },
    );
    if !number.is_multiple_of(4) {
        return format!("{head}Content-Type: text/plain\r\n\r\n{text}\r\n");
    }
    // One of three attachments, so that content is shared.
    let line = format!("{}\r\n", ["QUJD", "REVG", "R0hJ"][rng.random_range(0..3)].repeat(19));
    format!(
        "{head}Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\
         \r\n{text}\r\n--b\r\nContent-Type: application/octet-stream\r\n\
         Content-Disposition: attachment; filename=a.bin\r\n\
         Content-Transfer-Encoding: base64\r\n\r\n{}--b--\r\n",
        line.repeat(400)
    )
}

fn word(rng: &mut ChaCha8Rng) -> String {
    (0..rng.random_range(1..9)).map(|_| char::from(rng.random_range(b'a'..=b'z'))).collect()
}

/// A tenant under change, its backups, and what is known of its past.
pub struct Sequence {
    pub t: TestContext,
    edits: Edits,
    past: Vec<(Timestamp, BTreeMap<String, Mailbox>)>,
    removed: BTreeMap<String, Mailbox>,
}

impl Sequence {
    /// Starts with a first backup.
    pub async fn start(seed: u64) -> Self {
        let t = TestContext::new(Options { users: 3, mails: 25, seed, ..Options::default() }).await;
        let edits = Edits::new(seed);
        let mut sequence = Self { t, edits, past: Vec::new(), removed: BTreeMap::new() };
        sequence.back_up(&BTreeSet::new()).await;
        sequence
    }

    /// Edits some mailboxes, backs up, compares.
    pub async fn step(&mut self, number: usize) {
        let t = &self.t;
        if number == 7 {
            t.tenant().user_add("Late Comer", "late@contoso.example").unwrap();
        }
        let people = t.people();
        let (mut changed, mut idle) = (BTreeSet::new(), BTreeSet::new());
        for upn in people {
            let touched = self.edits.rng.random_bool(0.6) || number == 7;
            if touched {
                self.edits.change(t.tenant(), &upn);
                changed.insert(upn);
            } else {
                idle.insert(upn);
            }
        }
        if number == 13 {
            let gone = changed.pop_first().unwrap();
            self.removed.insert(gone.clone(), self.past.last().unwrap().1[&gone].clone());
            t.tenant().user_remove(&gone).unwrap();
        }
        if self.edits.rng.random_bool(0.15) {
            t.advance(Duration::from_secs(30 * 24 * 3600)); // links live about a week
            idle.clear(); // their new links are no reason for a new tree, but may come with one
        }
        self.back_up(&idle).await;
    }

    async fn back_up(&mut self, idle: &BTreeSet<String>) {
        let before = self.trees(idle).await;
        let report = self.t.backup().await;
        assert_eq!(report.outcome, Outcome::Complete, "{report:#?}");
        assert_eq!(self.trees(idle).await, before, "an unchanged mailbox has another tree");
        let mut all = BTreeMap::new();
        for upn in self.t.people() {
            let live = live(self.t.tenant(), &upn);
            let stored = stored(&self.t.home, &upn, &At::Latest).await.unwrap_or_default();
            assert_same(&stored, &live, &upn);
            all.insert(upn, live);
        }
        self.past.push((self.t.home.clock.now(), all));
        self.look_back().await;
    }

    /// One restore point of each person, any of those so far, is what was recorded at its time.
    async fn look_back(&mut self) {
        let (time, people) = self.past.choose(&mut self.edits.rng).unwrap();
        for (upn, model) in people {
            let stored = stored(&self.t.home, upn, &At::Time(*time)).await.unwrap_or_default();
            assert_same(&stored, model, &format!("{upn} at {time}"));
        }
        for (upn, model) in &self.removed {
            let stored = stored(&self.t.home, upn, &At::Latest).await.unwrap();
            assert_same(&stored, model, &format!("{upn}, who has left"));
        }
    }

    /// Every restore point that was ever recorded.
    pub async fn look_back_at_all(&self) {
        for (time, people) in &self.past {
            for (upn, model) in people {
                let stored = stored(&self.t.home, upn, &At::Time(*time)).await.unwrap_or_default();
                assert_same(&stored, model, &format!("{upn} at {time}"));
            }
        }
    }

    /// The subtree of each of these people in the newest snapshot.
    async fn trees(&self, people: &BTreeSet<String>) -> BTreeMap<String, String> {
        let home = &self.t.home;
        let vault = home.vault(None).await.unwrap();
        let mut trees = BTreeMap::new();
        for upn in people {
            let row = home.catalog.resource_find(None, upn).await.unwrap().remove(0);
            let shard = home.catalog.shard_get(vault.id(), ShardId(1)).await.unwrap();
            let root = shard.head_tree.unwrap().parse().unwrap();
            let reader = vault.shard(ShardId(1)).unwrap().reader().unwrap();
            let path = [row.workload.as_str(), row.dir.as_deref().unwrap()];
            let tree = reader.node(root, &path).unwrap().unwrap().tree().unwrap();
            trees.insert(upn.clone(), tree.to_string());
        }
        trees
    }

    /// Root trees of all snapshots.
    pub async fn roots(&self) -> Vec<String> {
        let rows = self.t.home.catalog.snapshot_list(None).await.unwrap();
        rows.into_iter().map(|row| row.tree).collect()
    }

    /// Stock restic finds no error, and gives out what the tenant has.
    async fn ask_restic(&self) {
        let Some(restic) = self.t.restic().await else { return };
        restic.check();
        let target = self.t.scratch("restic");
        restic.restore_latest(&target);
        let sum = |mailboxes: Vec<Mailbox>| -> BTreeMap<String, usize> {
            let mut count = BTreeMap::new();
            for message in mailboxes.into_iter().flat_map(BTreeMap::into_values) {
                *count.entry(message.sha256).or_default() += 1;
            }
            count
        };
        let mut expected = vec![];
        expected.extend(self.past.last().unwrap().1.values().cloned());
        expected.extend(self.removed.values().cloned());
        let mut found = BTreeMap::<String, usize>::new();
        for bytes in crate::backup::eml_files(&target) {
            *found.entry(kept(vec![], "", vec![], &bytes).sha256).or_default() += 1;
        }
        assert_eq!(found, sum(expected), "what restic restores differs from the tenant");
    }
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |text| text.parse().unwrap())
}

/// Tells the seed when a sequence fails.
struct Failing(u64);

impl Drop for Failing {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("the sequence of seed {} failed", self.0);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn random_edits_are_stored_as_they_are() {
    let from = number("HOLDFAST_SOAK_FROM", 1);
    let (mut snapshots, mut messages) = (0, 0);
    for seed in from..from + number("HOLDFAST_SOAK_SEEDS", 3) {
        let _failing = Failing(seed);
        let mut sequence = Sequence::start(seed).await;
        for step in 1..=STEPS {
            sequence.step(step).await;
        }
        sequence.look_back_at_all().await;
        sequence.ask_restic().await;
        let roots = sequence.roots().await;
        assert!(roots.len() > STEPS / 2, "only {} snapshots", roots.len());
        snapshots += roots.len();
        messages += sequence.past.last().unwrap().1.values().map(BTreeMap::len).sum::<usize>();
        println!("seed {seed}: {} snapshots, {} edits", roots.len(), sequence.edits.made);
    }
    println!("in all {snapshots} snapshots, {messages} messages at the end");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_seed_and_steps_give_the_same_trees() {
    let mut roots = Vec::new();
    for _ in 0..2 {
        let _failing = Failing(42);
        let mut sequence = Sequence::start(42).await;
        for step in 1..=8 {
            sequence.step(step).await;
        }
        roots.push(sequence.roots().await);
    }
    assert!(roots[0].len() > 4);
    assert_eq!(roots[0], roots[1]);
}
