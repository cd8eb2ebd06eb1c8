//! How the many files of a folder are spread over hidden sub-directories.

/// How a folder's many files are spread over hidden sub-directories, so that a change rewrites a
/// small tree instead of a large one.
///
/// A hidden directory is one without metadata; directories with metadata are folders and stay
/// where they are. A folder must not carry a name that `levels` can give.
#[derive(Clone, Copy, Debug)]
pub struct Fanout {
    /// The names of the nested directories that may hold the file `name`, outermost first.
    pub levels: fn(&str) -> Vec<String>,
    /// How many of the levels are always used, even for a single file.
    pub always: usize,
    /// A directory with more files than this is split by the next level.
    pub split_above: usize,
    /// A split directory with fewer files than this in all is merged again.
    pub merge_below: usize,
}

impl Fanout {
    /// No fan-out: every file lies in its folder.
    pub const FLAT: Self =
        Self { levels: |_| Vec::new(), always: 0, split_above: usize::MAX, merge_below: 0 };
}
