//! Requests to the API of a server: HTTPS only, no redirects, answers with limits.

use std::path::Path;
use std::time::Duration;

use holdfast_model::Secret;
use holdfast_server::api::{Failure as Told, FailureBody, Page};
use reqwest::header::{ACCEPT, AUTHORIZATION, COOKIE, HeaderMap, HeaderValue, SET_COOKIE};
use reqwest::{Certificate, Client, Method, RequestBuilder, Response, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use url::Url;

use super::failure::Failure;
use crate::args::Global;
use crate::error::{Error, Result};

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(10);

/// How long a server may say nothing: it may have to read a whole vault.
const SILENCE: Duration = Duration::from_secs(15 * 60);

/// Largest answer that is held whole, in bytes.
const MAX_ANSWER: usize = 256 * 1024 * 1024;

/// Entries of a page, the most that the API gives.
pub const PAGE: u32 = 1_000;

/// The cookie of a session, and the header that goes with it.
const SESSION: &str = "__Host-holdfast";
const CSRF: &str = "x-holdfast-csrf";

/// A server, and by what one comes in.
pub struct Server {
    origin: Url,
    client: Client,
    pass: HeaderMap,
}

/// What stands behind the question mark; what is absent is left out.
pub type Query<'a> = &'a [(&'a str, Option<String>)];

impl Server {
    /// A server whom nobody has signed in to. Its certificate must be of `ca_file`, where that is
    /// given, else of an authority that the system trusts.
    ///
    /// # Errors
    /// Where the address is not that of a server, or the file holds no certificate.
    pub fn open(address: &Url, ca_file: Option<&Path>) -> Result<Self> {
        let origin = origin(address)?;
        let mut builder = Client::builder()
            .user_agent(concat!("holdfast/", env!("CARGO_PKG_VERSION")))
            .https_only(true)
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT)
            .read_timeout(SILENCE);
        // A server on this machine is not behind the company's proxy.
        if origin.host_str().is_some_and(is_this_machine) {
            builder = builder.no_proxy();
        }
        if let Some(path) = ca_file {
            builder = builder.tls_certs_only(certificates(path)?);
        }
        let client = builder.build().map_err(Failure::Client)?;
        Ok(Self { origin, client, pass: HeaderMap::new() })
    }

    /// The server of the options, with the token.
    ///
    /// # Errors
    /// Where a file is missing or does not hold what it should.
    pub fn with_token(global: &Global, address: &Url) -> Result<Self> {
        let Some(file) = &global.token_file else {
            return Err(Error::Usage(
                "name the file of an API token with --token-file; 'holdfast token create' makes one"
                    .to_owned(),
            ));
        };
        let mut server = Self::open(address, global.server_ca_file.as_deref())?;
        let token = token(file)?;
        server.carry(AUTHORIZATION.as_str(), "Bearer ", &token)?;
        Ok(server)
    }

    /// Sends a secret in a header from now on.
    fn carry(&mut self, name: &'static str, before: &str, secret: &Secret) -> Result<()> {
        let mut text = before.as_bytes().to_vec();
        text.extend_from_slice(secret.expose());
        let wrong = |_| Error::Usage("the token holds characters that no token has".to_owned());
        let mut value = HeaderValue::from_bytes(&text).map_err(wrong)?;
        value.set_sensitive(true);
        self.pass.insert(name, value);
        Ok(())
    }

    /// Goes on as the session that an answer to a sign-in has begun.
    ///
    /// # Errors
    /// Where the answer sets no cookie.
    pub fn enter(&mut self, headers: &HeaderMap, csrf: &str) -> Result<()> {
        let cookies = headers.get_all(SET_COOKIE).iter().filter_map(|value| value.to_str().ok());
        let mut pairs = cookies.filter_map(|cookie| cookie.split(';').next()?.split_once('='));
        let Some((_, secret)) = pairs.find(|(name, _)| *name == SESSION) else {
            return Err(self.foreign("session", StatusCode::OK, "it sets no cookie").into());
        };
        self.carry(COOKIE.as_str(), &format!("{SESSION}="), &Secret::new(secret))?;
        self.carry(CSRF, "", &Secret::new(csrf))
    }

    fn request(&self, method: Method, path: &[&str], query: Query<'_>) -> RequestBuilder {
        let mut url = self.origin.clone();
        // An address with a host has segments.
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.clear().extend(["api", "v1"]).extend(path);
        }
        let given = query.iter().filter_map(|(name, value)| Some((name, value.as_ref()?)));
        let request = self.client.request(method, url).query(&given.collect::<Vec<_>>());
        request.headers(self.pass.clone()).header(ACCEPT, "application/json")
    }

    async fn send(&self, request: RequestBuilder, what: &str) -> Result<Response> {
        let sent = request.send().await;
        let answer = sent.map_err(|error| Failure::of(self.origin.as_str(), error))?;
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        let body = self.body(answer).await?;
        let failure = match serde_json::from_slice::<FailureBody>(&body) {
            Ok(FailureBody { error: Told { code, message, hint } }) => {
                Failure::Answered { code, message, hint }
            }
            Err(_) => self.foreign(what, status, "it names no failure"),
        };
        Err(failure.into())
    }

    fn foreign(&self, what: &str, status: StatusCode, why: &str) -> Failure {
        let url = format!("{}api/v1/{what}", self.origin);
        Failure::Foreign { url, status, why: why.to_owned() }
    }

    async fn body(&self, mut answer: Response) -> Result<Vec<u8>> {
        let (server, mut body) = (self.origin.to_string(), Vec::new());
        let broken = |source| Failure::Broken { server: server.clone(), source };
        while let Some(piece) = answer.chunk().await.map_err(broken)? {
            if body.len() + piece.len() > MAX_ANSWER {
                return Err(self.foreign("", answer.status(), "the answer has no end").into());
            }
            body.extend_from_slice(&piece);
        }
        Ok(body)
    }

    async fn parsed<T: DeserializeOwned>(&self, answer: Response, what: &str) -> Result<T> {
        let status = answer.status();
        let body = self.body(answer).await?;
        let wrong = |error: serde_json::Error| self.foreign(what, status, &error.to_string());
        Ok(serde_json::from_slice(&body).map_err(wrong)?)
    }

    /// Asks for something.
    pub async fn get<T: DeserializeOwned>(&self, path: &[&str], query: Query<'_>) -> Result<T> {
        let answer = self.send(self.request(Method::GET, path, query), path[0]).await?;
        self.parsed(answer, path[0]).await
    }

    /// Asks for something that is read as it comes.
    pub async fn stream(&self, path: &[&str], query: Query<'_>) -> Result<Response> {
        self.send(self.request(Method::GET, path, query), path[0]).await
    }

    /// Sends something; the answer's headers go along.
    pub async fn tell<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &[&str],
        body: &impl Serialize,
    ) -> Result<(HeaderMap, T)> {
        let request = self.request(method, path, &[]).json(body);
        let answer = self.send(request, path[0]).await?;
        let headers = answer.headers().clone();
        Ok((headers, self.parsed(answer, path[0]).await?))
    }

    /// Sends something.
    pub async fn post<T: DeserializeOwned>(
        &self,
        path: &[&str],
        body: &impl Serialize,
    ) -> Result<T> {
        Ok(self.tell(Method::POST, path, body).await?.1)
    }

    /// Sends something to which there is no answer but that it is done.
    pub async fn order(
        &self,
        method: Method,
        path: &[&str],
        body: Option<&impl Serialize>,
    ) -> Result<()> {
        let mut request = self.request(method, path, &[]);
        if let Some(body) = body {
            request = request.json(body);
        }
        self.send(request, path[0]).await?;
        Ok(())
    }

    /// The entries of a list, page by page, at most so many.
    pub async fn list<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: Query<'_>,
        most: usize,
    ) -> Result<Vec<T>> {
        let mut entries = Vec::new();
        let mut query = query.to_vec();
        loop {
            let left = (most - entries.len()).min(PAGE as usize);
            let mut asked = query.clone();
            asked.push(("limit", Some(left.to_string())));
            let page: Page<T> = self.get(path, &asked).await?;
            let had = entries.len();
            entries.extend(page.entries);
            entries.truncate(most);
            // A page without entries leads nowhere, whatever it says of the next.
            if page.next.is_none() || entries.len() == had || entries.len() == most {
                return Ok(entries);
            }
            query.retain(|(name, _)| *name != "after");
            query.push(("after", page.next));
        }
    }

    /// A list that has one page.
    pub async fn whole<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: Query<'_>,
    ) -> Result<Vec<T>> {
        Ok(self.get::<Page<T>>(path, query).await?.entries)
    }
}

/// `https://host:port` and nothing else.
fn origin(address: &Url) -> Result<Url> {
    let is_bare = address.path() == "/"
        && address.query().is_none()
        && address.fragment().is_none()
        && address.username().is_empty()
        && address.password().is_none();
    match address.scheme() == "https" && address.has_host() && is_bare {
        true => Ok(address.clone()),
        false => Err(Error::Usage("a server is named as https://HOST or https://HOST:PORT".into())),
    }
}

fn is_this_machine(host: &str) -> bool {
    host == "localhost" || host == "[::1]" || host.starts_with("127.")
}

fn certificates(path: &Path) -> Result<Vec<Certificate>> {
    let pem = std::fs::read(path).map_err(Error::file("read", path))?;
    let list = Certificate::from_pem_bundle(&pem).unwrap_or_default();
    match list.is_empty() {
        true => Err(Error::Usage(format!("{} holds no PEM certificate", path.display()))),
        false => Ok(list),
    }
}

/// The token in a file that nobody else can read.
fn token(path: &Path) -> Result<Secret> {
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(path).map_err(Error::file("read", path))?.permissions().mode();
    if mode & 0o077 != 0 {
        let source = std::io::Error::from(std::io::ErrorKind::PermissionDenied);
        let path = path.to_owned();
        return Err(Error::File {
            action: "use (others can read it; run 'chmod 600' on)",
            path,
            source,
        });
    }
    crate::commands::init::secret_file(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_bare_address_of_a_server_over_tls_is_one() {
        for right in ["https://backup.example", "https://127.0.0.1:8443", "https://[::1]:1/"] {
            assert!(origin(&right.parse().unwrap()).is_ok(), "{right}");
        }
        for wrong in [
            "http://backup.example",
            "https://backup.example/holdfast",
            "https://me:secret@backup.example",
            "https://backup.example/?x",
            "file:///etc",
        ] {
            assert!(origin(&wrong.parse().unwrap()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn names_cannot_leave_their_place_in_an_address() {
        let server = Server::open(&"https://h".parse().unwrap(), None).unwrap();
        let path = ["resources", "a/../b?x#y", "items"];
        let request =
            server.request(Method::GET, &path, &[("path", Some("ä&b".into())), ("at", None)]);
        let url = request.build().unwrap().url().to_string();
        assert_eq!(url, "https://h/api/v1/resources/a%2F..%2Fb%3Fx%23y/items?path=%C3%A4%26b");
    }
}
