//! Faults, and what tests may do behind the interface.

use holdfast_lockstore::azure::rules::{DefaultPolicy, Mode};
use holdfast_lockstore::azure::{ContainerOptions, Options, Running, start};
use holdfast_lockstore::{Fault, Rule};

use super::client::{Client, Identity, listing};

const BLOCK_BLOB: [(&str, &str); 1] = [("x-ms-blob-type", "BlockBlob")];

fn started() -> (Running, Client) {
    let running = start(Options::default()).unwrap();
    let client =
        Client::new(&running.endpoint, &running.account, Identity::Key(running.key.clone()));
    (running, client)
}

fn put(client: &Client, name: &str, body: &[u8]) -> u16 {
    client.send("PUT", &format!("vault/{name}"), &BLOCK_BLOB, body).status
}

fn names(client: &Client) -> Vec<String> {
    let answer = client.send("GET", "vault?restype=container&comp=list", &[], b"");
    listing(&answer).0.into_iter().map(|entry| entry.name).collect()
}

/// Whether a request ends without a whole answer.
fn breaks(client: &Client, method: &str, name: &str) -> bool {
    let request = client.request(
        method,
        &format!("vault/{name}"),
        &BLOCK_BLOB[..usize::from(method == "PUT")],
        b"12345678",
    );
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        match reqwest::Client::new().execute(request).await {
            Ok(answer) => answer.bytes().await.is_err(),
            Err(_) => true,
        }
    })
}

#[test]
fn statuses_come_with_the_services_codes_and_have_no_effect() {
    let (running, client) = started();
    for (status, code) in [(500, "InternalError"), (503, "ServerBusy"), (429, "TooManyRequests")] {
        running
            .faults()
            .add(Rule::new(Fault::Status(status)).operation("Put Blob").key("data/*").times(1));
        client.send("PUT", "vault/data/a", &BLOCK_BLOB, b"x").refused(status, code);
    }
    assert!(running.names("vault").is_empty());
    assert_eq!(put(&client, "data/a", b"x"), 201);
    assert_eq!((running.faults().struck(), running.faults().count("Put Blob")), (3, 4));
}

#[test]
fn connections_break_before_during_and_after() {
    let (running, client) = started();
    let strike = |fault| running.faults().add(Rule::new(fault).times(1));
    strike(Fault::CloseRequest(4));
    assert!(breaks(&client, "PUT", "a"));
    assert!(running.names("vault").is_empty());
    strike(Fault::AnswerLost);
    assert!(breaks(&client, "PUT", "a"));
    assert_eq!(running.versions("vault", "a")[0].data, "12345678");
    strike(Fault::CutAnswer(3));
    assert!(breaks(&client, "GET", "a"));
    assert!(!breaks(&client, "GET", "a"));
}

#[test]
fn what_hangs_is_released_without_effect() {
    let (running, client) = started();
    running.faults().add(Rule::new(Fault::Hang).times(1));
    std::thread::scope(|scope| {
        let hanging = scope.spawn(|| breaks(&client, "PUT", "a"));
        while running.faults().struck() == 0 {
            std::thread::yield_now();
        }
        while !hanging.is_finished() {
            running.faults().release();
        }
        assert!(hanging.join().unwrap());
    });
    assert!(running.names("vault").is_empty());
}

#[test]
fn the_store_lies() {
    let (running, client) = started();
    let strike = |fault, operation: &str| {
        running.faults().add(Rule::new(fault).operation(operation).times(1));
    };
    strike(Fault::LieNothing, "Put Blob");
    assert_eq!(put(&client, "a", b"data"), 201);
    assert!(running.names("vault").is_empty());
    client.send("HEAD", "vault/a", &[], b"").is(404);

    strike(Fault::LieHalf, "Put Blob");
    assert_eq!(put(&client, "a", b"data"), 201);
    assert_eq!(client.send("GET", "vault/a", &[], b"").is(200).body, "da");

    strike(Fault::LieHalf, "Put Block");
    let block = "vault/b?comp=block&blockid=AAAA";
    client.send("PUT", block, &[], b"data").is(201);
    let list = b"<BlockList><Latest>AAAA</Latest></BlockList>";
    client.send("PUT", "vault/b?comp=blocklist", &[], list).is(201);
    assert_eq!(running.versions("vault", "b")[0].data, "da");

    strike(Fault::LieNothing, "Delete Blob");
    client.send("DELETE", "vault/a", &[], b"").is(202);
    assert_eq!(client.send("GET", "vault/a", &[], b"").is(200).body, "da");

    strike(Fault::Duplicate, "Put Blob");
    assert_eq!(put(&client, "c", b"twice"), 201);
    let versions = running.versions("vault", "c");
    assert_eq!(versions.iter().map(|v| v.data.as_ref()).collect::<Vec<_>>(), [b"twice", b"twice"]);
}

#[test]
fn a_late_listing_misses_new_names_and_shows_deleted_ones() {
    let (running, client) = started();
    for name in ["a", "b", "c"] {
        assert_eq!(put(&client, name, b"x"), 201);
    }
    client.send("DELETE", "vault/a", &[], b"").is(202);
    assert_eq!(names(&client), ["b", "c"]);
    for (count, expected) in [(1, vec!["a", "b", "c"]), (2, vec!["a", "b"]), (9, vec![])] {
        running.faults().add(Rule::new(Fault::StaleList(count)).operation("List Blobs").times(1));
        assert_eq!(names(&client), expected, "{count}");
    }
    assert_eq!(names(&client), ["b", "c"]);
}

#[test]
fn single_deletions_of_a_batch_can_fail() {
    let (running, client) = started();
    for name in ["a", "b"] {
        assert_eq!(put(&client, name, b"x"), 201);
    }
    running.faults().add(Rule::new(Fault::Status(503)).operation("Delete Blob").key("a"));
    assert_eq!(client.delete_batch("vault", &["vault/a", "vault/b"]), [503, 202]);
    assert_eq!(running.blobs("vault"), ["a"]);
    assert_eq!(running.faults().count("Delete Blob"), 2);
    // A path into another container is no part of this one's batch.
    assert_eq!(client.delete_batch("vault", &["other/a"]), [400]);
}

#[test]
fn a_flipped_bit_changes_neither_etag_nor_version() {
    let (running, client) = started();
    assert_eq!(put(&client, "a", b"data"), 201);
    let before = client.send("GET", "vault/a", &[], b"");
    assert!(running.flip_bit("vault", "a", 8));
    assert!(!running.flip_bit("vault", "a", 32));
    let after = client.send("GET", "vault/a", &[], b"");
    assert_eq!(after.body, "d`ta");
    assert_eq!(before.header("etag"), after.header("etag"));
    assert_eq!(before.header("content-md5"), after.header("content-md5"));
    assert!(
        running
            .tamper("vault", "a", Some(before.header("x-ms-version-id")), |data| data.truncate(2))
    );
    assert_eq!(running.blob("vault", "a").unwrap(), "d`");
    assert!(running.lose("vault", "a") && !running.lose("vault", "a"));
    client.send("HEAD", "vault/a", &[], b"").is(404);
}

#[test]
fn accounts_that_cannot_be_are_refused() {
    let refused = |options: Options| start(options).unwrap_err().to_string();
    let containers = |container| vec![container];
    let locked = DefaultPolicy { days: 1, mode: Mode::Locked };
    let plain =
        ContainerOptions { default_policy: Some(locked), ..ContainerOptions::plain("plain") };
    assert!(
        refused(Options { versioning: false, ..Options::default() }).contains("needs versioning")
    );
    assert!(
        refused(Options { containers: containers(plain), ..Options::default() })
            .contains("default policy")
    );
    let named = containers(ContainerOptions::plain("No"));
    assert!(refused(Options { containers: named, ..Options::default() }).contains("no name"));
    assert!(refused(Options { account: "Big".into(), ..Options::default() }).contains("no name"));
    let (running, _) = started();
    assert!(running.add_container(&ContainerOptions::plain("more")).is_ok());
    assert!(running.add_container(&ContainerOptions::plain("more")).is_err());
    assert!(!running.set_default_policy("more", Some(locked)));
}

/// Without versions an overwrite and a deletion are for good.
#[test]
fn an_account_without_versions_forgets() {
    let containers = vec![ContainerOptions::plain("vault")];
    let running = start(Options { versioning: false, containers, ..Options::default() }).unwrap();
    let client =
        Client::new(&running.endpoint, &running.account, Identity::Key(running.key.clone()));
    assert_eq!(put(&client, "a", b"one"), 201);
    let answer = client.send("PUT", "vault/a", &BLOCK_BLOB, b"two");
    assert_eq!(answer.is(201).header("x-ms-version-id"), "");
    assert_eq!(running.versions("vault", "a").len(), 1);
    client.send("DELETE", "vault/a", &[], b"").is(202);
    assert!(running.names("vault").is_empty());
}
