//! A connection beside the tested program, to be in its way.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// What `psql` prints when a statement is done.
const DONE: &str = "-- done --";

/// A connection that keeps its transaction, and with it its locks, from one call to the next.
/// Dropped, it gives them up.
#[derive(Debug)]
pub struct Session {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
}

impl Session {
    pub(crate) fn open(url: &str) -> Self {
        let mut child = Command::new("psql")
            .args(["--no-psqlrc", "--quiet", "--no-align", "--tuples-only", "--dbname", url])
            .args(["--set", "ON_ERROR_STOP=1"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        Self { stdin: child.stdin.take(), child, stdout }
    }

    /// Runs statements and waits for their end; gives their rows.
    ///
    /// # Panics
    /// When one of them fails.
    pub fn run(&mut self, statements: &str) -> Vec<String> {
        let stdin = self.stdin.as_mut().unwrap();
        writeln!(stdin, "{statements};\n\\echo {DONE}").unwrap();
        stdin.flush().unwrap();
        let mut rows = Vec::new();
        for line in self.stdout.by_ref().lines().map(Result::unwrap) {
            if line == DONE {
                return rows;
            }
            rows.push(line);
        }
        panic!("psql ended at: {statements}");
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.stdin = None;
        let _ = self.child.wait();
    }
}
