//! Which crate may know which: the table in `ARCHITECTURE.md`.

use cargo_metadata::{DependencyKind, Metadata};

/// Levels of our crates. A crate may use those on lower levels, never one on its own.
const LEVELS: [(&str, u32); 11] = [
    ("holdfast-model", 0),
    ("holdfast-policy", 1),
    ("holdfast-graph", 2),
    ("holdfast-vault", 2),
    ("holdfast-catalog", 2),
    ("holdfast-search", 2),
    ("holdfast-workloads", 3),
    ("holdfast-engine", 4),
    ("holdfast-jobs", 5),
    ("holdfast-server", 6),
    ("holdfast-cli", 7),
];

/// The simulated tenant knows none of ours, so that a misreading of Graph is not shared.
const SIM: &str = "holdfast-sim";
const MAY_USE_SIM: [&str; 2] = ["holdfast-cli", TESTKIT];

/// Only for tests and automation: knows everything but the binary.
const TESTKIT: &str = "holdfast-testkit";
const XTASK: &str = "xtask";

/// The fake object stores know none of ours and serve tests only.
const LOCKSTORE: &str = "holdfast-lockstore";

/// PostgreSQL for tests knows none of ours either.
const PGTEST: &str = "holdfast-pgtest";

/// Lower crates that a crate must not know though its level would allow it.
const MUST_NOT_KNOW: [(&str, &str); 5] = [
    ("holdfast-workloads", "holdfast-vault"),
    ("holdfast-workloads", "holdfast-catalog"),
    ("holdfast-workloads", "holdfast-search"),
    ("holdfast-server", "holdfast-graph"),
    ("holdfast-search", "holdfast-policy"),
];

/// Libraries that only one crate names.
const ONE_ROOM: [(&str, &str); 3] = [
    ("rustic_core", "holdfast-vault"),
    ("sqlx", "holdfast-catalog"),
    ("tantivy", "holdfast-search"),
];

/// One of our packages and what it names.
pub(crate) struct Package {
    name: String,
    dependencies: Vec<Dependency>,
}

struct Dependency {
    name: String,
    for_tests: bool,
}

/// The packages of the workspace.
pub(crate) fn packages(metadata: &Metadata) -> Vec<Package> {
    let dependency = |dependency: &cargo_metadata::Dependency| Dependency {
        name: dependency.name.clone(),
        for_tests: dependency.kind == DependencyKind::Development,
    };
    metadata
        .workspace_packages()
        .into_iter()
        .map(|package| Package {
            name: package.name.to_string(),
            dependencies: package.dependencies.iter().map(dependency).collect(),
        })
        .collect()
}

pub(crate) fn faults(packages: &[Package]) -> Vec<String> {
    let mut faults = Vec::new();
    for package in packages {
        if level(&package.name).is_none()
            && ![SIM, TESTKIT, XTASK, LOCKSTORE, PGTEST].contains(&&*package.name)
        {
            faults.push(format!("{} is not in the table of levels (xtask)", package.name));
        }
        for dependency in &package.dependencies {
            if let Some(reason) = forbidden(&package.name, dependency) {
                faults.push(format!("{} uses {}: {reason}", package.name, dependency.name));
            }
        }
    }
    faults
}

fn forbidden(user: &str, dependency: &Dependency) -> Option<&'static str> {
    let used = dependency.name.as_str();
    if ONE_ROOM.iter().any(|&(library, room)| library == used && room != user) {
        return Some("another crate is the only one that names it");
    }
    if !is_ours(used) {
        return None;
    }
    if [SIM, LOCKSTORE, PGTEST].contains(&user) {
        return Some("a simulated service knows none of ours");
    }
    if [LOCKSTORE, PGTEST].contains(&used) {
        let allowed = dependency.for_tests || [TESTKIT, XTASK].contains(&user);
        return (!allowed).then_some("it is for tests");
    }
    if used == SIM {
        return (!MAY_USE_SIM.contains(&user)).then_some("only cli and testkit use sim");
    }
    if used == TESTKIT {
        return (user != XTASK && !dependency.for_tests).then_some("testkit is for tests");
    }
    if MUST_NOT_KNOW.contains(&(user, used)) {
        return Some("it must not know this crate");
    }
    match (level(user), level(used)) {
        (Some(user), Some(used)) if used < user => None,
        (None, Some(_)) if used != "holdfast-cli" => None,
        _ => Some("a crate uses lower levels only, never its own or a higher one"),
    }
}

fn is_ours(name: &str) -> bool {
    name.starts_with("holdfast-") || name == XTASK
}

fn level(name: &str) -> Option<u32> {
    LEVELS.iter().find(|(known, _)| *known == name).map(|(_, level)| *level)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(user: &str, used: &str, for_tests: bool) -> Option<&'static str> {
        forbidden(user, &Dependency { name: used.into(), for_tests })
    }

    #[test]
    fn lower_levels_are_allowed() {
        for (user, used) in [
            ("holdfast-graph", "holdfast-model"),
            ("holdfast-engine", "holdfast-workloads"),
            ("holdfast-cli", "holdfast-sim"),
            ("holdfast-testkit", "holdfast-sim"),
            ("holdfast-testkit", "holdfast-engine"),
            ("holdfast-vault", "rustic_core"),
            ("xtask", "holdfast-testkit"),
            ("holdfast-graph", "serde"),
        ] {
            assert_eq!(reason(user, used, false), None, "{user} -> {used}");
        }
        assert_eq!(reason("holdfast-engine", "holdfast-testkit", true), None);
        assert_eq!(reason("holdfast-vault", "holdfast-lockstore", true), None);
        assert_eq!(reason("holdfast-catalog", "holdfast-pgtest", true), None);
    }

    #[test]
    fn siblings_higher_levels_and_private_rooms_are_not() {
        for (user, used) in [
            ("holdfast-graph", "holdfast-vault"),
            ("holdfast-catalog", "holdfast-graph"),
            ("holdfast-model", "holdfast-graph"),
            ("holdfast-engine", "holdfast-cli"),
            ("holdfast-testkit", "holdfast-cli"),
            ("holdfast-workloads", "holdfast-vault"),
            ("holdfast-sim", "holdfast-model"),
            ("holdfast-engine", "holdfast-sim"),
            ("xtask", "holdfast-sim"),
            ("holdfast-engine", "rustic_core"),
            ("holdfast-cli", "sqlx"),
            ("holdfast-engine", "holdfast-testkit"),
            ("holdfast-graph", "xtask"),
            ("holdfast-lockstore", "holdfast-model"),
            ("holdfast-vault", "holdfast-lockstore"),
            ("holdfast-catalog", "holdfast-pgtest"),
        ] {
            assert!(reason(user, used, false).is_some(), "{user} -> {used}");
        }
        // Tests are no way around it.
        assert!(reason("holdfast-graph", "holdfast-vault", true).is_some());
        assert!(reason("holdfast-sim", "holdfast-graph", true).is_some());
    }

    #[test]
    fn a_crate_outside_the_table_is_a_fault() {
        let stranger = Package { name: "holdfast-utils".into(), dependencies: Vec::new() };
        assert_eq!(faults(&[stranger]).len(), 1);
    }
}
