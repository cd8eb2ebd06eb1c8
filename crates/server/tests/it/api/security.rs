//! Attacks: stolen and fixed sessions, forged requests, guessing, hostile paths and headers,
//! secrets where they do not belong.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_session_secret_is_never_taken_from_the_browser() {
    let s = Service::start(Options { mails: 0, ..Options::default() }).await;
    let planted = "0".repeat(64);
    let body = json!({ "name": "root", "password": PASSWORD });
    let request = s.call(Method::POST, "/api/v1/session").json(&body);
    let request = request.header("cookie", format!("{COOKIE}={planted}"));
    let first = signed(request.send().await.unwrap()).await;
    assert_ne!(first.cookie, planted);
    let stranger = Signed { cookie: planted, csrf: first.csrf.clone() };
    answer(s.of(&stranger, Method::GET, "/api/v1/session"), StatusCode::UNAUTHORIZED).await;

    // A step-up gives a new secret, and whoever had taken the old one is out.
    let proof = json!({ "proof": { "kind": "password", "password": PASSWORD } });
    let request = s.of(&first, Method::POST, "/api/v1/session/step-up").json(&proof);
    let second = signed(request.send().await.unwrap()).await;
    assert_ne!(second.cookie, first.cookie);
    answer(s.of(&first, Method::GET, "/api/v1/session"), StatusCode::UNAUTHORIZED).await;
    s.get(&second, "/api/v1/session").await;

    // Signed out means out, also for who copied the cookie.
    let out = s.of(&second, Method::DELETE, "/api/v1/session").send().await.unwrap();
    assert!(out.headers()["set-cookie"].to_str().unwrap().ends_with("Max-Age=0"));
    answer(s.of(&second, Method::GET, "/api/v1/session"), StatusCode::UNAUTHORIZED).await;
    s.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_another_page_sends_changes_nothing() {
    let s = Service::start(Options { mails: 0, ..Options::default() }).await;
    let root = s.sign_in("root").await;
    let other = s.sign_in("root").await;
    let body = json!({ "tenant": "contoso" });
    let forged = [String::new(), "x".to_owned(), other.csrf.clone()];
    for csrf in forged {
        let page = Signed { csrf, ..root.clone() };
        let answer = s.post(&page, "/api/v1/backups", body.clone(), StatusCode::FORBIDDEN).await;
        assert_eq!(answer["error"]["code"], "denied");
    }
    // A form of another page cannot say that it sends JSON.
    let form = s.of(&root, Method::POST, "/api/v1/backups").header("content-type", "text/plain");
    answer(form.body(body.to_string()), StatusCode::UNSUPPORTED_MEDIA_TYPE).await;
    assert_eq!(s.get(&root, "/api/v1/jobs").await["entries"], json!([]));
    // Nobody reads answers from another page: no header permits it.
    let answer =
        s.of(&root, Method::GET, "/api/v1/session").header("origin", "https://evil.example");
    let answer = answer.send().await.unwrap();
    assert!(answer.headers().get("access-control-allow-origin").is_none());
    let csp = answer.headers()["content-security-policy"].to_str().unwrap();
    assert!(csp.starts_with("default-src 'none'"), "{csp}");
    s.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn guessing_is_slowed_down_and_told_how_long() {
    let s = Service::start(Options { mails: 0, ..Options::default() }).await;
    let guess = |name: &str| {
        let body = json!({ "name": name, "password": "guess" });
        s.call(Method::POST, "/api/v1/session").json(&body).send()
    };
    let mut told = Vec::new();
    for _ in 0..7 {
        told.push(guess("root").await.unwrap());
    }
    let last = told.pop().unwrap();
    assert!(told.iter().all(|answer| answer.status() == StatusCode::UNAUTHORIZED));
    assert_eq!(last.status(), StatusCode::TOO_MANY_REQUESTS);
    let wait: u64 = last.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=2).contains(&wait), "{wait}");
    // The right password has to wait too; a name that nobody has is answered alike.
    let body = json!({ "name": "root", "password": PASSWORD });
    let right = s.call(Method::POST, "/api/v1/session").json(&body);
    answer(right, StatusCode::TOO_MANY_REQUESTS).await;
    let (known, unknown) = (told.pop().unwrap(), guess("nobody").await.unwrap());
    assert_eq!(known.text().await.unwrap(), unknown.text().await.unwrap());
    s.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_paths_names_and_headers_reach_nothing() {
    let s = Service::start(Options { users: 1, mails: 1, ..Options::default() }).await;
    let root = s.sign_in("root").await;
    let queued = s
        .post(&root, "/api/v1/backups", json!({ "tenant": "contoso" }), StatusCode::ACCEPTED)
        .await;
    s.ended(&root, &queued).await;
    let ada = s.context.people()[0].clone();
    for path in ["../../etc/passwd", "/etc/passwd", "..", "a\0b", "Inbox/../../x", "~state.json"] {
        let content = s.of(&root, Method::GET, &format!("/api/v1/resources/{ada}/content"));
        let content = content.query(&[("path", path)]).send().await.unwrap();
        assert_eq!(content.status(), StatusCode::NOT_FOUND, "{path:?}");
    }
    for resource in ["..%2f..%2fetc%2fpasswd", "%00", "a%0d%0aSet-Cookie:%20x=1", "%ff"] {
        let shown = s.of(&root, Method::GET, &format!("/api/v1/resources/{resource}"));
        let answer = shown.send().await.unwrap();
        assert!(answer.status().is_client_error(), "{resource}: {}", answer.status());
        assert!(answer.headers().get("set-cookie").is_none());
    }
    // A little more than is taken: a server that closes early would leave a longer one half sent.
    let huge = "x".repeat(1024 * 1024);
    let body = json!({ "tenant": huge });
    s.post(&root, "/api/v1/backups", body, StatusCode::PAYLOAD_TOO_LARGE).await;
    let deep = s.of(&root, Method::POST, "/api/v1/backups");
    let deep = deep.header("content-type", "application/json").body("[".repeat(100_000));
    answer(deep, StatusCode::BAD_REQUEST).await;
    s.end().await;
}
