//! What somebody can do who has the database, and who has the key too.

use holdfast_catalog::AuditChain;
use holdfast_engine::audit::{self, Audit, FaultKind, Verification};
use holdfast_engine::{Home, InitOptions, Storage, Unlock};
use holdfast_model::audit::{Action, Actor, ActorKind, Entry, Event, GENESIS};
use holdfast_model::{Clock, Secret};
use holdfast_testkit::PASSPHRASE;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tempfile::TempDir;

/// An installation without tenants, and the record as it was before an attack.
pub struct Record {
    pub dir: TempDir,
    pub home: Home,
}

impl Record {
    pub async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let home = home_in(&dir, "home").await;
        Self { dir, home }
    }

    /// With entries 1 to 12 and heads of 4, 8 and 12.
    pub async fn full() -> Self {
        let record = Self::new().await;
        for n in 1..=12 {
            record.add(n).await;
            if n % 4 == 0 {
                record.head().await;
            }
        }
        record
    }

    pub async fn add(&self, n: u64) {
        assert_eq!(self.audit().await.record(event(n)).await.unwrap(), n);
    }

    pub async fn audit(&self) -> Audit<'_> {
        Audit::open(&self.home).await.unwrap()
    }

    pub async fn head(&self) {
        self.audit().await.save_head().await.unwrap().unwrap();
    }

    pub async fn verify(&self) -> Verification {
        audit::verify(&self.home).await.unwrap()
    }

    pub async fn entries(&self) -> Vec<Entry> {
        self.home.catalog.audit_after(0, 10_000).await.unwrap()
    }

    /// Puts these entries in the place of all, with this end noted.
    pub async fn replace(&self, entries: &[Entry], number: u64, hash: &str) {
        let head_number = self.chain().await.head_number;
        let end = AuditChain { number, hash: hash.to_owned(), head_number };
        self.home.catalog.audit_overwrite(entries, &end).await.unwrap();
    }

    /// The same; noted is what the entries end with, as a careful attacker does.
    pub async fn replace_all(&self, entries: &[Entry]) {
        let (number, hash) = entries.last().map_or((0, GENESIS), |last| (last.number, &last.hash));
        self.replace(entries, number, hash).await;
    }

    pub async fn sign(&self, entry: &mut Entry) {
        let vault = self.home.vault(None).await.unwrap();
        entry.signature = hex::encode(vault.audit_key().sign(&entry.statement()));
    }

    pub async fn chain(&self) -> AuditChain {
        self.home.catalog.audit_chain().await.unwrap()
    }
}

pub async fn home_in(dir: &TempDir, name: &str) -> Home {
    let options = InitOptions {
        vault: dir.path().join("vault").into(),
        storage: Storage::default(),
        unlock: Unlock::Passphrase(Secret::new(PASSPHRASE)),
        instance_key: Some(dir.path().join("instance.key")),
        catalog_url: None,
    };
    let clock = Clock::manual("2026-03-02T08:00:00Z".parse().unwrap());
    Home::init(&dir.path().join(name), &options, clock).await.unwrap().0
}

pub fn event(n: u64) -> Event {
    let actor = Actor { kind: ActorKind::User, id: format!("u{n}"), name: "Ann".into() };
    let items = vec![format!("Inbox/{n}.eml")];
    let event = Event { items, ..Event::new(actor, "192.0.2.7", Action::ItemRead) };
    event.detail("n", n.to_string())
}

/// Hashes and links made anew from the entry at this place on.
fn rehash(entries: &mut [Entry], from: usize) {
    for at in from..entries.len() {
        if at > 0 {
            entries[at].previous = entries[at - 1].hash.clone();
        }
        entries[at].hash = entries[at].digest();
    }
}

#[track_caller]
fn assert_fault(found: &Verification, number: u64, kind: FaultKind) {
    assert!(!found.ok);
    assert_eq!(found.first_fault, Some(number), "{:?}", found.faults);
    assert_eq!((found.faults[0].number, found.faults[0].kind), (number, kind), "{found:?}");
}

#[tokio::test]
async fn a_sound_record_has_no_fault() {
    let record = Record::full().await;
    let found = record.verify().await;
    assert_eq!((found.ok, found.faults_in_all), (true, 0), "{found:?}");
    assert_eq!((found.entries, found.last, found.heads, found.signed_up_to), (12, 12, 3, 12));
    // What is not signed by a head yet is no fault: a server makes one every few minutes.
    record.add(13).await;
    let found = record.verify().await;
    assert_eq!((found.ok, found.last, found.signed_up_to), (true, 13, 12));
}

#[tokio::test]
async fn every_changed_field_is_found() {
    let record = Record::full().await;
    let entries = record.entries().await;
    let chain = record.chain().await;
    let columns = serde_json::to_value(&entries[4]).unwrap();
    for field in columns.as_object().unwrap().keys().filter(|field| *field != "number") {
        let mut changed = columns.clone();
        changed[field] = match &columns[field] {
            value if value.is_number() => 7.into(),
            _ => "00".into(),
        };
        let mut other = entries.clone();
        other[4] = serde_json::from_value(changed).unwrap();
        record.replace(&other, chain.number, &chain.hash).await;
        let found = record.verify().await;
        assert_eq!(found.first_fault, Some(5), "{field}: {:?}", found.faults);
    }
}

#[tokio::test]
async fn a_value_that_nobody_writes_is_found() {
    let record = Record::full().await;
    let (mut entries, chain) = (record.entries().await, record.chain().await);
    entries[6].time = i64::MAX;
    record.replace(&entries, chain.number, &chain.hash).await;
    assert_fault(&record.verify().await, 7, FaultKind::Changed);
}

#[tokio::test]
async fn a_removed_entry_is_found() {
    let record = Record::full().await;
    let (mut entries, chain) = (record.entries().await, record.chain().await);
    entries.drain(4..7);
    record.replace(&entries, chain.number, &chain.hash).await;
    let found = record.verify().await;
    assert_fault(&found, 5, FaultKind::Missing);
    assert_eq!(found.faults[0].detail, "is not there, nor are those up to 7");
    assert_eq!(found.faults_in_all, 1, "what follows is sound");
}

#[tokio::test]
async fn entries_in_another_order_are_found() {
    let record = Record::full().await;
    let (mut entries, chain) = (record.entries().await, record.chain().await);
    (entries[5].number, entries[9].number) = (10, 6);
    record.replace(&entries, chain.number, &chain.hash).await;
    let found = record.verify().await;
    assert_fault(&found, 6, FaultKind::Reordered);
    assert_eq!(found.faults[0].detail, "is what was recorded as entry 10");
    assert_eq!((found.faults_in_all, found.faults[1].number), (2, 10));
    assert_eq!(found.faults[1].kind, FaultKind::Reordered);
}

#[tokio::test]
async fn an_appended_entry_is_found_before_and_after_the_next_head() {
    let record = Record::full().await;
    let mut entries = record.entries().await;
    let forged =
        event(99).into_entry(13, "2026-03-02T09:00:00Z".parse().unwrap(), &entries[11].hash);
    entries.push(Entry { signature: entries[3].signature.clone(), ..forged });
    record.replace_all(&entries).await;
    assert_fault(&record.verify().await, 13, FaultKind::Appended);
    // Holdfast goes on after it, and signs what it finds.
    record.add(14).await;
    record.head().await;
    let found = record.verify().await;
    assert_fault(&found, 13, FaultKind::NotSigned);
    assert_eq!(found.faults_in_all, 1);
}

#[tokio::test]
async fn an_entry_beyond_the_noted_end_is_found() {
    let record = Record::full().await;
    let (entries, end) = (record.entries().await, record.entries().await[10].clone());
    record.replace(&entries, end.number, &end.hash).await;
    assert_fault(&record.verify().await, 12, FaultKind::Appended);
}

#[tokio::test]
async fn a_chain_made_anew_is_found_with_and_without_the_key() {
    let record = Record::full().await;
    let mut entries = record.entries().await;
    entries[5].actor_name = "Bob".into();
    rehash(&mut entries, 5);
    record.replace_all(&entries).await;
    let found = record.verify().await;
    assert_fault(&found, 5, FaultKind::Rewritten);
    assert!(found.faults.iter().any(|f| (f.number, f.kind) == (6, FaultKind::NotSigned)));
    // Who has the instance key too can sign: what remains is what the vault has.
    for entry in &mut entries {
        record.sign(entry).await;
    }
    record.replace_all(&entries).await;
    let found = record.verify().await;
    assert_fault(&found, 5, FaultKind::Rewritten);
    assert_eq!(found.faults[0].detail, "up to entry 8 the record is not the one that was signed");
    assert_eq!((found.faults_in_all, found.signed_up_to), (2, 4));
    // A new head does not help: the old ones stay.
    let end = AuditChain { head_number: 0, ..record.chain().await };
    record.home.catalog.audit_overwrite(&entries, &end).await.unwrap();
    record.head().await;
    assert_fault(&record.verify().await, 5, FaultKind::Rewritten);
}

#[tokio::test]
async fn an_end_that_was_cut_off_is_found() {
    let record = Record::full().await;
    let whole = record.entries().await;
    for left in [11, 8, 1, 0] {
        record.replace_all(&whole[..left]).await;
        let found = record.verify().await;
        assert_fault(&found, left as u64 + 1, FaultKind::OlderThanHead);
    }
    // Behind the newest head the noted end tells.
    record.replace_all(&whole).await;
    record.add(13).await;
    let chain = record.chain().await;
    record.replace(&whole, 13, &chain.hash).await;
    assert_fault(&record.verify().await, 13, FaultKind::Missing);
}

#[tokio::test]
async fn heads_that_are_gone_or_forged_are_found() {
    let record = Record::full().await;
    let heads = record.dir.path().join("vault/control/audit");
    let mut names: Vec<_> =
        std::fs::read_dir(&heads).unwrap().map(|file| file.unwrap().path()).collect();
    names.sort();
    let newest = std::fs::read(&names[2]).unwrap();
    std::fs::remove_file(&names[2]).unwrap();
    let found = record.verify().await;
    assert_fault(&found, 12, FaultKind::Missing);
    assert_eq!(found.signed_up_to, 8);
    // With another hash, and with the right one but no signature.
    std::fs::write(heads.join(format!("{:020}-{}", 6, "ab".repeat(32))), &newest).unwrap();
    std::fs::write(&names[2], "{}").unwrap();
    let found = record.verify().await;
    assert_fault(&found, 6, FaultKind::ForgedHead);
    assert_eq!((found.faults_in_all, found.faults[1].number), (2, 12));
    std::fs::write(heads.join("note"), "").unwrap();
    assert_fault(&record.verify().await, 0, FaultKind::ForgedHead);
}

/// A fixed slice of random attacks by somebody who has the database and not the key.
#[tokio::test]
async fn random_tampering_is_found_at_its_first_entry() {
    let record = Record::full().await;
    let (whole, chain) = (record.entries().await, record.chain().await);
    for seed in 0..150 {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut entries = whole.clone();
        let at = random.random_range(0..entries.len());
        let mut first = at as u64 + 1;
        let what = random.random_range(0..6);
        match what {
            0 => entries[at].details.push(random.random_range('a'..='z')),
            1 => drop(entries.remove(at)),
            2 => {
                let with = (at + random.random_range(1..entries.len())) % entries.len();
                let number = entries[at].number;
                entries[at].number = entries[with].number;
                entries[with].number = number;
                first = first.min(with as u64 + 1);
            }
            3 => {
                entries[at].from.push('0');
                entries[at].hash = entries[at].digest();
            }
            4 => {
                entries[at].ends += 1;
                rehash(&mut entries, at);
                // Only the head that covers it says more; it is the first that is not proven.
                first = first.min(at as u64 / 4 * 4 + 1);
            }
            _ => {
                let forged = event(seed).into_entry(13, record.home.clock.now(), &whole[11].hash);
                entries.push(forged);
                first = 13;
            }
        }
        match what {
            4 | 5 => record.replace_all(&entries).await,
            _ => record.replace(&entries, chain.number, &chain.hash).await,
        }
        let found = record.verify().await;
        assert!(!found.ok, "seed {seed}: attack {what} at {at}");
        // A head that contradicts says of a stretch that it is wrong, an entry of itself.
        let of_entry = found.faults.iter().filter(|f| f.kind != FaultKind::Rewritten);
        let named = of_entry.map(|f| f.number).min();
        let exact = if what == 4 { at as u64 + 1 } else { first };
        assert_eq!(named, Some(exact), "seed {seed}: attack {what} at {at}: {:?}", found.faults);
    }
}
