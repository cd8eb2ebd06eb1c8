//! A progress bar on standard error while an operation runs: items, bytes, rate, time left. Only
//! where a person looks.

use std::future::Future;
use std::io::IsTerminal;
use std::time::Duration;

use holdfast_engine::{Progress, Seen};
use indicatif::{HumanBytes, HumanDuration, ProgressBar, ProgressStyle};

use crate::output;

const REDRAW: Duration = Duration::from_millis(200);

/// Runs `work` and shows how far it is.
pub async fn watch<T>(progress: &Progress, work: impl Future<Output = T>) -> T {
    if !std::io::stderr().is_terminal() {
        return work.await;
    }
    let bar = Bar::new();
    let mut tick = tokio::time::interval(REDRAW);
    tokio::pin!(work);
    loop {
        tokio::select! {
            done = &mut work => {
                bar.end();
                return done;
            }
            _ = tick.tick() => bar.show(&progress.seen()),
        }
    }
}

/// A bar on standard error; where nobody looks, nothing.
pub struct Bar(Option<ProgressBar>);

impl Bar {
    pub fn new() -> Self {
        if !std::io::stderr().is_terminal() {
            return Self(None);
        }
        let bar = ProgressBar::new(0);
        if let Ok(style) = ProgressStyle::with_template("{spinner} {bar:20} {wide_msg}") {
            bar.set_style(style);
        }
        Self(Some(bar))
    }

    pub fn show(&self, seen: &Seen) {
        let Some(bar) = &self.0 else { return };
        bar.set_length(seen.items.max(1));
        bar.set_position(seen.items_done.min(seen.items));
        bar.set_message(line(seen, bar.elapsed()));
    }

    pub fn end(&self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}

/// The figures beside the bar.
fn line(seen: &Seen, elapsed: Duration) -> String {
    let seconds = elapsed.as_secs_f64().max(0.001);
    let rate = seen.items_done as f64 / seconds;
    let mut line = format!(
        "{} of {}, {}, {:.0}/s, {}/s",
        output::count(seen.items_done),
        output::of(seen.items, "item"),
        HumanBytes(seen.bytes),
        rate,
        HumanBytes((seen.bytes as f64 / seconds) as u64),
    );
    let left = seen.items.saturating_sub(seen.items_done);
    if rate > 0.0 && left > 0 {
        let left = Duration::from_secs_f64((left as f64 / rate).min(1e9));
        line.push_str(&format!(", {left:#} left", left = HumanDuration(left)));
    }
    if seen.resources > 1 {
        let (done, all) = (seen.resources_done, seen.resources);
        line.push_str(&format!(", {done} of {}", output::of(all, "mailbox")));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_tells_rate_and_time_left() {
        let seen = Seen {
            resources: 3,
            resources_done: 1,
            items: 300,
            items_done: 100,
            bytes: 10 * 1024 * 1024,
        };
        assert_eq!(
            line(&seen, Duration::from_secs(10)),
            "100 of 300 items, 10.00 MiB, 10/s, 1.00 MiB/s, 20s left, 1 of 3 mailboxes"
        );
        assert!(!line(&Seen::default(), Duration::ZERO).contains("left"));
    }
}
