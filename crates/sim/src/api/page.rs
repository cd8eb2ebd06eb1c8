//! Pages: cutting, links, and the faults that pages have in the service.

use serde_json::{Map, Value, json};

use crate::fault::FaultKind;
use crate::http::{Call, GraphError, Reply};

/// A collection document.
pub fn collection(call: &Call, entity: &str, value: Vec<Value>, next: Option<String>) -> Reply {
    let mut document = Map::new();
    let context = format!("{}/v1.0/$metadata#{entity}", call.base);
    document.insert("@odata.context".to_owned(), json!(context));
    if let Some(next) = next {
        document.insert("@odata.nextLink".to_owned(), json!(next));
    }
    document.insert("value".to_owned(), Value::Array(value));
    Reply::json(200, Value::Object(document))
}

/// One entity with its context.
pub fn entity(call: &Call, status: u16, entity: &str, value: Map<String, Value>) -> Reply {
    let mut document = Map::new();
    let context = format!("{}/v1.0/$metadata#{entity}/$entity", call.base);
    document.insert("@odata.context".to_owned(), json!(context));
    document.extend(value);
    Reply::json(status, Value::Object(document))
}

/// Where a page of a list begins and how long it is, after the faults of this request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// Items before the page.
    pub skip: usize,
    /// Items on the page.
    pub take: usize,
    /// Where the next page begins.
    pub next: usize,
}

/// Cuts a list page of `size` at `skip`, as the faults of the call bend it.
pub fn cut(call: &Call, skip: usize, size: usize) -> Cut {
    let straight = Cut { skip, take: size, next: skip + size };
    if call.struck(|kind| *kind == FaultKind::EmptyPage) {
        return Cut { take: 0, next: skip, ..straight };
    }
    if call.struck(|kind| *kind == FaultKind::RepeatPage) {
        return Cut { next: skip, ..straight };
    }
    if call.struck(|kind| *kind == FaultKind::OversizedPage) {
        return Cut { take: oversized(size), ..straight };
    }
    straight
}

/// The size of a page that is larger than asked: 171 for 100, as it was seen.
pub fn oversized(size: usize) -> usize {
    size + size * 71 / 100 + 1
}

/// Doubles every item, the first one in an older state (fault 9).
pub fn double(value: &mut Vec<Value>) {
    let items = std::mem::take(value);
    for item in items {
        let mut older = item.clone();
        if let Some(read) = older.get_mut("isRead") {
            *read = json!(false);
        }
        if let Some(Value::String(name)) = older.get_mut("name") {
            name.push('~');
        }
        value.extend([older, item]);
    }
}

/// The next link of a list: the own query with another `$skip`.
pub fn skip_link(call: &Call, skip: usize, top: usize) -> String {
    let (skip, top) = (skip.to_string(), top.to_string());
    let mut query: Vec<(&str, &str)> = call
        .query
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .filter(|(name, _)| {
            !name.eq_ignore_ascii_case("$skip") && !name.eq_ignore_ascii_case("$top")
        })
        .collect();
    query.extend([("$top", top.as_str()), ("$skip", skip.as_str())]);
    call.link(call.own_path(), &query)
}

/// 400 for a token that is not ours or was edited.
pub fn bad_token(name: &str) -> GraphError {
    let message = format!("Badly formed token. The '{name}' parameter is invalid.");
    GraphError::new(400, "ErrorInvalidUrlQuery", message)
}
