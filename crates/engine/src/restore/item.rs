//! One message: created once, read back, compared.

use holdfast_catalog::{RestoreItemRow, RestoreState};
use holdfast_graph::Kind;
use holdfast_model::{ContainerId, ItemId, short_id};
use holdfast_workloads::Loss;
use holdfast_workloads::mail::{self, Fields, MailWriter};

use super::plan::{Action, Planned};
use super::{Before, ends_restore, is_unreadable};
use crate::select::Picked;
use crate::{Home, Result};

/// What the messages of one restore share.
pub(super) struct Task<'a> {
    pub home: &'a Home,
    pub writer: &'a MailWriter<'a>,
    /// How far each message got before this process took over.
    pub before: &'a Before,
}

/// What became of a message.
pub(super) enum Done {
    Restored { bytes: u64, losses: Vec<Loss> },
    Skipped,
    Failed { detail: String, losses: Vec<Loss> },
}

/// A stored message, read.
pub(super) struct Stored {
    pub bytes: Vec<u8>,
    pub fields: Fields,
    pub losses: Vec<Loss>,
}

/// Reads a stored message from the vault.
pub(super) async fn read(item: &Picked) -> Result<Stored> {
    let found = &item.found;
    let bytes = super::bytes(&item.reader, &found.node).await?;
    let meta = found.message()?;
    let fields = Fields::of_stored(&found.node.name, meta, &bytes)?;
    let losses = mail::losses(meta, &fields, &bytes);
    Ok(Stored { bytes, fields, losses })
}

impl Task<'_> {
    /// Restores one message. An error here ends the restore; what concerns the message alone is
    /// [`Done::Failed`].
    pub async fn write(&self, folder: &ContainerId, planned: Planned) -> Result<Done> {
        let before = self.before.items.get(&planned.item.found.meta.item_id());
        let done_before = before.is_some_and(|row| row.state == RestoreState::Done);
        if done_before || (planned.action == Action::Skip && before.is_none()) {
            return Ok(Done::Skipped);
        }
        let stored = match read(&planned.item).await {
            Err(error) if is_unreadable(&error) => {
                return Ok(Done::Failed { detail: error.to_string(), losses: Vec::new() });
            }
            read => read?,
        };
        tracing::debug!(target: "holdfast::stage", stage = "restore write");
        match self.bring_back(folder, &planned, &stored, before).await {
            Ok(differences) if differences.is_empty() => {
                let bytes = stored.bytes.len() as u64;
                Ok(Done::Restored { bytes, losses: stored.losses })
            }
            Ok(differences) => {
                let names: Vec<&str> = differences.iter().map(|d| d.0).collect();
                let detail = format!("came back different in: {}", names.join(", "));
                Ok(Done::Failed { detail, losses: stored.losses })
            }
            Err(error) if ends_restore(&error) => Err(error),
            Err(error) => {
                let id = &planned.item.found.meta.item_id();
                self.note(id, RestoreState::Failed, None, Some(error.cause())).await?;
                // What could not be finished is not left half done.
                self.remove_halves(folder, &self.mark(id)).await?;
                Ok(Done::Failed { detail: error.to_string(), losses: stored.losses })
            }
        }
    }

    /// Creates the message, unless a search for its mark shows that it was; answers with the
    /// fields in which it differs.
    async fn bring_back(
        &self,
        folder: &ContainerId,
        planned: &Planned,
        stored: &Stored,
        before: Option<&RestoreItemRow>,
    ) -> Result<Vec<mail::Difference>> {
        let source = planned.item.found.meta.item_id();
        let mark = self.mark(&source);
        if before.is_some() {
            self.remove_halves(folder, &mark).await?;
        }
        self.note(&source, RestoreState::Planned, None, None).await?;
        let composed = mail::compose(&stored.fields, planned.item.found.message()?, &mark);
        let created = match self.writer.create(folder, &composed).await {
            Err(error) if error.graph_kind() == Some(Kind::Uncertain) => {
                // Whether it was created is unknown: look, and begin again with a clean folder.
                self.remove_halves(folder, &mark).await?;
                self.writer.create(folder, &composed).await?
            }
            other => other?,
        };
        self.note(&source, RestoreState::Created, Some(&created.id), None).await?;
        self.writer.attach(&created.id, &composed.later).await?;
        let found = self.writer.read_back(&created.id).await?;
        let differences = mail::compare(&stored.fields, &found);
        if differences.is_empty() {
            if let Action::Replace(old) = &planned.action {
                self.writer.delete(old).await?;
            }
            self.note(&source, RestoreState::Done, Some(&created.id), None).await?;
        } else {
            let names: Vec<&str> = differences.iter().map(|d| d.0).collect();
            let names = Some(names.join(","));
            self.note(&source, RestoreState::Failed, Some(&created.id), names).await?;
        }
        Ok(differences)
    }

    /// What tells that a message was made from this one by this restore.
    fn mark(&self, source: &ItemId) -> String {
        format!("{} {}", self.before.restore, short_id(source.as_str()))
    }

    /// Removes what an interrupted attempt at this message left in the target: it may lack
    /// attachments, and it is ours by its mark.
    async fn remove_halves(&self, folder: &ContainerId, mark: &str) -> Result<()> {
        for id in self.writer.marked(folder, mark).await? {
            self.writer.purge(&id).await?;
        }
        Ok(())
    }

    async fn note(
        &self,
        source: &ItemId,
        state: RestoreState,
        target: Option<&str>,
        detail: Option<String>,
    ) -> Result<()> {
        self.before.note(self.home, source, state, target, detail).await
    }
}
