//! What an object store is asked and what it answers, whichever service it is.

use std::fmt;
use std::future::Future;

use bytes::Bytes;
use holdfast_model::Timestamp;
use http::StatusCode;

use crate::error::Result;
use crate::limits;
use crate::store::transport::Answer;
use crate::store::{FileVersion, LockMode, Stored, too_large};

/// A service's requests. Keys are whole names in the bucket.
pub(in crate::store) trait Dialect: fmt::Debug + Send + Sync + 'static {
    /// The place without secrets.
    fn location(&self) -> String;

    /// What the names of the vault's files begin with.
    fn prefix(&self) -> &str;

    /// What `restic -r` takes.
    fn restic_repository(&self, prefix: &str) -> String;

    /// What is to be written, with the checksum that this service keeps.
    fn body(&self, parts: &[Bytes]) -> Upload;

    /// Writes a file.
    fn put(
        &self,
        key: &str,
        upload: &Upload,
        condition: &Condition,
        lock: Option<Lock>,
    ) -> impl Future<Output = Result<Put>> + Send;

    /// What the store knows about a file or one of its versions.
    fn head(
        &self,
        key: &str,
        version: Option<&str>,
    ) -> impl Future<Output = Result<Option<Head>>> + Send;

    /// A file, or a part of it.
    fn get(&self, key: &str, wanted: &Wanted)
    -> impl Future<Output = Result<Option<Bytes>>> + Send;

    /// What begins with `prefix`; with `folders` only as far as the next `/`.
    fn list(&self, prefix: &str, folders: bool) -> impl Future<Output = Result<Listing>> + Send;

    /// All versions of what begins with `prefix`, those of one key newest first.
    fn versions(&self, prefix: &str) -> impl Future<Output = Result<Vec<FileVersion>>> + Send;

    /// Removes the current version for good, not only from sight.
    fn delete(&self, key: &str, head: &Head) -> impl Future<Output = Result<()>> + Send;

    /// Locks a version, or the current one.
    fn lock(
        &self,
        key: &str,
        version: Option<&str>,
        lock: Lock,
    ) -> impl Future<Output = Result<()>> + Send;
}

/// What is written, with what the store will say of it.
#[derive(Clone, Debug)]
pub(in crate::store) struct Upload {
    pub(in crate::store) parts: Vec<Bytes>,
    pub(in crate::store) size: u64,
    /// The checksum as [`Head::digest`] gives it.
    pub(in crate::store) digest: String,
    pub(in crate::store) sha256: Option<[u8; 32]>,
}

impl Upload {
    /// Whether a file has this content.
    pub(super) fn is(&self, content: &[u8]) -> bool {
        let mut rest = content;
        let is_next = |part: &Bytes| match rest.strip_prefix(&part[..]) {
            Some(after) => {
                rest = after;
                true
            }
            None => false,
        };
        self.size == content.len() as u64 && self.parts.iter().all(is_next)
    }
}

/// When a write takes effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::store) enum Condition {
    Always,
    /// Only where nothing has the name.
    Absent,
    /// Only over the version with this entity tag.
    Matches(String),
}

/// A lock to be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) struct Lock {
    pub(in crate::store) mode: LockMode,
    pub(in crate::store) until: Timestamp,
}

/// What came of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) struct Put {
    /// False where the condition did not hold.
    pub(in crate::store) done: bool,
    /// An earlier attempt may have taken effect.
    pub(in crate::store) doubt: bool,
}

/// What is read of a file.
#[derive(Clone, Debug)]
pub(in crate::store) struct Wanted {
    /// A version; the current one where there is none.
    pub(in crate::store) version: Option<String>,
    pub(in crate::store) range: Option<Range>,
    /// What has more bytes is refused.
    pub(in crate::store) limit: u64,
}

impl Wanted {
    pub(in crate::store) fn whole(limit: u64) -> Self {
        Self { version: None, range: None, limit }
    }

    pub(in crate::store) fn part(range: Range) -> Self {
        Self { version: None, range: Some(range), limit: limits::PACK }
    }

    /// The bytes of an answer that has them: all, or the part.
    pub(in crate::store) fn content(&self, key: &str, answer: &Answer) -> Result<Bytes> {
        match self.range {
            _ if answer.too_long => Err(too_large(key, self.limit)),
            // A store that does not know ranges sends everything.
            Some(range) if answer.status == StatusCode::OK => Ok(range.of(&answer.body)),
            _ => Ok(answer.body.clone()),
        }
    }
}

/// Part of a file.
#[derive(Clone, Copy, Debug)]
pub(in crate::store) struct Range {
    pub(in crate::store) offset: u64,
    pub(in crate::store) length: usize,
}

impl Range {
    /// As HTTP has it; `None` for no bytes at all.
    pub(in crate::store) fn header(self) -> Option<String> {
        let last = self.offset.checked_add(self.length as u64)?.checked_sub(1)?;
        (self.length > 0).then(|| format!("bytes={}-{last}", self.offset))
    }

    /// This part of a whole file.
    pub(in crate::store) fn of(self, whole: &Bytes) -> Bytes {
        let start = usize::try_from(self.offset).unwrap_or(usize::MAX).min(whole.len());
        whole.slice(start..start.saturating_add(self.length).min(whole.len()))
    }
}

/// What a store knows about a file.
#[derive(Clone, Debug, Default)]
pub(in crate::store) struct Head {
    pub(in crate::store) size: u64,
    pub(in crate::store) etag: String,
    pub(in crate::store) version: Option<String>,
    pub(in crate::store) digest: Option<String>,
    pub(in crate::store) locked_until: Option<Timestamp>,
    /// Held without an end.
    pub(in crate::store) hold: bool,
}

impl Head {
    /// Whether this is what was to be written; `None` where only the size speaks for it, because
    /// the store keeps no checksum.
    pub(super) fn is(&self, upload: &Upload) -> Option<bool> {
        match &self.digest {
            _ if self.size != upload.size => Some(false),
            Some(digest) => Some(*digest == upload.digest),
            None => None,
        }
    }
}

#[derive(Debug, Default)]
pub(in crate::store) struct Listing {
    pub(in crate::store) files: Vec<Stored>,
    /// Prefixes that end with `/`.
    pub(in crate::store) folders: Vec<String>,
}

/// A time as HTTP has it.
pub(in crate::store) fn http_date(text: &str) -> Option<Timestamp> {
    Timestamp::try_from(httpdate::parse_http_date(text).ok()?).ok()
}
