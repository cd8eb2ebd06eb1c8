//! What an edit costs: counted in reads of the store and in trees written, never in time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use holdfast_vault::{
    Content, Creation, Cut, Edit, Fanout, MemoryStore, Node, NodeKind, Shard, Store, Stored,
    TreeId, Vault, Writer,
};

use super::*;

/// Months, days, then digits, as mail is spread. Names begin with the date.
const FANOUT: Fanout =
    Fanout { levels: |name| vec![name[..7].to_owned(), name[..10].to_owned()], ..LIMITS };
const LIMITS: Fanout =
    Fanout { levels: |_| Vec::new(), always: 1, split_above: 256, merge_below: 64 };

/// Counts the parts of packs that are read: each is one tree or one piece of content.
#[derive(Debug)]
struct Counting {
    inner: MemoryStore,
    reads: AtomicU64,
}

impl Store for Counting {
    fn location(&self) -> String {
        self.inner.location()
    }

    fn restic_repository(&self, prefix: &str) -> String {
        self.inner.restic_repository(prefix)
    }

    fn get(&self, key: &str) -> holdfast_vault::Result<Option<Bytes>> {
        self.inner.get(key)
    }

    fn get_range(
        &self,
        key: &str,
        offset: u64,
        length: usize,
    ) -> holdfast_vault::Result<Option<Bytes>> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.inner.get_range(key, offset, length)
    }

    fn list(&self, prefix: &str) -> holdfast_vault::Result<Vec<Stored>> {
        self.inner.list(prefix)
    }

    fn list_folders(&self, prefix: &str) -> holdfast_vault::Result<Vec<String>> {
        self.inner.list_folders(prefix)
    }

    fn create(&self, key: &str, parts: &[Bytes]) -> holdfast_vault::Result<Creation> {
        self.inner.create(key, parts)
    }

    fn replace(&self, key: &str, content: &Bytes) -> holdfast_vault::Result<()> {
        self.inner.replace(key, content)
    }

    fn remove(&self, key: &str) -> holdfast_vault::Result<()> {
        self.inner.remove(key)
    }
}

struct Counted {
    store: Arc<Counting>,
    shard: Shard,
}

impl Counted {
    fn new() -> Self {
        let clock = Clock::manual(time(0));
        let inner = MemoryStore::new(clock.clone());
        let store = Arc::new(Counting { inner, reads: AtomicU64::new(0) });
        let (vault, _) = Vault::create_in(store.clone(), &passphrase(), clock).unwrap();
        vault.create_shard(SHARD).unwrap();
        Self { store, shard: vault.shard(SHARD).unwrap() }
    }

    /// What `change` reads and how many trees it writes, and the tree that it makes.
    fn cost(&self, tree: TreeId, change: impl Fn(&Writer, &mut Edit<'_>)) -> ([u64; 2], TreeId) {
        let writer = self.shard.writer().unwrap();
        let before = self.store.reads.load(Ordering::Relaxed);
        let mut edit = writer.edit(Some(tree), FANOUT);
        change(&writer, &mut edit);
        let changed = edit.save().unwrap();
        let reads = self.store.reads.load(Ordering::Relaxed) - before;
        let written = writer.stats().trees_new;
        writer.snapshot(changed, &tags(2), time(0), "h", &[]).unwrap();
        ([reads, written], changed)
    }

    /// Stores a tree of so many mailboxes with 1,000 items each. They have the same items, so that
    /// a million of them are made as quickly as a thousand.
    fn mailboxes(&self, count: usize) -> TreeId {
        let writer = self.shard.writer().unwrap();
        let content = writer.put(b"content", Cut::Whole).unwrap();
        let mut one = writer.edit(None, FANOUT);
        for number in 0..1_000 {
            one.put_item(&["Inbox"], item(number, content.clone())).unwrap();
        }
        one.put(&[], Node::dir("Inbox", time(0)).with_meta("{}")).unwrap();
        let tree = Some(one.save().unwrap());
        let mut all = writer.edit(None, FANOUT);
        for mailbox in 0..count {
            let node = Node::dir(name(mailbox), time(0)).with_meta("{}");
            all.put(&["exchange"], Node { kind: NodeKind::Dir { tree }, ..node }).unwrap();
        }
        let tree = all.save().unwrap();
        writer.snapshot(tree, &tags(1), time(0), "h", &[]).unwrap();
        tree
    }
}

fn name(mailbox: usize) -> String {
    format!("person-{mailbox:04}")
}

fn item(number: usize, content: Content) -> Node {
    let (month, day) = (1 + number / 84 % 12, 1 + number % 28);
    file(&format!("2025-{month:02}-{day:02} {number:06}.eml"), content)
}

/// 100 changes in each of ten mailboxes: new, changed and removed items of three months.
fn change_thousand(writer: &Writer, edit: &mut Edit<'_>) {
    for mailbox in 0..10 {
        let name = name(mailbox);
        let folder = ["exchange", &name, "Inbox"];
        let new = format!("content of {mailbox}");
        let content = writer.put(new.as_bytes(), Cut::Whole).unwrap();
        for number in 0..60 {
            let number = 900_000 + number * 12 * 84 + 11 * 84;
            edit.put_item(&folder, item(number, content.clone())).unwrap();
        }
        for number in (0..20).chain(84..104) {
            let old = item(number, content.clone());
            if number % 2 == 0 {
                edit.put_item(&folder, old).unwrap();
            } else {
                assert!(edit.remove_item(&folder, &old.name).unwrap().is_some());
            }
        }
    }
}

#[test]
fn a_thousand_changes_cost_the_same_in_ten_thousand_items_and_in_a_million() {
    let mut costs = Vec::new();
    for mailboxes in [10, 100, 1_000] {
        let counted = Counted::new();
        let tree = counted.mailboxes(mailboxes);
        let (cost, changed) = counted.cost(tree, change_thousand);
        costs.push(cost);
        let reader = counted.shard.reader().unwrap();
        let found =
            reader.list(reader.node(changed, &["exchange"]).unwrap().unwrap().tree().unwrap());
        assert_eq!(found.unwrap().len(), mailboxes);
    }
    // The root, the list of mailboxes; in each of ten the mailbox, its inbox and three months.
    assert_eq!(costs, [[2 + 10 * 5, 2 + 10 * 5]; 3]);
}

#[test]
fn a_folder_moves_without_a_look_inside() {
    let counted = Counted::new();
    let tree = counted.mailboxes(100);
    let (cost, moved) = counted.cost(tree, |_, edit| {
        let node = edit.remove(&["exchange", "person-0007", "Inbox"]).unwrap().unwrap();
        edit.put(&["exchange", "person-0008"], Node { name: "Old".into(), ..node }).unwrap();
    });
    // The root, the list of mailboxes and the two mailboxes; nothing of the 1,000 items.
    assert_eq!(cost, [4, 4]);
    let reader = counted.shard.reader().unwrap();
    let path = |person: &'static str, folder| reader.node(moved, &["exchange", person, folder]);
    assert_eq!(path("person-0007", "Inbox").unwrap(), None);
    let old = path("person-0009", "Inbox").unwrap().unwrap().tree();
    assert_eq!(path("person-0008", "Old").unwrap().unwrap().tree(), old);
}
