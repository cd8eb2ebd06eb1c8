//! Throttling: every form of `Retry-After`, and one budget for everybody.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use holdfast_graph::{Kind, Request};
use serde_json::json;
use tokio::sync::Barrier;

use crate::server::{Answer, Server, fault, ok};

fn throttled() -> Answer {
    fault(429, "ApplicationThrottled")
}

/// Fault 1: the wait that the service asks for, in seconds and as a date.
#[tokio::test]
async fn fault_1_retry_after_is_obeyed() {
    for (value, seconds) in [("7", 7), (" 30 ", 30), ("Sun, 22 Nov 2026 10:02:00 GMT", 120)] {
        let answer = throttled().header("Retry-After", value);
        let server = Server::start([answer, ok(json!({}))]).await;
        let graph = server.graph();
        graph.get("/users/1/messages").mailbox("1").send_json().await.unwrap();
        assert_eq!(server.waits(), [Duration::from_secs(seconds)], "{value}");
        let stats = graph.stats();
        assert_eq!((stats.throttled, stats.retries), (1, 1));
        assert_eq!(stats.waited_ms, seconds * 1000);
    }
}

/// Fault 1: no `Retry-After`, or an unreadable one: own back-off, a second at least.
#[tokio::test]
async fn fault_1_without_retry_after_the_client_backs_off() {
    let odd = throttled().header("retry-after", "soon");
    let server = Server::start([throttled(), odd, throttled(), ok(json!({}))]).await;
    server.graph().get("/users").send_json().await.unwrap();
    let waits = server.waits();
    assert_eq!(waits.len(), 3);
    for (wait, most) in waits.iter().zip([1, 2, 4]) {
        assert!(*wait >= Duration::from_secs(1) && *wait <= Duration::from_secs(most), "{waits:?}");
    }
}

/// Fault 1: always "1" and never served. The waits grow, and there is an end.
#[tokio::test]
async fn fault_1_always_one_is_not_hammered() {
    let server = Server::start((0..99).map(|_| throttled().header("retry-after", "1"))).await;
    let error = server.graph().get("/users/1").mailbox("1").send_json().await.unwrap_err();
    assert_eq!(error.kind(), Kind::Throttled);
    assert_eq!(error.retry_after(), Some(Duration::from_secs(1)));
    assert_eq!(server.calls().len(), 20);
    let waits = server.waits();
    assert_eq!(waits.len(), 19);
    assert!(waits.iter().all(|wait| *wait >= Duration::from_secs(1)));
    assert!(waits.iter().sum::<Duration>() > Duration::from_secs(60), "{waits:?}");
}

/// Fault 1: a wait beyond all reason goes back to the caller, unslept.
#[tokio::test]
async fn fault_1_an_absurd_wait_is_an_error() {
    for value in ["86400", "99999999999999999999", "Fri, 31 Dec 9999 23:59:59 GMT"] {
        let server = Server::start([throttled().header("retry-after", value)]).await;
        let error = server.graph().get("/users").send_json().await.unwrap_err();
        assert_eq!(error.kind(), Kind::Throttled, "{value}");
        assert!(error.retry_after().unwrap() >= Duration::from_secs(86400));
        assert!(server.waits().is_empty());
    }
}

/// 503 and 509 with `Retry-After` are throttling as well.
#[tokio::test]
async fn other_statuses_throttle_too() {
    let busy = fault(503, "serviceNotAvailable").header("retry-after", "12");
    let server = Server::start([busy, fault(509, "bandwidth"), ok(json!({}))]).await;
    let graph = server.graph();
    graph.get("/users").send_json().await.unwrap();
    assert_eq!(graph.stats().throttled, 2);
    assert_eq!(server.waits()[0], Duration::from_secs(12));
}

/// Fault 2: never more than four at a time in one mailbox, three of them backups.
#[tokio::test]
async fn fault_2_a_mailbox_sees_three_backups_at_a_time() {
    let three = Arc::new(Barrier::new(3));
    let server = Server::start((0..9).map(|_| ok(json!({})).together(&three))).await;
    let graph = server.graph();
    let calls = (0..9).map(|_| graph.get("/users/1/messages").mailbox("1").send_json());
    for answer in join_all(calls).await {
        answer.unwrap();
    }
    assert_eq!((server.peak(), server.calls().len()), (3, 9));
}

/// The slot that backups leave free is there for a restore.
#[tokio::test]
async fn fault_2_a_restore_finds_a_slot() {
    let four = Arc::new(Barrier::new(4));
    let server = Server::start((0..4).map(|_| ok(json!({})).together(&four))).await;
    let graph = server.graph();
    let backups = (0..3).map(|_| graph.get("/users/1/messages").mailbox("1"));
    let restore = graph.post("/users/1/messages").mailbox("1").restore();
    let calls = backups.chain([restore]).map(Request::send_json);
    for answer in join_all(calls).await {
        answer.unwrap();
    }
    assert_eq!(server.peak(), 4);
}

/// What one call learns, all calls of the mailbox obey; other mailboxes go on.
#[tokio::test]
async fn one_throttled_answer_stops_the_whole_mailbox() {
    let server = Server::start([throttled().header("retry-after", "86400")]).await;
    server.push((0..2).map(|_| ok(json!({}))));
    let graph = server.graph();
    let first = graph.get("/users/1").mailbox("1").send_json().await;
    assert_eq!(first.unwrap_err().kind(), Kind::Throttled);
    graph.get("/users/2").mailbox("2").send_json().await.unwrap();
    assert!(server.waits().is_empty(), "another mailbox does not wait");
    graph.get("/users/1").mailbox("1").send_json().await.unwrap();
    assert_eq!(server.waits(), [Duration::from_secs(900)], "the same one does, up to the limit");
}

/// What `SharePoint` says about its window holds for drives, and for nobody else.
#[tokio::test]
async fn sharepoint_tells_what_is_left() {
    let told = ok(json!({}))
        .header("RateLimit-Limit", "1250")
        .header("RateLimit-Remaining", "0")
        .header("RateLimit-Reset", "40");
    let server = Server::start([told.clone(), told, ok(json!({})), ok(json!({}))]).await;
    let graph = server.graph();
    graph.get("/users/1/messages").mailbox("1").send_json().await.unwrap();
    graph.get("/drives/1/root").drive(1).send_json().await.unwrap();
    graph.get("/users/1/messages").mailbox("1").send_json().await.unwrap();
    assert!(server.waits().is_empty());
    graph.get("/drives/1/root").drive(2).send_json().await.unwrap();
    assert_eq!(server.waits(), [Duration::from_secs(40)]);
    let stats = graph.stats();
    assert_eq!((stats.resource_units, stats.requests, stats.throttled), (3, 4, 0));
}

/// Drives share one scope of 16 slots, whichever drive it is; a restore finds the last.
#[tokio::test]
async fn all_drives_share_sixteen_slots() {
    let sixteen = Arc::new(Barrier::new(16));
    let server = Server::start((0..16).map(|_| ok(json!({})).together(&sixteen))).await;
    server.push((0..4).map(|_| ok(json!({}))));
    let graph = server.graph();
    let backups = (0..19).map(|n| graph.get(format!("/drives/{n}/root")).drive(5));
    let restore = graph.patch("/drives/1/items/1").drive(2).restore();
    let calls = backups.chain([restore]).map(Request::send_json);
    for answer in join_all(calls).await {
        answer.unwrap();
    }
    assert_eq!((server.peak(), server.calls().len()), (16, 20));
    assert_eq!(graph.stats().resource_units, 19 * 5 + 2);
}
