//! Upload sessions for large attachments (source: Graph, "Attach large files to Outlook messages
//! or events", read 2026-11).

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::attachments::SESSION_FROM;
use super::mailbox;
use super::messages::message;
use super::page::entity;
use crate::error::Refused;
use crate::http::{Answer, Call, GraphError, Reply};
use crate::mail::Attachment;
use crate::render::time;
use crate::seal;
use crate::tenant::Tenant;

/// The largest attachment: 150 MB.
const SIZE_MAX: usize = 150 * 1024 * 1024;

/// The largest chunk.
const CHUNK_MAX: usize = 4 * 1024 * 1024;

/// How long a session lives after the last chunk.
const LIFE: Duration = Duration::from_secs(3600);

/// The open sessions. They are lost with the process, as sessions of the service can be.
#[derive(Debug, Default)]
pub struct Sessions(Mutex<HashMap<String, Session>>);

#[derive(Debug)]
struct Session {
    user: usize,
    uid: u64,
    attachment: Attachment,
    size: usize,
    expires: Timestamp,
}

impl Session {
    fn document(&self) -> Value {
        let next = self.attachment.content.len();
        json!({
            "expirationDateTime": time(self.expires),
            "nextExpectedRanges": [next.to_string()],
        })
    }
}

fn bad(code: &str, message: &str) -> GraphError {
    GraphError::new(400, code, message)
}

/// `POST …/attachments/createUploadSession`
pub fn create(tenant: &Tenant, call: &Call) -> Answer {
    let body = call.json()?;
    let item = body.get("AttachmentItem").or_else(|| body.get("attachmentItem"));
    let item = item.ok_or_else(|| GraphError::invalid("AttachmentItem is missing."))?;
    let (attachment, size) = attachment(item)?;
    let state = tenant.state();
    let (user, mailbox) = mailbox(&state, call)?;
    let uid = message(mailbox, call)?.uid;
    let now = tenant.clock().now();
    let session = Session { user, uid, attachment, size, expires: expiry(now) };
    let mut document = session.document();
    let id = format!("{}{}", seal::random_guid(), seal::random_guid()).replace('-', "");
    document["uploadUrl"] = json!(format!("{}/attachments/upload/{id}", call.base));
    tenant.sessions().lock().insert(id, session);
    let members = document.as_object().cloned().unwrap_or_default();
    Ok(entity(call, 201, "microsoft.graph.uploadSession", members))
}

fn attachment(item: &Value) -> Result<(Attachment, usize), GraphError> {
    let text = |name: &str| item.get(name).and_then(Value::as_str).map(str::to_owned);
    if !text("attachmentType").is_some_and(|kind| kind.eq_ignore_ascii_case("file")) {
        return Err(GraphError::invalid("Only attachments of type file can be uploaded."));
    }
    let name = text("name").filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| GraphError::invalid("Required property 'name' is missing."))?;
    let size = item.get("size").and_then(Value::as_u64).unwrap_or(0);
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    if size < SESSION_FROM {
        let code = "ErrorAttachmentSizeShouldNotBeLessThanMinimumSize";
        return Err(bad(code, "The attachment size must be greater than the minimum size, 3 MB."));
    }
    if size > SIZE_MAX {
        let message = "The attachment size must not exceed 150 MB.";
        return Err(GraphError::new(413, "ErrorAttachmentSizeLimitExceeded", message));
    }
    let attachment = Attachment {
        name,
        content_type: text("contentType").unwrap_or_else(|| "application/octet-stream".to_owned()),
        content_id: text("contentId"),
        is_inline: item.get("isInline").and_then(Value::as_bool).unwrap_or(false),
        ..Attachment::default()
    };
    Ok((attachment, size))
}

fn expiry(now: Timestamp) -> Timestamp {
    now.saturating_add(SignedDuration::try_from(LIFE).unwrap_or_default()).unwrap_or(now)
}

impl Sessions {
    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Session>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Requests to an upload URL. It is authentication enough; a token beside it is refused.
pub fn answer(tenant: &Tenant, call: &Call, id: &str) -> Answer {
    if call.header("authorization").is_some() {
        let message = "The upload URL is pre-authenticated, send no Authorization header.";
        return Err(GraphError::new(401, "InvalidAuthenticationToken", message));
    }
    let now = tenant.clock().now();
    let mut sessions = tenant.sessions().lock();
    sessions.retain(|_, session| session.expires > now);
    let session = sessions.get_mut(id).ok_or_else(|| {
        GraphError::new(404, "ErrorItemNotFound", "The upload session was not found.")
    })?;
    match call.method.as_str() {
        "GET" => Ok(Reply::json(200, session.document())),
        "DELETE" => {
            sessions.remove(id);
            Ok(Reply::empty(204))
        }
        "PUT" => {
            tenant.counters().count(|stats| stats.upload_chunks += 1);
            append(session, call)?;
            session.expires = expiry(now);
            if session.attachment.content.len() < session.size {
                return Ok(Reply::json(200, session.document()));
            }
            let Some(session) = sessions.remove(id) else {
                return Err(Refused::AttachmentNotFound.into());
            };
            drop(sessions);
            finish(tenant, call, session)
        }
        _ => Err(GraphError::new(405, "ErrorInvalidRequest", "The method is not allowed.")),
    }
}

/// Adds a chunk: in order, without gaps.
fn append(session: &mut Session, call: &Call) -> Result<(), GraphError> {
    let range = call.header("content-range").and_then(content_range);
    let (start, end, size) =
        range.ok_or_else(|| GraphError::invalid("The Content-Range header is invalid."))?;
    if size != session.size || end.checked_sub(start).map(|len| len + 1) != Some(call.body.len()) {
        return Err(GraphError::invalid("The Content-Range header does not fit the content."));
    }
    if call.body.len() > CHUNK_MAX {
        let message = "A chunk must not exceed 4 MB.";
        return Err(GraphError::new(413, "RequestEntityTooLarge", message));
    }
    let have = session.attachment.content.len();
    if start != have {
        let message = format!("The range does not begin at the next expected byte, {have}.");
        return Err(GraphError::new(416, "ErrorInvalidRange", message));
    }
    session.attachment.content.extend_from_slice(&call.body);
    Ok(())
}

/// `bytes 0-99/1000`
fn content_range(text: &str) -> Option<(usize, usize, usize)> {
    let (range, size) = text.trim().strip_prefix("bytes ")?.split_once('/')?;
    let (start, end) = range.split_once('-')?;
    let (start, end, size) = (start.parse().ok()?, end.parse().ok()?, size.parse().ok()?);
    (start <= end && end < size).then_some((start, end, size))
}

fn finish(tenant: &Tenant, call: &Call, session: Session) -> Answer {
    let Session { user, uid, attachment, .. } = session;
    let mut state = tenant.state();
    let number = tenant.attach(&mut state, user, uid, attachment)?;
    let mailbox = state.mailbox(user)?;
    let id = seal::immutable_id(&mailbox.tag, uid);
    let location = format!(
        "{}/v1.0/users('{}')/messages('{id}')/attachments('{}')",
        call.base,
        state.users[user].id,
        seal::attachment_id(&id, number)
    );
    Ok(Reply::empty(201).with("location", location))
}

#[cfg(test)]
mod tests {
    use super::content_range;

    #[test]
    fn content_ranges_are_read() {
        assert_eq!(content_range("bytes 0-99/1000"), Some((0, 99, 1000)));
        for bad in ["", "bytes 5-4/10", "bytes 0-10/10", "bytes */10", "0-1/2", "bytes a-b/c"] {
            assert_eq!(content_range(bad), None, "{bad}");
        }
    }
}
