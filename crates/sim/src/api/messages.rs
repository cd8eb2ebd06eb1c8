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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::desk::{Desk, mime};
    use crate::fault::Fault;

    fn desk_with_mail(count: usize) -> (Desk, String, Vec<String>) {
        let desk = Desk::empty(1);
        let user = desk.user(0);
        let deliver = |number| desk.tenant.deliver(&user, "inbox", &mime(number)).unwrap();
        let ids = (0..count).map(deliver).collect();
        (desk, user, ids)
    }

    #[test]
    fn a_moved_message_keeps_its_immutable_id_only() {
        let (desk, user, ids) = desk_with_mail(2);
        let list = desk.request("GET", &format!("/v1.0/users/{user}/messages"), "", b"");
        let mutable = list.json.unwrap()["value"][0]["id"].as_str().unwrap().to_owned();
        let id = &ids[0];
        let path = format!("/v1.0/users/{user}/messages/{id}");
        let before = desk.get(&path);
        let to = json!({"destinationId": "archive"});
        let after = desk.json("POST", &format!("{path}/move"), &to, 201);
        assert_eq!(after["id"], before["id"]);
        assert_ne!(after["changeKey"], before["changeKey"]);
        assert_ne!(after["parentFolderId"], before["parentFolderId"]);
        let old = format!("/v1.0/users/{user}/messages/{mutable}");
        assert_eq!(desk.refusal("GET", &old, &Value::Null), (404, "ErrorItemNotFound".into()));
        // Both ids of the list differ in case only: folding them finds the wrong message or none.
        assert_eq!(ids[0].to_lowercase(), ids[1].to_lowercase());
        assert_eq!(desk.get(&path)["subject"], "Number 0");
        let other = format!("/v1.0/users/{user}/messages/{}", ids[1]);
        assert_eq!(desk.get(&other)["subject"], "Number 1");
    }

    #[test]
    fn pages_of_a_list_follow_each_other() {
        let (desk, user, ids) = desk_with_mail(25);
        let mut link = format!("/v1.0/users/{user}/mailFolders/inbox/messages?$select=id&$top=10");
        let mut seen = Vec::new();
        let mut sizes = Vec::new();
        loop {
            let page = desk.get(&link);
            let items = page["value"].as_array().unwrap();
            sizes.push(items.len());
            seen.extend(items.iter().map(|item| item["id"].as_str().unwrap().to_owned()));
            match page["@odata.nextLink"].as_str() {
                Some(next) => link = next.to_owned(),
                None => break,
            }
        }
        assert_eq!(sizes, [10, 10, 5]);
        seen.sort();
        let mut ids = ids;
        ids.sort();
        assert_eq!(seen, ids);
    }

    #[test]
    fn filters_find_messages() {
        let (desk, user, ids) = desk_with_mail(5);
        let property = "String {00020386-0000-0000-C000-000000000046} Name restore";
        let path = format!("/v1.0/users/{user}/messages/{}", ids[3]);
        let body = json!({"singleValueExtendedProperties": [{"id": property, "value": "r1"}]});
        desk.json("PATCH", &path, &body, 200);
        let find = |filter: &str| -> Vec<String> {
            let page = desk.get(&format!("/v1.0/users/{user}/messages?$filter={filter}"));
            let items = page["value"].as_array().unwrap().iter();
            items.map(|item| item["id"].as_str().unwrap().to_owned()).collect()
        };
        let any = format!(
            "singleValueExtendedProperties/Any(ep: ep/id eq '{property}' and ep/value eq 'r1')"
        );
        assert_eq!(find(&any), [ids[3].clone()]);
        assert_eq!(find("internetMessageId eq '<2@contoso.example>'"), [ids[2].clone()]);
        assert_eq!(find("isRead eq true").len(), 0);
        assert_eq!(find("receivedDateTime ge 2026-11-02T09:00:00Z").len(), 5);
    }

    #[test]
    fn mime_is_given_as_it_came_and_only_at_one_path() {
        let (desk, user, ids) = desk_with_mail(1);
        let path = format!("/v1.0/users/{user}/messages/{}/$value", ids[0]);
        assert_eq!(desk.request("GET", &path, "", b"").body, mime(0));
        let below = format!("/v1.0/users/{user}/mailFolders/inbox/messages/{}/$value", ids[0]);
        assert_eq!(desk.refusal("GET", &below, &Value::Null), (405, "ErrorInvalidRequest".into()));
        let faults = desk.tenant.faults();
        faults.inject(Fault::once(FaultKind::MimeConversionFailed, "$value"));
        let failed = (500, "ErrorMimeContentConversionFailed".to_owned());
        assert_eq!(desk.refusal("GET", &path, &Value::Null), failed);
        faults.inject(Fault::once(FaultKind::EmptyMime, "$value"));
        assert!(desk.request("GET", &path, "", b"").body.is_empty());
    }

    #[test]
    fn a_corrupt_message_takes_its_page_with_it() {
        let (desk, user, ids) = desk_with_mail(4);
        desk.tenant
            .faults()
            .inject(Fault::always(FaultKind::CorruptItem(ids[2].clone()), "/messages"));
        let list = format!("/v1.0/users/{user}/mailFolders/inbox/messages?$top=2");
        let code = "ErrorContentConversionFailed".to_owned();
        let page = |skip: usize| desk.refusal("GET", &format!("{list}&$skip={skip}"), &Value::Null);
        assert_eq!((page(0).0, page(2)), (200, (500, code.clone())));
        let alone = format!("/v1.0/users/{user}/messages/{}", ids[2]);
        assert_eq!(desk.refusal("GET", &alone, &Value::Null), (500, code));
    }

    #[test]
    fn a_patch_changes_state_and_drafts_only() {
        let (desk, user, ids) = desk_with_mail(1);
        let path = format!("/v1.0/users/{user}/messages/{}", ids[0]);
        let flag = json!({"flagStatus": "flagged",
            "dueDateTime": {"dateTime": "2026-11-05T00:00:00.0000000", "timeZone": "UTC"}});
        let body = json!({"isRead": true, "categories": ["A", "A", "B"], "flag": flag,
                          "importance": "high"});
        let after = desk.json("PATCH", &path, &body, 200);
        assert_eq!(after["categories"], json!(["A", "B"]));
        assert_eq!(after["flag"]["flagStatus"], "flagged");
        assert_eq!(after["flag"]["dueDateTime"], flag["dueDateTime"]);
        assert_eq!((&after["isRead"], &after["importance"]), (&json!(true), &json!("high")));
        let subject = json!({"subject": "other"});
        assert_eq!(desk.refusal("PATCH", &path, &subject).1, "ErrorInvalidPropertySet");
        assert_eq!(desk.refusal("PATCH", &path, &json!({"x": 1})).1, "RequestBodyRead");
        // What did not change keeps its bytes.
        assert_eq!(&*desk.tenant.mime(&user, &ids[0]).unwrap(), mime(0));

        let drafts = format!("/v1.0/users/{user}/messages");
        let draft = desk.json("POST", &drafts, &json!({"subject": "draft"}), 201);
        let path = format!("{drafts}/{}", draft["id"].as_str().unwrap());
        let after = desk.json("PATCH", &path, &subject, 200);
        assert_eq!((&after["subject"], &after["isDraft"]), (&json!("other"), &json!(true)));
    }
}
