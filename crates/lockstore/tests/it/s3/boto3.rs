//! Amazon's Python client as judge of the fake, where `HOLDFAST_BOTO3` names a Python that has it
//! (`tests/s3/run` does).

use std::env;
use std::path::Path;
use std::process::Command;

use holdfast_lockstore::s3::Role;

use super::start;

#[test]
fn boto3_understands_the_fake() {
    let Ok(python) = env::var("HOLDFAST_BOTO3") else {
        println!("not run: HOLDFAST_BOTO3 is not set");
        return;
    };
    let running = start();
    let credential = running.credential(Role::Root);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/s3/boto3_check.py");
    let output = Command::new(python)
        .arg(script)
        .env("S3_ENDPOINT", running.endpoint())
        .env("AWS_ACCESS_KEY_ID", credential.access_key)
        .env("AWS_SECRET_ACCESS_KEY", credential.secret_key)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    println!("{said}");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{errors}");
    assert_eq!(said.lines().filter(|line| line.starts_with("ok ")).count(), 21, "{said}");
}
