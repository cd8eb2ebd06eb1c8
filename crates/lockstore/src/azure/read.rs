//! Get Blob and Get Blob Properties.

use std::ops::Range;

use bytes::Bytes;
use http::Response;

use super::call::{self, Call, Operation};
use super::error::{self, Refusal};
use super::state::{Account, Version};
use super::{conditions, worm};

/// Get Blob, whole or a range, and Get Blob Properties.
pub(crate) fn get(account: &Account, call: &Call) -> Result<Response<Bytes>, Refusal> {
    let blob = account.blob(&call.container, &call.blob);
    let version = blob.and_then(|blob| blob.version(call.parameter("versionid")));
    let version = version.ok_or(error::BLOB_NOT_FOUND)?;
    conditions::on(call, version, error::NOT_MODIFIED)?;
    let mut headers = describe(version, account.versioning);
    let range = range(call, version.size)?;
    let md5 = Some(version.properties.md5.clone()).filter(|md5| !md5.is_empty());
    let Some(range) = range else {
        headers.extend(md5.map(|md5| ("content-md5", md5)));
        headers.push(("content-length", version.size.to_string()));
        let body = match call.operation {
            Operation::GetBlob => version.data.clone(),
            _ => Bytes::new(),
        };
        return Ok(with_metadata(version, call::with_body(200, &headers, body)));
    };
    headers.extend(md5.map(|md5| ("x-ms-blob-content-md5", md5)));
    let shown = format!("bytes {}-{}/{}", range.start, range.end - 1, version.size);
    headers.push(("content-range", shown));
    headers.push(("content-length", range.len().to_string()));
    let answer = call::with_body(206, &headers, version.data.slice(range));
    Ok(with_metadata(version, answer))
}

/// The headers that describe a version.
fn describe(version: &Version, versioning: bool) -> Vec<(&'static str, String)> {
    let properties = &version.properties;
    let mut headers = vec![
        ("etag", version.quoted_etag()),
        ("last-modified", call::rfc1123(version.modified)),
        ("x-ms-creation-time", call::rfc1123(version.created)),
        ("content-type", properties.content_type.clone()),
        ("x-ms-blob-type", "BlockBlob".to_owned()),
        ("x-ms-server-encrypted", "true".to_owned()),
        ("x-ms-lease-status", "unlocked".to_owned()),
        ("x-ms-lease-state", "available".to_owned()),
        ("accept-ranges", "bytes".to_owned()),
    ];
    let optional = [
        ("content-encoding", &properties.content_encoding),
        ("content-language", &properties.content_language),
        ("content-disposition", &properties.content_disposition),
        ("cache-control", &properties.cache_control),
    ];
    for (name, value) in optional.into_iter().filter(|(_, value)| !value.is_empty()) {
        headers.push((name, value.clone()));
    }
    if versioning {
        headers.push(("x-ms-version-id", version.id.clone()));
    }
    if versioning && version.is_current() {
        headers.push(("x-ms-is-current-version", "true".to_owned()));
    }
    headers.extend(worm::headers(&version.protection));
    headers
}

/// Adds the metadata as headers, whose names are the client's.
fn with_metadata(version: &Version, mut answer: Response<Bytes>) -> Response<Bytes> {
    for (name, value) in &version.properties.metadata {
        let name = http::HeaderName::from_bytes(format!("x-ms-meta-{name}").as_bytes());
        if let (Ok(name), Ok(value)) = (name, http::HeaderValue::from_str(value)) {
            answer.headers_mut().insert(name, value);
        }
    }
    answer
}

/// The range that the call asks for. `x-ms-range` goes before `Range`; the service knows no
/// suffix ranges.
fn range(call: &Call, size: usize) -> Result<Option<Range<usize>>, Refusal> {
    if call.operation != Operation::GetBlob {
        return Ok(None);
    }
    let Some(text) = call.header("x-ms-range")?.or(call.header("range")?) else { return Ok(None) };
    let invalid = || error::INVALID_HEADER.about("range");
    let (first, last) =
        text.strip_prefix("bytes=").and_then(|range| range.split_once('-')).ok_or_else(invalid)?;
    let first: usize = first.parse().map_err(|_| invalid())?;
    let last: usize = match last {
        "" => usize::MAX,
        last => last.parse().map_err(|_| invalid())?,
    };
    if first >= size || last < first {
        return Err(error::INVALID_RANGE.into());
    }
    Ok(Some(first..size.min(last.saturating_add(1))))
}
