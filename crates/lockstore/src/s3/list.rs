//! Listings: keys, and all versions, page by page.

use std::ops::Bound;

use super::call::{Answer, Call};
use super::error::Error;
use super::state::{Bucket, Key, Version};
use super::xml;

/// What a listing asks for, whatever its kind.
struct Asked<'a> {
    prefix: &'a str,
    delimiter: &'a str,
    encode: bool,
    /// As asked for; the page may be shorter.
    max_keys: usize,
    page: usize,
    as_of: u64,
}

/// A line of a listing.
enum Row<'s> {
    Key(&'s str, &'s Key),
    /// All keys that begin so.
    Common(String),
}

impl<'a> Asked<'a> {
    fn read(call: &'a Call<'_>) -> Result<Self, Error> {
        let text = |name| call.head.parameter(name).unwrap_or("");
        let max_keys = match call.head.parameter("max-keys") {
            None => 1000,
            Some(count) => count.parse().map_err(|_| {
                Error::argument("Provided max-keys not an integer or within integer range")
            })?,
        };
        let encode = match call.head.parameter("encoding-type") {
            None | Some("") => false,
            Some("url") => true,
            Some(_) => return Err(Error::argument("Invalid Encoding Method specified in Request")),
        };
        Ok(Self {
            prefix: text("prefix"),
            delimiter: text("delimiter"),
            encode,
            max_keys,
            page: call.page.min(max_keys),
            as_of: call.as_of,
        })
    }

    /// The lines after `after`, in the order of the keys' bytes. `with` says that `after` itself
    /// is to be seen again: some of its versions are still to come.
    fn rows<'s>(
        &self,
        bucket: &'s Bucket,
        after: &str,
        with: bool,
    ) -> impl Iterator<Item = Row<'s>> {
        let from = if after < self.prefix { self.prefix } else { after };
        let start = match from == after && !with && !after.is_empty() {
            true => Bound::Excluded(from.to_owned()),
            false => Bound::Included(from.to_owned()),
        };
        let (prefix, delimiter) = (self.prefix.to_owned(), self.delimiter.to_owned());
        let mut last = after.to_owned();
        bucket
            .keys
            .range((start, Bound::Unbounded))
            .map_while(move |(name, key)| Some((name, key, name.strip_prefix(&prefix)?.to_owned())))
            .filter_map(move |(name, key, rest)| {
                let end = (!delimiter.is_empty()).then(|| rest.find(&delimiter)).flatten();
                let Some(end) = end else { return Some(Row::Key(name, key)) };
                let common = name[..name.len() - rest.len() + end + delimiter.len()].to_owned();
                (common != last).then(|| {
                    last.clone_from(&common);
                    Row::Common(common)
                })
            })
    }

    fn key(&self, text: &str) -> String {
        xml::key(text, self.encode)
    }

    /// The elements that repeat what was asked.
    fn echo(&self, bucket: &str) -> String {
        let optional = |name, text: &str| match text {
            "" => String::new(),
            text => xml::element(name, self.key(text)),
        };
        [
            xml::element("Name", bucket),
            xml::element("Prefix", self.key(self.prefix)),
            optional("Delimiter", self.delimiter),
            xml::element("MaxKeys", self.max_keys.to_string()),
            xml::optional("EncodingType", self.encode.then_some("url")),
        ]
        .concat()
    }

    fn common(&self, prefix: &str) -> String {
        let prefix = xml::element("Prefix", self.key(prefix));
        format!("<CommonPrefixes>{prefix}</CommonPrefixes>")
    }
}

/// `ListObjectsV2`.
pub(crate) fn objects(call: &Call<'_>, bucket: &Bucket) -> Answer {
    let asked = Asked::read(call)?;
    let token = call.head.parameter("continuation-token");
    let after = match token {
        Some(token) => read_token(token)?,
        None => call.head.parameter("start-after").unwrap_or("").to_owned(),
    };
    let (mut listed, mut count, mut last) = (String::new(), 0, String::new());
    let mut next = None;
    for row in asked.rows(bucket, &after, false) {
        let (name, line) = match row {
            Row::Common(prefix) => {
                if !is_alive_below(bucket, &prefix, asked.as_of) {
                    continue;
                }
                let line = asked.common(&prefix);
                (prefix, line)
            }
            Row::Key(name, key) => match current(key, asked.as_of) {
                Some(version) => (name.to_owned(), object(&asked, name, version)),
                None => continue,
            },
        };
        if count == asked.page {
            next = (count > 0).then(|| hex::encode(&last));
            break;
        }
        (count, last) = (count + 1, name);
        listed.push_str(&line);
    }
    let content = [
        asked.echo(&call.head.bucket),
        xml::element("KeyCount", count.to_string()),
        xml::optional("ContinuationToken", token),
        xml::optional("StartAfter", call.head.parameter("start-after")),
        xml::element("IsTruncated", next.is_some().to_string()),
        xml::optional("NextContinuationToken", next),
        listed,
    ];
    Ok(xml::document("ListBucketResult", &content.concat()))
}

fn read_token(token: &str) -> Result<String, Error> {
    let bytes = hex::decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    bytes.ok_or(Error::argument("The continuation token provided is incorrect"))
}

/// What a plain listing shows of a key: nothing if a marker is on top.
fn current(key: &Key, as_of: u64) -> Option<&Version> {
    key.as_of(as_of).first().copied().filter(|version| !version.is_marker())
}

fn is_alive_below(bucket: &Bucket, prefix: &str, as_of: u64) -> bool {
    let from = bucket.keys.range(prefix.to_owned()..);
    let mut keys = from.take_while(|(name, _)| name.starts_with(prefix));
    keys.any(|(_, key)| current(key, as_of).is_some())
}

fn object(asked: &Asked<'_>, name: &str, version: &Version) -> String {
    let fields = [xml::element("Key", asked.key(name)), fields(version)].concat();
    format!("<Contents>{fields}</Contents>")
}

fn fields(version: &Version) -> String {
    let content = version.content.as_ref();
    [
        xml::element("LastModified", xml::time(version.modified)),
        xml::optional("ETag", content.map(|content| format!("\"{}\"", content.etag))),
        xml::optional("Size", content.map(|content| content.size.to_string())),
        xml::optional("StorageClass", content.map(|_| "STANDARD")),
    ]
    .concat()
}

/// `ListObjectVersions`.
pub(crate) fn versions(call: &Call<'_>, bucket: &Bucket) -> Answer {
    let asked = Asked::read(call)?;
    let key_marker = call.head.parameter("key-marker").unwrap_or("");
    let id_marker = call.head.parameter("version-id-marker").filter(|id| !id.is_empty());
    if key_marker.is_empty() && id_marker.is_some() {
        return Err(Error::argument(
            "A version-id marker cannot be specified without a key marker.",
        ));
    }
    let (mut listed, mut count) = (String::new(), 0);
    let (mut last, mut next) = ((String::new(), None), None);
    'rows: for row in asked.rows(bucket, key_marker, id_marker.is_some()) {
        let lines = match &row {
            Row::Common(prefix) => vec![(None, asked.common(prefix))],
            Row::Key(name, key) => {
                let marker = id_marker.filter(|_| *name == key_marker);
                version_lines(&asked, name, key, marker)
            }
        };
        let name = match row {
            Row::Common(prefix) => prefix,
            Row::Key(name, _) => name.to_owned(),
        };
        for (id, line) in lines {
            if count == asked.page {
                next = (count > 0).then(|| last.clone());
                break 'rows;
            }
            listed.push_str(&line);
            (count, last) = (count + 1, (name.clone(), id));
        }
    }
    let (next_key, next_id) = next.clone().unzip();
    let content = [
        asked.echo(&call.head.bucket),
        xml::element("KeyMarker", asked.key(key_marker)),
        xml::element("VersionIdMarker", id_marker.unwrap_or("")),
        xml::element("IsTruncated", next.is_some().to_string()),
        xml::optional("NextKeyMarker", next_key.map(|key| asked.key(&key))),
        xml::optional("NextVersionIdMarker", next_id.flatten()),
        listed,
    ];
    Ok(xml::document("ListVersionsResult", &content.concat()))
}

/// The versions of a key, newest first, each with its id; after `marker` if one is given.
fn version_lines(
    asked: &Asked<'_>,
    name: &str,
    key: &Key,
    marker: Option<&str>,
) -> Vec<(Option<String>, String)> {
    let versions = key.as_of(asked.as_of);
    let newest = versions.first().map(|version| version.born);
    let before = marker.map_or(u64::MAX, |id| key.born(id).unwrap_or(0));
    let shown = versions.into_iter().filter(|version| version.born < before);
    let line = |version: &Version| {
        let kind = if version.is_marker() { "DeleteMarker" } else { "Version" };
        let line = [
            xml::element("Key", asked.key(name)),
            xml::element("VersionId", &version.id),
            xml::element("IsLatest", (Some(version.born) == newest).to_string()),
            fields(version),
        ];
        format!("<{kind}>{}</{kind}>", line.concat())
    };
    shown.map(|version| (Some(version.id.clone()), line(version))).collect()
}
