//! Large files in parts. The lock is asked for when the upload begins, the condition when it ends
//! (S3 API Reference, `CreateMultipartUpload` and `CompleteMultipartUpload`, November 2026).

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use http::{Method, StatusCode};

use super::super::object::{Condition, Lock, Put, Upload};
use super::super::transport::{Answer, Call};
use super::super::xml::Element;
use super::{S3, put_outcome, sha256_of, with_condition, with_lock};
use crate::error::Result;

/// A file in parts. The store's checksum is that of the checksums of its parts.
pub(super) fn body(parts: &[Bytes], part_size: usize) -> Upload {
    let size = parts.iter().map(|part| part.len() as u64).sum();
    let pieces = split(parts, part_size);
    let hashes: Vec<u8> = pieces.iter().flat_map(|piece| sha256_of(piece)).collect();
    let whole = BASE64.encode(sha256_of(&[Bytes::from(hashes)]));
    let digest = format!("{whole}-{}", pieces.len());
    Upload { parts: parts.to_vec(), size, digest, sha256: None }
}

/// Divides bytes into pieces of one size, the last shorter, without copying.
pub(crate) fn split(parts: &[Bytes], part_size: usize) -> Vec<Vec<Bytes>> {
    let mut pieces = vec![Vec::new()];
    let mut room = part_size;
    for part in parts {
        let mut part = part.clone();
        while !part.is_empty() {
            if room == 0 {
                pieces.push(Vec::new());
                room = part_size;
            }
            let taken = part.split_to(part.len().min(room));
            room -= taken.len();
            pieces.last_mut().expect("there is always one").push(taken);
        }
    }
    pieces
}

impl S3 {
    pub(super) async fn put_in_parts(
        &self,
        key: &str,
        upload: &Upload,
        condition: &Condition,
        lock: Option<Lock>,
    ) -> Result<Put> {
        let id = self.begin(key, lock).await?;
        let ended = match self.send_parts(key, &id, upload).await {
            Ok(list) => self.complete(key, &id, list, condition).await,
            Err(err) => Err(err),
        };
        if !matches!(ended, Ok(Put { done: true, .. }))
            && let Err(err) = self.abort(key, &id).await
        {
            tracing::warn!(key, error = %err, "parts of an upload stay behind");
        }
        ended
    }

    async fn begin(&self, key: &str, lock: Option<Lock>) -> Result<String> {
        let call = self.call(Method::POST, "write", key)?.query("uploads", "");
        let call = with_lock(call.header("x-amz-checksum-algorithm", "SHA256"), lock)
            .header("content-type", "application/octet-stream");
        let answer = self.expect(&call).await?;
        let id = Element::parse(&answer.body).map(|root| root.text_of("UploadId").to_owned());
        id.filter(|id| !id.is_empty())
            .ok_or_else(|| call.error("the storage began an upload without an id"))
    }

    /// Sends the parts, one after the other; gives the list that ends the upload.
    async fn send_parts(&self, key: &str, id: &str, upload: &Upload) -> Result<String> {
        let mut list = String::from("<CompleteMultipartUpload>");
        for (number, piece) in (1..).zip(split(&upload.parts, self.part_size)) {
            let sha256 = sha256_of(&piece);
            let checksum = BASE64.encode(sha256);
            let mut call = self
                .call(Method::PUT, "write", key)?
                .query("partNumber", &number.to_string())
                .query("uploadId", id)
                .header("x-amz-checksum-sha256", &checksum);
            call.body = piece;
            call.sha256 = Some(sha256);
            let answer = self.expect(&call).await?;
            let etag = answer.header("etag").unwrap_or_default().replace('"', "&quot;");
            let _ = write!(
                list,
                "<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag>\
                 <ChecksumSHA256>{checksum}</ChecksumSHA256></Part>"
            );
        }
        list.push_str("</CompleteMultipartUpload>");
        Ok(list)
    }

    async fn complete(
        &self,
        key: &str,
        id: &str,
        list: String,
        condition: &Condition,
    ) -> Result<Put> {
        let mut call = self.call(Method::POST, "write", key)?.query("uploadId", id);
        call.body = vec![Bytes::from(list)];
        call.sha256 = Some(sha256_of(&call.body));
        let call = with_condition(call, condition).header("content-type", "application/xml");
        let answer = self.exchange(&call).await?;
        // The upload is gone: an attempt whose answer was lost may have ended it.
        if answer.doubt && answer.status == StatusCode::NOT_FOUND {
            return Ok(Put { done: false, doubt: true });
        }
        if is_failure(&answer) {
            return Err(failure(&answer, &call));
        }
        put_outcome(&call, &answer)
    }

    async fn abort(&self, key: &str, id: &str) -> Result<()> {
        let call = self.call(Method::DELETE, "write", key)?.query("uploadId", id);
        let answer = self.exchange(&call).await?;
        match answer.status {
            StatusCode::NO_CONTENT | StatusCode::OK | StatusCode::NOT_FOUND => Ok(()),
            _ => Err(answer.refusal(&call)),
        }
    }
}

/// The status of this answer is sent before the outcome is known; then an error comes as 200.
fn is_failure(answer: &Answer) -> bool {
    let root = || Element::parse(&answer.body);
    answer.status == StatusCode::OK && root().is_none_or(|root| root.name == "Error")
}

fn failure(answer: &Answer, call: &Call) -> crate::error::Error {
    call.error(format!("the storage did not put the parts together: {}", answer.code()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_have_one_size_and_hold_everything() {
        let parts: Vec<Bytes> = ["abc", "", "defgh", "i"].map(Bytes::from).into();
        for size in 1..12 {
            let pieces = split(&parts, size);
            let lengths: Vec<usize> =
                pieces.iter().map(|piece| piece.iter().map(Bytes::len).sum()).collect();
            assert!(lengths[..lengths.len() - 1].iter().all(|length| *length == size));
            assert!((1..=size).contains(lengths.last().unwrap()));
            assert_eq!(pieces.concat().concat(), b"abcdefghi");
        }
    }
}
