//! The limits of Outlook per application and mailbox (source: Graph, "Microsoft Graph
//! service-specific throttling limits", Outlook service limits, read 2026-11).

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;

use crate::fault;
use crate::http::GraphError;

/// The length of the request window in seconds.
const WINDOW: i64 = 600;

/// The length of the upload window in seconds.
const UPLOAD_WINDOW: i64 = 300;

/// What one application may do with one mailbox, and with SharePoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Requests at once; the service allows 4.
    pub concurrency: usize,
    /// Requests in 10 minutes of the virtual clock; the service allows 10,000.
    pub requests: u64,
    /// Bytes of request bodies in 5 minutes of the virtual clock; the service allows 150 MB.
    pub upload_bytes: u64,
    /// Resource units of SharePoint in a minute of the virtual clock, for all drives and sites;
    /// the service allows 1,250 to a tenant of up to 1,000 licences (source: SharePoint, "Avoid
    /// getting throttled or blocked", read 2026-11).
    pub units_per_minute: u64,
    /// The same in a day: 1.2 million.
    pub units_per_day: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            concurrency: 4,
            requests: 10_000,
            upload_bytes: 150_000_000,
            units_per_minute: 1250,
            units_per_day: 1_200_000,
        }
    }
}

impl Limits {
    /// No limits, for measurements in which throttling would only be waiting.
    pub fn none() -> Self {
        Self {
            concurrency: usize::MAX,
            requests: u64::MAX,
            upload_bytes: u64::MAX,
            units_per_minute: u64::MAX,
            units_per_day: u64::MAX,
        }
    }
}

/// An application and a mailbox.
type Key = (String, String);

/// The running counts of all mailboxes.
#[derive(Debug)]
pub struct Throttle {
    limits: Limits,
    uses: Arc<Mutex<HashMap<Key, Use>>>,
}

#[derive(Debug, Default)]
struct Use {
    in_flight: usize,
    requests: Window,
    uploads: Window,
}

/// A sum over the last seconds.
#[derive(Debug, Default)]
struct Window {
    by_second: VecDeque<(i64, u64)>,
    sum: u64,
}

impl Window {
    fn add(&mut self, now: i64, amount: u64) {
        self.sum += amount;
        match self.by_second.back_mut() {
            Some((second, sum)) if *second == now => *sum += amount,
            _ => self.by_second.push_back((now, amount)),
        }
    }

    fn forget(&mut self, before: i64) {
        while let Some((_, amount)) = self.by_second.pop_front_if(|(second, _)| *second <= before) {
            self.sum -= amount;
        }
    }

    /// Seconds until the oldest entry leaves a window of this length.
    fn relief(&self, now: i64, length: i64) -> i64 {
        self.by_second.front().map_or(1, |(second, _)| (second + length - now).max(1))
    }
}

/// A request that runs; it ends when this is dropped.
#[derive(Debug)]
pub struct Running {
    uses: Arc<Mutex<HashMap<Key, Use>>>,
    key: Key,
    /// How many ran at once, this one included.
    pub in_flight: usize,
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut uses = self.uses.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = uses.get_mut(&self.key) {
            entry.in_flight = entry.in_flight.saturating_sub(1);
        }
    }
}

impl Throttle {
    /// Nothing runs.
    pub fn new(limits: Limits) -> Self {
        Self { limits, uses: Arc::default() }
    }

    /// Lets a request with a body of `bytes` in, or answers 429. A refused request counts too.
    pub fn enter(
        &self,
        app: &str,
        mailbox: &str,
        bytes: u64,
        now: Timestamp,
    ) -> Result<Running, GraphError> {
        let key = (app.to_owned(), mailbox.to_owned());
        let now = now.as_second();
        let mut uses = self.uses.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = uses.entry(key.clone()).or_default();
        entry.requests.forget(now - WINDOW);
        entry.uploads.forget(now - UPLOAD_WINDOW);
        if entry.in_flight >= self.limits.concurrency {
            return Err(fault::concurrency());
        }
        if entry.requests.sum >= self.limits.requests {
            return Err(over("Request", entry.requests.relief(now, WINDOW)));
        }
        if entry.uploads.sum.saturating_add(bytes) > self.limits.upload_bytes && bytes > 0 {
            return Err(over("Upload", entry.uploads.relief(now, UPLOAD_WINDOW)));
        }
        entry.requests.add(now, 1);
        entry.uploads.add(now, bytes);
        entry.in_flight += 1;
        Ok(Running { uses: Arc::clone(&self.uses), key, in_flight: entry.in_flight })
    }
}

fn over(what: &str, seconds: i64) -> GraphError {
    let message = format!("Application is over its {what} limit.");
    GraphError::new(429, "ApplicationThrottled", message).with("retry-after", seconds.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_770_000_000 + second).unwrap()
    }

    fn retry_after(error: &GraphError) -> &str {
        &error.headers[0].1
    }

    #[test]
    fn the_fifth_request_at_once_is_refused() {
        let throttle = Throttle::new(Limits::default());
        let running: Vec<Running> =
            (0..4).map(|_| throttle.enter("app", "box", 0, at(0)).unwrap()).collect();
        assert_eq!(running[3].in_flight, 4);
        let error = throttle.enter("app", "box", 0, at(0)).unwrap_err();
        assert_eq!((error.status, error.code.as_str()), (429, "ApplicationThrottled"));
        assert!(error.message.contains("MailboxConcurrency"));
        assert!(throttle.enter("app", "other", 0, at(0)).is_ok());
        assert!(throttle.enter("other", "box", 0, at(0)).is_ok());
        drop(running);
        assert!(throttle.enter("app", "box", 0, at(0)).is_ok());
    }

    #[test]
    fn a_window_of_ten_minutes_is_counted() {
        let throttle = Throttle::new(Limits { requests: 3, ..Limits::default() });
        for second in [0, 100, 100] {
            drop(throttle.enter("app", "box", 0, at(second)).unwrap());
        }
        let error = throttle.enter("app", "box", 0, at(101)).unwrap_err();
        assert_eq!(retry_after(&error), "499");
        assert!(throttle.enter("app", "box", 0, at(599)).is_err());
        assert!(throttle.enter("app", "box", 0, at(600)).is_ok());
        assert!(throttle.enter("app", "box", 0, at(600)).is_err());
    }

    #[test]
    fn uploads_are_counted_in_bytes() {
        let throttle = Throttle::new(Limits { upload_bytes: 10, ..Limits::default() });
        drop(throttle.enter("app", "box", 8, at(0)).unwrap());
        assert_eq!(retry_after(&throttle.enter("app", "box", 3, at(1)).unwrap_err()), "299");
        assert!(throttle.enter("app", "box", 0, at(1)).is_ok());
        assert!(throttle.enter("app", "box", 3, at(300)).is_ok());
    }
}
