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

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use http::HeaderMap;
    use serde_json::json;

    use super::*;
    use crate::api::upload;
    use crate::desk::{Desk, mime};

    fn desk_with_message() -> (Desk, String) {
        let desk = Desk::empty(1);
        let user = desk.user(0);
        let id = desk.tenant.deliver(&user, "inbox", &mime(1)).unwrap();
        let path = format!("/v1.0/users/{user}/messages/{id}/attachments");
        (desk, path)
    }

    fn file(name: &str, bytes: &[u8]) -> Value {
        json!({"@odata.type": "#microsoft.graph.fileAttachment", "name": name,
               "contentType": "text/plain", "contentBytes": STANDARD.encode(bytes)})
    }

    #[test]
    fn attachments_are_added_read_and_removed() {
        let (desk, path) = desk_with_message();
        let ids: Vec<String> = ["a", "b", "c"]
            .iter()
            .map(|name| {
                let made = desk.json("POST", &path, &file(name, name.as_bytes()), 201);
                made["id"].as_str().unwrap().to_owned()
            })
            .collect();
        desk.json("DELETE", &format!("{path}/{}", ids[0]), &Value::Null, 204);
        let made = desk.json("POST", &path, &file("d", b"dddd"), 201);
        assert!(!ids.contains(&made["id"].as_str().unwrap().to_owned()), "ids are not used again");
        let list = desk.get(&format!("{path}?$select=name,size"));
        let names: Vec<&str> =
            list["value"].as_array().unwrap().iter().map(|a| a["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["b", "c", "d"]);
        assert!(list["value"][0].get("contentBytes").is_none());
        let bytes = desk.request("GET", &format!("{path}/{}/$value", ids[2]), "", b"").body;
        assert_eq!(bytes, "c");
        assert_eq!(desk.refusal("GET", &format!("{path}/{}", ids[0]), &Value::Null).0, 404);
        assert_eq!(desk.get(&format!("{path}/{}", ids[1]))["contentBytes"], "Yg==");
        let large = file("large", &vec![0; SESSION_FROM]);
        assert_eq!(desk.refusal("POST", &path, &large).0, 413);
    }

    #[test]
    fn upload_sessions_take_chunks_in_order() {
        let (desk, path) = desk_with_message();
        let size = 5 * 1024 * 1024;
        let content: Vec<u8> = (0..size).map(|place| (place % 251) as u8).collect();
        let item = |size: usize| json!({"AttachmentItem": {"attachmentType": "file", "name": "big", "size": size}});
        let create = format!("{path}/createUploadSession");
        assert_eq!(desk.refusal("POST", &create, &item(SESSION_FROM - 1)).0, 400);
        assert_eq!(desk.refusal("POST", &create, &item(151 * 1024 * 1024)).0, 413);
        let session = desk.json("POST", &create, &item(size), 201);
        let url = session["uploadUrl"].as_str().unwrap();
        let id = url.rsplit_once('/').unwrap().1.to_owned();
        let put = |start: usize, end: usize, authorised: bool| {
            let mut headers = HeaderMap::new();
            let range = format!("bytes {start}-{}/{size}", end - 1);
            headers.insert("content-range", range.parse().unwrap());
            if authorised {
                headers.insert("authorization", "Bearer x".parse().unwrap());
            }
            let body = Bytes::copy_from_slice(&content[start..end]);
            let call = Call::new("PUT", "/attachments/upload/x", headers, body, "https://x");
            upload::answer(&desk.tenant, &call, &id)
        };
        let middle = 3 * 1024 * 1024;
        assert_eq!(put(0, middle, true).unwrap_err().status, 401);
        assert_eq!(put(middle, size, false).unwrap_err().status, 416);
        assert_eq!(put(0, size, false).unwrap_err().status, 413);
        let state = put(0, middle, false).unwrap().json.unwrap();
        assert_eq!(state["nextExpectedRanges"], json!([middle.to_string()]));
        assert_eq!(put(0, middle, false).unwrap_err().status, 416);
        let done = put(middle, size, false).unwrap();
        assert_eq!(done.status, 201);
        let location = &done.headers.iter().find(|(name, _)| *name == "location").unwrap().1;
        let location = location.strip_prefix("https://x").unwrap();
        let bytes = desk.request("GET", &format!("{location}/$value"), "", b"").body;
        assert!(bytes == content);
        assert_eq!(put(0, 1, false).unwrap_err().status, 404, "the session is over");
    }

    #[test]
    fn mail_in_mail_is_an_item_without_an_id() {
        let (desk, path) = desk_with_message();
        let item = json!({"@odata.type": "#microsoft.graph.itemAttachment", "name": "inner",
            "item": {"@odata.type": "#microsoft.graph.message", "subject": "inner",
                     "body": {"contentType": "text", "content": "deep"}}});
        desk.json("POST", &path, &item, 201);
        let list = desk.get(&format!("{path}?$expand=microsoft.graph.itemAttachment/item"));
        let shown = &list["value"][0];
        assert_eq!(shown["@odata.type"], "#microsoft.graph.itemAttachment");
        assert_eq!(shown["item"]["subject"], "inner");
        assert!(shown["item"].get("id").is_none());
        let id = shown["id"].as_str().unwrap();
        let bytes = desk.request("GET", &format!("{path}/{id}/$value"), "", b"").body;
        assert!(String::from_utf8_lossy(&bytes).contains("Subject: inner"));
    }
}
