//! The delta of the items of a list (source: Graph, "listItem: delta", read 2026-11): what changed
//! in the columns of a library, with `$expand=fields`.

use std::ops::Bound::{Excluded, Unbounded};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::delta::{TOKEN_LIFE, is_reported};
use super::list_items::{PAGE_DEFAULT, PAGE_MAX, listed, look_at, page_item};
use crate::fault::{self, Resync};
use crate::http::{Answer, Call, GraphError, Reply};
use crate::query::top;
use crate::render::drive::ItemLook;
use crate::state::drive::{Drive, ItemChange, ROOT};
use crate::tenant::Tenant;

/// What a link remembers.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Position {
    /// The list.
    #[serde(rename = "l")]
    list: String,
    /// Everything up to here was read.
    #[serde(rename = "s")]
    seq: u64,
    /// The end of the log when the first round began, while it runs.
    #[serde(rename = "b", default, skip_serializing_if = "Option::is_none")]
    began: Option<u64>,
    /// When the link was issued.
    #[serde(rename = "t")]
    at: i64,
    /// `$expand` of the first request.
    #[serde(rename = "e")]
    expand: String,
    /// Page size of the first request.
    #[serde(rename = "n")]
    size: usize,
}

fn position(tenant: &Tenant, call: &Call, drive: &Drive) -> Result<Position, GraphError> {
    let at = tenant.clock().now().as_second();
    let token = call.option("token").unwrap_or("");
    let is_latest = token.eq_ignore_ascii_case("latest");
    if token.is_empty() || is_latest {
        return Ok(Position {
            list: drive.made.list.clone(),
            seq: if is_latest { drive.seq() } else { 0 },
            began: (!is_latest).then(|| drive.seq()),
            at,
            expand: call.option("$expand").unwrap_or("").to_owned(),
            size: top(call, PAGE_DEFAULT, PAGE_MAX)?,
        });
    }
    let sealed: Option<Position> = tenant.seal().open("list token", token);
    let position = sealed.filter(|position| position.list == drive.made.list);
    let position = position.ok_or_else(|| super::invalid("The provided token is not valid."))?;
    if at - position.at > TOKEN_LIFE {
        return Err(fault::resync(call, Resync::ApplyDifferences));
    }
    Ok(Position { at, ..position })
}

/// `GET /sites/{id}/lists/{id}/items/delta`
pub fn items(tenant: &Tenant, call: &Call) -> Answer {
    let state = tenant.state();
    let (_, drive) = listed(&state, call)?;
    let mut position = position(tenant, call, drive)?;
    let mut call = call.clone();
    call.query.push(("$expand".to_owned(), position.expand.clone()));
    let look = look_at(tenant, &state, drive, &call);
    let (value, last) = page(&look, &position);
    position.seq = last.unwrap_or_else(|| drive.seq());
    if last.is_none() {
        position.began = None;
    }
    let token = tenant.seal().token("list token", &position);
    let list = format!("sites/{}/lists/{}/items", call.param(0), drive.made.list);
    let link = format!("{}/v1.0/{list}/delta?token={token}", call.base);
    let name = if last.is_some() { "@odata.nextLink" } else { "@odata.deltaLink" };
    let context = format!("{}/v1.0/$metadata#Collection(listItem)", call.base);
    Ok(Reply::json(200, json!({"@odata.context": context, name: link, "value": value})))
}

/// The lines of a page, and the position behind it where there is more.
fn page(look: &ItemLook<'_>, position: &Position) -> (Vec<Value>, Option<u64>) {
    let (mut value, mut last) = (Vec::new(), position.seq);
    for (seq, change) in look.drive.log.range((Excluded(position.seq), Unbounded)) {
        if is_reported(position.seq, position.began, *seq, change) {
            let Some(line) = line(look, change) else { continue };
            if value.len() == position.size {
                return (value, Some(last));
            }
            value.push(Value::Object(line));
        }
        last = *seq;
    }
    (value, None)
}

fn line(look: &ItemLook<'_>, change: &ItemChange) -> Option<Map<String, Value>> {
    match change {
        // The root of a drive is no list item.
        ItemChange::Present(ROOT) => None,
        ItemChange::Present(number) => Some(page_item(look, look.drive.items.get(number)?)),
        ItemChange::Removed { number, .. } => {
            let gone = json!({"id": number.to_string(), "deleted": {"state": "deleted"}});
            gone.as_object().cloned()
        }
    }
}
