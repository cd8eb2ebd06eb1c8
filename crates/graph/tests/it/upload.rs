//! Upload sessions.

use holdfast_graph::Kind;
use serde_json::json;

use crate::server::{Answer, Server, fault, ok, status};

const PIECE: usize = 12 * 320 * 1024;

fn content(length: usize) -> Vec<u8> {
    (0..length).map(|n| (n % 251) as u8).collect()
}

fn next(start: usize) -> Answer {
    ok(json!({"nextExpectedRanges": [format!("{start}-")]}))
}

fn ranges(server: &Server) -> Vec<String> {
    let calls = server.calls();
    calls.iter().map(|c| format!("{} {}", c.method, c.header("content-range"))).collect()
}

#[tokio::test]
async fn pieces_go_in_order_and_without_our_token() {
    let bytes = content(2 * PIECE + 5);
    let server = Server::start([next(PIECE), next(2 * PIECE), status(201)]).await;
    let session = server.link("/api/v2.0/AttachmentSessions('x')?authtoken=y");
    server.graph().upload("1", &session, &bytes).await.unwrap();
    let all = bytes.len();
    assert_eq!(
        ranges(&server),
        [
            format!("PUT bytes 0-{}/{all}", PIECE - 1),
            format!("PUT bytes {PIECE}-{}/{all}", 2 * PIECE - 1),
            format!("PUT bytes {}-{}/{all}", 2 * PIECE, all - 1),
        ]
    );
    let calls = server.calls();
    let sent: Vec<u8> = calls.iter().flat_map(|call| call.body.to_vec()).collect();
    assert!(sent == bytes, "the bytes arrive as they were");
    assert!(calls.iter().all(|call| call.header("authorization").is_empty()));
    assert!(server.sign_ins().is_empty());
}

#[tokio::test]
async fn an_upload_goes_on_from_what_the_session_has() {
    let bytes = content(PIECE + 10);
    let server = Server::start([
        status(503),
        next(100),
        next(PIECE + 4),
        fault(416, "fragmentOverlap"),
        next(PIECE + 6),
        status(201),
    ])
    .await;
    server.graph().upload("1", &server.link("/session"), &bytes).await.unwrap();
    let all = bytes.len();
    assert_eq!(
        ranges(&server),
        [
            format!("PUT bytes 0-{}/{all}", PIECE - 1),
            "GET ".to_owned(),
            format!("PUT bytes 100-{}/{all}", all - 1),
            format!("PUT bytes {}-{}/{all}", PIECE + 4, all - 1),
            "GET ".to_owned(),
            format!("PUT bytes {}-{}/{all}", PIECE + 6, all - 1),
        ]
    );
}

#[tokio::test]
async fn a_session_that_vanishes_after_the_last_piece_is_uncertain() {
    let server = Server::start([status(504), fault(404, "itemNotFound")]).await;
    let error = server.graph().upload("1", &server.link("/s"), b"abc").await.unwrap_err();
    assert_eq!(error.kind(), Kind::Uncertain);
    let server = Server::start([status(504), fault(404, "itemNotFound")]).await;
    let bytes = content(PIECE + 1);
    let error = server.graph().upload("1", &server.link("/s"), &bytes).await.unwrap_err();
    assert_eq!(error.kind(), Kind::NotFound, "lost before the end: it cannot be complete");
}

#[tokio::test]
async fn a_session_that_does_not_move_is_given_up() {
    let server = Server::start((0..40).map(|_| next(0))).await;
    let error = server.graph().upload("1", &server.link("/s"), b"abc").await.unwrap_err();
    assert_eq!((error.kind(), server.calls().len()), (Kind::Transient, 6));
    let server = Server::start([next(7)]).await;
    assert!(server.graph().upload("1", &server.link("/s"), b"abc").await.is_err());
    let graph = server.graph();
    assert!(graph.upload("1", "http://localhost/s", b"abc").await.is_err());
}
