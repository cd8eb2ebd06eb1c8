//! A client that follows a drive by its delta, against what the drive holds.

use std::collections::BTreeMap;
use std::time::Duration;

use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::desk::Desk;
use crate::fault::Fault;

/// What a client knows of an item. The cTags of folders change with what is in them, which a
/// deletion or a move does not tell.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Known {
    parent: Option<String>,
    name: String,
    ctag: Option<String>,
}

#[derive(Default)]
struct Follower {
    held: BTreeMap<String, Known>,
    link: Option<String>,
}

impl Follower {
    /// Reads one page; true at the end of the round.
    fn page(&mut self, desk: &Desk, first: &str) -> bool {
        let link = self.link.clone().unwrap_or_else(|| first.to_owned());
        let page = desk.get(&link);
        for item in page["value"].as_array().unwrap() {
            let id = item["id"].as_str().unwrap().to_owned();
            if item.get("deleted").is_some() {
                assert!(item.get("name").is_none());
                self.held.remove(&id);
                continue;
            }
            let text = |value: &Value| value.as_str().map(str::to_owned);
            let known = Known {
                parent: text(&item["parentReference"]["id"]),
                name: text(&item["name"]).unwrap(),
                ctag: text(&item["cTag"]).filter(|_| item.get("folder").is_none()),
            };
            self.held.insert(id, known);
        }
        let link = |name: &str| page.get(name).and_then(Value::as_str).map(str::to_owned);
        let (next, delta) = (link("@odata.nextLink"), link("@odata.deltaLink"));
        assert!(next.is_some() != delta.is_some());
        self.link = next.or(delta.clone());
        delta.is_some()
    }

    fn round(&mut self, desk: &Desk, first: &str) {
        for _ in 0..1000 {
            if self.page(desk, first) {
                return;
            }
        }
        panic!("the round does not end");
    }

    /// Forgets what hangs below something that is gone.
    fn prune(&mut self) {
        loop {
            let before = self.held.len();
            let held = self.held.clone();
            let rooted = |known: &Known| {
                known.parent.as_ref().is_none_or(|parent| held.contains_key(parent))
            };
            self.held.retain(|_, known| rooted(known));
            if self.held.len() == before {
                return;
            }
        }
    }
}

fn truth(desk: &Desk, drive: &str) -> BTreeMap<String, Known> {
    let items = desk.tenant.drive_items(drive).unwrap().into_iter();
    items
        .map(|item| {
            let ctag = Some(item.ctag).filter(|_| !item.is_folder);
            (item.id, Known { parent: item.parent, name: item.name, ctag })
        })
        .collect()
}

fn desk() -> (Desk, String, String) {
    let desk = Desk::empty(1);
    let drive = desk.tenant.onedrive_add(&desk.user(0)).unwrap();
    (desk, drive.id, drive.root)
}

fn bytes(text: &str) -> crate::FileBytes {
    text.as_bytes().into()
}

/// Names and kinds of a page in their order.
fn listed(page: &Value) -> Vec<String> {
    let name = |item: &Value| {
        if item.get("deleted").is_some() { "-" } else { item["name"].as_str().unwrap() }.to_owned()
    };
    page["value"].as_array().unwrap().iter().map(name).collect()
}

#[test]
fn a_first_round_lists_folders_before_what_is_in_them() {
    let (desk, drive, root) = desk();
    let tenant = &desk.tenant;
    let folder = tenant.drive_folder_add(&drive, &root, "Folder").unwrap();
    for number in 0..7 {
        tenant.file_add(&drive, &folder, &format!("{number}.txt"), bytes("x")).unwrap();
    }
    tenant.drive_item_rename(&drive, &folder, "Renamed").unwrap();
    for top in [1, 2, 3, 200] {
        let mut link = format!("/v1.0/drives/{drive}/root/delta?$top={top}");
        let mut seen = Vec::new();
        loop {
            let page = desk.get(&link);
            for item in page["value"].as_array().unwrap() {
                if let Some(parent) = item["parentReference"]["id"].as_str() {
                    assert!(seen.iter().any(|id| id == parent), "{item} before its folder");
                }
                seen.push(item["id"].as_str().unwrap().to_owned());
            }
            match page["@odata.nextLink"].as_str() {
                Some(next) => link = next.to_owned(),
                None => break,
            }
        }
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), 9, "root, folder and seven files");
    }
}

#[test]
fn a_moved_folder_is_listed_with_the_folders_above_only() {
    let (desk, drive, root) = desk();
    let tenant = &desk.tenant;
    let folder = tenant.drive_folder_add(&drive, &root, "Folder").unwrap();
    let other = tenant.drive_folder_add(&drive, &root, "Other").unwrap();
    for number in 0..50 {
        tenant.file_add(&drive, &folder, &format!("{number}.txt"), bytes("x")).unwrap();
    }
    let first = format!("/v1.0/drives/{drive}/root/delta");
    let mut follower = Follower::default();
    follower.round(&desk, &first);
    let link = follower.link.clone().unwrap();
    assert_eq!(listed(&desk.get(&link)), Vec::<String>::new());
    tenant.drive_item_move(&drive, &folder, &other).unwrap();
    tenant.drive_item_rename(&drive, &folder, "Moved").unwrap();
    assert_eq!(listed(&desk.get(&link)), ["Moved", "Other", "root"]);
    let alone = desk.tenant.drive_items(&drive).unwrap();
    assert_eq!(alone.iter().filter(|item| item.path.starts_with(&["Other".into()])).count(), 52);
    follower.round(&desk, &first);
    assert_eq!(follower.held, truth(&desk, &drive));
}

#[test]
fn deletions_list_what_was_below_or_not() {
    for lists in [true, false] {
        let (desk, drive, root) = desk();
        let tenant = &desk.tenant;
        tenant.drive_options_set(&drive, |options| options.lists_descendants = lists).unwrap();
        let folder = tenant.drive_folder_add(&drive, &root, "Folder").unwrap();
        for number in 0..3 {
            tenant.file_add(&drive, &folder, &format!("{number}.txt"), bytes("x")).unwrap();
        }
        let mut follower = Follower::default();
        let first = format!("/v1.0/drives/{drive}/root/delta");
        follower.round(&desk, &first);
        tenant.drive_item_remove(&drive, &folder).unwrap();
        let again = tenant.drive_folder_add(&drive, &root, "Folder").unwrap();
        assert_ne!(again, folder);
        let page = desk.get(&follower.link.clone().unwrap());
        let gone = listed(&page).iter().filter(|name| *name == "-").count();
        assert_eq!(gone, if lists { 4 } else { 1 });
        let tombstone = page["value"].as_array().unwrap().iter();
        let tombstone = tombstone.filter(|item| item["id"] == folder.as_str());
        let expected = json!({"id": folder, "deleted": {"state": "deleted"}, "size": 0});
        assert_eq!(tombstone.collect::<Vec<_>>(), [&expected]);
        follower.round(&desk, &first);
        follower.prune();
        assert_eq!(follower.held, truth(&desk, &drive));
        // Who begins now hears nothing of it.
        let fresh = desk.get(&first);
        assert_eq!(listed(&fresh), ["root", "Folder"]);
    }
}

/// One random change.
fn change(desk: &Desk, drive: &str, root: &str, random: &mut ChaCha8Rng, number: usize) {
    let tenant = &desk.tenant;
    let items = tenant.drive_items(drive).unwrap();
    let folders: Vec<&str> =
        items.iter().filter(|item| item.is_folder).map(|item| item.id.as_str()).collect();
    let folder = *folders.choose(random).unwrap();
    let item = items.choose(random).unwrap();
    let name = format!("n{number}");
    match random.random_range(0..10) {
        0..=2 => drop(tenant.file_add(drive, folder, &name, bytes(&name))),
        3..=4 => drop(tenant.drive_folder_add(drive, folder, &name)),
        5 if item.id != root => drop(tenant.drive_item_rename(drive, &item.id, &name)),
        6 if item.id != root => drop(tenant.drive_item_move(drive, &item.id, folder)),
        7 if item.id != root => drop(tenant.drive_item_remove(drive, &item.id)),
        8 => drop(tenant.drive_share(drive, &item.id, &desk.user(0), "read")),
        _ if !item.is_folder => drop(tenant.file_replace(drive, &item.id, bytes(&name))),
        _ => {}
    }
}

#[test]
fn who_follows_holds_what_is_there() {
    for seed in 0..40 {
        let (desk, drive, root) = desk();
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let lists = seed % 2 == 0;
        desk.tenant.drive_options_set(&drive, |options| options.lists_descendants = lists).unwrap();
        let first = format!("/v1.0/drives/{drive}/root/delta?$top={}", 1 + seed % 4);
        let mut follower = Follower::default();
        let mut number = 0;
        for _ in 0..6 {
            for _ in 0..random.random_range(0..12) {
                number += 1;
                change(&desk, &drive, &root, &mut random, number);
            }
            // Changes in the middle of the round too.
            while !follower.page(&desk, &first) {
                number += 1;
                if random.random_ratio(1, 3) {
                    change(&desk, &drive, &root, &mut random, number);
                }
            }
        }
        follower.round(&desk, &first);
        follower.prune();
        assert_eq!(follower.held, truth(&desk, &drive), "seed {seed}");
    }
}

#[test]
fn tokens_are_positions_times_or_the_latest() {
    let (desk, drive, root) = desk();
    let tenant = &desk.tenant;
    let delta = format!("/v1.0/drives/{drive}/root/delta");
    tenant.file_add(&drive, &root, "old.txt", bytes("x")).unwrap();
    let latest = desk.get(&format!("{delta}?token=latest"));
    assert_eq!(listed(&latest), Vec::<String>::new());
    let at = tenant.clock().now();
    tenant.clock().advance(Duration::from_secs(60));
    tenant.file_add(&drive, &root, "new.txt", bytes("x")).unwrap();
    let since = desk.get(&format!("{delta}?token={at}"));
    assert_eq!(listed(&since), ["new.txt", "root"]);
    let link = latest["@odata.deltaLink"].as_str().unwrap().to_owned();
    assert_eq!(listed(&desk.get(&link)), ["new.txt", "root"]);
    let token = link.split("token=").nth(1).unwrap();
    assert_eq!(listed(&desk.get(&format!("{delta}(token='{token}')"))), ["new.txt", "root"]);
    assert_eq!(desk.refusal("GET", &format!("{link}x"), &Value::Null).0, 400);
    tenant.clock().advance(Duration::from_secs(31 * 86_400));
    let reply = desk.request("GET", &link, "", b"");
    let error = reply.json.unwrap();
    assert_eq!((reply.status, error["error"]["code"].as_str()), (410, Some("resyncRequired")));
    assert_eq!(error["error"]["innerError"]["code"], "resyncChangesApplyDifferences");
    let location = reply.headers.iter().find(|(name, _)| *name == "location").unwrap();
    assert_eq!(listed(&desk.get(&location.1)), ["root", "old.txt", "new.txt"]);
}

#[test]
fn paths_may_be_missing_and_addresses_come_on_request() {
    let (desk, drive, root) = desk();
    for number in 0..8 {
        desk.tenant.file_add(&drive, &root, &format!("{number}"), bytes("x")).unwrap();
    }
    let delta = format!("/v1.0/drives/{drive}/root/delta");
    let page = desk.get(&delta);
    let items = page["value"].as_array().unwrap();
    let pathless = |item: &&Value| item["parentReference"].get("path").is_none();
    assert_eq!(items.iter().filter(pathless).count(), 3, "the root and every fourth");
    assert!(items.iter().all(|item| item.get("@microsoft.graph.downloadUrl").is_none()));
    let page = desk.get(&format!("{delta}?$select=id,content.downloadUrl"));
    let named = page["value"].as_array().unwrap().iter();
    let urls = named.filter(|item| item.get("@microsoft.graph.downloadUrl").is_some()).count();
    assert_eq!(urls, 8);
}

#[test]
fn tombstones_that_are_lost_do_not_come_again() {
    let (desk, drive, root) = desk();
    let file = desk.tenant.file_add(&drive, &root, "a", bytes("x")).unwrap();
    let mut follower = Follower::default();
    let first = format!("/v1.0/drives/{drive}/root/delta");
    follower.round(&desk, &first);
    desk.tenant.drive_item_remove(&drive, &file).unwrap();
    desk.tenant.faults().inject(Fault::once(FaultKind::LostTombstones, "delta"));
    follower.round(&desk, &first);
    follower.round(&desk, &first);
    assert!(follower.held.contains_key(&file));
    let mut fresh = Follower::default();
    fresh.round(&desk, &first);
    assert_eq!(fresh.held, truth(&desk, &drive));
}

/// A page of somebody who asks again until there is an answer.
fn stubborn(desk: &Desk, link: &str) -> Value {
    for _ in 0..100 {
        let reply = desk.request("GET", link, "", b"");
        if reply.status == 200 && !reply.broken {
            return reply.json.unwrap();
        }
    }
    panic!("no answer");
}

#[test]
fn a_storm_costs_patience_only() {
    let (desk, drive, root) = desk();
    for number in 0..300 {
        desk.tenant.file_add(&drive, &root, &format!("{number}"), bytes("x")).unwrap();
    }
    desk.tenant.faults().set_profile(crate::FaultProfile::Storm);
    let mut link = format!("/v1.0/drives/{drive}/root/delta?$top=7");
    let mut held = BTreeMap::new();
    loop {
        let page = stubborn(&desk, &link);
        for item in page["value"].as_array().unwrap() {
            held.insert(item["id"].as_str().unwrap().to_owned(), item["name"].clone());
        }
        match page["@odata.nextLink"].as_str() {
            Some(next) => link = next.to_owned(),
            None => break,
        }
    }
    assert_eq!(held.len(), 301);
    assert!(desk.tenant.faults().struck() > 3, "{}", desk.tenant.faults().struck());
}
