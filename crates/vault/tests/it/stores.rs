//! What every store promises, asked of each: a folder, memory, S3, Azure; and of real services
//! where the environment names them.
//!
//! `HOLDFAST_S3_LOCATION` (`s3://bucket/prefix?…`) or `HOLDFAST_AZURE_LOCATION`
//! (`azblob://container/prefix?account=…`) name a place, `HOLDFAST_S3_CREDENTIALS` or
//! `HOLDFAST_AZURE_CREDENTIALS` a file of credentials that may delete.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Barrier;

use bytes::Bytes;
use holdfast_vault::{
    Creation, Credentials, Cut, Error, Fanout, LocalStore, Location, MemoryStore, Rights, Store,
    StoreOptions, open_for_maintenance, open_store, probe,
};

use super::*;

/// Asks a store for everything that it promises. What it writes is below `suite/`.
pub fn conforms(store: &dyn Store) {
    creates_once(store);
    reads_parts(store);
    lists(store);
    replaces_and_removes(store);
    takes_odd_names(store);
    takes_large_files(store);
    one_of_many_creates(store);
    dates_files(store);
}

fn put(store: &dyn Store, key: &str, content: &'static [u8]) -> Creation {
    store.create(key, &[Bytes::from_static(content)]).unwrap()
}

fn creates_once(store: &dyn Store) {
    let key = "suite/once/file";
    assert_eq!(store.get(key).unwrap(), None);
    let parts = [&b"ab"[..], b"", b"cde"].map(Bytes::from_static);
    assert_eq!(store.create(key, &parts).unwrap(), Creation::Made);
    assert_eq!(store.get(key).unwrap().unwrap(), "abcde");
    assert_eq!(put(store, key, b"other"), Creation::Exists);
    assert_eq!(put(store, key, b"abcde"), Creation::Exists);
    assert_eq!(store.get(key).unwrap().unwrap(), "abcde");
    assert_eq!(put(store, "suite/once/empty", b""), Creation::Made);
    assert_eq!(store.get("suite/once/empty").unwrap().unwrap(), "");
    assert_eq!(store.get("suite/once").unwrap_or_default(), None);
}

fn reads_parts(store: &dyn Store) {
    put(store, "suite/parts", b"0123456789");
    let part = |offset, length| store.get_range("suite/parts", offset, length).unwrap();
    assert_eq!(part(0, 10).unwrap(), "0123456789");
    assert_eq!(part(3, 4).unwrap(), "3456");
    assert_eq!(part(8, 100).unwrap(), "89");
    assert_eq!(part(10, 5).unwrap(), "");
    assert_eq!(part(1_000, 5).unwrap(), "");
    assert_eq!(part(4, 0).unwrap(), "");
    assert_eq!(store.get_range("suite/none", 0, 5).unwrap(), None);
    assert_eq!(store.get_range("suite/none", 0, 0).unwrap(), None);
    assert_eq!(store.get_within("suite/parts", 10).unwrap().unwrap(), "0123456789");
    assert!(store.get_within("suite/parts", 9).is_err());
    assert_eq!(store.get_within("suite/none", 9).unwrap(), None);
}

fn lists(store: &dyn Store) {
    let keys: BTreeSet<String> =
        (0..25).map(|n| format!("suite/list/{:02x}/{n:04}", n % 3)).collect();
    for key in &keys {
        store.create(key, &[Bytes::from(key.clone())]).unwrap();
    }
    put(store, "suite/list-beside", b"");
    let listed = store.list("suite/list").unwrap();
    let found: Vec<&String> = listed.iter().map(|file| &file.key).collect();
    assert_eq!(found, keys.iter().collect::<Vec<_>>());
    assert!(listed.iter().all(|file| file.size == file.key.len() as u64));
    assert_eq!(store.list("suite/list/01").unwrap().len(), 8);
    assert_eq!(store.list("suite/li").unwrap(), []);
    assert_eq!(store.list("suite/none").unwrap(), []);
    assert_eq!(store.list_folders("suite/list").unwrap(), ["00", "01", "02"]);
    assert_eq!(store.list_folders("suite/list/00").unwrap(), [""; 0]);
    assert!(store.list_folders("").unwrap().contains(&"suite".to_owned()));
    let everything = store.list("").unwrap();
    assert!(keys.iter().all(|key| everything.iter().any(|file| file.key == *key)));
}

fn replaces_and_removes(store: &dyn Store) {
    let key = "suite/replaced";
    for content in ["one", "two, longer", ""] {
        store.replace(key, &Bytes::from(content)).unwrap();
        assert_eq!(store.get(key).unwrap().unwrap(), content);
    }
    store.remove(key).unwrap();
    assert_eq!(store.get(key).unwrap(), None);
    assert_eq!(store.list(key).unwrap(), []);
    store.remove(key).unwrap();
    store.remove("suite/never-was").unwrap();
    assert_eq!(put(store, key, b"again"), Creation::Made);
    assert_eq!(store.get(key).unwrap().unwrap(), "again");
}

fn takes_odd_names(store: &dyn Store) {
    let names = ["a b", "a+b", "a%20b", "ü-\u{1f600}", "q?x=1&y#z", "<k>'\"&amp;", "~;,!$()*@:="];
    for name in names {
        let key = format!("suite/odd/{name}");
        assert_eq!(store.create(&key, &[Bytes::from(name)]).unwrap(), Creation::Made, "{name}");
        assert_eq!(store.get(&key).unwrap().unwrap(), name);
    }
    let listed: BTreeSet<String> =
        store.list("suite/odd").unwrap().into_iter().map(|file| file.key).collect();
    assert_eq!(listed, names.map(|name| format!("suite/odd/{name}")).into());
    for name in names {
        store.remove(&format!("suite/odd/{name}")).unwrap();
    }
    assert_eq!(store.list("suite/odd").unwrap(), []);
}

/// More than two parts of the size that the tests give to stores that divide.
fn takes_large_files(store: &dyn Store) {
    let bytes = Bytes::from(random_bytes(77, (10 << 20) + 12_345));
    let parts = [bytes.slice(..1_000_000), bytes.slice(1_000_000..)];
    assert_eq!(store.create("suite/large", &parts).unwrap(), Creation::Made);
    assert_eq!(store.create("suite/large", &parts).unwrap(), Creation::Exists);
    assert!(store.get("suite/large").unwrap().unwrap() == bytes);
    let part = store.get_range("suite/large", 10 << 20, 100_000).unwrap().unwrap();
    assert!(part == bytes[10 << 20..]);
    assert_eq!(store.list("suite").unwrap().len(), 25 + 6);
}

fn one_of_many_creates(store: &dyn Store) {
    const THREADS: usize = 8;
    let barrier = Barrier::new(THREADS);
    let attempt = |thread: usize| {
        barrier.wait();
        let made = (0..10).filter(|n| {
            let content = Bytes::from(format!("{n} by {thread}"));
            store.create(&format!("suite/race/{n}"), &[content]).unwrap() == Creation::Made
        });
        made.collect::<Vec<_>>()
    };
    let made: Vec<Vec<usize>> = std::thread::scope(|scope| {
        let attempt = &attempt;
        let threads: Vec<_> = (0..THREADS).map(|t| scope.spawn(move || attempt(t))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    for n in 0..10 {
        let makers: Vec<usize> = (0..THREADS).filter(|t| made[*t].contains(&n)).collect();
        assert_eq!(makers.len(), 1, "file {n} was made by {makers:?}");
        let content = store.get(&format!("suite/race/{n}")).unwrap().unwrap();
        assert_eq!(content, format!("{n} by {}", makers[0]));
    }
}

fn dates_files(store: &dyn Store) {
    put(store, "suite/dated", b"x");
    let listed = store.list("suite").unwrap();
    let dated = listed.iter().find(|file| file.key == "suite/dated").unwrap();
    let once = listed.iter().find(|file| file.key == "suite/once/file").unwrap();
    assert!(dated.modified >= once.modified);
    assert!(dated.modified > Timestamp::from_second(1_700_000_000).unwrap());
}

/// Some mail in a shard, as bytes by name.
pub fn fill(vault: &Vault, seq: u64) -> BTreeMap<String, Vec<u8>> {
    try_fill(vault, seq).unwrap()
}

/// The same, as far as the store allows.
pub fn try_fill(vault: &Vault, seq: u64) -> holdfast_vault::Result<BTreeMap<String, Vec<u8>>> {
    let writer = vault.shard(SHARD)?.writer()?;
    let previous = vault.shard(SHARD)?.snapshots()?.pop();
    let mut edit = writer.edit(previous.map(|snapshot| snapshot.tree), Fanout::FLAT);
    let mut expected = BTreeMap::new();
    for n in 0..12 {
        let bytes = random_bytes(seq * 100 + n, 1_000 << (n % 9));
        let name = format!("{seq}-{n}.eml");
        edit.put(&["mail"], file(&name, writer.put(&bytes, Cut::Whole)?))?;
        expected.insert(name, bytes);
    }
    let tree = edit.save()?;
    writer.snapshot(tree, &tags(seq), time(seq as i64), "test", &["/".into()])?;
    Ok(expected)
}

/// What a vault holds in its newest snapshot.
pub fn content(vault: &Vault) -> BTreeMap<String, Vec<u8>> {
    let shard = vault.shard(SHARD).unwrap();
    let reader = shard.reader().unwrap();
    let Some(snapshot) = shard.snapshots().unwrap().pop() else { return BTreeMap::new() };
    let mail = reader.list(snapshot.tree).unwrap().pop().unwrap();
    let nodes = reader.list(mail.tree().unwrap()).unwrap();
    nodes.iter().map(|node| (node.name.clone(), reader.bytes(node).unwrap())).collect()
}

#[test]
fn memory_conforms() {
    conforms(&MemoryStore::new(Clock::manual(time(0))));
}

#[test]
fn a_folder_conforms() {
    let dir = tempfile::tempdir().unwrap();
    conforms(&LocalStore::new(dir.path().join("vault")));
}

/// Runs the suite on a real service; false where the environment names none.
fn real_service_conforms(service: &str) -> bool {
    let variable = |name: &str| std::env::var(format!("HOLDFAST_{service}_{name}")).ok();
    let Some(location) = variable("LOCATION") else { return false };
    let file = variable("CREDENTIALS").expect("a file of credentials");
    let credentials = Credentials::parse(&Secret::new(std::fs::read(file).unwrap())).unwrap();
    let options = StoreOptions {
        credentials: Some(credentials),
        part_size: 5 << 20,
        ..StoreOptions::default()
    };
    let location: Location = location.parse().unwrap();
    let store = open_store(&location, &options, Clock::system()).unwrap();
    conforms(&*store);
    for file in store.list("suite").unwrap() {
        store.remove(&file.key).unwrap();
    }
    true
}

#[test]
fn real_services_conform_where_the_environment_names_them() {
    for service in ["S3", "AZURE"] {
        if !real_service_conforms(service) {
            println!("note: HOLDFAST_{service}_LOCATION is not set; no real service was asked");
        }
    }
}

fn folder_options(append_only: bool, immutable: bool) -> StoreOptions {
    StoreOptions { append_only, immutable, ..StoreOptions::default() }
}

#[test]
fn an_append_only_folder_removes_only_in_maintenance() {
    let dir = tempfile::tempdir().unwrap();
    let at = Location::from(dir.path());
    let options = folder_options(true, false);
    conforms(&*open_for_maintenance(&at, &options, Clock::system()).unwrap());
    let store = open_store(&at, &options, Clock::system()).unwrap();
    assert!(!store.can_remove() && store.can_remove_locks());
    store.create("shards/1/locks/x", &[Bytes::from_static(b"lock")]).unwrap();
    store.remove("shards/1/locks/x").unwrap();
    assert_eq!(store.get("shards/1/locks/x").unwrap(), None);
    assert!(matches!(store.remove("suite/dated"), Err(Error::Denied { .. })));
    assert_eq!(store.get("suite/dated").unwrap().unwrap(), "x");
    let rights = probe(&at, &options, Clock::system()).unwrap();
    assert_eq!(rights, Rights { writer_removes: false, maintenance_removes: None });
}

#[test]
fn an_append_only_vault_takes_backups_and_leaves_no_restic_lock() {
    let dir = tempfile::tempdir().unwrap();
    let store =
        open_store(&dir.path().into(), &folder_options(true, false), Clock::system()).unwrap();
    let (vault, _) = Vault::create_in(store, &passphrase(), Clock::system()).unwrap();
    vault.create_shard(SHARD).unwrap();
    let expected = fill(&vault, 1);
    assert!(content(&vault) == expected);
    assert_eq!(vault.store().list("shards/1/locks").unwrap(), []);
}

#[test]
fn immutable_files_stay_even_for_others() {
    // The temporary files of the test machine may lie where flags are not known.
    let dir = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
    let at = Location::from(dir.path().join("vault"));
    let options = folder_options(false, true);
    let store = open_store(&at, &options, Clock::system()).unwrap();
    if let Err(err) = store.create("tried", &[]) {
        assert!(matches!(err, Error::Denied { .. }), "{err:?}");
        println!("note: immutable flags cannot be set here; nothing was proved");
        return;
    }
    let maintenance = open_for_maintenance(&at, &options, Clock::system()).unwrap();
    conforms(&*maintenance);
    let file = dir.path().join("vault/suite/dated");
    assert!(std::fs::remove_file(&file).is_err());
    assert!(std::fs::write(&file, "y").is_err());
    assert!(std::fs::rename(&file, dir.path().join("moved")).is_err());
    assert!(matches!(store.remove("suite/dated"), Err(Error::Denied { .. })));
    for file in store.list("").unwrap() {
        maintenance.remove(&file.key).unwrap();
    }
}
