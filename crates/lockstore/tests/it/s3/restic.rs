//! Stock `restic` as client: its S3 backend sends signed chunks and MD5 sums.

use std::path::Path;
use std::process::Command;

use holdfast_lockstore::s3::{Role, Running};

use super::{DEFAULT, PLAIN, start};

fn restic(
    running: &Running,
    bucket: &str,
    role: Role,
    arguments: &[&str],
) -> Result<String, String> {
    let credential = running.credential(role);
    let output = Command::new("restic")
        .args(["--no-cache", "--quiet", "--repo"])
        .arg(format!("s3:{}/{bucket}/repo", running.endpoint()))
        .args(arguments)
        .env("RESTIC_PASSWORD", "test")
        .env("AWS_ACCESS_KEY_ID", credential.access_key)
        .env("AWS_SECRET_ACCESS_KEY", credential.secret_key)
        .env("AWS_DEFAULT_REGION", "us-east-1")
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
}

fn write_files(folder: &Path) {
    for n in 0..20_u8 {
        std::fs::write(folder.join(format!("file{n}")), vec![n; 1000 * usize::from(n)]).unwrap();
    }
}

fn round_trip(bucket: &str) -> (Running, tempfile::TempDir) {
    let (running, folder) = (start(), tempfile::tempdir().unwrap());
    let (source, target) = (folder.path().join("source"), folder.path().join("target"));
    std::fs::create_dir(&source).unwrap();
    write_files(&source);
    let run = |role, arguments: &[&str]| restic(&running, bucket, role, arguments).unwrap();
    run(Role::Maintenance, &["init"]);
    run(Role::Maintenance, &["backup", source.to_str().unwrap()]);
    run(Role::Maintenance, &["check", "--read-data"]);
    run(Role::Maintenance, &["restore", "latest", "--target", target.to_str().unwrap()]);
    let restored = target.join(source.strip_prefix("/").unwrap());
    for n in 0..20_u8 {
        let read = std::fs::read(restored.join(format!("file{n}"))).unwrap();
        assert_eq!(read, vec![n; 1000 * usize::from(n)]);
    }
    (running, folder)
}

#[test]
fn a_repository_in_a_plain_bucket() {
    let (running, _folder) = round_trip(PLAIN);
    assert!(running.objects(PLAIN).iter().any(|object| object.key.starts_with("repo/data/")));
}

#[test]
fn a_repository_in_a_bucket_with_default_retention() {
    let (running, folder) = round_trip(DEFAULT);
    for key in running.keys(DEFAULT) {
        for version in running.versions(DEFAULT, &key) {
            assert!(version.body.is_none() || version.lock.retention.is_some(), "{key}");
        }
    }
    // A flipped bit in a pack is found.
    let objects = running.objects(DEFAULT);
    let pack = objects.iter().find(|object| object.key.starts_with("repo/data/")).unwrap();
    assert!(running.flip_bit(DEFAULT, &pack.key, 8 * 100));
    let check = restic(&running, DEFAULT, Role::Maintenance, &["check", "--read-data"]);
    assert!(check.is_err(), "{check:?}");
    drop(folder);
}
