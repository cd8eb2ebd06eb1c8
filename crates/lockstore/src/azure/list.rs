//! List Blobs.

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use bytes::Bytes;
use http::Response;

use super::call::{self, Call};
use super::error::{self, Refusal};
use super::state::{Account, Blob, Container, Version};
use super::{worm, xml};

/// Most entries of a page (List Blobs, `maxresults`).
const LARGEST_PAGE: usize = 5000;

/// What a listing shows besides names and properties.
#[derive(Clone, Copy, Debug, Default)]
struct Include {
    versions: bool,
    policy: bool,
    hold: bool,
    metadata: bool,
}

/// How far a listing looks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View {
    /// The last change it knows of.
    pub(crate) write: u64,
    /// Most entries of a page, if fewer than the client asks for.
    pub(crate) page: usize,
}

/// One line of a listing.
enum Entry<'a> {
    Prefix(String),
    Version(&'a str, &'a Version),
}

/// List Blobs.
pub(crate) fn list(account: &Account, call: &Call, view: View) -> Result<Response<Bytes>, Refusal> {
    let container = account.containers.get(&call.container).ok_or(error::CONTAINER_NOT_FOUND)?;
    let include = include(call)?;
    let marker = call.parameter("marker").filter(|marker| !marker.is_empty());
    let from = match marker {
        Some(marker) => parse_marker(marker)?,
        None => (call.parameter("startfrom").unwrap_or_default().to_owned(), 0),
    };
    let limit = page(call)?.min(view.page);
    let mut entries = entries(container, call, include, View { page: limit, ..view }, &from);
    let next = (entries.len() > limit).then(|| marker_of(&entries[limit]));
    entries.truncate(limit);

    let mut out = String::from(xml::HEAD);
    out.push_str(&format!("<EnumerationResults ContainerName=\"{}\">", call.container));
    for (name, parameter) in
        [("Prefix", "prefix"), ("Marker", "marker"), ("Delimiter", "delimiter")]
    {
        if let Some(value) = call.parameter(parameter).filter(|value| !value.is_empty()) {
            xml::element(&mut out, name, value);
        }
    }
    out.push_str("<Blobs>");
    for entry in &entries {
        match entry {
            Entry::Prefix(name) => {
                out.push_str("<BlobPrefix>");
                xml::element(&mut out, "Name", name);
                out.push_str("</BlobPrefix>");
            }
            Entry::Version(name, version) => {
                show(&mut out, name, version, include, view.write, account.versioning);
            }
        }
    }
    out.push_str("</Blobs>");
    xml::element(&mut out, "NextMarker", &next.unwrap_or_default());
    out.push_str("</EnumerationResults>");
    let headers = [("content-type", "application/xml".to_owned())];
    Ok(call::with_body(200, &headers, Bytes::from(out)))
}

/// The entries from a name and a version's birth on: at most one page and the first of the next.
fn entries<'a>(
    container: &'a Container,
    call: &Call,
    include: Include,
    view: View,
    from: &(String, u64),
) -> Vec<Entry<'a>> {
    let prefix = call.parameter("prefix").unwrap_or_default();
    let delimiter = call.parameter("delimiter").filter(|delimiter| !delimiter.is_empty());
    let mut entries = Vec::new();
    let mut rolled: Option<String> = None;
    let start = from.0.as_str().max(prefix).to_owned();
    let blobs = container.blobs.range(start..).take_while(|(name, _)| name.starts_with(prefix));
    for (name, blob) in blobs {
        if entries.len() > view.page {
            break;
        }
        let born = if *name == from.0 { from.1 } else { 0 };
        let seen = seen(blob, include, view.write, born);
        if seen.is_empty() {
            continue;
        }
        let rest = &name[prefix.len()..];
        let common = delimiter.and_then(|d| rest.find(d).map(|at| prefix.len() + at + d.len()));
        match common {
            Some(end) if rolled.as_deref() == Some(&name[..end]) => {}
            Some(end) => {
                rolled = Some(name[..end].to_owned());
                entries.push(Entry::Prefix(name[..end].to_owned()));
            }
            None => entries.extend(seen.into_iter().map(|version| Entry::Version(name, version))),
        }
    }
    entries
}

/// The versions of a blob that a listing shows.
fn seen(blob: &Blob, include: Include, write: u64, born: u64) -> Vec<&Version> {
    let mut seen = blob.as_of(write);
    seen.retain(|version| version.born >= born && (include.versions || version.was_current(write)));
    seen
}

fn show(
    out: &mut String,
    name: &str,
    version: &Version,
    include: Include,
    write: u64,
    versioning: bool,
) {
    let current = version.was_current(write);
    out.push_str("<Blob>");
    xml::element(out, "Name", name);
    if versioning {
        xml::element(out, "VersionId", &version.id);
    }
    if versioning && include.versions && current {
        xml::element(out, "IsCurrentVersion", "true");
    }
    out.push_str("<Properties>");
    let properties = &version.properties;
    let shown = [
        ("Creation-Time", call::rfc1123(version.created)),
        ("Last-Modified", call::rfc1123(version.modified)),
        ("Etag", version.etag.clone()),
        ("Content-Length", version.size.to_string()),
        ("Content-Type", properties.content_type.clone()),
        ("Content-Encoding", properties.content_encoding.clone()),
        ("Content-Language", properties.content_language.clone()),
        ("Content-CRC64", String::new()),
        ("Content-MD5", properties.md5.clone()),
        ("Cache-Control", properties.cache_control.clone()),
        ("Content-Disposition", properties.content_disposition.clone()),
        ("BlobType", "BlockBlob".to_owned()),
        ("AccessTier", "Hot".to_owned()),
        ("AccessTierInferred", "true".to_owned()),
        ("LeaseStatus", "unlocked".to_owned()),
        ("LeaseState", "available".to_owned()),
        ("ServerEncrypted", "true".to_owned()),
    ];
    for (name, value) in shown {
        xml::element(out, name, &value);
    }
    if let Some(policy) = version.policy().filter(|_| include.policy) {
        xml::element(out, "ImmutabilityPolicyUntilDate", &call::rfc1123(policy.until));
        xml::element(out, "ImmutabilityPolicyMode", worm::mode_name(policy.mode));
    }
    if include.hold && version.protection.hold {
        xml::element(out, "LegalHold", "true");
    }
    out.push_str("</Properties>");
    if include.metadata {
        out.push_str("<Metadata>");
        for (name, value) in &properties.metadata {
            xml::element(out, name, value);
        }
        out.push_str("</Metadata>");
    }
    out.push_str("<OrMetadata /></Blob>");
}

fn include(call: &Call) -> Result<Include, Refusal> {
    let mut include = Include::default();
    for word in call.parameter("include").unwrap_or_default().split(',').filter(|w| !w.is_empty()) {
        match word.trim().to_ascii_lowercase().as_str() {
            "versions" => include.versions = true,
            "immutabilitypolicy" => include.policy = true,
            "legalhold" => include.hold = true,
            "metadata" => include.metadata = true,
            // There is no soft delete here, so there is nothing to add.
            "deleted" => {}
            other => return Err(error::NOT_IMPLEMENTED.about(format!("include={other}"))),
        }
    }
    Ok(include)
}

fn page(call: &Call) -> Result<usize, Refusal> {
    let Some(text) = call.parameter("maxresults") else { return Ok(LARGEST_PAGE) };
    match text.parse::<i64>() {
        Err(_) => Err(error::INVALID_PARAMETER.about("maxresults")),
        Ok(count) if count < 1 => Err(error::PARAMETER_OUT_OF_RANGE.about("maxresults")),
        Ok(count) => Ok(usize::try_from(count).unwrap_or(LARGEST_PAGE).min(LARGEST_PAGE)),
    }
}

/// Where the next page begins. Clients must not look into it, so it is made unreadable.
fn marker_of(entry: &Entry<'_>) -> String {
    let text = match entry {
        Entry::Prefix(name) => format!("0 {name}"),
        Entry::Version(name, version) => format!("{} {name}", version.born),
    };
    format!("2!{}", BASE64_URL_SAFE_NO_PAD.encode(text))
}

fn parse_marker(marker: &str) -> Result<(String, u64), Refusal> {
    let text = marker.strip_prefix("2!").and_then(|text| BASE64_URL_SAFE_NO_PAD.decode(text).ok());
    let text = text.and_then(|text| String::from_utf8(text).ok());
    let parts = text.as_deref().and_then(|text| text.split_once(' '));
    let parsed = parts.and_then(|(born, name)| Some((name.to_owned(), born.parse().ok()?)));
    parsed.ok_or_else(|| error::INVALID_PARAMETER.about("marker"))
}
