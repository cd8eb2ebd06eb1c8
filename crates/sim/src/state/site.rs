//! Sites: team sites with their libraries, and the personal sites behind OneDrives.

use jiff::Timestamp;

/// The host of team sites.
const TEAMS_HOST: &str = "contoso.sharepoint.example";

/// The host of personal sites.
const PERSONAL_HOST: &str = "contoso-my.sharepoint.example";

/// A site.
#[derive(Clone, Debug)]
pub struct Site {
    /// The number.
    pub number: usize,
    /// Host and two GUIDs.
    pub id: String,
    /// The last part of the address.
    pub name: String,
    /// The name that people read.
    pub display_name: String,
    /// Whose OneDrive it is.
    pub owner: Option<usize>,
    /// When it was made.
    pub created: Timestamp,
    /// Deleted.
    pub removed: bool,
    /// The numbers of its drives, the first one being its default.
    pub drives: Vec<usize>,
}

impl Site {
    /// The host of its address.
    pub fn host(&self) -> &'static str {
        host(self.owner.is_some())
    }

    /// Its address.
    pub fn web_url(&self) -> String {
        let folder = if self.owner.is_some() { "personal" } else { "sites" };
        format!("https://{}/{folder}/{}", self.host(), escaped(&self.name))
    }

    /// The address of a library in it. "Documents" is "Shared Documents" there, but in OneDrives.
    pub fn library_url(&self, name: &str) -> String {
        let folder = match name {
            _ if self.owner.is_some() => "Documents",
            "Documents" => "Shared Documents",
            name => name,
        };
        format!("{}/{}", self.web_url(), escaped(folder))
    }
}

/// The host of personal sites, or of the others.
pub fn host(is_personal: bool) -> &'static str {
    if is_personal { PERSONAL_HOST } else { TEAMS_HOST }
}

/// The name of the personal site of a person: `ada_lovelace_contoso_example`.
pub fn personal_name(upn: &str) -> String {
    upn.to_lowercase().replace(|letter: char| !letter.is_alphanumeric(), "_")
}

/// A name as part of an address.
pub fn escaped(name: &str) -> String {
    use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
    const PART: &AsciiSet = &NON_ALPHANUMERIC
        .remove(b'-')
        .remove(b'.')
        .remove(b'_')
        .remove(b'~')
        .remove(b'(')
        .remove(b')');
    utf8_percent_encode(name, PART).to_string()
}
