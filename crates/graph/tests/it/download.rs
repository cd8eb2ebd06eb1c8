//! Downloads: the address from Graph, the bytes from wherever it leads.

use std::time::Duration;

use holdfast_graph::{Credential, Download, Error, Graph, Kind};
use holdfast_model::Secret;
use serde_json::json;

use crate::server::{Answer, Server, fault, ok, status};

const CONTENT: &str = "/drives/d/items/i/content";

/// A tenant, and another host that keeps the bytes.
struct Pair {
    tenant: Server,
    store: Server,
}

impl Pair {
    /// `store` is its script; the tenant gives the addresses `/file1`, `/file2` … of it.
    async fn start(store: impl IntoIterator<Item = Answer>) -> Self {
        let pair = Self { tenant: Server::start([]).await, store: Server::start(store).await };
        pair.tenant.push((1..9).map(|n| pair.address(&format!("/file{n}?tempauth=S3CR3T"))));
        pair
    }

    fn address(&self, path: &str) -> Answer {
        status(302).header("location", &self.store.link(path))
    }

    fn graph(&self) -> Graph {
        let mut config = self.tenant.config(Credential::Secret(Secret::new("s")));
        let both = format!("{}{}", self.tenant.ca_pem, self.store.ca_pem);
        config.ca_pem = Some(both.into_bytes());
        Graph::new(config).unwrap()
    }

    /// The range and path of each call to the store.
    fn asked(&self) -> Vec<String> {
        let calls = self.store.calls();
        let path = |path: &str| path.split('?').next().unwrap().to_owned();
        calls.iter().map(|c| format!("{} {}", path(&c.path), c.header("range"))).collect()
    }

    async fn read(&self) -> Result<String, Error> {
        let graph = self.graph();
        self.rest(&mut graph.download(graph.get(CONTENT))).await
    }

    /// Reads to the end, and tells the store how far it is.
    async fn rest(&self, download: &mut Download) -> Result<String, Error> {
        let mut all = Vec::new();
        while let Some(piece) = download.next().await? {
            assert!(!piece.is_empty() && piece.len() <= 1 << 20);
            all.extend_from_slice(&piece);
            self.store.has_read(all.len());
        }
        Ok(String::from_utf8(all).unwrap())
    }
}

/// A whole file of which the connection lets only `text` through.
fn cut(text: &str, size: usize) -> Answer {
    let answer = status(200).header("content-length", &size.to_string()).header("etag", "\"1\"");
    answer.text(text).broken_at(text.len())
}

/// The part of a file of `size` bytes that begins at `from`.
fn part(text: &str, from: usize, size: usize) -> Answer {
    let range = format!("bytes {from}-{}/{size}", from + text.len() - 1);
    status(206).header("content-range", &range).header("etag", "\"1\"").text(text)
}

#[tokio::test]
async fn the_bytes_come_from_the_address_and_the_token_stays_here() {
    let large = "0123456789abcdef".repeat(200_000);
    let pair = Pair::start([status(200).header("set-cookie", "a=b").text(&large)]).await;
    let graph = pair.graph();
    let mut download = graph.download(graph.get(CONTENT));
    assert!(pair.tenant.calls().is_empty() && download.size().is_none());
    let first = download.next().await.unwrap().unwrap();
    assert_eq!(download.size(), Some(3_200_000));
    let rest = pair.rest(&mut download).await.unwrap();
    assert!(large.as_bytes()[..first.len()] == first && large[first.len()..] == rest);
    assert!(download.next().await.unwrap().is_none(), "the end stays the end");

    assert_eq!(pair.tenant.paths(), ["/v1.0/drives/d/items/i/content"]);
    assert!(pair.tenant.calls()[0].header("authorization").starts_with("Bearer "));
    let call = &pair.store.calls()[0];
    assert_eq!((call.method.as_str(), call.path.as_str()), ("GET", "/file1?tempauth=S3CR3T"));
    for absent in ["authorization", "cookie", "prefer", "referer", "range"] {
        assert_eq!(call.header(absent), "", "{absent}");
    }
    assert_eq!(call.header("accept-encoding"), "identity");
    let stats = graph.stats();
    assert_eq!((stats.requests, stats.resource_units, stats.downloads), (2, 1, 1));
    assert_eq!((stats.retries, stats.bytes_received), (0, 3_200_000));
    assert!(!format!("{download:?}").contains("S3CR3T"));
}

/// The script of the store, the address, and what was asked of store and Graph.
#[tokio::test]
async fn an_address_from_a_listing_saves_the_request_for_one() {
    let ok = || status(200).text("abc");
    for (store, address, asked, of_graph) in [
        (vec![ok()], "/listed?tempauth=S3CR3T", vec!["/listed "], 0),
        // Expired, refused, busy.
        (vec![status(401), ok()], "/listed", vec!["/listed ", "/file1 "], 1),
        (vec![status(423), ok()], "/listed", vec!["/listed ", "/file1 "], 1),
        (vec![status(400), ok()], "/listed", vec!["/listed ", "/file1 "], 1),
        (vec![status(503), ok()], "/listed", vec!["/listed ", "/listed "], 0),
        (vec![status(429), ok()], "/listed", vec!["/listed ", "/listed "], 0),
        // Moved, or not what it should be.
        (vec![status(307), ok()], "/listed", vec!["/listed ", "/file1 "], 1),
        (
            vec![ok().header("content-encoding", "br"), ok()],
            "/listed",
            vec!["/listed ", "/file1 "],
            1,
        ),
    ] {
        let pair = Pair::start(store).await;
        let graph = pair.graph();
        let listed = Secret::new(pair.store.link(address));
        let mut download = graph.download(graph.get(CONTENT)).listed(Some(&listed));
        assert_eq!(pair.rest(&mut download).await.unwrap(), "abc");
        assert_eq!((pair.asked(), pair.tenant.calls().len()), (to_strings(&asked), of_graph));
        assert_eq!(pair.store.calls()[0].header("authorization"), "");
        let stats = graph.stats();
        assert_eq!(stats.downloads, 1);
        assert!(stats.resource_units >= 1, "a download is never free: {stats:?}");
        assert!(!format!("{download:?}").contains("S3CR3T"));
    }
}

fn to_strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|&text| text.to_owned()).collect()
}

#[tokio::test]
async fn a_listed_address_of_no_use_is_passed_over() {
    for address in ["", "nowhere", "http://files.example/a", "https://a:b@files.example/a"] {
        let pair = Pair::start([status(200).text("abc")]).await;
        let graph = pair.graph();
        let download = graph.download(graph.get(CONTENT));
        let mut download = download.listed(Some(&Secret::new(address)));
        assert_eq!(pair.rest(&mut download).await.unwrap(), "abc", "{address}");
        assert_eq!(pair.asked(), ["/file1 "]);
        assert_eq!(graph.stats().resource_units, 1);
    }
}

/// Why a listed address is refused Graph says.
#[tokio::test]
async fn the_cause_is_graphs_where_a_listed_address_is_refused() {
    let pair = Pair::start([status(403)]).await;
    let refusal = fault(423, "resourceLocked");
    let tenant = Server::start([refusal]).await;
    let mut config = tenant.config(Credential::Secret(Secret::new("s")));
    config.ca_pem = Some(format!("{}{}", tenant.ca_pem, pair.store.ca_pem).into_bytes());
    let graph = Graph::new(config).unwrap();
    let listed = Secret::new(pair.store.link("/listed"));
    let mut download = graph.download(graph.get(CONTENT)).listed(Some(&listed));
    let error = download.next().await.unwrap_err();
    assert!(error.has_code("resourceLocked"), "{error}");
}

/// Fault 35, and the file is empty or of unknown size.
#[tokio::test]
async fn fault_35_a_download_goes_on_where_it_broke() {
    let pair =
        Pair::start([cut("abc", 10), part("de", 3, 10).broken_at(5), part("fghij", 5, 10)]).await;
    assert_eq!(pair.read().await.unwrap(), "abcdefghij");
    assert_eq!(pair.asked(), ["/file1 ", "/file1 bytes=3-", "/file1 bytes=5-"]);

    let one_by_one = (1..20).map(|n| part("x", n, 20).broken_at(n + 1));
    let pair = Pair::start([cut("x", 20)].into_iter().chain(one_by_one)).await;
    assert_eq!(pair.read().await.unwrap(), "x".repeat(20), "each byte is a new start");
    assert_eq!((pair.asked().len(), pair.tenant.calls().len()), (20, 1));

    let pair = Pair::start([status(200), status(200).text("abc").streamed()]).await;
    assert_eq!(pair.read().await.unwrap(), "");
    assert_eq!(pair.read().await.unwrap(), "abc");
}

#[tokio::test]
async fn without_a_byte_there_is_an_end_after_five_resumptions() {
    let nothing = || status(206).header("content-range", "bytes 3-9/10").header("etag", "\"1\"");
    let stuck = (0..9).map(|_| nothing().broken());
    let pair = Pair::start([cut("abc", 10)].into_iter().chain(stuck)).await;
    let error = pair.read().await.unwrap_err();
    assert_eq!(error.kind(), Kind::Transient, "{error}");
    assert_eq!(pair.asked().len(), 1 + 5);
    let pair = Pair::start((0..9).map(|_| status(503))).await;
    let error = pair.read().await.unwrap_err();
    assert_eq!((error.status(), pair.asked().len()), (Some(503), 6));
    assert!(!pair.tenant.waits().is_empty(), "a busy store is not hammered");
}

/// Faults 29 and 30: the address has expired; what comes with the refusal is not the file.
#[tokio::test]
async fn faults_29_and_30_an_expired_address_is_asked_for_anew() {
    for code in [401, 403, 404, 410] {
        let pair = Pair::start([
            status(code).text("abcdefghij"),
            cut("abc", 10),
            status(code).header("content-type", "application/json").text("{\"error\":{}}"),
            part("defghij", 3, 10),
        ])
        .await;
        assert_eq!(pair.read().await.unwrap(), "abcdefghij", "{code}");
        assert_eq!(pair.asked(), ["/file1 ", "/file2 ", "/file2 bytes=3-", "/file3 bytes=3-"]);
        assert_eq!(pair.tenant.calls().len(), 3);
    }
    let pair = Pair::start((0..9).map(|_| status(403))).await;
    let error = pair.read().await.unwrap_err();
    assert_eq!((error.kind(), pair.asked().len()), (Kind::Denied, 6));
    let text = format!("{error} {error:?}");
    assert!(!text.contains("S3CR3T") && !text.contains("file1"), "{text}");
}

#[tokio::test]
async fn parts_of_different_contents_are_never_joined() {
    let other = |answer: Answer| answer.header("etag", "\"2\"");
    let untagged = |total: &str| {
        status(206).header("content-range", &format!("bytes 3-9/{total}")).text("defghij")
    };
    let first = || status(200).header("content-length", "10").text("abc").broken_at(3);
    for (first, second) in [
        (other(first()), part("defghij", 3, 10)),
        (cut("abc", 10), part("defghij", 3, 11)),
        (cut("abc", 10), status(200).header("etag", "\"1\"").text("ab")),
        (first(), untagged("11")),
        (status(200).text("abc").broken_at(3), untagged("10")),
        (first(), untagged("*")),
        (cut("abc", 10), status(416).header("content-range", "bytes */2")),
    ] {
        let pair = Pair::start([first, second]).await;
        let error = pair.read().await.unwrap_err();
        assert!(matches!(error, Error::Changed { offset: 3, .. }), "{error}");
        assert_eq!(error.kind(), Kind::Changed);
    }
    // The same bytes from another node: the tag is weak there, or only one side tells it.
    for second in [untagged("10"), part("defghij", 3, 10), other(untagged("10"))] {
        let pair = Pair::start([first(), second]).await;
        assert_eq!(pair.read().await.unwrap(), "abcdefghij");
    }
    let weak = status(206).header("content-range", "bytes 3-9/10").header("etag", "W/\"1\"");
    let pair = Pair::start([cut("abc", 10), weak.text("defghij")]).await;
    assert_eq!(pair.read().await.unwrap(), "abcdefghij");
}

/// A store that knows no ranges sends everything again: what is there is not handed out twice.
#[tokio::test]
async fn a_whole_answer_to_a_range_is_skipped_to_the_offset() {
    let whole = || status(200).header("etag", "\"1\"").text("abcdefghij");
    let pair = Pair::start([cut("abc", 10), cut("abcdef", 10), whole()]).await;
    assert_eq!(pair.read().await.unwrap(), "abcdefghij");
    assert_eq!(pair.asked(), ["/file1 ", "/file1 bytes=3-", "/file1 bytes=6-"]);
    let pair = Pair::start((0..9).map(|_| cut("abc", 10))).await;
    assert_eq!(pair.read().await.unwrap_err().kind(), Kind::Transient);
    assert_eq!(pair.asked().len(), 6, "what is skipped is no progress");
}

#[tokio::test]
async fn lengths_are_held_to_what_was_said() {
    let end = status(416).header("content-range", "bytes */3");
    let open = status(206).header("content-range", "bytes 0-2/*").text("abc");
    let pair = Pair::start([open, end]).await;
    assert_eq!(pair.read().await.unwrap(), "abc", "the size was told only at the end");
    let long = status(206).header("content-range", "bytes 3-4/5").header("etag", "\"1\"");
    for (size, wrong) in [
        (5, long.text("defghij").streamed()),
        (10, part("fghij", 5, 10)),
        (10, status(206).header("etag", "\"1\"").text("defghij")),
        (10, part("defghij", 3, 10).header("content-encoding", "gzip")),
    ] {
        let pair = Pair::start([cut("abc", size), wrong]).await;
        let error = pair.read().await.unwrap_err();
        assert_eq!(pair.asked().len(), 2, "{error}");
        assert!(matches!(error, Error::Malformed { .. }), "{error}");
    }
}

/// Fault 27: no body of such an answer is a file.
#[tokio::test]
async fn fault_27_malware_is_an_error_and_never_bytes() {
    let json = fault(403, "malwareDetected");
    let marked = |code: u16| status(code).header("x-virus-infected", "true").text("<html>");
    for (tenant, store) in [
        (Some(json.clone()), None),
        (Some(marked(403)), None),
        (Some(marked(302).header("location", "https://localhost/x")), None),
        (None, Some(json)),
        (None, Some(marked(403))),
        (None, Some(marked(200))),
    ] {
        let pair = Pair { tenant: Server::start(tenant).await, store: Server::start(store).await };
        pair.tenant.push([pair.address("/file1")]);
        let error = pair.read().await.unwrap_err();
        assert!(error.has_code("malwareDetected"), "{error}");
        assert_eq!((error.kind(), pair.tenant.calls().len()), (Kind::Denied, 1));
        assert!(error.to_string().contains("malware in the file"), "{error}");
    }
    let pair = Pair::start([marked(403), marked(403)]).await;
    let graph = pair.graph();
    let listed = Secret::new(pair.store.link("/listed"));
    let mut download = graph.download(graph.get(CONTENT)).listed(Some(&listed));
    assert!(download.next().await.unwrap_err().has_code("malwareDetected"));
    assert_eq!((pair.asked().len(), pair.tenant.calls().len()), (1, 0));
}

#[tokio::test]
async fn addresses_that_lead_elsewhere_are_not_followed() {
    let none = Server::start([]).await;
    let port = none.url.port().unwrap();
    for address in [
        format!("http://localhost:{port}/file"),
        format!("https://ada:w0rd@localhost:{port}/file"),
        "/relative".to_owned(),
    ] {
        let pair = Pair { tenant: Server::start([]).await, store: Server::start([]).await };
        pair.tenant.push([status(302).header("location", &address)]);
        let error = pair.read().await.unwrap_err();
        assert!(matches!(error, Error::ForeignLink { .. }), "{error}");
        assert!(!error.to_string().contains("w0rd"), "{error}");
    }
    let pair = Pair::start([status(307).header("location", none.url.as_str())]).await;
    let error = pair.read().await.unwrap_err();
    assert_eq!((error.kind(), error.status()), (Kind::Invalid, Some(307)));
    assert!(none.calls().is_empty());
    // Graph sends the bytes itself, or an address of nowhere: no file.
    let tenant = Server::start((0..8).map(|_| ok(json!({"a": "file?"})))).await;
    let pair = Pair { tenant, store: none };
    assert!(matches!(pair.read().await.unwrap_err(), Error::Malformed { .. }));
}

#[tokio::test]
async fn a_throttling_store_stops_everybody() {
    let busy = fault(429, "activityLimitReached").header("retry-after", "30");
    let pair = Pair::start([busy, status(200).text("abc")]).await;
    let graph = pair.graph();
    let mut download = graph.download(graph.get(CONTENT));
    assert_eq!(pair.rest(&mut download).await.unwrap(), "abc");
    assert_eq!(pair.tenant.waits(), [Duration::from_secs(30)]);
    assert_eq!(graph.stats().throttled, 1);
}

#[tokio::test]
async fn errors_of_the_address_are_the_callers_at_once() {
    for (code, name, kind) in
        [(404, "itemNotFound", Kind::NotFound), (423, "resourceLocked", Kind::Invalid)]
    {
        let pair = Pair {
            tenant: Server::start([fault(code, name)]).await,
            store: Server::start([]).await,
        };
        let error = pair.read().await.unwrap_err();
        assert_eq!((error.kind(), error.has_code(name)), (kind, true));
        assert!(error.to_string().contains("GET /drives/{id}/items/{id}/content"), "{error}");
        assert_eq!(pair.tenant.calls().len(), 1);
    }
}
