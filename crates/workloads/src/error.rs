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
    #[error(
        "metadata of the entry {entry} cannot be read (column {column}); \
         a newer version of Holdfast may have written it"
    )]
    Metadata {
        /// Short id in the name of the entry; names themselves are personal.
        entry: String,
        /// Where in the JSON.
        column: usize,
    },
    /// What columns a library has cannot be read, so nothing can be said of what its files have.
    #[error("the columns of the library cannot be read ({cause}); the files are asked again")]
    Columns {
        /// What a report shows as the cause.
        cause: String,
    },
    /// A stored message that is neither MIME nor a JSON message.
    #[error("the stored form of the message {entry} cannot be read")]
    Stored {
        /// Short id in the name of the entry.
        entry: String,
    },
}

impl Error {
    pub(crate) fn metadata(name: &str, error: &serde_json::Error) -> Self {
        Self::Metadata { entry: short_id_in(name), column: error.column() }
    }

    pub(crate) fn stored(name: &str) -> Self {
        Self::Stored { entry: short_id_in(name) }
    }

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
            Self::Columns { cause } => cause.clone(),
            Self::Answer { .. } => "unexpected_answer".to_owned(),
            Self::Metadata { .. } | Self::Stored { .. } => "unreadable_in_vault".to_owned(),
        }
    }
}

/// What identifies an entry without telling its subject: the short id, or Holdfast's own name.
fn short_id_in(name: &str) -> String {
    let id = name.rsplit_once('~').map_or("?", |(_, id)| id);
    id.chars().take(16).collect()
}

/// Shorthand of this crate.
pub type Result<T> = std::result::Result<T, Error>;
