//! Exports, the maintenance of vaults, vaults and their kits through the API.

use super::*;

/// A server over one mailbox that was backed up twice; the mailbox.
async fn backed_up() -> (Service, Signed, String) {
    let s = Service::start(Options { users: 2, mails: 6, ..Options::default() }).await;
    let root = s.sign_in("root").await;
    for _ in 0..2 {
        let body = json!({ "tenant": "contoso" });
        let queued = s.post(&root, "/api/v1/backups", body, StatusCode::ACCEPTED).await;
        let job = s.ended(&root, &queued).await;
        assert_eq!(job["state"], "done", "{job:#}");
        s.context.advance(Duration::from_secs(60));
        let ann = s.context.people()[0].clone();
        let mut folders = s.context.tenant().folders(&ann).unwrap();
        folders.retain(|folder| folder.messages > 0);
        let lost = s.context.tenant().messages(&ann, &folders[0].id).unwrap().remove(0);
        s.context.tenant().message_delete(&ann, &lost.id, true).unwrap();
    }
    let ann = s.context.people()[0].clone();
    (s, root, ann)
}

/// Entries of the record about an action, newest first: who, outcome and details.
async fn on_record(s: &Service, root: &Signed, action: &str) -> Vec<(String, String, Value)> {
    let record = s.get(root, &format!("/api/v1/audit?action={action}&limit=1000")).await;
    let entries = record["entries"].as_array().unwrap().iter();
    let text = |entry: &Value, name: &str| entry[name].as_str().unwrap().to_owned();
    entries
        .map(|entry| (text(entry, "actor_name"), text(entry, "outcome"), entry["details"].clone()))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_is_on_record_within_the_scope_and_ends_with_its_report() {
    let (s, root, ann) = backed_up().await;
    let all = s.get(&root, "/api/v1/resources").await;
    let other = all["entries"].as_array().unwrap().iter().find(|row| row["name"] != json!(ann));
    let (id, other) =
        (
            all["entries"]
                .as_array()
                .unwrap()
                .iter()
                .find(|row| row["name"] == json!(ann))
                .unwrap()["id"]
                .as_str()
                .unwrap()
                .to_owned(),
            other.unwrap()["name"].as_str().unwrap().to_owned(),
        );
    let helper = s.user("helper", Role::RestoreOperator, only(&id)).await;
    let export =
        |name: &str| s.of(&helper, Method::GET, &format!("/api/v1/resources/{name}/export"));
    let got = export(&ann).query(&[("path", "Inbox")]).send().await.unwrap();
    assert_eq!(got.headers()["content-type"], "application/octet-stream");
    let name = got.headers()["content-disposition"].to_str().unwrap().to_owned();
    assert!(name.starts_with("attachment; filename*=UTF-8''") && name.ends_with(".zip"), "{name}");
    let zip = got.bytes().await.unwrap();
    let mut reader = holdfast_engine::export::ReportReader::default();
    zip.chunks(1_000).for_each(|piece| reader.take(piece));
    let report = reader.report().unwrap();
    assert!(report.items_exported > 0 && report.items_failed == 0, "{report:?}");
    assert_eq!(report.resource, ann);

    // What he may not know of reads like what is not there; what makes no sense is told.
    let hidden = answer(export(&other), StatusCode::NOT_FOUND).await;
    let absent = answer(export("nobody"), StatusCode::NOT_FOUND).await;
    let text = |answer: &Value| answer["error"]["message"].as_str().unwrap().to_owned();
    assert_eq!(text(&hidden).replace(&other, "nobody"), text(&absent));
    answer(export(&ann).query(&[("path", "No such")]), StatusCode::NOT_FOUND).await;
    let both = export(&ann)
        .query(&[("at", "2026-03-02T08:00:00Z"), ("deleted_since", "2026-03-02T08:00:00Z")]);
    answer(both, StatusCode::BAD_REQUEST).await;
    let since = export(&ann).query(&[("deleted_since", "2026-01-01T00:00:00Z")]);
    assert_eq!(since.send().await.unwrap().status(), StatusCode::OK);

    let record = on_record(&s, &root, "item.export").await;
    let outcomes: Vec<&str> = record.iter().map(|(_, outcome, _)| outcome.as_str()).collect();
    assert_eq!(outcomes, ["done", "done", "refused", "refused", "done"]);
    assert!(record.iter().all(|(who, ..)| who == "helper"), "{record:?}");
    s.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn forgetting_by_rules_is_for_a_person_with_a_fresh_proof_and_the_right() {
    let (s, root, _) = backed_up().await;
    let path = "/api/v1/vaults/default/prunes";
    let operator = s.user("operator", Role::Operator, Scope::ALL).await;
    let officer = s.user("officer", Role::ComplianceOfficer, Scope::ALL).await;
    let forget = json!({ "keep_last": 1 });
    s.post(&operator, path, forget.clone(), StatusCode::FORBIDDEN).await;
    let dry = json!({ "keep_last": 1, "dry_run": true });
    let queued = s.post(&operator, path, dry, StatusCode::ACCEPTED).await;
    let job = s.ended(&operator, &queued).await;
    assert_eq!(job["result"]["shards"][0]["plan"]["snapshots"].as_array().unwrap().len(), 1);
    assert_eq!((&job["kind"], &job["class"]), (&json!("prune"), &json!("routine")));
    assert_eq!((&job["tenant"], &job["requested_by"]), (&json!(""), &json!("operator")));
    let queued = s.post(&operator, path, json!({}), StatusCode::ACCEPTED).await;
    assert_eq!(s.ended(&operator, &queued).await["result"]["shards"][0]["rules"], json!([]));
    assert_eq!(s.get(&root, "/api/v1/snapshots").await["entries"].as_array().unwrap().len(), 2);

    // Who may not look at the whole installation's jobs does not see it.
    let limited = s.user("limited", Role::Operator, only("exchange/nobody")).await;
    let hidden = format!("/api/v1/jobs/{}", queued["job"].as_str().unwrap());
    answer(s.of(&limited, Method::GET, &hidden), StatusCode::NOT_FOUND).await;
    assert_eq!(s.get(&limited, "/api/v1/jobs").await["entries"], json!([]));
    s.post(&limited, path, json!({}), StatusCode::FORBIDDEN).await;

    s.context.advance(Duration::from_secs(6 * 60));
    let stale = s.post(&officer, path, forget.clone(), StatusCode::FORBIDDEN).await;
    assert_eq!(stale["error"]["code"], "step_up");
    let officer = s.sign_in("officer").await;
    let queued = s.post(&officer, path, forget, StatusCode::ACCEPTED).await;
    let root = s.sign_in("root").await;
    let job = s.ended(&root, &queued).await;
    let removed = &job["result"]["shards"][0]["snapshots_removed"]["forgotten"];
    assert_eq!(removed.as_array().unwrap().len(), 1, "{job:#}");
    assert_eq!(s.get(&root, "/api/v1/snapshots").await["entries"].as_array().unwrap().len(), 1);
    // On record when it was asked for and when it was done.
    let record = on_record(&s, &root, "vault.prune").await;
    let of = |who: &str, outcome: &str| {
        let is = |entry: &&(String, String, Value)| entry.0 == who && entry.1 == outcome;
        record.iter().filter(is).count()
    };
    let counts = [of("operator", "refused"), of("officer", "refused"), of("officer", "done")];
    assert_eq!(counts, [1, 1, 1], "{record:?}");
    assert_eq!((of("worker", "begun"), of("worker", "done")), (2, 2), "{record:?}");
    s.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vault_is_added_its_kit_is_taken_and_proven_and_no_secret_comes_out() {
    let s = Service::start(Options { users: 1, mails: 1, ..Options::default() }).await;
    let root = s.sign_in("root").await;
    let folder = s.context.scratch("offsite");
    let folder = folder.to_str().unwrap();
    let passphrase = "nine bronze owls at noon";
    let add = |body: Value| s.of(&root, Method::POST, "/api/v1/vaults").json(&body);
    let body = |location: &str| json!({ "name": "offsite", "location": location, "passphrase": passphrase });
    for wrong in [
        body(""),
        body("offsite"),
        body("../offsite"),
        body("s3://bucket/prefix"),
        json!({ "name": "offsite", "location": folder }),
        json!({ "name": "offsite", "location": folder, "passphrase": "" }),
        json!({ "name": "offsite", "location": folder, "secret": "00" }),
        json!({ "name": "", "location": folder, "passphrase": passphrase }),
        json!({ "name": "x", "location": folder, "passphrase": passphrase, "lock_days": 3 }),
    ] {
        answer(add(wrong), StatusCode::BAD_REQUEST).await;
        assert!(!std::path::Path::new(folder).exists());
    }
    let made = answer(add(body(folder)), StatusCode::OK).await;
    assert_eq!((&made["name"], &made["created"]), (&json!("offsite"), &json!(true)));
    assert_eq!(answer(add(body(folder)), StatusCode::OK).await["created"], false);
    // A vault in a vault would be swept up with it, and no other folder is written into.
    answer(
        add(json!({ "name": "in", "location": format!("{folder}/in"), "passphrase": "x" })),
        StatusCode::BAD_REQUEST,
    )
    .await;

    let kit = s.of(&root, Method::POST, "/api/v1/vaults/offsite/kit").send().await.unwrap();
    assert_eq!(
        (kit.status(), &kit.headers()["content-type"]),
        (StatusCode::OK, &"application/zip".parse().unwrap())
    );
    let zip = kit.bytes().await.unwrap();
    assert!(zip == s.home.vault_kit(Some("offsite")).await.unwrap());
    let files = s.home.vault(Some("offsite")).await.unwrap().kit_files();
    let secret = files.iter().find(|file| file.0 == "vault-secret.hex").unwrap().1.to_string();
    let prove = |vault: &str, secret: &str| {
        let path = format!("/api/v1/vaults/{vault}/kit/proof");
        s.of(&root, Method::POST, &path).json(&json!({ "secret": secret }))
    };
    assert_eq!(answer(prove("offsite", &secret), StatusCode::OK).await, json!({ "proven": true }));
    assert_eq!(answer(prove("default", &secret), StatusCode::OK).await, json!({ "proven": false }));
    answer(prove("offsite", &secret[..40]), StatusCode::BAD_REQUEST).await;
    answer(prove("none", &secret), StatusCode::NOT_FOUND).await;

    // No secret is on record or in an answer.
    let record = s.get(&root, "/api/v1/audit?limit=1000").await.to_string();
    let listed = s.get(&root, "/api/v1/vaults").await.to_string();
    for secret in [passphrase, secret.trim()] {
        assert!(
            !record.contains(secret)
                && !listed.contains(secret)
                && !made.to_string().contains(secret)
        );
    }
    let kits = on_record(&s, &root, "vault.kit").await;
    assert_eq!(kits.iter().filter(|entry| entry.1 == "begun").count(), 5, "{kits:?}");
    // Keys are for a person with a fresh proof.
    s.context.advance(Duration::from_secs(6 * 60));
    let stale = s.of(&root, Method::POST, "/api/v1/vaults/offsite/kit");
    assert_eq!(answer(stale, StatusCode::FORBIDDEN).await["error"]["code"], "step_up");
    assert_eq!(answer(add(body(folder)), StatusCode::FORBIDDEN).await["error"]["code"], "step_up");
    s.end().await;
}
