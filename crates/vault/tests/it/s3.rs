//! Vaults on S3: the suite of all stores, the vault's work, faults by seed. The server is our own
//! strict fake.

mod scripted;

use std::collections::BTreeMap;
use std::process::Command;
use std::time::Duration;

use bytes::Bytes;
use holdfast_lockstore::s3::{self, Bucket, Role, Running};
use holdfast_lockstore::{Fault, Rule};
use holdfast_vault::{
    Bandwidth, Creation, Credentials, Error, ErrorKind, Location, LockMode, LockPolicy, Pause,
    Rights, Store, StoreOptions, open_for_maintenance, open_store, probe,
};
use std::sync::{Arc, Mutex};

use super::stores::{conforms, content, fill, try_fill};
use super::*;

/// A fake with a bucket, and how to open a vault in it.
pub struct S3 {
    pub server: Running,
    pub options: StoreOptions,
    pub waited: Arc<Mutex<Vec<Duration>>>,
}

pub const BUCKET: &str = "bucket";

pub fn credentials(role: Role) -> Credentials {
    let credential = s3::Credential::of(role);
    let text = format!(
        "AWS_ACCESS_KEY_ID={}\nAWS_SECRET_ACCESS_KEY={}\n",
        credential.access_key, credential.secret_key
    );
    Credentials::parse(&Secret::new(text)).unwrap()
}

impl S3 {
    pub fn new(bucket: Bucket) -> Self {
        Self::with(s3::Options::new([bucket]))
    }

    pub fn with(options: s3::Options) -> Self {
        let waited = Arc::new(Mutex::new(Vec::new()));
        let options_of_store = StoreOptions {
            credentials: Some(credentials(Role::Maintenance)),
            part_size: 5 << 20,
            stall_timeout: Duration::from_secs(60),
            pause: {
                let waited = Arc::clone(&waited);
                Pause::new(move |pause| {
                    waited.lock().unwrap().push(pause);
                    async {}
                })
            },
            ..StoreOptions::default()
        };
        Self { server: s3::start(options).unwrap(), options: options_of_store, waited }
    }

    pub fn location(&self) -> Location {
        let endpoint = self.server.endpoint();
        format!("s3://{BUCKET}/some/vault?endpoint={endpoint}").parse().unwrap()
    }

    pub fn open(&self) -> Arc<dyn Store> {
        open_store(&self.location(), &self.options, Clock::system()).unwrap()
    }

    pub fn waited(&self) -> Duration {
        self.waited.lock().unwrap().iter().sum()
    }

    /// A vault with one shard.
    pub fn vault(&self, clock: &Clock) -> (Vault, VaultSecret) {
        let store = open_store(&self.location(), &self.options, clock.clone()).unwrap();
        let (vault, secret) = Vault::create_in(store, &passphrase(), clock.clone()).unwrap();
        vault.create_shard(SHARD).unwrap();
        (vault, secret)
    }
}

#[test]
fn s3_conforms() {
    for bucket in [Bucket::plain(BUCKET), Bucket::versioned(BUCKET)] {
        let at = S3::with(s3::Options::new([bucket]).page(7));
        conforms(&*at.open());
        assert_eq!(at.server.uploads(), 0, "an upload was neither completed nor aborted");
        assert_eq!(at.waited(), Duration::ZERO);
    }
}

#[test]
fn a_write_costs_a_request_and_one_to_make_sure() {
    let mut at = S3::new(Bucket::plain(BUCKET));
    let put = |at: &S3, key: &str| at.open().create(key, &[Bytes::from("content")]).unwrap();
    put(&at, "a");
    let requests = at.server.faults().requests();
    assert_eq!(requests, BTreeMap::from([("HeadObject".into(), 1), ("PutObject".into(), 1)]));
    at.options.verify_writes = false;
    put(&at, "b");
    assert_eq!(at.server.faults().count("HeadObject"), 1);
    assert_eq!(at.server.faults().count("PutObject"), 2);
}

/// Every fault that passes, at every operation.
#[test]
fn passing_faults_are_overcome() {
    let faults = [
        Fault::Status(500),
        Fault::Status(503),
        Fault::Status(429),
        Fault::CloseRequest(0),
        Fault::CloseRequest(3),
        Fault::Hang,
        Fault::AnswerLost,
        Fault::CutAnswer(0),
        Fault::CutAnswer(4),
    ];
    for fault in faults {
        let mut at = S3::new(Bucket::versioned(BUCKET));
        if fault == Fault::Hang {
            at.options.stall_timeout = Duration::from_secs(1);
        }
        let store = at.open();
        let strike = || {
            at.server.faults().clear();
            at.server.faults().add(Rule::new(fault).times(2));
        };
        let content = [Bytes::from_static(b"content"), Bytes::from_static(b" of a file")];
        strike();
        assert_eq!(store.create("k", &content).unwrap(), Creation::Made, "{fault:?}");
        assert_eq!(at.server.versions(BUCKET, "some/vault/k").len(), 1, "{fault:?}");
        strike();
        assert_eq!(store.get("k").unwrap().unwrap(), "content of a file", "{fault:?}");
        strike();
        assert_eq!(store.get_range("k", 8, 2).unwrap().unwrap(), "of", "{fault:?}");
        strike();
        assert_eq!(store.list("").unwrap().len(), 1, "{fault:?}");
        strike();
        let large = Bytes::from(random_bytes(1, 6 << 20));
        assert_eq!(
            store.create("large", std::slice::from_ref(&large)).unwrap(),
            Creation::Made,
            "{fault:?}"
        );
        at.server.faults().clear();
        assert!(store.get("large").unwrap().unwrap() == large, "{fault:?}");
        strike();
        store.remove("k").unwrap();
        at.server.faults().clear();
        assert_eq!(store.get("k").unwrap(), None, "{fault:?}");
        // An upload whose id was lost with the answer can only be left to the bucket's own rules.
        if !matches!(fault, Fault::AnswerLost | Fault::CutAnswer(_)) {
            assert_eq!(at.server.uploads(), 0, "{fault:?}");
        }
    }
}

#[test]
fn a_confirmation_that_was_lost_is_no_other_writer() {
    let at = S3::new(Bucket::plain(BUCKET));
    let store = at.open();
    let lose =
        || at.server.faults().add(Rule::new(Fault::AnswerLost).operation("PutObject").times(1));
    lose();
    assert_eq!(store.create("mine", &[Bytes::from("a")]).unwrap(), Creation::Made);
    assert_eq!(store.create("theirs", &[Bytes::from("b")]).unwrap(), Creation::Made);
    lose();
    assert_eq!(store.create("theirs", &[Bytes::from("a")]).unwrap(), Creation::Exists);
    assert_eq!(store.get("theirs").unwrap().unwrap(), "b");
}

/// Here the store keeps no checksum of the whole: parts of a large file.
#[test]
fn a_doubtful_upload_is_compared_and_a_lost_one_is_an_error() {
    let at = S3::new(Bucket::plain(BUCKET));
    let store = at.open();
    let large = |seed| Bytes::from(random_bytes(seed, 6 << 20));
    let put = |seed| store.create("k", &[large(seed)]);
    let strike = |status| {
        let rule = Rule::new(Fault::Status(status)).operation("CompleteMultipartUpload");
        at.server.faults().add(rule.times(1));
    };
    // Broken, and then the upload is unknown: nothing is there.
    strike(500);
    strike(404);
    assert_eq!(put(1).unwrap_err().kind(), ErrorKind::Io);
    assert_eq!(store.get("k").unwrap(), None);
    assert_eq!(put(1).unwrap(), Creation::Made);
    for (seed, expected) in [(2, Creation::Exists), (1, Creation::Made)] {
        strike(500);
        assert_eq!(put(seed).unwrap(), expected);
        assert!(store.get("k").unwrap().unwrap() == large(1));
    }
}

#[test]
fn a_lie_about_a_write_is_found_and_mended() {
    for lie in [Fault::LieNothing, Fault::LieHalf] {
        for size in [1_000, 6 << 20] {
            let at = S3::new(Bucket::plain(BUCKET));
            let content = Bytes::from(random_bytes(5, size));
            for operation in ["PutObject", "CompleteMultipartUpload"] {
                at.server.faults().add(Rule::new(lie).operation(operation).times(1));
            }
            let made = at.open().create("k", std::slice::from_ref(&content)).unwrap();
            assert_eq!((made, at.server.faults().struck()), (Creation::Made, 1), "{lie:?}");
            at.server.faults().clear();
            assert!(at.open().get("k").unwrap().unwrap() == content, "{lie:?} {size}");
        }
    }
    let at = S3::new(Bucket::plain(BUCKET));
    at.server.faults().add(Rule::new(Fault::LieNothing).operation("PutObject"));
    let err = at.open().create("k", &[Bytes::from("x")]).unwrap_err();
    assert_eq!(err.kind(), ErrorKind::Io, "{err:?}");
}

#[test]
fn what_does_not_pass_is_given_up() {
    let at = S3::new(Bucket::plain(BUCKET));
    at.server.faults().add(Rule::new(Fault::Status(503)));
    let err = at.open().get("k").unwrap_err();
    assert_eq!(err.kind(), ErrorKind::Io);
    assert_eq!(at.server.faults().count("GetObject"), 8);
    let waited = at.waited.lock().unwrap().clone();
    assert_eq!(waited.len(), 7);
    assert!(at.waited() > Duration::from_secs(3), "{waited:?}");
    let text = format!("{:?}", std::error::Error::source(&err).unwrap());
    assert!(text.contains("503"), "{text}");
}

#[test]
fn rights_that_are_missing_are_named() {
    let mut at = S3::new(Bucket::plain(BUCKET));
    let put = |at: &S3| at.open().create("k", &[Bytes::from("x")]);
    at.options.credentials = Some(credentials(Role::Reader));
    assert!(matches!(put(&at), Err(Error::Denied { action: "write", .. })));
    at.options.credentials = Some(credentials(Role::Writer));
    assert_eq!(put(&at).unwrap(), Creation::Made);
    let store = at.open();
    assert!(store.can_remove(), "nobody knows yet");
    assert!(matches!(store.remove("k"), Err(Error::Denied { action: "remove", .. })));
    assert!(!store.can_remove(), "now it is known");
    at.options.maintenance = Some(credentials(Role::Maintenance));
    assert!(!at.open().can_remove());
    let maintenance = open_for_maintenance(&at.location(), &at.options, Clock::system()).unwrap();
    at.server.faults().add(Rule::new(Fault::Status(403)).operation("DeleteObject").times(1));
    assert!(matches!(maintenance.remove("k"), Err(Error::Denied { .. })));
    assert!(maintenance.can_remove(), "one file was refused, not the credentials");
    let requests = at.server.faults().requests();
    assert!(matches!(at.open().remove("k"), Err(Error::Denied { .. })));
    assert_eq!(at.server.faults().requests(), requests, "it was refused here");
    let open = open_for_maintenance(&at.location(), &at.options, Clock::system());
    open.unwrap().remove("k").unwrap();
    assert_eq!(at.open().get("k").unwrap(), None);

    let wrong = "AWS_ACCESS_KEY_ID=AKIA\nAWS_SECRET_ACCESS_KEY=hunter2\n";
    at.options.credentials = Some(Credentials::parse(&Secret::new(wrong)).unwrap());
    let err = at.open().get("k").unwrap_err();
    assert_eq!(err.kind(), ErrorKind::Denied);
    assert!(!format!("{err:?}").contains("hunter2"));
}

#[test]
fn a_bucket_that_is_not_there_is_no_empty_one() {
    let at = S3::new(Bucket::plain("another"));
    assert!(at.open().list("").is_err());
    assert!(at.open().get("k").is_err());
    assert!(at.open().create("k", &[Bytes::from("x")]).is_err());
}

#[test]
fn transfers_keep_to_the_limit() {
    let mut at = S3::new(Bucket::plain(BUCKET));
    at.options.bandwidth = Bandwidth { up: Some(100_000), down: Some(200_000) };
    let store = at.open();
    store.create("k", &[Bytes::from(vec![7; 1_000_000])]).unwrap();
    // A second's bytes are free; what the test itself takes is not waited for again.
    assert!(at.waited() >= Duration::from_secs(20), "{:?}", at.waited());
    at.waited.lock().unwrap().clear();
    store.get("k").unwrap();
    assert!(at.waited() >= Duration::from_secs(5), "{:?}", at.waited());
}

#[test]
fn a_vault_lives_in_a_bucket() {
    let at = S3::with(s3::Options::new([Bucket::versioned(BUCKET)]).page(5));
    let clock = Clock::manual(time(0));
    let (vault, secret) = at.vault(&clock);
    let mut expected = fill(&vault, 1);
    expected.extend(fill(&vault, 2));
    let again = Vault::open_in(at.open(), secret, clock.clone()).unwrap();
    assert!(Vault::unlock_in(&*at.open(), &passphrase()).is_ok());
    assert!(content(&again) == expected);
    assert_eq!(again.shard_ids().unwrap(), [SHARD]);
    let report = again.shard(SHARD).unwrap().check(true).unwrap();
    assert_eq!((report.errors.len(), report.snapshots), (0, 2));

    let (one, two) = (vault.control().unwrap(), again.control().unwrap());
    one.save(&[("a".into(), Some(b"1".to_vec()))]).unwrap();
    two.save(&[("b".into(), Some(b"2".to_vec()))]).unwrap();
    std::thread::scope(|scope| {
        for (control, name) in [(&one, "x"), (&two, "y")] {
            scope.spawn(move || {
                for n in 0..3 {
                    control.save(&[(format!("{name}{n}"), Some(b"3".to_vec()))]).unwrap();
                }
            });
        }
    });
    assert_eq!(one.load().unwrap().len(), 8);
    assert_eq!(one.load().unwrap(), two.load().unwrap());
    judge(&at, &vault, &expected);
}

/// Stock restic reads everything through its own S3 client.
fn judge(at: &S3, vault: &Vault, expected: &BTreeMap<String, Vec<u8>>) {
    if !restic::is_installed() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let password = dir.path().join("password");
    std::fs::write(&password, vault.shard_password(SHARD).expose()).unwrap();
    let reader = s3::Credential::of(Role::Reader);
    let run = |args: &[&str]| {
        Command::new("restic")
            .args(["-r", &vault.shard_location(SHARD), "--no-cache", "--no-lock"])
            .arg("--password-file")
            .arg(&password)
            .env("AWS_ACCESS_KEY_ID", &reader.access_key)
            .env("AWS_SECRET_ACCESS_KEY", &reader.secret_key)
            .env("AWS_DEFAULT_REGION", s3::REGION)
            .args(args)
            .output()
            .unwrap()
    };
    let out = restic::ok(&run(&["check", "--read-data"]));
    assert!(out.contains("no errors were found"), "{out}");
    let target = dir.path().join("restored");
    restic::ok(&run(&["restore", "latest", "--target", target.to_str().unwrap()]));
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(target.join("mail")).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        found.insert(name, std::fs::read(entry.path()).unwrap());
    }
    assert!(found == *expected, "restored bytes differ");
    assert!(at.server.faults().count("GetObject") > 0);
}

/// Faults by chance during backups and saves of intent: what was committed is there, whole, and
/// the next run succeeds.
#[test]
fn faults_by_seed_lose_nothing() {
    for seed in 0..4 {
        println!("seed {seed}");
        let at = S3::with(s3::Options::new([Bucket::plain(BUCKET)]).seed(seed));
        let clock = Clock::manual(time(0));
        let (vault, secret) = at.vault(&clock);
        let mut expected = fill(&vault, 1);
        let faults = [
            (Fault::Status(500), 0.05),
            (Fault::Status(503), 0.05),
            (Fault::Status(429), 0.05),
            (Fault::CloseRequest(100), 0.05),
            (Fault::AnswerLost, 0.05),
            (Fault::CutAnswer(10), 0.05),
        ];
        for (fault, chance) in faults {
            at.server.faults().add(Rule::new(fault).chance(chance));
        }
        for lie in [Fault::LieNothing, Fault::LieHalf] {
            at.server.faults().add(Rule::new(lie).operation("PutObject").chance(0.1));
        }
        at.server.faults().add(Rule::new(Fault::StaleList(3)).key("*control/heads*"));
        let control = vault.control().unwrap();
        for seq in 2..4 {
            expected.extend(fill(&vault, seq));
            control.save(&[(format!("intent/{seq}"), Some(b"x".to_vec()))]).unwrap();
        }
        assert!(at.server.faults().struck() > 10);
        at.server.faults().clear();
        let again = Vault::open_in(at.open(), secret, clock).unwrap();
        assert!(content(&again) == expected, "seed {seed}");
        assert_eq!(again.control().unwrap().load().unwrap().len(), 2);
        let report = again.shard(SHARD).unwrap().check(true).unwrap();
        assert_eq!((report.errors, report.snapshots), (vec![], 3), "seed {seed}");
        expected.extend(fill(&again, 4));
        assert!(content(&again) == expected);
    }
}

/// A store that is away in the middle of a run: the run fails, nothing that was committed is lost.
#[test]
fn an_outage_fails_the_run_and_nothing_else() {
    for after in [0, 2, 5, 9] {
        let mut at = S3::new(Bucket::plain(BUCKET));
        at.options.attempts = 2;
        let clock = Clock::manual(time(0));
        let (vault, secret) = at.vault(&clock);
        let expected = fill(&vault, 1);
        at.server.faults().add(Rule::new(Fault::Status(500)).after(after));
        let failed = try_fill(&vault, 2).is_err();
        at.server.faults().clear();
        let again = Vault::open_in(at.open(), secret, clock).unwrap();
        let report = again.shard(SHARD).unwrap().check(true).unwrap();
        assert_eq!(report.errors, Vec::<String>::new(), "after {after}");
        if failed {
            assert!(content(&again) == expected, "after {after}");
        }
        let later = fill(&again, 3);
        let found = content(&again);
        assert!(expected.iter().chain(&later).all(|(name, bytes)| found.get(name) == Some(bytes)));
    }
}

#[test]
fn a_store_is_tried_before_it_is_trusted() {
    let mut at = S3::new(Bucket::locked(BUCKET));
    let try_it = |at: &S3| probe(&at.location(), &at.options, Clock::system());
    let rights =
        |writer_removes, maintenance_removes| Rights { writer_removes, maintenance_removes };
    assert_eq!(try_it(&at).unwrap(), rights(true, None));
    at.options.maintenance = Some(credentials(Role::Maintenance));
    at.options.credentials = Some(credentials(Role::Writer));
    assert_eq!(try_it(&at).unwrap(), rights(false, Some(true)));
    let period = jiff::SignedDuration::from_hours(24 * 7);
    at.options.lock = Some(LockPolicy { mode: LockMode::Governance, period });
    assert_eq!(try_it(&at).unwrap(), rights(false, Some(true)));
    at.options.credentials = Some(credentials(Role::Reader));
    assert!(matches!(try_it(&at), Err(Error::Denied { .. })));

    let mut plain = S3::new(Bucket::plain(BUCKET));
    plain.options.lock = at.options.lock;
    assert!(try_it(&plain).is_err(), "this bucket locks nothing");
}
