//! Delta queries over a drive (source: Graph, "driveItem: delta", read 2026-11).
//!
//! As for mail a link carries the position in the change log. Besides what changed, a page shows
//! the folders above it, as the service does; in a first enumeration folders come before what is
//! in them, in later rounds they do not.

use std::collections::BTreeSet;
use std::ops::Bound::{Excluded, Unbounded};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{drive, look};
use crate::api::page::{double, oversized};
use crate::fault::{self, FaultKind, Resync};
use crate::http::{Answer, Call, GraphError, Reply};
use crate::query::{Select, top};
use crate::render::drive::ItemLook;
use crate::state::drive::{Drive, ItemChange};
use crate::tenant::Tenant;

/// How long a token lives: about 30 days were observed (2015).
pub(super) const TOKEN_LIFE: i64 = 30 * 86_400;

/// Items of a page without `$top`.
const PAGE_DEFAULT: usize = 200;

/// Items of a page at most.
const PAGE_MAX: usize = 1000;

/// What a link remembers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Position {
    /// The drive.
    #[serde(rename = "d")]
    drive: String,
    /// Everything up to here was read.
    #[serde(rename = "s")]
    seq: u64,
    /// The end of the log when the first round began, while it runs.
    #[serde(rename = "b", default, skip_serializing_if = "Option::is_none")]
    began: Option<u64>,
    /// When the link was issued.
    #[serde(rename = "t")]
    at: i64,
    /// `$select` of the first request.
    #[serde(rename = "q", default, skip_serializing_if = "Option::is_none")]
    select: Option<Vec<String>>,
    /// Page size of the first request.
    #[serde(rename = "n", default, skip_serializing_if = "Option::is_none")]
    size: Option<usize>,
}

/// Whether the request goes on from a token, so that it costs less.
pub fn has_token(call: &Call) -> bool {
    call.option("token").is_some_and(|token| !token.is_empty())
}

/// Reads the position of the request: its token, a time, `latest`, or the start of a first round.
fn position(tenant: &Tenant, call: &Call, drive: &Drive) -> Result<Position, GraphError> {
    let now = tenant.clock().now();
    let select = call.option("$select").map(|_| selected(call)).transpose()?.flatten();
    let size = call.option("$top").map(|_| top(call, PAGE_DEFAULT, PAGE_MAX)).transpose()?;
    let id = drive.made.id.clone();
    let first = Position { drive: id, select, size, ..Position::default() };
    let token = call.option("token").unwrap_or("");
    if token.is_empty() {
        return Ok(Position { began: Some(drive.seq()), ..first });
    }
    if token.eq_ignore_ascii_case("latest") {
        return Ok(Position { seq: drive.seq(), ..first });
    }
    if let Ok(at) = token.parse::<Timestamp>() {
        return Ok(Position { seq: drive.seq_at(at), ..first });
    }
    let sealed: Option<Position> = tenant.seal().open("token", token);
    let sealed = sealed.filter(|position| position.drive == drive.made.id);
    let position = sealed.ok_or_else(|| super::invalid("The provided token is not valid."))?;
    if now.as_second() - position.at > TOKEN_LIFE {
        return Err(fault::resync(call, Resync::ApplyDifferences));
    }
    Ok(Position {
        select: first.select.or(position.select),
        size: size.or(position.size),
        ..position
    })
}

fn selected(call: &Call) -> Result<Option<Vec<String>>, GraphError> {
    let known = &crate::render::drive::ITEM_PROPERTIES;
    Ok(Select::read(call, "microsoft.graph.driveItem", known)?.0)
}

/// A page of a round.
struct Round {
    value: Vec<Value>,
    position: Position,
    more: bool,
}

/// `GET /drives/{id}/root/delta`
pub fn root(tenant: &Tenant, call: &Call) -> Answer {
    let state = tenant.state();
    let (_, drive) = drive(&state, call)?;
    let position = position(tenant, call, drive)?;
    let mut look = look(tenant, &state, drive, call)?;
    look.select = Select(position.select.clone());
    look.in_delta = true;
    let round = page(&look, position);
    Ok(reply(tenant, call, drive, round))
}

/// `GET /drives/{id}/items/{id}/delta`, as Microsoft's SDKs ask. Only a root has a delta in OneDrive
/// for work and SharePoint (source: Graph, "driveItem: delta", read 2026-11).
pub fn of_item(tenant: &Tenant, call: &Call) -> Answer {
    {
        let state = tenant.state();
        let (_, drive) = drive(&state, call)?;
        if super::item(drive, call)?.parent.is_some() {
            return Err(super::invalid("The delta is supported for the root of a drive only."));
        }
    }
    root(tenant, call)
}

/// Links come in both forms that the service has.
fn reply(tenant: &Tenant, call: &Call, drive: &Drive, mut round: Round) -> Reply {
    round.position.at = tenant.clock().now().as_second();
    if !round.more {
        round.position.began = None;
    }
    let token = tenant.seal().token("token", &round.position);
    let path = format!("{}/v1.0/drives/{}/root/delta", call.base, drive.made.id);
    let (name, link) = match round.more {
        true => ("@odata.nextLink", format!("{path}(token='{token}')")),
        false => ("@odata.deltaLink", format!("{path}?token={token}")),
    };
    let mut document = Map::new();
    let context = format!("{}/v1.0/$metadata#Collection(driveItem)", call.base);
    document.insert("@odata.context".to_owned(), json!(context));
    document.insert(name.to_owned(), json!(link));
    document.insert("value".to_owned(), Value::Array(round.value));
    Reply::json(200, Value::Object(document))
}

fn page(look: &ItemLook<'_>, mut position: Position) -> Round {
    let call = look.call;
    let struck = |wanted: FaultKind| call.struck(|kind| *kind == wanted);
    if struck(FaultKind::EmptyPage) {
        return Round { value: Vec::new(), position, more: true };
    }
    let step = position.size.unwrap_or(PAGE_DEFAULT);
    let (sheet, last) = fill(look, &position, step);
    let shown = if struck(FaultKind::OversizedPage) {
        fill(look, &position, oversized(step)).0
    } else {
        sheet
    };
    let mut value = shown.value(look, position.began.is_some());
    if struck(FaultKind::LostTombstones) {
        value.retain(|item| item.get("deleted").is_none());
    }
    if struck(FaultKind::DuplicateItems) {
        double(&mut value);
    }
    if struck(FaultKind::RepeatPage) {
        return Round { value, position, more: true };
    }
    position.seq = last.unwrap_or_else(|| look.drive.seq());
    Round { value, position, more: last.is_some() }
}

/// What stands on a page.
#[derive(Default)]
struct Sheet {
    lines: Vec<ItemChange>,
    shown: BTreeSet<u64>,
}

/// Fills a page of so many items; the position behind it if there is more.
fn fill(look: &ItemLook<'_>, position: &Position, size: usize) -> (Sheet, Option<u64>) {
    let drive = look.drive;
    let with_parents = look.call.header("deltaexcludeparent").is_none();
    let mut sheet = Sheet::default();
    let mut last = position.seq;
    for (seq, change) in drive.log.range((Excluded(position.seq), Unbounded)) {
        let is_first = position.began.is_some();
        if !is_reported(position.seq, position.began, *seq, change) {
            last = *seq;
            continue;
        }
        let lines = sheet.with_folders(drive, *seq, *change, is_first, with_parents);
        if !sheet.lines.is_empty() && sheet.lines.len() + lines.len() > size {
            return (sheet, Some(last));
        }
        for line in lines {
            if let ItemChange::Present(number) = line {
                sheet.shown.insert(number);
            }
            sheet.lines.push(line);
        }
        last = *seq;
    }
    (sheet, None)
}

/// Whether a line of the log is news for one who has read up to a position, in a first round that
/// began at `began`.
pub(super) fn is_reported(read: u64, began: Option<u64>, seq: u64, change: &ItemChange) -> bool {
    match change {
        ItemChange::Present(_) => true,
        ItemChange::Removed { entered, .. } => {
            *entered <= read && began.is_none_or(|end| seq > end)
        }
    }
}

impl Sheet {
    /// A line with the folders above that have to come with it. In a first round these are the
    /// folders that would come later.
    fn with_folders(
        &self,
        drive: &Drive,
        seq: u64,
        change: ItemChange,
        is_first: bool,
        with_parents: bool,
    ) -> Vec<ItemChange> {
        let ItemChange::Present(number) = change else { return vec![change] };
        if self.shown.contains(&number) {
            return Vec::new();
        }
        let is_later = |above: &u64| drive.items.get(above).is_some_and(|item| item.seq > seq);
        let mut lines: Vec<ItemChange> = drive
            .ancestors(number)
            .into_iter()
            .skip(1)
            .filter(|above| if is_first { is_later(above) } else { with_parents })
            .filter(|above| !self.shown.contains(above))
            .map(ItemChange::Present)
            .collect();
        lines.reverse();
        lines.push(change);
        lines
    }

    /// The items of the page. In later rounds the last change comes first.
    fn value(&self, look: &ItemLook<'_>, is_first: bool) -> Vec<Value> {
        let shown = self.lines.iter().filter_map(|line| shown(look, line));
        if is_first { shown.collect() } else { shown.rev().collect() }
    }
}

fn shown(look: &ItemLook<'_>, change: &ItemChange) -> Option<Value> {
    match change {
        ItemChange::Present(number) => {
            let mut object = Map::new();
            object.insert("@odata.type".to_owned(), json!("#microsoft.graph.driveItem"));
            object.extend(look.item(look.drive.items.get(number)?));
            Some(Value::Object(object))
        }
        // No name, no path, no size: seen in onedrive-api-docs#561 (fault 32).
        ItemChange::Removed { number, .. } => Some(json!({
            "id": look.drive.item_id(*number),
            "deleted": {"state": "deleted"},
            "size": 0,
        })),
    }
}

#[cfg(test)]
mod tests;
