//! From a connection's request to its answer: faults, signature, checksums, rights, operation.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use hyper::body::Incoming;

use super::call::{Answer, Call, set};
use super::error::{self, Error};
use super::request::{Head, Operation as Op};
use super::rights::{Credential, Right};
use super::state::{Content, Store};
use super::{buckets, list, locks, multipart, objects, payload, signature};
use crate::clock::Clock;
use crate::fault::{Fault, Faults};
use crate::serve::{self, Reply};

pub(crate) struct Service {
    pub(crate) store: Mutex<Store>,
    pub(crate) credentials: Vec<Credential>,
    pub(crate) region: String,
    pub(crate) page: usize,
    pub(crate) clock: Clock,
    pub(crate) faults: Faults,
}

impl Service {
    pub(crate) fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) async fn handle(self: Arc<Self>, request: Request<Incoming>) -> Reply {
        let started = self.store().writes;
        let (parts, incoming) = request.into_parts();
        let (method, path) = (parts.method.clone(), parts.uri.path().to_owned());
        let head = Head::read(parts);
        let fault = head
            .as_ref()
            .ok()
            .and_then(|head| self.faults.arrived(&head.operation.name(), head.subject()));
        match fault {
            Some(Fault::CloseRequest(after)) => {
                serve::read_some(incoming, after).await;
                return Reply::Close;
            }
            Some(Fault::Hang) => {
                self.faults.released().await;
                return Reply::Close;
            }
            _ => {}
        }
        let Ok(raw) = serve::body(incoming).await else { return Reply::Close };
        let answer = match (head, fault) {
            (_, Some(Fault::Status(status))) => Err(Error::of_status(status)),
            (Ok(head), fault) => self.answer(&head, raw, started, fault),
            (Err(error), _) => Err(error),
        };
        let answer = finish(answer.unwrap_or_else(|error| error.response(&path)), &method);
        match fault {
            Some(Fault::AnswerLost) => Reply::Close,
            Some(Fault::CutAnswer(after)) => Reply::Cut(answer, after),
            _ => Reply::Answer(answer),
        }
    }

    fn answer(&self, head: &Head, raw: Bytes, started: u64, fault: Option<Fault>) -> Answer {
        let signed = signature::verify(head, &self.credentials, &self.region)?;
        let payload = payload::read(head, raw, &signed)?;
        known_headers(head, payload.checksum.is_some())?;
        let mut store = self.store();
        let as_of = match fault {
            Some(Fault::StaleList(writes)) => store.writes.saturating_sub(writes as u64),
            _ => u64::MAX,
        };
        let (who, now) = (signed.credential, self.clock.now());
        let call = Call { head, payload: &payload, who, now, started, as_of, page: self.page };
        let before = (fault == Some(Fault::LieNothing)).then(|| store.before(&head.bucket));
        let answer = run(&call, &mut store)?;
        match fault {
            Some(Fault::Duplicate) => {
                // Nobody sees the second answer.
                let _ = run(&call, &mut store);
            }
            Some(Fault::LieHalf) => halve(&call, &mut store),
            _ => {}
        }
        if let Some(before) = before {
            store.undo(before);
        }
        Ok(answer)
    }
}

/// Keeps the first half of what the request stored.
fn halve(call: &Call<'_>, store: &mut Store) {
    let head = call.head;
    match head.operation {
        Op::UploadPart => {
            let upload = head.parameter("uploadId").and_then(|id| store.uploads.get_mut(id));
            let number = head.parameter("partNumber").and_then(|number| number.parse().ok());
            let part = upload
                .zip(number)
                .and_then(|(upload, number): (_, u32)| upload.parts.get_mut(&number));
            if let Some(part) = part {
                part.body.truncate(part.body.len() / 2);
            }
        }
        Op::PutObject | Op::CopyObject | Op::CompleteMultipartUpload => {
            let bucket = store.buckets.get_mut(&head.bucket);
            let version = bucket.and_then(|bucket| bucket.version_mut(&head.key, None));
            if let Some(content) = version.and_then(|version| version.content.as_mut()) {
                set_body(content, content.body.slice(..content.body.len() / 2));
            }
        }
        _ => {}
    }
}

/// Replaces the bytes, but not the entity tag: the store does not know that they are wrong.
pub(crate) fn set_body(content: &mut Content, body: Bytes) {
    content.size = body.len();
    content.body = body;
}

fn run(call: &Call<'_>, store: &mut Store) -> Answer {
    if call.head.operation != Op::CreateBucket && call.head.operation != Op::ListBuckets {
        call.bucket(store)?;
    }
    if let Some(right) = needed(call.head) {
        call.need(right)?;
    }
    match call.head.operation {
        Op::AbortMultipartUpload => multipart::abort(call, store),
        Op::CompleteMultipartUpload => multipart::complete(call, store),
        Op::CopyObject => objects::copy(call, store),
        Op::CreateBucket => buckets::create(call, store),
        Op::CreateMultipartUpload => multipart::create(call, store),
        Op::DeleteObject => objects::delete(call, store),
        Op::DeleteObjects => buckets::delete_many(call, store),
        Op::GetBucketLocation | Op::HeadBucket => buckets::about(call, store),
        Op::GetBucketVersioning => buckets::get_versioning(call, store),
        Op::GetObject | Op::HeadObject => objects::get(call, store),
        Op::GetObjectLegalHold => locks::get_hold(call, store),
        Op::GetObjectLockConfiguration => locks::get_configuration(call, store),
        Op::GetObjectRetention => locks::get_retention(call, store),
        Op::ListBuckets => buckets::list(store),
        Op::ListMultipartUploads => multipart::list_uploads(call, store),
        Op::ListObjectVersions => list::versions(call, call.bucket(store)?),
        Op::ListObjectsV2 => list::objects(call, call.bucket(store)?),
        Op::ListParts => multipart::list_parts(call, store),
        Op::PutBucketVersioning => buckets::put_versioning(call, store),
        Op::PutObject => objects::put(call, store),
        Op::PutObjectLegalHold => locks::put_hold(call, store),
        Op::PutObjectLockConfiguration => locks::put_configuration(call, store),
        Op::PutObjectRetention => locks::put_retention(call, store),
        Op::UploadPart => multipart::put_part(call, store),
        Op::UploadPartCopy => multipart::copy_part(call, store),
    }
}

/// The permission for an operation; None where each key is judged by itself.
fn needed(head: &Head) -> Option<Right> {
    let names_version = head.parameter("versionId").is_some();
    Some(match head.operation {
        Op::DeleteObject | Op::DeleteObjects => return None,
        Op::AbortMultipartUpload => Right::AbortMultipartUpload,
        Op::CreateBucket => Right::CreateBucket,
        Op::GetBucketLocation => Right::GetBucketLocation,
        Op::GetBucketVersioning => Right::GetBucketVersioning,
        Op::GetObject | Op::HeadObject if names_version => Right::GetObjectVersion,
        Op::GetObject | Op::HeadObject => Right::GetObject,
        Op::GetObjectLegalHold => Right::GetObjectLegalHold,
        Op::GetObjectLockConfiguration => Right::GetBucketObjectLockConfiguration,
        Op::GetObjectRetention => Right::GetObjectRetention,
        Op::HeadBucket | Op::ListObjectsV2 => Right::ListBucket,
        Op::ListBuckets => Right::ListAllMyBuckets,
        Op::ListMultipartUploads => Right::ListBucketMultipartUploads,
        Op::ListObjectVersions => Right::ListBucketVersions,
        Op::ListParts => Right::ListMultipartUploadParts,
        Op::PutBucketVersioning => Right::PutBucketVersioning,
        Op::PutObjectLegalHold => Right::PutObjectLegalHold,
        Op::PutObjectLockConfiguration => Right::PutBucketObjectLockConfiguration,
        Op::PutObjectRetention => Right::PutObjectRetention,
        Op::CompleteMultipartUpload
        | Op::CopyObject
        | Op::CreateMultipartUpload
        | Op::PutObject
        | Op::UploadPart
        | Op::UploadPartCopy => Right::PutObject,
    })
}

/// Headers of S3 that the fake knows. With another it would seem to do what it does not.
const KNOWN: [&str; 21] = [
    "x-amz-bucket-object-lock-enabled",
    "x-amz-bypass-governance-retention",
    "x-amz-checksum-algorithm",
    "x-amz-checksum-crc32",
    "x-amz-checksum-crc32c",
    "x-amz-checksum-crc64nvme",
    "x-amz-checksum-mode",
    "x-amz-checksum-sha1",
    "x-amz-checksum-sha256",
    "x-amz-checksum-type",
    "x-amz-content-sha256",
    "x-amz-copy-source",
    "x-amz-date",
    "x-amz-decoded-content-length",
    "x-amz-metadata-directive",
    "x-amz-object-lock-legal-hold",
    "x-amz-object-lock-mode",
    "x-amz-object-lock-retain-until-date",
    "x-amz-sdk-checksum-algorithm",
    "x-amz-storage-class",
    "x-amz-trailer",
];

fn known_headers(head: &Head, has_checksum: bool) -> Result<(), Error> {
    let is_known = |name: &str| {
        !name.starts_with("x-amz-") || name.starts_with("x-amz-meta-") || KNOWN.contains(&name)
    };
    if !head.headers.keys().all(|name| is_known(name.as_str())) {
        return Err(error::NOT_IMPLEMENTED);
    }
    if head.header("x-amz-sdk-checksum-algorithm").is_some() && !has_checksum {
        return Err(Error::request(
            "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or \
             x-amz-trailer headers were found.",
        ));
    }
    Ok(())
}

/// What every answer has. An answer to HEAD has the length of the body, but not the body.
fn finish(mut answer: Response<Bytes>, method: &Method) -> Response<Bytes> {
    let headers = answer.headers_mut();
    set(headers, "server", "AmazonS3");
    set(headers, "x-amz-request-id", "0000000000000000");
    if method == Method::HEAD {
        let length = answer.body().len();
        let is_error = answer.status() >= StatusCode::BAD_REQUEST;
        let length = HeaderValue::from(if is_error { 0 } else { length });
        answer.headers_mut().insert(header::CONTENT_LENGTH, length);
        *answer.body_mut() = Bytes::new();
    }
    answer
}
