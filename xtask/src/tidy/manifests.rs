//! Manifests: lints and versions come from the workspace, and nothing is named that is not used.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result};
use cargo_metadata::Metadata;
use toml::{Table, Value};

use super::files::TextFile;

/// Keys that every crate takes from the workspace.
const INHERITED: [&str; 5] = ["version", "edition", "rust-version", "license", "publish"];

const DEPENDENCIES: [&str; 3] = ["dependencies", "dev-dependencies", "build-dependencies"];

pub(crate) fn faults(root: &Path, metadata: &Metadata, files: &[TextFile]) -> Result<Vec<String>> {
    let mut faults = Vec::new();
    let mut named = BTreeSet::new();
    for package in metadata.workspace_packages() {
        let path = package.manifest_path.strip_prefix(root).unwrap_or(&package.manifest_path);
        let folder = path.parent().context("a manifest without a folder")?;
        let manifest: Table = toml::from_str(&std::fs::read_to_string(&package.manifest_path)?)
            .with_context(|| format!("cannot read {path}"))?;
        let sources = Sources::of(folder.as_str(), files);
        faults.extend(of_crate(&manifest, &sources).into_iter().map(|f| format!("{path}: {f}")));
        named.extend(dependencies(&manifest).into_iter().map(|found| found.name));
    }
    let workspace: Table = toml::from_str(&std::fs::read_to_string(root.join("Cargo.toml"))?)?;
    faults.extend(unused_in_workspace(&workspace, &named));
    Ok(faults)
}

/// The code of a crate: what it ships, and that plus its tests.
struct Sources {
    shipped: String,
    all: String,
}

impl Sources {
    fn of(folder: &str, files: &[TextFile]) -> Self {
        let mut sources = Self { shipped: String::new(), all: String::new() };
        for file in files.iter().filter(|file| file.has_extension("rs")) {
            let Some(inside) = file.path.strip_prefix(folder) else { continue };
            sources.all += &file.text;
            if inside.starts_with("/src/") || inside == "/build.rs" {
                sources.shipped += &file.text;
            }
        }
        sources
    }
}

struct Dependency {
    name: String,
    for_tests: bool,
    from_workspace: bool,
}

fn dependencies(manifest: &Table) -> Vec<Dependency> {
    let platforms = manifest.get("target").and_then(Value::as_table).into_iter().flatten();
    let tables = std::iter::once(manifest).chain(platforms.filter_map(|(_, v)| v.as_table()));
    let mut found = Vec::new();
    for table in tables {
        for kind in DEPENDENCIES {
            for (name, value) in table.get(kind).and_then(Value::as_table).into_iter().flatten() {
                let inherited = value.get("workspace").and_then(Value::as_bool) == Some(true);
                let for_tests = kind == "dev-dependencies";
                found.push(Dependency { name: name.clone(), for_tests, from_workspace: inherited });
            }
        }
    }
    found
}

fn of_crate(manifest: &Table, sources: &Sources) -> Vec<String> {
    let mut faults = Vec::new();
    let inherits = |table: &str, key: &str| {
        let value = manifest.get(table).and_then(|table| table.get(key));
        value.and_then(|value| value.get("workspace")).and_then(Value::as_bool) == Some(true)
    };
    for key in INHERITED.into_iter().filter(|key| !inherits("package", key)) {
        faults.push(format!("`{key}.workspace = true` is missing"));
    }
    let lints = manifest.get("lints").and_then(|lints| lints.get("workspace"));
    if lints.and_then(Value::as_bool) != Some(true) {
        faults.push("`[lints] workspace = true` is missing".to_owned());
    }
    for dependency in dependencies(manifest) {
        let name = &dependency.name;
        if !dependency.from_workspace {
            faults.push(format!("{name} must be declared in the workspace and inherited"));
        }
        let code = if dependency.for_tests { &sources.all } else { &sources.shipped };
        if !names(code, &name.replace('-', "_")) {
            faults.push(format!("{name} is not used"));
        }
    }
    faults
}

/// True when the code names `word` as a whole word.
fn names(code: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(word).any(|(at, _)| {
        !code[..at].ends_with(is_part) && !code[at + word.len()..].starts_with(is_part)
    })
}

fn unused_in_workspace(workspace: &Table, named: &BTreeSet<String>) -> Vec<String> {
    let declared = workspace.get("workspace").and_then(|table| table.get("dependencies"));
    let declared = declared.and_then(Value::as_table).into_iter().flatten();
    declared
        .filter(|(name, _)| !named.contains(*name) && !name.starts_with("holdfast-"))
        .map(|(name, _)| format!("Cargo.toml: no crate uses {name}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "\
        [package]\nname = 'a'\nversion.workspace = true\nedition.workspace = true\n\
        rust-version.workspace = true\nlicense.workspace = true\npublish.workspace = true\n\
        [lints]\nworkspace = true\n\
        [dependencies]\nserde-json = { workspace = true }\n\
        [dev-dependencies]\nproptest = { workspace = true, features = ['std'] }\n";

    fn check(manifest: &str, shipped: &str, tests: &str) -> Vec<String> {
        let sources = Sources { shipped: shipped.to_owned(), all: format!("{shipped}\n{tests}") };
        of_crate(&toml::from_str(manifest).unwrap(), &sources)
    }

    #[test]
    fn a_good_manifest_has_no_fault() {
        let faults = check(GOOD, "use serde_json::Value;", "proptest! {}");
        assert_eq!(faults, [""; 0]);
    }

    #[test]
    fn what_is_not_inherited_is_found() {
        let code = "serde_json proptest";
        for (from, to) in [
            ("edition.workspace = true", "edition = '2024'"),
            ("[lints]\nworkspace = true", "[lints.rust]"),
            ("serde-json = { workspace = true }", "serde-json = '1'"),
            ("{ workspace = true, features = ['std'] }", "{ path = '../x' }"),
        ] {
            assert_eq!(check(&GOOD.replace(from, to), code, "").len(), 1, "{to}");
        }
        let platform = format!("{GOOD}[target.'cfg(unix)'.dependencies]\nlibc = '1'\n");
        assert_eq!(check(&platform, "serde_json proptest libc", "").len(), 1);
    }

    #[test]
    fn what_is_not_used_is_found() {
        assert_eq!(
            check(GOOD, "my_serde_json serde_jsonx", "proptest"),
            ["serde-json is not used"]
        );
        let in_tests_only = check(GOOD, "", "serde_json proptest");
        assert_eq!(in_tests_only, ["serde-json is not used"]);
        assert_eq!(check(GOOD, "serde_json", ""), ["proptest is not used"]);
    }

    #[test]
    fn an_unused_workspace_dependency_is_found() {
        let workspace: Table =
            toml::from_str("[workspace.dependencies]\na = '1'\nb = '1'\n").unwrap();
        let faults = unused_in_workspace(&workspace, &BTreeSet::from(["a".to_owned()]));
        assert_eq!(faults, ["Cargo.toml: no crate uses b"]);
    }
}
