//! How an item becomes nodes of the vault.

use std::sync::Arc;

use holdfast_model::Workload;
use holdfast_vault::{Content, Cut, Edit, MAX_META_BYTES, Node, NodeKind, Writer};
use holdfast_workloads::drive::FileMeta;
use holdfast_workloads::mail::{self, MessageMeta};
use holdfast_workloads::{ItemMeta, Layout};

use crate::Result;
use crate::home::blocking;

/// Path of a resource from the root of a snapshot.
pub(crate) fn resource_path(workload: Workload, dir: &str) -> [String; 2] {
    [workload.to_string(), dir.to_owned()]
}

/// An item ready to be put in its folder: its node and, where the metadata of a message is too long
/// for the node, the file beside it.
pub(super) struct Placed {
    pub node: Node,
    pub overflow: Option<Node>,
}

impl Placed {
    /// A file.
    pub fn file(name: &str, content: Content, meta: &FileMeta) -> Self {
        let node = Node::file(name, content, meta.mtime()).with_meta(meta.to_json());
        Self { node, overflow: None }
    }

    /// A message.
    pub fn message(
        writer: &Writer,
        name: &str,
        content: Content,
        meta: &MessageMeta,
    ) -> Result<Self> {
        let mtime = meta.filed_at();
        let node = Node::file(name, content, mtime);
        let json = meta.to_json();
        if json.len() <= MAX_META_BYTES {
            return Ok(Self { node: node.with_meta(json), overflow: None });
        }
        let whole = writer.put(json.as_bytes(), Cut::Whole)?;
        let overflow = Node::file(mail::overflow_name(name), whole, mtime);
        let short = meta.without_overflow().to_json();
        Ok(Self { node: node.with_meta(short), overflow: Some(overflow) })
    }

    /// Puts it in its folder.
    pub fn put(self, edit: &mut Edit<'_>, folder: &[&str]) -> Result<()> {
        edit.put_item(folder, self.node)?;
        if let Some(overflow) = self.overflow {
            edit.put_item(folder, overflow)?;
        }
        Ok(())
    }
}

/// Takes an item out of its folder, with what lies beside it; answers with its stored content and
/// the metadata of its node.
pub(super) fn take(
    edit: &mut Edit<'_>,
    layout: Layout,
    folder: &[&str],
    name: &str,
) -> Result<Option<(Content, ItemMeta)>> {
    let Some(node) = edit.remove_item(folder, name)? else { return Ok(None) };
    let meta = layout.item(name, node.meta.as_deref().unwrap_or_default())?;
    if meta.has_overflow() {
        edit.remove_item(folder, &mail::overflow_name(name))?;
    }
    Ok(content_of(node).map(|content| (content, meta)))
}

/// Stored content and metadata of a node; `None` of one that is no item.
pub(super) fn read(layout: Layout, node: Node) -> Result<Option<(Content, ItemMeta)>> {
    let meta = match (&node.meta, node.is_dir()) {
        (Some(meta), false) => layout.item(&node.name, meta)?,
        _ => return Ok(None),
    };
    Ok(content_of(node).map(|content| (content, meta)))
}

fn content_of(node: Node) -> Option<Content> {
    match node.kind {
        NodeKind::File { content, size } => Some(Content { blobs: content, size }),
        NodeKind::Dir { .. } => None,
    }
}

/// Stores bytes on a thread for blocking work, so that several are compressed at once.
pub(super) async fn store(writer: &Arc<Writer>, bytes: bytes::Bytes, cut: Cut) -> Result<Content> {
    let writer = Arc::clone(writer);
    blocking(move || Ok(writer.put(&bytes, cut)?)).await
}
