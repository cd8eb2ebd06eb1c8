//! Finding messages by subject and sender, over mailboxes and restore points.

use std::fs;
use std::path::PathBuf;

use holdfast_engine::Exit;
use holdfast_engine::browse::At;
use holdfast_engine::find::{FindRequest, Finds, find};
use holdfast_testkit::{Options, TestContext};

fn deliver(t: &TestContext, upn: &str, from: &str, subject: &str) -> String {
    let mime = format!("From: {from}\r\nSubject: {subject}\r\n\r\ntext\r\n");
    t.tenant().deliver(upn, "inbox", mime.as_bytes()).unwrap()
}

fn request(texts: &[&str]) -> FindRequest {
    let texts = texts.iter().map(|text| (*text).to_owned()).collect();
    FindRequest { texts, ..FindRequest::default() }
}

fn titles(finds: &Finds) -> Vec<&str> {
    assert!(finds.damaged.is_empty(), "{finds:?}");
    let mut titles: Vec<&str> = finds.hits.iter().map(|hit| hit.entry.title.as_str()).collect();
    titles.sort_unstable();
    titles
}

async fn found(t: &TestContext, texts: &[&str]) -> Vec<String> {
    let finds = find(&t.home, &request(texts)).await.unwrap();
    titles(&finds).into_iter().map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn subjects_and_senders_are_found_in_all_mailboxes() {
    let t = TestContext::new(Options { users: 3, mails: 0, ..Options::default() }).await;
    let people = t.people();
    let id = deliver(&t, &people[0], "ada@contoso.example", "Budget 2027");
    deliver(&t, &people[1], "bob@contoso.example", "Re: BUDGET 2027");
    deliver(&t, &people[1], "ada@contoso.example", "Lunch");
    deliver(&t, &people[1], "ada@fabrikam.example", "cafe\u{301} Straße");
    t.backup().await;
    // The third mailbox has no restore point.
    t.tenant().user_add("Late Person", "late@contoso.example").unwrap();

    assert_eq!(found(&t, &["budget"]).await, ["Budget 2027", "Re: BUDGET 2027"]);
    assert_eq!(found(&t, &["budget*"]).await, ["Budget 2027"]);
    assert_eq!(found(&t, &["*2027"]).await.len(), 2);
    assert_eq!(found(&t, &["*lun*"]).await, ["Lunch"]);
    assert_eq!(found(&t, &["lun*x"]).await.len(), 0);
    assert_eq!(found(&t, &["budget", "ADA@"]).await, ["Budget 2027"]);
    assert_eq!(found(&t, &["ada@*"]).await.len(), 3);
    assert_eq!(found(&t, &["CAF\u{c9}", "strasse"]).await, ["cafe\u{301} Straße"]);
    assert_eq!(found(&t, &["nothing of the kind"]).await.len(), 0);
    assert_eq!(found(&t, &[]).await.len(), 4);

    let one = FindRequest { resource: Some(people[1].clone()), ..request(&["ada"]) };
    let finds = find(&t.home, &one).await.unwrap();
    assert_eq!(titles(&finds), ["Lunch", "cafe\u{301} Straße"]);
    let finds = find(&t.home, &request(&["budget 2027", "ada"])).await.unwrap();
    let [hit] = finds.hits.as_slice() else { panic!("{finds:?}") };
    assert_eq!((&hit.resource, &hit.entry.id, hit.deleted), (&people[0], &id, None));
    assert_eq!((hit.entry.kind, hit.entry.from.as_str()), ("message", "ada@contoso.example"));
    assert!(hit.entry.path.starts_with("Inbox/") && hit.entry.received.is_some());
    assert_eq!(hit.entry.size as usize, t.tenant().mime(&people[0], &id).unwrap().len());

    let unknown = FindRequest { resource: Some("nobody".to_owned()), ..request(&["x"]) };
    assert_eq!(find(&t.home, &unknown).await.unwrap_err().exit(), Exit::NotFound);
    let unknown = FindRequest { at: At::Snapshot("ffffffff".to_owned()), ..request(&["x"]) };
    assert_eq!(find(&t.home, &unknown).await.unwrap_err().exit(), Exit::NotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn earlier_times_and_deleted_messages_are_found() {
    let t = TestContext::new(Options { users: 2, mails: 5, ..Options::default() }).await;
    let upn = t.people().remove(0);
    let goes = deliver(&t, &upn, "ada@contoso.example", "Plan goes");
    let stays = deliver(&t, &upn, "ada@contoso.example", "Plan stays");
    t.backup().await;
    let before = t.home.clock.now();
    t.tenant().message_delete(&upn, &goes, true).unwrap();
    t.tenant().message_move(&upn, &stays, "archive").unwrap();
    t.backup().await;
    assert_eq!(found(&t, &["plan"]).await, ["Plan stays"]);
    let earlier = FindRequest { at: At::Time(before), ..request(&["plan"]) };
    assert_eq!(titles(&find(&t.home, &earlier).await.unwrap()), ["Plan goes", "Plan stays"]);
    let deleted = FindRequest { deleted: true, ..request(&["plan"]) };
    let finds = find(&t.home, &deleted).await.unwrap();
    assert_eq!(titles(&finds), ["Plan goes"]);
    assert!(finds.hits[0].restore_point <= before && finds.hits[0].deleted.unwrap() > before);
    // Before the first backup there is nothing to look into.
    let never = FindRequest { at: At::Time("2020-01-01T00:00:00Z".parse().unwrap()), ..earlier };
    assert_eq!(find(&t.home, &never).await.unwrap().hits.len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_folders_are_told_and_the_rest_is_searched() {
    let (t, upn) = with_damaged_folders().await;
    let finds = find(&t.home, &request(&["plan"])).await.unwrap();
    let titles: Vec<&str> = finds.hits.iter().map(|hit| hit.entry.title.as_str()).collect();
    assert_eq!(titles, ["Plan of the second"]);
    let inbox = finds.damaged.iter().find(|(_, unread)| unread.path == "Inbox/").unwrap();
    assert_eq!((&inbox.0, inbox.1.error.exit()), (&upn, Exit::Damaged));
}

/// A mailbox of which all that was stored at first cannot be read, and one folder that came later
/// can.
pub async fn with_damaged_folders() -> (TestContext, String) {
    let mut t = TestContext::new(Options { users: 1, mails: 0, ..Options::default() }).await;
    let upn = t.people().remove(0);
    deliver(&t, &upn, "ada@contoso.example", "Plan of the first");
    t.backup().await;
    let before = packs(&t);
    let folder = t.tenant().folder_create(&upn, None, "Later").unwrap();
    let mime = b"Subject: Plan of the second\r\n\r\ntext\r\n";
    t.tenant().deliver(&upn, &folder, mime).unwrap();
    t.backup().await;
    for pack in before {
        let bytes = fs::read(&pack).unwrap();
        fs::write(&pack, vec![0; bytes.len()]).unwrap();
    }
    t.reopen().await;
    (t, upn)
}

fn packs(t: &TestContext) -> Vec<PathBuf> {
    let folders = fs::read_dir(t.vault_dir().join("shards/1/data")).unwrap();
    let files = |folder: PathBuf| fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    folders.flat_map(|folder| files(folder.unwrap().path())).collect()
}
