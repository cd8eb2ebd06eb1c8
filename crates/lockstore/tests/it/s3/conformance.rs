//! The rules of the table as client calls: against the fake always; against moto where
//! `HOLDFAST_S3_MOTO` names its endpoint (`tests/s3/run` does); against any endpoint that
//! `HOLDFAST_S3_ENDPOINT`, `HOLDFAST_S3_REGION`, `HOLDFAST_S3_ACCESS_KEY` and
//! `HOLDFAST_S3_SECRET_KEY` name. There the suite makes buckets whose names begin with
//! `HOLDFAST_S3_PREFIX` and leaves them, with versions under COMPLIANCE for some minutes.

use std::collections::BTreeSet;
use std::env;
use std::path::Path;

use holdfast_lockstore::s3::rules::table::TABLE;

use super::client::Client;
use super::rows::{self, Test};
use super::world::World;

/// The rules that moto breaks, one on a line with what it does. A rule that it learns to keep makes
/// the test fail, so that this list stays true.
fn moto_is_wrong() -> BTreeSet<String> {
    let list = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/s3/moto_is_wrong.txt");
    let text = std::fs::read_to_string(list).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| Some(line.split_once(':')?.0.to_owned())).collect()
}

#[test]
fn each_rule_has_its_row() {
    let rules: Vec<_> = TABLE.iter().map(|row| row.id).collect();
    let tests: Vec<_> = rows::all().iter().map(|test| test.id).collect();
    let unique: BTreeSet<_> = rules.iter().copied().collect();
    assert_eq!(unique.len(), rules.len(), "a rule stands twice");
    assert_eq!(unique, tests.into_iter().collect());
}

fn in_words(test: &Test, reason: &str) -> String {
    let row = TABLE.iter().find(|row| row.id == test.id).unwrap();
    format!("{}: {reason}\n    rule: {}\n    source: {}\n", row.id, row.rule, row.source)
}

#[tokio::test]
async fn the_fake_keeps_every_rule() {
    let mut broken = String::new();
    for test in rows::all() {
        // Each row has a world of its own: some let time pass.
        if let Err(reason) = (test.run)(&World::fake()).await {
            broken.push_str(&in_words(&test, &reason));
        }
    }
    assert!(broken.is_empty(), "{broken}");
}

async fn run_remote(world: &World) -> (BTreeSet<&'static str>, String) {
    let (mut failed, mut reasons) = (BTreeSet::new(), String::new());
    for test in rows::all().into_iter().filter(|test| !test.only_on_the_fake) {
        if let Err(reason) = (test.run)(world).await {
            failed.insert(test.id);
            reasons.push_str(&in_words(&test, &reason));
        }
    }
    (failed, reasons)
}

#[tokio::test]
async fn moto_keeps_the_rules_but_those_known() {
    let Ok(endpoint) = env::var("HOLDFAST_S3_MOTO") else {
        println!("not run: HOLDFAST_S3_MOTO is not set");
        return;
    };
    let client = Client::new(&endpoint, "us-east-1", "AKIAMOTO", "secret");
    let world = World::remote(client, "moto").await.unwrap();
    let (failed, reasons) = run_remote(&world).await;
    println!("{reasons}");
    let failed: BTreeSet<_> = failed.into_iter().map(str::to_owned).collect();
    assert_eq!(failed, moto_is_wrong());
}

#[tokio::test]
async fn a_real_endpoint_keeps_every_rule() {
    let Ok(endpoint) = env::var("HOLDFAST_S3_ENDPOINT") else {
        println!("not run: HOLDFAST_S3_ENDPOINT is not set");
        return;
    };
    let variable = |name: &str| env::var(format!("HOLDFAST_S3_{name}")).unwrap();
    let (key, secret) = (variable("ACCESS_KEY"), variable("SECRET_KEY"));
    let client = Client::new(&endpoint, &variable("REGION"), &key, &secret);
    let world = World::remote(client, &variable("PREFIX")).await.unwrap();
    let (_, reasons) = run_remote(&world).await;
    assert!(reasons.is_empty(), "{reasons}");
}
