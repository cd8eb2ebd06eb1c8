//! Blob Batch: up to 256 deletions in one request of `multipart/mixed`.
//!
//! Source: "Blob Batch" (learn.microsoft.com/rest/api/storageservices, read November 2026).

use bytes::Bytes;
use http::{Request, Response};

use super::call::{Call, with_body};
use super::error::{self, Refusal};

/// Most parts of a batch.
const MOST_PARTS: usize = 256;

/// One part: its `Content-ID` and the request in it.
pub(crate) struct Part {
    id: String,
    pub(crate) request: Request<Bytes>,
}

/// The parts of a batch.
pub(crate) fn parts(call: &Call) -> Result<Vec<Part>, Refusal> {
    let boundary = call
        .header("content-type")?
        .and_then(|value| value.strip_prefix("multipart/mixed"))
        .and_then(|value| value.trim_start_matches(';').trim().strip_prefix("boundary="))
        .map(|boundary| boundary.trim_matches('"'))
        .ok_or_else(|| error::INVALID_HEADER.about("content-type"))?;
    let body = std::str::from_utf8(&call.body).map_err(|_| error::INVALID_BATCH)?;
    let delimiter = format!("--{boundary}");
    let (inner, _) = body
        .rsplit_once(&format!("{delimiter}--"))
        .ok_or_else(|| error::INVALID_BATCH.about("no end"))?;
    let parts: Vec<_> = inner.split(&delimiter).skip(1).collect();
    if parts.is_empty() || parts.len() > MOST_PARTS {
        return Err(error::INVALID_BATCH.about(format!("{} parts", parts.len())));
    }
    parts.into_iter().map(|text| part(text).ok_or_else(|| error::INVALID_BATCH.into())).collect()
}

fn part(text: &str) -> Option<Part> {
    let (head, request) = text.strip_prefix("\r\n")?.split_once("\r\n\r\n")?;
    let id = header_lines(head).find(|(name, _)| name.eq_ignore_ascii_case("content-id"))?.1;
    let mut lines = request.split("\r\n");
    let mut first = lines.next()?.split(' ');
    let mut builder = Request::builder().method(first.next()?).uri(first.next()?);
    if first.next()? != "HTTP/1.1" {
        return None;
    }
    let headers = request.split_once("\r\n")?.1;
    for (name, value) in header_lines(headers) {
        builder = builder.header(name, value);
    }
    Some(Part { id: id.to_owned(), request: builder.body(Bytes::new()).ok()? })
}

/// The header lines up to an empty one.
fn header_lines(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let lines = text.split("\r\n").take_while(|line| !line.is_empty());
    lines.filter_map(|line| line.split_once(':').map(|(name, value)| (name.trim(), value.trim())))
}

/// The answer to a batch: each part's answer under its id.
pub(crate) fn answer(parts: &[Part], answers: &[Response<Bytes>]) -> Response<Bytes> {
    const BOUNDARY: &str = "batchresponse_6f2c5a0e";
    let mut body = Vec::new();
    for (part, answer) in parts.iter().zip(answers) {
        let status = answer.status();
        let head = format!(
            "--{BOUNDARY}\r\nContent-Type: application/http\r\nContent-ID: {}\r\n\r\nHTTP/1.1 {} {}\r\n",
            part.id,
            status.as_u16(),
            status.canonical_reason().unwrap_or("Unknown"),
        );
        body.extend_from_slice(head.as_bytes());
        for (name, value) in answer.headers() {
            body.extend_from_slice(name.as_str().as_bytes());
            body.extend_from_slice(b": ");
            body.extend_from_slice(value.as_bytes());
            body.extend_from_slice(b"\r\n");
        }
        body.extend_from_slice(b"\r\n");
        body.extend_from_slice(answer.body());
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(format!("--{BOUNDARY}--").as_bytes());
    let kind = format!("multipart/mixed; boundary={BOUNDARY}");
    with_body(202, &[("content-type", kind)], Bytes::from(body))
}
