//! The body of a request as it was meant: signature forms undone and verified, checksums verified.

use bytes::{Bytes, BytesMut};

use super::error::Error;
use super::request::Head;
use super::signature::Signed;
use crate::checksum::{Algorithm, from_base64, md5, sha256, to_base64};

/// A verified body.
#[derive(Debug)]
pub(crate) struct Payload {
    pub(crate) body: Bytes,
    pub(crate) md5: [u8; 16],
    /// The `x-amz-checksum-…` that the client sent, in Base64.
    pub(crate) checksum: Option<(Algorithm, String)>,
    /// It came with a Content-MD5 or an `x-amz-checksum-…`.
    pub(crate) has_checksum: bool,
}

const INCOMPLETE: Error = Error::bad(
    "IncompleteBody",
    "You did not provide the number of bytes specified by the Content-Length HTTP header",
);
const CHUNK_MISMATCH: Error = Error::new(
    403,
    "SignatureDoesNotMatch",
    "The request signature we calculated does not match the signature you provided.",
);
const BAD_DIGEST: Error = Error::bad(
    "BadDigest",
    "The Content-MD5 or checksum you specified did not match what we received.",
);

/// Verifies a body. All forms of `x-amz-content-sha256` are taken: the digest, `UNSIGNED-PAYLOAD`,
/// and the chunked forms with and without signatures and trailers.
pub(crate) fn read(head: &Head, raw: Bytes, signed: &Signed<'_>) -> Result<Payload, Error> {
    let form = head.header("x-amz-content-sha256").unwrap_or("");
    let mut trailers = Vec::new();
    let body = match form {
        "UNSIGNED-PAYLOAD" => raw,
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
        | "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
        | "STREAMING-UNSIGNED-PAYLOAD-TRAILER" => {
            let signed = form.starts_with("STREAMING-AWS4").then_some(signed);
            let chunks = Chunks { raw: &raw, signed, has_trailer: form.ends_with("-TRAILER") };
            let body = chunks.read(&mut trailers)?;
            let length = head.header("x-amz-decoded-content-length").and_then(|n| n.parse().ok());
            if length != Some(body.len()) {
                return Err(INCOMPLETE);
            }
            body
        }
        digest if digest == hex::encode(sha256(&raw)) => raw,
        _ => {
            return Err(Error::bad(
                "XAmzContentSHA256Mismatch",
                "The provided 'x-amz-content-sha256' header does not match what was computed.",
            ));
        }
    };
    let md5 = md5(&body);
    let content_md5 = head.header("content-md5");
    if let Some(sent) = content_md5 {
        verify_md5(sent, md5)?;
    }
    let checksum = checksum(head, &trailers, &body)?;
    let has_checksum = content_md5.is_some() || checksum.is_some();
    Ok(Payload { body, md5, checksum, has_checksum })
}

fn verify_md5(sent: &str, computed: [u8; 16]) -> Result<(), Error> {
    match from_base64(sent) {
        Some(sent) if sent == computed => Ok(()),
        Some(sent) if sent.len() == 16 => Err(BAD_DIGEST),
        _ => Err(Error::bad("InvalidDigest", "The Content-MD5 you specified is not valid.")),
    }
}

/// The one checksum of the headers or trailers, verified.
fn checksum(
    head: &Head,
    trailers: &[(String, String)],
    body: &[u8],
) -> Result<Option<(Algorithm, String)>, Error> {
    let sent = Algorithm::ALL.into_iter().filter_map(|algorithm| {
        let mut trailers = trailers.iter().filter(|(name, _)| name == algorithm.header());
        let value = head.header(algorithm.header()).map(str::to_owned);
        Some((algorithm, value.or_else(|| trailers.next().map(|(_, value)| value.clone()))?))
    });
    let sent: Vec<_> = sent.collect();
    if let Some(promised) = head.header("x-amz-trailer")
        && !trailers.iter().any(|(name, _)| name.eq_ignore_ascii_case(promised))
    {
        return Err(Error::bad("MalformedTrailerError", "The trailing checksum is missing"));
    }
    match &sent[..] {
        [] => Ok(None),
        [(algorithm, value)] => {
            let computed = algorithm.of(body);
            if value == &to_base64(&computed) {
                return Ok(Some((*algorithm, value.clone())));
            }
            let is_one = from_base64(value).is_some_and(|bytes| bytes.len() == computed.len());
            Err(if is_one {
                BAD_DIGEST
            } else {
                Error::request("Value for x-amz-checksum header is invalid.")
            })
        }
        _ => Err(Error::request(
            "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.",
        )),
    }
}

/// A body in the `aws-chunked` form.
struct Chunks<'a> {
    raw: &'a [u8],
    signed: Option<&'a Signed<'a>>,
    has_trailer: bool,
}

impl Chunks<'_> {
    fn read(mut self, trailers: &mut Vec<(String, String)>) -> Result<Bytes, Error> {
        let mut previous = self.signed.map_or_else(String::new, |signed| signed.signature.clone());
        let mut body = BytesMut::new();
        loop {
            let head = self.line()?;
            let (size, signature) = head.split_once(";chunk-signature=").unwrap_or((&head, ""));
            let size = usize::from_str_radix(size, 16).map_err(|_| INCOMPLETE)?;
            let data = self.raw.get(..size).ok_or(INCOMPLETE)?;
            if let Some(signed) = self.signed {
                previous = signed.chunk(&previous, data);
                if previous != signature {
                    return Err(CHUNK_MISMATCH);
                }
            }
            body.extend_from_slice(data);
            self.raw = &self.raw[size..];
            if size == 0 {
                break;
            }
            self.raw = self.raw.strip_prefix(b"\r\n").ok_or(INCOMPLETE)?;
        }
        if self.has_trailer {
            *trailers = self.trailers(&previous)?;
        }
        Ok(body.freeze())
    }

    fn trailers(&mut self, previous: &str) -> Result<Vec<(String, String)>, Error> {
        let (mut trailers, mut signature) = (Vec::new(), None);
        while !self.raw.is_empty() {
            let line = self.line()?;
            let Some((name, value)) = line.split_once(':') else { break };
            let (name, value) = (name.trim().to_lowercase(), value.trim().to_owned());
            if name == "x-amz-trailer-signature" {
                signature = Some(value);
            } else {
                trailers.push((name, value));
            }
        }
        if let Some(signed) = self.signed {
            let text: String =
                trailers.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
            if signature != Some(signed.trailer(previous, text.as_bytes())) {
                return Err(CHUNK_MISMATCH);
            }
        }
        Ok(trailers)
    }

    fn line(&mut self) -> Result<String, Error> {
        let end = self.raw.windows(2).position(|pair| pair == b"\r\n");
        let (line, rest) = self.raw.split_at(end.ok_or(INCOMPLETE)?);
        self.raw = &rest[2..];
        String::from_utf8(line.to_vec()).map_err(|_| INCOMPLETE)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::s3::rights::Credential;
    use crate::s3::signature;

    const CHUNKS: [(usize, &str); 3] = [
        (65_536, "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648"),
        (1024, "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497"),
        (0, "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9"),
    ];

    fn chunked() -> Vec<u8> {
        let chunk = |(size, signature): (usize, &str)| {
            let head = format!("{size:x};chunk-signature={signature}\r\n").into_bytes();
            [head, vec![b'a'; size], b"\r\n".to_vec()].concat()
        };
        CHUNKS.into_iter().flat_map(chunk).collect()
    }

    fn read_chunked(raw: Vec<u8>, decoded: &str) -> Result<Payload, Error> {
        let names = "content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;\
                     x-amz-decoded-content-length;x-amz-storage-class";
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,\
             SignedHeaders={names},\
             Signature=4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9"
        );
        let request = http::Request::put("/examplebucket/chunkObject.txt")
            .header("host", "s3.amazonaws.com")
            .header("x-amz-date", "20130524T000000Z")
            .header("x-amz-storage-class", "REDUCED_REDUNDANCY")
            .header("authorization", authorization)
            .header("x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD")
            .header("content-encoding", "aws-chunked")
            .header("x-amz-decoded-content-length", "66560")
            .header("content-length", "66824");
        let mut head = Head::read(request.body(()).unwrap().into_parts().0).unwrap();
        let secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
        let known = [Credential {
            access_key: "AKIAIOSFODNN7EXAMPLE".into(),
            secret_key: secret.into(),
            rights: BTreeSet::new(),
        }];
        let signed = signature::verify(&head, &known, "us-east-1").unwrap();
        head.headers.insert("x-amz-decoded-content-length", decoded.parse().unwrap());
        read(&head, raw.into(), &signed)
    }

    /// The worked example of the API reference ("Transferring Payload in Multiple Chunks").
    #[test]
    fn signed_chunks_of_the_reference() {
        let raw = chunked();
        assert_eq!(raw.len(), 66_824);
        let payload = read_chunked(raw, "66560").unwrap();
        assert_eq!(payload.body, vec![b'a'; 66_560]);
        assert!(!payload.has_checksum);
    }

    #[test]
    fn damaged_chunks_are_refused() {
        let error = |change: &dyn Fn(&mut Vec<u8>), decoded| {
            let mut raw = chunked();
            change(&mut raw);
            read_chunked(raw, decoded).unwrap_err()
        };
        assert_eq!(error(&|raw| raw[1000] = b'b', "66560"), CHUNK_MISMATCH);
        assert_eq!(error(&|raw| raw[66_000] = b'b', "66560"), CHUNK_MISMATCH);
        assert_eq!(error(&|raw| raw.truncate(65_700), "66560"), INCOMPLETE);
        assert_eq!(error(&|raw| raw.truncate(40_000), "66560"), INCOMPLETE);
        assert_eq!(error(&|_| (), "66559"), INCOMPLETE);
        // Without its last chunk a body is not whole.
        assert_eq!(error(&|raw| raw.truncate(66_824 - 86), "66560"), INCOMPLETE);
    }
}
