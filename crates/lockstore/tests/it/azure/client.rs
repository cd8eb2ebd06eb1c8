//! A raw client: one request, one answer. It signs with the `object_store` crate, so that a
//! misreading of the signature is not on both sides.

use std::fmt::Write as _;

use bytes::Bytes;
use http::HeaderMap;
use object_store::azure::{AzureAccessKey, AzureAuthorizer, AzureCredential};
use tokio::runtime::Runtime;

/// The version of the interface that the suite speaks.
const API_VERSION: &str = "2021-12-02";

/// Who sends the requests.
#[derive(Clone, Debug)]
pub enum Identity {
    /// The account key.
    Key(String),
    /// A SAS, as a query string.
    Sas(String),
    /// Nobody.
    None,
}

/// An account reached as one identity.
#[derive(Debug)]
pub struct Client {
    /// With the account where the host does not name it, without a slash at the end.
    pub endpoint: String,
    pub account: String,
    pub identity: Identity,
    http: reqwest::Client,
    runtime: Runtime,
}

/// What the service answered.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Client {
    pub fn new(endpoint: &str, account: &str, identity: Identity) -> Self {
        Self {
            endpoint: endpoint.to_owned(),
            account: account.to_owned(),
            identity,
            http: reqwest::Client::new(),
            runtime: tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap(),
        }
    }

    /// The same account as somebody else.
    pub fn as_identity(&self, identity: Identity) -> Self {
        Self::new(&self.endpoint, &self.account, identity)
    }

    /// Sends a request to `path` (container, blob and query, encoded).
    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let request = self.request(method, path, headers, body);
        self.runtime.block_on(async {
            let answer = self.http.execute(request).await.unwrap();
            let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
            let body = answer.bytes().await.unwrap();
            Answer { status, headers, body }
        })
    }

    /// A signed request.
    pub fn request(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> reqwest::Request {
        let mut request = http::Request::builder()
            .method(method)
            .uri(format!("{}/{path}", self.endpoint))
            .header("content-length", body.len())
            .header("x-ms-version", API_VERSION);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut request = request.body(Bytes::copy_from_slice(body).into()).unwrap();
        let credential = match &self.identity {
            Identity::Key(key) => {
                Some(AzureCredential::AccessKey(AzureAccessKey::try_new(key).unwrap()))
            }
            Identity::Sas(sas) => {
                let pairs = url::form_urlencoded::parse(sas.as_bytes()).into_owned();
                Some(AzureCredential::SASToken(pairs.collect()))
            }
            Identity::None => None,
        };
        if let Some(credential) = credential {
            let authorizer = AzureAuthorizer::new(&credential, &self.account);
            authorizer.try_authorize(&mut request).unwrap();
        }
        let (head, _) = request.into_parts();
        let url = head.uri.to_string().parse().unwrap();
        let mut request = reqwest::Request::new(head.method, url);
        *request.headers_mut() = head.headers;
        *request.body_mut() = Some(Bytes::copy_from_slice(body).into());
        request
    }

    /// A batch of deletions; the statuses in the order of the paths.
    pub fn delete_batch(&self, container: &str, paths: &[&str]) -> Vec<u16> {
        let mut body = String::new();
        for (id, path) in paths.iter().enumerate() {
            let part = self.request("DELETE", path, &[("content-length", "0")], b"");
            let (url, boundary) = (part.url(), "b0");
            let target = &url[url::Position::BeforePath..];
            write!(body, "--{boundary}\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\nContent-ID: {id}\r\n\r\nDELETE {target} HTTP/1.1\r\n").unwrap();
            for (name, value) in part.headers() {
                write!(body, "{name}: {}\r\n", value.to_str().unwrap()).unwrap();
            }
            body.push_str("\r\n\r\n");
        }
        body.push_str("--b0--\r\n");
        let kind = [("content-type", "multipart/mixed; boundary=b0")];
        let path = format!("{container}?restype=container&comp=batch");
        let answer = self.send("POST", &path, &kind, body.as_bytes());
        answer.is(202);
        let text = answer.text();
        let statuses = text.split("HTTP/1.1 ").skip(1).map(|part| part[..3].parse().unwrap());
        statuses.collect()
    }
}

impl Answer {
    /// The header's value, empty when it is missing.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub fn text(&self) -> String {
        String::from_utf8(self.body.to_vec()).unwrap()
    }

    /// Demands this status.
    #[track_caller]
    pub fn is(&self, status: u16) -> &Self {
        assert_eq!(self.status, status, "{} {}", self.header("x-ms-error-code"), self.text());
        self
    }

    /// Demands a refusal with this status and code.
    #[track_caller]
    pub fn refused(&self, status: u16, code: &str) -> &Self {
        assert_eq!(
            (self.status, self.header("x-ms-error-code")),
            (status, code),
            "{}",
            self.text()
        );
        self
    }
}

/// One entry of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub name: String,
    /// The XML of the entry.
    pub xml: String,
}

impl Entry {
    /// The text of an element, empty when it is missing or empty.
    pub fn element(&self, name: &str) -> String {
        between(&self.xml, &format!("<{name}>"), &format!("</{name}>")).unwrap_or_default()
    }
}

/// The blobs, the prefixes and the next marker of a listing.
pub fn listing(answer: &Answer) -> (Vec<Entry>, Vec<String>, String) {
    let text = answer.is(200).text();
    let entry = |xml: &str| {
        let name = between(xml, "<Name>", "</Name>").unwrap();
        Entry { name, xml: xml.to_owned() }
    };
    let blobs = text.split("<Blob>").skip(1).map(entry).collect();
    let prefixes = text.split("<BlobPrefix>").skip(1);
    let prefixes = prefixes.map(|xml| between(xml, "<Name>", "</Name>").unwrap()).collect();
    let marker = between(&text, "<NextMarker>", "</NextMarker>").unwrap_or_default();
    (blobs, prefixes, marker)
}

fn between(text: &str, start: &str, end: &str) -> Option<String> {
    Some(text.split_once(start)?.1.split_once(end)?.0.to_owned())
}
