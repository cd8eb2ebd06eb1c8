//! Messages: lists, reading, MIME, moving, copying, deleting.

use serde_json::Value;

use super::folders::destination;
use super::mailbox;
use super::page::{collection, cut, double, entity, skip_link};
use crate::error::Refused;
use crate::fault::FaultKind;
use crate::filter::{Filter, Literal, Subject};
use crate::http::{Answer, Call, GraphError, Reply};
use crate::query::{skip, top};
use crate::render::{self, View};
use crate::seal;
use crate::state::{Mailbox, Op, Outcome, State, Stored};
use crate::tenant::Tenant;

/// The name of the type in contexts.
pub const ENTITY: &str = "users('')/messages";

impl Subject for Stored {
    fn property(&self, path: &str) -> Option<Literal> {
        let head = || &self.head().message;
        let text = |text: &str| Literal::Text(text.to_owned());
        let optional = |found: Option<&str>| found.map_or(Literal::Null, text);
        let from = || head().from.as_ref().map(|from| from.address.as_str());
        Some(match path.to_ascii_lowercase().as_str() {
            "receiveddatetime" => Literal::Time(self.properties.received),
            "sentdatetime" => Literal::Time(self.sent()),
            "createddatetime" => Literal::Time(self.properties.created),
            "lastmodifieddatetime" => Literal::Time(self.properties.modified),
            "internetmessageid" => optional(head().message_id.as_deref()),
            "subject" => text(&head().subject),
            "isread" => Literal::Bool(self.properties.is_read),
            "isdraft" => Literal::Bool(self.properties.is_draft),
            "hasattachments" => Literal::Bool(self.head().has_attachments),
            "importance" => text(self.properties.importance.as_str()),
            "flag/flagstatus" => text(self.properties.flag.status()),
            "from/emailaddress/address" => optional(from()),
            _ => return None,
        })
    }

    fn extended(&self, id: &str) -> Option<String> {
        render::extended(self, id)
    }
}

/// `GET /users/{id}/messages`: all folders but the recoverable items.
pub fn list_all(tenant: &Tenant, call: &Call) -> Answer {
    let state = tenant.state();
    let (_, mailbox) = mailbox(&state, call)?;
    let root = mailbox.well_known("msgfolderroot").unwrap_or_default();
    let mut messages: Vec<&Stored> = mailbox
        .messages
        .values()
        .filter(|message| mailbox.is_below(message.folder, root))
        .collect();
    messages.sort_by_key(|message| (std::cmp::Reverse(message.properties.received), message.uid));
    list(call, mailbox, messages)
}

/// `GET /users/{id}/mailFolders/{id}/messages`
pub fn list_folder(tenant: &Tenant, call: &Call) -> Answer {
    let state = tenant.state();
    let (_, mailbox) = mailbox(&state, call)?;
    let folder = mailbox.folder(call.param(1))?;
    list(call, mailbox, mailbox.listed(folder))
}

/// `GET /users/{id}/mailFolders/{id}/messages/$count`
pub fn count(tenant: &Tenant, call: &Call) -> Answer {
    let state = tenant.state();
    let (_, mailbox) = mailbox(&state, call)?;
    let folder = mailbox.folder(call.param(1))?;
    Ok(Reply::bytes("text/plain", mailbox.counts(folder).0.to_string()))
}

fn list(call: &Call, mailbox: &Mailbox, mut messages: Vec<&Stored>) -> Answer {
    let view = View::of(call, mailbox)?;
    let default = call.prefer().max_page_size.unwrap_or(10).clamp(1, 1000);
    let (size, start) = (top(call, default, 1000)?, skip(call)?);
    if let Some(filter) = call.option("$filter") {
        let filter = Filter::parse(filter)?;
        let mut kept = Vec::new();
        for message in messages {
            if filter.holds(message)? {
                kept.push(message);
            }
        }
        messages = kept;
    }
    order(call, &mut messages)?;
    let page = cut(call, start, size);
    let on_page: Vec<&Stored> = messages.iter().skip(page.skip).take(page.take).copied().collect();
    refuse_corrupt(call, mailbox, &on_page)?;
    let mut value: Vec<Value> =
        on_page.iter().map(|message| Value::Object(view.message(message))).collect();
    if call.struck(|kind| *kind == FaultKind::DuplicateItems) {
        double(&mut value);
    }
    let next = (page.next < messages.len()).then(|| skip_link(call, page.next, size));
    Ok(collection(call, ENTITY, value, next))
}

/// Sorts by `$orderby`; without it the newest come first.
fn order(call: &Call, messages: &mut [&Stored]) -> Result<(), GraphError> {
    let Some(text) = call.option("$orderby") else { return Ok(()) };
    let (name, direction) = text.trim().split_once(' ').unwrap_or((text.trim(), "asc"));
    match name.to_ascii_lowercase().as_str() {
        "receiveddatetime" => messages.sort_by_key(|message| message.properties.received),
        "sentdatetime" => messages.sort_by_key(|message| message.sent()),
        "createddatetime" => messages.sort_by_key(|message| message.properties.created),
        "lastmodifieddatetime" => messages.sort_by_key(|message| message.properties.modified),
        "subject" => messages.sort_by_key(|message| message.head().message.subject.clone()),
        _ => {
            let message = format!("The property '{name}' cannot be used in the $orderby clause.");
            return Err(GraphError::new(400, "ErrorInvalidUrlQuery", message));
        }
    }
    if direction.trim().eq_ignore_ascii_case("desc") {
        messages.reverse();
    }
    Ok(())
}

/// Fault 17: one damaged message takes its whole page with it.
pub fn refuse_corrupt(call: &Call, mailbox: &Mailbox, page: &[&Stored]) -> Result<(), GraphError> {
    let corrupt = |message: &Stored| {
        let id = seal::immutable_id(&mailbox.tag, message.uid);
        call.struck(|kind| *kind == FaultKind::CorruptItem(id.clone()))
    };
    if page.iter().any(|message| corrupt(message)) {
        let message = "Content conversion failed.";
        return Err(GraphError::new(500, "ErrorContentConversionFailed", message));
    }
    Ok(())
}

/// The message in the second placeholder.
pub fn message<'a>(mailbox: &'a Mailbox, call: &Call) -> Result<&'a Stored, GraphError> {
    Ok(mailbox.message(call.param(1))?)
}

/// `GET /users/{id}/messages/{id}`
pub fn get(tenant: &Tenant, call: &Call) -> Answer {
    let state = tenant.state();
    let (_, mailbox) = mailbox(&state, call)?;
    let message = message(mailbox, call)?;
    refuse_corrupt(call, mailbox, &[message])?;
    let view = View::of(call, mailbox)?;
    Ok(entity(call, 200, ENTITY, view.message(message)))
}

/// `GET /users/{id}/mailFolders/{id}/messages/{id}`
pub fn get_in_folder(tenant: &Tenant, call: &Call) -> Answer {
    let state = tenant.state();
    let (_, mailbox) = mailbox(&state, call)?;
    let folder = mailbox.folder(call.param(1))?.number;
    let message = mailbox.message(call.param(2))?;
    if message.folder != folder {
        return Err(Refused::MessageNotFound.into());
    }
    let view = View::of(call, mailbox)?;
    Ok(entity(call, 200, ENTITY, view.message(message)))
}

/// `GET /users/{id}/messages/{id}/$value`
pub fn mime(tenant: &Tenant, call: &Call) -> Answer {
    let (content, class) = {
        let state = tenant.state();
        let (_, mailbox) = mailbox(&state, call)?;
        let message = message(mailbox, call)?;
        refuse_corrupt(call, mailbox, &[message])?;
        let by_class = call.struck(|kind| *kind == FaultKind::MimeConversionFailedByClass);
        let class = by_class.then(|| message.head().message.class.clone());
        (message.properties.content.clone(), class.unwrap_or_default())
    };
    let converted = !call.struck(|kind| *kind == FaultKind::MimeConversionFailed)
        && !class.starts_with("IPM.Note.SMIME")
        && !class.starts_with("REPORT.");
    if !converted {
        let message = "MIME conversion failed.";
        return Err(GraphError::new(500, "ErrorMimeContentConversionFailed", message));
    }
    if call.struck(|kind| *kind == FaultKind::EmptyMime) {
        return Ok(Reply::bytes("text/plain", bytes::Bytes::new()));
    }
    Ok(Reply::bytes("text/plain", bytes::Bytes::from_owner(content.mime())))
}

/// `GET /users/{id}/mailFolders/{id}/messages/{id}/$value`: not in the service.
pub fn mime_in_folder(_: &Tenant, _: &Call) -> Answer {
    Err(GraphError::new(405, "ErrorInvalidRequest", "The OData request is not supported."))
}

/// `POST /users/{id}/messages/{id}/move`
pub fn move_to(tenant: &Tenant, call: &Call) -> Answer {
    let target = destination(call)?;
    let mut state = tenant.state();
    let (user, mailbox) = mailbox(&state, call)?;
    let uid = message(mailbox, call)?.uid;
    let folder = mailbox.folder(&target)?.number;
    tenant.commit(&mut state, Op::MessageMove { user, uid, folder })?;
    created(&state, call, user, uid)
}

/// `POST /users/{id}/messages/{id}/copy`
pub fn copy(tenant: &Tenant, call: &Call) -> Answer {
    let target = destination(call)?;
    let mut state = tenant.state();
    let (user, mailbox) = mailbox(&state, call)?;
    let uid = message(mailbox, call)?.uid;
    let folder = mailbox.folder(&target)?.number;
    let op = Op::MessageCopy { user, uid, folder };
    match tenant.commit(&mut state, op)? {
        Outcome::Message(copy) => created(&state, call, user, copy),
        _ => Err(Refused::MessageNotFound.into()),
    }
}

/// 201 with the message.
pub fn created(state: &State, call: &Call, user: usize, uid: u64) -> Answer {
    shown(state, call, user, uid, 201)
}

/// The message as it is now.
pub fn shown(state: &State, call: &Call, user: usize, uid: u64, status: u16) -> Answer {
    let mailbox = state.mailbox(user)?;
    let message = mailbox.messages.get(&uid).ok_or(Refused::MessageNotFound)?;
    let view = View::of(call, mailbox)?;
    Ok(entity(call, status, ENTITY, view.message(message)))
}

/// `DELETE /users/{id}/messages/{id}`: into Deleted Items; from there, into the recoverable ones.
pub fn delete(tenant: &Tenant, call: &Call) -> Answer {
    let mut state = tenant.state();
    let (user, mailbox) = mailbox(&state, call)?;
    let uid = message(mailbox, call)?.uid;
    tenant.message_discard(&mut state, user, uid)?;
    Ok(Reply::empty(204))
}

/// `POST /users/{id}/messages/{id}/permanentDelete`
pub fn delete_for_good(tenant: &Tenant, call: &Call) -> Answer {
    let mut state = tenant.state();
    let (user, mailbox) = mailbox(&state, call)?;
    let uid = message(mailbox, call)?.uid;
    tenant.commit(&mut state, Op::MessageRemove { user, uid })?;
    Ok(Reply::empty(204))
}
