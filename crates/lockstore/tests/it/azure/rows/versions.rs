//! Versions and deletion.

use super::Where::{Anywhere, FakeOnly, NotAzurite};
use super::{Row, row};

const NO_VERSIONS: &str = "knows no versions";

#[rustfmt::skip]
pub const ROWS: &[Row] = &[
    row("overwrite-version", NotAzurite(NO_VERSIONS), |t| {
        let first = t.put("b", b"one", &[("x-ms-meta-n", "1")]).is(201).header("x-ms-version-id").to_owned();
        let second = t.put("b", b"two", &[]).is(201).header("x-ms-version-id").to_owned();
        let old = t.get_version("b", &first);
        assert_eq!((old.is(200).body.as_ref(), old.header("x-ms-meta-n"), old.header("x-ms-is-current-version")), (&b"one"[..], "1", ""));
        let new = t.get("b", &[]);
        assert_eq!((new.is(200).body.as_ref(), new.header("x-ms-version-id"), new.header("x-ms-is-current-version")), (&b"two"[..], second.as_str(), "true"));
        assert_eq!(t.get_version("b", &second).is(200).body, "two");
    }),
    row("delete-version-stays", NotAzurite(NO_VERSIONS), |t| {
        let until = t.after(60);
        let lock = [("x-ms-immutability-policy-until-date", until.as_str()), ("x-ms-immutability-policy-mode", "Locked")];
        let id = t.put("b", b"data", &lock).is(201).header("x-ms-version-id").to_owned();
        t.delete("b").is(202);
        t.get("b", &[]).refused(404, "BlobNotFound");
        assert!(t.list("").0.is_empty());
        assert_eq!(t.get_version("b", &id).is(200).body, "data");
        t.delete_version("b", &id).refused(409, "BlobImmutableDueToPolicy");
    }),
    row("delete-root", NotAzurite(NO_VERSIONS), |t| {
        let id = t.put("b", b"data", &[]).is(201).header("x-ms-version-id").to_owned();
        t.delete_version("b", &id).refused(403, "OperationNotAllowedOnRootBlob");
        assert_eq!(t.get("b", &[]).is(200).body, "data");
    }),
    row("delete-version", NotAzurite(NO_VERSIONS), |t| {
        let first = t.put("b", b"one", &[]).is(201).header("x-ms-version-id").to_owned();
        t.put("b", b"two", &[]).is(201);
        t.delete_version("b", &first).is(202);
        t.get_version("b", &first).refused(404, "BlobNotFound");
        t.delete_version("b", &first).refused(404, "BlobNotFound");
        assert_eq!(t.get("b", &[]).is(200).body, "two");
    }),
    row("delete-again", Anywhere, |t| {
        t.put("b", b"data", &[]).is(201);
        t.delete("b").is(202);
        t.delete("b").refused(404, "BlobNotFound");
    }),
    row("create-after-delete", Anywhere, |t| {
        t.put("b", b"one", &[("if-none-match", "*")]).is(201);
        t.delete("b").is(202);
        t.put("b", b"two", &[("if-none-match", "*")]).is(201);
        assert_eq!(t.get("b", &[]).body, "two");
    }),
    row("permanent-delete", NotAzurite(NO_VERSIONS), |t| {
        let first = t.put("b", b"one", &[]).is(201).header("x-ms-version-id").to_owned();
        t.put("b", b"two", &[]).is(201);
        let path = format!("{}?versionid={}&deletetype=permanent", t.path("b"), super::super::conformance::encoded(&first));
        t.client.send("DELETE", &path, &[], b"").is(409);
        assert_eq!(t.get_version("b", &first).is(200).body, "one");
    }),
    row("batch", FakeOnly("its parts carry x-ms-version, which the service may refuse"), |t| {
        for name in ["a", "b", "c"] {
            t.put(name, b"x", &[]).is(201);
        }
        let paths: Vec<_> = ["a", "nothing", "c"].iter().map(|name| t.path(name)).collect();
        let paths: Vec<_> = paths.iter().map(String::as_str).collect();
        assert_eq!(t.client.delete_batch(&t.container, &paths), [202, 404, 202]);
        assert_eq!(t.running().blobs(&t.container), [t.name("b")]);
        // Without the right to delete the batch is taken, and each part refused.
        assert_eq!(t.as_bearer("rcwli").delete_batch(&t.container, &[&t.path("b")]), [403]);
        assert_eq!(t.running().blobs(&t.container), [t.name("b")]);
        let many = vec![paths[1]; 256];
        assert_eq!(t.client.delete_batch(&t.container, &many), vec![404; 256]);
    }),
];
