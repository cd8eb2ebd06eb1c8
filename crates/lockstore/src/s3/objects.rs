//! Writing, reading, copying and deleting objects.

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode};
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimePrinter;
use percent_encoding::percent_decode_str;

use super::call::{Answer, Call, VERSION, empty, set};
use super::error::{self, Error};
use super::rights::Right;
use super::rules::{self, Versioning};
use super::state::{Content, NULL, Store, Version};
use super::xml;

/// `PutObject`.
pub(crate) fn put(call: &Call<'_>, store: &mut Store) -> Answer {
    let bucket = call.bucket(store)?;
    let lock = call.lock(bucket)?;
    if rules::needs_checksum(lock, &call.head.headers) && !call.payload.has_checksum {
        return Err(rules::NO_CHECKSUM);
    }
    call.condition(bucket)?;
    let (versioning, content) = (bucket.versioning, call.content());
    let mut answer = empty(StatusCode::OK);
    describe(answer.headers_mut(), &content);
    let head = call.head;
    let id = store.commit(&head.bucket, &head.key, Some(content), call.now, lock);
    name_version(answer.headers_mut(), versioning, &id);
    Ok(answer)
}

/// `CopyObject`.
pub(crate) fn copy(call: &Call<'_>, store: &mut Store) -> Answer {
    let head = call.head;
    let mut content = source(call, store)?;
    match head.header("x-amz-metadata-directive") {
        None | Some("COPY") => {}
        Some("REPLACE") => content.headers = call.kept_headers(),
        Some(_) => return Err(Error::argument("Unknown metadata directive.")),
    }
    let bucket = call.bucket(store)?;
    let lock = call.lock(bucket)?;
    call.condition(bucket)?;
    let versioning = bucket.versioning;
    // The copy's entity tag is that of its bytes, also when the source came in parts.
    content.etag = hex::encode(crate::checksum::md5(&content.body));
    let result = copy_result("CopyObjectResult", &content.etag, call.now);
    let id = store.commit(&head.bucket, &head.key, Some(content), call.now, lock);
    let mut answer = result;
    name_version(answer.headers_mut(), versioning, &id);
    Ok(answer)
}

/// The document that answers a copy.
pub(crate) fn copy_result(root: &str, etag: &str, modified: Timestamp) -> Response<Bytes> {
    let etag = xml::element("ETag", format!("\"{etag}\""));
    xml::document(root, &format!("{etag}{}", xml::element("LastModified", xml::time(modified))))
}

/// The content that `x-amz-copy-source` names.
pub(crate) fn source(call: &Call<'_>, store: &Store) -> Result<Content, Error> {
    let header = call.head.header("x-amz-copy-source").unwrap_or("");
    let (path, version) = match header.split_once("?versionId=") {
        Some((path, version)) => (path, Some(version)),
        None => (header, None),
    };
    call.need(if version.is_some() { Right::GetObjectVersion } else { Right::GetObject })?;
    let path = percent_decode_str(path).decode_utf8_lossy();
    let (bucket, key) = path.trim_start_matches('/').split_once('/').ok_or(Error::argument(
        "Copy Source must mention the source bucket and key: sourcebucket/sourcekey",
    ))?;
    let bucket = store.buckets.get(bucket).ok_or(error::NO_SUCH_BUCKET)?;
    let version = match version {
        Some(id) => bucket.version(key, id).ok_or(error::NO_SUCH_VERSION)?,
        None => bucket.current(key).ok_or(error::NO_SUCH_KEY)?,
    };
    version.content.clone().ok_or(error::NO_SUCH_KEY)
}

/// `GetObject` and `HeadObject`, which differ only in the body.
pub(crate) fn get(call: &Call<'_>, store: &Store) -> Answer {
    let bucket = call.bucket(store)?;
    let (version, content) = match call.read(bucket) {
        Ok(found) => found,
        Err(answer) => return Ok(*answer),
    };
    if let Some(status) = unmet(call, version, content)? {
        return Ok(status);
    }
    let mut answer = empty(StatusCode::OK);
    match call.head.header("range").and_then(|range| Range::read(range, content.size)) {
        None => *answer.body_mut() = content.body.clone(),
        Some(Range { first, last }) if first < content.size && first <= last => {
            *answer.status_mut() = StatusCode::PARTIAL_CONTENT;
            let range = format!("bytes {first}-{last}/{}", content.size);
            set(answer.headers_mut(), "content-range", &range);
            // A tampered object may be shorter than it says.
            let end = content.body.len().min(last + 1);
            *answer.body_mut() = content.body.slice(first.min(end)..end);
        }
        Some(_) => {
            return Err(Error::new(416, "InvalidRange", "The requested range is not satisfiable"));
        }
    }
    let headers = answer.headers_mut();
    describe(headers, content);
    let is_whole = !headers.contains_key("content-range");
    let wants_checksum = call.head.header("x-amz-checksum-mode") == Some("ENABLED");
    if let Some((algorithm, _)) = &content.checksum
        && !(wants_checksum && is_whole)
    {
        headers.remove(algorithm.header());
    }
    set(headers, "accept-ranges", "bytes");
    set(headers, "last-modified", &http_time(version.modified));
    name_version(headers, bucket.versioning, &version.id);
    show_lock(call, headers, version);
    for (name, value) in &content.headers {
        set(headers, name, value);
    }
    if !headers.contains_key("content-type") {
        set(headers, "content-type", "binary/octet-stream");
    }
    Ok(answer)
}

/// The answer if a condition of the read does not hold.
fn unmet(
    call: &Call<'_>,
    version: &Version,
    content: &Content,
) -> Result<Option<Response<Bytes>>, Error> {
    let is_named = |tags: &str| {
        tags.split(',').any(|tag| matches!(tag.trim().trim_matches('"'), "*"))
            || tags.split(',').any(|tag| tag.trim().trim_matches('"') == content.etag)
    };
    let later = |date: &str| {
        let date = jiff::fmt::rfc2822::parse(date).ok()?;
        Some(version.modified.as_second() > date.timestamp().as_second())
    };
    let header = |name| call.head.header(name);
    let no_match = match (header("if-match"), header("if-unmodified-since").and_then(later)) {
        (Some(tags), _) => !is_named(tags),
        (None, changed) => changed == Some(true),
    };
    if no_match {
        return Err(error::PRECONDITION_FAILED);
    }
    let same = match (header("if-none-match"), header("if-modified-since").and_then(later)) {
        (Some(tags), _) => is_named(tags),
        (None, changed) => changed == Some(false),
    };
    let mut answer = empty(StatusCode::NOT_MODIFIED);
    describe(answer.headers_mut(), content);
    Ok(same.then_some(answer))
}

/// Bytes asked for, both ends included.
struct Range {
    first: usize,
    last: usize,
}

impl Range {
    /// None if the header is not one range of bytes: then S3 gives the whole object.
    fn read(header: &str, size: usize) -> Option<Self> {
        let end = size.saturating_sub(1);
        match header.strip_prefix("bytes=")?.split_once('-')? {
            ("", count) => {
                let count: usize = count.parse().ok()?;
                let first = if count == 0 { size } else { size.saturating_sub(count) };
                Some(Self { first, last: end })
            }
            (first, "") => Some(Self { first: first.parse().ok()?, last: end }),
            (first, last) => {
                let (first, last) = (first.parse().ok()?, last.parse::<usize>().ok()?);
                (first <= last).then_some(Self { first, last: last.min(end) })
            }
        }
    }
}

/// `DeleteObject`.
pub(crate) fn delete(call: &Call<'_>, store: &mut Store) -> Answer {
    let head = call.head;
    call.bucket(store)?;
    let deleted = delete_one(call, store, &head.key, head.version()?)?;
    let mut answer = empty(StatusCode::NO_CONTENT);
    if let Some(id) = &deleted.version {
        set(answer.headers_mut(), VERSION, id);
    }
    if deleted.is_marker {
        set(answer.headers_mut(), "x-amz-delete-marker", "true");
    }
    Ok(answer)
}

/// What a deletion did.
pub(crate) struct Deleted {
    /// The version that was removed, or the marker that was made.
    pub(crate) version: Option<String>,
    pub(crate) is_marker: bool,
}

/// Removes a version for good, or hides the key behind a marker.
pub(crate) fn delete_one(
    call: &Call<'_>,
    store: &mut Store,
    key: &str,
    version: Option<&str>,
) -> Result<Deleted, Error> {
    let right = if version.is_some() { Right::DeleteObjectVersion } else { Right::DeleteObject };
    call.need(right)?;
    let bucket = call.bucket(store)?;
    let name = &call.head.bucket;
    match version {
        Some(id) => {
            let found = bucket.version(key, id);
            if let Some(found) = found {
                rules::may_delete(found.lock, call.now, call.bypasses())?;
            }
            let is_marker = found.is_some_and(Version::is_marker);
            store.remove(name, key, id);
            Ok(Deleted { version: Some(id.to_owned()), is_marker })
        }
        None if bucket.versioning == Versioning::Off => {
            store.remove(name, key, NULL);
            Ok(Deleted { version: None, is_marker: false })
        }
        None => {
            let id = store.commit(name, key, None, call.now, rules::Lock::default());
            Ok(Deleted { version: Some(id), is_marker: true })
        }
    }
}

/// Entity tag and checksum.
fn describe(headers: &mut HeaderMap, content: &Content) {
    set(headers, "etag", &format!("\"{}\"", content.etag));
    if let Some((algorithm, value)) = &content.checksum {
        set(headers, algorithm.header(), value);
    }
}

pub(crate) fn name_version(headers: &mut HeaderMap, versioning: Versioning, id: &str) {
    if versioning != Versioning::Off {
        set(headers, VERSION, id);
    }
}

/// The lock, to those who may see it.
fn show_lock(call: &Call<'_>, headers: &mut HeaderMap, version: &Version) {
    if let Some(retention) = version.lock.retention
        && call.who.may(Right::GetObjectRetention)
    {
        set(headers, rules::MODE, retention.mode.name());
        set(headers, rules::UNTIL, &xml::time(retention.until));
    }
    if version.lock.hold && call.who.may(Right::GetObjectLegalHold) {
        set(headers, rules::HOLD, "ON");
    }
}

fn http_time(moment: Timestamp) -> String {
    DateTimePrinter::new().timestamp_to_rfc9110_string(&moment).unwrap_or_default()
}
