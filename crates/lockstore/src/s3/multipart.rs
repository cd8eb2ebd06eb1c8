//! Multipart uploads.

use std::collections::BTreeMap;

use bytes::BytesMut;
use http::StatusCode;

use super::call::{Answer, Call, empty, set};
use super::error::{self, Error};
use super::objects::{copy_result, name_version, source};
use super::rules::{self, ListedPart};
use super::state::{Content, Part, Store, Upload};
use super::xml;
use crate::checksum::md5;

/// `CreateMultipartUpload`: the lock is settled here.
pub(crate) fn create(call: &Call<'_>, store: &mut Store) -> Answer {
    let lock = call.lock(call.bucket(store)?)?;
    let (bucket, key) = (&call.head.bucket, &call.head.key);
    let upload = Upload {
        bucket: bucket.clone(),
        key: key.clone(),
        initiated: call.now,
        lock,
        headers: call.kept_headers(),
        parts: BTreeMap::new(),
    };
    let id = store.id();
    store.uploads.insert(id.clone(), upload);
    let content =
        [xml::element("Bucket", bucket), xml::element("Key", key), xml::element("UploadId", id)];
    Ok(xml::document("InitiateMultipartUploadResult", &content.concat()))
}

/// `UploadPart`.
pub(crate) fn put_part(call: &Call<'_>, store: &mut Store) -> Answer {
    let upload = upload_mut(call, store)?;
    if upload.lock != rules::Lock::default() && !call.payload.has_checksum {
        return Err(rules::NO_CHECKSUM);
    }
    let payload = call.payload;
    let part = Part {
        body: payload.body.clone(),
        md5: payload.md5,
        checksum: payload.checksum.clone(),
        modified: call.now,
    };
    let mut answer = empty(StatusCode::OK);
    set(answer.headers_mut(), "etag", &format!("\"{}\"", hex::encode(part.md5)));
    if let Some((algorithm, value)) = &part.checksum {
        set(answer.headers_mut(), algorithm.header(), value);
    }
    upload.parts.insert(number(call)?, part);
    Ok(answer)
}

/// `UploadPartCopy`, of whole objects.
pub(crate) fn copy_part(call: &Call<'_>, store: &mut Store) -> Answer {
    let content = source(call, store)?;
    let md5 = md5(&content.body);
    let part = Part { body: content.body, md5, checksum: None, modified: call.now };
    upload_mut(call, store)?.parts.insert(number(call)?, part);
    Ok(copy_result("CopyPartResult", &hex::encode(md5), call.now))
}

/// `CompleteMultipartUpload`.
pub(crate) fn complete(call: &Call<'_>, store: &mut Store) -> Answer {
    let head = call.head;
    let asked: xml::Complete = xml::read(&call.payload.body, "CompleteMultipartUpload")?;
    let upload = upload_mut(call, store)?.clone();
    let parts: Vec<_> = asked.part.iter().map(|part| listed(&upload, part)).collect();
    rules::may_complete(&parts)?;
    let bucket = call.bucket(store)?;
    let versioning = bucket.versioning;
    let id = head.parameter("uploadId").unwrap_or("");
    if let Err(error) = call.condition(bucket) {
        // After a conflict the upload has to be started anew; after another refusal it goes on.
        if error == error::CONDITIONAL_CONFLICT {
            store.uploads.remove(id);
        }
        return Err(error);
    }
    store.uploads.remove(id);
    let content = assemble(&upload, &asked);
    let etag = xml::element("ETag", format!("\"{}\"", content.etag));
    let version =
        store.commit(&head.bucket, &head.key, Some(content), upload.initiated, upload.lock);
    let result = [
        xml::element("Location", &head.path),
        xml::element("Bucket", &head.bucket),
        xml::element("Key", &head.key),
        etag,
    ];
    let mut answer = xml::document("CompleteMultipartUploadResult", &result.concat());
    name_version(answer.headers_mut(), versioning, &version);
    Ok(answer)
}

fn listed(upload: &Upload, asked: &xml::CompletePart) -> ListedPart {
    let part = upload.parts.get(&asked.part_number);
    let is_same = |part: &Part| {
        let checksum = part.checksum.as_ref().map(|(_, value)| value);
        asked.etag.trim_matches('"') == hex::encode(part.md5)
            && (asked.checksum.is_none() || asked.checksum.as_ref() == checksum)
    };
    ListedPart {
        number: asked.part_number,
        size: part.map(|part| part.body.len()),
        matches: part.is_some_and(is_same),
    }
}

fn assemble(upload: &Upload, asked: &xml::Complete) -> Content {
    let parts = asked.part.iter().filter_map(|part| upload.parts.get(&part.part_number));
    let (mut body, mut digests, mut count) = (BytesMut::new(), Vec::new(), 0);
    for part in parts {
        body.extend_from_slice(&part.body);
        digests.extend_from_slice(&part.md5);
        count += 1;
    }
    Content {
        size: body.len(),
        body: body.freeze(),
        etag: format!("{}-{count}", hex::encode(md5(&digests))),
        headers: upload.headers.clone(),
        checksum: None,
    }
}

/// `AbortMultipartUpload`.
pub(crate) fn abort(call: &Call<'_>, store: &mut Store) -> Answer {
    upload_mut(call, store)?;
    store.uploads.remove(call.head.parameter("uploadId").unwrap_or(""));
    Ok(empty(StatusCode::NO_CONTENT))
}

/// `ListParts`.
pub(crate) fn list_parts(call: &Call<'_>, store: &mut Store) -> Answer {
    let limit = call.page;
    let after = count(call, "part-number-marker")?.unwrap_or(0);
    let most = count(call, "max-parts")?.map_or(limit, |most| limit.min(most as usize));
    let upload = upload_mut(call, store)?;
    let mut rest = upload.parts.range(after.saturating_add(1)..);
    let page: Vec<_> = rest.by_ref().take(most).collect();
    let next = rest.next().and(page.last().map(|(number, _)| number.to_string()));
    let lines = page.iter().map(|(number, part)| {
        let fields = [
            xml::element("PartNumber", number.to_string()),
            xml::element("LastModified", xml::time(part.modified)),
            xml::element("ETag", format!("\"{}\"", hex::encode(part.md5))),
            xml::element("Size", part.body.len().to_string()),
        ];
        format!("<Part>{}</Part>", fields.concat())
    });
    let content = [
        xml::element("Bucket", &call.head.bucket),
        xml::element("Key", &call.head.key),
        xml::optional("UploadId", call.head.parameter("uploadId")),
        xml::element("IsTruncated", next.is_some().to_string()),
        xml::optional("NextPartNumberMarker", next),
        lines.collect(),
    ];
    Ok(xml::document("ListPartsResult", &content.concat()))
}

/// `ListMultipartUploads`, all on one page.
pub(crate) fn list_uploads(call: &Call<'_>, store: &Store) -> Answer {
    call.bucket(store)?;
    let prefix = call.head.parameter("prefix").unwrap_or("");
    let encode = call.head.parameter("encoding-type") == Some("url");
    let mut uploads: Vec<_> = store
        .uploads
        .iter()
        .filter(|(_, upload)| upload.bucket == call.head.bucket && upload.key.starts_with(prefix))
        .collect();
    uploads.sort_by_key(|(_, upload)| (&upload.key, upload.initiated));
    let lines = uploads.iter().map(|(id, upload)| {
        let fields = [
            xml::element("Key", xml::key(&upload.key, encode)),
            xml::element("UploadId", id),
            xml::element("Initiated", xml::time(upload.initiated)),
        ];
        format!("<Upload>{}</Upload>", fields.concat())
    });
    let content = [
        xml::element("Bucket", &call.head.bucket),
        xml::element("Prefix", xml::key(prefix, encode)),
        xml::optional("EncodingType", encode.then_some("url")),
        xml::element("IsTruncated", "false"),
        lines.collect(),
    ];
    Ok(xml::document("ListMultipartUploadsResult", &content.concat()))
}

fn upload_mut<'s>(call: &Call<'_>, store: &'s mut Store) -> Result<&'s mut Upload, Error> {
    let id = call.head.parameter("uploadId").unwrap_or("");
    let upload = store.uploads.get_mut(id).ok_or(error::NO_SUCH_UPLOAD)?;
    let is_same = upload.bucket == call.head.bucket && upload.key == call.head.key;
    if is_same { Ok(upload) } else { Err(error::NO_SUCH_UPLOAD) }
}

fn number(call: &Call<'_>) -> Result<u32, Error> {
    let number = count(call, "partNumber")?.unwrap_or(0);
    if (1..=rules::LAST_PART).contains(&number) {
        return Ok(number);
    }
    Err(Error::argument("Part number must be an integer between 1 and 10000, inclusive"))
}

fn count(call: &Call<'_>, name: &str) -> Result<Option<u32>, Error> {
    let text = call.head.parameter(name);
    text.map(|text| text.parse().map_err(|_| Error::argument("A parameter is not an integer")))
        .transpose()
}
