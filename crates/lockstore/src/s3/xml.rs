//! The XML of S3: bodies of requests, and the pieces of answers.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, header};
use jiff::Timestamp;
use jiff::fmt::temporal::DateTimePrinter;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::error::{Error, MALFORMED_XML};

pub(crate) const PROLOG: &str = r#"<?xml version="1.0" encoding="UTF-8"?>"#;
const NAMESPACE: &str = "http://s3.amazonaws.com/doc/2006-03-01/";

/// What S3 leaves unencoded with `encoding-type=url`, and in the canonical form of signatures:
/// unreserved characters (RFC 3986) and the slash.
pub(crate) const PATH: AsciiSet =
    NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'/');

/// `DeleteObjects`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Delete {
    #[serde(default)]
    pub(crate) quiet: bool,
    #[serde(default)]
    pub(crate) object: Vec<DeleteKey>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct DeleteKey {
    pub(crate) key: String,
    pub(crate) version_id: Option<String>,
}

/// `CompleteMultipartUpload`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Complete {
    #[serde(default)]
    pub(crate) part: Vec<CompletePart>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct CompletePart {
    pub(crate) part_number: u32,
    #[serde(rename = "ETag")]
    pub(crate) etag: String,
    #[serde(alias = "ChecksumCRC32", alias = "ChecksumCRC32C", alias = "ChecksumCRC64NVME")]
    #[serde(alias = "ChecksumSHA1", alias = "ChecksumSHA256")]
    pub(crate) checksum: Option<String>,
}

/// `PutBucketVersioning`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct VersioningConfiguration {
    pub(crate) status: Option<String>,
}

/// `PutObjectLockConfiguration`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct LockConfiguration {
    pub(crate) object_lock_enabled: Option<String>,
    pub(crate) rule: Option<LockRule>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct LockRule {
    pub(crate) default_retention: LockDefault,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct LockDefault {
    pub(crate) mode: String,
    pub(crate) days: Option<i64>,
    pub(crate) years: Option<i64>,
}

/// `PutObjectRetention`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct RetentionBody {
    pub(crate) mode: Option<String>,
    pub(crate) retain_until_date: Option<String>,
}

/// `PutObjectLegalHold`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct HoldBody {
    pub(crate) status: String,
}

/// Reads a request's body whose outermost element is `root`.
pub(crate) fn read<T: DeserializeOwned>(body: &[u8], root: &str) -> Result<T, Error> {
    let text = std::str::from_utf8(body).map_err(|_| MALFORMED_XML)?;
    let start = match text.trim_start().strip_prefix("<?") {
        Some(prolog) => prolog.split_once("?>").map_or("", |(_, rest)| rest),
        None => text,
    };
    let element = start.trim_start().strip_prefix('<').ok_or(MALFORMED_XML)?;
    let name = element.split([' ', '>', '/', '\n']).next().unwrap_or("");
    if name != root {
        return Err(MALFORMED_XML);
    }
    quick_xml::de::from_str(text).map_err(|_| MALFORMED_XML)
}

/// Text with XML's special and control characters escaped.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            '"' => escaped.push_str("&quot;"),
            control if control.is_control() => {
                escaped.push_str(&format!("&#x{:x};", u32::from(control)));
            }
            other => escaped.push(other),
        }
    }
    escaped
}

/// `<name>text</name>`, escaped.
pub(crate) fn element(name: &str, text: impl AsRef<str>) -> String {
    format!("<{name}>{}</{name}>", escape(text.as_ref()))
}

/// `<name>text</name>` if there is a text.
pub(crate) fn optional(name: &str, text: Option<impl AsRef<str>>) -> String {
    text.map_or_else(String::new, |text| element(name, text))
}

/// A key as listings show it: percent-encoded on request.
pub(crate) fn key(text: &str, encode: bool) -> String {
    if encode { utf8_percent_encode(text, &PATH).to_string() } else { text.to_owned() }
}

/// 200 with a document.
pub(crate) fn document(root: &str, content: &str) -> Response<Bytes> {
    let body = format!("{PROLOG}<{root} xmlns=\"{NAMESPACE}\">{content}</{root}>");
    let mut response = Response::new(Bytes::from(body));
    mark(response.headers_mut());
    response
}

/// Says that the body is XML.
pub(crate) fn mark(headers: &mut HeaderMap) {
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/xml"));
}

/// A moment in the form of S3's documents, with milliseconds.
pub(crate) fn time(moment: Timestamp) -> String {
    DateTimePrinter::new().precision(Some(3)).timestamp_to_string(&moment)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_read_with_their_root() {
        let body = br#"<?xml version="1.0"?>
            <Delete xmlns="http://s3.amazonaws.com/doc/2006-03-01/">
            <Object><Key>a&amp;b</Key></Object><Quiet>true</Quiet></Delete>"#;
        let read_back: Delete = read(body, "Delete").unwrap();
        assert!(read_back.quiet);
        assert_eq!(read_back.object[0].key, "a&b");
        assert_eq!(read::<Delete>(body, "Erase").unwrap_err().code, "MalformedXML");
        assert_eq!(read::<Delete>(b"<Delete><Object>", "Delete").unwrap_err(), MALFORMED_XML);
    }

    #[test]
    fn parts_carry_any_checksum() {
        let body = b"<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>e</ETag>\
            <ChecksumSHA256>s</ChecksumSHA256></Part></CompleteMultipartUpload>";
        let read_back: Complete = read(body, "CompleteMultipartUpload").unwrap();
        assert_eq!(read_back.part[0].checksum.as_deref(), Some("s"));
    }

    #[test]
    fn times_have_milliseconds() {
        let moment = Timestamp::from_millisecond(1_700_000_000_500).unwrap();
        assert_eq!(time(moment), "2023-11-14T22:13:20.500Z");
    }
}
