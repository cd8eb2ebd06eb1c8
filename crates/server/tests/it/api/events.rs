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
    let root = s.sign_in("root").await;
    let outsider = s.user("outsider", Role::Operator, only("exchange/other")).await;
    let watch = |who: &Signed| s.of(who, Method::GET, "/api/v1/events").send();
    let answer = watch(&root).await.unwrap();
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    let (mut seen, mut hidden) =
        (answer.bytes_stream(), watch(&outsider).await.unwrap().bytes_stream());
    let body = json!({ "tenant": "contoso" });
    let other = s.sign_in("root").await;
    // What was there when the watching began is not told; what changes then is.
    let first = s.post(&other, "/api/v1/discoveries", body.clone(), StatusCode::ACCEPTED).await;
    s.ended(&other, &first).await;
    let queued = loop {
        let queued = s.post(&other, "/api/v1/backups", body.clone(), StatusCode::ACCEPTED).await;
        let event = next(&mut seen).await.unwrap();
        assert_eq!(event["event"], "job");
        if event["job"]["id"] == queued["job"] {
            break queued;
        }
    };
    s.ended(&other, &queued).await;
    // The session ends, and with the next change the stream.
    answer_of(s.of(&root, Method::DELETE, "/api/v1/session")).await;
    s.post(&other, "/api/v1/discoveries", body, StatusCode::ACCEPTED).await;
    while next(&mut seen).await.is_some() {}
    // A stop ends the rest: of the other's tenant nothing was told in all that time.
    let told = tokio::spawn(async move { next(&mut hidden).await });
    s.end().await;
    assert_eq!(told.await.unwrap(), None);
}

async fn answer_of(request: RequestBuilder) {
    assert_eq!(request.send().await.unwrap().status(), StatusCode::NO_CONTENT);
}
