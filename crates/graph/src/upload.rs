//! Upload sessions: pieces in order to a pre-authenticated address, which must not see our token.
//! For attachments of 3 to 150 MB ([D] c/outlook-large-attachments, read 2026-08) and for files of
//! drives ([D] api/driveitem-createuploadsession, read 2026-08).

use std::future::{Future, ready};

use bytes::Bytes;
use http::Method;
use serde_json::Value;

use crate::budget::Service;
use crate::endpoint::UPLOAD;
use crate::error::{BoxError, Error, Kind, Result};
use crate::exchange::{Graph, Reply};
use crate::request::{JSON_LIMIT, Parts};

/// Size of a piece of an attachment: Outlook takes at most 4 MB, and a multiple of 320 KiB suits
/// every service.
const ATTACHMENT_PIECE: usize = 12 * 320 * 1024;

/// Size of a piece of a file, 10 MiB: a multiple of 320 KiB below 60 MiB, as the drives want, and
/// near the 5 to 10 MiB that Microsoft advises.
const FILE_PIECE: usize = 32 * 320 * 1024;

/// Times that a session may say in a row that it has not got further, before the upload is given up.
const RESUMPTIONS: u32 = 5;

/// Resource units of a piece, and of asking for the state ([`Request::drive`](crate::Request)).
const PIECE_UNITS: u32 = 2;
const STATE_UNITS: u32 = 1;

/// What the session says after a piece.
#[derive(Debug, PartialEq)]
enum State {
    /// Everything is there. The body of the answer: the driveItem where a drive made one.
    Done(Value),
    /// The first byte that is wanted next.
    Next(u64),
}

impl Graph {
    /// Uploads the `bytes` of an attachment through a session that was made for this many. After a
    /// failure the session is asked what it has, and the upload goes on from there. Kind
    /// [`Uncertain`](Kind::Uncertain) where the answer to the last piece was lost and the session
    /// is gone: compare the attachments of the message. [`Error::SessionLost`] where it was gone
    /// before.
    pub async fn upload(&self, mailbox: &str, session_url: &str, bytes: &[u8]) -> Result<()> {
        let piece = |offset: u64, length: usize| {
            // Below the length of a slice, so it fits.
            let start = offset as usize;
            ready(Ok(Bytes::copy_from_slice(&bytes[start..start + length])))
        };
        let service = Service::Mailbox(mailbox.to_owned());
        let (url, size) = (session_url, bytes.len() as u64);
        let session = Session { graph: self, url, service, size, piece: ATTACHMENT_PIECE };
        session.send(piece).await.map(drop)
    }

    /// Uploads a file of `size` bytes through a session that was made for it, and answers with the
    /// driveItem that the service returned for the last piece. `piece(offset, length)` gives
    /// exactly those bytes, 10 MiB at most; it is asked in order, and again for bytes that did not
    /// arrive. Counts 2 resource units per piece.
    ///
    /// After a failure the session is asked what it has, and the upload goes on from there. The
    /// caller gets
    /// - [`Error::SessionLost`] (kind `NotFound`) where the session is gone before the last piece:
    ///   make a new one and begin again;
    /// - kind [`Uncertain`](Kind::Uncertain) where the last piece was sent and nothing clear came
    ///   back: look for the file before repeating;
    /// - kind [`Conflict`](Kind::Conflict) where the name is taken (409, it may come only at the
    ///   end), kind [`Full`](Kind::Full) where the drive has no room (507);
    /// - [`Error::Source`] with what `piece` failed with.
    ///
    /// A session takes no empty file (a range has at least one byte): `PUT` the content instead.
    pub async fn upload_file<F, Fut>(&self, session_url: &str, size: u64, piece: F) -> Result<Value>
    where
        F: FnMut(u64, usize) -> Fut + Send,
        Fut: Future<Output = std::result::Result<Bytes, BoxError>> + Send,
    {
        if size == 0 {
            return Err(Error::config("an upload session takes no empty file; put its content"));
        }
        let (url, service) = (session_url, Service::Drives);
        let session = Session { graph: self, url, service, size, piece: FILE_PIECE };
        let item = session.send(piece).await?;
        if item.get("id").is_some_and(Value::is_string) {
            return Ok(item);
        }
        // Every byte is there, but nothing says that a file was made of them.
        Err(uncertain(odd("an end of the upload without the item")))
    }
}

/// A session: where its pieces go, and against whose limits they count.
struct Session<'a> {
    graph: &'a Graph,
    url: &'a str,
    service: Service,
    /// Bytes in all.
    size: u64,
    /// Bytes in a piece.
    piece: usize,
}

/// How far an upload is, in bytes.
#[derive(Debug, Default)]
struct Progress {
    /// Where the next piece begins.
    start: u64,
    /// End of the furthest piece that was sent.
    sent: u64,
    /// The furthest that the session has said to be.
    reached: u64,
    /// How often in a row it has not got further.
    resumptions: u32,
}

impl Session<'_> {
    async fn send<F, Fut>(&self, mut piece: F) -> Result<Value>
    where
        F: FnMut(u64, usize) -> Fut,
        Fut: Future<Output = std::result::Result<Bytes, BoxError>>,
    {
        let mut progress = Progress::default();
        let mut last_sent = false;
        loop {
            let start = progress.start;
            let length = (self.size - start).min(self.piece as u64) as usize;
            let bytes = piece(start, length).await.and_then(|bytes| whole(bytes, length));
            let bytes = bytes.map_err(|source| failed_source(start, source))?;
            let end = start + length as u64;
            progress.sent = progress.sent.max(end);
            let state = match self.put(start, bytes).await {
                Err(error) if may_resume(&error) => {
                    last_sent |= end == self.size;
                    self.state(last_sent, error).await?
                }
                Err(error) if is_gone(&error) => return Err(session_lost(last_sent, error)),
                sent => sent?,
            };
            match state {
                State::Done(_) if progress.sent < self.size => {
                    return Err(odd("an end of the upload before its last piece"));
                }
                State::Done(body) => return Ok(body),
                State::Next(next) => progress.go_to(next, self.size)?,
            }
        }
    }

    async fn put(&self, start: u64, bytes: Bytes) -> Result<State> {
        let mut parts = self.parts(Method::PUT, PIECE_UNITS);
        let last = (start + bytes.len() as u64).saturating_sub(1);
        let place = format!("bytes {start}-{last}/{}", self.size);
        parts.headers.push(("content-range", place));
        parts.body = Some(("application/octet-stream", bytes));
        // A piece whose answer is lost is not sent again blindly: the session knows what it has.
        parts.once = true;
        self.graph.run(&parts, JSON_LIMIT, read_state).await
    }

    /// Asks the session after the failure `lost`. One that is gone after the last piece may have
    /// ended well.
    async fn state(&self, last_sent: bool, lost: Error) -> Result<State> {
        let parts = self.parts(Method::GET, STATE_UNITS);
        match self.graph.run(&parts, JSON_LIMIT, read_state).await {
            Err(error) if is_gone(&error) => {
                Err(session_lost(last_sent, if last_sent { lost } else { error }))
            }
            answer => answer,
        }
    }

    fn parts(&self, method: Method, units: u32) -> Parts {
        let mut parts = Parts::new(method, self.url.to_owned());
        parts.authorised = false;
        parts.service = self.service.clone();
        parts.units = units;
        parts.restore = true;
        parts
    }
}

impl Progress {
    /// Goes on from where the session says it is. It may be behind what was sent, but not ahead.
    fn go_to(&mut self, next: u64, size: u64) -> Result<()> {
        if next >= size || next > self.sent {
            return Err(odd("an upload state past what was sent"));
        }
        if next > self.reached {
            (self.reached, self.resumptions) = (next, 0);
        } else {
            self.resumptions += 1;
        }
        if self.resumptions > RESUMPTIONS {
            return Err(odd("an upload state that does not move"));
        }
        self.start = next;
        Ok(())
    }
}

fn may_resume(error: &Error) -> bool {
    error.kind() == Kind::Uncertain || error.status() == Some(416)
}

/// True where the address has no session any more (404, 410) or does not take it for its own (401
/// `expiredToken`, after its time).
fn is_gone(error: &Error) -> bool {
    matches!(error.status(), Some(401 | 404 | 410))
}

fn session_lost(last_sent: bool, error: Error) -> Error {
    if last_sent {
        return uncertain(error);
    }
    Error::SessionLost { endpoint: UPLOAD.into(), source: Box::new(error) }
}

fn uncertain(error: Error) -> Error {
    match error {
        error @ Error::Uncertain { .. } => error,
        error => Error::Uncertain { endpoint: UPLOAD.into(), source: Box::new(error) },
    }
}

fn odd(what: &'static str) -> Error {
    Error::Malformed { endpoint: UPLOAD.into(), what }
}

fn whole(bytes: Bytes, length: usize) -> std::result::Result<Bytes, BoxError> {
    if bytes.len() == length {
        return Ok(bytes);
    }
    Err(format!("{} bytes where {length} were asked for", bytes.len()).into())
}

fn failed_source(offset: u64, source: BoxError) -> Error {
    Error::Source { endpoint: UPLOAD.into(), offset, source }
}

/// 201, or a body without expected ranges: done. Otherwise `{"nextExpectedRanges":["n-m"]}`.
fn read_state(reply: &Reply) -> std::result::Result<State, &'static str> {
    if reply.body.is_empty() {
        return Ok(State::Done(Value::Null));
    }
    let body: std::result::Result<Value, _> = serde_json::from_slice(&reply.body);
    if reply.status == 201 {
        return Ok(State::Done(body.unwrap_or_default()));
    }
    let body = body.map_err(|_| "not JSON")?;
    // Outlook has been seen to write the name with a capital.
    let named = ["nextExpectedRanges", "NextExpectedRanges"].iter().find_map(|n| body.get(n));
    // Outlook gives one number, the drives a list of ranges ([D] resources/uploadsession).
    let first = match named {
        Some(Value::Array(ranges)) => ranges.first(),
        other => other,
    };
    let Some(first) = first else { return Ok(State::Done(body)) };
    let start = first.as_str().and_then(|range| range.split('-').next()?.trim().parse().ok());
    start.map(State::Next).ok_or("an upload state that cannot be read")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(status: u16, body: &str) -> std::result::Result<State, &'static str> {
        let body = Bytes::copy_from_slice(body.as_bytes());
        read_state(&Reply { status, body, location: None })
    }

    #[test]
    fn states_of_a_session() {
        assert_eq!(read(201, ""), Ok(State::Done(Value::Null)));
        assert_eq!(read(201, "{\"id\":\"1\"}"), Ok(State::Done(json!({"id": "1"}))));
        assert_eq!(read(200, "{\"nextExpectedRanges\":[\"26-\"]}"), Ok(State::Next(26)));
        assert_eq!(read(202, "{\"NextExpectedRanges\":[\"5-9\",\"20-\"]}"), Ok(State::Next(5)));
        assert_eq!(read(200, "{\"nextExpectedRanges\":[\"2097152\"]}"), Ok(State::Next(2_097_152)));
        assert_eq!(read(200, "{\"nextExpectedRanges\":\"77\"}"), Ok(State::Next(77)));
        for done in [json!({"nextExpectedRanges": []}), json!({"id": "attachment"})] {
            assert_eq!(read(200, &done.to_string()), Ok(State::Done(done)));
        }
        assert!(read(200, "{\"nextExpectedRanges\":[\"x\"]}").is_err());
        assert!(read(200, "<html>").is_err());
    }

    #[test]
    fn progress_counts_standing_still_and_not_the_failures() {
        let mut progress = Progress { sent: 1000, ..Progress::default() };
        for next in 1..500 {
            progress.go_to(next, 1000).unwrap();
            progress.go_to(next, 1000).unwrap();
        }
        for _ in 1..RESUMPTIONS {
            progress.go_to(3, 1000).unwrap();
        }
        assert!(progress.go_to(3, 1000).is_err());
        let mut progress = Progress { sent: 10, ..Progress::default() };
        assert!(progress.go_to(11, 1000).is_err(), "it cannot have what was not sent");
        assert!(progress.go_to(1000, 1000).is_err());
    }
}
