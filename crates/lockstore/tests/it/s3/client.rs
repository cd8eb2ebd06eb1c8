//! A small raw client: requests as the rules name them, signed, nothing hidden or retried.

use bytes::Bytes;
use futures::StreamExt as _;
use holdfast_lockstore::checksum;
use http::{HeaderMap, Method};
use object_store::aws::{AwsAuthorizer, AwsCredential};
use object_store::client::{HttpRequest, HttpRequestBody};

/// An endpoint as one of its users sees it.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    endpoint: String,
    region: String,
    access_key: String,
    secret_key: String,
    http: reqwest::Client,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Got {
    pub(crate) asked: String,
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// A request that is being put together.
pub(crate) struct Call<'a> {
    client: &'a Client,
    method: Method,
    path: String,
    headers: HeaderMap,
    body: Bytes,
    signs_body: bool,
}

impl Client {
    pub(crate) fn new(endpoint: &str, region: &str, access_key: &str, secret_key: &str) -> Self {
        Self {
            endpoint: endpoint.trim_end_matches('/').to_owned(),
            region: region.to_owned(),
            access_key: access_key.to_owned(),
            secret_key: secret_key.to_owned(),
            http: reqwest::Client::new(),
        }
    }

    /// A request for `path`: bucket, key and query, encoded.
    pub(crate) fn call(&self, method: &str, path: impl Into<String>) -> Call<'_> {
        Call {
            client: self,
            method: method.parse().unwrap(),
            path: path.into(),
            headers: HeaderMap::new(),
            body: Bytes::new(),
            signs_body: true,
        }
    }
}

impl Call<'_> {
    pub(crate) fn header(mut self, name: &'static str, value: impl AsRef<str>) -> Self {
        self.headers.insert(name, value.as_ref().parse().unwrap());
        self
    }

    pub(crate) fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// Covers the body with a Content-MD5.
    pub(crate) fn md5(self) -> Self {
        let md5 = checksum::to_base64(&checksum::md5(&self.body));
        self.header("content-md5", md5)
    }

    /// Leaves the body out of the signature.
    pub(crate) fn unsigned_body(mut self) -> Self {
        self.signs_body = false;
        self
    }

    pub(crate) async fn send(self) -> Result<Got, String> {
        let asked = format!("{} {}", self.method, self.path);
        let request = self.signed().body(self.body.clone());
        let answer = request.send().await.map_err(|error| format!("{asked}: {error}"))?;
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let body = answer.bytes().await.map_err(|error| format!("{asked}: {error}"))?;
        Ok(Got { asked, status, headers, body })
    }

    /// Sends the head and the first byte of the body, then does what `meanwhile` says, then the
    /// rest: the write is under way while something else happens.
    pub(crate) async fn send_around(
        self,
        meanwhile: impl Future<Output = Result<(), String>> + Send + 'static,
    ) -> Result<Got, String> {
        let asked = format!("{} {}", self.method, self.path);
        let mut rest = self.body.clone();
        let first = rest.split_to(1);
        let start = futures::stream::iter([Ok::<_, String>(first)]);
        let end = futures::stream::once(async move { meanwhile.await.map(|()| rest) });
        let body = reqwest::Body::wrap_stream(start.chain(end));
        let length = self.body.len().to_string();
        let request = self.signed().header("content-length", length).body(body);
        let answer = request.send().await.map_err(|error| format!("{asked}: {error}"))?;
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let body = answer.bytes().await.map_err(|error| format!("{asked}: {error}"))?;
        Ok(Got { asked, status, headers, body })
    }

    fn signed(&self) -> reqwest::RequestBuilder {
        let Client { endpoint, region, access_key, secret_key, http } = self.client;
        let url = format!("{endpoint}/{}", self.path);
        let body = HttpRequestBody::from(self.body.clone());
        let mut request = HttpRequest::new(body);
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = url.parse().unwrap();
        request.headers_mut().extend(self.headers.clone());
        let credential = AwsCredential {
            key_id: access_key.clone(),
            secret_key: secret_key.clone(),
            token: None,
        };
        AwsAuthorizer::new(&credential, "s3", region)
            .with_sign_payload(self.signs_body)
            .try_authorize(&mut request, None)
            .unwrap();
        http.request(self.method.clone(), url).headers(request.headers().clone())
    }
}

impl Got {
    /// Ok if the answer has this status.
    pub(crate) fn expect(self, status: u16) -> Result<Self, String> {
        if self.status == status {
            return Ok(self);
        }
        let body = String::from_utf8_lossy(&self.body[..self.body.len().min(400)]).into_owned();
        Err(format!("{}: {} instead of {status}: {body}", self.asked, self.status))
    }

    /// Ok if the answer is this error.
    pub(crate) fn refused(self, status: u16, code: &str) -> Result<(), String> {
        let got = self.expect(status)?;
        got.has("Code", code)
    }

    /// Ok if the document has this element with this text.
    pub(crate) fn has(&self, element: &str, text: &str) -> Result<(), String> {
        let wanted = format!("<{element}>{text}</{element}>");
        let body = String::from_utf8_lossy(&self.body);
        if body.contains(&wanted) { Ok(()) } else { Err(format!("no {wanted} in {body}")) }
    }

    /// The texts of all elements of a name, in the order of the document.
    pub(crate) fn all(&self, element: &str) -> Vec<String> {
        let body = String::from_utf8_lossy(&self.body).into_owned();
        let (open, close) = (format!("<{element}>"), format!("</{element}>"));
        let after = body.split(&open).skip(1);
        after.filter_map(|rest| Some(rest.split_once(&close)?.0.to_owned())).collect()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The id of the version that the answer is about.
    pub(crate) fn version(&self) -> Result<String, String> {
        match self.header("x-amz-version-id") {
            "" => Err(format!("{}: no x-amz-version-id", self.asked)),
            id => Ok(id.to_owned()),
        }
    }
}
