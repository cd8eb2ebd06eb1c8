//! Mail that breaks rules: shapes and names that a backup must carry all the same.

use rand::Rng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;

use super::file::File;
use super::letter::{Letter, words};

/// Names of files that were made to do harm, or that no file system likes.
const FILE_NAMES: [&str; 10] = [
    "../../../etc/passwd",
    "..\\..\\windows\\win.ini",
    "CON.txt",
    "a/b:c*d?.pdf",
    "invoice\u{202e}fdp.exe",
    "trailing dot.",
    " leading space.txt",
    "ends with space ",
    "tab\there.csv",
    "😀 Ünïcödé ✂.txt",
];

const SUBJECTS: [&str; 7] = [
    "../../secret",
    "C:\\Users\\x | <b>&amp;</b>",
    "\u{202e}desrever si siht",
    "عرض السعر رقم ٧",
    "nul\u{0}inside and \u{7f} and \u{8}",
    "e\u{301}\u{301}\u{301} zalgo \u{36f}\u{36f}",
    "'; DROP TABLE items; --",
];

/// A file with one of the hostile names, one of them 300 characters long.
pub(super) fn file(rng: &mut ChaCha8Rng) -> File {
    let index = rng.random_range(0..=FILE_NAMES.len());
    let name = match FILE_NAMES.get(index) {
        Some(name) => (*name).to_owned(),
        None => format!("{}.txt", "long ".repeat(59)),
    };
    File::new(name, "application/octet-stream", b"nothing to see")
}

/// A hostile subject, one of them 600 characters long.
pub(super) fn subject(rng: &mut ChaCha8Rng) -> String {
    let index = rng.random_range(0..=SUBJECTS.len());
    SUBJECTS.get(index).map_or_else(|| "very long ".repeat(60), |subject| (*subject).to_owned())
}

/// Makes the content of a letter; the header is whole.
type Shape = fn(&Letter) -> Vec<u8>;

const SHAPES: [Shape; 14] = [
    |_| b"\r\n".to_vec(),
    |letter| format!("\n{}", letter.text).into_bytes(),
    |letter| mixed(letter, "--b\r\n\r\nthe closing boundary is missing\r\n"),
    |letter| mixed(letter, "no part at all\r\n"),
    |letter| {
        mixed(
            letter,
            "--b\r\nContent-Type: text/plain\r\n\r\none\r\n--b\r\n\r\ntwo\r\n--b--\r\nafter\r\n",
        )
    },
    |_| nested(12),
    |_| b"Content-Type: text/plain; charset=x-unknown\r\n\r\n\xe4\xf6\xfc\xff\r\n".to_vec(),
    |_| {
        b"Content-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\nSGVsb G8*gd29ybG\r\n"
            .to_vec()
    },
    |_| b"Content-Type: nonsense\r\nContent-Transfer-Encoding: rot13\r\n\r\nUryyb\r\n".to_vec(),
    |_| {
        b"Content-Type: text/plain; format=flowed; delsp=yes\r\n\r\nflowed \r\ntext\r\n-- \r\nsig\r\n".to_vec()
    },
    |_| b"Content-Type: text/plain\r\n\r\nbegin 644 old.txt\r\n#0V%T\r\n`\r\nend\r\n".to_vec(),
    |_| format!("Content-Type: text/html\r\n\r\n<p>{}", "no line end ".repeat(400)).into_bytes(),
    |letter| {
        mixed(
            letter,
            "--b\r\nContent-Type: application/ms-tnef; name=winmail.dat\r\n\
        Content-Transfer-Encoding: base64\r\n\r\neJ8+IgEAAAA=\r\n--b--\r\n",
        )
    },
    |letter| {
        mixed(
            letter,
            "--b\r\nContent-Type: application/octet-stream\r\n\
        Content-Transfer-Encoding: base64\r\n\r\nAAECAw==\r\n--b\r\nContent-Type: text/html\r\n\r\n\
        <p>text after the attachment\r\n--b--\r\n",
        )
    },
];

/// A letter in one of the shapes that readers get wrong.
pub(super) fn message(letter: &Letter, rng: &mut ChaCha8Rng) -> Vec<u8> {
    let shape = SHAPES.choose(rng).expect("there are shapes");
    let mut header = letter.header("utf-8", rng);
    match rng.random_range(0..8) {
        0 => header = without(&header, "Message-ID"),
        1 => header = without(&header, "Subject"),
        2 => header = without(&header, "Date"),
        3 => header = without(&header, "From"),
        4 => header.extend("X-Raw: \u{e4} in UTF-8\r\n".bytes()),
        5 => header.extend(b"X-Raw: \xe4 in Latin-1\r\n"),
        6 => header.extend(format!("X-Long: {}\r\n", "x".repeat(2000)).bytes()),
        _ => {
            let word = words("=?utf-8?Q?twice=20?=ä", "utf-8", false);
            header.extend(format!("X-Word: {word}\r\n").bytes());
        }
    }
    header.extend(shape(letter));
    match rng.random_bool(0.2) {
        // Files moved between systems have lost their CRs.
        true => header.into_iter().filter(|byte| *byte != b'\r').collect(),
        false => header,
    }
}

fn mixed(_letter: &Letter, rest: &str) -> Vec<u8> {
    format!("Content-Type: multipart/mixed; boundary=b\r\n\r\n{rest}").into_bytes()
}

fn nested(depth: usize) -> Vec<u8> {
    let open =
        |level| format!("Content-Type: multipart/mixed; boundary=n{level}\r\n\r\n--n{level}\r\n");
    let close = |level| format!("\r\n--n{level}--\r\n");
    let opened: String = (0..depth).map(open).collect();
    let closed: String = (0..depth).rev().map(close).collect();
    format!("{opened}Content-Type: text/plain\r\n\r\ndeep inside{closed}").into_bytes()
}

/// The header without the field, continuation lines included.
fn without(header: &[u8], name: &str) -> Vec<u8> {
    let mut is_dropped = false;
    let lines = header.split_inclusive(|byte| *byte == b'\n').filter(|line| {
        if !line.starts_with(b" ") && !line.starts_with(b"\t") {
            is_dropped = line.starts_with(name.as_bytes());
        }
        !is_dropped
    });
    lines.collect::<Vec<_>>().concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_dropped_whole() {
        let header = b"A: 1\r\n 2\r\nSubject: x\r\n y\r\n\tz\r\nB: 3\r\n";
        assert_eq!(without(header, "Subject"), b"A: 1\r\n 2\r\nB: 3\r\n");
    }
}
