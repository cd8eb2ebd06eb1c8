//! `$batch`: parts that fail alone.

use holdfast_graph::{BatchPart, Error, Kind};
use serde_json::{Value, json};

use crate::server::{Server, ok, status};

fn part(id: usize, status: u16, body: Value) -> Value {
    json!({"id": id.to_string(), "status": status, "body": body})
}

fn answer(parts: Vec<Value>) -> crate::server::Answer {
    ok(json!({ "responses": parts }))
}

fn ask(id: usize) -> BatchPart {
    BatchPart::get(format!("/users/1/messages/{id}")).query("$select", "id")
}

#[tokio::test]
async fn long_batches_are_split_and_answers_keep_their_order() {
    let first = (0..20).rev().map(|n| part(n, 200, json!({"n": n}))).collect();
    let second = (0..5).map(|n| part(n, 200, json!({"n": n + 20}))).collect();
    let server = Server::start([answer(first), answer(second)]).await;
    let graph = server.graph();
    let answers = graph.batch("1", (0..25).map(ask).collect()).await.unwrap();
    let numbers: Vec<Value> =
        answers.into_iter().map(|answer| answer.into_json().unwrap()["n"].clone()).collect();
    assert_eq!(numbers, (0..25).map(|n| json!(n)).collect::<Vec<_>>());

    assert_eq!(server.paths(), ["/v1.0/$batch", "/v1.0/$batch"]);
    let sent = server.calls()[0].json();
    assert_eq!(sent["requests"].as_array().unwrap().len(), 20);
    let third = &sent["requests"][2];
    assert_eq!(third["url"], "/users/1/messages/2?$select=id");
    assert_eq!((&third["id"], &third["method"]), (&json!("2"), &json!("GET")));
    assert_eq!(third["headers"]["Prefer"], "IdType=\"ImmutableId\"");
    assert_eq!(graph.stats().requests, 25, "parts count singly");
}

#[tokio::test]
async fn parts_fail_alone_and_passing_failures_are_repeated_singly() {
    let mut throttled = part(1, 429, json!({"error": {"code": "ApplicationThrottled"}}));
    throttled["headers"] = json!({"retry-after": "11"});
    let server = Server::start([
        answer(vec![
            part(0, 200, json!({"id": "zero"})),
            throttled,
            part(2, 404, json!({"error": {"code": "ErrorItemNotFound"}})),
            part(3, 200, json!("TUlNRQ==")),
            part(4, 503, Value::Null),
        ]),
        ok(json!({"id": "one"})),
        status(200).text("four"),
        status(200).text("five"),
    ])
    .await;
    let graph = server.graph();
    let mut answers = graph.batch("1", (0..6).map(ask).collect()).await.unwrap().into_iter();
    let mut next = || answers.next().unwrap();
    assert_eq!(next().into_json().unwrap()["id"], "zero");
    assert_eq!(next().into_json().unwrap()["id"], "one");
    let missing = next().into_json().unwrap_err();
    assert_eq!((missing.kind(), missing.has_code("itemNotFound")), (Kind::NotFound, true));
    assert_eq!(next().into_bytes().unwrap(), "MIME");
    assert_eq!(next().into_bytes().unwrap(), "four");
    assert_eq!(next().into_bytes().unwrap(), "five", "a part without an answer is asked again");

    assert_eq!(server.waits()[0].as_secs(), 11, "the mailbox waits as the part said");
    assert_eq!(server.paths()[1], "/v1.0/users/1/messages/1?$select=id");
    assert_eq!(server.calls().len(), 4);
    let stats = graph.stats();
    assert_eq!((stats.requests, stats.throttled), (9, 1));
}

#[tokio::test]
async fn an_unclear_part_that_creates_is_not_repeated() {
    let server = Server::start([answer(vec![part(0, 504, Value::Null)])]).await;
    let create = BatchPart::new(holdfast_graph::Method::POST, "/users/1/messages");
    let create = create.json(json!({"subject": "x"})).once();
    let mut answers = server.graph().batch("1", vec![create]).await.unwrap();
    let error = answers.remove(0).into_empty().unwrap_err();
    assert!(matches!(error, Error::Uncertain { .. }));
    let sent = server.calls()[0].json();
    assert_eq!(sent["requests"][0]["body"], json!({"subject": "x"}));
    assert_eq!(sent["requests"][0]["headers"]["Content-Type"], "application/json");
    assert_eq!(server.calls().len(), 1);
}

#[tokio::test]
async fn strange_batch_answers_are_errors() {
    let server = Server::start([ok(json!({"responses": 5}))]).await;
    let whole = server.graph().batch("1", vec![ask(0)]).await.unwrap_err();
    assert!(matches!(whole, Error::Malformed { .. }));

    let parts = vec![json!(7), part(0, 200, json!("%%%")), json!({"id": "1", "status": 99999})];
    let server = Server::start([answer(parts)]).await;
    let mut answers = server.graph().batch("1", vec![ask(0), ask(1)]).await.unwrap();
    assert_eq!(answers.remove(1).into_json().unwrap_err().kind(), Kind::Invalid);
    assert!(answers.remove(0).into_bytes().is_err());
    assert!(server.graph().batch("1", vec![]).await.unwrap().is_empty());
}
