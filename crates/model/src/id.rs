use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};

/// First 16 hexadecimal digits of SHA-256 of a Graph id, case kept (Graph ids are case-sensitive).
///
/// It tells two items of one folder apart in file names and spreads large folders.
pub fn short_id(graph_id: &str) -> String {
    hex::encode(&digest(&SHA256, graph_id.as_bytes()).as_ref()[..8])
}

macro_rules! text_id {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub String);

        impl $name {
            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl From<&str> for $name {
            fn from(id: &str) -> Self {
                Self(id.to_owned())
            }
        }
    )*};
}

text_id! {
    /// Graph id of an item: immutable form for mail, case-sensitive, stable over moves inside a
    /// mailbox.
    ItemId;
    /// Graph id of a container (a mail folder). Containers have no immutable form; theirs is
    /// constant.
    ContainerId;
    /// Our id of a resource: `<workload>/<Graph id of the user>`, the same in catalog and vault.
    ResourceId;
    /// Our id of a run (UUID version 7, so that runs sort by start).
    RunId;
    /// Our id of a user of Holdfast (UUID version 7); it stays where his name changes.
    UserId;
}

macro_rules! number_id {
    ($($(#[$doc:meta])* $name:ident($inner:ty);)*) => {$(
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
        )]
        #[serde(transparent)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )*};
}

number_id! {
    /// Number of a shard inside its vault, from 1. Its decimal form is the id everywhere.
    ShardId(u32);
    /// Position of a snapshot in the history of its shard, from 1.
    Seq(u64);
    /// Fencing number of a shard lease; rises with every holder.
    Fence(u64);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_ids_keep_case_apart() {
        assert_ne!(short_id("AAMkAGI"), short_id("AAMkAGi"));
        assert_eq!(short_id(""), "e3b0c44298fc1c14");
    }
}
