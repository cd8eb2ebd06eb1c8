//! Immutability policies and legal holds.

use holdfast_lockstore::azure::rules::{DefaultPolicy, Mode};

use super::super::client::Answer;
use super::super::conformance::Target;
use super::Where::{FakeOnly, NotAzurite};
use super::{Row, row};

const NO_WORM: &str = "ignores immutability headers, and answers 501 to policies and holds";
const CLOCK: &str = "needs the clock";
const MANAGEMENT: &str = "needs the management interface";

const UNTIL: &str = "x-ms-immutability-policy-until-date";
const MODE: &str = "x-ms-immutability-policy-mode";

#[rustfmt::skip]
pub const ROWS: &[Row] = &[
    row("lock-on-write", NotAzurite(NO_WORM), |t| {
        let until = t.after(60);
        put_locked(t, "b", b"data", &until, "Unlocked").is(201);
        assert_eq!(shown(&t.head("b")), (until.as_str(), "unlocked", ""));
        t.put_block("c", "AAAA", b"data").is(201);
        t.put_list("c", &["AAAA"], &[(UNTIL, &until), (MODE, "Unlocked"), ("x-ms-legal-hold", "true")]).is(201);
        assert_eq!(shown(&t.get("c", &[])), (until.as_str(), "unlocked", "true"));
        t.set_hold("c", false).is(200);
        for name in ["b", "c"] {
            t.delete_policy(name).is(200);
        }
    }),
    row("lock-on-write-both", FakeOnly("what the service answers is not documented"), |t| {
        t.put("b", b"data", &[(UNTIL, &t.after(60))]).is(400);
        t.put("b", b"data", &[(MODE, "Locked")]).is(400);
        t.put("b", b"data", &[(UNTIL, &t.after(60)), (MODE, "Sealed")]).is(400);
        t.head("b").is(404);
    }),
    row("default-policy", FakeOnly(MANAGEMENT), |t| {
        t.set_default(Some(DefaultPolicy { days: 2, mode: Mode::Locked }));
        t.put("b", b"data", &[]).is(201);
        assert_eq!(shown(&t.head("b")), (t.after(2 * 86_400).as_str(), "locked", ""));
        t.put_block("c", "AAAA", b"data").is(201);
        t.put_list("c", &["AAAA"], &[]).is(201);
        assert_eq!(shown(&t.head("c")), (t.after(2 * 86_400).as_str(), "locked", ""));
    }),
    row("default-overridden", FakeOnly(MANAGEMENT), |t| {
        t.set_default(Some(DefaultPolicy { days: 2, mode: Mode::Locked }));
        put_locked(t, "b", b"data", &t.after(60), "Unlocked").is(201);
        assert_eq!(shown(&t.head("b")), (t.after(60).as_str(), "unlocked", ""));
    }),
    row("default-changed", FakeOnly(MANAGEMENT), |t| {
        t.set_default(Some(DefaultPolicy { days: 2, mode: Mode::Unlocked }));
        t.put("b", b"data", &[]).is(201);
        t.set_default(None);
        t.put("c", b"data", &[]).is(201);
        assert_eq!(shown(&t.head("b")), (t.after(2 * 86_400).as_str(), "unlocked", ""));
        assert_eq!(shown(&t.head("c")), ("", "", ""));
    }),
    row("protected-version", NotAzurite(NO_WORM), |t| {
        for mode in ["Locked", "Unlocked"] {
            let id = put_locked(t, mode, b"data", &t.after(60), mode).is(201).header("x-ms-version-id").to_owned();
            t.delete(mode).is(202);
            t.delete_version(mode, &id).refused(409, "BlobImmutableDueToPolicy");
            assert_eq!(t.get_version(mode, &id).is(200).body, "data");
        }
    }),
    row("protected-hold", NotAzurite(NO_WORM), |t| {
        let id = t.put("b", b"data", &[("x-ms-legal-hold", "true")]).is(201).header("x-ms-version-id").to_owned();
        t.delete("b").is(202);
        t.delete_version("b", &id).refused(409, "BlobImmutableDueToLegalHold");
        t.on_version("PUT", "b", &id, "legalhold", &[("x-ms-legal-hold", "false")]).is(200);
        t.delete_version("b", &id).is(202);
        t.get_version("b", &id).is(404);
    }),
    row("protected-expired", FakeOnly(CLOCK), |t| {
        let id = put_locked(t, "b", b"data", &t.after(60), "Locked").is(201).header("x-ms-version-id").to_owned();
        t.delete("b").is(202);
        t.advance(59);
        t.delete_version("b", &id).refused(409, "BlobImmutableDueToPolicy");
        t.advance(1);
        t.delete_version("b", &id).is(202);
        t.get_version("b", &id).is(404);
    }),
    row("protected-overwrite", NotAzurite(NO_WORM), |t| {
        let until = t.after(60);
        let id = put_locked(t, "b", b"one", &until, "Locked").is(201).header("x-ms-version-id").to_owned();
        t.put("b", b"two", &[]).is(201);
        assert_eq!(t.get("b", &[]).is(200).body, "two");
        assert_eq!(shown(&t.head("b")), ("", "", ""));
        let old = t.get_version("b", &id);
        assert_eq!((old.is(200).body.as_ref(), shown(&old)), (&b"one"[..], (until.as_str(), "locked", "")));
        t.delete_version("b", &id).refused(409, "BlobImmutableDueToPolicy");
    }),
    row("protected-metadata", FakeOnly(CLOCK), |t| {
        let path = format!("{}?comp=metadata", t.path("b"));
        let set = || t.client.send("PUT", &path, &[("x-ms-meta-a", "1")], b"");
        t.put("b", b"data", &[]).is(201);
        set().is(200);
        let head = t.head("b");
        assert_eq!((head.header("x-ms-meta-a"), head.header("content-length")), ("1", "4"));
        t.set_policy("b", &t.after(60), "Unlocked").is(200);
        set().refused(409, "BlobImmutableDueToPolicy");
        t.advance(61);
        set().refused(409, "BlobImmutableDueToPolicy");
        t.set_hold("b", true).is(200);
        set().refused(409, "BlobImmutableDueToLegalHold");
    }),
    row("policy-past", NotAzurite(NO_WORM), |t| {
        t.put("b", b"data", &[]).is(201);
        for seconds in [-60, 0, 146_001 * 86_400] {
            t.set_policy("b", &t.after(seconds), "Unlocked").refused(400, "InvalidHeaderValue");
            put_locked(t, "c", b"data", &t.after(seconds), "Unlocked").refused(400, "InvalidHeaderValue");
        }
        t.set_policy("b", "2036-01-01T00:00:00Z", "Unlocked").is(400);
        assert_eq!(shown(&t.head("b")), ("", "", ""));
        t.head("c").is(404);
    }),
    row("policy-unlocked", NotAzurite(NO_WORM), |t| {
        t.put("b", b"data", &[]).is(201);
        for (seconds, mode, expected) in [(60, "", "unlocked"), (120, "Unlocked", "unlocked"), (30, "Unlocked", "unlocked")] {
            let until = t.after(seconds);
            assert_eq!(shown(t.set_policy("b", &until, mode).is(200)), (until.as_str(), expected, ""));
            assert_eq!(shown(&t.head("b")), (until.as_str(), expected, ""));
        }
        t.delete_policy("b").is(200);
        assert_eq!(shown(&t.head("b")), ("", "", ""));
        let until = t.after(60);
        assert_eq!(shown(t.set_policy("b", &until, "Locked").is(200)), (until.as_str(), "locked", ""));
    }),
    row("policy-locked-longer", NotAzurite(NO_WORM), |t| {
        put_locked(t, "b", b"data", &t.after(60), "Locked").is(201);
        for seconds in (61..=68).chain([120]) {
            t.set_policy("b", &t.after(seconds), "Locked").is(200);
        }
        assert_eq!(shown(&t.head("b")).1, "locked");
    }),
    row("policy-locked-shorter", NotAzurite(NO_WORM), |t| {
        let until = t.after(60);
        put_locked(t, "b", b"data", &until, "Locked").is(201);
        t.set_policy("b", &t.after(30), "Locked").refused(409, "BlobImmutableDueToPolicy");
        assert_eq!(shown(&t.head("b")), (until.as_str(), "locked", ""));
    }),
    row("policy-locked-unlock", NotAzurite(NO_WORM), |t| {
        let until = t.after(60);
        put_locked(t, "b", b"data", &until, "Locked").is(201);
        t.set_policy("b", &t.after(120), "Unlocked").refused(409, "BlobImmutableDueToPolicy");
        t.set_policy("b", &t.after(120), "").refused(409, "BlobImmutableDueToPolicy");
        assert_eq!(shown(&t.head("b")), (until.as_str(), "locked", ""));
    }),
    row("policy-locked-delete", NotAzurite(NO_WORM), |t| {
        let until = t.after(60);
        put_locked(t, "b", b"data", &until, "Locked").is(201);
        t.delete_policy("b").refused(409, "BlobImmutableDueToPolicy");
        assert_eq!(shown(&t.head("b")), (until.as_str(), "locked", ""));
    }),
    row("policy-etag", NotAzurite(NO_WORM), |t| {
        let written = t.put("b", b"data", &[]);
        let (etag, id) = (written.header("etag"), written.header("x-ms-version-id"));
        t.set_policy("b", &t.after(60), "Unlocked").is(200);
        t.set_hold("b", true).is(200);
        assert_eq!((t.head("b").header("etag"), t.head("b").header("x-ms-version-id")), (etag, id));
        t.set_hold("b", false).is(200);
        t.delete_policy("b").is(200);
        assert_eq!(t.head("b").header("etag"), etag);
    }),
    row("policy-version", NotAzurite(NO_WORM), |t| {
        let first = t.put("b", b"one", &[]).is(201).header("x-ms-version-id").to_owned();
        t.put("b", b"two", &[]).is(201);
        let until = t.after(60);
        t.on_version("PUT", "b", &first, "immutabilityPolicies", &[(UNTIL, &until), (MODE, "Unlocked")]).is(200);
        t.on_version("PUT", "b", &first, "legalhold", &[("x-ms-legal-hold", "true")]).is(200);
        assert_eq!(shown(&t.head("b")), ("", "", ""));
        assert_eq!(shown(&t.head_version("b", &first)), (until.as_str(), "unlocked", "true"));
        t.on_version("PUT", "b", &first, "legalhold", &[("x-ms-legal-hold", "false")]).is(200);
        t.on_version("DELETE", "b", &first, "immutabilityPolicies", &[]).is(200);
        t.delete_version("b", &first).is(202);
        t.on_version("PUT", "b", &first, "legalhold", &[("x-ms-legal-hold", "true")]).refused(404, "BlobNotFound");
    }),
    row("policy-again", NotAzurite(NO_WORM), |t| {
        let until = t.after(60);
        put_locked(t, "b", b"data", &until, "Locked").is(201);
        t.set_policy("b", &until, "Locked").is(200);
        assert_eq!(shown(&t.head("b")), (until.as_str(), "locked", ""));
    }),
    row("hold", NotAzurite(NO_WORM), |t| {
        let until = t.after(60);
        put_locked(t, "b", b"data", &until, "Unlocked").is(201);
        assert_eq!(t.set_hold("b", true).is(200).header("x-ms-legal-hold"), "true");
        t.delete_policy("b").is(200);
        assert_eq!(shown(&t.head("b")), ("", "", "true"));
        assert_eq!(t.set_hold("b", false).is(200).header("x-ms-legal-hold"), "false");
        assert_eq!(shown(&t.head("b")), ("", "", ""));
        t.client.send("PUT", &format!("{}?comp=legalhold", t.path("b")), &[], b"").is(400);
    }),
    row("no-support", FakeOnly("needs another container"), |t| {
        let blob = "plain/b";
        let until = t.after(60);
        let send = |path: &str, headers: &[(&str, &str)]| {
            let mut all = vec![("x-ms-blob-type", "BlockBlob")];
            all.extend(headers);
            let kept = if path.contains('?') { &all[1..] } else { &all[..] };
            t.client.send("PUT", path, kept, b"data").status
        };
        let policy = [(UNTIL, until.as_str()), (MODE, "Locked")];
        for headers in [&policy[..], &[("x-ms-legal-hold", "true")], &[("x-ms-legal-hold", "false")]] {
            assert_eq!(send(blob, headers), 400);
        }
        assert_eq!(t.running().names("plain"), Vec::<String>::new());
        assert_eq!(send(blob, &[]), 201);
        assert_eq!(send(&format!("{blob}?comp=immutabilityPolicies"), &policy), 409);
        assert_eq!(send(&format!("{blob}?comp=legalhold"), &[("x-ms-legal-hold", "true")]), 409);
        assert!(!t.running().versions("plain", "b")[0].hold);
    }),
    row("container-delete", FakeOnly("destroys the container"), |t| {
        let delete = |container: &str| t.client.send("DELETE", &format!("{container}?restype=container"), &[], b"");
        let id = t.put("b", b"data", &[]).is(201).header("x-ms-version-id").to_owned();
        delete(&t.container).refused(409, "ContainerProtectedFromDeletion");
        t.delete("b").is(202);
        delete(&t.container).refused(409, "ContainerProtectedFromDeletion");
        t.delete_version("b", &id).is(202);
        delete(&t.container).is(202);
        delete(&t.container).refused(404, "ContainerNotFound");
        t.client.send("PUT", "plain/b", &[("x-ms-blob-type", "BlockBlob")], b"x").is(201);
        delete("plain").is(202);
    }),
    row("container-support", NotAzurite(NO_WORM), |t| {
        let answer = t.client.send("GET", &format!("{}?restype=container", t.container), &[], b"");
        assert_eq!(answer.is(200).header("x-ms-immutable-storage-with-versioning-enabled"), "true");
    }),
];

fn put_locked(t: &Target, name: &str, body: &[u8], until: &str, mode: &str) -> Answer {
    t.put(name, body, &[(UNTIL, until), (MODE, mode)])
}

/// What an answer shows of policy and hold.
fn shown(answer: &Answer) -> (&str, &str, &str) {
    (answer.header(UNTIL), answer.header(MODE), answer.header("x-ms-legal-hold"))
}
