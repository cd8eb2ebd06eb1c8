//! The control repository.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use holdfast_vault::{ErrorKind, PruneOptions, Store};

use super::faulty::Op;
use super::history::{Origin, keep_all, write};
use super::*;

fn map(entries: &[(&str, &str)]) -> BTreeMap<String, Vec<u8>> {
    entries.iter().map(|(k, v)| ((*k).to_owned(), v.as_bytes().to_vec())).collect()
}

fn set(path: &str, text: &str) -> (String, Option<Vec<u8>>) {
    (path.to_owned(), Some(text.as_bytes().to_vec()))
}

fn snapshots(fixture: &Fixture) -> usize {
    std::fs::read_dir(fixture.path().join("control/snapshots")).unwrap().count()
}

#[test]
fn intent_is_saved_changed_and_removed() {
    let fixture = Fixture::new();
    let control = fixture.vault.control().unwrap();
    assert_eq!(control.load().unwrap(), map(&[]));
    control.save(&[set("tenants/contoso.json", "{1}"), set("head.json", "h")]).unwrap();
    control.save(&[set("tenants/contoso.json", "{2}"), ("head.json".to_owned(), None)]).unwrap();
    assert_eq!(control.load().unwrap(), map(&[("tenants/contoso.json", "{2}")]));

    let before = snapshots(&fixture);
    control.save(&[set("tenants/contoso.json", "{2}"), ("gone".to_owned(), None)]).unwrap();
    control.save(&[]).unwrap();
    assert_eq!(snapshots(&fixture), before, "nothing changed, nothing is written");

    let again = Vault::open(fixture.path(), fixture.secret.clone(), fixture.clock.clone()).unwrap();
    assert_eq!(again.control().unwrap().load().unwrap(), control.load().unwrap());
    let report = control.check(true).unwrap();
    assert_eq!((report.errors.len(), report.snapshots), (0, 2));
    assert!(control.save(&[set("../x", "")]).is_err());
    assert!(control.save(&[set("", "")]).is_err());
}

#[test]
fn saves_of_two_at_once_are_both_kept() {
    let fixture = Fixture::new();
    let one = fixture.vault.control().unwrap();
    let two = fixture.vault.control().unwrap();
    std::thread::scope(|scope| {
        for (control, name) in [(&one, "a"), (&two, "b")] {
            scope.spawn(move || {
                for n in 0..5 {
                    control.save(&[set(&format!("{name}/{n}"), "x")]).unwrap();
                }
            });
        }
    });
    assert_eq!(one.load().unwrap().len(), 10);
    assert_eq!(snapshots(&fixture), 10);
}

#[test]
fn a_store_that_has_a_file_of_every_name_is_not_asked_for_ever() {
    let origin = Origin::new();
    let (vault, _) = origin.open();
    let control = vault.control().unwrap();
    control.save(&[set("a", "1")]).unwrap();
    let (store, mut asked) = (Arc::downgrade(&origin.store), 0);
    origin.store.before(Op::Get, "control/heads/", move |key| {
        asked += 1;
        assert!(asked < 20_000, "it goes on and on");
        store.upgrade().unwrap().create(key, &[Bytes::from_static(b"yes")]).map(drop)
    });
    let err = control.load().unwrap_err();
    assert_eq!(err.kind(), ErrorKind::Damaged);
    assert!(err.to_string().contains("control/heads"), "{err}");
}

#[test]
fn intent_is_read_beside_a_prune() {
    let origin = Origin::new();
    let (vault, shard) = origin.open();
    write(&shard, 1, &BTreeMap::from([("a".to_owned(), b"1".to_vec())]));
    let control = vault.control().unwrap();
    for n in 0..9 {
        control.save(&[set(&format!("tenants/{n}"), "{}")]).unwrap();
    }
    let expected = control.load().unwrap();
    let index = || origin.store.list("control/index").unwrap().len();
    assert_eq!((expected.len(), index()), (9, 9));
    // The listing is read; then all index files are replaced by one of
    // packs in use and one of marked packs.
    let (pruning, plan) = (control.clone(), keep_all(&vault, &shard));
    let mut pruned = false;
    origin.store.before(Op::Get, "control/index/", move |_| {
        if !std::mem::replace(&mut pruned, true) {
            pruning.prune(&plan, &PruneOptions::default())?;
        }
        Ok(())
    });
    assert_eq!(control.load().unwrap(), expected);
    assert_eq!(index(), 2);
    // One that is listed and not there is damage all the same.
    origin.store.undisturbed();
    origin.store.list_late("control/index");
    let key = origin.store.list("control/index").unwrap().remove(0).key;
    origin.store.remove(&key).unwrap();
    let err = control.load().unwrap_err();
    assert!(err.kind() == ErrorKind::Damaged && err.to_string().contains(&key), "{err}");
}
