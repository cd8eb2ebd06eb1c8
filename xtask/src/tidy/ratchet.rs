//! Sizes of files and functions. What is too large already stands in `xtask/ratchet.toml` with its
//! size; an entry may only shrink, and goes when it is no longer needed.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::files::TextFile;

/// Lines of a file before its unit tests.
const FILE_LINES: usize = 500;

/// Lines of a function, from `fn` to the closing brace.
const FUNCTION_LINES: usize = 70;

const FILE: &str = "xtask/ratchet.toml";

const HEADER: &str = "# Files and functions above the limits (500 lines before the tests, 70 lines). \
    Entries may only\n# shrink; `cargo xtask tidy --shrink` lowers them.\n\n";

/// Sizes by name: of files by path, of functions by `path::name`.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Sizes {
    #[serde(default)]
    files: BTreeMap<String, usize>,
    #[serde(default)]
    functions: BTreeMap<String, usize>,
}

/// The exceptions that are written down.
pub(crate) fn read(root: &Path) -> Result<Sizes> {
    let text = std::fs::read_to_string(root.join(FILE)).with_context(|| format!("no {FILE}"))?;
    toml::from_str(&text).with_context(|| format!("cannot read {FILE}"))
}

/// What is too large at present.
pub(crate) fn measure(files: &[TextFile]) -> Sizes {
    let mut sizes = Sizes::default();
    for file in files.iter().filter(|file| file.has_extension("rs")) {
        let lines = lines_before_tests(&file.text);
        if lines > FILE_LINES {
            sizes.files.insert(file.path.clone(), lines);
        }
        for (name, lines) in functions(&file.text) {
            if lines > FUNCTION_LINES {
                // Of several functions with one name the longest counts.
                let entry = sizes.functions.entry(format!("{}::{name}", file.path)).or_default();
                *entry = lines.max(*entry);
            }
        }
    }
    sizes
}

pub(crate) fn faults(allowed: &Sizes, found: &Sizes) -> Vec<String> {
    let mut faults = compare(&allowed.files, &found.files, FILE_LINES);
    faults.extend(compare(&allowed.functions, &found.functions, FUNCTION_LINES));
    faults
}

fn compare(
    allowed: &BTreeMap<String, usize>,
    found: &BTreeMap<String, usize>,
    limit: usize,
) -> Vec<String> {
    let mut faults = Vec::new();
    for (name, &lines) in found {
        let most = allowed.get(name).copied().unwrap_or(limit);
        if lines > most {
            faults.push(format!("{name} has {lines} lines, at most {most} are allowed"));
        }
    }
    for (name, &most) in allowed {
        let lines = found.get(name).copied().unwrap_or(limit);
        if lines < most {
            faults.push(format!("{name} has become shorter: run `cargo xtask tidy --shrink`"));
        }
    }
    faults
}

/// Lowers entries to what is found and drops those no longer needed. Never adds or raises one.
pub(crate) fn shrink(root: &Path, files: &[TextFile]) -> Result<()> {
    let found = measure(files);
    let mut allowed = read(root)?;
    lower(&mut allowed.files, &found.files);
    lower(&mut allowed.functions, &found.functions);
    let text = format!("{HEADER}{}", toml::to_string(&allowed)?);
    std::fs::write(root.join(FILE), text).with_context(|| format!("cannot write {FILE}"))
}

fn lower(allowed: &mut BTreeMap<String, usize>, found: &BTreeMap<String, usize>) {
    allowed.retain(|name, _| found.contains_key(name));
    for (name, most) in allowed {
        *most = found[name].min(*most);
    }
}

fn lines_before_tests(source: &str) -> usize {
    let lines: Vec<&str> = source.lines().collect();
    let tests = lines.windows(2).position(|pair| {
        pair[0] == "#[cfg(test)]" && pair[1].starts_with("mod ") && pair[1].ends_with('{')
    });
    tests.unwrap_or(lines.len())
}

/// Names and lengths of all functions. Relies on rustfmt: a function ends at the first line with
/// its own indentation that starts with a closing brace.
fn functions(source: &str) -> Vec<(String, usize)> {
    let lines: Vec<&str> = source.lines().collect();
    let mut found = Vec::new();
    for (start, line) in lines.iter().enumerate() {
        let Some(name) = function_name(line) else { continue };
        let indent = line.len() - line.trim_start().len();
        let end = lines[start..].iter().position(|line| ends_function(line, indent));
        found.push((name.to_owned(), end.map_or(1, |end| end + 1)));
    }
    found
}

fn function_name(line: &str) -> Option<&str> {
    let mut rest = line.trim_start();
    if rest.starts_with("pub(") {
        rest = rest.split_once(") ")?.1;
    }
    while let Some(after) =
        ["pub ", "const ", "async ", "unsafe "].iter().find_map(|word| rest.strip_prefix(word))
    {
        rest = after;
    }
    let name = rest.strip_prefix("fn ")?;
    name.split(['(', '<']).next()
}

/// True for `}` and for the end of a declaration or of a function on one line.
fn ends_function(line: &str, indent: usize) -> bool {
    let is_indented = line.len() > indent && line[..indent].trim().is_empty();
    let Some(rest) = is_indented.then(|| &line[indent..]) else { return false };
    let ends = rest.ends_with(';') || rest.ends_with('}');
    rest.starts_with('}') || (ends && (rest.starts_with(')') || function_name(rest).is_some()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: String) -> TextFile {
        TextFile { path: path.into(), text }
    }

    fn function(name: &str, lines: usize) -> String {
        format!("fn {name}() {{\n{}}}\n", "    call();\n".repeat(lines - 2))
    }

    #[test]
    fn functions_are_measured_to_their_brace() {
        let source = "impl A {\n    pub(crate) async fn one<'a>(\n        a: u8,\n    ) -> u8 {\n        \
            if a {\n        }\n    }\n\n    fn two() {}\n}\n\ntrait B {\n    fn three(\n        \
            a: u8,\n    );\n    fn four(&self);\n}\n";
        let found = functions(source);
        let names: Vec<_> = found.iter().map(|(name, lines)| (name.as_str(), *lines)).collect();
        assert_eq!(names, [("one", 6), ("two", 1), ("three", 3), ("four", 1)]);
    }

    #[test]
    fn limits_are_exact() {
        let long = format!("{}{}", function("fits", 70), function("long", 71));
        let lines = |count: usize, tests: &str| format!("{}{tests}", "//\n".repeat(count));
        let tests = format!("#[cfg(test)]\nmod tests {{\n{}}}\n", "//\n".repeat(300));
        let found = measure(&[
            file("a.rs", long),
            file("b.rs", lines(500, &tests)),
            file("c.rs", lines(501, "")),
            file("d.md", lines(900, "")),
        ]);
        assert_eq!(found.functions, BTreeMap::from([("a.rs::long".to_owned(), 71)]));
        assert_eq!(found.files, BTreeMap::from([("c.rs".to_owned(), 501)]));
    }

    #[test]
    fn exceptions_only_shrink() {
        let sizes = |entries: &[(&str, usize)]| {
            entries.iter().map(|(name, lines)| ((*name).to_owned(), *lines)).collect()
        };
        let allowed: BTreeMap<_, _> =
            sizes(&[("grown", 80), ("same", 80), ("shorter", 80), ("gone", 80)]);
        let found = sizes(&[("grown", 81), ("same", 80), ("shorter", 75), ("new", 71)]);
        let faults = compare(&allowed, &found, FUNCTION_LINES);
        let words: Vec<_> = faults.iter().map(|f| f.split_once(' ').unwrap().0).collect();
        assert_eq!(words, ["grown", "new", "gone", "shorter"]);

        let mut lowered = allowed;
        lower(&mut lowered, &found);
        assert_eq!(lowered, sizes(&[("grown", 80), ("same", 80), ("shorter", 75)]));
    }
}
