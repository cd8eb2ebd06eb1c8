//! Why a restore leaves items out.

/// Why an item is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Skipped {
    /// A message.
    IsThere,
    /// A file.
    Unchanged,
    /// A file that the target has otherwise.
    Conflicting,
    /// An interrupted attempt of this restore brought it.
    Written,
    /// A shortcut.
    Shortcut,
}

impl Skipped {
    pub fn reason(self) -> &'static str {
        match self {
            Self::IsThere => "it is in the target already",
            Self::Unchanged => "the target has it, unchanged",
            Self::Conflicting => "the target has another version of it",
            Self::Written => "this restore has written it already",
            Self::Shortcut => "a shortcut, which Graph does not make",
        }
    }
}
