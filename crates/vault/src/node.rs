//! Nodes of trees: what callers see, and the JSON that restic reads.
//!
//! Everything that could differ between two machines or two runs is fixed by rule (modes, owner)
//! or left out (access and change time, inode, device), so that equal content gives equal tree
//! ids. Field order and name quoting follow restic 0.14, `internal/restic/node.go`.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use holdfast_model::Timestamp;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::id::{BlobId, TreeId, sha256};

/// Longest metadata of a node in bytes. ext4 stores about 4 KB of extended attributes per file;
/// beyond that restic 0.14 drops them without a word (measured).
pub const MAX_META_BYTES: usize = 2048;

/// Name of the extended attribute that carries [`Node::meta`].
pub const META_XATTR: &str = "user.holdfast";

/// Longest name that file systems take, in bytes.
const MAX_NAME_BYTES: usize = 255;

/// Go's `os.ModeDir | 0700`.
const DIR_MODE: u32 = 0x8000_0000 | 0o700;
const FILE_MODE: u32 = 0o600;

/// A file or directory of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// One path component: not empty, not `.` or `..`, no `/`, no NUL, at most 255 bytes.
    pub name: String,
    /// File or directory, with its content.
    pub kind: NodeKind,
    /// Modification time; the only time that is stored. Moments before the year 1 become the
    /// year 1, since restic cannot read others.
    pub mtime: Timestamp,
    /// Metadata as compact JSON text, at most [`MAX_META_BYTES`]; stored as the extended
    /// attribute [`META_XATTR`].
    pub meta: Option<String>,
}

/// What a [`Node`] is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NodeKind {
    /// A directory. `None` where its tree has not been saved yet (see [`crate::Edit::put`]).
    Dir {
        /// Its tree.
        tree: Option<TreeId>,
    },
    /// A file: the concatenation of its blobs.
    File {
        /// Its blobs in order; empty for an empty file.
        content: Vec<BlobId>,
        /// Sum of the sizes of the blobs in bytes.
        size: u64,
    },
}

impl Node {
    /// A file node.
    pub fn file(name: impl Into<String>, content: Content, mtime: Timestamp) -> Self {
        let kind = NodeKind::File { content: content.blobs, size: content.size };
        Self { name: name.into(), kind, mtime, meta: None }
    }

    /// A directory node whose children are kept or made by [`crate::Edit::put`].
    pub fn dir(name: impl Into<String>, mtime: Timestamp) -> Self {
        Self { name: name.into(), kind: NodeKind::Dir { tree: None }, mtime, meta: None }
    }

    /// The same node with metadata.
    #[must_use]
    pub fn with_meta(mut self, meta: impl Into<String>) -> Self {
        self.meta = Some(meta.into());
        self
    }

    /// The tree of a directory that has been saved.
    pub fn tree(&self) -> Option<TreeId> {
        match self.kind {
            NodeKind::Dir { tree } => tree,
            NodeKind::File { .. } => None,
        }
    }

    /// True for directories.
    pub fn is_dir(&self) -> bool {
        matches!(self.kind, NodeKind::Dir { .. })
    }
}

/// Where the bytes of a file went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Content {
    /// The blobs in order.
    pub blobs: Vec<BlobId>,
    /// Number of bytes.
    pub size: u64,
}

/// Refuses names that cannot be a path component.
pub(crate) fn check_name(name: &str) -> Result<()> {
    let hostile = name.is_empty()
        || name == "."
        || name == ".."
        || name.len() > MAX_NAME_BYTES
        || name.bytes().any(|b| b == b'/' || b == 0);
    if hostile { Err(Error::InvalidName { name: name.to_owned() }) } else { Ok(()) }
}

/// Refuses a node that must not be stored at `parent`.
pub(crate) fn check_node(parent: &[&str], node: &Node) -> Result<()> {
    check_name(&node.name)?;
    let bytes = node.meta.as_ref().map_or(0, String::len);
    if bytes > MAX_META_BYTES {
        let path = parent.iter().copied().chain([node.name.as_str()]).map(str::to_owned).collect();
        return Err(Error::MetaTooLarge { path, bytes });
    }
    Ok(())
}

/// Serialises nodes that are sorted by name, as restic does: JSON and a line end. Written by hand:
/// every message that changes rewrites the list that it stands in.
pub(crate) fn serialize_tree<'a>(nodes: impl Iterator<Item = &'a Node>) -> (Vec<u8>, TreeId) {
    let mut json = Vec::with_capacity(16 * 1024);
    json.extend_from_slice(b"{\"nodes\":[");
    for (at, node) in nodes.enumerate() {
        if at > 0 {
            json.push(b',');
        }
        write_node(&mut json, node);
    }
    json.extend_from_slice(b"]}\n");
    let id = TreeId(sha256(&json));
    (json, id)
}

fn write_node(json: &mut Vec<u8>, node: &Node) {
    let (kind, mode) = match node.kind {
        NodeKind::Dir { .. } => ("dir", DIR_MODE),
        NodeKind::File { .. } => ("file", FILE_MODE),
    };
    json.extend_from_slice(b"{\"name\":");
    write_value(json, &quote(&node.name));
    let mtime = node.mtime.max(earliest());
    json.extend_from_slice(
        format!(",\"type\":\"{kind}\",\"mode\":{mode},\"mtime\":\"{mtime}\",\"uid\":0,\"gid\":0")
            .as_bytes(),
    );
    match &node.kind {
        NodeKind::Dir { tree } => {
            write_meta(json, node.meta.as_deref());
            if let Some(tree) = tree {
                json.extend_from_slice(b",\"subtree\":");
                tree.with_digits(|digits| write_quoted(json, digits));
            }
        }
        NodeKind::File { content, size } => {
            if *size > 0 {
                json.extend_from_slice(b",\"size\":");
                write_value(json, size);
            }
            write_meta(json, node.meta.as_deref());
            write_content(json, content);
        }
    }
    json.push(b'}');
}

fn write_content(json: &mut Vec<u8>, content: &[BlobId]) {
    json.extend_from_slice(b",\"content\":[");
    for (at, blob) in content.iter().enumerate() {
        if at > 0 {
            json.push(b',');
        }
        blob.with_digits(|digits| write_quoted(json, digits));
    }
    json.push(b']');
}

fn write_meta(json: &mut Vec<u8>, meta: Option<&str>) {
    let Some(meta) = meta else { return };
    json.extend_from_slice(b",\"extended_attributes\":[{\"name\":\"user.holdfast\",\"value\":\"");
    let start = json.len();
    json.resize(start + meta.len().div_ceil(3) * 4, 0);
    let written = BASE64.encode_slice(meta, &mut json[start..]);
    written.expect("base64 makes 4 bytes of 3");
    json.extend_from_slice(b"\"}]");
}

/// A string of which no character needs an escape.
fn write_quoted(json: &mut Vec<u8>, text: &str) {
    json.push(b'"');
    json.extend_from_slice(text.as_bytes());
    json.push(b'"');
}

fn write_value<T: Serialize + ?Sized>(json: &mut Vec<u8>, value: &T) {
    serde_json::to_writer(json, value).expect("memory takes strings and numbers");
}

/// Parses a tree that [`serialize_tree`] or restic wrote.
pub(crate) fn parse_tree(id: TreeId, bytes: &[u8]) -> Result<Vec<Node>> {
    let damaged = |what: &str| Error::damaged(format!("tree {id}"), what);
    let tree: TreeJson<'_> = serde_json::from_slice(bytes).map_err(|_| damaged("not a tree"))?;
    tree.nodes
        .into_iter()
        .map(|node| node.into_node().ok_or_else(|| damaged("holds a node that makes no sense")))
        .collect()
}

#[derive(Deserialize)]
struct TreeJson<'j> {
    #[serde(borrow, default, deserialize_with = "null_is_empty")]
    nodes: Vec<NodeJson<'j>>,
}

/// The fields that are read; restic writes more.
#[derive(Deserialize)]
struct NodeJson<'j> {
    #[serde(borrow)]
    name: Cow<'j, str>,
    #[serde(rename = "type", borrow)]
    kind: Cow<'j, str>,
    mtime: Timestamp,
    #[serde(default)]
    size: u64,
    #[serde(borrow, default)]
    extended_attributes: Vec<XattrJson<'j>>,
    #[serde(default)]
    content: Option<Vec<BlobId>>,
    #[serde(default)]
    subtree: Option<TreeId>,
}

#[derive(Deserialize)]
struct XattrJson<'j> {
    #[serde(borrow)]
    name: Cow<'j, str>,
    #[serde(borrow)]
    value: Option<Cow<'j, str>>,
}

impl NodeJson<'_> {
    fn into_node(self) -> Option<Node> {
        let name = unquote(&self.name)?;
        check_name(&name).ok()?;
        let meta = self.extended_attributes.into_iter().find(|x| x.name == META_XATTR);
        let meta = match meta.and_then(|x| x.value) {
            Some(value) => Some(String::from_utf8(BASE64.decode(value.as_ref()).ok()?).ok()?),
            None => None,
        };
        let kind = match self.kind.as_ref() {
            "dir" => NodeKind::Dir { tree: Some(self.subtree?) },
            "file" => NodeKind::File { content: self.content?, size: self.size },
            _ => return None,
        };
        Some(Node { name, kind, mtime: self.mtime, meta })
    }
}

/// The first moment of the year 1, Go's zero time.
fn earliest() -> Timestamp {
    Timestamp::from_second(-62_135_596_800).expect("the year 1 is in the range of timestamps")
}

fn null_is_empty<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Deserialize<'de>,
{
    Ok(Option::<Vec<T>>::deserialize(deserializer)?.unwrap_or_default())
}

/// Names are stored as the inside of a Go string literal (`strconv.Quote`).
fn quote(name: &str) -> Cow<'_, str> {
    if !name.bytes().any(|byte| matches!(byte, b'\\' | b'"') || byte.is_ascii_control()) {
        return Cow::Borrowed(name);
    }
    let mut quoted = String::with_capacity(name.len());
    for c in name.chars() {
        match c {
            '\\' => quoted.push_str("\\\\"),
            '"' => quoted.push_str("\\\""),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            c if c.is_ascii_control() => quoted.push_str(&format!("\\x{:02x}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    Cow::Owned(quoted)
}

/// Reverse of [`quote`], for every escape that Go knows; `None` where the literal is not valid or
/// the name not UTF-8.
fn unquote(quoted: &str) -> Option<String> {
    if !quoted.contains('\\') {
        return Some(quoted.to_owned());
    }
    let mut bytes = Vec::with_capacity(quoted.len());
    let mut rest = quoted.chars();
    while let Some(c) = rest.next() {
        if c == '\\' {
            unescape(&mut rest, &mut bytes)?;
        } else {
            bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        }
    }
    String::from_utf8(bytes).ok()
}

fn unescape(rest: &mut std::str::Chars<'_>, bytes: &mut Vec<u8>) -> Option<()> {
    let byte = match rest.next()? {
        '\\' => b'\\',
        '"' => b'"',
        '\'' => b'\'',
        'a' => 7,
        'b' => 8,
        'f' => 12,
        'n' => b'\n',
        'r' => b'\r',
        't' => b'\t',
        'v' => 11,
        'x' => u8::try_from(number(rest, 2, 16)?).ok()?,
        'u' => return push_char(number(rest, 4, 16)?, bytes),
        'U' => return push_char(number(rest, 8, 16)?, bytes),
        first @ '0'..='3' => u8::try_from(first.to_digit(8)? * 64 + number(rest, 2, 8)?).ok()?,
        _ => return None,
    };
    bytes.push(byte);
    Some(())
}

fn number(rest: &mut std::str::Chars<'_>, digits: usize, radix: u32) -> Option<u32> {
    (0..digits).try_fold(0_u32, |n, _| {
        Some(n.checked_mul(radix)?.wrapping_add(rest.next()?.to_digit(radix)?))
    })
}

fn push_char(code: u32, bytes: &mut Vec<u8>) -> Option<()> {
    bytes.extend_from_slice(char::from_u32(code)?.encode_utf8(&mut [0; 4]).as_bytes());
    Some(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn by_library(node: &Node) -> serde_json::Value {
        let NodeKind::File { content, size } = &node.kind else { unreachable!() };
        let mut json = serde_json::json!({
            "name": quote(&node.name), "type": "file", "mode": 384, "mtime": node.mtime,
            "uid": 0, "gid": 0,
        });
        if *size > 0 {
            json["size"] = (*size).into();
        }
        if let Some(meta) = &node.meta {
            let xattr = serde_json::json!({"name": META_XATTR, "value": BASE64.encode(meta)});
            json["extended_attributes"] = serde_json::json!([xattr]);
        }
        json["content"] = serde_json::json!(content);
        json
    }

    fn round_trip(node: &Node) -> Result<Vec<Node>> {
        let (bytes, id) = serialize_tree([node].into_iter());
        parse_tree(id, &bytes)
    }

    proptest! {
        #[test]
        fn every_node_comes_back(name: String, meta: Option<String>, seconds in 0_i64..4e9 as i64) {
            let mtime = Timestamp::from_second(seconds).unwrap();
            let content = Content { blobs: vec![BlobId([3; 32])], size: 9 };
            let node = Node { meta, ..Node::file(name, content, mtime) };
            match check_name(&node.name) {
                Ok(()) => prop_assert_eq!(round_trip(&node).unwrap(), [node]),
                Err(_) => prop_assert!(round_trip(&node).is_err()),
            }
        }

        #[test]
        fn the_bytes_are_those_of_a_json_library(
            names in prop::collection::vec(any::<String>(), 0..4), meta: Option<String>,
            size in prop_oneof![Just(0), any::<u64>()], blobs in 0..3_u8, seconds: u32,
        ) {
            let mtime = Timestamp::from_second(seconds.into()).unwrap();
            let content = || Content { blobs: (0..blobs).map(|n| BlobId([n; 32])).collect(), size };
            let node = |name: &String| Node { meta: meta.clone(), ..Node::file(name, content(), mtime) };
            let nodes: Vec<Node> = names.iter().map(node).collect();
            let (bytes, _) = serialize_tree(nodes.iter());
            let expected = serde_json::json!({"nodes": nodes.iter().map(by_library).collect::<Vec<_>>()});
            prop_assert_eq!(String::from_utf8(bytes).unwrap(), format!("{expected}\n"));
        }

        #[test]
        fn no_tree_makes_the_parser_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse_tree(TreeId([0; 32]), &bytes);
        }

        #[test]
        fn no_name_makes_the_parser_panic(name in r#"(\\\\[a-zA-Z0-9"']{0,9}|.){0,6}"#) {
            if let Some(plain) = unquote(&name) {
                let again = unquote(&quote(&plain));
                prop_assert_eq!(again, Some(plain));
            }
        }
    }

    #[test]
    fn the_json_is_restics() {
        let mtime = Timestamp::from_second(1_000_000_000).unwrap();
        let content = Content { blobs: vec![BlobId([0xab; 32])], size: 7 };
        let file = Node::file("a\"b", content, mtime).with_meta("{}");
        let dir =
            Node { kind: NodeKind::Dir { tree: Some(TreeId([1; 32])) }, ..Node::dir("d", mtime) };
        let (bytes, _) = serialize_tree([&file, &dir].into_iter());
        let expected = format!(
            concat!(
                r#"{{"nodes":[{{"name":"a\\\"b","type":"file","mode":384,"#,
                r#""mtime":"2001-09-09T01:46:40Z","uid":0,"gid":0,"size":7,"extended_attributes":"#,
                r#"[{{"name":"user.holdfast","value":"e30="}}],"content":["{}"]}},"#,
                r#"{{"name":"d","type":"dir","mode":2147484096,"mtime":"2001-09-09T01:46:40Z","#,
                r#""uid":0,"gid":0,"subtree":"{}"}}]}}"#,
                "\n"
            ),
            "ab".repeat(32),
            "01".repeat(32)
        );
        assert_eq!(String::from_utf8(bytes).unwrap(), expected);
    }

    #[test]
    fn names_that_leave_their_folder_are_damage() {
        for name in ["..", "a/b", "", "a\\x00b", "\\", "\\xff"] {
            let json = format!(
                r#"{{"nodes":[{{"name":"{}","type":"file","mtime":"2001-01-01T00:00:00+02:00","content":[]}}]}}"#,
                name.replace('\\', "\\\\")
            );
            let err = parse_tree(TreeId([0; 32]), json.as_bytes()).unwrap_err();
            assert_eq!(err.kind(), crate::ErrorKind::Damaged, "{name}");
        }
    }

    #[test]
    fn moments_that_restic_cannot_read_are_moved() {
        let node = Node::file("f", Content::default(), Timestamp::MIN);
        assert_eq!(round_trip(&node).unwrap()[0].mtime, earliest());
    }
}
