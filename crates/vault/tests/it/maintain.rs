//! Forgetting and thinning.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use holdfast_vault::{Cut, ErrorKind, Fanout, Node, PruneOptions, ThinReport};

use jiff::SignedDuration;

use super::faulty::{Death, Faulty};
use super::history::*;
use super::restic::{assert_clean, is_installed, ok, restic};
use super::*;

/// One file per name, in Ada's and in Bob's inbox.
fn inboxes(ada: &[&str], bob: &[&str]) -> Files {
    let file = |who: &str, name: &&str| {
        (format!("{who}/Inbox/{name}.eml"), format!("{who} {name} ").repeat(100).into_bytes())
    };
    let ada = ada.iter().map(|name| file(ADA, name));
    ada.chain(bob.iter().map(|name| file(BOB, name))).collect()
}

fn instant() -> PruneOptions {
    PruneOptions { instant: true, max_unused_percent: 0, ..PruneOptions::default() }
}

fn thin(vault: &Vault, shard: &Shard, keep: u32, holds: &[&str], seq: u64) -> ThinReport {
    shard.thin(&keep_last(vault, shard, keep, holds), &tags(seq), time(seq as i64)).unwrap()
}

#[test]
fn forgetting_takes_what_the_plan_names_and_nothing_else() {
    let origin = Origin::new();
    let (vault, shard) = origin.open();
    let expected: BTreeMap<u64, Files> =
        (1..=4).map(|seq| (seq, inboxes(&["a", "b"][..seq as usize % 2 + 1], &["c"]))).collect();
    let written: Vec<_> =
        expected.iter().map(|(seq, files)| write(&shard, *seq, files).id).collect();
    let plan = keep_last(&vault, &shard, 2, &[]);
    let report = shard.forget(&plan).unwrap();
    assert_eq!(report.forgotten, written[..2]);
    let again = shard.forget(&plan).unwrap();
    assert_eq!((again.forgotten.len(), again.gone), (0, written[..2].to_vec()));
    let left = expected.into_iter().skip(2).collect();
    assert_holds(&shard, &left, "forgotten");
}

#[test]
fn a_plan_for_another_shard_or_vault_is_refused() {
    let origin = Origin::new();
    let (vault, shard) = origin.open();
    vault.create_shard(ShardId(2)).unwrap();
    let second = vault.shard(ShardId(2)).unwrap();
    for shard in [&shard, &second] {
        write(shard, 1, &inboxes(&["a"], &[]));
        write(shard, 2, &inboxes(&["b"], &[]));
    }
    let other = Origin::new();
    let (other_vault, other_shard) = other.open();
    write(&other_shard, 1, &inboxes(&["a"], &[]));
    for plan in [keep_last(&vault, &second, 1, &[]), keep_all(&other_vault, &other_shard)] {
        let refused = [
            shard.forget(&plan).map(|_| ()),
            shard.thin(&plan, &tags(3), time(3)).map(|_| ()),
            shard.prune(&plan, &instant()).map(|_| ()),
            shard.erase(&plan, &instant()).map(|_| ()),
        ];
        for refused in refused {
            assert_eq!(refused.unwrap_err().kind(), ErrorKind::Invalid);
        }
    }
    assert_eq!(shard.snapshots().unwrap().len(), 2);
}

#[test]
fn the_last_restore_point_stays() {
    let origin = Origin::new();
    let (vault, shard) = origin.open();
    write(&shard, 1, &inboxes(&["a"], &[]));
    write(&shard, 2, &inboxes(&["b"], &[]));
    let plan = keep_last(&vault, &shard, 1, &[]);
    // What the plan keeps is lost before the plan is carried out.
    let newest = shard.snapshots().unwrap()[1].id.clone();
    use holdfast_vault::Store as _;
    origin.store.remove(&format!("shards/1/snapshots/{newest}")).unwrap();
    let err = shard.forget(&plan).unwrap_err();
    assert!(err.to_string().contains("last restore point"), "{err}");
    assert_eq!(shard.snapshots().unwrap().len(), 1);
}

/// The test of the issue: what lived only between two snapshots.
#[test]
fn what_a_held_person_had_for_a_while_survives_and_others_are_thinned() {
    let fixture = Fixture::new();
    let (vault, shard) = (&fixture.vault, fixture.shard());
    write(&shard, 1, &inboxes(&["old"], &["old"]));
    write(&shard, 2, &inboxes(&["old", "brief"], &["old", "brief"]));
    write(&shard, 3, &inboxes(&["new"], &["new"]));
    let newest = inboxes(&["new", "newer"], &["new", "newer"]);
    write(&shard, 4, &newest);

    let plan = keep_last(vault, &shard, 1, &[ADA]);
    let err = shard.forget(&plan).unwrap_err();
    assert!(err.to_string().contains("thin the shard first"), "{err}");
    let report = thin(vault, &shard, 1, &[ADA], 5);
    assert_eq!(report.linked.len(), 1);
    assert_eq!((report.linked[0].resource.as_str(), report.linked[0].versions), (ADA, 2));
    let mut kept = newest.clone();
    for name in ["old", "brief"] {
        let bytes = inboxes(&[name], &[]).into_values().next().unwrap();
        kept.insert(format!("{ADA}/~kept/2026-09/{name}.eml"), bytes);
    }
    let plan = keep_last(vault, &shard, 1, &[ADA]);
    assert_eq!(plan.snapshots().len(), 4);
    shard.forget(&plan).unwrap();
    let pruned = shard.prune(&plan, &instant()).unwrap();
    assert!(pruned.is_complete() && pruned.blobs_unused > 0);
    assert_holds(&shard, &BTreeMap::from([(5, kept)]), "thinned");
    let blobs = shard.check(true).unwrap().blobs;
    // Four of Ada's, two of Bob's, and eight directories.
    assert_eq!(blobs, 4 + 2 + 8, "of Bob nothing is left but the newest");
    if is_installed() {
        assert_clean(&fixture);
        let target = tempfile::tempdir().unwrap();
        ok(&restic(&fixture, &["restore", "latest", "--target", target.path().to_str().unwrap()]));
        let brief = target.path().join(ADA).join("~kept/2026-09/brief.eml");
        assert_eq!(
            std::fs::read(brief).unwrap(),
            inboxes(&["brief"], &[]).into_values().next().unwrap()
        );
    }
}

/// Versions of one name lie beside each other, and what belongs to an item goes with it.
#[test]
fn versions_of_one_name_are_told_apart_and_keep_what_lies_beside_them() {
    let origin = Origin::new();
    let (vault, shard) = origin.open();
    let dir: Vec<&str> = ADA.split('/').chain(["Inbox"]).collect();
    for seq in 1..=3_u64 {
        let writer = shard.writer().unwrap();
        let mut edit = writer.edit(None, Fanout::FLAT);
        let content = writer.put(b"mime", Cut::Whole).unwrap();
        let sidecar = writer.put(format!("long {}", seq / 2).as_bytes(), Cut::Whole).unwrap();
        if seq < 3 {
            let meta = format!("{{\"read\":{seq}}}");
            edit.put(&dir, file("x ~0123456789abcdef.eml", content).with_meta(meta)).unwrap();
            edit.put(&dir, file("x ~0123456789abcdef.meta.json", sidecar)).unwrap();
        }
        edit.put(&dir[..2], file("~state.json", writer.put(&[seq as u8], Cut::Whole).unwrap()))
            .unwrap();
        let tree = edit.save().unwrap();
        writer.snapshot(tree, &tags(seq), time(seq as i64), "h", &["/".into()]).unwrap();
    }
    let report = thin(&vault, &shard, 1, &[ADA], 4);
    assert_eq!(report.linked[0].versions, 2);
    let reader = shard.reader().unwrap();
    let mut found = BTreeMap::new();
    nodes(&reader, report.snapshot.unwrap().tree, "", &mut found);
    let kept: BTreeMap<String, Node> = found
        .into_iter()
        .filter_map(|(path, node)| {
            Some((path.strip_prefix(&format!("{ADA}/~kept/2026-09/"))?.to_owned(), node))
        })
        .collect();
    let names: Vec<&str> = kept.keys().map(String::as_str).collect();
    assert_eq!(names.len(), 4, "{names:?}");
    // By name: "x ~id ~v….eml", "x ~id ~v….meta.json", "x ~id.eml", "x ~id.meta.json".
    let mark = names[0].strip_prefix("x ~0123456789abcdef ~v").unwrap();
    let mark = mark.strip_suffix(".eml").unwrap();
    assert!(mark.len() == 8 && names[1] == format!("x ~0123456789abcdef ~v{mark}.meta.json"));
    let text = |at: usize| String::from_utf8(reader.bytes(&kept[names[at]]).unwrap()).unwrap();
    let pair = |at: usize| (kept[names[at]].meta.clone().unwrap(), text(at + 1));
    let mut pairs = [pair(0), pair(2)];
    pairs.sort();
    let expected = [("{\"read\":1}", "long 0"), ("{\"read\":2}", "long 1")];
    assert_eq!(pairs, expected.map(|(meta, text)| (meta.to_owned(), text.to_owned())));
    // Again, as after a crash before the forgetting: nothing is new.
    assert_eq!(thin(&vault, &shard, 1, &[ADA], 5), ThinReport::default());
    shard.forget(&keep_last(&vault, &shard, 1, &[ADA])).unwrap();
    assert_eq!(thin(&vault, &shard, 1, &[ADA], 5), ThinReport::default());
}

/// Ten thousand items that do not change cost nothing.
#[test]
fn thinning_reads_what_changed_only() {
    let mut reads = Vec::new();
    for size in [10, 400] {
        let origin = Origin::new();
        let (vault, shard) = origin.open();
        let still: Vec<String> = (0..size).map(|n| format!("{ADA}/Folder {n}/still.eml")).collect();
        for seq in 1..=6 {
            let mut files: Files = still.iter().map(|path| (path.clone(), b"x".to_vec())).collect();
            files.extend(inboxes(&[&format!("of {seq}")], &[]));
            write(&shard, seq, &files);
        }
        let before = origin.store.reads.load(Ordering::SeqCst);
        assert_eq!(thin(&vault, &shard, 1, &[ADA], 7).linked[0].versions, 5);
        reads.push(origin.store.reads.load(Ordering::SeqCst) - before);
    }
    assert_eq!(reads[0], reads[1], "reads follow the size of the resource");
}

/// Random lives of items: an item survives if and only if a held resource had it in a snapshot
/// that goes, or a snapshot that stays has it.
#[test]
fn random_lives_end_as_the_rule_says() {
    for seed in 0..10 {
        println!("seed {seed}");
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let origin = Origin::new();
        let (vault, shard) = origin.open();
        let names: Vec<String> = (0..8).map(|n| format!("item {n} ~000000000000000{n}")).collect();
        let mut history = Vec::new();
        let runs = rng.random_range(2..9_u64);
        for seq in 1..=runs {
            let mut files = Files::new();
            for who in [ADA, BOB] {
                for name in &names {
                    if rng.random_bool(0.6) {
                        continue;
                    }
                    let folder = ["Inbox", "Inbox/Sub", "Other"][rng.random_range(0..3)];
                    let version = rng.random_range(0..2);
                    let bytes = format!("{who} {name} {version}").into_bytes();
                    files.insert(format!("{who}/{folder}/{name}.eml"), bytes);
                }
            }
            write(&shard, seq, &files);
            history.push(files);
        }
        let keep = rng.random_range(1..runs) as u32;
        let report = thin(&vault, &shard, keep, &[ADA], runs + 1);
        let contents = |files: &Files, who: &str| -> std::collections::BTreeSet<Vec<u8>> {
            let of = files.iter().filter(|(path, _)| path.starts_with(who));
            of.map(|(_, bytes)| bytes.clone()).collect()
        };
        let split = (runs - u64::from(keep)) as usize;
        let of_all = |history: &[Files], who| {
            history
                .iter()
                .flat_map(|files| contents(files, who))
                .collect::<std::collections::BTreeSet<_>>()
        };
        let lost = &of_all(&history[..split], ADA) - &of_all(&history[split..], ADA);
        let linked = report.linked.first().map_or(0, |linked| linked.versions);
        assert_eq!(linked, lost.len() as u64, "seed {seed}");
        if let Some(snapshot) = &report.snapshot {
            let files = read(&shard, snapshot.tree);
            let last = history.last().unwrap();
            assert_eq!(contents(&files, ADA), &lost | &contents(last, ADA), "seed {seed}");
            assert_eq!(contents(&files, BOB), contents(last, BOB), "seed {seed}");
        }
        let mut left: BTreeMap<u64, Files> = (1..).zip(history).skip(split).collect();
        if let Some(snapshot) = &report.snapshot {
            left.insert(runs + 1, read(&shard, snapshot.tree));
        }
        let keep = keep + u32::from(report.snapshot.is_some());
        shard.forget(&keep_last(&vault, &shard, keep, &[ADA])).unwrap();
        shard.prune(&keep_all(&vault, &shard), &instant()).unwrap();
        assert_holds(&shard, &left, &format!("seed {seed}"));
    }
}

/// Thin, forget and prune die at every change, are done again, and end in the same state.
#[test]
fn a_crash_of_thinning_loses_nothing_that_is_held() {
    let origin = Origin::new();
    let (_, shard) = origin.open();
    write(&shard, 1, &inboxes(&["a", "b"], &["a", "b"]));
    write(&shard, 2, &inboxes(&["a", "brief"], &["a", "brief"]));
    write(&shard, 3, &inboxes(&["c"], &["c"]));
    let round = |vault: &Vault, shard: &Shard| -> holdfast_vault::Result<()> {
        let newest = shard.snapshots()?.last().unwrap().tags.seq.0;
        let plan = keep_last(vault, shard, 1, &[ADA]);
        let thinned = shard.thin(&plan, &tags(newest + 1), time(9))?;
        let keep = 1 + u32::from(thinned.snapshot.is_some());
        shard.forget(&keep_last(vault, shard, keep, &[ADA]))?;
        shard.prune(&keep_all(vault, shard), &instant())?;
        Ok(())
    };
    for death in [Death::Before, Death::After] {
        for left in 0.. {
            let store = Faulty::dying(&origin.clock, left, death).fill(origin.store.as_ref());
            let store = Arc::new(store);
            let (vault, shard) = open(&store, &origin.secret, &origin.clock);
            let outcome = round(&vault, &shard);
            let died = store.is_dead();
            assert!(died || outcome.is_ok(), "{outcome:?}");
            store.revive();
            let context = format!("{death:?} {left}");
            assert_eq!(shard.check(true).unwrap().errors, Vec::<String>::new(), "{context}");
            // The lock of the dead gets old.
            origin.clock.advance(SignedDuration::from_hours(1));
            round(&vault, &shard).unwrap();
            let newest = shard.snapshots().unwrap().pop().unwrap();
            let mut names: Vec<String> = read(&shard, newest.tree).into_keys().collect();
            names.retain(|name| name.starts_with(ADA));
            let expected = [
                "Inbox/c.eml",
                "~kept/2026-09/a.eml",
                "~kept/2026-09/b.eml",
                "~kept/2026-09/brief.eml",
            ];
            assert_eq!(names, expected.map(|name| format!("{ADA}/{name}")), "{context}");
            assert_eq!(shard.check(true).unwrap().errors, Vec::<String>::new(), "{context}");
            if !died {
                break;
            }
        }
    }
}
