//! What Graph does beyond answering: delta, ids, creation, batches, limits, and staying the same
//! over a restart.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::future::join_all;
use holdfast_sim::{Limits, SimConfig, Tenant};
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use crate::session::{Session, config};

/// A mailbox as a client knows it from deltas alone.
#[derive(Default)]
struct Mirror {
    folder_link: Option<String>,
    /// Folders with the links of their messages.
    folders: BTreeMap<String, Option<String>>,
    /// Messages with their folder and change key.
    messages: BTreeMap<String, (String, String)>,
}

impl Mirror {
    async fn follow(&mut self, session: &Session, user: &str, size: usize) {
        let first = format!("{user}/mailFolders/delta");
        let link = self.folder_link.clone().unwrap_or(first);
        let (changes, link) = session.pages(&link, size).await;
        self.folder_link = Some(link);
        for change in changes {
            let id = change["id"].as_str().unwrap().to_owned();
            match change.get("@removed") {
                Some(_) => {
                    self.folders.remove(&id);
                    self.messages.retain(|_, (folder, _)| *folder != id);
                }
                None => {
                    self.folders.entry(id).or_default();
                }
            }
        }
        let mut removed = Vec::new();
        for (folder, link) in &mut self.folders {
            let first =
                format!("{user}/mailFolders/{folder}/messages/delta?$select=subject,changeKey");
            let (changes, next) = session.pages(link.as_deref().unwrap_or(&first), size).await;
            *link = Some(next);
            for change in changes {
                let id = change["id"].as_str().unwrap().to_owned();
                match change.get("@removed") {
                    Some(_) => removed.push((id, folder.clone())),
                    None => {
                        let key = change["changeKey"].as_str().unwrap().to_owned();
                        self.messages.insert(id, (folder.clone(), key));
                    }
                }
            }
        }
        // A removal in one folder and an arrival in another are a move.
        for (id, from) in removed {
            if self.messages.get(&id).is_some_and(|(folder, _)| *folder == from) {
                self.messages.remove(&id);
            }
        }
    }
}

fn truth(tenant: &Tenant, user: &str) -> BTreeMap<String, (String, String)> {
    let folders = tenant.folders(user).unwrap();
    let messages = folders.iter().flat_map(|folder| tenant.messages(user, &folder.id).unwrap());
    messages.map(|message| (message.id, (message.folder_id, message.change_key))).collect()
}

/// One thing that happens in the mailbox, by the people of the tenant or over HTTP.
async fn happen(session: &Session, user: &str, number: usize, rng: &mut ChaCha8Rng) {
    let tenant = session.sim.tenant();
    let messages: Vec<_> = truth(tenant, user).into_keys().collect();
    let folders: Vec<_> = tenant.folders(user).unwrap().into_iter().collect();
    let message = messages.choose(rng).unwrap().as_str();
    let folder = folders.choose(rng).unwrap();
    let path = format!("users/{user}/messages/{message}");
    // What Exchange refuses (its own folders, a name that is taken) is refused here too.
    match rng.random_range(0..12) {
        0..=2 => {
            let mime = format!("Subject: new {number}\r\n\r\nx");
            tenant.deliver(user, &folder.id, mime.as_bytes()).unwrap();
        }
        3 => tenant.message_update(user, message, |edit| edit.is_read = !edit.is_read).unwrap(),
        4 => tenant.message_move(user, message, &folder.id).unwrap(),
        5 => drop(tenant.message_copy(user, message, &folder.id).unwrap()),
        6 => tenant.message_delete(user, message, rng.random_bool(0.5)).unwrap(),
        7 => drop(tenant.folder_create(user, Some(&folder.id), &format!("made {number}")).unwrap()),
        8 => drop(tenant.folder_delete(user, &folder.id, rng.random_bool(0.5))),
        9 => drop(tenant.folder_rename(user, &folder.id, &format!("renamed {number}"))),
        10 => {
            let target = json!({"destinationId": folder.id});
            session.post(&format!("{path}/move"), &target).await.expect(201);
        }
        _ => drop(session.delete(&path).await.expect(204)),
    }
}

#[tokio::test]
async fn a_client_that_follows_deltas_knows_the_mailbox() {
    for seed in 0..4 {
        let limits = Limits::none();
        let session = Session::with(SimConfig { seed, limits, ..config() }).await;
        let user = session.sim.tenant().users()[0].id.clone();
        let path = format!("users/{user}");
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut mirror = Mirror::default();
        mirror.follow(&session, &path, 7).await;
        assert_eq!(mirror.messages, truth(session.sim.tenant(), &user), "seed {seed}, first round");
        for round in 0..5 {
            for number in 0..12 {
                happen(&session, &user, round * 100 + number, &mut rng).await;
            }
            mirror.follow(&session, &path, 3).await;
            let truth = truth(session.sim.tenant(), &user);
            assert_eq!(mirror.messages, truth, "seed {seed}, round {round}");
        }
    }
}

#[tokio::test]
async fn links_are_opaque_and_end() {
    let session = Session::start().await;
    let user = session.user();
    let path = format!("{user}/mailFolders/inbox/messages/delta");
    let (_, link) = session.pages(&path, 10).await;
    assert!(link.starts_with(&session.sim.info.graph_url), "{link}");
    let (nothing, link) = session.pages(&link, 10).await;
    assert_eq!(nothing, Vec::<Value>::new());
    let (head, token) = link.split_once("deltatoken=").unwrap();
    let mut edited = token.to_owned();
    let last = edited.pop().unwrap();
    edited.push(if last == 'A' { 'B' } else { 'A' });
    for bad in [edited, token[1..].to_owned(), "x".to_owned()] {
        let answer = session.get(&format!("{head}deltatoken={bad}")).await;
        assert_eq!(answer.status, 400, "{bad}");
    }
    let sent = session.get(&format!("{user}/mailFolders/sentitems")).await.expect(200);
    let elsewhere = format!("{user}/mailFolders/{}/messages/delta", sent.text("id"));
    session.get(&format!("{elsewhere}?$deltatoken={token}")).await.expect(400);
    for option in ["$top=5", "$search=x", "$filter=subject eq 'x'"] {
        session.get(&format!("{path}?{option}")).await.expect(400);
    }
    session.sim.tenant().clock().advance(Duration::from_secs(8 * 86_400));
    let mut session = session;
    let all = holdfast_sim::Client {
        client_id: session.sim.info.client_id.clone(),
        client_secret: session.sim.info.client_secret.clone(),
    };
    session.act_as(&all).await;
    assert_eq!(session.get(&link).await.expect(410).code(), "SyncStateNotFound");
}

#[tokio::test]
async fn ids_stay_or_change_with_a_move_and_mind_their_case() {
    let session = Session::start().await;
    let user = session.user();
    let list = format!("{user}/mailFolders/inbox/messages?$top=1");
    let mutable = |path: &str| session.request("GET", path).header("Prefer", "x");
    let mut plain = mutable(&list).build().unwrap();
    plain.headers_mut().remove("prefer");
    let plain = reqwest::RequestBuilder::from_parts(session.http.clone(), plain);
    let plain = session.send(plain).await.expect(200).values()[0]["id"].clone();
    let plain = plain.as_str().unwrap();
    let immutable = session.get(&list).await.expect(200);
    assert!(immutable.header("preference-applied").contains("ImmutableId"));
    let immutable = immutable.values()[0]["id"].as_str().unwrap().to_owned();
    assert_ne!(plain, immutable);
    let by = |id: &str| format!("{user}/messages/{id}?$select=subject");
    let subject = session.get(&by(plain)).await.expect(200);
    assert_eq!(
        session.get(&by(&immutable)).await.expect(200).json["subject"],
        subject.json["subject"]
    );
    let archive = json!({"destinationId": "archive"});
    session.post(&format!("{user}/messages/{immutable}/move"), &archive).await.expect(201);
    session.get(&by(plain)).await.expect(404);
    session.get(&by(&immutable)).await.expect(200);
    let swapped = |letter: char| match letter.is_ascii_uppercase() {
        true => letter.to_ascii_lowercase(),
        false => letter.to_ascii_uppercase(),
    };
    let other: String = immutable.chars().map(swapped).collect();
    session.get(&by(&other)).await.expect(404);
}

#[tokio::test]
async fn some_ids_differ_only_in_case() {
    let session = Session::with(SimConfig { mails_per_user: 120, ..config() }).await;
    let (messages, _) = session.pages(&format!("{}/messages", session.user()), 100).await;
    let ids: Vec<_> = messages.iter().map(|one| one["id"].as_str().unwrap()).collect();
    let mut folded: Vec<_> = ids.iter().map(|id| id.to_ascii_lowercase()).collect();
    folded.sort();
    folded.dedup();
    assert!(folded.len() < ids.len(), "all {} ids differ by more than case", ids.len());
}

#[tokio::test]
async fn json_makes_a_message_that_is_no_draft() {
    let session = Session::start().await;
    let user = session.user();
    let own = "String {9a1e6f3c-0d5b-4a7e-8c21-5b0c6a7d8e9f} Name HoldfastTest";
    let property = |id: &str, value: &str| json!({"id": id, "value": value});
    let body = json!({
        "subject": "restored",
        "body": {"contentType": "html", "content": "<P Class=a>x<script>y</script>"},
        "from": {"emailAddress": {"name": "Ada", "address": "ada@x.example"}},
        "toRecipients": [{"emailAddress": {"address": "bob@x.example"}}],
        "receivedDateTime": "2001-01-01T00:00:00Z",
        "isRead": false,
        "importance": "high",
        "categories": ["Red category"],
        "flag": {"flagStatus": "flagged"},
        "internetMessageId": "<restored@x.example>",
        "singleValueExtendedProperties": [
            property("Integer 0x0E07", "4"),
            property("SystemTime 0x0E06", "2020-05-01T10:00:00Z"),
            property("SystemTime 0x0039", "2020-05-01T09:59:00Z"),
            property("String 0x1042", "<parent@x.example>"),
            property(own, "restore 1"),
        ],
    });
    let made = session.post(&format!("{user}/mailFolders/inbox/messages"), &body).await.expect(201);
    let expand = format!(
        "$expand=singleValueExtendedProperties($filter=id eq '{own}' or id eq 'String 0x1042')"
    );
    let back = session.get(&format!("{user}/messages/{}?{expand}", made.text("id"))).await;
    let back = back.expect(200);
    assert_eq!(back.json["isDraft"], false);
    assert_eq!(back.json["isRead"], false);
    assert_eq!(back.text("receivedDateTime"), "2020-05-01T10:00:00Z");
    assert_eq!(back.text("sentDateTime"), "2020-05-01T09:59:00Z");
    assert_eq!(back.text("internetMessageId"), "<restored@x.example>");
    assert_eq!(back.text("importance"), "high");
    assert_eq!(back.json["flag"]["flagStatus"], "flagged");
    let html = back.json["body"]["content"].as_str().unwrap();
    assert!(html.contains("<p class=\"a\">x") && !html.contains("script"), "{html}");
    let values: Vec<_> = back.json["singleValueExtendedProperties"].as_array().unwrap().clone();
    assert_eq!(values.len(), 2, "{values:?}");
    let filter = format!(
        "{user}/messages?$filter=singleValueExtendedProperties/Any(ep: ep/id eq '{own}' and ep/value eq 'restore 1')"
    );
    let found = session.get(&filter).await.expect(200);
    assert_eq!(found.values().len(), 1);
    assert_eq!(found.values()[0]["id"], made.json["id"]);
    let draft =
        session.post(&format!("{user}/messages"), &json!({"subject": "x"})).await.expect(201);
    assert_eq!(draft.json["isDraft"], true);
    let headers = json!({"internetMessageHeaders": [{"name": "Received", "value": "x"}]});
    session.post(&format!("{user}/messages"), &headers).await.expect(400);
    let sent = json!({"subject": "changed"});
    session.patch(&format!("{user}/messages/{}", made.text("id")), &sent).await.expect(400);
}

#[tokio::test]
async fn batches_answer_each_part() {
    let session = Session::start().await;
    let user = session.user();
    let get = |id: &str, url: &str| json!({"id": id, "method": "GET", "url": url});
    let folder = format!("/{user}/mailFolders/inbox");
    let mut dependent = get("3", &folder);
    dependent["dependsOn"] = json!(["2"]);
    let answer = session
        .batch(&[get("1", &folder), get("2", &format!("/{user}/messages/none")), dependent])
        .await
        .expect(200);
    let status: BTreeMap<_, _> = answer.json["responses"]
        .as_array()
        .unwrap()
        .iter()
        .map(|part| (part["id"].as_str().unwrap(), part["status"].as_u64().unwrap()))
        .collect();
    assert_eq!(status, BTreeMap::from([("1", 200), ("2", 404), ("3", 424)]));
    let many: Vec<_> = (0..21).map(|number| get(&number.to_string(), &folder)).collect();
    session.batch(&many[..20]).await.expect(200);
    session.batch(&many).await.expect(400);
    session.batch(&[get("1", &folder), get("1", &folder)]).await.expect(400);
}

#[tokio::test]
async fn a_mailbox_has_its_limits() {
    let limits = Limits { requests: 6, ..Limits::default() };
    let session = Session::with(SimConfig { limits, ..config() }).await;
    let folder = format!("/{}/mailFolders/inbox", session.user());
    let part = |id: usize| json!({"id": id.to_string(), "method": "GET", "url": folder});
    let parts: Vec<_> = (0..5).map(part).collect();
    session.batch(&parts).await.expect(200);
    let more = session.batch(&parts).await.expect(200);
    let more = more.json["responses"].as_array().unwrap();
    let refused = more.iter().filter(|part| part["status"] == 429).count();
    assert_eq!(refused, 4, "parts of a batch are throttled one by one");
    let refused = session.get(&folder[1..]).await.expect(429);
    assert_eq!(refused.code(), "ApplicationThrottled");
    let wait: u64 = refused.header("retry-after").parse().unwrap();
    assert_eq!(session.sim.tenant().stats().throttled, 5);
    let other = &session.sim.tenant().users()[1].id;
    session.get(&format!("users/{other}/mailFolders/inbox")).await.expect(200);
    session.sim.tenant().clock().advance(Duration::from_secs(wait));
    session.get(&folder[1..]).await.expect(200);
}

#[tokio::test]
async fn the_fifth_request_at_once_is_refused() {
    let latency = Duration::from_millis(400);
    let session = Session::with(SimConfig { latency, ..config() }).await;
    let folder = format!("{}/mailFolders/inbox", session.user());
    let answers = join_all((0..12).map(|_| session.get(&folder))).await;
    let passed = answers.iter().filter(|answer| answer.status == 200).count();
    let refused: Vec<_> = answers.iter().filter(|answer| answer.status == 429).collect();
    assert!(passed >= 4 && !refused.is_empty(), "{passed} of 12 passed");
    assert!(refused[0].text("error").is_empty() && refused[0].code() == "ApplicationThrottled");
    let message = refused[0].json["error"]["message"].as_str().unwrap();
    assert!(message.contains("MailboxConcurrency"), "{message}");
    assert_eq!(session.sim.tenant().stats().mailbox_concurrency_peak, 4);
}

#[tokio::test]
async fn a_tenant_with_state_is_the_same_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let config = SimConfig { state: Some(dir.path().to_owned()), ..config() };
    let session = Session::with(config.clone()).await;
    let user = session.sim.tenant().users()[0].id.clone();
    let inbox = format!("users/{user}/mailFolders/inbox");
    let (_, link) = session.pages(&format!("{inbox}/messages/delta"), 50).await;
    let made = session.post(&format!("{inbox}/messages"), &json!({"subject": "kept"})).await;
    let made = made.expect(201).text("id").to_owned();
    let before = truth(session.sim.tenant(), &user);
    let info = session.sim.info.clone();
    // As after a kill: nothing is told that it ends.
    drop(session);
    let session = Session::with(config).await;
    assert_eq!(truth(session.sim.tenant(), &user), before);
    assert_eq!(session.sim.info.client_secret, info.client_secret);
    assert_eq!(session.sim.info.tenant_id, info.tenant_id);
    // The port is another one; the path and the token stay good.
    let path = link.split_once("/v1.0/").unwrap().1;
    let (changes, _) = session.pages(path, 50).await;
    let ids: Vec<_> = changes.iter().map(|change| change["id"].as_str().unwrap()).collect();
    assert_eq!(ids, [made]);
}

#[tokio::test]
async fn further_names_stand_in_the_certificate_and_in_links() {
    let hosts = vec!["graph.microsoft.com".to_owned()];
    let session = Session::with(SimConfig { hosts, ..config() }).await;
    let address: std::net::SocketAddr =
        session.sim.info.graph_url.trim_start_matches("https://").parse().unwrap();
    let certificate = reqwest::Certificate::from_pem(session.sim.ca_pem().as_bytes()).unwrap();
    let client = reqwest::Client::builder()
        .tls_certs_only([certificate])
        .resolve("graph.microsoft.com", address)
        .build()
        .unwrap();
    let base = format!("https://graph.microsoft.com:{}", address.port());
    let request = session.request("GET", "users?$top=1").build().unwrap();
    let token = request.headers()["authorization"].clone();
    let url = format!("{base}/v1.0/users?$top=1");
    let page: Value =
        client.get(url).header("authorization", token).send().await.unwrap().json().await.unwrap();
    let next = page["@odata.nextLink"].as_str().unwrap();
    assert!(next.starts_with(&base), "{next}");
}
