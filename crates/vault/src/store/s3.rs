//! Requests of Amazon S3 and of what speaks it.
//!
//! `object_store` gives the credentials and the signatures; the requests are our own, because its
//! cannot carry locks, checksums or versions. Sources: Amazon S3 API Reference (`PutObject`,
//! `HeadObject`, `ListObjectsV2`, `ListObjectVersions`, `PutObjectRetention`), November 2026.

mod multipart;

use std::sync::Arc;

use aws_lc_rs::digest::{Context, SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use holdfast_model::{Clock, Timestamp};
use http::{Method, StatusCode};
use object_store::aws::{AmazonS3Builder, AwsAuthorizer, AwsCredential, AwsCredentialProvider};
use object_store::client::{HttpRequest, StaticCredentialProvider};
use percent_encoding::percent_decode_str;
use url::Url;

use super::location::S3Location;
use super::object::{Condition, Dialect, Head, Listing, Lock, Put, Range, Upload, Wanted};
use super::options::{Credentials, Name};
use super::pages::Pages;
use super::transport::{Answer, Call, Signer, Transport, address, lookup};
use super::xml::Element;
use super::{FileVersion, LockMode, StoreOptions, Stored};
use crate::error::{Error, Result};

pub(super) use multipart::split;

/// A bucket.
#[derive(Debug)]
pub(super) struct S3 {
    at: S3Location,
    transport: Transport,
    signer: S3Signer,
    part_size: usize,
}

#[derive(Debug)]
struct S3Signer {
    credentials: AwsCredentialProvider,
    region: String,
}

impl Signer for S3Signer {
    async fn sign(
        &self,
        request: &mut HttpRequest,
        sha256: Option<[u8; 32]>,
    ) -> object_store::Result<()> {
        let credential = self.credentials.get_credential().await?;
        let authorizer = AwsAuthorizer::new(&credential, "s3", &self.region);
        authorizer.try_authorize(request, sha256.as_ref().map(<[u8; 32]>::as_slice))
    }
}

impl S3 {
    /// A bucket with some of the credentials of the options.
    pub(super) fn new(
        at: S3Location,
        credentials: Option<&Credentials>,
        options: &StoreOptions,
        clock: Clock,
    ) -> Result<Self> {
        if options.part_size < StoreOptions::LEAST_PART {
            return Err(Error::invalid("parts of files must have 5 MiB or more"));
        }
        let base = Url::parse(&at.base()).map_err(|_| Error::invalid("no address of a bucket"))?;
        let signer =
            S3Signer { credentials: provider(&at, credentials)?, region: at.region().to_owned() };
        let transport = Transport::new(&base, options, clock)?;
        Ok(Self { at, transport, signer, part_size: options.part_size })
    }

    fn call(&self, method: Method, action: &'static str, key: &str) -> Result<Call> {
        Ok(Call::new(method, address(&self.at.base(), key)?, action, key))
    }

    async fn exchange(&self, call: &Call) -> Result<Answer> {
        self.transport.exchange(call, &self.signer).await
    }

    /// Sends a request that succeeds with one of two answers.
    async fn expect(&self, call: &Call) -> Result<Answer> {
        let answer = self.exchange(call).await?;
        match answer.status {
            StatusCode::OK | StatusCode::NO_CONTENT => Ok(answer),
            _ => Err(answer.refusal(call)),
        }
    }

    async fn put_whole(
        &self,
        key: &str,
        upload: &Upload,
        condition: &Condition,
        lock: Option<Lock>,
    ) -> Result<Put> {
        let mut call = self.call(Method::PUT, "write", key)?;
        call.body.clone_from(&upload.parts);
        call.sha256 = upload.sha256;
        let call = call
            .header("content-type", "application/octet-stream")
            .header("x-amz-checksum-sha256", &upload.digest);
        let call = with_lock(with_condition(call, condition), lock);
        let answer = self.exchange(&call).await?;
        put_outcome(&call, &answer)
    }

    /// All pages of a listing.
    async fn pages(
        &self,
        action: &'static str,
        prefix: &str,
        query: &[(&str, &str)],
        markers: &[(&str, &str)],
        mut page: impl FnMut(&Element) -> Option<()> + Send,
    ) -> Result<()> {
        let mut call = self.call(Method::GET, action, "")?;
        call.key = prefix.to_owned();
        for (name, value) in query.iter().chain(&[("encoding-type", "url"), ("prefix", prefix)]) {
            call = call.query(name, value);
        }
        let mut next = call.clone();
        let mut pages = Pages::default();
        loop {
            let answer = self.expect(&next).await?;
            let senseless = || call.error("the listing of the storage makes no sense");
            let root = Element::parse(&answer.body).ok_or_else(senseless)?;
            page(&root).ok_or_else(senseless)?;
            if root.text_of("IsTruncated") != "true" {
                return Ok(());
            }
            let place: Vec<&str> = markers.iter().map(|(_, name)| root.text_of(name)).collect();
            pages.turn(&call, answer.body.len(), &place)?;
            next = call.clone();
            for ((name, _), place) in markers.iter().zip(place) {
                next = next.query(name, &decoded(&root, place).ok_or_else(senseless)?);
            }
        }
    }
}

/// The credentials: those that were given, or what `object_store` finds in the environment
/// (variables, web identity, instance role).
fn provider(at: &S3Location, given: Option<&Credentials>) -> Result<AwsCredentialProvider> {
    let Some(given) = given else {
        let builder = AmazonS3Builder::from_env()
            .with_bucket_name(&at.bucket)
            .with_region(at.region())
            .with_retry(lookup())
            .with_allow_http(true);
        let client = builder.build().map_err(|err| {
            Error::invalid(format!("no credentials for S3 in the environment: {err}"))
        })?;
        return Ok(Arc::clone(client.credentials()));
    };
    let (Some(key_id), Some(secret_key)) = (given.value(Name::KeyId), given.value(Name::SecretKey))
    else {
        return Err(Error::invalid(
            "credentials for S3 need AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
        ));
    };
    Ok(Arc::new(StaticCredentialProvider::new(AwsCredential {
        key_id: key_id.to_owned(),
        secret_key: secret_key.to_owned(),
        token: given.value(Name::SessionToken).map(str::to_owned),
    })))
}

fn with_condition(call: Call, condition: &Condition) -> Call {
    match condition {
        Condition::Always => call,
        Condition::Absent => call.header("if-none-match", "*"),
        Condition::Matches(etag) => call.header("if-match", etag),
    }
}

fn with_lock(call: Call, lock: Option<Lock>) -> Call {
    let Some(lock) = lock else { return call };
    call.header("x-amz-object-lock-mode", mode(lock.mode))
        .header("x-amz-object-lock-retain-until-date", &rfc3339(lock.until))
}

fn mode(mode: LockMode) -> &'static str {
    match mode {
        LockMode::Governance => "GOVERNANCE",
        LockMode::Compliance => "COMPLIANCE",
    }
}

/// Whole seconds, rounded up.
fn rfc3339(time: Timestamp) -> String {
    super::whole_second(time).to_string()
}

/// What the answer to a conditional write means.
fn put_outcome(call: &Call, answer: &Answer) -> Result<Put> {
    let doubt = answer.doubt;
    match answer.status {
        StatusCode::OK => Ok(Put { done: true, doubt }),
        StatusCode::PRECONDITION_FAILED => Ok(Put { done: false, doubt }),
        StatusCode::NOT_IMPLEMENTED => Err(Error::invalid(
            "this storage does not know conditional writes (If-None-Match), without which two \
             servers can overwrite each other",
        )),
        _ => Err(answer.refusal(call)),
    }
}

/// Text of a listing, which is percent-encoded where the listing says so.
fn decoded(root: &Element, text: &str) -> Option<String> {
    if root.text_of("EncodingType") != "url" {
        return Some(text.to_owned());
    }
    let spaces = text.replace('+', " ");
    Some(percent_decode_str(&spaces).decode_utf8().ok()?.into_owned())
}

fn stored(root: &Element, item: &Element) -> Option<Stored> {
    Some(Stored {
        key: decoded(root, item.text_of("Key"))?,
        size: item.text_of("Size").parse().ok()?,
        modified: item.text_of("LastModified").parse().ok()?,
    })
}

fn version(root: &Element, item: &Element) -> Option<FileVersion> {
    let deleted = item.name == "DeleteMarker";
    Some(FileVersion {
        key: decoded(root, item.text_of("Key"))?,
        id: item.text_of("VersionId").to_owned(),
        size: if deleted { 0 } else { item.text_of("Size").parse().ok()? },
        created: item.text_of("LastModified").parse().ok()?,
        deleted,
        current: item.text_of("IsLatest") == "true",
    })
}

fn head(answer: &Answer) -> Head {
    let text = |name: &str| answer.header(name).unwrap_or_default().to_owned();
    let given = |name: &str| answer.header(name).map(str::to_owned);
    Head {
        size: text("content-length").parse().unwrap_or(u64::MAX),
        etag: text("etag"),
        version: given("x-amz-version-id").filter(|id| id != "null"),
        digest: given("x-amz-checksum-sha256"),
        locked_until: given("x-amz-object-lock-retain-until-date").and_then(|at| at.parse().ok()),
        hold: answer.header("x-amz-object-lock-legal-hold") == Some("ON"),
    }
}

/// A file that is not there, which is not the same as a bucket that is not there.
fn is_absent(answer: &Answer) -> bool {
    answer.status == StatusCode::NOT_FOUND && answer.code() != "NoSuchBucket"
}

impl Dialect for S3 {
    fn location(&self) -> String {
        super::Location::S3(self.at.clone()).to_string()
    }

    fn prefix(&self) -> &str {
        &self.at.prefix
    }

    fn restic_repository(&self, prefix: &str) -> String {
        self.at.restic(prefix)
    }

    fn body(&self, parts: &[Bytes]) -> Upload {
        let size: usize = parts.iter().map(Bytes::len).sum();
        if size > self.part_size {
            return multipart::body(parts, self.part_size);
        }
        let sha256 = sha256_of(parts);
        let digest = BASE64.encode(sha256);
        Upload { parts: parts.to_vec(), size: size as u64, digest, sha256: Some(sha256) }
    }

    async fn put(
        &self,
        key: &str,
        upload: &Upload,
        condition: &Condition,
        lock: Option<Lock>,
    ) -> Result<Put> {
        match upload.size > self.part_size as u64 {
            true => self.put_in_parts(key, upload, condition, lock).await,
            false => self.put_whole(key, upload, condition, lock).await,
        }
    }

    async fn head(&self, key: &str, version: Option<&str>) -> Result<Option<Head>> {
        let mut call = self.call(Method::HEAD, "look at", key)?;
        if let Some(version) = version {
            call = call.query("versionId", version);
        }
        let call = call.header("x-amz-checksum-mode", "ENABLED");
        let answer = self.exchange(&call).await?;
        match answer.status {
            StatusCode::OK => Ok(Some(head(&answer))),
            StatusCode::NOT_FOUND => Ok(None),
            _ => Err(answer.refusal(&call)),
        }
    }

    async fn get(&self, key: &str, wanted: &Wanted) -> Result<Option<Bytes>> {
        let mut call = self.call(Method::GET, "read", key)?;
        call.limit = wanted.limit;
        if let Some(version) = &wanted.version {
            call = call.query("versionId", version);
        }
        if let Some(range) = wanted.range.and_then(Range::header) {
            call = call.header("range", &range);
        }
        let answer = self.exchange(&call).await?;
        match answer.status {
            StatusCode::OK | StatusCode::PARTIAL_CONTENT => wanted.content(key, &answer).map(Some),
            StatusCode::RANGE_NOT_SATISFIABLE => Ok(Some(Bytes::new())),
            _ if is_absent(&answer) => Ok(None),
            _ => Err(answer.refusal(&call)),
        }
    }

    async fn list(&self, prefix: &str, folders: bool) -> Result<Listing> {
        let mut listing = Listing::default();
        let mut query = vec![("list-type", "2")];
        if folders {
            query.push(("delimiter", "/"));
        }
        let markers = [("continuation-token", "NextContinuationToken")];
        self.pages("list", prefix, &query, &markers, |root| {
            for item in &root.children {
                match item.name.as_str() {
                    "Contents" => listing.files.push(stored(root, item)?),
                    "CommonPrefixes" => {
                        listing.folders.push(decoded(root, item.text_of("Prefix"))?);
                    }
                    _ => {}
                }
            }
            Some(())
        })
        .await?;
        Ok(listing)
    }

    async fn versions(&self, prefix: &str) -> Result<Vec<FileVersion>> {
        let mut versions = Vec::new();
        let markers =
            [("key-marker", "NextKeyMarker"), ("version-id-marker", "NextVersionIdMarker")];
        self.pages("list the versions of", prefix, &[("versions", "")], &markers, |root| {
            let kept = |item: &&Element| matches!(&*item.name, "Version" | "DeleteMarker");
            for item in root.children.iter().filter(kept) {
                versions.push(version(root, item)?);
            }
            Some(())
        })
        .await?;
        Ok(versions)
    }

    async fn delete(&self, key: &str, head: &Head) -> Result<()> {
        let mut call = self.call(Method::DELETE, "remove", key)?;
        if let Some(version) = &head.version {
            call = call.query("versionId", version);
        }
        let answer = self.exchange(&call).await?;
        match answer.status {
            StatusCode::OK | StatusCode::NO_CONTENT => Ok(()),
            _ if is_absent(&answer) => Ok(()),
            _ => Err(answer.refusal(&call)),
        }
    }

    async fn lock(&self, key: &str, version: Option<&str>, lock: Lock) -> Result<()> {
        let body = Bytes::from(format!(
            "<Retention xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Mode>{}</Mode>\
             <RetainUntilDate>{}</RetainUntilDate></Retention>",
            mode(lock.mode),
            rfc3339(lock.until)
        ));
        let sha256 = sha256_of(std::slice::from_ref(&body));
        let mut call = self.call(Method::PUT, "lock", key)?.query("retention", "");
        if let Some(version) = version {
            call = call.query("versionId", version);
        }
        call.body = vec![body];
        call.sha256 = Some(sha256);
        let call = call.header("x-amz-checksum-sha256", &BASE64.encode(sha256));
        let answer = self.exchange(&call).await?;
        match answer.status {
            StatusCode::OK | StatusCode::NO_CONTENT => Ok(()),
            // A marker of its deletion cannot be locked.
            StatusCode::METHOD_NOT_ALLOWED => Err(Error::damaged(key, "is missing")),
            _ if is_absent(&answer) => Err(Error::damaged(key, "is missing")),
            _ => Err(answer.refusal(&call)),
        }
    }
}

fn sha256_of(parts: &[Bytes]) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    parts.iter().for_each(|part| context.update(part));
    let mut hash = [0; 32];
    hash.copy_from_slice(context.finish().as_ref());
    hash
}
