//! Conditional headers.
//!
//! Source: "Specifying conditional headers for Blob service operations"
//! (learn.microsoft.com/rest/api/storageservices, read November 2026).

use super::call::Call;
use super::error::{self, Code, Refusal};
use super::state::Version;

/// Judges a write that goes to a name where `current` stands, or nothing.
pub(crate) fn write(call: &Call, current: Option<&Version>) -> Result<(), Refusal> {
    if let Some(wanted) = call.header("if-none-match")? {
        match (wanted, current) {
            ("*", Some(_)) => return Err(error::BLOB_EXISTS.into()),
            (etag, Some(current)) if names(etag, current) => {
                return Err(error::CONDITION_NOT_MET.into());
            }
            _ => {}
        }
    }
    if let Some(wanted) = call.header("if-match")? {
        require(current.is_some_and(|current| names(wanted, current)), error::CONDITION_NOT_MET)?;
    }
    dates(call, current, error::CONDITION_NOT_MET)
}

/// Judges a request that needs `version` and does not change its content: `unchanged` is the
/// answer to one that wanted news, 304 for reads and 412 for the rest.
pub(crate) fn on(call: &Call, version: &Version, unchanged: Code) -> Result<(), Refusal> {
    if let Some(wanted) = call.header("if-none-match")? {
        require(!names(wanted, version), unchanged)?;
    }
    if let Some(wanted) = call.header("if-match")? {
        require(names(wanted, version), error::CONDITION_NOT_MET)?;
    }
    dates(call, Some(version), unchanged)
}

fn dates(call: &Call, version: Option<&Version>, unchanged: Code) -> Result<(), Refusal> {
    let modified = version.map(|version| version.modified.as_second());
    if let (Some(since), Some(modified)) = (call.date("if-modified-since")?, modified) {
        require(modified > since.as_second(), unchanged)?;
    }
    if let (Some(since), Some(modified)) = (call.date("if-unmodified-since")?, modified) {
        require(modified <= since.as_second(), error::CONDITION_NOT_MET)?;
    }
    Ok(())
}

fn require(condition: bool, otherwise: Code) -> Result<(), Refusal> {
    if condition { Ok(()) } else { Err(otherwise.into()) }
}

/// Whether a list of etags, quoted or not, names this version.
fn names(list: &str, version: &Version) -> bool {
    list == "*" || list.split(',').any(|etag| etag.trim().trim_matches('"') == version.etag)
}
