//! A request as the tenant sees it, and its answer, apart from the HTTP library: the parts of a
//! `$batch` take the same way as requests of their own.

use std::collections::BTreeSet;

use bytes::Bytes;
use http::HeaderMap;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::address;
use crate::error::Refused;
use crate::fault::FaultKind;
use crate::seal;
use crate::state::drive::Reader;

/// The content type of Graph's JSON.
const JSON_TYPE: &str = "application/json;odata.metadata=minimal;odata.streaming=true;\
                         IEEE754Compatible=false;charset=utf-8";

/// A request.
#[derive(Clone, Debug)]
pub struct Call {
    /// The method, upper case.
    pub method: String,
    /// Path and query as they were sent.
    pub target: String,
    /// The parts of the path, decoded (see [`crate::address`]).
    pub segments: Vec<String>,
    /// The query, decoded, and before it what function calls in the path bring.
    pub query: Vec<(String, String)>,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// Scheme, host and port that the client used: links carry them.
    pub base: String,
    /// The request id of the answer.
    pub request_id: String,
    /// What the route's placeholders stand for.
    pub params: Vec<String>,
    /// The client id of the caller.
    pub app: String,
    /// The permissions in the caller's token.
    pub roles: BTreeSet<String>,
    /// The faults that strike this request.
    pub faults: Vec<FaultKind>,
}

impl Call {
    /// A request with this target; everything that is found out later is empty.
    pub fn new(method: &str, target: &str, headers: HeaderMap, body: Bytes, base: &str) -> Self {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let (segments, mut options) = address::segments(path);
        options.extend(url::form_urlencoded::parse(query.as_bytes()).into_owned());
        Self {
            method: method.to_owned(),
            target: target.to_owned(),
            segments,
            query: options,
            headers,
            body,
            base: base.to_owned(),
            request_id: seal::random_guid(),
            params: Vec::new(),
            app: String::new(),
            roles: BTreeSet::new(),
            faults: Vec::new(),
        }
    }

    /// The placeholder at this place of the route.
    pub fn param(&self, index: usize) -> &str {
        self.params.get(index).map_or("", String::as_str)
    }

    /// A query option; names are compared without case, as OData does.
    pub fn option(&self, name: &str) -> Option<&str> {
        let same = |(key, _): &&(String, String)| key.eq_ignore_ascii_case(name);
        self.query.iter().find(same).map(|(_, value)| value.as_str())
    }

    /// A header that is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The wishes of the `Prefer` headers.
    pub fn prefer(&self) -> Prefer {
        let mut prefer = Prefer::default();
        for value in self.headers.get_all("prefer") {
            value.to_str().unwrap_or("").split(',').for_each(|wish| prefer.add(wish));
        }
        prefer
    }

    /// Whether this fault strikes the request.
    pub fn struck(&self, matches: impl Fn(&FaultKind) -> bool) -> bool {
        self.faults.iter().any(matches)
    }

    /// The body as JSON.
    pub fn json(&self) -> Result<Value, GraphError> {
        serde_json::from_slice(&self.body).map_err(|_| {
            let message = "Unable to read JSON request payload. Please ensure Content-Type header \
                           is set and payload is of valid JSON format.";
            GraphError::new(400, "BadRequest", message)
        })
    }

    /// An absolute link to `path` (without the version) with these query options.
    pub fn link(&self, path: &str, query: &[(&str, &str)]) -> String {
        let mut serializer = url::form_urlencoded::Serializer::new(String::new());
        serializer.extend_pairs(query);
        // `$` stays readable in Graph's links.
        let query = serializer.finish().replace("%24", "$").replace('+', "%20");
        format!("{}/v1.0/{path}?{query}", self.base)
    }

    /// The request's own path below the version, without its query.
    pub fn own_path(&self) -> &str {
        let path = self.target.split('?').next().unwrap_or("");
        path.strip_prefix("/v1.0/").unwrap_or(path)
    }
}

/// What a client prefers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Prefer {
    /// `IdType="ImmutableId"`.
    pub immutable: bool,
    /// `odata.maxpagesize`.
    pub max_page_size: Option<usize>,
    /// `outlook.body-content-type="text"`.
    pub text_body: bool,
}

impl Prefer {
    fn add(&mut self, wish: &str) {
        let (name, value) = wish.split_once('=').unwrap_or((wish, ""));
        let value = value.trim().trim_matches('"');
        match name.trim().to_ascii_lowercase().as_str() {
            "idtype" => self.immutable |= value.eq_ignore_ascii_case("ImmutableId"),
            "odata.maxpagesize" | "maxpagesize" => self.max_page_size = value.parse().ok(),
            "outlook.body-content-type" => self.text_body |= value.eq_ignore_ascii_case("text"),
            _ => {}
        }
    }

    /// What `Preference-Applied` says.
    pub fn applied(self) -> Option<String> {
        let mut applied = Vec::new();
        if self.immutable {
            applied.push("IdType=\"ImmutableId\"".to_owned());
        }
        if let Some(size) = self.max_page_size {
            applied.push(format!("odata.maxpagesize={size}"));
        }
        if self.text_body {
            applied.push("outlook.body-content-type=\"text\"".to_owned());
        }
        if applied.is_empty() { None } else { Some(applied.join(", ")) }
    }
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// Headers besides those that every answer has.
    pub headers: Vec<(&'static str, String)>,
    /// The bytes.
    pub body: Bytes,
    /// The JSON behind the bytes, for `$batch`.
    pub json: Option<Value>,
    /// A body that is made while it is sent, instead of the bytes.
    pub stream: Option<Stream>,
    /// The connection breaks after half of the body.
    pub broken: bool,
}

/// A range of a file as a body.
#[derive(Clone, Debug)]
pub struct Stream {
    /// The file.
    pub file: Reader,
    /// The first byte.
    pub start: u64,
    /// How many bytes.
    pub len: u64,
    /// Where the connection breaks, in bytes from the start.
    pub breaks_after: Option<u64>,
}

impl Reply {
    /// JSON.
    pub fn json(status: u16, value: Value) -> Self {
        let body = Bytes::from(value.to_string());
        let headers = vec![("content-type", JSON_TYPE.to_owned())];
        Self { status, headers, body, json: Some(value), stream: None, broken: false }
    }

    /// Bytes of another kind.
    pub fn bytes(content_type: &str, body: impl Into<Bytes>) -> Self {
        let headers = vec![("content-type", content_type.to_owned())];
        let body = body.into();
        Self { status: 200, headers, body, json: None, stream: None, broken: false }
    }

    /// No body.
    pub fn empty(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Bytes::new(),
            json: None,
            stream: None,
            broken: false,
        }
    }

    /// Adds a header.
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// What a handler gives.
pub type Answer = Result<Reply, GraphError>;

/// An error in Graph's form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GraphError {
    /// The HTTP status.
    pub status: u16,
    /// Graph's code.
    pub code: String,
    /// Graph's message.
    pub message: String,
    /// The code inside of `innerError`, which SharePoint gives with some errors.
    pub inner: Option<String>,
    /// For example `Retry-After`.
    pub headers: Vec<(&'static str, String)>,
}

impl GraphError {
    /// An error without further headers.
    pub fn new(status: u16, code: &str, message: impl Into<String>) -> Self {
        let (code, message) = (code.to_owned(), message.into());
        Self { status, code, message, inner: None, headers: Vec::new() }
    }

    /// Adds the code inside of `innerError`.
    pub fn inner(mut self, code: &str) -> Self {
        self.inner = Some(code.to_owned());
        self
    }

    /// Adds a header.
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// 400 for something in the request that cannot be.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(400, "ErrorInvalidRequest", message)
    }

    /// The answer with the error document.
    pub fn reply(self, call: &Call, now: Timestamp) -> Reply {
        let client_id = call.header("client-request-id").unwrap_or(&call.request_id);
        let mut document = json!({"error": {
            "code": self.code,
            "message": self.message,
            "innerError": {
                "date": now.strftime("%Y-%m-%dT%H:%M:%S").to_string(),
                "request-id": call.request_id,
                "client-request-id": client_id,
            },
        }});
        if let Some(code) = self.inner {
            document["error"]["innerError"]["code"] = json!(code);
        }
        let mut reply = Reply::json(self.status, document);
        reply.headers.extend(self.headers);
        reply
    }
}

impl From<Refused> for GraphError {
    fn from(refused: Refused) -> Self {
        let not_found = |message| Self::new(404, "ErrorItemNotFound", message);
        match refused {
            Refused::UserNotFound => Self::new(
                404,
                "Request_ResourceNotFound",
                "Resource does not exist or one of its queried reference-property objects are not \
                 present.",
            ),
            Refused::MailboxDisabled => Self::new(
                404,
                "MailboxNotEnabledForRESTAPI",
                "The mailbox is either inactive, soft-deleted, or is hosted on-premise.",
            ),
            Refused::FolderNotFound | Refused::MessageNotFound => {
                not_found("The specified object was not found in the store.")
            }
            Refused::AttachmentNotFound => not_found(
                "The specified object was not found in the store., The attachment is gone.",
            ),
            Refused::FolderExists => Self::new(
                409,
                "ErrorFolderExists",
                "A folder with the specified name already exists.",
            ),
            Refused::WellKnownFolder => Self::new(
                403,
                "ErrorDeleteDistinguishedFolder",
                "Distinguished folders cannot be deleted, renamed or moved.",
            ),
            Refused::FolderCycle => Self::new(
                400,
                "ErrorMoveCopyFailed",
                "The move or copy operation failed, a folder cannot be moved below itself.",
            ),
            Refused::RegistrationNotFound | Refused::NotACertificate => {
                Self::new(400, "BadRequest", refused.to_string())
            }
            refused => crate::api::drive::refusal(refused),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn preferences_are_read_from_joined_and_repeated_headers() {
        let mut headers = HeaderMap::new();
        headers.append("prefer", "IdType=\"ImmutableId\", odata.maxpagesize=50".parse().unwrap());
        headers.append("prefer", "outlook.body-content-type=\"text\"".parse().unwrap());
        let call = Call::new("GET", "/v1.0/users?$top=3", headers, Bytes::new(), "https://x");
        let prefer = call.prefer();
        assert!(prefer.immutable && prefer.text_body);
        assert_eq!(prefer.max_page_size, Some(50));
        assert_eq!(call.option("$TOP"), Some("3"));
    }
}
