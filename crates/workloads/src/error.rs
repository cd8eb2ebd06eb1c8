use holdfast_graph as graph;

/// What can go wrong while a workload reads or writes.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Graph refused or could not be reached.
    #[error(transparent)]
    Graph(#[from] graph::Error),
    /// Graph answered something that its contract does not allow.
    #[error("Graph answered {what} without the property '{property}'")]
    Answer {
        /// What was asked for, without names or addresses.
        what: &'static str,
        /// The missing or malformed property.
        property: &'static str,
    },
    /// Metadata in the vault that this version cannot read.
    #[error("metadata of '{name}' cannot be read; a newer version of Holdfast may have written it")]
    Metadata {
        /// Name of the entry in the vault.
        name: String,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// A stored message that is neither MIME nor a JSON message.
    #[error("the stored form of '{name}' cannot be read as a message")]
    Stored {
        /// Name of the entry in the vault.
        name: String,
    },
}

impl Error {
    /// The kind of the Graph error behind this one, if there is one.
    pub fn graph_kind(&self) -> Option<graph::Kind> {
        match self {
            Self::Graph(error) => Some(error.kind()),
            _ => None,
        }
    }

    /// Graph's own code for the error, or the kind of ours: what a report shows as the cause.
    pub fn cause(&self) -> String {
        match self {
            Self::Graph(error) => match error.code() {
                Some(code) => code.to_owned(),
                None => format!("{:?}", error.kind()).to_lowercase(),
            },
            Self::Answer { .. } => "unexpected_answer".to_owned(),
            Self::Metadata { .. } | Self::Stored { .. } => "unreadable_in_vault".to_owned(),
        }
    }
}

/// Shorthand of this crate.
pub type Result<T> = std::result::Result<T, Error>;
