//! The bytes of a file, and what it means where Graph does not give them.

use holdfast_graph::{self as graph, Download, Graph, Kind, segment};
use holdfast_model::SkipCause;

use super::meta::FileMeta;
use super::round::Listed;

/// Starts to download a file as it was listed.
pub fn content(graph: &Graph, drive: &str, listed: &Listed) -> Download {
    let path = format!("/drives/{}/items/{}/content", segment(drive), segment(&listed.meta.id));
    graph.download(graph.get(path).drive(1)).listed(listed.address.as_ref())
}

/// The item is no longer there. An answer 404 without this code is about the drive.
pub(super) fn is_gone(error: &graph::Error) -> bool {
    error.kind() == Kind::NotFound && error.has_code("itemNotFound")
}

/// Why a file that Graph does not give is left out; `None` for a failure.
pub fn skip_cause(error: &graph::Error, meta: &FileMeta) -> Option<SkipCause> {
    let withheld = matches!(error.kind(), Kind::NotFound | Kind::Transient | Kind::Denied);
    if error.has_code("malwareDetected") {
        Some(SkipCause::Malware)
    } else if is_notebook_file(&meta.name) && withheld {
        Some(SkipCause::Notebook)
    } else if error.status() == Some(423) || is_lapsed(error) {
        Some(SkipCause::Locked)
    } else if meta.checked_out && matches!(error.kind(), Kind::NotFound | Kind::Denied) {
        Some(SkipCause::NeverCheckedIn)
    } else if is_gone(error) {
        Some(SkipCause::DeletedInFlight)
    } else {
        None
    }
}

/// "The subscription within the tenant has lapsed", and sites that an administrator has locked
/// (seen by corso).
fn is_lapsed(error: &graph::Error) -> bool {
    error.has_code("resourceLocked")
        || (error.status() == Some(403) && error.has_code("notAllowed"))
}

/// Parts of a notebook: Graph refuses large ones always and small ones at times
/// (alcionai/corso#2910, onedrive-api-docs#1456).
fn is_notebook_file(name: &str) -> bool {
    let ending = name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
    matches!(ending.as_deref(), Some("one" | "onetoc2"))
}

/// True where something for people came instead of the file, as the warning about malware has
/// been seen to (rclone#7934): a page in HTML, of another size than the file is said to have.
pub fn is_error_page(meta: &FileMeta, beginning: &[u8], size: u64, xor: &str) -> bool {
    let as_listed = size == meta.size || meta.xor.as_deref() == Some(xor);
    let text: Vec<u8> = beginning.iter().take(64).map(u8::to_ascii_lowercase).collect();
    let text = text.trim_ascii_start();
    let is_page = text.starts_with(b"<!doctype html") || text.starts_with(b"<html");
    let name = meta.name.to_ascii_lowercase();
    let may_be_page = [".htm", ".html", ".xhtml", ".aspx", ".mht", ".mhtml"];
    !as_listed && is_page && !may_be_page.iter().any(|ending| name.ends_with(ending))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_for_people_is_no_document() {
        let meta = |name: &str| FileMeta { name: name.into(), size: 9, ..FileMeta::default() };
        assert!(is_error_page(&meta("plan.docx"), b"\n<!DOCTYPE html><p>virus", 500, "x"));
        assert!(!is_error_page(&meta("plan.html"), b"<!DOCTYPE html>", 500, "x"));
        assert!(!is_error_page(&meta("plan.docx"), b"<html>123", 9, "x"));
        assert!(!is_error_page(&meta("plan.docx"), b"PK\x03\x04", 500, "x"));
    }
}
