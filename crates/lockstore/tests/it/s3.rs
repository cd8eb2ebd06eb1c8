//! The S3 half.

mod boto3;
mod client;
mod conformance;
mod faults;
mod object_store;
mod restic;
mod rows;
mod world;

use holdfast_lockstore::s3::{self, Bucket, Credential, Mode, Options, Period, Role, Running};

const PLAIN: &str = "plain";
const VERSIONED: &str = "versioned";
const LOCKED: &str = "locked";
const DEFAULT: &str = "default-retention";

fn options() -> Options {
    let days = Period::Days(30);
    Options::new([
        Bucket::plain(PLAIN),
        Bucket::versioned(VERSIONED),
        Bucket::locked(LOCKED),
        Bucket::locked_by_default(DEFAULT, Mode::Compliance, days),
    ])
}

fn start() -> Running {
    s3::start(options()).unwrap()
}

/// A client of the `object_store` crate with the rights of a role.
fn client(running: &Running, bucket: &str, role: Role) -> ::object_store::aws::AmazonS3 {
    let Credential { access_key, secret_key, .. } = running.credential(role);
    builder(running, bucket)
        .with_access_key_id(access_key)
        .with_secret_access_key(secret_key)
        .build()
        .unwrap()
}

fn builder(running: &Running, bucket: &str) -> ::object_store::aws::AmazonS3Builder {
    let retries = ::object_store::RetryConfig { max_retries: 0, ..Default::default() };
    ::object_store::aws::AmazonS3Builder::new()
        .with_endpoint(running.endpoint())
        .with_allow_http(true)
        .with_region(s3::REGION)
        .with_bucket_name(bucket)
        .with_retry(retries)
}
