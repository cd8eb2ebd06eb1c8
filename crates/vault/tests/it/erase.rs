//! Erasing items: no trace is left, and nothing else is touched.

use std::collections::BTreeMap;
use std::sync::Arc;

use aes256ctr_poly1305aes::aead::{AeadInPlace, generic_array::GenericArray};
use aes256ctr_poly1305aes::{Aes256CtrPoly1305Aes, Nonce, Tag};
use base64::Engine as _;
use holdfast_vault::{EraseReport, PruneOptions, Store};
use jiff::SignedDuration;

use super::faulty::{Death, Faulty};
use super::history::*;
use super::restic::{assert_clean, is_installed, ok, restic};
use super::*;

const SECRET: &str = "the words that must go";
const SUBJECT: &str = "A subject that must go";
const ITEM: &str = "0123456789abcdef";

/// No pack is written anew for its waste alone: what goes, goes because it is erased.
fn lazy() -> PruneOptions {
    PruneOptions { max_unused_percent: 100, ..PruneOptions::default() }
}

fn instant() -> PruneOptions {
    PruneOptions { instant: true, ..lazy() }
}

/// Decrypts a shard without any of our code: the master key by restic, the rest by the format.
struct Decoder(Aes256CtrPoly1305Aes);

impl Decoder {
    fn new(fixture: &Fixture) -> Self {
        let json = ok(&restic(fixture, &["cat", "masterkey"]));
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        let part = |value: &serde_json::Value| {
            base64::engine::general_purpose::STANDARD.decode(value.as_str().unwrap()).unwrap()
        };
        let key =
            [part(&json["encrypt"]), part(&json["mac"]["k"]), part(&json["mac"]["r"])].concat();
        Self(Aes256CtrPoly1305Aes::new(GenericArray::from_slice(&key)))
    }

    fn decrypt(&self, sealed: &[u8]) -> Vec<u8> {
        let (nonce, rest) = sealed.split_at(16);
        let (text, tag) = rest.split_at(rest.len() - 16);
        let mut plain = text.to_vec();
        let (nonce, tag) = (Nonce::from_slice(nonce), Tag::from_slice(tag));
        self.0.decrypt_in_place_detached(nonce, &[], &mut plain, tag).unwrap();
        plain
    }

    /// Every blob of a pack in plain.
    fn pack(&self, pack: &[u8], found: &mut Vec<u8>) -> usize {
        let length = u32::from_le_bytes(pack[pack.len() - 4..].try_into().unwrap()) as usize;
        let header = self.decrypt(&pack[pack.len() - 4 - length..pack.len() - 4]);
        let (mut at, mut rest, mut blobs) = (0, header.as_slice(), 0);
        while let Some((kind, entry)) = rest.split_first() {
            let size = u32::from_le_bytes(entry[..4].try_into().unwrap()) as usize;
            let plain = self.decrypt(&pack[at..at + size]);
            match kind {
                2 | 3 => found.extend(zstd::decode_all(plain.as_slice()).unwrap()),
                _ => found.extend(plain),
            }
            at += size;
            rest = &entry[if *kind > 1 { 40 } else { 36 }..];
            blobs += 1;
        }
        blobs
    }

    /// Everything that lies in the shard, in plain.
    fn everything(&self, store: &dyn Store) -> Vec<u8> {
        let mut found = Vec::new();
        for file in store.list("shards/1").unwrap() {
            let bytes = store.get(&file.key).unwrap().unwrap();
            match file.key.split('/').nth(2).unwrap() {
                "data" => assert!(self.pack(&bytes, &mut found) > 0),
                "index" | "snapshots" => {
                    let plain = self.decrypt(&bytes);
                    assert_eq!(plain[0], 2, "compressed");
                    found.extend(zstd::decode_all(&plain[1..]).unwrap());
                }
                _ => found.extend(bytes),
            }
        }
        found
    }
}

fn holds(everything: &[u8], text: &str) -> bool {
    memchr::memmem::find(everything, text.as_bytes()).is_some()
}

/// A shard in whose history Ada has the item that must go, in several versions and places; its
/// attachment is also in a message of Bob's.
fn fill(shard: &Shard) -> BTreeMap<u64, Files> {
    let attachment = random_bytes(7, 30_000);
    let mut expected = BTreeMap::new();
    for seq in 1..=5_u64 {
        let mut files = Files::new();
        for n in 0..6 {
            files.insert(format!("{ADA}/Inbox/{n} ~000000000000000{n}.eml"), vec![n; 900]);
        }
        files.insert(format!("{BOB}/Inbox/shared ~ffffffffffffffff.eml"), attachment.clone());
        let near = format!("{ADA}/Inbox/about ~{ITEM} ~eeeeeeeeeeeeeeee.eml");
        files.insert(near, b"another item with the id in its subject".to_vec());
        if (2..=4).contains(&seq) {
            let folder = ["Inbox", "Archive/Deep"][seq as usize % 2];
            let name = format!("{ADA}/{folder}/20260101 {SUBJECT} ~{ITEM}");
            files.insert(format!("{name}.eml"), format!("{SECRET} {}", seq / 3).into_bytes());
            files.insert(format!("{name}.meta.json"), format!("meta: {SECRET}").into_bytes());
            let kept = format!("{ADA}/~kept/2026-01/{SUBJECT} ~{ITEM} ~v01234567.eml");
            files.insert(kept, attachment.clone());
        }
        write(shard, seq, &files);
        files.retain(|path, _| !path.contains(SUBJECT));
        expected.insert(seq, files);
    }
    expected
}

#[test]
fn no_trace_is_left_and_shared_content_stays() {
    if !is_installed() {
        return;
    }
    let fixture = Fixture::new();
    let (vault, shard) = (&fixture.vault, fixture.shard());
    let expected = fill(&shard);
    let decoder = Decoder::new(&fixture);
    let everything = decoder.everything(vault.store().as_ref());
    assert!(holds(&everything, SECRET) && holds(&everything, SUBJECT));
    let before = shard.snapshots().unwrap();

    let plan = erasure(vault, &shard, ADA, &[ITEM]);
    let dry = shard.erase(&plan, &PruneOptions { dry_run: true, ..instant() }).unwrap();
    assert_eq!((dry.snapshots_rewritten, dry.erased[0].names), (3, 3));
    assert_eq!(shard.snapshots().unwrap(), before);
    let report = shard.erase(&plan, &instant()).unwrap();
    assert_eq!((report.snapshots_rewritten, report.erased[0].names), (3, 3));
    assert!(report.is_complete(), "{report:?}");

    assert_holds(&shard, &expected, "erased");
    assert_clean(&fixture);
    let everything = decoder.everything(vault.store().as_ref());
    for text in [SECRET, SUBJECT, "20260101"] {
        assert!(!holds(&everything, text), "{text} is still there");
    }
    assert!(holds(&everything, "another item with the id in its subject"));
    for (old, new) in before.iter().zip(shard.snapshots().unwrap()) {
        let rewrite = u32::from((2..=4).contains(&old.tags.seq.0));
        assert_eq!(new.tags, Tags { rewrite, ..old.tags.clone() });
        assert_eq!(
            (new.time, new.hostname, new.paths),
            (old.time, old.hostname.clone(), old.paths.clone())
        );
    }
    let target = tempfile::tempdir().unwrap();
    let third = &shard.snapshots().unwrap()[2].id;
    ok(&restic(&fixture, &["restore", third, "--target", target.path().to_str().unwrap()]));
    let bob = target.path().join(BOB).join("Inbox/shared ~ffffffffffffffff.eml");
    assert_eq!(std::fs::read(bob).unwrap(), random_bytes(7, 30_000));
}

#[test]
fn beside_a_reader_the_data_goes_a_day_later() {
    if !is_installed() {
        return;
    }
    let fixture = Fixture::new();
    let (vault, shard) = (&fixture.vault, fixture.shard());
    let expected = fill(&shard);
    let decoder = Decoder::new(&fixture);
    let early = shard.reader().unwrap();
    let old = shard.snapshots().unwrap()[2].tree;
    let report = shard.erase(&erasure(vault, &shard, ADA, &[ITEM]), &lazy()).unwrap();
    assert!(!report.is_complete() && report.prune.packs_marked > 0);
    assert_eq!(report.prune.removable_at, Some(time(0) + SignedDuration::from_hours(24)));
    assert_holds(&shard, &expected, "out of sight");
    let mut found = BTreeMap::new();
    nodes(&early, old, "", &mut found);
    let read = found.values().map(|node| early.bytes(node).unwrap());
    assert_eq!(read.filter(|bytes| bytes.starts_with(SECRET.as_bytes())).count(), 1);
    fixture.clock.advance(SignedDuration::from_hours(24));
    let last = shard.prune(&keep_all(vault, &shard), &lazy()).unwrap();
    assert!(last.is_complete());
    let everything = decoder.everything(vault.store().as_ref());
    assert!(!holds(&everything, SECRET) && !holds(&everything, SUBJECT));
    assert_holds(&shard, &expected, "gone");
}

#[test]
fn a_foreign_snapshot_with_the_item_is_named() {
    if !is_installed() {
        return;
    }
    let fixture = Fixture::new();
    let shard = fixture.shard();
    fill(&shard);
    let third = shard.snapshots().unwrap()[2].id.clone();
    ok(&restic(&fixture, &["tag", "--remove", "seq=3", &third]));
    assert_eq!(shard.snapshots().unwrap().len(), 4);
    let plan = erasure(&fixture.vault, &shard, ADA, &[ITEM]);
    let report = shard.erase(&plan, &instant()).unwrap();
    assert_eq!((report.snapshots_rewritten, report.foreign.len()), (2, 1));
    assert!(!report.is_complete());
    assert_eq!(shard.check(true).unwrap().errors, Vec::<String>::new());
}

/// Dies at every change, is done again, and then nothing is left.
#[test]
fn an_erasure_that_was_cut_off_is_completed_by_the_next() {
    if !is_installed() {
        return;
    }
    let fixture = Fixture::new();
    let expected = fill(&fixture.shard());
    let decoder = Decoder::new(&fixture);
    let origin = fixture.vault.store();
    let mut runs = 0;
    for death in [Death::Before, Death::After] {
        for left in 0.. {
            let store = Faulty::dying(&fixture.clock, left, death).fill(origin.as_ref());
            let store = Arc::new(store);
            let (vault, shard) = open(&store, &fixture.secret, &fixture.clock);
            let erase = || -> holdfast_vault::Result<EraseReport> {
                shard.erase(&erasure(&vault, &shard, ADA, &[ITEM]), &instant())
            };
            let outcome = erase();
            let died = store.is_dead();
            assert!(died || outcome.is_ok(), "{outcome:?}");
            store.revive();
            let context = format!("{death:?} {left}");
            assert_eq!(shard.check(true).unwrap().errors, Vec::<String>::new(), "{context}");
            // The lock of the dead gets old.
            fixture.clock.advance(SignedDuration::from_hours(1));
            let mut report = erase().unwrap();
            if report.prune.orphans_waiting > 0 {
                fixture.clock.advance(SignedDuration::from_hours(24));
                report = erase().unwrap();
                fixture.clock.advance(SignedDuration::from_hours(-24));
            }
            fixture.clock.advance(SignedDuration::from_hours(-1));
            assert!(report.is_complete(), "{context}: {report:?}");
            assert_holds(&shard, &expected, &context);
            let everything = decoder.everything(store.as_ref());
            assert!(!holds(&everything, SECRET) && !holds(&everything, SUBJECT), "{context}");
            runs += 1;
            if !died {
                break;
            }
        }
    }
    assert!(runs > 20, "{runs}");
}

#[test]
fn a_locked_snapshot_is_out_of_sight_and_goes_later() {
    let origin = Origin::new();
    let (_, shard) = origin.open();
    let expected = fill(&shard);
    let store = Faulty::new(&origin.clock).with_locks(&origin.clock).fill(origin.store.as_ref());
    let end = time(0) + SignedDuration::from_hours(240);
    store.lock("shards/1/", end);
    let store = Arc::new(store);
    let (vault, shard) = open(&store, &origin.secret, &origin.clock);
    let report = shard.erase(&erasure(&vault, &shard, ADA, &[ITEM]), &instant()).unwrap();
    assert_eq!((report.snapshots_rewritten, report.locked.len()), (3, 3));
    assert_eq!((report.locked_until, report.is_complete()), (Some(end), false));
    assert_eq!(shard.snapshots().unwrap().len(), 8, "three are there twice");
    let again = shard.erase(&erasure(&vault, &shard, ADA, &[ITEM]), &instant()).unwrap();
    assert_eq!((again.locked.len(), shard.snapshots().unwrap().len()), (3, 8));
    origin.clock.advance(SignedDuration::from_hours(241));
    let last = shard.erase(&erasure(&vault, &shard, ADA, &[ITEM]), &instant()).unwrap();
    assert!(last.is_complete(), "{last:?}");
    assert_holds(&shard, &expected, "after the locks");
}

/// An object store may list what was written, and forget what was removed, only after a while.
#[test]
fn a_late_listing_hides_no_snapshot_from_the_prune() {
    let origin = Origin::new();
    let (vault, shard) = origin.open();
    let mut expected = fill(&shard);
    let mut files = expected[&5].clone();
    files.insert(format!("{ADA}/Inbox/own ~dddddddddddddddd.eml"), random_bytes(8, 900));
    expected.insert(6, files.clone());
    files.insert(format!("{ADA}/Inbox/x ~{ITEM}.eml"), SECRET.into());
    write(&shard, 6, &files);
    shard.forget(&keep_last(&vault, &shard, 2, &[])).unwrap();
    expected.retain(|seq, _| *seq > 4);
    origin.store.list_late("shards/1/snapshots");
    // One is written anew, the other stays.
    let report = shard.erase(&erasure(&vault, &shard, ADA, &[ITEM]), &instant()).unwrap();
    assert_eq!((report.snapshots_rewritten, report.prune.packs_removed > 0), (1, true));
    assert!(report.is_complete(), "{report:?}");
    origin.store.list_truly();
    assert_holds(&shard, &expected, "listed again");
}
