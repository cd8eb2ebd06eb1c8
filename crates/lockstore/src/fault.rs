//! Faults by rule: which requests fail, how, and how often. The same seed gives the same faults
//! for the same sequence of requests.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tokio::sync::watch;

/// What goes wrong with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Answers with this status and the service's usual error body for it (500, 503, 429 …);
    /// the request has no effect.
    Status(u16),
    /// Reads so many bytes of the request's body, then closes the connection without an answer;
    /// the request has no effect.
    CloseRequest(usize),
    /// Does not answer until [`Faults::release`]; then closes the connection. No effect.
    Hang,
    /// Serves the request, but closes the connection instead of answering: the client cannot
    /// know that it took effect.
    AnswerLost,
    /// Serves the request and closes the connection after so many bytes of the answer's body.
    CutAnswer(usize),
    /// Answers a write as if it were done, and stores nothing.
    LieNothing,
    /// Answers a write as if it were done, and stores the first half of the bytes.
    LieHalf,
    /// A write takes effect twice (two versions), and is answered once.
    Duplicate,
    /// A listing does not show what the last so many writes did: neither new names nor deletions.
    StaleList(usize),
}

/// A fault and the requests it strikes.
#[derive(Clone, Debug)]
pub struct Rule {
    operation: Option<String>,
    key: Option<String>,
    skip: u64,
    count: u64,
    chance: f64,
    fault: Fault,
}

impl Rule {
    /// Strikes every request until the rule is removed.
    pub fn new(fault: Fault) -> Self {
        Self { operation: None, key: None, skip: 0, count: u64::MAX, chance: 1.0, fault }
    }

    /// Only the operation of this name, as the service calls it (`PutObject`, `Put Blob`).
    #[must_use]
    pub fn operation(mut self, name: impl Into<String>) -> Self {
        self.operation = Some(name.into());
        self
    }

    /// Only keys that match: `*` stands for any run of characters, `/` among them. For a listing
    /// the key is its prefix, for a request about many keys it is empty.
    #[must_use]
    pub fn key(mut self, pattern: impl Into<String>) -> Self {
        self.key = Some(pattern.into());
        self
    }

    /// Lets the first `count` matching requests pass.
    #[must_use]
    pub fn after(mut self, count: u64) -> Self {
        self.skip = count;
        self
    }

    /// Strikes at most `count` times.
    #[must_use]
    pub fn times(mut self, count: u64) -> Self {
        self.count = count;
        self
    }

    /// Strikes a matching request with this probability, from 0 to 1.
    #[must_use]
    pub fn chance(mut self, chance: f64) -> Self {
        self.chance = chance.clamp(0.0, 1.0);
        self
    }

    fn matches(&self, operation: &str, key: &str) -> bool {
        self.operation.as_ref().is_none_or(|name| name == operation)
            && self.key.as_ref().is_none_or(|pattern| is_like(pattern, key))
    }

    /// Counts a matching request and says whether it is struck.
    fn strikes(&mut self, dice: &mut ChaCha8Rng) -> bool {
        if self.skip > 0 {
            self.skip -= 1;
            return false;
        }
        let strikes = self.count > 0 && (self.chance >= 1.0 || dice.random_bool(self.chance));
        if strikes {
            self.count -= 1;
        }
        strikes
    }
}

/// The rules of a running store and its statistics. Clones share their state.
#[derive(Clone, Debug)]
pub struct Faults {
    state: Arc<Mutex<State>>,
    /// Counts releases.
    released: watch::Sender<u64>,
}

#[derive(Debug)]
struct State {
    rules: Vec<Rule>,
    dice: ChaCha8Rng,
    requests: BTreeMap<String, u64>,
    struck: u64,
}

impl Faults {
    /// No rule yet; chances are drawn from `seed`.
    pub fn new(seed: u64) -> Self {
        let dice = ChaCha8Rng::seed_from_u64(seed);
        let state = State { rules: Vec::new(), dice, requests: BTreeMap::new(), struck: 0 };
        Self { state: Arc::new(Mutex::new(state)), released: watch::Sender::new(0) }
    }

    /// Adds a rule. The first rule that strikes decides; later ones do not see the request.
    pub fn add(&self, rule: Rule) {
        self.state().rules.push(rule);
    }

    /// Removes all rules and releases what hangs.
    pub fn clear(&self) {
        self.state().rules.clear();
        self.release();
    }

    /// Closes the connections of all requests that [`Fault::Hang`] holds.
    pub fn release(&self) {
        self.released.send_modify(|count| *count += 1);
    }

    /// How many requests were struck.
    pub fn struck(&self) -> u64 {
        self.state().struck
    }

    /// How many requests of each operation arrived, struck ones included.
    pub fn requests(&self) -> BTreeMap<String, u64> {
        self.state().requests.clone()
    }

    /// How many requests of one operation arrived.
    pub fn count(&self, operation: &str) -> u64 {
        self.state().requests.get(operation).copied().unwrap_or(0)
    }

    /// Sets the counts of requests and of strikes back to nought.
    pub fn reset_counts(&self) {
        let mut state = self.state();
        state.requests.clear();
        state.struck = 0;
    }

    /// Counts a request and says what goes wrong with it.
    pub fn arrived(&self, operation: &str, key: &str) -> Option<Fault> {
        let mut state = self.state();
        *state.requests.entry(operation.to_owned()).or_default() += 1;
        let State { rules, dice, struck, .. } = &mut *state;
        let rule = rules.iter_mut().find_map(|rule| {
            (rule.matches(operation, key) && rule.strikes(dice)).then_some(rule.fault)
        });
        *struck += u64::from(rule.is_some());
        rule
    }

    /// Waits until the next [`Faults::release`].
    pub async fn released(&self) {
        let mut releases = self.released.subscribe();
        // The sender lives in `self`: waiting ends only by a release.
        let _ = releases.changed().await;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether `text` matches `pattern`, in which `*` stands for any run of characters.
fn is_like(pattern: &str, text: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut text) = text.strip_prefix(start) else { return false };
    let mut pieces: Vec<&str> = rest.split('*').collect();
    let end = pieces.pop().unwrap_or("");
    for piece in pieces {
        let Some(at) = text.find(piece) else { return false };
        text = &text[at + piece.len()..];
    }
    text.ends_with(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        for (pattern, text, expected) in [
            ("a", "a", true),
            ("a", "ab", false),
            ("*", "", true),
            ("data/*", "data/00/x", true),
            ("data/*", "index/x", false),
            ("*/index/*", "repo/index/1", true),
            ("*x*x", "xx", true),
            ("*x*x", "x", false),
            ("a*b*c", "a1b2b3c", true),
            ("a*b*c", "a1c", false),
        ] {
            assert_eq!(is_like(pattern, text), expected, "{pattern} on {text}");
        }
    }

    #[test]
    fn a_rule_strikes_its_requests_after_some_and_so_often() {
        let faults = Faults::new(1);
        let rule = Rule::new(Fault::Status(503)).operation("PutObject").key("data/*");
        faults.add(rule.after(1).times(2));
        let put = |key: &str| faults.arrived("PutObject", key);
        assert_eq!(put("index/a"), None);
        assert_eq!(faults.arrived("GetObject", "data/a"), None);
        assert_eq!(put("data/a"), None);
        assert_eq!(put("data/a"), Some(Fault::Status(503)));
        assert_eq!(put("data/b"), Some(Fault::Status(503)));
        assert_eq!(put("data/b"), None);
        assert_eq!((faults.struck(), faults.count("PutObject")), (2, 5));
    }

    #[test]
    fn chances_follow_the_seed() {
        let run = |seed| {
            let faults = Faults::new(seed);
            faults.add(Rule::new(Fault::Hang).chance(0.3));
            (0..200).map(|_| faults.arrived("GetObject", "k").is_some()).collect::<Vec<_>>()
        };
        assert_eq!(run(7), run(7));
        assert_ne!(run(7), run(8));
        let struck = run(7).into_iter().filter(|struck| *struck).count();
        assert!((30..90).contains(&struck), "{struck}");
    }
}
