//! The audit record: numbered without gap whoever appends, and found again by filters.

use holdfast_catalog::{AuditFilter, AuditResume, Catalog};
use holdfast_model::audit::{Action, Actor, ActorKind, Entry, Event, GENESIS, Outcome};
use jiff::SignedDuration;

use crate::{Home, On, on_both, time};

fn sign(text: &str) -> String {
    format!("signed {}", text.len())
}

fn event(actor: &str, action: Action, resource: &str) -> Event {
    let actor = Actor { kind: ActorKind::User, id: actor.into(), name: format!("{actor}@x") };
    let resources = vec![resource.to_owned()];
    Event { tenant: "contoso".into(), resources, ..Event::new(actor, "192.0.2.7", action) }
}

async fn append(catalog: &Catalog, event: Event) -> Entry {
    catalog.audit_append(event, &sign).await.unwrap().0
}

fn assert_chain(entries: &[Entry]) {
    let mut previous = GENESIS.to_owned();
    for (at, entry) in entries.iter().enumerate() {
        assert_eq!(entry.number, at as u64 + 1);
        assert_eq!(entry.previous, previous, "entry {}", entry.number);
        assert_eq!(entry.hash, entry.digest(), "entry {}", entry.number);
        assert_eq!(entry.signature, sign(&entry.statement()));
        previous.clone_from(&entry.hash);
    }
}

async fn an_entry_comes_back_as_it_was_written(on: On) {
    let home = Home::new(&on).await;
    let mut odd = event("a\0\u{1a}'\"\u{1F600}", Action::ItemRead, "r\0");
    (odd.ends, odd.cause, odd.outcome) = (Some(3), "denied".into(), Outcome::Refused);
    odd.items = vec!["Inbox/ä\n.eml".into(), String::new()];
    let written = append(&home.catalog, odd.detail("at", "2026")).await;
    assert_eq!((written.number, written.time), (1, 1_000_000));
    let read = home.open_again().await.audit_after(0, 10).await.unwrap();
    assert_eq!(read, std::slice::from_ref(&written));
    assert_chain(&read);
    assert_eq!(home.catalog.audit_get(1).await.unwrap(), Some(written.clone()));
    let chain = home.catalog.audit_chain().await.unwrap();
    assert_eq!((chain.number, chain.hash, chain.head_number), (1, written.hash, 0));
}

async fn a_head_never_goes_back(on: On) {
    let home = Home::new(&on).await;
    for (saved, noted) in [(5, 5), (3, 5), (7, 7)] {
        home.catalog.audit_head_saved(saved).await.unwrap();
        assert_eq!(home.catalog.audit_chain().await.unwrap().head_number, noted);
    }
}

async fn many_who_append_at_once_leave_no_gap(on: On) {
    let home = Home::new(&on).await;
    let mut writers = Vec::new();
    for writer in 0..4 {
        let catalog = home.open_again().await;
        writers.push(tokio::spawn(async move {
            for n in 0..25 {
                append(&catalog, event(&format!("{writer}"), Action::ItemList, &n.to_string()))
                    .await;
            }
        }));
    }
    for writer in writers {
        writer.await.unwrap();
    }
    let entries = home.catalog.audit_after(0, 1_000).await.unwrap();
    assert_eq!(entries.len(), 100);
    assert_chain(&entries);
}

async fn filters_and_pages_find_what_they_should(on: On) {
    let home = Home::new(&on).await;
    for n in 0..6 {
        let (actor, action) = match n % 2 {
            0 => ("ann", Action::ItemRead),
            _ => ("bob", Action::ItemRestore),
        };
        append(&home.catalog, event(actor, action, &format!("r\"{n}"))).await;
        home.clock.advance(SignedDuration::from_secs(10));
    }
    let found = async |filter: AuditFilter, before, limit| -> Vec<u64> {
        let found = home.catalog.audit_list(&filter, before, limit).await.unwrap();
        found.iter().map(|entry| entry.number).collect()
    };
    let all = AuditFilter::default;
    assert_eq!(found(all(), None, 4).await, [6, 5, 4, 3]);
    assert_eq!(found(all(), Some(3), 4).await, [2, 1]);
    for (filter, expected) in [
        (AuditFilter { actor: Some("ann".into()), ..all() }, vec![5, 3, 1]),
        (AuditFilter { actor: Some("bob@x".into()), ..all() }, vec![6, 4, 2]),
        (AuditFilter { action: Some(Action::ItemRestore), ..all() }, vec![6, 4, 2]),
        (AuditFilter { outcome: Some(Outcome::Failed), ..all() }, vec![]),
        (AuditFilter { tenant: Some("contoso".into()), ..all() }, vec![6, 5, 4, 3, 2, 1]),
        (AuditFilter { resource: Some("r\"3".into()), ..all() }, vec![4]),
        (AuditFilter { resource: Some("r".into()), ..all() }, vec![]),
        (AuditFilter { since: Some(time(1_020)), until: Some(time(1_040)), ..all() }, vec![4, 3]),
    ] {
        assert_eq!(found(filter.clone(), None, 9).await, expected, "{filter:?}");
    }
}

async fn a_lost_end_is_told_and_gone_on_from(on: On) {
    let home = Home::new(&on).await;
    let first = append(&home.catalog, event("ann", Action::ItemRead, "r")).await;
    let here = AuditResume { number: 1, hash: first.hash };
    let resume = || event("system", Action::ChainResume, "r");
    let none = home.catalog.audit_resume(resume(), &here, &sign).await.unwrap();
    assert_eq!(none, None, "the head is here");
    assert_eq!(home.catalog.audit_chain().await.unwrap().number, 1);

    let lost = AuditResume { number: 9, hash: "ab".repeat(32) };
    let entry = home.catalog.audit_resume(resume(), &lost, &sign).await.unwrap().unwrap();
    assert_eq!((entry.number, entry.previous.as_str()), (10, lost.hash.as_str()));
    let detail = |name| entry.detail(name).unwrap();
    assert_eq!(
        (detail("after"), detail("head_number"), detail("missing")),
        ("1".into(), "9".into(), "8".into())
    );
    let next = append(&home.catalog, event("ann", Action::ItemRead, "r")).await;
    assert_eq!((next.number, next.previous), (11, entry.hash));
}

async fn a_rebuild_leaves_the_record_alone(on: On) {
    let home = Home::new(&on).await;
    let first = append(&home.catalog, event("ann", Action::ItemRead, "r")).await;
    home.catalog.replace_all(holdfast_catalog::Rebuilt::default()).await.unwrap();
    assert_eq!(home.catalog.audit_after(0, 9).await.unwrap(), [first]);
}

on_both! {
    an_entry_comes_back_as_it_was_written,
    a_head_never_goes_back,
    many_who_append_at_once_leave_no_gap,
    filters_and_pages_find_what_they_should,
    a_lost_end_is_told_and_gone_on_from,
    a_rebuild_leaves_the_record_alone,
}
