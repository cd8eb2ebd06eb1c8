//! The server: whole answers, answers cut short, connections closed.

use bytes::Bytes;
use holdfast_lockstore::serve::{Reply, Server};
use http::Response;

fn server() -> Server {
    Server::start(|request| async move {
        let answer = Response::new(Bytes::from_static(b"0123456789"));
        match request.uri().path() {
            "/whole" => Reply::Answer(answer),
            "/cut" => Reply::Cut(answer, 4),
            _ => Reply::Close,
        }
    })
    .unwrap()
}

#[tokio::test]
async fn answers_come_whole_cut_or_not_at_all() {
    let server = server();
    let get = |path: &str| reqwest::get(format!("{}{path}", server.endpoint()));
    assert_eq!(get("/whole").await.unwrap().bytes().await.unwrap(), "0123456789");

    let mut cut = get("/cut").await.unwrap();
    assert_eq!(cut.content_length(), Some(10));
    let mut read = Vec::new();
    let broken = loop {
        match cut.chunk().await {
            Ok(Some(chunk)) => read.extend_from_slice(&chunk),
            Ok(None) => panic!("a cut answer must not end well"),
            Err(error) => break error,
        }
    };
    assert!(broken.is_body() || broken.is_decode(), "{broken:?}");
    assert!(b"0123".starts_with(&read), "{read:?}");

    assert!(get("/close").await.unwrap_err().is_request());
}

#[tokio::test]
async fn a_dropped_server_is_gone() {
    let server = server();
    let url = format!("{}/whole", server.endpoint());
    reqwest::get(&url).await.unwrap();
    drop(server);
    assert!(reqwest::get(&url).await.is_err());
}
