//! Vaults on Azure: the suite of all stores, the vault's work, faults, locks. The server is our own
//! strict fake.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use holdfast_lockstore::azure::{self, ContainerOptions, Running};
use holdfast_lockstore::{Clock as ServerClock, Fault, Rule};
use holdfast_vault::{
    Creation, Credentials, Error, ErrorKind, Location, LockMode, LockPolicy, Pause, Rights, Store,
    StoreOptions, open_for_maintenance, open_store, probe,
};
use jiff::SignedDuration;

use super::stores::{conforms, content, fill};
use super::*;

const CONTAINER: &str = "vault";
const DAY: SignedDuration = SignedDuration::from_hours(24);

/// A fake with a container, and how to open a vault in it.
struct Azure {
    server: Running,
    options: StoreOptions,
    waited: Arc<Mutex<Duration>>,
}

impl Azure {
    fn new(options: azure::Options) -> Self {
        let server = azure::start(options).unwrap();
        let waited = Arc::new(Mutex::new(Duration::ZERO));
        let options = StoreOptions {
            credentials: Some(key(&server)),
            part_size: 5 << 20,
            stall_timeout: Duration::from_secs(60),
            pause: {
                let waited = Arc::clone(&waited);
                Pause::new(move |pause| {
                    *waited.lock().unwrap() += pause;
                    async {}
                })
            },
            ..StoreOptions::default()
        };
        Self { server, options, waited }
    }

    /// With locks, and credentials of which the writing ones cannot delete.
    fn locked(clock: &ServerClock, mode: LockMode) -> Self {
        let mut at =
            Self::new(azure::Options { clock: clock.clone(), ..azure::Options::default() });
        at.options.credentials = Some(sas(&at.server.writer(CONTAINER)));
        at.options.maintenance = Some(sas(&at.server.maintenance(CONTAINER)));
        at.options.lock = Some(LockPolicy { mode, period: DAY * 30 });
        at
    }

    fn location(&self) -> Location {
        let (account, endpoint) = (&self.server.account, &self.server.endpoint);
        let text = format!("azblob://{CONTAINER}/some/vault?account={account}&endpoint={endpoint}");
        text.parse().unwrap()
    }

    fn open(&self) -> Arc<dyn Store> {
        open_store(&self.location(), &self.options, Clock::system()).unwrap()
    }

    fn vault(&self, clock: &Clock) -> (Vault, VaultSecret) {
        let store = open_store(&self.location(), &self.options, clock.clone()).unwrap();
        let (vault, secret) = Vault::create_in(store, &passphrase(), clock.clone()).unwrap();
        vault.create_shard(SHARD).unwrap();
        (vault, secret)
    }
}

fn key(server: &Running) -> Credentials {
    let text = format!("AZURE_STORAGE_KEY={}\n", server.key);
    Credentials::parse(&Secret::new(text)).unwrap()
}

fn sas(token: &str) -> Credentials {
    let text = format!("AZURE_STORAGE_SAS_TOKEN={token}\n");
    Credentials::parse(&Secret::new(text)).unwrap()
}

#[test]
fn azure_conforms() {
    let plain = azure::Options {
        versioning: false,
        containers: vec![ContainerOptions::plain(CONTAINER)],
        page: 7,
        ..azure::Options::default()
    };
    for options in [plain, azure::Options { page: 7, ..azure::Options::default() }] {
        let mut at = Azure::new(options);
        conforms(&*at.open());
        assert_eq!(*at.waited.lock().unwrap(), Duration::ZERO);
        at.options.credentials = Some(sas(&at.server.maintenance(CONTAINER)));
        for file in at.open().list("").unwrap() {
            at.open().remove(&file.key).unwrap();
        }
        assert_eq!(at.server.names(CONTAINER), [""; 0], "a version stayed behind");
        conforms(&*at.open());
    }
}

#[test]
fn passing_faults_are_overcome() {
    let faults = [
        Fault::Status(500),
        Fault::Status(503),
        Fault::Status(429),
        Fault::CloseRequest(3),
        Fault::Hang,
        Fault::AnswerLost,
        Fault::CutAnswer(4),
    ];
    for fault in faults {
        let mut at = Azure::new(azure::Options::default());
        if fault == Fault::Hang {
            at.options.stall_timeout = Duration::from_secs(1);
        }
        let store = at.open();
        let strike = || {
            at.server.faults().clear();
            at.server.faults().add(Rule::new(fault).times(2));
        };
        strike();
        let content = [Bytes::from_static(b"content"), Bytes::from_static(b" of a file")];
        assert_eq!(store.create("k", &content).unwrap(), Creation::Made, "{fault:?}");
        strike();
        assert_eq!(store.get("k").unwrap().unwrap(), "content of a file", "{fault:?}");
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
    }
}

#[test]
fn a_lie_about_a_write_is_found_and_mended() {
    for lie in [Fault::LieNothing, Fault::LieHalf] {
        let at = Azure::new(azure::Options::default());
        let content = Bytes::from(random_bytes(5, 1_000));
        at.server.faults().add(Rule::new(lie).operation("Put Blob").times(1));
        assert_eq!(at.open().create("k", std::slice::from_ref(&content)).unwrap(), Creation::Made);
        assert_eq!(at.server.faults().struck(), 1);
        assert!(at.open().get("k").unwrap().unwrap() == content, "{lie:?}");
    }
}

#[test]
fn rights_that_are_missing_are_named() {
    let mut at = Azure::new(azure::Options::default());
    at.options.credentials = Some(sas(&at.server.reader(CONTAINER)));
    let put = |at: &Azure| at.open().create("k", &[Bytes::from("x")]);
    assert!(matches!(put(&at), Err(Error::Denied { action: "write", .. })));
    at.options.credentials = Some(sas(&at.server.writer(CONTAINER)));
    assert_eq!(put(&at).unwrap(), Creation::Made);
    assert!(matches!(at.open().remove("k"), Err(Error::Denied { .. })));
    let text = "AZURE_STORAGE_KEY=aHVudGVyMg==\n";
    at.options.credentials = Some(Credentials::parse(&Secret::new(text)).unwrap());
    let err = at.open().get("k").unwrap_err();
    assert_eq!(err.kind(), ErrorKind::Denied);
    assert!(!format!("{err:?}").contains("aHVudGVyMg"));
}

#[test]
fn a_store_is_tried_before_it_is_trusted() {
    let at = Azure::locked(&ServerClock::system(), LockMode::Compliance);
    let rights = probe(&at.location(), &at.options, Clock::system()).unwrap();
    assert_eq!(rights, Rights { writer_removes: false, maintenance_removes: Some(true) });
    let plain = azure::Options {
        containers: vec![ContainerOptions::plain(CONTAINER)],
        ..azure::Options::default()
    };
    let mut plain = Azure::new(plain);
    plain.options.lock = at.options.lock;
    assert!(probe(&plain.location(), &plain.options, Clock::system()).is_err());
}

#[test]
fn a_vault_lives_in_a_container_through_faults() {
    for seed in 0..3 {
        println!("seed {seed}");
        let at = Azure::new(azure::Options { seed, ..azure::Options::default() });
        let clock = Clock::manual(time(0));
        let (vault, secret) = at.vault(&clock);
        let mut expected = fill(&vault, 1);
        let faults = [Fault::Status(500), Fault::Status(503), Fault::AnswerLost];
        for fault in faults.into_iter().chain([Fault::CloseRequest(100), Fault::CutAnswer(10)]) {
            at.server.faults().add(Rule::new(fault).chance(0.05));
        }
        at.server.faults().add(Rule::new(Fault::LieHalf).operation("Put Blob").chance(0.1));
        expected.extend(fill(&vault, 2));
        vault.control().unwrap().save(&[("a".into(), Some(b"1".to_vec()))]).unwrap();
        at.server.faults().clear();
        let again = Vault::open_in(at.open(), secret, clock).unwrap();
        assert!(content(&again) == expected, "seed {seed}");
        let report = again.shard(SHARD).unwrap().check(true).unwrap();
        assert_eq!((report.errors, report.snapshots), (vec![], 2));
        assert_eq!(again.control().unwrap().load().unwrap().len(), 1);
    }
}

/// Only locked policies (compliance) keep a writer out: Azure has no right that only prolongs.
#[test]
fn the_vault_is_restored_as_it_was_before_the_attack() {
    let server = ServerClock::manual(time(0));
    let at = Azure::locked(&server, LockMode::Compliance);
    let clock = Clock::manual(time(0));
    let pass = |by: SignedDuration| {
        clock.advance(by);
        server.advance(by);
    };
    let (vault, secret) = at.vault(&clock);
    let expected = fill(&vault, 1);
    // Ids of versions are moments that differ, though the clock stands still.
    let before = clock.now() + SignedDuration::from_secs(1);
    pass(DAY);
    let attacker = StoreOptions { lock: None, maintenance: None, ..at.options.clone() };
    let worse = StoreOptions { credentials: at.options.maintenance.clone(), ..attacker.clone() };
    let store = open_store(&at.location(), &attacker, clock.clone()).unwrap();
    for file in store.list("").unwrap() {
        store.replace(&file.key, &Bytes::from_static(b"garbage")).unwrap();
    }
    let store = open_for_maintenance(&at.location(), &worse, clock.clone()).unwrap();
    for file in store.list("").unwrap().iter().step_by(2) {
        let _ = store.remove(&file.key);
    }
    pass(DAY * 20);
    let store = open_store(&at.location(), &at.options, clock.clone()).unwrap();
    assert!(Vault::open_in(store.clone(), secret.clone(), clock.clone()).is_err());
    let as_of = store.locks().unwrap().as_of(before).unwrap();
    let vault = Vault::open_in(as_of, secret, clock.clone()).unwrap();
    assert!(content(&vault) == expected, "restored bytes differ");
    let report = vault.shard(SHARD).unwrap().check(true).unwrap();
    assert_eq!((report.errors, report.snapshots), (vec![], 1));
}

/// Azure takes an earlier end for an unlocked policy.
#[test]
fn a_later_end_stays_whatever_the_mode() {
    for mode in [LockMode::Governance, LockMode::Compliance] {
        let server = ServerClock::manual(time(0));
        let at = Azure::locked(&server, mode);
        let clock = Clock::manual(time(0));
        let store = open_store(&at.location(), &at.options, clock.clone()).unwrap();
        store.create("k", &[Bytes::from("x")]).unwrap();
        let locks = store.locks().unwrap();
        let version = locks.versions("k").unwrap().pop().unwrap();
        for days in [5, 50, 7] {
            locks.prolong("k", time(0) + DAY * days).unwrap();
            locks.prolong_version("k", &version.id, time(0) + DAY * days).unwrap();
        }
        assert_eq!(locks.locked_until("k").unwrap(), Some(time(0) + DAY * 50), "{mode:?}");
    }
}

#[test]
fn a_deleted_vault_file_is_named() {
    let server = ServerClock::manual(time(0));
    let at = Azure::locked(&server, LockMode::Compliance);
    let clock = Clock::manual(time(0));
    let (vault, _) = at.vault(&clock);
    vault.set_passphrase(&Secret::new("another passphrase")).unwrap();
    assert_eq!(vault.extend_locks().unwrap().unwrap().tampered, [""; 0]);
    let attacker = StoreOptions {
        lock: None,
        credentials: at.options.maintenance.clone(),
        maintenance: None,
        ..at.options.clone()
    };
    let store = open_store(&at.location(), &attacker, clock.clone()).unwrap();
    store.replace("vault.json", &Bytes::from_static(b"garbage")).unwrap();
    assert!(store.remove("vault.json").is_err(), "locked versions stay");
    assert_eq!(store.get("vault.json").unwrap(), None);
    assert_eq!(vault.extend_locks().unwrap().unwrap().tampered, ["vault.json"]);
}

#[test]
fn locks_are_set_prolonged_and_waited_for() {
    let server = ServerClock::manual(time(0));
    let at = Azure::locked(&server, LockMode::Compliance);
    let clock = Clock::manual(time(0));
    let (vault, _) = at.vault(&clock);
    fill(&vault, 1);
    let report = vault.lock_report().unwrap().unwrap();
    assert_eq!((report.unlocked, report.tampered.len()), (0, 0));
    assert_eq!(report.earliest, Some(time(0) + DAY * 40));
    for clocks in [DAY * 11, DAY * 11] {
        clock.advance(clocks);
        server.advance(clocks);
        let extended = vault.extend_locks().unwrap().unwrap();
        assert_eq!(extended.prolonged, extended.files);
        let report = vault.lock_report().unwrap().unwrap();
        assert_eq!(report.earliest, Some(clock.now() + DAY * 40));
    }
    let maintenance = open_for_maintenance(&at.location(), &at.options, clock.clone()).unwrap();
    assert!(matches!(maintenance.remove("vault.json"), Err(Error::Locked { .. })));
    let locks = maintenance.locks().unwrap();
    locks.prolong("vault.json", clock.now() + DAY * 5).unwrap();
    assert!(locks.locked_until("vault.json").unwrap().unwrap() > clock.now() + DAY * 39);
    clock.advance(DAY * 41);
    server.advance(DAY * 41);
    maintenance.remove("vault.json").unwrap();
    assert_eq!(maintenance.get("vault.json").unwrap(), None);
}
