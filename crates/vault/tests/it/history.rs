//! Shards with a history and what is expected in each of its snapshots; plans by the policy.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;

use holdfast_model::ResourceId;
use holdfast_policy as policy;
use holdfast_policy::{DeletePlan, ErasureRequest, Facts, Hold, HoldScope, KeepRule, Rules};
use holdfast_vault::{Cut, Fanout, Node, NodeKind, Reader, Shard, Snapshot, TreeId};

use super::*;

/// Path → bytes of all files of a snapshot.
pub type Files = BTreeMap<String, Vec<u8>>;

/// Writes a snapshot whose files are exactly these.
pub fn write(shard: &Shard, seq: u64, files: &Files) -> Snapshot {
    let writer = shard.writer().unwrap();
    let mut edit = writer.edit(None, Fanout::FLAT);
    for (path, bytes) in files {
        let parts: Vec<&str> = path.split('/').collect();
        let (name, dir) = parts.split_last().unwrap();
        let content = writer.put(bytes, Cut::Whole).unwrap();
        let meta = format!("{{\"of\":\"{name}\"}}");
        edit.put(dir, file(name, content).with_meta(meta)).unwrap();
    }
    let tree = edit.save().unwrap();
    writer.snapshot(tree, &tags(seq), time(seq as i64), "h", &["/".into()]).unwrap()
}

/// All files of a tree.
pub fn read(shard: &Shard, tree: TreeId) -> Files {
    let mut files = Files::new();
    collect(&shard.reader().unwrap(), tree, "", &mut files);
    files
}

fn collect(reader: &Reader, tree: TreeId, prefix: &str, files: &mut Files) {
    for node in reader.list(tree).unwrap() {
        let path = format!("{prefix}{}", node.name);
        match &node.kind {
            NodeKind::Dir { tree } => collect(reader, tree.unwrap(), &format!("{path}/"), files),
            NodeKind::File { .. } => {
                files.insert(path, reader.bytes(&node).unwrap());
            }
        }
    }
}

/// The file nodes of a tree by path.
pub fn nodes(reader: &Reader, tree: TreeId, prefix: &str, found: &mut BTreeMap<String, Node>) {
    for node in reader.list(tree).unwrap() {
        let path = format!("{prefix}{}", node.name);
        match node.tree() {
            Some(tree) => nodes(reader, tree, &format!("{path}/"), found),
            None => {
                found.insert(path, node);
            }
        }
    }
}

/// Compares every snapshot of a shard with what is expected, and asks for damage.
pub fn assert_holds(shard: &Shard, expected: &BTreeMap<u64, Files>, context: &str) {
    let found: BTreeMap<u64, Files> =
        shard.snapshots().unwrap().iter().map(|s| (s.tags.seq.0, read(shard, s.tree))).collect();
    let keys = |map: &BTreeMap<u64, Files>| map.keys().copied().collect::<Vec<_>>();
    assert_eq!(keys(&found), keys(expected), "{context}: other snapshots");
    for (seq, files) in expected {
        let names = |files: &Files| files.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&found[seq]), names(files), "{context}: snapshot {seq} has other files");
        assert!(found[seq] == *files, "{context}: snapshot {seq} has other bytes");
    }
    let report = shard.check(true).unwrap();
    assert_eq!(report.errors, Vec::<String>::new(), "{context}");
}

/// The people of the fixtures and where they lie.
pub const ADA: &str = "exchange/Ada ~aaaaaaaaaaaaaaaa";
pub const BOB: &str = "exchange/Bob ~bbbbbbbbbbbbbbbb";

pub fn facts(vault: &Vault, shard: &Shard, holds: &[&str]) -> Facts {
    let snapshots = shard.snapshots().unwrap();
    // The catalog knows the last writing of each.
    let is_last = |snapshot: &Snapshot| {
        let place = |snapshot: &Snapshot| (snapshot.tags.seq, snapshot.tags.fence);
        let same = snapshots.iter().filter(|other| place(other) == place(snapshot));
        same.map(|other| other.tags.rewrite).max() == Some(snapshot.tags.rewrite)
    };
    let standing = |snapshot: &Snapshot| match is_last(snapshot) {
        true => policy::Standing::Committed,
        false => policy::Standing::Unknown,
    };
    let fact = |snapshot: &Snapshot| policy::SnapshotFact {
        id: snapshot.id.clone(),
        seq: snapshot.tags.seq,
        fence: snapshot.tags.fence,
        rewrite: snapshot.tags.rewrite,
        run: snapshot.tags.run.clone(),
        time: snapshot.time,
        kind: policy::SnapshotKind::Final,
        complete: true,
        standing: standing(snapshot),
        locked_until: None,
    };
    let resource = |path: &str| policy::ResourceFact {
        id: ResourceId(path.to_owned()),
        path: Some(path.split('/').map(str::to_owned).collect()),
    };
    let hold = |path: &&str| Hold {
        case: format!("case of {path}"),
        resources: HoldScope::Resources(BTreeSet::from([ResourceId((*path).to_owned())])),
    };
    Facts {
        left_behind: None,
        vault: vault.id().to_owned(),
        shard: shard.id(),
        now: time(1_000_000),
        snapshots: snapshots.iter().map(fact).collect(),
        resources: vec![resource(ADA), resource(BOB)],
        holds: holds.iter().map(hold).collect(),
    }
}

/// The plan that keeps the newest snapshots.
pub fn keep_last(vault: &Vault, shard: &Shard, count: u32, holds: &[&str]) -> DeletePlan {
    let rules = Rules::new([KeepRule::Last(NonZeroU32::new(count).unwrap())]);
    policy::evaluate(&facts(vault, shard, holds), &rules).into_plan()
}

/// The plan that forgets nothing.
pub fn keep_all(vault: &Vault, shard: &Shard) -> DeletePlan {
    policy::evaluate(&facts(vault, shard, &[]), &Rules::keep_all()).into_plan()
}

/// The plan that erases items.
pub fn erasure(vault: &Vault, shard: &Shard, resource: &str, items: &[&str]) -> DeletePlan {
    let request = ErasureRequest {
        resource: ResourceId(resource.to_owned()),
        items: items.iter().map(|item| (*item).to_owned()).collect(),
        reason: "test".to_owned(),
    };
    policy::evaluate_erasure(&facts(vault, shard, &[]), &[request]).unwrap().into_plan()
}

/// A vault with one shard in a store, and how to open it from a copy of that store.
pub struct Origin {
    pub store: std::sync::Arc<faulty::Faulty>,
    pub secret: VaultSecret,
    pub clock: Clock,
}

impl Origin {
    pub fn new() -> Self {
        let clock = Clock::manual(time(0));
        let store = std::sync::Arc::new(faulty::Faulty::new(&clock));
        let (vault, secret) =
            Vault::create_in(store.clone(), &passphrase(), clock.clone()).unwrap();
        vault.create_shard(SHARD).unwrap();
        Self { store, secret, clock }
    }

    pub fn open(&self) -> (Vault, Shard) {
        open(&self.store, &self.secret, &self.clock)
    }
}

pub fn open(
    store: &std::sync::Arc<faulty::Faulty>,
    secret: &VaultSecret,
    clock: &Clock,
) -> (Vault, Shard) {
    let vault = Vault::open_in(store.clone(), secret.clone(), clock.clone()).unwrap();
    let shard = vault.shard(SHARD).unwrap();
    (vault, shard)
}
