//! Writes messages back into a mailbox and reads them again.

use std::collections::BTreeMap;

use holdfast_graph::{Graph, Kind, segment};
use holdfast_model::{ContainerId, Timestamp, fold};
use serde_json::{Value, json};

use super::compose::{Composed, RESTORE_PROPERTY, file_attachment};
use super::fields::{Attachment, Fields};
use super::meta::MessageMeta;
use super::round::is_gone;
use crate::{Error, Result};

/// Largest attachment that is posted whole; larger ones go through an upload session (Graph v1.0,
/// `attachment: createUploadSession`: 3 MB to 150 MB).
const POST_BYTES: usize = 3_000_000;

/// Properties that a read-back needs beside the ordinary ones: threading and transport headers.
pub(super) const DETAIL: &str = "singleValueExtendedProperties($filter=id eq 'String 0x1042' \
    or id eq 'String 0x1039')";

/// A message that lies in the target already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Existing {
    /// Its id.
    pub id: String,
    /// Subject, sender and time of receipt as one text: what tells a message that was restored
    /// before from another, for its id is a new one.
    pub fingerprint: String,
    /// The mark of the restore that created it, if one did.
    pub mark: Option<String>,
}

impl Existing {
    /// The fingerprint of a stored message.
    pub fn fingerprint_of(meta: &MessageMeta) -> String {
        let time = meta.received.map(Timestamp::as_second);
        format!("{time:?} {} {}", meta.from, meta.subject)
    }
}

/// A message that was just created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Created {
    /// Its id.
    pub id: String,
}

/// Writes into one mailbox, within its request budget and with the priority of a restore.
pub struct MailWriter<'g> {
    graph: &'g Graph,
    user: String,
}

impl<'g> MailWriter<'g> {
    /// A writer for the mailbox of `user` (its Graph id).
    pub fn new(graph: &'g Graph, user: &str) -> Self {
        Self { graph, user: user.to_owned() }
    }

    fn path(&self, rest: &str) -> String {
        format!("/users/{}/{rest}", segment(&self.user))
    }

    /// What lies in a folder already.
    pub async fn list(&self, folder: &ContainerId) -> Result<Vec<Existing>> {
        let expand = format!("singleValueExtendedProperties($filter=id eq '{RESTORE_PROPERTY}')");
        let request = self
            .graph
            .get(self.path(&format!("mailFolders/{}/messages", segment(folder.as_str()))))
            .query("$select", "id,changeKey,subject,from,receivedDateTime")
            .query("$expand", &expand)
            .query("$top", "500")
            .mailbox(&self.user)
            .restore();
        let mut pages = self.graph.pages(request);
        let mut found = BTreeMap::new();
        while let Some(page) = pages.next().await? {
            for item in page.items {
                let meta = MessageMeta::from_graph(&item)?;
                let fingerprint = Existing::fingerprint_of(&meta);
                // No other property was asked for.
                let mark = meta.mapi.into_values().next();
                found.insert(meta.id.clone(), Existing { id: meta.id, fingerprint, mark });
            }
        }
        Ok(found.into_values().collect())
    }

    /// The ids of the folders directly below `parent` (the top where `None`), by display name.
    pub async fn folders(
        &self,
        parent: Option<&ContainerId>,
    ) -> Result<Vec<(String, ContainerId)>> {
        let request = self
            .graph
            .get(self.folder_list(parent))
            .query("$select", "id,displayName")
            .query("$top", "200")
            .query("includeHiddenFolders", "true")
            .mailbox(&self.user)
            .restore();
        let mut pages = self.graph.pages(request);
        let mut folders = Vec::new();
        while let Some(page) = pages.next().await? {
            folders.extend(page.items.iter().filter_map(|item| {
                let name = item["displayName"].as_str()?.to_owned();
                Some((name, ContainerId::from(item["id"].as_str()?)))
            }));
        }
        Ok(folders)
    }

    fn folder_list(&self, parent: Option<&ContainerId>) -> String {
        match parent {
            Some(parent) => {
                self.path(&format!("mailFolders/{}/childFolders", segment(parent.as_str())))
            }
            None => self.path("mailFolders"),
        }
    }

    /// Makes a folder, or finds it where it exists already (`ErrorFolderExists`).
    pub async fn make_folder(
        &self,
        parent: Option<&ContainerId>,
        name: &str,
    ) -> Result<ContainerId> {
        let request = self
            .graph
            .post(self.folder_list(parent))
            .json(&json!({"displayName": name}))
            .mailbox(&self.user)
            .restore();
        match request.send_json().await {
            Ok(folder) => Ok(ContainerId::from(created_id(&folder, "a new folder")?.as_str())),
            Err(error) if error.kind() == Kind::Conflict => {
                let known = self.folders(parent).await?;
                let same =
                    |(known, id): (String, ContainerId)| (fold(&known) == fold(name)).then_some(id);
                known.into_iter().find_map(same).ok_or(Error::Graph(error))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Messages in a folder that carry this restore mark: what an uncertain answer left behind.
    pub async fn marked(&self, folder: &ContainerId, mark: &str) -> Result<Vec<String>> {
        let filter = format!(
            "singleValueExtendedProperties/Any(ep: ep/id eq '{RESTORE_PROPERTY}' and ep/value eq '{mark}')"
        );
        let request = self
            .graph
            .get(self.path(&format!("mailFolders/{}/messages", segment(folder.as_str()))))
            .query("$filter", &filter)
            .query("$select", "id")
            .mailbox(&self.user)
            .restore();
        let mut pages = self.graph.pages(request);
        let mut ids = Vec::new();
        while let Some(page) = pages.next().await? {
            ids.extend(page.items.iter().filter_map(|m| m["id"].as_str().map(str::to_owned)));
        }
        Ok(ids)
    }

    /// Creates a message, once: an uncertain answer is an error of kind `Uncertain`, after which
    /// [`MailWriter::marked`] tells whether it was created.
    pub async fn create(&self, folder: &ContainerId, message: &Composed) -> Result<Created> {
        let request = self
            .graph
            .post(self.path(&format!("mailFolders/{}/messages", segment(folder.as_str()))))
            .json(&message.json)
            .mailbox(&self.user)
            .restore()
            .once();
        let id = created_id(&request.send_json().await?, "a new message")?;
        Ok(Created { id })
    }

    /// Adds the attachments that were too large for the creation request.
    pub async fn attach(&self, message: &str, attachments: &[Attachment]) -> Result<()> {
        for attachment in attachments {
            if attachment.content.len() < POST_BYTES {
                let request = self
                    .graph
                    .post(self.path(&format!("messages/{}/attachments", segment(message))))
                    .json(&file_attachment(attachment));
                request.mailbox(&self.user).restore().once().send_json().await?;
            } else {
                self.upload(message, attachment).await?;
            }
        }
        Ok(())
    }

    async fn upload(&self, message: &str, attachment: &Attachment) -> Result<()> {
        let mut item = json!({
            "attachmentType": "file",
            "name": attachment.name,
            "size": attachment.content.len(),
            "contentType": attachment.content_type,
            "isInline": attachment.inline,
        });
        if let Some(id) = &attachment.content_id {
            item["contentId"] = json!(id);
        }
        let request =
            self.graph
                .post(self.path(&format!(
                    "messages/{}/attachments/createUploadSession",
                    segment(message)
                )))
                .json(&json!({"AttachmentItem": item}));
        let session = request.mailbox(&self.user).restore().send_json().await?;
        let url = session["uploadUrl"]
            .as_str()
            .ok_or(Error::Answer { what: "an upload session", property: "uploadUrl" })?;
        Ok(self.graph.upload(&self.user, url, &attachment.content).await?)
    }

    /// Reads a message back as the service now holds it.
    pub async fn read_back(&self, id: &str) -> Result<Fields> {
        let request = self
            .graph
            .get(self.path(&format!("messages/{}", segment(id))))
            .query("$expand", DETAIL)
            .mailbox(&self.user)
            .restore();
        let mut message = request.send_json().await?;
        message["attachments"] = Value::Array(self.attachments(id).await?);
        Ok(Fields::of_graph(&message))
    }

    async fn attachments(&self, id: &str) -> Result<Vec<Value>> {
        let list = self.graph.get(self.path(&format!("messages/{}/attachments", segment(id))));
        let mut pages = self.graph.pages(list.mailbox(&self.user).restore());
        let mut attachments = Vec::new();
        while let Some(page) = pages.next().await? {
            attachments.extend(page.items);
        }
        Ok(attachments)
    }

    /// Deletes a message the way a person does: it goes to Deleted Items. One that is gone already
    /// is no error.
    pub async fn delete(&self, id: &str) -> Result<()> {
        let path = self.path(&format!("messages/{}", segment(id)));
        gone(self.graph.delete(path).mailbox(&self.user).restore().send_empty().await)
    }

    /// Deletes a message for good: for what an interrupted restore left half done (Graph v1.0
    /// `message: permanentDelete`).
    pub async fn purge(&self, id: &str) -> Result<()> {
        let path = self.path(&format!("messages/{}/permanentDelete", segment(id)));
        gone(self.graph.post(path).mailbox(&self.user).restore().send_empty().await)
    }

    /// Which well-known folders this mailbox has.
    pub async fn well_known(&self) -> Result<BTreeMap<ContainerId, &'static str>> {
        super::folders::well_known_ids(self.graph, &self.user).await
    }
}

fn gone(answer: holdfast_graph::Result<()>) -> Result<()> {
    match answer {
        Err(error) if !is_gone(&error) => Err(error.into()),
        _ => Ok(()),
    }
}

fn created_id(answer: &Value, what: &'static str) -> Result<String> {
    answer["id"].as_str().map(str::to_owned).ok_or(Error::Answer { what, property: "id" })
}
