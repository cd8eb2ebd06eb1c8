//! What a node of the vault says about a message.
//!
//! The JSON is compact and versioned; `docs/format.md` describes it. It is all that a rebuild of
//! the catalog needs, and all that a restore needs beside the bytes.

use std::collections::BTreeMap;

use aws_lc_rs::digest::{SHA256, digest};
use holdfast_model::{ItemId, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::property::extended;
use super::round::time;
use crate::{Error, Result};

/// Version of the JSON form.
const VERSION: u8 = 1;

/// Longest subject and sender kept beside the message, in bytes: enough for a listing; the whole
/// text is in the message.
const SHOWN_BYTES: usize = 160;

/// Whether the stored bytes are MIME or Graph's JSON.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StoredForm {
    /// RFC 5322 message.
    #[default]
    Mime,
    /// Graph's JSON with attachments inside.
    Json,
}

/// Metadata of a message: what MIME does not say.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MessageMeta {
    /// Version of this form.
    pub v: u8,
    /// Immutable Graph id.
    pub id: String,
    /// Graph's change key at the time of reading; empty where Graph gave none, which is then never
    /// equal to another.
    pub ck: String,
    /// Tag of the content: equal tags mean that the stored bytes are still right.
    pub tag: String,
    /// `receivedDateTime`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub received: Option<Timestamp>,
    /// `sentDateTime`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent: Option<Timestamp>,
    /// `createdDateTime`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<Timestamp>,
    /// `isRead`.
    #[serde(default, skip_serializing_if = "is_false")]
    pub read: bool,
    /// `isDraft`.
    #[serde(default, skip_serializing_if = "is_false")]
    pub draft: bool,
    /// `flag` as Graph gives it, absent when not flagged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flag: Option<Value>,
    /// `categories`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cat: Vec<String>,
    /// `importance`, absent when normal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub imp: Option<String>,
    /// MAPI properties by Graph id, the message class ('String 0x001A') among them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub mapi: BTreeMap<String, String>,
    /// Beginning of the subject, for listings.
    #[serde(default)]
    pub subject: String,
    /// Sender, for listings.
    #[serde(default)]
    pub from: String,
    /// Form of the stored bytes.
    #[serde(default, skip_serializing_if = "is_mime")]
    pub form: StoredForm,
    /// True when the whole metadata lies in the overflow file beside the message.
    #[serde(default, skip_serializing_if = "is_false")]
    pub more: bool,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_false(value: &bool) -> bool {
    !*value
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_mime(form: &StoredForm) -> bool {
    *form == StoredForm::Mime
}

impl MessageMeta {
    /// Reads the properties of a Graph message.
    pub fn from_graph(item: &Value) -> Result<Self> {
        let required = |property: &'static str| {
            item[property]
                .as_str()
                .map(str::to_owned)
                .ok_or(Error::Answer { what: "a message", property })
        };
        let flag = &item["flag"];
        let flagged = flag["flagStatus"].as_str().is_some_and(|status| status != "notFlagged");
        let importance = item["importance"].as_str().unwrap_or("normal");
        let mut meta = Self {
            v: VERSION,
            id: required("id")?,
            ck: item["changeKey"].as_str().unwrap_or_default().to_owned(),
            received: time(item, "receivedDateTime"),
            sent: time(item, "sentDateTime"),
            created: time(item, "createdDateTime"),
            read: item["isRead"].as_bool().unwrap_or(false),
            draft: item["isDraft"].as_bool().unwrap_or(false),
            flag: flagged.then(|| flag.clone()),
            cat: texts(&item["categories"]),
            imp: (importance != "normal").then(|| importance.to_owned()),
            mapi: extended(item),
            subject: shown(item["subject"].as_str().unwrap_or_default()),
            from: shown(item["from"]["emailAddress"]["address"].as_str().unwrap_or_default()),
            ..Self::default()
        };
        meta.tag = content_tag(item, &meta);
        Ok(meta)
    }

    /// Reads the metadata of a node.
    pub fn from_json(name: &str, text: &str) -> Result<Self> {
        serde_json::from_str(text).map_err(|error| Error::metadata(name, &error))
    }

    /// The compact form for a node.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("metadata has text keys only")
    }

    /// What stays on the node when the whole does not fit: enough to identify and to list.
    pub fn without_overflow(&self) -> Self {
        Self { more: true, cat: Vec::new(), flag: None, mapi: BTreeMap::new(), ..self.clone() }
    }

    /// The id as an [`ItemId`].
    pub fn item_id(&self) -> ItemId {
        ItemId(self.id.clone())
    }

    /// The time that decides where the message lies: received, or created for drafts.
    pub fn filed_at(&self) -> Timestamp {
        self.received.or(self.created).unwrap_or(Timestamp::UNIX_EPOCH)
    }

    /// The message class, `IPM.Note` where Graph did not tell.
    pub fn class(&self) -> &str {
        self.mapi.get("String 0x001A").map_or("IPM.Note", String::as_str)
    }
}

/// First 16 hexadecimal digits of SHA-256 over everything listed that follows from the content.
/// A draft changes under its change key, so that is part of its tag.
fn content_tag(item: &Value, meta: &MessageMeta) -> String {
    let content = json!([
        item["subject"],
        item["from"],
        item["sender"],
        item["toRecipients"],
        item["ccRecipients"],
        item["bccRecipients"],
        item["hasAttachments"],
        item["internetMessageId"],
        item["bodyPreview"],
        item["sentDateTime"],
        meta.mapi.get("Integer 0x0E08"),
        meta.draft.then_some(&meta.ck),
    ]);
    let digest = digest(&SHA256, content.to_string().as_bytes());
    digest.as_ref()[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}

fn texts(value: &Value) -> Vec<String> {
    let texts = value.as_array().into_iter().flatten();
    texts.filter_map(|text| text.as_str().map(str::to_owned)).collect()
}

fn shown(text: &str) -> String {
    let mut end = SHOWN_BYTES.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message() -> Value {
        json!({
            "id": "AAMk=", "changeKey": "CQ==", "subject": "Plan", "isRead": true, "isDraft": false,
            "receivedDateTime": "2026-03-01T08:00:00Z", "categories": ["Red"],
            "flag": {"flagStatus": "flagged"}, "importance": "high",
            "singleValueExtendedProperties": [{"id": "String 0x001A", "value": "IPM.Note.SMIME"}],
        })
    }

    #[test]
    fn metadata_survives_its_json() {
        let meta = MessageMeta::from_graph(&message()).unwrap();
        assert_eq!(MessageMeta::from_json("x", &meta.to_json()).unwrap(), meta);
        assert_eq!(meta.class(), "IPM.Note.SMIME");
        assert_eq!(meta.imp.as_deref(), Some("high"));
    }

    #[test]
    fn a_read_flag_keeps_the_tag_and_a_subject_changes_it() {
        let tag = |change: fn(&mut Value)| {
            let mut item = message();
            change(&mut item);
            MessageMeta::from_graph(&item).unwrap().tag
        };
        let same = tag(|_| {});
        assert_eq!(tag(|m| m["isRead"] = json!(false)), same);
        assert_eq!(tag(|m| m["changeKey"] = json!("DQ==")), same);
        assert_ne!(tag(|m| m["subject"] = json!("Plan B")), same);
        assert_ne!(tag(|m| m["isDraft"] = json!(true)), same);
    }

    #[test]
    fn a_message_without_an_id_is_refused_and_one_without_a_change_key_is_not() {
        let without = |property: &str| {
            let mut item = message();
            item.as_object_mut().unwrap().remove(property);
            MessageMeta::from_graph(&item)
        };
        assert!(without("id").is_err());
        assert_eq!(without("changeKey").unwrap().ck, "");
    }
}
