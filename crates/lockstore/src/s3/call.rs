//! One request with all that its handling needs, and the checks that several operations share.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use jiff::Timestamp;

use super::error::{self, Error};
use super::payload::Payload;
use super::request::Head;
use super::rights::{Credential, Right};
use super::rules::{self, Found, Lock};
use super::state::{Bucket, Content, Store, Version};

pub(crate) type Answer = Result<Response<Bytes>, Error>;

pub(crate) struct Call<'a> {
    pub(crate) head: &'a Head,
    pub(crate) payload: &'a Payload,
    pub(crate) who: &'a Credential,
    pub(crate) now: Timestamp,
    /// The number of the last write when the request began.
    pub(crate) started: u64,
    /// Listings show what was there after this write.
    pub(crate) as_of: u64,
    /// A page of a listing has at most so many entries.
    pub(crate) page: usize,
}

impl Call<'_> {
    pub(crate) fn bucket<'s>(&self, store: &'s Store) -> Result<&'s Bucket, Error> {
        store.buckets.get(&self.head.bucket).ok_or(error::NO_SUCH_BUCKET)
    }

    pub(crate) fn bucket_mut<'s>(&self, store: &'s mut Store) -> Result<&'s mut Bucket, Error> {
        store.buckets.get_mut(&self.head.bucket).ok_or(error::NO_SUCH_BUCKET)
    }

    pub(crate) fn need(&self, right: Right) -> Result<(), Error> {
        if self.who.may(right) { Ok(()) } else { Err(error::ACCESS_DENIED) }
    }

    /// The header to bypass governance was sent, and the right is there.
    pub(crate) fn bypasses(&self) -> bool {
        let sent = self.head.header("x-amz-bypass-governance-retention");
        sent.is_some_and(|value| value.eq_ignore_ascii_case("true"))
            && self.who.may(Right::BypassGovernanceRetention)
    }

    /// The lock of the version that the request makes.
    pub(crate) fn lock(&self, bucket: &Bucket) -> Result<Lock, Error> {
        let headers = &self.head.headers;
        if rules::has_retention_headers(headers) {
            self.need(Right::PutObjectRetention)?;
        }
        if rules::has_hold_header(headers) {
            self.need(Right::PutObjectLegalHold)?;
        }
        rules::lock_on_write(bucket.lock, headers, self.now)
    }

    /// Whether the request's conditions hold.
    pub(crate) fn condition(&self, bucket: &Bucket) -> Result<(), Error> {
        let key = bucket.keys.get(&self.head.key);
        let current = key.and_then(|key| key.versions.last()?.content.as_ref());
        let found = Found {
            etag: current.map(|content| content.etag.as_str()),
            deleted_meanwhile: key.is_some_and(|key| key.deleted > self.started),
        };
        rules::may_write(self.head.header("if-none-match"), self.head.header("if-match"), found)
    }

    /// The content of this request's body.
    pub(crate) fn content(&self) -> Content {
        let body = self.payload.body.clone();
        Content {
            size: body.len(),
            body,
            etag: hex::encode(self.payload.md5),
            headers: self.kept_headers(),
            checksum: self.payload.checksum.clone(),
        }
    }

    /// The headers that are given back on reading.
    pub(crate) fn kept_headers(&self) -> Vec<(String, String)> {
        let headers = self.head.headers.iter();
        let text = |(name, value): (&HeaderName, &HeaderValue)| {
            let mut value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            if name == "content-encoding" {
                // The form of the transfer is not one of the object.
                let codings = value.split(',').map(str::trim).filter(|name| *name != "aws-chunked");
                value = codings.collect::<Vec<_>>().join(",");
            }
            let is_kept = KEPT.contains(&name.as_str()) || name.as_str().starts_with(META);
            (is_kept && !value.is_empty()).then(|| (name.to_string(), value))
        };
        headers.filter_map(text).collect()
    }

    /// The version that a read asks for. A delete marker is an answer of its own.
    pub(crate) fn read<'s>(
        &self,
        bucket: &'s Bucket,
    ) -> Result<(&'s Version, &'s Content), Box<Response<Bytes>>> {
        let head = self.head;
        let failed = |error: Error| Box::new(error.response(&head.path));
        let asked = head.version().map_err(failed)?;
        let found = match asked {
            Some(id) => bucket.version(&head.key, id).ok_or(error::NO_SUCH_VERSION),
            None => bucket.current(&head.key).ok_or(error::NO_SUCH_KEY),
        };
        let version = found.map_err(|error| {
            // Who may not list must not learn what is absent.
            let is_hidden = asked.is_none() && !self.who.may(Right::ListBucket);
            failed(if is_hidden { error::ACCESS_DENIED } else { error })
        })?;
        if let Some(content) = &version.content {
            return Ok((version, content));
        }
        let error = if asked.is_some() { error::METHOD_NOT_ALLOWED } else { error::NO_SUCH_KEY };
        let mut answer = error.response(&head.path);
        set(answer.headers_mut(), "x-amz-delete-marker", "true");
        set(answer.headers_mut(), VERSION, &version.id);
        Err(Box::new(answer))
    }
}

pub(crate) const VERSION: &str = "x-amz-version-id";
const META: &str = "x-amz-meta-";
const KEPT: [&str; 7] = [
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-type",
    "expires",
    "x-amz-storage-class",
];

/// Sets a header; a value that cannot stand in one is left out.
pub(crate) fn set(headers: &mut HeaderMap, name: &str, value: &str) {
    if let (Ok(name), Ok(value)) =
        (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value))
    {
        headers.insert(name, value);
    }
}

/// An answer without a body.
pub(crate) fn empty(status: StatusCode) -> Response<Bytes> {
    let mut answer = Response::new(Bytes::new());
    *answer.status_mut() = status;
    answer
}
