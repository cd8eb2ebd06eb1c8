//! Writing and reading.

use super::Where::{Anywhere, FakeOnly, NotAzurite};
use super::{Row, row};

const MD5_OF_DATA: &str = "jXd/OF09/siBXSD3SWAm3A==";
const MD5_OF_OTHER: &str = "1B2M2Y8AsgTpgAmY7PhCfg==";

#[rustfmt::skip]
pub const ROWS: &[Row] = &[
    row("create-if-absent", Anywhere, |t| {
        let create = [("if-none-match", "*")];
        t.put("b", b"one", &create).is(201);
        t.put("b", b"two", &create).refused(409, "BlobAlreadyExists");
        t.put_block("b", "AAAA", b"three").is(201);
        t.put_list("b", &["AAAA"], &create).refused(409, "BlobAlreadyExists");
        assert_eq!(t.get("b", &[]).body, "one");
    }),
    row("replace-if-same", Anywhere, |t| {
        let etag = t.put("b", b"one", &[]).is(201).header("etag").to_owned();
        t.put("b", b"two", &[("if-match", "\"0x8D00000000000\"")]).refused(412, "ConditionNotMet");
        t.put("c", b"two", &[("if-match", &etag)]).refused(412, "ConditionNotMet");
        assert_eq!(t.get("b", &[]).body, "one");
        t.put("b", b"two", &[("if-match", &etag)]).is(201);
        t.put("b", b"three", &[("if-match", &etag)]).refused(412, "ConditionNotMet");
        assert_eq!(t.get("b", &[]).body, "two");
    }),
    row("md5", NotAzurite("its code is InvalidOperation"), |t| {
        t.put("b", b"data", &[("content-md5", MD5_OF_OTHER)]).refused(400, "Md5Mismatch");
        t.put("b", b"data", &[("content-md5", "AAAA")]).refused(400, "InvalidMd5");
        t.head("b").refused(404, "BlobNotFound");
        t.put("b", b"data", &[("content-md5", MD5_OF_DATA)]).is(201);
        assert_eq!(t.head("b").header("content-md5"), MD5_OF_DATA);
    }),
    row("blob-md5", NotAzurite("its code is InvalidOperation"), |t| {
        t.put("b", b"data", &[("x-ms-blob-content-md5", MD5_OF_OTHER)]).refused(400, "Md5Mismatch");
        t.put_block("b", "AAAA", b"data").is(201);
        t.put_list("b", &["AAAA"], &[("x-ms-blob-content-md5", MD5_OF_OTHER)]).is(201);
        assert_eq!(t.head("b").header("content-md5"), MD5_OF_OTHER);
    }),
    row("crc64", NotAzurite("answers 500 FeatureNotSupported"), |t| {
        let crc = [("x-ms-content-crc64", "iJh5CoYUi64=")];
        t.put("b", b"data", &crc).refused(400, "Crc64Mismatch");
        t.put("b", b"123456789", &[crc[0], ("content-md5", "JfnnlDI7RTiF9RgfG2JNCw==")]).is(400);
        t.head("b").refused(404, "BlobNotFound");
        assert_eq!(t.put("b", b"123456789", &crc).is(201).header("x-ms-content-crc64"), crc[0].1);
    }),
    row("block-list", Anywhere, |t| {
        for (id, body) in [("AAAA", b"one"), ("AAAB", b"two"), ("AAAC", b"six")] {
            t.put_block("b", id, body).is(201);
        }
        t.put_list("b", &["AAAB", "AAAA"], &[]).is(201);
        assert_eq!(t.get("b", &[]).body, "twoone");
        // The third was not listed and is gone; committed blocks can be listed again.
        t.put_list("b", &["AAAC"], &[]).refused(400, "InvalidBlockList");
        t.put_block("b", "AAAD", b"!").is(201);
        t.put_list("b", &["AAAA", "AAAD", "AAAA"], &[]).is(201);
        assert_eq!(t.get("b", &[]).body, "one!one");
    }),
    row("block-list-unknown", Anywhere, |t| {
        t.put("b", b"old", &[]).is(201);
        t.put_block("b", "AAAA", b"new").is(201);
        t.put_list("b", &["AAAA", "AAAB"], &[]).refused(400, "InvalidBlockList");
        assert_eq!(t.get("b", &[]).body, "old");
        t.put_list("b", &["AAAA"], &[]).is(201);
        assert_eq!(t.get("b", &[]).body, "new");
    }),
    row("block-ids", Anywhere, |t| {
        t.put_block("b", "AAAA", b"one").is(201);
        t.put_block("b", "AAAAAAAA", b"two").refused(400, "InvalidBlobOrBlock");
        assert_eq!(t.put_block("c", "no base64!", b"x").status, 400);
        assert_eq!(t.put_block("c", &"AAAA".repeat(22), b"x").status, 400);
    }),
    row("block-uncommitted", Anywhere, |t| {
        t.put_block("b", "AAAA", b"one").is(201);
        t.head("b").is(404);
        assert!(t.list("").0.is_empty());
    }),
    row("block-conditions", FakeOnly("what the service answers is not documented"), |t| {
        let path = format!("{}?comp=block&blockid=AAAA", t.path("b"));
        t.client.send("PUT", &path, &[("if-none-match", "*")], b"x").refused(400, "ConditionHeadersNotSupported");
    }),
    row("range", NotAzurite("sends 206 with no bytes beyond the end, and no Content-Range"), |t| {
        t.put("b", b"0123456789", &[]).is(201);
        let range = |range| t.get("b", &[("range", range)]);
        let answer = range("bytes=2-4");
        assert_eq!((answer.is(206).body.as_ref(), answer.header("content-range")), (&b"234"[..], "bytes 2-4/10"));
        assert_eq!(range("bytes=7-").is(206).body, "789");
        assert_eq!(range("bytes=7-99").is(206).body, "789");
        range("bytes=10-").refused(416, "InvalidRange");
        t.put("empty", b"", &[]).is(201);
        t.get("empty", &[("range", "bytes=0-0")]).refused(416, "InvalidRange");
        assert_eq!(t.get("b", &[("range", "bytes=0-0"), ("x-ms-range", "bytes=9-9")]).is(206).body, "9");
        let head = t.head("b");
        assert_eq!((head.is(200).header("content-length"), head.header("x-ms-blob-type")), ("10", "BlockBlob"));
    }),
    row("read-conditions", Anywhere, |t| {
        let etag = t.put("b", b"data", &[]).is(201).header("etag").to_owned();
        assert!(etag.starts_with('"'), "{etag}");
        t.get("b", &[("if-none-match", &etag)]).is(304);
        t.get("b", &[("if-match", "\"0x8D00000000000\"")]).refused(412, "ConditionNotMet");
        t.get("b", &[("if-match", &etag)]).is(200);
    }),
    row("not-found", Anywhere, |t| {
        t.get("b", &[]).refused(404, "BlobNotFound");
        t.client.send("GET", "no-such-container/b", &[], b"").refused(404, "ContainerNotFound");
        t.client.send("GET", "no-such-container?restype=container&comp=list", &[], b"").refused(404, "ContainerNotFound");
    }),
];
