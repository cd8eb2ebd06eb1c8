//! What a set of messages consists of: figures of storage mean nothing without it.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use anyhow::Result;
use aws_lc_rs::digest::{SHA256, digest};

use super::files;

/// Bodies below this size are not counted as attachments (nor stored apart by the product).
const BODY_MIN: usize = 16 * 1024;

/// A set of messages in figures.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Mix {
    pub(crate) messages: usize,
    pub(crate) bytes: u64,
    /// Bytes of messages that are equal to one met before: several people have them.
    pub(crate) copies: u64,
    /// Bytes of base64 bodies of 16 KiB or more that stand in at least two different messages.
    pub(crate) shared: u64,
}

impl Mix {
    /// Reads all messages below a folder.
    pub(crate) fn of(dir: &Path) -> Result<Self> {
        let mut count = Count::default();
        for path in files::messages(dir)? {
            count.add(&fs::read(dir.join(path))?);
        }
        Ok(count.finish())
    }

    /// The share of shared attachments in all bytes, in percent.
    pub(crate) fn shared_percent(&self) -> f64 {
        100.0 * self.shared as f64 / self.bytes.max(1) as f64
    }
}

type Hash = Vec<u8>;

#[derive(Default)]
struct Count {
    mix: Mix,
    messages: HashMap<Hash, u64>,
    /// By body: in how many different messages it stands, and its bytes over all messages.
    bodies: HashMap<Hash, (u64, u64)>,
}

impl Count {
    fn add(&mut self, message: &[u8]) {
        let length = message.len() as u64;
        self.mix.messages += 1;
        self.mix.bytes += length;
        let times = self.messages.entry(hash(message)).or_default();
        *times += 1;
        let is_copy = *times > 1;
        if is_copy {
            self.mix.copies += length;
        }
        for body in base64_bodies(message) {
            let (messages, bytes) = self.bodies.entry(hash(body)).or_default();
            *messages += u64::from(!is_copy);
            *bytes += body.len() as u64;
        }
    }

    fn finish(self) -> Mix {
        let shared = self.bodies.values().filter(|(messages, _)| *messages > 1);
        Mix { shared: shared.map(|(_, bytes)| bytes).sum(), ..self.mix }
    }
}

fn hash(bytes: &[u8]) -> Hash {
    digest(&SHA256, bytes).as_ref().to_vec()
}

/// Runs of lines of base64. Enough for mail that the simulated tenant made.
fn base64_bodies(message: &[u8]) -> Vec<&[u8]> {
    let mut found = Vec::new();
    let (mut start, mut at) = (0, 0);
    for line in message.split_inclusive(|byte| *byte == b'\n') {
        let end = at + line.len();
        if !is_base64(line.trim_ascii_end()) {
            found.push(&message[start..at]);
            start = end;
        }
        at = end;
    }
    found.push(&message[start..at]);
    found.retain(|body| body.len() >= BODY_MIN);
    found
}

fn is_base64(line: &[u8]) -> bool {
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/=".contains(byte);
    !line.is_empty() && line.len() <= 76 && line.iter().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(head: &str, fill: &str) -> Vec<u8> {
        let body = format!("{}\r\n", fill.repeat(19)).repeat(300);
        format!("Subject: {head}\r\n\r\n--b\r\n\r\n{body}--b--\r\n").into_bytes()
    }

    #[test]
    fn only_bodies_of_different_messages_are_shared() {
        let mut count = Count::default();
        for (head, fill) in
            [("a", "AAAA"), ("b", "AAAA"), ("b", "AAAA"), ("c", "BBBB"), ("c", "BBBB")]
        {
            count.add(&message(head, fill));
        }
        count.add(b"Subject: short\n\nQUJD\n");
        let length = message("a", "AAAA").len() as u64;
        let mix = count.finish();
        assert_eq!((mix.messages, mix.bytes), (6, 5 * length + 21));
        assert_eq!(mix.copies, 2 * length);
        assert_eq!(mix.shared, 3 * 78 * 300);
    }
}
