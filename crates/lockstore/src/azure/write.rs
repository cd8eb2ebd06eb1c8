//! Put Blob, Put Block, Put Block List, Set Blob Metadata.

use std::collections::BTreeMap;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use bytes::{Bytes, BytesMut};
use http::Response;
use jiff::Timestamp;

use super::call::{self, Call};
use super::error::{self, Refusal};
use super::rules::{self, Protection};
use super::state::{Account, Blob, Draft, Properties, Version};
use super::xml::{self, Search};
use super::{checksum, conditions, worm};

/// Most blocks of a blob, and most uncommitted ones (Put Block, limits of 2019-12-12).
const MOST_BLOCKS: usize = 50_000;
const MOST_UNCOMMITTED: usize = 100_000;

/// Put Blob, of block blobs.
pub(crate) fn put_blob(
    account: &mut Account,
    now: Timestamp,
    call: &Call,
) -> Result<Response<Bytes>, Refusal> {
    match call.required("x-ms-blob-type")? {
        "BlockBlob" => {}
        other => return Err(error::NOT_IMPLEMENTED.about(other)),
    }
    call.header("content-length")?.ok_or(error::NO_LENGTH)?;
    checksum::verify_body(&call.headers, &call.body)?;
    if let Some(md5) = call.header("x-ms-blob-content-md5")? {
        checksum::verify_md5(md5.as_bytes(), &call.body)?;
    }
    let mut properties = properties(call, true)?;
    properties.md5 = checksum::md5(&call.body);
    let draft = Draft {
        data: call.body.clone(),
        blocks: Vec::new(),
        properties,
        protection: protection(account, now, call)?,
    };
    store(account, now, call, draft)
}

/// Put Block: keeps a block until a list commits it or the blob is written otherwise.
pub(crate) fn put_block(account: &mut Account, call: &Call) -> Result<Response<Bytes>, Refusal> {
    let id = call.parameter("blockid").ok_or_else(|| error::MISSING_PARAMETER.about("blockid"))?;
    call.header("content-length")?.ok_or(error::NO_LENGTH)?;
    checksum::verify_body(&call.headers, &call.body)?;
    match BASE64_STANDARD.decode(id) {
        Ok(decoded) if (1..=64).contains(&decoded.len()) => {}
        _ => return Err(error::INVALID_BLOCK_ID.about("blockid")),
    }
    let container =
        account.containers.get_mut(&call.container).ok_or(error::CONTAINER_NOT_FOUND)?;
    let blob = container.blobs.entry(call.blob.clone()).or_default();
    if block_ids(blob).any(|known| known.len() != id.len()) {
        return Err(error::INVALID_BLOB_OR_BLOCK.into());
    }
    if blob.uncommitted.len() >= MOST_UNCOMMITTED {
        return Err(error::TOO_MANY_BLOCKS.into());
    }
    blob.uncommitted.insert(id.to_owned(), call.body.clone());
    Ok(call::empty(201, &body_checksum(call)))
}

/// The ids of a blob's blocks, committed or not.
fn block_ids(blob: &Blob) -> impl Iterator<Item = &String> {
    let committed = blob.current().into_iter().flat_map(|version| &version.blocks);
    blob.uncommitted.keys().chain(committed.map(|(id, _)| id))
}

/// Put Block List.
pub(crate) fn put_block_list(
    account: &mut Account,
    now: Timestamp,
    call: &Call,
) -> Result<Response<Bytes>, Refusal> {
    call.header("content-length")?.ok_or(error::NO_LENGTH)?;
    checksum::verify_body(&call.headers, &call.body)?;
    let list = std::str::from_utf8(&call.body).ok().and_then(xml::block_list);
    let list = list.ok_or(error::INVALID_XML)?;
    if list.len() > MOST_BLOCKS {
        return Err(error::BLOCK_LIST_TOO_LONG.into());
    }
    let mut properties = properties(call, false)?;
    if let Some(md5) = call.header("x-ms-blob-content-md5")? {
        if !checksum::is_md5(md5.as_bytes()) {
            return Err(error::INVALID_MD5.into());
        }
        properties.md5 = md5.to_owned();
    }
    let protection = protection(account, now, call)?;
    let none = Blob::default();
    let blob = account.blob(&call.container, &call.blob).unwrap_or(&none);
    let (data, blocks) = assemble(blob, &list)?;
    store(account, now, call, Draft { data, blocks, properties, protection })
}

/// The bytes of the listed blocks one after another, and the list with lengths.
fn assemble(
    blob: &Blob,
    list: &[(Search, String)],
) -> Result<(Bytes, Vec<(String, usize)>), Refusal> {
    let committed = blob.current().map(committed_blocks).unwrap_or_default();
    let (mut data, mut blocks) = (BytesMut::new(), Vec::new());
    for (search, id) in list {
        let (old, new) = (committed.get(id.as_str()), blob.uncommitted.get(id));
        let block = match search {
            Search::Committed => old,
            Search::Uncommitted => new,
            Search::Latest => new.or(old),
        };
        let block = block.ok_or(error::INVALID_BLOCK_LIST)?;
        data.extend_from_slice(block);
        blocks.push((id.clone(), block.len()));
    }
    Ok((data.freeze(), blocks))
}

fn committed_blocks(version: &Version) -> BTreeMap<&str, Bytes> {
    let mut at = 0;
    let mut blocks = BTreeMap::new();
    for (id, length) in &version.blocks {
        blocks.insert(id.as_str(), version.data.slice(at..at + length));
        at += length;
    }
    blocks
}

/// Set Blob Metadata: a new version with the same content.
pub(crate) fn set_metadata(
    account: &mut Account,
    now: Timestamp,
    call: &Call,
) -> Result<Response<Bytes>, Refusal> {
    let current = account.blob(&call.container, &call.blob).and_then(Blob::current);
    let current = current.ok_or(error::BLOB_NOT_FOUND)?;
    conditions::on(call, current, error::CONDITION_NOT_MET)?;
    rules::write_metadata(current.protection)?;
    let draft = Draft {
        data: current.data.clone(),
        blocks: current.blocks.clone(),
        properties: Properties { metadata: metadata(call)?, ..current.properties.clone() },
        protection: protection(account, now, call)?,
    };
    account.write(now, &call.container, &call.blob, draft);
    written(account, call, 200)
}

fn store(
    account: &mut Account,
    now: Timestamp,
    call: &Call,
    draft: Draft,
) -> Result<Response<Bytes>, Refusal> {
    let current = account.blob(&call.container, &call.blob).and_then(Blob::current);
    conditions::write(call, current)?;
    account.write(now, &call.container, &call.blob, draft);
    written(account, call, 201)
}

/// The answer to a write that made the current version.
fn written(account: &Account, call: &Call, status: u16) -> Result<Response<Bytes>, Refusal> {
    let current = account.blob(&call.container, &call.blob).and_then(Blob::current);
    let version = current.ok_or(error::INTERNAL)?;
    let mut headers = body_checksum(call);
    headers.push(("etag", version.quoted_etag()));
    headers.push(("last-modified", call::rfc1123(version.modified)));
    if account.versioning {
        headers.push(("x-ms-version-id", version.id.clone()));
    }
    Ok(call::empty(status, &headers))
}

/// The checksum of the body, of the kind that the client sent, else CRC-64 (2019-02-02).
fn body_checksum(call: &Call) -> Vec<(&'static str, String)> {
    let checksum = match call.headers.contains_key("content-md5") {
        true => ("content-md5", checksum::md5(&call.body)),
        false => ("x-ms-content-crc64", checksum::crc64(&call.body)),
    };
    vec![checksum, ("x-ms-request-server-encrypted", "true".to_owned())]
}

/// What protects the version that the call writes.
fn protection(account: &Account, now: Timestamp, call: &Call) -> Result<Protection, Refusal> {
    let container = account.containers.get(&call.container).ok_or(error::CONTAINER_NOT_FOUND)?;
    let asked = worm::asked_on_write(call)?;
    if asked != Protection::default() || worm::has_lock_headers(call) {
        worm::supported(container, call, error::UNSUPPORTED_HEADER)?;
    }
    rules::on_write(now, asked, container.default_policy)
}

/// What the call says about the content. Put Blob reads `Content-Type` and its like too, where
/// `x-ms-blob-content-type` does not say otherwise (`standard`).
fn properties(call: &Call, standard: bool) -> Result<Properties, Refusal> {
    let value = |own: &str, plain: &str| -> Result<String, Refusal> {
        let value = match call.header(own)? {
            None if standard && !plain.is_empty() => call.header(plain)?,
            own => own,
        };
        Ok(value.unwrap_or_default().to_owned())
    };
    let mut properties = Properties {
        content_type: value("x-ms-blob-content-type", "content-type")?,
        content_encoding: value("x-ms-blob-content-encoding", "content-encoding")?,
        content_language: value("x-ms-blob-content-language", "content-language")?,
        content_disposition: value("x-ms-blob-content-disposition", "")?,
        cache_control: value("x-ms-blob-cache-control", "cache-control")?,
        md5: String::new(),
        metadata: metadata(call)?,
    };
    if properties.content_type.is_empty() {
        "application/octet-stream".clone_into(&mut properties.content_type);
    }
    Ok(properties)
}

fn metadata(call: &Call) -> Result<BTreeMap<String, String>, Refusal> {
    let mut metadata = BTreeMap::new();
    for name in call.headers.keys().map(http::HeaderName::as_str) {
        if let Some(key) = name.strip_prefix("x-ms-meta-") {
            metadata.insert(key.to_owned(), call.header(name)?.unwrap_or_default().to_owned());
        }
    }
    Ok(metadata)
}
