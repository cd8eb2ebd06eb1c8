//! Immutability: locks on what is written, kept alive while it is needed; and the vault as it was
//! before an attack.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use holdfast_lockstore::Clock as ServerClock;
use holdfast_lockstore::s3::{self, Bucket, Role};
use holdfast_vault::{
    Cut, Error, ExtendReport, Fanout, LockMode, LockPolicy, Store, StoreOptions,
    open_for_maintenance, open_store,
};
use jiff::SignedDuration;

use super::s3::{BUCKET, S3, credentials};
use super::stores::{content, fill};
use super::*;

const DAY: SignedDuration = SignedDuration::from_hours(24);
const PERIOD: SignedDuration = SignedDuration::from_hours(24 * 30);

/// A vault in a bucket with Object Lock, and the clocks of both sides, which move together.
pub struct Locked {
    pub at: S3,
    pub clock: Clock,
    pub vault: Vault,
    pub secret: VaultSecret,
}

impl Locked {
    fn new(mode: LockMode) -> Self {
        Self::with(mode, PERIOD)
    }

    pub fn with(mode: LockMode, period: SignedDuration) -> Self {
        let server = ServerClock::manual(time(0));
        let mut at = S3::with(s3::Options::new([Bucket::locked(BUCKET)]).clock(&server).page(50));
        at.options.credentials = Some(credentials(Role::Writer));
        at.options.maintenance = Some(credentials(Role::Maintenance));
        at.options.lock = Some(LockPolicy { mode, period });
        let clock = Clock::manual(time(0));
        let (vault, secret) = at.vault(&clock);
        Self { at, clock, vault, secret }
    }

    pub fn pass(&self, time: SignedDuration) {
        self.clock.advance(time);
        self.at.server.clock().advance(time);
    }

    fn store(&self, options: &StoreOptions) -> Arc<dyn Store> {
        open_store(&self.at.location(), options, self.clock.clone()).unwrap()
    }

    pub fn open(&self) -> Vault {
        let store = self.store(&self.at.options);
        Vault::open_in(store, self.secret.clone(), self.clock.clone()).unwrap()
    }

    /// The vault with credentials that may remove.
    pub fn maintenance(&self) -> Vault {
        let options = &self.at.options;
        let store = open_for_maintenance(&self.at.location(), options, self.clock.clone());
        Vault::open_in(store.unwrap(), self.secret.clone(), self.clock.clone()).unwrap()
    }

    /// The smallest number of days of [`Self::days_left`] among what is needed: of heads only the
    /// newest is.
    fn needed_days_left(&self) -> i64 {
        let left = self.days_left();
        let head = left.keys().rfind(|key| key.contains("/heads/")).cloned();
        let is_needed = |key: &String| !key.contains("/heads/") || Some(key) == head.as_ref();
        let needed = left.into_iter().filter(|(key, _)| is_needed(key));
        needed.map(|(_, days)| days).min().unwrap()
    }

    /// Days that the lock of each file has left, by key.
    pub fn days_left(&self) -> BTreeMap<String, i64> {
        let now = self.at.server.clock().now();
        let mut left = BTreeMap::new();
        for key in self.at.server.keys(BUCKET) {
            let version = self.at.server.versions(BUCKET, &key).pop().unwrap();
            let until = version.lock.retention.map(|retention| retention.until);
            left.insert(key, until.map_or(0, |until| until.duration_since(now).as_hours() / 24));
        }
        left
    }
}

/// Everything that the attacker with writing credentials can do to every file.
fn attack(locked: &Locked) {
    let attacker = StoreOptions { lock: None, maintenance: None, ..locked.at.options.clone() };
    let store = locked.store(&attacker);
    for file in store.list("").unwrap() {
        assert!(store.remove(&file.key).is_err(), "{} could be removed", file.key);
        store.replace(&file.key, &Bytes::from_static(b"garbage")).unwrap();
    }
    // Worse: credentials that may delete (but not past locks) hide everything behind markers.
    let worse = StoreOptions { credentials: Some(credentials(Role::Maintenance)), ..attacker };
    let store = open_for_maintenance(&locked.at.location(), &worse, locked.clock.clone()).unwrap();
    for file in store.list("").unwrap().iter().step_by(2) {
        // Its own garbage is not locked; what lies below is.
        assert!(matches!(store.remove(&file.key), Err(Error::Locked { .. })), "{}", file.key);
    }
}

#[test]
fn everything_that_is_written_is_locked() {
    for mode in [LockMode::Governance, LockMode::Compliance] {
        let locked = Locked::new(mode);
        fill(&locked.vault, 1);
        locked.vault.control().unwrap().save(&[("a".into(), Some(b"1".to_vec()))]).unwrap();
        let left = locked.days_left();
        assert!(left.len() > 12, "{left:?}");
        assert!(left.values().all(|days| *days == 40), "{left:?}");
        assert!(!left.keys().any(|key| key.contains("/locks/")), "no restic lock may stay");
        let report = locked.vault.lock_report().unwrap().unwrap();
        assert_eq!((report.unlocked, report.warn, report.tampered.len()), (0, false, 0));
        assert_eq!(report.earliest, Some(time(0) + DAY * 40));
        assert_eq!(report.files as usize, left.len());
        let store = locked.store(&locked.at.options);
        for key in store.list("").unwrap().iter().map(|file| &file.key) {
            assert!(matches!(store.remove(key), Err(Error::Denied { .. })));
            store.locks().unwrap().prolong(key, time(0) + DAY * 5).unwrap();
        }
        assert_eq!(locked.days_left(), left, "nothing was shortened");
    }
}

#[test]
fn the_vault_is_restored_as_it_was_before_the_attack() {
    for mode in [LockMode::Governance, LockMode::Compliance] {
        let locked = Locked::new(mode);
        let mut expected = fill(&locked.vault, 1);
        locked.pass(DAY);
        expected.extend(fill(&locked.vault, 2));
        let intent = [("tenants/a".to_owned(), Some(b"intent".to_vec()))];
        locked.vault.control().unwrap().save(&intent).unwrap();
        let before = locked.clock.now();
        locked.pass(SignedDuration::from_secs(1));
        attack(&locked);
        locked.pass(DAY * 3);
        let store = locked.store(&locked.at.options);
        assert!(
            Vault::open_in(store.clone(), locked.secret.clone(), locked.clock.clone()).is_err()
        );

        let as_of = store.locks().unwrap().as_of(before).unwrap();
        let secret = Vault::unlock_in(&*as_of, &passphrase()).unwrap();
        let vault = Vault::open_in(as_of.clone(), secret, locked.clock.clone()).unwrap();
        assert!(content(&vault) == expected, "restored bytes differ");
        let report = vault.shard(SHARD).unwrap().check(true).unwrap();
        assert_eq!((report.errors, report.snapshots), (vec![], 2));
        assert_eq!(vault.control().unwrap().load().unwrap().len(), 1);
        assert!(matches!(as_of.create("x", &[]), Err(Error::Denied { .. })));
        assert!(matches!(as_of.remove("vault.json"), Err(Error::Denied { .. })));
        assert!(as_of.location().contains("as of"));

        let earlier = store.locks().unwrap().as_of(time(0)).unwrap();
        let vault = Vault::open_in(earlier, locked.secret.clone(), locked.clock.clone()).unwrap();
        assert_eq!(vault.shard(SHARD).unwrap().snapshots().unwrap().len(), 1);
    }
}

/// Runs of every day or every week write, save intent and prolong what is due; nothing else does.
#[test]
fn what_is_needed_always_has_the_period_left() {
    for (period, every, days) in [(30, 1, 23), (1, 1, 23), (1, 7, 36)] {
        let locked = Locked::with(LockMode::Compliance, DAY * period);
        let mut least = i64::MAX;
        for day in 0..days {
            if day % every == 0 {
                let vault = locked.open();
                fill(&vault, day + 1);
                let change = [(format!("day {day}"), Some(b"x".to_vec()))];
                vault.control().unwrap().save(&change).unwrap();
                vault.extend_due_locks().unwrap();
            }
            locked.pass(DAY);
            least = least.min(locked.needed_days_left());
        }
        assert!(least >= period as i64, "{period} days, each {every}: {least}");
        assert_eq!(locked.vault.lock_report().unwrap().unwrap().unlocked, 0);
    }
}

#[test]
fn locks_are_prolonged_when_half_of_the_slack_is_over() {
    let locked = Locked::new(LockMode::Compliance);
    fill(&locked.vault, 1);
    let faults = locked.at.server.faults();
    let days: Vec<ExtendReport> = (0..=25)
        .map(|_| {
            let report = locked.open().extend_due_locks().unwrap().unwrap();
            locked.pass(DAY);
            report
        })
        .collect();
    let prolonged: Vec<u64> = days.iter().map(|day| day.prolonged).collect();
    let files = locked.vault.lock_report().unwrap().unwrap().files;
    for (day, prolonged) in prolonged.iter().enumerate() {
        let due = day > 0 && day % 6 == 0;
        assert_eq!(*prolonged, if due { files } else { 0 }, "day {day}: {days:?}");
    }
    // Two requests for each file, but for the two configurations, whose end is known.
    assert_eq!(days[6].requests, 2 * files - 2);
    assert_eq!(faults.count("PutObjectRetention"), files * 4);

    // Nobody extends: the report warns when a third of the period is left. The last was on day 24.
    locked.pass(DAY * 28);
    assert!(!locked.vault.lock_report().unwrap().unwrap().warn);
    locked.pass(DAY);
    assert!(locked.vault.lock_report().unwrap().unwrap().warn);
}

#[test]
fn the_newest_head_of_the_audit_record_stays_locked() {
    let locked = Locked::new(LockMode::Compliance);
    let heads = [1, 2].map(|n| format!("{n:020}-{}", "ab".repeat(32)));
    for head in &heads {
        locked.vault.audit_head_put(head, "signed").unwrap();
    }
    locked.vault.audit_head_put(&heads[1], "forged").unwrap();
    assert_eq!(locked.vault.audit_head_names().unwrap(), heads);
    assert_eq!(locked.vault.audit_head_get(&heads[1]).unwrap().as_deref(), Some("signed"));
    assert_eq!(locked.vault.audit_head_get("3").unwrap(), None);
    for name in ["", "../x", "a/b", "A"] {
        assert!(locked.vault.audit_head_put(name, "").is_err(), "{name}");
    }
    locked.pass(DAY * 20);
    locked.open().extend_locks().unwrap();
    let left = locked.days_left();
    let of = |head: &String| *left.iter().find(|(key, _)| key.ends_with(head)).unwrap().1;
    assert_eq!((of(&heads[0]), of(&heads[1])), (20, 40));
}

#[test]
fn an_overdue_extender_runs_before_the_writer() {
    let locked = Locked::new(LockMode::Compliance);
    fill(&locked.vault, 1);
    locked.pass(DAY * 5);
    let count = || locked.at.server.faults().count("PutObjectRetention");
    fill(&locked.open(), 2);
    assert_eq!(count(), 0, "not yet due");
    // Ends of locks have whole seconds, the clock has not.
    locked.pass(DAY + SignedDuration::from_millis(500));
    fill(&locked.open(), 3);
    let after = count();
    assert!(after > 0);
    fill(&locked.open(), 4);
    assert_eq!(count(), after, "it was done a moment ago");
    let shard: Vec<i64> = locked
        .days_left()
        .into_iter()
        .filter_map(|(key, days)| key.contains("shards/1").then_some(days))
        .collect();
    assert!(shard.iter().all(|days| *days >= 40), "{shard:?}");
    assert!(locked.open().extend_due_locks().unwrap().unwrap().prolonged > 0, "control was due");
    assert_eq!(locked.open().extend_due_locks().unwrap().unwrap(), ExtendReport::default());
}

/// What the policy lets go is not prolonged, and is free when its lock ends; what it takes back is.
#[test]
fn snapshots_that_are_let_go_become_free() {
    let locked = Locked::new(LockMode::Compliance);
    for seq in 1..=3 {
        fill(&locked.vault, seq);
    }
    let ids: Vec<String> = (locked.vault.shard(SHARD).unwrap().snapshots().unwrap().into_iter())
        .map(|snapshot| snapshot.id)
        .collect();
    let vault = locked.open();
    vault.let_go_of(ids[..2].iter().cloned().collect());
    for day in 0..7 {
        locked.pass(DAY * 6);
        if day == 3 {
            vault.let_go_of([ids[0].clone()].into());
        }
        fill(&vault, 4 + day);
    }
    let locks = vault.shard(SHARD).unwrap().snapshot_locks(&ids).unwrap();
    let days = |id: &String| locks[id].duration_since(locked.clock.now()).as_hours() / 24;
    assert_eq!(ids.iter().map(days).collect::<Vec<_>>(), [-2, 40, 40]);
    let report = vault.shard(SHARD).unwrap().lock_report().unwrap().unwrap();
    assert_eq!(report.earliest, Some(locked.clock.now() + DAY * 40), "it is not needed");
    let store =
        open_for_maintenance(&locked.at.location(), &locked.at.options, locked.clock.clone());
    store.unwrap().remove(&format!("shards/1/snapshots/{}", ids[0])).unwrap();
}

/// Who replaces an index file must not gain that the locks of its packs end.
#[test]
fn a_damaged_index_file_ends_no_locks() {
    let locked = Locked::new(LockMode::Compliance);
    fill(&locked.vault, 1);
    let attacker = StoreOptions { lock: None, maintenance: None, ..locked.at.options.clone() };
    let store = locked.store(&attacker);
    let index = store.list("shards/1/index").unwrap().pop().unwrap().key;
    store.replace(&index, &Bytes::from_static(b"garbage")).unwrap();
    locked.pass(DAY * 12);
    let report = locked.open().extend_locks().unwrap().unwrap();
    assert_eq!(report.tampered, [index]);
    let left = locked.days_left();
    assert!(left.values().all(|days| *days == 40), "{left:?}");
}

/// One shard that cannot be opened is reported, and the others are kept.
#[test]
fn a_damaged_shard_does_not_end_the_locks_of_others() {
    let locked = Locked::new(LockMode::Compliance);
    locked.vault.create_shard(ShardId(2)).unwrap();
    let attacker = StoreOptions { lock: None, maintenance: None, ..locked.at.options.clone() };
    let garbage = Bytes::from_static(b"garbage");
    locked.store(&attacker).replace("shards/1/config", &garbage).unwrap();
    locked.pass(DAY * 12);
    assert!(matches!(locked.open().extend_due_locks(), Err(Error::Damaged { .. })));
    let left = locked.days_left();
    let of = |part: &str| left.iter().filter(|(key, _)| key.contains(part)).collect::<Vec<_>>();
    for part in ["shards/2/", "control/", "vault.json"] {
        assert!(of(part).iter().all(|(_, days)| **days == 40) && !of(part).is_empty(), "{left:?}");
    }
}

#[test]
fn a_pack_is_locked_again_before_a_snapshot_leans_on_it() {
    let locked = Locked::new(LockMode::Compliance);
    let bytes = random_bytes(9, 50_000);
    let save = |vault: &Vault, seq: u64, name: &str| {
        let writer = vault.shard(SHARD).unwrap().writer().unwrap();
        let mut edit = writer.edit(None, Fanout::FLAT);
        edit.put(&[], file(name, writer.put(&bytes, Cut::Whole).unwrap())).unwrap();
        let tree = edit.save().unwrap();
        writer.snapshot(tree, &tags(seq), time(seq as i64), "t", &["/".into()]).unwrap();
    };
    save(&locked.vault, 1, "one");
    locked.pass(DAY * 12);
    // As if the extender had passed the old packs over: only its mark is fresh.
    let config = "shards/1/config";
    locked
        .store(&locked.at.options)
        .locks()
        .unwrap()
        .prolong(config, locked.clock.now() + DAY * 40)
        .unwrap();
    let vault = locked.open();
    save(&vault, 2, "two");
    let asked = locked.at.server.faults().count("PutObjectRetention");
    assert_eq!(asked, 2, "the mark and the one pack");
    let data: Vec<i64> = locked
        .days_left()
        .into_iter()
        .filter_map(|(key, days)| key.contains("/data/").then_some(days))
        .collect();
    assert_eq!(data.iter().filter(|days| **days == 28).count(), 1, "the first tree: {data:?}");
    assert_eq!(data.iter().filter(|days| **days == 40).count(), data.len() - 1, "{data:?}");
    let heads = locked.at.server.faults().count("HeadObject");
    save(&vault, 3, "three");
    // The mark, the file that this made, and nothing about the pack.
    let packs = locked.at.server.faults().count("HeadObject") - heads;
    save(&vault, 4, "four");
    assert_eq!(locked.at.server.faults().count("HeadObject") - heads, 2 * packs);
    assert_eq!(locked.at.server.faults().count("PutObjectRetention"), asked);
}

#[test]
fn what_was_tampered_with_is_named_and_its_versions_kept() {
    let locked = Locked::new(LockMode::Compliance);
    fill(&locked.vault, 1);
    let attacker = StoreOptions { lock: None, maintenance: None, ..locked.at.options.clone() };
    let store = locked.store(&attacker);
    let packs: Vec<String> =
        store.list("shards/1/data").unwrap().into_iter().map(|file| file.key).collect();
    store.replace(&packs[0], &Bytes::from_static(b"garbage")).unwrap();
    locked.vault.set_passphrase(&Secret::new("another passphrase")).unwrap();
    let report = locked.open().extend_locks().unwrap().unwrap();
    assert_eq!(report.tampered, [packs[0].clone()]);
    assert_eq!(locked.vault.lock_report().unwrap().unwrap().tampered, [packs[0].clone()]);
    locked.pass(DAY * 35);
    locked.open().extend_locks().unwrap();
    let key = format!("some/vault/{}", packs[0]);
    let versions = locked.at.server.versions(BUCKET, &key);
    assert_eq!(versions.len(), 2);
    for version in versions {
        let until = version.lock.retention.unwrap().until;
        assert_eq!(until.duration_since(locked.at.server.clock().now()), DAY * 40);
    }
}

#[test]
fn maintenance_removes_what_its_lock_no_longer_holds() {
    let locked = Locked::new(LockMode::Compliance);
    let store =
        open_for_maintenance(&locked.at.location(), &locked.at.options, locked.clock.clone());
    let store = store.unwrap();
    assert!(store.can_remove());
    store.create("shards/1/locks/x", &[Bytes::from_static(b"lock")]).unwrap();
    store.remove("shards/1/locks/x").unwrap();
    store.create("old", &[Bytes::from_static(b"old")]).unwrap();
    store.replace("old", &Bytes::from_static(b"older")).unwrap();
    locked.pass(DAY * 39);
    assert!(matches!(store.remove("old"), Err(Error::Locked { .. })));
    assert_eq!(store.get("old").unwrap().unwrap(), "older");
    locked.pass(DAY * 2);
    store.remove("old").unwrap();
    assert_eq!(locked.at.server.versions(BUCKET, "some/vault/old").len(), 0);
}
