//! A plain HTTP server on a free port of 127.0.0.1, on a thread and runtime of its own, that can
//! also break off in the middle of an answer.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::thread::JoinHandle;

use bytes::{Bytes, BytesMut};
use http::{Request, Response};
use http_body_util::BodyExt as _;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

/// No request of a test is longer.
const LONGEST_BODY: usize = 256 << 20;

/// What becomes of a request.
#[derive(Debug)]
pub enum Reply {
    /// The whole answer.
    Answer(Response<Bytes>),
    /// The answer's head, so many bytes of its body, then the connection is closed.
    Cut(Response<Bytes>, usize),
    /// The connection is closed without an answer.
    Close,
}

/// A server that runs until it is dropped; then connections are closed as they are.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    stop: Option<oneshot::Sender<Infallible>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Serves requests with `handler`, many at a time.
    ///
    /// # Errors
    /// If no port, thread or runtime can be had.
    pub fn start<H, F>(handler: H) -> io::Result<Self>
    where
        H: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Reply> + Send + 'static,
    {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new().name("lockstore".into()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = accept(listener, handler) => {}
                    _ = stopped => {}
                }
            });
            runtime.shutdown_background();
        })?;
        Ok(Self { address, stop: Some(stop), thread: Some(thread) })
    }

    /// `http://127.0.0.1:PORT`, without a slash at the end.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // It panicked or not: the test that owns the server has its own verdict.
            let _ = thread.join();
        }
    }
}

async fn accept<H, F>(listener: std::net::TcpListener, handler: H)
where
    H: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Reply> + Send + 'static,
{
    let Ok(listener) = TcpListener::from_std(listener) else { return };
    loop {
        if let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(connection(stream, handler.clone()));
        }
    }
}

async fn connection<H, F>(stream: TcpStream, handler: H)
where
    H: Fn(Request<Incoming>) -> F,
    F: Future<Output = Reply>,
{
    let _ = stream.set_nodelay(true);
    let service = service_fn(|request| {
        let reply = handler(request);
        async {
            match reply.await {
                Reply::Answer(answer) => Ok(answer.map(Answer::whole)),
                Reply::Cut(answer, after) => Ok(answer.map(|body| Answer::cut(body, after))),
                Reply::Close => Err(Broken),
            }
        }
    });
    // A connection that ends in an error, ours among them, concerns only its client.
    let _ = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

/// The whole body of a request.
///
/// # Errors
/// If the client breaks off or sends more than 256 MiB.
pub async fn body(mut incoming: Incoming) -> Result<Bytes, Broken> {
    let mut body = BytesMut::new();
    while let Some(frame) = incoming.frame().await {
        if let Some(data) = frame.map_err(|_| Broken)?.data_ref() {
            body.extend_from_slice(data);
        }
        if body.len() > LONGEST_BODY {
            return Err(Broken);
        }
    }
    Ok(body.freeze())
}

/// Reads `count` bytes of the body, or what there is.
pub async fn read_some(mut incoming: Incoming, count: usize) {
    let mut read = 0;
    while read < count {
        match incoming.frame().await {
            Some(Ok(frame)) => read += frame.data_ref().map_or(0, Bytes::len),
            _ => return,
        }
    }
}

/// The connection ends here.
#[derive(Debug)]
pub struct Broken;

impl std::fmt::Display for Broken {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("connection broken")
    }
}

impl std::error::Error for Broken {}

/// The body of an answer, which may break before its end.
struct Answer {
    left: Bytes,
    /// What the head announced and will never come.
    missing: u64,
    /// The next poll waits once, so that what was sent goes out before the connection breaks.
    flushes: bool,
}

impl Answer {
    fn whole(body: Bytes) -> Self {
        Self { left: body, missing: 0, flushes: false }
    }

    fn cut(mut body: Bytes, after: usize) -> Self {
        let whole = body.len();
        body.truncate(after);
        let missing = u64::try_from(whole - body.len()).unwrap_or(u64::MAX);
        Self { left: body, missing, flushes: true }
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        if !self.left.is_empty() {
            return Poll::Ready(Some(Ok(Frame::data(std::mem::take(&mut self.left)))));
        }
        if std::mem::take(&mut self.flushes) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready((self.missing > 0).then_some(Err(Broken)))
    }

    fn is_end_stream(&self) -> bool {
        self.left.is_empty() && self.missing == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left.len() as u64 + self.missing)
    }
}
