//! Upload sessions for attachments of 3 to 150 MB ([D] c/outlook-large-attachments, read 2026-08):
//! pieces in order to a pre-authenticated address, which must not see our token.

use bytes::Bytes;
use http::Method;
use serde_json::Value;

use crate::error::{Error, Kind, Result};
use crate::exchange::{Graph, Reply};
use crate::request::{JSON_LIMIT, Parts};

/// Size of a piece: at most 4 MB are taken, and a multiple of 320 KiB suits every service.
const PIECE: usize = 12 * 320 * 1024;

/// Pieces that may be sent again before the upload is given up.
const RESUMPTIONS: u32 = 5;

/// What the session says after a piece.
#[derive(Debug, PartialEq)]
enum State {
    Done,
    Next(usize),
}

impl Graph {
    /// Uploads `bytes` through a session that was made for this many. After a failure the session
    /// is asked what it has, and the upload goes on from there. Kind
    /// [`Uncertain`](Kind::Uncertain) where the answer to the last piece was lost and the session
    /// is gone: compare the attachments of the message.
    pub async fn upload(&self, mailbox: &str, session_url: &str, bytes: &[u8]) -> Result<()> {
        let mut start = 0;
        let mut resumptions = 0;
        loop {
            let end = (start + PIECE).min(bytes.len());
            let sent = self.send_piece(mailbox, session_url, bytes, start..end).await;
            let state = match sent {
                Err(error) if may_resume(&error) => {
                    self.state(mailbox, session_url, end == bytes.len(), error).await?
                }
                sent => sent?,
            };
            start = match state {
                State::Done => return Ok(()),
                State::Next(next) if next < bytes.len() => next,
                State::Next(_) => return Err(odd("an upload state past the end")),
            };
            resumptions += u32::from(start < end);
            if resumptions > RESUMPTIONS {
                return Err(odd("an upload state that does not move"));
            }
        }
    }

    async fn send_piece(
        &self,
        mailbox: &str,
        session_url: &str,
        bytes: &[u8],
        range: std::ops::Range<usize>,
    ) -> Result<State> {
        let mut parts = session(Method::PUT, mailbox, session_url);
        let last = range.end.saturating_sub(1);
        let place = format!("bytes {}-{last}/{}", range.start, bytes.len());
        parts.headers.push(("content-range", place));
        let piece = Bytes::copy_from_slice(&bytes[range]);
        parts.body = Some(("application/octet-stream", piece));
        // A piece whose answer is lost is not sent again blindly: the session knows what it has.
        parts.once = true;
        self.run(&parts, JSON_LIMIT, read_state).await
    }

    /// Asks the session after `lost`. A session that is gone after the last piece may have ended
    /// well.
    async fn state(&self, mailbox: &str, url: &str, last: bool, lost: Error) -> Result<State> {
        let parts = session(Method::GET, mailbox, url);
        match self.run(&parts, JSON_LIMIT, read_state).await {
            Err(error) if last && error.kind() == Kind::NotFound => {
                Err(Error::Uncertain { endpoint: "upload".into(), source: Box::new(lost) })
            }
            answer => answer,
        }
    }
}

fn session(method: Method, mailbox: &str, url: &str) -> Parts {
    let mut parts = Parts::new(method, url.to_owned());
    parts.authorised = false;
    parts.mailbox = Some(mailbox.to_owned());
    parts.restore = true;
    parts
}

fn may_resume(error: &Error) -> bool {
    error.kind() == Kind::Uncertain || error.status() == Some(416)
}

fn odd(what: &'static str) -> Error {
    Error::Malformed { endpoint: "upload".into(), what }
}

/// 201, or a body without expected ranges: done. Otherwise `{"nextExpectedRanges":["n-m"]}`.
fn read_state(reply: &Reply) -> std::result::Result<State, &'static str> {
    if reply.status == 201 || reply.body.is_empty() {
        return Ok(State::Done);
    }
    let body: Value = serde_json::from_slice(&reply.body).map_err(|_| "not JSON")?;
    // Outlook has been seen to write the name with a capital.
    let named = ["nextExpectedRanges", "NextExpectedRanges"].iter().find_map(|n| body.get(n));
    // Outlook gives one number, the drives a list of ranges ([D] resources/uploadsession).
    let first = match named {
        Some(Value::Array(ranges)) => ranges.first(),
        other => other,
    };
    let Some(first) = first else { return Ok(State::Done) };
    let start = first.as_str().and_then(|range| range.split('-').next()?.trim().parse().ok());
    start.map(State::Next).ok_or("an upload state that cannot be read")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(status: u16, body: &str) -> std::result::Result<State, &'static str> {
        read_state(&Reply { status, body: Bytes::copy_from_slice(body.as_bytes()) })
    }

    #[test]
    fn states_of_a_session() {
        assert_eq!(read(201, ""), Ok(State::Done));
        assert_eq!(read(200, "{\"nextExpectedRanges\":[\"26-\"]}"), Ok(State::Next(26)));
        assert_eq!(read(202, "{\"NextExpectedRanges\":[\"5-9\",\"20-\"]}"), Ok(State::Next(5)));
        assert_eq!(read(200, "{\"nextExpectedRanges\":[\"2097152\"]}"), Ok(State::Next(2_097_152)));
        assert_eq!(read(200, "{\"nextExpectedRanges\":\"77\"}"), Ok(State::Next(77)));
        assert_eq!(read(200, "{\"nextExpectedRanges\":[]}"), Ok(State::Done));
        assert_eq!(read(200, "{\"id\":\"attachment\"}"), Ok(State::Done));
        assert!(read(200, "{\"nextExpectedRanges\":[\"x\"]}").is_err());
        assert!(read(200, "<html>").is_err());
    }
}
