//! A request taken apart: which operation on which container and blob, with which headers and
//! parameters. What an operation does not know is refused rather than ignored.

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response};
use jiff::Timestamp;
use jiff::fmt::rfc2822;
use percent_encoding::percent_decode_str;

use super::error::{self, Refusal};

/// The operations by the names that the documentation gives them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    PutBlob,
    PutBlock,
    PutBlockList,
    SetMetadata,
    GetBlob,
    GetProperties,
    ListBlobs,
    DeleteBlob,
    SetPolicy,
    DeletePolicy,
    SetHold,
    CreateContainer,
    GetContainer,
    DeleteContainer,
    Batch,
}

/// Parameters that belong to a SAS and not to an operation.
const SAS: &[&str] = &[
    "sv", "sr", "sp", "st", "se", "si", "sip", "spr", "sig", "ses", "rscc", "rscd", "rsce", "rscl",
    "rsct", "srt", "ss",
];

/// Headers that every operation takes.
const COMMON: &[&str] = &["x-ms-version", "x-ms-date", "x-ms-client-request-id"];

const CONDITIONS: &[&str] =
    &["if-match", "if-none-match", "if-modified-since", "if-unmodified-since"];

const CONTENT: &[&str] = &[
    "x-ms-blob-content-type",
    "x-ms-blob-content-encoding",
    "x-ms-blob-content-language",
    "x-ms-blob-content-md5",
    "x-ms-blob-content-disposition",
    "x-ms-blob-cache-control",
    "x-ms-immutability-policy-until-date",
    "x-ms-immutability-policy-mode",
    "x-ms-legal-hold",
    "x-ms-content-crc64",
];

impl Operation {
    /// The name under which requests are counted and faults strike.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::PutBlob => "Put Blob",
            Self::PutBlock => "Put Block",
            Self::PutBlockList => "Put Block List",
            Self::SetMetadata => "Set Blob Metadata",
            Self::GetBlob => "Get Blob",
            Self::GetProperties => "Get Blob Properties",
            Self::ListBlobs => "List Blobs",
            Self::DeleteBlob => "Delete Blob",
            Self::SetPolicy => "Set Blob Immutability Policy",
            Self::DeletePolicy => "Delete Blob Immutability Policy",
            Self::SetHold => "Set Blob Legal Hold",
            Self::CreateContainer => "Create Container",
            Self::GetContainer => "Get Container Properties",
            Self::DeleteContainer => "Delete Container",
            Self::Batch => "Blob Batch",
        }
    }

    /// Whether a lying store can pretend that it was done.
    pub(crate) fn changes(self) -> bool {
        !matches!(self, Self::GetBlob | Self::GetProperties | Self::ListBlobs | Self::GetContainer)
    }

    fn takes_conditions(self) -> bool {
        !matches!(
            self,
            Self::PutBlock
                | Self::ListBlobs
                | Self::CreateContainer
                | Self::GetContainer
                | Self::DeleteContainer
                | Self::Batch
        )
    }

    fn parameters(self) -> &'static [&'static str] {
        match self {
            Self::PutBlock => &["blockid"],
            Self::ListBlobs => {
                &["prefix", "delimiter", "marker", "maxresults", "include", "startfrom"]
            }
            Self::GetBlob | Self::GetProperties => &["versionid"],
            Self::SetPolicy | Self::DeletePolicy | Self::SetHold => &["versionid"],
            Self::DeleteBlob => &["versionid", "deletetype"],
            _ => &[],
        }
    }

    fn takes_header(self, name: &str) -> bool {
        let meta = name.starts_with("x-ms-meta-");
        match self {
            Self::PutBlob => meta || name == "x-ms-blob-type" || CONTENT.contains(&name),
            Self::PutBlockList => meta || CONTENT.contains(&name),
            Self::PutBlock => name == "x-ms-content-crc64",
            Self::SetMetadata | Self::CreateContainer => meta,
            Self::GetBlob => name == "x-ms-range",
            Self::DeleteBlob => name == "x-ms-delete-snapshots",
            Self::SetPolicy => matches!(
                name,
                "x-ms-immutability-policy-until-date" | "x-ms-immutability-policy-mode"
            ),
            Self::SetHold => name == "x-ms-legal-hold",
            _ => false,
        }
    }
}

/// A request.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) operation: Operation,
    pub(crate) method: Method,
    /// The path as it was sent.
    pub(crate) path: String,
    pub(crate) container: String,
    /// Empty when the request concerns the container.
    pub(crate) blob: String,
    /// Names in lower case, values decoded.
    pub(crate) query: Vec<(String, String)>,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Call {
    /// Takes a request apart. The account is the first segment of the path, or is left out as it
    /// is where the host names it.
    pub(crate) fn new(account: &str, request: Request<Bytes>) -> Result<Self, Refusal> {
        let (head, body) = request.into_parts();
        let path = head.uri.path().to_owned();
        let (container, blob) = names(account, &path)?;
        let query = head.uri.query().unwrap_or_default();
        let query: Vec<_> = url::form_urlencoded::parse(query.as_bytes())
            .map(|(name, value)| (name.to_ascii_lowercase(), value.into_owned()))
            .collect();
        let operation = route(&head.method, !blob.is_empty(), &query)?;
        let call = Self {
            operation,
            method: head.method,
            path,
            container,
            blob,
            query,
            headers: head.headers,
            body,
        };
        call.known_only()?;
        Ok(call)
    }

    fn known_only(&self) -> Result<(), Refusal> {
        let operation = self.operation;
        for (name, _) in &self.query {
            let name = name.as_str();
            let known = SAS.contains(&name) || operation.parameters().contains(&name);
            if !known && !matches!(name, "comp" | "restype" | "timeout") {
                return Err(error::NOT_IMPLEMENTED.about(name));
            }
        }
        for name in self.headers.keys().map(http::HeaderName::as_str) {
            if CONDITIONS.contains(&name) && !operation.takes_conditions() {
                return Err(error::CONDITIONS_NOT_SUPPORTED.about(name));
            }
            let known = COMMON.contains(&name) || operation.takes_header(name);
            if name.starts_with("x-ms-") && !known {
                return Err(error::NOT_IMPLEMENTED.about(name));
            }
        }
        Ok(())
    }

    /// What faults are matched with: the blob's name, for a listing its prefix.
    pub(crate) fn key(&self) -> &str {
        match self.operation {
            Operation::ListBlobs => self.parameter("prefix").unwrap_or_default(),
            _ => &self.blob,
        }
    }

    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// A header's text, without blanks around it.
    pub(crate) fn header(&self, name: &str) -> Result<Option<&str>, Refusal> {
        match self.headers.get(name).map(|value| std::str::from_utf8(value.as_bytes())) {
            None => Ok(None),
            Some(Ok(value)) => Ok(Some(value.trim())),
            Some(Err(_)) => Err(error::INVALID_HEADER.about(name)),
        }
    }

    pub(crate) fn required(&self, name: &str) -> Result<&str, Refusal> {
        self.header(name)?.ok_or_else(|| error::MISSING_HEADER.about(name))
    }

    /// A date in a header, which has to be of the form that RFC 1123 gives it.
    pub(crate) fn date(&self, name: &str) -> Result<Option<Timestamp>, Refusal> {
        let Some(text) = self.header(name)? else { return Ok(None) };
        let date = text
            .ends_with(" GMT")
            .then(|| rfc2822::DateTimeParser::new().parse_timestamp(text).ok())
            .flatten();
        date.map(Some).ok_or_else(|| error::INVALID_HEADER.about(name))
    }

    /// The version of the interface that the client speaks, as `yyyy-mm-dd`.
    pub(crate) fn api_version(&self) -> Result<&str, Refusal> {
        let version = self.required("x-ms-version")?;
        let digits =
            |part: &str, count| part.len() == count && part.bytes().all(|b| b.is_ascii_digit());
        let parts: Vec<_> = version.split('-').collect();
        match parts.as_slice() {
            [year, month, day] if digits(year, 4) && digits(month, 2) && digits(day, 2) => {
                Ok(version)
            }
            _ => Err(error::INVALID_HEADER.about("x-ms-version")),
        }
    }
}

/// A date as headers and lists carry it.
pub(crate) fn rfc1123(time: Timestamp) -> String {
    let mut text = String::new();
    let printer = rfc2822::DateTimePrinter::new();
    match printer.print_timestamp_rfc9110(&time, &mut text) {
        Ok(()) => text,
        Err(_) => String::new(),
    }
}

/// An answer without body.
pub(crate) fn empty(status: u16, headers: &[(&str, String)]) -> Response<Bytes> {
    with_body(status, headers, Bytes::new())
}

/// An answer. Values that no header can hold are left out.
pub(crate) fn with_body(status: u16, headers: &[(&str, String)], body: Bytes) -> Response<Bytes> {
    let mut answer = Response::new(body);
    *answer.status_mut() = http::StatusCode::from_u16(status).unwrap_or_default();
    for (name, value) in headers {
        let name = http::HeaderName::from_bytes(name.as_bytes());
        if let (Ok(name), Ok(value)) = (name, http::HeaderValue::from_str(value)) {
            answer.headers_mut().insert(name, value);
        }
    }
    answer
}

/// Container and blob of a path.
fn names(account: &str, path: &str) -> Result<(String, String), Refusal> {
    let path = path.strip_prefix('/').unwrap_or(path);
    let path = match path.strip_prefix(account) {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => {
            rest.strip_prefix('/').unwrap_or(rest)
        }
        _ => path,
    };
    let (container, blob) = path.split_once('/').unwrap_or((path, ""));
    if !is_container_name(container) {
        return Err(error::INVALID_NAME.about("container"));
    }
    let blob = percent_decode_str(blob).decode_utf8().map_err(|_| error::INVALID_URI)?;
    if blob.chars().count() > 1024 || blob.contains(char::is_control) {
        return Err(error::INVALID_NAME.about("blob"));
    }
    Ok((container.to_owned(), blob.into_owned()))
}

/// 3 to 63 lower-case letters, digits and single hyphens between them.
pub(crate) fn is_container_name(name: &str) -> bool {
    (3..=63).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !name.starts_with('-')
        && !name.ends_with('-')
        && !name.contains("--")
}

fn route(method: &Method, blob: bool, query: &[(String, String)]) -> Result<Operation, Refusal> {
    let value = |wanted: &str| {
        let found = query.iter().find(|(name, _)| name == wanted);
        found.map(|(_, value)| value.to_ascii_lowercase()).unwrap_or_default()
    };
    let (restype, comp) = (value("restype"), value("comp"));
    if blob && restype.is_empty() {
        return on_blob(method, &comp);
    }
    // A batch of the container may be sent to "container/" as well.
    match (method.as_str(), restype.as_str(), comp.as_str()) {
        ("GET", "container", "list") => Ok(Operation::ListBlobs),
        ("GET" | "HEAD", "container", "") => Ok(Operation::GetContainer),
        ("PUT", "container", "") => Ok(Operation::CreateContainer),
        ("DELETE", "container", "") => Ok(Operation::DeleteContainer),
        ("POST", "container", "batch") => Ok(Operation::Batch),
        _ => Err(error::NOT_IMPLEMENTED.about(format!("{method} restype={restype} comp={comp}"))),
    }
}

fn on_blob(method: &Method, comp: &str) -> Result<Operation, Refusal> {
    match (method.as_str(), comp) {
        ("PUT", "") => Ok(Operation::PutBlob),
        ("PUT", "block") => Ok(Operation::PutBlock),
        ("PUT", "blocklist") => Ok(Operation::PutBlockList),
        ("PUT", "metadata") => Ok(Operation::SetMetadata),
        ("PUT", "immutabilitypolicies") => Ok(Operation::SetPolicy),
        ("DELETE", "immutabilitypolicies") => Ok(Operation::DeletePolicy),
        ("PUT", "legalhold") => Ok(Operation::SetHold),
        ("GET", "") => Ok(Operation::GetBlob),
        ("HEAD", "") => Ok(Operation::GetProperties),
        ("DELETE", "") => Ok(Operation::DeleteBlob),
        _ => Err(error::NOT_IMPLEMENTED.about(format!("{method} comp={comp}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(method: &str, uri: &str, headers: &[(&str, &str)]) -> Result<Call, &'static str> {
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Bytes::new()).unwrap();
        Call::new("acc", request).map_err(|refusal| refusal.code.name)
    }

    #[test]
    fn paths_with_and_without_the_account() {
        for uri in ["/acc/box/a/b%20c", "/box/a/b%20c"] {
            let call = call("GET", uri, &[]).unwrap();
            assert_eq!((call.container.as_str(), call.blob.as_str()), ("box", "a/b c"), "{uri}");
        }
        // A container whose name begins like the account is no account.
        assert_eq!(call("GET", "/account/b", &[]).unwrap().container, "account");
    }

    #[test]
    fn operations() {
        for (method, uri, expected) in [
            ("PUT", "/box/b", "Put Blob"),
            ("PUT", "/box/b?comp=block&blockid=AA%3D%3D", "Put Block"),
            ("PUT", "/box/b?comp=blocklist", "Put Block List"),
            ("PUT", "/box/b?comp=immutabilityPolicies&versionid=x", "Set Blob Immutability Policy"),
            ("DELETE", "/box/b?comp=immutabilityPolicies", "Delete Blob Immutability Policy"),
            ("PUT", "/box/b?comp=legalhold", "Set Blob Legal Hold"),
            ("HEAD", "/box/b", "Get Blob Properties"),
            ("DELETE", "/box/b?versionid=x", "Delete Blob"),
            ("GET", "/box?restype=container&comp=list&prefix=a", "List Blobs"),
            ("POST", "/box/?restype=container&comp=batch", "Blob Batch"),
            ("DELETE", "/box?restype=container", "Delete Container"),
        ] {
            assert_eq!(call(method, uri, &[]).unwrap().operation.name(), expected, "{uri}");
        }
    }

    #[test]
    fn what_is_not_known_is_refused() {
        let refused =
            |method, uri, headers: &[(&str, &str)]| call(method, uri, headers).unwrap_err();
        assert_eq!(refused("PUT", "/box/b?comp=lease", &[]), "NotImplemented");
        assert_eq!(refused("GET", "/box/b?snapshot=1", &[]), "NotImplemented");
        assert_eq!(refused("PUT", "/box/b", &[("x-ms-copy-source", "x")]), "NotImplemented");
        assert_eq!(refused("PUT", "/box/b", &[("x-ms-tags", "a=b")]), "NotImplemented");
        let conditions = [("if-none-match", "*")];
        assert_eq!(
            refused("PUT", "/box/b?comp=block&blockid=A", &conditions),
            "ConditionHeadersNotSupported"
        );
        assert_eq!(refused("GET", "/Box/b", &[]), "InvalidResourceName");
    }

    #[test]
    fn dates() {
        let until = "x-ms-immutability-policy-until-date";
        let date = |text: &str| call("PUT", "/box/b", &[(until, text)]).unwrap().date(until);
        let time: Timestamp = "2026-11-22T08:00:01Z".parse().unwrap();
        assert_eq!(rfc1123(time), "Sun, 22 Nov 2026 08:00:01 GMT");
        assert_eq!(date("Sun, 22 Nov 2026 08:00:01 GMT"), Ok(Some(time)));
        for wrong in [
            "2026-11-22T08:00:01Z",
            "Sun, 22 Nov 2026 08:00:01 +0000",
            "Mon, 22 Nov 2026 08:00:01 GMT",
            "",
        ] {
            assert!(date(wrong).is_err(), "{wrong}");
        }
    }
}
