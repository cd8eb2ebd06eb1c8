//! Snapshots and the tags by which a shard's history is told.

use holdfast_model::{Fence, RunId, Seq, Timestamp};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::id::{FileId, TreeId};
use crate::limits;

/// A snapshot that Holdfast wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Id of the snapshot file, 64 hexadecimal digits.
    pub id: String,
    /// Its root tree.
    pub tree: TreeId,
    /// Time of the run (not the time at which each resource was read).
    pub time: Timestamp,
    /// Its place in the history of the shard.
    pub tags: Tags,
    /// Who wrote it.
    pub hostname: String,
    /// What restic shows as its paths.
    pub paths: Vec<String>,
    /// A repair wrote it, or what it is a copy or a rewriting of: what could not be read is left
    /// out.
    pub repaired: bool,
}

/// Tag of a snapshot that was written by a repair.
const REPAIRED: &str = "repaired=1";

/// Place of a snapshot in the history of its shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tags {
    /// Position, from 1.
    pub seq: Seq,
    /// Position of the snapshot that this one builds on; stored as 0 where there is none.
    pub prev: Option<Seq>,
    /// Fencing number of the lease under which it was written.
    pub fence: Fence,
    /// The run that wrote it. Must not hold a comma (restic's separator of tags).
    pub run: RunId,
    /// Whether the run had read everything.
    pub kind: SnapshotKind,
    /// How often the snapshot has been rewritten (erasure); 0 for an original.
    pub rewrite: u32,
}

/// Whether a snapshot closes a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SnapshotKind {
    /// The run had finished.
    Final,
    /// Intermediate state of a long run.
    Checkpoint,
}

impl Tags {
    pub(crate) fn to_strings(&self) -> Result<Vec<String>> {
        if self.run.as_str().contains([',', '=']) || self.run.as_str().is_empty() {
            return Err(Error::invalid("a run id is empty or holds ',' or '='"));
        }
        let kind = match self.kind {
            SnapshotKind::Final => "final",
            SnapshotKind::Checkpoint => "checkpoint",
        };
        Ok(vec![
            format!("seq={}", self.seq),
            format!("prev={}", self.prev.map_or(0, |seq| seq.0)),
            format!("fence={}", self.fence),
            format!("run={}", self.run),
            format!("kind={kind}"),
            format!("rewrite={}", self.rewrite),
        ])
    }

    /// Reads the tags by key; `None` where they are not ours. Unknown keys are ignored.
    pub(crate) fn from_strings(tags: &[String]) -> Option<Self> {
        let value = |key: &str| {
            tags.iter()
                .find_map(|tag| tag.strip_prefix(key).and_then(|rest| rest.strip_prefix('=')))
        };
        let number = |key: &str| value(key)?.parse::<u64>().ok().filter(|n| *n <= limits::COUNTER);
        Some(Self {
            seq: Seq(number("seq")?),
            prev: Some(number("prev")?).filter(|prev| *prev > 0).map(Seq),
            fence: Fence(number("fence")?),
            run: value("run")?.into(),
            kind: match value("kind")? {
                "final" => SnapshotKind::Final,
                "checkpoint" => SnapshotKind::Checkpoint,
                _ => return None,
            },
            rewrite: value("rewrite").map_or(Some(0), |text| text.parse().ok())?,
        })
    }
}

/// The snapshot file of the restic format.
#[derive(Serialize, Deserialize)]
pub(crate) struct SnapshotJson {
    time: Timestamp,
    tree: TreeId,
    paths: Vec<String>,
    #[serde(default)]
    hostname: String,
    #[serde(default)]
    username: String,
    #[serde(default)]
    tags: Option<Vec<String>>,
}

impl SnapshotJson {
    pub(crate) fn new(
        tree: TreeId,
        tags: &Tags,
        time: Timestamp,
        hostname: &str,
        paths: &[String],
    ) -> Result<Self> {
        Ok(Self {
            time,
            tree,
            paths: paths.to_vec(),
            hostname: hostname.to_owned(),
            username: "holdfast".to_owned(),
            tags: Some(tags.to_strings()?),
        })
    }

    /// Adds the sign of a snapshot that was repaired.
    pub(crate) fn repaired(mut self) -> Self {
        self.tags.get_or_insert_default().push(REPAIRED.to_owned());
        self
    }

    pub(crate) fn tree(&self) -> TreeId {
        self.tree
    }

    /// Its place in the history of the shard; `None` where somebody else wrote it.
    pub(crate) fn tags(&self) -> Option<Tags> {
        Tags::from_strings(self.tags.as_deref().unwrap_or_default())
    }

    /// `None` where somebody else wrote the snapshot.
    pub(crate) fn into_snapshot(self, id: FileId) -> Option<Snapshot> {
        let tags = self.tags()?;
        let repaired = self.tags.iter().flatten().any(|tag| tag == REPAIRED);
        let Self { time, tree, paths, hostname, .. } = self;
        Some(Snapshot { id: id.to_string(), tree, time, tags, hostname, paths, repaired })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags() -> Tags {
        Tags {
            seq: Seq(4),
            prev: Some(Seq(3)),
            fence: Fence(2),
            run: "r-1".into(),
            kind: SnapshotKind::Checkpoint,
            rewrite: 1,
        }
    }

    #[test]
    fn tags_are_read_by_key_in_any_order() {
        let mut strings = tags().to_strings().unwrap();
        assert_eq!(strings[..2], ["seq=4", "prev=3"]);
        strings.reverse();
        strings.push("later=extension".to_owned());
        assert_eq!(Tags::from_strings(&strings), Some(tags()));
        let first = Tags { prev: None, ..tags() };
        assert_eq!(first.to_strings().unwrap()[1], "prev=0");
        assert_eq!(Tags::from_strings(&first.to_strings().unwrap()), Some(first));
    }

    #[test]
    fn other_peoples_tags_are_not_ours() {
        for missing in 0..5 {
            let mut strings = tags().to_strings().unwrap();
            strings.remove(missing);
            assert_eq!(Tags::from_strings(&strings), None, "without tag {missing}");
        }
        for bad in ["seq=x", "seq=-1", "seq=18446744073709551615", "kind=other", "rewrite=x"] {
            let mut strings = tags().to_strings().unwrap();
            strings.insert(0, bad.to_owned());
            assert_eq!(Tags::from_strings(&strings), None, "{bad}");
        }
        for run in ["", "a,b", "a=b"] {
            assert!(Tags { run: run.into(), ..tags() }.to_strings().is_err(), "{run}");
        }
    }
}
