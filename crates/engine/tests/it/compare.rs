//! The comparison after a restore sees every field: each is changed behind the product's back, in
//! turn, and the read-back must tell that field and no other.

use holdfast_engine::browse::{At, locate};
use holdfast_engine::tenant::{self, Purpose};
use holdfast_testkit::sim::Edit;
use holdfast_testkit::sim::mail::{Address, Importance};
use holdfast_testkit::{Options, TENANT, TestContext};
use holdfast_workloads::mail::{Fields, MailWriter, compare};

const TARGET: &str = "target@contoso.example";

const MIME: &str = "From: Ann <ann@contoso.example>\r\nSender: Team <team@contoso.example>\r\n\
    To: Bob <bob@contoso.example>\r\nCc: Cy <cy@contoso.example>\r\n\
    Bcc: Di <di@contoso.example>\r\nReply-To: Ed <ed@contoso.example>\r\nSubject: Plan\r\n\
    Message-ID: <2@contoso.example>\r\nIn-Reply-To: <1@contoso.example>\r\n\
    References: <0@contoso.example> <1@contoso.example>\r\n\
    Date: Mon, 2 Mar 2026 07:00:00 +0000\r\nMIME-Version: 1.0\r\n\
    Content-Type: multipart/related; boundary=b\r\n\r\n--b\r\n\
    Content-Type: text/html; charset=utf-8\r\n\r\n\
    <p>See <img src=\"cid:pic@x\"></p>\r\n--b\r\nContent-Type: image/png; name=pic.png\r\n\
    Content-Disposition: inline; filename=pic.png\r\nContent-ID: <pic@x>\r\n\
    Content-Transfer-Encoding: base64\r\n\r\niVBORw0KGgo=\r\n--b--\r\n";

type Change = (&'static str, fn(&mut Edit));

fn other() -> Address {
    Address { name: Some("Zoe".into()), address: "zoe@contoso.example".into() }
}

const CHANGES: [Change; 19] = [
    ("subject", |m| m.content.subject.push('!')),
    ("from", |m| m.content.from = Some(other())),
    ("sender", |m| m.content.sender = Some(other())),
    ("to", |m| m.content.to = vec![other()]),
    ("cc", |m| m.content.cc.clear()),
    ("bcc", |m| m.content.bcc.push(other())),
    ("reply_to", |m| m.content.reply_to = vec![other()]),
    ("message_id", |m| m.content.message_id = Some("<9@contoso.example>".into())),
    ("in_reply_to", |m| m.content.in_reply_to = Some("<9@contoso.example>".into())),
    ("references", |m| m.content.references = Some("<9@contoso.example>".into())),
    ("body", |m| m.content.body.content = m.content.body.content.replace("See", "Look")),
    ("attachments", |m| m.content.attachments[0].content.push(0)),
    ("inline_content_ids", |m| m.content.attachments[0].content_id = Some("other@x".into())),
    ("sent", |m| m.sent = Some("2026-01-01T00:00:00Z".parse().unwrap())),
    ("received", |m| m.received = "2026-01-01T00:00:00Z".parse().unwrap()),
    ("read", |m| m.is_read = !m.is_read),
    ("categories", |m| m.categories.push("Red".into())),
    ("flag", |m| m.flag.status = "complete".into()),
    ("importance", |m| m.importance = Importance::High),
];

async fn read_back(t: &TestContext, id: &str) -> Fields {
    let row = tenant::find(&t.home, TENANT).await.unwrap();
    let graph = tenant::graph(&t.home, &row, Purpose::Restore).unwrap();
    let user = t.tenant().users().into_iter().find(|user| user.upn == TARGET).unwrap().id;
    MailWriter::new(&graph, &user).read_back(id).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_field_changed_in_the_target_is_told() {
    let t = TestContext::new(Options { users: 1, mails: 0, ..Options::default() }).await;
    let source = t.people().remove(0);
    t.tenant().deliver(&source, "inbox", MIME.as_bytes()).unwrap();
    t.tenant().user_add("Empty Person", TARGET).unwrap();
    t.backup().await;
    let located = locate(&t.home, None, &source, &At::Latest).await.unwrap();
    let found = located.items("").unwrap().remove(0);
    let bytes = located.reader.bytes(&found.node).unwrap();
    let expected = Fields::of_stored(&found.node.name, found.message().unwrap(), &bytes).unwrap();
    for (field, change) in CHANGES {
        let mut request = t.restore_of(&source);
        request.to = Some(TARGET.to_owned());
        assert_eq!(t.restore(request).await.items_restored, 1, "before {field}");
        let id = t.tenant().messages(TARGET, "inbox").unwrap().remove(0).id;
        assert_eq!(compare(&expected, &read_back(&t, &id).await), []);
        t.tenant().message_update(TARGET, &id, change).unwrap();
        let told = compare(&expected, &read_back(&t, &id).await);
        let told: Vec<&str> = told.into_iter().map(|difference| difference.0).collect();
        assert_eq!(told, [field]);
        t.tenant().message_delete(TARGET, &id, true).unwrap();
    }
}
