//! Downloads of files: Graph gives a pre-authenticated address (302), the bytes come from there and
//! must not see our token ([D] api/driveitem-get-content, read 2026-08; onedrive-api-docs#189).
//!
//! A file may have 250 GB, so it is handed out piece by piece, and a connection that breaks is
//! taken up where it broke. Bytes are only joined where they are of the same content: the `ETag` or
//! the total size must be the same, else the file [changed](Error::Changed).

use std::fmt;
use std::time::Duration;

use bytes::{Buf, Bytes};
use holdfast_model::Secret;
use http::header::{
    ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, ETAG, HeaderMap, HeaderName,
    RANGE,
};
use http::{Method, StatusCode};
use jiff::Timestamp;
use url::Url;

use crate::budget::{Budget, Permit};
use crate::endpoint::DOWNLOAD;
use crate::error::{Error, Kind, MALWARE, Result};
use crate::exchange::{ERROR_LIMIT, Graph, infected, is_infected, lost, read_refusal};
use crate::request::{Parts, Request, session_url};
use crate::retry::{self, Next};
use crate::stats::add;

/// Times that a download is taken up again without a byte in between.
const RESUMPTIONS: u32 = 5;

impl Graph {
    /// A download of the content of a file (`/drives/{d}/items/{i}/content`) or of one of its
    /// versions (`…/versions/{v}/content`). Counts 1 resource unit; `content` gives path and
    /// priority. Nothing is sent before [`Download::next`].
    ///
    /// While the bytes run the download holds no slot of the budget, so the caller bounds how many
    /// run side by side.
    pub fn download(&self, content: Request<'_>) -> Download {
        let mut content = content.drive(1).parts;
        content.redirect = true;
        let mut target = Parts::new(Method::GET, String::new());
        target.authorised = false;
        target.service = content.service.clone();
        target.restore = content.restore;
        Download {
            graph: self.clone(),
            content,
            target,
            address: None,
            listed: false,
            begun: false,
            body: None,
            offset: 0,
            size: None,
            etag: None,
            done: false,
            stuck: None,
        }
    }
}

/// A download under way.
pub struct Download {
    graph: Graph,
    /// The request to Graph that is answered with the address.
    content: Parts,
    /// The request to the address, without the address.
    target: Parts,
    address: Option<Url>,
    /// The address came with a listing.
    listed: bool,
    begun: bool,
    body: Option<Body>,
    /// Bytes of the file that were handed out.
    offset: u64,
    size: Option<u64>,
    etag: Option<String>,
    done: bool,
    stuck: Option<Stuck>,
}

/// The body of an answer while it is read.
struct Body {
    response: reqwest::Response,
    /// Bytes in front that are there already.
    skip: u64,
    /// Offset in the file where the body ends, where the answer said so.
    end: Option<u64>,
}

/// Failures since the last byte.
struct Stuck {
    failures: u32,
    since: Timestamp,
    waited: Duration,
}

/// What the headers of an answer say about its bytes.
#[derive(Debug, PartialEq)]
struct Extent {
    from: u64,
    end: Option<u64>,
    total: Option<u64>,
}

impl fmt::Debug for Download {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The address is a secret.
        f.debug_struct("Download").field("offset", &self.offset).finish_non_exhaustive()
    }
}

impl Download {
    /// Begins at an address that came with a listing (`@microsoft.graph.downloadUrl`), which saves
    /// the request for one. It counts the unit that the request would have cost: whether the
    /// service counts it is not documented. An address that is of no use, or whose answer refuses,
    /// is passed over, and Graph asked.
    pub fn listed(mut self, address: Option<&Secret>) -> Self {
        let address = address.and_then(Secret::expose_str);
        self.address = address.and_then(|address| session_url(address).ok());
        self.listed = self.address.is_some();
        self.target.units = u32::from(self.listed);
        self
    }

    /// The next piece as it comes from the line (never empty, far below 1 MiB), `None` at the
    /// end. All pieces together are the file
    /// as the service sent it, of as many bytes as it said: an answer that breaks off is taken up
    /// again, one that is longer is an error.
    ///
    /// Gives up after 5 resumptions without a byte in between. An address that has expired (401,
    /// 403, 404, 410) is asked for anew. A file with malware is an error with the code
    /// `malwareDetected`; a file that became another one is [`Error::Changed`]. After an error the
    /// download is of no more use.
    pub async fn next(&mut self) -> Result<Option<Bytes>> {
        while !self.done {
            let address = match self.address.clone() {
                Some(address) => address,
                // Has had all its repetitions where it fails.
                None => self.locate().await?,
            };
            match self.step(address).await {
                Ok(Some(piece)) => return Ok(Some(piece)),
                Ok(None) => {}
                Err(error) => self.after(error).await?,
            }
        }
        Ok(None)
    }

    /// Total size in bytes that the service told with the first answer; `None` where it told none,
    /// and before the first piece.
    pub fn size(&self) -> Option<u64> {
        self.size
    }

    async fn locate(&mut self) -> Result<Url> {
        (self.listed, self.target.units) = (false, 0);
        let location = self.graph.run(&self.content, ERROR_LIMIT, |reply| {
            reply.location.clone().ok_or("without the address of the content")
        });
        let address = session_url(&location.await?)?;
        self.address = Some(address.clone());
        Ok(address)
    }

    /// Asks, or reads on. A body that fails is dropped, and its connection with it.
    async fn step(&mut self, address: Url) -> Result<Option<Bytes>> {
        if !self.begun {
            add(&self.graph.counters().downloads, 1);
            self.begun = true;
        }
        let Some(mut body) = self.body.take() else {
            return self.open(address).await.map(|()| None);
        };
        match body.response.chunk().await {
            Ok(Some(chunk)) => self.take(chunk, body),
            Ok(None) => self.end(&body).map(|()| None),
            // Broken after the last byte: nothing is missing.
            Err(_) if self.size == Some(self.offset) => {
                self.done = true;
                Ok(None)
            }
            Err(error) => Err(lost(&place(), error)),
        }
    }

    /// Asks the target from the offset on. The slot is given back as soon as the answer begins: a
    /// caller who reads slowly must not keep others from asking.
    async fn open(&mut self, address: Url) -> Result<()> {
        let permit = self.permit().await?;
        self.graph.count(&self.target, self.stuck.is_some());
        // What is asked for is the file as it is: compressed, its size could not be compared.
        let mut request = self.graph.http().get(address).header(ACCEPT_ENCODING, "identity");
        if self.offset > 0 {
            request = request.header(RANGE, format!("bytes={}-", self.offset));
        }
        let response = request.send().await.map_err(|error| lost(&place(), error))?;
        let status = response.status();
        tracing::debug!(status = status.as_u16(), resumed = self.offset > 0, "download");
        self.graph.learn(permit.scope(), response.headers());
        if is_infected(response.headers()) {
            return Err(infected(place(), status.as_u16(), None));
        }
        match status {
            StatusCode::OK | StatusCode::PARTIAL_CONTENT => {
                permit.scope().succeeded();
                self.accept(response)
            }
            StatusCode::RANGE_NOT_SATISFIABLE if self.offset > 0 => {
                self.past_the_end(response).await
            }
            _ => Err(self.refused(response).await),
        }
    }

    async fn permit(&self) -> Result<Permit> {
        let budget = self.graph.budget();
        let scope = budget.scope(&self.target.service);
        let mut waited = self.stuck.as_ref().map_or(Duration::ZERO, |stuck| stuck.waited);
        let permit = budget.acquire(&scope, self.target.need(), &mut waited, retry::DEADLINE).await;
        permit.map_err(|retry_after| Error::Paused { endpoint: DOWNLOAD.into(), retry_after })
    }

    /// Takes a body that begins at the offset, or before it: a target that does not know ranges
    /// sends everything again (200), of which the part that is there is thrown away.
    fn accept(&mut self, response: reqwest::Response) -> Result<()> {
        let headers = response.headers();
        if text(headers, CONTENT_ENCODING).is_some_and(|coding| coding != "identity") {
            return Err(odd("in an encoding that was not asked for"));
        }
        let part = response.status() == StatusCode::PARTIAL_CONTENT;
        let extent = if part { ranged(headers) } else { Some(whole(headers)) };
        let extent = extent.ok_or(odd("a part of the file that it does not name"))?;
        if extent.from > self.offset {
            return Err(odd("another part of the file than was asked for"));
        }
        let etag = text(headers, ETAG).map(|tag| tag.trim_start_matches("W/").to_owned());
        self.recognise(etag, extent.total)?;
        let skip = self.offset - extent.from;
        self.body = Some(Body { response, skip, end: extent.end });
        Ok(())
    }

    /// Makes sure that the bytes to come belong to those that are there. Where nothing can be
    /// compared they may not, and are not joined.
    fn recognise(&mut self, etag: Option<String>, total: Option<u64>) -> Result<()> {
        if self.offset == 0 {
            (self.etag, self.size) = (etag, total);
            return Ok(());
        }
        let tags = self.etag.as_ref().zip(etag.as_ref()).map(|(a, b)| a == b);
        let sizes = self.size.zip(total).map(|(a, b)| a == b);
        if tags != Some(false) && sizes != Some(false) && tags.or(sizes).is_some() {
            return Ok(());
        }
        Err(self.changed())
    }

    fn take(&mut self, mut chunk: Bytes, mut body: Body) -> Result<Option<Bytes>> {
        add(&self.graph.counters().bytes_received, chunk.len() as u64);
        let known = body.skip.min(chunk.len() as u64);
        chunk.advance(known as usize);
        body.skip -= known;
        if !chunk.is_empty() {
            self.stuck = None;
            self.offset += chunk.len() as u64;
        }
        if body.end.is_some_and(|end| self.offset > end) {
            return Err(odd("longer than it said"));
        }
        self.body = Some(body);
        Ok(Some(chunk).filter(|chunk| !chunk.is_empty()))
    }

    /// The body is over: the end of the file, or a connection that broke without a word.
    fn end(&mut self, body: &Body) -> Result<()> {
        if body.skip > 0 && body.end.is_none() {
            return Err(self.changed());
        }
        self.done = match self.size {
            Some(size) => self.offset == size,
            // Without a size the end of a whole body is the end of the file.
            None => body.end.is_none(),
        };
        if self.done { Ok(()) } else { Err(broken("the answer ended before the file")) }
    }

    /// 416: the file has no byte at the offset. That is the end where its size was not known.
    async fn past_the_end(&mut self, response: reqwest::Response) -> Result<()> {
        let range = text(response.headers(), CONTENT_RANGE);
        let total: Option<u64> =
            range.and_then(|range| range.trim().strip_prefix("bytes */")?.parse().ok());
        match total {
            Some(total) if total == self.offset && self.size.is_none_or(|size| size == total) => {
                self.done = true;
                Ok(())
            }
            Some(_) => Err(self.changed()),
            None => Err(self.refused(response).await),
        }
    }

    /// An error answer of the target. Its body is never content, not even where it looks like it
    /// (onedrive-api-docs#189).
    async fn refused(&mut self, response: reqwest::Response) -> Error {
        let (now, counters) = (self.graph.now(), self.graph.counters());
        let error = read_refusal(place(), response, now, counters).await;
        if self.wants_address(&error) {
            self.address = None;
        }
        error
    }

    /// True where another address may help. Why a listed one is refused Graph says better.
    fn wants_address(&self, error: &Error) -> bool {
        let refused = error.status().is_some_and(|status| (400..500).contains(&status));
        is_expired(error) || self.listed && refused && self.may_be_the_address(error)
    }

    /// True for a failure that is neither the file's nor the whole service's.
    fn may_be_the_address(&self, error: &Error) -> bool {
        error.kind() != Kind::Throttled && !error.has_code(MALWARE)
    }

    fn changed(&self) -> Error {
        Error::Changed { endpoint: DOWNLOAD.into(), offset: self.offset }
    }

    /// Waits until the next attempt, or returns the error as final.
    async fn after(&mut self, error: Error) -> Result<()> {
        let (kind, expired, now) = (error.kind(), self.wants_address(&error), self.graph.now());
        let passing = matches!(kind, Kind::Throttled | Kind::Transient | Kind::Unreachable);
        let mended = !matches!(error, Error::Malformed { .. } | Error::Paused { .. });
        let fresh = || Stuck { failures: 0, since: now, waited: Duration::ZERO };
        let stuck = self.stuck.get_or_insert_with(fresh);
        stuck.failures += 1;
        let tired = kind != Kind::Throttled && stuck.failures > RESUMPTIONS;
        if tired || !(expired || passing && mended) {
            if self.listed && self.offset == 0 && self.may_be_the_address(&error) {
                (self.address, self.stuck) = (None, None);
                return Ok(());
            }
            return Err(error);
        }
        let budget = self.graph.budget();
        let elapsed = stuck.waited.max(retry::between(stuck.since, now));
        let rule = if kind == Kind::Throttled { kind } else { Kind::Transient };
        match retry::next(rule, error.retry_after(), stuck.failures, elapsed, rand::random()) {
            Next::GiveUp => return Err(error),
            Next::Pause(wait) => self.pause(budget, wait),
            // That an address expires is no load.
            Next::Wait(_) if expired && stuck.failures == 1 => {}
            Next::Wait(wait) => {
                stuck.waited += wait;
                budget.rest(wait).await;
            }
        }
        Ok(())
    }

    /// Everybody who uses drives waits; this download does when it asks for its permit.
    fn pause(&self, budget: &Budget, wait: Duration) {
        add(&self.graph.counters().throttled, 1);
        budget.throttled(&budget.scope(&self.target.service), wait);
    }
}

fn place() -> (Method, String) {
    (Method::GET, DOWNLOAD.to_owned())
}

fn odd(what: &'static str) -> Error {
    Error::Malformed { endpoint: DOWNLOAD.into(), what }
}

fn broken(what: &'static str) -> Error {
    let (method, endpoint) = place();
    Error::Transport { method, endpoint, connect: false, source: what.into() }
}

/// True where a new address may help (corso#3069, onedrive-api-docs#884).
fn is_expired(error: &Error) -> bool {
    matches!(error.status(), Some(401 | 403 | 404 | 410)) && !error.has_code(MALWARE)
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

/// The extent of a 200.
fn whole(headers: &HeaderMap) -> Extent {
    let total = text(headers, CONTENT_LENGTH).and_then(|length| length.trim().parse().ok());
    Extent { from: 0, end: total, total }
}

/// The extent of a 206: `bytes 5-9/10`, or `bytes 5-9/*` (RFC 9110, section 14.4).
fn ranged(headers: &HeaderMap) -> Option<Extent> {
    let range = text(headers, CONTENT_RANGE)?.trim().strip_prefix("bytes ")?;
    let (place, total) = range.split_once('/')?;
    let (from, last) = place.split_once('-')?;
    let (from, last) = (from.trim().parse().ok()?, last.trim().parse::<u64>().ok()?);
    let total = if total == "*" { None } else { Some(total.trim().parse().ok()?) };
    let end = last.checked_add(1)?;
    let sound = from < end && total.is_none_or(|total| end <= total);
    sound.then_some(Extent { from, end: Some(end), total })
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn read(range: &str) -> Option<Extent> {
        let value = HeaderValue::from_str(range).ok()?;
        ranged(&HeaderMap::from_iter([(CONTENT_RANGE, value)]))
    }

    #[test]
    fn ranges_are_read_where_they_make_sense() {
        let is = |from, end, total| Some(Extent { from, end: Some(end), total });
        assert_eq!(read("bytes 5-9/10"), is(5, 10, Some(10)));
        assert_eq!(read(" bytes 0-0/* "), is(0, 1, None));
        let largest = format!("bytes 0-{}/*", u64::MAX);
        for none in
            ["", "bytes */10", "bytes 9-5/10", "bytes 5-10/10", "5-9/10", "bytes 5-9", &largest]
        {
            assert_eq!(read(none), None, "{none}");
        }
    }

    proptest! {
        #[test]
        fn any_range_is_read_without_harm(range in "(bytes )?[0-9]{0,21}-[0-9]{0,21}/[0-9*]{0,21}") {
            if let Some(extent) = read(&range) {
                prop_assert!(extent.end.is_some_and(|end| end > extent.from));
            }
        }
    }
}
