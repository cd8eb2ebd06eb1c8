//! Attachments of a message.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value;

use super::create::{attachment_from_json, too_large};
use super::mailbox;
use super::messages::message;
use super::page::{collection, cut, entity, skip_link};
use crate::error::Refused;
use crate::http::{Answer, Call, GraphError, Reply};
use crate::query::{skip, top};
use crate::render::View;
use crate::seal;
use crate::state::{Content, Parsed, Stored};
use crate::tenant::Tenant;

/// An attachment of this size or more needs an upload session.
pub const SESSION_FROM: usize = 3 * 1024 * 1024;

const ENTITY: &str = "users('')/messages('')/attachments";

/// The properties of the attachment types.
const PROPERTIES: [&str; 10] = [
    "id",
    "lastModifiedDateTime",
    "name",
    "contentType",
    "size",
    "isInline",
    "contentId",
    "contentLocation",
    "contentBytes",
    "item",
];

/// The view of a call about attachments: its `$select` and `$expand` speak of those.
fn view<'a>(
    call: &Call,
    mailbox: &'a crate::state::Mailbox,
) -> Result<(View<'a>, crate::query::Select), GraphError> {
    let select = crate::query::Select::read(call, "microsoft.graph.attachment", &PROPERTIES)?;
    let prefer = call.prefer();
    let view = View {
        mailbox,
        immutable: prefer.immutable,
        select: crate::query::Select::default(),
        expand: crate::query::Expand::read(call)?,
        text_body: prefer.text_body,
        basic: false,
    };
    Ok((view, select))
}

fn shown(
    view: &View<'_>,
    select: &crate::query::Select,
    message: &Stored,
    attachment: &crate::mail::Attachment,
    number: u32,
) -> serde_json::Map<String, Value> {
    let Value::Object(mut object) = view.attachment(message, attachment, number) else {
        return serde_json::Map::new();
    };
    object.retain(|name, _| {
        name.starts_with('@') || name == "id" || name == "item" || select.shows(name, true)
    });
    object
}

/// `GET …/attachments`
pub fn list(tenant: &Tenant, call: &Call) -> Answer {
    let (size, start) = (top(call, 100, 1000)?, skip(call)?);
    let state = tenant.state();
    let (_, mailbox) = mailbox(&state, call)?;
    let message = message(mailbox, call)?;
    let (view, select) = view(call, mailbox)?;
    let parsed = message.properties.content.parsed();
    let all: Vec<_> = parsed.message.attachments.iter().zip(&parsed.numbers).collect();
    let page = cut(call, start, size);
    let value = all.iter().skip(page.skip).take(page.take).map(|(attachment, number)| {
        Value::Object(shown(&view, &select, message, attachment, **number))
    });
    let next = (page.next < all.len()).then(|| skip_link(call, page.next, size));
    Ok(collection(call, ENTITY, value.collect(), next))
}

/// The place of the attachment in the third placeholder. Its id may be given in either form.
fn place(view: &View<'_>, message: &Stored, parsed: &Parsed, id: &str) -> Result<usize, Refused> {
    let tag = &view.mailbox.tag;
    let forms = [
        seal::immutable_id(tag, message.uid),
        seal::mutable_id(tag, message.uid, message.generation),
    ];
    let number = forms.iter().find_map(|form| seal::read_attachment_id(form, id));
    let number = number.ok_or(Refused::AttachmentNotFound)?;
    parsed.numbers.iter().position(|known| *known == number).ok_or(Refused::AttachmentNotFound)
}

/// `GET …/attachments/{id}`
pub fn get(tenant: &Tenant, call: &Call) -> Answer {
    let state = tenant.state();
    let (_, mailbox) = mailbox(&state, call)?;
    let message = message(mailbox, call)?;
    let (view, select) = view(call, mailbox)?;
    let parsed = message.properties.content.parsed();
    let place = place(&view, message, &parsed, call.param(2))?;
    let (attachment, number) = (&parsed.message.attachments[place], parsed.numbers[place]);
    Ok(entity(call, 200, ENTITY, shown(&view, &select, message, attachment, number)))
}

/// `GET …/attachments/{id}/$value`
pub fn content(tenant: &Tenant, call: &Call) -> Answer {
    let state = tenant.state();
    let (_, mailbox) = mailbox(&state, call)?;
    let message = message(mailbox, call)?;
    let (view, _) = view(call, mailbox)?;
    let parsed = message.properties.content.parsed();
    let place = place(&view, message, &parsed, call.param(2))?;
    let attachment = &parsed.message.attachments[place];
    let is_item = attachment.item.is_some();
    let kind = if is_item { "text/plain" } else { attachment.content_type.as_str() };
    Ok(Reply::bytes(kind, Bytes::from(attachment.content.clone())))
}

/// `POST …/attachments`
pub fn add(tenant: &Tenant, call: &Call) -> Answer {
    if call.body.len() > super::create::REQUEST_MAX {
        return Err(too_large());
    }
    let attachment = attachment_from_json(&call.json()?)?;
    if attachment.content.len() >= SESSION_FROM {
        return Err(too_large());
    }
    let mut state = tenant.state();
    let (user, mailbox) = mailbox(&state, call)?;
    let uid = message(mailbox, call)?.uid;
    let number = tenant.attach(&mut state, user, uid, attachment)?;
    let mailbox = state.mailbox(user)?;
    let message = mailbox.messages.get(&uid).ok_or(Refused::MessageNotFound)?;
    let (view, select) = view(call, mailbox)?;
    let parsed = message.properties.content.parsed();
    let place = parsed.numbers.iter().position(|known| *known == number);
    let place = place.ok_or(Refused::AttachmentNotFound)?;
    let attachment = &parsed.message.attachments[place];
    Ok(entity(call, 201, ENTITY, shown(&view, &select, message, attachment, number)))
}

/// `DELETE …/attachments/{id}`
pub fn delete(tenant: &Tenant, call: &Call) -> Answer {
    let mut state = tenant.state();
    let (user, mailbox) = mailbox(&state, call)?;
    let message = message(mailbox, call)?;
    let (view, _) = view(call, mailbox)?;
    let mut properties = message.properties.clone();
    let mut parsed = Arc::unwrap_or_clone(properties.content.parsed());
    let place = place(&view, message, &parsed, call.param(2))?;
    let uid = message.uid;
    parsed.message.attachments.remove(place);
    parsed.numbers.remove(place);
    properties.content = Content::Parsed(Arc::new(parsed));
    tenant.replace(&mut state, user, uid, properties)?;
    Ok(Reply::empty(204))
}
