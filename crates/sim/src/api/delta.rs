//! Delta queries over folders and over the messages of a folder.
//!
//! A link carries the position in the change log up to which its holder has read, sealed. A page
//! is what comes behind that position in the log as it is now: what changes in the middle of a
//! round moves to its end and is reported once, what goes away is reported if its holder can have
//! seen it.

use std::ops::Bound::{Excluded, Unbounded};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::mailbox;
use super::messages::refuse_corrupt;
use super::page::{bad_token, double, oversized};
use crate::fault::{self, FaultKind};
use crate::filter::{Filter, Literal, Operator};
use crate::http::{Answer, Call, GraphError, Reply};
use crate::query::{Expand, Select, top};
use crate::render::{self, View};
use crate::seal;
use crate::state::{Change, Folder, FolderChange, Mailbox, Stored};
use crate::tenant::Tenant;

/// How long Outlook knows a token: about a week was observed.
const TOKEN_LIFE: i64 = 7 * 86_400;

/// Items of a page without `odata.maxpagesize`.
const PAGE_DEFAULT: usize = 10;

/// Items of a page at most.
const PAGE_MAX: usize = 1000;

/// Items of a round with `$filter` at most (source: Graph, "message: delta", read 2026-11).
const FILTERED_MAX: usize = 5000;

/// What a link remembers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Position {
    /// The user's object id.
    #[serde(rename = "u")]
    user: String,
    /// The folder; none for the delta of the folders themselves.
    #[serde(rename = "f", skip_serializing_if = "Option::is_none")]
    folder: Option<u64>,
    /// Everything up to here was read.
    #[serde(rename = "s")]
    seq: u64,
    /// The end of the log when the first round began, while it runs: what had gone before was
    /// never seen.
    #[serde(rename = "b", default, skip_serializing_if = "Option::is_none")]
    began: Option<u64>,
    /// When the link was issued.
    #[serde(rename = "t")]
    at: i64,
    /// `$select` of the first request.
    #[serde(rename = "q", default, skip_serializing_if = "Option::is_none")]
    select: Option<Vec<String>>,
    /// Extended properties of the first request.
    #[serde(rename = "e", default, skip_serializing_if = "Vec::is_empty")]
    expand: Vec<String>,
    /// `changeType` of the first request.
    #[serde(rename = "c", default, skip_serializing_if = "Option::is_none")]
    change_type: Option<String>,
    /// `receivedDateTime` of the first request's `$filter`.
    #[serde(rename = "r", default, skip_serializing_if = "Option::is_none")]
    received: Option<(bool, Timestamp)>,
    /// Items given in a round with a filter.
    #[serde(rename = "g", default)]
    given: usize,
    /// `includeHiddenFolders` of the first request.
    #[serde(rename = "h", default)]
    hidden: bool,
    /// Page size of the first request.
    #[serde(rename = "n", default, skip_serializing_if = "Option::is_none")]
    size: Option<usize>,
}

/// Reads the position of the request: its token, or the start of a first round.
fn position(tenant: &Tenant, call: &Call, first: Position) -> Result<Position, GraphError> {
    let found = ["$deltatoken", "$skiptoken"]
        .into_iter()
        .find_map(|name| call.option(name).map(|token| (name, token)));
    let Some((name, token)) = found else { return Ok(first) };
    let position: Position = tenant.seal().open(name, token).ok_or_else(|| bad_token(name))?;
    if position.user != first.user || position.folder != first.folder {
        return Err(bad_token(name));
    }
    if tenant.clock().now().as_second() - position.at > TOKEN_LIFE {
        return Err(fault::sync_state_gone("SyncStateNotFound"));
    }
    Ok(position)
}

/// A page of a round.
struct Round {
    value: Vec<Value>,
    /// Where the next page or round begins.
    position: Position,
    /// Whether there is more in this round.
    more: bool,
}

impl Round {
    fn reply(mut self, tenant: &Tenant, call: &Call, path: &str, entity: &str) -> Reply {
        self.position.at = tenant.clock().now().as_second();
        let token = if self.more { "$skiptoken" } else { "$deltatoken" };
        if !self.more {
            self.position.began = None;
            self.position.given = 0;
        }
        let sealed = tenant.seal().token(token, &self.position);
        let link = call.link(path, &[(token, &sealed)]);
        let mut document = Map::new();
        let context = format!("{}/v1.0/$metadata#Collection({entity})", call.base);
        document.insert("@odata.context".to_owned(), json!(context));
        let name = if self.more { "@odata.nextLink" } else { "@odata.deltaLink" };
        document.insert(name.to_owned(), json!(link));
        document.insert("value".to_owned(), Value::Array(self.value));
        Reply::json(200, Value::Object(document))
    }
}

/// The size of the page, as the faults of the call bend it; and whether the page is to be empty.
fn page_size(call: &Call, position: &Position) -> (usize, usize) {
    let wanted = call.prefer().max_page_size.or(position.size).unwrap_or(PAGE_DEFAULT);
    let size = wanted.clamp(1, PAGE_MAX);
    if call.struck(|kind| *kind == FaultKind::OversizedPage) {
        (oversized(size), size)
    } else {
        (size, size)
    }
}

/// `GET /users/{id}/mailFolders/{id}/messages/delta`
pub fn messages(tenant: &Tenant, call: &Call) -> Answer {
    let state = tenant.state();
    let (user, mailbox) = mailbox(&state, call)?;
    let user_id = state.users[user].id.clone();
    let folder = mailbox.folder(call.param(1))?;
    refuse_options(tenant, call)?;
    let mut view = View::of(call, mailbox)?;
    let first = Position {
        user: user_id.clone(),
        folder: Some(folder.number),
        began: Some(mailbox.seq()),
        select: view.select.0.clone(),
        expand: view.expand.properties.clone(),
        change_type: call.option("changeType").map(str::to_ascii_lowercase),
        received: call.option("$filter").map(received_filter).transpose()?,
        size: call.prefer().max_page_size,
        ..Position::default()
    };
    let position = position(tenant, call, first)?;
    view.select = Select(position.select.clone());
    view.expand = Expand { properties: position.expand.clone(), ..Expand::default() };
    let round = message_page(call, &view, folder, position)?;
    let folder = seal::folder_id(&mailbox.tag, folder.number);
    // The service gives its links in this form.
    let path = format!("users('{user_id}')/mailFolders('{folder}')/messages/delta");
    Ok(round.reply(tenant, call, &path, "message"))
}

/// Options that message deltas do not have, and the switch for `$expand`.
fn refuse_options(tenant: &Tenant, call: &Call) -> Result<(), GraphError> {
    let ends_round = call.struck(|kind| *kind == FaultKind::TopEndsRound);
    let refused = [
        ("$search", true),
        ("$skip", true),
        ("$top", !ends_round),
        ("$expand", !tenant.delta_expands()),
    ];
    for (name, is_refused) in refused {
        if is_refused && call.option(name).is_some() {
            let message = format!(
                "The following parameters are not supported with change tracking over the \
                 'Messages' resource: '{name}'."
            );
            return Err(GraphError::new(400, "ErrorInvalidUrlQuery", message));
        }
    }
    Ok(())
}

/// The only filters: `receivedDateTime ge …` and `gt …`.
fn received_filter(text: &str) -> Result<(bool, Timestamp), GraphError> {
    match Filter::parse(text)? {
        Filter::Compare(path, operator @ (Operator::Ge | Operator::Gt), Literal::Time(at))
            if path.eq_ignore_ascii_case("receivedDateTime") =>
        {
            Ok((operator == Operator::Ge, at))
        }
        _ => {
            let message = "The only supported filter expressions with change tracking are \
                           'receivedDateTime ge value' and 'receivedDateTime gt value'.";
            Err(GraphError::new(400, "ErrorInvalidUrlQueryFilter", message))
        }
    }
}

fn message_page(
    call: &Call,
    view: &View<'_>,
    folder: &Folder,
    mut position: Position,
) -> Result<Round, GraphError> {
    let (size, step) = page_size(call, &position);
    if call.struck(|kind| *kind == FaultKind::EmptyPage) {
        return Ok(Round { value: Vec::new(), position, more: true });
    }
    let mut lines: Vec<(u64, Change)> = Vec::new();
    let mut more = false;
    for (seq, change) in folder.log.range((Excluded(position.seq), Unbounded)) {
        if !is_reported(view, folder, &position, *seq, change) {
            continue;
        }
        if lines.len() == size {
            more = true;
            break;
        }
        lines.push((*seq, *change));
    }
    let present: Vec<&Stored> = lines.iter().filter_map(|(_, line)| held(view, line)).collect();
    refuse_corrupt(call, view.mailbox, &present)?;
    let mut value: Vec<Value> = lines.iter().filter_map(|(_, line)| shown(view, line)).collect();
    if call.struck(|kind| *kind == FaultKind::DuplicateItems) {
        double(&mut value);
    }
    if call.option("$top").is_some() {
        value.truncate(top(call, size, PAGE_MAX)?);
        more = false;
    }
    if call.struck(|kind| *kind == FaultKind::RepeatPage) {
        return Ok(Round { value, position, more: true });
    }
    more |= lines.len() > step;
    position.given += value.len();
    if position.received.is_some() && position.given >= FILTERED_MAX {
        more = false;
    }
    position.seq = match lines.get(step.min(lines.len()).wrapping_sub(1)) {
        Some((seq, _)) if more => *seq,
        _ => view.mailbox.seq(),
    };
    Ok(Round { value, position, more })
}

/// Whether a line of the log is news for the holder of this position.
fn is_reported(
    view: &View<'_>,
    folder: &Folder,
    position: &Position,
    seq: u64,
    change: &Change,
) -> bool {
    let wanted = position.change_type.as_deref();
    match change {
        Change::Removed { uid, entered, .. } => {
            let came_back = view.immutable
                && view.mailbox.messages.get(uid).is_some_and(|now| now.folder == folder.number);
            let unseen = *entered > position.seq || position.began.is_some_and(|end| seq <= end);
            !came_back && !unseen && wanted.is_none_or(|wanted| wanted == "deleted")
        }
        Change::Present(uid) => {
            let Some(message) = view.mailbox.messages.get(uid) else { return false };
            let is_new = position.began.is_some() || message.entered > position.seq;
            let kind = if is_new { "created" } else { "updated" };
            wanted.is_none_or(|wanted| wanted == kind) && in_time(message, position)
        }
    }
}

fn in_time(message: &Stored, position: &Position) -> bool {
    position.received.is_none_or(|(or_equal, start)| {
        message.properties.received > start || (or_equal && message.properties.received == start)
    })
}

fn held<'a>(view: &View<'a>, change: &Change) -> Option<&'a Stored> {
    match change {
        Change::Present(uid) => view.mailbox.messages.get(uid),
        Change::Removed { .. } => None,
    }
}

fn shown(view: &View<'_>, change: &Change) -> Option<Value> {
    match change {
        Change::Present(_) => {
            let message = held(view, change)?;
            let mut object = Map::new();
            object.insert("@odata.type".to_owned(), json!("#microsoft.graph.message"));
            object.extend(view.message(message));
            Some(Value::Object(object))
        }
        Change::Removed { uid, generation, .. } => {
            let tag = &view.mailbox.tag;
            let id = if view.immutable {
                seal::immutable_id(tag, *uid)
            } else {
                seal::mutable_id(tag, *uid, *generation)
            };
            Some(json!({
                "@odata.type": "#microsoft.graph.message",
                "id": id,
                "@removed": {"reason": "deleted"},
            }))
        }
    }
}

/// `GET /users/{id}/mailFolders/delta`
pub fn folders(tenant: &Tenant, call: &Call) -> Answer {
    let state = tenant.state();
    let (user, mailbox) = mailbox(&state, call)?;
    let user_id = state.users[user].id.clone();
    let select = Select::read(call, "microsoft.graph.mailFolder", &render::FOLDER_PROPERTIES)?;
    let first = Position {
        user: user_id.clone(),
        began: Some(mailbox.seq()),
        select: select.0,
        size: call.prefer().max_page_size,
        hidden: call.option("includeHiddenFolders").is_some_and(|text| text == "true"),
        ..Position::default()
    };
    let position = position(tenant, call, first)?;
    let round = folder_page(call, mailbox, position);
    let path = format!("users('{user_id}')/mailFolders/delta");
    Ok(round.reply(tenant, call, &path, "mailFolder"))
}

fn folder_page(call: &Call, mailbox: &Mailbox, mut position: Position) -> Round {
    let (size, _) = page_size(call, &position);
    if call.struck(|kind| *kind == FaultKind::EmptyPage) {
        return Round { value: Vec::new(), position, more: true };
    }
    let select = Select(position.select.clone());
    let root = mailbox.well_known("msgfolderroot").unwrap_or_default();
    let (mut value, mut last, mut more) = (Vec::new(), position.seq, false);
    for (seq, change) in mailbox.folder_log.range((Excluded(position.seq), Unbounded)) {
        let is_news = match change {
            FolderChange::Present(number) => {
                let below = *number != root && mailbox.is_below(*number, root);
                let shown = mailbox.folders.get(number).is_some_and(|found| !found.hidden);
                below && (shown || position.hidden)
            }
            FolderChange::Removed { entered, .. } => {
                *entered <= position.seq && position.began.is_none_or(|end| *seq > end)
            }
        };
        if is_news && value.len() == size {
            more = true;
            break;
        }
        if is_news {
            value.extend(render::folder_change(mailbox, *change, &select));
        }
        last = *seq;
    }
    if call.struck(|kind| *kind == FaultKind::DuplicateItems) {
        double(&mut value);
    }
    if !call.struck(|kind| *kind == FaultKind::RepeatPage) {
        position.seq = if more { last } else { mailbox.seq() };
    } else {
        more = true;
    }
    Round { value, position, more }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use rand::seq::IndexedRandom;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::desk::{Desk, mime};
    use crate::fault::Fault;

    /// A client that follows the delta of one folder: what it holds, by id.
    #[derive(Default)]
    struct Follower {
        held: BTreeMap<String, String>,
        link: Option<String>,
    }

    impl Follower {
        /// Reads one page; true at the end of the round.
        fn page(&mut self, desk: &Desk, first: &str, prefer: &str) -> bool {
            let link = self.link.clone().unwrap_or_else(|| first.to_owned());
            let reply = desk.request("GET", &link, prefer, b"");
            let page = reply.json.unwrap();
            assert_eq!(reply.status, 200, "{page}");
            for item in page["value"].as_array().unwrap() {
                let id = item["id"].as_str().unwrap().to_owned();
                if item.get("@removed").is_some() {
                    self.held.remove(&id);
                } else {
                    self.held.insert(id, item["changeKey"].as_str().unwrap_or("").to_owned());
                }
            }
            let link = |name: &str| page.get(name).and_then(Value::as_str).map(str::to_owned);
            let (next, delta) = (link("@odata.nextLink"), link("@odata.deltaLink"));
            assert!(next.is_some() != delta.is_some());
            self.link = next.or(delta.clone());
            delta.is_some()
        }

        fn round(&mut self, desk: &Desk, first: &str, prefer: &str) {
            for _ in 0..1000 {
                if self.page(desk, first, prefer) {
                    return;
                }
            }
            panic!("the round does not end");
        }
    }

    const IMMUTABLE: &str = "IdType=\"ImmutableId\", odata.maxpagesize=3";

    fn random_change(desk: &Desk, user: &str, folders: &[String], random: &mut ChaCha8Rng) {
        let tenant = &desk.tenant;
        let (from, to) = (folders.choose(random).unwrap(), folders.choose(random).unwrap());
        let messages = tenant.messages(user, from).unwrap();
        let Some(message) = messages.choose(random) else {
            tenant.deliver(user, from, &mime(random.random_range(0..1000))).unwrap();
            return;
        };
        match random.random_range(0..6) {
            0 | 1 => drop(tenant.deliver(user, to, &mime(random.random_range(0..1000))).unwrap()),
            2 => tenant.message_update(user, &message.id, |edit| edit.is_read ^= true).unwrap(),
            3 => tenant.message_move(user, &message.id, to).unwrap(),
            4 => drop(tenant.message_copy(user, &message.id, to).unwrap()),
            _ => tenant.message_delete(user, &message.id, random.random()).unwrap(),
        }
    }

    #[test]
    fn a_follower_holds_what_is_there_whatever_happens_meanwhile() {
        for seed in 0..30 {
            let mut random = ChaCha8Rng::seed_from_u64(seed);
            let desk = Desk::empty(1);
            let user = desk.user(0);
            let folders = ["Inbox", "Archive", "Sent Items"]
                .map(|name| desk.tenant.folder_by_path(&user, &[name]).unwrap());
            let paths = folders
                .clone()
                .map(|id| format!("/v1.0/users/{user}/mailFolders/{id}/messages/delta"));
            let mut followers: [Follower; 3] = Default::default();
            for _ in 0..12 {
                for _ in 0..random.random_range(0..8) {
                    random_change(&desk, &user, &folders, &mut random);
                }
                // In the middle of rounds things change, too.
                for (follower, path) in followers.iter_mut().zip(&paths) {
                    if random.random() {
                        follower.page(&desk, path, IMMUTABLE);
                        random_change(&desk, &user, &folders, &mut random);
                    }
                }
            }
            for ((follower, path), folder) in followers.iter_mut().zip(&paths).zip(&folders) {
                follower.round(&desk, path, IMMUTABLE);
                follower.round(&desk, path, IMMUTABLE);
                let there: BTreeMap<String, String> = desk
                    .tenant
                    .messages(&user, folder)
                    .unwrap()
                    .into_iter()
                    .map(|message| (message.id, message.change_key))
                    .collect();
                assert_eq!(follower.held, there, "seed {seed}");
            }
        }
    }

    #[test]
    fn a_follower_with_mutable_ids_sees_a_move_as_another_message() {
        let desk = Desk::empty(1);
        let user = desk.user(0);
        let id = desk.tenant.deliver(&user, "inbox", &mime(1)).unwrap();
        let path = format!("/v1.0/users/{user}/mailFolders/inbox/messages/delta");
        let mut follower = Follower::default();
        follower.round(&desk, &path, "");
        let first = follower.held.keys().next().unwrap().clone();
        desk.tenant.message_move(&user, &id, "archive").unwrap();
        desk.tenant.message_move(&user, &id, "inbox").unwrap();
        follower.round(&desk, &path, "");
        assert_eq!(follower.held.len(), 1);
        assert!(!follower.held.contains_key(&first));
        let old = format!("/v1.0/users/{user}/messages/{first}");
        assert_eq!(desk.refusal("GET", &old, &Value::Null).0, 404);
    }

    #[test]
    fn removals_that_a_first_round_cannot_know_are_not_reported() {
        let desk = Desk::empty(1);
        let user = desk.user(0);
        let ids: Vec<String> = (0..8)
            .map(|number| desk.tenant.deliver(&user, "inbox", &mime(number)).unwrap())
            .collect();
        desk.tenant.message_delete(&user, &ids[0], true).unwrap();
        desk.tenant.message_move(&user, &ids[7], "archive").unwrap();
        let path = format!("/v1.0/users/{user}/mailFolders/inbox/messages/delta");
        let mut link = path;
        let mut count = 0;
        loop {
            let page = desk.request("GET", &link, IMMUTABLE, b"").json.unwrap();
            let items = page["value"].as_array().unwrap();
            assert!(items.iter().all(|item| item.get("@removed").is_none()));
            count += items.len();
            match page["@odata.nextLink"].as_str() {
                Some(next) => link = next.to_owned(),
                None => break,
            }
        }
        assert_eq!(count, 6);
    }

    #[test]
    fn folders_of_all_levels_and_their_fate() {
        let desk = Desk::empty(1);
        let user = desk.user(0);
        let tenant = &desk.tenant;
        let upper = tenant.folder_create(&user, Some("inbox"), "Upper").unwrap();
        let lower = tenant.folder_create(&user, Some(&upper), "Lower").unwrap();
        let path = format!("/v1.0/users/{user}/mailFolders/delta");
        let first = desk.get(&format!("{path}?x=1"));
        assert!(first["value"].as_array().unwrap().len() == 10);
        let mut follower = Follower::default();
        follower.round(&desk, &path, "odata.maxpagesize=4");
        assert!(follower.held.contains_key(&lower));
        assert_eq!(follower.held.len(), 10);
        tenant.folder_delete(&user, &upper, true).unwrap();
        tenant.folder_rename(&user, &upper, "gone").unwrap_err();
        follower.round(&desk, &path, "odata.maxpagesize=4");
        assert_eq!(follower.held.len(), 8);
        let messages = format!("/v1.0/users/{user}/mailFolders/{lower}/messages/delta");
        assert_eq!(desk.refusal("GET", &messages, &Value::Null), (404, "ErrorItemNotFound".into()));
    }

    #[test]
    fn links_age_and_are_bound_to_their_folder() {
        let desk = Desk::empty(2);
        let user = desk.user(0);
        let path = |folder: &str| format!("/v1.0/users/{user}/mailFolders/{folder}/messages/delta");
        let link = desk.get(&path("inbox"))["@odata.deltaLink"].as_str().unwrap().to_owned();
        desk.tenant.clock().advance(Duration::from_secs(7 * 86_400));
        let fresh = desk.get(&link)["@odata.deltaLink"].as_str().unwrap().to_owned();
        desk.tenant.clock().advance(Duration::from_secs(1));
        let gone = desk.refusal("GET", &link, &Value::Null);
        assert_eq!(gone, (410, "SyncStateNotFound".to_owned()));
        desk.get(&fresh);

        let token = fresh.split_once("$deltatoken=").unwrap().1;
        let elsewhere = format!("{}?$deltatoken={token}", path("archive"));
        assert_eq!(desk.refusal("GET", &elsewhere, &Value::Null).0, 400);
        let as_skip = format!("{}?$skiptoken={token}", path("inbox"));
        assert_eq!(desk.refusal("GET", &as_skip, &Value::Null).0, 400);
        assert_eq!(desk.refusal("GET", &format!("{fresh}x"), &Value::Null).0, 400);
    }

    #[test]
    fn what_was_asked_first_holds_for_the_whole_round() {
        let desk = Desk::empty(1);
        let user = desk.user(0);
        for number in 0..4 {
            desk.tenant.deliver(&user, "inbox", &mime(number)).unwrap();
        }
        let path = format!(
            "/v1.0/users/{user}/mailFolders/inbox/messages/delta?$select=subject&\
             $expand=singleValueExtendedProperties($filter=id eq 'Integer 0x0E07')"
        );
        let first = desk.request("GET", &path, IMMUTABLE, b"").json.unwrap();
        let second = first["@odata.nextLink"].as_str().unwrap();
        let second = desk.request("GET", second, IMMUTABLE, b"").json.unwrap();
        for page in [&first, &second] {
            let item = &page["value"][0];
            assert!(item["subject"].as_str().unwrap().starts_with("Number"));
            assert_eq!(item["singleValueExtendedProperties"][0]["id"], "Integer 0xe07");
            assert!(item.get("body").is_none() && item.get("isRead").is_none());
        }
        assert_eq!(second["value"].as_array().unwrap().len(), 1);
    }

    #[test]
    fn filters_and_change_types() {
        let desk = Desk::empty(1);
        let user = desk.user(0);
        let old = desk.tenant.deliver(&user, "inbox", &mime(0)).unwrap();
        desk.tenant.clock().advance(Duration::from_secs(60));
        let new = desk.tenant.deliver(&user, "inbox", &mime(1)).unwrap();
        let path = format!("/v1.0/users/{user}/mailFolders/inbox/messages/delta");
        let since = format!("{path}?$filter=receivedDateTime gt 2026-11-02T09:00:00Z");
        let page = desk.get(&since);
        assert_eq!(page["value"].as_array().unwrap().len(), 1);
        assert_eq!(page["value"][0]["id"], new.as_str());
        let refused = format!("{path}?$filter=isRead eq true");
        assert_eq!(desk.refusal("GET", &refused, &Value::Null).0, 400);

        let link = desk.get(&format!("{path}?changeType=updated"));
        assert_eq!(link["value"].as_array().unwrap().len(), 0);
        let link = link["@odata.deltaLink"].as_str().unwrap().to_owned();
        desk.tenant.message_update(&user, &old, |edit| edit.is_read = true).unwrap();
        desk.tenant.deliver(&user, "inbox", &mime(2)).unwrap();
        let page = desk.get(&link);
        assert_eq!(page["value"].as_array().unwrap().len(), 1);
        assert_eq!(page["value"][0]["id"], old.as_str());
    }

    #[test]
    fn faults_of_pages() {
        let desk = Desk::empty(1);
        let user = desk.user(0);
        for number in 0..9 {
            desk.tenant.deliver(&user, "inbox", &mime(number)).unwrap();
        }
        let path = format!("/v1.0/users/{user}/mailFolders/inbox/messages/delta");
        let read = |kind: FaultKind| {
            desk.tenant.faults().clear();
            desk.tenant.faults().inject(Fault::once(kind, "/messages/delta"));
            let page = desk.request("GET", &path, IMMUTABLE, b"").json.unwrap();
            let next = page["@odata.nextLink"].as_str().unwrap_or("").to_owned();
            let ids: Vec<Value> =
                page["value"].as_array().unwrap().iter().map(|item| item["id"].clone()).collect();
            (ids, next)
        };
        let rest = |link: &str| {
            let mut follower = Follower { link: Some(link.to_owned()), ..Follower::default() };
            follower.round(&desk, "", IMMUTABLE);
            follower.held.len()
        };
        let (ids, next) = read(FaultKind::EmptyPage);
        assert_eq!((ids.len(), rest(&next)), (0, 9));
        let (ids, next) = read(FaultKind::OversizedPage);
        assert_eq!((ids.len(), rest(&next)), (6, 6));
        let (ids, next) = read(FaultKind::DuplicateItems);
        assert_eq!((ids.len(), rest(&next)), (6, 6));
        assert_eq!(ids[0], ids[1]);
        let (ids, next) = read(FaultKind::RepeatPage);
        let again = desk.request("GET", &next, IMMUTABLE, b"").json.unwrap();
        assert_eq!(ids[0], again["value"][0]["id"]);
        let top = format!("{path}?$top=2");
        assert_eq!(desk.refusal("GET", &top, &Value::Null).0, 400);
        desk.tenant.faults().inject(Fault::once(FaultKind::TopEndsRound, "$top"));
        let page = desk.get(&top);
        assert!(page["@odata.deltaLink"].is_string());
        assert_eq!(page["value"].as_array().unwrap().len(), 2);
    }
}
