//! Records of erasures: `erasures/<id>.json` in the control repository, written before anything is
//! erased. They name the resource by its id and the items by their short ids, no person and no
//! subject. An open record makes the next prune do the rest.

use holdfast_model::{ResourceId, ShardId, Timestamp};
use holdfast_policy::ErasureRequest;
use holdfast_vault::Vault;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::home::blocking;
use crate::{Home, Result, intent};

const VERSION: u8 = 1;

/// Where the records lie.
const PREFIX: &str = "erasures/";

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ErasureRecord {
    v: u8,
    pub id: String,
    pub resource: ResourceId,
    /// Short ids.
    pub items: Vec<String>,
    pub reason: String,
    pub ordered_at: Timestamp,
    /// Shards in which something is left to do.
    pub open: Vec<ShardId>,
    /// Ids of vaults with a copy in which something is left to do.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub copies: Vec<String>,
    /// When nothing was left.
    pub done_at: Option<Timestamp>,
}

impl ErasureRecord {
    pub fn new(request: &ErasureRequest, now: Timestamp) -> Self {
        Self {
            v: VERSION,
            id: Uuid::now_v7().to_string(),
            resource: request.resource.clone(),
            items: request.items.clone(),
            reason: request.reason.clone(),
            ordered_at: now,
            open: Vec::new(),
            copies: Vec::new(),
            done_at: None,
        }
    }

    pub fn request(&self) -> ErasureRequest {
        ErasureRequest {
            resource: self.resource.clone(),
            items: self.items.clone(),
            reason: self.reason.clone(),
        }
    }

    /// There is something to do in a further shard.
    pub fn open_in(&mut self, shard: ShardId) {
        if !self.open.contains(&shard) {
            self.open.push(shard);
        }
    }

    /// Nothing is left to do in a shard.
    pub fn done_in(&mut self, shard: ShardId, now: Timestamp) {
        self.open.retain(|open| *open != shard);
        self.end(now);
    }

    /// Nothing is left to do in a copy.
    pub fn done_in_copy(&mut self, vault: &str, now: Timestamp) {
        self.copies.retain(|open| open != vault);
        self.end(now);
    }

    fn end(&mut self, now: Timestamp) {
        if self.open.is_empty() && self.copies.is_empty() {
            self.done_at = Some(now);
        }
    }

    /// Writes the record; on return it is durable.
    pub async fn save(&self, home: &Home, vault: &Vault) -> Result<()> {
        let bytes = serde_json::to_vec(self).expect("records have text keys only");
        let path = format!("{PREFIX}{}.json", self.id);
        intent::save(home, vault, vec![(path, Some(bytes))]).await
    }
}

/// The erasures of a vault that are not done, the oldest first.
pub(super) async fn open(vault: &Vault) -> Result<Vec<ErasureRecord>> {
    let control = vault.clone();
    let records = blocking(move || Ok(control.control()?.load()?)).await?;
    let mut records: Vec<ErasureRecord> = intent::under(&records, PREFIX)?;
    records.retain(|record| record.done_at.is_none());
    records.sort_by(|a, b| (a.ordered_at, &a.id).cmp(&(b.ordered_at, &b.id)));
    Ok(records)
}

/// Those that have something to do in a shard.
pub(super) async fn open_in(vault: &Vault, shard: ShardId) -> Result<Vec<ErasureRecord>> {
    let mut open = open(vault).await?;
    open.retain(|record| record.open.contains(&shard));
    Ok(open)
}
