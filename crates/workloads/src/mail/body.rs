//! The message itself: MIME, or the JSON that Graph gives where it cannot make MIME.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use holdfast_graph::{self as graph, Graph, Kind, segment};
use holdfast_model::{ItemId, SkipCause};
use serde_json::{Value, json};

use super::round::{is_gone, message_path};
use crate::{Error, Result};

/// Properties that only the JSON form needs, for MIME has them as headers: threading and the
/// headers of transport. Source: MS-OXPROPS.
const EXPAND: &str = "singleValueExtendedProperties($filter=id eq 'String 0x001A' \
    or id eq 'String 0x1042' or id eq 'String 0x1039' or id eq 'String 0x007D')";

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
    match mime(graph, user, id).await {
        Ok(Some(bytes)) => Ok(Body::Mime(bytes)),
        Ok(None) => whole_json(graph, user, id).await,
        Err(error) if is_conversion_failure(&error) => whole_json(graph, user, id).await,
        Err(error) => skip_or_fail(error),
    }
}

/// The MIME form. An answer without content (sdk-java#722) is no message: it is asked for once
/// more, then given up.
async fn mime(graph: &Graph, user: &str, id: &ItemId) -> graph::Result<Option<Bytes>> {
    for _ in 0..2 {
        let path = format!("{}/$value", message_path(user, id));
        let bytes = graph.get(path).mailbox(user).send_bytes().await?;
        if !bytes.is_empty() {
            return Ok(Some(bytes));
        }
    }
    Ok(None)
}

/// Graph cannot convert this message, now or ever.
fn is_conversion_failure(error: &graph::Error) -> bool {
    error.has_code("ErrorMimeContentConversionFailed")
        || error.has_code("ErrorContentConversionFailed")
}

fn skip_or_fail(error: graph::Error) -> Result<Body> {
    if is_gone(&error) {
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
    let message =
        graph.get(message_path(user, id)).query("$expand", EXPAND).mailbox(user).send_json().await;
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

/// All attachments with their bytes. One that Exchange cannot give is kept as its description with
/// `holdfastError`, so that the rest of the message is not lost (corso#3607); so is a list that
/// breaks off (docs-contrib#8001).
async fn attachments(graph: &Graph, user: &str, id: &ItemId) -> Result<Vec<Value>> {
    let list = graph
        .get(format!("{}/attachments", message_path(user, id)))
        .query("$select", "id,name,contentType,size,isInline")
        .mailbox(user);
    let mut pages = graph.pages(list);
    let mut whole = Vec::new();
    loop {
        let page = match pages.next().await {
            Ok(Some(page)) => page,
            Ok(None) => break,
            Err(error) if is_unreadable(&error) => {
                whole.push(json!({"holdfastError": error.code()}));
                break;
            }
            Err(error) => return Err(error.into()),
        };
        for mut described in page.items {
            let Some(attachment) = described["id"].as_str() else { continue };
            let path = format!("{}/attachments/{}", message_path(user, id), segment(attachment));
            match whole_attachment(graph, user, &path).await {
                Ok(content) => whole.push(content),
                Err(error) if is_unreadable(&error) => {
                    described["holdfastError"] = json!(error.code());
                    whole.push(described);
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(whole)
}

/// Exchange says that it cannot give an attachment; anything else may pass.
fn is_unreadable(error: &graph::Error) -> bool {
    let codes = ["ErrorCannotOpenFileAttachment", "ErrorInvalidAttachmentId"];
    is_gone(error) || is_conversion_failure(error) || codes.iter().any(|code| error.has_code(code))
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
