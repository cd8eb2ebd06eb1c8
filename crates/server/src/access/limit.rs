//! Brute force: attempts are counted by account and by address, before they are made, for all
//! processes together, and each failure beyond a few doubles the wait for the next.
//!
//! The wait ends by itself after a quarter of an hour at most: who locks an administrator out by
//! wrong passwords does not do so for good. What is counted for an account is its name as typed, so
//! that names without a user answer alike.

use std::net::IpAddr;
use std::time::Duration;

use holdfast_model::{fold, short_id};

use super::{Access, Error, Result};

/// Attempts on an account without any wait.
const FREE_ACCOUNT: u64 = 5;

/// Attempts from an address without any wait: many people may share one.
const FREE_ADDRESS: u64 = 20;

/// Longest wait.
pub const MAX_WAIT: Duration = Duration::from_secs(15 * 60);

/// After this long without an attempt the count begins anew.
const FORGET: Duration = Duration::from_secs(24 * 60 * 60);

/// An attempt that is counted already.
pub(super) struct Attempt {
    account: String,
    address: String,
}

impl Access {
    /// Counts an attempt.
    ///
    /// # Errors
    /// [`Error::TooMany`] where the account or the address has to wait; then nothing may be tried.
    pub(super) async fn attempt(&self, name: &str, address: IpAddr) -> Result<Attempt> {
        let attempt = Attempt {
            account: format!("account {}", short_id(&fold(name))),
            address: format!("address {}", network(address)),
        };
        self.count(&attempt.address, FREE_ADDRESS).await?;
        let counted = self.count(&attempt.account, FREE_ACCOUNT).await;
        if counted.is_err() {
            // It was not made: who waits for one account may use another.
            self.home.catalog.attempt_forgive(&attempt.address).await?;
        }
        counted.map(|()| attempt)
    }

    async fn count(&self, subject: &str, free: u64) -> Result<()> {
        let counted = self.home.catalog.attempt_begin(subject, FORGET, |count| wait(count, free));
        counted.await?.map(drop).map_err(|until| Error::TooMany { until })
    }

    /// Forgets what has not failed for a day.
    pub(super) async fn sweep_attempts(&self) -> Result<()> {
        let before = self.now().checked_sub(FORGET).unwrap_or(holdfast_model::Timestamp::MIN);
        self.home.catalog.attempt_sweep(before).await?;
        Ok(())
    }

    /// Takes an attempt back that has succeeded: the account begins anew, the address has one less.
    pub(super) async fn succeeded(&self, attempt: &Attempt) -> Result<()> {
        self.home.catalog.attempt_clear(&attempt.account).await?;
        self.home.catalog.attempt_forgive(&attempt.address).await?;
        Ok(())
    }
}

/// How long nobody may try after attempt number `count`.
fn wait(count: u64, free: u64) -> Duration {
    match count.saturating_sub(free) {
        0 => Duration::ZERO,
        // The tenth doubling is beyond the longest wait.
        beyond => Duration::from_secs(1 << beyond.min(10)).min(MAX_WAIT),
    }
}

/// What stands for one customer of a network: the whole address, or the /64 of IPv6 that each has
/// to himself.
fn network(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_quarter_of_an_hour() {
        let waits = [5, 6, 7, 8, 14, 15, 16, 63, 70, u64::MAX].map(|count| wait(count, 5));
        let seconds = waits.map(|wait| wait.as_secs());
        assert_eq!(seconds, [0, 2, 4, 8, 512, 900, 900, 900, 900, 900]);
    }

    #[test]
    fn a_network_of_ipv6_is_one_subject() {
        let network = |text: &str| network(text.parse().unwrap());
        assert_eq!(network("2001:db8:1:2::1"), network("2001:db8:1:2:ffff::9"));
        assert_ne!(network("2001:db8:1:2::1"), network("2001:db8:1:3::1"));
        assert_eq!(network("::ffff:192.0.2.1"), "192.0.2.1");
    }
}
