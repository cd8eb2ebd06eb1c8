//! AWS Signature Version 4 in the `Authorization` header, verified.
//!
//! Source: Amazon S3 API Reference, "Authenticating Requests: Using the Authorization Header" and
//! "Signature Calculations … Transferring Payload in Multiple Chunks" (2026-11). The age of the
//! date is not judged: the fake's clock is the test's, not the client's.

use percent_encoding::{AsciiSet, percent_decode_str, utf8_percent_encode};

use super::error::{ACCESS_DENIED, Error};
use super::request::Head;
use super::rights::Credential;
use super::xml::PATH;
use crate::checksum::{hmac_sha256, sha256};

/// In queries the slash is encoded too.
const VALUE: AsciiSet = PATH.add(b'/');

const ALGORITHM: &str = "AWS4-HMAC-SHA256";

const MISMATCH: Error = Error::new(
    403,
    "SignatureDoesNotMatch",
    "The request signature we calculated does not match the signature you provided.",
);
const MALFORMED: Error =
    Error::bad("AuthorizationHeaderMalformed", "The authorization header is malformed.");

/// Who sent a request, and what is needed to verify the chunks of its body.
#[derive(Debug)]
pub(crate) struct Signed<'a> {
    pub(crate) credential: &'a Credential,
    key: Vec<u8>,
    date: String,
    scope: String,
    pub(crate) signature: String,
}

struct Authorization<'a> {
    access_key: &'a str,
    scope: &'a str,
    signed_headers: Vec<&'a str>,
    signature: &'a str,
}

impl<'a> Authorization<'a> {
    fn read(header: &'a str) -> Option<Self> {
        let fields = header.strip_prefix(ALGORITHM)?;
        let field = |name: &str| {
            let mut fields = fields.split(',').map(str::trim);
            fields.find_map(|field| field.strip_prefix(name)?.strip_prefix('='))
        };
        let (access_key, scope) = field("Credential")?.split_once('/')?;
        let signed_headers = field("SignedHeaders")?.split(';').collect();
        Some(Self { access_key, scope, signed_headers, signature: field("Signature")? })
    }
}

/// Finds out who sent a request.
pub(crate) fn verify<'a>(
    head: &Head,
    credentials: &'a [Credential],
    region: &str,
) -> Result<Signed<'a>, Error> {
    let header = head.header("authorization").ok_or(ACCESS_DENIED)?;
    let authorization = Authorization::read(header).ok_or(MALFORMED)?;
    let date = head.header("x-amz-date").ok_or(ACCESS_DENIED)?;
    let day = date.get(..8).ok_or(ACCESS_DENIED)?;
    if authorization.scope != format!("{day}/{region}/s3/aws4_request") {
        return Err(MALFORMED);
    }
    let credential = credentials
        .iter()
        .find(|known| known.access_key == authorization.access_key)
        .ok_or(Error::new(
            403,
            "InvalidAccessKeyId",
            "The AWS Access Key Id you provided does not exist in our records.",
        ))?;
    all_signed(head, &authorization.signed_headers)?;
    let mut signed = Signed {
        credential,
        key: key(&credential.secret_key, day, region),
        date: date.to_owned(),
        scope: authorization.scope.to_owned(),
        signature: String::new(),
    };
    let request = hex::encode(sha256(canonical(head, &authorization.signed_headers)?.as_bytes()));
    signed.signature = signed.sign(ALGORITHM, &[&request]);
    if signed.signature == authorization.signature { Ok(signed) } else { Err(MISMATCH) }
}

impl Signed<'_> {
    /// Signs a chunk after the previous one.
    pub(crate) fn chunk(&self, previous: &str, data: &[u8]) -> String {
        let (nothing, data) = (hex::encode(sha256(b"")), hex::encode(sha256(data)));
        self.sign("AWS4-HMAC-SHA256-PAYLOAD", &[previous, &nothing, &data])
    }

    /// Signs the trailers after the last chunk.
    pub(crate) fn trailer(&self, previous: &str, trailers: &[u8]) -> String {
        let trailers = hex::encode(sha256(trailers));
        self.sign("AWS4-HMAC-SHA256-TRAILER", &[previous, &trailers])
    }

    fn sign(&self, algorithm: &str, lines: &[&str]) -> String {
        let text = format!("{algorithm}\n{}\n{}\n{}", self.date, self.scope, lines.join("\n"));
        hex::encode(hmac_sha256(&self.key, text.as_bytes()))
    }
}

fn key(secret: &str, day: &str, region: &str) -> Vec<u8> {
    let start = format!("AWS4{secret}").into_bytes();
    [day, region, "s3", "aws4_request"]
        .into_iter()
        .fold(start, |key, text| hmac_sha256(&key, text.as_bytes()))
}

/// `host` and everything that begins with `x-amz-` must be signed.
fn all_signed(head: &Head, signed: &[&str]) -> Result<(), Error> {
    let is_signed = |name: &str| signed.contains(&name);
    let needed = |name: &str| name == "host" || name.starts_with("x-amz-");
    if head.headers.keys().all(|name| !needed(name.as_str()) || is_signed(name.as_str())) {
        Ok(())
    } else {
        Err(Error::new(
            403,
            "AccessDenied",
            "There were headers present in the request which were not signed",
        ))
    }
}

fn canonical(head: &Head, signed: &[&str]) -> Result<String, Error> {
    let path = percent_decode_str(&head.path).collect::<Vec<u8>>();
    let path = percent_encoding::percent_encode(&path, &PATH);
    let encode = |text: &str| utf8_percent_encode(text, &VALUE).to_string();
    let mut query: Vec<_> =
        head.query.iter().map(|(name, value)| (encode(name), encode(value))).collect();
    query.sort();
    let query: Vec<_> = query.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let mut headers = String::new();
    for name in signed {
        let values: Vec<_> = head.headers.get_all(*name).iter().map(trimmed).collect();
        if values.is_empty() {
            return Err(MISMATCH);
        }
        headers.push_str(&format!("{name}:{}\n", values.join(",")));
    }
    let payload = head
        .header("x-amz-content-sha256")
        .ok_or(Error::request("Missing required header for this request: x-amz-content-sha256"))?;
    Ok(format!(
        "{}\n{path}\n{}\n{headers}\n{}\n{payload}",
        head.method,
        query.join("&"),
        signed.join(";")
    ))
}

fn trimmed(value: &http::HeaderValue) -> String {
    let text = String::from_utf8_lossy(value.as_bytes());
    text.split_ascii_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The worked example of the API reference ("Example: GET Object", 24 May 2013).
    #[test]
    fn the_worked_example_of_the_reference() {
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let signature = "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41";
        let request = http::Request::get("/test.txt")
            .header("host", "examplebucket.s3.amazonaws.com")
            .header("range", "bytes=0-9")
            .header("x-amz-content-sha256", empty)
            .header("x-amz-date", "20130524T000000Z")
            .header(
                "authorization",
                format!(
                    "AWS4-HMAC-SHA256 \
                     Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,\
                     SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,\
                     Signature={signature}"
                ),
            );
        let (parts, ()) = request.body(()).unwrap().into_parts();
        // The example addresses the bucket by its host name: to us the path is a bucket's.
        let mut head = Head {
            operation: super::super::request::Operation::GetObject,
            method: parts.method,
            path: parts.uri.path().to_owned(),
            bucket: "examplebucket".into(),
            key: "test.txt".into(),
            query: Vec::new(),
            headers: parts.headers,
        };
        let credential = Credential {
            access_key: "AKIAIOSFODNN7EXAMPLE".into(),
            secret_key: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".into(),
            rights: std::collections::BTreeSet::new(),
        };
        let known = [credential];
        assert_eq!(verify(&head, &known, "us-east-1").unwrap().signature, signature);
        assert_eq!(verify(&head, &known, "eu-west-1").unwrap_err(), MALFORMED);
        assert_eq!(verify(&head, &[], "us-east-1").unwrap_err().code, "InvalidAccessKeyId");
        head.headers.insert("range", http::HeaderValue::from_static("bytes=0-8"));
        assert_eq!(verify(&head, &known, "us-east-1").unwrap_err(), MISMATCH);
        head.headers.insert("x-amz-acl", http::HeaderValue::from_static("private"));
        assert_eq!(verify(&head, &known, "us-east-1").unwrap_err().code, "AccessDenied");
    }
}
