//! Waiting, and a limit on what the wire carries.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::error::{Error, Result};

type Nap = Pin<Box<dyn Future<Output = ()> + Send>>;

/// How an object store waits between attempts and under a bandwidth limit: tokio's timer, or
/// whatever a test puts in its place.
#[derive(Clone)]
pub struct Pause(Arc<dyn Fn(Duration) -> Nap + Send + Sync>);

impl Pause {
    /// Calls `pause` instead of the timer.
    pub fn new<F, Fut>(pause: F) -> Self
    where
        F: Fn(Duration) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        Self(Arc::new(move |duration| Box::pin(pause(duration))))
    }

    pub(crate) async fn wait(&self, duration: Duration) {
        (self.0)(duration).await;
    }
}

impl Default for Pause {
    fn default() -> Self {
        Self::new(tokio::time::sleep)
    }
}

impl fmt::Debug for Pause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pause")
    }
}

/// Bytes per second that all transfers of a store together may use, each way by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bandwidth {
    /// Towards the store.
    pub up: Option<u64>,
    /// From the store.
    pub down: Option<u64>,
}

impl Bandwidth {
    /// Below this a request would look as if it stood still.
    pub const LEAST: u64 = 16 * 1024;

    /// Refuses limits below [`Bandwidth::LEAST`].
    ///
    /// # Errors
    /// [`Error::Invalid`].
    pub fn check(self) -> Result<Self> {
        match [self.up, self.down].into_iter().flatten().any(|rate| rate < Self::LEAST) {
            true => Err(Error::invalid("a bandwidth limit must be 16 KiB/s or more")),
            false => Ok(self),
        }
    }
}

/// A token bucket of one second's bytes. Who takes more than is there goes into debt and waits
/// until it is paid, so that the mean rate holds whatever the sizes are.
#[derive(Debug)]
pub(crate) struct Bucket {
    rate: f64,
    pause: Pause,
    level: Mutex<(f64, Instant)>,
}

impl Bucket {
    pub(crate) fn new(bytes_per_second: u64, pause: Pause) -> Self {
        let rate = bytes_per_second as f64;
        Self { rate, pause, level: Mutex::new((rate, Instant::now())) }
    }

    /// Takes bytes and waits for as long as that costs. They are taken in quarters of a second,
    /// each of which counts as `moved`: who waits because of many others does not stand still.
    pub(crate) async fn take(&self, bytes: usize, moved: &AtomicU64) {
        let most = ((self.rate / 4.0) as usize).max(1);
        let mut rest = bytes;
        while rest > 0 {
            let slice = rest.min(most);
            rest -= slice;
            let debt = self.charge(slice, Instant::now());
            if debt > 0.0 {
                self.pause.wait(Duration::from_secs_f64(debt / self.rate)).await;
            }
            moved.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Takes bytes at a moment and tells how many are missing.
    fn charge(&self, bytes: usize, now: Instant) -> f64 {
        let mut level = self.level.lock().unwrap_or_else(PoisonError::into_inner);
        let gained = now.saturating_duration_since(level.1).as_secs_f64() * self.rate;
        *level = ((level.0 + gained).min(self.rate) - bytes as f64, now);
        -level.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_rate_holds_after_the_first_second() {
        let bucket = Bucket::new(1_000, Pause::default());
        let start = Instant::now();
        assert!(bucket.charge(1_000, start) <= 0.0, "a second's bytes are free");
        assert!((bucket.charge(500, start) - 500.0).abs() < 1.0);
        let later = start + Duration::from_millis(500);
        assert!(bucket.charge(0, later).abs() < 1.0, "half a second pays 500 bytes");
        let much_later = start + Duration::from_secs(3_600);
        assert!((bucket.charge(3_000, much_later) - 2_000.0).abs() < 1.0, "idle time is not saved");
    }

    /// 16 transfers that share the smallest limit: none waits long without moving.
    #[test]
    fn nobody_stands_still_under_a_limit() {
        let waits = Arc::new(Mutex::new(Vec::new()));
        let pause = Pause::new({
            let waits = Arc::clone(&waits);
            move |wait| {
                waits.lock().unwrap().push(wait);
                async {}
            }
        });
        let bucket = Bucket::new(Bandwidth::LEAST, pause);
        let moved = [const { AtomicU64::new(0) }; 16];
        for moved in &moved {
            futures::executor::block_on(bucket.take(64 * 1024, moved));
        }
        assert!(moved.iter().all(|moved| moved.load(Ordering::Relaxed) == 16), "{moved:?}");
        // No time passes here: each wait is longer than the one before by its own share only.
        let waits = waits.lock().unwrap();
        let longest = waits.windows(2).map(|pair| pair[1].saturating_sub(pair[0])).max();
        assert!(longest.unwrap() <= Duration::from_millis(300), "{longest:?}");
    }

    #[test]
    fn limits_that_stand_still_are_refused() {
        assert!(Bandwidth { up: Some(1_000), down: None }.check().is_err());
        assert!(Bandwidth { up: None, down: Some(1_000) }.check().is_err());
        assert!(Bandwidth { up: Some(1 << 20), down: None }.check().is_ok());
    }
}
