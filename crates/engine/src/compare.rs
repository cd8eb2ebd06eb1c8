//! What `history` and `diff` share: an item as a tree shows it, and what two such have not in
//! common.

use std::collections::BTreeMap;

use holdfast_catalog::ResourceRow;
use holdfast_model::ShardId;
use holdfast_vault::{Node, NodeKind, Reader, TreeId, Vault};
use holdfast_workloads::drive::FileMeta;
use holdfast_workloads::mail::{self, MessageMeta};
use holdfast_workloads::{ItemMeta, Layout};

use crate::home::blocking;
use crate::reading::Reading;
use crate::{Error, Home, Result, maintain};

/// Readers of the shards in which a resource has lived. While they are there nothing is deleted
/// under them.
pub(crate) struct Readers<'h> {
    home: &'h Home,
    vault: Vault,
    open: BTreeMap<ShardId, (Reader, Reading)>,
}

impl<'h> Readers<'h> {
    /// Of the vault of a resource; none is open yet.
    pub async fn of(home: &'h Home, resource: &ResourceRow) -> Result<Self> {
        let tenant = crate::tenant::find(home, &resource.tenant).await?;
        let vault = home.vault(Some(&tenant.vault_id)).await?;
        Ok(Self { home, vault, open: BTreeMap::new() })
    }

    /// Opens shards, each once; says whether all were open already. What the catalog told before
    /// may have been forgotten until then: whoever chose by it chooses again.
    pub async fn open(&mut self, shards: impl IntoIterator<Item = ShardId>) -> Result<bool> {
        let mut known = true;
        for shard in shards {
            if self.open.contains_key(&shard) {
                continue;
            }
            known = false;
            maintain::settle(self.home, &self.vault, shard).await?;
            let reading = Reading::begin(self.home, self.vault.id(), shard).await?;
            let vault = self.vault.clone();
            let reader = blocking(move || Ok(vault.shard(shard)?.reader()?)).await?;
            self.open.insert(shard, (reader, reading));
        }
        Ok(known)
    }

    /// The reader of an open shard.
    pub fn get(&self, shard: ShardId) -> Result<Reader> {
        let open = self.open.get(&shard).map(|(reader, _)| reader.clone());
        open.ok_or_else(|| Error::not_found("open shard", shard.to_string()))
    }

    /// The readings alone, for those who keep readers.
    pub fn into_readings(self) -> Vec<Reading> {
        self.open.into_values().map(|(_, reading)| reading).collect()
    }

    /// Ends the reading now; dropping it ends it soon.
    pub async fn end(self) -> Result<()> {
        for (_, reading) in self.open.into_values() {
            reading.end().await?;
        }
        Ok(())
    }
}

/// The nodes of a directory on both sides, by name and by whether they are directories: a file may
/// come in the place of a folder of its name.
pub(crate) type Pairs = BTreeMap<(String, bool), (Option<Node>, Option<Node>)>;

/// One side of a comparison: a reader of its shard, and how many trees were asked of it.
pub(crate) struct Side {
    reader: Reader,
    layout: Layout,
    pub trees_read: u64,
}

impl Side {
    pub fn new(reader: Reader, layout: Layout) -> Self {
        Self { reader, layout, trees_read: 0 }
    }

    /// The nodes of a directory; none of an absent one.
    pub fn list(&mut self, tree: Option<TreeId>) -> Result<Vec<Node>> {
        let Some(tree) = tree else { return Ok(Vec::new()) };
        self.trees_read += 1;
        Ok(self.reader.list(tree)?)
    }

    /// The whole metadata of an item, that beside it included.
    pub fn meta(&self, node: &Node, beside: Option<&Node>) -> Result<ItemMeta> {
        let short = self.layout.item(&node.name, node.meta.as_deref().unwrap_or_default())?;
        let Some(beside) = beside.filter(|_| short.has_overflow()) else { return Ok(short) };
        whole_meta(&self.reader, beside, short)
    }
}

/// The whole metadata of a message from the file beside it.
pub(crate) fn whole_meta(reader: &Reader, beside: &Node, short: ItemMeta) -> Result<ItemMeta> {
    let ItemMeta::Message(short) = short else { return Ok(short) };
    let text = String::from_utf8_lossy(&reader.bytes(beside)?).into_owned();
    let whole = MessageMeta::from_json(&beside.name, &text)?;
    Ok(ItemMeta::Message(MessageMeta { form: short.form, ..whole }))
}

/// Lists a directory on both sides.
pub(crate) fn pairs(
    (old, left): (&mut Side, Option<TreeId>),
    (new, right): (&mut Side, Option<TreeId>),
) -> Result<Pairs> {
    let mut pairs = Pairs::new();
    for node in old.list(left)? {
        let key = (node.name.clone(), node.is_dir());
        pairs.entry(key).or_default().0 = Some(node);
    }
    for node in new.list(right)? {
        let key = (node.name.clone(), node.is_dir());
        pairs.entry(key).or_default().1 = Some(node);
    }
    Ok(pairs)
}

/// The file beside a message, on the left (old) and on the right (new).
pub(crate) fn beside<'p>(pairs: &'p Pairs, name: &str) -> (Option<&'p Node>, Option<&'p Node>) {
    let both = pairs.get(&(mail::overflow_name(name), false));
    both.map_or((None, None), |(old, new)| (old.as_ref(), new.as_ref()))
}

/// Bytes of a file.
pub(crate) fn size(node: &Node) -> u64 {
    match &node.kind {
        NodeKind::File { size, .. } => *size,
        NodeKind::Dir { .. } => 0,
    }
}

/// What an item has become: `content`, `folder`, or the names of its metadata. `revision` where
/// the service counts a change that nothing here shows.
pub(crate) fn changed(
    (old, was): (&Node, &ItemMeta),
    (new, is): (&Node, &ItemMeta),
    has_moved: bool,
) -> Vec<&'static str> {
    let mut names = Vec::new();
    if old.kind != new.kind {
        names.push("content");
    }
    names.extend(match (was, is) {
        (ItemMeta::Message(was), ItemMeta::Message(is)) => message_fields(was, is),
        (ItemMeta::File(was), ItemMeta::File(is)) => file_fields(was, is),
        _ => vec!["content"],
    });
    names.dedup();
    if has_moved {
        names.push("folder");
    }
    if names.is_empty() && (was.change_key(), was.tag()) != (is.change_key(), is.tag()) {
        names.push("revision");
    }
    names
}

fn message_fields(was: &MessageMeta, is: &MessageMeta) -> Vec<&'static str> {
    let fields = [
        ("content", was.form != is.form),
        ("read", was.read != is.read),
        ("flag", was.flag != is.flag),
        ("categories", was.cat != is.cat),
        ("importance", was.imp != is.imp),
        ("draft", was.draft != is.draft),
        ("subject", was.subject != is.subject),
        ("from", was.from != is.from),
        ("received", was.received != is.received),
        ("sent", was.sent != is.sent),
        ("created", was.created != is.created),
        ("properties", was.mapi != is.mapi),
    ];
    fields.iter().filter(|(_, differs)| *differs).map(|field| field.0).collect()
}

fn file_fields(was: &FileMeta, is: &FileMeta) -> Vec<&'static str> {
    let fields = [
        ("content", was.form != is.form),
        ("name", was.name != is.name),
        ("created", was.created != is.created),
        ("modified", was.modified != is.modified),
        ("by", was.by != is.by),
        ("sharing", was.shared != is.shared || was.about != is.about),
        ("checked_out", was.checked_out != is.checked_out),
    ];
    fields.iter().filter(|(_, differs)| *differs).map(|field| field.0).collect()
}
