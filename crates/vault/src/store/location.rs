//! Where a vault lies, as a person writes it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use url::{Url, form_urlencoded};

use crate::error::{Error, Result};

/// Region of a bucket whose location names none. Stores that are not Amazon's ignore it.
const DEFAULT_REGION: &str = "us-east-1";

/// A place for a vault: a folder, a bucket, a container. It holds no secrets: `Display` gives the
/// text back from which it was parsed.
///
/// ```
/// use holdfast_vault::Location;
/// for text in [
///     "/srv/backup",
///     "s3://bucket/contoso?region=eu-central-1",
///     "s3://bucket?endpoint=https://minio.example:9000",
///     "azblob://container/contoso?account=contosobackup",
/// ] {
///     let location: Location = text.parse()?;
///     assert_eq!(location.to_string(), text);
/// }
/// # Ok::<(), holdfast_vault::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// A folder on this machine, or one that is mounted here.
    Folder(PathBuf),
    /// A bucket of Amazon S3 or of a store that speaks S3.
    S3(S3Location),
    /// A container of Azure Blob Storage.
    Azure(AzureLocation),
}

/// `s3://BUCKET[/PREFIX][?endpoint=URL][&region=REGION]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct S3Location {
    /// The bucket.
    pub bucket: String,
    /// What the keys of the vault begin with, without slashes at the ends; empty for the whole
    /// bucket.
    pub prefix: String,
    /// Address of a store that is not Amazon's. Its buckets are addressed by path.
    pub endpoint: Option<Url>,
    /// The region, where it is not `us-east-1`.
    pub region: Option<String>,
}

/// `azblob://CONTAINER[/PREFIX]?account=ACCOUNT[&endpoint=URL]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AzureLocation {
    /// The container.
    pub container: String,
    /// What the names of the vault's blobs begin with, without slashes at the ends.
    pub prefix: String,
    /// The storage account.
    pub account: String,
    /// Address of the account's blob service, where it is not
    /// `https://ACCOUNT.blob.core.windows.net`.
    pub endpoint: Option<Url>,
}

impl S3Location {
    /// The region that requests are signed for.
    pub fn region(&self) -> &str {
        self.region.as_deref().unwrap_or(DEFAULT_REGION)
    }

    /// The address of the bucket, without a slash at the end. Amazon's are addressed by host name
    /// but for names with dots, which no certificate covers.
    pub(crate) fn base(&self) -> String {
        let (bucket, region) = (&self.bucket, self.region());
        match &self.endpoint {
            Some(endpoint) => format!("{}/{bucket}", trimmed(endpoint)),
            None if bucket.contains('.') => format!("https://s3.{region}.amazonaws.com/{bucket}"),
            None => format!("https://{bucket}.s3.{region}.amazonaws.com"),
        }
    }

    /// What `restic -r` takes.
    pub(crate) fn restic(&self, key: &str) -> String {
        let host = match &self.endpoint {
            Some(endpoint) => trimmed(endpoint),
            None => format!("https://s3.{}.amazonaws.com", self.region()),
        };
        format!("s3:{host}/{}/{}", self.bucket, join(&self.prefix, key))
    }
}

impl AzureLocation {
    /// The address of the container, without a slash at the end.
    pub(crate) fn base(&self) -> String {
        let service = match &self.endpoint {
            Some(endpoint) => trimmed(endpoint),
            None => format!("https://{}.blob.core.windows.net", self.account),
        };
        format!("{service}/{}", self.container)
    }

    /// What `restic -r` takes; it wants the account in `AZURE_ACCOUNT_NAME`.
    pub(crate) fn restic(&self, key: &str) -> String {
        format!("azure:{}:/{}", self.container, join(&self.prefix, key))
    }
}

/// A key below a prefix.
pub(crate) fn join(prefix: &str, key: &str) -> String {
    match (prefix, key) {
        ("", _) => key.to_owned(),
        (_, "") => prefix.to_owned(),
        _ => format!("{prefix}/{key}"),
    }
}

fn trimmed(url: &Url) -> String {
    url.as_str().trim_end_matches('/').to_owned()
}

impl From<&Path> for Location {
    fn from(path: &Path) -> Self {
        Self::Folder(path.to_owned())
    }
}

impl From<PathBuf> for Location {
    fn from(path: PathBuf) -> Self {
        Self::Folder(path)
    }
}

impl FromStr for Location {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text.split_once("://") {
            None if text.is_empty() => Err(Error::invalid("the location of a vault is empty")),
            None => Ok(Self::Folder(text.into())),
            Some(("s3", rest)) => s3(rest).map(Self::S3),
            Some(("azblob", rest)) => azure(rest).map(Self::Azure),
            Some((scheme, _)) => Err(Error::invalid(format!(
                "a vault cannot lie at {scheme}://; give a folder, s3://BUCKET/PREFIX or \
                 azblob://CONTAINER/PREFIX?account=ACCOUNT"
            ))),
        }
    }
}

fn s3(rest: &str) -> Result<S3Location> {
    let mut parts = Parts::of("s3", rest)?;
    let location = S3Location {
        bucket: std::mem::take(&mut parts.name),
        prefix: std::mem::take(&mut parts.prefix),
        endpoint: parts.endpoint()?,
        region: parts.take("region"),
    };
    if location.region.as_ref().is_some_and(|region| !is_name(region)) {
        return Err(Error::invalid("the region of the bucket holds unusual characters"));
    }
    parts.nothing_left("endpoint and region")?;
    Ok(location)
}

fn azure(rest: &str) -> Result<AzureLocation> {
    let mut parts = Parts::of("azblob", rest)?;
    let account = parts.take("account").filter(|account| is_name(account));
    let location = AzureLocation {
        container: std::mem::take(&mut parts.name),
        prefix: std::mem::take(&mut parts.prefix),
        account: account.ok_or_else(|| {
            Error::invalid("name the storage account: azblob://CONTAINER/PREFIX?account=ACCOUNT")
        })?,
        endpoint: parts.endpoint()?,
    };
    parts.nothing_left("account and endpoint")?;
    Ok(location)
}

/// The parts of a location behind its scheme.
struct Parts {
    name: String,
    prefix: String,
    query: Vec<(String, String)>,
}

impl Parts {
    fn of(scheme: &str, rest: &str) -> Result<Self> {
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (name, prefix) = path.split_once('/').unwrap_or((path, ""));
        if !is_name(name) {
            return Err(Error::invalid(format!("{scheme}:// needs a name of letters and digits")));
        }
        let prefix = prefix.trim_matches('/');
        let odd = |part: &str| part.is_empty() || part == "." || part == "..";
        if !prefix.is_empty() && prefix.split('/').any(odd) {
            return Err(Error::invalid("the prefix of a vault has an empty or relative part"));
        }
        if prefix.chars().any(char::is_control) {
            return Err(Error::invalid("the prefix of a vault holds control characters"));
        }
        let query = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        Ok(Self { name: name.to_owned(), prefix: prefix.to_owned(), query })
    }

    fn take(&mut self, name: &str) -> Option<String> {
        let at = self.query.iter().position(|(key, _)| key == name)?;
        Some(self.query.remove(at).1)
    }

    fn endpoint(&mut self) -> Result<Option<Url>> {
        let Some(text) = self.take("endpoint") else { return Ok(None) };
        let usable = |url: &Url| {
            matches!(url.scheme(), "https" | "http")
                && url.has_host()
                && url.username().is_empty()
                && url.password().is_none()
                && url.query().is_none()
                && url.fragment().is_none()
        };
        let url = Url::parse(&text).ok().filter(usable);
        url.map(Some).ok_or_else(|| {
            Error::invalid("the endpoint is no address like https://host:port without credentials")
        })
    }

    /// Whatever else stands in a location may be a secret, so it is not repeated.
    fn nothing_left(&self, known: &str) -> Result<()> {
        match self.query.is_empty() {
            true => Ok(()),
            false => Err(Error::invalid(format!(
                "the location of the vault has parameters other than {known}; credentials belong \
                 in a file"
            ))),
        }
    }
}

/// Names of buckets, containers, accounts and regions.
fn is_name(text: &str) -> bool {
    let usual = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | '$');
    !text.is_empty() && text.chars().all(usual)
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(path) => write!(f, "{}", path.display()),
            Self::S3(at) => {
                let endpoint = at.endpoint.as_ref().map(trimmed);
                let query = [("endpoint", endpoint), ("region", at.region.clone())];
                write_url(f, "s3", &join(&at.bucket, &at.prefix), &query)
            }
            Self::Azure(at) => {
                let endpoint = at.endpoint.as_ref().map(trimmed);
                let query = [("account", Some(at.account.clone())), ("endpoint", endpoint)];
                write_url(f, "azblob", &join(&at.container, &at.prefix), &query)
            }
        }
    }
}

fn write_url(
    f: &mut fmt::Formatter<'_>,
    scheme: &str,
    path: &str,
    query: &[(&str, Option<String>)],
) -> fmt::Result {
    write!(f, "{scheme}://{path}")?;
    let given = query.iter().filter_map(|(name, value)| Some((name, value.as_ref()?)));
    for (n, (name, value)) in given.enumerate() {
        write!(f, "{}{name}={value}", if n == 0 { '?' } else { '&' })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_place_is_refused_without_repeating_secrets() {
        for text in [
            "",
            "gs://bucket",
            "s3://",
            "s3:///prefix",
            "s3://bucket/a//b",
            "s3://bucket/../b",
            "s3://bucket?secret=hunter2",
            "s3://bucket?endpoint=hunter2",
            "s3://bucket?endpoint=https://me:hunter2@host",
            "s3://bucket?region=eu/../x",
            "azblob://container",
            "azblob://container?account=a&key=hunter2",
        ] {
            let err = text.parse::<Location>().unwrap_err().to_string();
            assert!(!err.contains("hunter2"), "{err}");
        }
    }

    #[test]
    fn a_location_has_one_form() {
        for (text, expected) in [
            ("s3://b/", "s3://b"),
            ("s3://b//p/q/", "s3://b/p/q"),
            ("s3://b?region=r&endpoint=http://h:1/", "s3://b?endpoint=http://h:1&region=r"),
            ("azblob://c?account=a", "azblob://c?account=a"),
            ("relative/folder", "relative/folder"),
        ] {
            assert_eq!(text.parse::<Location>().unwrap().to_string(), expected);
        }
    }

    #[test]
    fn addresses() {
        let s3 = |text: &str| match text.parse().unwrap() {
            Location::S3(at) => (at.base(), at.restic("control")),
            other => panic!("{other}"),
        };
        assert_eq!(
            s3("s3://b/p?region=eu-west-1"),
            (
                "https://b.s3.eu-west-1.amazonaws.com".into(),
                "s3:https://s3.eu-west-1.amazonaws.com/b/p/control".into()
            )
        );
        assert_eq!(s3("s3://b.c").0, "https://s3.us-east-1.amazonaws.com/b.c");
        assert_eq!(
            s3("s3://b?endpoint=http://127.0.0.1:9"),
            ("http://127.0.0.1:9/b".into(), "s3:http://127.0.0.1:9/b/control".into())
        );
        let Location::Azure(at) = "azblob://c/p?account=acc".parse().unwrap() else { panic!() };
        assert_eq!(at.base(), "https://acc.blob.core.windows.net/c");
        assert_eq!(at.restic("shards/1"), "azure:c:/p/shards/1");
    }
}
