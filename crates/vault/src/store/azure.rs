//! Requests of Azure Blob Storage.
//!
//! `object_store` gives the credentials and the signatures; the requests are our own, because its
//! cannot carry locks, checksums or versions. Sources: Azure Blob Storage REST reference (`Put
//! Blob`, `Put Block List`, `Get Blob Properties`, `List Blobs`, `Set Blob Immutability Policy`),
//! November 2026; service version 2023-11-03.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use holdfast_model::{Clock, Timestamp};
use http::{Method, StatusCode};
use md5::{Digest as _, Md5};
use object_store::azure::{
    AzureAccessKey, AzureAuthorizer, AzureCredential, AzureCredentialProvider,
    MicrosoftAzureBuilder,
};
use object_store::client::{HttpRequest, StaticCredentialProvider};
use url::{Url, form_urlencoded};

use super::location::AzureLocation;
use super::object::{
    Condition, Dialect, Head, Listing, Lock, Put, Range, Upload, Wanted, http_date,
};
use super::options::{Credentials, Name};
use super::pages::Pages;
use super::s3::split;
use super::transport::{Answer, Call, Signer, Transport, address, lookup};
use super::xml::Element;
use super::{FileVersion, LockMode, StoreOptions, Stored};
use crate::error::{Error, Result};

/// A container.
#[derive(Debug)]
pub(super) struct Azure {
    at: AzureLocation,
    transport: Transport,
    signer: AzureSigner,
    part_size: usize,
}

#[derive(Debug)]
struct AzureSigner {
    credentials: AzureCredentialProvider,
    account: String,
}

impl Signer for AzureSigner {
    async fn sign(
        &self,
        request: &mut HttpRequest,
        _sha256: Option<[u8; 32]>,
    ) -> object_store::Result<()> {
        let credential = self.credentials.get_credential().await?;
        AzureAuthorizer::new(&credential, &self.account).try_authorize(request)
    }
}

impl Azure {
    /// A container with some of the credentials of the options.
    pub(super) fn new(
        at: AzureLocation,
        credentials: Option<&Credentials>,
        options: &StoreOptions,
        clock: Clock,
    ) -> Result<Self> {
        if options.part_size < StoreOptions::LEAST_PART {
            return Err(Error::invalid("parts of files must have 5 MiB or more"));
        }
        let base = Url::parse(&at.base());
        let base = base.map_err(|_| Error::invalid("no address of a container"))?;
        let signer =
            AzureSigner { credentials: provider(&at, credentials)?, account: at.account.clone() };
        let transport = Transport::new(&base, options, clock)?;
        Ok(Self { at, transport, signer, part_size: options.part_size })
    }

    fn call(&self, method: Method, action: &'static str, key: &str) -> Result<Call> {
        Ok(Call::new(method, address(&self.at.base(), key)?, action, key))
    }

    async fn exchange(&self, call: &Call) -> Result<Answer> {
        self.transport.exchange(call, &self.signer).await
    }

    /// Sends a request that succeeds.
    async fn expect(&self, call: &Call) -> Result<Answer> {
        let answer = self.exchange(call).await?;
        match answer.status.is_success() {
            true => Ok(answer),
            false => Err(refusal(&answer, call)),
        }
    }

    /// Sends the blocks of a large file; gives the list that makes them a blob.
    async fn send_blocks(&self, key: &str, upload: &Upload) -> Result<Bytes> {
        let mut list = String::from("<?xml version=\"1.0\" encoding=\"utf-8\"?><BlockList>");
        // Blocks of another writer of the same name must not be mistaken for ours.
        let run = uuid::Uuid::new_v4().simple().to_string();
        for (number, piece) in split(&upload.parts, self.part_size).into_iter().enumerate() {
            let id = BASE64.encode(format!("{run}-{number:08}"));
            let mut call = self
                .call(Method::PUT, "write", key)?
                .query("comp", "block")
                .query("blockid", &id)
                .header("content-md5", &md5_of(&piece));
            call.body = piece;
            self.expect(&call).await?;
            list.push_str(&format!("<Latest>{id}</Latest>"));
        }
        list.push_str("</BlockList>");
        Ok(Bytes::from(list))
    }

    /// The request that makes a blob: of its bytes, or of blocks that were sent before.
    async fn put_call(&self, key: &str, upload: &Upload) -> Result<Call> {
        let mut call = self.call(Method::PUT, "write", key)?;
        if upload.size > self.part_size as u64 {
            call.body = vec![self.send_blocks(key, upload).await?];
            return Ok(call.query("comp", "blocklist"));
        }
        call.body.clone_from(&upload.parts);
        Ok(call.header("x-ms-blob-type", "BlockBlob").header("content-md5", &upload.digest))
    }

    /// All pages of a listing.
    async fn pages(
        &self,
        action: &'static str,
        prefix: &str,
        query: &[(&str, &str)],
        mut page: impl FnMut(&Element) -> Option<()> + Send,
    ) -> Result<()> {
        let mut call = Call::new(
            Method::GET,
            Url::parse(&self.at.base()).map_err(|_| Error::invalid("no address"))?,
            action,
            prefix,
        );
        for (name, value) in [("restype", "container"), ("comp", "list"), ("prefix", prefix)] {
            call = call.query(name, value);
        }
        for (name, value) in query {
            call = call.query(name, value);
        }
        let mut next = call.clone();
        let mut pages = Pages::default();
        loop {
            let answer = self.expect(&next).await?;
            let senseless = || call.error("the listing of the storage makes no sense");
            // The service begins its XML with a byte order mark.
            let body = answer.body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&answer.body);
            let root = Element::parse(body).ok_or_else(senseless)?;
            page(&root).ok_or_else(senseless)?;
            match root.text_of("NextMarker") {
                "" => return Ok(()),
                marker => {
                    pages.turn(&call, answer.body.len(), &[marker])?;
                    next = call.clone().query("marker", marker);
                }
            }
        }
    }
}

/// The credentials: those that were given, or what `object_store` finds in the environment
/// (variables, workload identity, managed identity).
fn provider(at: &AzureLocation, given: Option<&Credentials>) -> Result<AzureCredentialProvider> {
    let Some(given) = given else {
        let builder = MicrosoftAzureBuilder::from_env()
            .with_account(&at.account)
            .with_container_name(&at.container)
            .with_retry(lookup())
            .with_allow_http(true);
        let client = builder.build().map_err(|err| {
            Error::invalid(format!("no credentials for Azure in the environment: {err}"))
        })?;
        return Ok(Arc::clone(client.credentials()));
    };
    let credential = match (given.value(Name::AccountKey), given.value(Name::Sas)) {
        (Some(key), None) => {
            let key = AzureAccessKey::try_new(key)
                .map_err(|_| Error::invalid("the key of the storage account is no Base64"))?;
            AzureCredential::AccessKey(key)
        }
        (None, Some(sas)) => {
            let pairs = form_urlencoded::parse(sas.trim_start_matches('?').as_bytes());
            AzureCredential::SASToken(pairs.into_owned().collect())
        }
        _ => {
            return Err(Error::invalid(
                "credentials for Azure need either AZURE_STORAGE_KEY or AZURE_STORAGE_SAS_TOKEN",
            ));
        }
    };
    Ok(Arc::new(StaticCredentialProvider::new(credential)))
}

fn md5_of(parts: &[Bytes]) -> String {
    let mut context = Md5::new();
    parts.iter().for_each(|part| context.update(part));
    BASE64.encode(context.finalize())
}

fn mode(mode: LockMode) -> &'static str {
    match mode {
        LockMode::Governance => "Unlocked",
        LockMode::Compliance => "Locked",
    }
}

fn with_lock(call: Call, lock: Option<Lock>) -> Call {
    let Some(lock) = lock else { return call };
    call.header("x-ms-immutability-policy-until-date", &rfc1123(lock.until))
        .header("x-ms-immutability-policy-mode", mode(lock.mode))
}

/// Whole seconds, rounded up, as HTTP has dates.
fn rfc1123(time: Timestamp) -> String {
    super::whole_second(time).strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

fn refusal(answer: &Answer, call: &Call) -> Error {
    match answer.code().as_str() {
        "BlobImmutableDueToPolicy" | "BlobImmutableDueToLegalHold" => {
            Error::Locked { file: call.key.clone() }
        }
        _ => answer.refusal(call),
    }
}

/// A blob that is not there, which is not the same as a container that is not there.
fn is_absent(answer: &Answer) -> bool {
    answer.status == StatusCode::NOT_FOUND && answer.code() != "ContainerNotFound"
}

fn stored(item: &Element) -> Option<Stored> {
    let about = item.child("Properties")?;
    Some(Stored {
        key: item.text_of("Name").to_owned(),
        size: about.text_of("Content-Length").parse().ok()?,
        modified: http_date(about.text_of("Last-Modified"))?,
    })
}

fn version(item: &Element) -> Option<FileVersion> {
    let file = stored(item)?;
    let id = item.text_of("VersionId").to_owned();
    // The id is the moment at which the version was made.
    let created = id.parse().unwrap_or(file.modified);
    let current = item.text_of("IsCurrentVersion") == "true" || id.is_empty();
    Some(FileVersion { key: file.key, id, size: file.size, created, deleted: false, current })
}

fn head(answer: &Answer) -> Head {
    let text = |name: &str| answer.header(name).unwrap_or_default().to_owned();
    let given = |name: &str| answer.header(name).map(str::to_owned);
    Head {
        size: text("content-length").parse().unwrap_or(u64::MAX),
        etag: text("etag"),
        version: given("x-ms-version-id"),
        digest: given("content-md5"),
        locked_until: answer.header("x-ms-immutability-policy-until-date").and_then(http_date),
        hold: answer.header("x-ms-legal-hold") == Some("true"),
    }
}

impl Dialect for Azure {
    fn location(&self) -> String {
        super::Location::Azure(self.at.clone()).to_string()
    }

    fn prefix(&self) -> &str {
        &self.at.prefix
    }

    fn restic_repository(&self, prefix: &str) -> String {
        self.at.restic(prefix)
    }

    fn body(&self, parts: &[Bytes]) -> Upload {
        let size = parts.iter().map(|part| part.len() as u64).sum();
        Upload { parts: parts.to_vec(), size, digest: md5_of(parts), sha256: None }
    }

    async fn put(
        &self,
        key: &str,
        upload: &Upload,
        condition: &Condition,
        lock: Option<Lock>,
    ) -> Result<Put> {
        let call = self.put_call(key, upload).await?;
        let call = with_lock(call, lock)
            .header("x-ms-blob-content-md5", &upload.digest)
            .header("x-ms-blob-content-type", "application/octet-stream");
        let call = match condition {
            Condition::Always => call,
            Condition::Absent => call.header("if-none-match", "*"),
            Condition::Matches(etag) => call.header("if-match", etag),
        };
        let answer = self.exchange(&call).await?;
        let doubt = answer.doubt;
        let exists = answer.status == StatusCode::CONFLICT && answer.code() == "BlobAlreadyExists";
        match answer.status {
            StatusCode::CREATED => Ok(Put { done: true, doubt }),
            StatusCode::PRECONDITION_FAILED => Ok(Put { done: false, doubt }),
            _ if exists => Ok(Put { done: false, doubt }),
            _ => Err(refusal(&answer, &call)),
        }
    }

    async fn head(&self, key: &str, version: Option<&str>) -> Result<Option<Head>> {
        let mut call = self.call(Method::HEAD, "look at", key)?;
        if let Some(version) = version {
            call = call.query("versionid", version);
        }
        let answer = self.exchange(&call).await?;
        match answer.status {
            StatusCode::OK => Ok(Some(head(&answer))),
            _ if is_absent(&answer) => Ok(None),
            _ => Err(refusal(&answer, &call)),
        }
    }

    async fn get(&self, key: &str, wanted: &Wanted) -> Result<Option<Bytes>> {
        let mut call = self.call(Method::GET, "read", key)?;
        call.limit = wanted.limit;
        if let Some(version) = &wanted.version {
            call = call.query("versionid", version);
        }
        if let Some(range) = wanted.range.and_then(Range::header) {
            call = call.header("x-ms-range", &range);
        }
        let answer = self.exchange(&call).await?;
        match answer.status {
            StatusCode::OK | StatusCode::PARTIAL_CONTENT => wanted.content(key, &answer).map(Some),
            StatusCode::RANGE_NOT_SATISFIABLE => Ok(Some(Bytes::new())),
            _ if is_absent(&answer) => Ok(None),
            _ => Err(refusal(&answer, &call)),
        }
    }

    async fn list(&self, prefix: &str, folders: bool) -> Result<Listing> {
        let mut listing = Listing::default();
        let query: &[_] = if folders { &[("delimiter", "/")] } else { &[] };
        self.pages("list", prefix, query, |root| {
            for item in &root.child("Blobs")?.children {
                match item.name.as_str() {
                    "Blob" => listing.files.push(stored(item)?),
                    "BlobPrefix" => listing.folders.push(item.text_of("Name").to_owned()),
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
        self.pages("list the versions of", prefix, &[("include", "versions")], |root| {
            let blobs = &root.child("Blobs")?.children;
            for item in blobs.iter().filter(|item| item.name == "Blob") {
                versions.push(version(item)?);
            }
            Some(())
        })
        .await?;
        // The service lists those of one blob oldest first.
        versions.sort_by(|a, b| a.key.cmp(&b.key).then_with(|| b.created.cmp(&a.created)));
        Ok(versions)
    }

    async fn delete(&self, key: &str, head: &Head) -> Result<()> {
        // The current version cannot be named when it is removed; it becomes a former one, which
        // like those before it never comes to light again.
        let whole = self.call(Method::DELETE, "remove", key)?;
        let mut calls = vec![whole.clone()];
        if head.version.is_some() {
            let mut versions = self.versions(key).await?;
            versions.retain(|version| version.key == key);
            let named = |id: &str| whole.clone().query("versionid", id);
            calls.extend(versions.iter().map(|version| named(&version.id)));
        }
        for call in calls {
            let answer = self.exchange(&call).await?;
            if !answer.status.is_success() && !is_absent(&answer) {
                return Err(refusal(&answer, &call));
            }
        }
        Ok(())
    }

    async fn lock(&self, key: &str, version: Option<&str>, lock: Lock) -> Result<()> {
        // An unlocked policy is set as it is asked for, also to an earlier end.
        if lock.mode == LockMode::Governance
            && let Some(head) = self.head(key, version).await?
            && head.locked_until.is_some_and(|end| end >= lock.until)
        {
            return Ok(());
        }
        let mut call = self.call(Method::PUT, "lock", key)?.query("comp", "immutabilityPolicies");
        if let Some(version) = version {
            call = call.query("versionid", version);
        }
        let call = with_lock(call, Some(lock));
        let answer = self.exchange(&call).await?;
        match answer.status.is_success() {
            true => Ok(()),
            false if is_absent(&answer) => Err(Error::damaged(key, "is missing")),
            false => Err(refusal(&answer, &call)),
        }
    }
}
