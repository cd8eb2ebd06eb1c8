//! The rows of the conformance suite: each shows one rule by client calls.

mod access;
mod blobs;
mod listing;
mod versions;
mod worm;

use super::conformance::Target;

/// One row.
pub struct Row {
    /// The rule that it shows.
    pub rule: &'static str,
    /// Where it can be run.
    pub at: Where,
    pub run: fn(&Target),
}

/// Where a row can be run.
#[derive(Clone, Copy)]
pub enum Where {
    /// On every service.
    Anywhere,
    /// On the fake and a real account; Azurite 3.35.0 fails it, for this reason.
    NotAzurite(&'static str),
    /// On the fake alone: it needs the clock, the management interface or another container.
    FakeOnly(&'static str),
}

impl Row {
    /// Why it is not run everywhere; empty when it is.
    pub fn limit(&self) -> &'static str {
        match self.at {
            Where::Anywhere => "",
            Where::NotAzurite(why) | Where::FakeOnly(why) => why,
        }
    }
}

const fn row(rule: &'static str, at: Where, run: fn(&Target)) -> Row {
    Row { rule, at, run }
}

/// All rows, by subject.
pub const ROWS: &[&[Row]] = &[access::ROWS, blobs::ROWS, listing::ROWS, versions::ROWS, worm::ROWS];
