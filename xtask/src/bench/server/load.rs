//! Users who ask, and how long they wait.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::Result;
use reqwest::Client;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::site::Site;

/// What is asked for, and how long.
pub(super) struct Load {
    pub(super) time: Duration,
    pub(super) pause: Duration,
    /// Names of requests, and their paths below the API.
    pub(super) paths: Vec<(&'static str, String)>,
}

/// How long the answers to one kind of request took.
#[derive(Clone, Debug)]
pub(super) struct Figures {
    pub(super) name: &'static str,
    pub(super) n: usize,
    pub(super) errors: u64,
    /// Milliseconds from the request to the end of the answer.
    pub(super) p50: f64,
    pub(super) p95: f64,
    pub(super) p99: f64,
}

impl Figures {
    pub(super) fn of(name: &'static str, mut times: Vec<f64>, errors: u64) -> Self {
        times.sort_by(f64::total_cmp);
        let at = |percent: usize| {
            let rank = (times.len() * percent).div_ceil(100).saturating_sub(1);
            times.get(rank).copied().unwrap_or_default()
        };
        Self { name, n: times.len(), errors, p50: at(50), p95: at(95), p99: at(99) }
    }
}

/// Milliseconds of the answers by request, and how many were no success.
type Seen = BTreeMap<&'static str, (Vec<f64>, u64)>;

impl Load {
    /// Lets one user ask with each token; the figures by request, and requests in a second.
    pub(super) async fn run(&self, site: &Site, tokens: &[String]) -> Result<(Vec<Figures>, f64)> {
        let (start, mut tasks) = (Instant::now(), JoinSet::new());
        for (number, token) in tokens.iter().enumerate() {
            let user = User {
                client: site.client()?,
                base: site.base(),
                token: token.clone(),
                paths: self.paths.clone(),
            };
            // They do not begin in step.
            let late = self.pause * u32::try_from(number)? / u32::try_from(tokens.len())?;
            tasks.spawn(user.ask(number, start + self.time, late, self.pause));
        }
        let mut all = Seen::new();
        while let Some(seen) = tasks.join_next().await {
            for (name, (times, errors)) in seen? {
                let sum = all.entry(name).or_default();
                sum.0.extend(times);
                sum.1 += errors;
            }
        }
        let n: usize = all.values().map(|(times, _)| times.len()).sum();
        let rate = n as f64 / start.elapsed().as_secs_f64();
        let figures = all.into_iter().map(|(name, (times, n))| Figures::of(name, times, n));
        Ok((figures.collect(), rate))
    }
}

struct User {
    client: Client,
    base: String,
    token: String,
    paths: Vec<(&'static str, String)>,
}

impl User {
    /// Asks one thing after the other, from another one on than his neighbour.
    async fn ask(self, first: usize, end: Instant, late: Duration, pause: Duration) -> Seen {
        let mut seen = Seen::new();
        sleep(late).await;
        for (name, path) in self.paths.iter().cycle().skip(first % self.paths.len()) {
            if Instant::now() >= end {
                break;
            }
            let begun = Instant::now();
            let is_good = self.get(path).await;
            let sum = seen.entry(*name).or_default();
            sum.0.push(begun.elapsed().as_secs_f64() * 1_000.0);
            sum.1 += u64::from(!is_good);
            sleep(pause).await;
        }
        seen
    }

    async fn get(&self, path: &str) -> bool {
        let request = self.client.get(format!("{}{path}", self.base)).bearer_auth(&self.token);
        match request.send().await {
            Ok(answer) => answer.status().is_success() && answer.bytes().await.is_ok(),
            Err(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_answers_that_there_were() {
        let figures = Figures::of("x", vec![3.0, 1.0, 2.0], 0);
        assert_eq!((figures.n, figures.p50, figures.p95, figures.p99), (3, 2.0, 3.0, 3.0));
        let none = Figures::of("x", Vec::new(), 0);
        assert_eq!((none.n, none.p50), (0, 0.0));
    }
}
