//! Content that goes out as it is read: a file is never held whole.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::executor::block_on;
use futures::stream;
use holdfast_engine::Home;
use tokio::runtime::Handle;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::time::timeout;

use crate::api::Api;
use crate::api::problem::{Problem, Result};

/// Pieces of content that wait for a slow reader.
const WAITING: usize = 4;

/// Bytes of a piece.
const PIECE: usize = 64 * 1024;

/// A reader that takes nothing for this long is given up.
const PATIENCE: Duration = Duration::from_secs(60);

/// What goes from the engine to the answer.
enum Part {
    Piece(Bytes),
    Failed(Problem),
    /// It was everything.
    End,
}

/// Takes what the engine writes, and waits for the reader. The last piece stays until
/// [`Out::finish`].
#[derive(Clone)]
pub(in crate::api) struct Out {
    to: Sender<Part>,
    piece: Arc<Mutex<Vec<u8>>>,
}

impl Out {
    /// What is left, and that it was everything.
    async fn finish(&self) {
        let left =
            self.piece.lock().map(|mut piece| std::mem::take(&mut *piece)).unwrap_or_default();
        if !left.is_empty() {
            // A reader that has gone needs nothing more.
            let _ = self.to.send(Part::Piece(left.into())).await;
        }
        let _ = self.to.send(Part::End).await;
    }
}

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let gone = || io::Error::from(io::ErrorKind::BrokenPipe);
        let mut piece = self.piece.lock().map_err(|_| gone())?;
        let taken = bytes.len().min(PIECE - piece.len());
        piece.extend_from_slice(&bytes[..taken]);
        if piece.len() == PIECE {
            let full = std::mem::replace(&mut *piece, Vec::with_capacity(PIECE));
            // On a thread that may block, beside the asynchronous ones.
            let sent = block_on(timeout(PATIENCE, self.to.send(Part::Piece(full.into()))));
            sent.map_err(|_| gone())?.map_err(|_| gone())?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Answers with what `work` writes. What goes wrong before the first piece is a failure like any
/// other; later the answer breaks off.
pub(super) async fn answer<F, W>(api: &Arc<Api>, file: &str, work: F) -> Result<Response>
where
    F: FnOnce(Arc<Home>, Out) -> W + Send + 'static,
    W: Future<Output = holdfast_engine::Result<u64>>,
{
    answer_in(place(api).await?, api, file, work).await
}

/// A place among the downloads.
pub(in crate::api) async fn place(api: &Arc<Api>) -> Result<OwnedSemaphorePermit> {
    let place = Arc::clone(&api.downloads).acquire_owned().await;
    place.map_err(|_| Problem::later("the server is stopping"))
}

/// As [`answer`], for who has his place already.
pub(in crate::api) async fn answer_in<F, W>(
    place: OwnedSemaphorePermit,
    api: &Arc<Api>,
    file: &str,
    work: F,
) -> Result<Response>
where
    F: FnOnce(Arc<Home>, Out) -> W + Send + 'static,
    W: Future<Output = holdfast_engine::Result<u64>>,
{
    let (to, mut from) = channel::<Part>(WAITING);
    let (shared, runtime) = (Arc::clone(api), Handle::current());
    tokio::task::spawn_blocking(move || {
        let _place = place;
        runtime.block_on(async move {
            let out = Out { to: to.clone(), piece: Arc::default() };
            match work(Arc::clone(&shared.home), out.clone()).await {
                Ok(_) => out.finish().await,
                // A reader that has gone needs nothing more.
                Err(error) => drop(to.send(Part::Failed(error.into())).await),
            }
        });
    });
    match from.recv().await {
        Some(Part::Failed(problem)) => Err(problem),
        Some(first) => Ok(response(file, first, from)),
        None => Err(Problem::broken()),
    }
}

fn response(file: &str, first: Part, rest: Receiver<Part>) -> Response {
    let parts = stream::unfold((Some(first), rest), |(first, mut rest)| async move {
        let part = match first {
            Some(first) => Some(first),
            None => rest.recv().await,
        };
        let piece = match part {
            Some(Part::End) => return None,
            Some(Part::Piece(piece)) => Ok(piece),
            // The answer breaks off, so that nobody takes it for the whole.
            Some(Part::Failed(_)) | None => Err(io::Error::other("the content breaks off")),
        };
        Some((piece, (None, rest)))
    });
    (download(file), Body::from_stream(parts)).into_response()
}

/// The headers of content that is kept as a file, whatever it is.
fn download(file: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let kind = HeaderValue::from_static("application/octet-stream");
    headers.insert(header::CONTENT_TYPE, kind);
    if let Ok(name) = HeaderValue::from_str(&disposition(file)) {
        headers.insert(header::CONTENT_DISPOSITION, name);
    }
    headers
}

/// RFC 6266 with the name as RFC 8187 writes it: no character of a file's name is one of the header.
fn disposition(file: &str) -> String {
    let mut text = "attachment; filename*=UTF-8''".to_owned();
    for byte in file.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'_' => text.push(byte.into()),
            _ => text.push_str(&format!("%{byte:02X}")),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_file_is_no_part_of_the_header() {
        let hostile = "a\r\nSet-Cookie: x=1\"; ä.eml";
        let expected =
            "attachment; filename*=UTF-8''a%0D%0ASet-Cookie%3A%20x%3D1%22%3B%20%C3%A4.eml";
        assert_eq!(disposition(hostile), expected);
    }
}
