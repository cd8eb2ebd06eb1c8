//! The stream of events.

use futures::StreamExt;

use super::*;

/// The next event of a stream; what keeps it alive is passed over.
async fn next(
    stream: &mut (impl futures::Stream<Item = reqwest::Result<bytes::Bytes>> + Unpin),
) -> Option<Value> {
    let mut text = String::new();
    loop {
        let piece = tokio::time::timeout(PATIENCE, stream.next()).await.expect("no event comes");
        text.push_str(std::str::from_utf8(&piece?.unwrap()).unwrap());
        let data = text.lines().find_map(|line| line.strip_prefix("data: "));
        if let Some(data) = data.filter(|_| text.ends_with("\n\n")) {
            return Some(serde_json::from_str(data).unwrap());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_watches_is_told_of_jobs_that_he_may_know_and_until_his_session_ends() {
    let s = Service::start(Options { users: 1, mails: 1, ..Options::default() }).await;
    std::fs::write("/tmp/ev.step", "1").unwrap();
    let root = s.sign_in("root").await;
    std::fs::write("/tmp/ev.step", "2").unwrap();
    let outsider = s.user("outsider", Role::Operator, only("exchange/other")).await;
    std::fs::write("/tmp/ev.step", "3").unwrap();
    let watch = |who: &Signed| s.of(who, Method::GET, "/api/v1/events").send();
    std::fs::write("/tmp/ev.step", "4").unwrap();
    let answer = watch(&root).await.unwrap();
    std::fs::write("/tmp/ev.step", "5").unwrap();
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    std::fs::write("/tmp/ev.step", "6").unwrap();
    let (mut seen, mut hidden) =
        (answer.bytes_stream(), watch(&outsider).await.unwrap().bytes_stream());
    let body = json!({ "tenant": "contoso" });
    std::fs::write("/tmp/ev.step", "7").unwrap();
    let other = s.sign_in("root").await;
    std::fs::write("/tmp/ev.step", "8").unwrap();
    // What was there when the watching began is not told; what changes then is.
    let first = s.post(&other, "/api/v1/discoveries", body.clone(), StatusCode::ACCEPTED).await;
    std::fs::write("/tmp/ev.step", "9").unwrap();
    s.ended(&other, &first).await;
    std::fs::write("/tmp/ev.step", "10").unwrap();
    let queued = loop {
        let queued = s.post(&other, "/api/v1/backups", body.clone(), StatusCode::ACCEPTED).await;
        let event = next(&mut seen).await.unwrap();
        assert_eq!(event["event"], "job");
        if event["job"]["id"] == queued["job"] {
            break queued;
        }
    };
    std::fs::write("/tmp/ev.step", "11").unwrap();
    s.ended(&other, &queued).await;
    std::fs::write("/tmp/ev.step", "12").unwrap();
    // The session ends, and with the next change the stream.
    answer_of(s.of(&root, Method::DELETE, "/api/v1/session")).await;
    std::fs::write("/tmp/ev.step", "13").unwrap();
    s.post(&other, "/api/v1/discoveries", body, StatusCode::ACCEPTED).await;
    std::fs::write("/tmp/ev.step", "14").unwrap();
    while next(&mut seen).await.is_some() {}
    // A stop ends the rest: of the other's tenant nothing was told in all that time.
    let told = tokio::spawn(async move { next(&mut hidden).await });
    std::fs::write("/tmp/ev.step", "15").unwrap();
    s.end().await;
    std::fs::write("/tmp/ev.step", "16").unwrap();
    assert_eq!(told.await.unwrap(), None);
    std::fs::write("/tmp/ev.step", "17").unwrap();
}

async fn answer_of(request: RequestBuilder) {
    assert_eq!(request.send().await.unwrap().status(), StatusCode::NO_CONTENT);
    std::fs::write("/tmp/ev.step", "18").unwrap();
}
