//! What an administrator does: protect, look, lose, bring back, through the API alone.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_mailbox_is_protected_lost_and_brought_back_through_the_api() {
    let s = Service::start(Options { users: 2, mails: 12, ..Options::default() }).await;
    let root = s.sign_in("root").await;
    let queued = s
        .post(&root, "/api/v1/backups", json!({ "tenant": "contoso" }), StatusCode::ACCEPTED)
        .await;
    let job = s.ended(&root, &queued).await;
    assert_eq!((job["state"].as_str(), &job["requested_by"]), (Some("done"), &json!("root")));
    let stored = job["result"]["counts"]["items_new"].as_u64().unwrap();
    assert!(stored >= 24, "{job:#}");

    let resources = s.get(&root, "/api/v1/resources").await;
    let ada = resources["entries"].as_array().unwrap()[0]["name"].as_str().unwrap().to_owned();
    let listed = s.get(&root, &format!("/api/v1/resources/{ada}/items?recursive=true")).await;
    let entries = listed["entries"].as_array().unwrap();
    let message = entries.iter().find(|entry| entry["kind"] == "message").unwrap();
    let path = message["path"].as_str().unwrap();

    // Byte for byte what the engine gives.
    let content = s.of(&root, Method::GET, &format!("/api/v1/resources/{ada}/content"));
    let answer = content.query(&[("path", path)]).send().await.unwrap();
    assert_eq!(answer.headers()["x-content-type-options"], "nosniff");
    assert_eq!(answer.headers()["content-type"], "application/octet-stream");
    let bytes = answer.bytes().await.unwrap();
    let mut stored = Vec::new();
    let at = holdfast_engine::browse::At::Latest;
    holdfast_engine::browse::cat(&s.home, None, &ada, &at, path, &mut stored).await.unwrap();
    assert!(!stored.is_empty() && bytes == stored, "{} against {}", bytes.len(), stored.len());

    // It is lost, and found to be.
    let id = message["id"].as_str().unwrap();
    s.context.tenant().message_delete(&ada, id, true).unwrap();
    let queued = s
        .post(&root, "/api/v1/backups", json!({ "tenant": "contoso" }), StatusCode::ACCEPTED)
        .await;
    let job = s.ended(&root, &queued).await;
    assert_eq!(job["result"]["counts"]["items_deleted"], 1, "{job:#}");
    let snapshots = s.get(&root, "/api/v1/snapshots").await;
    let first = snapshots["entries"][0]["id"].as_str().unwrap();
    let changes = format!("/api/v1/resources/{ada}/changes?from={first}");
    let changes = s.get(&root, &changes).await;
    assert_eq!(
        (&changes["removed"], &changes["changes"][0]["path"]),
        (&json!(1), &message["path"])
    );
    let history = s.of(&root, Method::GET, &format!("/api/v1/resources/{ada}/history"));
    let history = super::answer(history.query(&[("item", id)]), StatusCode::OK).await;
    assert!(history["deleted"].is_string(), "{history:#}");

    // It comes back.
    let body = json!({ "resource": ada, "at": first, "path": path });
    let queued = s.post(&root, "/api/v1/restores", body, StatusCode::ACCEPTED).await;
    let job = s.ended(&root, &queued).await;
    assert_eq!(job["result"]["items_restored"], 1, "{job:#}");
    s.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_counts_searches_and_jobs_show_what_the_scope_permits() {
    let s = Service::start(Options { users: 3, mails: 6, ..Options::default() }).await;
    let root = s.sign_in("root").await;
    let body = json!({ "tenant": "contoso" });
    let queued = s.post(&root, "/api/v1/backups", body, StatusCode::ACCEPTED).await;
    s.ended(&root, &queued).await;
    let all = s.get(&root, "/api/v1/resources").await;
    let all = all["entries"].as_array().unwrap();
    assert_eq!(all.len(), 3);
    let (own, other) = (&all[0], &all[1]);
    let id = own["id"].as_str().unwrap();
    let helper = s.user("helper", Role::RestoreOperator, only(id)).await;

    let seen = s.get(&helper, "/api/v1/resources").await;
    assert_eq!(seen["entries"].as_array().unwrap().len(), 1);
    assert_eq!(seen["entries"][0]["id"], own["id"]);
    let snapshots = s.get(&helper, "/api/v1/snapshots").await;
    assert!(!snapshots["entries"].as_array().unwrap().is_empty());
    for snapshot in snapshots["entries"].as_array().unwrap() {
        assert_eq!(snapshot["resources"], json!([own["name"]]));
    }
    // Of what is not his he does not even learn that it is there.
    for path in ["", "/items", "/changes"] {
        let hidden = format!("/api/v1/resources/{}{path}", other["name"].as_str().unwrap());
        let hidden = answer(s.of(&helper, Method::GET, &hidden), StatusCode::NOT_FOUND).await;
        let absent = format!("/api/v1/resources/nobody{path}");
        let absent = answer(s.of(&helper, Method::GET, &absent), StatusCode::NOT_FOUND).await;
        let text = |answer: &Value| answer["error"]["message"].as_str().unwrap().to_owned();
        assert_eq!(text(&hidden).replace(other["name"].as_str().unwrap(), "nobody"), text(&absent));
    }
    let to_other = json!({ "resource": own["name"], "to": other["name"] });
    s.post(&helper, "/api/v1/restores", to_other, StatusCode::NOT_FOUND).await;
    // A search finds in his mailbox what the administrator finds in three.
    let found = |hits: &Value| -> Vec<String> {
        let hits = hits["entries"].as_array().unwrap();
        hits.iter().map(|hit| hit["resource"].as_str().unwrap().to_owned()).collect()
    };
    let everything = found(&s.get(&root, "/api/v1/search?query=*&limit=1000").await);
    let his = found(&s.get(&helper, "/api/v1/search?query=*&limit=1000").await);
    assert!(everything.len() > his.len() && !his.is_empty());
    assert!(his.iter().all(|name| name == own["name"].as_str().unwrap()), "{his:?}");
    // The backup of all is none of his jobs; his own restore is.
    assert_eq!(s.get(&helper, "/api/v1/jobs").await["entries"], json!([]));
    let hidden = format!("/api/v1/jobs/{}", queued["job"].as_str().unwrap());
    answer(s.of(&helper, Method::GET, &hidden), StatusCode::NOT_FOUND).await;
    let body = json!({ "resource": own["name"], "dry_run": true });
    let queued = s.post(&helper, "/api/v1/restores", body, StatusCode::ACCEPTED).await;
    let job = s.ended(&helper, &queued).await;
    assert_eq!((job["state"].as_str(), &job["result"]["dry_run"]), (Some("done"), &json!(true)));
    assert_eq!(s.get(&helper, "/api/v1/jobs").await["entries"].as_array().unwrap().len(), 1);
    s.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_on_record_and_the_record_is_whole() {
    let s = Service::start(Options { users: 2, mails: 3, ..Options::default() }).await;
    let root = s.sign_in("root").await;
    let reader = s.user("reader", Role::ReadOnly, Scope::ALL).await;
    s.get(&reader, "/api/v1/resources").await;
    let body = json!({ "tenant": "contoso" });
    let denied = s.post(&reader, "/api/v1/backups", body, StatusCode::FORBIDDEN).await;
    assert_eq!(denied["error"]["code"], "denied");
    let wrong = json!({ "name": "reader", "password": "wrong" });
    let wrong = s.call(Method::POST, "/api/v1/session").json(&wrong);
    answer(wrong, StatusCode::UNAUTHORIZED).await;

    let record = s.get(&root, "/api/v1/audit?limit=1000").await;
    let entries: Vec<(String, String, String)> = record["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| {
            let text = |name: &str| entry[name].as_str().unwrap().to_owned();
            (text("actor_name"), text("action"), text("outcome"))
        })
        .collect();
    let expected = [
        ("root", "audit.list", "done"),
        ("reader", "session.sign_in", "refused"),
        ("reader", "backup.run", "refused"),
        ("reader", "resource.list", "done"),
        ("reader", "session.sign_in", "done"),
        ("reader", "user.add", "done"),
        ("root", "user.add", "done"),
        ("root", "user.add", "begun"),
        ("root", "session.sign_in", "done"),
        ("root", "session.sign_in", "done"),
        ("root", "user.add", "done"),
        ("server", "server.start", "done"),
    ];
    let expected =
        expected.map(|(who, what, how)| (who.to_owned(), what.to_owned(), how.to_owned()));
    assert_eq!(entries, expected);
    let verified = s.post(&root, "/api/v1/audit/verification", json!({}), StatusCode::OK).await;
    assert_eq!((&verified["ok"], &verified["faults"]), (&json!(true), &json!([])));
    let context = s.end().await;
    let verified = holdfast_engine::audit::verify(&context.home).await.unwrap();
    assert!(verified.ok && verified.signed_up_to == verified.last, "{verified:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_knows_of_no_job_of_its_maker_outside_its_scope() {
    let s = Service::start(Options { users: 1, mails: 1, ..Options::default() }).await;
    let root = s.sign_in("root").await;
    let body = json!({ "tenant": "contoso" });
    let queued = s.post(&root, "/api/v1/backups", body, StatusCode::ACCEPTED).await;
    s.ended(&root, &queued).await;
    let scope = json!({ "tenants": { "only": ["other"] }, "workloads": "all", "resources": "all" });
    let body = json!({
        "label": "other", "rights": ["view_jobs", "manage_jobs"], "scope": scope,
        "expires_at": "2026-03-03T00:00:00Z",
    });
    let made = s.post(&root, "/api/v1/tokens", body, StatusCode::CREATED).await;
    let of_token = |method: Method, path: &str| {
        s.call(method, path).bearer_auth(made["text"].as_str().unwrap())
    };
    let listed = answer(of_token(Method::GET, "/api/v1/jobs"), StatusCode::OK).await;
    assert_eq!(listed["entries"], json!([]));
    // A job that is hidden reads like one that is not there, and both are on record.
    let (hidden, absent) = (queued["job"].as_str().unwrap(), "01a2");
    let mut texts = Vec::new();
    for id in [hidden, absent] {
        let shown = of_token(Method::GET, &format!("/api/v1/jobs/{id}"));
        let shown = answer(shown, StatusCode::NOT_FOUND).await;
        texts.push(shown["error"]["message"].as_str().unwrap().replace(id, "ID"));
        let cancel = of_token(Method::POST, &format!("/api/v1/jobs/{id}/cancel"));
        answer(cancel, StatusCode::NOT_FOUND).await;
    }
    assert_eq!(texts[0], texts[1]);
    let refused = s.get(&root, "/api/v1/audit?outcome=refused").await;
    assert_eq!(refused["entries"].as_array().unwrap().len(), 4, "{refused:#}");
    // Its siblings are none of its business.
    answer(of_token(Method::GET, "/api/v1/tokens"), StatusCode::FORBIDDEN).await;
    s.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_anybody_can_send_leaves_no_entry_and_what_is_refused_is_not_called_done() {
    let s = Service::start(Options { mails: 0, ..Options::default() }).await;
    let root = s.sign_in("root").await;
    let number = |record: &Value| record["entries"][0]["number"].as_u64().unwrap();
    let before = number(&s.get(&root, "/api/v1/audit?limit=1").await);
    for _ in 0..3 {
        let proof = json!({ "handle": "x", "proof": { "kind": "totp", "code": "1" } });
        let guess = s.call(Method::POST, "/api/v1/session/second-factor").json(&proof);
        answer(guess, StatusCode::UNAUTHORIZED).await;
        let link = json!({ "secret": "x", "password": PASSWORD });
        let link = s.call(Method::POST, "/api/v1/invitation").json(&link);
        answer(link, StatusCode::NOT_FOUND).await;
    }
    assert_eq!(number(&s.get(&root, "/api/v1/audit?limit=1").await), before + 1);
    let body = json!({ "old": "wrong", "new": PASSWORD });
    let wrong = s.of(&root, Method::PUT, "/api/v1/session/password").json(&body);
    answer(wrong, StatusCode::UNAUTHORIZED).await;
    let record = s.get(&root, "/api/v1/audit?action=user.change").await;
    let outcomes: Vec<&str> = record["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["outcome"].as_str().unwrap())
        .collect();
    assert_eq!(outcomes, ["refused", "begun"]);
    // The sessions of the browser are listed, and a stop waits for what was begun.
    let sessions = s.get(&root, "/api/v1/session/all").await;
    assert!(sessions["entries"].as_array().unwrap().iter().any(|one| one["is_this"] == true));
    s.end().await;
}
