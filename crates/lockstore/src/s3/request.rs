//! From an HTTP request to the operation it asks for.

use http::request::Parts;
use http::{HeaderMap, Method};
use percent_encoding::percent_decode_str;

use super::error::{Error, METHOD_NOT_ALLOWED, NOT_IMPLEMENTED};

/// An operation of the S3 API, by its name there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    AbortMultipartUpload,
    CompleteMultipartUpload,
    CopyObject,
    CreateBucket,
    CreateMultipartUpload,
    DeleteObject,
    DeleteObjects,
    GetBucketLocation,
    GetBucketVersioning,
    GetObject,
    GetObjectLegalHold,
    GetObjectLockConfiguration,
    GetObjectRetention,
    HeadBucket,
    HeadObject,
    ListBuckets,
    ListMultipartUploads,
    ListObjectVersions,
    ListObjectsV2,
    ListParts,
    PutBucketVersioning,
    PutObject,
    PutObjectLegalHold,
    PutObjectLockConfiguration,
    PutObjectRetention,
    UploadPart,
    UploadPartCopy,
}

use Operation as Op;

impl Operation {
    /// The name in statistics and rules of faults.
    pub(crate) fn name(self) -> String {
        format!("{self:?}")
    }

    /// The query parameters that it takes. Others are refused: what the fake does not know it
    /// must not seem to do.
    fn parameters(self) -> &'static [&'static str] {
        match self {
            Op::GetObject | Op::HeadObject | Op::DeleteObject => &["versionId"],
            Op::GetObjectRetention | Op::PutObjectRetention => &["retention", "versionId"],
            Op::GetObjectLegalHold | Op::PutObjectLegalHold => &["legal-hold", "versionId"],
            Op::UploadPart | Op::UploadPartCopy => &["partNumber", "uploadId"],
            Op::CompleteMultipartUpload | Op::AbortMultipartUpload => &["uploadId"],
            Op::ListParts => &["uploadId", "max-parts", "part-number-marker"],
            Op::CreateMultipartUpload => &["uploads"],
            Op::ListMultipartUploads => &["uploads", "prefix", "max-uploads", "encoding-type"],
            Op::DeleteObjects => &["delete"],
            Op::GetBucketLocation => &["location"],
            Op::GetBucketVersioning | Op::PutBucketVersioning => &["versioning"],
            Op::GetObjectLockConfiguration | Op::PutObjectLockConfiguration => &["object-lock"],
            Op::ListObjectVersions => &[
                "versions",
                "prefix",
                "delimiter",
                "key-marker",
                "version-id-marker",
                "max-keys",
                "encoding-type",
            ],
            Op::ListObjectsV2 => &[
                "list-type",
                "prefix",
                "delimiter",
                "start-after",
                "continuation-token",
                "max-keys",
                "encoding-type",
                "fetch-owner",
            ],
            _ => &[],
        }
    }
}

/// A request without its body.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) operation: Operation,
    pub(crate) method: Method,
    /// As it was sent.
    pub(crate) path: String,
    pub(crate) bucket: String,
    pub(crate) key: String,
    /// Decoded, in the order of the request.
    pub(crate) query: Vec<(String, String)>,
    pub(crate) headers: HeaderMap,
}

impl Head {
    pub(crate) fn read(parts: Parts) -> Result<Self, Error> {
        let path = parts.uri.path().to_owned();
        let (bucket, key) = names(&path)?;
        let query = query(parts.uri.query().unwrap_or(""));
        let has = |name: &str| query.iter().any(|(known, _)| known == name);
        let is_copy = parts.headers.contains_key("x-amz-copy-source");
        let operation = match (bucket.is_empty(), key.is_empty()) {
            (true, _) if parts.method == Method::GET => Op::ListBuckets,
            (true, _) => return Err(METHOD_NOT_ALLOWED),
            (false, true) => of_bucket(&parts.method, has)?,
            (false, false) => of_key(&parts.method, has, is_copy)?,
        };
        let known = |name: &str| operation.parameters().contains(&name) || name == "x-id";
        if !query.iter().all(|(name, _)| known(name)) {
            return Err(NOT_IMPLEMENTED);
        }
        let (method, headers) = (parts.method, parts.headers);
        Ok(Self { operation, method, path, bucket, key, query, headers })
    }

    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The version that the request names.
    pub(crate) fn version(&self) -> Result<Option<&str>, Error> {
        let Some(id) = self.parameter("versionId") else { return Ok(None) };
        let is_id = id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if is_id || id == super::state::NULL {
            Ok(Some(id))
        } else {
            Err(Error::argument("Invalid version id specified"))
        }
    }

    /// What rules of faults compare: the key, or the prefix of a listing.
    pub(crate) fn subject(&self) -> &str {
        if self.key.is_empty() { self.parameter("prefix").unwrap_or("") } else { &self.key }
    }
}

fn names(path: &str) -> Result<(String, String), Error> {
    let path = path.trim_start_matches('/');
    let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
    let decode = |text: &str| {
        percent_decode_str(text)
            .decode_utf8()
            .map(std::borrow::Cow::into_owned)
            .map_err(|_| Error::bad("InvalidURI", "Couldn't parse the specified URI."))
    };
    let key = decode(key)?;
    if key.len() > 1024 {
        return Err(Error::bad("KeyTooLongError", "Your key is too long"));
    }
    Ok((decode(bucket)?, key))
}

fn query(text: &str) -> Vec<(String, String)> {
    let decode =
        |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
    let pairs = text.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (decode(name), decode(value)))
        .collect()
}

fn of_bucket(method: &Method, has: impl Fn(&str) -> bool) -> Result<Operation, Error> {
    let operation = match method.as_str() {
        "GET" if has("location") => Op::GetBucketLocation,
        "GET" if has("versioning") => Op::GetBucketVersioning,
        "GET" if has("object-lock") => Op::GetObjectLockConfiguration,
        "GET" if has("versions") => Op::ListObjectVersions,
        "GET" if has("uploads") => Op::ListMultipartUploads,
        "GET" if has("list-type") => Op::ListObjectsV2,
        "HEAD" => Op::HeadBucket,
        "PUT" if has("versioning") => Op::PutBucketVersioning,
        "PUT" if has("object-lock") => Op::PutObjectLockConfiguration,
        "PUT" => Op::CreateBucket,
        "POST" if has("delete") => Op::DeleteObjects,
        _ => return Err(NOT_IMPLEMENTED),
    };
    Ok(operation)
}

fn of_key(method: &Method, has: impl Fn(&str) -> bool, copy: bool) -> Result<Operation, Error> {
    let operation = match method.as_str() {
        "GET" if has("uploadId") => Op::ListParts,
        "GET" if has("retention") => Op::GetObjectRetention,
        "GET" if has("legal-hold") => Op::GetObjectLegalHold,
        "GET" => Op::GetObject,
        "HEAD" => Op::HeadObject,
        "PUT" if has("uploadId") && copy => Op::UploadPartCopy,
        "PUT" if has("uploadId") => Op::UploadPart,
        "PUT" if has("retention") => Op::PutObjectRetention,
        "PUT" if has("legal-hold") => Op::PutObjectLegalHold,
        "PUT" if copy => Op::CopyObject,
        "PUT" => Op::PutObject,
        "POST" if has("uploads") => Op::CreateMultipartUpload,
        "POST" if has("uploadId") => Op::CompleteMultipartUpload,
        "DELETE" if has("uploadId") => Op::AbortMultipartUpload,
        "DELETE" => Op::DeleteObject,
        _ => return Err(NOT_IMPLEMENTED),
    };
    Ok(operation)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(method: &str, uri: &str) -> Result<Head, Error> {
        let request = http::Request::builder().method(method).uri(uri).body(()).unwrap();
        Head::read(request.into_parts().0)
    }

    #[test]
    fn operations_by_method_path_and_query() {
        for (method, uri, expected) in [
            ("GET", "/", Op::ListBuckets),
            ("GET", "/b?list-type=2&prefix=", Op::ListObjectsV2),
            ("GET", "/b/?location", Op::GetBucketLocation),
            ("GET", "/b/?versions", Op::ListObjectVersions),
            ("HEAD", "/b/", Op::HeadBucket),
            ("POST", "/b?delete", Op::DeleteObjects),
            ("GET", "/b/k?versionId=null", Op::GetObject),
            ("GET", "/b/k?retention=", Op::GetObjectRetention),
            ("PUT", "/b/k?partNumber=1&uploadId=u", Op::UploadPart),
            ("POST", "/b/k?uploads=", Op::CreateMultipartUpload),
            ("DELETE", "/b/k?uploadId=u", Op::AbortMultipartUpload),
            ("PUT", "/b/k?x-id=PutObject", Op::PutObject),
        ] {
            assert_eq!(read(method, uri).unwrap().operation, expected, "{method} {uri}");
        }
        let head = read("GET", "/b/a%20b/c%2Fd?versionId=null").unwrap();
        assert_eq!((head.bucket.as_str(), head.key.as_str()), ("b", "a b/c/d"));
    }

    #[test]
    fn what_is_not_known_is_refused() {
        for (method, uri) in [
            ("GET", "/b"),
            ("GET", "/b/k?tagging"),
            ("PUT", "/b/k?acl"),
            ("GET", "/b/?list-type=2&strange=1"),
        ] {
            assert_eq!(read(method, uri).unwrap_err().code, "NotImplemented", "{method} {uri}");
        }
    }
}
