//! The message itself: MIME, or the JSON that Graph gives where it cannot make MIME.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use holdfast_graph::{self as graph, Graph, Kind, segment};
use holdfast_model::{ItemId, SkipCause};
use serde_json::{Value, json};

use super::round::message_path;
use crate::{Error, Result};

/// What there is to store of a message.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    /// MIME as Graph gives it, byte for byte.
    Mime(Bytes),
    /// The message and its attachments as Graph's JSON, where MIME conversion fails for good
    /// (S/MIME and non-delivery reports; OpenArchiver#487).
    Json(Bytes),
    /// Nothing, for a reason that is not a failure.
    Skipped(SkipCause),
}

/// Fetches a message.
///
/// Errors are failures of this item only, unless their kind says that the mailbox or the tenant
/// is out of reach.
pub async fn fetch_body(graph: &Graph, user: &str, id: &ItemId) -> Result<Body> {
    let mime = graph.get(format!("{}/$value", message_path(user, id))).mailbox(user);
    match mime.send_bytes().await {
        Ok(bytes) if bytes.is_empty() => whole_json(graph, user, id).await, // sdk-java#722
        Ok(bytes) => Ok(Body::Mime(bytes)),
        Err(error) if is_conversion_failure(&error) => whole_json(graph, user, id).await,
        Err(error) => skip_or_fail(error),
    }
}

/// Graph cannot convert this message, now or ever.
fn is_conversion_failure(error: &graph::Error) -> bool {
    error.has_code("ErrorMimeContentConversionFailed")
        || error.has_code("ErrorContentConversionFailed")
}

fn skip_or_fail(error: graph::Error) -> Result<Body> {
    if error.kind() == Kind::NotFound {
        Ok(Body::Skipped(SkipCause::DeletedInFlight))
    } else if error.kind() == Kind::Corrupt {
        Ok(Body::Skipped(SkipCause::CorruptInService))
    } else if error.has_code("ErrorInvalidRecipients") {
        Ok(Body::Skipped(SkipCause::InvalidRecipients))
    } else {
        Err(Error::Graph(error))
    }
}

async fn whole_json(graph: &Graph, user: &str, id: &ItemId) -> Result<Body> {
    let message = graph
        .get(message_path(user, id))
        .query("$expand", super::round::EXPAND)
        .mailbox(user)
        .send_json()
        .await;
    let mut message = match message {
        Ok(message) => message,
        Err(error) if is_conversion_failure(&error) => {
            return Ok(Body::Skipped(SkipCause::CorruptInService));
        }
        Err(error) => return skip_or_fail(error),
    };
    let attachments = attachments(graph, user, id).await?;
    message["attachments"] = json!(attachments);
    Ok(Body::Json(Bytes::from(message.to_string())))
}

/// All attachments with their bytes. One that cannot be read is kept as its description with
/// `holdfastError`, so that the rest of the message is not lost (corso#3607).
async fn attachments(graph: &Graph, user: &str, id: &ItemId) -> Result<Vec<Value>> {
    let list = graph
        .get(format!("{}/attachments", message_path(user, id)))
        .query("$select", "id,name,contentType,size,isInline")
        .mailbox(user);
    let mut pages = graph.pages(list);
    let mut whole = Vec::new();
    while let Some(page) = pages.next().await? {
        for mut described in page.items {
            let Some(attachment) = described["id"].as_str() else { continue };
            let path = format!("{}/attachments/{}", message_path(user, id), segment(attachment));
            match whole_attachment(graph, user, &path).await {
                Ok(content) => whole.push(content),
                Err(error) if error.code().is_some() => {
                    described["holdfastError"] = json!(error.code());
                    whole.push(described);
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(whole)
}

/// An attachment with its bytes; of a message inside the message its MIME.
async fn whole_attachment(graph: &Graph, user: &str, path: &str) -> graph::Result<Value> {
    let mut content = graph.get(path).mailbox(user).send_json().await?;
    let is_item = content["@odata.type"].as_str().is_some_and(|t| t.ends_with("itemAttachment"));
    if is_item {
        let mime = graph.get(format!("{path}/$value")).mailbox(user).send_bytes().await?;
        content["holdfastMime"] = json!(STANDARD.encode(&mime));
    }
    Ok(content)
}
