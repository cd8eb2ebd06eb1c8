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
