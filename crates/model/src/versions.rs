use std::fmt;
use std::str::FromStr;

/// How many versions of a file a backup takes: the present one alone, or earlier ones too that the
/// service still has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FileVersions {
    /// The present one.
    #[default]
    Latest,
    /// The present one and so many before it.
    Earlier(u32),
    /// All.
    All,
}

impl FileVersions {
    /// Longest list of versions: SharePoint keeps at most 50,000 major ones ("Limits of versions",
    /// Microsoft support, read 2026-11).
    const MOST: usize = 50_000;

    /// How many earlier versions are taken.
    pub fn earlier(self) -> usize {
        match self {
            Self::Latest => 0,
            Self::Earlier(count) => count as usize,
            Self::All => Self::MOST,
        }
    }
}

impl fmt::Display for FileVersions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Latest => f.write_str("latest"),
            Self::Earlier(count) => write!(f, "{count}"),
            Self::All => f.write_str("all"),
        }
    }
}

impl FromStr for FileVersions {
    type Err = String;

    /// `latest`, `all`, or the number of earlier versions.
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "latest" | "0" => Ok(Self::Latest),
            "all" => Ok(Self::All),
            number => number.parse().map(Self::Earlier).map_err(|_| {
                format!("'{text}' is neither 'latest', nor 'all', nor a number of earlier versions")
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for (text, earlier) in [("latest", 0), ("7", 7), ("all", 50_000)] {
            let versions: FileVersions = text.parse().unwrap();
            assert_eq!((versions.to_string().as_str(), versions.earlier()), (text, earlier));
        }
        assert!("-1".parse::<FileVersions>().is_err());
    }
}
