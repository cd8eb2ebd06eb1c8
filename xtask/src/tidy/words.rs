//! Words that have no place in the repository: notes to ourselves, tests that do not run, waits by
//! the clock, paths of somebody's machine.

use super::files::TextFile;

struct Rule {
    /// In two parts, so that this file does not break the rule.
    word: [&'static str; 2],
    only_rust: bool,
    reason: &'static str,
}

const RULES: [Rule; 8] = [
    Rule { word: ["TO", "DO"], only_rust: false, reason: "build it or list it as missing" },
    Rule { word: ["FIX", "ME"], only_rust: false, reason: "build it or list it as missing" },
    Rule { word: ["#[ign", "ore"], only_rust: true, reason: "a test runs or is removed" },
    Rule { word: ["thread::", "sleep"], only_rust: true, reason: "wait for a condition" },
    Rule { word: ["/wo", "rk/"], only_rust: false, reason: "a path of one machine" },
    Rule { word: ["/ro", "ot/"], only_rust: false, reason: "a path of one machine" },
    Rule { word: ["/ho", "me/"], only_rust: false, reason: "a path of one machine" },
    Rule { word: ["artif", "actory"], only_rust: false, reason: "a host of one network" },
];

pub(crate) fn faults(files: &[TextFile]) -> Vec<String> {
    let mut faults = Vec::new();
    for file in files {
        for (number, line) in file.text.lines().enumerate() {
            for rule in &RULES {
                let word = rule.word.concat();
                if (!rule.only_rust || file.has_extension("rs")) && has_word(line, &word) {
                    let number = number + 1;
                    faults.push(format!("{}:{number}: {word}: {}", file.path, rule.reason));
                }
            }
        }
    }
    faults
}

/// True when `word` stands in the line by itself: not inside a longer word or path.
fn has_word(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let goes_on = line[at + word.len()..].starts_with(char::is_alphanumeric);
        let is_inside = line[..at].ends_with(|c: char| c.is_alphanumeric() || ".}".contains(c));
        !is_inside && (word.ends_with('/') || !goes_on)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, text: String) -> Vec<String> {
        faults(&[TextFile { path: path.into(), text }])
    }

    #[test]
    fn every_rule_finds_its_word() {
        for rule in &RULES {
            let word = rule.word.concat();
            let found = check("src/a.rs", format!("fine\n  x {word} y\n"));
            assert_eq!(found, [format!("src/a.rs:2: {word}: {}", rule.reason)]);
            let elsewhere = check("a.md", format!("({word})"));
            assert_eq!(elsewhere.len(), usize::from(!rule.only_rust), "{word}");
        }
    }

    #[test]
    fn parts_of_words_and_of_other_paths_are_fine() {
        for start in ["graph.example", ".", "crates", "masto", "drives/{drive}"] {
            for rule in &RULES {
                let text = format!("{start}{}n", rule.word.concat());
                assert_eq!(check("a.md", text.clone()), [""; 0], "{text}");
            }
        }
    }
}
