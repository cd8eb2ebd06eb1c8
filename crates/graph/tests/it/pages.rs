//! Lists and delta rounds.

use holdfast_graph::{Error, Kind, Page, Pages};
use serde_json::{Value, json};

use crate::server::{Answer, Server, fault, ok, status};

const LIST: &str = "/v1.0/users/1/messages/delta";

fn page(server: &Server, ids: &[&str], next: Option<&str>, delta: Option<&str>) -> Answer {
    let items: Vec<Value> = ids.iter().map(|id| json!({"id": id})).collect();
    let mut body = json!({"value": items});
    if let Some(token) = next {
        body["@odata.nextLink"] = json!(server.link(&format!("{LIST}?$skiptoken={token}")));
    }
    if let Some(token) = delta {
        body["@odata.deltaLink"] = json!(server.link(&format!("{LIST}?$deltatoken={token}")));
    }
    ok(body)
}

fn ids(page: &Page) -> Vec<&str> {
    page.items.iter().map(|item| item["id"].as_str().unwrap()).collect()
}

async fn walk(pages: &mut Pages) -> Result<Vec<Page>, Error> {
    let mut all = Vec::new();
    while let Some(page) = pages.next().await? {
        all.push(page);
    }
    Ok(all)
}

/// Faults 7, 8, 9 and 10: an empty page with a next link, a page larger than asked for, an item
/// that comes twice; and `$top` is never sent.
#[tokio::test]
async fn faults_7_to_10_a_round_is_walked_to_its_delta_link() {
    let server = Server::start([]).await;
    let many: Vec<String> = (0..171).map(|n| format!("m{n}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    server.push([
        page(&server, &many, Some("a.1"), None),
        page(&server, &[], Some("b"), None),
        page(&server, &["m0"], Some("c"), None),
        page(&server, &["m0"], None, Some("d.z")),
    ]);
    let graph = server.graph();
    let first = graph.get("/users/1/messages/delta").query("$select", "id");
    let mut pages = graph.pages(first.mailbox("1").prefer("odata.maxpagesize=100"));
    assert_eq!(pages.position(), None);
    let all = walk(&mut pages).await.unwrap();

    assert_eq!(all.iter().map(|page| page.items.len()).collect::<Vec<_>>(), [171, 0, 1, 1]);
    assert_eq!(ids(&all[3]), ["m0"]);
    assert_eq!(all[0].next_link.as_deref(), Some("/v1.0/users/1/messages/delta?$skiptoken=a.1"));
    let last = "/v1.0/users/1/messages/delta?$deltatoken=d.z";
    assert_eq!(all[3].delta_link.as_deref(), Some(last));
    assert_eq!(
        server.paths(),
        [
            format!("{LIST}?$select=id"),
            format!("{LIST}?$skiptoken=a.1"),
            format!("{LIST}?$skiptoken=b"),
            format!("{LIST}?$skiptoken=c"),
        ]
    );
    for call in server.calls() {
        assert_eq!(call.header("prefer"), "IdType=\"ImmutableId\", odata.maxpagesize=100");
        assert!(!call.path.contains("$top"));
    }
    assert!(pages.next().await.unwrap().is_none(), "the walk stays at its end");
    assert_eq!(server.calls().len(), 4);
}

/// Fault 5: a failure in the middle is resumed at the same link, by retry and by the caller.
#[tokio::test]
async fn fault_5_a_round_resumes_where_it_failed() {
    let server = Server::start([]).await;
    server.push([page(&server, &["1"], Some("b"), None), status(503), status(500)]);
    server.push([page(&server, &["2"], Some("c"), None)]);
    server.push((0..8).map(|_| fault(500, "InternalServerError")));
    server.push([page(&server, &["3"], None, Some("d"))]);
    let graph = server.graph();
    let mut pages = graph.pages(graph.get(LIST));
    assert_eq!(ids(&pages.next().await.unwrap().unwrap()), ["1"]);
    assert_eq!(ids(&pages.next().await.unwrap().unwrap()), ["2"]);
    assert_eq!(pages.next().await.unwrap_err().kind(), Kind::Transient);
    let stand = format!("{LIST}?$skiptoken=c");
    assert_eq!(pages.position(), Some(&*stand));
    assert_eq!(ids(&pages.next().await.unwrap().unwrap()), ["3"]);
    let asked = server.paths();
    assert_eq!(asked[1..4], vec![format!("{LIST}?$skiptoken=b"); 3]);
    assert_eq!(asked[4..13], vec![stand; 9]);
}

/// Fault 6: a link that leads back, at once or in a circle.
#[tokio::test]
async fn fault_6_the_same_link_twice_is_a_loop() {
    for circle in [&["b", "b"][..], &["b", "c", "b"]] {
        let server = Server::start([]).await;
        let steps = circle.iter().enumerate();
        server.push(steps.map(|(n, next)| page(&server, &[&format!("m{n}")], Some(next), None)));
        let graph = server.graph();
        let error = walk(&mut graph.pages(graph.get(LIST))).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Loop);
        assert_eq!(server.calls().len(), circle.len());
    }
}

/// Fault 6 with links that differ: the content gives it away.
#[tokio::test]
async fn fault_6_the_same_page_again_and_again_is_a_loop() {
    let server = Server::start([]).await;
    server.push((0..50).map(|n| page(&server, &["1", "2"], Some(&format!("t{n}")), None)));
    let graph = server.graph();
    let error = walk(&mut graph.pages(graph.get(LIST))).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Loop);
    assert_eq!(server.calls().len(), 3);
}

/// And where each answer brings new addresses.
#[tokio::test]
async fn fault_6_a_page_with_new_addresses_is_the_same_page() {
    let server = Server::start([]).await;
    let base = server.url.clone();
    server.push((0..50).map(|n| {
        let url = format!("https://files.example/a?tempauth={n}");
        let item = json!({"id": "1", "@microsoft.graph.downloadUrl": url});
        let next = format!("{base}v1.0/me/list?$skiptoken={n}");
        ok(json!({"value": [item], "@odata.nextLink": next}))
    }));
    let graph = server.graph();
    let error = walk(&mut graph.pages(graph.get(LIST))).await.unwrap_err();
    assert_eq!((error.kind(), server.calls().len()), (Kind::Loop, 3));
}

#[tokio::test]
async fn empty_pages_without_end_are_a_loop() {
    let server = Server::start([]).await;
    server.push((0..1100).map(|n| page(&server, &[], Some(&format!("t{n}")), None)));
    let graph = server.graph();
    let error = walk(&mut graph.pages(graph.get(LIST))).await.unwrap_err();
    assert_eq!((error.kind(), server.calls().len()), (Kind::Loop, 1000));
}

#[tokio::test]
async fn a_link_to_another_host_ends_the_walk() {
    let server = Server::start([]).await;
    server.push([ok(json!({"value": [], "@odata.nextLink": "https://evil.example/v1.0/x"}))]);
    let graph = server.graph();
    let error = graph.pages(graph.get(LIST)).next().await.unwrap_err();
    assert!(matches!(error, Error::ForeignLink { .. }), "{error}");
    assert!(error.to_string().contains("evil.example"));
}

#[tokio::test]
async fn an_answer_that_is_no_list_is_an_error() {
    for body in [json!("text"), json!([1]), json!({"value": {}}), json!({}), json!(null)] {
        let server = Server::start([ok(body)]).await;
        let graph = server.graph();
        let error = graph.pages(graph.get(LIST)).next().await.unwrap_err();
        assert!(matches!(error, Error::Malformed { .. }), "{error}");
    }
}

/// Links in the form with keys in brackets are followed as they are.
#[tokio::test]
async fn links_with_keys_in_brackets_are_followed() {
    let server = Server::start([]).await;
    let odd = "/v1.0/users('1')/mailFolders('AAMk%2B=')/messages/delta?$skiptoken=x_-.~%2F";
    server.push([ok(json!({"value": [], "@odata.nextLink": server.link(odd)}))]);
    server.push([page(&server, &[], None, Some("d"))]);
    let graph = server.graph();
    walk(&mut graph.pages(graph.get(LIST))).await.unwrap();
    assert_eq!(server.paths()[1], odd);
}
