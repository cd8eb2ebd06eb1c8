//! Keeps the SQL of this crate to what SQLite and PostgreSQL share.

use std::fs;
use std::path::Path;

/// What one of the two databases does not know or does otherwise.
const FORBIDDEN: [&str; 22] = [
    "?",
    "`",
    "PRAGMA",
    "INSERT OR",
    "REPLACE INTO",
    "AUTOINCREMENT",
    "ROWID",
    "BLOB",
    "BOOLEAN",
    "DATETIME",
    "TIMESTAMP",
    "IFNULL",
    "GLOB",
    " LIKE ",
    "COLLATE",
    "STRFTIME",
    "JULIANDAY",
    "JSON",
    "LAST_INSERT",
    "INTEGER",
    "VARCHAR",
    "ATTACH",
];

fn is_statement(text: &str) -> bool {
    ["SELECT ", "INSERT ", "UPDATE ", "DELETE ", "CREATE ", "ALTER ", "DROP ", "PRAGMA "]
        .iter()
        .any(|verb| text.starts_with(verb))
}

/// The string literals of a Rust source that are statements, in upper case.
fn statements(source: &str) -> Vec<String> {
    let code = source.replace("\\\n", " ");
    code.split('"').map(str::to_uppercase).filter(|text| is_statement(text)).collect()
}

fn without_comments(migration: &str) -> String {
    let code = migration.lines().map(|line| line.split("--").next().unwrap_or_default());
    code.collect::<Vec<_>>().join(" ").to_uppercase()
}

fn faults(statement: &str) -> Vec<&'static str> {
    FORBIDDEN.into_iter().filter(|word| statement.contains(word)).collect()
}

#[test]
fn every_statement_is_portable() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut seen = 0;
    for file in fs::read_dir(root.join("src")).unwrap() {
        let path = file.unwrap().path();
        // Two files are the place for a database's own words, portable.rs lists them.
        if ["sqlite.rs", "postgres.rs", "portable.rs"].iter().any(|name| path.ends_with(name)) {
            continue;
        }
        for statement in statements(&fs::read_to_string(&path).unwrap()) {
            seen += 1;
            assert_eq!(faults(&statement), [""; 0], "{}: {statement}", path.display());
        }
    }
    assert!(seen > 40, "only {seen} statements found: the scan is broken");
    for file in fs::read_dir(root.join("migrations")).unwrap() {
        let path = file.unwrap().path();
        let text = without_comments(&fs::read_to_string(&path).unwrap());
        assert_eq!(faults(&text), [""; 0], "{}", path.display());
    }
}

#[test]
fn values_never_become_part_of_a_statement() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for file in fs::read_dir(root).unwrap() {
        let path = file.unwrap().path();
        let source = fs::read_to_string(&path).unwrap();
        if !path.ends_with("portable.rs") {
            // The collation of columns is put into the texts of our own migrations.
            let asserted = source.contains("AssertSqlSafe") && !path.ends_with("postgres.rs");
            assert!(!asserted, "{}", path.display());
            assert!(!source.contains("QueryBuilder"), "{}", path.display());
        }
    }
}

#[test]
fn the_scan_finds_what_it_should() {
    let found = statements("sql(\"INSERT OR REPLACE INTO a \\\n  VALUES (?)\") + \"no\"");
    assert_eq!(found.len(), 1);
    assert_eq!(faults(&found[0]), ["?", "INSERT OR", "REPLACE INTO"]);
    assert_eq!(faults(&without_comments("a BIGINT, -- JSON\nb BLOB")), ["BLOB"]);
}
