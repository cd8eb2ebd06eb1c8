//! What people look at: the console, whether they are safe, and mail that wants to do harm.

use super::*;

const HOSTILE: &str = "From: \"<img src=x onerror=alert(1)>\" <eve@evil.example>\r\n\
    To: ada@contoso.example\r\nSubject: <script>alert(1)</script>\r\n\
    Date: Mon, 2 Mar 2026 08:00:00 +0000\r\nMessage-ID: <1@evil.example>\r\nMIME-Version: 1.0\r\n\
    Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\
    Content-Type: text/html\r\n\r\n<p onclick=\"x()\">Dear <b>customer</b></p>\
    <script>alert(1)</script><img src=\"https://evil.example/p.gif\"><form><input></form>\r\n\
    --b\r\nContent-Type: text/html; name=\"x.html\"\r\n\
    Content-Disposition: attachment; filename=\"a\\\";b.html\"\r\n\r\n<script>alert(2)</script>\r\n\
    --b--\r\n";

async fn backed_up(s: &Service, root: &Signed) {
    let body = json!({ "tenant": "contoso" });
    let queued = s.post(root, "/api/v1/backups", body, StatusCode::ACCEPTED).await;
    s.ended(root, &queued).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_mail_is_shown_as_text_and_nothing_of_it_runs_or_loads() {
    let s = Service::start(Options { users: 1, mails: 0, ..Options::default() }).await;
    let root = s.sign_in("root").await;
    let ada = s.context.people()[0].clone();
    s.context.tenant().deliver(&ada, "inbox", HOSTILE.as_bytes()).unwrap();
    backed_up(&s, &root).await;
    let items = format!("/api/v1/resources/{ada}/items?recursive=true");
    let items = s.get(&root, &items).await;
    let message = items["entries"].as_array().unwrap().iter().find(|one| one["kind"] == "message");
    let path = message.unwrap()["path"].as_str().unwrap().to_owned();
    let of = |what: &str| {
        let address = format!("/api/v1/resources/{ada}/preview{what}");
        s.of(&root, Method::GET, &address).query(&[("path", &path)]).send()
    };

    let shown: Value = of("").await.unwrap().json().await.unwrap();
    assert_eq!(shown["subject"], "<script>alert(1)</script>");
    assert_eq!(shown["from"]["address"], "eve@evil.example");
    assert_eq!(shown["attachments"].as_array().unwrap().len(), 1, "{shown:#}");

    let body = of("/body").await.unwrap();
    let header = |name: &str| body.headers()[name].to_str().unwrap().to_owned();
    assert!(header("content-type").starts_with("text/html"));
    let policy = header("content-security-policy");
    for wanted in ["default-src 'none'", "sandbox", "frame-ancestors 'self'", "img-src data:"] {
        assert!(policy.contains(wanted), "{wanted} not in {policy}");
    }
    assert_eq!(header("x-holdfast-hidden-pictures"), "1");
    let text = body.text().await.unwrap();
    assert!(text.contains("<p>Dear <b>customer</b></p>"), "{text}");
    for bad in ["script", "onclick", "evil.example", "<form", "<input", "onerror"] {
        assert!(!text.contains(bad), "{bad} in {text}");
    }

    let file = of("/attachments/0").await.unwrap();
    assert_eq!(file.headers()["content-type"], "application/octet-stream");
    assert_eq!(file.headers()["x-content-type-options"], "nosniff");
    let name = file.headers()["content-disposition"].to_str().unwrap().to_owned();
    assert_eq!(name, "attachment; filename*=UTF-8''a%22%3Bb.html");
    assert_eq!(file.text().await.unwrap().trim_end(), "<script>alert(2)</script>");
    assert_eq!(of("/attachments/1").await.unwrap().status(), StatusCode::NOT_FOUND);
    // Who may not see content sees no preview; what was shown is on record.
    let reader = s.user("rita", Role::ReadOnly, Scope::ALL).await;
    let address = format!("/api/v1/resources/{ada}/preview?path=x");
    answer(s.of(&reader, Method::GET, &address), StatusCode::FORBIDDEN).await;
    let record = s.get(&root, "/api/v1/audit?action=item.read&outcome=done").await;
    assert_eq!(record["entries"].as_array().unwrap().len(), 4, "{record:#}");
    s.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_overview_counts_what_the_scope_permits() {
    let s = Service::start(Options { users: 2, mails: 1, ..Options::default() }).await;
    let root = s.sign_in("root").await;
    backed_up(&s, &root).await;
    let all = s.get(&root, "/api/v1/overview").await;
    let kept = all["resources"]["kept"].as_u64().unwrap();
    assert!(kept >= 2, "{all:#}");
    assert_eq!((&all["resources"]["missed"], &all["resources"]["first"]), (&json!(0), &json!(0)));
    assert_eq!(all["attention"], json!([]));
    assert_eq!((&all["day"]["runs"], &all["day"]["failed"]), (&json!(1), &json!(0)));
    assert!(all["day"]["items_new"].as_u64().unwrap() >= 2, "{all:#}");

    let ada = s.context.people()[0].clone();
    let one = s.get(&root, &format!("/api/v1/resources/{ada}")).await;
    let scope = Scope {
        resources: Limit::Only(
            [holdfast_model::ResourceId(one["id"].as_str().unwrap().to_owned())].into(),
        ),
        ..Scope::ALL
    };
    let limited = s.user("olga", Role::Operator, scope).await;
    let part = s.get(&limited, "/api/v1/overview").await;
    assert_eq!(part["resources"]["kept"], 1);
    assert_eq!(part["worst"]["name"].as_str(), Some(ada.as_str()));
    assert_eq!(part["day"]["runs"], 0, "figures of a whole tenant are not for a part of it");
    s.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_address_but_the_apis_is_the_console() {
    let s = Service::start(Options { mails: 0, ..Options::default() }).await;
    for page in ["/", "/resources/ada?at=2026-03-01", "/setup"] {
        let page = s.call(Method::GET, page).send().await.unwrap();
        assert_eq!(page.status(), StatusCode::OK);
        assert!(page.headers()["content-type"].to_str().unwrap().starts_with("text/html"));
        let policy = page.headers()["content-security-policy"].to_str().unwrap();
        assert!(policy.contains("default-src 'none'"), "{policy}");
        assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
    }
    for (method, path) in [
        (Method::GET, "/api/v1/nothing"),
        (Method::GET, "/api"),
        (Method::POST, "/"),
        (Method::GET, "/assets/of-another-version.js"),
        (Method::GET, "/assets/../../Cargo.toml"),
        (Method::GET, "/assets/..%2f..%2fCargo.toml"),
    ] {
        let got = s.call(method, path).send().await.unwrap();
        let text = format!("{path}: {}", got.status());
        let is_page = got.headers()["content-type"].to_str().unwrap().starts_with("text/html");
        assert!(got.status() == StatusCode::NOT_FOUND || is_page, "{text}");
        assert!(!got.text().await.unwrap().contains("[workspace]"), "{text}");
    }
    s.end().await;
}
