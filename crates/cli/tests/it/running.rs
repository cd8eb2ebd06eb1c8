//! A program that goes on while the test looks on: what it says is read as it comes, and it can be
//! stopped, woken and killed.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;

/// How long something that must come is waited for.
pub const DEADLINE: Duration = Duration::from_secs(120);

/// What it has said until now, and whether it can say more.
#[derive(Default)]
struct Said {
    lines: Mutex<(Vec<String>, bool)>,
    more: Condvar,
}

/// A running program; killed when it is dropped.
pub struct Running {
    child: Child,
    said: Arc<Said>,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Running {
    pub fn start(command: Command) -> Self {
        Self::start_to(command, Stdio::null())
    }

    /// With its standard output to somewhere.
    pub fn start_to(mut command: Command, out: Stdio) -> Self {
        command.stdout(out);
        Self::listened_to(command)
    }

    /// Starts a program that says on standard output, as one JSON document, how it is reached.
    pub fn told(mut command: Command) -> (Self, Value) {
        command.stdout(Stdio::piped());
        let mut running = Self::listened_to(command);
        let out = BufReader::new(running.child.stdout.take().unwrap());
        let mut text = String::new();
        for line in out.lines() {
            text.push_str(&line.unwrap());
            if let Ok(document) = serde_json::from_str(&text) {
                return (running, document);
            }
        }
        panic!("it said only '{text}': {}", running.log())
    }

    fn listened_to(mut command: Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let (said, err) = (Arc::new(Said::default()), child.stderr.take().unwrap());
        let listener = Arc::clone(&said);
        std::thread::spawn(move || {
            for line in BufReader::new(err).lines() {
                listener.lines.lock().unwrap().0.push(line.unwrap());
                listener.more.notify_all();
            }
            listener.lines.lock().unwrap().1 = true;
            listener.more.notify_all();
        });
        Self { child, said }
    }

    /// How many lines there are.
    pub fn len(&self) -> usize {
        self.said.lines.lock().unwrap().0.len()
    }

    pub fn log(&self) -> String {
        self.said.lines.lock().unwrap().0.join("\n")
    }

    /// Waits for a line from the `from`-th on that holds a text; false where none comes in time.
    pub fn says_within(&self, from: usize, text: &str, time: Duration) -> bool {
        let end = Instant::now() + time;
        let mut lines = self.said.lines.lock().unwrap();
        loop {
            if lines.0.iter().skip(from).any(|line| line.contains(text)) {
                return true;
            }
            let left = end.saturating_duration_since(Instant::now());
            if lines.1 || left.is_zero() {
                return false;
            }
            lines = self.said.more.wait_timeout(lines, left).unwrap().0;
        }
    }

    /// Waits for a line that must come.
    pub fn must_say(&self, text: &str) {
        assert!(self.says_within(0, text, DEADLINE), "no '{text}' in:\n{}", self.log());
    }

    /// Sends a signal: TERM, STOP, CONT.
    pub fn signal(&self, name: &str) {
        let order = format!("kill -{name} {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &order]).status().unwrap().success(), "{order}");
    }

    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits for its end.
    pub fn end(&mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }

    /// Tells it to stop; it must end well.
    pub fn stop(mut self) -> String {
        self.signal("TERM");
        let status = self.end();
        assert!(status.success(), "{status}: {}", self.log());
        // The last lines are on their way.
        let mut lines = self.said.lines.lock().unwrap();
        while !lines.1 {
            lines = self.said.more.wait(lines).unwrap();
        }
        lines.0.join("\n")
    }
}
